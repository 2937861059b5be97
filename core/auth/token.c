/*
 * Tokens: access (JWT), API, join.
 *
 * An access token is checked in this order: shape, signature, header, claims; so that no byte of it is parsed before
 * its signature was found good. There is one algorithm: a header that names another is refused, and
 * nothing in a token chooses how it is checked.
 */
#include "auth/auth.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum {
    ACCESS_TOKEN_MAX = 2048, /* characters */
    MAC_SIZE = 32,
    SECRET_SIZE = 32,
    SECRET_TEXT = 43, /* SECRET_SIZE bytes in base64url */
};

/* ---- access tokens ---- */

static void sign(const uint8_t key[32], const char *text, size_t len, uint8_t ret_mac[MAC_SIZE])
{
    unsigned size = 0;
    LAT_ASSERT(HMAC(EVP_sha256(), key, 32, (const uint8_t *)text, len, ret_mac, &size) != NULL);
    LAT_ASSERT(size == MAC_SIZE);
}

char *lat_access_token_make(const uint8_t key[32], const struct lat_claims *claims,
                            const struct lat_clock *clock, struct lat_random *random)
{
    static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    uint8_t bytes[16];
    struct lat_buf jti = {0};
    lat_random_bytes(random, bytes, sizeof bytes);
    lat_text_base64url(&jti, bytes, sizeof bytes);

    struct lat_buf payload = {0};
    struct lat_json_writer writer;
    lat_json_writer_init(&writer, &payload);
    lat_json_object(&writer, NULL);
    lat_json_add_text(&writer, "sub", claims->user_id);
    lat_json_add_text(&writer, "role", claims->role);
    lat_json_add_int(&writer, "exp", claims->expires_at / 1000);
    lat_json_add_int(&writer, "iat", lat_clock_wall_ms(clock) / 1000);
    lat_json_add_text(&writer, "jti", lat_buf_text(&jti));
    lat_json_end(&writer, '}');

    struct lat_buf token = {0};
    lat_text_base64url(&token, header, sizeof header - 1);
    lat_buf_add_byte(&token, '.');
    lat_text_base64url(&token, payload.bytes, payload.len);
    uint8_t mac[MAC_SIZE];
    sign(key, (const char *)token.bytes, token.len, mac);
    lat_buf_add_byte(&token, '.');
    lat_text_base64url(&token, mac, sizeof mac);
    lat_buf_done(&jti);
    lat_buf_done(&payload);
    return lat_buf_take_text(&token);
}

static int refuse(struct lat_err *err)
{
    return lat_err_set(err, LAT_E_UNAUTHENTICATED, "The access token is not valid.");
}

/* Parses a part of the token (base64url of a JSON object) whose signature was found good; NULL when it is none. */
static cJSON *parse_part(const char *text, size_t len)
{
    struct lat_buf bytes = {0};
    cJSON *json = NULL;
    if (lat_text_base64url_decode(&bytes, text, len) == 0 &&
        lat_json_parse(lat_buf_text(&bytes), bytes.len, &json, NULL) == 0 &&
        !cJSON_IsObject(json)) {
        cJSON_Delete(json);
        json = NULL;
    }
    lat_buf_done(&bytes);
    return json;
}

static bool header_is_ours(const char *text, size_t len)
{
    static const char *const known[] = {"alg", "typ", NULL};
    cJSON *header = parse_part(text, len);
    bool ours = header != NULL && lat_json_only(header, known, NULL) == 0 &&
                strcmp(lat_json_text(header, "alg", ""), "HS256") == 0 &&
                strcmp(lat_json_text(header, "typ", ""), "JWT") == 0;
    cJSON_Delete(header);
    return ours;
}

static bool read_claims(const cJSON *payload, struct lat_claims *ret_claims, int64_t *ret_issued_ms)
{
    static const char *const known[] = {"sub", "role", "exp", "iat", "jti", NULL};
    const char *user_id = lat_json_text(payload, "sub", "");
    const char *role = lat_json_text(payload, "role", "");
    int64_t expires = 0;
    int64_t issued = 0;
    if (lat_json_only(payload, known, NULL) != 0 || user_id[0] == '\0' || role[0] == '\0' ||
        strlen(user_id) >= sizeof ret_claims->user_id || strlen(role) >= sizeof ret_claims->role ||
        lat_json_read_int(payload, "exp", 1, INT64_MAX / 1000, &expires, NULL) != 0 ||
        lat_json_read_int(payload, "iat", 0, INT64_MAX / 1000, &issued, NULL) != 0 ||
        expires == 0) {
        return false;
    }
    memset(ret_claims, 0, sizeof *ret_claims);
    lat_text_bound(ret_claims->user_id, sizeof ret_claims->user_id, user_id);
    lat_text_bound(ret_claims->role, sizeof ret_claims->role, role);
    ret_claims->expires_at = expires * 1000;
    *ret_issued_ms = issued * 1000;
    return true;
}

static bool signature_is_good(const uint8_t key[32], const char *token, const char *signature)
{
    struct lat_buf given = {0};
    uint8_t mac[MAC_SIZE];
    sign(key, token, (size_t)(signature - 1 - token), mac);
    bool good = lat_text_base64url_decode(&given, signature, strlen(signature)) == 0 &&
                given.len == MAC_SIZE && lat_text_same_secret(given.bytes, mac, MAC_SIZE);
    lat_buf_done(&given);
    return good;
}

int lat_access_token_check(const uint8_t key[32], const char *token, const struct lat_clock *clock,
                           struct lat_claims *ret_claims, struct lat_err *err)
{
    if (token == NULL || strnlen(token, ACCESS_TOKEN_MAX + 1) > ACCESS_TOKEN_MAX) {
        return refuse(err);
    }
    const char *first_dot = strchr(token, '.');
    const char *second_dot = first_dot != NULL ? strchr(first_dot + 1, '.') : NULL;
    if (second_dot == NULL || strchr(second_dot + 1, '.') != NULL ||
        !signature_is_good(key, token, second_dot + 1) ||
        !header_is_ours(token, (size_t)(first_dot - token))) {
        return refuse(err);
    }
    cJSON *payload = parse_part(first_dot + 1, (size_t)(second_dot - first_dot - 1));
    struct lat_claims claims;
    int64_t issued_ms;
    bool whole = payload != NULL && read_claims(payload, &claims, &issued_ms);
    cJSON_Delete(payload);
    if (!whole) {
        return refuse(err);
    }
    if (lat_clock_is_over(clock, issued_ms, claims.expires_at)) {
        return lat_err_set(err, LAT_E_UNAUTHENTICATED, "The access token has expired.");
    }
    *ret_claims = claims;
    return 0;
}

/* ---- API tokens ---- */

static const char API_PREFIX[] = "lat_";

static void add_secret(struct lat_buf *out, struct lat_random *random)
{
    uint8_t secret[SECRET_SIZE];
    lat_random_bytes(random, secret, sizeof secret);
    lat_text_base64url(out, secret, sizeof secret);
    lat_wipe(secret, sizeof secret);
}

/* Tells whether the text is SECRET_SIZE bytes as add_secret writes them. */
static bool is_secret(const char *text)
{
    struct lat_buf bytes = {0};
    bool good = strnlen(text, SECRET_TEXT + 1) == SECRET_TEXT &&
                lat_text_base64url_decode(&bytes, text, SECRET_TEXT) == 0 &&
                bytes.len == SECRET_SIZE;
    lat_buf_done(&bytes);
    return good;
}

char *lat_api_token_make(struct lat_random *random)
{
    struct lat_buf token = {0};
    lat_buf_add_text(&token, API_PREFIX);
    add_secret(&token, random);
    return lat_buf_take_text(&token);
}

bool lat_api_token_is(const char *token)
{
    return token != NULL && lat_text_starts(token, API_PREFIX) &&
           is_secret(token + sizeof API_PREFIX - 1);
}

/* ---- join tokens ---- */

static const char JOIN_PREFIX[] = "latj1.";

char *lat_join_token_make(const uint8_t authority_digest[32], struct lat_random *random)
{
    struct lat_buf token = {0};
    lat_buf_add_text(&token, JOIN_PREFIX);
    lat_text_base64url(&token, authority_digest, 32);
    lat_buf_add_byte(&token, '.');
    add_secret(&token, random);
    return lat_buf_take_text(&token);
}

int lat_join_token_parse(const char *token, struct lat_join_token_parts *ret_parts,
                         struct lat_err *err)
{
    const size_t prefix = sizeof JOIN_PREFIX - 1;
    struct lat_buf digest = {0};
    bool good = token != NULL && lat_text_starts(token, JOIN_PREFIX) &&
                strnlen(token, 256) == prefix + SECRET_TEXT + 1 + SECRET_TEXT &&
                token[prefix + SECRET_TEXT] == '.' &&
                lat_text_base64url_decode(&digest, token + prefix, SECRET_TEXT) == 0 &&
                digest.len == sizeof ret_parts->authority_digest &&
                is_secret(token + prefix + SECRET_TEXT + 1);
    if (good) {
        memset(ret_parts, 0, sizeof *ret_parts);
        memcpy(ret_parts->authority_digest, digest.bytes, digest.len);
        lat_text_bound(ret_parts->secret, sizeof ret_parts->secret,
                       token + prefix + SECRET_TEXT + 1);
    }
    lat_buf_done(&digest);
    if (!good) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "token", "That is not a join token.");
        lat_err_hint(err,
                     "Copy the whole token, which begins with \"%s\"; `lattice join-token "
                     "create` makes one.",
                     JOIN_PREFIX);
        return LAT_E_INVALID_FIELD;
    }
    return 0;
}
