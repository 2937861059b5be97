/* Opening, closing and reading the store. Belongs to the state loop; only lat_store_open blocks. */
#include "internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

static void take_row(void *arg, struct lat_row *row)
{
    struct lat_store *store = arg;
    const struct lat__layer *layers[] = {&store->committed};
    char project_id[LAT_ID_SIZE];

    lat__project_of(layers, 1, row->table, row->id, row, project_id);
    lat__layer_put(&store->committed, row->table, row->id, row, 0, project_id);
    lat_row_unref(row);
}

static void take_change(void *arg, const struct lat_journal_change *change, bool removed)
{
    struct lat_store *store = arg;

    lat__changes_add(&store->changes, change, removed ? LAT_CHANGE_REMOVE : LAT_CHANGE_PUT);
    store->index = change->index;
}

static int load(struct lat_store *store, struct lat_err *err)
{
    struct lat_journal *journal = store->journal;
    int rc = journal->class->prepare(journal, err);

    for (int table = 0; rc == 0 && table < LAT_TABLE_COUNT; table++) {
        rc = journal->class->load(journal, table, take_row, store, err);
    }
    rc = rc != 0 ? rc
                 : journal->class->load_changes(journal, LAT_STORE_CHANGES_KEPT, take_change, store,
                                                err);
    if (rc == 0) {
        struct lat_audit_end cut;

        rc = journal->class->audit_ends(journal, &cut, &store->audit.head, err);
        store->audit.cut = rc == 0 ? cut.sequence : 0;
    }
    return rc;
}

static void count_in(struct lat_store *store, struct lat_metrics *metrics)
{
    if (metrics == NULL) {
        return;
    }
    store->commits = lat_metrics_counter(metrics, "lattice_store_transactions_total", "",
                                         "Transactions that became durable.");
    store->conflicts = lat_metrics_counter(metrics, "lattice_store_conflicts_total", "",
                                           "Transactions refused because a row had changed.");
    store->batches = lat_metrics_counter(metrics, "lattice_store_batches_total", "",
                                         "Group commits of the journal.");
    store->batch_time =
        lat_metrics_histogram(metrics, "lattice_store_batch_seconds", "",
                              "Time of a group commit, from the worker's queue to its answer.");
    store->failures = lat_metrics_counter(metrics, "lattice_store_failures_total", "",
                                          "Times that the journal failed and was started again.");
    store->staged_gauge = lat_metrics_gauge(metrics, "lattice_store_staged", "",
                                            "Transactions that wait for the disk.");
    store->staged_bytes_gauge = lat_metrics_gauge(metrics, "lattice_store_staged_bytes", "",
                                                  "Bytes of what waits for the disk.");
    store->open_gauge =
        lat_metrics_gauge(metrics, "lattice_store_open", "", "1 while writes are taken.");
}

int lat_store_open(struct lat_loop *loop, struct lat_journal *journal, struct lat_random *random,
                   struct lat_metrics *metrics, struct lat_store **ret_store, struct lat_err *err)
{
    struct lat_store *store = LAT_NEW(struct lat_store);

    store->loop = loop;
    store->journal = journal;
    store->id_maker = (struct lat_id_maker){.clock = lat_loop_clock(loop), .random = random};
    store->committed.is_ordered = true;
    store->audit.kept = LAT_AUDIT_KEPT;
    store->is_idle = true;
    lat_timer_init(&store->retry, loop, lat__recover_retry, store);
    int rc = load(store, err);

    if (rc != 0) {
        lat_store_close(store);
        return rc;
    }
    count_in(store, metrics);
    lat_metric_set(store->open_gauge, 1);
    lat__commit_arm(store); /* a journal that was just opened may be untidy */
    *ret_store = store;
    return 0;
}

struct lat_store *lat_store_close(struct lat_store *store)
{
    if (store == NULL) {
        return NULL;
    }
    store->is_closing = true;
    lat_timer_stop(&store->retry);
    if (store->audit.line != NULL) {
        struct lat_err why;

        lat_err_set(&why, LAT_E_UNAVAILABLE, "The console is stopping.");
        lat__audit_refuse(store, &why);
    }
    if (store->is_working || store->gathering != NULL || store->is_armed) {
        store->is_idle = false;
        lat__commit_arm(store);
        while (!lat_loop_run_until(store->loop, &store->is_idle, LAT_STORE_CLOSE_MS)) {
            /* A disk that does not answer has rows of ours: there is nothing else to do. */
        }
    }
    lat_timer_done(&store->retry);
    store->journal->class->close(store->journal);
    for (struct lat_watcher *watcher = store->watchers; watcher != NULL;
         watcher = store->watchers) {
        lat_store_unwatch(watcher);
    }
    lat__layer_done(&store->staged);
    lat__layer_done(&store->committed);
    lat__changes_done(&store->changes);
    free(store);
    return NULL;
}

/* ---- reading ---- */

const struct lat_row *lat_store_get(const struct lat_store *store, int table, const char *id)
{
    const struct lat__entry *entry = lat__layer_entry(&store->committed, table, id);

    return entry == NULL ? NULL : entry->row;
}

const struct lat_row *lat_store_next(const struct lat_store *store, int table, void **cursor)
{
    LAT_ASSERT(table >= 0 && table < LAT_TABLE_COUNT);
    struct lat__set_node *node =
        *cursor == NULL ? lat__set_first(store->committed.order[table]) : lat__set_after(*cursor);

    *cursor = node;
    return node == NULL ? NULL : lat__set_row(node);
}

const struct lat_row *lat_store_after(const struct lat_store *store, int table, const char *id)
{
    LAT_ASSERT(table >= 0 && table < LAT_TABLE_COUNT);
    struct lat__set_node *node = lat__set_seek(store->committed.order[table], "", id);

    if (node != NULL && strcmp(lat__set_row(node)->id, id) == 0) {
        node = lat__set_after(node);
    }
    return node == NULL ? NULL : lat__set_row(node);
}

const struct lat_row *lat_store_before(const struct lat_store *store, int table, const char *id)
{
    LAT_ASSERT(table >= 0 && table < LAT_TABLE_COUNT);
    struct lat__set_node *node = lat__set_before(store->committed.order[table], "", id);

    return node == NULL ? NULL : lat__set_row(node);
}

size_t lat_store_count(const struct lat_store *store, int table)
{
    LAT_ASSERT(table >= 0 && table < LAT_TABLE_COUNT);
    return store->committed.entries[table] == NULL ? 0
                                                   : lat_map_count(store->committed.entries[table]);
}

const struct lat_row *lat_store_find(const struct lat_store *store, int index, const char *key)
{
    const struct lat__layer *layers[] = {&store->committed};

    return lat__layers_find(layers, 1, index, key, "");
}

const struct lat_row *lat_store_each(const struct lat_store *store, int index, const char *key,
                                     void **cursor)
{
    const struct lat__layer *layers[] = {&store->committed};
    const struct lat_row *last = *cursor;
    const struct lat_row *row =
        lat__layers_find(layers, 1, index, key, last == NULL ? "" : last->id);

    *cursor = (void *)row;
    return row;
}

void lat_store_make_id(struct lat_store *store, char ret_id[LAT_ID_SIZE])
{
    lat_id_make(&store->id_maker, ret_id);
}

int lat__store_check_open(const struct lat_store *store, struct lat_err *err)
{
    if (store->is_closing) {
        return lat_err_set(err, LAT_E_UNAVAILABLE, "The console is stopping.");
    }
    if (store->health != LAT__OPEN) {
        return lat_err_set(err, LAT_E_UNAVAILABLE, "The database cannot be used now. %.300s",
                           store->why.sentence);
    }
    return 0;
}

bool lat_store_is_writable(const struct lat_store *store, struct lat_err *err)
{
    if (lat__store_check_open(store, err) != 0) {
        return false;
    }
    if (store->staged_count >= LAT_STORE_STAGED_MAX) {
        lat_err_set(err, LAT_E_BUSY, "%d transactions wait for the disk.", LAT_STORE_STAGED_MAX);
        return false;
    }
    if (store->staged_bytes >= LAT_STORE_STAGED_BYTES_MAX) {
        lat_err_set(err, LAT_E_BUSY, "%zu bytes wait for the disk.", store->staged_bytes);
        return false;
    }
    return true;
}
