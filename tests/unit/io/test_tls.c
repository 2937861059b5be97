#include "io/tls.h"

#include "support.h"
#include "tests/unit/support/test_certs.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

enum { BIG = 10 * 1000 * 1000 };

/* One handshake between two ends, with what each was told. */
struct shake {
    struct lat_stream *server;
    struct lat_stream *client;
    struct lat_err server_err;
    struct lat_err client_err;
    int told;
    bool both;
};

static struct test_cert ca;
static struct test_cert server_cert;
static struct test_cert client_cert;

static int make_certificates(void **state)
{
    (void)state;
    test_cert_authority(&ca, "Test authority");
    test_cert_server(&server_cert, &ca, "DNS:console.example,DNS:*.apps.example,IP:127.0.0.1");
    test_cert_client(&client_cert, &ca, "node-7");
    return 0;
}

static int free_certificates(void **state)
{
    (void)state;
    test_cert_done(&ca);
    test_cert_done(&server_cert);
    test_cert_done(&client_cert);
    return 0;
}

static void on_server(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct shake *shake = arg;
    assert_true((stream == NULL) == (err != NULL));
    shake->server = stream;
    if (err)
        shake->server_err = *err;
    shake->both = ++shake->told == 2;
}

static void on_client(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct shake *shake = arg;
    assert_true((stream == NULL) == (err != NULL));
    shake->client = stream;
    if (err)
        shake->client_err = *err;
    shake->both = ++shake->told == 2;
}

static struct lat_tls_config server_config(void)
{
    return (struct lat_tls_config){
        .server = true, .cert_pem = server_cert.chain_pem, .key_pem = server_cert.key_pem, .min_version = 12};
}

static struct lat_tls_config client_config(void)
{
    return (struct lat_tls_config){.ca_pem = ca.cert_pem, .verify = LAT_TLS_VERIFY_REQUIRED, .min_version = 12};
}

static struct lat_tls *context(const struct lat_tls_config *config)
{
    struct lat_tls *tls;
    struct lat_err err;
    if (lat_tls_new(config, &tls, &err) != LAT_OK)
        fail_msg("%s", err.sentence);
    return tls;
}

static void shake_hands(struct lat_loop *loop, enum wire wire, const struct lat_tls_config *server,
                        const struct lat_tls_config *client, const char *host, struct shake *ret_shake)
{
    struct lat_stream *a;
    struct lat_stream *b;
    struct lat_tls *server_tls = context(server);
    struct lat_tls *client_tls = context(client);
    memset(ret_shake, 0, sizeof(*ret_shake));
    wire_connect(loop, wire, &a, &b);
    lat_tls_accept(server_tls, b, NULL, 0, on_server, ret_shake);
    lat_tls_connect(client_tls, a, host, on_client, ret_shake);
    assert_int_equal(ret_shake->told, 0);
    run_until(loop, &ret_shake->both);
    lat_tls_unref(server_tls);
    lat_tls_unref(client_tls);
}

static void shake_done(struct shake *shake)
{
    if (shake->server)
        lat_stream_close(shake->server);
    if (shake->client)
        lat_stream_close(shake->client);
}

/* A handshake that must fail at the client with a sentence that holds `text`. */
static void client_refuses(struct lat_loop *loop, const struct lat_tls_config *server,
                           const struct lat_tls_config *client, const char *host, const char *text)
{
    struct shake shake;
    shake_hands(loop, WIRE_TCP, server, client, host, &shake);
    assert_null(shake.client);
    assert_int_equal(shake.client_err.code, LAT_E_TLS);
    if (!strstr(shake.client_err.sentence, text))
        fail_msg("'%s' is not in: %s", text, shake.client_err.sentence);
    assert_true(shake.client_err.hint[0]);
    shake_done(&shake);
}


static void send_back(struct probe *probe)
{
    lat_stream_write(probe->stream, probe->got.bytes, probe->got.len);
    lat_buf_clear(&probe->got);
}

static void ten_megabytes_come_back(void **state)
{
    static const enum wire wires[] = {WIRE_PAIR, WIRE_TCP, WIRE_UNIX};
    struct lat_loop *loop = *state;
    uint8_t *bytes = noise(BIG, 5);
    for (size_t i = 0; i < LAT_COUNT(wires); i++) {
        for (int version = 12; version <= 13; version++) {
            struct shake shake;
            struct lat_tls_config server = server_config();
            struct lat_tls_config client = client_config();
            server.min_version = version;
            shake_hands(loop, wires[i], &server, &client, "console.example", &shake);
            assert_non_null(shake.server);
            assert_non_null(shake.client);
            struct probe echo = {.pause_every = 10, .on_data = send_back, .end_on_end = true};
            struct probe sender = {.pause_every = 10};
            probe_take(&echo, shake.server);
            probe_take(&sender, shake.client);
            for (size_t sent = 0, round = 0; sent < BIG; round++) {
                size_t len = 1 + round * 7919 % 50000;
                if (len > BIG - sent)
                    len = BIG - sent;
                lat_stream_write(sender.stream, bytes + sent, len);
                sent += len;
            }
            lat_stream_end(sender.stream);
            run_until(loop, &sender.closed);
            run_until(loop, &echo.closed);
            assert_true(sender.ended && echo.ended);
            assert_int_equal(sender.err.code, LAT_OK);
            assert_int_equal(echo.err.code, LAT_OK);
            assert_int_equal(sender.got.len, BIG);
            assert_memory_equal(sender.got.bytes, bytes, BIG);
            probe_done(&sender);
            probe_done(&echo);
        }
    }
    free(bytes);
}

static void a_server_of_an_unknown_authority_is_refused(void **state)
{
    struct test_cert other;
    test_cert_authority(&other, "Other authority");
    struct lat_tls_config server = server_config();
    struct lat_tls_config client = client_config();
    client.ca_pem = other.cert_pem;
    client_refuses(*state, &server, &client, "console.example", "authority");
    test_cert_done(&other);
}

static void a_wrong_name_is_refused_and_both_names_are_told(void **state)
{
    struct lat_tls_config server = server_config();
    struct lat_tls_config client = client_config();
    client_refuses(*state, &server, &client, "evil.example", "'console.example'");
    client_refuses(*state, &server, &client, "evil.example", "not for 'evil.example'");
    client_refuses(*state, &server, &client, "127.0.0.2", "not for '127.0.0.2'");
    client_refuses(*state, &server, &client, "a.b.apps.example", "not for");
}

static void addresses_and_wildcards_are_verified(void **state)
{
    static const char *const names[] = {"127.0.0.1", "one.apps.example", "CONSOLE.example"};
    for (size_t i = 0; i < LAT_COUNT(names); i++) {
        struct shake shake;
        struct lat_tls_config server = server_config();
        struct lat_tls_config client = client_config();
        shake_hands(*state, WIRE_TCP, &server, &client, names[i], &shake);
        assert_non_null(shake.client);
        assert_string_equal(lat_tls_server_name(shake.server), i == 0 ? "" : names[i]);
        shake_done(&shake);
    }
}

static void an_expired_certificate_is_refused(void **state)
{
    struct test_cert old;
    test_cert_make(&old, &(struct test_cert_options){.common_name = "server",
                                                     .names = "DNS:console.example",
                                                     .issuer = &ca,
                                                     .starts_s = -7200,
                                                     .ends_s = -3600});
    struct lat_tls_config server = server_config();
    struct lat_tls_config client = client_config();
    server.cert_pem = old.chain_pem;
    server.key_pem = old.key_pem;
    client_refuses(*state, &server, &client, "console.example", "expired at 20");
    test_cert_done(&old);
}

static void a_client_certificate_is_no_server(void **state)
{
    struct lat_tls_config server = server_config();
    struct lat_tls_config client = client_config();
    server.cert_pem = client_cert.chain_pem;
    server.key_pem = client_cert.key_pem;
    client_refuses(*state, &server, &client, "node-7", "not meant for a TLS server");
}

static struct lat_tls_config pinned_config(const struct test_cert *authority)
{
    struct lat_tls_config config = {.verify = LAT_TLS_VERIFY_PINNED, .min_version = 12};
    memcpy(config.pin, authority->digest, sizeof(config.pin));
    return config;
}

static void a_pinned_authority_is_enough(void **state)
{
    struct shake shake;
    struct lat_tls_config server = server_config();
    struct lat_tls_config client = pinned_config(&ca);
    shake_hands(*state, WIRE_TCP, &server, &client, "console.example", &shake);
    assert_non_null(shake.client);
    char *pem = lat_tls_peer_authority_pem(shake.client);
    assert_string_equal(pem, ca.cert_pem);
    free(pem);
    assert_null(lat_tls_peer_authority_pem(shake.server));
    shake_done(&shake);
}

static void pinning_fails_closed(void **state)
{
    struct lat_loop *loop = *state;
    struct test_cert other;
    struct test_cert forged;
    struct test_cert old;
    struct lat_tls_config server = server_config();
    struct lat_tls_config client = pinned_config(&ca);
    client_refuses(loop, &server, &client, "evil.example", "not for 'evil.example'");

    test_cert_authority(&other, "Test authority"); /* the same name, another key */
    test_cert_server(&forged, &other, "DNS:console.example");
    server.cert_pem = forged.chain_pem;
    server.key_pem = forged.key_pem;
    client_refuses(loop, &server, &client, "console.example", "not the one that was pinned");

    /* The pinned certificate is in the chain, but did not sign the server's. */
    struct lat_buf chain = {0};
    lat_buf_add_text(&chain, forged.cert_pem);
    lat_buf_add_text(&chain, ca.cert_pem);
    server.cert_pem = lat_buf_text(&chain);
    client_refuses(loop, &server, &client, "console.example", "");
    lat_buf_add_text(&chain, other.cert_pem);
    server.cert_pem = lat_buf_text(&chain);
    client_refuses(loop, &server, &client, "console.example", "");
    lat_buf_done(&chain);

    server.cert_pem = server_cert.cert_pem; /* without the authority */
    server.key_pem = server_cert.key_pem;
    client_refuses(loop, &server, &client, "console.example", "not the one that was pinned");

    test_cert_make(&old, &(struct test_cert_options){.common_name = "server",
                                                     .names = "DNS:console.example",
                                                     .issuer = &ca,
                                                     .starts_s = -7200,
                                                     .ends_s = -3600});
    server.cert_pem = old.chain_pem;
    server.key_pem = old.key_pem;
    client_refuses(loop, &server, &client, "console.example", "expired");
    test_cert_done(&other);
    test_cert_done(&forged);
    test_cert_done(&old);
}

static void a_pinned_leaf_cannot_sign(void **state)
{
    /* Whoever has the pinned certificate's key may not make others with it unless it is an authority. */
    struct test_cert child;
    test_cert_server(&child, &server_cert, "DNS:console.example");
    struct lat_tls_config server = server_config();
    struct lat_tls_config client = pinned_config(&server_cert);
    server.cert_pem = child.chain_pem;
    server.key_pem = child.key_pem;
    client_refuses(*state, &server, &client, "console.example", "");
    test_cert_done(&child);
}

/* Waits until the client learns that the server refused it (in TLS 1.3 after its own part is done). */
static void server_refuses(struct lat_loop *loop, const struct lat_tls_config *server,
                           const struct lat_tls_config *client, const char *server_text, const char *client_text)
{
    struct shake shake;
    shake_hands(loop, WIRE_TCP, server, client, "console.example", &shake);
    assert_null(shake.server);
    if (!strstr(shake.server_err.sentence, server_text))
        fail_msg("'%s' is not in: %s", server_text, shake.server_err.sentence);
    struct lat_err err = shake.client_err;
    if (shake.client) {
        struct probe probe = {0};
        probe_take(&probe, shake.client);
        lat_stream_write(probe.stream, "hello", 5);
        run_until(loop, &probe.closed);
        assert_false(probe.ended);
        err = probe.err;
        probe_done(&probe);
    }
    assert_int_equal(err.code, LAT_E_TLS);
    if (!strstr(err.sentence, client_text))
        fail_msg("'%s' is not in: %s", client_text, err.sentence);
}

static void a_client_certificate_can_be_required(void **state)
{
    struct lat_loop *loop = *state;
    for (int version = 12; version <= 13; version++) {
        struct lat_tls_config server = server_config();
        struct lat_tls_config client = client_config();
        struct test_cert other;
        struct test_cert stranger;
        server.verify = LAT_TLS_VERIFY_REQUIRED;
        server.ca_pem = ca.cert_pem;
        server.min_version = version;
        server_refuses(loop, &server, &client, "no certificate", version == 13 ? "requires a client certificate" : "");

        test_cert_authority(&other, "Other authority");
        test_cert_client(&stranger, &other, "node-7");
        client.cert_pem = stranger.chain_pem;
        client.key_pem = stranger.key_pem;
        server_refuses(loop, &server, &client, "authority of the client's certificate", "authority");

        client.cert_pem = server_cert.chain_pem; /* a server's certificate is none for a client */
        client.key_pem = server_cert.key_pem;
        server_refuses(loop, &server, &client, "not meant for a TLS client", "");
        test_cert_done(&other);
        test_cert_done(&stranger);
    }
}

static void a_client_is_known_by_name_and_key(void **state)
{
    struct shake shake;
    struct lat_tls_config server = server_config();
    struct lat_tls_config client = client_config();
    char name[64];
    uint8_t digest[LAT_TLS_DIGEST_SIZE];
    server.verify = LAT_TLS_VERIFY_OPTIONAL;
    server.ca_pem = ca.cert_pem;
    shake_hands(*state, WIRE_TCP, &server, &client, "console.example", &shake);
    assert_non_null(shake.server);
    assert_false(lat_tls_peer_identity(shake.server, name, sizeof(name), digest));
    assert_true(lat_tls_peer_identity(shake.client, name, sizeof(name), digest));
    assert_string_equal(name, "server");
    shake_done(&shake);

    client.cert_pem = client_cert.chain_pem;
    client.key_pem = client_cert.key_pem;
    shake_hands(*state, WIRE_TCP, &server, &client, "console.example", &shake);
    assert_non_null(shake.server);
    assert_true(lat_tls_peer_identity(shake.server, name, sizeof(name), digest));
    assert_string_equal(name, "node-7");
    assert_memory_equal(digest, client_cert.key_digest, sizeof(digest));
    shake_done(&shake);
}

static void the_server_chooses_the_protocol(void **state)
{
    static const char *const ours[] = {"lattice-link", "http/1.1", NULL};
    static const char *const theirs[] = {"h2", "http/1.1", "lattice-link", NULL};
    static const char *const strange[] = {"h2", NULL};
    struct shake shake;
    struct lat_tls_config server = server_config();
    struct lat_tls_config client = client_config();
    server.alpn = ours;
    client.alpn = theirs;
    shake_hands(*state, WIRE_TCP, &server, &client, "console.example", &shake);
    assert_string_equal(lat_tls_alpn(shake.server), "lattice-link");
    assert_string_equal(lat_tls_alpn(shake.client), "lattice-link");
    shake_done(&shake);

    client.alpn = NULL;
    shake_hands(*state, WIRE_TCP, &server, &client, "console.example", &shake);
    assert_string_equal(lat_tls_alpn(shake.server), "");
    assert_string_equal(lat_tls_alpn(shake.client), "");
    shake_done(&shake);

    client.alpn = strange;
    client_refuses(*state, &server, &client, "console.example", "none of our protocols");
    shake_hands(*state, WIRE_TCP, &server, &client, "console.example", &shake);
    assert_non_null(strstr(shake.server_err.sentence, "no protocol (ALPN)"));
    shake_done(&shake);
}

/* Puts raw bytes on the wire of a TLS server; returns what the server said. */
static struct lat_err say_to_server(struct lat_loop *loop, const void *bytes, size_t len, bool end, bool alert)
{
    struct lat_stream *a;
    struct lat_stream *b;
    struct lat_tls_config config = server_config();
    struct lat_tls *tls = context(&config);
    struct shake shake = {0};
    struct probe probe = {0};
    shake.told = 1;
    wire_connect(loop, WIRE_TCP, &a, &b);
    lat_tls_accept(tls, b, NULL, 0, on_server, &shake);
    lat_tls_unref(tls);
    probe_take(&probe, a);
    lat_stream_write(a, bytes, len);
    if (end)
        lat_stream_end(a);
    run_until(loop, &shake.both);
    assert_null(shake.server);
    run_until(loop, end ? &probe.closed : &probe.ended);
    if (alert) { /* it arrives before the end */
        assert_true(probe.got.len >= 7);
        assert_int_equal(probe.got.bytes[0], 21);
    }
    probe_finish(loop, &probe);
    return shake.server_err;
}

static void what_is_not_tls_is_told_apart(void **state)
{
    static const char http[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    static const char junk[] = "SSH-2.0-OpenSSH_9.2p1\r\n";
    struct lat_err err = say_to_server(*state, http, sizeof(http) - 1, false, false);
    assert_int_equal(err.code, LAT_E_TLS);
    assert_non_null(strstr(err.sentence, "plain HTTP"));
    err = say_to_server(*state, junk, sizeof(junk), false, false);
    assert_int_equal(err.code, LAT_E_TLS);
    err = say_to_server(*state, "\x16\x03\x01", 3, true, false);
    assert_int_equal(err.code, LAT_E_CLOSED);
}

/* A client of OpenSSL's own with TLS 1.1, over memory: writes its first flight. */
static void tls_1_1_is_refused(void **state)
{
    SSL_CTX *old = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(old, 0);
    assert_int_equal(SSL_CTX_set_min_proto_version(old, TLS1_VERSION), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(old, TLS1_1_VERSION), 1);
    assert_int_equal(SSL_CTX_set_cipher_list(old, "ALL:@SECLEVEL=0"), 1);
    SSL *ssl = SSL_new(old);
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    assert_true(SSL_do_handshake(ssl) <= 0);
    char *hello;
    long len = BIO_get_mem_data(out, &hello);
    assert_true(len > 0);
    struct lat_err err = say_to_server(*state, hello, (size_t)len, false, true);
    assert_int_equal(err.code, LAT_E_TLS);
    assert_non_null(strstr(err.sentence, "too old"));
    SSL_free(ssl);
    SSL_CTX_free(old);
}

static void a_client_learns_that_the_server_speaks_no_tls(void **state)
{
    struct lat_loop *loop = *state;
    struct lat_stream *a;
    struct lat_stream *b;
    struct lat_tls_config config = client_config();
    struct lat_tls *tls = context(&config);
    struct shake shake = {.told = 1};
    wire_connect(loop, WIRE_TCP, &a, &b);
    lat_stream_write(b, "220 mail.example ready\r\n", 24);
    lat_tls_connect(tls, a, "console.example", on_client, &shake);
    lat_tls_unref(tls);
    run_until(loop, &shake.both);
    assert_int_equal(shake.client_err.code, LAT_E_TLS);
    assert_non_null(strstr(shake.client_err.sentence, "does not speak TLS"));
    lat_stream_close(b);
}

static void bytes_read_before_are_handed_to_tls(void **state)
{
    struct lat_loop *loop = *state;
    struct lat_stream *a;
    struct lat_stream *b;
    struct lat_tls_config server = server_config();
    struct lat_tls_config client = client_config();
    struct lat_tls *server_tls = context(&server);
    struct lat_tls *client_tls = context(&client);
    struct shake shake = {0};
    struct probe head = {0};
    wire_connect(loop, WIRE_TCP, &a, &b);
    lat_tls_connect(client_tls, a, "console.example", on_client, &shake);
    probe_take(&head, b);
    while (head.got.len < 100)
        run_for(loop, 1);
    lat_stream_pause(b);
    lat_tls_accept(server_tls, b, head.got.bytes, head.got.len, on_server, &shake);
    run_until(loop, &shake.both);
    assert_non_null(shake.server);
    assert_non_null(shake.client);
    lat_timer_done(&head.nap);
    probe_done(&head);
    shake_done(&shake);
    lat_tls_unref(server_tls);
    lat_tls_unref(client_tls);
}

static void a_cut_off_is_no_end(void **state)
{
    struct lat_loop *loop = *state;
    struct shake shake;
    struct lat_tls_config server = server_config();
    struct lat_tls_config client = client_config();
    for (int i = 0; i < 2; i++) {
        struct probe a = {0};
        struct probe b = {0};
        shake_hands(loop, i ? WIRE_PAIR : WIRE_TCP, &server, &client, "console.example", &shake);
        probe_take(&a, shake.client);
        probe_take(&b, shake.server);
        lat_stream_write(a.stream, "half a sen", 10);
        run_for(loop, 20);
        lat_stream_close(a.stream); /* without close_notify */
        run_until(loop, &b.closed);
        assert_int_equal(b.got.len, 10);
        assert_false(b.ended);
        assert_int_equal(b.err.code, LAT_E_TLS);
        assert_non_null(strstr(b.err.sentence, "truncated"));
        probe_finish(loop, &a);
        probe_finish(loop, &b);
    }
}

static int64_t fake_wall_ms(void *arg)
{
    return *(int64_t *)arg;
}

static int64_t fake_boot_ns(void *arg)
{
    return *(int64_t *)arg * 1000000;
}

static void a_silent_peer_cannot_hold_a_handshake_open(void **state)
{
    (void)state;
    int64_t now_ms = 1;
    struct lat_clock clock = {.wall_ms = fake_wall_ms, .boot_ns = fake_boot_ns, .arg = &now_ms};
    struct lat_loop *loop = lat_loop_new(&clock);
    struct lat_tls_config server = server_config();
    struct lat_tls_config client = client_config();
    struct lat_tls *server_tls = context(&server);
    struct lat_tls *client_tls = context(&client);
    struct shake shake = {0};
    struct lat_stream *ends[4];
    lat_stream_pair(loop, &ends[0], &ends[1]);
    lat_stream_pair(loop, &ends[2], &ends[3]);
    lat_tls_accept(server_tls, ends[0], NULL, 0, on_server, &shake);
    lat_tls_connect(client_tls, ends[2], "console.example", on_client, &shake);
    while (lat_loop_turn(loop))
        continue;
    assert_int_equal(lat_loop_next_ms(loop), LAT_TLS_HANDSHAKE_MS);
    now_ms += LAT_TLS_HANDSHAKE_MS - 1;
    lat_loop_turn(loop);
    assert_int_equal(shake.told, 0);
    now_ms += 1;
    lat_loop_turn(loop);
    assert_int_equal(shake.told, 2);
    assert_int_equal(shake.server_err.code, LAT_E_TIMEOUT);
    assert_int_equal(shake.client_err.code, LAT_E_TIMEOUT);
    while (lat_loop_turn(loop))
        continue;
    now_ms += lat_loop_next_ms(loop); /* and what lingers goes too */
    lat_loop_turn(loop);
    lat_stream_close(ends[1]);
    lat_stream_close(ends[3]);
    lat_loop_free(loop);
    lat_tls_unref(server_tls);
    lat_tls_unref(client_tls);
}

static void a_handshake_can_be_given_up(void **state)
{
    struct lat_loop *loop = *state;
    struct lat_tls_config server = server_config();
    struct lat_tls_config client = client_config();
    struct lat_tls *server_tls = context(&server);
    struct lat_tls *client_tls = context(&client);
    for (int turns = 0; turns < 4; turns++) {
        struct shake shake = {0};
        struct lat_stream *a;
        struct lat_stream *b;
        lat_stream_pair(loop, &a, &b);
        struct lat_stream *coming = lat_tls_connect(client_tls, a, "console.example", on_client, &shake);
        lat_tls_accept(server_tls, b, NULL, 0, on_server, &shake);
        for (int i = 0; i < turns; i++)
            lat_loop_turn(loop);
        if (shake.client) {
            shake_done(&shake);
            continue;
        }
        lat_stream_close(coming);
        while (!shake.told)
            run_for(loop, 1);
        assert_int_equal(shake.told, 1); /* the server's, not the client's */
        assert_int_equal(shake.server_err.code, LAT_E_CLOSED);
    }
    lat_tls_unref(server_tls);
    lat_tls_unref(client_tls);
}

/* Passes so many bytes from one end to the other, then cuts the line. */
struct cutter {
    struct lat_stream *from;
    struct lat_stream *to;
    struct cutter *other;
    size_t *left;
};

static void cut_on_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct cutter *cutter = arg;
    size_t some = len < *cutter->left ? len : *cutter->left;
    if (cutter->to)
        lat_stream_write(cutter->to, bytes, some);
    *cutter->left -= some;
    if (*cutter->left == 0) {
        if (cutter->from)
            lat_stream_end(cutter->from);
        if (cutter->to)
            lat_stream_end(cutter->to);
    }
}

static void cut_on_close(void *arg, const struct lat_err *err)
{
    struct cutter *cutter = arg;
    (void)err;
    cutter->from = NULL;
    cutter->other->to = NULL;
    if (cutter->to)
        lat_stream_close(cutter->to);
}

static const struct lat_stream_events cut_events = {.on_data = cut_on_data, .on_close = cut_on_close};

static void a_handshake_that_is_cut_anywhere_ends_once(void **state)
{
    struct lat_loop *loop = *state;
    struct lat_tls_config server = server_config();
    struct lat_tls_config client = client_config();
    server.verify = LAT_TLS_VERIFY_REQUIRED;
    server.ca_pem = ca.cert_pem;
    client.cert_pem = client_cert.chain_pem;
    client.key_pem = client_cert.key_pem;
    struct lat_tls *server_tls = context(&server);
    struct lat_tls *client_tls = context(&client);
    bool whole = false;
    for (size_t cut = 1; !whole; cut += 61) {
        struct lat_stream *ends[4];
        struct shake shake = {0};
        size_t left = cut;
        struct cutter a;
        struct cutter b;
        lat_stream_pair(loop, &ends[0], &ends[1]);
        lat_stream_pair(loop, &ends[2], &ends[3]);
        a = (struct cutter){.from = ends[1], .to = ends[2], .other = &b, .left = &left};
        b = (struct cutter){.from = ends[2], .to = ends[1], .other = &a, .left = &left};
        lat_stream_set_events(ends[1], &cut_events, &a);
        lat_stream_set_events(ends[2], &cut_events, &b);
        lat_stream_resume(ends[1]);
        lat_stream_resume(ends[2]);
        lat_tls_connect(client_tls, ends[0], "console.example", on_client, &shake);
        lat_tls_accept(server_tls, ends[3], NULL, 0, on_server, &shake);
        run_until(loop, &shake.both);
        whole = left != 0;
        assert_true(!whole || (shake.server && shake.client));
        shake_done(&shake);
        while (a.from || b.from)
            run_for(loop, 1);
        assert_int_equal(shake.told, 2);
    }
    lat_tls_unref(server_tls);
    lat_tls_unref(client_tls);
}

static void half_close_works_over_tls(void **state)
{
    struct lat_loop *loop = *state;
    struct shake shake;
    struct lat_tls_config server = server_config();
    struct lat_tls_config client = client_config();
    struct probe a = {0};
    struct probe b = {0};
    shake_hands(loop, WIRE_TCP, &server, &client, "console.example", &shake);
    probe_take(&a, shake.client);
    probe_take(&b, shake.server);
    lat_stream_write(a.stream, "question", 8);
    lat_stream_end(a.stream);
    run_until(loop, &b.ended);
    assert_int_equal(b.got.len, 8);
    lat_stream_write(b.stream, "answer", 6);
    run_for(loop, 10);
    assert_int_equal(a.got.len, 6);
    assert_false(a.ended || a.closed || b.closed);
    lat_stream_end(b.stream);
    run_until(loop, &a.closed);
    run_until(loop, &b.closed);
    assert_int_equal(a.err.code, LAT_OK);
    assert_int_equal(b.err.code, LAT_OK);
    probe_done(&a);
    probe_done(&b);
}

static void a_paused_stream_holds_the_sender_back(void **state)
{
    struct lat_loop *loop = *state;
    struct shake shake;
    struct lat_tls_config server = server_config();
    struct lat_tls_config client = client_config();
    uint8_t *bytes = noise(BIG, 9);
    struct probe a = {0};
    struct probe b = {0};
    shake_hands(loop, WIRE_TCP, &server, &client, "console.example", &shake);
    probe_take(&a, shake.client);
    lat_stream_write(a.stream, bytes, BIG);
    run_for(loop, 100);
    assert_true(lat_stream_pending(a.stream) > LAT_STREAM_HIGH_WATER);
    assert_int_equal(a.drains, 0);
    probe_take(&b, shake.server);
    while (b.got.len < BIG)
        run_for(loop, 1);
    run_for(loop, 5);
    assert_int_equal(a.drains, 1);
    assert_int_equal(lat_stream_pending(a.stream), 0);
    assert_memory_equal(b.got.bytes, bytes, BIG);
    probe_finish(loop, &a);
    probe_finish(loop, &b);
    free(bytes);
}

static void close_within_on_data_works_over_tls(void **state)
{
    struct lat_loop *loop = *state;
    struct shake shake;
    struct lat_tls_config server = server_config();
    struct lat_tls_config client = client_config();
    uint8_t *bytes = noise(200000, 9);
    struct probe a = {0};
    struct probe b = {.close_on_data = true};
    shake_hands(loop, WIRE_TCP, &server, &client, "console.example", &shake);
    probe_take(&a, shake.client);
    probe_take(&b, shake.server);
    lat_stream_write(a.stream, bytes, 200000);
    run_until(loop, &b.closed);
    assert_int_equal(b.err.code, LAT_OK);
    assert_true(b.got.len <= 16384);
    probe_finish(loop, &a);
    probe_done(&b);
    free(bytes);
}

static void tls_runs_within_tls(void **state)
{
    struct lat_loop *loop = *state;
    struct shake outer;
    struct shake inner = {0};
    struct lat_tls_config server = server_config();
    struct lat_tls_config client = client_config();
    struct lat_tls *server_tls = context(&server);
    struct lat_tls *client_tls = context(&client);
    uint8_t *bytes = noise(1000000, 13);
    shake_hands(loop, WIRE_TCP, &server, &client, "console.example", &outer);
    lat_tls_accept(server_tls, outer.server, NULL, 0, on_server, &inner);
    lat_tls_connect(client_tls, outer.client, "one.apps.example", on_client, &inner);
    run_until(loop, &inner.both);
    struct probe a = {0};
    struct probe b = {.on_data = send_back, .end_on_end = true};
    probe_take(&a, inner.client);
    probe_take(&b, inner.server);
    lat_stream_write(a.stream, bytes, 1000000);
    lat_stream_end(a.stream);
    run_until(loop, &a.closed);
    run_until(loop, &b.closed);
    assert_int_equal(a.err.code, LAT_OK);
    assert_int_equal(a.got.len, 1000000);
    assert_memory_equal(a.got.bytes, bytes, 1000000);
    probe_done(&a);
    probe_done(&b);
    lat_tls_unref(server_tls);
    lat_tls_unref(client_tls);
    free(bytes);
}

static void configurations_that_verify_nothing_are_refused(void **state)
{
    (void)state;
    struct lat_tls *tls;
    struct lat_err err;
    struct lat_tls_config config = client_config();
    config.verify = LAT_TLS_VERIFY_NONE;
    assert_int_equal(lat_tls_new(&config, &tls, &err), LAT_E_INVALID);
    config.verify = LAT_TLS_VERIFY_OPTIONAL;
    assert_int_equal(lat_tls_new(&config, &tls, &err), LAT_E_INVALID);
    config = client_config();
    config.ca_pem = "";
    assert_int_equal(lat_tls_new(&config, &tls, &err), LAT_E_TLS);
    config = server_config();
    config.verify = LAT_TLS_VERIFY_REQUIRED;
    assert_int_equal(lat_tls_new(&config, &tls, &err), LAT_E_INVALID);
    config = server_config();
    config.key_pem = client_cert.key_pem;
    assert_int_equal(lat_tls_new(&config, &tls, &err), LAT_E_TLS);
    config = server_config();
    config.min_version = 11;
    assert_int_equal(lat_tls_new(&config, &tls, &err), LAT_E_INVALID);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, test_loop_setup, test_loop_teardown)
    const struct CMUnitTest tests[] = {
        T(ten_megabytes_come_back),
        T(a_server_of_an_unknown_authority_is_refused),
        T(a_wrong_name_is_refused_and_both_names_are_told),
        T(addresses_and_wildcards_are_verified),
        T(an_expired_certificate_is_refused),
        T(a_client_certificate_is_no_server),
        T(a_pinned_authority_is_enough),
        T(pinning_fails_closed),
        T(a_pinned_leaf_cannot_sign),
        T(a_client_certificate_can_be_required),
        T(a_client_is_known_by_name_and_key),
        T(the_server_chooses_the_protocol),
        T(what_is_not_tls_is_told_apart),
        T(tls_1_1_is_refused),
        T(a_client_learns_that_the_server_speaks_no_tls),
        T(bytes_read_before_are_handed_to_tls),
        T(a_cut_off_is_no_end),
        cmocka_unit_test(a_silent_peer_cannot_hold_a_handshake_open),
        T(a_handshake_can_be_given_up),
        T(a_handshake_that_is_cut_anywhere_ends_once),
        T(half_close_works_over_tls),
        T(a_paused_stream_holds_the_sender_back),
        T(close_within_on_data_works_over_tls),
        T(tls_runs_within_tls),
        T(configurations_that_verify_nothing_are_refused),
    };
    return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
