/* The audit trail in an SQLite file. Its ends are in `meta`, as "SEQUENCE HASH": audit_head is the newest row, audit_cut
 * the last one that was forgotten. Blocks; runs at start-up and in the store's worker. */
#include "audit_internal.h"
#include "db_internal.h"

#include "store/sql_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int lat__db_audit_add(sqlite3_stmt *add, const struct lat_audit *row, struct lat_err *err)
{
    const struct lat_table *table = lat_audit_table();

    lat__db_bind_int(add, 1, row->sequence);
    lat__db_bind_fields(add, 2, table, row);
    LAT_ASSERT(sqlite3_bind_blob(add, (int)table->field_count + 2, row->hash, sizeof(row->hash),
                                 SQLITE_STATIC) == SQLITE_OK);
    return lat__db_run(add, table->name, err);
}

/* ---- ends ---- */

static int put_end(sqlite3_stmt *put_meta, const char *name, int64_t sequence, const void *hash,
                   struct lat_err *err)
{
    struct lat_buf text = {0};

    lat_buf_addf(&text, "%" PRId64 " ", sequence);
    lat_text_hex(&text, hash, LAT_AUDIT_HASH_SIZE);
    int rc = lat__db_put_meta(put_meta, name, lat_buf_text(&text), err);

    lat_buf_done(&text);
    return rc;
}

int lat__db_audit_put_head(sqlite3_stmt *put_meta, const struct lat_audit *row, struct lat_err *err)
{
    return put_end(put_meta, "audit_head", row->sequence, row->hash, err);
}

static int parse_end(char *text, struct lat_audit_end *ret_end)
{
    struct lat_buf hash = {0};
    char *blank = strchr(text, ' ');
    int rc = LAT_E_IO;

    if (blank != NULL) {
        *blank = '\0';
        if (lat_text_to_int(text, 1, INT64_MAX, &ret_end->sequence) == 0 &&
            lat_text_hex_decode(&hash, blank + 1, strlen(blank + 1)) == 0 &&
            hash.len == sizeof(ret_end->hash)) {
            memcpy(ret_end->hash, hash.bytes, hash.len);
            rc = 0;
        }
    }
    lat_buf_done(&hash);
    return rc;
}

static int get_end(sqlite3 *db, const char *name, struct lat_audit_end *ret_end,
                   struct lat_err *err)
{
    struct lat_audit_end end = {0};
    char *text = NULL;
    int rc = lat__db_get_meta(db, name, &text, err);

    if (rc == 0 && text != NULL && parse_end(text, &end) != 0) {
        rc = lat_err_set(err, LAT_E_IO, "The row %s of table meta cannot be read.", name);
    }
    free(text);
    if (rc == 0) {
        *ret_end = end;
    }
    return rc;
}

int lat__db_audit_ends(sqlite3 *db, struct lat_audit_end *ret_cut, struct lat_audit_end *ret_head,
                       struct lat_err *err)
{
    struct lat_audit_end cut;
    int rc = get_end(db, "audit_cut", &cut, err);

    rc = rc != 0 ? rc : get_end(db, "audit_head", ret_head, err);
    if (rc == 0) {
        *ret_cut = cut;
    }
    return rc;
}

/* ---- forgetting ---- */

int lat__db_audit_forget(sqlite3 *db, sqlite3_stmt *put_meta, int64_t sequence, struct lat_err *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = lat__db_prepare(db, LAT__SQL_AUDIT_HASH, &statement, err);

    if (rc != 0) {
        return rc;
    }
    lat__db_bind_int(statement, 1, sequence);
    int step = sqlite3_step(statement);

    if (step == SQLITE_ROW && sqlite3_column_bytes(statement, 0) == LAT_AUDIT_HASH_SIZE) {
        rc = put_end(put_meta, "audit_cut", sequence, sqlite3_column_blob(statement, 0), err);
    } else if (step != SQLITE_ROW && step != SQLITE_DONE) {
        rc = lat__db_error(db, "audit_log", err);
    }
    sqlite3_finalize(statement);
    if (rc != 0 || step != SQLITE_ROW) {
        return rc; /* a row that is missing is for a verification to tell: the rest stays where it is */
    }
    rc = lat__db_prepare(db, LAT__SQL_AUDIT_FORGET, &statement, err);
    if (rc == 0) {
        lat__db_bind_int(statement, 1, sequence);
        rc = lat__db_run(statement, "audit_log", err);
        sqlite3_finalize(statement);
    }
    return rc;
}

/* ---- reading ---- */

static int read_row(sqlite3_stmt *statement, struct lat_audit *ret_row, struct lat_err *err)
{
    const struct lat_table *table = lat_audit_table();
    int column = 1;

    ret_row->sequence = sqlite3_column_int64(statement, 0);
    for (size_t i = 0; i < table->field_count; i++, column++) {
        char *at = (char *)ret_row + table->fields[i].offset;

        if (table->fields[i].kind == LAT_KIND_TEXT) {
            const char *text = (const char *)sqlite3_column_text(statement, column);

            if (text == NULL || !lat_text_is_utf8(text, strlen(text))) {
                return lat_err_set(err, LAT_E_IO,
                                   "The row %" PRId64
                                   " of table audit_log cannot be read: its %s is no text.",
                                   ret_row->sequence, table->fields[i].name);
            }
            memcpy(at, &text, sizeof(text));
        } else {
            int64_t number = sqlite3_column_int64(statement, column);

            memcpy(at, &number, sizeof(number));
        }
    }
    memset(ret_row->hash, 0, sizeof(ret_row->hash)); /* one of another size matches nothing */
    if (sqlite3_column_bytes(statement, column) == LAT_AUDIT_HASH_SIZE) {
        memcpy(ret_row->hash, sqlite3_column_blob(statement, column), LAT_AUDIT_HASH_SIZE);
    }
    return 0;
}

int lat__db_audit_read(sqlite3 *db, int64_t from, int64_t to,
                       void (*fn)(void *arg, const struct lat_audit *row), void *arg,
                       struct lat_err *err)
{
    struct lat_buf sql = {0};
    sqlite3_stmt *statement = NULL;

    lat__sql_audit_select(&sql, lat_audit_table());
    int rc = lat__db_prepare(db, lat_buf_text(&sql), &statement, err);

    lat_buf_done(&sql);
    if (rc == 0) {
        lat__db_bind_int(statement, 1, from);
        lat__db_bind_int(statement, 2, to);
    }
    while (rc == 0) {
        struct lat_audit row = {0};
        int step = sqlite3_step(statement);

        if (step == SQLITE_DONE) {
            break;
        }
        rc = step == SQLITE_ROW ? read_row(statement, &row, err)
                                : lat__db_error(db, "audit_log", err);
        if (rc == 0) {
            fn(arg, &row);
        }
    }
    sqlite3_finalize(statement);
    return rc;
}
