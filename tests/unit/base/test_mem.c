#include "base/mem.h"

#include "check.h"

#include <stdlib.h>
#include <string.h>

static void new_memory_is_zeroed(void **state)
{
    (void)state;
    uint8_t *memory = lat_alloc(1000);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(memory[i], 0);
    }
    free(memory);
}

static void no_bytes_are_memory_too(void **state)
{
    (void)state;
    void *a = lat_alloc(0);
    void *b = lat_alloc_array(0, 8);
    void *c = lat_grow(NULL, 0, 8);
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    c = lat_grow(c, 0, 8);
    assert_non_null(c);
    free(a);
    free(b);
    free(c);
}

static void growing_keeps_the_contents(void **state)
{
    (void)state;
    uint32_t *numbers = lat_alloc_array(2, sizeof(*numbers));
    numbers[1] = 7;
    numbers = lat_grow(numbers, 10000, sizeof(*numbers));
    assert_int_equal(numbers[1], 7);
    numbers[9999] = 1;
    free(numbers);
}

static void alloc_array_too_big(void *arg)
{
    free(lat_alloc_array(*(size_t *)arg, 2));
}

static void grow_too_big(void *arg)
{
    free(lat_grow(NULL, *(size_t *)arg, 2));
}

static void a_size_that_overflows_aborts(void **state)
{
    (void)state;
    size_t half = SIZE_MAX / 2 + 1; /* times two is 0 */
    assert_true(aborts(alloc_array_too_big, &half));
    assert_true(aborts(grow_too_big, &half));
}

static void assert_a_lie(void *arg)
{
    LAT_ASSERT(arg != NULL);
}

static void an_assertion_aborts_only_when_it_fails(void **state)
{
    (void)state;
    assert_true(aborts(assert_a_lie, NULL));
    assert_false(aborts(assert_a_lie, &state));
}

struct magic {
    uint32_t magic;
    int before;
    int member;
};

static void check_magic(void *arg)
{
    struct magic *object = arg;
    LAT_CHECK_MAGIC(object, 0x1234);
}

static void a_wrong_magic_aborts(void **state)
{
    (void)state;
    struct magic right = {.magic = 0x1234};
    struct magic wrong = {.magic = 0x1235};
    assert_false(aborts(check_magic, &right));
    assert_true(aborts(check_magic, &wrong));
    assert_true(aborts(check_magic, NULL));
}

static void a_container_is_found_from_its_member(void **state)
{
    (void)state;
    struct magic object = {0};
    assert_ptr_equal(LAT_CONTAINER(&object.member, struct magic, member), &object);
}

static void wiping_leaves_zeros(void **state)
{
    (void)state;
    char secret[] = "secret";
    static const char zeros[sizeof(secret)];
    lat_wipe(secret, sizeof(secret));
    assert_memory_equal(secret, zeros, sizeof(secret));
    lat_wipe(NULL, 0);
}

static void freeing_a_secret_takes_null(void **state)
{
    (void)state;
    assert_null(lat_wipe_free(NULL));
    assert_null(lat_wipe_free(strdup("secret")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_memory_is_zeroed),
        cmocka_unit_test(no_bytes_are_memory_too),
        cmocka_unit_test(growing_keeps_the_contents),
        cmocka_unit_test(a_size_that_overflows_aborts),
        cmocka_unit_test(an_assertion_aborts_only_when_it_fails),
        cmocka_unit_test(a_wrong_magic_aborts),
        cmocka_unit_test(a_container_is_found_from_its_member),
        cmocka_unit_test(wiping_leaves_zeros),
        cmocka_unit_test(freeing_a_secret_takes_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
