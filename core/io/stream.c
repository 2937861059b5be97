/* The face of every stream: checks, and the rules that hold for all kinds (end once, close once, nothing
 * written after). What a kind does is in its class. Runs on the loop's thread. */
#include "internal.h"

void lat_stream_init(struct lat_stream *stream, const struct lat_stream_class *class,
                     struct lat_loop *loop)
{
    *stream = (struct lat_stream){.magic = LAT_STREAM_MAGIC, .class = class, .loop = loop};
}

static void check(const struct lat_stream *stream)
{
    LAT_CHECK_MAGIC(stream, LAT_STREAM_MAGIC);
    LAT_ASSERT(lat_loop_is_current(stream->loop));
}

void lat_stream_set_events(struct lat_stream *stream, const struct lat_stream_events *events,
                           void *arg)
{
    check(stream);
    stream->events = events;
    stream->arg = arg;
}

void lat_stream_resume(struct lat_stream *stream)
{
    check(stream);
    LAT_ASSERT(stream->events && stream->events->on_data && stream->events->on_close);
    if (!stream->closed)
        stream->class->resume(stream);
}

void lat_stream_pause(struct lat_stream *stream)
{
    check(stream);
    if (!stream->closed)
        stream->class->pause(stream);
}

void lat_stream_write(struct lat_stream *stream, const void *bytes, size_t len)
{
    check(stream);
    if (len && !stream->ended && !stream->closed)
        stream->class->write(stream, bytes, len);
}

void lat_stream_flush(struct lat_stream *stream)
{
    check(stream);
    if (stream->class->flush && !stream->closed)
        stream->class->flush(stream);
}

size_t lat_stream_pending(const struct lat_stream *stream)
{
    check(stream);
    return stream->closed ? 0 : stream->class->pending(stream);
}

void lat_stream_end(struct lat_stream *stream)
{
    check(stream);
    if (stream->ended || stream->closed)
        return;
    stream->ended = true;
    stream->class->end(stream);
}

void lat_stream_abort(struct lat_stream *stream, const struct lat_err *err)
{
    check(stream);
    if (stream->closed)
        return;
    stream->closed = true;
    stream->class->close(stream, err);
}

void lat_stream_close(struct lat_stream *stream)
{
    lat_stream_abort(stream, NULL);
}

struct lat_loop *lat_stream_loop(const struct lat_stream *stream)
{
    LAT_CHECK_MAGIC(stream, LAT_STREAM_MAGIC);
    return stream->loop;
}

void lat_stream_peer(const struct lat_stream *stream, char *ret_text, size_t size)
{
    check(stream);
    stream->class->peer(stream, ret_text, size);
}
