/* Inside of core/orch: shared by its reconcilers. */
#ifndef LAT_ORCH_INTERNAL_H
#define LAT_ORCH_INTERNAL_H

#include "base/map.h"
#include "model/spec.h"
#include "model/states.h"
#include "orch/orch.h"

#include <sys/queue.h>

struct lat__evaluator;
struct lat__retention;
struct lat__trial;

struct lat_orch {
    struct lat_orch_options with;
    struct lat_watcher *watcher;
    struct lat_watcher *staged_workloads, *staged_allocations, *staged_nodes, *batches;
    struct lat_map *early; /* ids of workloads whose rows were staged in this turn */
    struct lat_map *dirty; /* ids of workloads to look at when this turn ends */
    struct lat_map *
        waiting; /* ids of workloads that found no node -> name of what has them looked at again, static */
    bool armed;               /* a look at the dirty ones is due */
    struct lat_timer retry;   /* looks again after the store refused a write */
    struct lat_timer opening; /* looks again when the hours of a node's owner begin */
    int64_t opens_ms;         /* when that is, by the wall */
    struct lat__evaluator *evaluator;
    struct lat__retention *retention;
    uint32_t holds; /* callbacks that are still to come */
    bool stopped;   /* lat_orch_free() was called: they do nothing but let go */
};

/* ---- orch.c ---- */

/* Has a workload looked at when this turn ends. */
void lat__orch_mark(struct lat_orch *orch, const char *workload_id);

/* Has it looked at a little later: after a write that failed. */
void lat__orch_mark_later(struct lat_orch *orch, const char *workload_id);

/* Has all that waits looked at when the hours of a node's owner begin: a wall time; 0: none are known to. */
void lat__orch_await_opening(struct lat_orch *orch, int64_t wall_ms);

/* Keep the reconcilers in memory until a callback has come. release returns true when they were stopped
 * meanwhile: the callback then returns at once, for they may be gone. */
void lat__orch_hold(struct lat_orch *orch);
bool lat__orch_release(struct lat_orch *orch);

/* ---- reconcile.c ---- */

/* Writes the next step of one workload, if there is one to take. */
void lat__orch_reconcile(struct lat_orch *orch, const char *workload_id);

/* Counts the instances that a workload lacks, up to `max`, and writes their ordinals, the lowest first (NULL: nowhere). Those that
 * are due lack a place, too. */
size_t lat__orch_missing(struct lat_txn *txn, const struct lat_workload *workload,
                         int64_t *ret_ordinals, size_t max);

/* Tells whether an instance has ended and is to be run again: it has given back its room, and so is placed anew. Until then it stays as it
 * is. */
bool lat__orch_is_due(const struct lat_workload *workload, const struct lat_allocation *allocation);

/* Writes what a workload asks of an instance into its row (being edited): what it is to run, and what that reserves. */
void lat__orch_order(const struct lat_workload *workload, struct lat_allocation *edited);

/* ---- status.c ---- */

/* What a workload's allocations add up to. */
struct lat__outlook {
    enum lat_workload_state status;
    char reason[LAT_ERR_SENTENCE_MAX];
};

/* Works out the status of a workload from the latest rows that txn sees. */
void lat__orch_outlook(struct lat_txn *txn, const struct lat_workload *workload,
                       struct lat__outlook *ret_outlook);

/* ---- evaluate.c ---- */

struct lat__evaluator *lat__evaluator_new(struct lat_orch *orch);
struct lat__evaluator *lat__evaluator_free(struct lat__evaluator *evaluator);

/* Queues a workload for the placement of what it still lacks when its turn comes; one that is queued already stays where it is. A decision that began before the workload's row was durable is not asked for again when it is,
 * unless there is a newer row by then. */
void lat__evaluator_queue(struct lat__evaluator *evaluator, const char *workload_id);

/* Tells it that what decisions are made from has changed: one under way does not stand for one that is asked for now. */
void lat__evaluator_unsettle(struct lat__evaluator *evaluator);

/* Evaluates what is queued, as far as that goes without waiting. */
void lat__evaluator_run(struct lat__evaluator *evaluator);

/* Brings its frame up to date, if no plan is under way, so that what has happened need not be remembered. */
void lat__evaluator_settle(struct lat__evaluator *evaluator);

/* Returns its picture of the nodes, which has to be told what happens; borrowed. */
struct lat__fleet *lat__evaluator_fleet(struct lat__evaluator *evaluator);

/* ---- trial.c ---- */

/* Takes a trial, which is decided in its turn; BUSY when too many wait already. */
void lat__evaluator_try(struct lat__evaluator *evaluator, struct lat__trial *trial);

/* Ends all trials: CANCELLED. */
void lat__evaluator_cancel_trials(struct lat__evaluator *evaluator);

/* ---- retention.c ---- */

struct lat__retention *lat__retention_new(struct lat_orch *orch);

/* Counts an evaluation that has become durable (before NULL) or is gone (after NULL). */
void lat__retention_changed(struct lat__retention *retention, const struct lat_evaluation *before,
                            const struct lat_evaluation *after);

/* Begins no sweep any more; freed when nothing of it is with the disk. */
void lat__retention_stop(struct lat__retention *retention);
struct lat__retention *lat__retention_free(struct lat__retention *retention);

#endif
