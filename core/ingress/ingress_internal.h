/* Inside of core/ingress: what passes between its three threads. */
#ifndef LAT_INGRESS_INTERNAL_H
#define LAT_INGRESS_INTERNAL_H

#include "base/map.h"
#include "ingress/ingress.h"
#include "io/net.h"
#include "model/spec.h"
#include "model/states.h"

#include <sys/queue.h>

/* One instance that an endpoint leads to. */
struct lat__backend {
    char node_id[LAT_ID_SIZE];
    char allocation[LAT_ID_SIZE];
    int64_t generation;
};

/* Where an endpoint leads: made on the state loop, then owned by the acceptor. */
struct lat__route {
    char endpoint[LAT_ID_SIZE];
    char port_name[LAT_NAME_MAX + 1];
    enum lat_protocol protocol;
    bool plain;
    int port;
    size_t backend_count;
    struct lat__backend backends[LAT_INGRESS_BACKENDS_MAX];
};

/* ---- connection.c: on the loop that owns the backend's link ---- */

/* The connections of one I/O loop. */
struct lat__lane {
    struct lat_loop *loop;
    struct lat_ingress *ingress;
    TAILQ_HEAD(, lat__connection) connections;
    size_t count;
    bool closing;
};

/* Hands an accepted connection (taken) to the lane. From the acceptor. */
void lat__ingress_hand_over(struct lat__lane *lane, struct lat_incoming incoming,
                            const struct lat__route *route, const struct lat__backend *backend);

/* Closes all connections of the lane; calls lat__ingress_part_closed when none is left. From any thread. */
void lat__ingress_close_lane(struct lat__lane *lane);

/* ---- listeners.c: on the acceptor ---- */

struct lat__listeners;

struct lat__listeners *lat__listeners_new(struct lat_ingress *ingress);

/* Takes a route: opens its port if it is not open, and replaces what was known of the endpoint. From the state loop.
 * lat__routes_opened follows on the state loop whenever the port had to be opened. */
void lat__listeners_set(struct lat__listeners *listeners, struct lat__route *route);

/* Closes an endpoint's port. From the state loop. */
void lat__listeners_remove(struct lat__listeners *listeners, const char *endpoint);

/* Closes all ports, frees the listeners, calls lat__ingress_part_closed. From the state loop. */
void lat__listeners_close(struct lat__listeners *listeners);

/* ---- routes.c: on the state loop ---- */

struct lat__routes;

struct lat__routes *lat__routes_new(struct lat_ingress *ingress);

/* The acceptor's answer: the port is open, or err says why not. */
void lat__routes_opened(struct lat__routes *routes, const char *endpoint, int port,
                        const struct lat_err *err);

/* Stops watching. What is under way lets go by itself. */
struct lat__routes *lat__routes_stop(struct lat__routes *routes);

/* ---- postgres.c: pure ---- */

/* What the first eight bytes of a PostgreSQL client ask for. */
enum lat__postgres_hello {
    LAT__POSTGRES_SSL,    /* encryption: answer 'S', then TLS */
    LAT__POSTGRES_GSS,    /* another kind of encryption: answer 'N', then ask again */
    LAT__POSTGRES_CANCEL, /* cancel a query: PostgreSQL's clients send it in clear, and it carries no secret of use to others */
    LAT__POSTGRES_CLEAR,  /* a session in clear: refuse */
    LAT__POSTGRES_UNKNOWN, /* not PostgreSQL */
};

enum { LAT__POSTGRES_HELLO_SIZE = 8 };

enum lat__postgres_hello lat__postgres_hello_read(const uint8_t bytes[LAT__POSTGRES_HELLO_SIZE]);

/* Adds the error message that tells a client in clear to encrypt. */
void lat__postgres_refusal(struct lat_buf *out);

/* ---- ingress.c ---- */

struct lat_ingress {
    struct lat_ingress_config with;
    char *host;
    struct lat_tls *tls; /* changed on the state loop, read by the lanes: guarded */
    struct lat__guard *guard;
    struct lat__lane *lanes;
    struct lat__listeners *listeners; /* NULL once closed */
    struct lat__routes *routes;       /* NULL once stopped */
    size_t lanes_open;                /* while closing; state loop */
    lat_call_fn *done;
    void *done_arg;
    struct lat_metric *accepted, *refused, *open, *bytes_in, *bytes_out;
};

/* Returns a reference to the certificate in use, NULL when there is none. From any thread. */
struct lat_tls *lat__ingress_tls(struct lat_ingress *ingress);

/* Returns the lane of a loop. */
struct lat__lane *lat__ingress_lane(struct lat_ingress *ingress, const struct lat_loop *loop);

/* The listeners, then each lane, are closed. From any thread. */
void lat__ingress_part_closed(struct lat_ingress *ingress);

#endif
