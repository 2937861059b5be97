/* What was: samples of nodes and workloads, as the history has them. Whoever may see a thing may see what it used. */
#include "api/workload_internal.h"

enum { LAT__METRICS_MS = 60 * 60 * 1000 }; /* that are shown when nobody says */

static void samples_read(void *arg, char *json, const struct lat_err *err)
{
    struct lat__call *call = arg;
    struct lat_buf answer = {0};

    if (err) {
        lat__call_fail(call, err);
        return;
    }
    lat_buf_add_text(&answer, json);
    free(json);
    lat__call_answer(call, 200, &answer);
}

/* Reads ?from=, ?to= and ?step= into a range that has its subject. */
static int read_range(struct lat__call *call, struct lat_history_range *range, struct lat_err *err)
{
    const char *step = lat_http_param(call->req, "step");
    int code;

    if (!call->api->with.history) {
        return lat_err_set(err, LAT_E_UNAVAILABLE, "This console keeps no history.");
    }
    range->to = lat__now(call->api);
    if ((code = lat__call_read_moment(call, "to", &range->to, err))) {
        return code;
    }
    range->from = range->to - LAT__METRICS_MS;
    if ((code = lat__call_read_moment(call, "from", &range->from, err))) {
        return code;
    }
    if (step && *step && (lat_text_to_duration(step, &range->step_ms) || range->step_ms == 0)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "step", "step is a duration such as 5m.");
    }
    return lat_history_range_check(call->api->with.history, range, err);
}

static void answer_range(struct lat__call *call, struct lat_history_range *range)
{
    struct lat_err err;

    if (read_range(call, range, &err)) {
        lat__call_fail(call, &err);
    } else {
        lat_history_read_samples(call->api->with.history, range, samples_read, call);
    }
}

void lat__workload_metrics(struct lat__call *call)
{
    const struct lat_workload *workload;
    struct lat_history_range range = {0};
    struct lat_err err;

    if (lat__workload_find(call, &workload, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    lat_text_bound(range.owner_id, sizeof(range.owner_id), workload->row.id);
    answer_range(call, &range);
}

void lat__node_metrics(struct lat__call *call)
{
    const struct lat_node *node;
    struct lat_history_range range = {0};
    struct lat_err err;

    if (lat__node_find(call, &node, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    lat_text_bound(range.id, sizeof(range.id), node->row.id);
    answer_range(call, &range);
}
