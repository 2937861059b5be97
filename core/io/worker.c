/* Workers: what blocks runs elsewhere, and its end comes back to the loop.
 *
 *     lat_work()      ─► quick ─┐                                  ┌─► post ─► done() on the loop
 *     lat_work_slow() ─► slow ──┴─► threads of this loop ─► work() ┘
 *
 * A loop has threads of its own, made when there is work for them, because libuv's are shared by the whole process, name
 * look-ups among them: what one loop hashes would wait in front of what another has to make durable. And libuv's tell their
 * loop by uv_async_t, whose receiver gives up its processor while the sender is still in its system call; ours use
 * the loop's posts, so that work costs two wake-ups and nothing else.
 *
 * Of the slow work LAT_WORKERS_SLOW run at once, and quick work goes first, so some thread is always soon free for it.
 *
 * On a simulated clock there are no threads: work() and done() are two timers of the loop, one after the
 * other, with delays that the simulation chooses. A simulated process may die before its work, or between its work
 * and the moment when it hears of it.
 *
 * Invariants: in_hand counts what was begun and whose done() has not been called; while there is some the loop is held.
 * The lists and the three counters under `lock` are the threads' too; all else is the loop's. */
#include "internal.h"

#include <stdlib.h>
#include <sys/queue.h>

struct work {
    struct lat_loop *loop;
    lat_call_fn *work;
    lat_call_fn *done;
    void *arg;
    bool is_slow;
    STAILQ_ENTRY(work) next;     /* behind it in its queue */
    TAILQ_ENTRY(work) simulated; /* on a simulated clock */
    struct lat_timer timer;
};

STAILQ_HEAD(work_queue, work);

struct lat__workers {
    struct lat_loop *loop;
    size_t in_hand;
    struct lat_loop_sim sim;
    TAILQ_HEAD(, work) simulated; /* work that waits for its moment, in order of lat_work() */

    pthread_mutex_t lock; /* guards what follows, except `threads` and `count` */
    pthread_cond_t wake;  /* something was queued, or it ends */
    struct work_queue quick, slow;
    unsigned quick_waiting, slow_waiting, slow_running;
    unsigned idle; /* threads that wait for work */
    bool ending;

    struct lat_thread *threads[LAT_WORKERS];
    unsigned count;
};

static struct lat__workers *workers_of(struct lat_loop *loop)
{
    struct lat__workers *workers = loop->workers;
    if (!workers) {
        workers = loop->workers = LAT_NEW(struct lat__workers);
        workers->loop = loop;
        TAILQ_INIT(&workers->simulated);
        STAILQ_INIT(&workers->quick);
        STAILQ_INIT(&workers->slow);
        pthread_mutex_init(&workers->lock, NULL);
        pthread_cond_init(&workers->wake, NULL);
    }
    return workers;
}

static void finish(void *arg)
{
    struct work *work = arg;
    lat_call_fn *done = work->done;
    void *done_arg = work->arg;
    work->loop->workers->in_hand--;
    lat_loop_release(work->loop);
    free(work);
    done(done_arg);
}

/* ---- threads ---- */

/* How many of those that wait could run now. Under the lock. */
static unsigned runnable(const struct lat__workers *workers)
{
    unsigned room = LAT_WORKERS_SLOW - workers->slow_running;
    return workers->quick_waiting + (workers->slow_waiting < room ? workers->slow_waiting : room);
}

/* Under the lock. NULL when nothing may run now. */
static struct work *take(struct lat__workers *workers)
{
    struct work *work = STAILQ_FIRST(&workers->quick);
    if (work) {
        STAILQ_REMOVE_HEAD(&workers->quick, next);
        workers->quick_waiting--;
    } else if (workers->slow_waiting && workers->slow_running < LAT_WORKERS_SLOW) {
        work = STAILQ_FIRST(&workers->slow);
        STAILQ_REMOVE_HEAD(&workers->slow, next);
        workers->slow_waiting--;
        workers->slow_running++;
    }
    return work;
}

static void work_until_the_end(void *arg)
{
    struct lat__workers *workers = arg;
    pthread_mutex_lock(&workers->lock);
    while (!workers->ending) {
        struct work *work = take(workers);
        if (!work) {
            workers->idle++;
            pthread_cond_wait(&workers->wake, &workers->lock);
            workers->idle--;
            continue;
        }
        bool is_slow = work->is_slow;
        pthread_mutex_unlock(&workers->lock);
        work->work(work->arg);
        lat_loop_post_always(work->loop, finish, work); /* from here on the loop's */
        pthread_mutex_lock(&workers->lock);
        workers->slow_running -= is_slow;
    }
    pthread_mutex_unlock(&workers->lock);
}

static void hand_to_threads(struct lat__workers *workers, struct work *work)
{
    pthread_mutex_lock(&workers->lock);
    if (work->is_slow) {
        STAILQ_INSERT_TAIL(&workers->slow, work, next);
        workers->slow_waiting++;
    } else {
        STAILQ_INSERT_TAIL(&workers->quick, work, next);
        workers->quick_waiting++;
    }
    bool too_few = runnable(workers) > workers->idle && workers->count < LAT_WORKERS;
    pthread_mutex_unlock(&workers->lock);
    pthread_cond_signal(&workers->wake); /* past the lock, or the woken one would wait for it */
    if (too_few)
        workers->threads[workers->count++] =
            lat_thread_start("worker", work_until_the_end, workers);
}

/* ---- simulated time ---- */

static void wait_simulated(struct lat__workers *workers, struct work *work)
{
    struct lat_loop_sim *sim = &workers->sim;
    int64_t delay_ns = sim->work_ns ? sim->work_ns(sim->arg) : 0;
    lat__timer_start_ns(&work->timer, delay_ns);
}

static void simulated_over(void *arg)
{
    struct work *work = arg;
    TAILQ_REMOVE(&work->loop->workers->simulated, work, simulated);
    lat_timer_done(&work->timer);
    finish(work);
}

static void simulated_due(void *arg)
{
    struct work *work = arg;
    work->work(work->arg);
    work->timer.fn = simulated_over;
    wait_simulated(work->loop->workers, work);
}

static void hand_to_simulation(struct lat__workers *workers, struct work *work)
{
    TAILQ_INSERT_TAIL(&workers->simulated, work, simulated);
    lat_timer_init(&work->timer, work->loop, simulated_due, work);
    wait_simulated(workers, work);
}

void lat_loop_simulate(struct lat_loop *loop, const struct lat_loop_sim *sim)
{
    LAT_ASSERT(!loop->clock->is_live);
    workers_of(loop)->sim = *sim;
}

/* ---- the face ---- */

static void begin(struct lat_loop *loop, bool is_slow, lat_call_fn *fn, lat_call_fn *done,
                  void *arg)
{
    LAT_ASSERT(lat_loop_is_current(loop));
    struct lat__workers *workers = workers_of(loop);
    struct work *work = LAT_NEW(struct work);
    *work = (struct work){.loop = loop, .work = fn, .done = done, .arg = arg, .is_slow = is_slow};
    workers->in_hand++;
    lat_loop_hold(loop);
    if (loop->clock->is_live)
        hand_to_threads(workers, work);
    else
        hand_to_simulation(workers, work);
}

void lat_work(struct lat_loop *loop, lat_call_fn *work, lat_call_fn *done, void *arg)
{
    begin(loop, false, work, done, arg);
}

void lat_work_slow(struct lat_loop *loop, lat_call_fn *work, lat_call_fn *done, void *arg)
{
    begin(loop, true, work, done, arg);
}

/* ---- the loop's end ---- */

bool lat__workers_hurry(struct lat_loop *loop)
{
    struct lat__workers *workers = loop->workers;
    struct work *work;
    if (!workers)
        return false;
    TAILQ_FOREACH (work, &workers->simulated, simulated)
        lat__timer_start_ns(&work->timer, 0);
    return !TAILQ_EMPTY(&workers->simulated);
}

bool lat__workers_busy(const struct lat_loop *loop)
{
    return loop->workers && loop->workers->in_hand;
}

void lat__workers_free(struct lat_loop *loop)
{
    struct lat__workers *workers = loop->workers;
    if (!workers)
        return;
    LAT_ASSERT(workers->in_hand == 0);
    pthread_mutex_lock(&workers->lock);
    workers->ending = true;
    pthread_mutex_unlock(&workers->lock);
    pthread_cond_broadcast(&workers->wake);
    for (unsigned i = 0; i < workers->count; i++)
        lat_thread_join(workers->threads[i]);
    pthread_cond_destroy(&workers->wake);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
    loop->workers = NULL;
}
