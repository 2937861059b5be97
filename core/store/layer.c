/* Layers: entries by id with their secondary indexes, and views through several layers at once. Belongs to
 * the state loop.
 *
 * Indexes are kept as entries come and go, never rebuilt, and are not touched by a change that leaves the key as it was. An upper layer hides a row of a lower one by
 * having any entry for its id; so a view through layers takes from each layer only what no layer above it
 * speaks of. */
#include "layer_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- indexes ---- */

const struct lat__index *lat__index(int index)
{
    static const struct lat__index rows[LAT_INDEX_COUNT] = {
#define X(NAME, table_, unique_, columns_) {LAT_TABLE_##table_, unique_, columns_},
        LAT_INDEXES(X)
#undef X
    };

    LAT_ASSERT(index >= 0 && index < LAT_INDEX_COUNT);
    return &rows[index];
}

static const struct lat_field *column_named(int table, const char *name, size_t len)
{
    const struct lat_table *description = lat_table(table);

    for (size_t i = 0; i < description->field_count; i++) {
        const struct lat_field *field = &description->fields[i];

        if (strncmp(field->name, name, len) == 0 && field->name[len] == '\0') {
            return field;
        }
    }
    LAT_ASSERT(!"an index names a column that its table has");
    return NULL;
}

const struct lat_field *lat__index_column(int index)
{
    const struct lat__index *row = lat__index(index);
    const char *slash = strrchr(row->columns, '/');
    const char *name = slash == NULL ? row->columns : slash + 1;

    return column_named(row->table, name, strlen(name));
}

const char *lat__index_key(int index, const struct lat_row *row, struct lat_buf *key)
{
    const char *name = lat__index(index)->columns;

    lat_buf_clear(key);
    for (;;) {
        size_t len = strcspn(name, "/");
        const struct lat_field *field = column_named(row->table, name, len);
        bool is_last = name[len] == '\0';

        if (field->kind == LAT_KIND_INT) {
            if (is_last && lat_row_int(row, field) == 0) {
                return NULL;
            }
            lat_buf_addf(key, "%" PRId64, lat_row_int(row, field));
        } else {
            const char *text = lat_row_text(row, field);

            if (is_last && text[0] == '\0') {
                return NULL;
            }
            lat_buf_add_text(key, text);
        }
        if (is_last) {
            return lat_buf_text(key);
        }
        lat_buf_add_byte(key, '/');
        name += len + 1;
    }
}

bool lat__index_same(int index, const struct lat_row *a, const struct lat_row *b)
{
    const char *name = lat__index(index)->columns;

    for (;;) {
        size_t len = strcspn(name, "/");
        const struct lat_field *field = column_named(a->table, name, len);
        bool same = field->kind == LAT_KIND_INT
                        ? lat_row_int(a, field) == lat_row_int(b, field)
                        : strcmp(lat_row_text(a, field), lat_row_text(b, field)) == 0;

        if (!same || name[len] == '\0') {
            return same;
        }
        name += len + 1;
    }
}

/* Brings the indexes of a table from a row of an entry's to the next; either may be NULL. What keeps its key stays. */
static void reindex(struct lat__layer *layer, const struct lat__entry *entry,
                    const struct lat_row *before, const struct lat_row *after)
{
    int table = before != NULL ? before->table : after->table;

    for (int i = 0; i < LAT_INDEX_COUNT; i++) {
        if (lat__index(i)->table != table ||
            (before != NULL && after != NULL && lat__index_same(i, before, after))) {
            continue;
        }
        const char *key = before == NULL ? NULL : lat__index_key(i, before, &layer->scratch);

        if (key != NULL) {
            lat__set_remove(layer->indexes[i], key, entry->id);
        }
        key = after == NULL ? NULL : lat__index_key(i, after, &layer->scratch);
        if (key != NULL) {
            if (layer->indexes[i] == NULL) {
                layer->indexes[i] = lat__set_new();
            }
            lat__set_put(layer->indexes[i], key, entry);
        }
    }
}

/* The same for the order of a table, which has every row. */
static void reorder(struct lat__layer *layer, int table, const struct lat__entry *entry,
                    const struct lat_row *before, const struct lat_row *after)
{
    if (!layer->is_ordered || (before == NULL) == (after == NULL)) {
        return;
    }
    if (after == NULL) {
        lat__set_remove(layer->order[table], "", entry->id);
        return;
    }
    if (layer->order[table] == NULL) {
        layer->order[table] = lat__set_new();
    }
    lat__set_put(layer->order[table], "", entry);
}

/* ---- one layer ---- */

void lat__layer_done(struct lat__layer *layer)
{
    for (size_t i = 0; i < layer->few_count; i++) {
        lat_row_unref(layer->few[i]->row);
        free(layer->few[i]);
    }
    layer->few_count = 0;
    lat_buf_done(&layer->scratch);
    for (int i = 0; i < LAT_INDEX_COUNT; i++) {
        layer->indexes[i] = lat__set_free(layer->indexes[i]);
    }
    for (int t = 0; t < LAT_TABLE_COUNT; t++) {
        void *cursor = NULL;
        const char *id;
        void *value;

        layer->order[t] = lat__set_free(layer->order[t]);
        if (layer->entries[t] == NULL) {
            continue;
        }
        while (lat_map_next(layer->entries[t], &cursor, &id, &value)) {
            struct lat__entry *entry = value;

            lat_row_unref(entry->row);
            free(entry);
        }
        layer->entries[t] = lat_map_free(layer->entries[t]);
    }
}

struct lat__entry *lat__layer_entry(const struct lat__layer *layer, int table, const char *id)
{
    LAT_ASSERT(table >= 0 && table < LAT_TABLE_COUNT);
    for (size_t i = 0; i < layer->few_count; i++) {
        if (layer->few[i]->table == table && strcmp(layer->few[i]->id, id) == 0) {
            return layer->few[i];
        }
    }
    return layer->entries[table] == NULL ? NULL : lat_map_get(layer->entries[table], id);
}

static void map_entry(struct lat__layer *layer, struct lat__entry *entry)
{
    if (layer->entries[entry->table] == NULL) {
        layer->entries[entry->table] = lat_map_new();
    }
    lat_map_put(layer->entries[entry->table], entry->id, entry);
}

/* There are more than a few: from now on they are in maps and indexes. */
static void become_many(struct lat__layer *layer)
{
    layer->is_many = true;
    for (size_t i = 0; i < layer->few_count; i++) {
        map_entry(layer, layer->few[i]);
        if (layer->few[i]->row != NULL) {
            reindex(layer, layer->few[i], NULL, layer->few[i]->row);
        }
    }
    layer->few_count = 0;
}

static void forget_few(struct lat__layer *layer, const struct lat__entry *entry)
{
    size_t kept = 0;

    for (size_t i = 0; i < layer->few_count; i++) {
        if (layer->few[i] != entry) {
            layer->few[kept++] = layer->few[i];
        }
    }
    layer->few_count = kept;
}

/* Puts a row (a reference is taken; NULL: none) in the place of an entry's. */
static void set_row(struct lat__layer *layer, struct lat__entry *entry, const struct lat_row *row)
{
    const struct lat_row *before = entry->row;

    if (row != NULL) {
        lat_row_ref(row); /* before the old one goes: it may be the same */
    }
    if (layer->is_many && (row != NULL || before != NULL)) {
        reindex(layer, entry, before, row);
        reorder(layer, entry->table, entry, before, row);
    }
    entry->row = row;
    lat_row_unref(before);
}

struct lat__entry *lat__layer_put(struct lat__layer *layer, int table, const char *id,
                                  const struct lat_row *row, uint64_t stamp, const char *project_id)
{
    struct lat__entry *entry = lat__layer_entry(layer, table, id);

    if (entry == NULL) {
        entry = LAT_NEW(struct lat__entry);
        entry->table = table;
        lat_text_bound(entry->id, sizeof(entry->id), id);
        if (!layer->is_many && (layer->is_ordered || layer->few_count == LAT__FEW)) {
            become_many(layer);
        }
        if (layer->is_many) {
            map_entry(layer, entry);
        } else {
            layer->few[layer->few_count++] = entry;
        }
    }
    lat__layer_set(layer, entry, row, stamp, project_id);
    return entry;
}

void lat__layer_set(struct lat__layer *layer, struct lat__entry *entry, const struct lat_row *row,
                    uint64_t stamp, const char *project_id)
{
    set_row(layer, entry, row);
    entry->stamp = stamp;
    lat_text_bound(entry->project_id, sizeof(entry->project_id), project_id);
}

void lat__layer_drop(struct lat__layer *layer, struct lat__entry *entry)
{
    set_row(layer, entry, NULL);
    if (layer->is_many) {
        lat_map_remove(layer->entries[entry->table], entry->id);
    } else {
        forget_few(layer, entry);
    }
    free(entry);
}

/* ---- several layers ---- */

struct lat__entry *lat__layers_entry(const struct lat__layer *const *layers, size_t count,
                                     int table, const char *id)
{
    for (size_t i = 0; i < count; i++) {
        struct lat__entry *entry = lat__layer_entry(layers[i], table, id);

        if (entry != NULL) {
            return entry;
        }
    }
    return NULL;
}

/* As find_in_layer, of a layer with few entries. */
static const struct lat_row *find_in_few(const struct lat__layer *const *layers, size_t at,
                                         int index, const char *key, const char *after)
{
    const struct lat_row *first = NULL;
    struct lat_buf scratch = {0};

    for (size_t i = 0; i < layers[at]->few_count; i++) {
        const struct lat__entry *entry = layers[at]->few[i];

        if (entry->table != lat__index(index)->table || entry->row == NULL ||
            strcmp(entry->id, after) <= 0 || (first != NULL && strcmp(entry->id, first->id) >= 0)) {
            continue;
        }
        const char *its = lat__index_key(index, entry->row, &scratch);

        if (its != NULL && strcmp(its, key) == 0 &&
            lat__layers_entry(layers, at, entry->table, entry->id) == NULL) {
            first = entry->row;
        }
    }
    lat_buf_done(&scratch);
    return first;
}

/* Returns the first row of one layer with that key and an id behind `after` that no layer above it hides. */
static const struct lat_row *find_in_layer(const struct lat__layer *const *layers, size_t at,
                                           int index, const char *key, const char *after)
{
    int table = lat__index(index)->table;
    struct lat__set_node *node = lat__set_seek(layers[at]->indexes[index], key, after);

    if (layers[at]->few_count > 0) {
        return find_in_few(layers, at, index, key, after);
    }

    for (; node != NULL && strcmp(lat__set_key(node), key) == 0; node = lat__set_after(node)) {
        const struct lat_row *row = lat__set_row(node);

        if (strcmp(row->id, after) > 0 && lat__layers_entry(layers, at, table, row->id) == NULL) {
            return row;
        }
    }
    return NULL;
}

const struct lat_row *lat__layers_find(const struct lat__layer *const *layers, size_t count,
                                       int index, const char *key, const char *after)
{
    const struct lat_row *first = NULL;

    for (size_t i = 0; i < count; i++) {
        const struct lat_row *row = find_in_layer(layers, i, index, key, after);

        if (row != NULL && (first == NULL || strcmp(row->id, first->id) < 0)) {
            first = row;
        }
    }
    return first;
}

void lat__project_of(const struct lat__layer *const *layers, size_t count, int table,
                     const char *id, const struct lat_row *row, char ret_project_id[LAT_ID_SIZE])
{
    const char *workload_id = NULL;

    ret_project_id[0] = '\0';
    if (table == LAT_TABLE_PROJECT) {
        lat_text_bound(ret_project_id, LAT_ID_SIZE, id);
        return;
    }
    if (row != NULL && table == LAT_TABLE_WORKLOAD) {
        lat_text_bound(ret_project_id, LAT_ID_SIZE, ((const struct lat_workload *)row)->project_id);
        return;
    }
    if (row != NULL && table == LAT_TABLE_ALLOCATION) {
        workload_id = ((const struct lat_allocation *)row)->workload_id;
    } else if (row != NULL && table == LAT_TABLE_ENDPOINT) {
        workload_id = ((const struct lat_endpoint *)row)->workload_id;
    } else if (row != NULL && table == LAT_TABLE_EVALUATION) {
        workload_id = ((const struct lat_evaluation *)row)->workload_id;
    }
    /* Its workload's, even of one that is being removed; else what it was before. */
    for (size_t i = 0; i < count && ret_project_id[0] == '\0' && workload_id != NULL; i++) {
        const struct lat__entry *entry =
            lat__layer_entry(layers[i], LAT_TABLE_WORKLOAD, workload_id);

        if (entry != NULL && entry->row != NULL) {
            lat_text_bound(ret_project_id, LAT_ID_SIZE,
                           ((const struct lat_workload *)entry->row)->project_id);
        } else if (entry != NULL) {
            lat_text_bound(ret_project_id, LAT_ID_SIZE, entry->project_id);
        }
    }
    for (size_t i = 0; i < count && ret_project_id[0] == '\0'; i++) {
        const struct lat__entry *entry = lat__layer_entry(layers[i], table, id);

        if (entry != NULL) {
            lat_text_bound(ret_project_id, LAT_ID_SIZE, entry->project_id);
        }
    }
}
