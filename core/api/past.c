/* What was, as the history has it: samples of nodes and workloads, and kept logs. Whoever may see a thing may see its past. Runs on the
 * state loop; the history's thread reads, a page of a log at a time, and the next one when the client has taken it. */
#include "api/past_internal.h"

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

/* ---- kept logs ---- */

/* A log on its way to a client. */
struct reading {
    struct lat__call *call; /* ends with it */
    struct lat_history_lines which;
    bool begun;
    bool draining;            /* the client is slow */
    bool gone;                /* the client is */
    struct lat_err otherwise; /* where nothing was kept; code 0: an empty answer */
};

static void reading_done(struct reading *reading)
{
    lat__call_done(reading->call);
    free(reading);
}

static void client_gone(void *arg)
{
    struct reading *reading = arg;

    reading->gone = true;
    if (reading->draining) { /* else a page is on its way */
        reading_done(reading);
    }
}

static void page_read(void *arg, const struct lat_history_page *page, const struct lat_err *err);

static void client_drained(void *arg)
{
    struct reading *reading = arg;

    reading->draining = false;
    lat_history_read_lines(reading->call->api->with.history, &reading->which, page_read, reading);
}

static void begin_answer(struct reading *reading)
{
    struct lat_http_request *req = reading->call->req;

    reading->begun = true;
    lat_http_begin(req, 200, "text/plain; charset=utf-8", NULL);
    lat_http_on_gone(req, reading->call->api->with.loop, client_gone, reading);
}

static void page_read(void *arg, const struct lat_history_page *page, const struct lat_err *err)
{
    struct reading *reading = arg;
    struct lat__call *call = reading->call;

    if (!err && !reading->begun && reading->otherwise.code && page->len == 0 && !page->more) {
        err = &reading->otherwise;
    }
    if (err && !reading->begun) {
        lat__call_fail(call, err);
        free(reading);
        return;
    }
    if (err || reading->gone) {
        lat_http_abort(call->req);
        reading_done(reading);
        return;
    }
    if (!reading->begun) {
        begin_answer(reading);
    }
    lat_http_write(call->req, page->text, page->len);
    reading->which.after = page->next;
    if (page->more) {
        reading->draining = true;
        lat_http_on_drain(call->req, call->api->with.loop, client_drained, reading);
    } else {
        lat_http_end(call->req);
        reading_done(reading);
    }
}

void lat__past_logs(struct lat__call *call, const struct lat_history_lines *which,
                    const struct lat_err *otherwise)
{
    struct reading *reading;
    struct lat_err err;

    if (!call->api->with.history) {
        lat_err_set(&err, LAT_E_UNAVAILABLE, "This console keeps no history.");
        lat__call_fail(call, &err);
        return;
    }
    reading = LAT_NEW(struct reading);
    reading->call = call;
    reading->which = *which;
    if (otherwise) {
        reading->otherwise = *otherwise;
    }
    lat_history_read_lines(call->api->with.history, which, page_read, reading);
}
