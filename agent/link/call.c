/* One POST to the console: dial, send, read the answer or the problem. Runs on the loop. */
#include "agent/link/internal.h"

#include "base/text.h"
#include "http/client.h"
#include "model/settings.h"

#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX = 64 * 1024 };

struct lat__call {
    struct lat__dial *dial; /* until it is connected */
    struct lat_http_client *client;
    struct lat_http_url url;
    char *path;
    char *body;
    lat__agent_call_fn *fn;
    void *arg;
};

static void call_free(struct lat__call *call)
{
    lat_http_client_free(call->client);
    free(call->path);
    lat_wipe_free(call->body);
    free(call);
}

static void finish(struct lat__call *call, const cJSON *answer, const struct lat_err *err,
                   bool final)
{
    call->fn(call->arg, answer, err, final);
    call_free(call);
}

/* Makes an error of a problem (RFC 9457) or of a bare status. */
static void read_problem(const struct lat_http_reply *reply, const cJSON *problem,
                         struct lat_err *ret_err)
{
    const char *sentence = lat_json_text(problem, "detail", lat_json_text(problem, "title", ""));
    int code = lat_error_from_name(lat_json_text(problem, "code", ""));
    const char *hint = lat_json_text(problem, "hint", NULL);
    if (*sentence)
        lat_err_set(ret_err, code, "%s", sentence);
    else
        lat_err_set(ret_err, LAT_E_PROTOCOL, "The console answered with status %d.", reply->status);
    if (hint)
        lat_err_hint(ret_err, "%s", hint);
}

/* The console said no, and will say it again: what a person has to change. */
static bool is_final(int status)
{
    return status >= 400 && status < 500 && status != 408 && status != 429;
}

static void replied(void *arg, const struct lat_http_reply *reply, const struct lat_err *err)
{
    struct lat__call *call = arg;
    cJSON *json = NULL;
    struct lat_err problem;
    if (!reply) {
        finish(call, NULL, err, false);
        return;
    }
    int code = lat_json_parse(reply->body, reply->len, &json, &problem);
    bool good = reply->status >= 200 && reply->status < 300;
    if (good && code == 0 && cJSON_IsObject(json)) {
        finish(call, json, NULL, false);
    } else {
        if (good)
            lat_err_set(&problem, LAT_E_PROTOCOL, "The console's answer is not a JSON object.");
        else
            read_problem(reply, json, &problem);
        finish(call, NULL, &problem, is_final(reply->status));
    }
    cJSON_Delete(json);
}

static void connected(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct lat__call *call = arg;
    call->dial = NULL;
    if (!stream) {
        finish(call, NULL, err, false);
        return;
    }
    char authority[320];
    lat_http_url_authority(&call->url, authority, sizeof(authority));
    call->client = lat_http_client_new(stream, authority);
    struct lat_http_call request = {
        .method = LAT_HTTP_POST,
        .target = call->path,
        .content_type = "application/json",
        .body = call->body,
        .len = strlen(call->body),
        .head_ms = LAT_AGENT_JOIN_MS,
    };
    lat_http_client_fetch(call->client, &request, ANSWER_MAX, replied, call);
}

struct lat__call *lat__agent_call_start(const struct lat__agent_call_options *options,
                                        lat__agent_call_fn *fn, void *arg)
{
    struct lat__call *call = LAT_NEW(struct lat__call);
    call->url.tls = true;
    call->url.port = options->port;
    lat_text_bound(call->url.host, sizeof(call->url.host), options->host);
    call->path = lat_text_copy(options->path);
    call->body = lat_text_copy(options->body);
    call->fn = fn;
    call->arg = arg;
    call->dial =
        lat__dial_start(options->loop, options->host, options->port, options->tls, connected, call);
    return call;
}

void lat__agent_call_cancel(struct lat__call *call)
{
    if (call->dial)
        lat__dial_cancel(call->dial);
    call_free(call);
}
