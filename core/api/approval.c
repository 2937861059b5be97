/* Approval: the policy that says which machines may join, and the administrator whom it leaves some of them to. One that is compiled
 * answers in the turn that asks.
 *
 *   good token ─► policy ─┬─ accept ─► NODE joining, certificate
 *                         ├─ ask ────► NODE pending: its agent hears "not yet" and asks again ─► approve ─► joining, certificate
 *                         │                                                                   └► reject ──► revoked
 *                         └─ reject ─► 403 with its reason; the token is not used up
 *
 * A policy that gives no answer: as long as the shipped one is in force, which accepts, the built-in rule says the same. Where an
 * operator has put another one in force nobody gets in without its word: the machine is told to ask again, which its agent does. Both
 * are logged and counted. Runs on the state loop. */
#include "api/policy_internal.h"

#include "luahost/policies.h"

#include <string.h>

static const char policy_name[] = "approval";

enum { LAT__REASON_MAX = 200 };

struct lat__approval {
    struct lat_columns *columns; /* the texts of the record */
    struct lat_record *record;   /* the machine and the token that are asked about */
    struct lat_metric *fallbacks;
};

struct lat__approval *lat__approval_new(struct lat_api *api)
{
    struct lat__approval *approval = LAT_NEW(struct lat__approval);

    approval->columns = lat_columns_new();
    approval->record = lat_record_new(approval->columns);
    if (api->with.metrics) {
        approval->fallbacks =
            lat_metrics_counter(api->with.metrics, "lattice_approval_fallbacks_total", "",
                                "Machines about which the approval policy gave no answer");
    }
    return approval;
}

struct lat__approval *lat__approval_free(struct lat__approval *approval)
{
    if (approval) {
        lat_record_free(approval->record);
        lat_columns_free(approval->columns);
        free(approval);
    }
    return NULL;
}

struct asking {
    struct lat__call *call;
    char *name; /* that the applicant wants, for the log */
    lat__approved_fn *fn;
    void *arg;
};

/* ---- asking the policy ---- */

/* The address without its port: "192.0.2.7" of "192.0.2.7:51234", "::1" of "[::1]:51234"; what is none stays as it is. */
static char *address_of(const char *peer)
{
    const char *colon = strrchr(peer, ':');
    size_t len = colon ? (size_t)(colon - peer) : strlen(peer);
    bool in_brackets = len >= 2 && peer[0] == '[' && peer[len - 1] == ']';

    return in_brackets ? lat_text_copy_n(peer + 1, len - 2) : lat_text_copy_n(peer, len);
}

static void set_question(struct lat__call *call, const struct lat__applicant *applicant,
                         const struct lat_join_token *token, struct lat_record *record)
{
    const struct lat_user *maker = lat_store_user(call->api->with.store, token->created_by);
    int64_t age_ms = lat__now(call->api) - token->created_at;
    char *address = address_of(lat_http_peer(call->req));

    lat_record_set_text(record, LAT_FIELD_applicant_name, applicant->name);
    lat_record_set_map(record, LAT_FIELD_applicant_labels, applicant->labels);
    lat_record_set_text(record, LAT_FIELD_applicant_address, address);
    lat_record_set_text(record, LAT_FIELD_token_pool, token->pool);
    lat_record_set_text(record, LAT_FIELD_token_node, token->node_name);
    lat_record_set_text(record, LAT_FIELD_token_created_by, maker ? maker->name : "");
    lat_record_set_int(record, LAT_FIELD_token_uses_left, token->uses_left);
    lat_record_set_int(record, LAT_FIELD_token_age_seconds, age_ms > 0 ? age_ms / 1000 : 0);
    free(address);
}

static void finish(struct asking *asking, enum lat_ruling_verdict verdict, const char *reason,
                   const struct lat_err *err)
{
    asking->fn(asking->arg, verdict, reason, err);
    free(asking->name);
    free(asking);
}

/* The policy gave no answer. */
static void fall_back(struct asking *asking, const struct lat_err *why)
{
    struct lat_api *api = asking->call->api;
    bool accepts = lat_policies_is_shipped(api->with.store, policy_name);
    struct lat_err err;

    lat_metric_add(api->approval->fallbacks, 1);
    lat_log(api->with.log, LAT_LOG_WARN,
            accepts ? "the approval policy gave no answer; the built-in rule accepts"
                    : "the approval policy gave no answer; the machine is told to ask again",
            LAT_STR("request_id", lat_http_request_id(asking->call->req)),
            LAT_STR("node", asking->name), LAT_ERR(why));
    if (accepts) {
        finish(asking, LAT_RULING_ACCEPT, "", NULL);
        return;
    }
    lat_err_set(&err, LAT_E_UNAVAILABLE, "The console's approval policy gave no answer.");
    finish(asking, LAT_RULING_REJECT, "", &err);
}

static void ruled(void *arg, const struct lat_ruling *ruling)
{
    struct asking *asking = arg;
    struct lat_err err;

    if (ruling->fallback.code == LAT_E_CANCELLED) {
        finish(asking, LAT_RULING_REJECT, "", &ruling->fallback);
    } else if (ruling->fallback.code != LAT_OK) {
        fall_back(asking, &ruling->fallback);
    } else if (ruling->verdict == LAT_RULING_REJECT) {
        const char *reason = *ruling->reason ? ruling->reason : "it gives no reason";

        lat_log(asking->call->api->with.log, LAT_LOG_INFO, "a machine was not let in",
                LAT_STR("request_id", lat_http_request_id(asking->call->req)),
                LAT_STR("node", asking->name), LAT_STR("reason", reason));
        lat_err_set(&err, LAT_E_NOT_ADMITTED,
                    "The policy '%s' (revision %lld) rejects the node: %s.", policy_name,
                    (long long)ruling->revision, reason);
        finish(asking, LAT_RULING_REJECT, "", &err);
    } else {
        finish(asking, ruling->verdict, ruling->reason, NULL);
    }
}

void lat__approval_ask(struct lat__call *call, const struct lat__applicant *applicant,
                       const struct lat_join_token *token, lat__approved_fn *fn, void *arg)
{
    struct lat__approval *approval = call->api->approval;
    struct asking *asking = LAT_NEW(struct asking);

    *asking =
        (struct asking){.call = call, .name = lat_text_copy(applicant->name), .fn = fn, .arg = arg};
    set_question(call, applicant, token, approval->record);
    lat_luahost_decide(call->api->with.luahost, LAT_POLICY_APPROVAL, approval->columns,
                       approval->record, ruled, asking);
}

/* ---- a person decides ---- */

/* Finds the node of the path as it is staged; CONFLICT unless it waits. The caller edits the row. */
static int find_pending(struct lat__call *call, struct lat_txn *txn,
                        const struct lat_node **ret_node, struct lat_err *err)
{
    const struct lat_node *found;
    int code = lat__node_find(call, &found, err);

    if (code) {
        return code;
    }
    *ret_node = (const struct lat_node *)lat_txn_get(txn, LAT_TABLE_NODE, found->row.id);
    if (!*ret_node || !lat_text_equal((*ret_node)->status, lat_node_state_name(LAT_NODE_PENDING))) {
        lat_err_set(err, LAT_E_CONFLICT, "Node '%s' does not wait for approval: it is %s.",
                    found->name, *ret_node ? (*ret_node)->status : "gone");
        return lat_err_hint(err, "`lattice node ls` shows those that do.");
    }
    return 0;
}

static void decide(struct lat__call *call, enum lat_node_state status, const char *reason,
                   const char *action)
{
    struct lat_txn *txn = lat__call_begin(call);
    const struct lat_node *found;
    struct lat_node *node;
    const struct lat_row *row;
    struct lat_json_writer writer;
    struct lat_buf answer = {0};
    struct lat_err err;

    if (find_pending(call, txn, &found, &err)) {
        lat_txn_cancel(txn);
        lat__call_fail(call, &err);
        return;
    }
    node = lat_node_edit(found);
    lat_row_set(node->status, lat_node_state_name(status));
    lat_row_set(node->reason, reason);
    row = lat_txn_put(txn, &node->row);
    lat_json_writer_init(&writer, &answer);
    lat_json_object(&writer, NULL);
    lat_row_write(row, &writer);
    lat_json_end(&writer, '}');
    lat__call_commit(call, txn, action, row, 200, &answer);
}

void lat__nodes_approve(struct lat__call *call)
{
    static const char *const known[] = {NULL};
    struct lat_err err;

    if (lat__call_read_body(call, known, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    decide(call, LAT_NODE_JOINING, "it was approved, and has not connected yet", "node.approve");
}

void lat__nodes_reject(struct lat__call *call)
{
    static const char *const known[] = {"reason", NULL};
    const char *why = "";
    char *reason;
    struct lat_err err;

    if (lat__call_read_body(call, known, &err) ||
        lat_json_read_text(call->body, "reason", &why, &err)) {
        lat__call_fail(call, &err);
        return;
    }
    if (strlen(why) > LAT__REASON_MAX || strpbrk(why, "\r\n")) {
        lat_err_field(&err, LAT_E_INVALID_FIELD, "reason",
                      "A reason is one line of at most %d bytes.", LAT__REASON_MAX);
        lat__call_fail(call, &err);
        return;
    }
    reason = lat_text_format("it was rejected by %s%s%s", call->user->name, *why ? ": " : "", why);
    decide(call, LAT_NODE_REVOKED, reason, "node.reject");
    free(reason);
}
