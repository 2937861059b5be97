/* docs/database.md says what the descriptions say. */
#include "support.h"

#include "tests/support/schema_doc.h"

#include "io/file.h"

#include <string.h>

static void the_page_of_the_manual_is_not_stale(void **state)
{
    (void)state;
    struct lat_buf made = {0};
    struct lat_buf kept = {0};
    struct lat_err err;

    schema_doc_write(&made);
    if (lat_file_read(LAT_TEST_ROOT "/docs/database.md", 1 << 20, &kept, &err) != 0) {
        fail_msg("%s", err.sentence);
    }
    if (strcmp(lat_buf_text(&made), lat_buf_text(&kept)) != 0) {
        fail_msg("docs/database.md is stale: build the target schema_doc");
    }
    lat_buf_done(&made);
    lat_buf_done(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_of_the_manual_is_not_stale),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
