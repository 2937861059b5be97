/* The client against recorded answers on a socket: versions, connections, calls, streams of objects. */
#include "fake_engine.h"

#include "docker/docker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
    struct lat_loop *loop;
    struct engine *engine;
    struct lat_docker *docker;
};

static int set_up(void **state)
{
    struct fixture *f = LAT_NEW(struct fixture);

    f->loop = lat_loop_new(lat_clock_system());
    f->engine = engine_new(f->loop);
    assert_int_equal(0, lat_docker_new(f->loop, engine_host(f->engine), NULL, &f->docker, NULL));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    lat_docker_free(f->docker);
    engine_free(f->engine);
    lat_loop_free(f->loop);
    free(f);
    return 0;
}

/* ---- calls ---- */

struct reply {
    bool done;
    struct lat_err err;
    char *text; /* the reply printed */
};

static void on_reply(void *arg, const cJSON *json, const struct lat_err *err)
{
    struct reply *reply = arg;

    assert_false(reply->done);
    reply->done = true;
    if (err != NULL) {
        reply->err = *err;
    } else {
        reply->text = lat_json_print(json);
    }
}

static void get(struct fixture *f, const char *path, struct reply *reply)
{
    struct lat_docker_request request = {.method = LAT_HTTP_GET, .path = path};

    lat_docker_call(f->docker, &request, on_reply, reply);
}

/* Asks, and expects that code. */
static void expect_code(struct fixture *f, const char *path, int code)
{
    struct reply reply = {0};

    get(f, path, &reply);
    run_until(f->loop, &reply.done);
    assert_int_equal(code, reply.err.code);
    free(reply.text);
}

static void call_asks_for_versions_once_and_uses_its_connection_again(void **state)
{
    struct fixture *f = *state;
    struct reply replies[2] = {0};

    engine_answer(f->engine, "GET /v1.41/info", 200, "{\"NCPU\":2}");
    for (size_t i = 0; i < 2; i++) {
        get(f, "/info", &replies[i]);
        assert_false(replies[i].done);
        run_until(f->loop, &replies[i].done);
        assert_string_equal("{\"NCPU\":2}", replies[i].text);
        free(replies[i].text);
    }
    assert_int_equal(1, engine_count(f->engine, "GET /version"));
    assert_int_equal(1, engine_accepted(f->engine));
    assert_string_equal("20.10.24+dfsg1", lat_docker_version(f->docker)->engine);
}

static void connections_that_nobody_needs_any_more_are_closed_but_one(void **state)
{
    struct fixture *f = *state;
    struct reply replies[4] = {0};

    engine_answer(f->engine, "GET /v1.41/info", 200, "{}");
    expect_code(f, "/info", LAT_OK);
    for (size_t i = 0; i < LAT_COUNT(replies); i++) {
        get(f, "/info", &replies[i]);
    }
    for (size_t i = 0; i < LAT_COUNT(replies); i++) {
        if (!replies[i].done) {
            run_until(f->loop, &replies[i].done);
        }
        free(replies[i].text);
    }
    assert_int_equal(LAT_COUNT(replies), engine_open(f->engine));
    run_for(f->loop, 2 * LAT_DOCKER_IDLE_MS + 200);
    assert_int_equal(1, engine_open(f->engine));
    expect_code(f, "/info", LAT_OK);
    assert_int_equal(LAT_COUNT(replies), engine_accepted(f->engine));
}

static void newer_engines_are_spoken_to_in_the_newest_version_we_know(void **state)
{
    struct fixture *f = *state;

    engine_answer(f->engine, "GET /version", 200, engine_recorded(f->engine, "version-29.0.json"));
    engine_answer(f->engine, "GET /v1.51/info", 200, "{}");
    expect_code(f, "/info", LAT_OK);
    engine_break(f->engine, true);
    engine_answer(f->engine, "GET /version", 200, engine_recorded(f->engine, "version-25.0.json"));
    engine_answer(f->engine, "GET /v1.51/info", 200, "{}");
    engine_manner(f->engine, ENGINE_HANG_UP);
    engine_answer(f->engine, "GET /v1.44/info", 200, "{}");
    run_for(f->loop, 20);
    expect_code(f, "/info", LAT_E_ENGINE_DOWN);
    expect_code(f, "/info", LAT_OK);
}

static void engine_that_speaks_no_version_of_ours_fails_every_call_that_waits(void **state)
{
    struct fixture *f = *state;
    struct reply replies[3] = {0};

    engine_answer(f->engine, "GET /version", 200,
                  "{\"Version\":\"50\",\"ApiVersion\":\"1.70\",\"MinAPIVersion\":\"1.60\"}");
    for (size_t i = 0; i < 3; i++) {
        get(f, "/info", &replies[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        run_until(f->loop, &replies[i].done);
        assert_int_equal(LAT_E_VERSION, replies[i].err.code);
    }
    assert_int_equal(1, engine_count(f->engine, "GET /version"));
    assert_null(lat_docker_version(f->docker));
}

static void missing_engine_is_down_and_found_when_it_comes(void **state)
{
    struct fixture *f = *state;

    engine_break(f->engine, false);
    expect_code(f, "/info", LAT_E_ENGINE_DOWN);
    engine_break(f->engine, true);
    engine_answer(f->engine, "GET /v1.41/info", 200, "{}");
    expect_code(f, "/info", LAT_OK);
}

static void answers_that_cannot_be_read_fail_their_call_alone(void **state)
{
    struct fixture *f = *state;

    engine_answer(f->engine, "GET /v1.41/broken", 200, "{\"a\":");
    engine_answer(f->engine, "GET /v1.41/double", 200, "{\"a\":1,\"a\":2}");
    engine_answer(f->engine, "GET /v1.41/cut", 200, "{\"a\":1}");
    engine_manner(f->engine, ENGINE_CUT);
    engine_answer(f->engine, "GET /v1.41/nothing", 204, "");
    engine_answer(f->engine, "GET /v1.41/unchanged", 304, "");
    engine_answer(f->engine, "GET /v1.41/pieces", 200,
                  "{\"a\":[1,2,3],\"big\":18446744073709551615}\n");
    engine_manner(f->engine, ENGINE_CHUNKED);
    expect_code(f, "/broken", LAT_E_PROTOCOL);
    expect_code(f, "/double", LAT_E_PROTOCOL);
    expect_code(f, "/cut", LAT_E_ENGINE_DOWN);
    expect_code(f, "/nothing", LAT_OK);
    expect_code(f, "/unchanged", LAT_OK);
    expect_code(f, "/pieces", LAT_OK);
}

static void silence_is_given_up_after_the_time_that_was_asked_for(void **state)
{
    struct fixture *f = *state;
    struct reply reply = {0};
    struct lat_docker_request request = {
        .method = LAT_HTTP_GET, .path = "/silent", .timeout_ms = 50};

    engine_answer(f->engine, "GET /v1.41/silent", 200, "");
    engine_manner(f->engine, ENGINE_SILENT);
    lat_docker_call(f->docker, &request, on_reply, &reply);
    run_until(f->loop, &reply.done);
    assert_int_equal(LAT_E_ENGINE_DOWN, reply.err.code);
}

static void short_calls_take_turns_and_slow_ones_do_not_stand_in_their_way(void **state)
{
    enum { MANY = LAT_DOCKER_CONNECTIONS_MAX + 5 };
    struct fixture *f = *state;
    struct reply replies[MANY] = {0};
    struct reply slow = {0};
    struct lat_docker_request request = {.method = LAT_HTTP_GET, .path = "/slow", .slow = true};

    engine_answer(f->engine, "GET /v1.41/silent", 200, "");
    engine_manner(f->engine, ENGINE_SILENT);
    engine_answer(f->engine, "GET /v1.41/slow", 200, "{}");
    for (size_t i = 0; i < MANY; i++) {
        get(f, "/silent", &replies[i]);
    }
    lat_docker_call(f->docker, &request, on_reply, &slow);
    run_until(f->loop, &slow.done);
    run_for(f->loop, 20);
    assert_int_equal(LAT_DOCKER_CONNECTIONS_MAX, engine_count(f->engine, "GET /v1.41/silent"));
    engine_answer(f->engine, "GET /v1.41/silent", 200, "{}");
    engine_break(f->engine, true);
    for (size_t i = 0; i < MANY; i++) {
        run_until(f->loop, &replies[i].done);
        assert_int_equal(i < LAT_DOCKER_CONNECTIONS_MAX ? LAT_E_ENGINE_DOWN : LAT_OK,
                         replies[i].err.code);
        free(replies[i].text);
    }
    free(slow.text);
}

static void calls_past_the_limit_of_those_that_wait_are_busy(void **state)
{
    struct fixture *f = *state;
    size_t count = LAT_DOCKER_WAITING_MAX + 1;
    struct reply *replies = lat_alloc_array(count, sizeof(*replies));

    engine_answer(f->engine, "GET /version", 200, "");
    engine_manner(f->engine, ENGINE_SILENT);
    for (size_t i = 0; i < count; i++) {
        get(f, "/info", &replies[i]);
    }
    assert_false(replies[count - 1].done);
    run_until(f->loop, &replies[count - 1].done);
    assert_int_equal(LAT_E_BUSY, replies[count - 1].err.code);
    assert_false(replies[count - 2].done);
    f->docker = lat_docker_free(f->docker);
    free(replies);
}

static void cancelled_calls_and_a_freed_client_are_silent(void **state)
{
    struct fixture *f = *state;
    struct reply replies[3] = {0};
    struct lat_docker_request request = {.method = LAT_HTTP_GET, .path = "/silent"};

    engine_answer(f->engine, "GET /v1.41/silent", 200, "");
    engine_manner(f->engine, ENGINE_SILENT);
    struct lat_docker_call *call = lat_docker_call(f->docker, &request, on_reply, &replies[0]);

    lat_docker_cancel(call);
    call = lat_docker_call(f->docker, &request, on_reply, &replies[1]);
    get(f, "/silent", &replies[2]);
    run_for(f->loop, 20);
    assert_int_equal(2, engine_count(f->engine, "GET /v1.41/silent"));
    lat_docker_cancel(call);
    f->docker = lat_docker_free(f->docker);
    run_for(f->loop, 20);
    assert_int_equal(0, engine_open(f->engine));
    assert_false(replies[0].done || replies[1].done || replies[2].done);
}

static void other_kinds_of_host_are_refused(void **state)
{
    static const char *const hosts[] = {"tcp://127.0.0.1:2375", "/var/run/docker.sock", "unix://",
                                        "unix://relative", ""};
    struct fixture *f = *state;
    struct lat_docker *docker;
    struct lat_err err;

    for (size_t i = 0; i < LAT_COUNT(hosts); i++) {
        assert_int_equal(LAT_E_INVALID_FIELD,
                         lat_docker_new(f->loop, hosts[i], NULL, &docker, &err));
        assert_string_equal("docker_host", err.field);
    }
}

/* ---- streams of objects ---- */

struct follow {
    struct lat_docker_call *call;
    bool begun;
    bool done;
    bool enough; /* `cancel_at` objects have come */
    int objects;
    int cancel_at;
    struct lat_err err;
};

static void on_begun(void *arg, const struct lat_err *err)
{
    struct follow *follow = arg;

    assert_null(err);
    follow->begun = true;
}

static void on_object(void *arg, const cJSON *object)
{
    struct follow *follow = arg;

    follow->objects++;
    assert_int_equal(follow->objects, lat_json_int(object, "n", 0));
    if (follow->objects == follow->cancel_at) {
        follow->enough = true;
        lat_docker_cancel(follow->call);
    }
}

static void on_followed(void *arg, const struct lat_err *err)
{
    struct follow *follow = arg;

    assert_false(follow->done);
    follow->done = true;
    if (err != NULL) {
        follow->err = *err;
    }
}

static void follow_start(struct fixture *f, const char *path, struct follow *follow)
{
    struct lat_docker_request request = {.method = LAT_HTTP_GET, .path = path, .slow = true};

    follow->call = lat_docker_follow(f->docker, &request, on_begun, on_object, on_followed, follow);
}

static void objects_come_one_by_one_however_they_are_cut(void **state)
{
    struct fixture *f = *state;
    struct follow follow = {0};

    engine_answer(f->engine, "GET /v1.41/events", 200,
                  "{\"n\":1}\n{\"n\":2}\r\n\n{\"n\":3}\n{\"n\":");
    engine_manner(f->engine, ENGINE_OPEN);
    follow_start(f, "/events", &follow);
    run_for(f->loop, 20);
    assert_true(follow.begun);
    assert_int_equal(3, follow.objects);
    engine_more(f->engine, "4}\n");
    run_for(f->loop, 20);
    assert_int_equal(4, follow.objects);
    assert_false(follow.done);
    engine_break(f->engine, true);
    run_until(f->loop, &follow.done);
    assert_int_equal(LAT_E_ENGINE_DOWN, follow.err.code);
}

static void stream_can_be_left_within_an_object(void **state)
{
    struct fixture *f = *state;
    struct follow follow = {.cancel_at = 2};

    engine_answer(f->engine, "GET /v1.41/events", 200, "");
    engine_manner(f->engine, ENGINE_OPEN);
    follow_start(f, "/events", &follow);
    run_for(f->loop, 20);
    engine_more(f->engine, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
    run_until(f->loop, &follow.enough);
    run_for(f->loop, 20);
    assert_int_equal(2, follow.objects);
    assert_false(follow.done);
    assert_int_equal(0, engine_open(f->engine));
}

static void line_that_never_ends_is_given_up_at_its_limit(void **state)
{
    struct fixture *f = *state;
    struct follow follow = {0};
    char *long_text = lat_alloc(LAT_DOCKER_LINE_BYTES_MAX + 1);

    memset(long_text, ' ', LAT_DOCKER_LINE_BYTES_MAX);
    engine_answer(f->engine, "GET /v1.41/events", 200, "");
    engine_manner(f->engine, ENGINE_OPEN);
    follow_start(f, "/events", &follow);
    run_for(f->loop, 20);
    engine_more(f->engine, long_text);
    run_for(f->loop, 50);
    assert_false(follow.done);
    engine_more(f->engine, " ");
    run_until(f->loop, &follow.done);
    assert_int_equal(LAT_E_PROTOCOL, follow.err.code);
    free(long_text);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(call_asks_for_versions_once_and_uses_its_connection_again),
        CASE(connections_that_nobody_needs_any_more_are_closed_but_one),
        CASE(newer_engines_are_spoken_to_in_the_newest_version_we_know),
        CASE(engine_that_speaks_no_version_of_ours_fails_every_call_that_waits),
        CASE(missing_engine_is_down_and_found_when_it_comes),
        CASE(answers_that_cannot_be_read_fail_their_call_alone),
        CASE(silence_is_given_up_after_the_time_that_was_asked_for),
        CASE(short_calls_take_turns_and_slow_ones_do_not_stand_in_their_way),
        CASE(calls_past_the_limit_of_those_that_wait_are_busy),
        CASE(cancelled_calls_and_a_freed_client_are_silent),
        CASE(other_kinds_of_host_are_refused),
        CASE(objects_come_one_by_one_however_they_are_cut),
        CASE(stream_can_be_left_within_an_object),
        CASE(line_that_never_ends_is_given_up_at_its_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
