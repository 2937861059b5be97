/* What the files of the history share. Two sides: whoever adds and asks (history.c, read.c; any thread, the loop), and the writer (all
 * else; its thread alone). Between them are the queues, under the lock. */
#ifndef LAT_STORE_HISTORY_INTERNAL_H
#define LAT_STORE_HISTORY_INTERNAL_H

#include "store/history.h"
#include "store/history/statements_internal.h"
#include "store/sqlite/db_internal.h"

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- what waits ---- */

/* One entry of a queue: an event, the samples of one moment, or lines. Followed by its own bytes. */
struct lat__entry {
    struct lat__entry *next;
    enum lat_history_kind kind;
    size_t bytes; /* that it takes in the queue */
    struct lat_history_subject subject;
    int64_t at;
    char event_kind[64];
    char request_id[64];
    char *message;              /* EVENTS; owned */
    struct lat_sample *samples; /* SAMPLES; owned */
    struct lat_log_line *lines; /* LINES; owned; texts are in `text` */
    char *text;                 /* LINES; owned */
    size_t count;               /* of samples or lines; 1 of an event */
};

struct lat__entry *lat__entry_free(struct lat__entry *entry);

struct lat__queue {
    struct lat__entry *first, **last;
    size_t count;
    size_t bytes;
};

/* A read on its way: made on the loop, run by the writer, told on the loop; the head of its own struct. */
struct lat__read {
    struct lat__read *next;
    struct lat_loop *loop;
    struct lat_timer timer; /* the loop's, as is told */
    bool told;
    int (*run)(struct lat_history *history, struct lat__read *read); /* by the writer; fills err */
    void (*tell)(struct lat__read *read, const struct lat_err *err); /* on the loop, once */
    void (*free)(struct lat__read *read);
    int code;
    struct lat_err err;
};

/* ---- the levels of roll-ups ---- */

enum lat__level { LAT__RAW, LAT__1M, LAT__15M, LAT__1H, LAT__LEVELS };

/* ---- statements ---- */

enum lat__history_statement {
#define X(NAME, sql) LAT__HISTORY_##NAME,
    LAT__HISTORY_STATEMENTS(X)
#undef X
        LAT__HISTORY_STATEMENT_COUNT
};

/* ---- the whole ---- */

struct lat_history {
    struct lat_loop *loop;
    struct lat_thread *thread;
    struct lat_metric *dropped_metric[LAT_HISTORY_KINDS]; /* thread-safe, as the next two */
    struct lat_metric *waiting_metric;
    struct lat_metric *failures_metric;

    _Atomic int64_t level_s[LAT__LEVELS]; /* how long each level is kept */
    _Atomic int64_t days_ms, logs_bytes, bytes;
    _Atomic int64_t store_index; /* how far the store has come */

    pthread_mutex_t lock;
    pthread_cond_t wake;                         /* the writer has something to do */
    pthread_cond_t ending;                       /* it has ended */
    struct lat__queue queues[LAT_HISTORY_KINDS]; /* under lock, as the rest of these */
    struct lat__read *reads, **reads_last;
    size_t read_count; /* asked for and not yet run */
    int64_t dropped;
    bool is_closing;
    bool has_ended;      /* the writer */
    bool has_new_limits; /* a round of forgetting is due */

    /* The writer's. */
    sqlite3 *db;
    sqlite3_stmt *statements[LAT__HISTORY_STATEMENT_COUNT];
    int measures[LAT_MEASURE_COUNT]; /* the number of each in the file */
    struct lat_map *subjects;        /* id -> struct lat__subject, owned; a cache */
    int64_t subject_count;           /* rows of the table */
    struct lat_map
        *node_subjects;    /* node -> an int64_t, owned: how many of them; NULL: to be counted */
    int64_t line_bytes;    /* of all rows of log_line; as it will be committed */
    int64_t age_ms;        /* the wall time that ages are counted from; see retention.c */
    int64_t kept_index;    /* store_index as it was written last */
    int64_t age_boot_ms;   /* when it was moved last */
    int64_t round_boot_ms; /* when the last round of forgetting was over; 0: none yet */
    int round_kind;        /* what the round under way is at */
};

/* ---- schema.c ---- */

/* Brings an open file to this schema, reads what the writer keeps in memory, prepares the statements. */
int lat__history_schema(struct lat_history *history, struct lat_err *err) LAT_MUST_USE;

/* A prepared statement, reset; bind, then step. */
sqlite3_stmt *lat__history_statement(struct lat_history *history,
                                     enum lat__history_statement which);
void lat__history_bind(sqlite3_stmt *statement, int at, int64_t value);

/* Runs a statement that gives no rows. */
int lat__history_run(struct lat_history *history, sqlite3_stmt *statement,
                     struct lat_err *err) LAT_MUST_USE;

/* The first column of the first row, or `otherwise` (no row, NULL, or an error). */
int64_t lat__history_number(sqlite3_stmt *statement, int64_t otherwise);

int lat__history_keep(struct lat_history *history, const char *name, int64_t value,
                      struct lat_err *err) LAT_MUST_USE;

/* ---- writer.c ---- */

struct timespec lat__history_after_ms(int64_t ms); /* what its conditions wait by */

void lat__history_writer(void *history); /* the thread */

/* ---- subjects.c ---- */

struct lat__subject {
    int64_t number;
    int64_t source; /* the number of the first subject of the same instance: their logs are one */
    int64_t seen_at;
    char owner_id[LAT_ID_SIZE];
};

/* Finds a subject or makes its row (writes: a container with a log), and notes that it was seen; LIMIT when there are too many,
 * FORBIDDEN when it is somebody else's: the id of a container is what a node says.
 * Borrowed until the next call. */
int lat__history_subject(struct lat_history *history, const struct lat_history_subject *about,
                         bool writes, int64_t at, const struct lat__subject **ret_subject,
                         struct lat_err *err) LAT_MUST_USE;

/* Forgets what is remembered of subjects: after a rollback, or when rows went. */
void lat__history_subjects_forget(struct lat_history *history);

/* ---- events.c, samples.c, logs.c: write one entry within a transaction ---- */

int lat__history_write_event(struct lat_history *history, const struct lat__entry *entry,
                             struct lat_err *err) LAT_MUST_USE;
int lat__history_write_samples(struct lat_history *history, const struct lat__entry *entry,
                               struct lat_err *err) LAT_MUST_USE;
int lat__history_write_lines(struct lat_history *history, const struct lat__entry *entry,
                             struct lat_err *err) LAT_MUST_USE;

/* ---- levels: samples.c writes them, ranges.c reads them ---- */

int64_t lat__level_step_ms(enum lat__level level); /* RAW: a minute, which its rows are found by */

/* ---- retention.c ---- */

/* Moves the clock that ages are counted from towards the wall: at most a day for each hour that passed, so that a clock that
 * jumps ahead and is put right again has not made everything old. Back it goes at once. Pure. */
int64_t lat__history_age(int64_t age_ms, int64_t passed_ms, int64_t wall_ms);

/* Begins a round with the next step. */
void lat__history_forget_anew(struct lat_history *history);

/* Forgets one step of what is too old or too much; returns whether there may be more. */
bool lat__history_forget_step(struct lat_history *history);

/* ---- read.c ---- */

/* Hands a read to the writer, or answers it with BUSY. Takes it. On the loop. */
void lat__history_ask(struct lat_history *history, struct lat__read *read);

/* Runs a read and sends it back. By the writer. */
void lat__history_answer(struct lat_history *history, struct lat__read *read);

#endif
