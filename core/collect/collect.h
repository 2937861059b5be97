/* Collect: keeps the logs of all allocations in the history, by following them over the links of their nodes. A stage: it watches the
 * store and is asked by nobody. Belongs to the state loop. */
#ifndef LAT_COLLECT_COLLECT_H
#define LAT_COLLECT_COLLECT_H

#include "dispatch/dispatch.h"
#include "store/history.h"
#include "store/store.h"

struct lat_collect;

enum {
    LAT_COLLECT_BEGIN_MS = 1000,     /* from a change of an allocation to the look at its log */
    LAT_COLLECT_RETRY_MIN_MS = 2000, /* after a stream that ended or could not be had; doubles */
    LAT_COLLECT_RETRY_MAX_MS = 60000,
    LAT_COLLECT_STREAMS_PER_NODE = 512,    /* at once; further logs wait */
    LAT_COLLECT_BYTES_PER_S = 256 * 1024,  /* of one log; more is taken more slowly */
    LAT_COLLECT_BURST_BYTES = 1024 * 1024, /* that may come at once */
};

struct lat_collect_config {
    struct lat_loop *loop;   /* the state loop */
    struct lat_store *store; /* borrowed, as all that follows */
    struct lat_dispatch *dispatch;
    struct lat_history *history;
    struct lat_metrics *metrics;
};

struct lat_collect *lat_collect_new(const struct lat_collect_config *config);

/* Ends every stream, then calls done(arg); the collect is gone by then. Beside lat_dispatch_close, which ends what still waits for a node. */
void lat_collect_close(struct lat_collect *collect, lat_call_fn *done, void *arg);

#endif
