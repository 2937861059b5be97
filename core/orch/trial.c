/* Trials: evaluations that change nothing.
 *
 * A trial is decided by the evaluator as any workload is: same frame, same rules, same policy. What would be placed is reserved in the
 * frame while the rest of it is decided, and given back before anything else is: a decision of a policy that is not compiled is about
 * LAT_PLAN_ASKED_MAX instances at the most, and between two of them real evaluations have their turn. So a trial of a thousand instances
 * delays no deploy by more than one decision. Runs on the state loop. */
#include "orch/evaluate_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>

struct lat__trial *lat__trial_new(struct lat_workload *workload, lat_trial_fn *fn, void *arg)
{
    struct lat__trial *trial = LAT_NEW(struct lat__trial);

    trial->workload = workload;
    trial->instances = lat_alloc_array((size_t)workload->count + 1, sizeof(*trial->instances));
    trial->fn = fn;
    trial->arg = arg;
    return trial;
}

struct lat__trial *lat__trial_free(struct lat__trial *trial)
{
    if (trial) {
        LAT_ASSERT(!trial->fn);
        for (size_t i = 0; i < trial->placed; i++) {
            lat_row_unref(&trial->instances[i]->row);
        }
        free(trial->instances);
        free(trial->reason);
        free(trial->receipt);
        free(trial->policy);
        lat_row_unref(&trial->workload->row);
        free(trial);
    }
    return NULL;
}

static void tell(struct lat__trial *trial, lat_trial_fn *fn)
{
    const char **nodes = lat_alloc_array(trial->placed + 1, sizeof(*nodes));

    for (size_t i = 0; i < trial->placed; i++) {
        nodes[i] = trial->instances[i]->node_id;
    }
    fn(trial->arg,
       &(struct lat_trial){
           .wanted = trial->wanted,
           .placed = trial->placed,
           .nodes = nodes,
           .reason = trial->reason ? trial->reason : "",
           .receipt = trial->receipt ? trial->receipt : "",
           .policy = trial->policy ? trial->policy : "",
       },
       NULL);
    free(nodes);
}

void lat__trial_end(struct lat__trial *trial, const struct lat_err *err)
{
    lat_trial_fn *fn = trial->fn;

    trial->fn = NULL;
    if (fn && err) {
        fn(trial->arg, NULL, err);
    } else if (fn) {
        tell(trial, fn);
    }
}

void lat__trial_count(const struct lat__trial *trial, size_t count, int64_t times,
                      struct lat_frame *frame)
{
    struct lat_need need = lat_need_of_workload(trial->workload);

    for (size_t i = 0; i < count; i++) {
        const struct lat_allocation *instance = trial->instances[i];

        if (times > 0) {
            lat_frame_reserve(frame, instance->node_id, &need);
        } else {
            lat_frame_release(frame, instance->node_id, &need);
        }
        lat_frame_claim(frame, instance, times);
    }
}

void lat__trial_stand(const struct lat__trial *trial, struct lat_plan *plan)
{
    for (size_t i = 0; i < trial->placed; i++) {
        lat_plan_stands(plan, trial->instances[i]->node_id);
    }
}

/* Returns an instance of a plan as it would stand on its node; owned. */
static struct lat_allocation *make_instance(const struct lat__trial *trial,
                                            const struct lat_plan *plan,
                                            const struct lat_frame *frame, size_t number,
                                            int64_t ordinal)
{
    struct lat_allocation *instance = lat_allocation_new();

    lat_row_set(instance->node_id, lat_frame_node(frame, lat_plan_rows(plan)[number])->row.id);
    lat_row_set(instance->host_ports, trial->workload->host_ports);
    lat_row_set(instance->gpus, lat_plan_gpus(plan, number));
    instance->ordinal = ordinal;
    return instance;
}

/* Takes in what a plan came to. */
static void note(struct lat__trial *trial, struct lat_plan *plan, const struct lat_frame *frame,
                 const struct lat__outcome *outcome)
{
    if (outcome->placed == 0 || trial->placed == 0) { /* the first decision, or the last */
        struct lat_buf receipt = {0};
        struct lat_buf reason = {0};

        lat_plan_receipt(plan, &receipt);
        lat_plan_sentence(plan, &reason);
        free(trial->receipt);
        free(trial->reason);
        trial->receipt = lat_buf_take_text(&receipt);
        trial->reason = lat_buf_take_text(&reason);
        lat_text_replace(&trial->policy, lat_plan_policy(plan));
    }
    for (size_t i = 0; i < outcome->placed; i++) {
        trial->instances[trial->placed++] =
            make_instance(trial, plan, frame, i, outcome->ordinals[i]);
    }
}

/* ---- taking turns with evaluations ---- */

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

bool lat__evaluator_take_trial(struct lat__evaluator *evaluator, bool may_evaluate)
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
    evaluator->from = trial->from;
    lat_row_ref(&trial->workload->row);
    return true;
}

int lat__evaluator_tell(struct lat__evaluator *evaluator, struct lat_err *err)
{
    struct lat_txn *txn = lat_txn_begin(evaluator->orch->with.store, "");
    struct lat__trial *trial = evaluator->trial;
    size_t stood = trial->placed;
    struct lat__outcome outcome;
    int rc = lat__evaluator_place(evaluator, txn, trial->workload, &outcome, err);

    lat_txn_cancel(txn);
    if (rc != 0) {
        return rc;
    }
    if (outcome.missing > 0 && !outcome.is_open) {
        note(trial, evaluator->plan, lat__fleet_frame(evaluator->fleet), &outcome);
    }
    trial->from = outcome.is_open ? evaluator->ordinal + 1 : 0;
    lat__evaluator_finish(evaluator);
    lat__trial_count(trial, stood, -1, lat__fleet_frame(evaluator->fleet));
    evaluator->trial = NULL;
    if (outcome.is_open || outcome.is_partial) {
        TAILQ_INSERT_TAIL(&evaluator->trials, trial, link);
        evaluator->trial_count++;
    } else {
        lat__trial_end(trial, NULL);
        lat__trial_free(trial);
    }
    return 0;
}
