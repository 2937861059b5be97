/* People: made by an administrator, each with a project of their own. */
#include "api/api_internal.h"

#include <string.h>

static void write_user(struct lat_api *api, const struct lat_user *user,
                       struct lat_json_writer *writer)
{
    const struct lat_project *project = lat_store_project(api->with.store, user->project_id);

    lat_json_object(writer, NULL);
    lat_json_add_text(writer, "id", user->row.id);
    lat_json_add_text(writer, "name", user->name);
    lat_json_add_text(writer, "role", user->role);
    lat_json_add_text(writer, "project", project ? project->name : user->name);
    lat_json_add_time(writer, "created_at", user->created_at);
    lat_json_end(writer, '}');
}

void lat__users_list(struct lat__call *call)
{
    const struct lat_user *user;
    struct lat__page page;
    void *cursor = NULL;
    struct lat_err err;

    if (lat__page_begin(call, &page, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    while (!page.is_full && (user = lat_store_next_user(call->api->with.store, &cursor))) {
        if (lat__page_takes(&page, user->row.id)) {
            write_user(call->api, user, &page.writer);
        }
    }
    lat__page_answer(call, &page);
}

/* A user to be, while a worker hashes the password. */
struct newcomer {
    struct lat__call *call;
    char *password;
    uint8_t salt[LAT_PASSWORD_SALT];
    char *hash;
    struct lat_err err;
};

static void hash_password(void *arg)
{
    struct newcomer *newcomer = arg;

    if (lat_password_hash(newcomer->password, newcomer->salt, &newcomer->hash, &newcomer->err)) {
        newcomer->hash = NULL;
    }
}

static void create(struct lat__call *call, const char *hash)
{
    const char *name = lat_json_text(call->body, "name", "");
    struct lat_project *project = lat_project_new();
    struct lat_user *user = lat_user_new();
    struct lat_txn *txn = lat__call_begin(call);
    struct lat_json_writer writer;
    struct lat_buf answer = {0};

    lat_store_make_id(call->api->with.store, project->row.id);
    lat_store_make_id(call->api->with.store, user->row.id);
    lat_row_set(project->name, name);
    lat_row_set(project->owner_id, user->row.id);
    project->created_at = lat__now(call->api);
    lat_row_set(user->name, name);
    lat_row_set(user->password_hash, hash);
    lat_row_set(user->role, lat_json_text(call->body, "role", lat_role_name(LAT_ROLE_USER)));
    lat_row_set(user->project_id, project->row.id);
    user->created_at = project->created_at;
    lat_json_writer_init(&writer, &answer);
    write_user(call->api, user, &writer);
    lat_txn_put(txn, &project->row);
    lat_txn_put(txn, &user->row);
    lat__call_commit(call, txn, "user.create", &user->row, 201, &answer);
}

static void password_hashed(void *arg)
{
    struct newcomer *newcomer = arg;

    newcomer->call->api->logins--;
    if (newcomer->hash) {
        create(newcomer->call, newcomer->hash);
    } else {
        lat__call_fail(newcomer->call, &newcomer->err);
    }
    lat_wipe_free(newcomer->password);
    lat_wipe_free(newcomer->hash);
    free(newcomer);
}

static int check_newcomer(struct lat__call *call, struct lat_err *err)
{
    static const char *const known[] = {"name", "password", "role", NULL};
    const char *name = "";
    const char *password = "";
    const char *role = lat_role_name(LAT_ROLE_USER);
    enum lat_role parsed;
    int code;

    if ((code = lat__call_read_body(call, known, err)) ||
        (code = lat_json_read_text(call->body, "name", &name, err)) ||
        (code = lat_json_read_text(call->body, "password", &password, err)) ||
        (code = lat_json_read_text(call->body, "role", &role, err)) ||
        (code = lat_name_check(name, "name", err))) {
        return code;
    }
    if (!lat_role_parse(role, &parsed)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "role",
                             "'%.40s' is no role; it is user or admin.", role);
    }
    if (strlen(password) < LAT_PASSWORD_MIN || strlen(password) > LAT_PASSWORD_MAX) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "password",
                             "A password has %d to %d characters.", LAT_PASSWORD_MIN,
                             LAT_PASSWORD_MAX);
    }
    if (lat_store_find(call->api->with.store, LAT_INDEX_USER_NAME, name)) {
        return lat_err_field(err, LAT_E_NAME_TAKEN, "name", "There is a user '%s' already.", name);
    }
    if (call->api->logins >= LAT_API_LOGINS_MAX) {
        return lat_err_set(err, LAT_E_BUSY, NULL);
    }
    return 0;
}

void lat__users_create(struct lat__call *call)
{
    struct newcomer *newcomer;
    struct lat_err err;

    if (check_newcomer(call, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    newcomer = LAT_NEW(struct newcomer);
    newcomer->call = call;
    newcomer->password = lat_text_copy(lat_json_text(call->body, "password", ""));
    lat_random_bytes(call->api->with.random, newcomer->salt, sizeof(newcomer->salt));
    call->api->logins++;
    lat_work_slow(call->api->with.loop, hash_password, password_hashed, newcomer);
}
