/* Who calls, and what they may: bearer tokens, login, API tokens.
 *
 * A token that begins with "lat_" is an API token, looked up by its digest; anything else has to be an access token
 * that this console signed. The user's row decides about the role, not the token, so that a change takes effect at once. */
#include "api/api_internal.h"

#include <string.h>
#include <strings.h>

/* ---- access ---- */

static int find_user(struct lat__call *call, const char *token, const struct lat_user **ret_user,
                     struct lat_err *err)
{
    struct lat_store *store = call->api->with.store;
    struct lat_claims claims;
    char digest[65];
    int code;

    if (lat_api_token_is(token)) {
        const struct lat_api_token *row;

        lat_digest_hex(token, strlen(token), digest);
        row =
            (const struct lat_api_token *)lat_store_find(store, LAT_INDEX_API_TOKEN_DIGEST, digest);
        if (!row || lat__is_over(call->api, row->created_at, row->expires_at)) {
            return lat_err_set(err, LAT_E_UNAUTHENTICATED,
                               "The token is not known here, or has expired.");
        }
        *ret_user = lat_store_user(store, row->user_id);
        call->token = row;
        lat_row_ref(&row->row);
    } else {
        if ((code = lat_access_token_check(call->api->with.token_key, token,
                                           lat_loop_clock(call->api->with.loop), &claims, err))) {
            return code;
        }
        *ret_user = lat_store_user(store, claims.user_id);
    }
    return *ret_user
               ? 0
               : lat_err_set(err, LAT_E_UNAUTHENTICATED, "The token's user is no longer here.");
}

int lat__access_check(struct lat__call *call, enum lat__access access, struct lat_err *err)
{
    static const char scheme[] = "Bearer ";
    const char *header = lat_http_header(call->req, "Authorization");
    const struct lat_user *user;
    int code;

    if (access == LAT__ANYBODY) {
        return 0;
    }
    if (!header || strncasecmp(header, scheme, sizeof(scheme) - 1) != 0) {
        return lat_err_set(err, LAT_E_UNAUTHENTICATED, NULL);
    }
    if ((code = find_user(call, header + sizeof(scheme) - 1, &user, err))) {
        return code;
    }
    call->user = user;
    lat_row_ref(&user->row);
    call->admin = lat_text_equal(user->role, lat_role_name(LAT_ROLE_ADMIN));
    if (access == LAT__ADMINS && !call->admin) {
        return lat_err_set(err, LAT_E_FORBIDDEN, "Only an administrator may do this.");
    }
    return 0;
}

bool lat__access_project(const struct lat__call *call, const char *project_id)
{
    return call->admin || lat_text_equal(call->user->project_id, project_id);
}

/* ---- login ---- */

/* A password on its way through a worker, which touches nothing else. */
struct login {
    struct lat__call *call;
    char *name;
    char *user_id;
    char *password;
    char *hash; /* NULL: nobody has that name, but the worker takes as long */
    bool good;
};

static void check_password(void *arg)
{
    struct login *login = arg;

    login->good = lat_password_verify(login->password, login->hash) && login->hash;
}

static void answer_login(struct lat__call *call, const struct lat_user *user)
{
    struct lat_claims claims = {.expires_at =
                                    lat__now(call->api) + call->api->with.access_token_ms};
    struct lat_json_writer writer;
    struct lat_buf answer = {0};
    char *token;

    lat_text_bound(claims.user_id, sizeof(claims.user_id), user->row.id);
    lat_text_bound(claims.role, sizeof(claims.role), user->role);
    token = lat_access_token_make(call->api->with.token_key, &claims,
                                  lat_loop_clock(call->api->with.loop), call->api->with.random);
    lat_json_writer_init(&writer, &answer);
    lat_json_object(&writer, NULL);
    lat_json_add_text(&writer, "token", token);
    lat_json_add_time(&writer, "expires_at", claims.expires_at);
    lat_json_add_text(&writer, "user", user->name);
    lat_json_add_text(&writer, "role", user->role);
    lat_json_end(&writer, '}');
    lat_wipe_free(token);
    lat__call_commit(call, lat__call_begin(call), "session.create", &user->row, 200, &answer);
}

static void password_checked(void *arg)
{
    struct login *login = arg;
    struct lat__call *call = login->call;
    const struct lat_user *user = lat_store_user(call->api->with.store, login->user_id);
    struct lat_err err;

    call->api->logins--;
    lat__guards_login_ended(call, login->name, login->good && user);
    if (login->good && user) {
        answer_login(call, user);
    } else {
        lat_log(call->api->with.log, LAT_LOG_WARN, "a login was refused",
                LAT_STR("request_id", lat_http_request_id(call->req)),
                LAT_STR("peer", lat_http_peer(call->req)));
        lat__audit_refused_login(call, lat_json_text(call->body, "user", ""), user);
        lat_err_set(&err, LAT_E_UNAUTHENTICATED, "The user name or the password is wrong.");
        lat_err_hint(&err, "Check both and try again.");
        lat__call_fail(call, &err);
    }
    lat_wipe_free(login->password);
    lat_wipe_free(login->hash);
    free(login->name);
    free(login->user_id);
    free(login);
}

void lat__login(struct lat__call *call)
{
    static const char *const known[] = {"user", "password", NULL};
    const struct lat_user *user;
    const char *name = NULL;
    const char *password = NULL;
    struct login *login;
    struct lat_err err;

    if (lat__call_read_body(call, known, &err) ||
        lat_json_read_text(call->body, "user", &name, &err) ||
        lat_json_read_text(call->body, "password", &password, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    if (!name || !password) {
        lat_err_field(&err, LAT_E_INVALID_FIELD, name ? "password" : "user",
                      "A login takes user and password.");
        lat__call_fail(call, &err);
        return;
    }
    if (lat__guards_login(call, name, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    user =
        (const struct lat_user *)lat_store_find(call->api->with.store, LAT_INDEX_USER_NAME, name);
    login = LAT_NEW(struct login);
    login->call = call;
    login->name = lat_text_copy(name);
    login->user_id = lat_text_copy(user ? user->row.id : "");
    login->password = lat_text_copy(password);
    login->hash = lat_text_copy(user ? user->password_hash : NULL);
    call->api->logins++;
    lat_work_slow(call->api->with.loop, check_password, password_checked, login);
}

void lat__me(struct lat__call *call)
{
    const struct lat_project *project =
        lat_store_project(call->api->with.store, call->user->project_id);
    struct lat_json_writer writer;
    struct lat_buf answer = {0};

    lat_json_writer_init(&writer, &answer);
    lat_json_object(&writer, NULL);
    lat_json_add_text(&writer, "id", call->user->row.id);
    lat_json_add_text(&writer, "user", call->user->name);
    lat_json_add_text(&writer, "role", call->user->role);
    lat_json_add_text(&writer, "project", project ? project->name : "");
    lat_json_end(&writer, '}');
    lat__call_answer(call, 200, &answer);
}

/* ---- API tokens ---- */

static void write_token(const struct lat_api_token *row, const char *token,
                        struct lat_json_writer *writer)
{
    lat_json_object(writer, NULL);
    lat_json_add_text(writer, "id", row->row.id);
    lat_json_add_text(writer, "name", row->name);
    lat_json_add_time(writer, "created_at", row->created_at);
    lat_json_add_time(writer, "expires_at", row->expires_at);
    if (token) {
        lat_json_add_text(writer, "token", token);
    }
    lat_json_end(writer, '}');
}

void lat__tokens_list(struct lat__call *call)
{
    const struct lat_row *row;
    struct lat__page page;
    void *cursor = NULL;
    struct lat_err err;

    if (lat__page_begin(call, &page, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    while (!page.is_full && (row = lat_store_each(call->api->with.store, LAT_INDEX_API_TOKEN_USER,
                                                  call->user->row.id, &cursor))) {
        if (lat__page_takes(&page, row->id)) {
            write_token((const struct lat_api_token *)row, NULL, &page.writer);
        }
    }
    lat__page_answer(call, &page);
}

void lat__tokens_create(struct lat__call *call)
{
    static const char *const known[] = {"name", "life", NULL};
    const char *name = "token";
    struct lat_api_token *row;
    struct lat_json_writer writer;
    struct lat_buf answer = {0};
    struct lat_txn *txn;
    struct lat_err err;
    int64_t life_ms = 0;
    char digest[65];
    char *token;

    if (lat__call_read_body(call, known, &err) ||
        lat_json_read_text(call->body, "name", &name, &err) || lat_name_check(name, "name", &err) ||
        lat__call_read_life(call, &life_ms, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    token = lat_api_token_make(call->api->with.random);
    lat_digest_hex(token, strlen(token), digest);
    row = lat_api_token_new();
    lat_store_make_id(call->api->with.store, row->row.id);
    lat_row_set(row->user_id, call->user->row.id);
    lat_row_set(row->name, name);
    lat_row_set(row->digest, digest);
    row->created_at = lat__now(call->api);
    row->expires_at = life_ms ? row->created_at + life_ms : 0;
    lat_json_writer_init(&writer, &answer);
    write_token(row, token, &writer);
    lat_wipe_free(token);
    txn = lat__call_begin(call);
    lat_txn_put(txn, &row->row);
    lat__call_commit(call, txn, "token.create", &row->row, 201, &answer);
}

void lat__tokens_remove(struct lat__call *call)
{
    const char *id = lat_http_path_param(call->req, "id");
    const struct lat_api_token *row = lat_store_api_token(call->api->with.store, id);
    struct lat_buf answer = {0};
    struct lat_txn *txn;
    struct lat_err err;

    if (!row || !lat_text_equal(row->user_id, call->user->row.id)) {
        lat_err_set(&err, LAT_E_NOT_FOUND, "You have no token %.64s.", id);
        lat__call_fail(call, &err);
        return;
    }
    txn = lat__call_begin(call);
    lat_txn_remove(txn, LAT_TABLE_API_TOKEN, row->row.id);
    lat__call_commit(call, txn, "token.remove", &row->row, 204, &answer);
}
