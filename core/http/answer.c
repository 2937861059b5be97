/*
 * Answering: from any thread, in order, without waiting for the connection.
 *
 *     any thread:  respond / begin / write / end ─► out (under the lock) ─┐ one post, however much was written
 *     the loop:    flush: out ◄─► sending ─► stream; at the end the connection goes on ◄┘
 *
 * All bytes go through `out`, so that order needs no thought: a write from the loop's own thread flushes at once, one
 * from elsewhere posts a flush unless one is on its way. A flush that finds nothing does nothing.
 *
 * Waiters (on_drain, on_gone) are told once, on the loop that they named. What tells them carries a reference
 * and looks again when it arrives: somebody who ended the answer meanwhile, on that same loop, hears nothing.
 */
#include "base/mem.h"
#include "base/text.h"
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static void publish(struct lat_http_request *req);

/* ---- waiters ---- */

/* Tells a waiter whose turn has come. Its loop's thread. */
static void tell(struct lat_http_request *req, struct lat__http_waiter *waiter)
{
    pthread_mutex_lock(&req->lock);
    bool wanted =
        waiter->due && req->answer != LAT__HTTP_ANSWERED && (waiter == &req->left || !req->gone);
    lat_call_fn *fn = waiter->fn;
    void *arg = waiter->arg;
    *waiter = (struct lat__http_waiter){0};
    pthread_mutex_unlock(&req->lock);
    if (wanted) {
        fn(arg);
    }
    lat_http_request_unref(req);
}

static void tell_drained(void *arg)
{
    struct lat_http_request *req = arg;
    LAT_CHECK_MAGIC(req, LAT__HTTP_REQUEST_MAGIC);
    tell(req, &req->drain);
}

static void tell_gone(void *arg)
{
    struct lat_http_request *req = arg;
    LAT_CHECK_MAGIC(req, LAT__HTTP_REQUEST_MAGIC);
    tell(req, &req->left);
}

/* Sends word to a waiter, if there is one that was not told. Under the lock. */
static void send_word(struct lat_http_request *req, struct lat__http_waiter *waiter,
                      lat_call_fn *fn)
{
    if (waiter->loop == NULL || waiter->due) {
        return;
    }
    waiter->due = true;
    lat_http_request_ref(req);
    if (lat_loop_is_current(waiter->loop)) {
        lat_loop_defer(waiter->loop, fn, req);
    } else {
        lat_loop_post_always(waiter->loop, fn, req);
    }
}

/* Under the lock. */
static void check_drained(struct lat_http_request *req)
{
    if (!req->gone && lat_http_pending(req) <= LAT_STREAM_LOW_WATER) {
        send_word(req, &req->drain, tell_drained);
    }
}

static void wait_for(struct lat__http_waiter *waiter, struct lat_loop *loop, lat_call_fn *fn,
                     void *arg)
{
    LAT_ASSERT(!waiter->due);
    waiter->loop = loop;
    waiter->fn = fn;
    waiter->arg = arg;
}

void lat_http_on_drain(struct lat_http_request *req, struct lat_loop *loop, lat_call_fn *fn,
                       void *arg)
{
    LAT_CHECK_MAGIC(req, LAT__HTTP_REQUEST_MAGIC);
    pthread_mutex_lock(&req->lock);
    wait_for(&req->drain, loop, fn, arg);
    check_drained(req);
    pthread_mutex_unlock(&req->lock);
}

void lat_http_on_gone(struct lat_http_request *req, struct lat_loop *loop, lat_call_fn *fn,
                      void *arg)
{
    LAT_CHECK_MAGIC(req, LAT__HTTP_REQUEST_MAGIC);
    pthread_mutex_lock(&req->lock);
    wait_for(&req->left, loop, fn, arg);
    if (req->gone) {
        send_word(req, &req->left, tell_gone);
    }
    if (req->peer_ended) {
        publish(req); /* from now on that counts as gone; the loop sees to it */
    } else {
        pthread_mutex_unlock(&req->lock);
    }
}

size_t lat_http_pending(const struct lat_http_request *req)
{
    return atomic_load(&req->queued) + atomic_load(&req->in_stream);
}

void lat__http_answer_gone(struct lat_http_request *req)
{
    pthread_mutex_lock(&req->lock);
    req->gone = true;
    lat_buf_clear(&req->out);
    atomic_store(&req->in_stream, 0);
    atomic_store(&req->queued, SIZE_MAX); /* nobody takes any more: writers stop */
    send_word(req, &req->left, tell_gone);
    pthread_mutex_unlock(&req->lock);
}

void lat__http_answer_peer_ended(struct lat_http_request *req)
{
    pthread_mutex_lock(&req->lock);
    req->peer_ended = true;
    publish(req);
}

void lat__http_answer_drained(struct lat_http_request *req, size_t in_stream)
{
    pthread_mutex_lock(&req->lock);
    atomic_store(&req->in_stream, in_stream);
    check_drained(req);
    pthread_mutex_unlock(&req->lock);
}

/* ---- from out to the stream ---- */

static void cut(struct lat__http_connection *connection)
{
    struct lat_err err;
    lat_err_set(&err, LAT_E_CANCELLED, "The answer could not be brought to its end.");
    lat_stream_abort(connection->stream, &err);
}

/* A client that has ended its side may wait for its answer; but nobody does so to listen to a stream, and whoever asked to
 * hear of its going would answer nobody. Under the lock. */
static bool counts_as_gone(const struct lat_http_request *req)
{
    return req->peer_ended && req->answer != LAT__HTTP_ANSWERED &&
           (req->answer == LAT__HTTP_STREAMING || req->left.loop != NULL);
}

/* Gives the stream all that was written. On the loop's thread. */
static void flush(struct lat_http_request *req)
{
    struct lat__http_connection *connection = req->connection;
    pthread_mutex_lock(&req->lock);
    req->flush_posted = false;
    bool ended = req->answer == LAT__HTTP_ANSWERED;
    bool aborted = req->aborted;
    bool left = counts_as_gone(req);
    struct lat_buf swapped = req->out;
    req->out = req->sending;
    req->sending = swapped;
    pthread_mutex_unlock(&req->lock);
    if (connection == NULL || aborted || left) {
        lat_buf_clear(&req->sending);
        if (connection != NULL && aborted) {
            cut(connection);
        } else if (connection != NULL) {
            lat_stream_close(connection->stream);
        }
        return;
    }
    if (req->sending.len > 0) {
        lat__http_connection_write(connection, req->sending.bytes, req->sending.len);
    }
    if (!ended) {
        lat__http_connection_watch(connection);
        pthread_mutex_lock(&req->lock);
        atomic_store(&req->queued, req->out.len);
        atomic_store(&req->in_stream, lat_stream_pending(connection->stream));
        check_drained(req);
        pthread_mutex_unlock(&req->lock);
    }
    if (req->sending.cap > LAT__HTTP_KEEP_MAX) {
        lat_buf_done(&req->sending);
    }
    lat_buf_clear(&req->sending);
    if (ended) {
        lat__http_connection_answered(connection);
    }
}

static void flush_posted(void *arg)
{
    struct lat_http_request *req = arg;
    LAT_CHECK_MAGIC(req, LAT__HTTP_REQUEST_MAGIC);
    flush(req);
    lat_http_request_unref(req);
}

/* Ends what the caller began under the lock: unlocks, and brings what was written on its way. */
static void publish(struct lat_http_request *req)
{
    struct lat_loop *loop = req->server->loop;
    bool here = lat_loop_is_current(loop);
    bool post = !here && !req->flush_posted && !req->gone;
    if (!req->gone) {
        atomic_store(&req->queued, req->out.len);
    }
    req->flush_posted = req->flush_posted || post;
    if (post) {
        lat_http_request_ref(req);
    }
    pthread_mutex_unlock(&req->lock);
    if (post) {
        lat_loop_post_always(loop, flush_posted, req);
    } else if (here) {
        /* The connection's reference may be the only one, and flushing may end it. */
        lat_http_request_ref(req);
        flush(req);
        lat_http_request_unref(req);
    }
}

/* ---- the head of the answer ---- */

void lat__http_add_field(struct lat_buf *out, const char *name, const char *value)
{
    const char *const texts[] = {name, ": ", value, "\r\n"};
    for (size_t i = 0; i < LAT_COUNT(texts); i++) {
        size_t start = out->len;
        lat_buf_add_text(out, texts[i]);
        for (size_t at = start; i != 3 && at < out->len; at++) {
            if ((out->bytes[at] < ' ' && out->bytes[at] != '\t') || out->bytes[at] == 0x7f) {
                out->bytes[at] = '_';
            }
        }
    }
}

static void put_two(char *at, int value)
{
    at[0] = (char)('0' + value / 10 % 10);
    at[1] = (char)('0' + value % 10);
}

static void add_date(struct lat_buf *out, int64_t wall_ms)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[] =
        "Date: Ddd, 00 Mmm 0000 00:00:00 GMT\r\n"; /* printf would be a tenth of an answer's cost */
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    LAT_ASSERT(gmtime_r(&seconds, &tm) != NULL);
    memcpy(text + 6, days + 3 * tm.tm_wday, 3);
    put_two(text + 11, tm.tm_mday);
    memcpy(text + 14, months + 3 * tm.tm_mon, 3);
    put_two(text + 18, (tm.tm_year + 1900) / 100);
    put_two(text + 20, tm.tm_year % 100);
    put_two(text + 23, tm.tm_hour);
    put_two(text + 26, tm.tm_min);
    put_two(text + 29, tm.tm_sec);
    lat_buf_add(out, text, sizeof text - 1);
}

/* Writes a number into the end of text, which has room for it. */
static const char *decimal(char text[24], uint64_t value)
{
    char *at = text + 23;
    *at = '\0';
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return at;
}

static bool has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

/* Adds the head; length is that of the body, or -1 for a streamed one. Under the lock. */
static void add_head(struct lat_http_request *req, int status, const char *content_type,
                     const struct lat_http_field *extra, int64_t length)
{
    struct lat_buf *out = &req->out;
    char number[24];
    LAT_ASSERT(status >= 200 && status <= 599);
    lat_buf_add_text(out, "HTTP/1.1 ");
    lat_buf_add_text(out, decimal(number, (uint64_t)status));
    lat_buf_add_byte(out, ' ');
    lat_buf_add_text(out, lat_http_status_text(status));
    lat_buf_add_text(out, "\r\n");
    if (content_type != NULL) {
        lat__http_add_field(out, "Content-Type", content_type);
    }
    req->bodiless = req->head.method == LAT_HTTP_HEAD || has_no_body(status);
    if (has_no_body(status)) {
        /* such an answer says nothing of a length */
    } else if (length >= 0) {
        lat_buf_add_text(out, "Content-Length: ");
        lat_buf_add_text(out, decimal(number, (uint64_t)length));
        lat_buf_add_text(out, "\r\n");
    } else if (req->head.minor == 1) {
        req->chunked = true;
        lat_buf_add_text(out, "Transfer-Encoding: chunked\r\n");
    } else {
        req->keep_alive = false;
    }
    if (atomic_load(&req->server->closing)) {
        req->keep_alive = false;
    }
    if (!req->keep_alive) {
        lat_buf_add_text(out, "Connection: close\r\n");
    } else if (req->head.minor == 0) {
        lat_buf_add_text(out, "Connection: keep-alive\r\n");
    }
    add_date(out, lat_clock_wall_ms(lat_loop_clock(req->server->loop)));
    lat__http_add_field(out, "X-Request-Id", req->id);
    lat_buf_add_text(out, "X-Content-Type-Options: nosniff\r\n");
    if (lat_http_field_get(extra, "Cache-Control") == NULL) {
        lat_buf_add_text(out, "Cache-Control: no-store\r\n");
    }
    for (; extra != NULL && extra->name != NULL; extra++) {
        lat__http_add_field(out, extra->name, extra->value);
    }
    lat_buf_add_text(out, "\r\n");
    req->status = status;
}

/* ---- the calls ---- */

static void start(struct lat_http_request *req, enum lat__http_answer answer)
{
    LAT_CHECK_MAGIC(req, LAT__HTTP_REQUEST_MAGIC);
    pthread_mutex_lock(&req->lock);
    LAT_ASSERT(req->answer == LAT__HTTP_UNANSWERED);
    req->answer = answer;
}

void lat_http_respond(struct lat_http_request *req, int status, const char *content_type,
                      const struct lat_http_field *extra, const void *body, size_t len)
{
    start(req, LAT__HTTP_ANSWERED);
    if (!req->gone) {
        lat_buf_reserve(&req->out, len + 1024);
        add_head(req, status, content_type, extra, (int64_t)len);
        if (!req->bodiless) {
            lat_buf_add(&req->out, body, len);
        }
    }
    publish(req);
}

void lat_http_begin(struct lat_http_request *req, int status, const char *content_type,
                    const struct lat_http_field *extra)
{
    start(req, LAT__HTTP_STREAMING);
    if (!req->gone) {
        add_head(req, status, content_type, extra, -1);
    }
    publish(req);
}

void lat_http_write(struct lat_http_request *req, const void *bytes, size_t len)
{
    LAT_CHECK_MAGIC(req, LAT__HTTP_REQUEST_MAGIC);
    pthread_mutex_lock(&req->lock);
    LAT_ASSERT(req->answer == LAT__HTTP_STREAMING);
    if (req->gone || req->bodiless || len == 0) {
        pthread_mutex_unlock(&req->lock);
        return;
    }
    if (req->chunked) {
        char size[24];
        int digits = snprintf(size, sizeof size, "%zx\r\n", len);
        lat_buf_add(&req->out, size, (size_t)digits);
    }
    lat_buf_add(&req->out, bytes, len);
    if (req->chunked) {
        lat_buf_add(&req->out, "\r\n", 2);
    }
    publish(req);
}

/* Ends a streamed answer, soundly or not. */
static void finish(struct lat_http_request *req, bool aborted)
{
    LAT_CHECK_MAGIC(req, LAT__HTTP_REQUEST_MAGIC);
    pthread_mutex_lock(&req->lock);
    LAT_ASSERT(req->answer == LAT__HTTP_STREAMING);
    req->answer = LAT__HTTP_ANSWERED;
    req->aborted = aborted;
    if (!req->gone && !aborted && req->chunked && !req->bodiless) {
        lat_buf_add(&req->out, "0\r\n\r\n", 5);
    }
    publish(req);
}

void lat_http_end(struct lat_http_request *req)
{
    finish(req, false);
}

void lat_http_abort(struct lat_http_request *req)
{
    finish(req, true);
}
