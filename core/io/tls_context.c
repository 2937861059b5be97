/* TLS contexts: the certificates, versions and protocols that connections share.
 *
 * Only suites with forward secrecy and authenticated encryption; AES-128-GCM first, as the fastest that is safe. Servers
 * resume by tickets, which need no memory here; but not those that ask for a client's certificate: a ticket does not
 * carry its chain, and a link lives for days. Any thread; connections of several loops share a context. */
#include "tls_internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

enum { ALPN_NAME_MAX = 255 };

static int no_passphrase(char *ret, int size, int writing, void *arg)
{
    (void)ret;
    (void)size;
    (void)writing;
    (void)arg;
    return -1; /* never ask a terminal */
}

static BIO *reader(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    LAT_ASSERT(bio != NULL);
    return bio;
}

static X509 *next_certificate(BIO *bio)
{
    return PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
}

/* A server sends the authority too, for clients that have pinned it. A client does not: the server knows its authority,
 * and would keep another copy of it for each connection. */
static int use_own_certificate(struct lat_tls *tls, const char *cert_pem, const char *key_pem,
                               struct lat_err *err)
{
    SSL_CTX *context = tls->context;
    BIO *bio = reader(cert_pem);
    X509 *leaf = next_certificate(bio);
    bool ok = leaf && SSL_CTX_use_certificate(context, leaf) == 1;
    X509_free(leaf);
    for (X509 *more; ok && (more = next_certificate(bio)) != NULL;) {
        if (tls->server || X509_self_signed(more, 0) == 0)
            ok = SSL_CTX_add1_chain_cert(context, more) == 1;
        X509_free(more);
    }
    BIO_free(bio);
    if (!ok)
        return lat__tls_config_error(err, "the certificate");
    ERR_clear_error(); /* the end of the file */

    bio = reader(key_pem);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    ok =
        key && SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;
    EVP_PKEY_free(key);
    BIO_free(bio);
    return ok ? LAT_OK : lat__tls_config_error(err, "the certificate's key");
}

static int use_authorities(struct lat_tls *tls, const char *ca_pem, struct lat_err *err)
{
    X509_STORE *store = SSL_CTX_get_cert_store(tls->context);
    BIO *bio = reader(ca_pem);
    size_t count = 0;
    bool ok = true;
    for (X509 *authority; ok && (authority = next_certificate(bio)) != NULL; count++) {
        ok = X509_STORE_add_cert(store, authority) == 1;
        if (ok && tls->server)
            ok = SSL_CTX_add_client_CA(tls->context, authority) == 1;
        X509_free(authority);
    }
    BIO_free(bio);
    if (!ok || count == 0)
        return lat__tls_config_error(err, "the certificate authority");
    ERR_clear_error();
    return LAT_OK;
}

/* ---- protocols ---- */

/* A server takes the first of its own protocols that the client offers, and refuses when there is none. */
static int select_alpn(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_len,
                       const unsigned char *offered, unsigned int offered_len, void *arg)
{
    const struct lat_tls *tls = arg;
    unsigned char *name;
    (void)ssl;
    if (SSL_select_next_proto(&name, ret_len, tls->alpn, (unsigned int)tls->alpn_len, offered,
                              offered_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret_name = name;
    return SSL_TLSEXT_ERR_OK;
}

static int use_alpn(struct lat_tls *tls, const char *const *names, struct lat_err *err)
{
    struct lat_buf wire = {0};
    for (; *names; names++) {
        size_t len = strlen(*names);
        if (len == 0 || len > ALPN_NAME_MAX) {
            lat_buf_done(&wire);
            return lat_err_set(err, LAT_E_INVALID, "'%s' is no name of a protocol (ALPN).", *names);
        }
        lat_buf_add_byte(&wire, (uint8_t)len);
        lat_buf_add(&wire, *names, len);
    }
    tls->alpn = wire.bytes;
    tls->alpn_len = wire.len;
    if (!wire.len)
        return LAT_OK;
    if (tls->server)
        SSL_CTX_set_alpn_select_cb(tls->context, select_alpn, tls);
    else
        LAT_ASSERT(SSL_CTX_set_alpn_protos(tls->context, tls->alpn, (unsigned int)tls->alpn_len) ==
                   0);
    return LAT_OK;
}

/* ---- contexts ---- */

static void harden(struct lat_tls *tls, int min_version)
{
    SSL_CTX *context = tls->context;
    bool asks = tls->server && tls->verify != LAT_TLS_VERIFY_NONE;
    LAT_ASSERT(SSL_CTX_set_min_proto_version(context, min_version == 13 ? TLS1_3_VERSION
                                                                        : TLS1_2_VERSION) == 1);
    LAT_ASSERT(SSL_CTX_set_ciphersuites(
                   context,
                   "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") ==
               1);
    LAT_ASSERT(SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL") == 1);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (asks) {
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context, 0);
    } else {
        SSL_CTX_set_num_tickets(context, 1);
    }
}

static int configure(struct lat_tls *tls, const struct lat_tls_config *config, struct lat_err *err)
{
    int code = LAT_OK;
    if (config->cert_pem)
        code = use_own_certificate(tls, config->cert_pem, config->key_pem, err);
    if (code == LAT_OK && config->ca_pem)
        code = use_authorities(tls, config->ca_pem, err);
    else if (code == LAT_OK && tls->verify == LAT_TLS_VERIFY_REQUIRED && !tls->server &&
             SSL_CTX_set_default_verify_paths(tls->context) != 1)
        code = lat__tls_config_error(err, "the system's certificate authorities");
    if (code == LAT_OK && config->alpn)
        code = use_alpn(tls, config->alpn, err);
    return code;
}

/* A configuration that would verify less than it seems to is a mistake of its caller. */
static int check_config(const struct lat_tls_config *config, struct lat_err *err)
{
    bool asks =
        config->verify == LAT_TLS_VERIFY_OPTIONAL || config->verify == LAT_TLS_VERIFY_REQUIRED;
    if (config->server && !config->cert_pem)
        return lat_err_set(err, LAT_E_INVALID, "A TLS server needs a certificate.");
    if (config->server && config->verify == LAT_TLS_VERIFY_PINNED)
        return lat_err_set(err, LAT_E_INVALID, "Only a TLS client can pin an authority.");
    if (config->server && asks && !config->ca_pem)
        return lat_err_set(err, LAT_E_INVALID,
                           "A TLS server that asks for certificates needs an authority.");
    if (!config->server && config->verify != LAT_TLS_VERIFY_REQUIRED &&
        config->verify != LAT_TLS_VERIFY_PINNED)
        return lat_err_set(err, LAT_E_INVALID, "A TLS client must verify its server.");
    if (config->cert_pem && !config->key_pem)
        return lat_err_set(err, LAT_E_INVALID, "The certificate's key is missing.");
    if (config->min_version != 12 && config->min_version != 13)
        return lat_err_set(err, LAT_E_INVALID, "The oldest TLS version is 12 or 13.");
    return LAT_OK;
}

int lat_tls_new(const struct lat_tls_config *config, struct lat_tls **ret_tls, struct lat_err *err)
{
    int code = check_config(config, err);
    if (code != LAT_OK)
        return code;
    struct lat_tls *tls = LAT_NEW(struct lat_tls);
    tls->magic = LAT__TLS_MAGIC;
    tls->refs = 1;
    tls->server = config->server;
    tls->verify = config->verify;
    memcpy(tls->pin, config->pin, sizeof(tls->pin));
    tls->bio = lat__tls_bio_new();
    tls->context = SSL_CTX_new(config->server ? TLS_server_method() : TLS_client_method());
    LAT_ASSERT(tls->context != NULL);
    harden(tls, config->min_version);
    lat__tls_verify_setup(tls);
    code = configure(tls, config, err);
    if (code != LAT_OK)
        lat_tls_unref(tls);
    else
        *ret_tls = tls;
    return code;
}

struct lat_tls *lat_tls_ref(struct lat_tls *tls)
{
    LAT_CHECK_MAGIC(tls, LAT__TLS_MAGIC);
    atomic_fetch_add(&tls->refs, 1);
    return tls;
}

struct lat_tls *lat_tls_unref(struct lat_tls *tls)
{
    if (!tls)
        return NULL;
    LAT_CHECK_MAGIC(tls, LAT__TLS_MAGIC);
    if (atomic_fetch_sub(&tls->refs, 1) == 1) {
        SSL_CTX_free(tls->context);
        BIO_meth_free(tls->bio);
        free(tls->alpn);
        tls->magic = 0;
        free(tls);
    }
    return NULL;
}
