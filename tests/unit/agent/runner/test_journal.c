/* What an agent knows when it starts again: its journal, and what the engine has. */
#include "support.h"

#include "io/file.h"

static void restart(struct bed *bed)
{
    agent_stop(bed);
    agent_start(bed);
    bed->count = 0;
}

static void the_next_agent_knows_what_was_assigned_and_starts_nothing_again(void **state)
{
    struct bed *bed = *state;

    assign_full(bed, ONE, 3, 1, 2, "running", WEB);
    assign(bed, TWO, 1, "stopped", WEB);
    advance(bed, 0);
    restart(bed);
    assert_int_equal(lat_runner_count(bed->runner), 2);
    agent_give_driver(bed);
    advance(bed, 1000);
    expect_told(bed, ONE, 3, "running");
    expect_told(bed, TWO, 1, "stopped");
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_START), 1);
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_RESTART), 0);
}

static void a_container_that_ended_meanwhile_is_started(void **state)
{
    struct bed *bed = *state;

    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    restart(bed);
    lat_mock_exit(bed->mock, ONE, 1, false);
    agent_give_driver(bed);
    advance(bed, 0);
    expect_told(bed, ONE, 1, "running");
    assert_int_equal(lat_mock_running(bed->mock), 1);
}

static void a_removal_that_was_not_finished_is_finished(void **state)
{
    struct bed *bed = *state;

    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    lat_mock_delay(bed->mock, LAT_MOCK_REMOVE, 1000);
    assign(bed, ONE, 2, "removed", NULL);
    advance(bed, 0);
    restart(bed);
    agent_give_driver(bed);
    advance(bed, 2000);
    expect_told(bed, ONE, 2, "removed");
    assert_int_equal(lat_mock_containers(bed->mock), 0);
    await_file(bed, journal_path(bed, ONE ".json"), false);
}

static void a_healthy_container_is_healthy_from_the_beginning(void **state)
{
    struct bed *bed = *state;

    assign(bed, ONE, 1, "running", CHECKED);
    advance(bed, 1000);
    expect_told(bed, ONE, 1, "running");
    restart(bed);
    agent_give_driver(bed);
    advance(bed, 0);
    assert_int_equal(times_told(bed, ONE, "starting"), 0);
    expect_told(bed, ONE, 1, "running");
}

static void write_file(const char *path, const char *text)
{
    struct lat_err err;

    assert_int_equal(lat_file_replace(path, text, strlen(text), 0600, &err), 0);
}

static void files_that_cannot_be_read_are_set_aside_and_the_rest_is(void **state)
{
    struct bed *bed = *state;
    struct lat_buf text = {0};
    struct lat_err err;

    assign(bed, ONE, 1, "running", WEB);
    await_file(bed, journal_path(bed, ONE ".json"), true);
    agent_stop(bed);
    assert_int_equal(lat_file_read(journal_path(bed, ONE ".json"), 100000, &text, &err), 0);
    write_file(journal_path(bed, "copy.json"),
               lat_buf_text(&text)); /* whole, but under a wrong name */
    write_file(journal_path(bed, TWO ".json"), "{\"version\":1,\"alloc");
    write_file(journal_path(bed, "notes.txt"), "not ours");
    lat_buf_done(&text);
    agent_start(bed);
    assert_int_equal(lat_runner_count(bed->runner), 1);
    assert_true(lat_file_exists(journal_path(bed, TWO ".json.broken")));
    assert_true(lat_file_exists(journal_path(bed, "copy.json.broken")));
    assert_true(lat_file_exists(journal_path(bed, "notes.txt")));
    agent_give_driver(bed);
    advance(bed, 0);
}

static void a_journal_with_a_container_that_is_not_allowed_is_set_aside(void **state)
{
    struct bed *bed = *state;

    agent_stop(bed);
    write_file(journal_path(bed, ONE ".json"),
               "{\"version\":1,\"allocation\":\"" ONE "\",\"desired\":\"running\",\"generation\":1,"
               "\"container\":{\"image\":\"web:1\",\"privileged\":true}}");
    agent_start(bed);
    assert_int_equal(lat_runner_count(bed->runner), 0);
    assert_true(lat_file_exists(journal_path(bed, ONE ".json.broken")));
    agent_give_driver(bed);
}

static void a_container_whose_journal_was_lost_is_found_when_the_console_speaks_of_it(void **state)
{
    struct bed *bed = *state;

    assign(bed, ONE, 1, "running", WEB);
    await_file(bed, journal_path(bed, ONE ".json"), true);
    agent_stop(bed);
    assert_int_equal(lat_file_remove(journal_path(bed, ONE ".json"), NULL), 0);
    agent_start(bed);
    agent_give_driver(bed);
    advance(bed, 1000);
    assert_int_equal(lat_mock_running(bed->mock), 1); /* lost contact never means delete */
    assign(bed, ONE, 2, "stopped", WEB);
    advance(bed, 0);
    expect_told(bed, ONE, 2, "stopped");
    assert_int_equal(lat_mock_running(bed->mock), 0);
}

static void a_restart_that_was_asked_for_while_the_journal_was_lost_is_done(void **state)
{
    struct bed *bed = *state;

    assign(bed, ONE, 1, "running", WEB);
    await_file(bed, journal_path(bed, ONE ".json"), true);
    agent_stop(bed);
    assert_int_equal(lat_file_remove(journal_path(bed, ONE ".json"), NULL), 0);
    agent_start(bed);
    agent_give_driver(bed);
    advance(bed, 1000);
    assign_full(bed, ONE, 2, 1, 1, "running", WEB);
    advance(bed, 1000);
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_RESTART), 1);
    expect_told(bed, ONE, 2, "running");
}

/* ---- the inventory ---- */

static void the_inventory_waits_for_the_first_look_at_the_engine(void **state)
{
    struct bed *bed = *state;

    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    restart(bed);
    bed->inventories = 0;
    lat_runner_send_inventory(bed->runner); /* the link may be up before the engine was heard of */
    assert_int_equal(bed->inventories, 0);
    lat_mock_delay(bed->mock, LAT_MOCK_LIST, 100);
    agent_give_driver(bed);
    advance(bed, 50);
    lat_runner_send_inventory(bed->runner);
    assert_int_equal(bed->inventories, 0);
    advance(bed, 100);
    assert_int_equal(bed->inventories, 1);
    assert_int_equal(times_told(bed, ONE, "placing"), 0);
    expect_told(bed, ONE, 1, "running");
}

static void an_engine_that_is_down_does_not_hold_the_inventory_back(void **state)
{
    struct bed *bed = *state;

    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    restart(bed);
    lat_mock_engine(bed->mock, false);
    bed->inventories = 0;
    lat_runner_send_inventory(bed->runner);
    agent_give_driver(bed);
    advance(bed, 0);
    assert_int_equal(bed->inventories, 1);
    assert_non_null(strstr(last_of(bed, ONE)->reason, "engine"));
}

static void what_the_console_does_not_know_is_kept(void **state)
{
    struct bed *bed = *state;
    cJSON *assigned = cJSON_Parse("{\"type\":\"assigned\",\"allocations\":[\"" TWO "\"]}");
    cJSON *wrong = cJSON_Parse("{\"type\":\"assigned\",\"allocations\":7}");

    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    lat_runner_assigned(bed->runner, assigned);
    lat_runner_assigned(bed->runner, wrong);
    advance(bed, 1000);
    assert_int_equal(lat_mock_running(bed->mock), 1);
    assert_int_equal(lat_runner_count(bed->runner), 1);
    cJSON_Delete(assigned);
    cJSON_Delete(wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            the_next_agent_knows_what_was_assigned_and_starts_nothing_again, bed_open, bed_close),
        cmocka_unit_test_setup_teardown(a_container_that_ended_meanwhile_is_started, bed_open,
                                        bed_close),
        cmocka_unit_test_setup_teardown(a_removal_that_was_not_finished_is_finished, bed_open,
                                        bed_close),
        cmocka_unit_test_setup_teardown(a_healthy_container_is_healthy_from_the_beginning, bed_open,
                                        bed_close),
        cmocka_unit_test_setup_teardown(files_that_cannot_be_read_are_set_aside_and_the_rest_is,
                                        bed_open, bed_close),
        cmocka_unit_test_setup_teardown(a_journal_with_a_container_that_is_not_allowed_is_set_aside,
                                        bed_open, bed_close),
        cmocka_unit_test_setup_teardown(
            a_container_whose_journal_was_lost_is_found_when_the_console_speaks_of_it, bed_open,
            bed_close),
        cmocka_unit_test_setup_teardown(
            a_restart_that_was_asked_for_while_the_journal_was_lost_is_done, bed_open, bed_close),
        cmocka_unit_test_setup_teardown(the_inventory_waits_for_the_first_look_at_the_engine,
                                        bed_open, bed_close),
        cmocka_unit_test_setup_teardown(an_engine_that_is_down_does_not_hold_the_inventory_back,
                                        bed_open, bed_close),
        cmocka_unit_test_setup_teardown(what_the_console_does_not_know_is_kept, bed_open,
                                        bed_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
