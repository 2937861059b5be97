/* A link's life: making, sending in turn, keeping alive, closing.
 *
 *   OPEN ── lat_link_close, go-away, violation ──► CLOSING ── control sent ──► go-away, transport ended ──► ENDING
 *     └──── the transport closes, the other side is dead ───────────────────────────► GONE ◄── closed, or lingered
 *
 * Frames are not queued: each turn's end they are made, in turn, as many as the transport has room for. So what waits in
 * front of the transport is bounded, and a control message waits behind at most that much. Order: frames without data
 * (openings, resets, pings), control, then one frame of each ready stream round and round.
 *
 * Everything runs on the loop of the transport. Callbacks that are deferred to the turn's end count in `objects`: the link's memory goes
 * with the last of them. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    /* More than the low water of a stream, so that on_drain is sure to come. */
    TRANSPORT_QUEUED_MAX = 128 * 1024,
    BATCH_MAX = 64 * 1024,
};

int64_t lat__link_now_ns(const struct lat_link *link)
{
    return lat_clock_boot_ns(lat_loop_clock(link->loop));
}

/* ---- the end ---- */

static void maybe_finish(struct lat_link *link)
{
    if (link->state != LAT__LINK_GONE || link->objects > 0)
        return;
    link->events->on_close(link->arg, &link->err);
    lat_timer_done(&link->ping_timer);
    lat_timer_done(&link->linger_timer);
    lat_buf_done(&link->urgent);
    lat_buf_done(&link->batch);
    lat__queue_done(&link->message);
    link->magic = 0;
    free(link);
}

void lat__link_forget(struct lat_link *link)
{
    link->objects--;
    maybe_finish(link);
}

static void close_streams(struct lat_link *link, bool control_too)
{
    struct lat__stream *stream;
    struct lat__stream *next;
    HASH_ITER (hh, link->streams, stream, next) {
        if (stream != link->control || control_too)
            lat_stream_abort(&stream->base, link->err.code ? &link->err : NULL);
    }
}

void lat_link_close(struct lat_link *link, const struct lat_err *err)
{
    LAT_CHECK_MAGIC(link, LAT__LINK_MAGIC);
    if (link->state != LAT__LINK_OPEN)
        return;
    link->state = LAT__LINK_CLOSING;
    if (err)
        lat_err_copy(&link->err, err);
    close_streams(link, false);
    lat_timer_stop(&link->ping_timer);
    lat_timer_start(&link->linger_timer, LAT_LINK_LINGER_MS, 0);
    lat__link_schedule(link);
}

/* Closes at once; what is queued is lost. */
static void fail(struct lat_link *link, const struct lat_err *err)
{
    if (link->state == LAT__LINK_OPEN)
        lat_err_copy(&link->err, err);
    if (link->state < LAT__LINK_GONE) {
        link->state = LAT__LINK_ENDING;
        lat_stream_close(link->transport);
    }
}

void lat__link_violation(struct lat_link *link, const char *format, ...)
{
    char sentence[LAT_ERR_SENTENCE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    if (link->state != LAT__LINK_OPEN)
        return;
    struct lat_err err;
    lat_err_set(&err, LAT_E_PROTOCOL, "%s", sentence);
    link->go_code = LAT__GO_PROTOCOL;
    lat_link_close(link, &err);
    if (link->control)
        lat_stream_abort(&link->control->base, &err);
}

void lat__link_told_to_go(struct lat_link *link, uint32_t code)
{
    struct lat_err err;
    if (code == LAT__GO_NORMAL) {
        lat_link_close(link, NULL);
    } else {
        lat_err_set(&err, code == LAT__GO_PROTOCOL ? LAT_E_PROTOCOL : LAT_E_CLOSED,
                    code == LAT__GO_PROTOCOL
                        ? "The other side says that we broke the protocol."
                        : "The other side closed the link because of an error of its own.");
        lat_link_close(link, &err);
    }
}

static void linger_over(void *arg)
{
    struct lat_link *link = arg;
    if (link->state < LAT__LINK_GONE)
        lat_stream_close(link->transport);
}

/* ---- sending ---- */

/* Adds what goes before the bytes of streams; returns whether there was any. */
static bool add_first(struct lat_link *link)
{
    size_t before = link->batch.len;
    if (link->urgent.len) {
        lat_buf_add(&link->batch, link->urgent.bytes, link->urgent.len);
        lat_buf_clear(&link->urgent);
    } else if (link->control) {
        (void)lat__stream_emit(link->control);
    }
    return link->batch.len > before;
}

static void fill_batch(struct lat_link *link)
{
    while (link->batch.len < BATCH_MAX) {
        if (add_first(link))
            continue;
        struct lat__stream *stream = link->ready;
        if (!stream)
            return;
        DL_DELETE(link->ready, stream);
        stream->ready = false;
        if (lat__stream_emit(stream))
            lat__stream_ready(stream);
    }
}

static void say_go_away(struct lat_link *link)
{
    struct lat__frame frame = {.type = LAT__GO_AWAY, .length = link->go_code};
    lat__frame_write(&frame, &link->batch);
    lat_stream_write(link->transport, link->batch.bytes, link->batch.len);
    lat_buf_done(&link->batch);
    link->state = LAT__LINK_ENDING;
    close_streams(link, true);
    lat_stream_end(link->transport);
}

static void send_batches(struct lat_link *link)
{
    while (lat_stream_pending(link->transport) < TRANSPORT_QUEUED_MAX) {
        fill_batch(link);
        if (link->batch.len == 0)
            break;
        lat_stream_write(link->transport, link->batch.bytes, link->batch.len);
        lat_buf_clear(&link->batch);
    }
    /* An idle link keeps no buffer. */
    lat_buf_done(&link->batch);
}

/* The control stream has nobody whom room would be told. */
void lat_link_flush(struct lat_link *link)
{
    LAT_CHECK_MAGIC(link, LAT__LINK_MAGIC);
    if (link->state != LAT__LINK_OPEN)
        return;
    while (lat_stream_pending(link->transport) < TRANSPORT_QUEUED_MAX && add_first(link)) {
        lat_stream_write(link->transport, link->batch.bytes, link->batch.len);
        lat_buf_clear(&link->batch);
    }
    lat_buf_done(&link->batch);
    lat_stream_flush(link->transport);
}

static void pump(void *arg)
{
    struct lat_link *link = arg;
    link->pumping = false;
    if (!link->started && link->transport) {
        link->started = true;
        lat_stream_resume(link->transport);
    }
    if (link->urgent.len > LAT_LINK_URGENT_QUEUED_MAX && link->state == LAT__LINK_OPEN) {
        struct lat_err err;
        lat_err_set(&err, LAT_E_LIMIT,
                    "The other side makes us answer and does not read the answers.");
        fail(link, &err);
    }
    if (link->state <= LAT__LINK_CLOSING)
        send_batches(link);
    if (link->state == LAT__LINK_CLOSING &&
        (!link->control || lat_stream_pending(&link->control->base) == 0))
        say_go_away(link);
    lat__link_forget(link);
}

void lat__link_schedule(struct lat_link *link)
{
    if (link->pumping || link->state > LAT__LINK_CLOSING)
        return;
    link->pumping = true;
    link->objects++;
    lat_loop_defer(link->loop, pump, link);
}

void lat__link_urgent(struct lat_link *link, enum lat__frame_type type, uint16_t flags,
                      uint32_t stream, uint32_t length)
{
    if (link->state != LAT__LINK_OPEN)
        return;
    struct lat__frame frame = {
        .type = (uint8_t)type, .flags = flags, .stream = stream, .length = length};
    lat__frame_write(&frame, &link->urgent);
    lat__link_schedule(link);
}

/* ---- keeping alive ---- */

static void ping(struct lat_link *link)
{
    link->ping_sent_ns = lat__link_now_ns(link);
    link->heard = false;
    lat__link_urgent(link, LAT__PING, LAT__SYN, 0, ++link->ping_number);
}

void lat__link_pong(struct lat_link *link, uint32_t number)
{
    if (link->ping_sent_ns == 0 || number != link->ping_number)
        return;
    int64_t took = lat__link_now_ns(link) - link->ping_sent_ns;
    link->ping_sent_ns = 0;
    link->newest_round_trip_ns = took;
    /* A ping may have waited behind data: believe short ones at once and long ones slowly. */
    bool first = link->round_trip_ns == 0;
    link->round_trip_ns =
        first || took < link->round_trip_ns ? took : (link->round_trip_ns * 7 + took) / 8;
}

static void ping_due(void *arg)
{
    struct lat_link *link = arg;
    if (link->ping_sent_ns == 0) {
        link->pings_missed = 0;
        ping(link);
        return;
    }
    /* Any sign of life will do: on a busy link the answer waits behind data. */
    link->pings_missed = link->heard ? 0 : link->pings_missed + 1;
    link->heard = false;
    if (link->pings_missed >= link->options.pings_missed) {
        struct lat_err err;
        lat_err_set(&err, LAT_E_TIMEOUT, "The other side has not answered for %lld ms.",
                    (long long)(link->options.ping_ms * link->options.pings_missed));
        fail(link, &err);
    }
}

/* ---- the transport ---- */

static void transport_data(void *arg, const uint8_t *bytes, size_t len)
{
    lat__receive(arg, bytes, len);
}

static void transport_end(void *arg)
{
    struct lat_link *link = arg;
    lat_stream_close(link->transport);
}

static void transport_drain(void *arg)
{
    lat__link_schedule(arg);
}

static void transport_close(void *arg, const struct lat_err *err)
{
    struct lat_link *link = arg;
    if (link->state == LAT__LINK_OPEN) {
        if (err->code)
            lat_err_copy(&link->err, err);
        else
            lat_err_set(&link->err, LAT_E_CLOSED, "The other side closed the connection.");
    }
    link->transport = NULL;
    link->state = LAT__LINK_GONE;
    lat_timer_stop(&link->ping_timer);
    lat_timer_stop(&link->linger_timer);
    close_streams(link, true);
    maybe_finish(link);
}

static const struct lat_stream_events transport_events = {
    .on_data = transport_data,
    .on_end = transport_end,
    .on_drain = transport_drain,
    .on_close = transport_close,
};

/* ---- the face ---- */

struct lat_link *lat_link_new(struct lat_stream *transport, const struct lat_link_options *options,
                              const struct lat_link_events *events, void *arg)
{
    struct lat_link *link = LAT_NEW(struct lat_link);
    link->magic = LAT__LINK_MAGIC;
    link->transport = transport;
    link->loop = lat_stream_loop(transport);
    link->events = events;
    link->arg = arg;
    link->options = *options;
    if (link->options.ping_ms <= 0)
        link->options.ping_ms = LAT_LINK_PING_MS;
    if (link->options.pings_missed <= 0)
        link->options.pings_missed = LAT_LINK_PINGS_MISSED;
    lat_timer_init(&link->ping_timer, link->loop, ping_due, link);
    lat_timer_init(&link->linger_timer, link->loop, linger_over, link);
    lat_stream_set_events(transport, &transport_events, link);
    if (options->role == LAT_LINK_AGENT) {
        link->control = lat__stream_new(link, 1, LAT__PHASE_OPEN);
        lat_stream_set_events(&link->control->base, &lat__control_events, link);
        lat_stream_resume(&link->control->base);
        lat__link_urgent(link, LAT__WINDOW, LAT__SYN, 1, 0);
        link->next_id = 3;
    } else {
        link->next_id = 2;
    }
    ping(link);
    lat_timer_start(&link->ping_timer, link->options.ping_ms, link->options.ping_ms);
    lat__link_schedule(link);
    return link;
}

struct lat_loop *lat_link_loop(const struct lat_link *link)
{
    LAT_CHECK_MAGIC(link, LAT__LINK_MAGIC);
    return link->loop;
}

void lat_link_peer(const struct lat_link *link, char *ret_text, size_t size)
{
    LAT_CHECK_MAGIC(link, LAT__LINK_MAGIC);
    if (link->transport)
        lat_stream_peer(link->transport, ret_text, size);
    else if (size)
        ret_text[0] = '\0';
}

void lat_link_status(const struct lat_link *link, struct lat_link_status *ret_status)
{
    LAT_CHECK_MAGIC(link, LAT__LINK_MAGIC);
    struct lat_link_status status = {
        .buffered_bytes = (size_t)link->buffered,
        .window_bytes = (size_t)link->grown,
        .queued_bytes =
            link->urgent.len + (link->transport ? lat_stream_pending(link->transport) : 0),
        .round_trip_ns = link->newest_round_trip_ns,
    };
    for (struct lat__stream *at = link->streams; at; at = at->hh.next) {
        status.streams += at != link->control;
        status.queued_bytes += lat__queue_len(&at->out);
    }
    *ret_status = status;
}
