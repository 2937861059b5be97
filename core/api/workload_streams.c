/* Logs and stats: bytes that come from the node, through a stream of its link, and go to the client. What a node cannot say any more
 * comes from the history (past.c).
 *
 *   state loop: which allocation ─► lat_dispatch_open ─► I/O loop of the link: stream ─► lat_http_write (any thread)
 *                                                              ▲ paused while the client is slow ┘
 *
 * Once the stream is open everything happens on the link's loop; the state loop sees no byte of it. */
#include "api/past_internal.h"

#include <string.h>

enum { LAT__STATS_MAX = 16 * 1024, LAT__TAIL_MAX = 100000 };

/* A request on its way through the link. */
struct feed {
    struct lat_api *api;
    struct lat_http_request *req; /* held */
    struct lat_stream *stream;    /* NULL before it is open and once it is closed */
    bool collect;                 /* stats: a whole answer, not a streamed one */
    struct lat_buf collected;
};

static void free_feed(struct feed *feed)
{
    feed->api->followers--;
    lat_buf_done(&feed->collected);
    lat_http_request_unref(feed->req);
    free(feed);
}

static void client_gone(void *arg)
{
    struct feed *feed = arg;

    lat_stream_close(feed->stream);
}

static void client_drained(void *arg)
{
    struct feed *feed = arg;

    lat_stream_resume(feed->stream);
}

static void feed_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct feed *feed = arg;
    struct lat_err err;

    if (feed->collect) {
        if (feed->collected.len + len > LAT__STATS_MAX) {
            lat_err_set(&err, LAT_E_TOO_LARGE, "The node's answer is too large.");
            lat_stream_abort(feed->stream, &err);
        } else {
            lat_buf_add(&feed->collected, bytes, len);
        }
        return;
    }
    lat_http_write(feed->req, bytes, len);
    if (lat_http_pending(feed->req) > LAT_STREAM_HIGH_WATER) {
        lat_stream_pause(feed->stream);
        lat_http_on_drain(feed->req, lat_stream_loop(feed->stream), client_drained, feed);
    }
}

static void feed_end(void *arg)
{
    lat_stream_end(((struct feed *)arg)->stream);
}

static void feed_closed(void *arg, const struct lat_err *err)
{
    struct feed *feed = arg;

    if (!feed->collect) {
        if (err->code == LAT_OK) {
            lat_http_end(feed->req);
        } else {
            lat_http_abort(feed->req);
        }
    } else if (err->code == LAT_OK) {
        lat_http_respond(feed->req, 200, "application/json", NULL, feed->collected.bytes,
                         feed->collected.len);
    } else {
        lat_http_problem(feed->req, err);
    }
    free_feed(feed);
}

static const struct lat_stream_events feed_events = {
    .on_data = feed_data, .on_end = feed_end, .on_close = feed_closed};

static void opened(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct feed *feed = arg;

    if (err) {
        lat_http_problem(feed->req, err);
        free_feed(feed);
        return;
    }
    feed->stream = stream;
    lat_stream_set_events(stream, &feed_events, feed);
    if (!feed->collect) {
        lat_http_begin(feed->req, 200, "text/plain; charset=utf-8", NULL);
    }
    lat_http_on_gone(feed->req, lat_stream_loop(stream), client_gone, feed);
    lat_stream_resume(stream);
}

/* Reads ?instance=; -1 without it. */
static int read_ordinal(struct lat__call *call, int64_t *ret_ordinal, struct lat_err *err)
{
    const char *text = lat_http_param(call->req, "instance");

    *ret_ordinal = -1;
    if (text && lat_text_to_int(text, 0, LAT_COUNT_MAX, ret_ordinal)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "instance", "instance is a number from 0.");
    }
    return 0;
}

/* Returns the instance with that ordinal, the first one for -1; NULL when there is none. One that is being removed only where there is no
 * other: of a task it may have run elsewhere before. */
static const struct lat_allocation *find_allocation(struct lat__call *call,
                                                    const struct lat_workload *workload,
                                                    int64_t ordinal)
{
    const struct lat_row *row;
    const struct lat_allocation *removed = NULL;
    void *cursor = NULL;

    while ((row = lat_store_each(call->api->with.store, LAT_INDEX_ALLOCATION_WORKLOAD,
                                 workload->row.id, &cursor))) {
        const struct lat_allocation *allocation = (const struct lat_allocation *)row;

        if (ordinal >= 0 && allocation->ordinal != ordinal) {
            continue;
        }
        if (!lat_text_equal(allocation->desired, lat_want_name(LAT_WANT_REMOVED))) {
            return allocation;
        }
        removed = removed ? removed : allocation;
    }
    return removed;
}

static int no_instance(const struct lat_workload *workload, int64_t ordinal, struct lat_err *err)
{
    lat_err_set(err, LAT_E_NOT_FOUND,
                ordinal < 0 ? "'%s' has no instance yet." : "'%s' has no such instance.",
                workload->name);
    return lat_err_hint(err, "`lattice show %s` says why.", workload->name);
}

static void open_feed(struct lat__call *call, const struct lat_allocation *allocation,
                      struct lat_stream_header *header)
{
    struct feed *feed;
    struct lat_err err;

    if (call->api->followers >= LAT_API_FOLLOWERS_MAX) {
        lat_err_set(&err, LAT_E_LIMIT, "At most %d logs and event streams are followed at once.",
                    LAT_API_FOLLOWERS_MAX);
        lat__call_fail(call, &err);
        return;
    }
    feed = LAT_NEW(struct feed);
    feed->api = call->api;
    feed->req = lat_http_request_ref(call->req);
    feed->collect = header->kind == LAT_STREAM_STATS;
    feed->api->followers++;
    header->allocation = allocation->row.id;
    header->generation = allocation->generation;
    header->request_id = lat_http_request_id(call->req);
    lat_dispatch_open(call->api->with.dispatch, allocation->node_id, header, opened, feed);
    lat__call_done(call);
}

/* ---- logs ---- */

/* What is asked of a log: of the node, or of the history. */
struct log_question {
    const struct lat_workload *workload;
    int64_t ordinal; /* -1: the first */
    struct lat_stream_header live;
    struct lat_history_lines kept;
    bool only_kept; /* a node cannot answer that */
};

/* Reads ?since=, ?until=, ?grep= and ?previous=. */
static int read_kept(struct lat__call *call, struct log_question *question, struct lat_err *err)
{
    struct lat_history_lines *kept = &question->kept;
    const char *grep = lat_http_param(call->req, "grep");
    bool previous;
    int code = lat__call_read_moment(call, "since", &kept->since, err);

    code = code ? code : lat__call_read_moment(call, "until", &kept->until, err);
    code = code ? code : lat__call_read_flag(call, "previous", &previous, err);
    if (code) {
        return code;
    }
    if (grep && strlen(grep) >= sizeof(kept->grep)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "grep", "grep has at most %zu bytes.",
                             sizeof(kept->grep) - 1);
    }
    lat_text_bound(kept->grep, sizeof(kept->grep), grep ? grep : "");
    kept->previous = previous;
    question->only_kept = kept->since || kept->until || kept->grep[0] || previous;
    if (question->only_kept && question->live.follow) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "follow",
                             "since, until, grep and previous ask for what was; nothing follows.");
    }
    return 0;
}

static int read_question(struct lat__call *call, struct log_question *question, struct lat_err *err)
{
    const char *tail = lat_http_param(call->req, "tail");
    int code = lat__workload_find(call, &question->workload, err);

    code = code ? code : read_ordinal(call, &question->ordinal, err);
    code = code ? code : lat__call_read_flag(call, "follow", &question->live.follow, err);
    code = code ? code : lat__call_read_flag(call, "timestamps", &question->live.timestamps, err);
    if (code == 0 && tail && !lat_text_equal(tail, "all") &&
        lat_text_to_int(tail, 0, LAT__TAIL_MAX, &question->live.tail)) {
        code = lat_err_field(err, LAT_E_INVALID_FIELD, "tail",
                             "tail is a number of lines up to %d, or all.", LAT__TAIL_MAX);
    }
    return code ? code : read_kept(call, question, err);
}

static void answer_kept(struct lat__call *call, struct log_question *question,
                        const struct lat_allocation *allocation)
{
    struct lat_history_lines *kept = &question->kept;
    struct lat_err otherwise;

    lat_text_bound(kept->owner_id, sizeof(kept->owner_id), question->workload->row.id);
    kept->ordinal = question->ordinal >= 0 ? question->ordinal : 0;
    if (allocation) {
        kept->ordinal = allocation->ordinal;
        lat_err_set(
            &otherwise, LAT_E_UNAVAILABLE,
            "The node is not connected to this console now, and nothing of this log is kept.");
    } else {
        no_instance(question->workload, question->ordinal, &otherwise);
    }
    kept->tail = question->live.tail;
    kept->timestamps = question->live.timestamps;
    lat__past_logs(call, kept, question->only_kept ? NULL : &otherwise);
}

/* A log comes from the node as long as that can be asked for all of it, otherwise from the history. */
void lat__workload_logs(struct lat__call *call)
{
    struct log_question question = {.live = {.kind = LAT_STREAM_LOGS, .tail = -1}};
    const struct lat_allocation *allocation;
    struct lat_err err;

    if (read_question(call, &question, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    allocation = find_allocation(call, question.workload, question.ordinal);
    bool only_live = question.live.follow || !call->api->with.history;
    bool is_linked =
        allocation && lat_dispatch_is_linked(call->api->with.dispatch, allocation->node_id);

    if (question.only_kept || !(only_live || is_linked)) {
        answer_kept(call, &question, allocation);
    } else if (allocation) {
        open_feed(call, allocation, &question.live);
    } else {
        no_instance(question.workload, question.ordinal, &err);
        lat__call_fail(call, &err);
    }
}

void lat__workload_stats(struct lat__call *call)
{
    struct lat_stream_header header = {.kind = LAT_STREAM_STATS};
    const struct lat_allocation *allocation = NULL;
    const struct lat_workload *workload;
    struct lat_err err;
    int64_t ordinal;
    int code = lat__workload_find(call, &workload, &err);

    code = code ? code : read_ordinal(call, &ordinal, &err);
    if (code == 0 && !(allocation = find_allocation(call, workload, ordinal))) {
        code = no_instance(workload, ordinal, &err);
    }
    if (code) {
        lat__call_fail(call, &err);
        return;
    }
    open_feed(call, allocation, &header);
}
