/* The event stream: every change of what the caller may see, in order, resumed by index without gap or repeat.
 *
 * A follower is a position in the store's change log, and nothing else: it is sent notes from there while its client
 * takes them, and goes on when the log grows or the client drains. So a slow client costs no memory. Runs on
 * the state loop. */
#include "api/api_internal.h"

#include <stdio.h>

enum { LAT__NOTES_AT_ONCE = 64, LAT__KEEP_ALIVE_MS = 15000 };

struct follower {
    TAILQ_ENTRY(follower) link;
    struct lat__events *events;
    struct lat_http_request *req; /* held */
    bool admin;
    char project_id[LAT_ID_SIZE];
    int64_t index; /* the last one that was sent or passed over */
    bool draining; /* its client is slow: goes on when it drains */
};

struct lat__events {
    struct lat_api *api;
    struct lat_watcher *watcher;
    TAILQ_HEAD(, follower) followers;
    struct lat_timer keep_alive;
    struct lat_timer pump; /* at the end of the turn: stops with the events */
};

/* What followers are told of: people, tokens and secrets are nobody's news. */
static bool is_shown(int table)
{
    return table == LAT_TABLE_WORKLOAD || table == LAT_TABLE_ALLOCATION ||
           table == LAT_TABLE_ENDPOINT || table == LAT_TABLE_EVALUATION ||
           table == LAT_TABLE_NODE || table == LAT_TABLE_POLICY;
}

static bool may_see(const struct follower *follower, const struct lat_change_note *note)
{
    return is_shown(note->table) && (follower->admin || !*note->project_id ||
                                     lat_text_equal(note->project_id, follower->project_id));
}

static void send_note(struct follower *follower, const struct lat_change_note *note)
{
    const struct lat_row *row =
        lat_store_get(follower->events->api->with.store, note->table, note->id);
    struct lat_json_writer writer;
    struct lat_buf data = {0};
    struct lat_buf event = {0};
    char index[24];
    char name[64];

    snprintf(index, sizeof(index), "%lld", (long long)note->index);
    snprintf(name, sizeof(name), "%s.%s", lat_table(note->table)->name,
             note->kind == LAT_CHANGE_PUT ? "changed" : "removed");
    lat_json_writer_init(&writer, &data);
    lat_json_object(&writer, NULL);
    lat_json_add_int(&writer, "index", note->index);
    lat_json_add_text(&writer, "table", lat_table(note->table)->name);
    lat_json_add_text(&writer, "id", note->id);
    lat_json_add_text(&writer, "request_id", note->request_id);
    lat_json_add_time(&writer, "at", note->at);
    if (row && note->kind == LAT_CHANGE_PUT) {
        lat_json_object(&writer, "row");
        lat_row_write(row, &writer);
        lat_json_end(&writer, '}');
    }
    lat_json_end(&writer, '}');
    lat_http_event(&event, index, name, lat_buf_text(&data));
    lat_http_write(follower->req, event.bytes, event.len);
    lat_buf_done(&data);
    lat_buf_done(&event);
}

static void forget(struct follower *follower)
{
    TAILQ_REMOVE(&follower->events->followers, follower, link);
    follower->events->api->followers--;
    lat_http_request_unref(follower->req);
    free(follower);
}

static void client_gone(void *arg)
{
    forget(arg);
}

static void pump(struct follower *follower);

static void client_drained(void *arg)
{
    struct follower *follower = arg;

    follower->draining = false;
    pump(follower);
}

/* Sends what is new until the log or the client's patience ends. */
static void pump(struct follower *follower)
{
    struct lat_change_note notes[LAT__NOTES_AT_ONCE];
    struct lat_api *api = follower->events->api;
    size_t count = 1;

    while (count > 0 && !follower->draining) {
        if (lat_store_changes_after(api->with.store, follower->index, notes, LAT__NOTES_AT_ONCE,
                                    &count, NULL)) {
            lat_http_abort(
                follower->req); /* it fell too far behind: it is told so when it asks again */
            forget(follower);
            return;
        }
        for (size_t i = 0; i < count; i++) {
            if (may_see(follower, &notes[i])) {
                send_note(follower, &notes[i]);
            }
            follower->index = notes[i].index;
        }
        if (lat_http_pending(follower->req) > LAT_STREAM_HIGH_WATER) {
            follower->draining = true;
            lat_http_on_drain(follower->req, api->with.loop, client_drained, follower);
        }
    }
}

static void pump_all(void *arg)
{
    struct lat__events *events = arg;
    struct follower *follower = TAILQ_FIRST(&events->followers);

    while (follower) {
        struct follower *next = TAILQ_NEXT(follower, link);

        pump(follower);
        follower = next;
    }
}

static void store_changed(void *arg, const struct lat_change *change)
{
    struct lat__events *events = arg;

    (void)change;
    if (!lat_timer_running(&events->pump) && !TAILQ_EMPTY(&events->followers)) {
        lat_timer_start(&events->pump, 0, 0);
    }
}

static void keep_alive(void *arg)
{
    struct lat__events *events = arg;
    struct follower *follower;
    struct lat_buf comment = {0};

    lat_http_event_comment(&comment, "still here");
    TAILQ_FOREACH (follower, &events->followers, link) {
        if (!follower->draining) {
            lat_http_write(follower->req, comment.bytes, comment.len);
        }
    }
    lat_buf_done(&comment);
}

/* Where to begin: behind Last-Event-ID or ?after=, else at the present. */
static int read_position(struct lat__call *call, int64_t *ret_index, struct lat_err *err)
{
    const char *text = lat_http_header(call->req, "Last-Event-ID");
    struct lat_change_note note;
    size_t count;

    text = text ? text : lat_http_param(call->req, "after");
    *ret_index = lat_store_index(call->api->with.store);
    if (!text) {
        return 0;
    }
    if (lat_text_to_int(text, 0, *ret_index, ret_index)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "after",
                             "after is the index of an event that was received.");
    }
    return lat_store_changes_after(call->api->with.store, *ret_index, &note, 1, &count, err);
}

void lat__events_follow(struct lat__call *call)
{
    static const struct lat_http_field unbuffered[] = {{"X-Accel-Buffering", "no"}, {NULL, NULL}};
    struct lat__events *events = call->api->events;
    struct follower *follower;
    struct lat_buf hello = {0};
    struct lat_err err;
    int64_t index;
    char text[24];

    if (read_position(call, &index, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    if (call->api->followers >= LAT_API_FOLLOWERS_MAX) {
        lat_err_set(&err, LAT_E_LIMIT, "At most %d logs and event streams are followed at once.",
                    LAT_API_FOLLOWERS_MAX);
        lat__call_fail(call, &err);
        return;
    }
    follower = LAT_NEW(struct follower);
    follower->events = events;
    follower->req = lat_http_request_ref(call->req);
    follower->admin = call->admin;
    lat_text_bound(follower->project_id, sizeof(follower->project_id), call->user->project_id);
    follower->index = index;
    call->api->followers++;
    TAILQ_INSERT_TAIL(&events->followers, follower, link);
    lat_http_begin(call->req, 200, "text/event-stream", unbuffered);
    snprintf(text, sizeof(text), "%lld", (long long)index);
    lat_http_event(&hello, text, "hello", "{}");
    lat_http_write(call->req, hello.bytes, hello.len);
    lat_buf_done(&hello);
    lat_http_on_gone(call->req, call->api->with.loop, client_gone, follower);
    lat__call_done(call);
    pump(follower);
}

struct lat__events *lat__events_new(struct lat_api *api)
{
    struct lat__events *events = LAT_NEW(struct lat__events);

    events->api = api;
    TAILQ_INIT(&events->followers);
    lat_timer_init(&events->pump, api->with.loop, pump_all, events);
    lat_timer_init(&events->keep_alive, api->with.loop, keep_alive, events);
    lat_timer_start(&events->keep_alive, LAT__KEEP_ALIVE_MS, LAT__KEEP_ALIVE_MS);
    events->watcher = lat_store_watch(api->with.store, UINT32_MAX, store_changed, events);
    return events;
}

void lat__events_end(struct lat__events *events)
{
    struct follower *follower;

    while ((follower = TAILQ_FIRST(&events->followers))) {
        lat_http_end(follower->req);
        forget(follower);
    }
}

struct lat__events *lat__events_free(struct lat__events *events)
{
    if (events) {
        lat__events_end(events);
        lat_store_unwatch(events->watcher);
        lat_timer_done(&events->keep_alive);
        lat_timer_done(&events->pump);
        free(events);
    }
    return NULL;
}
