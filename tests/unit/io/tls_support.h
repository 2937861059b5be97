/* What the tests of TLS share: certificates, and handshakes between two ends of a wire. */
#ifndef TESTS_UNIT_IO_TLS_SUPPORT_H
#define TESTS_UNIT_IO_TLS_SUPPORT_H

#include "io/tls.h"

#include "support.h"
#include "tests/unit/support/test_certs.h"

/* Made by tls_test_setup, the set-up of a group: an authority, a server for console.example, *.apps.example and
 * 127.0.0.1, and a client called node-7. */
extern struct test_cert tls_ca;
extern struct test_cert tls_server_cert;
extern struct test_cert tls_client_cert;
int tls_test_setup(void **state);
int tls_test_teardown(void **state);

/* One handshake between two ends, with what each was told. */
struct shake {
    struct lat_stream *server;
    struct lat_stream *client;
    struct lat_err server_err;
    struct lat_err client_err;
    int told;
    bool both;
};

/* Note the end of a handshake in the struct shake at arg. */
void tls_on_server(void *arg, struct lat_stream *stream, const struct lat_err *err);
void tls_on_client(void *arg, struct lat_stream *stream, const struct lat_err *err);

/* Configurations that work with each other. */
struct lat_tls_config tls_server_config(void);
struct lat_tls_config tls_client_config(void);
struct lat_tls *tls_context(const struct lat_tls_config *config);

/* Makes two ends of a wire shake hands and waits until both were told. */
void tls_shake(struct lat_loop *loop, enum wire wire, const struct lat_tls_config *server,
               const struct lat_tls_config *client, const char *host, struct shake *ret_shake);
void tls_shake_done(struct shake *shake);

/* A handshake that must fail at the client with a sentence that holds `text`. */
void tls_client_refuses(struct lat_loop *loop, const struct lat_tls_config *server,
                        const struct lat_tls_config *client, const char *host, const char *text);

#endif
