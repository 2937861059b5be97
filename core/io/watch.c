/* Watching a folder. Changes that come close together are told once, SETTLE_MS after the first of them: an
 * editor that saves a file makes several. A change that comes later is told again, so the last one is never
 * missed. Runs on the loop's thread. */
#include "internal.h"

#include "io/file.h"

#include <stdio.h>
#include <stdlib.h>

enum { WATCH_MAGIC = 0x57617463, SETTLE_MS = 20 };

struct lat_watch {
    uint32_t magic;
    uv_fs_event_t uv;
    struct lat_timer settle;
    lat_call_fn *fn;
    void *arg;
};

static void on_settled(void *arg)
{
    struct lat_watch *watch = arg;
    LAT_CHECK_MAGIC(watch, WATCH_MAGIC);
    watch->fn(watch->arg);
}

static void on_change(uv_fs_event_t *handle, const char *name, int events, int status)
{
    struct lat_watch *watch = LAT_CONTAINER(handle, struct lat_watch, uv);
    LAT_CHECK_MAGIC(watch, WATCH_MAGIC);
    (void)name;
    (void)events;
    (void)status; /* whatever it was, the owner looks at the folder again */
    if (!lat_timer_running(&watch->settle))
        lat_timer_start(&watch->settle, SETTLE_MS, 0);
}

static void on_closed(uv_handle_t *handle)
{
    free(LAT_CONTAINER(handle, struct lat_watch, uv));
}

int lat_watch_start(struct lat_loop *loop, const char *dir, lat_call_fn *fn, void *arg,
                    struct lat_watch **ret_watch, struct lat_err *err)
{
    struct lat_watch *watch = LAT_NEW(struct lat_watch);
    *watch = (struct lat_watch){.magic = WATCH_MAGIC, .fn = fn, .arg = arg};
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
