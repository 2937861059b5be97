#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"

#include "check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct number_case {
    const char *text;
    int64_t value;
};

typedef int reader(const char *text, int64_t *ret);

static void check_reads(reader *read, const struct number_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t value = -1;
        if (read(cases[i].text, &value) != 0 || value != cases[i].value) {
            fail_msg("\"%s\" gave %" PRId64, cases[i].text, value);
        }
    }
}

static void check_refuses(reader *read, const char *const *texts)
{
    for (; *texts != NULL; texts++) {
        int64_t value = -77;
        if (read(*texts, &value) != LAT_E_INVALID || value != -77) {
            fail_msg("\"%s\" was taken as %" PRId64, *texts, value);
        }
    }
}

static int read_any_int(const char *text, int64_t *ret)
{
    return lat_text_to_int(text, INT64_MIN, INT64_MAX, ret);
}

static void whole_numbers_are_read(void **state)
{
    (void)state;
    static const struct number_case cases[] = {
        {"0", 0},
        {"-0", 0},
        {"007", 7},
        {"42", 42},
        {"-42", -42},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
    };
    check_reads(read_any_int, cases, LAT_COUNT(cases));
}

static void what_is_no_whole_number_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "-",
        "+1",
        " 1",
        "1 ",
        "1.0",
        "1e3",
        "0x10",
        "--1",
        "1-",
        "a",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "99999999999999999999",
        NULL,
    };
    check_refuses(read_any_int, texts);
}

static void a_whole_number_keeps_its_bounds(void **state)
{
    (void)state;
    int64_t value = 0;
    assert_int_equal(lat_text_to_int("1", 1, 65535, &value), 0);
    assert_int_equal(lat_text_to_int("65535", 1, 65535, &value), 0);
    assert_int_equal(value, 65535);
    assert_int_equal(lat_text_to_int("0", 1, 65535, &value), LAT_E_INVALID);
    assert_int_equal(lat_text_to_int("65536", 1, 65535, &value), LAT_E_INVALID);
    assert_int_equal(value, 65535);
}

static void sizes_are_read(void **state)
{
    (void)state;
    static const struct number_case cases[] = {
        {"0", 0},
        {"1073741824", 1073741824},
        {"5b", 5},
        {"128m", 128 << 20},
        {"128M", 128 << 20},
        {"512MB", 512 << 20},
        {"2Ki", 2048},
        {"2KiB", 2048},
        {"1k", 1024},
        {"1.5g", 1610612736},
        {"0.5k", 512},
        {"1.000001k", 1024}, /* down to whole bytes */
        {"0.999999t", 1099510528264},
        {"1t", INT64_C(1) << 40},
        {"8388607t", INT64_C(8388607) << 40},
        {"9223372036854775807", INT64_MAX},
        {"9007199254740991k", INT64_C(9007199254740991) << 10},
        {"8388607.999999t", (INT64_C(8388607) << 40) + 1099510528264},
    };
    check_reads(lat_text_to_size, cases, LAT_COUNT(cases));
}

static void what_is_no_size_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "m",
        "-1",
        "+1",
        " 1m",
        "1 m",
        "1m ",
        "1.",
        ".5g",
        "1.5",
        "1.5b",
        "1..5g",
        "1.5.5g",
        "1p",
        "1mm",
        "1ib",
        "1e3",
        "0x10",
        "1.0000001g",
        "8388608t",
        "9007199254740992k",
        "9223372036854775808",
        "99999999999999999999t",
        "NaN",
        "inf",
        NULL,
    };
    check_refuses(lat_text_to_size, texts);
}

static void durations_are_read(void **state)
{
    (void)state;
    static const struct number_case cases[] = {
        {"250ms", 250},  {"30s", 30000},    {"5m", 300000},
        {"1h", 3600000}, {"7d", 604800000}, {"10", 10000},
        {"0", 0},        {"1.5s", 1500},    {"0.1d", 8640000},
        {"1.5", 1500},   {"0.0005s", 0},    {"106751991167d", INT64_C(106751991167) * 86400000},
        {"1H", 3600000},
    };
    check_reads(lat_text_to_duration, cases, LAT_COUNT(cases));
}

static void what_is_no_duration_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "s",
        "-1s",
        "1 s",
        "1.5ms",
        "1w",
        "1h30m",
        "1sm",
        "106751991168d",
        "9223372036854775807",
        "9223372036854776",
        NULL,
    };
    check_refuses(lat_text_to_duration, texts);
    int64_t value;
    assert_int_equal(lat_text_to_duration("9223372036854775", &value), 0);
}

static void rates_count_in_thousands(void **state)
{
    (void)state;
    static const struct number_case cases[] = {
        {"800000", 800000},    {"100m", 100000000}, {"2.5g", INT64_C(2500000000)},
        {"1Gbit", 1000000000}, {"0.5k", 500},       {"0", 0},
    };
    static const char *const texts[] = {"",     "m",    "-1m", "1.5",       "1 m", "1mib",
                                        "1m/s", "fast", "1e6", "99999999t", NULL};

    check_reads(lat_text_to_rate, cases, LAT_COUNT(cases));
    check_refuses(lat_text_to_rate, texts);
}

static void processors_are_read(void **state)
{
    (void)state;
    static const struct number_case cases[] = {
        {"0.5", 500},    {"2", 2000},
        {"0.001", 1},    {"0.1", 100},
        {"1.999", 1999}, {"0", 0},
        {"00.250", 250}, {"9223372036854775", INT64_C(9223372036854775000)},
    };
    check_reads(lat_text_to_cpu, cases, LAT_COUNT(cases));
}

static void what_is_no_number_of_processors_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "-1", ".5", "1.", "0.0001", "1.0000", "500m", "1 ", "9223372036854776", NULL,
    };
    check_refuses(lat_text_to_cpu, texts);
}

static void a_size_reads_as_the_arithmetic_says(void **state)
{
    (void)state;
    static const char units[] = "kmgt";
    struct lat_random *random = lat_random_new_seeded(4711);
    for (int i = 0; i < 20000; i++) {
        int unit = (int)lat_random_below(random, 4);
        int64_t factor = INT64_C(1) << (10 * (unit + 1));
        int64_t whole = (int64_t)lat_random_below(random, 8388608);
        int64_t part = (int64_t)lat_random_below(random, 1000000);
        char text[64];
        snprintf(text, sizeof(text), "%" PRId64 ".%06" PRId64 "%c", whole, part, units[unit]);
        int64_t value = -1;
        assert_int_equal(lat_text_to_size(text, &value), 0);
        assert_int_equal(value, whole * factor + part * factor / 1000000);
    }
    lat_random_free(random);
}

static void an_integer_reads_as_it_was_printed(void **state)
{
    (void)state;
    struct lat_random *random = lat_random_new_seeded(4712);
    for (int i = 0; i < 20000; i++) {
        int64_t number = (int64_t)(lat_random_u64(random) >> lat_random_below(random, 64));
        char text[32];
        snprintf(text, sizeof(text), "%" PRId64, number);
        int64_t value = 0;
        assert_int_equal(read_any_int(text, &value), 0);
        assert_int_equal(value, number);
    }
    lat_random_free(random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_are_read),
        cmocka_unit_test(what_is_no_whole_number_is_refused),
        cmocka_unit_test(a_whole_number_keeps_its_bounds),
        cmocka_unit_test(sizes_are_read),
        cmocka_unit_test(what_is_no_size_is_refused),
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(rates_count_in_thousands),
        cmocka_unit_test(processors_are_read),
        cmocka_unit_test(what_is_no_number_of_processors_is_refused),
        cmocka_unit_test(a_size_reads_as_the_arithmetic_says),
        cmocka_unit_test(an_integer_reads_as_it_was_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
