/* Workloads as people see them: the row, its allocations, its addresses, and to those who ask for it, its credentials. */
#include "api/workload_internal.h"

#include <stdio.h>
#include <string.h>

enum {
    LAT__MASKED_MIN =
        8, /* credentials shorter than this are words such as a user's name, not secrets */
    LAT__HISTORY_MAX = 200,
};

int lat__workload_rendered(struct lat_api *api, const struct lat_workload *workload,
                           cJSON **ret_json, struct lat_err *err)
{
    char purpose[64];
    char *text;
    int code;

    snprintf(purpose, sizeof(purpose), "workload.rendered/%s", workload->row.id);
    if ((code = lat_unseal(api->with.sealer, purpose, workload->rendered, &text, err))) {
        return code;
    }
    code = lat_json_parse(text, strlen(text), ret_json, err);
    lat_wipe_free(text);
    return code;
}

/* ---- addresses ---- */

static void replace_all(struct lat_buf *text, const char *what, const char *with)
{
    struct lat_buf result = {0};
    const char *rest = lat_buf_text(text);
    const char *found;

    while ((found = strstr(rest, what))) {
        lat_buf_add(&result, rest, (size_t)(found - rest));
        lat_buf_add_text(&result, with);
        rest = found + strlen(what);
    }
    lat_buf_add_text(&result, rest);
    lat_wipe(text->bytes, text->cap);
    lat_buf_done(text);
    *text = result;
}

static void mask(struct lat_buf *url, const cJSON *credentials)
{
    const cJSON *secret;

    cJSON_ArrayForEach (secret, credentials) {
        if (cJSON_IsString(secret) && strlen(secret->valuestring) >= LAT__MASKED_MIN) {
            struct lat_buf encoded = {0}; /* as plugins write it into a URL */

            lat_http_url_encode(&encoded, secret->valuestring);
            replace_all(url, lat_buf_text(&encoded), "***");
            replace_all(url, secret->valuestring, "***");
            lat_wipe(encoded.bytes, encoded.cap);
            lat_buf_done(&encoded);
        }
    }
}

static void write_url(struct lat_api *api, const struct lat_endpoint *row, const cJSON *endpoint,
                      const cJSON *masked, struct lat_json_writer *writer)
{
    const char *template = lat_json_text(endpoint, row->plain ? "plain_url" : "url", "");
    struct lat_buf url = {0};
    char port[16];

    if (!row->public || row->port == 0) {
        lat_json_add_null(writer, "url");
        return;
    }
    snprintf(port, sizeof(port), "%d", (int)row->port);
    lat_buf_add_text(&url, template);
    mask(&url, masked);
    replace_all(&url, "{host}", api->host);
    replace_all(&url, "{port}", port);
    lat_json_add_text(writer, "url", lat_buf_text(&url));
    lat_wipe(url.bytes, url.cap);
    lat_buf_done(&url);
}

static const cJSON *find_rendered_endpoint(const cJSON *rendered, const char *name)
{
    const cJSON *endpoint;

    cJSON_ArrayForEach (endpoint, lat_json_get(rendered, "endpoints")) {
        if (lat_text_equal(lat_json_text(endpoint, "name", ""), name)) {
            return endpoint;
        }
    }
    return NULL;
}

static const struct lat_row *each(struct lat_api *api, struct lat_txn *txn, int index,
                                  const char *key, void **cursor)
{
    return txn ? lat_txn_each(txn, index, key, cursor)
               : lat_store_each(api->with.store, index, key, cursor);
}

static void write_endpoints(struct lat_api *api, struct lat_txn *txn,
                            const struct lat_workload *workload, const cJSON *rendered,
                            bool secrets, struct lat_json_writer *writer)
{
    const cJSON *masked = secrets ? NULL : lat_json_get(rendered, "credentials");
    const struct lat_row *row;
    void *cursor = NULL;

    lat_json_array(writer, "endpoints");
    while ((row = each(api, txn, LAT_INDEX_ENDPOINT_WORKLOAD, workload->row.id, &cursor))) {
        const struct lat_endpoint *endpoint = (const struct lat_endpoint *)row;

        lat_json_object(writer, NULL);
        lat_json_add_text(writer, "name", endpoint->name);
        lat_json_add_text(writer, "protocol", endpoint->protocol);
        lat_json_add_text(writer, "host", api->host);
        if (endpoint->port) {
            lat_json_add_int(writer, "port", endpoint->port);
        } else {
            lat_json_add_null(writer, "port");
        }
        write_url(api, endpoint, find_rendered_endpoint(rendered, endpoint->name), masked, writer);
        lat_json_add_bool(writer, "public", endpoint->public);
        lat_json_add_bool(writer, "plain", endpoint->plain);
        lat_json_end(writer, '}');
    }
    lat_json_end(writer, ']');
}

/* ---- the whole ---- */

static void write_allocations(struct lat_api *api, struct lat_txn *txn,
                              const struct lat_workload *workload, struct lat_json_writer *writer)
{
    const struct lat_row *row;
    void *cursor = NULL;

    lat_json_array(writer, "allocations");
    while ((row = each(api, txn, LAT_INDEX_ALLOCATION_WORKLOAD, workload->row.id, &cursor))) {
        const struct lat_allocation *allocation = (const struct lat_allocation *)row;
        const struct lat_node *node = lat_store_node(api->with.store, allocation->node_id);

        lat_json_object(writer, NULL);
        lat_json_add_text(writer, "id", allocation->row.id);
        lat_json_add_text(writer, "node", node ? node->name : allocation->node_id);
        lat_json_add_text(writer, "node_id", allocation->node_id);
        lat_json_add_int(writer, "ordinal", allocation->ordinal);
        lat_json_add_text(writer, "desired", allocation->desired);
        lat_json_add_text(writer, "status", allocation->status);
        lat_json_add_text(writer, "reason", allocation->reason);
        lat_json_add_raw(writer, "gpus", *allocation->gpus ? allocation->gpus : "[]");
        lat_json_add_raw(writer, "observed", allocation->observed);
        lat_json_add_time(writer, "created_at", allocation->created_at);
        lat_json_add_time(writer, "updated_at", allocation->updated_at);
        lat_json_end(writer, '}');
    }
    lat_json_end(writer, ']');
}

static void write_credentials(const cJSON *rendered, bool secrets, struct lat_json_writer *writer)
{
    char *credentials = secrets ? lat_json_print(lat_json_get(rendered, "credentials")) : NULL;

    lat_json_add_raw(writer, "credentials", credentials);
    lat_wipe_free(credentials);
}

/* Where it keeps data: what is lost when an instance goes. */
static void write_volumes(const cJSON *rendered, struct lat_json_writer *writer)
{
    const cJSON *volume;

    lat_json_array(writer, "volumes");
    cJSON_ArrayForEach (volume, lat_json_get(lat_json_get(rendered, "container"), "volumes")) {
        lat_json_object(writer, NULL);
        lat_json_add_text(writer, "name", lat_json_text(volume, "name", ""));
        lat_json_add_text(writer, "path", lat_json_text(volume, "path", ""));
        lat_json_end(writer, '}');
    }
    lat_json_end(writer, ']');
}

static void write_spec(struct lat_api *api, const struct lat_workload *workload,
                       struct lat_json_writer *writer)
{
    char purpose[64];
    char *spec = NULL;

    snprintf(purpose, sizeof(purpose), "workload.spec/%s", workload->row.id);
    if (lat_unseal(api->with.sealer, purpose, workload->spec, &spec, NULL)) {
        spec = NULL;
    }
    lat_json_add_raw(writer, "spec", spec);
    lat_wipe_free(spec);
}

/* What each instance asks of its node beside processors and memory, and where it may be. */
static void write_demand(const struct lat_workload *workload, struct lat_json_writer *writer)
{
    lat_json_add_text(writer, "kind", workload->kind);
    lat_json_add_int(writer, "retries", workload->retries);
    lat_json_add_int(writer, "priority", workload->priority);
    lat_json_add_int(writer, "disk_bytes", workload->disk_bytes);
    lat_json_add_int(writer, "bandwidth_bps", workload->bandwidth_bps);
    if (workload->gpu_count > 0 || workload->gpu_share_milli > 0) {
        lat_json_object(writer, "gpus");
        lat_json_add_int(writer, "count", workload->gpu_count);
        lat_json_add_int(writer, "share_milli", workload->gpu_share_milli);
        lat_json_add_text(writer, "model", workload->gpu_model);
        lat_json_add_int(writer, "memory_bytes", workload->gpu_memory_bytes);
        lat_json_end(writer, '}');
    } else {
        lat_json_add_null(writer, "gpus");
    }
    lat_json_add_raw(writer, "host_ports", *workload->host_ports ? workload->host_ports : "[]");
    lat_json_add_raw(writer, "placement", *workload->placement ? workload->placement : "{}");
}

void lat__workload_write(struct lat_api *api, struct lat_txn *txn,
                         const struct lat_workload *workload, bool secrets,
                         struct lat_json_writer *writer)
{
    const struct lat_row *project =
        txn ? lat_txn_get(txn, LAT_TABLE_PROJECT, workload->project_id)
            : lat_store_get(api->with.store, LAT_TABLE_PROJECT, workload->project_id);
    cJSON *rendered = NULL;
    struct lat_err err;

    if (lat__workload_rendered(api, workload, &rendered, &err)) {
        lat_log(api->with.log, LAT_LOG_ERROR, "a sealed workload cannot be read",
                LAT_STR("workload", workload->row.id), LAT_ERR(&err));
        rendered = NULL;
    }
    lat_json_object(writer, NULL);
    lat_json_add_text(writer, "id", workload->row.id);
    lat_json_add_text(writer, "name", workload->name);
    lat_json_add_text(writer, "project",
                      project ? ((const struct lat_project *)project)->name : workload->project_id);
    lat_json_add_text(writer, "type", workload->type);
    lat_json_add_raw(writer, "labels", *workload->labels ? workload->labels : "{}");
    lat_json_add_text(writer, "image",
                      lat_json_text(lat_json_get(rendered, "container"), "image", ""));
    lat_json_add_text(writer, "status", workload->status);
    lat_json_add_text(writer, "reason", workload->reason);
    lat_json_add_text(writer, "desired", workload->desired);
    lat_json_add_int(writer, "count", workload->count);
    lat_json_add_int(writer, "cpu_milli", workload->cpu_milli);
    lat_json_add_int(writer, "memory_bytes", workload->memory_bytes);
    write_demand(workload, writer);
    write_allocations(api, txn, workload, writer);
    write_endpoints(api, txn, workload, rendered, secrets, writer);
    write_volumes(rendered, writer);
    write_credentials(rendered, secrets, writer);
    if (secrets) {
        write_spec(api, workload, writer);
    }
    lat_json_add_int(writer, "generation", workload->generation);
    lat_json_add_time(writer, "created_at", workload->created_at);
    lat_json_add_time(writer, "updated_at", workload->updated_at);
    lat_json_end(writer, '}');
    cJSON_Delete(rendered);
}

/* ---- finding ---- */

static const struct lat_row *find_by_name(struct lat__call *call, const char *project_id,
                                          const char *name)
{
    char *key = lat_text_format("%s/%s", project_id, name);
    const struct lat_row *row = lat_store_find(call->api->with.store, LAT_INDEX_WORKLOAD_NAME, key);

    free(key);
    return row;
}

int lat__workload_find(struct lat__call *call, const struct lat_workload **ret_workload,
                       struct lat_err *err)
{
    const char *name = lat_http_path_param(call->req, "id");
    const char *slash = strchr(name, '/');
    struct lat_store *store = call->api->with.store;
    const struct lat_row *row = lat_store_get(store, LAT_TABLE_WORKLOAD, name);

    if (!row && slash) {
        char *project_name = lat_text_copy_n(name, (size_t)(slash - name));
        const struct lat_row *project = lat_store_find(store, LAT_INDEX_PROJECT_NAME, project_name);

        row = project ? find_by_name(call, project->id, slash + 1) : NULL;
        free(project_name);
    } else if (!row) {
        row = find_by_name(call, call->user->project_id, name);
    }
    if (!row || !lat__access_project(call, ((const struct lat_workload *)row)->project_id)) {
        lat_err_set(err, LAT_E_NOT_FOUND, "There is no workload '%.128s'.", name);
        return lat_err_hint(err, "`lattice ps` lists yours.");
    }
    *ret_workload = (const struct lat_workload *)row;
    return 0;
}

/* ---- reading ---- */

/* A page of workloads on its way. To open what is sealed of one takes long enough that others have their turns between some of them: a page
 * shows each as it is when it is reached. */
struct listing {
    struct lat__call *call;
    bool secrets;
    struct lat__label_filter filter;
    struct lat__page page;
    char reached[LAT_ID_SIZE]; /* the last that was looked at */
};

/* Goes on with a page, as far as one turn may go. */
static void list_on(void *arg)
{
    struct listing *listing = arg;
    struct lat__call *call = listing->call;
    struct lat__page *page = &listing->page;
    const struct lat_workload *workload = NULL;
    size_t written = 0;

    for (size_t looked = 0;
         !page->is_full && looked < LAT_API_LOOKED_AT_A_TURN && written < LAT_API_LISTED_A_TURN;
         looked++) {
        workload = (const struct lat_workload *)lat_store_after(
            call->api->with.store, LAT_TABLE_WORKLOAD, listing->reached);
        if (!workload) {
            break;
        }
        lat_text_bound(listing->reached, sizeof(listing->reached), workload->row.id);
        if (lat__access_project(call, workload->project_id) &&
            lat__label_filter_takes(&listing->filter, workload) &&
            lat__page_takes(page, workload->row.id)) {
            lat__workload_write(call->api, NULL, workload, listing->secrets, &page->writer);
            written++;
        }
    }
    if (workload && !page->is_full) {
        lat_loop_defer(call->api->with.loop, list_on, listing);
        return;
    }
    lat__label_filter_done(&listing->filter);
    lat__page_answer(call, page);
    free(listing);
}

void lat__workloads_list(struct lat__call *call)
{
    struct listing *listing = LAT_NEW(struct listing);
    struct lat_err err;

    listing->call = call;
    listing->secrets = lat_text_equal(lat_http_param(call->req, "credentials"), "true");
    if (lat__label_filter_read(call, &listing->filter, &err) ||
        lat__page_begin(call, &listing->page, &err)) {
        lat__label_filter_done(&listing->filter);
        free(listing);
        lat__call_fail(call, &err);
        return;
    }
    lat_text_bound(listing->reached, sizeof(listing->reached), listing->page.after);
    list_on(listing);
}

void lat__workloads_get(struct lat__call *call)
{
    const struct lat_workload *workload;
    struct lat_json_writer writer;
    struct lat_buf answer = {0};
    struct lat_err err;

    if (lat__workload_find(call, &workload, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    lat_json_writer_init(&writer, &answer);
    lat__workload_write(call->api, NULL, workload, true, &writer);
    lat__call_answer(call, 200, &answer);
}

static void history_read(void *arg, char *json, const struct lat_err *err)
{
    struct lat__call *call = arg;
    struct lat_json_writer writer;
    struct lat_buf answer = {0};

    if (err) {
        lat__call_fail(call, err);
        return;
    }
    lat_json_writer_init(&writer, &answer);
    lat_json_object(&writer, NULL);
    lat_json_add_raw(&writer, "items", json);
    lat_json_end(&writer, '}');
    free(json);
    lat__call_answer(call, 200, &answer);
}

void lat__workload_history(struct lat__call *call)
{
    const struct lat_workload *workload;
    struct lat_err err;

    if (lat__workload_find(call, &workload, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    if (!call->api->with.history) {
        lat_err_set(&err, LAT_E_UNAVAILABLE, "This console keeps no history.");
        lat__call_fail(call, &err);
        return;
    }
    lat_history_read(call->api->with.history, workload->row.id, LAT__HISTORY_MAX, history_read,
                     call);
}
