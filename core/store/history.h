/* History: what happened, apart from what is. Events, samples of what is used, and logs go to an SQLite file and a writer thread of
 * their own, so that they never wait in front of a decision.
 *
 *     any loop: add ─► queues, bounded ─► writer thread ─► history.db: events │ samples ─► roll-ups of 1 m, 15 m, 1 h │ lines
 *     state loop: read ───────────────────► (behind what was added before) ──► an answer on the loop
 *
 * It may lose its last second, and whatever a disk does not take; both are counted. Adding never blocks on the disk. */
#ifndef LAT_STORE_HISTORY_H
#define LAT_STORE_HISTORY_H

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/metrics.h"
#include "io/loop.h"
#include "model/measures.h"
#include "model/spec.h"

#include <stdint.h>

struct lat_history;

enum {
    LAT_HISTORY_QUEUE_MAX =
        4096, /* entries of a kind that wait for the writer; one more is dropped */
    LAT_HISTORY_QUEUE_BYTES_MAX = 8 << 20, /* of a kind, waiting */
    LAT_HISTORY_BATCH_MAX = 256, /* entries that wake the writer; fewer wait for a second */

    LAT_HISTORY_EVENTS_PER_SUBJECT = 500, /* the newest are kept, and read at most */
    LAT_HISTORY_EVENTS_MAX = 1000000,     /* of all subjects together; the newest are kept */
    LAT_HISTORY_MESSAGE_MAX = 2000,       /* bytes; the rest is cut */
    LAT_HISTORY_LINE_MAX = 16 * 1024,     /* bytes of one line of a log; the rest is cut */

    LAT_HISTORY_READS_MAX = 256,      /* reads that wait; one more is refused */
    LAT_HISTORY_READ_MS = 10000,      /* that the disk has to answer one */
    LAT_HISTORY_POINTS_MAX = 1500,    /* points of one measure in one read */
    LAT_HISTORY_SUBJECTS_MAX = 64,    /* allocations in one read; the newest */
    LAT_HISTORY_PAGE_BYTES = 1 << 20, /* of lines in one read; the next one goes on behind them */

    /* How long samples are kept, in seconds: as they came, and rolled up. The last one is a setting. */
    LAT_HISTORY_RAW_S = 2 * 3600,
    LAT_HISTORY_1M_S = 2 * 86400,
    LAT_HISTORY_15M_S = 14 * 86400,

    LAT_HISTORY_SUBJECTS_KEPT_MAX =
        1000000, /* one more is not remembered, and its samples and lines are dropped */
    LAT_HISTORY_SUBJECTS_OF_NODE_MAX = 50000, /* so that no node fills that up by itself */
    LAT_HISTORY_AHEAD_S = 86400,  /* a line from further ahead is taken for one of then */
    LAT_HISTORY_CLOSE_MS = 10000, /* that the disk has to take what waits when the console stops */
};

/* How long and how much is kept; 0: the default of the setting with that name. */
struct lat_history_limits {
    int64_t days;         /* of events and logs */
    int64_t metrics_days; /* of roll-ups of an hour */
    int64_t logs_bytes;   /* of all lines together */
    int64_t bytes;        /* of the whole file; beyond, the oldest lines and samples go early */
};

struct lat_history_options {
    struct lat_loop *loop; /* where reads are answered */
    const char *path;
    const char
        *vfs; /* names a disk that was registered with SQLite, for tests; NULL: the system's */
    struct lat_metrics *metrics; /* borrowed, may be NULL */
    struct lat_history_limits limits;
};

/* Opens or makes the file, brings it to this program's schema, and starts the writer. VERSION for a file of a newer program. */
int lat_history_open(const struct lat_history_options *options, struct lat_history **ret_history,
                     struct lat_err *err) LAT_MUST_USE;

/* Takes over other limits; what is now too old or too much is forgotten from the next moment on. From any thread. */
void lat_history_set_limits(struct lat_history *history, const struct lat_history_limits *limits);

/* Notes how far the store has come of which this history tells (lat_store_index): written with what is written next, without which
 * it says nothing. From any thread. */
void lat_history_note_store(struct lat_history *history, int64_t index);

/* Returns what was noted last; right after opening, what was so before the last end. 0: nothing was. */
int64_t lat_history_store_index(const struct lat_history *history);

/* Has the writer write what waits and end. False when the disk does not let it within max_ms: then the history cannot be closed, and the
 * writer may still use loop and metrics; ask again, or end the process. */
bool lat_history_stop(struct lat_history *history, int64_t max_ms) LAT_MUST_USE;

/* Writes what waits, stops the writer, however long the disk takes. Reads that were asked for are answered on the loop afterwards. Takes NULL, returns NULL. */
struct lat_history *lat_history_close(struct lat_history *history);

/* ---- adding; from any thread ---- */

/* Adds an event about a subject (a workload's or node's id). Drops it and counts when the queue is full. Texts are copied; at is
 * wall ms. */
void lat_history_add(struct lat_history *history, const char *subject_id, const char *kind,
                     const char *message, const char *request_id, int64_t at);

/* Whom samples and lines are about: samples of an allocation or node, by its id; lines of a container, by the first 36 digits of its
 * id. What is said here outlives its row in the store. */
struct lat_history_subject {
    char id[LAT_ID_SIZE];
    char owner_id[LAT_ID_SIZE];  /* the allocation's workload; "" of a node */
    char node[LAT_NAME_MAX + 1]; /* name of the node */
    int64_t ordinal;             /* of the allocation */
};

struct lat_sample {
    enum lat_measure measure;
    double value; /* finite; see model/measures.h */
};

/* Adds what was measured of a subject at one moment (wall ms). Drops and counts when the queue is full. */
void lat_history_add_samples(struct lat_history *history, const struct lat_history_subject *subject,
                             int64_t at, const struct lat_sample *samples, size_t count);

struct lat_log_line {
    int64_t at_ns;    /* wall, ns */
    const char *text; /* any bytes, without the line's end */
    size_t len;
};

/* Adds lines of a subject's log, in their order. False when the queue is full: nothing was taken, and the caller holds its source
 * back or counts them with lat_history_count_dropped. */
bool lat_history_add_lines(struct lat_history *history, const struct lat_history_subject *subject,
                           const struct lat_log_line *lines, size_t count) LAT_MUST_USE;

enum lat_history_kind {
    LAT_HISTORY_EVENTS,
    LAT_HISTORY_SAMPLES,
    LAT_HISTORY_LINES,
    LAT_HISTORY_KINDS
};

void lat_history_count_dropped(struct lat_history *history, enum lat_history_kind kind,
                               int64_t count);

/* Entries that were lost, of all kinds: to a full queue, or to a disk that did not take them. */
int64_t lat_history_dropped(struct lat_history *history);

/* ---- reading; from the loop. Each answers once, on the loop: BUSY when too many wait, TIMEOUT when the disk hangs ---- */

/* json is an owned array [{"at","kind","message","request_id"}], or NULL with an error. */
typedef void lat_history_fn(void *arg, char *json, const struct lat_err *err);

/* Reads the newest `max` events of a subject, oldest first, those added before in this turn included. */
void lat_history_read(struct lat_history *history, const char *subject_id, size_t max,
                      lat_history_fn *fn, void *arg);

/* Samples of one node (id), or of every allocation that a workload (owner_id) had in that time. */
struct lat_history_range {
    char id[LAT_ID_SIZE];
    char owner_id[LAT_ID_SIZE];
    int64_t from, to; /* wall ms */
    int64_t step_ms;  /* of one point; 0: chosen */
};

/* Checks a range and completes it: step_ms becomes one that there are samples for, from and to its multiples.
 * `step` is named in the error when it gives more than LAT_HISTORY_POINTS_MAX points. */
int lat_history_range_check(struct lat_history *history, struct lat_history_range *range,
                            struct lat_err *err) LAT_MUST_USE;

/* Reads a checked range as an owned object: {"from","to","step_ms","items":[{"id","ordinal","node","measures":{NAME:
 * {"kind":"gauge","avg":[],"min":[],"max":[],"last":[]} or {"kind":"counter","per_second":[],"sum":[]}}}]}; point i of each list is that
 * of from + i * step_ms, null where nothing was measured. */
void lat_history_read_samples(struct lat_history *history, const struct lat_history_range *range,
                              lat_history_fn *fn, void *arg);

/* Which lines: of one container (id), or of an owner's instance. Zero means no limit, unless said otherwise. */
struct lat_history_lines {
    char id[LAT_ID_SIZE];
    char owner_id[LAT_ID_SIZE];
    int64_t ordinal; /* with owner_id: which instance */
    int64_t
        previous; /* with owner_id: the nth container before the newest one; 0: all that there were */
    int64_t since, until; /* wall ms; since included, until not */
    char grep[256];       /* a part of the line; "": every line */
    int64_t tail;         /* only the last so many, at most LAT_HISTORY_TAIL_MAX; -1: all */
    bool timestamps;      /* each line begins with its time */
    int64_t after;        /* go on behind: `next` of the page before; with it tail counts no more */
};
enum { LAT_HISTORY_TAIL_MAX = 100000 };

struct lat_history_page {
    const char *text; /* whole lines; borrowed */
    size_t len;
    int64_t next;
    bool more; /* ask again, with after = next */
};
typedef void lat_history_page_fn(void *arg, const struct lat_history_page *page,
                                 const struct lat_err *err);

void lat_history_read_lines(struct lat_history *history, const struct lat_history_lines *which,
                            lat_history_page_fn *fn, void *arg);

/* Where the log of a container ends: the time of its newest line (0: none), and how many lines have it. */
typedef void lat_history_end_fn(void *arg, int64_t at_ns, int64_t count, const struct lat_err *err);

void lat_history_read_end(struct lat_history *history, const char *id, lat_history_end_fn *fn,
                          void *arg);

#endif
