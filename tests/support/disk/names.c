/* Which names there are, and which of them survive.
 *
 * A file that was made, renamed or deleted is so after a crash for certain only if its folder was synced; until then
 * each such change is kept or dropped by itself. A rename is one change: its target is the old file or the new one. */
#include "disk_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static struct sim__name *find(const struct sim__names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->list[i].path, path) == 0) {
            return &names->list[i];
        }
    }
    return NULL;
}

struct sim__inode *sim__names_find(const struct sim__names *names, const char *path)
{
    const struct sim__name *name = find(names, path);

    return name == NULL ? NULL : name->inode;
}

void sim__names_put(struct sim__names *names, const char *path, struct sim__inode *inode)
{
    struct sim__name *name = find(names, path);

    sim__inode_ref(inode);
    if (name != NULL) {
        sim__inode_unref(name->inode);
        name->inode = inode;
        return;
    }
    if (names->count == names->cap) {
        names->cap = names->cap == 0 ? 16 : names->cap * 2;
        names->list = lat_grow(names->list, names->cap, sizeof(*names->list));
    }
    names->list[names->count++] = (struct sim__name){lat_text_copy(path), inode};
}

void sim__names_drop(struct sim__names *names, const char *path)
{
    struct sim__name *name = find(names, path);

    if (name != NULL) {
        free(name->path);
        sim__inode_unref(name->inode);
        *name = names->list[--names->count];
    }
}

void sim__names_done(struct sim__names *names)
{
    while (names->count > 0) {
        sim__names_drop(names, names->list[names->count - 1].path);
    }
    free(names->list);
    *names = (struct sim__names){0};
}

char *sim__folder_of(const char *path)
{
    char *folder = lat_text_copy(path);
    char *slash = strrchr(folder, '/');

    LAT_ASSERT(slash != NULL);
    slash[slash == folder ? 1 : 0] = '\0';
    return folder;
}

/* ---- changes ---- */

static void change(struct sim__names *names, const struct sim__entry *entry)
{
    if (entry->gone != NULL) {
        sim__names_drop(names, entry->gone);
    }
    if (entry->path != NULL) {
        sim__names_put(names, entry->path, entry->inode);
    }
}

static void free_entry(struct sim__entry *entry)
{
    if (entry->inode != NULL) {
        sim__inode_unref(entry->inode);
    }
    free(entry->folder);
    free(entry->gone);
    free(entry->path);
    free(entry);
}

void sim__entry_change(struct sim_disk *disk, const char *gone, const char *path,
                       struct sim__inode *inode)
{
    struct sim__entry *entry = LAT_NEW(struct sim__entry);

    entry->folder = sim__folder_of(path != NULL ? path : gone);
    entry->gone = gone == NULL ? NULL : lat_text_copy(gone);
    if (path != NULL) {
        entry->path = lat_text_copy(path);
        entry->inode = inode;
        sim__inode_ref(inode);
    }
    change(&disk->seen, entry);
    if (disk->first == NULL) {
        disk->last = &disk->first;
    }
    *disk->last = entry;
    disk->last = &entry->next;
}

void sim__entries_sync(struct sim_disk *disk, const char *folder)
{
    struct sim__entry **at = &disk->first;

    while (*at != NULL) {
        struct sim__entry *entry = *at;

        if (strcmp(entry->folder, folder) == 0) {
            change(&disk->kept, entry);
            *at = entry->next;
            free_entry(entry);
        } else {
            at = &entry->next;
        }
    }
    disk->last = at;
}

void sim__entries_forget(struct sim_disk *disk)
{
    while (disk->first != NULL) {
        struct sim__entry *entry = disk->first;

        disk->first = entry->next;
        free_entry(entry);
    }
}

/* What stands in a folder that did not survive is gone with it. */
static bool drop_one_lost(struct sim__names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->list[i].path, "/") == 0) {
            continue;
        }
        char *folder = sim__folder_of(names->list[i].path);
        bool is_lost = find(names, folder) == NULL;

        free(folder);
        if (is_lost) {
            sim__names_drop(names, names->list[i].path);
            return true;
        }
    }
    return false;
}

void sim__names_lose(struct sim_disk *disk)
{
    while (disk->first != NULL) {
        struct sim__entry *entry = disk->first;

        disk->first = entry->next;
        if (lat_random_below(disk->random, 2) == 0) {
            change(&disk->kept, entry);
        }
        free_entry(entry);
    }
    while (drop_one_lost(&disk->kept)) {
    }
    sim__names_done(&disk->seen);
    for (size_t i = 0; i < disk->kept.count; i++) {
        sim__names_put(&disk->seen, disk->kept.list[i].path, disk->kept.list[i].inode);
    }
}
