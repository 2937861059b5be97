/* The header of a frame: version (0), type, flags, stream, length; big-endian. */
#include "internal.h"

static void put32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

void lat__frame_write(const struct lat__frame *frame, struct lat_buf *out)
{
    uint8_t *at = lat_buf_reserve(out, LAT__FRAME_SIZE);
    at[0] = 0;
    at[1] = frame->type;
    at[2] = (uint8_t)(frame->flags >> 8);
    at[3] = (uint8_t)frame->flags;
    put32(at + 4, frame->stream);
    put32(at + 8, frame->length);
    out->len += LAT__FRAME_SIZE;
}

int lat__frame_read(const uint8_t bytes[LAT__FRAME_SIZE], struct lat__frame *ret_frame,
                    struct lat_err *err)
{
    struct lat__frame frame = {
        .type = bytes[1],
        .flags = (uint16_t)(bytes[2] << 8 | bytes[3]),
        .stream = get32(bytes + 4),
        .length = get32(bytes + 8),
    };
    if (bytes[0] != 0)
        return lat_err_set(err, LAT_E_PROTOCOL, "A frame is of version %d; this side speaks 0.",
                           bytes[0]);
    if (frame.type > LAT__GO_AWAY)
        return lat_err_set(err, LAT_E_PROTOCOL, "A frame is of the unknown type %d.", frame.type);
    if (frame.flags & ~(LAT__SYN | LAT__ACK | LAT__FIN | LAT__RST))
        return lat_err_set(err, LAT_E_PROTOCOL, "A frame has unknown flags (%#x).", frame.flags);
    bool of_link = frame.type == LAT__PING || frame.type == LAT__GO_AWAY;
    if (of_link != (frame.stream == 0))
        return lat_err_set(err, LAT_E_PROTOCOL, "A frame of type %d is on stream %u.", frame.type,
                           frame.stream);
    if (frame.type == LAT__PING && frame.flags != LAT__SYN && frame.flags != LAT__ACK)
        return lat_err_set(err, LAT_E_PROTOCOL, "A ping is neither a question nor an answer.");
    if (frame.type == LAT__DATA && frame.length > LAT_LINK_FRAME_TAKEN_MAX)
        return lat_err_set(err, LAT_E_PROTOCOL, "A frame holds %u bytes; at most %d are taken.",
                           frame.length, LAT_LINK_FRAME_TAKEN_MAX);
    *ret_frame = frame;
    return 0;
}
