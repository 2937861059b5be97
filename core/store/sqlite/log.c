/* The log of a durable SQLite file (its WAL).
 *
 *     commit ─► pages at its end, fsync ─► answer             no fsync of a commit should have to make the file longer:
 *     tidy   ─► LAT__LOG_PAGES in it: into the database       that has the file system write about the file, too, and
 *               else short of room: a step of zeros, fsync    takes half as long again
 *
 * SQLite would copy its log into the database within the commit that makes it too long, before the answer. Here the commit only
 * notes how long the log is; the store tidies when the batch has been answered.
 *
 * Zeros at the end of a log are what SQLite takes for its end. All of the room at once would cost a start tens of milliseconds, so a log
 * begins with one step of it, and gets the others while nobody waits. A log that was copied is written again from its start, and
 * keeps its size. A disk with little space keeps it for others: there the log grows as it goes. */
#include "log_internal.h"

#include "db_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

enum {
    WRITE = 64 * 1024,  /* bytes; SQLite's files take less than 128 KB at a time */
    HEADER = 32,        /* bytes in front of the first page */
    SALTS_AT = 16,      /* in the header */
    FRAME_SALTS_AT = 8, /* in front of each page */
    SALTS = 8,          /* bytes of them; they change when the log is begun again */
    SPARE = 4,          /* the disk has to have so many times the room to spare */
};

sqlite3_file *lat__log_file(sqlite3 *db)
{
    sqlite3_file *log = NULL;

    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) != SQLITE_OK) {
        return NULL;
    }
    return log == NULL || log->pMethods == NULL ? NULL : log;
}

/* ---- making durable ---- */

/* Returns where the pages end that belong together: behind them is nothing, or what is left of a time before. */
static int find_end(sqlite3_file *file, sqlite3_int64 size, sqlite3_int64 *ret_end)
{
    uint8_t header[HEADER];
    uint8_t salts[SALTS];
    sqlite3_int64 end = HEADER;
    int code = SQLITE_OK;

    if (size < HEADER) {
        *ret_end = size;
        return SQLITE_OK;
    }
    code = file->pMethods->xRead(file, header, HEADER, 0);
    while (code == SQLITE_OK && end + LAT__LOG_FRAME <= size) {
        code = file->pMethods->xRead(file, salts, SALTS, end + FRAME_SALTS_AT);
        if (code == SQLITE_OK && memcmp(salts, header + SALTS_AT, SALTS) != 0) {
            break;
        }
        end += LAT__LOG_FRAME;
    }
    if (code == SQLITE_OK) {
        *ret_end = end;
    }
    return code;
}

/* Writes bytes of a file over themselves: after a failed fsync the kernel takes its pages for written, and would not write
 * them again at the next. */
static int write_over(sqlite3_file *file, sqlite3_int64 end)
{
    uint8_t *bytes = lat_alloc(WRITE);
    int code = SQLITE_OK;

    for (sqlite3_int64 at = 0; code == SQLITE_OK && at < end; at += WRITE) {
        int len = end - at < WRITE ? (int)(end - at) : WRITE;

        code = file->pMethods->xRead(file, bytes, len, at);
        code = code != SQLITE_OK ? code : file->pMethods->xWrite(file, bytes, len, at);
    }
    free(bytes);
    return code;
}

/* ---- room ---- */

/* Tells whether the disk has space for this and for everybody else. Nobody knows of one that is not the system's. */
static bool can_spare(const struct lat__log *log)
{
    const char *path = sqlite3_db_filename(log->db, "main");
    struct statvfs disk;

    if (path == NULL || statvfs(path, &disk) != 0) {
        return true;
    }
    return (uint64_t)disk.f_bavail * disk.f_frsize > (uint64_t)LAT__LOG_ROOM * SPARE;
}

/* Makes the file longer by a step of zeros. What cannot be had is given back and done without. */
static int add_step(struct lat__log *log, sqlite3_file *file)
{
    uint8_t *zeros = lat_alloc(WRITE);
    int code = SQLITE_OK;

    for (int at = 0; code == SQLITE_OK && at < LAT__LOG_STEP; at += WRITE) {
        code = file->pMethods->xWrite(file, zeros, WRITE, log->size + at);
    }
    free(zeros);
    if (code == SQLITE_OK) {
        log->size += LAT__LOG_STEP;
    } else {
        int back = file->pMethods->xTruncate(file, log->size);

        (void)back; /* zeros at the end do no harm but for the space they take */
        log->room = log->size;
    }
    return code;
}

/* ---- the log ---- */

static int on_commit(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct lat__log *log = arg;

    (void)db, (void)name;
    log->pages = pages;
    return SQLITE_OK;
}

int lat__log_open(struct lat__log *log, sqlite3 *db, struct lat_err *err)
{
    sqlite3_file *file = lat__log_file(db);
    sqlite3_int64 end = 0;

    *log = (struct lat__log){.db = db, .room = LAT__LOG_ROOM};
    sqlite3_wal_hook(db, on_commit, log);
    if (file == NULL) {
        return 0;
    }
    int code = file->pMethods->xFileSize(file, &log->size);

    code = code != SQLITE_OK ? code : find_end(file, log->size, &end);
    code = code != SQLITE_OK ? code : write_over(file, end);
    log->pages = (int)(end / LAT__LOG_FRAME);
    if (code == SQLITE_OK && log->size < LAT__LOG_STEP) {
        int room = add_step(log, file);

        (void)room; /* it is not missed: then the log grows as it goes */
    }
    /* Synced even when it is empty and new: until its name is on the disk, an older log may come back under it. */
    code = code != SQLITE_OK ? code : file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
    return code == SQLITE_OK ? 0 : lat__db_log_error(db, code, err);
}

bool lat__log_is_due(const struct lat__log *log)
{
    return log->pages >= LAT__LOG_PAGES || log->size < log->room;
}

/* Returns the error of a call on the log's file; lack of space is none. */
static int without_space(const struct lat__log *log, int code, struct lat_err *err)
{
    return (code & 0xff) == SQLITE_FULL || lat__db_log_error(log->db, code, err) == LAT_E_NO_SPACE
               ? 0
               : err->code;
}

static int copy_some(struct lat__log *log, struct lat_err *err)
{
    if (sqlite3_wal_checkpoint_v2(log->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) !=
        SQLITE_OK) {
        int rc = lat__db_error(log->db, "checkpoint", err);

        return rc == LAT_E_NO_SPACE ? 0 : rc; /* tried again behind each commit */
    }
    log->pages = 0;
    return 0;
}

int lat__log_tidy(struct lat__log *log, struct lat_err *err)
{
    sqlite3_file *file = lat__log_file(log->db);

    if (log->pages >= LAT__LOG_PAGES) {
        return copy_some(log, err);
    }
    int code = file == NULL ? SQLITE_OK : file->pMethods->xFileSize(file, &log->size);

    if (file == NULL || code != SQLITE_OK || log->size >= log->room || !can_spare(log)) {
        log->room = log->size;
    } else {
        code = add_step(log, file);
        code = code != SQLITE_OK ? code : file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
    }
    return code == SQLITE_OK ? 0 : without_space(log, code, err);
}

int lat__log_copy(struct lat__log *log, struct lat_err *err)
{
    if (sqlite3_wal_checkpoint_v2(log->db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL) !=
        SQLITE_OK) {
        return lat__db_error(log->db, "checkpoint", err);
    }
    log->pages = 0;
    return 0;
}
