#include "base/random.h"

#include "base/mem.h"
#include "check.h"

#include <string.h>

static void a_seed_repeats(void **state)
{
    (void)state;
    struct lat_random *a = lat_random_new_seeded(1);
    struct lat_random *b = lat_random_new_seeded(1);
    struct lat_random *c = lat_random_new_seeded(2);
    bool differs = false;
    for (int i = 0; i < 1000; i++) {
        uint64_t value = lat_random_u64(a);
        assert_true(lat_random_u64(b) == value);
        differs |= lat_random_u64(c) != value;
    }
    assert_true(differs);
    lat_random_free(a);
    lat_random_free(b);
    assert_null(lat_random_free(c));
    assert_null(lat_random_free(NULL));
}

static void a_seed_gives_the_published_numbers(void **state)
{
    (void)state;
    /* xoshiro256** over the state that splitmix64 makes of 0. */
    static const uint64_t expected[] = {
        UINT64_C(0x99ec5f36cb75f2b4),
        UINT64_C(0xbf6e1f784956452a),
        UINT64_C(0x1a5f849d4933e6e0),
    };
    struct lat_random *random = lat_random_new_seeded(0);
    for (size_t i = 0; i < LAT_COUNT(expected); i++) {
        assert_true(lat_random_u64(random) == expected[i]);
    }
    lat_random_free(random);
}

static void the_kernel_gives_every_length(void **state)
{
    (void)state;
    struct lat_random *random = lat_random_new_system();
    uint8_t ored[700] = {0};
    for (size_t len = 0; len <= 600; len++) { /* below, at and past the buffer */
        uint8_t bytes[701];
        for (int round = 0; round < 2; round++) {
            memset(bytes, 0, sizeof(bytes));
            lat_random_bytes(random, bytes, len);
            assert_int_equal(bytes[len], 0);
            for (size_t i = 0; i < len; i++) {
                ored[i] |= bytes[i];
            }
        }
    }
    for (size_t i = 0; i < 590; i++) {
        assert_int_not_equal(ored[i], 0);
    }
    lat_random_free(random);
}

static void two_of_the_kernels_differ(void **state)
{
    (void)state;
    struct lat_random *a = lat_random_new_system();
    struct lat_random *b = lat_random_new_system();
    assert_true(lat_random_u64(a) != lat_random_u64(b));
    assert_true(lat_random_u64(a) != lat_random_u64(a));
    lat_random_free(a);
    lat_random_free(b);
}

static void below_stays_below_and_reaches_all(void **state)
{
    (void)state;
    struct lat_random *random = lat_random_new_seeded(3);
    for (uint64_t bound = 1; bound <= 20; bound++) {
        uint32_t seen = 0;
        for (int i = 0; i < 2000; i++) {
            uint64_t value = lat_random_below(random, bound);
            assert_true(value < bound);
            seen |= UINT32_C(1) << value;
        }
        assert_int_equal(seen, (UINT32_C(1) << bound) - 1);
    }
    assert_true(lat_random_below(random, UINT64_MAX) < UINT64_MAX);
    lat_random_free(random);
}

static void below_has_no_bias(void **state)
{
    (void)state;
    /* Of a bound of three quarters of 2^64, plain remainders would hit the lowest third twice as
     * often. */
    struct lat_random *random = lat_random_new_seeded(4);
    uint64_t bound = UINT64_C(3) << 62;
    int low = 0;
    for (int i = 0; i < 30000; i++) {
        low += lat_random_below(random, bound) < UINT64_C(1) << 62;
    }
    assert_in_range(low, 9600, 10400);
    lat_random_free(random);
}

static void jitter_stays_within_its_percent(void **state)
{
    (void)state;
    struct lat_random *random = lat_random_new_seeded(5);
    int64_t least = INT64_MAX;
    int64_t most = 0;
    for (int i = 0; i < 20000; i++) {
        int64_t ms = lat_random_jitter(random, 1000, 20);
        assert_in_range(ms, 800, 1200);
        least = ms < least ? ms : least;
        most = ms > most ? ms : most;
        assert_in_range(lat_random_jitter(random, INT64_MAX, 100), 0, INT64_MAX);
        assert_int_equal(lat_random_jitter(random, 0, 100), 0);
        assert_int_equal(lat_random_jitter(random, 77, 0), 77);
    }
    assert_int_equal(least, 800);
    assert_int_equal(most, 1200);
    lat_random_free(random);
}

static void a_word_is_letters_and_digits_all_alike_often(void **state)
{
    (void)state;
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    struct lat_random *random = lat_random_new_seeded(6);
    int count[62] = {0};
    char word[101];
    for (int i = 0; i < 1240; i++) {
        lat_random_word(random, word, 100);
        assert_int_equal(strlen(word), 100);
        for (size_t k = 0; k < 100; k++) {
            const char *letter = strchr(letters, word[k]);
            assert_non_null(letter);
            count[letter - letters]++;
        }
    }
    for (size_t i = 0; i < 62; i++) {
        assert_in_range(count[i], 1780, 2220); /* 2000 each, five standard deviations */
    }
    char empty[1] = "x";
    lat_random_word(random, empty, 0);
    assert_int_equal(empty[0], '\0');
    lat_random_free(random);
}

static void below_nothing(void *arg)
{
    (void)lat_random_below(arg, 0);
}

static void there_is_nothing_below_zero(void **state)
{
    (void)state;
    struct lat_random *random = lat_random_new_seeded(7);
    assert_true(aborts(below_nothing, random));
    lat_random_free(random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_repeats),
        cmocka_unit_test(a_seed_gives_the_published_numbers),
        cmocka_unit_test(the_kernel_gives_every_length),
        cmocka_unit_test(two_of_the_kernels_differ),
        cmocka_unit_test(below_stays_below_and_reaches_all),
        cmocka_unit_test(below_has_no_bias),
        cmocka_unit_test(jitter_stays_within_its_percent),
        cmocka_unit_test(a_word_is_letters_and_digits_all_alike_often),
        cmocka_unit_test(there_is_nothing_below_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
