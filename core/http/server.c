/*
 * The server: its options, its connections, its end.
 *
 * The end is asynchronous: it is over when no connection and no reference to a request is left, because whoever holds a request
 * may still answer it and finds the server through it.
 */
#include "base/mem.h"
#include "internal.h"

#include <stdlib.h>

enum { REFUSED_MAX = 64 }; /* connections above the limit that are told so; more are just closed */

static void cut_all(void *arg);

struct lat_http_server *lat_http_server_new(struct lat_loop *loop,
                                            const struct lat_http_server_options *options)
{
    struct lat_http_server *server = LAT_NEW(struct lat_http_server);
    LAT_ASSERT(options->handler != NULL && options->random != NULL);
    server->magic = LAT__HTTP_SERVER_MAGIC;
    server->loop = loop;
    server->options = *options;
    struct lat_http_server_options *own = &server->options;
    own->body_max = own->body_max != 0 ? own->body_max : LAT_HTTP_BODY_MAX;
    own->connections_max =
        own->connections_max != 0 ? own->connections_max : LAT_HTTP_CONNECTIONS_MAX;
    own->head_ms = own->head_ms != 0 ? own->head_ms : LAT_HTTP_HEAD_MS;
    own->idle_ms = own->idle_ms != 0 ? own->idle_ms : LAT_HTTP_IDLE_MS;
    own->body_ms = own->body_ms != 0 ? own->body_ms : LAT_HTTP_BODY_MS;
    own->stall_ms = own->stall_ms != 0 ? own->stall_ms : LAT_HTTP_STALL_MS;
    server->ids = (struct lat_id_maker){.clock = lat_loop_clock(loop), .random = options->random};
    lat_timer_init(&server->grace, loop, cut_all, server);
    return server;
}

/* A stream that came when it could no longer be served. */
static void drop_data(void *arg, const uint8_t *bytes, size_t len)
{
    (void)arg, (void)bytes, (void)len;
}

static void drop_close(void *arg, const struct lat_err *err)
{
    (void)arg, (void)err;
}

void lat_http_server_serve(struct lat_http_server *server, struct lat_stream *stream)
{
    static const struct lat_stream_events dropped = {.on_data = drop_data, .on_close = drop_close};
    LAT_CHECK_MAGIC(server, LAT__HTTP_SERVER_MAGIC);
    LAT_ASSERT(lat_loop_is_current(server->loop));
    uint32_t max = server->options.connections_max;
    if (atomic_load(&server->closing) || server->connection_count >= max + REFUSED_MAX) {
        lat_stream_set_events(stream, &dropped, NULL);
        lat_stream_close(stream);
        return;
    }
    bool refused = server->connection_count >= max && !lat__http_connection_make_room(server);
    lat__http_connection_open(server, stream, refused);
}

uint32_t lat_http_server_connections(const struct lat_http_server *server)
{
    return server->connection_count;
}

/* ---- the end ---- */

static void end(void *arg)
{
    struct lat_http_server *server = arg;
    LAT_CHECK_MAGIC(server, LAT__HTTP_SERVER_MAGIC);
    while (server->pool != NULL) {
        struct lat_http_request *req = server->pool;
        server->pool = req->next;
        lat__http_request_free(req);
    }
    lat_timer_done(&server->grace);
    lat_call_fn *fn = server->closed;
    void *fn_arg = server->closed_arg;
    server->magic = 0;
    free(server);
    if (fn != NULL) {
        fn(fn_arg);
    }
}

void lat__http_server_maybe_end(struct lat_http_server *server)
{
    bool over = atomic_load(&server->closing) && server->connection_count == 0 &&
                server->request_count == 0;
    if (over && !server->leaving) {
        server->leaving = true;
        lat_loop_defer(server->loop, end, server);
    }
}

static void cut_all(void *arg)
{
    struct lat_http_server *server = arg;
    LAT_CHECK_MAGIC(server, LAT__HTTP_SERVER_MAGIC);
    for (struct lat__http_connection *each = server->connections; each != NULL; each = each->next) {
        lat_stream_close(each->stream);
    }
}

void lat_http_server_close(struct lat_http_server *server, int64_t grace_ms, lat_call_fn *fn,
                           void *arg)
{
    LAT_CHECK_MAGIC(server, LAT__HTTP_SERVER_MAGIC);
    LAT_ASSERT(!atomic_load(&server->closing));
    server->closed = fn;
    server->closed_arg = arg;
    atomic_store(&server->closing, true);
    for (struct lat__http_connection *each = server->connections; each != NULL; each = each->next) {
        lat__http_connection_retire(each);
    }
    lat_timer_start(&server->grace, grace_ms, 0);
    lat__http_server_maybe_end(server);
}
