/* The audit trail, from the side of the API: every change that a request makes is written down in the change's own transaction.
 *
 *   handler ─► lat__call_commit(call, txn, "workload.label", row, ...) ─► a row of the trail, durable with the change or not at all
 *
 * There is no way to commit without naming the deed, so that none is forgotten. A user reads what happened in their own project, an
 * administrator everything. Runs on the state loop; rows are read by the store's worker. */
#include "api/api_internal.h"

#include "store/audit.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- writing ---- */

static const char *name_of(const struct lat_row *row)
{
    switch (row->table) {
    case LAT_TABLE_WORKLOAD: return ((const struct lat_workload *)row)->name;
    case LAT_TABLE_NODE: return ((const struct lat_node *)row)->name;
    case LAT_TABLE_USER: return ((const struct lat_user *)row)->name;
    case LAT_TABLE_API_TOKEN: return ((const struct lat_api_token *)row)->name;
    case LAT_TABLE_POLICY: return ((const struct lat_policy *)row)->name;
    case LAT_TABLE_JOIN_TOKEN: return ((const struct lat_join_token *)row)->node_name;
    default: return "";
    }
}

static const char *project_of(struct lat_txn *txn, const struct lat_row *row)
{
    const struct lat_row *user = row;

    if (row->table == LAT_TABLE_WORKLOAD) {
        return ((const struct lat_workload *)row)->project_id;
    }
    if (row->table == LAT_TABLE_API_TOKEN) {
        user = lat_txn_get(txn, LAT_TABLE_USER, ((const struct lat_api_token *)row)->user_id);
    }
    return user && user->table == LAT_TABLE_USER ? ((const struct lat_user *)user)->project_id : "";
}

void lat__audit_add(const struct lat__call *call, struct lat_txn *txn, const char *action,
                    const struct lat_row *row)
{
    struct lat_audit entry = {
        .action = action,
        .address = lat_http_peer(call->req),
        .object_table = lat_table(row->table)->name,
        .object_id = row->id,
        .object_name = name_of(row),
        .project_id = project_of(txn, row),
    };
    char name[LAT_AUDIT_TEXT_MAX + 1];

    if (call->token) {
        snprintf(name, sizeof(name), "%s/%s", call->user->name, call->token->name);
        entry.actor_kind = "api_token";
        entry.actor_id = call->token->row.id;
        entry.actor_name = name;
    } else if (call->user) {
        entry.actor_kind = "user";
        entry.actor_id = call->user->row.id;
        entry.actor_name = call->user->name;
    } else { /* who proves nothing but to be who they are: somebody who logs in, a node that joins */
        entry.actor_kind = row->table == LAT_TABLE_NODE ? "node" : "user";
        entry.actor_id = row->id;
        entry.actor_name = name_of(row);
    }
    lat_txn_audit(txn, &entry);
}

void lat__audit_refused_login(const struct lat__call *call, const char *name,
                              const struct lat_user *user)
{
    struct lat_txn *txn = lat__call_begin(call);
    struct lat_err err;

    if (lat_name_check(name, "user", NULL)) {
        name = ""; /* nobody's; it may be a password in the wrong field */
    }
    lat_txn_audit(txn, &(struct lat_audit){
                           .action = "session.refused",
                           .actor_kind = "user",
                           .actor_name = name,
                           .object_table = user ? lat_table(LAT_TABLE_USER)->name : "",
                           .object_id = user ? user->row.id : "",
                           .object_name = name,
                           .project_id = user ? user->project_id : "",
                           .address = lat_http_peer(call->req),
                       });
    if (lat_txn_commit(txn, NULL, NULL, &err)) {
        lat_log(call->api->with.log, LAT_LOG_WARN, "a refused login is not in the audit trail",
                LAT_STR("request_id", lat_http_request_id(call->req)), LAT_ERR(&err));
    }
}

void lat__audit_ended(struct lat_txn *txn, const struct lat_row *row)
{
    lat_txn_audit(txn,
                  &(struct lat_audit){
                      .action = row->table == LAT_TABLE_API_TOKEN ? "token.end" : "join_token.end",
                      .actor_kind = "system",
                      .object_table = lat_table(row->table)->name,
                      .object_id = row->id,
                      .object_name = name_of(row),
                      .project_id = project_of(txn, row),
                  });
}

/* ---- reading ---- */

/* The project to read of: a user's own, whatever they ask for. */
static int read_project(struct lat__call *call, const char **ret_id, struct lat_err *err)
{
    const char *name = lat_http_param(call->req, "project");
    const struct lat_row *project = NULL;

    *ret_id = call->admin ? NULL : call->user->project_id;
    if (!name || !*name) {
        return 0;
    }
    project = lat_store_find(call->api->with.store, LAT_INDEX_PROJECT_NAME, name);
    if (!project || !lat__access_project(call, project->id)) {
        return lat_err_field(err, LAT_E_NOT_FOUND, "project", "There is no project '%.64s'.", name);
    }
    *ret_id = project->id;
    return 0;
}

/* Who did it: an id, which may be of somebody who is no longer here, or the name of a user. */
static int read_actor(struct lat__call *call, const char **ret_id, struct lat_err *err)
{
    const char *actor = lat_http_param(call->req, "actor");
    const struct lat_row *user;

    if (!actor || !*actor || lat_id_is(actor)) {
        *ret_id = actor && *actor ? actor : NULL;
        return 0;
    }
    user = lat_store_find(call->api->with.store, LAT_INDEX_USER_NAME, actor);
    if (!user) {
        return lat_err_field(err, LAT_E_NOT_FOUND, "actor", "There is no user '%.64s'.", actor);
    }
    *ret_id = user->id;
    return 0;
}

static int read_filter(struct lat__call *call, struct lat_audit_filter *ret_filter,
                       struct lat_err *err)
{
    const char *cursor = lat_http_param(call->req, "cursor");
    const char *object = lat_http_param(call->req, "object");
    const char *action = lat_http_param(call->req, "action");
    int code;

    *ret_filter = (struct lat_audit_filter){0};
    if ((code = lat__call_read_limit(call, &ret_filter->max, err)) ||
        (code = read_project(call, &ret_filter->project_id, err)) ||
        (code = read_actor(call, &ret_filter->actor_id, err)) ||
        (code = lat__call_read_moment(call, "since", &ret_filter->from_at, err)) ||
        (code = lat__call_read_moment(call, "until", &ret_filter->to_at, err))) {
        return code;
    }
    if (cursor && *cursor && lat_text_to_int(cursor, 1, INT64_MAX, &ret_filter->before)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "cursor",
                             "cursor has to be the `next` of an earlier page.");
    }
    ret_filter->object_id = object && *object ? object : NULL;
    ret_filter->action = action && *action ? action : NULL;
    return 0;
}

static void rows_read(void *arg, const struct lat_audit *const *rows, size_t count,
                      const struct lat_err *err)
{
    struct lat__call *call = arg;
    struct lat_json_writer writer;
    struct lat_buf answer = {0};
    char next[24] = "";

    if (err) {
        lat__call_fail(call, err);
        return;
    }
    lat_json_writer_init(&writer, &answer);
    lat_json_object(&writer, NULL);
    lat_json_array(&writer, "items");
    for (size_t i = 0; i < count; i++) {
        lat_json_object(&writer, NULL);
        lat_audit_write(rows[i], &writer);
        lat_json_end(&writer, '}');
    }
    lat_json_end(&writer, ']');
    if (count == call->page_limit && count > 0 && rows[count - 1]->sequence > 1) {
        snprintf(next, sizeof(next), "%" PRId64, rows[count - 1]->sequence);
    }
    lat_json_add_text(&writer, "next", *next ? next : NULL);
    lat_json_end(&writer, '}');
    lat__call_answer(call, 200, &answer);
}

void lat__audit_list(struct lat__call *call)
{
    struct lat_audit_filter filter;
    struct lat_err err;

    if (read_filter(call, &filter, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    call->page_limit = filter.max;
    if (lat_store_audit_read(call->api->with.store, &filter, rows_read, call, &err)) {
        lat__call_fail(call, &err);
    }
}

static void verified(void *arg, const struct lat_audit_verdict *verdict, const struct lat_err *err)
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
    lat_json_add_bool(&writer, "sound", verdict->broken_at == 0);
    lat_json_add_int(&writer, "first", verdict->first);
    lat_json_add_int(&writer, "last", verdict->last);
    if (verdict->broken_at) {
        lat_json_add_int(&writer, "broken_at", verdict->broken_at);
        lat_json_add_text(&writer, "what", verdict->what);
    } else {
        lat_json_add_null(&writer, "broken_at");
        lat_json_add_null(&writer, "what");
    }
    lat_json_end(&writer, '}');
    lat__call_answer(call, 200, &answer);
}

void lat__audit_verify(struct lat__call *call)
{
    struct lat_err err;

    if (lat_store_audit_verify(call->api->with.store, verified, call, &err)) {
        lat__call_fail(call, &err);
    }
}
