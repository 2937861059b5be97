/* What goes wrong at the engine, and what the runner makes of it: when it tries again, and when it does not. */
#include "support.h"

/* A start whose container has ended before the engine answered: the mock's own start, answered with that. */
static struct {
    struct bed *bed;
    lat_driver_status_fn *done;
    void *arg;
} born_dead;

static void born_dead_started(void *arg, const struct lat_driver_status *status,
                              const struct lat_err *err)
{
    struct lat_driver_status dead = *status;

    (void)arg;
    assert_null(err);
    dead.running = false;
    dead.exit_status = 3;
    lat_mock_exit(born_dead.bed->mock, dead.allocation, 3, false);
    born_dead.done(born_dead.arg, &dead, NULL);
}

static void (*mock_start)(struct lat_driver *driver, const struct lat_driver_task *task,
                          lat_driver_progress_fn *progress, lat_driver_status_fn *done, void *arg);

static void born_dead_start(struct lat_driver *driver, const struct lat_driver_task *task,
                            lat_driver_progress_fn *progress, lat_driver_status_fn *done, void *arg)
{
    born_dead.done = done;
    born_dead.arg = arg;
    mock_start(driver, task, progress, born_dead_started, arg);
}

static void a_container_that_ends_before_its_start_is_answered_is_not_started_at_once(void **state)
{
    struct bed *bed = *state;
    struct lat_driver_class class = *bed->driver->class;
    const struct lat_driver_class *real = bed->driver->class;

    born_dead.bed = bed;
    mock_start = class.start;
    class.start = born_dead_start;
    bed->driver->class = &class;
    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 499);
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_START), 1);
    expect_told(bed, ONE, 1, "failed");
    assert_non_null(strstr(last_of(bed, ONE)->reason, "status 3"));
    advance(bed, 3000); /* after 0.5, 1 and 2 s */
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_START), 4 - 1);
    bed->driver->class = real;
}

static void the_wait_after_an_end_doubles_up_to_a_minute_and_begins_anew_after_a_calm_one(
    void **state)
{
    struct bed *bed = *state;
    int64_t wait = LAT_RUNNER_RETRY_MIN_MS;

    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    for (size_t i = 1; i < 10; i++) {
        lat_mock_exit(bed->mock, ONE, 1, false);
        advance(bed, wait - 1);
        expect_told(bed, ONE, 1, "failed");
        assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_START), i);
        advance(bed, 1);
        expect_told(bed, ONE, 1, "starting");
        assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_START), i + 1);
        wait = wait * 2 < LAT_RUNNER_RETRY_MAX_MS ? wait * 2 : LAT_RUNNER_RETRY_MAX_MS;
    }
    assert_int_equal(wait, LAT_RUNNER_RETRY_MAX_MS);
    advance(bed, LAT_RUNNER_STABLE_MS);
    expect_told(bed, ONE, 1, "running");
    lat_mock_exit(bed->mock, ONE, 1, false);
    advance(bed, LAT_RUNNER_RETRY_MIN_MS);
    expect_told(bed, ONE, 1, "starting");
    assert_int_equal(lat_mock_running(bed->mock), 1);
}

static void one_that_ends_again_and_again_is_never_said_to_run_in_between(void **state)
{
    struct bed *bed = *state;
    int64_t wait = LAT_RUNNER_RETRY_MIN_MS;

    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    size_t times = times_told(bed, ONE, "running");

    for (size_t i = 0; i < 8; i++) {
        int64_t proof = wait < LAT_RUNNER_PROVE_MAX_MS ? wait : LAT_RUNNER_PROVE_MAX_MS;

        lat_mock_exit(bed->mock, ONE, 1, false);
        advance(bed, wait + proof - 1);
        wait = wait * 2 < LAT_RUNNER_RETRY_MAX_MS ? wait * 2 : LAT_RUNNER_RETRY_MAX_MS;
    }
    assert_int_equal(times_told(bed, ONE, "running"), times);
    advance(bed, 1);
    expect_told(bed, ONE, 1, "running");
    lat_mock_exit(bed->mock, ONE, 1, false);
    advance(bed, 0);
    assign(bed, ONE, 2, "running", WEB); /* what somebody asks for counts from its start */
    advance(bed, 0);
    expect_told(bed, ONE, 2, "running");
}

static void an_end_for_want_of_memory_is_called_that(void **state)
{
    struct bed *bed = *state;

    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    lat_mock_exit(bed->mock, ONE, 137, true);
    advance(bed, 0);
    assert_non_null(strstr(last_of(bed, ONE)->reason, "memory"));
}

static void a_missing_image_is_tried_again(void **state)
{
    struct bed *bed = *state;

    lat_mock_fail(bed->mock, LAT_MOCK_START, LAT_E_NO_IMAGE, "There is no image web:1.", 2);
    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    expect_told(bed, ONE, 1, "failed");
    assert_string_equal(last_of(bed, ONE)->reason, "There is no image web:1.");
    advance(bed, 500);
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_START), 2);
    expect_told(bed, ONE, 1, "failed");
    advance(bed, 1000);
    expect_told(bed, ONE, 1, "running");
}

static void what_is_not_allowed_is_not_tried_again_until_the_assignment_changes(void **state)
{
    struct bed *bed = *state;

    lat_mock_fail(bed->mock, LAT_MOCK_START, LAT_E_NOT_ALLOWED, "Not on this machine.", 1);
    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 10 * 60 * 1000);
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_START), 1);
    expect_told(bed, ONE, 1, "failed");
    assign(bed, ONE, 2, "running", WEB);
    advance(bed, 0);
    expect_told(bed, ONE, 2, "running");
}

static void a_failure_of_an_older_assignment_says_nothing_of_the_newer(void **state)
{
    struct bed *bed = *state;

    lat_mock_delay(bed->mock, LAT_MOCK_START, 100);
    lat_mock_fail(bed->mock, LAT_MOCK_START, LAT_E_NOT_ALLOWED, "Not on this machine.", 1);
    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 50);
    assign(bed, ONE, 2, "running", WEB2);
    advance(bed, 150);
    expect_told(bed, ONE, 2, "running");
    assert_int_equal(times_told(bed, ONE, "failed"), 0);
}

static void a_stop_or_a_removal_that_fails_is_repeated_after_waits(void **state)
{
    struct bed *bed = *state;

    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    lat_mock_fail(bed->mock, LAT_MOCK_STOP, LAT_E_ENGINE, "The engine could not.", -1);
    assign(bed, ONE, 2, "stopped", WEB);
    advance(bed, 3600);
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_STOP), 4); /* at 0, 0.5, 1.5 and 3.5 s */
    lat_mock_fail(bed->mock, LAT_MOCK_STOP, LAT_E_ENGINE, "No more.", 0);
    advance(bed, 4000);
    expect_told(bed, ONE, 2, "stopped");

    lat_mock_fail(bed->mock, LAT_MOCK_REMOVE, LAT_E_ENGINE, "The engine could not.", 2);
    assign(bed, ONE, 3, "removed", NULL);
    advance(bed, 0);
    expect_told(bed, ONE, 3, "failed");
    advance(bed, 1500);
    expect_told(bed, ONE, 3, "removed");
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_REMOVE), 3);
}

static void an_operation_that_says_the_engine_is_down_while_it_is_not_goes_on(void **state)
{
    struct bed *bed = *state;

    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    lat_mock_fail(bed->mock, LAT_MOCK_REMOVE, LAT_E_ENGINE_DOWN, "One call did not come through.",
                  1);
    assign(bed, ONE, 2, "removed", NULL);
    advance(bed, 5000);
    expect_told(bed, ONE, 2, "removed");
}

static void an_end_is_seen_although_the_first_look_at_it_failed(void **state)
{
    struct bed *bed = *state;

    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    lat_mock_fail(bed->mock, LAT_MOCK_INSPECT, LAT_E_ENGINE, "The engine could not.", 1);
    lat_mock_exit(bed->mock, ONE, 1, false);
    advance(bed, 0);
    assert_int_equal(lat_mock_running(bed->mock), 0);
    advance(bed, 500);
    expect_told(bed, ONE, 1, "failed");
    advance(bed, 1000);
    expect_told(bed, ONE, 1, "running");
    assert_int_equal(lat_mock_running(bed->mock), 1);
}

static void a_container_that_somebody_removed_is_made_again(void **state)
{
    struct bed *bed = *state;

    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 0);
    lat_mock_vanish(bed->mock, ONE);
    advance(bed, 1000);
    expect_told(bed, ONE, 1, "running");
    assert_int_equal(lat_mock_running(bed->mock), 1);
}

static void without_its_engine_nothing_is_done_and_all_goes_on_when_it_is_back(void **state)
{
    struct bed *bed = *state;
    size_t starts;

    assign(bed, ONE, 1, "running", WEB);
    assign(bed, TWO, 1, "running", CHECKED);
    advance(bed, 1000);
    starts = lat_mock_count(bed->mock, LAT_MOCK_START);
    lat_mock_engine(bed->mock, false);
    advance(bed, 10000);
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_START), starts);
    assert_non_null(strstr(last_of(bed, ONE)->reason, "engine"));
    assign(bed, ONE, 2, "removed", NULL); /* the console may change its mind meanwhile */
    advance(bed, 10000);
    assert_int_equal(lat_mock_containers(bed->mock), 2);
    lat_mock_engine(bed->mock, true);
    advance(bed, 1000);
    expect_told(bed, ONE, 2, "removed");
    expect_told(bed, TWO, 1, "running");
    assert_int_equal(lat_mock_running(bed->mock), 1);
}

static void an_engine_that_goes_down_during_an_operation_is_no_failure(void **state)
{
    struct bed *bed = *state;

    lat_mock_delay(bed->mock, LAT_MOCK_START, 100);
    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 50);
    lat_mock_engine(bed->mock, false);
    advance(bed, 100);
    assert_int_equal(times_told(bed, ONE, "failed"), 0);
    lat_mock_engine(bed->mock, true);
    advance(bed, 1000);
    expect_told(bed, ONE, 1, "running");
}

static void an_engine_that_cannot_say_what_runs_is_asked_again(void **state)
{
    struct bed *bed = *state;

    lat_mock_engine(bed->mock, false);
    advance(bed, 0);
    lat_mock_fail(bed->mock, LAT_MOCK_LIST, LAT_E_ENGINE, "The engine could not.", 2);
    lat_mock_engine(bed->mock, true);
    assign(bed, ONE, 1, "running", WEB);
    advance(bed, 900);
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_START), 0);
    advance(bed, 200);
    expect_told(bed, ONE, 1, "running");
}

static void a_device_that_this_node_does_not_offer_is_not_given_away(void **state)
{
    struct bed *bed = *state;
    cJSON *container = cJSON_Parse(WEB);
    cJSON *devices = cJSON_Parse("[\"/dev/sda\"]");
    struct lat_assign_message message = {
        .allocation = ONE,
        .workload = "019aa1b2-0000-7000-8000-000000000017",
        .workload_name = "web",
        .project = "019aa1b2-0000-7000-8000-0000000000b0",
        .project_name = "main",
        .generation = 1,
        .epoch = 1,
        .desired = LAT_WANT_RUNNING,
        .devices = devices,
        .container = container,
        .request_id = "r-1",
    };

    lat_runner_assign(bed->runner, &message);
    advance(bed, 60 * 1000);
    expect_told(bed, ONE, 1, "failed");
    assert_non_null(strstr(last_of(bed, ONE)->reason, "does not offer the device /dev/sda"));
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_START), 0);
    cJSON_Delete(container);
    cJSON_Delete(devices);
    assign(bed, ONE, 2, "running", WEB); /* without it */
    advance(bed, 0);
    expect_told(bed, ONE, 2, "running");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_device_that_this_node_does_not_offer_is_not_given_away,
                                        bed_open, bed_close),
        cmocka_unit_test_setup_teardown(
            a_container_that_ends_before_its_start_is_answered_is_not_started_at_once, bed_open,
            bed_close),
        cmocka_unit_test_setup_teardown(
            the_wait_after_an_end_doubles_up_to_a_minute_and_begins_anew_after_a_calm_one, bed_open,
            bed_close),
        cmocka_unit_test_setup_teardown(
            one_that_ends_again_and_again_is_never_said_to_run_in_between, bed_open, bed_close),
        cmocka_unit_test_setup_teardown(an_end_for_want_of_memory_is_called_that, bed_open,
                                        bed_close),
        cmocka_unit_test_setup_teardown(a_missing_image_is_tried_again, bed_open, bed_close),
        cmocka_unit_test_setup_teardown(
            what_is_not_allowed_is_not_tried_again_until_the_assignment_changes, bed_open,
            bed_close),
        cmocka_unit_test_setup_teardown(a_failure_of_an_older_assignment_says_nothing_of_the_newer,
                                        bed_open, bed_close),
        cmocka_unit_test_setup_teardown(a_stop_or_a_removal_that_fails_is_repeated_after_waits,
                                        bed_open, bed_close),
        cmocka_unit_test_setup_teardown(
            an_operation_that_says_the_engine_is_down_while_it_is_not_goes_on, bed_open, bed_close),
        cmocka_unit_test_setup_teardown(an_end_is_seen_although_the_first_look_at_it_failed,
                                        bed_open, bed_close),
        cmocka_unit_test_setup_teardown(a_container_that_somebody_removed_is_made_again, bed_open,
                                        bed_close),
        cmocka_unit_test_setup_teardown(
            without_its_engine_nothing_is_done_and_all_goes_on_when_it_is_back, bed_open,
            bed_close),
        cmocka_unit_test_setup_teardown(an_engine_that_goes_down_during_an_operation_is_no_failure,
                                        bed_open, bed_close),
        cmocka_unit_test_setup_teardown(an_engine_that_cannot_say_what_runs_is_asked_again,
                                        bed_open, bed_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
