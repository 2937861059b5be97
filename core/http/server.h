/* The HTTP/1.1 server: strict about what it reads, thread-safe about how it is answered.
 *
 *     stream ─► lat_http_server_serve ─► handler(req) on the server's loop
 *                                           │ may keep it (lat_http_request_ref) and hand it to another thread
 *     stream ◄─ the server's loop ◄─────────┴ lat_http_respond / _begin, _write, _end from any one thread
 *
 * A server and its connections belong to one loop. A request is complete (head and body) and unchanging when the
 * handler gets it, so that any thread may read it. Each request is answered exactly once; an answer to
 * a client that has gone is dropped in silence. Requests of one connection are handled one after the other. */
#ifndef LAT_HTTP_SERVER_H
#define LAT_HTTP_SERVER_H

#include "base/err.h"
#include "base/random.h"
#include "http/message.h"
#include "io/loop.h"
#include "io/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lat_http_server;
struct lat_http_request;

enum {
    LAT_HTTP_HEAD_MS =
        10 *
        1000, /* from a request's first byte (or the connection's start) to the end of its head */
    LAT_HTTP_IDLE_MS = 30 * 1000,  /* a kept-alive connection without a request */
    LAT_HTTP_BODY_MS = 60 * 1000,  /* between two pieces of a request's body */
    LAT_HTTP_STALL_MS = 60 * 1000, /* a client that takes nothing of what waits for it */
    LAT_HTTP_CONNECTIONS_MAX =
        4096, /* at once; one more closes the oldest that waits for nothing, or is answered 503 */
    LAT_HTTP_CLOSE_MS = 5 * 1000, /* how long lat_http_server_close() usually lets answers run */
};

/* A request came. req is borrowed for the call: ref it to answer later. Answer it exactly once. */
typedef void lat_http_handler_fn(void *arg, struct lat_http_request *req);

/* An answer is on its way as a whole, or its client has gone (status 499): for counting and for the access log.
 * Also for requests that were refused before the handler, whose method and path may be unknown. On the server's loop. */
typedef void lat_http_answered_fn(void *arg, const struct lat_http_request *req, int status);

struct lat_http_server_options {
    lat_http_handler_fn *handler;
    lat_http_answered_fn *answered; /* may be NULL */
    void *arg;                      /* of both */
    struct lat_random *random;      /* borrowed, for request ids; of the loop's thread */
    /* The limits; 0 takes the one by name above. */
    size_t body_max;
    uint32_t connections_max;
    int64_t head_ms, idle_ms, body_ms, stall_ms;
};

/* Returns a server on that loop (borrowed; must outlive the server). Options are copied. */
struct lat_http_server *lat_http_server_new(struct lat_loop *loop,
                                            const struct lat_http_server_options *options);

/* Takes a stream, after TLS, that is to speak HTTP/1.1. On the server's loop. */
void lat_http_server_serve(struct lat_http_server *server, struct lat_stream *stream);

/* Takes no more connections and closes idle ones; answers that are running may end within grace_ms, then they are cut off.
 * fn(arg) (may be NULL) comes once, asynchronously, when no connection and no reference to a request is left; the
 * server is gone when it returns. On the server's loop. */
void lat_http_server_close(struct lat_http_server *server, int64_t grace_ms, lat_call_fn *fn,
                           void *arg);

/* Open connections. On the server's loop. */
uint32_t lat_http_server_connections(const struct lat_http_server *server);

/* ---- a request: any thread; texts are borrowed and live as long as it ---- */

struct lat_http_request *lat_http_request_ref(struct lat_http_request *req);
struct lat_http_request *lat_http_request_unref(
    struct lat_http_request *req); /* takes NULL, returns NULL */

enum lat_http_method lat_http_method(const struct lat_http_request *req);
const char *lat_http_path(
    const struct lat_http_request *req); /* as sent: encoded, without the query */
const char *lat_http_query(
    const struct lat_http_request *req); /* as sent, without '?'; "" when there is none */

/* Decoded value of the first query parameter with that name ("" for one without '='), or NULL. */
const char *lat_http_param(const struct lat_http_request *req, const char *name);
/* All of them, decoded, in order. */
const struct lat_http_field *lat_http_params(const struct lat_http_request *req);

/* Value of the first header with that name, or NULL; and all of them, in order. */
const char *lat_http_header(const struct lat_http_request *req, const char *name);
const struct lat_http_field *lat_http_headers(const struct lat_http_request *req);

/* The body, with a NUL after it that ret_len (may be NULL) does not count; "" when there is none. */
const char *lat_http_body(const struct lat_http_request *req, size_t *ret_len);

const char *lat_http_peer(const struct lat_http_request *req); /* as lat_stream_peer */
const char *lat_http_request_id(
    const struct lat_http_request *req); /* UUIDv7, or what the client sent */
int64_t lat_http_arrived_ns(const struct lat_http_request *req); /* boot clock, end of its head */

/* Decoded value of {name} in the pattern that the router matched; "" when it has none of that name. */
const char *lat_http_path_param(const struct lat_http_request *req, const char *name);
/* The pattern that the router matched, "" when none did: a label with few values. */
const char *lat_http_route(const struct lat_http_request *req);

/* ---- answering: any thread, but one at a time for one request ----
 *
 * content_type may be NULL (no body, or none said). `extra` ends with a NULL name and may be NULL; everything is
 * copied. The server adds Date, Connection, Content-Length or Transfer-Encoding, X-Request-Id,
 * X-Content-Type-Options, and Cache-Control: no-store unless extra has one. The answer to HEAD has no body,
 * whatever is given; neither have 204 and 304. */

/* Answers as a whole, in one write. */
void lat_http_respond(struct lat_http_request *req, int status, const char *content_type,
                      const struct lat_http_field *extra, const void *body, size_t len);

/* Answers with the error as application/problem+json (RFC 9457): type, title, status, detail, code, field, hint,
 * request_id. 401 brings WWW-Authenticate, 429 and 503 Retry-After unless extra has one. */
void lat_http_problem(struct lat_http_request *req, const struct lat_err *err);
void lat_http_problem_with(struct lat_http_request *req, const struct lat_err *err,
                           const struct lat_http_field *extra);

/* Begins a streamed answer; then any number of writes; then end. */
void lat_http_begin(struct lat_http_request *req, int status, const char *content_type,
                    const struct lat_http_field *extra);
void lat_http_write(struct lat_http_request *req, const void *bytes, size_t len);
void lat_http_end(struct lat_http_request *req);

/* Gives up a streamed answer that cannot be brought to its end: the connection is cut, so that the client notices. */
void lat_http_abort(struct lat_http_request *req);

/* Bytes written and not yet taken by the system; SIZE_MAX once the client has gone. Pause above LAT_STREAM_HIGH_WATER and
 * ask for on_drain. */
size_t lat_http_pending(const struct lat_http_request *req);

/* Calls fn(arg) once on that loop when pending is LAT_STREAM_LOW_WATER or less, which may be right away, always
 * asynchronously. Ask again after it came. Does not come once the client has gone or the answer was ended. */
void lat_http_on_drain(struct lat_http_request *req, struct lat_loop *loop, lat_call_fn *fn,
                       void *arg);

/* Calls fn(arg) once on that loop when the client goes before the answer was ended; a client that merely ends its side has gone
 * too, for an answer that is streamed or where somebody asked for this. Call it and the end of the answer from that loop's
 * thread: then fn never comes after the end, and arg may be freed with it. A reference is still yours to drop. */
void lat_http_on_gone(struct lat_http_request *req, struct lat_loop *loop, lat_call_fn *fn,
                      void *arg);

#endif
