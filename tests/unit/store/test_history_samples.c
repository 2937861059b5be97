/* History: samples, their roll-ups beside a direct computation, and how long they are kept. */
#include "history_support.h"

#include "base/mem.h"
#include "base/random.h"
#include "store/history/history_internal.h"

#include <sqlite3.h>
#include <stdlib.h>

enum { MINUTE = 60000, QUARTER = 15 * MINUTE, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

static void a_sample_is_found_in_every_step(void **state)
{
    struct past *past = *state;
    struct lat_history_subject subject = past_subject(1, 1, 0);

    past_add(past, &subject, LAT_MEASURE_CPU_PERCENT, PAST_NOON - 20000, 40);
    past_add(past, &subject, LAT_MEASURE_CPU_PERCENT, PAST_NOON - 5000, 60);
    for (int64_t step = 5000; step <= DAY; step *= 2) {
        cJSON *samples = past_samples(past, subject.id, PAST_NOON - 1, PAST_NOON, step);
        int64_t step_ms = lat_json_int(samples, "step_ms", 0);

        assert_true(step_ms >= step);
        if (step_ms >= MINUTE) {
            assert_true(past_point(samples, 0, "cpu_percent", "avg", 0) == 50);
            assert_true(past_point(samples, 0, "cpu_percent", "min", 0) == 40);
            assert_true(past_point(samples, 0, "cpu_percent", "max", 0) == 60);
            assert_true(past_point(samples, 0, "cpu_percent", "last", 0) == 60);
        }
        cJSON_Delete(samples);
    }
}

static void counters_are_sums_and_rates(void **state)
{
    struct past *past = *state;
    struct lat_history_subject subject = past_subject(1, 1, 0);

    past_add(past, &subject, LAT_MEASURE_NETWORK_RX_BYTES, PAST_NOON - 110000, 1000);
    past_add(past, &subject, LAT_MEASURE_NETWORK_RX_BYTES, PAST_NOON - 95000, 5000);
    cJSON *samples = past_samples(past, subject.id, PAST_NOON - 2 * MINUTE, PAST_NOON, MINUTE);
    assert_true(past_point(samples, 0, "network_rx_bytes", "sum", 0) == 6000);
    assert_true(past_point(samples, 0, "network_rx_bytes", "per_second", 0) == 100);
    assert_true(past_point(samples, 0, "network_rx_bytes", "sum", 1) == -1);
    cJSON_Delete(samples);
}

/* ---- beside a direct computation ---- */

enum { SUBJECTS = 3, SPAN = 100 * MINUTE, SAMPLES = 1500 };

struct model {
    int subject;
    enum lat_measure measure;
    int64_t at;
    double value;
};

static void compare(struct past *past, const struct model *all, size_t count, int subject,
                    enum lat_measure measure, int64_t step_ms)
{
    struct lat_history_subject about = past_subject(subject, 1, subject);
    cJSON *samples = past_samples(past, about.id, PAST_NOON - SPAN, PAST_NOON, step_ms);
    int64_t from;
    bool is_counter = lat_measure_is_counter(measure);
    const char *name = lat_measure_name(measure);

    assert_int_equal(lat_time_parse(lat_json_text(samples, "from", ""), &from), 0);
    assert_int_equal(lat_json_int(samples, "step_ms", 0), step_ms);
    for (int i = 0; from + i * step_ms < PAST_NOON; i++) {
        double sum = 0, min = 0, max = 0;
        int found = 0;

        for (size_t s = 0; s < count; s++) {
            if (all[s].subject == subject && all[s].measure == measure &&
                all[s].at >= from + i * step_ms && all[s].at < from + (i + 1) * step_ms) {
                sum += all[s].value;
                min = found == 0 || all[s].value < min ? all[s].value : min;
                max = found == 0 || all[s].value > max ? all[s].value : max;
                found++;
            }
        }
        if (is_counter) {
            assert_true(past_point(samples, 0, name, "sum", i) == (found > 0 ? sum : -1));
        } else if (found > 0) {
            assert_true(past_point(samples, 0, name, "avg", i) == sum / found);
            assert_true(past_point(samples, 0, name, "min", i) == min);
            assert_true(past_point(samples, 0, name, "max", i) == max);
        } else {
            assert_true(past_point(samples, 0, name, "avg", i) == -1);
        }
    }
    cJSON_Delete(samples);
}

/* Samples come in any order, late, with times that are there already, over restarts at any point. */
static void rollups_are_what_a_direct_computation_gives(void **state)
{
    static const enum lat_measure measures[] = {LAT_MEASURE_MEMORY_BYTES,
                                                LAT_MEASURE_NETWORK_TX_BYTES};
    static const int64_t steps[] = {15000, 30000, MINUTE, 5 * MINUTE, QUARTER, 30 * MINUTE, HOUR};
    struct past *past = *state;
    struct model *all = lat_alloc_array(SAMPLES, sizeof(*all));
    struct lat_random *random = lat_random_new_seeded(7);

    for (size_t i = 0; i < SAMPLES; i++) {
        all[i] = (struct model){
            .subject = (int)lat_random_below(random, SUBJECTS),
            .measure = measures[lat_random_below(random, LAT_COUNT(measures))],
            .at = PAST_NOON - SPAN + (int64_t)lat_random_below(random, SPAN / 1000) * 1000,
            .value = (double)lat_random_below(random, 1000000),
        };
        struct lat_history_subject subject = past_subject(all[i].subject, 1, all[i].subject);

        past_add(past, &subject, all[i].measure, all[i].at, all[i].value);
        if (lat_random_below(random, 100) == 0) {
            past_restart(past);
        }
    }
    for (int subject = 0; subject < SUBJECTS; subject++) {
        for (size_t m = 0; m < LAT_COUNT(measures); m++) {
            for (size_t s = 0; s < LAT_COUNT(steps); s++) {
                compare(past, all, SAMPLES, subject, measures[m], steps[s]);
            }
        }
    }
    assert_int_equal(lat_history_dropped(past->history), 0);
    lat_random_free(random);
    free(all);
}

/* ---- the wall clock ---- */

static double count_hours(struct past *past, const char *id, int64_t from, int64_t to)
{
    cJSON *samples = past_samples(past, id, from, to, HOUR);
    double sum = 0;

    for (int i = 0; from + (int64_t)i * HOUR <= to; i++) {
        double point = past_point(samples, 0, "block_read_bytes", "sum", i);

        sum += point > 0 ? point : 0;
    }
    cJSON_Delete(samples);
    return sum;
}

static void a_clock_that_goes_back_loses_and_doubles_nothing(void **state)
{
    struct past *past = *state;
    struct lat_history_subject subject = past_subject(1, 1, 0);

    for (int round = 0; round < 3; round++) { /* each an hour; then the clock is set back by that */
        for (int i = 0; i < 240; i++) {
            past_add(past, &subject, LAT_MEASURE_BLOCK_READ_BYTES, PAST_NOON - HOUR + i * 15000, 1);
        }
    }
    assert_true(count_hours(past, subject.id, PAST_NOON - 2 * HOUR, PAST_NOON + HOUR) == 720);
    cJSON *raw = past_samples(past, subject.id, PAST_NOON - 15 * MINUTE, PAST_NOON, 15000);
    for (int i = 0; i < 60; i++) {
        assert_true(past_point(raw, 0, "block_read_bytes", "sum", i) == 3);
    }
    cJSON_Delete(raw);
}

static void one_moment_told_very_often_is_added_up_and_costs_little(void **state)
{
    struct past *past = *state;
    struct lat_history_subject subject = past_subject(1, 1, 0);
    const int times = 2000;

    for (int i = 0; i < times; i++) {
        past_add(past, &subject, LAT_MEASURE_NETWORK_RX_BYTES, PAST_NOON - MINUTE, 1);
    }
    cJSON *fine = past_samples(past, subject.id, PAST_NOON - MINUTE, PAST_NOON, 5000);
    cJSON *coarse = past_samples(past, subject.id, PAST_NOON - MINUTE, PAST_NOON, MINUTE);

    assert_true(past_point(fine, 0, "network_rx_bytes", "sum", 0) < 100);
    assert_true(past_point(coarse, 0, "network_rx_bytes", "sum", 0) == times);
    cJSON_Delete(fine);
    cJSON_Delete(coarse);
}

static void age_follows_the_wall_slowly(void **state)
{
    (void)state;
    int64_t age = PAST_NOON;

    assert_true(lat__history_age(age, HOUR, PAST_NOON + HOUR) == PAST_NOON + HOUR);
    assert_true(lat__history_age(age, HOUR, PAST_NOON + INT64_C(3650) * DAY) == PAST_NOON + DAY);
    assert_true(lat__history_age(age, HOUR, PAST_NOON - DAY) == PAST_NOON - DAY);
    assert_true(lat__history_age(age, 0, PAST_NOON + DAY) == PAST_NOON);
}

/* Lets the writer go round until it has nothing more to forget: each read wakes it once, and each waking forgets a step. */
static void let_forget(struct past *past, int steps)
{
    for (int i = 0; i < steps; i++) {
        cJSON_Delete(past_samples(past, "nobody", PAST_NOON - HOUR, PAST_NOON, HOUR));
    }
}

static void a_clock_that_jumps_years_ahead_forgets_nothing(void **state)
{
    struct past *past = *state;
    struct lat_history_subject subject = past_subject(1, 1, 0);

    past_add(past, &subject, LAT_MEASURE_BLOCK_READ_BYTES, PAST_NOON - HOUR, 5);
    past_restart(past);
    past->wall_ms = PAST_NOON + INT64_C(3650) * DAY;
    past_restart(past);
    let_forget(past, 15); /* an opening begins with a round of forgetting */
    past_add(past, &subject, LAT_MEASURE_BLOCK_READ_BYTES, past->wall_ms, 1);
    past_restart(past);
    past->wall_ms = PAST_NOON;
    assert_true(count_hours(past, subject.id, PAST_NOON - 2 * HOUR, PAST_NOON + HOUR) == 5);
}

/* ---- retention ---- */

static int64_t rows(struct past *past, const char *sql)
{
    sqlite3_stmt *statement;
    sqlite3 *db;

    past->history = lat_history_close(past->history); /* the file is the writer's alone */
    assert_int_equal(sqlite3_open(past->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t count = sqlite3_column_int64(statement, 0);

    sqlite3_finalize(statement);
    sqlite3_close(db);
    return count;
}

static void open_again(struct past *past)
{
    struct lat_history_options options = {
        .loop = past->loop, .path = past->path, .limits = past->limits};

    assert_int_equal(lat_history_open(&options, &past->history, NULL), 0);
}

static void levels_are_kept_as_long_as_they_should(void **state)
{
    struct past *past = *state;
    struct lat_history_subject subject = past_subject(1, 1, 0);
    static const int64_t ages[] = {HOUR, 3 * HOUR, DAY, 3 * (int64_t)DAY, 20 * (int64_t)DAY};

    past->wall_ms = PAST_NOON - 21 * (int64_t)DAY; /* when all of them are young */
    past_restart(past);
    for (size_t i = 0; i < LAT_COUNT(ages); i++) {
        past_add(past, &subject, LAT_MEASURE_PIDS, PAST_NOON - ages[i], 1);
    }
    assert_int_equal(rows(past, "SELECT count(*) FROM sample"), 5);
    open_again(past);
    let_forget(past, 1);
    past->history = lat_history_close(past->history);
    /* Time passes: what an age is counted from is kept in the file. */
    sqlite3 *db;
    past->wall_ms = PAST_NOON;
    assert_int_equal(sqlite3_open(past->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE kept SET value = 1795262400000 WHERE name = 'age_ms'",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    open_again(past);
    let_forget(past, 15);
    assert_int_equal(rows(past, "SELECT count(*) FROM sample"), 1);
    open_again(past);
    assert_int_equal(rows(past, "SELECT count(*) FROM rollup WHERE step_s = 60"), 3);
    open_again(past);
    assert_int_equal(rows(past, "SELECT count(*) FROM rollup WHERE step_s = 900"), 4);
    open_again(past);
    assert_int_equal(rows(past, "SELECT count(*) FROM rollup WHERE step_s = 3600"), 5);
    open_again(past);
}

static void a_file_that_is_too_large_loses_its_oldest_samples(void **state)
{
    struct past *past = *state;
    struct lat_history_subject subject = past_subject(1, 1, 0);

    for (int i = 0; i < 4000; i++) {
        past_add(past, &subject, LAT_MEASURE_PIDS, PAST_NOON - i * 1000, i);
        if (i % 2000 == 1999) {
            past_restart(past); /* so that no queue is full */
        }
    }
    assert_int_equal(rows(past, "SELECT count(*) FROM sample"), 4000);
    past->limits.bytes = 100 * 1024;
    open_again(past);
    let_forget(past, 30);
    int64_t left = rows(past, "SELECT count(*) FROM sample");
    assert_true(left > 0 && left < 4000);
    open_again(past);
    assert_int_equal(rows(past, "SELECT max(at) - min(at) FROM sample") / 1000, left - 1);
    open_again(past);
}

/* ---- ranges ---- */

static void ranges_that_make_no_sense_are_refused(void **state)
{
    struct past *past = *state;
    struct lat_history_range backwards = {.from = PAST_NOON, .to = PAST_NOON};
    struct lat_history_range fine = {.from = PAST_NOON - DAY, .to = PAST_NOON, .step_ms = MINUTE};
    struct lat_history_range many = {
        .from = PAST_NOON - 1501 * MINUTE, .to = PAST_NOON, .step_ms = MINUTE};
    struct lat_history_range tiny = {.from = PAST_NOON - HOUR, .to = PAST_NOON, .step_ms = 1};
    struct lat_err err;

    assert_int_equal(lat_history_range_check(past->history, &backwards, &err), LAT_E_INVALID_FIELD);
    assert_int_equal(lat_history_range_check(past->history, &fine, &err), 0);
    assert_int_equal(lat_history_range_check(past->history, &many, &err), LAT_E_INVALID_FIELD);
    assert_string_equal(err.field, "step");
    assert_int_equal(lat_history_range_check(past->history, &tiny, &err), LAT_E_INVALID_FIELD);
}

static void no_range_overflows_or_keeps_the_writer_for_long(void **state)
{
    struct past *past = *state;
    struct lat_history_range endless = {
        .from = PAST_NOON - HOUR, .to = PAST_NOON, .step_ms = INT64_MAX};
    struct lat_history_range ages = {.from = PAST_NOON,
                                     .to = PAST_NOON + 1000 * 366 * (int64_t)DAY,
                                     .step_ms = 366 * (int64_t)DAY};
    struct lat_history_range fine = {
        .from = PAST_NOON, .to = PAST_NOON + HOUR, .step_ms = 366 * (int64_t)DAY - MINUTE};
    struct lat_history_range decades = {
        .from = PAST_NOON - 20 * 365 * (int64_t)DAY, .to = PAST_NOON, .step_ms = 30 * (int64_t)DAY};
    struct lat_err err;

    assert_int_equal(lat_history_range_check(past->history, &endless, &err), LAT_E_INVALID_FIELD);
    assert_string_equal(err.field, "step");
    assert_int_equal(lat_history_range_check(past->history, &ages, &err), LAT_E_INVALID_FIELD);
    assert_string_equal(err.field, "from");
    assert_int_equal(lat_history_range_check(past->history, &fine, &err), LAT_E_INVALID_FIELD);
    assert_string_equal(err.field, "from");
    assert_int_equal(lat_history_range_check(past->history, &decades, &err), 0);
}

static void a_step_grows_with_the_age_of_what_is_asked_for(void **state)
{
    struct past *past = *state;
    struct lat_history_range old = {.from = PAST_NOON - 100 * (int64_t)DAY,
                                    .to = PAST_NOON - 99 * (int64_t)DAY,
                                    .step_ms = MINUTE};
    struct lat_history_range weeks = {.from = PAST_NOON - 5 * (int64_t)DAY,
                                      .to = PAST_NOON - 4 * (int64_t)DAY,
                                      .step_ms = 20 * MINUTE};
    struct lat_history_range year = {.from = PAST_NOON - 365 * (int64_t)DAY, .to = PAST_NOON};

    assert_int_equal(lat_history_range_check(past->history, &old, NULL), 0);
    assert_int_equal(old.step_ms, HOUR);
    assert_int_equal(lat_history_range_check(past->history, &weeks, NULL), 0);
    assert_int_equal(weeks.step_ms, 30 * MINUTE);
    assert_int_equal(lat_history_range_check(past->history, &year, NULL), 0);
    assert_true((year.to - year.from) / year.step_ms <= 366);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, past_open, past_close)
        CASE(a_sample_is_found_in_every_step),
        CASE(counters_are_sums_and_rates),
        CASE(rollups_are_what_a_direct_computation_gives),
        CASE(a_clock_that_goes_back_loses_and_doubles_nothing),
        CASE(one_moment_told_very_often_is_added_up_and_costs_little),
        CASE(age_follows_the_wall_slowly),
        CASE(a_clock_that_jumps_years_ahead_forgets_nothing),
        CASE(levels_are_kept_as_long_as_they_should),
        CASE(a_file_that_is_too_large_loses_its_oldest_samples),
        CASE(ranges_that_make_no_sense_are_refused),
        CASE(no_range_overflows_or_keeps_the_writer_for_long),
        CASE(a_step_grows_with_the_age_of_what_is_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
