/* Asking a loaded file: answers, errors, deadlines, restarts. */
#include "tests/unit/luahost/fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char good[] = "function filter(node) return node.healthy, 'is ill' end\n"
                           "function score(node) return node.free_cpu * 2 end\n";

static void policy_answers_for_each_node(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(fixture_load_policy(fixture, good, NULL), 0);
    struct result result =
        fixture_ask(fixture, LAT_LUAHOST_POLICY, "placement", "decide", fixture_question);

    assert_string_equal(
        result.value,
        "{\"nodes\":[{\"ok\":true,\"score\":3},{\"ok\":false,\"reason\":\"is ill\"}]}");
    free(result.value);
}

static void unknown_name_is_not_found(void **state)
{
    struct result result =
        fixture_ask(*state, LAT_LUAHOST_POLICY, "placement", "decide", fixture_question);

    assert_int_equal(result.err.code, LAT_E_NOT_FOUND);
}

static void unknown_decision_is_not_found(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(fixture_load_policy(fixture, good, NULL), 0);
    struct result result =
        fixture_ask(fixture, LAT_LUAHOST_POLICY, "placement", "render", fixture_question);

    assert_int_equal(result.err.code, LAT_E_NOT_FOUND);
}

static void error_names_file_and_line(void **state)
{
    struct fixture *fixture = *state;
    struct lat_err err;

    assert_int_equal(fixture_load_policy(fixture,
                                         "function score(node)\n"
                                         "  if node.name == 'a' then\n"
                                         "    return node.labels.disk + 1\n"
                                         "  end\n"
                                         "  return 1\n"
                                         "end\n",
                                         NULL),
                     0);
    assert_int_equal(fixture_decide(fixture, &err), LAT_E_POLICY);
    assert_non_null(
        strstr(err.sentence, "placement.lua:3: attempt to add a 'string' with a 'number'"));
}

static void nothing_of_a_run_is_there_in_the_next(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(
        fixture_load_policy(fixture,
                            "local count = 0\n"
                            "string.poisoned = nil\n"
                            "function score() count = count + 1\n"
                            "  if string.seen then error('state') end\n"
                            "  if count == 2 then string.seen = true end return count end\n",
                            NULL),
        0);
    for (int i = 0; i < 2; i++) {
        struct result result =
            fixture_ask(fixture, LAT_LUAHOST_POLICY, "placement", "decide", fixture_question);

        assert_non_null(result.value);
        assert_non_null(strstr(result.value, "\"score\":1"));
        free(result.value);
    }
}

static const char hangs_on_ask[] =
    "function score(node) while node.name == 'a' do end return 1 end";

static void late_ask_fails_and_the_next_is_answered(void **state)
{
    struct fixture *fixture = *state;
    struct result results[3] = {{0}};

    /* Three at once: the first two hang, and cost one deadline each. */
    assert_int_equal(fixture_load_policy(fixture, hangs_on_ask, NULL), 0);
    for (int i = 0; i < 2; i++) {
        lat_luahost_ask(fixture->host, LAT_LUAHOST_POLICY, "placement", "decide", fixture_question,
                        fixture_on_answer, &results[i]);
    }
    lat_luahost_ask(fixture->host, LAT_LUAHOST_POLICY, "placement", "decide",
                    "{\"workload\":{\"id\":\"w\",\"cpu\":0,\"memory\":0},\"nodes\":[]}",
                    fixture_on_answer, &results[2]);
    fixture_wait(fixture, &results[0]);
    assert_false(results[1].done);
    fixture_wait(fixture, &results[1]);
    fixture_wait(fixture, &results[2]);
    assert_int_equal(results[0].err.code, LAT_E_TIMEOUT);
    assert_int_equal(results[1].err.code, LAT_E_TIMEOUT);
    assert_int_equal(results[2].err.code, 0);
    free(results[2].value);
    struct lat_metric *kills = lat_metrics_counter(fixture->metrics, "lattice_lua_kills_total",
                                                   "kind=\"policy\",name=\"placement\"", "");

    assert_int_equal(lat_metric_value(kills), 2);
    struct lat_luahost_use use;

    lat_luahost_use(fixture->host, LAT_LUAHOST_POLICY, "placement", &use);
    assert_int_equal(use.kills, 2);
    assert_true(use.asks >= 3 && use.errors == 2 && use.pauses == 0 && use.p99_ns > 0);
}

static void full_queue_is_busy(void **state)
{
    struct fixture *fixture = *state;
    size_t count = LAT_LUAHOST_QUEUE_MAX + 2; /* one is with the child */
    struct result *results = calloc(count, sizeof(*results));

    assert_int_equal(fixture_load_policy(fixture, good, NULL), 0);
    for (size_t i = 0; i < count; i++) {
        lat_luahost_ask(fixture->host, LAT_LUAHOST_POLICY, "placement", "decide", fixture_question,
                        fixture_on_answer, &results[i]);
    }
    fixture_wait(fixture, &results[count - 1]);
    assert_int_equal(results[count - 1].err.code, LAT_E_BUSY);
    fixture_wait(fixture, &results[count - 2]);
    for (size_t i = 0; i + 1 < count; i++) {
        assert_true(results[i].done);
        assert_int_equal(results[i].err.code, 0);
        free(results[i].value);
    }
    free(results);
}

static void closing_cancels_what_waits(void **state)
{
    struct fixture *fixture = *state;
    static struct result asked; /* outlives this test: the fixture closes the host */

    asked = (struct result){0};
    assert_int_equal(fixture_load_policy(fixture, hangs_on_ask, NULL), 0);
    lat_luahost_ask(fixture->host, LAT_LUAHOST_POLICY, "placement", "decide", fixture_question,
                    fixture_on_answer, &asked);
    assert_int_equal(fixture_teardown(state), 0);
    assert_true(asked.done);
    assert_int_equal(asked.err.code, LAT_E_CANCELLED);
    assert_int_equal(fixture_setup(state), 0);
}

static void on_decision(void *arg, const struct lat_decision *decision)
{
    struct lat_decision *copy = arg;

    *copy = *decision;
    copy->nodes = NULL;
    assert_int_equal(decision->node_count, 1);
    assert_string_equal(decision->nodes[0].id, "n1");
    assert_int_equal(decision->nodes[0].verdict, LAT_VERDICT_POSSIBLE);
}

static struct lat_decision place(struct fixture *fixture)
{
    struct lat_placement_node node = {.id = "n1",
                                      .name = "one",
                                      .healthy = true,
                                      .pool = "default",
                                      .cpu_milli = 2000,
                                      .memory_bytes = 1 << 30,
                                      .free_cpu_milli = 1000,
                                      .free_memory_bytes = 1 << 30};
    struct lat_placement placement = {
        .workload = {.id = "w", .name = "w", .count = 1}, .nodes = &node, .node_count = 1};
    struct lat_decision decision = {.node_count = 0};
    bool never = false;

    lat_luahost_place(fixture->host, &placement, on_decision, &decision);
    for (int i = 0; i < 1000 && decision.node_count == 0; i++) {
        lat_loop_run_until(fixture->loop, &never, 10);
    }
    assert_int_equal(decision.node_count, 1);
    return decision;
}

static void placement_is_decided_by_the_policy_and_else_built_in(void **state)
{
    struct fixture *fixture = *state;
    struct lat_decision decision = place(fixture);

    assert_string_equal(decision.policy, "built-in");
    assert_int_equal(decision.fallback.code, LAT_E_NOT_FOUND);

    assert_int_equal(fixture_load_policy(fixture, good, NULL), 0);
    decision = place(fixture);
    assert_string_equal(decision.policy, "placement 7");
    assert_int_equal(decision.fallback.code, LAT_OK);

    assert_int_equal(fixture_load_policy(
                         fixture,
                         "function score(n) if n.name == 'one' then error('no') end return 1 end",
                         NULL),
                     0);
    decision = place(fixture);
    assert_string_equal(decision.policy, "built-in");
    assert_int_equal(decision.fallback.code, LAT_E_POLICY);
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(policy_answers_for_each_node, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(unknown_name_is_not_found, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(unknown_decision_is_not_found, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(error_names_file_and_line, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(nothing_of_a_run_is_there_in_the_next, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(late_ask_fails_and_the_next_is_answered, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(full_queue_is_busy, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(closing_cancels_what_waits, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(placement_is_decided_by_the_policy_and_else_built_in,
                                        fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return fixture_main(argc, argv, run);
}
