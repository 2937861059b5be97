/* Placement by a policy that is not compiled: it is asked about rows in a Lua process, while the console goes on.
 *
 * The process is this program itself. What the policies do to be left uncompiled is a loop that depends on the node. */
#include "support.h"
#include "tests/unit/waiting.h"

#include "lua/host/host.h"
#include "luahost/protocol.h"
#include "sched/plan.h"
#include "sched/receipt.h"

#include <stdio.h>

#ifdef __SANITIZE_ADDRESS__
enum { SLOWER = 10 };
#else
enum { SLOWER = 1 };
#endif

enum { LONG_MS = 30000 };

/* The root of an integer: no compiler unrolls that. */
#define ROOT                                                                                       \
    "local function root(n)\n"                                                                     \
    "  local r = 0\n"                                                                              \
    "  while (r + 1) * (r + 1) <= n do r = r + 1 end\n"                                            \
    "  return r\n"                                                                                 \
    "end\n"

/* As the shipped one: room, and instances apart. */
static const char spreads[] = ROOT
    "function filter(node, workload)\n"
    "  if node.free_cpu < workload.cpu then return false, 'no processors free on ' .. node.name end\n"
    "  return true\n"
    "end\n"
    "function score(node)\n"
    "  return 100 * node.free_cpu / node.cpu - 1000 * node.workload_instances - root(node.rank)\n"
    "end\n";

static int asked_open(void **state)
{
    cloud_open(state);
    lat_luahost_set_deadline(((struct cloud *)*state)->luahost, LONG_MS);
    load_policy(*state, 7, spreads);
    return 0;
}

static const char *node_name(struct cloud *cloud, const char *workload, int64_t ordinal)
{
    const struct lat_allocation *allocation = allocation_of(cloud, workload, ordinal);

    assert_non_null(allocation);
    return lat_store_node(cloud->bed->store, allocation->node_id)->name;
}

static int64_t fallbacks_of(struct cloud *cloud)
{
    return lat_metric_value(
        lat_metrics_counter(cloud->bed->metrics, "lattice_placement_fallbacks_total", "", ""));
}

static void read_receipt(struct cloud *cloud, const char *workload, struct lat_receipt *ret_receipt)
{
    assert_int_equal(lat_receipt_read(evaluation_of(cloud, workload)->receipt, ret_receipt, NULL),
                     0);
}

/* ---- what it decides ---- */

static void all_instances_are_placed_at_once_each_where_it_is_best_then(void **state)
{
    struct cloud *cloud = *state;
    char id[LAT_ID_SIZE];

    add_nodes(cloud, 3);
    deploy(cloud, "web", 6, 1000, id); /* two on each node fit */
    await_allocations(cloud, id, 6);
    assert_int_equal(count_of(cloud, LAT_INDEX_EVALUATION_WORKLOAD, id), 1);
    assert_string_equal(evaluation_of(cloud, id)->policy, "placement 7");
    for (int64_t i = 0; i < 3; i++) { /* each node first has one */
        assert_string_equal(node_name(cloud, id, i), node_name(cloud, id, i + 3));
        assert_string_not_equal(node_name(cloud, id, i), node_name(cloud, id, (i + 1) % 3));
    }
    assert_int_equal(fallbacks_of(cloud), 0);
}

static void more_than_one_plan_asks_for_is_placed_by_the_next_ones(void **state)
{
    struct cloud *cloud = *state;
    char id[LAT_ID_SIZE];

    add_nodes(cloud, 2);
    deploy(cloud, "web", LAT_PLAN_ASKED_MAX + 3, 0, id);
    await_allocations(cloud, id, LAT_PLAN_ASKED_MAX + 3);
    assert_int_equal(count_of(cloud, LAT_INDEX_EVALUATION_WORKLOAD, id), 2);
}

static void a_refusal_is_told_with_the_reason_that_the_policy_gave(void **state)
{
    struct cloud *cloud = *state;
    const struct lat_receipt_record *record;
    struct lat_receipt receipt;
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];

    load_policy(cloud, 8,
                ROOT
                "function filter(node)\n"
                "  if root(node.rank) >= 0 then return false, node.name .. ' is too good' end\n"
                "  return true\n"
                "end\n");
    add_node(cloud, "n1", node);
    deploy(cloud, "db", 1, 0, id);
    await_reason(cloud, id, "n1: n1 is too good");
    read_receipt(cloud, id, &receipt);
    assert_int_equal(receipt.node_count, 1);
    record = &receipt.records[receipt.nodes[0].record];
    assert_int_equal(record->kind, LAT_RECEIPT_POLICY);
    assert_string_equal(record->reason, "n1 is too good");
    assert_false(record->has_margin);
    lat_receipt_done(&receipt);
    assert_string_equal(evaluation_of(cloud, id)->policy, "placement 8");
}

/* What a trial says. */
struct told {
    bool is_over;
    size_t placed;
    char policy[64];
};

static void note(void *arg, const struct lat_trial *trial, const struct lat_err *err)
{
    struct told *told = arg;

    assert_null(err);
    told->placed = trial->placed;
    lat_text_bound(told->policy, sizeof(told->policy), trial->policy);
    told->is_over = true;
}

static void a_trial_is_decided_as_a_deploy_is(void **state)
{
    struct cloud *cloud = *state;
    struct lat_workload *workload = lat_workload_new();
    struct told told = {.is_over = false};
    char id[LAT_ID_SIZE];

    add_nodes(cloud, 2);
    lat_text_bound(workload->row.id, LAT_ID_SIZE, "trial");
    lat_row_set(workload->project_id, cloud->project);
    lat_row_set(workload->desired, "running");
    workload->count = 5;
    workload->cpu_milli = 1000;
    lat_orch_try(cloud->orch, workload, note, &told);
    run_until(cloud->bed, &told.is_over);
    assert_int_equal(told.placed, 4);
    deploy(cloud, "web", 4, 1000, id); /* nothing of it is reserved */
    await_allocations(cloud, id, 4);
}

static void a_workload_is_placed_behind_its_own_commit(void **state)
{
    struct cloud *cloud = *state;
    struct answer answer = {0};
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];
    int commits;

    add_node(cloud, "n1", node);
    commits = cloud->bed->script->commits;
    stage_slowly(cloud, &answer, id);
    assert_int_equal(wait_for(cloud->bed, &answer), 0);
    await_allocations(cloud, id, 1);
    assert_int_equal(cloud->bed->script->commits, commits + 2); /* no other one between these two */
}

static void a_compiled_policy_and_its_workload_are_one_commit(void **state)
{
    struct cloud *cloud = *state;
    struct answer answer = {0};
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];
    int commits;

    load_policy(cloud, 8, "function score(node) return node.free_cpu end");
    add_node(cloud, "n1", node);
    commits = cloud->bed->script->commits;
    stage_slowly(cloud, &answer, id);
    assert_int_equal(wait_for(cloud->bed, &answer), 0);
    await_allocations(cloud, id, 1);
    assert_int_equal(cloud->bed->script->commits, commits + 1);
    assert_string_equal(evaluation_of(cloud, id)->policy, "placement 8");
}

/* ---- when it does not ---- */

static void a_policy_that_is_late_is_stood_in_for_and_the_receipt_says_so(void **state)
{
    struct cloud *cloud = *state;
    struct lat_receipt receipt;
    char id[LAT_ID_SIZE];

    load_policy(cloud, 8,
                ROOT "function score(node)\n"
                     "  local r = root(node.rank)\n"
                     "  while node.name == 'node-00001' do end\n"
                     "  return r\n"
                     "end\n");
    lat_luahost_set_deadline(cloud->luahost, 100);
    add_nodes(cloud, 3);
    deploy(cloud, "web", 3, 1500, id);
    await_allocations(cloud, id, 3);
    assert_int_equal(count_of(cloud, LAT_INDEX_EVALUATION_WORKLOAD, id), 1); /* all at once */
    assert_string_equal(evaluation_of(cloud, id)->policy, "built-in");
    assert_int_equal(fallbacks_of(cloud), 1);
    read_receipt(cloud, id, &receipt);
    assert_non_null(strstr(receipt.fallback, "did not answer within"));
    lat_receipt_done(&receipt);
}

static void what_was_placed_before_it_fails_stands_and_the_rest_is_stood_in_for(void **state)
{
    struct cloud *cloud = *state;
    char id[LAT_ID_SIZE];

    load_policy(cloud, 8,
                ROOT "function score(node)\n"
                     "  if node.workload_instances > 0 then error('what now?') end\n"
                     "  return root(node.rank)\n"
                     "end\n");
    add_nodes(cloud, 2);
    deploy(cloud, "web", 4, 100, id);
    await_allocations(cloud, id, 4);
    assert_int_equal(count_of(cloud, LAT_INDEX_EVALUATION_WORKLOAD, id), 2);
    assert_string_equal(evaluation_of(cloud, id)->policy, "built-in");
    assert_int_equal(fallbacks_of(cloud), 1);
}

static void a_policy_that_comes_into_force_meanwhile_decides_about_the_rest(void **state)
{
    struct cloud *cloud = *state;
    const struct lat_row *row;
    void *cursor = NULL;
    char id[LAT_ID_SIZE];
    int by[2] = {0};

    load_policy(cloud, 7, /* slow enough to be replaced */
                ROOT "function score(node) return root(250000 + node.rank) - node.allocations end");
    add_nodes(cloud, 1);
    deploy(cloud, "web", LAT_PLAN_ASKED_MAX, 0, id);
    load_policy(cloud, 8, spreads);
    await_allocations(cloud, id, LAT_PLAN_ASKED_MAX);
    while ((row = lat_store_each(cloud->bed->store, LAT_INDEX_EVALUATION_WORKLOAD, id, &cursor))) {
        const char *policy = ((const struct lat_evaluation *)row)->policy;

        by[0] += lat_text_equal(policy, "placement 7");
        by[1] += lat_text_equal(policy, "placement 8");
    }
    assert_int_equal(by[0] + by[1], count_of(cloud, LAT_INDEX_EVALUATION_WORKLOAD, id));
    assert_in_range(by[0], 0, 1);
    assert_int_equal(fallbacks_of(cloud), 0);
}

/* ---- a large fleet ---- */

enum { FLEET = 10000 };

static void ten_thousand_nodes_are_judged_within_the_deadline(void **state)
{
    struct cloud *cloud = *state;
    struct lat_receipt receipt;
    char id[LAT_ID_SIZE];

    lat_luahost_set_deadline(cloud->luahost, (int64_t)LAT_LUAHOST_DEADLINE_MS * SLOWER);
    load_policy(cloud, 8,
                ROOT "function filter(node)\n"
                     "  if node.name < 'node-04000' then return false, node.name .. ' is old' end\n"
                     "  return true\n"
                     "end\n"
                     "function score(node)\n"
                     "  local number = tonumber(node.name:sub(6))\n"
                     "  return root(number) - 1000 * node.workload_instances\n"
                     "end\n");
    add_nodes(cloud, FLEET);
    deploy(cloud, "web", 3, 100, id);
    await_allocations(cloud, id, 3);
    assert_string_equal(evaluation_of(cloud, id)->policy, "placement 8");
    assert_int_equal(count_of(cloud, LAT_INDEX_EVALUATION_WORKLOAD, id), 1);
    for (int64_t i = 0; i < 3; i++) { /* the root is 99 from 9801 on */
        assert_true(strcmp(node_name(cloud, id, i), "node-09801") >= 0);
        assert_string_not_equal(node_name(cloud, id, i), node_name(cloud, id, (i + 1) % 3));
    }
    read_receipt(cloud, id, &receipt);
    assert_int_equal(receipt.node_count, FLEET);
    for (size_t i = 0; i < receipt.node_count; i++) {
        const struct lat_receipt_record *record = &receipt.records[receipt.nodes[i].record];
        const char *name = lat_store_node(cloud->bed->store, receipt.nodes[i].id)->name;

        if (strcmp(name, "node-04000") < 0) {
            assert_int_equal(record->kind, LAT_RECEIPT_POLICY);
            assert_true(lat_text_starts(record->reason, name));
        } else {
            assert_int_equal(record->kind, LAT_RECEIPT_POSSIBLE);
        }
    }
    lat_receipt_done(&receipt);
    assert_int_equal(fallbacks_of(cloud), 0);
}

static void ten_thousand_nodes_that_are_too_many_for_a_policy_are_placed_on_all_the_same(
    void **state)
{
    struct cloud *cloud = *state;
    char id[LAT_ID_SIZE];

    load_policy(cloud, 8, ROOT "function score(node) return root(node.rank + 1000000000000) end");
    lat_luahost_set_deadline(cloud->luahost, 100);
    add_nodes(cloud, FLEET);
    deploy(cloud, "web", 3, 100, id);
    await_allocations(cloud, id, 3);
    assert_string_equal(evaluation_of(cloud, id)->policy, "built-in");
    for (int64_t i = 0; i < 3; i++) {
        assert_string_not_equal(node_name(cloud, id, i), node_name(cloud, id, (i + 1) % 3));
    }
}

/* ---- what changes while it is asked ---- */

/* Raises what a workload needs beyond what is free, so many turns of the loop from now. */
struct raise {
    struct cloud *cloud;
    const char *workload;
    int turns;
    bool is_done;
};

static void raise_later(void *arg)
{
    struct raise *raise = arg;

    if (raise->turns-- > 0) {
        lat_loop_defer(raise->cloud->bed->loop, raise_later, raise);
        return;
    }
    struct lat_txn *txn = lat_txn_begin(raise->cloud->bed->store, "r-raise");
    struct lat_workload *workload = lat_workload_edit(
        (const struct lat_workload *)lat_txn_get(txn, LAT_TABLE_WORKLOAD, raise->workload));

    workload->cpu_milli = 1500;
    workload->generation++;
    lat_txn_put(txn, &workload->row);
    assert_int_equal(lat_txn_commit(txn, NULL, NULL, NULL), 0);
    raise->is_done = true;
}

static void see_new_allocation(void *arg, const struct lat_change *change)
{
    if (change->before == NULL) {
        *(int64_t *)arg = ((const struct lat_allocation *)change->after)->cpu_milli;
    }
}

static void a_plan_for_what_has_changed_since_is_made_anew(void **state)
{
    char node[LAT_ID_SIZE], full[LAT_ID_SIZE], id[LAT_ID_SIZE];

    for (int turns = 0; turns < 8; turns++) { /* in one of these turns the policy is at work */
        struct cloud *cloud = *state;
        struct raise raise = {.cloud = cloud, .workload = id, .turns = turns};
        int64_t placed = 0;

        add_node(cloud, "n1", node); /* of 2000 */
        deploy(cloud, "full", 1, 1000, full);
        await_allocations(cloud, full, 1);
        lat_store_watch(cloud->bed->store, 1U << LAT_TABLE_ALLOCATION, see_new_allocation, &placed);
        lat_loop_defer(cloud->bed->loop, raise_later, &raise);
        cloud->bed->script->delay_ms = 20; /* so that it is looked at while it is only staged */
        deploy(cloud, "w", 1, 500, id);
        run_until(cloud->bed, &raise.is_done);
        run_for(cloud, 250);
        assert_int_not_equal(placed, 1500); /* it fits as it was, or it waits */
        cloud_close(state);
        asked_open(state);
    }
}

static void stop_later(void *arg)
{
    struct raise *stop = arg;

    if (stop->turns-- > 0) {
        lat_loop_defer(stop->cloud->bed->loop, stop_later, stop);
        return;
    }
    struct lat_txn *txn = lat_txn_begin(stop->cloud->bed->store, "r-stop");
    struct lat_workload *workload = lat_workload_edit(
        (const struct lat_workload *)lat_txn_get(txn, LAT_TABLE_WORKLOAD, stop->workload));

    lat_row_set(workload->desired, "stopped");
    lat_txn_put(txn, &workload->row);
    assert_int_equal(lat_txn_commit(txn, NULL, NULL, NULL), 0);
    stop->is_done = true;
}

static void what_is_wanted_no_more_when_the_policy_answers_is_not_placed(void **state)
{
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];

    for (int turns = 0; turns < 8; turns++) { /* in one of these turns the policy is at work */
        struct cloud *cloud = *state;
        struct raise stop = {.cloud = cloud, .workload = id, .turns = turns};

        add_node(cloud, "n1", node);
        cloud->bed->script->delay_ms = 20; /* so that it is looked at while it is only staged */
        lat_loop_defer(cloud->bed->loop, stop_later, &stop);
        deploy(cloud, "w", 1, 500, id);
        run_until(cloud->bed, &stop.is_done);
        run_for(cloud, 250);
        await_status(cloud, id, allocation_of(cloud, id, 0) ? "stopping" : "stopped");
        expect_quiet(cloud);
        cloud_close(state);
        asked_open(state);
    }
}

/* A workload whose labels change, and change again while the policy is asked about the first change. */
struct relabel {
    struct cloud *cloud;
    const char *workload;
    int turns;
    bool is_done;
};

static void label(struct cloud *cloud, const char *id, const char *labels)
{
    struct lat_txn *txn = lat_txn_begin(cloud->bed->store, "r-label");
    struct lat_workload *workload =
        lat_workload_edit((const struct lat_workload *)lat_txn_get(txn, LAT_TABLE_WORKLOAD, id));

    lat_row_set(workload->labels, labels);
    lat_txn_put(txn, &workload->row);
    assert_int_equal(lat_txn_commit(txn, NULL, NULL, NULL), 0);
}

static void relabel_later(void *arg)
{
    struct relabel *relabel = arg;

    if (relabel->turns-- > 0) {
        lat_loop_defer(relabel->cloud->bed->loop, relabel_later, relabel);
        return;
    }
    label(relabel->cloud, relabel->workload, "{\"tier\":\"2\"}");
    relabel->is_done = true;
}

static void labels_that_change_twice_are_looked_at_as_they_are_last(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], full[LAT_ID_SIZE], id[LAT_ID_SIZE];
    struct relabel relabel = {.cloud = cloud, .workload = id, .turns = 1};
    struct lat_metric *blocked = lat_metrics_counter(
        cloud->bed->metrics, "lattice_evaluations_total", "outcome=\"blocked\"", "");

    add_node(cloud, "n1", node);
    deploy(cloud, "full", 1, 1500, full);
    await_allocations(cloud, full, 1);
    struct lat_txn *txn = lat_txn_begin(cloud->bed->store, "");
    struct lat_node *shrunk =
        lat_node_edit((const struct lat_node *)lat_txn_get(txn, LAT_TABLE_NODE, node));
    shrunk->cpu_milli = 1000; /* less than is taken: only the policy refuses what wants none */
    lat_txn_put(txn, &shrunk->row);
    commit_now(cloud->bed, txn);
    deploy(cloud, "w", 1, 0, id);
    await_reason(cloud, id, "processors free");
    run_for(cloud, 600);

    int64_t before = lat_metric_value(blocked);
    label(cloud, id, "{\"tier\":\"1\"}");
    lat_loop_defer(cloud->bed->loop, relabel_later, &relabel);
    run_until(cloud->bed, &relabel.is_done);
    for (int i = 0; i < WAITING_MS && lat_metric_value(blocked) < before + 2; i++) {
        run_for(cloud, 1);
    }
    run_for(cloud, 200);
    assert_int_equal(lat_metric_value(blocked), before + 2);
}

static int run(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, asked_open, cloud_close)
    const struct CMUnitTest tests[] = {
        TEST(all_instances_are_placed_at_once_each_where_it_is_best_then),
        TEST(more_than_one_plan_asks_for_is_placed_by_the_next_ones),
        TEST(a_refusal_is_told_with_the_reason_that_the_policy_gave),
        TEST(a_trial_is_decided_as_a_deploy_is),
        TEST(a_workload_is_placed_behind_its_own_commit),
        TEST(a_compiled_policy_and_its_workload_are_one_commit),
        TEST(a_policy_that_is_late_is_stood_in_for_and_the_receipt_says_so),
        TEST(what_was_placed_before_it_fails_stands_and_the_rest_is_stood_in_for),
        TEST(a_policy_that_comes_into_force_meanwhile_decides_about_the_rest),
        TEST(ten_thousand_nodes_are_judged_within_the_deadline),
        TEST(ten_thousand_nodes_that_are_too_many_for_a_policy_are_placed_on_all_the_same),
        TEST(a_plan_for_what_has_changed_since_is_made_anew),
        TEST(what_is_wanted_no_more_when_the_policy_answers_is_not_placed),
        TEST(labels_that_change_twice_are_looked_at_as_they_are_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    if (argc > 1 && lat_text_equal(argv[1], LAT_LUAHOST_WORD)) {
        return lat_lua_host_main(argc, argv);
    }
    return run();
}
