/* Growing bytes: the capacity doubles, so that adding n bytes costs O(n) however small the pieces
 * are. */
#include "base/buf.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_FIRST = 64 };

void lat_buf_done(struct lat_buf *buf)
{
    free(buf->bytes);
    *buf = (struct lat_buf){0};
}

void lat_buf_clear(struct lat_buf *buf)
{
    buf->len = 0;
}

/* Apart from lat_buf_reserve(), which is small enough then to be a part of what adds. */
static void grow(struct lat_buf *buf, size_t more)
{
    size_t needed;
    LAT_ASSERT(!__builtin_add_overflow(buf->len, more, &needed) && needed <= SIZE_MAX / 2);
    size_t cap = buf->cap > 0 ? buf->cap : CAPACITY_FIRST;
    while (cap < needed) {
        cap *= 2;
    }
    buf->bytes = lat_grow(buf->bytes, cap, 1);
    buf->cap = cap;
}

uint8_t *lat_buf_reserve(struct lat_buf *buf, size_t more)
{
    if (buf->bytes == NULL || more > buf->cap - buf->len) {
        grow(buf, more);
    }
    return buf->bytes + buf->len;
}

void lat_buf_add(struct lat_buf *buf, const void *bytes, size_t len)
{
    if (len > 0) {
        memcpy(lat_buf_reserve(buf, len), bytes, len);
        buf->len += len;
    }
}

void lat_buf_add_text(struct lat_buf *buf, const char *text)
{
    lat_buf_add(buf, text, strlen(text));
}

void lat_buf_add_byte(struct lat_buf *buf, uint8_t byte)
{
    *lat_buf_reserve(buf, 1) = byte;
    buf->len++;
}

void lat_buf_addf(struct lat_buf *buf, const char *format, ...)
{
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    /* Most pieces fit into what is there; the second round is for those that do not. */
    char *at = (char *)lat_buf_reserve(buf, 1);
    size_t room = buf->cap - buf->len;
    int len = vsnprintf(at, room, format, args);
    LAT_ASSERT(len >= 0);
    if ((size_t)len >= room) {
        at = (char *)lat_buf_reserve(buf, (size_t)len + 1);
        len = vsnprintf(at, (size_t)len + 1, format, again);
        LAT_ASSERT(len >= 0);
    }
    buf->len += (size_t)len;
    va_end(again);
    va_end(args);
}

void lat_buf_consume(struct lat_buf *buf, size_t len)
{
    if (len >= buf->len) {
        buf->len = 0;
        return;
    }
    if (len > 0) {
        memmove(buf->bytes, buf->bytes + len, buf->len - len);
        buf->len -= len;
    }
}

const char *lat_buf_text(struct lat_buf *buf)
{
    *lat_buf_reserve(buf, 1) = '\0';
    return (const char *)buf->bytes;
}

char *lat_buf_take_text(struct lat_buf *buf)
{
    *lat_buf_reserve(buf, 1) = '\0';
    char *text = (char *)buf->bytes;
    *buf = (struct lat_buf){0};
    return text;
}
