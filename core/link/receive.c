/* Bytes from the transport into frames, and frames into what they mean. Nothing is collected but the twelve bytes of a
 * header: the data of a frame goes on to its stream in the pieces in which it comes.
 *
 * A frame for a stream that has been closed here is dropped (the other side may not know yet); one for a stream that never
 * was is a violation. Runs on the link's loop. */
#include "internal.h"

static struct lat__stream *find(struct lat_link *link, uint32_t id)
{
    struct lat__stream *stream = NULL;
    HASH_FIND(hh, link->streams, &id, sizeof(id), stream);
    return stream;
}

static bool is_ours(const struct lat_link *link, uint32_t id)
{
    return (id % 2 == 1) == (link->options.role == LAT_LINK_AGENT);
}

/* Tells whether a stream with that id has ever been opened. */
static bool ever_was(const struct lat_link *link, uint32_t id)
{
    return is_ours(link, id) ? id < link->next_id : id <= link->last_remote_id;
}

static void open_control(struct lat_link *link, uint32_t id)
{
    if (id != 1) {
        lat__link_violation(link, "The first stream is %u; it has to be the control stream, 1.",
                            id);
        return;
    }
    link->control = lat__stream_new(link, id, LAT__PHASE_OPEN);
    lat_stream_set_events(&link->control->base, &lat__control_events, link);
    if (!link->held)
        lat_stream_resume(&link->control->base);
}

/* Returns false when the link is over. */
static bool take_syn(struct lat_link *link, const struct lat__frame *frame)
{
    if (is_ours(link, frame->stream) || frame->stream <= link->last_remote_id) {
        lat__link_violation(link, "Stream %u was opened, which is not the other side's next one.",
                            frame->stream);
        return false;
    }
    bool first = link->options.role == LAT_LINK_CONSOLE && link->last_remote_id == 0;
    link->last_remote_id = frame->stream;
    if (link->state != LAT__LINK_OPEN)
        return true; /* our go-away is on its way */
    if (first) {
        open_control(link, frame->stream);
        if (link->state != LAT__LINK_OPEN)
            return false;
    } else if (link->backlog >= LAT_LINK_BACKLOG_MAX ||
               HASH_COUNT(link->streams) > LAT_LINK_STREAMS_MAX) {
        lat__link_urgent(link, LAT__WINDOW, LAT__RST, frame->stream, 0);
        return true;
    } else {
        (void)lat__stream_new(link, frame->stream, LAT__PHASE_HEADER);
    }
    lat__link_urgent(link, LAT__WINDOW, LAT__ACK, frame->stream, 0);
    return true;
}

/* What the flags say once the data of a frame has come. */
static void take_flags(struct lat_link *link, const struct lat__frame *frame)
{
    struct lat__stream *stream = find(link, frame->stream);
    if (!stream)
        return;
    if (frame->flags & LAT__RST)
        lat__stream_take_reset(stream);
    else if (frame->flags & LAT__FIN)
        lat__stream_take_end(stream);
}

static void take_stream_frame(struct lat_link *link, const struct lat__frame *frame)
{
    if ((frame->flags & LAT__SYN) && !take_syn(link, frame))
        return;
    if (!ever_was(link, frame->stream)) {
        lat__link_violation(link, "A frame is for stream %u, which was never opened.",
                            frame->stream);
        return;
    }
    struct lat__stream *stream = find(link, frame->stream);
    bool data = frame->type == LAT__DATA;
    if (stream && stream->fin_received && ((data && frame->length) || (frame->flags & LAT__FIN))) {
        lat__link_violation(link, "Stream %u goes on after its end.", frame->stream);
        return;
    }
    if (stream && data && frame->length > stream->receive_window) {
        lat__link_violation(link,
                            "A frame of %u bytes is for stream %u, whose window is %lld bytes.",
                            frame->length, frame->stream, (long long)stream->receive_window);
        return;
    }
    if (stream && !data && !lat__stream_granted(stream, frame->length)) {
        lat__link_violation(link, "The window of stream %u exceeds 4 GB.", frame->stream);
        return;
    }
    if (stream && data)
        stream->receive_window -= frame->length;
    link->frame = *frame;
    link->frame_left = data ? frame->length : 0;
    if (link->frame_left == 0)
        take_flags(link, frame);
}

static void take_frame(struct lat_link *link)
{
    struct lat__frame frame;
    struct lat_err err;
    if (lat__frame_read(link->header, &frame, &err) < 0) {
        lat__link_violation(link, "%s", err.sentence);
        return;
    }
    switch ((enum lat__frame_type)frame.type) {
    case LAT__DATA:
    case LAT__WINDOW: take_stream_frame(link, &frame); break;
    case LAT__PING:
        if (frame.flags == LAT__SYN)
            lat__link_urgent(link, LAT__PING, LAT__ACK, 0, frame.length);
        else
            lat__link_pong(link, frame.length);
        break;
    case LAT__GO_AWAY: lat__link_told_to_go(link, frame.length); break;
    }
}

static size_t take_header(struct lat_link *link, const uint8_t *bytes, size_t len)
{
    size_t missing = LAT__FRAME_SIZE - link->header_len;
    size_t part = len < missing ? len : missing;
    memcpy(link->header + link->header_len, bytes, part);
    link->header_len += part;
    if (link->header_len == LAT__FRAME_SIZE) {
        link->header_len = 0;
        take_frame(link);
    }
    return part;
}

static size_t take_data(struct lat_link *link, const uint8_t *bytes, size_t len)
{
    size_t part = len < link->frame_left ? len : link->frame_left;
    link->frame_left -= part;
    struct lat__stream *stream = find(link, link->frame.stream);
    if (stream)
        lat__stream_take(stream, bytes, part);
    if (link->frame_left == 0)
        take_flags(link, &link->frame);
    return part;
}

void lat__receive(struct lat_link *link, const uint8_t *bytes, size_t len)
{
    link->heard = true;
    while (len && link->state <= LAT__LINK_CLOSING) {
        size_t part =
            link->frame_left ? take_data(link, bytes, len) : take_header(link, bytes, len);
        bytes += part;
        len -= part;
    }
}
