/* Certificates for tests, made on the spot. */
#ifndef TESTS_UNIT_SUPPORT_TEST_CERTS_H
#define TESTS_UNIT_SUPPORT_TEST_CERTS_H

#include <stdbool.h>
#include <stdint.h>

/* A certificate with its key; texts are owned PEM. */
struct test_cert {
    char *cert_pem;  /* this certificate alone */
    char *chain_pem; /* with its issuer after it; the same for one that signs itself */
    char *key_pem;
    uint8_t digest[32];     /* SHA-256 of its DER */
    uint8_t key_digest[32]; /* SHA-256 of its SubjectPublicKeyInfo */
};

struct test_cert_options {
    const char *common_name;
    const char *names;              /* "DNS:a,IP:127.0.0.1"; NULL: none */
    const struct test_cert *issuer; /* NULL: signs itself */
    bool authority;
    bool client;      /* for client authentication only, otherwise for servers only */
    int64_t starts_s; /* from now */
    int64_t ends_s;
};

/* Makes a certificate with a new P-256 key; test_cert_done frees its texts. */
void test_cert_make(struct test_cert *ret_cert, const struct test_cert_options *options);
void test_cert_done(struct test_cert *cert);

/* Shorthands that are valid from an hour ago for a day. */
void test_cert_authority(struct test_cert *ret_cert, const char *common_name);
void test_cert_server(struct test_cert *ret_cert, const struct test_cert *issuer,
                      const char *names);
void test_cert_client(struct test_cert *ret_cert, const struct test_cert *issuer,
                      const char *common_name);

#endif
