/* The client against recorded answers on a socket: what takes more than one call, or more than JSON. */
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

/* ---- pulls ---- */

struct pull {
    bool done;
    struct lat_err err;
    int64_t done_bytes;
    int64_t total_bytes;
    int news;
};

static void on_progress(void *arg, int64_t done_bytes, int64_t total_bytes)
{
    struct pull *pull = arg;

    assert_true(done_bytes <= total_bytes);
    pull->done_bytes = done_bytes;
    pull->total_bytes = total_bytes;
    pull->news++;
}

static void on_pulled(void *arg, const struct lat_err *err)
{
    struct pull *pull = arg;

    pull->done = true;
    if (err != NULL) {
        pull->err = *err;
    }
}

static void pull_image(struct fixture *f, const char *image, struct pull *pull)
{
    *pull = (struct pull){0};
    lat_docker_pull(f->docker, image, on_progress, on_pulled, pull);
    run_until(f->loop, &pull->done);
}

static const char two_layers[] =
    "{\"status\":\"Pulling from library/web\",\"id\":\"1\"}\r\n"
    "{\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"aaa\"}\r\n"
    "{\"status\":\"Already exists\",\"progressDetail\":{},\"id\":\"ccc\"}\r\n"
    "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":100,\"total\":1000},\"id\":\"aaa\"}\r\n"
    "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":50,\"total\":500},\"id\":\"bbb\"}\r\n"
    "{\"status\":\"Verifying Checksum\",\"progressDetail\":{},\"id\":\"aaa\"}\r\n"
    "{\"status\":\"Download complete\",\"progressDetail\":{},\"id\":\"aaa\"}\r\n"
    "{\"status\":\"Extracting\",\"progressDetail\":{\"current\":1,\"total\":1000},\"id\":\"aaa\"}\r\n"
    "{\"status\":\"Pull complete\",\"progressDetail\":{},\"id\":\"bbb\"}\r\n"
    "{\"status\":\"Status: Downloaded newer image for web:1\"}\r\n";

static void pull_sums_its_layers(void **state)
{
    struct fixture *f = *state;
    struct pull pull;

    engine_answer(f->engine, "POST /v1.41/images/create?fromImage=web%3A1", 200, two_layers);
    engine_manner(f->engine, ENGINE_CHUNKED);
    pull_image(f, "web:1", &pull);
    assert_int_equal(LAT_OK, pull.err.code);
    assert_int_equal(1500, pull.done_bytes);
    assert_int_equal(1500, pull.total_bytes);
    assert_int_equal(4, pull.news);
}

static void image_without_tag_is_the_latest_and_never_all(void **state)
{
    static const char *const cases[][2] = {
        {"web", "web%3Alatest"},
        {"host:5000/web", "host%3A5000%2Fweb%3Alatest"},
        {"host:5000/web:2", "host%3A5000%2Fweb%3A2"},
        {"web@sha256:00", "web%40sha256%3A00"},
    };
    struct fixture *f = *state;
    struct pull pull;

    engine_answer(f->engine, "POST /v1.41/images/create", 200, "{\"status\":\"ok\"}\n");
    for (size_t i = 0; i < LAT_COUNT(cases); i++) {
        char target[128];

        pull_image(f, cases[i][0], &pull);
        assert_int_equal(LAT_OK, pull.err.code);
        snprintf(target, sizeof(target), "/v1.41/images/create?fromImage=%s", cases[i][1]);
        assert_string_equal(target, engine_target(f->engine, "POST "));
    }
}

static void failed_pulls_say_why(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum engine_manner manner;
        int code;
        const char *says;
    } cases[] = {
        {404, "{\"message\":\"manifest for web:9 not found: manifest unknown\"}", ENGINE_CHUNKED,
         LAT_E_NO_IMAGE, "manifest unknown"},
        {404, "{\"message\":\"pull access denied for x, repository does not exist\"}",
         ENGINE_CHUNKED, LAT_E_NO_IMAGE, "access denied"},
        {500, "{\"message\":\"Get \\\"https://r/v2/\\\": dial tcp: lookup r: no such host\"}",
         ENGINE_CHUNKED, LAT_E_NO_IMAGE, "no such host"},
        {200,
         "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1,\"total\":2},\"id\":\"a\"}\n"
         "{\"errorDetail\":{\"message\":\"failed to register layer: write /x: no space left on "
         "device\"},\"error\":\"failed to register layer: write /x: no space left on device\"}\n",
         ENGINE_CHUNKED, LAT_E_NO_SPACE, "no space left"},
        {200, "{\"error\":\"unauthorized: authentication required\"}\n", ENGINE_CHUNKED,
         LAT_E_NO_IMAGE, "unauthorized"},
        {200, "{\"status\":\"Pulling fs layer\",\"id\":\"a\"}\n", ENGINE_CUT, LAT_E_ENGINE_DOWN,
         NULL},
        {200, "not json\n", ENGINE_CHUNKED, LAT_E_PROTOCOL, NULL},
    };
    struct fixture *f = *state;
    struct pull pull;

    for (size_t i = 0; i < LAT_COUNT(cases); i++) {
        engine_answer(f->engine, "POST /v1.41/images/create", cases[i].status, cases[i].body);
        engine_manner(f->engine, cases[i].manner);
        pull_image(f, "web:1", &pull);
        assert_int_equal(cases[i].code, pull.err.code);
        if (cases[i].says != NULL) {
            assert_non_null(strstr(pull.err.sentence, cases[i].says));
        }
    }
}

/* ---- logs ---- */

struct log {
    struct lat_stream *stream;
    bool opened;
    bool ended;
    bool closed;
    struct lat_buf text;
    struct lat_err err;
    struct lat_err close_err;
};

static void on_log_data(void *arg, const uint8_t *bytes, size_t len)
{
    lat_buf_add(&((struct log *)arg)->text, bytes, len);
}

static void on_log_end(void *arg)
{
    struct log *log = arg;

    log->ended = true;
    lat_stream_end(log->stream);
}

static void on_log_close(void *arg, const struct lat_err *err)
{
    struct log *log = arg;

    assert_false(log->closed);
    log->closed = true;
    log->close_err = *err;
}

static const struct lat_stream_events log_events = {
    .on_data = on_log_data, .on_end = on_log_end, .on_close = on_log_close};

static void on_log(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct log *log = arg;

    log->opened = true;
    log->stream = stream;
    if (err != NULL) {
        log->err = *err;
    } else {
        lat_stream_set_events(stream, &log_events, log);
    }
}

static const char framed[] = "\1\0\0\0\0\0\0\5tick\n\2\0\0\0\0\0\0\5tock\n";

static void log_is_text_without_frames_and_ends(void **state)
{
    struct fixture *f = *state;
    struct log log = {0};

    engine_answer(f->engine,
                  "GET /v1.41/containers/x/logs?stdout=1&stderr=1&follow=0&timestamps=1&tail=5",
                  200, "");
    engine_manner(f->engine, ENGINE_CHUNKED);
    engine_bytes(f->engine, framed, sizeof(framed) - 1);
    lat_docker_logs(f->docker, "x",
                    &(struct lat_docker_log){.follow = false, .tail = 5, .timestamps = true},
                    on_log, &log);
    run_until(f->loop, &log.opened);
    run_for(f->loop, 20);
    assert_int_equal(0, log.text.len); /* paused */
    lat_stream_resume(log.stream);
    run_until(f->loop, &log.closed);
    assert_string_equal("tick\ntock\n", lat_buf_text(&log.text));
    assert_true(log.ended);
    assert_int_equal(LAT_OK, log.close_err.code);
    lat_buf_done(&log.text);
}

static void followed_log_is_slowed_by_its_reader_and_ended_by_closing(void **state)
{
    struct fixture *f = *state;
    struct log log = {0};

    engine_answer(f->engine, "GET /v1.41/containers/x/logs", 200, "");
    engine_manner(f->engine, ENGINE_OPEN);
    lat_docker_logs(f->docker, "x",
                    &(struct lat_docker_log){.follow = true, .tail = -1, .timestamps = false},
                    on_log, &log);
    run_until(f->loop, &log.opened);
    assert_null(strstr(engine_target(f->engine, "GET /v1.41/containers"), "tail"));
    lat_stream_end(log.stream); /* a reader has nothing to say; the log goes on */
    lat_stream_resume(log.stream);
    engine_more_bytes(f->engine, framed, sizeof(framed) - 1);
    run_for(f->loop, 20);
    assert_string_equal("tick\ntock\n", lat_buf_text(&log.text));
    lat_stream_pause(log.stream);
    engine_more_bytes(f->engine, framed, sizeof(framed) - 1);
    run_for(f->loop, 20);
    assert_int_equal(10, log.text.len);
    lat_stream_close(log.stream);
    assert_false(log.closed);
    run_until(f->loop, &log.closed);
    run_for(f->loop, 20);
    assert_int_equal(LAT_OK, log.close_err.code);
    assert_int_equal(0, engine_open(f->engine));
    lat_buf_done(&log.text);
}

static void log_that_breaks_off_closes_with_the_reason(void **state)
{
    struct fixture *f = *state;
    struct log broken = {0};
    struct log garbled = {0};
    struct log missing = {0};
    struct log left = {0};

    engine_answer(f->engine, "GET /v1.41/containers/x/logs", 200, "");
    engine_manner(f->engine, ENGINE_OPEN);
    engine_answer(f->engine, "GET /v1.41/containers/y/logs", 200, "no frames here");
    engine_manner(f->engine, ENGINE_CHUNKED);
    engine_answer(f->engine, "GET /v1.41/containers/z/logs", 404,
                  "{\"message\":\"No such container: z\"}");
    lat_docker_logs(f->docker, "x",
                    &(struct lat_docker_log){.follow = true, .tail = -1, .timestamps = false},
                    on_log, &broken);
    lat_docker_logs(f->docker, "y",
                    &(struct lat_docker_log){.follow = true, .tail = -1, .timestamps = false},
                    on_log, &garbled);
    lat_docker_logs(f->docker, "z",
                    &(struct lat_docker_log){.follow = true, .tail = -1, .timestamps = false},
                    on_log, &missing);
    run_until(f->loop, &broken.opened);
    run_until(f->loop, &garbled.opened);
    run_until(f->loop, &missing.opened);
    assert_int_equal(LAT_E_NOT_FOUND, missing.err.code);
    lat_stream_resume(broken.stream);
    lat_stream_resume(garbled.stream);
    run_until(f->loop, &garbled.closed);
    assert_int_equal(LAT_E_PROTOCOL, garbled.close_err.code);
    engine_break(f->engine, true);
    run_until(f->loop, &broken.closed);
    assert_int_equal(LAT_E_ENGINE_DOWN, broken.close_err.code);
    lat_docker_logs(f->docker, "x",
                    &(struct lat_docker_log){.follow = true, .tail = -1, .timestamps = false},
                    on_log, &left);
    run_until(f->loop, &left.opened);
    f->docker = lat_docker_free(f->docker);
    run_until(f->loop, &left.closed);
    assert_int_equal(LAT_E_CANCELLED, left.close_err.code);
}

/* ---- commands ---- */

struct command {
    bool done;
    int64_t exit_status;
    char output[64];
    struct lat_err err;
};

static void on_command(void *arg, int64_t exit_status, const char *output,
                       const struct lat_err *err)
{
    struct command *command = arg;

    assert_false(command->done);
    command->done = true;
    command->exit_status = exit_status;
    snprintf(command->output, sizeof(command->output), "%s", output);
    if (err != NULL) {
        command->err = *err;
    }
}

static const char *const words[] = {"pg_isready", "-q", NULL};

static void command_gives_status_and_the_beginning_of_its_output(void **state)
{
    struct fixture *f = *state;
    struct command command = {0};

    engine_answer(f->engine, "POST /v1.41/containers/x/exec", 201, "{\"Id\":\"e1\"}");
    engine_answer(f->engine, "POST /v1.41/exec/e1/start", 200, "");
    engine_manner(f->engine, ENGINE_UNTIL_EOF);
    engine_bytes(f->engine, framed, sizeof(framed) - 1);
    engine_next(f->engine, "GET /v1.41/exec/e1/json", 200, "{\"Running\":true,\"ExitCode\":null}");
    engine_answer(f->engine, "GET /v1.41/exec/e1/json", 200, "{\"Running\":false,\"ExitCode\":3}");
    lat_docker_exec(f->docker, "x", words, 5000, 7, on_command, &command);
    run_until(f->loop, &command.done);
    assert_int_equal(LAT_OK, command.err.code);
    assert_int_equal(3, command.exit_status);
    assert_string_equal("tick\nto", command.output);
    assert_string_equal(
        "{\"AttachStdout\":true,\"AttachStderr\":true,\"Cmd\":[\"pg_isready\",\"-q\"]}",
        engine_body(f->engine, "POST /v1.41/containers/x/exec"));
}

static void command_that_does_not_end_is_given_up(void **state)
{
    struct fixture *f = *state;
    struct command command = {0};

    engine_answer(f->engine, "POST /v1.41/containers/x/exec", 201, "{\"Id\":\"e1\"}");
    engine_answer(f->engine, "POST /v1.41/exec/e1/start", 200, "");
    engine_manner(f->engine, ENGINE_OPEN);
    lat_docker_exec(f->docker, "x", words, 60, 7, on_command, &command);
    run_until(f->loop, &command.done);
    assert_int_equal(LAT_E_TIMEOUT, command.err.code);
    assert_string_equal("", command.output);
}

static void command_fails_where_its_container_or_engine_does(void **state)
{
    struct fixture *f = *state;
    struct command stopped = {0};
    struct command broken = {0};
    struct command left = {0};

    engine_answer(f->engine, "POST /v1.41/containers/x/exec", 409,
                  "{\"message\":\"Container x is not running\"}");
    lat_docker_exec(f->docker, "x", words, 5000, 7, on_command, &stopped);
    run_until(f->loop, &stopped.done);
    assert_int_equal(LAT_E_CONFLICT, stopped.err.code);
    engine_answer(f->engine, "POST /v1.41/containers/y/exec", 201, "{\"Id\":\"e2\"}");
    engine_answer(f->engine, "POST /v1.41/exec/e2/start", 200, "");
    engine_manner(f->engine, ENGINE_HANG_UP);
    lat_docker_exec(f->docker, "y", words, 5000, 7, on_command, &broken);
    run_until(f->loop, &broken.done);
    assert_int_equal(LAT_E_ENGINE_DOWN, broken.err.code);
    engine_answer(f->engine, "POST /v1.41/exec/e2/start", 200, "");
    engine_manner(f->engine, ENGINE_OPEN);
    lat_docker_exec(f->docker, "y", words, 5000, 7, on_command, &left);
    run_for(f->loop, 20);
    f->docker = lat_docker_free(f->docker);
    assert_false(left.done);
}

/* ---- measurements ---- */

struct measure {
    bool done;
    struct lat_docker_stats stats;
    struct lat_err err;
};

static void on_stats(void *arg, const struct lat_docker_stats *stats, const struct lat_err *err)
{
    struct measure *measure = arg;

    measure->done = true;
    if (err != NULL) {
        measure->err = *err;
    } else {
        measure->stats = *stats;
    }
}

static void measure(struct fixture *f, const char *answer, struct measure *measure)
{
    *measure = (struct measure){0};
    engine_answer(f->engine, "GET /v1.41/containers/x/stats?stream=false", 200, answer);
    lat_docker_stats(f->docker, "x", false, on_stats, measure);
    run_until(f->loop, &measure->done);
}

static void stats_of_both_kinds_of_control_groups_are_understood(void **state)
{
    struct fixture *f = *state;
    struct measure m;

    measure(f, engine_recorded(f->engine, "stats-cgroup1.json"), &m);
    /* 1,503,116 ns of processor in 1,005 ms */
    assert_true(m.stats.cpu_percent > 0.149 && m.stats.cpu_percent < 0.150);
    assert_int_equal(757760, m.stats.memory_bytes);
    assert_int_equal(25276510208, m.stats.memory_limit_bytes);
    assert_int_equal(572, m.stats.network_rx_bytes);
    assert_int_equal(2, m.stats.pids);
    measure(f, engine_recorded(f->engine, "stats-cgroup2.json"), &m);
    assert_int_equal(52428800 - 20971520, m.stats.memory_bytes);
    assert_int_equal(67108864, m.stats.memory_limit_bytes);
}

static void stats_at_once_are_totals(void **state)
{
    struct fixture *f = *state;
    struct measure m = {0};

    engine_answer(
        f->engine, "GET /v1.41/containers/x/stats?stream=false&one-shot=true", 200,
        "{\"read\":\"2026-11-21T01:04:15.470693494Z\",\"preread\":\"0001-01-01T00:00:00Z\","
        "\"blkio_stats\":{\"io_service_bytes_recursive\":[{\"op\":\"Read\",\"value\":7},"
        "{\"op\":\"Write\",\"value\":11},{\"op\":\"write\",\"value\":1},{\"op\":\"Sync\",\"value\":9}]},"
        "\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":30767611}},"
        "\"precpu_stats\":{\"cpu_usage\":{\"total_usage\":0}},\"memory_stats\":{\"usage\":5}}");
    lat_docker_stats(f->docker, "x", true, on_stats, &m);
    run_until(f->loop, &m.done);
    assert_int_equal(LAT_OK, m.err.code);
    assert_true(m.stats.cpu_percent == 0);
    assert_int_equal(30767611, m.stats.cpu_ns);
    assert_int_equal(7, m.stats.block_read_bytes);
    assert_int_equal(12, m.stats.block_written_bytes);
    assert_int_equal(5, m.stats.memory_bytes);
}

static void stats_of_a_stopped_container_are_nothing(void **state)
{
    struct fixture *f = *state;
    struct measure m;

    measure(
        f,
        "{\"read\":\"0001-01-01T00:00:00Z\",\"preread\":\"0001-01-01T00:00:00Z\",\"pids_stats\":{},"
        "\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":0}},\"precpu_stats\":{\"cpu_usage\":"
        "{\"total_usage\":0}},\"memory_stats\":{}}",
        &m);
    assert_int_equal(LAT_OK, m.err.code);
    assert_true(m.stats.cpu_percent == 0 && m.stats.memory_bytes == 0 && m.stats.pids == 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(pull_sums_its_layers),
        CASE(image_without_tag_is_the_latest_and_never_all),
        CASE(failed_pulls_say_why),
        CASE(log_is_text_without_frames_and_ends),
        CASE(followed_log_is_slowed_by_its_reader_and_ended_by_closing),
        CASE(log_that_breaks_off_closes_with_the_reason),
        CASE(command_gives_status_and_the_beginning_of_its_output),
        CASE(command_that_does_not_end_is_given_up),
        CASE(command_fails_where_its_container_or_engine_does),
        CASE(stats_of_both_kinds_of_control_groups_are_understood),
        CASE(stats_at_once_are_totals),
        CASE(stats_of_a_stopped_container_are_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
