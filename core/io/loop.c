/* The event loop: turns, posts from other threads, deferred calls, flushes, pooled memory.
 *
 * One turn is what happens between two sleeps:
 *
 *     sleep ─► sockets, posts, processes ─► closed handles ─► timers ─► deferred calls ─► flushes ─► sleep
 *              └────────────── libuv's poll and closing ──┘  └──────────── turn_end() ─────────┘
 *
 * turn_end() is a prepare handle, the last thing that libuv runs before it polls. While something is left
 * for the next turn the idle handle `busy` is active, which makes libuv poll without sleep and keeps the
 * loop alive. The other handles of the loop's own never keep it alive, except for a held loop (`wake`)
 * and for running timers (`timer_poll`).
 *
 * Everything runs on the loop's thread, except lat_loop_post() and lat_loop_post_always(). */
#include "internal.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* ---- runs of calls ---- */

static void calls_push(struct lat__calls *calls, lat_call_fn *fn, void *arg)
{
    if (calls->len == calls->cap) {
        calls->cap = calls->cap ? calls->cap * 2 : 16;
        calls->items = lat_grow(calls->items, calls->cap, sizeof(*calls->items));
    }
    calls->items[calls->len++] = (struct lat__call){.fn = fn, .arg = arg};
}

static void calls_swap(struct lat__calls *a, struct lat__calls *b)
{
    struct lat__calls held = *a;
    *a = *b;
    *b = held;
}

static void calls_run(struct lat__calls *calls)
{
    for (size_t i = 0; i < calls->len; i++)
        calls->items[i].fn(calls->items[i].arg);
    calls->len = 0;
}

/* ---- the end of a turn ---- */

static bool flushers_waiting(const struct lat_loop *loop)
{
    return loop->flushers.next != &loop->flushers;
}

static void run_flushers(struct lat_loop *loop)
{
    while (flushers_waiting(loop)) {
        struct lat__flusher *flusher = loop->flushers.next;
        lat__flush_forget(flusher);
        flusher->flush(flusher);
    }
}

static bool timer_due(const struct lat_loop *loop)
{
    return lat_loop_next_ms(loop) == 0;
}

static void on_busy(uv_idle_t *handle)
{
    (void)handle;
}

static void stay_busy(struct lat_loop *loop)
{
    if (!uv_is_active((uv_handle_t *)&loop->busy))
        uv_idle_start(&loop->busy, on_busy);
}

/* Sets the descriptor for the earliest timer. One that is set too early fires for nothing and is set again:
 * cheaper than to follow every timer that moves back. */
static void arm_timers(struct lat_loop *loop)
{
    int64_t next_ns = lat__timers_next_ns(loop);
    if (loop->timer_fd < 0 || next_ns >= loop->armed_ns)
        return;
    struct itimerspec when = {
        .it_value = {.tv_sec = next_ns / 1000000000, .tv_nsec = next_ns % 1000000000}};
    LAT_ASSERT(timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0);
    loop->armed_ns = next_ns;
}

static void turn_end(struct lat_loop *loop)
{
    lat__timers_run(loop);
    calls_swap(&loop->deferred, &loop->running);
    calls_run(&loop->running);
    run_flushers(loop);
    bool awaited = loop->until && *loop->until;
    if (loop->deferred.len || timer_due(loop) || awaited)
        stay_busy(loop);
    else
        uv_idle_stop(&loop->busy);
    arm_timers(loop);
}

static void on_turn_end(uv_prepare_t *handle)
{
    turn_end(LAT_CONTAINER(handle, struct lat_loop, turn_end));
}

static void on_timer_fd(uv_poll_t *handle, int status, int events)
{
    struct lat_loop *loop = LAT_CONTAINER(handle, struct lat_loop, timer_poll);
    uint64_t times;
    (void)events;
    LAT_ASSERT(status == 0);
    if (read(loop->timer_fd, &times, sizeof(times)) == (ssize_t)sizeof(times))
        loop->armed_ns = INT64_MAX;
}

/* ---- posts ----
 *
 * An eventfd of our own and not uv_async_t: that one's receiver spins, and gives up its processor, while a
 * sender has not returned from its system call, which on a busy machine costs milliseconds. */

static void wake_up(struct lat_loop *loop)
{
    static const uint64_t one = 1;
    LAT_ASSERT(write(loop->wake_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
}

static void on_wake(uv_poll_t *handle, int status, int events)
{
    struct lat_loop *loop = LAT_CONTAINER(handle, struct lat_loop, wake);
    uint64_t times;
    (void)events;
    LAT_ASSERT(status == 0);
    if (read(loop->wake_fd, &times, sizeof(times)) != (ssize_t)sizeof(times))
        return;
    pthread_mutex_lock(&loop->lock);
    calls_swap(&loop->posted, &loop->draining);
    pthread_mutex_unlock(&loop->lock);
    size_t count = loop->draining.len;
    calls_run(&loop->draining);
    pthread_mutex_lock(&loop->lock);
    loop->waiting -= count;
    pthread_mutex_unlock(&loop->lock);
}

static int post(struct lat_loop *loop, size_t max, lat_call_fn *fn, void *arg)
{
    pthread_mutex_lock(&loop->lock);
    bool full = loop->waiting >= max;
    bool first = loop->posted.len == 0;
    if (!full) {
        calls_push(&loop->posted, fn, arg);
        loop->waiting++;
        if (first)
            atomic_fetch_add(&loop->waking, 1);
    }
    pthread_mutex_unlock(&loop->lock);
    if (!full && first) {
        /* Without the lock: whoever is woken takes it at once, and would only fall asleep on it again. */
        wake_up(loop);
        atomic_fetch_sub(&loop->waking, 1);
    }
    return full ? LAT_E_BUSY : LAT_OK;
}

int lat_loop_post(struct lat_loop *loop, lat_call_fn *fn, void *arg)
{
    return post(loop, LAT_LOOP_QUEUE_MAX, fn, arg);
}

void lat_loop_post_always(struct lat_loop *loop, lat_call_fn *fn, void *arg)
{
    LAT_ASSERT(post(loop, SIZE_MAX, fn, arg) == LAT_OK);
}

static bool has_posts(struct lat_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    bool some = loop->posted.len != 0;
    pthread_mutex_unlock(&loop->lock);
    return some;
}

void lat_loop_hold(struct lat_loop *loop)
{
    LAT_ASSERT(lat_loop_is_current(loop));
    if (loop->holds++ == 0)
        uv_ref((uv_handle_t *)&loop->wake);
}

void lat_loop_release(struct lat_loop *loop)
{
    LAT_ASSERT(lat_loop_is_current(loop) && loop->holds > 0);
    if (--loop->holds == 0)
        uv_unref((uv_handle_t *)&loop->wake);
}

/* ---- memory for reading and writing ---- */

uint8_t *lat__loop_read_buffer(struct lat_loop *loop)
{
    if (!loop->read_buffer)
        loop->read_buffer = lat_alloc(LAT__READ_SIZE);
    return loop->read_buffer;
}

static struct lat__pool *pool_for(struct lat_loop *loop, size_t cap)
{
    return cap == LAT__CHUNK_SIZE ? &loop->pool : cap == LAT__LARGE_SIZE ? &loop->large_pool : NULL;
}

struct lat__chunk *lat__chunk_new(struct lat_loop *loop, size_t size)
{
    size_t cap = size <= LAT__CHUNK_SIZE   ? LAT__CHUNK_SIZE
                 : size <= LAT__LARGE_SIZE ? LAT__LARGE_SIZE
                                           : size;
    struct lat__pool *pool = pool_for(loop, cap);
    struct lat__chunk *chunk = pool ? pool->first : NULL;
    if (chunk) {
        pool->first = chunk->next;
        pool->count--;
    } else {
        LAT_ASSERT(cap <= SIZE_MAX - sizeof(*chunk));
        chunk = lat_grow(NULL, 1, sizeof(*chunk) + cap);
    }
    *chunk = (struct lat__chunk){.cap = cap};
    return chunk;
}

struct lat__chunk *lat__chunk_free(struct lat_loop *loop, struct lat__chunk *chunk)
{
    if (!chunk)
        return NULL;
    struct lat__pool *pool = pool_for(loop, chunk->cap);
    if (pool &&
        pool->count < (chunk->cap == LAT__CHUNK_SIZE ? LAT__CHUNKS_KEPT : LAT__LARGE_KEPT)) {
        chunk->next = pool->first;
        pool->first = chunk;
        pool->count++;
    } else {
        free(chunk);
    }
    return NULL;
}

static void pool_done(struct lat__pool *pool)
{
    while (pool->first) {
        struct lat__chunk *chunk = pool->first;
        pool->first = chunk->next;
        free(chunk);
    }
}

/* ---- life ---- */

/* A write to a closed socket is an error code here, never a signal. */
static void ignore_sigpipe(void)
{
    signal(SIGPIPE, SIG_IGN);
}

static void open_timer_fd(struct lat_loop *loop)
{
    loop->timer_fd = -1;
    loop->armed_ns = INT64_MAX;
    if (!loop->clock->is_live)
        return;
    loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    LAT_ASSERT(loop->timer_fd >= 0);
    LAT_ASSERT(uv_poll_init(&loop->uv, &loop->timer_poll, loop->timer_fd) == 0);
    LAT_ASSERT(uv_poll_start(&loop->timer_poll, UV_READABLE, on_timer_fd) == 0);
    uv_unref((uv_handle_t *)&loop->timer_poll);
}

struct lat_loop *lat_loop_new(const struct lat_clock *clock)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, ignore_sigpipe);

    struct lat_loop *loop = LAT_NEW(struct lat_loop);
    loop->clock = clock;
    loop->flushers.next = loop->flushers.prev = &loop->flushers;
    pthread_mutex_init(&loop->lock, NULL);
    LAT_ASSERT(uv_loop_init(&loop->uv) == 0);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    LAT_ASSERT(loop->wake_fd >= 0);
    LAT_ASSERT(uv_poll_init(&loop->uv, &loop->wake, loop->wake_fd) == 0);
    LAT_ASSERT(uv_poll_start(&loop->wake, UV_READABLE, on_wake) == 0);
    uv_prepare_init(&loop->uv, &loop->turn_end);
    uv_prepare_start(&loop->turn_end, on_turn_end);
    uv_idle_init(&loop->uv, &loop->busy);
    uv_timer_init(&loop->uv, &loop->limit);
    uv_unref((uv_handle_t *)&loop->wake);
    uv_unref((uv_handle_t *)&loop->turn_end);
    open_timer_fd(loop);
    return loop;
}

static bool is_own(const struct lat_loop *loop, const uv_handle_t *handle)
{
    const char *at = (const char *)handle;
    return at >= (const char *)loop && at < (const char *)(loop + 1);
}

/* What a loop still has to do before it can go. */
struct census {
    const struct lat_loop *loop;
    bool closing; /* a handle whose close callback has not run */
    bool open;    /* a handle that nobody has closed */
};

static void count_handle(uv_handle_t *handle, void *arg)
{
    struct census *census = arg;
    if (uv_is_closing(handle))
        census->closing = true;
    else if (!is_own(census->loop, handle))
        census->open = true;
}

static void close_own(uv_handle_t *handle, void *arg)
{
    (void)arg;
    uv_close(handle, NULL);
}

/* Runs what was begun: calls, closed handles, and the work that workers have in hand. */
static void run_out(struct lat_loop *loop)
{
    for (;;) {
        bool more = lat_loop_turn(loop);
        struct census census = {.loop = loop};
        uv_walk(&loop->uv, count_handle, &census);
        if (more || census.closing)
            continue;
        LAT_ASSERT(!census.open);
        if (lat__workers_hurry(loop))
            continue;
        if (!lat__workers_busy(loop) && !loop->uv.active_reqs.count)
            return;
        uv_run(&loop->uv, UV_RUN_ONCE);
    }
}

struct lat_loop *lat_loop_free(struct lat_loop *loop)
{
    if (!loop)
        return NULL;
    run_out(loop);
    while (atomic_load(&loop->waking) > 0)
        sched_yield(); /* its call has run already, and it is about to return */
    lat__workers_free(loop);
    LAT_ASSERT(loop->timer_count == 0);
    uv_walk(&loop->uv, close_own, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    LAT_ASSERT(uv_loop_close(&loop->uv) == 0);
    if (loop->timer_fd >= 0)
        close(loop->timer_fd);
    close(loop->wake_fd);
    pthread_mutex_destroy(&loop->lock);
    pool_done(&loop->pool);
    pool_done(&loop->large_pool);
    free(loop->posted.items);
    free(loop->draining.items);
    free(loop->deferred.items);
    free(loop->running.items);
    free(loop->timers);
    free(loop->read_buffer);
    free(loop);
    return NULL;
}

/* ---- running ---- */

static void enter(struct lat_loop *loop)
{
    LAT_ASSERT(loop->thread == 0); /* neither another thread nor a callback runs it */
    loop->thread = pthread_self();
}

static void leave(struct lat_loop *loop)
{
    loop->thread = 0;
}

void lat_loop_run(struct lat_loop *loop)
{
    enter(loop);
    do {
        loop->stopping = false;
        uv_run(&loop->uv, UV_RUN_DEFAULT);
        turn_end(loop);
    } while (!loop->stopping && uv_loop_alive(&loop->uv));
    leave(loop);
}

static void on_limit(uv_timer_t *handle)
{
    *(bool *)handle->data = true;
    uv_stop(
        handle
            ->loop); /* a timer that is due at once fires before the poll, which has nothing to end it then */
}

bool lat_loop_run_until(struct lat_loop *loop, const bool *done, int64_t max_ms)
{
    bool late = false;
    enter(loop);
    loop->limit.data = &late;
    loop->until = done;
    uint64_t limit_ms = (uint64_t)(max_ms > 0 ? max_ms : 0);
    uv_update_time(&loop->uv); /* lint-ok(time): real time also on a simulated clock */
    uv_timer_start(&loop->limit, on_limit, limit_ms, 0); /* lint-ok(time): the same */
    while (!*done && !late) {
        if (lat__workers_hurry(loop))
            stay_busy(loop);
        uv_run(&loop->uv, UV_RUN_ONCE);
    }
    uv_timer_stop(&loop->limit);
    loop->until = NULL;
    turn_end(loop);
    leave(loop);
    return *done;
}

bool lat_loop_turn(struct lat_loop *loop)
{
    enter(loop);
    lat_loop_hold(loop); /* or libuv would not even look at posts when nothing else is alive */
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    lat_loop_release(loop);
    turn_end(loop);
    leave(loop);
    return loop->deferred.len || flushers_waiting(loop) || has_posts(loop) || timer_due(loop);
}

int64_t lat_loop_next_ms(const struct lat_loop *loop)
{
    int64_t next_ns = lat__timers_next_ns(loop);
    if (next_ns == INT64_MAX)
        return -1;
    int64_t left_ns = next_ns - lat_clock_boot_ns(loop->clock);
    return left_ns <= 0 ? 0 : (left_ns + 999999) / 1000000;
}

void lat_loop_stop(struct lat_loop *loop)
{
    LAT_ASSERT(lat_loop_is_current(loop));
    loop->stopping = true;
    uv_stop(&loop->uv);
}

const struct lat_clock *lat_loop_clock(const struct lat_loop *loop)
{
    return loop->clock;
}

bool lat_loop_is_current(const struct lat_loop *loop)
{
    pthread_t thread = loop->thread;
    return thread == 0 || pthread_equal(thread, pthread_self());
}

void lat_loop_defer(struct lat_loop *loop, lat_call_fn *fn, void *arg)
{
    LAT_ASSERT(lat_loop_is_current(loop));
    calls_push(&loop->deferred, fn, arg);
    stay_busy(loop);
}

void lat__flush_later(struct lat_loop *loop, struct lat__flusher *flusher)
{
    if (flusher->next)
        return;
    flusher->prev = loop->flushers.prev;
    flusher->next = &loop->flushers;
    flusher->prev->next = flusher;
    loop->flushers.prev = flusher;
    stay_busy(loop);
}

void lat__flush_forget(struct lat__flusher *flusher)
{
    if (!flusher->next)
        return;
    flusher->prev->next = flusher->next;
    flusher->next->prev = flusher->prev;
    flusher->next = flusher->prev = NULL;
}

/* ---- errors ---- */

int lat__uv_err(struct lat_err *err, int status, const char *what)
{
    switch (status) {
    case UV_EPIPE:
    case UV_ECONNRESET:
    case UV_ECONNABORTED:
    case UV_ENOTCONN:
        return lat_err_set(err, LAT_E_CLOSED, "%s: the other side closed the connection", what);
    case UV_ECANCELED: return lat_err_set(err, LAT_E_CANCELLED, "%s: cancelled", what);
    default: return lat_err_errno(err, -status, what);
    }
}
