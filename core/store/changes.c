/* The change log in memory, and watchers. Belongs to the state loop.
 *
 * The ring holds the newest LAT_STORE_CHANGES_KEPT notes; the journal holds those and, until the next step of
 * trimming, a few before them. Indexes have no gaps, so that the place of a note follows from its index. A note takes 64
 * bytes as long as its texts are ids, which they are but for requests that were named by others. */
#include "internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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

static void note_forget(struct lat__note *note)
{
    for (size_t i = 0; i < LAT__NOTE_TEXTS; i++) {
        if (note->how[i] == LAT__NOTE_TEXT) {
            char *text;

            memcpy(&text, note->texts[i], sizeof(text));
            free(text);
        }
    }
}

static void note_set(struct lat__note *note, size_t which, const char *text)
{
    if (text[0] == '\0') {
        note->how[which] = LAT__NOTE_EMPTY;
    } else if (lat_id_pack(text, note->texts[which])) {
        note->how[which] = LAT__NOTE_ID;
    } else {
        char *copy = lat_text_copy(text);

        note->how[which] = LAT__NOTE_TEXT;
        memcpy(note->texts[which], &copy, sizeof(copy));
    }
}

static void note_get(const struct lat__note *note, size_t which, char *ret_text, size_t size)
{
    char *text;

    switch ((enum lat__note_text)note->how[which]) {
    case LAT__NOTE_EMPTY: ret_text[0] = '\0'; break;
    case LAT__NOTE_ID:
        LAT_ASSERT(size >= LAT_ID_SIZE);
        lat_id_unpack(note->texts[which], ret_text);
        break;
    case LAT__NOTE_TEXT:
        memcpy(&text, note->texts[which], sizeof(text));
        lat_text_bound(ret_text, size, text);
        break;
    }
}

void lat__changes_add(struct lat__changes *changes, const struct lat_journal_change *change,
                      enum lat_change_kind kind)
{
    if (changes->count == changes->cap && changes->cap < LAT_STORE_CHANGES_KEPT) {
        grow(changes);
    }
    if (changes->journal_first == 0) {
        changes->journal_first = change->index;
    }
    LAT_ASSERT(changes->count == 0 || change->index == changes->newest + 1);
    struct lat__note *note = &changes->ring[(changes->first + changes->count) % changes->cap];

    if (changes->count == changes->cap) {
        note_forget(note);
        changes->first = (changes->first + 1) % changes->cap;
    } else {
        changes->count++;
    }
    changes->newest = change->index;
    *note = (struct lat__note){
        .at = change->at,
        .table = (uint8_t)change->table,
        .kind = (uint8_t)kind,
    };
    note_set(note, LAT__NOTE_ROW, change->id);
    note_set(note, LAT__NOTE_PROJECT, change->project_id);
    note_set(note, LAT__NOTE_REQUEST, change->request_id);
}

void lat__changes_done(struct lat__changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        note_forget(&changes->ring[(changes->first + i) % changes->cap]);
    }
    free(changes->ring);
}

int64_t lat__changes_oldest(const struct lat__changes *changes)
{
    return changes->newest + 1 - (int64_t)changes->count;
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
    int64_t oldest = changes->count == 0 ? store->index + 1 : lat__changes_oldest(changes);

    if (index < oldest - 1 || index > store->index) {
        return lat_err_set(err, LAT_E_GONE,
                           "Changes after %" PRId64 " are not kept; there are those after %" PRId64
                           " up to %" PRId64 ".",
                           index, oldest - 1, store->index);
    }
    size_t skip = (size_t)(index + 1 - oldest);
    size_t count = 0;

    for (; count < max && skip + count < changes->count; count++) {
        const struct lat__note *note =
            &changes->ring[(changes->first + skip + count) % changes->cap];
        struct lat_change_note *ret = &ret_notes[count];

        ret->index = index + 1 + (int64_t)count;
        ret->table = note->table;
        ret->kind = (enum lat_change_kind)note->kind;
        ret->at = note->at;
        note_get(note, LAT__NOTE_ROW, ret->id, sizeof(ret->id));
        note_get(note, LAT__NOTE_PROJECT, ret->project_id, sizeof(ret->project_id));
        note_get(note, LAT__NOTE_REQUEST, ret->request_id, sizeof(ret->request_id));
    }
    *ret_count = count;
    return 0;
}

/* ---- watchers ---- */

struct lat_watcher {
    struct lat_store *store;
    uint32_t tables;
    int64_t from; /* first index that it sees */
    /* One of them is set; all are NULL once it has ended and waits for the sweep. */
    lat_watch_fn *fn;
    lat_staged_fn *staged_fn;
    lat_call_fn *batch_fn;
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

struct lat_watcher *lat_store_watch_batches(struct lat_store *store, lat_call_fn *fn, void *arg)
{
    struct lat_watcher *watcher = add_watcher(store, 0, arg);

    watcher->batch_fn = fn;
    return watcher;
}

struct lat_watcher *lat_store_unwatch(struct lat_watcher *watcher)
{
    if (watcher != NULL) {
        struct lat_store *store = watcher->store;

        watcher->fn = NULL;
        watcher->staged_fn = NULL;
        watcher->batch_fn = NULL;
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

void lat__changes_tell_batch(const struct lat_store *store)
{
    for (const struct lat_watcher *watcher = store->watchers; watcher != NULL;
         watcher = watcher->next) {
        if (watcher->batch_fn != NULL) {
            watcher->batch_fn(watcher->arg);
        }
    }
}

void lat__changes_sweep(struct lat_store *store)
{
    struct lat_watcher **link = &store->watchers;

    store->is_telling = false;
    while (*link != NULL) {
        struct lat_watcher *watcher = *link;

        if (watcher->fn == NULL && watcher->staged_fn == NULL && watcher->batch_fn == NULL) {
            *link = watcher->next;
            free(watcher);
        } else {
            link = &watcher->next;
        }
    }
}
