/* How a stream is opened: the opener sends a header, the other side a reply, each a length of four bytes and one JSON
 * object. The opener may write behind its header at once; what it wrote waits until the stream is accepted.
 *
 * The other side takes LAT_LINK_BACKLOG_MAX openings without an answer and resets further ones; so we announce no more than that
 * at a time, and the rest in turn.
 *
 *   reply: {"ok":true}, or the error {"code", "sentence", "hint"} followed by the stream's end
 *
 * Runs on the link's loop. */
#include "internal.h"

#include <string.h>

void lat__length_write(uint8_t ret_bytes[4], size_t len)
{
    for (int i = 0; i < 4; i++)
        ret_bytes[i] = (uint8_t)(len >> (24 - 8 * i));
}

size_t lat__length_read(const uint8_t bytes[4])
{
    return (size_t)bytes[0] << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
}

static void write_preface(struct lat__stream *stream, const char *json, size_t len)
{
    uint8_t length[4];
    lat__length_write(length, len);
    lat__queue_add(&stream->out, length, sizeof(length));
    lat__queue_add(&stream->out, json, len);
    lat__stream_ready(stream);
}

/* ---- the opener ---- */

static void announce_more(struct lat_link *link)
{
    while (link->unannounced && link->asked < LAT_LINK_BACKLOG_MAX &&
           link->state == LAT__LINK_OPEN) {
        struct lat__stream *stream = link->unannounced;
        DL_DELETE(link->unannounced, stream);
        stream->announced = true;
        link->asked++;
        lat__link_urgent(link, LAT__WINDOW, LAT__SYN, stream->id, 0);
        lat__stream_ready(stream);
    }
}

void lat__opening_settled(struct lat__stream *stream)
{
    struct lat_link *link = stream->link;
    if (stream->announced)
        link->asked--;
    else
        DL_DELETE(link->unannounced, stream);
    announce_more(link);
}

int lat_link_open(struct lat_link *link, const char *header, size_t len, lat_link_reply_fn *fn,
                  void *arg, struct lat_stream **ret_stream, struct lat_err *err)
{
    LAT_CHECK_MAGIC(link, LAT__LINK_MAGIC);
    if (link->state != LAT__LINK_OPEN)
        return lat_err_set(err, LAT_E_CLOSED, "The link is closed.");
    if (len > LAT_LINK_HEADER_MAX)
        return lat_err_set(err, LAT_E_TOO_LARGE, "The header of a stream has at most %d bytes.",
                           LAT_LINK_HEADER_MAX);
    if (HASH_COUNT(link->streams) > LAT_LINK_STREAMS_MAX)
        return lat_err_set(err, LAT_E_LIMIT, "A link carries at most %d streams at once.",
                           LAT_LINK_STREAMS_MAX);
    if (link->next_id > UINT32_MAX - 2)
        return lat_err_set(err, LAT_E_LIMIT, "The link has used up the numbers of its streams.");
    struct lat__stream *stream = lat__stream_new(link, link->next_id, LAT__PHASE_REPLY);
    link->next_id += 2;
    stream->reply = fn;
    stream->reply_arg = arg;
    write_preface(stream, header, len);
    DL_APPEND(link->unannounced, stream);
    announce_more(link);
    *ret_stream = &stream->base;
    return 0;
}

static void read_reply(struct lat__stream *stream, const cJSON *json)
{
    lat_link_reply_fn *reply = stream->reply;
    stream->reply = NULL;
    if (lat_json_bool(json, "ok", false)) {
        lat__stream_open(stream);
        lat__opening_settled(stream);
        if (reply)
            reply(stream->reply_arg, NULL);
        return;
    }
    struct lat_err err;
    int code = lat_error_from_name(lat_json_text(json, "code", ""));
    lat_err_set(&err, code, "%s",
                lat_json_text(json, "sentence", "The other side refused the stream."));
    const char *hint = lat_json_text(json, "hint", NULL);
    if (hint)
        lat_err_hint(&err, "%s", hint);
    if (reply)
        reply(stream->reply_arg, &err);
    lat_stream_abort(&stream->base, &err);
}

/* ---- the other side ---- */

static void read_header(struct lat__stream *stream, const cJSON *json)
{
    struct lat_link *link = stream->link;
    if (!link->events->on_open) {
        lat_stream_close(&stream->base);
        return;
    }
    stream->phase = LAT__PHASE_OPENING;
    link->events->on_open(link->arg, &stream->base, json);
    LAT_ASSERT(stream->base.events || stream->base.closed);
}

void lat_link_accept(struct lat_stream *base)
{
    struct lat__stream *stream = LAT_CONTAINER(base, struct lat__stream, base);
    LAT_CHECK_MAGIC(base, LAT_STREAM_MAGIC);
    if (base->closed)
        return;
    LAT_ASSERT(stream->phase == LAT__PHASE_OPENING);
    static const char yes[] = "{\"ok\":true}";
    stream->link->backlog--;
    lat__stream_open(stream);
    write_preface(stream, yes, sizeof(yes) - 1);
}

void lat_link_refuse(struct lat_stream *base, const struct lat_err *why)
{
    struct lat__stream *stream = LAT_CONTAINER(base, struct lat__stream, base);
    LAT_CHECK_MAGIC(base, LAT_STREAM_MAGIC);
    if (base->closed)
        return;
    LAT_ASSERT(stream->phase == LAT__PHASE_OPENING);
    struct lat_buf json = {0};
    struct lat_json_writer writer;
    lat_json_writer_init(&writer, &json);
    lat_json_object(&writer, NULL);
    lat_json_add_text(&writer, "code", lat_error_row(why->code)->name);
    lat_json_add_text(&writer, "sentence", why->sentence);
    lat_json_add_text(&writer, "hint", why->hint);
    lat_json_end(&writer, '}');
    /* Nothing was sent on this stream yet, so the reply fits its window; it goes in front of the reset that closing sends. */
    uint8_t length[4];
    lat__length_write(length, json.len);
    lat__link_urgent(stream->link, LAT__DATA, LAT__FIN, stream->id,
                     (uint32_t)(json.len + sizeof(length)));
    lat_buf_add(&stream->link->urgent, length, sizeof(length));
    lat_buf_add(&stream->link->urgent, json.bytes, json.len);
    lat_buf_done(&json);
    stream->fin_sent = true;
    lat_stream_close(base);
}

/* ---- both ---- */

static void read_preface(struct lat__stream *stream)
{
    cJSON *json = NULL;
    struct lat_err err;
    if (lat_json_parse((const char *)stream->preface.bytes + 4, stream->preface.len - 4, &json,
                       &err) < 0) {
        lat__link_violation(stream->link, "What opens stream %u is not JSON: %s", stream->id,
                            err.sentence);
    } else if (!cJSON_IsObject(json)) {
        lat__link_violation(stream->link, "What opens stream %u is not an object.", stream->id);
    } else {
        lat_buf_done(&stream->preface);
        if (stream->phase == LAT__PHASE_HEADER)
            read_header(stream, json);
        else
            read_reply(stream, json);
    }
    cJSON_Delete(json);
}

size_t lat__opening_take(struct lat__stream *stream, const uint8_t *bytes, size_t len)
{
    size_t used = 0;
    size_t wanted = 4;
    while (used < len) {
        if (stream->preface.len >= 4) {
            size_t length = lat__length_read(stream->preface.bytes);
            if (length == 0 || length > LAT_LINK_HEADER_MAX) {
                lat__link_violation(stream->link,
                                    "What opens stream %u has %zu bytes; at most %d are taken.",
                                    stream->id, length, LAT_LINK_HEADER_MAX);
                return len;
            }
            wanted = 4 + length;
        }
        size_t missing = wanted - stream->preface.len;
        size_t part = len - used < missing ? len - used : missing;
        lat_buf_add(&stream->preface, bytes + used, part);
        used += part;
        if (stream->preface.len == wanted && wanted > 4) {
            read_preface(stream);
            return used;
        }
    }
    return used;
}
