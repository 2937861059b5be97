/* The client's calls: the request as it is sent, and the fetch of a whole response. */
#include "base/mem.h"
#include "client_internal.h"
#include "internal.h"

#include <stdio.h>
#include <string.h>

/* ---- the request ---- */

/* Tells whether the target may be written into a request line: no blank, no control byte. */
static bool is_target(const char *target)
{
    if (target[0] != '/') {
        return false;
    }
    for (; *target != '\0'; target++) {
        if (*target <= ' ' || *target > '~') {
            return false;
        }
    }
    return true;
}

static bool has_body(const struct lat_http_call *call)
{
    return call->len > 0 || call->method == LAT_HTTP_POST || call->method == LAT_HTTP_PUT ||
           call->method == LAT_HTTP_PATCH;
}

static void write_head(struct lat_http_client *client, const struct lat_http_call *call,
                       struct lat_buf *out)
{
    lat_buf_add_text(out, lat_http_method_text(call->method));
    lat_buf_add_byte(out, ' ');
    lat_buf_add_text(out, call->target);
    lat_buf_add_text(out, " HTTP/1.1\r\n");
    lat__http_add_field(out, "Host", client->host);
    lat__http_add_field(out, "User-Agent", "lattice");
    if (call->content_type != NULL) {
        lat__http_add_field(out, "Content-Type", call->content_type);
    }
    if (call->upgrade != NULL) {
        lat__http_add_field(out, "Connection", "Upgrade");
        lat__http_add_field(out, "Upgrade", call->upgrade);
    }
    if (call->streamed) {
        lat_buf_add_text(out, "Transfer-Encoding: chunked\r\n");
    } else if (has_body(call)) {
        lat_buf_addf(out, "Content-Length: %zu\r\n", call->len);
    }
    for (const struct lat_http_field *field = call->fields; field != NULL && field->name != NULL;
         field++) {
        lat__http_add_field(out, field->name, field->value);
    }
    lat_buf_add_text(out, "\r\n");
}

void lat_http_client_start(struct lat_http_client *client, const struct lat_http_call *call,
                           const struct lat_http_call_events *events, void *arg)
{
    LAT_CHECK_MAGIC(client, LAT__HTTP_CLIENT_MAGIC);
    LAT_ASSERT(client->events == NULL && !client->freed);
    LAT_ASSERT(!call->streamed || call->len == 0);
    bool usable = lat_http_client_usable(client);
    client->events = events;
    client->arg = arg;
    client->head_ms = call->head_ms != 0 ? call->head_ms : LAT_HTTP_REPLY_MS;
    client->idle_ms = call->idle_ms != 0 ? call->idle_ms : LAT_HTTP_REPLY_IDLE_MS;
    client->streamed = call->streamed;
    client->sent = false;
    client->begun = false;
    client->parser.stage = LAT__HTTP_HEAD;
    client->parser.skip_body = call->method == LAT_HTTP_HEAD;
    struct lat_err err;
    if (!usable) {
        lat_err_set(&err, LAT_E_CLOSED, "The connection is not open any more.");
        lat__http_client_fail(client, &err);
        return;
    }
    if (!is_target(call->target)) {
        lat_err_set(&err, LAT_E_INVALID, "'%.200s' is not the target of a request.", call->target);
        lat__http_client_fail(client, &err);
        return;
    }
    struct lat_buf out = {0};
    write_head(client, call, &out);
    lat_buf_add(&out, call->body, call->len);
    lat_stream_write(client->stream, out.bytes, out.len);
    lat_buf_done(&out);
    if (!call->streamed) {
        lat_stream_flush(
            client->stream); /* the other side works while the rest of this turn does */
        lat__http_client_sent(client);
    }
}

/* Tells whether the running call still takes pieces of its body. */
static bool takes_body(const struct lat_http_client *client)
{
    LAT_CHECK_MAGIC(client, LAT__HTTP_CLIENT_MAGIC);
    LAT_ASSERT(client->events == NULL || client->streamed);
    return client->events != NULL && client->stream != NULL && !client->sent;
}

void lat_http_client_write(struct lat_http_client *client, const void *bytes, size_t len)
{
    if (len == 0 || !takes_body(client)) {
        return;
    }
    char size[24];
    int digits = snprintf(size, sizeof size, "%zx\r\n", len);
    lat_stream_write(client->stream, size, (size_t)digits);
    lat_stream_write(client->stream, bytes, len);
    lat_stream_write(client->stream, "\r\n", 2);
}

void lat_http_client_finish(struct lat_http_client *client)
{
    if (takes_body(client)) {
        lat_stream_write(client->stream, "0\r\n\r\n", 5);
        lat__http_client_sent(client);
    }
}

size_t lat_http_client_pending(const struct lat_http_client *client)
{
    return client->stream != NULL ? lat_stream_pending(client->stream) : 0;
}

/* ---- fetch ---- */

static void fetch_body(void *arg, const uint8_t *bytes, size_t len)
{
    struct lat_http_client *client = arg;
    if (len > client->reply_max - client->reply_body.len) {
        struct lat_err err;
        lat_err_set(&err, LAT_E_TOO_LARGE, "The answer has more than %zu bytes.",
                    client->reply_max);
        lat__http_client_fail(client, &err);
        return;
    }
    lat_buf_add(&client->reply_body, bytes, len);
}

static void fetch_done(void *arg)
{
    struct lat_http_client *client = arg;
    /* The callback may start the next fetch. */
    struct lat_buf body = client->reply_body;
    client->reply_body = (struct lat_buf){0};
    struct lat_http_reply reply = {
        .status = client->head.status,
        .fields = client->head.fields,
        .len = body.len,
        .body = lat_buf_text(&body),
    };
    client->reply_fn(client->reply_arg, &reply, NULL);
    lat_buf_done(&body);
}

static void fetch_error(void *arg, const struct lat_err *err)
{
    struct lat_http_client *client = arg;
    lat_buf_done(&client->reply_body);
    client->reply_fn(client->reply_arg, NULL, err);
}

void lat_http_client_fetch(struct lat_http_client *client, const struct lat_http_call *call,
                           size_t body_max, lat_http_reply_fn *fn, void *arg)
{
    static const struct lat_http_call_events events = {
        .on_body = fetch_body,
        .on_done = fetch_done,
        .on_error = fetch_error,
    };
    LAT_ASSERT(!call->streamed);
    lat_http_client_start(client, call, &events, client);
    client->reply_fn = fn;
    client->reply_arg = arg;
    client->reply_max = body_max;
    lat_buf_clear(&client->reply_body);
}
