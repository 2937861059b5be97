/* What the tls_*.c files share. */
#ifndef LAT_IO_TLS_INTERNAL_H
#define LAT_IO_TLS_INTERNAL_H

#include "base/buf.h"
#include "base/mem.h"
#include "io/tls.h"

#include <openssl/ssl.h>
#include <stdatomic.h>

enum { LAT__TLS_MAGIC = 0x544c5343 };

struct lat_tls {
    uint32_t magic;
    atomic_uint refs;
    SSL_CTX *context;
    BIO_METHOD *bio;
    bool server;
    enum lat_tls_verify verify;
    uint8_t pin[LAT_TLS_DIGEST_SIZE];
    uint8_t *alpn; /* owned; as on the wire: length, name, length, name */
    size_t alpn_len;
};

/* What verification knows of one connection; the application data of its SSL. */
struct lat__tls_check {
    const struct lat_clock *clock; /* borrowed; by which a certificate may be valid too */
    char *host;                    /* owned; whom a client wants to talk to, NULL on a server */
    struct lat_err *why;           /* owned; why verification failed, NULL: it did not */
};

/* Where OpenSSL reads and writes for one connection. */
struct lat__tls_wire {
    struct lat_loop *loop;
    struct lat_stream *plain; /* NULL: gone */
    const uint8_t *in;        /* encrypted bytes that OpenSSL may read; borrowed */
    size_t in_len;
    struct lat__chunk *out; /* what it wrote since the last flush */
};

/* tls_wire.c: the kind of BIO that works on a wire; owned. */
BIO_METHOD *lat__tls_bio_new(void);

/* tls_wire.c: gives ssl a BIO on this wire. */
void lat__tls_wire_join(struct lat__tls_wire *wire, const struct lat_tls *tls, SSL *ssl);

/* tls_wire.c: writes what OpenSSL wrote to the plain stream. */
void lat__tls_flush(struct lat__tls_wire *wire);

/* tls_verify.c: sets how a context verifies its peers. */
void lat__tls_verify_setup(struct lat_tls *tls);

/* tls_verify.c: tells a client's connection which name to send and to verify (check->host). */
int lat__tls_verify_host(SSL *ssl, const struct lat__tls_check *check,
                         struct lat_err *err) LAT_MUST_USE;

/* tls_verify.c: writes the common name of a certificate, "" when there is none or it hides a NUL. */
void lat__tls_common_name(X509 *certificate, char *ret_name, size_t size);

/* tls_stream.c: the connection behind a stream that TLS made. */
SSL *lat__tls_ssl_of(const struct lat_stream *stream);

/* tls_error.c: fills err from OpenSSL's error queue, which it empties. Returns LAT_E_TLS. */
int lat__tls_error(struct lat_err *err, bool server);

/* tls_error.c: the same for what happens while a configuration is read ("the certificate"). */
int lat__tls_config_error(struct lat_err *err, const char *what);

#endif
