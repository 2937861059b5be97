/* Shared by the files of core/auth: OpenSSL's objects to and from text, and its errors. */
#ifndef LAT_AUTH_INTERNAL_H
#define LAT_AUTH_INTERNAL_H

#include "auth/auth.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

enum { LAT__PEM_MAX = 64 * 1024 }; /* bytes of a PEM text that comes from outside */

/* Fills err with the sentence and OpenSSL's own reason, empties OpenSSL's queue and returns code. */
int lat__openssl_fail(struct lat_err *err, int code, const char *what);

/* Return an owned object from the first PEM block of its kind in the text, or NULL and err. Never ask for a passphrase. */
X509 *lat__certificate_read(const char *pem, struct lat_err *err);
EVP_PKEY *lat__key_read(const char *pem, struct lat_err *err);
X509_REQ *lat__request_read(const char *pem, struct lat_err *err);

/* Return owned PEM. What they are given is sound, so that failing is a mistake of ours. */
char *lat__key_write(EVP_PKEY *key);
char *lat__certificate_write(X509 *certificate);
char *lat__request_write(X509_REQ *request);

/* Returns a new P-256 key. OpenSSL's own generator makes it: a private key is never taken from a random that repeats. */
EVP_PKEY *lat__key_make(struct lat_err *err);

/* Sets the subject (CN alone) of a name. */
void lat__name_set(X509_NAME *name, const char *common_name);

#endif
