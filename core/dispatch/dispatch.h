/* Dispatch: the console's end of every agent's link. Sends what allocations should be, takes in what they are.
 *
 *       I/O loop                                   state loop
 *   lat_dispatch_take ─► link ── messages ───────► session ──► store (observed, node)
 *                             ◄─ assign ────────── session ◄── watch (allocation, node)
 *
 * Of an allocation dispatch writes status, reason and observed alone (and only for its newest generation), and raises the generation where
 * the node has seen a newer one than this console (after a backup was restored); desired is the reconciler's. Contact lost changes the node's status, never an allocation. */
#ifndef LAT_DISPATCH_DISPATCH_H
#define LAT_DISPATCH_DISPATCH_H

#include "dispatch/directory.h"
#include "io/tls.h"
#include "store/history.h"
#include "store/store.h"

struct lat_dispatch;

enum {
    LAT_DISPATCH_HELLO_MS = 10000,      /* that a new link has to say hello */
    LAT_DISPATCH_HEARTBEATS_MISSED = 2, /* in a row, after which a link counts as dead */
    LAT_DISPATCH_RETURN_MS = 25000,     /* after a start, that nodes have to come back */
    LAT_DISPATCH_PROGRESS_MS =
        500, /* at least between two writes that change nothing but progress */
    LAT_DISPATCH_BATCH_MAX =
        1024, /* messages of one link waiting for the state loop; more are held back */
};

/* Renders the container description of an allocation: *ret_json is owned JSON text (wiped by dispatch: it may hold secrets). On the state loop. */
typedef int lat_dispatch_render_fn(void *arg, const struct lat_workload *workload,
                                   const struct lat_allocation *allocation, char **ret_json,
                                   struct lat_err *err);

struct lat_dispatch_config {
    struct lat_loop *loop;   /* the state loop */
    struct lat_store *store; /* borrowed, as all that follows */
    struct lat_link_directory *directory;
    struct lat_log *log;
    struct lat_metrics *metrics;
    struct lat_history *history; /* may be NULL */
    int64_t heartbeat_ms;        /* that agents are told to keep */
    int64_t return_ms;           /* 0: LAT_DISPATCH_RETURN_MS */
    lat_dispatch_render_fn *render;
    void *render_arg;
};

/* Makes a dispatch. Nodes that were linked before and do not come back within return_ms are marked as unreachable. On the state loop. */
struct lat_dispatch *lat_dispatch_new(const struct lat_dispatch_config *config);

/* Takes an authenticated connection of an agent; on an I/O loop, which must keep running until the dispatch is closed, and not once it
 * is being closed. `node_id` and `key_digest` are those of its certificate (see lat_tls_peer_identity). Whom the store does not know, or knows as revoked, is told so and closed. */
void lat_dispatch_take(struct lat_dispatch *dispatch, struct lat_stream *stream,
                       const char *node_id, const uint8_t key_digest[LAT_TLS_DIGEST_SIZE]);

/* The end of an opening: a stream that the callback takes, or NULL with err. Comes once, on the loop that owns the node's link (on the
 * state loop when there is no link). */
typedef void lat_dispatch_open_fn(void *arg, struct lat_stream *stream, const struct lat_err *err);

/* Opens a stream to a node (logs, stats) and waits for its answer. From the state loop; the stream lives on the link's I/O loop. */
void lat_dispatch_open(struct lat_dispatch *dispatch, const char *node_id,
                       const struct lat_stream_header *header, lat_dispatch_open_fn *fn, void *arg);

/* Tells whether the node's link is up. From the state loop. */
bool lat_dispatch_is_linked(const struct lat_dispatch *dispatch, const char *node_id);

/* How many links are up. From the state loop. */
size_t lat_dispatch_link_count(const struct lat_dispatch *dispatch);

/* Stops watching, closes every link, then calls done(arg) on the state loop; the dispatch is gone by then. Nodes keep their status: a console
 * that stops has not lost them. */
void lat_dispatch_close(struct lat_dispatch *dispatch, lat_call_fn *done, void *arg);

#endif
