/* Weekly hours: when a machine's owner lends it, as people write it.
 *
 *   mon-fri 18:00-08:00, sat-sun 00:00-24:00 UTC+01:00
 *
 * Days are mon to sun, one or from one to another, or `daily`; what ends before it begins ends on the next day. What stands behind the
 * last one is the distance to UTC, which is the same all year: hours go by no country's summer time. To the minute. Pure. */
#ifndef LAT_MODEL_HOURS_H
#define LAT_MODEL_HOURS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    LAT_HOURS_TEXT_MAX = 512, /* bytes */
    LAT_HOURS_WEEK = 7 * 24 * 60,
};

struct lat_hours {
    int64_t offset_minutes;                    /* that their owner's clock is ahead of UTC */
    uint64_t open[(LAT_HOURS_WEEK + 63) / 64]; /* by minute of their owner's week, from Monday on */
};

/* Reads them strictly: INVALID_FIELD names the word that is wrong, and the hint shows how they are written. */
int lat_hours_parse(const char *text, struct lat_hours *ret_hours,
                    struct lat_err *err) LAT_MUST_USE;

/* Tells whether a wall time is within them, and when that is so no more: INT64_MAX when it always is, or never. */
bool lat_hours_at(const struct lat_hours *hours, int64_t wall_ms, int64_t *ret_changes_ms);

#endif
