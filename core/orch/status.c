/* The status of a workload: what its allocations add up to, worst first, with the reason of the worst.
 *
 * A function of rows alone. A word in a row that this program does not know (a hand that edited, a newer version that wrote) is no
 * mistake of ours: the status says so, and nothing is done about it here. An observation that speaks of an older generation than the assignment counts as
 * the step that leads to the new one. */
#include "orch/orch_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>

/* A higher rank speaks for the whole workload. */
static int rank_of(enum lat_workload_state status)
{
    static const int ranks[LAT_WORKLOAD_COUNT] = {
        [LAT_WORKLOAD_COMPLETED] = 0, [LAT_WORKLOAD_RUNNING] = 1,     [LAT_WORKLOAD_STOPPED] = 1,
        [LAT_WORKLOAD_STARTING] = 2,  [LAT_WORKLOAD_PLACING] = 3,     [LAT_WORKLOAD_PULLING] = 4,
        [LAT_WORKLOAD_STOPPING] = 5,  [LAT_WORKLOAD_REMOVING] = 5,    [LAT_WORKLOAD_PENDING] = 6,
        [LAT_WORKLOAD_UNHEALTHY] = 7, [LAT_WORKLOAD_UNREACHABLE] = 8, [LAT_WORKLOAD_FAILED] = 9,
    };

    return ranks[status];
}

static void worsen(struct lat__outlook *outlook, enum lat_workload_state status, const char *reason)
{
    int worse = rank_of(status) - rank_of(outlook->status);

    if (worse > 0 || (worse == 0 && outlook->reason[0] == '\0')) {
        outlook->status = status;
        lat_text_bound(outlook->reason, sizeof(outlook->reason), reason);
    }
}

static enum lat_workload_state running_outlook(enum lat_allocation_state observed)
{
    switch (observed) {
    case LAT_ALLOCATION_PLACING: return LAT_WORKLOAD_PLACING;
    case LAT_ALLOCATION_PULLING: return LAT_WORKLOAD_PULLING;
    case LAT_ALLOCATION_RUNNING: return LAT_WORKLOAD_RUNNING;
    case LAT_ALLOCATION_UNHEALTHY: return LAT_WORKLOAD_UNHEALTHY;
    case LAT_ALLOCATION_FAILED: return LAT_WORKLOAD_FAILED;
    case LAT_ALLOCATION_COMPLETED: return LAT_WORKLOAD_COMPLETED;
    default: return LAT_WORKLOAD_STARTING;
    }
}

/* A row says something that nothing here knows. */
static void add_unknown(struct lat__outlook *outlook, const char *what, const char *word)
{
    char reason[LAT_ERR_SENTENCE_MAX];

    snprintf(reason, sizeof(reason), "the database is damaged: %s '%.64s', which is unknown here",
             what, word);
    worsen(outlook, LAT_WORKLOAD_FAILED, reason);
}

/* What has ended stands still: the workload is stopped with it, and says how it ended. */
static void add_ended(struct lat__outlook *outlook, const struct lat_workload *workload,
                      const struct lat_allocation *allocation)
{
    bool has_reason = *allocation->reason != '\0';
    char which[32] = "it";
    char reason[LAT_ERR_SENTENCE_MAX];

    if (workload->count > 1) {
        snprintf(which, sizeof(which), "instance %lld", (long long)allocation->ordinal);
    }
    snprintf(reason, sizeof(reason), "%s had ended before: %.32s%s%.300s%s", which,
             allocation->status, has_reason ? " (" : "", allocation->reason, has_reason ? ")" : "");
    worsen(outlook, LAT_WORKLOAD_STOPPED, reason);
}

static void add_allocation(struct lat__outlook *outlook, const struct lat_workload *workload,
                           const struct lat_allocation *allocation, const struct lat_node *node)
{
    enum lat_allocation_state observed = LAT_ALLOCATION_PLACING;
    bool current = allocation->observed_generation == allocation->generation;
    const char *reason = current ? allocation->reason : "";
    enum lat_want want = LAT_WANT_RUNNING;
    char away[LAT_ERR_SENTENCE_MAX];

    if (!lat_want_parse(allocation->desired, &want)) {
        add_unknown(outlook, "an instance is desired to be", allocation->desired);
        return;
    }
    if (!lat_allocation_state_parse(allocation->status, &observed)) {
        add_unknown(outlook, "an instance is said to be", allocation->status);
        return;
    }
    if (lat__orch_is_due(workload, allocation)) {
        return; /* what it lacks is a place: add_missing */
    }
    if (allocation->finished && want != LAT_WANT_REMOVED &&
        lat_text_equal(workload->desired, lat_want_name(LAT_WANT_STOPPED))) {
        add_ended(outlook, workload, allocation);
        return;
    }
    if ((!allocation->finished || want == LAT_WANT_REMOVED) && node &&
        !lat_text_equal(node->status, lat_node_state_name(LAT_NODE_READY))) {
        snprintf(away, sizeof(away), "node %s: %.300s", node->name, node->reason);
        reason = away;
    }
    switch (want) {
    case LAT_WANT_REMOVED:
        if (lat_text_equal(workload->desired, lat_want_name(LAT_WANT_REMOVED))) {
            worsen(outlook, LAT_WORKLOAD_REMOVING, reason);
        }
        break;
    case LAT_WANT_STOPPED:
        worsen(outlook,
               current && observed == LAT_ALLOCATION_STOPPED ? LAT_WORKLOAD_STOPPED
                                                             : LAT_WORKLOAD_STOPPING,
               reason);
        break;
    default:
        if (reason == away) {
            worsen(outlook, LAT_WORKLOAD_UNREACHABLE, reason);
        } else if (!current && observed != LAT_ALLOCATION_PLACING) {
            worsen(outlook, LAT_WORKLOAD_STARTING, reason);
        } else {
            worsen(outlook, running_outlook(observed), reason);
        }
    }
}

/* The newest evaluation says why a workload that lacks instances has to wait. */
static void add_missing(struct lat__outlook *outlook, struct lat_txn *txn,
                        const struct lat_workload *workload)
{
    const struct lat_evaluation *newest = NULL;
    const struct lat_row *row;
    void *cursor = NULL;

    if (lat__orch_missing(txn, workload, NULL, 1) == 0) {
        return;
    }
    while ((row = lat_txn_each(txn, LAT_INDEX_EVALUATION_WORKLOAD, workload->row.id, &cursor))) {
        newest = (const struct lat_evaluation *)row;
    }
    if (newest && lat_text_equal(newest->status, "blocked")) {
        worsen(outlook, LAT_WORKLOAD_PENDING, newest->reason);
    } else {
        worsen(outlook, LAT_WORKLOAD_PLACING, "");
    }
}

static void add_endpoints(struct lat__outlook *outlook, struct lat_txn *txn,
                          const struct lat_workload *workload)
{
    const struct lat_row *row;
    void *cursor = NULL;

    if (outlook->status != LAT_WORKLOAD_RUNNING) {
        return;
    }
    while ((row = lat_txn_each(txn, LAT_INDEX_ENDPOINT_WORKLOAD, workload->row.id, &cursor))) {
        const struct lat_endpoint *endpoint = (const struct lat_endpoint *)row;

        if (endpoint->public && endpoint->port == 0) {
            worsen(outlook, LAT_WORKLOAD_STARTING, "waiting for a free public port");
        }
    }
}

void lat__orch_outlook(struct lat_txn *txn, const struct lat_workload *workload,
                       struct lat__outlook *ret_outlook)
{
    enum lat_want want = LAT_WANT_RUNNING;
    const struct lat_row *row;
    void *cursor = NULL;

    bool is_known = lat_want_parse(workload->desired, &want);
    bool is_task = lat_text_equal(workload->kind, lat_workload_kind_name(LAT_RUN_TASK));

    *ret_outlook = (struct lat__outlook){
        .status = want == LAT_WANT_REMOVED   ? LAT_WORKLOAD_REMOVING
                  : want == LAT_WANT_STOPPED ? LAT_WORKLOAD_STOPPED
                  : is_task                  ? LAT_WORKLOAD_COMPLETED
                                             : LAT_WORKLOAD_RUNNING,
    };
    if (!is_known) {
        add_unknown(ret_outlook, "the workload is desired to be", workload->desired);
        return;
    }
    while ((row = lat_txn_each(txn, LAT_INDEX_ALLOCATION_WORKLOAD, workload->row.id, &cursor))) {
        const struct lat_allocation *allocation = (const struct lat_allocation *)row;
        const struct lat_row *node = lat_txn_get(txn, LAT_TABLE_NODE, allocation->node_id);

        add_allocation(ret_outlook, workload, allocation, (const struct lat_node *)node);
    }
    add_missing(ret_outlook, txn, workload);
    add_endpoints(ret_outlook, txn, workload);
}
