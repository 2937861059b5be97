/* A relay between two streams: what one gives, the other gets.
 *
 *     a.on_data ─► b.write     b above the high water: a is paused     b.on_drain: a resumes
 *     a.on_end  ─► b.end       a closed with an error: b is aborted with it
 *
 * and the same from b to a. So a relay never holds more than LAT_STREAM_HIGH_WATER and one read in each direction.
 * It lives until both streams are gone, then calls done and frees itself. Runs on the loop's thread. */
#include "internal.h"

#include <stdlib.h>

enum { RELAY_MAGIC = 0x52656c61 };

struct side {
    struct lat_relay *relay;
    struct side *other;
    struct lat_stream *stream; /* NULL: gone */
    uint64_t bytes;            /* came from here */
    bool ended;                /* on_end has come */
};

struct lat_relay {
    uint32_t magic;
    struct side a;
    struct side b;
    lat_relay_done_fn *done;
    void *arg;
};

static void on_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct side *side = arg;
    struct lat_stream *to = side->other->stream;
    side->bytes += len;
    if (!to)
        return;
    lat_stream_write(to, bytes, len);
    if (lat_stream_pending(to) > LAT_STREAM_HIGH_WATER)
        lat_stream_pause(side->stream);
}

static void on_end(void *arg)
{
    struct side *side = arg;
    side->ended = true;
    if (side->other->stream)
        lat_stream_end(side->other->stream);
}

static void on_drain(void *arg)
{
    struct side *side = arg;
    if (side->other->stream)
        lat_stream_resume(side->other->stream);
}

static void on_close(void *arg, const struct lat_err *err)
{
    struct side *side = arg;
    struct lat_relay *relay = side->relay;
    LAT_CHECK_MAGIC(relay, RELAY_MAGIC);
    side->stream = NULL;
    struct lat_stream *rest = side->other->stream;
    if (!rest) {
        relay->done(relay->arg, relay->a.bytes, relay->b.bytes);
        relay->magic = 0;
        free(relay);
    } else if (err->code != LAT_OK) {
        lat_stream_abort(rest, err);
    } else if (!side->ended || !side->other->ended) {
        lat_stream_close(rest); /* closed before its time; otherwise the rest is on its way out */
    }
}

static const struct lat_stream_events relay_events = {
    .on_data = on_data,
    .on_end = on_end,
    .on_drain = on_drain,
    .on_close = on_close,
};

struct lat_relay *lat_relay_start(struct lat_stream *a, struct lat_stream *b,
                                  lat_relay_done_fn *done, void *arg)
{
    LAT_ASSERT(lat_stream_loop(a) == lat_stream_loop(b));
    struct lat_relay *relay = LAT_NEW(struct lat_relay);
    relay->magic = RELAY_MAGIC;
    relay->done = done;
    relay->arg = arg;
    relay->a = (struct side){.relay = relay, .other = &relay->b, .stream = a};
    relay->b = (struct side){.relay = relay, .other = &relay->a, .stream = b};
    lat_stream_set_events(a, &relay_events, &relay->a);
    lat_stream_set_events(b, &relay_events, &relay->b);
    lat_stream_resume(a);
    lat_stream_resume(b);
    return relay;
}

void lat_relay_close(struct lat_relay *relay)
{
    LAT_CHECK_MAGIC(relay, RELAY_MAGIC);
    if (relay->a.stream)
        lat_stream_close(relay->a.stream);
    if (relay->b.stream)
        lat_stream_close(relay->b.stream);
}
