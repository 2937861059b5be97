/* What strangers may cost: checks of passwords, and public-key work for joins and renewals.
 *
 * Wrong passwords lock the guesser out, not the owner: they are counted for the source with the name, and for the source with any
 * names. From anywhere else the owner logs in as always; and in front of a flood from many sources, which fills the queue of the
 * checks, places are kept for sources from which somebody has logged in since the console started.
 *
 * A source is an address (lat_source_of): behind one proxy or one home router all are one. Runs on the state loop. */
#include "api/api_internal.h"

#include <stdio.h>

enum { NAME_SIZE = LAT_SOURCE_SIZE + LAT_NAME_MAX + 2 };

/* A source with passwords under check. */
struct checks {
    size_t count;
};

struct lat__guards {
    struct lat_lockout *by_name;   /* "SOURCE NAME" */
    struct lat_lockout *by_source; /* "SOURCE" */
    struct lat_map *checking;      /* source -> struct checks, owned; at most LAT_API_LOGINS_MAX */
    struct lat_map *known;         /* sources that have logged in -> this struct; the oldest goes */
    struct lat_rate *joins;
};

struct lat__guards *lat__guards_new(const struct lat_clock *clock)
{
    struct lat__guards *guards = LAT_NEW(struct lat__guards);
    struct lat_lockout_rules rules = {
        .free_mistakes = LAT_API_MISTAKES_USER,
        .wait_min_ms = LAT_API_LOCKOUT_MIN_MS,
        .wait_max_ms = LAT_API_LOCKOUT_MAX_MS,
        .forget_ms = LAT_API_LOCKOUT_FORGET_MS,
        .names_max = LAT_API_SOURCES_MAX,
    };

    guards->by_name = lat_lockout_new(clock, &rules);
    rules.free_mistakes = LAT_API_MISTAKES_SOURCE;
    guards->by_source = lat_lockout_new(clock, &rules);
    guards->checking = lat_map_new();
    guards->known = lat_map_new();
    guards->joins =
        lat_rate_new(clock, &(struct lat_rate_rules){.burst = LAT_API_JOINS_SOURCE,
                                                     .each_second = 2,
                                                     .burst_all = LAT_API_JOINS_ALL,
                                                     .each_second_all = 60,
                                                     .sources_max = LAT_API_SOURCES_MAX});
    return guards;
}

struct lat__guards *lat__guards_free(struct lat__guards *guards)
{
    if (guards) {
        LAT_ASSERT(lat_map_count(guards->checking) == 0); /* logins end before the API does */
        lat_lockout_free(guards->by_name);
        lat_lockout_free(guards->by_source);
        lat_map_free(guards->checking);
        lat_map_free(guards->known);
        lat_rate_free(guards->joins);
        free(guards);
    }
    return NULL;
}

/* Of a name only so much counts as a name of ours may have. */
static void names_of(const struct lat__call *call, const char *name,
                     char ret_source[LAT_SOURCE_SIZE], char ret_both[NAME_SIZE])
{
    char bound[LAT_NAME_MAX + 1];

    lat_source_of(lat_http_peer(call->req), ret_source);
    lat_text_bound(bound, sizeof(bound), name);
    snprintf(ret_both, NAME_SIZE, "%s %s", ret_source, bound);
}

static int refuse(struct lat__call *call, int64_t wait_ms, struct lat_err *err, const char *what)
{
    call->retry_ms = wait_ms;
    lat_err_set(err, LAT_E_RATE_LIMITED, "%s", what);
    return lat_err_hint(err, "Try again in %lld s.", (long long)((wait_ms + 999) / 1000));
}

int lat__guards_login(struct lat__call *call, const char *name, struct lat_err *err)
{
    struct lat__guards *guards = call->api->guards;
    char source[LAT_SOURCE_SIZE], both[NAME_SIZE];
    struct checks *checks;
    size_t room = LAT_API_LOGINS_MAX;
    int64_t wait_ms, wait_source_ms;

    names_of(call, name, source, both);
    wait_ms = lat_lockout_wait_ms(guards->by_name, both);
    wait_source_ms = lat_lockout_wait_ms(guards->by_source, source);
    wait_ms = wait_source_ms > wait_ms ? wait_source_ms : wait_ms;
    if (wait_ms > 0) {
        return refuse(call, wait_ms, err, "There were too many wrong passwords from this address.");
    }
    if (!lat_map_get(guards->known, source)) {
        room -= LAT_API_LOGINS_KEPT;
    }
    checks = lat_map_get(guards->checking, source);
    if (call->api->logins >= room || (checks && checks->count >= LAT_API_LOGINS_SOURCE_MAX)) {
        return refuse(call, 1000, err, "Too many people log in at this moment.");
    }
    if (!checks) {
        checks = LAT_NEW(struct checks);
        lat_map_put(guards->checking, source, checks);
    }
    checks->count++;
    return 0;
}

static void remember(struct lat__guards *guards, const char *source)
{
    const char *oldest;
    void *cursor = NULL;
    void *value;

    lat_map_remove(guards->known, source);
    if (lat_map_count(guards->known) >= LAT_API_SOURCES_MAX &&
        lat_map_next(guards->known, &cursor, &oldest, &value)) {
        lat_map_remove(guards->known, oldest);
    }
    lat_map_put(guards->known, source, guards);
}

void lat__guards_login_ended(struct lat__call *call, const char *name, bool good)
{
    struct lat__guards *guards = call->api->guards;
    char source[LAT_SOURCE_SIZE], both[NAME_SIZE];
    struct checks *checks;

    names_of(call, name, source, both);
    checks = lat_map_get(guards->checking, source);
    if (--checks->count == 0) {
        free(lat_map_remove(guards->checking, source));
    }
    if (good) {
        lat_lockout_forgive(guards->by_name, both);
        remember(guards, source);
    } else {
        lat_lockout_mistake(guards->by_name, both);
        lat_lockout_mistake(guards->by_source, source);
    }
}

int lat__guards_join(struct lat__call *call, struct lat_err *err)
{
    char source[LAT_SOURCE_SIZE];
    int64_t wait_ms;

    lat_source_of(lat_http_peer(call->req), source);
    wait_ms = lat_rate_take(call->api->guards->joins, source);
    return wait_ms == 0 ? 0
                        : refuse(call, wait_ms, err,
                                 "Too many joins and renewals come from this address, or in all.");
}
