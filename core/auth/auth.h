/* Trust: passwords, tokens, sealed secrets, the certificate authority. Pure functions and small objects; no I/O, no store. */
#ifndef LAT_AUTH_AUTH_H
#define LAT_AUTH_AUTH_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- passwords: bcrypt, cost 12 (a quarter of a second: call from a worker) ---- */

enum {
    LAT_PASSWORD_MIN = 8, /* characters */
    LAT_PASSWORD_MAX =
        1024, /* bytes; bcrypt reads 72, so longer ones are hashed by SHA-256 first */
    LAT_PASSWORD_COST = 12,
    LAT_PASSWORD_SALT = 16, /* random bytes that are hashed with a password */
};

int lat_password_hash(const char *password, const uint8_t salt[LAT_PASSWORD_SALT], char **ret_hash,
                      struct lat_err *err) LAT_MUST_USE;

/* Tells whether the password has that hash; takes the same time for a hash that is NULL. */
bool lat_password_verify(const char *password, const char *hash);

/* ---- secrets at rest: AES-256-GCM under a master key ---- */

struct lat_sealer;

enum { LAT_MASTER_KEY_SIZE = 32 };

struct lat_sealer *lat_sealer_new(const uint8_t master_key[LAT_MASTER_KEY_SIZE],
                                  struct lat_random *random);
struct lat_sealer *lat_sealer_free(struct lat_sealer *sealer); /* wipes */

/* Seals text; `purpose` (table, column and row id, as "workload.rendered/ID") is authenticated with it, so that a sealed value cannot be moved elsewhere. Owned text. */
char *lat_seal(struct lat_sealer *sealer, const char *purpose, const char *text);

/* Opens what lat_seal made for the same purpose; owned (lat_wipe_free). */
int lat_unseal(const struct lat_sealer *sealer, const char *purpose, const char *sealed,
               char **ret_text, struct lat_err *err) LAT_MUST_USE;

/* ---- tokens ---- */

/* Access token: a JWT (HS256 only; `alg` in the token is checked, never obeyed) with sub, role, exp, iat, jti. */
struct lat_claims {
    char user_id[40];
    char role[16];
    int64_t expires_at; /* wall ms */
};
char *lat_access_token_make(const uint8_t key[32], const struct lat_claims *claims,
                            const struct lat_clock *clock, struct lat_random *random);
int lat_access_token_check(const uint8_t key[32], const char *token, const struct lat_clock *clock,
                           struct lat_claims *ret_claims, struct lat_err *err) LAT_MUST_USE;

/* API token: "lat_" and 43 characters of base64url; stored only as its digest. */
char *lat_api_token_make(struct lat_random *random);
bool lat_api_token_is(const char *token);

/* Join token: "latj1.<SHA-256 of the authority's DER, base64url>.<secret, base64url>". */
struct lat_join_token_parts {
    uint8_t authority_digest[32];
    char secret[64];
};
char *lat_join_token_make(const uint8_t authority_digest[32], struct lat_random *random);
int lat_join_token_parse(const char *token, struct lat_join_token_parts *ret_parts,
                         struct lat_err *err) LAT_MUST_USE;

/* SHA-256 as 64 hex digits and a terminator: how secrets with full entropy are stored and looked up. */
void lat_digest_hex(const void *bytes, size_t len, char ret_hex[65]);
void lat_digest(const void *bytes, size_t len, uint8_t ret_digest[32]);

/* ---- the certificate authority (ECDSA P-256) ---- */

struct lat_authority;

/* Makes a new authority: ten years, path length 0; ret texts are owned PEM. */
int lat_authority_make(const char *common_name, const struct lat_clock *clock, char **ret_cert_pem,
                       char **ret_key_pem, struct lat_err *err) LAT_MUST_USE;

int lat_authority_new(const char *cert_pem, const char *key_pem, const struct lat_clock *clock,
                      struct lat_authority **ret_authority, struct lat_err *err) LAT_MUST_USE;
struct lat_authority *lat_authority_free(struct lat_authority *authority);
const char *lat_authority_pem(const struct lat_authority *authority);
void lat_authority_digest(const struct lat_authority *authority,
                          uint8_t ret_digest[32]); /* of its DER */

/* Issues a server certificate with a new key for these names ("localhost", "10.0.0.1", ...; ends with NULL). ret_chain_pem
 * holds leaf and authority. */
int lat_authority_issue_server(const struct lat_authority *authority, const char *const *names,
                               int64_t life_ms, char **ret_chain_pem, char **ret_key_pem,
                               struct lat_err *err) LAT_MUST_USE;

/* Signs a node's request: the subject becomes CN=node_id whatever the request says, its own signature is checked, key P-256
 * or Ed25519 only. */
int lat_authority_sign_node(const struct lat_authority *authority, const char *request_pem,
                            const char *node_id, int64_t life_ms, char **ret_chain_pem,
                            uint8_t ret_key_digest[32], struct lat_err *err) LAT_MUST_USE;

/* Reads a node's request without signing it: checks its own signature and kind of key, and gives the digest of the key
 * (SHA-256 of the SubjectPublicKeyInfo), which is the node's identity. */
int lat_request_key(const char *request_pem, uint8_t ret_key_digest[32],
                    struct lat_err *err) LAT_MUST_USE;

/* For the agent: makes a key and a signing request. */
int lat_node_key_make(char **ret_key_pem, struct lat_err *err) LAT_MUST_USE;
int lat_node_request_make(const char *key_pem, const char *node_name, char **ret_request_pem,
                          struct lat_err *err) LAT_MUST_USE;

/* Beginning and end of a certificate's (first in the PEM) validity, wall ms. */
int lat_certificate_validity(const char *cert_pem, int64_t *ret_begin_ms, int64_t *ret_end_ms,
                             struct lat_err *err) LAT_MUST_USE;
/* Whether the first certificate in the PEM is for all of these names. */
bool lat_certificate_names(const char *cert_pem, const char *const *names);

#endif
