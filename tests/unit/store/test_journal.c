/* The SQLite journal and its migrations, through files on a disk. */
#include "support.h"

#include "store/migrations/migrations_internal.h"
#include "store/sqlite/db_internal.h"

#include "base/text.h"
#include "io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Fills every field of a row with something that differs from field to field and row to row. */
static struct lat_row *full_row(int table, int seed)
{
    const struct lat_table *description = lat_table(table);
    struct lat_row *row = lat_row_new(table);

    for (size_t i = 0; i < description->field_count; i++) {
        const struct lat_field *field = &description->fields[i];
        char text[128];

        snprintf(text, sizeof(text), "%s %d \xc3\xa4 '\"%%", field->name, seed);
        switch (field->kind) {
        case LAT_KIND_TEXT:
        case LAT_KIND_SECRET: lat_row_put_text(row, field, text); break;
        case LAT_KIND_JSON:
            snprintf(text, sizeof(text), "{\"%s\":[%d,null]}", field->name, seed);
            lat_row_put_text(row, field, seed == 2 ? "" : text);
            break;
        case LAT_KIND_INT:
        case LAT_KIND_TIME:
            lat_row_put_int(row, field, seed == 1 ? INT64_MAX - (int64_t)i : -seed);
            break;
        case LAT_KIND_BOOL: lat_row_put_int(row, field, (seed + (int)i) % 2); break;
        case LAT_KIND_REAL: lat_row_put_real(row, field, seed / 3.0); break;
        }
    }
    return row;
}

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

/* Runs SQL on the file of a closed store. */
static void tamper(struct bed *bed, const char *sql)
{
    sqlite3 *db;
    struct lat_err err;

    if (lat__db_open(bed->path, NULL, LAT__DB_DURABLE, &db, &err) != 0 ||
        lat__db_execute(db, sql, &err) != 0) {
        fail_msg("%s", err.sentence);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int open_again(struct bed *bed, struct lat_err *err)
{
    struct lat_journal *journal;
    int rc = lat_journal_open_sqlite(bed->path, NULL, &journal, err);

    rc = rc != 0 ? rc : lat_store_open(bed->loop, journal, bed->random, NULL, &bed->store, err);
    return rc;
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

static void a_newer_schema_is_refused(void **state)
{
    struct bed *bed = *state;
    struct lat_err err;

    bed_store_close(bed);
    tamper(bed, "UPDATE meta SET value = '9999' WHERE name = 'schema_version'");
    assert_int_equal(open_again(bed, &err), LAT_E_VERSION);
    assert_non_null(strstr(err.sentence, "9999"));
}

static void a_database_from_before_labels_and_audit_is_brought_up_to_date(void **state)
{
    struct bed *bed = *state;
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    const struct lat_row *row = lat_row_ref(lat_txn_put(txn, full_row(LAT_TABLE_WORKLOAD, 1)));
    const struct lat_workload *there;
    struct lat_workload *edited;
    struct lat_err err;

    commit_now(bed, txn);
    bed_store_close(bed);
    tamper(bed, "ALTER TABLE workload DROP COLUMN labels; DROP TABLE audit_log;"
                "UPDATE meta SET value = '1' WHERE name = 'schema_version'");
    assert_int_equal(open_again(bed, &err), 0);
    there = lat_store_workload(bed->store, row->id);
    assert_string_equal(there->labels, "");
    assert_string_equal(there->name, ((const struct lat_workload *)row)->name);
    edited = lat_workload_edit(there);
    lat_row_set(edited->labels, "{\"a\":\"b\"}");
    txn = lat_txn_begin(bed->store, "");
    lat_txn_put(txn, &edited->row);
    commit_now(bed, txn);
    bed_restart(bed);
    assert_string_equal(lat_store_workload(bed->store, row->id)->labels, "{\"a\":\"b\"}");
    lat_row_unref(row);
}

static void a_row_that_cannot_be_read_is_named(void **state)
{
    struct bed *bed = *state;
    struct lat_err err;
    char id[LAT_ID_SIZE];

    make_node(bed, "a", id);
    bed_store_close(bed);
    tamper(bed, "UPDATE node SET labels = '{broken'");
    assert_int_equal(open_again(bed, &err), LAT_E_IO);
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
    tamper(bed, "DELETE FROM change_log WHERE \"index\" = 2");
    assert_int_equal(open_again(bed, &err), LAT_E_IO);
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
    assert_int_equal(open_again(bed, &err), LAT_E_IO);
    assert_non_null(strstr(err.sentence, "damaged"));
}

/* ---- migrations: steps of a program that does not exist, on a database in memory ---- */

struct fake {
    int64_t version;
    int64_t staged_version;
    char ran[128];
    char staged[128];
    int fail_step;
};

static int fake_execute(void *database, const char *sql, struct lat_err *err)
{
    struct fake *fake = database;

    (void)err;
    if (strcmp(sql, "BEGIN") == 0) {
        fake->staged_version = fake->version;
        strcpy(fake->staged, fake->ran);
    } else if (strcmp(sql, "COMMIT") == 0) {
        fake->version = fake->staged_version;
        strcpy(fake->ran, fake->staged);
    } else if (strncmp(sql, "step", 4) == 0) {
        if (fake->fail_step == sql[4] - '0') {
            return lat_err_set(err, LAT_E_NO_SPACE, NULL);
        }
        strcat(fake->staged, sql + 4);
    }
    return 0;
}

static int fake_read(void *database, int64_t *ret_version, struct lat_err *err)
{
    (void)err;
    *ret_version = ((struct fake *)database)->version;
    return 0;
}

static int fake_write(void *database, int64_t version, struct lat_err *err)
{
    (void)err;
    ((struct fake *)database)->staged_version = version;
    return 0;
}

static int step_1(const struct lat__schema *schema, struct lat_err *err)
{
    return schema->execute(schema->database, "step1", err);
}

static int step_2(const struct lat__schema *schema, struct lat_err *err)
{
    return schema->execute(schema->database, "step2", err);
}

static int step_3(const struct lat__schema *schema, struct lat_err *err)
{
    return schema->execute(schema->database, "step3", err);
}

static int migrate(struct fake *fake)
{
    static const struct lat__migration steps[] = {
        {1, "one", step_1}, {2, "two", step_2}, {3, "three", step_3}};
    static const struct lat__dialect dialect = {"INTEGER", "REAL", "BLOB", ""};
    const struct lat__schema schema = {fake, &dialect, fake_execute, fake_read, fake_write};

    return lat__migrate(&schema, steps, 3, NULL);
}

static void an_empty_database_is_made_new_at_once(void **state)
{
    (void)state;
    struct fake fake = {0};

    assert_int_equal(migrate(&fake), 0);
    assert_string_equal(fake.ran, "1");
    assert_int_equal(fake.version, 3);
    assert_int_equal(migrate(&fake), 0);
    assert_string_equal(fake.ran, "1");
}

static void an_older_database_takes_the_steps_it_lacks(void **state)
{
    (void)state;
    struct fake fake = {.version = 1};

    assert_int_equal(migrate(&fake), 0);
    assert_string_equal(fake.ran, "23");
    assert_int_equal(fake.version, 3);
    struct fake newer = {.version = 4};
    assert_int_equal(migrate(&newer), LAT_E_VERSION);
}

static void a_failed_step_changes_nothing(void **state)
{
    (void)state;
    struct fake fake = {.version = 1, .fail_step = 3};

    assert_int_equal(migrate(&fake), LAT_E_NO_SPACE);
    assert_string_equal(fake.ran, "");
    assert_int_equal(fake.version, 1);
}

static void the_steps_of_this_program_are_numbered_without_gaps(void **state)
{
    (void)state;
    size_t count;
    const struct lat__migration *steps = lat__migrations(&count);

    for (size_t i = 0; i < count; i++) {
        assert_int_equal(steps[i].number, (int)i + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bed_open, bed_close)
        CASE(a_restart_brings_back_every_field_of_every_table),
        CASE(a_second_console_on_the_same_file_is_refused),
        CASE(the_file_is_private),
        CASE(a_journal_lies_where_it_is_told_to),
        CASE(a_newer_schema_is_refused),
        CASE(a_database_from_before_labels_and_audit_is_brought_up_to_date),
        CASE(a_row_that_cannot_be_read_is_named),
        CASE(a_gap_in_the_change_log_is_an_error),
        CASE(a_file_that_is_no_database_is_refused),
        cmocka_unit_test(an_empty_database_is_made_new_at_once),
        cmocka_unit_test(an_older_database_takes_the_steps_it_lacks),
        cmocka_unit_test(a_failed_step_changes_nothing),
        cmocka_unit_test(the_steps_of_this_program_are_numbered_without_gaps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
