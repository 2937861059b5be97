/* The BIO between OpenSSL and the plain stream. Reading: from the bytes that the plain stream lent for its on_data,
 * no copy is kept. Writing: into a chunk that holds several records and goes out in one write, when OpenSSL has
 * returned or the chunk is full. Runs on the loop's thread. */
#include "internal.h"
#include "tls_internal.h"

#include <openssl/bio.h>
#include <string.h>

void lat__tls_flush(struct lat__tls_wire *wire)
{
    struct lat__chunk *out = wire->out;
    if (!out)
        return;
    wire->out = NULL;
    if (wire->plain)
        lat_stream_write(wire->plain, out->bytes, out->len);
    lat__chunk_free(wire->loop, out);
}

static int on_write(BIO *bio, const char *bytes, size_t len, size_t *ret_len)
{
    struct lat__tls_wire *wire = BIO_get_data(bio);
    if (wire->out && len > wire->out->cap - wire->out->len)
        lat__tls_flush(wire);
    if (!wire->out)
        wire->out = lat__chunk_new(wire->loop, len < LAT__LARGE_SIZE ? LAT__LARGE_SIZE : len);
    memcpy(wire->out->bytes + wire->out->len, bytes, len);
    wire->out->len += len;
    *ret_len = len;
    return 1;
}

static int on_read(BIO *bio, char *ret_bytes, size_t len, size_t *ret_len)
{
    struct lat__tls_wire *wire = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (wire->in_len == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    if (len > wire->in_len)
        len = wire->in_len;
    memcpy(ret_bytes, wire->in, len);
    wire->in += len;
    wire->in_len -= len;
    *ret_len = len;
    return 1;
}

static long on_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD *lat__tls_bio_new(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "stream");
    LAT_ASSERT(method != NULL && BIO_meth_set_write_ex(method, on_write) == 1 &&
               BIO_meth_set_read_ex(method, on_read) == 1 &&
               BIO_meth_set_ctrl(method, on_control) == 1);
    return method;
}

void lat__tls_wire_join(struct lat__tls_wire *wire, const struct lat_tls *tls, SSL *ssl)
{
    BIO *bio = BIO_new(tls->bio);
    LAT_ASSERT(bio != NULL);
    BIO_set_data(bio, wire);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
}
