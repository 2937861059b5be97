/* Tunnels from a console by script to a server on the loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/tunnel/tunnel.h"

#include "base/mem.h"
#include "io/net.h"
#include "tests/unit/waiting.h"

#include <stdlib.h>
#include <string.h>

static const char ALLOCATION[] = "0193b1f0-0000-7000-8000-000000000001";

struct bed {
    struct lat_loop *loop;
    struct lat_link *console, *agent;
    bool console_closed, agent_closed, tunnels_closed;
    struct lat_tunnels *tunnels;
    struct lat_listener *server; /* echoes */
    int port;                    /* what target() answers */
    int connections;
};

struct client {
    struct lat_stream *stream;
    struct lat_buf got;
    bool replied, closed, ended;
    struct lat_err reply;
};

/* ---- a server that echoes ---- */

struct echo {
    struct lat_stream *stream;
    struct bed *bed;
};

static void echo_data(void *arg, const uint8_t *bytes, size_t len)
{
    lat_stream_write(((struct echo *)arg)->stream, bytes, len);
}

static void echo_close(void *arg, const struct lat_err *err)
{
    struct echo *echo = arg;
    (void)err;
    echo->bed->connections--;
    free(echo);
}

static const struct lat_stream_events echo_events = {.on_data = echo_data, .on_close = echo_close};

static void accepted(void *arg, struct lat_stream *stream)
{
    struct echo *echo = LAT_NEW(struct echo);
    echo->bed = arg;
    echo->stream = stream;
    echo->bed->connections++;
    lat_stream_set_events(stream, &echo_events, echo);
    lat_stream_resume(stream);
}

/* ---- both ends of the link ---- */

static int target(void *arg, const char *allocation, int64_t generation, const char *port,
                  int *ret_host_port, struct lat_err *err)
{
    struct bed *bed = arg;
    if (strcmp(allocation, ALLOCATION) != 0 || strcmp(port, "http") != 0)
        return lat_err_set(err, LAT_E_NOT_FOUND, "There is no such port here.");
    if (generation != 3)
        return lat_err_set(err, LAT_E_CONFLICT, "It is of another generation.");
    *ret_host_port = bed->port;
    return 0;
}

static void no_message(void *arg, const cJSON *message)
{
    (void)arg;
    (void)message;
}

static void agent_open(void *arg, struct lat_stream *stream, const cJSON *json)
{
    struct bed *bed = arg;
    struct lat_stream_header header;
    assert_int_equal(lat_stream_header_read(json, &header, NULL), 0);
    if (bed->tunnels_closed) {
        struct lat_err err;
        lat_err_set(&err, LAT_E_UNAVAILABLE, "The tunnels are closed.");
        lat_link_refuse(stream, &err);
        return;
    }
    lat_tunnels_take(bed->tunnels, stream, &header);
}

static void agent_close(void *arg, const struct lat_err *err)
{
    (void)err;
    ((struct bed *)arg)->agent_closed = true;
}

static void console_close(void *arg, const struct lat_err *err)
{
    (void)err;
    ((struct bed *)arg)->console_closed = true;
}

static const struct lat_link_events agent_events = {
    .on_message = no_message, .on_open = agent_open, .on_close = agent_close};
static const struct lat_link_events console_events = {.on_message = no_message,
                                                      .on_close = console_close};

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

static void run_for(struct bed *bed, int64_t ms)
{
    waiting_run(bed->loop, ms);
}

static void await(struct bed *bed, const bool *done)
{
    assert_true(lat_loop_run_until(bed->loop, done, WAITING_MS));
}

static int bed_open(void **state)
{
    struct bed *bed = LAT_NEW(struct bed);
    struct lat_stream *a;
    struct lat_stream *b;
    bed->loop = lat_loop_new(lat_clock_system());
    lat_stream_pair(bed->loop, &a, &b);
    bed->agent =
        lat_link_new(a, &(struct lat_link_options){.role = LAT_LINK_AGENT}, &agent_events, bed);
    bed->console =
        lat_link_new(b, &(struct lat_link_options){.role = LAT_LINK_CONSOLE}, &console_events, bed);
    bed->tunnels = lat_tunnels_new(bed->loop, target, bed);
    assert_int_equal(
        lat_tcp_listen(bed->loop, "127.0.0.1", 0, false, accepted, bed, &bed->server, NULL), 0);
    bed->port = lat_listener_port(bed->server);
    *state = bed;
    return 0;
}

static int bed_close(void **state)
{
    struct bed *bed = *state;
    lat_listener_free(bed->server);
    if (!bed->tunnels_closed) {
        lat_tunnels_close(bed->tunnels, set_true, &bed->tunnels_closed);
        await(bed, &bed->tunnels_closed);
    }
    if (!bed->agent_closed)
        lat_link_close(bed->agent, NULL);
    await(bed, &bed->agent_closed);
    await(bed, &bed->console_closed);
    while (bed->connections > 0)
        run_for(bed, 1);
    run_for(bed, 5);
    lat_loop_free(bed->loop);
    free(bed);
    return 0;
}

/* ---- the console's client ---- */

static void client_data(void *arg, const uint8_t *bytes, size_t len)
{
    lat_buf_add(&((struct client *)arg)->got, bytes, len);
}

static void client_end(void *arg)
{
    ((struct client *)arg)->ended = true;
}

static void client_close(void *arg, const struct lat_err *err)
{
    struct client *client = arg;
    (void)err;
    client->closed = true;
    client->stream = NULL;
}

static const struct lat_stream_events client_events = {
    .on_data = client_data, .on_end = client_end, .on_close = client_close};

static void client_reply(void *arg, const struct lat_err *err)
{
    struct client *client = arg;
    client->replied = true;
    if (err)
        client->reply = *err;
}

static void dial(struct bed *bed, struct client *client, const char *allocation, int64_t generation,
                 const char *port)
{
    struct lat_stream_header header = {.kind = LAT_STREAM_TUNNEL,
                                       .allocation = allocation,
                                       .generation = generation,
                                       .port = port};
    struct lat_buf text = {0};
    lat_stream_header_write(&header, &text);
    assert_int_equal(lat_link_open(bed->console, (const char *)text.bytes, text.len, client_reply,
                                   client, &client->stream, NULL),
                     0);
    lat_buf_done(&text);
    lat_stream_set_events(client->stream, &client_events, client);
    lat_stream_resume(client->stream);
}

static void bytes_reach_the_port_and_come_back(void **state)
{
    enum { SIZE = 2000000 };
    struct bed *bed = *state;
    struct client client = {0};
    uint8_t *bytes = lat_alloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 31 >> 3);
    dial(bed, &client, ALLOCATION, 3, "http");
    lat_stream_write(client.stream, bytes, SIZE); /* before the answer */
    while (client.got.len < SIZE)
        run_for(bed, 1);
    assert_memory_equal(client.got.bytes, bytes, SIZE);
    assert_int_equal(lat_tunnels_count(bed->tunnels), 1);
    lat_stream_end(client.stream);
    await(bed, &client.closed);
    assert_true(client.ended);
    run_for(bed, 5);
    assert_int_equal(lat_tunnels_count(bed->tunnels), 0);
    lat_buf_done(&client.got);
    free(bytes);
}

static void only_our_own_ports_are_reached(void **state)
{
    struct bed *bed = *state;
    static const struct {
        const char *allocation;
        int64_t generation;
        const char *port;
        int code;
    } cases[] = {
        {"0193b1f0-0000-7000-8000-000000000002", 3, "http", LAT_E_NOT_FOUND},
        {ALLOCATION, 3, "ssh", LAT_E_NOT_FOUND},
        {ALLOCATION, 2, "http", LAT_E_CONFLICT},
    };
    for (size_t i = 0; i < LAT_COUNT(cases); i++) {
        struct client client = {0};
        dial(bed, &client, cases[i].allocation, cases[i].generation, cases[i].port);
        await(bed, &client.closed);
        assert_int_equal(client.reply.code, cases[i].code);
    }
    assert_int_equal(bed->connections, 0);
}

static void port_without_a_listener_is_refused_with_its_reason(void **state)
{
    struct bed *bed = *state;
    struct client client = {0};
    bed->server = lat_listener_free(bed->server);
    dial(bed, &client, ALLOCATION, 3, "http");
    await(bed, &client.closed);
    assert_int_equal(client.reply.code, LAT_E_REFUSED);
    run_for(bed, 5);
    assert_int_equal(lat_tunnels_count(bed->tunnels), 0);
}

static void port_that_is_not_published_yet_is_unavailable(void **state)
{
    struct bed *bed = *state;
    struct client client = {0};
    bed->port = 0;
    dial(bed, &client, ALLOCATION, 3, "http");
    await(bed, &client.closed);
    assert_int_equal(client.reply.code, LAT_E_UNAVAILABLE);
}

static void console_that_hangs_up_cancels_the_dial(void **state)
{
    struct bed *bed = *state;
    struct client client = {0};
    dial(bed, &client, ALLOCATION, 3, "http");
    while (lat_tunnels_count(bed->tunnels) == 0) {
        bool once = true;
        (void)lat_loop_run_until(bed->loop, &once, 1);
    }
    lat_stream_close(client.stream);
    await(bed, &client.closed);
    run_for(bed, 20);
    assert_int_equal(lat_tunnels_count(bed->tunnels), 0);
    assert_int_equal(bed->connections, 0);
}

static void closing_ends_every_tunnel(void **state)
{
    struct bed *bed = *state;
    struct client up = {0};
    struct client dialling = {0};
    struct client late = {0};
    dial(bed, &up, ALLOCATION, 3, "http");
    while (!up.replied)
        run_for(bed, 1);
    dial(bed, &dialling, ALLOCATION, 3, "http");
    while (lat_tunnels_count(bed->tunnels) < 2) {
        bool once = true;
        (void)lat_loop_run_until(bed->loop, &once, 1);
    }
    lat_tunnels_close(bed->tunnels, set_true, &bed->tunnels_closed);
    dial(bed, &late, ALLOCATION, 3, "http");
    await(bed, &bed->tunnels_closed);
    await(bed, &up.closed);
    await(bed, &dialling.closed);
    lat_link_close(bed->console, NULL);
    await(bed, &late.closed);
}

static void tunnels_end_at_their_limit(void **state)
{
    struct bed *bed = *state;
    struct client *clients = lat_alloc_array(LAT_TUNNELS_MAX + 1, sizeof(*clients));
    for (int i = 0; i < LAT_TUNNELS_MAX; i++) {
        dial(bed, &clients[i], ALLOCATION, 3, "http");
        while (!clients[i].replied)
            run_for(bed, 0);
        assert_int_equal(clients[i].reply.code, 0);
    }
    dial(bed, &clients[LAT_TUNNELS_MAX], ALLOCATION, 3, "http");
    await(bed, &clients[LAT_TUNNELS_MAX].closed);
    assert_int_equal(clients[LAT_TUNNELS_MAX].reply.code, LAT_E_LIMIT);
    lat_tunnels_close(bed->tunnels, set_true, &bed->tunnels_closed);
    await(bed, &bed->tunnels_closed);
    for (int i = 0; i < LAT_TUNNELS_MAX; i++)
        await(bed, &clients[i].closed);
    free(clients);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_open, bed_close)
    const struct CMUnitTest tests[] = {
        TEST(bytes_reach_the_port_and_come_back),
        TEST(only_our_own_ports_are_reached),
        TEST(port_without_a_listener_is_refused_with_its_reason),
        TEST(port_that_is_not_published_yet_is_unavailable),
        TEST(console_that_hangs_up_cancels_the_dial),
        TEST(closing_ends_every_tunnel),
        TEST(tunnels_end_at_their_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
