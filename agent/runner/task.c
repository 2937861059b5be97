/* Tasks: containers that run to their end once.
 *
 *   new order ─► journal: a run is open (durable) ─► start ─► runs ─► ended with 0 ──────────────► finished: completed
 *                      ▲                                         └─► otherwise ─► retries left? ─► finished: failed
 *                      └───────────────── waits, then the next run ◄──────────────────┘ yes
 *
 * What was done must not be done twice: so the journal holds that a run is open before the engine hears of it, and everything else follows from
 * what the engine says. A container that stands still and was started since then has ended, whoever saw it: also while the agent or the engine was
 * down. One that was started and is gone without its end having been seen is not run again, because nobody knows how far it came. What a
 * console says is finished is so, even where this agent's journal was lost.
 *
 * Another container or another restart is a new order, and begins with no runs. So is an assignment of a console that knows of the end of the
 * order there is, and wants it run again all the same: the generation of that end tells it from one that was ordered since. */
#include "agent/runner/runner_internal.h"

#include <stdio.h>

/* Tells whether the engine's container was started for the run that is open. */
static bool is_of_this_run(const struct lat__allocation *allocation)
{
    return allocation->engine.started_at != 0 &&
           allocation->engine.started_at != allocation->run.after;
}

/* Tells whether `run` speaks of the order that is wanted. It does not where the console knows that the order has come to its end, which a
 * journal that could not be written then may not, and gives it anew. */
static bool is_of_this_order(const struct lat__allocation *allocation)
{
    const struct lat__run *run = &allocation->run;
    const struct lat__assignment *wanted = &allocation->wanted;

    return run->digest == wanted->spec_digest && run->restarts == wanted->restarts &&
           (wanted->ended == 0 || run->since > wanted->ended);
}

/* Begins with no runs when the order is another one than that of which `run` speaks. */
static void follow_order(struct lat__allocation *allocation)
{
    struct lat__run *run = &allocation->run;
    const struct lat__assignment *wanted = &allocation->wanted;
    bool same = is_of_this_order(allocation);

    if (wanted->finished && !(same && run->finished)) {
        /* The journal that knew was lost. */
        *run = (struct lat__run){
            .finished = true, .exit_status = wanted->exit_status, .lost = wanted->exit_status < 0};
    } else if (run->digest == 0 && allocation->engine.container[0] != '\0') {
        /* So it was; but there is a container: it was made for this order, or will be made anew. */
        *run = (struct lat__run){.since = wanted->generation, .open = true, .seen = true};
    } else if (!same) {
        *run =
            (struct lat__run){.since = wanted->generation, .after = allocation->engine.started_at};
    }
    run->digest = wanted->spec_digest;
    run->restarts = wanted->restarts;
}

/* Says how a finished task ended. */
static enum lat_allocation_state describe_end(const struct lat__run *run, char *ret_reason,
                                              size_t size)
{
    ret_reason[0] = '\0';
    if (run->lost) {
        snprintf(ret_reason, size,
                 "nobody saw how it ended, and its container is gone; it is not run again");
    } else if (run->exit_status == 0) {
        return LAT_ALLOCATION_COMPLETED;
    } else if (run->out_of_memory) {
        snprintf(ret_reason, size, "it used more memory than it may and was killed");
    } else if (run->failures > 1) {
        snprintf(ret_reason, size, "it ended with status %lld, the last of %lld runs",
                 (long long)run->exit_status, (long long)run->failures);
    } else {
        snprintf(ret_reason, size, "it ended with status %lld", (long long)run->exit_status);
    }
    return LAT_ALLOCATION_FAILED;
}

bool lat__task_has_ended(const struct lat__allocation *allocation)
{
    return allocation->wanted.task && allocation->run.finished && is_of_this_order(allocation);
}

void lat__task_recall(struct lat__allocation *allocation)
{
    if (allocation->wanted.task && allocation->wanted.finished) {
        follow_order(allocation);
    }
    if (lat__task_has_ended(allocation)) {
        allocation->status =
            describe_end(&allocation->run, allocation->reason, sizeof(allocation->reason));
    } else if (allocation->wanted.task && allocation->run.finished) {
        allocation->status = LAT_ALLOCATION_PLACING; /* what is known is of another order */
        allocation->reason[0] = '\0';
    }
}

static void say_end(struct lat__allocation *allocation)
{
    char reason[LAT_ERR_SENTENCE_MAX];
    enum lat_allocation_state status = describe_end(&allocation->run, reason, sizeof(reason));

    lat__report(allocation, status, "%s", reason);
}

bool lat__task_rests(struct lat__allocation *allocation)
{
    if (!lat__task_has_ended(allocation)) {
        return false;
    }
    say_end(allocation);
    return true;
}

/* The open run has ended: with success, for good, or until the next one. */
static void end_run(struct lat__allocation *allocation)
{
    struct lat__run *run = &allocation->run;
    const struct lat_driver_status *engine = &allocation->engine;

    lat_metric_add(allocation->runner->exits, 1);
    run->open = false;
    run->after = engine->started_at;
    run->exit_status = engine->exit_status;
    run->out_of_memory = engine->out_of_memory;
    run->failures += engine->exit_status != 0;
    run->finished = engine->exit_status == 0 || run->failures > allocation->wanted.retries;
    if (run->finished) {
        say_end(allocation);
    } else {
        lat__report(allocation, LAT_ALLOCATION_FAILED,
                    "it ended with status %lld; run %lld of %lld starts in %lld s",
                    (long long)engine->exit_status, (long long)run->failures + 1,
                    (long long)allocation->wanted.retries + 1,
                    ((long long)allocation->retry_ms + 999) / 1000);
        lat__try_later(allocation);
    }
    lat__journal_write(allocation);
}

static void lose_run(struct lat__allocation *allocation)
{
    allocation->run.open = false;
    allocation->run.finished = true;
    allocation->run.lost = true;
    say_end(allocation);
    lat__journal_write(allocation);
}

static void open_run(struct lat__allocation *allocation)
{
    allocation->run.open = true;
    allocation->run.seen = false;
    allocation->operation = LAT__JOURNALLING;
    lat__report(allocation, LAT_ALLOCATION_STARTING, "%s", "");
    lat__journal_write(allocation);
}

void lat__task_written(struct lat__allocation *allocation)
{
    if (allocation->operation != LAT__JOURNALLING) {
        return;
    }
    allocation->operation = LAT__NOTHING;
    if (allocation->dirty) {
        allocation->dirty = false;
        lat_runner_container(allocation->runner, allocation->id);
    } else if (allocation->journal_failed && allocation->wanted.desired == LAT_WANT_RUNNING) {
        allocation->run.open = false;
        lat__report(allocation, LAT_ALLOCATION_FAILED,
                    "the node's journal cannot be written, without which no task is begun");
        lat__try_later(allocation);
    } else {
        lat__converge(allocation);
    }
}

void lat__task_stopped(struct lat__allocation *allocation)
{
    if (allocation->wanted.task && !allocation->run.finished) {
        allocation->run.digest = allocation->wanted.spec_digest;
        allocation->run.restarts = allocation->wanted.restarts;
        allocation->run.open = false;
        allocation->run.after = allocation->engine.started_at;
        lat__journal_write(allocation);
    }
}

void lat__task_started(struct lat__allocation *allocation)
{
    allocation->run.seen = true;
    lat__journal_write(allocation);
}

/* The agent ended before the journal had that the open run was started: the engine knows it. */
static void make_up_for_start(struct lat__allocation *allocation)
{
    allocation->starts++;
    lat__task_started(allocation);
}

enum lat__step lat__task_step(struct lat__allocation *allocation)
{
    struct lat__run *run = &allocation->run;
    const struct lat_driver_status *engine = &allocation->engine;

    follow_order(allocation);
    if (run->finished) {
        say_end(allocation);
        return LAT__STEP_NOTHING;
    }
    if (!run->open) {
        open_run(allocation);
        return LAT__STEP_NOTHING;
    }
    if (engine->container[0] == '\0') {
        if (!run->seen) {
            return LAT__STEP_START;
        }
        lose_run(allocation);
        return LAT__STEP_NOTHING;
    }
    if (engine->spec_digest != allocation->wanted.spec_digest) {
        return LAT__STEP_START; /* it is made anew */
    }
    if (!run->seen && is_of_this_run(allocation)) {
        make_up_for_start(allocation);
    }
    if (engine->running) {
        return is_of_this_run(allocation) ? LAT__STEP_WATCH : LAT__STEP_RESTART;
    }
    if (!is_of_this_run(allocation)) {
        return LAT__STEP_START;
    }
    end_run(allocation);
    return LAT__STEP_NOTHING;
}
