/* Inside of core/orch: the evaluator's state, for the files that carry a decision on.
 *
 *   evaluate.c: queue, policy ─► begin.c: a plan is made ready ─► choose.c: it places ─► stage.c: what it placed becomes rows
 *                                 (choose.c: of these instances)                   └─► trial.c: or is told, and nothing is written */
#ifndef LAT_ORCH_EVALUATE_INTERNAL_H
#define LAT_ORCH_EVALUATE_INTERNAL_H

#include "orch/orch_internal.h"
#include "orch/trial_internal.h"

struct lat__evaluator {
    struct lat_orch *orch;
    struct lat__fleet *fleet;
    struct lat_planner *planner;
    struct lat_map *queue;       /* ids of workloads, in order of arrival -> lat__evaluator_again */
    struct lat_plan *plan;       /* under way, or NULL */
    struct lat_fit *fit;         /* of its request, or NULL */
    struct lat_program *builtin; /* the placement that is built in; owned */
    size_t wanted;               /* instances that the plan is of */
    int64_t asked_revision;      /* of the policy elsewhere that has answered; 0: none has */
    const struct lat_workload *workload; /* it is about this one, held */
    bool early;                          /* whose row was not durable when it began */
    int64_t from;    /* of its instances with data, those before this one were tried */
    int64_t ordinal; /* the one with data, or that is due, that the plan is of; -1: all others */
    char home[LAT_ID_SIZE]; /* where that one ended; "": it is not due */
    uint64_t *home_rows;    /* a bitmap with that row; owned */
    size_t home_words;
    char project_name[LAT_NAME_MAX + 1];
    int64_t started_ns;
    size_t staged;                   /* instances that wait for the disk */
    TAILQ_HEAD(, lat__trial) trials; /* that wait */
    size_t trial_count;              /* of these */
    struct lat__trial *trial;        /* that the plan is of; NULL: an evaluation */
    bool was_trial;                  /* the last plan was; they take turns with evaluations */
    struct lat_metric *placed, *blocked, *fallbacks, *seconds;
};

/* ---- evaluate.c ---- */

/* Ends the decision under way, whatever came of it. */
void lat__evaluator_finish(struct lat__evaluator *evaluator);

/* Queues a workload; of its instances whose data lives somewhere, those before `from` were just tried. */
void lat__evaluator_again(struct lat__evaluator *evaluator, const char *workload_id, int64_t from);

/* ---- begin.c ---- */

/* Begins the plan of the workload that was taken: the frame as it is now, and where its instances are. */
void lat__evaluator_begin(struct lat__evaluator *evaluator, struct lat_txn *txn);

/* ---- choose.c ---- */

/* Chooses which of the missing instances the next plan is of (evaluator->ordinal, home, wanted): one whose data lives somewhere, which goes
 * there or nowhere; one that is due, which goes home if it can; or all the others. Returns the rows of the nodes where its data is, borrowed
 * until the next plan; NULL for those without. */
const uint64_t *lat__evaluator_choose(struct lat__evaluator *evaluator, struct lat_txn *txn,
                                      size_t *ret_words);

/* What a plan came to. */
struct lat__outcome {
    int64_t ordinals[LAT_PLAN_INSTANCES_MAX]; /* of what was placed, in order of choice */
    size_t missing;                           /* instances, before it placed any */
    size_t placed;
    bool is_open;    /* none was placed, and no word is said yet: those behind are tried first */
    bool is_partial; /* some were placed, others are tried next */
};

/* Returns the instance of an ordinal that is due, or NULL. */
const struct lat_allocation *lat__evaluator_due(struct lat_txn *txn,
                                                const struct lat_workload *workload,
                                                int64_t ordinal);

/* Places those of the instances missing of a workload (NULL: it is gone) that were chosen, as far as they still are missing. LAT_E_POLICY, and
 * the plan is still under way, when its program fails. */
int lat__evaluator_place(struct lat__evaluator *evaluator, struct lat_txn *txn,
                         const struct lat_workload *workload, struct lat__outcome *ret_outcome,
                         struct lat_err *err) LAT_MUST_USE;

/* ---- stage.c ---- */

/* Places what is missing now, and stages that. LAT_E_POLICY as lat__evaluator_place. */
int lat__evaluator_stage(struct lat__evaluator *evaluator, struct lat_err *err) LAT_MUST_USE;

/* ---- trial.c ---- */

/* Takes the next trial, if it is its turn. */
bool lat__evaluator_take_trial(struct lat__evaluator *evaluator, bool may_evaluate);

/* Decides where the rest of a trial's instances would go, as far as one plan says. LAT_E_POLICY as lat__evaluator_place. */
int lat__evaluator_tell(struct lat__evaluator *evaluator, struct lat_err *err) LAT_MUST_USE;

#endif
