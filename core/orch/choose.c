/* Which of the missing instances a plan is of, and what is tried after it: of an evaluation and of a trial alike.
 *
 *   missing ─► those with data, one a plan, by ordinal ─► all others, one plan ─► those with data that found no place again, for the word
 *
 * An instance whose data lives on a node goes there or nowhere, so it is planned before room is taken by those that may go anywhere. Where it
 * finds no place the others do not wait for it. Runs on the state loop. */
#include "orch/evaluate_internal.h"

#include "model/spec.h"

/* Returns how many instances of a workload lack a place, and which, by ordinal; in a trial those that it has placed do not. */
static size_t find_missing(const struct lat__evaluator *evaluator, struct lat_txn *txn,
                           const struct lat_workload *workload,
                           int64_t ret_ordinals[LAT_PLAN_INSTANCES_MAX])
{
    size_t missing = lat__orch_missing(txn, workload, ret_ordinals, LAT_PLAN_INSTANCES_MAX);
    const struct lat__trial *trial = evaluator->trial;
    bool has_place[LAT_COUNT_MAX] = {false};
    size_t kept = 0;

    for (size_t i = 0; trial && i < trial->placed; i++) {
        has_place[trial->instances[i]->ordinal] = true;
    }
    for (size_t i = 0; i < missing; i++) {
        if (!has_place[ret_ordinals[i]]) {
            ret_ordinals[kept++] = ret_ordinals[i];
        }
    }
    return kept;
}

const uint64_t *lat__evaluator_choose(struct lat__evaluator *evaluator, struct lat_txn *txn,
                                      size_t *ret_words)
{
    const struct lat_frame *frame = lat__fleet_frame(evaluator->fleet);
    const struct lat_workload *workload = evaluator->workload;
    int64_t ordinals[LAT_PLAN_INSTANCES_MAX];
    size_t missing = find_missing(evaluator, txn, workload, ordinals);
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
        evaluator->trial->wanted = evaluator->trial->placed + missing;
    }
    return first;
}

/* Leaves of the missing instances those that the plan is of. *ret_more: others are tried after them. */
static size_t keep_chosen(const struct lat__evaluator *evaluator, int64_t *ordinals, size_t missing,
                          bool *ret_more)
{
    const struct lat_frame *frame = lat__fleet_frame(evaluator->fleet);
    size_t kept = 0;
    size_t words;

    *ret_more = false;
    for (size_t i = 0; i < missing; i++) {
        bool has_data =
            lat_frame_data(frame, evaluator->workload->row.id, ordinals[i], &words) != NULL;

        if (evaluator->ordinal < 0 ? !has_data : ordinals[i] == evaluator->ordinal) {
            ordinals[kept++] = ordinals[i];
        } else if (evaluator->ordinal >= 0 && (!has_data || ordinals[i] > evaluator->ordinal)) {
            *ret_more = true;
        }
    }
    return kept;
}

int lat__evaluator_place(struct lat__evaluator *evaluator, struct lat_txn *txn,
                         const struct lat_workload *workload, struct lat__outcome *ret_outcome,
                         struct lat_err *err)
{
    size_t missing = workload ? find_missing(evaluator, txn, workload, ret_outcome->ordinals) : 0;
    bool has_more;
    size_t chosen = keep_chosen(evaluator, ret_outcome->ordinals, missing, &has_more);
    size_t placed = 0;
    int rc = chosen > 0 ? lat_plan_place(evaluator->plan, chosen, &placed, err) : 0;

    if (rc != 0) {
        return rc;
    }
    ret_outcome->missing = missing;
    ret_outcome->placed = placed;
    ret_outcome->is_open = missing > 0 && placed == 0 && (has_more || chosen == 0);
    ret_outcome->is_partial = placed > 0 && placed < missing;
    return 0;
}
