/* Idempotency keys: a request that is sent again is answered as it was answered before, and happens once.
 *
 *   a request with a key ─► one with that key is under way? ─ yes ─► waits until that one has ended, then asks again
 *                                 │ no
 *                                 ├─► its answer is kept ─► the same answer, or a refusal where the requests differ
 *                                 └─► its handler; the answer is kept in the transaction of what it did
 *
 * So a client that lost its connection may send again at once, before the first attempt is durable. What was refused is not
 * kept: it may be sent again, corrected, with its key. Runs on the state loop. */
#include "api/api_internal.h"

#include <stdio.h>
#include <string.h>

enum { LAT__KEY_MAX = 255 };

/* The row's id: from who asks and the key, so that one person's keys are not another's. */
static void row_id(const struct lat__call *call, const char *key, char ret_id[LAT_ID_SIZE])
{
    struct lat_buf both = {0};
    char hex[65];

    lat_buf_addf(&both, "%s/%s", call->user->row.id, key);
    lat_digest_hex(both.bytes, both.len, hex);
    lat_buf_done(&both);
    lat_text_bound(ret_id, LAT_ID_SIZE, hex);
}

static void request_digest(const struct lat__call *call, char ret_hex[65])
{
    struct lat_buf whole = {0};
    size_t len;
    const char *body = lat_http_body(call->req, &len);

    lat_buf_addf(&whole, "%s %s?%s\n", lat_http_method_text(lat_http_method(call->req)),
                 lat_http_path(call->req), lat_http_query(call->req));
    lat_buf_add(&whole, body, len);
    lat_digest_hex(whole.bytes, whole.len, ret_hex);
    lat_buf_done(&whole);
}

void lat__idempotency_keep(struct lat__call *call, struct lat_txn *txn)
{
    struct lat_idempotency *row;
    char digest[65];
    char purpose[64];

    if (!*call->key_id) {
        return;
    }
    if (lat_txn_get(txn, LAT_TABLE_IDEMPOTENCY, call->key_id)) {
        lat_txn_remove(
            txn, LAT_TABLE_IDEMPOTENCY,
            call->key_id); /* it has expired, or this call would have been answered from it */
    }
    request_digest(call, digest);
    snprintf(purpose, sizeof(purpose), "idempotency.answer/%s", call->key_id);
    row = lat_idempotency_new();
    memcpy(row->row.id, call->key_id, sizeof(call->key_id));
    lat_row_set(row->user_id, call->user->row.id);
    lat_row_set(row->request_digest, digest);
    lat_row_take(row->answer,
                 lat_seal(call->api->with.sealer, purpose, lat_buf_text(&call->answer)));
    row->status = call->status;
    row->created_at = lat__now(call->api);
    row->expires_at = row->created_at + LAT_API_IDEMPOTENCY_KEPT_MS;
    lat_txn_put(txn, &row->row);
}

/* Answers as before, or refuses; returns false when nothing is kept. */
static bool replay(struct lat__call *call, const char *id)
{
    const struct lat_idempotency *row = lat_store_idempotency(call->api->with.store, id);
    struct lat_buf answer = {0};
    struct lat_err err;
    char digest[65];
    char purpose[64];
    char *text;

    if (!row || lat__is_over(call->api, row->created_at, row->expires_at)) {
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

bool lat__idempotency_take(struct lat__call *call)
{
    const char *key = lat_http_header(call->req, "Idempotency-Key");
    struct lat__call *first;
    struct lat_err err;
    char id[LAT_ID_SIZE];

    if (!key || !*key || !call->user || lat_http_method(call->req) == LAT_HTTP_GET) {
        return false;
    }
    if (strlen(key) > LAT__KEY_MAX) {
        lat_err_field(&err, LAT_E_INVALID_FIELD, "Idempotency-Key",
                      "A key has at most %d characters.", LAT__KEY_MAX);
        lat__call_fail(call, &err);
        return true;
    }
    row_id(call, key, id);
    first = lat_map_get(call->api->under_way, id);
    if (first) {
        TAILQ_INSERT_TAIL(&first->followers, call, behind);
        return true;
    }
    if (replay(call, id)) {
        return true;
    }
    memcpy(call->key_id, id, sizeof(id));
    lat_map_put(call->api->under_way, id, call);
    return false;
}

void lat__idempotency_pass(struct lat__call *call)
{
    struct lat__call *next;
    struct lat_err err;

    if (*call->key_id) {
        lat_map_remove(call->api->under_way, call->key_id);
    }
    while ((next = TAILQ_FIRST(&call->followers))) {
        TAILQ_REMOVE(&call->followers, next, behind);
        if (call->api->retired) {
            lat_err_set(&err, LAT_E_UNAVAILABLE, "The console stops.");
            lat__call_fail(next, &err);
        } else {
            lat__call_run(next); /* one of them may become the first, and the rest wait behind it */
        }
    }
}
