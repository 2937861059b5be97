/* What a plan placed becomes rows: ALLOCATION and EVALUATION, in one transaction on top of the workload's row.
 *
 * An instance that has ended and is to run again keeps its row where its node has room; else that is cleared away, and another one put.
 *
 * A plan that is refused because what it rests upon has changed is made anew, from the workload as it is then. Of a workload that waits
 * nothing is written that its newest evaluation says already. Runs on the state loop. */
#include "orch/evaluate_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>

/* A plan that waits for the disk. */
struct staged_plan {
    struct lat__evaluator *evaluator;
    char workload_id[LAT_ID_SIZE];
    size_t instances;
};

/* Has a workload looked at again whose plan was not written. */
static void plan_failed(struct lat__evaluator *evaluator, const char *workload_id,
                        const struct lat_err *err)
{
    if (err->code == LAT_E_CONFLICT) {
        lat__orch_mark(evaluator->orch, workload_id); /* what it read has changed */
    } else {
        lat_log(evaluator->orch->with.log, LAT_LOG_WARN, "a placement could not be written",
                LAT_STR("workload", workload_id), LAT_ERR(err));
        lat__orch_mark_later(evaluator->orch, workload_id);
    }
}

static void plan_committed(void *arg, const struct lat_err *err)
{
    struct staged_plan *staged = arg;
    struct lat__evaluator *evaluator = staged->evaluator;

    if (!lat__orch_release(evaluator->orch)) {
        evaluator->staged -= staged->instances;
        if (err) {
            plan_failed(evaluator, staged->workload_id, err);
        }
        lat__evaluator_run(evaluator);
    }
    free(staged);
}

static void forget_oldest(struct lat_txn *txn, const char *workload_id)
{
    const struct lat_row *row;
    const struct lat_row *oldest = NULL;
    void *cursor = NULL;
    size_t count = 0;

    while ((row = lat_txn_each(txn, LAT_INDEX_EVALUATION_WORKLOAD, workload_id, &cursor))) {
        oldest = oldest ? oldest : row;
        count++;
    }
    if (count > LAT_ORCH_EVALUATIONS_KEPT) {
        lat_txn_remove(txn, LAT_TABLE_EVALUATION, oldest->id);
    }
}

/* Tells whether the newest evaluation already says the same: a workload that waits writes nothing new. */
static bool is_known(struct lat_txn *txn, const char *workload_id, const char *reason)
{
    const struct lat_evaluation *newest = NULL;
    const struct lat_row *row;
    void *cursor = NULL;

    while ((row = lat_txn_each(txn, LAT_INDEX_EVALUATION_WORKLOAD, workload_id, &cursor))) {
        newest = (const struct lat_evaluation *)row;
    }
    return newest && lat_text_equal(newest->status, "blocked") &&
           lat_text_equal(newest->reason, reason);
}

static const char *trigger_of(const struct lat__evaluator *evaluator)
{
    const char *waited_for = lat_map_get(evaluator->orch->waiting, evaluator->workload->row.id);

    return waited_for ? waited_for
                      : lat_trigger_name(evaluator->workload->generation > 1 ||
                                                 evaluator->workload->restarts > 0
                                             ? LAT_TRIGGER_WORKLOAD_CHANGED
                                             : LAT_TRIGGER_WORKLOAD_CREATED);
}

static void put_evaluation(struct lat__evaluator *evaluator, struct lat_txn *txn,
                           const char *status, const char *reason, int64_t now)
{
    struct lat_evaluation *evaluation = lat_evaluation_new();
    struct lat_buf receipt = {0};

    lat_plan_receipt(evaluator->plan, &receipt);
    lat_row_set(evaluation->workload_id, evaluator->workload->row.id);
    lat_row_set(evaluation->trigger, trigger_of(evaluator));
    lat_row_set(evaluation->status, status);
    lat_row_set(evaluation->reason, reason);
    lat_row_set(evaluation->receipt, lat_buf_text(&receipt));
    lat_row_set(evaluation->policy, lat_plan_policy(evaluator->plan));
    lat_row_set(evaluation->request_id, evaluator->workload->request_id);
    evaluation->created_at = now;
    lat_txn_put(txn, &evaluation->row);
    lat_buf_done(&receipt);
}

/* Puts an instance that has found its place for the first time. */
static void put_allocation(const struct lat_workload *workload, const struct lat_node *node,
                           int64_t ordinal, const char *gpus, struct lat_txn *txn, int64_t now)
{
    struct lat_allocation *allocation = lat_allocation_new();

    lat_row_set(allocation->workload_id, workload->row.id);
    lat_row_set(allocation->node_id, node->row.id);
    allocation->ordinal = ordinal;
    allocation->generation = 1;
    lat__orch_order(workload, allocation);
    lat_row_set(allocation->gpus, gpus);
    lat_row_set(allocation->desired, workload->desired);
    lat_row_set(allocation->status, lat_allocation_state_name(LAT_ALLOCATION_PLACING));
    allocation->created_at = now;
    allocation->updated_at = now;
    lat_txn_put(txn, &allocation->row);
}

/* Has an instance that has ended run again where it did, with the room that was found for it. */
static void run_again(const struct lat_workload *workload, const struct lat_allocation *ended,
                      const char *gpus, struct lat_txn *txn, int64_t now)
{
    struct lat_allocation *edited = lat_allocation_edit(ended);

    lat__orch_order(workload, edited);
    lat_row_set(edited->gpus, gpus);
    lat_row_set(edited->desired, workload->desired);
    edited->keep_data = workload->keep_data;
    edited->generation++;
    edited->finished = false; /* its agent knows whether this is a new order */
    edited->updated_at = now;
    lat_txn_put(txn, &edited->row);
}

/* Has a node clear away an instance that has ended and runs again elsewhere. What data there should be, against all that is known, is not
 * deleted for that. */
static void move_away(const struct lat_workload *workload, const struct lat_allocation *ended,
                      struct lat_txn *txn, int64_t now)
{
    struct lat_allocation *edited = lat_allocation_edit(ended);

    lat_row_set(edited->desired, lat_want_name(LAT_WANT_REMOVED));
    lat_row_set(edited->request_id, workload->request_id);
    edited->keep_data = true;
    edited->generation++;
    edited->updated_at = now;
    lat_txn_put(txn, &edited->row);
}

/* Puts the allocations of a plan; each of them rests upon the node as it is. */
static void put_allocations(struct lat__evaluator *evaluator, struct lat_txn *txn,
                            const struct lat_workload *workload, const int64_t *ordinals,
                            size_t count, int64_t now)
{
    const struct lat_frame *frame = lat__fleet_frame(evaluator->fleet);
    const uint32_t *rows = lat_plan_rows(evaluator->plan);
    /* One that is due is planned alone. */
    const struct lat_allocation *ended =
        evaluator->ordinal >= 0 ? lat__evaluator_due(txn, workload, evaluator->ordinal) : NULL;

    lat_txn_expect(txn, &evaluator->workload->row);
    for (size_t i = 0; i < count; i++) {
        const struct lat_node *node = lat_frame_node(frame, rows[i]);
        const char *gpus = lat_plan_gpus(evaluator->plan, i);

        lat_txn_expect(txn, &node->row);
        if (ended && lat_text_equal(ended->node_id, node->row.id)) {
            run_again(workload, ended, gpus, txn, now);
            continue;
        }
        if (ended) {
            move_away(workload, ended, txn, now);
        }
        put_allocation(workload, node, ordinals[i], gpus, txn, now);
    }
}

/* Stages what was placed of what is missing. Returns false when there is nothing to write. */
static bool stage_plan(struct lat__evaluator *evaluator, struct lat_txn *txn,
                       const struct lat_workload *workload, const struct lat__outcome *outcome)
{
    int64_t now = lat_clock_wall_ms(lat_loop_clock(evaluator->orch->with.loop));
    struct lat_buf reason = {0};
    bool wrote = true;

    lat_plan_sentence(evaluator->plan, &reason);
    if (outcome->placed > 0) {
        put_allocations(evaluator, txn, workload, outcome->ordinals, outcome->placed, now);
        put_evaluation(evaluator, txn, "done", lat_buf_text(&reason), now);
        lat_map_remove(evaluator->orch->waiting, workload->row.id);
        lat_metric_add(evaluator->placed, (int64_t)outcome->placed);
    } else {
        lat_metric_add(evaluator->blocked, 1);
        wrote = !is_known(txn, workload->row.id, lat_buf_text(&reason));
        if (wrote) {
            put_evaluation(evaluator, txn, "blocked", lat_buf_text(&reason), now);
            lat__orch_mark_later(evaluator->orch, workload->row.id);
        }
        lat_map_put(evaluator->orch->waiting, workload->row.id,
                    (void *)lat_trigger_name(LAT_TRIGGER_WORKLOAD_CHANGED));
        lat__orch_await_opening(evaluator->orch,
                                lat_frame_opens(lat__fleet_frame(evaluator->fleet)));
    }
    if (wrote) {
        forget_oldest(txn, workload->row.id);
    }
    lat_buf_done(&reason);
    return wrote;
}

/* Stages the plan. What it left missing is evaluated next; of one that is refused at once everything is, later. */
static void commit_plan(struct lat__evaluator *evaluator, struct lat_txn *txn,
                        const struct lat__outcome *outcome)
{
    struct staged_plan *staged = LAT_NEW(struct staged_plan);
    struct lat_err err;

    staged->evaluator = evaluator;
    staged->instances = outcome->placed;
    lat_text_bound(staged->workload_id, sizeof(staged->workload_id), evaluator->workload->row.id);
    lat__evaluator_finish(evaluator);
    if (lat_txn_commit(txn, plan_committed, staged, &err)) {
        plan_failed(evaluator, staged->workload_id, &err);
        free(staged);
        return;
    }
    evaluator->staged += outcome->placed;
    lat__orch_hold(evaluator->orch);
    if (outcome->is_partial) {
        lat__evaluator_again(evaluator, staged->workload_id, 0);
    }
}

int lat__evaluator_stage(struct lat__evaluator *evaluator, struct lat_err *err)
{
    struct lat_orch *orch = evaluator->orch;
    struct lat_txn *txn = lat_txn_begin(orch->with.store, evaluator->workload->request_id);
    const struct lat_workload *workload = (const struct lat_workload *)lat_txn_get(
        txn, LAT_TABLE_WORKLOAD, evaluator->workload->row.id);
    struct lat__outcome outcome;
    int rc = lat__evaluator_place(evaluator, txn, workload, &outcome, err);

    if (rc != 0) {
        lat_txn_cancel(txn);
        return rc;
    }
    lat_metric_observe_ns(evaluator->seconds, lat_clock_boot_ns(lat_loop_clock(orch->with.loop)) -
                                                  evaluator->started_ns);
    if (outcome.missing == 0) { /* while the policy was asked */
        lat_map_remove(orch->waiting, evaluator->workload->row.id);
    } else if (outcome.is_open) {
        lat__evaluator_again(evaluator, workload->row.id, evaluator->ordinal + 1);
    } else if (stage_plan(evaluator, txn, workload, &outcome)) {
        commit_plan(evaluator, txn, &outcome);
        return 0;
    }
    lat_txn_cancel(txn);
    lat__evaluator_finish(evaluator);
    return 0;
}
