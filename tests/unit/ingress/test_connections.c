/* What happens to the bytes of a client, by protocol; and how connections end. */
#include "support.h"
#include "tests/unit/waiting.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const uint8_t ssl_request[] = {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f};
static const uint8_t gss_request[] = {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30};
static const uint8_t cancel_request[] = {0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e,
                                         0, 0, 0, 1,  0,    0,    0,    2};
static const uint8_t startup[] = {0, 0, 0, 9, 0, 3, 0, 0, 0};

/* An endpoint of that protocol with an instance that runs. */
static int open_endpoint(struct gate *gate, const char *protocol, bool plain)
{
    char id[LAT_ID_SIZE], instance[LAT_ID_SIZE];

    add_endpoint(gate, "main", protocol, plain, id);
    add_instance(gate, "running", instance);
    return await_port(gate, id);
}

/* Says something both ways, and ends it from the client's side. */
static void converse(struct gate *gate, struct client *client)
{
    size_t before = client->got.len;

    client_write(client, "ping", 4);
    agent_await(gate, 4);
    assert_memory_equal(gate->agent->got.bytes, "ping", 4);
    lat_stream_write(gate->agent->stream, "pong!", 5);
    client_await(client, before + 5);
    assert_memory_equal(client->got.bytes + before, "pong!", 5);
    lat_stream_close(client->stream);
    client_await_closed(client);
    run_until(gate->console->bed, &gate->agent->stream_closed);
}

static void plain_bytes_are_relayed_both_ways(void **state)
{
    struct gate *gate = *state;
    struct client *client = client_connect(gate, open_endpoint(gate, "tcp", true));

    converse(gate, client);
    client_free(client);
}

static void redis_and_http_are_encrypted_from_the_first_byte(void **state)
{
    static const char *const protocols[] = {"redis", "http", "tcp"};

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(protocols); i++) {
        struct client *client;
        struct gate *gate;
        void *opened;

        gate_open(&opened);
        gate = opened;
        client = client_connect(gate, open_endpoint(gate, protocols[i], false));
        client_encrypt(client);
        converse(gate, client);
        client_free(client);
        gate_close(&opened);
    }
}

static void what_is_not_tls_does_not_reach_the_node(void **state)
{
    struct gate *gate = *state;
    struct client *client = client_connect(gate, open_endpoint(gate, "redis", false));

    client_write(client, "PING\r\n", 6);
    client_await_closed(client);
    assert_int_equal(gate->agent->header.len, 0);
    client_free(client);
}

static void a_client_that_goes_during_the_handshake_leaves_nothing(void **state)
{
    struct gate *gate = *state;
    struct client *client = client_connect(gate, open_endpoint(gate, "redis", false));

    lat_stream_close(client->stream);
    client_await_closed(client);
    run_for(gate->console->loop, 20);
    assert_int_equal(metric(gate->console, "lattice_endpoint_connections"), 0);
    client_free(client);
}

/* ---- PostgreSQL ---- */

static void postgres_asks_for_encryption_and_gets_it(void **state)
{
    struct gate *gate = *state;
    struct client *client = client_connect(gate, open_endpoint(gate, "postgres", false));

    client_write(client, ssl_request, 3); /* in two pieces */
    run_for(gate->console->loop, 5);
    client_write(client, ssl_request + 3, sizeof(ssl_request) - 3);
    client_await(client, 1);
    assert_int_equal(client->got.bytes[0], 'S');
    client_encrypt(client);
    converse(gate, client);
    client_free(client);
}

static void postgres_may_ask_for_another_encryption_first(void **state)
{
    struct gate *gate = *state;
    struct client *client = client_connect(gate, open_endpoint(gate, "postgres", false));

    client_write(client, gss_request, sizeof(gss_request));
    client_await(client, 1);
    assert_int_equal(client->got.bytes[0], 'N');
    client_write(client, ssl_request, sizeof(ssl_request));
    client_await(client, 2);
    assert_int_equal(client->got.bytes[1], 'S');
    client_encrypt(client);
    converse(gate, client);
    client_free(client);
}

static void postgres_in_clear_is_refused_with_a_reason(void **state)
{
    struct gate *gate = *state;
    struct client *client = client_connect(gate, open_endpoint(gate, "postgres", false));

    client_write(client, startup, sizeof(startup));
    client_await_closed(client);
    assert_true(client->ended);
    assert_int_equal(client->got.bytes[0], 'E');
    assert_int_equal(gate->agent->header.len, 0);
    client_free(client);
}

static void postgres_in_clear_is_relayed_where_the_endpoint_is_plain(void **state)
{
    struct gate *gate = *state;
    struct client *client = client_connect(gate, open_endpoint(gate, "postgres", true));

    client_write(client, startup, sizeof(startup));
    agent_await(gate, sizeof(startup));
    lat_buf_clear(&gate->agent->got);
    converse(gate, client);
    client_free(client);
}

static void a_cancel_of_postgres_is_relayed_whole(void **state)
{
    struct gate *gate = *state;
    struct client *client = client_connect(gate, open_endpoint(gate, "postgres", false));

    client_write(client, cancel_request, 12);
    run_for(gate->console->loop, 5);
    client_write(client, cancel_request + 12, 4);
    agent_await(gate, sizeof(cancel_request));
    assert_memory_equal(gate->agent->got.bytes, cancel_request, sizeof(cancel_request));
    client_free(client);
}

static void what_is_not_postgres_is_closed(void **state)
{
    static const char *const words[] = {"GET / HTTP/1.1\r\n\r\n",
                                        "\x16\x03\x01\x02\x01\x01\x01\x01\x01"};

    for (size_t i = 0; i < LAT_COUNT(words); i++) {
        struct gate *gate = *state;
        struct client *client;
        static int port;

        port = i == 0 ? open_endpoint(gate, "postgres", false) : port;
        client = client_connect(gate, port);
        client_write(client, words[i], strlen(words[i]));
        client_await_closed(client);
        assert_int_equal(gate->agent->header.len, 0);
        client_free(client);
    }
}

static void a_client_of_postgres_that_says_little_and_goes_leaves_nothing(void **state)
{
    struct gate *gate = *state;
    struct client *client = client_connect(gate, open_endpoint(gate, "postgres", false));

    client_write(client, ssl_request, 5);
    run_for(gate->console->loop, 5);
    client_free(client);
    run_for(gate->console->loop, 20);
    assert_int_equal(metric(gate->console, "lattice_endpoint_connections"), 0);
}

/* ---- ends ---- */

static void await_open(struct gate *gate, int64_t connections)
{
    for (int i = 0;
         i < WAITING_MS && metric(gate->console, "lattice_endpoint_connections") != connections;
         i++) {
        run_for(gate->console->loop, 1);
    }
    assert_int_equal(metric(gate->console, "lattice_endpoint_connections"), connections);
}

static void a_refusal_of_the_node_closes_the_client(void **state)
{
    struct gate *gate = *state;
    int port = open_endpoint(gate, "tcp", true);
    struct client *client;

    gate->agent->answer = AGENT_REFUSES;
    client = client_connect(gate, port);
    client_await_closed(client);
    client_free(client);
}

static void a_node_that_never_answers_keeps_no_client(void **state)
{
    struct gate *gate = *state;

    ingress_stop(gate);
    gate->answer_ms = 50;
    ingress_start(gate);
    int port = open_endpoint(gate, "tcp", true);
    struct client *early = client_connect(gate, port);

    agent_await_stream(gate);
    run_for(gate->console->loop, 200);
    converse(gate, early); /* it was answered: the time is not for its life */
    gate->agent->answer = AGENT_WAITS;
    struct client *client = client_connect(gate, port);

    client_write(client, "hello", 5);
    client_await_closed(client);
    assert_int_equal(client->err.code, 0);
    client_free(client);
    client_free(early);
}

static void a_link_that_breaks_closes_its_clients(void **state)
{
    struct gate *gate = *state;
    struct client *client = client_connect(gate, open_endpoint(gate, "tcp", true));

    agent_await_stream(gate);
    lat_link_close(gate->agent->link, NULL);
    client_await_closed(client);
    client_free(client);
}

static void a_half_close_is_handed_on(void **state)
{
    struct gate *gate = *state;
    struct client *client = client_connect(gate, open_endpoint(gate, "tcp", true));

    client_write(client, "last words", 10);
    lat_stream_end(client->stream);
    agent_await(gate, 10);
    run_until(gate->console->bed,
              &client->ended); /* the scripted agent ends its side when it hears of it */
    client_await_closed(client);
    client_free(client);
}

static void closing_does_not_wait_for_anybody(void **state)
{
    struct gate *gate = *state;
    char ids[3][LAT_ID_SIZE], instance[LAT_ID_SIZE];
    struct client *clients[3];

    add_endpoint(gate, "relayed", "tcp", true, ids[0]);
    add_endpoint(gate, "shaking", "redis", false, ids[1]);
    add_endpoint(gate, "silent", "postgres", false, ids[2]);
    add_instance(gate, "running", instance);
    for (int i = 0; i < 3; i++) {
        clients[i] = client_connect(gate, await_port(gate, ids[i]));
    }
    agent_await_stream(gate);
    await_open(gate, 3);
    assert_in_range(ingress_stop(gate), 0, 2000);
    for (int i = 0; i < 3; i++) {
        client_await_closed(clients[i]);
        client_free(clients[i]);
    }
    assert_int_equal(metric(gate->console, "lattice_endpoint_connections"), 0);
}

static void closing_leaves_nothing_of_what_is_under_way(void **state)
{
    struct gate *gate = *state;
    char id[LAT_ID_SIZE];
    int port = open_endpoint(gate, "tcp", true);
    struct client *client = client_connect(gate, port); /* accepted, perhaps not yet handed over */

    add_endpoint(gate, "next", "tcp", true, id); /* perhaps not yet opened */
    ingress_stop(gate);
    client_await_closed(client);
    client_free(client);
}

static void a_new_certificate_is_for_new_connections(void **state)
{
    struct gate *gate = *state;
    int port = open_endpoint(gate, "redis", false);
    struct client *old = client_connect(gate, port);
    struct client *new;
    struct lat_tls_config config = {.server = true, .min_version = 12};
    struct test_cert renewed;
    struct lat_tls *tls;
    struct lat_err err;

    client_encrypt(old);
    test_cert_server(&renewed, &gate->authority, "DNS:gate.test");
    config.cert_pem = renewed.chain_pem;
    config.key_pem = renewed.key_pem;
    assert_int_equal(lat_tls_new(&config, &tls, &err), 0);
    lat_ingress_set_tls(gate->ingress, tls);
    lat_tls_unref(tls);
    new = client_connect(gate, port);
    client_encrypt(new);
    converse(gate, new);
    assert_false(old->closed);
    client_free(old);
    client_free(new);
    test_cert_done(&renewed);
}

/* ---- the limit ---- */

/* Opens as many connections as one loop takes; false where this machine does not allow so many descriptors. */
static bool fill(struct gate *gate, int port, int *fds)
{
    enum { DESCRIPTORS = 2 * LAT_INGRESS_CONNECTIONS_MAX + 200 };
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)},
                                  .sin_port = htons((uint16_t)port)};
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < DESCRIPTORS) {
        return false;
    }
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < LAT_INGRESS_CONNECTIONS_MAX; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fds[i], (struct sockaddr *)&address, sizeof(address)), 0);
        if (i % 64 == 63) { /* so that the system's queue does not fill up */
            await_open(gate, i + 1);
        }
    }
    return true;
}

static void empty(int *fds)
{
    for (int i = 0; i < LAT_INGRESS_CONNECTIONS_MAX; i++) {
        close(fds[i]);
    }
    free(fds);
}

static void one_past_the_limit_takes_the_place_of_one_that_says_nothing(void **state)
{
    struct gate *gate = *state;
    int *fds = lat_alloc_array(LAT_INGRESS_CONNECTIONS_MAX, sizeof(*fds));
    struct client *client;
    char byte;
    int port = open_endpoint(gate, "postgres", false);

    if (!fill(gate, port, fds)) {
        free(fds);
        skip();
    }
    client = client_connect(gate, port);
    client_write(client, ssl_request, sizeof(ssl_request));
    client_await(client, 1);
    await_open(gate, LAT_INGRESS_CONNECTIONS_MAX);
    assert_int_equal(recv(fds[0], &byte, 1, MSG_DONTWAIT), 0);  /* the first one had to go */
    assert_int_equal(recv(fds[1], &byte, 1, MSG_DONTWAIT), -1); /* and no other */
    client_free(client);
    empty(fds);
}

static void one_past_the_limit_is_closed_where_all_have_come_through(void **state)
{
    struct gate *gate = *state;
    int *fds = lat_alloc_array(LAT_INGRESS_CONNECTIONS_MAX, sizeof(*fds));
    struct client *client;
    int port = open_endpoint(gate, "tcp", true);

    if (!fill(gate, port, fds)) {
        free(fds);
        skip();
    }
    client = client_connect(gate, port);
    client_await_closed(client);
    client_free(client);
    close(fds[0]);
    await_open(gate, LAT_INGRESS_CONNECTIONS_MAX - 1);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    client = client_connect(gate, port); /* there is room again */
    client_write(client, "ping", 4);
    agent_await(gate, 4);
    client_free(client);
    empty(fds);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, gate_open, gate_close)
    const struct CMUnitTest tests[] = {
        TEST(plain_bytes_are_relayed_both_ways),
        cmocka_unit_test(redis_and_http_are_encrypted_from_the_first_byte),
        TEST(what_is_not_tls_does_not_reach_the_node),
        TEST(a_client_that_goes_during_the_handshake_leaves_nothing),
        TEST(postgres_asks_for_encryption_and_gets_it),
        TEST(postgres_may_ask_for_another_encryption_first),
        TEST(postgres_in_clear_is_refused_with_a_reason),
        TEST(postgres_in_clear_is_relayed_where_the_endpoint_is_plain),
        TEST(a_cancel_of_postgres_is_relayed_whole),
        TEST(what_is_not_postgres_is_closed),
        TEST(a_client_of_postgres_that_says_little_and_goes_leaves_nothing),
        TEST(a_refusal_of_the_node_closes_the_client),
        TEST(a_node_that_never_answers_keeps_no_client),
        TEST(a_link_that_breaks_closes_its_clients),
        TEST(a_half_close_is_handed_on),
        TEST(closing_does_not_wait_for_anybody),
        TEST(closing_leaves_nothing_of_what_is_under_way),
        TEST(a_new_certificate_is_for_new_connections),
        TEST(one_past_the_limit_takes_the_place_of_one_that_says_nothing),
        TEST(one_past_the_limit_is_closed_where_all_have_come_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
