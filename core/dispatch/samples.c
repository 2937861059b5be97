/* What nodes measure, into the history. A node speaks for itself and for the allocations that stand on it, for nobody else; and not more often
 * than it can mean: past LAT_SAMPLES_MAX items a second the rest is dropped and counted, so that one node cannot push out what
 * others tell. Times are the console's, for a node's clock may be anything. Runs on the state loop. */
#include "internal.h"

#include "base/text.h"

static bool may_sample(struct lat__session *session)
{
    int64_t now = lat_clock_boot_ms(lat_loop_clock(session->dispatch->with.loop));
    if (now - session->sampled_since_ms >= LAT__SAMPLED_MS) {
        session->sampled_since_ms = now;
        session->sampled = 0;
    }
    return session->sampled++ < LAT_SAMPLES_MAX;
}

/* Finds whom an item is about; false when that is not this node's to tell. */
static bool find_subject(struct lat__session *session, const struct lat_node *node,
                         const struct lat__measured *measured,
                         struct lat_history_subject *ret_subject)
{
    struct lat_history_subject subject = {0};
    lat_text_bound(subject.node, sizeof(subject.node), node->name);
    if (*measured->allocation) {
        const struct lat_allocation *allocation =
            lat_store_allocation(session->dispatch->with.store, measured->allocation);
        if (!allocation || !lat_text_equal(allocation->node_id, session->node_id))
            return false;
        lat_text_bound(subject.id, sizeof(subject.id), allocation->row.id);
        lat_text_bound(subject.owner_id, sizeof(subject.owner_id), allocation->workload_id);
        subject.ordinal = allocation->ordinal;
    } else {
        lat_text_bound(subject.id, sizeof(subject.id), session->node_id);
    }
    *ret_subject = subject;
    return true;
}

static void take(struct lat__session *session, const struct lat_node *node,
                 const struct lat__report *report)
{
    struct lat_history *history = session->dispatch->with.history;
    int64_t now = lat__dispatch_now_ms(session->dispatch);
    for (size_t i = 0; i < report->measured_count; i++) {
        const struct lat__measured *measured = &report->measured[i];
        struct lat_history_subject subject;
        if (!find_subject(session, node, measured, &subject))
            continue;
        if (may_sample(session))
            lat_history_add_samples(history, &subject, now, measured->samples, measured->count);
        else
            lat_history_count_dropped(history, LAT_HISTORY_SAMPLES, (int64_t)measured->count);
    }
}

void lat__samples_take(struct lat__session *session, const struct lat__reports *reports)
{
    const struct lat_node *node = lat_store_node(session->dispatch->with.store, session->node_id);
    if (!node || !session->dispatch->with.history)
        return;
    for (size_t i = 0; i < reports->count; i++) {
        if (reports->items[i].kind == LAT__REPORT_SAMPLES)
            take(session, node, &reports->items[i]);
    }
}
