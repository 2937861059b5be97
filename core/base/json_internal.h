/* Inside core/base: pieces of JSON text that the writer and the log share. */
#ifndef LAT_BASE_JSON_INTERNAL_H
#define LAT_BASE_JSON_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

enum {
    LAT__JSON_PIECE_MAX = 6,   /* bytes of one escaped character: \u001f */
    LAT__JSON_NUMBER_SIZE = 32 /* the longest number and its terminator */
};

/* Writes the first character of the `left` (> 0) bytes at `at` as it stands inside quotes: escaped
 * if it must be, U+FFFD for a byte that is not UTF-8. Returns how many bytes it read, and how many
 * it wrote in *ret_len. */
size_t lat__json_escape(const uint8_t *at, size_t left, char ret_piece[LAT__JSON_PIECE_MAX],
                        size_t *ret_len);

/* Writes a finite number with 15 to 17 digits, as few as read back to the same value; returns its
 * length. A whole number of at most 2^53 is written as an integer; a larger one gets a point or an
 * exponent, so that no reader takes it for an exact integer. */
size_t lat__json_real(double value, char ret_text[LAT__JSON_NUMBER_SIZE]);

#endif
