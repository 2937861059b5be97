/* The only source of time. A clock is passed in, so that a whole system can run in simulated
 * time. */
#ifndef LAT_BASE_CLOCK_H
#define LAT_BASE_CLOCK_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Behind a clock: the system, the steady clock over it (base/steady.h), or a simulation. */
struct lat_clock {
    int64_t (*wall_ms)(void *arg); /* milliseconds since 1970 UTC; may jump */
    int64_t (*boot_ns)(
        void *arg); /* CLOCK_BOOTTIME: never jumps, counts while the machine sleeps */
    bool (*is_over)(void *arg, int64_t begun_ms, int64_t ends_ms); /* NULL: by the wall time */
    bool is_live; /* its boot time is the machine's: one can sleep until a moment of it */
    void *arg;
};

/* Returns the clock of this machine; lives for ever. Long-running programs go by a steady clock over it. */
const struct lat_clock *lat_clock_system(void);

int64_t lat_clock_wall_ms(const struct lat_clock *clock);
int64_t lat_clock_boot_ms(const struct lat_clock *clock);
int64_t lat_clock_boot_ns(const struct lat_clock *clock);

/* Tells whether what began and ends at these wall times is over. Of a steady clock also when it was over once and the clock
 * was put back since. How long something takes within a process is counted by boot time instead. */
bool lat_clock_is_over(const struct lat_clock *clock, int64_t begun_ms, int64_t ends_ms);

enum { LAT_TIME_SIZE = 25 }; /* "2026-11-21T00:04:22.123Z" and the terminator */

/* Writes a wall time as RFC 3339 in UTC with milliseconds; 0 becomes "". Times outside the years 0
 * to 9999 become the first or last moment of those. */
void lat_time_format(int64_t wall_ms, char ret_text[LAT_TIME_SIZE]);

/* Reads RFC 3339 (any offset; decimals after the third are dropped). A leap second is the second
 * after it. Returns 0 or LAT_E_INVALID. */
int lat_time_parse(const char *text, int64_t *ret_wall_ms) LAT_MUST_USE;

#endif
