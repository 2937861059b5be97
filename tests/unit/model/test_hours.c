/* Weekly hours: how they are written, and when they begin and end. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "model/hours.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static int64_t time_of(const char *text)
{
    int64_t ms = 0;

    assert_int_equal(lat_time_parse(text, &ms), 0);
    return ms;
}

static struct lat_hours hours_of(const char *text)
{
    struct lat_hours hours;
    struct lat_err err;

    if (lat_hours_parse(text, &hours, &err) != 0) {
        fail_msg("%s: %s", text, err.sentence);
    }
    return hours;
}

/* Expects hours to be open or closed at a time, and until when; "" for ever. */
static void expect(const char *text, const char *at, bool open, const char *until)
{
    struct lat_hours hours = hours_of(text);
    int64_t changes = 0;

    if (lat_hours_at(&hours, time_of(at), &changes) != open) {
        fail_msg("%s: %s at %s", text, open ? "closed" : "open", at);
    }
    if (changes != (*until ? time_of(until) : INT64_MAX)) {
        char told[LAT_TIME_SIZE];

        lat_time_format(changes, told);
        fail_msg("%s: at %s until %s, not %s", text, at, told, until);
    }
}

/* 2026-11-23 was a Monday. */
static void hours_begin_and_end_to_the_minute(void **state)
{
    static const char office[] = "mon-fri 08:00-18:00";

    (void)state;
    expect(office, "2026-11-23T07:59:59.999Z", false, "2026-11-23T08:00:00Z");
    expect(office, "2026-11-23T08:00:00Z", true, "2026-11-23T18:00:00Z");
    expect(office, "2026-11-23T17:59:59Z", true, "2026-11-23T18:00:00Z");
    expect(office, "2026-11-23T18:00:00Z", false, "2026-11-24T08:00:00Z");
    expect(office, "2026-11-27T18:00:00Z", false, "2026-11-30T08:00:00Z"); /* over a weekend */
    expect("sun 10:00-11:30", "2026-11-23T00:00:00Z", false, "2026-11-29T10:00:00Z");
    expect("sun 10:00-11:30", "1969-12-29T00:00:00Z", false, "1970-01-04T10:00:00Z");
}

static void what_ends_before_it_begins_ends_on_the_next_day(void **state)
{
    static const char nights[] = "fri-sat 22:00-06:00";

    (void)state;
    expect(nights, "2026-11-27T21:59:00Z", false, "2026-11-27T22:00:00Z");
    expect(nights, "2026-11-27T23:00:00Z", true, "2026-11-28T06:00:00Z");
    expect(nights, "2026-11-29T05:00:00Z", true, "2026-11-29T06:00:00Z");
    expect(nights, "2026-11-29T06:00:00Z", false, "2026-12-04T22:00:00Z");
    expect("sun 20:00-04:00", "2026-11-23T03:00:00Z", true, "2026-11-23T04:00:00Z");
}

static void what_touches_is_one(void **state)
{
    static const char most[] = "mon-fri 18:00-08:00, sat-sun 00:00-24:00";

    (void)state;
    expect(most, "2026-11-27T18:00:00Z", true, "2026-11-30T00:00:00Z");
    expect("fri-sun 00:00-24:00,mon 00:00-12:00", "2026-11-29T23:59:00Z", true,
           "2026-11-30T12:00:00Z");
    expect("daily 00:00-24:00", "2026-11-27T18:00:00Z", true, "");
    expect("daily 12:00-11:59", "2026-11-27T11:59:30Z", false, "2026-11-27T12:00:00Z");
    expect("sat-mon 00:00-24:00", "2026-11-23T10:00:00Z", true, "2026-11-24T00:00:00Z");
}

static void hours_go_by_their_owners_clock(void **state)
{
    (void)state;
    expect("mon 00:00-08:00 UTC+01:00", "2026-11-22T22:59:00Z", false, "2026-11-22T23:00:00Z");
    expect("Mon 00:00-08:00 utc+01:00", "2026-11-22T23:00:00Z", true, "2026-11-23T07:00:00Z");
    expect("sun 20:00-24:00 UTC-05:30", "2026-11-23T05:29:00Z", true, "2026-11-23T05:30:00Z");
    expect("mon 00:00-08:00 UTC", "2026-11-23T07:00:00Z", true, "2026-11-23T08:00:00Z");
}

static void what_cannot_be_meant_is_refused_by_its_word(void **state)
{
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"", "There is no day."},
        {"   ", "There is no day."},
        {"monday 08:00-18:00", "'monday' is no day."},
        {"mon-foo 08:00-18:00", "'mon-foo' is no day."},
        {"mon- 08:00-18:00", "'mon-' is no day."},
        {"08:00-18:00", "'08:00-18:00' is no day."},
        {"mon", "There is no span of time."},
        {"mon 8:00-18:00", "'8:00-18:00' is no span of time."},
        {"mon 08:00-18", "'08:00-18' is no span of time."},
        {"mon 08:60-18:00", "'08:60-18:00' is no span of time."},
        {"mon 08:00-24:01", "'08:00-24:01' is no span of time."},
        {"mon 24:00-08:00", "'24:00-08:00' is no span of time."},
        {"mon 08:00-18:00x", "'08:00-18:00x' is no span of time."},
        {"mon 08:00-08:00", "'08:00-08:00' ends when it begins."},
        {"mon 08:00-18:00,", "There is no day."},
        {"mon 08:00-18:00 ,, tue 08:00-18:00", "',' is no day."},
        {"mon 08:00-18:00 tue 08:00-18:00", "'tue' is no distance to UTC."},
        {"mon 08:00-18:00 UTC+1", "'utc+1' is no distance to UTC."},
        {"mon 08:00-18:00 UTC+15:00", "'utc+15:00' is no distance to UTC."},
        {"mon 08:00-18:00 UTC x", "'x' stands behind the distance to UTC."},
        {"mon 08:00-18:00 UTC, tue 08:00-18:00", "',' stands behind the distance to UTC."},
    };
    char *wide = lat_alloc_array(LAT_HOURS_TEXT_MAX + 2, 1);
    struct lat_hours hours;
    struct lat_err err;

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(cases); i++) {
        assert_int_equal(lat_hours_parse(cases[i].text, &hours, &err), LAT_E_INVALID_FIELD);
        assert_string_equal(err.sentence, cases[i].sentence);
        assert_string_equal(err.field, "hours");
        assert_true(*err.hint);
    }
    memset(wide, ' ', LAT_HOURS_TEXT_MAX + 1);
    assert_int_equal(lat_hours_parse(wide, &hours, &err), LAT_E_INVALID_FIELD);
    memset(wide, 'm', LAT_HOURS_TEXT_MAX);
    wide[LAT_HOURS_TEXT_MAX] = '\0';
    assert_int_equal(lat_hours_parse(wide, &hours, &err), LAT_E_INVALID_FIELD); /* one long word */
    free(wide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hours_begin_and_end_to_the_minute),
        cmocka_unit_test(what_ends_before_it_begins_ends_on_the_next_day),
        cmocka_unit_test(what_touches_is_one),
        cmocka_unit_test(hours_go_by_their_owners_clock),
        cmocka_unit_test(what_cannot_be_meant_is_refused_by_its_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
