/* Streams to nodes: by dispatch, with an answer awaited, and by the directory. */
#include "support.h"

struct result {
    bool done;
    struct lat_stream *stream;
    struct lat_err err;
    struct lat_buf got;
    bool closed;
};

static void result_data(void *arg, const uint8_t *bytes, size_t len)
{
    lat_buf_add(&((struct result *)arg)->got, bytes, len);
}

static void result_close(void *arg, const struct lat_err *err)
{
    (void)err;
    ((struct result *)arg)->closed = true;
}

static const struct lat_stream_events result_events = {.on_data = result_data,
                                                       .on_close = result_close};

static void opened(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct result *result = arg;
    assert_false(result->done);
    result->done = true;
    result->stream = stream;
    if (err)
        result->err = *err;
    if (stream) {
        lat_stream_set_events(stream, &result_events, result);
        lat_stream_resume(stream);
    }
}

static const struct lat_stream_header logs = {.kind = LAT_STREAM_LOGS,
                                              .allocation = "0193b1f0-0000-7000-8000-000000000001",
                                              .request_id = "r-9",
                                              .tail = 10};

static void accepted_stream_carries_bytes(void **state)
{
    struct console *console = *state;
    struct result result = {0};
    struct agent *agent = agent_welcomed(console);
    lat_dispatch_open(console->dispatch, console->node, &logs, opened, &result);
    run_until(console->bed, &result.done);
    assert_non_null(result.stream);
    assert_string_equal(
        lat_buf_text(&agent->header),
        "{\"kind\":\"logs\",\"allocation\":\"0193b1f0-0000-7000-8000-000000000001\",\"request_id\":\"r-9\","
        "\"follow\":false,\"tail\":10,\"timestamps\":false}");
    lat_stream_write(agent->stream, "a line\n", 7);
    run_for(console->loop, 10);
    assert_string_equal(lat_buf_text(&result.got), "a line\n");
    agent_free(agent);
    assert_true(result.closed);
    lat_buf_done(&result.got);
}

static void refusal_comes_with_its_reason(void **state)
{
    struct console *console = *state;
    struct result result = {0};
    struct agent *agent = agent_welcomed(console);
    agent->answer = AGENT_REFUSES;
    lat_dispatch_open(console->dispatch, console->node, &logs, opened, &result);
    run_until(console->bed, &result.done);
    assert_null(result.stream);
    assert_int_equal(result.err.code, LAT_E_CONFLICT);
    assert_string_equal(result.err.sentence, "It is of another generation.");
    agent_free(agent);
}

static void node_without_a_link_is_unavailable(void **state)
{
    struct console *console = *state;
    struct result result = {0};
    lat_dispatch_open(console->dispatch, console->node, &logs, opened, &result);
    assert_false(result.done);
    run_until(console->bed, &result.done);
    assert_int_equal(result.err.code, LAT_E_UNAVAILABLE);
}

static void link_that_is_lost_answers_for_its_streams(void **state)
{
    struct console *console = *state;
    struct result result = {0};
    struct agent *agent = agent_welcomed(console);
    agent->answer = AGENT_WAITS;
    lat_dispatch_open(console->dispatch, console->node, &logs, opened, &result);
    run_for(console->loop, 20);
    assert_false(result.done);
    agent_free(agent);
    run_until(console->bed, &result.done);
    assert_null(result.stream);
    assert_int_equal(result.err.code, LAT_E_CLOSED);
}

static void directory_opens_on_the_loop_of_the_link(void **state)
{
    struct console *console = *state;
    struct lat_stream *stream = NULL;
    struct lat_err err;
    struct result result = {0};
    struct lat_stream_header tunnel = {
        .kind = LAT_STREAM_TUNNEL, .allocation = logs.allocation, .generation = 3, .port = "http"};
    assert_null(lat_link_directory_loop_of(console->directory, console->node));
    assert_int_equal(lat_link_directory_open(console->directory, console->node, &tunnel, NULL, NULL,
                                             &stream, &err),
                     LAT_E_UNAVAILABLE);
    struct agent *agent = agent_welcomed(console);
    assert_ptr_equal(lat_link_directory_loop_of(console->directory, console->node), console->loop);
    assert_int_equal(lat_link_directory_open(console->directory, console->node, &tunnel, NULL, NULL,
                                             &stream, &err),
                     0);
    lat_stream_set_events(stream, &result_events, &result);
    lat_stream_write(stream, "GET /", 5);
    run_for(console->loop, 20);
    assert_string_equal(lat_buf_text(&agent->got), "GET /");
    agent_free(agent);
    run_for(console->loop, 20);
    assert_true(result.closed);
    assert_null(lat_link_directory_loop_of(console->directory, console->node));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, console_open, console_close)
    const struct CMUnitTest tests[] = {
        TEST(accepted_stream_carries_bytes),
        TEST(refusal_comes_with_its_reason),
        TEST(node_without_a_link_is_unavailable),
        TEST(link_that_is_lost_answers_for_its_streams),
        TEST(directory_opens_on_the_loop_of_the_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
