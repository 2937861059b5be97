/* The journal on SQLite: a file in WAL mode with synchronous=FULL, one table for each table of the model.
 *
 * A batch is one SQL transaction: the rows as they are now, and a line in the change log for each change. All
 * statements are made from the descriptions and prepared once for each connection. Blocks; runs at start-up
 * and then in the store's worker, one call at a time.
 *
 * Nobody knows what the disk has of a log that another process wrote, or that an error befell: it may never have been
 * synced, and a failed fsync drops what it could not write and says so only once. So each connection begins by
 * making its log durable, before anything is read that is shown to somebody; `reopen` then copies all of it into the
 * database: what the next commits build upon is on the disk. */
#include "audit_internal.h"
#include "db_internal.h"
#include "log_internal.h"

#include "store/journal.h"
#include "store/migrations/migrations_internal.h"
#include "store/sql_internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "model/tables.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct sqlite_journal {
    struct lat_journal journal;
    char *path;
    char *vfs;   /* NULL: the system's disk */
    sqlite3 *db; /* NULL: to be opened again */
    struct lat__log log;
    sqlite3_stmt *put[LAT_TABLE_COUNT];
    sqlite3_stmt *remove[LAT_TABLE_COUNT];
    sqlite3_stmt *add_change;
    sqlite3_stmt *add_audit;
    sqlite3_stmt *put_meta;
    sqlite3_stmt *begin, *commit, *rollback;
};

static const struct lat__dialect sqlite_dialect = {
    .integer = "INTEGER",
    .real = "REAL",
    .blob = "BLOB",
    .table_suffix = " STRICT",
};

static struct sqlite_journal *from(struct lat_journal *journal)
{
    return LAT_CONTAINER(journal, struct sqlite_journal, journal);
}

/* ---- connection ---- */

static void forget(sqlite3_stmt **statement)
{
    sqlite3_finalize(*statement);
    *statement = NULL;
}

static void disconnect(struct sqlite_journal *self)
{
    for (int table = 0; table < LAT_TABLE_COUNT; table++) {
        forget(&self->put[table]);
        forget(&self->remove[table]);
    }
    forget(&self->add_change);
    forget(&self->add_audit);
    forget(&self->put_meta);
    forget(&self->begin);
    forget(&self->commit);
    forget(&self->rollback);
    LAT_ASSERT(sqlite3_close(self->db) == SQLITE_OK); /* no statement is left */
    self->db = NULL;
}

static int connect(struct sqlite_journal *self, struct lat_err *err)
{
    int rc = lat__db_open(self->path, self->vfs, LAT__DB_DURABLE, &self->db, err);

    rc = rc != 0 ? rc : lat__log_open(&self->log, self->db, err);
    self->journal.is_untidy = rc == 0 && lat__log_is_due(&self->log);
    return rc;
}

static int prepare_statements(struct sqlite_journal *self, struct lat_err *err)
{
    struct lat_buf sql = {0};
    int rc = 0;

    for (int table = 0; rc == 0 && table < LAT_TABLE_COUNT; table++) {
        lat_buf_clear(&sql);
        lat__sql_put(&sql, lat_table(table));
        rc = lat__db_prepare(self->db, lat_buf_text(&sql), &self->put[table], err);
        lat_buf_clear(&sql);
        lat__sql_remove(&sql, lat_table(table));
        rc =
            rc != 0 ? rc : lat__db_prepare(self->db, lat_buf_text(&sql), &self->remove[table], err);
    }
    lat_buf_clear(&sql);
    lat__sql_audit_add(&sql, lat_audit_table());
    rc = rc != 0 ? rc : lat__db_prepare(self->db, lat_buf_text(&sql), &self->add_audit, err);
    lat_buf_done(&sql);
    rc = rc != 0 ? rc : lat__db_prepare(self->db, LAT__SQL_CHANGE_ADD, &self->add_change, err);
    rc = rc != 0 ? rc : lat__db_prepare(self->db, LAT__SQL_META_PUT, &self->put_meta, err);
    rc = rc != 0 ? rc : lat__db_prepare(self->db, "BEGIN IMMEDIATE", &self->begin, err);
    rc = rc != 0 ? rc : lat__db_prepare(self->db, "COMMIT", &self->commit, err);
    return rc != 0 ? rc : lat__db_prepare(self->db, "ROLLBACK", &self->rollback, err);
}

/* ---- schema ---- */

static int execute(void *database, const char *sql, struct lat_err *err)
{
    return lat__db_execute(database, sql, err);
}

static int read_version(void *database, int64_t *ret_version, struct lat_err *err)
{
    char *text = NULL;
    int64_t version = 0;
    int rc = lat__db_get_meta(database, "schema_version", &text, err);

    if (rc == 0 && text != NULL && lat_text_to_int(text, 1, INT32_MAX, &version) != 0) {
        rc = lat_err_set(err, LAT_E_IO,
                         "The database says nothing sensible of its schema's version.");
    }
    free(text);
    if (rc == 0) {
        *ret_version = version;
    }
    return rc;
}

static int write_version(void *database, int64_t version, struct lat_err *err)
{
    sqlite3_stmt *statement;
    int rc = lat__db_prepare(database, LAT__SQL_META_PUT, &statement, err);

    if (rc != 0) {
        return rc;
    }
    char *text = lat_text_format("%" PRId64, version);

    rc = lat__db_put_meta(statement, "schema_version", text, err);
    sqlite3_finalize(statement);
    free(text);
    return rc;
}

static int journal_prepare(struct lat_journal *journal, struct lat_err *err)
{
    struct sqlite_journal *self = from(journal);
    const struct lat__schema schema = {
        .database = self->db,
        .dialect = &sqlite_dialect,
        .execute = execute,
        .read_version = read_version,
        .write_version = write_version,
    };
    size_t count;
    const struct lat__migration *steps = lat__migrations(&count);
    int rc = lat__migrate(&schema, steps, count, err);

    return rc != 0 ? rc : prepare_statements(self, err);
}

/* ---- reading ---- */

/* Reads one field of a row (texts are SQLite's until the next row); NULL, or what is wrong with it. */
static const char *read_field(sqlite3_stmt *statement, int column, enum lat_field_kind kind,
                              struct lat_value *ret_value)
{
    int type = sqlite3_column_type(statement, column);

    switch (kind) {
    case LAT_KIND_TEXT:
    case LAT_KIND_SECRET:
    case LAT_KIND_PACKED:
    case LAT_KIND_JSON: {
        const char *text = (const char *)sqlite3_column_text(statement, column);
        size_t len = (size_t)sqlite3_column_bytes(statement, column);

        if (type != SQLITE_TEXT || text == NULL) {
            return "is no text";
        }
        if (!lat_text_is_utf8(text, len)) {
            return "is not UTF-8";
        }
        if (kind == LAT_KIND_JSON && len > 0 && lat_json_check(text, len, NULL) != 0) {
            return "is not JSON";
        }
        ret_value->text = text;
        ret_value->len = len;
        return NULL;
    }
    case LAT_KIND_INT:
    case LAT_KIND_TIME:
    case LAT_KIND_BOOL:
        if (type != SQLITE_INTEGER) {
            return "is no whole number";
        }
        ret_value->integer = sqlite3_column_int64(statement, column);
        return NULL;
    case LAT_KIND_REAL:
        if (type != SQLITE_FLOAT) {
            return "is no number";
        }
        ret_value->real = sqlite3_column_double(statement, column);
        return NULL;
    }
    return "is of no kind";
}

static int read_row(sqlite3_stmt *statement, int table, struct lat_row **ret_row,
                    struct lat_err *err)
{
    const struct lat_table *description = lat_table(table);
    const char *id = (const char *)sqlite3_column_text(statement, 0);
    int64_t version = sqlite3_column_int64(statement, (int)description->field_count + 1);
    struct lat_value values[LAT_FIELDS_MAX];
    const char *what = "id";
    const char *wrong =
        id == NULL || id[0] == '\0' || strlen(id) >= LAT_ID_SIZE ? "is no id" : NULL;

    for (size_t i = 0; wrong == NULL && i < description->field_count; i++) {
        what = description->fields[i].name;
        wrong = read_field(statement, (int)i + 1, description->fields[i].kind, &values[i]);
    }
    if (wrong == NULL && version < 1) {
        what = "version";
        wrong = "is not above 0";
    }
    if (wrong != NULL) {
        lat_err_set(err, LAT_E_IO, "The row %.40s of table %s cannot be read: its %s %s.",
                    id == NULL ? "" : id, description->name, what, wrong);
        lat_err_hint(err, "The database is damaged; restore it from a backup.");
        return LAT_E_IO;
    }
    *ret_row = lat_row_make(table, id, version, values);
    return 0;
}

static int journal_load(struct lat_journal *journal, int table,
                        void (*fn)(void *arg, struct lat_row *row), void *arg, struct lat_err *err)
{
    struct sqlite_journal *self = from(journal);
    struct lat_buf sql = {0};
    sqlite3_stmt *statement = NULL;

    lat__sql_select(&sql, lat_table(table));
    int rc = lat__db_prepare(self->db, lat_buf_text(&sql), &statement, err);

    lat_buf_done(&sql);
    while (rc == 0) {
        int step = sqlite3_step(statement);

        if (step == SQLITE_DONE) {
            break;
        }
        struct lat_row *row = NULL;

        rc = step == SQLITE_ROW ? read_row(statement, table, &row, err)
                                : lat__db_error(self->db, lat_table(table)->name, err);
        if (rc == 0) {
            fn(arg, row);
        }
    }
    sqlite3_finalize(statement);
    return rc;
}

static int table_named(const char *name, int *ret_table)
{
    for (int table = 0; name != NULL && table < LAT_TABLE_COUNT; table++) {
        if (strcmp(lat_table(table)->name, name) == 0) {
            *ret_table = table;
            return 0;
        }
    }
    return LAT_E_NOT_FOUND;
}

static int journal_load_changes(struct lat_journal *journal, size_t max,
                                void (*fn)(void *arg, const struct lat_journal_change *change,
                                           bool removed),
                                void *arg, struct lat_err *err)
{
    struct sqlite_journal *self = from(journal);
    sqlite3_stmt *statement = NULL;
    int rc = lat__db_prepare(self->db, LAT__SQL_CHANGES_NEWEST, &statement, err);

    if (rc == 0) {
        lat__db_bind_int(statement, 1, (int64_t)max);
    }
    for (int64_t before = 0; rc == 0;) {
        int step = sqlite3_step(statement);

        if (step == SQLITE_DONE) {
            break;
        }
        if (step != SQLITE_ROW) {
            rc = lat__db_error(self->db, "change_log", err);
            break;
        }
        struct lat_journal_change change = {
            .index = sqlite3_column_int64(statement, 0),
            .id = (const char *)sqlite3_column_text(statement, 2),
            .project_id = (const char *)sqlite3_column_text(statement, 4),
            .request_id = (const char *)sqlite3_column_text(statement, 5),
            .at = sqlite3_column_int64(statement, 6),
        };

        if (table_named((const char *)sqlite3_column_text(statement, 1), &change.table) != 0 ||
            (before != 0 && change.index != before + 1) || change.id == NULL ||
            change.project_id == NULL || change.request_id == NULL) {
            rc = lat_err_set(err, LAT_E_IO,
                             "The row %" PRId64 " of table change_log cannot be read.",
                             change.index);
            break;
        }
        before = change.index;
        fn(arg, &change, sqlite3_column_int64(statement, 3) != 0);
    }
    sqlite3_finalize(statement);
    return rc;
}

/* ---- writing ---- */

static int put_row(struct sqlite_journal *self, const struct lat_row *row, struct lat_err *err)
{
    const struct lat_table *description = lat_table(row->table);
    sqlite3_stmt *statement = self->put[row->table];

    lat__db_bind_text(statement, 1, row->id);
    lat__db_bind_fields(statement, 2, description, row);
    lat__db_bind_int(statement, (int)description->field_count + 2, row->version);
    return lat__db_run(statement, description->name, err);
}

static int write_change(struct sqlite_journal *self, const struct lat_journal_change *change,
                        struct lat_err *err)
{
    const char *table = lat_table(change->table)->name;
    int rc;

    if (change->row != NULL) {
        rc = put_row(self, change->row, err);
    } else {
        lat__db_bind_text(self->remove[change->table], 1, change->id);
        rc = lat__db_run(self->remove[change->table], table, err);
    }
    if (rc != 0) {
        return rc;
    }
    sqlite3_stmt *log = self->add_change;

    lat__db_bind_int(log, 1, change->index);
    lat__db_bind_text(log, 2, table);
    lat__db_bind_text(log, 3, change->id);
    lat__db_bind_int(log, 4, change->row == NULL);
    lat__db_bind_text(log, 5, change->project_id);
    lat__db_bind_text(log, 6, change->request_id);
    lat__db_bind_int(log, 7, change->at);
    return lat__db_run(log, "change_log", err);
}

/* What an empty batch writes: one row that says that this database took a write. Taken out first, because SQLite leaves
 * a page alone that would not change. */
static int write_proof(struct sqlite_journal *self, struct lat_err *err)
{
    int rc = lat__db_execute(self->db, "DELETE FROM \"meta\" WHERE \"name\" = 'proof'", err);

    return rc != 0 ? rc : lat__db_put_meta(self->put_meta, "proof", "writable", err);
}

static int write_audit(struct sqlite_journal *self, const struct lat_journal_batch *batch,
                       struct lat_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < batch->audit_count; i++) {
        rc = lat__db_audit_add(self->add_audit, batch->audit[i], err);
    }
    if (rc == 0 && batch->audit_count > 0) {
        rc = lat__db_audit_put_head(self->put_meta, batch->audit[batch->audit_count - 1], err);
    }
    return rc == 0 && batch->forget_audit != 0
               ? lat__db_audit_forget(self->db, self->put_meta, batch->forget_audit, err)
               : rc;
}

static int forget_changes(struct sqlite_journal *self, int64_t index, struct lat_err *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = lat__db_prepare(self->db, LAT__SQL_CHANGES_FORGET, &statement, err);

    if (rc == 0) {
        lat__db_bind_int(statement, 1, index);
        rc = lat__db_run(statement, "change_log", err);
    }
    sqlite3_finalize(statement);
    return rc;
}

static int journal_commit(struct lat_journal *journal, const struct lat_journal_batch *batch,
                          struct lat_err *err)
{
    struct sqlite_journal *self = from(journal);

    if (self->db == NULL) {
        return lat_err_set(err, LAT_E_UNAVAILABLE, "The database is not open.");
    }
    int rc = lat__db_run(self->begin, "begin", err);

    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; rc == 0 && i < batch->change_count; i++) {
        rc = write_change(self, &batch->changes[i], err);
    }
    rc = rc != 0 ? rc : write_audit(self, batch, err);
    if (rc == 0 && batch->forget_changes != 0) {
        rc = forget_changes(self, batch->forget_changes, err);
    }
    if (rc == 0 && batch->change_count + batch->audit_count == 0) {
        rc = write_proof(self, err);
    }
    rc = rc != 0 ? rc : lat__db_run(self->commit, "commit", err);
    if (rc != 0 && sqlite3_get_autocommit(self->db) == 0) {
        struct lat_err ignored;
        int rolled_back = lat__db_run(self->rollback, "rollback", &ignored);

        (void)rolled_back; /* the first error is the one that says something; `reopen` comes next */
    }
    journal->is_untidy = rc == 0 && lat__log_is_due(&self->log);
    return rc;
}

static int journal_tidy(struct lat_journal *journal, struct lat_err *err)
{
    struct sqlite_journal *self = from(journal);
    int rc = lat__log_tidy(&self->log, err);

    journal->is_untidy = rc == 0 && lat__log_is_due(&self->log);
    return rc;
}

static int journal_audit_ends(struct lat_journal *journal, struct lat_audit_end *ret_cut,
                              struct lat_audit_end *ret_head, struct lat_err *err)
{
    return lat__db_audit_ends(from(journal)->db, ret_cut, ret_head, err);
}

static int journal_audit_read(struct lat_journal *journal, int64_t first, int64_t last,
                              void (*fn)(void *arg, const struct lat_audit *row), void *arg,
                              struct lat_err *err)
{
    return lat__db_audit_read(from(journal)->db, first, last, fn, arg, err);
}

static int journal_reopen(struct lat_journal *journal, struct lat_err *err)
{
    struct sqlite_journal *self = from(journal);

    disconnect(self);
    int rc = connect(self, err);

    rc = rc != 0 ? rc : prepare_statements(self, err);
    rc = rc != 0 ? rc : lat__log_copy(&self->log, err);
    if (rc != 0) {
        disconnect(self);
        journal->is_untidy = false;
    }
    return rc;
}

static void journal_close(struct lat_journal *journal)
{
    struct sqlite_journal *self = from(journal);

    disconnect(self);
    free(self->path);
    free(self->vfs);
    free(self);
}

int lat_journal_open_sqlite(const char *path, const char *vfs, struct lat_journal **ret_journal,
                            struct lat_err *err)
{
    static const struct lat_journal_class class = {
        .name = "sqlite",
        .prepare = journal_prepare,
        .load = journal_load,
        .load_changes = journal_load_changes,
        .commit = journal_commit,
        .reopen = journal_reopen,
        .tidy = journal_tidy,
        .audit_ends = journal_audit_ends,
        .audit_read = journal_audit_read,
        .close = journal_close,
    };
    struct sqlite_journal *self = LAT_NEW(struct sqlite_journal);

    self->journal.class = &class;
    self->path = lat_text_copy(path);
    self->vfs = vfs == NULL ? NULL : lat_text_copy(vfs);
    int rc = connect(self, err);

    if (rc != 0) {
        journal_close(&self->journal);
        return rc;
    }
    *ret_journal = &self->journal;
    return 0;
}
