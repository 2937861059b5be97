/* Many instances at once: the choices of one plan are those that plans of one instance each make, one after the other, whatever the
 * workload asks of a place, and whether a program judges or a policy elsewhere is asked. Fleets and workloads are drawn by seed. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "sched/plan.h"
#include "tests/unit/support/programs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MB = 1 << 20, NODES_MAX = 120, ROUNDS = 500, INSTANCES_MAX = 60, OTHERS_MAX = 12 };

/* Refuses nodes of the pool "closed"; 500 for free processors, 200 for a free device, less 100 for each instance of the workload. */
static const char spreading[] =
    "{\"version\":1,\"ops\":[[\"field\",\"node.free_cpu\"],[\"field\",\"node.cpu\"],[\"div_f\",0,1],"
    "[\"const_f\",\"0x1.f4p+8\"],[\"mul_f\",2,3],[\"field\",\"node.free_gpu_share\"],"
    "[\"const_f\",\"0x1.9p+7\"],[\"mul_f\",5,6],[\"field\",\"node.workload_instances\"],[\"i2f\",8],"
    "[\"const_f\",\"-0x1.9p+6\"],[\"mul_f\",9,10],[\"add_f\",4,7],[\"add_f\",12,11],"
    "[\"field\",\"node.pool\"],[\"const_s\",\"closed\"],[\"eq_s\",14,15]],"
    "\"traps\":[],\"rules\":[{\"when\":16,\"line\":4,\"text\":\"node.pool == 'closed'\",\"reason\":"
    "[\"is in a closed pool\"],\"have\":14}],\"score\":13,\"terms\":[{\"value\":4,\"line\":6,\"text\":"
    "\"500 * free_cpu\"},{\"value\":7,\"line\":7,\"text\":\"200 * node.free_gpu_share\"},{\"value\":11,"
    "\"line\":8,\"text\":\"-100 * node.workload_instances\"}]}";

/* The fuller a node, the better: the same one stays the best. */
static const char filling[] =
    "{\"version\":1,\"ops\":[[\"field\",\"node.free_cpu\"],[\"field\",\"node.cpu\"],[\"div_f\",0,1],"
    "[\"const_f\",\"-0x1.f4p+8\"],[\"mul_f\",2,3]],\"traps\":[],\"rules\":[],\"score\":4,\"terms\":[]}";

/* The emptier, the better, whoever stands there: one is soon the best again. */
static const char levelling[] =
    "{\"version\":1,\"ops\":[[\"field\",\"node.free_cpu\"],[\"const_f\",\"0x1.f4p+8\"],[\"mul_f\",0,1]],"
    "\"traps\":[],\"rules\":[],\"score\":2,\"terms\":[]}";

/* A node with an odd number of instances is better than one with an even number; a fourth is refused. */
static const char jumping[] =
    "{\"version\":1,\"ops\":[[\"field\",\"node.workload_instances\"],[\"const_i\",\"2\"],[\"mod_i\",0,1],"
    "[\"i2f\",2],[\"lt_i\",1,0]],\"traps\":[],\"rules\":[{\"when\":4,\"line\":2,\"text\":\"2 < "
    "node.workload_instances\",\"reason\":[\"has enough\"]}],\"score\":3,\"terms\":[]}";

static const char *const policies[] = {spreading, filling, levelling, jumping};

static const char *const placements[] = {
    "",
    "{\"spread\":{\"by\":\"zone\"}}",
    "{\"spread\":{\"by\":\"zone\",\"max_skew\":1}}",
    "{\"spread\":{\"by\":\"node\",\"max_skew\":1}}",
    "{\"spread\":{\"by\":\"node\"}}",
    "{\"spread\":{\"by\":\"zone\",\"max_skew\":2},\"require\":[{\"key\":\"rack\",\"operator\":\"exists\"}]}",
    "{\"affinity\":[{\"workload\":\"web\",\"by\":\"zone\"}]}",
    "{\"affinity\":[{\"workload\":\"web\",\"by\":\"rack\",\"weight\":40}]}",
    "{\"anti_affinity\":[{\"workload\":\"web\",\"by\":\"node\"}]}",
    "{\"anti_affinity\":[{\"workload\":\"web\",\"by\":\"rack\"}]}",
    "{\"anti_affinity\":[{\"labels\":{\"tier\":\"front\"},\"by\":\"node\",\"weight\":30}]}",
    "{\"affinity\":[{\"workload\":\"db\",\"by\":\"zone\"}],\"spread\":{\"by\":\"rack\",\"max_skew\":1}}",
    "{\"affinity\":[{\"workload\":\"db\",\"by\":\"rack\",\"weight\":60},{\"labels\":{\"tier\":\"front\"},"
    "\"by\":\"zone\",\"weight\":20}],\"anti_affinity\":[{\"workload\":\"web\",\"by\":\"node\",\"weight\":"
    "10}],\"prefer\":[{\"key\":\"rack\",\"operator\":\"=\",\"values\":[\"r1\"],\"weight\":25}]}",
    "{\"anti_affinity\":[{\"workload\":\"db\",\"by\":\"node\"},{\"workload\":\"web\",\"by\":\"zone\","
    "\"weight\":70}],\"spread\":{\"by\":\"zone\",\"max_skew\":3}}",
};

/* An instance that stands before anything is placed. */
struct other {
    bool is_own;
    char node[16];
};

struct world {
    struct lat_random *random;
    struct lat_frame *frame;
    struct lat_planner *planner;
    struct lat_program *program;
    bool is_asked; /* the program is a policy elsewhere */
    size_t questions;
    struct lat_workload *workload;
    struct lat_workload *db;
    struct other others[OTHERS_MAX];
    size_t other_count;
    uint64_t seed;
};

static size_t below(struct world *world, size_t limit)
{
    return (size_t)lat_random_below(world->random, limit);
}

static void add_node(struct world *world, size_t number)
{
    static const char *const gpus[] = {
        "", "", "[{\"id\":\"g0\",\"model\":\"T4\"}]",
        "[{\"id\":\"g0\",\"model\":\"T4\"},{\"id\":\"g1\",\"model\":\"A100\"},{\"id\":\"g2\",\"model\":\"T4\"}]"};
    struct lat_node *node = lat_node_new();
    size_t kind = below(world, 10);
    struct lat_buf labels = {0};

    snprintf(node->row.id, sizeof(node->row.id), "n%zu", number);
    lat_row_set(node->name, node->row.id);
    lat_row_set(node->status, kind == 0 ? "unreachable" : "ready");
    lat_row_set(node->pool, kind == 1 ? "closed" : "default");
    lat_buf_addf(&labels, "{\"all\":\"yes\"");
    if (kind != 2) {
        lat_buf_addf(&labels, ",\"zone\":\"z%zu\"", below(world, 4));
    }
    if (kind < 7) {
        lat_buf_addf(&labels, ",\"rack\":\"r%zu\"", below(world, 6));
    }
    lat_buf_add_text(&labels, "}");
    lat_row_set(node->labels, lat_buf_text(&labels));
    lat_row_set(node->gpus, gpus[below(world, LAT_COUNT(gpus))]);
    node->number = (int64_t)number + 1;
    node->cpu_milli = (int64_t)(1 + below(world, 4)) * 500;
    assert_int_equal(lat_frame_put(world->frame, node, NULL), 0);
    lat_row_unref(&node->row);
    lat_buf_done(&labels);
}

static struct world *draw_world(uint64_t seed, struct lat_program *program)
{
    struct world *world = LAT_NEW(struct world);
    size_t nodes;

    world->random = lat_random_new_seeded(seed);
    world->seed = lat_random_below(world->random, 1000);
    world->frame = lat_frame_new();
    world->planner = lat_planner_new(world->frame);
    world->program = program;
    nodes = 1 + below(world, NODES_MAX);
    for (size_t i = 0; i < nodes; i++) {
        add_node(world, i);
    }
    if (nodes > 3) {
        lat_frame_remove(world->frame, "n2"); /* a row without a node */
    }
    world->db = lat_workload_new();
    lat_text_bound(world->db->row.id, LAT_ID_SIZE, "d");
    lat_row_set(world->db->name, "db");
    world->workload = lat_workload_new();
    lat_text_bound(world->workload->row.id, LAT_ID_SIZE, "w");
    lat_row_set(world->workload->name, "web");
    lat_row_set(world->workload->labels, below(world, 2) ? "{\"tier\":\"front\"}" : "");
    lat_row_set(world->workload->placement, placements[below(world, LAT_COUNT(placements))]);
    lat_row_set(world->workload->host_ports, below(world, 5) == 0 ? "[8080]" : "");
    world->workload->cpu_milli = (int64_t)below(world, 3) * 250;
    switch (below(world, 6)) {
    case 0: world->workload->gpu_count = 1; break;
    case 1: world->workload->gpu_share_milli = 400; break;
    case 2:
        lat_row_set(world->workload->gpu_model, "T4");
        world->workload->gpu_count = 2;
        break;
    default: break;
    }
    world->other_count = below(world, OTHERS_MAX + 1);
    for (size_t i = 0; i < world->other_count; i++) {
        world->others[i].is_own = below(world, 3) == 0;
        snprintf(world->others[i].node, sizeof(world->others[i].node), "n%zu", below(world, nodes));
    }
    return world;
}

static void end_world(struct world *world)
{
    lat_planner_free(world->planner);
    lat_frame_free(world->frame);
    lat_row_unref(&world->workload->row);
    lat_row_unref(&world->db->row);
    lat_random_free(world->random);
    free(world);
}

/* What one way of placing comes to. */
struct outcome {
    size_t placed;
    char nodes[INSTANCES_MAX][16];
    char gpus[INSTANCES_MAX][160];
};

/* Begins a plan where `outcome` stands already. */
static struct lat_plan *begin(struct world *world, const struct outcome *outcome,
                              struct lat_fit **ret_fit)
{
    struct lat_request request = {.workload = world->workload,
                                  .project = "main",
                                  .need = lat_need_of_workload(world->workload)};
    struct lat_plan *plan;

    assert_int_equal(lat_fit_new(world->frame, world->workload, ret_fit, NULL), 0);
    request.fit = *ret_fit;
    for (size_t i = 0; *ret_fit && i < world->other_count; i++) {
        lat_fit_sees(*ret_fit, world->others[i].is_own ? world->workload : world->db,
                     world->others[i].node);
    }
    for (size_t i = 0; *ret_fit && i < outcome->placed; i++) {
        lat_fit_sees(*ret_fit, world->workload, outcome->nodes[i]);
    }
    if (*ret_fit) {
        lat_fit_ready(*ret_fit);
    }
    plan = lat_plan_new(world->planner, &request, world->seed);
    for (size_t i = 0; i < world->other_count; i++) {
        if (world->others[i].is_own) {
            lat_plan_stands(plan, world->others[i].node);
        }
    }
    for (size_t i = 0; i < outcome->placed; i++) {
        lat_plan_stands(plan, outcome->nodes[i]);
    }
    return plan;
}

/* Every node that was taken is told of with the score for which it was, and its terms, if there are any, add up to that. */
static void check_receipt(struct lat_plan *plan)
{
    struct lat_buf packed = {0};
    struct lat_receipt receipt;

    lat_plan_receipt(plan, &packed);
    assert_int_equal(lat_receipt_read(lat_buf_text(&packed), &receipt, NULL), 0);
    for (size_t i = 0; i < receipt.node_count; i++) {
        const struct lat_receipt_record *record = &receipt.records[receipt.nodes[i].record];
        double sum = 0;

        if (receipt.nodes[i].instances == 0) {
            continue;
        }
        assert_int_equal(record->kind, LAT_RECEIPT_POSSIBLE);
        for (size_t term = 0; term < receipt.term_count; term++) {
            sum += record->terms[term];
        }
        assert_true(receipt.term_count == 0 ||
                    (sum - record->score < 0.1 && record->score - sum < 0.1));
    }
    lat_receipt_done(&receipt);
    lat_buf_done(&packed);
}

/* Answers for a policy elsewhere: what the program says of the rows that are asked about, of which the rules leave all. */
static struct lat_decision *answer(struct world *world, const struct lat_plan_question *question)
{
    struct lat_decision *decision = LAT_NEW(struct lat_decision);
    union lat_program_value values[32];

    decision->count = lat_frame_rows(world->frame);
    decision->verdicts = lat_alloc(decision->count + 1);
    decision->scores = lat_alloc_array(decision->count + 1, sizeof(*decision->scores));
    decision->reasons = lat_alloc_array(decision->count + 1, sizeof(*decision->reasons));
    decision->texts = lat_alloc(1);
    for (size_t row = 0; row < decision->count; row++) {
        if (question->among[row / 64] >> row % 64 & 1) {
            lat_program_row(world->program, question->columns, question->record, row, values);
            assert_true(lat_program_trapped(world->program, values) < 0);
            decision->verdicts[row] = lat_program_refused(world->program, values) < 0
                                          ? LAT_VERDICT_POSSIBLE
                                          : LAT_VERDICT_REFUSED;
            decision->scores[row] = values[lat_program_score(world->program)].f;
        }
    }
    world->questions++;
    return decision;
}

static void judge(struct world *world, struct lat_plan *plan, size_t count)
{
    struct lat_plan_question question;
    struct lat_err err;

    if (!world->is_asked) {
        assert_int_equal(lat_plan_judge(plan, world->program, "placement 1", &err), 0);
        return;
    }
    while (lat_plan_ask(plan, count, &question)) {
        lat_plan_answer(plan, answer(world, &question), "placement 1");
    }
}

/* Places `count` at once, behind what `outcome` has. */
static void place(struct world *world, size_t count, struct outcome *outcome)
{
    struct lat_fit *fit;
    struct lat_plan *plan = begin(world, outcome, &fit);
    size_t placed = 0;
    struct lat_err err;

    judge(world, plan, count);
    assert_int_equal(lat_plan_place(plan, count, &placed, &err), 0);
    for (size_t i = 0; i < placed; i++) {
        size_t at = outcome->placed + i;

        lat_text_bound(outcome->nodes[at], sizeof(outcome->nodes[at]),
                       lat_frame_node(world->frame, lat_plan_rows(plan)[i])->name);
        lat_text_bound(outcome->gpus[at], sizeof(outcome->gpus[at]), lat_plan_gpus(plan, i));
    }
    outcome->placed += placed;
    check_receipt(plan);
    lat_plan_free(plan);
    lat_fit_free(fit);
}

/* Counts what the newest instance of an outcome reserves. */
static void reserve(struct world *world, const struct outcome *outcome)
{
    const struct lat_need need = lat_need_of_workload(world->workload);
    struct lat_allocation *allocation = lat_allocation_new();

    lat_row_set(allocation->node_id, outcome->nodes[outcome->placed - 1]);
    lat_row_set(allocation->gpus, outcome->gpus[outcome->placed - 1]);
    lat_row_set(allocation->host_ports, world->workload->host_ports);
    lat_frame_reserve(world->frame, allocation->node_id, &need);
    lat_frame_claim(world->frame, allocation, 1);
    lat_row_unref(&allocation->row);
}

static void compare(const struct world *world, uint64_t seed, const struct outcome *at_once,
                    const struct outcome *singly)
{
    const struct lat_workload *workload = world->workload;

    for (size_t i = 0; i < at_once->placed && i < singly->placed; i++) {
        if (!lat_text_equal(at_once->nodes[i], singly->nodes[i]) ||
            !lat_text_equal(at_once->gpus[i], singly->gpus[i])) {
            fail_msg("seed %llu, %s: instance %zu is on %s %s, not on %s %s",
                     (unsigned long long)seed, workload->placement, i, at_once->nodes[i],
                     at_once->gpus[i], singly->nodes[i], singly->gpus[i]);
        }
    }
    if (at_once->placed != singly->placed) {
        fail_msg("seed %llu, %s: %zu are placed, not %zu", (unsigned long long)seed,
                 workload->placement, at_once->placed, singly->placed);
    }
}

static void many_at_once_go_where_they_would_one_by_one(void **state)
{
    struct lat_program *programs[LAT_COUNT(policies)];
    size_t placed = 0, several = 0;

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(policies); i++) {
        programs[i] = test_program_read(policies[i]);
    }
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct world *world = draw_world(seed, programs[seed % LAT_COUNT(policies)]);
        struct outcome at_once = {.placed = 0};
        struct outcome again = {.placed = 0};
        struct outcome asked = {.placed = 0};
        struct outcome singly = {.placed = 0};
        size_t count = 1 + below(world, INSTANCES_MAX);

        place(world, count, &at_once);
        place(world, count, &again); /* whatever the first one counted was given back */
        compare(world, seed, &again, &at_once);
        world->is_asked = true;
        place(world, count, &asked);
        assert_true(world->questions <= asked.placed + 1);
        world->is_asked = false;
        for (size_t i = 0; i < count; i++) {
            size_t before = singly.placed;

            place(world, 1, &singly);
            if (singly.placed == before) {
                break;
            }
            reserve(world, &singly);
        }
        compare(world, seed, &at_once, &singly);
        compare(world, seed, &asked, &singly);
        placed += at_once.placed;
        several += at_once.placed > 1;
        end_world(world);
    }
    assert_true(placed > ROUNDS * 5 && several > ROUNDS / 3); /* or it says little */
    for (size_t i = 0; i < LAT_COUNT(policies); i++) {
        lat_program_unref(programs[i]);
    }
}

/* Fills a small world by a plan, and tells on which nodes: "a1 b1 a1". */
static void expect_nodes(const char *placement, const char *zones, size_t count, const char *wanted)
{
    struct world world = {.frame = lat_frame_new(), .workload = lat_workload_new()};
    struct outcome outcome = {.placed = 0};
    struct lat_buf told = {0};

    world.planner = lat_planner_new(world.frame);
    world.program = test_program_read(spreading);
    lat_text_bound(world.workload->row.id, LAT_ID_SIZE, "w");
    lat_row_set(world.workload->name, "web");
    lat_row_set(world.workload->placement, placement);
    world.workload->cpu_milli = 100;
    for (size_t i = 0; zones[i]; i++) {
        struct lat_node *node = lat_node_new();
        char *labels = lat_text_format("{\"zone\":\"%c\"}", zones[i]);

        snprintf(node->row.id, sizeof(node->row.id), "%c%zu", zones[i], i);
        lat_row_set(node->name, node->row.id);
        lat_row_set(node->status, "ready");
        lat_row_take(node->labels, labels);
        node->cpu_milli = 1000 - (int64_t)i;
        assert_int_equal(lat_frame_put(world.frame, node, NULL), 0);
        lat_row_unref(&node->row);
    }
    place(&world, count, &outcome);
    for (size_t i = 0; i < outcome.placed; i++) {
        lat_buf_addf(&told, "%s%s", i ? " " : "", outcome.nodes[i]);
    }
    assert_string_equal(lat_buf_text(&told), wanted);
    lat_buf_done(&told);
    lat_planner_free(world.planner);
    lat_frame_free(world.frame);
    lat_row_unref(&world.workload->row);
    lat_program_unref(world.program);
}

static void a_group_that_is_full_opens_again_when_the_others_have_caught_up(void **state)
{
    (void)state;
    expect_nodes("{\"spread\":{\"by\":\"zone\",\"max_skew\":1}}", "aab", 6, "a0 b2 a1 b2 a0 b2");
    expect_nodes("{\"anti_affinity\":[{\"workload\":\"web\",\"by\":\"zone\"}]}", "abbc", 9,
                 "a0 b1 c3");
    expect_nodes("{\"affinity\":[{\"workload\":\"web\",\"by\":\"zone\"}]}", "abab", 3, "a0 a2 a0");
}

/* Scores 1, and raises an error for a node on which an instance of the workload stands. */
static const char failing[] =
    "{\"version\":1,\"ops\":[[\"field\",\"node.workload_instances\"],[\"const_i\",\"0\"],"
    "[\"lt_i\",1,0],[\"const_f\",\"0x1p+0\"]],\"traps\":[{\"when\":2,\"line\":7,\"message\":\"attempt to "
    "count\"}],\"rules\":[],\"score\":3,\"terms\":[]}";

static int64_t all_points(const struct world *world, const struct lat_fit *fit)
{
    int64_t points = 0;

    for (size_t row = 0; row < lat_frame_rows(world->frame); row++) {
        points += lat_fit_points(fit, row);
    }
    return points;
}

/* Places two instances by a program that fails where one stands. Returns how many were, -1 when it failed. */
static int place_by_failing(const char *placement)
{
    struct lat_program *program = test_program_read(failing);
    struct world *world = draw_world(1, program);
    struct outcome nothing = {.placed = 0};
    struct lat_fit *fit;
    struct lat_plan *plan;
    size_t placed = 0;
    int64_t points;
    struct lat_err err;
    int rc;

    world->other_count = 0;
    world->workload->gpu_count = world->workload->gpu_share_milli = 0;
    lat_row_set(world->workload->host_ports, "");
    lat_row_set(world->workload->placement, placement);
    plan = begin(world, &nothing, &fit);
    points = all_points(world, fit);
    assert_int_equal(lat_plan_judge(plan, program, "", &err), 0);
    rc = lat_plan_place(plan, 2, &placed, &err);
    assert_int_equal(all_points(world, fit), points);
    assert_int_equal(rc, rc == 0 ? 0 : LAT_E_POLICY);
    lat_plan_free(plan);
    lat_fit_free(fit);
    end_world(world);
    lat_program_unref(program);
    return rc == 0 ? (int)placed : -1;
}

static void a_policy_is_not_asked_about_nodes_that_the_rules_refuse(void **state)
{
    (void)state;
    /* Where one instance stands the other may not be, so that nobody asks about it. */
    assert_int_equal(
        place_by_failing("{\"anti_affinity\":[{\"workload\":\"web\",\"by\":\"node\"}]}"), 2);
    /* It may be there, though another place is better; and what was counted is given back. */
    assert_int_equal(place_by_failing("{\"spread\":{\"by\":\"node\"}}"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_at_once_go_where_they_would_one_by_one),
        cmocka_unit_test(a_group_that_is_full_opens_again_when_the_others_have_caught_up),
        cmocka_unit_test(a_policy_is_not_asked_about_nodes_that_the_rules_refuse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
