/* The disk as core/io's small files see it: the steps of core/io/file.c, one call of the disk each. */
#include "disk_internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct sim_disk *from(struct lat_disk *face)
{
    return LAT_CONTAINER(face, struct sim_disk, face);
}

static int fail(struct lat_err *err, int error, const char *path)
{
    return error == ENOENT ? lat_err_set(err, LAT_E_NOT_FOUND, "%s: there is no such file.", path)
                           : lat_err_errno(err, error, path);
}

static int face_read(struct lat_disk *face, const char *path, size_t max, struct lat_buf *out,
                     struct lat_err *err)
{
    struct sim_disk *disk = from(face);
    struct sim__handle handle;
    size_t len = 0;
    int rc = 0;

    sim__disk_lock(disk);
    int error = sim__disk_open(disk, path, false, false, &handle);
    if (error == 0) {
        size_t there = handle.inode->now.len;

        if (there > max) {
            rc = lat_err_set(err, LAT_E_TOO_LARGE, "read %s: it has more than %zu bytes.", path,
                             max);
        } else {
            error = sim__disk_read(&handle, 0, lat_buf_reserve(out, there + 1), there, &len);
            out->len += error == 0 ? len : 0;
        }
        sim__disk_close(&handle);
    }
    sim__disk_unlock(disk);
    return error != 0 ? fail(err, error, path) : rc;
}

/* A file that nobody sees before it is whole. */
static int write_fresh(struct sim_disk *disk, const char *path, const void *bytes, size_t len)
{
    struct sim__handle handle;
    int error = sim__disk_open(disk, path, true, true, &handle);

    if (error == 0) {
        error = sim__disk_write(&handle, 0, bytes, len);
        error = error != 0 ? error : sim__disk_sync(&handle);
        sim__disk_close(&handle);
    }
    return error;
}

static int face_replace(struct lat_disk *face, const char *path, const void *bytes, size_t len,
                        struct lat_err *err)
{
    struct sim_disk *disk = from(face);
    char *folder = sim__folder_of(path);

    sim__disk_lock(disk);
    char *fresh = lat_text_format("%s.new-%llu", path, (unsigned long long)++disk->temporary);
    int error = write_fresh(disk, fresh, bytes, len);

    error = error != 0 ? error : sim__disk_rename(disk, fresh, path);
    if (error != 0) {
        int ignored = sim__disk_delete(disk, fresh);

        (void)ignored;
    } else {
        error = sim__disk_sync_folder(disk, folder);
    }
    sim__disk_unlock(disk);
    free(fresh);
    free(folder);
    return error == 0 ? 0 : fail(err, error, path);
}

static int face_remove(struct lat_disk *face, const char *path, struct lat_err *err)
{
    struct sim_disk *disk = from(face);
    char *folder = sim__folder_of(path);

    sim__disk_lock(disk);
    int error = sim__disk_delete(disk, path);
    error = error != 0 ? error : sim__disk_sync_folder(disk, folder);
    sim__disk_unlock(disk);
    free(folder);
    return error == 0 || error == ENOENT ? 0 : fail(err, error, path);
}

static int face_rename(struct lat_disk *face, const char *old, const char *new, struct lat_err *err)
{
    struct sim_disk *disk = from(face);

    sim__disk_lock(disk);
    int error = sim__disk_rename(disk, old, new);
    sim__disk_unlock(disk);
    return error == 0 ? 0 : fail(err, error, old);
}

/* ---- folders ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Returns the names in a folder, owned and sorted. */
static char **names_in(const struct sim_disk *disk, const char *path, size_t *ret_count)
{
    char **names = lat_alloc_array(disk->seen.count, sizeof(*names));
    size_t count = 0;

    for (size_t i = 0; i < disk->seen.count; i++) {
        const char *each = disk->seen.list[i].path;
        char *folder = sim__folder_of(each);

        if (strcmp(folder, path) == 0 && strcmp(each, "/") != 0) {
            names[count++] = lat_text_copy(strrchr(each, '/') + 1);
        }
        free(folder);
    }
    qsort(names, count, sizeof(*names), by_name);
    *ret_count = count;
    return names;
}

static int face_list(struct lat_disk *face, const char *path,
                     void (*fn)(void *arg, const char *name), void *arg, struct lat_err *err)
{
    struct sim_disk *disk = from(face);
    char **names = NULL;
    size_t count = 0;

    sim__disk_lock(disk);
    const struct sim__inode *folder = sim__names_find(&disk->seen, path);
    struct sim__verdict verdict = sim__disk_ask(disk, SIM_DISK_OPEN, false, path, 0);
    int error = sim__disk_answer(disk, &verdict);

    error = error == 0 && (folder == NULL || !folder->is_folder) ? ENOENT : error;
    if (error == 0) {
        names = names_in(disk, path, &count);
    }
    sim__disk_unlock(disk); /* fn reads files */
    for (size_t i = 0; i < count; i++) {
        fn(arg, names[i]);
        free(names[i]);
    }
    free(names);
    return error == 0 ? 0 : fail(err, error, path);
}

/* Makes one folder and syncs the one above it. */
static int make_one(struct sim_disk *disk, const char *path)
{
    const struct sim__inode *there = sim__names_find(&disk->seen, path);
    int error = 0;

    if (there == NULL) {
        char *above = sim__folder_of(path);

        error = sim__disk_make_folder(disk, path);
        error = error != 0 ? error : sim__disk_sync_folder(disk, above);
        free(above);
    }
    return there != NULL && !there->is_folder ? ENOTDIR : error;
}

static int face_make_dir(struct lat_disk *face, const char *path, struct lat_err *err)
{
    struct sim_disk *disk = from(face);
    char *part = lat_text_copy(path);
    int error = 0;

    sim__disk_lock(disk);
    for (char *at = part + 1; error == 0; at++) {
        char here = *at;

        if (here != '/' && here != '\0') {
            continue;
        }
        *at = '\0';
        error = make_one(disk, part);
        *at = here;
        if (here == '\0') {
            break;
        }
    }
    sim__disk_unlock(disk);
    free(part);
    return error == 0 ? 0 : fail(err, error, path);
}

struct lat_disk *sim_disk_small_files(struct sim_disk *disk)
{
    static const struct lat_disk_class class = {
        .read = face_read,
        .replace = face_replace,
        .remove = face_remove,
        .rename = face_rename,
        .list = face_list,
        .make_dir = face_make_dir,
    };

    disk->face.class = &class;
    return &disk->face;
}
