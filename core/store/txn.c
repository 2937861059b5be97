/* Transactions: put together by one stage in one turn, checked against all that was staged before them.
 *
 * A transaction is a private layer over the staged and the committed ones. Nothing outside of it changes
 * until lat_txn_commit, which checks and then stages it whole. Because everything happens on the state loop,
 * what was checked still holds when it is staged; and because a failed batch takes along whatever was staged
 * behind it, what was checked against staged rows still holds when it becomes durable. */
#include "internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct lat_txn *lat_txn_begin(struct lat_store *store, const char *request_id)
{
    struct lat_txn *txn = LAT_NEW(struct lat_txn);

    txn->store = store;
    lat_text_bound(txn->request_id, sizeof(txn->request_id), request_id == NULL ? "" : request_id);
    return txn;
}

void lat__txn_free(struct lat_txn *txn)
{
    for (size_t i = 0; i < txn->write_count; i++) {
        lat_row_unref(txn->writes[i].before);
        lat_row_unref(txn->writes[i].after);
    }
    for (size_t i = 0; i < txn->replaced_count; i++) {
        lat_row_unref(txn->replaced[i]);
    }
    for (size_t i = 0; i < txn->audit_count; i++) {
        free(txn->audit[i]);
    }
    lat__layer_done(&txn->layer);
    free(txn->error);
    free(txn->audit);
    free(txn->writes);
    free(txn->expectations);
    free(txn->replaced);
    free(txn);
}

void lat_txn_cancel(struct lat_txn *txn)
{
    lat__txn_free(txn);
}

/* ---- reading ---- */

#define VIEW(txn)                                                                                  \
    ((const struct lat__layer *const[]){&(txn)->layer, &(txn)->store->staged,                      \
                                        &(txn)->store->committed})
#define BENEATH(txn)                                                                               \
    ((const struct lat__layer *const[]){&(txn)->store->staged, &(txn)->store->committed})

static const struct lat_row *row_beneath(const struct lat_txn *txn, int table, const char *id)
{
    const struct lat__entry *entry = lat__layers_entry(BENEATH(txn), 2, table, id);

    return entry == NULL ? NULL : entry->row;
}

static int64_t version_of(const struct lat_row *row)
{
    return row == NULL ? 0 : row->version;
}

const struct lat_row *lat_txn_get(struct lat_txn *txn, int table, const char *id)
{
    const struct lat__entry *entry = lat__layers_entry(VIEW(txn), 3, table, id);

    return entry == NULL ? NULL : entry->row;
}

const struct lat_row *lat_txn_find(struct lat_txn *txn, int index, const char *key)
{
    return lat__layers_find(VIEW(txn), 3, index, key, "");
}

const struct lat_row *lat_txn_each(struct lat_txn *txn, int index, const char *key, void **cursor)
{
    const struct lat_row *last = *cursor;
    const struct lat_row *row =
        lat__layers_find(VIEW(txn), 3, index, key, last == NULL ? "" : last->id);

    *cursor = (void *)row;
    return row;
}

/* ---- writing ---- */

static void fail(struct lat_txn *txn, const struct lat_err *err)
{
    if (txn->error == NULL) {
        txn->error = LAT_NEW(struct lat_err);
        *txn->error = *err;
    }
}

static int set_conflict(int table, struct lat_err *err)
{
    return lat_err_set(err, LAT_E_CONFLICT, "The %s changed meanwhile.", lat_table(table)->name);
}

static struct lat__write *write_of(struct lat_txn *txn, int table, const char *id)
{
    const struct lat__entry *entry = lat__layer_entry(&txn->layer, table, id);

    return entry == NULL ? NULL : &txn->writes[entry->stamp];
}

/* Adds a write over a row of that version (0: none). */
static struct lat__write *write_add(struct lat_txn *txn, int table, const char *id, int64_t beneath)
{
    if (txn->write_count == txn->write_cap) {
        txn->write_cap = txn->write_cap == 0 ? 4 : txn->write_cap * 2;
        txn->writes = lat_grow(txn->writes, txn->write_cap, sizeof(*txn->writes));
    }
    LAT_ASSERT(txn->writes != NULL);
    struct lat__write *write = &txn->writes[txn->write_count++];

    *write = (struct lat__write){.table = table};
    lat_text_bound(write->id, sizeof(write->id), id);
    write->base_version = beneath;
    return write;
}

/* Sets what a write leaves behind (a reference is taken), and keeps the row that was there for its borrowers. */
static void write_set(struct lat_txn *txn, struct lat__write *write, struct lat_row *row)
{
    if (write->after != NULL) {
        if (txn->replaced_count == txn->replaced_cap) {
            txn->replaced_cap = txn->replaced_cap == 0 ? 4 : txn->replaced_cap * 2;
            txn->replaced = lat_grow(txn->replaced, txn->replaced_cap, sizeof(void *));
        }
        txn->replaced[txn->replaced_count++] = write->after;
    }
    write->after = row;
    lat__layer_put(&txn->layer, write->table, write->id, row, (uint64_t)(write - txn->writes), "");
}

const struct lat_row *lat_txn_put(struct lat_txn *txn, struct lat_row *row)
{
    if (row->id[0] == '\0') {
        LAT_ASSERT(row->version == 0);
        lat_store_make_id(txn->store, row->id);
    }
    struct lat__write *write = write_of(txn, row->table, row->id);
    int64_t there = write == NULL ? version_of(row_beneath(txn, row->table, row->id))
                                  : version_of(write->after);

    if (row->version != there) {
        struct lat_err err;

        set_conflict(row->table, &err);
        fail(txn, &err);
    }
    if (write == NULL) {
        write = write_add(txn, row->table, row->id, there);
    }
    row->version = write->base_version + 1;
    write_set(txn, write, row);
    return row;
}

void lat_txn_remove(struct lat_txn *txn, int table, const char *id)
{
    struct lat__write *write = write_of(txn, table, id);

    if (write == NULL) {
        int64_t beneath = version_of(row_beneath(txn, table, id));

        if (beneath == 0) {
            return;
        }
        write = write_add(txn, table, id, beneath);
    }
    write_set(txn, write, NULL);
}

void lat_txn_expect(struct lat_txn *txn, const struct lat_row *row)
{
    if (txn->expectation_count == txn->expectation_cap) {
        txn->expectation_cap = txn->expectation_cap == 0 ? 4 : txn->expectation_cap * 2;
        txn->expectations =
            lat_grow(txn->expectations, txn->expectation_cap, sizeof(*txn->expectations));
    }
    struct lat__expectation *expectation = &txn->expectations[txn->expectation_count++];

    expectation->table = row->table;
    expectation->version = row->version;
    lat_text_bound(expectation->id, sizeof(expectation->id), row->id);
}

void lat_txn_audit(struct lat_txn *txn, const struct lat_audit *entry)
{
    struct lat_audit full = *entry;
    size_t size = 0;

    if (txn->audit_count == txn->audit_cap) {
        txn->audit_cap = txn->audit_cap == 0 ? 1 : txn->audit_cap * 2;
        txn->audit = lat_grow(txn->audit, txn->audit_cap, sizeof(*txn->audit));
    }
    if (full.request_id == NULL || full.request_id[0] == '\0') {
        full.request_id = txn->request_id;
    }
    txn->audit[txn->audit_count++] = lat__audit_copy(&full, &size);
    txn->bytes += size;
}

/* ---- checking and staging ---- */

static int check_versions(struct lat_txn *txn, struct lat_err *err)
{
    for (size_t i = 0; i < txn->expectation_count; i++) {
        const struct lat__expectation *expectation = &txn->expectations[i];

        if (version_of(row_beneath(txn, expectation->table, expectation->id)) !=
            expectation->version) {
            return set_conflict(expectation->table, err);
        }
    }
    for (size_t i = 0; i < txn->write_count; i++) {
        struct lat__write *write = &txn->writes[i];

        write->beneath = row_beneath(txn, write->table, write->id);
        if (version_of(write->beneath) != write->base_version) {
            return set_conflict(write->table, err);
        }
    }
    return 0;
}

static int set_taken(int index, const struct lat_row *row, const char *key, struct lat_err *err)
{
    const struct lat_field *column = lat__index_column(index);
    const char *table = lat_table(row->table)->name;
    const char *slash = strrchr(key, '/');

    if (column->kind == LAT_KIND_SECRET) {
        return lat_err_field(err, LAT_E_NAME_TAKEN, column->name,
                             "There is a %s with that %s already.", table, column->name);
    }
    return lat_err_field(err, LAT_E_NAME_TAKEN, column->name,
                         "There is a %s with the %s '%.80s' already.", table, column->name,
                         slash == NULL ? key : slash + 1);
}

/* Behind check_versions. Finds another row than those put here under a unique key of theirs. All writes are in the view by now. A row that keeps its
 * key is alone with it, unless another write here takes it, which is found there. */
static int check_unique(struct lat_txn *txn, struct lat_err *err)
{
    struct lat_buf scratch = {0};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < txn->write_count; i++) {
        const struct lat_row *row = txn->writes[i].after;
        const struct lat_row *before = txn->writes[i].beneath;

        for (int index = 0; rc == 0 && row != NULL && index < LAT_INDEX_COUNT; index++) {
            if (lat__index(index)->table != row->table || !lat__index(index)->is_unique ||
                (before != NULL && lat__index_same(index, before, row))) {
                continue;
            }
            const char *key = lat__index_key(index, row, &scratch);
            const struct lat_row *first = key == NULL ? NULL : lat_txn_find(txn, index, key);

            if (first == NULL) {
                continue;
            }
            if (first != row || lat__layers_find(VIEW(txn), 3, index, key, row->id) != NULL) {
                rc = set_taken(index, row, key, err);
            }
        }
    }
    lat_buf_done(&scratch);
    return rc;
}

/* Takes out what came and went within the transaction. */
static void drop_nothings(struct lat_txn *txn)
{
    size_t kept = 0;

    for (size_t i = 0; i < txn->write_count; i++) {
        if (txn->writes[i].after != NULL || txn->writes[i].base_version != 0) {
            txn->writes[kept++] = txn->writes[i];
        }
    }
    txn->write_count = kept;
}

/* Adds up what the transaction holds, and finds whether there is room for it among what waits for the disk. */
static int check_room(struct lat_txn *txn, struct lat_err *err)
{
    const struct lat_store *store = txn->store;

    txn->bytes +=
        sizeof(*txn) + txn->write_count * (sizeof(*txn->writes) + sizeof(struct lat__entry));
    for (size_t i = 0; i < txn->write_count; i++) {
        txn->bytes += txn->writes[i].after == NULL ? 0 : lat_row_size(txn->writes[i].after);
    }
    if (store->staged_count > 0 && store->staged_bytes + txn->bytes > LAT_STORE_STAGED_BYTES_MAX) {
        return lat_err_set(err, LAT_E_BUSY, "%zu bytes wait for the disk.", store->staged_bytes);
    }
    return 0;
}

int lat_txn_commit(struct lat_txn *txn, lat_commit_fn *fn, void *arg, struct lat_err *err)
{
    struct lat_store *store = txn->store;
    struct lat_err found;
    int rc = lat_store_is_writable(store, &found) ? 0 : found.code;

    if (rc == 0 && txn->error != NULL) {
        found = *txn->error;
        rc = found.code;
    }
    rc = rc != 0 ? rc : check_versions(txn, &found);
    rc = rc != 0 ? rc : check_unique(txn, &found);
    rc = rc != 0 ? rc : check_room(txn, &found);
    if (rc != 0) {
        if (rc == LAT_E_CONFLICT) {
            lat_metric_add(store->conflicts, 1);
        }
        lat__txn_free(txn);
        return lat_err_copy(err, &found);
    }
    for (size_t i = 0; i < txn->write_count; i++) {
        struct lat__write *write = &txn->writes[i];

        lat__project_of(VIEW(txn), 3, write->table, write->id, write->after, write->project_id);
    }
    drop_nothings(txn);
    lat__layer_done(&txn->layer);
    txn->fn = fn;
    txn->arg = arg;
    txn->at = lat_clock_wall_ms(lat_loop_clock(store->loop));
    for (size_t i = 0; i < txn->audit_count; i++) {
        if (txn->audit[i]->at == 0) {
            txn->audit[i]->at = txn->at;
        }
    }
    lat__commit_stage(txn);
    return 0;
}
