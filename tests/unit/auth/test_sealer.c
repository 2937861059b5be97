/* Secrets at rest. */
#include "support.h"

static struct lat_random *chance;
static struct lat_sealer *sealer;

static int set_up(void **state)
{
    (void)state;
    uint8_t key[LAT_MASTER_KEY_SIZE];
    chance = lat_random_new_seeded(1);
    lat_random_bytes(chance, key, sizeof key);
    sealer = lat_sealer_new(key, chance);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sealer = lat_sealer_free(sealer);
    chance = lat_random_free(chance);
    return 0;
}

static void assert_opens_as(const char *purpose, const char *sealed, const char *expected)
{
    char *text = NULL;
    struct lat_err err = {0};
    int code = lat_unseal(sealer, purpose, sealed, &text, &err);
    if (expected == NULL) {
        assert_int_equal(code, LAT_E_INTERNAL);
        assert_int_equal(err.code, LAT_E_INTERNAL);
        assert_null(text);
    } else {
        assert_int_equal(code, 0);
        assert_string_equal(text, expected);
        lat_wipe_free(text);
    }
}

static void what_was_sealed_opens_for_its_purpose_alone(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "x", "a password with ünïcode", "sixteen bytes ok"};
    for (size_t i = 0; i < LAT_COUNT(texts); i++) {
        char *sealed = lat_seal(sealer, "workload.rendered/1", texts[i]);
        assert_opens_as("workload.rendered/1", sealed, texts[i]);
        assert_opens_as("workload.rendered/2", sealed, NULL);
        assert_opens_as("workload.rendered/", sealed, NULL);
        assert_opens_as("workload.rendered/11", sealed, NULL);
        free(sealed);
    }
}

static void the_same_text_never_looks_the_same(void **state)
{
    (void)state;
    char *a = lat_seal(sealer, "p", "secret");
    char *b = lat_seal(sealer, "p", "secret");
    assert_string_not_equal(a, b);
    assert_null(strstr(a, "secret"));
    free(a);
    free(b);
}

static void no_character_can_be_changed(void **state)
{
    (void)state;
    char *sealed = lat_seal(sealer, "p", "attack at dawn");
    for (size_t i = 0; sealed[i] != '\0'; i++) {
        char was = sealed[i];
        sealed[i] = was == 'A' ? 'B' : 'A';
        assert_opens_as("p", sealed, NULL);
        sealed[i] = was;
    }
    assert_opens_as("p", sealed, "attack at dawn");
    free(sealed);
}

static void nothing_cut_off_or_added_opens(void **state)
{
    (void)state;
    char *sealed = lat_seal(sealer, "p", "attack at dawn");
    char *longer = lat_text_format("%sA", sealed);
    assert_opens_as("p", longer, NULL);
    for (size_t len = strlen(sealed); len-- > 0;) {
        sealed[len] = '\0';
        assert_opens_as("p", sealed, NULL);
    }
    assert_opens_as("p", NULL, NULL);
    assert_opens_as("p", "lat2:AAAA", NULL);
    free(longer);
    free(sealed);
}

static void another_key_opens_nothing(void **state)
{
    (void)state;
    uint8_t key[LAT_MASTER_KEY_SIZE] = {1};
    struct lat_sealer *other = lat_sealer_new(key, chance);
    char *sealed = lat_seal(other, "p", "secret");
    assert_opens_as("p", sealed, NULL);
    free(sealed);
    lat_sealer_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_sealed_opens_for_its_purpose_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_same_text_never_looks_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_character_can_be_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_cut_off_or_added_opens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_key_opens_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
