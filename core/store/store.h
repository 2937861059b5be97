/* The store: all current state in memory in typed tables, journalled before anything is acknowledged.
 *
 *   stage A ─ lat_txn_* ─► overlay (staged) ─ group commit at the end of the turn ─► journal (worker: SQL, fsync)
 *                             │ validation sees committed + staged                        │ durable
 *   readers, watchers ◄─ committed rows ◄─────────────────────────────────────────────────┘ then callbacks
 *
 * - Everything here belongs to the state loop. Only the journal's worker touches SQL.
 * - Readers and watchers see committed rows alone; lat_txn_get sees what is staged before it too. Who has to get something
 *   ready may ask to hear of rows as they are staged (lat_store_watch_staged).
 * - A row that was returned is borrowed until the loop's next turn; hold it with lat_row_ref.
 * - A batch that fails fails everything in it and everything staged upon it; then the store is closed for writes
 *   (LAT_E_UNAVAILABLE) until it has started again from the journal, which it tries by itself. */
#ifndef LAT_STORE_STORE_H
#define LAT_STORE_STORE_H

#include "base/id.h"
#include "base/log.h"
#include "base/metrics.h"
#include "io/loop.h"
#include "model/tables.h"

struct lat_store;
struct lat_journal; /* a database behind the store: see store/journal.h */

enum {
    /* What may wait for the disk: transactions, and bytes of what they hold. One more is LAT_E_BUSY; a transaction that
     * alone is larger than that waits for all others to be done. */
    LAT_STORE_STAGED_MAX = 8192,
    LAT_STORE_STAGED_BYTES_MAX = 64 << 20,
    LAT_STORE_CHANGES_KEPT = 65536, /* changes that an event stream can resume from */
};

/* Opens a store over a journal (taken, also on failure), loads everything. `random` makes the ids, `metrics` may be NULL; both are
 * borrowed. Blocks: for start-up. */
int lat_store_open(struct lat_loop *loop, struct lat_journal *journal, struct lat_random *random,
                   struct lat_metrics *metrics, struct lat_store **ret_store,
                   struct lat_err *err) LAT_MUST_USE;

/* Runs the loop until what is staged is durable (or the disk failed), then closes the journal. Not from within the loop.
 * Watchers that are left end with the store. Takes NULL, returns NULL. */
struct lat_store *lat_store_close(struct lat_store *store);

/* ---- reading: committed rows ---- */

/* Borrowed row, or NULL. */
const struct lat_row *lat_store_get(const struct lat_store *store, int table, const char *id);

/* Walks a table in order of id (birth). Start with *cursor = NULL; NULL at the end. Do not commit meanwhile. */
const struct lat_row *lat_store_next(const struct lat_store *store, int table, void **cursor);

/* Returns the first row of a table whose id is behind `id` ("": the first of all), NULL where there is none: for a walk over several
 * turns, whatever comes and goes between them. Costs one search. */
const struct lat_row *lat_store_after(const struct lat_store *store, int table, const char *id);

/* Returns the last row of a table whose id is before `id` ("": the last of all), NULL where there is none: for what looks at the newest
 * rows, and no further. Costs one search, however many there are. */
const struct lat_row *lat_store_before(const struct lat_store *store, int table, const char *id);
size_t lat_store_count(const struct lat_store *store, int table);

/* Rows by a secondary index (LAT_INDEXES below); a key such as "PROJECT_ID/NAME" for LAT_INDEX_WORKLOAD_NAME. find returns
 * the first; each walks all with that key in order of id. */
const struct lat_row *lat_store_find(const struct lat_store *store, int index, const char *key);
const struct lat_row *lat_store_each(const struct lat_store *store, int index, const char *key,
                                     void **cursor);

/* Typed shorthands: lat_store_workload(store, id) -> const struct lat_workload *; lat_next_workload(store, &cursor); and so on. */
#define X(NAME, name, doc)                                                                         \
    static inline const struct lat_##name *lat_store_##name(const struct lat_store *store,         \
                                                            const char *id)                        \
    {                                                                                              \
        return (const struct lat_##name *)lat_store_get(store, LAT_TABLE_##NAME, id);              \
    }                                                                                              \
    static inline const struct lat_##name *lat_store_next_##name(const struct lat_store *store,    \
                                                                 void **cursor)                    \
    {                                                                                              \
        return (const struct lat_##name *)lat_store_next(store, LAT_TABLE_##NAME, cursor);         \
    }
LAT_TABLES(X)
#undef X

/* X(NAME, table, unique, columns of the key): texts joined by '/', numbers in decimal. Rows whose last column is empty or 0
 * are not in the index. */
#define LAT_INDEXES(X)                                                                             \
    X(PROJECT_NAME, PROJECT, true, "name")                                                         \
    X(USER_NAME, USER, true, "name")                                                               \
    X(NODE_NAME, NODE, true, "name")                                                               \
    X(NODE_KEY, NODE, true, "key_digest")                                                          \
    X(NODE_NUMBER, NODE, true, "number")                                                           \
    X(WORKLOAD_NAME, WORKLOAD, true, "project_id/name")                                            \
    X(WORKLOAD_PROJECT, WORKLOAD, false, "project_id")                                             \
    X(ALLOCATION_WORKLOAD, ALLOCATION, false, "workload_id")                                       \
    X(ALLOCATION_NODE, ALLOCATION, false, "node_id")                                               \
    X(ENDPOINT_WORKLOAD, ENDPOINT, false, "workload_id")                                           \
    X(ENDPOINT_PORT, ENDPOINT, true, "port")                                                       \
    X(API_TOKEN_DIGEST, API_TOKEN, true, "digest")                                                 \
    X(API_TOKEN_USER, API_TOKEN, false, "user_id")                                                 \
    X(JOIN_TOKEN_DIGEST, JOIN_TOKEN, true, "digest")                                               \
    X(EVALUATION_WORKLOAD, EVALUATION, false, "workload_id")                                       \
    X(POLICY_NAME, POLICY, true, "name")                                                           \
    X(POLICY_VERSION_POLICY, POLICY_VERSION, false, "policy")                                      \
    X(POLICY_VERSION_REVISION, POLICY_VERSION, true, "policy/revision")                            \
    X(VAULT_NAME, VAULT, true, "name")

enum lat_index_id {
#define X(NAME, table, unique, columns) LAT_INDEX_##NAME,
    LAT_INDEXES(X)
#undef X
        LAT_INDEX_COUNT
};

/* ---- writing ---- */

struct lat_txn;

/* Comes on the state loop once the transaction is durable (err NULL) or has failed (err set; nothing of it happened). One
 * error is in doubt: LAT_E_TIMEOUT, when the disk neither took nor refused a COMMIT. Then the journal decides when it can be
 * read again, and watchers see it if it did happen. */
typedef void lat_commit_fn(void *arg, const struct lat_err *err);

/* Starts a transaction. `request_id` (copied, may be "") goes into the change log. Finish it in the same turn with commit or cancel. */
struct lat_txn *lat_txn_begin(struct lat_store *store, const char *request_id);

/* Latest state of a row: of this transaction, else staged before it, else committed. Borrowed; NULL when none or removed. */
const struct lat_row *lat_txn_get(struct lat_txn *txn, int table, const char *id);
const struct lat_row *lat_txn_find(struct lat_txn *txn, int index, const char *key);
const struct lat_row *lat_txn_each(struct lat_txn *txn, int index, const char *key, void **cursor);

/* Puts a row (taken). An empty id makes a new one. The row's version must be the one that is there (0 for a new one): otherwise the
 * transaction will fail with LAT_E_CONFLICT. A unique index that is taken makes it fail with LAT_E_NAME_TAKEN. Returns the row, borrowed. */
const struct lat_row *lat_txn_put(struct lat_txn *txn, struct lat_row *row);

/* Removes a row; one that is not there is no error. */
void lat_txn_remove(struct lat_txn *txn, int table, const char *id);

/* Names a row version that the transaction's reasoning read: it fails with CONFLICT when that is no longer the latest. */
void lat_txn_expect(struct lat_txn *txn, const struct lat_row *row);

/* Stages the transaction and frees it. Returns 0, after which fn (may be NULL) comes exactly once; or the error found in staging
 * (CONFLICT, NAME_TAKEN, BUSY, UNAVAILABLE), after which fn never comes. */
int lat_txn_commit(struct lat_txn *txn, lat_commit_fn *fn, void *arg,
                   struct lat_err *err) LAT_MUST_USE;
void lat_txn_cancel(struct lat_txn *txn);

/* ---- watching ---- */

enum lat_change_kind { LAT_CHANGE_PUT, LAT_CHANGE_REMOVE };

/* One change of one row, durable. before is NULL for a new row, after is NULL for a removed one. */
struct lat_change {
    int64_t index; /* counts all changes of the store, without gaps */
    int table;
    enum lat_change_kind kind;
    const struct lat_row *before;
    const struct lat_row *after;
    const char *request_id;
    int64_t at; /* wall ms */
};

/* Called on the state loop for each change, in order of index, after the whole batch is visible to readers and
 * before the commit callbacks of the batch. A watcher may stage transactions, and end itself or others. */
typedef void lat_watch_fn(void *arg, const struct lat_change *change);

struct lat_watcher;
/* tables: bit set of 1 << LAT_TABLE_*. */
struct lat_watcher *lat_store_watch(struct lat_store *store, uint32_t tables, lat_watch_fn *fn,
                                    void *arg);

/* Called on the state loop, inside of lat_txn_commit, for each row that is staged: put or removed, nothing of it durable, and it
 * may never be; and again when it was taken back because its batch failed. For what can be got ready while the disk works and thrown
 * away: what is written upon it has to be staged on top of it (lat_txn_get sees it), and then fails when it fails. It takes note, and
 * neither stages nor ends watchers. */
typedef void lat_staged_fn(void *arg, const char *id);

/* As lat_store_watch, for rows that are staged. */
struct lat_watcher *lat_store_watch_staged(struct lat_store *store, uint32_t tables,
                                           lat_staged_fn *fn, void *arg);

/* Calls fn(arg) on the state loop when a batch is about to go to the disk: what is staged from within goes along. It ends no
 * watchers. For what follows at once from what was staged: both cost one wait for the disk. */
struct lat_watcher *lat_store_watch_batches(struct lat_store *store, lat_call_fn *fn, void *arg);

/* Ends any kind. */
struct lat_watcher *lat_store_unwatch(struct lat_watcher *watcher);

/* Index of the newest committed change. */
int64_t lat_store_index(const struct lat_store *store);

/* The change log for event streams: what changed after `index`, as (index, table, kind, id, request_id, at), durable across restarts; at most `max` rows.
 * LAT_E_GONE when `index` is older than what is kept. Rows' contents are the present ones (see lat_store_get). */
struct lat_change_note {
    int64_t index;
    int table;
    enum lat_change_kind kind;
    char id[LAT_ID_SIZE];
    char project_id[LAT_ID_SIZE]; /* project that the row belongs to; "" when to none */
    char request_id[64];
    int64_t at;
};
int lat_store_changes_after(const struct lat_store *store, int64_t index,
                            struct lat_change_note *ret_notes, size_t max, size_t *ret_count,
                            struct lat_err *err) LAT_MUST_USE;

/* Makes an id (for rows whose id must be known before they are put). */
void lat_store_make_id(struct lat_store *store, char ret_id[LAT_ID_SIZE]);

/* Tells whether writes are taken now; err says why not. */
bool lat_store_is_writable(const struct lat_store *store, struct lat_err *err);

#endif
