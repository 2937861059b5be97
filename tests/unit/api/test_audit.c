/* The audit trail: every route that changes something leaves its row; who may read which rows; pages and filters. */
#include "support.h"
#include "tests/unit/waiting.h"

#include "api/routes_internal.h"

#include "store/audit.h"

#include <stdio.h>

/* What a sound request to each changing route is, and what the trail says of it. The order is that of a life. */
static const struct {
    const char *method, *pattern, *body;
    int status;
    const char *action;
} deeds[] = {
    {"POST", "/api/v1/login", "{\"user\":\"carol\",\"password\":\"correct horse\"}", 200,
     "session.create"},
    {"POST", "/api/v1/tokens", "{\"name\":\"ci\"}", 201, "token.create"},
    {"DELETE", "/api/v1/tokens/{id}", NULL, 204, "token.remove"},
    {"POST", "/api/v1/users", "{\"name\":\"dave\",\"password\":\"correct horse\"}", 201,
     "user.create"},
    {"POST", "/api/v1/join-tokens", "{\"node\":\"n9\"}", 201, "join_token.create"},
    {"POST", "/api/v1/workloads",
     "{\"type\":\"custom\",\"name\":\"web\",\"params\":{\"image\":\"web:1\"}}", 201,
     "workload.create"},
    {"PATCH", "/api/v1/workloads/{id}", "{\"labels\":{\"a\":\"b\"}}", 200, "workload.label"},
    {"PATCH", "/api/v1/workloads/{id}", "{\"memory\":\"64m\"}", 200, "workload.change"},
    {"POST", "/api/v1/workloads/{id}/stop", NULL, 202, "workload.stop"},
    {"POST", "/api/v1/workloads/{id}/start", NULL, 202, "workload.start"},
    {"POST", "/api/v1/workloads/{id}/restart", NULL, 202, "workload.restart"},
    {"POST", "/api/v1/workloads/{id}/scale", "{\"count\":2}", 202, "workload.scale"},
    {"DELETE", "/api/v1/workloads/{id}", NULL, 202, "workload.remove"},
    {"DELETE", "/api/v1/join-tokens/{id}", NULL, 204, "join_token.remove"},
    {"PATCH", "/api/v1/nodes/{id}", "{\"labels\":{\"zone\":\"a\"}}", 200, "node.change"},
    {"DELETE", "/api/v1/nodes/{id}", NULL, 204, "node.remove"},
    {"PUT", "/api/v1/policies/{id}", "{\"source\":\"function score() return 1 end\"}", 200,
     "policy.apply"},
    {"POST", "/api/v1/policies/{id}/rollback", NULL, 200, "policy.rollback"},
    {"POST", "/api/v1/join", NULL, 201, "node.join"},        /* what an agent says: test_join */
    {"POST", "/api/v1/join/renew", NULL, 200, "node.renew"}, /* likewise */
    {"POST", "/api/v1/policies/check", NULL, 0, ""},         /* changes nothing */
    {"POST", "/api/v1/nodes/{id}/approve", NULL, 0, ""},     /* test_join */
    {"POST", "/api/v1/nodes/{id}/reject", NULL, 0, ""},      /* likewise */
};

static const struct {
    const char *method, *pattern;
} routes[] = {
#define X(method, pattern, access, handler) {#method, pattern},
    LAT__ROUTES(X)
#undef X
};

static void every_route_that_changes_something_has_a_deed(void **state)
{
    (void)state;
    for (size_t i = 0; i < LAT_COUNT(routes); i++) {
        bool known = strcmp(routes[i].method, "GET") == 0;

        for (size_t j = 0; j < LAT_COUNT(deeds); j++) {
            known |= strcmp(routes[i].method, deeds[j].method) == 0 &&
                     strcmp(routes[i].pattern, deeds[j].pattern) == 0;
        }
        if (!known) {
            fail_msg("%s %s: what does the audit trail say of it?", routes[i].method,
                     routes[i].pattern);
        }
    }
}

/* The newest row of the trail as an administrator reads it; the caller frees it. */
static struct reply newest(struct desk *desk, const cJSON **ret_item)
{
    struct reply reply = ask(desk, desk->admin, "GET", "/api/v1/audit?limit=1", NULL);

    assert_int_equal(reply.status, 200);
    *ret_item = cJSON_GetArrayItem(lat_json_get(reply.json, "items"), 0);
    assert_non_null(*ret_item);
    return reply;
}

static void every_deed_leaves_one_row_with_who_did_it(void **state)
{
    struct desk *desk = *state;
    struct lat_store *store = desk->console->store;
    char ids[3][LAT_ID_SIZE] = {"", "", ""}; /* of the token, the join token, the workload */

    desk_rule(desk);
    expect(desk, desk->admin, "POST", "/api/v1/users",
           "{\"name\":\"carol\",\"password\":\"correct horse\"}", 201);
    for (size_t i = 0; i < LAT_COUNT(deeds) && deeds[i].status != 0; i++) {
        const char *pattern = deeds[i].pattern;
        const char *brace = strstr(pattern, "{id}");
        int which = strstr(pattern, "join-tokens") ? 1 : strstr(pattern, "tokens") ? 0 : 2;
        const char *id = strstr(pattern, "nodes")      ? "n1"
                         : strstr(pattern, "policies") ? "placement"
                                                       : ids[which];
        int64_t before = lat_store_audit_sequence(store);
        const cJSON *row;
        struct reply reply, trail;
        char *path;

        if (strstr(pattern, "/join") && which != 1) {
            continue;
        }
        path = brace ? lat_text_format("%.*s%s%s", (int)(brace - pattern), pattern, id, brace + 4)
                     : lat_text_copy(pattern);
        reply = ask(desk, desk->admin, deeds[i].method, path, deeds[i].body);
        if (reply.status != deeds[i].status) {
            fail_msg("%s %s: %d %s", deeds[i].method, path, reply.status, reply.text);
        }
        if (reply.status == 201) {
            lat_text_bound(ids[which], LAT_ID_SIZE, lat_json_text(reply.json, "id", ""));
        }
        assert_int_equal(lat_store_audit_sequence(store), before + 1);
        trail = newest(desk, &row);
        assert_string_equal(lat_json_text(row, "action", ""), deeds[i].action);
        if (strcmp(deeds[i].action, "session.create") == 0) {
            assert_string_equal(lat_json_text(row, "actor_kind", ""), "user");
            assert_string_equal(lat_json_text(row, "actor_name", ""), "carol");
        } else {
            assert_string_equal(lat_json_text(row, "actor_kind", ""), "api_token");
            assert_true(lat_text_starts(lat_json_text(row, "actor_name", ""), "root/"));
        }
        assert_true(*lat_json_text(row, "request_id", ""));
        assert_true(*lat_json_text(row, "address", ""));
        assert_true(*lat_json_text(row, "object_id", ""));
        reply_done(&trail);
        reply_done(&reply);
        free(path);
    }
}

/* A refusal is answered at once; its row becomes durable right after. */
static void refuse_login(struct desk *desk, const char *body)
{
    int64_t before = lat_store_audit_sequence(desk->console->store);

    expect(desk, NULL, "POST", "/api/v1/login", body, 401);
    for (int i = 0; i < WAITING_MS && lat_store_audit_sequence(desk->console->store) == before;
         i++) {
        run_for(desk->console->loop, 1);
    }
}

static void what_is_refused_leaves_no_row_but_a_login_does(void **state)
{
    struct desk *desk = *state;
    struct lat_store *store = desk->console->store;
    int64_t before = lat_store_audit_sequence(store);
    const cJSON *row;
    struct reply trail;

    expect(desk, desk->alice, "POST", "/api/v1/workloads", "{\"type\":\"custom\"}", 422);
    expect(desk, desk->alice, "POST", "/api/v1/users", "{}", 403);
    expect(desk, desk->alice, "DELETE", "/api/v1/workloads/none", NULL, 404);
    assert_int_equal(lat_store_audit_sequence(store), before);
    refuse_login(desk, "{\"user\":\"alice\",\"password\":\"wrong horse\"}");
    trail = newest(desk, &row);
    assert_string_equal(lat_json_text(row, "action", ""), "session.refused");
    assert_string_equal(lat_json_text(row, "object_id", ""), desk->alice_id);
    reply_done(&trail);
    refuse_login(desk, "{\"user\":\"nobody\",\"password\":\"wrong horse\"}");
    trail = newest(desk, &row);
    assert_string_equal(lat_json_text(row, "object_name", ""), "nobody");
    assert_string_equal(lat_json_text(row, "object_id", ""), "");
    assert_null(strstr(trail.text, "horse"));
    reply_done(&trail);
    refuse_login(desk, "{\"user\":\"Right horse, wrong field\",\"password\":\"alice\"}");
    trail = newest(desk, &row);
    assert_string_equal(lat_json_text(row, "action", ""), "session.refused");
    assert_string_equal(lat_json_text(row, "object_name", "-"), "");
    assert_null(strstr(trail.text, "horse"));
    reply_done(&trail);
}

static void a_request_that_is_sent_again_leaves_one_row(void **state)
{
    struct desk *desk = *state;
    int64_t before = lat_store_audit_sequence(desk->console->store);

    for (int i = 0; i < 3; i++) {
        struct reply reply = ask_with_key(desk, desk->alice, "POST", "/api/v1/tokens", "{}", "k");

        assert_int_equal(reply.status, 201);
        reply_done(&reply);
    }
    assert_int_equal(lat_store_audit_sequence(desk->console->store), before + 1);
}

/* Asks as that user, and expects so many rows. */
static void expect_rows(struct desk *desk, const char *token, const char *query, int count)
{
    char *target = lat_text_format("/api/v1/audit?%s", query);
    struct reply reply = ask(desk, token, "GET", target, NULL);

    assert_int_equal(reply.status, 200);
    if (cJSON_GetArraySize(lat_json_get(reply.json, "items")) != count) {
        fail_msg("%s: not %d rows: %s", target, count, reply.text);
    }
    reply_done(&reply);
    free(target);
}

static void a_user_reads_of_their_own_project_alone(void **state)
{
    struct desk *desk = *state;
    char id[LAT_ID_SIZE];
    char *query;

    deploy(desk, desk->alice, "web", id);
    deploy(desk, desk->bob, "web", id);
    expect(desk, desk->admin, "POST", "/api/v1/join-tokens", "{}", 201);
    expect_rows(desk, desk->alice, "", 1);
    expect_rows(desk, desk->alice, "project=alice", 1);
    expect_rows(desk, desk->bob, "", 1);
    expect_rows(desk, desk->admin, "", 3);
    expect_rows(desk, desk->admin, "project=bob", 1);
    query = lat_text_format("object=%s", id);
    expect_rows(desk, desk->alice, query, 0);
    expect_rows(desk, desk->bob, query, 1);
    free(query);
    expect_code(desk, desk->alice, "GET", "/api/v1/audit?project=bob", NULL, LAT_E_NOT_FOUND);
    expect_code(desk, desk->alice, "GET", "/api/v1/audit/verify", NULL, LAT_E_FORBIDDEN);
}

static void filters_narrow_and_nonsense_is_refused(void **state)
{
    static const char *const bad[] = {"limit=0",      "limit=501",    "cursor=x",
                                      "cursor=0",     "since=now",    "until=-1h",
                                      "actor=nobody", "project=none", "since=2026-13-01T00:00:00Z"};
    struct desk *desk = *state;
    char id[LAT_ID_SIZE];

    deploy(desk, desk->alice, "a", id);
    deploy(desk, desk->alice, "b", id);
    expect(desk, desk->alice, "DELETE", "/api/v1/workloads/a", NULL, 202);
    expect_rows(desk, desk->admin, "action=workload.create", 2);
    expect_rows(desk, desk->admin, "since=1h", 3);
    expect_rows(desk, desk->admin, "until=1h", 0);
    expect_rows(desk, desk->admin, "since=2000-01-01T00:00:00Z&until=2001-01-01T00:00:00Z", 0);
    expect_rows(desk, desk->admin, "actor=alice", 0); /* her token did it */
    for (size_t i = 0; i < LAT_COUNT(bad); i++) {
        char *target = lat_text_format("/api/v1/audit?%s", bad[i]);
        struct reply reply = ask(desk, desk->admin, "GET", target, NULL);

        if (reply.status != 422 && reply.status != 404) {
            fail_msg("%s: %d", target, reply.status);
        }
        reply_done(&reply);
        free(target);
    }
}

static void pages_of_the_trail_cover_it_once(void **state)
{
    struct desk *desk = *state;
    char *path = lat_text_copy("/api/v1/audit?limit=2");
    int64_t expected = 5;

    for (int i = 0; i < 5; i++) {
        expect(desk, desk->alice, "POST", "/api/v1/tokens", "{}", 201);
    }
    while (path) {
        struct reply reply = ask(desk, desk->alice, "GET", path, NULL);
        const cJSON *item;
        const char *next;

        cJSON_ArrayForEach (item, lat_json_get(reply.json, "items")) {
            assert_int_equal(lat_json_int(item, "sequence", 0), expected--);
        }
        next = lat_json_text(reply.json, "next", NULL);
        free(path);
        path = next ? lat_text_format("/api/v1/audit?limit=2&cursor=%s", next) : NULL;
        reply_done(&reply);
    }
    assert_int_equal(expected, 0);
}

static void the_chain_is_verified(void **state)
{
    struct desk *desk = *state;
    struct reply reply;

    expect(desk, desk->alice, "POST", "/api/v1/tokens", "{}", 201);
    reply = ask(desk, desk->admin, "GET", "/api/v1/audit/verify", NULL);
    assert_int_equal(reply.status, 200);
    assert_true(cJSON_IsTrue(lat_json_get(reply.json, "sound")));
    assert_int_equal(lat_json_int(reply.json, "last", 0), 1);
    assert_true(cJSON_IsNull(lat_json_get(reply.json, "broken_at")));
    reply_done(&reply);
}

static int run(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, desk_open, desk_close)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_that_changes_something_has_a_deed),
        TEST(every_deed_leaves_one_row_with_who_did_it),
        TEST(what_is_refused_leaves_no_row_but_a_login_does),
        TEST(a_request_that_is_sent_again_leaves_one_row),
        TEST(a_user_reads_of_their_own_project_alone),
        TEST(filters_narrow_and_nonsense_is_refused),
        TEST(pages_of_the_trail_cover_it_once),
        TEST(the_chain_is_verified),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return desk_main(argc, argv, run);
}
