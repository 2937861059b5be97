/* Two generators behind one face: the kernel's bytes through a buffer, or xoshiro256** from a seed.
 *
 * The buffer saves a system call for each id; a byte is wiped as it is handed out, so that memory
 * read later does not show what a secret was made of. Not thread-safe: one per thread. */
#include "base/random.h"

#include "base/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* getrandom() of at most 256 bytes is never cut short by a signal. */
enum { BUFFER_SIZE = 256 };

struct lat_random {
    bool seeded;
    uint64_t state[4];           /* seeded: of xoshiro256** */
    uint8_t buffer[BUFFER_SIZE]; /* system: bytes not handed out are at the end */
    size_t left;                 /* system: how many of them */
};

struct lat_random *lat_random_new_system(void)
{
    return LAT_NEW(struct lat_random);
}

/* splitmix64 (Steele, Lea, Flood): spreads one seed over a state that is never all zero. */
static uint64_t split_mix(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

struct lat_random *lat_random_new_seeded(uint64_t seed)
{
    struct lat_random *random = LAT_NEW(struct lat_random);
    random->seeded = true;
    for (size_t i = 0; i < LAT_COUNT(random->state); i++) {
        random->state[i] = split_mix(&seed);
    }
    return random;
}

struct lat_random *lat_random_free(struct lat_random *random)
{
    if (random != NULL) {
        lat_wipe(random, sizeof(*random));
        free(random);
    }
    return NULL;
}

static uint64_t rotate(uint64_t value, unsigned by)
{
    return value << by | value >> (64 - by);
}

/* xoshiro256** (Blackman, Vigna). */
static uint64_t next_seeded(uint64_t s[4])
{
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 45);
    return result;
}

/* Fills from the kernel; waits only in the first seconds of a machine's life. */
static void fill_from_kernel(uint8_t *at, size_t len)
{
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0) {
            LAT_ASSERT(errno == EINTR); /* the kernel has no other reason to refuse us */
            continue;
        }
        at += got;
        len -= (size_t)got;
    }
}

static void system_bytes(struct lat_random *random, uint8_t *at, size_t len)
{
    if (len > BUFFER_SIZE) {
        fill_from_kernel(at, len);
        return;
    }
    if (len > random->left) {
        fill_from_kernel(random->buffer, BUFFER_SIZE);
        random->left = BUFFER_SIZE;
    }
    uint8_t *from = random->buffer + BUFFER_SIZE - random->left;
    memcpy(at, from, len);
    lat_wipe(from, len);
    random->left -= len;
}

void lat_random_bytes(struct lat_random *random, void *ret_bytes, size_t len)
{
    uint8_t *at = ret_bytes;
    if (len == 0) {
        return;
    }
    if (!random->seeded) {
        system_bytes(random, at, len);
        return;
    }
    /* Byte by byte from the low end, so that a seed gives the same on every machine. */
    for (size_t i = 0; i < len;) {
        uint64_t word = next_seeded(random->state);
        for (size_t k = 0; k < 8 && i < len; k++, i++) {
            at[i] = (uint8_t)(word >> (8 * k));
        }
    }
}

uint64_t lat_random_u64(struct lat_random *random)
{
    if (random->seeded) {
        return next_seeded(random->state);
    }
    uint64_t value;
    system_bytes(random, (uint8_t *)&value, sizeof(value));
    return value;
}

uint64_t lat_random_below(struct lat_random *random, uint64_t bound)
{
    LAT_ASSERT(bound > 0);
    /* Leaves out the first 2^64 mod bound numbers: what remains divides evenly. */
    uint64_t least = (0 - bound) % bound;
    uint64_t value;
    do {
        value = lat_random_u64(random);
    } while (value < least);
    return value % bound;
}

int64_t lat_random_jitter(struct lat_random *random, int64_t ms, int percent)
{
    LAT_ASSERT(ms >= 0 && percent >= 0 && percent <= 100);
    int64_t reach = ms / 100 * percent + ms % 100 * percent / 100;
    int64_t low = ms - reach;
    int64_t high = ms > INT64_MAX - reach ? INT64_MAX : ms + reach;
    return low + (int64_t)lat_random_below(random, (uint64_t)(high - low) + 1);
}

void lat_random_word(struct lat_random *random, char *ret, size_t len)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    enum { LETTERS = sizeof(letters) - 1, EVEN = 256 / LETTERS * LETTERS };
    for (size_t i = 0; i < len;) {
        uint8_t byte;
        lat_random_bytes(random, &byte, 1);
        if (byte < EVEN) { /* what is past the last whole multiple would favour the first letters */
            ret[i++] = letters[byte % LETTERS];
        }
    }
    ret[len] = '\0';
}
