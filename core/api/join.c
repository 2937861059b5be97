/* How machines become nodes: join tokens, joining, and certificates that are renewed.
 *
 * A token is one-use unless asked otherwise, ends, and may be bound to a pool and a name. A machine that joins again with
 * the key of a node that is here (its first answer was lost, or it waited for approval) gets a certificate, whatever became of the
 * token. A renewal needs no token: the request is signed by the node's key, and a certificate is of use only with it.
 *
 *   key is a node's, be it only staged ─► certificate; or "not yet" while it is pending
 *   new key ─► token good, name free ─► approval policy (approval.c) ─► the same looked at again ─► NODE joining, or pending */
#include "api/policy_internal.h"

#include "model/demand.h"

#include <stdio.h>
#include <string.h>

enum { LAT__REQUEST_PEM_MAX = 8192, LAT__USES_MAX = 10000 };

/* ---- tokens ---- */

static void write_join_token(const struct lat_join_token *row, const char *token,
                             struct lat_json_writer *writer)
{
    lat_json_object(writer, NULL);
    lat_row_write(&row->row, writer);
    if (token) {
        lat_json_add_text(writer, "token", token);
    }
    lat_json_end(writer, '}');
}

void lat__join_tokens_list(struct lat__call *call)
{
    const struct lat_join_token *row;
    struct lat__page page;
    void *cursor = NULL;
    struct lat_err err;

    if (lat__page_begin(call, &page, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    while (!page.is_full && (row = lat_store_next_join_token(call->api->with.store, &cursor))) {
        if (lat__page_takes(&page, row->row.id)) {
            write_join_token(row, NULL, &page.writer);
        }
    }
    lat__page_answer(call, &page);
}

static int read_join_token(struct lat__call *call, struct lat_join_token *row, struct lat_err *err)
{
    static const char *const known[] = {"uses", "life", "pool", "node", NULL};
    const char *pool = "default";
    const char *node = "";
    int64_t life_ms = LAT_API_JOIN_TOKEN_MS;
    int64_t uses = 1;
    int code;

    if ((code = lat__call_read_body(call, known, err)) ||
        (code = lat_json_read_int(call->body, "uses", 1, LAT__USES_MAX, &uses, err)) ||
        (code = lat__call_read_life(call, &life_ms, err)) ||
        (code = lat_json_read_text(call->body, "pool", &pool, err)) ||
        (code = lat_json_read_text(call->body, "node", &node, err)) ||
        (code = lat_name_check(pool, "pool", err)) ||
        (*node && (code = lat_name_check(node, "node", err)))) {
        return code;
    }
    lat_row_set(row->pool, pool);
    lat_row_set(row->node_name, node);
    row->uses_left = uses;
    row->created_at = lat__now(call->api);
    row->expires_at = row->created_at + life_ms;
    return 0;
}

void lat__join_tokens_create(struct lat__call *call)
{
    struct lat_join_token *row = lat_join_token_new();
    struct lat_join_token_parts parts;
    struct lat_json_writer writer;
    struct lat_buf answer = {0};
    struct lat_txn *txn;
    struct lat_err err;
    uint8_t authority[32];
    char digest[65];
    char *token;

    if (read_join_token(call, row, &err)) {
        lat_row_unref(&row->row);
        lat__call_fail(call, &err);
        return;
    }
    lat_authority_digest(call->api->with.authority, authority);
    token = lat_join_token_make(authority, call->api->with.random);
    LAT_ASSERT(lat_join_token_parse(token, &parts, &err) == 0);
    lat_digest_hex(parts.secret, strlen(parts.secret), digest);
    lat_store_make_id(call->api->with.store, row->row.id);
    lat_row_set(row->digest, digest);
    lat_row_set(row->created_by, call->user->row.id);
    lat_json_writer_init(&writer, &answer);
    write_join_token(row, token, &writer);
    lat_wipe(&parts, sizeof(parts));
    lat_wipe_free(token);
    txn = lat__call_begin(call);
    lat_txn_put(txn, &row->row);
    lat__call_commit(call, txn, "join_token.create", &row->row, 201, &answer);
}

void lat__join_tokens_remove(struct lat__call *call)
{
    const char *id = lat_http_path_param(call->req, "id");
    const struct lat_join_token *row = lat_store_join_token(call->api->with.store, id);
    struct lat_buf answer = {0};
    struct lat_txn *txn;
    struct lat_err err;

    if (!row) {
        lat_err_set(&err, LAT_E_NOT_FOUND, "There is no join token %.64s.", id);
        lat__call_fail(call, &err);
        return;
    }
    txn = lat__call_begin(call);
    lat_txn_remove(txn, LAT_TABLE_JOIN_TOKEN, id);
    lat__call_commit(call, txn, "join_token.remove", &row->row, 204, &answer);
}

/* ---- joining ---- */

static int check_labels(const cJSON *labels, struct lat_err *err)
{
    const cJSON *label;
    int count = 0;

    if (labels && !cJSON_IsObject(labels)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "labels", "labels is an object of text.");
    }
    cJSON_ArrayForEach (label, labels) {
        if (!cJSON_IsString(label) || strlen(label->string) > LAT_NAME_MAX ||
            strlen(label->valuestring) > LAT_NAME_MAX || ++count > LAT_LABELS_MAX) {
            return lat_err_field(err, LAT_E_INVALID_FIELD, "labels",
                                 "There are at most %d labels, of at most %d characters each.",
                                 LAT_LABELS_MAX, LAT_NAME_MAX);
        }
    }
    return 0;
}

static int read_applicant(struct lat__call *call, struct lat__applicant *ret, struct lat_err *err)
{
    int code;

    *ret = (struct lat__applicant){.token = "", .name = "", .request = ""};
    if ((code = lat__call_read_body(call, NULL, err)) ||
        (code = lat_json_read_text(call->body, "token", &ret->token, err)) ||
        (code = lat_json_read_text(call->body, "name", &ret->name, err)) ||
        (code = lat_json_read_text(call->body, "request", &ret->request, err))) {
        return code;
    }
    if (strlen(ret->request) > LAT__REQUEST_PEM_MAX) {
        return lat_err_field(err, LAT_E_TOO_LARGE, "request", NULL);
    }
    ret->labels = lat_json_get(call->body, "labels");
    return check_labels(ret->labels, err);
}

static int find_join_token(struct lat__call *call, const char *text,
                           const struct lat_join_token **ret_row, struct lat_err *err)
{
    struct lat_join_token_parts parts;
    char digest[65];
    int code;

    if ((code = lat_join_token_parse(text, &parts, err))) {
        return code;
    }
    lat_digest_hex(parts.secret, strlen(parts.secret), digest);
    lat_wipe(&parts, sizeof(parts));
    *ret_row = (const struct lat_join_token *)lat_store_find(call->api->with.store,
                                                             LAT_INDEX_JOIN_TOKEN_DIGEST, digest);
    if (!*ret_row || lat__is_over(call->api, (*ret_row)->created_at, (*ret_row)->expires_at)) {
        lat_err_set(err, LAT_E_FORBIDDEN, "The join token is not known here, or has expired.");
        return lat_err_hint(err, "Make a new one: lattice node join-token");
    }
    return 0;
}

static void write_membership(struct lat__call *call, const struct lat_node *node, const char *chain,
                             struct lat_buf *out)
{
    struct lat_json_writer writer;

    lat_json_writer_init(&writer, out);
    lat_json_object(&writer, NULL);
    lat_json_add_text(&writer, "node_id", node->row.id);
    lat_json_add_text(&writer, "name", node->name);
    lat_json_add_text(&writer, "certificate", chain);
    lat_json_add_text(&writer, "authority", lat_authority_pem(call->api->with.authority));
    lat_json_end(&writer, '}');
}

/* A node that gets no certificate: an administrator shut it out, or has not let it in yet. */
static int refuse_barred(const struct lat_node *node, struct lat_err *err)
{
    if (lat_text_equal(node->status, lat_node_state_name(LAT_NODE_REVOKED))) {
        return lat_err_set(err, LAT_E_FORBIDDEN, "Node '%s' was shut out%s%s.", node->name,
                           *node->reason ? ": " : "", node->reason);
    }
    if (lat_text_equal(node->status, lat_node_state_name(LAT_NODE_PENDING))) {
        lat_err_set(err, LAT_E_NOT_APPROVED, "Node '%s' waits for an administrator: %s.",
                    node->name, node->reason);
        return lat_err_hint(err, "It goes on by itself after: lattice node approve %s", node->name);
    }
    return 0;
}

/* Signs for a node that is here already, or will be when the disk has taken it: its key asks again. What is answered rests upon its row. */
static void sign_again(struct lat__call *call, const struct lat_node *node, const char *request)
{
    struct lat_buf answer = {0};
    uint8_t key_digest[32];
    struct lat_txn *txn;
    struct lat_err err;
    char *chain;

    if (refuse_barred(node, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    if (lat_authority_sign_node(call->api->with.authority, request, node->row.id,
                                call->api->with.node_certificate_ms, &chain, key_digest, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    write_membership(call, node, chain, &answer);
    free(chain);
    txn = lat__call_begin(call);
    lat_txn_expect(txn, &node->row);
    lat__call_commit(call, txn, "node.renew", &node->row, 200, &answer);
}

/* NULL: it has been removed. */
static int refuse_used(const struct lat_join_token *token, struct lat_err *err)
{
    if (token && token->uses_left > 0) {
        return 0;
    }
    lat_err_set(err, LAT_E_FORBIDDEN, "The join token has been used.");
    return lat_err_hint(err, "Make a new one: lattice node join-token");
}

static int may_use(const struct lat_join_token *token, const struct lat__applicant *applicant,
                   struct lat_err *err)
{
    if (refuse_used(token, err)) {
        return err->code;
    }
    if (*token->node_name && !lat_text_equal(token->node_name, applicant->name)) {
        return lat_err_field(err, LAT_E_FORBIDDEN, "name",
                             "The join token admits only a node named '%s'.", token->node_name);
    }
    return lat_name_check(applicant->name, "name", err);
}

/* Returns a number that no node has: the lowest behind as many as there are. */
static int64_t free_number(struct lat__call *call, struct lat_txn *txn)
{
    int64_t number = (int64_t)lat_store_count(call->api->with.store, LAT_TABLE_NODE) + 1;
    char key[24];

    for (;; number++) {
        snprintf(key, sizeof(key), "%lld", (long long)number);
        if (!lat_txn_find(txn, LAT_INDEX_NODE_NUMBER, key)) {
            return number;
        }
    }
}

/* The row of a machine that is let in, or waits; owned. */
static struct lat_node *new_node(struct lat__call *call, const struct lat__applicant *applicant,
                                 const struct lat_join_token *token, const uint8_t key_digest[32])
{
    struct lat_node *node = lat_node_new();
    struct lat_buf hex = {0};

    lat_text_hex(&hex, key_digest, 32);
    lat_store_make_id(call->api->with.store, node->row.id);
    lat_row_set(node->name, applicant->name);
    lat_row_set(node->key_digest, lat_buf_text(&hex));
    lat_row_set(node->pool, token->pool);
    lat_row_take(node->labels,
                 applicant->labels ? lat_json_print(applicant->labels) : lat_text_copy("{}"));
    node->rank = LAT_RANK_DEFAULT;
    node->joined_at = lat__now(call->api);
    lat_buf_done(&hex);
    return node;
}

/* Puts the node (taken), with a number of its own, and takes one use off its token: as it is staged, since machines that start
 * together join together. */
static int put_node(struct lat__call *call, struct lat_txn *txn, struct lat_node *node,
                    const struct lat_join_token *token, struct lat_err *err)
{
    const struct lat_join_token *latest =
        (const struct lat_join_token *)lat_txn_get(txn, LAT_TABLE_JOIN_TOKEN, token->row.id);
    int code = refuse_used(latest, err);

    if (code) {
        lat_row_unref(&node->row);
        return code;
    }
    struct lat_join_token *spent = lat_join_token_edit(latest);

    node->number = free_number(call, txn);
    spent->uses_left--;
    lat_txn_put(txn, &spent->row);
    lat_txn_put(txn, &node->row);
    return 0;
}

static void log_join(struct lat__call *call, const char *what, const struct lat_node *node)
{
    lat_log(call->api->with.log, LAT_LOG_INFO, what,
            LAT_STR("request_id", lat_http_request_id(call->req)), LAT_STR("node", node->row.id),
            LAT_STR("name", node->name), LAT_STR("peer", lat_http_peer(call->req)));
}

/* A machine whose node (held) is being written: it is in, or has to wait. */
struct entering {
    struct lat__call *call;
    const struct lat_node *node;
};

/* Commits its node. Nothing is said of it, in the log or to the machine, before that is durable. */
static void enter(struct lat__call *call, struct lat_txn *txn, const struct lat_node *node,
                  lat_commit_fn *entered)
{
    struct entering *entering = LAT_NEW(struct entering);
    struct lat_err err;

    *entering = (struct entering){.call = call, .node = node};
    lat_row_ref(&node->row);
    if (lat_txn_commit(txn, entered, entering, &err)) {
        entered(entering, &err);
    }
}

static void joined(void *arg, const struct lat_err *err)
{
    struct entering *entering = arg;

    if (!err) {
        log_join(entering->call, "a node joins", entering->node);
    }
    lat__call_committed(entering->call, err);
    lat_row_unref(&entering->node->row);
    free(entering);
}

static void admit(struct lat__call *call, const struct lat__applicant *applicant,
                  const struct lat_join_token *token, const uint8_t key_digest[32])
{
    struct lat_node *node = new_node(call, applicant, token, key_digest);
    struct lat_buf answer = {0};
    uint8_t signed_digest[32];
    struct lat_txn *txn;
    struct lat_err err;
    char *chain;

    if (lat_authority_sign_node(call->api->with.authority, applicant->request, node->row.id,
                                call->api->with.node_certificate_ms, &chain, signed_digest, &err)) {
        lat_row_unref(&node->row);
        lat__call_fail(call, &err);
        return;
    }
    lat_row_set(node->status, lat_node_state_name(LAT_NODE_JOINING));
    lat_row_set(node->reason, "it has not connected yet");
    write_membership(call, node, chain, &answer);
    free(chain);
    txn = lat__call_begin(call);
    if (put_node(call, txn, node, token, &err)) {
        lat_buf_done(&answer);
        lat_txn_cancel(txn);
        lat__call_fail(call, &err);
        return;
    }
    lat__call_stage(call, txn, "node.join", &node->row, 201, &answer);
    enter(call, txn, node, joined);
}

static void waits(void *arg, const struct lat_err *err)
{
    struct entering *entering = arg;
    struct lat_err not_yet;

    if (!err) {
        log_join(entering->call, "a node asks to join and waits for an administrator",
                 entering->node);
        LAT_ASSERT(refuse_barred(entering->node, &not_yet));
        err = &not_yet;
    }
    lat__call_fail(entering->call, err);
    lat_row_unref(&entering->node->row);
    free(entering);
}

/* Keeps the machine as a node that waits, and answers what it will hear until somebody has decided. */
static void keep_waiting(struct lat__call *call, const struct lat__applicant *applicant,
                         const struct lat_join_token *token, const uint8_t key_digest[32],
                         const char *reason)
{
    struct lat_node *node = new_node(call, applicant, token, key_digest);
    struct lat_txn *txn;
    struct lat_err err;

    lat_row_set(node->status, lat_node_state_name(LAT_NODE_PENDING));
    lat_row_set(node->reason, *reason ? reason : "the approval policy leaves it to a person");
    txn = lat__call_begin(call);
    if (put_node(call, txn, node, token, &err)) {
        lat_txn_cancel(txn);
        lat__call_fail(call, &err);
        return;
    }
    lat__audit_add(call, txn, "node.wait", &node->row);
    enter(call, txn, node, waits);
}

/* Finds the node whose key signed the request, as it is staged: a machine that asks twice at once is one. *ret_node is borrowed for this turn; NULL
 * when there is none. */
static int find_by_key(struct lat__call *call, const char *request, uint8_t key_digest[32],
                       const struct lat_node **ret_node, struct lat_err *err)
{
    struct lat_buf hex = {0};
    struct lat_txn *txn;
    int code;

    if ((code = lat_request_key(request, key_digest, err))) {
        lat_text_bound(err->field, sizeof(err->field), "request");
        return code;
    }
    lat_text_hex(&hex, key_digest, 32);
    txn = lat__call_begin(call);
    *ret_node = (const struct lat_node *)lat_txn_find(txn, LAT_INDEX_NODE_KEY, lat_buf_text(&hex));
    lat_txn_cancel(txn);
    lat_buf_done(&hex);
    return 0;
}

/* What has to hold of a machine that is no node yet: when it asks, and again when the policy has answered. */
static int check_applicant(struct lat__call *call, const struct lat__applicant *applicant,
                           const struct lat_join_token **ret_token, struct lat_err *err)
{
    int code;

    if ((code = find_join_token(call, applicant->token, ret_token, err)) ||
        (code = may_use(*ret_token, applicant, err))) {
        return code;
    }
    if (lat_store_find(call->api->with.store, LAT_INDEX_NODE_NAME, applicant->name)) {
        lat_err_field(err, LAT_E_NAME_TAKEN, "name", "There is a node '%s' already.",
                      applicant->name);
        return lat_err_hint(
            err, "Start the agent with --name and another name, or remove the old node.");
    }
    return 0;
}

/* A machine whose policy is being asked. */
struct joining {
    struct lat__call *call;
    struct lat__applicant applicant;
};

static void ruled(void *arg, enum lat_ruling_verdict verdict, const char *reason,
                  const struct lat_err *refusal)
{
    struct joining joining = *(struct joining *)arg;
    struct lat__call *call = joining.call;
    const struct lat_join_token *token;
    const struct lat_node *node;
    uint8_t key_digest[32];
    struct lat_err err;

    free(arg);
    if (refusal) {
        lat__call_fail(call, refusal);
    } else if (find_by_key(call, joining.applicant.request, key_digest, &node, &err)) {
        lat__call_fail(call, &err);
    } else if (node) { /* it asked twice at once */
        sign_again(call, node, joining.applicant.request);
    } else if (check_applicant(call, &joining.applicant, &token, &err)) {
        lat__call_fail(call, &err);
    } else if (verdict == LAT_RULING_ASK) {
        keep_waiting(call, &joining.applicant, token, key_digest, reason);
    } else {
        admit(call, &joining.applicant, token, key_digest);
    }
}

void lat__join(struct lat__call *call)
{
    const struct lat_join_token *token;
    const struct lat_node *node;
    struct lat__applicant applicant;
    struct joining *joining;
    uint8_t key_digest[32];
    struct lat_err err;

    if (lat__guards_join(call, &err) || read_applicant(call, &applicant, &err) ||
        find_by_key(call, applicant.request, key_digest, &node, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    if (node) {
        sign_again(call, node, applicant.request);
        return;
    }
    if (check_applicant(call, &applicant, &token, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    joining = LAT_NEW(struct joining);
    *joining = (struct joining){.call = call, .applicant = applicant};
    lat__approval_ask(call, &joining->applicant, token, ruled, joining);
}

void lat__join_renew(struct lat__call *call)
{
    const struct lat_node *node;
    struct lat__applicant applicant;
    uint8_t key_digest[32];
    struct lat_err err;

    if (lat__guards_join(call, &err) || read_applicant(call, &applicant, &err) ||
        find_by_key(call, applicant.request, key_digest, &node, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    if (!node) {
        lat_err_set(&err, LAT_E_FORBIDDEN, "No node here has this key.");
        lat__call_fail(call, &err);
        return;
    }
    sign_again(call, node, applicant.request);
}
