/* What this console is and offers: workload types, version, health, metrics, its certificate authority. */
#include "api/api_internal.h"

#include <string.h>

void lat__types_list(struct lat__call *call)
{
    struct lat_json_writer writer;
    struct lat_buf answer = {0};
    const cJSON *manifest;
    void *cursor = NULL;

    lat_json_writer_init(&writer, &answer);
    lat_json_object(&writer, NULL);
    lat_json_array(&writer, "items");
    while ((manifest = lat_luahost_next_manifest(call->api->with.luahost, &cursor))) {
        char *text = lat_json_print(manifest);

        lat_json_add_raw(&writer, NULL, text);
        free(text);
    }
    lat_json_end(&writer, ']');
    lat_json_end(&writer, '}');
    lat__call_answer(call, 200, &answer);
}

static void answer_one(struct lat__call *call, int status, const char *name, const char *value)
{
    struct lat_json_writer writer;
    struct lat_buf answer = {0};

    lat_json_writer_init(&writer, &answer);
    lat_json_object(&writer, NULL);
    lat_json_add_text(&writer, name, value);
    lat_json_end(&writer, '}');
    lat__call_answer(call, status, &answer);
}

void lat__version(struct lat__call *call)
{
    answer_one(call, 200, "version", call->api->version);
}

void lat__healthz(struct lat__call *call)
{
    answer_one(call, 200, "status", "ok");
}

void lat__readyz(struct lat__call *call)
{
    struct lat_err err;

    if (!lat_store_is_writable(call->api->with.store, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    answer_one(call, 200, "status", "ready");
}

void lat__metrics_get(struct lat__call *call)
{
    struct lat_buf text = {0};

    lat_metrics_render(call->api->with.metrics, &text);
    lat_http_respond(call->req, 200, "text/plain; version=0.0.4; charset=utf-8", NULL, text.bytes,
                     text.len);
    lat_buf_done(&text);
    lat__call_done(call);
}

void lat__authority_get(struct lat__call *call)
{
    const char *pem = lat_authority_pem(call->api->with.authority);

    lat_http_respond(call->req, 200, "application/x-pem-file", NULL, pem, strlen(pem));
    lat__call_done(call);
}
