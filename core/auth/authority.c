/*
 * The certificate authority of one console: an ECDSA P-256 key that signs servers and nodes.
 *
 *     authority (10 years, pathlen 0) ─┬─► server: names and addresses, serverAuth
 *                                      └─► node:   CN = node id, clientAuth
 *
 * A certificate begins a while before it is issued, because a node's clock may be behind; it never ends after the authority.
 * Nothing that a request asks for is taken over but its key. An authority does not change once it is made, so that
 * any thread may use it.
 */
#include "auth/internal.h"
#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

enum {
    AUTHORITY_MAGIC = 0x41757468,
    SERIAL_SIZE = 16, /* 127 random bits */
    NAMES_MAX = 64,   /* of one server certificate */
    AUTHORITY_DAYS = 3652,
};

static const int64_t DAY_MS = INT64_C(24) * 3600 * 1000;
static const int64_t CLOCK_SKEW_MS = INT64_C(3600) * 1000;

struct lat_authority {
    uint32_t magic;
    X509 *certificate;
    EVP_PKEY *key;
    char *pem;
    const struct lat_clock *clock; /* borrowed */
    uint8_t digest[32];
};

static void set_serial(X509 *certificate)
{
    uint8_t bytes[SERIAL_SIZE];
    LAT_ASSERT(RAND_bytes(bytes, sizeof bytes) == 1);
    bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40); /* positive, and of full length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    LAT_ASSERT(number != NULL);
    LAT_ASSERT(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL);
    BN_free(number);
}

static void set_times(X509 *certificate, int64_t from_ms, int64_t to_ms)
{
    LAT_ASSERT(ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)(from_ms / 1000)) != NULL);
    LAT_ASSERT(ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)(to_ms / 1000)) != NULL);
}

/* Adds an extension in OpenSSL's own words; value is never text from outside. */
static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    LAT_ASSERT(extension != NULL);
    LAT_ASSERT(X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

/* Returns a certificate that lacks only what its use adds, and the signature. */
static X509 *start_certificate(const char *common_name, EVP_PKEY *key, X509_NAME *issuer,
                               int64_t from_ms, int64_t to_ms)
{
    X509 *certificate = X509_new();
    LAT_ASSERT(certificate != NULL);
    LAT_ASSERT(X509_set_version(certificate, X509_VERSION_3) == 1);
    set_serial(certificate);
    set_times(certificate, from_ms, to_ms);
    lat__name_set(X509_get_subject_name(certificate), common_name);
    LAT_ASSERT(X509_set_issuer_name(
                   certificate, issuer != NULL ? issuer : X509_get_subject_name(certificate)) == 1);
    LAT_ASSERT(X509_set_pubkey(certificate, key) == 1);
    return certificate;
}

int lat_authority_make(const char *common_name, const struct lat_clock *clock, char **ret_cert_pem,
                       char **ret_key_pem, struct lat_err *err)
{
    EVP_PKEY *key = lat__key_make(err);
    if (key == NULL) {
        return LAT_E_INTERNAL;
    }
    int64_t now = lat_clock_wall_ms(clock);
    X509 *certificate = start_certificate(common_name, key, NULL, now - CLOCK_SKEW_MS,
                                          now + AUTHORITY_DAYS * DAY_MS);
    add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
    add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
    add_extension(certificate, certificate, NID_subject_key_identifier, "hash");
    int code = 0;
    if (X509_sign(certificate, key, EVP_sha256()) > 0) {
        *ret_cert_pem = lat__certificate_write(certificate);
        *ret_key_pem = lat__key_write(key);
    } else {
        code = lat__openssl_fail(err, LAT_E_INTERNAL, "The authority cannot sign itself");
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
    return code;
}

static int check_authority(const struct lat_authority *authority, struct lat_err *err)
{
    if (X509_check_private_key(authority->certificate, authority->key) != 1) {
        return lat__openssl_fail(err, LAT_E_INVALID,
                                 "The authority's key is not that of its certificate");
    }
    if (X509_check_ca(authority->certificate) != 1) {
        return lat__openssl_fail(err, LAT_E_INVALID, "The certificate is not that of an authority");
    }
    time_t now = (time_t)(lat_clock_wall_ms(authority->clock) / 1000);
    if (X509_cmp_time(X509_get0_notAfter(authority->certificate), &now) <= 0) {
        return lat__openssl_fail(err, LAT_E_INVALID, "The authority's certificate has expired");
    }
    return 0;
}

int lat_authority_new(const char *cert_pem, const char *key_pem, const struct lat_clock *clock,
                      struct lat_authority **ret_authority, struct lat_err *err)
{
    struct lat_authority *authority = LAT_NEW(struct lat_authority);
    authority->magic = AUTHORITY_MAGIC;
    authority->clock = clock;
    authority->certificate = lat__certificate_read(cert_pem, err);
    authority->key = authority->certificate != NULL ? lat__key_read(key_pem, err) : NULL;
    int code = authority->key != NULL ? check_authority(authority, err) : LAT_E_INVALID;
    if (code != 0) {
        lat_authority_free(authority);
        return code;
    }
    unsigned size = 0;
    LAT_ASSERT(X509_digest(authority->certificate, EVP_sha256(), authority->digest, &size) == 1);
    authority->pem = lat__certificate_write(authority->certificate);
    *ret_authority = authority;
    return 0;
}

struct lat_authority *lat_authority_free(struct lat_authority *authority)
{
    if (authority != NULL) {
        LAT_CHECK_MAGIC(authority, AUTHORITY_MAGIC);
        X509_free(authority->certificate);
        EVP_PKEY_free(authority->key);
        free(authority->pem);
        free(authority);
    }
    return NULL;
}

const char *lat_authority_pem(const struct lat_authority *authority)
{
    return authority->pem;
}

void lat_authority_digest(const struct lat_authority *authority, uint8_t ret_digest[32])
{
    memcpy(ret_digest, authority->digest, 32);
}

/* Returns a leaf for this key under the authority, without names and signature. */
static X509 *start_leaf(const struct lat_authority *authority, const char *common_name,
                        EVP_PKEY *key, int64_t life_ms, const char *use)
{
    LAT_CHECK_MAGIC(authority, AUTHORITY_MAGIC);
    LAT_ASSERT(life_ms > 0);
    X509 *issuer = authority->certificate;
    int64_t now = lat_clock_wall_ms(authority->clock);
    X509 *leaf = start_certificate(common_name, key, X509_get_subject_name(issuer),
                                   now - CLOCK_SKEW_MS, now + life_ms);
    if (ASN1_TIME_compare(X509_get0_notAfter(leaf), X509_get0_notAfter(issuer)) > 0) {
        LAT_ASSERT(X509_set1_notAfter(leaf, X509_get0_notAfter(issuer)) == 1);
    }
    add_extension(leaf, issuer, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(leaf, issuer, NID_key_usage, "critical,digitalSignature");
    add_extension(leaf, issuer, NID_ext_key_usage, use);
    add_extension(leaf, issuer, NID_subject_key_identifier, "hash");
    add_extension(leaf, issuer, NID_authority_key_identifier, "keyid");
    return leaf;
}

/* Signs the leaf and returns it with the authority behind it, as PEM; NULL and err otherwise. Takes leaf. */
static char *finish_leaf(const struct lat_authority *authority, X509 *leaf, struct lat_err *err)
{
    struct lat_buf chain = {0};
    if (X509_sign(leaf, authority->key, EVP_sha256()) > 0) {
        char *pem = lat__certificate_write(leaf);
        lat_buf_add_text(&chain, pem);
        lat_buf_add_text(&chain, authority->pem);
        free(pem);
    } else {
        lat__openssl_fail(err, LAT_E_INTERNAL, "The authority cannot sign");
    }
    X509_free(leaf);
    return chain.len > 0 ? lat_buf_take_text(&chain) : NULL;
}

static bool is_host_name(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= 253 && name[0] != '.' && name[0] != '-' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_*") ==
               len;
}

/* Returns the subject's other names: DNS names and addresses; NULL and err for one that is neither. */
static GENERAL_NAMES *make_names(const char *const *names, struct lat_err *err)
{
    GENERAL_NAMES *list = GENERAL_NAMES_new();
    LAT_ASSERT(list != NULL);
    for (size_t i = 0; names[i] != NULL; i++) {
        uint8_t address[16];
        int size = inet_pton(AF_INET, names[i], address) == 1    ? 4
                   : inet_pton(AF_INET6, names[i], address) == 1 ? 16
                                                                 : 0;
        if (i >= NAMES_MAX || (size == 0 && !is_host_name(names[i]))) {
            lat_err_field(
                err, LAT_E_INVALID_FIELD, "name",
                "'%.100s' is not the name or address of a server, or there are more than %d.",
                names[i], NAMES_MAX);
            GENERAL_NAMES_free(list);
            return NULL;
        }
        GENERAL_NAME *entry = GENERAL_NAME_new();
        ASN1_STRING *value =
            ASN1_STRING_type_new(size != 0 ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
        LAT_ASSERT(entry != NULL && value != NULL);
        LAT_ASSERT(ASN1_STRING_set(value, size != 0 ? (const void *)address : names[i],
                                   size != 0 ? size : -1) == 1);
        GENERAL_NAME_set0_value(entry, size != 0 ? GEN_IPADD : GEN_DNS, value);
        LAT_ASSERT(sk_GENERAL_NAME_push(list, entry) > 0);
    }
    return list;
}

int lat_authority_issue_server(const struct lat_authority *authority, const char *const *names,
                               int64_t life_ms, char **ret_chain_pem, char **ret_key_pem,
                               struct lat_err *err)
{
    LAT_ASSERT(names[0] != NULL);
    GENERAL_NAMES *list = make_names(names, err);
    if (list == NULL) {
        return LAT_E_INVALID_FIELD;
    }
    EVP_PKEY *key = lat__key_make(err);
    char *chain = NULL;
    if (key != NULL) {
        X509 *leaf = start_leaf(authority, names[0], key, life_ms, "serverAuth");
        LAT_ASSERT(X509_add1_ext_i2d(leaf, NID_subject_alt_name, list, 0, 0) == 1);
        chain = finish_leaf(authority, leaf, err);
    }
    GENERAL_NAMES_free(list);
    if (chain != NULL) {
        *ret_chain_pem = chain;
        *ret_key_pem = lat__key_write(key);
    }
    EVP_PKEY_free(key);
    return chain != NULL ? 0 : LAT_E_INTERNAL;
}

/* Tells whether the key is of a kind that is signed: P-256 on its named curve, or Ed25519. */
static bool is_good_key(EVP_PKEY *key)
{
    char group[64] = "";
    if (EVP_PKEY_is_a(key, "ED25519")) {
        return true;
    }
    return EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

/* Borrowed key of a request whose own signature is good; NULL and err otherwise. */
static EVP_PKEY *check_request(X509_REQ *request, struct lat_err *err)
{
    EVP_PKEY *key = X509_REQ_get0_pubkey(request);
    if (key == NULL || !is_good_key(key)) {
        lat__openssl_fail(err, LAT_E_INVALID,
                          "The key of a signing request is to be P-256 or Ed25519");
        return NULL;
    }
    if (X509_REQ_verify(request, key) != 1) {
        lat__openssl_fail(err, LAT_E_INVALID, "The signing request is not signed by its own key");
        return NULL;
    }
    return key;
}

static void digest_key(X509_REQ *request, uint8_t ret_digest[32])
{
    uint8_t *der = NULL;
    int len = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(request), &der);
    LAT_ASSERT(len > 0);
    lat_digest(der, (size_t)len, ret_digest);
    OPENSSL_free(der);
}

int lat_authority_sign_node(const struct lat_authority *authority, const char *request_pem,
                            const char *node_id, int64_t life_ms, char **ret_chain_pem,
                            uint8_t ret_key_digest[32], struct lat_err *err)
{
    X509_REQ *request = lat__request_read(request_pem, err);
    if (request == NULL) {
        return LAT_E_INVALID;
    }
    int code = 0;
    EVP_PKEY *key = check_request(request, err);
    if (key == NULL) {
        code = LAT_E_INVALID;
    } else {
        X509 *leaf = start_leaf(authority, node_id, key, life_ms, "clientAuth");
        char *chain = finish_leaf(authority, leaf, err);
        if (chain != NULL) {
            *ret_chain_pem = chain;
            digest_key(request, ret_key_digest);
        } else {
            code = LAT_E_INTERNAL;
        }
    }
    X509_REQ_free(request);
    ERR_clear_error();
    return code;
}

int lat_request_key(const char *request_pem, uint8_t ret_key_digest[32], struct lat_err *err)
{
    X509_REQ *request = lat__request_read(request_pem, err);
    if (request == NULL) {
        return LAT_E_INVALID;
    }
    int code = check_request(request, err) ? 0 : LAT_E_INVALID;
    if (code == 0) {
        digest_key(request, ret_key_digest);
    }
    X509_REQ_free(request);
    ERR_clear_error();
    return code;
}
