/* Logs into the history, through a link to a scripted agent. */
#include "tests/unit/dispatch/support.h"
#include "tests/unit/waiting.h"

#include "collect/internal.h"

#include <stdio.h>

struct scene {
    struct console *console;
    struct lat_collect *collect;
    struct agent *agent;
    char allocation[LAT_ID_SIZE];
    bool closed;
};

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

static void open_collect(struct scene *scene)
{
    struct console *console = scene->console;
    scene->collect =
        lat_collect_new(&(struct lat_collect_config){.loop = console->loop,
                                                     .store = console->store,
                                                     .dispatch = console->dispatch,
                                                     .history = console->history,
                                                     .metrics = console->bed->metrics});
}

static void close_collect(struct scene *scene)
{
    scene->closed = false;
    lat_collect_close(scene->collect, set_true, &scene->closed);
    run_until(scene->console->bed, &scene->closed);
}

static int scene_open(void **state)
{
    struct scene *scene = LAT_NEW(struct scene);
    assert_int_equal(console_open(state), 0);
    struct console *console = scene->console = *state;
    char *path = lat_text_format("%s/history.db", console->bed->dir);
    struct lat_history_options options = {.loop = console->loop, .path = path};
    assert_int_equal(lat_history_open(&options, &console->history, NULL), 0);
    free(path);
    open_collect(scene);
    make_allocation(console, console->node, scene->allocation);
    scene->agent = agent_welcomed(console);
    *state = scene;
    return 0;
}

static int scene_close(void **state)
{
    struct scene *scene = *state;
    struct lat_history *history = scene->console->history;
    close_collect(scene);
    agent_free(scene->agent);
    scene->console->history = NULL;
    lat_history_close(history);
    *state = scene->console;
    free(scene);
    return console_close(state);
}

/* Waits until the agent is asked for a log, and returns from where on; owned. */
static char *await_stream(struct scene *scene)
{
    for (int i = 0; i < WAITING_MS && !scene->agent->stream; i++)
        run_for(scene->console->loop, 1);
    assert_non_null(scene->agent->stream);
    cJSON *header = cJSON_Parse(lat_buf_text(&scene->agent->header));
    assert_string_equal(lat_json_text(header, "kind", ""), "logs");
    assert_string_equal(lat_json_text(header, "allocation", ""), scene->allocation);
    assert_true(lat_json_bool(header, "follow", false));
    assert_true(lat_json_bool(header, "timestamps", false));
    char *since = lat_text_copy(lat_json_text(header, "since", ""));
    cJSON_Delete(header);
    return since;
}

static void expect_since(struct scene *scene, const char *expected)
{
    char *since = await_stream(scene);
    assert_string_equal(since, expected);
    free(since);
}

static void write_log(struct scene *scene, const char *text)
{
    lat_stream_write(scene->agent->stream, text, strlen(text));
}

static void end_log(struct scene *scene)
{
    lat_stream_end(scene->agent->stream);
    for (int i = 0; i < WAITING_MS && !scene->agent->stream_closed; i++)
        run_for(scene->console->loop, 1);
    assert_true(scene->agent->stream_closed);
    scene->agent->stream = NULL;
    scene->agent->stream_closed = false;
    lat_buf_clear(&scene->agent->header);
}

struct lines {
    bool done;
    struct lat_buf text;
};

static void take_page(void *arg, const struct lat_history_page *page, const struct lat_err *err)
{
    struct lines *lines = arg;
    assert_null(err);
    lat_buf_add(&lines->text, page->text, page->len);
    lines->done = true;
}

/* Waits until that, and nothing else, is kept. */
static void expect_kept(struct scene *scene, const char *expected)
{
    struct lat_history_lines which = {.tail = -1};
    struct lines lines = {0};
    lat_text_bound(which.owner_id, sizeof(which.owner_id), scene->console->workload);
    for (int i = 0; i < WAITING_MS; i++) {
        lines.done = false;
        lat_buf_clear(&lines.text);
        lat_history_read_lines(scene->console->history, &which, take_page, &lines);
        run_until(scene->console->bed, &lines.done);
        if (lat_text_equal(lat_buf_text(&lines.text), expected))
            break;
        run_for(scene->console->loop, 10);
    }
    assert_string_equal(lat_buf_text(&lines.text), expected);
    lat_buf_done(&lines.text);
}

#define T "2026-11-21T12:00:0"

static void a_log_is_followed_as_soon_as_there_is_a_container(void **state)
{
    struct scene *scene = *state;
    run_for(scene->console->loop, LAT_COLLECT_BEGIN_MS + 200);
    assert_null(scene->agent->stream); /* it is being placed */
    agent_say_observed(scene->agent, scene->allocation, 1, "running", "", "{\"container\":\"c1\"}");
    expect_since(scene, "");
    write_log(scene, T "1.000000001Z one\n" T "2.5Z tw");
    write_log(scene, "o\n");
    expect_kept(scene, "one\ntwo\n");
}

static void a_log_goes_on_where_it_is_kept_without_gap_or_repeat(void **state)
{
    struct scene *scene = *state;
    agent_say_observed(scene->agent, scene->allocation, 1, "running", "", "{\"container\":\"c1\"}");
    expect_since(scene, "");
    write_log(scene, T "1.000000001Z one\n" T "2.000000007Z two\n" T "2.000000007Z three\n");
    expect_kept(scene, "one\ntwo\nthree\n");
    end_log(scene);
    expect_since(scene, "1795262402.000000007");
    write_log(scene, T "1.999Z older than asked for\n" T "2.000000007Z two\n" T
                       "2.000000007Z three\n" T "2.000000007Z four\n" T "3Z five\n" T "2.9Z six\n");
    expect_kept(scene, "one\ntwo\nthree\nfour\nfive\nsix\n");
}

static void a_console_that_comes_back_follows_what_is_there(void **state)
{
    struct scene *scene = *state;
    agent_say_observed(scene->agent, scene->allocation, 1, "running", "", "{\"container\":\"c1\"}");
    expect_since(scene, "");
    write_log(scene, T "1Z one\n");
    expect_kept(scene, "one\n");
    close_collect(scene);
    assert_true(scene->agent->stream_closed);
    scene->agent->stream = NULL;
    scene->agent->stream_closed = false;
    lat_buf_clear(&scene->agent->header);
    open_collect(scene);
    expect_since(scene, "1795262401.000000000");
}

static void another_container_has_a_log_of_its_own(void **state)
{
    struct scene *scene = *state;
    agent_say_observed(scene->agent, scene->allocation, 1, "running", "", "{\"container\":\"c1\"}");
    expect_since(scene, "");
    write_log(scene, T "5Z one\n");
    expect_kept(scene, "one\n");
    agent_say_observed(scene->agent, scene->allocation, 1, "starting", "",
                       "{\"container\":\"c2\"}");
    end_log(scene);
    expect_since(scene, "");
    write_log(scene, T "1Z of a clock that went back\n");
    expect_kept(scene, "one\nof a clock that went back\n");
}

static void the_last_words_need_no_end_of_line(void **state)
{
    struct scene *scene = *state;
    agent_say_observed(scene->agent, scene->allocation, 1, "running", "", "{\"container\":\"c1\"}");
    expect_since(scene, "");
    write_log(scene, T "1Z one\n" T "2Z and out");
    end_log(scene);
    expect_kept(scene, "one\nand out\n");
}

static void what_is_refused_is_tried_again_later(void **state)
{
    struct scene *scene = *state;
    scene->agent->answer = AGENT_REFUSES;
    agent_say_observed(scene->agent, scene->allocation, 1, "running", "", "{\"container\":\"c1\"}");
    run_for(scene->console->loop, LAT_COLLECT_BEGIN_MS + 500);
    scene->agent->answer = AGENT_ACCEPTS;
    scene->agent->stream = NULL;
    scene->agent->stream_closed = false;
    lat_buf_clear(&scene->agent->header);
    expect_since(scene, "");
}

/* ---- lines ---- */

static size_t lines_of(const char *text, bool rest, struct lat_log_line *lines, size_t *ret_bytes)
{
    struct lat_buf buf = {.bytes = (uint8_t *)(uintptr_t)text, .len = strlen(text)};
    bool is_within = false;
    return lat__feed_lines(&buf, rest, 42, &is_within, lines, 4, ret_bytes);
}

static void lines_have_the_engines_time_to_the_nanosecond(void **state)
{
    (void)state;
    struct lat_log_line lines[4];
    size_t bytes;
    assert_int_equal(lines_of(T "1.123456789Z a b\n" T "2+01:00 \n", false, lines, &bytes), 2);
    assert_true(lines[0].at_ns == INT64_C(1795262401123456789));
    assert_int_equal(lines[0].len, 3);
    assert_true(lines[1].at_ns == INT64_C(1795258802000000000));
    assert_int_equal(lines[1].len, 0);
}

static void lines_without_a_time_have_that_of_the_line_before(void **state)
{
    (void)state;
    struct lat_log_line lines[4];
    size_t bytes;
    assert_int_equal(lines_of("no time here\n" T "1Z x\n\nyesterday y\n", false, lines, &bytes), 4);
    assert_true(lines[0].at_ns == 42);
    assert_int_equal(lines[0].len, 12);
    assert_true(lines[2].at_ns == lines[1].at_ns && lines[2].len == 0);
    assert_int_equal(lines[3].len, 11);
}

static void a_time_that_no_engine_has_is_none(void **state)
{
    (void)state;
    struct lat_log_line lines[4];
    size_t bytes;
    assert_int_equal(
        lines_of("9999-12-31T23:59:59Z a\n2263-01-01T00:00:00Z b\n1969-01-01T00:00:00Z c\n", false,
                 lines, &bytes),
        3);
    for (int i = 0; i < 3; i++) {
        assert_true(lines[i].at_ns == 42);
        assert_int_equal(lines[i].len, 22);
    }
}

static void a_container_gives_no_times_within_a_long_line(void **state)
{
    (void)state;
    struct lat_log_line lines[4];
    size_t bytes;
    bool is_within = false;
    struct lat_buf text = {0};
    lat_buf_add_text(&text, T "1Z ");
    for (size_t i = text.len; i < LAT_HISTORY_LINE_MAX; i++)
        lat_buf_add_byte(&text, 'x');
    for (int i = 0; i < 50; i++)
        lat_buf_add_text(&text, T "9Z ");
    assert_int_equal(lat__feed_lines(&text, false, 42, &is_within, lines, 4, &bytes), 1);
    assert_int_equal(bytes, LAT_HISTORY_LINE_MAX);
    assert_true(is_within);
    lat_buf_consume(&text, bytes);
    lat_buf_add_text(&text, "\n" T "2Z y\n");
    int64_t last_ns = lines[0].at_ns;
    assert_int_equal(lat__feed_lines(&text, false, last_ns, &is_within, lines, 4, &bytes), 2);
    assert_true(lines[0].at_ns == last_ns);
    assert_true(lines[1].at_ns == last_ns + 1000000000);
    assert_false(is_within);
    lat_buf_done(&text);
}

static void a_line_without_an_end_waits_for_it_up_to_a_limit(void **state)
{
    (void)state;
    struct lat_log_line lines[4];
    size_t bytes;
    assert_int_equal(lines_of(T "1Z a\n" T "2Z b", false, lines, &bytes), 1);
    assert_int_equal(bytes, 23);
    assert_int_equal(lines_of(T "1Z a\n" T "2Z b", true, lines, &bytes), 2);
    char *text = lat_alloc(3 * LAT_HISTORY_LINE_MAX);
    memset(text, 'x', 2 * LAT_HISTORY_LINE_MAX);
    assert_int_equal(lines_of(text, false, lines, &bytes), 1);
    assert_int_equal(bytes, LAT_HISTORY_LINE_MAX);
    free(text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_open, scene_close)
    const struct CMUnitTest tests[] = {
        TEST(a_log_is_followed_as_soon_as_there_is_a_container),
        TEST(a_log_goes_on_where_it_is_kept_without_gap_or_repeat),
        TEST(a_console_that_comes_back_follows_what_is_there),
        TEST(another_container_has_a_log_of_its_own),
        TEST(the_last_words_need_no_end_of_line),
        TEST(what_is_refused_is_tried_again_later),
        cmocka_unit_test(lines_have_the_engines_time_to_the_nanosecond),
        cmocka_unit_test(lines_without_a_time_have_that_of_the_line_before),
        cmocka_unit_test(a_time_that_no_engine_has_is_none),
        cmocka_unit_test(a_container_gives_no_times_within_a_long_line),
        cmocka_unit_test(a_line_without_an_end_waits_for_it_up_to_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
