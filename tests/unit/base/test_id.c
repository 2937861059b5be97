#include "base/id.h"

#include "base/mem.h"
#include "check.h"

#include <string.h>

static int64_t fixed_wall_ms(void *arg)
{
    return *(int64_t *)arg;
}

/* A maker on a clock that the test sets. */
struct fixture {
    int64_t now;
    struct lat_clock clock;
    struct lat_id_maker maker;
};

static void begin(struct fixture *f, int64_t now)
{
    f->now = now;
    f->clock = (struct lat_clock){.wall_ms = fixed_wall_ms, .arg = &f->now};
    f->maker = (struct lat_id_maker){.clock = &f->clock, .random = lat_random_new_seeded(1)};
}

static void end(struct fixture *f)
{
    f->maker.random = lat_random_free(f->maker.random);
}

static void an_id_is_a_uuid_of_version_7(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, INT64_C(0x0123456789ab));
    char id[LAT_ID_SIZE];
    for (int i = 0; i < 1000; i++) {
        lat_id_make(&f.maker, id);
        assert_true(lat_id_is(id));
        assert_memory_equal(id, "01234567-89ab-7", 15);
        assert_non_null(strchr("89ab", id[19])); /* the variant */
    }
    end(&f);
}

static void check_ascending(struct fixture *f, char before[LAT_ID_SIZE])
{
    char id[LAT_ID_SIZE];
    lat_id_make(&f->maker, id);
    assert_true(strcmp(before, id) < 0);
    memcpy(before, id, LAT_ID_SIZE);
}

static void ids_of_one_millisecond_ascend(void **state)
{
    (void)state;
    struct fixture f;
    char before[LAT_ID_SIZE] = "";
    begin(&f, 1000);
    for (int i = 0; i < 100000; i++) {
        check_ascending(&f, before);
    }
    assert_memory_equal(before, "00000000-03e8-", 14); /* all still of that millisecond */
    end(&f);
}

static void ids_ascend_when_the_clock_steps_back(void **state)
{
    (void)state;
    struct fixture f;
    char before[LAT_ID_SIZE] = "";
    begin(&f, INT64_C(1795219462123));
    check_ascending(&f, before);
    f.now -= 3600000;
    check_ascending(&f, before);
    f.now = -5;
    check_ascending(&f, before);
    f.now = INT64_C(1795219462124);
    check_ascending(&f, before);
    end(&f);
}

static void a_full_counter_borrows_the_next_millisecond(void **state)
{
    (void)state;
    struct fixture f;
    char before[LAT_ID_SIZE] = "";
    begin(&f, 1000);
    check_ascending(&f, before);
    f.maker.counter = (1u << 26) - 2;
    memset(before, 0, sizeof(before));
    check_ascending(&f, before); /* the last that fits */
    assert_memory_equal(before, "00000000-03e8-7fff-bfff-", 24);
    check_ascending(&f, before);
    assert_memory_equal(before, "00000000-03e9-7", 15);
    check_ascending(&f, before); /* although the clock still says 1000 */
    end(&f);
}

static void the_counter_stands_around_version_and_variant(void **state)
{
    (void)state;
    struct fixture f;
    char id[LAT_ID_SIZE];
    begin(&f, 1000);
    lat_id_make(&f.maker, id);
    f.maker.counter = 0x1555554;
    lat_id_make(&f.maker, id);
    assert_memory_equal(id, "00000000-03e8-7555-9555-", 24);
    end(&f);
}

static void a_new_millisecond_starts_in_the_lower_half_of_the_counter(void **state)
{
    (void)state;
    struct fixture f;
    char id[LAT_ID_SIZE];
    uint32_t ored = 0;
    begin(&f, 1000);
    for (int i = 0; i < 1000; i++) {
        f.now++;
        lat_id_make(&f.maker, id);
        assert_true(f.maker.counter < 1u << 25);
        ored |= f.maker.counter;
    }
    assert_int_equal(ored, (1u << 25) - 1);
    end(&f);
}

static void makers_do_not_make_each_others_ids(void **state)
{
    (void)state;
    struct lat_random *random = lat_random_new_system();
    struct lat_id_maker a = {.clock = lat_clock_system(), .random = random};
    struct lat_id_maker b = a;
    char of_a[LAT_ID_SIZE];
    char of_b[LAT_ID_SIZE];
    for (int i = 0; i < 1000; i++) {
        lat_id_make(&a, of_a);
        lat_id_make(&b, of_b);
        assert_string_not_equal(of_a, of_b);
    }
    lat_random_free(random);
}

static void what_is_no_id_is_refused(void **state)
{
    (void)state;
    assert_true(lat_id_is("01a1fb7f-42b2-745a-b897-0221b926bc16"));
    static const char *const texts[] = {
        "",
        "01a1fb7f",
        "01a1fb7f-42b2-745a-b897-0221b926bc1",
        "01a1fb7f-42b2-745a-b897-0221b926bc166",
        "01A1FB7F-42B2-745A-B897-0221B926BC16",
        "01a1fb7f042b2-745a-b897-0221b926bc16",
        "01a1fb7-f42b2-745a-b897-0221b926bc16",
        "01a1fb7f-42b2-745a-b897-0221b926bcg6",
        "{1a1fb7f-42b2-745a-b897-0221b926bc1}",
        " 1a1fb7f-42b2-745a-b897-0221b926bc16",
    };
    for (size_t i = 0; i < LAT_COUNT(texts); i++) {
        assert_false(lat_id_is(texts[i]));
    }
}

static void an_id_fits_into_16_bytes(void **state)
{
    (void)state;
    const char *id = "0123abcd-4567-89ef-f0e1-d2c3b4a59687";
    char again[LAT_ID_SIZE];
    uint8_t bytes[LAT_ID_BYTES];

    assert_true(lat_id_pack(id, bytes));
    assert_int_equal(bytes[0], 0x01);
    assert_int_equal(bytes[15], 0x87);
    lat_id_unpack(bytes, again);
    assert_string_equal(again, id);
    assert_false(lat_id_pack("0123ABCD-4567-89ef-f0e1-d2c3b4a59687", bytes));
    assert_false(lat_id_pack("", bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_a_uuid_of_version_7),
        cmocka_unit_test(an_id_fits_into_16_bytes),
        cmocka_unit_test(ids_of_one_millisecond_ascend),
        cmocka_unit_test(ids_ascend_when_the_clock_steps_back),
        cmocka_unit_test(a_full_counter_borrows_the_next_millisecond),
        cmocka_unit_test(the_counter_stands_around_version_and_variant),
        cmocka_unit_test(a_new_millisecond_starts_in_the_lower_half_of_the_counter),
        cmocka_unit_test(makers_do_not_make_each_others_ids),
        cmocka_unit_test(what_is_no_id_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
