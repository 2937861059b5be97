/* The disk itself: made, freed, looked at. */
#include "disk_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static void put_folder(struct sim_disk *disk, const char *path)
{
    struct sim__inode *folder = LAT_NEW(struct sim__inode);

    folder->is_folder = true;
    sim__names_put(&disk->seen, path, folder);
    sim__names_put(&disk->kept, path, folder);
}

struct sim_disk *sim_disk_new(uint64_t seed)
{
    struct sim_disk *disk = LAT_NEW(struct sim_disk);

    LAT_ASSERT(pthread_mutex_init(&disk->lock, NULL) == 0);
    disk->random = lat_random_new_seeded(seed);
    disk->capacity = INT64_MAX;
    disk->life = 1;
    put_folder(disk, "/");
    return disk;
}

struct sim_disk *sim_disk_copy(const struct sim_disk *disk, uint64_t seed)
{
    struct sim_disk *copy = sim_disk_new(seed);
    pthread_mutex_t *lock = (pthread_mutex_t *)&disk->lock; /* of a disk that does not change */

    LAT_ASSERT(pthread_mutex_lock(lock) == 0);
    for (size_t i = 0; i < disk->seen.count; i++) {
        const struct sim__inode *original = disk->seen.list[i].inode;
        struct sim__inode *inode = LAT_NEW(struct sim__inode);

        inode->is_folder = original->is_folder;
        sim__content_copy(&inode->now, &original->now);
        sim__content_copy(&inode->kept, &original->now);
        sim__names_put(&copy->seen, disk->seen.list[i].path, inode);
        sim__names_put(&copy->kept, disk->seen.list[i].path, inode);
    }
    LAT_ASSERT(pthread_mutex_unlock(lock) == 0);
    return copy;
}

struct sim_disk *sim_disk_free(struct sim_disk *disk)
{
    if (disk == NULL) {
        return NULL;
    }
    LAT_ASSERT(disk->open == 0);
    sim__vfs_free(disk->vfs);
    sim__entries_forget(disk);
    sim__names_done(&disk->seen);
    sim__names_done(&disk->kept);
    lat_random_free(disk->random);
    LAT_ASSERT(pthread_mutex_destroy(&disk->lock) == 0);
    free(disk);
    return NULL;
}

void sim_disk_put_folder(struct sim_disk *disk, const char *path)
{
    char *part = lat_text_copy(path);

    sim__disk_lock(disk);
    for (char *at = part + 1; *part != '\0'; at++) {
        char here = *at;

        if (here != '/' && here != '\0') {
            continue;
        }
        *at = '\0';
        if (sim__names_find(&disk->seen, part) == NULL) {
            put_folder(disk, part);
        }
        *at = here;
        if (here == '\0') {
            break;
        }
    }
    sim__disk_unlock(disk);
    free(part);
}

void sim_disk_set_capacity(struct sim_disk *disk, int64_t bytes)
{
    sim__disk_lock(disk);
    disk->capacity = bytes;
    sim__disk_unlock(disk);
}

void sim_disk_set_lying(struct sim_disk *disk, bool lies)
{
    sim__disk_lock(disk);
    disk->lies = lies;
    sim__disk_unlock(disk);
}

int64_t sim_disk_used(struct sim_disk *disk)
{
    sim__disk_lock(disk);
    int64_t used = sim__disk_used(disk);
    sim__disk_unlock(disk);
    return used;
}

uint64_t sim_disk_calls(struct sim_disk *disk, enum sim_disk_call call)
{
    LAT_ASSERT(call < SIM_DISK_CALL_COUNT || call == SIM_DISK_CHANGE);
    sim__disk_lock(disk);
    uint64_t calls = call == SIM_DISK_CHANGE ? disk->changes : disk->calls[call];
    sim__disk_unlock(disk);
    return calls;
}

uint64_t sim_disk_faults(struct sim_disk *disk)
{
    sim__disk_lock(disk);
    uint64_t faults = disk->faults;
    sim__disk_unlock(disk);
    return faults;
}

uint64_t sim_disk_cuts(struct sim_disk *disk)
{
    sim__disk_lock(disk);
    uint64_t cuts = disk->cuts;
    sim__disk_unlock(disk);
    return cuts;
}

bool sim_disk_exists(struct sim_disk *disk, const char *path)
{
    sim__disk_lock(disk);
    bool exists = sim__names_find(&disk->seen, path) != NULL;
    sim__disk_unlock(disk);
    return exists;
}

static void peek(const struct sim__content *content, struct lat_buf *out)
{
    sim__content_read(content, 0, lat_buf_reserve(out, content->len), content->len);
    out->len += content->len;
}

bool sim_disk_peek(struct sim_disk *disk, const char *path, struct lat_buf *out)
{
    sim__disk_lock(disk);
    const struct sim__inode *inode = sim__names_find(&disk->seen, path);
    if (inode != NULL) {
        peek(&inode->now, out);
    }
    sim__disk_unlock(disk);
    return inode != NULL;
}

bool sim_disk_peek_kept(struct sim_disk *disk, const char *path, struct lat_buf *out)
{
    sim__disk_lock(disk);
    const struct sim__inode *inode = sim__names_find(&disk->kept, path);
    if (inode != NULL) {
        peek(&inode->kept, out);
    }
    sim__disk_unlock(disk);
    return inode != NULL;
}
