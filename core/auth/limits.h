/* Limits by who asks: a rate for costly work that anybody may ask for, and a lockout for who guesses. Both count boot time, keep
 * a bounded number of names, and forget the one that was quiet for longest. Names are addresses of machines (sources), or whatever
 * else tells one guesser from another. For one thread. */
#ifndef LAT_AUTH_LIMITS_H
#define LAT_AUTH_LIMITS_H

#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>

enum { LAT_SOURCE_SIZE = 64 };

/* Writes whom an address and port ("192.0.2.1:443", "[2001:db8::1]:443") counts as: the address, of IPv6 its first 64 bits, which one
 * household has. Other texts stay as they are. */
void lat_source_of(const char *peer, char ret_source[LAT_SOURCE_SIZE]);

/* ---- a rate: so many at once, then so many a second; of each source, and of all together ---- */

struct lat_rate;

struct lat_rate_rules {
    int64_t burst, each_second;         /* of one source */
    int64_t burst_all, each_second_all; /* of all together */
    size_t sources_max;
};

struct lat_rate *lat_rate_new(const struct lat_clock *clock, const struct lat_rate_rules *rules);
struct lat_rate *lat_rate_free(struct lat_rate *rate);

/* Counts one of this source. Returns 0, or the milliseconds after which it may be tried again; then nothing was counted. */
int64_t lat_rate_take(struct lat_rate *rate, const char *source);

/* ---- a lockout: the first mistakes are free, after each further one the wait doubles ---- */

struct lat_lockout;

struct lat_lockout_rules {
    int64_t free_mistakes;
    int64_t wait_min_ms, wait_max_ms;
    int64_t forget_ms; /* without a mistake */
    size_t names_max;
};

struct lat_lockout *lat_lockout_new(const struct lat_clock *clock,
                                    const struct lat_lockout_rules *rules);
struct lat_lockout *lat_lockout_free(struct lat_lockout *lockout);

/* The milliseconds for which this name still has to wait; 0: it may try. */
int64_t lat_lockout_wait_ms(struct lat_lockout *lockout, const char *name);

/* Notes a mistake of this name. */
void lat_lockout_mistake(struct lat_lockout *lockout, const char *name);

/* Forgets the mistakes of this name: it was right. */
void lat_lockout_forgive(struct lat_lockout *lockout, const char *name);

#endif
