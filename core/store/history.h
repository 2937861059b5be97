/* History: what happened, apart from what is. Logs of decisions and of workloads' lives go to an SQLite file and a
 * writer thread of their own, so that they never wait in front of a decision. May lose its last second. */
#ifndef LAT_STORE_HISTORY_H
#define LAT_STORE_HISTORY_H

#include "base/err.h"
#include "base/json.h"
#include "io/loop.h"

struct lat_history;

enum { LAT_HISTORY_QUEUE_MAX = 4096, LAT_HISTORY_EVENTS_PER_WORKLOAD = 500 };

int lat_history_open(struct lat_loop *loop, const char *path, struct lat_history **ret_history, struct lat_err *err) LAT_MUST_USE;
struct lat_history *lat_history_close(struct lat_history *history);

/* Adds an event about a subject (a workload's or node's id). Drops it and counts when the queue is full. Texts are copied. */
void lat_history_add(struct lat_history *history, const char *subject_id, const char *kind, const char *message,
                     const char *request_id, int64_t at);

/* Reads the newest `max` events of a subject, oldest first, in a worker; fn comes on the loop with an owned JSON array text
 * [{"at","kind","message","request_id"}], or with an error. */
typedef void lat_history_fn(void *arg, char *json, const struct lat_err *err);
void lat_history_read(struct lat_history *history, const char *subject_id, size_t max, lat_history_fn *fn, void *arg);

#endif
