/* History: what happened, apart from what is. Logs of decisions and of workloads' lives go to an SQLite file and a
 * writer thread of their own, so that they never wait in front of a decision. May lose its last second. */
#ifndef LAT_STORE_HISTORY_H
#define LAT_STORE_HISTORY_H

#include "base/err.h"
#include "base/json.h"
#include "io/loop.h"

#include <stdint.h>

struct lat_history;

enum {
    LAT_HISTORY_QUEUE_MAX = 4096, /* events that wait for the writer; one more is dropped */
    LAT_HISTORY_BATCH_MAX = 256,  /* events written at once, or what a second brought */
    LAT_HISTORY_READ_MAX = 1000,
    LAT_HISTORY_EVENTS_PER_SUBJECT = 500, /* the newest are kept */
    LAT_HISTORY_DAYS = 90,                /* older ones are forgotten, in small steps */
    LAT_HISTORY_MESSAGE_MAX = 2000,       /* bytes; the rest is cut */
};

/* Opens or makes the file and starts the writer. */
int lat_history_open(struct lat_loop *loop, const char *path, struct lat_history **ret_history,
                     struct lat_err *err) LAT_MUST_USE;

/* Writes what waits, stops the writer. Reads that were asked for are answered on the loop afterwards. Takes NULL, returns NULL. */
struct lat_history *lat_history_close(struct lat_history *history);

/* Adds an event about a subject (a workload's or node's id). Drops it and counts when the queue is full. Texts are copied; at is
 * wall ms. */
void lat_history_add(struct lat_history *history, const char *subject_id, const char *kind,
                     const char *message, const char *request_id, int64_t at);

/* Comes on the loop, once: json is an owned array [{"at","kind","message","request_id"}], or NULL with an error. */
typedef void lat_history_fn(void *arg, char *json, const struct lat_err *err);

/* Reads the newest `max` events of a subject, oldest first, those added before in this turn included. */
void lat_history_read(struct lat_history *history, const char *subject_id, size_t max,
                      lat_history_fn *fn, void *arg);

/* Events that were lost: to a full queue, or to a disk that did not take them. */
int64_t lat_history_dropped(struct lat_history *history);

#endif
