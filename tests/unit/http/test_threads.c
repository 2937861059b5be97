/* Requests answered from another thread: whole, streamed under back-pressure, and to clients that go in the middle.
 * Runs under ThreadSanitizer as well. Clients and server share the I/O loop's thread; a second loop on another
 * thread answers. */
#include "support.h"

#include "tests/unit/waiting.h"

enum { CLIENTS = 8, ROUNDS = 60, PIECE = 8 * 1024, PIECES = 64 };

struct house {
    struct lat_loop *io, *state;
    struct lat_random *random;
    struct lat_http_server *server;
    int running; /* callers that have not finished */
    int answers; /* of the state thread alone, and the rest of its own */
    int left;
    bool over;
};

/* One client: asks for one thing after the other. On the I/O thread. */
struct caller {
    struct house *house;
    struct lat_http_client *client;
    int round;
    size_t body_len;
    bool leaves; /* in the middle of this answer */
};

/* One streamed answer. On the state thread. */
struct streaming {
    struct house *house;
    struct lat_http_request *req;
    int pieces; /* still to write; -1: for ever */
};

/* ---- the state thread ---- */

static void stream_on(void *arg)
{
    static const char piece[PIECE] = {'p'};
    struct streaming *streaming = arg;
    while (streaming->pieces != 0 && lat_http_pending(streaming->req) <= LAT_STREAM_HIGH_WATER) {
        lat_http_write(streaming->req, piece, sizeof piece);
        streaming->pieces -= streaming->pieces > 0;
    }
    if (streaming->pieces != 0) {
        lat_http_on_drain(streaming->req, streaming->house->state, stream_on, streaming);
        return;
    }
    lat_http_end(streaming->req);
    streaming->house->answers++;
    lat_http_request_unref(streaming->req);
    free(streaming);
}

static void gone(void *arg)
{
    struct streaming *streaming = arg;
    streaming->house->left++;
    lat_http_end(streaming->req); /* no drain comes after this: it may be freed */
    lat_http_request_unref(streaming->req);
    free(streaming);
}

struct posted {
    struct house *house;
    struct lat_http_request *req;
};

static void answer(void *arg)
{
    struct posted posted = *(struct posted *)arg;
    free(arg);
    const char *path = lat_http_path(posted.req);
    if (strcmp(path, "/whole") == 0) {
        lat_http_respond(posted.req, 200, "text/plain", NULL, lat_http_request_id(posted.req), 36);
        lat_http_request_unref(posted.req);
        posted.house->answers++;
        return;
    }
    struct streaming *streaming = LAT_NEW(struct streaming);
    streaming->house = posted.house;
    streaming->req = posted.req;
    streaming->pieces = strcmp(path, "/stream") == 0 ? PIECES : -1;
    lat_http_on_gone(posted.req, posted.house->state, gone, streaming);
    lat_http_begin(posted.req, 200, "text/plain", NULL);
    stream_on(streaming);
}

static void state_thread(void *arg)
{
    struct house *house = arg;
    lat_loop_run(house->state);
}

/* ---- the I/O thread ---- */

static void handler(void *arg, struct lat_http_request *req)
{
    struct posted *posted = LAT_NEW(struct posted);
    posted->house = arg;
    posted->req = lat_http_request_ref(req);
    lat_loop_post_always(posted->house->state, answer, posted);
}

static void release_state(void *arg)
{
    struct house *house = arg;
    lat_loop_release(house->state);
}

static void server_closed(void *arg)
{
    struct house *house = arg;
    house->over = true;
    lat_loop_release(house->io);
    lat_loop_post_always(house->state, release_state, house);
}

static void next_round(struct caller *caller);

static void on_body(void *arg, const uint8_t *bytes, size_t len)
{
    struct caller *caller = arg;
    (void)bytes;
    caller->body_len += len;
    if (caller->leaves && caller->body_len > 100 * 1024) {
        caller->client = lat_http_client_free(caller->client);
        next_round(caller);
    }
}

static void on_done(void *arg)
{
    struct caller *caller = arg;
    assert_false(caller->leaves);
    assert_int_equal(caller->body_len, (caller->round - 1) % 3 == 0 ? 36 : PIECE * PIECES);
    next_round(caller);
}

static void on_error(void *arg, const struct lat_err *err)
{
    (void)arg;
    fail_msg("%s", err->sentence);
}

static const struct lat_http_call_events events = {
    .on_body = on_body, .on_done = on_done, .on_error = on_error};

static void next_round(struct caller *caller)
{
    static const char *const targets[] = {"/whole", "/stream", "/endless"};
    struct house *house = caller->house;
    if (caller->round == ROUNDS) {
        caller->client = lat_http_client_free(caller->client);
        if (--house->running == 0) {
            lat_http_server_close(house->server, 1000, server_closed, house);
        }
        return;
    }
    if (caller->client == NULL) {
        struct lat_stream *near, *far;
        lat_stream_pair(house->io, &near, &far);
        caller->client = lat_http_client_new(near, "x");
        lat_http_server_serve(house->server, far);
    }
    const struct lat_http_call call = {.method = LAT_HTTP_GET,
                                       .target = targets[caller->round % 3]};
    caller->leaves = caller->round % 3 == 2;
    caller->body_len = 0;
    caller->round++;
    lat_http_client_start(caller->client, &call, &events, caller);
}

static void answers_from_another_thread_arrive_in_order_and_whole(void **state)
{
    (void)state;
    struct house house = {.running = CLIENTS};
    struct caller callers[CLIENTS] = {{0}};
    house.io = lat_loop_new(lat_clock_system());
    house.state = lat_loop_new(lat_clock_system());
    house.random = lat_random_new_seeded(5);
    house.server = lat_http_server_new(
        house.io, &(struct lat_http_server_options){
                      .handler = handler, .arg = &house, .random = house.random});
    lat_loop_hold(house.io);
    lat_loop_hold(house.state);
    struct lat_thread *thread = lat_thread_start("state", state_thread, &house);
    for (int i = 0; i < CLIENTS; i++) {
        callers[i].house = &house;
        next_round(&callers[i]);
    }
    lat_loop_run_until(house.io, &house.over, WAITING_MS);
    assert_true(house.over);
    lat_thread_join(thread);
    assert_int_equal(house.left, CLIENTS * ROUNDS / 3);
    assert_int_equal(house.answers, CLIENTS * ROUNDS * 2 / 3);
    lat_loop_free(house.io);
    lat_loop_free(house.state);
    lat_random_free(house.random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_from_another_thread_arrive_in_order_and_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
