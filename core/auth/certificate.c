/*
 * The agent's side of a certificate (its key, its request), and what anybody may ask of one.
 */
#include "auth/internal.h"
#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <time.h>

int lat_node_key_make(char **ret_key_pem, struct lat_err *err)
{
    EVP_PKEY *key = lat__key_make(err);
    if (key == NULL) {
        return LAT_E_INTERNAL;
    }
    *ret_key_pem = lat__key_write(key);
    EVP_PKEY_free(key);
    return 0;
}

int lat_node_request_make(const char *key_pem, const char *node_name, char **ret_request_pem,
                          struct lat_err *err)
{
    EVP_PKEY *key = lat__key_read(key_pem, err);
    if (key == NULL) {
        return LAT_E_INVALID;
    }
    X509_REQ *request = X509_REQ_new();
    LAT_ASSERT(request != NULL);
    LAT_ASSERT(X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1);
    lat__name_set(X509_REQ_get_subject_name(request), node_name);
    LAT_ASSERT(X509_REQ_set_pubkey(request, key) == 1);
    /* Ed25519 brings its own digest and takes none. */
    const EVP_MD *digest = EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
    int code = 0;
    if (X509_REQ_sign(request, key, digest) > 0) {
        *ret_request_pem = lat__request_write(request);
    } else {
        code = lat__openssl_fail(err, LAT_E_INVALID, "The key cannot sign a request");
    }
    X509_REQ_free(request);
    EVP_PKEY_free(key);
    return code;
}

static int read_time(const ASN1_TIME *time, int64_t *ret_wall_ms, struct lat_err *err)
{
    struct tm broken_down;
    if (ASN1_TIME_to_tm(time, &broken_down) != 1) {
        return lat__openssl_fail(err, LAT_E_INVALID, "The certificate's validity cannot be read");
    }
    *ret_wall_ms = (int64_t)timegm(&broken_down) * 1000;
    return 0;
}

int lat_certificate_validity(const char *cert_pem, int64_t *ret_begin_ms, int64_t *ret_end_ms,
                             struct lat_err *err)
{
    X509 *certificate = lat__certificate_read(cert_pem, err);
    if (certificate == NULL) {
        return LAT_E_INVALID;
    }
    int64_t begin_ms = 0;
    int64_t end_ms = 0;
    int code = read_time(X509_get0_notBefore(certificate), &begin_ms, err);
    if (code == 0) {
        code = read_time(X509_get0_notAfter(certificate), &end_ms, err);
    }
    if (code == 0) {
        *ret_begin_ms = begin_ms;
        *ret_end_ms = end_ms;
    }
    X509_free(certificate);
    return code;
}

static bool is_address(const char *name)
{
    struct in6_addr address;
    return inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;
}

bool lat_certificate_names(const char *cert_pem, const char *const *names)
{
    X509 *certificate = lat__certificate_read(cert_pem, NULL);
    bool all = certificate != NULL;
    for (; all && *names != NULL; names++) {
        all = is_address(*names) ? X509_check_ip_asc(certificate, *names, 0) == 1
                                 : X509_check_host(certificate, *names, 0, 0, NULL) == 1;
    }
    ERR_clear_error();
    X509_free(certificate);
    return all;
}
