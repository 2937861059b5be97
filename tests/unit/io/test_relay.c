#include "support.h"

#include <stdlib.h>
#include <string.h>

enum { BIG = 10 * 1000 * 1000 };

/* left ─(wire)─ a ═relay═ b ─(wire)─ right */
struct setup {
    struct lat_stream *a;
    struct lat_stream *b;
    struct probe left;
    struct probe right;
    struct lat_relay *relay;
    uint64_t a_to_b;
    uint64_t b_to_a;
    int calls;
    bool done;
};

static const enum wire wires[] = {WIRE_PAIR, WIRE_TCP, WIRE_UNIX};

static void on_done(void *arg, uint64_t a_to_b, uint64_t b_to_a)
{
    struct setup *setup = arg;
    setup->a_to_b = a_to_b;
    setup->b_to_a = b_to_a;
    setup->calls++;
    setup->done = true;
}

static void setup_relay(struct lat_loop *loop, enum wire wire, struct setup *ret_setup)
{
    struct lat_stream *left;
    struct lat_stream *right;
    memset(ret_setup, 0, sizeof(*ret_setup));
    wire_connect(loop, wire, &left, &ret_setup->a);
    wire_connect(loop, wire, &ret_setup->b, &right);
    ret_setup->relay = lat_relay_start(ret_setup->a, ret_setup->b, on_done, ret_setup);
    probe_take(&ret_setup->left, left);
    probe_take(&ret_setup->right, right);
}

static void finish(struct lat_loop *loop, struct setup *setup)
{
    probe_finish(loop, &setup->left);
    probe_finish(loop, &setup->right);
    run_until(loop, &setup->done);
    assert_int_equal(setup->calls, 1);
}

static void bytes_pass_both_ways_and_are_counted(void **state)
{
    struct lat_loop *loop = *state;
    uint8_t *bytes = noise(BIG, 21);
    for (size_t i = 0; i < LAT_COUNT(wires); i++) {
        struct setup setup;
        setup_relay(loop, wires[i], &setup);
        setup.right.pause_every = 1;
        lat_stream_write(setup.left.stream, bytes, BIG);
        lat_stream_write(setup.right.stream, bytes + 1000, BIG / 2);
        lat_stream_end(setup.left.stream);
        run_until(loop, &setup.right.ended);
        assert_false(setup.left.closed || setup.right.closed || setup.done); /* half-closed */
        lat_stream_end(setup.right.stream);
        run_until(loop, &setup.left.closed);
        run_until(loop, &setup.right.closed);
        run_until(loop, &setup.done);
        assert_int_equal(setup.left.err.code, LAT_OK);
        assert_int_equal(setup.right.err.code, LAT_OK);
        assert_int_equal(setup.a_to_b, BIG);
        assert_int_equal(setup.b_to_a, BIG / 2);
        assert_int_equal(setup.right.got.len, BIG);
        assert_memory_equal(setup.right.got.bytes, bytes, BIG);
        assert_int_equal(setup.left.got.len, BIG / 2);
        assert_memory_equal(setup.left.got.bytes, bytes + 1000, BIG / 2);
        finish(loop, &setup);
    }
    free(bytes);
}

static void a_slow_reader_costs_no_memory(void **state)
{
    struct lat_loop *loop = *state;
    uint8_t *bytes = noise(BIG, 22);
    for (size_t i = 1; i < LAT_COUNT(wires); i++) { /* a pair has no bound of its own */
        struct setup setup;
        setup_relay(loop, wires[i], &setup);
        lat_stream_pause(setup.right.stream);
        size_t most = 0;
        for (int round = 0; round < 100;
             round++) { /* what the left side wants to send has no end */
            if (lat_stream_pending(setup.left.stream) < (size_t)BIG)
                lat_stream_write(setup.left.stream, bytes, BIG);
            run_for(loop, 1);
            if (lat_stream_pending(setup.b) > most)
                most = lat_stream_pending(setup.b);
        }
        assert_true(most > LAT_STREAM_HIGH_WATER);
        assert_true(most <= LAT_STREAM_HIGH_WATER + 64 * 1024);
        finish(loop, &setup);
    }
    free(bytes);
}

static void an_error_on_one_side_is_no_clean_end_on_the_other(void **state)
{
    struct lat_loop *loop = *state;
    for (size_t i = 0; i < 2; i++) {
        struct setup setup;
        struct lat_err why;
        setup_relay(loop, wires[i], &setup);
        lat_stream_write(setup.left.stream, "half a sen", 10);
        run_for(loop, 5);
        lat_err_set(&why, LAT_E_LIMIT, "Too much.");
        lat_stream_abort(setup.left.stream, &why);
        run_until(loop, &setup.right.closed);
        assert_int_equal(setup.right.err.code, LAT_E_CLOSED);
        assert_false(setup.right.ended);
        assert_int_equal(setup.right.got.len, 10);
        finish(loop, &setup);
    }
}

static void closing_ends_both_sides(void **state)
{
    struct lat_loop *loop = *state;
    for (size_t i = 0; i < LAT_COUNT(wires); i++) {
        struct setup setup;
        setup_relay(loop, wires[i], &setup);
        lat_stream_write(setup.left.stream, "x", 1);
        run_for(loop, 5);
        lat_relay_close(setup.relay);
        assert_false(setup.done);
        run_until(loop, &setup.done);
        assert_int_equal(setup.a_to_b, 1);
        run_until(loop, &setup.left.ended);
        run_until(loop, &setup.right.ended);
        finish(loop, &setup);
    }
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, test_loop_setup, test_loop_teardown)
    const struct CMUnitTest tests[] = {
        T(bytes_pass_both_ways_and_are_counted),
        T(a_slow_reader_costs_no_memory),
        T(an_error_on_one_side_is_no_clean_end_on_the_other),
        T(closing_ends_both_sides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
