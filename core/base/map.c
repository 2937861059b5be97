/* A map from text to pointers: uthash with our allocator and our hash. uthash keeps the order of
 * insertion in a list through its entries, so a walk does not depend on the hash and repeats in
 * simulation. */
#include "base/map.h"

#include "base/hash_internal.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define HASH_FUNCTION(key, len, hash) (hash) = (unsigned)lat__hash((key), (len), 0)
#define uthash_malloc(size) lat_alloc(size)
#define uthash_free(memory, size) free(memory)
#include <uthash.h>
#undef HASH_INITIAL_NUM_BUCKETS
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#define HASH_INITIAL_NUM_BUCKETS 8U /* many maps hold a row or two */
#define HASH_INITIAL_NUM_BUCKETS_LOG2 3U

struct entry {
    UT_hash_handle hh;
    void *value; /* borrowed */
    char key[];
};

struct lat_map {
    struct entry *entries; /* owned; the head uthash works with */
    void *end; /* what a cursor holds after the last entry: an address that is no entry */
};

struct lat_map *lat_map_new(void)
{
    struct lat_map *map = LAT_NEW(struct lat_map);
    map->end = map;
    return map;
}

struct lat_map *lat_map_free(struct lat_map *map)
{
    if (map == NULL) {
        return NULL;
    }
    struct entry *entry = map->entries;
    HASH_CLEAR(hh, map->entries); /* frees the table; the entries stay chained */
    while (entry != NULL) {
        struct entry *next = entry->hh.next;
        free(entry);
        entry = next;
    }
    free(map);
    return NULL;
}

static struct entry *find(const struct lat_map *map, const char *key)
{
    struct entry *entry;
    HASH_FIND_STR(map->entries, key, entry);
    return entry;
}

void *lat_map_get(const struct lat_map *map, const char *key)
{
    struct entry *entry = find(map, key);
    return entry != NULL ? entry->value : NULL;
}

void *lat_map_put(struct lat_map *map, const char *key, void *value)
{
    LAT_ASSERT(value != NULL);
    struct entry *entry = find(map, key);
    if (entry != NULL) {
        void *before = entry->value;
        entry->value = value;
        return before;
    }
    size_t len = strlen(key);
    entry = lat_alloc(sizeof(*entry) + len + 1);
    entry->value = value;
    memcpy(entry->key, key, len + 1);
    HASH_ADD_KEYPTR(hh, map->entries, entry->key, len, entry);
    return NULL;
}

void *lat_map_remove(struct lat_map *map, const char *key)
{
    struct entry *entry = find(map, key);
    if (entry == NULL) {
        return NULL;
    }
    void *value = entry->value;
    HASH_DELETE(hh, map->entries, entry);
    free(entry);
    return value;
}

size_t lat_map_count(const struct lat_map *map)
{
    return HASH_COUNT(map->entries);
}

bool lat_map_next(const struct lat_map *map, void **cursor, const char **ret_key, void **ret_value)
{
    /* The cursor is the entry after the one returned, so that the caller may remove that. */
    struct entry *entry = *cursor == NULL ? map->entries : *cursor;
    if (entry == NULL || *cursor == map->end) {
        return false;
    }
    *cursor = entry->hh.next != NULL ? entry->hh.next : map->end;
    *ret_key = entry->key;
    *ret_value = entry->value;
    return true;
}
