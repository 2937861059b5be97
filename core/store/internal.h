/* The store's inside, for the files of this folder. Rows are seen through layers: layer_internal.h. */
#ifndef LAT_STORE_INTERNAL_H
#define LAT_STORE_INTERNAL_H

#include "store/audit.h"
#include "store/journal.h"
#include "store/layer_internal.h"
#include "store/store.h"

enum {
    LAT_STORE_RETRY_FIRST_MS = 1000, /* until the journal is tried again; doubles */
    LAT_STORE_RETRY_MAX_MS = 10000,
    LAT_STORE_CLOSE_MS = 60000,  /* one round of waiting for the disk while closing */
    LAT_STORE_BATCH_EARLY = 128, /* transactions that start a batch before the end of the turn */
    LAT_STORE_TRIM_STEP = 1024,  /* notes that a batch forgets beyond those it adds */
    LAT_REQUEST_ID_SIZE = 64,
};

/* ---- transactions (txn.c) ---- */

struct lat__write {
    int table;
    char id[LAT_ID_SIZE];
    char project_id[LAT_ID_SIZE];
    int64_t base_version;          /* of the row beneath the transaction; 0: none */
    const struct lat_row *beneath; /* that row, borrowed; only while it is being checked */
    const struct lat_row *before;  /* reference; set when it is applied */
    const struct lat_row *after;   /* reference; NULL: removed */
};

struct lat__expectation {
    int table;
    char id[LAT_ID_SIZE];
    int64_t version;
};

struct lat_txn {
    struct lat_store *store;
    char request_id[LAT_REQUEST_ID_SIZE];
    int64_t at;
    uint64_t stamp;            /* counts staged transactions */
    struct lat__layer layer;   /* stamp of an entry: its place in `writes` */
    struct lat__write *writes; /* one for each id, in order of first touch */
    size_t write_count, write_cap;
    struct lat__expectation *expectations;
    size_t expectation_count, expectation_cap;
    const struct lat_row **replaced; /* rows put twice: callers may still look at the first */
    size_t replaced_count, replaced_cap;
    struct lat_audit **audit; /* rows of the audit trail, owned */
    size_t audit_count, audit_cap;
    size_t bytes;          /* what it holds, while it is staged */
    struct lat_err *error; /* owned: first mistake found while it was put together; NULL: none */
    lat_commit_fn *fn;
    void *arg;
    struct lat_txn *next; /* in a batch */
};

void lat__txn_free(struct lat_txn *txn);

/* ---- batches (commit.c) and starting again (recover.c) ---- */

/* Transactions that become durable together. */
struct lat__batch {
    struct lat_store *store;
    struct lat_txn *first, **last;
    size_t txn_count;
    size_t bytes;
    struct lat_journal_change *changes; /* of all of them, in order */
    size_t change_count;
    struct lat_audit **audit; /* of all of them, in order; borrowed from them */
    size_t audit_count;
    struct lat_audit_end audit_head; /* before the batch; the worker makes it the one behind it */
    int64_t forget_changes, forget_audit;
    int64_t begun_ns;
    struct lat_err err; /* the worker's answer */
    int code;
};

/* What the worker found when it started again from the journal. */
struct lat__recovery {
    struct lat_store *store;
    int64_t known_index; /* newest change that memory has; the batch begins behind it */
    bool is_read;        /* the journal answered; the fields below hold */
    bool is_writable;    /* and took a write */
    int64_t newest_index;
    int64_t known_sequence; /* newest row of the audit trail that memory knows of */
    struct lat_audit_end audit_cut, audit_head;
    struct lat_change_note *notes; /* behind known_index, oldest first */
    size_t note_count, note_cap;
    struct lat__layer rows; /* of the tables that the notes name */
    struct lat_err err;
};

enum lat__health {
    LAT__OPEN,
    LAT__RECOVERING, /* a worker starts again from the journal */
    LAT__WAITING,    /* until the journal is tried again */
};

/* Stages a checked transaction (taken) and sees to it that a batch is coming. */
void lat__commit_stage(struct lat_txn *txn);

/* Makes a batch that is durable visible, tells watchers and callers, frees it. */
void lat__commit_succeed(struct lat__batch *batch);

/* Tells the callers of a batch, and frees it. */
void lat__commit_fail(struct lat__batch *batch, const struct lat_err *err);

/* Starts the next batch, or the next step of a reader, at the end of this turn. */
void lat__commit_arm(struct lat_store *store);

/* Closes the store for writes after a failed batch (taken; NULL: something else failed) and begins to start again. */
void lat__recover(struct lat_store *store, struct lat__batch *batch, const struct lat_err *why);

/* The retry timer's call: starts again from the journal. */
void lat__recover_retry(void *arg);

/* ---- the audit trail (audit.c) ---- */

struct lat__audit_reader;

struct lat__audit {
    int64_t cut;                    /* sequence of the last row that was forgotten */
    struct lat_audit_end head;      /* newest durable row */
    int64_t kept;                   /* LAT_AUDIT_KEPT; less in tests */
    struct lat__audit_reader *line; /* those that wait for a step */
    int reader_count;               /* the one in the worker included */
    bool is_turn;                   /* of a reader: the last to use the worker was a batch */
};

/* Returns an owned copy of a row in one piece of memory, with its texts cut to their limit; its size goes to ret_size. */
struct lat_audit *lat__audit_copy(const struct lat_audit *entry, size_t *ret_size);

/* Numbers rows and makes their hashes behind `head`, which becomes the last of them. Any thread. */
void lat__audit_chain(struct lat_audit **rows, size_t count, struct lat_audit_end *head);

/* Gives the worker to the first in the line, of which there must be one. */
void lat__audit_step(struct lat_store *store);

/* Answers all that wait with an error. */
void lat__audit_refuse(struct lat_store *store, const struct lat_err *why);

/* ---- changes (changes.c) ---- */

/* A change as the ring holds it: ids as their 16 bytes, whatever else as owned text. */
enum lat__note_text { LAT__NOTE_EMPTY, LAT__NOTE_ID, LAT__NOTE_TEXT };
enum { LAT__NOTE_ROW, LAT__NOTE_PROJECT, LAT__NOTE_REQUEST, LAT__NOTE_TEXTS };

struct lat__note {
    int64_t at;
    uint8_t table;
    uint8_t kind;
    uint8_t how[LAT__NOTE_TEXTS]; /* enum lat__note_text */
    uint8_t texts[LAT__NOTE_TEXTS][LAT_ID_BYTES];
};

struct lat__changes {
    struct lat__note *ring;
    size_t cap; /* grows up to LAT_STORE_CHANGES_KEPT */
    size_t count;
    size_t first;          /* place of the oldest */
    int64_t newest;        /* index of the newest; those before it have no gaps */
    int64_t journal_first; /* oldest index that the journal still keeps */
};

/* Adds a change behind the newest. */
void lat__changes_add(struct lat__changes *changes, const struct lat_journal_change *change,
                      enum lat_change_kind kind);
void lat__changes_done(struct lat__changes *changes);

/* Index of the oldest change that is kept; behind the newest when there is none. */
int64_t lat__changes_oldest(const struct lat__changes *changes);

/* Calls the watchers of the change's table. */
void lat__changes_tell(struct lat_store *store, const struct lat_change *change);

/* Calls those who want to know of rows of the table that are staged. */
void lat__changes_tell_staged(const struct lat_store *store, int table, const char *id);

/* Calls those who may add to the batch that is about to go to the disk. */
void lat__changes_tell_batch(const struct lat_store *store);

/* Gives the memory of removed watchers back; not while any is being called. */
void lat__changes_sweep(struct lat_store *store);

/* ---- the store ---- */

struct lat_store {
    struct lat_loop *loop;       /* borrowed */
    struct lat_journal *journal; /* owned; touched by one worker at a time */
    struct lat_id_maker id_maker;
    struct lat__layer committed;
    struct lat__layer staged; /* stamp of an entry: of the transaction that put it */
    int64_t index;            /* newest committed change */
    struct lat__changes changes;
    struct lat__audit audit;
    struct lat_watcher *watchers; /* in order of birth */
    bool is_telling;              /* watchers are being called: ended ones wait for the sweep */

    uint64_t stamp;               /* of the newest staged transaction */
    struct lat__batch *gathering; /* staged, for the next batch; NULL when none */
    size_t staged_count;          /* transactions, those in the worker included */
    size_t staged_bytes;          /* what they hold */
    bool is_armed;                /* the end of this turn will look for work */
    bool is_working;              /* a worker has the journal, or is about to get it */
    bool has_tidied;              /* the last to use the worker tidied: others come first */
    struct lat_err tidy_err;      /* the worker's answer to that */
    int tidy_code;

    enum lat__health health;
    struct lat_err why;          /* the error that closed it */
    struct lat__batch *doubtful; /* failed batch whose outcome is not known yet */
    struct lat_timer retry;
    int64_t retry_ms;
    bool is_closing;
    bool is_idle; /* for lat_store_close: nothing staged, no worker */

    struct lat_metric *commits, *conflicts, *batches, *batch_time, *failures, *staged_gauge,
        *staged_bytes_gauge, *open_gauge;
};

/* Returns 0, or UNAVAILABLE while the journal is not in use: failed, or closing. */
int lat__store_check_open(const struct lat_store *store, struct lat_err *err) LAT_MUST_USE;

#endif
