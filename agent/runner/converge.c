/* One allocation, step by step, towards what is wanted.
 *
 *   wanted     engine                      step
 *   running    no container, other digest  start (pull, create, start)
 *   running    stands still                start again, after a wait that doubles
 *   running    runs, restart asked for     restart
 *   running    runs                        probe its health
 *   stopped    runs                        stop
 *   removed    anything                    remove, tell, forget
 *
 * What a task, which is to run only once, needs instead where `running` is wanted says task.c.
 *
 * At most one operation is under way; what happens meanwhile is looked at when it ends. What the engine says wins over
 * what was believed. Without the engine nothing is done, and nothing is taken back. */
#include "agent/runner/runner_internal.h"

#include <stdio.h>
#include <string.h>

static int64_t now_ms(const struct lat__allocation *allocation)
{
    return lat_clock_boot_ms(lat_loop_clock(allocation->runner->with.loop));
}

void lat__try_later(struct lat__allocation *allocation)
{
    lat_timer_start(&allocation->retry, allocation->retry_ms, 0);
    allocation->retry_ms = allocation->retry_ms * 2 < LAT_RUNNER_RETRY_MAX_MS
                               ? allocation->retry_ms * 2
                               : LAT_RUNNER_RETRY_MAX_MS;
}

/* ---- health ---- */

static void health_changed(void *arg, bool healthy, const char *reason)
{
    struct lat__allocation *allocation = arg;

    allocation->healthy = healthy;
    if (healthy) {
        lat__report(allocation, LAT_ALLOCATION_RUNNING, "healthy");
    } else {
        lat__report(allocation, LAT_ALLOCATION_UNHEALTHY, "%s", reason);
    }
    lat__journal_write(allocation);
}

static void watch_health(struct lat__allocation *allocation)
{
    const cJSON *check = lat_json_get(allocation->wanted.container, "health");

    if (allocation->health) {
        return;
    }
    if (!check) {
        int64_t left_ms = allocation->started_ms + allocation->prove_ms - now_ms(allocation);

        if (left_ms > 0) {
            /* One that ends again and again is never said to run in between. */
            lat__report(allocation, LAT_ALLOCATION_STARTING,
                        "waiting whether it goes on this time");
            lat_timer_start(&allocation->retry, left_ms, 0);
        } else {
            lat__report(allocation, LAT_ALLOCATION_RUNNING, "%s", "");
        }
        return;
    }
    if (allocation->healthy) {
        lat__report(allocation, LAT_ALLOCATION_RUNNING, "healthy");
    } else {
        lat__report(allocation, LAT_ALLOCATION_STARTING, "waiting until it is healthy");
    }
    allocation->health =
        lat_health_start(allocation->runner->healths, allocation->id, check, &allocation->engine,
                         allocation->healthy, health_changed, allocation);
}

static void forget_health(struct lat__allocation *allocation)
{
    allocation->health = lat_health_stop(allocation->health);
    allocation->healthy = false;
}

/* ---- what the engine said ---- */

static void say_exit(struct lat__allocation *allocation)
{
    const struct lat_driver_status *engine = &allocation->engine;
    long long wait_s = (allocation->retry_ms + 999) / 1000;

    lat_metric_add(allocation->runner->exits, 1);
    if (engine->out_of_memory) {
        lat__report(allocation, LAT_ALLOCATION_FAILED,
                    "it used more memory than it may and was killed; starts again in %lld s",
                    wait_s);
    } else {
        lat__report(allocation, LAT_ALLOCATION_FAILED,
                    "it ended by itself with status %lld; starts again in %lld s",
                    (long long)engine->exit_status, wait_s);
    }
}

void lat__converge_seen(struct lat__allocation *allocation, const struct lat_driver_status *status)
{
    bool ran = allocation->engine.running;

    allocation->known = true;
    allocation->engine = *status;
    if (!status->running) {
        forget_health(allocation);
        if (ran && allocation->wanted.desired == LAT_WANT_RUNNING && !allocation->wanted.task) {
            if (now_ms(allocation) - allocation->started_ms >= LAT_RUNNER_STABLE_MS) {
                allocation->retry_ms = LAT_RUNNER_RETRY_MIN_MS;
            }
            say_exit(allocation);
            allocation->prove_ms = allocation->retry_ms < LAT_RUNNER_PROVE_MAX_MS
                                       ? allocation->retry_ms
                                       : LAT_RUNNER_PROVE_MAX_MS;
            lat__try_later(allocation);
        }
    }
}

/* ---- operations ---- */

static void begin(struct lat__allocation *allocation, enum lat__operation operation)
{
    forget_health(allocation);
    allocation->operation = operation;
    allocation->operation_generation = allocation->wanted.generation;
}

static void operation_ended(struct lat__allocation *allocation)
{
    allocation->operation = LAT__NOTHING;
    allocation->progress[0] = '\0';
    if (allocation->dirty) {
        allocation->dirty = false;
        lat_runner_container(allocation->runner, allocation->id);
    } else {
        lat__converge(allocation);
    }
}

static void failed(struct lat__allocation *allocation, const struct lat_err *err)
{
    if (err->code == LAT_E_CANCELLED) {
        return; /* by us, because something else is wanted now */
    }
    lat_metric_add(allocation->runner->failures, 1);
    lat_log(allocation->runner->with.log, LAT_LOG_WARN, "an operation failed",
            LAT_STR("request_id", allocation->wanted.request_id),
            LAT_STR("allocation", allocation->id), LAT_ERR(err));
    if (err->code == LAT_E_ENGINE_DOWN) {
        allocation->known = false;
        return; /* goes on when the engine is back */
    }
    if (allocation->operation_generation != allocation->wanted.generation) {
        return; /* it was for an older assignment: says nothing of this one */
    }
    lat__report(allocation, LAT_ALLOCATION_FAILED, "%s", err->sentence);
    allocation->hopeless = err->code == LAT_E_NOT_ALLOWED || err->code == LAT_E_INVALID_FIELD;
    if (!allocation->hopeless) {
        lat__try_later(allocation);
    }
}

static void progressed(void *arg, const char *phase, const char *text)
{
    struct lat__allocation *allocation = arg;
    bool pulling = lat_text_equal(phase, "pulling");

    if (allocation->wanted.desired != LAT_WANT_RUNNING) {
        return;
    }
    lat_text_bound(allocation->progress, sizeof(allocation->progress), text);
    if (allocation->status != (pulling ? LAT_ALLOCATION_PULLING : LAT_ALLOCATION_STARTING)) {
        lat__report(allocation, pulling ? LAT_ALLOCATION_PULLING : LAT_ALLOCATION_STARTING,
                    pulling ? "pulling %s" : "starting",
                    lat_json_text(allocation->wanted.container, "image", "its image"));
    } else if (now_ms(allocation) - allocation->progress_at_ms >= LAT_RUNNER_PROGRESS_MS) {
        allocation->progress_at_ms = now_ms(allocation);
        lat__report_again(allocation);
    }
}

static void started(void *arg, const struct lat_driver_status *status, const struct lat_err *err)
{
    struct lat__allocation *allocation = arg;

    if (err) {
        failed(allocation, err);
    } else {
        allocation->starts++;
        allocation->started_ms = now_ms(allocation);
        allocation->restarts_done = allocation->operation_restarts;
        lat_metric_add(allocation->runner->starts, 1);
        allocation->engine.running = true; /* one that stands still by now has ended by itself */
        lat__converge_seen(allocation, status);
        if (allocation->wanted.task) {
            lat__task_started(allocation);
        }
    }
    operation_ended(allocation);
}

/* Finds the devices of an assignment among those that this node offers. A console that names another gets none: whoever could name any
 * device of a node would have the node. */
static int find_devices(const struct lat__allocation *allocation,
                        const struct lat_device **ret_devices, size_t *ret_count,
                        struct lat_err *err)
{
    const struct lat_runner_options *with = &allocation->runner->with;
    const cJSON *id;
    size_t count = 0;

    cJSON_ArrayForEach (id, allocation->wanted.devices) {
        const struct lat_device *device = cJSON_IsString(id) && with->find_device
                                              ? with->find_device(with->arg, id->valuestring)
                                              : NULL;

        if (!device || count == LAT_GPUS_MAX) {
            return lat_err_set(err, LAT_E_UNAVAILABLE,
                               "This node does not offer the device %.120s.",
                               cJSON_IsString(id) ? id->valuestring : "");
        }
        ret_devices[count++] = device;
    }
    *ret_count = count;
    return 0;
}

static void start(struct lat__allocation *allocation)
{
    const struct lat__assignment *wanted = &allocation->wanted;
    const struct lat_device *devices[LAT_GPUS_MAX];
    struct lat_driver_task task = {
        .allocation = allocation->id,
        .workload = wanted->workload,
        .workload_name = wanted->workload_name,
        .project = wanted->project,
        .project_name = wanted->project_name,
        .request_id = wanted->request_id,
        .ordinal = wanted->ordinal,
        .spec_digest = wanted->spec_digest,
        .container = wanted->container,
        .runtime = wanted->runtime ? wanted->runtime : "",
        .devices = devices,
    };
    struct lat_err err;

    begin(allocation, LAT__STARTING);
    if (find_devices(allocation, devices, &task.device_count, &err)) {
        failed(allocation, &err);
        allocation->operation = LAT__NOTHING;
        return;
    }
    allocation->operation_restarts = wanted->restarts;
    allocation->operation_digest = wanted->spec_digest;
    allocation->runner->driver->class->start(allocation->runner->driver, &task, progressed, started,
                                             allocation);
}

static void restart(struct lat__allocation *allocation)
{
    begin(allocation, LAT__RESTARTING);
    allocation->operation_restarts = allocation->wanted.restarts;
    lat__report(allocation, LAT_ALLOCATION_STARTING, "restarting");
    allocation->runner->driver->class->restart(allocation->runner->driver, allocation->id, started,
                                               allocation);
}

static void stopped(void *arg, const struct lat_err *err)
{
    struct lat__allocation *allocation = arg;

    if (err) {
        failed(allocation, err);
    } else {
        allocation->engine.running = false;
        lat__task_stopped(allocation);
    }
    operation_ended(allocation);
}

static void stop(struct lat__allocation *allocation)
{
    begin(allocation, LAT__STOPPING);
    lat__report(allocation, LAT_ALLOCATION_STOPPING, "%s", "");
    allocation->runner->driver->class->stop(allocation->runner->driver, allocation->id, stopped,
                                            allocation);
}

static void removed(void *arg, const struct lat_err *err)
{
    struct lat__allocation *allocation = arg;

    if (err) {
        failed(allocation, err);
        operation_ended(allocation);
        return;
    }
    allocation->operation = LAT__NOTHING;
    allocation->engine = (struct lat_driver_status){0};
    lat_timer_stop(&allocation->retry);
    lat__journal_remove(allocation);
}

void lat__converge_forgotten(struct lat__allocation *allocation)
{
    struct lat_runner *runner = allocation->runner;

    if (allocation->wanted.desired != LAT_WANT_REMOVED && !runner->stopped) {
        allocation->known = false; /* the console has changed its mind meanwhile: begin anew */
        allocation->restarts_done = allocation->wanted.restarts;
        lat__journal_write(allocation);
        lat__converge(allocation);
        return;
    }
    lat__report(allocation, LAT_ALLOCATION_REMOVED, "%s", "");
    lat_log(runner->with.log, LAT_LOG_INFO, "removed",
            LAT_STR("request_id", allocation->wanted.request_id),
            LAT_STR("allocation", allocation->id));
    lat_map_remove(runner->allocations, allocation->id);
    lat__allocation_free(allocation);
}

static void remove_container(struct lat__allocation *allocation)
{
    begin(allocation, LAT__REMOVING);
    lat__report(allocation, LAT_ALLOCATION_STOPPING, "being removed");
    allocation->runner->driver->class->remove(allocation->runner->driver, allocation->id,
                                              allocation->wanted.keep_data, removed, allocation);
}

/* ---- the step ---- */

static void watch(struct lat__allocation *allocation)
{
    if (allocation->health) {
        lat__report_again(allocation);
    } else {
        watch_health(allocation);
    }
}

static void converge_task(struct lat__allocation *allocation)
{
    switch (lat__task_step(allocation)) {
    case LAT__STEP_NOTHING: break;
    case LAT__STEP_START: start(allocation); break;
    case LAT__STEP_RESTART: restart(allocation); break;
    case LAT__STEP_WATCH: watch(allocation); break;
    }
}

static void converge_running(struct lat__allocation *allocation)
{
    const struct lat_driver_status *engine = &allocation->engine;

    if (!allocation->wanted.container) {
        lat__report(allocation, LAT_ALLOCATION_FAILED, "the console never said what to run");
        allocation->hopeless = true;
    } else if (allocation->wanted.task) {
        converge_task(allocation);
    } else if (!engine->running || engine->spec_digest != allocation->wanted.spec_digest) {
        start(allocation);
    } else if (allocation->restarts_done != allocation->wanted.restarts) {
        restart(allocation);
    } else {
        watch(allocation);
    }
}

void lat__converge(struct lat__allocation *allocation)
{
    struct lat_runner *runner = allocation->runner;

    if (allocation->operation != LAT__NOTHING || runner->stopped || allocation->gone) {
        return;
    }
    if (!runner->engine_up) {
        allocation->health = lat_health_stop(allocation->health);
        if (!lat__task_has_ended(allocation)) {
            lat__report(allocation, allocation->status, "%s", runner->engine_err.sentence);
        }
        return;
    }
    if (!allocation->known) {
        if (runner->surveyed) {
            lat_runner_container(runner, allocation->id);
        }
        return; /* the survey that is under way ends here again */
    }
    if (allocation->hopeless || lat_timer_running(&allocation->retry)) {
        lat__report_again(allocation);
        return;
    }
    switch (allocation->wanted.desired) {
    case LAT_WANT_REMOVED: remove_container(allocation); break;
    case LAT_WANT_STOPPED:
        if (allocation->engine.running) {
            stop(allocation);
        } else if (!lat__task_rests(allocation)) {
            allocation->restarts_done = allocation->wanted.restarts;
            lat__report(allocation, LAT_ALLOCATION_STOPPED, "%s", "");
        }
        break;
    default: converge_running(allocation);
    }
}
