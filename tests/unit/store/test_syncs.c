/* On the system's own disk: the names of the database and of its log are synced before anything is acknowledged, and each commit is
 * synced before its answer. The simulated disk (test_power_loss.c) says what all else is worth. */
#include "support.h"

#include "tests/unit/support/syncs.h"

#include <string.h>

static void the_names_of_a_new_database_are_synced_before_its_first_commit(void **state)
{
    (void)state; /* bed_open made it */
    assert_non_null(strstr(syncs_names(), " store.db "));
    assert_non_null(strstr(syncs_names(), " store.db-wal "));
}

static void each_commit_is_synced_before_its_answer(void **state)
{
    struct bed *bed = *state;
    char id[LAT_ID_SIZE];

    for (int i = 0; i < 20; i++) {
        char name[] = {(char)('a' + i), '\0'};

        syncs_clear();
        make_node(bed, name, id);
        assert_non_null(strchr(syncs_story(), 's'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            the_names_of_a_new_database_are_synced_before_its_first_commit, bed_open, bed_close),
        cmocka_unit_test_setup_teardown(each_commit_is_synced_before_its_answer, bed_open,
                                        bed_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
