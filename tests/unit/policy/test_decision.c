/* Decisions: the built-in policy, and reading what a policy answered. */
#include "policy/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct lat_placement_node nodes[] = {
    {.id = "empty",
     .healthy = true,
     .cpu_milli = 4000,
     .memory_bytes = 4 << 20,
     .free_cpu_milli = 4000,
     .free_memory_bytes = 4 << 20},
    {.id = "half",
     .healthy = true,
     .cpu_milli = 4000,
     .memory_bytes = 4 << 20,
     .free_cpu_milli = 2000,
     .free_memory_bytes = 4 << 20},
    {.id = "mate",
     .healthy = true,
     .cpu_milli = 4000,
     .memory_bytes = 4 << 20,
     .free_cpu_milli = 4000,
     .free_memory_bytes = 4 << 20,
     .workload_instances = 1},
    {.id = "ill",
     .healthy = false,
     .cpu_milli = 4000,
     .memory_bytes = 4 << 20,
     .free_cpu_milli = 4000,
     .free_memory_bytes = 4 << 20},
    {.id = "full",
     .healthy = true,
     .cpu_milli = 4000,
     .memory_bytes = 4 << 20,
     .free_cpu_milli = 100,
     .free_memory_bytes = 4 << 20},
    {.id = "small",
     .healthy = true,
     .cpu_milli = 4000,
     .memory_bytes = 4 << 20,
     .free_cpu_milli = 4000,
     .free_memory_bytes = 1 << 20},
};

enum { NODES = sizeof(nodes) / sizeof(nodes[0]) };

static void built_in_policy_spreads_and_says_why_not(void **state)
{
    struct lat_placement placement = {.workload = {.cpu_milli = 500, .memory_bytes = 2 << 20},
                                      .nodes = nodes,
                                      .node_count = NODES};
    struct lat_decision decision = {.node_count = 0};

    (void)state;
    lat_placement_decide(&placement, &decision);
    assert_string_equal(decision.policy, "built-in");
    assert_string_equal(lat_decision_best(&decision)->id, "empty");
    assert_true(decision.nodes[0].score == 1000);
    assert_true(decision.nodes[1].score == 750);
    assert_true(decision.nodes[2].score == 0);
    assert_int_equal(decision.nodes[3].verdict, LAT_VERDICT_REFUSED);
    assert_string_equal(decision.nodes[3].reason, "is not healthy");
    assert_string_equal(decision.nodes[4].reason, "has 0.10 processors free, needs 0.50");
    assert_string_equal(decision.nodes[5].reason, "has 1 MiB of memory free, needs 2 MiB");
    lat_decision_done(&decision);
    assert_null(decision.nodes);
}

static void node_without_capacity_scores_nothing(void **state)
{
    struct lat_placement_node bare = {.id = "bare", .healthy = true};
    struct lat_placement placement = {.nodes = &bare, .node_count = 1};
    struct lat_decision decision = {.node_count = 0};

    (void)state;
    lat_placement_decide(&placement, &decision);
    assert_true(decision.nodes[0].score == 0);
    lat_decision_done(&decision);
}

static void best_is_the_first_of_equals_and_none_where_all_are_refused(void **state)
{
    struct lat_decision_node two[] = {{.id = "a", .score = 5}, {.id = "b", .score = 5}};
    struct lat_decision decision = {.nodes = two, .node_count = 2};

    (void)state;
    assert_string_equal(lat_decision_best(&decision)->id, "a");
    two[0].verdict = two[1].verdict = LAT_VERDICT_REFUSED;
    assert_null(lat_decision_best(&decision));
}

static int read_answer(const char *text, struct lat_decision *decision, struct lat_err *err)
{
    cJSON *answer = NULL;

    assert_int_equal(lat_json_parse(text, strlen(text), &answer, NULL), 0);
    int rc = lat_decision_read(answer, nodes, 2, decision, err);

    cJSON_Delete(answer);
    return rc;
}

static void answer_is_read_node_by_node(void **state)
{
    struct lat_decision decision = {.node_count = 0};

    (void)state;
    assert_int_equal(
        read_answer(
            "{\"nodes\":[{\"ok\":true,\"score\":-1.5},{\"ok\":false,\"reason\":\"too far\"}]}",
            &decision, NULL),
        0);
    assert_string_equal(decision.nodes[0].id, "empty");
    assert_true(decision.nodes[0].score == -1.5);
    assert_string_equal(decision.nodes[1].reason, "too far");
    lat_decision_done(&decision);
}

static void crooked_answers_are_refused(void **state)
{
    static const char *const crooked[] = {
        "{}",
        "[]",
        "{\"nodes\":{}}",
        "{\"nodes\":[{\"ok\":true,\"score\":1}]}",
        "{\"nodes\":[{\"ok\":true,\"score\":1},{\"ok\":true,\"score\":1},{\"ok\":true,\"score\":1}]}",
        "{\"nodes\":[{\"ok\":true,\"score\":1},{\"ok\":true}]}",
        "{\"nodes\":[{\"ok\":true,\"score\":1},{\"ok\":true,\"score\":\"1\"}]}",
        "{\"nodes\":[{\"ok\":true,\"score\":1},{\"ok\":true,\"score\":null}]}",
        "{\"nodes\":[{\"ok\":true,\"score\":1},{\"ok\":1,\"score\":1}]}",
        "{\"nodes\":[{\"ok\":true,\"score\":1},{\"ok\":false}]}",
        "{\"nodes\":[{\"ok\":true,\"score\":1},{\"ok\":false,\"reason\":1}]}",
        "{\"nodes\":[{\"ok\":true,\"score\":1},{\"ok\":true,\"score\":1,\"id\":\"other\"}]}",
        "{\"nodes\":[{\"ok\":true,\"score\":1},null]}",
        "{\"nodes\":[{\"ok\":true,\"score\":1},{\"ok\":true,\"score\":1}],\"policy\":\"me\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(crooked) / sizeof(crooked[0]); i++) {
        struct lat_decision decision = {.node_count = 0};
        struct lat_err err;

        assert_int_equal(read_answer(crooked[i], &decision, &err), LAT_E_POLICY);
        assert_int_equal(err.code, LAT_E_POLICY);
        assert_null(decision.nodes);
    }
}

static void long_reason_is_cut_between_characters(void **state)
{
    struct lat_decision decision = {.node_count = 0};
    struct lat_buf text = {0};

    (void)state;
    lat_buf_add_text(&text, "{\"nodes\":[{\"ok\":true,\"score\":1},{\"ok\":false,\"reason\":\"");
    for (int i = 0; i < LAT_VERDICT_REASON_MAX; i++) {
        lat_buf_add_text(&text, "\xc3\xa9");
    }
    lat_buf_add_text(&text, "\"}]}");
    assert_int_equal(read_answer(lat_buf_text(&text), &decision, NULL), 0);
    assert_int_equal(strlen(decision.nodes[1].reason), LAT_VERDICT_REASON_MAX - 2);
    lat_decision_done(&decision);
    lat_buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_in_policy_spreads_and_says_why_not),
        cmocka_unit_test(node_without_capacity_scores_nothing),
        cmocka_unit_test(best_is_the_first_of_equals_and_none_where_all_are_refused),
        cmocka_unit_test(answer_is_read_node_by_node),
        cmocka_unit_test(crooked_answers_are_refused),
        cmocka_unit_test(long_reason_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
