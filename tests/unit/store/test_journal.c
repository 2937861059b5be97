/* The SQLite journal, through files on a disk. */
#include "support.h"

#include "base/text.h"
#include "io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_restart_brings_back_every_field_of_every_table(void **state)
{
    struct bed *bed = *state;
    const struct lat_row *rows[LAT_TABLE_COUNT][3];
    struct lat_txn *txn = lat_txn_begin(bed->store, "");

    for (int table = 0; table < LAT_TABLE_COUNT; table++) {
        for (int seed = 0; seed < 3; seed++) {
            rows[table][seed] = lat_row_ref(lat_txn_put(txn, full_row(table, seed)));
        }
    }
    commit_now(bed, txn);
    txn = lat_txn_begin(bed->store,
                        ""); /* and the second version of one of each, and the removal of another */
    for (int table = 0; table < LAT_TABLE_COUNT; table++) {
        struct lat_row *edit = lat_row_copy(rows[table][0]);
        lat_row_unref(rows[table][0]);
        rows[table][0] = lat_row_ref(lat_txn_put(txn, edit));
        lat_txn_remove(txn, table, rows[table][1]->id);
    }
    commit_now(bed, txn);
    bed_restart(bed);
    for (int table = 0; table < LAT_TABLE_COUNT; table++) {
        assert_int_equal(lat_store_count(bed->store, table), 2);
        assert_null(lat_store_get(bed->store, table, rows[table][1]->id));
        for (int seed = 0; seed < 3; seed += 2) {
            const struct lat_row *row = lat_store_get(bed->store, table, rows[table][seed]->id);
            assert_non_null(row);
            assert_true(lat_row_same(row, rows[table][seed]));
            assert_int_equal(row->version, seed == 0 ? 2 : 1);
        }
        for (int seed = 0; seed < 3; seed++) {
            lat_row_unref(rows[table][seed]);
        }
    }
}

static void a_second_console_on_the_same_file_is_refused(void **state)
{
    struct bed *bed = *state;
    char id[LAT_ID_SIZE];

    make_node(bed, "a", id);
    pid_t child = fork();
    if (child == 0) { /* the lock stands between processes */
        struct lat_journal *journal;
        struct lat_err err;
        int rc = lat_journal_open_sqlite(bed->path, NULL, &journal, &err);
        _exit(rc == LAT_E_CONFLICT && strstr(err.sentence, "another program") != NULL ? 42 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    make_node(bed, "b", id); /* and the first one is not disturbed */
}

static void the_file_is_private(void **state)
{
    struct bed *bed = *state;
    struct stat stats;

    assert_int_equal(stat(bed->path, &stats), 0);
    assert_int_equal(stats.st_mode & 0777, 0600);
}

static void a_journal_lies_where_it_is_told_to(void **state)
{
    struct bed *bed = *state;
    struct lat_journal *journal;
    struct lat_err err;
    char *path = lat_text_format("%s/other.db", bed->dir);

    assert_int_equal(lat_journal_open_sqlite(path, "nowhere", &journal, &err), LAT_E_IO);
    assert_non_null(strstr(err.sentence, "nowhere"));
    assert_false(lat_file_exists(path));
    free(path);
}

static void a_row_that_cannot_be_read_is_named(void **state)
{
    struct bed *bed = *state;
    struct lat_err err;
    char id[LAT_ID_SIZE];

    make_node(bed, "a", id);
    bed_store_close(bed);
    bed_execute(bed, "UPDATE node SET labels = '{broken'");
    assert_int_equal(bed_try_open(bed, &err), LAT_E_IO);
    assert_non_null(strstr(err.sentence, id));
    assert_non_null(strstr(err.sentence, "table node"));
    assert_non_null(strstr(err.sentence, "labels is not JSON"));
}

static void a_gap_in_the_change_log_is_an_error(void **state)
{
    struct bed *bed = *state;
    struct lat_err err;
    char id[LAT_ID_SIZE];

    make_node(bed, "a", id);
    make_node(bed, "b", id);
    make_node(bed, "c", id);
    bed_store_close(bed);
    bed_execute(bed, "DELETE FROM change_log WHERE \"index\" = 2");
    assert_int_equal(bed_try_open(bed, &err), LAT_E_IO);
    assert_non_null(strstr(err.sentence, "change_log"));
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    struct bed *bed = *state;
    struct lat_err err;

    bed_store_close(bed);
    FILE *file = fopen(bed->path, "w");
    fprintf(file, "%4096s", "this is no database");
    fclose(file);
    assert_int_equal(bed_try_open(bed, &err), LAT_E_IO);
    assert_non_null(strstr(err.sentence, "damaged"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bed_open, bed_close)
        CASE(a_restart_brings_back_every_field_of_every_table),
        CASE(a_second_console_on_the_same_file_is_refused),
        CASE(the_file_is_private),
        CASE(a_journal_lies_where_it_is_told_to),
        CASE(a_row_that_cannot_be_read_is_named),
        CASE(a_gap_in_the_change_log_is_an_error),
        CASE(a_file_that_is_no_database_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
