/* Evaluations: one at a time, each places one instance of one workload.
 *
 *   queue ─► frame of the nodes ─► policy (Lua host) ─► choice ─► one transaction: ALLOCATION + EVALUATION
 *     ▲                                                                      │ durable
 *     └── the watcher sees the new allocation; what still lacks one queues again ◄┘
 *
 * The next evaluation starts when the last one's allocation is durable, so that it sees what is reserved. The
 * workload itself may still be with the disk: its row is read as it is staged, and the plan is staged on top of it. All
 * rows are read in one turn and held in the frame, so that a decision sees one state however many turns the policy takes. The
 * plan names the versions of the rows that it rests upon, the workload's and the chosen node's: when one has changed since,
 * the plan is dropped and the workload looked at again. Runs on the state loop. */
#include "orch/orch_internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "sched/sched.h"

#include <stdlib.h>

/* What allocations take of one node. */
struct usage {
    int64_t cpu_milli;
    int64_t memory_bytes;
    int64_t allocations;
};

struct lat__evaluator {
    struct lat_orch *orch;
    struct lat_map *usage;               /* node id -> struct usage, owned */
    struct lat_map *queue;               /* ids of workloads, in order of arrival */
    struct lat_frame *frame;             /* of the decision under way, or NULL */
    const struct lat_workload *workload; /* it is about this one, held */
    bool early;                          /* whose row was not durable when it began */
    char project_name[LAT_NAME_MAX + 1];
    int64_t started_ns;
    struct lat_metric *placed, *blocked, *fallbacks, *seconds;
};

static void start_next(void *arg);

/* ---- what is reserved ---- */

static void add_usage(struct lat__evaluator *evaluator, const struct lat_allocation *allocation,
                      int sign)
{
    struct usage *usage = lat_map_get(evaluator->usage, allocation->node_id);

    if (!usage) {
        usage = LAT_NEW(struct usage);
        lat_map_put(evaluator->usage, allocation->node_id, usage);
    }
    usage->cpu_milli += sign * allocation->cpu_milli;
    usage->memory_bytes += sign * allocation->memory_bytes;
    usage->allocations += sign;
    if (usage->allocations == 0) {
        lat_map_remove(evaluator->usage, allocation->node_id);
        free(usage);
    }
}

void lat__evaluator_count(struct lat__evaluator *evaluator, const struct lat_allocation *before,
                          const struct lat_allocation *after)
{
    /* Add first, so that an allocation that merely changed does not drop its node's sums in between. */
    if (after) {
        add_usage(evaluator, after, 1);
    }
    if (before) {
        add_usage(evaluator, before, -1);
    }
}

static struct lat_frame_use use_of(const struct lat__evaluator *evaluator,
                                   const struct lat_node *node)
{
    const struct usage *usage = lat_map_get(evaluator->usage, node->row.id);
    struct lat_frame_use use = {0};
    const struct lat_row *row;
    void *cursor = NULL;

    if (usage) {
        use.cpu_milli = usage->cpu_milli;
        use.memory_bytes = usage->memory_bytes;
        use.allocations = usage->allocations;
    }
    while ((row = lat_store_each(evaluator->orch->with.store, LAT_INDEX_ALLOCATION_WORKLOAD,
                                 evaluator->workload->row.id, &cursor))) {
        use.instances +=
            lat_text_equal(((const struct lat_allocation *)row)->node_id, node->row.id);
    }
    return use;
}

/* ---- the decision ---- */

static void start_soon(struct lat__evaluator *evaluator)
{
    lat__orch_hold(evaluator->orch);
    lat_loop_defer(evaluator->orch->with.loop, start_next, evaluator);
}

static void finish(struct lat__evaluator *evaluator)
{
    evaluator->frame = lat_frame_free(evaluator->frame);
    if (evaluator->workload) {
        lat_row_unref(&evaluator->workload->row);
        evaluator->workload = NULL;
    }
    evaluator->early = false;
    if (lat_map_count(evaluator->queue) > 0) {
        start_soon(evaluator);
    }
}

static void plan_committed(void *arg, const struct lat_err *err)
{
    struct lat__evaluator *evaluator = arg;

    if (lat__orch_release(evaluator->orch)) {
        return;
    }
    if (err && err->code == LAT_E_CONFLICT) {
        lat__orch_mark(evaluator->orch, evaluator->workload->row.id); /* what it read has changed */
    } else if (err) {
        lat_log(evaluator->orch->with.log, LAT_LOG_WARN, "a placement could not be written",
                LAT_STR("workload", evaluator->workload->row.id), LAT_ERR(err));
        lat__orch_mark_later(evaluator->orch, evaluator->workload->row.id);
    }
    finish(evaluator);
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
                      : lat_trigger_name(evaluator->workload->generation > 1
                                             ? LAT_TRIGGER_WORKLOAD_CHANGED
                                             : LAT_TRIGGER_WORKLOAD_CREATED);
}

static void put_evaluation(struct lat__evaluator *evaluator, struct lat_txn *txn,
                           const char *status, const char *reason, int64_t now)
{
    struct lat_evaluation *evaluation = lat_evaluation_new();
    struct lat_buf receipt = {0};

    lat_frame_receipt(evaluator->frame, &receipt);
    lat_row_set(evaluation->workload_id, evaluator->workload->row.id);
    lat_row_set(evaluation->trigger, trigger_of(evaluator));
    lat_row_set(evaluation->status, status);
    lat_row_set(evaluation->reason, reason);
    lat_row_set(evaluation->receipt, lat_buf_text(&receipt));
    lat_row_set(evaluation->policy, lat_frame_policy(evaluator->frame));
    lat_row_set(evaluation->request_id, evaluator->workload->request_id);
    evaluation->created_at = now;
    lat_txn_put(txn, &evaluation->row);
    lat_buf_done(&receipt);
}

static void put_allocation(const struct lat_workload *workload, const struct lat_node *node,
                           int64_t ordinal, struct lat_txn *txn, int64_t now)
{
    struct lat_allocation *allocation = lat_allocation_new();

    lat_row_set(allocation->workload_id, workload->row.id);
    lat_row_set(allocation->node_id, node->row.id);
    allocation->ordinal = ordinal;
    allocation->generation = 1;
    allocation->spec_generation = workload->generation;
    allocation->restarts = workload->restarts;
    allocation->cpu_milli = workload->cpu_milli;
    allocation->memory_bytes = workload->memory_bytes;
    allocation->disk_bytes = workload->disk_bytes;
    allocation->bandwidth_bps = workload->bandwidth_bps;
    lat_row_set(allocation->host_ports, workload->host_ports);
    lat_row_set(allocation->desired, workload->desired);
    lat_row_set(allocation->status, lat_allocation_state_name(LAT_ALLOCATION_PLACING));
    lat_row_set(allocation->request_id, workload->request_id);
    allocation->created_at = now;
    allocation->updated_at = now;
    lat_txn_put(txn, &allocation->row);
}

/* Stages what was decided. Returns false when there is nothing to write. */
static bool stage_plan(struct lat__evaluator *evaluator, struct lat_txn *txn)
{
    const struct lat_workload *workload = (const struct lat_workload *)lat_txn_get(
        txn, LAT_TABLE_WORKLOAD, evaluator->workload->row.id);
    const struct lat_node *chosen = lat_frame_choose(evaluator->frame);
    int64_t now = lat_clock_wall_ms(lat_loop_clock(evaluator->orch->with.loop));
    int64_t ordinal = workload ? lat__orch_missing_ordinal(txn, workload) : -1;
    struct lat_buf reason = {0};
    bool wrote = false;

    lat_frame_sentence(evaluator->frame, &reason);
    if (ordinal < 0) {
        lat_map_remove(evaluator->orch->waiting, evaluator->workload->row.id);
    } else if (chosen) {
        lat_txn_expect(txn, &evaluator->workload->row);
        lat_txn_expect(txn, &chosen->row);
        put_allocation(workload, chosen, ordinal, txn, now);
        put_evaluation(evaluator, txn, "done", lat_buf_text(&reason), now);
        lat_map_remove(evaluator->orch->waiting, workload->row.id);
        lat_metric_add(evaluator->placed, 1);
        wrote = true;
    } else {
        lat_metric_add(evaluator->blocked, 1);
        wrote = !is_known(txn, workload->row.id, lat_buf_text(&reason));
        if (wrote) {
            put_evaluation(evaluator, txn, "blocked", lat_buf_text(&reason), now);
            lat__orch_mark_later(evaluator->orch, workload->row.id);
        }
        lat_map_put(evaluator->orch->waiting, workload->row.id,
                    (void *)lat_trigger_name(LAT_TRIGGER_WORKLOAD_CHANGED));
    }
    if (wrote) {
        forget_oldest(txn, evaluator->workload->row.id);
    }
    lat_buf_done(&reason);
    return wrote;
}

static void decide(struct lat__evaluator *evaluator)
{
    struct lat_orch *orch = evaluator->orch;
    struct lat_txn *txn = lat_txn_begin(orch->with.store, evaluator->workload->request_id);
    struct lat_err err;

    lat_metric_observe_ns(evaluator->seconds, lat_clock_boot_ns(lat_loop_clock(orch->with.loop)) -
                                                  evaluator->started_ns);
    if (!stage_plan(evaluator, txn)) {
        lat_txn_cancel(txn);
        finish(evaluator);
        return;
    }
    lat__orch_hold(evaluator->orch);
    if (lat_txn_commit(txn, plan_committed, evaluator, &err)) {
        plan_committed(evaluator, &err);
    }
}

static void ask_policy(struct lat__evaluator *evaluator);

static void policy_answered(void *arg, const struct lat_decision *decision)
{
    struct lat__evaluator *evaluator = arg;

    if (lat__orch_release(evaluator->orch)) {
        return;
    }
    if (decision->fallback.code != LAT_OK) {
        lat_metric_add(evaluator->fallbacks, 1);
        lat_log(evaluator->orch->with.log, LAT_LOG_WARN, "the built-in placement decided",
                LAT_STR("workload", evaluator->workload->row.id), LAT_ERR(&decision->fallback));
    }
    lat_frame_answer(evaluator->frame, decision);
    ask_policy(evaluator);
}

static void ask_policy(struct lat__evaluator *evaluator)
{
    struct lat_placement placement;

    if (lat_frame_ask(evaluator->frame, &placement)) {
        lat__orch_hold(evaluator->orch);
        lat_luahost_place(evaluator->orch->with.luahost, &placement, policy_answered, evaluator);
    } else {
        decide(evaluator);
    }
}

/* Takes the next workload that lacks an instance out of the queue, and holds its latest row. */
static const struct lat_workload *take_next(struct lat__evaluator *evaluator)
{
    struct lat_store *store = evaluator->orch->with.store;
    struct lat_txn *txn = lat_txn_begin(store, "");
    const struct lat_workload *found = NULL;
    void *cursor = NULL;
    const char *workload_id;
    void *value;

    while (!found && lat_map_next(evaluator->queue, &cursor, &workload_id, &value)) {
        const struct lat_workload *workload =
            (const struct lat_workload *)lat_txn_get(txn, LAT_TABLE_WORKLOAD, workload_id);

        if (workload && lat__orch_missing_ordinal(txn, workload) >= 0) {
            found = workload;
            lat_row_ref(&found->row);
            evaluator->early = found != lat_store_workload(store, workload_id);
        }
        lat_map_remove(evaluator->queue, workload_id);
    }
    lat_txn_cancel(txn);
    return found;
}

static void start_next(void *arg)
{
    struct lat__evaluator *evaluator = arg;
    struct lat_store *store = evaluator->orch->with.store;
    const struct lat_workload *workload;
    const struct lat_project *project;
    const struct lat_node *node;
    void *cursor = NULL;

    if (lat__orch_release(evaluator->orch) || evaluator->frame) {
        return;
    }
    workload = take_next(evaluator);
    if (!workload) {
        return;
    }
    evaluator->workload = workload;
    evaluator->started_ns = lat_clock_boot_ns(lat_loop_clock(evaluator->orch->with.loop));
    project = lat_store_project(store, workload->project_id);
    lat_text_bound(evaluator->project_name, sizeof(evaluator->project_name),
                   project ? project->name : "");
    evaluator->frame = lat_frame_new(&(struct lat_placement_workload){
        .id = workload->row.id,
        .name = workload->name,
        .project = evaluator->project_name,
        .type = workload->type,
        .count = workload->count,
        .cpu_milli = workload->cpu_milli,
        .memory_bytes = workload->memory_bytes,
        .labels = workload->labels,
    });
    while ((node = lat_store_next_node(store, &cursor))) {
        struct lat_frame_use use = use_of(evaluator, node);

        lat_frame_add(evaluator->frame, node, &use);
    }
    lat_frame_filter(evaluator->frame);
    ask_policy(evaluator);
}

/* ---- life ---- */

/* Tells whether the decision under way is made from the newest row of its workload. */
static bool is_newest(const struct lat__evaluator *evaluator)
{
    struct lat_txn *txn = lat_txn_begin(evaluator->orch->with.store, "");
    const struct lat_row *row = lat_txn_get(txn, LAT_TABLE_WORKLOAD, evaluator->workload->row.id);

    lat_txn_cancel(txn);
    return row == &evaluator->workload->row;
}

void lat__evaluator_queue(struct lat__evaluator *evaluator, const char *workload_id)
{
    if (evaluator->early && lat_text_equal(evaluator->workload->row.id, workload_id)) {
        evaluator->early = false; /* whatever comes next counts */
        if (is_newest(evaluator)) {
            return; /* its commit, most likely */
        }
    }
    lat_map_put(evaluator->queue, workload_id, evaluator);
    if (!evaluator->frame) {
        start_soon(evaluator);
    }
}

void lat__evaluator_unsettle(struct lat__evaluator *evaluator)
{
    evaluator->early = false;
}

struct lat__evaluator *lat__evaluator_new(struct lat_orch *orch)
{
    struct lat__evaluator *evaluator = LAT_NEW(struct lat__evaluator);
    struct lat_metrics *metrics = orch->with.metrics;

    evaluator->orch = orch;
    evaluator->usage = lat_map_new();
    evaluator->queue = lat_map_new();
    evaluator->placed =
        lat_metrics_counter(metrics, "lattice_evaluations_total", "outcome=\"placed\"",
                            "Scheduling decisions by outcome.");
    evaluator->blocked =
        lat_metrics_counter(metrics, "lattice_evaluations_total", "outcome=\"blocked\"",
                            "Scheduling decisions by outcome.");
    evaluator->fallbacks =
        lat_metrics_counter(metrics, "lattice_placement_fallbacks_total", "",
                            "Decisions that the built-in placement had to take.");
    evaluator->seconds = lat_metrics_histogram(metrics, "lattice_evaluation_seconds", "",
                                               "From the start of a decision to its plan.");
    return evaluator;
}

struct lat__evaluator *lat__evaluator_free(struct lat__evaluator *evaluator)
{
    void *cursor = NULL;
    const char *key;
    void *value;

    if (!evaluator) {
        return NULL;
    }
    while (lat_map_next(evaluator->usage, &cursor, &key, &value)) {
        free(value);
    }
    lat_map_free(evaluator->usage);
    lat_map_free(evaluator->queue);
    lat_frame_free(evaluator->frame);
    if (evaluator->workload) {
        lat_row_unref(&evaluator->workload->row);
    }
    free(evaluator);
    return NULL;
}
