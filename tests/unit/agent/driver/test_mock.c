/* The mock keeps the promises of driver.h, and its script is followed. */
#include "support.h"

#include "agent/driver/mock.h"

#include <stdlib.h>
#include <string.h>

struct fixture {
    struct lat_loop *loop;
    struct lat_mock *mock;
    struct lat_driver *driver;
    struct heard heard;
    cJSON *container;
};

static void attach(struct fixture *f)
{
    struct lat_driver_options options = {
        .loop = f->loop, .node_id = NODE, .events = &heard_events, .arg = &f->heard};

    f->heard.engine_told = false;
    lat_driver_new_mock(&options, f->mock, &f->driver);
    assert_false(f->heard.engine_told);
    run_until(f->loop, &f->heard.engine_told);
}

static int set_up(void **state)
{
    struct fixture *f = LAT_NEW(struct fixture);

    f->loop = lat_loop_new(lat_clock_system());
    f->mock = lat_mock_new(f->loop);
    f->container = json_of("{\"image\":\"web:1\",\"ports\":[{\"name\":\"http\",\"port\":80}],"
                           "\"volumes\":[{\"name\":\"data\",\"path\":\"/data\"}]}");
    attach(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    lat_driver_free(f->driver);
    lat_mock_free(f->mock);
    lat_loop_free(f->loop);
    cJSON_Delete(f->container);
    lat_buf_done(&f->heard.log_text);
    free(f);
    return 0;
}

static void start(struct fixture *f, int64_t digest, int code)
{
    struct lat_driver_task task = task_of(f->container, digest);

    heard_reset(&f->heard);
    f->driver->class->start(f->driver, &task, heard_progress, heard_status, &f->heard);
    expect_answer(f->loop, &f->heard, code);
}

static void started_container_runs_until_it_ends(void **state)
{
    struct fixture *f = *state;

    start(f, 1, LAT_OK);
    assert_true(f->heard.status.running);
    assert_int_equal(1, f->heard.status.port_count);
    assert_string_equal("http", f->heard.status.ports[0].name);
    lat_mock_exit(f->mock, ALLOCATION, 137, true);
    assert_false(f->heard.container_told);
    run_until(f->loop, &f->heard.container_told);
    assert_string_equal(ALLOCATION, f->heard.container);
    f->driver->class->inspect(f->driver, ALLOCATION, heard_status, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    assert_false(f->heard.status.running);
    assert_true(f->heard.status.out_of_memory);
    assert_int_equal(137, f->heard.status.exit_status);
    assert_int_equal(0, f->heard.status.port_count);
}

static void equal_container_is_used_again_and_another_replaced(void **state)
{
    struct fixture *f = *state;
    char first[LAT_CONTAINER_ID_SIZE];

    start(f, 1, LAT_OK);
    strcpy(first, f->heard.status.container);
    start(f, 1, LAT_OK);
    assert_string_equal(first, f->heard.status.container);
    start(f, 2, LAT_OK);
    assert_string_not_equal(first, f->heard.status.container);
    assert_int_equal(1, lat_mock_containers(f->mock));
    assert_int_equal(1, lat_mock_volumes(f->mock));
}

static void containers_outlive_their_driver(void **state)
{
    struct fixture *f = *state;

    start(f, 1, LAT_OK);
    lat_driver_free(f->driver);
    attach(f);
    f->driver->class->list(f->driver, heard_list, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    assert_int_equal(1, f->heard.count);
    assert_true(f->heard.status.running);
}

static void scripted_failures_come_as_often_as_asked(void **state)
{
    struct fixture *f = *state;

    lat_mock_fail(f->mock, LAT_MOCK_START, LAT_E_NO_IMAGE, "no such image", 2);
    start(f, 1, LAT_E_NO_IMAGE);
    start(f, 1, LAT_E_NO_IMAGE);
    start(f, 1, LAT_OK);
    lat_mock_fail(f->mock, LAT_MOCK_REMOVE, LAT_E_ENGINE, "no", -1);
    for (int i = 0; i < 3; i++) {
        f->driver->class->remove(f->driver, ALLOCATION, false, heard_done, &f->heard);
        expect_answer(f->loop, &f->heard, LAT_E_ENGINE);
    }
    assert_int_equal(1, lat_mock_containers(f->mock));
    assert_int_equal(3, lat_mock_count(f->mock, LAT_MOCK_REMOVE));
}

static void image_is_pulled_when_it_was_forgotten(void **state)
{
    struct fixture *f = *state;

    lat_mock_forget_image(f->mock);
    start(f, 1, LAT_OK);
    assert_string_equal("pulling:1.0 of 2.0 MB;starting:;", f->heard.phases);
}

static void start_that_waits_for_its_image_can_be_given_up(void **state)
{
    struct fixture *f = *state;
    struct lat_driver_task task = task_of(f->container, 1);

    lat_mock_delay(f->mock, LAT_MOCK_START, 60 * 1000);
    lat_mock_forget_image(f->mock);
    f->driver->class->start(f->driver, &task, heard_progress, heard_status, &f->heard);
    f->driver->class->give_up(f->driver, ALLOCATION);
    expect_answer(f->loop, &f->heard, LAT_E_CANCELLED);
    assert_int_equal(0, lat_mock_containers(f->mock));
}

static void engine_that_stops_takes_its_containers_along(void **state)
{
    struct fixture *f = *state;

    start(f, 1, LAT_OK);
    f->heard.engine_told = false;
    lat_mock_engine(f->mock, false);
    run_until(f->loop, &f->heard.engine_told);
    assert_false(f->heard.engine_up);
    assert_int_equal(LAT_E_ENGINE_DOWN, f->heard.engine_err.code);
    start(f, 1, LAT_E_ENGINE_DOWN);
    f->heard.engine_told = false;
    lat_mock_engine(f->mock, true);
    run_until(f->loop, &f->heard.engine_told);
    assert_true(f->heard.engine_up);
    assert_int_equal(1, lat_mock_containers(f->mock));
    assert_int_equal(0, lat_mock_running(f->mock));
}

static void delayed_operation_is_broken_off_with_its_driver(void **state)
{
    struct fixture *f = *state;
    struct lat_driver_task task = task_of(f->container, 1);

    lat_mock_delay(f->mock, LAT_MOCK_START, 1000);
    heard_reset(&f->heard);
    f->driver->class->start(f->driver, &task, heard_progress, heard_status, &f->heard);
    run_for(f->loop, 5);
    f->driver = lat_driver_free(f->driver);
    run_for(f->loop, 1200);
    assert_false(f->heard.answered);
    assert_int_equal(0, lat_mock_containers(f->mock));
}

static void data_goes_with_remove_unless_it_is_kept(void **state)
{
    struct fixture *f = *state;

    start(f, 1, LAT_OK);
    f->driver->class->remove(f->driver, ALLOCATION, true, heard_done, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    assert_int_equal(0, lat_mock_containers(f->mock));
    assert_int_equal(1, lat_mock_volumes(f->mock));
    start(f, 1, LAT_OK);
    lat_mock_vanish(f->mock, ALLOCATION);
    f->driver->class->remove(f->driver, ALLOCATION, false, heard_done, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    assert_int_equal(0, lat_mock_volumes(f->mock));
}

static void what_has_no_container_is_not_found_or_nothing_to_do(void **state)
{
    static const char *const command[] = {"true", NULL};
    struct fixture *f = *state;
    const struct lat_driver_class *class = f->driver->class;

    class->inspect(f->driver, ALLOCATION, heard_status, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_E_NOT_FOUND);
    class->restart(f->driver, ALLOCATION, heard_status, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_E_NOT_FOUND);
    class->exec(f->driver, ALLOCATION, command, 100, heard_exec, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_E_NOT_FOUND);
    class->stop(f->driver, ALLOCATION, heard_done, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    class->remove(f->driver, ALLOCATION, false, heard_done, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
}

static void commands_answer_as_scripted_while_it_runs(void **state)
{
    static const char *const command[] = {"pg_isready", NULL};
    struct fixture *f = *state;

    start(f, 1, LAT_OK);
    lat_mock_exec_answer(f->mock, 2, "no response");
    f->driver->class->exec(f->driver, ALLOCATION, command, 100, heard_exec, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    assert_int_equal(2, f->heard.exit_status);
    assert_string_equal("no response", f->heard.output);
    f->driver->class->stop(f->driver, ALLOCATION, heard_done, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    f->driver->class->exec(f->driver, ALLOCATION, command, 100, heard_exec, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_E_CONFLICT);
}

static void followed_log_ends_with_its_container(void **state)
{
    struct fixture *f = *state;

    start(f, 1, LAT_OK);
    lat_mock_write_log(f->mock, ALLOCATION, "one\n");
    f->driver->class->logs(
        f->driver, ALLOCATION,
        &(struct lat_driver_log){.container = "", .follow = true, .tail = -1, .since = ""},
        heard_logs, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    run_for(f->loop, 5);
    lat_mock_write_log(f->mock, ALLOCATION, "two\n");
    run_for(f->loop, 5);
    assert_string_equal("one\ntwo\n", lat_buf_text(&f->heard.log_text));
    assert_false(f->heard.log_closed);
    lat_mock_exit(f->mock, ALLOCATION, 0, false);
    run_until(f->loop, &f->heard.log_closed);
}

static void log_of_one_container_is_not_that_of_the_next(void **state)
{
    struct fixture *f = *state;
    struct lat_driver_log log = {.tail = -1, .since = ""};
    char first[LAT_CONTAINER_ID_SIZE];

    start(f, 1, LAT_OK);
    strcpy(first, f->heard.status.container);
    start(f, 2, LAT_OK);
    lat_mock_write_log(f->mock, ALLOCATION, "of the second\n");
    log.container = first;
    f->driver->class->logs(f->driver, ALLOCATION, &log, heard_logs, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_E_NOT_FOUND);
    log.container = f->heard.status.container;
    f->driver->class->logs(f->driver, ALLOCATION, &log, heard_logs, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    run_until(f->loop, &f->heard.log_closed);
    assert_string_equal("of the second\n", lat_buf_text(&f->heard.log_text));
}

static void container_that_would_open_its_node_is_refused(void **state)
{
    struct fixture *f = *state;

    cJSON_Delete(f->container);
    f->container = json_of("{\"image\":\"web:1\",\"privileged\":true}");
    start(f, 1, LAT_E_NOT_ALLOWED);
    assert_int_equal(0, lat_mock_containers(f->mock));
}

struct seen {
    size_t foreign;
    size_t running;
};

static void see_container(void *arg, const struct lat_driver_status *status, int64_t ordinal,
                          bool foreign)
{
    struct seen *seen = arg;

    (void)ordinal;
    seen->foreign += foreign;
    seen->running += foreign && status->running;
}

static void see_volume(void *arg, const char *workload, int64_t ordinal, bool foreign)
{
    (void)workload;
    (void)ordinal;
    ((struct seen *)arg)->foreign += foreign;
}

static void what_carries_another_nodes_label_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct seen seen = {0};

    start(f, 1, LAT_OK);
    lat_mock_add_foreign(f->mock, ALLOCATION);
    f->driver->class->stop(f->driver, ALLOCATION, heard_done, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    f->driver->class->remove(f->driver, ALLOCATION, false, heard_done, &f->heard);
    expect_answer(f->loop, &f->heard, LAT_OK);
    assert_int_equal(0, lat_mock_containers(f->mock));
    assert_int_equal(0, lat_mock_volumes(f->mock));
    lat_mock_each_container(f->mock, see_container, &seen);
    lat_mock_each_volume(f->mock, see_volume, &seen);
    assert_int_equal(2, seen.foreign);
    assert_int_equal(1, seen.running);
}

static bool say_yes(void *arg)
{
    ++*(int *)arg;
    return true;
}

static void killed_agent_hears_nothing_of_what_the_engine_still_does(void **state)
{
    struct fixture *f = *state;
    int asked = 0;

    start(f, 1, LAT_OK);
    lat_mock_delay(f->mock, LAT_MOCK_STOP, 1000);
    f->driver->class->stop(f->driver, ALLOCATION, heard_done, &f->heard);
    heard_reset(&f->heard);
    lat_mock_kill(f->mock, say_yes, &asked);
    assert_int_equal(1, asked);
    assert_int_equal(0, lat_mock_running(f->mock));
    f->driver->class->remove(f->driver, ALLOCATION, false, heard_done, &f->heard);
    run_for(f->loop, 20);
    assert_false(f->heard.answered);
    assert_int_equal(1, lat_mock_containers(f->mock));
    assert_int_equal(1, lat_mock_overlaps(f->mock));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(started_container_runs_until_it_ends),
        CASE(equal_container_is_used_again_and_another_replaced),
        CASE(containers_outlive_their_driver),
        CASE(scripted_failures_come_as_often_as_asked),
        CASE(image_is_pulled_when_it_was_forgotten),
        CASE(start_that_waits_for_its_image_can_be_given_up),
        CASE(engine_that_stops_takes_its_containers_along),
        CASE(delayed_operation_is_broken_off_with_its_driver),
        CASE(data_goes_with_remove_unless_it_is_kept),
        CASE(what_has_no_container_is_not_found_or_nothing_to_do),
        CASE(commands_answer_as_scripted_while_it_runs),
        CASE(followed_log_ends_with_its_container),
        CASE(log_of_one_container_is_not_that_of_the_next),
        CASE(container_that_would_open_its_node_is_refused),
        CASE(what_carries_another_nodes_label_is_left_alone),
        CASE(killed_agent_hears_nothing_of_what_the_engine_still_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
