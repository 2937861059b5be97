#include "support.h"

#include "tests/unit/waiting.h"

/* ---- time ---- */

void run_until(struct lat_loop *loop, const bool *done)
{
    assert_true(lat_loop_run_until(loop, done, WAITING_MS));
}

void run_for(struct lat_loop *loop, int64_t ms)
{
    waiting_run(loop, ms);
}

static void count_down(void *arg);

struct countdown {
    struct lat_loop *loop;
    int turns;
    bool over;
};

static void count_down(void *arg)
{
    struct countdown *countdown = arg;
    if (--countdown->turns == 0)
        countdown->over = true;
    else
        lat_loop_defer(countdown->loop, count_down, countdown);
}

void settle(struct lat_loop *loop)
{
    struct countdown countdown = {.loop = loop, .turns = 24};
    lat_loop_defer(loop, count_down, &countdown);
    run_until(loop, &countdown.over);
}

/* ---- ears ---- */

static void ear_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct ear *ear = arg;
    assert_false(ear->closed);
    assert_false(ear->ended);
    lat_buf_add(&ear->got, bytes, len);
}

static void ear_end(void *arg)
{
    struct ear *ear = arg;
    assert_false(ear->closed);
    assert_false(ear->ended);
    ear->ended = true;
    if (ear->end_too)
        lat_stream_end(ear->stream);
}

static void ear_drain(void *arg)
{
    struct ear *ear = arg;
    assert_true(lat_stream_pending(ear->stream) <= LAT_STREAM_LOW_WATER);
    ear->drains++;
}

static void ear_close(void *arg, const struct lat_err *err)
{
    struct ear *ear = arg;
    assert_false(ear->closed);
    ear->closed = true;
    ear->err = *err;
    ear->stream = NULL;
}

static const struct lat_stream_events ear_events = {
    .on_data = ear_data, .on_end = ear_end, .on_drain = ear_drain, .on_close = ear_close};

void ear_take(struct ear *ear, struct lat_stream *stream)
{
    ear->stream = stream;
    lat_stream_set_events(stream, &ear_events, ear);
}

void ear_reply(void *arg, const struct lat_err *err)
{
    struct ear *ear = arg;
    assert_false(ear->replied);
    assert_false(ear->closed);
    ear->replied = true;
    if (err)
        ear->reply = *err;
}

void ear_done(struct ear *ear)
{
    lat_buf_done(&ear->got);
}

/* ---- ends ---- */

static void end_message(void *arg, const cJSON *message)
{
    struct end *end = arg;
    char *text = lat_json_print(message);
    lat_buf_add_text(&end->messages, text);
    lat_buf_add_byte(&end->messages, '\n');
    end->message_count++;
    free(text);
    if (end->pause_at_message)
        lat_link_pause(end->link);
}

static void end_opened(void *arg, struct lat_stream *stream, const cJSON *header)
{
    struct end *end = arg;
    struct ear *ear = &end->ears[end->opened++];
    char *text = lat_json_print(header);
    lat_buf_add_text(&end->headers, text);
    lat_buf_add_byte(&end->headers, '\n');
    free(text);
    ear->end_too = end->end_too;
    ear_take(ear, stream);
    if (end->answer == REFUSE) {
        struct lat_err err;
        lat_err_set(&err, LAT_E_NOT_FOUND, "There is no such allocation.");
        lat_err_hint(&err, "Look again.");
        lat_link_refuse(stream, &err);
    } else if (end->answer == ACCEPT) {
        lat_link_accept(stream);
        if (!end->keep_paused)
            lat_stream_resume(stream);
    }
}

static void end_closed(void *arg, const struct lat_err *err)
{
    struct end *end = arg;
    assert_false(end->closed);
    for (int i = 0; i < end->opened; i++)
        assert_true(end->ears[i].closed);
    end->closed = true;
    end->err = *err;
    end->link = NULL;
}

static const struct lat_link_events end_events = {
    .on_message = end_message, .on_open = end_opened, .on_close = end_closed};

void end_make(struct end *end, struct lat_stream *transport, enum lat_link_role role,
              int64_t ping_ms)
{
    struct lat_link_options options = {.role = role, .ping_ms = ping_ms};
    end->link = lat_link_new(transport, &options, &end_events, end);
}

void end_send(struct end *end, const char *json)
{
    struct lat_err err;
    assert_int_equal(lat_link_send(end->link, json, strlen(json), &err), 0);
}

struct ear *end_open(struct end *end, struct ear *ear, const char *header)
{
    struct lat_err err;
    struct lat_stream *stream = NULL;
    assert_int_equal(
        lat_link_open(end->link, header, strlen(header), ear_reply, ear, &stream, &err), 0);
    ear_take(ear, stream);
    lat_stream_resume(stream);
    return ear;
}

static void end_done(struct end *end)
{
    for (int i = 0; i < STREAMS_MAX; i++)
        ear_done(&end->ears[i]);
    lat_buf_done(&end->messages);
    lat_buf_done(&end->headers);
}

/* ---- two links ---- */

struct duo *duo_new(void)
{
    struct duo *duo = LAT_NEW(struct duo);
    struct lat_stream *a;
    struct lat_stream *b;
    duo->loop = lat_loop_new(lat_clock_system());
    lat_stream_pair(duo->loop, &a, &b);
    end_make(&duo->agent, a, LAT_LINK_AGENT, 0);
    end_make(&duo->console, b, LAT_LINK_CONSOLE, 0);
    settle(duo->loop);
    return duo;
}

void duo_free(struct duo *duo)
{
    if (duo->agent.link)
        lat_link_close(duo->agent.link, NULL);
    run_until(duo->loop, &duo->agent.closed);
    run_until(duo->loop, &duo->console.closed);
    end_done(&duo->agent);
    end_done(&duo->console);
    lat_loop_free(duo->loop);
    free(duo);
}

/* ---- the test as the other side ---- */

struct raw *raw_new(enum lat_link_role role, int64_t ping_ms)
{
    struct raw *raw = LAT_NEW(struct raw);
    struct lat_stream *a;
    struct lat_stream *b;
    raw->loop = lat_loop_new(lat_clock_system());
    lat_stream_pair(raw->loop, &a, &b);
    end_make(&raw->end, a, role, ping_ms);
    raw->wire.end_too = true;
    ear_take(&raw->wire, b);
    lat_stream_resume(b);
    return raw;
}

void raw_free(struct raw *raw)
{
    if (raw->wire.stream)
        lat_stream_close(raw->wire.stream);
    run_until(raw->loop, &raw->end.closed);
    run_until(raw->loop, &raw->wire.closed);
    end_done(&raw->end);
    ear_done(&raw->wire);
    lat_loop_free(raw->loop);
    free(raw);
}

static void add32(struct lat_buf *out, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        lat_buf_add_byte(out, (uint8_t)(value >> shift));
}

void frame_bytes(struct lat_buf *out, int type, int flags, uint32_t stream, uint32_t length,
                 const void *data)
{
    const uint8_t head[] = {0, (uint8_t)type, 0, (uint8_t)flags};
    lat_buf_add(out, head, sizeof(head));
    add32(out, stream);
    add32(out, length);
    if (type == DATA && data)
        lat_buf_add(out, data, length);
}

void raw_send(struct raw *raw, int type, int flags, uint32_t stream, uint32_t length,
              const void *data)
{
    struct lat_buf bytes = {0};
    frame_bytes(&bytes, type, flags, stream, length, data);
    lat_stream_write(raw->wire.stream, bytes.bytes, bytes.len);
    lat_buf_done(&bytes);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool read_frame(struct raw *raw, struct frame *ret_frame)
{
    const uint8_t *at = raw->wire.got.bytes + raw->read;
    if (raw->wire.got.len - raw->read < 12)
        return false;
    struct frame frame = {.version = at[0],
                          .type = at[1],
                          .flags = at[2] << 8 | at[3],
                          .stream = get32(at + 4),
                          .length = get32(at + 8),
                          .data = at + 12};
    raw->read += 12;
    if (frame.type == DATA) {
        assert_true(raw->wire.got.len - raw->read >= frame.length);
        raw->read += frame.length;
    }
    *ret_frame = frame;
    return true;
}

bool raw_next(struct raw *raw, struct frame *ret_frame)
{
    settle(raw->loop);
    while (read_frame(raw, ret_frame)) {
        if (ret_frame->type != PING)
            return true;
    }
    return false;
}

void raw_expect(struct raw *raw, int type, int flags, uint32_t stream, uint32_t length)
{
    struct frame frame;
    assert_true(raw_next(raw, &frame));
    assert_int_equal(frame.version, 0);
    assert_int_equal(frame.type, type);
    assert_int_equal(frame.flags, flags);
    assert_int_equal(frame.stream, stream);
    assert_int_equal(frame.length, length);
}

void raw_expect_nothing(struct raw *raw)
{
    struct frame frame;
    assert_false(raw_next(raw, &frame));
}

void preface(struct lat_buf *out, const char *json)
{
    add32(out, (uint32_t)strlen(json));
    lat_buf_add_text(out, json);
}

void raw_greet(struct raw *raw)
{
    if (raw->end.link && raw->wire.got.len == 0)
        settle(raw->loop);
    struct frame frame;
    if (raw_next(raw, &frame)) {
        assert_int_equal(frame.flags, SYN);
        raw_send(raw, WINDOW, ACK, 1, 0, NULL);
        raw_expect_nothing(raw);
    } else {
        raw_send(raw, WINDOW, SYN, 1, 0, NULL);
        raw_expect(raw, WINDOW, ACK, 1, 0);
    }
}
