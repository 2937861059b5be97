/* Ordered sets of entries: skip lists.
 *
 * An entry stands for its row, whichever version that is now: a row that changes without its key changing needs nothing
 * done here. A table must be walked in order of id, and an index gives all rows of a key in order of id; both are one
 * list in order of (key, id). A skip list does that with one kind of node and without rebalancing; ids
 * ascend, so that most rows are put at the end, where nothing is searched. Heights come from a counter of the set's own, so that the
 * same operations give the same list, and what went wrong once goes wrong again.
 *
 *     height 3   head ─────────────────────────────► c ─►
 *     height 2   head ──────────► b ───────────────► c ─►
 *     height 1   head ─► a ─────► b ─────► b' ─────► c ─►
 *
 * Belongs to the state loop. */
#include "layer_internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { HEIGHT_MAX = 16 }; /* a quarter of each height goes one up: good for 4^16 rows */

struct lat__set_node {
    const struct lat__entry *entry; /* borrowed from the layer */
    const char *key;                /* behind `next` in the same piece of memory */
    struct lat__set_node *next[];
};

struct lat__set {
    uint64_t counter;
    int height;
    struct lat__set_node *last; /* NULL: empty */
    struct lat__set_node *head[HEIGHT_MAX];
    struct lat__set_node **ends[HEIGHT_MAX]; /* last link of each height, which leads nowhere */
};

struct lat__set *lat__set_new(void)
{
    struct lat__set *set = LAT_NEW(struct lat__set);

    set->height = 1;
    for (int h = 0; h < HEIGHT_MAX; h++) {
        set->ends[h] = &set->head[h];
    }
    return set;
}

struct lat__set *lat__set_free(struct lat__set *set)
{
    if (set != NULL) {
        for (struct lat__set_node *node = set->head[0], *next; node != NULL; node = next) {
            next = node->next[0];
            free(node);
        }
        free(set);
    }
    return NULL;
}

/* splitmix64 of a counter: two bits decide each step up. */
static int next_height(struct lat__set *set)
{
    uint64_t x = (set->counter += 0x9e3779b97f4a7c15u);

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    x ^= x >> 31;

    int height = 1;

    while (height < HEIGHT_MAX && (x & 3) == 0) {
        height++;
        x >>= 2;
    }
    return height;
}

static int compare(const struct lat__set_node *node, const char *key, const char *id)
{
    int order = strcmp(node->key, key);

    return order != 0 ? order : strcmp(node->entry->id, id);
}

/* Fills slots[h] with the link of height h that leads to the first node at or behind (key, id). */
static struct lat__set_node *seek(struct lat__set *set, const char *key, const char *id,
                                  struct lat__set_node **slots[HEIGHT_MAX])
{
    struct lat__set_node **links = set->head;

    for (int h = set->height - 1; h >= 0; h--) {
        while (links[h] != NULL && compare(links[h], key, id) < 0) {
            links = links[h]->next;
        }
        slots[h] = &links[h];
    }
    return links[0];
}

void lat__set_put(struct lat__set *set, const char *key, const struct lat__entry *entry)
{
    struct lat__set_node **slots[HEIGHT_MAX];
    struct lat__set_node *node = NULL;

    if (set->last != NULL && compare(set->last, key, entry->id) < 0) {
        memcpy(slots, set->ends, sizeof(slots));
    } else {
        node = seek(set, key, entry->id, slots);
    }
    LAT_ASSERT(node == NULL || compare(node, key, entry->id) != 0);
    int height = next_height(set);
    size_t key_size = strlen(key) + 1;
    size_t links_size = (size_t)height * sizeof(void *);

    node = lat_alloc(sizeof(*node) + links_size + key_size);
    node->entry = entry;
    node->key = memcpy((char *)node + sizeof(*node) + links_size, key, key_size);
    while (set->height < height) {
        slots[set->height] = &set->head[set->height];
        set->height++;
    }
    for (int h = 0; h < height; h++) {
        node->next[h] = *slots[h];
        *slots[h] = node;
        if (node->next[h] == NULL) {
            set->ends[h] = &node->next[h];
        }
    }
    if (node->next[0] == NULL) {
        set->last = node;
    }
}

void lat__set_remove(struct lat__set *set, const char *key, const char *id)
{
    struct lat__set_node **slots[HEIGHT_MAX];
    struct lat__set_node *node = seek(set, key, id, slots);

    if (node == NULL || compare(node, key, id) != 0) {
        return;
    }
    for (int h = 0; h < set->height && *slots[h] == node; h++) {
        *slots[h] = node->next[h];
        if (*slots[h] == NULL) {
            set->ends[h] = slots[h];
        }
    }
    if (set->last == node) {
        set->last =
            slots[0] == &set->head[0] ? NULL : LAT_CONTAINER(slots[0], struct lat__set_node, next);
    }
    free(node);
}

struct lat__set_node *lat__set_seek(const struct lat__set *set, const char *key, const char *id)
{
    struct lat__set_node **slots[HEIGHT_MAX];

    return set == NULL ? NULL : seek((struct lat__set *)set, key, id, slots);
}

struct lat__set_node *lat__set_before(const struct lat__set *set, const char *key, const char *id)
{
    struct lat__set_node **slots[HEIGHT_MAX];

    if (set == NULL || (key[0] == '\0' && id[0] == '\0')) {
        return set == NULL ? NULL : set->last;
    }
    seek((struct lat__set *)set, key, id, slots);
    return slots[0] == &set->head[0] ? NULL : LAT_CONTAINER(slots[0], struct lat__set_node, next);
}

struct lat__set_node *lat__set_first(const struct lat__set *set)
{
    return set == NULL ? NULL : set->head[0];
}

struct lat__set_node *lat__set_after(const struct lat__set_node *node)
{
    return node->next[0];
}

const struct lat_row *lat__set_row(const struct lat__set_node *node)
{
    return node->entry->row;
}

const char *lat__set_key(const struct lat__set_node *node)
{
    return node->key;
}
