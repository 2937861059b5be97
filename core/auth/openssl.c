/*
 * OpenSSL's objects to and from PEM, and its errors to ours.
 *
 * What comes in is text of others: it is bounded, read once, and OpenSSL's thread-local queue of errors is
 * empty again when a function returns. What goes out was made by us, so that failing to write it is an
 * assertion and no error.
 */
#include "auth/internal.h"
#include "base/mem.h"
#include "base/text.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

int lat__openssl_fail(struct lat_err *err, int code, const char *what)
{
    unsigned long first = ERR_get_error();
    const char *reason = first != 0 ? ERR_reason_error_string(first) : NULL;
    ERR_clear_error();
    if (reason == NULL) {
        return lat_err_set(err, code, "%s.", what);
    }
    return lat_err_set(err, code, "%s: %s.", what, reason);
}

/* An encrypted key is refused, instead of asking for a passphrase on the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *arg)
{
    (void)buffer, (void)size, (void)writing, (void)arg;
    return -1;
}

static BIO *open_text(const char *pem, const char *what, struct lat_err *err)
{
    size_t len = pem == NULL ? 0 : strnlen(pem, LAT__PEM_MAX + 1);
    if (len == 0 || len > LAT__PEM_MAX) {
        lat_err_set(err, LAT_E_INVALID, "The %s is empty or too long.", what);
        return NULL;
    }
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    LAT_ASSERT(bio != NULL);
    return bio;
}

X509 *lat__certificate_read(const char *pem, struct lat_err *err)
{
    BIO *bio = open_text(pem, "certificate", err);
    if (bio == NULL) {
        return NULL;
    }
    X509 *certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (certificate == NULL) {
        lat__openssl_fail(err, LAT_E_INVALID, "The certificate cannot be read");
    }
    return certificate;
}

EVP_PKEY *lat__key_read(const char *pem, struct lat_err *err)
{
    BIO *bio = open_text(pem, "private key", err);
    if (bio == NULL) {
        return NULL;
    }
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (key == NULL) {
        lat__openssl_fail(err, LAT_E_INVALID, "The private key cannot be read");
    }
    return key;
}

X509_REQ *lat__request_read(const char *pem, struct lat_err *err)
{
    BIO *bio = open_text(pem, "signing request", err);
    if (bio == NULL) {
        return NULL;
    }
    X509_REQ *request = PEM_read_bio_X509_REQ(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (request == NULL) {
        lat__openssl_fail(err, LAT_E_INVALID, "The signing request cannot be read");
    }
    return request;
}

static char *take_text(BIO *bio, int written)
{
    LAT_ASSERT(written == 1);
    char *bytes = NULL;
    long len = BIO_get_mem_data(bio, &bytes);
    LAT_ASSERT(len > 0);
    char *text = lat_text_copy_n(bytes, (size_t)len);
    BIO_free(bio);
    return text;
}

char *lat__key_write(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when freed */
    LAT_ASSERT(bio != NULL);
    return take_text(bio, PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
}

char *lat__certificate_write(X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());
    LAT_ASSERT(bio != NULL);
    return take_text(bio, PEM_write_bio_X509(bio, certificate));
}

char *lat__request_write(X509_REQ *request)
{
    BIO *bio = BIO_new(BIO_s_mem());
    LAT_ASSERT(bio != NULL);
    return take_text(bio, PEM_write_bio_X509_REQ(bio, request));
}

EVP_PKEY *lat__key_make(struct lat_err *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    if (key == NULL) {
        lat__openssl_fail(err, LAT_E_INTERNAL, "A key cannot be made");
    }
    return key;
}

void lat__name_set(X509_NAME *name, const char *common_name)
{
    char bounded[65]; /* the most that X.520 allows */
    lat_text_bound(bounded, sizeof bounded, common_name);
    LAT_ASSERT(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)bounded, -1,
                                          -1, 0) == 1);
}
