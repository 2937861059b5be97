/* Requests of a simulated user. A connection is kept while it is usable; otherwise the next request makes one. */
#include "http.h"
#include "net.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { CONNECT_MS = 5000, PATIENCE_MS = 20000, BODY_MAX = 4 * 1024 * 1024 };

struct sim_http {
    struct sim_process *process;
    char *machine;
    struct sim_connect *connect;
    struct lat_http_client *client;
    struct lat_timer drop;
    /* the request under way */
    sim_reply_fn *fn; /* NULL: none */
    void *arg;
    enum lat_http_method method;
    char *target, *body, *authorization, *key;
    /* the last answer: who looks often mostly reads the same again, which is parsed once */
    struct lat_buf text;
    cJSON *answer;
};

static void finish(struct sim_http *http, int status, const cJSON *body, const struct lat_err *err)
{
    sim_reply_fn *fn = http->fn;

    http->fn = NULL;
    if (fn) {
        fn(http->arg, status, body, err);
    }
}

/* Returns what an answer says, until the next one; NULL when it has no body. */
static const cJSON *parse(struct sim_http *http, const struct lat_http_reply *reply)
{
    struct lat_err bad;

    if (reply->len == 0) {
        return NULL;
    }
    if (http->answer && reply->len == http->text.len &&
        memcmp(reply->body, http->text.bytes, reply->len) == 0) {
        return http->answer;
    }
    cJSON_Delete(http->answer);
    http->answer = NULL;
    lat_buf_clear(&http->text);
    lat_buf_add(&http->text, reply->body, reply->len);
    if (lat_json_parse(reply->body, reply->len, &http->answer, &bad)) {
        sim_fail(http->process->machine->sim, "an answer is not JSON: %s", bad.sentence);
    }
    return http->answer;
}

static void replied(void *arg, const struct lat_http_reply *reply, const struct lat_err *err)
{
    struct sim_http *http = arg;

    if (!lat_http_client_usable(http->client)) {
        http->client = lat_http_client_free(http->client);
    }
    finish(http, reply ? reply->status : 0, reply ? parse(http, reply) : NULL, err);
}

static void start(struct sim_http *http)
{
    struct lat_http_field fields[] = {{"Authorization", http->authorization},
                                      {http->key ? "Idempotency-Key" : NULL, http->key},
                                      {NULL, NULL}};
    struct lat_http_call call = {
        .method = http->method,
        .target = http->target,
        .fields = fields,
        .content_type = http->body ? "application/json" : NULL,
        .body = http->body,
        .len = http->body ? strlen(http->body) : 0,
        .head_ms = PATIENCE_MS,
        .idle_ms = PATIENCE_MS,
    };

    lat_http_client_fetch(http->client, &call, BODY_MAX, replied, http);
}

static void connected(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct sim_http *http = arg;

    http->connect = NULL;
    if (!stream) {
        finish(http, 0, NULL, err);
        return;
    }
    http->client = lat_http_client_new(stream, http->machine);
    start(http);
}

void sim_http_send(struct sim_http *http, const struct sim_request *request, sim_reply_fn *fn,
                   void *arg)
{
    LAT_ASSERT(!http->fn);
    http->fn = fn;
    http->arg = arg;
    http->method = request->method;
    lat_text_replace(&http->target, request->target);
    lat_text_replace(&http->body, request->body);
    lat_text_replace(&http->key, request->key);
    free(http->authorization);
    http->authorization = lat_text_format("Bearer %s", request->token);
    if (http->client && lat_http_client_usable(http->client)) {
        start(http);
        return;
    }
    http->client = lat_http_client_free(http->client);
    http->connect =
        sim_net_connect(http->process, http->machine, SIM_PORT_API, CONNECT_MS, connected, http);
}

static void dropped(void *arg)
{
    struct sim_http *http = arg;
    struct lat_err err;

    lat_err_set(&err, LAT_E_CLOSED, "the user went away");
    finish(http, 0, NULL, &err);
}

void sim_http_drop(struct sim_http *http)
{
    if (http->connect) {
        sim_net_cancel(http->connect);
        http->connect = NULL;
    }
    http->client = lat_http_client_free(http->client);
    if (http->fn) {
        lat_timer_start(&http->drop, 0, 0);
    }
}

struct sim_http *sim_http_new(struct sim_process *process, const char *machine)
{
    struct sim_http *http = LAT_NEW(struct sim_http);

    http->process = process;
    http->machine = lat_text_copy(machine);
    lat_timer_init(&http->drop, process->loop, dropped, http);
    return http;
}

struct sim_http *sim_http_free(struct sim_http *http)
{
    if (http) {
        if (http->connect) {
            sim_net_cancel(http->connect);
        }
        lat_http_client_free(http->client);
        lat_timer_done(&http->drop);
        free(http->machine);
        free(http->target);
        free(http->body);
        free(http->authorization);
        free(http->key);
        lat_buf_done(&http->text);
        cJSON_Delete(http->answer);
        free(http);
    }
    return NULL;
}
