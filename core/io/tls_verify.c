/* Verification of the other side, and sentences for why it failed.
 *
 * A client verifies the chain and the name (or IP address). Pinned: it knows no authority but the digest of one.
 * Then the chain that the server sent must hold that very certificate, which becomes the only one trusted for
 * this verification; everything else (signatures, times, purpose, name) is verified as always. It fails
 * closed: what is not verified to the pinned certificate's own signature is refused.
 *
 * A certificate is valid in its time by the system's clock or by the loop's, which is a steady one (base/steady.h): so neither
 * a jump of the system's clock nor one that is put right breaks off a link. Only when both agree is it too old or too new.
 *
 * Runs on the loop's thread, inside a handshake. */
#include "tls_internal.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_SIZE = 160, NAMES_MAX = 4, TIME_SIZE = 40 };

/* ---- what a certificate says ---- */

void lat__tls_common_name(X509 *certificate, char *ret_name, size_t size)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    ret_name[0] = '\0';
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    const X509_NAME_ENTRY *entry = at < 0 ? NULL : X509_NAME_get_entry(subject, at);
    unsigned char *text = NULL;
    int len = entry ? ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry)) : -1;
    if (len >= 0 && strlen((char *)text) == (size_t)len)
        lat_text_bound(ret_name, size, (char *)text);
    OPENSSL_free(text);
}

static void add_name(char *names, const char *name, int len)
{
    size_t at = strlen(names);
    snprintf(names + at, NAMES_SIZE - at, "%s'%.*s'", at ? ", " : "", len, name);
}

/* Writes the first names that a certificate is for, quoted. */
static void names_of(X509 *certificate, char ret_names[NAMES_SIZE])
{
    ret_names[0] = '\0';
    GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; all && i < sk_GENERAL_NAME_num(all) && i < NAMES_MAX; i++) {
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all, i), &type);
        char text[INET6_ADDRSTRLEN];
        if (type == GEN_DNS) {
            add_name(ret_names, (const char *)ASN1_STRING_get0_data(value),
                     ASN1_STRING_length(value));
        } else if (type == GEN_IPADD) {
            int family = ASN1_STRING_length(value) == 4 ? AF_INET : AF_INET6;
            if (ASN1_STRING_length(value) == (family == AF_INET ? 4 : 16) &&
                inet_ntop(family, ASN1_STRING_get0_data(value), text, sizeof(text)))
                add_name(ret_names, text, (int)strlen(text));
        }
    }
    GENERAL_NAMES_free(all);
    if (!ret_names[0]) {
        char name[NAMES_SIZE / 2];
        lat__tls_common_name(certificate, name, sizeof(name));
        add_name(ret_names, name, (int)strlen(name));
    }
}

static void time_of(const ASN1_TIME *time, char ret_text[TIME_SIZE])
{
    struct tm parts;
    if (ASN1_TIME_to_tm(time, &parts) != 1 ||
        !strftime(ret_text, TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts))
        snprintf(ret_text, TIME_SIZE, "a time that cannot be read");
}

static bool digest_is(X509 *certificate, const uint8_t digest[LAT_TLS_DIGEST_SIZE])
{
    uint8_t actual[EVP_MAX_MD_SIZE];
    unsigned int len;
    return X509_digest(certificate, EVP_sha256(), actual, &len) == 1 &&
           len == LAT_TLS_DIGEST_SIZE && memcmp(actual, digest, LAT_TLS_DIGEST_SIZE) == 0;
}

/* ---- sentences ---- */

static struct lat__tls_check *check_of(X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    return SSL_get_app_data(ssl);
}

static void set_why(struct lat_err *why, int error, X509 *certificate,
                    const struct lat__tls_check *check)
{
    const char *whose = check->host ? "server" : "client";
    char names[NAMES_SIZE] = "";
    char time[TIME_SIZE];
    if (certificate)
        names_of(certificate, names);
    switch (error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        lat_err_set(why, LAT_E_TLS, "The certificate is for %s, not for '%s'.", names, check->host);
        lat_err_hint(why, "Use a name that the certificate is for.");
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        time_of(X509_get0_notAfter(certificate), time);
        lat_err_set(why, LAT_E_TLS, "The %s's certificate for %s expired at %s.", whose, names,
                    time);
        lat_err_hint(why, "Renew the certificate, and check this machine's clock.");
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        time_of(X509_get0_notBefore(certificate), time);
        lat_err_set(why, LAT_E_TLS, "The %s's certificate for %s is not valid before %s.", whose,
                    names, time);
        lat_err_hint(why, "Check this machine's clock.");
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        lat_err_set(why, LAT_E_TLS, "The authority of the %s's certificate for %s is unknown here.",
                    whose, names);
        if (check->host)
            lat_err_hint(why, "Set LATTICE_CACERT to a file with the authority's certificate.");
        else
            lat_err_hint(why, "Use a certificate of this console's authority.");
        break;
    case X509_V_ERR_INVALID_PURPOSE:
        lat_err_set(why, LAT_E_TLS, "The certificate for %s is not meant for a TLS %s.", names,
                    whose);
        break;
    default:
        lat_err_set(why, LAT_E_TLS, "The %s's certificate for %s does not verify: %s.", whose,
                    names, X509_verify_cert_error_string(error));
    }
}

/* Tells whether a certificate that OpenSSL finds outside its time by the system's clock is within it by ours. */
static bool is_valid_by(const struct lat_clock *clock, const X509 *certificate)
{
    time_t now = (time_t)(lat_clock_wall_ms(clock) / 1000);
    return certificate && X509_cmp_time(X509_get0_notBefore(certificate), &now) < 0 &&
           X509_cmp_time(X509_get0_notAfter(certificate), &now) > 0;
}

/* OpenSSL asks after each step, for a certificate's beginning and end apart. We note the first failure, and overrule it only where
 * it is about time and our clock says otherwise. */
static int on_verify(int ok, X509_STORE_CTX *store)
{
    struct lat__tls_check *check = check_of(store);
    int error = X509_STORE_CTX_get_error(store);
    if (!ok && (error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID) &&
        is_valid_by(check->clock, X509_STORE_CTX_get_current_cert(store))) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        ok = 1;
    }
    if (!ok && !check->why) {
        check->why = LAT_NEW(struct lat_err);
        set_why(check->why, X509_STORE_CTX_get_error(store), X509_STORE_CTX_get_current_cert(store),
                check);
    }
    return ok;
}

/* ---- pinning ---- */

static X509 *find_pinned(X509_STORE_CTX *store, const struct lat_tls *tls)
{
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(store);
    for (int i = 0; i < sk_X509_num(sent); i++) {
        if (digest_is(sk_X509_value(sent, i), tls->pin))
            return sk_X509_value(sent, i);
    }
    return NULL;
}

static int refuse_pin(X509_STORE_CTX *store)
{
    struct lat__tls_check *check = check_of(store);
    if (!check->why) {
        check->why = LAT_NEW(struct lat_err);
        lat_err_set(check->why, LAT_E_TLS,
                    "The server's certificate authority is not the one that was pinned.");
        lat_err_hint(
            check->why,
            "Get a fresh join command from the console; if it is fresh, somebody is in between.");
    }
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
    return 0;
}

static int verify_pinned(X509_STORE_CTX *store, void *arg)
{
    const struct lat_tls *tls = arg;
    X509 *pinned = find_pinned(store, tls);
    if (!pinned)
        return refuse_pin(store);
    STACK_OF(X509) *trusted = sk_X509_new_null();
    LAT_ASSERT(trusted != NULL && sk_X509_push(trusted, pinned) > 0);
    X509_STORE_CTX_set0_trusted_stack(store, trusted);
    X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(store), X509_V_FLAG_PARTIAL_CHAIN);
    int ok = X509_verify_cert(store) == 1 && X509_STORE_CTX_get_error(store) == X509_V_OK;
    if (ok) {
        STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(store);
        int count = sk_X509_num(chain);
        if (count < 1 || !digest_is(sk_X509_value(chain, count - 1), tls->pin))
            ok = refuse_pin(store);
    }
    sk_X509_free(trusted);
    return ok;
}

void lat__tls_verify_setup(struct lat_tls *tls)
{
    int mode = SSL_VERIFY_PEER;
    if (tls->verify == LAT_TLS_VERIFY_NONE)
        mode = SSL_VERIFY_NONE;
    else if (tls->server && tls->verify == LAT_TLS_VERIFY_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(tls->context, mode, on_verify);
    if (tls->verify == LAT_TLS_VERIFY_PINNED)
        SSL_CTX_set_cert_verify_callback(tls->context, verify_pinned, tls);
}

int lat__tls_verify_host(SSL *ssl, const struct lat__tls_check *check, struct lat_err *err)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    struct in6_addr address;
    bool is_address = inet_pton(AF_INET, check->host, &address) == 1 ||
                      inet_pton(AF_INET6, check->host, &address) == 1;
    bool ok;
    if (is_address) {
        ok = X509_VERIFY_PARAM_set1_ip_asc(param, check->host) == 1;
    } else {
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        ok = check->host[0] && SSL_set1_host(ssl, check->host) == 1 &&
             SSL_set_tlsext_host_name(ssl, check->host) == 1;
    }
    ERR_clear_error();
    return ok ? LAT_OK
              : lat_err_set(err, LAT_E_INVALID, "'%s' is not the name of a host.", check->host);
}
