/* What a dry run says is what the real one then does: on the same nodes, to the same receipt where something finds no place. Fleets, what stands
 * there, and what workloads ask for are drawn by seed; each fleet fills up, deploy after deploy and scale-up after scale-up.
 *
 * A policy that is not compiled is asked in a Lua process, which is this program itself. */
#include "support.h"
#include "tests/unit/waiting.h"

#include "base/random.h"
#include "lua/host/host.h"
#include "luahost/protocol.h"

#include <stdio.h>
#include <time.h>

enum { FLEETS = 4, WORKLOADS = 9, NODES = 14, INSTANCES_MAX = 14, LONG_MS = 30000 };

static const char *const placements[] = {
    "",
    "",
    "{\"spread\":{\"by\":\"zone\"}}",
    "{\"spread\":{\"by\":\"zone\",\"max_skew\":1}}",
    "{\"spread\":{\"by\":\"node\",\"max_skew\":2}}",
    "{\"affinity\":[{\"workload\":\"w0\",\"by\":\"zone\"}]}",
    "{\"anti_affinity\":[{\"workload\":\"w1\",\"by\":\"node\"}],\"spread\":{\"by\":\"zone\"}}",
    "{\"affinity\":[{\"labels\":{\"tier\":\"front\"},\"by\":\"zone\",\"weight\":40}]}",
};

static const char *const gpus[] = {
    "", "", "[{\"id\":\"g0\",\"model\":\"T4\"},{\"id\":\"g1\",\"model\":\"T4\"}]"};

/* Compiled: what is free, and instances apart. */
static const char compiled[] = "function score(node)\n"
                               "  return 100 * node.free_cpu / node.cpu + node.free_gpu_share\n"
                               "    - 30 * node.workload_instances\n"
                               "end\n";

/* Not compiled, for a loop that depends on the node. */
static const char asked[] =
    "function score(node)\n"
    "  local r = 0\n"
    "  while (r + 1) * (r + 1) <= node.rank do r = r + 1 end\n"
    "  return 100 * node.free_cpu / node.cpu - 30 * node.workload_instances + r\n"
    "end\n";

struct world {
    struct cloud *cloud;
    struct lat_random *random;
    const char *decides; /* as receipts name it */
    char nodes[NODES][LAT_ID_SIZE];
    char node_names[NODES][16];
};

/* What a dry run says. */
struct told {
    bool is_over;
    size_t wanted, placed;
    char nodes[INSTANCES_MAX][LAT_ID_SIZE];
    char *reason, *receipt; /* owned */
    char policy[64];
};

static size_t below(struct world *world, size_t limit)
{
    return (size_t)lat_random_below(world->random, limit);
}

static const char *draw(struct world *world, const char *const *texts, size_t count)
{
    return texts[below(world, count)];
}

/* Returns hours that are not now, nor soon. */
static const char *other_day(const struct world *world)
{
    static const char *const days[] = {"sun 10:00-12:00", "mon 10:00-12:00", "tue 10:00-12:00",
                                       "wed 10:00-12:00", "thu 10:00-12:00", "fri 10:00-12:00",
                                       "sat 10:00-12:00"};
    time_t now = (time_t)(lat_clock_wall_ms(lat_loop_clock(world->cloud->bed->loop)) / 1000);
    struct tm today;

    assert_non_null(gmtime_r(&now, &today));
    return days[(today.tm_wday + 3) % 7];
}

static void add_drawn_nodes(struct world *world)
{
    struct lat_txn *txn = lat_txn_begin(world->cloud->bed->store, "");
    const char *hours[] = {"", "", "", "daily 00:00-24:00", other_day(world)};

    for (size_t i = 0; i < NODES; i++) {
        struct lat_node *node = lat_node_new();
        char *labels = lat_text_format("{\"zone\":\"z%zu\"}", below(world, 3));

        snprintf(world->node_names[i], sizeof(world->node_names[i]), "n%zu", i);
        lat_row_set(node->name, world->node_names[i]);
        lat_row_set(node->status, below(world, 12) == 0 ? "unreachable" : "ready");
        lat_row_set(node->key_digest, world->node_names[i]);
        lat_row_set(node->pool, "default");
        lat_row_take(node->labels, labels);
        lat_row_set(node->hours, draw(world, hours, LAT_COUNT(hours)));
        lat_row_set(node->gpus, draw(world, gpus, LAT_COUNT(gpus)));
        node->rank = (int64_t)below(world, 30);
        node->cpu_milli = (int64_t)(1 + below(world, 4)) * 1500;
        node->memory_bytes = INT64_C(4000) << 20;
        lat_text_bound(world->nodes[i], LAT_ID_SIZE, lat_txn_put(txn, &node->row)->id);
    }
    commit_now(world->cloud->bed, txn);
}

/* A workload as it is drawn; owned by a transaction, or a trial. */
static struct lat_workload *draw_workload(struct world *world, const char *name)
{
    struct lat_workload *workload = lat_workload_new();

    lat_row_set(workload->project_id, world->cloud->project);
    lat_row_set(workload->name, name);
    lat_row_set(workload->type, "custom");
    lat_row_set(workload->desired, "running");
    lat_row_set(workload->status, "placing");
    lat_row_set(workload->labels, below(world, 2) ? "{\"tier\":\"front\"}" : "");
    lat_row_set(workload->placement, draw(world, placements, LAT_COUNT(placements)));
    lat_row_set(workload->host_ports, below(world, 6) == 0 ? "[8080]" : "");
    workload->gpu_share_milli = below(world, 6) == 0 ? 400 : 0;
    workload->count = (int64_t)(1 + below(world, INSTANCES_MAX / 2));
    workload->cpu_milli = (int64_t)(1 + below(world, 4)) * 250;
    workload->memory_bytes = INT64_C(50) << 20;
    workload->generation = 1;
    return workload;
}

/* Says of some instances, some of them still to come, that their data lives on a node, or on two. */
static void scatter_data(struct world *world, const char *workload)
{
    struct lat_txn *txn = lat_txn_begin(world->cloud->bed->store, "");

    for (size_t i = 0; i < NODES; i++) {
        struct lat_node *node = lat_node_edit(
            (const struct lat_node *)lat_txn_get(txn, LAT_TABLE_NODE, world->nodes[i]));

        lat_row_take(node->volumes, below(world, 3) == 0
                                        ? lat_text_format("[\"%s/%zu\",\"%s/%zu\"]", workload,
                                                          below(world, INSTANCES_MAX), workload,
                                                          below(world, INSTANCES_MAX))
                                        : lat_text_copy(""));
        lat_txn_put(txn, &node->row);
    }
    commit_now(world->cloud->bed, txn);
}

static void note(void *arg, const struct lat_trial *trial, const struct lat_err *err)
{
    struct told *told = arg;

    assert_null(err);
    told->wanted = trial->wanted;
    told->placed = trial->placed;
    told->reason = lat_text_copy(trial->reason);
    told->receipt = lat_text_copy(trial->receipt);
    lat_text_bound(told->policy, sizeof(told->policy), trial->policy);
    for (size_t i = 0; i < trial->placed; i++) {
        lat_text_bound(told->nodes[i], LAT_ID_SIZE, trial->nodes[i]);
    }
    told->is_over = true;
}

static struct told try_out(struct cloud *cloud, struct lat_workload *workload)
{
    struct told told = {.is_over = false};

    lat_orch_try(cloud->orch, workload, note, &told);
    run_until(cloud->bed, &told.is_over);
    return told;
}

/* Counts instances of a workload by node, as it stands. */
static void count_by_node(const struct world *world, const char *workload, int ret_counts[NODES])
{
    const struct lat_row *row;
    void *cursor = NULL;

    memset(ret_counts, 0, NODES * sizeof(*ret_counts));
    while ((row = lat_store_each(world->cloud->bed->store, LAT_INDEX_ALLOCATION_WORKLOAD, workload,
                                 &cursor))) {
        for (size_t i = 0; i < NODES; i++) {
            ret_counts[i] +=
                lat_text_equal(((const struct lat_allocation *)row)->node_id, world->nodes[i]);
        }
    }
}

/* Waits until what was said is there, and what finds no place has its word. */
static void settle(struct cloud *cloud, const char *workload, size_t stood, const struct told *told)
{
    const struct lat_evaluation *last = NULL;

    await_allocations(cloud, workload, stood + told->placed);
    for (int i = 0; i < WAITING_MS && told->placed < told->wanted; i++) {
        last = evaluation_of(cloud, workload);
        if (last && lat_text_equal(last->reason, told->reason)) {
            break;
        }
        run_for(cloud, 1);
    }
    run_for(cloud, 5); /* what should not come would */
}

/* Holds what was said beside what is: instances in addition to those before, and a newer evaluation than the one that is known. */
static void compare(const struct world *world, const char *workload, const struct told *told,
                    const int before[NODES], const struct lat_evaluation *known)
{
    const struct lat_evaluation *last = evaluation_of(world->cloud, workload);
    int counts[NODES];

    count_by_node(world, workload, counts);
    for (size_t node = 0; node < NODES; node++) {
        int said = before[node];

        for (size_t i = 0; i < told->placed; i++) {
            said += lat_text_equal(told->nodes[i], world->nodes[node]);
        }
        if (said != counts[node]) {
            fail_msg("%s, %s: %d on %s are said, and %d are there (%s)",
                     workload_of(world->cloud, workload)->name,
                     workload_of(world->cloud, workload)->placement, said, world->node_names[node],
                     counts[node], told->reason);
        }
    }
    if (told->wanted > 0) {
        assert_string_equal(last->policy, told->policy);
        assert_true(!*told->policy || lat_text_equal(told->policy, world->decides));
    }
    if (told->placed < told->wanted) {
        assert_string_equal(last->status, "blocked");
        assert_string_equal(last->reason, told->reason);
    }
    if (told->placed < told->wanted && last != known) { /* what is known is not written again */
        assert_string_equal(last->receipt, told->receipt);
    }
}

static void forget(struct told *told)
{
    free(told->reason);
    free(told->receipt);
}

/* Deploys a workload that was tried under another id, as no dry run of a deploy knows the one that it will have. */
static void deploy_as_tried(struct world *world, const char *name, char ret_id[LAT_ID_SIZE])
{
    static const int nothing[NODES] = {0};
    struct cloud *cloud = world->cloud;
    struct lat_workload *workload = draw_workload(world, name);
    struct lat_txn *txn;
    struct told told;

    lat_row_ref(&workload->row);
    told = try_out(cloud, workload);
    txn = lat_txn_begin(cloud->bed->store, "");
    lat_text_bound(ret_id, LAT_ID_SIZE, lat_txn_put(txn, &workload->row)->id);
    commit_now(cloud->bed, txn);
    settle(cloud, ret_id, 0, &told);
    compare(world, ret_id, &told, nothing, NULL);
    forget(&told);
}

/* Gives a workload more instances, as was tried, when some of its data is scattered over the nodes. Meanwhile it is stopped, so that nothing of
 * it waits for what changes. Returns how many were placed. */
static size_t scale_as_tried(struct world *world, const char *id)
{
    struct cloud *cloud = world->cloud;
    const struct lat_evaluation *known;
    struct lat_workload *wanted;
    struct told told;
    int before[NODES];
    size_t stood, placed;
    int64_t count;

    change(cloud, id, (struct wish){.desired = "stopped"});
    scatter_data(world, id);
    stood = count_of(cloud, LAT_INDEX_ALLOCATION_WORKLOAD, id);
    known = evaluation_of(cloud, id);
    if (known) {
        lat_row_ref(&known->row);
    }
    count_by_node(world, id, before);
    wanted = lat_workload_edit(workload_of(cloud, id));
    count = wanted->count + (int64_t)(1 + below(world, INSTANCES_MAX / 2));
    wanted->count = count;
    lat_row_set(wanted->desired, "running");
    told = try_out(cloud, wanted);
    change(cloud, id, (struct wish){.desired = "running", .count = count});
    settle(cloud, id, stood, &told);
    compare(world, id, &told, before, known);
    change(cloud, id, (struct wish){.desired = "stopped"});
    placed = told.placed;
    forget(&told);
    if (known) {
        lat_row_unref(&known->row);
    }
    return placed;
}

/* Fills a fleet. `policy`: NULL is the placement that is built in. Returns how many instances scale-ups placed. */
static size_t fill_fleet(uint64_t seed, const char *policy)
{
    struct world world = {.random = lat_random_new_seeded(seed)};
    size_t placed = 0;
    void *cloud;

    cloud_open(&cloud);
    world.cloud = cloud;
    if (policy) {
        lat_luahost_set_deadline(world.cloud->luahost, LONG_MS);
        load_policy(world.cloud, 3, policy);
    }
    add_drawn_nodes(&world);
    world.decides = policy ? "placement 3" : "built-in";
    for (int i = 0; i < WORKLOADS; i++) {
        char id[LAT_ID_SIZE], name[16];

        snprintf(name, sizeof(name), "w%d", i);
        deploy_as_tried(&world, name, id);
        placed += scale_as_tried(&world, id);
    }
    cloud_close(&cloud);
    lat_random_free(world.random);
    return placed;
}

static void fill_fleets(const char *policy)
{
    size_t placed = 0;

    for (uint64_t seed = 1; seed <= FLEETS; seed++) {
        placed += fill_fleet(seed, policy);
    }
    assert_true(placed > (size_t)FLEETS * WORKLOADS); /* or it says little */
}

static void a_dry_run_is_what_the_built_in_placement_then_does(void **state)
{
    (void)state;
    fill_fleets(NULL);
}

static void a_dry_run_is_what_a_compiled_policy_then_does(void **state)
{
    (void)state;
    fill_fleets(compiled);
}

static void a_dry_run_is_what_a_policy_that_is_asked_then_does(void **state)
{
    (void)state;
    fill_fleets(asked);
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dry_run_is_what_the_built_in_placement_then_does),
        cmocka_unit_test(a_dry_run_is_what_a_compiled_policy_then_does),
        cmocka_unit_test(a_dry_run_is_what_a_policy_that_is_asked_then_does),
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
