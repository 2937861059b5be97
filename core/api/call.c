/* What every handler does: read a body, answer, fail, commit, and answer a repeated request as it was answered before. */
#include "api/api_internal.h"

#include <stdio.h>
#include <string.h>

enum { LAT__KEY_MAX = 255, LAT__SWEEP_ROWS = 256, LAT__SWEEP_MS = 60 * 1000, LAT__SWEEP_MORE_MS = 100 };

static const int64_t life_min_ms = 1000;
static const int64_t life_max_ms = INT64_C(3650) * 24 * 60 * 60 * 1000;

int64_t lat__now(const struct lat_api *api)
{
    return lat_clock_wall_ms(lat_loop_clock(api->with.loop));
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
        return lat_err_set(err, LAT_E_MEDIA, "The body is %s; it has to be application/json.", type ? type : "of no type");
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
        return lat_err_field(err, LAT_E_INVALID_FIELD, "life", "'%.40s' is not a duration such as 12h or 30d, of at most 3650d.", life);
    }
    *ret_ms = ms;
    return 0;
}

int lat__call_page(struct lat__call *call, size_t *ret_limit, const char **ret_cursor, struct lat_err *err)
{
    const char *limit = lat_http_param(call->req, "limit");
    const char *cursor = lat_http_param(call->req, "cursor");
    int64_t value = LAT_API_PAGE_MAX;

    if (limit && lat_text_to_int(limit, 1, LAT_API_PAGE_MAX, &value)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "limit", "limit has to be a number from 1 to %d.", LAT_API_PAGE_MAX);
    }
    if (cursor && *cursor && !lat_id_is(cursor)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "cursor", "cursor has to be the `next` of an earlier page.");
    }
    *ret_limit = (size_t)value;
    *ret_cursor = cursor ? cursor : "";
    return 0;
}

/* ---- answering ---- */

void lat__call_done(struct lat__call *call)
{
    if (call->user) {
        lat_row_unref(&call->user->row);
    }
    cJSON_Delete(call->body);
    if (call->answer.bytes) {
        lat_wipe(call->answer.bytes, call->answer.cap);
    }
    lat_buf_done(&call->answer);
    lat_http_request_unref(call->req);
    free(call);
}

void lat__call_answer(struct lat__call *call, int status, struct lat_buf *buf)
{
    lat_http_respond(call->req, status, buf->len ? "application/json" : NULL, NULL, buf->bytes, buf->len);
    if (buf->bytes) {
        lat_wipe(buf->bytes, buf->cap); /* it may hold credentials */
    }
    lat_buf_done(buf);
    lat__call_done(call);
}

void lat__call_fail(struct lat__call *call, const struct lat_err *err)
{
    if (lat_error_row(err->code)->http_status >= 500) {
        lat_log(call->api->with.log, LAT_LOG_WARN, "a request failed", LAT_STR("request_id", lat_http_request_id(call->req)),
                LAT_STR("path", lat_http_path(call->req)), LAT_ERR(err));
    }
    lat_http_problem(call->req, err);
    lat__call_done(call);
}

/* ---- writing ---- */

struct lat_txn *lat__call_begin(struct lat__call *call)
{
    return lat_txn_begin(call->api->with.store, lat_http_request_id(call->req));
}

/* The row's id: from who asks and the key, so that one person's keys are not another's. */
static const char *idempotency_key(const struct lat__call *call, char ret_id[LAT_ID_SIZE])
{
    const char *key = lat_http_header(call->req, "Idempotency-Key");
    struct lat_buf both = {0};
    char hex[65];

    if (!key || !*key || !call->user) {
        return NULL;
    }
    lat_buf_addf(&both, "%s/%s", call->user->row.id, key);
    lat_digest_hex(both.bytes, both.len, hex);
    lat_buf_done(&both);
    lat_text_bound(ret_id, LAT_ID_SIZE, hex);
    return key;
}

static void request_digest(const struct lat__call *call, char ret_hex[65])
{
    struct lat_buf whole = {0};
    size_t len;
    const char *body = lat_http_body(call->req, &len);

    lat_buf_addf(&whole, "%s %s?%s\n", lat_http_method_text(lat_http_method(call->req)), lat_http_path(call->req),
                 lat_http_query(call->req));
    lat_buf_add(&whole, body, len);
    lat_digest_hex(whole.bytes, whole.len, ret_hex);
    lat_buf_done(&whole);
}

static void keep_answer(struct lat__call *call, struct lat_txn *txn, int status)
{
    const struct lat_idempotency *old;
    struct lat_idempotency *row;
    char id[LAT_ID_SIZE];
    char digest[65];
    char purpose[64];

    if (!idempotency_key(call, id)) {
        return;
    }
    old = (const struct lat_idempotency *)lat_txn_get(txn, LAT_TABLE_IDEMPOTENCY, id);
    if (old && old->expires_at < lat__now(call->api)) {
        lat_txn_remove(txn, LAT_TABLE_IDEMPOTENCY, id);
    } /* one that is still good makes the transaction fail: two requests with one key at the same time */
    request_digest(call, digest);
    snprintf(purpose, sizeof(purpose), "idempotency.answer/%s", id);
    row = lat_idempotency_new();
    memcpy(row->row.id, id, sizeof(id));
    lat_row_set(row->user_id, call->user->row.id);
    lat_row_set(row->request_digest, digest);
    free(row->answer);
    row->answer = lat_seal(call->api->with.sealer, purpose, lat_buf_text(&call->answer));
    row->status = status;
    row->created_at = lat__now(call->api);
    row->expires_at = row->created_at + LAT_API_IDEMPOTENCY_KEPT_MS;
    lat_txn_put(txn, &row->row);
}

static void committed(void *arg, const struct lat_err *err)
{
    struct lat__call *call = arg;
    struct lat_buf answer;

    if (err) {
        lat__call_fail(call, err);
        return;
    }
    answer = call->answer;
    call->answer = (struct lat_buf){0};
    lat__call_answer(call, call->status, &answer);
}

void lat__call_commit(struct lat__call *call, struct lat_txn *txn, int status, struct lat_buf *buf)
{
    struct lat_err err;

    call->status = status;
    call->answer = *buf;
    *buf = (struct lat_buf){0};
    keep_answer(call, txn, status);
    if (lat_txn_commit(txn, committed, call, &err)) {
        lat__call_fail(call, &err);
    }
}

bool lat__call_replay(struct lat__call *call)
{
    const struct lat_idempotency *row;
    struct lat_buf answer = {0};
    struct lat_err err;
    char id[LAT_ID_SIZE];
    char digest[65];
    char purpose[64];
    char *text;
    const char *key = idempotency_key(call, id);

    if (!key) {
        return false;
    }
    if (strlen(key) > LAT__KEY_MAX) {
        lat_err_field(&err, LAT_E_INVALID_FIELD, "Idempotency-Key", "A key has at most %d characters.", LAT__KEY_MAX);
        lat__call_fail(call, &err);
        return true;
    }
    row = lat_store_idempotency(call->api->with.store, id);
    if (!row || row->expires_at < lat__now(call->api)) {
        return false;
    }
    request_digest(call, digest);
    if (!lat_text_equal(digest, row->request_digest)) {
        lat_err_field(&err, LAT_E_IDEMPOTENCY, "Idempotency-Key", NULL);
        lat__call_fail(call, &err);
        return true;
    }
    snprintf(purpose, sizeof(purpose), "idempotency.answer/%s", id);
    if (lat_unseal(call->api->with.sealer, purpose, row->answer, &text, &err)) {
        lat__call_fail(call, &err);
        return true;
    }
    lat_buf_add_text(&answer, text);
    lat_wipe_free(text);
    lat__call_answer(call, (int)row->status, &answer);
    return true;
}

void lat__sweep_idempotency(void *arg)
{
    struct lat_api *api = arg;
    const struct lat_idempotency *row;
    struct lat_txn *txn = lat_txn_begin(api->with.store, "");
    struct lat_err err;
    void *cursor = NULL;
    size_t removed = 0;

    while (removed < LAT__SWEEP_ROWS && (row = lat_store_next_idempotency(api->with.store, &cursor))) {
        if (row->expires_at < lat__now(api)) {
            lat_txn_remove(txn, LAT_TABLE_IDEMPOTENCY, row->row.id);
            removed++;
        }
    }
    /* As fast as they come, a piece at a time: other work waits for a turn at most. */
    lat_timer_start(&api->sweep, removed == LAT__SWEEP_ROWS ? LAT__SWEEP_MORE_MS : LAT__SWEEP_MS, 0);
    if (removed == 0) {
        lat_txn_cancel(txn);
    } else if (lat_txn_commit(txn, NULL, NULL, &err)) {
        lat_log(api->with.log, LAT_LOG_WARN, "expired answers could not be removed", LAT_ERR(&err));
    }
}
