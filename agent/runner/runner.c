/* What the runner knows: allocations by id, and the messages that change them. */
#include "agent/runner/runner_internal.h"

#include <stdio.h>
#include <string.h>

/* ---- assignments ---- */

void lat__assignment_done(struct lat__assignment *assignment)
{
    free(assignment->workload);
    free(assignment->workload_name);
    free(assignment->project);
    free(assignment->project_name);
    free(assignment->request_id);
    free(assignment->runtime);
    cJSON_Delete(assignment->devices);
    cJSON_Delete(assignment->container);
    *assignment = (struct lat__assignment){0};
}

static void add_to_digest(uint64_t *hash, const char *text)
{
    for (; text && *text; text++) {
        *hash = (*hash ^ (uint8_t)*text) * 1099511628211u;
    }
}

int64_t lat__container_digest(const cJSON *container, const char *runtime, const cJSON *devices)
{
    char *text = container ? lat_json_print(container) : NULL;
    char *ids = devices ? lat_json_print(devices) : NULL;
    uint64_t hash = 14695981039346656037u;

    add_to_digest(&hash, text);
    add_to_digest(&hash, runtime);
    add_to_digest(&hash, ids);
    free(ids);
    lat_wipe_free(text);
    return (int64_t)(hash >> 1); /* not negative: it is shown in a label */
}

static void take_assignment(struct lat__assignment *wanted, const struct lat_assign_message *assign)
{
    cJSON *container = wanted->container;

    wanted->container = NULL;
    lat__assignment_done(wanted);
    if (assign->container) {
        cJSON_Delete(container);
        container = cJSON_Duplicate(assign->container, true);
        LAT_ASSERT(container);
    }
    cJSON *devices = assign->devices ? cJSON_Duplicate(assign->devices, true) : NULL;

    LAT_ASSERT(devices || !assign->devices);
    *wanted = (struct lat__assignment){
        .workload = lat_text_copy(assign->workload),
        .workload_name = lat_text_copy(assign->workload_name),
        .project = lat_text_copy(assign->project),
        .project_name = lat_text_copy(assign->project_name),
        .request_id = lat_text_copy(assign->request_id),
        .ordinal = assign->ordinal,
        .generation = assign->generation,
        .epoch = assign->epoch,
        .restarts = assign->restarts,
        .desired = assign->desired,
        .keep_data = assign->keep_data,
        .task = assign->task,
        .retries = assign->retries,
        .finished = assign->finished,
        .exit_status = assign->exit_status,
        .ended = assign->ended,
        .runtime = lat_text_copy(assign->runtime),
        .devices = devices,
        .container = container,
        .spec_digest = lat__container_digest(container, assign->runtime, devices),
    };
}

/* ---- allocations ---- */

static void retry_due(void *arg)
{
    lat__converge(arg);
}

struct lat__allocation *lat__allocation_new(struct lat_runner *runner, const char *id)
{
    struct lat__allocation *allocation = LAT_NEW(struct lat__allocation);

    allocation->runner = runner;
    lat_text_bound(allocation->id, sizeof(allocation->id), id);
    allocation->status = LAT_ALLOCATION_PLACING;
    allocation->retry_ms = LAT_RUNNER_RETRY_MIN_MS;
    lat_timer_init(&allocation->retry, runner->with.loop, retry_due, allocation);
    lat_timer_init(&allocation->journal_late, runner->with.loop, lat__journal_due, allocation);
    lat_map_put(runner->allocations, allocation->id, allocation);
    return allocation;
}

struct lat__allocation *lat__allocation_free(struct lat__allocation *allocation)
{
    if (allocation) {
        lat_health_stop(allocation->health);
        lat_timer_done(&allocation->retry);
        lat_timer_done(&allocation->journal_late);
        lat__assignment_done(&allocation->wanted);
        free(allocation);
    }
    return NULL;
}

/* ---- the console's messages ---- */

/* Tells whether an assignment of the generation that is known asks for what is known. It does not where the console was restored from a
 * backup and then changed its mind in another way: its word counts. */
static bool is_known(const struct lat__assignment *wanted, const struct lat_assign_message *assign)
{
    return wanted->desired == assign->desired && wanted->restarts == assign->restarts &&
           wanted->keep_data == assign->keep_data && wanted->task == assign->task &&
           wanted->retries == assign->retries &&
           (!assign->container || lat__container_digest(assign->container, assign->runtime,
                                                        assign->devices) == wanted->spec_digest);
}

/* A console that asks for more than a node can have is told so; nothing of it is kept. Removals, which end soon, have the same room again. */
static bool has_room(const struct lat_runner *runner, const struct lat_assign_message *assign)
{
    size_t max = runner->with.allocations_max;

    return lat_map_count(runner->allocations) <
           (assign->desired == LAT_WANT_REMOVED ? 2 * max : max);
}

static void refuse_for_room(struct lat_runner *runner, const struct lat_assign_message *assign)
{
    char reason[LAT_ERR_SENTENCE_MAX];
    struct lat_buf out = {0};

    snprintf(reason, sizeof(reason),
             "this node keeps %zu workloads' instances, which is its limit; remove some, then "
             "restart this one",
             runner->with.allocations_max);
    lat_log(runner->with.log, LAT_LOG_WARN, "an assignment was refused",
            LAT_STR("allocation", assign->allocation), LAT_STR("request_id", assign->request_id),
            LAT_STR("error", reason));
    lat_observed_message_write(&(struct lat_observed_message){.allocation = assign->allocation,
                                                              .generation = assign->generation,
                                                              .status = LAT_ALLOCATION_FAILED,
                                                              .reason = reason,
                                                              .request_id = assign->request_id},
                               &out);
    runner->with.events->on_send(runner->with.arg, (const char *)out.bytes, out.len);
    lat_buf_done(&out);
}

void lat_runner_assign(struct lat_runner *runner, const struct lat_assign_message *assign)
{
    struct lat__allocation *allocation = lat_map_get(runner->allocations, assign->allocation);
    int64_t known = allocation ? allocation->wanted.generation : 0;

    if (assign->epoch < runner->epoch || assign->generation < known) {
        lat_log(runner->with.log, LAT_LOG_WARN, "an older assignment was refused",
                LAT_STR("allocation", assign->allocation),
                LAT_INT("generation", assign->generation), LAT_INT("known", known),
                LAT_INT("epoch", assign->epoch));
        return;
    }
    runner->epoch = assign->epoch;
    if (!allocation && !has_room(runner, assign)) {
        refuse_for_room(runner, assign);
        return;
    }
    if (allocation && assign->generation == known && is_known(&allocation->wanted, assign)) {
        lat__report_again(allocation);
        return;
    }
    lat_log(runner->with.log, LAT_LOG_INFO, "assigned", LAT_STR("request_id", assign->request_id),
            LAT_STR("allocation", assign->allocation), LAT_STR("workload", assign->workload_name),
            LAT_INT("generation", assign->generation),
            LAT_STR("desired", lat_want_name(assign->desired)));
    if (!allocation) {
        allocation = lat__allocation_new(runner, assign->allocation);
        /* Its container, if the journal was lost and there is one, is looked at first; but where the survey found none
         * there is none: the engine need not be asked again before the first start. Whether the container knows of the last restart
         * that was asked for is lost as well: then it is done, perhaps once more (a start counts as one). */
        allocation->known = runner->surveyed && !lat_map_get(runner->strangers, assign->allocation);
    }
    take_assignment(&allocation->wanted, assign);
    lat__task_recall(allocation);
    allocation->hopeless = false;
    allocation->retry_ms = LAT_RUNNER_RETRY_MIN_MS;
    allocation->prove_ms = 0;
    lat_timer_stop(&allocation->retry);
    if (allocation->operation == LAT__STARTING &&
        (assign->desired != LAT_WANT_RUNNING ||
         allocation->wanted.spec_digest != allocation->operation_digest)) {
        runner->driver->class->give_up(runner->driver,
                                       allocation->id); /* what is pulled is not wanted any more */
    }
    lat__converge(allocation);
    if (!allocation->gone) {
        lat__journal_write(allocation);
    }
}

struct orphans {
    struct lat_map *assigned;
};

static void note_assigned(void *arg, const char *allocation)
{
    struct orphans *orphans = arg;

    lat_map_put(orphans->assigned, allocation, orphans);
}

void lat_runner_assigned(struct lat_runner *runner, const cJSON *message)
{
    struct orphans orphans = {.assigned = lat_map_new()};
    struct lat_err err;
    void *cursor = NULL;
    const char *id;
    void *value;

    if (lat_assigned_message_read(message, note_assigned, &orphans, &err)) {
        lat_log(runner->with.log, LAT_LOG_WARN, "a message of the console is wrong", LAT_ERR(&err));
    } else {
        while (lat_map_next(runner->allocations, &cursor, &id, &value)) {
            if (!lat_map_get(orphans.assigned, id)) {
                lat_log(runner->with.log, LAT_LOG_WARN,
                        "the console does not know an allocation; it is kept as it is",
                        LAT_STR("allocation", id));
            }
        }
    }
    lat_map_free(orphans.assigned);
}

void lat_runner_send_inventory(struct lat_runner *runner)
{
    struct lat_observed_message *items;
    char **texts;
    struct lat_buf out = {0};
    void *cursor = NULL;
    const char *id;
    void *value;
    size_t count = 0;

    if (!runner->engine_heard || (runner->engine_up && !runner->surveyed)) {
        runner->inventory_due = true;
        return;
    }
    runner->inventory_due = false;
    items = lat_alloc_array(lat_map_count(runner->allocations) + 1, sizeof(*items));
    texts = lat_alloc_array(lat_map_count(runner->allocations) + 1, sizeof(*texts));
    while (lat_map_next(runner->allocations, &cursor, &id, &value) && count < LAT_INVENTORY_MAX) {
        lat__report_describe(value, &items[count], &texts[count]);
        count++;
    }
    lat_inventory_message_write(items, count, &out);
    runner->with.events->on_send(runner->with.arg, (const char *)out.bytes, out.len);
    while (count > 0) {
        free(texts[--count]);
    }
    free(texts);
    free(items);
    lat_buf_done(&out);
}

/* ---- the engine ---- */

static void adopt(struct lat_runner *runner, const struct lat_driver_status *status)
{
    struct lat__allocation *allocation = lat_map_get(runner->allocations, status->allocation);

    if (!allocation) {
        lat_log(runner->with.log, LAT_LOG_WARN,
                "a container of ours is in no journal; it is kept until the console says",
                LAT_STR("allocation", status->allocation), LAT_STR("container", status->container));
        lat_map_put(runner->strangers, status->allocation, runner);
        return;
    }
    allocation->engine = *status;
}

static void surveyed(void *arg, const struct lat_driver_status *statuses, size_t count,
                     const struct lat_err *err)
{
    struct lat_runner *runner = arg;
    void *cursor = NULL;
    const char *id;
    void *value;

    if (!runner->engine_up || runner->stopped) {
        return; /* it is asked anew when it comes up */
    }
    if (err) {
        lat_log(runner->with.log, LAT_LOG_WARN, "the engine could not say what runs", LAT_ERR(err));
        lat_timer_start(&runner->survey, LAT_RUNNER_RETRY_MIN_MS, 0);
        return;
    }
    runner->surveyed = true;
    while (lat_map_next(runner->allocations, &cursor, &id, &value)) {
        struct lat__allocation *allocation = value;

        allocation->known = true;
        lat_timer_stop(&allocation->retry);
        if (allocation->operation == LAT__NOTHING) {
            allocation->engine = (struct lat_driver_status){0};
        }
    }
    lat_map_free(runner->strangers);
    runner->strangers = lat_map_new();
    for (size_t i = 0; i < count; i++) {
        adopt(runner, &statuses[i]);
    }
    cursor = NULL;
    while (lat_map_next(runner->allocations, &cursor, &id, &value)) {
        lat__converge(value);
    }
    if (runner->inventory_due) {
        lat_runner_send_inventory(runner);
    }
}

static void survey(void *arg)
{
    struct lat_runner *runner = arg;

    runner->driver->class->list(runner->driver, surveyed, runner);
}

void lat_runner_engine(struct lat_runner *runner, bool up, const struct lat_err *err)
{
    void *cursor = NULL;
    const char *id;
    void *value;

    runner->engine_heard = true;
    runner->engine_up = up;
    runner->surveyed = false;
    lat_timer_stop(&runner->survey);
    if (up) {
        survey(runner);
        return;
    }
    runner->engine_err = *err;
    while (lat_map_next(runner->allocations, &cursor, &id, &value)) {
        struct lat__allocation *allocation = value;

        allocation->known = false;
        lat__converge(allocation);
    }
    if (runner->inventory_due) {
        lat_runner_send_inventory(runner);
    }
}

static void inspected(void *arg, const struct lat_driver_status *status, const struct lat_err *err)
{
    struct lat__allocation *allocation = arg;

    allocation->operation = LAT__NOTHING;
    if (!err) {
        lat__converge_seen(allocation, status);
    } else if (err->code == LAT_E_NOT_FOUND) {
        lat__converge_seen(allocation, &(struct lat_driver_status){0});
    } else {
        allocation->known = false; /* so that the next step is to ask again */
        lat_timer_start(&allocation->retry, LAT_RUNNER_RETRY_MIN_MS, 0);
        return;
    }
    if (allocation->dirty) {
        allocation->dirty = false;
        lat_runner_container(allocation->runner, allocation->id);
        return;
    }
    lat__converge(allocation);
}

void lat_runner_container(struct lat_runner *runner, const char *id)
{
    struct lat__allocation *allocation = lat_map_get(runner->allocations, id);

    if (!allocation || allocation->gone || !runner->engine_up || runner->stopped) {
        return;
    }
    if (allocation->operation != LAT__NOTHING) {
        allocation->dirty = true;
        return;
    }
    allocation->operation = LAT__INSPECTING;
    runner->driver->class->inspect(runner->driver, id, inspected, allocation);
}

/* ---- tunnels ---- */

int lat_runner_target(void *arg, const char *id, int64_t generation, const char *port,
                      int *ret_host_port, struct lat_err *err)
{
    struct lat_runner *runner = arg;
    const struct lat__allocation *allocation = lat_map_get(runner->allocations, id);

    if (!allocation) {
        return lat_err_set(err, LAT_E_NOT_FOUND, "Allocation %.40s is not on this node.", id);
    }
    if (generation != allocation->wanted.generation) {
        return lat_err_set(err, LAT_E_CONFLICT, "The allocation is of another generation.");
    }
    if (!allocation->engine.running || (allocation->status != LAT_ALLOCATION_RUNNING &&
                                        allocation->status != LAT_ALLOCATION_UNHEALTHY)) {
        return lat_err_set(err, LAT_E_UNAVAILABLE, "Its container does not run.");
    }
    for (size_t i = 0; i < allocation->engine.port_count; i++) {
        if (lat_text_equal(allocation->engine.ports[i].name, port) &&
            allocation->engine.ports[i].port > 0) {
            *ret_host_port = allocation->engine.ports[i].port;
            return 0;
        }
    }
    return lat_err_set(err, LAT_E_NOT_FOUND, "The allocation has no port '%.63s'.", port);
}

/* ---- life ---- */

int lat_runner_new(const struct lat_runner_options *options, struct lat_runner **ret_runner,
                   struct lat_err *err)
{
    struct lat_runner *runner = LAT_NEW(struct lat_runner);
    struct lat_metrics *metrics = options->metrics;
    int code;

    runner->with = *options;
    if (runner->with.allocations_max == 0) {
        runner->with.allocations_max = LAT_RUNNER_ALLOCATIONS_MAX;
    }
    runner->dir = lat_text_format("%s/allocations", options->data_dir);
    runner->allocations = lat_map_new();
    runner->strangers = lat_map_new();
    runner->starts =
        lat_metrics_counter(metrics, "lattice_agent_starts_total", "", "Containers started.");
    runner->failures = lat_metrics_counter(metrics, "lattice_agent_start_failures_total", "",
                                           "Starts that failed.");
    runner->exits = lat_metrics_counter(metrics, "lattice_agent_exits_total", "",
                                        "Containers that ended by themselves.");
    lat_err_set(&runner->engine_err, LAT_E_ENGINE_DOWN, NULL);
    lat_timer_init(&runner->survey, options->loop, survey, runner);
    TAILQ_INIT(&runner->servings);
    if ((code = lat__journal_read(runner, err))) {
        lat_runner_free(runner);
        return code;
    }
    *ret_runner = runner;
    return 0;
}

void lat_runner_set_driver(struct lat_runner *runner, struct lat_driver *driver)
{
    runner->driver = driver;
    runner->healths = lat_healths_new(runner->with.loop, driver);
}

void lat_runner_stop(struct lat_runner *runner, lat_call_fn *done, void *arg)
{
    void *cursor = NULL;
    const char *id;
    void *value;

    LAT_ASSERT(!runner->stopped);
    runner->stopped = true;
    runner->quiet = done;
    runner->quiet_arg = arg;
    lat_timer_stop(&runner->survey);
    while (lat_map_next(runner->allocations, &cursor, &id, &value)) {
        struct lat__allocation *allocation = value;

        allocation->health = lat_health_stop(allocation->health);
        lat_timer_stop(&allocation->retry);
        lat__journal_hurry(allocation);
    }
    lat__journal_tell_quiet(runner);
}

struct lat_runner *lat_runner_free(struct lat_runner *runner)
{
    void *cursor = NULL;
    const char *id;
    void *value;

    if (runner) {
        while (lat_map_next(runner->allocations, &cursor, &id, &value)) {
            lat__allocation_free(value);
        }
        lat_map_free(runner->allocations);
        lat_map_free(runner->strangers);
        lat__serving_free_all(runner);
        lat_healths_free(runner->healths);
        lat_timer_done(&runner->survey);
        free(runner->dir);
        free(runner);
    }
    return NULL;
}

void lat_runner_each_running(const struct lat_runner *runner,
                             void (*fn)(void *arg, const char *allocation), void *arg)
{
    void *cursor = NULL;
    const char *id;
    void *value;

    while (lat_map_next(runner->allocations, &cursor, &id, &value)) {
        if (((const struct lat__allocation *)value)->engine.running) {
            fn(arg, id);
        }
    }
}

size_t lat_runner_count(const struct lat_runner *runner)
{
    return lat_map_count(runner->allocations);
}
