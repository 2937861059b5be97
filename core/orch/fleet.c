/* The frame of all nodes, kept as the latest rows say: those that are staged, too.
 *
 *   staged, taken back, durable ─► ids noted ─► before a decision: lat__fleet_refresh reads each of them anew
 *
 * A decision is staged on top of whatever is staged, so it has to see that: above all what the decisions before it reserve. Nothing
 * but ids is noted when something happens, because a plan may be under way, for which the frame stands still. What is counted of an
 * allocation is its durable row, except of those in `ahead`: of them it is the row that is kept there. Runs on the
 * state loop. */
#include "orch/fleet_internal.h"

#include "base/map.h"
#include "base/mem.h"

#include <stdlib.h>

struct lat__fleet {
    struct lat_store *store; /* borrowed */
    struct lat_log *log;     /* borrowed */
    struct lat_frame *frame;
    struct lat_map *nodes;       /* ids to read anew */
    struct lat_map *allocations; /* likewise */
    struct lat_map *ahead;       /* id -> struct counted */
};

/* The row of an allocation that is counted, where that may be another than the durable one. */
struct counted {
    const struct lat_allocation *row; /* held; NULL: none is */
};

static bool reserve_the_same(const struct lat_allocation *a, const struct lat_allocation *b)
{
    return a->cpu_milli == b->cpu_milli && a->memory_bytes == b->memory_bytes &&
           a->disk_bytes == b->disk_bytes && a->bandwidth_bps == b->bandwidth_bps &&
           lat_text_equal(a->node_id, b->node_id) && lat_text_equal(a->gpus, b->gpus) &&
           lat_text_equal(a->host_ports, b->host_ports);
}

static void count(struct lat__fleet *fleet, const struct lat_allocation *before,
                  const struct lat_allocation *after)
{
    struct lat_need need;

    before =
        before && before->finished ? NULL : before; /* the end of a task gives back what it had */
    after = after && after->finished ? NULL : after;
    if (before && after && reserve_the_same(before, after)) {
        return;
    }
    if (before) {
        need = lat_need_of_allocation(before);
        lat_frame_release(fleet->frame, before->node_id, &need);
        lat_frame_claim(fleet->frame, before, -1);
    }
    if (after) {
        need = lat_need_of_allocation(after);
        lat_frame_reserve(fleet->frame, after->node_id, &need);
        lat_frame_claim(fleet->frame, after, 1);
    }
}

static void hold(struct counted *counted, const struct lat_allocation *row)
{
    if (row) {
        lat_row_ref(&row->row);
    }
    if (counted->row) {
        lat_row_unref(&counted->row->row);
    }
    counted->row = row;
}

static void let_go(struct lat__fleet *fleet, const char *id)
{
    struct counted *counted = lat_map_remove(fleet->ahead, id);

    if (counted) {
        hold(counted, NULL);
        free(counted);
    }
}

/* ---- what happens ---- */

void lat__fleet_node_moved(struct lat__fleet *fleet, const char *id)
{
    lat_map_put(fleet->nodes, id, fleet);
}

/* Notes an allocation of which `row` is counted unless it is ahead. */
static void note_allocation(struct lat__fleet *fleet, const char *id,
                            const struct lat_allocation *row)
{
    lat_map_put(fleet->allocations, id, fleet);
    if (!lat_map_get(fleet->ahead, id)) {
        struct counted *counted = LAT_NEW(struct counted);

        hold(counted, row);
        lat_map_put(fleet->ahead, id, counted);
    }
}

void lat__fleet_allocation_staged(struct lat__fleet *fleet, const char *id)
{
    note_allocation(fleet, id, lat_store_allocation(fleet->store, id));
}

void lat__fleet_allocation_changed(struct lat__fleet *fleet, const struct lat_allocation *before,
                                   const struct lat_allocation *after)
{
    const char *id = after ? after->row.id : before->row.id;
    const struct counted *counted = lat_map_get(fleet->ahead, id);

    if (counted && counted->row == after && !lat_map_get(fleet->allocations, id)) {
        let_go(fleet, id); /* what was counted has become durable */
    } else {
        note_allocation(fleet, id, before);
    }
}

/* ---- reading anew ---- */

/* Tells whether a node is one that instances could be on, now or later. One that was shut out before it was ever let in is not: no receipt
 * speaks of it. */
static bool is_in_fleet(const struct lat_node *node)
{
    return !lat_text_equal(node->status, lat_node_state_name(LAT_NODE_REVOKED));
}

/* Shows the frame a node as it is. */
static void show_node(struct lat__fleet *fleet, const struct lat_node *node)
{
    struct lat_err err;

    if (!is_in_fleet(node)) {
        lat_frame_remove(fleet->frame, node->row.id);
    } else if (lat_frame_put(fleet->frame, node, &err) != 0) {
        lat_log(fleet->log, LAT_LOG_ERROR, "a node is not placed on", LAT_STR("node", node->row.id),
                LAT_ERR(&err));
    }
}

/* Counts what is counted of a node's allocations: it came back, a removal of it was taken back. */
static void recount(struct lat__fleet *fleet, const char *node_id)
{
    const struct lat_row *row;
    const char *id;
    void *cursor = NULL;
    void *value;

    while ((row = lat_store_each(fleet->store, LAT_INDEX_ALLOCATION_NODE, node_id, &cursor))) {
        if (!lat_map_get(fleet->ahead, row->id)) {
            count(fleet, NULL, (const struct lat_allocation *)row);
        }
    }
    cursor = NULL;
    while (lat_map_next(fleet->ahead, &cursor, &id, &value)) {
        const struct counted *counted = value;

        if (counted->row && lat_text_equal(counted->row->node_id, node_id)) {
            count(fleet, NULL, counted->row);
        }
    }
}

static void refresh_node(struct lat__fleet *fleet, struct lat_txn *txn, const char *id)
{
    const struct lat_node *node = (const struct lat_node *)lat_txn_get(txn, LAT_TABLE_NODE, id);
    bool is_new = lat_frame_row(fleet->frame, id) == SIZE_MAX;

    if (!node) {
        lat_frame_remove(fleet->frame, id);
        return;
    }
    show_node(fleet, node);
    if (is_new && lat_frame_row(fleet->frame, id) != SIZE_MAX) {
        recount(fleet, id);
    }
}

static void refresh_allocation(struct lat__fleet *fleet, struct lat_txn *txn, const char *id)
{
    const struct lat_allocation *latest =
        (const struct lat_allocation *)lat_txn_get(txn, LAT_TABLE_ALLOCATION, id);
    struct counted *counted = lat_map_get(fleet->ahead, id);

    LAT_ASSERT(counted != NULL);
    count(fleet, counted->row, latest);
    if (latest == lat_store_allocation(fleet->store, id)) {
        let_go(fleet, id);
    } else {
        hold(counted, latest);
    }
}

void lat__fleet_refresh(struct lat__fleet *fleet, struct lat_txn *txn)
{
    void *cursor = NULL;
    const char *id;
    void *value;

    while (lat_map_next(fleet->nodes, &cursor, &id, &value)) {
        refresh_node(fleet, txn, id);
        lat_map_remove(fleet->nodes, id);
    }
    cursor = NULL;
    while (lat_map_next(fleet->allocations, &cursor, &id, &value)) {
        refresh_allocation(fleet, txn, id);
        lat_map_remove(fleet->allocations, id);
    }
}

struct lat_frame *lat__fleet_frame(struct lat__fleet *fleet)
{
    return fleet->frame;
}

/* ---- life ---- */

struct lat__fleet *lat__fleet_new(struct lat_store *store, struct lat_log *log)
{
    struct lat__fleet *fleet = LAT_NEW(struct lat__fleet);
    const struct lat_node *node;
    const struct lat_allocation *allocation;
    void *cursor = NULL;

    fleet->store = store;
    fleet->log = log;
    fleet->frame = lat_frame_new();
    fleet->nodes = lat_map_new();
    fleet->allocations = lat_map_new();
    fleet->ahead = lat_map_new();
    while ((node = lat_store_next_node(store, &cursor))) {
        show_node(fleet, node);
    }
    cursor = NULL;
    while ((allocation = lat_store_next_allocation(store, &cursor))) {
        count(fleet, NULL, allocation);
    }
    return fleet;
}

struct lat__fleet *lat__fleet_free(struct lat__fleet *fleet)
{
    void *cursor = NULL;
    const char *id;
    void *value;

    if (!fleet) {
        return NULL;
    }
    while (lat_map_next(fleet->ahead, &cursor, &id, &value)) {
        let_go(fleet, id);
    }
    lat_map_free(fleet->ahead);
    lat_map_free(fleet->nodes);
    lat_map_free(fleet->allocations);
    lat_frame_free(fleet->frame);
    free(fleet);
    return NULL;
}
