/* Where instances go, and what waits for what. */
#include "support.h"
#include "tests/unit/waiting.h"

#include "sched/receipt.h"

#include <stdio.h>

static void without_a_node_it_waits_and_the_first_node_takes_it(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];

    deploy(cloud, "db", 1, 0, id);
    await_status(cloud, id, "pending");
    await_reason(cloud, id, "no node has joined yet");
    assert_string_equal(evaluation_of(cloud, id)->status, "blocked");
    assert_string_equal(evaluation_of(cloud, id)->trigger, "workload_created");
    expect_quiet(cloud);
    add_node(cloud, "n1", node);
    await_allocations(cloud, id, 1);
    await_status(cloud, id, "placing");
    assert_string_equal(evaluation_of(cloud, id)->status, "done");
    assert_string_equal(evaluation_of(cloud, id)->trigger, "node_changed");
}

static void a_node_that_was_rejected_stands_in_no_receipt(void **state)
{
    struct cloud *cloud = *state;
    char pending[LAT_ID_SIZE], rejected[LAT_ID_SIZE], id[LAT_ID_SIZE];
    struct lat_receipt receipt;

    add_node(cloud, "n1", pending);
    add_node(cloud, "n2", rejected);
    set_node(cloud, pending, "pending", "it waits");
    set_node(cloud, rejected, "pending", "it waits");
    deploy(cloud, "db", 1, 0, id);
    await_reason(cloud, id, "2 nodes: it waits");
    set_node(cloud, rejected, "revoked", "it was rejected by root");
    await_reason(cloud, id, "n1: it waits");
    assert_int_equal(lat_receipt_read(evaluation_of(cloud, id)->receipt, &receipt, NULL), 0);
    assert_int_equal(receipt.node_count, 1);
    lat_receipt_done(&receipt);
    orch_stop(cloud);
    orch_start(cloud); /* which reads all nodes anew */
    set_node(cloud, pending, "ready", "");
    await_allocations(cloud, id, 1);
    assert_int_equal(lat_receipt_read(evaluation_of(cloud, id)->receipt, &receipt, NULL), 0);
    assert_int_equal(receipt.node_count, 1);
    lat_receipt_done(&receipt);
}

static void what_found_no_room_is_placed_when_room_comes(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], first[LAT_ID_SIZE], second[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    deploy(cloud, "first", 1, 1500, first);
    await_allocations(cloud, first, 1);
    deploy(cloud, "second", 1, 1500, second);
    await_reason(cloud, second, "1.500 processors are wanted, 0.500 of 2.000 are free");
    change(cloud, first, (struct wish){.desired = "removed"});
    await_desired(cloud, first, 0, "removed", 2);
    run_for(cloud, 50);
    await_allocations(cloud, second, 0); /* it is still there */
    observe(cloud, first, 0, "removed", "");
    await_allocations(cloud, second, 1);
}

static void what_is_placed_in_one_turn_does_not_take_the_same_room(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], ids[4][LAT_ID_SIZE];
    size_t placed = 0;

    for (int i = 0; i < 4; i++) {
        char name[8] = {'w', (char)('0' + i)};

        deploy(cloud, name, 1, 1000, ids[i]);
        await_status(cloud, ids[i], "pending");
    }
    add_node(cloud, "n1", node); /* room for two; all four are looked at in one turn */
    for (int i = 0; i < WAITING_MS && count_of(cloud, LAT_INDEX_ALLOCATION_NODE, node) < 2; i++) {
        run_for(cloud, 1);
    }
    run_for(cloud, 600); /* in which a third would come */
    for (int i = 0; i < 4; i++) {
        placed += count_of(cloud, LAT_INDEX_ALLOCATION_WORKLOAD, ids[i]);
    }
    assert_int_equal(placed, 2);
    assert_int_equal(count_of(cloud, LAT_INDEX_ALLOCATION_NODE, node), 2);
}

static void the_usage_of_a_node_is_known_after_a_restart(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], first[LAT_ID_SIZE], second[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    deploy(cloud, "first", 1, 1500, first);
    await_allocations(cloud, first, 1);
    orch_stop(cloud);
    orch_start(cloud);
    deploy(cloud, "second", 1, 600, second);
    await_reason(cloud, second, "0.500 of 2.000 are free");
}

static void instances_of_one_workload_spread_over_nodes(void **state)
{
    struct cloud *cloud = *state;
    char nodes[3][LAT_ID_SIZE], id[LAT_ID_SIZE];

    add_node(cloud, "n1", nodes[0]);
    add_node(cloud, "n2", nodes[1]);
    add_node(cloud, "n3", nodes[2]);
    deploy(cloud, "web", 3, 100, id);
    await_allocations(cloud, id, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(count_of(cloud, LAT_INDEX_ALLOCATION_NODE, nodes[i]), 1);
    }
}

/* What an agent tells: the instances of a workload whose volumes it keeps. */
static void keep_data(struct cloud *cloud, const char *node, const char *workload,
                      const char *ordinals)
{
    struct lat_txn *txn = lat_txn_begin(cloud->bed->store, "");
    struct lat_node *edited =
        lat_node_edit((const struct lat_node *)lat_txn_get(txn, LAT_TABLE_NODE, node));
    struct lat_buf told = {0};

    for (const char *c = ordinals; *c; c++) {
        lat_buf_addf(&told, "%s\"%s/%c\"", c == ordinals ? "[" : ",", workload, *c);
    }
    lat_buf_add_text(&told, *ordinals ? "]" : "[]");
    lat_row_set(edited->volumes, lat_buf_text(&told));
    lat_txn_put(txn, &edited->row);
    commit_now(cloud->bed, txn);
    lat_buf_done(&told);
}

static void expect_on(struct cloud *cloud, const char *workload, int64_t ordinal, const char *node)
{
    const struct lat_allocation *allocation = allocation_of(cloud, workload, ordinal);

    assert_non_null(allocation);
    assert_string_equal(allocation->node_id, node);
}

static void an_instance_goes_where_its_data_is_and_the_others_do_not_wait_for_it(void **state)
{
    struct cloud *cloud = *state;
    char first[LAT_ID_SIZE], second[LAT_ID_SIZE], id[LAT_ID_SIZE];

    add_node(cloud, "n1", first);
    add_node(cloud, "n2", second);
    set_node(cloud, first, "unreachable", "no link");
    set_node(cloud, second, "unreachable", "no link");
    deploy(cloud, "db", 4, 100, id);
    await_reason(cloud, id, "2 nodes: no link");
    keep_data(cloud, first, id, "13");
    set_node(cloud, second, "ready", "");
    await_allocations(cloud, id, 2);
    expect_on(cloud, id, 0, second);
    expect_on(cloud, id, 2, second);
    await_reason(cloud, id, "n2: the data of this instance is on another node");
    await_reason(cloud, id, "n1: no link");
    expect_quiet(cloud);
    set_node(cloud, first, "ready", "");
    await_allocations(cloud, id, 4);
    expect_on(cloud, id, 1, first);
    expect_on(cloud, id, 3, first);
}

static void what_a_node_keeps_no_more_holds_nobody(void **state)
{
    struct cloud *cloud = *state;
    char first[LAT_ID_SIZE], second[LAT_ID_SIZE], id[LAT_ID_SIZE];

    add_node(cloud, "n1", first);
    set_node(cloud, first, "unreachable", "no link");
    deploy(cloud, "db", 1, 100, id);
    await_reason(cloud, id, "no link");
    keep_data(cloud, first, id, "0");
    add_node(cloud, "n2", second);
    await_reason(cloud, id, "n2: the data of this instance is on another node");
    keep_data(cloud, first, id, "");
    await_allocations(cloud, id, 1);
    expect_on(cloud, id, 0, second);
}

static void set_hours(struct cloud *cloud, const char *node, const char *hours)
{
    struct lat_txn *txn = lat_txn_begin(cloud->bed->store, "");
    struct lat_node *edited =
        lat_node_edit((const struct lat_node *)lat_txn_get(txn, LAT_TABLE_NODE, node));

    lat_row_set(edited->hours, hours);
    lat_txn_put(txn, &edited->row);
    commit_now(cloud->bed, txn);
}

static void what_waits_is_placed_when_the_hours_of_an_owner_begin(void **state)
{
    const int64_t hour = 60 * 60 * 1000;
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], other[LAT_ID_SIZE], id[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    add_node(cloud, "n2", other);
    /* Half a second before noon, a day later or earlier. */
    cloud->bed->ahead_ms =
        11 * hour + 59 * 60 * 1000 + 59500 - lat_clock_wall_ms(lat_clock_system()) % (24 * hour);
    set_hours(cloud, node, "daily 12:00-18:00");
    set_hours(cloud, other, "daily 13:00-18:00");
    deploy(cloud, "db", 1, 0, id);
    await_reason(cloud, id, "n1: its owner's hours begin at ");
    await_reason(cloud, id, " 12:00 UTC");
    await_allocations(cloud, id, 1);
    expect_on(cloud, id, 0, node);
    assert_string_equal(evaluation_of(cloud, id)->trigger, "node_opened");
}

static void instances_share_out_devices_and_domains(void **state)
{
    struct cloud *cloud = *state;
    char nodes[2][LAT_ID_SIZE], id[LAT_ID_SIZE];
    struct lat_workload *workload;
    struct lat_txn *txn;

    deploy(cloud, "train", 4, 0, id);
    await_reason(cloud, id, "no node has joined yet");
    txn = lat_txn_begin(cloud->bed->store, "");
    workload =
        lat_workload_edit((const struct lat_workload *)lat_txn_get(txn, LAT_TABLE_WORKLOAD, id));
    workload->gpu_count = 1;
    lat_row_set(workload->placement, "{\"spread\":{\"by\":\"node\",\"max_skew\":1}}");
    lat_txn_put(txn, &workload->row);
    for (int i = 0; i < 2; i++) { /* both nodes come at once */
        struct lat_node *node = lat_node_new();
        char name[] = {'n', (char)('1' + i), '\0'};

        lat_row_set(node->name, name);
        lat_row_set(node->key_digest, name);
        lat_row_set(node->status, "ready");
        lat_row_set(node->gpus, "[{\"id\":\"g0\"},{\"id\":\"g1\"},{\"id\":\"g2\"}]");
        lat_text_bound(nodes[i], LAT_ID_SIZE, lat_txn_put(txn, &node->row)->id);
    }
    commit_now(cloud->bed, txn);
    await_allocations(cloud, id, 4);
    for (int i = 0; i < 2; i++) {
        char given[2][64] = {"", ""};
        int count = 0;

        for (int64_t ordinal = 0; ordinal < 4; ordinal++) {
            const struct lat_allocation *allocation = allocation_of(cloud, id, ordinal);

            if (lat_text_equal(allocation->node_id, nodes[i])) {
                assert_true(count < 2);
                lat_text_bound(given[count++], sizeof(given[0]), allocation->gpus);
            }
        }
        assert_string_equal(given[0], "[{\"id\":\"g0\",\"share_milli\":1000}]");
        assert_string_equal(given[1], "[{\"id\":\"g1\",\"share_milli\":1000}]");
    }
}

static void a_node_that_is_not_ready_takes_nothing(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    set_node(cloud, node, "engine_down", "its engine does not answer");
    deploy(cloud, "db", 1, 0, id);
    await_reason(cloud, id, "n1: its engine does not answer");
    set_node(cloud, node, "ready", "");
    await_allocations(cloud, id, 1);
}

static void the_receipt_names_every_node(void **state)
{
    struct cloud *cloud = *state;
    char good[LAT_ID_SIZE], bad[LAT_ID_SIZE], id[LAT_ID_SIZE];
    struct lat_receipt receipt;
    struct lat_err err;

    add_node(cloud, "n1", good);
    add_node(cloud, "n2", bad);
    set_node(cloud, bad, "unreachable", "no link");
    deploy(cloud, "db", 1, 0, id);
    await_allocations(cloud, id, 1);
    assert_int_equal(lat_receipt_read(evaluation_of(cloud, id)->receipt, &receipt, &err), 0);
    assert_int_equal(receipt.node_count, 2);
    assert_string_equal(receipt.nodes[0].id, good);
    assert_int_equal(receipt.nodes[0].instances, 1);
    assert_string_equal(receipt.nodes[1].id, bad);
    assert_int_equal(receipt.nodes[1].instances, 0);
    assert_string_equal(receipt.records[receipt.nodes[1].record].reason, "no link");
    lat_receipt_done(&receipt);
}

static void the_newest_twenty_receipts_are_kept(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];
    char reason[32];

    add_node(cloud, "n1", node);
    set_node(cloud, node, "engine_down", "day 0");
    deploy(cloud, "db", 1, 0, id);
    for (int day = 1; day <= LAT_ORCH_EVALUATIONS_KEPT + 5; day++) {
        snprintf(reason, sizeof(reason), "day %d", day);
        set_node(cloud, node, "engine_down", reason);
        for (int i = 0; i < WAITING_MS && (!evaluation_of(cloud, id) ||
                                           !strstr(evaluation_of(cloud, id)->reason, reason));
             i++) {
            run_for(cloud, 1);
        }
    }
    assert_int_equal(count_of(cloud, LAT_INDEX_EVALUATION_WORKLOAD, id), LAT_ORCH_EVALUATIONS_KEPT);
    assert_non_null(strstr(evaluation_of(cloud, id)->reason, "day 25"));
}

static void a_disk_that_refuses_a_plan_delays_it(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    orch_stop(cloud);
    deploy(cloud, "db", 1, 0, id);
    cloud->bed->script->fail_commit = cloud->bed->script->commits + 1;
    cloud->bed->script->fail_code = LAT_E_NO_SPACE;
    cloud->bed->script->fail_proofs = 1;
    orch_start(cloud);
    await_allocations(cloud, id, 1);
    run_for(cloud, 300);
    await_allocations(cloud, id, 1);
}

static void while_the_disk_refuses_everything_nothing_is_planned_in_a_hurry(void **state)
{
    struct cloud *cloud = *state;
    struct lat_metric *placed = lat_metrics_counter(
        cloud->bed->metrics, "lattice_evaluations_total", "outcome=\"placed\"", "");
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    orch_stop(cloud);
    deploy(cloud, "web", 4, 0, id);
    cloud->bed->script->fail_commit = cloud->bed->script->commits + 1;
    cloud->bed->script->fail_code = LAT_E_NO_SPACE;
    cloud->bed->script->fail_proofs = 1;
    orch_start(cloud);
    for (int i = 0; i < WAITING_MS && lat_metric_value(placed) < 4; i++) {
        run_for(cloud, 1);
    }
    run_for(cloud, 900);                              /* less than the store takes to try again */
    assert_in_range(lat_metric_value(placed), 4, 40); /* four a try */
    await_allocations(cloud, id, 4);
}

static void a_wish_that_changes_while_it_waits_is_respected(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];

    deploy(cloud, "db", 1, 0, id);
    await_status(cloud, id, "pending");
    change(cloud, id, (struct wish){.desired = "stopped"});
    await_status(cloud, id, "stopped");
    add_node(cloud, "n1", node);
    expect_quiet(cloud);
    await_allocations(cloud, id, 0);
    change(cloud, id, (struct wish){.desired = "running"});
    await_allocations(cloud, id, 1);
}

static void a_workload_and_its_plan_are_one_commit(void **state)
{
    struct cloud *cloud = *state;
    struct answer answer = {0};
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];
    int commits;

    add_node(cloud, "n1", node);
    commits = cloud->bed->script->commits;
    stage_slowly(cloud, &answer, id);
    while (!is_planned(cloud, id)) {
        run_for(cloud, 1);
    }
    assert_false(answer.is_there);
    assert_null(workload_of(cloud, id)); /* and nobody has seen anything yet */
    assert_int_equal(count_of(cloud, LAT_INDEX_ALLOCATION_WORKLOAD, id), 0);
    assert_int_equal(wait_for(cloud->bed, &answer), 0);
    await_allocations(cloud, id, 1);
    assert_int_equal(cloud->bed->script->commits, commits + 1); /* of both: one flush of the disk */
    expect_quiet(cloud);
    assert_int_equal(count_of(cloud, LAT_INDEX_EVALUATION_WORKLOAD, id), 1);
}

static void a_plan_fails_with_the_workload_that_it_is_for(void **state)
{
    struct cloud *cloud = *state;
    struct answer answer = {0};
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    cloud->bed->script->fail_commit = cloud->bed->script->commits + 1;
    cloud->bed->script->fail_code = LAT_E_NO_SPACE;
    stage_slowly(cloud, &answer, id);
    while (!is_planned(cloud, id)) {
        run_for(cloud, 1);
    }
    assert_false(answer.is_there);
    assert_int_equal(wait_for(cloud->bed, &answer), LAT_E_NO_SPACE);
    assert_false(is_planned(cloud, id));
    cloud->bed->script->delay_ms = 0;
    while (!lat_store_is_writable(cloud->bed->store, NULL)) {
        run_for(cloud, 1);
    }
    assert_null(workload_of(cloud, id));
    assert_int_equal(count_of(cloud, LAT_INDEX_ALLOCATION_NODE, node), 0);
    deploy(cloud, "early", 1, 0, id);
    await_allocations(cloud, id, 1);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, cloud_open, cloud_close)
    const struct CMUnitTest tests[] = {
        TEST(without_a_node_it_waits_and_the_first_node_takes_it),
        TEST(a_node_that_was_rejected_stands_in_no_receipt),
        TEST(what_found_no_room_is_placed_when_room_comes),
        TEST(what_is_placed_in_one_turn_does_not_take_the_same_room),
        TEST(the_usage_of_a_node_is_known_after_a_restart),
        TEST(instances_of_one_workload_spread_over_nodes),
        TEST(an_instance_goes_where_its_data_is_and_the_others_do_not_wait_for_it),
        TEST(what_a_node_keeps_no_more_holds_nobody),
        TEST(what_waits_is_placed_when_the_hours_of_an_owner_begin),
        TEST(instances_share_out_devices_and_domains),
        TEST(a_node_that_is_not_ready_takes_nothing),
        TEST(the_receipt_names_every_node),
        TEST(the_newest_twenty_receipts_are_kept),
        TEST(a_disk_that_refuses_a_plan_delays_it),
        TEST(while_the_disk_refuses_everything_nothing_is_planned_in_a_hurry),
        TEST(a_wish_that_changes_while_it_waits_is_respected),
        TEST(a_workload_and_its_plan_are_one_commit),
        TEST(a_plan_fails_with_the_workload_that_it_is_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
