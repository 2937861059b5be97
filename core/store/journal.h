/* A database behind the store: SQLite, and in tests a scripted one. Small on purpose, so that another can stand
 * there. All calls block; they are made from start-up or from the store's worker, one at a time. */
#ifndef LAT_STORE_JOURNAL_H
#define LAT_STORE_JOURNAL_H

#include "base/err.h"
#include "model/tables.h"

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

/* What becomes durable together, all or nothing. With nothing in it, it proves that the database takes writes. */
struct lat_journal_batch {
    const struct lat_journal_change *changes;
    size_t change_count;
    const struct lat_audit *const
        *audit; /* rows of the audit trail, chained, in order of sequence */
    size_t audit_count;
    int64_t forget_changes; /* notes of the change log up to this index; 0: none */
    int64_t forget_audit; /* rows of the audit trail up to this sequence, which is there; 0: none */
};

/* An end of the audit trail: a row's place and hash; 0 and zeros when there is no such row. */
struct lat_audit_end {
    int64_t sequence;
    uint8_t hash[LAT_AUDIT_HASH_SIZE];
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
    /* Makes a batch durable. On return of 0 it survives loss of power. An error leaves open whether it happened: `reopen` and
     * then the change log (or the head of the audit trail) tell. */
    int (*commit)(struct lat_journal *journal, const struct lat_journal_batch *batch,
                  struct lat_err *err);
    /* Starts again after an error: forgets the connection, makes a new one, and makes durable whatever the database now holds as
     * committed, so that nothing is built upon what a failed fsync may have lost. */
    int (*reopen)(struct lat_journal *journal, struct lat_err *err);
    /* Does a step of what no batch should wait for, whenever the last call left `is_untidy`: between two batches, when the one before
     * has been answered. After an error comes `reopen`. NULL: there is never anything. */
    int (*tidy)(struct lat_journal *journal, struct lat_err *err);
    /* Ends of the audit trail as they were written beside it: the last row that was forgotten, and the newest row. */
    int (*audit_ends)(struct lat_journal *journal, struct lat_audit_end *ret_cut,
                      struct lat_audit_end *ret_head, struct lat_err *err);
    /* Hands over the rows of the audit trail with sequences `from` to `to` (included), in order; texts are borrowed for the
     * call. */
    int (*audit_read)(struct lat_journal *journal, int64_t from, int64_t to,
                      void (*fn)(void *arg, const struct lat_audit *row), void *arg,
                      struct lat_err *err);
    void (*close)(struct lat_journal *journal);
};

struct lat_journal {
    const struct lat_journal_class *class;
    bool is_untidy; /* set by any call: there is something to tidy */
};

/* Opens (or makes) an SQLite database file: WAL, synchronous=FULL. `vfs` (copied) names a disk that was registered with SQLite, for
 * simulation; NULL is the system's. */
int lat_journal_open_sqlite(const char *path, const char *vfs, struct lat_journal **ret_journal,
                            struct lat_err *err) LAT_MUST_USE;

#endif
