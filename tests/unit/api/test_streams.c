/* Logs and stats of an instance, through a link to a scripted agent. */
#include "support.h"

#include "tests/unit/waiting.h"

struct scene {
    char workload[LAT_ID_SIZE], instance[LAT_ID_SIZE];
    struct agent *agent;
};

static void set_scene(struct desk *desk, struct scene *scene)
{
    deploy(desk, desk->alice, "web", scene->workload);
    place(desk, scene->workload, scene->instance);
    scene->agent = agent_welcomed(desk->console);
}

static void await_stream(struct desk *desk, struct scene *scene)
{
    for (int i = 0; i < WAITING_MS && !scene->agent->stream; i++) {
        run_for(desk->console->loop, 1);
    }
    assert_non_null(scene->agent->stream);
}

static void say(struct scene *scene, const char *text)
{
    lat_stream_write(scene->agent->stream, text, strlen(text));
}

static void a_log_comes_as_it_is_and_ends(void **state)
{
    struct desk *desk = *state;
    struct going *going;
    struct scene scene;
    cJSON *header;

    set_scene(desk, &scene);
    going = go(desk, desk->alice, "GET", "/api/v1/workloads/web/logs?tail=10&timestamps", NULL);
    await_stream(desk, &scene);
    header = cJSON_Parse(lat_buf_text(&scene.agent->header));
    assert_string_equal(lat_json_text(header, "kind", ""), "logs");
    assert_string_equal(lat_json_text(header, "allocation", ""), scene.instance);
    assert_int_equal(lat_json_int(header, "tail", 0), 10);
    assert_true(lat_json_bool(header, "timestamps", false));
    assert_false(lat_json_bool(header, "follow", false));
    cJSON_Delete(header);
    say(&scene, "one\ntwo\n");
    lat_stream_end(scene.agent->stream);
    going_await_over(going);
    assert_int_equal(going->status, 200);
    assert_string_equal(lat_buf_text(&going->body), "one\ntwo\n");
    going_free(going);
    agent_free(scene.agent);
}

/* A task that ran again on another node has two rows of an ordinal for a while. */
static void the_log_is_not_that_of_an_instance_that_is_being_removed(void **state)
{
    struct desk *desk = *state;
    struct lat_store *store = desk->console->store;
    struct lat_allocation *first;
    struct going *going;
    struct lat_txn *txn;
    struct scene scene;
    void *cursor = NULL;
    cJSON *header;
    char other[LAT_ID_SIZE];

    set_scene(desk, &scene);
    place(desk, scene.workload, other);
    first = lat_allocation_edit((const struct lat_allocation *)lat_store_each(
        store, LAT_INDEX_ALLOCATION_WORKLOAD, scene.workload, &cursor));
    lat_row_set(first->desired, "removed");
    txn = lat_txn_begin(store, "");
    lat_txn_put(txn, &first->row);
    commit_now(desk->console->bed, txn);
    going = go(desk, desk->alice, "GET", "/api/v1/workloads/web/logs", NULL);
    await_stream(desk, &scene);
    header = cJSON_Parse(lat_buf_text(&scene.agent->header));
    assert_string_equal(lat_json_text(header, "allocation", ""),
                        lat_text_equal(first->row.id, other) ? scene.instance : other);
    cJSON_Delete(header);
    lat_stream_end(scene.agent->stream);
    going_await_over(going);
    going_free(going);
    agent_free(scene.agent);
}

static void a_followed_log_ends_at_the_node_when_its_reader_goes(void **state)
{
    struct desk *desk = *state;
    struct going *going;
    struct scene scene;

    set_scene(desk, &scene);
    going = go(desk, desk->alice, "GET", "/api/v1/workloads/web/logs?follow=true", NULL);
    await_stream(desk, &scene);
    say(&scene, "first\n");
    going_await(going, "first");
    assert_int_equal(desk->api->followers, 1);
    going_free(going);
    assert_true(lat_loop_run_until(desk->console->loop, &scene.agent->stream_closed, WAITING_MS));
    run_for(desk->console->loop, 10);
    assert_int_equal(desk->api->followers, 0);
    agent_free(scene.agent);
}

static void a_slow_reader_slows_the_node_down(void **state)
{
    enum { PIECE = 64 * 1024, PIECES = 64 };
    struct desk *desk = *state;
    struct going *going;
    struct scene scene;
    char *piece = lat_alloc(PIECE + 1);

    memset(piece, 'x', PIECE);
    set_scene(desk, &scene);
    going = go(desk, desk->alice, "GET", "/api/v1/workloads/web/logs", NULL);
    await_stream(desk, &scene);
    for (int i = 0; i < WAITING_MS && !going->begun; i++) {
        run_for(desk->console->loop, 1);
    }
    lat_http_client_pause(going->client);
    for (int i = 0; i < PIECES; i++) {
        say(&scene, piece);
    }
    run_for(desk->console->loop, 100);
    assert_true(lat_stream_pending(scene.agent->stream) >
                0); /* it waits at the node, not in the console */
    lat_http_client_resume(going->client);
    lat_stream_end(scene.agent->stream);
    going_await_over(going);
    assert_int_equal(going->body.len, PIECE * PIECES);
    going_free(going);
    agent_free(scene.agent);
    free(piece);
}

static void a_log_that_breaks_off_does_not_look_whole(void **state)
{
    struct desk *desk = *state;
    struct lat_err err;
    struct going *going;
    struct scene scene;

    set_scene(desk, &scene);
    going = go(desk, desk->alice, "GET", "/api/v1/workloads/web/logs?follow", NULL);
    await_stream(desk, &scene);
    say(&scene, "half");
    going_await(going, "half");
    lat_err_set(&err, LAT_E_ENGINE, "The engine is gone.");
    lat_stream_abort(scene.agent->stream, &err);
    going_await_over(going);
    assert_int_equal(desk->api->followers, 0);
    going_free(going);
    agent_free(scene.agent);
}

static void stats_are_answered_whole(void **state)
{
    struct desk *desk = *state;
    struct going *going;
    struct scene scene;

    set_scene(desk, &scene);
    going = go(desk, desk->alice, "GET", "/api/v1/workloads/web/stats?instance=0", NULL);
    await_stream(desk, &scene);
    say(&scene, "{\"pids\":");
    say(&scene, "3}");
    lat_stream_end(scene.agent->stream);
    going_await_over(going);
    assert_int_equal(going->status, 200);
    assert_string_equal(lat_buf_text(&going->body), "{\"pids\":3}");
    going_free(going);
    agent_free(scene.agent);
}

static void stats_that_are_too_large_or_break_off_are_a_problem(void **state)
{
    struct desk *desk = *state;
    char *large = lat_alloc(20000);
    struct lat_err err;
    struct going *going;
    struct scene scene;

    memset(large, 'x', 19999);
    set_scene(desk, &scene);
    going = go(desk, desk->alice, "GET", "/api/v1/workloads/web/stats", NULL);
    await_stream(desk, &scene);
    say(&scene, large);
    going_await_over(going);
    assert_int_equal(going->status, 413);
    going_free(going);
    run_for(desk->console->loop, 10);
    scene.agent->stream = NULL;
    going = go(desk, desk->alice, "GET", "/api/v1/workloads/web/stats", NULL);
    await_stream(desk, &scene);
    lat_err_set(&err, LAT_E_ENGINE, "The engine is gone.");
    lat_stream_abort(scene.agent->stream, &err);
    going_await_over(going);
    assert_true(going->status >= 500);
    going_free(going);
    agent_free(scene.agent);
    free(large);
}

static void a_client_that_no_longer_waits_for_stats_frees_them(void **state)
{
    struct desk *desk = *state;
    struct going *going;
    struct scene scene;

    set_scene(desk, &scene);
    going = go(desk, desk->alice, "GET", "/api/v1/workloads/web/stats", NULL);
    await_stream(desk, &scene);
    going_free(going); /* the agent never answers */
    assert_true(lat_loop_run_until(desk->console->loop, &scene.agent->stream_closed, WAITING_MS));
    run_for(desk->console->loop, 10);
    assert_int_equal(desk->api->followers, 0);
    agent_free(scene.agent);
}

static void what_the_node_refuses_is_the_answer(void **state)
{
    struct desk *desk = *state;
    struct scene scene;

    set_scene(desk, &scene);
    scene.agent->answer = AGENT_REFUSES;
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads/web/logs", NULL, LAT_E_CONFLICT);
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads/web/stats", NULL, LAT_E_CONFLICT);
    assert_int_equal(desk->api->followers, 0);
    agent_free(scene.agent);
}

static void without_a_link_it_is_not_available(void **state)
{
    struct desk *desk = *state;
    struct scene scene;

    set_scene(desk, &scene);
    agent_free(scene.agent);
    run_for(desk->console->loop, 20);
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads/web/logs", NULL, LAT_E_UNAVAILABLE);
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads/web/stats", NULL, LAT_E_UNAVAILABLE);
    assert_int_equal(desk->api->followers, 0);
}

static void what_was_kept_is_read_without_a_link_and_by_time_and_text(void **state)
{
    struct desk *desk = *state;
    struct scene scene;
    struct reply reply;
    int64_t now_ns = lat_clock_wall_ms(lat_clock_system()) * 1000000;
    struct lat_history_subject subject = {.node = "n1"};
    struct lat_log_line lines[] = {
        {.at_ns = now_ns - INT64_C(7200000000000), .text = "old", .len = 3},
        {.at_ns = now_ns, .text = "new", .len = 3}};

    set_scene(desk, &scene);
    lat_text_bound(subject.id, sizeof(subject.id), "0123456789ab");
    lat_text_bound(subject.owner_id, sizeof(subject.owner_id), scene.workload);
    assert_true(lat_history_add_lines(desk->history, &subject, lines, 2));
    reply = ask(desk, desk->alice, "GET", "/api/v1/workloads/web/logs?since=1h", NULL);
    assert_string_equal(reply.text, "new\n");
    reply_done(&reply);
    reply = ask(desk, desk->alice, "GET", "/api/v1/workloads/web/logs?until=1h&grep=l", NULL);
    assert_string_equal(reply.text, "old\n");
    reply_done(&reply);
    reply = ask(desk, desk->alice, "GET", "/api/v1/workloads/web/logs?previous", NULL);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.text, "");
    reply_done(&reply);
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads/web/logs?since=1h&follow", NULL,
                LAT_E_INVALID_FIELD);
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads/web/logs?since=x", NULL,
                LAT_E_INVALID_FIELD);
    expect_code(desk, desk->bob, "GET", "/api/v1/workloads/web/logs?since=1h", NULL,
                LAT_E_NOT_FOUND);
    agent_free(scene.agent);
    run_for(desk->console->loop, 20);
    reply = ask(desk, desk->alice, "GET", "/api/v1/workloads/web/logs?tail=1", NULL);
    assert_string_equal(reply.text, "new\n");
    reply_done(&reply);
}

static void an_instance_that_is_not_there_is_not_found(void **state)
{
    struct desk *desk = *state;
    char id[LAT_ID_SIZE], instance[LAT_ID_SIZE];

    deploy(desk, desk->alice, "web", id);
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads/web/logs", NULL, LAT_E_NOT_FOUND);
    place(desk, id, instance);
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads/web/logs?instance=1", NULL,
                LAT_E_NOT_FOUND);
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads/web/logs?instance=x", NULL,
                LAT_E_INVALID_FIELD);
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads/web/logs?follow=maybe", NULL,
                LAT_E_INVALID_FIELD);
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads/web/logs?tail=-1", NULL,
                LAT_E_INVALID_FIELD);
    expect_code(desk, desk->alice, "GET", "/api/v1/workloads/web/logs?tail=100001", NULL,
                LAT_E_INVALID_FIELD);
}

static void the_end_of_the_console_cuts_followed_logs_off(void **state)
{
    struct desk *desk = *state;
    struct going *going;
    struct scene scene;

    set_scene(desk, &scene);
    going = go(desk, desk->alice, "GET", "/api/v1/workloads/web/logs?follow=true", NULL);
    await_stream(desk, &scene);
    say(&scene, "first\n");
    going_await(going, "first");
    desk_stop(desk); /* it would hang here */
    assert_true(going->over);
    going_free(going);
    agent_free(scene.agent);
}

static int run(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, desk_open, desk_close)
    const struct CMUnitTest tests[] = {
        TEST(a_log_comes_as_it_is_and_ends),
        TEST(the_log_is_not_that_of_an_instance_that_is_being_removed),
        TEST(a_followed_log_ends_at_the_node_when_its_reader_goes),
        TEST(a_slow_reader_slows_the_node_down),
        TEST(a_log_that_breaks_off_does_not_look_whole),
        TEST(stats_are_answered_whole),
        TEST(stats_that_are_too_large_or_break_off_are_a_problem),
        TEST(a_client_that_no_longer_waits_for_stats_frees_them),
        TEST(what_the_node_refuses_is_the_answer),
        TEST(without_a_link_it_is_not_available),
        TEST(what_was_kept_is_read_without_a_link_and_by_time_and_text),
        TEST(an_instance_that_is_not_there_is_not_found),
        TEST(the_end_of_the_console_cuts_followed_logs_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return desk_main(argc, argv, run);
}
