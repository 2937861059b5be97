/* Policies: what is in force, the versions that are kept, and changing them.
 *
 *   PUT, rollback ─► core/luahost loads and tries the text ─► accepted: rows, audit, kept answer in one transaction ─► answer
 *                                                          └─► refused: 422 with the line; nothing has changed
 *
 * Only an administrator changes a policy or has one checked; anybody who is logged in may read what decides about them. */
#include "api/policy_internal.h"

#include "luahost/policies.h"

#include <string.h>

/* ---- as the API shows them ---- */

static void write_use(struct lat_api *api, const char *name, struct lat_json_writer *writer)
{
    struct lat_luahost_use use;

    lat_luahost_use(api->with.luahost, LAT_LUAHOST_POLICY, name, &use);
    lat_json_object(writer, "use");
    lat_json_add_int(writer, "asks", use.asks);
    lat_json_add_int(writer, "errors", use.errors);
    lat_json_add_int(writer, "kills", use.kills);
    lat_json_add_int(writer, "pauses", use.pauses);
    if (use.p99_ns == INT64_MAX) {
        lat_json_add_null(writer, "p99_ms"); /* beyond the last bucket: nobody knows how far */
    } else {
        lat_json_add_real(writer, "p99_ms", (double)use.p99_ns / 1e6);
    }
    lat_json_end(writer, '}');
}

/* What became of the functions: of what is compiled an array, else null. */
static void write_functions(const cJSON *functions, struct lat_json_writer *writer)
{
    char *text = lat_json_print(functions);

    if (functions) {
        lat_json_add_raw(writer, "functions", text);
    } else {
        lat_json_add_null(writer, "functions");
    }
    free(text);
}

static void write_version(const struct lat_policy_version *version, bool is_in_force,
                          bool with_source, struct lat_json_writer *writer)
{
    lat_json_add_int(writer, "revision", version->revision);
    lat_json_add_bool(writer, "in_force", is_in_force);
    lat_json_add_text(writer, "author", version->author);
    lat_json_add_text(writer, "origin", version->origin);
    lat_json_add_time(writer, "accepted_at", version->accepted_at);
    if (with_source) {
        lat_json_add_text(writer, "source", version->source);
    }
}

/* Writes a policy with one of its versions; version NULL: none was accepted yet. */
static void write_policy(struct lat_api *api, const struct lat_policy *policy,
                         const struct lat_policy_version *version, struct lat_json_writer *writer)
{
    lat_json_object(writer, NULL);
    lat_json_add_text(writer, "id", policy->row.id);
    lat_json_add_text(writer, "name", policy->name);
    if (version) {
        write_version(version, version->revision == policy->revision, true, writer);
    } else {
        lat_json_add_int(writer, "revision", 0);
    }
    lat_json_add_int(writer, "previous", policy->previous);
    lat_json_add_int(writer, "newest", policy->newest);
    lat_json_add_text(writer, "refused", policy->refused);
    lat_json_add_time(writer, "changed_at", policy->changed_at);
    if (version && version->revision == policy->revision) {
        write_functions(lat_luahost_functions(api->with.luahost, policy->name), writer);
    } else {
        lat_json_add_null(writer, "functions");
    }
    write_use(api, policy->name, writer);
    lat_json_end(writer, '}');
}

void lat__policies_list(struct lat__call *call)
{
    struct lat_json_writer writer;
    struct lat_buf answer = {0};
    const struct lat_policy *policy;
    void *cursor = NULL;

    lat_json_writer_init(&writer, &answer);
    lat_json_object(&writer, NULL);
    lat_json_array(&writer, "items");
    while ((policy = lat_store_next_policy(call->api->with.store, &cursor))) {
        const struct lat_policy_version *version = NULL;
        const struct lat_policy *same;

        if (lat_policies_find(call->api->with.store, policy->name, &same, &version, NULL)) {
            version = NULL;
        }
        write_policy(call->api, policy, version, &writer);
    }
    lat_json_end(&writer, ']');
    lat_json_end(&writer, '}');
    lat__call_answer(call, 200, &answer);
}

static const char *name_of(const struct lat__call *call)
{
    return lat_http_path_param(call->req, "id");
}

void lat__policies_get(struct lat__call *call)
{
    const char *wanted = lat_http_param(call->req, "revision");
    const struct lat_policy *policy;
    const struct lat_policy_version *version;
    struct lat_json_writer writer;
    struct lat_buf answer = {0};
    int64_t revision;
    struct lat_err err;

    if (lat_policies_find(call->api->with.store, name_of(call), &policy, &version, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    if (wanted && *wanted && lat_text_to_int(wanted, 1, INT64_MAX, &revision)) {
        lat_err_field(&err, LAT_E_INVALID_FIELD, "revision", "A revision is a number from 1.");
        lat__call_fail(call, &err);
        return;
    }
    if (wanted && *wanted &&
        lat_policies_version(call->api->with.store, name_of(call), revision, &version, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    lat_json_writer_init(&writer, &answer);
    write_policy(call->api, policy, version, &writer);
    lat__call_answer(call, 200, &answer);
}

void lat__policy_versions(struct lat__call *call)
{
    const struct lat_policy *policy;
    const struct lat_row *row;
    struct lat__page page;
    void *cursor = NULL;
    struct lat_err err;

    if (lat_policies_find(call->api->with.store, name_of(call), &policy, NULL, &err) ||
        lat__page_begin(call, &page, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    while (!page.is_full &&
           (row = lat_store_each(call->api->with.store, LAT_INDEX_POLICY_VERSION_POLICY,
                                 policy->name, &cursor))) {
        const struct lat_policy_version *version = (const struct lat_policy_version *)row;

        if (lat__page_takes(&page, row->id)) {
            lat_json_object(&page.writer, NULL);
            write_version(version, version->revision == policy->revision, false, &page.writer);
            lat_json_add_int(&page.writer, "bytes", (int64_t)strlen(version->source));
            lat_json_end(&page.writer, '}');
        }
    }
    lat__page_answer(call, &page);
}

/* ---- changing ---- */

static int refuse_retired(const struct lat__call *call, struct lat_err *err)
{
    return call->api->retired ? lat_err_set(err, LAT_E_UNAVAILABLE, "The console stops.") : 0;
}

static void changed(void *arg, const struct lat_err *err)
{
    lat__call_committed(arg, err);
}

static void stage(struct lat__call *call, struct lat_txn *txn, const struct lat_policy *policy,
                  const char *action)
{
    struct lat_json_writer writer;
    struct lat_buf answer = {0};
    char *key = lat_text_format("%s/%lld", policy->name, (long long)policy->revision);

    lat_json_writer_init(&writer, &answer);
    write_policy(call->api, policy,
                 (const struct lat_policy_version *)lat_txn_find(
                     txn, LAT_INDEX_POLICY_VERSION_REVISION, key),
                 &writer);
    free(key);
    lat__call_stage(call, txn, action, &policy->row, 200, &answer);
}

static void apply_accepted(void *arg, struct lat_txn *txn, const struct lat_policy *policy)
{
    stage(arg, txn, policy, "policy.apply");
}

static void rollback_accepted(void *arg, struct lat_txn *txn, const struct lat_policy *policy)
{
    stage(arg, txn, policy, "policy.rollback");
}

/* Fills who asks, and hands the change over. */
static void change(struct lat__call *call, struct lat_policies_change *change)
{
    char *author = call->token ? lat_text_format("%s/%s", call->user->name, call->token->name)
                               : lat_text_copy(call->user->name);

    change->name = name_of(call);
    change->author = author;
    change->request_id = lat_http_request_id(call->req);
    change->done = changed;
    change->arg = call;
    lat_policies_change(call->api->with.policies, change);
    free(author);
}

static int read_source(struct lat__call *call, const char **ret_source, struct lat_err *err)
{
    int code;

    *ret_source = NULL;
    if ((code = lat_json_read_text(call->body, "source", ret_source, err))) {
        return code;
    }
    return *ret_source ? 0
                       : lat_err_field(err, LAT_E_INVALID_FIELD, "source",
                                       "source is missing: the text of the policy.");
}

void lat__policies_apply(struct lat__call *call)
{
    static const char *const known[] = {"source", "if_revision", NULL};
    struct lat_policies_change with = {.accepted = apply_accepted};
    struct lat_err err;

    if (refuse_retired(call, &err) || lat__call_read_body(call, known, &err) ||
        read_source(call, &with.source, &err) ||
        lat_json_read_int(call->body, "if_revision", 1, LAT_JSON_INT_MAX, &with.if_revision,
                          &err)) {
        lat__call_fail(call, &err);
        return;
    }
    change(call, &with);
}

/* What was in force before, and still is what it was when the change comes to be looked at. */
static int previous_revision(struct lat__call *call, struct lat_policies_change *with,
                             struct lat_err *err)
{
    const struct lat_policy *policy;
    int code = lat_policies_find(call->api->with.store, name_of(call), &policy, NULL, err);

    if (code) {
        return code;
    }
    if (policy->previous == 0) {
        lat_err_set(err, LAT_E_NOT_FOUND,
                    "There was no version of the policy '%s' in force before revision %lld.",
                    policy->name, (long long)policy->revision);
        return lat_err_hint(
            err, "It stays in force; `lattice policy versions %s` lists what one can go back to.",
            policy->name);
    }
    with->revision = policy->previous;
    with->if_revision = with->if_revision ? with->if_revision : policy->revision;
    return 0;
}

void lat__policies_rollback(struct lat__call *call)
{
    static const char *const known[] = {"revision", "if_revision", NULL};
    struct lat_policies_change with = {.accepted = rollback_accepted};
    struct lat_err err;

    if (refuse_retired(call, &err) || lat__call_read_body(call, known, &err) ||
        lat_json_read_int(call->body, "revision", 1, LAT_JSON_INT_MAX, &with.revision, &err) ||
        lat_json_read_int(call->body, "if_revision", 1, LAT_JSON_INT_MAX, &with.if_revision,
                          &err) ||
        (with.revision == 0 && previous_revision(call, &with, &err))) {
        lat__call_fail(call, &err);
        return;
    }
    change(call, &with);
}

/* ---- checking ---- */

static void checked(void *arg, const cJSON *report, const struct lat_err *err)
{
    struct lat__call *call = arg;
    struct lat_json_writer writer;
    struct lat_buf answer = {0};

    if (err && err->code != LAT_E_POLICY && err->code != LAT_E_TIMEOUT) {
        lat__call_fail(call, err);
        return;
    }
    lat_json_writer_init(&writer, &answer);
    lat_json_object(&writer, NULL);
    lat_json_add_bool(&writer, "ok", report != NULL);
    if (err) {
        lat_json_object(&writer, "problem");
        lat_json_add_text(&writer, "code", lat_error_row(err->code)->name);
        lat_json_add_text(&writer, "detail", err->sentence);
        lat_json_add_text(&writer, "hint", err->hint);
        if (err->line > 0) {
            lat_json_add_int(&writer, "line", err->line);
        }
        lat_json_end(&writer, '}');
    }
    if (report) {
        write_functions(lat_json_get(report, "functions"), &writer);
    }
    lat_json_end(&writer, '}');
    lat__call_answer(call, 200, &answer);
}

static int read_name(struct lat__call *call, const char **ret_name, struct lat_err *err)
{
    const char *const *names = lat_policies_names();
    int code;

    *ret_name = "";
    if ((code = lat_json_read_text(call->body, "name", ret_name, err))) {
        return code;
    }
    for (size_t i = 0; names[i]; i++) {
        if (lat_text_equal(names[i], *ret_name)) {
            return 0;
        }
    }
    lat_err_field(err, LAT_E_INVALID_FIELD, "name", "There is no policy '%.80s'.", *ret_name);
    return lat_err_hint(err, "`lattice policy ls` lists them.");
}

void lat__policies_check(struct lat__call *call)
{
    static const char *const known[] = {"name", "source", NULL};
    struct lat_luahost_source source = {.kind = LAT_LUAHOST_POLICY};
    struct lat_err err;

    if (refuse_retired(call, &err) || lat__call_read_body(call, known, &err) ||
        read_name(call, &source.name, &err) || read_source(call, &source.source, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    lat_luahost_check(call->api->with.luahost, &source, checked, call);
}
