/* Small files and folders are on the disk when the call returns: what is synced, and in which order. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "tests/unit/support/syncs.h"

#include "base/text.h"
#include "io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char place[64];

static int make_place(void **state)
{
    (void)state;
    snprintf(place, sizeof(place), "/tmp/lattice-syncs-XXXXXX");
    return mkdtemp(place) == NULL;
}

static void a_file_is_synced_before_it_gets_its_name_and_each_change_of_names_after_it(void **state)
{
    char *path = lat_text_format("%s/file", place);

    (void)state;
    syncs_clear();
    assert_int_equal(lat_file_replace(path, "text", 4, 0600, NULL), 0);
    assert_string_equal(syncs_story(), "wsrS");
    assert_non_null(strstr(syncs_names(), " file "));
    syncs_clear();
    assert_int_equal(lat_file_remove(path, NULL), 0);
    assert_string_equal(syncs_story(), "S");
    assert_null(strstr(syncs_names(), " file "));
    free(path);
}

static void a_folder_that_is_made_is_synced_in_the_one_above_it(void **state)
{
    char *path = lat_text_format("%s/a/b", place);
    char *above = lat_text_format("%s/a", place);

    (void)state;
    syncs_clear();
    assert_int_equal(lat_dir_make(path, 0700, NULL), 0);
    /* "/tmp" and the place are there already */
    assert_string_equal(syncs_story(), "mmmSmS");
    assert_non_null(strstr(syncs_names(), " b "));
    assert_int_equal(rmdir(path) + rmdir(above) + rmdir(place), 0);
    free(path);
    free(above);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_file_is_synced_before_it_gets_its_name_and_each_change_of_names_after_it),
        cmocka_unit_test(a_folder_that_is_made_is_synced_in_the_one_above_it),
    };

    return cmocka_run_group_tests(tests, make_place, NULL);
}
