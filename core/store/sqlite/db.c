/* Opening SQLite files, and their errors. Blocks; any one thread at a time. */
#include "db_internal.h"
#include "log_internal.h"

#include "store/sql_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The system's reason for the newest error. SQLite sets sqlite3_system_errno for what fails outside of a statement only. */
static int reason_of(sqlite3 *db)
{
    sqlite3_file *log = lat__log_file(db);
    int why = 0;

    if (log != NULL) {
        log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &why);
    }
    if (why == 0) {
        sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &why);
    }
    return why != 0 ? why : sqlite3_system_errno(db);
}

int lat__db_error(sqlite3 *db, const char *what, struct lat_err *err)
{
    int code = sqlite3_extended_errcode(db);
    bool is_system = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
    int why = is_system ? reason_of(db) : 0;
    const char *message = sqlite3_errmsg(db);

    switch (code & 0xff) {
    case SQLITE_FULL:
        return lat_err_set(err, LAT_E_NO_SPACE, "%s: there is no space left on the disk.", what);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        lat_err_set(err, LAT_E_CONFLICT, "%s: another program has this database open.", what);
        lat_err_hint(err, "Stop the other console, or give this one a data_dir of its own.");
        return LAT_E_CONFLICT;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        lat_err_set(err, LAT_E_IO, "%s: the database is damaged (%s).", what, message);
        lat_err_hint(err, "Restore it from a backup.");
        return LAT_E_IO;
    case SQLITE_NOMEM: LAT_ASSERT(!"memory for SQLite"); return LAT_E_INTERNAL;
    default: break;
    }
    if (why == ENOSPC || why == EDQUOT) {
        return lat_err_set(err, LAT_E_NO_SPACE, "%s: there is no space left on the disk.", what);
    }
    if (why != 0) {
        return lat_err_set(err, LAT_E_IO, "%s: %s: %s.", what, message, strerror(why));
    }
    return lat_err_set(err, LAT_E_IO, "%s: %s.", what, message);
}

/* Whoever reads the error has to know which file it is about. */
static const char *file_of(sqlite3 *db)
{
    const char *path = sqlite3_db_filename(db, "main");

    return path != NULL && path[0] != '\0' ? path : "database";
}

int lat__db_log_error(sqlite3 *db, int code, struct lat_err *err)
{
    int why = reason_of(db);

    if ((code & 0xff) == SQLITE_FULL || why == ENOSPC || why == EDQUOT) {
        return lat_err_set(err, LAT_E_NO_SPACE, "%s-wal: there is no space left on the disk.",
                           file_of(db));
    }
    return lat_err_set(err, LAT_E_IO, "%s-wal: %s: %s.", file_of(db), sqlite3_errstr(code),
                       strerror(why));
}

int lat__db_execute(sqlite3 *db, const char *sql, struct lat_err *err)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        return lat__db_error(db, file_of(db), err);
    }
    return 0;
}

int lat__db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_statement, struct lat_err *err)
{
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_statement, NULL) !=
        SQLITE_OK) {
        return lat__db_error(db, file_of(db), err);
    }
    return 0;
}

int lat__db_run(sqlite3_stmt *statement, const char *what, struct lat_err *err)
{
    int step = sqlite3_step(statement);
    int rc = step == SQLITE_DONE ? 0 : lat__db_error(sqlite3_db_handle(statement), what, err);

    sqlite3_reset(statement); /* repeats the error of the step, which is told already */
    return rc;
}

void lat__db_bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    LAT_ASSERT(sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC) == SQLITE_OK);
}

void lat__db_bind_int(sqlite3_stmt *statement, int at, int64_t value)
{
    LAT_ASSERT(sqlite3_bind_int64(statement, at, value) == SQLITE_OK);
}

void lat__db_bind_fields(sqlite3_stmt *statement, int at, const struct lat_table *table,
                         const void *row)
{
    for (size_t i = 0; i < table->field_count; i++, at++) {
        const struct lat_field *field = &table->fields[i];

        switch (field->kind) {
        case LAT_KIND_TEXT:
        case LAT_KIND_JSON:
        case LAT_KIND_SECRET:
        case LAT_KIND_PACKED: lat__db_bind_text(statement, at, lat_row_text(row, field)); break;
        case LAT_KIND_INT:
        case LAT_KIND_TIME:
        case LAT_KIND_BOOL: lat__db_bind_int(statement, at, lat_row_int(row, field)); break;
        case LAT_KIND_REAL:
            LAT_ASSERT(sqlite3_bind_double(statement, at, lat_row_real(row, field)) == SQLITE_OK);
            break;
        }
    }
}

int lat__db_get_meta(sqlite3 *db, const char *name, char **ret_text, struct lat_err *err)
{
    sqlite3_stmt *statement;
    int rc = lat__db_prepare(db, LAT__SQL_META_GET, &statement, err);

    if (rc != 0) {
        return rc;
    }
    lat__db_bind_text(statement, 1, name);
    int step = sqlite3_step(statement);

    if (step == SQLITE_ROW) {
        *ret_text = lat_text_copy((const char *)sqlite3_column_text(statement, 0));
    } else if (step == SQLITE_DONE) {
        *ret_text = NULL;
    } else {
        rc = lat__db_error(db, file_of(db), err);
    }
    sqlite3_finalize(statement);
    return rc;
}

int lat__db_put_meta(sqlite3_stmt *put_meta, const char *name, const char *text,
                     struct lat_err *err)
{
    lat__db_bind_text(put_meta, 1, name);
    lat__db_bind_text(put_meta, 2, text);
    return lat__db_run(put_meta, "meta", err);
}

/* The file, its log and its lock are for this user alone: rows hold sealed secrets and digests. */
static int make_private(const char *path, struct lat_err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0) {
        return lat_err_errno(err, errno, path);
    }
    close(fd);
    return 0;
}

static int sync_folder_of(const char *path, struct lat_err *err)
{
    const char *slash = strrchr(path, '/');
    char *folder =
        slash == NULL ? lat_text_copy(".") : lat_text_copy_n(path, (size_t)(slash - path + 1));
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) < 0 ? lat_err_errno(err, errno, folder) : 0;

    if (fd >= 0) {
        close(fd);
    }
    free(folder);
    return rc;
}

int lat__db_open(const char *path, const char *vfs, enum lat__db_care care, sqlite3 **ret_db,
                 struct lat_err *err)
{
    /* Exclusive before the first access: no other program gets in, and the log's index needs no shared memory. */
    static const char *const words[] = {
        "PRAGMA locking_mode = EXCLUSIVE",
        "PRAGMA journal_mode = WAL",
        "PRAGMA foreign_keys = OFF",
        "PRAGMA temp_store = MEMORY",
        "PRAGMA journal_size_limit = 67108864",
        "PRAGMA trusted_schema = OFF",
    };
    /* A write of a row finds its page in 8 MB of cache, instead of asking the system for it. When the log goes into the database is for
     * lat__log_tidy to say. */
    static const char durable[] = "PRAGMA synchronous = FULL; PRAGMA cache_size = -8192";
    static const char soon[] = "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -256";
    sqlite3 *db = NULL;
    int rc = vfs == NULL ? make_private(path, err) : 0;

    if (rc != 0) {
        return rc;
    }
    if (sqlite3_open_v2(path, &db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                            SQLITE_OPEN_EXRESCODE,
                        vfs) != SQLITE_OK) {
        rc = lat__db_error(db, path, err);
    }
    for (size_t i = 0; rc == 0 && i < LAT_COUNT(words); i++) {
        rc = lat__db_execute(db, words[i], err);
    }
    rc = rc != 0 ? rc : lat__db_execute(db, care == LAT__DB_DURABLE ? durable : soon, err);
    /* Takes the lock now, so that a second program is refused here and not in the middle of its work. */
    rc = rc != 0 ? rc : lat__db_execute(db, "BEGIN IMMEDIATE; COMMIT", err);
    /* By now there is a log, which SQLite made; it syncs its name, but does not tell when that fails. */
    rc = rc == 0 && vfs == NULL && care == LAT__DB_DURABLE ? sync_folder_of(path, err) : rc;
    if (rc != 0) {
        sqlite3_close(db);
        return rc;
    }
    *ret_db = db;
    return 0;
}
