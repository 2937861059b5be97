/* A database behind the store: SQLite, and in tests a scripted one. Small on purpose, so that another can stand
 * there. All calls block; they are made from start-up or from the store's worker, one at a time. */
#ifndef LAT_STORE_JOURNAL_H
#define LAT_STORE_JOURNAL_H

#include "base/err.h"
#include "model/row.h"

struct lat_journal;

/* One row change of a batch. */
struct lat_journal_change {
    int64_t index;
    int table;
    const struct lat_row *
        row; /* what to write; NULL: remove `id`. Always NULL in load_changes, which says `removed` */
    const char *id;
    const char *project_id;
    const char *request_id;
    int64_t at;
};

struct lat_journal_class {
    const char *name;
    /* Makes or migrates the schema, in one transaction; VERSION when it is newer than this program. */
    int (*prepare)(struct lat_journal *journal, struct lat_err *err);
    /* Hands over every row of a table (taken by fn), in order of id. */
    int (*load)(struct lat_journal *journal, int table, void (*fn)(void *arg, struct lat_row *row),
                void *arg, struct lat_err *err);
    /* Hands over the newest `max` notes of the change log, oldest first. */
    int (*load_changes)(struct lat_journal *journal, size_t max,
                        void (*fn)(void *arg, const struct lat_journal_change *change,
                                   bool removed),
                        void *arg, struct lat_err *err);
    /* Makes a batch durable, all or nothing. On return of 0 it survives loss of power. An error leaves open whether it happened:
     * `reopen` and then the change log tell. With count 0 it proves that the database takes writes. */
    int (*commit)(struct lat_journal *journal, const struct lat_journal_change *changes,
                  size_t count, struct lat_err *err);
    /* Starts again after an error: forgets the connection, makes a new one, and makes durable whatever the database now holds as
     * committed, so that nothing is built upon what a failed fsync may have lost. */
    int (*reopen)(struct lat_journal *journal, struct lat_err *err);
    /* Forgets notes of the change log up to `index`. */
    int (*forget_changes)(struct lat_journal *journal, int64_t index, struct lat_err *err);
    void (*close)(struct lat_journal *journal);
};

struct lat_journal {
    const struct lat_journal_class *class;
};

/* Opens (or makes) an SQLite database file: WAL, synchronous=FULL. `vfs` (copied) names a disk that was registered with SQLite, for
 * simulation; NULL is the system's. */
int lat_journal_open_sqlite(const char *path, const char *vfs, struct lat_journal **ret_journal,
                            struct lat_err *err) LAT_MUST_USE;

#endif
