/* Files, whole: read, replace atomically, lock, watch. The blocking ones are for start-up, workers and small files. */
#ifndef LAT_IO_FILE_H
#define LAT_IO_FILE_H

#include "base/buf.h"
#include "base/err.h"
#include "io/loop.h"

/* Reads a file of at most max bytes into out (appended). NOT_FOUND when there is none. */
int lat_file_read(const char *path, size_t max, struct lat_buf *out,
                  struct lat_err *err) LAT_MUST_USE;

/* Replaces the file with these bytes: temporary file, fsync, rename, fsync of the folder. mode is for a new file. */
int lat_file_replace(const char *path, const void *bytes, size_t len, unsigned mode,
                     struct lat_err *err) LAT_MUST_USE;

/* Removes a file, durably; one that is not there is no error. */
int lat_file_remove(const char *path, struct lat_err *err) LAT_MUST_USE;

/* Makes a folder and those above it, durably. */
int lat_dir_make(const char *path, unsigned mode, struct lat_err *err) LAT_MUST_USE;

/* Calls fn for every name in the folder, sorted, without "." and "..". */
int lat_dir_list(const char *path, void (*fn)(void *arg, const char *name), void *arg,
                 struct lat_err *err) LAT_MUST_USE;

/* Removes from a folder the temporary files of replacements that were killed half way. For who holds its lock; what cannot be removed
 * stays. */
void lat_dir_sweep(const char *path);

bool lat_file_exists(const char *path);

/* Tells whether reading it ends: it is a plain file, or a link to one, or there is none. A pipe would keep its reader waiting. */
bool lat_file_is_plain(const char *path);

/* ---- a disk: where small files of a program's state lie ---- */

struct lat_disk;

/* What another disk than the system's does (for simulation), each as the function above of the same name. Modes are the system's
 * own matter. Blocking; called from workers too. */
struct lat_disk_class {
    int (*read)(struct lat_disk *disk, const char *path, size_t max, struct lat_buf *out,
                struct lat_err *err);
    int (*replace)(struct lat_disk *disk, const char *path, const void *bytes, size_t len,
                   struct lat_err *err);
    int (*remove)(struct lat_disk *disk, const char *path, struct lat_err *err);
    int (*rename)(struct lat_disk *disk, const char *from, const char *to, struct lat_err *err);
    int (*list)(struct lat_disk *disk, const char *path, void (*fn)(void *arg, const char *name),
                void *arg, struct lat_err *err);
    int (*make_dir)(struct lat_disk *disk, const char *path, struct lat_err *err);
};

/* The head of every implementation's struct. */
struct lat_disk {
    const struct lat_disk_class *class;
};

/* The functions above on a disk; NULL is the system's. A rename replaces and need not be durable. */
int lat_disk_read(struct lat_disk *disk, const char *path, size_t max, struct lat_buf *out,
                  struct lat_err *err) LAT_MUST_USE;
int lat_disk_replace(struct lat_disk *disk, const char *path, const void *bytes, size_t len,
                     unsigned mode, struct lat_err *err) LAT_MUST_USE;
int lat_disk_remove(struct lat_disk *disk, const char *path, struct lat_err *err) LAT_MUST_USE;
int lat_disk_rename(struct lat_disk *disk, const char *from, const char *to,
                    struct lat_err *err) LAT_MUST_USE;
int lat_disk_list(struct lat_disk *disk, const char *path, void (*fn)(void *arg, const char *name),
                  void *arg, struct lat_err *err) LAT_MUST_USE;
int lat_disk_make_dir(struct lat_disk *disk, const char *path, unsigned mode,
                      struct lat_err *err) LAT_MUST_USE;

/* ---- the process ---- */

/* Raises the number of descriptors that this process may have open as far as the system allows without asking. */
void lat_descriptors_raise(void);

/* Takes an exclusive lock on path for the life of the process; CONFLICT when another process holds it. */
int lat_file_lock(const char *path, int *ret_fd, struct lat_err *err) LAT_MUST_USE;

/* Calls fn(arg) soon after something in the folder changed (changes close together give one call), or another folder took its
 * place; within some seconds where that is because a link points elsewhere, or where one of these files (names in the folder, ended
 * by NULL; NULL: none) is a link and what it points to was written. */
struct lat_watch;
int lat_watch_start(struct lat_loop *loop, const char *dir, const char *const *files,
                    lat_call_fn *fn, void *arg, struct lat_watch **ret_watch,
                    struct lat_err *err) LAT_MUST_USE;
struct lat_watch *lat_watch_free(struct lat_watch *watch);

#endif
