/* Inside of core/sched: a plan's state, for the files that make it and tell of it. */
#ifndef LAT_SCHED_PLAN_INTERNAL_H
#define LAT_SCHED_PLAN_INTERNAL_H

#include "sched/candidates_internal.h"
#include "sched/judge_internal.h"
#include "sched/ledger_internal.h"
#include "sched/plan.h"

struct lat_plan {
    struct lat_planner *planner;
    struct lat_request request;
    uint64_t seed;
    char policy[LAT_DECISION_POLICY_MAX];
    struct lat_err fallback; /* code LAT_OK: none */
    struct lat_program
        *program; /* that judged it, held by the judge; NULL: it was judged elsewhere */
    struct lat__judgement found; /* among is NULL until the rules of the machine were applied */
    bool is_kept;
    struct lat_decision
        *decision; /* of a policy elsewhere, about all rows; owned; NULL: it was not asked */
    struct lat__placing *placing; /* by its answers; owned; NULL: it has not begun */
    bool is_asking;               /* about what is due in it */
    uint32_t *placed;             /* rows */
    char **gpus; /* what each of them got of its row's devices; owned; NULL: nothing */
    size_t placed_count;
};

struct lat_planner {
    struct lat_frame *frame; /* borrowed */
    struct lat__judge *judge;
    struct lat__ledger ledger;
    struct lat_plan plan;
    bool is_planning;
    size_t room; /* rows, in whole blocks, that the arrays below have room for */
    /* What is found where a policy elsewhere judges. */
    uint64_t *among; /* what the rules of the machine left */
    uint64_t *pass;  /* what the policy left of it */
    uint64_t *one;   /* the rows that it is asked about again, mostly one */
    struct lat__candidate *heap;
    struct lat__candidate *spare; /* as many as there are instances in a plan */
    uint32_t *placed;
    char **gpus;
};

/* ---- plan.c ---- */

/* Applies the rules of the machine where no program judges. */
void lat__plan_narrow(struct lat_plan *plan);

/* Places an instance on a row: reserves what it needs, ports and devices included. */
void lat__plan_take(struct lat_plan *plan, uint32_t row);

/* Takes back what was placed behind the first `count`. */
void lat__plan_take_back(struct lat_plan *plan, size_t count);

/* Sets has_data of the nodes where the instance's data lives, and (`images`) has_image of those whose engine has the workload's image. */
void lat__plan_mark(struct lat_plan *plan, bool images);

/* ---- told.c, fix.c ---- */

/* Tells of a row that was refused before anything was placed that it is possible now, with its score. */
void lat__plan_regard(struct lat_plan *plan, uint32_t row, double score);

/* Gathers in the ledger what was found of every node; once a plan. */
void lat__plan_gather(struct lat_plan *plan);

/* Adds why a record's nodes were refused, as a sentence without an end. */
void lat__plan_reason(const struct lat_plan *plan, size_t record, struct lat_buf *out);

/* Adds one sentence: what would have an instance placed, of a plan that placed none. Nothing without a node. After gathering. */
void lat__plan_fix(struct lat_plan *plan, struct lat_buf *out);

static inline bool lat__bit(const uint64_t *bits, size_t row)
{
    return bits[row / 64] >> row % 64 & 1;
}

#endif
