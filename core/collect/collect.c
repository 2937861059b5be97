/* Which logs are followed, and when.
 *
 *     resting ── a change of the row, its node is back, or time ──► asking (history: where does it end?) ──► opening ──► streaming
 *        ▲                                                                                                            │
 *        └──────────────── ended: again soon while it runs, later after an error, with the next change otherwise ◄────┘
 *
 * A follow is there as long as its allocation's row, and as long as a stream of it is. */
#include "internal.h"

#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum phase { RESTING, ASKING, OPENING, STREAMING };

enum { LAT__CONTAINER_SIZE = 65 };

struct follow {
    struct lat_collect *collect;
    struct lat_history_subject subject;
    char node_id[LAT_ID_SIZE];
    char allocation[LAT_ID_SIZE];
    char container[LAT__CONTAINER_SIZE]; /* whose log is followed, or was last */
    enum phase phase;
    bool gone;                  /* the row is */
    bool again;                 /* something changed meanwhile */
    struct lat_timer timer;     /* until the next look */
    int64_t retry_ms;           /* the wait after the next failure */
    struct lat__feed *feed;     /* from opening on */
    struct lat_loop *feed_loop; /* of the stream; NULL before it is open */
};

struct lat_collect {
    struct lat_collect_config with;
    struct lat_map *follows; /* allocation -> struct follow, owned */
    struct lat_map *loads;   /* node -> how many streams it has, a size_t, owned */
    struct lat_watcher *watcher;
    struct lat_metric *streams;
    bool closing;
    lat_call_fn *done;
    void *done_arg;
};

/* ---- how much a node is asked for ---- */

static size_t *load_of(struct lat_collect *collect, const char *node_id)
{
    size_t *load = lat_map_get(collect->loads, node_id);

    if (load == NULL) {
        load = LAT_NEW(size_t);
        lat_map_put(collect->loads, node_id, load);
    }
    return load;
}

static void count_stream(struct follow *follow, bool begins)
{
    size_t *load = load_of(follow->collect, follow->node_id);

    *load = begins ? *load + 1 : *load - 1;
    lat_metric_add(follow->collect->streams, begins ? 1 : -1);
    if (*load == 0) {
        lat_map_remove(follow->collect->loads, follow->node_id);
        free(load);
    }
}

/* ---- the end ---- */

static void finish(void *arg)
{
    struct lat_collect *collect = arg;
    lat_call_fn *done = collect->done;
    void *done_arg = collect->done_arg;

    LAT_ASSERT(lat_map_count(collect->loads) == 0);
    lat_map_free(collect->loads);
    lat_map_free(collect->follows);
    lat_loop_release(collect->with.loop);
    free(collect);
    done(done_arg);
}

static void follow_free(struct follow *follow)
{
    struct lat_collect *collect = follow->collect;

    lat_map_remove(collect->follows, follow->allocation);
    lat_timer_done(&follow->timer);
    free(follow);
    if (collect->closing && lat_map_count(collect->follows) == 0) {
        lat_loop_defer(collect->with.loop, finish, collect);
    }
}

/* ---- following ---- */

static void rest(struct follow *follow, int64_t wait_ms)
{
    follow->phase = RESTING;
    if (follow->gone || follow->collect->closing) {
        follow_free(follow);
    } else if (follow->again) {
        follow->again = false;
        lat_timer_start(&follow->timer, LAT_COLLECT_BEGIN_MS, 0);
    } else if (wait_ms > 0) {
        lat_timer_start(&follow->timer, wait_ms, 0);
    }
}

static void rest_after_failure(struct follow *follow)
{
    int64_t wait_ms = follow->retry_ms;

    follow->retry_ms =
        wait_ms * 2 < LAT_COLLECT_RETRY_MAX_MS ? wait_ms * 2 : LAT_COLLECT_RETRY_MAX_MS;
    rest(follow, wait_ms);
}

/* Does its container run, as far as is known? */
static bool runs(const struct follow *follow)
{
    const struct lat_allocation *row =
        lat_store_allocation(follow->collect->with.store, follow->allocation);
    enum lat_allocation_state status;

    return row && lat_allocation_state_parse(row->status, &status) &&
           (status == LAT_ALLOCATION_STARTING || status == LAT_ALLOCATION_RUNNING ||
            status == LAT_ALLOCATION_UNHEALTHY);
}

static void started(void *arg, struct lat_loop *loop)
{
    struct follow *follow = arg;

    follow->phase = STREAMING;
    follow->feed_loop = loop;
    if (follow->collect->closing) {
        lat_loop_post_always(loop, lat__feed_close, follow->feed);
    }
}

static void ended(void *arg, const struct lat_err *err, bool full, int64_t lines)
{
    struct follow *follow = arg;
    /* "It is not there" is the end of a log too; whoever makes its container anew changes the row. */
    bool failed = full || (err->code != LAT_OK && err->code != LAT_E_NOT_FOUND);

    count_stream(follow, false);
    if (follow->feed_loop) {
        lat_loop_post_always(follow->feed_loop, lat__feed_free, follow->feed);
    } else {
        lat__feed_free(follow->feed);
    }
    follow->feed = NULL;
    follow->feed_loop = NULL;
    if (lines > 0) {
        follow->retry_ms = LAT_COLLECT_RETRY_MIN_MS;
    }
    if (failed || runs(follow)) {
        rest_after_failure(follow);
    } else {
        rest(follow, 0);
    }
}

static void open_feed(struct follow *follow, int64_t at_ns, int64_t count)
{
    const struct lat_collect_config *with = &follow->collect->with;
    struct lat__feed *feed = LAT_NEW(struct lat__feed);
    char since[LAT_SINCE_MAX + 1] = "";
    struct lat_stream_header header = {.kind = LAT_STREAM_LOGS,
                                       .allocation = follow->allocation,
                                       .request_id = "",
                                       .follow = true,
                                       .tail = -1,
                                       .timestamps = true,
                                       .container = follow->container,
                                       .since = since};

    if (count > 0) {
        snprintf(since, sizeof(since), "%" PRId64 ".%09" PRId64, at_ns / 1000000000,
                 at_ns % 1000000000);
    }
    feed->history = with->history;
    feed->subject = follow->subject;
    feed->state_loop = with->loop;
    feed->started = started;
    feed->ended = ended;
    feed->owner = follow;
    feed->skip_ns = count > 0 ? at_ns : 0;
    feed->skip_count = count;
    follow->feed = feed;
    follow->phase = OPENING;
    count_stream(follow, true);
    lat_dispatch_open(with->dispatch, follow->node_id, &header, lat__feed_opened, feed);
}

static void asked(void *arg, int64_t at_ns, int64_t count, const struct lat_err *err)
{
    struct follow *follow = arg;

    if (follow->gone || follow->collect->closing) {
        rest(follow, 0);
    } else if (err) {
        rest_after_failure(follow);
    } else {
        open_feed(follow, at_ns, count);
    }
}

/* Learns which container the allocation has now; false: none. Each has a log of its own. */
static bool find_container(struct follow *follow)
{
    const struct lat_allocation *row =
        lat_store_allocation(follow->collect->with.store, follow->allocation);
    cJSON *observed = row ? cJSON_Parse(row->observed) : NULL;

    lat_text_bound(follow->container, sizeof(follow->container),
                   lat_json_text(observed, "container", ""));
    lat_text_bound(follow->subject.id, sizeof(follow->subject.id), follow->container);
    cJSON_Delete(observed);
    return *follow->container;
}

static void begin(void *arg)
{
    struct follow *follow = arg;
    struct lat_collect *collect = follow->collect;
    const size_t *load = lat_map_get(collect->loads, follow->node_id);

    if (!find_container(follow)) {
        rest(follow, 0); /* the change that tells of one comes yet */
        return;
    }
    if (!lat_dispatch_is_linked(collect->with.dispatch, follow->node_id) ||
        (load && *load >= LAT_COLLECT_STREAMS_PER_NODE)) {
        rest_after_failure(follow);
        return;
    }
    follow->phase = ASKING;
    lat_history_read_end(collect->with.history, follow->subject.id, asked, follow);
}

static void kick(struct follow *follow)
{
    if (follow->phase != RESTING) {
        follow->again = true;
    } else {
        follow->retry_ms = LAT_COLLECT_RETRY_MIN_MS;
        lat_timer_start(&follow->timer, LAT_COLLECT_BEGIN_MS, 0);
    }
}

/* ---- watching ---- */

static struct follow *follow_new(struct lat_collect *collect, const struct lat_allocation *row)
{
    struct follow *follow = LAT_NEW(struct follow);
    const struct lat_node *node = lat_store_node(collect->with.store, row->node_id);

    follow->collect = collect;
    follow->retry_ms = LAT_COLLECT_RETRY_MIN_MS;
    lat_text_bound(follow->node_id, sizeof(follow->node_id), row->node_id);
    lat_text_bound(follow->allocation, sizeof(follow->allocation), row->row.id);
    lat_text_bound(follow->subject.owner_id, sizeof(follow->subject.owner_id), row->workload_id);
    lat_text_bound(follow->subject.node, sizeof(follow->subject.node), node ? node->name : "");
    follow->subject.ordinal = row->ordinal;
    lat_timer_init(&follow->timer, collect->with.loop, begin, follow);
    lat_map_put(collect->follows, follow->allocation, follow);
    return follow;
}

/* Is there anything to read: has it, or had it, a container? */
static bool has_log(const struct lat_allocation *row)
{
    enum lat_allocation_state status;

    return lat_allocation_state_parse(row->status, &status) && status != LAT_ALLOCATION_PLACING &&
           status != LAT_ALLOCATION_PULLING && status != LAT_ALLOCATION_REMOVED;
}

static void allocation_changed(struct lat_collect *collect, const struct lat_allocation *before,
                               const struct lat_allocation *after)
{
    struct follow *follow = lat_map_get(collect->follows, after ? after->row.id : before->row.id);

    if (!after) {
        if (follow && follow->phase == RESTING) {
            follow_free(follow);
        } else if (follow) {
            follow->gone = true; /* what is under way comes to its end */
        }
        return;
    }
    if (!has_log(after) || (before && lat_text_equal(before->status, after->status) &&
                            lat_text_equal(before->observed, after->observed))) {
        return;
    }
    kick(follow ? follow : follow_new(collect, after));
}

static void node_changed(struct lat_collect *collect, const struct lat_node *node)
{
    const struct lat_row *row;
    void *cursor = NULL;

    if (!node || !lat_text_equal(node->status, lat_node_state_name(LAT_NODE_READY))) {
        return;
    }
    while ((row = lat_store_each(collect->with.store, LAT_INDEX_ALLOCATION_NODE, node->row.id,
                                 &cursor))) {
        struct follow *follow = lat_map_get(collect->follows, row->id);

        if (follow && follow->phase == RESTING) {
            kick(follow);
        }
    }
}

static void changed(void *arg, const struct lat_change *change)
{
    struct lat_collect *collect = arg;

    if (change->table == LAT_TABLE_ALLOCATION) {
        allocation_changed(collect, (const struct lat_allocation *)change->before,
                           (const struct lat_allocation *)change->after);
    } else if (!change->before ||
               !lat_text_equal(((const struct lat_node *)change->before)->status,
                               change->after ? ((const struct lat_node *)change->after)->status
                                             : NULL)) {
        node_changed(collect, (const struct lat_node *)change->after);
    }
}

/* ---- life ---- */

struct lat_collect *lat_collect_new(const struct lat_collect_config *config)
{
    struct lat_collect *collect = LAT_NEW(struct lat_collect);
    const struct lat_allocation *row;
    void *cursor = NULL;

    collect->with = *config;
    collect->follows = lat_map_new();
    collect->loads = lat_map_new();
    collect->streams = lat_metrics_gauge(config->metrics, "lattice_log_streams", "",
                                         "Logs that are being followed for the history.");
    lat_loop_hold(config->loop);
    while ((row = lat_store_next_allocation(config->store, &cursor))) {
        if (has_log(row)) {
            kick(follow_new(collect, row));
        }
    }
    collect->watcher = lat_store_watch(
        config->store, 1U << LAT_TABLE_ALLOCATION | 1U << LAT_TABLE_NODE, changed, collect);
    return collect;
}

void lat_collect_close(struct lat_collect *collect, lat_call_fn *done, void *arg)
{
    const char *id;
    void *cursor = NULL;
    void *value;

    LAT_ASSERT(!collect->closing);
    collect->watcher = lat_store_unwatch(collect->watcher);
    collect->done = done;
    collect->done_arg = arg;
    if (lat_map_count(collect->follows) == 0) {
        collect->closing = true;
        lat_loop_defer(collect->with.loop, finish, collect);
        return;
    }
    collect->closing = true;
    while (lat_map_next(collect->follows, &cursor, &id, &value)) {
        struct follow *follow = value;

        if (follow->phase == RESTING) {
            follow_free(follow);
        } else if (follow->feed_loop) {
            lat_loop_post_always(follow->feed_loop, lat__feed_close, follow->feed);
        }
    }
}
