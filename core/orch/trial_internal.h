/* Inside of core/orch: trials, which the evaluator decides between evaluations. */
#ifndef LAT_ORCH_TRIAL_INTERNAL_H
#define LAT_ORCH_TRIAL_INTERNAL_H

#include "model/tables.h"
#include "orch/fleet_internal.h"
#include "sched/plan.h"
#include "sched/trial.h"

#include <sys/queue.h>

struct lat__trial {
    TAILQ_ENTRY(lat__trial) link;
    struct lat_workload *workload;     /* held */
    struct lat_allocation **instances; /* that would be placed; held rows, which no store knows */
    size_t
        wanted; /* that lack a place: all of a new workload, those that a change brings of one that stands */
    size_t placed;                   /* of these */
    int64_t from;                    /* as lat__evaluator_again */
    char *reason, *receipt, *policy; /* owned; NULL until something was decided */
    lat_trial_fn *fn;                /* NULL once it was called */
    void *arg;
};

/* Returns an owned trial of a workload (taken), and frees one that has ended. */
struct lat__trial *lat__trial_new(struct lat_workload *workload, lat_trial_fn *fn, void *arg);
struct lat__trial *lat__trial_free(struct lat__trial *trial);

/* Tells what came of it, or (err) why nothing did; once. */
void lat__trial_end(struct lat__trial *trial, const struct lat_err *err);

/* Counts in the frame (times 1), or gives back (-1), what the first `count` instances would reserve. While there is no plan. */
void lat__trial_count(const struct lat__trial *trial, size_t count, int64_t times,
                      struct lat_frame *frame);

/* Tells a new plan where instances would stand. */
void lat__trial_stand(const struct lat__trial *trial, struct lat_plan *plan);

#endif
