/* The client: against bytes that a server sends by script, and against our own server. */
#include "support.h"

#include "base/json.h"

/* A client whose other end is a wire, and a log of what was called back. */
struct caller {
    struct world *world;
    struct lat_http_client *client;
    struct wire wire;
    struct lat_buf log;
    int drains;
    bool pause_in_head;
    bool pause_in_body;
    bool free_in_head, free_in_body, free_in_done, free_in_error;
    bool take_in_head;
    bool again_in_done; /* starts another call */
    struct lat_stream *taken;
    struct lat_buf rest;
};

static const struct lat_http_call get = {.method = LAT_HTTP_GET, .target = "/a?b=c"};
static const struct lat_http_call_events events;

static void drop(struct caller *caller)
{
    caller->client = lat_http_client_free(caller->client);
}

static void on_head(void *arg, int status, const struct lat_http_field *fields)
{
    struct caller *caller = arg;
    lat_buf_addf(&caller->log, "head %d", status);
    for (; fields->name != NULL; fields++) {
        lat_buf_addf(&caller->log, " %s=%s", fields->name, fields->value);
    }
    lat_buf_add_text(&caller->log, "\n");
    if (caller->pause_in_head) {
        lat_http_client_pause(caller->client);
    }
    if (caller->take_in_head) {
        caller->taken = lat_http_client_take_stream(caller->client, &caller->rest);
    }
    if (caller->free_in_head) {
        drop(caller);
    }
}

static void on_body(void *arg, const uint8_t *bytes, size_t len)
{
    struct caller *caller = arg;
    lat_buf_add_text(&caller->log, "body ");
    lat_buf_add(&caller->log, bytes, len);
    lat_buf_add_text(&caller->log, "\n");
    if (caller->pause_in_body) {
        lat_http_client_pause(caller->client);
    }
    if (caller->free_in_body) {
        drop(caller);
    }
}

static void on_drain(void *arg)
{
    struct caller *caller = arg;
    caller->drains++;
}

static void on_done(void *arg)
{
    struct caller *caller = arg;
    lat_buf_add_text(&caller->log, "done\n");
    if (caller->again_in_done) {
        caller->again_in_done = false;
        lat_http_client_start(caller->client, &get, &events, caller);
    }
    if (caller->free_in_done) {
        drop(caller);
    }
}

static void on_error(void *arg, const struct lat_err *err)
{
    struct caller *caller = arg;
    lat_buf_addf(&caller->log, "error %s\n", lat_error_row(err->code)->name);
    assert_true(strlen(err->sentence) > 0);
    assert_false(lat_http_client_usable(caller->client));
    if (caller->free_in_error) {
        drop(caller);
    }
}

static const struct lat_http_call_events events = {.on_head = on_head,
                                                   .on_body = on_body,
                                                   .on_drain = on_drain,
                                                   .on_done = on_done,
                                                   .on_error = on_error};

static void caller_open(struct caller *caller, struct world *world)
{
    struct lat_stream *near, *far;
    *caller = (struct caller){.world = world};
    lat_stream_pair(world->loop, &near, &far);
    wire_take(&caller->wire, far);
    caller->client = lat_http_client_new(near, "example.org:8443");
}

static void caller_close(struct caller *caller)
{
    if (caller->client != NULL) {
        drop(caller);
    }
    settle(caller->world);
    wire_close(caller->world, &caller->wire);
    lat_buf_done(&caller->log);
    lat_buf_done(&caller->rest);
}

static void start(struct caller *caller, const struct lat_http_call *call)
{
    lat_http_client_start(caller->client, call, &events, caller);
    settle(caller->world);
}

static void assert_log(struct caller *caller, const char *expected)
{
    assert_string_equal(lat_buf_text(&caller->log), expected);
    lat_buf_clear(&caller->log);
}

static void a_request_is_sent_with_what_it_needs_and_no_more(void **state)
{
    struct world *world = *state;
    struct caller caller;
    caller_open(&caller, world);
    start(&caller, &get);
    assert_string_equal(
        wire_text(&caller.wire),
        "GET /a?b=c HTTP/1.1\r\nHost: example.org:8443\r\nUser-Agent: lattice\r\n\r\n");
    wire_send(world, &caller.wire, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_log(&caller, "head 204\ndone\n");
    lat_buf_clear(&caller.wire.got);
    const struct lat_http_field fields[] = {{"X-A", "b\r\nX-Forged: c"}, {0}};
    const struct lat_http_call post = {.method = LAT_HTTP_POST,
                                       .target = "/",
                                       .content_type = "application/json",
                                       .fields = fields,
                                       .body = "{}",
                                       .len = 2};
    start(&caller, &post);
    assert_string_equal(
        wire_text(&caller.wire),
        "POST / HTTP/1.1\r\nHost: example.org:8443\r\nUser-Agent: lattice\r\n"
        "Content-Type: application/json\r\nContent-Length: 2\r\nX-A: b__X-Forged: c\r\n\r\n{}");
    caller_close(&caller);
}

/* Responses as a script sends them, with what the client makes of them; `end`: the script then ends its side. */
static const struct {
    const char *bytes;
    bool end;
    const char *log;
    bool usable;
} scripts[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false,
     "head 200 Content-Length=5\nbody hello\ndone\n", true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, "head 200 Content-Length=0\ndone\n",
     true},
    {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false, "head 200 Content-Length=0\ndone\n", true},
    {"HTTP/1.1 304 Not Modified\r\nContent-Length: 50\r\n\r\n", false,
     "head 304 Content-Length=50\ndone\n", true},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 201 Created\r\n"
     "Content-Length: 1\r\n\r\nx",
     false, "head 201 Content-Length=1\nbody x\ndone\n", true},
    {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", false,
     "head 200 Connection=close Content-Length=1\nbody x\ndone\n", false},
    {"HTTP/1.1 200 OK\r\nA: b\r\n\r\nuntil the end", true,
     "head 200 A=b\nbody until the end\ndone\n", false},
    {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", false,
     "head 200 Content-Length=1\nbody x\ndone\n", false},
    /* more than was asked for */
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n", false,
     "head 200 Content-Length=1\nbody x\ndone\n", false},
    /* cut off */
    {"", true, "error closed\n", false},
    {"HTTP/1.1 200 OK\r\nContent-Le", true, "error closed\n", false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", true,
     "head 200 Content-Length=5\nbody hell\nerror closed\n", false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", true,
     "head 200 Transfer-Encoding=chunked\nbody hello\nerror closed\n", false},
    {"HTTP/1.1 100 Continue\r\n\r\n", true, "error closed\n", false},
    /* not sound */
    {"SSH-2.0-OpenSSH_9.2\r\n", false, "error protocol\n", false},
    {"HTTP/2.0 200 OK\r\n\r\n", false, "error protocol\n", false},
    {"HTTP/1.1 20 OK\r\n\r\n", false, "error protocol\n", false},
    {"HTTP/1.1 2000 OK\r\n\r\n", false, "error protocol\n", false},
    {"HTTP/1.1 200 OK\nContent-Length: 1\r\n\r\n", false, "error protocol\n", false},
    {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", false, "error protocol\n", false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", false, "error protocol\n",
     false},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", false,
     "error protocol\n", false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", false, "error protocol\n", false},
    {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", false, "error protocol\n", false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", false,
     "head 200 Transfer-Encoding=chunked\nerror protocol\n", false},
    {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", false,
     "head 101 Connection=Upgrade Upgrade=tcp\nerror protocol\n", false},
};

static void responses_are_read_as_they_are(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < LAT_COUNT(scripts); i++) {
        struct caller caller;
        caller_open(&caller, world);
        start(&caller, &get);
        wire_send(world, &caller.wire, scripts[i].bytes);
        if (scripts[i].end && caller.wire.stream != NULL) {
            lat_stream_end(caller.wire.stream);
            settle(world);
        }
        assert_log(&caller, scripts[i].log);
        assert_int_equal(lat_http_client_usable(caller.client), scripts[i].usable);
        caller_close(&caller);
    }
}

/* Joins the pieces of a body in a log. */
static char *joined(const char *log)
{
    struct lat_buf out = {0};
    bool in_body = false;
    while (*log != '\0') {
        size_t len = strcspn(log, "\n");
        bool body = lat_text_starts(log, "body ");
        if (in_body && !body) {
            lat_buf_add_byte(&out, '\n');
        }
        size_t skip = in_body && body ? 5 : 0;
        lat_buf_add(&out, log + skip, len - skip);
        if (!body) {
            lat_buf_add_byte(&out, '\n');
        }
        in_body = body;
        log += len + 1;
    }
    return lat_buf_take_text(&out);
}

static void responses_are_read_the_same_byte_by_byte(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < LAT_COUNT(scripts); i++) {
        struct caller caller;
        caller_open(&caller, world);
        start(&caller, &get);
        for (const char *at = scripts[i].bytes; *at != '\0'; at++) {
            wire_send_bytes(world, &caller.wire, at, 1);
        }
        if (scripts[i].end && caller.wire.stream != NULL) {
            lat_stream_end(caller.wire.stream);
            settle(world);
        }
        char *log = joined(lat_buf_text(&caller.log));
        assert_string_equal(log, scripts[i].log);
        free(log);
        caller_close(&caller);
    }
}

static void heads_above_the_limit_are_refused(void **state)
{
    struct world *world = *state;
    struct caller caller;
    char piece[1001];
    memset(piece, 'a', 1000);
    piece[1000] = '\0';
    caller_open(&caller, world);
    start(&caller, &get);
    wire_send(world, &caller.wire, "HTTP/1.1 200 OK\r\nA: ");
    for (int i = 0; i < 70; i++) {
        wire_send(world, &caller.wire, piece);
    }
    assert_log(&caller, "error protocol\n");
    caller_close(&caller);
}

static void the_answer_to_head_has_no_body(void **state)
{
    struct world *world = *state;
    struct caller caller;
    const struct lat_http_call head = {.method = LAT_HTTP_HEAD, .target = "/"};
    caller_open(&caller, world);
    start(&caller, &head);
    wire_send(world, &caller.wire, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert_log(&caller, "head 200 Content-Length=5\ndone\n");
    start(&caller, &get);
    wire_send(world, &caller.wire, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    assert_log(&caller, "head 200 Content-Length=2\nbody hi\ndone\n");
    caller_close(&caller);
}

static void a_call_on_a_dead_connection_fails_and_not_at_once(void **state)
{
    struct world *world = *state;
    struct caller caller;
    caller_open(&caller, world);
    lat_stream_end(caller.wire.stream);
    settle(world);
    assert_false(lat_http_client_usable(caller.client));
    lat_http_client_start(caller.client, &get, &events, &caller);
    assert_log(&caller, "");
    settle(world);
    assert_log(&caller, "error closed\n");
    caller_close(&caller);
}

static void a_target_with_a_blank_is_not_sent(void **state)
{
    struct world *world = *state;
    static const char *const targets[] = {"", "a", "/a b", "/a\r\nX: y", "/\xc3\xa4"};
    for (size_t i = 0; i < LAT_COUNT(targets); i++) {
        struct caller caller;
        const struct lat_http_call call = {.method = LAT_HTTP_GET, .target = targets[i]};
        caller_open(&caller, world);
        start(&caller, &call);
        assert_log(&caller, "error invalid\n");
        assert_int_equal(caller.wire.got.len, 0);
        caller_close(&caller);
    }
}

static void a_silent_server_is_given_up(void **state)
{
    struct world *world = *state;
    struct caller caller;
    caller_open(&caller, world);
    start(&caller, &get);
    pass(world, LAT_HTTP_REPLY_MS - 1);
    assert_log(&caller, "");
    pass(world, 1);
    assert_log(&caller, "error timeout\n");
    caller_close(&caller);

    /* in the middle of a body; pieces begin the wait anew, and a pause stops it */
    caller_open(&caller, world);
    start(&caller, &get);
    wire_send(world, &caller.wire, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na");
    for (int i = 0; i < 2; i++) {
        pass(world, LAT_HTTP_REPLY_IDLE_MS - 1);
        wire_send(world, &caller.wire, "b");
    }
    lat_http_client_pause(caller.client);
    pass(world, 10 * LAT_HTTP_REPLY_IDLE_MS);
    lat_http_client_resume(caller.client);
    settle(world);
    assert_log(&caller, "head 200 Content-Length=9\nbody a\nbody b\nbody b\n");
    pass(world, LAT_HTTP_REPLY_IDLE_MS);
    assert_log(&caller, "error timeout\n");
    caller_close(&caller);

    /* without limits */
    const struct lat_http_call patient = {.method = LAT_HTTP_GET,
                                          .target = "/",
                                          .head_ms = LAT_HTTP_NO_LIMIT,
                                          .idle_ms = LAT_HTTP_NO_LIMIT};
    caller_open(&caller, world);
    start(&caller, &patient);
    pass(world, 86400 * 1000);
    wire_send(world, &caller.wire, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n");
    pass(world, 86400 * 1000);
    wire_send(world, &caller.wire, "a");
    assert_log(&caller, "head 200 Content-Length=1\nbody a\ndone\n");
    /* and the next call's limits are its own */
    start(&caller, &get);
    pass(world, LAT_HTTP_REPLY_MS);
    assert_log(&caller, "error timeout\n");
    caller_close(&caller);
}

static void a_paused_body_waits_and_loses_nothing(void **state)
{
    struct world *world = *state;
    struct caller caller;
    caller_open(&caller, world);
    caller.pause_in_body = true;
    start(&caller, &get);
    wire_send(
        world, &caller.wire,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n1\r\nd\r\n0\r\n\r\n");
    assert_log(&caller, "head 200 Transfer-Encoding=chunked\nbody a\n");
    assert_false(lat_http_client_usable(caller.client));
    lat_http_client_resume(caller.client);
    assert_log(&caller, "");
    settle(world);
    assert_log(&caller, "body bcd\n");
    lat_http_client_resume(caller.client);
    settle(world);
    assert_log(&caller, "done\n");
    assert_true(lat_http_client_usable(caller.client));
    caller_close(&caller);
}

static void a_paused_call_slows_the_server_down(void **state)
{
    struct world *world = *state;
    struct caller caller;
    static char piece[64 * 1024];
    memset(piece, 'a', sizeof piece);
    caller_open(&caller, world);
    caller.pause_in_head = true;
    start(&caller, &get);
    wire_send(world, &caller.wire, "HTTP/1.1 200 OK\r\n\r\n");
    for (int i = 0; i < 20; i++) {
        wire_send_bytes(world, &caller.wire, piece, sizeof piece);
    }
    assert_true(lat_stream_pending(caller.wire.stream) >= 19 * sizeof piece);
    lat_stream_end(caller.wire.stream);
    lat_http_client_resume(caller.client);
    settle(world);
    assert_true(caller.wire.closed);
    assert_true(caller.log.len > 20 * sizeof piece);
    caller_close(&caller);
}

static void a_streamed_body_goes_out_in_chunks_and_tells_when_it_drained(void **state)
{
    struct world *world = *state;
    struct caller caller;
    static char piece[100 * 1024];
    memset(piece, 'a', sizeof piece);
    const struct lat_http_call upload = {.method = LAT_HTTP_PUT,
                                         .target = "/archive",
                                         .content_type = "application/x-tar",
                                         .streamed = true};
    caller_open(&caller, world);
    start(&caller, &upload);
    pass(world, 10 * LAT_HTTP_REPLY_MS); /* the wait begins with the end of the request */
    lat_http_client_write(caller.client, "hello", 5);
    lat_http_client_write(caller.client, "", 0);
    settle(world);
    assert_non_null(
        strstr(wire_text(&caller.wire), "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"));
    lat_stream_pause(caller.wire.stream);
    lat_http_client_write(caller.client, piece, sizeof piece);
    settle(world);
    assert_true(lat_http_client_pending(caller.client) > sizeof piece);
    lat_stream_resume(caller.wire.stream);
    settle(world);
    assert_int_equal(caller.drains, 1);
    lat_http_client_finish(caller.client);
    settle(world);
    assert_true(lat_text_ends(wire_text(&caller.wire), "\r\n0\r\n\r\n"));
    wire_send(world, &caller.wire, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_log(&caller, "head 200 Content-Length=0\ndone\n");
    assert_true(lat_http_client_usable(caller.client));
    caller_close(&caller);
}

static void an_answer_before_the_end_of_the_request_ends_the_connection(void **state)
{
    struct world *world = *state;
    struct caller caller;
    const struct lat_http_call upload = {.method = LAT_HTTP_PUT, .target = "/", .streamed = true};
    caller_open(&caller, world);
    start(&caller, &upload);
    lat_http_client_write(caller.client, "hello", 5);
    wire_send(world, &caller.wire, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
    assert_log(&caller, "head 413 Content-Length=0\ndone\n");
    assert_false(lat_http_client_usable(caller.client));
    lat_http_client_write(caller.client, "dropped", 7);
    lat_http_client_finish(caller.client);
    caller_close(&caller);
}

static void it_may_be_freed_in_every_callback(void **state)
{
    struct world *world = *state;
    static const char *const expected[] = {
        "head 200 Transfer-Encoding=chunked\n",
        "head 200 Transfer-Encoding=chunked\nbody a\n",
        "head 200 Transfer-Encoding=chunked\nbody a\nbody b\ndone\n",
    };
    for (int where = 0; where < 3; where++) {
        struct caller caller;
        caller_open(&caller, world);
        caller.free_in_head = where == 0;
        caller.free_in_body = where == 1;
        caller.free_in_done = where == 2;
        start(&caller, &get);
        wire_send(
            world, &caller.wire,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
        assert_null(caller.client);
        assert_log(&caller, expected[where]);
        caller_close(&caller);
    }
    struct caller caller;
    caller_open(&caller, world);
    caller.free_in_error = true;
    start(&caller, &get);
    wire_send(world, &caller.wire, "rubbish\r\n");
    assert_log(&caller, "error protocol\n");
    assert_null(caller.client);
    caller_close(&caller);
    /* before an error that is on its way, and with a call running */
    caller_open(&caller, world);
    lat_http_client_start(caller.client,
                          &(struct lat_http_call){.method = LAT_HTTP_GET, .target = "bad"}, &events,
                          &caller);
    drop(&caller);
    settle(world);
    assert_log(&caller, "");
    caller_close(&caller);
    /* with a resume on its way */
    caller_open(&caller, world);
    caller.pause_in_head = true;
    start(&caller, &get);
    wire_send(world, &caller.wire, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab");
    lat_http_client_resume(caller.client);
    drop(&caller);
    settle(world);
    assert_log(&caller, "head 200 Content-Length=2\n");
    caller_close(&caller);
}

static void the_next_call_may_start_in_on_done(void **state)
{
    struct world *world = *state;
    struct caller caller;
    caller_open(&caller, world);
    caller.again_in_done = true;
    start(&caller, &get);
    wire_send(world, &caller.wire, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    assert_int_equal(count_of(wire_text(&caller.wire), "GET /a?b=c"), 2);
    wire_send(world, &caller.wire, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb");
    assert_log(
        &caller,
        "head 200 Content-Length=1\nbody a\ndone\nhead 200 Content-Length=1\nbody b\ndone\n");
    caller_close(&caller);
}

static void an_upgraded_connection_is_handed_over_with_what_came(void **state)
{
    struct world *world = *state;
    static const char *const answers[] = {
        "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nraw",
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nraw",
    };
    const struct lat_http_call attach = {
        .method = LAT_HTTP_POST, .target = "/attach", .upgrade = "tcp"};
    for (size_t i = 0; i < LAT_COUNT(answers); i++) {
        struct caller caller;
        struct wire raw;
        caller_open(&caller, world);
        caller.take_in_head = true;
        caller.free_in_head = i == 1;
        start(&caller, &attach);
        assert_non_null(strstr(wire_text(&caller.wire), "Connection: Upgrade\r\nUpgrade: tcp\r\n"));
        lat_buf_clear(&caller.wire.got);
        wire_send(world, &caller.wire, answers[i]);
        assert_non_null(caller.taken);
        assert_string_equal(lat_buf_text(&caller.rest), "raw");
        wire_take(&raw, caller.taken);
        wire_send(world, &raw, "up");
        wire_send(world, &caller.wire, "down");
        assert_string_equal(wire_text(&caller.wire), "up");
        assert_string_equal(wire_text(&raw), "down");
        if (caller.client != NULL) {
            assert_false(lat_http_client_usable(caller.client));
        }
        assert_int_equal(count_of(lat_buf_text(&caller.log), "\n"), 1); /* on_head alone */
        wire_close(world, &raw);
        caller_close(&caller);
    }
}

/* ---- fetch ---- */

struct fetched {
    struct lat_http_client *client;
    int status;
    int code;
    struct lat_buf body;
    int again; /* how often to fetch once more from within */
};

static void fetched(void *arg, const struct lat_http_reply *reply, const struct lat_err *err)
{
    struct fetched *result = arg;
    if (reply == NULL) {
        result->code = err->code;
        return;
    }
    if (result->again-- > 0) {
        lat_http_client_fetch(result->client, &get, 100, fetched, result);
    }
    result->status = reply->status;
    assert_int_equal(strlen(reply->body), reply->len);
    lat_buf_add(&result->body, reply->body, reply->len);
    assert_non_null(lat_http_field_get(reply->fields, "content-length"));
}

static void a_fetch_collects_a_bounded_body(void **state)
{
    struct world *world = *state;
    struct caller caller;
    struct fetched result = {0};
    caller_open(&caller, world);
    result.client = caller.client;
    result.again = 1;
    lat_http_client_fetch(caller.client, &get, 5, fetched, &result);
    wire_send(world, &caller.wire, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
    wire_send(world, &caller.wire, "lo");
    wire_send(world, &caller.wire, "HTTP/1.1 201 OK\r\nContent-Length: 6\r\n\r\n world");
    assert_int_equal(result.status, 201);
    assert_string_equal(lat_buf_text(&result.body), "hello world");
    lat_http_client_fetch(caller.client, &get, 5, fetched, &result);
    wire_send(world, &caller.wire, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello!");
    assert_int_equal(result.code, LAT_E_TOO_LARGE);
    assert_false(lat_http_client_usable(caller.client));
    lat_buf_done(&result.body);
    caller_close(&caller);
}

static void client_and_server_understand_each_other(void **state)
{
    struct world *world = *state;
    struct lat_stream *near, *far;
    struct fetched result = {0};
    lat_stream_pair(world->loop, &near, &far);
    lat_http_server_serve(world->server, far);
    result.client = lat_http_client_new(near, "x");
    char *body = lat_alloc(300001);
    memset(body, 'b', 300000);
    for (int i = 0; i < 3; i++) {
        const struct lat_http_call post = {
            .method = LAT_HTTP_POST, .target = "/e", .body = body, .len = 300000};
        lat_buf_clear(&result.body);
        lat_http_client_fetch(result.client, &post, 400000, fetched, &result);
        settle(world);
        assert_int_equal(result.status, 200);
        assert_int_equal(result.body.len, 300000 + strlen("POST /e? "));
        assert_true(lat_http_client_usable(result.client));
    }
    assert_int_equal(lat_http_server_connections(world->server), 1);

    /* chunks both ways */
    struct caller caller = {.world = world, .client = result.client};
    const struct lat_http_call upload = {
        .method = LAT_HTTP_PUT, .target = "/hold", .streamed = true};
    lat_http_client_start(result.client, &upload, &events, &caller);
    lat_http_client_write(result.client, "some ", 5);
    lat_http_client_write(result.client, "pieces", 6);
    lat_http_client_finish(result.client);
    settle(world);
    struct lat_http_request *req = world->held[0];
    assert_string_equal(lat_http_body(req, NULL), "some pieces");
    lat_http_begin(req, 200, "text/plain", NULL);
    lat_http_write(req, "one", 3);
    settle(world);
    lat_http_write(req, "two", 3);
    lat_http_end(req);
    settle(world);
    assert_non_null(strstr(lat_buf_text(&caller.log), "\nbody one\nbody two\ndone\n"));
    assert_true(lat_http_client_usable(result.client));
    lat_buf_done(&caller.log);
    lat_http_client_free(result.client);
    settle(world);
    lat_buf_done(&result.body);
    free(body);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_sent_with_what_it_needs_and_no_more),
        TEST(responses_are_read_as_they_are),
        TEST(responses_are_read_the_same_byte_by_byte),
        TEST(heads_above_the_limit_are_refused),
        TEST(the_answer_to_head_has_no_body),
        TEST(a_call_on_a_dead_connection_fails_and_not_at_once),
        TEST(a_target_with_a_blank_is_not_sent),
        TEST(a_silent_server_is_given_up),
        TEST(a_paused_body_waits_and_loses_nothing),
        TEST(a_paused_call_slows_the_server_down),
        TEST(a_streamed_body_goes_out_in_chunks_and_tells_when_it_drained),
        TEST(an_answer_before_the_end_of_the_request_ends_the_connection),
        TEST(it_may_be_freed_in_every_callback),
        TEST(the_next_call_may_start_in_on_done),
        TEST(an_upgraded_connection_is_handed_over_with_what_came),
        TEST(a_fetch_collects_a_bounded_body),
        TEST(client_and_server_understand_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
