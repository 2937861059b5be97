#include "tls_support.h"

#include <stdlib.h>
#include <string.h>

enum { BIG = 10 * 1000 * 1000 };

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
            struct lat_tls_config server = tls_server_config();
            struct lat_tls_config client = tls_client_config();
            server.min_version = version;
            tls_shake(loop, wires[i], &server, &client, "console.example", &shake);
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

static void what_is_flushed_leaves_in_the_middle_of_a_turn(void **state)
{
    struct lat_loop *loop = *state;
    struct shake shake;
    struct lat_tls_config server = tls_server_config();
    struct lat_tls_config client = tls_client_config();
    struct probe a = {0};
    struct probe b = {0};
    tls_shake(loop, WIRE_TCP, &server, &client, "console.example", &shake);
    probe_take(&a, shake.client);
    probe_take(&b, shake.server);
    lat_stream_write(a.stream, "one", 3);
    assert_int_equal(lat_stream_pending(a.stream), 3);
    lat_stream_flush(a.stream);
    assert_int_equal(lat_stream_pending(a.stream), 0);
    lat_stream_flush(a.stream);
    lat_stream_write(a.stream, "two", 3);
    run_for(loop, 20);
    assert_int_equal(b.got.len, 6);
    assert_memory_equal(b.got.bytes, "onetwo", 6);
    lat_stream_close(a.stream);
    lat_stream_flush(a.stream);
    probe_finish(loop, &a);
    probe_finish(loop, &b);
}

static void a_cut_off_is_no_end(void **state)
{
    struct lat_loop *loop = *state;
    struct shake shake;
    struct lat_tls_config server = tls_server_config();
    struct lat_tls_config client = tls_client_config();
    for (int i = 0; i < 2; i++) {
        struct probe a = {0};
        struct probe b = {0};
        tls_shake(loop, i ? WIRE_PAIR : WIRE_TCP, &server, &client, "console.example", &shake);
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

static void half_close_works_over_tls(void **state)
{
    struct lat_loop *loop = *state;
    struct shake shake;
    struct lat_tls_config server = tls_server_config();
    struct lat_tls_config client = tls_client_config();
    struct probe a = {0};
    struct probe b = {0};
    tls_shake(loop, WIRE_TCP, &server, &client, "console.example", &shake);
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
    struct lat_tls_config server = tls_server_config();
    struct lat_tls_config client = tls_client_config();
    uint8_t *bytes = noise(BIG, 9);
    struct probe a = {0};
    struct probe b = {0};
    tls_shake(loop, WIRE_TCP, &server, &client, "console.example", &shake);
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
    struct lat_tls_config server = tls_server_config();
    struct lat_tls_config client = tls_client_config();
    uint8_t *bytes = noise(200000, 9);
    struct probe a = {0};
    struct probe b = {.close_on_data = true};
    tls_shake(loop, WIRE_TCP, &server, &client, "console.example", &shake);
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
    struct lat_tls_config server = tls_server_config();
    struct lat_tls_config client = tls_client_config();
    struct lat_tls *server_tls = tls_context(&server);
    struct lat_tls *client_tls = tls_context(&client);
    uint8_t *bytes = noise(1000000, 13);
    tls_shake(loop, WIRE_TCP, &server, &client, "console.example", &outer);
    lat_tls_accept(server_tls, outer.server, NULL, 0, tls_on_server, &inner);
    lat_tls_connect(client_tls, outer.client, "one.apps.example", tls_on_client, &inner);
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

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, test_loop_setup, test_loop_teardown)
    const struct CMUnitTest tests[] = {
        T(ten_megabytes_come_back),
        T(what_is_flushed_leaves_in_the_middle_of_a_turn),
        T(a_cut_off_is_no_end),
        T(half_close_works_over_tls),
        T(a_paused_stream_holds_the_sender_back),
        T(close_within_on_data_works_over_tls),
        T(tls_runs_within_tls),
    };
    return cmocka_run_group_tests(tests, tls_test_setup, tls_test_teardown);
}
