/* The disk as SQLite sees it: a VFS with the manners of SQLite's own for Unix.
 *
 * It syncs the folder of a journal that it made with the journal's first sync, and of one that it deletes when it is asked to. (SQLite's
 * own does not tell when the former fails; who opens a database on the system's disk has to sync its folder by himself.)
 * There is no shared memory: WAL works with locking_mode=EXCLUSIVE alone. There are no temporary files (temp_store=MEMORY), and
 * the time is always the same. */
#include "disk_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

struct sim__vfs {
    sqlite3_vfs vfs;
    char *name;
};

struct file {
    sqlite3_file base; /* first: SQLite knows this one */
    struct sim__handle handle;
    bool syncs_folder;
};

static struct file *from(sqlite3_file *file)
{
    return (struct file *)file;
}

static struct sim_disk *disk_of(sqlite3_file *file)
{
    return from(file)->handle.disk;
}

/* ---- files ---- */

static int file_close(sqlite3_file *base)
{
    struct sim_disk *disk = disk_of(base);

    sim__disk_lock(disk);
    sim__disk_close(&from(base)->handle);
    sim__disk_unlock(disk);
    return SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *bytes, int len, sqlite3_int64 offset)
{
    struct sim_disk *disk = disk_of(base);
    size_t done = 0;

    sim__disk_lock(disk);
    int error = sim__disk_read(&from(base)->handle, (size_t)offset, bytes, (size_t)len, &done);
    sim__disk_unlock(disk);
    if (error != 0) {
        return SQLITE_IOERR_READ;
    }
    memset((char *)bytes + done, 0, (size_t)len - done);
    return done < (size_t)len ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int file_write(sqlite3_file *base, const void *bytes, int len, sqlite3_int64 offset)
{
    struct sim_disk *disk = disk_of(base);

    sim__disk_lock(disk);
    int error = sim__disk_write(&from(base)->handle, (size_t)offset, bytes, (size_t)len);
    sim__disk_unlock(disk);
    return error == 0 ? SQLITE_OK : error == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 len)
{
    struct sim_disk *disk = disk_of(base);

    sim__disk_lock(disk);
    int error = sim__disk_truncate(&from(base)->handle, (size_t)len);
    sim__disk_unlock(disk);
    return error == 0 ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

static int file_sync(sqlite3_file *base, int flags)
{
    struct file *file = from(base);
    struct sim_disk *disk = disk_of(base);

    (void)flags;
    sim__disk_lock(disk);
    int error = sim__disk_sync(&file->handle);
    if (error == 0 && file->syncs_folder) {
        char *folder = sim__folder_of(file->handle.path);

        error = sim__disk_sync_folder(disk, folder);
        file->syncs_folder = error != 0;
        free(folder);
    }
    sim__disk_unlock(disk);
    return error == 0 ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *ret_size)
{
    struct sim_disk *disk = disk_of(base);

    sim__disk_lock(disk);
    *ret_size = (sqlite3_int64)from(base)->handle.inode->now.len;
    sim__disk_unlock(disk);
    return SQLITE_OK;
}

/* One handle at a time may hold a lock of any level: whoever opens a file here wants it alone. */
static int file_lock(sqlite3_file *base, int level)
{
    struct sim__handle *handle = &from(base)->handle;
    struct sim_disk *disk = handle->disk;

    sim__disk_lock(disk);
    bool is_free = handle->inode->locked_by == NULL || handle->inode->locked_by == handle;
    if (is_free && handle->life == disk->life) {
        handle->inode->locked_by = handle;
        handle->inode->lock = level > handle->inode->lock ? level : handle->inode->lock;
    }
    sim__disk_unlock(disk);
    return is_free ? SQLITE_OK : SQLITE_BUSY;
}

static int file_unlock(sqlite3_file *base, int level)
{
    struct sim__handle *handle = &from(base)->handle;
    struct sim_disk *disk = handle->disk;

    sim__disk_lock(disk);
    if (handle->inode->locked_by == handle) {
        handle->inode->lock = level;
        handle->inode->locked_by = level == SQLITE_LOCK_NONE ? NULL : handle;
    }
    sim__disk_unlock(disk);
    return SQLITE_OK;
}

static int file_check_lock(sqlite3_file *base, int *ret_is_reserved)
{
    struct sim_disk *disk = disk_of(base);

    sim__disk_lock(disk);
    *ret_is_reserved = from(base)->handle.inode->lock >= SQLITE_LOCK_RESERVED;
    sim__disk_unlock(disk);
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int operation, void *arg)
{
    if (operation == SQLITE_FCNTL_LAST_ERRNO) {
        *(int *)arg = disk_of(base)->last_errno;
        return SQLITE_OK;
    }
    return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *base)
{
    (void)base;
    return 4096; /* as SQLite's own says; a crash here tears at any byte */
}

static int file_characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE; /* likewise: bytes beside a write are never hurt */
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_characteristics,
};

/* ---- the VFS ---- */

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags,
                    int *ret_flags)
{
    struct sim_disk *disk = vfs->pAppData;
    struct file *file = from(base);
    bool makes = (flags & SQLITE_OPEN_CREATE) != 0;
    bool is_journal =
        (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL)) != 0;

    *file = (struct file){0};
    if (path == NULL) {
        return SQLITE_CANTOPEN;
    }
    sim__disk_lock(disk);
    int error =
        sim__disk_open(disk, path, makes, (flags & SQLITE_OPEN_EXCLUSIVE) != 0, &file->handle);
    sim__disk_unlock(disk);
    if (error != 0) {
        return SQLITE_CANTOPEN;
    }
    file->base.pMethods = &methods;
    file->syncs_folder = makes && is_journal;
    if (ret_flags != NULL) {
        *ret_flags = flags;
    }
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int syncs_folder)
{
    struct sim_disk *disk = vfs->pAppData;
    char *folder = sim__folder_of(path);
    int code = SQLITE_OK;

    sim__disk_lock(disk);
    int error = sim__disk_delete(disk, path);
    if (error != 0) {
        code = error == ENOENT ? SQLITE_IOERR_DELETE_NOENT : SQLITE_IOERR_DELETE;
    } else if (syncs_folder && sim__disk_sync_folder(disk, folder) != 0) {
        code = SQLITE_IOERR_DIR_FSYNC;
    }
    sim__disk_unlock(disk);
    free(folder);
    return code;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *ret_is_there)
{
    struct sim_disk *disk = vfs->pAppData;

    sim__disk_lock(disk);
    const struct sim__inode *inode = sim__names_find(&disk->seen, path);
    *ret_is_there = inode != NULL && (flags != SQLITE_ACCESS_EXISTS || inode->now.len > 0);
    sim__disk_unlock(disk);
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *path, int size, char *ret_path)
{
    (void)vfs;
    if (path[0] != '/' || strlen(path) >= (size_t)size) {
        return SQLITE_CANTOPEN;
    }
    memcpy(ret_path, path, strlen(path) + 1);
    return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs, int len, char *ret_bytes)
{
    struct sim_disk *disk = vfs->pAppData;

    sim__disk_lock(disk);
    lat_random_bytes(disk->random, ret_bytes, (size_t)len);
    sim__disk_unlock(disk);
    return len;
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    return microseconds;
}

static int vfs_time(sqlite3_vfs *vfs, double *ret_julian_day)
{
    (void)vfs;
    *ret_julian_day = 2460000.5;
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int size, char *ret_text)
{
    struct sim_disk *disk = vfs->pAppData;

    (void)size;
    (void)ret_text;
    sim__disk_lock(disk);
    int error = disk->last_errno;
    sim__disk_unlock(disk);
    return error;
}

void sim_disk_register_vfs(struct sim_disk *disk, const char *name)
{
    struct sim__vfs *made = LAT_NEW(struct sim__vfs);

    LAT_ASSERT(disk->vfs == NULL);
    made->name = lat_text_copy(name);
    made->vfs = (sqlite3_vfs){
        .iVersion = 1,
        .szOsFile = sizeof(struct file),
        .mxPathname = SIM__PATH_MAX,
        .zName = made->name,
        .pAppData = disk,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_path,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_time,
        .xGetLastError = vfs_last_error,
    };
    LAT_ASSERT(sqlite3_vfs_register(&made->vfs, 0) == SQLITE_OK);
    disk->vfs = made;
}

struct sim__vfs *sim__vfs_free(struct sim__vfs *vfs)
{
    if (vfs != NULL) {
        LAT_ASSERT(sqlite3_vfs_unregister(&vfs->vfs) == SQLITE_OK);
        free(vfs->name);
        free(vfs);
    }
    return NULL;
}
