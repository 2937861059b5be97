/* Inside of core/sched: instances that are being placed, one after the other. */
#ifndef LAT_SCHED_PLACE_INTERNAL_H
#define LAT_SCHED_PLACE_INTERNAL_H

#include "sched/plan_internal.h"

/* Rows that affinity and spread cannot tell apart. */
struct lat__group {
    size_t first, rows;    /* its rows: a part of placing.rows, and of the heap */
    size_t candidates;     /* the first of them in the heap */
    const size_t *domains; /* of all its rows, by key */
    int64_t points;        /* of affinity and spread, beside those of each row */
    bool is_open;
    bool is_judged; /* its rows were */
    bool is_taken;  /* an instance was placed on its first candidate, which was not judged since */
    bool
        is_due; /* its first candidate, or if it was not judged yet all its rows, are to be judged before the next choice */
};

struct lat__placing {
    struct lat_plan *plan; /* borrowed */
    size_t most;           /* instances */
    bool moves;            /* where instances stand means something to other rows */
    bool
        is_ranked; /* nothing does, and a program judges: candidates are put in order, which is a heap, too */
    size_t row_count;
    size_t offset; /* of the row that comes first among equals */
    size_t home;   /* row that is taken before all others; SIZE_MAX: none */
    size_t key_count;
    uint32_t *rows;  /* all, group by group; NULL where nothing moves: then there is one group */
    size_t *domains; /* by row and key */
    struct lat__group *groups;
    size_t group_count;
    const struct lat_decision
        *answer; /* of a policy elsewhere, about rows that are due; borrowed */
};

/* Returns owned placing of at most so many instances of a plan, all rows of which were judged and told of. */
struct lat__placing *lat__placing_new(struct lat_plan *plan, size_t most);
struct lat__placing *lat__placing_free(struct lat__placing *placing); /* takes NULL, returns NULL */

/* Places the next instance where it is best. Returns whether there may be another: then what is due is to be judged first. */
bool lat__placing_take(struct lat__placing *placing);

/* Judges what is due: by the program, or by the answer about the rows of planner->one. LAT_E_POLICY when the program fails. */
int lat__placing_judge(struct lat__placing *placing, struct lat_err *err) LAT_MUST_USE;

/* ---- batch.c ---- */

/* Places all instances of a ranked placing, as one by one, but more at once. LAT_E_POLICY when the program fails. */
int lat__place_in_batches(struct lat__placing *placing, struct lat_err *err) LAT_MUST_USE;

#endif
