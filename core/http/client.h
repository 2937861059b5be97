/* The HTTP/1.1 client: calls, one after the other, on one stream that it takes. Belongs to the stream's loop.
 *
 *     new(stream) ─► start ─► on_head ─► on_body ... ─► on_done ─► start ─► ...
 *                       └───────┴──────────┴──────────► on_error: of no more use, free it
 *                               └ lat_http_client_take_stream: the raw stream (upgrades, hijacked connections)
 *
 * Every call ends with exactly one of on_done and on_error, unless the client is freed or its stream is taken
 * before; both of which may be done within any callback. */
#ifndef LAT_HTTP_CLIENT_H
#define LAT_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/err.h"
#include "http/message.h"
#include "io/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lat_http_client;

enum {
    LAT_HTTP_REPLY_MS =
        30 * 1000, /* from the end of the request to the end of the response's head */
    LAT_HTTP_REPLY_IDLE_MS = 60 * 1000, /* between two pieces of a response's body */
    LAT_HTTP_NO_LIMIT = -1,             /* for the two limits of time in a call */
};

/* One call. Everything is copied before lat_http_client_start() returns. */
struct lat_http_call {
    enum lat_http_method method;
    const char *target;       /* path and query, encoded; begins with '/' */
    const char *content_type; /* NULL: none */
    const struct lat_http_field *
        fields; /* more headers; Host, Content-Length, Connection are set by the client (but see upgrade) */
    const void *body;
    size_t len;
    bool streamed;       /* the body comes by lat_http_client_write, _finish; sent as chunks */
    const char *upgrade; /* protocol to ask for ("tcp"): sends Connection: Upgrade; NULL: none */
    int64_t head_ms;     /* 0: LAT_HTTP_REPLY_MS */
    int64_t idle_ms;     /* 0: LAT_HTTP_REPLY_IDLE_MS */
};

/* The callbacks of a call. All but on_done and on_error may be NULL. */
struct lat_http_call_events {
    /* The head of the response. fields are borrowed for the call. After status 101 the stream must be taken here. */
    void (*on_head)(void *arg, int status, const struct lat_http_field *fields);
    /* A piece of the body; borrowed for the call. */
    void (*on_body)(void *arg, const uint8_t *bytes, size_t len);
    /* What was written of a streamed body fell to LAT_STREAM_LOW_WATER. */
    void (*on_drain)(void *arg);
    /* The response is complete. The client may take the next call, if lat_http_client_usable(). */
    void (*on_done)(void *arg);
    /* It failed: CLOSED, TIMEOUT, PROTOCOL, TOO_LARGE or what the stream reported. */
    void (*on_error)(void *arg, const struct lat_err *err);
};

/* Returns a client on that stream (taken). host goes into the Host header (lat_http_url_authority). */
struct lat_http_client *lat_http_client_new(struct lat_stream *stream, const char *host);

/* Closes the stream; no callback comes after. Takes NULL, returns NULL. */
struct lat_http_client *lat_http_client_free(struct lat_http_client *client);

/* Tells whether the next call may be started: none is running, and the connection is kept alive. */
bool lat_http_client_usable(const struct lat_http_client *client);

/* Starts a call; no other may be running. On a client that is not usable on_error comes (CLOSED). Callbacks never come before it returns.
 * events is borrowed for the call's life (make it static const). */
void lat_http_client_start(struct lat_http_client *client, const struct lat_http_call *call,
                           const struct lat_http_call_events *events, void *arg);

/* The body of a streamed call: pieces, then its end. */
void lat_http_client_write(struct lat_http_client *client, const void *bytes, size_t len);
void lat_http_client_finish(struct lat_http_client *client);
size_t lat_http_client_pending(const struct lat_http_client *client);

/* Holds on_body back, and lets it come again; the server is slowed down. A paused call does not time out. */
void lat_http_client_pause(struct lat_http_client *client);
void lat_http_client_resume(struct lat_http_client *client);

/* Only within on_head: gives up the raw stream (paused, without events; owned by the caller) and adds the bytes that
 * came after the head to rest. The call is over without another callback; the client is of no more use but to be freed. */
struct lat_stream *lat_http_client_take_stream(struct lat_http_client *client,
                                               struct lat_buf *rest);

/* ---- a whole response at once, for what is known to be small ---- */

struct lat_http_reply {
    int status;
    const struct lat_http_field *fields;
    const char *body; /* a NUL follows */
    size_t len;
};

/* The end of a fetch: the reply, borrowed for the call, or NULL and err. */
typedef void lat_http_reply_fn(void *arg, const struct lat_http_reply *reply,
                               const struct lat_err *err);

/* Makes a call (not streamed) and collects a body of at most body_max bytes; more is TOO_LARGE. fn comes exactly once, asynchronously,
 * unless the client is freed before. */
void lat_http_client_fetch(struct lat_http_client *client, const struct lat_http_call *call,
                           size_t body_max, lat_http_reply_fn *fn, void *arg);

#endif
