/* What breaks the protocol, what only looks like it, and noise. */
#include "support.h"

/* One thing that the other side does wrong, after its first words. */
struct violation {
    const char *name;
    enum lat_link_role role; /* ours */
    int type, flags;
    uint32_t stream, length;
    const char *data;
    const char *sentence; /* part of it */
};

static const struct violation violations[] = {
    {"unknown flags", LAT_LINK_CONSOLE, DATA, 0x10, 1, 0, "", "unknown flags"},
    {"unknown type", LAT_LINK_CONSOLE, 4, 0, 0, 0, "", "unknown type"},
    {"data on stream 0", LAT_LINK_CONSOLE, DATA, 0, 0, 0, "", "on stream 0"},
    {"window on stream 0", LAT_LINK_CONSOLE, WINDOW, 0, 0, 1, "", "on stream 0"},
    {"ping on a stream", LAT_LINK_CONSOLE, PING, SYN, 1, 0, "", "on stream 1"},
    {"go-away on a stream", LAT_LINK_CONSOLE, GO_AWAY, 0, 1, 0, "", "on stream 1"},
    {"ping without a flag", LAT_LINK_CONSOLE, PING, 0, 0, 0, "", "neither"},
    {"ping with both flags", LAT_LINK_CONSOLE, PING, SYN | ACK, 0, 0, "", "neither"},
    {"frame too long", LAT_LINK_CONSOLE, DATA, 0, 1, LAT_LINK_FRAME_TAKEN_MAX + 1, NULL, "at most"},
    {"stream never opened", LAT_LINK_CONSOLE, DATA, 0, 3, 0, "", "never opened"},
    {"our stream never opened", LAT_LINK_CONSOLE, WINDOW, 0, 2, 1, "", "never opened"},
    {"opened with our number", LAT_LINK_CONSOLE, WINDOW, SYN, 4, 0, "", "next one"},
    {"opened with our number, agent", LAT_LINK_AGENT, WINDOW, SYN, 5, 0, "", "next one"},
    {"opened twice", LAT_LINK_CONSOLE, WINDOW, SYN, 1, 0, "", "next one"},
    {"window beyond 4 GB", LAT_LINK_CONSOLE, WINDOW, 0, 1, UINT32_MAX, "", "exceeds"},
    {"header too long", LAT_LINK_AGENT, DATA, SYN, 2, 8, "\0\0\x40\1{}  ", "at most"},
    {"header empty", LAT_LINK_AGENT, DATA, SYN, 2, 8, "\0\0\0\0{}  ", "0 bytes"},
    {"header not JSON", LAT_LINK_AGENT, DATA, SYN, 2, 6, "\0\0\0\2{]", "not JSON"},
    {"header not an object", LAT_LINK_AGENT, DATA, SYN, 2, 6, "\0\0\0\2[]", "not an object"},
    {"message too long", LAT_LINK_CONSOLE, DATA, 0, 1, 4, "\0\x10\0\1", "at most"},
    {"message empty", LAT_LINK_CONSOLE, DATA, 0, 1, 4, "\0\0\0\0", "0 bytes"},
    {"message not JSON", LAT_LINK_CONSOLE, DATA, 0, 1, 6, "\0\0\0\2{]", "not JSON"},
    {"message with a key twice", LAT_LINK_CONSOLE, DATA, 0, 1, 17, "\0\0\0\15{\"a\":1,\"a\":1}",
     "not JSON"},
    {"message not an object", LAT_LINK_CONSOLE, DATA, 0, 1, 6, "\0\0\0\2[]", "not a JSON object"},
};

static void expect_violation(struct raw *raw, const char *name, const char *sentence)
{
    struct frame frame = {0};
    while (frame.type != GO_AWAY) {
        if (!raw_next(raw, &frame))
            fail_msg("%s: no go-away", name);
    }
    if (frame.length != 1)
        fail_msg("%s: go-away says %u", name, frame.length);
    run_until(raw->loop, &raw->end.closed);
    if (raw->end.err.code != LAT_E_PROTOCOL || !strstr(raw->end.err.sentence, sentence))
        fail_msg("%s: closed with %d, %s", name, raw->end.err.code, raw->end.err.sentence);
}

static void violation_is_told_and_ends_the_link(void **state)
{
    (void)state;
    for (size_t i = 0; i < LAT_COUNT(violations); i++) {
        const struct violation *v = &violations[i];
        struct raw *raw = raw_new(v->role, 0);
        raw_greet(raw);
        raw_send(raw, v->type, v->flags, v->stream, v->length, v->data);
        expect_violation(raw, v->name, v->sentence);
        raw_free(raw);
    }
}

static void version_other_than_0_is_a_violation(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_CONSOLE, 0);
    raw_greet(raw);
    lat_stream_write(raw->wire.stream, "\1\2\0\1\0\0\0\0\0\0\0\0", 12);
    expect_violation(raw, "version", "version 1");
    raw_free(raw);
}

static void first_stream_has_to_be_control(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_CONSOLE, 0);
    raw_send(raw, WINDOW, SYN, 3, 0, NULL);
    expect_violation(raw, "first stream", "control stream");
    raw_free(raw);
}

static void one_byte_past_the_window_is_a_violation(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_AGENT, 0);
    uint8_t *bytes = lat_alloc(LAT_LINK_FRAME_TAKEN_MAX);
    raw->end.answer = WAIT; /* nothing is read, so nothing is granted */
    raw_greet(raw);
    raw_send(raw, DATA, SYN, 2, 6, "\0\0\0\2{}");
    for (uint32_t left = LAT_LINK_WINDOW_START - 6; left > 0;) {
        uint32_t part = left < LAT_LINK_FRAME_TAKEN_MAX ? left : LAT_LINK_FRAME_TAKEN_MAX;
        raw_send(raw, DATA, 0, 2, part, bytes);
        left -= part;
    }
    settle(raw->loop);
    assert_false(raw->end.closed);
    assert_int_equal(raw->end.opened, 1);
    raw_send(raw, DATA, 0, 2, 1, bytes);
    expect_violation(raw, "window", "window is 0");
    assert_int_equal(raw->end.ears[0].err.code, LAT_E_PROTOCOL);
    free(bytes);
    raw_free(raw);
}

static void data_behind_the_end_is_a_violation(void **state)
{
    (void)state;
    for (int again = 0; again < 2; again++) {
        struct raw *raw = raw_new(LAT_LINK_AGENT, 0);
        raw_greet(raw);
        raw_send(raw, DATA, SYN | FIN, 2, 6, "\0\0\0\2{}");
        settle(raw->loop);
        assert_false(raw->end.closed);
        raw_send(raw, DATA, again ? FIN : 0, 2, again ? 0 : 1, "x");
        expect_violation(raw, "end", "after its end");
        raw_free(raw);
    }
}

static void largest_frame_and_message_are_taken(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_CONSOLE, 0);
    raw_greet(raw);
    size_t size = LAT_LINK_MESSAGE_MAX + 4;
    char *bytes = lat_alloc(size);
    memset(bytes, ' ', size);
    memcpy(bytes, "\0\x10\0\0{\"a\":1", 10);
    bytes[size - 1] = '}';
    for (size_t at = 0; at < size;) {
        uint32_t part =
            size - at < LAT_LINK_FRAME_TAKEN_MAX ? (uint32_t)(size - at) : LAT_LINK_FRAME_TAKEN_MAX;
        raw_send(raw, DATA, 0, 1, part, bytes + at);
        at += part;
        settle(raw->loop);
    }
    assert_int_equal(raw->end.message_count, 1);
    assert_false(raw->end.closed);
    free(bytes);
    raw_free(raw);
}

static void backlog_is_bounded_and_the_next_opening_reset(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_AGENT, 0);
    raw->end.answer = WAIT;
    raw_greet(raw);
    for (uint32_t i = 1; i <= LAT_LINK_BACKLOG_MAX; i++) {
        raw_send(raw, DATA, SYN, 2 * i, 6, "\0\0\0\2{}");
        raw_expect(raw, WINDOW, ACK, 2 * i, 0);
    }
    uint32_t id = 2 * (LAT_LINK_BACKLOG_MAX + 1);
    raw_send(raw, DATA, SYN, id, 6, "\0\0\0\2{}");
    raw_expect(raw, WINDOW, RST, id, 0);
    raw_send(raw, DATA, 0, id, 5, "12345"); /* it may not know yet */
    raw_expect_nothing(raw);
    lat_link_accept(raw->end.ears[7].stream);
    raw_expect(raw, DATA, 0, 16, 15);
    raw_send(raw, DATA, SYN, id + 2, 6, "\0\0\0\2{}");
    raw_expect(raw, WINDOW, ACK, id + 2, 0);
    assert_false(raw->end.closed);
    raw_free(raw);
}

static void pings_that_are_never_read_end_the_link(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_CONSOLE, 0);
    raw_greet(raw);
    lat_stream_pause(raw->wire.stream);
    for (int i = 0; i < 60 && !raw->end.closed; i++) {
        for (int j = 0; j < 1000; j++)
            raw_send(raw, PING, SYN, 0, 1, NULL);
        settle(raw->loop);
    }
    run_until(raw->loop, &raw->end.closed);
    assert_int_equal(raw->end.err.code, LAT_E_LIMIT);
    raw_free(raw);
}

static void go_away_ends_the_link_with_its_reason(void **state)
{
    (void)state;
    const int codes[] = {LAT_OK, LAT_E_PROTOCOL, LAT_E_CLOSED};
    for (uint32_t i = 0; i < LAT_COUNT(codes); i++) {
        struct raw *raw = raw_new(LAT_LINK_CONSOLE, 0);
        raw_greet(raw);
        raw_send(raw, GO_AWAY, 0, 0, i, NULL);
        run_until(raw->loop, &raw->end.closed);
        assert_int_equal(raw->end.err.code, codes[i]);
        raw_free(raw);
    }
}

/* Noise in the shape of frames, and valid words with bytes changed: whatever comes, the link lives or closes. */
static void rubbish_never_does_more_than_end_the_link(void **state)
{
    (void)state;
    struct lat_random *random = lat_random_new_seeded(20261121);
    struct lat_buf script = {0};
    frame_bytes(&script, WINDOW, SYN, 1, 0, NULL);
    frame_bytes(&script, DATA, 0, 1, 6, "\0\0\0\2{}");
    frame_bytes(&script, DATA, SYN, 3, 6, "\0\0\0\2{}");
    frame_bytes(&script, DATA, FIN, 3, 6, "sesame");
    frame_bytes(&script, PING, SYN, 0, 9, NULL);
    frame_bytes(&script, WINDOW, RST, 3, 0, NULL);
    int ended = 0;
    for (int round = 0; round < 600; round++) {
        struct raw *raw = raw_new(LAT_LINK_CONSOLE, 0);
        struct lat_buf bytes = {0};
        if (round % 2) {
            lat_buf_add(&bytes, script.bytes, script.len);
            for (int i = 0; i < 3; i++)
                bytes.bytes[lat_random_below(random, bytes.len)] = (uint8_t)lat_random_u64(random);
        } else {
            frame_bytes(&bytes, WINDOW, SYN, 1, 0, NULL);
            for (int i = 0; i < 20; i++) {
                uint8_t data[64];
                uint32_t length = (uint32_t)lat_random_below(random, sizeof(data));
                lat_random_bytes(random, data, sizeof(data));
                frame_bytes(&bytes, (int)lat_random_below(random, 4),
                            (int)lat_random_below(random, 16),
                            (uint32_t)lat_random_below(random, 8), length, data);
            }
        }
        for (size_t at = 0; at < bytes.len && raw->wire.stream;) {
            size_t part = 1 + lat_random_below(random, 40);
            if (part > bytes.len - at)
                part = bytes.len - at;
            lat_stream_write(raw->wire.stream, bytes.bytes + at, part);
            at += part;
            settle(raw->loop);
        }
        ended += raw->end.closed;
        lat_buf_done(&bytes);
        raw_free(raw);
    }
    assert_in_range(ended, 300, 600);
    lat_buf_done(&script);
    lat_random_free(random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(violation_is_told_and_ends_the_link),
        cmocka_unit_test(version_other_than_0_is_a_violation),
        cmocka_unit_test(first_stream_has_to_be_control),
        cmocka_unit_test(one_byte_past_the_window_is_a_violation),
        cmocka_unit_test(data_behind_the_end_is_a_violation),
        cmocka_unit_test(largest_frame_and_message_are_taken),
        cmocka_unit_test(backlog_is_bounded_and_the_next_opening_reset),
        cmocka_unit_test(pings_that_are_never_read_end_the_link),
        cmocka_unit_test(go_away_ends_the_link_with_its_reason),
        cmocka_unit_test(rubbish_never_does_more_than_end_the_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
