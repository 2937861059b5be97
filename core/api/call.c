/* What every handler does: read a body, answer, fail, commit. */
#include "api/api_internal.h"

#include <stdio.h>

static const int64_t life_min_ms = 1000;
static const int64_t life_max_ms = INT64_C(3650) * 24 * 60 * 60 * 1000;

int64_t lat__now(const struct lat_api *api)
{
    return lat_clock_wall_ms(lat_loop_clock(api->with.loop));
}

bool lat__is_over(const struct lat_api *api, int64_t begun_at, int64_t ends_at)
{
    return ends_at != 0 && lat_clock_is_over(lat_loop_clock(api->with.loop), begun_at, ends_at);
}

/* ---- reading ---- */

int lat__call_read_body(struct lat__call *call, const char *const *known, struct lat_err *err)
{
    size_t len;
    const char *text = lat_http_body(call->req, &len);
    const char *type = lat_http_header(call->req, "Content-Type");
    int code;

    if (len == 0) {
        call->body = cJSON_CreateObject();
        LAT_ASSERT(call->body);
        return 0;
    }
    if (!lat_http_media_is(type, "application/json")) {
        return lat_err_set(err, LAT_E_MEDIA, "The body is %s; it has to be application/json.",
                           type ? type : "of no type");
    }
    if ((code = lat_json_parse(text, len, &call->body, err))) {
        return code;
    }
    if (!cJSON_IsObject(call->body)) {
        return lat_err_set(err, LAT_E_INVALID, "The body has to be a JSON object.");
    }
    return known ? lat_json_only(call->body, known, err) : 0;
}

int lat__call_read_life(const struct lat__call *call, int64_t *ret_ms, struct lat_err *err)
{
    const char *life = "";
    int64_t ms;
    int code = lat_json_read_text(call->body, "life", &life, err);

    if (code || !*life) {
        return code;
    }
    if (lat_text_to_duration(life, &ms) || ms < life_min_ms || ms > life_max_ms) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "life",
                             "'%.40s' is not a duration such as 12h or 30d, of at most 3650d.",
                             life);
    }
    *ret_ms = ms;
    return 0;
}

int lat__call_read_flag(struct lat__call *call, const char *name, bool *ret, struct lat_err *err)
{
    const char *text = lat_http_param(call->req, name);

    if (text && *text && !lat_text_equal(text, "true") && !lat_text_equal(text, "false")) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, name, "%s is true or false.", name);
    }
    *ret = text && !lat_text_equal(text, "false");
    return 0;
}

/* ---- answering ---- */

void lat__call_done(struct lat__call *call)
{
    lat__idempotency_pass(call);
    if (call->user) {
        lat_row_unref(&call->user->row);
    }
    if (call->token) {
        lat_row_unref(&call->token->row);
    }
    cJSON_Delete(call->body);
    if (call->answer.bytes) {
        lat_wipe(call->answer.bytes, call->answer.cap);
    }
    lat_buf_done(&call->answer);
    lat_http_request_unref(call->req);
    lat__api_forget_call(call->api);
    free(call);
}

void lat__call_answer(struct lat__call *call, int status, struct lat_buf *buf)
{
    lat_http_respond(call->req, status, buf->len ? "application/json" : NULL, NULL, buf->bytes,
                     buf->len);
    if (buf->bytes) {
        lat_wipe(buf->bytes, buf->cap); /* it may hold credentials */
    }
    lat_buf_done(buf);
    lat__call_done(call);
}

void lat__call_fail(struct lat__call *call, const struct lat_err *err)
{
    char seconds[24];
    const struct lat_http_field extra[] = {{"Retry-After", seconds}, {0}};

    if (lat_error_row(err->code)->http_status >= 500 && err->code != LAT_E_NOT_APPROVED) {
        lat_log(call->api->with.log, LAT_LOG_WARN, "a request failed",
                LAT_STR("request_id", lat_http_request_id(call->req)),
                LAT_STR("path", lat_http_path(call->req)), LAT_ERR(err));
    }
    snprintf(seconds, sizeof(seconds), "%lld", (long long)((call->retry_ms + 999) / 1000));
    lat_http_problem_with(call->req, err, call->retry_ms > 0 ? extra : NULL);
    lat__call_done(call);
}

void lat__call_run(struct lat__call *call)
{
    if (!lat__idempotency_take(call)) {
        call->handler(call);
    }
}

/* ---- writing ---- */

struct lat_txn *lat__call_begin(const struct lat__call *call)
{
    return lat_txn_begin(call->api->with.store, lat_http_request_id(call->req));
}

void lat__call_committed(struct lat__call *call, const struct lat_err *err)
{
    struct lat_buf answer;

    if (err) {
        lat__call_fail(call, err);
        return;
    }
    answer = call->answer;
    call->answer = (struct lat_buf){0};
    lat__call_answer(call, call->status, &answer);
}

static void committed(void *arg, const struct lat_err *err)
{
    lat__call_committed(arg, err);
}

void lat__call_stage(struct lat__call *call, struct lat_txn *txn, const char *action,
                     const struct lat_row *row, int status, struct lat_buf *buf)
{
    call->status = status;
    call->answer = *buf;
    *buf = (struct lat_buf){0};
    lat__audit_add(call, txn, action, row);
    lat__idempotency_keep(call, txn);
}

void lat__call_commit(struct lat__call *call, struct lat_txn *txn, const char *action,
                      const struct lat_row *row, int status, struct lat_buf *buf)
{
    struct lat_err err;

    lat__call_stage(call, txn, action, row, status, buf);
    if (lat_txn_commit(txn, committed, call, &err)) {
        lat__call_fail(call, &err);
    }
}

int lat__call_read_moment(const struct lat__call *call, const char *name, int64_t *ret_at,
                          struct lat_err *err)
{
    const char *text = lat_http_param(call->req, name);
    int64_t back_ms;

    if (!text || !*text || lat_time_parse(text, ret_at) == 0) {
        return 0;
    }
    if (lat_text_to_duration(text, &back_ms) || back_ms > lat__now(call->api)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, name,
                             "%s is a time such as 2026-11-21T12:00:00Z, or so long ago: 90m.",
                             name);
    }
    *ret_at = lat__now(call->api) - back_ms;
    return 0;
}
