/* What is done to a container that is there: stop it, start it again, look at it, measure it, read its log, run a command
 * within it. Each finds its container first. Runs on the loop's thread. */
#include "agent/driver/docker/internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>

static struct lat__op *op_new(void)
{
    return LAT_NEW(struct lat__op);
}

/* Ends op when nothing was found; returns whether it did. */
static bool ends_here(struct lat__op *op, const struct lat_err *err)
{
    struct lat_err none;

    if (err == NULL && op->container.id[0] == '\0') {
        lat_err_set(&none, LAT_E_NOT_FOUND, "This allocation has no container on this node.");
        (void)lat_err_hint(&none, "It was not made yet, or is gone: `lattice show NAME` says why.");
        err = &none;
    }
    if (err != NULL) {
        lat__op_fail(op, err);
        return true;
    }
    return false;
}

/* Ends op with err; a container that is gone is forgotten. */
static void fail(struct lat__op *op, const struct lat_err *err)
{
    if (err->code == LAT_E_NOT_FOUND) {
        lat__forget(op->driver, op->allocation);
    }
    lat__op_fail(op, err);
}

/* ---- stop ---- */

static void on_stopped(void *arg, const cJSON *reply, const struct lat_err *err)
{
    struct lat__op *op = arg;

    (void)reply;
    if (err == NULL || err->code == LAT_E_NOT_FOUND) {
        lat__op_done(op);
    } else {
        lat__op_fail(op, err);
    }
}

static void stop_found(struct lat__op *op, const struct lat_err *err)
{
    if (err != NULL) {
        lat__op_fail(op, err);
    } else if (op->container.id[0] == '\0') {
        lat__op_done(op);
    } else {
        lat__op_post(op, "stop", on_stopped);
    }
}

void lat__docker_stop(struct lat_driver *driver, const char *allocation, lat_driver_done_fn *done,
                      void *arg)
{
    struct lat__op *op = op_new();

    op->kind = LAT__TELL_DONE;
    op->tell.done = done;
    op->arg = arg;
    lat__op_begin(op, driver, allocation);
    lat__op_find(op, stop_found);
}

/* ---- restart ---- */

static void on_restarted(void *arg, const cJSON *reply, const struct lat_err *err)
{
    (void)reply;
    if (err != NULL) {
        lat__start_failed(arg);
        fail(arg, err);
    } else {
        lat__op_inspect(arg);
    }
}

static void restart_found(struct lat__op *op, const struct lat_err *err)
{
    if (!ends_here(op, err)) {
        lat__start_expect(op);
        lat__op_post(op, "restart", on_restarted);
    }
}

void lat__docker_restart(struct lat_driver *driver, const char *allocation,
                         lat_driver_status_fn *done, void *arg)
{
    struct lat__op *op = op_new();

    op->kind = LAT__TELL_STATUS;
    op->tell.status = done;
    op->arg = arg;
    lat__op_begin(op, driver, allocation);
    lat__op_find(op, restart_found);
}

/* ---- inspect ---- */

static void inspect_found(struct lat__op *op, const struct lat_err *err)
{
    if (!ends_here(op, err)) {
        lat__op_inspect(op);
    }
}

void lat__docker_inspect(struct lat_driver *driver, const char *allocation,
                         lat_driver_status_fn *done, void *arg)
{
    struct lat__op *op = op_new();

    op->kind = LAT__TELL_STATUS;
    op->tell.status = done;
    op->arg = arg;
    lat__op_begin(op, driver, allocation);
    lat__op_find(op, inspect_found);
}

/* ---- exec ---- */

struct exec {
    struct lat__op op;
    const char **command; /* owned with its texts; ends with NULL */
    int64_t timeout_ms;
};

static void exec_release(struct lat__op *op)
{
    struct exec *exec = LAT_CONTAINER(op, struct exec, op);

    for (const char **word = exec->command; *word != NULL; word++) {
        free((char *)(uintptr_t)*word);
    }
    free(exec->command);
}

static void on_executed(void *arg, int64_t exit_status, const char *output,
                        const struct lat_err *err)
{
    struct lat__op *op = arg;
    lat_driver_exec_fn *done = op->tell.exec;
    void *owner = op->arg;

    if (err != NULL) {
        fail(op, err);
    } else {
        lat__op_free(op);
        done(owner, exit_status, output, NULL);
    }
}

static void exec_found(struct lat__op *op, const struct lat_err *err)
{
    struct exec *exec = LAT_CONTAINER(op, struct exec, op);

    if (!ends_here(op, err)) {
        lat_docker_exec(op->driver->docker, op->container.id, exec->command, exec->timeout_ms,
                        LAT__EXEC_OUTPUT_MAX, on_executed, op);
    }
}

void lat__docker_exec(struct lat_driver *driver, const char *allocation, const char *const *command,
                      int64_t timeout_ms, lat_driver_exec_fn *done, void *arg)
{
    struct exec *exec = LAT_NEW(struct exec);
    size_t count = 0;

    while (command[count] != NULL) {
        count++;
    }
    exec->command = lat_alloc_array(count + 1, sizeof(*exec->command));
    for (size_t i = 0; i < count; i++) {
        exec->command[i] = lat_text_copy(command[i]);
    }
    exec->timeout_ms = timeout_ms;
    exec->op.release = exec_release;
    exec->op.kind = LAT__TELL_EXEC;
    exec->op.tell.exec = done;
    exec->op.arg = arg;
    lat__op_begin(&exec->op, driver, allocation);
    lat__op_find(&exec->op, exec_found);
}

/* ---- logs ---- */

struct reading {
    struct lat__op op;
    struct lat_docker_log log;
    char container[LAT_CONTAINER_ID_SIZE]; /* "": whichever there is */
    char since[LAT_DRIVER_SINCE_SIZE];
};

static void on_logs(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct lat__op *op = arg;
    lat_driver_logs_fn *done = op->tell.logs;
    void *owner = op->arg;

    if (err != NULL) {
        fail(op, err);
    } else {
        lat__op_free(op);
        done(owner, stream, NULL);
    }
}

static void logs_found(struct lat__op *op, const struct lat_err *err)
{
    struct reading *reading = LAT_CONTAINER(op, struct reading, op);
    struct lat_err another;

    if (ends_here(op, err)) {
        return;
    }
    if (reading->container[0] != '\0' && !lat_text_equal(reading->container, op->container.id)) {
        lat_err_set(&another, LAT_E_NOT_FOUND, "The allocation has another container now.");
        lat__op_fail(op, &another);
        return;
    }
    lat_docker_logs(op->driver->docker, op->container.id, &reading->log, on_logs, op);
}

void lat__docker_logs(struct lat_driver *driver, const char *allocation,
                      const struct lat_driver_log *log, lat_driver_logs_fn *done, void *arg)
{
    struct reading *reading = LAT_NEW(struct reading);

    lat_text_bound(reading->container, sizeof(reading->container), log->container);
    lat_text_bound(reading->since, sizeof(reading->since), log->since);
    reading->log = (struct lat_docker_log){.follow = log->follow,
                                           .tail = log->tail,
                                           .timestamps = log->timestamps,
                                           .since = reading->since};
    reading->op.kind = LAT__TELL_LOGS;
    reading->op.tell.logs = done;
    reading->op.arg = arg;
    lat__op_begin(&reading->op, driver, allocation);
    lat__op_find(&reading->op, logs_found);
}

/* ---- stats ---- */

struct measuring {
    struct lat__op op;
    bool at_once;
};

static void on_measured(void *arg, const struct lat_docker_stats *measured,
                        const struct lat_err *err)
{
    struct lat__op *op = arg;
    lat_driver_stats_fn *done = op->tell.stats;
    void *owner = op->arg;
    int64_t machine_bytes = op->driver->machine_memory_bytes;
    struct lat_driver_stats stats;

    if (err != NULL) {
        fail(op, err);
        return;
    }
    stats = (struct lat_driver_stats){
        .cpu_percent = measured->cpu_percent,
        .memory_bytes = measured->memory_bytes,
        /* The engine gives the machine's memory as the limit of a container that has none. */
        .memory_limit_bytes = machine_bytes > 0 && measured->memory_limit_bytes >= machine_bytes
                                  ? 0
                                  : measured->memory_limit_bytes,
        .network_rx_bytes = measured->network_rx_bytes,
        .network_tx_bytes = measured->network_tx_bytes,
        .block_read_bytes = measured->block_read_bytes,
        .block_written_bytes = measured->block_written_bytes,
        .cpu_ns = measured->cpu_ns,
        .pids = measured->pids,
    };
    lat__op_free(op);
    done(owner, &stats, NULL);
}

static void stats_found(struct lat__op *op, const struct lat_err *err)
{
    if (!ends_here(op, err)) {
        lat_docker_stats(op->driver->docker, op->container.id,
                         LAT_CONTAINER(op, struct measuring, op)->at_once, on_measured, op);
    }
}

void lat__docker_stats(struct lat_driver *driver, const char *allocation, bool at_once,
                       lat_driver_stats_fn *done, void *arg)
{
    struct measuring *measuring = LAT_NEW(struct measuring);

    measuring->at_once = at_once;
    measuring->op.kind = LAT__TELL_STATS;
    measuring->op.tell.stats = done;
    measuring->op.arg = arg;
    lat__op_begin(&measuring->op, driver, allocation);
    lat__op_find(&measuring->op, stats_found);
}
