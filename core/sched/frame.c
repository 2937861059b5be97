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

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void forget_claims(struct lat__claims *claims)
{
    lat_devices_done(&claims->devices);
    free(claims->ports);
    *claims = (struct lat__claims){0};
}

/* ---- life ---- */

struct lat_frame *lat_frame_new(void)
{
    struct lat_frame *frame = LAT_NEW(struct lat_frame);

    frame->columns = lat_columns_new();
    frame->rows = lat_map_new();
    frame->images = lat_map_new();
    frame->data = lat_map_new();
    return frame;
}

static void free_holders(struct lat_map *map)
{
    void *cursor = NULL;
    const char *name;
    void *value;

    while (lat_map_next(map, &cursor, &name, &value)) {
        struct lat__holders *holders = value;

        free(holders->rows);
        free(holders);
    }
    lat_map_free(map);
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
    for (size_t row = 0; row < frame->room; row++) {
        forget_claims(&frame->claims[row]);
    }
    free(frame->claims);
    for (size_t row = 0; row < frame->room; row++) {
        free(frame->calendars[row].hours);
    }
    free(frame->calendars);
    free(frame->numbers);
    free_holders(frame->images);
    free_holders(frame->data);
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
    lat_columns_set_int(columns, row, LAT_FIELD_node_free_bandwidth,
                        frame->free_of[LAT_RESOURCE_BANDWIDTH][row]);
    lat_columns_set_int(columns, row, LAT_FIELD_node_allocations, frame->allocations[row]);
}

static void publish_map(struct lat_frame *frame, size_t row, enum lat_policy_field field,
                        const char *text)
{
    cJSON *json = NULL;

    if (*text && lat_json_parse(text, strlen(text), &json, NULL) != 0) {
        json = NULL; /* a hand that edited: a node without any */
    }
    lat_columns_set_map(frame->columns, row, field, json);
    cJSON_Delete(json);
}

/* Writes what there is of devices, and what is left of them. */
static void publish_devices(struct lat_frame *frame, size_t row)
{
    const struct lat_devices *devices = &frame->claims[row].devices;
    const struct lat_slot *first = NULL;
    int64_t all = 0;
    int64_t idle = 0;
    int64_t largest = 0;

    for (size_t i = 0; i < devices->count; i++) {
        const struct lat_slot *slot = &devices->slots[i];

        if (slot->is_there) {
            first = first ? first : slot;
            all++;
            idle += slot->used_milli == 0;
            largest = LAT_GPU_WHOLE - slot->used_milli > largest ? LAT_GPU_WHOLE - slot->used_milli
                                                                 : largest;
        }
    }
    lat_columns_set_int(frame->columns, row, LAT_FIELD_node_gpus, all);
    lat_columns_set_int(frame->columns, row, LAT_FIELD_node_free_gpus, idle);
    lat_columns_set_text(frame->columns, row, LAT_FIELD_node_gpu_model,
                         first && *first->model ? first->model : NULL);
    lat_columns_set_int(frame->columns, row, LAT_FIELD_node_gpu_memory,
                        first ? first->memory_bytes : 0);
    lat_columns_set_float(frame->columns, row, LAT_FIELD_node_free_gpu_share,
                          (double)largest / LAT_GPU_WHOLE);
}

/* Notes that a row has a thing, or forgets it. */
static void set_holder(struct lat_map *map, size_t row, const char *name, bool has)
{
    struct lat__holders *holders = lat_map_get(map, name);
    uint64_t bit = UINT64_C(1) << row % 64;

    if (!holders && !has) {
        return;
    }
    if (!holders) {
        holders = LAT_NEW(struct lat__holders);
        lat_map_put(map, name, holders);
    }
    if (row / 64 >= holders->words) {
        size_t words = row / 64 + 4;

        holders->rows = lat_grow(holders->rows, words, sizeof(*holders->rows));
        memset(holders->rows + holders->words, 0,
               (words - holders->words) * sizeof(*holders->rows));
        holders->words = words;
    }
    holders->count += has && !(holders->rows[row / 64] & bit);
    holders->count -= !has && (holders->rows[row / 64] & bit);
    holders->rows[row / 64] = has ? holders->rows[row / 64] | bit : holders->rows[row / 64] & ~bit;
    if (holders->count == 0) {
        lat_map_remove(map, name);
        free(holders->rows);
        free(holders);
    }
}

/* Notes all that a node tells of in a list, or forgets it. */
static void note_list(struct lat_map *map, size_t row, const char *list, bool has)
{
    cJSON *json = NULL;
    const cJSON *name;

    if (*list && lat_json_parse(list, strlen(list), &json, NULL) == 0) {
        cJSON_ArrayForEach (name, json) {
            if (cJSON_IsString(name)) {
                set_holder(map, row, name->valuestring, has);
            }
        }
        cJSON_Delete(json);
    }
}

static void renew_list(struct lat_map *map, size_t row, const char *before, const char *now)
{
    if (!lat_text_equal(before, now)) {
        note_list(map, row, before, false);
        note_list(map, row, now, true);
    }
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
    lat_columns_set_int(columns, row, LAT_FIELD_node_bandwidth, node->bandwidth_bps);
    lat_columns_set_bool(columns, row, LAT_FIELD_node_on_battery, node->on_battery);
    lat_columns_set_int(columns, row, LAT_FIELD_node_rank, node->rank);
    if (!lat__node_is_bounded(node)) { /* of others lat_frame_tell_time says it */
        lat_columns_set_int(columns, row, LAT_FIELD_node_available_seconds, INT64_MAX);
    }
    frame->bounded += lat__node_is_bounded(node);
    frame->bounded -= before != NULL && lat__node_is_bounded(before);
    if (before == NULL || !lat_text_equal(before->hours, node->hours)) {
        lat__frame_note_hours(frame, row, node->hours);
    }
    renew_list(frame->images, row, before ? before->images : "", node->images);
    renew_list(frame->data, row, before ? before->volumes : "", node->volumes);
    if (before == NULL || !lat_text_equal(before->labels, node->labels)) {
        publish_map(frame, row, LAT_FIELD_node_labels, node->labels);
    }
    if (before == NULL || !lat_text_equal(before->attributes, node->attributes)) {
        publish_map(frame, row, LAT_FIELD_node_attributes, node->attributes);
    }
    if (before == NULL || !lat_text_equal(before->gpus, node->gpus)) {
        lat_devices_offer(&frame->claims[row].devices, node->gpus);
        publish_devices(frame, row);
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
    frame->claims = lat_grow(frame->claims, frame->room, sizeof(*frame->claims));
    frame->calendars = lat_grow(frame->calendars, frame->room, sizeof(*frame->calendars));
    frame->numbers = lat_grow(frame->numbers, frame->room, sizeof(*frame->numbers));
    for (int resource = 0; resource < LAT_RESOURCE_COUNT; resource++) {
        frame->free_of[resource] = lat_grow(frame->free_of[resource], frame->room, sizeof(int64_t));
    }
    for (size_t i = before; i < frame->room; i++) { /* rules read whole words of rows */
        frame->nodes[i] = NULL;
        frame->allocations[i] = 0;
        frame->claims[i] = (struct lat__claims){0};
        frame->calendars[i] = (struct lat__calendar){.hours = NULL};
        frame->numbers[i] = 0;
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
    frame->numbers[row] = node->number;
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
    note_list(frame->images, row, frame->nodes[row]->images, false);
    note_list(frame->data, row, frame->nodes[row]->volumes, false);
    frame->bounded -= lat__node_is_bounded(frame->nodes[row]);
    lat__frame_note_hours(frame, row, "");
    lat_row_unref(&frame->nodes[row]->row);
    frame->nodes[row] = NULL;
    forget_claims(&frame->claims[row]);
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

/* Notes a port, or gives it back. */
static void count_port(struct lat__claims *claims, int64_t port, int64_t times)
{
    if (times > 0) {
        claims->ports = lat_grow(claims->ports, claims->port_count + 1, sizeof(*claims->ports));
        claims->ports[claims->port_count++] = port;
        return;
    }
    for (size_t i = 0; i < claims->port_count; i++) {
        if (claims->ports[i] == port) {
            claims->ports[i] = claims->ports[--claims->port_count];
            return;
        }
    }
}

void lat__frame_claim(struct lat_frame *frame, size_t row, const char *gpus, const char *ports,
                      int64_t times)
{
    cJSON *json = NULL;
    const cJSON *port;

    if (*gpus) {
        lat_devices_count(&frame->claims[row].devices, gpus, times);
        publish_devices(frame, row);
    }
    if (*ports && lat_json_parse(ports, strlen(ports), &json, NULL) == 0) {
        cJSON_ArrayForEach (port, json) {
            count_port(&frame->claims[row], (int64_t)port->valuedouble, times);
        }
        cJSON_Delete(json);
    }
}

void lat_frame_claim(struct lat_frame *frame, const struct lat_allocation *allocation,
                     int64_t times)
{
    size_t row = lat_frame_row(frame, allocation->node_id);

    if (row != SIZE_MAX) {
        lat__frame_claim(frame, row, allocation->gpus, allocation->host_ports, times);
    }
}

/* ---- reading ---- */

static const uint64_t *holders_of(const struct lat_map *map, const char *name, size_t *ret_words)
{
    const struct lat__holders *found = lat_map_get(map, name);

    *ret_words = found ? found->words : 0;
    return found ? found->rows : NULL;
}

const uint64_t *lat_frame_image(const struct lat_frame *frame, const char *image, size_t *ret_words)
{
    return holders_of(frame->images, image, ret_words);
}

const uint64_t *lat_frame_data(const struct lat_frame *frame, const char *workload_id,
                               int64_t ordinal, size_t *ret_words)
{
    char key[LAT_ID_SIZE + 24];

    *ret_words = 0;
    if (lat_map_count(frame->data) == 0) {
        return NULL;
    }
    snprintf(key, sizeof(key), "%s/%" PRId64, workload_id, ordinal);
    return holders_of(frame->data, key, ret_words);
}

const struct lat_devices *lat_frame_devices(const struct lat_frame *frame, size_t row)
{
    return &frame->claims[row].devices;
}

bool lat_frame_has_port(const struct lat_frame *frame, size_t row, int64_t port)
{
    const struct lat__claims *claims = &frame->claims[row];

    for (size_t i = 0; i < claims->port_count; i++) {
        if (claims->ports[i] == port) {
            return true;
        }
    }
    return false;
}

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
