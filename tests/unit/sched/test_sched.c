/* One decision as a value: the machine's rules at their limits, the policy's word, the choice, and what people read of it. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "base/mem.h"
#include "base/text.h"
#include "sched/sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MB = 1 << 20 };

static struct lat_frame *frame_of(int64_t cpu_milli, int64_t memory_bytes)
{
    return lat_frame_new(&(struct lat_placement_workload){.id = "w",
                                                          .name = "db",
                                                          .project = "main",
                                                          .type = "postgres",
                                                          .count = 1,
                                                          .cpu_milli = cpu_milli,
                                                          .memory_bytes = memory_bytes});
}

static void add(struct lat_frame *frame, const char *name, const char *status, int64_t used_cpu,
                int64_t used_memory)
{
    struct lat_node *node = lat_node_new();
    struct lat_frame_use use = {
        .cpu_milli = used_cpu, .memory_bytes = used_memory, .allocations = 3, .instances = 1};

    lat_text_bound(node->row.id, sizeof(node->row.id), name);
    lat_row_set(node->name, name);
    lat_row_set(node->status, status);
    lat_row_set(node->pool, "default");
    node->cpu_milli = 2000;
    node->memory_bytes = (int64_t)1000 * MB;
    lat_frame_add(frame, node, &use);
    lat_row_unref(&node->row); /* the frame holds it */
}

/* Asks about all, with a score for each that is possible, or a refusal where the reason is set. */
struct word {
    double score;
    const char *refusal;
};

static void answer(struct lat_frame *frame, const struct word *words)
{
    struct lat_placement placement;
    size_t at = 0;

    while (lat_frame_ask(frame, &placement)) {
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
        lat_frame_answer(frame, &decision);
        lat_decision_done(&decision);
    }
}

static char *sentence_of(const struct lat_frame *frame)
{
    struct lat_buf out = {0};

    lat_frame_sentence(frame, &out);
    return lat_buf_take_text(&out);
}

static cJSON *receipt_of(const struct lat_frame *frame)
{
    struct lat_buf out = {0};
    cJSON *json;

    lat_frame_receipt(frame, &out);
    json = cJSON_Parse(lat_buf_text(&out));
    assert_non_null(json);
    lat_buf_done(&out);
    return json;
}

static void expect_sentence(const struct lat_frame *frame, const char *wanted)
{
    char *sentence = sentence_of(frame);

    assert_string_equal(sentence, wanted);
    free(sentence);
}

/* ---- the machine's rules ---- */

static size_t asked_about(int64_t cpu, int64_t memory, int64_t used_cpu, int64_t used_memory)
{
    struct lat_frame *frame = frame_of(cpu, memory);
    struct lat_placement placement;
    size_t count;

    add(frame, "n1", "ready", used_cpu, used_memory);
    lat_frame_filter(frame);
    count = lat_frame_ask(frame, &placement) ? placement.node_count : 0;
    lat_frame_free(frame);
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
    struct lat_frame *frame = frame_of(0, 0);
    struct lat_placement placement;

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(states); i++) {
        add(frame, states[i], states[i], 0, 0);
    }
    lat_frame_filter(frame);
    assert_false(lat_frame_ask(frame, &placement));
    assert_null(lat_frame_choose(frame));
    lat_frame_free(frame);
}

static void the_policy_sees_what_is_free(void **state)
{
    struct lat_frame *frame = frame_of(100, MB);
    struct lat_placement placement;

    (void)state;
    add(frame, "n1", "ready", 1500, (int64_t)600 * MB);
    lat_frame_filter(frame);
    assert_true(lat_frame_ask(frame, &placement));
    assert_string_equal(placement.workload.name, "db");
    assert_int_equal(placement.nodes[0].free_cpu_milli, 500);
    assert_int_equal(placement.nodes[0].free_memory_bytes, (int64_t)400 * MB);
    assert_int_equal(placement.nodes[0].allocations, 3);
    assert_int_equal(placement.nodes[0].workload_instances, 1);
    assert_true(placement.nodes[0].healthy);
    lat_frame_free(frame);
}

/* ---- the choice ---- */

static void the_highest_score_is_taken_and_among_equals_the_first(void **state)
{
    struct lat_frame *frame = frame_of(0, 0);

    (void)state;
    add(frame, "n1", "ready", 0, 0);
    add(frame, "n2", "unreachable", 0, 0);
    add(frame, "n3", "ready", 0, 0);
    add(frame, "n4", "ready", 0, 0);
    lat_frame_filter(frame);
    answer(frame, (struct word[]){{.score = -1}, {.score = 2}, {.score = 2}});
    assert_string_equal(lat_frame_choose(frame)->name, "n3");
    assert_string_equal(lat_frame_policy(frame), "placement 3");
    expect_sentence(frame, "placed on n3");
    lat_frame_free(frame);
}

static void a_score_below_nothing_is_still_a_place(void **state)
{
    struct lat_frame *frame = frame_of(0, 0);

    (void)state;
    add(frame, "n1", "ready", 0, 0);
    lat_frame_filter(frame);
    answer(frame, (struct word[]){{.score = -1000}});
    assert_string_equal(lat_frame_choose(frame)->name, "n1");
    lat_frame_free(frame);
}

static void a_large_fleet_is_asked_about_in_parts(void **state)
{
    enum { NODES = LAT_PLACEMENT_NODES_MAX + 2 };
    struct lat_frame *frame = frame_of(0, 0);
    struct word *words = lat_alloc_array(NODES, sizeof(*words));
    struct lat_placement placement;
    char name[16];

    (void)state;
    for (int i = 0; i < NODES; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        add(frame, name, "ready", 0, 0);
        words[i].score = i == NODES - 1;
    }
    lat_frame_filter(frame);
    answer(frame, words);
    assert_false(lat_frame_ask(frame, &placement)); /* each at most once */
    snprintf(name, sizeof(name), "n%d", NODES - 1);
    assert_string_equal(lat_frame_choose(frame)->name, name);
    free(words);
    lat_frame_free(frame);
}

/* ---- what people read ---- */

static void the_receipt_has_a_line_for_every_node(void **state)
{
    struct lat_frame *frame = frame_of(500, 0);
    const cJSON *node;
    cJSON *receipt;

    (void)state;
    add(frame, "n1", "ready", 0, 0);
    add(frame, "n2", "ready", 0, 0);
    add(frame, "n3", "ready", 0, 0);
    add(frame, "n4", "ready", 1900, 0);
    lat_frame_filter(frame);
    answer(frame, (struct word[]){{.score = 1}, {.score = 4.5}, {.refusal = "no ssd"}});
    lat_frame_choose(frame);
    receipt = receipt_of(frame);
    assert_int_equal(cJSON_GetArraySize(lat_json_get(receipt, "nodes")), 4);
    node = cJSON_GetArrayItem(lat_json_get(receipt, "nodes"), 0);
    assert_string_equal(lat_json_text(node, "verdict", ""), "possible");
    assert_true(lat_json_get(node, "score")->valuedouble == 1);
    node = cJSON_GetArrayItem(lat_json_get(receipt, "nodes"), 1);
    assert_string_equal(lat_json_text(node, "verdict", ""), "taken");
    assert_true(lat_json_get(node, "score")->valuedouble == 4.5);
    node = cJSON_GetArrayItem(lat_json_get(receipt, "nodes"), 2);
    assert_string_equal(lat_json_text(node, "verdict", ""), "refused");
    assert_string_equal(lat_json_text(node, "rule", ""), "policy");
    assert_string_equal(lat_json_text(node, "reason", ""), "no ssd");
    node = cJSON_GetArrayItem(lat_json_get(receipt, "nodes"), 3);
    assert_string_equal(lat_json_text(node, "rule", ""), "cpu");
    assert_string_equal(lat_json_text(node, "reason", ""),
                        "0.500 processors are wanted, 0.100 of 2.000 are free");
    assert_null(lat_json_get(receipt, "fallback"));
    cJSON_Delete(receipt);
    lat_frame_free(frame);
}

static void the_receipt_says_why_the_built_in_policy_decided(void **state)
{
    struct lat_frame *frame = frame_of(0, 0);
    struct lat_decision decision = {.policy = "built-in", .node_count = 1};
    struct lat_placement placement;
    cJSON *receipt;

    (void)state;
    add(frame, "n1", "ready", 0, 0);
    lat_frame_filter(frame);
    assert_true(lat_frame_ask(frame, &placement));
    decision.nodes = lat_alloc_array(1, sizeof(*decision.nodes));
    lat_err_set(&decision.fallback, LAT_E_TIMEOUT, "It did not answer.");
    lat_frame_answer(frame, &decision);
    lat_decision_done(&decision);
    lat_frame_choose(frame);
    receipt = receipt_of(frame);
    assert_string_equal(lat_json_text(receipt, "fallback", ""), "It did not answer.");
    cJSON_Delete(receipt);
    lat_frame_free(frame);
}

static void the_sentence_names_the_commonest_reasons_first(void **state)
{
    struct lat_frame *frame = frame_of(0, (int64_t)500 * MB);

    (void)state;
    expect_sentence(frame, "no node has joined yet");
    add(frame, "n1", "ready", 0, (int64_t)600 * MB);
    add(frame, "n2", "unreachable", 0, 0);
    add(frame, "n3", "unreachable", 0, 0);
    lat_frame_filter(frame);
    assert_null(lat_frame_choose(frame));
    expect_sentence(frame,
                    "no node can take it: 2 nodes: it is not ready; n1: 500 MB of memory are "
                    "wanted, 400 of 1000 are free");
    lat_frame_free(frame);
}

static void the_sentence_stays_short_with_many_reasons(void **state)
{
    struct lat_frame *frame = frame_of(0, 0);
    struct word words[200];
    char reasons[200][24];
    char *sentence;
    char name[16];

    (void)state;
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        snprintf(reasons[i], sizeof(reasons[i]), "reason %d", i);
        add(frame, name, "ready", 0, 0);
        words[i] = (struct word){.refusal = reasons[i]};
    }
    lat_frame_filter(frame);
    answer(frame, words);
    assert_null(lat_frame_choose(frame));
    sentence = sentence_of(frame);
    assert_true(lat_text_ends(sentence, "n2: reason 2; and 61 more reasons"));
    free(sentence);
    lat_frame_free(frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room_is_enough_at_its_limit_and_not_one_past_it),
        cmocka_unit_test(what_reserves_nothing_always_fits),
        cmocka_unit_test(only_nodes_that_are_ready_are_asked_about),
        cmocka_unit_test(the_policy_sees_what_is_free),
        cmocka_unit_test(the_highest_score_is_taken_and_among_equals_the_first),
        cmocka_unit_test(a_score_below_nothing_is_still_a_place),
        cmocka_unit_test(a_large_fleet_is_asked_about_in_parts),
        cmocka_unit_test(the_receipt_has_a_line_for_every_node),
        cmocka_unit_test(the_receipt_says_why_the_built_in_policy_decided),
        cmocka_unit_test(the_sentence_names_the_commonest_reasons_first),
        cmocka_unit_test(the_sentence_stays_short_with_many_reasons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
