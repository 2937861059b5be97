/* What the tests of core/ingress share: an ingress over a real store and dispatch, a scripted agent, and clients on TCP.
 * One loop plays the state loop and the I/O loop. */
#ifndef TESTS_UNIT_INGRESS_SUPPORT_H
#define TESTS_UNIT_INGRESS_SUPPORT_H

#include "tests/unit/dispatch/support.h"
#include "tests/unit/support/test_certs.h"

#include "ingress/ingress.h"
#include "io/net.h"

enum { PORTS = 4 }; /* of the range */

struct gate {
    struct console *console;
    struct agent *agent;
    struct test_cert authority, server;
    struct lat_tls *tls;      /* of the server */
    struct lat_tls *trusting; /* of clients */
    struct lat_ingress *ingress;
    int port_min;
    int64_t answer_ms; /* for the next ingress_start */
};

/* A client's end. */
struct client {
    struct gate *gate;
    struct lat_stream *stream;
    struct lat_buf got;
    bool connected, ended, closed;
    struct lat_err err;
};

/* CMocka's set-up and tear-down: *state is a gate with an agent that accepts streams, and no endpoint. */
int gate_open(void **state);
int gate_close(void **state);

void ingress_start(struct gate *gate);
/* Returns how many ms it took. */
int64_t ingress_stop(struct gate *gate);

/* Adds an endpoint to the workload; no waiting. */
void add_endpoint(struct gate *gate, const char *name, const char *protocol, bool plain,
                  char ret_id[LAT_ID_SIZE]);
/* Waits for its port. */
int await_port(struct gate *gate, const char *endpoint);
/* Adds an instance that is seen to be in that state. */
void add_instance(struct gate *gate, const char *status, char ret_id[LAT_ID_SIZE]);
void remove_row(struct gate *gate, int table, const char *id);

/* Connects in clear. */
struct client *client_connect(struct gate *gate, int port);
/* Turns it into a TLS client; checks the server's name. */
void client_encrypt(struct client *client);
void client_write(struct client *client, const void *bytes, size_t len);
/* Waits until so many bytes have come. */
void client_await(struct client *client, size_t len);
void client_await_closed(struct client *client);
struct client *client_free(struct client *client);

/* Waits until the agent has got so many bytes. */
void agent_await(struct gate *gate, size_t len);
/* Waits until a stream was opened at the agent since the last call. */
void agent_await_stream(struct gate *gate);

/* Tells whether somebody listens there. */
bool is_listening(int port);

#endif
