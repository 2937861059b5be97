/* Messages of agents as owned plain data. Reading and checking JSON costs more than what is done with it; it is done on
 * the I/O loops, of which there are several. */
#include "internal.h"

#include "base/text.h"

#include <stdlib.h>

static struct lat__report *add(struct lat__reports *reports, enum lat__report_kind kind)
{
    if (reports->count == reports->cap) {
        reports->cap = reports->cap ? reports->cap * 2 : 4;
        reports->items = lat_grow(reports->items, reports->cap, sizeof(*reports->items));
    }
    struct lat__report *report = &reports->items[reports->count++];
    *report = (struct lat__report){.kind = kind, .disk_free_bytes = -1};
    return report;
}

static void report_done(struct lat__report *report)
{
    free(report->allocation);
    free(report->reason);
    free(report->observed);
    free(report->request_id);
    free(report->architecture);
    free(report->os);
    free(report->engine_version);
    free(report->agent_version);
    free(report->labels);
    free(report->gpus);
    free(report->attributes);
    free(report->images);
    free(report->volumes);
    free(report->measured);
}

static char *print(const cJSON *json)
{
    return json ? lat_json_print(json) : lat_text_copy("");
}

static void add_observed(struct lat__reports *reports, const struct lat_observed_message *item,
                         bool inventory)
{
    struct lat__report *report = add(reports, LAT__REPORT_OBSERVED);
    report->inventory = inventory;
    report->allocation = lat_text_copy(item->allocation);
    report->generation = item->generation;
    report->status = item->status;
    report->reason = lat_text_copy(item->reason);
    report->observed = print(item->observed);
    report->finished = lat_json_bool(item->observed, "finished", false);
    report->request_id = lat_text_copy(item->request_id);
}

static int add_item(void *arg, const struct lat_observed_message *item, struct lat_err *err)
{
    (void)err;
    add_observed(arg, item, true);
    return 0;
}

static int read_node(struct lat__reports *reports, const cJSON *message, struct lat_err *err)
{
    struct lat_node_message node;
    int code = lat_node_message_read(message, &node, err);
    if (code < 0)
        return code;
    struct lat__report *report = add(reports, LAT__REPORT_NODE);
    report->cpu_milli = node.cpu_milli;
    report->memory_bytes = node.memory_bytes;
    report->disk_bytes = node.disk_bytes;
    report->disk_free_bytes = node.disk_free_bytes;
    report->architecture = lat_text_copy(node.architecture);
    report->os = lat_text_copy(node.os);
    report->engine_version = lat_text_copy(node.engine_version);
    report->agent_version = lat_text_copy(node.agent_version);
    report->reason = lat_text_copy(node.engine_error);
    report->labels = print(node.labels);
    report->gpus = print(node.gpus);
    report->attributes = print(node.attributes);
    report->images = print(node.images);
    report->volumes = print(node.volumes);
    report->bandwidth_bps = node.bandwidth_bps;
    report->on_battery = node.on_battery;
    return 0;
}

static int read_observed(struct lat__reports *reports, const cJSON *message, struct lat_err *err)
{
    struct lat_observed_message item;
    int code = lat_observed_message_read(message, &item, err);
    if (code == 0)
        add_observed(reports, &item, false);
    return code;
}

static int read_heartbeat(struct lat__reports *reports, const cJSON *message, struct lat_err *err)
{
    struct lat_heartbeat_message heartbeat;
    int code = lat_heartbeat_message_read(message, &heartbeat, err);
    if (code == 0 && heartbeat.disk_free_bytes >= 0)
        add(reports, LAT__REPORT_DISK)->disk_free_bytes = heartbeat.disk_free_bytes;
    return code;
}

static int add_measured(void *arg, const struct lat_samples_item *item, struct lat_err *err)
{
    struct lat__report *report = arg;
    struct lat__measured *measured = &report->measured[report->measured_count++];
    (void)err;
    lat_text_bound(measured->allocation, sizeof(measured->allocation), item->allocation);
    for (int m = 0; m < LAT_MEASURE_COUNT; m++) {
        if (item->measured & 1U << m)
            measured->samples[measured->count++] =
                (struct lat_sample){.measure = (enum lat_measure)m, .value = item->values[m]};
    }
    return 0;
}

static int read_samples(struct lat__reports *reports, const cJSON *message, struct lat_err *err)
{
    int count = cJSON_GetArraySize(lat_json_get(message, "items"));
    struct lat__report *report = add(reports, LAT__REPORT_SAMPLES);
    if (count > LAT_SAMPLES_MAX)
        count = LAT_SAMPLES_MAX; /* the reader refuses more */
    report->measured = lat_alloc_array((size_t)count + 1, sizeof(*report->measured));
    int code = lat_samples_message_read(message, add_measured, report, err);
    if (code < 0)
        report_done(&reports->items[--reports->count]);
    return code;
}

int lat__reports_read(struct lat__reports *reports, enum lat_message_kind kind,
                      const cJSON *message, struct lat_err *err)
{
    size_t before = reports->count;
    int code;
    switch (kind) {
    case LAT_MESSAGE_NODE: return read_node(reports, message, err);
    case LAT_MESSAGE_OBSERVED: return read_observed(reports, message, err);
    case LAT_MESSAGE_HEARTBEAT: return read_heartbeat(reports, message, err);
    case LAT_MESSAGE_SAMPLES: return read_samples(reports, message, err);
    case LAT_MESSAGE_INVENTORY:
        code = lat_inventory_message_read(message, add_item, reports, err);
        while (code < 0 && reports->count > before)
            report_done(&reports->items[--reports->count]);
        return code;
    default:
        return lat_err_set(err, LAT_E_PROTOCOL, "An agent does not send \"%s\".",
                           lat_message_name(kind));
    }
}

void lat__reports_done(struct lat__reports *reports)
{
    for (size_t i = 0; i < reports->count; i++)
        report_done(&reports->items[i]);
    free(reports->items);
    *reports = (struct lat__reports){0};
}
