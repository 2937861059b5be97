/* TCP and unix sockets: listening and connecting. */
#ifndef LAT_IO_NET_H
#define LAT_IO_NET_H

#include "io/stream.h"

struct lat_listener;

/* A connection came: the callback takes the stream. */
typedef void lat_accept_fn(void *arg, struct lat_stream *stream);

/* A connection that has come and belongs to no loop yet. Plain data: pass it on by value, then adopt or refuse it, once. */
struct lat_incoming {
    int fd;                    /* of io; -1: on a network of lat_loop_set_network() */
    struct lat_stream *stream; /* of io; on such a network */
};
/* A connection came: the callback takes it, for handing it to another loop. */
typedef void lat_incoming_fn(void *arg, struct lat_incoming incoming);

/* Listens on host ("127.0.0.1", "::", "0.0.0.0") and port (0: any). Several loops may listen on one port when
 * `shared` is set (SO_REUSEPORT). Errors: a taken port is LAT_E_IO with a sentence that names it. */
int lat_tcp_listen(struct lat_loop *loop, const char *host, int port, bool shared,
                   lat_accept_fn *fn, void *arg, struct lat_listener **ret_listener,
                   struct lat_err *err) LAT_MUST_USE;
int lat_tcp_listen_incoming(struct lat_loop *loop, const char *host, int port, lat_incoming_fn *fn,
                            void *arg, struct lat_listener **ret_listener,
                            struct lat_err *err) LAT_MUST_USE;
/* Listens on a path that only this user may open (chmod it for others); a socket left there by a program that
 * has died is replaced, one that answers is CONFLICT. lat_listener_free removes the path. */
int lat_unix_listen(struct lat_loop *loop, const char *path, lat_accept_fn *fn, void *arg,
                    struct lat_listener **ret_listener, struct lat_err *err) LAT_MUST_USE;

/* Port that a listener got. */
int lat_listener_port(const struct lat_listener *listener);

/* Stops listening; no callback comes after. Takes NULL, returns NULL. */
struct lat_listener *lat_listener_free(struct lat_listener *listener);

/* Makes a stream of a connection that came (takes it, also on failure), with TCP_NODELAY and keep-alive. */
int lat_tcp_adopt(struct lat_loop *loop, struct lat_incoming incoming,
                  struct lat_stream **ret_stream, struct lat_err *err) LAT_MUST_USE;

/* Closes a connection that nobody will adopt. From any thread. */
void lat_tcp_refuse(struct lat_incoming incoming);

/* The end of a connection attempt: stream (taken by the callback) or NULL with err. Comes exactly once and
 * asynchronously, unless lat_connect_cancel() was called. */
typedef void lat_connect_fn(void *arg, struct lat_stream *stream, const struct lat_err *err);

struct lat_connect;

/* Resolve host (any address family, tried in turn) and connect within timeout_ms. The returned attempt is valid until fn is called. */
struct lat_connect *lat_tcp_connect(struct lat_loop *loop, const char *host, int port,
                                    int64_t timeout_ms, lat_connect_fn *fn, void *arg);
struct lat_connect *lat_unix_connect(struct lat_loop *loop, const char *path, int64_t timeout_ms,
                                     lat_connect_fn *fn, void *arg);

/* Gives the attempt up: fn will not be called, the attempt is gone. */
void lat_connect_cancel(struct lat_connect *connect);

/* ---- another network than the system's: for simulation ---- */

struct lat_network;

/* What a network does for one loop, on its thread. Streams are ordinary ones of that loop (stream.h says how to make a kind of
 * them), paused and without events. */
struct lat_network_class {
    /* Connects as lat_tcp_connect() does: fn comes exactly once and in a later turn, unless it is cancelled. Returns what `cancel`
     * knows the attempt by, not NULL. */
    void *(*connect)(struct lat_network *network, const char *host, int port, int64_t timeout_ms,
                     lat_connect_fn *fn, void *arg);
    void (*cancel)(struct lat_network *network, void *attempt);
    /* Listens as lat_tcp_listen() does; *ret_place (not NULL) is what `unlisten` knows it by, *ret_port the port it got. */
    int (*listen)(struct lat_network *network, const char *host, int port, lat_accept_fn *fn,
                  void *arg, void **ret_place, int *ret_port, struct lat_err *err);
    void (*unlisten)(struct lat_network *network, void *place);
};

/* The head of every implementation's struct. */
struct lat_network {
    const struct lat_network_class *class;
};

/* Sends all TCP of a loop to a network (borrowed until the loop is freed), before its first connection or listener. */
void lat_loop_set_network(struct lat_loop *loop, struct lat_network *network);

#endif
