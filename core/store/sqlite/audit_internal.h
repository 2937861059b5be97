/* The audit trail in an SQLite file: part of the journal. */
#ifndef LAT_STORE_SQLITE_AUDIT_INTERNAL_H
#define LAT_STORE_SQLITE_AUDIT_INTERNAL_H

#include "store/journal.h"

#include <sqlite3.h>

/* Adds a row with a prepared LAT__SQL_AUDIT_ADD. */
int lat__db_audit_add(sqlite3_stmt *add, const struct lat_audit *row,
                      struct lat_err *err) LAT_MUST_USE;

/* Notes the newest row, with a prepared LAT__SQL_META_PUT. */
int lat__db_audit_put_head(sqlite3_stmt *put_meta, const struct lat_audit *row,
                           struct lat_err *err) LAT_MUST_USE;

/* Takes rows out up to a sequence, and notes the hash of the last of them. */
int lat__db_audit_forget(sqlite3 *db, sqlite3_stmt *put_meta, int64_t sequence,
                         struct lat_err *err) LAT_MUST_USE;

/* As in journal.h. */
int lat__db_audit_ends(sqlite3 *db, struct lat_audit_end *ret_cut, struct lat_audit_end *ret_head,
                       struct lat_err *err) LAT_MUST_USE;
int lat__db_audit_read(sqlite3 *db, int64_t from, int64_t to,
                       void (*fn)(void *arg, const struct lat_audit *row), void *arg,
                       struct lat_err *err) LAT_MUST_USE;

#endif
