/* What agents tell, into the store.
 *
 * Of an allocation: status, reason, observed and the generation that they speak of, and only forward: not for an older generation
 * than the last one observed, not against the transition table. Where an inventory speaks of a newer generation than was
 * ever assigned, this console's rows are older than what its node has seen: they come from a backup. Then the allocation gets a
 * generation above that, so that the node takes orders again. What did not change is not written; what changed nothing but
 * the progress of a pull is written twice a second at most (the next one brings it up to date).
 *
 * All reports of a batch are one transaction. It is idempotent, so that it is simply tried again when the disk fails; meanwhile
 * nothing further is taken from that link. Runs on the state loop. */
#include "internal.h"

#include "base/text.h"
#include "model/spec.h"

#include <stdlib.h>

/* The disk's free space moves all the time: written when it moved by a hundredth of the disk. */
enum { DISK_STEPS = 100 };

/* Tells whether what the node says may still be told on, to the log and to the history: a node that lies all day must not fill the disk. */
static bool may_tell(struct lat__session *session)
{
    int64_t now = lat_clock_boot_ms(lat_loop_clock(session->dispatch->with.loop));
    if (session->told == 0 || now - session->told_since_ms >= LAT__TOLD_MS) {
        session->told_since_ms = now;
        session->told = 0;
    }
    if (session->told == LAT__TOLD_MAX)
        return false;
    session->told++;
    return true;
}

static const struct lat_node *node_of(struct lat__session *session, struct lat_txn *txn)
{
    const struct lat_node *row =
        (const struct lat_node *)lat_txn_get(txn, LAT_TABLE_NODE, session->node_id);
    bool shut_out = !row || lat_text_equal(row->status, lat_node_state_name(LAT_NODE_REVOKED));
    return shut_out ? NULL : row;
}

/* ---- allocations ---- */

/* Prints observed without its progress; owned. */
static char *without_progress(const char *observed)
{
    cJSON *json = *observed ? cJSON_Parse(observed) : NULL;
    if (!json)
        return lat_text_copy("");
    cJSON_DeleteItemFromObjectCaseSensitive(json, "progress");
    char *text = lat_json_print(json);
    cJSON_Delete(json);
    return text;
}

static bool only_progress_differs(const char *a, const char *b)
{
    char *x = without_progress(a);
    char *y = without_progress(b);
    bool same = lat_text_equal(x, y);
    free(x);
    free(y);
    return same;
}

static void note_unknown(struct lat__session *session, const struct lat__report *report)
{
    struct lat_dispatch *dispatch = session->dispatch;
    if (report->status == LAT_ALLOCATION_REMOVED ||
        lat_map_get(session->unknown, report->allocation))
        return;
    lat_metric_add(dispatch->unknown, 1);
    if (!may_tell(session))
        return;
    lat_map_put(session->unknown, report->allocation, session);
    lat_log(dispatch->with.log, LAT_LOG_WARN,
            "a node keeps an allocation that this console does not know",
            LAT_STR("node", session->node_id), LAT_STR("allocation", report->allocation),
            LAT_STR("status", lat_allocation_state_name(report->status)));
}

/* Tells whether a report of this row may be written: it is not older than what was seen, and the step is in the table. */
static bool is_step(struct lat__session *session, const struct lat_allocation *row,
                    const struct lat__report *report)
{
    enum lat_allocation_state from;
    if (report->generation < row->observed_generation || report->generation > row->generation)
        return false;
    if (!lat_allocation_state_parse(row->status, &from)) /* a damaged row: the node knows better */
        return true;
    if (lat_allocation_may_move(from, report->status))
        return true;
    if (may_tell(session))
        lat_log(session->dispatch->with.log, LAT_LOG_WARN,
                "an impossible step of an allocation was ignored",
                LAT_STR("allocation", row->row.id), LAT_STR("from", row->status),
                LAT_STR("to", lat_allocation_state_name(report->status)));
    return false;
}

static bool is_change(const struct lat_allocation *row, const struct lat__report *report,
                      int64_t now)
{
    if (report->generation != row->observed_generation ||
        !lat_text_equal(row->status, lat_allocation_state_name(report->status)) ||
        !lat_text_equal(row->reason, report->reason))
        return true;
    if (lat_text_equal(row->observed, report->observed))
        return false;
    int64_t since = now - row->updated_at;
    return since < 0 || since >= LAT_DISPATCH_PROGRESS_MS ||
           !only_progress_differs(row->observed, report->observed);
}

/* Raises the generation past that of the node; what is wanted stays as it is. */
static bool overtake(struct lat__session *session, struct lat_txn *txn,
                     const struct lat_allocation *row, const struct lat__report *report)
{
    if (may_tell(session))
        lat_log(session->dispatch->with.log, LAT_LOG_WARN,
                "a node has seen newer orders than this console knows, which may come from a "
                "backup; they are given anew",
                LAT_STR("node", session->node_id), LAT_STR("allocation", row->row.id),
                LAT_INT("generation", row->generation), LAT_INT("seen", report->generation));
    struct lat_allocation *edited = lat_allocation_edit(row);
    edited->generation = report->generation + 1;
    edited->updated_at = lat__dispatch_now_ms(session->dispatch);
    lat_txn_put(txn, &edited->row);
    return true;
}

/* Tells whether a report says the end of a task: of one, and in a state that is one. */
static bool is_end(struct lat_txn *txn, const struct lat_allocation *row,
                   const struct lat__report *report)
{
    const struct lat_workload *workload =
        (const struct lat_workload *)lat_txn_get(txn, LAT_TABLE_WORKLOAD, row->workload_id);
    return report->finished && report->generation == row->generation &&
           (report->status == LAT_ALLOCATION_COMPLETED ||
            report->status == LAT_ALLOCATION_FAILED) &&
           workload && lat_text_equal(workload->kind, lat_workload_kind_name(LAT_RUN_TASK));
}

/* The volumes of an instance went with it: whoever is placed next does not look for them there until the node tells anew what it keeps. */
static void forget_data(struct lat__session *session, struct lat_txn *txn,
                        const struct lat_allocation *allocation)
{
    const struct lat_node *node = node_of(session, txn);
    char *told =
        lat_text_format("%s/%lld", allocation->workload_id, (long long)allocation->ordinal);
    cJSON *volumes = node && *node->volumes ? cJSON_Parse(node->volumes) : NULL;
    cJSON *volume;

    cJSON_ArrayForEach (volume, volumes) {
        if (lat_text_equal(cJSON_GetStringValue(volume), told))
            break;
    }
    if (volume) {
        struct lat_node *edited = lat_node_edit(node);
        cJSON_Delete(cJSON_DetachItemViaPointer(volumes, volume));
        lat_row_take(edited->volumes, lat_json_print(volumes));
        lat_txn_put(txn, &edited->row);
    }
    cJSON_Delete(volumes);
    free(told);
}

static bool apply_observed(struct lat__session *session, struct lat_txn *txn,
                           const struct lat__report *report)
{
    int64_t now = lat__dispatch_now_ms(session->dispatch);
    const struct lat_allocation *row =
        (const struct lat_allocation *)lat_txn_get(txn, LAT_TABLE_ALLOCATION, report->allocation);
    if (!row || !lat_text_equal(row->node_id, session->node_id)) {
        note_unknown(session, report);
        return false;
    }
    if (report->inventory && report->generation > row->generation &&
        report->generation < LAT__GENERATION_MAX)
        return overtake(session, txn, row, report);
    if (!is_step(session, row, report) || !is_change(row, report, now))
        return false;
    struct lat_allocation *edited = lat_allocation_edit(row);
    lat_row_set(edited->status, lat_allocation_state_name(report->status));
    lat_row_set(edited->reason, report->reason);
    lat_row_set(edited->observed, report->observed);
    edited->observed_generation = report->generation;
    /* What had ended has, while it is cleared away. */
    edited->finished =
        is_end(txn, row, report) ||
        (row->finished && lat_text_equal(row->desired, lat_want_name(LAT_WANT_REMOVED)));
    edited->updated_at = now;
    lat_txn_put(txn, &edited->row);
    if (report->status == LAT_ALLOCATION_REMOVED && !row->keep_data)
        forget_data(session, txn, row);
    return true;
}

/* ---- nodes ---- */

static void tell(struct lat_dispatch *dispatch, const struct lat_node *node, int64_t at)
{
    lat_log(dispatch->with.log, LAT_LOG_INFO, "a node's state changed",
            LAT_STR("node", node->row.id), LAT_STR("name", node->name),
            LAT_STR("status", node->status), LAT_STR("reason", node->reason));
    if (dispatch->with.history)
        lat_history_add(dispatch->with.history, node->row.id, node->status, node->reason, "", at);
}

/* Merges the agent's labels over those that are there, as long as there is room for them; owned. */
static char *merge_labels(const char *there, const char *told)
{
    cJSON *merged = *there ? cJSON_Parse(there) : cJSON_CreateObject();
    cJSON *labels = *told ? cJSON_Parse(told) : NULL;
    const cJSON *label;
    int count = cJSON_GetArraySize(merged);
    cJSON_ArrayForEach (label, labels) {
        bool is_new = !lat_json_get(merged, label->string);
        if (is_new && count >= LAT_LABELS_MAX)
            continue;
        count += is_new;
        cJSON_DeleteItemFromObjectCaseSensitive(merged, label->string);
        cJSON_AddItemToObject(merged, label->string, cJSON_Duplicate(label, true));
    }
    char *text = merged ? lat_json_print(merged) : lat_text_copy(there);
    cJSON_Delete(merged);
    cJSON_Delete(labels);
    return text;
}

static bool disk_moved(int64_t from, int64_t to, int64_t size)
{
    return from != to && llabs(from - to) >= size / DISK_STEPS;
}

static void fill_node(struct lat_node *node, const struct lat__report *report)
{
    bool down = *report->engine_version == '\0';
    lat_row_set(node->status, lat_node_state_name(down ? LAT_NODE_ENGINE_DOWN : LAT_NODE_READY));
    lat_row_set(node->reason, down ? report->reason : "");
    lat_row_set(node->architecture, report->architecture);
    lat_row_set(node->os, report->os);
    lat_row_set(node->engine_version, report->engine_version);
    lat_row_set(node->agent_version, report->agent_version);
    node->cpu_milli = report->cpu_milli;
    node->memory_bytes = report->memory_bytes;
    node->disk_bytes = report->disk_bytes;
    node->bandwidth_bps = report->bandwidth_bps;
    node->on_battery = report->on_battery;
    lat_row_set(node->gpus, report->gpus);
    if (!down) { /* what only the engine knows is as it was */
        lat_row_set(node->attributes, report->attributes);
        lat_row_set(node->images, report->images);
        lat_row_set(node->volumes, report->volumes);
    }
    if (disk_moved(node->disk_free_bytes, report->disk_free_bytes, report->disk_bytes))
        node->disk_free_bytes = report->disk_free_bytes;
    if (*report->labels) {
        char *labels = merge_labels(node->labels, report->labels);
        lat_row_set(node->labels, labels);
        free(labels);
    }
}

static bool apply_node(struct lat__session *session, struct lat_txn *txn,
                       const struct lat__report *report)
{
    int64_t now = lat__dispatch_now_ms(session->dispatch);
    const struct lat_node *row = node_of(session, txn);
    if (!row)
        return false;
    struct lat_node *edited = lat_node_edit(row);
    fill_node(edited, report);
    if (lat_row_same(&row->row, &edited->row)) {
        lat_row_unref(&edited->row);
        return false;
    }
    if (!lat_text_equal(row->status, edited->status)) {
        edited->seen_at = now;
        if (may_tell(session))
            tell(session->dispatch, edited, now);
    }
    lat_txn_put(txn, &edited->row);
    return true;
}

static bool apply_disk(struct lat__session *session, struct lat_txn *txn,
                       const struct lat__report *report)
{
    const struct lat_node *row = node_of(session, txn);
    if (!row || !disk_moved(row->disk_free_bytes, report->disk_free_bytes, row->disk_bytes))
        return false;
    struct lat_node *edited = lat_node_edit(row);
    edited->disk_free_bytes = report->disk_free_bytes;
    lat_txn_put(txn, &edited->row);
    return true;
}

/* ---- batches ---- */

static bool apply(struct lat__session *session, struct lat_txn *txn,
                  const struct lat__report *report)
{
    switch (report->kind) {
    case LAT__REPORT_NODE: return apply_node(session, txn, report);
    case LAT__REPORT_OBSERVED: return apply_observed(session, txn, report);
    case LAT__REPORT_DISK: return apply_disk(session, txn, report);
    case LAT__REPORT_SAMPLES: return false; /* the history has them */
    }
    return false;
}

static void taken(struct lat__session *session)
{
    lat__reports_done(&session->reports);
    session->failing = false;
    if (session->line)
        lat__line_taken(session->line);
}

static void failed(struct lat__session *session, const struct lat_err *err)
{
    if (!session->failing)
        lat_log(session->dispatch->with.log, LAT_LOG_WARN,
                "what a node told could not be written; it will be tried again",
                LAT_STR("node", session->node_id), LAT_ERR(err));
    session->failing = true;
    if (session->line)
        lat_timer_start(&session->retry, LAT__RETRY_MS, 0);
}

static void committed(void *arg, const struct lat_err *err)
{
    struct lat__session *session = arg;
    struct lat_dispatch *dispatch = session->dispatch;
    session->committing = false;
    if (err)
        failed(session, err);
    else
        taken(session);
    lat__session_maybe_free(session);
    dispatch->commits--;
    lat__dispatch_maybe_finish(dispatch);
}

static const char *request_of(const struct lat__reports *reports)
{
    for (size_t i = 0; i < reports->count; i++) {
        if (reports->items[i].request_id && *reports->items[i].request_id)
            return reports->items[i].request_id;
    }
    return "";
}

void lat__observe(struct lat__session *session)
{
    struct lat_dispatch *dispatch = session->dispatch;
    struct lat_txn *txn = lat_txn_begin(dispatch->with.store, request_of(&session->reports));
    bool changed = false;
    for (size_t i = 0; i < session->reports.count; i++)
        changed |= apply(session, txn, &session->reports.items[i]);
    if (!changed) {
        lat_txn_cancel(txn);
        taken(session);
        return;
    }
    struct lat_err err;
    if (lat_txn_commit(txn, committed, session, &err) < 0) {
        failed(session, &err);
        return;
    }
    session->committing = true;
    dispatch->commits++;
}

static void lost_committed(void *arg, const struct lat_err *err)
{
    struct lat_dispatch *dispatch = arg;
    if (err)
        lat_log(dispatch->with.log, LAT_LOG_WARN,
                "a lost node could not be marked; it will be tried again", LAT_ERR(err));
    dispatch->commits--;
    lat__dispatch_maybe_finish(dispatch);
}

void lat__observe_lost(struct lat_dispatch *dispatch, const char *node_id, const char *reason)
{
    int64_t now = lat__dispatch_now_ms(dispatch);
    struct lat_txn *txn = lat_txn_begin(dispatch->with.store, "");
    const struct lat_node *row = (const struct lat_node *)lat_txn_get(txn, LAT_TABLE_NODE, node_id);
    if (!row || !(lat_text_equal(row->status, lat_node_state_name(LAT_NODE_READY)) ||
                  lat_text_equal(row->status, lat_node_state_name(LAT_NODE_ENGINE_DOWN)))) {
        lat_txn_cancel(txn);
        return;
    }
    struct lat_node *edited = lat_node_edit(row);
    lat_row_set(edited->status, lat_node_state_name(LAT_NODE_UNREACHABLE));
    lat_row_set(edited->reason, reason);
    edited->seen_at = now;
    tell(dispatch, edited, now);
    lat_txn_put(txn, &edited->row);
    struct lat_err err;
    dispatch->commits++;
    if (lat_txn_commit(txn, lost_committed, dispatch, &err) < 0)
        lost_committed(dispatch, &err);
}
