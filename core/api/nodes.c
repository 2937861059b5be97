/* Nodes as people see them. Who may see a node's name may see what it is; only an administrator removes one. */
#include "api/api_internal.h"

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

static void write_node(struct lat_api *api, const struct lat_node *node,
                       struct lat_json_writer *writer)
{
    int64_t cpu, memory, count;

    count_use(api, node->row.id, &cpu, &memory, &count);
    lat_json_object(writer, NULL);
    lat_row_write(&node->row, writer);
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
