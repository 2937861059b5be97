/* A link from its first to its last callback: messages, keep-alive, closing. */
#include "support.h"

enum { SHORT_PING_MS = 500 }; /* long enough for a process that has no turn for a while */

static void messages_go_both_ways_in_order(void **state)
{
    (void)state;
    struct duo *duo = duo_new();
    for (int i = 0; i < 3; i++) {
        end_send(&duo->agent, i == 0 ? "{\"n\":0}" : i == 1 ? "{\"n\":1}" : "{\"n\":2}");
        end_send(&duo->console, "{\"from\":\"console\"}");
    }
    settle(duo->loop);
    assert_string_equal(lat_buf_text(&duo->console.messages), "{\"n\":0}\n{\"n\":1}\n{\"n\":2}\n");
    assert_int_equal(duo->agent.message_count, 3);
    duo_free(duo);
}

static void held_messages_wait_and_come_in_order(void **state)
{
    (void)state;
    struct duo *duo = duo_new();
    duo->console.pause_at_message = true;
    end_send(&duo->agent, "{\"n\":0}");
    end_send(&duo->agent, "{\"n\":1}");
    settle(duo->loop);
    assert_string_equal(lat_buf_text(&duo->console.messages), "{\"n\":0}\n");
    lat_link_resume(duo->console.link);
    settle(duo->loop);
    assert_string_equal(lat_buf_text(&duo->console.messages), "{\"n\":0}\n{\"n\":1}\n");
    end_send(&duo->agent, "{\"n\":2}");
    settle(duo->loop);
    assert_int_equal(duo->console.message_count, 2);
    duo->console.pause_at_message = false;
    lat_link_resume(duo->console.link);
    settle(duo->loop);
    assert_int_equal(duo->console.message_count, 3);
    duo_free(duo);
}

static void messages_end_at_their_limits(void **state)
{
    (void)state;
    struct duo *duo = duo_new();
    struct lat_err err;
    char *json = lat_alloc(LAT_LINK_MESSAGE_MAX + 2);
    memset(json, ' ', LAT_LINK_MESSAGE_MAX + 1);
    json[0] = '{';
    json[LAT_LINK_MESSAGE_MAX - 1] = '}';
    assert_int_equal(lat_link_send(duo->agent.link, json, LAT_LINK_MESSAGE_MAX + 1, &err),
                     LAT_E_TOO_LARGE);
    lat_link_pause(duo->console.link);
    int sent = 0;
    while (lat_link_send(duo->agent.link, json, LAT_LINK_MESSAGE_MAX, &err) == 0)
        sent++;
    assert_int_equal(err.code, LAT_E_BUSY);
    assert_int_equal(sent, LAT_LINK_CONTROL_QUEUED_MAX / LAT_LINK_MESSAGE_MAX - 1);
    settle(duo->loop);
    assert_int_equal(duo->console.message_count, 0);
    lat_link_resume(duo->console.link);
    while (duo->console.message_count < sent)
        settle(duo->loop);
    assert_int_equal(lat_link_send(duo->agent.link, json, LAT_LINK_MESSAGE_MAX, &err), 0);
    free(json);
    duo_free(duo);
}

static void control_passes_what_streams_have_queued(void **state)
{
    (void)state;
    struct duo *duo = duo_new();
    struct ear ear = {0};
    uint8_t *bytes = lat_alloc(4000000);
    end_open(&duo->console, &ear, "{}");
    settle(duo->loop);
    lat_stream_write(ear.stream, bytes, 4000000);
    end_send(&duo->console, "{\"urgent\":true}");
    while (duo->agent.message_count == 0) {
        bool once = true;
        (void)lat_loop_run_until(duo->loop, &once, 1);
        run_for(duo->loop, 0);
    }
    assert_true(duo->agent.ears[0].got.len < 1000000);
    free(bytes);
    duo_free(duo);
}

static void silence_is_noticed(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_CONSOLE, 20);
    struct ear ear = {0};
    raw_greet(raw);
    end_open(&raw->end, &ear, "{}");
    run_until(raw->loop, &raw->end.closed);
    assert_int_equal(raw->end.err.code, LAT_E_TIMEOUT);
    assert_true(ear.closed);
    assert_int_equal(ear.err.code, LAT_E_TIMEOUT);
    raw_free(raw);
}

static void any_sign_of_life_keeps_the_link(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_CONSOLE, SHORT_PING_MS);
    const struct lat_clock *clock = lat_loop_clock(raw->loop);
    raw_greet(raw);
    int64_t end_ms = lat_clock_boot_ms(clock) + 4 * SHORT_PING_MS;
    while (lat_clock_boot_ms(clock) < end_ms) {
        run_for(raw->loop, 15);
        raw_send(raw, DATA, 0, 1, 6, "\0\0\0\2{}"); /* no ping is ever answered */
    }
    assert_false(raw->end.closed);
    raw_free(raw);
}

static void pings_keep_an_idle_pair_up(void **state)
{
    (void)state;
    struct lat_loop *loop = lat_loop_new(lat_clock_system());
    struct end *ends = lat_alloc_array(2, sizeof(*ends));
    struct lat_stream *a;
    struct lat_stream *b;
    struct lat_link_status status;
    lat_stream_pair(loop, &a, &b);
    end_make(&ends[0], a, LAT_LINK_AGENT, SHORT_PING_MS);
    end_make(&ends[1], b, LAT_LINK_CONSOLE, SHORT_PING_MS);
    run_for(loop, 4 * SHORT_PING_MS);
    assert_false(ends[0].closed || ends[1].closed);
    lat_link_status(ends[0].link, &status);
    assert_true(status.round_trip_ns > 0);
    lat_link_close(ends[0].link, NULL);
    run_until(loop, &ends[0].closed);
    run_until(loop, &ends[1].closed);
    lat_loop_free(loop);
    free(ends);
}

static void last_words_arrive_before_the_close(void **state)
{
    (void)state;
    struct duo *duo = duo_new();
    struct lat_err why;
    lat_err_set(&why, LAT_E_FORBIDDEN, "Revoked.");
    end_send(&duo->console, "{\"type\":\"refuse\"}");
    lat_link_close(duo->console.link, &why);
    struct lat_err err;
    assert_int_equal(lat_link_send(duo->console.link, "{}", 2, &err), LAT_E_CLOSED);
    lat_link_close(duo->console.link, NULL); /* once is enough */
    run_until(duo->loop, &duo->console.closed);
    run_until(duo->loop, &duo->agent.closed);
    assert_string_equal(lat_buf_text(&duo->agent.messages), "{\"type\":\"refuse\"}\n");
    assert_int_equal(duo->console.err.code, LAT_E_FORBIDDEN);
    assert_int_equal(duo->agent.err.code, LAT_OK);
    duo_free(duo);
}

static void closing_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_AGENT, 0);
    raw_greet(raw);
    char json[300 * 1024];
    memset(json, ' ', sizeof(json));
    json[0] = '{';
    json[sizeof(json) - 1] = '}';
    struct lat_err err;
    assert_int_equal(lat_link_send(raw->end.link, json, sizeof(json), &err),
                     0); /* more than the window */
    settle(raw->loop);
    lat_link_close(raw->end.link, NULL);
    bool never = false;
    (void)lat_loop_run_until(raw->loop, &never, 100);
    assert_false(raw->end.closed);
    run_until(raw->loop, &raw->end.closed);
    assert_int_equal(raw->end.err.code, LAT_OK);
    raw_free(raw);
}

static void lost_transport_closes_everything(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_CONSOLE, 0);
    struct ear ear = {0};
    raw_greet(raw);
    end_open(&raw->end, &ear, "{}");
    lat_stream_close(raw->wire.stream);
    run_until(raw->loop, &raw->end.closed);
    assert_int_equal(raw->end.err.code, LAT_E_CLOSED);
    assert_int_equal(ear.err.code, LAT_E_CLOSED);
    assert_false(ear.replied);
    raw_free(raw);
}

static void control_reset_closes_the_link(void **state)
{
    (void)state;
    struct raw *raw = raw_new(LAT_LINK_CONSOLE, 0);
    raw_greet(raw);
    raw_send(raw, WINDOW, RST, 1, 0, NULL);
    run_until(raw->loop, &raw->end.closed);
    assert_int_equal(raw->end.err.code, LAT_E_CLOSED);
    raw_free(raw);
}

static void close_at_message(void *arg, const cJSON *message)
{
    struct end *end = arg;
    (void)message;
    end->message_count++;
    lat_link_close(end->link, NULL);
}

static void note_close(void *arg, const struct lat_err *err)
{
    struct end *end = arg;
    end->closed = true;
    end->err = *err;
}

static void closing_from_within_a_callback_is_safe(void **state)
{
    (void)state;
    static const struct lat_link_events events = {.on_message = close_at_message,
                                                  .on_close = note_close};
    struct raw *raw = LAT_NEW(struct raw);
    struct lat_stream *a;
    struct lat_stream *b;
    struct lat_link_options options = {.role = LAT_LINK_CONSOLE};
    raw->loop = lat_loop_new(lat_clock_system());
    lat_stream_pair(raw->loop, &a, &b);
    raw->wire.end_too = true;
    ear_take(&raw->wire, b);
    lat_stream_resume(b);
    raw->end.link = lat_link_new(a, &options, &events, &raw->end);
    raw_send(raw, DATA, SYN, 1, 12, "\0\0\0\2{}\0\0\0\2{}");
    raw_send(raw, DATA, SYN, 3, 6, "\0\0\0\2{}"); /* nobody takes openings here */
    run_until(raw->loop, &raw->end.closed);
    assert_int_equal(raw->end.message_count, 1);
    raw_free(raw);
}

static void opening_that_nobody_takes_is_reset(void **state)
{
    (void)state;
    static const struct lat_link_events events = {.on_message = close_at_message,
                                                  .on_close = note_close};
    struct raw *raw = LAT_NEW(struct raw);
    struct lat_stream *a;
    struct lat_stream *b;
    struct lat_link_options options = {.role = LAT_LINK_CONSOLE};
    raw->loop = lat_loop_new(lat_clock_system());
    lat_stream_pair(raw->loop, &a, &b);
    raw->wire.end_too = true;
    ear_take(&raw->wire, b);
    lat_stream_resume(b);
    raw->end.link = lat_link_new(a, &options, &events, &raw->end);
    raw_greet(raw);
    raw_send(raw, DATA, SYN, 3, 6, "\0\0\0\2{}");
    raw_expect(raw, WINDOW, ACK, 3, 0);
    raw_expect(raw, WINDOW, RST, 3, 0);
    raw_free(raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_go_both_ways_in_order),
        cmocka_unit_test(held_messages_wait_and_come_in_order),
        cmocka_unit_test(messages_end_at_their_limits),
        cmocka_unit_test(control_passes_what_streams_have_queued),
        cmocka_unit_test(silence_is_noticed),
        cmocka_unit_test(any_sign_of_life_keeps_the_link),
        cmocka_unit_test(pings_keep_an_idle_pair_up),
        cmocka_unit_test(last_words_arrive_before_the_close),
        cmocka_unit_test(closing_does_not_wait_for_ever),
        cmocka_unit_test(lost_transport_closes_everything),
        cmocka_unit_test(control_reset_closes_the_link),
        cmocka_unit_test(closing_from_within_a_callback_is_safe),
        cmocka_unit_test(opening_that_nobody_takes_is_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
