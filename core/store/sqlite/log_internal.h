/* The log (WAL) of a durable SQLite file: what it holds is made durable at the start, it has its room before it is needed, and it is
 * copied into the database when nobody waits for an answer. One thread at a time. */
#ifndef LAT_STORE_SQLITE_LOG_INTERNAL_H
#define LAT_STORE_SQLITE_LOG_INTERNAL_H

#include "base/err.h"

#include <sqlite3.h>
#include <stdbool.h>

enum {
    LAT__LOG_FRAME = 24 + 4096, /* bytes of a page in the log */
    LAT__LOG_PAGES = 4096,      /* with so many in it, it is copied into the database */
    /* Bytes that it may have on the disk before it is copied: with room for the batch that makes it so long. */
    LAT__LOG_ROOM = (LAT__LOG_PAGES + 1024) * LAT__LOG_FRAME,
    LAT__LOG_STEP = 1 << 20, /* it gets its room in such steps */
};

struct lat__log {
    sqlite3 *db; /* borrowed */
    int pages;   /* since it was last begun from its start */
    sqlite3_int64 size;
    sqlite3_int64
        room; /* what it is to grow to: LAT__LOG_ROOM, or as far as it has come on a disk that has no more to spare */
};

/* The log's file of a database; NULL while there is none. */
sqlite3_file *lat__log_file(sqlite3 *db);

/* Takes charge of the log of a database that was just opened, and makes durable what is in it, before anything of it is shown: whoever
 * wrote it may have been killed before its fsync, or was told that the fsync had failed. A new one gets a first step of room. */
int lat__log_open(struct lat__log *log, sqlite3 *db, struct lat_err *err) LAT_MUST_USE;

/* Tells whether there is something to tidy: it is due to be copied, or has less room than it will need. */
bool lat__log_is_due(const struct lat__log *log);

/* Copies the log into the database if that is due, else gives it one step of room. Space that the disk does not have is done without;
 * after any other error nobody knows what the disk has of the file: it is to be opened anew. */
int lat__log_tidy(struct lat__log *log, struct lat_err *err) LAT_MUST_USE;

/* Copies all of the log into the database, durably; the next commit begins it from its start. */
int lat__log_copy(struct lat__log *log, struct lat_err *err) LAT_MUST_USE;

#endif
