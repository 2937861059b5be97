/* The life of a dispatch: watching the store, sending at once and then once a turn, looking for lost nodes, closing. Runs on the state loop. */
#include "internal.h"

#include "base/text.h"

#include <stdlib.h>
#include <utlist.h>

int64_t lat__dispatch_now_ms(const struct lat_dispatch *dispatch)
{
    return lat_clock_wall_ms(lat_loop_clock(dispatch->with.loop));
}

int64_t lat__dispatch_epoch(const struct lat_dispatch *dispatch)
{
    (void)dispatch;
    return 1;
}

/* ---- sending ---- */

static void flush(void *arg)
{
    struct lat_dispatch *dispatch = arg;
    dispatch->flushing = false;
    while (dispatch->dirty) {
        struct lat__session *session = dispatch->dirty;
        DL_DELETE(dispatch->dirty, session);
        session->dirty = false;
        if (session->outbox.count)
            lat__line_send(session->line, &session->outbox);
    }
    lat__dispatch_maybe_finish(dispatch);
}

static void flush_later(struct lat_dispatch *dispatch)
{
    if (dispatch->flushing)
        return;
    dispatch->flushing = true;
    lat_loop_defer(dispatch->with.loop, flush, dispatch);
}

void lat__dispatch_send(struct lat__session *session)
{
    if (!session->dirty) {
        lat__line_send(session->line, &session->outbox);
        DL_APPEND(session->dispatch->dirty, session);
        session->dirty = true;
    }
    flush_later(session->dispatch);
}

/* ---- watching ---- */

/* Closes a node's link, telling it why; no link is no error. */
static void cut(struct lat_dispatch *dispatch, const char *node_id, const struct lat_err *why)
{
    struct lat__session *session = lat_map_get(dispatch->sessions, node_id);
    if (session)
        lat__line_close(session->line, why);
}

static void node_changed(struct lat_dispatch *dispatch, const struct lat_change *change)
{
    const struct lat_node *after = (const struct lat_node *)change->after;
    struct lat_err why;
    if (!after)
        lat_err_set(&why, LAT_E_NOT_FOUND, "This node was removed from the console.");
    else if (lat_text_equal(after->status, lat_node_state_name(LAT_NODE_REVOKED)))
        lat_err_set(&why, LAT_E_FORBIDDEN, "The node %s was revoked.", after->name);
    else
        return;
    cut(dispatch, after ? after->row.id : change->before->id, &why);
}

static void changed(void *arg, const struct lat_change *change)
{
    struct lat_dispatch *dispatch = arg;
    if (change->table == LAT_TABLE_ALLOCATION)
        lat__session_allocation_changed(dispatch, change);
    else
        node_changed(dispatch, change);
}

/* ---- lost nodes ---- */

static bool counts_as_linked(const struct lat_node *node)
{
    return lat_text_equal(node->status, lat_node_state_name(LAT_NODE_READY)) ||
           lat_text_equal(node->status, lat_node_state_name(LAT_NODE_ENGINE_DOWN));
}

static void sweep(void *arg)
{
    struct lat_dispatch *dispatch = arg;
    if (lat_clock_boot_ms(lat_loop_clock(dispatch->with.loop)) - dispatch->started_ms <
        dispatch->with.return_ms)
        return;
    void *cursor = NULL;
    const struct lat_node *node;
    while ((node = lat_store_next_node(dispatch->with.store, &cursor))) {
        if (counts_as_linked(node) && !lat_map_get(dispatch->sessions, node->row.id))
            lat__observe_lost(dispatch, node->row.id, "Its agent is not connected.");
    }
}

/* ---- the face ---- */

static void register_metrics(struct lat_dispatch *dispatch)
{
    struct lat_metrics *metrics = dispatch->with.metrics;
    dispatch->links = lat_metrics_gauge(metrics, "lattice_links", "", "Nodes whose link is up.");
    dispatch->refused = lat_metrics_counter(metrics, "lattice_links_refused_total", "",
                                            "Links that were refused or cut.");
    dispatch->assignments = lat_metrics_counter(metrics, "lattice_assignments_total", "",
                                                "Assignments sent to agents.");
    dispatch->reports = lat_metrics_counter(metrics, "lattice_agent_messages_total", "",
                                            "Messages taken from agents.");
    dispatch->invalid = lat_metrics_counter(metrics, "lattice_agent_messages_invalid_total", "",
                                            "Messages of agents that could not be read.");
    dispatch->unknown =
        lat_metrics_counter(metrics, "lattice_allocations_unknown_total", "",
                            "Allocations that a node keeps and the console does not know.");
}

struct lat_dispatch *lat_dispatch_new(const struct lat_dispatch_config *config)
{
    struct lat_dispatch *dispatch = LAT_NEW(struct lat_dispatch);
    LAT_ASSERT(lat_loop_is_current(config->loop) && config->heartbeat_ms > 0);
    dispatch->with = *config;
    dispatch->sessions = lat_map_new();
    dispatch->started_ms = lat_clock_boot_ms(lat_loop_clock(config->loop));
    register_metrics(dispatch);
    dispatch->watcher = lat_store_watch(
        config->store, 1U << LAT_TABLE_ALLOCATION | 1U << LAT_TABLE_NODE, changed, dispatch);
    lat_timer_init(&dispatch->sweep, config->loop, sweep, dispatch);
    if (dispatch->with.return_ms <= 0)
        dispatch->with.return_ms = LAT_DISPATCH_RETURN_MS;
    int64_t look_ms =
        dispatch->with.return_ms < LAT__SWEEP_MS ? dispatch->with.return_ms : LAT__SWEEP_MS;
    lat_timer_start(&dispatch->sweep, look_ms, look_ms);
    lat_loop_hold(config->loop);
    return dispatch;
}

bool lat_dispatch_is_linked(const struct lat_dispatch *dispatch, const char *node_id)
{
    return lat_map_get(dispatch->sessions, node_id) != NULL;
}

size_t lat_dispatch_link_count(const struct lat_dispatch *dispatch)
{
    return lat_map_count(dispatch->sessions);
}

void lat__dispatch_maybe_finish(struct lat_dispatch *dispatch)
{
    if (!dispatch->closing || dispatch->flushing || dispatch->commits || dispatch->lines)
        return;
    lat_call_fn *done = dispatch->done;
    void *done_arg = dispatch->done_arg;
    lat_timer_done(&dispatch->sweep);
    lat_map_free(dispatch->sessions);
    lat_loop_release(dispatch->with.loop);
    free(dispatch);
    done(done_arg);
}

void lat_dispatch_close(struct lat_dispatch *dispatch, lat_call_fn *done, void *arg)
{
    LAT_ASSERT(!dispatch->closing);
    dispatch->closing = true;
    dispatch->done = done;
    dispatch->done_arg = arg;
    dispatch->watcher = lat_store_unwatch(dispatch->watcher);
    lat_timer_stop(&dispatch->sweep);
    struct lat__line *line;
    DL_FOREACH (dispatch->lines, line)
        lat__line_close(line, NULL);
    flush_later(dispatch); /* so that done comes asynchronously */
}
