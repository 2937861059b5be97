/* UUIDv7 with a counter.
 *
 *     bits      48        4           12            2            14            48
 *     milliseconds | version 7 | counter, high | variant | counter, low | random
 *
 * In a new millisecond the counter starts at a random number below half its range and then counts
 * up, so at least 2^25 ids of one millisecond ascend; past that, or when the clock steps back, the
 * maker's own time goes on from its last. Not thread-safe. */
#include "base/id.h"

enum { COUNTER_BITS = 26, COUNTER_LOW_BITS = 14 };

static const uint32_t counter_max = (UINT32_C(1) << COUNTER_BITS) - 1;

static void start_millisecond(struct lat_id_maker *maker, uint64_t now_ms)
{
    maker->last_ms = now_ms;
    maker->counter = (uint32_t)lat_random_u64(maker->random) & (counter_max >> 1);
}

/* Moves time and counter of the maker to those of the next id. */
static void advance(struct lat_id_maker *maker)
{
    int64_t wall_ms = lat_clock_wall_ms(maker->clock);
    uint64_t now_ms = wall_ms > 0 ? (uint64_t)wall_ms : 0;
    if (now_ms > maker->last_ms) {
        start_millisecond(maker, now_ms);
    } else if (maker->counter < counter_max) {
        maker->counter++;
    } else {
        start_millisecond(maker, maker->last_ms + 1);
    }
}

void lat_id_make(struct lat_id_maker *maker, char ret_id[LAT_ID_SIZE])
{
    advance(maker);
    uint32_t low = maker->counter & ((UINT32_C(1) << COUNTER_LOW_BITS) - 1);
    uint8_t bytes[16];
    for (size_t i = 0; i < 6; i++) {
        bytes[i] = (uint8_t)(maker->last_ms >> (40 - 8 * i));
    }
    bytes[6] = (uint8_t)(0x70 | maker->counter >> 22);
    bytes[7] = (uint8_t)(maker->counter >> COUNTER_LOW_BITS);
    bytes[8] = (uint8_t)(0x80 | low >> 8);
    bytes[9] = (uint8_t)low;
    lat_random_bytes(maker->random, bytes + 10, 6);
    lat_id_unpack(bytes, ret_id);
}

void lat_id_unpack(const uint8_t bytes[LAT_ID_BYTES], char ret_id[LAT_ID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    char *at = ret_id;
    for (size_t i = 0; i < LAT_ID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *at++ = '-';
        }
        *at++ = digits[bytes[i] >> 4];
        *at++ = digits[bytes[i] & 15];
    }
    *at = '\0';
}

bool lat_id_is(const char *text)
{
    for (size_t i = 0; i < LAT_ID_SIZE - 1; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
        if (dash ? text[i] != '-' : !hex) {
            return false; /* also at the terminator of a short text */
        }
    }
    return text[LAT_ID_SIZE - 1] == '\0';
}

static uint8_t nibble(char digit)
{
    return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

bool lat_id_pack(const char *text, uint8_t ret_bytes[LAT_ID_BYTES])
{
    if (!lat_id_is(text)) {
        return false;
    }
    for (size_t i = 0; i < LAT_ID_BYTES; i++) {
        text += *text == '-';
        ret_bytes[i] = (uint8_t)(nibble(text[0]) << 4 | nibble(text[1]));
        text += 2;
    }
    return true;
}
