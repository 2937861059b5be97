/* One stream of a link, behind the interface of io/stream.h.
 *
 *   write ─► out ── frames, as far as send_window goes ─►      reading:  ─► on_data at once, without a copy
 *                                                              paused:   ─► in, on_data once resumed
 *
 * The window is the back-pressure: what was delivered is granted again in steps of half a window; what is held for a
 * paused stream is not, so that the other side runs dry and pauses its own writer. A window doubles when a whole one was
 * consumed within four round trips, because then the path, not the reader, is what held it up.
 *
 * Invariants: receive_window + bytes in `in` + what is yet to be granted == window.
 * A stream leaves link->streams the moment it is closed; its memory goes after on_close. Runs on the link's loop. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

/* Bytes of `in` that one on_data gets, so that a pause takes effect soon. */
enum { SLICE_MAX = 64 * 1024 };

/* A window counts as filled by the path when it is consumed within this many round trips. */
enum { GROW_ROUND_TRIPS = 4 };

static struct lat__stream *stream_of(const struct lat_stream *base)
{
    return LAT_CONTAINER(base, struct lat__stream, base);
}

static void work(void *arg);

static void schedule(struct lat__stream *stream)
{
    if (stream->working)
        return;
    stream->working = true;
    lat_loop_defer(stream->base.loop, work, stream);
}

/* ---- sending ---- */

static bool has_grant(const struct lat__stream *stream)
{
    if (stream->fin_received)
        return false;
    int64_t owed = stream->window - stream->receive_window - (int64_t)lat__queue_len(&stream->in);
    return owed >= stream->window / 2;
}

static bool has_frame(const struct lat__stream *stream)
{
    size_t len = lat__queue_len(&stream->out);
    return len ? stream->send_window > 0 : stream->base.ended && !stream->fin_sent;
}

static bool has_work(const struct lat__stream *stream)
{
    return !stream->base.closed && stream->announced && (has_frame(stream) || has_grant(stream));
}

void lat__stream_ready(struct lat__stream *stream)
{
    if (stream->ready || !has_work(stream))
        return;
    if (stream != stream->link->control) {
        DL_APPEND(stream->link->ready, stream);
        stream->ready = true;
    }
    lat__link_schedule(stream->link);
}

static void emit_grant(struct lat__stream *stream)
{
    int64_t owed = stream->window - stream->receive_window - (int64_t)lat__queue_len(&stream->in);
    struct lat__frame frame = {.type = LAT__WINDOW, .stream = stream->id, .length = (uint32_t)owed};
    lat__frame_write(&frame, &stream->link->batch);
    stream->receive_window += owed;
}

static void emit_data(struct lat__stream *stream)
{
    size_t waiting = lat__queue_len(&stream->out);
    size_t len = waiting < LAT_LINK_FRAME_MAX ? waiting : LAT_LINK_FRAME_MAX;
    if (len > stream->send_window)
        len = stream->send_window;
    bool last = stream->base.ended && len == waiting;
    struct lat__frame frame = {.type = LAT__DATA,
                               .flags = last ? LAT__FIN : 0,
                               .stream = stream->id,
                               .length = (uint32_t)len};
    lat__frame_write(&frame, &stream->link->batch);
    if (len) {
        lat_buf_add(&stream->link->batch, lat__queue_front(&stream->out), len);
        lat__queue_take(&stream->out, len);
        stream->send_window -= (uint32_t)len;
    }
    if (last) {
        stream->fin_sent = true;
        schedule(stream);
    }
}

bool lat__stream_emit(struct lat__stream *stream)
{
    if (has_grant(stream))
        emit_grant(stream);
    if (has_frame(stream))
        emit_data(stream);
    if (stream->above && lat__queue_len(&stream->out) <= LAT_STREAM_LOW_WATER) {
        stream->above = false;
        if (stream->base.events && stream->base.events->on_drain)
            stream->base.events->on_drain(stream->base.arg);
    }
    return has_work(stream);
}

bool lat__stream_granted(struct lat__stream *stream, uint32_t bytes)
{
    if (__builtin_add_overflow(stream->send_window, bytes, &stream->send_window))
        return false;
    lat__stream_ready(stream);
    return true;
}

/* ---- receiving ---- */

static void consumed(struct lat__stream *stream, size_t len)
{
    struct lat_link *link = stream->link;
    if (stream->base.closed)
        return;
    if (stream->measured_bytes == 0)
        stream->measured_ns = lat__link_now_ns(link);
    stream->measured_bytes += (int64_t)len;
    if (stream->measured_bytes >= stream->window) {
        int64_t took = lat__link_now_ns(link) - stream->measured_ns;
        if (took < GROW_ROUND_TRIPS * link->round_trip_ns &&
            stream->window * 2 <= LAT_LINK_WINDOW_MAX &&
            link->grown + stream->window <= LAT_LINK_BUFFERED_MAX) {
            link->grown += stream->window;
            stream->window *= 2;
        }
        stream->measured_bytes = 0;
    }
    lat__stream_ready(stream);
}

/* Too much is held for paused streams: the one that has been stalled longest pays for it. */
static void relieve(struct lat_link *link)
{
    struct lat__stream *worst = NULL;
    for (struct lat__stream *at = link->streams; at; at = at->hh.next) {
        if (at != link->control && lat__queue_len(&at->in) &&
            (!worst || at->stalled_ns < worst->stalled_ns))
            worst = at;
    }
    if (!worst)
        return;
    struct lat_err err;
    lat_err_set(&err, LAT_E_LIMIT,
                "More than %d MB wait on this link for readers that do not read.",
                LAT_LINK_BUFFERED_MAX / (1024 * 1024));
    lat_stream_abort(&worst->base, &err);
}

static void hold(struct lat__stream *stream, const uint8_t *bytes, size_t len)
{
    if (lat__queue_len(&stream->in) == 0)
        stream->stalled_ns = lat__link_now_ns(stream->link);
    lat__queue_add(&stream->in, bytes, len);
    stream->link->buffered += (int64_t)len;
    if (stream->link->buffered > LAT_LINK_BUFFERED_MAX)
        relieve(stream->link);
}

void lat__stream_take(struct lat__stream *stream, const uint8_t *bytes, size_t len)
{
    if (stream->phase == LAT__PHASE_HEADER || stream->phase == LAT__PHASE_REPLY) {
        size_t used = lat__opening_take(stream, bytes, len);
        consumed(stream, used);
        bytes += used;
        len -= used;
    }
    if (len == 0 || stream->base.closed)
        return;
    if (stream->phase == LAT__PHASE_OPEN && stream->reading && lat__queue_len(&stream->in) == 0) {
        stream->base.events->on_data(stream->base.arg, bytes, len);
        consumed(stream, len);
    } else {
        hold(stream, bytes, len);
    }
}

void lat__stream_take_end(struct lat__stream *stream)
{
    stream->fin_received = true;
    if (stream->phase == LAT__PHASE_HEADER) {
        lat_stream_close(&stream->base);
    } else if (stream->phase == LAT__PHASE_REPLY) {
        struct lat_err err;
        lat_err_set(&err, LAT_E_PROTOCOL,
                    "The other side ended the stream instead of answering its opening.");
        lat_stream_abort(&stream->base, &err);
    } else {
        schedule(stream);
    }
}

void lat__stream_take_reset(struct lat__stream *stream)
{
    struct lat_err err;
    lat_err_set(&err, LAT_E_CLOSED, "The other side reset the stream.");
    stream->fin_received = true;
    stream->fin_sent = true; /* nothing is to be said any more: no reset in return */
    lat_stream_abort(&stream->base, &err);
}

void lat__stream_open(struct lat__stream *stream)
{
    stream->phase = LAT__PHASE_OPEN;
    schedule(stream);
}

static void deliver(struct lat__stream *stream)
{
    /* The callback may close the stream, which empties `in`: what it reads from is kept apart. */
    struct lat__queue held = stream->in;
    stream->in = (struct lat__queue){0};
    while (lat__queue_len(&held) && stream->reading && !stream->base.closed) {
        size_t len = lat__queue_len(&held) < SLICE_MAX ? lat__queue_len(&held) : SLICE_MAX;
        stream->base.events->on_data(stream->base.arg, lat__queue_front(&held), len);
        stream->link->buffered -= (int64_t)len;
        lat__queue_take(&held, len);
    }
    if (stream->base.closed) {
        stream->link->buffered -= (int64_t)lat__queue_len(&held);
        lat__queue_done(&held);
    } else {
        stream->in = held;
    }
}

static void deliver_held(struct lat__stream *stream)
{
    size_t before = lat__queue_len(&stream->in);
    if (before == 0 || !stream->reading || stream->phase != LAT__PHASE_OPEN)
        return;
    deliver(stream);
    consumed(stream, before - lat__queue_len(&stream->in));
}

static void tell_end(struct lat__stream *stream)
{
    if (!stream->fin_received || stream->end_told || !stream->reading ||
        stream->phase != LAT__PHASE_OPEN || lat__queue_len(&stream->in))
        return;
    stream->end_told = true;
    if (stream->base.events->on_end)
        stream->base.events->on_end(stream->base.arg);
    else
        lat_stream_end(&stream->base);
}

static void destroy(struct lat__stream *stream)
{
    struct lat_link *link = stream->link;
    if (stream->base.events)
        stream->base.events->on_close(stream->base.arg, &stream->err);
    stream->base.magic = 0;
    free(stream);
    lat__link_forget(link);
}

static void work(void *arg)
{
    struct lat__stream *stream = arg;
    LAT_CHECK_MAGIC(&stream->base, LAT_STREAM_MAGIC);
    stream->working = false;
    if (!stream->base.closed)
        deliver_held(stream);
    if (!stream->base.closed)
        tell_end(stream);
    if (!stream->base.closed && stream->end_told && stream->fin_sent)
        lat_stream_close(&stream->base);
    if (stream->base.closed && !stream->working)
        destroy(stream);
}

/* ---- the class ---- */

static void stream_resume(struct lat_stream *base)
{
    struct lat__stream *stream = stream_of(base);
    stream->reading = true;
    if (lat__queue_len(&stream->in) || stream->fin_received)
        schedule(stream);
}

static void stream_pause(struct lat_stream *base)
{
    stream_of(base)->reading = false;
}

static void stream_write(struct lat_stream *base, const void *bytes, size_t len)
{
    struct lat__stream *stream = stream_of(base);
    LAT_ASSERT(stream->phase != LAT__PHASE_OPENING); /* accept it first */
    lat__queue_add(&stream->out, bytes, len);
    if (lat__queue_len(&stream->out) > LAT_STREAM_LOW_WATER)
        stream->above = true;
    lat__stream_ready(stream);
}

static size_t stream_pending(const struct lat_stream *base)
{
    return lat__queue_len(&stream_of(base)->out);
}

static void stream_end(struct lat_stream *base)
{
    lat__stream_ready(stream_of(base));
}

static void stream_close(struct lat_stream *base, const struct lat_err *err)
{
    struct lat__stream *stream = stream_of(base);
    struct lat_link *link = stream->link;
    lat_err_clear(&stream->err);
    if (err)
        lat_err_copy(&stream->err, err);
    if (stream->phase == LAT__PHASE_HEADER || stream->phase == LAT__PHASE_OPENING)
        link->backlog--;
    if (stream->ready)
        DL_DELETE(link->ready, stream);
    if (stream == link->control)
        link->control = NULL;
    HASH_DEL(link->streams, stream);
    stream->ready = false;
    stream->reply = NULL;
    link->buffered -= (int64_t)lat__queue_len(&stream->in);
    link->grown -= stream->window - LAT_LINK_WINDOW_START;
    lat__queue_done(&stream->in);
    lat__queue_done(&stream->out);
    lat_buf_done(&stream->preface);
    if (stream->announced && !(stream->fin_sent && stream->fin_received))
        lat__link_urgent(link, LAT__WINDOW, LAT__RST, stream->id, 0);
    if (stream->phase == LAT__PHASE_REPLY)
        lat__opening_settled(stream); /* after the reset, which makes the room on the other side */
    schedule(stream);
}

static void stream_peer(const struct lat_stream *base, char *ret_text, size_t size)
{
    const struct lat__stream *stream = stream_of(base);
    char link[96];
    lat_link_peer(stream->link, link, sizeof(link));
    snprintf(ret_text, size, "%s stream %u", link, stream->id);
}

static const struct lat_stream_class stream_class = {
    .name = "link",
    .resume = stream_resume,
    .pause = stream_pause,
    .write = stream_write,
    .pending = stream_pending,
    .end = stream_end,
    .close = stream_close,
    .peer = stream_peer,
};

struct lat__stream *lat__stream_new(struct lat_link *link, uint32_t id, enum lat__phase phase)
{
    struct lat__stream *stream = LAT_NEW(struct lat__stream);
    lat_stream_init(&stream->base, &stream_class, link->loop);
    stream->link = link;
    stream->id = id;
    stream->phase = phase;
    stream->announced = phase != LAT__PHASE_REPLY;
    stream->send_window = LAT_LINK_WINDOW_START;
    stream->receive_window = LAT_LINK_WINDOW_START;
    stream->window = LAT_LINK_WINDOW_START;
    if (phase == LAT__PHASE_HEADER)
        link->backlog++;
    HASH_ADD(hh, link->streams, id, sizeof(id), stream);
    link->objects++;
    return stream;
}
