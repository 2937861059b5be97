#include "tls_support.h"

#include <stdlib.h>
#include <string.h>

static void a_server_of_an_unknown_authority_is_refused(void **state)
{
    struct test_cert other;
    test_cert_authority(&other, "Other authority");
    struct lat_tls_config server = tls_server_config();
    struct lat_tls_config client = tls_client_config();
    client.ca_pem = other.cert_pem;
    tls_client_refuses(*state, &server, &client, "console.example", "authority");
    test_cert_done(&other);
}

static void a_wrong_name_is_refused_and_both_names_are_told(void **state)
{
    struct lat_tls_config server = tls_server_config();
    struct lat_tls_config client = tls_client_config();
    tls_client_refuses(*state, &server, &client, "evil.example", "'console.example'");
    tls_client_refuses(*state, &server, &client, "evil.example", "not for 'evil.example'");
    tls_client_refuses(*state, &server, &client, "127.0.0.2", "not for '127.0.0.2'");
    tls_client_refuses(*state, &server, &client, "a.b.apps.example", "not for");
}

static void addresses_and_wildcards_are_verified(void **state)
{
    static const char *const names[] = {"127.0.0.1", "one.apps.example", "CONSOLE.example"};
    for (size_t i = 0; i < LAT_COUNT(names); i++) {
        struct shake shake;
        struct lat_tls_config server = tls_server_config();
        struct lat_tls_config client = tls_client_config();
        tls_shake(*state, WIRE_TCP, &server, &client, names[i], &shake);
        assert_non_null(shake.client);
        assert_string_equal(lat_tls_server_name(shake.server), i == 0 ? "" : names[i]);
        tls_shake_done(&shake);
    }
}

static void an_expired_certificate_is_refused(void **state)
{
    struct test_cert old;
    test_cert_make(&old, &(struct test_cert_options){.common_name = "server",
                                                     .names = "DNS:console.example",
                                                     .issuer = &tls_ca,
                                                     .starts_s = -7200,
                                                     .ends_s = -3600});
    struct lat_tls_config server = tls_server_config();
    struct lat_tls_config client = tls_client_config();
    server.cert_pem = old.chain_pem;
    server.key_pem = old.key_pem;
    tls_client_refuses(*state, &server, &client, "console.example", "expired at 20");
    test_cert_done(&old);
}

/* A loop's clock whose wall time is off; its boot time is the real one. */
static int64_t shifted_wall_ms(void *arg)
{
    return lat_clock_wall_ms(lat_clock_system()) + *(const int64_t *)arg;
}

static int64_t real_boot_ns(void *arg)
{
    (void)arg;
    return lat_clock_boot_ns(lat_clock_system());
}

static void shake_off_by(int64_t shift_ms, const struct test_cert *cert, bool is_taken)
{
    struct lat_clock clock = {
        .wall_ms = shifted_wall_ms, .boot_ns = real_boot_ns, .is_live = true, .arg = &shift_ms};
    struct lat_loop *loop = lat_loop_new(&clock);
    struct lat_tls_config server = tls_server_config();
    struct lat_tls_config clients[] = {tls_client_config(),
                                       {.verify = LAT_TLS_VERIFY_PINNED, .min_version = 13}};
    memcpy(clients[1].pin, tls_ca.digest, sizeof(clients[1].pin));
    server.cert_pem = cert->chain_pem;
    server.key_pem = cert->key_pem;
    for (size_t i = 0; i < LAT_COUNT(clients); i++) {
        struct shake shake;
        tls_shake(loop, WIRE_TCP, &server, &clients[i], "console.example", &shake);
        assert_int_equal(shake.client != NULL, is_taken);
        tls_shake_done(&shake);
    }
    lat_loop_free(loop);
}

static void a_certificate_is_in_its_time_by_either_clock(void **state)
{
    struct test_cert old;
    struct test_cert young;
    (void)state;
    test_cert_make(&old, &(struct test_cert_options){.common_name = "server",
                                                     .names = "DNS:console.example",
                                                     .issuer = &tls_ca,
                                                     .starts_s = -7200,
                                                     .ends_s = -3600});
    test_cert_make(&young, &(struct test_cert_options){.common_name = "server",
                                                       .names = "DNS:console.example",
                                                       .issuer = &tls_ca,
                                                       .starts_s = 3600,
                                                       .ends_s = 7200});
    shake_off_by(-5400 * 1000, &old, true); /* the system's clock has jumped; the loop's has not */
    shake_off_by(0, &old, false);
    shake_off_by(5400 * 1000, &young, true);
    shake_off_by(0, &young, false);
    shake_off_by(86400 * 365 * INT64_C(1000), &tls_server_cert, true); /* the other way round */
    shake_off_by(86400 * 365 * INT64_C(1000), &old, false);
    shake_off_by(-86400 * 365 * INT64_C(1000), &young, false);
    test_cert_done(&old);
    test_cert_done(&young);
}

static void a_client_certificate_is_no_server(void **state)
{
    struct lat_tls_config server = tls_server_config();
    struct lat_tls_config client = tls_client_config();
    server.cert_pem = tls_client_cert.chain_pem;
    server.key_pem = tls_client_cert.key_pem;
    tls_client_refuses(*state, &server, &client, "node-7", "not meant for a TLS server");
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
    struct lat_tls_config server = tls_server_config();
    struct lat_tls_config client = pinned_config(&tls_ca);
    tls_shake(*state, WIRE_TCP, &server, &client, "console.example", &shake);
    assert_non_null(shake.client);
    char *pem = lat_tls_peer_authority_pem(shake.client);
    assert_string_equal(pem, tls_ca.cert_pem);
    free(pem);
    assert_null(lat_tls_peer_authority_pem(shake.server));
    tls_shake_done(&shake);
}

static void pinning_fails_closed(void **state)
{
    struct lat_loop *loop = *state;
    struct test_cert other;
    struct test_cert forged;
    struct test_cert old;
    struct lat_tls_config server = tls_server_config();
    struct lat_tls_config client = pinned_config(&tls_ca);
    tls_client_refuses(loop, &server, &client, "evil.example", "not for 'evil.example'");

    test_cert_authority(&other, "Test authority"); /* the same name, another key */
    test_cert_server(&forged, &other, "DNS:console.example");
    server.cert_pem = forged.chain_pem;
    server.key_pem = forged.key_pem;
    tls_client_refuses(loop, &server, &client, "console.example", "not the one that was pinned");

    /* The pinned certificate is in the chain, but did not sign the server's. */
    struct lat_buf chain = {0};
    lat_buf_add_text(&chain, forged.cert_pem);
    lat_buf_add_text(&chain, tls_ca.cert_pem);
    server.cert_pem = lat_buf_text(&chain);
    tls_client_refuses(loop, &server, &client, "console.example", "");
    lat_buf_add_text(&chain, other.cert_pem);
    server.cert_pem = lat_buf_text(&chain);
    tls_client_refuses(loop, &server, &client, "console.example", "");
    lat_buf_done(&chain);

    server.cert_pem = tls_server_cert.cert_pem; /* without the authority */
    server.key_pem = tls_server_cert.key_pem;
    tls_client_refuses(loop, &server, &client, "console.example", "not the one that was pinned");

    test_cert_make(&old, &(struct test_cert_options){.common_name = "server",
                                                     .names = "DNS:console.example",
                                                     .issuer = &tls_ca,
                                                     .starts_s = -7200,
                                                     .ends_s = -3600});
    server.cert_pem = old.chain_pem;
    server.key_pem = old.key_pem;
    tls_client_refuses(loop, &server, &client, "console.example", "expired");
    test_cert_done(&other);
    test_cert_done(&forged);
    test_cert_done(&old);
}

static void a_pinned_leaf_cannot_sign(void **state)
{
    /* Whoever has the pinned certificate's key may not make others with it unless it is an authority. */
    struct test_cert child;
    test_cert_server(&child, &tls_server_cert, "DNS:console.example");
    struct lat_tls_config server = tls_server_config();
    struct lat_tls_config client = pinned_config(&tls_server_cert);
    server.cert_pem = child.chain_pem;
    server.key_pem = child.key_pem;
    tls_client_refuses(*state, &server, &client, "console.example", "");
    test_cert_done(&child);
}

/* Waits until the client learns that the server refused it (in TLS 1.3 after its own part is done). */
static void server_refuses(struct lat_loop *loop, const struct lat_tls_config *server,
                           const struct lat_tls_config *client, const char *server_text,
                           const char *client_text)
{
    struct shake shake;
    tls_shake(loop, WIRE_TCP, server, client, "console.example", &shake);
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
        struct lat_tls_config server = tls_server_config();
        struct lat_tls_config client = tls_client_config();
        struct test_cert other;
        struct test_cert stranger;
        server.verify = LAT_TLS_VERIFY_REQUIRED;
        server.ca_pem = tls_ca.cert_pem;
        server.min_version = version;
        server_refuses(loop, &server, &client, "no certificate",
                       version == 13 ? "requires a client certificate" : "");

        test_cert_authority(&other, "Other authority");
        test_cert_client(&stranger, &other, "node-7");
        client.cert_pem = stranger.chain_pem;
        client.key_pem = stranger.key_pem;
        server_refuses(loop, &server, &client, "authority of the client's certificate",
                       "authority");

        client.cert_pem =
            tls_server_cert.chain_pem; /* a server's certificate is none for a client */
        client.key_pem = tls_server_cert.key_pem;
        server_refuses(loop, &server, &client, "not meant for a TLS client", "");
        test_cert_done(&other);
        test_cert_done(&stranger);
    }
}

static void a_client_is_known_by_name_and_key(void **state)
{
    struct shake shake;
    struct lat_tls_config server = tls_server_config();
    struct lat_tls_config client = tls_client_config();
    char name[64];
    uint8_t digest[LAT_TLS_DIGEST_SIZE];
    server.verify = LAT_TLS_VERIFY_OPTIONAL;
    server.ca_pem = tls_ca.cert_pem;
    tls_shake(*state, WIRE_TCP, &server, &client, "console.example", &shake);
    assert_non_null(shake.server);
    assert_false(lat_tls_peer_identity(shake.server, name, sizeof(name), digest));
    assert_true(lat_tls_peer_identity(shake.client, name, sizeof(name), digest));
    assert_string_equal(name, "server");
    tls_shake_done(&shake);

    client.cert_pem = tls_client_cert.chain_pem;
    client.key_pem = tls_client_cert.key_pem;
    tls_shake(*state, WIRE_TCP, &server, &client, "console.example", &shake);
    assert_non_null(shake.server);
    assert_true(lat_tls_peer_identity(shake.server, name, sizeof(name), digest));
    assert_string_equal(name, "node-7");
    assert_memory_equal(digest, tls_client_cert.key_digest, sizeof(digest));
    tls_shake_done(&shake);
}

static void configurations_that_verify_nothing_are_refused(void **state)
{
    (void)state;
    struct lat_tls *tls;
    struct lat_err err;
    struct lat_tls_config config = tls_client_config();
    config.verify = LAT_TLS_VERIFY_NONE;
    assert_int_equal(lat_tls_new(&config, &tls, &err), LAT_E_INVALID);
    config.verify = LAT_TLS_VERIFY_OPTIONAL;
    assert_int_equal(lat_tls_new(&config, &tls, &err), LAT_E_INVALID);
    config = tls_client_config();
    config.ca_pem = "";
    assert_int_equal(lat_tls_new(&config, &tls, &err), LAT_E_TLS);
    config = tls_server_config();
    config.verify = LAT_TLS_VERIFY_REQUIRED;
    assert_int_equal(lat_tls_new(&config, &tls, &err), LAT_E_INVALID);
    config = tls_server_config();
    config.key_pem = tls_client_cert.key_pem;
    assert_int_equal(lat_tls_new(&config, &tls, &err), LAT_E_TLS);
    config = tls_server_config();
    config.min_version = 11;
    assert_int_equal(lat_tls_new(&config, &tls, &err), LAT_E_INVALID);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, test_loop_setup, test_loop_teardown)
    const struct CMUnitTest tests[] = {
        T(a_server_of_an_unknown_authority_is_refused),
        T(a_wrong_name_is_refused_and_both_names_are_told),
        T(addresses_and_wildcards_are_verified),
        T(an_expired_certificate_is_refused),
        T(a_certificate_is_in_its_time_by_either_clock),
        T(a_client_certificate_is_no_server),
        T(a_pinned_authority_is_enough),
        T(pinning_fails_closed),
        T(a_pinned_leaf_cannot_sign),
        T(a_client_certificate_can_be_required),
        T(a_client_is_known_by_name_and_key),
        T(configurations_that_verify_nothing_are_refused),
    };
    return cmocka_run_group_tests(tests, tls_test_setup, tls_test_teardown);
}
