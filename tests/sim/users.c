/* The people of a simulation, see users.h. What the answers are held against is in judge() and look(). */
#include "users.h"

#include "auth/auth.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    THINK_MS = 4000,   /* at most, between two actions */
    AGAIN_MS = 3000,   /* at most, before the same is tried again */
    SETTLE_MS = 50000, /* after which nothing of a request can be under way any more */
    COUNT_MAX = 3,
    KEY_PERCENT = 60,
    TASK_PERCENT = 30,
    RETRIES_MAX = 2,
};

enum action { CREATE, CHANGE, LABEL, SCALE, STOP, START, RESTART, REMOVE, LOOK, ACTIONS };

static const char *const action_names[ACTIONS] = {"create", "change",  "label",  "scale", "stop",
                                                  "start",  "restart", "remove", "look"};

struct user {
    struct sim_users *users;
    int number;
    char name[SIM_NAME_SIZE];
    char *token;
    struct sim_http *http;
    struct lat_random *random;
    struct lat_timer timer;
    struct sim_slot slots[SIM_SLOTS];

    /* what it is doing */
    bool busy;
    enum action action;
    struct sim_slot *slot;
    struct sim_slot before; /* as it was when the action began */
    struct sim_slot after;  /* as it will be if the action happens */
    char key[32];           /* "" without */
    bool unheard;           /* an attempt ended without an answer */
    bool looking;           /* to find out whether it happened */
    bool writes_taken; /* so the console said since then: what it shows now is no longer in doubt */
    bool first_removal; /* of its workload */
};

struct sim_users {
    struct sim *sim;
    struct sim_process *process;
    struct user *list[SIM_USERS_MAX];
    int count;
    bool resting;
    struct lat_map *let_go; /* ids of workloads that were asked to be removed */
    struct lat_map *kept;   /* of those whose data was to be kept, at least once */
    struct lat_map *kept_surely;
    struct lat_map *
        orders; /* id of a task -> how often it was asked for something that may run it again, as a pointer */
    uint64_t acknowledged, unheard, keys;
};

static void think(struct user *user);
static void attempt(struct user *user);

/* ---- what an answer says ---- */

static int64_t marker_of(const cJSON *body)
{
    const char *colon = strchr(lat_json_text(body, "image", ""), ':');

    return colon ? strtoll(colon + 1, NULL, 10) : -1;
}

/* Its only label, 0 when there is none, -1 when there are others. */
static int64_t tier_of(const cJSON *body)
{
    const cJSON *label = lat_json_get(body, "labels") ? lat_json_get(body, "labels")->child : NULL;

    if (!label) {
        return 0;
    }
    return !label->next && lat_text_equal(label->string, "tier") && cJSON_IsString(label)
               ? strtoll(label->valuestring, NULL, 10)
               : -1;
}

/* Tells whether a workload is as the slot says; writes the first difference. */
static bool is_as_known(const cJSON *body, const struct sim_slot *slot, char *ret_why, size_t size)
{
    const char *desired = lat_json_text(body, "desired", "");
    const char *wanted = slot->state == SIM_LEAVING ? "removed"
                         : slot->stopped            ? "stopped"
                                                    : "running";
    struct {
        const char *what;
        int64_t is, should;
    } numbers[] = {{"count", lat_json_int(body, "count", -1), slot->count},
                   {"marker", marker_of(body), slot->marker},
                   {"tier", tier_of(body), slot->tier},
                   {"priority", lat_json_int(body, "priority", -1), slot->priority},
                   {"retries", lat_json_int(body, "retries", -1), slot->retries},
                   {"generation", lat_json_int(body, "generation", -1), slot->generation}};

    if (*slot->id && !lat_text_equal(lat_json_text(body, "id", ""), slot->id)) {
        snprintf(ret_why, size, "id is %s, not %s", lat_json_text(body, "id", ""), slot->id);
        return false;
    }
    for (size_t i = 0; i < LAT_COUNT(numbers); i++) {
        if (numbers[i].is != numbers[i].should) {
            snprintf(ret_why, size, "%s is %" PRId64 ", not %" PRId64, numbers[i].what,
                     numbers[i].is, numbers[i].should);
            return false;
        }
    }
    if (!lat_text_equal(desired, wanted)) {
        snprintf(ret_why, size, "desired is %s, not %s", desired, wanted);
        return false;
    }
    return true;
}

void sim_slot_labels(const struct sim_slot *slot, char *ret_text, size_t size)
{
    if (slot->tier) {
        snprintf(ret_text, size, "{\"tier\":\"%" PRId64 "\"}", slot->tier);
    } else {
        snprintf(ret_text, size, "%s", "");
    }
}

static void complain(struct user *user, int status, const char *why)
{
    sim_fail(user->users->sim, "%s: %s %s%s%s answered %d, but %s", user->name,
             user->looking ? "looking after " : "", action_names[user->action],
             *user->key ? " with key " : " ", *user->key ? user->key : user->slot->name, status,
             why);
}

/* ---- the end of an action ---- */

static void end_action(struct user *user)
{
    user->busy = false;
    user->looking = false;
    user->writes_taken = false;
    user->key[0] = '\0';
    think(user);
}

static void happened(struct user *user, const cJSON *body)
{
    user->users->acknowledged++;
    *user->slot = user->after;
    if (user->action == REMOVE && user->first_removal && user->after.keeps_data) {
        lat_map_put(user->users->kept_surely, user->after.id, user);
    }
    if (body && !*user->slot->id) {
        lat_text_bound(user->slot->id, sizeof(user->slot->id), lat_json_text(body, "id", ""));
    }
    end_action(user);
}

static void did_not_happen(struct user *user)
{
    *user->slot = user->before;
    end_action(user);
}

/* An answer to a look: is it as known, or (looking after an action that went unheard) as one of the two ways? */
static void look(struct user *user, int status, const cJSON *body)
{
    struct sim_slot *slot = user->slot;
    char why[200];

    if (status == 404) {
        bool may_be_gone = slot->state != SIM_PRESENT || (user->looking && user->action == REMOVE);

        if (!may_be_gone) {
            complain(user, status, "it was never removed");
        } else if (user->looking && user->action == REMOVE) {
            happened(user, NULL);
            slot->state = SIM_ABSENT;
        } else if (user->looking && user->action != CREATE) {
            did_not_happen(user);
            slot->state = SIM_ABSENT;
        } else if (user->looking) {
            did_not_happen(user);
        } else {
            slot->state = SIM_ABSENT;
            end_action(user);
        }
        return;
    }
    if (user->looking && user->action == RESTART &&
        is_as_known(body, &user->after, why, sizeof(why))) {
        user->after.restarts_least = user->before.restarts_least; /* it shows in no answer */
        user->after.restarted_ns = user->before.restarted_ns;
        happened(user, body);
    } else if (user->looking && is_as_known(body, &user->after, why, sizeof(why))) {
        happened(user, body);
    } else if (slot->state != SIM_ABSENT && is_as_known(body, &user->before, why, sizeof(why))) {
        if (user->looking) {
            did_not_happen(user);
        } else {
            end_action(user);
        }
    } else {
        complain(user, status, slot->state == SIM_ABSENT ? "it was gone" : why);
    }
}

/* An answer to an action. */
static void judge(struct user *user, int status, const cJSON *body)
{
    const struct sim_slot *before = &user->before;
    char why[200];

    if (status < 300) {
        if (is_as_known(body, &user->after, why, sizeof(why))) {
            happened(user, body);
        } else {
            complain(user, status, why);
        }
    } else if (status == 404 && before->state == SIM_PRESENT) {
        complain(user, status, "it was never removed");
    } else if (status == 404 && before->state == SIM_LEAVING) {
        did_not_happen(user);
        user->slot->state = SIM_ABSENT;
    } else if (status == 409 && user->action == CREATE && before->state == SIM_ABSENT) {
        complain(user, status, "there was none of that name");
    } else if (status == 409 && before->state == SIM_PRESENT) {
        complain(user, status, "nobody else changes it");
    } else if (status == 401 || status == 403 || status == 400 ||
               lat_text_equal(lat_json_text(body, "code", ""), "idempotency_mismatch")) {
        complain(user, status, lat_json_text(body, "detail", "it is allowed"));
    } else {
        did_not_happen(user);
    }
}

/* ---- attempts ---- */

static void retry(void *arg)
{
    struct user *user = arg;

    if (user->busy) {
        attempt(user);
    } else {
        think(user);
    }
}

static void try_later(struct user *user, int64_t ms)
{
    lat_timer_start(&user->timer, ms, 0);
}

/* Statuses that say nothing about whether a change happened, or will: in doubt at the disk (504), or a server's mistake. */
static bool is_doubtful(int status, const cJSON *body)
{
    return status == 0 ||
           (status == 504 && lat_text_equal(lat_json_text(body, "code", ""), "timeout"));
}

static void replied(void *arg, int status, const cJSON *body, const struct lat_err *err)
{
    struct user *user = arg;
    bool is_look = user->looking || user->action == LOOK;
    bool asked_readiness = user->looking && !user->writes_taken;

    sim_trace(user->users->sim, "%s %s%s %s %s: %d %s", user->name,
              user->looking ? "looks after " : "", action_names[user->action], user->slot->name,
              user->key, status, err ? err->sentence : lat_json_text(body, "code", ""));
    if (is_doubtful(status, body)) {
        user->users->unheard++;
        user->unheard = true;
        if (!is_look && !*user->key) {
            user->looking = true;
            try_later(user, SETTLE_MS);
        } else {
            try_later(user, sim_draw(user->random, 0, AGAIN_MS));
        }
    } else if (is_look && status >= 500) {
        try_later(user, sim_draw(user->random, 0, AGAIN_MS));
    } else if (asked_readiness) {
        user->writes_taken = true;
        attempt(user);
    } else if (is_look) {
        look(user, status, body);
    } else {
        /* With a key an answer is certain whatever became of earlier attempts; but a refusal by a busy
         * console says nothing of an attempt that went unheard before it. */
        if (user->unheard && (status >= 500 || status == 429)) {
            try_later(user, sim_draw(user->random, 0, AGAIN_MS));
        } else {
            judge(user, status, body);
        }
    }
}

/* What a request says of labels. */
static void write_tier(int64_t tier, struct lat_buf *out)
{
    if (tier) {
        lat_buf_addf(out, "\"labels\":{\"tier\":\"%" PRId64 "\"}", tier);
    } else {
        lat_buf_add_text(out, "\"labels\":{\"tier\":null}");
    }
}

static void write_change(const struct user *user, struct lat_buf *out)
{
    lat_buf_add_text(out, "{");
    if (user->action == CHANGE && user->after.marker != user->before.marker) {
        lat_buf_addf(out, "\"params\":{\"image\":\"app:%" PRId64 "\"}", user->after.marker);
    } else if (user->action == CHANGE) {
        lat_buf_addf(out, "\"priority\":%" PRId64, user->after.priority);
    }
    if (user->after.tier != user->before.tier) {
        lat_buf_add_text(out, user->action == CHANGE ? "," : "");
        write_tier(user->after.tier, out);
    }
    lat_buf_add_text(out, "}");
}

static void write_spec(const struct user *user, struct lat_buf *out)
{
    const struct sim_slot *after = &user->after;

    lat_buf_add_text(out, "{");
    if (after->tier) {
        write_tier(after->tier, out);
        lat_buf_add_text(out, ",");
    }
    lat_buf_add_text(out, after->has_port ? "\"plain\":true," : "");
    if (after->is_task) {
        lat_buf_addf(out, "\"kind\":\"task\",\"retries\":%" PRId64 ",", after->retries);
    }
    lat_buf_addf(out,
                 "\"type\":\"custom\",\"name\":\"%s\",\"count\":%" PRId64
                 ",\"params\":{\"image\":\"app:%" PRId64 "\"%s%s}}",
                 after->name, after->count, after->marker,
                 after->has_port ? ",\"ports\":[\"web:80/tcp\"]" : "",
                 after->has_volume ? ",\"volumes\":[\"data:/data\"]" : "");
}

static void attempt(struct user *user)
{
    struct lat_buf target = {0}, body = {0};
    struct sim_request request = {
        .method = LAT_HTTP_POST, .token = user->token, .key = *user->key ? user->key : NULL};

    if (user->looking && !user->writes_taken) {
        lat_buf_add_text(&target, "/readyz");
    } else {
        lat_buf_add_text(&target, "/api/v1/workloads");
        if (user->looking || user->action != CREATE) {
            lat_buf_addf(&target, "/%s", user->slot->name);
        }
    }
    if (user->looking || user->action == LOOK) {
        request.method = LAT_HTTP_GET;
        request.key = NULL;
    } else {
        switch (user->action) {
        case CREATE: write_spec(user, &body); break;
        case CHANGE:
        case LABEL:
            request.method = LAT_HTTP_PATCH;
            write_change(user, &body);
            break;
        case SCALE:
            lat_buf_add_text(&target, "/scale");
            lat_buf_addf(&body, "{\"count\":%" PRId64 "}", user->after.count);
            break;
        case REMOVE:
            request.method = LAT_HTTP_DELETE;
            lat_buf_add_text(&target, user->after.keeps_data ? "?keep_data=true" : "");
            break;
        default: lat_buf_addf(&target, "/%s", action_names[user->action]); break;
        }
    }
    request.target = lat_buf_text(&target);
    request.body = body.len ? lat_buf_text(&body) : NULL;
    sim_http_send(user->http, &request, replied, user);
    lat_buf_done(&target);
    lat_buf_done(&body);
}

/* ---- choosing ---- */

static enum action choose(struct user *user, const struct sim_slot *slot)
{
    static const enum action choices[] = {LOOK,  LOOK, CHANGE, CHANGE,  LABEL, SCALE,
                                          SCALE, STOP, START,  RESTART, REMOVE};

    if (slot->state == SIM_ABSENT) {
        return sim_chance(user->random, 80) ? CREATE : LOOK;
    }
    if (slot->state == SIM_LEAVING) {
        return LOOK;
    }
    return choices[lat_random_below(user->random, LAT_COUNT(choices))];
}

static int64_t another_tier(struct user *user)
{
    int64_t before = user->before.tier;

    return before && sim_chance(user->random, 30) ? 0 : before % 999 + 1;
}

/* Tells whether an action may have an instance of a task run once more: by an order to, by another instance of its ordinal, or because a
 * stop came before its end was known. */
static bool may_run_again(enum action action)
{
    return action == CHANGE || action == SCALE || action == START || action == RESTART;
}

/* How it will be if the action happens. */
static void foresee(struct user *user)
{
    struct sim_slot *after = &user->after;

    switch (user->action) {
    case CREATE:
        *after = (struct sim_slot){.state = SIM_PRESENT, .generation = 1};
        memcpy(after->name, user->slot->name, sizeof(after->name));
        after->count = sim_draw(user->random, 1, COUNT_MAX);
        after->marker = sim_draw(user->random, 1, 999);
        after->tier = sim_chance(user->random, 30) ? sim_draw(user->random, 1, 999) : 0;
        after->has_port = sim_chance(user->random, 40);
        after->has_volume = sim_chance(user->random, 40);
        after->priority = 50;
        if (sim_chance(user->random, TASK_PERCENT)) {
            after->is_task = true;
            after->has_port = false;
            after->retries = sim_draw(user->random, 0, RETRIES_MAX);
        }
        break;
    case CHANGE:
        if (sim_chance(user->random, 30)) { /* of which a container knows nothing */
            after->priority = after->priority % 100 + 1;
        } else {
            after->marker = after->marker % 999 + 1;
        }
        after->generation++;
        if (sim_chance(user->random, 30)) {
            after->tier = another_tier(user);
        }
        break;
    case LABEL: after->tier = another_tier(user); break;
    case SCALE: after->count = sim_draw(user->random, 1, COUNT_MAX); break;
    case STOP: after->stopped = true; break;
    case START: after->stopped = false; break;
    case RESTART:
        if (!after->stopped || after->is_task) {
            after->restarts_least++;
            after->restarts_most++;
            after->restarted_ns = user->users->sim->now_ns;
        }
        after->stopped = false;
        break;
    case REMOVE:
        after->state = SIM_LEAVING;
        after->keeps_data = sim_chance(user->random, 30);
        user->first_removal = !lat_map_get(user->users->let_go, user->slot->id);
        lat_map_put(user->users->let_go, user->slot->id, user);
        if (after->keeps_data) {
            lat_map_put(user->users->kept, user->slot->id, user);
        }
        break;
    default: break;
    }
}

static void act(struct user *user)
{
    struct sim_users *users = user->users;

    user->slot = &user->slots[lat_random_below(user->random, SIM_SLOTS)];
    user->action = choose(user, user->slot);
    user->before = user->after = *user->slot;
    foresee(user);
    if (user->slot->is_task && may_run_again(user->action)) {
        int64_t orders = sim_users_orders(users, user->slot->id);

        lat_map_put(users->orders, user->slot->id, (void *)(intptr_t)(orders + 1));
    }
    user->busy = true;
    user->unheard = false;
    if (user->action != LOOK && sim_chance(user->random, KEY_PERCENT)) {
        snprintf(user->key, sizeof(user->key), "key-%" PRIu64, ++users->keys);
    }
    attempt(user);
}

static void think(struct user *user)
{
    if (!user->users->resting) {
        try_later(user, sim_draw(user->random, 10, THINK_MS));
    }
}

static void due(void *arg)
{
    struct user *user = arg;

    if (user->busy) {
        retry(user);
    } else if (!user->users->resting) {
        act(user);
    }
}

/* ---- life ---- */

static struct user *user_new(struct sim_users *users, int number, const char *console)
{
    struct user *user = LAT_NEW(struct user);

    user->users = users;
    user->number = number;
    snprintf(user->name, sizeof(user->name), "user-%d", number);
    user->random = sim_random(users->sim, "user", (uint64_t)number);
    user->token = lat_api_token_make(user->random);
    user->http = sim_http_new(users->process, console);
    lat_timer_init(&user->timer, users->process->loop, due, user);
    for (int i = 0; i < SIM_SLOTS; i++) {
        snprintf(user->slots[i].name, sizeof(user->slots[i].name), "w-%d-%d",
                 number % SIM_USERS_MAX, i % SIM_SLOTS);
    }
    return user;
}

struct sim_users *sim_users_new(struct sim *sim, struct sim_process *process, const char *console,
                                int count)
{
    struct sim_users *users = LAT_NEW(struct sim_users);

    LAT_ASSERT(count <= SIM_USERS_MAX);
    users->sim = sim;
    users->process = process;
    users->count = count;
    users->let_go = lat_map_new();
    users->kept = lat_map_new();
    users->kept_surely = lat_map_new();
    users->orders = lat_map_new();
    for (int i = 0; i < count; i++) {
        users->list[i] = user_new(users, i, console);
    }
    return users;
}

struct sim_users *sim_users_free(struct sim_users *users)
{
    if (users) {
        for (int i = 0; i < users->count; i++) {
            struct user *user = users->list[i];

            sim_http_free(user->http);
            lat_timer_done(&user->timer);
            lat_random_free(user->random);
            free(user->token);
            free(user);
        }
        lat_map_free(users->let_go);
        lat_map_free(users->kept);
        lat_map_free(users->kept_surely);
        lat_map_free(users->orders);
        free(users);
    }
    return NULL;
}

const char *sim_users_token(const struct sim_users *users, int user)
{
    return users->list[user]->token;
}

const char *sim_users_name(const struct sim_users *users, int user)
{
    return users->list[user]->name;
}

int sim_users_count(const struct sim_users *users)
{
    return users->count;
}

void sim_users_start(struct sim_users *users)
{
    for (int i = 0; i < users->count; i++) {
        think(users->list[i]);
    }
    sim_process_touch(users->process);
}

void sim_users_rest(struct sim_users *users)
{
    users->resting = true;
}

bool sim_users_are_at_rest(const struct sim_users *users)
{
    bool rest = users->resting;

    for (int i = 0; i < users->count; i++) {
        rest = rest && !users->list[i]->busy;
    }
    return rest;
}

void sim_users_drop(struct sim_users *users, int user)
{
    sim_http_drop(users->list[user]->http);
    sim_process_touch(users->process);
}

const struct sim_slot *sim_users_slot(const struct sim_users *users, int user, int slot)
{
    return &users->list[user]->slots[slot];
}

bool sim_users_let_go(const struct sim_users *users, const char *id)
{
    return lat_map_get(users->let_go, id) != NULL;
}

bool sim_users_kept_data(const struct sim_users *users, const char *id)
{
    return lat_map_get(users->kept, id) != NULL;
}

bool sim_users_kept_surely(const struct sim_users *users, const char *id)
{
    return lat_map_get(users->kept_surely, id) != NULL;
}

int64_t sim_users_orders(const struct sim_users *users, const char *id)
{
    return (int64_t)(intptr_t)lat_map_get(users->orders, id);
}

uint64_t sim_users_acknowledged(const struct sim_users *users)
{
    return users->acknowledged;
}

uint64_t sim_users_unheard(const struct sim_users *users)
{
    return users->unheard;
}
