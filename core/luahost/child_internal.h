/* One jailed Lua process: starts, takes one request at a time, is killed when it is late. */
#ifndef LAT_LUAHOST_CHILD_INTERNAL_H
#define LAT_LUAHOST_CHILD_INTERNAL_H

#include "luahost/luahost.h"
#include "rows_internal.h"

#include <stdbool.h>

struct lat__child;

struct lat__child_events {
    /* The jail stands: requests may be sent. */
    void (*on_ready)(void *arg);
    /* The process is gone and so is the object when this returns; it is handed over to be compared only. err says how it
     * ended. Last call, always asynchronous. */
    void (*on_gone)(void *arg, const struct lat__child *child, const struct lat_err *err);
};

/* The answer, borrowed; or NULL and err: TIMEOUT, CLOSED (the process ended), PROTOCOL. After an error the child ends. */
typedef void lat__child_answer_fn(void *arg, const cJSON *answer, const struct lat_err *err);

/* Starts a process (or what stands for one, see lat_luahost_options) that becomes ready or goes. All arguments are borrowed for
 * its life, but for `rows`, which it takes, also when it fails: the memory of a child that is asked about rows, or NULL. */
int lat__child_start(struct lat_loop *loop, const struct lat_luahost_options *options,
                     enum lat_luahost_kind kind, struct lat__rows *rows,
                     const struct lat__child_events *events, void *arg,
                     struct lat__child **ret_child, struct lat_err *err) LAT_MUST_USE;

/* Returns the memory, borrowed; NULL where there is none. */
struct lat__rows *lat__child_rows(const struct lat__child *child);

/* Empties the buffer and leaves room for the head of a frame; the request's JSON is then added. */
void lat__frame_begin(struct lat_buf *frame);

/* Sends a frame (begun as above, at most LAT_LUAHOST_REQUEST_MAX bytes of JSON in it) to a child that has been ready and has
 * no request. What takes longer than the patience yields. fn comes exactly once and later, unless the child is killed by
 * lat__child_kill first. */
void lat__child_send(struct lat__child *child, struct lat_buf *frame, int64_t deadline_ms,
                     int64_t patience_ms, lat__child_answer_fn *fn, void *arg);

/* Patience with a load, which is rare, and takes tens of milliseconds where it is a good one. One that yielded as soon as an ask
 * would be refused for its time alone where there is always something else to run. */
enum { LAT__LOAD_PATIENCE_MS = 200 };

/* Tells whether an idle child will go on yielding to everything else that runs: a long request made it, and we may not undo it. */
bool lat__child_is_worn(const struct lat__child *child);

/* Kills the process; a request under way is forgotten. on_gone follows. */
void lat__child_kill(struct lat__child *child);

#endif
