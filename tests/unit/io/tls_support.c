#include "tls_support.h"

#include <string.h>

struct test_cert tls_ca;
struct test_cert tls_server_cert;
struct test_cert tls_client_cert;

int tls_test_setup(void **state)
{
    (void)state;
    test_cert_authority(&tls_ca, "Test authority");
    test_cert_server(&tls_server_cert, &tls_ca,
                     "DNS:console.example,DNS:*.apps.example,IP:127.0.0.1");
    test_cert_client(&tls_client_cert, &tls_ca, "node-7");
    return 0;
}

int tls_test_teardown(void **state)
{
    (void)state;
    test_cert_done(&tls_ca);
    test_cert_done(&tls_server_cert);
    test_cert_done(&tls_client_cert);
    return 0;
}

void tls_on_server(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct shake *shake = arg;
    assert_true((stream == NULL) == (err != NULL));
    shake->server = stream;
    if (err)
        shake->server_err = *err;
    shake->both = ++shake->told == 2;
}

void tls_on_client(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct shake *shake = arg;
    assert_true((stream == NULL) == (err != NULL));
    shake->client = stream;
    if (err)
        shake->client_err = *err;
    shake->both = ++shake->told == 2;
}

struct lat_tls_config tls_server_config(void)
{
    return (struct lat_tls_config){.server = true,
                                   .cert_pem = tls_server_cert.chain_pem,
                                   .key_pem = tls_server_cert.key_pem,
                                   .min_version = 12};
}

struct lat_tls_config tls_client_config(void)
{
    return (struct lat_tls_config){
        .ca_pem = tls_ca.cert_pem, .verify = LAT_TLS_VERIFY_REQUIRED, .min_version = 12};
}

struct lat_tls *tls_context(const struct lat_tls_config *config)
{
    struct lat_tls *tls;
    struct lat_err err;
    if (lat_tls_new(config, &tls, &err) != LAT_OK)
        fail_msg("%s", err.sentence);
    return tls;
}

void tls_shake(struct lat_loop *loop, enum wire wire, const struct lat_tls_config *server,
               const struct lat_tls_config *client, const char *host, struct shake *ret_shake)
{
    struct lat_stream *a;
    struct lat_stream *b;
    struct lat_tls *server_tls = tls_context(server);
    struct lat_tls *client_tls = tls_context(client);
    memset(ret_shake, 0, sizeof(*ret_shake));
    wire_connect(loop, wire, &a, &b);
    lat_tls_accept(server_tls, b, NULL, 0, tls_on_server, ret_shake);
    lat_tls_connect(client_tls, a, host, tls_on_client, ret_shake);
    assert_int_equal(ret_shake->told, 0);
    run_until(loop, &ret_shake->both);
    lat_tls_unref(server_tls);
    lat_tls_unref(client_tls);
}

void tls_shake_done(struct shake *shake)
{
    if (shake->server)
        lat_stream_close(shake->server);
    if (shake->client)
        lat_stream_close(shake->client);
}

/* A handshake that must fail at the client with a sentence that holds `text`. */
void tls_client_refuses(struct lat_loop *loop, const struct lat_tls_config *server,
                        const struct lat_tls_config *client, const char *host, const char *text)
{
    struct shake shake;
    tls_shake(loop, WIRE_TCP, server, client, host, &shake);
    assert_null(shake.client);
    assert_int_equal(shake.client_err.code, LAT_E_TLS);
    if (!strstr(shake.client_err.sentence, text))
        fail_msg("'%s' is not in: %s", text, shake.client_err.sentence);
    assert_true(shake.client_err.hint[0]);
    tls_shake_done(&shake);
}
