/* Opening a stream to a node and waiting for its answer, asked for on the state loop and done on the link's.
 *
 *   state loop: lat_dispatch_open ── post ──► I/O loop: open, wait ── accepted ──► fn(stream)
 *                                                              └──── refused, gone, too late ──► fn(NULL, err)
 *
 * While it waits the stream's events are the waiter's; with the answer they become the caller's. */
#include "internal.h"

#include "base/text.h"

#include <stdlib.h>

struct opening {
    struct lat_link_directory *directory;
    char node_id[LAT_ID_SIZE];
    struct lat_stream_header header; /* with copies of its texts, below */
    char *allocation, *port, *request_id, *since, *container;
    lat_dispatch_open_fn *fn;
    void *arg;
    struct lat_stream *stream;
    struct lat_timer timer;
    struct lat_err err; /* why there is no stream */
};

static void opening_free(struct opening *opening)
{
    free(opening->allocation);
    free(opening->port);
    free(opening->request_id);
    free(opening->since);
    free(opening->container);
    free(opening);
}

static void finish(struct opening *opening, struct lat_stream *stream)
{
    lat_timer_done(&opening->timer);
    opening->fn(opening->arg, stream, stream ? NULL : &opening->err);
    opening_free(opening);
}

static void no_data(void *arg, const uint8_t *bytes, size_t len)
{
    (void)arg;
    (void)bytes;
    (void)len;
    LAT_ASSERT(false); /* it is never resumed here */
}

static void closed(void *arg, const struct lat_err *err)
{
    struct opening *opening = arg;
    if (err->code)
        lat_err_copy(&opening->err, err);
    else if (!opening->err.code)
        lat_err_set(&opening->err, LAT_E_CLOSED, "The node's link was closed.");
    finish(opening, NULL);
}

static const struct lat_stream_events waiting_events = {.on_data = no_data, .on_close = closed};

static void replied(void *arg, const struct lat_err *err)
{
    struct opening *opening = arg;
    if (!err) /* a refusal arrives as the stream's close */
        finish(opening, opening->stream);
}

static void too_late(void *arg)
{
    struct opening *opening = arg;
    struct lat_err err;
    lat_err_set(&err, LAT_E_TIMEOUT, "The node's agent has not answered.");
    lat_stream_abort(opening->stream, &err);
}

static void run_open(void *arg)
{
    struct opening *opening = arg;
    if (lat_link_directory_open(opening->directory, opening->node_id, &opening->header, replied,
                                opening, &opening->stream, &opening->err) < 0) {
        finish(opening, NULL);
        return;
    }
    lat_stream_set_events(opening->stream, &waiting_events, opening);
    lat_timer_init(&opening->timer, lat_stream_loop(opening->stream), too_late, opening);
    lat_timer_start(&opening->timer, LAT__OPEN_MS, 0);
}

static void run_failed(void *arg)
{
    finish(arg, NULL);
}

void lat_dispatch_open(struct lat_dispatch *dispatch, const char *node_id,
                       const struct lat_stream_header *header, lat_dispatch_open_fn *fn, void *arg)
{
    struct opening *opening = LAT_NEW(struct opening);
    opening->directory = dispatch->with.directory;
    lat_text_bound(opening->node_id, sizeof(opening->node_id), node_id);
    opening->header = *header;
    opening->header.allocation = opening->allocation = lat_text_copy(header->allocation);
    opening->header.port = opening->port = lat_text_copy(header->port);
    opening->header.request_id = opening->request_id = lat_text_copy(header->request_id);
    opening->header.since = opening->since = lat_text_copy(header->since);
    opening->header.container = opening->container = lat_text_copy(header->container);
    opening->fn = fn;
    opening->arg = arg;
    struct lat_loop *loop = lat_link_directory_loop_of(dispatch->with.directory, node_id);
    if (!loop) {
        lat_err_set(&opening->err, LAT_E_UNAVAILABLE,
                    "The node is not connected to this console now.");
        lat_err_hint(&opening->err, "It goes on by itself once the node's agent has reconnected.");
    } else if (lat_loop_post(loop, run_open, opening) < 0) {
        lat_err_set(&opening->err, LAT_E_BUSY, NULL);
    } else {
        return;
    }
    lat_loop_defer(dispatch->with.loop, run_failed, opening);
}
