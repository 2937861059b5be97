/* Policies by the API: reading, applying, going back, checking; who may, and what is said of a bad text. */
#include "support.h"

static const char good[] = "{\"source\":\"function score() return 1 end\\n\"}";
static const char broken[] =
    "{\"source\":\"function score(node)\\n  return node.fre_cpu\\nend\\n\"}";
static const char placement[] = "/api/v1/policies/placement";

static int open_ruled(void **state)
{
    int rc = desk_open(state);

    desk_rule(*state);
    return rc;
}

static void assert_revision(struct desk *desk, int64_t revision, const char *part)
{
    struct reply reply = ask(desk, desk->alice, "GET", placement, NULL);

    assert_int_equal(reply.status, 200);
    assert_int_equal(lat_json_int(reply.json, "revision", 0), revision);
    assert_non_null(strstr(lat_json_text(reply.json, "source", ""), part));
    assert_true(lat_json_bool(reply.json, "in_force", false));
    reply_done(&reply);
}

static void an_administrator_applies_and_everybody_reads(void **state)
{
    struct desk *desk = *state;
    struct reply reply = ask(desk, desk->admin, "PUT", placement, good);

    assert_int_equal(reply.status, 200);
    assert_int_equal(lat_json_int(reply.json, "revision", 0), 2);
    assert_string_equal(lat_json_text(reply.json, "author", ""), "root/test");
    assert_string_equal(lat_json_text(reply.json, "origin", ""), "api");
    reply_done(&reply);
    assert_revision(desk, 2, "return 1");
    expect_code(desk, desk->alice, "PUT", placement, good, LAT_E_FORBIDDEN);
    expect_code(desk, desk->alice, "POST", "/api/v1/policies/placement/rollback", NULL,
                LAT_E_FORBIDDEN);
    expect_code(desk, desk->alice, "POST", "/api/v1/policies/check", NULL, LAT_E_FORBIDDEN);
    assert_revision(desk, 2, "return 1");
}

static void a_bad_text_is_a_problem_with_its_line(void **state)
{
    struct desk *desk = *state;
    struct reply reply = ask(desk, desk->admin, "PUT", placement, broken);

    assert_int_equal(reply.status, 422);
    assert_string_equal(lat_json_text(reply.json, "code", ""), "policy");
    assert_int_equal(lat_json_int(reply.json, "line", 0), 2);
    assert_non_null(strstr(lat_json_text(reply.json, "detail", ""), "free_cpu"));
    reply_done(&reply);
    assert_revision(desk, 1, "function filter");
}

static void what_is_no_change_is_refused(void **state)
{
    struct desk *desk = *state;
    char *large = lat_text_format("{\"source\":\"--%*d\"}", LAT_LUAHOST_SOURCE_MAX, 1);

    expect_code(desk, desk->admin, "PUT", placement, NULL, LAT_E_INVALID_FIELD);
    expect_code(desk, desk->admin, "PUT", placement, "{\"source\":1}", LAT_E_INVALID_FIELD);
    expect_code(desk, desk->admin, "PUT", placement, "{\"sauce\":\"\"}", LAT_E_INVALID_FIELD);
    expect_code(desk, desk->admin, "PUT", placement, large, LAT_E_POLICY);
    expect_code(desk, desk->admin, "PUT", "/api/v1/policies/placemat", good, LAT_E_NOT_FOUND);
    expect_code(desk, desk->admin, "PUT", placement,
                "{\"source\":\"function score() return 9 end\",\"if_revision\":7}", LAT_E_CONFLICT);
    expect_code(desk, desk->admin, "GET", "/api/v1/policies/placemat", NULL, LAT_E_NOT_FOUND);
    expect_code(desk, desk->admin, "GET", "/api/v1/policies/placement?revision=2", NULL,
                LAT_E_NOT_FOUND);
    expect_code(desk, desk->admin, "GET", "/api/v1/policies/placement?revision=x", NULL,
                LAT_E_INVALID_FIELD);
    expect_code(desk, desk->admin, "POST", "/api/v1/policies/placement/rollback", NULL,
                LAT_E_NOT_FOUND);
    assert_revision(desk, 1, "function filter");
    free(large);
}

static void going_back_is_to_what_was_in_force_before_unless_said(void **state)
{
    struct desk *desk = *state;
    struct reply reply;

    expect(desk, desk->admin, "PUT", placement, good, 200);
    expect(desk, desk->admin, "PUT", placement,
           "{\"source\":\"function score() return 3 end\",\"if_revision\":2}", 200);
    expect(desk, desk->admin, "POST", "/api/v1/policies/placement/rollback", NULL, 200);
    assert_revision(desk, 2, "return 1");
    expect(desk, desk->admin, "POST", "/api/v1/policies/placement/rollback", "{\"revision\":1}",
           200);
    assert_revision(desk, 1, "function filter");
    expect(desk, desk->admin, "POST", "/api/v1/policies/placement/rollback", NULL, 200);
    assert_revision(desk, 2, "return 1");
    expect(desk, desk->admin, "POST", "/api/v1/policies/placement/rollback", "{\"revision\":3}",
           200);
    reply = ask(desk, desk->alice, "GET", "/api/v1/policies/placement/versions?limit=2", NULL);
    assert_int_equal(cJSON_GetArraySize(lat_json_get(reply.json, "items")), 2);
    assert_true(cJSON_IsString(lat_json_get(reply.json, "next")));
    reply_done(&reply);
    reply = ask(desk, desk->alice, "GET", "/api/v1/policies/placement?revision=2", NULL);
    assert_non_null(strstr(lat_json_text(reply.json, "source", ""), "return 1"));
    assert_false(lat_json_bool(reply.json, "in_force", true));
    reply_done(&reply);
}

static void a_change_that_is_sent_again_happens_once(void **state)
{
    struct desk *desk = *state;

    for (int i = 0; i < 3; i++) {
        struct reply reply = ask_with_key(desk, desk->admin, "PUT", placement, good, "key");

        assert_int_equal(reply.status, 200);
        assert_int_equal(lat_json_int(reply.json, "revision", 0), 2);
        reply_done(&reply);
        expect(desk, desk->admin, "PUT", placement,
               "{\"source\":\"function score() return 8 end\"}", 200);
    }
    assert_revision(desk, 3, "return 8");
}

static void checking_changes_nothing(void **state)
{
    struct desk *desk = *state;
    struct reply reply = ask(
        desk, desk->admin, "POST", "/api/v1/policies/check",
        "{\"name\":\"placement\",\"source\":\"function score(node)\\n  return node.fre_cpu\\nend\"}");

    assert_int_equal(reply.status, 200);
    assert_false(lat_json_bool(reply.json, "ok", true));
    assert_int_equal(lat_json_int(lat_json_get(reply.json, "problem"), "line", 0), 2);
    reply_done(&reply);
    reply = ask(desk, desk->admin, "POST", "/api/v1/policies/check",
                "{\"name\":\"placement\",\"source\":\"function score(node) return node.cpu end\"}");
    assert_true(lat_json_bool(reply.json, "ok", false));
    reply_done(&reply);
    lat_luahost_set_deadline(desk->luahost, 100);
    reply = ask(desk, desk->admin, "POST", "/api/v1/policies/check",
                "{\"name\":\"placement\",\"source\":\"while true do end\"}");
    assert_int_equal(reply.status, 200);
    assert_string_equal(lat_json_text(lat_json_get(reply.json, "problem"), "code", ""), "timeout");
    reply_done(&reply);
    expect_code(desk, desk->admin, "POST", "/api/v1/policies/check",
                "{\"name\":\"placemat\",\"source\":\"\"}", LAT_E_INVALID_FIELD);
    assert_revision(desk, 1, "function filter");
}

static void more_checks_than_there_may_be_are_turned_away(void **state)
{
    struct desk *desk = *state;
    struct going *going[LAT_LUAHOST_CHECKS_MAX + 1];
    int busy = 0;

    for (size_t i = 0; i < LAT_COUNT(going); i++) {
        going[i] = go(desk, desk->admin, "POST", "/api/v1/policies/check",
                      "{\"name\":\"placement\",\"source\":\"function score() return 1 end\"}");
    }
    for (size_t i = 0; i < LAT_COUNT(going); i++) {
        going_await_over(going[i]);
        assert_true(going[i]->status == 200 || going[i]->status == 503);
        busy += going[i]->status == 503;
        going_free(going[i]);
    }
    assert_int_equal(busy, 1);
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_administrator_applies_and_everybody_reads, open_ruled,
                                        desk_close),
        cmocka_unit_test_setup_teardown(a_bad_text_is_a_problem_with_its_line, open_ruled,
                                        desk_close),
        cmocka_unit_test_setup_teardown(what_is_no_change_is_refused, open_ruled, desk_close),
        cmocka_unit_test_setup_teardown(going_back_is_to_what_was_in_force_before_unless_said,
                                        open_ruled, desk_close),
        cmocka_unit_test_setup_teardown(a_change_that_is_sent_again_happens_once, open_ruled,
                                        desk_close),
        cmocka_unit_test_setup_teardown(checking_changes_nothing, open_ruled, desk_close),
        cmocka_unit_test_setup_teardown(more_checks_than_there_may_be_are_turned_away, open_ruled,
                                        desk_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return desk_main(argc, argv, run);
}
