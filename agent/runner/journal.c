/* The journal: one file an allocation, so that an agent that starts again knows what was wanted of it without its console.
 *
 * Written in a worker, beside the engine's work and not before it: what a container is for also stands in its labels, and the
 * console tells every assignment again when the link comes up. One write of a file at a time; the newest state wins. A write
 * begins a moment late: what made it necessary has engine calls to send first, and more changes follow it closely. */
#include "agent/runner/runner_internal.h"

#include "io/file.h"

#include <stdio.h>
#include <string.h>

enum {
    LAT__JOURNAL_FILE_MAX = 2 * 1024 * 1024,
    LAT__JOURNAL_VERSION = 1,
    LAT__JOURNAL_LATE_MS = 1,
    LAT__JOURNAL_AGAIN_MS = 1000 /* between attempts to remove a file */
};

/* A write, a removal, or one after the other, on its way through a worker. */
struct task {
    struct lat__allocation *allocation;
    struct lat_disk *disk;
    char *path;
    char *text;   /* NULL: nothing is written */
    bool removes; /* the file, in the end */
    int code;
    struct lat_err err;
};

static char *path_of(const struct lat_runner *runner, const char *id)
{
    return lat_text_format("%s/%s.json", runner->dir, id);
}

static void describe_task(const struct lat__allocation *allocation, struct lat_json_writer *writer)
{
    const struct lat__run *run = &allocation->run;

    lat_json_add_bool(writer, "task", true);
    lat_json_add_int(writer, "retries", allocation->wanted.retries);
    lat_json_add_bool(writer, "finished", allocation->wanted.finished);
    lat_json_add_int(writer, "exit_status", allocation->wanted.exit_status);
    lat_json_add_int(writer, "ended", allocation->wanted.ended);
    lat_json_object(writer, "run");
    lat_json_add_bool(writer, "known", run->digest != 0);
    lat_json_add_bool(writer, "current", run->digest == allocation->wanted.spec_digest);
    lat_json_add_int(writer, "restarts", run->restarts);
    lat_json_add_int(writer, "since", run->since);
    lat_json_add_bool(writer, "open", run->open);
    lat_json_add_bool(writer, "seen", run->seen);
    lat_json_add_int(writer, "after", run->after);
    lat_json_add_int(writer, "failures", run->failures);
    lat_json_add_bool(writer, "finished", run->finished);
    lat_json_add_int(writer, "exit_status", run->exit_status);
    lat_json_add_bool(writer, "out_of_memory", run->out_of_memory);
    lat_json_add_bool(writer, "lost", run->lost);
    lat_json_end(writer, '}');
}

static void read_task(struct lat__allocation *allocation, const cJSON *json)
{
    const cJSON *run = lat_json_get(json, "run");

    allocation->wanted.task = lat_json_bool(json, "task", false);
    allocation->wanted.retries = lat_json_int(json, "retries", 0);
    allocation->wanted.finished = lat_json_bool(json, "finished", false);
    allocation->wanted.exit_status = lat_json_int(json, "exit_status", 0);
    allocation->wanted.ended = lat_json_int(json, "ended", 0);
    if (!allocation->wanted.task || !lat_json_bool(run, "known", false)) {
        return;
    }
    allocation->run = (struct lat__run){
        /* Of another spec: of one that is not that of this assignment, whichever it was. */
        .digest = lat_json_bool(run, "current", false) ? allocation->wanted.spec_digest : 1,
        .restarts = lat_json_int(run, "restarts", 0),
        .since = lat_json_int(run, "since", 0),
        .open = lat_json_bool(run, "open", false),
        .seen = lat_json_bool(run, "seen", false),
        .after = lat_json_int(run, "after", 0),
        .failures = lat_json_int(run, "failures", 0),
        .finished = lat_json_bool(run, "finished", false),
        .exit_status = lat_json_int(run, "exit_status", 0),
        .out_of_memory = lat_json_bool(run, "out_of_memory", false),
        .lost = lat_json_bool(run, "lost", false),
    };
}

static char *describe(const struct lat__allocation *allocation)
{
    const struct lat__assignment *wanted = &allocation->wanted;
    char *container = wanted->container ? lat_json_print(wanted->container) : NULL;
    char *devices = wanted->devices ? lat_json_print(wanted->devices) : NULL;
    struct lat_json_writer writer;
    struct lat_buf out = {0};

    lat_json_writer_init(&writer, &out);
    lat_json_object(&writer, NULL);
    lat_json_add_int(&writer, "version", LAT__JOURNAL_VERSION);
    lat_json_add_text(&writer, "allocation", allocation->id);
    lat_json_add_text(&writer, "workload", wanted->workload);
    lat_json_add_text(&writer, "workload_name", wanted->workload_name);
    lat_json_add_text(&writer, "project", wanted->project);
    lat_json_add_text(&writer, "project_name", wanted->project_name);
    lat_json_add_text(&writer, "request_id", wanted->request_id);
    lat_json_add_int(&writer, "ordinal", wanted->ordinal);
    lat_json_add_int(&writer, "generation", wanted->generation);
    lat_json_add_int(&writer, "epoch", wanted->epoch);
    lat_json_add_int(&writer, "restarts", wanted->restarts);
    lat_json_add_text(&writer, "desired", lat_want_name(wanted->desired));
    lat_json_add_bool(&writer, "keep_data", wanted->keep_data);
    lat_json_add_text(&writer, "runtime", wanted->runtime ? wanted->runtime : "");
    lat_json_add_raw(&writer, "devices", devices);
    lat_json_add_raw(&writer, "container", container);
    lat_json_add_int(&writer, "restarts_done", allocation->restarts_done);
    lat_json_add_int(&writer, "starts", allocation->starts);
    lat_json_add_bool(&writer, "healthy", allocation->healthy);
    if (wanted->task) {
        describe_task(allocation, &writer);
    }
    lat_json_end(&writer, '}');
    lat_wipe_free(container);
    free(devices);
    return lat_buf_take_text(&out);
}

/* ---- writing ---- */

static void work(void *arg)
{
    struct task *task = arg;

    if (task->text) {
        task->code = lat_disk_replace(task->disk, task->path, task->text, strlen(task->text), 0600,
                                      &task->err);
    }
    if (task->code == 0 && task->removes) {
        task->code = lat_disk_remove(task->disk, task->path, &task->err);
    }
}

static void submit(struct lat__allocation *allocation);

void lat__journal_tell_quiet(struct lat_runner *runner)
{
    if (runner->quiet && runner->writes == 0) {
        lat_loop_defer(runner->with.loop, runner->quiet, runner->quiet_arg);
        runner->quiet = NULL;
    }
}

/* The end of an attempt to remove the file. */
static void file_removed(struct lat__allocation *allocation)
{
    if (!allocation->journal_failed) {
        allocation->gone = false;
        lat__converge_forgotten(allocation);
    } else if (!allocation->runner->stopped) {
        lat_timer_start(&allocation->journal_late, LAT__JOURNAL_AGAIN_MS, 0);
    }
}

static void worked(void *arg)
{
    struct task *task = arg;
    struct lat__allocation *allocation = task->allocation;
    struct lat_runner *runner = allocation->runner;
    bool removes = task->removes;

    if (task->code) {
        /* What runs goes on; after a restart of this agent the console tells the assignment again. */
        lat_log(runner->with.log, LAT_LOG_ERROR, "the journal could not be written",
                LAT_STR("path", task->path), LAT_ERR(&task->err));
    }
    allocation->journal_failed = task->code != 0;
    free(task->path);
    lat_wipe_free(task->text);
    free(task);
    runner->writes--;
    allocation->journal_busy = false;
    if (allocation->journal_again) {
        allocation->journal_again = false;
        submit(allocation);
    } else if (removes) {
        file_removed(allocation);
    } else {
        lat__task_written(allocation);
    }
    lat__journal_tell_quiet(runner);
}

/* A removal that failed may seem to succeed when it is tried again, though nothing of it reached the disk (a failed sync says so only
 * once): the file is then written anew first, which makes it one that was never synced in vain. */
static void submit(struct lat__allocation *allocation)
{
    struct task *task = LAT_NEW(struct task);

    task->allocation = allocation;
    task->disk = allocation->runner->with.disk;
    task->path = path_of(allocation->runner, allocation->id);
    task->removes = allocation->gone;
    task->text = allocation->gone && !allocation->journal_failed ? NULL : describe(allocation);
    allocation->journal_busy = true;
    allocation->runner->writes++;
    lat_work(allocation->runner->with.loop, work, worked, task);
}

void lat__journal_write(struct lat__allocation *allocation)
{
    if (allocation->journal_busy) {
        allocation->journal_again = true;
    } else if (allocation->runner->stopped) {
        submit(allocation);
    } else if (!lat_timer_running(&allocation->journal_late)) {
        lat_timer_start(&allocation->journal_late, LAT__JOURNAL_LATE_MS, 0);
    }
}

void lat__journal_due(void *arg)
{
    struct lat__allocation *allocation = arg;

    submit(allocation);
}

void lat__journal_hurry(struct lat__allocation *allocation)
{
    if (lat_timer_running(&allocation->journal_late)) {
        lat_timer_stop(&allocation->journal_late);
        submit(allocation);
    }
}

void lat__journal_remove(struct lat__allocation *allocation)
{
    lat_timer_stop(&allocation->journal_late);
    allocation->gone = true;
    if (allocation->journal_busy) {
        allocation->journal_again = true;
    } else {
        submit(allocation);
    }
}

/* ---- reading ---- */

struct reading {
    struct lat_runner *runner;
    size_t broken;
};

/* The name says which allocation it is: a copy under another name would be a second one of the same. */
static int parse(struct lat_runner *runner, const char *name, const cJSON *json,
                 struct lat_err *err)
{
    const char *id = lat_json_text(json, "allocation", "");
    enum lat_want desired = LAT_WANT_RUNNING;
    const cJSON *devices = lat_json_get(json, "devices");
    struct lat__allocation *allocation;
    cJSON *container;

    if (!lat_id_is(id) || !lat_text_starts(name, id) ||
        !lat_text_equal(name + strlen(id), ".json") ||
        lat_json_int(json, "version", 0) != LAT__JOURNAL_VERSION ||
        !lat_want_parse(lat_json_text(json, "desired", ""), &desired)) {
        return lat_err_set(err, LAT_E_INVALID, "It is not an allocation of this version.");
    }
    container = lat_json_get(json, "container");
    if (cJSON_IsObject(container)) {
        int code = lat_container_check(container, err);

        if (code) {
            return code;
        }
        container = cJSON_Duplicate(container, true);
        LAT_ASSERT(container);
    } else {
        container = NULL;
    }
    allocation = lat__allocation_new(runner, id);
    allocation->wanted = (struct lat__assignment){
        .workload = lat_text_copy(lat_json_text(json, "workload", "")),
        .workload_name = lat_text_copy(lat_json_text(json, "workload_name", "")),
        .project = lat_text_copy(lat_json_text(json, "project", "")),
        .project_name = lat_text_copy(lat_json_text(json, "project_name", "")),
        .request_id = lat_text_copy(lat_json_text(json, "request_id", "")),
        .ordinal = lat_json_int(json, "ordinal", 0),
        .generation = lat_json_int(json, "generation", 0),
        .epoch = lat_json_int(json, "epoch", 0),
        .restarts = lat_json_int(json, "restarts", 0),
        .desired = desired,
        .keep_data = lat_json_bool(json, "keep_data", true),
        .runtime = lat_text_copy(lat_json_text(json, "runtime", "")),
        .devices = cJSON_IsArray(devices) ? cJSON_Duplicate(devices, true) : NULL,
        .container = container,
    };
    allocation->wanted.spec_digest =
        lat__container_digest(container, allocation->wanted.runtime, allocation->wanted.devices);
    if (allocation->wanted.epoch > runner->epoch) {
        runner->epoch = allocation->wanted.epoch;
    }
    allocation->restarts_done = lat_json_int(json, "restarts_done", allocation->wanted.restarts);
    allocation->starts = lat_json_int(json, "starts", 0);
    allocation->healthy = lat_json_bool(json, "healthy", false);
    read_task(allocation, json);
    lat__task_recall(allocation);
    return 0;
}

static void read_one(void *arg, const char *name)
{
    struct reading *reading = arg;
    struct lat_disk *disk = reading->runner->with.disk;
    char *path = lat_text_format("%s/%s", reading->runner->dir, name);
    struct lat_buf text = {0};
    cJSON *json = NULL;
    struct lat_err err;

    if (lat_text_ends(name, ".json") &&
        (lat_disk_read(disk, path, LAT__JOURNAL_FILE_MAX, &text, &err) ||
         lat_json_parse((const char *)text.bytes, text.len, &json, &err) ||
         parse(reading->runner, name, json, &err))) {
        char *aside = lat_text_format("%s.broken", path);

        reading->broken++;
        lat_log(reading->runner->with.log, LAT_LOG_ERROR,
                "a file of the journal cannot be read; it is set aside", LAT_STR("path", path),
                LAT_ERR(&err));
        if (lat_disk_rename(disk, path, aside, &err)) {
            lat_log(reading->runner->with.log, LAT_LOG_ERROR, "and could not be set aside",
                    LAT_STR("path", aside), LAT_ERR(&err));
        }
        free(aside);
    }
    cJSON_Delete(json);
    lat_buf_done(&text);
    free(path);
}

int lat__journal_read(struct lat_runner *runner, struct lat_err *err)
{
    struct reading reading = {.runner = runner};
    int code = lat_disk_make_dir(runner->with.disk, runner->dir, 0700, err);

    code = code ? code : lat_disk_list(runner->with.disk, runner->dir, read_one, &reading, err);
    if (code == 0) {
        lat_log(runner->with.log, LAT_LOG_INFO, "read the journal",
                LAT_INT("allocations", (int64_t)lat_map_count(runner->allocations)),
                LAT_INT("broken", (int64_t)reading.broken));
    }
    return code;
}
