/* Tasks: run to their end once, whoever is down meanwhile. */
#include "support.h"
#include "tests/unit/waiting.h"

#include "io/file.h"

#include <sys/stat.h>
#include <unistd.h>

struct order {
    int64_t generation, restarts, retries;
    const char *desired;
    const char *container;
    bool finished;
    int64_t exit_status, ended;
};

static void order_task(struct bed *bed, struct order order)
{
    cJSON *container = cJSON_Parse(order.container ? order.container : WEB);
    struct lat_assign_message message = {
        .allocation = ONE,
        .workload = "019aa1b2-0000-7000-8000-000000000017",
        .workload_name = "job",
        .project = "019aa1b2-0000-7000-8000-0000000000b0",
        .project_name = "main",
        .generation = order.generation,
        .epoch = 1,
        .restarts = order.restarts,
        .task = true,
        .retries = order.retries,
        .finished = order.finished,
        .exit_status = order.exit_status,
        .ended = order.ended,
        .container = container,
        .request_id = "r-1",
    };

    assert_true(lat_want_parse(order.desired ? order.desired : "running", &message.desired));
    lat_runner_assign(bed->runner, &message);
    cJSON_Delete(container);
}

/* The journal is written in real time by a worker: lets it come to its end, and the runner to what follows. */
static void settle(struct bed *bed)
{
    for (int quiet = 0, i = 0; quiet < 40 && i < 2000; i++) {
        size_t before = bed->count + lat_mock_count(bed->mock, LAT_MOCK_START);

        advance(bed, 1);
        usleep(500);
        quiet = bed->count + lat_mock_count(bed->mock, LAT_MOCK_START) == before &&
                        lat_file_exists(journal_path(bed, ONE ".json"))
                    ? quiet + 1
                    : 0;
    }
}

static void until_running(struct bed *bed)
{
    for (int i = 0; i < WAITING_MS && lat_mock_running(bed->mock) == 0; i++) {
        advance(bed, 1);
        usleep(500);
    }
    assert_int_equal(lat_mock_running(bed->mock), 1);
    settle(bed);
}

static void begin(struct bed *bed, struct order order)
{
    order_task(bed, order);
    until_running(bed);
    expect_told(bed, ONE, order.generation, "running");
}

static void end(struct bed *bed, int64_t exit_status)
{
    lat_mock_exit(bed->mock, ONE, exit_status, false);
    settle(bed);
}

static void expect_starts(const struct bed *bed, size_t starts)
{
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_START), starts);
}

static void restart_agent(struct bed *bed)
{
    agent_stop(bed);
    agent_start(bed);
    agent_give_driver(bed);
    settle(bed);
}

static void one_that_ends_with_success_is_not_started_again(void **state)
{
    struct bed *bed = *state;

    begin(bed, (struct order){.generation = 1});
    end(bed, 0);
    expect_told(bed, ONE, 1, "completed");
    advance(bed, 10 * 60 * 1000);
    expect_starts(bed, 1);
    restart_agent(bed);
    lat_runner_send_inventory(bed->runner);
    expect_told(bed, ONE, 1, "completed");
    lat_mock_engine(bed->mock, false);
    settle(bed);
    lat_mock_engine(bed->mock, true);
    settle(bed);
    expect_told(bed, ONE, 1, "completed");
    order_task(bed, (struct order){.generation = 2}); /* the same order with another number */
    settle(bed);
    expect_told(bed, ONE, 2, "completed");
    advance(bed, 10 * 60 * 1000);
    expect_starts(bed, 1);
    assert_int_equal(times_told(bed, ONE, "failed"), 0);
}

static void what_ended_while_the_agent_was_down_is_not_started_again(void **state)
{
    struct bed *bed = *state;

    begin(bed, (struct order){.generation = 1, .retries = 5});
    agent_stop(bed);
    lat_mock_exit(bed->mock, ONE, 0, false);
    agent_start(bed);
    agent_give_driver(bed);
    settle(bed);
    expect_told(bed, ONE, 1, "completed");
    advance(bed, 10 * 60 * 1000);
    expect_starts(bed, 1);
}

/* Puts the journal back to where it was before the run that it has was started. */
static void forget_the_start(struct bed *bed)
{
    const char *path = journal_path(bed, ONE ".json");
    struct lat_buf text = {0};
    cJSON *journal;

    assert_int_equal(lat_file_read(path, 1 << 16, &text, NULL), 0);
    journal = cJSON_Parse(lat_buf_text(&text));
    assert_int_equal(lat_json_int(journal, "starts", 0), 1);
    cJSON_SetNumberValue(cJSON_GetObjectItem(journal, "starts"), 0);
    cJSON_ReplaceItemInObject(cJSON_GetObjectItem(journal, "run"), "seen", cJSON_CreateFalse());
    char *forgotten = cJSON_PrintUnformatted(journal);

    assert_int_equal(lat_file_replace(path, forgotten, strlen(forgotten), 0600, NULL), 0);
    cJSON_free(forgotten);
    cJSON_Delete(journal);
    lat_buf_done(&text);
}

static void an_agent_that_ends_before_its_journal_has_the_start_counts_it_all_the_same(void **state)
{
    struct bed *bed = *state;

    for (int ended = 0; ended < 2; ended++) {
        begin(bed, (struct order){.generation = 1});
        agent_stop(bed);
        forget_the_start(bed);
        if (ended) {
            lat_mock_exit(bed->mock, ONE, 0, false);
        }
        agent_start(bed);
        agent_give_driver(bed);
        settle(bed);
        lat_runner_send_inventory(bed->runner);
        expect_told(bed, ONE, 1, ended ? "completed" : "running");
        assert_int_equal(last_of(bed, ONE)->starts, 1);
        restart_agent(bed);
        lat_runner_send_inventory(bed->runner);
        assert_int_equal(last_of(bed, ONE)->starts, 1);
        expect_starts(bed, 1);
        if (!ended) {
            bed_close(state);
            bed_open(state);
            bed = *state;
        }
    }
}

static void what_ended_as_the_engine_went_down_is_not_started_again(void **state)
{
    struct bed *bed = *state;

    begin(bed, (struct order){.generation = 1, .retries = 5});
    lat_mock_exit(bed->mock, ONE, 0, false); /* nobody hears of it */
    lat_mock_engine(bed->mock, false);
    advance(bed, 1000);
    lat_mock_engine(bed->mock, true);
    settle(bed);
    expect_told(bed, ONE, 1, "completed");
    expect_starts(bed, 1);
}

static void one_that_fails_is_told_with_its_status_and_left_alone(void **state)
{
    struct bed *bed = *state;

    begin(bed, (struct order){.generation = 1});
    end(bed, 3);
    expect_told(bed, ONE, 1, "failed");
    assert_string_equal(last_of(bed, ONE)->reason, "it ended with status 3");
    advance(bed, 10 * 60 * 1000);
    restart_agent(bed);
    lat_runner_send_inventory(bed->runner);
    expect_told(bed, ONE, 1, "failed");
    assert_string_equal(last_of(bed, ONE)->reason, "it ended with status 3");
    expect_starts(bed, 1);
}

static void retries_are_counted_also_across_a_restart_of_the_agent(void **state)
{
    struct bed *bed = *state;

    begin(bed, (struct order){.generation = 1, .retries = 2});
    end(bed, 3);
    expect_told(bed, ONE, 1, "failed");
    assert_non_null(strstr(last_of(bed, ONE)->reason, "run 2 of 3 starts in"));
    until_running(bed);
    agent_stop(bed);
    lat_mock_exit(bed->mock, ONE, 4, false);
    agent_start(bed);
    agent_give_driver(bed);
    until_running(bed);
    expect_starts(bed, 3);
    end(bed, 5);
    assert_string_equal(last_of(bed, ONE)->reason, "it ended with status 5, the last of 3 runs");
    advance(bed, 10 * 60 * 1000);
    expect_starts(bed, 3);
}

static void a_retry_that_succeeds_completes_it(void **state)
{
    struct bed *bed = *state;

    begin(bed, (struct order){.generation = 1, .retries = 1});
    end(bed, 3);
    until_running(bed);
    end(bed, 0);
    expect_told(bed, ONE, 1, "completed");
}

static void a_restart_or_another_spec_is_a_new_order(void **state)
{
    struct bed *bed = *state;

    begin(bed, (struct order){.generation = 1});
    end(bed, 0);
    begin(bed, (struct order){.generation = 2, .restarts = 1});
    expect_starts(bed, 2);
    end(bed, 1);
    expect_told(bed, ONE, 2, "failed");
    begin(bed, (struct order){.generation = 3, .restarts = 1, .container = WEB2});
    expect_starts(bed, 3);
    order_task(bed, (struct order){.generation = 4, .restarts = 2, .container = WEB2});
    settle(bed); /* while it runs */
    expect_told(bed, ONE, 4, "running");
    assert_int_equal(lat_mock_count(bed->mock, LAT_MOCK_RESTART), 1);
    end(bed, 0);
    expect_told(bed, ONE, 4, "completed");
}

static void the_same_again_is_a_new_order_of_a_console_that_knows_of_the_end(void **state)
{
    struct bed *bed = *state;

    begin(bed, (struct order){.generation = 1});
    order_task(bed, (struct order){.generation = 2}); /* it goes on */
    end(bed, 0);
    expect_told(bed, ONE, 2, "completed");
    begin(bed, (struct order){.generation = 3, .ended = 2});
    expect_starts(bed, 2);
    restart_agent(bed);
    end(bed, 0);
    expect_told(bed, ONE, 3, "completed");
    /* Nothing of that has come to the console when it says something else. */
    order_task(bed, (struct order){.generation = 3, .ended = 2});
    order_task(bed, (struct order){.generation = 4, .retries = 1, .ended = 2});
    settle(bed);
    restart_agent(bed);
    expect_told(bed, ONE, 4, "completed");
    expect_starts(bed, 2);
    begin(bed, (struct order){.generation = 5, .retries = 1, .ended = 4});
    expect_starts(bed, 3);
}

static void an_end_that_the_journal_does_not_hold_is_none_of_the_next_order(void **state)
{
    struct bed *bed = *state;
    struct lat_buf older = {0};
    struct lat_err err;

    begin(bed, (struct order){.generation = 1});
    assert_int_equal(lat_file_read(journal_path(bed, ONE ".json"), 1 << 20, &older, &err), 0);
    end(bed, 0);
    expect_told(bed, ONE, 1, "completed");
    agent_stop(bed);
    assert_int_equal(
        lat_file_replace(journal_path(bed, ONE ".json"), older.bytes, older.len, 0600, &err), 0);
    agent_start(bed);
    agent_give_driver(bed);
    begin(bed, (struct order){.generation = 2, .ended = 1});
    expect_starts(bed, 2);
    lat_buf_done(&older);
}

static void what_ended_is_no_end_of_an_order_that_came_while_the_engine_was_down(void **state)
{
    struct bed *bed = *state;
    size_t completed;

    begin(bed, (struct order){.generation = 1});
    end(bed, 0);
    lat_mock_engine(bed->mock, false);
    settle(bed);
    completed = times_told(bed, ONE, "completed");
    order_task(bed, (struct order){.generation = 2, .restarts = 1});
    settle(bed);
    agent_stop(bed);
    agent_start(bed);
    lat_runner_send_inventory(bed->runner);
    agent_give_driver(bed);
    settle(bed);
    assert_int_equal(times_told(bed, ONE, "completed"), completed);
    lat_mock_engine(bed->mock, true);
    until_running(bed);
    expect_starts(bed, 2);
}

static void one_that_was_stopped_runs_again_when_it_is_wanted(void **state)
{
    struct bed *bed = *state;

    begin(bed, (struct order){.generation = 1});
    order_task(bed, (struct order){.generation = 2, .desired = "stopped"});
    settle(bed);
    expect_told(bed, ONE, 2, "stopped");
    restart_agent(bed);
    begin(bed, (struct order){.generation = 3});
    expect_starts(bed, 2);
    end(bed, 0);
    order_task(bed, (struct order){.generation = 4, .desired = "stopped"});
    settle(bed);
    expect_told(bed, ONE, 4, "completed"); /* it stands still already */
    order_task(bed, (struct order){.generation = 5});
    settle(bed);
    expect_told(bed, ONE, 5, "completed"); /* to be wanted again is no new order */
    expect_starts(bed, 2);
}

static void a_container_that_is_gone_unseen_is_not_run_again(void **state)
{
    struct bed *bed = *state;

    begin(bed, (struct order){.generation = 1, .retries = 5});
    lat_mock_vanish(bed->mock, ONE);
    settle(bed);
    expect_told(bed, ONE, 1, "failed");
    assert_non_null(strstr(last_of(bed, ONE)->reason, "nobody saw how it ended"));
    advance(bed, 10 * 60 * 1000);
    expect_starts(bed, 1);
}

static void a_lost_journal_does_not_run_it_again(void **state)
{
    struct bed *bed = *state;

    begin(bed, (struct order){.generation = 1});
    end(bed, 0);
    agent_stop(bed);
    assert_int_equal(unlink(journal_path(bed, ONE ".json")), 0);
    agent_start(bed);
    agent_give_driver(bed);
    advance(bed, 1);
    order_task(bed,
               (struct order){.generation = 1, .retries = 3}); /* the console had not heard of it */
    settle(bed);
    expect_told(bed, ONE, 1, "completed");
    agent_stop(bed);
    assert_int_equal(unlink(journal_path(bed, ONE ".json")), 0);
    lat_mock_vanish(bed->mock, ONE);
    agent_start(bed);
    agent_give_driver(bed);
    advance(bed, 1);
    order_task(bed, (struct order){.generation = 1, .finished = true}); /* it had */
    settle(bed);
    expect_told(bed, ONE, 1, "completed");
    expect_starts(bed, 1);
}

static void nothing_is_begun_that_the_journal_cannot_hold(void **state)
{
    struct bed *bed = *state;
    char *folder = lat_text_format("%s/allocations", bed->dir);

    assert_int_equal(rmdir(folder), 0);
    order_task(bed, (struct order){.generation = 1});
    for (int i = 0; i < WAITING_MS && times_told(bed, ONE, "failed") == 0; i++) {
        advance(bed, 1);
        usleep(500);
    }
    assert_non_null(strstr(last_of(bed, ONE)->reason, "journal cannot be written"));
    expect_starts(bed, 0);
    assert_int_equal(mkdir(folder, 0700), 0);
    until_running(bed);
    expect_starts(bed, 1);
    free(folder);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, bed_open, bed_close)
    const struct CMUnitTest tests[] = {
        CASE(one_that_ends_with_success_is_not_started_again),
        CASE(what_ended_while_the_agent_was_down_is_not_started_again),
        CASE(an_agent_that_ends_before_its_journal_has_the_start_counts_it_all_the_same),
        CASE(what_ended_as_the_engine_went_down_is_not_started_again),
        CASE(one_that_fails_is_told_with_its_status_and_left_alone),
        CASE(retries_are_counted_also_across_a_restart_of_the_agent),
        CASE(a_retry_that_succeeds_completes_it),
        CASE(a_restart_or_another_spec_is_a_new_order),
        CASE(the_same_again_is_a_new_order_of_a_console_that_knows_of_the_end),
        CASE(an_end_that_the_journal_does_not_hold_is_none_of_the_next_order),
        CASE(what_ended_is_no_end_of_an_order_that_came_while_the_engine_was_down),
        CASE(one_that_was_stopped_runs_again_when_it_is_wanted),
        CASE(a_container_that_is_gone_unseen_is_not_run_again),
        CASE(a_lost_journal_does_not_run_it_again),
        CASE(nothing_is_begun_that_the_journal_cannot_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
