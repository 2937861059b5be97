/* Constraints, neighbours, ports and devices of one request, looked up row by row.
 *
 * Values under a key come out of the frame's columns as codes of its dictionary, so that domains are whole numbers: the row itself
 * for `node`, else the code of the value, 0 being none. Reasons are kept once each and live as long as the fit. Pure. */
#include "sched/fit.h"

#include "sched/frame_internal.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PORTS_MAX = LAT_PORTS_MAX, REASON_MAX = 200 };

/* How many instances stand in each domain. */
struct tally {
    int64_t *counts; /* by domain */
    size_t room;
    int64_t all;
};

struct lat_fit {
    const struct lat_frame *frame;
    const struct lat_workload *workload;
    struct lat_constraints *constraints;
    struct lat_device_need devices;
    int64_t ports[PORTS_MAX];
    size_t port_count;
    bool is_broken;          /* no node will do */
    struct lat_map *reasons; /* text -> itself, owned */
    struct tally near[LAT_AFFINITIES_MAX], apart[LAT_AFFINITIES_MAX], spread;
    int64_t spread_least; /* instances in the emptiest domain that could take one */
    int64_t spread_most;
};

/* ---- keys ---- */

static bool is_label(const struct lat_key *key)
{
    return key->kind == LAT_KEY_LABEL || key->kind == LAT_KEY_ATTRIBUTE;
}

/* The code of what a row has under a key; 0: nothing. */
static int32_t code_of(const struct lat_frame *frame, const struct lat_key *key, size_t row)
{
    const struct lat_columns *columns = frame->columns;

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
    return lat_columns_text(fit->frame->columns, code_of(fit->frame, key, row));
}

/* The domain of a row: above 0; 0 where it is in none. A field that is empty is no domain either. */
static size_t domain_of(const struct lat_fit *fit, const struct lat_key *key, size_t row)
{
    int32_t code;

    if (key->kind == LAT_KEY_NODE) {
        return row + 1;
    }
    code = code_of(fit->frame, key, row);
    if (!is_label(key) && code != 0 && *lat_columns_text(fit->frame->columns, code) == '\0') {
        code = 0;
    }
    return (size_t)code;
}

/* ---- tallies ---- */

static void tally_add(struct tally *tally, size_t domain)
{
    if (domain == 0) {
        return;
    }
    if (domain >= tally->room) {
        size_t room = domain + domain / 2 + 64;

        tally->counts = lat_grow(tally->counts, room, sizeof(*tally->counts));
        memset(tally->counts + tally->room, 0, (room - tally->room) * sizeof(*tally->counts));
        tally->room = room;
    }
    tally->counts[domain]++;
    tally->all++;
}

static int64_t tally_of(const struct tally *tally, size_t domain)
{
    return domain < tally->room ? tally->counts[domain] : 0;
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
        if (cJSON_IsNumber(port) && fit->port_count < PORTS_MAX) {
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
    for (size_t i = 0; i < LAT_AFFINITIES_MAX; i++) {
        free(fit->near[i].counts);
        free(fit->apart[i].counts);
    }
    free(fit->spread.counts);
    lat_constraints_free(fit->constraints);
    free(fit);
    return NULL;
}

/* ---- neighbours ---- */

bool lat_fit_looks_around(const struct lat_fit *fit)
{
    return fit->constraints->affinity_count + fit->constraints->anti_affinity_count > 0;
}

/* Tells whether an affinity speaks of a workload. */
static bool speaks_of(const struct lat_affinity *affinity, const struct lat_workload *workload)
{
    cJSON *labels = NULL;
    const cJSON *wanted;
    bool all = true;

    if (affinity->workload) {
        return lat_text_equal(affinity->workload, workload->name);
    }
    if (!*workload->labels ||
        lat_json_parse(workload->labels, strlen(workload->labels), &labels, NULL) != 0) {
        return false;
    }
    cJSON_ArrayForEach (wanted, affinity->labels) {
        all =
            all && lat_text_equal(lat_json_text(labels, wanted->string, NULL), wanted->valuestring);
    }
    cJSON_Delete(labels);
    return all;
}

void lat_fit_sees(struct lat_fit *fit, const struct lat_workload *workload, const char *node_id)
{
    const struct lat_constraints *constraints = fit->constraints;
    size_t row = lat_frame_row(fit->frame, node_id);

    if (row == SIZE_MAX) {
        return;
    }
    for (size_t i = 0; i < constraints->affinity_count; i++) {
        const struct lat_affinity *affinity = &constraints->affinity[i];

        if (speaks_of(affinity, workload)) {
            tally_add(&fit->near[i], domain_of(fit, &affinity->by, row));
        }
    }
    for (size_t i = 0; i < constraints->anti_affinity_count; i++) {
        const struct lat_affinity *affinity = &constraints->anti_affinity[i];

        if (speaks_of(affinity, workload)) {
            tally_add(&fit->apart[i], domain_of(fit, &affinity->by, row));
        }
    }
    if (constraints->spreads && lat_text_equal(workload->row.id, fit->workload->row.id)) {
        tally_add(&fit->spread, domain_of(fit, &constraints->spread_by, row));
    }
}

void lat_fit_ready(struct lat_fit *fit)
{
    const struct lat_constraints *constraints = fit->constraints;
    bool any = false;

    for (size_t row = 0; constraints->spreads && row < lat_frame_rows(fit->frame); row++) {
        size_t domain = fit->frame->nodes[row] ? domain_of(fit, &constraints->spread_by, row) : 0;
        bool never;
        bool could =
            domain != 0 &&
            lat_columns_bits(fit->frame->columns, LAT_FIELD_node_healthy)[row / 64] >> row % 64 & 1;

        for (int rule = LAT_FIT_POOL; could && rule <= LAT_FIT_REQUIRE; rule++) {
            could = !lat_fit_refuses(fit, (enum lat_fit_rule)rule, row, &never);
        }
        if (could) {
            int64_t count = tally_of(&fit->spread, domain);

            fit->spread_least = !any || count < fit->spread_least ? count : fit->spread_least;
            fit->spread_most = count > fit->spread_most ? count : fit->spread_most;
            any = true;
        }
    }
}

bool lat_fit_is_single(const struct lat_fit *fit)
{
    return fit && (lat_fit_looks_around(fit) || fit->constraints->spreads || fit->port_count > 0 ||
                   lat_device_need_any(&fit->devices));
}

/* ---- rules ---- */

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
    case LAT_FIT_AFFINITY: return constraints->affinity_count > 0;
    case LAT_FIT_ANTI_AFFINITY: return constraints->anti_affinity_count > 0;
    case LAT_FIT_SPREAD: return constraints->spreads && constraints->max_skew > 0;
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
    bool has = code_of(fit->frame, &key, row) != 0;

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

/* An affinity to itself is no reason as long as none of its instances stands anywhere. */
static bool is_first_of_itself(const struct lat_fit *fit, const struct lat_affinity *affinity,
                               const struct tally *tally)
{
    return tally->all == 0 && speaks_of(affinity, fit->workload);
}

static const char *refuses_affinity(struct lat_fit *fit, size_t row)
{
    for (size_t i = 0; i < fit->constraints->affinity_count; i++) {
        const struct lat_affinity *affinity = &fit->constraints->affinity[i];

        if (affinity->weight == 0 &&
            tally_of(&fit->near[i], domain_of(fit, &affinity->by, row)) == 0 &&
            !is_first_of_itself(fit, affinity, &fit->near[i])) {
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

        if (affinity->weight == 0 &&
            tally_of(&fit->apart[i], domain_of(fit, &affinity->by, row)) > 0) {
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
    size_t domain = domain_of(fit, by, row);
    int64_t there = tally_of(&fit->spread, domain);

    if (domain == 0) {
        return say(fit, "its instances are spread over %s, which it has none of", by->text);
    }
    return there + 1 - fit->spread_least <= fit->constraints->max_skew
               ? NULL
               : say(fit, "%lld of its instances are on %s, and only %lld elsewhere",
                     (long long)there, name_domain(fit, by, row), (long long)fit->spread_least);
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
        return say(fit, "%zu GPUs%s%s are wanted, it has %zu such", wanted, *need->model ? " " : "",
                   need->model, suiting);
    }
    return need->share_milli > 0
               ? say(fit, "%.3f of a GPU is wanted, none of its %zu has as much left",
                     (double)need->share_milli / LAT_GPU_WHOLE, suiting)
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
    for (size_t i = 0; i < constraints->affinity_count; i++) {
        const struct lat_affinity *affinity = &constraints->affinity[i];

        points +=
            tally_of(&fit->near[i], domain_of(fit, &affinity->by, row)) > 0 ? affinity->weight : 0;
    }
    for (size_t i = 0; i < constraints->anti_affinity_count; i++) {
        const struct lat_affinity *affinity = &constraints->anti_affinity[i];

        points -=
            tally_of(&fit->apart[i], domain_of(fit, &affinity->by, row)) > 0 ? affinity->weight : 0;
    }
    if (constraints->spreads) {
        size_t domain = domain_of(fit, &constraints->spread_by, row);

        points -=
            LAT_WEIGHT_DEFAULT * (domain ? tally_of(&fit->spread, domain) : fit->spread_most + 1);
    }
    return points;
}
