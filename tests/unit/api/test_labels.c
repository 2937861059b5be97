/* Labels of workloads: changed in place, limited, and what lists are narrowed by. */
#include "support.h"

static void expect_labels(struct desk *desk, const char *target, const char *labels)
{
    struct reply reply = ask(desk, desk->alice, "GET", target, NULL);
    char *text = lat_json_print(lat_json_get(reply.json, "labels"));

    assert_string_equal(text, labels);
    free(text);
    reply_done(&reply);
}

static void labels_change_without_a_new_generation(void **state)
{
    static const char web[] = "/api/v1/workloads/web";
    struct desk *desk = *state;
    struct reply reply =
        ask(desk, desk->alice, "POST", "/api/v1/workloads",
            "{\"type\":\"custom\",\"name\":\"web\",\"params\":{\"image\":\"web:1\"},"
            "\"labels\":{\"tier\":\"front\"}}");
    const struct lat_workload *row =
        lat_store_workload(desk->console->store, lat_json_text(reply.json, "id", ""));
    char *rendered = lat_text_copy(row->rendered);
    char *id = lat_text_copy(row->row.id);

    assert_int_equal(reply.status, 201);
    assert_null(lat_json_get(lat_json_get(reply.json, "spec"), "labels"));
    reply_done(&reply);
    expect_labels(desk, web, "{\"tier\":\"front\"}");
    expect(desk, desk->alice, "PATCH", web, "{\"labels\":{\"a/b\":\"\\\"1\\\"\",\"c\":\"\"}}", 200);
    expect_labels(desk, web, "{\"tier\":\"front\",\"a/b\":\"\\\"1\\\"\",\"c\":\"\"}");
    expect(desk, desk->alice, "PATCH", web, "{\"labels\":{\"tier\":null,\"c\":\"2\",\"x\":null}}",
           200);
    expect_labels(desk, web, "{\"a/b\":\"\\\"1\\\"\",\"c\":\"2\"}");
    assert_int_equal(lat_store_workload(desk->console->store, id)->generation, 1);
    assert_string_equal(lat_store_workload(desk->console->store, id)->rendered, rendered);
    expect(desk, desk->alice, "PATCH", web, "{\"memory\":\"64m\",\"labels\":{\"d\":\"3\"}}", 200);
    expect_labels(desk, web, "{\"a/b\":\"\\\"1\\\"\",\"c\":\"2\",\"d\":\"3\"}");
    assert_int_equal(lat_store_workload(desk->console->store, id)->generation, 2);
    expect(desk, desk->alice, "PATCH", web, "{\"labels\":null}", 200);
    expect_labels(desk, web, "{}");
    free(rendered);
    free(id);
}

static void labels_that_are_none_are_refused(void **state)
{
    static const char *const bad[] = {"1",
                                      "[]",
                                      "{\"a\":1}",
                                      "{\"a b\":\"x\"}",
                                      "{\"\":\"x\"}",
                                      "{\"lattice.x\":\"y\"}",
                                      "{\"a\":{\"b\":\"c\"}}"};
    struct desk *desk = *state;
    struct lat_buf many = {0};
    char id[LAT_ID_SIZE];

    deploy(desk, desk->alice, "web", id);
    for (size_t i = 0; i < LAT_COUNT(bad); i++) {
        char *alone = lat_text_format("{\"labels\":%s}", bad[i]);
        char *beside = lat_text_format("{\"memory\":\"64m\",\"labels\":%s}", bad[i]);

        expect_code(desk, desk->alice, "PATCH", "/api/v1/workloads/web", alone,
                    LAT_E_INVALID_FIELD);
        expect_code(desk, desk->alice, "PATCH", "/api/v1/workloads/web", beside,
                    LAT_E_INVALID_FIELD);
        free(alone);
        free(beside);
    }
    for (int i = 0; i <= LAT_LABELS_MAX; i++) { /* one by one: the limit is of the whole */
        lat_buf_clear(&many);
        lat_buf_addf(&many, "{\"labels\":{\"l%d\":\"\"}}", i);
        expect(desk, desk->alice, "PATCH", "/api/v1/workloads/web", lat_buf_text(&many),
               i < LAT_LABELS_MAX ? 200 : lat_error_row(LAT_E_INVALID_FIELD)->http_status);
    }
    lat_buf_done(&many);
    expect_code(desk, desk->bob, "PATCH", "/api/v1/workloads/web", "{\"labels\":{}}",
                LAT_E_NOT_FOUND);
    expect(desk, desk->alice, "DELETE", "/api/v1/workloads/web", NULL, 202);
    expect_code(desk, desk->alice, "PATCH", "/api/v1/workloads/web", "{\"labels\":{\"a\":\"\"}}",
                LAT_E_CONFLICT);
}

static void changes_of_labels_at_the_same_time_all_count(void **state)
{
    struct desk *desk = *state;
    struct going *going[4];
    char id[LAT_ID_SIZE];

    deploy(desk, desk->alice, "web", id);
    for (size_t i = 0; i < LAT_COUNT(going); i++) {
        char *body = lat_text_format("{\"labels\":{\"l%zu\":\"\"}}", i);

        going[i] = go(desk, desk->alice, "PATCH", "/api/v1/workloads/web", body);
        free(body);
    }
    for (size_t i = 0; i < LAT_COUNT(going); i++) {
        going_await_over(going[i]);
        assert_int_equal(going[i]->status, 200);
        going_free(going[i]);
    }
    for (size_t i = 0; i < LAT_COUNT(going); i++) {
        char *label = lat_text_format("\"l%zu\":\"\"", i);

        assert_non_null(strstr(lat_store_workload(desk->console->store, id)->labels, label));
        free(label);
    }
}

static void expect_listed(struct desk *desk, const char *query, size_t count)
{
    char *target = lat_text_format("/api/v1/workloads?%s", query);
    struct reply reply = ask(desk, desk->alice, "GET", target, NULL);

    assert_int_equal(reply.status, 200);
    assert_int_equal(cJSON_GetArraySize(lat_json_get(reply.json, "items")), count);
    reply_done(&reply);
    free(target);
}

static void lists_are_narrowed_by_labels(void **state)
{
    struct desk *desk = *state;
    struct lat_buf many = {0};
    char id[LAT_ID_SIZE];

    deploy(desk, desk->alice, "a", id);
    deploy(desk, desk->alice, "b", id);
    deploy(desk, desk->alice, "c", id);
    expect(desk, desk->alice, "PATCH", "/api/v1/workloads/a",
           "{\"labels\":{\"tier\":\"front\",\"note\":\"\\\"zone\\\":\\\"x\\\"\"}}", 200);
    expect(desk, desk->alice, "PATCH", "/api/v1/workloads/b",
           "{\"labels\":{\"tier\":\"frontier\",\"zone\":\"x\"}}", 200);
    expect_listed(desk, "label=tier", 2);
    expect_listed(desk, "label=tier%3Dfront", 1);
    expect_listed(desk, "label=tier%3Dfro", 0);
    expect_listed(desk, "label=zone", 1); /* not within the value of another */
    expect_listed(desk, "label=tier&label=zone%3Dx", 1);
    expect_listed(desk, "label=tier&limit=1", 1);
    expect_listed(desk, "label=none", 0);
    lat_buf_add_text(&many, "/api/v1/workloads?");
    for (int i = 0; i <= LAT_API_LABEL_FILTERS_MAX; i++) {
        lat_buf_add_text(&many, "label=tier&");
    }
    expect_code(desk, desk->alice, "GET", lat_buf_text(&many), NULL, LAT_E_INVALID_FIELD);
    lat_buf_done(&many);
}

static void who_wants_no_answer_to_a_change_gets_none(void **state)
{
    struct desk *desk = *state;
    char id[LAT_ID_SIZE];
    struct reply reply;

    deploy(desk, desk->alice, "web", id);
    reply = ask_with(desk, desk->alice, "PATCH", "/api/v1/workloads/web",
                     "{\"labels\":{\"a\":\"1\"}}", "Prefer", "return=minimal");
    assert_int_equal(reply.status, 204);
    assert_string_equal(reply.text, "");
    reply_done(&reply);
    expect_labels(desk, "/api/v1/workloads/web", "{\"a\":\"1\"}");
}

static int run(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, desk_open, desk_close)
    const struct CMUnitTest tests[] = {
        TEST(labels_change_without_a_new_generation),       TEST(labels_that_are_none_are_refused),
        TEST(changes_of_labels_at_the_same_time_all_count), TEST(lists_are_narrowed_by_labels),
        TEST(who_wants_no_answer_to_a_change_gets_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return desk_main(argc, argv, run);
}
