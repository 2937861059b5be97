/* The store's inside, for the files of this folder.
 *
 * Rows are seen through layers. What a transaction sees is the topmost entry of an id:
 *
 *     transaction   its own puts and removals, private until it is committed
 *     staged        committed by its caller, not yet durable
 *     committed     durable; what readers and watchers see
 *
 * All layers are one kind of thing (struct lat__layer): entries by id, and the secondary indexes over them. */
#ifndef LAT_STORE_INTERNAL_H
#define LAT_STORE_INTERNAL_H

#include "store/journal.h"
#include "store/store.h"

#include "base/map.h"
#include "base/random.h"

enum {
    LAT_STORE_RETRY_FIRST_MS = 1000, /* until the journal is tried again; doubles */
    LAT_STORE_RETRY_MAX_MS = 10000,
    LAT_STORE_CLOSE_MS = 60000, /* one round of waiting for the disk while closing */
    LAT_STORE_TRIM_STEP = 1024, /* notes of the change log forgotten at once */
    LAT_REQUEST_ID_SIZE = 64,
};

/* ---- ordered sets (set.c) ---- */

/* Entries in order of (key, id); of a layer, which keeps them. Each holds a row. */
struct lat__set;
struct lat__entry;
struct lat__set_node;

struct lat__set *lat__set_new(void);
struct lat__set *lat__set_free(struct lat__set *set);

/* Adds an entry under a key (copied), under which it is not yet. */
void lat__set_put(struct lat__set *set, const char *key, const struct lat__entry *entry);
void lat__set_remove(struct lat__set *set, const char *key, const char *id);

/* Returns the first node at or behind (key, id); NULL at the end. The set may be NULL. */
struct lat__set_node *lat__set_seek(const struct lat__set *set, const char *key, const char *id);
struct lat__set_node *lat__set_first(const struct lat__set *set);
struct lat__set_node *lat__set_after(const struct lat__set_node *node);
const struct lat_row *lat__set_row(const struct lat__set_node *node);
const char *lat__set_key(const struct lat__set_node *node);

/* ---- layers (layer.c) ---- */

struct lat__entry {
    const struct lat_row *row; /* holds a reference; NULL: removed in this layer */
    uint64_t stamp;            /* meaning is up to the layer's owner */
    char id[LAT_ID_SIZE];
    char project_id[LAT_ID_SIZE]; /* "" for none, or not known yet */
};

struct lat__layer {
    bool is_ordered;                          /* also keeps each table in order of id */
    struct lat_map *entries[LAT_TABLE_COUNT]; /* id -> struct lat__entry; NULL while empty */
    struct lat__set *order[LAT_TABLE_COUNT];
    struct lat__set *indexes[LAT_INDEX_COUNT];
};

void lat__layer_done(struct lat__layer *layer);
struct lat__entry *lat__layer_entry(const struct lat__layer *layer, int table, const char *id);

/* Puts a row (a reference is taken), or with NULL the mark that it is removed. Returns the entry. */
struct lat__entry *lat__layer_put(struct lat__layer *layer, int table, const char *id,
                                  const struct lat_row *row, uint64_t stamp,
                                  const char *project_id);

/* Forgets what the layer says of an id. */
void lat__layer_drop(struct lat__layer *layer, int table, const char *id);

/* Description of an index; `columns` as in LAT_INDEXES. */
struct lat__index {
    int table;
    bool is_unique;
    const char *columns;
};
const struct lat__index *lat__index(int index);

/* Returns the column that gives an index its meaning: the last one. */
const struct lat_field *lat__index_column(int index);

/* Adds the key of a row to `key` (emptied first); returns it, or NULL when the row is not in the index. */
const char *lat__index_key(int index, const struct lat_row *row, struct lat_buf *key);

/* Tells whether both rows have the same key in that index, or both none. */
bool lat__index_same(int index, const struct lat_row *a, const struct lat_row *b);

/* Returns the first row with that key whose id is behind `after` ("" for the first) as seen through the layers, topmost
 * first. */
const struct lat_row *lat__layers_find(const struct lat__layer *const *layers, size_t count,
                                       int index, const char *key, const char *after);

/* Returns the topmost entry of an id, NULL when no layer knows it. */
struct lat__entry *lat__layers_entry(const struct lat__layer *const *layers, size_t count,
                                     int table, const char *id);

/* ---- transactions (txn.c) ---- */

struct lat__write {
    int table;
    char id[LAT_ID_SIZE];
    char project_id[LAT_ID_SIZE];
    int64_t base_version;         /* of the row beneath the transaction; 0: none */
    const struct lat_row *before; /* reference; set when it is applied */
    const struct lat_row *after;  /* reference; NULL: removed */
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
    struct lat_err error; /* first mistake found while it was put together */
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
    struct lat_journal_change *changes; /* of all of them, in order */
    size_t change_count;
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

/* Starts the next batch, or the next step of trimming, at the end of this turn. */
void lat__commit_arm(struct lat_store *store);

/* Closes the store for writes after a failed batch (taken; NULL: something else failed) and begins to start again. */
void lat__recover(struct lat_store *store, struct lat__batch *batch, const struct lat_err *why);

/* The retry timer's call: starts again from the journal. */
void lat__recover_retry(void *arg);

/* ---- changes (changes.c) ---- */

struct lat__changes {
    struct lat_change_note *ring;
    size_t cap; /* grows up to LAT_STORE_CHANGES_KEPT */
    size_t count;
    size_t first;          /* place of the oldest */
    int64_t journal_first; /* oldest index that the journal still keeps */
};

void lat__changes_add(struct lat__changes *changes, const struct lat_change_note *note);

/* Calls the watchers of the change's table. */
void lat__changes_tell(struct lat_store *store, const struct lat_change *change);

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
    struct lat_watcher *watchers; /* in order of birth */
    bool is_telling;              /* watchers are being called: ended ones wait for the sweep */

    uint64_t stamp;               /* of the newest staged transaction */
    struct lat__batch *gathering; /* staged, for the next batch; NULL when none */
    size_t staged_count;          /* transactions, those in the worker included */
    bool is_armed;                /* the end of this turn will look for work */
    bool is_working;              /* a worker has the journal */

    enum lat__health health;
    struct lat_err why;          /* the error that closed it */
    struct lat__batch *doubtful; /* failed batch whose outcome is not known yet */
    struct lat_timer retry;
    int64_t retry_ms;
    bool is_closing;
    bool is_idle; /* for lat_store_close: nothing staged, no worker */

    struct lat_metric *commits, *conflicts, *batches, *batch_time, *failures, *staged_gauge,
        *open_gauge;
};

/* Project that a row belongs to, seen through the layers; "" for none. `row` may be NULL: a removed one. */
void lat__project_of(const struct lat__layer *const *layers, size_t count, int table,
                     const char *id, const struct lat_row *row, char ret_project_id[LAT_ID_SIZE]);

#endif
