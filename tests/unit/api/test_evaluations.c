/* Decisions as the API shows them, to whom; and dry runs, which leave nothing. */
#include "support.h"

#include <stdio.h>
#include <string.h>

static const struct lat_workload *row_of(struct desk *desk, const char *id)
{
    return lat_store_workload(desk->console->store, id);
}

/* Writes that a decision was made about a workload that wants so many processors. */
static void decide(struct desk *desk, const char *workload, int64_t cpu_milli,
                   char ret_id[LAT_ID_SIZE])
{
    struct lat_txn *txn = lat_txn_begin(desk->console->store, "");
    struct lat_workload *wanted = lat_workload_edit(row_of(desk, workload));
    struct lat_evaluation *evaluation = lat_evaluation_new();

    wanted->cpu_milli = cpu_milli;
    lat_row_set(evaluation->workload_id, workload);
    lat_row_take(evaluation->receipt, make_receipt(desk, wanted));
    lat_row_set(evaluation->status, cpu_milli > 0 ? "blocked" : "done");
    lat_row_set(evaluation->policy, "placement 1");
    evaluation->created_at = lat_clock_wall_ms(lat_clock_system());
    lat_text_bound(ret_id, LAT_ID_SIZE, lat_txn_put(txn, &evaluation->row)->id);
    commit_now(desk->console->bed, txn);
    lat_row_unref(&wanted->row);
}

static struct reply look(struct desk *desk, const char *token, const char *id, const char *query)
{
    char *target = lat_text_format("/api/v1/evaluations/%s%s", id, query);
    struct reply reply = ask(desk, token, "GET", target, NULL);

    free(target);
    return reply;
}

static void a_decision_is_read_by_its_project_with_nodes_in_parts(void **state)
{
    struct desk *desk = *state;
    char id[LAT_ID_SIZE], evaluation[LAT_ID_SIZE];
    struct reply reply;
    const cJSON *receipt;

    set_node_status(desk->console, "ready");
    deploy(desk, desk->alice, "web", id);
    decide(desk, id, 900000, evaluation);
    reply = look(desk, desk->alice, evaluation, "");
    assert_int_equal(reply.status, 200);
    receipt = lat_json_get(reply.json, "receipt");
    assert_int_equal(lat_json_int(lat_json_get(receipt, "counts"), "refused", 0), 1);
    assert_non_null(strstr(lat_json_text(receipt, "fix", ""), "n1 lacks "));
    assert_string_equal(
        lat_json_text(cJSON_GetArrayItem(lat_json_get(receipt, "nodes"), 0), "name", ""), "n1");
    assert_string_equal(lat_json_text(lat_json_get(reply.json, "decided_by"), "policy", ""),
                        "placement");
    reply_done(&reply);
    reply = look(desk, desk->alice, evaluation, "?cursor=1");
    receipt = lat_json_get(reply.json, "receipt");
    assert_int_equal(cJSON_GetArraySize(lat_json_get(receipt, "nodes")), 0);
    reply_done(&reply);
    reply = look(desk, desk->alice, evaluation, "?cursor=x");
    assert_int_equal(reply.status, 422);
    reply_done(&reply);
    reply = look(desk, desk->bob, evaluation, "");
    assert_int_equal(reply.status, 404);
    reply_done(&reply);
    reply = look(desk, desk->admin, evaluation, "");
    assert_int_equal(reply.status, 200);
    reply_done(&reply);
}

static void a_node_tells_what_was_decided_about_it(void **state)
{
    struct desk *desk = *state;
    char web[LAT_ID_SIZE], db[LAT_ID_SIZE], id[LAT_ID_SIZE];
    struct reply reply;
    const cJSON *item;
    char *target;

    set_node_status(desk->console, "ready");
    deploy(desk, desk->alice, "web", web);
    deploy(desk, desk->bob, "db", db);
    decide(desk, web, 0, id);
    decide(desk, db, 900000, id);
    reply = ask(desk, desk->alice, "GET", "/api/v1/nodes/n1/decisions", NULL);
    assert_int_equal(reply.status, 200);
    assert_int_equal(lat_json_int(reply.json, "looked_at", 0), 2);
    assert_int_equal(lat_json_int(reply.json, "taken", 0), 1);
    assert_int_equal(lat_json_int(reply.json, "refused", 0), 1);
    item = cJSON_GetArrayItem(lat_json_get(reply.json, "rules"), 0);
    assert_string_equal(lat_json_text(item, "rule", ""), "cpu");
    item = cJSON_GetArrayItem(lat_json_get(reply.json, "items"), 0); /* the newest */
    assert_string_equal(lat_json_text(item, "verdict", ""), "refused");
    assert_null(strstr(reply.text, "\"db\"")); /* another's: neither its name nor what it wants */
    assert_null(strstr(reply.text, "900"));
    item = cJSON_GetArrayItem(lat_json_get(reply.json, "items"), 1);
    assert_string_equal(lat_json_text(item, "workload", ""), "web");
    reply_done(&reply);
    reply = ask(desk, desk->admin, "GET", "/api/v1/nodes/n1/decisions?limit=1", NULL);
    assert_int_equal(cJSON_GetArraySize(lat_json_get(reply.json, "items")), 1);
    item = cJSON_GetArrayItem(lat_json_get(reply.json, "items"), 0);
    assert_string_equal(lat_json_text(item, "workload", ""), "db");
    assert_int_equal(lat_json_int(item, "need", 0), 900000);
    /* The older ones follow, each once. */
    target = lat_text_format("/api/v1/nodes/n1/decisions?limit=1&cursor=%s",
                             lat_json_text(reply.json, "next", ""));
    reply_done(&reply);
    reply = ask(desk, desk->admin, "GET", target, NULL);
    assert_int_equal(lat_json_int(reply.json, "read", 0), 1);
    item = cJSON_GetArrayItem(lat_json_get(reply.json, "items"), 0);
    assert_string_equal(lat_json_text(item, "workload", ""), "web");
    assert_true(cJSON_IsNull(lat_json_get(reply.json, "next")));
    reply_done(&reply);
    free(target);
    expect_code(desk, desk->alice, "GET", "/api/v1/nodes/n1/decisions?cursor=x", NULL,
                LAT_E_INVALID_FIELD);
    expect_code(desk, desk->alice, "GET", "/api/v1/nodes/n9/decisions", NULL, LAT_E_NOT_FOUND);
}

static size_t rows_in(struct desk *desk, int table)
{
    void *cursor = NULL;
    size_t count = 0;

    while (lat_store_next(desk->console->store, table, &cursor)) {
        count++;
    }
    return count;
}

#define WEB "{\"type\":\"custom\",\"name\":\"web\",\"count\":2,\"params\":{\"image\":\"nginx:1\"}}"

static void a_dry_run_leaves_nothing_behind(void **state)
{
    struct desk *desk = *state;
    size_t workloads = rows_in(desk, LAT_TABLE_WORKLOAD);
    struct reply reply;
    const cJSON *node;

    set_node_status(desk->console, "ready");
    desk->trial_room = 1;
    reply = ask_with_key(desk, desk->alice, "POST", "/api/v1/workloads?dry_run=true", WEB, "key");
    assert_int_equal(reply.status, 200);
    assert_true(lat_json_bool(reply.json, "dry_run", false));
    assert_false(lat_json_bool(reply.json, "would_place", true));
    assert_int_equal(lat_json_int(reply.json, "placed", 0), 1);
    node = cJSON_GetArrayItem(lat_json_get(reply.json, "nodes"), 0);
    assert_string_equal(lat_json_text(node, "name", ""), "n1");
    assert_non_null(lat_json_get(lat_json_get(reply.json, "receipt"), "counts"));
    reply_done(&reply);
    assert_int_equal(rows_in(desk, LAT_TABLE_WORKLOAD), workloads);
    assert_int_equal(rows_in(desk, LAT_TABLE_ENDPOINT), 0);
    assert_int_equal(rows_in(desk, LAT_TABLE_IDEMPOTENCY), 0);
    desk->trial_room = 2;
    reply = ask(desk, desk->alice, "POST", "/api/v1/workloads?dry_run=true", WEB);
    assert_true(lat_json_bool(reply.json, "would_place", false));
    reply_done(&reply);
    /* The key is good for the deploy itself. */
    reply = ask_with_key(desk, desk->alice, "POST", "/api/v1/workloads", WEB, "key");
    assert_int_equal(reply.status, 201);
    reply_done(&reply);
}

/* Asks for a dry run of it; the workload's row is the same one afterwards. */
static struct reply try_change(struct desk *desk, const char *id, const char *method,
                               const char *path, const char *body)
{
    const struct lat_workload *before = lat_store_workload(desk->console->store, id);
    struct reply reply = ask_with_key(desk, desk->alice, method, path, body, "change");

    assert_int_equal(reply.status, 200);
    assert_true(lat_json_bool(reply.json, "dry_run", false));
    assert_ptr_equal(before, lat_store_workload(desk->console->store, id));
    assert_int_equal(rows_in(desk, LAT_TABLE_IDEMPOTENCY), 0);
    return reply;
}

static void a_dry_run_of_a_change_changes_nothing(void **state)
{
    struct desk *desk = *state;
    char id[LAT_ID_SIZE], instance[LAT_ID_SIZE];
    struct reply reply;

    set_node_status(desk->console, "ready");
    deploy(desk, desk->alice, "web", id);
    place(desk, id, instance);
    desk->trial_room = 1;
    reply = try_change(desk, id, "PATCH", "/api/v1/workloads/web?dry_run=true",
                       "{\"count\":3,\"params\":{\"image\":\"nginx:2\"}}");
    assert_int_equal(lat_json_int(reply.json, "count", 0), 3);
    assert_int_equal(lat_json_int(reply.json, "replaced", 0), 1);
    assert_int_equal(lat_json_int(reply.json, "removed", 9), 0);
    assert_false(lat_json_bool(reply.json, "would_place", true));
    reply_done(&reply);
    reply = try_change(desk, id, "PATCH", "/api/v1/workloads/web?dry_run=true",
                       "{\"labels\":{\"tier\":\"front\"}}");
    assert_int_equal(lat_json_int(reply.json, "replaced", 9), 0);
    reply_done(&reply);
    expect_code(desk, desk->alice, "PATCH", "/api/v1/workloads/web?dry_run=true",
                "{\"name\":\"other\"}", LAT_E_INVALID_FIELD);
    expect_code(desk, desk->alice, "PATCH", "/api/v1/workloads/web?dry_run=perhaps",
                "{\"count\":3}", LAT_E_INVALID_FIELD);
}

static void a_dry_run_of_a_scaling_changes_nothing(void **state)
{
    struct desk *desk = *state;
    char id[LAT_ID_SIZE], instance[LAT_ID_SIZE];
    struct reply reply;

    set_node_status(desk->console, "ready");
    deploy(desk, desk->alice, "web", id);
    place(desk, id, instance);
    desk->trial_room = 9;
    reply =
        try_change(desk, id, "POST", "/api/v1/workloads/web/scale?dry_run=true", "{\"count\":7}");
    assert_int_equal(lat_json_int(reply.json, "count", 0), 7);
    assert_int_equal(lat_json_int(reply.json, "replaced", 9), 0);
    assert_true(lat_json_bool(reply.json, "would_place", false));
    reply_done(&reply);
    expect_code(desk, desk->alice, "POST", "/api/v1/workloads/web/scale?dry_run=true",
                "{\"count\":0}", LAT_E_INVALID_FIELD);
    expect_code(desk, desk->bob, "POST", "/api/v1/workloads/web/scale?dry_run=true",
                "{\"count\":2}", LAT_E_NOT_FOUND);
}

static void a_dry_run_is_checked_as_a_deploy_is(void **state)
{
    struct desk *desk = *state;
    char id[LAT_ID_SIZE];

    deploy(desk, desk->alice, "web", id);
    expect_code(desk, desk->alice, "POST", "/api/v1/workloads?dry_run=true", WEB, LAT_E_NAME_TAKEN);
    expect_code(desk, desk->alice, "POST", "/api/v1/workloads?dry_run=perhaps", WEB,
                LAT_E_INVALID_FIELD);
    expect(desk, desk->alice, "POST", "/api/v1/workloads?dry_run", "{\"type\":\"custom\"}", 422);
    expect_code(desk, desk->bob, "POST", "/api/v1/workloads?dry_run=true",
                "{\"type\":\"nothing\",\"name\":\"web\"}", LAT_E_UNKNOWN_TYPE);
}

static int run(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, desk_open, desk_close)
    const struct CMUnitTest tests[] = {
        TEST(a_decision_is_read_by_its_project_with_nodes_in_parts),
        TEST(a_node_tells_what_was_decided_about_it),
        TEST(a_dry_run_leaves_nothing_behind),
        TEST(a_dry_run_of_a_change_changes_nothing),
        TEST(a_dry_run_of_a_scaling_changes_nothing),
        TEST(a_dry_run_is_checked_as_a_deploy_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return desk_main(argc, argv, run);
}
