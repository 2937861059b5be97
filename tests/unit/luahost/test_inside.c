/* What the parent makes of children: scripted ones, see inside.h. */
#include "tests/unit/luahost/inside.h"

#include "luahost/rows.h"

#include "base/mem.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

struct forger {
    struct inside world; /* first: *state is either */
    enum forgery forgery;
};

static void write_result(struct inside *world)
{
    enum forgery forgery = ((struct forger *)world)->forgery;
    struct lat_rows_result *result = (struct lat_rows_result *)(world->rows + LAT_ROWS_INPUT_MAX);

    /* Of three rows the second is dead. */
    result->verdicts[0] = forgery == NO_VERDICT        ? LAT_VERDICT_UNASKED
                          : forgery == NO_SUCH_VERDICT ? 77
                                                       : LAT_VERDICT_POSSIBLE;
    result->verdicts[1] =
        forgery == VERDICT_OF_ANOTHER ? LAT_VERDICT_POSSIBLE : LAT_VERDICT_UNASKED;
    result->verdicts[2] = LAT_VERDICT_REFUSED;
    result->scores[0] = forgery == NO_NUMBER ? NAN : 4.5;
    memset(result->reason_texts, 'x', 1000);
    memcpy(result->reason_texts, "no\0why\n\033", 9);
    if (forgery == REASON_NO_TEXT) {
        result->reason_texts[4] = '\xff';
    }
    result->reason_bytes = forgery == TOO_MANY_REASONS  ? UINT32_MAX
                           : forgery == REASON_TOO_LONG ? 1000
                                                        : 9;
    result->reasons[2] = forgery == REASON_NOWHERE ? 4000000 : forgery == REASON_INSIDE ? 6 : 4;
}

static int setup(void **state)
{
    struct forger *forger = LAT_NEW(struct forger);

    inside_init(&forger->world);
    forger->world.on_rows = write_result;
    *state = forger;
    return 0;
}

static int teardown(void **state)
{
    inside_done(*state);
    free(*state);
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

static struct result try_text(struct inside *world, const char *text)
{
    struct lat_luahost_source source = {
        .kind = LAT_LUAHOST_POLICY, .name = "placement", .revision = 1, .source = text};
    struct result result = {0};

    lat_luahost_load(world->host, &source, on_loaded, &result);
    inside_pass_until(world, &result.done);
    return result;
}

static int load_text(struct inside *world, const char *text)
{
    return try_text(world, text).err.code;
}

static int load(struct inside *world)
{
    return load_text(world, "-- text");
}

static struct result ask(struct inside *world)
{
    struct result result = {0};

    lat_luahost_ask(world->host, LAT_LUAHOST_POLICY, "placement", "decide", "{}", on_answer,
                    &result);
    inside_pass_until(world, &result.done);
    return result;
}

static void a_child_inside_is_loaded_and_asked(void **state)
{
    struct inside *world = *state;

    assert_int_equal(load(world), 0);
    assert_true(ask(world).fine);
    assert_int_equal(world->started, 1);
    assert_int_equal(world->alive, 1);
}

static void one_that_hangs_is_ended_at_the_deadline(void **state)
{
    struct inside *world = *state;

    assert_int_equal(load(world), 0);
    world->manner = INSIDE_HANGS;
    int64_t before_ns = world->now_ns;

    assert_int_equal(ask(world).err.code, LAT_E_TIMEOUT);
    assert_int_equal(world->now_ns - before_ns, 300000000);
    world->manner = INSIDE_ANSWERS;
    assert_true(ask(world).fine);
    assert_int_equal(world->started, 2);
    assert_int_equal(world->alive, 1);
}

static void one_that_hangs_each_time_is_not_asked_for_a_while(void **state)
{
    struct inside *world = *state;
    int64_t before_ns;

    assert_int_equal(load(world), 0);
    world->manner = INSIDE_HANGS;
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
    world->manner = INSIDE_ANSWERS;
    assert_true(ask(world).fine); /* and one good answer ends it */
    world->manner = INSIDE_HANGS;
    assert_int_equal(ask(world).err.code, LAT_E_TIMEOUT);
    world->manner = INSIDE_ANSWERS;
    assert_true(ask(world).fine);
}

static void a_paused_policy_fails_what_waits_for_it_and_loading_it_again_ends_the_pause(
    void **state)
{
    struct inside *world = *state;
    struct result results[5] = {0};

    assert_int_equal(load(world), 0);
    world->manner = INSIDE_HANGS;
    for (int i = 0; i < 5; i++) {
        lat_luahost_ask(world->host, LAT_LUAHOST_POLICY, "placement", "decide", "{}", on_answer,
                        &results[i]);
    }
    inside_pass_until(world, &results[4].done);
    assert_int_equal(results[2].err.code, LAT_E_TIMEOUT);
    assert_int_equal(results[3].err.code, LAT_E_POLICY);
    assert_int_equal(world->asked, 3);
    world->manner = INSIDE_ANSWERS;
    assert_int_equal(load(world), 0);
    assert_true(ask(world).fine);
}

static void a_good_source_that_hangs_when_loaded_again_lets_its_successor_by(void **state)
{
    struct inside *world = *state;

    assert_int_equal(load(world), 0);
    world->slow_text = "-- text";
    world->slow_loads = INT_MAX;
    assert_int_equal(load_text(world, "-- another text"), 0);
    assert_true(ask(world).fine);
    assert_true(world->started <= 5);
}

static void a_good_source_that_cannot_be_loaded_any_more_is_an_error_of_its_own(void **state)
{
    struct inside *world = *state;

    assert_int_equal(load(world), 0);
    world->slow_text = "-- text";
    world->slow_loads = INT_MAX;
    world->manner = INSIDE_HANGS;
    assert_int_equal(ask(world).err.code, LAT_E_TIMEOUT);
    struct result late = ask(world); /* waits for a child, which there will not be */

    assert_int_equal(late.err.code, LAT_E_POLICY);
    assert_non_null(strstr(late.err.sentence, "cannot be loaded any more"));
}

static void a_policy_that_hangs_does_not_keep_another_one_waiting(void **state)
{
    struct inside *world = *state;
    struct lat_luahost_source source = {
        .kind = LAT_LUAHOST_POLICY, .name = "admission", .revision = 1, .source = "-- other"};
    struct result loaded = {0}, hanging = {0}, other = {0};
    int64_t before_ns;

    assert_int_equal(load(world), 0);
    lat_luahost_load(world->host, &source, on_loaded, &loaded);
    inside_pass_until(world, &loaded.done);
    world->manner = INSIDE_HANGS;
    lat_luahost_ask(world->host, LAT_LUAHOST_POLICY, "placement", "decide", "{}", on_answer,
                    &hanging);
    while (world->asked == 0) {
        lat_loop_turn(world->loop);
    }
    world->manner = INSIDE_ANSWERS;
    before_ns = world->now_ns;
    lat_luahost_ask(world->host, LAT_LUAHOST_POLICY, "admission", "admit", "{}", on_answer, &other);
    inside_pass_until(world, &other.done);
    assert_true(other.fine);
    assert_int_equal(world->now_ns, before_ns);
    assert_false(hanging.done);
    inside_pass_until(world, &hanging.done);
}

/* ---- rows ---- */

static void on_rows(void *arg, struct lat_decision *decision, const struct lat_err *err)
{
    struct result *result = arg;

    result->done = true;
    result->err = err != NULL ? *err : (struct lat_err){0};
    if (err == NULL) {
        result->fine = decision->count == 3 && decision->scores[0] == 4.5 &&
                       decision->verdicts[1] == LAT_VERDICT_UNASKED &&
                       decision->verdicts[2] == LAT_VERDICT_REFUSED &&
                       strcmp(lat_decision_reason(decision, 2), "why  ") == 0 &&
                       lat_decision_reason(decision, 0)[0] == '\0';
    }
    lat_decision_free(decision);
}

static void what_a_child_writes_about_rows_is_checked(void **state)
{
    struct inside *world = *state;
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

        ((struct forger *)world)->forgery = (enum forgery)forgery;
        assert_int_equal(load(world), 0); /* ends the pause that three of them bring */
        lat_luahost_rows(world->host, columns, record, NULL, on_rows, &result);
        inside_pass_until(world, &result.done);
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
    struct inside *world = *state;

    assert_int_equal(load(world), 0);
    world->manner = INSIDE_DIES;
    assert_int_equal(ask(world).err.code, LAT_E_POLICY);
    assert_int_equal(world->asked, 2);
    world->manner = INSIDE_ANSWERS;
    assert_true(ask(world).fine);
}

static void set_done(void *arg)
{
    *(bool *)arg = true;
}

static void those_that_end_early_are_replaced_ever_more_slowly(void **state)
{
    struct inside *world = *state;
    struct lat_timer timer;
    bool done = false;

    world->manner = INSIDE_ENDS_EARLY;
    assert_int_equal(load(world), 0);
    lat_timer_init(&timer, world->loop, set_done, &done);
    lat_timer_start(&timer, 60000, 0);
    inside_pass_until(world, &done);
    lat_timer_done(&timer);
    assert_true(world->started > 10);
    assert_true(world->started < 40);
    world->manner = INSIDE_ANSWERS;
    assert_int_equal(load(world), 0); /* does not wait */
    assert_true(ask(world).fine);
    world->manner = INSIDE_DIES;
    assert_int_equal(ask(world).err.code, LAT_E_POLICY);
}

static void one_that_talks_rubbish_is_replaced(void **state)
{
    struct inside *world = *state;

    assert_int_equal(load(world), 0);
    world->manner = INSIDE_TALKS_RUBBISH;
    assert_int_equal(ask(world).err.code, LAT_E_POLICY);
    world->manner = INSIDE_ANSWERS;
    assert_true(ask(world).fine);
}

static void one_that_goes_on_talking_after_its_answer_is_replaced(void **state)
{
    struct inside *world = *state;

    assert_int_equal(load(world), 0);
    world->manner = INSIDE_GOES_ON_TALKING;
    assert_int_equal(ask(world).err.code, LAT_E_POLICY);
    world->manner = INSIDE_ANSWERS;
    assert_true(ask(world).fine);
}

static void a_load_that_hangs_says_in_which_test(void **state)
{
    struct inside *world = *state;
    struct result late;

    world->notes = 3;
    assert_int_equal(load(world), 0);
    assert_true(ask(world).fine);
    world->slow_text = "-- slow";
    world->slow_loads = 1;
    late = try_text(world, "-- slow");
    assert_int_equal(late.err.code, LAT_E_TIMEOUT);
    assert_non_null(strstr(late.err.sentence, "stopped in the middle of test_3."));

    /* What was said before an answer is no news of what is asked next. */
    world->manner = INSIDE_HANGS;
    late = ask(world);
    assert_int_equal(late.err.code, LAT_E_TIMEOUT);
    assert_null(strstr(late.err.sentence, "in the middle of"));
}

static void one_that_cannot_start_fails_the_load_after_some_tries(void **state)
{
    struct inside *world = *state;

    world->manner = INSIDE_CANNOT_START;
    assert_int_equal(load(world), LAT_E_IO);
    assert_true(world->started > 1);
    assert_int_equal(world->alive, 0);
    world->manner = INSIDE_ANSWERS;
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
        T(those_that_end_early_are_replaced_ever_more_slowly),
        T(one_that_talks_rubbish_is_replaced),
        T(one_that_goes_on_talking_after_its_answer_is_replaced),
        T(a_load_that_hangs_says_in_which_test),
        T(one_that_cannot_start_fails_the_load_after_some_tries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
