/* An SQLite file as store and history use it: opened for one program alone, errors in our words. */
#ifndef LAT_STORE_SQLITE_DB_INTERNAL_H
#define LAT_STORE_SQLITE_DB_INTERNAL_H

#include "base/err.h"
#include "model/row.h"

#include <sqlite3.h>

enum lat__db_care {
    LAT__DB_DURABLE, /* synchronous=FULL: a commit survives loss of power */
    LAT__DB_RELAXED, /* synchronous=NORMAL: whole after loss of power, but perhaps without its last commits */
};

/* Opens or makes a file (mode 0600) in WAL mode and locks it; CONFLICT when another program has it. `vfs` names the disk
 * that it is on: one that was registered with SQLite, or NULL for the system's. */
int lat__db_open(const char *path, const char *vfs, enum lat__db_care care, sqlite3 **ret_db,
                 struct lat_err *err) LAT_MUST_USE;

/* Fills err from the last error of db: "WHAT: ..."; NO_SPACE, CONFLICT (locked) or IO. Returns the code. */
int lat__db_error(sqlite3 *db, const char *what, struct lat_err *err);

/* The same for a call on the log's file, of which the connection knows nothing; `code` is what it returned. */
int lat__db_log_error(sqlite3 *db, int code, struct lat_err *err);

int lat__db_execute(sqlite3 *db, const char *sql, struct lat_err *err) LAT_MUST_USE;
int lat__db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_statement,
                    struct lat_err *err) LAT_MUST_USE;

/* Runs a bound statement that gives no rows, and makes it ready for the next use. */
int lat__db_run(sqlite3_stmt *statement, const char *what, struct lat_err *err) LAT_MUST_USE;

/* Bind values; texts live until the statement has run. fields: all that a description names, from place `at` on. */
void lat__db_bind_text(sqlite3_stmt *statement, int at, const char *text);
void lat__db_bind_int(sqlite3_stmt *statement, int at, int64_t value);
void lat__db_bind_fields(sqlite3_stmt *statement, int at, const struct lat_table *table,
                         const void *row);

/* `meta`, what the database says of itself. get: owned text, NULL when there is none of that name; put: with a prepared
 * LAT__SQL_META_PUT. */
int lat__db_get_meta(sqlite3 *db, const char *name, char **ret_text,
                     struct lat_err *err) LAT_MUST_USE;
int lat__db_put_meta(sqlite3_stmt *put_meta, const char *name, const char *text,
                     struct lat_err *err) LAT_MUST_USE;

#endif
