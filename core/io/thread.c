/* Signals, which come as calls on the loop's thread, and threads. */
#include "internal.h"

#include <stdlib.h>

enum { SIGNAL_MAGIC = 0x5369676e };

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
    lat_call_fn *fn;
    void *arg;
};

static void *thread_main(void *arg)
{
    struct lat_thread *thread = arg;
    thread->fn(thread->arg);
    return NULL;
}

struct lat_thread *lat_thread_start(const char *name, lat_call_fn *fn, void *arg)
{
    struct lat_thread *thread = LAT_NEW(struct lat_thread);
    thread->fn = fn;
    thread->arg = arg;
    LAT_ASSERT(pthread_create(&thread->id, NULL, thread_main, thread) == 0);
    LAT_ASSERT(pthread_setname_np(thread->id, name) == 0);
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
