/* See fake_engine.h. Runs on the loop of the test. */
#include "fake_engine.h"

#include "base/text.h"
#include "io/file.h"
#include "io/net.h"
#include "tests/unit/waiting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

enum { PIECE = 7 };

struct answer {
    TAILQ_ENTRY(answer) link;
    char *request;
    bool once;
    int status;
    struct lat_buf body;
    bool has_manner;
    enum engine_manner manner;
};

struct asked {
    TAILQ_ENTRY(asked) link;
    char *request;
    char *body;
};

struct connection {
    TAILQ_ENTRY(connection) link;
    struct engine *engine;
    struct lat_stream *stream;
    struct lat_buf in;
    bool answering_open;
};

struct engine {
    struct lat_loop *loop;
    char *folder;
    char *path;
    char *host;
    struct lat_listener *listener;
    TAILQ_HEAD(answers, answer) answers;
    TAILQ_HEAD(requests, asked) asked;
    TAILQ_HEAD(connections, connection) connections;
    struct lat_buf files[16];
    size_t file_count;
    size_t accepted;
};

void run_until(struct lat_loop *loop, const bool *done)
{
    assert_true(lat_loop_run_until(loop, done, WAITING_MS));
}

void run_for(struct lat_loop *loop, int64_t ms)
{
    waiting_run(loop, ms);
}

/* ---- the script ---- */

static struct answer *add_answer(struct engine *engine, const char *request, int status,
                                 const char *body, bool once)
{
    struct answer *answer = LAT_NEW(struct answer);

    answer->request = lat_text_copy(request);
    answer->status = status;
    answer->once = once;
    lat_buf_add_text(&answer->body, body);
    TAILQ_INSERT_TAIL(&engine->answers, answer, link);
    return answer;
}

static void answer_free(struct engine *engine, struct answer *answer)
{
    TAILQ_REMOVE(&engine->answers, answer, link);
    lat_buf_done(&answer->body);
    free(answer->request);
    free(answer);
}

void engine_answer(struct engine *engine, const char *request, int status, const char *body)
{
    struct answer *answer;

    TAILQ_FOREACH (answer, &engine->answers, link) {
        if (strcmp(answer->request, request) == 0 && !answer->once) {
            answer_free(engine, answer);
            break;
        }
    }
    add_answer(engine, request, status, body, false);
}

void engine_next(struct engine *engine, const char *request, int status, const char *body)
{
    add_answer(engine, request, status, body, true);
}

void engine_manner(struct engine *engine, enum engine_manner manner)
{
    struct answer *answer = TAILQ_LAST(&engine->answers, answers);

    answer->has_manner = true;
    answer->manner = manner;
}

void engine_bytes(struct engine *engine, const void *bytes, size_t len)
{
    struct answer *answer = TAILQ_LAST(&engine->answers, answers);

    lat_buf_clear(&answer->body);
    lat_buf_add(&answer->body, bytes, len);
}

/* The answer to a request: the longest match, one that is meant for once before the others. */
static struct answer *find_answer(struct engine *engine, const char *request)
{
    struct answer *answer;
    struct answer *best = NULL;
    size_t best_len = 0;

    TAILQ_FOREACH (answer, &engine->answers, link) {
        size_t len = strlen(answer->request) * 2 + answer->once;

        if (lat_text_starts(request, answer->request) && len > best_len) {
            best = answer;
            best_len = len;
        }
    }
    return best;
}

/* ---- answering ---- */

static void write_text(struct connection *connection, const char *text)
{
    lat_stream_write(connection->stream, text, strlen(text));
}

static void write_chunk(struct connection *connection, const uint8_t *bytes, size_t len)
{
    char head[32];

    snprintf(head, sizeof(head), "%zx\r\n", len);
    write_text(connection, head);
    lat_stream_write(connection->stream, bytes, len);
    write_text(connection, "\r\n");
}

static void write_chunks(struct connection *connection, const struct lat_buf *body)
{
    for (size_t at = 0; at < body->len; at += PIECE) {
        size_t left = body->len - at;

        write_chunk(connection, body->bytes + at, left < PIECE ? left : PIECE);
    }
}

static void send_answer(struct connection *connection, const struct answer *answer)
{
    char head[160];

    snprintf(head, sizeof(head), "HTTP/1.1 %d Recorded\r\nApi-Version: 1.41\r\n", answer->status);
    if (answer->has_manner && answer->manner == ENGINE_SILENT) {
        return;
    }
    if (answer->has_manner && answer->manner == ENGINE_HANG_UP) {
        lat_stream_close(connection->stream);
        return;
    }
    write_text(connection, head);
    if (!answer->has_manner) {
        if (answer->status != 204 && answer->status != 304) {
            snprintf(head, sizeof(head),
                     "Content-Type: application/json\r\nContent-Length: %zu\r\n", answer->body.len);
            write_text(connection, head);
        }
        write_text(connection, "\r\n");
        lat_stream_write(connection->stream, answer->body.bytes, answer->body.len);
        return;
    }
    if (answer->manner == ENGINE_UNTIL_EOF) {
        write_text(connection, "Content-Type: application/vnd.docker.raw-stream\r\n\r\n");
        lat_stream_write(connection->stream, answer->body.bytes, answer->body.len);
        lat_stream_end(connection->stream);
        return;
    }
    write_text(connection, "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    write_chunks(connection, &answer->body);
    if (answer->manner == ENGINE_CHUNKED) {
        write_text(connection, "0\r\n\r\n");
    } else if (answer->manner == ENGINE_CUT) {
        lat_stream_end(connection->stream);
    } else {
        connection->answering_open = true;
    }
}

void engine_more_bytes(struct engine *engine, const void *bytes, size_t len)
{
    struct connection *connection;

    TAILQ_FOREACH (connection, &engine->connections, link) {
        if (connection->answering_open) {
            write_chunk(connection, bytes, len);
        }
    }
}

void engine_more(struct engine *engine, const char *text)
{
    engine_more_bytes(engine, text, strlen(text));
}

static void on_request(struct connection *connection, const char *request, const char *body)
{
    struct engine *engine = connection->engine;
    struct asked *asked = LAT_NEW(struct asked);
    struct answer *answer = find_answer(engine, request);

    asked->request = lat_text_copy(request);
    asked->body = lat_text_copy(body);
    TAILQ_INSERT_TAIL(&engine->asked, asked, link);
    if (answer == NULL) {
        fail_msg("nobody recorded an answer to: %s", request);
        return;
    }
    send_answer(connection, answer);
    if (answer->once) {
        answer_free(engine, answer);
    }
}

/* Takes one request off what came in; returns whether there was a whole one. */
static bool read_request(struct connection *connection)
{
    const char *text = lat_buf_text(&connection->in);
    const char *end = strstr(text, "\r\n\r\n");
    const char *length = strstr(text, "Content-Length: ");
    size_t body_len = length != NULL ? strtoul(length + 16, NULL, 10) : 0;

    if (end == NULL || connection->in.len < (size_t)(end - text) + 4 + body_len) {
        return false;
    }
    size_t request_len = (size_t)(strstr(text, " HTTP/1.1") - text);
    char *request = lat_text_copy_n(text, request_len);
    char *body = lat_text_copy_n(end + 4, body_len);

    lat_buf_consume(&connection->in, (size_t)(end - text) + 4 + body_len);
    on_request(connection, request, body);
    free(request);
    free(body);
    return true;
}

static void on_data(void *arg, const uint8_t *bytes, size_t len)
{
    struct connection *connection = arg;

    lat_buf_add(&connection->in, bytes, len);
    while (connection->in.len > 0 && read_request(connection)) {
    }
}

static void on_close(void *arg, const struct lat_err *err)
{
    struct connection *connection = arg;

    (void)err;
    if (connection->engine != NULL) {
        TAILQ_REMOVE(&connection->engine->connections, connection, link);
    }
    lat_buf_done(&connection->in);
    free(connection);
}

static const struct lat_stream_events connection_events = {.on_data = on_data,
                                                           .on_close = on_close};

static void on_accept(void *arg, struct lat_stream *stream)
{
    struct engine *engine = arg;
    struct connection *connection = LAT_NEW(struct connection);

    engine->accepted++;
    connection->engine = engine;
    connection->stream = stream;
    TAILQ_INSERT_TAIL(&engine->connections, connection, link);
    lat_stream_set_events(stream, &connection_events, connection);
    lat_stream_resume(stream);
}

static void listen_now(struct engine *engine)
{
    struct lat_err err;

    if (engine->listener == NULL && lat_unix_listen(engine->loop, engine->path, on_accept, engine,
                                                    &engine->listener, &err) != 0) {
        fail_msg("%s", err.sentence);
    }
}

void engine_break(struct engine *engine, bool listening)
{
    struct connection *connection;

    TAILQ_FOREACH (connection, &engine->connections, link) {
        lat_stream_close(connection->stream);
    }
    if (listening) {
        listen_now(engine);
    } else {
        engine->listener = lat_listener_free(engine->listener);
    }
}

/* ---- what was asked ---- */

size_t engine_count(const struct engine *engine, const char *request)
{
    const struct asked *asked;
    size_t count = 0;

    TAILQ_FOREACH (asked, &engine->asked, link) {
        count += lat_text_starts(asked->request, request);
    }
    return count;
}

static const struct asked *last_asked(const struct engine *engine, const char *request)
{
    const struct asked *asked;

    TAILQ_FOREACH_REVERSE (asked, &engine->asked, requests, link) {
        if (lat_text_starts(asked->request, request)) {
            return asked;
        }
    }
    return NULL;
}

const char *engine_body(const struct engine *engine, const char *request)
{
    const struct asked *asked = last_asked(engine, request);

    return asked != NULL ? asked->body : NULL;
}

const char *engine_target(const struct engine *engine, const char *request)
{
    const struct asked *asked = last_asked(engine, request);

    return asked != NULL ? strchr(asked->request, ' ') + 1 : NULL;
}

size_t engine_accepted(const struct engine *engine)
{
    return engine->accepted;
}

size_t engine_open(const struct engine *engine)
{
    const struct connection *connection;
    size_t count = 0;

    TAILQ_FOREACH (connection, &engine->connections, link) {
        count++;
    }
    return count;
}

/* ---- life ---- */

const char *engine_host(const struct engine *engine)
{
    return engine->host;
}

const char *engine_recorded(struct engine *engine, const char *name)
{
    struct lat_buf *file = &engine->files[engine->file_count++];
    char *path = lat_text_format("%s/tests/unit/docker/recorded/%s", LAT_TEST_ROOT, name);

    assert_true(engine->file_count <= LAT_COUNT(engine->files));
    assert_int_equal(0, lat_file_read(path, 1 << 20, file, NULL));
    free(path);
    return lat_buf_text(file);
}

struct engine *engine_new(struct lat_loop *loop)
{
    struct engine *engine = LAT_NEW(struct engine);
    char folder[] = "/tmp/lattice-engine-XXXXXX";

    assert_non_null(mkdtemp(folder));
    engine->loop = loop;
    engine->folder = lat_text_copy(folder);
    engine->path = lat_text_format("%s/docker.sock", folder);
    engine->host = lat_text_format("unix://%s", engine->path);
    TAILQ_INIT(&engine->answers);
    TAILQ_INIT(&engine->asked);
    TAILQ_INIT(&engine->connections);
    listen_now(engine);
    engine_answer(engine, "GET /version", 200, engine_recorded(engine, "version-20.10.json"));
    return engine;
}

struct engine *engine_free(struct engine *engine)
{
    struct connection *connection;
    struct answer *answer;
    struct answer *next;
    struct asked *asked;

    engine_break(engine, false);
    TAILQ_FOREACH (connection, &engine->connections, link) {
        connection->engine = NULL;
    }
    for (answer = TAILQ_FIRST(&engine->answers); answer != NULL; answer = next) {
        next = TAILQ_NEXT(answer, link);
        answer_free(engine, answer);
    }
    while ((asked = TAILQ_FIRST(&engine->asked)) != NULL) {
        TAILQ_REMOVE(&engine->asked, asked, link);
        free(asked->request);
        free(asked->body);
        free(asked);
    }
    for (size_t i = 0; i < engine->file_count; i++) {
        lat_buf_done(&engine->files[i]);
    }
    unlink(engine->path);
    rmdir(engine->folder);
    free(engine->folder);
    free(engine->path);
    free(engine->host);
    free(engine);
    return NULL;
}
