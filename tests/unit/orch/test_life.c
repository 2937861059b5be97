/* A workload's life, from its deploy to its end, as users, nodes and restarts of the console push it about. */
#include "support.h"

/* ---- the way up ---- */

static void a_deploy_is_placed_and_runs(void **state)
{
    struct cloud *cloud = *state;
    const struct lat_allocation *allocation;
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    deploy(cloud, "db", 1, 500, id);
    await_allocations(cloud, id, 1);
    allocation = allocation_of(cloud, id, 0);
    assert_string_equal(allocation->node_id, node);
    assert_string_equal(allocation->desired, "running");
    assert_string_equal(allocation->status, "placing");
    assert_string_equal(allocation->request_id, "r-deploy");
    assert_int_equal(allocation->generation, 1);
    assert_int_equal(allocation->spec_generation, 1);
    assert_int_equal(allocation->cpu_milli, 500);
    assert_string_equal(evaluation_of(cloud, id)->status, "done");
    assert_string_equal(evaluation_of(cloud, id)->reason, "placed on n1");
    await_status(cloud, id, "placing");
    observe(cloud, id, 0, "pulling", "pulling web:1");
    await_status(cloud, id, "pulling");
    observe(cloud, id, 0, "starting", "waiting until it is healthy");
    await_status(cloud, id, "starting");
    await_reason(cloud, id, "healthy");
    observe(cloud, id, 0, "running", "healthy");
    await_status(cloud, id, "running");
    expect_quiet(cloud);
}

static void a_workload_runs_once_its_public_endpoints_have_ports(void **state)
{
    struct cloud *cloud = *state;
    struct lat_endpoint *endpoint = lat_endpoint_new();
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];
    struct lat_txn *txn;
    const struct lat_row *row;

    add_node(cloud, "n1", node);
    deploy(cloud, "db", 1, 0, id);
    txn = lat_txn_begin(cloud->bed->store, "");
    lat_row_set(endpoint->workload_id, id);
    lat_row_set(endpoint->name, "sql");
    lat_row_set(endpoint->protocol, "postgres");
    endpoint->public = true;
    row = lat_txn_put(txn, &endpoint->row);
    endpoint = lat_endpoint_edit((const struct lat_endpoint *)row);
    commit_now(cloud->bed, txn);
    await_allocations(cloud, id, 1);
    observe(cloud, id, 0, "running", "");
    await_reason(cloud, id, "public port");
    assert_string_equal(workload_of(cloud, id)->status, "starting");
    txn = lat_txn_begin(cloud->bed->store, "");
    endpoint->port = 20000;
    lat_txn_put(txn, &endpoint->row);
    commit_now(cloud->bed, txn);
    await_status(cloud, id, "running");
}

/* ---- wishes ---- */

static void a_stop_and_a_start_raise_the_generation(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    deploy_running(cloud, "db", id);
    change(cloud, id, (struct wish){.desired = "stopped"});
    await_desired(cloud, id, 0, "stopped", 2);
    await_status(cloud, id, "stopping");
    assert_string_equal(allocation_of(cloud, id, 0)->request_id, "r-change");
    observe(cloud, id, 0, "stopped", "");
    await_status(cloud, id, "stopped");
    expect_quiet(cloud);
    change(cloud, id, (struct wish){.desired = "running"});
    await_desired(cloud, id, 0, "running", 3);
    await_status(cloud, id, "starting"); /* what was seen speaks of an older generation */
    observe(cloud, id, 0, "running", "");
    await_status(cloud, id, "running");
}

static void a_restart_and_a_new_spec_reach_the_allocation(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    deploy_running(cloud, "db", id);
    change(cloud, id, (struct wish){.restarts = 1});
    await_desired(cloud, id, 0, "running", 2);
    assert_int_equal(allocation_of(cloud, id, 0)->restarts, 1);
    change(cloud, id, (struct wish){.generation = 1});
    await_desired(cloud, id, 0, "running", 3);
    assert_int_equal(allocation_of(cloud, id, 0)->spec_generation, 2);
    await_status(cloud, id, "starting");
    observe(cloud, id, 0, "running", "");
    await_status(cloud, id, "running");
    expect_quiet(cloud);
}

static void a_stopped_one_that_is_deployed_is_not_placed(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];

    deploy(cloud, "db", 1, 0, id);
    change(cloud, id, (struct wish){.desired = "stopped"});
    await_status(cloud, id, "stopped");
    add_node(cloud, "n1", node);
    expect_quiet(cloud);
    await_allocations(cloud, id, 0);
}

static void a_scale_up_adds_ordinals_and_a_scale_down_takes_the_highest(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    deploy_running(cloud, "web", id);
    change(cloud, id, (struct wish){.count = 3});
    await_allocations(cloud, id, 3);
    await_status(cloud, id, "placing");
    observe(cloud, id, 1, "running", "");
    observe(cloud, id, 2, "running", "");
    await_status(cloud, id, "running");
    change(cloud, id, (struct wish){.count = 1});
    await_desired(cloud, id, 1, "removed", 2);
    await_desired(cloud, id, 2, "removed", 2);
    assert_string_equal(allocation_of(cloud, id, 0)->desired, "running");
    assert_int_equal(allocation_of(cloud, id, 0)->generation, 1);
    await_status(cloud, id, "running");           /* the one that is wanted runs */
    change(cloud, id, (struct wish){.count = 2}); /* ordinal 1 is still going */
    run_for(cloud, 50);
    await_desired(cloud, id, 1, "removed", 2);
    observe(cloud, id, 1, "removed", "");
    observe(cloud, id, 2, "removed", "");
    await_allocations(cloud, id, 2);
    await_desired(cloud, id, 1, "running", 1); /* a new one */
    observe(cloud, id, 1, "running", "");
    await_status(cloud, id, "running");
    expect_quiet(cloud);
}

/* ---- the end ---- */

static void a_removal_ends_when_the_node_says_so_and_takes_all_rows_along(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    deploy_running(cloud, "db", id);
    change(cloud, id, (struct wish){.desired = "removed"});
    await_desired(cloud, id, 0, "removed", 2);
    await_status(cloud, id, "removing");
    observe(cloud, id, 0, "stopping", "being removed");
    await_reason(cloud, id, "being removed");
    observe(cloud, id, 0, "removed", "");
    await_gone(cloud, id);
    assert_int_equal(count_of(cloud, LAT_INDEX_ALLOCATION_WORKLOAD, id), 0);
    assert_int_equal(count_of(cloud, LAT_INDEX_EVALUATION_WORKLOAD, id), 0);
    expect_quiet(cloud);
}

static void a_removal_that_speaks_of_an_older_generation_is_none(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    deploy_running(cloud, "db", id);
    observe(cloud, id, 0, "removed", "");
    change(cloud, id, (struct wish){.restarts = 1});
    await_desired(cloud, id, 0, "running", 2);
    change(cloud, id, (struct wish){.desired = "removed"});
    await_desired(cloud, id, 0, "removed", 3);
    run_for(cloud, 100);
    assert_non_null(workload_of(cloud, id));
    observe(cloud, id, 0, "removed", "");
    await_gone(cloud, id);
}

static void what_was_never_placed_is_removed_at_once(void **state)
{
    struct cloud *cloud = *state;
    char id[LAT_ID_SIZE];

    deploy(cloud, "db", 1, 0, id);
    await_status(cloud, id, "pending");
    change(cloud, id, (struct wish){.desired = "removed"});
    await_gone(cloud, id);
    assert_int_equal(count_of(cloud, LAT_INDEX_EVALUATION_WORKLOAD, id), 0);
}

/* ---- what is told ---- */

static void the_worst_instance_speaks_for_all(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    deploy(cloud, "web", 2, 0, id);
    await_allocations(cloud, id, 2);
    observe(cloud, id, 0, "running", "");
    observe(cloud, id, 1, "unhealthy", "GET / answers 500");
    await_status(cloud, id, "unhealthy");
    await_reason(cloud, id, "answers 500");
    observe(cloud, id, 0, "failed", "it ended by itself");
    await_status(cloud, id, "failed");
    await_reason(cloud, id, "ended by itself");
    observe(cloud, id, 0, "running", "");
    observe(cloud, id, 1, "running", "");
    await_status(cloud, id, "running");
    assert_string_equal(workload_of(cloud, id)->reason, "");
}

static void a_node_that_is_away_makes_it_unreachable_and_nothing_else(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], other[LAT_ID_SIZE], id[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    deploy_running(cloud, "db", id);
    add_node(cloud, "n2", other);
    set_node(cloud, node, "unreachable", "no link");
    await_status(cloud, id, "unreachable");
    await_reason(cloud, id, "node n1: no link");
    expect_quiet(cloud);
    await_desired(cloud, id, 0, "running", 1); /* it may run: it is not placed anew */
    await_allocations(cloud, id, 1);
    set_node(cloud, node, "ready", "");
    await_status(cloud, id, "running");
}

struct history {
    bool read;
    size_t count;
    char *json;
};

static void history_read(void *arg, char *json, const struct lat_err *err)
{
    struct history *history = arg;
    cJSON *items;

    assert_null(err);
    items = cJSON_Parse(json);
    history->count = (size_t)cJSON_GetArraySize(items);
    cJSON_Delete(items);
    history->json = json;
    history->read = true;
}

static void each_step_is_told_once_also_when_the_disk_refused_it_before(void **state)
{
    struct cloud *cloud = *state;
    struct history history = {0};
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    deploy_running(cloud, "db", id);
    cloud->bed->script->fail_commit =
        cloud->bed->script->commits + 2; /* the one after the observation */
    cloud->bed->script->fail_code = LAT_E_NO_SPACE;
    cloud->bed->script->fail_proofs = 1;
    observe(cloud, id, 0, "unhealthy", "it does not answer");
    await_status(cloud, id, "unhealthy");
    lat_history_read(cloud->history, id, 100, history_read, &history);
    run_until(cloud->bed, &history.read);
    assert_non_null(strstr(history.json, "unhealthy"));
    assert_null(strstr(strstr(history.json, "unhealthy") + 1, "\"unhealthy\""));
    free(history.json);
}

/* ---- once more ---- */

static void a_second_look_writes_nothing(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE], waiting[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    deploy_running(cloud, "db", id);
    deploy(cloud, "big", 1, 9000, waiting);
    await_status(cloud, waiting, "pending");
    expect_quiet(cloud);
    orch_stop(cloud);
    orch_start(cloud);
    expect_quiet(cloud);
}

static void a_console_that_starts_again_goes_on_from_what_was_durable(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE], late[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    deploy(cloud, "db", 2, 0, id);
    while (count_of(cloud, LAT_INDEX_ALLOCATION_WORKLOAD, id) == 0) {
        run_for(cloud, 1);
    }
    orch_stop(cloud); /* in the middle of two placements */
    run_for(cloud, 50);
    deploy(cloud, "late", 1, 0, late);
    change(cloud, id, (struct wish){.restarts = 1});
    orch_start(cloud);
    await_allocations(cloud, id, 2);
    await_allocations(cloud, late, 1);
    observe(cloud, id, 0, "running", "");
    observe(cloud, id, 1, "running", "");
    await_status(cloud, id, "running");
    await_allocations(cloud, id, 2);
}

static void an_end_in_the_middle_of_everything_leaves_nothing(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    for (int i = 0; i < 20; i++) {
        char name[8] = {'w', (char)('a' + i)};

        deploy(cloud, name, 3, 0, id);
    }
    orch_stop(cloud);
    orch_start(cloud);
    orch_stop(cloud); /* nothing of the second one has run yet */
    orch_start(cloud);
}

static void a_word_that_nobody_knows_is_told_and_ends_nothing(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    deploy_running(cloud, "a", id);
    observe(cloud, id, 0, "levitating", "");
    await_status(cloud, id, "failed");
    await_reason(cloud, id, "'levitating'");
    observe(cloud, id, 0, "running", "");
    await_status(cloud, id, "running");

    int64_t generation = allocation_of(cloud, id, 0)->generation;
    change(cloud, id, (struct wish){.desired = "paused"});
    await_status(cloud, id, "failed");
    await_reason(cloud, id, "desired to be 'paused'");
    expect_quiet(cloud);
    assert_string_equal(allocation_of(cloud, id, 0)->desired, "running"); /* not handed on */
    assert_int_equal(allocation_of(cloud, id, 0)->generation, generation);
    change(cloud, id, (struct wish){.desired = "running"});
    await_status(cloud, id, "running");

    struct lat_txn *txn = lat_txn_begin(cloud->bed->store, "");
    struct lat_allocation *edited = lat_allocation_edit(allocation_of(cloud, id, 0));
    lat_row_set(edited->desired, "flying");
    lat_txn_put(txn, &edited->row);
    commit_now(cloud->bed, txn);
    await_desired(cloud, id, 0, "running", generation + 1); /* put right by itself */
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, cloud_open, cloud_close)
    const struct CMUnitTest tests[] = {
        TEST(a_deploy_is_placed_and_runs),
        TEST(a_workload_runs_once_its_public_endpoints_have_ports),
        TEST(a_stop_and_a_start_raise_the_generation),
        TEST(a_restart_and_a_new_spec_reach_the_allocation),
        TEST(a_stopped_one_that_is_deployed_is_not_placed),
        TEST(a_scale_up_adds_ordinals_and_a_scale_down_takes_the_highest),
        TEST(a_removal_ends_when_the_node_says_so_and_takes_all_rows_along),
        TEST(a_removal_that_speaks_of_an_older_generation_is_none),
        TEST(what_was_never_placed_is_removed_at_once),
        TEST(the_worst_instance_speaks_for_all),
        TEST(a_node_that_is_away_makes_it_unreachable_and_nothing_else),
        TEST(each_step_is_told_once_also_when_the_disk_refused_it_before),
        TEST(a_second_look_writes_nothing),
        TEST(a_console_that_starts_again_goes_on_from_what_was_durable),
        TEST(an_end_in_the_middle_of_everything_leaves_nothing),
        TEST(a_word_that_nobody_knows_is_told_and_ends_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
