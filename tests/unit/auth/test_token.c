/* Access, API and join tokens. Forged access tokens are put together here by hand, from OpenSSL's HMAC. */
#include "support.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static const uint8_t key[32] = "a key of exactly 32 bytes length";
static struct lat_random *chance;

static const char HEADER[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
static const char PAYLOAD[] =
    "{\"sub\":\"u1\",\"role\":\"USER\",\"exp\":1795219260,\"iat\":1795219200,"
    "\"jti\":\"x\"}";

static int set_up(void **state)
{
    (void)state;
    chance = lat_random_new_seeded(3);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    chance = lat_random_free(chance);
    return 0;
}

/* Returns a token of these parts, soundly signed with this key. */
static char *forge(const uint8_t *with, const char *header, const char *payload)
{
    struct lat_buf token = {0};
    uint8_t mac[32];
    lat_text_base64url(&token, header, strlen(header));
    lat_buf_add_byte(&token, '.');
    lat_text_base64url(&token, payload, strlen(payload));
    HMAC(EVP_sha256(), with, 32, token.bytes, token.len, mac, NULL);
    lat_buf_add_byte(&token, '.');
    lat_text_base64url(&token, mac, sizeof mac);
    return lat_buf_take_text(&token);
}

static void assert_refused(const char *token)
{
    struct lat_claims claims = {.user_id = "untouched"};
    struct lat_err err = {0};
    if (lat_access_token_check(key, token, &hand_clock, &claims, &err) != LAT_E_UNAUTHENTICATED) {
        fail_msg("this token passed: %s", token);
    }
    assert_int_equal(err.code, LAT_E_UNAUTHENTICATED);
    assert_string_equal(claims.user_id, "untouched");
}

static void assert_forged_refused(const char *header, const char *payload)
{
    char *token = forge(key, header, payload);
    assert_refused(token);
    free(token);
}

static char *make(int64_t life_ms)
{
    struct lat_claims claims = {.user_id = "0190f000-0000-7000-8000-000000000001",
                                .role = "ADMIN",
                                .expires_at = now_ms + life_ms};
    return lat_access_token_make(key, &claims, &hand_clock, chance);
}

static void a_token_brings_back_its_claims_until_it_expires(void **state)
{
    (void)state;
    int64_t start = now_ms;
    char *token = make(900000);
    struct lat_claims claims;
    now_ms = start + 899000;
    assert_int_equal(lat_access_token_check(key, token, &hand_clock, &claims, NULL), 0);
    assert_string_equal(claims.user_id, "0190f000-0000-7000-8000-000000000001");
    assert_string_equal(claims.role, "ADMIN");
    assert_int_equal(claims.expires_at, start + 900000);
    now_ms = start + 900000;
    struct lat_err err = {0};
    assert_int_equal(lat_access_token_check(key, token, &hand_clock, &claims, &err),
                     LAT_E_UNAUTHENTICATED);
    assert_non_null(strstr(err.sentence, "expired"));
    now_ms = start;
    free(token);
}

static void the_hand_made_token_is_good(void **state)
{
    (void)state;
    char *token = forge(key, HEADER, PAYLOAD);
    struct lat_claims claims;
    assert_int_equal(lat_access_token_check(key, token, &hand_clock, &claims, NULL), 0);
    free(token);
}

static void no_character_can_be_changed_added_or_left_out(void **state)
{
    (void)state;
    char *token = make(900000);
    size_t len = strlen(token);
    for (size_t i = 0; i < len; i++) {
        char was = token[i];
        token[i] = was == 'A' ? 'B' : 'A';
        assert_refused(token);
        token[i] = was;
    }
    char *longer = lat_text_format("%sA", token);
    assert_refused(longer);
    char *padded = lat_text_format("%s=", token);
    assert_refused(padded);
    free(longer);
    free(padded);
    while (len-- > 0) {
        token[len] = '\0';
        assert_refused(token);
    }
    free(token);
}

static void another_key_signs_nothing(void **state)
{
    (void)state;
    const uint8_t other[32] = {9};
    char *token = forge(other, HEADER, PAYLOAD);
    assert_refused(token);
    free(token);
}

static void the_token_does_not_choose_its_algorithm(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{\"alg\":\"none\",\"typ\":\"JWT\"}",
        "{\"alg\":\"None\",\"typ\":\"JWT\"}",
        "{\"alg\":\"RS256\",\"typ\":\"JWT\"}",
        "{\"alg\":\"ES256\",\"typ\":\"JWT\"}",
        "{\"alg\":\"HS512\",\"typ\":\"JWT\"}",
        "{\"alg\":\"hs256\",\"typ\":\"JWT\"}",
        "{\"ALG\":\"HS256\",\"typ\":\"JWT\"}",
        "{\"alg\":\"HS256\",\"alg\":\"none\",\"typ\":\"JWT\"}",
        "{\"alg\":[\"HS256\"],\"typ\":\"JWT\"}",
        "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"jwk\":{}}",
        "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"HS256\",\"typ\":\"JWE\"}",
        "{\"typ\":\"JWT\"}",
        "[]",
        "",
        "{\"alg\":\"HS256\",\"typ\":\"JWT\"}{}",
    };
    for (size_t i = 0; i < LAT_COUNT(headers); i++) {
        assert_forged_refused(headers[i], PAYLOAD);
    }
    /* alg none, with the empty signature that it asks for */
    char *token = forge(key, headers[0], PAYLOAD);
    *(strrchr(token, '.') + 1) = '\0';
    assert_refused(token);
    free(token);
}

static void claims_are_read_strictly(void **state)
{
    (void)state;
    static const char *const payloads[] = {
        "{\"role\":\"USER\",\"exp\":1795219260}",
        "{\"sub\":\"u1\",\"exp\":1795219260}",
        "{\"sub\":\"u1\",\"role\":\"USER\"}",
        "{\"sub\":\"\",\"role\":\"USER\",\"exp\":1795219260}",
        "{\"sub\":\"u1\",\"role\":\"USER\",\"exp\":\"1795219260\"}",
        "{\"sub\":\"u1\",\"role\":\"USER\",\"exp\":1795219260.5}",
        "{\"sub\":\"u1\",\"role\":\"USER\",\"exp\":-1}",
        "{\"sub\":\"u1\",\"role\":\"USER\",\"exp\":9223372036854775807}",
        "{\"sub\":\"u1\",\"role\":\"USER\",\"exp\":null}",
        "{\"sub\":\"u1\",\"role\":\"A ROLE OF SIXTEEN\",\"exp\":1795219260}",
        "{\"sub\":\"0190f000-0000-7000-8000-0000000000011234\",\"role\":\"USER\",\"exp\":1795219260}",
        "{\"sub\":\"u1\",\"role\":\"USER\",\"exp\":1795219260,\"admin\":true}",
        "{\"sub\":\"u1\",\"Sub\":\"u2\",\"role\":\"USER\",\"exp\":1795219260}",
        "null",
        "not json",
    };
    for (size_t i = 0; i < LAT_COUNT(payloads); i++) {
        assert_forged_refused(HEADER, payloads[i]);
    }
}

static void rubbish_is_refused(void **state)
{
    (void)state;
    char *many = lat_alloc(100001);
    memset(many, '.', 100000);
    static const char *const tokens[] = {"",    ".",     "..",      "...",
                                         "a.b", "a.b.c", "a.b.c.d", "\xff.\xff.\xff"};
    for (size_t i = 0; i < LAT_COUNT(tokens); i++) {
        assert_refused(tokens[i]);
    }
    assert_refused(many);
    assert_refused(NULL);
    free(many);
}

static void api_tokens_have_one_shape(void **state)
{
    (void)state;
    char *token = lat_api_token_make(chance);
    char *other = lat_api_token_make(chance);
    assert_int_equal(strlen(token), 47);
    assert_int_equal(strncmp(token, "lat_", 4), 0);
    assert_true(lat_api_token_is(token));
    assert_string_not_equal(token, other);
    char *longer = lat_text_format("%sA", token);
    assert_false(lat_api_token_is(longer));
    token[46] = '\0';
    assert_false(lat_api_token_is(token));
    assert_false(lat_api_token_is(NULL));
    assert_false(lat_api_token_is(""));
    assert_false(lat_api_token_is("lat_"));
    other[10] = '+';
    assert_false(lat_api_token_is(other));
    free(longer);
    free(token);
    free(other);
}

static void a_join_token_carries_the_authority_and_a_secret(void **state)
{
    (void)state;
    uint8_t digest[32];
    lat_digest("authority", 9, digest);
    char *token = lat_join_token_make(digest, chance);
    struct lat_join_token_parts parts;
    assert_int_equal(lat_join_token_parse(token, &parts, NULL), 0);
    assert_memory_equal(parts.authority_digest, digest, 32);
    assert_int_equal(strlen(parts.secret), 43);
    assert_non_null(strstr(token, parts.secret));

    struct lat_err err = {0};
    char *longer = lat_text_format("%sA", token);
    assert_int_equal(lat_join_token_parse(longer, &parts, &err), LAT_E_INVALID_FIELD);
    assert_string_equal(err.field, "token");
    for (size_t len = strlen(token); len-- > 0;) {
        token[len] = '\0';
        assert_int_equal(lat_join_token_parse(token, &parts, &err), LAT_E_INVALID_FIELD);
    }
    assert_int_equal(lat_join_token_parse(NULL, &parts, &err), LAT_E_INVALID_FIELD);
    assert_int_equal(lat_join_token_parse("latj1.", &parts, NULL), LAT_E_INVALID_FIELD);
    free(longer);
    free(token);
}

static void digests_are_sha256_in_lower_case(void **state)
{
    (void)state;
    char hex[65];
    lat_digest_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_brings_back_its_claims_until_it_expires),
        cmocka_unit_test(the_hand_made_token_is_good),
        cmocka_unit_test(no_character_can_be_changed_added_or_left_out),
        cmocka_unit_test(another_key_signs_nothing),
        cmocka_unit_test(the_token_does_not_choose_its_algorithm),
        cmocka_unit_test(claims_are_read_strictly),
        cmocka_unit_test(rubbish_is_refused),
        cmocka_unit_test(api_tokens_have_one_shape),
        cmocka_unit_test(a_join_token_carries_the_authority_and_a_secret),
        cmocka_unit_test(digests_are_sha256_in_lower_case),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
