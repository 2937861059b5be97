#include "tests/unit/luahost/inside.h"

#include "luahost/protocol.h"
#include "luahost/rows.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct child {
    struct inside *world;
    struct lat_stream *stream;
    struct lat_buf received;
};

/* ---- the clock ---- */

static int64_t wall_ms(void *arg)
{
    return ((struct inside *)arg)->now_ns / 1000000;
}

static int64_t boot_ns(void *arg)
{
    return ((struct inside *)arg)->now_ns;
}

void inside_pass_until(struct inside *world, const bool *done)
{
    for (int steps = 0; !*done && steps < 10000; steps++) {
        if (!lat_loop_turn(world->loop) && !*done) {
            int64_t next_ms = lat_loop_next_ms(world->loop);

            world->now_ns += next_ms > 0 ? next_ms * 1000000 : 0;
        }
    }
    assert_true(*done);
}

/* ---- the child ---- */

static void add_frame(struct lat_buf *said, const char *json)
{
    size_t len = strlen(json);
    uint8_t head[LAT_LUAHOST_HEAD] = {0, 0, (uint8_t)(len >> 8), (uint8_t)len};

    lat_buf_add(said, head, sizeof(head));
    lat_buf_add_text(said, json);
}

/* Sends all of it at once, and empties it. */
static void send_said(struct child *child, struct lat_buf *said)
{
    lat_stream_write(child->stream, said->bytes, said->len);
    lat_buf_done(said);
}

static void say(struct child *child, const char *json)
{
    struct lat_buf said = {0};

    add_frame(&said, json);
    send_said(child, &said);
}

static void answer_load(struct child *child, bool hangs)
{
    struct lat_buf said = {0};

    for (int i = 1; i <= child->world->notes; i++) {
        char *note = lat_text_format("{\"doing\":\"test_%d\"}", i);

        add_frame(&said, note);
        free(note);
    }
    if (!hangs) {
        add_frame(&said, "{\"ok\":true}");
    }
    if (said.len > 0) {
        send_said(child, &said);
    }
}

static void take_request(struct child *child, const cJSON *request)
{
    struct inside *world = child->world;
    bool is_ask = strcmp(lat_json_text(request, "op", ""), "load") != 0;

    world->asked += is_ask;
    world->loaded += !is_ask;
    if (!is_ask && world->slow_loads > 0 && world->slow_text != NULL &&
        strcmp(lat_json_text(request, "source", ""), world->slow_text) == 0) {
        world->slow_loads--;
        answer_load(child, true);
        return;
    }
    if (!is_ask) {
        answer_load(child, false);
        if (world->manner == INSIDE_ENDS_EARLY) {
            lat_stream_close(child->stream);
        }
    } else if (world->manner == INSIDE_ANSWERS) {
        if (strcmp(lat_json_text(request, "op", ""), "rows") == 0) {
            world->on_rows(world);
        }
        char *answer = lat_text_format("{\"id\":%lld,\"value\":{\"fine\":true}}",
                                       (long long)lat_json_int(request, "id", 0));

        say(child, answer);
        free(answer);
    } else if (world->manner == INSIDE_DIES) {
        lat_stream_close(child->stream);
    } else if (world->manner == INSIDE_TALKS_RUBBISH) {
        say(child, "{]");
    } else if (world->manner == INSIDE_GOES_ON_TALKING) {
        struct lat_buf said = {0};

        add_frame(&said, "{\"id\":1,\"value\":{\"fine\":true}}");
        add_frame(&said, "{\"id\":2,\"value\":{\"fine\":true}}");
        send_said(child, &said);
    }
}

static void on_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct child *child = arg;
    cJSON *request;

    lat_buf_add(&child->received, bytes, len);
    if (child->received.len < LAT_LUAHOST_HEAD) {
        return;
    }
    const uint8_t *head = child->received.bytes;
    size_t frame = (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];

    if (child->received.len == LAT_LUAHOST_HEAD + frame) {
        assert_int_equal(
            lat_json_parse((const char *)head + LAT_LUAHOST_HEAD, frame, &request, NULL), 0);
        lat_buf_clear(&child->received);
        take_request(child, request);
        cJSON_Delete(request);
    }
}

static void on_close(void *arg, const struct lat_err *err)
{
    struct child *child = arg;

    (void)err;
    child->world->alive--;
    lat_buf_done(&child->received);
    free(child);
}

static int start(void *arg, enum lat_luahost_kind kind, void *rows, struct lat_stream **ret_stream,
                 struct lat_err *err)
{
    static const struct lat_stream_events events = {.on_data = on_data, .on_close = on_close};
    struct inside *world = arg;

    assert_int_equal(kind, LAT_LUAHOST_POLICY);
    world->rows = rows != NULL ? rows : world->rows;
    world->started++;
    if (world->manner == INSIDE_CANNOT_START) {
        return lat_err_set(err, LAT_E_IO, "There are too many processes.");
    }
    struct child *child = LAT_NEW(struct child);

    world->alive++;
    child->world = world;
    lat_stream_pair(world->loop, &child->stream, ret_stream);
    lat_stream_set_events(child->stream, &events, child);
    lat_stream_resume(child->stream);
    say(child, "{\"ok\":true}");
    return 0;
}

/* ---- the world ---- */

void inside_init(struct inside *world)
{
    world->now_ns = 7000000000;
    world->clock = (struct lat_clock){.wall_ms = wall_ms, .boot_ns = boot_ns, .arg = world};
    world->loop = lat_loop_new(&world->clock);
    world->random = lat_random_new_seeded(1);
    inside_renew_host(world);
}

void inside_renew_host(struct inside *world)
{
    world->host =
        lat_luahost_new(world->loop, NULL, NULL, world->random,
                        &(struct lat_luahost_options){
                            .deadline_ms = INSIDE_DEADLINE_MS, .start = start, .start_arg = world});
}

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

void inside_close_host(struct inside *world)
{
    bool closed = false;

    lat_luahost_close(world->host, set_flag, &closed);
    inside_pass_until(world, &closed);
    assert_int_equal(world->alive, 0);
}

void inside_done(struct inside *world)
{
    inside_close_host(world);
    lat_loop_free(world->loop);
    lat_random_free(world->random);
}
