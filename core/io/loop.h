/* The event loop: one per thread. Everything here belongs to the thread that runs the loop, except
 * lat_loop_post(), which any thread may call. */
#ifndef LAT_IO_LOOP_H
#define LAT_IO_LOOP_H

#include "base/clock.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lat_loop;

/* Bounded queue between threads: at most so many posted calls wait; one more is LAT_E_BUSY. */
enum { LAT_LOOP_QUEUE_MAX = 65536 };

/* Returns an owned loop that reads time from clock (borrowed). */
struct lat_loop *lat_loop_new(const struct lat_clock *clock);

/* Runs what was posted, deferred or closed already, waits for work in hand (simulated work is due at once), then frees the loop; a handle or a timer left open is a
 * mistake of ours (LAT_ASSERT). Not from inside a callback. */
struct lat_loop *lat_loop_free(struct lat_loop *loop);

/* Runs until lat_loop_stop() or until nothing is left that could happen. */
void lat_loop_run(struct lat_loop *loop);

/* Runs until *done is true or max_ms of real time have passed; returns *done. For tests, the CLI, and closing. Nobody moves a simulated
 * clock meanwhile: on one, the work of workers is due at once, and other timers stand still. */
bool lat_loop_run_until(struct lat_loop *loop, const bool *done, int64_t max_ms);

/* Runs what is ready, and the timers that are due by the loop's clock, without waiting. Returns whether
 * more could be done at once. With lat_loop_next_ms() a simulation drives a loop on its own clock. */
bool lat_loop_turn(struct lat_loop *loop);

/* Returns the milliseconds until the earliest timer is due (0: now), -1 when none runs. */
int64_t lat_loop_next_ms(const struct lat_loop *loop);

/* Makes lat_loop_run() return at the end of this turn. From the loop's own thread. */
void lat_loop_stop(struct lat_loop *loop);

const struct lat_clock *lat_loop_clock(const struct lat_loop *loop);

/* Tells whether this thread may use the loop: it runs it, or nobody does. */
bool lat_loop_is_current(const struct lat_loop *loop);

typedef void lat_call_fn(void *arg);

/* Calls fn(arg) on the loop's thread, in order of posting. From any thread. LAT_E_BUSY when the queue
 * is full: the caller still owns arg. A loop keeps running for posts only while it is held, see lat_loop_hold(). */
int lat_loop_post(struct lat_loop *loop, lat_call_fn *fn, void *arg) LAT_MUST_USE;

/* Like lat_loop_post, but past the bound: for the few messages that free something. */
void lat_loop_post_always(struct lat_loop *loop, lat_call_fn *fn, void *arg);

/* A held loop runs on although nothing else would happen (it waits for posts). Counted. */
void lat_loop_hold(struct lat_loop *loop);
void lat_loop_release(struct lat_loop *loop);

/* Calls fn(arg) once, at the end of this turn: after all that was ready has had its callbacks, before the
 * loop sleeps. A call deferred from a deferred call runs in the next turn, without sleep. From the loop's
 * thread. What was written to streams in a turn goes out after its deferred calls. */
void lat_loop_defer(struct lat_loop *loop, lat_call_fn *fn, void *arg);

/* ---- timers: embedded by their owner; nothing to allocate, nothing to wait for ----
 * They count the loop's clock: on the system's clock a timer also counts the time a machine sleeps. */

struct lat_timer {
    struct lat_loop *loop;
    lat_call_fn *fn;
    void *arg;
    int64_t deadline_ns; /* this and the rest are owned by io */
    int64_t repeat_ns;
    uint64_t order; /* among equal deadlines the one that was started first */
    size_t place;   /* in the loop's heap, counted from 1; 0: not running */
};

/* Prepares a timer that is not running. */
void lat_timer_init(struct lat_timer *timer, struct lat_loop *loop, lat_call_fn *fn, void *arg);

/* (Re)starts it: fires once after delay_ms, then every repeat_ms (0: once). */
void lat_timer_start(struct lat_timer *timer, int64_t delay_ms, int64_t repeat_ms);
void lat_timer_stop(struct lat_timer *timer);
bool lat_timer_running(const struct lat_timer *timer);

/* Stops it and gives back what io holds for it; the struct may go away at once. Takes a zeroed timer. */
void lat_timer_done(struct lat_timer *timer);

/* ---- signals ---- */

struct lat_signal;

/* Calls fn(arg) whenever the process receives signum. Stop it with lat_signal_free. */
int lat_signal_new(struct lat_loop *loop, int signum, lat_call_fn *fn, void *arg,
                   struct lat_signal **ret_signal, struct lat_err *err) LAT_MUST_USE;
struct lat_signal *lat_signal_free(struct lat_signal *signal);

/* ---- workers ---- */

/* Runs work(arg) on a thread of this loop's workers, then done(arg) on the loop. Never fails; at most LAT_WORKERS of a loop's
 * run at once, the rest wait in order. The loop runs on until done was called. On a clock that is not the system's both run on the
 * loop's own thread, in turns to come, see lat_loop_simulate(). */
enum { LAT_WORKERS = 4, LAT_WORKERS_SLOW = 2 };
void lat_work(struct lat_loop *loop, lat_call_fn *work, lat_call_fn *done, void *arg);

/* Like lat_work, for work that keeps a processor busy for long (hashing passwords): at most LAT_WORKERS_SLOW of a
 * loop's run at once, so that a flood of it leaves workers for what others wait for. */
void lat_work_slow(struct lat_loop *loop, lat_call_fn *work, lat_call_fn *done, void *arg);

/* How a simulation passes the time of workers. work_ns is asked twice for each piece of work: how long after lat_work() work(arg)
 * runs, and then how long after that done(arg) is called (nanoseconds of the loop's clock, 0 or more). */
struct lat_loop_sim {
    int64_t (*work_ns)(void *arg);
    void *arg;
};

/* Sets that for a loop whose clock is not the system's (copied); without it neither takes any time. */
void lat_loop_simulate(struct lat_loop *loop, const struct lat_loop_sim *sim);

/* ---- threads ---- */

struct lat_thread;

/* Starts a thread that runs fn(arg); name is at most 15 characters (seen in ps). */
struct lat_thread *lat_thread_start(const char *name, lat_call_fn *fn, void *arg);

/* Waits for its end and frees it; takes NULL, returns NULL. */
struct lat_thread *lat_thread_join(struct lat_thread *thread);

#endif
