/* Evaluations: each places instances of one workload.
 *
 *   queue ─► fleet (the frame of all nodes) ─► plan (core/sched) ⇄ policy ─► one transaction: ALLOCATION rows + EVALUATION
 *     ▲                                                                      │ staged
 *     └── what still lacks an instance queues again ◄────────────────────────┘
 *
 * The workload may still be with the disk: its row is read as it is staged, and the plan is staged on top of it. What is staged is
 * seen by the next evaluation (fleet.c), which so need not wait for the disk; how much is under way is bounded.
 *
 * A policy that is compiled decides at once, all that is missing; one that lives in the Lua host is asked for one instance at a
 * time, and answers after some turns. The frame stands still until then, and only one evaluation is under
 * way; the plan names the versions of the rows that it rests upon, the workload's and the chosen nodes': when one has changed
 * since, the plan is dropped and the workload looked at again. Trials (trial.c) are decided in the same way, in turns with evaluations.
 * Runs on the state loop. */
#include "orch/fleet_internal.h"
#include "orch/orch_internal.h"
#include "orch/trial_internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "sched/plan.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LAT__STAGED_MAX = 16384
}; /* instances that wait for the disk; more are planned when it has taken some */

#define LAT__PLACEMENT "placement" /* name of the policy */

struct lat__evaluator {
    struct lat_orch *orch;
    struct lat__fleet *fleet;
    struct lat_planner *planner;
    struct lat_map *queue;               /* ids of workloads, in order of arrival */
    struct lat_plan *plan;               /* under way, or NULL */
    struct lat_fit *fit;                 /* of its request, or NULL */
    const struct lat_workload *workload; /* it is about this one, held */
    bool early;                          /* whose row was not durable when it began */
    char project_name[LAT_NAME_MAX + 1];
    int64_t started_ns;
    size_t staged;                   /* instances that wait for the disk */
    TAILQ_HEAD(, lat__trial) trials; /* that wait */
    size_t trial_count;              /* of these */
    struct lat__trial *trial;        /* that the plan is of; NULL: an evaluation */
    bool was_trial;                  /* the last plan was; they take turns with evaluations */
    struct lat_metric *placed, *blocked, *fallbacks, *seconds;
};

/* A plan that waits for the disk. */
struct staged_plan {
    struct lat__evaluator *evaluator;
    char workload_id[LAT_ID_SIZE];
    size_t instances;
};

static void finish(struct lat__evaluator *evaluator)
{
    evaluator->plan = lat_plan_free(evaluator->plan);
    evaluator->fit = lat_fit_free(evaluator->fit);
    lat_row_unref(&evaluator->workload->row);
    evaluator->workload = NULL;
    evaluator->early = false;
}

/* ---- trials ---- */

void lat__evaluator_try(struct lat__evaluator *evaluator, struct lat__trial *trial)
{
    struct lat_err err;

    if (evaluator->trial_count == LAT_ORCH_TRIALS_MAX) {
        lat_err_set(&err, LAT_E_BUSY, "Too many dry runs wait already.");
        lat__trial_end(trial, &err);
        lat__trial_free(trial);
        return;
    }
    TAILQ_INSERT_TAIL(&evaluator->trials, trial, link);
    evaluator->trial_count++;
}

void lat__evaluator_cancel_trials(struct lat__evaluator *evaluator)
{
    struct lat__trial *trial;
    struct lat_err err;

    lat_err_set(&err, LAT_E_CANCELLED, "The console stops.");
    if (evaluator->trial) {
        lat__trial_end(evaluator->trial, &err); /* its plan may be with the policy */
    }
    while ((trial = TAILQ_FIRST(&evaluator->trials))) {
        TAILQ_REMOVE(&evaluator->trials, trial, link);
        lat__trial_end(trial, &err);
        lat__trial_free(trial);
    }
    evaluator->trial_count = 0;
}

/* Takes the next trial, if it is its turn. */
static bool take_trial(struct lat__evaluator *evaluator, bool may_evaluate)
{
    struct lat__trial *trial = TAILQ_FIRST(&evaluator->trials);

    evaluator->was_trial = trial && !(may_evaluate && evaluator->was_trial);
    if (!evaluator->was_trial) {
        return false;
    }
    TAILQ_REMOVE(&evaluator->trials, trial, link);
    evaluator->trial_count--;
    evaluator->trial = trial;
    evaluator->workload = trial->workload;
    lat_row_ref(&trial->workload->row);
    return true;
}

/* Decides where the rest of a trial's instances would go, as far as one plan says. LAT_E_POLICY as decide() does. */
static int decide_trial(struct lat__evaluator *evaluator, struct lat_err *err)
{
    struct lat__trial *trial = evaluator->trial;
    size_t stood = trial->placed;
    size_t placed = 0;
    bool has_more;
    int rc = lat_plan_place(evaluator->plan, (size_t)trial->workload->count - stood, &placed, err);

    if (rc != 0) {
        return rc;
    }
    has_more = lat__trial_note(trial, evaluator->plan, evaluator->fleet, placed);
    finish(evaluator);
    lat__trial_count(trial, stood, -1, lat__fleet_frame(evaluator->fleet));
    evaluator->trial = NULL;
    if (has_more) {
        TAILQ_INSERT_TAIL(&evaluator->trials, trial, link);
        evaluator->trial_count++;
    } else {
        lat__trial_end(trial, NULL);
        lat__trial_free(trial);
    }
    return 0;
}

/* ---- evaluations ---- */

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
                      : lat_trigger_name(evaluator->workload->generation > 1
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

static void put_allocation(const struct lat_workload *workload, const struct lat_node *node,
                           int64_t ordinal, char *gpus, struct lat_txn *txn, int64_t now)
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
    lat_row_take(allocation->gpus, gpus);
    lat_row_set(allocation->desired, workload->desired);
    lat_row_set(allocation->status, lat_allocation_state_name(LAT_ALLOCATION_PLACING));
    lat_row_set(allocation->request_id, workload->request_id);
    allocation->created_at = now;
    allocation->updated_at = now;
    lat_txn_put(txn, &allocation->row);
}

/* Puts the allocations of a plan; each of them rests upon the node as it is. */
static void put_allocations(struct lat__evaluator *evaluator, struct lat_txn *txn,
                            const struct lat_workload *workload, const int64_t *ordinals,
                            size_t count, int64_t now)
{
    const struct lat_frame *frame = lat__fleet_frame(evaluator->fleet);
    const uint32_t *rows = lat_plan_rows(evaluator->plan);

    lat_txn_expect(txn, &evaluator->workload->row);
    for (size_t i = 0; i < count; i++) {
        const struct lat_node *node = lat_frame_node(frame, rows[i]);

        lat_txn_expect(txn, &node->row);
        put_allocation(workload, node, ordinals[i],
                       lat__fleet_devices(evaluator->fleet, workload, rows[i]), txn, now);
    }
}

/* Stages what was placed of what is missing. Returns false when there is nothing to write. */
static bool stage_plan(struct lat__evaluator *evaluator, struct lat_txn *txn,
                       const struct lat_workload *workload, const int64_t *ordinals, size_t placed)
{
    int64_t now = lat_clock_wall_ms(lat_loop_clock(evaluator->orch->with.loop));
    struct lat_buf reason = {0};
    bool wrote = true;

    lat_plan_sentence(evaluator->plan, &reason);
    if (placed > 0) {
        put_allocations(evaluator, txn, workload, ordinals, placed, now);
        put_evaluation(evaluator, txn, "done", lat_buf_text(&reason), now);
        lat_map_remove(evaluator->orch->waiting, workload->row.id);
        lat_metric_add(evaluator->placed, (int64_t)placed);
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
        forget_oldest(txn, workload->row.id);
    }
    lat_buf_done(&reason);
    return wrote;
}

/* Stages the plan. What it left missing is evaluated next; of one that is refused at once everything is, later. */
static void commit_plan(struct lat__evaluator *evaluator, struct lat_txn *txn, size_t placed,
                        bool is_partial)
{
    struct staged_plan *staged = LAT_NEW(struct staged_plan);
    struct lat_err err;

    staged->evaluator = evaluator;
    staged->instances = placed;
    lat_text_bound(staged->workload_id, sizeof(staged->workload_id), evaluator->workload->row.id);
    finish(evaluator);
    if (lat_txn_commit(txn, plan_committed, staged, &err)) {
        plan_failed(evaluator, staged->workload_id, &err);
        free(staged);
        return;
    }
    evaluator->staged += placed;
    lat__orch_hold(evaluator->orch);
    if (is_partial) {
        lat_map_put(evaluator->queue, staged->workload_id, evaluator);
    }
}

/* Places what is missing now, and stages that. LAT_E_POLICY, and the plan is still under way, when its program fails. */
static int decide_evaluation(struct lat__evaluator *evaluator, struct lat_err *err)
{
    struct lat_orch *orch = evaluator->orch;
    struct lat_txn *txn = lat_txn_begin(orch->with.store, evaluator->workload->request_id);
    const struct lat_workload *workload = (const struct lat_workload *)lat_txn_get(
        txn, LAT_TABLE_WORKLOAD, evaluator->workload->row.id);
    int64_t ordinals[LAT_PLAN_INSTANCES_MAX];
    size_t missing =
        workload ? lat__orch_missing(txn, workload, ordinals, LAT_PLAN_INSTANCES_MAX) : 0;
    size_t placed = 0;
    int rc = missing > 0 ? lat_plan_place(evaluator->plan, missing, &placed, err) : 0;

    if (rc != 0) {
        lat_txn_cancel(txn);
        return rc;
    }
    lat_metric_observe_ns(evaluator->seconds, lat_clock_boot_ns(lat_loop_clock(orch->with.loop)) -
                                                  evaluator->started_ns);
    if (missing == 0) { /* while the policy was asked */
        lat_map_remove(orch->waiting, evaluator->workload->row.id);
    } else if (stage_plan(evaluator, txn, workload, ordinals, placed)) {
        commit_plan(evaluator, txn, placed, placed > 0 && placed < missing);
        return 0;
    }
    lat_txn_cancel(txn);
    finish(evaluator);
    return 0;
}

static int decide(struct lat__evaluator *evaluator, struct lat_err *err)
{
    return evaluator->trial ? decide_trial(evaluator, err) : decide_evaluation(evaluator, err);
}

/* ---- asking the policy ---- */

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
    lat_plan_answer(evaluator->plan, decision);
    ask_policy(evaluator);
    lat__evaluator_run(evaluator);
}

/* Asks about the nodes that are left, or decides when there are none. */
static void ask_policy(struct lat__evaluator *evaluator)
{
    struct lat_placement placement;

    if (lat_plan_ask(evaluator->plan, &placement)) {
        lat__orch_hold(evaluator->orch);
        lat_luahost_place(evaluator->orch->with.luahost, &placement, policy_answered, evaluator);
    } else {
        struct lat_err err;

        LAT_ASSERT(decide(evaluator, &err) == 0); /* no program has a part in it */
    }
}

/* Decides at once by the program of the policy in force. Returns false when there is none, or it fails: then its rows are asked for. */
static bool decide_now(struct lat__evaluator *evaluator)
{
    struct lat_orch *orch = evaluator->orch;
    char policy[LAT_DECISION_POLICY_MAX];
    int64_t revision = 0;
    struct lat_program *program =
        lat_luahost_program(orch->with.luahost, LAT__PLACEMENT, &revision);
    struct lat_err err;

    if (!program) {
        return false;
    }
    snprintf(policy, sizeof(policy), LAT__PLACEMENT " %lld", (long long)revision);
    if (lat_plan_judge(evaluator->plan, program, policy, &err) == 0 &&
        decide(evaluator, &err) == 0) {
        return true;
    }
    lat_log(orch->with.log, LAT_LOG_WARN, "a compiled policy failed",
            LAT_STR("workload", evaluator->workload->row.id), LAT_STR("policy", policy),
            LAT_ERR(&err));
    return false;
}

/* ---- the queue ---- */

/* Takes the next workload that lacks an instance out of the queue, and holds its latest row. */
static const struct lat_workload *take_next(struct lat__evaluator *evaluator, struct lat_txn *txn)
{
    const struct lat_workload *found = NULL;
    void *cursor = NULL;
    const char *workload_id;
    void *value;

    while (!found && lat_map_next(evaluator->queue, &cursor, &workload_id, &value)) {
        const struct lat_workload *workload =
            (const struct lat_workload *)lat_txn_get(txn, LAT_TABLE_WORKLOAD, workload_id);

        if (workload && lat__orch_missing(txn, workload, NULL, 1) > 0) {
            found = workload;
            lat_row_ref(&found->row);
            evaluator->early =
                found != lat_store_workload(evaluator->orch->with.store, workload_id);
        }
        lat_map_remove(evaluator->queue, workload_id);
    }
    return found;
}

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

/* Begins the plan of the workload that was taken: the frame as it is now, and where its instances are. */
static void begin_plan(struct lat__evaluator *evaluator, struct lat_txn *txn)
{
    const struct lat_workload *workload = evaluator->workload;
    const struct lat_project *project =
        lat_store_project(evaluator->orch->with.store, workload->project_id);
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
    evaluator->plan = lat_plan_new(evaluator->planner,
                                   &(struct lat_request){
                                       .workload = workload,
                                       .project = evaluator->project_name,
                                       .need = lat_need_of_workload(workload),
                                       .fit = evaluator->fit,
                                   },
                                   seed_of(workload->row.id));
    while ((row = lat_txn_each(txn, LAT_INDEX_ALLOCATION_WORKLOAD, workload->row.id, &cursor))) {
        lat_plan_stands(evaluator->plan, ((const struct lat_allocation *)row)->node_id);
    }
    if (evaluator->trial) {
        lat__trial_stand(evaluator->trial, evaluator->plan);
    }
}

/* Tells whether workloads may be evaluated: some wait, and not too much is with the disk. */
static bool may_evaluate(const struct lat__evaluator *evaluator)
{
    return evaluator->staged < LAT__STAGED_MAX && lat_map_count(evaluator->queue) > 0;
}

void lat__evaluator_run(struct lat__evaluator *evaluator)
{
    while (!evaluator->plan && (may_evaluate(evaluator) || !TAILQ_EMPTY(&evaluator->trials))) {
        struct lat_txn *txn = lat_txn_begin(evaluator->orch->with.store, "");

        if (!take_trial(evaluator, may_evaluate(evaluator))) {
            evaluator->workload = take_next(evaluator, txn);
        }
        if (evaluator->workload) {
            evaluator->started_ns = lat_clock_boot_ns(lat_loop_clock(evaluator->orch->with.loop));
            begin_plan(evaluator, txn);
        }
        lat_txn_cancel(txn);
        if (evaluator->workload && !decide_now(evaluator)) {
            ask_policy(evaluator);
        }
    }
}

void lat__evaluator_settle(struct lat__evaluator *evaluator)
{
    if (!evaluator->plan) {
        struct lat_txn *txn = lat_txn_begin(evaluator->orch->with.store, "");

        lat__fleet_refresh(evaluator->fleet, txn);
        lat_txn_cancel(txn);
    }
}

struct lat__fleet *lat__evaluator_fleet(struct lat__evaluator *evaluator)
{
    return evaluator->fleet;
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
    if (evaluator->plan && evaluator->early &&
        lat_text_equal(evaluator->workload->row.id, workload_id)) {
        evaluator->early = false; /* whatever comes next counts */
        if (is_newest(evaluator)) {
            return; /* its commit, most likely */
        }
    }
    lat_map_put(evaluator->queue, workload_id, evaluator);
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
    evaluator->fleet = lat__fleet_new(orch->with.store, orch->with.log);
    evaluator->planner = lat_planner_new(lat__fleet_frame(evaluator->fleet));
    evaluator->queue = lat_map_new();
    TAILQ_INIT(&evaluator->trials);
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
    if (!evaluator) {
        return NULL;
    }
    LAT_ASSERT(TAILQ_EMPTY(&evaluator->trials));
    lat_map_free(evaluator->queue);
    lat_plan_free(evaluator->plan);
    lat__trial_free(evaluator->trial);
    lat_fit_free(evaluator->fit);
    lat_planner_free(evaluator->planner);
    lat__fleet_free(evaluator->fleet);
    if (evaluator->workload) {
        lat_row_unref(&evaluator->workload->row);
    }
    free(evaluator);
    return NULL;
}
