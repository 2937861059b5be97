/* Which of the missing instances a plan is of, and what is tried after it: of an evaluation and of a trial alike.
 *
 *   missing ─► those that go alone, one a plan, by ordinal ─► all others, one plan ─► those alone that found no place again, for the word
 *
 * An instance whose data lives on a node goes there or nowhere, so it is planned before room is taken by those that may go anywhere. One that
 * is due (it has ended, and is to run again) goes home, to the node where it ended, if it can, and so is planned alone, too. Where such
 * a one finds no place the others do not wait for it. Runs on the state loop. */
#include "orch/evaluate_internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "model/spec.h"

#include <string.h>

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

/* ---- those that are due ---- */

/* Notes the instances of a workload that are due, by ordinal. */
static void note_due(struct lat_txn *txn, const struct lat_workload *workload,
                     const struct lat_allocation *ret_due[LAT_COUNT_MAX])
{
    const struct lat_row *row;
    void *cursor = NULL;

    memset(ret_due, 0, LAT_COUNT_MAX * sizeof(*ret_due));
    while ((row = lat_txn_each(txn, LAT_INDEX_ALLOCATION_WORKLOAD, workload->row.id, &cursor))) {
        const struct lat_allocation *allocation = (const struct lat_allocation *)row;

        if (lat__orch_is_due(workload, allocation)) {
            ret_due[allocation->ordinal] = allocation;
        }
    }
}

const struct lat_allocation *lat__evaluator_due(struct lat_txn *txn,
                                                const struct lat_workload *workload,
                                                int64_t ordinal)
{
    const struct lat_allocation *due[LAT_COUNT_MAX];

    note_due(txn, workload, due);
    return due[ordinal];
}

/* Tells whether what an instance that is due keeps lies where it ended, for all that is known; nothing is left of a node that is gone. */
static bool has_data_at_home(const struct lat__evaluator *evaluator, size_t home)
{
    const struct lat_orch_options *with = &evaluator->orch->with;

    return home != SIZE_MAX && with->keeps_data &&
           with->keeps_data(with->keeps_data_arg, evaluator->workload);
}

/* Returns a bitmap of one row; borrowed until the next one. */
static const uint64_t *only(struct lat__evaluator *evaluator, size_t row, size_t *ret_words)
{
    size_t words = row / 64 + 1;

    if (words > evaluator->home_words) {
        evaluator->home_rows = lat_grow(evaluator->home_rows, words, sizeof(*evaluator->home_rows));
        evaluator->home_words = words;
    }
    memset(evaluator->home_rows, 0, words * sizeof(*evaluator->home_rows));
    evaluator->home_rows[row / 64] = UINT64_C(1) << row % 64;
    *ret_words = words;
    return evaluator->home_rows;
}

/* Says where the instance that is due goes first, and returns the rows that it may go to; NULL: all. */
static const uint64_t *go_home(struct lat__evaluator *evaluator,
                               const struct lat_allocation *allocation, const uint64_t *data,
                               size_t *ret_words)
{
    size_t home = lat_frame_row(lat__fleet_frame(evaluator->fleet), allocation->node_id);

    lat_text_bound(evaluator->home, sizeof(evaluator->home), allocation->node_id);
    return !data && has_data_at_home(evaluator, home) ? only(evaluator, home, ret_words) : data;
}

/* ---- the choice ---- */

const uint64_t *lat__evaluator_choose(struct lat__evaluator *evaluator, struct lat_txn *txn,
                                      size_t *ret_words)
{
    const struct lat_frame *frame = lat__fleet_frame(evaluator->fleet);
    const struct lat_workload *workload = evaluator->workload;
    const struct lat_allocation *due[LAT_COUNT_MAX];
    int64_t ordinals[LAT_PLAN_INSTANCES_MAX];
    size_t missing = find_missing(evaluator, txn, workload, ordinals);
    const uint64_t *first = NULL;
    size_t others = 0;

    note_due(txn, workload, due);
    evaluator->ordinal = -1;
    evaluator->home[0] = '\0';
    *ret_words = 0;
    for (size_t i = 0; i < missing; i++) {
        size_t words;
        const uint64_t *rows = lat_frame_data(frame, workload->row.id, ordinals[i], &words);
        bool goes_alone = rows || due[ordinals[i]];

        others += !goes_alone;
        if (goes_alone && (evaluator->ordinal < 0 || (evaluator->ordinal < evaluator->from &&
                                                      ordinals[i] >= evaluator->from))) {
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
    if (evaluator->ordinal >= 0 && due[evaluator->ordinal]) {
        first = go_home(evaluator, due[evaluator->ordinal], first, ret_words);
    }
    evaluator->wanted = evaluator->ordinal >= 0 ? 1 : others;
    if (evaluator->trial) {
        evaluator->trial->wanted = evaluator->trial->placed + missing;
    }
    return first;
}

/* Leaves of the missing instances those that the plan is of. *ret_more: others are tried after them. */
static size_t keep_chosen(const struct lat__evaluator *evaluator, struct lat_txn *txn,
                          const struct lat_workload *workload, int64_t *ordinals, size_t missing,
                          bool *ret_more)
{
    const struct lat_frame *frame = lat__fleet_frame(evaluator->fleet);
    const struct lat_allocation *due[LAT_COUNT_MAX];
    size_t kept = 0;
    size_t words;

    *ret_more = false;
    if (missing > 0) {
        note_due(txn, workload, due);
    }
    for (size_t i = 0; i < missing; i++) {
        bool goes_alone = due[ordinals[i]] || lat_frame_data(frame, evaluator->workload->row.id,
                                                             ordinals[i], &words) != NULL;

        if (evaluator->ordinal < 0 ? !goes_alone : ordinals[i] == evaluator->ordinal) {
            ordinals[kept++] = ordinals[i];
        } else if (evaluator->ordinal >= 0 && (!goes_alone || ordinals[i] > evaluator->ordinal)) {
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
    size_t chosen =
        keep_chosen(evaluator, txn, workload, ret_outcome->ordinals, missing, &has_more);
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
