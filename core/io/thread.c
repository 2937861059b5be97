/* Signals, which come as calls on the loop's thread, and threads. */
#include "internal.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum {
    SIGNAL_MAGIC = 0x5369676e,
    NAME = 16, /* bytes of a thread's name that the kernel keeps, terminator included */
};

struct lat_signal {
    uint32_t magic;
    uv_signal_t uv;
    lat_call_fn *fn;
    void *arg;
};

static void on_signal(uv_signal_t *handle, int signum)
{
    struct lat_signal *signal = LAT_CONTAINER(handle, struct lat_signal, uv);
    LAT_CHECK_MAGIC(signal, SIGNAL_MAGIC);
    (void)signum;
    signal->fn(signal->arg);
}

static void on_signal_closed(uv_handle_t *handle)
{
    free(LAT_CONTAINER(handle, struct lat_signal, uv));
}

int lat_signal_new(struct lat_loop *loop, int signum, lat_call_fn *fn, void *arg,
                   struct lat_signal **ret_signal, struct lat_err *err)
{
    struct lat_signal *signal = LAT_NEW(struct lat_signal);
    *signal = (struct lat_signal){.magic = SIGNAL_MAGIC, .fn = fn, .arg = arg};
    uv_signal_init(&loop->uv, &signal->uv);
    int status = uv_signal_start(&signal->uv, on_signal, signum);
    if (status < 0) {
        lat_signal_free(signal);
        return lat_err_errno(err, -status, "catch a signal");
    }
    uv_unref((uv_handle_t *)&signal->uv);
    *ret_signal = signal;
    return LAT_OK;
}

struct lat_signal *lat_signal_free(struct lat_signal *signal)
{
    if (signal) {
        LAT_CHECK_MAGIC(signal, SIGNAL_MAGIC);
        uv_close((uv_handle_t *)&signal->uv, on_signal_closed);
    }
    return NULL;
}

struct lat_thread {
    pthread_t id;
    char name[NAME];
    lat_call_fn *fn;
    void *arg;
};

/* It names itself: by the time that whoever started it could, it may have ended, and have no name to be set. */
static void *thread_main(void *arg)
{
    struct lat_thread *thread = arg;
    LAT_ASSERT(pthread_setname_np(pthread_self(), thread->name) == 0);
    thread->fn(thread->arg);
    return NULL;
}

struct lat_thread *lat_thread_start(const char *name, lat_call_fn *fn, void *arg)
{
    struct lat_thread *thread = LAT_NEW(struct lat_thread);
    LAT_ASSERT(strlen(name) < NAME);
    lat_text_bound(thread->name, NAME, name);
    thread->fn = fn;
    thread->arg = arg;
    LAT_ASSERT(pthread_create(&thread->id, NULL, thread_main, thread) == 0);
    return thread;
}

struct lat_thread *lat_thread_join(struct lat_thread *thread)
{
    if (thread) {
        LAT_ASSERT(pthread_join(thread->id, NULL) == 0);
        free(thread);
    }
    return NULL;
}
