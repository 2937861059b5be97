/* Starting again from the journal after it failed.
 *
 * An error of a commit says little: the disk may be full, the answer alone may be lost, or an fsync failed,
 * after which the kernel has forgotten what it could not write. So the store stops taking writes, opens the
 * database anew (which makes durable whatever it holds as committed), and lets the change log say how far it
 * came:
 *
 *     failed batch ─► close for writes ─► reopen, read the log ─┬─ batch is in it: it happened after all
 *                     fail what was                             ├─ it is not: it failed
 *                     staged behind it                          └─ no answer: in doubt; try again later
 *
 * Writes are taken again once the database has proved that it takes one. Readers see the committed rows all
 * the time. What was in doubt and did happen is read back, and watchers see it as changes. */
#include "internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* ---- the worker ---- */

static void take_note(void *arg, const struct lat_journal_change *change, bool removed)
{
    struct lat__recovery *recovery = arg;

    recovery->newest_index = change->index;
    if (change->index <= recovery->known_index) {
        return;
    }
    if (recovery->note_count == recovery->note_cap) {
        recovery->note_cap = recovery->note_cap == 0 ? 16 : recovery->note_cap * 2;
        recovery->notes = lat_grow(recovery->notes, recovery->note_cap, sizeof(*recovery->notes));
    }
    struct lat_change_note *note = &recovery->notes[recovery->note_count++];

    *note = (struct lat_change_note){
        .index = change->index,
        .table = change->table,
        .kind = removed ? LAT_CHANGE_REMOVE : LAT_CHANGE_PUT,
        .at = change->at,
    };
    lat_text_bound(note->id, sizeof(note->id), change->id);
    lat_text_bound(note->project_id, sizeof(note->project_id), change->project_id);
    lat_text_bound(note->request_id, sizeof(note->request_id), change->request_id);
}

static void take_row(void *arg, struct lat_row *row)
{
    struct lat__recovery *recovery = arg;

    lat__layer_put(&recovery->rows, row->table, row->id, row, 0, "");
    lat_row_unref(row);
}

static int read_back(struct lat__recovery *recovery, struct lat_journal *journal,
                     struct lat_err *err)
{
    bool is_loaded[LAT_TABLE_COUNT] = {false};
    int rc = journal->class->reopen(journal, err);

    rc = rc != 0 ? rc
                 : journal->class->load_changes(journal, LAT_STORE_CHANGES_KEPT, take_note,
                                                recovery, err);
    rc = rc != 0 ? rc
                 : journal->class->audit_ends(journal, &recovery->audit_cut, &recovery->audit_head,
                                              err);
    if (rc == 0 && (recovery->newest_index < recovery->known_index ||
                    recovery->audit_head.sequence < recovery->known_sequence)) {
        rc = lat_err_set(err, LAT_E_IO, "The database has lost changes that were durable once.");
        lat_err_hint(
            err,
            "Nothing is written until it is whole again; restore it, then start the console anew.");
    }
    for (size_t i = 0; rc == 0 && i < recovery->note_count; i++) {
        int table = recovery->notes[i].table;

        if (!is_loaded[table]) {
            is_loaded[table] = true;
            rc = journal->class->load(journal, table, take_row, recovery, err);
        }
    }
    return rc;
}

static void recovery_work(void *arg)
{
    struct lat__recovery *recovery = arg;
    struct lat_journal *journal = recovery->store->journal;
    const struct lat_journal_batch proof = {0};

    recovery->is_read = read_back(recovery, journal, &recovery->err) == 0;
    recovery->is_writable =
        recovery->is_read && journal->class->commit(journal, &proof, &recovery->err) == 0;
}

/* ---- the state loop ---- */

/* Makes memory follow the notes. Of a row that changed several times only the last state can be read back: the notes
 * before it show that one too. */
static void follow(struct lat_store *store, const struct lat__recovery *recovery)
{
    struct lat_change *changes = lat_alloc_array(recovery->note_count, sizeof(*changes));

    for (size_t i = 0; i < recovery->note_count; i++) {
        const struct lat_change_note *note = &recovery->notes[i];
        struct lat__entry *there = lat__layer_entry(&store->committed, note->table, note->id);
        const struct lat__entry *read = lat__layer_entry(&recovery->rows, note->table, note->id);
        const struct lat_row *before = there == NULL ? NULL : lat_row_ref(there->row);
        const struct lat_row *after = read == NULL ? NULL : lat_row_ref(read->row);

        if (after != NULL) {
            lat__layer_put(&store->committed, note->table, note->id, after, 0, note->project_id);
        } else if (there != NULL) {
            lat__layer_drop(&store->committed, there);
        }
        store->index = note->index;
        lat__changes_add(&store->changes,
                         &(struct lat_journal_change){
                             .index = note->index,
                             .table = note->table,
                             .id = note->id,
                             .project_id = note->project_id,
                             .request_id = note->request_id,
                             .at = note->at,
                         },
                         note->kind);
        changes[i] = (struct lat_change){
            .index = note->index,
            .table = note->table,
            .kind = after != NULL ? LAT_CHANGE_PUT : LAT_CHANGE_REMOVE,
            .before = before,
            .after = after,
            .request_id = note->request_id,
            .at = note->at,
        };
    }
    for (size_t i = 0; i < recovery->note_count; i++) {
        if (changes[i].before != NULL || changes[i].after != NULL) {
            lat__changes_tell(store, &changes[i]);
        }
    }
    lat__changes_sweep(store);
    for (size_t i = 0; i < recovery->note_count; i++) {
        lat_row_unref(changes[i].before);
        lat_row_unref(changes[i].after);
    }
    free(changes);
}

static bool has_happened(const struct lat__batch *batch, const struct lat__recovery *recovery)
{
    if (batch->change_count > 0) {
        return recovery->newest_index >= batch->changes[batch->change_count - 1].index;
    }
    return recovery->audit_head.sequence >= batch->audit[batch->audit_count - 1]->sequence;
}

static void settle_doubt(struct lat__batch *batch, const struct lat__recovery *recovery)
{
    struct lat_err err = batch->err;

    if (recovery->is_read && has_happened(batch, recovery)) {
        lat__commit_succeed(batch);
        return;
    }
    if (!recovery->is_read) {
        lat_err_set(&err, LAT_E_TIMEOUT,
                    "The disk did not answer; whether this was written is not known yet (%.200s)",
                    batch->err.sentence);
        lat_err_hint(
            &err,
            "When writes are taken again (GET /readyz), look whether it happened; then try again.");
    }
    lat__commit_fail(batch, &err);
}

static void wait_for_retry(struct lat_store *store, const struct lat_err *why)
{
    store->why = *why;
    store->health = LAT__WAITING;
    store->retry_ms = store->retry_ms == 0 ? LAT_STORE_RETRY_FIRST_MS : store->retry_ms * 2;
    if (store->retry_ms > LAT_STORE_RETRY_MAX_MS) {
        store->retry_ms = LAT_STORE_RETRY_MAX_MS;
    }
    if (!store->is_closing) {
        lat_timer_start(&store->retry, store->retry_ms, 0);
    }
}

static void recovery_done(void *arg)
{
    struct lat__recovery *recovery = arg;
    struct lat_store *store = recovery->store;
    struct lat__batch *doubtful = store->doubtful;

    store->is_working = false;
    store->doubtful = NULL;
    if (recovery->is_writable) {
        store->health = LAT__OPEN;
        store->retry_ms = 0;
        lat_metric_set(store->open_gauge, 1);
    } else {
        wait_for_retry(store, &recovery->err);
    }
    /* Before anybody hears of it: who does may write so much that a batch starts at once, behind this head. */
    if (recovery->is_read) {
        store->audit.head = recovery->audit_head;
        store->audit.cut = recovery->audit_cut.sequence;
    }
    if (doubtful != NULL) {
        settle_doubt(doubtful, recovery);
    } else if (recovery->note_count > 0 && recovery->is_read) {
        follow(store, recovery);
    }
    lat__layer_done(&recovery->rows);
    free(recovery->notes);
    free(recovery);
    lat__commit_arm(store);
}

static void start(struct lat_store *store)
{
    struct lat__recovery *recovery = LAT_NEW(struct lat__recovery);

    recovery->store = store;
    recovery->known_index = store->index;
    recovery->known_sequence = store->audit.head.sequence;
    store->health = LAT__RECOVERING;
    store->is_working = true;
    lat_work(store->loop, recovery_work, recovery_done, recovery);
}

void lat__recover_retry(void *arg)
{
    start(arg);
}

void lat__recover(struct lat_store *store, struct lat__batch *batch, const struct lat_err *why)
{
    struct lat__batch *behind = store->gathering;

    store->why = *why;
    store->doubtful = batch;
    store->gathering = NULL;
    lat_metric_add(store->failures, 1);
    lat_metric_set(store->open_gauge, 0);
    start(store);
    lat__audit_refuse(store, &store->why);
    if (behind != NULL) {
        lat__commit_fail(behind, &store->why);
    }
}
