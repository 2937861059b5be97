/* Group commit: what is staged in one turn becomes durable in one go. Old notes of the change log and old rows of the
 * audit trail are forgotten along with it, a step at a time.
 *
 *     turn 1           turn 2, 3, ...            turn n
 *     stage a, b ─┐    stage c, d (gathering)    answer: a, b apply, watchers, callbacks
 *                 └─► worker: BEGIN a b COMMIT ──┘   └─► worker: BEGIN c d COMMIT ─ ...
 *
 * One batch is in the worker at a time; the next one gathers meanwhile, so that the slower the disk is the
 * more transactions share an fsync. It starts as soon as the one before it has been applied and told to watchers: the
 * callbacks of that one, and what watchers leave for the end of the turn, work while the disk does. The first transaction of
 * an idle store waits only for the end of its turn, and not even for that when many come in one turn (who watches batches may add
 * what follows from them): so disk and loop work at the same time even when all callers were answered at once and come again at once. The worker reads rows, which
 * never change, and which the batch's transactions hold for it; counting
 * references stays with the state loop. */
#include "internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>

/* ---- applying ---- */

static void batch_free(struct lat__batch *batch)
{
    for (struct lat_txn *txn = batch->first, *next; txn != NULL; txn = next) {
        next = txn->next;
        lat__txn_free(txn);
    }
    free(batch->changes);
    free(batch->audit);
    free(batch);
}

/* Takes a transaction's rows out of the staged layer, except those that were staged over since. */
static void unstage(struct lat_store *store, const struct lat_txn *txn)
{
    for (size_t i = 0; i < txn->write_count; i++) {
        const struct lat__write *write = &txn->writes[i];
        struct lat__entry *entry = lat__layer_entry(&store->staged, write->table, write->id);

        if (entry != NULL && entry->stamp == txn->stamp) {
            lat__layer_drop(&store->staged, entry);
        }
    }
}

/* Makes a transaction's writes visible; `changes` are the batch's changes from its first one on. */
static void apply(struct lat_store *store, const struct lat_txn *txn,
                  const struct lat_journal_change *changes)
{
    for (size_t i = 0; i < txn->write_count; i++) {
        struct lat__write *write = &txn->writes[i];
        struct lat__entry *entry = lat__layer_entry(&store->committed, write->table, write->id);

        store->index = changes[i].index;
        write->before = entry == NULL ? NULL : lat_row_ref(entry->row);
        if (write->after != NULL && entry != NULL) {
            lat__layer_set(&store->committed, entry, write->after, 0, write->project_id);
        } else if (write->after != NULL) {
            lat__layer_put(&store->committed, write->table, write->id, write->after, 0,
                           write->project_id);
        } else if (entry != NULL) {
            lat__layer_drop(&store->committed, entry);
        }
        lat__changes_add(&store->changes, &changes[i],
                         write->after != NULL ? LAT_CHANGE_PUT : LAT_CHANGE_REMOVE);
    }
    unstage(store, txn);
}

static void tell_watchers(struct lat_store *store, const struct lat__batch *batch, int64_t index)
{
    for (const struct lat_txn *txn = batch->first; txn != NULL; txn = txn->next) {
        for (size_t i = 0; i < txn->write_count; i++) {
            const struct lat__write *write = &txn->writes[i];
            struct lat_change change = {
                .index = ++index,
                .table = write->table,
                .kind = write->after != NULL ? LAT_CHANGE_PUT : LAT_CHANGE_REMOVE,
                .before = write->before,
                .after = write->after,
                .request_id = txn->request_id,
                .at = txn->at,
            };

            lat__changes_tell(store, &change);
        }
    }
}

static void tell_staged(const struct lat_store *store, const struct lat_txn *txn)
{
    for (size_t i = 0; i < txn->write_count; i++) {
        lat__changes_tell_staged(store, txn->writes[i].table, txn->writes[i].id);
    }
}

static void count_staged(struct lat_store *store, size_t count, size_t bytes)
{
    store->staged_count = count;
    store->staged_bytes = bytes;
    lat_metric_set(store->staged_gauge, (int64_t)count);
    lat_metric_set(store->staged_bytes_gauge, (int64_t)bytes);
}

static void unstage_batch(struct lat_store *store, const struct lat__batch *batch)
{
    LAT_ASSERT(store->staged_count >= batch->txn_count && store->staged_bytes >= batch->bytes);
    count_staged(store, store->staged_count - batch->txn_count, store->staged_bytes - batch->bytes);
}

static void start_work(struct lat_store *store);

void lat__commit_succeed(struct lat__batch *batch)
{
    struct lat_store *store = batch->store;
    int64_t index = store->index;
    size_t applied = 0;

    LAT_ASSERT(batch->change_count == 0 || batch->changes[0].index == index + 1);
    for (struct lat_txn *txn = batch->first; txn != NULL; txn = txn->next) {
        apply(store, txn, &batch->changes[applied]);
        applied += txn->write_count;
    }
    store->audit.head = batch->audit_head;
    if (batch->forget_changes != 0) {
        store->changes.journal_first = batch->forget_changes + 1;
    }
    if (batch->forget_audit != 0) {
        store->audit.cut = batch->forget_audit;
    }
    unstage_batch(store, batch);
    lat_metric_add(store->commits, (int64_t)batch->txn_count);
    lat_metric_add(store->batches, 1);
    tell_watchers(store, batch, index);
    lat__changes_sweep(store);
    start_work(store);
    for (struct lat_txn *txn = batch->first; txn != NULL; txn = txn->next) {
        if (txn->fn != NULL) {
            txn->fn(txn->arg, NULL);
        }
    }
    batch_free(batch);
}

void lat__commit_fail(struct lat__batch *batch, const struct lat_err *err)
{
    struct lat_store *store = batch->store;

    for (struct lat_txn *txn = batch->first; txn != NULL; txn = txn->next) {
        unstage(store, txn);
    }
    unstage_batch(store, batch);
    for (const struct lat_txn *txn = batch->first; txn != NULL; txn = txn->next) {
        tell_staged(store, txn);
    }
    for (struct lat_txn *txn = batch->first; txn != NULL; txn = txn->next) {
        if (txn->fn != NULL) {
            txn->fn(txn->arg, err);
        }
    }
    batch_free(batch);
}

/* ---- the worker ---- */

static void batch_work(void *arg)
{
    struct lat__batch *batch = arg;
    struct lat_journal *journal = batch->store->journal;
    const struct lat_journal_batch written = {
        .changes = batch->changes,
        .change_count = batch->change_count,
        .audit = (const struct lat_audit *const *)batch->audit,
        .audit_count = batch->audit_count,
        .forget_changes = batch->forget_changes,
        .forget_audit = batch->forget_audit,
    };

    if (batch->change_count + batch->audit_count > 0) { /* else it has nothing but expectations */
        lat__audit_chain(batch->audit, batch->audit_count, &batch->audit_head);
        batch->code = journal->class->commit(journal, &written, &batch->err);
    }
}

static void batch_done(void *arg)
{
    struct lat__batch *batch = arg;
    struct lat_store *store = batch->store;

    store->is_working = false;
    lat_metric_observe_ns(store->batch_time,
                          lat_clock_boot_ns(lat_loop_clock(store->loop)) - batch->begun_ns);
    if (batch->code == 0) {
        lat__commit_succeed(batch);
    } else {
        lat__recover(store, batch, &batch->err);
    }
    lat__commit_arm(store);
}

/* Numbers the changes of a batch. Only now are their indexes known: the batch before it is committed. */
static void list_changes(struct lat__batch *batch)
{
    size_t count = 0;
    size_t audit_count = 0;
    int64_t index = batch->store->index;

    for (const struct lat_txn *txn = batch->first; txn != NULL; txn = txn->next) {
        count += txn->write_count;
        audit_count += txn->audit_count;
    }
    batch->changes = lat_alloc_array(count, sizeof(*batch->changes));
    batch->audit = lat_alloc_array(audit_count, sizeof(*batch->audit));
    for (const struct lat_txn *txn = batch->first; txn != NULL; txn = txn->next) {
        for (size_t i = 0; i < txn->write_count; i++) {
            const struct lat__write *write = &txn->writes[i];

            batch->changes[batch->change_count++] = (struct lat_journal_change){
                .index = ++index,
                .table = write->table,
                .row = write->after,
                .id = write->id,
                .project_id = write->project_id,
                .request_id = txn->request_id,
                .at = txn->at,
            };
        }
        for (size_t i = 0; i < txn->audit_count; i++) {
            batch->audit[batch->audit_count++] = txn->audit[i];
        }
    }
    batch->audit_head = batch->store->audit.head;
}

/* Returns up to where a log that is kept from behind `cut` may be forgotten now: nothing, until it is worth a step, then a
 * step more than the batch adds, so that a log never grows without bounds however many writes there are. */
static int64_t forgettable(int64_t cut, int64_t keep_from, int64_t step, size_t added)
{
    int64_t due = keep_from - 1 - cut;
    int64_t most = step + (int64_t)added;

    if (due < step) {
        return 0;
    }
    return cut + (due < most ? due : most);
}

static void plan_trimming(struct lat__batch *batch)
{
    const struct lat_store *store = batch->store;
    const struct lat__changes *changes = &store->changes;

    if (batch->change_count + batch->audit_count == 0) {
        return; /* it never reaches the journal */
    }
    if (changes->count > 0) {
        batch->forget_changes =
            forgettable(changes->journal_first - 1, lat__changes_oldest(changes),
                        LAT_STORE_TRIM_STEP, batch->change_count);
    }
    batch->forget_audit =
        forgettable(store->audit.cut, store->audit.head.sequence - store->audit.kept + 1,
                    LAT_AUDIT_STEP, batch->audit_count);
}

static void start_batch(struct lat_store *store)
{
    struct lat__batch *batch;

    store->is_working = true; /* what is staged by those who are told starts no other one */
    lat__changes_tell_batch(store);
    batch = store->gathering;
    store->gathering = NULL;
    store->audit.is_turn = true;
    list_changes(batch);
    plan_trimming(batch);
    batch->begun_ns = lat_clock_boot_ns(lat_loop_clock(store->loop));
    lat_work(store->loop, batch_work, batch_done, batch);
}

/* ---- tidying ---- */

static void tidy_work(void *arg)
{
    struct lat_store *store = arg;

    store->tidy_code = store->journal->class->tidy(store->journal, &store->tidy_err);
}

static void tidy_done(void *arg)
{
    struct lat_store *store = arg;

    store->is_working = false;
    if (store->tidy_code != 0) {
        lat__recover(store, NULL, &store->tidy_err);
    }
    lat__commit_arm(store);
}

/* Tells whether it is the journal's turn to tidy: a step of that comes behind each batch, and while nobody waits. */
static bool should_tidy(const struct lat_store *store)
{
    bool is_wanted = store->gathering != NULL || store->audit.line != NULL;

    return store->journal->is_untidy && !store->is_closing && !(store->has_tidied && is_wanted);
}

/* Gives the worker its next task, if it is idle: the audit trail's readers and the batches take turns. */
static void start_work(struct lat_store *store)
{
    if (store->is_working || store->health != LAT__OPEN) {
        return;
    }
    bool tidies = should_tidy(store);

    store->has_tidied = tidies;
    if (tidies) {
        store->is_working = true;
        lat_work(store->loop, tidy_work, tidy_done, store);
    } else if (store->audit.line != NULL && (store->audit.is_turn || store->gathering == NULL)) {
        store->audit.is_turn = false;
        lat__audit_step(store);
    } else if (store->gathering != NULL) {
        start_batch(store);
    }
}

/* ---- arming ---- */

static void on_turn_end(void *arg)
{
    struct lat_store *store = arg;

    store->is_armed = false;
    start_work(store);
    store->is_idle = !store->is_working && store->gathering == NULL;
}

void lat__commit_arm(struct lat_store *store)
{
    if (!store->is_armed) {
        store->is_armed = true;
        lat_loop_defer(store->loop, on_turn_end, store);
    }
}

void lat__commit_stage(struct lat_txn *txn)
{
    struct lat_store *store = txn->store;
    struct lat__batch *batch = store->gathering;

    if (batch == NULL) {
        batch = store->gathering = LAT_NEW(struct lat__batch);
        batch->store = store;
        batch->last = &batch->first;
    }
    *batch->last = txn;
    batch->last = &txn->next;
    batch->txn_count++;
    batch->bytes += txn->bytes;
    count_staged(store, store->staged_count + 1, store->staged_bytes + txn->bytes);
    txn->stamp = ++store->stamp;
    for (size_t i = 0; i < txn->write_count; i++) {
        const struct lat__write *write = &txn->writes[i];

        lat__layer_put(&store->staged, write->table, write->id, write->after, txn->stamp,
                       write->project_id);
    }
    tell_staged(store, txn);
    if (batch->txn_count >= LAT_STORE_BATCH_EARLY) {
        start_work(store);
    }
    lat__commit_arm(store);
}
