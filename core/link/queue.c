/* Bytes that are added behind and taken in front. What was taken stays in front of the buffer until it is more than
 * what is left; then the rest moves down. So a byte is moved once for each byte taken, at most. */
#include "internal.h"

/* A queue that became empty gives back a buffer larger than this: an idle stream costs little. */
enum { KEEP_MAX = 4096 };

void lat__queue_done(struct lat__queue *queue)
{
    lat_buf_done(&queue->buf);
    queue->taken = 0;
}

size_t lat__queue_len(const struct lat__queue *queue)
{
    return queue->buf.len - queue->taken;
}

const uint8_t *lat__queue_front(const struct lat__queue *queue)
{
    return queue->buf.bytes + queue->taken;
}

void lat__queue_add(struct lat__queue *queue, const void *bytes, size_t len)
{
    lat_buf_add(&queue->buf, bytes, len);
}

void lat__queue_take(struct lat__queue *queue, size_t len)
{
    LAT_ASSERT(len <= lat__queue_len(queue));
    queue->taken += len;
    if (queue->taken == queue->buf.len) {
        queue->taken = 0;
        lat_buf_clear(&queue->buf);
        if (queue->buf.cap > KEEP_MAX)
            lat_buf_done(&queue->buf);
    } else if (queue->taken > queue->buf.len / 2) {
        lat_buf_consume(&queue->buf, queue->taken);
        queue->taken = 0;
    }
}
