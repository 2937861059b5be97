/* Stream 1: messages, each a length of four bytes and one JSON object.
 *
 * A message is collected whole and then delivered; while the owner holds messages back, at most one frame's worth of further
 * ones is kept here, and the stream's window keeps the rest with the other side. Runs on the link's loop. */
#include "internal.h"

enum { LENGTH_SIZE = 4 };

/* Takes the next whole message off the queue. Returns false when there is none, or when the link has been ended for it. */
static bool next_message(struct lat_link *link, cJSON **ret_message)
{
    size_t have = lat__queue_len(&link->message);
    if (have < LENGTH_SIZE)
        return false;
    const uint8_t *front = lat__queue_front(&link->message);
    size_t len = lat__length_read(front);
    if (len == 0 || len > LAT_LINK_MESSAGE_MAX) {
        lat__link_violation(link, "A message has %zu bytes; at most %d are taken.", len,
                            LAT_LINK_MESSAGE_MAX);
        return false;
    }
    if (have < LENGTH_SIZE + len)
        return false;
    struct lat_err err;
    cJSON *message = NULL;
    if (lat_json_parse((const char *)front + LENGTH_SIZE, len, &message, &err) < 0) {
        lat__link_violation(link, "A message is not JSON: %s", err.sentence);
        return false;
    }
    if (!cJSON_IsObject(message)) {
        cJSON_Delete(message);
        lat__link_violation(link, "A message is not a JSON object.");
        return false;
    }
    lat__queue_take(&link->message, LENGTH_SIZE + len);
    *ret_message = message;
    return true;
}

static void deliver(struct lat_link *link)
{
    cJSON *message;
    while (!link->held && link->state == LAT__LINK_OPEN && next_message(link, &message)) {
        link->events->on_message(link->arg, message);
        cJSON_Delete(message);
    }
}

static void on_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct lat_link *link = arg;
    if (link->state != LAT__LINK_OPEN)
        return;
    lat__queue_add(&link->message, bytes, len);
    deliver(link);
}

static void on_end(void *arg)
{
    struct lat_link *link = arg;
    struct lat_err err;
    lat_err_set(&err, LAT_E_CLOSED, "The other side ended the control stream.");
    lat_link_close(link, &err);
}

static void on_close(void *arg, const struct lat_err *err)
{
    struct lat_link *link = arg;
    if (link->state == LAT__LINK_OPEN)
        lat_link_close(link, err);
}

const struct lat_stream_events lat__control_events = {
    .on_data = on_data, .on_end = on_end, .on_close = on_close};

int lat_link_send(struct lat_link *link, const char *json, size_t len, struct lat_err *err)
{
    LAT_CHECK_MAGIC(link, LAT__LINK_MAGIC);
    if (len > LAT_LINK_MESSAGE_MAX)
        return lat_err_set(err, LAT_E_TOO_LARGE,
                           "A message has at most %d bytes; this one has %zu.",
                           LAT_LINK_MESSAGE_MAX, len);
    if (link->state != LAT__LINK_OPEN || !link->control)
        return lat_err_set(err, LAT_E_CLOSED, "The link is closed.");
    struct lat_stream *control = &link->control->base;
    if (lat_stream_pending(control) + LENGTH_SIZE + len > LAT_LINK_CONTROL_QUEUED_MAX)
        return lat_err_set(err, LAT_E_BUSY,
                           "More than %d MB of messages wait for the other side to read.",
                           LAT_LINK_CONTROL_QUEUED_MAX / (1024 * 1024));
    uint8_t length[LENGTH_SIZE];
    lat__length_write(length, len);
    lat_stream_write(control, length, sizeof(length));
    lat_stream_write(control, json, len);
    return 0;
}

void lat_link_pause(struct lat_link *link)
{
    LAT_CHECK_MAGIC(link, LAT__LINK_MAGIC);
    link->held = true;
    if (link->control)
        lat_stream_pause(&link->control->base);
}

static void deliver_later(void *arg)
{
    struct lat_link *link = arg;
    link->delivering = false;
    deliver(link);
    lat__link_forget(link);
}

void lat_link_resume(struct lat_link *link)
{
    LAT_CHECK_MAGIC(link, LAT__LINK_MAGIC);
    if (!link->held)
        return;
    link->held = false;
    if (link->control)
        lat_stream_resume(&link->control->base);
    if (lat__queue_len(&link->message) && !link->delivering) {
        link->delivering = true;
        link->objects++;
        lat_loop_defer(link->loop, deliver_later, link);
    }
}
