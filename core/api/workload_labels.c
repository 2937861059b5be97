/* Labels of workloads: changed without a render, and what lists are narrowed by.
 *
 *   PATCH {"labels": {"tier": "front", "old": null}} ─► merged into the row's own ─► durable ─► answer
 *
 * A label says something of a workload and changes nothing about its containers; so a change of labels alone raises no
 * generation, asks no plugin and opens nothing that is sealed. They stand in a column of their own, as the writer here writes them:
 * one spelling for one set, which a look for "name":"value" may rely on. */
#include "api/evaluation_internal.h"
#include "api/workload_internal.h"

#include <string.h>

/* What is no object of text, which nothing here has written, is none. */
static cJSON *parse_labels(const char *labels)
{
    cJSON *json = cJSON_Parse(labels);

    if (!cJSON_IsObject(json) || lat_labels_check(json, NULL)) {
        cJSON_Delete(json);
        json = cJSON_CreateObject();
        LAT_ASSERT(json);
    }
    return json;
}

static void write_labels(const cJSON *labels, struct lat_buf *out)
{
    struct lat_json_writer writer;
    const cJSON *label;

    lat_json_writer_init(&writer, out);
    lat_json_object(&writer, NULL);
    cJSON_ArrayForEach (label, labels) {
        lat_json_add_text(&writer, label->string, label->valuestring);
    }
    lat_json_end(&writer, '}');
}

int lat__labels_change(const char *labels, const cJSON *patch, char **ret_labels,
                       struct lat_err *err)
{
    cJSON *merged = parse_labels(cJSON_IsNull(patch) ? "" : labels);
    struct lat_buf text = {0};
    int code;

    if (cJSON_IsObject(patch)) {
        lat__merge(merged, patch);
        code = lat_labels_check(merged, err);
    } else {
        code = lat_labels_check(cJSON_IsNull(patch) ? NULL : patch, err);
    }
    if (code == 0 && merged->child) {
        write_labels(merged, &text);
    }
    cJSON_Delete(merged);
    if (code == 0) {
        *ret_labels = lat_buf_take_text(&text);
    }
    return code;
}

bool lat__labels_alone(const cJSON *patch)
{
    return patch->child && !patch->child->next && lat_text_equal(patch->child->string, "labels");
}

void lat__workload_label(struct lat__call *call, const struct lat_workload *found, bool is_dry)
{
    struct lat_txn *txn = lat__call_begin(call);
    const struct lat_workload *old =
        (const struct lat_workload *)lat_txn_get(txn, LAT_TABLE_WORKLOAD, found->row.id);
    struct lat_workload *workload;
    char *labels;
    struct lat_err err;

    if (lat__workload_refuse_removed(old, &err) ||
        lat__labels_change(old->labels, call->body->child, &labels, &err)) {
        lat_txn_cancel(txn);
        lat__call_fail(call, &err);
        return;
    }
    workload = lat_workload_edit(old);
    lat_row_take(workload->labels, labels);
    if (is_dry) {
        lat_txn_cancel(txn);
        lat__dry_run(call, workload, false);
        return;
    }
    lat_row_set(workload->request_id, lat_http_request_id(call->req));
    workload->updated_at = lat__now(call->api);
    lat__workload_commit(call, txn, "workload.label",
                         (const struct lat_workload *)lat_txn_put(txn, &workload->row), 200);
}

/* ---- narrowing lists ---- */

int lat__label_filter_read(struct lat__call *call, struct lat__label_filter *ret_filter,
                           struct lat_err *err)
{
    const struct lat_http_field *param = lat_http_params(call->req);

    *ret_filter = (struct lat__label_filter){0};
    for (; param->name; param++) {
        const char *equals = strchr(param->value, '=');
        struct lat_buf wanted = {0};

        if (!lat_text_equal(param->name, "label")) {
            continue;
        }
        if (ret_filter->count == LAT_API_LABEL_FILTERS_MAX) {
            return lat_err_field(err, LAT_E_INVALID_FIELD, "label",
                                 "A list is narrowed by at most %d labels.",
                                 LAT_API_LABEL_FILTERS_MAX);
        }
        lat_json_quote(&wanted, param->value,
                       equals ? (size_t)(equals - param->value) : strlen(param->value));
        lat_buf_add_byte(&wanted, ':');
        if (equals) {
            lat_json_quote(&wanted, equals + 1, strlen(equals + 1));
        }
        ret_filter->wanted[ret_filter->count++] = lat_buf_take_text(&wanted);
    }
    return 0;
}

void lat__label_filter_done(struct lat__label_filter *filter)
{
    while (filter->count > 0) {
        free(filter->wanted[--filter->count]);
    }
}

bool lat__label_filter_takes(const struct lat__label_filter *filter,
                             const struct lat_workload *workload)
{
    for (size_t i = 0; i < filter->count; i++) {
        /* Within a text a quote is escaped: what is found is a name, with its value. */
        if (!strstr(workload->labels, filter->wanted[i])) {
            return false;
        }
    }
    return true;
}
