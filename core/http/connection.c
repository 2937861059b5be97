/*
 * One connection of a server: reads requests, hands them over one after the other, keeps the deadlines.
 *
 *              first byte                 complete                answered, kept alive
 *     IDLE ───────────────► READING ───────────────► BUSY ────────────────────────────► IDLE
 *       │ idle, peer ended     │ deadline, not sound    │ answered, not kept alive
 *       └──────────────────────┴────────────────────────┴──────► LEAVING ──► the stream's on_close
 *
 * While BUSY it reads on, so that it notices a client that goes; what comes is the next request's and waits in `early`,
 * and when too much of it waits the stream is paused. LEAVING reads on too and throws away: closing with unread bytes
 * would make the system reset the connection, and the client might never see the answer.
 *
 * There is one timer. Deadlines move with every request, the timer does not: it is started again only when a deadline is
 * earlier than what it runs for, and when it fires too early it runs for the rest.
 *
 * Runs on the server's loop alone.
 */
#include "base/mem.h"
#include "internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    EARLY_MAX = 64 * 1024, /* pipelined bytes that wait before the stream is paused */
    LEAVE_MS = 2000,       /* for the client to end its side after we ended ours */
    RETIRE_MS = 100,       /* the same where no answer can be lost: the connection was idle */
};

static const struct lat_stream_events stream_events;

/* ---- deadlines ---- */

static int64_t now_ms(const struct lat__http_connection *connection)
{
    return lat_clock_boot_ms(lat_loop_clock(connection->server->loop));
}

static void set_deadline(struct lat__http_connection *connection, enum lat__http_deadline deadline,
                         int64_t delay_ms)
{
    connection->deadline = deadline;
    connection->deadline_ms = now_ms(connection) + delay_ms;
    if (!lat_timer_running(&connection->timer) || connection->deadline_ms < connection->armed_ms) {
        connection->armed_ms = connection->deadline_ms;
        lat_timer_start(&connection->timer, delay_ms, 0);
    }
}

static void leave(struct lat__http_connection *connection)
{
    connection->state = LAT__HTTP_LEAVING;
    lat_buf_done(&connection->early);
    lat_stream_end(connection->stream);
    lat_stream_resume(connection->stream);
    if (lat_stream_pending(connection->stream) > 0) {
        set_deadline(connection, LAT__HTTP_STALL_DEADLINE, connection->server->options.stall_ms);
    } else {
        set_deadline(connection, LAT__HTTP_LEAVE_DEADLINE, LEAVE_MS);
    }
}

/* A while has passed in which the client should have taken some of what waits for it. */
static void check_stall(struct lat__http_connection *connection)
{
    size_t pending = lat_stream_pending(connection->stream);
    uint64_t taken = connection->written - pending;
    bool moving = taken != connection->taken;
    connection->taken = taken;
    if (pending > 0 && moving) {
        set_deadline(connection, LAT__HTTP_STALL_DEADLINE, connection->server->options.stall_ms);
    } else if (pending > 0) {
        struct lat_err err;
        lat_err_set(&err, LAT_E_TIMEOUT, "The client takes nothing of its answer.");
        lat_stream_abort(connection->stream, &err);
    } else if (connection->state == LAT__HTTP_LEAVING) {
        lat_stream_close(connection->stream);
    } else {
        connection->deadline = LAT__HTTP_NO_DEADLINE;
    }
}

static void on_timer(void *arg)
{
    struct lat__http_connection *connection = arg;
    LAT_CHECK_MAGIC(connection, LAT__HTTP_CONNECTION_MAGIC);
    if (connection->deadline == LAT__HTTP_NO_DEADLINE) {
        return;
    }
    int64_t rest_ms = connection->deadline_ms - now_ms(connection);
    if (rest_ms > 0) {
        connection->armed_ms = connection->deadline_ms;
        lat_timer_start(&connection->timer, rest_ms, 0);
        return;
    }
    switch (connection->deadline) {
    case LAT__HTTP_HEAD_DEADLINE:
    case LAT__HTTP_IDLE_DEADLINE:
    case LAT__HTTP_BODY_DEADLINE: leave(connection); break;
    case LAT__HTTP_STALL_DEADLINE: check_stall(connection); break;
    case LAT__HTTP_LEAVE_DEADLINE: lat_stream_close(connection->stream); break;
    case LAT__HTTP_NO_DEADLINE: break;
    }
}

/* ---- answers ---- */

void lat__http_connection_write(struct lat__http_connection *connection, const void *bytes,
                                size_t len)
{
    lat_stream_write(connection->stream, bytes, len);
    connection->written += len;
}

void lat__http_connection_watch(struct lat__http_connection *connection)
{
    size_t pending = lat_stream_pending(connection->stream);
    if (pending > 0 && connection->deadline != LAT__HTTP_STALL_DEADLINE) {
        connection->taken = connection->written - pending;
        set_deadline(connection, LAT__HTTP_STALL_DEADLINE, connection->server->options.stall_ms);
    }
}

/* Parts from the request: it is answered, or never will be. */
static void release(struct lat__http_connection *connection, int status)
{
    struct lat_http_request *req = connection->req;
    struct lat_http_server *server = connection->server;
    connection->req = NULL;
    req->connection = NULL;
    if (status != 0 && server->options.answered != NULL) {
        server->options.answered(server->options.arg, req, status);
    }
    lat_http_request_unref(req);
}

static void feed(struct lat__http_connection *connection, const uint8_t *bytes, size_t len);

static void free_connection(struct lat__http_connection *connection)
{
    lat_buf_done(&connection->early);
    connection->magic = 0;
    free(connection);
}

/* Goes on with what came while a request was being answered. Deferred, so that no handler is called from within the
 * call that answered the request before. */
static void read_early(void *arg)
{
    struct lat__http_connection *connection = arg;
    LAT_CHECK_MAGIC(connection, LAT__HTTP_CONNECTION_MAGIC);
    connection->early_due = false;
    if (connection->stream == NULL) {
        free_connection(connection);
        return;
    }
    if (connection->state != LAT__HTTP_IDLE) {
        return;
    }
    struct lat_buf early = connection->early;
    connection->early = (struct lat_buf){0};
    if (early.len > 0) {
        feed(connection, early.bytes, early.len);
    }
    lat_buf_done(&early);
    if (connection->early.len <= EARLY_MAX) {
        lat_stream_resume(connection->stream);
    }
    bool reading = connection->state == LAT__HTTP_IDLE || connection->state == LAT__HTTP_READING;
    if (reading && connection->peer_ended) {
        leave(connection);
    }
}

void lat__http_connection_answered(struct lat__http_connection *connection)
{
    LAT_CHECK_MAGIC(connection, LAT__HTTP_CONNECTION_MAGIC);
    bool keep_alive = connection->req->keep_alive && !atomic_load(&connection->server->closing);
    release(connection, connection->req->status);
    if (!keep_alive) {
        leave(connection);
        return;
    }
    connection->state = LAT__HTTP_IDLE;
    set_deadline(connection, LAT__HTTP_IDLE_DEADLINE, connection->server->options.idle_ms);
    bool waits = connection->early.len > 0 || connection->peer_ended;
    if (!connection->feeding && waits && !connection->early_due) {
        connection->early_due = true;
        lat_loop_defer(connection->server->loop, read_early, connection);
    }
}

void lat__http_connection_retire(struct lat__http_connection *connection)
{
    if (connection->state == LAT__HTTP_IDLE) {
        leave(connection);
        set_deadline(connection, LAT__HTTP_LEAVE_DEADLINE, RETIRE_MS);
    }
}

bool lat__http_connection_make_room(struct lat_http_server *server)
{
    struct lat__http_connection *oldest = NULL;
    for (struct lat__http_connection *each = server->connections; each != NULL; each = each->next) {
        if (each->state == LAT__HTTP_IDLE || each->state == LAT__HTTP_READING) {
            oldest = each; /* the newest come first */
        }
    }
    if (oldest != NULL) {
        oldest->state = LAT__HTTP_LEAVING;
        oldest->deadline = LAT__HTTP_NO_DEADLINE;
        lat_stream_close(oldest->stream);
    }
    return oldest != NULL;
}

/* ---- requests ---- */

static void on_body(void *arg, const uint8_t *bytes, size_t len)
{
    struct lat__http_connection *connection = arg;
    lat_buf_add(&connection->req->body, bytes, len);
}

static void begin(struct lat__http_connection *connection)
{
    struct lat_http_request *req = lat__http_request_new(connection->server);
    req->connection = connection;
    memcpy(req->peer, connection->peer, sizeof req->peer);
    connection->req = req;
    connection->state = LAT__HTTP_READING;
    lat__http_parser_begin(&connection->parser, &req->head, connection->server->options.body_max);
}

/* Answers what is not sound; nothing that follows it can be trusted, so that the connection ends. */
static void refuse(struct lat__http_connection *connection, const struct lat_err *err)
{
    struct lat_http_request *req = connection->req;
    if (req->id[0] == '\0') {
        lat_id_make(&connection->server->ids, req->id);
    }
    static const struct lat_http_field allow[] = {
        {"Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}, {0}};
    req->keep_alive = false;
    connection->state = LAT__HTTP_BUSY;
    connection->deadline = LAT__HTTP_NO_DEADLINE;
    lat_http_problem_with(req, err, err->code == LAT_E_METHOD ? allow : NULL);
}

static void dispatch(struct lat__http_connection *connection)
{
    struct lat_http_server *server = connection->server;
    struct lat_http_request *req = lat_http_request_ref(connection->req);
    if (req->body.len > 0) {
        lat_buf_text(&req->body);
    }
    req->keep_alive = req->head.keep_alive;
    connection->state = LAT__HTTP_BUSY;
    connection->deadline = LAT__HTTP_NO_DEADLINE;
    req->peer_ended = connection->peer_ended;
    server->options.handler(server->options.arg, req);
    /* The connection's reference and ours: were it unanswered, nobody were left to answer it. */
    if (atomic_load(&req->refs) == 2 && req->connection != NULL) {
        pthread_mutex_lock(&req->lock);
        LAT_ASSERT(req->answer != LAT__HTTP_UNANSWERED);
        pthread_mutex_unlock(&req->lock);
    }
    lat_http_request_unref(req);
}

/* The head is complete. more: bytes of the body are here already. */
static int head_done(struct lat__http_connection *connection, bool more, struct lat_err *err)
{
    struct lat_http_request *req = connection->req;
    req->arrived_ns = lat_clock_boot_ns(lat_loop_clock(connection->server->loop));
    int code = lat__http_request_read_head(req, err);
    if (code != 0 || connection->parser.stage != LAT__HTTP_BODY) {
        return code;
    }
    if (req->head.length > 0 && req->head.length <= LAT__HTTP_KEEP_MAX) {
        lat_buf_reserve(&req->body, (size_t)req->head.length + 1);
    }
    if (req->head.continues && !more) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        lat__http_connection_write(connection, go_on, sizeof go_on - 1);
    }
    return 0;
}

/* Takes some of the bytes. */
static int step(struct lat__http_connection *connection, const uint8_t *bytes, size_t len,
                size_t *ret_used, struct lat_err *err)
{
    struct lat__http_parser *parser = &connection->parser;
    if (parser->stage == LAT__HTTP_BODY) {
        return lat__http_parser_body(parser, bytes, len, ret_used, err);
    }
    int code = lat__http_parser_head(parser, bytes, len, ret_used, err);
    if (code == 0 && parser->stage != LAT__HTTP_HEAD) {
        code = head_done(connection, len > *ret_used, err);
    }
    return code;
}

static void keep_early(struct lat__http_connection *connection, const uint8_t *bytes, size_t len)
{
    lat_buf_add(&connection->early, bytes, len);
    if (connection->early.len > EARLY_MAX) {
        lat_stream_pause(connection->stream);
    }
}

/* Sets the deadline for what is missing of a request. */
static void await_rest(struct lat__http_connection *connection)
{
    const struct lat_http_server_options *options = &connection->server->options;
    if (connection->parser.stage == LAT__HTTP_BODY) {
        set_deadline(connection, LAT__HTTP_BODY_DEADLINE, options->body_ms);
    } else if (connection->deadline != LAT__HTTP_HEAD_DEADLINE) {
        set_deadline(connection, LAT__HTTP_HEAD_DEADLINE, options->head_ms);
    }
}

static void feed(struct lat__http_connection *connection, const uint8_t *bytes, size_t len)
{
    connection->feeding = true;
    while (len > 0 &&
           (connection->state == LAT__HTTP_IDLE || connection->state == LAT__HTTP_READING)) {
        struct lat_err err;
        size_t used = 0;
        if (connection->state == LAT__HTTP_IDLE) {
            begin(connection);
        }
        if (step(connection, bytes, len, &used, &err) != 0) {
            refuse(connection, &err);
            break;
        }
        bytes += used;
        len -= used;
        if (connection->parser.stage == LAT__HTTP_COMPLETE) {
            dispatch(connection);
        }
    }
    connection->feeding = false;
    if (connection->state == LAT__HTTP_READING) {
        await_rest(connection);
    } else if (connection->state == LAT__HTTP_BUSY && len > 0) {
        keep_early(connection, bytes, len);
    }
}

/* ---- the stream ---- */

static void on_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct lat__http_connection *connection = arg;
    LAT_CHECK_MAGIC(connection, LAT__HTTP_CONNECTION_MAGIC);
    if (connection->state == LAT__HTTP_LEAVING) {
        return;
    }
    if (connection->state == LAT__HTTP_BUSY || connection->early_due) {
        keep_early(connection, bytes, len);
        return;
    }
    feed(connection, bytes, len);
}

static void on_end(void *arg)
{
    struct lat__http_connection *connection = arg;
    LAT_CHECK_MAGIC(connection, LAT__HTTP_CONNECTION_MAGIC);
    connection->peer_ended = true;
    if (connection->state == LAT__HTTP_LEAVING) {
        return;
    }
    if (connection->early_due) {
        return; /* what came before its end is read first */
    }
    if (connection->state != LAT__HTTP_BUSY) {
        leave(connection);
        return;
    }
    lat__http_answer_peer_ended(connection->req);
}

static void on_drain(void *arg)
{
    struct lat__http_connection *connection = arg;
    LAT_CHECK_MAGIC(connection, LAT__HTTP_CONNECTION_MAGIC);
    if (connection->state == LAT__HTTP_BUSY) {
        lat__http_answer_drained(connection->req, lat_stream_pending(connection->stream));
    }
}

static void on_close(void *arg, const struct lat_err *err)
{
    enum { CLIENT_WENT = 499 };
    struct lat__http_connection *connection = arg;
    struct lat_http_server *server = connection->server;
    LAT_CHECK_MAGIC(connection, LAT__HTTP_CONNECTION_MAGIC);
    (void)err; /* that a client went is nothing that anybody could mend */
    connection->stream = NULL;
    if (connection->req != NULL) {
        lat__http_answer_gone(connection->req);
        release(connection, connection->state == LAT__HTTP_BUSY ? CLIENT_WENT : 0);
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        server->connections = connection->next;
    }
    server->connection_count--;
    lat_timer_done(&connection->timer);
    if (!connection->early_due) {
        free_connection(connection);
    }
    lat__http_server_maybe_end(server);
}

static const struct lat_stream_events stream_events = {
    .on_data = on_data,
    .on_end = on_end,
    .on_drain = on_drain,
    .on_close = on_close,
};

void lat__http_connection_open(struct lat_http_server *server, struct lat_stream *stream,
                               bool refused)
{
    static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                               "Retry-After: 1\r\nConnection: close\r\n\r\n";
    struct lat__http_connection *connection = LAT_NEW(struct lat__http_connection);
    connection->magic = LAT__HTTP_CONNECTION_MAGIC;
    connection->server = server;
    connection->stream = stream;
    connection->next = server->connections;
    if (connection->next != NULL) {
        connection->next->previous = connection;
    }
    server->connections = connection;
    server->connection_count++;
    lat_timer_init(&connection->timer, server->loop, on_timer, connection);
    lat__http_parser_init(&connection->parser, false, on_body, connection);
    lat_stream_peer(stream, connection->peer, sizeof connection->peer);
    lat_stream_set_events(stream, &stream_events, connection);
    if (refused) {
        lat__http_connection_write(connection, busy, sizeof busy - 1);
        leave(connection);
        return;
    }
    set_deadline(connection, LAT__HTTP_HEAD_DEADLINE, server->options.head_ms);
    lat_stream_resume(stream);
}
