/* The only source of chance: the kernel's, or a seeded one that repeats (simulation, tests). */
#ifndef LAT_BASE_RANDOM_H
#define LAT_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct lat_random;

/* Returns a generator fed by the kernel (getrandom, buffered); good for secrets. One per thread,
 * and not to be used on both sides of a fork. */
struct lat_random *lat_random_new_system(void);

/* Returns a generator that repeats for a seed (xoshiro256** seeded by splitmix64); not for
 * secrets. */
struct lat_random *lat_random_new_seeded(uint64_t seed);
struct lat_random *lat_random_free(struct lat_random *random);

void lat_random_bytes(struct lat_random *random, void *ret_bytes, size_t len);
uint64_t lat_random_u64(struct lat_random *random);

/* Returns a number in [0, bound) without bias; bound > 0. */
uint64_t lat_random_below(struct lat_random *random, uint64_t bound);

/* Returns ms (>= 0) changed by up to +-percent (0 to 100). */
int64_t lat_random_jitter(struct lat_random *random, int64_t ms, int percent);

/* Fills ret with len characters of [A-Za-z0-9] and a terminator (size len + 1). */
void lat_random_word(struct lat_random *random, char *ret, size_t len);

#endif
