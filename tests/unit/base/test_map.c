#include "base/map.h"

#include "base/random.h"
#include "check.h"

#include <stdio.h>
#include <string.h>

static void what_is_put_is_found(void **state)
{
    (void)state;
    int one;
    int two;
    struct lat_map *map = lat_map_new();
    assert_null(lat_map_get(map, "a"));
    assert_null(lat_map_put(map, "a", &one));
    assert_null(lat_map_put(map, "", &two));
    assert_ptr_equal(lat_map_get(map, "a"), &one);
    assert_ptr_equal(lat_map_get(map, ""), &two);
    assert_null(lat_map_get(map, "A"));
    assert_int_equal(lat_map_count(map), 2);
    assert_null(lat_map_free(map));
    assert_null(lat_map_free(NULL));
}

static void putting_again_replaces(void **state)
{
    (void)state;
    int one;
    int two;
    struct lat_map *map = lat_map_new();
    lat_map_put(map, "a", &one);
    assert_ptr_equal(lat_map_put(map, "a", &two), &one);
    assert_ptr_equal(lat_map_get(map, "a"), &two);
    assert_int_equal(lat_map_count(map), 1);
    lat_map_free(map);
}

static void keys_are_copied(void **state)
{
    (void)state;
    int one;
    char key[] = "key";
    struct lat_map *map = lat_map_new();
    lat_map_put(map, key, &one);
    key[0] = 'x';
    assert_ptr_equal(lat_map_get(map, "key"), &one);
    lat_map_free(map);
}

static void removing_returns_the_value(void **state)
{
    (void)state;
    int one;
    struct lat_map *map = lat_map_new();
    assert_null(lat_map_remove(map, "a"));
    lat_map_put(map, "a", &one);
    assert_ptr_equal(lat_map_remove(map, "a"), &one);
    assert_null(lat_map_remove(map, "a"));
    assert_int_equal(lat_map_count(map), 0);
    lat_map_put(map, "a", &one); /* an emptied map is a new one */
    assert_int_equal(lat_map_count(map), 1);
    lat_map_free(map);
}

enum { MANY = 3000 };

/* Returns a map of MANY keys, each with the address of its number in `numbers`. */
static struct lat_map *make_many(int numbers[MANY])
{
    struct lat_map *map = lat_map_new();
    for (int i = 0; i < MANY; i++) {
        char key[16];
        snprintf(key, sizeof(key), "key%d", i);
        numbers[i] = i;
        lat_map_put(map, key, &numbers[i]);
    }
    return map;
}

static void a_walk_is_in_order_of_insertion(void **state)
{
    (void)state;
    int numbers[MANY];
    struct lat_map *map = make_many(numbers);
    void *cursor = NULL;
    const char *key;
    void *value;
    int next = 0;
    while (lat_map_next(map, &cursor, &key, &value)) {
        char expected[16];
        snprintf(expected, sizeof(expected), "key%d", next);
        assert_string_equal(key, expected);
        assert_int_equal(*(int *)value, next);
        next++;
    }
    assert_int_equal(next, MANY);
    assert_false(lat_map_next(map, &cursor, &key, &value)); /* stays at the end */
    lat_map_free(map);
}

static void a_walk_over_nothing_ends_at_once(void **state)
{
    (void)state;
    struct lat_map *map = lat_map_new();
    void *cursor = NULL;
    const char *key;
    void *value;
    assert_false(lat_map_next(map, &cursor, &key, &value));
    lat_map_free(map);
}

static void a_walk_may_remove_what_it_just_returned(void **state)
{
    (void)state;
    int numbers[MANY];
    struct lat_map *map = make_many(numbers);
    void *cursor = NULL;
    const char *key;
    void *value;
    int seen = 0;
    while (lat_map_next(map, &cursor, &key, &value)) {
        if (seen++ % 2 == 0) {
            assert_ptr_equal(lat_map_remove(map, key), value);
        }
    }
    assert_int_equal(seen, MANY);
    assert_int_equal(lat_map_count(map), MANY / 2);
    assert_null(lat_map_get(map, "key0"));
    assert_non_null(lat_map_get(map, "key1"));
    cursor = NULL;
    while (lat_map_next(map, &cursor, &key, &value)) {
        lat_map_remove(map, key); /* all, the last too */
    }
    assert_int_equal(lat_map_count(map), 0);
    lat_map_free(map);
}

static void it_agrees_with_a_plain_array(void **state)
{
    (void)state;
    enum { KEYS = 50 };
    int values[KEYS][3];
    void *expected[KEYS] = {NULL};
    struct lat_random *random = lat_random_new_seeded(1);
    struct lat_map *map = lat_map_new();
    for (int i = 0; i < 50000; i++) {
        size_t n = lat_random_below(random, KEYS);
        char key[16];
        snprintf(key, sizeof(key), "%zu", n);
        switch (lat_random_below(random, 3)) {
        case 0: {
            void *value = &values[n][lat_random_below(random, 3)];
            assert_ptr_equal(lat_map_put(map, key, value), expected[n]);
            expected[n] = value;
            break;
        }
        case 1:
            assert_ptr_equal(lat_map_remove(map, key), expected[n]);
            expected[n] = NULL;
            break;
        default: assert_ptr_equal(lat_map_get(map, key), expected[n]); break;
        }
    }
    size_t count = 0;
    for (size_t n = 0; n < KEYS; n++) {
        count += expected[n] != NULL;
    }
    assert_int_equal(lat_map_count(map), count);
    lat_map_free(map);
    lat_random_free(random);
}

static void put_null(void *arg)
{
    lat_map_put(arg, "a", NULL);
}

static void null_is_no_value(void **state)
{
    (void)state;
    struct lat_map *map = lat_map_new();
    assert_true(aborts(put_null, map));
    lat_map_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_found),
        cmocka_unit_test(putting_again_replaces),
        cmocka_unit_test(keys_are_copied),
        cmocka_unit_test(removing_returns_the_value),
        cmocka_unit_test(a_walk_is_in_order_of_insertion),
        cmocka_unit_test(a_walk_over_nothing_ends_at_once),
        cmocka_unit_test(a_walk_may_remove_what_it_just_returned),
        cmocka_unit_test(it_agrees_with_a_plain_array),
        cmocka_unit_test(null_is_no_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
