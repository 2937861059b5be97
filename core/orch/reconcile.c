/* One workload's next step, in one transaction.
 *
 *   desired (user) ─► allocations: same desired, spec and restarts, surplus removed ─► rows of removed ones go
 *                                                                     last one gone ─► the workload's rows go
 *
 * An instance that has ended stands still already, whatever is wanted of it. It is left as it is until its workload is to be run again, or
 * another spec of it: for that it needs a place as one that is missing does, because it has given back its room (stage.c).
 *
 * Every assignment that changes gets a higher generation: the fencing number by which a node tells new from
 * old. Runs on the state loop. */
#include "orch/orch_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>

/* What one look found and did. */
struct look {
    struct lat_orch *orch;
    struct lat_txn *txn;
    const struct lat_workload *workload;
    size_t left;  /* allocations that remain */
    bool changed; /* the transaction holds something */
    bool news;    /* its status moved: told once that is durable */
};

/* A look that is being written. */
struct commit {
    struct lat_orch *orch;
    char workload_id[LAT_ID_SIZE];
    const struct lat_workload *story; /* held; NULL when there is none to tell */
};

static bool is_wanted(const char *desired, enum lat_want want)
{
    return lat_text_equal(desired, lat_want_name(want));
}

/* Tells whether nothing of it is left: its agent said so, or its node was given up (then only a finished task's row stays, as what is
 * known of it). */
static bool is_gone(const struct look *look, const struct lat_allocation *allocation)
{
    return (lat_text_equal(allocation->status, lat_allocation_state_name(LAT_ALLOCATION_REMOVED)) &&
            allocation->observed_generation == allocation->generation) ||
           !lat_txn_get(look->txn, LAT_TABLE_NODE, allocation->node_id);
}

bool lat__orch_is_due(const struct lat_workload *workload, const struct lat_allocation *allocation)
{
    return allocation->finished && is_wanted(workload->desired, LAT_WANT_RUNNING) &&
           !is_wanted(allocation->desired, LAT_WANT_REMOVED) && allocation->ordinal >= 0 &&
           allocation->ordinal < workload->count && allocation->ordinal < LAT_COUNT_MAX &&
           (allocation->spec_generation != workload->generation ||
            allocation->restarts != workload->restarts);
}

void lat__orch_order(const struct lat_workload *workload, struct lat_allocation *edited)
{
    edited->spec_generation = workload->generation;
    edited->restarts = workload->restarts;
    edited->cpu_milli = workload->cpu_milli;
    edited->memory_bytes = workload->memory_bytes;
    edited->disk_bytes = workload->disk_bytes;
    edited->bandwidth_bps = workload->bandwidth_bps;
    lat_row_set(edited->host_ports, workload->host_ports);
    lat_row_set(edited->request_id, workload->request_id);
}

/* Tells whether nothing is to be said to an instance that has ended: it is to stand still, or it is due. */
static bool rests(const struct lat_workload *workload, const struct lat_allocation *allocation)
{
    return allocation->finished && (is_wanted(workload->desired, LAT_WANT_STOPPED) ||
                                    lat__orch_is_due(workload, allocation));
}

/* Brings one allocation's assignment in line with its workload. What has ended goes on to count as that, also while it is removed. */
static void align(struct look *look, const struct lat_allocation *allocation)
{
    const struct lat_workload *workload = look->workload;
    bool surplus = is_wanted(workload->desired, LAT_WANT_REMOVED) ||
                   allocation->ordinal >= workload->count ||
                   is_wanted(allocation->desired, LAT_WANT_REMOVED);
    const char *desired = surplus ? lat_want_name(LAT_WANT_REMOVED) : workload->desired;
    struct lat_allocation *edited;

    if (surplus && is_gone(look, allocation)) {
        lat_txn_remove(look->txn, LAT_TABLE_ALLOCATION, allocation->row.id);
        look->changed = true;
        return;
    }
    look->left++;
    if (!surplus && rests(workload, allocation)) {
        return;
    }
    if (lat_text_equal(allocation->desired, desired) &&
        (surplus || (allocation->spec_generation == workload->generation &&
                     allocation->restarts == workload->restarts))) {
        return;
    }
    edited = lat_allocation_edit(allocation);
    lat__orch_order(workload, edited);
    lat_row_set(edited->desired, desired);
    edited->keep_data = workload->keep_data;
    edited->generation++;
    edited->updated_at = lat_clock_wall_ms(lat_loop_clock(look->orch->with.loop));
    lat_txn_put(look->txn, &edited->row);
    look->changed = true;
}

static void remove_each(struct look *look, int table, int index)
{
    const struct lat_row *row;
    void *cursor = NULL;

    while ((row = lat_txn_each(look->txn, index, look->workload->row.id, &cursor))) {
        lat_txn_remove(look->txn, table, row->id);
    }
}

static void remove_workload(struct look *look)
{
    remove_each(look, LAT_TABLE_ENDPOINT, LAT_INDEX_ENDPOINT_WORKLOAD);
    remove_each(look, LAT_TABLE_EVALUATION, LAT_INDEX_EVALUATION_WORKLOAD);
    lat_txn_remove(look->txn, LAT_TABLE_WORKLOAD, look->workload->row.id);
    look->changed = true;
}

/* Writes the status where it moved, and tells the workload's story. */
static void update_status(struct look *look)
{
    const struct lat_workload *workload = look->workload;
    struct lat__outlook outlook;
    struct lat_workload *edited;
    const char *status;

    lat__orch_outlook(look->txn, workload, &outlook);
    status = lat_workload_state_name(outlook.status);
    if (lat_text_equal(workload->status, status) &&
        lat_text_equal(workload->reason, outlook.reason)) {
        return;
    }
    edited = lat_workload_edit(workload);
    lat_row_set(edited->status, status);
    lat_row_set(edited->reason, outlook.reason);
    edited->updated_at = lat_clock_wall_ms(lat_loop_clock(look->orch->with.loop));
    look->news = !lat_text_equal(workload->status, status);
    look->workload = (const struct lat_workload *)lat_txn_put(look->txn, &edited->row);
    look->changed = true;
}

/* Tells whether an instance has its ordinal for itself. One that is due does not, nor one that has ended and was given another place
 * (stage.c): its row is left only until its node has cleared it away. */
static bool takes_ordinal(const struct lat_workload *workload,
                          const struct lat_allocation *allocation)
{
    bool was_moved = allocation->finished && allocation->keep_data &&
                     is_wanted(allocation->desired, LAT_WANT_REMOVED);

    return allocation->ordinal >= 0 && allocation->ordinal < LAT_COUNT_MAX && !was_moved &&
           !lat__orch_is_due(workload, allocation);
}

size_t lat__orch_missing(struct lat_txn *txn, const struct lat_workload *workload,
                         int64_t *ret_ordinals, size_t max)
{
    bool taken[LAT_COUNT_MAX] = {false};
    const struct lat_row *row;
    void *cursor = NULL;
    size_t count = 0;

    if (!is_wanted(workload->desired, LAT_WANT_RUNNING)) {
        return 0;
    }
    while ((row = lat_txn_each(txn, LAT_INDEX_ALLOCATION_WORKLOAD, workload->row.id, &cursor))) {
        const struct lat_allocation *allocation = (const struct lat_allocation *)row;

        if (takes_ordinal(workload, allocation)) {
            taken[allocation->ordinal] = true;
        }
    }
    for (int64_t ordinal = 0; ordinal < workload->count && ordinal < LAT_COUNT_MAX && count < max;
         ordinal++) {
        if (taken[ordinal]) {
            continue;
        }
        if (ret_ordinals) {
            ret_ordinals[count] = ordinal;
        }
        count++;
    }
    return count;
}

static void committed(void *arg, const struct lat_err *err)
{
    struct commit *commit = arg;
    const struct lat_workload *story = commit->story;

    if (lat__orch_release(commit->orch)) {
        /* stopped: what is durable is looked at by the next one */
    } else if (err) {
        lat_log(commit->orch->with.log, LAT_LOG_WARN, "a step of a workload could not be written",
                LAT_STR("workload", commit->workload_id), LAT_ERR(err));
        lat__orch_mark_later(commit->orch, commit->workload_id);
    } else if (story && commit->orch->with.history) {
        lat_history_add(commit->orch->with.history, story->row.id, story->status, story->reason,
                        story->request_id, story->updated_at);
    }
    if (story) {
        lat_row_unref(&story->row);
    }
    free(commit);
}

static void commit_look(struct look *look, const char *workload_id)
{
    struct commit *commit = LAT_NEW(struct commit);
    struct lat_err err;

    commit->orch = look->orch;
    lat_text_bound(commit->workload_id, sizeof(commit->workload_id), workload_id);
    if (look->news) {
        commit->story = look->workload;
        lat_row_ref(&commit->story->row);
    }
    lat__orch_hold(look->orch);
    if (lat_txn_commit(look->txn, committed, commit, &err)) {
        committed(commit, &err);
    }
}

void lat__orch_reconcile(struct lat_orch *orch, const char *workload_id)
{
    const struct lat_workload *committed_row = lat_store_workload(orch->with.store, workload_id);
    struct look look = {.orch = orch};
    enum lat_want want;
    const struct lat_row *row;
    void *cursor = NULL;
    bool missing;

    if (!committed_row) {
        return;
    }
    look.txn = lat_txn_begin(orch->with.store, committed_row->request_id);
    look.workload =
        (const struct lat_workload *)lat_txn_get(look.txn, LAT_TABLE_WORKLOAD, workload_id);
    if (!look.workload) {
        lat_txn_cancel(look.txn);
        return;
    }
    /* What is desired in a word that nobody knows is not handed on to the instances. */
    while (lat_want_parse(look.workload->desired, &want) &&
           (row = lat_txn_each(look.txn, LAT_INDEX_ALLOCATION_WORKLOAD, workload_id, &cursor))) {
        align(&look, (const struct lat_allocation *)row);
    }
    missing = lat__orch_missing(look.txn, look.workload, NULL, 1) > 0;
    if (look.left == 0 && is_wanted(look.workload->desired, LAT_WANT_REMOVED)) {
        remove_workload(&look);
    } else {
        update_status(&look);
    }
    if (look.changed) {
        commit_look(&look, workload_id);
    } else {
        lat_txn_cancel(look.txn);
    }
    if (missing) {
        lat__evaluator_queue(orch->evaluator, workload_id);
    } else {
        lat_map_remove(orch->waiting, workload_id);
    }
}
