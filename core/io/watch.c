/* Watching a folder. Changes that come close together are told once, SETTLE_MS after the first of them: an
 * editor that saves a file makes several. A change that comes later is told again, so the last one is never
 * missed. What the system watches is a folder, not its name: where another one takes its place, that one is watched from then
 * on.
 *
 * The system tells nothing of what is behind links: that the folder's name is one and points elsewhere now, or that the file was
 * written to which a file's name points. So a worker looks at what the names stand for every LOOK_MS; one look at a time, for a
 * disk may hang. All else runs on the loop's thread. */
#include "internal.h"

#include "base/text.h"
#include "io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    WATCH_MAGIC = 0x57617463,
    SETTLE_MS = 20,
    LOST_MS = 1000, /* between looks for a folder that is gone */
    LOOK_MS = 1000, /* between looks at what names stand for */
};

/* A name, and what it stood for when it was looked at last. */
struct place {
    char *path; /* owned */
    struct stat seen;
    bool is_there;
    bool is_other; /* than before */
};

/* One look; outlives a watch that is freed while a worker has it. */
struct look {
    struct lat_watch *watch; /* NULL: freed */
    bool is_under_way;
    size_t count;          /* of places */
    struct place places[]; /* the folder, then its files */
};

struct lat_watch {
    uint32_t magic;
    uv_fs_event_t uv;
    struct lat_loop *loop;
    char *dir;     /* owned */
    bool is_moved; /* something happened to the folder itself: another one may have its name */
    bool is_lost;  /* there is no such folder at present */
    struct lat_timer settle;
    struct lat_timer next_look;
    struct look *look;
    lat_call_fn *fn;
    void *arg;
};

/* ---- what the system tells ---- */

static void on_change(uv_fs_event_t *handle, const char *name, int events, int status)
{
    struct lat_watch *watch = LAT_CONTAINER(handle, struct lat_watch, uv);
    LAT_CHECK_MAGIC(watch, WATCH_MAGIC);
    const char *slash = strrchr(watch->dir, '/');
    const char *own_name = slash != NULL ? slash + 1 : watch->dir;
    (void)events; /* whatever it was, the owner looks at the folder again */
    watch->is_moved |= status != 0 || name == NULL || strcmp(name, own_name) == 0;
    if (!lat_timer_running(&watch->settle))
        lat_timer_start(&watch->settle, SETTLE_MS, 0);
}

/* Sees to it that the folder of that name is watched, now or when there is one again. */
static void follow(struct lat_watch *watch)
{
    if (watch->is_moved || watch->is_lost) {
        uv_fs_event_stop(&watch->uv);
        watch->is_moved = false;
        watch->is_lost = uv_fs_event_start(&watch->uv, on_change, watch->dir, 0) != 0;
    }
    if (watch->is_lost)
        lat_timer_start(&watch->settle, LOST_MS, 0);
}

static void on_settled(void *arg)
{
    struct lat_watch *watch = arg;
    LAT_CHECK_MAGIC(watch, WATCH_MAGIC);
    bool was_lost = watch->is_lost;
    follow(watch);
    if (!was_lost || !watch->is_lost)
        watch->fn(watch->arg);
}

/* ---- what it does not ---- */

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Tells whether another file has the name, or something else is in it. */
static bool is_same_text(const struct stat *a, const struct stat *b)
{
    return is_same_file(a, b) && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void look_at(struct look *look)
{
    for (size_t i = 0; i < look->count; i++) {
        struct place *place = &look->places[i];
        struct stat now = {0};
        bool is_there = stat(place->path, &now) == 0;

        place->is_other = is_there != place->is_there ||
                          !(i == 0 ? is_same_file : is_same_text)(&now, &place->seen);
        place->is_there = is_there;
        place->seen = now;
    }
}

static void work_look(void *arg)
{
    look_at(arg);
}

static void look_free(struct look *look)
{
    for (size_t i = 0; i < look->count; i++) {
        free(look->places[i].path);
    }
    free(look);
}

static void on_looked(void *arg)
{
    struct look *look = arg;
    struct lat_watch *watch = look->watch;
    bool is_other = false;

    look->is_under_way = false;
    if (watch == NULL) {
        look_free(look);
        return;
    }
    for (size_t i = 0; i < look->count; i++) {
        is_other |= look->places[i].is_other;
    }
    watch->is_moved |= look->places[0].is_other;
    if (is_other && !lat_timer_running(&watch->settle)) {
        lat_timer_start(&watch->settle, SETTLE_MS, 0);
    }
    lat_timer_start(&watch->next_look, LOOK_MS, 0);
}

static void on_next_look(void *arg)
{
    struct lat_watch *watch = arg;
    LAT_CHECK_MAGIC(watch, WATCH_MAGIC);
    watch->look->is_under_way = true;
    lat_work(watch->loop, work_look, on_looked, watch->look);
}

/* Makes the look and takes the first one: what comes then is a change. */
static struct look *look_new(struct lat_watch *watch, const char *dir, const char *const *files)
{
    size_t count = 1;

    while (files != NULL && files[count - 1] != NULL) {
        count++;
    }
    struct look *look = lat_alloc(sizeof(*look) + count * sizeof(look->places[0]));

    look->watch = watch;
    look->count = count;
    look->places[0].path = lat_text_copy(dir);
    for (size_t i = 1; i < count; i++) {
        look->places[i].path = lat_text_format("%s/%s", dir, files[i - 1]);
    }
    look_at(look);
    return look;
}

/* ---- start and end ---- */

static void on_closed(uv_handle_t *handle)
{
    struct lat_watch *watch = LAT_CONTAINER(handle, struct lat_watch, uv);
    free(watch->dir);
    free(watch);
}

int lat_watch_start(struct lat_loop *loop, const char *dir, const char *const *files,
                    lat_call_fn *fn, void *arg, struct lat_watch **ret_watch, struct lat_err *err)
{
    struct lat_watch *watch = LAT_NEW(struct lat_watch);
    *watch = (struct lat_watch){
        .magic = WATCH_MAGIC, .loop = loop, .dir = lat_text_copy(dir), .fn = fn, .arg = arg};
    lat_timer_init(&watch->settle, loop, on_settled, watch);
    lat_timer_init(&watch->next_look, loop, on_next_look, watch);
    watch->look = look_new(watch, dir, files);
    uv_fs_event_init(&loop->uv, &watch->uv);
    int status = uv_fs_event_start(&watch->uv, on_change, dir, 0);
    if (status < 0) {
        char what[320];
        snprintf(what, sizeof(what), "watch %s", dir);
        lat_watch_free(watch);
        return lat_err_errno(err, -status, what);
    }
    lat_timer_start(&watch->next_look, LOOK_MS, 0);
    *ret_watch = watch;
    return LAT_OK;
}

struct lat_watch *lat_watch_free(struct lat_watch *watch)
{
    if (watch) {
        LAT_CHECK_MAGIC(watch, WATCH_MAGIC);
        lat_timer_done(&watch->settle);
        lat_timer_done(&watch->next_look);
        watch->look->watch = NULL;
        if (!watch->look->is_under_way) {
            look_free(watch->look);
        }
        uv_close((uv_handle_t *)&watch->uv, on_closed);
    }
    return NULL;
}
