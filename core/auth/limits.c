/* Rates and lockouts. Each keeps its names in a map in the order of their last use, so that the first is the one to forget when there
 * are too many: names are made by strangers, and memory has a bound whatever they send. */
#include "auth/limits.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static const int64_t ns_per_second = INT64_C(1000000000);

void lat_source_of(const char *peer, char ret_source[LAT_SOURCE_SIZE])
{
    const char *colon = strrchr(peer, ':');
    struct in6_addr address;
    char text[INET6_ADDRSTRLEN];
    size_t len = colon != NULL ? (size_t)(colon - peer) : strlen(peer);

    if (peer[0] == '[' && len >= 2 && len - 2 < sizeof(text) && peer[len - 1] == ']') {
        memcpy(text, peer + 1, len - 2);
        text[len - 2] = '\0';
        if (inet_pton(AF_INET6, text, &address) == 1) {
            if (!IN6_IS_ADDR_V4MAPPED(&address)) {
                memset(address.s6_addr + 8, 0, 8);
            }
            inet_ntop(AF_INET6, &address, ret_source, LAT_SOURCE_SIZE);
            return;
        }
    }
    lat_text_bound(ret_source, len + 1 < LAT_SOURCE_SIZE ? len + 1 : LAT_SOURCE_SIZE, peer);
}

/* ---- names in the order of their last use ---- */

/* Puts the entry of a name last and returns it; makes one of `size` zeroed bytes where there is none, instead of the first if there are
 * `max`. */
static void *touch(struct lat_map *map, const char *name, size_t size, size_t max)
{
    void *entry = lat_map_remove(map, name);
    const char *first;
    void *cursor = NULL;
    void *oldest;

    if (entry == NULL && lat_map_count(map) >= max && lat_map_next(map, &cursor, &first, &oldest)) {
        lat_map_remove(map, first);
        free(oldest);
    }
    entry = entry != NULL ? entry : lat_alloc(size);
    lat_map_put(map, name, entry);
    return entry;
}

static struct lat_map *free_all(struct lat_map *map)
{
    const char *name;
    void *cursor = NULL;
    void *entry;

    while (lat_map_next(map, &cursor, &name, &entry)) {
        free(entry);
    }
    return lat_map_free(map);
}

/* ---- rates ---- */

/* Room in billionths of one: it grows with each nanosecond by what is allowed in a second. */
struct bucket {
    int64_t room;
    int64_t filled_ns; /* boot time; 0: never used, which is full */
};

struct lat_rate {
    const struct lat_clock *clock;
    struct lat_rate_rules rules;
    struct bucket all;
    struct lat_map *sources; /* struct bucket, owned */
};

static void fill(struct bucket *bucket, int64_t burst, int64_t each_second, int64_t now_ns)
{
    int64_t passed = now_ns - bucket->filled_ns;
    int64_t full = burst * ns_per_second;

    if (bucket->filled_ns == 0 || passed >= (full - bucket->room) / each_second) {
        bucket->room = full;
    } else {
        bucket->room += passed * each_second;
    }
    bucket->filled_ns = now_ns;
}

static int64_t wait_of(const struct bucket *bucket, int64_t each_second)
{
    int64_t lacking = ns_per_second - bucket->room;

    return lacking <= 0 ? 0 : lacking / each_second / 1000000 + 1;
}

struct lat_rate *lat_rate_new(const struct lat_clock *clock, const struct lat_rate_rules *rules)
{
    struct lat_rate *rate = LAT_NEW(struct lat_rate);

    LAT_ASSERT(rules->each_second > 0 && rules->each_second_all > 0 && rules->sources_max > 0);
    rate->clock = clock;
    rate->rules = *rules;
    rate->sources = lat_map_new();
    return rate;
}

struct lat_rate *lat_rate_free(struct lat_rate *rate)
{
    if (rate != NULL) {
        free_all(rate->sources);
        free(rate);
    }
    return NULL;
}

int64_t lat_rate_take(struct lat_rate *rate, const char *source)
{
    const struct lat_rate_rules *rules = &rate->rules;
    struct bucket *one = touch(rate->sources, source, sizeof(*one), rules->sources_max);
    int64_t now_ns = lat_clock_boot_ns(rate->clock);

    fill(one, rules->burst, rules->each_second, now_ns);
    fill(&rate->all, rules->burst_all, rules->each_second_all, now_ns);
    int64_t wait_one = wait_of(one, rules->each_second);
    int64_t wait_all = wait_of(&rate->all, rules->each_second_all);

    if (wait_one > 0 || wait_all > 0) {
        return wait_one > wait_all ? wait_one : wait_all;
    }
    one->room -= ns_per_second;
    rate->all.room -= ns_per_second;
    return 0;
}

/* ---- lockouts ---- */

struct mistakes {
    int64_t count;
    int64_t last_ms; /* boot time */
    int64_t until_ms;
};

struct lat_lockout {
    const struct lat_clock *clock;
    struct lat_lockout_rules rules;
    struct lat_map *names; /* struct mistakes, owned */
};

struct lat_lockout *lat_lockout_new(const struct lat_clock *clock,
                                    const struct lat_lockout_rules *rules)
{
    struct lat_lockout *lockout = LAT_NEW(struct lat_lockout);

    LAT_ASSERT(rules->wait_min_ms > 0 && rules->names_max > 0);
    lockout->clock = clock;
    lockout->rules = *rules;
    lockout->names = lat_map_new();
    return lockout;
}

struct lat_lockout *lat_lockout_free(struct lat_lockout *lockout)
{
    if (lockout != NULL) {
        free_all(lockout->names);
        free(lockout);
    }
    return NULL;
}

int64_t lat_lockout_wait_ms(struct lat_lockout *lockout, const char *name)
{
    const struct mistakes *mistakes = lat_map_get(lockout->names, name);
    int64_t left = mistakes != NULL ? mistakes->until_ms - lat_clock_boot_ms(lockout->clock) : 0;

    return left > 0 ? left : 0;
}

void lat_lockout_mistake(struct lat_lockout *lockout, const char *name)
{
    const struct lat_lockout_rules *rules = &lockout->rules;
    struct mistakes *mistakes = touch(lockout->names, name, sizeof(*mistakes), rules->names_max);
    int64_t now = lat_clock_boot_ms(lockout->clock);
    int64_t wait = rules->wait_min_ms;

    if (now - mistakes->last_ms >= rules->forget_ms) {
        mistakes->count = 0;
    }
    mistakes->last_ms = now;
    mistakes->count++;
    if (mistakes->count <= rules->free_mistakes) {
        return;
    }
    for (int64_t i = rules->free_mistakes + 1; i < mistakes->count && wait < rules->wait_max_ms;
         i++) {
        wait *= 2;
    }
    mistakes->until_ms = now + (wait < rules->wait_max_ms ? wait : rules->wait_max_ms);
}

void lat_lockout_forgive(struct lat_lockout *lockout, const char *name)
{
    free(lat_map_remove(lockout->names, name));
}
