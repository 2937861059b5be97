/* Watching a folder. Changes that come close together are told once, SETTLE_MS after the first of them: an
 * editor that saves a file makes several. A change that comes later is told again, so the last one is never
 * missed. What the system watches is a folder, not its name: where another one takes its place, that one is watched from then
 * on. Runs on the loop's thread. */
#include "internal.h"

#include "base/text.h"
#include "io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WATCH_MAGIC = 0x57617463,
    SETTLE_MS = 20,
    LOST_MS = 1000, /* between looks for a folder that is gone */
};

struct lat_watch {
    uint32_t magic;
    uv_fs_event_t uv;
    char *dir;     /* owned */
    bool is_moved; /* something happened to the folder itself: another one may have its name */
    bool is_lost;  /* there is no such folder at present */
    struct lat_timer settle;
    lat_call_fn *fn;
    void *arg;
};

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

static void on_closed(uv_handle_t *handle)
{
    struct lat_watch *watch = LAT_CONTAINER(handle, struct lat_watch, uv);
    free(watch->dir);
    free(watch);
}

int lat_watch_start(struct lat_loop *loop, const char *dir, lat_call_fn *fn, void *arg,
                    struct lat_watch **ret_watch, struct lat_err *err)
{
    struct lat_watch *watch = LAT_NEW(struct lat_watch);
    *watch =
        (struct lat_watch){.magic = WATCH_MAGIC, .dir = lat_text_copy(dir), .fn = fn, .arg = arg};
    lat_timer_init(&watch->settle, loop, on_settled, watch);
    uv_fs_event_init(&loop->uv, &watch->uv);
    int status = uv_fs_event_start(&watch->uv, on_change, dir, 0);
    if (status < 0) {
        char what[320];
        snprintf(what, sizeof(what), "watch %s", dir);
        lat_watch_free(watch);
        return lat_err_errno(err, -status, what);
    }
    *ret_watch = watch;
    return LAT_OK;
}

struct lat_watch *lat_watch_free(struct lat_watch *watch)
{
    if (watch) {
        LAT_CHECK_MAGIC(watch, WATCH_MAGIC);
        lat_timer_done(&watch->settle);
        uv_close((uv_handle_t *)&watch->uv, on_closed);
    }
    return NULL;
}
