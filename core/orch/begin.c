/* The beginning of a decision: the frame as it is now, what the workload asks of a place, and where its instances stand.
 *
 * What is read is read by one transaction, staged rows included. Runs on the state loop. */
#include "orch/evaluate_internal.h"

#include "base/text.h"

/* Goes on with FNV-1a over a text and its end. */
static uint64_t hash_on(uint64_t hash, const char *text)
{
    do {
        hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    } while (*text++);
    return hash;
}

/* Among equal nodes each workload has its own first one. It goes by its name in its project: a dry run has no other in common with the deploy
 * that follows. */
static uint64_t seed_of(const struct lat_workload *workload)
{
    return hash_on(hash_on(UINT64_C(0xcbf29ce484222325), workload->project_id), workload->name);
}

/* Shows the instances of one workload to the fit. */
static void show_instances(struct lat__evaluator *evaluator, struct lat_txn *txn,
                           const struct lat_workload *workload)
{
    const struct lat_row *row;
    void *cursor = NULL;

    while ((row = lat_txn_each(txn, LAT_INDEX_ALLOCATION_WORKLOAD, workload->row.id, &cursor))) {
        const struct lat_allocation *allocation = (const struct lat_allocation *)row;

        if (!allocation->finished) {
            lat_fit_sees(evaluator->fit, workload, allocation->node_id);
        }
    }
}

/* Makes ready what the workload asks of a place beside room. One whose placement cannot be read asks for nothing that any node has: a
 * row that a hand has edited is not placed by half of what it says. */
static void begin_fit(struct lat__evaluator *evaluator, struct lat_txn *txn)
{
    const struct lat_workload *workload = evaluator->workload;
    const struct lat_frame *frame = lat__fleet_frame(evaluator->fleet);
    const struct lat_workload *other;
    void *cursor = NULL;
    struct lat_err err;

    if (lat_fit_new(frame, workload, &evaluator->fit, &err)) {
        lat_log(evaluator->orch->with.log, LAT_LOG_ERROR, "a workload's placement cannot be read",
                LAT_STR("workload", workload->row.id), LAT_ERR(&err));
        evaluator->fit = lat_fit_broken(frame, workload);
    }
    if (!evaluator->fit) {
        return;
    }
    while (lat_fit_looks_around(evaluator->fit) &&
           (other = lat_store_next_workload(evaluator->orch->with.store, &cursor))) {
        if (lat_text_equal(other->project_id, workload->project_id) &&
            !lat_text_equal(other->row.id, workload->row.id)) {
            show_instances(evaluator, txn, other);
        }
    }
    show_instances(evaluator, txn, workload);
    for (size_t i = 0; evaluator->trial && i < evaluator->trial->placed; i++) {
        lat_fit_sees(evaluator->fit, workload, evaluator->trial->instances[i]->node_id);
    }
    lat_fit_ready(evaluator->fit);
}

void lat__evaluator_begin(struct lat__evaluator *evaluator, struct lat_txn *txn)
{
    const struct lat_workload *workload = evaluator->workload;
    const struct lat_project *project =
        lat_store_project(evaluator->orch->with.store, workload->project_id);
    struct lat_request request = {.workload = workload,
                                  .project = evaluator->project_name,
                                  .need = lat_need_of_workload(workload)};
    const struct lat_row *row;
    void *cursor = NULL;

    lat__fleet_refresh(evaluator->fleet, txn);
    if (evaluator->trial) {
        lat__trial_count(evaluator->trial, evaluator->trial->placed, 1,
                         lat__fleet_frame(evaluator->fleet));
    }
    lat_frame_tell_time(lat__fleet_frame(evaluator->fleet),
                        lat_clock_wall_ms(lat_loop_clock(evaluator->orch->with.loop)));
    begin_fit(evaluator, txn);
    lat_text_bound(evaluator->project_name, sizeof(evaluator->project_name),
                   project ? project->name : "");
    request.fit = evaluator->fit;
    request.data = lat__evaluator_choose(evaluator, txn, &request.data_words);
    request.home = *evaluator->home ? evaluator->home : NULL;
    evaluator->plan = lat_plan_new(evaluator->planner, &request, seed_of(workload));
    while ((row = lat_txn_each(txn, LAT_INDEX_ALLOCATION_WORKLOAD, workload->row.id, &cursor))) {
        if (!((const struct lat_allocation *)row)->finished) {
            lat_plan_stands(evaluator->plan, ((const struct lat_allocation *)row)->node_id);
        }
    }
    if (evaluator->trial) {
        lat__trial_stand(evaluator->trial, evaluator->plan);
    }
}
