/* How machines become nodes: tokens, joining, joining again, renewing. */
#include "support.h"

/* A machine with a key of its own. */
struct machine {
    char *key, *request;
};

static void machine_make(struct machine *machine)
{
    struct lat_err err;

    assert_int_equal(lat_node_key_make(&machine->key, &err), 0);
    assert_int_equal(lat_node_request_make(machine->key, "any", &machine->request, &err), 0);
}

static void machine_done(struct machine *machine)
{
    free(machine->key);
    free(machine->request);
}

static char *token_of(struct desk *desk, const char *body)
{
    struct reply reply = ask(desk, desk->admin, "POST", "/api/v1/join-tokens", body);
    char *token = lat_text_copy(lat_json_text(reply.json, "token", ""));

    assert_int_equal(reply.status, 201);
    reply_done(&reply);
    return token;
}

static char *body_of(const struct machine *machine, const char *token, const char *name)
{
    cJSON *body = cJSON_CreateObject();
    char *text;

    cJSON_AddStringToObject(body, "token", token);
    cJSON_AddStringToObject(body, "name", name);
    cJSON_AddStringToObject(body, "request", machine->request);
    cJSON_AddStringToObject(cJSON_AddObjectToObject(body, "labels"), "zone", "a");
    text = lat_json_print(body);
    cJSON_Delete(body);
    return text;
}

static struct reply join(struct desk *desk, const struct machine *machine, const char *token,
                         const char *name)
{
    char *body = body_of(machine, token, name);
    struct reply reply = ask(desk, NULL, "POST", "/api/v1/join", body);

    free(body);
    return reply;
}

static void expect_join(struct desk *desk, const struct machine *machine, const char *token,
                        const char *name, int status)
{
    struct reply reply = join(desk, machine, token, name);

    if (reply.status != status) {
        fail_msg("%s: %d %s", name, reply.status, reply.text);
    }
    reply_done(&reply);
}

static void a_machine_joins_and_gets_its_certificate(void **state)
{
    struct desk *desk = *state;
    char *token = token_of(desk, "{\"pool\":\"gpu\"}");
    const struct lat_node *node;
    struct machine machine;
    struct reply reply;

    machine_make(&machine);
    reply = join(desk, &machine, token, "n7");
    assert_int_equal(reply.status, 201);
    assert_true(
        lat_text_starts(lat_json_text(reply.json, "certificate", ""), "-----BEGIN CERTIFICATE"));
    assert_string_equal(lat_json_text(reply.json, "authority", ""),
                        lat_authority_pem(desk->authority));
    node = lat_store_node(desk->console->store, lat_json_text(reply.json, "node_id", ""));
    assert_string_equal(node->name, "n7");
    assert_string_equal(node->status, "joining");
    assert_string_equal(node->pool, "gpu");
    assert_string_equal(node->labels, "{\"zone\":\"a\"}");
    reply_done(&reply);
    machine_done(&machine);
    free(token);
}

static void a_token_admits_as_many_as_it_says_and_lost_answers_do_not_count(void **state)
{
    struct desk *desk = *state;
    char *token = token_of(desk, "{\"uses\":2}");
    struct machine one, two, three;

    machine_make(&one);
    machine_make(&two);
    machine_make(&three);
    expect_join(desk, &one, token, "n2", 201);
    expect_join(desk, &one, token, "n2", 200); /* its answer was lost */
    expect_join(desk, &two, token, "n2", 409); /* the name is taken: does not count either */
    expect_join(desk, &two, token, "n3", 201);
    expect_join(desk, &three, token, "n4", 403);
    expect_join(desk, &two, token, "n3", 200); /* whatever is left of the token */
    machine_done(&one);
    machine_done(&two);
    machine_done(&three);
    free(token);
}

static void machines_that_start_together_join_together(void **state)
{
    enum { MACHINES = 8 };
    struct desk *desk = *state;
    char *token = token_of(desk, "{\"uses\":8}");
    struct machine machines[MACHINES];
    struct going *going[MACHINES];

    for (int i = 0; i < MACHINES; i++) {
        machine_make(&machines[i]);
    }
    for (int i = 0; i < MACHINES; i++) {
        char *name = lat_text_format("m%d", i);
        char *body = body_of(&machines[i], token, name);

        going[i] = go(desk, NULL, "POST", "/api/v1/join", body);
        free(body);
        free(name);
    }
    for (int i = 0; i < MACHINES; i++) {
        going_await_over(going[i]);
        assert_int_equal(going[i]->status, 201);
        going_free(going[i]);
        machine_done(&machines[i]);
    }
    free(token);
}

static void two_machines_do_not_share_the_last_use(void **state)
{
    struct desk *desk = *state;
    char *token = token_of(desk, "{}");
    struct machine one, two;
    char *first, *second;
    struct going *a, *b;

    machine_make(&one);
    machine_make(&two);
    first = body_of(&one, token, "n2");
    second = body_of(&two, token, "n3");
    a = go(desk, NULL, "POST", "/api/v1/join", first);
    b = go(desk, NULL, "POST", "/api/v1/join", second);
    going_await_over(a);
    going_await_over(b);
    assert_int_equal(a->status, 201);
    assert_int_not_equal(b->status, 201);
    assert_int_equal(lat_store_count(desk->console->store, LAT_TABLE_NODE), 2);
    assert_int_equal(desk_logged(desk, "a node joins"), 1);
    going_free(a);
    going_free(b);
    free(first);
    free(second);
    machine_done(&one);
    machine_done(&two);
    free(token);
}

static void a_machine_that_asks_twice_at_once_is_one_node(void **state)
{
    struct desk *desk = *state;
    char *token = token_of(desk, "{}");
    struct machine machine;
    struct going *first, *second;
    char *body;

    machine_make(&machine);
    body = body_of(&machine, token, "n2");
    first = go(desk, NULL, "POST", "/api/v1/join", body);
    second = go(desk, NULL, "POST", "/api/v1/join", body);
    going_await_over(first);
    going_await_over(second);
    assert_int_equal(first->status, 201);
    assert_int_equal(second->status, 200); /* as to one whose answer was lost */
    assert_int_equal(lat_store_count(desk->console->store, LAT_TABLE_NODE), 2);
    assert_int_equal(desk_logged(desk, "a node joins"), 1);
    going_free(first);
    going_free(second);
    free(body);
    machine_done(&machine);
    free(token);
}

static void a_token_can_be_bound_and_ends(void **state)
{
    struct desk *desk = *state;
    char *bound = token_of(desk, "{\"node\":\"n5\"}");
    char *brief = token_of(desk, "{\"life\":\"1s\"}");
    struct machine machine, other;

    machine_make(&machine);
    machine_make(&other);
    expect_join(desk, &machine, bound, "n6", 403);
    expect_join(desk, &machine, bound, "n5", 201);
    run_for(desk->console->loop, 1100);
    expect_join(desk, &other, brief, "n6", 403);
    expect_join(desk, &machine, brief, "n5", 200); /* it is a node: its key is enough */
    machine_done(&machine);
    machine_done(&other);
    free(bound);
    free(brief);
}

static void a_removed_token_admits_nobody(void **state)
{
    struct desk *desk = *state;
    struct reply made = ask(desk, desk->admin, "POST", "/api/v1/join-tokens", "{}");
    char *path = lat_text_format("/api/v1/join-tokens/%s", lat_json_text(made.json, "id", ""));
    struct machine machine;
    struct reply list = ask(desk, desk->admin, "GET", "/api/v1/join-tokens", NULL);

    assert_int_equal(cJSON_GetArraySize(lat_json_get(list.json, "items")), 1);
    assert_null(strstr(list.text, lat_json_text(made.json, "token", "?")));
    reply_done(&list);
    machine_make(&machine);
    expect(desk, desk->admin, "DELETE", path, NULL, 204);
    expect_code(desk, desk->admin, "DELETE", path, NULL, LAT_E_NOT_FOUND);
    expect_join(desk, &machine, lat_json_text(made.json, "token", ""), "n2", 403);
    machine_done(&machine);
    reply_done(&made);
    free(path);
}

static void what_cannot_be_joined_with_is_refused(void **state)
{
    static const char *const bodies[] = {
        "{}",
        "{\"token\":\"latj1.x.y\"}",
        "{\"token\":7}",
        "{\"token\":\"nothing\",\"name\":\"n2\",\"request\":\"x\"}",
    };
    struct desk *desk = *state;
    char *token = token_of(desk, "{\"uses\":5}");
    struct machine machine;
    char *body;

    for (size_t i = 0; i < LAT_COUNT(bodies); i++) {
        struct reply reply = ask(desk, NULL, "POST", "/api/v1/join", bodies[i]);

        assert_true(reply.status >= 400 && reply.status < 500);
        reply_done(&reply);
    }
    machine_make(&machine);
    expect_join(desk, &machine, token, "Not A Name", 422);
    expect_join(desk, &machine, token, "", 422);
    body = lat_text_format(
        "{\"token\":\"%s\",\"name\":\"n2\",\"request\":\"-----BEGIN CERTIFICATE REQUEST-----\"}",
        token);
    expect(desk, NULL, "POST", "/api/v1/join", body, 400);
    free(body);
    body = lat_text_format("{\"token\":\"%s\",\"name\":\"n2\",\"request\":\"%09000d\"}", token, 0);
    expect_code(desk, NULL, "POST", "/api/v1/join", body, LAT_E_TOO_LARGE);
    free(body);
    body = lat_text_format(
        "{\"token\":\"%s\",\"name\":\"n2\",\"request\":\"x\",\"labels\":{\"a\":7}}", token);
    expect_code(desk, NULL, "POST", "/api/v1/join", body, LAT_E_INVALID_FIELD);
    free(body);
    assert_int_equal(lat_store_count(desk->console->store, LAT_TABLE_NODE), 1);
    machine_done(&machine);
    free(token);
}

static void a_certificate_is_renewed_by_its_key_and_not_for_the_revoked(void **state)
{
    struct desk *desk = *state;
    char *token = token_of(desk, "{}");
    struct machine machine, stranger;
    struct lat_node *node;
    struct lat_txn *txn;
    char *body, *foreign;

    machine_make(&machine);
    machine_make(&stranger);
    body = body_of(&machine, "", "");
    foreign = body_of(&stranger, "", "");
    expect_code(desk, NULL, "POST", "/api/v1/join/renew", body, LAT_E_FORBIDDEN);
    expect_join(desk, &machine, token, "n2", 201);
    expect(desk, NULL, "POST", "/api/v1/join/renew", body, 200);
    expect_code(desk, NULL, "POST", "/api/v1/join/renew", foreign, LAT_E_FORBIDDEN);
    txn = lat_txn_begin(desk->console->store, "");
    node = lat_node_edit((const struct lat_node *)lat_txn_find(txn, LAT_INDEX_NODE_NAME, "n2"));
    lat_row_set(node->status, "revoked");
    lat_txn_put(txn, &node->row);
    commit_now(desk->console->bed, txn);
    expect_code(desk, NULL, "POST", "/api/v1/join/renew", body, LAT_E_FORBIDDEN);
    expect_join(desk, &machine, token, "n2", 403);
    free(body);
    free(foreign);
    machine_done(&machine);
    machine_done(&stranger);
    free(token);
}

static void renewals_for_anybody_have_a_rate(void **state)
{
    struct desk *desk = *state;
    int refused = 0;

    for (int i = 0; i < 20 * LAT_API_JOINS_SOURCE && !refused; i++) {
        struct reply reply = ask(desk, NULL, "POST", "/api/v1/join/renew", "{\"request\":\"x\"}");

        refused = reply.status == 429;
        assert_true(refused || reply.status == 400);
        assert_true(!refused || i >= LAT_API_JOINS_SOURCE);
        reply_done(&reply);
    }
    assert_true(refused);
}

/* ---- the approval policy ---- */

static void approve_by(struct desk *desk, const char *text)
{
    char *body = lat_text_format("{\"source\":\"%s\"}", text);

    desk_rule(desk);
    expect(desk, desk->admin, "PUT", "/api/v1/policies/approval", body, 200);
    free(body);
}

static const struct lat_node *node_named(struct desk *desk, const char *name)
{
    return (const struct lat_node *)lat_store_find(desk->console->store, LAT_INDEX_NODE_NAME, name);
}

/* Joins, and expects that code with that in its sentence. */
static void expect_refusal(struct desk *desk, const struct machine *machine, const char *token,
                           const char *name, int code, const char *part)
{
    struct reply reply = join(desk, machine, token, name);

    if (reply.status != lat_error_row(code)->http_status ||
        !lat_text_equal(lat_json_text(reply.json, "code", ""), lat_error_row(code)->name) ||
        !strstr(lat_json_text(reply.json, "detail", ""), part)) {
        fail_msg("%d %s, not %s with '%s'", reply.status, reply.text, lat_error_row(code)->name,
                 part);
    }
    reply_done(&reply);
}

static bool is_compiled(struct desk *desk)
{
    int64_t revision;

    return lat_luahost_program(desk->luahost, "approval", &revision) != NULL;
}

static void what_the_policy_rejects_is_told_why_and_costs_no_use(void **state)
{
    struct desk *desk = *state;
    char *token = token_of(desk, "{\"pool\":\"gpu\"}");
    struct machine machine;

    approve_by(
        desk,
        "function approve(n, t) if n.name == 'good' then return 'accept' end return 'reject', "
        "table.concat({n.name, n.labels.zone or '-', n.address, t.pool, t.node, t.created_by, t.uses_left}, ' ') end");
    assert_true(is_compiled(desk));
    machine_make(&machine);
    expect_refusal(desk, &machine, token, "bad", LAT_E_NOT_ADMITTED,
                   "'approval' (revision 2) rejects the node: bad a memory gpu  root 1.");
    assert_null(node_named(desk, "bad"));
    expect_join(desk, &machine, token, "good", 201);
    machine_done(&machine);
    free(token);
}

static void who_is_left_to_a_person_waits_until_approved(void **state)
{
    struct desk *desk = *state;
    char *token = token_of(desk, "{}");
    struct machine machine, other;
    char *body;

    approve_by(desk, "function approve() return 'ask', 'all nodes are looked at' end");
    machine_make(&machine);
    machine_make(&other);
    for (int i = 0; i < 3; i++) {
        expect_refusal(desk, &machine, token, "n7", LAT_E_NOT_APPROVED,
                       "'n7' waits for an administrator: all nodes are looked at.");
    }
    assert_string_equal(node_named(desk, "n7")->status, "pending");
    body = body_of(&machine, "", "");
    expect_code(desk, NULL, "POST", "/api/v1/join/renew", body, LAT_E_NOT_APPROVED);
    free(body);
    expect_join(desk, &other, token, "n8", 403); /* its use is taken */
    expect_code(desk, desk->alice, "POST", "/api/v1/nodes/n7/approve", NULL, LAT_E_FORBIDDEN);
    expect_code(desk, desk->admin, "POST", "/api/v1/nodes/n1/approve", NULL, LAT_E_CONFLICT);
    expect_code(desk, desk->admin, "POST", "/api/v1/nodes/n9/approve", NULL, LAT_E_NOT_FOUND);
    expect(desk, desk->admin, "POST", "/api/v1/nodes/n7/approve", NULL, 200);
    expect_code(desk, desk->admin, "POST", "/api/v1/nodes/n7/approve", NULL, LAT_E_CONFLICT);
    assert_string_equal(node_named(desk, "n7")->status, "joining");
    expect_join(desk, &machine, "latj1.gone.gone", "n7", 200); /* whatever became of the token */
    machine_done(&machine);
    machine_done(&other);
    free(token);
}

static void who_is_rejected_by_a_person_is_told_so(void **state)
{
    struct desk *desk = *state;
    char *token = token_of(desk, "{}");
    struct machine machine;

    approve_by(desk, "function approve() return 'ask' end");
    machine_make(&machine);
    expect_refusal(desk, &machine, token, "n7", LAT_E_NOT_APPROVED, "leaves it to a person");
    expect_code(desk, desk->admin, "POST", "/api/v1/nodes/n7/reject", "{\"reason\":\"a\\nb\"}",
                LAT_E_INVALID_FIELD);
    expect_code(desk, desk->admin, "POST", "/api/v1/nodes/n7/reject", "{\"why\":\"\"}",
                LAT_E_INVALID_FIELD);
    expect(desk, desk->admin, "POST", "/api/v1/nodes/n7/reject", "{\"reason\":\"not one of ours\"}",
           200);
    expect_refusal(desk, &machine, token, "n7", LAT_E_FORBIDDEN,
                   "'n7' was shut out: it was rejected by root: not one of ours.");
    expect_code(desk, desk->admin, "POST", "/api/v1/nodes/n7/approve", NULL, LAT_E_CONFLICT);
    machine_done(&machine);
    free(token);
}

/* What is not compiled is asked of its process: the answers are the same, and come later. */
static void a_policy_that_is_not_compiled_rules_as_well(void **state)
{
    struct desk *desk = *state;
    char *token = token_of(desk, "{\"uses\":2,\"pool\":\"gpu\"}");
    struct machine machines[3];

    approve_by(
        desk,
        "function approve(n, t) if pcall(error) then return 'accept' end "
        "if n.name == 'n1x' then return 'ask', t.pool .. ' ' .. t.uses_left end "
        "return n.labels.zone == 'a' and n.name == 'n2x' and 'accept' or 'reject', "
        "table.concat({n.name, n.labels.zone or '-', n.address, t.pool, t.node, t.created_by, "
        "t.uses_left}, ' ') end");
    assert_false(is_compiled(desk));
    for (size_t i = 0; i < LAT_COUNT(machines); i++) {
        machine_make(&machines[i]);
    }
    expect_refusal(desk, &machines[0], token, "n1x", LAT_E_NOT_APPROVED,
                   "'n1x' waits for an administrator: gpu 2.");
    expect_refusal(desk, &machines[2], token, "n3x", LAT_E_NOT_ADMITTED,
                   "rejects the node: n3x a memory gpu  root 1.");
    expect_join(desk, &machines[1], token, "n2x", 201);
    assert_string_equal(node_named(desk, "n1x")->status, "pending");
    assert_string_equal(node_named(desk, "n2x")->status, "joining");
    for (size_t i = 0; i < LAT_COUNT(machines); i++) {
        machine_done(&machines[i]);
    }
    free(token);
}

/* Machines with any labels at all, asked about by a policy that is compiled: those of one are not another's. */
static void labels_are_of_the_machine_that_asks(void **state)
{
    struct desk *desk = *state;
    char *token = token_of(desk, "{\"uses\":9}");
    struct machine machine;
    struct reply reply;
    char *body;

    approve_by(desk, "function approve(n) return 'reject', (n.labels.zone or 'none') .. "
                     "(n.labels['\u00e4'] or '') end");
    assert_true(is_compiled(desk));
    machine_make(&machine);
    expect_refusal(desk, &machine, token, "n7", LAT_E_NOT_ADMITTED, "the node: a.");
    cJSON *json = cJSON_CreateObject();

    cJSON_AddStringToObject(json, "token", token);
    cJSON_AddStringToObject(json, "name", "n7");
    cJSON_AddStringToObject(json, "request", machine.request);
    cJSON_AddStringToObject(cJSON_AddObjectToObject(json, "labels"), "\u00e4", "\033[2J\r\n<b>");
    body = lat_json_print(json);
    reply = ask(desk, NULL, "POST", "/api/v1/join", body);
    assert_string_equal(lat_json_text(reply.json, "detail", ""),
                        "The policy 'approval' (revision 2) rejects the node: none [2J  <b>.");
    reply_done(&reply);
    free(body);
    cJSON_DeleteItemFromObject(json, "labels");
    body = lat_json_print(json);
    reply = ask(desk, NULL, "POST", "/api/v1/join", body);
    assert_non_null(strstr(reply.text, "the node: none."));
    reply_done(&reply);
    free(body);
    cJSON_Delete(json);
    machine_done(&machine);
    free(token);
}

static void nobody_gets_in_because_an_operators_policy_failed(void **state)
{
    struct desk *desk = *state;
    char *token = token_of(desk, "{}");
    struct machine machine;

    approve_by(desk,
               "function approve(n) if n.name == 'n7' then error('no') end return 'accept' end");
    assert_true(is_compiled(desk));
    machine_make(&machine);
    expect_refusal(desk, &machine, token, "n7", LAT_E_UNAVAILABLE, "gave no answer");
    assert_null(node_named(desk, "n7"));
    assert_int_equal(lat_metric_value(lat_metrics_counter(
                         desk->console->bed->metrics, "lattice_approval_fallbacks_total", "", "")),
                     1);
    expect(desk, desk->admin, "POST", "/api/v1/policies/approval/rollback", NULL, 200);
    expect_join(desk, &machine, token, "n7", 201);
    machine_done(&machine);
    free(token);
}

static int run(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, desk_open, desk_close)
    const struct CMUnitTest tests[] = {
        TEST(a_machine_joins_and_gets_its_certificate),
        TEST(a_token_admits_as_many_as_it_says_and_lost_answers_do_not_count),
        TEST(machines_that_start_together_join_together),
        TEST(two_machines_do_not_share_the_last_use),
        TEST(a_machine_that_asks_twice_at_once_is_one_node),
        TEST(a_token_can_be_bound_and_ends),
        TEST(a_removed_token_admits_nobody),
        TEST(what_cannot_be_joined_with_is_refused),
        TEST(a_certificate_is_renewed_by_its_key_and_not_for_the_revoked),
        TEST(renewals_for_anybody_have_a_rate),
        TEST(what_the_policy_rejects_is_told_why_and_costs_no_use),
        TEST(who_is_left_to_a_person_waits_until_approved),
        TEST(who_is_rejected_by_a_person_is_told_so),
        TEST(a_policy_that_is_not_compiled_rules_as_well),
        TEST(labels_are_of_the_machine_that_asks),
        TEST(nobody_gets_in_because_an_operators_policy_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return desk_main(argc, argv, run);
}
