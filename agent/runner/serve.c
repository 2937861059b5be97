/* Streams that the console opens to see into an allocation: its log, and what it uses. */
#include "agent/runner/runner_internal.h"

#include "link/link.h"

#include <stdio.h>

/* One stream that is served, until its close. */
struct lat__serving {
    TAILQ_ENTRY(lat__serving) link; /* of those that wait */
    struct lat_runner *runner;
    struct lat_stream *stream; /* NULL once it closed: what the driver brings is then thrown away */
    bool waiting;              /* for the driver */
};

static void ignore_data(void *arg, const uint8_t *bytes, size_t len)
{
    (void)arg;
    (void)bytes;
    (void)len;
}

static void stream_closed(void *arg, const struct lat_err *err)
{
    struct lat__serving *serving = arg;

    (void)err;
    serving->stream = NULL;
    if (!serving->waiting) {
        free(serving);
    }
}

static const struct lat_stream_events waiting_events = {.on_data = ignore_data,
                                                        .on_close = stream_closed};

/* Ends the wait for the driver. Returns the stream to answer on, or NULL (the serving is gone) when it closed meanwhile. */
static struct lat_stream *finish_waiting(struct lat__serving *serving)
{
    struct lat_stream *stream = serving->stream;

    serving->waiting = false;
    TAILQ_REMOVE(&serving->runner->servings, serving, link);
    if (!stream) {
        free(serving);
    }
    return stream;
}

static void relayed(void *arg, uint64_t a_to_b, uint64_t b_to_a)
{
    (void)arg;
    (void)a_to_b;
    (void)b_to_a;
}

static void log_opened(void *arg, struct lat_stream *log, const struct lat_err *err)
{
    struct lat__serving *serving = arg;
    struct lat_stream *stream = finish_waiting(serving);

    if (!stream) {
        if (log) {
            lat_stream_close(log);
        }
        return;
    }
    if (err) {
        lat_link_refuse(stream, err); /* its close frees the serving */
        return;
    }
    lat_link_accept(stream);
    free(serving);
    lat_relay_start(log, stream, relayed, NULL);
}

static void stats_read(void *arg, const struct lat_driver_stats *stats, const struct lat_err *err)
{
    struct lat_stream *stream = finish_waiting(arg);
    struct lat_json_writer writer;
    struct lat_buf out = {0};

    if (!stream) {
        return;
    }
    if (err) {
        lat_link_refuse(stream, err);
        return;
    }
    lat_json_writer_init(&writer, &out);
    lat_json_object(&writer, NULL);
    lat_json_add_real(&writer, "cpu_percent", stats->cpu_percent);
    lat_json_add_int(&writer, "memory_bytes", stats->memory_bytes);
    lat_json_add_int(&writer, "memory_limit_bytes", stats->memory_limit_bytes);
    lat_json_add_int(&writer, "network_rx_bytes", stats->network_rx_bytes);
    lat_json_add_int(&writer, "network_tx_bytes", stats->network_tx_bytes);
    lat_json_add_int(&writer, "block_read_bytes", stats->block_read_bytes);
    lat_json_add_int(&writer, "block_written_bytes", stats->block_written_bytes);
    lat_json_add_int(&writer, "pids", stats->pids);
    lat_json_end(&writer, '}');
    lat_link_accept(stream);
    lat_stream_write(stream, out.bytes, out.len);
    lat_stream_end(stream);
    lat_stream_resume(stream); /* so that the other side's end is seen */
    lat_buf_done(&out);
}

void lat_runner_serve(struct lat_runner *runner, struct lat_stream *stream,
                      const struct lat_stream_header *header)
{
    struct lat__serving *serving = LAT_NEW(struct lat__serving);
    struct lat_driver *driver = runner->driver;
    const struct lat__allocation *allocation;
    struct lat_err err;

    serving->runner = runner;
    serving->stream = stream;
    lat_stream_set_events(stream, &waiting_events, serving);
    allocation = lat_map_get(runner->allocations, header->allocation);
    if (!allocation) {
        lat_err_set(&err, LAT_E_NOT_FOUND, "The allocation is not on this node.");
        lat_link_refuse(stream, &err);
        return;
    }
    serving->waiting = true;
    TAILQ_INSERT_TAIL(&runner->servings, serving, link);
    if (header->kind == LAT_STREAM_LOGS) {
        /* Which container it has now is the engine's to say: what the runner knows of it may be a container old. */
        struct lat_driver_log log = {.container = header->container,
                                     .follow = header->follow,
                                     .tail = header->tail,
                                     .timestamps = header->timestamps,
                                     .since = header->since};

        driver->class->logs(driver, header->allocation, &log, log_opened, serving);
    } else {
        driver->class->stats(driver, header->allocation, false, stats_read, serving);
    }
}

void lat__serving_free_all(struct lat_runner *runner)
{
    struct lat__serving *serving;

    while ((serving = TAILQ_FIRST(&runner->servings))) {
        LAT_ASSERT(!serving->stream); /* the link is closed before the driver is freed */
        TAILQ_REMOVE(&runner->servings, serving, link);
        free(serving);
    }
}
