#include "base/log.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t fixed_wall_ms(void *arg)
{
    (void)arg;
    return INT64_C(1795219462123);
}

static const struct lat_clock fixed_clock = {.wall_ms = fixed_wall_ms};

/* A log into a pipe that the test reads. */
struct fixture {
    int fds[2];
    struct lat_log *log;
    struct lat_buf got;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){0};
    assert_int_equal(pipe2(f->fds, O_CLOEXEC), 0);
    f->log = lat_log_new(f->fds[1], LAT_LOG_INFO, "test", &fixed_clock);
}

static void end(struct fixture *f)
{
    f->log = lat_log_free(f->log);
    close(f->fds[0]);
    close(f->fds[1]);
    lat_buf_done(&f->got);
}

/* Returns what one write() brought: the pipe in one read, as nothing else wrote meanwhile. */
static const char *read_line(struct fixture *f)
{
    lat_buf_clear(&f->got);
    uint8_t *at = lat_buf_reserve(&f->got, 65536);
    ssize_t len = read(f->fds[0], at, 65536);
    assert_true(len > 0);
    f->got.len = (size_t)len;
    return lat_buf_text(&f->got);
}

/* Reads a line, checks its form, and returns it as a tree. */
static cJSON *read_json(struct fixture *f)
{
    const char *line = read_line(f);
    size_t len = f->got.len;
    assert_true(len <= LAT_LOG_LINE_MAX);
    assert_int_equal(line[len - 1], '\n');
    assert_ptr_equal(memchr(line, '\n', len), line + len - 1);
    cJSON *json = NULL;
    struct lat_err err;
    if (lat_json_parse(line, len, &json, &err) != 0) {
        fail_msg("%s: %s", err.sentence, line);
    }
    return json;
}

#define FRONT                                                                                      \
    "{\"time\":\"2026-11-21T00:04:22.123Z\",\"level\":\"info\",\"component\":\"test\",\"message\":"

static void a_line_is_one_object(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    lat_log(f.log, LAT_LOG_INFO, "hello");
    assert_string_equal(read_line(&f), FRONT "\"hello\"}\n");
    end(&f);
}

static void fields_have_their_types(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    lat_log(f.log, LAT_LOG_INFO, "m", LAT_STR("s", "v"), LAT_INT("i", INT64_MIN),
            LAT_REAL("r", 0.1), LAT_REAL("nan", 0.0 / 0.0), LAT_BOOL("b", true),
            LAT_BOOL("n", false), LAT_JSON("j", "[1,\n2]"));
    assert_string_equal(read_line(&f),
                        FRONT "\"m\",\"s\":\"v\",\"i\":-9223372036854775808,\"r\":0.1,\"nan\":null,"
                              "\"b\":true,\"n\":false,\"j\":[1, 2]}\n");
    end(&f);
}

static void what_is_null_is_left_out(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    lat_log(f.log, LAT_LOG_INFO, "m", LAT_STR("s", NULL), LAT_JSON("j", NULL), LAT_INT("i", 1));
    assert_string_equal(read_line(&f), FRONT "\"m\",\"i\":1}\n");
    end(&f);
}

static void an_error_is_three_fields(void **state)
{
    (void)state;
    struct fixture f;
    struct lat_err err;
    begin(&f);
    (void)lat_err_field(&err, LAT_E_INVALID_FIELD, "name", "It is too long.");
    lat_log(f.log, LAT_LOG_INFO, "m", LAT_ERR(&err));
    assert_string_equal(
        read_line(&f), FRONT
        "\"m\",\"error\":\"It is too long.\",\"code\":\"invalid_field\",\"field\":\"name\"}\n");
    (void)lat_err_set(&err, LAT_E_IO, "x");
    lat_log(f.log, LAT_LOG_INFO, "m", LAT_ERR(&err));
    assert_string_equal(read_line(&f), FRONT "\"m\",\"error\":\"x\",\"code\":\"io\"}\n");
    end(&f);
}

static void nothing_that_is_logged_can_forge_a_line(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    lat_log(f.log, LAT_LOG_INFO, "a\n\"b",
            LAT_STR("k\n", "\r\n{\"level\":\"error\"}\x01\x7f\xff\xc3(\\"));
    assert_string_equal(read_line(&f), FRONT
                        "\"a\\n\\\"b\",\"k\\n\":\"\\r\\n{\\\"level\\\":\\\"error\\\"}\\u0001\x7f"
                        "\xef\xbf\xbd\xef\xbf\xbd(\\\\\"}\n");
    end(&f);
}

static void levels_below_the_threshold_are_not_written(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_int_equal(fcntl(f.fds[0], F_SETFL, O_NONBLOCK), 0);
    lat_log(f.log, LAT_LOG_DEBUG, "not this");
    lat_log(f.log, LAT_LOG_OFF, "nor this");
    lat_log_set_level(f.log, LAT_LOG_ERROR);
    lat_log(f.log, LAT_LOG_WARN, "nor this");
    lat_log_set_level(f.log, LAT_LOG_OFF);
    lat_log(f.log, LAT_LOG_ERROR, "nor this");
    lat_log(NULL, LAT_LOG_ERROR, "nor this");
    char byte;
    assert_int_equal(read(f.fds[0], &byte, 1), -1);
    assert_int_equal(errno, EAGAIN);
    lat_log_set_level(f.log, LAT_LOG_DEBUG);
    lat_log(f.log, LAT_LOG_DEBUG, "but this");
    cJSON *json = read_json(&f);
    assert_string_equal(lat_json_text(json, "level", ""), "debug");
    cJSON_Delete(json);
    end(&f);
}

static void level_names_are_read(void **state)
{
    (void)state;
    static const char *const names[] = {"debug", "info", "warn", "error", "off"};
    enum lat_log_level level = LAT_LOG_OFF;
    for (size_t i = 0; i < LAT_COUNT(names); i++) {
        assert_int_equal(lat_log_level_parse(names[i], &level), 0);
        assert_int_equal(level, i);
    }
    assert_int_equal(lat_log_level_parse("INFO", &level), LAT_E_INVALID);
    assert_int_equal(lat_log_level_parse("", &level), LAT_E_INVALID);
    assert_int_equal(lat_log_level_parse(NULL, &level), LAT_E_INVALID);
    assert_int_equal(level, LAT_LOG_OFF);
}

static void a_line_is_valid_at_every_length(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    static const char *const units[] = {"a", "\n", "\x01", "\xe2\x82\xac", "\xff"};
    bool was_cut = false;
    bool was_whole = false;
    for (size_t u = 0; u < LAT_COUNT(units); u++) {
        struct lat_buf text = {0};
        size_t step = strlen(units[u]);
        while (text.len < 8000 / (u == 0 ? 1 : 6)) {
            lat_buf_add(&text, units[u], step);
        }
        for (int i = 0; i < 300; i++) {
            lat_buf_add(&text, units[u], step);
            lat_log(f.log, LAT_LOG_INFO, "m", LAT_STR("long", lat_buf_text(&text)),
                    LAT_INT("after", 1));
            cJSON *json = read_json(&f);
            bool cut = lat_json_bool(json, "cut", false);
            assert_int_equal(lat_json_int(json, "after", 0), cut ? 0 : 1);
            was_cut |= cut;
            was_whole |= !cut;
            cJSON_Delete(json);
        }
        lat_buf_done(&text);
    }
    assert_true(was_cut && was_whole);
    end(&f);
}

static void any_fields_make_a_valid_line(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct lat_random *random = lat_random_new_seeded(11);
    for (int i = 0; i < 1500; i++) {
        struct lat_log_field fields[12] = {{0}};
        char keys[12][8];
        char texts[12][2000];
        for (size_t k = 1; k < 12; k++) {
            snprintf(keys[k], sizeof(keys[k]), "key%zu", k);
            size_t len = lat_random_below(random, sizeof(texts[k]));
            lat_random_bytes(random, texts[k], len);
            texts[k][len] = '\0';
            for (size_t at = 0; at < len; at++) {
                texts[k][at] = texts[k][at] != 0 ? texts[k][at] : 1;
            }
            fields[k] = lat_random_below(random, 2) == 0
                            ? LAT_STR(keys[k], texts[k])
                            : LAT_INT(keys[k], lat_random_below(random, 1000000));
        }
        lat_log_write(f.log, LAT_LOG_INFO, "m", fields, 12);
        cJSON_Delete(read_json(&f));
    }
    lat_random_free(random);
    end(&f);
}

static void a_message_alone_may_be_too_long(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    char message[LAT_LOG_LINE_MAX * 2];
    memset(message, 'm', sizeof(message));
    message[sizeof(message) - 1] = '\0';
    lat_log(f.log, LAT_LOG_INFO, message, LAT_INT("after", 1));
    cJSON *json = read_json(&f);
    assert_true(lat_json_bool(json, "cut", false));
    assert_true(strlen(lat_json_text(json, "message", "")) > LAT_LOG_LINE_MAX - 256);
    cJSON_Delete(json);
    end(&f);
}

static void json_that_does_not_fit_is_left_out_whole(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    char raw[LAT_LOG_LINE_MAX];
    memset(raw, '1', sizeof(raw));
    raw[0] = '"';
    raw[sizeof(raw) - 2] = '"';
    raw[sizeof(raw) - 1] = '\0';
    lat_log(f.log, LAT_LOG_INFO, "m", LAT_INT("before", 1), LAT_JSON("raw", raw));
    assert_string_equal(read_line(&f), FRONT "\"m\",\"before\":1,\"cut\":true}\n");
    end(&f);
}

static void lost_lines_are_counted(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    assert_int_equal(fcntl(f.fds[1], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(fcntl(f.fds[1], F_SETPIPE_SZ, 4096), 4096);
    char filler[4096];
    memset(filler, ' ', sizeof(filler));
    assert_int_equal(write(f.fds[1], filler, sizeof(filler)), sizeof(filler));
    lat_log(f.log, LAT_LOG_INFO, "lost");
    lat_log(f.log, LAT_LOG_INFO, "lost");
    assert_int_equal(read(f.fds[0], filler, sizeof(filler)), sizeof(filler));
    lat_log(f.log, LAT_LOG_INFO, "kept");
    cJSON *json = read_json(&f);
    assert_string_equal(lat_json_text(json, "message", ""), "kept");
    assert_int_equal(lat_json_int(json, "lost_lines", 0), 2);
    cJSON_Delete(json);
    lat_log(f.log, LAT_LOG_INFO, "kept");
    json = read_json(&f);
    assert_null(lat_json_get(json, "lost_lines"));
    cJSON_Delete(json);
    end(&f);
}

enum { THREADS = 4, LINES = 2000 };

struct writer {
    struct lat_log *log;
    int number;
};

static void *write_lines(void *arg)
{
    struct writer *writer = arg;
    for (int i = 0; i < LINES; i++) {
        lat_log(writer->log, LAT_LOG_INFO, "a line of some length, so that a torn one is seen",
                LAT_INT("thread", writer->number), LAT_INT("line", i));
        lat_log_set_level(writer->log, i % 2 == 0 ? LAT_LOG_INFO : LAT_LOG_DEBUG);
    }
    return NULL;
}

static void lines_of_many_threads_do_not_mix(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    struct writer writers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){.log = f.log, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &writers[i]), 0);
    }
    FILE *in = fdopen(dup(f.fds[0]), "r");
    int next[THREADS] = {0};
    char line[LAT_LOG_LINE_MAX + 1];
    for (int i = 0; i < THREADS * LINES; i++) {
        assert_non_null(fgets(line, sizeof(line), in));
        cJSON *json = NULL;
        assert_int_equal(lat_json_parse(line, strlen(line), &json, NULL), 0);
        int64_t thread = lat_json_int(json, "thread", -1);
        assert_in_range(thread, 0, THREADS - 1);
        assert_int_equal(lat_json_int(json, "line", -1), next[thread]++);
        cJSON_Delete(json);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(next[i], LINES);
    }
    fclose(in);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_one_object),
        cmocka_unit_test(fields_have_their_types),
        cmocka_unit_test(what_is_null_is_left_out),
        cmocka_unit_test(an_error_is_three_fields),
        cmocka_unit_test(nothing_that_is_logged_can_forge_a_line),
        cmocka_unit_test(levels_below_the_threshold_are_not_written),
        cmocka_unit_test(level_names_are_read),
        cmocka_unit_test(a_line_is_valid_at_every_length),
        cmocka_unit_test(any_fields_make_a_valid_line),
        cmocka_unit_test(a_message_alone_may_be_too_long),
        cmocka_unit_test(json_that_does_not_fit_is_left_out_whole),
        cmocka_unit_test(lost_lines_are_counted),
        cmocka_unit_test(lines_of_many_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
