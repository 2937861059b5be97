/* The beginning of a decision: the frame as it is now, what the workload asks of a place, and where its instances stand.
 *
 * What is read is read by one transaction, staged rows included. Runs on the state loop. */
#include "orch/evaluate_internal.h"

#include "base/text.h"

/* Among equal nodes each workload has its own first one: FNV-1a of its id. */
static uint64_t seed_of(const char *id)
{
    uint64_t seed = UINT64_C(0xcbf29ce484222325);

    for (; *id; id++) {
        seed = (seed ^ (uint8_t)*id) * UINT64_C(0x100000001b3);
    }
    return seed;
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

/* Chooses which of the missing instances the plan is of: one whose data lives somewhere, which goes there or nowhere, or in the end all
 * the others. Returns the rows of the nodes where its data is. */
static const uint64_t *choose_instances(struct lat__evaluator *evaluator, struct lat_txn *txn,
                                        size_t *ret_words)
{
    const struct lat_frame *frame = lat__fleet_frame(evaluator->fleet);
    const struct lat_workload *workload = evaluator->workload;
    int64_t ordinals[LAT_PLAN_INSTANCES_MAX];
    size_t missing =
        evaluator->trial ? 0 : lat__orch_missing(txn, workload, ordinals, LAT_PLAN_INSTANCES_MAX);
    const uint64_t *first = NULL;
    size_t others = 0;

    evaluator->ordinal = -1;
    *ret_words = 0;
    for (size_t i = 0; i < missing; i++) {
        size_t words;
        const uint64_t *rows = lat_frame_data(frame, workload->row.id, ordinals[i], &words);

        others += rows == NULL;
        if (rows &&
            (!first || (evaluator->ordinal < evaluator->from && ordinals[i] >= evaluator->from))) {
            first = rows;
            evaluator->ordinal = ordinals[i];
            *ret_words = words;
        }
    }
    if (evaluator->ordinal < evaluator->from && others > 0) {
        evaluator->ordinal = -1;
        *ret_words = 0;
        first = NULL;
    }
    evaluator->wanted = first ? 1 : others;
    if (evaluator->trial) {
        evaluator->wanted = evaluator->trial->wanted - evaluator->trial->placed;
    }
    return first;
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
        if (evaluator->trial->placed == 0) {
            evaluator->trial->wanted =
                lat__orch_missing(txn, workload, NULL, (size_t)workload->count);
        }
        lat__trial_count(evaluator->trial, evaluator->trial->placed, 1,
                         lat__fleet_frame(evaluator->fleet));
    }
    lat_frame_tell_time(lat__fleet_frame(evaluator->fleet),
                        lat_clock_wall_ms(lat_loop_clock(evaluator->orch->with.loop)));
    begin_fit(evaluator, txn);
    lat_text_bound(evaluator->project_name, sizeof(evaluator->project_name),
                   project ? project->name : "");
    request.fit = evaluator->fit;
    request.data = choose_instances(evaluator, txn, &request.data_words);
    evaluator->plan = lat_plan_new(evaluator->planner, &request, seed_of(workload->row.id));
    while ((row = lat_txn_each(txn, LAT_INDEX_ALLOCATION_WORKLOAD, workload->row.id, &cursor))) {
        lat_plan_stands(evaluator->plan, ((const struct lat_allocation *)row)->node_id);
    }
    if (evaluator->trial) {
        lat__trial_stand(evaluator->trial, evaluator->plan);
    }
}
