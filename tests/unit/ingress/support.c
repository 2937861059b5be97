#include "support.h"
#include "tests/unit/waiting.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 8000, FIRST_PORT = 21000, BLOCKS = 1500 };

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

/* ---- the gate ---- */

void ingress_start(struct gate *gate)
{
    struct lat_loop *loops[] = {gate->console->loop};

    gate->ingress =
        lat_ingress_new(&(struct lat_ingress_config){.loop = gate->console->loop,
                                                     .io_loops = loops,
                                                     .io_loop_count = 1,
                                                     .store = gate->console->store,
                                                     .directory = gate->console->directory,
                                                     .tls = gate->tls,
                                                     .metrics = gate->console->bed->metrics,
                                                     .answer_ms = gate->answer_ms,
                                                     .host = "127.0.0.1",
                                                     .port_min = gate->port_min,
                                                     .port_max = gate->port_min + PORTS - 1});
}

int64_t ingress_stop(struct gate *gate)
{
    int64_t begun = lat_clock_boot_ms(lat_clock_system());
    bool closed = false;

    lat_ingress_close(gate->ingress, set_true, &closed);
    gate->ingress = NULL;
    run_until(gate->console->bed, &closed);
    return lat_clock_boot_ms(lat_clock_system()) - begun;
}

bool is_listening(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool answers = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

    close(fd);
    return answers;
}

/* Tests that run at the same time take other ports. */
static int find_ports(void)
{
    for (int block = getpid() % BLOCKS;; block = (block + 1) % BLOCKS) {
        int first = FIRST_PORT + block * PORTS;
        bool free_ports = true;

        for (int i = 0; i < PORTS; i++) {
            free_ports &= !is_listening(first + i);
        }
        if (free_ports) {
            return first;
        }
    }
}

int gate_open(void **state)
{
    struct gate *gate = LAT_NEW(struct gate);
    struct lat_tls_config server = {.server = true, .min_version = 12};
    struct lat_tls_config client = {.verify = LAT_TLS_VERIFY_REQUIRED, .min_version = 12};
    struct lat_err err;
    void *console;

    console_open(&console);
    gate->console = console;
    gate->agent = agent_welcomed(gate->console);
    agent_say_node(gate->agent, "27.0", "");
    await_node(gate->console, "ready");
    test_cert_authority(&gate->authority, "Test");
    test_cert_server(&gate->server, &gate->authority, "DNS:gate.test");
    server.cert_pem = gate->server.chain_pem;
    server.key_pem = gate->server.key_pem;
    client.ca_pem = gate->authority.cert_pem;
    assert_int_equal(lat_tls_new(&server, &gate->tls, &err), 0);
    assert_int_equal(lat_tls_new(&client, &gate->trusting, &err), 0);
    gate->port_min = find_ports();
    ingress_start(gate);
    *state = gate;
    return 0;
}

int gate_close(void **state)
{
    struct gate *gate = *state;
    void *console = gate->console;

    if (gate->ingress) {
        ingress_stop(gate);
    }
    agent_free(gate->agent);
    lat_tls_unref(gate->tls);
    lat_tls_unref(gate->trusting);
    test_cert_done(&gate->server);
    test_cert_done(&gate->authority);
    free(gate);
    console_close(&console);
    return 0;
}

/* ---- rows ---- */

void add_endpoint(struct gate *gate, const char *name, const char *protocol, bool plain,
                  char ret_id[LAT_ID_SIZE])
{
    struct lat_txn *txn = lat_txn_begin(gate->console->store, "");
    struct lat_endpoint *endpoint = lat_endpoint_new();

    lat_row_set(endpoint->workload_id, gate->console->workload);
    lat_row_set(endpoint->name, name);
    lat_row_set(endpoint->protocol, protocol);
    lat_row_set(endpoint->port_name, "main");
    endpoint->public = true;
    endpoint->plain = plain;
    lat_text_bound(ret_id, LAT_ID_SIZE, lat_txn_put(txn, &endpoint->row)->id);
    commit_now(gate->console->bed, txn);
}

int await_port(struct gate *gate, const char *endpoint)
{
    for (int i = 0; i < WAITING_MS && lat_store_endpoint(gate->console->store, endpoint)->port == 0;
         i++) {
        run_for(gate->console->loop, 1);
    }
    assert_true(lat_store_endpoint(gate->console->store, endpoint)->port > 0);
    return (int)lat_store_endpoint(gate->console->store, endpoint)->port;
}

void add_instance(struct gate *gate, const char *status, char ret_id[LAT_ID_SIZE])
{
    make_allocation(gate->console, gate->console->node, ret_id);
    agent_say_observed(gate->agent, ret_id, 1, status, "", "{}");
    await_allocation(gate->console, ret_id, status);
    run_for(gate->console->loop, 5); /* the acceptor hears of it */
}

void remove_row(struct gate *gate, int table, const char *id)
{
    struct lat_txn *txn = lat_txn_begin(gate->console->store, "");

    lat_txn_remove(txn, table, id);
    commit_now(gate->console->bed, txn);
}

/* ---- clients ---- */

static void client_data(void *arg, const uint8_t *bytes, size_t len)
{
    lat_buf_add(&((struct client *)arg)->got, bytes, len);
}

static void client_end(void *arg)
{
    struct client *client = arg;

    client->ended = true;
    lat_stream_end(client->stream);
}

static void client_closed(void *arg, const struct lat_err *err)
{
    struct client *client = arg;

    client->stream = NULL;
    client->err = *err;
    client->closed = true;
}

static const struct lat_stream_events client_events = {
    .on_data = client_data, .on_end = client_end, .on_close = client_closed};

static void client_connected(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct client *client = arg;

    if (err) {
        fail_msg("%s", err->sentence);
    }
    client->connected = true;
    client->stream = stream;
    lat_stream_set_events(stream, &client_events, client);
    lat_stream_resume(stream);
}

struct client *client_connect(struct gate *gate, int port)
{
    struct client *client = LAT_NEW(struct client);

    client->gate = gate;
    lat_tcp_connect(gate->console->loop, "127.0.0.1", port, 5000, client_connected, client);
    run_until(gate->console->bed, &client->connected);
    return client;
}

void client_encrypt(struct client *client)
{
    struct lat_stream *plain = client->stream;

    client->connected = false;
    lat_stream_pause(plain);
    lat_stream_set_events(plain, NULL, NULL);
    lat_tls_connect(client->gate->trusting, plain, "gate.test", client_connected, client);
    run_until(client->gate->console->bed, &client->connected);
}

void client_write(struct client *client, const void *bytes, size_t len)
{
    lat_stream_write(client->stream, bytes, len);
}

void client_await(struct client *client, size_t len)
{
    for (int i = 0; i < WAITING_MS && client->got.len < len; i++) {
        run_for(client->gate->console->loop, 1);
    }
    assert_int_equal(client->got.len, len);
}

void client_await_closed(struct client *client)
{
    run_until(client->gate->console->bed, &client->closed);
}

struct client *client_free(struct client *client)
{
    if (client->stream) {
        lat_stream_close(client->stream);
        client_await_closed(client);
    }
    lat_buf_done(&client->got);
    free(client);
    return NULL;
}

/* ---- the agent ---- */

void agent_await(struct gate *gate, size_t len)
{
    for (int i = 0; i < WAITING_MS && gate->agent->got.len < len; i++) {
        run_for(gate->console->loop, 1);
    }
    assert_int_equal(gate->agent->got.len, len);
}

void agent_await_stream(struct gate *gate)
{
    for (int i = 0; i < WAITING_MS && gate->agent->header.len == 0; i++) {
        run_for(gate->console->loop, 1);
    }
    assert_true(gate->agent->header.len > 0);
}
