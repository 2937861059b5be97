/* Constraints, ports and devices of one request, looked up row by row; and in words what neighbours.c finds.
 *
 * Values under a key come out of the frame's columns as codes of its dictionary. Reasons are kept once each and live as long as
 * the fit. Pure. */
#include "sched/fit_internal.h"

#include "sched/frame_internal.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REASON_MAX = 200 };

/* ---- keys ---- */

int32_t lat__fit_code(const struct lat_fit *fit, const struct lat_key *key, size_t row)
{
    const struct lat_columns *columns = fit->frame->columns;

    switch (key->kind) {
    case LAT_KEY_LABEL:
        return lat_columns_lookup(columns, LAT_FIELD_node_labels, row,
                                  lat_columns_code(columns, key->name));
    case LAT_KEY_ATTRIBUTE:
        return lat_columns_lookup(columns, LAT_FIELD_node_attributes, row,
                                  lat_columns_code(columns, key->name));
    case LAT_KEY_NAME: return lat_columns_codes(columns, LAT_FIELD_node_name)[row];
    case LAT_KEY_POOL: return lat_columns_codes(columns, LAT_FIELD_node_pool)[row];
    case LAT_KEY_ARCHITECTURE: return lat_columns_codes(columns, LAT_FIELD_node_architecture)[row];
    case LAT_KEY_OS: return lat_columns_codes(columns, LAT_FIELD_node_os)[row];
    case LAT_KEY_NODE: return lat_columns_codes(columns, LAT_FIELD_node_id)[row];
    }
    return 0;
}

static const char *value_of(const struct lat_fit *fit, const struct lat_key *key, size_t row)
{
    return lat_columns_text(fit->frame->columns, lat__fit_code(fit, key, row));
}

/* ---- life ---- */

static void read_ports(struct lat_fit *fit)
{
    const char *text = fit->workload->host_ports;
    cJSON *json = NULL;
    const cJSON *port;

    if (*text && lat_json_parse(text, strlen(text), &json, NULL) != 0) {
        json = NULL; /* a hand that edited: it takes none */
    }
    cJSON_ArrayForEach (port, json) {
        if (cJSON_IsNumber(port) && fit->port_count < LAT_PORTS_MAX) {
            fit->ports[fit->port_count++] = (int64_t)port->valuedouble;
        }
    }
    cJSON_Delete(json);
}

int lat_fit_new(const struct lat_frame *frame, const struct lat_workload *workload,
                struct lat_fit **ret_fit, struct lat_err *err)
{
    struct lat_device_need devices = lat_device_need_of(workload);
    struct lat_fit *fit;

    if (!*workload->placement && !*workload->host_ports && !lat_device_need_any(&devices)) {
        *ret_fit = NULL;
        return 0;
    }
    fit = LAT_NEW(struct lat_fit);
    fit->frame = frame;
    fit->workload = workload;
    fit->devices = devices;
    fit->reasons = lat_map_new();
    int rc = lat_constraints_parse(workload->placement, &fit->constraints, err);

    if (rc != 0) {
        lat_fit_free(fit);
        return rc;
    }
    read_ports(fit);
    lat__fit_know_itself(fit);
    *ret_fit = fit;
    return 0;
}

struct lat_fit *lat_fit_broken(const struct lat_frame *frame, const struct lat_workload *workload)
{
    struct lat_fit *fit = LAT_NEW(struct lat_fit);

    fit->frame = frame;
    fit->workload = workload;
    fit->devices.model = "";
    fit->reasons = lat_map_new();
    fit->is_broken = true;
    LAT_ASSERT(lat_constraints_read(NULL, &fit->constraints, NULL) == 0);
    return fit;
}

struct lat_fit *lat_fit_free(struct lat_fit *fit)
{
    void *cursor = NULL;
    const char *key;
    void *value;

    if (!fit) {
        return NULL;
    }
    while (lat_map_next(fit->reasons, &cursor, &key, &value)) {
        free(value);
    }
    lat_map_free(fit->reasons);
    lat__fit_forget_neighbours(fit);
    lat_constraints_free(fit->constraints);
    free(fit);
    return NULL;
}

/* ---- rules ---- */

bool lat_fit_is_passing(const struct lat_fit *fit)
{
    return fit && (lat_fit_looks_around(fit) || fit->constraints->spreads || fit->port_count > 0 ||
                   lat_device_need_any(&fit->devices));
}

bool lat_fit_has(const struct lat_fit *fit, enum lat_fit_rule rule)
{
    const struct lat_constraints *constraints = fit ? fit->constraints : NULL;

    if (!fit) {
        return false;
    }
    switch (rule) {
    case LAT_FIT_POOL: return constraints->pool != NULL;
    case LAT_FIT_ARCHITECTURE: return constraints->architecture != NULL;
    case LAT_FIT_RUNTIME: return constraints->runtime != NULL;
    case LAT_FIT_REQUIRE: return constraints->require_count > 0 || fit->is_broken;
    case LAT_FIT_AFFINITY: return constraints->affinity_count > 0 && !fit->is_aside;
    case LAT_FIT_ANTI_AFFINITY: return constraints->anti_affinity_count > 0 && !fit->is_aside;
    case LAT_FIT_SPREAD: return constraints->spreads && constraints->max_skew > 0 && !fit->is_aside;
    case LAT_FIT_HOST_PORT: return fit->port_count > 0;
    case LAT_FIT_GPUS: return lat_device_need_any(&fit->devices);
    case LAT_FIT_RULE_COUNT: break;
    }
    return false;
}

/* Keeps a reason; the same one is kept once. */
static const char *LAT_PRINTF(2, 3) say(struct lat_fit *fit, const char *format, ...)
{
    char text[REASON_MAX];
    va_list args;
    char *kept;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    text[lat_text_cut(text, strlen(text), sizeof(text) - 1)] = '\0';
    kept = lat_map_get(fit->reasons, text);
    if (!kept) {
        kept = lat_text_copy(text);
        lat_map_put(fit->reasons, text, kept);
    }
    return kept;
}

static const char *refuses_word(struct lat_fit *fit, const char *what, const char *has,
                                const char *wanted)
{
    return lat_text_equal(has, wanted)
               ? NULL
               : say(fit, "its %s is %s, not %s", what, *has ? has : "not known", wanted);
}

static const char *refuses_runtime(struct lat_fit *fit, size_t row)
{
    char *name = lat_text_format("runtime.%s", fit->constraints->runtime);
    const struct lat_key key = {.kind = LAT_KEY_ATTRIBUTE, .name = name, .text = name};
    bool has = lat__fit_code(fit, &key, row) != 0;

    free(name);
    return has ? NULL : say(fit, "its engine has no runtime %s", fit->constraints->runtime);
}

/* "zone in a,b" */
static void write_condition(const struct lat_condition *condition, struct lat_buf *out)
{
    lat_buf_addf(out, "%s %s", condition->key.text, lat_operator_name(condition->how));
    for (size_t i = 0; i < condition->value_count; i++) {
        lat_buf_addf(out, "%s%s", i ? "," : " ", condition->values[i]);
    }
}

static const char *refuses_condition(struct lat_fit *fit, size_t row)
{
    if (fit->is_broken) {
        return "what the workload requires of it cannot be read: the database is damaged";
    }
    for (size_t i = 0; i < fit->constraints->require_count; i++) {
        const struct lat_condition *condition = &fit->constraints->require[i];
        const char *value = value_of(fit, &condition->key, row);

        if (!lat_condition_holds(condition, value)) {
            struct lat_buf wanted = {0};
            const char *reason;

            write_condition(condition, &wanted);
            reason = value ? say(fit, "%s is required, and it has %s", lat_buf_text(&wanted), value)
                           : say(fit, "%s is required, and it has no %s", lat_buf_text(&wanted),
                                 condition->key.text);
            lat_buf_done(&wanted);
            return reason;
        }
    }
    return NULL;
}

static void write_whom(const struct lat_affinity *affinity, struct lat_buf *out)
{
    const cJSON *label;

    if (affinity->workload) {
        lat_buf_addf(out, "'%s'", affinity->workload);
    }
    cJSON_ArrayForEach (label, affinity->labels) {
        lat_buf_addf(out, "%s%s=%s", label == affinity->labels->child ? "" : ",", label->string,
                     label->valuestring);
    }
}

/* How a domain is called: "it", "zone a". */
static const char *name_domain(struct lat_fit *fit, const struct lat_key *by, size_t row)
{
    const char *value = by->kind == LAT_KEY_NODE ? NULL : value_of(fit, by, row);

    return value ? say(fit, "%s %s", by->text, value) : "it";
}

static const char *refuses_affinity(struct lat_fit *fit, size_t row)
{
    for (size_t i = 0; i < fit->constraints->affinity_count; i++) {
        const struct lat_affinity *affinity = &fit->constraints->affinity[i];

        if (lat__fit_is_lonely(fit, i, row)) {
            struct lat_buf whom = {0};
            const char *reason;

            write_whom(affinity, &whom);
            reason = say(fit, "no instance of %s is on %s", lat_buf_text(&whom),
                         name_domain(fit, &affinity->by, row));
            lat_buf_done(&whom);
            return reason;
        }
    }
    return NULL;
}

static const char *refuses_neighbour(struct lat_fit *fit, size_t row)
{
    for (size_t i = 0; i < fit->constraints->anti_affinity_count; i++) {
        const struct lat_affinity *affinity = &fit->constraints->anti_affinity[i];

        if (lat__fit_is_disturbed(fit, i, row)) {
            struct lat_buf whom = {0};
            const char *reason;

            write_whom(affinity, &whom);
            reason = say(fit, "an instance of %s is on %s", lat_buf_text(&whom),
                         name_domain(fit, &affinity->by, row));
            lat_buf_done(&whom);
            return reason;
        }
    }
    return NULL;
}

static const char *refuses_spread(struct lat_fit *fit, size_t row)
{
    const struct lat_key *by = &fit->constraints->spread_by;
    size_t domain = lat__fit_domain(fit, by, row);

    if (domain == 0) {
        return say(fit, "its instances are spread over %s, which it has none of", by->text);
    }
    return lat__fit_is_crowded(fit, row)
               ? say(fit, "%lld of its instances are on %s, and only %lld elsewhere",
                     (long long)fit->spread.counts[domain], name_domain(fit, by, row),
                     (long long)fit->spread_least)
               : NULL;
}

static const char *refuses_port(struct lat_fit *fit, size_t row)
{
    for (size_t i = 0; i < fit->port_count; i++) {
        if (lat_frame_has_port(fit->frame, row, fit->ports[i])) {
            return say(fit, "its port %lld is taken", (long long)fit->ports[i]);
        }
    }
    return NULL;
}

static const char *refuses_devices(struct lat_fit *fit, size_t row, bool *ret_never)
{
    const struct lat_devices *devices = lat_frame_devices(fit->frame, row);
    const struct lat_device_need *need = &fit->devices;
    size_t wanted = need->share_milli > 0 ? 1 : (size_t)need->count;
    size_t chosen[LAT_GPUS_MAX];
    size_t suiting = 0;
    size_t count;

    if (lat_devices_choose(devices->slots, devices->count, need, chosen, &count)) {
        return NULL;
    }
    for (size_t i = 0; i < devices->count; i++) {
        suiting += lat_device_suits(&devices->slots[i], need);
    }
    *ret_never = suiting < wanted;
    if (suiting < wanted) {
        return say(fit, "%zu GPU%s%s%s %s wanted, it has %zu such", wanted, wanted == 1 ? "" : "s",
                   *need->model ? " " : "", need->model, wanted == 1 ? "is" : "are", suiting);
    }
    return need->share_milli > 0
               ? say(fit, "%.3f of a GPU is wanted, none of its %zu has as much left",
                     (double)need->share_milli / LAT_GPU_WHOLE, suiting)
           : wanted == 1
               ? say(fit, "1 GPU is wanted, none of its %zu is free", suiting)
               : say(fit, "%zu GPUs are wanted, not so many of its %zu are free", wanted, suiting);
}

const char *lat_fit_refuses(struct lat_fit *fit, enum lat_fit_rule rule, size_t row,
                            bool *ret_never)
{
    const struct lat_node *node = fit->frame->nodes[row];

    *ret_never = rule <= LAT_FIT_REQUIRE;
    if (!lat_fit_has(fit, rule)) {
        return NULL;
    }
    switch (rule) {
    case LAT_FIT_POOL: return refuses_word(fit, "pool", node->pool, fit->constraints->pool);
    case LAT_FIT_ARCHITECTURE:
        return refuses_word(fit, "architecture", node->architecture,
                            fit->constraints->architecture);
    case LAT_FIT_RUNTIME: return refuses_runtime(fit, row);
    case LAT_FIT_REQUIRE: return refuses_condition(fit, row);
    case LAT_FIT_AFFINITY: return refuses_affinity(fit, row);
    case LAT_FIT_ANTI_AFFINITY: return refuses_neighbour(fit, row);
    case LAT_FIT_SPREAD: return refuses_spread(fit, row);
    case LAT_FIT_HOST_PORT: return refuses_port(fit, row);
    case LAT_FIT_GPUS: return refuses_devices(fit, row, ret_never);
    case LAT_FIT_RULE_COUNT: break;
    }
    return NULL;
}

/* ---- preferences ---- */

int64_t lat_fit_points(const struct lat_fit *fit, size_t row)
{
    const struct lat_constraints *constraints = fit ? fit->constraints : NULL;
    int64_t points = 0;

    if (!fit) {
        return 0;
    }
    for (size_t i = 0; i < constraints->prefer_count; i++) {
        const struct lat_condition *condition = &constraints->prefer[i];

        points += lat_condition_holds(condition, value_of(fit, &condition->key, row))
                      ? condition->weight
                      : 0;
    }
    return points + lat_fit_moving_points(fit, row);
}
