/* Messages on their way to a link: one buffer and where each ends in it. */
#include "internal.h"

#include <stdlib.h>

void lat__outbox_close_message(struct lat__outbox *out)
{
    if (out->count == out->cap) {
        out->cap = out->cap ? out->cap * 2 : 4;
        out->ends = lat_grow(out->ends, out->cap, sizeof(*out->ends));
    }
    out->ends[out->count++] = out->bytes.len;
}

void lat__outbox_done(struct lat__outbox *out)
{
    if (out->bytes.bytes)
        lat_wipe(out->bytes.bytes, out->bytes.len);
    lat_buf_done(&out->bytes);
    free(out->ends);
    *out = (struct lat__outbox){0};
}
