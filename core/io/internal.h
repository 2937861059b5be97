/* What the sources of core/io share: the loop's inside, chunks of memory, streams over descriptors. */
#ifndef LAT_IO_INTERNAL_H
#define LAT_IO_INTERNAL_H

#include "base/mem.h"
#include "io/loop.h"
#include "io/stream.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

enum {
    LAT__READ_SIZE = 64 * 1024,  /* one read buffer per loop, lent to on_data */
    LAT__CHUNK_SIZE = 16 * 1024, /* payload of a pooled chunk: one full TLS record */
    LAT__LARGE_SIZE = 72 * 1024, /* payload of a large one: four encrypted records and some */
    LAT__CHUNKS_KEPT = 64,       /* chunks that a loop keeps for the next write */
    LAT__LARGE_KEPT = 4,
};

/* A piece of memory on its way out: [taken, len) of cap bytes are waiting. */
struct lat__chunk {
    struct lat__chunk *next;
    size_t taken;
    size_t len;
    size_t cap;
    uint8_t bytes[];
};

/* Free chunks of one size. */
struct lat__pool {
    struct lat__chunk *first;
    unsigned count;
};

struct lat__call {
    lat_call_fn *fn;
    void *arg;
};

struct lat__calls {
    struct lat__call *items;
    size_t len;
    size_t cap;
};

/* Somebody who has bytes to send at the end of the turn; embedded, in the list at most once. */
struct lat__flusher {
    void (*flush)(struct lat__flusher *flusher);
    struct lat__flusher *next;
    struct lat__flusher *prev;
};

struct lat__workers; /* worker.c */

struct lat_loop {
    uv_loop_t uv;
    uv_poll_t wake;        /* wake_fd: posts have come */
    int wake_fd;           /* eventfd */
    uv_prepare_t turn_end; /* runs timers, deferred calls and flushes before the loop sleeps */
    uv_idle_t busy;        /* active while something must run without sleep */
    uv_poll_t timer_poll;  /* timer_fd, when the clock is the system's */
    uv_timer_t limit;      /* of lat_loop_run_until(), in real time */
    const bool *until;     /* what lat_loop_run_until() waits for, NULL outside of it */
    int timer_fd;          /* CLOCK_BOOTTIME; -1 under a simulated clock */
    int64_t armed_ns;      /* what timer_fd is set to, INT64_MAX: to nothing */
    const struct lat_clock *clock;
    _Atomic(pthread_t) thread; /* who runs it, 0: nobody */
    int holds;
    bool stopping;

    pthread_mutex_t lock; /* guards posted and waiting */
    atomic_int waking;    /* threads that have posted and may yet write to wake_fd */
    struct lat__calls posted;
    size_t waiting;             /* posted and not yet run */
    struct lat__calls draining; /* the batch being run, of posted */

    struct lat__calls deferred;
    struct lat__calls running; /* the batch being run, of deferred */
    struct lat__flusher flushers;

    struct lat_timer **timers; /* heap by (deadline, order) */
    size_t timer_count;
    size_t timer_cap;
    uint64_t timer_order;

    struct lat__workers *workers; /* made on first use */
    struct lat_network *network;  /* NULL: the system's */

    uint8_t *read_buffer;  /* LAT__READ_SIZE, made on first use */
    struct lat__pool pool; /* of LAT__CHUNK_SIZE */
    struct lat__pool large_pool;
};

/* timer.c */
void lat__timers_run(struct lat_loop *loop);
int64_t lat__timers_next_ns(const struct lat_loop *loop);            /* INT64_MAX: none */
void lat__timer_start_ns(struct lat_timer *timer, int64_t delay_ns); /* once */

/* worker.c: lets all simulated work in hand be due at once; returns whether there is some. */
bool lat__workers_hurry(struct lat_loop *loop);
/* worker.c: tells whether done() of some work has yet to be called. */
bool lat__workers_busy(const struct lat_loop *loop);
/* worker.c: ends the threads. Nothing is in hand any more. */
void lat__workers_free(struct lat_loop *loop);

/* loop.c: flush is called before the loop sleeps, after deferred calls; it may flush others. */
void lat__flush_later(struct lat_loop *loop, struct lat__flusher *flusher);
void lat__flush_forget(struct lat__flusher *flusher);

/* loop.c: the loop's buffer for reading, LAT__READ_SIZE bytes, for the length of one callback. */
uint8_t *lat__loop_read_buffer(struct lat_loop *loop);

/* loop.c: a chunk with room for `size` bytes or more; chunks of the two usual sizes come from pools and go back. */
struct lat__chunk *lat__chunk_new(struct lat_loop *loop, size_t size);
struct lat__chunk *lat__chunk_free(struct lat_loop *loop, struct lat__chunk *chunk);

/* loop.c: fills err from a libuv status: "WHAT: reason". A broken connection is LAT_E_CLOSED. Returns the code. */
int lat__uv_err(struct lat_err *err, int status, const char *what);

/* stream_fd.c: makes a stream of a connected socket, which it takes even when it fails. `peer` names the other side
 * where the system cannot (may be NULL). */
enum lat__fd_kind { LAT__FD_TCP, LAT__FD_LOCAL };
int lat__stream_of_fd(struct lat_loop *loop, int fd, enum lat__fd_kind kind, const char *peer,
                      struct lat_stream **ret_stream, struct lat_err *err) LAT_MUST_USE;

/* stream_fd.c: TCP_NODELAY and keep-alive for a socket; accepted sockets inherit them from the listening one. */
void lat__tcp_tune(int fd);

#endif
