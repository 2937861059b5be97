/* Files in the folder of policies that somebody took for a policy: `placment.lua` decides nothing, and nobody would know.
 *
 *   every look: names in the folder ─► like a policy's, and none ─► not seen yet, or saved since ─► one line in the log
 *
 * What an editor leaves beside a file (.placement.lua.swp, placement.lua~, #placement.lua#), and what we do (placement.lua.refused),
 * is the file's own name with something before or after it: that is no mistake. Belongs to the state loop. */
#include "policies_internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* More than so many at a time are not looked at: somebody keeps other things in that folder. */
enum { STRAYS_MAX = 16 };

struct stray {
    char *name; /* owned */
    struct stat seen;
    bool is_there;
};

struct lat__strays {
    char *dir; /* owned */
    struct lat_log *log;
    size_t count;
    struct stray strays[STRAYS_MAX];
};

struct lat__strays *lat__strays_new(const char *dir, struct lat_log *log)
{
    struct lat__strays *all = LAT_NEW(struct lat__strays);

    all->dir = lat_text_copy(dir);
    all->log = log;
    return all;
}

struct lat__strays *lat__strays_free(struct lat__strays *all)
{
    if (all != NULL) {
        for (size_t i = 0; i < all->count; i++) {
            free(all->strays[i].name);
        }
        free(all->dir);
        free(all);
    }
    return NULL;
}

/* Tells whether somebody who wrote this name wanted a policy's. */
static bool is_stray(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; lat__policy_files[i] != NULL; i++) {
        if (lat_text_starts(name, lat__policy_files[i])) {
            return false; /* it is one, or a copy of one */
        }
    }
    if (name[0] == '.' || name[0] == '#' || name[len - 1] == '~') {
        return false;
    }
    return (len > 4 && strcasecmp(name + len - 4, ".lua") == 0) ||
           lat_text_nearest(name, lat__policy_files) != NULL;
}

static void say(const struct lat__strays *all, const char *name)
{
    struct lat_buf names = {0};
    char shown[128];

    for (size_t i = 0; lat__policy_files[i] != NULL; i++) {
        lat_buf_addf(&names, "%s%s", i > 0 ? ", " : "", lat__policy_files[i]);
    }
    lat_text_bound(shown, sizeof(shown), name);
    lat_text_clean(shown);
    lat_log(all->log, LAT_LOG_WARN,
            "a file in the folder of policies decides nothing: its name is no policy's",
            LAT_STR("file", shown), LAT_STR("nearest", lat_text_nearest(name, lat__policy_files)),
            LAT_STR("names", lat_buf_text(&names)));
    lat_buf_done(&names);
}

/* The one of that name, new if need be; NULL when there are too many. */
static struct stray *stray_named(struct lat__strays *all, const char *name)
{
    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(all->strays[i].name, name) == 0) {
            return &all->strays[i];
        }
    }
    if (all->count == STRAYS_MAX) {
        return NULL;
    }
    struct stray *stray = &all->strays[all->count++];

    *stray = (struct stray){.name = lat_text_copy(name)};
    return stray;
}

static void on_name(void *arg, const char *name)
{
    struct lat__strays *all = arg;
    struct stat now;

    if (!is_stray(name) || !lat_text_is_utf8(name, strlen(name))) {
        return;
    }
    char *path = lat_text_format("%s/%s", all->dir, name);
    bool is_file = stat(path, &now) == 0 && S_ISREG(now.st_mode);
    struct stray *stray = is_file ? stray_named(all, name) : NULL;

    free(path);
    if (stray == NULL) {
        return;
    }
    if (stray->seen.st_ino != now.st_ino || stray->seen.st_size != now.st_size ||
        stray->seen.st_mtim.tv_sec != now.st_mtim.tv_sec ||
        stray->seen.st_mtim.tv_nsec != now.st_mtim.tv_nsec) {
        say(all, name);
    }
    stray->seen = now;
    stray->is_there = true;
}

void lat__strays_look(struct lat__strays *all)
{
    size_t kept = 0;

    for (size_t i = 0; i < all->count; i++) {
        all->strays[i].is_there = false;
    }
    if (lat_dir_list(all->dir, on_name, all, NULL) != 0) {
        return; /* there is no folder at present: the policies' own files say so */
    }
    for (size_t i = 0; i < all->count; i++) {
        if (all->strays[i].is_there) {
            all->strays[kept++] = all->strays[i];
        } else {
            free(all->strays[i].name);
        }
    }
    all->count = kept;
}
