#include "support.h"

static int64_t wall_ms(void *arg)
{
    const struct world *world = arg;
    return INT64_C(1795219462000) + world->now_ms; /* 2026-11-21T00:04:22Z */
}

static int64_t boot_ns(void *arg)
{
    const struct world *world = arg;
    return (world->now_ms + 1000) * 1000000;
}

static void echo(struct lat_http_request *req)
{
    struct lat_buf out = {0};
    size_t len = 0;
    const char *body = lat_http_body(req, &len);
    lat_buf_addf(&out, "%s %s?%s ", lat_http_method_text(lat_http_method(req)), lat_http_path(req),
                 lat_http_query(req));
    lat_buf_add(&out, body, len);
    lat_http_respond(req, 200, "text/plain", NULL, out.bytes, out.len);
    lat_buf_done(&out);
}

static void handler(void *arg, struct lat_http_request *req)
{
    struct world *world = arg;
    world->handled++;
    if (lat_text_starts(lat_http_path(req), "/hold")) {
        assert_true(world->held_count < HELD_MAX);
        world->held[world->held_count++] = lat_http_request_ref(req);
    } else {
        echo(req);
    }
}

static void answered(void *arg, const struct lat_http_request *req, int status)
{
    struct world *world = arg;
    assert_int_not_equal(strlen(lat_http_request_id(req)), 0);
    world->answered++;
    world->last_status = status;
}

int world_setup_with(void **state, const struct lat_http_server_options *given)
{
    struct world *world = LAT_NEW(struct world);
    world->clock = (struct lat_clock){.wall_ms = wall_ms, .boot_ns = boot_ns, .arg = world};
    world->loop = lat_loop_new(&world->clock);
    world->random = lat_random_new_seeded(11);
    struct lat_http_server_options options = {0};
    if (given != NULL) {
        options = *given;
    }
    options.handler = handler;
    options.answered = answered;
    options.arg = world;
    options.random = world->random;
    world->server = lat_http_server_new(world->loop, &options);
    *state = world;
    return 0;
}

int world_setup(void **state)
{
    return world_setup_with(state, NULL);
}

static void server_closed(void *arg)
{
    struct world *world = arg;
    world->server_closed = true;
}

void world_close_server(struct world *world, int64_t grace_ms)
{
    lat_http_server_close(world->server, grace_ms, server_closed, world);
    world->server = NULL;
    settle(world);
}

int world_teardown(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < world->held_count; i++) {
        let_go(world, i);
    }
    if (world->server != NULL) {
        world_close_server(world, 0);
    }
    pass(world, 1);
    assert_true(world->server_closed);
    lat_loop_free(world->loop);
    lat_random_free(world->random);
    free(world);
    return 0;
}

void settle(struct world *world)
{
    int turns = 0;
    do {
        assert_true(turns++ < 100000);
    } while (lat_loop_turn(world->loop));
}

void pass(struct world *world, int64_t ms)
{
    world->now_ms += ms;
    settle(world);
}

void let_go(struct world *world, int index)
{
    world->held[index] = lat_http_request_unref(world->held[index]);
}

/* ---- wires ---- */

static void on_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct wire *wire = arg;
    assert_false(wire->ended);
    lat_buf_add(&wire->got, bytes, len);
}

static void on_end(void *arg)
{
    struct wire *wire = arg;
    wire->ended = true;
}

static void on_close(void *arg, const struct lat_err *err)
{
    struct wire *wire = arg;
    assert_false(wire->closed);
    wire->closed = true;
    wire->close_code = err->code;
    wire->stream = NULL;
}

static const struct lat_stream_events events = {
    .on_data = on_data, .on_end = on_end, .on_close = on_close};

void wire_take(struct wire *wire, struct lat_stream *stream)
{
    *wire = (struct wire){.stream = stream};
    lat_stream_set_events(stream, &events, wire);
    lat_stream_resume(stream);
}

void wire_open(struct world *world, struct wire *wire)
{
    struct lat_stream *near, *far;
    lat_stream_pair(world->loop, &near, &far);
    wire_take(wire, near);
    lat_http_server_serve(world->server, far);
}

void wire_send_bytes(struct world *world, struct wire *wire, const void *bytes, size_t len)
{
    if (wire->stream != NULL) {
        lat_stream_write(wire->stream, bytes, len);
    }
    settle(world);
}

void wire_send(struct world *world, struct wire *wire, const char *text)
{
    wire_send_bytes(world, wire, text, strlen(text));
}

void wire_close(struct world *world, struct wire *wire)
{
    if (wire->stream != NULL) {
        lat_stream_close(wire->stream);
    }
    settle(world);
    assert_true(wire->closed);
    lat_buf_done(&wire->got);
}

const char *wire_text(struct wire *wire)
{
    return lat_buf_text(&wire->got);
}

char *ask(struct world *world, const char *text)
{
    struct wire wire;
    wire_open(world, &wire);
    wire_send(world, &wire, text);
    if (wire.stream != NULL) {
        lat_stream_end(wire.stream);
    }
    settle(world);
    assert_true(wire.closed);
    return lat_buf_take_text(&wire.got);
}

int status_of(const char *text)
{
    int status = 0;
    return sscanf(text, "HTTP/1.1 %d ", &status) == 1 ? status : 0;
}

char *bare(const char *text)
{
    static const char *const left_out[] = {
        "Date: ", "X-Request-Id: ", "X-Content-Type-Options: nosniff\r\n",
        "Cache-Control: no-store\r\n"};
    struct lat_buf out = {0};
    while (*text != '\0') {
        const char *feed = strchr(text, '\n');
        size_t len = feed != NULL ? (size_t)(feed - text) + 1 : strlen(text);
        bool skip = false;
        for (size_t i = 0; i < LAT_COUNT(left_out); i++) {
            skip = skip || lat_text_starts(text, left_out[i]);
        }
        if (!skip) {
            lat_buf_add(&out, text, len);
        }
        text += len;
    }
    return lat_buf_take_text(&out);
}

int count_of(const char *text, const char *needle)
{
    int count = 0;
    for (const char *at = strstr(text, needle); at != NULL; at = strstr(at + 1, needle)) {
        count++;
    }
    return count;
}
