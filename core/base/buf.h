/* A growable run of bytes. Embed it; {0} is a valid empty buffer. */
#ifndef LAT_BASE_BUF_H
#define LAT_BASE_BUF_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct lat_buf {
    uint8_t *bytes; /* owned; not terminated unless lat_buf_text() was called */
    size_t len;
    size_t cap;
};

/* Frees the bytes and leaves an empty buffer. */
void lat_buf_done(struct lat_buf *buf);

/* Forgets the contents and keeps the memory. */
void lat_buf_clear(struct lat_buf *buf);

/* Makes room for `more` bytes after len and returns where they go; the caller adds to len what it
 * wrote. */
uint8_t *lat_buf_reserve(struct lat_buf *buf, size_t more);

/* Add to the end. What is added may not be a part of buf itself. */
void lat_buf_add(struct lat_buf *buf, const void *bytes, size_t len);
void lat_buf_add_text(struct lat_buf *buf, const char *text);
void lat_buf_add_byte(struct lat_buf *buf, uint8_t byte);
void lat_buf_addf(struct lat_buf *buf, const char *format, ...) LAT_PRINTF(2, 3);

/* Drops the first `len` bytes (at most all). */
void lat_buf_consume(struct lat_buf *buf, size_t len);

/* Returns the contents as a terminated string, borrowed until the next change of buf. */
const char *lat_buf_text(struct lat_buf *buf);

/* Returns the contents as an owned terminated string and leaves buf empty. */
char *lat_buf_take_text(struct lat_buf *buf);

#endif
