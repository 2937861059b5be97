/* The audit trail: who did what. Rows are only ever added, in the transaction of the change that they are about; they
 * live in SQL alone, and each holds a hash over itself and the hash before it, so that nobody alters or takes out
 * one unseen. All of it belongs to the state loop; reading is done by the store's worker, in steps. */
#ifndef LAT_STORE_AUDIT_H
#define LAT_STORE_AUDIT_H

#include "store/store.h"

enum {
    LAT_AUDIT_KEPT =
        4000000, /* rows; older ones are forgotten, the hash of the last of them is kept */
    LAT_AUDIT_TEXT_MAX = 256,   /* bytes of each text of a row; the rest is cut */
    LAT_AUDIT_READ_MAX = 1000,  /* rows of one answer */
    LAT_AUDIT_READERS_MAX = 64, /* reads and verifications at a time; one more is LAT_E_BUSY */
    LAT_AUDIT_STEP = 1024,      /* rows looked at, or forgotten, between two commits */
};

/* Adds a row (copied) that becomes durable with the transaction, or not at all. Its sequence and hash are ignored; an `at`
 * of 0 is the time of the commit, a NULL text is "", a request_id of "" is the transaction's. A transaction may have rows of
 * the trail and no changes. */
void lat_txn_audit(struct lat_txn *txn, const struct lat_audit *entry);

/* What a reader asks for: NULL and 0 ask for nothing. Copied. */
struct lat_audit_filter {
    int64_t before; /* sequences below this one: of the last row of the page before */
    const char *project_id, *actor_id, *object_id, *action;
    int64_t from_at, to_at; /* wall ms; from included, to not */
    size_t max;             /* 1 to LAT_AUDIT_READ_MAX */
};

/* Comes on the loop, once. Rows are the newest first and borrowed for the call; fewer than `max` say that there are no
 * more. err is NULL or says why there is no answer. */
typedef void lat_audit_rows_fn(void *arg, const struct lat_audit *const *rows, size_t count,
                               const struct lat_err *err);

/* Reads durable rows. Returns 0, BUSY or UNAVAILABLE; fn never comes after an error. */
int lat_store_audit_read(struct lat_store *store, const struct lat_audit_filter *filter,
                         lat_audit_rows_fn *fn, void *arg, struct lat_err *err) LAT_MUST_USE;

struct lat_audit_verdict {
    int64_t first, last; /* rows that were there when it began; those that are kept */
    int64_t broken_at;   /* the first sequence that is not as it was written; 0: all are */
    const char *what;    /* what is wrong there, as the end of a sentence; "" when nothing is */
};

typedef void lat_audit_verdict_fn(void *arg, const struct lat_audit_verdict *verdict,
                                  const struct lat_err *err);

/* Walks the chain from the oldest row kept to the newest one. Returns and answers as lat_store_audit_read. */
int lat_store_audit_verify(struct lat_store *store, lat_audit_verdict_fn *fn, void *arg,
                           struct lat_err *err) LAT_MUST_USE;

/* Returns the sequence of the newest durable row. */
int64_t lat_store_audit_sequence(const struct lat_store *store);

/* Writes a row as members of the object that the writer is in: `sequence` first, `hash` (hex) last. */
void lat_audit_write(const struct lat_audit *row, struct lat_json_writer *writer);

#endif
