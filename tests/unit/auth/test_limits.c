#include "auth/limits.h"

#include "support.h"

#include <stdio.h>

static void expect_source(const char *peer, const char *expected)
{
    char source[LAT_SOURCE_SIZE];
    lat_source_of(peer, source);
    assert_string_equal(source, expected);
}

static void a_source_is_an_address_without_its_port(void **state)
{
    char long_text[300];
    char source[LAT_SOURCE_SIZE];
    (void)state;
    expect_source("192.0.2.7:4711", "192.0.2.7");
    expect_source("[2001:db8:1:2:3:4:5:6]:443", "2001:db8:1:2::");
    expect_source("[2001:db8:1:2:ffff::1]:444", "2001:db8:1:2::");
    expect_source("[::ffff:192.0.2.7]:443", "::ffff:192.0.2.7");
    expect_source("[::1]:443", "::");
    expect_source("unix", "unix");
    expect_source("", "");
    expect_source("[", "[");
    expect_source("[]:1", "[]");
    expect_source("[nonsense]:1", "[nonsense]");
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    lat_source_of(long_text, source);
    assert_int_equal(strlen(source), LAT_SOURCE_SIZE - 1);
}

static struct lat_rate *rate_new(size_t sources_max)
{
    return lat_rate_new(&hand_clock, &(struct lat_rate_rules){.burst = 3,
                                                              .each_second = 2,
                                                              .burst_all = 5,
                                                              .each_second_all = 4,
                                                              .sources_max = sources_max});
}

static void a_source_has_its_burst_and_then_its_rate(void **state)
{
    struct lat_rate *rate = rate_new(10);
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(lat_rate_take(rate, "a"), 0);
    }
    int64_t wait = lat_rate_take(rate, "a");
    assert_in_range(wait, 500, 501);
    now_ms += wait - 2;
    assert_in_range(lat_rate_take(rate, "a"), 1, 3); /* a refusal costs nothing */
    now_ms += 1;
    assert_int_equal(lat_rate_take(rate, "a"), 0);
    assert_true(lat_rate_take(rate, "a") > 0);
    now_ms += INT64_C(1) << 40; /* for ever: full, and no fuller */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(lat_rate_take(rate, "a"), 0);
    }
    assert_true(lat_rate_take(rate, "a") > 0);
    lat_rate_free(rate);
}

static void one_source_does_not_take_the_others_share_until_all_is_spent(void **state)
{
    struct lat_rate *rate = rate_new(10);
    (void)state;
    for (int i = 0; i < 100; i++) {
        (void)lat_rate_take(rate, "flood");
    }
    assert_int_equal(lat_rate_take(rate, "b"), 0);
    assert_int_equal(lat_rate_take(rate, "c"), 0);
    assert_true(lat_rate_take(rate, "d") > 0); /* five in all */
    now_ms += 251;
    assert_int_equal(lat_rate_take(rate, "d"), 0);
    lat_rate_free(rate);
}

static struct lat_lockout *lockout_new(size_t names_max)
{
    return lat_lockout_new(&hand_clock, &(struct lat_lockout_rules){.free_mistakes = 3,
                                                                    .wait_min_ms = 1000,
                                                                    .wait_max_ms = 5000,
                                                                    .forget_ms = 60000,
                                                                    .names_max = names_max});
}

static void waits_double_up_to_their_limit_and_hit_one_name(void **state)
{
    static const int64_t waits[] = {0, 0, 0, 1000, 2000, 4000, 5000, 5000};
    struct lat_lockout *lockout = lockout_new(10);
    (void)state;
    for (size_t i = 0; i < LAT_COUNT(waits); i++) {
        lat_lockout_mistake(lockout, "guesser");
        assert_int_equal(lat_lockout_wait_ms(lockout, "guesser"), waits[i]);
        assert_int_equal(lat_lockout_wait_ms(lockout, "owner"), 0);
        now_ms += waits[i];
        assert_int_equal(lat_lockout_wait_ms(lockout, "guesser"), 0);
    }
    lat_lockout_forgive(lockout, "guesser");
    lat_lockout_forgive(lockout, "nobody");
    lat_lockout_mistake(lockout, "guesser");
    assert_int_equal(lat_lockout_wait_ms(lockout, "guesser"), 0);
    lat_lockout_free(lockout);
}

static void mistakes_are_forgotten_in_time(void **state)
{
    struct lat_lockout *lockout = lockout_new(10);
    (void)state;
    for (int i = 0; i < 3; i++) {
        lat_lockout_mistake(lockout, "a");
    }
    now_ms += 60000;
    lat_lockout_mistake(lockout, "a");
    assert_int_equal(lat_lockout_wait_ms(lockout, "a"), 0);
    lat_lockout_free(lockout);
}

static void names_are_bounded_and_the_quietest_goes(void **state)
{
    struct lat_lockout *lockout = lockout_new(3);
    struct lat_rate *rate = rate_new(3);
    char name[16];
    (void)state;
    for (int i = 0; i < 4; i++) {
        lat_lockout_mistake(lockout, "stays");
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        lat_lockout_mistake(lockout, name);
        lat_lockout_mistake(lockout, "stays");
        (void)lat_rate_take(rate, name);
    }
    assert_true(lat_lockout_wait_ms(lockout, "stays") > 0);
    lat_lockout_free(lockout);
    lat_rate_free(rate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_is_an_address_without_its_port),
        cmocka_unit_test(a_source_has_its_burst_and_then_its_rate),
        cmocka_unit_test(one_source_does_not_take_the_others_share_until_all_is_spent),
        cmocka_unit_test(waits_double_up_to_their_limit_and_hit_one_name),
        cmocka_unit_test(mistakes_are_forgotten_in_time),
        cmocka_unit_test(names_are_bounded_and_the_quietest_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
