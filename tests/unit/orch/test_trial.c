/* Trials change nothing and say what would be; and what is kept of evaluations in all. */
#include "support.h"
#include "tests/unit/waiting.h"

#include "sched/receipt.h"

#include <stdio.h>

/* What a trial said. */
struct told {
    bool is_over;
    int code;
    size_t wanted, placed;
    char reason[256];
    char policy[64];
    char fix[256];
    char nodes[8][LAT_ID_SIZE];
};

static void note(void *arg, const struct lat_trial *trial, const struct lat_err *err)
{
    struct told *told = arg;
    struct lat_receipt receipt;

    assert_false(told->is_over);
    told->is_over = true;
    if (err) {
        told->code = err->code;
        return;
    }
    told->wanted = trial->wanted;
    told->placed = trial->placed;
    lat_text_bound(told->reason, sizeof(told->reason), trial->reason);
    lat_text_bound(told->policy, sizeof(told->policy), trial->policy);
    for (size_t i = 0; i < trial->placed && i < 8; i++) {
        lat_text_bound(told->nodes[i], LAT_ID_SIZE, trial->nodes[i]);
    }
    if (trial->wanted == 0) {
        assert_string_equal(trial->receipt, "");
        return;
    }
    assert_int_equal(lat_receipt_read(trial->receipt, &receipt, NULL), 0);
    lat_text_bound(told->fix, sizeof(told->fix), receipt.fix);
    lat_receipt_done(&receipt);
}

static void try_out(struct cloud *cloud, int64_t count, int64_t cpu_milli, struct told *told)
{
    struct lat_workload *workload = lat_workload_new();

    *told = (struct told){.is_over = false};
    lat_text_bound(workload->row.id, LAT_ID_SIZE, "trial");
    lat_row_set(workload->project_id, cloud->project);
    lat_row_set(workload->name, "trial");
    lat_row_set(workload->desired, "running");
    workload->count = count;
    workload->cpu_milli = cpu_milli;
    lat_orch_try(cloud->orch, workload, note, told);
}

static void await(struct cloud *cloud, const struct told *told)
{
    for (int i = 0; i < WAITING_MS && !told->is_over; i++) {
        run_for(cloud, 1);
    }
    assert_true(told->is_over);
}

static void a_trial_says_where_all_instances_would_go_and_places_none(void **state)
{
    struct cloud *cloud = *state;
    char first[LAT_ID_SIZE], second[LAT_ID_SIZE], id[LAT_ID_SIZE];
    struct told told;

    add_node(cloud, "n1", first);
    add_node(cloud, "n2", second);
    try_out(cloud, 4, 1000, &told); /* two on each: each sees what those before it would take */
    await(cloud, &told);
    assert_int_equal(told.code, 0);
    assert_int_equal(told.placed, 4);
    for (int i = 0, on_first = 0; i < 4; i++) {
        on_first += lat_text_equal(told.nodes[i], first);
        assert_true(i < 3 || on_first == 2);
    }
    assert_string_equal(told.policy, "built-in");
    assert_string_equal(told.fix, "");
    assert_int_equal(count_of(cloud, LAT_INDEX_ALLOCATION_NODE, first), 0);
    assert_int_equal(count_of(cloud, LAT_INDEX_EVALUATION_WORKLOAD, "trial"), 0);
    expect_quiet(cloud);
    deploy(cloud, "db", 4, 1000, id); /* nothing of it is reserved */
    await_allocations(cloud, id, 4);
}

static void a_trial_that_finds_no_room_says_what_would_help(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE];
    struct told told;

    add_node(cloud, "n1", node);
    try_out(cloud, 2, 1500, &told);
    await(cloud, &told);
    assert_int_equal(told.wanted, 2);
    assert_int_equal(told.placed, 1);
    assert_non_null(strstr(told.reason, "0.500 of 2.000 are free"));
    assert_string_equal(told.fix, "n1 lacks 1 processors: ask for 0.5 processors or less, or free "
                                  "1 processors there.");
    expect_quiet(cloud);
}

/* As it would be with so many instances. */
static void try_count(struct cloud *cloud, const char *id, int64_t count, struct told *told)
{
    struct lat_workload *workload = lat_workload_edit(lat_store_workload(cloud->bed->store, id));

    *told = (struct told){.is_over = false};
    workload->count = count;
    lat_orch_try(cloud->orch, workload, note, told);
    await(cloud, told);
}

static void a_trial_of_a_workload_that_stands_is_about_what_is_missing(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], id[LAT_ID_SIZE];
    struct told told;

    add_node(cloud, "n1", node);
    deploy(cloud, "db", 2, 500, id);
    await_allocations(cloud, id, 2);
    try_count(cloud, id, 4, &told);
    assert_int_equal(told.wanted, 2);
    assert_int_equal(told.placed, 2);
    try_count(cloud, id, 5, &told); /* two processors, and what stands counts */
    assert_int_equal(told.wanted, 3);
    assert_int_equal(told.placed, 2);
    try_count(cloud, id, 1, &told);
    assert_int_equal(told.wanted, 0);
    assert_int_equal(told.placed, 0);
    assert_string_equal(told.reason, "");
    expect_quiet(cloud);
}

static void a_trial_without_a_node_ends_too(void **state)
{
    struct told told;

    try_out(*state, 1, 0, &told);
    await(*state, &told);
    assert_int_equal(told.placed, 0);
    assert_string_equal(told.reason, "no node has joined yet");
}

static void trials_and_deploys_take_turns(void **state)
{
    struct cloud *cloud = *state;
    char node[LAT_ID_SIZE], ids[3][LAT_ID_SIZE];
    struct told told[3];

    add_node(cloud, "n1", node);
    for (int i = 0; i < 3; i++) {
        char name[8] = {'w', (char)('0' + i)};

        try_out(cloud, 3, 500, &told[i]);
        deploy(cloud, name, 1, 500, ids[i]);
    }
    for (int i = 0; i < 3; i++) {
        await(cloud, &told[i]);
        await_allocations(cloud, ids[i], 1);
    }
    try_out(cloud, 2, 500, &told[0]);
    await(cloud, &told[0]);
    assert_int_equal(told[0].placed, 1); /* what three deploys left */
}

static void one_trial_too_many_is_refused_and_a_stop_ends_those_that_wait(void **state)
{
    struct cloud *cloud = *state;
    struct told told[LAT_ORCH_TRIALS_MAX + 1];

    for (size_t i = 0; i < LAT_COUNT(told); i++) {
        try_out(cloud, 1, 0, &told[i]);
    }
    assert_int_equal(told[LAT_ORCH_TRIALS_MAX].code, LAT_E_BUSY);
    assert_false(told[LAT_ORCH_TRIALS_MAX - 1].is_over);
    orch_stop(cloud);
    for (size_t i = 0; i < LAT_ORCH_TRIALS_MAX; i++) {
        assert_int_equal(told[i].code, LAT_E_CANCELLED);
    }
}

/* ---- what is kept ---- */

static void start_with(struct cloud *cloud, size_t evaluations, int64_t bytes)
{
    cloud->orch = lat_orch_new(&(struct lat_orch_options){.loop = cloud->bed->loop,
                                                          .store = cloud->bed->store,
                                                          .luahost = cloud->luahost,
                                                          .metrics = cloud->bed->metrics,
                                                          .evaluations_max = evaluations,
                                                          .receipt_bytes_max = bytes});
}

static void put_evaluations(struct cloud *cloud, const char *workload, int count)
{
    struct lat_txn *txn = lat_txn_begin(cloud->bed->store, "");

    for (int i = 0; i < count; i++) {
        struct lat_evaluation *evaluation = lat_evaluation_new();

        lat_row_set(evaluation->workload_id, workload);
        lat_row_set(evaluation->receipt, "0123456789");
        lat_txn_put(txn, &evaluation->row);
    }
    commit_now(cloud->bed, txn);
}

static void await_evaluations(struct cloud *cloud, const char *workload, size_t count)
{
    for (int i = 0;
         i < WAITING_MS && count_of(cloud, LAT_INDEX_EVALUATION_WORKLOAD, workload) != count; i++) {
        run_for(cloud, 1);
    }
    assert_int_equal(count_of(cloud, LAT_INDEX_EVALUATION_WORKLOAD, workload), count);
}

static void of_too_many_evaluations_the_oldest_go_and_last_words_last(void **state)
{
    struct cloud *cloud = *state;

    orch_stop(cloud);
    put_evaluations(cloud, "old", 3);
    put_evaluations(cloud, "new", 300);
    start_with(cloud, 300, 0); /* a start counts what is there */
    await_evaluations(cloud, "old", 1);
    await_evaluations(cloud, "new", 299);
    run_for(cloud, 20);
    await_evaluations(cloud, "new", 299); /* as many as the limit are kept */
    put_evaluations(cloud, "third", 1);
    await_evaluations(cloud, "new", 298);
    await_evaluations(cloud, "old", 1);
    orch_stop(cloud);
    start_with(cloud, 2, 0);
    await_evaluations(cloud, "new", 1);
    await_evaluations(cloud, "third", 1);
    await_evaluations(cloud, "old", 0); /* where there is nothing else, they go, too */
}

static void receipts_are_bounded_by_their_bytes_too(void **state)
{
    struct cloud *cloud = *state;

    orch_stop(cloud);
    start_with(cloud, 0, 100);
    put_evaluations(cloud, "w", 10);
    run_for(cloud, 20);
    await_evaluations(cloud, "w", 10);
    put_evaluations(cloud, "w", 2);
    await_evaluations(cloud, "w", 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, cloud_open, cloud_close)
        T(a_trial_says_where_all_instances_would_go_and_places_none),
        T(a_trial_that_finds_no_room_says_what_would_help),
        T(a_trial_of_a_workload_that_stands_is_about_what_is_missing),
        T(a_trial_without_a_node_ends_too),
        T(trials_and_deploys_take_turns),
        T(one_trial_too_many_is_refused_and_a_stop_ends_those_that_wait),
        T(of_too_many_evaluations_the_oldest_go_and_last_words_last),
        T(receipts_are_bounded_by_their_bytes_too),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
