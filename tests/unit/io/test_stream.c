#include "support.h"

#include <stdlib.h>
#include <string.h>

enum { BIG = 10 * 1000 * 1000, PIECE = 70000 };

static const enum wire wires[] = {WIRE_PAIR, WIRE_TCP, WIRE_UNIX};

struct sender {
    struct probe probe;
    const uint8_t *bytes;
    size_t sent;
    size_t max_pending;
    uint64_t rounds;
    struct lat_timer pump;
};

/* Writes pieces of changing size whenever there is room. */
static void pump(void *arg)
{
    struct sender *sender = arg;
    struct lat_stream *stream = sender->probe.stream;
    if (!stream)
        return;
    while (sender->sent < BIG && lat_stream_pending(stream) <= LAT_STREAM_HIGH_WATER) {
        size_t len = 1 + (size_t)(sender->rounds++ * 7919 % PIECE);
        if (len > BIG - sender->sent)
            len = BIG - sender->sent;
        lat_stream_write(stream, sender->bytes + sender->sent, len);
        sender->sent += len;
        if (lat_stream_pending(stream) > sender->max_pending)
            sender->max_pending = lat_stream_pending(stream);
    }
    if (sender->sent == BIG) {
        lat_stream_end(stream);
        return;
    }
    lat_timer_start(&sender->pump, 1, 0);
}

static void ten_megabytes_survive_pauses(void **state)
{
    struct lat_loop *loop = *state;
    uint8_t *bytes = noise(BIG, 7);
    for (size_t i = 0; i < LAT_COUNT(wires); i++) {
        struct lat_stream *a;
        struct lat_stream *b;
        struct sender sender = {.bytes = bytes};
        struct probe taker = {.pause_every = 1, .end_on_end = true};
        wire_connect(loop, wires[i], &a, &b);
        probe_take(&sender.probe, a);
        probe_take(&taker, b);
        lat_timer_init(&sender.pump, loop, pump, &sender);
        pump(&sender);
        run_until(loop, &taker.closed);
        run_until(loop, &sender.probe.closed);
        assert_true(sender.probe.ended && taker.ended);
        assert_int_equal(taker.err.code, LAT_OK);
        assert_int_equal(sender.probe.err.code, LAT_OK);
        assert_int_equal(taker.got.len, BIG);
        assert_memory_equal(taker.got.bytes, bytes, BIG);
        assert_true(sender.max_pending <= LAT_STREAM_HIGH_WATER + PIECE);
        lat_timer_done(&sender.pump);
        probe_done(&taker);
        probe_done(&sender.probe);
    }
    free(bytes);
}

static void half_close_leaves_the_other_direction_open(void **state)
{
    struct lat_loop *loop = *state;
    for (size_t i = 0; i < LAT_COUNT(wires); i++) {
        struct probe a = {0};
        struct probe b = {0};
        struct lat_stream *sa;
        struct lat_stream *sb;
        wire_connect(loop, wires[i], &sa, &sb);
        probe_take(&a, sa);
        probe_take(&b, sb);
        lat_stream_write(a.stream, "question", 8);
        lat_stream_end(a.stream);
        lat_stream_write(a.stream, "too late", 8);
        run_until(loop, &b.ended);
        assert_int_equal(b.got.len, 8);
        assert_false(a.ended || a.closed || b.closed);
        lat_stream_write(b.stream, "answer", 6);
        lat_stream_end(b.stream);
        run_until(loop, &a.closed);
        run_until(loop, &b.closed);
        assert_true(a.ended);
        assert_int_equal(a.got.len, 6);
        assert_int_equal(a.err.code, LAT_OK);
        assert_int_equal(b.err.code, LAT_OK);
        probe_done(&a);
        probe_done(&b);
    }
}

static void close_within_on_data_is_the_last_but_on_close(void **state)
{
    struct lat_loop *loop = *state;
    for (size_t i = 0; i < LAT_COUNT(wires); i++) {
        struct probe a = {0};
        struct probe b = {.close_on_data = true};
        struct lat_stream *sa;
        struct lat_stream *sb;
        wire_connect(loop, wires[i], &sa, &sb);
        probe_take(&a, sa);
        probe_take(&b, sb);
        uint8_t *bytes = noise(200000, 3);
        lat_stream_write(a.stream, bytes, 200000);
        free(bytes);
        run_until(loop, &b.closed);
        assert_int_equal(b.err.code, LAT_OK);
        run_for(loop, 5);
        probe_finish(loop, &a);
        probe_done(&b);
    }
}

static void close_is_never_told_from_within(void **state)
{
    struct lat_loop *loop = *state;
    for (size_t i = 0; i < LAT_COUNT(wires); i++) {
        struct probe a = {0};
        struct probe b = {0};
        struct lat_stream *sa;
        struct lat_stream *sb;
        wire_connect(loop, wires[i], &sa, &sb);
        probe_take(&a, sa);
        probe_take(&b, sb);
        lat_stream_close(a.stream);
        assert_false(a.closed);
        lat_stream_write(a.stream, "x", 1);
        assert_int_equal(lat_stream_pending(a.stream), 0);
        run_until(loop, &a.closed);
        probe_finish(loop, &b);
        probe_done(&a);
    }
}

static void abort_gives_its_error_and_the_peer_sees_no_clean_end(void **state)
{
    struct lat_loop *loop = *state;
    for (size_t i = 0; i < 2; i++) { /* a unix socket has no reset */
        struct probe a = {0};
        struct probe b = {0};
        struct lat_stream *sa;
        struct lat_stream *sb;
        struct lat_err why;
        wire_connect(loop, wires[i], &sa, &sb);
        probe_take(&a, sa);
        probe_take(&b, sb);
        lat_err_set(&why, LAT_E_LIMIT, "Too much.");
        lat_stream_abort(a.stream, &why);
        run_until(loop, &a.closed);
        run_until(loop, &b.closed);
        assert_int_equal(a.err.code, LAT_E_LIMIT);
        assert_string_equal(a.err.sentence, "Too much.");
        assert_int_equal(b.err.code, LAT_E_CLOSED);
        assert_false(b.ended);
        probe_done(&a);
        probe_done(&b);
    }
}

static void writing_to_a_peer_that_has_gone_closes_with_closed(void **state)
{
    struct lat_loop *loop = *state;
    for (size_t i = 0; i < LAT_COUNT(wires); i++) {
        struct probe a = {0};
        struct probe b = {0};
        struct lat_stream *sa;
        struct lat_stream *sb;
        wire_connect(loop, wires[i], &sa, &sb);
        probe_take(&a, sa);
        probe_take(&b, sb);
        lat_stream_close(b.stream);
        run_until(loop, &b.closed);
        for (int tries = 0; tries < 100 && !a.closed; tries++) {
            lat_stream_write(a.stream, "x", 1);
            run_for(loop, 1);
        }
        assert_true(a.closed);
        assert_int_equal(a.err.code, LAT_E_CLOSED);
        probe_done(&a);
        probe_done(&b);
    }
}

static void a_paused_stream_gives_nothing(void **state)
{
    struct lat_loop *loop = *state;
    for (size_t i = 0; i < LAT_COUNT(wires); i++) {
        struct probe a = {0};
        struct probe b = {0};
        struct lat_stream *sa;
        struct lat_stream *sb;
        wire_connect(loop, wires[i], &sa, &sb);
        probe_take(&a, sa);
        probe_take(&b, sb);
        lat_stream_pause(b.stream);
        lat_stream_pause(b.stream);
        lat_stream_write(a.stream, "early", 5);
        lat_stream_end(a.stream);
        run_for(loop, 10);
        assert_int_equal(b.got.len, 0);
        assert_false(b.ended);
        lat_stream_resume(b.stream);
        lat_stream_resume(b.stream);
        run_until(loop, &b.ended);
        assert_int_equal(b.got.len, 5);
        probe_finish(loop, &a);
        probe_finish(loop, &b);
    }
}

static void drain_comes_after_the_high_water(void **state)
{
    struct lat_loop *loop = *state;
    uint8_t *bytes = noise(BIG, 11);
    for (size_t i = 0; i < LAT_COUNT(wires); i++) {
        struct probe a = {0};
        struct probe b = {0};
        struct lat_stream *sa;
        struct lat_stream *sb;
        wire_connect(loop, wires[i], &sa, &sb);
        probe_take(&a, sa);
        lat_stream_write(a.stream, bytes, BIG);
        assert_true(lat_stream_pending(a.stream) > LAT_STREAM_HIGH_WATER);
        run_for(loop, 5);
        assert_int_equal(a.drains, 0);
        probe_take(&b, sb);
        while (b.got.len < BIG)
            run_for(loop, 1);
        run_for(loop, 5);
        assert_int_equal(a.drains, 1);
        assert_int_equal(lat_stream_pending(a.stream), 0);
        assert_memory_equal(b.got.bytes, bytes, BIG);
        probe_finish(loop, &a);
        probe_finish(loop, &b);
    }
    free(bytes);
}

static void streams_without_listeners_can_be_closed(void **state)
{
    struct lat_loop *loop = *state;
    for (size_t i = 0; i < LAT_COUNT(wires); i++) {
        struct lat_stream *a;
        struct lat_stream *b;
        wire_connect(loop, wires[i], &a, &b);
        lat_stream_write(b, "x", 1);
        lat_stream_close(a);
        lat_stream_close(b);
    }
}

static void peers_have_names(void **state)
{
    struct lat_loop *loop = *state;
    static const char *const names[] = {"memory", "127.0.0.1:", "unix"};
    for (size_t i = 0; i < LAT_COUNT(wires); i++) {
        struct lat_stream *a;
        struct lat_stream *b;
        char name[64];
        wire_connect(loop, wires[i], &a, &b);
        lat_stream_peer(b, name, sizeof(name));
        assert_memory_equal(name, names[i], strlen(names[i]));
        lat_stream_close(a);
        lat_stream_close(b);
    }
}

static void what_is_flushed_leaves_in_the_middle_of_a_turn(void **state)
{
    struct lat_loop *loop = *state;
    for (size_t i = 0; i < LAT_COUNT(wires); i++) {
        struct probe a = {0};
        struct probe b = {0};
        wire_connect(loop, wires[i], &a.stream, &b.stream);
        probe_take(&a, a.stream);
        probe_take(&b, b.stream);
        lat_stream_flush(a.stream);
        lat_stream_write(a.stream, "one", 3);
        assert_int_equal(lat_stream_pending(a.stream), 3);
        lat_stream_flush(a.stream);
        assert_int_equal(lat_stream_pending(a.stream), wires[i] == WIRE_PAIR ? 3 : 0);
        lat_stream_write(a.stream, "two", 3);
        lat_stream_flush(a.stream);
        lat_stream_write(a.stream, "three", 5);
        lat_stream_end(a.stream);
        lat_stream_flush(a.stream);
        run_for(loop, 20);
        assert_int_equal(b.got.len, 11);
        assert_memory_equal(b.got.bytes, "onetwothree", 11);
        assert_true(b.ended);
        probe_finish(loop, &a);
        probe_finish(loop, &b);
    }
}

static void what_is_flushed_beyond_the_sockets_room_follows(void **state)
{
    struct lat_loop *loop = *state;
    struct probe a = {0};
    struct probe b = {0};
    uint8_t *bytes = noise(BIG, 3);
    wire_connect(loop, WIRE_UNIX, &a.stream, &b.stream);
    probe_take(&a, a.stream);
    probe_take(&b, b.stream);
    for (size_t sent = 0; sent < BIG; sent += 1000) {
        lat_stream_write(a.stream, bytes + sent, 1000);
        lat_stream_flush(a.stream);
    }
    assert_true(lat_stream_pending(a.stream) > 0);
    lat_stream_end(a.stream);
    run_until(loop, &b.ended);
    assert_int_equal(b.got.len, BIG);
    assert_memory_equal(b.got.bytes, bytes, BIG);
    probe_finish(loop, &a);
    probe_finish(loop, &b);
    free(bytes);
}

static void a_broken_stream_that_is_flushed_calls_back_later(void **state)
{
    struct lat_loop *loop = *state;
    struct probe a = {0};
    struct probe b = {0};
    wire_connect(loop, WIRE_UNIX, &a.stream, &b.stream);
    probe_take(&a, a.stream);
    probe_take(&b, b.stream);
    lat_stream_pause(a.stream);
    lat_stream_close(b.stream);
    run_until(loop, &b.closed);
    lat_stream_write(a.stream, "nobody", 6);
    lat_stream_flush(a.stream);
    assert_false(a.closed);
    lat_stream_flush(a.stream);
    run_until(loop, &a.closed);
    assert_int_equal(a.err.code, LAT_E_CLOSED);
    probe_finish(loop, &a);
    probe_finish(loop, &b);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, test_loop_setup, test_loop_teardown)
    const struct CMUnitTest tests[] = {
        T(what_is_flushed_leaves_in_the_middle_of_a_turn),
        T(what_is_flushed_beyond_the_sockets_room_follows),
        T(a_broken_stream_that_is_flushed_calls_back_later),
        T(ten_megabytes_survive_pauses),
        T(half_close_leaves_the_other_direction_open),
        T(close_within_on_data_is_the_last_but_on_close),
        T(close_is_never_told_from_within),
        T(abort_gives_its_error_and_the_peer_sees_no_clean_end),
        T(writing_to_a_peer_that_has_gone_closes_with_closed),
        T(a_paused_stream_gives_nothing),
        T(drain_comes_after_the_high_water),
        T(streams_without_listeners_can_be_closed),
        T(peers_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
