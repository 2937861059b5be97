/* Evaluations: each places instances of one workload.
 *
 *   queue ─► fleet (the frame of all nodes) ─► plan (core/sched) ⇄ policy ─► one transaction: ALLOCATION rows + EVALUATION
 *     ▲                                                                      │ staged
 *     └── what still lacks an instance queues again ◄────────────────────────┘
 *
 * The workload may still be with the disk: its row is read as it is staged, and the plan is staged on top of it. What is staged is
 * seen by the next evaluation (fleet.c), which so need not wait for the disk; how much is under way is bounded.
 *
 * A policy that is compiled decides at once, and so does the built-in placement where there is none; one that lives in the Lua host is
 * asked about all rows, and again about those that an instance has changed or opened (core/sched/ask.c), and answers after some turns. The
 * frame stands still until then, and only one evaluation is under way; the plan names the versions of the rows that it rests upon, the
 * workload's and the chosen nodes': when one has changed
 * since, the plan is dropped and the workload looked at again. Trials (trial.c) are decided in the same way, in turns with evaluations.
 * Runs on the state loop. */
#include "orch/evaluate_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LAT__STAGED_MAX = 16384
}; /* instances that wait for the disk; more are planned when it has taken some */

#define LAT__PLACEMENT "placement" /* name of the policy */

void lat__evaluator_finish(struct lat__evaluator *evaluator)
{
    evaluator->plan = lat_plan_free(evaluator->plan);
    evaluator->fit = lat_fit_free(evaluator->fit);
    lat_row_unref(&evaluator->workload->row);
    evaluator->workload = NULL;
    evaluator->early = false;
}

static int decide(struct lat__evaluator *evaluator, struct lat_err *err)
{
    return evaluator->trial ? lat__evaluator_tell(evaluator, err)
                            : lat__evaluator_stage(evaluator, err);
}

/* ---- asking the policy ---- */

static void ask_policy(struct lat__evaluator *evaluator);

/* Decides by what a policy elsewhere has answered: no program has a part in that, so it cannot fail. */
static void decide_answered(struct lat__evaluator *evaluator)
{
    struct lat_err err;

    LAT_ASSERT(decide(evaluator, &err) == 0);
}

/* Has the built-in placement decide, because the policy in force does not. */
static void fall_back(struct lat__evaluator *evaluator, const struct lat_err *why)
{
    struct lat_err err;

    lat_metric_add(evaluator->fallbacks, 1);
    lat_log(evaluator->orch->with.log, LAT_LOG_WARN, "the built-in placement decided",
            LAT_STR("workload", evaluator->workload->row.id), LAT_ERR(why));
    lat_plan_fall_back(evaluator->plan, why);
    LAT_ASSERT(lat_plan_judge(evaluator->plan, evaluator->builtin, "built-in", &err) == 0 &&
               decide(evaluator, &err) == 0);
}

static void name_policy(int64_t revision, char ret_policy[LAT_DECISION_POLICY_MAX])
{
    snprintf(ret_policy, LAT_DECISION_POLICY_MAX, LAT__PLACEMENT " %lld", (long long)revision);
}

/* Where the policy fails after its first answer, or another one is in force by then, what was placed stands; what is left is evaluated next. */
static void policy_answered(void *arg, struct lat_decision *decision, const struct lat_err *err)
{
    struct lat__evaluator *evaluator = arg;
    char policy[LAT_DECISION_POLICY_MAX];

    if (lat__orch_release(evaluator->orch)) {
        lat_decision_free(decision);
        return;
    }
    if (decision && evaluator->asked_revision == 0) {
        evaluator->asked_revision = decision->revision;
    }
    if (decision && decision->revision == evaluator->asked_revision) {
        name_policy(decision->revision, policy);
        lat_plan_answer(evaluator->plan, decision, policy);
        ask_policy(evaluator);
    } else if (evaluator->asked_revision == 0) {
        fall_back(evaluator, err);
    } else {
        lat_decision_free(decision);
        decide_answered(evaluator);
    }
    lat__evaluator_run(evaluator);
}

/* Asks about the rows that are to be asked about now, or decides when there are none. */
static void ask_policy(struct lat__evaluator *evaluator)
{
    struct lat_plan_question question;

    if (evaluator->wanted > 0 && lat_plan_ask(evaluator->plan, evaluator->wanted, &question)) {
        lat__orch_hold(evaluator->orch);
        lat_luahost_rows(evaluator->orch->with.luahost, question.columns, question.record,
                         question.among, policy_answered, evaluator);
    } else {
        decide_answered(evaluator);
    }
}

static void begin_asking(struct lat__evaluator *evaluator)
{
    evaluator->asked_revision = 0;
    ask_policy(evaluator);
}

/* Decides at once by the program of the policy in force, or by the built-in one where there is none. Returns false when that policy is not
 * compiled, or its program fails: then its rows are asked for. */
static bool decide_now(struct lat__evaluator *evaluator)
{
    struct lat_orch *orch = evaluator->orch;
    char policy[LAT_DECISION_POLICY_MAX];
    int64_t revision = 0;
    struct lat_program *program =
        lat_luahost_program(orch->with.luahost, LAT__PLACEMENT, &revision);
    struct lat_err err;

    if (revision == 0) {
        lat_err_set(&err, LAT_E_NOT_FOUND, "No placement policy is in force.");
        fall_back(evaluator, &err);
        return true;
    }
    if (!program) {
        return false;
    }
    name_policy(revision, policy);
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

void lat__evaluator_again(struct lat__evaluator *evaluator, const char *workload_id, int64_t from)
{
    lat_map_put(evaluator->queue, workload_id, (void *)(uintptr_t)(from + 1));
}

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
        evaluator->from = (int64_t)(uintptr_t)value - 1;
        lat_map_remove(evaluator->queue, workload_id);
    }
    return found;
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

        if (!lat__evaluator_take_trial(evaluator, may_evaluate(evaluator))) {
            evaluator->workload = take_next(evaluator, txn);
        }
        if (evaluator->workload) {
            evaluator->started_ns = lat_clock_boot_ns(lat_loop_clock(evaluator->orch->with.loop));
            lat__evaluator_begin(evaluator, txn);
        }
        lat_txn_cancel(txn);
        if (evaluator->workload && !decide_now(evaluator)) {
            begin_asking(evaluator);
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
    lat__evaluator_again(evaluator, workload_id, 0);
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
    evaluator->builtin = lat_program_builtin();
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
    free(evaluator->home_rows);
    lat_plan_free(evaluator->plan);
    lat__trial_free(evaluator->trial);
    lat_fit_free(evaluator->fit);
    lat_planner_free(evaluator->planner);
    lat_program_unref(evaluator->builtin);
    lat__fleet_free(evaluator->fleet);
    if (evaluator->workload) {
        lat_row_unref(&evaluator->workload->row);
    }
    free(evaluator);
    return NULL;
}
