/* Ids: UUIDv7 (RFC 9562), as text; they sort by time of birth and are never reused. */
#ifndef LAT_BASE_ID_H
#define LAT_BASE_ID_H

#include "base/clock.h"
#include "base/random.h"

#include <stdbool.h>

enum { LAT_ID_SIZE = 37 }; /* 36 characters and the terminator */

/* Makes ids that ascend within one maker even in one millisecond or when the clock steps back.
 * Not thread-safe: one per loop. Fill in clock and random, zero the rest. */
struct lat_id_maker {
    const struct lat_clock *clock; /* borrowed */
    struct lat_random *random;     /* borrowed */
    uint64_t last_ms;              /* the time in the last id */
    uint32_t counter;              /* the counter in the last id */
};

/* Writes the next id. */
void lat_id_make(struct lat_id_maker *maker, char ret_id[LAT_ID_SIZE]);

/* Tells whether text is a well-formed UUID in lower case. */
bool lat_id_is(const char *text);

/* Makes the 16 bytes of a well-formed UUID in lower case; false for any other text. */
enum { LAT_ID_BYTES = 16 };
bool lat_id_pack(const char *text, uint8_t ret_bytes[LAT_ID_BYTES]);
void lat_id_unpack(const uint8_t bytes[LAT_ID_BYTES], char ret_id[LAT_ID_SIZE]);

#endif
