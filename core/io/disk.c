/* Small files of a program's state, on the system's disk or on one that was given instead. Blocks, as file.c does; any thread. */
#include "io/file.h"

#include <errno.h>
#include <stdio.h>

int lat_disk_read(struct lat_disk *disk, const char *path, size_t max, struct lat_buf *out,
                  struct lat_err *err)
{
    return disk ? disk->class->read(disk, path, max, out, err) : lat_file_read(path, max, out, err);
}

int lat_disk_replace(struct lat_disk *disk, const char *path, const void *bytes, size_t len,
                     unsigned mode, struct lat_err *err)
{
    return disk ? disk->class->replace(disk, path, bytes, len, err)
                : lat_file_replace(path, bytes, len, mode, err);
}

int lat_disk_remove(struct lat_disk *disk, const char *path, struct lat_err *err)
{
    return disk ? disk->class->remove(disk, path, err) : lat_file_remove(path, err);
}

int lat_disk_rename(struct lat_disk *disk, const char *from, const char *to, struct lat_err *err)
{
    if (disk)
        return disk->class->rename(disk, from, to, err);
    return rename(from, to) < 0 ? lat_err_errno(err, errno, "rename a file") : LAT_OK;
}

int lat_disk_list(struct lat_disk *disk, const char *path, void (*fn)(void *arg, const char *name),
                  void *arg, struct lat_err *err)
{
    return disk ? disk->class->list(disk, path, fn, arg, err) : lat_dir_list(path, fn, arg, err);
}

int lat_disk_make_dir(struct lat_disk *disk, const char *path, unsigned mode, struct lat_err *err)
{
    return disk ? disk->class->make_dir(disk, path, err) : lat_dir_make(path, mode, err);
}
