/* What was told, see told.h. Of each change a digest of its note is kept, and of each row the last version: rows never change and
 * outlive their store. */
#include "told.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTES = 64, KEY_SIZE = LAT_ID_SIZE + 12 };

struct sim_told {
    struct sim *sim;
    const struct lat_store *store;
    uint64_t *digests; /* of every change that was told or shown, by its index; 0: none was */
    size_t cap;
    int64_t first, last;  /* the oldest index and the newest that were told; 0: none */
    struct lat_map *rows; /* key_of() -> struct lat_row, a reference */
};

/* ---- rows ---- */

static void key_of(int table, const char *id, char ret_key[KEY_SIZE])
{
    snprintf(ret_key, KEY_SIZE, "%d/%s", table, id);
}

static void set_row(struct sim_told *told, int table, const char *id, const struct lat_row *row)
{
    char key[KEY_SIZE];
    const struct lat_row *before;

    key_of(table, id, key);
    before = row ? lat_map_put(told->rows, key, lat_row_ref(row)) : lat_map_remove(told->rows, key);
    lat_row_unref(before);
}

static void forget_rows(struct sim_told *told)
{
    void *cursor = NULL;
    const char *key;
    void *value;

    while (lat_map_next(told->rows, &cursor, &key, &value)) {
        lat_row_unref(value);
    }
    told->rows = lat_map_free(told->rows);
}

/* Every row of a store that was opened: as it was told, or changed by one of the changes of `newer`? */
static void compare_rows(struct sim_told *told, const struct lat_map *newer)
{
    void *cursor = NULL;
    const char *key;
    void *value;

    while (lat_map_next(told->rows, &cursor, &key, &value)) {
        const struct lat_row *before = value;
        const struct lat_row *row = lat_store_get(told->store, before->table, before->id);

        if (!lat_map_get(newer, key) && (!row || !lat_row_same(row, before))) {
            sim_fail(told->sim, "the row %s of %s is %s after a start, and no change was told",
                     before->id, lat_table(before->table)->name, row ? "another one" : "missing");
        }
    }
    for (int table = 0; table < LAT_TABLE_COUNT; table++) {
        const struct lat_row *row;

        cursor = NULL;
        while ((row = lat_store_next(told->store, table, &cursor))) {
            char row_key[KEY_SIZE];

            key_of(table, row->id, row_key);
            if (!lat_map_get(told->rows, row_key) && !lat_map_get(newer, row_key)) {
                sim_fail(told->sim, "there is a row %s of %s after a start that no change made",
                         row->id, lat_table(table)->name);
            }
        }
    }
}

/* ---- changes ---- */

static uint64_t digest_of(const struct lat_change_note *note)
{
    uint64_t hash = sim_hash(14695981039346656037u, &note->table, sizeof(note->table));

    hash = sim_hash(hash, &note->kind, sizeof(note->kind));
    hash = sim_hash(hash, note->id, strlen(note->id) + 1);
    hash = sim_hash(hash, note->project_id, strlen(note->project_id) + 1);
    hash = sim_hash(hash, note->request_id, strlen(note->request_id) + 1);
    return sim_hash(hash, &note->at, sizeof(note->at));
}

static void set_digest(struct sim_told *told, const struct lat_change_note *note)
{
    if (told->cap <= (size_t)note->index) {
        size_t cap = ((size_t)note->index + 1) * 2;

        told->digests = lat_grow(told->digests, cap, sizeof(*told->digests));
        memset(told->digests + told->cap, 0, (cap - told->cap) * sizeof(*told->digests));
        told->cap = cap;
    }
    told->digests[note->index] = digest_of(note);
}

void sim_told_take(struct sim_told *told, const struct lat_change *change)
{
    struct lat_change_note note;
    size_t count = 0;

    if (told->last && change->index != told->last + 1) {
        sim_fail(told->sim, "change %" PRId64 " was told after change %" PRId64, change->index,
                 told->last);
    }
    if (lat_store_changes_after(told->store, change->index - 1, &note, 1, &count, NULL) ||
        count != 1 || note.index != change->index) {
        sim_fail(told->sim, "change %" PRId64 " was told and is not in the log", change->index);
        return;
    }
    told->first = told->first ? told->first : change->index;
    told->last = change->index;
    set_digest(told, &note);
    set_row(told, change->table, note.id, change->after);
}

/* Goes through the log from the first change that was told; notes in `ret_newer` which rows have changed behind the last. Those changes
 * are shown from now on, as if they had been told. */
static void compare_log(struct sim_told *told, struct lat_map *ret_newer)
{
    struct lat_change_note notes[NOTES];
    int64_t index = told->first - 1;
    size_t count = 1;

    while (count > 0) {
        if (lat_store_changes_after(told->store, index, notes, NOTES, &count, NULL)) {
            sim_fail(told->sim, "the log does not reach back to change %" PRId64, index);
            return;
        }
        for (size_t i = 0; i < count; i++) {
            const struct lat_change_note *note = &notes[i];
            char key[KEY_SIZE];

            if (note->index != ++index) {
                sim_fail(told->sim, "change %" PRId64 " is missing in the log", index);
                return;
            }
            key_of(note->table, note->id, key);
            if (index > told->last) {
                lat_map_put(ret_newer, key, told);
                set_digest(told, note);
            } else if (told->digests[index] && told->digests[index] != digest_of(note)) {
                sim_fail(told->sim,
                         "change %" PRId64 " is another one after a start than was told before",
                         index);
            }
        }
    }
}

void sim_told_begin(struct sim_told *told, const struct lat_store *store)
{
    struct lat_map *newer = lat_map_new();

    told->store = store;
    if (told->last > lat_store_index(store)) {
        sim_fail(told->sim, "change %" PRId64 " was told, and after a start there are %" PRId64,
                 told->last, lat_store_index(store));
    } else if (told->first) {
        compare_log(told, newer);
        compare_rows(told, newer);
    }
    lat_map_free(newer);
    told->last = lat_store_index(store);
    told->first = told->first ? told->first : told->last + 1;
    forget_rows(told);
    told->rows = lat_map_new();
    for (int table = 0; table < LAT_TABLE_COUNT; table++) {
        const struct lat_row *row;
        void *cursor = NULL;

        while ((row = lat_store_next(store, table, &cursor))) {
            set_row(told, table, row->id, row);
        }
    }
}

/* ---- life ---- */

struct sim_told *sim_told_new(struct sim *sim)
{
    struct sim_told *told = LAT_NEW(struct sim_told);

    told->sim = sim;
    told->rows = lat_map_new();
    return told;
}

struct sim_told *sim_told_free(struct sim_told *told)
{
    if (told) {
        forget_rows(told);
        free(told->digests);
        free(told);
    }
    return NULL;
}
