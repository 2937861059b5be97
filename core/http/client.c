/*
 * The client's connection: what comes back, and how a call ends.
 *
 *     start ─► sending ─► head (1xx are passed over) ─► body ─► done ─► idle ─► start ...
 *        └──────┴──────────┴──────────────────────────────┴──► failed: the stream is closed
 *
 * An error is told from the loop and never from within the caller's own call. The owner may free the client, take its stream or
 * start the next call in any callback; so every function that calls back holds a reference, and looks
 * afterwards at whether its call is still the one that is running.
 */
#include "base/mem.h"
#include "base/text.h"
#include "client_internal.h"

#include <stdlib.h>

static const struct lat_stream_events stream_events;

/* ---- life ---- */

static void on_body(void *arg, const uint8_t *bytes, size_t len);
static void on_timer(void *arg);

struct lat_http_client *lat_http_client_new(struct lat_stream *stream, const char *host)
{
    struct lat_http_client *client = LAT_NEW(struct lat_http_client);
    client->magic = LAT__HTTP_CLIENT_MAGIC;
    client->refs = 2;
    client->stream = stream;
    client->loop = lat_stream_loop(stream);
    client->host = lat_text_copy(host);
    client->keep_alive = true;
    lat_timer_init(&client->timer, client->loop, on_timer, client);
    lat__http_parser_init(&client->parser, true, on_body, client);
    lat_stream_set_events(stream, &stream_events, client);
    lat_stream_resume(stream);
    return client;
}

static void ref(struct lat_http_client *client)
{
    client->refs++;
}

void lat__http_client_unref(struct lat_http_client *client)
{
    if (--client->refs > 0) {
        return;
    }
    lat_timer_done(&client->timer);
    lat__http_head_done(&client->head);
    lat_buf_done(&client->held);
    lat_buf_done(&client->reply_body);
    free(client->host);
    client->magic = 0;
    free(client);
}

struct lat_http_client *lat_http_client_free(struct lat_http_client *client)
{
    if (client != NULL) {
        LAT_CHECK_MAGIC(client, LAT__HTTP_CLIENT_MAGIC);
        LAT_ASSERT(!client->freed);
        client->freed = true;
        client->events = NULL;
        lat_timer_stop(&client->timer);
        if (client->stream != NULL) {
            lat_stream_close(client->stream);
        }
        lat__http_client_unref(client);
    }
    return NULL;
}

bool lat_http_client_usable(const struct lat_http_client *client)
{
    return client->events == NULL && client->stream != NULL && client->keep_alive &&
           !client->failing;
}

/* ---- how a call ends ---- */

/* Parts from the running call and returns its events. */
static const struct lat_http_call_events *end_call(struct lat_http_client *client)
{
    const struct lat_http_call_events *events = client->events;
    client->events = NULL;
    lat_timer_stop(&client->timer);
    lat_buf_clear(&client->held);
    return events;
}

static void tell_failure(void *arg)
{
    struct lat_http_client *client = arg;
    LAT_CHECK_MAGIC(client, LAT__HTTP_CLIENT_MAGIC);
    client->failing = false;
    if (client->events != NULL) {
        const struct lat_http_call_events *events = end_call(client);
        struct lat_err err = client->failure;
        events->on_error(client->arg, &err);
    }
    lat__http_client_unref(client);
}

void lat__http_client_fail(struct lat_http_client *client, const struct lat_err *err)
{
    client->keep_alive = false;
    lat_timer_stop(&client->timer);
    if (client->stream != NULL) {
        lat_stream_close(client->stream);
    }
    if (client->events == NULL || client->failing) {
        return;
    }
    client->failing = true;
    lat_err_copy(&client->failure, err);
    ref(client);
    lat_loop_defer(client->loop, tell_failure, client);
}

static void fail_with(struct lat_http_client *client, int code, const char *sentence)
{
    struct lat_err err;
    lat_err_set(&err, code, "%s", sentence);
    lat__http_client_fail(client, &err);
}

/* The response is complete and everything of it was handed over. */
static void complete(struct lat_http_client *client)
{
    /* A server that answers before it has read the request may never read the rest. */
    client->keep_alive = client->keep_alive && client->head.keep_alive && client->sent;
    if (!client->keep_alive && client->stream != NULL) {
        lat_stream_close(client->stream);
    }
    const struct lat_http_call_events *events = end_call(client);
    events->on_done(client->arg);
}

/* ---- deadlines ---- */

static void on_timer(void *arg)
{
    struct lat_http_client *client = arg;
    LAT_CHECK_MAGIC(client, LAT__HTTP_CLIENT_MAGIC);
    fail_with(client, LAT_E_TIMEOUT,
              client->parser.stage == LAT__HTTP_HEAD
                  ? "The server does not answer."
                  : "The server stopped in the middle of its answer.");
}

static void start_timer(struct lat_http_client *client, int64_t delay_ms)
{
    if (delay_ms == LAT_HTTP_NO_LIMIT || client->paused) {
        lat_timer_stop(&client->timer);
    } else {
        lat_timer_start(&client->timer, delay_ms, 0);
    }
}

void lat__http_client_sent(struct lat_http_client *client)
{
    client->sent = true;
    if (client->parser.stage == LAT__HTTP_HEAD) {
        start_timer(client, client->head_ms);
    }
}

/* ---- the response ---- */

static bool runs(const struct lat_http_client *client)
{
    return client->events != NULL && !client->failing;
}

static void on_body(void *arg, const uint8_t *bytes, size_t len)
{
    struct lat_http_client *client = arg;
    if (!runs(client)) {
        return; /* it ended in the callback for the piece before */
    }
    if (client->paused || client->held.len > 0) {
        lat_buf_add(&client->held, bytes, len);
    } else if (client->events->on_body != NULL) {
        client->events->on_body(client->arg, bytes, len);
    }
}

/* The head is complete. Tells whether there is more to be read of the message. */
static bool head_done(struct lat_http_client *client)
{
    if (client->head.status < 200 && client->head.status != 101) {
        client->begun = false; /* an interim answer: another head follows */
        return true;
    }
    start_timer(client, client->idle_ms);
    if (client->events->on_head != NULL) {
        client->in_head_event = true;
        client->events->on_head(client->arg, client->head.status, client->head.fields);
        client->in_head_event = false;
    }
    if (runs(client) && client->head.status == 101) {
        fail_with(client, LAT_E_PROTOCOL,
                  "The server changed to a protocol that nobody asked for.");
    }
    return runs(client);
}

/* Takes some of the bytes; tells whether to go on. */
static bool step(struct lat_http_client *client, const uint8_t **bytes, size_t *len)
{
    struct lat_err err;
    size_t used = 0;
    int code;
    if (!client->begun) {
        lat__http_parser_begin(&client->parser, &client->head, UINT64_MAX);
        client->begun = true;
    }
    bool in_head = client->parser.stage == LAT__HTTP_HEAD;
    if (in_head) {
        code = lat__http_parser_head(&client->parser, *bytes, *len, &used, &err);
    } else {
        code = lat__http_parser_body(&client->parser, *bytes, *len, &used, &err);
    }
    if (code != 0) {
        lat__http_client_fail(client, &err);
        return false;
    }
    *bytes += used;
    *len -= used;
    client->rest = *bytes;
    client->rest_len = *len;
    if (!in_head) {
        return runs(client);
    }
    return client->parser.stage == LAT__HTTP_HEAD || head_done(client);
}

/* Ends the call if its response is complete and handed over. */
static void check_complete(struct lat_http_client *client)
{
    if (runs(client) && client->begun && client->parser.stage == LAT__HTTP_COMPLETE &&
        !client->paused && client->held.len == 0) {
        complete(client);
    }
}

static void on_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct lat_http_client *client = arg;
    LAT_CHECK_MAGIC(client, LAT__HTTP_CLIENT_MAGIC);
    if (!runs(client)) {
        /* an answer without a question; whatever it is, the connection is of no use any more */
        fail_with(client, LAT_E_PROTOCOL, "The server spoke without having been asked.");
        return;
    }
    ref(client);
    bool go_on = true;
    while (go_on && len > 0 && !(client->begun && client->parser.stage == LAT__HTTP_COMPLETE)) {
        go_on = step(client, &bytes, &len);
    }
    if (go_on && len > 0) {
        client->keep_alive = false; /* more than was asked for */
    }
    if (go_on && client->parser.stage == LAT__HTTP_BODY) {
        start_timer(client, client->idle_ms);
    }
    check_complete(client);
    lat__http_client_unref(client);
}

struct lat_stream *lat_http_client_take_stream(struct lat_http_client *client, struct lat_buf *rest)
{
    LAT_CHECK_MAGIC(client, LAT__HTTP_CLIENT_MAGIC);
    LAT_ASSERT(client->in_head_event && client->stream != NULL && client->events != NULL);
    struct lat_stream *stream = client->stream;
    lat_stream_pause(stream);
    lat_stream_set_events(stream, NULL, NULL);
    lat_buf_add(rest, client->rest, client->rest_len);
    end_call(client);
    client->stream = NULL;
    client->keep_alive = false;
    lat__http_client_unref(client); /* the stream's reference */
    return stream;
}

void lat_http_client_pause(struct lat_http_client *client)
{
    LAT_CHECK_MAGIC(client, LAT__HTTP_CLIENT_MAGIC);
    client->paused = true;
    lat_timer_stop(&client->timer);
    if (client->stream != NULL) {
        lat_stream_pause(client->stream);
    }
}

/* Hands over what was held back, from the loop. */
static void go_on(void *arg)
{
    struct lat_http_client *client = arg;
    LAT_CHECK_MAGIC(client, LAT__HTTP_CLIENT_MAGIC);
    if (runs(client) && !client->paused) {
        struct lat_buf held = client->held;
        client->held = (struct lat_buf){0};
        if (held.len > 0) {
            on_body(client, held.bytes, held.len);
        }
        lat_buf_done(&held);
        check_complete(client);
    }
    lat__http_client_unref(client);
}

void lat_http_client_resume(struct lat_http_client *client)
{
    LAT_CHECK_MAGIC(client, LAT__HTTP_CLIENT_MAGIC);
    if (!client->paused) {
        return;
    }
    client->paused = false;
    if (client->events != NULL && client->begun) {
        start_timer(client,
                    client->parser.stage == LAT__HTTP_HEAD ? client->head_ms : client->idle_ms);
    }
    ref(client);
    lat_loop_defer(client->loop, go_on, client);
    if (client->stream != NULL) {
        lat_stream_resume(client->stream);
    }
}

/* ---- the stream ---- */

static void on_end(void *arg)
{
    struct lat_http_client *client = arg;
    LAT_CHECK_MAGIC(client, LAT__HTTP_CLIENT_MAGIC);
    client->keep_alive = false;
    if (!runs(client)) {
        lat_stream_close(client->stream);
        return;
    }
    struct lat_err err;
    if (client->begun && client->parser.stage == LAT__HTTP_COMPLETE) {
        return; /* complete, and held back */
    }
    if (!client->begun) {
        fail_with(client, LAT_E_CLOSED, "The server closed the connection without an answer.");
    } else if (lat__http_parser_eof(&client->parser, &err) != 0) {
        lat__http_client_fail(client, &err);
    } else {
        ref(client);
        check_complete(client);
        lat__http_client_unref(client);
    }
}

static void on_drain(void *arg)
{
    struct lat_http_client *client = arg;
    LAT_CHECK_MAGIC(client, LAT__HTTP_CLIENT_MAGIC);
    if (runs(client) && client->streamed && !client->sent && client->events->on_drain != NULL) {
        ref(client);
        client->events->on_drain(client->arg);
        lat__http_client_unref(client);
    }
}

static void on_close(void *arg, const struct lat_err *err)
{
    struct lat_http_client *client = arg;
    LAT_CHECK_MAGIC(client, LAT__HTTP_CLIENT_MAGIC);
    client->stream = NULL;
    client->keep_alive = false;
    bool whole = client->begun && client->parser.stage == LAT__HTTP_COMPLETE; /* held back alone */
    if (runs(client) && !whole) {
        if (err->code != LAT_OK) {
            lat__http_client_fail(client, err);
        } else {
            fail_with(client, LAT_E_CLOSED,
                      "The connection was closed before the answer was complete.");
        }
    }
    lat__http_client_unref(client);
}

static const struct lat_stream_events stream_events = {
    .on_data = on_data,
    .on_end = on_end,
    .on_drain = on_drain,
    .on_close = on_close,
};
