/* Passwords. A hash takes a quarter of a second, and longer under the sanitizers: few are made here. */
#include "support.h"

#include <time.h>

struct fixture {
    uint8_t salt[LAT_PASSWORD_SALT];
};

static int set_up(void **state)
{
    struct fixture *fixture = LAT_NEW(struct fixture);
    memset(fixture->salt, 7, sizeof(fixture->salt));
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    free(fixture);
    return 0;
}

static char *hash_of(struct fixture *fixture, const char *password)
{
    char *hash = NULL;
    struct lat_err err = {0};
    assert_int_equal(lat_password_hash(password, fixture->salt, &hash, &err), 0);
    return hash;
}

static void a_password_has_its_own_hash_and_no_other(void **state)
{
    char *hash = hash_of(*state, "correct horse");
    assert_int_equal(strncmp(hash, "$2b$12$", 7), 0);
    assert_int_equal(strlen(hash), 60);
    assert_true(lat_password_verify("correct horse", hash));
    assert_false(lat_password_verify("correct horsf", hash));
    assert_false(lat_password_verify("", hash));
    hash[59] = hash[59] == 'a' ? 'e' : 'a';
    assert_false(lat_password_verify("correct horse", hash));
    free(hash);
}

static void every_byte_of_a_long_password_counts(void **state)
{
    char password[101];
    memset(password, 'x', 100);
    password[100] = '\0';
    char *hash = hash_of(*state, password);
    assert_true(lat_password_verify(password, hash));
    password[99] = 'y'; /* beyond what bcrypt reads */
    assert_false(lat_password_verify(password, hash));
    password[72] = '\0'; /* what bcrypt alone would have read */
    assert_false(lat_password_verify(password, hash));
    free(hash);
}

static void a_hash_of_another_libcrypt_is_known(void **state)
{
    (void)state;
    assert_true(
        lat_password_verify("nobody has this one: 7f3a9c",
                            "$2b$12$LatticeNobodySaltxxxxeqeD6lfQmMwRNSsTjSbY6FKHzGUVZUwC"));
}

static void lengths_are_checked_at_their_limits(void **state)
{
    struct fixture *fixture = *state;
    struct lat_err err = {0};
    char *hash = NULL;
    char password[LAT_PASSWORD_MAX + 2];
    memset(password, 'p', sizeof password);
    password[LAT_PASSWORD_MAX + 1] = '\0';
    assert_int_equal(lat_password_hash(password, fixture->salt, &hash, &err), LAT_E_INVALID_FIELD);
    assert_string_equal(err.field, "password");
    password[LAT_PASSWORD_MAX] = '\0';
    free(hash_of(fixture, password));
    assert_int_equal(lat_password_hash("1234567", fixture->salt, &hash, &err), LAT_E_INVALID_FIELD);
    /* seven characters, fourteen bytes */
    assert_int_equal(lat_password_hash("äöüäöüä", fixture->salt, &hash, &err), LAT_E_INVALID_FIELD);
    assert_int_equal(lat_password_hash("long enough\xff", fixture->salt, &hash, &err),
                     LAT_E_INVALID_FIELD);
    assert_null(hash);
}

static int64_t duration_of(const char *password, const char *hash)
{
    struct timespec from, to;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    assert_false(lat_password_verify(password, hash));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    return (to.tv_sec - from.tv_sec) * INT64_C(1000000000) + (to.tv_nsec - from.tv_nsec);
}

static void an_unknown_user_takes_as_long_as_a_known_one(void **state)
{
    (void)state;
    const char *hash = "$2b$12$LatticeNobodySaltxxxxeqeD6lfQmMwRNSsTjSbY6FKHzGUVZUwC";
    int64_t known = duration_of("wrong password", hash);
    assert_true(duration_of("wrong password", NULL) > known / 2);
    assert_true(duration_of("wrong password", "") > known / 2);
    assert_true(duration_of("wrong password", "$1$abc$defghi") > known / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_password_has_its_own_hash_and_no_other, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(every_byte_of_a_long_password_counts, set_up, tear_down),
        cmocka_unit_test(a_hash_of_another_libcrypt_is_known),
        cmocka_unit_test_setup_teardown(lengths_are_checked_at_their_limits, set_up, tear_down),
        cmocka_unit_test(an_unknown_user_takes_as_long_as_a_known_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
