/* Messages about allocations, and the header of a stream to one. Pure functions; any thread. */
#include "message_internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "model/constraints.h"
#include "model/demand.h"
#include "model/spec.h"

#include <stdlib.h>
#include <string.h>

/* ---- observed, inventory ---- */

static void write_observed(struct lat_json_writer *writer, const struct lat_observed_message *item)
{
    lat_json_add_text(writer, "allocation", item->allocation);
    lat_json_add_int(writer, "generation", item->generation);
    lat_json_add_text(writer, "status", lat_allocation_state_name(item->status));
    lat_json_add_text(writer, "reason", item->reason ? item->reason : "");
    if (item->observed_json && *item->observed_json)
        lat_json_add_raw(writer, "observed", item->observed_json);
    lat_json_add_text(writer, "request_id", item->request_id ? item->request_id : "");
}

void lat_observed_message_write(const struct lat_observed_message *observed, struct lat_buf *out)
{
    struct lat_json_writer writer;
    lat__message_begin(&writer, out, LAT_MESSAGE_OBSERVED);
    write_observed(&writer, observed);
    lat_json_end(&writer, '}');
}

static int check_ports(const cJSON *observed, struct lat_err *err)
{
    const cJSON *ports;
    int code = lat__may_object(observed, "ports", &ports, err);
    if (code < 0)
        return code;
    int count = 0;
    const cJSON *port;
    cJSON_ArrayForEach (port, ports) {
        if (!cJSON_IsNumber(port) || port->valuedouble < 0 || port->valuedouble > 65535)
            return lat_err_field(err, LAT_E_INVALID_FIELD, "observed.ports",
                                 "The port %.64s is no port.", port->string);
        if (++count > LAT_PORTS_MAX)
            return lat_err_field(err, LAT_E_INVALID_FIELD, "observed.ports",
                                 "There are more than %d ports.", LAT_PORTS_MAX);
    }
    return 0;
}

static int check_volumes(const cJSON *observed, struct lat_err *err)
{
    const cJSON *volumes = lat_json_get(observed, "volumes");
    if (volumes && !cJSON_IsNull(volumes) && !cJSON_IsArray(volumes))
        return lat_err_field(err, LAT_E_INVALID_FIELD, "observed.volumes",
                             "volumes must be an array.");
    const cJSON *volume;
    cJSON_ArrayForEach (volume, volumes) {
        if (!cJSON_IsString(volume))
            return lat_err_field(err, LAT_E_INVALID_FIELD, "observed.volumes",
                                 "The name of a volume is text.");
    }
    return 0;
}

static int check_observed(const cJSON *observed, struct lat_err *err)
{
    const char *text;
    int64_t number = 0;
    bool flag = false;
    char *printed = lat_json_print(observed);
    size_t len = strlen(printed);
    free(printed);
    if (len > LAT_OBSERVED_BYTES_MAX)
        return lat_err_field(err, LAT_E_INVALID_FIELD, "observed",
                             "observed has more than %d bytes.", LAT_OBSERVED_BYTES_MAX);
    int code = lat__may_text(observed, "container", &text, err);
    if (code == 0)
        code = lat__may_text(observed, "progress", &text, err);
    if (code == 0)
        code = lat_json_read_int(observed, "starts", 0, LAT__INT_MAX, &number, err);
    if (code == 0)
        code = lat_json_read_int(observed, "exit_status", INT32_MIN, INT32_MAX, &number, err);
    if (code == 0)
        code = lat_json_read_bool(observed, "finished", &flag, err);
    if (code == 0)
        code = lat_json_read_int(observed, "ended", 0, LAT__INT_MAX, &number, err);
    if (code == 0)
        code = check_ports(observed, err);
    if (code == 0)
        code = check_volumes(observed, err);
    return code;
}

int lat_observed_message_read(const cJSON *message, struct lat_observed_message *ret_observed,
                              struct lat_err *err)
{
    struct lat_observed_message item = {0};
    const char *status = "";
    int code = lat__need_id(message, "allocation", &item.allocation, err);
    if (code == 0)
        code = lat__need_int(message, "generation", 0, &item.generation, err);
    if (code == 0)
        code = lat__need_text(message, "status", &status, err);
    if (code == 0 && !lat_allocation_state_parse(status, &item.status))
        code = lat_err_field(err, LAT_E_INVALID_FIELD, "status", "There is no status \"%.64s\".",
                             status);
    if (code == 0)
        code = lat__may_text(message, "reason", &item.reason, err);
    if (code == 0)
        code = lat__may_text(message, "request_id", &item.request_id, err);
    if (code == 0)
        code = lat__may_object(message, "observed", &item.observed, err);
    if (code == 0 && item.observed)
        code = check_observed(item.observed, err);
    if (code == 0)
        *ret_observed = item;
    return code;
}

void lat_inventory_message_write(const struct lat_observed_message *items, size_t count,
                                 struct lat_buf *out)
{
    LAT_ASSERT(count <= LAT_INVENTORY_MAX);
    struct lat_json_writer writer;
    lat__message_begin(&writer, out, LAT_MESSAGE_INVENTORY);
    lat_json_array(&writer, "allocations");
    for (size_t i = 0; i < count; i++) {
        lat_json_object(&writer, NULL);
        write_observed(&writer, &items[i]);
        lat_json_end(&writer, '}');
    }
    lat_json_end(&writer, ']');
    lat_json_end(&writer, '}');
}

int lat_inventory_message_read(const cJSON *message, lat_inventory_fn *fn, void *arg,
                               struct lat_err *err)
{
    const cJSON *allocations = lat_json_get(message, "allocations");
    if (!cJSON_IsArray(allocations))
        return lat_err_field(err, LAT_E_INVALID_FIELD, "allocations",
                             "allocations must be an array.");
    if (cJSON_GetArraySize(allocations) > LAT_INVENTORY_MAX)
        return lat_err_field(err, LAT_E_INVALID_FIELD, "allocations",
                             "There are more than %d allocations.", LAT_INVENTORY_MAX);
    const cJSON *json;
    cJSON_ArrayForEach (json, allocations) {
        struct lat_observed_message item;
        int code = lat_observed_message_read(json, &item, err);
        if (code == 0)
            code = fn(arg, &item, err);
        if (code < 0)
            return code;
    }
    return 0;
}

/* ---- assign, assigned ---- */

void lat_assign_message_write(const struct lat_assign_message *assign, struct lat_buf *out)
{
    struct lat_json_writer writer;
    lat__message_begin(&writer, out, LAT_MESSAGE_ASSIGN);
    lat_json_add_text(&writer, "allocation", assign->allocation);
    lat_json_add_text(&writer, "workload", assign->workload);
    lat_json_add_text(&writer, "workload_name", assign->workload_name);
    lat_json_add_text(&writer, "project", assign->project);
    lat_json_add_text(&writer, "project_name", assign->project_name);
    lat_json_add_int(&writer, "ordinal", assign->ordinal);
    lat_json_add_int(&writer, "generation", assign->generation);
    lat_json_add_int(&writer, "epoch", assign->epoch);
    lat_json_add_text(&writer, "desired", lat_want_name(assign->desired));
    lat_json_add_int(&writer, "restarts", assign->restarts);
    lat_json_add_bool(&writer, "keep_data", assign->keep_data);
    if (assign->task) {
        lat_json_add_bool(&writer, "task", true);
        lat_json_add_int(&writer, "retries", assign->retries);
        lat_json_add_bool(&writer, "finished", assign->finished);
        lat_json_add_int(&writer, "exit_status", assign->exit_status);
        if (assign->ended > 0)
            lat_json_add_int(&writer, "ended", assign->ended);
    }
    if (assign->runtime && *assign->runtime)
        lat_json_add_text(&writer, "runtime", assign->runtime);
    if (assign->devices_json && *assign->devices_json)
        lat_json_add_raw(&writer, "devices", assign->devices_json);
    if (assign->container_json && *assign->container_json)
        lat_json_add_raw(&writer, "container", assign->container_json);
    lat_json_add_text(&writer, "request_id", assign->request_id);
    lat_json_end(&writer, '}');
}

static int read_assign_task(const cJSON *message, struct lat_assign_message *assign,
                            struct lat_err *err)
{
    int code = lat_json_read_bool(message, "task", &assign->task, err);
    if (code == 0)
        code = lat_json_read_int(message, "retries", 0, LAT_RETRIES_MAX, &assign->retries, err);
    if (code == 0)
        code = lat_json_read_bool(message, "finished", &assign->finished, err);
    if (code == 0)
        code = lat_json_read_int(message, "exit_status", INT32_MIN, INT32_MAX, &assign->exit_status,
                                 err);
    if (code == 0)
        code = lat_json_read_int(message, "ended", 0, LAT__INT_MAX, &assign->ended, err);
    return code;
}

static int read_assign_devices(const cJSON *message, struct lat_assign_message *assign,
                               struct lat_err *err)
{
    const cJSON *device;
    assign->devices = lat_json_get(message, "devices");
    if (cJSON_IsNull(assign->devices))
        assign->devices = NULL;
    if (assign->devices &&
        (!cJSON_IsArray(assign->devices) || cJSON_GetArraySize(assign->devices) > LAT_GPUS_MAX))
        return lat_err_field(err, LAT_E_INVALID_FIELD, "devices",
                             "devices must be an array of at most %d ids.", LAT_GPUS_MAX);
    cJSON_ArrayForEach (device, assign->devices) {
        if (!cJSON_IsString(device) || strlen(device->valuestring) > LAT_KEY_MAX)
            return lat_err_field(err, LAT_E_INVALID_FIELD, "devices",
                                 "The id of a device is text.");
    }
    return lat__may_text(message, "runtime", &assign->runtime, err);
}

static int read_assign_names(const cJSON *message, struct lat_assign_message *assign,
                             struct lat_err *err)
{
    int code = lat__need_id(message, "allocation", &assign->allocation, err);
    if (code == 0)
        code = lat__need_id(message, "workload", &assign->workload, err);
    if (code == 0)
        code = lat__may_text(message, "workload_name", &assign->workload_name, err);
    if (code == 0)
        code = lat__may_text(message, "project", &assign->project, err);
    if (code == 0)
        code = lat__may_text(message, "project_name", &assign->project_name, err);
    if (code == 0)
        code = lat__may_text(message, "request_id", &assign->request_id, err);
    return code;
}

int lat_assign_message_read(const cJSON *message, struct lat_assign_message *ret_assign,
                            struct lat_err *err)
{
    struct lat_assign_message assign = {0};
    const char *desired = "";
    int code = read_assign_names(message, &assign, err);
    if (code == 0)
        code = lat__need_int(message, "ordinal", 0, &assign.ordinal, err);
    if (code == 0)
        code = lat__need_int(message, "generation", 0, &assign.generation, err);
    if (code == 0)
        code = lat__need_int(message, "epoch", 0, &assign.epoch, err);
    if (code == 0)
        code = lat__need_text(message, "desired", &desired, err);
    if (code == 0 && !lat_want_parse(desired, &assign.desired))
        code = lat_err_field(err, LAT_E_INVALID_FIELD, "desired",
                             "Nothing is desired as \"%.64s\".", desired);
    if (code == 0)
        code = lat_json_read_int(message, "restarts", 0, LAT__INT_MAX, &assign.restarts, err);
    if (code == 0)
        code = lat_json_read_bool(message, "keep_data", &assign.keep_data, err);
    if (code == 0)
        code = read_assign_task(message, &assign, err);
    if (code == 0)
        code = read_assign_devices(message, &assign, err);
    if (code == 0)
        code = lat__may_object(message, "container", &assign.container, err);
    if (code == 0 && !assign.container && assign.desired != LAT_WANT_REMOVED)
        code = lat_err_field(err, LAT_E_INVALID_FIELD, "container", "container is missing.");
    if (code == 0)
        *ret_assign = assign;
    return code;
}

void lat_assigned_message_write(const char *const *allocations, size_t count, struct lat_buf *out)
{
    LAT_ASSERT(count <= LAT_ASSIGNED_MAX);
    struct lat_json_writer writer;
    lat__message_begin(&writer, out, LAT_MESSAGE_ASSIGNED);
    lat_json_array(&writer, "allocations");
    for (size_t i = 0; i < count; i++)
        lat_json_add_text(&writer, NULL, allocations[i]);
    lat_json_end(&writer, ']');
    lat_json_end(&writer, '}');
}

int lat_assigned_message_read(const cJSON *message, void (*fn)(void *arg, const char *allocation),
                              void *arg, struct lat_err *err)
{
    const cJSON *allocations = lat_json_get(message, "allocations");
    if (!cJSON_IsArray(allocations))
        return lat_err_field(err, LAT_E_INVALID_FIELD, "allocations",
                             "allocations must be an array.");
    const cJSON *item;
    cJSON_ArrayForEach (item, allocations) {
        if (!cJSON_IsString(item))
            return lat_err_field(err, LAT_E_INVALID_FIELD, "allocations",
                                 "An allocation is named by its id.");
    }
    cJSON_ArrayForEach (item, allocations) {
        fn(arg, item->valuestring);
    }
    return 0;
}

/* ---- the header of a stream ---- */

static const char *const kinds[LAT_STREAM_KIND_COUNT] = {
#define X(NAME, name, doc) [LAT_STREAM_##NAME] = #name,
    LAT_STREAM_KINDS(X)
#undef X
};

void lat_stream_header_write(const struct lat_stream_header *header, struct lat_buf *out)
{
    struct lat_json_writer writer;
    lat_json_writer_init(&writer, out);
    lat_json_object(&writer, NULL);
    lat_json_add_text(&writer, "kind", kinds[header->kind]);
    lat_json_add_text(&writer, "allocation", header->allocation);
    lat_json_add_text(&writer, "request_id", header->request_id ? header->request_id : "");
    if (header->kind == LAT_STREAM_TUNNEL) {
        lat_json_add_int(&writer, "generation", header->generation);
        lat_json_add_text(&writer, "port", header->port);
    } else if (header->kind == LAT_STREAM_LOGS) {
        lat_json_add_bool(&writer, "follow", header->follow);
        lat_json_add_int(&writer, "tail", header->tail);
        lat_json_add_bool(&writer, "timestamps", header->timestamps);
        if (header->container && *header->container)
            lat_json_add_text(&writer, "container", header->container);
        if (header->since && *header->since)
            lat_json_add_text(&writer, "since", header->since);
    }
    lat_json_end(&writer, '}');
}

static int read_kind(const cJSON *json, enum lat_stream_kind *ret_kind, struct lat_err *err)
{
    const char *name;
    int code = lat__need_text(json, "kind", &name, err);
    if (code < 0)
        return code;
    for (int i = 0; i < LAT_STREAM_KIND_COUNT; i++) {
        if (strcmp(kinds[i], name) == 0) {
            *ret_kind = (enum lat_stream_kind)i;
            return 0;
        }
    }
    return lat_err_field(err, LAT_E_INVALID_FIELD, "kind",
                         "There are no streams of the kind \"%.64s\".", name);
}

/* It goes into a request to the engine as it is. */
static int read_since(const cJSON *json, const char **ret_since, struct lat_err *err)
{
    const char *since;
    int code = lat__may_text(json, "since", &since, err);
    if (code < 0)
        return code;
    if (strlen(since) > LAT_SINCE_MAX || strspn(since, "0123456789.") != strlen(since))
        return lat_err_field(err, LAT_E_INVALID_FIELD, "since",
                             "since is seconds and nanoseconds: 1795262400.000000001.");
    *ret_since = since;
    return 0;
}

int lat_stream_header_read(const cJSON *json, struct lat_stream_header *ret_header,
                           struct lat_err *err)
{
    struct lat_stream_header header = {.port = "", .tail = -1, .since = "", .container = ""};
    int code = read_kind(json, &header.kind, err);
    if (code == 0)
        code = lat__need_id(json, "allocation", &header.allocation, err);
    if (code == 0)
        code = lat__may_text(json, "request_id", &header.request_id, err);
    if (code == 0 && header.kind == LAT_STREAM_TUNNEL) {
        code = lat__need_int(json, "generation", 0, &header.generation, err);
        if (code == 0)
            code = lat__need_text(json, "port", &header.port, err);
    }
    if (code == 0 && header.kind == LAT_STREAM_LOGS) {
        code = lat_json_read_bool(json, "follow", &header.follow, err);
        if (code == 0)
            code = lat_json_read_int(json, "tail", -1, LAT__INT_MAX, &header.tail, err);
        if (code == 0)
            code = lat_json_read_bool(json, "timestamps", &header.timestamps, err);
        if (code == 0)
            code = read_since(json, &header.since, err);
        if (code == 0)
            code = lat__may_text(json, "container", &header.container, err);
    }
    if (code == 0)
        *ret_header = header;
    return code;
}
