/* Inside core/policy: Lua's patterns, read once and matched in bounded time.
 *
 *   "^(%w+)%-r(%d+)$" ──lat__pattern_read──► items, one behind the other ──lat__pattern_find──► first match, captures
 *
 * What is read matches what string.find, match and gsub of Lua 5.4 match in the C locale, to the byte. Left out are
 * back-references (%1) and captures of places (()); a pattern that Lua would raise an error for, on whatever text, is
 * refused. Without back-references it depends on item and place alone whether the rest matches, so what failed once is not
 * tried again: the time grows with the items and with the text's length, not with its powers. */
#ifndef LAT_POLICY_PATTERN_H
#define LAT_POLICY_PATTERN_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LAT__PATTERN_MAX = 128,    /* bytes of one */
    LAT__PATTERN_REPEATS = 16, /* items with * + - ? */
    LAT__PATTERN_CAPTURES = 8,
};

struct lat__pattern;

/* Part of a text: bytes begin to end - 1. */
struct lat__span {
    size_t begin;
    size_t end;
};

/* The whole match, then its captures. */
struct lat__match {
    struct lat__span spans[1 + LAT__PATTERN_CAPTURES];
};

/* Reads a pattern; NULL when it is refused. Owned. */
struct lat__pattern *lat__pattern_read(const char *text);
struct lat__pattern *lat__pattern_free(struct lat__pattern *pattern);

size_t lat__pattern_captures(const struct lat__pattern *pattern);

/* Returns how many items have * + - ?: what a match takes grows with them. */
size_t lat__pattern_repeats(const struct lat__pattern *pattern);

/* Tells whether it begins with ^: then it matches at the beginning of a text alone. */
bool lat__pattern_is_anchored(const struct lat__pattern *pattern);

/* Finds the first match; false when there is none. */
bool lat__pattern_find(const struct lat__pattern *pattern, const char *text, size_t len,
                       struct lat__match *ret_match);

/* Takes a match; false: no more are wanted. */
typedef bool lat__pattern_met(void *arg, const struct lat__match *match);

/* Finds one match after the other, as string.gmatch does; not for a pattern that begins with ^. */
void lat__pattern_each(const struct lat__pattern *pattern, const char *text, size_t len,
                       lat__pattern_met *met, void *arg);

/* Tells whether a replacement names only captures that there are, and Lua would not raise an error for it. */
bool lat__pattern_replaces(const struct lat__pattern *pattern, const char *replacement);

/* Writes the text with every match replaced, as string.gsub does; returns how many. */
int64_t lat__pattern_replace(const struct lat__pattern *pattern, const char *text, size_t len,
                             const char *replacement, struct lat_buf *out);

#endif
