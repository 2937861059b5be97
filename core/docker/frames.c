/* Takes apart the frames in which the engine sends stdout and stderr on one connection.
 *
 *     | kind | 0 0 0 | length, 4 bytes, highest first | contents ...
 *
 * Which of the two it was is dropped: whoever reads a log wants the order in which things were written. A head may
 * come in pieces. Pure; any thread. */
#include "docker/internal.h"

#include <string.h>

enum { KIND_MAX = 3 }; /* stdin, stdout, stderr, an error of the engine's */

static int read_head(struct lat__frames *frames, struct lat_err *err)
{
    const uint8_t *head = frames->head;

    if (head[0] > KIND_MAX || head[1] != 0 || head[2] != 0 || head[3] != 0) {
        return lat_err_set(err, LAT_E_PROTOCOL,
                           "The Docker Engine sent output that is not in frames.");
    }
    frames->left =
        (uint32_t)head[4] << 24 | (uint32_t)head[5] << 16 | (uint32_t)head[6] << 8 | head[7];
    frames->head_len = 0;
    return 0;
}

int lat__frames_read(struct lat__frames *frames, const uint8_t *bytes, size_t len,
                     struct lat_buf *out, struct lat_err *err)
{
    while (len > 0) {
        size_t some;

        if (frames->left > 0) {
            some = len < frames->left ? len : frames->left;
            lat_buf_add(out, bytes, some);
            frames->left -= (uint32_t)some;
        } else {
            size_t missing = sizeof(frames->head) - frames->head_len;

            some = len < missing ? len : missing;
            memcpy(frames->head + frames->head_len, bytes, some);
            frames->head_len += some;
            if (frames->head_len == sizeof(frames->head)) {
                int rc = read_head(frames, err);

                if (rc != 0) {
                    return rc;
                }
            }
        }
        bytes += some;
        len -= some;
    }
    return 0;
}
