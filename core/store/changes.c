/* The change log in memory, and watchers. Belongs to the state loop.
 *
 * The ring holds the newest LAT_STORE_CHANGES_KEPT notes; the journal holds those and, until the next step of
 * trimming, a few before them. Indexes have no gaps, so that the place of a note follows from its index. */
#include "internal.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- the log ---- */

static void grow(struct lat__changes *changes)
{
    size_t cap = changes->cap == 0 ? 256 : changes->cap * 2;

    if (cap > LAT_STORE_CHANGES_KEPT) {
        cap = LAT_STORE_CHANGES_KEPT;
    }
    LAT_ASSERT(changes->first == 0); /* it turns only once it has all of its size */
    changes->ring = lat_grow(changes->ring, cap, sizeof(*changes->ring));
    changes->cap = cap;
}

void lat__changes_add(struct lat__changes *changes, const struct lat_change_note *note)
{
    if (changes->count == changes->cap && changes->cap < LAT_STORE_CHANGES_KEPT) {
        grow(changes);
    }
    if (changes->journal_first == 0) {
        changes->journal_first = note->index;
    }
    changes->ring[(changes->first + changes->count) % changes->cap] = *note;
    if (changes->count == changes->cap) {
        changes->first = (changes->first + 1) % changes->cap;
    } else {
        changes->count++;
    }
}

int64_t lat_store_index(const struct lat_store *store)
{
    return store->index;
}

int lat_store_changes_after(const struct lat_store *store, int64_t index,
                            struct lat_change_note *ret_notes, size_t max, size_t *ret_count,
                            struct lat_err *err)
{
    const struct lat__changes *changes = &store->changes;
    int64_t oldest = changes->count == 0 ? store->index + 1 : changes->ring[changes->first].index;

    if (index < oldest - 1 || index > store->index) {
        return lat_err_set(err, LAT_E_GONE,
                           "Changes after %" PRId64 " are not kept; there are those after %" PRId64
                           " up to %" PRId64 ".",
                           index, oldest - 1, store->index);
    }
    size_t skip = (size_t)(index + 1 - oldest);
    size_t count = 0;

    for (; count < max && skip + count < changes->count; count++) {
        ret_notes[count] = changes->ring[(changes->first + skip + count) % changes->cap];
    }
    *ret_count = count;
    return 0;
}

/* ---- watchers ---- */

struct lat_watcher {
    struct lat_store *store;
    uint32_t tables;
    int64_t from; /* first index that it sees */
    /* One of them is set; both are NULL once it has ended and waits for the sweep. */
    lat_watch_fn *fn;
    lat_staged_fn *staged_fn;
    void *arg;
    struct lat_watcher *next;
};

static struct lat_watcher *add_watcher(struct lat_store *store, uint32_t tables, void *arg)
{
    struct lat_watcher *watcher = LAT_NEW(struct lat_watcher);
    struct lat_watcher **last = &store->watchers;

    *watcher = (struct lat_watcher){
        .store = store,
        .tables = tables,
        .from = store->index + 1,
        .arg = arg,
    };
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = watcher;
    return watcher;
}

struct lat_watcher *lat_store_watch(struct lat_store *store, uint32_t tables, lat_watch_fn *fn,
                                    void *arg)
{
    struct lat_watcher *watcher = add_watcher(store, tables, arg);

    watcher->fn = fn;
    return watcher;
}

struct lat_watcher *lat_store_watch_staged(struct lat_store *store, uint32_t tables,
                                           lat_staged_fn *fn, void *arg)
{
    struct lat_watcher *watcher = add_watcher(store, tables, arg);

    watcher->staged_fn = fn;
    return watcher;
}

struct lat_watcher *lat_store_unwatch(struct lat_watcher *watcher)
{
    if (watcher != NULL) {
        struct lat_store *store = watcher->store;

        watcher->fn = NULL;
        watcher->staged_fn = NULL;
        if (!store->is_telling) {
            lat__changes_sweep(store);
        }
    }
    return NULL;
}

void lat__changes_tell(struct lat_store *store, const struct lat_change *change)
{
    store->is_telling = true;
    for (struct lat_watcher *watcher = store->watchers; watcher != NULL; watcher = watcher->next) {
        if (watcher->fn != NULL && (watcher->tables & (1U << change->table)) != 0 &&
            change->index >= watcher->from) {
            watcher->fn(watcher->arg, change);
        }
    }
}

void lat__changes_tell_staged(const struct lat_store *store, int table, const char *id)
{
    for (const struct lat_watcher *watcher = store->watchers; watcher != NULL;
         watcher = watcher->next) {
        if (watcher->staged_fn != NULL && (watcher->tables & (1U << table)) != 0) {
            watcher->staged_fn(watcher->arg, id);
        }
    }
}

void lat__changes_sweep(struct lat_store *store)
{
    struct lat_watcher **link = &store->watchers;

    store->is_telling = false;
    while (*link != NULL) {
        struct lat_watcher *watcher = *link;

        if (watcher->fn == NULL && watcher->staged_fn == NULL) {
            *link = watcher->next;
            free(watcher);
        } else {
            link = &watcher->next;
        }
    }
}
