/* A trial: where a workload's instances would go now, found out without placing any. Made by core/orch, asked for by core/api. */
#ifndef LAT_SCHED_TRIAL_H
#define LAT_SCHED_TRIAL_H

#include "base/err.h"

#include <stddef.h>

/* What came of it. All is borrowed for the callback. */
struct lat_trial {
    size_t wanted, placed;    /* instances; none are wanted where all have their place */
    const char *const *nodes; /* id of the node of each that would be placed, in order of choice */
    const char *reason;       /* one sentence; "" where none was wanted */
    const char
        *receipt; /* packed: of the decision that found no node, else of the first one; likewise */
    const char
        *policy; /* who decided: "placement 3", "built-in"; "" when no node was left to judge */
};

/* Comes exactly once. err NULL, or trial NULL and err BUSY or CANCELLED. */
typedef void lat_trial_fn(void *arg, const struct lat_trial *trial, const struct lat_err *err);

#endif
