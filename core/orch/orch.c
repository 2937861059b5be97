/* Which workloads want a look, and when.
 *
 * Changes only mark workloads; the look itself happens once, at the end of the loop's turn, so that ten
 * changes of one workload in a turn cost one reconciliation. A look that could not be written is repeated
 * a little later.
 *
 * A placement is made as soon as a workload's row is staged: before the batch that holds it goes to the disk, if the policy needs no
 * waiting, so that both become durable in one go; else while the disk works on it. The plan is staged on top of that row, and becomes
 * durable with it or behind it, or fails with it. Runs on the state loop. */
#include "orch/fleet_internal.h"
#include "orch/orch_internal.h"
#include "orch/trial_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>

enum {
    LAT__RETRY_MS = 250,
    LAT__OPENING_MS =
        60 * 1000, /* between two looks at the wall clock, while hours are waited for */
};

static void destroy(struct lat_orch *orch)
{
    lat__evaluator_free(orch->evaluator);
    lat__retention_free(orch->retention);
    lat_map_free(orch->early);
    lat_map_free(orch->dirty);
    lat_map_free(orch->waiting);
    free(orch);
}

void lat__orch_hold(struct lat_orch *orch)
{
    orch->holds++;
}

bool lat__orch_release(struct lat_orch *orch)
{
    bool stopped = orch->stopped;

    LAT_ASSERT(orch->holds > 0);
    if (--orch->holds == 0 && stopped) {
        destroy(orch);
    }
    return stopped;
}

/* Evaluates the workloads that were staged since. */
static void look_at_early(void *arg)
{
    struct lat_orch *orch = arg;
    struct lat_map *early = orch->early;
    void *cursor = NULL;
    const char *workload_id;
    void *value;

    if (lat_map_count(early) == 0) {
        return;
    }
    orch->early = lat_map_new();
    while (lat_map_next(early, &cursor, &workload_id, &value)) {
        lat__evaluator_queue(orch->evaluator, workload_id);
    }
    lat_map_free(early);
    lat__evaluator_run(orch->evaluator);
}

static void look_at_dirty(void *arg)
{
    struct lat_orch *orch = arg;
    struct lat_map *dirty = orch->dirty;
    void *cursor = NULL;
    const char *workload_id;
    void *value;

    if (lat__orch_release(orch)) {
        return;
    }
    orch->armed = false;
    look_at_early(orch);
    orch->dirty = lat_map_new();
    while (lat_map_next(dirty, &cursor, &workload_id, &value)) {
        lat__orch_reconcile(orch, workload_id);
    }
    lat_map_free(dirty);
    lat__evaluator_run(orch->evaluator);
    lat__evaluator_settle(orch->evaluator);
}

static void arm(struct lat_orch *orch)
{
    if (!orch->armed) {
        orch->armed = true;
        lat__orch_hold(orch);
        lat_loop_defer(orch->with.loop, look_at_dirty, orch);
    }
}

void lat__orch_mark(struct lat_orch *orch, const char *workload_id)
{
    lat_map_put(orch->dirty, workload_id, orch);
    arm(orch);
}

static void retry_due(void *arg)
{
    struct lat_orch *orch = arg;

    if (lat_map_count(orch->dirty) > 0) {
        arm(orch);
    }
}

void lat__orch_mark_later(struct lat_orch *orch, const char *workload_id)
{
    lat_map_put(orch->dirty, workload_id, orch);
    if (!orch->armed && !lat_timer_running(&orch->retry)) {
        lat_timer_start(&orch->retry, LAT__RETRY_MS, 0);
    }
}

static void mark_waiting(struct lat_orch *orch, enum lat_trigger trigger)
{
    void *cursor = NULL;
    const char *workload_id;
    void *value;

    lat__evaluator_unsettle(orch->evaluator);
    while (lat_map_next(orch->waiting, &cursor, &workload_id, &value)) {
        lat_map_put(orch->waiting, workload_id, (void *)lat_trigger_name(trigger));
        lat__orch_mark(orch, workload_id);
    }
}

/* The wall clock may be set meanwhile: it is looked at now and then. */
static void opening_due(void *arg)
{
    struct lat_orch *orch = arg;
    int64_t now = lat_clock_wall_ms(lat_loop_clock(orch->with.loop));

    if (lat_map_count(orch->waiting) == 0) {
        return;
    }
    if (now >= orch->opens_ms) {
        mark_waiting(orch, LAT_TRIGGER_NODE_OPENED);
    } else {
        lat__orch_await_opening(orch, orch->opens_ms);
    }
}

void lat__orch_await_opening(struct lat_orch *orch, int64_t wall_ms)
{
    int64_t wait = wall_ms - lat_clock_wall_ms(lat_loop_clock(orch->with.loop));

    if (wall_ms == 0) {
        return;
    }
    orch->opens_ms = wall_ms;
    lat_timer_start(&orch->opening,
                    wait < 1                 ? 1
                    : wait < LAT__OPENING_MS ? wait
                                             : LAT__OPENING_MS,
                    0);
}

/* Tells whether a node is the same to whoever looks for a place. */
static bool is_same_place(const struct lat_node *before, const struct lat_node *after)
{
    return lat_text_equal(before->pool, after->pool) &&
           lat_text_equal(before->labels, after->labels) &&
           lat_text_equal(before->attributes, after->attributes) &&
           lat_text_equal(before->architecture, after->architecture) &&
           lat_text_equal(before->gpus, after->gpus) &&
           lat_text_equal(before->images, after->images) &&
           lat_text_equal(before->volumes, after->volumes) &&
           before->cpu_milli == after->cpu_milli && before->memory_bytes == after->memory_bytes &&
           before->disk_bytes == after->disk_bytes &&
           before->bandwidth_bps == after->bandwidth_bps &&
           before->on_battery == after->on_battery && before->rank == after->rank &&
           before->available_until == after->available_until &&
           lat_text_equal(before->hours, after->hours);
}

static void node_changed(struct lat_orch *orch, const struct lat_node *before,
                         const struct lat_node *after)
{
    const char *id = after ? after->row.id : before->row.id;
    bool same_state = before && after && lat_text_equal(before->status, after->status) &&
                      lat_text_equal(before->reason, after->reason);
    const struct lat_row *row;
    void *cursor = NULL;

    if (same_state && is_same_place(before, after)) {
        return;
    }
    while (!same_state &&
           (row = lat_store_each(orch->with.store, LAT_INDEX_ALLOCATION_NODE, id, &cursor))) {
        lat__orch_mark(orch, ((const struct lat_allocation *)row)->workload_id);
    }
    mark_waiting(orch, LAT_TRIGGER_NODE_CHANGED);
}

/* Tells whether all that a look reads of a workload is as it was. */
static bool is_as_wanted(const struct lat_workload *before, const struct lat_workload *after)
{
    return before->generation == after->generation && before->restarts == after->restarts &&
           before->count == after->count && before->keep_data == after->keep_data &&
           before->cpu_milli == after->cpu_milli && before->memory_bytes == after->memory_bytes &&
           lat_text_equal(before->desired, after->desired) &&
           lat_text_equal(before->status, after->status) &&
           lat_text_equal(before->reason, after->reason);
}

static bool makes_room(const struct lat_allocation *before, const struct lat_allocation *after)
{
    return !after || (before && !before->finished && after->finished);
}

/* Another placement policy is in force; what else a row of a policy says (a file that was refused) changes no decision. */
static void policy_changed(struct lat_orch *orch, const struct lat_policy *before,
                           const struct lat_policy *after)
{
    if (after && lat_text_equal(after->name, "placement") &&
        (!before || before->revision != after->revision)) {
        mark_waiting(orch, LAT_TRIGGER_POLICY_CHANGED);
    }
}

static void store_changed(void *arg, const struct lat_change *change)
{
    struct lat_orch *orch = arg;
    const struct lat_row *row = change->after ? change->after : change->before;

    switch (change->table) {
    case LAT_TABLE_WORKLOAD:
        if (change->before && change->after &&
            is_as_wanted((const struct lat_workload *)change->before,
                         (const struct lat_workload *)change->after)) {
            /* labels and the like: nothing that a look would answer */
        } else if (change->after) {
            lat__orch_mark(orch, row->id);
        } else {
            lat_map_remove(orch->waiting, row->id);
        }
        break;
    case LAT_TABLE_ALLOCATION:
        lat__fleet_allocation_changed(lat__evaluator_fleet(orch->evaluator),
                                      (const struct lat_allocation *)change->before,
                                      (const struct lat_allocation *)change->after);
        lat__orch_mark(orch, ((const struct lat_allocation *)row)->workload_id);
        if (makes_room((const struct lat_allocation *)change->before,
                       (const struct lat_allocation *)change->after)) {
            mark_waiting(orch, LAT_TRIGGER_NODE_CHANGED);
        }
        break;
    case LAT_TABLE_ENDPOINT:
        lat__orch_mark(orch, ((const struct lat_endpoint *)row)->workload_id);
        break;
    case LAT_TABLE_NODE:
        lat__fleet_node_moved(lat__evaluator_fleet(orch->evaluator), row->id);
        node_changed(orch, (const struct lat_node *)change->before,
                     (const struct lat_node *)change->after);
        break;
    case LAT_TABLE_EVALUATION:
        lat__retention_changed(orch->retention, (const struct lat_evaluation *)change->before,
                               (const struct lat_evaluation *)change->after);
        break;
    case LAT_TABLE_POLICY:
        policy_changed(orch, (const struct lat_policy *)change->before,
                       (const struct lat_policy *)change->after);
        break;
    default: break;
    }
}

static void workload_staged(void *arg, const char *workload_id)
{
    struct lat_orch *orch = arg;

    lat_map_put(orch->early, workload_id, orch);
    arm(orch);
}

static void allocation_staged(void *arg, const char *id)
{
    struct lat_orch *orch = arg;

    lat__fleet_allocation_staged(lat__evaluator_fleet(orch->evaluator), id);
}

static void node_staged(void *arg, const char *id)
{
    struct lat_orch *orch = arg;

    lat__fleet_node_moved(lat__evaluator_fleet(orch->evaluator), id);
}

void lat_orch_try(struct lat_orch *orch, struct lat_workload *workload, lat_trial_fn *fn, void *arg)
{
    lat__evaluator_try(orch->evaluator, lat__trial_new(workload, fn, arg));
    arm(orch);
}

struct lat_orch *lat_orch_new(const struct lat_orch_options *options)
{
    struct lat_orch *orch = LAT_NEW(struct lat_orch);
    const struct lat_workload *workload;
    void *cursor = NULL;

    orch->with = *options;
    orch->early = lat_map_new();
    orch->dirty = lat_map_new();
    orch->waiting = lat_map_new();
    orch->evaluator = lat__evaluator_new(orch);
    orch->retention = lat__retention_new(orch);
    lat_timer_init(&orch->retry, options->loop, retry_due, orch);
    lat_timer_init(&orch->opening, options->loop, opening_due, orch);
    orch->watcher = lat_store_watch(options->store,
                                    1u << LAT_TABLE_WORKLOAD | 1u << LAT_TABLE_ALLOCATION |
                                        1u << LAT_TABLE_ENDPOINT | 1u << LAT_TABLE_NODE |
                                        1u << LAT_TABLE_POLICY | 1u << LAT_TABLE_EVALUATION,
                                    store_changed, orch);
    orch->staged_workloads =
        lat_store_watch_staged(options->store, 1u << LAT_TABLE_WORKLOAD, workload_staged, orch);
    orch->staged_allocations =
        lat_store_watch_staged(options->store, 1u << LAT_TABLE_ALLOCATION, allocation_staged, orch);
    orch->staged_nodes =
        lat_store_watch_staged(options->store, 1u << LAT_TABLE_NODE, node_staged, orch);
    orch->batches = lat_store_watch_batches(options->store, look_at_early, orch);
    while ((workload = lat_store_next_workload(options->store, &cursor))) {
        lat__orch_mark(orch, workload->row.id);
    }
    return orch;
}

struct lat_orch *lat_orch_free(struct lat_orch *orch)
{
    if (orch) {
        orch->watcher = lat_store_unwatch(orch->watcher);
        orch->staged_workloads = lat_store_unwatch(orch->staged_workloads);
        orch->staged_allocations = lat_store_unwatch(orch->staged_allocations);
        orch->staged_nodes = lat_store_unwatch(orch->staged_nodes);
        orch->batches = lat_store_unwatch(orch->batches);
        lat_timer_done(&orch->retry);
        lat_timer_done(&orch->opening);
        lat__retention_stop(orch->retention);
        lat__evaluator_cancel_trials(orch->evaluator);
        orch->stopped = true;
        if (orch->holds == 0) {
            destroy(orch);
        }
    }
    return NULL;
}
