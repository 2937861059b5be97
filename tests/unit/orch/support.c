#include "support.h"

#include "tests/unit/waiting.h"

#include <stdio.h>

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

void run_for(struct cloud *cloud, int64_t ms)
{
    waiting_run(cloud->bed->loop, ms);
}

void orch_start(struct cloud *cloud)
{
    cloud->orch = lat_orch_new(&(struct lat_orch_options){.loop = cloud->bed->loop,
                                                          .store = cloud->bed->store,
                                                          .luahost = cloud->luahost,
                                                          .history = cloud->history,
                                                          .metrics = cloud->bed->metrics,
                                                          .keeps_data = cloud->keeps_data});
}

void orch_stop(struct cloud *cloud)
{
    cloud->orch = lat_orch_free(cloud->orch);
}

int cloud_open(void **state)
{
    struct cloud *cloud = LAT_NEW(struct cloud);
    struct lat_luahost_options options = {.stderr_fd = -1};
    struct lat_txn *txn;
    struct lat_err err;
    char *path;
    void *bed;

    bed_open(&bed);
    cloud->bed = bed;
    cloud->random = lat_random_new_seeded(1);
    cloud->luahost =
        lat_luahost_new(cloud->bed->loop, NULL, cloud->bed->metrics, cloud->random, &options);
    path = lat_text_format("%s/history.db", cloud->bed->dir);
    assert_int_equal(
        lat_history_open(&(struct lat_history_options){.loop = cloud->bed->loop, .path = path},
                         &cloud->history, &err),
        0);
    free(path);
    txn = lat_txn_begin(cloud->bed->store, "");
    lat_text_bound(cloud->project, LAT_ID_SIZE, put_project(txn, "main"));
    commit_now(cloud->bed, txn);
    orch_start(cloud);
    *state = cloud;
    return 0;
}

static void policy_loaded(void *arg, const struct lat_err *err)
{
    if (err) {
        fail_msg("%s", err->sentence);
    }
    *(bool *)arg = true;
}

void load_policy(struct cloud *cloud, int64_t revision, const char *source)
{
    struct lat_luahost_source policy = {
        .kind = LAT_LUAHOST_POLICY, .name = "placement", .revision = revision, .source = source};
    bool loaded = false;

    lat_luahost_load(cloud->luahost, &policy, policy_loaded, &loaded);
    run_until(cloud->bed, &loaded);
}

int cloud_close(void **state)
{
    struct cloud *cloud = *state;
    bool closed = false;
    void *bed = cloud->bed;

    orch_stop(cloud);
    lat_luahost_close(cloud->luahost, set_true, &closed);
    run_until(cloud->bed, &closed);
    cloud->bed->store = lat_store_close(cloud->bed->store);
    lat_history_close(cloud->history);
    lat_random_free(cloud->random);
    free(cloud);
    bed_close(&bed);
    return 0;
}

/* ---- rows ---- */

void add_node(struct cloud *cloud, const char *name, char ret_id[LAT_ID_SIZE])
{
    struct lat_txn *txn = lat_txn_begin(cloud->bed->store, "");
    struct lat_node *node = lat_node_new();

    lat_row_set(node->name, name);
    lat_row_set(node->status, "ready");
    lat_row_set(node->key_digest, name);
    lat_row_set(node->pool, "default");
    node->cpu_milli = 2000;
    node->memory_bytes = INT64_C(1000) << 20;
    lat_text_bound(ret_id, LAT_ID_SIZE, lat_txn_put(txn, &node->row)->id);
    commit_now(cloud->bed, txn);
}

void add_nodes(struct cloud *cloud, size_t count)
{
    struct lat_txn *txn = lat_txn_begin(cloud->bed->store, "");
    char name[32];

    for (size_t i = 0; i < count; i++) {
        struct lat_node *node = lat_node_new();

        snprintf(name, sizeof(name), "node-%05zu", i);
        lat_row_set(node->name, name);
        lat_row_set(node->status, "ready");
        lat_row_set(node->key_digest, name);
        lat_row_set(node->pool, "default");
        node->cpu_milli = 2000;
        node->memory_bytes = INT64_C(1000) << 20;
        lat_txn_put(txn, &node->row);
    }
    commit_now(cloud->bed, txn);
}

void set_node(struct cloud *cloud, const char *id, const char *status, const char *reason)
{
    struct lat_txn *txn = lat_txn_begin(cloud->bed->store, "");
    struct lat_node *node =
        lat_node_edit((const struct lat_node *)lat_txn_get(txn, LAT_TABLE_NODE, id));

    lat_row_set(node->status, status);
    lat_row_set(node->reason, reason);
    lat_txn_put(txn, &node->row);
    commit_now(cloud->bed, txn);
}

void deploy(struct cloud *cloud, const char *name, int64_t count, int64_t cpu_milli,
            char ret_id[LAT_ID_SIZE])
{
    struct lat_txn *txn = lat_txn_begin(cloud->bed->store, "r-deploy");
    struct lat_workload *workload = lat_workload_new();

    lat_row_set(workload->project_id, cloud->project);
    lat_row_set(workload->name, name);
    lat_row_set(workload->type, "custom");
    lat_row_set(workload->desired, "running");
    lat_row_set(workload->status, "placing");
    lat_row_set(workload->request_id, "r-deploy");
    workload->count = count;
    workload->cpu_milli = cpu_milli;
    workload->generation = 1;
    lat_text_bound(ret_id, LAT_ID_SIZE, lat_txn_put(txn, &workload->row)->id);
    commit_now(cloud->bed, txn);
}

void change(struct cloud *cloud, const char *id, struct wish wish)
{
    struct lat_txn *txn = lat_txn_begin(cloud->bed->store, "r-change");
    struct lat_workload *workload =
        lat_workload_edit((const struct lat_workload *)lat_txn_get(txn, LAT_TABLE_WORKLOAD, id));

    if (wish.desired) {
        lat_row_set(workload->desired, wish.desired);
    }
    if (wish.count > 0) {
        workload->count = wish.count;
    }
    workload->restarts += wish.restarts;
    workload->generation += wish.generation;
    lat_row_set(workload->request_id, "r-change");
    lat_txn_put(txn, &workload->row);
    commit_now(cloud->bed, txn);
}

void stage_slowly(struct cloud *cloud, struct answer *answer, char ret_id[LAT_ID_SIZE])
{
    struct lat_txn *txn = lat_txn_begin(cloud->bed->store, "r-deploy");
    const char *id = put_workload(txn, cloud->project, "early");
    struct lat_workload *workload =
        lat_workload_edit((const struct lat_workload *)lat_txn_get(txn, LAT_TABLE_WORKLOAD, id));

    lat_row_set(workload->desired, "running");
    lat_row_set(workload->status, "placing");
    workload->count = 1;
    workload->generation = 1;
    lat_text_bound(ret_id, LAT_ID_SIZE, lat_txn_put(txn, &workload->row)->id);
    cloud->bed->script->delay_ms = 2000;
    commit(txn, answer);
}

static const struct lat_allocation *find_allocation(struct cloud *cloud, struct lat_txn *txn,
                                                    const char *workload, int64_t ordinal)
{
    const struct lat_row *row;
    void *cursor = NULL;

    while ((row = txn ? lat_txn_each(txn, LAT_INDEX_ALLOCATION_WORKLOAD, workload, &cursor)
                      : lat_store_each(cloud->bed->store, LAT_INDEX_ALLOCATION_WORKLOAD, workload,
                                       &cursor))) {
        if (((const struct lat_allocation *)row)->ordinal == ordinal) {
            return (const struct lat_allocation *)row;
        }
    }
    return NULL;
}

void observe(struct cloud *cloud, const char *workload, int64_t ordinal, const char *status,
             const char *reason)
{
    struct lat_txn *txn = lat_txn_begin(cloud->bed->store, "r-agent");
    const struct lat_allocation *latest = find_allocation(cloud, txn, workload, ordinal);
    struct lat_allocation *edited;

    assert_non_null(latest);
    edited = lat_allocation_edit(latest);
    lat_row_set(edited->status, status);
    lat_row_set(edited->reason, reason);
    edited->observed_generation = latest->generation;
    lat_txn_put(txn, &edited->row);
    commit_now(cloud->bed, txn);
}

/* ---- looking ---- */

const struct lat_workload *workload_of(struct cloud *cloud, const char *id)
{
    return lat_store_workload(cloud->bed->store, id);
}

const struct lat_allocation *allocation_of(struct cloud *cloud, const char *workload,
                                           int64_t ordinal)
{
    return find_allocation(cloud, NULL, workload, ordinal);
}

bool is_planned(struct cloud *cloud, const char *workload)
{
    struct lat_txn *txn = lat_txn_begin(cloud->bed->store, "");
    void *cursor = NULL;
    bool planned = lat_txn_each(txn, LAT_INDEX_ALLOCATION_WORKLOAD, workload, &cursor) != NULL;

    lat_txn_cancel(txn);
    return planned;
}

size_t count_of(struct cloud *cloud, int index, const char *key)
{
    void *cursor = NULL;
    size_t count = 0;

    while (lat_store_each(cloud->bed->store, index, key, &cursor)) {
        count++;
    }
    return count;
}

const struct lat_evaluation *evaluation_of(struct cloud *cloud, const char *workload)
{
    const struct lat_row *newest = NULL;
    const struct lat_row *row;
    void *cursor = NULL;

    while ((row = lat_store_each(cloud->bed->store, LAT_INDEX_EVALUATION_WORKLOAD, workload,
                                 &cursor))) {
        newest = row;
    }
    return (const struct lat_evaluation *)newest;
}

void await_status(struct cloud *cloud, const char *workload, const char *status)
{
    for (int i = 0; i < WAITING_MS && !lat_text_equal(workload_of(cloud, workload)->status, status);
         i++) {
        run_for(cloud, 1);
    }
    assert_string_equal(workload_of(cloud, workload)->status, status);
}

void await_reason(struct cloud *cloud, const char *workload, const char *part)
{
    for (int i = 0; i < WAITING_MS && !strstr(workload_of(cloud, workload)->reason, part); i++) {
        run_for(cloud, 1);
    }
    if (!strstr(workload_of(cloud, workload)->reason, part)) {
        fail_msg("its reason is '%s'", workload_of(cloud, workload)->reason);
    }
}

void await_allocations(struct cloud *cloud, const char *workload, size_t count)
{
    for (int i = 0;
         i < WAITING_MS && count_of(cloud, LAT_INDEX_ALLOCATION_WORKLOAD, workload) != count; i++) {
        run_for(cloud, 1);
    }
    assert_int_equal(count_of(cloud, LAT_INDEX_ALLOCATION_WORKLOAD, workload), count);
}

void await_desired(struct cloud *cloud, const char *workload, int64_t ordinal, const char *desired,
                   int64_t generation)
{
    const struct lat_allocation *allocation = NULL;
    bool is_so = false;

    for (int i = 0; i < WAITING_MS && !is_so; i++) {
        run_for(cloud, 1);
        allocation = allocation_of(cloud, workload, ordinal);
        is_so = allocation && lat_text_equal(allocation->desired, desired) &&
                allocation->generation == generation;
    }
    if (!is_so) {
        fail_msg("instance %d is wanted %s, generation %d", (int)ordinal,
                 allocation ? allocation->desired : "not at all",
                 allocation ? (int)allocation->generation : 0);
    }
}

void await_gone(struct cloud *cloud, const char *workload)
{
    for (int i = 0; i < WAITING_MS && workload_of(cloud, workload); i++) {
        run_for(cloud, 1);
    }
    assert_null(workload_of(cloud, workload));
}

void deploy_running(struct cloud *cloud, const char *name, char ret_id[LAT_ID_SIZE])
{
    deploy(cloud, name, 1, 0, ret_id);
    await_allocations(cloud, ret_id, 1);
    observe(cloud, ret_id, 0, "running", "");
    await_status(cloud, ret_id, "running");
}

void expect_quiet(struct cloud *cloud)
{
    int64_t index;

    run_for(cloud, 100); /* what follows from the last change */
    index = lat_store_index(cloud->bed->store);
    run_for(cloud, 500); /* longer than any wait of the reconcilers */
    assert_int_equal(lat_store_index(cloud->bed->store), index);
}
