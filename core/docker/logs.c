/* A container's log as a stream.
 *
 *     engine ──frames──► call ──text──► on_data of whoever has the stream
 *
 * The stream is a kind of its own rather than a pair in memory, because back-pressure and the end go straight
 * through: pausing it pauses the connection to the engine, closing it cancels the call, and a reader that ends
 * its own side (it has nothing to say here) does not end the log.
 *
 * `call` is NULL once the log is over or broken off. The stream may outlive the client. Runs on the loop's thread. */
#include "docker/internal.h"

#include "base/mem.h"
#include "http/client.h"
#include "http/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct log {
    struct lat_stream base;
    struct lat_docker_call *call;
    struct lat__frames frames;
    lat_docker_logs_fn *fn;
    void *arg;
    bool begun;          /* fn has the stream */
    struct lat_err *err; /* owned; what on_close gets */
};

static struct log *log_of(const struct lat_stream *stream)
{
    return LAT_CONTAINER(stream, struct log, base);
}

/* ---- the stream ---- */

static void log_resume(struct lat_stream *stream)
{
    struct log *log = log_of(stream);

    if (log->call != NULL) {
        lat__call_resume(log->call);
    }
}

static void log_pause(struct lat_stream *stream)
{
    struct log *log = log_of(stream);

    if (log->call != NULL) {
        lat__call_pause(log->call);
    }
}

static void log_write(struct lat_stream *stream, const void *bytes, size_t len)
{
    (void)stream;
    (void)bytes;
    (void)len;
}

static size_t log_pending(const struct lat_stream *stream)
{
    (void)stream;
    return 0;
}

static void log_end(struct lat_stream *stream)
{
    if (log_of(stream)->call == NULL) {
        lat_stream_close(stream);
    }
}

static void log_destroy(void *arg)
{
    struct log *log = arg;
    struct lat_err none = {.code = LAT_OK};

    if (log->base.events != NULL) {
        log->base.events->on_close(log->base.arg, log->err != NULL ? log->err : &none);
    }
    log->base.magic = 0;
    free(log->err);
    free(log);
}

static void log_close(struct lat_stream *stream, const struct lat_err *err)
{
    struct log *log = log_of(stream);

    if (err != NULL) {
        log->err = LAT_NEW(struct lat_err);
        *log->err = *err;
    }
    if (log->call != NULL) {
        lat_docker_cancel(log->call);
    }
    lat_loop_defer(stream->loop, log_destroy, log);
}

static void log_peer(const struct lat_stream *stream, char *ret_text, size_t size)
{
    (void)stream;
    snprintf(ret_text, size, "docker");
}

static const struct lat_stream_class log_class = {
    .name = "log",
    .resume = log_resume,
    .pause = log_pause,
    .write = log_write,
    .pending = log_pending,
    .end = log_end,
    .close = log_close,
    .peer = log_peer,
};

/* ---- the call ---- */

static void on_begin(void *arg)
{
    struct log *log = arg;

    log->begun = true;
    lat__call_pause(log->call);
    log->fn(log->arg, &log->base, NULL);
}

static void on_bytes(void *arg, const uint8_t *bytes, size_t len)
{
    struct log *log = arg;
    struct lat_buf text = {0};
    struct lat_err err;

    if (lat__frames_read(&log->frames, bytes, len, &text, &err) != 0) {
        lat_stream_abort(&log->base, &err);
    } else if (text.len > 0) {
        log->base.events->on_data(log->base.arg, text.bytes, text.len);
    }
    lat_buf_done(&text);
}

static void on_end(void *arg, const struct lat_err *err)
{
    struct log *log = arg;

    log->call = NULL;
    if (!log->begun) {
        log->fn(log->arg, NULL, err);
        free(log);
    } else if (err != NULL) {
        lat_stream_abort(&log->base, err);
    } else if (log->base.ended || log->base.events == NULL || log->base.events->on_end == NULL) {
        lat_stream_close(&log->base);
    } else {
        log->base.events->on_end(log->base.arg);
    }
}

static void on_drop(void *arg)
{
    struct log *log = arg;
    struct lat_err err;

    log->call = NULL;
    if (!log->begun) {
        free(log);
    } else if (!log->base.closed) {
        lat_err_set(&err, LAT_E_CANCELLED, NULL);
        lat_stream_abort(&log->base, &err);
    }
}

static const struct lat__sink log_sink = {
    .on_begin = on_begin,
    .on_bytes = on_bytes,
    .on_end = on_end,
    .on_drop = on_drop,
};

void lat_docker_logs(struct lat_docker *docker, const char *container,
                     const struct lat_docker_log *wanted, lat_docker_logs_fn *fn, void *arg)
{
    struct log *log = LAT_NEW(struct log);
    struct lat_buf path = {0};

    lat_stream_init(&log->base, &log_class, lat__docker_loop(docker));
    log->fn = fn;
    log->arg = arg;
    lat_docker_path(&path, "/containers/", container, "/logs?stdout=1&stderr=1");
    lat_buf_addf(&path, "&follow=%d&timestamps=%d", wanted->follow, wanted->timestamps);
    if (wanted->tail >= 0) {
        lat_buf_addf(&path, "&tail=%" PRId64, wanted->tail);
    }
    if (wanted->since != NULL && *wanted->since) {
        lat_buf_add_text(&path, "&since=");
        lat_http_url_encode(&path, wanted->since);
    }
    struct lat_docker_request request = {
        .method = LAT_HTTP_GET,
        .path = lat_buf_text(&path),
        .slow = true,
    };

    log->call = lat__call_start(
        docker, &request, wanted->follow ? LAT_HTTP_NO_LIMIT : LAT_DOCKER_REPLY_MS, &log_sink, log);
    lat_buf_done(&path);
}
