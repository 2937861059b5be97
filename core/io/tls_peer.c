/* What a finished handshake agreed on, and who the peer is. Runs on the loop's thread. */
#include "tls_internal.h"

#include "base/text.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

const char *lat_tls_server_name(const struct lat_stream *stream)
{
    const char *name = SSL_get_servername(lat__tls_ssl_of(stream), TLSEXT_NAMETYPE_host_name);
    return name ? name : "";
}

/* SHA-256 of the SubjectPublicKeyInfo. */
static bool key_digest(X509 *certificate, uint8_t ret_digest[LAT_TLS_DIGEST_SIZE])
{
    unsigned char *der = NULL;
    unsigned int digest_len = 0;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    bool ok = len > 0 &&
              EVP_Digest(der, (size_t)len, ret_digest, &digest_len, EVP_sha256(), NULL) == 1 &&
              digest_len == LAT_TLS_DIGEST_SIZE;
    OPENSSL_free(der);
    return ok;
}

bool lat_tls_peer_identity(const struct lat_stream *stream, char *ret_name, size_t size,
                           uint8_t ret_key_digest[LAT_TLS_DIGEST_SIZE])
{
    SSL *ssl = lat__tls_ssl_of(stream);
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    uint8_t digest[LAT_TLS_DIGEST_SIZE];
    if (!certificate || SSL_get_verify_result(ssl) != X509_V_OK || !key_digest(certificate, digest))
        return false;
    memcpy(ret_key_digest, digest, sizeof(digest));
    lat__tls_common_name(certificate, ret_name, size);
    return true;
}

char *lat_tls_peer_authority_pem(const struct lat_stream *stream)
{
    STACK_OF(X509) *chain = SSL_get0_verified_chain(lat__tls_ssl_of(stream));
    int count = chain ? sk_X509_num(chain) : 0;
    if (count < 1)
        return NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    LAT_ASSERT(bio != NULL);
    if (PEM_write_bio_X509(bio, sk_X509_value(chain, count - 1)) == 1) {
        char *pem;
        long len = BIO_get_mem_data(bio, &pem);
        text = lat_text_copy_n(pem, (size_t)len);
    }
    BIO_free(bio);
    return text;
}
