/* Tasks: what becomes of the room of those that have ended, and of the order to run them again. */
#include "support.h"

static void make_task(struct cloud *cloud, const char *id)
{
    struct lat_txn *txn = lat_txn_begin(cloud->bed->store, "");
    struct lat_workload *workload =
        lat_workload_edit((const struct lat_workload *)lat_txn_get(txn, LAT_TABLE_WORKLOAD, id));

    lat_row_set(workload->kind, "task");
    lat_txn_put(txn, &workload->row);
    commit_now(cloud->bed, txn);
}

/* As dispatch writes the end of a task. */
static void finish(struct cloud *cloud, const char *workload, int64_t ordinal, const char *status)
{
    struct lat_txn *txn = lat_txn_begin(cloud->bed->store, "");
    struct lat_allocation *edited;

    observe(cloud, workload, ordinal, status, "it ended");
    edited = lat_allocation_edit(allocation_of(cloud, workload, ordinal));
    edited->finished = true;
    lat_txn_put(txn, &edited->row);
    commit_now(cloud->bed, txn);
    run_for(cloud, 10);
}

static void a_task_is_completed_when_all_its_instances_are(void **state)
{
    struct cloud *cloud = *state;
    char id[LAT_ID_SIZE];
    char node[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    deploy(cloud, "job", 2, 1000, id);
    make_task(cloud, id);
    await_allocations(cloud, id, 2);
    observe(cloud, id, 1, "running", "");
    finish(cloud, id, 0, "completed");
    await_status(cloud, id, "running");
    finish(cloud, id, 1, "completed");
    await_status(cloud, id, "completed");
    set_node(cloud, node, "unreachable", "gone for now");
    run_for(cloud, 10);
    await_status(cloud, id, "completed"); /* which no weather changes */
    assert_int_equal(count_of(cloud, LAT_INDEX_ALLOCATION_WORKLOAD, id), 2);
}

/* Thousandths of processors that are reserved on a node. */
static int64_t reserved(struct cloud *cloud, const char *node)
{
    const struct lat_row *row;
    void *cursor = NULL;
    int64_t cpu_milli = 0;

    while ((row = lat_store_each(cloud->bed->store, LAT_INDEX_ALLOCATION_NODE, node, &cursor))) {
        const struct lat_allocation *allocation = (const struct lat_allocation *)row;

        cpu_milli += allocation->finished ? 0 : allocation->cpu_milli;
    }
    return cpu_milli;
}

/* Deploys a task that takes all of a node of two processors, ends, and so leaves room to a service of one, which takes it. */
static void fill_after_task(struct cloud *cloud, char ret_job[LAT_ID_SIZE],
                            char ret_web[LAT_ID_SIZE])
{
    deploy(cloud, "job", 1, 2000, ret_job);
    make_task(cloud, ret_job);
    await_allocations(cloud, ret_job, 1);
    deploy(cloud, "web", 1, 1000, ret_web);
    await_status(cloud, ret_web, "pending");
    finish(cloud, ret_job, 0, "failed");
    await_status(cloud, ret_job, "failed");
    await_allocations(cloud, ret_web, 1);
}

static void a_task_that_ended_runs_again_where_it_did_while_there_is_room(void **state)
{
    struct cloud *cloud = *state;
    char job[LAT_ID_SIZE], node[LAT_ID_SIZE], other[LAT_ID_SIZE], instance[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    deploy(cloud, "job", 1, 2000, job);
    make_task(cloud, job);
    await_allocations(cloud, job, 1);
    lat_text_bound(instance, sizeof(instance), allocation_of(cloud, job, 0)->row.id);
    for (int i = 0; i < 8; i++) { /* any of them could be taken, were it placed as a new one */
        char name[] = {'m', (char)('0' + i), '\0'};

        add_node(cloud, name, other);
    }
    finish(cloud, job, 0, "completed");
    change(cloud, job, (struct wish){.restarts = 1});
    await_desired(cloud, job, 0, "running", 2);
    assert_string_equal(allocation_of(cloud, job, 0)->row.id, instance);
    assert_string_equal(allocation_of(cloud, job, 0)->node_id, node);
    assert_int_equal(allocation_of(cloud, job, 0)->restarts, 1);
    assert_false(allocation_of(cloud, job, 0)->finished);
    assert_string_equal(evaluation_of(cloud, job)->reason, "placed on n1");
    assert_string_equal(evaluation_of(cloud, job)->trigger, "workload_changed");
    await_status(cloud, job, "starting");
    finish(cloud, job, 0, "completed");
    await_status(cloud, job, "completed");
    expect_quiet(cloud);
}

static void a_task_that_ended_waits_for_room_before_it_runs_again(void **state)
{
    struct cloud *cloud = *state;
    char job[LAT_ID_SIZE], web[LAT_ID_SIZE], node[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    fill_after_task(cloud, job, web);
    change(cloud, job, (struct wish){.restarts = 1});
    await_status(cloud, job, "pending");
    await_reason(cloud, job, "2.000 processors are wanted, 1.000 of 2.000 are free");
    assert_string_equal(evaluation_of(cloud, job)->status, "blocked");
    assert_true(allocation_of(cloud, job, 0)->finished);
    assert_int_equal(reserved(cloud, node), 1000);
    expect_quiet(cloud);
    change(cloud, web, (struct wish){.desired = "removed"});
    await_desired(cloud, web, 0, "removed", 2);
    assert_int_equal(reserved(cloud, node), 1000);
    observe(cloud, web, 0, "removed", "");
    await_desired(cloud, job, 0, "running", 2);
    assert_false(allocation_of(cloud, job, 0)->finished);
    assert_int_equal(reserved(cloud, node), 2000);
}

static void a_task_that_ended_goes_elsewhere_where_its_node_has_no_room(void **state)
{
    struct cloud *cloud = *state;
    char job[LAT_ID_SIZE], web[LAT_ID_SIZE], node[LAT_ID_SIZE], other[LAT_ID_SIZE];
    const struct lat_allocation *left, *moved;

    add_node(cloud, "n1", node);
    fill_after_task(cloud, job, web);
    add_node(cloud, "n2", other);
    change(cloud, job, (struct wish){.restarts = 1});
    await_allocations(cloud, job, 2);
    left = allocation_of(cloud, job, 0);
    assert_string_equal(left->node_id, node);
    assert_string_equal(left->desired, "removed");
    assert_true(left->finished);
    assert_true(left->keep_data);
    assert_int_equal(reserved(cloud, node), 1000);
    assert_int_equal(reserved(cloud, other), 2000);
    assert_string_equal(evaluation_of(cloud, job)->reason, "placed on n2");
    await_status(cloud, job, "placing");
    expect_quiet(cloud);
    observe(cloud, job, 0, "removed", "");
    await_allocations(cloud, job, 1);
    moved = allocation_of(cloud, job, 0);
    assert_string_equal(moved->node_id, other);
    assert_int_equal(moved->generation, 1);
    finish(cloud, job, 0, "completed");
    await_status(cloud, job, "completed");
}

/* Returns the instance of a workload that is not being removed. */
static const struct lat_allocation *standing(struct cloud *cloud, const char *workload)
{
    const struct lat_row *row;
    void *cursor = NULL;

    while ((row = lat_store_each(cloud->bed->store, LAT_INDEX_ALLOCATION_WORKLOAD, workload,
                                 &cursor)) &&
           lat_text_equal(((const struct lat_allocation *)row)->desired, "removed")) {
    }
    assert_non_null(row);
    return (const struct lat_allocation *)row;
}

static void a_task_runs_again_elsewhere_while_its_first_node_is_away(void **state)
{
    struct cloud *cloud = *state;
    char job[LAT_ID_SIZE], node[LAT_ID_SIZE], other[LAT_ID_SIZE];
    struct lat_allocation *edited;
    struct lat_txn *txn;

    add_node(cloud, "n1", node);
    deploy(cloud, "job", 1, 2000, job);
    make_task(cloud, job);
    await_allocations(cloud, job, 1);
    finish(cloud, job, 0, "completed");
    set_node(cloud, node, "unreachable", "no link");
    add_node(cloud, "n2", other);
    change(cloud, job, (struct wish){.restarts = 1});
    await_allocations(cloud, job, 2);
    assert_string_equal(standing(cloud, job)->node_id, other);
    txn = lat_txn_begin(cloud->bed->store, "");
    edited = lat_allocation_edit(standing(cloud, job));
    lat_row_set(edited->status, "completed");
    edited->observed_generation = edited->generation;
    edited->finished = true;
    lat_txn_put(txn, &edited->row);
    commit_now(cloud->bed, txn);
    await_status(cloud, job, "completed"); /* though n1 still has to clear up */
    change(cloud, job, (struct wish){.restarts = 1});
    await_status(cloud, job, "starting");
    assert_int_equal(standing(cloud, job)->generation, 2);
    assert_false(standing(cloud, job)->finished);
    await_allocations(cloud, job, 2);
}

static bool all_keep_data(void *arg, const struct lat_workload *workload)
{
    (void)arg;
    (void)workload;
    return true;
}

static void a_task_whose_data_lies_where_it_ended_waits_for_room_there(void **state)
{
    struct cloud *cloud = *state;
    char job[LAT_ID_SIZE], web[LAT_ID_SIZE], node[LAT_ID_SIZE], other[LAT_ID_SIZE];

    orch_stop(cloud);
    cloud->keeps_data = all_keep_data;
    orch_start(cloud);
    add_node(cloud, "n1", node);
    fill_after_task(cloud, job, web);
    add_node(cloud, "n2", other);
    change(cloud, job, (struct wish){.restarts = 1});
    await_status(cloud, job, "pending");
    await_reason(cloud, job, "the data of this instance is on another node");
    await_reason(cloud, job, "2.000 processors are wanted, 1.000 of 2.000 are free");
    assert_int_equal(reserved(cloud, node) + reserved(cloud, other), 1000);
    change(cloud, web, (struct wish){.desired = "removed"});
    await_desired(cloud, web, 0, "removed", 2);
    observe(cloud, web, 0, "removed", "");
    await_desired(cloud, job, 0, "running", 2);
    assert_string_equal(allocation_of(cloud, job, 0)->node_id, node);
    await_allocations(cloud, job, 1);
}

static void each_instance_that_ended_runs_again_as_far_as_there_is_room(void **state)
{
    struct cloud *cloud = *state;
    char job[LAT_ID_SIZE], web[LAT_ID_SIZE], node[LAT_ID_SIZE];
    int64_t running;

    add_node(cloud, "n1", node);
    deploy(cloud, "job", 3, 500, job);
    make_task(cloud, job);
    await_allocations(cloud, job, 3);
    for (int64_t i = 0; i < 3; i++) {
        finish(cloud, job, i, "completed");
    }
    deploy(cloud, "web", 1, 1000, web);
    await_allocations(cloud, web, 1);
    change(cloud, job, (struct wish){.restarts = 1});
    await_status(cloud, job, "pending");
    assert_int_equal(reserved(cloud, node), 2000);
    running = 0;
    for (int64_t i = 0; i < 3; i++) {
        running += !allocation_of(cloud, job, i)->finished;
    }
    assert_int_equal(running, 2);
    finish(cloud, job, 0, "completed");
    await_desired(cloud, job, 2, "running", 2);
    assert_int_equal(reserved(cloud, node), 2000);
}

static void a_stop_leaves_a_task_that_ended_as_it_is(void **state)
{
    struct cloud *cloud = *state;
    char job[LAT_ID_SIZE], web[LAT_ID_SIZE], node[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    fill_after_task(cloud, job, web);
    for (int i = 0; i < 2; i++) { /* as often as one likes */
        change(cloud, job, (struct wish){.desired = "stopped"});
        await_status(cloud, job, "stopped");
        await_reason(cloud, job, "it had ended before: failed (it ended)");
        assert_true(allocation_of(cloud, job, 0)->finished);
        assert_int_equal(allocation_of(cloud, job, 0)->generation, 1);
        assert_int_equal(reserved(cloud, node), 1000);
    }
    change(cloud, job, (struct wish){.desired = "running"});
    await_status(cloud, job, "failed");
    assert_true(allocation_of(cloud, job, 0)->finished); /* to start it is not to run it again */
    expect_quiet(cloud);
    change(cloud, job, (struct wish){.desired = "removed"});
    await_desired(cloud, job, 0, "removed", 2);
    assert_int_equal(reserved(cloud, node), 1000);
    observe(cloud, job, 0, "removed", "");
    await_gone(cloud, job);
}

static void what_a_given_up_node_finished_is_not_run_again_and_can_be_removed(void **state)
{
    struct cloud *cloud = *state;
    struct lat_txn *txn;
    char id[LAT_ID_SIZE];
    char node[LAT_ID_SIZE];
    char other[LAT_ID_SIZE];

    add_node(cloud, "n1", node);
    deploy(cloud, "job", 1, 0, id);
    make_task(cloud, id);
    await_allocations(cloud, id, 1);
    finish(cloud, id, 0, "completed");
    add_node(cloud, "n2", other);
    txn = lat_txn_begin(cloud->bed->store, "");
    lat_txn_remove(txn, LAT_TABLE_NODE, node);
    commit_now(cloud->bed, txn);
    run_for(cloud, 2000);
    await_status(cloud, id, "completed");
    assert_string_equal(allocation_of(cloud, id, 0)->node_id, node);
    change(cloud, id, (struct wish){.desired = "removed"});
    await_gone(cloud, id);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, cloud_open, cloud_close)
    const struct CMUnitTest tests[] = {
        TEST(a_task_is_completed_when_all_its_instances_are),
        TEST(a_task_that_ended_runs_again_where_it_did_while_there_is_room),
        TEST(a_task_that_ended_waits_for_room_before_it_runs_again),
        TEST(a_task_that_ended_goes_elsewhere_where_its_node_has_no_room),
        TEST(a_task_runs_again_elsewhere_while_its_first_node_is_away),
        TEST(a_task_whose_data_lies_where_it_ended_waits_for_room_there),
        TEST(each_instance_that_ended_runs_again_as_far_as_there_is_room),
        TEST(a_stop_leaves_a_task_that_ended_as_it_is),
        TEST(what_a_given_up_node_finished_is_not_run_again_and_can_be_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
