/* Inside core/base: the hash of the hash tables. */
#ifndef LAT_BASE_HASH_INTERNAL_H
#define LAT_BASE_HASH_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

/* Returns a hash that nobody outside this process can steer: SipHash-1-3 under a key of this
 * process. `tweak` gives other hashes for the same bytes. Not the same from one run to the next:
 * nothing seen from outside, such as the order of a walk, may depend on it. */
uint64_t lat__hash(const void *bytes, size_t len, uint64_t tweak);

#endif
