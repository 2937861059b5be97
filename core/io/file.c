/* Whole files. Everything here blocks: for start-up, for workers and for files of a few kilobytes. Any thread. */
#include "io/file.h"

#include "base/mem.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_STEP = 64 * 1024, WHAT_SIZE = 320, FRESH_SUFFIX = 11 };

static const char fresh_suffix[] = ".new-XXXXXX"; /* of temporary files; mkostemp sets the X */

/* Sets err to "VERB PATH: reason" from errno; a file that is not there is NOT_FOUND. */
static int fail(struct lat_err *err, const char *verb, const char *path)
{
    int failed = errno;
    char what[WHAT_SIZE];
    if (failed == ENOENT)
        return lat_err_set(err, LAT_E_NOT_FOUND, "%s %s: there is no such file.", verb, path);
    snprintf(what, sizeof(what), "%s %s", verb, path);
    return lat_err_errno(err, failed, what);
}

static int read_all(int fd, const char *path, size_t max, struct lat_buf *out, struct lat_err *err)
{
    size_t before = out->len;
    for (;;) {
        size_t left = max - (out->len - before);
        size_t step =
            left < READ_STEP ? left + 1 : READ_STEP; /* one byte more shows that it is too large */
        ssize_t len = read(fd, lat_buf_reserve(out, step), step);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0)
            return fail(err, "read", path);
        if (len == 0)
            return LAT_OK;
        if ((size_t)len > left)
            return lat_err_set(err, LAT_E_TOO_LARGE, "read %s: it has more than %zu bytes.", path,
                               max);
        out->len += (size_t)len;
    }
}

int lat_file_read(const char *path, size_t max, struct lat_buf *out, struct lat_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(err, "read", path);
    size_t before = out->len;
    int code = read_all(fd, path, max, out, err);
    if (code != LAT_OK)
        out->len = before;
    close(fd);
    return code;
}

static int write_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len) {
        ssize_t done = write(fd, bytes, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        bytes += done;
        len -= (size_t)done;
    }
    return 0;
}

/* Makes the names in the folder of a path durable. */
static int sync_folder_of(const char *path)
{
    char *folder = lat_text_copy(path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder ? 1 : 0] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0)
        return -1;
    int status = fsync(fd);
    int failed = errno;
    close(fd);
    errno = failed;
    return status;
}

static unsigned mode_of(const char *path, unsigned otherwise)
{
    struct stat there;
    return stat(path, &there) == 0 ? there.st_mode & 07777 : otherwise;
}

int lat_file_replace(const char *path, const void *bytes, size_t len, unsigned mode,
                     struct lat_err *err)
{
    char *fresh = lat_text_format("%s%s", path, fresh_suffix);
    int fd = mkostemp(fresh, O_CLOEXEC);
    int code = LAT_OK;
    if (fd < 0) {
        code = fail(err, "write", path);
    } else {
        bool written = fchmod(fd, mode_of(path, mode)) == 0 && write_all(fd, bytes, len) == 0 &&
                       fsync(fd) == 0;
        if (!written)
            code = fail(err, "write", path);
        if (close(fd) < 0 && written)
            code = fail(err, "write", path);
        if (code == LAT_OK && rename(fresh, path) < 0)
            code = fail(err, "write", path);
        if (code != LAT_OK)
            (void)unlink(fresh);
        else if (sync_folder_of(path) < 0)
            code = fail(err, "write", path);
    }
    free(fresh);
    return code;
}

int lat_file_remove(const char *path, struct lat_err *err)
{
    if (unlink(path) == 0 ? sync_folder_of(path) < 0 : errno != ENOENT)
        return fail(err, "remove", path);
    return LAT_OK;
}

int lat_dir_make(const char *path, unsigned mode, struct lat_err *err)
{
    char *part = lat_text_copy(path);
    int code = LAT_OK;
    for (char *at = part + 1; code == LAT_OK; at++) {
        if (*at && *at != '/')
            continue;
        char here = *at;
        *at = '\0';
        if (mkdir(part, mode) == 0 ? sync_folder_of(part) < 0 : errno != EEXIST)
            code = fail(err, "make the folder", part);
        *at = here;
        if (!here)
            break;
    }
    struct stat made;
    if (code == LAT_OK && stat(path, &made) == 0 && !S_ISDIR(made.st_mode)) {
        errno = ENOTDIR;
        code = fail(err, "make the folder", path);
    }
    free(part);
    return code;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int lat_dir_list(const char *path, void (*fn)(void *arg, const char *name), void *arg,
                 struct lat_err *err)
{
    DIR *dir = opendir(path);
    if (!dir)
        return fail(err, "list the folder", path);
    char **names = NULL;
    size_t count = 0;
    size_t cap = 0;
    const struct dirent *entry;
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        if (lat_text_equal(entry->d_name, ".") || lat_text_equal(entry->d_name, ".."))
            continue;
        if (count == cap) {
            cap = cap ? cap * 2 : 16;
            names = lat_grow(names, cap, sizeof(*names));
        }
        names[count++] = lat_text_copy(entry->d_name);
    }
    int code = errno ? fail(err, "list the folder", path) : LAT_OK;
    closedir(dir);
    if (count)
        qsort(names, count, sizeof(*names), by_name);
    for (size_t i = 0; i < count; i++) {
        if (code == LAT_OK)
            fn(arg, names[i]);
        free(names[i]);
    }
    free(names);
    return code;
}

static void sweep_one(void *arg, const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t len = strlen(name);
    const char *suffix = len > FRESH_SUFFIX ? name + len - FRESH_SUFFIX : "";
    const char *word = suffix + strcspn(fresh_suffix, "X");
    struct stat there;
    if (strncmp(suffix, fresh_suffix, strcspn(fresh_suffix, "X")) != 0 ||
        word[strspn(word, letters)] != '\0')
        return;
    char *path = lat_text_format("%s/%s", (const char *)arg, name);
    if (lstat(path, &there) == 0 && S_ISREG(there.st_mode))
        (void)unlink(path);
    free(path);
}

void lat_dir_sweep(const char *path)
{
    struct lat_err err;
    int code = lat_dir_list(path, sweep_one, (void *)path, &err);
    (void)code; /* a folder that cannot be read holds nothing for us to remove */
}

bool lat_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool lat_file_is_plain(const char *path)
{
    struct stat there;

    return stat(path, &there) != 0 || S_ISREG(there.st_mode);
}

void lat_descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* without it there are fewer connections */
    }
}

int lat_file_lock(const char *path, int *ret_fd, struct lat_err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(err, "lock", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int code = errno == EWOULDBLOCK
                       ? lat_err_set(err, LAT_E_CONFLICT, "Another process holds %s.", path)
                       : fail(err, "lock", path);
        close(fd);
        return code;
    }
    *ret_fd = fd;
    return LAT_OK;
}
