/* Children that are no processes: scripted ones in this one, on a clock that the test moves. */
#include "luahost/luahost.h"
#include "luahost/protocol.h"
#include "luahost/rows.h"

#include "base/mem.h"
#include "base/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum manner { ANSWERS, HANGS, DIES, TALKS_RUBBISH, CANNOT_START };

struct world {
    int64_t now_ns;
    struct lat_clock clock;
    struct lat_loop *loop;
    struct lat_random *random;
    struct lat_luahost *host;
    enum manner manner;
    int started;
    int alive;
    int asked;
    int loaded;     /* loads that were taken so far */
    int forgery;    /* enum forgery */
    uint8_t *rows;  /* memory of the last child that has some */
    int hang_loads; /* those of a source that says "-- text" hang from this one on; 0: none */
};

struct child {
    struct world *world;
    struct lat_stream *stream;
    struct lat_buf received;
};

/* ---- the clock ---- */

static int64_t wall_ms(void *arg)
{
    return ((struct world *)arg)->now_ns / 1000000;
}

static int64_t boot_ns(void *arg)
{
    return ((struct world *)arg)->now_ns;
}

/* Lets time pass until it is done. */
static void pass_until(struct world *world, const bool *done)
{
    for (int steps = 0; !*done && steps < 10000; steps++) {
        if (!lat_loop_turn(world->loop) && !*done) {
            int64_t next_ms = lat_loop_next_ms(world->loop);

            world->now_ns += next_ms > 0 ? next_ms * 1000000 : 0;
        }
    }
    assert_true(*done);
}

/* ---- the child ---- */

static void write_result(struct world *world);

static void say(struct child *child, const char *json)
{
    size_t len = strlen(json);
    uint8_t head[LAT_LUAHOST_HEAD] = {0, 0, (uint8_t)(len >> 8), (uint8_t)len};

    lat_stream_write(child->stream, head, sizeof(head));
    lat_stream_write(child->stream, json, len);
}

static void take_request(struct child *child, const cJSON *request)
{
    struct world *world = child->world;
    bool is_ask = strcmp(lat_json_text(request, "op", ""), "load") != 0;

    world->asked += is_ask;
    world->loaded += !is_ask;
    if (!is_ask && world->hang_loads > 0 && world->loaded >= world->hang_loads &&
        strcmp(lat_json_text(request, "source", ""), "-- text") == 0) {
        return;
    }
    if (!is_ask) {
        say(child, "{\"ok\":true}");
    } else if (world->manner == ANSWERS) {
        if (strcmp(lat_json_text(request, "op", ""), "rows") == 0) {
            write_result(world);
        }
        char *answer = lat_text_format("{\"id\":%lld,\"value\":{\"fine\":true}}",
                                       (long long)lat_json_int(request, "id", 0));

        say(child, answer);
        free(answer);
    } else if (world->manner == DIES) {
        lat_stream_close(child->stream);
    } else if (world->manner == TALKS_RUBBISH) {
        say(child, "{]");
    }
}

static void on_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct child *child = arg;
    cJSON *request;

    lat_buf_add(&child->received, bytes, len);
    if (child->received.len < LAT_LUAHOST_HEAD) {
        return;
    }
    const uint8_t *head = child->received.bytes;
    size_t frame = (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];

    if (child->received.len == LAT_LUAHOST_HEAD + frame) {
        assert_int_equal(
            lat_json_parse((const char *)head + LAT_LUAHOST_HEAD, frame, &request, NULL), 0);
        lat_buf_clear(&child->received);
        take_request(child, request);
        cJSON_Delete(request);
    }
}

static void on_close(void *arg, const struct lat_err *err)
{
    struct child *child = arg;

    (void)err;
    child->world->alive--;
    lat_buf_done(&child->received);
    free(child);
}

static int start(void *arg, enum lat_luahost_kind kind, void *rows, struct lat_stream **ret_stream,
                 struct lat_err *err)
{
    static const struct lat_stream_events events = {.on_data = on_data, .on_close = on_close};
    struct world *world = arg;

    assert_int_equal(kind, LAT_LUAHOST_POLICY);
    world->rows = rows != NULL ? rows : world->rows;
    world->started++;
    if (world->manner == CANNOT_START) {
        return lat_err_set(err, LAT_E_IO, "There are too many processes.");
    }
    struct child *child = LAT_NEW(struct child);

    world->alive++;
    child->world = world;
    lat_stream_pair(world->loop, &child->stream, ret_stream);
    lat_stream_set_events(child->stream, &events, child);
    lat_stream_resume(child->stream);
    say(child, "{\"ok\":true}");
    return 0;
}

/* ---- the tests ---- */

static int setup(void **state)
{
    struct world *world = LAT_NEW(struct world);

    world->now_ns = 7000000000;
    world->clock = (struct lat_clock){.wall_ms = wall_ms, .boot_ns = boot_ns, .arg = world};
    world->loop = lat_loop_new(&world->clock);
    world->random = lat_random_new_seeded(1);
    world->host = lat_luahost_new(
        world->loop, NULL, NULL, world->random,
        &(struct lat_luahost_options){.deadline_ms = 300, .start = start, .start_arg = world});
    *state = world;
    return 0;
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static int teardown(void **state)
{
    struct world *world = *state;
    bool closed = false;

    lat_luahost_close(world->host, set_flag, &closed);
    pass_until(world, &closed);
    lat_loop_free(world->loop);
    assert_int_equal(world->alive, 0);
    lat_random_free(world->random);
    free(world);
    return 0;
}

struct result {
    bool done;
    struct lat_err err;
    bool fine;
};

static void on_loaded(void *arg, const struct lat_err *err)
{
    struct result *result = arg;

    result->done = true;
    result->err = err != NULL ? *err : (struct lat_err){0};
}

static void on_answer(void *arg, const cJSON *value, const struct lat_err *err)
{
    struct result *result = arg;

    result->done = true;
    result->err = err != NULL ? *err : (struct lat_err){0};
    result->fine = lat_json_bool(value, "fine", false);
}

static int load_text(struct world *world, const char *text)
{
    struct lat_luahost_source source = {
        .kind = LAT_LUAHOST_POLICY, .name = "placement", .revision = 1, .source = text};
    struct result result = {0};

    lat_luahost_load(world->host, &source, on_loaded, &result);
    pass_until(world, &result.done);
    return result.err.code;
}

static int load(struct world *world)
{
    return load_text(world, "-- text");
}

static struct result ask(struct world *world)
{
    struct result result = {0};

    lat_luahost_ask(world->host, LAT_LUAHOST_POLICY, "placement", "decide", "{}", on_answer,
                    &result);
    pass_until(world, &result.done);
    return result;
}

static void a_child_inside_is_loaded_and_asked(void **state)
{
    struct world *world = *state;

    assert_int_equal(load(world), 0);
    assert_true(ask(world).fine);
    assert_int_equal(world->started, 1);
    assert_int_equal(world->alive, 1);
}

static void one_that_hangs_is_ended_at_the_deadline(void **state)
{
    struct world *world = *state;

    assert_int_equal(load(world), 0);
    world->manner = HANGS;
    int64_t before_ns = world->now_ns;

    assert_int_equal(ask(world).err.code, LAT_E_TIMEOUT);
    assert_int_equal(world->now_ns - before_ns, 300000000);
    world->manner = ANSWERS;
    assert_true(ask(world).fine);
    assert_int_equal(world->started, 2);
    assert_int_equal(world->alive, 1);
}

static void one_that_hangs_each_time_is_not_asked_for_a_while(void **state)
{
    struct world *world = *state;
    int64_t before_ns;

    assert_int_equal(load(world), 0);
    world->manner = HANGS;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(world).err.code, LAT_E_TIMEOUT);
    }
    before_ns = world->now_ns;
    assert_int_equal(ask(world).err.code, LAT_E_POLICY); /* at once, and nobody is asked */
    assert_int_equal(world->now_ns, before_ns);
    assert_int_equal(world->asked, 3);

    world->now_ns += 1000000000;
    assert_int_equal(ask(world).err.code, LAT_E_TIMEOUT); /* the pause is over, and doubles */
    world->now_ns += 1000000000;
    assert_int_equal(ask(world).err.code, LAT_E_POLICY);
    world->now_ns += 1000000000;
    world->manner = ANSWERS;
    assert_true(ask(world).fine); /* and one good answer ends it */
    world->manner = HANGS;
    assert_int_equal(ask(world).err.code, LAT_E_TIMEOUT);
    world->manner = ANSWERS;
    assert_true(ask(world).fine);
}

static void a_paused_policy_fails_what_waits_for_it_and_loading_it_again_ends_the_pause(
    void **state)
{
    struct world *world = *state;
    struct result results[5] = {0};

    assert_int_equal(load(world), 0);
    world->manner = HANGS;
    for (int i = 0; i < 5; i++) {
        lat_luahost_ask(world->host, LAT_LUAHOST_POLICY, "placement", "decide", "{}", on_answer,
                        &results[i]);
    }
    pass_until(world, &results[4].done);
    assert_int_equal(results[2].err.code, LAT_E_TIMEOUT);
    assert_int_equal(results[3].err.code, LAT_E_POLICY);
    assert_int_equal(world->asked, 3);
    world->manner = ANSWERS;
    assert_int_equal(load(world), 0);
    assert_true(ask(world).fine);
}

static void a_good_source_that_hangs_when_loaded_again_lets_its_successor_by(void **state)
{
    struct world *world = *state;

    assert_int_equal(load(world), 0);
    world->hang_loads = 2;
    assert_int_equal(load_text(world, "-- another text"), 0);
    assert_true(ask(world).fine);
    assert_true(world->started <= 5);
}

static void a_good_source_that_cannot_be_loaded_any_more_is_an_error_of_its_own(void **state)
{
    struct world *world = *state;

    assert_int_equal(load(world), 0);
    world->hang_loads = 2;
    world->manner = HANGS;
    assert_int_equal(ask(world).err.code, LAT_E_TIMEOUT);
    struct result late = ask(world); /* waits for a child, which there will not be */

    assert_int_equal(late.err.code, LAT_E_POLICY);
    assert_non_null(strstr(late.err.sentence, "cannot be loaded any more"));
}

static void a_policy_that_hangs_does_not_keep_another_one_waiting(void **state)
{
    struct world *world = *state;
    struct lat_luahost_source source = {
        .kind = LAT_LUAHOST_POLICY, .name = "admission", .revision = 1, .source = "-- other"};
    struct result loaded = {0}, hanging = {0}, other = {0};
    int64_t before_ns;

    assert_int_equal(load(world), 0);
    lat_luahost_load(world->host, &source, on_loaded, &loaded);
    pass_until(world, &loaded.done);
    world->manner = HANGS;
    lat_luahost_ask(world->host, LAT_LUAHOST_POLICY, "placement", "decide", "{}", on_answer,
                    &hanging);
    while (world->asked == 0) {
        lat_loop_turn(world->loop);
    }
    world->manner = ANSWERS;
    before_ns = world->now_ns;
    lat_luahost_ask(world->host, LAT_LUAHOST_POLICY, "admission", "admit", "{}", on_answer, &other);
    pass_until(world, &other.done);
    assert_true(other.fine);
    assert_int_equal(world->now_ns, before_ns);
    assert_false(hanging.done);
    pass_until(world, &hanging.done);
}

/* ---- rows ---- */

/* What a process that is not ours any more might write. */
enum forgery {
    HONEST,
    NO_VERDICT,
    VERDICT_OF_ANOTHER,
    NO_SUCH_VERDICT,
    NO_NUMBER,
    REASON_NOWHERE,
    REASON_INSIDE,
    REASON_TOO_LONG,
    REASON_NO_TEXT,
    TOO_MANY_REASONS,
    FORGERIES
};

static void write_result(struct world *world)
{
    struct lat_rows_result *result = (struct lat_rows_result *)(world->rows + LAT_ROWS_INPUT_MAX);

    /* Of three rows the second is dead. */
    result->verdicts[0] = world->forgery == NO_VERDICT        ? LAT_ROWS_UNASKED
                          : world->forgery == NO_SUCH_VERDICT ? 77
                                                              : LAT_ROWS_POSSIBLE;
    result->verdicts[1] =
        world->forgery == VERDICT_OF_ANOTHER ? LAT_ROWS_POSSIBLE : LAT_ROWS_UNASKED;
    result->verdicts[2] = LAT_ROWS_REFUSED;
    result->scores[0] = world->forgery == NO_NUMBER ? NAN : 4.5;
    memset(result->reason_texts, 'x', 1000);
    memcpy(result->reason_texts, "no\0why\n\033", 9);
    if (world->forgery == REASON_NO_TEXT) {
        result->reason_texts[4] = '\xff';
    }
    result->reason_bytes = world->forgery == TOO_MANY_REASONS  ? UINT32_MAX
                           : world->forgery == REASON_TOO_LONG ? 1000
                                                               : 9;
    result->reasons[2] = world->forgery == REASON_NOWHERE  ? 4000000
                         : world->forgery == REASON_INSIDE ? 6
                                                           : 4;
}

static void on_rows(void *arg, const struct lat_luahost_rows *answer, const struct lat_err *err)
{
    struct result *result = arg;

    result->done = true;
    result->err = err != NULL ? *err : (struct lat_err){0};
    if (err == NULL) {
        result->fine = answer->count == 3 && answer->scores[0] == 4.5 &&
                       answer->verdicts[1] == LAT_ROWS_UNASKED &&
                       answer->verdicts[2] == LAT_ROWS_REFUSED &&
                       strcmp(lat_luahost_rows_reason(answer, 2), "why  ") == 0 &&
                       lat_luahost_rows_reason(answer, 0)[0] == '\0';
    }
}

static void what_a_child_writes_about_rows_is_checked(void **state)
{
    struct world *world = *state;
    struct lat_columns *columns = lat_columns_new();
    struct lat_record *record = lat_record_new(columns);
    size_t row;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(lat_columns_add(columns, &row, NULL), 0);
    }
    lat_columns_remove(columns, 1);
    assert_int_equal(load(world), 0);
    for (int forgery = FORGERIES - 1; forgery >= HONEST; forgery--) {
        struct result result = {0};
        int started = world->started;

        world->forgery = forgery;
        assert_int_equal(load(world), 0); /* ends the pause that three of them bring */
        lat_luahost_rows(world->host, columns, record, NULL, on_rows, &result);
        pass_until(world, &result.done);
        if (result.err.code != (forgery == HONEST ? LAT_OK : LAT_E_POLICY)) {
            fail_msg("forgery %d: %d %s", forgery, result.err.code, result.err.sentence);
        }
        assert_int_equal(result.fine, forgery == HONEST);
        assert_true(world->started > started);
    }
    lat_record_free(record);
    lat_columns_free(columns);
}

static void one_that_dies_costs_its_ask_only_when_it_dies_twice(void **state)
{
    struct world *world = *state;

    assert_int_equal(load(world), 0);
    world->manner = DIES;
    assert_int_equal(ask(world).err.code, LAT_E_POLICY);
    assert_int_equal(world->asked, 2);
    world->manner = ANSWERS;
    assert_true(ask(world).fine);
}

static void one_that_talks_rubbish_is_replaced(void **state)
{
    struct world *world = *state;

    assert_int_equal(load(world), 0);
    world->manner = TALKS_RUBBISH;
    assert_int_equal(ask(world).err.code, LAT_E_POLICY);
    world->manner = ANSWERS;
    assert_true(ask(world).fine);
}

static void one_that_cannot_start_fails_the_load_after_some_tries(void **state)
{
    struct world *world = *state;

    world->manner = CANNOT_START;
    assert_int_equal(load(world), LAT_E_IO);
    assert_true(world->started > 1);
    assert_int_equal(world->alive, 0);
    world->manner = ANSWERS;
    assert_int_equal(load(world), 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_child_inside_is_loaded_and_asked),
        T(one_that_hangs_is_ended_at_the_deadline),
        T(one_that_hangs_each_time_is_not_asked_for_a_while),
        T(a_paused_policy_fails_what_waits_for_it_and_loading_it_again_ends_the_pause),
        T(a_good_source_that_hangs_when_loaded_again_lets_its_successor_by),
        T(a_good_source_that_cannot_be_loaded_any_more_is_an_error_of_its_own),
        T(a_policy_that_hangs_does_not_keep_another_one_waiting),
        T(what_a_child_writes_about_rows_is_checked),
        T(one_that_dies_costs_its_ask_only_when_it_dies_twice),
        T(one_that_talks_rubbish_is_replaced),
        T(one_that_cannot_start_fails_the_load_after_some_tries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
