/* Dry runs: a deploy, a change or a scaling up to the point where it would change something.
 *
 *   POST /workloads?dry_run=true ────────┐
 *   PATCH /workloads/{id}?dry_run=true ──┼─► checks, rendering, admission (workloads.c, workload_actions.c)
 *   POST .../{id}/scale?dry_run=true ────┘       └─► a trial (core/orch) ─► 200 with its receipt, what would be replaced, what would go
 *
 * No transaction is begun, so that there is no row, no port, no word in the audit trail and no kept answer. The credentials that the plugin
 * made on the way are nobody's, and not shown. */
#include "api/evaluation_internal.h"

struct dry_run {
    struct lat__call *call;
    struct lat_workload *workload; /* held; as it would be */
    bool is_change;                /* what stands is replaced */
    size_t from, max;              /* nodes of the receipt that are shown */
};

/* Writes the nodes that would be taken, each once, in order of choice. */
static void write_nodes(const struct lat_api *api, const struct lat_trial *trial,
                        struct lat_json_writer *writer)
{
    struct lat_map *counts = lat_map_new();
    void *cursor = NULL;
    const char *id;
    void *value;

    for (size_t i = 0; i < trial->placed; i++) {
        uintptr_t count = (uintptr_t)lat_map_get(counts, trial->nodes[i]);

        lat_map_put(counts, trial->nodes[i], (void *)(count + 1));
    }
    lat_json_array(writer, "nodes");
    while (lat_map_next(counts, &cursor, &id, &value)) {
        const struct lat_node *node = lat_store_node(api->with.store, id);

        lat_json_object(writer, NULL);
        lat_json_add_text(writer, "node", id);
        lat_json_add_text(writer, "name", node ? node->name : NULL);
        lat_json_add_int(writer, "instances", (int64_t)(uintptr_t)value);
        lat_json_end(writer, '}');
    }
    lat_json_end(writer, ']');
    lat_map_free(counts);
}

/* Writes what becomes of the instances that stand: those beyond the count go, and a change replaces the others; but of a task what has ended
 * is not replaced: it is among those that want a place. */
static void write_standing(const struct dry_run *run, struct lat_json_writer *writer)
{
    const struct lat_row *row;
    void *cursor = NULL;
    int64_t stay = 0;
    int64_t go = 0;

    while ((row = lat_store_each(run->call->api->with.store, LAT_INDEX_ALLOCATION_WORKLOAD,
                                 run->workload->row.id, &cursor))) {
        const struct lat_allocation *allocation = (const struct lat_allocation *)row;

        if (lat_text_equal(allocation->desired, lat_want_name(LAT_WANT_REMOVED))) {
            continue;
        }
        if (allocation->ordinal >= run->workload->count) {
            go++;
        } else {
            stay += !allocation->finished;
        }
    }
    lat_json_add_int(writer, "replaced", run->is_change ? stay : 0);
    lat_json_add_int(writer, "removed", go);
}

static void write_answer(const struct dry_run *run, const struct lat_trial *trial,
                         struct lat_json_writer *writer)
{
    struct lat_api *api = run->call->api;
    const struct lat_workload *workload = run->workload;
    struct lat__decided decided = {.store = api->with.store, .at = lat__now(api)};
    struct lat_receipt_view view = {
        .find = lat__decided_node, .arg = &decided, .from = run->from, .max = run->max};

    lat_json_object(writer, NULL);
    lat_json_add_bool(writer, "dry_run", true);
    lat_json_add_bool(writer, "would_place", trial->placed == trial->wanted);
    lat_json_add_text(writer, "name", workload->name);
    lat_json_add_text(writer, "type", workload->type);
    lat_json_add_text(writer, "kind", workload->kind);
    lat_json_add_int(writer, "count", workload->count);
    lat_json_add_int(writer, "wanted", (int64_t)trial->wanted);
    lat_json_add_int(writer, "placed", (int64_t)trial->placed);
    write_standing(run, writer);
    lat_json_add_int(writer, "cpu_milli", workload->cpu_milli);
    lat_json_add_int(writer, "memory_bytes", workload->memory_bytes);
    lat_json_add_text(writer, "reason", trial->reason);
    lat_json_add_text(writer, "policy", trial->policy);
    lat__decider_write(api, trial->policy, writer);
    write_nodes(api, trial, writer);
    lat_receipt_write(trial->receipt, &view, "receipt", writer);
    lat_json_end(writer, '}');
}

static void tried(void *arg, const struct lat_trial *trial, const struct lat_err *err)
{
    struct dry_run *run = arg;
    struct lat_json_writer writer;
    struct lat_buf answer = {0};

    if (err) {
        lat__call_fail(run->call, err);
    } else {
        lat_json_writer_init(&writer, &answer);
        write_answer(run, trial, &writer);
        lat__call_answer(run->call, 200, &answer);
    }
    lat_row_unref(&run->workload->row);
    free(run);
}

void lat__dry_run(struct lat__call *call, struct lat_workload *workload, bool is_change)
{
    const struct lat_api_config *with = &call->api->with;
    struct dry_run *run = LAT_NEW(struct dry_run);
    struct lat_err err;

    run->call = call;
    run->workload = workload;
    run->is_change = is_change;
    if (lat__call_read_nodes(call, &run->from, &run->max, &err)) {
        tried(run, NULL, &err);
        return;
    }
    if (!with->try_placement) {
        lat_err_set(&err, LAT_E_UNAVAILABLE, "This console places nothing.");
        tried(run, NULL, &err);
        return;
    }
    lat_row_ref(&workload->row);
    with->try_placement(with->try_arg, workload, tried, run);
}
