/* SHA-256. */
#include "auth/auth.h"
#include "base/mem.h"

#include <openssl/evp.h>

void lat_digest(const void *bytes, size_t len, uint8_t ret_digest[32])
{
    unsigned size = 0;
    LAT_ASSERT(EVP_Digest(bytes, len, ret_digest, &size, EVP_sha256(), NULL) == 1 && size == 32);
}

void lat_digest_hex(const void *bytes, size_t len, char ret_hex[65])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[32];
    lat_digest(bytes, len, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        ret_hex[2 * i] = digits[digest[i] >> 4];
        ret_hex[2 * i + 1] = digits[digest[i] & 15];
    }
    ret_hex[64] = '\0';
}
