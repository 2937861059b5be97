/*
 * Passwords: bcrypt as "$2b$", by libcrypt.
 *
 * bcrypt reads 72 bytes and stops at a NUL. So a longer password is replaced by the base64 of its SHA-256 (44
 * characters, no NUL), and all of it counts. Both functions take a quarter of a second by intent and are
 * made for a worker thread; they share nothing.
 */
#include "auth/auth.h"
#include "base/mem.h"
#include "base/text.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BCRYPT_READS = 72, BCRYPT_LENGTH = 60 };

/* A hash of the right cost that no password has: what a login with an unknown name is compared with. */
static const char NOBODY[] = "$2b$12$LatticeNobodySaltxxxxeqeD6lfQmMwRNSsTjSbY6FKHzGUVZUwC";

/* Adds what bcrypt is given for this password. */
static void prepare(struct lat_buf *out, const char *password)
{
    size_t len = strlen(password);
    if (len <= BCRYPT_READS) {
        lat_buf_add(out, password, len);
    } else {
        uint8_t digest[32];
        lat_digest(password, len, digest);
        lat_text_base64(out, digest, sizeof digest);
        lat_wipe(digest, sizeof digest);
    }
}

/* Hashes under a setting or an existing hash. ret is of CRYPT_OUTPUT_SIZE; false when the setting is none of bcrypt's. */
static bool bcrypt(const char *password, const char *setting, char *ret)
{
    struct crypt_data *state = LAT_NEW(struct crypt_data);
    struct lat_buf phrase = {0};
    prepare(&phrase, password);
    const char *hash = crypt_r(lat_buf_text(&phrase), setting, state);
    bool good = hash != NULL && strlen(hash) == BCRYPT_LENGTH && lat_text_starts(hash, "$2b$");
    if (good) {
        memcpy(ret, hash, BCRYPT_LENGTH + 1);
    }
    lat_wipe(phrase.bytes, phrase.cap);
    lat_buf_done(&phrase);
    lat_wipe(state, sizeof *state);
    free(state);
    return good;
}

static size_t count_characters(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return count;
}

int lat_password_hash(const char *password, const uint8_t salt[LAT_PASSWORD_SALT], char **ret_hash,
                      struct lat_err *err)
{
    size_t len = strlen(password);
    if (len > LAT_PASSWORD_MAX) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "password",
                             "A password has at most %d bytes.", LAT_PASSWORD_MAX);
    }
    if (!lat_text_is_utf8(password, len)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "password", "The password is not UTF-8.");
    }
    if (count_characters(password) < LAT_PASSWORD_MIN) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "password",
                             "A password has at least %d characters.", LAT_PASSWORD_MIN);
    }
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    char hash[CRYPT_OUTPUT_SIZE];
    if (crypt_gensalt_rn("$2b$", LAT_PASSWORD_COST, (const char *)salt, LAT_PASSWORD_SALT, setting,
                         sizeof setting) == NULL) {
        return lat_err_errno(err, errno, "making a salt for bcrypt");
    }
    if (!bcrypt(password, setting, hash)) {
        return lat_err_set(err, LAT_E_INTERNAL, "This system's libcrypt has no bcrypt.");
    }
    *ret_hash = lat_text_copy(hash);
    return 0;
}

bool lat_password_verify(const char *password, const char *hash)
{
    bool known = hash != NULL && strlen(hash) == BCRYPT_LENGTH && lat_text_starts(hash, "$2b$") &&
                 strlen(password) <= LAT_PASSWORD_MAX;
    char found[CRYPT_OUTPUT_SIZE] = "";
    bool hashed = bcrypt(known ? password : "", known ? hash : NOBODY, found);
    return known && hashed && lat_text_same_secret(found, hash, BCRYPT_LENGTH);
}
