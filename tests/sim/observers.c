/* Followers resume behind the last index that they were told; readers remember the highest generation that they saw of
 * every workload. In the end both are compared with the store. */
#include "observers.h"
#include "net.h"

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/states.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_MS = 5000, AGAIN_MS = 2000, READ_MS = 9000, READ_SOON_MS = 300, NOTES = 64 };

/* One event that was told. */
struct told {
    int64_t index;
    uint64_t digest; /* of all that it said which does not change later */
};

struct follower {
    struct sim_observers *observers;
    int user;
    struct sim_connect *connect;
    struct lat_http_client *client;
    struct lat_timer again;
    struct lat_random *random;
    struct lat_buf line;
    int64_t event_index; /* of the event that is being read; -1: it said none */
    char event_name[64];
    struct lat_buf event_data;
    bool began;   /* it has a place in the stream */
    int64_t base; /* where it began */
    int64_t last; /* the last index that it was told */
    int status;
    struct told *told;
    size_t count, cap;
};

/* What a reader saw of one workload. */
struct sight {
    int64_t generation;
};

struct reader {
    struct sim_observers *observers;
    int user;
    struct sim_http *http;
    struct lat_timer next;
    struct lat_random *random;
    struct lat_map
        *sights; /* workload id -> struct sight, owned: a reader asks one thing after the other */
};

struct sim_observers {
    struct sim *sim;
    struct sim_process *process;
    char *console;
    const struct sim_users *users;
    struct sim_callers *callers;
    struct follower followers[SIM_USERS_MAX];
    struct reader readers[SIM_USERS_MAX];
    int count;
};

/* ---- followers ---- */

static uint64_t digest_of(const char *name, const char *id, const char *request_id, const char *at)
{
    uint64_t hash = sim_hash(14695981039346656037u, name, strlen(name));

    hash = sim_hash(hash, id, strlen(id) + 1);
    hash = sim_hash(hash, request_id, strlen(request_id) + 1);
    return sim_hash(hash, at, strlen(at) + 1);
}

static void take_hello(struct follower *follower)
{
    if (!follower->began) {
        follower->began = true;
        follower->base = follower->last = follower->event_index;
    } else if (follower->event_index != follower->last) {
        sim_fail(follower->observers->sim, "a follower at %" PRId64 " was resumed at %" PRId64,
                 follower->last, follower->event_index);
    }
}

static void take_event(struct follower *follower)
{
    struct sim *sim = follower->observers->sim;
    cJSON *data = NULL;
    struct lat_err err;

    if (lat_text_equal(follower->event_name, "hello")) {
        take_hello(follower);
        return;
    }
    if (lat_json_parse(lat_buf_text(&follower->event_data), follower->event_data.len, &data,
                       &err)) {
        sim_fail(sim, "an event is not JSON: %s", err.sentence);
        return;
    }
    if (follower->event_index <= follower->last) {
        sim_fail(sim, "a follower at %" PRId64 " was told %" PRId64 " again", follower->last,
                 follower->event_index);
    }
    if (follower->count == follower->cap) {
        follower->cap = follower->cap ? follower->cap * 2 : 256;
        follower->told = lat_grow(follower->told, follower->cap, sizeof(*follower->told));
    }
    follower->told[follower->count++] = (struct told){
        .index = follower->event_index,
        .digest = digest_of(follower->event_name, lat_json_text(data, "id", ""),
                            lat_json_text(data, "request_id", ""), lat_json_text(data, "at", "")),
    };
    follower->last = follower->event_index;
    cJSON_Delete(data);
}

static void take_line(struct follower *follower)
{
    const char *line = lat_buf_text(&follower->line);

    if (*line == '\0') {
        if (follower->event_index >= 0) {
            take_event(follower);
        }
        follower->event_index = -1;
        lat_buf_clear(&follower->event_data);
    } else if (lat_text_starts(line, "id: ")) {
        follower->event_index = strtoll(line + 4, NULL, 10);
    } else if (lat_text_starts(line, "event: ")) {
        lat_text_bound(follower->event_name, sizeof(follower->event_name), line + 7);
    } else if (lat_text_starts(line, "data: ")) {
        lat_buf_add_text(&follower->event_data, line + 6);
    }
    lat_buf_clear(&follower->line);
}

static void on_head(void *arg, int status, const struct lat_http_field *fields)
{
    struct follower *follower = arg;

    (void)fields;
    follower->status = status;
    if (status == 422) {
        sim_fail(follower->observers->sim,
                 "a follower was told of change %" PRId64 ", and the console has not got so far",
                 follower->last);
    }
}

static void on_body(void *arg, const uint8_t *bytes, size_t len)
{
    struct follower *follower = arg;
    const uint8_t *end;

    if (follower->status != 200) {
        return;
    }
    while ((end = memchr(bytes, '\n', len))) {
        size_t line = (size_t)(end - bytes);

        lat_buf_add(&follower->line, bytes, line);
        take_line(follower);
        bytes += line + 1;
        len -= line + 1;
    }
    lat_buf_add(&follower->line, bytes, len);
}

static void follow_again(struct follower *follower)
{
    follower->client = lat_http_client_free(follower->client);
    lat_buf_clear(&follower->line);
    lat_buf_clear(&follower->event_data);
    follower->event_index = -1;
    lat_timer_start(&follower->again, sim_draw(follower->random, 0, AGAIN_MS), 0);
}

static void on_done(void *arg)
{
    follow_again(arg);
}

static void on_error(void *arg, const struct lat_err *err)
{
    (void)err;
    follow_again(arg);
}

static void connected(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    static const struct lat_http_call_events events = {
        .on_head = on_head, .on_body = on_body, .on_done = on_done, .on_error = on_error};
    struct follower *follower = arg;
    char index[24];

    (void)err;
    follower->connect = NULL;
    if (!stream) {
        follow_again(follower);
        return;
    }
    char *authorization =
        lat_text_format("Bearer %s", sim_users_token(follower->observers->users, follower->user));
    struct lat_http_field fields[] = {
        {"Authorization", authorization},
        {follower->began ? "Last-Event-ID" : NULL, index},
        {NULL, NULL},
    };
    struct lat_http_call call = {
        .method = LAT_HTTP_GET, .target = "/api/v1/events", .fields = fields, .idle_ms = 45000};

    snprintf(index, sizeof(index), "%" PRId64, follower->last);
    follower->client = lat_http_client_new(stream, follower->observers->console);
    lat_http_client_start(follower->client, &call, &events, follower);
    free(authorization);
}

static void follow(void *arg)
{
    struct follower *follower = arg;

    follower->connect = sim_net_connect(follower->observers->process, follower->observers->console,
                                        SIM_PORT_API, CONNECT_MS, connected, follower);
}

/* ---- readers ---- */

static void see(struct reader *reader, const cJSON *workload)
{
    struct sim_observers *observers = reader->observers;
    const char *id = lat_json_text(workload, "id", "");
    int64_t generation = lat_json_int(workload, "generation", 0);
    struct sight *sight = lat_map_get(reader->sights, id);

    if (!sight) {
        sight = LAT_NEW(struct sight);
        lat_map_put(reader->sights, id, sight);
    }
    if (generation < sight->generation) {
        sim_fail(observers->sim,
                 "workload %s was seen at generation %" PRId64 ", and later at %" PRId64, id,
                 sight->generation, generation);
    }
    sight->generation = generation;
}

static void read_next(struct reader *reader)
{
    /* Often at once again: what must not be seen is there for moments. */
    int64_t most_ms = sim_chance(reader->random, 70) ? READ_SOON_MS : READ_MS;

    lat_timer_start(&reader->next, sim_draw(reader->random, 10, most_ms), 0);
}

static void listed(void *arg, int status, const cJSON *body, const struct lat_err *err)
{
    struct reader *reader = arg;
    const cJSON *workload;

    (void)err;
    if (status == 200) {
        cJSON_ArrayForEach (workload, lat_json_get(body, "items")) {
            see(reader, workload);
            sim_callers_learn(reader->observers->callers, workload);
        }
    }
    read_next(reader);
}

static void read_list(void *arg)
{
    struct reader *reader = arg;
    struct sim_request request = {
        .method = LAT_HTTP_GET,
        .target = "/api/v1/workloads",
        .token = sim_users_token(reader->observers->users, reader->user),
    };

    sim_http_send(reader->http, &request, listed, reader);
}

/* ---- what they saw, and what is true ---- */

static bool is_shown(int table)
{
    return table == LAT_TABLE_WORKLOAD || table == LAT_TABLE_ALLOCATION ||
           table == LAT_TABLE_ENDPOINT || table == LAT_TABLE_EVALUATION ||
           table == LAT_TABLE_NODE || table == LAT_TABLE_POLICY;
}

static bool may_see(const struct lat_user *user, const struct lat_change_note *note)
{
    return is_shown(note->table) &&
           (lat_text_equal(user->role, lat_role_name(LAT_ROLE_ADMIN)) || !*note->project_id ||
            lat_text_equal(note->project_id, user->project_id));
}

static const struct lat_user *user_of(const struct follower *follower,
                                      const struct lat_store *store)
{
    return (const struct lat_user *)lat_store_find(
        store, LAT_INDEX_USER_NAME, sim_users_name(follower->observers->users, follower->user));
}

/* Calls fn for each change that the follower may see, behind its base. */
static void each_due(const struct follower *follower, const struct lat_store *store,
                     void (*fn)(void *arg, const struct lat_change_note *note), void *arg)
{
    struct lat_change_note notes[NOTES];
    const struct lat_user *user = user_of(follower, store);
    int64_t index = follower->base;
    size_t count = 1;

    while (user && count > 0) {
        if (lat_store_changes_after(store, index, notes, NOTES, &count, NULL)) {
            return;
        }
        for (size_t i = 0; i < count; i++) {
            if (may_see(user, &notes[i])) {
                fn(arg, &notes[i]);
            }
            index = notes[i].index;
        }
    }
}

static void note_last(void *arg, const struct lat_change_note *note)
{
    *(int64_t *)arg = note->index;
}

bool sim_observers_are_up_to_date(const struct sim_observers *observers,
                                  const struct lat_store *store)
{
    for (int i = 0; i < observers->count; i++) {
        const struct follower *follower = &observers->followers[i];
        int64_t last = follower->base;

        each_due(follower, store, note_last, &last);
        if (!follower->began || follower->last < last) {
            return false;
        }
    }
    return true;
}

struct comparison {
    const struct follower *follower;
    size_t at;
};

static void compare(void *arg, const struct lat_change_note *note)
{
    struct comparison *comparison = arg;
    const struct follower *follower = comparison->follower;
    struct sim *sim = follower->observers->sim;
    const struct told *told = comparison->at < follower->count ? &follower->told[comparison->at]
                                                               : &(struct told){.index = INT64_MAX};
    char at[LAT_TIME_SIZE];
    char name[64];

    comparison->at++;
    lat_time_format(note->at, at);
    snprintf(name, sizeof(name), "%s.%s", lat_table(note->table)->name,
             note->kind == LAT_CHANGE_PUT ? "changed" : "removed");
    if (told->index > note->index) {
        sim_fail(sim, "a follower was never told of change %" PRId64 " (%s %s)", note->index, name,
                 note->id);
    } else if (told->index < note->index) {
        sim_fail(sim, "a follower was told of change %" PRId64 ", which is not in the log",
                 told->index);
    } else if (told->digest != digest_of(name, note->id, note->request_id, at)) {
        sim_fail(sim, "change %" PRId64 " (%s %s) is not what a follower was told", note->index,
                 name, note->id);
    }
}

/* Whatever a reader saw is still so, or more. */
static void check_sights(const struct reader *reader, const struct lat_store *store,
                         const struct sim_users *users)
{
    void *cursor = NULL;
    const char *id;
    void *value;

    while (lat_map_next(reader->sights, &cursor, &id, &value)) {
        const struct lat_workload *workload = lat_store_workload(store, id);
        const struct sight *sight = value;

        if (!workload && !sim_users_let_go(users, id)) {
            sim_fail(reader->observers->sim, "workload %s was seen, and is gone", id);
        } else if (workload && workload->generation < sight->generation) {
            sim_fail(reader->observers->sim,
                     "workload %s was seen at generation %" PRId64 ", and is at %" PRId64, id,
                     sight->generation, workload->generation);
        }
    }
}

void sim_observers_check(struct sim_observers *observers, const struct lat_store *store,
                         const struct sim_users *users)
{
    for (int i = 0; i < observers->count; i++) {
        struct comparison comparison = {.follower = &observers->followers[i]};

        each_due(comparison.follower, store, compare, &comparison);
        if (comparison.at < comparison.follower->count) {
            sim_fail(observers->sim, "a follower was told of change %" PRId64 ", beyond the log",
                     comparison.follower->told[comparison.at].index);
        }
        check_sights(&observers->readers[i], store, users);
    }
}

/* ---- life ---- */

struct sim_observers *sim_observers_new(struct sim *sim, struct sim_process *process,
                                        const char *console, const struct sim_users *users,
                                        struct sim_callers *callers)
{
    struct sim_observers *observers = LAT_NEW(struct sim_observers);

    observers->sim = sim;
    observers->process = process;
    observers->console = lat_text_copy(console);
    observers->users = users;
    observers->callers = callers;
    observers->count = sim_users_count(users);
    for (int i = 0; i < observers->count; i++) {
        struct follower *follower = &observers->followers[i];
        struct reader *reader = &observers->readers[i];

        follower->observers = reader->observers = observers;
        follower->user = reader->user = i;
        follower->event_index = -1;
        follower->random = sim_random(sim, "follower", (uint64_t)i);
        reader->sights = lat_map_new();
        reader->random = sim_random(sim, "reader", (uint64_t)i);
        reader->http = sim_http_new(process, console);
        lat_timer_init(&follower->again, process->loop, follow, follower);
        lat_timer_init(&reader->next, process->loop, read_list, reader);
    }
    return observers;
}

static void forget_sights(struct reader *reader)
{
    void *cursor = NULL;
    const char *id;
    void *value;

    while (lat_map_next(reader->sights, &cursor, &id, &value)) {
        free(value);
    }
    lat_map_free(reader->sights);
}

struct sim_observers *sim_observers_free(struct sim_observers *observers)
{
    if (!observers) {
        return NULL;
    }
    for (int i = 0; i < observers->count; i++) {
        struct follower *follower = &observers->followers[i];
        struct reader *reader = &observers->readers[i];

        if (follower->connect) {
            sim_net_cancel(follower->connect);
        }
        lat_http_client_free(follower->client);
        lat_timer_done(&follower->again);
        lat_random_free(follower->random);
        lat_buf_done(&follower->line);
        lat_buf_done(&follower->event_data);
        free(follower->told);
        sim_http_free(reader->http);
        lat_timer_done(&reader->next);
        lat_random_free(reader->random);
        forget_sights(reader);
    }
    free(observers->console);
    free(observers);
    return NULL;
}

void sim_observers_start(struct sim_observers *observers)
{
    for (int i = 0; i < observers->count; i++) {
        lat_timer_start(&observers->followers[i].again, 0, 0);
        read_next(&observers->readers[i]);
    }
    sim_process_touch(observers->process);
}

void sim_observers_drop(struct sim_observers *observers, int number)
{
    struct follower *follower = &observers->followers[number];

    if (follower->client) {
        follow_again(follower);
        sim_process_touch(observers->process);
    }
}

uint64_t sim_observers_events(const struct sim_observers *observers)
{
    uint64_t events = 0;

    for (int i = 0; i < observers->count; i++) {
        events += observers->followers[i].count;
    }
    return events;
}
