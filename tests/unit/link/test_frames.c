/* The bytes on the wire, both directions. */
#include "support.h"

static void agent_opens_control_and_pings_first(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_AGENT, 0);
    settle(raw->loop);
    const uint8_t expected[] = {
        0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, /* window update, SYN, stream 1 */
        0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, /* ping, SYN, number 1 */
    };
    assert_int_equal(raw->wire.got.len, sizeof(expected));
    assert_memory_equal(raw->wire.got.bytes, expected, sizeof(expected));
    raw_free(raw);
}

static void message_is_length_and_json_on_stream_1(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_AGENT, 0);
    raw_greet(raw);
    end_send(&raw->end, "{\"a\":1}");
    struct frame frame;
    assert_true(raw_next(raw, &frame));
    assert_int_equal(frame.type, DATA);
    assert_int_equal(frame.flags, 0);
    assert_int_equal(frame.stream, 1);
    assert_int_equal(frame.length, 11);
    assert_memory_equal(frame.data, "\0\0\0\7{\"a\":1}", 11);
    raw_free(raw);
}

static void messages_that_are_flushed_are_sent_once_and_in_order(void **state)
{
    (void)state;
    static const char *const texts[] = {"{\"a\":1}", "{\"a\":2}", "{\"a\":3}"};
    struct raw *raw = raw_new(LAT_LINK_AGENT, 0);
    lat_link_flush(raw->end.link);
    raw_greet(raw);
    for (size_t i = 0; i < LAT_COUNT(texts); i++) {
        end_send(&raw->end, texts[i]);
        if (i < 2)
            lat_link_flush(raw->end.link);
    }
    for (size_t i = 0; i < LAT_COUNT(texts); i++) {
        struct frame frame;
        assert_true(raw_next(raw, &frame));
        assert_int_equal(frame.stream, 1);
        assert_int_equal(frame.length, 11);
        assert_memory_equal(frame.data + 4, texts[i], 7);
    }
    raw_expect_nothing(raw);
    lat_link_close(raw->end.link, NULL);
    lat_link_flush(raw->end.link);
    raw_free(raw);
}

static void console_acknowledges_and_delivers(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_CONSOLE, 0);
    raw_send(raw, DATA, SYN, 1, 11, "\0\0\0\7{\"a\":1}");
    raw_expect(raw, WINDOW, ACK, 1, 0);
    assert_string_equal(lat_buf_text(&raw->end.messages), "{\"a\":1}\n");
    raw_free(raw);
}

static void ping_is_answered_with_its_number(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_CONSOLE, 0);
    settle(raw->loop);
    raw->read = raw->wire.got.len;
    raw_send(raw, PING, SYN, 0, 0xdeadbeef, NULL);
    settle(raw->loop);
    const uint8_t expected[] = {0, 2, 0, 2, 0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef};
    assert_int_equal(raw->wire.got.len - raw->read, sizeof(expected));
    assert_memory_equal(raw->wire.got.bytes + raw->read, expected, sizeof(expected));
    raw_free(raw);
}

static void opening_accepted(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_AGENT, 0);
    raw_greet(raw);
    struct lat_buf header = {0};
    preface(&header, "{\"kind\":\"x\"}");
    lat_buf_add_text(&header, "behind");
    raw_send(raw, DATA, SYN, 2, (uint32_t)header.len, header.bytes);
    raw_expect(raw, WINDOW, ACK, 2, 0);
    raw_expect(raw, DATA, 0, 2, 15);
    assert_memory_equal(raw->wire.got.bytes + raw->read - 15, "\0\0\0\13{\"ok\":true}", 15);
    assert_string_equal(lat_buf_text(&raw->end.headers), "{\"kind\":\"x\"}\n");
    assert_string_equal(lat_buf_text(&raw->end.ears[0].got), "behind");
    lat_buf_done(&header);
    raw_free(raw);
}

static void opening_refused_says_why_and_resets(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_AGENT, 0);
    raw->end.answer = REFUSE;
    raw_greet(raw);
    struct lat_buf header = {0};
    preface(&header, "{}");
    raw_send(raw, DATA, SYN, 2, (uint32_t)header.len, header.bytes);
    raw_expect(raw, WINDOW, ACK, 2, 0);
    struct frame frame;
    assert_true(raw_next(raw, &frame));
    assert_int_equal(frame.type, DATA);
    assert_int_equal(frame.flags, FIN);
    const char *why =
        "{\"code\":\"not_found\",\"sentence\":\"There is no such allocation.\",\"hint\":\"Look again.\"}";
    assert_int_equal(frame.length, strlen(why) + 4);
    assert_memory_equal(frame.data + 4, why, strlen(why));
    raw_expect(raw, WINDOW, RST, 2, 0);
    assert_true(raw->end.ears[0].closed);
    lat_buf_done(&header);
    raw_free(raw);
}

/* Opens a stream of ours and has the other side accept it. */
static struct ear *open_accepted(struct raw *raw, struct ear *ear, uint32_t id)
{
    end_open(&raw->end, ear, "{}");
    raw_expect(raw, WINDOW, SYN, id, 0);
    raw_expect(raw, DATA, 0, id, 6);
    raw_send(raw, DATA, ACK, id, 15, "\0\0\0\13{\"ok\":true}");
    settle(raw->loop);
    assert_true(ear->replied);
    assert_int_equal(ear->reply.code, 0);
    return ear;
}

static void sending_stops_at_the_window_to_the_byte(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_CONSOLE, 0);
    struct ear ear = {0};
    raw_greet(raw);
    open_accepted(raw, &ear, 2);
    uint8_t *bytes = lat_alloc(300 * 1024);
    lat_stream_write(ear.stream, bytes, 300 * 1024);
    size_t sent = 6; /* the header counts */
    struct frame frame;
    while (raw_next(raw, &frame)) {
        assert_int_equal(frame.type, DATA);
        assert_true(frame.length <= LAT_LINK_FRAME_MAX);
        sent += frame.length;
    }
    assert_int_equal(sent, LAT_LINK_WINDOW_START);
    assert_int_equal(lat_stream_pending(ear.stream), 300 * 1024 + 6 - LAT_LINK_WINDOW_START);
    raw_send(raw, WINDOW, 0, 2, 1, NULL);
    raw_expect(raw, DATA, 0, 2, 1);
    raw_expect_nothing(raw);
    lat_stream_end(ear.stream);
    raw_send(raw, WINDOW, 0, 2, 1 << 20, NULL);
    bool fin = false;
    while (raw_next(raw, &frame)) {
        sent += frame.length;
        assert_false(fin);
        fin = frame.flags == FIN;
    }
    assert_true(fin);
    assert_int_equal(sent + 1, 300 * 1024 + 6);
    free(bytes);
    raw_free(raw);
    ear_done(&ear);
}

static void end_without_data_is_an_empty_frame(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_CONSOLE, 0);
    struct ear ear = {0};
    raw_greet(raw);
    open_accepted(raw, &ear, 2);
    lat_stream_end(ear.stream);
    raw_expect(raw, DATA, FIN, 2, 0);
    raw_send(raw, DATA, FIN, 2, 0, NULL);
    run_until(raw->loop, &ear.closed);
    assert_true(ear.ended);
    assert_int_equal(ear.err.code, LAT_OK);
    raw_expect_nothing(raw);
    raw_free(raw);
    ear_done(&ear);
}

static void closing_sends_one_reset_and_drops_what_comes_after(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_CONSOLE, 0);
    struct ear ear = {0};
    raw_greet(raw);
    open_accepted(raw, &ear, 2);
    lat_stream_close(ear.stream);
    raw_expect(raw, WINDOW, RST, 2, 0);
    run_until(raw->loop, &ear.closed);
    assert_int_equal(ear.err.code, LAT_OK);
    raw_send(raw, DATA, 0, 2, 5, "12345");
    raw_send(raw, WINDOW, 0, 2, 100, NULL);
    raw_send(raw, DATA, FIN, 2, 5, "12345");
    raw_send(raw, WINDOW, RST, 2, 0, NULL);
    raw_expect_nothing(raw);
    assert_false(raw->end.closed);
    raw_free(raw);
    ear_done(&ear);
}

static void consumed_bytes_are_granted_by_half_windows(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_CONSOLE, 0);
    struct ear ear = {0};
    uint8_t bytes[16384] = {0};
    raw_greet(raw);
    open_accepted(raw, &ear, 2);
    uint32_t before_half = LAT_LINK_WINDOW_START / 2 - 15 - 1;
    for (uint32_t left = before_half; left > 0;) {
        uint32_t part = left < sizeof(bytes) ? left : (uint32_t)sizeof(bytes);
        raw_send(raw, DATA, 0, 2, part, bytes);
        left -= part;
    }
    raw_expect_nothing(raw);
    raw_send(raw, DATA, 0, 2, 1, bytes);
    raw_expect(raw, WINDOW, 0, 2, LAT_LINK_WINDOW_START / 2);
    assert_int_equal(ear.got.len, before_half + 1);
    raw_free(raw);
    ear_done(&ear);
}

static void paused_stream_takes_one_window_and_grants_nothing(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_CONSOLE, 0);
    struct ear ear = {0};
    uint8_t bytes[16384] = {0};
    struct lat_link_status status;
    raw_greet(raw);
    open_accepted(raw, &ear, 2);
    lat_stream_pause(ear.stream);
    uint32_t room = LAT_LINK_WINDOW_START - 15;
    for (uint32_t left = room; left > 0;) {
        uint32_t part = left < sizeof(bytes) ? left : (uint32_t)sizeof(bytes);
        raw_send(raw, DATA, 0, 2, part, bytes);
        left -= part;
    }
    raw_expect_nothing(raw);
    lat_link_status(raw->end.link, &status);
    assert_int_equal(status.buffered_bytes, room);
    assert_int_equal(ear.got.len, 0);
    lat_stream_resume(ear.stream);
    raw_expect(raw, WINDOW, 0, 2, LAT_LINK_WINDOW_START);
    assert_int_equal(ear.got.len, room);
    lat_link_status(raw->end.link, &status);
    assert_int_equal(status.buffered_bytes, 0);
    raw_free(raw);
    ear_done(&ear);
}

/* Sends a whole window, takes the grants, and returns their sum. */
static uint32_t send_window(struct raw *raw, uint32_t size)
{
    uint8_t bytes[16384] = {0};
    for (uint32_t left = size; left > 0;) {
        uint32_t part = left < sizeof(bytes) ? left : (uint32_t)sizeof(bytes);
        raw_send(raw, DATA, 0, 2, part, bytes);
        left -= part;
    }
    uint32_t granted = 0;
    struct frame frame;
    while (raw_next(raw, &frame)) {
        assert_int_equal(frame.type, WINDOW);
        granted += frame.length;
    }
    return granted;
}

static void window_grows_to_the_path_and_no_further(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_CONSOLE, 0);
    struct ear ear = {0};
    struct lat_link_status status;
    raw_greet(raw);
    run_for(raw->loop, 1500);
    raw_send(raw, PING, ACK, 0, 1, NULL); /* a path so long that nothing else is */
    open_accepted(raw, &ear, 2);
    lat_link_status(raw->end.link, &status);
    assert_true(status.round_trip_ns >= 1500000000);
    uint32_t window = LAT_LINK_WINDOW_START - 15;
    for (int i = 0; i < 12; i++)
        window = send_window(raw, window);
    lat_link_status(raw->end.link, &status);
    assert_int_equal(status.window_bytes, LAT_LINK_WINDOW_MAX - LAT_LINK_WINDOW_START);
    assert_true(window > LAT_LINK_WINDOW_MAX / 2 && window <= LAT_LINK_WINDOW_MAX);
    lat_stream_close(ear.stream);
    settle(raw->loop);
    lat_link_status(raw->end.link, &status);
    assert_int_equal(status.window_bytes, 0);
    raw_free(raw);
    ear_done(&ear);
}

static void window_stays_where_the_reader_is_the_limit(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_CONSOLE, 0);
    struct ear ear = {0};
    struct lat_link_status status;
    raw_greet(raw);
    raw_send(raw, PING, ACK, 0, 1, NULL); /* a path of microseconds */
    open_accepted(raw, &ear, 2);
    for (int i = 0; i < 6; i++) {
        (void)send_window(raw, LAT_LINK_WINDOW_START / 2);
        run_for(raw->loop, 300);
    }
    lat_link_status(raw->end.link, &status);
    assert_int_equal(status.window_bytes, 0);
    raw_free(raw);
    ear_done(&ear);
}

static void anything_may_be_split_anywhere(void **state)
{
    (void)state;
    struct lat_buf script = {0};
    struct lat_buf words = {0};
    preface(&words, "{\"type\":\"hello\"}");
    preface(&words, "{\"type\":\"heartbeat\"}");
    frame_bytes(&script, WINDOW, SYN, 1, 0, NULL);
    frame_bytes(&script, DATA, 0, 1, 3, words.bytes);
    frame_bytes(&script, DATA, 0, 1, (uint32_t)words.len - 3, words.bytes + 3);
    frame_bytes(&script, PING, SYN, 0, 7, NULL);
    frame_bytes(&script, DATA, SYN, 3, 6, "\0\0\0\2{}");
    frame_bytes(&script, DATA, 0, 3, 5, "hello");
    frame_bytes(&script, DATA, FIN, 3, 6, " world");
    for (size_t at = 1; at < script.len; at++) {
        struct raw *raw = raw_new(LAT_LINK_CONSOLE, 0);
        raw->end.end_too = true;
        lat_stream_write(raw->wire.stream, script.bytes, at);
        settle(raw->loop);
        lat_stream_write(raw->wire.stream, script.bytes + at, script.len - at);
        settle(raw->loop);
        assert_string_equal(lat_buf_text(&raw->end.messages),
                            "{\"type\":\"hello\"}\n{\"type\":\"heartbeat\"}\n");
        assert_string_equal(lat_buf_text(&raw->end.ears[0].got), "hello world");
        assert_true(raw->end.ears[0].closed);
        assert_int_equal(raw->end.ears[0].err.code, LAT_OK);
        assert_false(raw->end.closed);
        raw_free(raw);
    }
    lat_buf_done(&words);
    lat_buf_done(&script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agent_opens_control_and_pings_first),
        cmocka_unit_test(message_is_length_and_json_on_stream_1),
        cmocka_unit_test(messages_that_are_flushed_are_sent_once_and_in_order),
        cmocka_unit_test(console_acknowledges_and_delivers),
        cmocka_unit_test(ping_is_answered_with_its_number),
        cmocka_unit_test(opening_accepted),
        cmocka_unit_test(opening_refused_says_why_and_resets),
        cmocka_unit_test(sending_stops_at_the_window_to_the_byte),
        cmocka_unit_test(end_without_data_is_an_empty_frame),
        cmocka_unit_test(closing_sends_one_reset_and_drops_what_comes_after),
        cmocka_unit_test(consumed_bytes_are_granted_by_half_windows),
        cmocka_unit_test(paused_stream_takes_one_window_and_grants_nothing),
        cmocka_unit_test(window_grows_to_the_path_and_no_further),
        cmocka_unit_test(window_stays_where_the_reader_is_the_limit),
        cmocka_unit_test(anything_may_be_split_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
