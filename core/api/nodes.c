/* Nodes as people see them. Who may see a node's name may see what it is; only an administrator removes one. */
#include "api/workload_internal.h"

#include "base/clock.h"
#include "model/hours.h"
#include "model/spec.h"

static void count_use(struct lat_api *api, const char *node_id, int64_t *ret_cpu,
                      int64_t *ret_memory, int64_t *ret_count)
{
    const struct lat_row *row;
    void *cursor = NULL;

    *ret_cpu = *ret_memory = *ret_count = 0;
    while ((row = lat_store_each(api->with.store, LAT_INDEX_ALLOCATION_NODE, node_id, &cursor))) {
        const struct lat_allocation *allocation = (const struct lat_allocation *)row;

        if (!allocation->finished) {
            *ret_cpu += allocation->cpu_milli;
            *ret_memory += allocation->memory_bytes;
            ++*ret_count;
        }
    }
}

/* Writes whether its owner lends it now, and when that changes by their hours. */
static void write_hours(struct lat_api *api, const struct lat_node *node,
                        struct lat_json_writer *writer)
{
    int64_t now = lat_clock_wall_ms(lat_loop_clock(api->with.loop));
    int64_t until = node->available_until != 0 ? node->available_until : INT64_MAX;
    int64_t changes = INT64_MAX;
    struct lat_hours hours;
    bool lent = true;

    if (*node->hours) {
        lent =
            lat_hours_parse(node->hours, &hours, NULL) == 0 && lat_hours_at(&hours, now, &changes);
    }
    lent = lent && now < until;
    lat_json_add_bool(writer, "available", lent);
    lat_json_add_time(writer, "opens_at", !lent && changes < until && now < until ? changes : 0);
    changes = changes < until ? changes : until;
    lat_json_add_time(writer, "closes_at", lent && changes != INT64_MAX ? changes : 0);
}

static void write_node(struct lat_api *api, const struct lat_node *node,
                       struct lat_json_writer *writer)
{
    int64_t cpu, memory, count;

    count_use(api, node->row.id, &cpu, &memory, &count);
    lat_json_object(writer, NULL);
    lat_row_write(&node->row, writer);
    write_hours(api, node, writer);
    lat_json_add_int(writer, "reserved_cpu_milli", cpu);
    lat_json_add_int(writer, "reserved_memory_bytes", memory);
    lat_json_add_int(writer, "allocations", count);
    lat_json_end(writer, '}');
}

void lat__nodes_list(struct lat__call *call)
{
    const struct lat_node *node;
    struct lat__page page;
    void *cursor = NULL;
    struct lat_err err;

    if (lat__page_begin(call, &page, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    while (!page.is_full && (node = lat_store_next_node(call->api->with.store, &cursor))) {
        if (lat__page_takes(&page, node->row.id)) {
            write_node(call->api, node, &page.writer);
        }
    }
    lat__page_answer(call, &page);
}

int lat__node_find(struct lat__call *call, const struct lat_node **ret_node, struct lat_err *err)
{
    const char *id = lat_http_path_param(call->req, "id");
    const struct lat_row *row = lat_store_get(call->api->with.store, LAT_TABLE_NODE, id);

    if (!row) {
        row = lat_store_find(call->api->with.store, LAT_INDEX_NODE_NAME, id);
    }
    if (!row) {
        lat_err_set(err, LAT_E_NOT_FOUND, "There is no node '%.64s'.", id);
        return lat_err_hint(err, "`lattice node ls` lists them.");
    }
    *ret_node = (const struct lat_node *)row;
    return 0;
}

void lat__nodes_get(struct lat__call *call)
{
    const struct lat_node *node;
    struct lat_json_writer writer;
    struct lat_buf answer = {0};
    struct lat_err err;

    if (lat__node_find(call, &node, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    lat_json_writer_init(&writer, &answer);
    write_node(call->api, node, &writer);
    lat__call_answer(call, 200, &answer);
}

/* ---- changing: what administrators say of a node ---- */

/* Reads `available_until`: a time, or null for always. */
static int read_until(struct lat__call *call, int64_t *ret_until, struct lat_err *err)
{
    const cJSON *until = lat_json_get(call->body, "available_until");

    if (!until) {
        return 0;
    }
    if (cJSON_IsNull(until)) {
        *ret_until = 0;
        return 0;
    }
    if (!cJSON_IsString(until) || lat_time_parse(until->valuestring, ret_until)) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "available_until",
                      "available_until is not a time.");
        lat_err_hint(err, "Write it as 2026-11-21T22:00:00Z; null is always.");
        return LAT_E_INVALID_FIELD;
    }
    return 0;
}

/* Reads `hours`: weekly ones, or null for always. */
static int read_hours(struct lat__call *call, struct lat_node *node, struct lat_err *err)
{
    const cJSON *hours = lat_json_get(call->body, "hours");
    struct lat_hours read;
    int code;

    if (!hours || cJSON_IsNull(hours)) {
        if (hours) {
            lat_row_set(node->hours, "");
        }
        return 0;
    }
    if (!cJSON_IsString(hours)) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "hours", "hours are text, or null for always.");
        return LAT_E_INVALID_FIELD;
    }
    code = lat_hours_parse(hours->valuestring, &read, err);
    if (code == 0) {
        lat_row_set(node->hours, hours->valuestring);
    }
    return code;
}

static int change_node(struct lat__call *call, struct lat_node *node, struct lat_err *err)
{
    const char *pool = node->pool;
    char *labels;
    int code = lat_json_read_text(call->body, "pool", &pool, err);

    code = code || lat_text_equal(pool, node->pool) ? code : lat_name_check(pool, "pool", err);
    code = code ? code : read_until(call, &node->available_until, err);
    code = code ? code : read_hours(call, node, err);
    code = code
               ? code
               : lat__labels_change(node->labels, lat_json_get(call->body, "labels"), &labels, err);
    if (code == 0) {
        lat_row_take(node->labels, labels);
        lat_row_set(node->pool, pool);
    }
    return code;
}

void lat__nodes_change(struct lat__call *call)
{
    static const char *const known[] = {"pool", "labels", "available_until", "hours", NULL};
    const struct lat_node *found;
    struct lat_json_writer writer;
    struct lat_buf answer = {0};
    struct lat_node *node;
    struct lat_txn *txn;
    struct lat_err err;

    if (lat__node_find(call, &found, &err) || lat__call_read_body(call, known, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    txn = lat__call_begin(call);
    found = (const struct lat_node *)lat_txn_get(txn, LAT_TABLE_NODE, found->row.id);
    if (!found) {
        lat_err_set(&err, LAT_E_NOT_FOUND, "The node has just been removed.");
        lat_txn_cancel(txn);
        lat__call_fail(call, &err);
        return;
    }
    node = lat_node_edit(found);
    if (change_node(call, node, &err)) {
        lat_row_unref(&node->row);
        lat_txn_cancel(txn);
        lat__call_fail(call, &err);
        return;
    }
    found = (const struct lat_node *)lat_txn_put(txn, &node->row);
    lat_json_writer_init(&writer, &answer);
    write_node(call->api, found, &writer);
    lat__call_commit(call, txn, "node.change", &found->row, 200, &answer);
}

/* ---- removing ---- */

/* Stages the removal of what stands on a node, what is being placed there at this moment included. Its workloads are placed anew,
 * without the data that the node holds; finished tasks stay as they are, for they are not to be run again. */
static void remove_allocations(struct lat_txn *txn, const char *node_id)
{
    const struct lat_row *row;
    void *cursor = NULL;

    while ((row = lat_txn_each(txn, LAT_INDEX_ALLOCATION_NODE, node_id, &cursor))) {
        if (!((const struct lat_allocation *)row)->finished) {
            lat_txn_remove(txn, LAT_TABLE_ALLOCATION, row->id);
            cursor = NULL; /* the walk does not survive a removal */
        }
    }
}

static int refuse_occupied(struct lat_txn *txn, const struct lat_node *node, struct lat_err *err)
{
    void *cursor = NULL;

    if (!lat_txn_each(txn, LAT_INDEX_ALLOCATION_NODE, node->row.id, &cursor)) {
        return 0;
    }
    lat_err_set(err, LAT_E_CONFLICT, "Workloads stand on node '%s'.", node->name);
    lat_err_hint(
        err,
        "Remove them first (`lattice ps` shows where they are); or, when it will never come back, give it up "
        "with what it holds: --force.");
    return LAT_E_CONFLICT;
}

void lat__nodes_remove(struct lat__call *call)
{
    const struct lat_node *node;
    struct lat_buf answer = {0};
    struct lat_txn *txn;
    struct lat_err err;
    bool force;

    if (lat__node_find(call, &node, &err) || lat__call_read_flag(call, "force", &force, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    txn = lat__call_begin(call);
    if (force) {
        remove_allocations(txn, node->row.id);
    } else if (refuse_occupied(txn, node, &err)) {
        lat_txn_cancel(txn);
        lat__call_fail(call, &err);
        return;
    }
    lat_txn_expect(txn, &node->row);
    lat_txn_remove(txn, LAT_TABLE_NODE, node->row.id);
    lat__call_commit(call, txn, "node.remove", &node->row, 204, &answer);
}
