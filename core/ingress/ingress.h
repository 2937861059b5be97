/* Ingress: the public side of endpoints. A TCP endpoint has a port of the console's range; what connects there is
 * encrypted by the console's certificate (unless the endpoint is plain) and relayed through the link of the
 * node that runs the workload.
 *
 *   state loop            acceptor (one I/O loop)              the I/O loop that owns the node's link
 *   routes.c  ── posts ──► listeners.c ── accepted fd, backend ──► connection.c: TLS ─► tunnel stream ─► relay
 *   (watches the store)    (listens, chooses a backend)
 *
 * An address belongs to the workload: its port is found once, committed, and the same for ever after. Nothing of
 * a connection touches the state loop. */
#ifndef LAT_INGRESS_INGRESS_H
#define LAT_INGRESS_INGRESS_H

#include "base/log.h"
#include "base/metrics.h"
#include "dispatch/directory.h"
#include "io/tls.h"
#include "store/store.h"

struct lat_ingress;

enum {
    LAT_INGRESS_CONNECTIONS_MAX =
        4096, /* at once on one I/O loop; one more takes the place of one that says nothing */
    LAT_INGRESS_HELLO_MS =
        10000, /* for the first bytes of a client that asks for encryption itself */
    LAT_INGRESS_ANSWER_MS = 15000, /* for the node to answer the opening of a tunnel */
    LAT_INGRESS_RETRY_MS =
        2000, /* between attempts to listen on a port that is taken by another program */
    LAT_INGRESS_BACKENDS_MAX = 64, /* instances that one endpoint spreads over */
};

struct lat_ingress_config {
    struct lat_loop *loop;            /* the state loop; borrowed, as all that follows */
    struct lat_loop *const *io_loops; /* they must keep running until the ingress is closed */
    size_t io_loop_count;
    struct lat_store *store;
    struct lat_link_directory *directory;
    struct lat_tls *
        tls; /* server side: the console's certificate; referenced. NULL: whoever wants encryption is refused */
    struct lat_log *log;
    struct lat_metrics *metrics;
    int64_t answer_ms; /* 0: LAT_INGRESS_ANSWER_MS */
    const char *host;  /* address to listen on; copied */
    int port_min;      /* range of public ports, both ends included */
    int port_max;
};

/* Opens the addresses of all endpoints and watches the store for more. On the state loop. */
struct lat_ingress *lat_ingress_new(const struct lat_ingress_config *config);

/* Replaces the certificate for connections from now on. On the state loop. */
void lat_ingress_set_tls(struct lat_ingress *ingress, struct lat_tls *tls);

/* Stops listening, closes every connection, then calls done(arg) on the state loop; the ingress is gone by then. */
void lat_ingress_close(struct lat_ingress *ingress, lat_call_fn *done, void *arg);

#endif
