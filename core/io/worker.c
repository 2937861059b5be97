/* Signals, workers and threads. Callbacks come on the loop's thread; only `work` of lat_work() runs elsewhere.
 *
 * Workers are libuv's pool, which serves the whole process and which name look-ups share. Slow work waits in a queue
 * of its loop, of which only LAT_WORKERS_SLOW are with the pool. */
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

struct lat__work {
    uv_work_t uv;
    struct lat_loop *loop;
    lat_call_fn *work;
    lat_call_fn *done;
    void *arg;
    bool slow;
    struct lat__work *next; /* behind it in the slow queue */
};

static void on_work(uv_work_t *request)
{
    struct lat__work *work = LAT_CONTAINER(request, struct lat__work, uv);
    work->work(work->arg);
}

static void hand_to_worker(struct lat__work *work);

static void start_slow(struct lat_loop *loop)
{
    struct lat__work *work = loop->slow_first;
    if (!work || loop->slow_running == LAT_WORKERS_SLOW)
        return;
    loop->slow_first = work->next;
    if (!loop->slow_first)
        loop->slow_last = NULL;
    loop->slow_running++;
    hand_to_worker(work);
}

static void on_work_done(uv_work_t *request, int status)
{
    struct lat__work *work = LAT_CONTAINER(request, struct lat__work, uv);
    LAT_ASSERT(status == 0);
    if (work->slow) {
        work->loop->slow_running--;
        start_slow(work->loop);
    }
    work->done(work->arg);
    free(work);
}

static void hand_to_worker(struct lat__work *work)
{
    LAT_ASSERT(uv_queue_work(&work->loop->uv, &work->uv, on_work, on_work_done) == 0);
}

static struct lat__work *work_new(struct lat_loop *loop, lat_call_fn *work, lat_call_fn *done,
                                  void *arg)
{
    LAT_ASSERT(lat_loop_is_current(loop));
    struct lat__work *item = LAT_NEW(struct lat__work);
    *item = (struct lat__work){.loop = loop, .work = work, .done = done, .arg = arg};
    return item;
}

void lat_work(struct lat_loop *loop, lat_call_fn *work, lat_call_fn *done, void *arg)
{
    hand_to_worker(work_new(loop, work, done, arg));
}

void lat_work_slow(struct lat_loop *loop, lat_call_fn *work, lat_call_fn *done, void *arg)
{
    struct lat__work *item = work_new(loop, work, done, arg);
    item->slow = true;
    if (loop->slow_last)
        loop->slow_last->next = item;
    else
        loop->slow_first = item;
    loop->slow_last = item;
    start_slow(loop);
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
