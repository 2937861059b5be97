/* Dry runs: a deploy up to the point where it would change something.
 *
 *   POST /workloads?dry_run=true ─► checks, rendering, admission (workloads.c) ─► a trial (core/orch) ─► 200 with its receipt
 *
 * No transaction is begun, so that there is no row, no port, no word in the audit trail and no kept answer. The credentials that the plugin
 * made on the way are nobody's, and not shown. */
#include "api/evaluation_internal.h"

struct dry_run {
    struct lat__call *call;
    struct lat_workload *workload; /* held */
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
    lat_json_add_int(writer, "placed", (int64_t)trial->placed);
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

void lat__dry_run(struct lat__call *call, struct lat_workload *workload)
{
    const struct lat_api_config *with = &call->api->with;
    struct dry_run *run = LAT_NEW(struct dry_run);
    struct lat_err err;

    run->call = call;
    run->workload = workload;
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
