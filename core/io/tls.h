/* TLS 1.2 and 1.3 over any stream (OpenSSL, memory BIOs). The only face through which the house sees TLS. */
#ifndef LAT_IO_TLS_H
#define LAT_IO_TLS_H

#include "io/stream.h"

enum { LAT_TLS_HANDSHAKE_MS = 10000, LAT_TLS_DIGEST_SIZE = 32 };

enum lat_tls_verify {
    LAT_TLS_VERIFY_NONE,     /* server: no client certificate is asked for */
    LAT_TLS_VERIFY_OPTIONAL, /* server: asked for; one that does not verify fails the handshake */
    LAT_TLS_VERIFY_REQUIRED, /* server: must come; client: verify chain and name (the only safe client mode) */
    LAT_TLS_VERIFY_PINNED, /* client: the chain must contain a certificate with digest `pin`, which signs the rest */
};

struct lat_tls_config {
    bool server;
    const char *cert_pem; /* own chain, leaf first; NULL on a client without one */
    const char *key_pem;  /* its key */
    const char *ca_pem; /* authorities to verify the peer against; NULL on a client: the system's */
    enum lat_tls_verify verify;
    uint8_t pin[LAT_TLS_DIGEST_SIZE]; /* SHA-256 of the DER of the authority, for PINNED */
    const char *const *alpn; /* protocols in order of preference, ends with NULL; may be NULL */
    int min_version;         /* 12 or 13 */
};

struct lat_tls; /* a context shared by connections; reference counted, thread-safe to share */

int lat_tls_new(const struct lat_tls_config *config, struct lat_tls **ret_tls,
                struct lat_err *err) LAT_MUST_USE;
struct lat_tls *lat_tls_ref(struct lat_tls *tls);
struct lat_tls *lat_tls_unref(struct lat_tls *tls); /* takes NULL, returns NULL */

/* The end of a handshake: an encrypted stream (taken by the callback), or NULL with err. Exactly once, asynchronously. */
typedef void lat_tls_fn(void *arg, struct lat_stream *stream, const struct lat_err *err);

/* Start a handshake on `plain` (taken; must not have events set). `host` is the server name to send and verify.
 * `head` are bytes already read from plain, handed to TLS first (may be NULL). Return the stream to come (borrowed):
 * until fn is called it only takes lat_stream_close(), which gives the handshake up without calling fn. */
struct lat_stream *lat_tls_accept(struct lat_tls *tls, struct lat_stream *plain, const void *head,
                                  size_t head_len, lat_tls_fn *fn, void *arg);
struct lat_stream *lat_tls_connect(struct lat_tls *tls, struct lat_stream *plain, const char *host,
                                   lat_tls_fn *fn, void *arg);

/* What the handshake agreed on; stream must be one that TLS made. Borrowed strings live as long as the stream. */
const char *lat_tls_alpn(const struct lat_stream *stream); /* "" when none */
const char *lat_tls_server_name(
    const struct lat_stream *stream); /* what the client asked for, "" when none */
/* Common name of the peer's verified certificate and the digest of its public key (SHA-256 of the SubjectPublicKeyInfo); false when it sent none. */
bool lat_tls_peer_identity(const struct lat_stream *stream, char *ret_name, size_t size,
                           uint8_t ret_key_digest[LAT_TLS_DIGEST_SIZE]);
/* The authority (last certificate of the peer's chain) as owned PEM, NULL when there is none; after a PINNED connection this is the pinned one. */
char *lat_tls_peer_authority_pem(const struct lat_stream *stream);

#endif
