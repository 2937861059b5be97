/* The certificate authority. What it signs is checked by OpenSSL's own verification, as a peer would. */
#include "support.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

static const int64_t DAY_MS = INT64_C(86400000);

static char *ca_pem;
static char *ca_key;
static struct lat_authority *authority;

static int set_up(void **state)
{
    (void)state;
    struct lat_err err = {0};
    assert_int_equal(lat_authority_make("Lattice test", &hand_clock, &ca_pem, &ca_key, &err), 0);
    assert_int_equal(lat_authority_new(ca_pem, ca_key, &hand_clock, &authority, &err), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    authority = lat_authority_free(authority);
    free(ca_pem);
    ca_key = lat_wipe_free(ca_key);
    return 0;
}

static X509 *read_certificate(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(certificate);
    return certificate;
}

/* Verifies the first certificate of the chain as a peer would at that time, with our authority alone. */
static bool verifies(const char *chain_pem, int purpose, int64_t at_ms)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509 *ca = read_certificate(ca_pem);
    X509 *leaf = read_certificate(chain_pem);
    X509_STORE_add_cert(store, ca);
    X509_STORE_CTX_init(context, store, leaf, NULL);
    X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context), at_ms / 1000);
    X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(context), X509_V_FLAG_X509_STRICT);
    X509_STORE_CTX_set_purpose(context, purpose);
    bool good = X509_verify_cert(context) == 1;
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    X509_free(ca);
    X509_free(leaf);
    return good;
}

static void a_server_is_known_by_its_names_and_addresses(void **state)
{
    (void)state;
    static const char *const names[] = {"localhost", "console.example.org", "10.0.0.7", "::1",
                                        NULL};
    char *chain = NULL;
    char *key = NULL;
    assert_int_equal(lat_authority_issue_server(authority, names, 90 * DAY_MS, &chain, &key, NULL),
                     0);
    assert_true(verifies(chain, X509_PURPOSE_SSL_SERVER, now_ms));
    assert_false(verifies(chain, X509_PURPOSE_SSL_CLIENT, now_ms));
    assert_false(verifies(chain, X509_PURPOSE_SSL_SERVER, now_ms + 91 * DAY_MS));
    assert_true(lat_certificate_names(chain, names));
    static const char *const others[][2] = {{"example.org"}, {"10.0.0.8"}, {"::2"}, {"localhos"}};
    for (size_t i = 0; i < LAT_COUNT(others); i++) {
        assert_false(lat_certificate_names(chain, others[i]));
    }
    static const char *const mixed[] = {"localhost", "10.9.9.9", NULL};
    assert_false(lat_certificate_names(chain, mixed));
    assert_false(lat_certificate_names("rubbish", names));
    int64_t begin = 0;
    int64_t end = 0;
    assert_int_equal(lat_certificate_validity(chain, &begin, &end, NULL), 0);
    assert_int_equal(end, now_ms + 90 * DAY_MS);
    assert_true(begin <= now_ms);
    /* the authority stands behind the leaf */
    assert_non_null(strstr(chain, ca_pem));
    free(chain);
    lat_wipe_free(key);
}

static void names_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "-x", "a b", "a\nb", "exa,mple", "DNS:x", "fe80::1%eth0"};
    for (size_t i = 0; i < LAT_COUNT(bad); i++) {
        const char *const names[] = {"localhost", bad[i], NULL};
        struct lat_err err = {0};
        char *chain = NULL;
        char *key = NULL;
        assert_int_equal(lat_authority_issue_server(authority, names, DAY_MS, &chain, &key, &err),
                         LAT_E_INVALID_FIELD);
        assert_null(chain);
    }
}

static void a_certificate_never_outlives_the_authority(void **state)
{
    (void)state;
    static const char *const names[] = {"localhost", NULL};
    char *chain = NULL;
    char *key = NULL;
    int64_t begin = 0;
    int64_t end = 0;
    int64_t ca_end = 0;
    assert_int_equal(
        lat_authority_issue_server(authority, names, 20000 * DAY_MS, &chain, &key, NULL), 0);
    assert_int_equal(lat_certificate_validity(chain, &begin, &end, NULL), 0);
    assert_int_equal(lat_certificate_validity(ca_pem, &begin, &ca_end, NULL), 0);
    assert_int_equal(end, ca_end);
    assert_true(ca_end > now_ms + 3650 * DAY_MS);
    free(chain);
    lat_wipe_free(key);
}

static void a_node_gets_its_id_whatever_it_asks_for(void **state)
{
    (void)state;
    char *key = NULL;
    char *request = NULL;
    char *chain = NULL;
    uint8_t digest[32];
    assert_int_equal(lat_node_key_make(&key, NULL), 0);
    assert_int_equal(lat_node_request_make(key, "admin", &request, NULL), 0);
    assert_int_equal(
        lat_authority_sign_node(authority, request, "node-7", 30 * DAY_MS, &chain, digest, NULL),
        0);
    assert_true(verifies(chain, X509_PURPOSE_SSL_CLIENT, now_ms));
    assert_false(verifies(chain, X509_PURPOSE_SSL_SERVER, now_ms));
    /* an agent whose clock is half an hour behind may use it at once */
    assert_true(verifies(chain, X509_PURPOSE_SSL_CLIENT, now_ms - 1800000));

    X509 *leaf = read_certificate(chain);
    char name[64];
    assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(leaf)), 1);
    X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, name, sizeof name);
    assert_string_equal(name, "node-7");
    uint8_t *der = NULL;
    uint8_t expected[32];
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der);
    lat_digest(der, len, expected);
    assert_memory_equal(digest, expected, 32);
    OPENSSL_free(der);
    X509_free(leaf);
    free(chain);
    free(request);
    lat_wipe_free(key);
}

/* Returns a request for this key, signed; `spoil` changes the subject after signing. */
static char *request_of(EVP_PKEY *key, const EVP_MD *digest, bool spoil)
{
    X509_REQ *request = X509_REQ_new();
    X509_NAME *name = X509_REQ_get_subject_name(request);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"n", -1, -1, 0);
    X509_REQ_set_pubkey(request, key);
    assert_true(X509_REQ_sign(request, key, digest) > 0);
    if (spoil) {
        ASN1_BIT_STRING *signature = NULL;
        X509_REQ_get0_signature(request, (const ASN1_BIT_STRING **)&signature, NULL);
        signature->data[signature->length - 1] ^= 1;
    }
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509_REQ(bio, request);
    char *bytes;
    long len = BIO_get_mem_data(bio, &bytes);
    char *pem = lat_text_copy_n(bytes, len);
    BIO_free(bio);
    X509_REQ_free(request);
    return pem;
}

static int sign_code(EVP_PKEY *key, const EVP_MD *digest, bool spoil)
{
    char *request = request_of(key, digest, spoil);
    char *chain = NULL;
    uint8_t key_digest[32];
    struct lat_err err = {0};
    int code = lat_authority_sign_node(authority, request, "n", DAY_MS, &chain, key_digest, &err);
    assert_int_equal(code, err.code);
    assert_true((code == 0) == (chain != NULL));
    free(chain);
    free(request);
    EVP_PKEY_free(key);
    return code;
}

static void only_good_keys_with_good_signatures_are_signed(void **state)
{
    (void)state;
    assert_int_equal(sign_code(EVP_EC_gen("P-256"), EVP_sha256(), false), 0);
    assert_int_equal(sign_code(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, false), 0);
    assert_int_equal(sign_code(EVP_EC_gen("P-256"), EVP_sha256(), true), LAT_E_INVALID);
    assert_int_equal(sign_code(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, true),
                     LAT_E_INVALID);
    assert_int_equal(sign_code(EVP_EC_gen("P-384"), EVP_sha256(), false), LAT_E_INVALID);
    assert_int_equal(sign_code(EVP_EC_gen("secp256k1"), EVP_sha256(), false), LAT_E_INVALID);
    assert_int_equal(sign_code(EVP_RSA_gen(2048), EVP_sha256(), false), LAT_E_INVALID);
}

static void rubbish_is_not_signed(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "",
        "rubbish",
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
    };
    char *chain = NULL;
    uint8_t digest[32];
    struct lat_err err = {0};
    for (size_t i = 0; i < LAT_COUNT(requests); i++) {
        assert_int_equal(
            lat_authority_sign_node(authority, requests[i], "n", DAY_MS, &chain, digest, &err),
            LAT_E_INVALID);
    }
    /* a certificate is no request */
    assert_int_equal(lat_authority_sign_node(authority, ca_pem, "n", DAY_MS, &chain, digest, &err),
                     LAT_E_INVALID);
    char *huge = lat_alloc(100001);
    memset(huge, 'A', 100000);
    assert_int_equal(lat_authority_sign_node(authority, huge, "n", DAY_MS, &chain, digest, &err),
                     LAT_E_INVALID);
    free(huge);
    assert_null(chain);
}

static int open_code(const char *cert_pem, const char *key_pem)
{
    struct lat_authority *other = NULL;
    struct lat_err err = {0};
    int code = lat_authority_new(cert_pem, key_pem, &hand_clock, &other, &err);
    assert_int_equal(code, err.code);
    lat_authority_free(other);
    return code;
}

static void an_authority_is_opened_only_with_its_own_key_and_in_its_time(void **state)
{
    (void)state;
    char *other_key = NULL;
    assert_int_equal(lat_node_key_make(&other_key, NULL), 0);
    assert_int_equal(open_code(ca_pem, ca_key), 0);
    assert_int_equal(open_code(ca_pem, other_key), LAT_E_INVALID);
    assert_int_equal(open_code(ca_pem, "rubbish"), LAT_E_INVALID);
    assert_int_equal(open_code("rubbish", ca_key), LAT_E_INVALID);
    static const char *const names[] = {"localhost", NULL};
    char *chain = NULL;
    char *key = NULL;
    assert_int_equal(lat_authority_issue_server(authority, names, DAY_MS, &chain, &key, NULL), 0);
    assert_int_equal(open_code(chain, key), LAT_E_INVALID); /* a leaf is no authority */
    int64_t start = now_ms;
    now_ms += 3653 * DAY_MS;
    assert_int_equal(open_code(ca_pem, ca_key), LAT_E_INVALID);
    now_ms = start;
    free(chain);
    lat_wipe_free(key);
    lat_wipe_free(other_key);
}

static void the_digest_is_that_of_the_certificate_in_der(void **state)
{
    (void)state;
    uint8_t digest[32];
    uint8_t expected[32];
    uint8_t *der = NULL;
    X509 *ca = read_certificate(lat_authority_pem(authority));
    int len = i2d_X509(ca, &der);
    lat_digest(der, len, expected);
    lat_authority_digest(authority, digest);
    assert_memory_equal(digest, expected, 32);
    OPENSSL_free(der);
    X509_free(ca);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_is_known_by_its_names_and_addresses),
        cmocka_unit_test(names_that_are_none_are_refused),
        cmocka_unit_test(a_certificate_never_outlives_the_authority),
        cmocka_unit_test(a_node_gets_its_id_whatever_it_asks_for),
        cmocka_unit_test(only_good_keys_with_good_signatures_are_signed),
        cmocka_unit_test(rubbish_is_not_signed),
        cmocka_unit_test(an_authority_is_opened_only_with_its_own_key_and_in_its_time),
        cmocka_unit_test(the_digest_is_that_of_the_certificate_in_der),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
