/* A hash map from text to pointers, over uthash; keys are copied, values are borrowed. */
#ifndef LAT_BASE_MAP_H
#define LAT_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

struct lat_map;

struct lat_map *lat_map_new(void);
struct lat_map *lat_map_free(struct lat_map *map); /* values are not freed */

void *lat_map_get(const struct lat_map *map, const char *key); /* NULL when there is none */

/* Puts value (not NULL) under key; returns the value that was there, or NULL. */
void *lat_map_put(struct lat_map *map, const char *key, void *value);

/* Removes key; returns the value that was there, or NULL. */
void *lat_map_remove(struct lat_map *map, const char *key);

size_t lat_map_count(const struct lat_map *map);

/* Walks the entries in order of insertion; removing the entry just returned is allowed, any other
 * change is not (replacing a value is). Start with *cursor = NULL; returns false at the end. */
bool lat_map_next(const struct lat_map *map, void **cursor, const char **ret_key, void **ret_value);

#endif
