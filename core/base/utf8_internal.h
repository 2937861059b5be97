/* Inside core/base: UTF-8 a character at a time. */
#ifndef LAT_BASE_UTF8_INTERNAL_H
#define LAT_BASE_UTF8_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

/* Returns the length (1 to 4) of the well-formed character at `at`, of which `left` (> 0) bytes are
 * there; 0 when there is none, or when it is NUL. */
size_t lat__utf8_len(const uint8_t *at, size_t left);

#endif
