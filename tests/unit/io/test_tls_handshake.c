#include "tls_support.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

static void the_server_chooses_the_protocol(void **state)
{
    static const char *const ours[] = {"lattice-link", "http/1.1", NULL};
    static const char *const theirs[] = {"h2", "http/1.1", "lattice-link", NULL};
    static const char *const strange[] = {"h2", NULL};
    struct shake shake;
    struct lat_tls_config server = tls_server_config();
    struct lat_tls_config client = tls_client_config();
    server.alpn = ours;
    client.alpn = theirs;
    tls_shake(*state, WIRE_TCP, &server, &client, "console.example", &shake);
    assert_string_equal(lat_tls_alpn(shake.server), "lattice-link");
    assert_string_equal(lat_tls_alpn(shake.client), "lattice-link");
    tls_shake_done(&shake);

    client.alpn = NULL;
    tls_shake(*state, WIRE_TCP, &server, &client, "console.example", &shake);
    assert_string_equal(lat_tls_alpn(shake.server), "");
    assert_string_equal(lat_tls_alpn(shake.client), "");
    tls_shake_done(&shake);

    client.alpn = strange;
    tls_client_refuses(*state, &server, &client, "console.example", "none of our protocols");
    tls_shake(*state, WIRE_TCP, &server, &client, "console.example", &shake);
    assert_non_null(strstr(shake.server_err.sentence, "no protocol (ALPN)"));
    tls_shake_done(&shake);
}

/* Puts raw bytes on the wire of a TLS server; returns what the server said. */
static struct lat_err say_to_server(struct lat_loop *loop, const void *bytes, size_t len, bool end,
                                    bool alert)
{
    struct lat_stream *a;
    struct lat_stream *b;
    struct lat_tls_config config = tls_server_config();
    struct lat_tls *tls = tls_context(&config);
    struct shake shake = {0};
    struct probe probe = {0};
    shake.told = 1;
    wire_connect(loop, WIRE_TCP, &a, &b);
    lat_tls_accept(tls, b, NULL, 0, tls_on_server, &shake);
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
    struct lat_tls_config config = tls_client_config();
    struct lat_tls *tls = tls_context(&config);
    struct shake shake = {.told = 1};
    wire_connect(loop, WIRE_TCP, &a, &b);
    lat_stream_write(b, "220 mail.example ready\r\n", 24);
    lat_tls_connect(tls, a, "console.example", tls_on_client, &shake);
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
    struct lat_tls_config server = tls_server_config();
    struct lat_tls_config client = tls_client_config();
    struct lat_tls *server_tls = tls_context(&server);
    struct lat_tls *client_tls = tls_context(&client);
    struct shake shake = {0};
    struct probe head = {0};
    wire_connect(loop, WIRE_TCP, &a, &b);
    lat_tls_connect(client_tls, a, "console.example", tls_on_client, &shake);
    probe_take(&head, b);
    while (head.got.len < 100)
        run_for(loop, 1);
    lat_stream_pause(b);
    lat_tls_accept(server_tls, b, head.got.bytes, head.got.len, tls_on_server, &shake);
    run_until(loop, &shake.both);
    assert_non_null(shake.server);
    assert_non_null(shake.client);
    lat_timer_done(&head.nap);
    probe_done(&head);
    tls_shake_done(&shake);
    lat_tls_unref(server_tls);
    lat_tls_unref(client_tls);
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
    struct lat_tls_config server = tls_server_config();
    struct lat_tls_config client = tls_client_config();
    struct lat_tls *server_tls = tls_context(&server);
    struct lat_tls *client_tls = tls_context(&client);
    struct shake shake = {0};
    struct lat_stream *ends[4];
    lat_stream_pair(loop, &ends[0], &ends[1]);
    lat_stream_pair(loop, &ends[2], &ends[3]);
    lat_tls_accept(server_tls, ends[0], NULL, 0, tls_on_server, &shake);
    lat_tls_connect(client_tls, ends[2], "console.example", tls_on_client, &shake);
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
    struct lat_tls_config server = tls_server_config();
    struct lat_tls_config client = tls_client_config();
    struct lat_tls *server_tls = tls_context(&server);
    struct lat_tls *client_tls = tls_context(&client);
    for (int turns = 0; turns < 4; turns++) {
        struct shake shake = {0};
        struct lat_stream *a;
        struct lat_stream *b;
        lat_stream_pair(loop, &a, &b);
        struct lat_stream *coming =
            lat_tls_connect(client_tls, a, "console.example", tls_on_client, &shake);
        lat_tls_accept(server_tls, b, NULL, 0, tls_on_server, &shake);
        for (int i = 0; i < turns; i++)
            lat_loop_turn(loop);
        if (shake.client) {
            tls_shake_done(&shake);
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

static const struct lat_stream_events cut_events = {.on_data = cut_on_data,
                                                    .on_close = cut_on_close};

static void a_handshake_that_is_cut_anywhere_ends_once(void **state)
{
    struct lat_loop *loop = *state;
    struct lat_tls_config server = tls_server_config();
    struct lat_tls_config client = tls_client_config();
    server.verify = LAT_TLS_VERIFY_REQUIRED;
    server.ca_pem = tls_ca.cert_pem;
    client.cert_pem = tls_client_cert.chain_pem;
    client.key_pem = tls_client_cert.key_pem;
    struct lat_tls *server_tls = tls_context(&server);
    struct lat_tls *client_tls = tls_context(&client);
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
        lat_tls_connect(client_tls, ends[0], "console.example", tls_on_client, &shake);
        lat_tls_accept(server_tls, ends[3], NULL, 0, tls_on_server, &shake);
        run_until(loop, &shake.both);
        whole = left != 0;
        assert_true(!whole || (shake.server && shake.client));
        tls_shake_done(&shake);
        while (a.from || b.from)
            run_for(loop, 1);
        assert_int_equal(shake.told, 2);
    }
    lat_tls_unref(server_tls);
    lat_tls_unref(client_tls);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, test_loop_setup, test_loop_teardown)
    const struct CMUnitTest tests[] = {
        T(the_server_chooses_the_protocol),
        T(what_is_not_tls_is_told_apart),
        T(tls_1_1_is_refused),
        T(a_client_learns_that_the_server_speaks_no_tls),
        T(bytes_read_before_are_handed_to_tls),
        cmocka_unit_test(a_silent_peer_cannot_hold_a_handshake_open),
        T(a_handshake_can_be_given_up),
        T(a_handshake_that_is_cut_anywhere_ends_once),
    };
    return cmocka_run_group_tests(tests, tls_test_setup, tls_test_teardown);
}
