/* Text: owned copies, bounded copies, numbers and sizes, base64url, hex. */
#ifndef LAT_BASE_TEXT_H
#define LAT_BASE_TEXT_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Return an owned copy; NULL stays NULL. */
char *lat_text_copy(const char *text);
char *lat_text_copy_n(const char *text, size_t len);

/* Returns an owned formatted string. */
char *lat_text_format(const char *format, ...) LAT_PRINTF(1, 2);

/* Frees *slot and puts an owned copy of text there. */
void lat_text_replace(char **slot, const char *text);

/* Returns the largest length <= max (and <= len) at which text may be cut without splitting a UTF-8
 * character. */
size_t lat_text_cut(const char *text, size_t len, size_t max);

/* Copies at most size - 1 bytes, always terminates, never cuts a UTF-8 character in two. */
void lat_text_bound(char *ret, size_t size, const char *text);

/* Blanks whatever in UTF-8 text a terminal would obey and not show: control characters (lines' ends and C1 included), marks of
 * direction, separators of lines. The length stays. */
void lat_text_clean(char *text);

bool lat_text_equal(const char *a, const char *b); /* NULL equals only NULL */
bool lat_text_starts(const char *text, const char *prefix);
bool lat_text_ends(const char *text, const char *suffix);

/* Compares in time that depends on len alone. */
bool lat_text_same_secret(const void *a, const void *b, size_t len);

/* Tells whether the bytes are well-formed UTF-8 without NUL. */
bool lat_text_is_utf8(const void *bytes, size_t len);

/* The readers below return 0 or LAT_E_INVALID, also when the value does not fit. */

/* Reads a whole decimal number within [min, max]; no sign but '-', no blanks. */
int lat_text_to_int(const char *text, int64_t min, int64_t max, int64_t *ret_value) LAT_MUST_USE;

/* Reads a size in bytes: "1073741824", "128m", "1.5g", "2Ki", "512MB" (k, m, g, t are powers of
 * 1024, as Docker's are, in either case). A fraction needs a unit, has at most six decimals, and is
 * rounded down to whole bytes. */
int lat_text_to_size(const char *text, int64_t *ret_bytes) LAT_MUST_USE;

/* Reads a rate in bits a second: "800000", "100m", "2.5g", "1gbit" (k, m, g, t are powers of 1000, as
 * links are sold), in either case; rounded down to whole bits. */
int lat_text_to_rate(const char *text, int64_t *ret_bps) LAT_MUST_USE;

/* Reads a duration in milliseconds: "250ms", "30s", "5m", "1h", "7d"; a bare number is seconds.
 * At most six decimals, rounded down to whole milliseconds. */
int lat_text_to_duration(const char *text, int64_t *ret_ms) LAT_MUST_USE;

/* Reads processors in thousandths: "0.5" is 500, "2" is 2000; at most three decimals. */
int lat_text_to_cpu(const char *text, int64_t *ret_milli) LAT_MUST_USE;

/* Add the encoded bytes to out; decoding refuses anything that is not what the encoder would have
 * written (LAT_E_INVALID, and out is as it was). */
void lat_text_base64url(struct lat_buf *out, const void *bytes, size_t len); /* no padding */
int lat_text_base64url_decode(struct lat_buf *out, const char *text, size_t len) LAT_MUST_USE;
void lat_text_base64(struct lat_buf *out, const void *bytes, size_t len); /* with padding */
void lat_text_hex(struct lat_buf *out, const void *bytes, size_t len);    /* lower case */
int lat_text_hex_decode(struct lat_buf *out, const char *text, size_t len) LAT_MUST_USE;

/* Returns the candidate nearest to `word`, or NULL: at most a third of its letters inserted, left
 * out, changed or swapped with a neighbour, upper and lower case alike. candidates ends with NULL.
 * For "did you mean". */
const char *lat_text_nearest(const char *word, const char *const *candidates);

#endif
