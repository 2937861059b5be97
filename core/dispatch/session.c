/* The half of a link that lives on the state loop: admission, the newest link of a node wins, assignments out, reports in.
 *
 * A session is `current` from its admission until a newer one of the same node takes its place or its line has gone. A node whose
 * current session's line goes is unreachable from then on; nothing else changes: what runs there goes on. */
#include "internal.h"

#include "base/text.h"

#include <stdlib.h>
#include <utlist.h>

static int admit(struct lat_dispatch *dispatch, const struct lat__line *line, struct lat_err *err)
{
    if (dispatch->closing)
        return lat_err_set(err, LAT_E_UNAVAILABLE, "The console is stopping.");
    const struct lat_node *node = lat_store_node(dispatch->with.store, line->node_id);
    if (!node) {
        lat_err_set(err, LAT_E_NOT_FOUND, "This console does not know the node %s.", line->node_id);
        return lat_err_hint(
            err, "Join it again: empty the agent's data folder and give it a new join token.");
    }
    if (lat_text_equal(node->status, lat_node_state_name(LAT_NODE_REVOKED))) {
        lat_err_set(err, LAT_E_FORBIDDEN, "The node %s was revoked.", node->name);
        return lat_err_hint(err, "Ask an administrator of this console.");
    }
    if (!lat_text_equal(node->key_digest, line->key_digest)) {
        lat_err_set(err, LAT_E_FORBIDDEN, "The node %s joined with another key.", node->name);
        return lat_err_hint(err, "Two agents may be using one identity: join this one again.");
    }
    return 0;
}

static void write_welcome(struct lat_dispatch *dispatch, const char *node_id,
                          struct lat__outbox *out)
{
    const struct lat_node *node = lat_store_node(dispatch->with.store, node_id);
    struct lat_welcome_message welcome = {
        .version = LAT_LINK_VERSION,
        .node_id = node_id,
        .node_name = node->name,
        .epoch = lat__dispatch_epoch(dispatch),
        .heartbeat_ms = dispatch->with.heartbeat_ms,
        .time = lat__dispatch_now_ms(dispatch),
    };
    lat_welcome_message_write(&welcome, &out->bytes);
    lat__outbox_close_message(out);
}

static void replace_older(struct lat__session *older)
{
    struct lat_err why;
    lat_err_set(&why, LAT_E_CONFLICT, "A newer link of this node has taken the place of this one.");
    older->current = false;
    lat__line_close(older->line, &why);
}

static void retry(void *arg)
{
    lat__observe(arg);
}

void lat__session_made(struct lat__line *line)
{
    DL_APPEND(line->dispatch->lines, line);
    if (line->dispatch->closing)
        lat__line_close(line, NULL);
}

void lat__session_arrived(struct lat__line *line)
{
    struct lat_dispatch *dispatch = line->dispatch;
    struct lat_err err;
    if (admit(dispatch, line, &err) < 0) {
        lat__line_close(line, &err);
        return;
    }
    struct lat__session *session = LAT_NEW(struct lat__session);
    session->dispatch = dispatch;
    session->line = line;
    session->current = true;
    session->unknown = lat_map_new();
    lat_text_bound(session->node_id, sizeof(session->node_id), line->node_id);
    lat_timer_init(&session->retry, dispatch->with.loop, retry, session);
    line->session = session;
    struct lat__session *older = lat_map_put(dispatch->sessions, session->node_id, session);
    if (older)
        replace_older(older);
    lat_metric_set(dispatch->links, (int64_t)lat_map_count(dispatch->sessions));
    lat_log(dispatch->with.log, LAT_LOG_INFO, "a node is linked", LAT_STR("node", session->node_id),
            LAT_STR("peer", line->peer), LAT_BOOL("replaces_link", older != NULL));
    write_welcome(dispatch, session->node_id, &session->outbox);
    lat__assign_all(session);
    lat__line_welcome(line, &session->outbox);
}

void lat__session_reported(struct lat__line *line, struct lat__reports *reports)
{
    struct lat__session *session = line->session;
    if (!session || !session->current) {
        lat__reports_done(reports);
        lat__line_taken(line);
        return;
    }
    LAT_ASSERT(session->reports.count == 0 && !session->committing);
    session->reports = *reports;
    *reports = (struct lat__reports){0};
    lat__samples_take(session, &session->reports);
    lat__observe(session);
}

static void session_free(struct lat__session *session)
{
    lat__reports_done(&session->reports);
    lat__outbox_done(&session->outbox);
    lat_timer_done(&session->retry);
    lat_map_free(session->unknown);
    free(session);
}

void lat__session_maybe_free(struct lat__session *session)
{
    if (!session->line && !session->committing)
        session_free(session);
}

static void mark_lost(const struct lat__session *session, const struct lat_err *err)
{
    char *reason = err->code ? lat_text_format("Its link was lost: %s", err->sentence)
                             : lat_text_copy("Its agent closed the link.");
    lat__observe_lost(session->dispatch, session->node_id, reason);
    free(reason);
}

void lat__session_gone(struct lat__line *line, const struct lat_err *err)
{
    struct lat_dispatch *dispatch = line->dispatch;
    struct lat__session *session = line->session;
    if (session) {
        if (session->current) {
            lat_map_remove(dispatch->sessions, session->node_id);
            lat_metric_set(dispatch->links, (int64_t)lat_map_count(dispatch->sessions));
            lat_log(dispatch->with.log, LAT_LOG_INFO, "a node's link is gone",
                    LAT_STR("node", session->node_id), LAT_STR("peer", line->peer),
                    LAT_STR("error", err->code ? err->sentence : NULL));
            if (!dispatch->closing)
                mark_lost(session, err);
        }
        if (session->dirty)
            DL_DELETE(dispatch->dirty, session);
        session->dirty = false;
        session->current = false;
        session->line = NULL;
        lat_timer_stop(&session->retry);
        lat__session_maybe_free(session);
    }
    DL_DELETE(dispatch->lines, line);
    lat__line_release(line);
    lat__dispatch_maybe_finish(dispatch);
}

/* Has the assignment itself changed, or only what is observed of it? */
static bool is_news(const struct lat_allocation *before, const struct lat_allocation *after)
{
    return !before || before->generation != after->generation ||
           before->restarts != after->restarts || before->keep_data != after->keep_data ||
           !lat_text_equal(before->desired, after->desired) ||
           !lat_text_equal(before->node_id, after->node_id);
}

void lat__session_allocation_changed(struct lat_dispatch *dispatch, const struct lat_change *change)
{
    const struct lat_allocation *after = (const struct lat_allocation *)change->after;
    if (!after || !is_news((const struct lat_allocation *)change->before, after))
        return;
    struct lat__session *session = lat_map_get(dispatch->sessions, after->node_id);
    if (!session)
        return;
    lat__assign(session, after);
    lat__dispatch_send(session);
}
