/* One plan as a value: the machine's rules at their limits, the policy's word, the choice, and what people read of it. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "base/mem.h"
#include "base/text.h"
#include "sched/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MB = 1 << 20 };

/* Nodes, and a workload that is to be placed on them. */
struct fleet {
    struct lat_frame *frame;
    struct lat_planner *planner;
    struct lat_workload *workload;
    struct lat_plan *plan; /* NULL until it is begun */
};

static struct fleet fleet_of(int64_t cpu_milli, int64_t memory_bytes)
{
    struct fleet fleet = {.frame = lat_frame_new(), .workload = lat_workload_new()};

    fleet.planner = lat_planner_new(fleet.frame);
    lat_text_bound(fleet.workload->row.id, LAT_ID_SIZE, "w");
    lat_row_set(fleet.workload->name, "db");
    lat_row_set(fleet.workload->type, "postgres");
    fleet.workload->count = 1;
    fleet.workload->cpu_milli = cpu_milli;
    fleet.workload->memory_bytes = memory_bytes;
    return fleet;
}

static void end(struct fleet *fleet)
{
    lat_plan_free(fleet->plan);
    lat_planner_free(fleet->planner);
    lat_frame_free(fleet->frame);
    lat_row_unref(&fleet->workload->row);
}

/* Adds a node with two processors and 1000 MB, of which so much is reserved by an instance of another workload. */
static void add(struct fleet *fleet, const char *name, const char *status, int64_t used_cpu,
                int64_t used_memory)
{
    struct lat_node *node = lat_node_new();
    struct lat_need need = {.of = {used_cpu, used_memory}};

    lat_text_bound(node->row.id, sizeof(node->row.id), name);
    lat_row_set(node->name, name);
    lat_row_set(node->status, status);
    lat_row_set(node->pool, "default");
    node->cpu_milli = 2000;
    node->memory_bytes = (int64_t)1000 * MB;
    assert_int_equal(lat_frame_put(fleet->frame, node, NULL), 0);
    lat_frame_reserve(fleet->frame, name, &need);
    lat_row_unref(&node->row); /* the frame holds it */
}

static void begin(struct fleet *fleet, uint64_t seed)
{
    const struct lat_request request = {.workload = fleet->workload,
                                        .project = "main",
                                        .need = lat_need_of_workload(fleet->workload)};

    lat_plan_free(fleet->plan);
    fleet->plan = lat_plan_new(fleet->planner, &request, seed);
}

/* Asks about all, with a score for each that is possible, or a refusal where the reason is set. */
struct word {
    double score;
    const char *refusal;
};

static void answer(struct fleet *fleet, const struct word *words)
{
    struct lat_placement placement;
    size_t at = 0;

    while (lat_plan_ask(fleet->plan, &placement)) {
        struct lat_decision decision = {.policy = "placement 3"};

        decision.nodes = lat_alloc_array(placement.node_count, sizeof(*decision.nodes));
        decision.node_count = placement.node_count;
        for (size_t i = 0; i < placement.node_count; i++, at++) {
            const struct word *word = &words[at];

            decision.nodes[i].verdict = word->refusal ? LAT_VERDICT_REFUSED : LAT_VERDICT_POSSIBLE;
            decision.nodes[i].score = word->score;
            lat_text_bound(decision.nodes[i].reason, sizeof(decision.nodes[i].reason),
                           word->refusal ? word->refusal : "");
        }
        lat_plan_answer(fleet->plan, &decision);
        lat_decision_done(&decision);
    }
}

/* Returns the name of the node that is taken, or NULL. */
static const char *choice(struct fleet *fleet)
{
    size_t placed = 0;

    assert_int_equal(lat_plan_place(fleet->plan, 1, &placed, NULL), 0);
    if (placed == 0) {
        return NULL;
    }
    return lat_frame_node(fleet->frame, lat_plan_rows(fleet->plan)[0])->name;
}

static const struct lat_node *find_node(void *arg, int64_t number, const char *id)
{
    struct fleet *fleet = arg;
    size_t row = lat_frame_row(fleet->frame, id);

    assert_int_equal(number, 0);
    return row == SIZE_MAX ? NULL : lat_frame_node(fleet->frame, row);
}

static cJSON *part_of(struct fleet *fleet, size_t from, size_t max)
{
    struct lat_buf packed = {0};
    struct lat_buf out = {0};
    struct lat_json_writer writer;
    cJSON *json;

    lat_plan_receipt(fleet->plan, &packed);
    lat_json_writer_init(&writer, &out);
    lat_receipt_write(
        lat_buf_text(&packed),
        &(struct lat_receipt_view){.find = find_node, .arg = fleet, .from = from, .max = max}, NULL,
        &writer);
    json = cJSON_Parse(lat_buf_text(&out));
    assert_non_null(json);
    lat_buf_done(&packed);
    lat_buf_done(&out);
    return json;
}

static cJSON *receipt_of(struct fleet *fleet)
{
    return part_of(fleet, 0, SIZE_MAX);
}

static void expect_fix(struct fleet *fleet, const char *wanted)
{
    cJSON *receipt = receipt_of(fleet);

    assert_string_equal(lat_json_text(receipt, "fix", ""), wanted);
    cJSON_Delete(receipt);
}

static void expect_sentence(struct fleet *fleet, const char *wanted)
{
    struct lat_buf out = {0};

    lat_plan_sentence(fleet->plan, &out);
    assert_string_equal(lat_buf_text(&out), wanted);
    lat_buf_done(&out);
}

/* ---- the machine's rules ---- */

static size_t asked_about(int64_t cpu, int64_t memory, int64_t used_cpu, int64_t used_memory)
{
    struct fleet fleet = fleet_of(cpu, memory);
    struct lat_placement placement;
    size_t count;

    add(&fleet, "n1", "ready", used_cpu, used_memory);
    begin(&fleet, 0);
    count = lat_plan_ask(fleet.plan, &placement) ? placement.node_count : 0;
    end(&fleet);
    return count;
}

static void room_is_enough_at_its_limit_and_not_one_past_it(void **state)
{
    (void)state;
    assert_int_equal(asked_about(500, 0, 1500, 0), 1);
    assert_int_equal(asked_about(501, 0, 1500, 0), 0);
    assert_int_equal(asked_about(0, (int64_t)400 * MB, 0, (int64_t)600 * MB), 1);
    assert_int_equal(asked_about(0, (int64_t)400 * MB + 1, 0, (int64_t)600 * MB), 0);
}

static void what_reserves_nothing_always_fits(void **state)
{
    (void)state;
    assert_int_equal(asked_about(0, 0, 2000, (int64_t)1000 * MB), 1);
    assert_int_equal(asked_about(0, 0, 9000, (int64_t)9000 * MB),
                     1); /* even where too much is reserved */
    assert_int_equal(asked_about(1, 0, 9000, 0), 0);
}

static void only_nodes_that_are_ready_are_asked_about(void **state)
{
    static const char *const states[] = {"joining", "engine_down", "unreachable", "revoked"};
    struct fleet fleet = fleet_of(0, 0);
    struct lat_placement placement;

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(states); i++) {
        add(&fleet, states[i], states[i], 0, 0);
    }
    begin(&fleet, 0);
    assert_false(lat_plan_ask(fleet.plan, &placement));
    assert_null(choice(&fleet));
    end(&fleet);
}

static void the_policy_sees_what_is_free(void **state)
{
    struct fleet fleet = fleet_of(100, MB);
    struct lat_placement placement;

    (void)state;
    add(&fleet, "n1", "ready", 1500, (int64_t)600 * MB);
    begin(&fleet, 0);
    lat_plan_stands(fleet.plan, "n1");
    lat_plan_stands(fleet.plan, "elsewhere"); /* of a node that is gone */
    assert_true(lat_plan_ask(fleet.plan, &placement));
    assert_string_equal(placement.workload.name, "db");
    assert_int_equal(placement.nodes[0].free_cpu_milli, 500);
    assert_int_equal(placement.nodes[0].free_memory_bytes, (int64_t)400 * MB);
    assert_int_equal(placement.nodes[0].allocations, 1);
    assert_int_equal(placement.nodes[0].workload_instances, 1);
    assert_true(placement.nodes[0].healthy);
    end(&fleet);
}

/* ---- the frame ---- */

static void a_node_that_changes_keeps_what_is_reserved_of_it(void **state)
{
    struct fleet fleet = fleet_of(1, 1);
    struct lat_need need = {.of = {1500, MB}};
    struct lat_node *larger;
    size_t row;

    (void)state;
    add(&fleet, "n1", "ready", 1500, MB);
    row = lat_frame_row(fleet.frame, "n1");
    larger = lat_node_edit(lat_frame_node(fleet.frame, row));
    larger->cpu_milli = 4000;
    assert_int_equal(lat_frame_put(fleet.frame, larger, NULL), 0);
    lat_row_unref(&larger->row);
    assert_int_equal(lat_frame_free_of(fleet.frame, row, LAT_RESOURCE_CPU), 2500);
    lat_frame_release(fleet.frame, "n1", &need);
    assert_int_equal(lat_frame_free_of(fleet.frame, row, LAT_RESOURCE_CPU), 4000);
    assert_int_equal(lat_frame_free_of(fleet.frame, row, LAT_RESOURCE_MEMORY), (int64_t)1000 * MB);
    end(&fleet);
}

static void a_node_that_is_gone_leaves_its_row_to_the_next_one(void **state)
{
    struct fleet fleet = fleet_of(1, 1);
    size_t row;

    (void)state;
    add(&fleet, "n1", "ready", 1500, MB);
    add(&fleet, "n2", "ready", 0, 0);
    row = lat_frame_row(fleet.frame, "n1");
    lat_frame_remove(fleet.frame, "n1");
    lat_frame_remove(fleet.frame, "n1"); /* twice is no error */
    assert_null(lat_frame_node(fleet.frame, row));
    assert_int_equal(lat_frame_count(fleet.frame), 1);
    add(&fleet, "n3", "ready", 0, 0);
    assert_int_equal(lat_frame_row(fleet.frame, "n3"), row);
    assert_int_equal(lat_frame_free_of(fleet.frame, row, LAT_RESOURCE_CPU), 2000);
    end(&fleet);
}

static void a_plan_takes_back_what_it_reserved_unless_it_is_kept(void **state)
{
    struct fleet fleet = fleet_of(1500, 0);

    (void)state;
    add(&fleet, "n1", "ready", 0, 0);
    for (int i = 0; i < 2; i++) {
        begin(&fleet, 0);
        answer(&fleet, (struct word[]){{.score = 1}});
        assert_string_equal(choice(&fleet), "n1");
        assert_int_equal(lat_frame_free_of(fleet.frame, 0, LAT_RESOURCE_CPU), 500);
        if (i == 1) {
            lat_plan_keep(fleet.plan);
        }
    }
    begin(&fleet, 0);
    answer(&fleet, (struct word[]){{.score = 1}});
    assert_null(choice(&fleet));
    end(&fleet);
}

/* ---- the choice ---- */

static void the_highest_score_is_taken_and_among_equals_the_seed_says(void **state)
{
    struct fleet fleet = fleet_of(0, 0);
    static const char *const wanted[] = {"n3", "n3", "n3", "n4"}; /* the first from there on */

    (void)state;
    add(&fleet, "n1", "ready", 0, 0);
    add(&fleet, "n2", "unreachable", 0, 0);
    add(&fleet, "n3", "ready", 0, 0);
    add(&fleet, "n4", "ready", 0, 0);
    for (uint64_t seed = 0; seed < LAT_COUNT(wanted); seed++) {
        begin(&fleet, seed);
        answer(&fleet, (struct word[]){{.score = -1}, {.score = 2}, {.score = 2}});
        assert_string_equal(choice(&fleet), wanted[seed]);
    }
    assert_string_equal(lat_plan_policy(fleet.plan), "placement 3");
    expect_sentence(&fleet, "placed on n4");
    end(&fleet);
}

static void a_score_below_nothing_is_still_a_place(void **state)
{
    struct fleet fleet = fleet_of(0, 0);

    (void)state;
    add(&fleet, "n1", "ready", 0, 0);
    begin(&fleet, 0);
    answer(&fleet, (struct word[]){{.score = -1000}});
    assert_string_equal(choice(&fleet), "n1");
    end(&fleet);
}

static void a_large_fleet_is_asked_about_in_parts(void **state)
{
    enum { NODES = LAT_PLACEMENT_NODES_MAX + 2 };
    struct fleet fleet = fleet_of(0, 0);
    struct word *words = lat_alloc_array(NODES, sizeof(*words));
    struct lat_placement placement;
    char name[16];

    (void)state;
    for (int i = 0; i < NODES; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        add(&fleet, name, "ready", 0, 0);
        words[i].score = i == NODES - 1;
    }
    begin(&fleet, 0);
    answer(&fleet, words);
    assert_false(lat_plan_ask(fleet.plan, &placement)); /* each at most once */
    snprintf(name, sizeof(name), "n%d", NODES - 1);
    assert_string_equal(choice(&fleet), name);
    free(words);
    end(&fleet);
}

/* ---- what people read ---- */

static void the_receipt_has_a_line_for_every_node(void **state)
{
    struct fleet fleet = fleet_of(500, 0);
    const cJSON *node;
    cJSON *receipt;

    (void)state;
    add(&fleet, "n1", "ready", 0, 0);
    add(&fleet, "n2", "ready", 0, 0);
    add(&fleet, "n3", "ready", 0, 0);
    add(&fleet, "n4", "ready", 1900, 0);
    begin(&fleet, 0);
    answer(&fleet, (struct word[]){{.score = 1}, {.score = 4.5}, {.refusal = "no ssd"}});
    choice(&fleet);
    receipt = receipt_of(&fleet);
    assert_int_equal(cJSON_GetArraySize(lat_json_get(receipt, "nodes")), 4);
    node = cJSON_GetArrayItem(lat_json_get(receipt, "nodes"), 1);
    assert_string_equal(lat_json_text(node, "node", ""), "n1");
    assert_string_equal(lat_json_text(node, "verdict", ""), "possible");
    assert_true(lat_json_get(node, "score")->valuedouble == 1);
    node = cJSON_GetArrayItem(lat_json_get(receipt, "nodes"), 0);
    assert_string_equal(lat_json_text(node, "verdict", ""), "taken");
    assert_true(lat_json_get(node, "score")->valuedouble == 4.5);
    node = cJSON_GetArrayItem(lat_json_get(receipt, "nodes"), 3);
    assert_string_equal(lat_json_text(node, "verdict", ""), "refused");
    assert_string_equal(lat_json_text(node, "rule", ""), "policy");
    assert_string_equal(lat_json_text(node, "reason", ""), "no ssd");
    node = cJSON_GetArrayItem(lat_json_get(receipt, "nodes"), 2);
    assert_string_equal(lat_json_text(node, "rule", ""), "cpu");
    assert_string_equal(lat_json_text(node, "reason", ""),
                        "0.500 processors are wanted, 0.100 of 2.000 are free");
    assert_string_equal(lat_json_text(node, "tense", ""), "not_now");
    assert_int_equal(lat_json_int(node, "have", 0), 100);
    assert_int_equal(lat_json_int(node, "need", 0), 500);
    assert_int_equal(lat_json_int(node, "of", 0), 2000);
    assert_null(lat_json_get(receipt, "fallback"));
    assert_null(lat_json_get(receipt, "fix"));
    assert_int_equal(lat_json_int(lat_json_get(receipt, "counts"), "refused", 0), 2);
    assert_int_equal(lat_json_int(lat_json_get(receipt, "counts"), "possible", 0), 1);
    cJSON_Delete(receipt);
    end(&fleet);
}

static void set_hours(struct fleet *fleet, const char *name, const char *hours)
{
    struct lat_node *node =
        lat_node_edit(lat_frame_node(fleet->frame, lat_frame_row(fleet->frame, name)));

    lat_row_set(node->hours, hours);
    assert_int_equal(lat_frame_put(fleet->frame, node, NULL), 0);
    lat_row_unref(&node->row);
}

static void a_receipt_says_when_the_hours_of_an_owner_begin(void **state)
{
    struct fleet fleet = fleet_of(1000, 0);
    const cJSON *node;
    cJSON *receipt;

    (void)state;
    add(&fleet, "n1", "ready", 1900, 0);
    add(&fleet, "n2", "ready", 0, 0);
    add(&fleet, "n3", "ready", 0, 0);
    set_hours(&fleet, "n2", "fri 18:00-24:00");
    set_hours(&fleet, "n3", "fri 08:00-12:00 UTC+01:00");
    lat_frame_tell_time(fleet.frame, 1000);
    begin(&fleet, 0);
    assert_null(choice(&fleet));
    receipt = receipt_of(&fleet);
    node = cJSON_GetArrayItem(lat_json_get(receipt, "nodes"), 1);
    assert_string_equal(lat_json_text(node, "name", ""), "n2");
    assert_string_equal(lat_json_text(node, "rule", ""), "hours");
    assert_string_equal(lat_json_text(node, "tense", ""), "when");
    assert_string_equal(lat_json_text(node, "when", ""), "1970-01-02T18:00:00.000Z");
    node = cJSON_GetArrayItem(lat_json_get(receipt, "rules"), 0);
    assert_int_equal(lat_json_int(node, "nodes", 0), 2);
    assert_string_equal(lat_json_text(node, "tense", ""), "when");
    assert_string_equal(lat_json_text(node, "when", ""), "1970-01-02T07:00:00.000Z");
    node = cJSON_GetArrayItem(lat_json_get(receipt, "nodes"), 0);
    assert_null(lat_json_get(node, "when"));
    cJSON_Delete(receipt);
    expect_fix(&fleet, "n2 comes nearest: its owner's hours begin at 1970-01-02 18:00 UTC.");
    expect_sentence(&fleet,
                    "no node can take it: n1: 1.000 processors are wanted, 0.100 of 2.000 are "
                    "free; n2: its owner's hours begin at 1970-01-02 18:00 UTC; n3: its owner's "
                    "hours begin at 1970-01-02 07:00 UTC");
    end(&fleet);
}

static void a_receipt_is_shown_in_parts_that_add_up(void **state)
{
    struct fleet fleet = fleet_of(1000, 0);
    char shown[64] = "";
    size_t from = 0;

    (void)state;
    add(&fleet, "n1", "ready", 1900, 0);
    add(&fleet, "n2", "unreachable", 0, 0);
    add(&fleet, "n3", "ready", 1100, 0);
    add(&fleet, "n4", "revoked", 0, 0);
    add(&fleet, "n5", "ready", 1100, 0);
    begin(&fleet, 0);
    choice(&fleet);
    for (bool more = true; more;) {
        cJSON *receipt = part_of(&fleet, from, 2);
        const cJSON *next = lat_json_get(receipt, "next");
        const cJSON *node;

        cJSON_ArrayForEach (node, lat_json_get(receipt, "nodes")) {
            strcat(shown, lat_json_text(node, "name", "?"));
        }
        strcat(shown, " ");
        more = cJSON_IsNumber(next);
        from = more ? (size_t)next->valuedouble : from;
        cJSON_Delete(receipt);
    }
    assert_string_equal(shown, "n3n5 n1n2 n4 "); /* those that miss the least first */
    {
        cJSON *receipt = part_of(&fleet, 77, 2);
        const cJSON *rules = lat_json_get(receipt, "rules");

        assert_int_equal(cJSON_GetArraySize(lat_json_get(receipt, "nodes")), 0);
        assert_true(cJSON_IsNull(lat_json_get(receipt, "next")));
        assert_int_equal(cJSON_GetArraySize(rules), 3);
        assert_string_equal(lat_json_text(cJSON_GetArrayItem(rules, 0), "rule", ""), "cpu");
        assert_int_equal(lat_json_int(cJSON_GetArrayItem(rules, 0), "nodes", 0), 3);
        cJSON_Delete(receipt);
    }
    end(&fleet);
}

/* ---- the nearest fix ---- */

static void the_fix_is_what_the_nearest_node_lacks(void **state)
{
    struct fleet fleet = fleet_of(1500, 0);

    (void)state;
    add(&fleet, "n1", "ready", 1900, 0);
    add(&fleet, "n2", "ready", 750, 0);
    begin(&fleet, 0);
    choice(&fleet);
    expect_fix(&fleet, "n2 lacks 0.25 processors: ask for 1.25 processors or less, or free 0.25 "
                       "processors there.");
    end(&fleet);
}

static void a_node_that_lacks_more_than_one_thing_is_no_fix(void **state)
{
    struct fleet fleet = fleet_of(1000, (int64_t)500 * MB);

    (void)state;
    add(&fleet, "n1", "ready", 1100, (int64_t)800 * MB); /* nearest by processors alone */
    add(&fleet, "n2", "ready", 1500, 0);
    begin(&fleet, 0);
    choice(&fleet);
    expect_fix(&fleet, "n2 lacks 0.5 processors: ask for 0.5 processors or less, or free 0.5 "
                       "processors there.");
    fleet.plan = lat_plan_free(fleet.plan);
    lat_frame_remove(fleet.frame, "n2");
    begin(&fleet, 0);
    choice(&fleet);
    expect_fix(&fleet, "n1 comes nearest: it lacks 0.1 processors, 300 MB of memory.");
    end(&fleet);
}

static void what_no_node_can_ever_take_wants_another_machine(void **state)
{
    struct fleet fleet = fleet_of(8000, 0);

    (void)state;
    add(&fleet, "n1", "ready", 500, 0);
    begin(&fleet, 0);
    choice(&fleet);
    expect_fix(&fleet, "no node can ever take it as it is; n1 lacks 6.5 processors: ask for 1.5 "
                       "processors or less, or join a machine with 8 processors.");
    end(&fleet);
}

static void a_node_that_is_away_is_nearer_than_one_that_is_far_too_full(void **state)
{
    struct fleet fleet = fleet_of(1000, 0);

    (void)state;
    add(&fleet, "n1", "ready", 1900, 0);
    add(&fleet, "n2", "unreachable", 0, 0);
    begin(&fleet, 0);
    choice(&fleet);
    expect_fix(&fleet, "n2 comes nearest: it is not ready.");
    end(&fleet);
}

static void the_fix_names_what_the_policy_says(void **state)
{
    struct fleet fleet = fleet_of(500, 0);

    (void)state;
    add(&fleet, "n1", "ready", 0, 0);
    begin(&fleet, 0);
    answer(&fleet, (struct word[]){{.refusal = "no ssd"}});
    choice(&fleet);
    expect_fix(&fleet, "n1 comes nearest: no ssd.");
    fleet.plan = lat_plan_free(fleet.plan);
    lat_frame_remove(fleet.frame, "n1");
    begin(&fleet, 0);
    choice(&fleet);
    expect_fix(&fleet, "");
    end(&fleet);
}

static void what_is_too_small_never_takes_it(void **state)
{
    struct fleet fleet = fleet_of(0, (int64_t)1000 * MB + 1);
    const cJSON *node;
    cJSON *receipt;

    (void)state;
    add(&fleet, "n1", "ready", 0, 0);
    add(&fleet, "n2", "revoked", 0, 0);
    add(&fleet, "n3", "unreachable", 0, 0);
    begin(&fleet, 0);
    choice(&fleet);
    receipt = receipt_of(&fleet);
    node = cJSON_GetArrayItem(lat_json_get(receipt, "nodes"), 0);
    assert_string_equal(lat_json_text(node, "tense", ""), "never");
    assert_int_equal(lat_json_int(node, "need", 0), (int64_t)1000 * MB + 1); /* to the byte */
    assert_int_equal(lat_json_int(node, "have", 0), (int64_t)1000 * MB);
    node = cJSON_GetArrayItem(lat_json_get(receipt, "nodes"), 2);
    assert_string_equal(lat_json_text(node, "tense", ""), "never");
    node = cJSON_GetArrayItem(lat_json_get(receipt, "nodes"), 1);
    assert_string_equal(lat_json_text(node, "tense", ""), "not_now");
    cJSON_Delete(receipt);
    end(&fleet);
}

static void the_receipt_says_why_the_built_in_policy_decided(void **state)
{
    struct fleet fleet = fleet_of(0, 0);
    struct lat_decision decision = {.policy = "built-in", .node_count = 1};
    struct lat_placement placement;
    cJSON *receipt;

    (void)state;
    add(&fleet, "n1", "ready", 0, 0);
    begin(&fleet, 0);
    assert_true(lat_plan_ask(fleet.plan, &placement));
    decision.nodes = lat_alloc_array(1, sizeof(*decision.nodes));
    lat_err_set(&decision.fallback, LAT_E_TIMEOUT, "It did not answer.");
    lat_plan_answer(fleet.plan, &decision);
    lat_decision_done(&decision);
    choice(&fleet);
    receipt = receipt_of(&fleet);
    assert_string_equal(lat_json_text(receipt, "fallback", ""), "It did not answer.");
    cJSON_Delete(receipt);
    end(&fleet);
}

static void the_sentence_names_the_commonest_reasons_first(void **state)
{
    struct fleet fleet = fleet_of(0, (int64_t)500 * MB);

    (void)state;
    begin(&fleet, 0);
    assert_null(choice(&fleet));
    expect_sentence(&fleet, "no node has joined yet");
    fleet.plan = lat_plan_free(fleet.plan);
    add(&fleet, "n1", "ready", 0, (int64_t)600 * MB);
    add(&fleet, "n2", "unreachable", 0, 0);
    add(&fleet, "n3", "unreachable", 0, 0);
    begin(&fleet, 0);
    assert_null(choice(&fleet));
    expect_sentence(&fleet, "no node can take it: 2 nodes: it is not ready; n1: 500 MB of memory "
                            "are wanted, 400 of 1000 are free");
    end(&fleet);
}

static void the_sentence_stays_short_with_many_reasons(void **state)
{
    struct fleet fleet = fleet_of(0, 0);
    struct word words[200];
    char reasons[200][24];
    struct lat_buf out = {0};
    char name[16];

    (void)state;
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        snprintf(reasons[i], sizeof(reasons[i]), "reason %d", i);
        add(&fleet, name, "ready", 0, 0);
        words[i] = (struct word){.refusal = reasons[i]};
    }
    begin(&fleet, 0);
    answer(&fleet, words);
    assert_null(choice(&fleet));
    lat_plan_sentence(fleet.plan, &out);
    assert_true(lat_text_ends(lat_buf_text(&out), "n2: reason 2; and 197 more reasons"));
    lat_buf_done(&out);
    end(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room_is_enough_at_its_limit_and_not_one_past_it),
        cmocka_unit_test(what_reserves_nothing_always_fits),
        cmocka_unit_test(only_nodes_that_are_ready_are_asked_about),
        cmocka_unit_test(the_policy_sees_what_is_free),
        cmocka_unit_test(a_node_that_changes_keeps_what_is_reserved_of_it),
        cmocka_unit_test(a_node_that_is_gone_leaves_its_row_to_the_next_one),
        cmocka_unit_test(a_plan_takes_back_what_it_reserved_unless_it_is_kept),
        cmocka_unit_test(the_highest_score_is_taken_and_among_equals_the_seed_says),
        cmocka_unit_test(a_score_below_nothing_is_still_a_place),
        cmocka_unit_test(a_large_fleet_is_asked_about_in_parts),
        cmocka_unit_test(the_receipt_has_a_line_for_every_node),
        cmocka_unit_test(a_receipt_says_when_the_hours_of_an_owner_begin),
        cmocka_unit_test(a_receipt_is_shown_in_parts_that_add_up),
        cmocka_unit_test(the_fix_is_what_the_nearest_node_lacks),
        cmocka_unit_test(a_node_that_lacks_more_than_one_thing_is_no_fix),
        cmocka_unit_test(what_no_node_can_ever_take_wants_another_machine),
        cmocka_unit_test(a_node_that_is_away_is_nearer_than_one_that_is_far_too_full),
        cmocka_unit_test(the_fix_names_what_the_policy_says),
        cmocka_unit_test(what_is_too_small_never_takes_it),
        cmocka_unit_test(the_receipt_says_why_the_built_in_policy_decided),
        cmocka_unit_test(the_sentence_names_the_commonest_reasons_first),
        cmocka_unit_test(the_sentence_stays_short_with_many_reasons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
