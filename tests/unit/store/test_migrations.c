/* Migrations: from every schema there has been, with data in it, to the one of this program.
 *
 * schemas/NNNN.sql is a database as the program with that schema wrote it. It is frozen: it says what the schema of
 * that number is. So a description that changes without a migration is found here, and a migration without a
 * fixture of the schema before it as well. `write` as an argument makes the fixture of a new number. */
#include "support.h"

#include "store/audit.h"
#include "store/migrations/migrations_internal.h"
#include "store/sqlite/db_internal.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 3 }; /* of each table in a fixture, of which the one in the middle is gone again */

static int newest_version(void)
{
    size_t count;

    lat__migrations(&count);
    return (int)count;
}

static char *fixture_path(int version)
{
    return lat_text_format("%s/tests/unit/store/schemas/%04d.sql", LAT_TEST_ROOT, version);
}

static sqlite3 *open_file(struct bed *bed)
{
    sqlite3 *db;
    struct lat_err err;

    if (lat__db_open(bed->path, NULL, LAT__DB_DURABLE, &db, &err) != 0) {
        fail_msg("%s", err.sentence);
    }
    return db;
}

/* Makes the file anew from a fixture. */
static void load_fixture(struct bed *bed, int version)
{
    struct lat_buf sql = {0};
    char *path = fixture_path(version);

    if (lat_file_read(path, 1 << 20, &sql, NULL) != 0) {
        fail_msg(
            "Schema %d has no fixture: before the next one is begun, build the target schema_fixture",
            version);
    }
    bed_store_close(bed);
    assert_int_equal(unlink(bed->path), 0);
    bed_execute(bed, lat_buf_text(&sql));
    lat_buf_done(&sql);
    free(path);
}

/* ---- what a database is ---- */

/* Adds what a statement's first column says, a line a row; `argument` is $1 when it has one. */
static void add_rows(sqlite3 *db, const char *sql, const char *argument, struct lat_buf *out)
{
    sqlite3_stmt *statement;
    struct lat_err err;

    if (lat__db_prepare(db, sql, &statement, &err) != 0) {
        fail_msg("%s: %s", err.sentence, sql);
    }
    if (argument != NULL) {
        lat__db_bind_text(statement, 1, argument);
    }
    while (sqlite3_step(statement) == SQLITE_ROW) {
        lat_buf_addf(out, "%s\n", (const char *)sqlite3_column_text(statement, 0));
    }
    sqlite3_finalize(statement);
}

/* Calls fn for each line of what a statement says. */
static void each_row(sqlite3 *db, const char *sql, const char *argument,
                     void (*fn)(void *arg, const char *line), void *arg)
{
    struct lat_buf lines = {0};

    add_rows(db, sql, argument, &lines);
    lat_buf_add_byte(&lines, 0);
    char *rest = (char *)lines.bytes;
    for (char *line = strsep(&rest, "\n"); line != NULL && line[0] != '\0';
         line = strsep(&rest, "\n")) {
        fn(arg, line);
    }
    lat_buf_done(&lines);
}

#define TABLES_SQL "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
#define COLUMNS_SQL "SELECT name FROM pragma_table_info($1) ORDER BY name"

/* The schema without what does not matter: order of columns, and defaults that a migration has to give. */
static char *schema_of(struct bed *bed)
{
    struct lat_buf out = {0};
    sqlite3 *db = open_file(bed);

    add_rows(
        db,
        "SELECT l.name || ' strict ' || l.strict || ' rowid ' || NOT l.wr || ': ' || c.name || ' ' ||"
        " c.type || ' ' || c.\"notnull\" || ' ' || c.pk"
        " FROM pragma_table_list AS l, pragma_table_info(l.name) AS c"
        " WHERE l.schema = 'main' AND l.name NOT LIKE 'sqlite%' ORDER BY 1",
        NULL, &out);
    add_rows(db,
             "SELECT type || ' ' || tbl_name || ' ' || COALESCE(sql, '') FROM sqlite_schema"
             " WHERE type <> 'table' ORDER BY 1",
             NULL, &out);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return lat_buf_take_text(&out);
}

struct values {
    sqlite3 *db;
    const char *table;
    struct lat_map *columns; /* "table.column" -> owned values of all rows */
};

static void keep_column(void *arg, const char *column)
{
    struct values *values = arg;
    char *name = lat_text_format("%s.%s", values->table, column);
    char *sql =
        lat_text_format("SELECT quote(\"%s\") FROM \"%s\" ORDER BY 1", column, values->table);
    struct lat_buf out = {0};

    add_rows(values->db, sql, NULL, &out);
    lat_map_put(values->columns, name, lat_buf_take_text(&out));
    free(name);
    free(sql);
}

static void keep_table(void *arg, const char *table)
{
    struct values *values = arg;

    values->table = table;
    if (strcmp(table, "meta") != 0) {
        each_row(values->db, COLUMNS_SQL, table, keep_column, values);
    }
}

static struct lat_map *values_of(struct bed *bed)
{
    struct values values = {.db = open_file(bed), .columns = lat_map_new()};

    each_row(values.db, TABLES_SQL, NULL, keep_table, &values);
    assert_int_equal(sqlite3_close(values.db), SQLITE_OK);
    return values.columns;
}

static void values_free(struct lat_map *columns)
{
    void *cursor = NULL;
    const char *name;
    void *value;

    while (lat_map_next(columns, &cursor, &name, &value)) {
        free(value);
    }
    lat_map_free(columns);
}

/* ---- from every schema ---- */

static void the_newest_fixture_is_what_an_empty_database_becomes(void **state)
{
    struct bed *bed = *state;

    bed_store_close(bed);
    char *fresh = schema_of(bed);
    load_fixture(bed, newest_version());
    char *frozen = schema_of(bed);
    if (strcmp(fresh, frozen) != 0) {
        fail_msg(
            "The tables are described otherwise than schema %d has them: add a migration.\n%s\n%s",
            newest_version(), fresh, frozen);
    }
    free(fresh);
    free(frozen);
}

static void every_older_schema_becomes_the_newest(void **state)
{
    struct bed *bed = *state;

    bed_store_close(bed);
    char *fresh = schema_of(bed);
    for (int version = 1; version <= newest_version(); version++) {
        load_fixture(bed, version);
        bed_restart(bed);
        bed_store_close(bed);
        char *migrated = schema_of(bed);
        if (strcmp(fresh, migrated) != 0) {
            fail_msg("From schema %d:\n%s\n%s", version, fresh, migrated);
        }
        free(migrated);
    }
    free(fresh);
}

static void what_a_migration_does_not_speak_of_stays(void **state)
{
    struct bed *bed = *state;

    for (int version = 1; version <= newest_version(); version++) {
        load_fixture(bed, version);
        struct lat_map *before = values_of(bed);
        bed_store_open(bed);
        bed_store_close(bed);
        struct lat_map *after = values_of(bed);
        void *cursor = NULL;
        const char *name;
        void *value;
        size_t compared = 0;

        while (lat_map_next(before, &cursor, &name, &value)) {
            const char *now = lat_map_get(after, name);
            if (now != NULL) {
                assert_string_equal(now, value);
                assert_int_not_equal(((const char *)value)[0], '\0');
                compared++;
            }
        }
        assert_true(compared > 50);
        values_free(before);
        values_free(after);
    }
}

static void take_verdict(void *arg, const struct lat_audit_verdict *verdict,
                         const struct lat_err *err)
{
    assert_null(err);
    assert_int_equal(verdict->broken_at, 0);
    *(bool *)arg = true;
}

static void a_migrated_store_works(void **state)
{
    struct bed *bed = *state;

    for (int version = 1; version <= newest_version(); version++) {
        bool is_verified = false;
        load_fixture(bed, version);
        bed_store_open(bed);
        assert_int_equal(lat_store_count(bed->store, LAT_TABLE_WORKLOAD), ROWS - 1);
        struct lat_txn *txn = lat_txn_begin(bed->store, "");
        int64_t index = lat_store_index(bed->store);
        const struct lat_audit entry = {.action = "migrated"};
        for (int table = 0; table < LAT_TABLE_COUNT; table++) {
            void *cursor = NULL;
            const struct lat_row *row = lat_store_next(bed->store, table, &cursor);
            if (row != NULL) {
                lat_txn_put(txn, lat_row_copy(row));
            }
        }
        lat_txn_audit(txn, &entry);
        commit_now(bed, txn);
        assert_true(index > 0 && lat_store_index(bed->store) > index + 5);
        assert_int_equal(lat_store_audit_verify(bed->store, take_verdict, &is_verified, NULL), 0);
        run_until(bed, &is_verified);
        bed_restart(bed);
        assert_int_equal(lat_store_count(bed->store, LAT_TABLE_WORKLOAD), ROWS - 1);
        bed_store_close(bed);
    }
}

static void the_text_of_a_policy_becomes_its_first_version(void **state)
{
    struct bed *bed = *state;
    const struct lat_policy *policy;
    const struct lat_policy_version *version;

    load_fixture(bed, 4);
    bed_execute(bed, "UPDATE policy SET name = 'placement', revision = 7, source = 'text', "
                     "origin = 'shipped', accepted_at = 5 WHERE revision = 0");
    bed_store_open(bed);
    policy =
        (const struct lat_policy *)lat_store_find(bed->store, LAT_INDEX_POLICY_NAME, "placement");
    version = (const struct lat_policy_version *)lat_store_find(
        bed->store, LAT_INDEX_POLICY_VERSION_REVISION, "placement/7");
    assert_non_null(policy);
    assert_non_null(version);
    assert_int_equal(policy->revision, 7);
    assert_int_equal(policy->newest, 7);
    assert_int_equal(policy->changed_at, 5);
    assert_string_equal(policy->file_digest, "");
    assert_string_equal(version->source, "text");
    assert_string_equal(version->author, "console");
    assert_int_equal(version->accepted_at, 5);
    assert_int_equal(lat_store_count(bed->store, LAT_TABLE_POLICY_VERSION), 1);
    bed_store_close(bed);
}

static void a_newer_schema_is_refused_and_left_alone(void **state)
{
    struct bed *bed = *state;
    struct lat_err err;

    bed_store_close(bed);
    bed_execute(bed, "UPDATE meta SET value = '9999' WHERE name = 'schema_version'");
    char *before = schema_of(bed);
    assert_int_equal(bed_try_open(bed, &err), LAT_E_VERSION);
    assert_non_null(strstr(err.sentence, "9999"));
    assert_non_null(strstr(err.hint, "newer program"));
    char *after = schema_of(bed);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void a_migration_that_fails_leaves_the_database_as_it_was(void **state)
{
    struct bed *bed = *state;
    struct lat_err err;

    load_fixture(bed, 1);
    bed_execute(bed, "CREATE TABLE audit_log (\"stands in the way\" TEXT)");
    char *before = schema_of(bed);
    assert_int_equal(bed_try_open(bed, &err), LAT_E_IO);
    assert_non_null(strstr(err.sentence, "audit_log"));
    char *after = schema_of(bed);
    assert_string_equal(before, after);
    free(before);
    free(after);
    bed_execute(bed, "DROP TABLE audit_log");
    assert_int_equal(bed_try_open(bed, &err), 0); /* and can be tried again */
}

/* ---- writing a fixture ---- */

struct dump {
    sqlite3 *db;
    struct lat_buf values; /* expression that makes a row's INSERT */
    FILE *file;
};

static void dump_line(void *arg, const char *line)
{
    fprintf(((struct dump *)arg)->file, "%s;\n", line);
}

static void add_value(void *arg, const char *column)
{
    struct dump *dump = arg;

    lat_buf_addf(&dump->values, "%s quote(\"%s\")", dump->values.len == 0 ? "" : " || ', ' ||",
                 column);
}

static void dump_table(void *arg, const char *table)
{
    struct dump *dump = arg;

    lat_buf_clear(&dump->values);
    each_row(dump->db, "SELECT name FROM pragma_table_info($1) ORDER BY cid", table, add_value,
             dump);
    char *sql =
        lat_text_format("SELECT 'INSERT INTO \"%s\" VALUES (' || %s || ')' FROM \"%s\" ORDER BY 1",
                        table, lat_buf_text(&dump->values), table);
    each_row(dump->db, "SELECT sql FROM sqlite_schema WHERE name = $1", table, dump_line, dump);
    each_row(dump->db, sql, NULL, dump_line, dump);
    free(sql);
}

static void write_fixture(void **state)
{
    struct bed *bed = *state;
    char *path = fixture_path(newest_version());
    struct dump dump = {0};

    if (access(path, F_OK) == 0) {
        fail_msg("%s is there: a schema that has a number does not change", path);
    }
    for (int i = 0; i < ROWS; i++) {
        struct lat_txn *txn = lat_txn_begin(bed->store, "request");
        for (int table = 0; table < LAT_TABLE_COUNT; table++) {
            lat_txn_put(txn, full_row(table, i));
        }
        const struct lat_audit entry = {.actor_kind = "user",
                                        .actor_id = "u",
                                        .action = "fixture.write",
                                        .object_name = "\xc3\xa4 '"};
        lat_txn_audit(txn, &entry);
        commit_now(bed, txn);
    }
    struct lat_txn *txn = lat_txn_begin(bed->store, "request");
    for (int table = 0; table < LAT_TABLE_COUNT; table++) {
        void *cursor = NULL;
        lat_store_next(bed->store, table, &cursor);
        lat_txn_remove(txn, table, lat_store_next(bed->store, table, &cursor)->id);
    }
    commit_now(bed, txn);
    bed_store_close(bed);
    dump.db = open_file(bed);
    dump.file = fopen(path, "w");
    assert_non_null(dump.file);
    fprintf(dump.file, "BEGIN;\n");
    each_row(dump.db, TABLES_SQL, NULL, dump_table, &dump);
    each_row(
        dump.db,
        "SELECT sql FROM sqlite_schema WHERE type <> 'table' AND sql IS NOT NULL ORDER BY name",
        NULL, dump_line, &dump);
    fprintf(dump.file, "COMMIT;\n");
    assert_int_equal(fclose(dump.file), 0);
    assert_int_equal(sqlite3_close(dump.db), SQLITE_OK);
    lat_buf_done(&dump.values);
    free(path);
}

/* ---- steps of a program that does not exist, on a database in memory ---- */

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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bed_open, bed_close)
        CASE(the_newest_fixture_is_what_an_empty_database_becomes),
        CASE(every_older_schema_becomes_the_newest),
        CASE(what_a_migration_does_not_speak_of_stays),
        CASE(a_migrated_store_works),
        CASE(the_text_of_a_policy_becomes_its_first_version),
        CASE(a_newer_schema_is_refused_and_left_alone),
        CASE(a_migration_that_fails_leaves_the_database_as_it_was),
        cmocka_unit_test(an_empty_database_is_made_new_at_once),
        cmocka_unit_test(an_older_database_takes_the_steps_it_lacks),
        cmocka_unit_test(a_failed_step_changes_nothing),
        cmocka_unit_test(the_steps_of_this_program_are_numbered_without_gaps),
    };
    const struct CMUnitTest writer[] = {CASE(write_fixture)};

    return argc == 2 && strcmp(argv[1], "write") == 0
               ? cmocka_run_group_tests_name("fixture", writer, NULL, NULL)
               : cmocka_run_group_tests(tests, NULL, NULL);
}
