/* The server's deadlines, in simulated time: each a moment before and a moment after. */
#include "support.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static void a_connection_that_says_nothing_is_ended(void **state)
{
    struct world *world = *state;
    struct wire wire;
    wire_open(world, &wire);
    settle(world);
    pass(world, LAT_HTTP_HEAD_MS - 1);
    assert_false(wire.ended);
    pass(world, 1);
    assert_true(wire.ended);
    /* and closed, should the client not end its side */
    pass(world, 2000);
    assert_int_equal(lat_http_server_connections(world->server), 0);
    wire_close(world, &wire);
}

static void a_head_that_drips_is_cut_off_all_the_same(void **state)
{
    struct world *world = *state;
    struct wire wire;
    wire_open(world, &wire);
    wire_send(world, &wire, GET("/a"));
    pass(world, 20000); /* idle is allowed */
    wire_send(world, &wire, "GET / HTTP/1.1\r\n");
    for (int second = 1; second < LAT_HTTP_HEAD_MS / 1000; second++) {
        pass(world, 1000);
        wire_send(world, &wire, "A: b\r\n");
        assert_false(wire.ended);
    }
    pass(world, 1000);
    assert_true(wire.ended);
    wire_close(world, &wire);
}

static void a_kept_connection_may_idle_for_a_while(void **state)
{
    struct world *world = *state;
    struct wire wire;
    wire_open(world, &wire);
    for (int i = 0; i < 3; i++) {
        wire_send(world, &wire, GET("/a"));
        pass(world, LAT_HTTP_IDLE_MS - 1);
        assert_false(wire.ended);
    }
    pass(world, 1);
    assert_true(wire.ended);
    wire_close(world, &wire);
}

static void a_body_may_rest_but_not_for_ever(void **state)
{
    struct world *world = *state;
    struct wire wire;
    wire_open(world, &wire);
    wire_send(world, &wire, "POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n");
    for (int i = 0; i < 2; i++) {
        pass(world, LAT_HTTP_BODY_MS - 1);
        assert_false(wire.ended);
        wire_send(world, &wire, "a");
    }
    pass(world, LAT_HTTP_BODY_MS);
    assert_true(wire.ended);
    assert_int_equal(wire.got.len, 0);
    assert_int_equal(world->handled, 0);
    wire_close(world, &wire);
}

static void an_answer_may_take_its_time(void **state)
{
    struct world *world = *state;
    struct wire wire;
    wire_open(world, &wire);
    wire_send(world, &wire, GET("/hold"));
    pass(world, 3600 * 1000);
    assert_false(wire.ended);
    lat_http_begin(world->held[0], 200, NULL, NULL);
    settle(world);
    for (int hour = 0; hour < 3; hour++) {
        pass(world, 3600 * 1000);
        lat_http_write(world->held[0], "x", 1);
        settle(world);
        assert_false(wire.ended);
    }
    lat_http_end(world->held[0]);
    settle(world);
    pass(world, LAT_HTTP_IDLE_MS);
    assert_true(wire.ended);
    wire_close(world, &wire);
}

static void a_client_that_takes_nothing_is_cut_off(void **state)
{
    struct world *world = *state;
    struct wire wire;
    static char piece[200 * 1024];
    wire_open(world, &wire);
    wire_send(world, &wire, GET("/hold"));
    lat_stream_pause(wire.stream);
    lat_http_begin(world->held[0], 200, NULL, NULL);
    lat_http_write(world->held[0], piece, sizeof piece);
    settle(world);
    pass(world, LAT_HTTP_STALL_MS - 1);
    assert_int_equal(lat_http_server_connections(world->server), 1);
    /* it takes some: another while */
    lat_stream_resume(wire.stream);
    settle(world);
    lat_stream_pause(wire.stream);
    lat_http_write(world->held[0], piece, sizeof piece);
    settle(world);
    pass(world, 1);
    assert_int_equal(lat_http_server_connections(world->server), 1);
    pass(world, LAT_HTTP_STALL_MS);
    pass(world, LAT_HTTP_STALL_MS);
    assert_int_equal(lat_http_server_connections(world->server), 0);
    assert_int_equal(world->last_status, 499);
    wire_close(world, &wire);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_connection_that_says_nothing_is_ended),
        TEST(a_head_that_drips_is_cut_off_all_the_same),
        TEST(a_kept_connection_may_idle_for_a_while),
        TEST(a_body_may_rest_but_not_for_ever),
        TEST(an_answer_may_take_its_time),
        TEST(a_client_that_takes_nothing_is_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
