/* Timers: a binary heap of pointers to the owners' structs, by deadline on the loop's clock, then by order
 * of start. A timer knows its place, so that moving or stopping it costs a walk up or down the heap, no
 * search and no memory of its own; that is why a timer may vanish the moment it is done, unlike libuv's.
 *
 * Runs on the loop's thread. */
#include "internal.h"

#include <limits.h>

static bool before(const struct lat_timer *a, const struct lat_timer *b)
{
    return a->deadline_ns != b->deadline_ns ? a->deadline_ns < b->deadline_ns : a->order < b->order;
}

/* Places count from 1, as heap arithmetic likes it. */
static struct lat_timer **slot(struct lat_loop *loop, size_t place)
{
    return &loop->timers[place - 1];
}

static void put(struct lat_loop *loop, size_t place, struct lat_timer *timer)
{
    *slot(loop, place) = timer;
    timer->place = place;
}

static void settle(struct lat_loop *loop, size_t place, struct lat_timer *timer)
{
    while (place > 1 && before(timer, *slot(loop, place / 2))) {
        put(loop, place, *slot(loop, place / 2));
        place /= 2;
    }
    for (;;) {
        size_t child = place * 2;
        if (child > loop->timer_count)
            break;
        if (child < loop->timer_count && before(*slot(loop, child + 1), *slot(loop, child)))
            child++;
        if (!before(*slot(loop, child), timer))
            break;
        put(loop, place, *slot(loop, child));
        place = child;
    }
    put(loop, place, timer);
}

/* Running timers keep the loop alive. */
static void set_count(struct lat_loop *loop, size_t count)
{
    if (loop->timer_fd >= 0) {
        if (loop->timer_count == 0 && count != 0)
            uv_ref((uv_handle_t *)&loop->timer_poll);
        else if (loop->timer_count != 0 && count == 0)
            uv_unref((uv_handle_t *)&loop->timer_poll);
    }
    loop->timer_count = count;
}

void lat_timer_init(struct lat_timer *timer, struct lat_loop *loop, lat_call_fn *fn, void *arg)
{
    *timer = (struct lat_timer){.loop = loop, .fn = fn, .arg = arg};
}

/* INT64_MAX - 1 where that is too much to count. */
static int64_t ns_of_ms(int64_t ms)
{
    int64_t ns;
    if (ms <= 0)
        return 0;
    return __builtin_mul_overflow(ms, (int64_t)1000000, &ns) ? INT64_MAX - 1 : ns;
}

static void start(struct lat_timer *timer, int64_t delay_ns, int64_t repeat_ns)
{
    struct lat_loop *loop = timer->loop;
    int64_t deadline_ns;
    LAT_ASSERT(lat_loop_is_current(loop));
    if (__builtin_add_overflow(lat_clock_boot_ns(loop->clock), delay_ns, &deadline_ns) ||
        deadline_ns == INT64_MAX)
        deadline_ns = INT64_MAX - 1;
    timer->deadline_ns = deadline_ns;
    timer->repeat_ns = repeat_ns;
    timer->order = ++loop->timer_order;
    if (!timer->place) {
        if (loop->timer_count == loop->timer_cap) {
            loop->timer_cap = loop->timer_cap ? loop->timer_cap * 2 : 16;
            loop->timers = lat_grow(loop->timers, loop->timer_cap, sizeof(struct lat_timer *));
        }
        set_count(loop, loop->timer_count + 1);
        timer->place = loop->timer_count;
    }
    settle(loop, timer->place, timer);
}

void lat_timer_start(struct lat_timer *timer, int64_t delay_ms, int64_t repeat_ms)
{
    start(timer, ns_of_ms(delay_ms), ns_of_ms(repeat_ms));
}

void lat__timer_start_ns(struct lat_timer *timer, int64_t delay_ns)
{
    start(timer, delay_ns > 0 ? delay_ns : 0, 0);
}

void lat_timer_stop(struct lat_timer *timer)
{
    struct lat_loop *loop = timer->loop;
    size_t place = timer->place;
    if (!place)
        return;
    LAT_ASSERT(lat_loop_is_current(loop));
    timer->place = 0;
    struct lat_timer *last = *slot(loop, loop->timer_count);
    set_count(loop, loop->timer_count - 1);
    if (last != timer)
        settle(loop, place, last);
}

bool lat_timer_running(const struct lat_timer *timer)
{
    return timer->place != 0;
}

void lat_timer_done(struct lat_timer *timer)
{
    lat_timer_stop(timer);
}

int64_t lat__timers_next_ns(const struct lat_loop *loop)
{
    return loop->timer_count ? loop->timers[0]->deadline_ns : INT64_MAX;
}

/* Timers that are started by a timer's callback wait for the next turn, even when they are due at once. A
 * repeating one that is late by several periods fires once and keeps its beat. */
void lat__timers_run(struct lat_loop *loop)
{
    if (!loop->timer_count)
        return;
    int64_t now_ns = lat_clock_boot_ns(loop->clock);
    uint64_t last_order = loop->timer_order;
    while (loop->timer_count) {
        struct lat_timer *timer = loop->timers[0];
        if (timer->deadline_ns > now_ns || timer->order > last_order)
            break;
        if (timer->repeat_ns) {
            timer->deadline_ns +=
                timer->repeat_ns * ((now_ns - timer->deadline_ns) / timer->repeat_ns + 1);
            settle(loop, 1, timer);
        } else {
            lat_timer_stop(timer);
        }
        timer->fn(timer->arg);
    }
}
