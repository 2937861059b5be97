/* What nodes measure, and what of it the history takes. */
#include "support.h"
#include "tests/unit/waiting.h"

#include <stdio.h>

struct got {
    bool done;
    char *json; /* owned */
};

static void take(void *arg, char *json, const struct lat_err *err)
{
    struct got *got = arg;
    assert_null(err);
    got->json = json;
    got->done = true;
}

static int past_open(void **state)
{
    assert_int_equal(console_open(state), 0);
    struct console *console = *state;
    char *path = lat_text_format("%s/history.db", console->bed->dir);
    struct lat_history_options options = {.loop = console->loop, .path = path};
    assert_int_equal(lat_history_open(&options, &console->history, NULL), 0);
    free(path);
    console_close_dispatch(console);
    console_make_dispatch(console, 10000);
    return 0;
}

static int past_close(void **state)
{
    struct console *console = *state;
    struct lat_history *history = console->history;
    console_close_dispatch(console);
    console->history = NULL;
    console_make_dispatch(console, 10000);
    lat_history_close(history);
    return console_close(state);
}

/* Samples of the last minutes; owned. */
static char *read_samples(struct console *console, const char *id)
{
    int64_t now = lat_clock_wall_ms(lat_loop_clock(console->loop));
    struct lat_history_range range = {.from = now - 60000, .to = now + 60000, .step_ms = 60000};
    struct got got = {0};
    lat_text_bound(range.id, sizeof(range.id), id);
    lat_text_bound(range.owner_id, sizeof(range.owner_id), id);
    assert_int_equal(lat_history_range_check(console->history, &range, NULL), 0);
    lat_history_read_samples(console->history, &range, take, &got);
    run_until(console->bed, &got.done);
    return got.json;
}

static bool has(struct console *console, const char *id, const char *part)
{
    char *json = read_samples(console, id);
    bool there = strstr(json, part) != NULL;
    free(json);
    return there;
}

static void wait_for_sample(struct console *console, const char *id, const char *part)
{
    for (int i = 0; i < WAITING_MS && !has(console, id, part); i++)
        run_for(console->loop, 50);
    assert_true(has(console, id, part));
}

static void say_samples(struct agent *agent, const char *allocation, int memory)
{
    char *json = lat_text_format(
        "{\"type\":\"samples\",\"items\":[{\"load\":1.5},{\"allocation\":\"%s\",\"memory_bytes\":%d}]}",
        allocation, memory);
    agent_say(agent, json);
    free(json);
}

static void a_node_tells_of_itself_and_of_what_stands_on_it(void **state)
{
    struct console *console = *state;
    char id[LAT_ID_SIZE];
    make_allocation(console, console->node, id);
    struct agent *agent = agent_welcomed(console);
    int commits = console->bed->script->commits;
    say_samples(agent, id, 4711);
    wait_for_sample(console, id, "4711");
    assert_true(has(console, console->node, "\"load\""));
    assert_true(has(console, console->node, "1.5"));
    assert_true(has(console, console->workload, "4711"));
    assert_true(has(console, console->workload, "\"node\":\"n1\""));
    assert_int_equal(console->bed->script->commits, commits); /* it is no state */
    agent_free(agent);
}

static void a_node_does_not_speak_for_others(void **state)
{
    struct console *console = *state;
    char other[LAT_ID_SIZE], id[LAT_ID_SIZE];
    make_node(console->bed, "n2", other);
    make_allocation(console, other, id);
    struct agent *agent = agent_welcomed(console);
    say_samples(agent, id, 4711);
    say_samples(agent, "01900000-0000-7000-8000-0000000000ff", 4711); /* whom nobody knows */
    agent_say(agent, "{\"type\":\"samples\",\"items\":[{\"load\":2.25}]}");
    wait_for_sample(console, console->node, "2.25"); /* what was said before is over, too */
    assert_false(has(console, console->workload, "4711"));
    agent_free(agent);
}

static void a_node_that_talks_too_much_is_cut_short_and_counted(void **state)
{
    struct console *console = *state;
    struct agent *agent = agent_welcomed(console);
    struct lat_buf text = {0};
    lat_buf_add_text(&text, "{\"type\":\"samples\",\"items\":[{\"load\":1}");
    for (int i = 1; i < LAT_SAMPLES_MAX; i++)
        lat_buf_add_text(&text, ",{\"load\":1}");
    lat_buf_add_text(&text, "]}");
    for (int i = 0; i < 4; i++)
        agent_say(agent, lat_buf_text(&text));
    for (int i = 0; i < WAITING_MS && lat_history_dropped(console->history) < 2 * LAT_SAMPLES_MAX;
         i++)
        run_for(console->loop, 50);
    assert_true(lat_history_dropped(console->history) >= 2 * LAT_SAMPLES_MAX);
    lat_buf_done(&text);
    agent_free(agent);
}

static void samples_are_taken_once_although_what_came_with_them_is_tried_again(void **state)
{
    struct console *console = *state;
    char id[LAT_ID_SIZE];
    make_allocation(console, console->node, id);
    struct agent *agent = agent_welcomed(console);
    console->bed->script->fail_commit = console->bed->script->commits + 1;
    console->bed->script->fail_code = LAT_E_NO_SPACE;
    agent_say(agent,
              "{\"type\":\"heartbeat\"}"); /* so that the rest comes in one batch behind it */
    agent_say_observed(agent, id, 1, "running", "", "{}");
    agent_say(agent, "{\"type\":\"samples\",\"items\":[{\"network_rx_bytes\":5}]}");
    for (int i = 0; i < 15 && strcmp(allocation_of(console, id)->status, "running") != 0; i++)
        run_for(console->loop, 1000);
    wait_for_sample(console, console->node, "network_rx_bytes");
    /* In whichever minute it fell, it is there once: twice would be 10, or 5 in two minutes. */
    char *json = read_samples(console, console->node);
    const char *sum = strstr(json, "\"sum\":[");
    assert_non_null(sum);
    assert_non_null(strchr(sum, '5'));
    assert_null(strchr(strchr(sum, '5') + 1, '5'));
    assert_null(strstr(sum, "10"));
    free(json);
    agent_free(agent);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, past_open, past_close)
    const struct CMUnitTest tests[] = {
        TEST(a_node_tells_of_itself_and_of_what_stands_on_it),
        TEST(a_node_does_not_speak_for_others),
        TEST(a_node_that_talks_too_much_is_cut_short_and_counted),
        TEST(samples_are_taken_once_although_what_came_with_them_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
