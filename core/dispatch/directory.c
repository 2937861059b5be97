/* The directory of links: a map under a mutex. An entry's link is touched on its own loop alone, where it is also taken out;
 * so finding it there and using it in the same call is safe without the mutex. */
#include "dispatch/directory.h"

#include "base/map.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

struct entry {
    struct lat_link *link;
    struct lat_loop *loop;
};

struct lat_link_directory {
    pthread_mutex_t lock;
    struct lat_map *entries; /* node id -> struct entry, owned */
};

struct lat_link_directory *lat_link_directory_new(void)
{
    struct lat_link_directory *directory = LAT_NEW(struct lat_link_directory);
    pthread_mutex_init(&directory->lock, NULL);
    directory->entries = lat_map_new();
    return directory;
}

struct lat_link_directory *lat_link_directory_free(struct lat_link_directory *directory)
{
    if (!directory)
        return NULL;
    LAT_ASSERT(lat_map_count(directory->entries) == 0);
    lat_map_free(directory->entries);
    pthread_mutex_destroy(&directory->lock);
    free(directory);
    return NULL;
}

static struct entry find(struct lat_link_directory *directory, const char *node_id)
{
    pthread_mutex_lock(&directory->lock);
    const struct entry *entry = lat_map_get(directory->entries, node_id);
    struct entry found = entry ? *entry : (struct entry){0};
    pthread_mutex_unlock(&directory->lock);
    return found;
}

struct lat_loop *lat_link_directory_loop_of(struct lat_link_directory *directory,
                                            const char *node_id)
{
    return find(directory, node_id).loop;
}

int lat_link_directory_open(struct lat_link_directory *directory, const char *node_id,
                            const struct lat_stream_header *header, lat_link_reply_fn *fn,
                            void *arg, struct lat_stream **ret_stream, struct lat_err *err)
{
    struct entry entry = find(directory, node_id);
    if (!entry.link || !lat_loop_is_current(entry.loop)) {
        lat_err_set(err, LAT_E_UNAVAILABLE, "The node is not connected to this console now.");
        return lat_err_hint(err, "It goes on by itself once the node's agent has reconnected.");
    }
    struct lat_buf text = {0};
    lat_stream_header_write(header, &text);
    int code =
        lat_link_open(entry.link, (const char *)text.bytes, text.len, fn, arg, ret_stream, err);
    lat_buf_done(&text);
    return code;
}

void lat_link_directory_enter(struct lat_link_directory *directory, const char *node_id,
                              struct lat_link *link)
{
    struct entry *entry = LAT_NEW(struct entry);
    entry->link = link;
    entry->loop = lat_link_loop(link);
    LAT_ASSERT(lat_loop_is_current(entry->loop));
    pthread_mutex_lock(&directory->lock);
    struct entry *older = lat_map_put(directory->entries, node_id, entry);
    pthread_mutex_unlock(&directory->lock);
    free(older);
}

void lat_link_directory_leave(struct lat_link_directory *directory, const char *node_id,
                              struct lat_link *link)
{
    pthread_mutex_lock(&directory->lock);
    struct entry *entry = lat_map_get(directory->entries, node_id);
    if (entry && entry->link == link)
        lat_map_remove(directory->entries, node_id);
    else
        entry = NULL;
    pthread_mutex_unlock(&directory->lock);
    free(entry);
}
