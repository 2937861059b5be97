/* The steady clock: wall time for what outlives a process (when a token ends, how long an answer is kept), which a
 * jump of the system's clock does not touch.
 *
 *     system's clock   ──────────┐      ┌─────────────      it jumps, and is put right again
 *                                └──────┘
 *     steady clock     ──────────────────────────────      nobody has noticed
 *
 * It is the system's wall time at the start, carried on by the boot-time clock. The rules:
 *
 *   1. A difference of at most LAT_STEADY_NUDGE_MS is followed: forward at once, backward by going at half speed.
 *   2. A larger one is a jump. It is not followed, and nothing expires by it, until it has stood for LAT_STEADY_CONFIRM_MS
 *      of boot time; a clock that is put right before that leaves no trace.
 *   3. Then it is followed in one step. After a step back, what was over is still over, and what began in the time that was
 *      taken back is over too: ask lat_clock_is_over(), never compare an end with the wall time.
 *   4. Across processes of one boot it goes on as if there had been no end: its text (lat_steady_save) holds the boot
 *      time. After another boot it is the system's time, if that is later than the last time seen by at most
 *      LAT_STEADY_ABSENCE_MS (a machine may have been off for long); otherwise the last time seen, and rule 2 decides.
 *   5. It is never before LAT_STEADY_FLOOR_MS: a machine without a battery wakes in 1970.
 *
 * Thread-safe. */
#ifndef LAT_BASE_STEADY_H
#define LAT_BASE_STEADY_H

#include "base/clock.h"

#include <stdbool.h>

struct lat_steady;

enum {
    LAT_STEADY_NUDGE_MS = 60 * 1000,
    LAT_STEADY_CONFIRM_MS = 30 * 60 * 1000,
    LAT_STEADY_AHEAD_MS = 60 * 60 * 1000, /* that the beginning of something may lie ahead: a power
                                             cut took back what was not yet saved */
    LAT_STEADY_TEXT_MAX = 1024,
};

#define LAT_STEADY_ABSENCE_MS (30 * INT64_C(86400000))
#define LAT_STEADY_FLOOR_MS                                                                        \
    INT64_C(1767225600000) /* 2026-01-01: this program did not exist before */

/* Makes a steady clock over `source` (borrowed). boot_id names this boot of the machine ("" when it is not known); saved is what
 * lat_steady_save() gave an earlier process, NULL for none. Text that it did not give counts as none, and *ret_damaged says so. */
struct lat_steady *lat_steady_new(const struct lat_clock *source, const char *boot_id,
                                  const char *saved, bool *ret_damaged);
struct lat_steady *lat_steady_free(struct lat_steady *steady);

/* The clock itself; borrowed. Its boot time is that of the source. */
const struct lat_clock *lat_steady_clock(const struct lat_steady *steady);

/* Writes where it stands, for the next process; owned text of at most LAT_STEADY_TEXT_MAX characters. */
char *lat_steady_save(struct lat_steady *steady);

struct lat_steady_view {
    int64_t gap_ms; /* the system's wall time minus ours, when it has jumped; 0: it has not */
    int64_t
        follow_in_ms;   /* of boot time, until it is followed if it stands; 0: it has not jumped */
    int64_t stepped_ms; /* by how much the last jump that was followed moved this clock */
    int64_t steps;      /* how many were */
};

/* Reads the clock and says what it has seen; it also has to be read now and then to confirm a jump. */
void lat_steady_look(struct lat_steady *steady, struct lat_steady_view *ret_view);

#endif
