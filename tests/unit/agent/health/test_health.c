/* Verdicts of health: by commands of the mock on a simulated clock, by HTTP and TCP against a server on a real one. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "agent/driver/mock.h"
#include "agent/health/health.h"
#include "base/mem.h"
#include "base/text.h"
#include "io/net.h"
#include "tests/unit/waiting.h"

#include <stdlib.h>
#include <string.h>

#define ONE "019aa1b2-0000-7000-8000-00000000a110"

enum { VERDICTS_MAX = 16 };

struct fixture {
    int64_t now_ns;
    struct lat_clock clock;
    struct lat_loop *loop;
    struct lat_mock *mock;
    struct lat_driver *driver;
    struct lat_healths *healths;
    struct lat_health *health;
    struct lat_driver_status status;
    bool verdicts[VERDICTS_MAX];
    int64_t at_ms[VERDICTS_MAX]; /* since the test began */
    size_t count;
    char reason[LAT_ERR_SENTENCE_MAX];
    bool judged;
    /* a server */
    struct lat_listener *listener;
    const char *reply; /* NULL: it never answers */
    int connections, closed;
    struct lat_stream *dripping; /* the newest connection */
    struct lat_buf request;
};

/* ---- time ---- */

static int64_t wall_ms(void *arg)
{
    return ((struct fixture *)arg)->now_ns / 1000000;
}

static int64_t boot_ns(void *arg)
{
    return ((struct fixture *)arg)->now_ns;
}

static void advance(struct fixture *f, int64_t ms)
{
    int64_t until_ns = f->now_ns + ms * 1000000;

    for (;;) {
        int64_t next_ms;

        while (lat_loop_turn(f->loop)) {
        }
        next_ms = lat_loop_next_ms(f->loop);
        if (next_ms < 0 || f->now_ns + next_ms * 1000000 > until_ns) {
            break;
        }
        f->now_ns += next_ms * 1000000;
    }
    f->now_ns = until_ns;
}

/* ---- fixture ---- */

static void on_container(void *arg, const char *allocation)
{
    (void)arg;
    (void)allocation;
}

static void on_engine(void *arg, bool up, const struct lat_err *err)
{
    (void)arg;
    (void)up;
    (void)err;
}

static const struct lat_driver_events driver_events = {.on_container = on_container,
                                                       .on_engine = on_engine};

static void started(void *arg, const struct lat_driver_status *status, const struct lat_err *err)
{
    assert_null(err);
    ((struct fixture *)arg)->status = *status;
}

static void progressed(void *arg, const char *phase, const char *text)
{
    (void)arg;
    (void)phase;
    (void)text;
}

static struct fixture *make(const struct lat_clock *clock)
{
    struct fixture *f = LAT_NEW(struct fixture);
    struct lat_driver_options options = {.node_id = ONE, .events = &driver_events, .arg = f};
    cJSON *container = cJSON_Parse("{\"image\":\"web:1\"}");
    struct lat_driver_task task = {.allocation = ONE,
                                   .workload = ONE,
                                   .workload_name = "web",
                                   .project = ONE,
                                   .project_name = "main",
                                   .request_id = "",
                                   .container = container};

    f->now_ns = INT64_C(3600000000000);
    f->clock = (struct lat_clock){.wall_ms = wall_ms, .boot_ns = boot_ns, .arg = f};
    f->loop = lat_loop_new(clock ? clock : &f->clock);
    f->mock = lat_mock_new(f->loop);
    options.loop = f->loop;
    lat_driver_new_mock(&options, f->mock, &f->driver);
    f->healths = lat_healths_new(f->loop, f->driver);
    f->driver->class->start(f->driver, &task, progressed, started, f);
    while (!f->status.running) {
        lat_loop_turn(f->loop);
    }
    cJSON_Delete(container);
    return f;
}

static int set_up(void **state)
{
    *state = make(NULL);
    return 0;
}

static int set_up_real(void **state)
{
    *state = make(lat_clock_system());
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    lat_health_stop(f->health);
    lat_listener_free(f->listener);
    lat_driver_free(f->driver);
    lat_healths_free(f->healths);
    lat_mock_free(f->mock);
    lat_loop_free(f->loop);
    assert_int_equal(f->connections, f->closed);
    lat_buf_done(&f->request);
    free(f);
    return 0;
}

static void verdict(void *arg, bool healthy, const char *reason)
{
    struct fixture *f = arg;

    assert_true(f->count < VERDICTS_MAX);
    f->at_ms[f->count] = f->now_ns / 1000000 - 3600000;
    f->verdicts[f->count++] = healthy;
    lat_text_bound(f->reason, sizeof(f->reason), reason);
    f->judged = true;
}

static void begin(struct fixture *f, const char *check, bool was_healthy)
{
    cJSON *json = cJSON_Parse(check);

    f->health = lat_health_start(f->healths, ONE, json, &f->status, was_healthy, verdict, f);
    cJSON_Delete(json);
}

#define EXEC                                                                                       \
    "{\"kind\":\"exec\",\"command\":[\"ready\"],\"interval_ms\":1000,\"timeout_ms\":1000,"         \
    "\"start_ms\":3000,\"failures\":3}"

/* ---- verdicts ---- */

static void the_first_good_probe_makes_it_healthy(void **state)
{
    struct fixture *f = *state;

    lat_mock_exec_answer(f->mock, 1, "no");
    begin(f, EXEC, false);
    advance(f, 1000);
    assert_int_equal(f->count, 0); /* it is merely starting */
    lat_mock_exec_answer(f->mock, 0, "");
    advance(f, 1000);
    assert_int_equal(f->count, 1);
    assert_true(f->verdicts[0]);
    advance(f, 10000);
    assert_int_equal(f->count, 1); /* only changes are told */
}

static void the_first_probes_come_fast_and_then_at_the_interval(void **state)
{
    struct fixture *f = *state;
    size_t eager;

    lat_mock_exec_answer(f->mock, 1, "no");
    begin(f, EXEC, false);
    advance(f, 1000);
    eager = lat_mock_count(f->mock, LAT_MOCK_EXEC);
    assert_in_range(eager, 5, 8); /* at 0, 75, 187, 355, 607, 985 ms */
    lat_mock_exec_answer(f->mock, 0, "");
    advance(f, 1000);
    eager = lat_mock_count(f->mock, LAT_MOCK_EXEC);
    advance(f, 10000);
    assert_in_range(lat_mock_count(f->mock, LAT_MOCK_EXEC) - eager, 9, 11);
}

static void one_that_never_was_healthy_is_unhealthy_after_its_start_time(void **state)
{
    struct fixture *f = *state;

    lat_mock_exec_answer(f->mock, 7, "no such table");
    begin(f, EXEC, false);
    advance(f, 2900);
    assert_int_equal(f->count, 0);
    advance(f, 2000);
    assert_int_equal(f->count, 1);
    assert_false(f->verdicts[0]);
    assert_in_range(f->at_ms[0], 3000, 4000);
    assert_string_equal(f->reason, "ready answers with status 7: no such table");
    lat_mock_exec_answer(f->mock, 0, "");
    advance(f, 1000);
    assert_int_equal(f->count, 2);
    assert_true(f->verdicts[1]);
}

static void a_healthy_one_is_unhealthy_after_failures_in_a_row_and_not_before(void **state)
{
    struct fixture *f = *state;

    begin(f, EXEC, true);
    advance(f, 0);
    assert_int_equal(f->count, 0); /* it was healthy, and is */
    lat_mock_exec_answer(f->mock, 1, "no");
    advance(f, 2000);
    assert_int_equal(f->count, 0); /* two bad ones */
    lat_mock_exec_answer(f->mock, 0, "");
    advance(f, 1000);
    lat_mock_exec_answer(f->mock, 1, "no");
    advance(f, 2000);
    assert_int_equal(f->count, 0); /* a good one between them began the count anew */
    advance(f, 1000);
    assert_int_equal(f->count, 1);
    assert_false(f->verdicts[0]);
    lat_mock_exec_answer(f->mock, 0, "");
    advance(f, 1000);
    assert_true(f->verdicts[1]);
}

static void a_command_that_cannot_be_run_is_a_bad_probe(void **state)
{
    struct fixture *f = *state;

    lat_mock_fail(f->mock, LAT_MOCK_EXEC, LAT_E_TIMEOUT, "The command did not end in time.", -1);
    begin(f, EXEC, true);
    advance(f, 3000);
    assert_int_equal(f->count, 1);
    assert_string_equal(f->reason, "The command did not end in time.");
}

static void nothing_comes_after_a_stop_during_a_probe(void **state)
{
    struct fixture *f = *state;

    lat_mock_delay(f->mock, LAT_MOCK_EXEC, 100);
    begin(f, EXEC, false);
    advance(f, 50);
    f->health = lat_health_stop(f->health);
    advance(f, 1000);
    assert_int_equal(f->count, 0);
}

static void a_driver_that_goes_during_a_probe_leaves_nothing(void **state)
{
    struct fixture *f = *state;

    lat_mock_delay(f->mock, LAT_MOCK_EXEC, 100);
    begin(f, EXEC, false);
    advance(f, 50);
    assert_int_equal(lat_mock_count(f->mock, LAT_MOCK_EXEC), 1); /* tear_down does the rest */
}

/* ---- HTTP and TCP, in real time ---- */

struct client {
    struct fixture *fixture;
    struct lat_stream *stream;
};

static void client_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct client *client = arg;
    struct fixture *f = client->fixture;

    lat_buf_add(&f->request, bytes, len);
    if (f->reply) {
        lat_stream_write(client->stream, f->reply, strlen(f->reply));
        lat_stream_end(client->stream);
    }
}

static void client_closed(void *arg, const struct lat_err *err)
{
    struct client *client = arg;

    (void)err;
    client->fixture->closed++;
    if (client->fixture->dripping == client->stream) {
        client->fixture->dripping = NULL;
    }
    free(client);
}

static const struct lat_stream_events client_events = {.on_data = client_data,
                                                       .on_close = client_closed};

static void accepted(void *arg, struct lat_stream *stream)
{
    struct client *client = LAT_NEW(struct client);

    client->fixture = arg;
    client->stream = stream;
    client->fixture->connections++;
    client->fixture->dripping = stream;
    lat_stream_set_events(stream, &client_events, client);
    lat_stream_resume(stream);
}

static void serve(struct fixture *f, const char *reply)
{
    struct lat_err err;

    f->reply = reply;
    assert_int_equal(
        lat_tcp_listen(f->loop, "127.0.0.1", 0, false, accepted, f, &f->listener, &err), 0);
    f->status.port_count = 1;
    lat_text_bound(f->status.ports[0].name, sizeof(f->status.ports[0].name), "web");
    f->status.ports[0].port = lat_listener_port(f->listener);
}

static void wait(struct fixture *f)
{
    assert_true(lat_loop_run_until(f->loop, &f->judged, WAITING_MS));
}

#define HTTP_WITHIN(ms)                                                                            \
    "{\"kind\":\"http\",\"port\":\"web\",\"path\":\"/ready?x=1\",\"interval_ms\":100,"             \
    "\"timeout_ms\":" ms ",\"start_ms\":0}"
#define HTTP HTTP_WITHIN("60000") /* what answers does, however late the machine gives it a turn */
#define TCP                                                                                        \
    "{\"kind\":\"tcp\",\"port\":\"web\",\"interval_ms\":100,\"timeout_ms\":60000,\"start_ms\":0}"

static void an_answer_below_400_is_healthy(void **state)
{
    struct fixture *f = *state;

    serve(f, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /\r\n\r\n");
    begin(f, HTTP, false);
    wait(f);
    assert_true(f->verdicts[0]);
    assert_true(lat_text_starts(lat_buf_text(&f->request), "GET /ready?x=1 HTTP/1.1\r\n"));
}

static void an_answer_of_an_error_is_not(void **state)
{
    struct fixture *f = *state;

    serve(f, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    begin(f, HTTP, false);
    wait(f);
    assert_false(f->verdicts[0]);
    assert_string_equal(f->reason, "GET /ready?x=1 answers 503");
}

static void an_answer_that_is_not_http_or_too_long_is_not(void **state)
{
    struct fixture *f = *state;
    struct lat_buf reply = {0};

    serve(f, "SSH-2.0-OpenSSH_9\r\n");
    begin(f, HTTP, false);
    wait(f);
    assert_false(f->verdicts[0]);
    f->health = lat_health_stop(f->health);

    lat_buf_add_text(&reply, "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n");
    for (int i = 0; i < 200000; i++) {
        lat_buf_add_byte(&reply, 'x');
    }
    f->reply = lat_buf_text(&reply);
    f->judged = false;
    begin(f, HTTP, false);
    wait(f);
    assert_false(f->verdicts[1]);
    f->health = lat_health_stop(f->health);
    lat_buf_done(&reply);
}

static void a_server_that_never_answers_is_not(void **state)
{
    struct fixture *f = *state;

    serve(f, NULL);
    begin(f, HTTP_WITHIN("200"), false);
    wait(f);
    assert_false(f->verdicts[0]);
}

static void drip(void *arg)
{
    struct fixture *f = arg;

    if (f->dripping) {
        lat_stream_write(f->dripping, "x", 1);
    }
}

static void an_answer_that_never_ends_is_not(void **state)
{
    struct fixture *f = *state;
    struct lat_timer timer;

    serve(f, NULL);
    lat_timer_init(&timer, f->loop, drip, f);
    lat_timer_start(&timer, 20, 20);
    begin(f, HTTP_WITHIN("200"), false);
    wait(f);
    assert_false(f->verdicts[0]);
    assert_string_equal(f->reason, "it did not answer in time");
    lat_timer_done(&timer);
}

static void a_port_that_takes_connections_is_healthy_by_tcp(void **state)
{
    struct fixture *f = *state;

    serve(f, "");
    begin(f, TCP, false);
    wait(f);
    assert_true(f->verdicts[0]);
}

static void a_closed_port_and_a_port_that_is_not_published_are_not(void **state)
{
    struct fixture *f = *state;

    serve(f, "");
    f->listener = lat_listener_free(f->listener);
    begin(f, TCP, false);
    wait(f);
    assert_false(f->verdicts[0]);
    f->health = lat_health_stop(f->health);
    f->status.port_count = 0;
    f->judged = false;
    begin(f, TCP, false);
    wait(f);
    assert_false(f->verdicts[1]);
}

static void a_probe_that_is_connected_is_cut_by_a_stop(void **state)
{
    struct fixture *f = *state;

    serve(f, NULL);
    begin(f, HTTP, false);
    for (int i = 0; i < WAITING_MS && f->request.len == 0; i++) {
        bool never = false;

        lat_loop_run_until(f->loop, &never, 1);
    }
    assert_true(f->request.len > 0);
    f->health = lat_health_stop(f->health); /* tear_down counts that the connection is gone */
    assert_int_equal(f->count, 0);
}

int main(void)
{
#define SIMULATED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define REAL(test) cmocka_unit_test_setup_teardown(test, set_up_real, tear_down)
    const struct CMUnitTest tests[] = {
        SIMULATED(the_first_good_probe_makes_it_healthy),
        SIMULATED(the_first_probes_come_fast_and_then_at_the_interval),
        SIMULATED(one_that_never_was_healthy_is_unhealthy_after_its_start_time),
        SIMULATED(a_healthy_one_is_unhealthy_after_failures_in_a_row_and_not_before),
        SIMULATED(a_command_that_cannot_be_run_is_a_bad_probe),
        SIMULATED(nothing_comes_after_a_stop_during_a_probe),
        SIMULATED(a_driver_that_goes_during_a_probe_leaves_nothing),
        REAL(an_answer_below_400_is_healthy),
        REAL(an_answer_of_an_error_is_not),
        REAL(an_answer_that_is_not_http_or_too_long_is_not),
        REAL(a_server_that_never_answers_is_not),
        REAL(an_answer_that_never_ends_is_not),
        REAL(a_port_that_takes_connections_is_healthy_by_tcp),
        REAL(a_closed_port_and_a_port_that_is_not_published_are_not),
        REAL(a_probe_that_is_connected_is_cut_by_a_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
