/* How many evaluations are kept in all.
 *
 * Of each workload the newest LAT_ORCH_EVALUATIONS_KEPT are (evaluate.c). In all there are two limits, one of rows and one of their receipts'
 * bytes, since a receipt grows with the fleet. They are counted as changes become durable, and where there is too much, the oldest
 * go: first those that are not the last word about their workload, then any. Some at a time, so that other work waits for a turn
 * at most. Runs on the state loop. */
#include "orch/orch_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { LAT__SWEEP_ROWS = 256, LAT__SWEEP_RETRY_MS = 5000 };

struct lat__retention {
    struct lat_orch *orch;
    size_t rows;
    int64_t bytes;
    bool is_sweeping; /* a removal waits for the disk, or for its time */
    struct lat_timer timer;
};

static bool is_too_much(const struct lat__retention *retention, size_t rows, int64_t bytes)
{
    const struct lat_orch_options *with = &retention->orch->with;
    size_t rows_max = with->evaluations_max ? with->evaluations_max : LAT_ORCH_EVALUATIONS_MAX;
    int64_t bytes_max =
        with->receipt_bytes_max ? with->receipt_bytes_max : LAT_ORCH_RECEIPT_BYTES_MAX;

    return rows > rows_max || bytes > bytes_max;
}

static void sweep(void *arg);

static void look(struct lat__retention *retention, int64_t delay_ms)
{
    if (!retention->is_sweeping && is_too_much(retention, retention->rows, retention->bytes)) {
        retention->is_sweeping = true;
        lat_timer_start(&retention->timer, delay_ms, 0);
    }
}

static void swept(void *arg, const struct lat_err *err)
{
    struct lat_orch *orch = arg;

    if (lat__orch_release(orch)) {
        return;
    }
    orch->retention->is_sweeping = false;
    if (err) {
        lat_log(orch->with.log, LAT_LOG_WARN, "old evaluations could not be removed", LAT_ERR(err));
    }
    look(orch->retention, err ? LAT__SWEEP_RETRY_MS : 0);
}

/* Tells whether an evaluation is the newest of its workload. */
static bool is_last_word(struct lat_txn *txn, const struct lat_evaluation *evaluation)
{
    const struct lat_row *newest = NULL;
    const struct lat_row *row;
    void *cursor = NULL;

    while ((
        row = lat_txn_each(txn, LAT_INDEX_EVALUATION_WORKLOAD, evaluation->workload_id, &cursor))) {
        newest = row;
    }
    return newest && lat_text_equal(newest->id, evaluation->row.id);
}

/* Stages the removal of the oldest that are too much; returns how many. */
static size_t remove_oldest(struct lat__retention *retention, struct lat_txn *txn, bool any)
{
    struct lat_store *store = retention->orch->with.store;
    const struct lat_evaluation *evaluation;
    size_t rows = retention->rows;
    int64_t bytes = retention->bytes;
    void *cursor = NULL;
    size_t removed = 0;

    while (removed < LAT__SWEEP_ROWS && is_too_much(retention, rows, bytes) &&
           (evaluation = lat_store_next_evaluation(store, &cursor))) {
        if (!lat_txn_get(txn, LAT_TABLE_EVALUATION, evaluation->row.id) ||
            (!any && is_last_word(txn, evaluation))) {
            continue;
        }
        lat_txn_remove(txn, LAT_TABLE_EVALUATION, evaluation->row.id);
        rows--;
        bytes -= (int64_t)strlen(evaluation->receipt);
        removed++;
    }
    return removed;
}

static void sweep(void *arg)
{
    struct lat__retention *retention = arg;
    struct lat_orch *orch = retention->orch;
    struct lat_txn *txn = lat_txn_begin(orch->with.store, "");
    struct lat_err err;

    if (remove_oldest(retention, txn, false) == 0 && remove_oldest(retention, txn, true) == 0) {
        lat_txn_cancel(txn); /* others removed them meanwhile */
        retention->is_sweeping = false;
        return;
    }
    lat__orch_hold(orch);
    if (lat_txn_commit(txn, swept, orch, &err)) {
        swept(orch, &err);
    }
}

static void count(struct lat__retention *retention, const struct lat_evaluation *evaluation,
                  int times)
{
    if (evaluation) {
        retention->rows += (size_t)times;
        retention->bytes += times * (int64_t)strlen(evaluation->receipt);
    }
}

void lat__retention_changed(struct lat__retention *retention, const struct lat_evaluation *before,
                            const struct lat_evaluation *after)
{
    count(retention, before, -1);
    count(retention, after, 1);
    look(retention, 0);
}

struct lat__retention *lat__retention_new(struct lat_orch *orch)
{
    struct lat__retention *retention = LAT_NEW(struct lat__retention);
    const struct lat_evaluation *evaluation;
    void *cursor = NULL;

    retention->orch = orch;
    lat_timer_init(&retention->timer, orch->with.loop, sweep, retention);
    while ((evaluation = lat_store_next_evaluation(orch->with.store, &cursor))) {
        count(retention, evaluation, 1);
    }
    look(retention, 0);
    return retention;
}

void lat__retention_stop(struct lat__retention *retention)
{
    lat_timer_done(&retention->timer);
}

struct lat__retention *lat__retention_free(struct lat__retention *retention)
{
    free(retention);
    return NULL;
}
