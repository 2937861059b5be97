#include "syncs.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

int __real_fsync(int fd);
int __real_fdatasync(int fd);
int __real_rename(const char *from, const char *to);
int __real_mkdir(const char *path, mode_t mode);
ssize_t __real_write(int fd, const void *bytes, size_t len);

int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_rename(const char *from, const char *to);
int __wrap_mkdir(const char *path, mode_t mode);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);

static char story[256];
static char names[1024];

void syncs_clear(void)
{
    story[0] = '\0';
    names[0] = '\0';
}

const char *syncs_story(void)
{
    return story;
}

const char *syncs_names(void)
{
    return names;
}

static void tell(char what)
{
    size_t len = strlen(story);

    if (len + 1 < sizeof(story) && !(what == 'w' && len > 0 && story[len - 1] == 'w')) {
        story[len] = what;
        story[len + 1] = '\0';
    }
}

static void list(int fd)
{
    DIR *dir = fdopendir(dup(fd));
    const struct dirent *entry;

    strcpy(names, " ");
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        size_t len = strlen(names);

        snprintf(names + len, sizeof(names) - len, "%s ", entry->d_name);
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

static void tell_sync(int fd)
{
    struct stat stats;

    if (fstat(fd, &stats) == 0 && S_ISDIR(stats.st_mode)) {
        tell('S');
        list(fd);
    } else {
        tell('s');
    }
}

int __wrap_fsync(int fd)
{
    tell_sync(fd);
    return __real_fsync(fd);
}

int __wrap_fdatasync(int fd)
{
    tell_sync(fd);
    return __real_fdatasync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
    tell('r');
    return __real_rename(from, to);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    tell('m');
    return __real_mkdir(path, mode);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
    tell('w');
    return __real_write(fd, bytes, len);
}
