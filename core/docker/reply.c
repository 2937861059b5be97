/* What comes back as JSON: one reply, or a stream of objects.
 *
 * The engine is trusted to be the engine, not to be in order: its answers are read strictly and within limits, and
 * what cannot be read fails the one call that it answers. Runs on the loop's thread. */
#include "docker/internal.h"

#include "base/mem.h"
#include "http/client.h"

#include <stdlib.h>
#include <string.h>

static int too_large(struct lat_err *err, int max)
{
    return lat_err_set(err, LAT_E_PROTOCOL, "The Docker Engine's answer is larger than %d MB.",
                       max >> 20);
}

static int read_json(const char *text, size_t len, cJSON **ret_json, struct lat_err *err)
{
    struct lat_err wrong;

    if (lat_json_parse_rounding(text, len, ret_json, &wrong) == 0) {
        return 0;
    }
    lat_err_set(&wrong, LAT_E_PROTOCOL, "%s", wrong.sentence);
    return lat__broken(err, &wrong);
}

/* ---- one reply ---- */

struct reply {
    lat_docker_reply_fn *fn;
    lat_call_fn *drop;
    void *arg;
    struct lat_buf body;
    bool overflown;
};

static void reply_free(struct reply *reply)
{
    lat_buf_done(&reply->body);
    free(reply);
}

static void on_reply_bytes(void *arg, const uint8_t *bytes, size_t len)
{
    struct reply *reply = arg;

    if (len > LAT_DOCKER_REPLY_BYTES_MAX - reply->body.len) {
        reply->overflown = true;
    }
    if (!reply->overflown) {
        lat_buf_add(&reply->body, bytes, len);
    }
}

static bool is_blank(const struct lat_buf *body)
{
    for (size_t i = 0; i < body->len; i++) {
        if (body->bytes[i] != '\n' && body->bytes[i] != ' ') {
            return false;
        }
    }
    return true;
}

static void on_reply_end(void *arg, const struct lat_err *cause)
{
    static const cJSON nothing = {.type = cJSON_NULL};
    struct reply *reply = arg;
    struct lat_err err;
    cJSON *json = NULL;

    if (cause == NULL && reply->overflown) {
        too_large(&err, LAT_DOCKER_REPLY_BYTES_MAX);
        cause = &err;
    }
    if (cause == NULL && !is_blank(&reply->body) &&
        read_json(lat_buf_text(&reply->body), reply->body.len, &json, &err) != 0) {
        cause = &err;
    }
    if (cause != NULL) {
        reply->fn(reply->arg, NULL, cause);
    } else {
        reply->fn(reply->arg, json != NULL ? json : &nothing, NULL);
    }
    cJSON_Delete(json);
    reply_free(reply);
}

static void on_reply_drop(void *arg)
{
    struct reply *reply = arg;

    if (reply->drop != NULL) {
        reply->drop(reply->arg);
    }
    reply_free(reply);
}

static const struct lat__sink reply_sink = {
    .on_bytes = on_reply_bytes,
    .on_end = on_reply_end,
    .on_drop = on_reply_drop,
};

struct lat_docker_call *lat__reply(struct lat_docker *docker,
                                   const struct lat_docker_request *request,
                                   lat_docker_reply_fn *fn, lat_call_fn *drop, void *arg)
{
    struct reply *reply = LAT_NEW(struct reply);

    reply->fn = fn;
    reply->drop = drop;
    reply->arg = arg;
    return lat__call_start(docker, request, LAT_DOCKER_REPLY_MS, &reply_sink, reply);
}

struct lat_docker_call *lat_docker_call(struct lat_docker *docker,
                                        const struct lat_docker_request *request,
                                        lat_docker_reply_fn *fn, void *arg)
{
    return lat__reply(docker, request, fn, NULL, arg);
}

/* ---- one object after the other ---- */

struct follow {
    struct lat_docker_call *call;
    struct lat__reader reader;
    void *arg;
    struct lat_buf line; /* what has come of an object */
    bool reading;        /* each() may be running */
    bool dropped;        /* ... and has ended the call */
};

static void follow_free(struct follow *follow)
{
    lat_buf_done(&follow->line);
    free(follow);
}

/* Ends it from within: an object cannot be read. */
static void follow_fail(struct follow *follow, const struct lat_err *err)
{
    lat_docker_done_fn *done = follow->reader.done;
    void *arg = follow->arg;

    follow->reader.drop = NULL; /* done() comes instead */
    lat_docker_cancel(follow->call);
    done(arg, err);
}

/* Hands on the object in `line`, if there is one. */
static int read_line(struct follow *follow, struct lat_err *err)
{
    cJSON *object = NULL;

    if (!is_blank(&follow->line)) {
        int rc = read_json(lat_buf_text(&follow->line), follow->line.len, &object, err);

        if (rc != 0) {
            return rc;
        }
        follow->reader.each(follow->arg, object);
        cJSON_Delete(object);
    }
    lat_buf_clear(&follow->line);
    return 0;
}

static int read_lines(struct follow *follow, const uint8_t *bytes, size_t len, struct lat_err *err)
{
    while (len > 0 && !follow->dropped) {
        const uint8_t *end = memchr(bytes, '\n', len);
        size_t some = end != NULL ? (size_t)(end - bytes) + 1 : len;

        if (some > LAT_DOCKER_LINE_BYTES_MAX - follow->line.len) {
            return too_large(err, LAT_DOCKER_LINE_BYTES_MAX);
        }
        lat_buf_add(&follow->line, bytes, some);
        bytes += some;
        len -= some;
        int rc = end != NULL ? read_line(follow, err) : 0;

        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static void on_follow_begin(void *arg)
{
    struct follow *follow = arg;

    if (follow->reader.begun != NULL) {
        follow->reader.begun(follow->arg, NULL);
    }
}

static void on_follow_bytes(void *arg, const uint8_t *bytes, size_t len)
{
    struct follow *follow = arg;
    struct lat_err err;

    follow->reading = true;
    int rc = read_lines(follow, bytes, len, &err);

    follow->reading = false;
    if (follow->dropped) {
        follow_free(follow);
    } else if (rc != 0) {
        follow_fail(follow, &err);
    }
}

static void on_follow_end(void *arg, const struct lat_err *cause)
{
    struct follow *follow = arg;

    follow->reader.done(follow->arg, cause);
    follow_free(follow);
}

static void on_follow_drop(void *arg)
{
    struct follow *follow = arg;

    if (follow->reader.drop != NULL) {
        follow->reader.drop(follow->arg);
    }
    if (follow->reading) {
        follow->dropped = true;
    } else {
        follow_free(follow);
    }
}

static const struct lat__sink follow_sink = {
    .on_begin = on_follow_begin,
    .on_bytes = on_follow_bytes,
    .on_end = on_follow_end,
    .on_drop = on_follow_drop,
};

struct lat_docker_call *lat__follow(struct lat_docker *docker,
                                    const struct lat_docker_request *request,
                                    const struct lat__reader *reader, void *arg)
{
    struct follow *follow = LAT_NEW(struct follow);

    follow->reader = *reader;
    follow->arg = arg;
    follow->call = lat__call_start(docker, request, reader->idle_ms, &follow_sink, follow);
    return follow->call;
}

struct lat_docker_call *lat_docker_follow(struct lat_docker *docker,
                                          const struct lat_docker_request *request,
                                          lat_docker_done_fn *begun, lat_docker_object_fn *each,
                                          lat_docker_done_fn *done, void *arg)
{
    struct lat__reader reader = {
        .begun = begun, .each = each, .done = done, .idle_ms = LAT_HTTP_NO_LIMIT};

    return lat__follow(docker, request, &reader, arg);
}
