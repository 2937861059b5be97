/* Asking a loaded file: answers, errors, deadlines, restarts. */
#include "tests/unit/luahost/fixture.h"

#include "base/mem.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char good[] = "function filter(node) return node.healthy, 'is ill' end\n"
                           "function score(node) return node.free_cpu * 2 end\n";

static void policy_answers_for_each_node(void **state)
{
    struct fixture *fixture = *state;
    struct rows_result result;

    assert_int_equal(fixture_load_policy(fixture, good, NULL), 0);
    fixture_ask_rows(fixture, &result);
    fixture_wait_rows(fixture, &result);
    assert_non_null(result.decision);
    assert_int_equal(result.decision->revision, 7);
    assert_int_equal(result.decision->verdicts[0], LAT_VERDICT_POSSIBLE);
    assert_true(result.decision->scores[0] == 3);
    assert_int_equal(result.decision->verdicts[1], LAT_VERDICT_REFUSED);
    assert_string_equal(lat_decision_reason(result.decision, 1), "is ill");
    lat_decision_free(result.decision);
}

static void unknown_name_is_not_found(void **state)
{
    struct result result = fixture_ask(*state, LAT_LUAHOST_PLUGIN, "p", "render", "{}");

    assert_int_equal(result.err.code, LAT_E_NOT_FOUND);
    assert_int_equal(fixture_decide(*state, NULL), LAT_E_NOT_FOUND);
}

/* A placement is about rows: one question at a time is none that it answers. */
static void unknown_decision_is_not_found(void **state)
{
    static const char *const decisions[] = {"render", "decide"};
    struct fixture *fixture = *state;

    assert_int_equal(fixture_load_policy(fixture, good, NULL), 0);
    for (size_t i = 0; i < LAT_COUNT(decisions); i++) {
        struct result result =
            fixture_ask(fixture, LAT_LUAHOST_POLICY, "placement", decisions[i], "{}");

        assert_int_equal(result.err.code, LAT_E_NOT_FOUND);
    }
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
    lat_columns_remove(fixture->columns, 1); /* with one node it counts to 1 */
    for (int i = 0; i < 2; i++) {
        assert_true(fixture_score(fixture) == 1);
    }
}

static const char hangs_on_ask[] =
    "function score(node) while node.name == 'a' do end return 1 end";

static void late_ask_fails_and_the_next_is_answered(void **state)
{
    struct fixture *fixture = *state;
    struct rows_result results[3];

    /* Two at once: both hang, and cost one deadline each. */
    assert_int_equal(fixture_load_policy(fixture, hangs_on_ask, NULL), 0);
    lat_luahost_set_deadline(fixture->host, FIXTURE_HANG_MS);
    fixture_ask_rows(fixture, &results[0]);
    fixture_ask_rows(fixture, &results[1]);
    fixture_wait_rows(fixture, &results[0]);
    assert_false(results[1].done);
    fixture_wait_rows(fixture, &results[1]);
    lat_luahost_set_deadline(fixture->host, FIXTURE_DEADLINE_MS);
    lat_columns_remove(fixture->columns, 0);
    fixture_ask_rows(fixture, &results[2]);
    fixture_wait_rows(fixture, &results[2]);
    assert_int_equal(results[0].err.code, LAT_E_TIMEOUT);
    assert_int_equal(results[1].err.code, LAT_E_TIMEOUT);
    assert_int_equal(results[2].err.code, 0);
    lat_decision_free(results[2].decision);
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
    struct rows_result *results = calloc(count, sizeof(*results));

    assert_int_equal(fixture_load_policy(fixture, good, NULL), 0);
    for (size_t i = 0; i < count; i++) {
        fixture_ask_rows(fixture, &results[i]);
    }
    fixture_wait_rows(fixture, &results[count - 1]);
    assert_int_equal(results[count - 1].err.code, LAT_E_BUSY);
    fixture_wait_rows(fixture, &results[count - 2]);
    for (size_t i = 0; i + 1 < count; i++) {
        assert_true(results[i].done);
        assert_int_equal(results[i].err.code, 0);
        lat_decision_free(results[i].decision);
    }
    free(results);
}

static void closing_cancels_what_waits(void **state)
{
    struct fixture *fixture = *state;
    static struct rows_result asked; /* outlives this test: the fixture closes the host */

    assert_int_equal(fixture_load_policy(fixture, hangs_on_ask, NULL), 0);
    fixture_ask_rows(fixture, &asked);
    assert_int_equal(fixture_teardown(state), 0);
    assert_true(asked.done);
    assert_int_equal(asked.err.code, LAT_E_CANCELLED);
    assert_int_equal(fixture_setup(state), 0);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return fixture_main(argc, argv, run);
}
