/* The fleet in columns, and what is reserved of each node.
 *
 * Reservations are counted here in whole thousandths and bytes, so that room is a matter of integers; what policies see of them
 * (processors are fractions there) is written into the columns behind each change. Only what differs is written: the columns
 * tell by blocks what changed, and what does not is not computed again. */
#include "sched/frame_internal.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/states.h"

#include <stdlib.h>
#include <string.h>

enum { LAT__RANK = 500 }; /* of every node, until there is a ranking */

struct lat_need lat_need_of_workload(const struct lat_workload *workload)
{
    return (struct lat_need){.of = {
#define X(NAME, member) [LAT_RESOURCE_##NAME] = workload->member,
                                 LAT_RESOURCES(X)
#undef X
                             }};
}

struct lat_need lat_need_of_allocation(const struct lat_allocation *allocation)
{
    return (struct lat_need){.of = {
#define X(NAME, member) [LAT_RESOURCE_##NAME] = allocation->member,
                                 LAT_RESOURCES(X)
#undef X
                             }};
}

static int64_t total_of(const struct lat_node *node, enum lat_resource resource)
{
    switch (resource) {
#define X(NAME, member)                                                                            \
    case LAT_RESOURCE_##NAME: return node->member;
        LAT_RESOURCES(X)
#undef X
    default: return 0;
    }
}

/* ---- life ---- */

struct lat_frame *lat_frame_new(void)
{
    struct lat_frame *frame = LAT_NEW(struct lat_frame);

    frame->columns = lat_columns_new();
    frame->rows = lat_map_new();
    return frame;
}

struct lat_frame *lat_frame_free(struct lat_frame *frame)
{
    if (!frame) {
        return NULL;
    }
    for (size_t row = 0; row < lat_columns_rows(frame->columns); row++) {
        if (frame->nodes[row]) {
            lat_row_unref(&frame->nodes[row]->row);
        }
    }
    for (int resource = 0; resource < LAT_RESOURCE_COUNT; resource++) {
        free(frame->free_of[resource]);
    }
    free(frame->nodes);
    free(frame->allocations);
    lat_map_free(frame->rows);
    lat_columns_free(frame->columns);
    free(frame);
    return NULL;
}

/* ---- what policies see ---- */

/* Writes what is free of a row into the columns. */
static void publish_free(struct lat_frame *frame, size_t row)
{
    struct lat_columns *columns = frame->columns;

    lat_columns_set_float(columns, row, LAT_FIELD_node_free_cpu,
                          (double)frame->free_of[LAT_RESOURCE_CPU][row] / 1000);
    lat_columns_set_int(columns, row, LAT_FIELD_node_free_memory,
                        frame->free_of[LAT_RESOURCE_MEMORY][row]);
    lat_columns_set_int(columns, row, LAT_FIELD_node_allocations, frame->allocations[row]);
}

static void publish_labels(struct lat_frame *frame, size_t row, const char *labels)
{
    cJSON *json = NULL;

    if (*labels && lat_json_parse(labels, strlen(labels), &json, NULL) != 0) {
        json = NULL; /* a hand that edited: a node without labels */
    }
    lat_columns_set_map(frame->columns, row, LAT_FIELD_node_labels, json);
    cJSON_Delete(json);
}

/* Writes what a node is into the columns; `before` is what they say now, NULL of a new row. */
static void publish(struct lat_frame *frame, size_t row, const struct lat_node *before,
                    const struct lat_node *node)
{
    struct lat_columns *columns = frame->columns;

    lat_columns_set_text(columns, row, LAT_FIELD_node_id, node->row.id);
    lat_columns_set_text(columns, row, LAT_FIELD_node_name, node->name);
    lat_columns_set_text(columns, row, LAT_FIELD_node_pool, node->pool);
    lat_columns_set_text(columns, row, LAT_FIELD_node_architecture, node->architecture);
    lat_columns_set_text(columns, row, LAT_FIELD_node_os, node->os);
    lat_columns_set_bool(columns, row, LAT_FIELD_node_healthy,
                         lat_text_equal(node->status, lat_node_state_name(LAT_NODE_READY)));
    lat_columns_set_float(columns, row, LAT_FIELD_node_cpu, (double)node->cpu_milli / 1000);
    lat_columns_set_int(columns, row, LAT_FIELD_node_memory, node->memory_bytes);
    lat_columns_set_int(columns, row, LAT_FIELD_node_disk, node->disk_bytes);
    lat_columns_set_int(columns, row, LAT_FIELD_node_free_disk, node->disk_free_bytes);
    lat_columns_set_int(columns, row, LAT_FIELD_node_rank, LAT__RANK);
    lat_columns_set_int(columns, row, LAT_FIELD_node_available_seconds, INT64_MAX);
    if (before == NULL || !lat_text_equal(before->labels, node->labels)) {
        publish_labels(frame, row, node->labels);
    }
    publish_free(frame, row);
}

/* ---- nodes ---- */

static void make_room(struct lat_frame *frame, size_t row)
{
    size_t before = frame->room;

    if (row < before) {
        return;
    }
    frame->room = before ? before * 2 : LAT_COLUMNS_BLOCK;
    frame->nodes = lat_grow(frame->nodes, frame->room, sizeof(*frame->nodes));
    frame->allocations = lat_grow(frame->allocations, frame->room, sizeof(*frame->allocations));
    for (int resource = 0; resource < LAT_RESOURCE_COUNT; resource++) {
        frame->free_of[resource] = lat_grow(frame->free_of[resource], frame->room, sizeof(int64_t));
    }
    for (size_t i = before; i < frame->room; i++) { /* rules read whole words of rows */
        frame->nodes[i] = NULL;
        frame->allocations[i] = 0;
        for (int resource = 0; resource < LAT_RESOURCE_COUNT; resource++) {
            frame->free_of[resource][i] = 0;
        }
    }
}

size_t lat_frame_row(const struct lat_frame *frame, const char *node_id)
{
    return (size_t)(uintptr_t)lat_map_get(frame->rows, node_id) - 1; /* NULL: SIZE_MAX */
}

static int add_row(struct lat_frame *frame, const struct lat_node *node, size_t *ret_row,
                   struct lat_err *err)
{
    size_t row;
    int rc = lat_columns_add(frame->columns, &row, err);

    if (rc != 0) {
        return rc;
    }
    make_room(frame, row);
    frame->allocations[row] = 0;
    for (int resource = 0; resource < LAT_RESOURCE_COUNT; resource++) {
        frame->free_of[resource][row] = 0;
    }
    lat_map_put(frame->rows, node->row.id, (void *)(uintptr_t)(row + 1));
    *ret_row = row;
    return 0;
}

int lat_frame_put(struct lat_frame *frame, const struct lat_node *node, struct lat_err *err)
{
    size_t row = lat_frame_row(frame, node->row.id);
    const struct lat_node *before = row == SIZE_MAX ? NULL : frame->nodes[row];

    if (before == node) {
        return 0;
    }
    if (row == SIZE_MAX) {
        int rc = add_row(frame, node, &row, err);

        if (rc != 0) {
            return rc;
        }
    }
    for (int i = 0; i < LAT_RESOURCE_COUNT; i++) {
        int64_t was = before ? total_of(before, (enum lat_resource)i) : 0;

        frame->free_of[i][row] += total_of(node, (enum lat_resource)i) - was;
    }
    lat_row_ref(&node->row);
    frame->nodes[row] = node;
    publish(frame, row, before, node);
    if (before) {
        lat_row_unref(&before->row);
    }
    return 0;
}

void lat_frame_remove(struct lat_frame *frame, const char *node_id)
{
    size_t row = lat_frame_row(frame, node_id);

    if (row == SIZE_MAX) {
        return;
    }
    lat_map_remove(frame->rows, node_id);
    lat_row_unref(&frame->nodes[row]->row);
    frame->nodes[row] = NULL;
    lat_columns_remove(frame->columns, row);
}

/* ---- what is reserved ---- */

static void count(struct lat_frame *frame, size_t row, const struct lat_need *need, int64_t times)
{
    for (int i = 0; i < LAT_RESOURCE_COUNT; i++) {
        frame->free_of[i][row] -= times * need->of[i];
    }
    frame->allocations[row] += times;
    publish_free(frame, row);
}

void lat__frame_take(struct lat_frame *frame, size_t row, const struct lat_need *need)
{
    count(frame, row, need, 1);
}

void lat__frame_give(struct lat_frame *frame, size_t row, const struct lat_need *need)
{
    count(frame, row, need, -1);
}

void lat_frame_reserve(struct lat_frame *frame, const char *node_id, const struct lat_need *need)
{
    size_t row = lat_frame_row(frame, node_id);

    if (row != SIZE_MAX) {
        count(frame, row, need, 1);
    }
}

void lat_frame_release(struct lat_frame *frame, const char *node_id, const struct lat_need *need)
{
    size_t row = lat_frame_row(frame, node_id);

    if (row != SIZE_MAX) {
        count(frame, row, need, -1);
    }
}

/* ---- reading ---- */

size_t lat_frame_rows(const struct lat_frame *frame)
{
    return lat_columns_rows(frame->columns);
}

size_t lat_frame_count(const struct lat_frame *frame)
{
    return lat_map_count(frame->rows);
}

const struct lat_node *lat_frame_node(const struct lat_frame *frame, size_t row)
{
    return frame->nodes[row];
}

int64_t lat_frame_total(const struct lat_frame *frame, size_t row, enum lat_resource resource)
{
    return total_of(frame->nodes[row], resource);
}

int64_t lat_frame_free_of(const struct lat_frame *frame, size_t row, enum lat_resource resource)
{
    return frame->free_of[resource][row];
}

struct lat_columns *lat_frame_columns(struct lat_frame *frame)
{
    return frame->columns;
}
