#include "tests/unit/support/test_certs.h"

#include "base/mem.h"
#include "base/text.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static char *text_of(BIO *bio)
{
    char *bytes;
    long len = BIO_get_mem_data(bio, &bytes);
    char *text = lat_text_copy_n(bytes, (size_t)len);
    BIO_free(bio);
    return text;
}

static X509 *read_certificate(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    LAT_ASSERT(certificate != NULL);
    return certificate;
}

static EVP_PKEY *read_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    LAT_ASSERT(key != NULL);
    return key;
}

static void extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    LAT_ASSERT(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static void fill(X509 *certificate, X509 *issuer, EVP_PKEY *key,
                 const struct test_cert_options *options)
{
    uint64_t serial;
    LAT_ASSERT(RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), (long)options->starts_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), (long)options->ends_s);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                               (const unsigned char *)options->common_name, -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    extend(certificate, issuer, NID_basic_constraints,
           options->authority ? "critical,CA:TRUE" : "CA:FALSE");
    extend(certificate, issuer, NID_key_usage,
           options->authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
    if (!options->authority)
        extend(certificate, issuer, NID_ext_key_usage,
               options->client ? "clientAuth" : "serverAuth");
    if (options->names)
        extend(certificate, issuer, NID_subject_alt_name, options->names);
}

void test_cert_make(struct test_cert *ret_cert, const struct test_cert_options *options)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    LAT_ASSERT(key != NULL && certificate != NULL);
    X509 *issuer = options->issuer ? read_certificate(options->issuer->cert_pem) : certificate;
    EVP_PKEY *issuer_key = options->issuer ? read_key(options->issuer->key_pem) : key;
    fill(certificate, issuer, key, options);
    LAT_ASSERT(X509_sign(certificate, issuer_key, EVP_sha256()) > 0);

    memset(ret_cert, 0, sizeof(*ret_cert));
    BIO *bio = BIO_new(BIO_s_mem());
    LAT_ASSERT(PEM_write_bio_X509(bio, certificate) == 1);
    ret_cert->cert_pem = text_of(bio);
    ret_cert->chain_pem = lat_text_format("%s%s", ret_cert->cert_pem,
                                          options->issuer ? options->issuer->chain_pem : "");
    bio = BIO_new(BIO_s_mem());
    LAT_ASSERT(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    ret_cert->key_pem = text_of(bio);
    unsigned int len;
    LAT_ASSERT(X509_digest(certificate, EVP_sha256(), ret_cert->digest, &len) == 1);
    unsigned char *der = NULL;
    int der_len = i2d_PUBKEY(key, &der);
    LAT_ASSERT(der_len > 0);
    LAT_ASSERT(EVP_Digest(der, (size_t)der_len, ret_cert->key_digest, &len, EVP_sha256(), NULL) ==
               1);
    OPENSSL_free(der);

    if (options->issuer) {
        X509_free(issuer);
        EVP_PKEY_free(issuer_key);
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void test_cert_done(struct test_cert *cert)
{
    free(cert->cert_pem);
    free(cert->chain_pem);
    free(cert->key_pem);
    memset(cert, 0, sizeof(*cert));
}

enum { HOUR_S = 3600 };

void test_cert_authority(struct test_cert *ret_cert, const char *common_name)
{
    test_cert_make(ret_cert, &(struct test_cert_options){.common_name = common_name,
                                                         .authority = true,
                                                         .starts_s = -HOUR_S,
                                                         .ends_s = 24 * HOUR_S});
}

void test_cert_server(struct test_cert *ret_cert, const struct test_cert *issuer, const char *names)
{
    test_cert_make(ret_cert, &(struct test_cert_options){.common_name = "server",
                                                         .names = names,
                                                         .issuer = issuer,
                                                         .starts_s = -HOUR_S,
                                                         .ends_s = 24 * HOUR_S});
}

void test_cert_client(struct test_cert *ret_cert, const struct test_cert *issuer,
                      const char *common_name)
{
    test_cert_make(ret_cert, &(struct test_cert_options){.common_name = common_name,
                                                         .issuer = issuer,
                                                         .client = true,
                                                         .starts_s = -HOUR_S,
                                                         .ends_s = 24 * HOUR_S});
}
