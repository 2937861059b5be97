/* What people read of one plan: receipts, sentences, the nearest fix. */
#include "tests/unit/sched/fleet.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* ---- what people read ---- */

static void the_receipt_has_a_line_for_every_node(void **state)
{
    struct fleet fleet = fleet_of(500, 0);
    const cJSON *node;
    cJSON *receipt;

    (void)state;
    fleet_add(&fleet, "n1", "ready", 0, 0);
    fleet_add(&fleet, "n2", "ready", 0, 0);
    fleet_add(&fleet, "n3", "ready", 0, 0);
    fleet_add(&fleet, "n4", "ready", 1900, 0);
    fleet_begin(&fleet, 0);
    fleet_answer(&fleet, (struct word[]){{.score = 1}, {.score = 4.5}, {.refusal = "no ssd"}});
    fleet_choice(&fleet);
    receipt = fleet_receipt(&fleet);
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
    fleet_end(&fleet);
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
    fleet_add(&fleet, "n1", "ready", 1900, 0);
    fleet_add(&fleet, "n2", "ready", 0, 0);
    fleet_add(&fleet, "n3", "ready", 0, 0);
    set_hours(&fleet, "n2", "fri 18:00-24:00");
    set_hours(&fleet, "n3", "fri 08:00-12:00 UTC+01:00");
    lat_frame_tell_time(fleet.frame, 1000);
    fleet_begin(&fleet, 0);
    assert_null(fleet_choice(&fleet));
    receipt = fleet_receipt(&fleet);
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
    fleet_expect_fix(&fleet, "n2 comes nearest: its owner's hours begin at 1970-01-02 18:00 UTC.");
    fleet_expect_sentence(
        &fleet, "no node can take it: n1: 1.000 processors are wanted, 0.100 of 2.000 are "
                "free; n2: its owner's hours begin at 1970-01-02 18:00 UTC; n3: its owner's "
                "hours begin at 1970-01-02 07:00 UTC");
    fleet_end(&fleet);
}

static void a_receipt_is_shown_in_parts_that_add_up(void **state)
{
    struct fleet fleet = fleet_of(1000, 0);
    char shown[64] = "";
    size_t from = 0;

    (void)state;
    fleet_add(&fleet, "n1", "ready", 1900, 0);
    fleet_add(&fleet, "n2", "unreachable", 0, 0);
    fleet_add(&fleet, "n3", "ready", 1100, 0);
    fleet_add(&fleet, "n4", "revoked", 0, 0);
    fleet_add(&fleet, "n5", "ready", 1100, 0);
    fleet_begin(&fleet, 0);
    fleet_choice(&fleet);
    for (bool more = true; more;) {
        cJSON *receipt = fleet_part(&fleet, from, 2);
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
        cJSON *receipt = fleet_part(&fleet, 77, 2);
        const cJSON *rules = lat_json_get(receipt, "rules");

        assert_int_equal(cJSON_GetArraySize(lat_json_get(receipt, "nodes")), 0);
        assert_true(cJSON_IsNull(lat_json_get(receipt, "next")));
        assert_int_equal(cJSON_GetArraySize(rules), 3);
        assert_string_equal(lat_json_text(cJSON_GetArrayItem(rules, 0), "rule", ""), "cpu");
        assert_int_equal(lat_json_int(cJSON_GetArrayItem(rules, 0), "nodes", 0), 3);
        cJSON_Delete(receipt);
    }
    fleet_end(&fleet);
}

/* ---- the nearest fix ---- */

static void the_fix_is_what_the_nearest_node_lacks(void **state)
{
    struct fleet fleet = fleet_of(1500, 0);

    (void)state;
    fleet_add(&fleet, "n1", "ready", 1900, 0);
    fleet_add(&fleet, "n2", "ready", 750, 0);
    fleet_begin(&fleet, 0);
    fleet_choice(&fleet);
    fleet_expect_fix(&fleet,
                     "n2 lacks 0.25 processors: ask for 1.25 processors or less, or free 0.25 "
                     "processors there.");
    fleet_end(&fleet);
}

static void a_node_that_lacks_more_than_one_thing_is_no_fix(void **state)
{
    struct fleet fleet = fleet_of(1000, (int64_t)500 * MB);

    (void)state;
    fleet_add(&fleet, "n1", "ready", 1100, (int64_t)800 * MB); /* nearest by processors alone */
    fleet_add(&fleet, "n2", "ready", 1500, 0);
    fleet_begin(&fleet, 0);
    fleet_choice(&fleet);
    fleet_expect_fix(&fleet, "n2 lacks 0.5 processors: ask for 0.5 processors or less, or free 0.5 "
                             "processors there.");
    fleet.plan = lat_plan_free(fleet.plan);
    lat_frame_remove(fleet.frame, "n2");
    fleet_begin(&fleet, 0);
    fleet_choice(&fleet);
    fleet_expect_fix(&fleet, "n1 comes nearest: it lacks 0.1 processors, 300 MB of memory.");
    fleet_end(&fleet);
}

static void what_no_node_can_ever_take_wants_another_machine(void **state)
{
    struct fleet fleet = fleet_of(8000, 0);

    (void)state;
    fleet_add(&fleet, "n1", "ready", 500, 0);
    fleet_begin(&fleet, 0);
    fleet_choice(&fleet);
    fleet_expect_fix(&fleet,
                     "no node can ever take it as it is; n1 lacks 6.5 processors: ask for 1.5 "
                     "processors or less, or join a machine with 8 processors.");
    fleet_end(&fleet);
}

static void a_node_that_is_away_is_nearer_than_one_that_is_far_too_full(void **state)
{
    struct fleet fleet = fleet_of(1000, 0);

    (void)state;
    fleet_add(&fleet, "n1", "ready", 1900, 0);
    fleet_add(&fleet, "n2", "unreachable", 0, 0);
    fleet_begin(&fleet, 0);
    fleet_choice(&fleet);
    fleet_expect_fix(&fleet, "n2 comes nearest: it is not ready.");
    fleet_end(&fleet);
}

static void the_fix_names_what_the_policy_says(void **state)
{
    struct fleet fleet = fleet_of(500, 0);

    (void)state;
    fleet_add(&fleet, "n1", "ready", 0, 0);
    fleet_begin(&fleet, 0);
    fleet_answer(&fleet, (struct word[]){{.refusal = "no ssd"}});
    fleet_choice(&fleet);
    fleet_expect_fix(&fleet, "n1 comes nearest: no ssd.");
    fleet.plan = lat_plan_free(fleet.plan);
    lat_frame_remove(fleet.frame, "n1");
    fleet_begin(&fleet, 0);
    fleet_choice(&fleet);
    fleet_expect_fix(&fleet, "");
    fleet_end(&fleet);
}

static void what_is_too_small_never_takes_it(void **state)
{
    struct fleet fleet = fleet_of(0, (int64_t)1000 * MB + 1);
    const cJSON *node;
    cJSON *receipt;

    (void)state;
    fleet_add(&fleet, "n1", "ready", 0, 0);
    fleet_add(&fleet, "n2", "revoked", 0, 0);
    fleet_add(&fleet, "n3", "unreachable", 0, 0);
    fleet_begin(&fleet, 0);
    fleet_choice(&fleet);
    receipt = fleet_receipt(&fleet);
    node = cJSON_GetArrayItem(lat_json_get(receipt, "nodes"), 0);
    assert_string_equal(lat_json_text(node, "tense", ""), "never");
    assert_int_equal(lat_json_int(node, "need", 0), (int64_t)1000 * MB + 1); /* to the byte */
    assert_int_equal(lat_json_int(node, "have", 0), (int64_t)1000 * MB);
    node = cJSON_GetArrayItem(lat_json_get(receipt, "nodes"), 2);
    assert_string_equal(lat_json_text(node, "tense", ""), "never");
    node = cJSON_GetArrayItem(lat_json_get(receipt, "nodes"), 1);
    assert_string_equal(lat_json_text(node, "tense", ""), "not_now");
    cJSON_Delete(receipt);
    fleet_end(&fleet);
}

static void the_receipt_says_why_the_built_in_policy_decided(void **state)
{
    struct fleet fleet = fleet_of(500, 0);
    struct lat_program *builtin = lat_program_builtin();
    struct lat_plan_question question;
    const cJSON *node;
    struct lat_err why;
    cJSON *receipt;

    (void)state;
    fleet_add(&fleet, "n1", "ready", 1000, 0);
    fleet_add(&fleet, "n2", "ready", 0, 0);
    fleet_begin(&fleet, 0);
    assert_true(lat_plan_ask(fleet.plan, 1, &question)); /* which gets no answer */
    lat_err_set(&why, LAT_E_TIMEOUT, "It did not answer.");
    lat_plan_fall_back(fleet.plan, &why);
    assert_int_equal(lat_plan_judge(fleet.plan, builtin, "built-in", NULL), 0);
    assert_string_equal(fleet_choice(&fleet), "n2");
    assert_string_equal(lat_plan_policy(fleet.plan), "built-in");
    receipt = fleet_receipt(&fleet);
    assert_string_equal(lat_json_text(receipt, "fallback", ""), "It did not answer.");
    node = cJSON_GetArrayItem(lat_json_get(receipt, "terms"), 0);
    assert_string_equal(lat_json_text(node, "text", ""), "500 * free_cpu");
    assert_null(lat_json_get(node, "line")); /* it is nobody's file */
    node = cJSON_GetArrayItem(lat_json_get(receipt, "nodes"), 1);
    assert_string_equal(lat_json_text(node, "node", ""), "n1");
    assert_true(lat_json_real(node, "score", 0) ==
                750); /* 500 of processors' half, and of memory */
    cJSON_Delete(receipt);
    fleet_end(&fleet);
    lat_program_unref(builtin);
}

static void the_sentence_names_the_commonest_reasons_first(void **state)
{
    struct fleet fleet = fleet_of(0, (int64_t)500 * MB);

    (void)state;
    fleet_begin(&fleet, 0);
    assert_null(fleet_choice(&fleet));
    fleet_expect_sentence(&fleet, "no node has joined yet");
    fleet.plan = lat_plan_free(fleet.plan);
    fleet_add(&fleet, "n1", "ready", 0, (int64_t)600 * MB);
    fleet_add(&fleet, "n2", "unreachable", 0, 0);
    fleet_add(&fleet, "n3", "unreachable", 0, 0);
    fleet_begin(&fleet, 0);
    assert_null(fleet_choice(&fleet));
    fleet_expect_sentence(&fleet,
                          "no node can take it: 2 nodes: it is not ready; n1: 500 MB of memory "
                          "are wanted, 400 of 1000 are free");
    fleet_end(&fleet);
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
        fleet_add(&fleet, name, "ready", 0, 0);
        words[i] = (struct word){.refusal = reasons[i]};
    }
    fleet_begin(&fleet, 0);
    fleet_answer(&fleet, words);
    assert_null(fleet_choice(&fleet));
    lat_plan_sentence(fleet.plan, &out);
    assert_true(lat_text_ends(lat_buf_text(&out), "n2: reason 2; and 197 more reasons"));
    lat_buf_done(&out);
    fleet_end(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
