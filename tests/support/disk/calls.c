/* The calls of a program on the disk: each is counted, asks the rules, and does what they leave of it. */
#include "disk_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void sim__disk_lock(struct sim_disk *disk)
{
    LAT_ASSERT(pthread_mutex_lock(&disk->lock) == 0);
}

void sim__disk_unlock(struct sim_disk *disk)
{
    LAT_ASSERT(pthread_mutex_unlock(&disk->lock) == 0);
}

/* Ends a call that the program itself got wrong: a file that is not there, say. */
static int refuse(struct sim_disk *disk, int error)
{
    disk->last_errno = error;
    return error;
}

static bool has_folder(const struct sim_disk *disk, const char *path)
{
    char *folder = sim__folder_of(path);
    const struct sim__inode *inode = sim__names_find(&disk->seen, folder);

    free(folder);
    return inode != NULL && inode->is_folder;
}

/* ---- files ---- */

int sim__disk_open(struct sim_disk *disk, const char *path, bool makes, bool must_be_new,
                   struct sim__handle *ret_handle)
{
    struct sim__inode *inode = sim__names_find(&disk->seen, path);
    bool is_new = inode == NULL && makes;
    struct sim__verdict verdict = sim__disk_ask(disk, SIM_DISK_OPEN, is_new, path, 0);

    if (verdict.error == 0 || verdict.happens) {
        if (inode == NULL && !makes) {
            return refuse(disk, ENOENT);
        }
        if (inode != NULL && (must_be_new || inode->is_folder)) {
            return refuse(disk, must_be_new ? EEXIST : EISDIR);
        }
        if (is_new && !has_folder(disk, path)) {
            return refuse(disk, ENOENT);
        }
    }
    if (is_new && verdict.happens) {
        inode = LAT_NEW(struct sim__inode);
        sim__entry_change(disk, NULL, path, inode);
    }
    if (verdict.error == 0) {
        sim__inode_ref(inode);
        disk->open++;
        *ret_handle = (struct sim__handle){disk, inode, lat_text_copy(path), disk->life};
    }
    return sim__disk_answer(disk, &verdict);
}

void sim__disk_close(struct sim__handle *handle)
{
    if (handle->inode->locked_by == handle) {
        handle->inode->locked_by = NULL;
        handle->inode->lock = 0;
    }
    handle->disk->open--;
    sim__inode_unref(handle->inode);
    free(handle->path);
    *handle = (struct sim__handle){0};
}

int sim__disk_read(struct sim__handle *handle, size_t offset, void *bytes, size_t len,
                   size_t *ret_len)
{
    const struct sim__content *now = &handle->inode->now;
    struct sim__verdict verdict =
        sim__disk_ask(handle->disk, SIM_DISK_READ, false, handle->path, handle->life);
    size_t there = offset >= now->len ? 0 : now->len - offset;

    if (verdict.error == 0) {
        *ret_len = there < len ? there : len;
        if (*ret_len > 0) {
            sim__content_read(now, offset, bytes, *ret_len);
        }
    }
    return sim__disk_answer(handle->disk, &verdict);
}

int64_t sim__disk_used(const struct sim_disk *disk)
{
    int64_t used = 0;

    for (size_t i = 0; i < disk->seen.count; i++) {
        used += (int64_t)disk->seen.list[i].inode->now.len;
    }
    return used;
}

/* How much of a write fits on the disk. */
static size_t fitting(struct sim_disk *disk, const struct sim__inode *inode, size_t offset,
                      size_t len)
{
    int64_t more = (int64_t)(offset + len) - (int64_t)inode->now.len;
    int64_t room = disk->capacity == INT64_MAX ? INT64_MAX : disk->capacity - sim__disk_used(disk);

    if (more <= 0 || more <= room) {
        return len;
    }
    int64_t fits = (int64_t)len - (more - (room < 0 ? 0 : room));

    return fits < 0 ? 0 : (size_t)fits;
}

int sim__disk_write(struct sim__handle *handle, size_t offset, const void *bytes, size_t len)
{
    struct sim_disk *disk = handle->disk;
    struct sim__verdict verdict =
        sim__disk_ask(disk, SIM_DISK_WRITE, true, handle->path, handle->life);
    size_t part = verdict.is_partial ? (size_t)lat_random_below(disk->random, len + 1) : len;
    size_t fits = fitting(disk, handle->inode, offset, part);

    if (verdict.happens) {
        sim__inode_write(handle->inode, offset, bytes, fits);
        if (fits < part && verdict.error == 0) {
            verdict.error = ENOSPC;
        }
    }
    return sim__disk_answer(disk, &verdict);
}

int sim__disk_truncate(struct sim__handle *handle, size_t len)
{
    struct sim__verdict verdict =
        sim__disk_ask(handle->disk, SIM_DISK_TRUNCATE, true, handle->path, handle->life);

    if (verdict.happens) {
        sim__inode_truncate(handle->inode, len);
    }
    return sim__disk_answer(handle->disk, &verdict);
}

int sim__disk_sync(struct sim__handle *handle)
{
    struct sim_disk *disk = handle->disk;
    struct sim__verdict verdict =
        sim__disk_ask(disk, SIM_DISK_SYNC, true, handle->path, handle->life);

    if (verdict.happens && !disk->lies) {
        sim__inode_sync(handle->inode);
    } else if (verdict.loses) {
        sim__inode_lose(handle->inode, disk->random);
    }
    return sim__disk_answer(disk, &verdict);
}

/* ---- names ---- */

int sim__disk_delete(struct sim_disk *disk, const char *path)
{
    const struct sim__inode *inode = sim__names_find(&disk->seen, path);
    struct sim__verdict verdict = sim__disk_ask(disk, SIM_DISK_DELETE, inode != NULL, path, 0);

    if (verdict.happens) {
        if (inode == NULL) {
            return refuse(disk, ENOENT);
        }
        sim__entry_change(disk, path, NULL, NULL);
    }
    return sim__disk_answer(disk, &verdict);
}

int sim__disk_rename(struct sim_disk *disk, const char *from, const char *to)
{
    struct sim__inode *inode = sim__names_find(&disk->seen, from);
    struct sim__verdict verdict = sim__disk_ask(disk, SIM_DISK_RENAME, inode != NULL, to, 0);

    if (verdict.happens) {
        if (inode == NULL || !has_folder(disk, to)) {
            return refuse(disk, ENOENT);
        }
        sim__entry_change(disk, from, to, inode);
    }
    return sim__disk_answer(disk, &verdict);
}

int sim__disk_make_folder(struct sim_disk *disk, const char *path)
{
    bool is_there = sim__names_find(&disk->seen, path) != NULL;
    struct sim__verdict verdict = sim__disk_ask(disk, SIM_DISK_MAKE_FOLDER, !is_there, path, 0);

    if (verdict.happens) {
        if (is_there || !has_folder(disk, path)) {
            return refuse(disk, is_there ? EEXIST : ENOENT);
        }
        struct sim__inode *folder = LAT_NEW(struct sim__inode);

        folder->is_folder = true;
        sim__entry_change(disk, NULL, path, folder);
    }
    return sim__disk_answer(disk, &verdict);
}

int sim__disk_sync_folder(struct sim_disk *disk, const char *path)
{
    struct sim__verdict verdict = sim__disk_ask(disk, SIM_DISK_SYNC_FOLDER, true, path, 0);

    if (verdict.happens) {
        const struct sim__inode *folder = sim__names_find(&disk->seen, path);

        if (folder == NULL || !folder->is_folder) {
            return refuse(disk, ENOENT);
        }
        if (!disk->lies) {
            sim__entries_sync(disk, path);
        }
    }
    return sim__disk_answer(disk, &verdict);
}
