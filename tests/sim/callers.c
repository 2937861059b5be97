/* The callers, see callers.h. */
#include "callers.h"
#include "net.h"

#include "base/buf.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECT_MS = 5000,
    PATIENCE_MS = 20000,
    BETWEEN_MS = 3000, /* at most, between two calls of one caller */
    SOON_MS = 200,     /* when all are to be tried */
    ANSWER_MAX = 256,
};

/* A public address, as it was shown. */
struct address {
    char workload[LAT_ID_SIZE];
    int port;
    int64_t reached_ns; /* when the last call began that was answered; -1: none */
};

struct caller {
    struct sim_callers *callers;
    struct lat_timer timer; /* until the next call, or of its patience */
    struct lat_random *random;
    struct sim_connect *connect;
    struct lat_stream *stream;
    size_t address;
    uint64_t word;
    int64_t begun_ns;
    struct lat_buf answer;
};

struct sim_callers {
    struct sim *sim;
    struct sim_process *process;
    char *console;
    const struct sim_users *users;
    struct address *addresses;
    size_t count, cap;
    struct caller list[SIM_USERS_MAX];
    uint64_t words;
    int64_t calm_ns; /* when the weather cleared; INT64_MAX: not yet */
};

/* ---- addresses ---- */

static struct address *find(const struct sim_callers *callers, const char *workload)
{
    for (size_t i = 0; i < callers->count; i++) {
        if (lat_text_equal(callers->addresses[i].workload, workload)) {
            return &callers->addresses[i];
        }
    }
    return NULL;
}

void sim_callers_learn(struct sim_callers *callers, const cJSON *workload)
{
    const cJSON *endpoint =
        lat_json_get(workload, "endpoints") ? lat_json_get(workload, "endpoints")->child : NULL;
    const char *id = lat_json_text(workload, "id", "");
    int port = (int)lat_json_int(endpoint, "port", 0);
    struct address *address;

    if (port == 0) {
        return; /* it has none yet */
    }
    address = find(callers, id);
    if (address && address->port != port) {
        sim_fail(callers->sim, "the port of workload %s was %d, and is %d", id, address->port,
                 port);
    }
    if (address) {
        return;
    }
    if (callers->count == callers->cap) {
        callers->cap = callers->cap ? callers->cap * 2 : 16;
        callers->addresses =
            lat_grow(callers->addresses, callers->cap, sizeof(*callers->addresses));
    }
    address = &callers->addresses[callers->count++];
    *address = (struct address){.port = port, .reached_ns = -1};
    lat_text_bound(address->workload, sizeof(address->workload), id);
}

/* Returns which to call next: any of the newest, or any that was not reached since the weather cleared; -1: none. */
static int64_t choose(const struct caller *caller)
{
    const struct sim_callers *callers = caller->callers;
    size_t most = (size_t)sim_users_count(callers->users) * SIM_SLOTS;
    size_t first;

    if (callers->count == 0) {
        return -1;
    }
    first = (size_t)lat_random_below(caller->random, callers->count);
    if (callers->calm_ns == INT64_MAX) {
        first = callers->count - 1 - first % (most < callers->count ? most : callers->count);
        return (int64_t)first;
    }
    for (size_t i = 0; i < callers->count; i++) {
        size_t at = (first + i) % callers->count;

        if (callers->addresses[at].reached_ns < callers->calm_ns) {
            return (int64_t)at;
        }
    }
    return -1;
}

/* ---- a call ---- */

static void call_later(struct caller *caller)
{
    int64_t most_ms = caller->callers->calm_ns == INT64_MAX ? BETWEEN_MS : SOON_MS;

    lat_timer_start(&caller->timer, sim_draw(caller->random, 10, most_ms), 0);
}

/* What was heard when it was over: nothing, a part, or which workload answered. */
static void judge(struct caller *caller)
{
    struct sim_callers *callers = caller->callers;
    struct address *address = &callers->addresses[caller->address];
    char *expected = lat_text_format("%" PRIu64 " %s\n", caller->word, address->workload);
    const char *heard = lat_buf_text(&caller->answer);
    char *end;

    if (!strchr(heard, '\n')) {
        free(expected);
        return;
    }
    sim_trace(callers->sim, "port %d answers %.*s", address->port, (int)strcspn(heard, "\n"),
              heard);
    if (lat_text_equal(heard, expected)) {
        address->reached_ns = caller->begun_ns;
    } else if (strtoull(heard, &end, 10) != caller->word || *end != ' ') {
        sim_fail(callers->sim, "port %d answers to what it was not asked", address->port);
    } else if (!sim_users_let_go(callers->users, address->workload)) {
        sim_fail(callers->sim, "port %d is that of workload %s, and leads to %.36s", address->port,
                 address->workload, end + 1);
    }
    free(expected);
}

static void on_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct caller *caller = arg;

    if (caller->answer.len + len <= ANSWER_MAX) {
        lat_buf_add(&caller->answer, bytes, len);
    } else {
        sim_fail(caller->callers->sim, "a caller hears more than was said");
    }
}

static void on_close(void *arg, const struct lat_err *err)
{
    struct caller *caller = arg;

    (void)err;
    caller->stream = NULL;
    judge(caller);
    call_later(caller);
}

static const struct lat_stream_events events = {.on_data = on_data, .on_close = on_close};

static void connected(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct caller *caller = arg;
    char word[32];

    (void)err;
    caller->connect = NULL;
    if (!stream) {
        call_later(caller);
        return;
    }
    caller->stream = stream;
    lat_stream_set_events(stream, &events, caller);
    snprintf(word, sizeof(word), "%" PRIu64 "\n", caller->word);
    lat_stream_write(stream, word, strlen(word));
    lat_stream_resume(stream);
    lat_timer_start(&caller->timer, PATIENCE_MS, 0);
}

static void due(void *arg)
{
    struct caller *caller = arg;
    struct sim_callers *callers = caller->callers;
    int64_t chosen;

    if (caller->stream) {
        lat_stream_close(caller->stream); /* it has waited long enough */
        return;
    }
    chosen = choose(caller);
    if (chosen < 0) {
        call_later(caller);
        return;
    }
    caller->address = (size_t)chosen;
    caller->word = ++callers->words;
    caller->begun_ns = callers->sim->now_ns;
    lat_buf_clear(&caller->answer);
    caller->connect =
        sim_net_connect(callers->process, callers->console, callers->addresses[chosen].port,
                        CONNECT_MS, connected, caller);
}

/* ---- life ---- */

struct sim_callers *sim_callers_new(struct sim *sim, struct sim_process *process,
                                    const char *console, const struct sim_users *users)
{
    struct sim_callers *callers = LAT_NEW(struct sim_callers);

    callers->sim = sim;
    callers->process = process;
    callers->console = lat_text_copy(console);
    callers->users = users;
    callers->calm_ns = INT64_MAX;
    for (int i = 0; i < sim_users_count(users); i++) {
        struct caller *caller = &callers->list[i];

        caller->callers = callers;
        caller->random = sim_random(sim, "caller", (uint64_t)i);
        lat_timer_init(&caller->timer, process->loop, due, caller);
    }
    return callers;
}

struct sim_callers *sim_callers_free(struct sim_callers *callers)
{
    if (!callers) {
        return NULL;
    }
    for (int i = 0; i < sim_users_count(callers->users); i++) {
        struct caller *caller = &callers->list[i];

        if (caller->connect) {
            sim_net_cancel(caller->connect);
        }
        if (caller->stream) {
            lat_stream_set_events(caller->stream, NULL, NULL);
            lat_stream_close(caller->stream);
        }
        lat_timer_done(&caller->timer);
        lat_random_free(caller->random);
        lat_buf_done(&caller->answer);
    }
    free(callers->addresses);
    free(callers->console);
    free(callers);
    return NULL;
}

void sim_callers_start(struct sim_callers *callers)
{
    for (int i = 0; i < sim_users_count(callers->users); i++) {
        call_later(&callers->list[i]);
    }
    sim_process_touch(callers->process);
}

void sim_callers_try_all(struct sim_callers *callers)
{
    callers->calm_ns = callers->sim->now_ns;
}

bool sim_callers_reached(const struct sim_callers *callers, const char *workload)
{
    const struct address *address = find(callers, workload);

    return address && address->reached_ns >= callers->calm_ns;
}
