/* From what is wanted and what the engine has to what is done, for every pair of them. */
#include "support.h"

/* ---- every wish upon every state of the engine ---- */

enum before { NOTHING, RUNS, RUNS_OTHER, STANDS };

struct pair {
    const char *desired;
    enum before before;
    size_t starts, restarts, stops, removals; /* operations that the second assignment costs */
    size_t containers, running;               /* after it */
    const char *status;
};

static const struct pair pairs[] = {
    {"running", NOTHING, 1, 0, 0, 0, 1, 1, "running"},
    {"running", RUNS, 0, 0, 0, 0, 1, 1, "running"},
    {"running", RUNS_OTHER, 1, 0, 0, 0, 1, 1, "running"},
    {"running", STANDS, 1, 0, 0, 0, 1, 1, "running"},
    {"stopped", NOTHING, 0, 0, 0, 0, 0, 0, "stopped"},
    {"stopped", RUNS, 0, 0, 1, 0, 1, 0, "stopped"},
    {"stopped", RUNS_OTHER, 0, 0, 1, 0, 1, 0, "stopped"},
    {"stopped", STANDS, 0, 0, 0, 0, 1, 0, "stopped"},
    {"removed", NOTHING, 0, 0, 0, 1, 0, 0, "removed"},
    {"removed", RUNS, 0, 0, 0, 1, 0, 0, "removed"},
    {"removed", RUNS_OTHER, 0, 0, 0, 1, 0, 0, "removed"},
    {"removed", STANDS, 0, 0, 0, 1, 0, 0, "removed"},
};

static void bring_about(struct bed *bed, enum before before)
{
    if (before != NOTHING) {
        assign(bed, ONE, 1, "running", before == RUNS_OTHER ? WEB2 : WEB);
        advance(bed, 0);
        assert_int_equal(lat_mock_running(bed->mock), 1);
    }
    if (before == STANDS) {
        assign(bed, ONE, 2, "stopped", WEB);
        advance(bed, 0);
        assert_int_equal(lat_mock_running(bed->mock), 0);
    }
}

static void each_wish_meets_each_state_of_the_engine(void **state)
{
    (void)state;
    for (size_t i = 0; i < LAT_COUNT(pairs); i++) {
        const struct pair *pair = &pairs[i];
        void *opened;
        struct bed *bed;
        size_t before[LAT_MOCK_OPS];

        bed_open(&opened);
        bed = opened;
        bring_about(bed, pair->before);
        for (int op = 0; op < LAT_MOCK_OPS; op++) {
            before[op] = lat_mock_count(bed->mock, (enum lat_mock_op)op);
        }
        assign(bed, ONE, 3, pair->desired, WEB);
        advance(bed, 0);
        assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_START) - before[LAT_MOCK_START],
                         pair->starts);
        assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_RESTART) - before[LAT_MOCK_RESTART],
                         pair->restarts);
        assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_STOP) - before[LAT_MOCK_STOP],
                         pair->stops);
        assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_REMOVE) - before[LAT_MOCK_REMOVE],
                         pair->removals);
        assert_int_equal(lat_mock_containers(bed->mock), pair->containers);
        assert_int_equal(lat_mock_running(bed->mock), pair->running);
        expect_told(bed, ONE, 3, pair->status);
        assert_int_equal(lat_runner_count(bed->runner),
                         strcmp(pair->desired, "removed") == 0 ? 0 : 1);
        bed_close(&opened);
    }
}

/* ---- assignments ---- */

static void a_first_start_asks_the_engine_nothing_before(void **state)
{
    struct bed *bed = *state;
    assign(bed, ONE, 1, "running", WEB);
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_START), 1); /* at once */
    advance(bed, 1000);
    expect_told(bed, ONE, 1, "running");
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_INSPECT), 0);
}

static void an_older_generation_is_refused(void **state)
{
    struct bed *bed = *state;
    size_t told;

    assign(bed, ONE, 5, "running", WEB);
    advance(bed, 0);
    told = bed->count;
    assign(bed, ONE, 4, "removed", NULL);
    advance(bed, 1000);
    assert_int_equal(bed->count, told);
    assert_int_equal(lat_mock_running(bed->mock), 1);
}

static void an_older_epoch_is_refused_also_by_the_next_agent(void **state)
{
    struct bed *bed = *state;

    assign_full(bed, ONE, 1, 7, 0, "running", WEB);
    await_file(bed, journal_path(bed, ONE ".json"), true);
    agent_stop(bed);
    agent_start(bed);
    agent_give_driver(bed);
    advance(bed, 0);
    assign_full(bed, ONE, 2, 6, 0, "removed", NULL);
    advance(bed, 1000);
    assert_int_equal(lat_mock_running(bed->mock), 1);
}

static void the_same_generation_is_answered_and_changes_nothing(void **state)
{
    struct bed *bed = *state;
    size_t told;

    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    told = bed->count;
    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 1000);
    assert_int_equal(bed->count, told + 1);
    expect_told(bed, ONE, 1, "running");
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_START), 1);
}

static void another_wish_of_the_same_generation_counts(void **state)
{
    struct bed *bed = *state;

    assign(bed, ONE, 3, "running", WEB);
    advance(bed, 1000);
    assign(bed, ONE, 3, "running", WEB2); /* the console comes from a backup */
    advance(bed, 1000);
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_START), 2);
    assign(bed, ONE, 3, "stopped", WEB2);
    advance(bed, 1000);
    expect_told(bed, ONE, 3, "stopped");
}

static void one_past_the_limit_of_a_node_is_refused_with_the_reason(void **state)
{
    struct bed *bed = *state;

    agent_stop(bed);
    bed->allocations_max = 1;
    agent_start(bed);
    agent_give_driver(bed);
    advance(bed, 0);
    assign(bed, ONE, 1, "running", WEB);
    assign(bed, TWO, 4, "running", WEB);
    expect_told(bed, TWO, 4, "failed");
    assert_non_null(strstr(last_of(bed, TWO)->reason, "its limit"));
    assert_int_equal(lat_runner_count(bed->runner), 1);
    assign(bed, ONE, 2, "running", WEB2); /* what is there is not refused */
    advance(bed, 1000);
    expect_told(bed, ONE, 2, "running");
    assign(bed, TWO, 5, "removed", NULL);
    advance(bed, 1000);
    expect_told(bed, TWO, 5, "removed");
    assign(bed, ONE, 3, "removed", NULL);
    advance(bed, 1000);
    assign(bed, TWO, 6, "running", WEB);
    advance(bed, 1000);
    expect_told(bed, TWO, 6, "running");
}

static void a_restart_happens_once_for_each_that_is_asked_for(void **state)
{
    struct bed *bed = *state;

    assign_full(bed, ONE, 1, 1, 0, "running", WEB);
    advance(bed, 0);
    assign_full(bed, ONE, 2, 1, 1, "running", WEB);
    advance(bed, 0);
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_RESTART), 1);
    assign_full(bed, ONE, 3, 1, 1, "running", WEB);
    advance(bed, 0);
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_RESTART), 1);
    expect_told(bed, ONE, 3, "running");
}

static void an_assignment_during_an_operation_waits_for_its_end(void **state)
{
    struct bed *bed = *state;

    lat_mock_delay(bed->mock, LAT_MOCK_START, 100);
    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 50);
    assign(bed, ONE, 2, "stopped", WEB);
    advance(bed, 10);
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_STOP), 0);
    advance(bed, 100);
    expect_told(bed, ONE, 2, "stopped");
    assert_int_equal(times_told(bed, ONE, "running"), 0);
    assert_int_equal(lat_mock_running(bed->mock), 0);
}

static void a_removal_during_a_pull_removes_what_was_pulled_for(void **state)
{
    struct bed *bed = *state;

    lat_mock_forget_image(bed->mock);
    lat_mock_delay(bed->mock, LAT_MOCK_START, 100);
    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 50);
    expect_told(bed, ONE, 1, "pulling");
    assert_string_equal(last_of(bed, ONE)->reason, "pulling web:1");
    assert_string_equal(last_of(bed, ONE)->progress, "1.0 of 2.0 MB");
    assign(bed, ONE, 2, "removed", NULL);
    advance(bed, 1000);
    expect_told(bed, ONE, 2, "removed");
    assert_int_equal(lat_mock_containers(bed->mock), 0);
    assert_int_equal(lat_mock_volumes(bed->mock), 0);
    assert_int_equal(lat_runner_count(bed->runner), 0);
}

static void a_removal_that_is_told_again_succeeds_again(void **state)
{
    struct bed *bed = *state;

    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    assign(bed, ONE, 2, "removed", NULL);
    advance(bed, 0);
    assign(bed, ONE, 2, "removed", NULL); /* the link went down before the console heard of it */
    advance(bed, 0);
    assert_int_equal(times_told(bed, ONE, "removed"), 2);
    await_file(bed, journal_path(bed, ONE ".json"), false);
}

/* ---- health ---- */

static void a_container_with_a_check_runs_once_it_is_healthy(void **state)
{
    struct bed *bed = *state;

    lat_mock_exec_answer(bed->mock, 1, "not yet");
    assign(bed, ONE, 1, "running", CHECKED);
    advance(bed, 2000);
    expect_told(bed, ONE, 1, "starting");
    lat_mock_exec_answer(bed->mock, 0, "");
    advance(bed, 5000);
    expect_told(bed, ONE, 1, "running");
    lat_mock_exec_answer(bed->mock, 2, "broken");
    advance(bed, 60000);
    expect_told(bed, ONE, 1, "unhealthy");
    assert_non_null(strstr(last_of(bed, ONE)->reason, "broken"));
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_START),
                     1); /* it is told, and not restarted */
}

static void an_agent_can_stop_in_the_middle_of_a_probe(void **state)
{
    struct bed *bed = *state;

    lat_mock_delay(bed->mock, LAT_MOCK_EXEC, 1000);
    assign(bed, ONE, 1, "running", CHECKED);
    advance(bed, 500);
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_EXEC), 1);
    assign(bed, ONE, 2, "stopped", CHECKED); /* the probe outlives its container, too */
    advance(bed, 0);
    assign(bed, ONE, 3, "running", CHECKED);
    advance(bed, 0);
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_EXEC), 2);
}

/* ---- tunnels ---- */

static int target(struct bed *bed, const char *allocation, int64_t generation, const char *port)
{
    struct lat_err err;
    int host_port = 0;
    int code = lat_runner_target(bed->runner, allocation, generation, port, &host_port, &err);

    assert_int_equal(host_port, code ? 0 : 4711);
    return code;
}

static void a_tunnel_leads_only_to_ports_of_what_runs_here(void **state)
{
    struct bed *bed = *state;

    lat_mock_publish(bed->mock, 4711);
    assert_int_equal(target(bed, ONE, 1, "http"), LAT_E_NOT_FOUND);
    lat_mock_delay(bed->mock, LAT_MOCK_START, 100);
    assign(bed, ONE, 1, "running", WEB);
    assert_int_equal(target(bed, ONE, 1, "http"), LAT_E_UNAVAILABLE);
    advance(bed, 200);
    assert_int_equal(target(bed, ONE, 1, "http"), 0);
    assert_int_equal(target(bed, ONE, 2, "http"), LAT_E_CONFLICT);
    assert_int_equal(target(bed, ONE, 1, "ssh"), LAT_E_NOT_FOUND);
    assign(bed, ONE, 2, "stopped", WEB);
    advance(bed, 0);
    assert_int_equal(target(bed, ONE, 2, "http"), LAT_E_UNAVAILABLE);
}

static void a_tunnel_waits_until_the_container_is_healthy(void **state)
{
    struct bed *bed = *state;

    lat_mock_publish(bed->mock, 4711);
    lat_mock_exec_answer(bed->mock, 1, "");
    assign(bed, ONE, 1, "running",
           "{\"image\":\"web:1\",\"ports\":[{\"name\":\"http\",\"port\":80}],"
           "\"health\":{\"kind\":\"exec\",\"command\":[\"true\"]}}");
    advance(bed, 100);
    assert_int_equal(target(bed, ONE, 1, "http"), LAT_E_UNAVAILABLE);
    lat_mock_exec_answer(bed->mock, 0, "");
    advance(bed, 1000);
    assert_int_equal(target(bed, ONE, 1, "http"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_wish_meets_each_state_of_the_engine),
        cmocka_unit_test_setup_teardown(a_first_start_asks_the_engine_nothing_before, bed_open,
                                        bed_close),
        cmocka_unit_test_setup_teardown(an_older_generation_is_refused, bed_open, bed_close),
        cmocka_unit_test_setup_teardown(an_older_epoch_is_refused_also_by_the_next_agent, bed_open,
                                        bed_close),
        cmocka_unit_test_setup_teardown(the_same_generation_is_answered_and_changes_nothing,
                                        bed_open, bed_close),
        cmocka_unit_test_setup_teardown(another_wish_of_the_same_generation_counts, bed_open,
                                        bed_close),
        cmocka_unit_test_setup_teardown(one_past_the_limit_of_a_node_is_refused_with_the_reason,
                                        bed_open, bed_close),
        cmocka_unit_test_setup_teardown(a_restart_happens_once_for_each_that_is_asked_for, bed_open,
                                        bed_close),
        cmocka_unit_test_setup_teardown(an_assignment_during_an_operation_waits_for_its_end,
                                        bed_open, bed_close),
        cmocka_unit_test_setup_teardown(a_removal_during_a_pull_removes_what_was_pulled_for,
                                        bed_open, bed_close),
        cmocka_unit_test_setup_teardown(a_removal_that_is_told_again_succeeds_again, bed_open,
                                        bed_close),
        cmocka_unit_test_setup_teardown(a_container_with_a_check_runs_once_it_is_healthy, bed_open,
                                        bed_close),
        cmocka_unit_test_setup_teardown(an_agent_can_stop_in_the_middle_of_a_probe, bed_open,
                                        bed_close),
        cmocka_unit_test_setup_teardown(a_tunnel_leads_only_to_ports_of_what_runs_here, bed_open,
                                        bed_close),
        cmocka_unit_test_setup_teardown(a_tunnel_waits_until_the_container_is_healthy, bed_open,
                                        bed_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
