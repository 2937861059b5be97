/* Who may do what: every route of the table, asked by nobody, by a user, by a stranger and by an administrator. */
#include "support.h"
#include "tests/unit/waiting.h"

#include "api/routes_internal.h"

#include "store/audit.h"

static const struct {
    const char *method, *pattern;
    enum lat__access access;
} routes[] = {
#define X(method, pattern, access, handler) {#method, pattern, LAT__##access},
    LAT__ROUTES(X)
#undef X
};

/* A path for the pattern, with the id in it; owned. */
static char *path_of(const char *pattern, const char *id)
{
    const char *brace = strstr(pattern, "{id}");

    return brace ? lat_text_format("%.*s%s%s", (int)(brace - pattern), pattern, id, brace + 4)
                 : lat_text_copy(pattern);
}

static void nobody_gets_in_without_a_good_token(void **state)
{
    struct desk *desk = *state;

    for (size_t i = 0; i < LAT_COUNT(routes); i++) {
        char *path = path_of(routes[i].pattern, desk->alice_id);

        if (routes[i].access != LAT__ANYBODY) {
            expect_code(desk, NULL, routes[i].method, path, NULL, LAT_E_UNAUTHENTICATED);
            expect_code(desk, "lat_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", routes[i].method,
                        path, NULL, LAT_E_UNAUTHENTICATED);
            expect_code(desk, "e30.e30.e30", routes[i].method, path, NULL, LAT_E_UNAUTHENTICATED);
        }
        free(path);
    }
}

static void what_anybody_may_ask_is_a_short_list(void **state)
{
    static const char *const open[] = {"/healthz",        "/readyz",           "/metrics",
                                       "/api/v1/version", "/api/v1/authority", "/api/v1/login",
                                       "/api/v1/join",    "/api/v1/join/renew"};
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(routes); i++) {
        bool known = false;

        for (size_t j = 0; j < LAT_COUNT(open); j++) {
            known |= strcmp(open[j], routes[i].pattern) == 0;
        }
        if ((routes[i].access == LAT__ANYBODY) != known) {
            fail_msg("%s is %s to anybody", routes[i].pattern, known ? "closed" : "open");
        }
        count += known;
    }
    assert_int_equal(count, LAT_COUNT(open));
}

static void only_an_administrator_uses_what_is_for_administrators(void **state)
{
    struct desk *desk = *state;

    for (size_t i = 0; i < LAT_COUNT(routes); i++) {
        char *path = path_of(routes[i].pattern, desk->alice_id);

        if (routes[i].access == LAT__ADMINS) {
            struct reply reply;

            expect_code(desk, desk->alice, routes[i].method, path, NULL, LAT_E_FORBIDDEN);
            reply = ask(desk, desk->admin, routes[i].method, path, NULL);
            assert_true(reply.status != 401 && reply.status != 403);
            reply_done(&reply);
        }
        free(path);
    }
}

static void somebody_elses_workload_is_not_found_by_any_route(void **state)
{
    struct desk *desk = *state;
    char id[LAT_ID_SIZE];
    const char *names[] = {id, "web", "alice%2Fweb"};
    size_t asked = 0;

    deploy(desk, desk->alice, "web", id);
    for (size_t i = 0; i < LAT_COUNT(routes); i++) {
        for (size_t j = 0; j < LAT_COUNT(names) && strstr(routes[i].pattern, "/workloads/{id}");
             j++) {
            char *path = path_of(routes[i].pattern, names[j]);

            expect_code(desk, desk->bob, routes[i].method, path, NULL, LAT_E_NOT_FOUND);
            free(path);
            asked++;
        }
    }
    assert_true(asked >= 30);
    expect(desk, desk->alice, "GET", "/api/v1/workloads/web", NULL, 200);
    expect(desk, desk->alice, "GET", "/api/v1/workloads/alice%2Fweb", NULL, 200);
    expect(desk, desk->admin, "GET", "/api/v1/workloads/alice%2Fweb", NULL, 200);
    expect_code(desk, desk->admin, "GET", "/api/v1/workloads/web", NULL,
                LAT_E_NOT_FOUND); /* in the admin's own project */
    expect_code(desk, desk->admin, "GET", "/api/v1/workloads/nobody%2Fweb", NULL, LAT_E_NOT_FOUND);
    expect_code(desk, desk->admin, "GET", "/api/v1/workloads/alice%2Fweb%2Fx", NULL,
                LAT_E_NOT_FOUND);
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads/%2F", NULL, LAT_E_NOT_FOUND);
    assert_string_equal(lat_store_workload(desk->console->store, id)->desired, "running");
}

static void lists_show_what_is_in_the_callers_project(void **state)
{
    struct desk *desk = *state;
    char id[LAT_ID_SIZE];
    struct reply reply;

    deploy(desk, desk->alice, "web", id);
    reply = ask(desk, desk->bob, "GET", "/api/v1/workloads", NULL);
    assert_int_equal(cJSON_GetArraySize(lat_json_get(reply.json, "items")), 0);
    reply_done(&reply);
    reply = ask(desk, desk->alice, "GET", "/api/v1/workloads", NULL);
    assert_int_equal(cJSON_GetArraySize(lat_json_get(reply.json, "items")), 1);
    reply_done(&reply);
    reply = ask(desk, desk->admin, "GET", "/api/v1/workloads", NULL);
    assert_int_equal(cJSON_GetArraySize(lat_json_get(reply.json, "items")),
                     2); /* dispatch's own test workload, too */
    reply_done(&reply);
}

/* ---- tokens and people ---- */

static char *login(struct desk *desk, const char *user, const char *password, int status)
{
    char *body = lat_text_format("{\"user\":\"%s\",\"password\":\"%s\"}", user, password);
    struct reply reply = ask(desk, NULL, "POST", "/api/v1/login", body);
    char *token = lat_text_copy(lat_json_text(reply.json, "token", ""));

    assert_int_equal(reply.status, status);
    reply_done(&reply);
    free(body);
    return token;
}

static void a_new_user_logs_in_and_sees_a_project_of_their_own(void **state)
{
    struct desk *desk = *state;
    struct reply reply;
    char *token;

    expect(desk, desk->admin, "POST", "/api/v1/users",
           "{\"name\":\"carol\",\"password\":\"correct horse\"}", 201);
    expect_code(desk, desk->admin, "POST", "/api/v1/users",
                "{\"name\":\"carol\",\"password\":\"correct horse\"}", LAT_E_NAME_TAKEN);
    free(login(desk, "carol", "wrong horse", 401));
    free(login(desk, "nobody", "correct horse", 401));
    token = login(desk, "carol", "correct horse", 200);
    reply = ask(desk, token, "GET", "/api/v1/me", NULL);
    assert_int_equal(reply.status, 200);
    assert_string_equal(lat_json_text(reply.json, "project", ""), "carol");
    assert_string_equal(lat_json_text(reply.json, "role", ""), "user");
    assert_null(strstr(reply.text, "password"));
    reply_done(&reply);
    token[strlen(token) - 2] ^= 1; /* in the signature */
    expect_code(desk, token, "GET", "/api/v1/me", NULL, LAT_E_UNAUTHENTICATED);
    free(token);
}

static void a_user_that_cannot_be_is_refused(void **state)
{
    static const struct {
        const char *body;
        const char *field;
    } rows[] = {
        {"{\"name\":\"Carol!\",\"password\":\"correct horse\"}", "name"},
        {"{\"password\":\"correct horse\"}", "name"},
        {"{\"name\":\"carol\",\"password\":\"short\"}", "password"},
        {"{\"name\":\"carol\"}", "password"},
        {"{\"name\":\"carol\",\"password\":\"correct horse\",\"role\":\"god\"}", "role"},
        {"{\"name\":\"carol\",\"password\":\"correct horse\",\"admin\":true}", "admin"},
        {"{\"name\":7,\"password\":\"correct horse\"}", "name"},
    };
    struct desk *desk = *state;

    for (size_t i = 0; i < LAT_COUNT(rows); i++) {
        struct reply reply = ask(desk, desk->admin, "POST", "/api/v1/users", rows[i].body);

        assert_int_equal(reply.status, 422);
        assert_string_equal(lat_json_text(reply.json, "field", ""), rows[i].field);
        reply_done(&reply);
    }
}

static void who_guesses_a_password_has_to_wait_and_nobody_else(void **state)
{
    static const char person[] = "{\"name\":\"carol\",\"password\":\"correct horse\"}";
    struct desk *desk = *state;
    struct reply reply = {0};
    bool is_refused = false;

    expect(desk, desk->admin, "POST", "/api/v1/users", person, 201);
    for (int tried = 0; !is_refused;
         tried++) { /* on a slow machine a wait may be over already: then they double */
        assert_true(tried < 20);
        reply_done(&reply);
        reply =
            ask(desk, NULL, "POST", "/api/v1/login", "{\"user\":\"erna\",\"password\":\"guess\"}");
        is_refused = reply.status == 429;
        assert_true(is_refused ? tried > LAT_API_MISTAKES_USER : reply.status == 401);
    }
    assert_non_null(strstr(reply.text, "wrong passwords from this address"));
    assert_non_null(strstr(reply.text, "Try again in "));
    reply_done(&reply);
    free(login(desk, "carol", "correct horse", 200));
}

static void a_role_that_changes_takes_effect_at_once(void **state)
{
    struct desk *desk = *state;
    struct lat_txn *txn = lat_txn_begin(desk->console->store, "");
    struct lat_user *user =
        lat_user_edit((const struct lat_user *)lat_txn_get(txn, LAT_TABLE_USER, desk->alice_id));

    lat_row_set(user->role, "admin");
    lat_txn_put(txn, &user->row);
    commit_now(desk->console->bed, txn);
    expect(desk, desk->alice, "GET", "/api/v1/users", NULL, 200);
    txn = lat_txn_begin(desk->console->store, "");
    lat_txn_remove(txn, LAT_TABLE_USER, desk->alice_id);
    commit_now(desk->console->bed, txn);
    expect_code(desk, desk->alice, "GET", "/api/v1/me", NULL, LAT_E_UNAUTHENTICATED);
}

static void a_token_is_shown_once_works_and_ends(void **state)
{
    struct desk *desk = *state;
    struct reply made =
        ask(desk, desk->alice, "POST", "/api/v1/tokens", "{\"name\":\"ci\",\"life\":\"1h\"}");
    const char *token = lat_json_text(made.json, "token", "");
    struct reply list;

    assert_int_equal(made.status, 201);
    expect(desk, token, "GET", "/api/v1/me", NULL, 200);
    list = ask(desk, desk->alice, "GET", "/api/v1/tokens", NULL);
    assert_int_equal(cJSON_GetArraySize(lat_json_get(list.json, "items")), 2);
    assert_null(strstr(list.text, token));
    reply_done(&list);
    desk->console->bed->ahead_ms = INT64_C(3601) * 1000;
    expect_code(desk, token, "GET", "/api/v1/me", NULL, LAT_E_UNAUTHENTICATED);
    reply_done(&made);
}

static void tokens_that_have_ended_are_taken_away(void **state)
{
    struct desk *desk = *state;
    struct lat_store *store = desk->console->store;
    size_t tokens = lat_store_count(store, LAT_TABLE_API_TOKEN);
    int64_t rows;

    expect(desk, desk->alice, "POST", "/api/v1/tokens", "{\"life\":\"1s\"}", 201);
    expect(desk, desk->alice, "POST", "/api/v1/tokens", "{\"life\":\"1h\"}", 201);
    expect(desk, desk->alice, "POST", "/api/v1/tokens", "{}", 201);
    expect(desk, desk->admin, "POST", "/api/v1/join-tokens", "{\"life\":\"1s\"}", 201);
    expect(desk, desk->admin, "POST", "/api/v1/join-tokens", "{}", 201);
    rows = lat_store_audit_sequence(store);
    run_for(desk->console->loop, 1100);
    lat__sweep(desk->api);
    for (int i = 0; i < WAITING_MS && lat_store_count(store, LAT_TABLE_JOIN_TOKEN) > 1; i++) {
        run_for(desk->console->loop, 1);
    }
    assert_int_equal(lat_store_count(store, LAT_TABLE_API_TOKEN), tokens + 2);
    assert_int_equal(lat_store_count(store, LAT_TABLE_JOIN_TOKEN), 1);
    assert_int_equal(lat_store_audit_sequence(store), rows + 2);
}

static void lists_of_tokens_and_people_come_in_pages(void **state)
{
    static const char *const lists[] = {"/api/v1/tokens?limit=1", "/api/v1/users?limit=1",
                                        "/api/v1/join-tokens?limit=1"};
    struct desk *desk = *state;

    expect(desk, desk->admin, "POST", "/api/v1/tokens", "{}", 201);
    expect(desk, desk->admin, "POST", "/api/v1/join-tokens", "{}", 201);
    expect(desk, desk->admin, "POST", "/api/v1/join-tokens", "{}", 201);
    for (size_t i = 0; i < LAT_COUNT(lists); i++) {
        struct reply first = ask(desk, desk->admin, "GET", lists[i], NULL);
        const char *next = lat_json_text(first.json, "next", "");
        char *target = lat_text_format("%s&cursor=%s", lists[i], next);
        struct reply second = ask(desk, desk->admin, "GET", target, NULL);
        const cJSON *item = cJSON_GetArrayItem(lat_json_get(second.json, "items"), 0);

        assert_int_equal(cJSON_GetArraySize(lat_json_get(first.json, "items")), 1);
        assert_int_equal(second.status, 200);
        assert_string_not_equal(lat_json_text(item, "id", ""), next);
        assert_true(*lat_json_text(item, "id", ""));
        reply_done(&first);
        reply_done(&second);
        free(target);
    }
}

static void a_token_is_removed_by_its_owner_alone(void **state)
{
    struct desk *desk = *state;
    struct reply made = ask(desk, desk->alice, "POST", "/api/v1/tokens", "{\"name\":\"ci\"}");
    const char *token = lat_json_text(made.json, "token", "");
    char *path = lat_text_format("/api/v1/tokens/%s", lat_json_text(made.json, "id", ""));

    expect_code(desk, desk->bob, "DELETE", path, NULL, LAT_E_NOT_FOUND);
    expect_code(desk, desk->admin, "DELETE", path, NULL, LAT_E_NOT_FOUND);
    expect(desk, desk->alice, "DELETE", path, NULL, 204);
    expect_code(desk, token, "GET", "/api/v1/me", NULL, LAT_E_UNAUTHENTICATED);
    expect_code(desk, desk->alice, "DELETE", path, NULL, LAT_E_NOT_FOUND);
    free(path);
    reply_done(&made);
}

static void a_life_that_is_none_or_too_long_is_refused(void **state)
{
    static const char *const lives[] = {"0s", "999ms", "3651d", "106751991167d", "soon", "-1h"};
    struct desk *desk = *state;

    for (size_t i = 0; i < LAT_COUNT(lives); i++) {
        char *token = lat_text_format("{\"name\":\"ci\",\"life\":\"%s\"}", lives[i]);
        char *join = lat_text_format("{\"life\":\"%s\"}", lives[i]);

        expect_code(desk, desk->alice, "POST", "/api/v1/tokens", token, LAT_E_INVALID_FIELD);
        expect_code(desk, desk->admin, "POST", "/api/v1/join-tokens", join, LAT_E_INVALID_FIELD);
        free(token);
        free(join);
    }
}

static void what_is_no_route_is_not_found_and_what_is_no_method_is_said(void **state)
{
    struct desk *desk = *state;

    expect_code(desk, NULL, "GET", "/api/v1/nothing", NULL, LAT_E_NOT_FOUND);
    expect_code(desk, desk->admin, "GET", "/api/v2/workloads", NULL, LAT_E_NOT_FOUND);
    expect_code(desk, desk->admin, "PUT", "/api/v1/workloads", "{}", LAT_E_METHOD);
}

static int run(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, desk_open, desk_close)
    const struct CMUnitTest tests[] = {
        TEST(nobody_gets_in_without_a_good_token),
        TEST(what_anybody_may_ask_is_a_short_list),
        TEST(only_an_administrator_uses_what_is_for_administrators),
        TEST(somebody_elses_workload_is_not_found_by_any_route),
        TEST(lists_show_what_is_in_the_callers_project),
        TEST(a_new_user_logs_in_and_sees_a_project_of_their_own),
        TEST(a_user_that_cannot_be_is_refused),
        TEST(who_guesses_a_password_has_to_wait_and_nobody_else),
        TEST(a_role_that_changes_takes_effect_at_once),
        TEST(a_token_is_shown_once_works_and_ends),
        TEST(tokens_that_have_ended_are_taken_away),
        TEST(lists_of_tokens_and_people_come_in_pages),
        TEST(a_token_is_removed_by_its_owner_alone),
        TEST(a_life_that_is_none_or_too_long_is_refused),
        TEST(what_is_no_route_is_not_found_and_what_is_no_method_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return desk_main(argc, argv, run);
}
