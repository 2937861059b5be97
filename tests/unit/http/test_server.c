/* The server's answers: framing, keep-alive, pipelining, streams, back-pressure, ids, problems, its end. */
#include "support.h"

#include "base/id.h"
#include "base/json.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static void an_answer_has_a_length_a_date_an_id_and_safe_headers(void **state)
{
    struct world *world = *state;
    struct wire wire;
    wire_open(world, &wire);
    wire_send(world, &wire, "GET /a HTTP/1.1\r\nHost: x\r\nX-Request-Id: my.id-7_\r\n\r\n");
    assert_string_equal(wire_text(&wire), "HTTP/1.1 200 OK\r\n"
                                          "Content-Type: text/plain\r\n"
                                          "Content-Length: 8\r\n"
                                          "Date: Sat, 21 Nov 2026 00:04:22 GMT\r\n"
                                          "X-Request-Id: my.id-7_\r\n"
                                          "X-Content-Type-Options: nosniff\r\n"
                                          "Cache-Control: no-store\r\n"
                                          "\r\n"
                                          "GET /a? ");
    assert_int_equal(world->answered, 1);
    assert_int_equal(world->last_status, 200);
    wire_close(world, &wire);
}

/* Returns the id that the answer carries (owned). */
static char *id_in(const char *answer)
{
    const char *at = strstr(answer, "X-Request-Id: ");
    assert_non_null(at);
    at += strlen("X-Request-Id: ");
    return lat_text_copy_n(at, strcspn(at, "\r"));
}

static void a_request_id_that_is_no_word_is_replaced(void **state)
{
    struct world *world = *state;
    char longest[LAT_HTTP_REQUEST_ID_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    const char *const given[] = {"", "a b", "a\"b", "ä", "a/b", longest};
    for (size_t i = 0; i < LAT_COUNT(given); i++) {
        char *request =
            lat_text_format("GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: %s\r\n\r\n", given[i]);
        char *answer = ask(world, request);
        char *id = id_in(answer);
        assert_true(lat_id_is(id));
        free(id);
        free(answer);
        free(request);
    }
    longest[LAT_HTTP_REQUEST_ID_MAX] = '\0';
    char *request =
        lat_text_format("GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: %s\r\n\r\n", longest);
    char *answer = ask(world, request);
    char *id = id_in(answer);
    assert_string_equal(id, longest);
    free(id);
    free(answer);
    free(request);
}

static void connections_are_kept_alive_as_their_version_has_it(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *version, *connection;
        bool kept;
    } rows[] = {
        {"1.1", NULL, true},         {"1.1", "close", false}, {"1.1", "keep-alive", true},
        {"1.1", "Close, TE", false}, {"1.0", NULL, false},    {"1.0", "keep-alive", true},
        {"1.0", "Keep-Alive", true},
    };
    for (size_t i = 0; i < LAT_COUNT(rows); i++) {
        struct wire wire;
        char *request = lat_text_format("GET / HTTP/%s\r\nHost: x\r\n%s%s%s\r\n", rows[i].version,
                                        rows[i].connection != NULL ? "Connection: " : "",
                                        rows[i].connection != NULL ? rows[i].connection : "",
                                        rows[i].connection != NULL ? "\r\n" : "");
        wire_open(world, &wire);
        wire_send(world, &wire, request);
        assert_int_equal(status_of(wire_text(&wire)), 200);
        assert_int_equal(wire.ended, !rows[i].kept);
        assert_int_equal(count_of(wire_text(&wire), "Connection: close\r\n"), !rows[i].kept);
        assert_int_equal(count_of(wire_text(&wire), "Connection: keep-alive\r\n"),
                         rows[i].kept && strcmp(rows[i].version, "1.0") == 0);
        wire_close(world, &wire);
        free(request);
    }
}

static void many_requests_use_one_connection(void **state)
{
    struct world *world = *state;
    struct wire wire;
    wire_open(world, &wire);
    for (int i = 0; i < 200; i++) {
        wire_send(world, &wire, GET("/a"));
    }
    assert_int_equal(count_of(wire_text(&wire), "HTTP/1.1 200 OK"), 200);
    assert_int_equal(lat_http_server_connections(world->server), 1);
    wire_close(world, &wire);
}

static void pipelined_requests_are_answered_in_order_and_one_by_one(void **state)
{
    struct world *world = *state;
    struct wire wire;
    wire_open(world, &wire);
    wire_send(world, &wire,
              GET("/1") GET("/hold/2") GET("/3") GET("/hold/4") "GET /5 HTTP/1.1\r\n");
    assert_int_equal(world->held_count, 1);
    assert_int_equal(count_of(wire_text(&wire), "HTTP/1.1 "), 1);
    wire_send(world, &wire, "Host: x\r\n\r\n");
    lat_http_respond(world->held[0], 200, NULL, NULL, "two", 3);
    settle(world);
    assert_int_equal(world->held_count, 2);
    lat_http_respond(world->held[1], 200, NULL, NULL, "four", 4);
    settle(world);
    const char *text = wire_text(&wire);
    assert_int_equal(count_of(text, "HTTP/1.1 200 OK"), 5);
    const char *at = text;
    static const char *const order[] = {"GET /1? ", "two", "GET /3? ", "four", "GET /5? "};
    for (size_t i = 0; i < LAT_COUNT(order); i++) {
        at = strstr(at, order[i]);
        assert_non_null(at);
    }
    wire_close(world, &wire);
}

static void a_flood_of_pipelined_requests_waits_in_the_stream(void **state)
{
    struct world *world = *state;
    struct wire wire;
    wire_open(world, &wire);
    wire_send(world, &wire, GET("/hold"));
    char junk[8192];
    memset(junk, 'x', sizeof junk);
    for (int i = 0; i < 100; i++) {
        wire_send_bytes(world, &wire, junk, sizeof junk);
    }
    /* of 800 KB the server has taken some, and the rest is the sender's */
    assert_true(lat_stream_pending(wire.stream) > 600 * 1024);
    lat_http_respond(world->held[0], 200, NULL, NULL, "", 0);
    settle(world);
    assert_int_equal(count_of(wire_text(&wire), "HTTP/1.1 200 OK"), 1);
    assert_int_equal(count_of(wire_text(&wire), "HTTP/1.1 431 "), 1);
    wire_close(world, &wire);
}

static void a_client_that_ends_its_side_still_gets_its_answers(void **state)
{
    struct world *world = *state;
    struct wire wire;
    wire_open(world, &wire);
    lat_stream_write(wire.stream, GET("/hold") GET("/b"), strlen(GET("/hold") GET("/b")));
    lat_stream_end(wire.stream);
    settle(world);
    assert_false(wire.closed);
    lat_http_respond(world->held[0], 200, NULL, NULL, "late", 4);
    settle(world);
    assert_non_null(strstr(wire_text(&wire), "late"));
    assert_non_null(strstr(wire_text(&wire), "GET /b? "));
    assert_true(wire.closed);
    wire_close(world, &wire);
}

static void head_is_answered_like_get_without_the_body(void **state)
{
    struct world *world = *state;
    struct wire wire;
    wire_open(world, &wire);
    wire_send(world, &wire, "HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n" GET("/b"));
    char *text = bare(wire_text(&wire));
    assert_string_equal(text,
                        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n"
                        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\n"
                        "GET /b? ");
    free(text);
    wire_close(world, &wire);
}

static void some_statuses_have_no_body_and_no_length(void **state)
{
    struct world *world = *state;
    struct wire wire;
    wire_open(world, &wire);
    wire_send(world, &wire, GET("/hold") GET("/hold"));
    lat_http_respond(world->held[0], 204, NULL, NULL, "ignored", 7);
    settle(world);
    lat_http_begin(world->held[1], 304, NULL, NULL);
    lat_http_write(world->held[1], "ignored", 7);
    lat_http_end(world->held[1]);
    settle(world);
    char *text = bare(wire_text(&wire));
    assert_string_equal(text, "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n");
    free(text);
    wire_close(world, &wire);
}

static void who_waits_for_100_gets_it_before_the_body(void **state)
{
    struct world *world = *state;
    struct wire wire;
    wire_open(world, &wire);
    wire_send(world, &wire,
              "POST /e HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_string_equal(wire_text(&wire), "HTTP/1.1 100 Continue\r\n\r\n");
    wire_send(world, &wire, "abc");
    assert_non_null(strstr(wire_text(&wire), "POST /e? abc"));
    lat_buf_clear(&wire.got);
    /* a body that is here already needs no invitation */
    wire_send(
        world, &wire,
        "POST /e HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc");
    assert_int_equal(count_of(wire_text(&wire), "100 Continue"), 0);
    wire_close(world, &wire);
    /* too large is told at once */
    char *answer = ask(world, "POST /e HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                              "Content-Length: 9999999\r\n\r\n");
    assert_int_equal(status_of(answer), 413);
    free(answer);
}

static void a_streamed_answer_comes_in_chunks(void **state)
{
    struct world *world = *state;
    struct wire wire;
    wire_open(world, &wire);
    wire_send(world, &wire, GET("/hold"));
    struct lat_http_request *req = world->held[0];
    const struct lat_http_field extra[] = {
        {"Cache-Control", "no-cache"}, {"X-A", "b\r\nX-Forged: c"}, {0}};
    lat_http_begin(req, 200, "text/event-stream", extra);
    lat_http_write(req, "hello", 5);
    settle(world);
    char *text = bare(wire_text(&wire));
    assert_string_equal(text, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                              "Transfer-Encoding: chunked\r\nCache-Control: no-cache\r\n"
                              "X-A: b__X-Forged: c\r\n\r\n5\r\nhello\r\n");
    free(text);
    lat_buf_clear(&wire.got);
    lat_http_write(req, "", 0); /* which would be the end */
    lat_http_write(req, " 20 bytes of a chunk", 20);
    lat_http_end(req);
    wire_send(world, &wire, GET("/next"));
    assert_true(
        lat_text_starts(wire_text(&wire), "14\r\n 20 bytes of a chunk\r\n0\r\n\r\nHTTP/1.1 200"));
    wire_close(world, &wire);
}

static void an_old_client_gets_a_stream_until_the_end_of_the_connection(void **state)
{
    struct world *world = *state;
    struct wire wire;
    wire_open(world, &wire);
    wire_send(world, &wire, "GET /hold HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n");
    lat_http_begin(world->held[0], 200, NULL, NULL);
    lat_http_write(world->held[0], "hello", 5);
    lat_http_end(world->held[0]);
    settle(world);
    char *text = bare(wire_text(&wire));
    assert_string_equal(text, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
    assert_true(wire.ended);
    free(text);
    wire_close(world, &wire);
}

static void an_aborted_stream_is_seen_as_broken(void **state)
{
    struct world *world = *state;
    struct wire wire;
    wire_open(world, &wire);
    wire_send(world, &wire, GET("/hold"));
    lat_http_begin(world->held[0], 200, NULL, NULL);
    lat_http_write(world->held[0], "half", 4);
    settle(world);
    lat_http_abort(world->held[0]);
    settle(world);
    assert_true(wire.closed);
    assert_null(strstr(wire_text(&wire), "\r\n0\r\n"));
    assert_int_equal(world->last_status, 499);
    wire_close(world, &wire);
}

static void count_up(void *arg)
{
    (*(int *)arg)++;
}

static void a_slow_client_holds_the_writer_back(void **state)
{
    struct world *world = *state;
    struct wire wire;
    static char piece[16 * 1024];
    int drains = 0;
    size_t most = 0;
    wire_open(world, &wire);
    wire_send(world, &wire, GET("/hold"));
    struct lat_http_request *req = world->held[0];
    lat_http_begin(req, 200, NULL, NULL);
    settle(world);
    lat_buf_clear(&wire.got);
    lat_stream_pause(wire.stream);
    size_t written = 0;
    for (int round = 1; round <= 3; round++) {
        while (lat_http_pending(req) <= LAT_STREAM_HIGH_WATER) {
            lat_http_write(req, piece, sizeof piece);
            written += sizeof piece;
        }
        most = lat_http_pending(req) > most ? lat_http_pending(req) : most;
        lat_http_on_drain(req, world->loop, count_up, &drains);
        settle(world);
        assert_int_equal(drains, round - 1);
        lat_stream_resume(wire.stream);
        settle(world);
        assert_int_equal(drains, round); /* once for each time it was asked for */
        lat_stream_pause(wire.stream);
    }
    assert_true(most < LAT_STREAM_HIGH_WATER + 2 * sizeof piece);
    /* nothing is pending: it comes at once, but never from within the call */
    lat_http_on_drain(req, world->loop, count_up, &drains);
    assert_int_equal(drains, 3);
    settle(world);
    assert_int_equal(drains, 4);
    lat_http_end(req);
    lat_stream_resume(wire.stream);
    settle(world);
    assert_true(wire.got.len > written);
    wire_close(world, &wire);
}

static void who_streams_hears_once_that_the_client_has_gone(void **state)
{
    struct world *world = *state;
    for (int gently = 0; gently <= 1; gently++) {
        struct wire wire;
        int gone = 0;
        int drains = 0;
        wire_open(world, &wire);
        wire_send(world, &wire, GET("/hold"));
        struct lat_http_request *req = world->held[gently];
        lat_http_on_gone(req, world->loop, count_up, &gone);
        lat_http_begin(req, 200, NULL, NULL);
        settle(world);
        if (gently) {
            lat_stream_end(wire.stream); /* as a process that exits */
        } else {
            lat_stream_close(wire.stream);
        }
        settle(world);
        assert_int_equal(gone, 1);
        assert_int_equal(world->last_status, 499);
        /* what is written now is nobody's */
        lat_http_write(req, "x", 1);
        assert_true(lat_http_pending(req) == SIZE_MAX); /* whoever writes until it is full stops */
        lat_http_on_drain(req, world->loop, count_up, &drains);
        lat_http_end(req);
        settle(world);
        assert_int_equal(gone, 1);
        assert_int_equal(drains, 0);
        wire_close(world, &wire);
    }
}

static void who_ended_the_answer_hears_nothing_more(void **state)
{
    struct world *world = *state;
    struct wire wire;
    int gone = 0;
    wire_open(world, &wire);
    wire_send(world, &wire, GET("/hold"));
    lat_http_on_gone(world->held[0], world->loop, count_up, &gone);
    lat_http_respond(world->held[0], 200, NULL, NULL, "", 0);
    lat_stream_close(wire.stream);
    settle(world);
    assert_int_equal(gone, 0);
    wire_close(world, &wire);
}

static void who_asks_too_late_hears_it_too(void **state)
{
    struct world *world = *state;
    struct wire wire;
    int gone = 0;
    struct lat_err broken = {.code = LAT_E_IO};
    wire_open(world, &wire);
    wire_send(world, &wire, GET("/hold"));
    lat_stream_abort(wire.stream, &broken);
    settle(world);
    lat_http_on_gone(world->held[0], world->loop, count_up, &gone);
    assert_int_equal(gone, 0);
    settle(world);
    assert_int_equal(gone, 1);
    lat_http_respond(world->held[0], 200, NULL, NULL, "", 0); /* dropped */
    wire_close(world, &wire);
}

static void nobody_streams_to_a_client_that_ended_its_side(void **state)
{
    struct world *world = *state;
    for (int asked = 0; asked <= 1; asked++) {
        struct wire wire;
        int gone = 0;
        wire_open(world, &wire);
        wire_send(world, &wire, GET("/hold"));
        struct lat_http_request *req = world->held[asked];
        if (asked) {
            lat_http_on_gone(req, world->loop, count_up, &gone);
        }
        lat_stream_end(wire.stream);
        settle(world);
        assert_int_equal(gone, asked);
        assert_int_equal(lat_http_server_connections(world->server), !asked);
        lat_http_begin(req, 200, NULL, NULL);
        settle(world);
        assert_int_equal(lat_http_server_connections(world->server), 0);
        lat_http_end(req);
        wire_close(world, &wire);
    }
}

static void everything_of_a_request_can_be_asked_for(void **state)
{
    struct world *world = *state;
    struct wire wire;
    size_t len = 0;
    wire_open(world, &wire);
    wire_send(world, &wire,
              "POST /hold/%C3%A4?a=1&b=x+y%26z&a=2&empty=&bare&=odd HTTP/1.1\r\nHost: x\r\n"
              "Content-Type: text/plain\r\nX-Many: 1\r\nx-many: 2\r\nContent-Length: 3\r\n\r\na");
    wire_send_bytes(world, &wire, "\0c", 2);
    struct lat_http_request *req = world->held[0];
    assert_int_equal(lat_http_method(req), LAT_HTTP_POST);
    assert_string_equal(lat_http_path(req), "/hold/%C3%A4");
    assert_string_equal(lat_http_query(req), "a=1&b=x+y%26z&a=2&empty=&bare&=odd");
    assert_string_equal(lat_http_param(req, "a"), "1");
    assert_string_equal(lat_http_param(req, "b"), "x y&z");
    assert_string_equal(lat_http_param(req, "empty"), "");
    assert_string_equal(lat_http_param(req, "bare"), "");
    assert_string_equal(lat_http_param(req, ""), "odd");
    assert_null(lat_http_param(req, "A"));
    assert_string_equal(lat_http_params(req)[2].value, "2");
    assert_null(lat_http_params(req)[6].name);
    assert_string_equal(lat_http_header(req, "content-TYPE"), "text/plain");
    assert_string_equal(lat_http_header(req, "X-Many"), "1");
    assert_string_equal(lat_http_headers(req)[3].value, "2");
    assert_null(lat_http_header(req, "X-None"));
    assert_memory_equal(lat_http_body(req, &len), "a\0c\0", 4);
    assert_int_equal(len, 3);
    assert_int_equal(lat_http_arrived_ns(req), 1000 * INT64_C(1000000));
    assert_true(strlen(lat_http_peer(req)) > 0);
    assert_string_equal(lat_http_route(req), "");
    assert_string_equal(lat_http_path_param(req, "id"), "");
    lat_http_respond(req, 200, NULL, NULL, "", 0);
    /* the next one has nothing of it */
    wire_send(world, &wire, GET("/hold"));
    req = world->held[1];
    assert_null(lat_http_param(req, "a"));
    assert_null(lat_http_params(req)->name);
    assert_string_equal(lat_http_body(req, &len), "");
    assert_int_equal(len, 0);
    lat_http_respond(req, 200, NULL, NULL, "", 0);
    wire_close(world, &wire);
}

static void a_problem_tells_what_why_and_what_to_do(void **state)
{
    struct world *world = *state;
    struct wire wire;
    struct lat_err err;
    wire_open(world, &wire);
    wire_send(world, &wire, "GET /hold HTTP/1.1\r\nHost: x\r\nX-Request-Id: r1\r\n\r\n");
    lat_err_field(&err, LAT_E_INVALID_FIELD, "ports[0]", "Port \"%d\" is too high.", 70000);
    lat_http_problem(world->held[0], &err);
    settle(world);
    const char *text = wire_text(&wire);
    assert_int_equal(status_of(text), 422);
    assert_non_null(strstr(text, "Content-Type: application/problem+json\r\n"));
    const char *body = strstr(text, "\r\n\r\n") + 4;
    cJSON *json = NULL;
    assert_int_equal(lat_json_parse(body, strlen(body), &json, NULL), 0);
    assert_string_equal(lat_json_text(json, "type", ""), "urn:lattice:error:invalid_field");
    assert_string_equal(lat_json_text(json, "title", ""), "A value is not allowed here.");
    assert_int_equal(lat_json_int(json, "status", 0), 422);
    assert_string_equal(lat_json_text(json, "detail", ""), "Port \"70000\" is too high.");
    assert_string_equal(lat_json_text(json, "code", ""), "invalid_field");
    assert_string_equal(lat_json_text(json, "field", ""), "ports[0]");
    assert_string_equal(lat_json_text(json, "hint", ""), "Correct the named field.");
    assert_string_equal(lat_json_text(json, "request_id", ""), "r1");
    cJSON_Delete(json);
    wire_close(world, &wire);
}

static void problems_bring_the_headers_of_their_status(void **state)
{
    struct world *world = *state;
    static const struct lat_http_field later[] = {{"Retry-After", "30"}, {0}};
    static const struct {
        int code;
        const struct lat_http_field *extra;
        const char *header;
    } rows[] = {
        {LAT_E_UNAUTHENTICATED, NULL, "\r\nWWW-Authenticate: Bearer\r\n"},
        {LAT_E_RATE_LIMITED, NULL, "\r\nRetry-After: 1\r\n"},
        {LAT_E_BUSY, NULL, "\r\nRetry-After: 1\r\n"},
        {LAT_E_RATE_LIMITED, later, "\r\nRetry-After: 30\r\n"},
    };
    for (size_t i = 0; i < LAT_COUNT(rows); i++) {
        struct wire wire;
        struct lat_err err;
        lat_err_set(&err, rows[i].code, NULL);
        wire_open(world, &wire);
        wire_send(world, &wire, GET("/hold"));
        lat_http_problem_with(world->held[i], &err, rows[i].extra);
        settle(world);
        assert_int_equal(status_of(wire_text(&wire)), lat_error_row(rows[i].code)->http_status);
        assert_non_null(strstr(wire_text(&wire), rows[i].header));
        assert_int_equal(count_of(wire_text(&wire), "Retry-After"), i > 0);
        wire_close(world, &wire);
    }
}

static int few_connections(void **state)
{
    struct lat_http_server_options options = {.connections_max = 2, .body_max = 10};
    return world_setup_with(state, &options);
}

static void connections_above_the_limit_are_sent_away(void **state)
{
    struct world *world = *state;
    struct wire wires[3];
    for (int i = 0; i < 2; i++) {
        wire_open(world, &wires[i]);
        wire_send(world, &wires[i], GET("/hold"));
    }
    wire_open(world, &wires[2]);
    settle(world);
    assert_int_equal(wires[0].got.len + wires[1].got.len, 0);
    assert_int_equal(status_of(wire_text(&wires[2])), 503);
    assert_true(wires[2].ended);
    for (int i = 0; i < 2; i++) {
        lat_http_respond(world->held[i], 200, NULL, NULL, "", 0);
    }
    for (int i = 0; i < 3; i++) {
        wire_close(world, &wires[i]);
    }
    char *answer = ask(world, GET("/a"));
    assert_int_equal(status_of(answer), 200);
    free(answer);
}

static void a_connection_that_says_nothing_makes_room_for_a_new_one(void **state)
{
    struct world *world = *state;
    struct wire silent, slow, busy, next;
    wire_open(world, &silent);
    wire_open(world, &busy);
    wire_send(world, &busy, GET("/hold"));
    wire_open(world, &slow);
    settle(world);
    assert_true(silent.ended);
    wire_send(world, &slow, "GET /a HT");
    wire_open(world, &next);
    wire_send(world, &next, GET("/a"));
    assert_int_equal(status_of(wire_text(&next)), 200);
    assert_true(slow.ended);
    assert_int_equal(lat_http_server_connections(world->server), 2);
    lat_http_respond(world->held[0], 200, NULL, NULL, "", 0);
    settle(world);
    assert_int_equal(status_of(wire_text(&busy)), 200);
    wire_close(world, &silent);
    wire_close(world, &slow);
    wire_close(world, &busy);
    wire_close(world, &next);
}

static void the_limit_of_bodies_is_the_servers_own(void **state)
{
    struct world *world = *state;
    char *answer =
        ask(world, "POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789");
    assert_int_equal(status_of(answer), 200);
    free(answer);
    answer = ask(world, "POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n0123456789a");
    assert_int_equal(status_of(answer), 413);
    free(answer);
}

static void a_server_that_closes_lets_answers_end(void **state)
{
    struct world *world = *state;
    struct wire idle, busy, late;
    wire_open(world, &idle);
    wire_open(world, &busy);
    wire_send(world, &idle, GET("/a"));
    wire_send(world, &busy, GET("/hold"));
    struct lat_stream *near, *far;
    struct lat_http_server *server = world->server;
    lat_stream_pair(world->loop, &near, &far);
    wire_take(&late, near);
    world_close_server(world, 5000);
    lat_http_server_serve(server, far); /* accepted before, comes after */
    settle(world);
    assert_true(idle.ended);
    assert_false(busy.ended);
    assert_true(late.closed || late.ended);
    assert_false(world->server_closed);
    lat_http_respond(world->held[0], 200, NULL, NULL, "done", 4);
    settle(world);
    assert_non_null(strstr(wire_text(&busy), "Connection: close\r\n"));
    assert_non_null(strstr(wire_text(&busy), "done"));
    assert_true(busy.ended);
    wire_close(world, &idle);
    wire_close(world, &busy);
    wire_close(world, &late);
    assert_false(world->server_closed); /* somebody still holds a request */
    let_go(world, 0);
    settle(world);
    assert_true(world->server_closed);
}

static void a_server_that_closes_cuts_off_what_does_not_end(void **state)
{
    struct world *world = *state;
    struct wire wire;
    int gone = 0;
    wire_open(world, &wire);
    wire_send(world, &wire, GET("/hold"));
    lat_http_on_gone(world->held[0], world->loop, count_up, &gone);
    world_close_server(world, 5000);
    pass(world, 4999);
    assert_int_equal(gone, 0);
    pass(world, 1);
    assert_int_equal(gone, 1);
    wire_close(world, &wire);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_answer_has_a_length_a_date_an_id_and_safe_headers),
        TEST(a_request_id_that_is_no_word_is_replaced),
        TEST(connections_are_kept_alive_as_their_version_has_it),
        TEST(many_requests_use_one_connection),
        TEST(pipelined_requests_are_answered_in_order_and_one_by_one),
        TEST(a_flood_of_pipelined_requests_waits_in_the_stream),
        TEST(a_client_that_ends_its_side_still_gets_its_answers),
        TEST(head_is_answered_like_get_without_the_body),
        TEST(some_statuses_have_no_body_and_no_length),
        TEST(who_waits_for_100_gets_it_before_the_body),
        TEST(a_streamed_answer_comes_in_chunks),
        TEST(an_old_client_gets_a_stream_until_the_end_of_the_connection),
        TEST(an_aborted_stream_is_seen_as_broken),
        TEST(a_slow_client_holds_the_writer_back),
        TEST(who_streams_hears_once_that_the_client_has_gone),
        TEST(who_ended_the_answer_hears_nothing_more),
        TEST(who_asks_too_late_hears_it_too),
        TEST(nobody_streams_to_a_client_that_ended_its_side),
        TEST(everything_of_a_request_can_be_asked_for),
        TEST(a_problem_tells_what_why_and_what_to_do),
        TEST(problems_bring_the_headers_of_their_status),
        cmocka_unit_test_setup_teardown(connections_above_the_limit_are_sent_away, few_connections,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(a_connection_that_says_nothing_makes_room_for_a_new_one,
                                        few_connections, world_teardown),
        cmocka_unit_test_setup_teardown(the_limit_of_bodies_is_the_servers_own, few_connections,
                                        world_teardown),
        TEST(a_server_that_closes_lets_answers_end),
        TEST(a_server_that_closes_cuts_off_what_does_not_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
