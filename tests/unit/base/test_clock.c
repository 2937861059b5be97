#include "base/clock.h"

#include "base/mem.h"
#include "base/random.h"
#include "check.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

static int64_t parse(const char *text)
{
    int64_t wall_ms = 0;
    if (lat_time_parse(text, &wall_ms) != 0) {
        fail_msg("\"%s\" was refused", text);
    }
    return wall_ms;
}

static void check_format(int64_t wall_ms, const char *expected)
{
    char text[LAT_TIME_SIZE];
    memset(text, 'x', sizeof(text));
    lat_time_format(wall_ms, text);
    assert_string_equal(text, expected);
}

static void times_are_written_and_read(void **state)
{
    (void)state;
    static const struct {
        int64_t wall_ms;
        const char *text;
    } cases[] = {
        {1, "1970-01-01T00:00:00.001Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {INT64_C(86399999), "1970-01-01T23:59:59.999Z"},
        {INT64_C(86400000), "1970-01-02T00:00:00.000Z"},
        {INT64_C(951782399999), "2000-02-28T23:59:59.999Z"},
        {INT64_C(951782400000), "2000-02-29T00:00:00.000Z"}, /* a leap year by the rule of 400 */
        {INT64_C(951868800000), "2000-03-01T00:00:00.000Z"},
        {INT64_C(1709164800000), "2024-02-29T00:00:00.000Z"},
        {INT64_C(1795219462123), "2026-11-21T00:04:22.123Z"},
        {INT64_C(2147483648000), "2038-01-19T03:14:08.000Z"},
        {INT64_C(4107542400000), "2100-03-01T00:00:00.000Z"}, /* 2100 is no leap year */
        {INT64_C(4107456000000), "2100-02-28T00:00:00.000Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
        {INT64_C(-62167219200000), "0000-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < LAT_COUNT(cases); i++) {
        check_format(cases[i].wall_ms, cases[i].text);
        assert_int_equal(parse(cases[i].text), cases[i].wall_ms);
    }
}

static void no_time_is_no_text(void **state)
{
    (void)state;
    check_format(0, "");
    assert_int_equal(parse("1970-01-01T00:00:00Z"), 0);
}

static void times_past_the_calendar_stop_at_its_ends(void **state)
{
    (void)state;
    check_format(INT64_C(253402300800000), "9999-12-31T23:59:59.999Z");
    check_format(INT64_MAX, "9999-12-31T23:59:59.999Z");
    check_format(INT64_C(-62167219200001), "0000-01-01T00:00:00.000Z");
    check_format(INT64_MIN, "0000-01-01T00:00:00.000Z");
}

static void every_form_of_rfc3339_is_read(void **state)
{
    (void)state;
    int64_t at = INT64_C(1795219462000);
    assert_int_equal(parse("2026-11-21T00:04:22Z"), at);
    assert_int_equal(parse("2026-11-21t00:04:22z"), at);
    assert_int_equal(parse("2026-11-21T00:04:22+00:00"), at);
    assert_int_equal(parse("2026-11-21T00:04:22-00:00"), at);
    assert_int_equal(parse("2026-11-21T02:04:22+02:00"), at);
    assert_int_equal(parse("2026-11-20T18:34:22-05:30"), at);
    assert_int_equal(parse("2026-11-21T23:59:22+23:55"), at);
    assert_int_equal(parse("2026-11-21T00:04:22.1Z"), at + 100);
    assert_int_equal(parse("2026-11-21T00:04:22.12Z"), at + 120);
    assert_int_equal(parse("2026-11-21T00:04:22.123456789Z"), at + 123);
    assert_int_equal(parse("2026-11-21T00:04:22.0009999999999999999999999999Z"), at);
    assert_int_equal(parse("2026-11-21T00:04:22.999999+00:00"), at + 999);
    /* A leap second is the second after it. */
    assert_int_equal(parse("2016-12-31T23:59:60Z"), parse("2017-01-01T00:00:00Z"));
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "2026",
        "2026-11-21",
        "2026-11-21T00:04Z",
        "2026-11-21T00:04:22", /* no offset */
        "2026-11-21 00:04:22Z",
        "2026-11-21T00:04:22.Z", /* a point without decimals */
        "2026-11-21T00:04:22,5Z",
        "2026-11-21T00:04:22ZZ",
        "2026-11-21T00:04:22Z ",
        " 2026-11-21T00:04:22Z",
        "2026-11-21T00:04:22+0000",
        "2026-11-21T00:04:22+24:00",
        "2026-11-21T00:04:22+00:60",
        "2026-11-21T00:04:22+00:0",
        "2026-11-21T24:00:00Z",
        "2026-11-21T00:60:00Z",
        "2026-11-21T00:00:61Z",
        "2026-00-21T00:00:00Z",
        "2026-13-21T00:00:00Z",
        "2026-11-00T00:00:00Z",
        "2026-11-31T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "-026-11-21T00:00:00Z",
        "+2026-11-21T00:00:00Z",
        "12026-11-21T00:00:00Z",
        "2026-1-21T00:00:00Z",
        "2026-11-2",
        "2026-11-21T0",
    };
    for (size_t i = 0; i < LAT_COUNT(texts); i++) {
        int64_t wall_ms = 7;
        if (lat_time_parse(texts[i], &wall_ms) != LAT_E_INVALID || wall_ms != 7) {
            fail_msg("\"%s\" was taken as %" PRId64, texts[i], wall_ms);
        }
    }
}

static void it_agrees_with_the_c_library(void **state)
{
    (void)state;
    struct lat_random *random = lat_random_new_seeded(2026);
    for (int i = 0; i < 20000; i++) {
        int64_t wall_ms = (int64_t)lat_random_below(random, 253402300800000) | 1;
        time_t seconds = wall_ms / 1000;
        struct tm parts;
        assert_non_null(gmtime_r(&seconds, &parts));
        char expected[32];
        size_t len = strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.", &parts);
        int ms = (int)(wall_ms % 1000);
        expected[len] = (char)('0' + ms / 100);
        expected[len + 1] = (char)('0' + ms / 10 % 10);
        expected[len + 2] = (char)('0' + ms % 10);
        expected[len + 3] = 'Z';
        expected[len + 4] = '\0';
        check_format(wall_ms, expected);
        assert_int_equal(parse(expected), wall_ms);
    }
    lat_random_free(random);
}

static void every_day_of_four_centuries_comes_back(void **state)
{
    (void)state;
    char before[LAT_TIME_SIZE] = "";
    for (int64_t day = -146097; day <= 146097; day++) {
        char text[LAT_TIME_SIZE];
        lat_time_format(day * 86400000 + 1, text);
        assert_true(strcmp(before, text) < 0);
        assert_int_equal(parse(text), day * 86400000 + 1);
        memcpy(before, text, sizeof(before));
    }
}

static void the_systems_clock_goes_forward(void **state)
{
    (void)state;
    const struct lat_clock *clock = lat_clock_system();
    int64_t boot = lat_clock_boot_ns(clock);
    int64_t wall = lat_clock_wall_ms(clock);
    assert_true(wall > INT64_C(1600000000000));
    assert_true(wall / 1000 - (int64_t)time(NULL) <= 1);
    assert_true(boot > 0);
    assert_true(lat_clock_boot_ns(clock) >= boot);
    assert_true(lat_clock_boot_ms(clock) - boot / 1000000 < 60000);
}

static int64_t fixed_wall_ms(void *arg)
{
    return *(int64_t *)arg;
}

static int64_t fixed_boot_ns(void *arg)
{
    return *(int64_t *)arg * 1000000 + 999999;
}

static void a_clock_may_be_simulated(void **state)
{
    (void)state;
    int64_t now = 42;
    struct lat_clock clock = {.wall_ms = fixed_wall_ms, .boot_ns = fixed_boot_ns, .arg = &now};
    assert_int_equal(lat_clock_wall_ms(&clock), 42);
    assert_int_equal(lat_clock_boot_ms(&clock), 42);
    assert_int_equal(lat_clock_boot_ns(&clock), 42999999);
    now = 43;
    assert_int_equal(lat_clock_wall_ms(&clock), 43);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_and_read),
        cmocka_unit_test(no_time_is_no_text),
        cmocka_unit_test(times_past_the_calendar_stop_at_its_ends),
        cmocka_unit_test(every_form_of_rfc3339_is_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(it_agrees_with_the_c_library),
        cmocka_unit_test(every_day_of_four_centuries_comes_back),
        cmocka_unit_test(the_systems_clock_goes_forward),
        cmocka_unit_test(a_clock_may_be_simulated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
