/* Two links that carry streams for each other. */
#include "support.h"

static uint8_t *noise(size_t len, uint64_t seed)
{
    struct lat_random *random = lat_random_new_seeded(seed);
    uint8_t *bytes = lat_alloc(len + 1);
    lat_random_bytes(random, bytes, len);
    lat_random_free(random);
    return bytes;
}

static void many_streams_carry_what_was_written(void **state)
{
    (void)state;
    enum { COUNT = 100, SIZE_MAX_BYTES = 600000 };
    struct duo *duo = duo_new();
    struct lat_random *random = lat_random_new_seeded(3);
    struct ear *ears = lat_alloc_array(COUNT, sizeof(*ears));
    size_t sizes[COUNT];
    uint8_t *bytes[COUNT];
    duo->agent.end_too = true;
    for (int i = 0; i < COUNT; i++) {
        sizes[i] = lat_random_below(random, SIZE_MAX_BYTES);
        bytes[i] = noise(sizes[i], (uint64_t)i);
        end_open(&duo->console, &ears[i], "{}");
        for (size_t at = 0; at < sizes[i];) {
            size_t part = 1 + lat_random_below(random, 50000);
            if (part > sizes[i] - at)
                part = sizes[i] - at;
            lat_stream_write(ears[i].stream, bytes[i] + at, part);
            at += part;
        }
        lat_stream_end(ears[i].stream);
    }
    for (int i = 0; i < COUNT; i++) {
        run_until(duo->loop, &ears[i].closed);
        assert_int_equal(ears[i].err.code, LAT_OK);
        assert_true(ears[i].ended);
        run_until(duo->loop, &duo->agent.ears[i].closed);
        assert_int_equal(duo->agent.ears[i].got.len, sizes[i]);
        if (sizes[i])
            assert_memory_equal(duo->agent.ears[i].got.bytes, bytes[i], sizes[i]);
        free(bytes[i]);
    }
    struct lat_link_status status;
    lat_link_status(duo->agent.link, &status);
    assert_int_equal(status.streams, 0);
    assert_int_equal(status.buffered_bytes, 0);
    assert_int_equal(status.window_bytes, 0);
    lat_random_free(random);
    free(ears);
    duo_free(duo);
}

static void both_sides_may_open(void **state)
{
    (void)state;
    struct duo *duo = duo_new();
    struct ear from_agent = {0};
    struct ear from_console = {0};
    end_open(&duo->agent, &from_agent, "{\"kind\":\"up\"}");
    end_open(&duo->console, &from_console, "{\"kind\":\"down\"}");
    lat_stream_write(from_agent.stream, "ping", 4); /* behind the header, before the answer */
    settle(duo->loop);
    assert_string_equal(lat_buf_text(&duo->console.headers), "{\"kind\":\"up\"}\n");
    assert_string_equal(lat_buf_text(&duo->agent.headers), "{\"kind\":\"down\"}\n");
    assert_string_equal(lat_buf_text(&duo->console.ears[0].got), "ping");
    lat_stream_write(duo->console.ears[0].stream, "pong", 4);
    settle(duo->loop);
    assert_string_equal(lat_buf_text(&from_agent.got), "pong");
    duo_free(duo);
    assert_true(from_agent.closed && from_console.closed);
    ear_done(&from_agent);
    ear_done(&from_console);
}

static void refusal_reaches_the_opener_as_an_error(void **state)
{
    (void)state;
    struct duo *duo = duo_new();
    struct ear ear = {0};
    duo->agent.answer = REFUSE;
    end_open(&duo->console, &ear, "{}");
    run_until(duo->loop, &ear.closed);
    assert_true(ear.replied);
    assert_int_equal(ear.reply.code, LAT_E_NOT_FOUND);
    assert_string_equal(ear.reply.sentence, "There is no such allocation.");
    assert_string_equal(ear.reply.hint, "Look again.");
    assert_int_equal(ear.err.code, LAT_E_NOT_FOUND);
    duo_free(duo);
}

static void answer_may_come_later(void **state)
{
    (void)state;
    struct duo *duo = duo_new();
    struct ear ear = {0};
    duo->agent.answer = WAIT;
    end_open(&duo->console, &ear, "{}");
    lat_stream_write(ear.stream, "early", 5);
    run_for(duo->loop, 20);
    struct ear *there = &duo->agent.ears[0];
    lat_stream_resume(there->stream);
    settle(duo->loop);
    assert_false(ear.replied);
    assert_int_equal(there->got.len, 0);
    lat_link_accept(there->stream);
    settle(duo->loop);
    assert_true(ear.replied);
    assert_string_equal(lat_buf_text(&there->got), "early");
    duo_free(duo);
}

static void opener_that_goes_closes_the_unanswered_stream(void **state)
{
    (void)state;
    struct duo *duo = duo_new();
    struct ear ear = {0};
    duo->agent.answer = WAIT;
    end_open(&duo->console, &ear, "{}");
    settle(duo->loop);
    lat_stream_close(ear.stream);
    run_until(duo->loop, &duo->agent.ears[0].closed);
    assert_int_equal(duo->agent.ears[0].err.code, LAT_E_CLOSED);
    run_until(duo->loop, &ear.closed);
    assert_false(ear.replied);
    duo_free(duo);
}

static void half_close_lets_the_other_way_go_on(void **state)
{
    (void)state;
    struct duo *duo = duo_new();
    struct ear ear = {0};
    end_open(&duo->console, &ear, "{}");
    lat_stream_write(ear.stream, "question", 8);
    lat_stream_end(ear.stream);
    settle(duo->loop);
    struct ear *there = &duo->agent.ears[0];
    assert_true(there->ended);
    assert_false(there->closed);
    lat_stream_write(there->stream, "answer", 6);
    settle(duo->loop);
    assert_string_equal(lat_buf_text(&ear.got), "answer");
    assert_false(ear.ended);
    lat_stream_end(there->stream);
    run_until(duo->loop, &ear.closed);
    run_until(duo->loop, &there->closed);
    assert_int_equal(ear.err.code, LAT_OK);
    assert_int_equal(there->err.code, LAT_OK);
    duo_free(duo);
    ear_done(&ear);
}

static void reset_reaches_the_other_side(void **state)
{
    (void)state;
    struct duo *duo = duo_new();
    struct ear ear = {0};
    struct lat_err why;
    end_open(&duo->console, &ear, "{}");
    settle(duo->loop);
    lat_err_set(&why, LAT_E_TIMEOUT, "Enough.");
    lat_stream_abort(ear.stream, &why);
    run_until(duo->loop, &ear.closed);
    assert_int_equal(ear.err.code, LAT_E_TIMEOUT);
    run_until(duo->loop, &duo->agent.ears[0].closed);
    assert_int_equal(duo->agent.ears[0].err.code, LAT_E_CLOSED);
    duo_free(duo);
}

static void paused_reader_slows_its_writer_and_no_other(void **state)
{
    (void)state;
    enum { SIZE = 3000000 };
    struct duo *duo = duo_new();
    struct ear slow = {0};
    struct ear fast = {0};
    struct lat_link_status status;
    uint8_t *bytes = noise(SIZE, 1);
    duo->agent.keep_paused = true;
    end_open(&duo->console, &slow, "{}");
    settle(duo->loop);
    duo->agent.keep_paused = false;
    end_open(&duo->console, &fast, "{}");
    lat_stream_write(slow.stream, bytes, SIZE);
    lat_stream_write(fast.stream, bytes, SIZE);
    lat_stream_end(fast.stream);
    while (!duo->agent.ears[1].ended) {
        settle(duo->loop);
        lat_link_status(duo->agent.link, &status);
        assert_true(status.buffered_bytes <= LAT_LINK_WINDOW_START);
    }
    assert_int_equal(duo->agent.ears[1].got.len, SIZE);
    assert_int_equal(duo->agent.ears[0].got.len, 0);
    assert_true(lat_stream_pending(slow.stream) >= SIZE - LAT_LINK_WINDOW_START);
    assert_int_equal(slow.drains, 0);
    assert_int_equal(fast.drains, 1);
    lat_stream_resume(duo->agent.ears[0].stream);
    lat_stream_end(slow.stream);
    run_until(duo->loop, &duo->agent.ears[0].ended);
    assert_int_equal(duo->agent.ears[0].got.len, SIZE);
    assert_memory_equal(duo->agent.ears[0].got.bytes, bytes, SIZE);
    assert_int_equal(slow.drains, 1);
    free(bytes);
    duo_free(duo);
}

static void streams_take_turns(void **state)
{
    (void)state;
    enum { SIZE = 200000 };
    struct duo *duo = duo_new();
    struct ear a = {0};
    struct ear b = {0};
    uint8_t *bytes = noise(SIZE, 1);
    end_open(&duo->console, &a, "{}");
    end_open(&duo->console, &b, "{}");
    settle(duo->loop);
    lat_stream_write(a.stream, bytes, SIZE);
    lat_stream_write(b.stream, bytes, SIZE);
    struct ear *at_a = &duo->agent.ears[0];
    struct ear *at_b = &duo->agent.ears[1];
    while (at_a->got.len < SIZE || at_b->got.len < SIZE) {
        bool once = true;
        (void)lat_loop_run_until(duo->loop, &once, 1);
        settle(duo->loop);
        size_t apart = at_a->got.len > at_b->got.len ? at_a->got.len - at_b->got.len
                                                     : at_b->got.len - at_a->got.len;
        assert_true(apart <= LAT_LINK_FRAME_MAX);
    }
    free(bytes);
    duo_free(duo);
}

static void streams_end_at_their_limit(void **state)
{
    (void)state;
    struct duo *duo = duo_new();
    struct ear *ears = lat_alloc_array(LAT_LINK_STREAMS_MAX, sizeof(*ears));
    struct lat_stream *one_more = NULL;
    struct lat_err err;
    duo->agent.answer = WAIT;
    for (int i = 0; i < LAT_LINK_STREAMS_MAX; i++)
        end_open(&duo->console, &ears[i], "{}");
    assert_int_equal(lat_link_open(duo->console.link, "{}", 2, NULL, NULL, &one_more, &err),
                     LAT_E_LIMIT);
    lat_stream_close(ears[0].stream);
    settle(duo->loop);
    assert_false(ears[LAT_LINK_STREAMS_MAX - 1].closed);
    assert_int_equal(lat_link_open(duo->console.link, "{}", 2, NULL, NULL, &one_more, &err), 0);
    lat_stream_close(one_more);
    duo_free(duo);
    free(ears);
}

static void openings_beyond_the_backlog_wait_until_others_are_answered(void **state)
{
    (void)state;
    enum { COUNT = LAT_LINK_BACKLOG_MAX + 20 };
    struct duo *duo = duo_new();
    struct ear *ears = lat_alloc_array(COUNT, sizeof(*ears));
    duo->agent.answer = WAIT;
    for (int i = 0; i < COUNT; i++)
        end_open(&duo->console, &ears[i], "{}");
    settle(duo->loop);
    assert_int_equal(duo->agent.opened, LAT_LINK_BACKLOG_MAX);
    lat_stream_close(ears[COUNT - 2].stream); /* the other side has never heard of it */
    lat_stream_close(ears[0].stream);         /* makes room for one */
    settle(duo->loop);
    assert_int_equal(duo->agent.opened, LAT_LINK_BACKLOG_MAX + 1);
    for (int i = 1; i <= LAT_LINK_BACKLOG_MAX; i++)
        lat_link_accept(duo->agent.ears[i].stream);
    settle(duo->loop);
    assert_int_equal(duo->agent.opened, COUNT - 1);
    for (int i = LAT_LINK_BACKLOG_MAX + 1; i < COUNT - 1; i++)
        lat_link_accept(duo->agent.ears[i].stream);
    settle(duo->loop);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(ears[i].replied, i != 0 && i != COUNT - 2);
    assert_false(duo->console.closed || duo->agent.closed);
    duo_free(duo);
    for (int i = 0; i < COUNT; i++)
        ear_done(&ears[i]);
    free(ears);
}

static void readers_that_never_read_cost_the_longest_stalled_one(void **state)
{
    (void)state;
    enum { COUNT = LAT_LINK_BUFFERED_MAX / LAT_LINK_WINDOW_START };
    struct duo *duo = duo_new();
    struct ear *ears = lat_alloc_array(COUNT + 1, sizeof(*ears));
    struct lat_link_status status;
    uint8_t *bytes = noise(LAT_LINK_WINDOW_START, 1);
    duo->agent.keep_paused = true;
    for (int i = 0; i < COUNT; i++) {
        end_open(&duo->console, &ears[i], "{}");
        lat_stream_write(ears[i].stream, bytes, LAT_LINK_WINDOW_START - 6);
        settle(duo->loop);
    }
    lat_link_status(duo->agent.link, &status);
    assert_int_equal(status.buffered_bytes, COUNT * (LAT_LINK_WINDOW_START - 6));
    end_open(&duo->console, &ears[COUNT], "{}");
    lat_stream_write(ears[COUNT].stream, bytes, LAT_LINK_WINDOW_START - 6);
    run_until(duo->loop, &ears[0].closed);
    assert_int_equal(duo->agent.ears[0].err.code, LAT_E_LIMIT);
    settle(duo->loop);
    assert_false(ears[1].closed);
    assert_false(ears[COUNT].closed);
    lat_link_status(duo->agent.link, &status);
    assert_true(status.buffered_bytes <= LAT_LINK_BUFFERED_MAX);
    free(bytes);
    duo_free(duo);
    free(ears);
}

static void count_relay(void *arg, uint64_t a_to_b, uint64_t b_to_a)
{
    uint64_t *sums = arg;
    sums[0] = a_to_b;
    sums[1] = b_to_a;
    sums[2] = 1;
}

static void relay_runs_over_a_stream(void **state)
{
    (void)state;
    enum { SIZE = 1000000 };
    struct duo *duo = duo_new();
    struct ear client = {.end_too = false};
    struct lat_stream *near;
    struct lat_stream *far;
    struct lat_stream *tunnel = NULL;
    struct lat_err err;
    uint64_t sums[3] = {0};
    uint8_t *bytes = noise(SIZE, 4);
    lat_stream_pair(duo->loop, &near, &far);
    ear_take(&client, near);
    lat_stream_resume(near);
    assert_int_equal(lat_link_open(duo->console.link, "{}", 2, NULL, NULL, &tunnel, &err), 0);
    (void)lat_relay_start(far, tunnel, count_relay, sums);
    lat_stream_write(near, bytes, SIZE);
    lat_stream_end(near);
    while (!duo->agent.ears[0].ended)
        settle(duo->loop);
    assert_int_equal(duo->agent.ears[0].got.len, SIZE);
    lat_stream_write(duo->agent.ears[0].stream, bytes, SIZE);
    lat_stream_end(duo->agent.ears[0].stream);
    run_until(duo->loop, &client.closed);
    assert_int_equal(client.got.len, SIZE);
    assert_memory_equal(client.got.bytes, bytes, SIZE);
    settle(duo->loop);
    assert_int_equal(sums[0], SIZE);
    assert_int_equal(sums[1], SIZE);
    assert_int_equal(sums[2], 1);
    free(bytes);
    duo_free(duo);
    ear_done(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_streams_carry_what_was_written),
        cmocka_unit_test(both_sides_may_open),
        cmocka_unit_test(refusal_reaches_the_opener_as_an_error),
        cmocka_unit_test(answer_may_come_later),
        cmocka_unit_test(opener_that_goes_closes_the_unanswered_stream),
        cmocka_unit_test(half_close_lets_the_other_way_go_on),
        cmocka_unit_test(reset_reaches_the_other_side),
        cmocka_unit_test(paused_reader_slows_its_writer_and_no_other),
        cmocka_unit_test(streams_take_turns),
        cmocka_unit_test(streams_end_at_their_limit),
        cmocka_unit_test(openings_beyond_the_backlog_wait_until_others_are_answered),
        cmocka_unit_test(readers_that_never_read_cost_the_longest_stalled_one),
        cmocka_unit_test(relay_runs_over_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
