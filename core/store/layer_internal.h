/* Rows in layers. What a transaction sees is the topmost entry of an id:
 *
 *     transaction   its own puts and removals, private until it is committed
 *     staged        committed by its caller, not yet durable
 *     committed     durable; what readers and watchers see
 *
 * All layers are one kind of thing: entries by id, and the secondary indexes over them. */
#ifndef LAT_STORE_LAYER_INTERNAL_H
#define LAT_STORE_LAYER_INTERNAL_H

#include "store/store.h"

#include "base/map.h"

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

/* The last node before (key, id); with "" for both the last of all. NULL where there is none. */
struct lat__set_node *lat__set_before(const struct lat__set *set, const char *key, const char *id);
struct lat__set_node *lat__set_first(const struct lat__set *set);
struct lat__set_node *lat__set_after(const struct lat__set_node *node);
const struct lat_row *lat__set_row(const struct lat__set_node *node);
const char *lat__set_key(const struct lat__set_node *node);

/* ---- layers (layer.c) ---- */

struct lat__entry {
    int table;
    const struct lat_row *row; /* holds a reference; NULL: removed in this layer */
    uint64_t stamp;            /* meaning is up to the layer's owner */
    char id[LAT_ID_SIZE];
    char project_id[LAT_ID_SIZE]; /* "" for none, or not known yet */
};

enum { LAT__FEW = 4 };

/* A layer begins with a few entries that are looked through one by one: most transactions touch a row or two, and maps and indexes of
 * their own would cost more than all the rest of them. */
struct lat__layer {
    bool is_ordered;  /* also keeps each table in order of id */
    bool is_many;     /* entries are in the maps, rows in the indexes */
    size_t few_count; /* else they are here, in order of birth */
    struct lat__entry *few[LAT__FEW];
    struct lat_map *entries[LAT_TABLE_COUNT]; /* id -> struct lat__entry; NULL while empty */
    struct lat__set *order[LAT_TABLE_COUNT];
    struct lat__set *indexes[LAT_INDEX_COUNT];
    struct lat_buf scratch; /* keys are made here */
};

void lat__layer_done(struct lat__layer *layer);
struct lat__entry *lat__layer_entry(const struct lat__layer *layer, int table, const char *id);

/* Puts a row (a reference is taken), or with NULL the mark that it is removed. Returns the entry. */
struct lat__entry *lat__layer_put(struct lat__layer *layer, int table, const char *id,
                                  const struct lat_row *row, uint64_t stamp,
                                  const char *project_id);

/* The same for an entry that is in the layer. */
void lat__layer_set(struct lat__layer *layer, struct lat__entry *entry, const struct lat_row *row,
                    uint64_t stamp, const char *project_id);

/* Forgets what the layer says of an id: its entry, which is freed. */
void lat__layer_drop(struct lat__layer *layer, struct lat__entry *entry);

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

/* Project that a row belongs to, seen through the layers; "" for none. `row` may be NULL: a removed one. */
void lat__project_of(const struct lat__layer *const *layers, size_t count, int table,
                     const char *id, const struct lat_row *row, char ret_project_id[LAT_ID_SIZE]);

#endif
