/* Two streams that are each other's peer, in memory. What is written into one is delivered by the other at the
 * end of the turn, never from within the write. An end has what its peer wrote in `in`; that is also what the
 * peer counts as pending.
 *
 * Closing one end is for the other like a socket whose peer has gone: it still gets what was written, then the
 * end; if it writes, it is closed with LAT_E_CLOSED. An abort closes the other end with LAT_E_CLOSED at once.
 *
 * Runs on the loop's thread. */
#include "internal.h"

#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

struct pair_end {
    struct lat_stream base;
    struct pair_end *other; /* NULL: it has gone */
    struct lat_buf in;      /* written by the other, not delivered */
    struct lat_err *err;    /* owned; what on_close gets */
    bool reading;
    bool in_over;   /* the other will write no more */
    bool end_told;  /* on_end has come */
    bool scheduled; /* `work` is deferred */
    bool above;     /* our pending has been above the low water since the last on_drain */
};

static struct pair_end *pair_of(const struct lat_stream *stream)
{
    return LAT_CONTAINER(stream, struct pair_end, base);
}

static void work(void *arg);

static void schedule(struct pair_end *end)
{
    if (end->scheduled)
        return;
    end->scheduled = true;
    lat_loop_defer(end->base.loop, work, end);
}

static void destroy(struct pair_end *end)
{
    struct lat_err none = {.code = LAT_OK};
    if (end->base.events)
        end->base.events->on_close(end->base.arg, end->err ? end->err : &none);
    lat_buf_done(&end->in);
    end->base.magic = 0;
    free(end->err);
    free(end);
}

static size_t pair_pending(const struct lat_stream *stream)
{
    const struct pair_end *other = pair_of(stream)->other;
    return other ? other->in.len : 0;
}

static void tell_drain(struct pair_end *end)
{
    if (!end->above || pair_pending(&end->base) > LAT_STREAM_LOW_WATER)
        return;
    end->above = false;
    if (end->base.events && end->base.events->on_drain)
        end->base.events->on_drain(end->base.arg);
}

static void deliver(struct pair_end *end)
{
    struct lat_buf batch = end->in;
    if (!batch.len || !end->reading)
        return;
    end->in = (struct lat_buf){0};
    if (end->other && end->other->above)
        schedule(end->other);
    end->base.events->on_data(end->base.arg, batch.bytes, batch.len);
    lat_buf_done(&batch);
}

static void tell_end(struct pair_end *end)
{
    if (!end->in_over || end->end_told || end->in.len || !end->reading)
        return;
    end->end_told = true;
    if (end->base.events->on_end)
        end->base.events->on_end(end->base.arg);
    else
        lat_stream_end(&end->base);
}

static void work(void *arg)
{
    struct pair_end *end = arg;
    LAT_CHECK_MAGIC(&end->base, LAT_STREAM_MAGIC);
    end->scheduled = false;
    if (!end->base.closed)
        tell_drain(end);
    if (!end->base.closed)
        deliver(end);
    if (!end->base.closed)
        tell_end(end);
    if (!end->base.closed && end->end_told && end->base.ended)
        lat_stream_close(&end->base);
    if (end->base.closed && !end->scheduled)
        destroy(end);
}

static void pair_resume(struct lat_stream *stream)
{
    struct pair_end *end = pair_of(stream);
    end->reading = true;
    if (end->in.len || end->in_over)
        schedule(end);
}

static void pair_pause(struct lat_stream *stream)
{
    pair_of(stream)->reading = false;
}

static void pair_write(struct lat_stream *stream, const void *bytes, size_t len)
{
    struct pair_end *end = pair_of(stream);
    if (!end->other) {
        struct lat_err err;
        lat_err_set(&err, LAT_E_CLOSED, "write: the other side closed the connection");
        lat_stream_abort(stream, &err);
        return;
    }
    lat_buf_add(&end->other->in, bytes, len);
    if (end->other->in.len > LAT_STREAM_LOW_WATER)
        end->above = true;
    if (end->other->reading)
        schedule(end->other);
}

static void pair_end_writing(struct lat_stream *stream)
{
    struct pair_end *end = pair_of(stream);
    if (end->other) {
        end->other->in_over = true;
        schedule(end->other);
    }
    schedule(end);
}

static void pair_close(struct lat_stream *stream, const struct lat_err *err)
{
    struct pair_end *end = pair_of(stream);
    struct pair_end *other = end->other;
    if (err) {
        end->err = LAT_NEW(struct lat_err);
        *end->err = *err;
    }
    if (other) {
        end->other = other->other = NULL;
        other->in_over = true;
        schedule(other);
        if (err) {
            struct lat_err broken;
            lat_err_set(&broken, LAT_E_CLOSED, "read: the other side closed the connection");
            lat_stream_abort(&other->base, &broken);
        }
    }
    schedule(end);
}

static void pair_peer(const struct lat_stream *stream, char *ret_text, size_t size)
{
    (void)stream;
    snprintf(ret_text, size, "memory");
}

static const struct lat_stream_class pair_class = {
    .name = "pair",
    .resume = pair_resume,
    .pause = pair_pause,
    .write = pair_write,
    .pending = pair_pending,
    .end = pair_end_writing,
    .close = pair_close,
    .peer = pair_peer,
};

void lat_stream_pair(struct lat_loop *loop, struct lat_stream **ret_a, struct lat_stream **ret_b)
{
    struct pair_end *a = LAT_NEW(struct pair_end);
    struct pair_end *b = LAT_NEW(struct pair_end);
    lat_stream_init(&a->base, &pair_class, loop);
    lat_stream_init(&b->base, &pair_class, loop);
    a->other = b;
    b->other = a;
    *ret_a = &a->base;
    *ret_b = &b->base;
}
