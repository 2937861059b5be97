/* Deploying and changing workloads.
 *
 *   body ─► lat_spec_check ─► plugin renders (Lua host) ─► admission policy ─► rows: WORKLOAD, ENDPOINT ─► durable ─► answer
 *
 * A change renders the whole spec again with the credentials that are there, so that a database keeps its password. Labels
 * are no part of what is rendered and sealed: they go into a column of their own (workload_labels.c). */
#include "api/evaluation_internal.h"
#include "api/policy_internal.h"
#include "api/workload_internal.h"

#include "model/demand.h"

#include <stdio.h>
#include <string.h>

/* A deploy or change whose spec is with the plugin. */
struct rendering {
    struct lat__call *call;
    cJSON *spec;                   /* owned */
    cJSON *labels;                 /* owned; what the request says of them, NULL: nothing */
    cJSON *rendered;               /* owned; what the plugin made of it */
    char workload_id[LAT_ID_SIZE]; /* "" for a new one */
    int64_t generation, count;     /* of the workload that a change was made from */
    bool is_dry;                   /* nothing is to be changed */
};

static struct rendering *free_rendering(struct rendering *rendering)
{
    cJSON_Delete(rendering->spec);
    cJSON_Delete(rendering->labels);
    cJSON_Delete(rendering->rendered);
    free(rendering);
    return NULL;
}

/* ---- rows ---- */

static char *seal_json(struct lat_api *api, const char *column, const char *id, const cJSON *json)
{
    char *text = lat_json_print(json);
    char purpose[64];
    char *sealed;

    snprintf(purpose, sizeof(purpose), "workload.%s/%s", column, id);
    sealed = lat_seal(api->with.sealer, purpose, text);
    lat_wipe_free(text);
    return sealed;
}

/* Lists the ports of its node that a container takes, as the column keeps them; owned, "" for none. */
static char *host_ports_of(const cJSON *container)
{
    struct lat_json_writer writer;
    struct lat_buf out = {0};
    const cJSON *port;
    bool any = false;

    lat_json_writer_init(&writer, &out);
    lat_json_array(&writer, NULL);
    cJSON_ArrayForEach (port, lat_json_get(container, "ports")) {
        int64_t number = lat_json_int(port, "host_port", 0);

        if (number > 0) {
            lat_json_add_int(&writer, NULL, number);
            any = true;
        }
    }
    lat_json_end(&writer, ']');
    if (!any) {
        lat_buf_clear(&out);
    }
    return lat_buf_take_text(&out);
}

/* Fills what the spec asks of a node: the spec was checked, so that reading it again cannot fail. */
static void fill_demand(struct lat_workload *workload, const cJSON *spec)
{
    const cJSON *placement = lat_json_get(spec, "placement");
    struct lat_demand demand = {.gpu_model = ""};

    LAT_ASSERT(lat_demand_read(spec, &demand, NULL) == 0);
    lat_row_set(workload->kind, lat_workload_kind_name(demand.kind));
    workload->retries = demand.retries;
    workload->priority = demand.priority;
    workload->disk_bytes = demand.disk_bytes;
    workload->bandwidth_bps = demand.bandwidth_bps;
    workload->gpu_count = demand.gpu_count;
    workload->gpu_share_milli = demand.gpu_share_milli;
    lat_row_set(workload->gpu_model, demand.gpu_model);
    workload->gpu_memory_bytes = demand.gpu_memory_bytes;
    lat_row_take(workload->placement, placement ? lat_json_print(placement) : NULL);
}

/* Fills what is open of the spec and its rendering. */
static void fill_open(struct lat_workload *workload, const cJSON *spec, const cJSON *rendered)
{
    const cJSON *container = lat_json_get(rendered, "container");

    workload->count = lat_json_int(spec, "count", 1);
    workload->cpu_milli = lat_json_int(container, "cpu_milli", 0);
    workload->memory_bytes = lat_json_int(container, "memory_bytes", 0);
    lat_row_take(workload->image, lat_image_listed(lat_json_text(container, "image", "")));
    lat_row_take(workload->host_ports, host_ports_of(container));
    fill_demand(workload, spec);
}

/* Fills what comes from the spec and its rendering. */
static void fill_workload(struct lat_api *api, struct lat_workload *workload, const cJSON *spec,
                          const cJSON *rendered)
{
    lat_row_take(workload->spec, seal_json(api, "spec", workload->row.id, spec));
    lat_row_take(workload->rendered, seal_json(api, "rendered", workload->row.id, rendered));
    fill_open(workload, spec, rendered);
    workload->updated_at = lat__now(api);
}

static bool is_plain(const cJSON *spec, const char *endpoint)
{
    const cJSON *plain = lat_json_get(spec, "plain");
    const cJSON *name;

    if (cJSON_IsTrue(plain)) {
        return true;
    }
    cJSON_ArrayForEach (name, plain) {
        if (cJSON_IsString(name) && lat_text_equal(name->valuestring, endpoint)) {
            return true;
        }
    }
    return false;
}

static const struct lat_endpoint *find_endpoint(struct lat_txn *txn, const char *workload_id,
                                                const char *name)
{
    const struct lat_row *row;
    void *cursor = NULL;

    while ((row = lat_txn_each(txn, LAT_INDEX_ENDPOINT_WORKLOAD, workload_id, &cursor))) {
        if (lat_text_equal(((const struct lat_endpoint *)row)->name, name)) {
            return (const struct lat_endpoint *)row;
        }
    }
    return NULL;
}

/* Puts a row for every endpoint of the rendering; one that is there keeps its port. */
static void put_endpoints(struct lat_api *api, struct lat_txn *txn, const char *workload_id,
                          const cJSON *spec, const cJSON *rendered)
{
    const cJSON *endpoint;

    cJSON_ArrayForEach (endpoint, lat_json_get(rendered, "endpoints")) {
        const char *name = lat_json_text(endpoint, "name", "");
        const struct lat_endpoint *old = find_endpoint(txn, workload_id, name);
        struct lat_endpoint *row = old ? lat_endpoint_edit(old) : lat_endpoint_new();

        lat_row_set(row->workload_id, workload_id);
        lat_row_set(row->name, name);
        lat_row_set(row->protocol, lat_json_text(endpoint, "protocol", ""));
        lat_row_set(row->port_name, lat_json_text(endpoint, "port", ""));
        row->public = true;
        row->plain = is_plain(spec, name);
        row->created_at = old ? old->created_at : lat__now(api);
        lat_txn_put(txn, &row->row);
    }
}

/* Removes the endpoints that the rendering no longer has. */
static void remove_endpoints(struct lat_txn *txn, const char *workload_id, const cJSON *rendered)
{
    char gone[LAT_PORTS_MAX][LAT_ID_SIZE];
    size_t count = 0;
    const struct lat_row *row;
    void *cursor = NULL;

    while ((row = lat_txn_each(txn, LAT_INDEX_ENDPOINT_WORKLOAD, workload_id, &cursor)) &&
           count < LAT_PORTS_MAX) {
        const cJSON *endpoint;
        bool kept = false;

        cJSON_ArrayForEach (endpoint, lat_json_get(rendered, "endpoints")) {
            kept |= lat_text_equal(lat_json_text(endpoint, "name", ""),
                                   ((const struct lat_endpoint *)row)->name);
        }
        if (!kept) {
            lat_text_bound(gone[count++], LAT_ID_SIZE, row->id);
        }
    }
    while (count > 0) {
        lat_txn_remove(txn, LAT_TABLE_ENDPOINT, gone[--count]);
    }
}

static int check_plain(const cJSON *spec, const cJSON *rendered, struct lat_err *err)
{
    const cJSON *name;

    cJSON_ArrayForEach (name, lat_json_get(spec, "plain")) {
        const char *names[LAT_PORTS_MAX + 1] = {NULL};
        const cJSON *endpoint;
        size_t count = 0;
        bool known = false;

        cJSON_ArrayForEach (endpoint, lat_json_get(rendered, "endpoints")) {
            known |= lat_text_equal(lat_json_text(endpoint, "name", ""), name->valuestring);
            if (count < LAT_PORTS_MAX) {
                names[count++] = lat_json_text(endpoint, "name", "");
            }
        }
        if (!known) {
            lat_err_field(err, LAT_E_INVALID_FIELD, "plain", "There is no endpoint '%.64s'.",
                          name->valuestring);
            return names[0] ? lat_err_hint(err, "Its endpoints begin with '%s'.", names[0])
                            : err->code;
        }
    }
    return 0;
}

/* ---- deploying ---- */

int lat__workload_refuse_removed(const struct lat_workload *workload, struct lat_err *err)
{
    if (!workload || lat_text_equal(workload->desired, lat_want_name(LAT_WANT_REMOVED))) {
        return lat_err_set(err, LAT_E_CONFLICT, "The workload is being removed.");
    }
    return 0;
}

void lat__workload_commit(struct lat__call *call, struct lat_txn *txn, const char *action,
                          const struct lat_workload *workload, int status)
{
    const char *prefer = lat_http_header(call->req, "Prefer");
    struct lat_json_writer writer;
    struct lat_buf answer = {0};

    if (status != 201 && prefer && lat_text_equal(prefer, "return=minimal")) {
        status = 204;
    } else {
        lat_json_writer_init(&writer, &answer);
        lat__workload_write(call->api, txn, workload, true, &writer);
    }
    lat__call_commit(call, txn, action, &workload->row, status, &answer);
}

static int name_taken(struct lat__call *call, const char *name, struct lat_err *err)
{
    char *key = lat_text_format("%s/%s", call->user->project_id, name);
    bool taken = lat_store_find(call->api->with.store, LAT_INDEX_WORKLOAD_NAME, key) != NULL;

    free(key);
    if (taken) {
        lat_err_field(err, LAT_E_NAME_TAKEN, "name", "There is a workload '%s' already.", name);
        return lat_err_hint(err, "Choose another name, or remove that one: lattice rm %s", name);
    }
    return 0;
}

static void create(struct rendering *rendering, const cJSON *rendered)
{
    struct lat__call *call = rendering->call;
    struct lat_workload *workload;
    const struct lat_row *row;
    struct lat_txn *txn;
    char *labels;
    struct lat_err err;

    if (check_plain(rendering->spec, rendered, &err) ||
        name_taken(call, lat_json_text(rendering->spec, "name", ""), &err) ||
        lat__labels_change("", rendering->labels, &labels, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    workload = lat_workload_new();
    lat_store_make_id(call->api->with.store, workload->row.id);
    lat_row_set(workload->project_id, call->user->project_id);
    lat_row_set(workload->name, lat_json_text(rendering->spec, "name", ""));
    lat_row_set(workload->type, lat_json_text(rendering->spec, "type", ""));
    lat_row_take(workload->labels, labels);
    fill_workload(call->api, workload, rendering->spec, rendered);
    lat_row_set(workload->desired, lat_want_name(LAT_WANT_RUNNING));
    workload->generation = 1;
    lat_row_set(workload->status, lat_workload_state_name(LAT_WORKLOAD_PLACING));
    lat_row_set(workload->request_id, lat_http_request_id(call->req));
    workload->created_at = workload->updated_at;
    txn = lat__call_begin(call);
    row = lat_txn_put(txn, &workload->row);
    put_endpoints(call->api, txn, row->id, rendering->spec, rendered);
    lat__workload_commit(call, txn, "workload.create", (const struct lat_workload *)row, 201);
}

static void change(struct rendering *rendering, const cJSON *rendered)
{
    struct lat__call *call = rendering->call;
    struct lat_txn *txn = lat__call_begin(call);
    const struct lat_workload *old =
        (const struct lat_workload *)lat_txn_get(txn, LAT_TABLE_WORKLOAD, rendering->workload_id);
    struct lat_workload *workload;
    const struct lat_row *row;
    char *labels;
    struct lat_err err;

    if (lat__workload_refuse_removed(old, &err)) {
        lat_txn_cancel(txn);
        lat__call_fail(call, &err);
        return;
    }
    if (old->generation != rendering->generation || old->count != rendering->count) {
        lat_txn_cancel(txn);
        lat_err_set(&err, LAT_E_CONFLICT,
                    "The workload was changed by somebody else at the same time.");
        lat_err_hint(&err, "Look at it as it is now, and change that.");
        lat__call_fail(call, &err);
        return;
    }
    if (check_plain(rendering->spec, rendered, &err) ||
        lat__labels_change(old->labels, rendering->labels, &labels, &err)) {
        lat_txn_cancel(txn);
        lat__call_fail(call, &err);
        return;
    }
    workload = lat_workload_edit(old);
    lat_row_take(workload->labels, labels);
    fill_workload(call->api, workload, rendering->spec, rendered);
    workload->generation++;
    lat_row_set(workload->status, lat_workload_state_name(LAT_WORKLOAD_PLACING));
    lat_row_set(workload->reason, "");
    lat_row_set(workload->request_id, lat_http_request_id(call->req));
    row = lat_txn_put(txn, &workload->row);
    put_endpoints(call->api, txn, row->id, rendering->spec, rendered);
    remove_endpoints(txn, row->id, rendered);
    lat__workload_commit(call, txn, "workload.change", (const struct lat_workload *)row, 200);
}

/* The workload as it would be, as far as the admission policy is told of it; owned. */
static int wanted_workload(const struct rendering *rendering, struct lat_workload **ret_workload,
                           struct lat_err *err)
{
    struct lat__call *call = rendering->call;
    const struct lat_workload *old =
        *rendering->workload_id ? lat_store_workload(call->api->with.store, rendering->workload_id)
                                : NULL;
    struct lat_workload *workload;
    char *labels;
    int code;

    if ((*rendering->workload_id && (code = lat__workload_refuse_removed(old, err))) ||
        (code = lat__labels_change(old ? old->labels : "", rendering->labels, &labels, err))) {
        return code;
    }
    workload = old ? lat_workload_edit(old) : lat_workload_new();
    lat_row_set(workload->project_id, old ? old->project_id : call->user->project_id);
    lat_row_set(workload->name, lat_json_text(rendering->spec, "name", ""));
    lat_row_set(workload->type, lat_json_text(rendering->spec, "type", ""));
    lat_row_take(workload->labels, labels);
    fill_open(workload, rendering->spec, rendering->rendered);
    *ret_workload = workload;
    return 0;
}

/* Answers what would become of a workload that was admitted. */
static void try_out(struct rendering *rendering)
{
    struct lat__call *call = rendering->call;
    bool is_new = !*rendering->workload_id;
    struct lat_workload *workload = NULL;
    struct lat_err err;

    if (check_plain(rendering->spec, rendering->rendered, &err) ||
        (is_new && name_taken(call, lat_json_text(rendering->spec, "name", ""), &err)) ||
        wanted_workload(rendering, &workload, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    if (is_new) {
        lat_store_make_id(call->api->with.store, workload->row.id);
        lat_row_set(workload->desired, lat_want_name(LAT_WANT_RUNNING));
    }
    lat_row_set(workload->request_id, lat_http_request_id(call->req));
    workload->generation++;
    lat__dry_run(call, workload, !is_new);
}

static void admitted(void *arg, const struct lat_err *err)
{
    struct rendering *rendering = arg;

    if (err) {
        lat__call_fail(rendering->call, err);
    } else if (rendering->is_dry) {
        try_out(rendering);
    } else if (*rendering->workload_id) {
        change(rendering, rendering->rendered);
    } else {
        create(rendering, rendering->rendered);
    }
    free_rendering(rendering);
}

static void rendered_by_plugin(void *arg, const cJSON *value, const struct lat_err *err)
{
    struct rendering *rendering = arg;
    struct lat_workload *workload;
    struct lat_err refusal;

    if (!err) {
        rendering->rendered = cJSON_Duplicate(value, true);
        LAT_ASSERT(rendering->rendered);
        err = wanted_workload(rendering, &workload, &refusal) ? &refusal : NULL;
    }
    if (err) {
        lat__call_fail(rendering->call, err);
        free_rendering(rendering);
        return;
    }
    lat__admission_ask(rendering->call, *rendering->workload_id ? "change" : "create", workload,
                       admitted, rendering);
}

void lat__workloads_create(struct lat__call *call)
{
    struct rendering *rendering;
    struct lat_err err;
    bool is_dry;

    if (lat__call_read_flag(call, "dry_run", &is_dry, &err) ||
        lat__call_read_body(call, NULL, &err) || lat_spec_check(call->body, &err) ||
        name_taken(call, lat_json_text(call->body, "name", ""), &err)) {
        lat__call_fail(call, &err);
        return;
    }
    rendering = LAT_NEW(struct rendering);
    rendering->call = call;
    rendering->is_dry = is_dry;
    rendering->spec = call->body;
    rendering->labels = cJSON_DetachItemFromObjectCaseSensitive(rendering->spec, "labels");
    call->body = NULL;
    lat_luahost_render(call->api->with.luahost, rendering->spec, NULL, rendered_by_plugin,
                       rendering);
}

/* ---- changing ---- */

void lat__merge(cJSON *object, const cJSON *patch)
{
    const cJSON *member;

    cJSON_ArrayForEach (member, patch) {
        cJSON *old = lat_json_get(object, member->string);

        if (cJSON_IsNull(member)) {
            cJSON_Delete(cJSON_DetachItemViaPointer(object, old));
        } else if (cJSON_IsObject(member) && cJSON_IsObject(old)) {
            lat__merge(old, member);
        } else {
            cJSON *copy =
                cJSON_IsObject(member) ? cJSON_CreateObject() : cJSON_Duplicate(member, true);

            LAT_ASSERT(copy);
            if (cJSON_IsObject(member)) {
                lat__merge(copy, member); /* it may hold nulls, too */
            }
            cJSON_DeleteItemFromObjectCaseSensitive(object, member->string);
            cJSON_AddItemToObject(object, member->string, copy);
        }
    }
}

static int read_spec(struct lat_api *api, const struct lat_workload *workload, cJSON **ret_spec,
                     struct lat_err *err)
{
    char purpose[64];
    char *text;
    int code;

    snprintf(purpose, sizeof(purpose), "workload.spec/%s", workload->row.id);
    if ((code = lat_unseal(api->with.sealer, purpose, workload->spec, &text, err))) {
        return code;
    }
    code = lat_json_parse(text, strlen(text), ret_spec, err);
    lat_wipe_free(text);
    return code;
}

/* What an instance was given on its node cannot change under it. */
static int refuse_moved(const cJSON *spec, const struct lat_workload *workload, struct lat_err *err)
{
    struct lat_demand demand;
    int code = lat_demand_read(spec, &demand, err);
    const char *field = NULL;

    if (code) {
        return code;
    }
    if (!lat_text_equal(lat_workload_kind_name(demand.kind), workload->kind)) {
        field = "kind";
    } else if (demand.gpu_count != workload->gpu_count ||
               demand.gpu_share_milli != workload->gpu_share_milli ||
               demand.gpu_memory_bytes != workload->gpu_memory_bytes ||
               !lat_text_equal(demand.gpu_model, workload->gpu_model)) {
        field = "gpus";
    }
    if (!field) {
        return 0;
    }
    lat_err_field(err, LAT_E_INVALID_FIELD, field, "%s of a workload does not change.", field);
    lat_err_hint(err, "Deploy another one, and remove this one.");
    return LAT_E_INVALID_FIELD;
}

static int changed_spec(struct lat__call *call, const struct lat_workload *workload,
                        cJSON **ret_spec, struct lat_err *err)
{
    cJSON *spec;
    int code;

    if ((code = read_spec(call->api, workload, &spec, err))) {
        return code;
    }
    if (!lat_json_get(call->body, "count")) { /* it may have been scaled since */
        cJSON_DeleteItemFromObjectCaseSensitive(spec, "count");
        cJSON_AddNumberToObject(spec, "count", (double)workload->count);
    }
    lat__merge(spec, call->body);
    if (!lat_text_equal(lat_json_text(spec, "name", ""), workload->name) ||
        !lat_text_equal(lat_json_text(spec, "type", ""), workload->type)) {
        code = lat_err_field(
            err, LAT_E_INVALID_FIELD,
            lat_text_equal(lat_json_text(spec, "name", ""), workload->name) ? "type" : "name",
            "Name and type of a workload do not change.");
    } else {
        code = lat_spec_check(spec, err);
        code = code ? code : refuse_moved(spec, workload, err);
    }
    if (code) {
        cJSON_Delete(spec);
        return code;
    }
    *ret_spec = spec;
    return 0;
}

/* What a change says of labels is kept aside: it is merged into those that are there when the rendering has come back. */
static int take_labels(struct lat__call *call, const struct lat_workload *workload,
                       cJSON **ret_labels, struct lat_err *err)
{
    char *labels;
    int code =
        lat__labels_change(workload->labels, lat_json_get(call->body, "labels"), &labels, err);

    if (code == 0) {
        free(labels);
        *ret_labels = cJSON_DetachItemFromObjectCaseSensitive(call->body, "labels");
    }
    return code;
}

static void change_spec(struct lat__call *call, const struct lat_workload *workload, bool is_dry)
{
    struct rendering *rendering;
    cJSON *rendered = NULL;
    cJSON *labels = NULL;
    cJSON *spec;
    struct lat_err err;

    if (take_labels(call, workload, &labels, &err) ||
        lat__workload_rendered(call->api, workload, &rendered, &err) ||
        changed_spec(call, workload, &spec, &err)) {
        cJSON_Delete(labels);
        cJSON_Delete(rendered);
        lat__call_fail(call, &err);
        return;
    }
    rendering = LAT_NEW(struct rendering);
    rendering->call = call;
    rendering->is_dry = is_dry;
    rendering->spec = spec;
    rendering->labels = labels;
    lat_text_bound(rendering->workload_id, sizeof(rendering->workload_id), workload->row.id);
    rendering->generation = workload->generation;
    rendering->count = workload->count;
    lat_luahost_render(call->api->with.luahost, rendering->spec,
                       lat_json_get(rendered, "credentials"), rendered_by_plugin, rendering);
    cJSON_Delete(rendered);
}

void lat__workloads_change(struct lat__call *call)
{
    const struct lat_workload *workload;
    struct lat_err err;
    bool is_dry;

    if (lat__call_read_flag(call, "dry_run", &is_dry, &err) ||
        lat__workload_find(call, &workload, &err) || lat__call_read_body(call, NULL, &err)) {
        lat__call_fail(call, &err);
    } else if (lat__labels_alone(call->body)) {
        lat__workload_label(call, workload, is_dry);
    } else {
        change_spec(call, workload, is_dry);
    }
}
