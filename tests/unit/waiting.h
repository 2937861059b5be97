/* Waiting in tests, also on a machine that has ten times the work it can do: one patience for everything, and time that passes in pieces. */
#ifndef LAT_TESTS_WAITING_H
#define LAT_TESTS_WAITING_H

#include "io/loop.h"

#include <stdbool.h>
#include <stdint.h>

/* How long anything may take that has to come: only a test that fails waits for so long. */
enum { WAITING_MS = 300000 };

/* Runs the loop for at least so long, and for at least one turn. Where the machine gave us no turn for a while, that costs one of many
 * pieces and not the whole time: what follows within a few turns of the loop, or of a worker beside it, still has them. */
static inline void waiting_run(struct lat_loop *loop, int64_t ms)
{
    static const bool never = false;
    int64_t piece_ms = ms / 100 + (ms > 0 ? 1 : 0);
    int64_t past_ms = 0;

    do {
        (void)lat_loop_run_until(loop, &never, piece_ms);
        past_ms += piece_ms;
    } while (past_ms < ms);
}

#endif
