/* The schema of history.db and the steps to it, and the statements that the writer uses. The number of the schema is SQLite's
 * user_version: 0 is a new file, or one of the first programs, which had events alone and wrote no number.
 *
 *   subject   whom samples and lines are about: a row for each allocation and node that is measured (writes = 0), and for each container
 *             that writes a log (writes = 1); kept as long as anything about it
 *   sample    as measured; found by (minute, subject), so that what is written together stands together
 *   rollup    count, sum, min, max and last of a step (60, 900, 3600 s); found by (step, start, subject), likewise
 *   log_line  lines in the order of their coming; `source` makes the containers of one instance one log
 *   kept      a few numbers that the writer goes on from
 *
 * Called while the history opens, then the writer's. */
#include "history_internal.h"

static const char events_sql[] =
    "CREATE TABLE IF NOT EXISTS \"event\" (\"number\" INTEGER PRIMARY KEY, \"subject_id\" TEXT NOT NULL, "
    "\"kind\" TEXT NOT NULL, \"message\" TEXT NOT NULL, \"request_id\" TEXT NOT NULL, \"at\" INTEGER NOT NULL) STRICT;"
    "CREATE INDEX IF NOT EXISTS \"event_subject\" ON \"event\" (\"subject_id\", \"number\");"
    "CREATE INDEX IF NOT EXISTS \"event_at\" ON \"event\" (\"at\")";

static const char samples_and_lines_sql[] =
    "CREATE TABLE \"subject\" (\"number\" INTEGER PRIMARY KEY, \"id\" TEXT NOT NULL UNIQUE, \"writes\" INTEGER NOT NULL, \"owner_id\" TEXT NOT NULL, "
    "\"ordinal\" INTEGER NOT NULL, \"source\" INTEGER NOT NULL, \"node\" TEXT NOT NULL, \"began_at\" INTEGER NOT NULL, "
    "\"seen_at\" INTEGER NOT NULL) STRICT;"
    "CREATE INDEX \"subject_owner\" ON \"subject\" (\"owner_id\", \"ordinal\", \"number\");"
    "CREATE INDEX \"subject_seen\" ON \"subject\" (\"seen_at\");"
    "CREATE TABLE \"measure\" (\"number\" INTEGER PRIMARY KEY, \"name\" TEXT NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE \"sample\" (\"minute\" INTEGER NOT NULL, \"subject\" INTEGER NOT NULL, \"at\" INTEGER NOT NULL, "
    "\"measure\" INTEGER NOT NULL, \"value\" REAL NOT NULL, "
    "PRIMARY KEY (\"minute\", \"subject\", \"at\", \"measure\")) STRICT, WITHOUT ROWID;"
    "CREATE TABLE \"rollup\" (\"step_s\" INTEGER NOT NULL, \"at\" INTEGER NOT NULL, \"subject\" INTEGER NOT NULL, "
    "\"measure\" INTEGER NOT NULL, \"count\" INTEGER NOT NULL, \"sum\" REAL NOT NULL, \"min\" REAL NOT NULL, "
    "\"max\" REAL NOT NULL, \"last\" REAL NOT NULL, \"last_at\" INTEGER NOT NULL, "
    "PRIMARY KEY (\"step_s\", \"at\", \"subject\", \"measure\")) STRICT, WITHOUT ROWID;"
    "CREATE TABLE \"log_line\" (\"number\" INTEGER PRIMARY KEY, \"source\" INTEGER NOT NULL, \"subject\" INTEGER NOT NULL, "
    "\"at_ns\" INTEGER NOT NULL, \"text\" BLOB NOT NULL) STRICT;"
    "CREATE INDEX \"log_line_source\" ON \"log_line\" (\"source\", \"number\");"
    "CREATE TABLE \"kept\" (\"name\" TEXT PRIMARY KEY, \"value\" INTEGER NOT NULL) STRICT, WITHOUT ROWID";

/* Step i leads from schema i to schema i + 1. A schema that was shipped never changes again: another step follows. */
static const char *const steps[] = {events_sql, samples_and_lines_sql};

static const char *const statement_sql[LAT__HISTORY_STATEMENT_COUNT] = {
#define X(NAME, sql) [LAT__HISTORY_##NAME] = sql,
    LAT__HISTORY_STATEMENTS(X)
#undef X
};

/* ---- statements ---- */

sqlite3_stmt *lat__history_statement(struct lat_history *history, enum lat__history_statement which)
{
    sqlite3_reset(history->statements[which]); /* one that a limit has left half way */
    return history->statements[which];
}

void lat__history_bind(sqlite3_stmt *statement, int at, int64_t value)
{
    LAT_ASSERT(sqlite3_bind_int64(statement, at, value) == SQLITE_OK);
}

int lat__history_run(struct lat_history *history, sqlite3_stmt *statement, struct lat_err *err)
{
    (void)history;
    return lat__db_run(statement, "history", err);
}

int64_t lat__history_number(sqlite3_stmt *statement, int64_t otherwise)
{
    int64_t value = otherwise;

    if (sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL) {
        value = sqlite3_column_int64(statement, 0);
    }
    sqlite3_reset(statement);
    return value;
}

int lat__history_keep(struct lat_history *history, const char *name, int64_t value,
                      struct lat_err *err)
{
    sqlite3_stmt *put = lat__history_statement(history, LAT__HISTORY_KEPT_PUT);

    lat__db_bind_text(put, 1, name);
    lat__history_bind(put, 2, value);
    return lat__history_run(history, put, err);
}

/* ---- opening ---- */

static int read_version(struct lat_history *history, int64_t *ret_version, struct lat_err *err)
{
    sqlite3_stmt *statement;
    int rc = lat__db_prepare(history->db, "PRAGMA user_version", &statement, err);

    if (rc == 0) {
        *ret_version = lat__history_number(statement, 0);
        sqlite3_finalize(statement);
    }
    return rc;
}

static int migrate(struct lat_history *history, struct lat_err *err)
{
    const int64_t newest = (int64_t)LAT_COUNT(steps);
    int64_t version = 0;
    int rc = read_version(history, &version, err);

    if (rc == 0 && (version < 0 || version > newest)) {
        return lat_err_set(err, LAT_E_VERSION,
                           "The history was written by a newer program: its schema is %lld, this "
                           "program knows %lld.",
                           (long long)version, (long long)newest);
    }
    if (rc != 0 || version == newest) {
        return rc;
    }
    rc = lat__db_execute(history->db, "BEGIN", err);
    for (int64_t i = version; rc == 0 && i < newest; i++) {
        rc = lat__db_execute(history->db, steps[i], err);
    }
    if (rc == 0) {
        char *set = lat_text_format("PRAGMA user_version = %lld", (long long)newest);

        rc = lat__db_execute(history->db, set, err);
        free(set);
    }
    rc = rc != 0 ? rc : lat__db_execute(history->db, "COMMIT", err);
    if (rc != 0) {
        sqlite3_exec(history->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return rc;
}

/* Learns the number of each measure in this file; new ones get one. */
static int read_measures(struct lat_history *history, struct lat_err *err)
{
    sqlite3_stmt *add = NULL, *find = NULL;
    int rc = lat__db_prepare(history->db,
                             "INSERT OR IGNORE INTO \"measure\" (\"name\") VALUES ($1)", &add, err);

    rc = rc != 0 ? rc
                 : lat__db_prepare(history->db,
                                   "SELECT \"number\" FROM \"measure\" WHERE \"name\" = $1", &find,
                                   err);
    for (int i = 0; rc == 0 && i < LAT_MEASURE_COUNT; i++) {
        lat__db_bind_text(add, 1, lat_measure_name((enum lat_measure)i));
        rc = lat__db_run(add, "history", err);
        lat__db_bind_text(find, 1, lat_measure_name((enum lat_measure)i));
        history->measures[i] = (int)lat__history_number(find, 0);
    }
    sqlite3_finalize(add);
    sqlite3_finalize(find);
    return rc;
}

static int64_t kept(struct lat_history *history, const char *name, int64_t otherwise)
{
    sqlite3_stmt *get = lat__history_statement(history, LAT__HISTORY_KEPT_GET);

    lat__db_bind_text(get, 1, name);
    return lat__history_number(get, otherwise);
}

int lat__history_schema(struct lat_history *history, struct lat_err *err)
{
    int64_t wall = lat_clock_wall_ms(lat_loop_clock(history->loop));
    int rc = migrate(history, err);

    rc = rc != 0 ? rc : read_measures(history, err);
    for (int i = 0; rc == 0 && i < LAT__HISTORY_STATEMENT_COUNT; i++) {
        rc = lat__db_prepare(history->db, statement_sql[i], &history->statements[i], err);
    }
    if (rc == 0) {
        history->line_bytes = kept(history, "line_bytes", 0);
        history->store_index = history->kept_index = kept(history, "store_index", 0);
        history->age_ms = lat__history_age(kept(history, "age_ms", wall), 0, wall);
        history->subject_count =
            lat__history_number(lat__history_statement(history, LAT__HISTORY_SUBJECT_COUNT), 0);
        rc = lat__history_keep(history, "age_ms", history->age_ms, err);
    }
    return rc;
}
