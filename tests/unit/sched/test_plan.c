/* One plan as a value: the machine's rules at their limits, the policy's word, the choice. */
#include "tests/unit/sched/fleet.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the machine's rules ---- */

static size_t asked_about(int64_t cpu, int64_t memory, int64_t used_cpu, int64_t used_memory)
{
    struct fleet fleet = fleet_of(cpu, memory);
    struct lat_plan_question question;
    size_t count;

    fleet_add(&fleet, "n1", "ready", used_cpu, used_memory);
    fleet_begin(&fleet, 0);
    count = lat_plan_ask(fleet.plan, 1, &question) ? fleet_count_meant(&fleet, &question) : 0;
    fleet_end(&fleet);
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
    struct lat_plan_question question;

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(states); i++) {
        fleet_add(&fleet, states[i], states[i], 0, 0);
    }
    fleet_begin(&fleet, 0);
    assert_false(lat_plan_ask(fleet.plan, 1, &question));
    assert_null(fleet_choice(&fleet));
    fleet_end(&fleet);
}

static void the_policy_sees_what_is_free(void **state)
{
    struct fleet fleet = fleet_of(100, MB);
    struct lat_plan_question question;

    (void)state;
    fleet_add(&fleet, "n1", "ready", 1500, (int64_t)600 * MB);
    fleet_begin(&fleet, 0);
    lat_plan_stands(fleet.plan, "n1");
    lat_plan_stands(fleet.plan, "elsewhere"); /* of a node that is gone */
    assert_true(lat_plan_ask(fleet.plan, 1, &question));
    assert_string_equal(lat_columns_text(question.columns,
                                         lat_record_code(question.record, LAT_FIELD_workload_name)),
                        "db");
    assert_true(lat_columns_floats(question.columns, LAT_FIELD_node_free_cpu)[0] == 0.5);
    assert_int_equal(lat_columns_ints(question.columns, LAT_FIELD_node_free_memory)[0],
                     (int64_t)400 * MB);
    assert_int_equal(lat_columns_ints(question.columns, LAT_FIELD_node_allocations)[0], 1);
    assert_int_equal(lat_columns_ints(question.columns, LAT_FIELD_node_workload_instances)[0], 1);
    assert_true(lat_columns_bits(question.columns, LAT_FIELD_node_healthy)[0] & 1);
    fleet_end(&fleet);
}

/* ---- the frame ---- */

static void a_node_that_changes_keeps_what_is_reserved_of_it(void **state)
{
    struct fleet fleet = fleet_of(1, 1);
    struct lat_need need = {.of = {1500, MB}};
    struct lat_node *larger;
    size_t row;

    (void)state;
    fleet_add(&fleet, "n1", "ready", 1500, MB);
    row = lat_frame_row(fleet.frame, "n1");
    larger = lat_node_edit(lat_frame_node(fleet.frame, row));
    larger->cpu_milli = 4000;
    assert_int_equal(lat_frame_put(fleet.frame, larger, NULL), 0);
    lat_row_unref(&larger->row);
    assert_int_equal(lat_frame_free_of(fleet.frame, row, LAT_RESOURCE_CPU), 2500);
    lat_frame_release(fleet.frame, "n1", &need);
    assert_int_equal(lat_frame_free_of(fleet.frame, row, LAT_RESOURCE_CPU), 4000);
    assert_int_equal(lat_frame_free_of(fleet.frame, row, LAT_RESOURCE_MEMORY), (int64_t)1000 * MB);
    fleet_end(&fleet);
}

static void a_node_that_is_gone_leaves_its_row_to_the_next_one(void **state)
{
    struct fleet fleet = fleet_of(1, 1);
    size_t row;

    (void)state;
    fleet_add(&fleet, "n1", "ready", 1500, MB);
    fleet_add(&fleet, "n2", "ready", 0, 0);
    row = lat_frame_row(fleet.frame, "n1");
    lat_frame_remove(fleet.frame, "n1");
    lat_frame_remove(fleet.frame, "n1"); /* twice is no error */
    assert_null(lat_frame_node(fleet.frame, row));
    assert_int_equal(lat_frame_count(fleet.frame), 1);
    fleet_add(&fleet, "n3", "ready", 0, 0);
    assert_int_equal(lat_frame_row(fleet.frame, "n3"), row);
    assert_int_equal(lat_frame_free_of(fleet.frame, row, LAT_RESOURCE_CPU), 2000);
    fleet_end(&fleet);
}

static void a_plan_takes_back_what_it_reserved_unless_it_is_kept(void **state)
{
    struct fleet fleet = fleet_of(1500, 0);

    (void)state;
    fleet_add(&fleet, "n1", "ready", 0, 0);
    for (int i = 0; i < 2; i++) {
        fleet_begin(&fleet, 0);
        fleet_answer(&fleet, (struct word[]){{.score = 1}});
        assert_string_equal(fleet_choice(&fleet), "n1");
        assert_int_equal(lat_frame_free_of(fleet.frame, 0, LAT_RESOURCE_CPU), 500);
        if (i == 1) {
            lat_plan_keep(fleet.plan);
        }
    }
    fleet_begin(&fleet, 0);
    fleet_answer(&fleet, (struct word[]){{.score = 1}});
    assert_null(fleet_choice(&fleet));
    fleet_end(&fleet);
}

/* ---- the choice ---- */

static void the_highest_score_is_taken_and_among_equals_the_seed_says(void **state)
{
    struct fleet fleet = fleet_of(0, 0);
    static const char *const wanted[] = {"n3", "n3", "n3", "n4"}; /* the first from there on */

    (void)state;
    fleet_add(&fleet, "n1", "ready", 0, 0);
    fleet_add(&fleet, "n2", "unreachable", 0, 0);
    fleet_add(&fleet, "n3", "ready", 0, 0);
    fleet_add(&fleet, "n4", "ready", 0, 0);
    for (uint64_t seed = 0; seed < LAT_COUNT(wanted); seed++) {
        fleet_begin(&fleet, seed);
        fleet_answer(&fleet, (struct word[]){{.score = -1}, {.score = 2}, {.score = 2}});
        assert_string_equal(fleet_choice(&fleet), wanted[seed]);
    }
    assert_string_equal(lat_plan_policy(fleet.plan), "placement 3");
    fleet_expect_sentence(&fleet, "placed on n4");
    fleet_end(&fleet);
}

static void a_score_below_nothing_is_still_a_place(void **state)
{
    struct fleet fleet = fleet_of(0, 0);

    (void)state;
    fleet_add(&fleet, "n1", "ready", 0, 0);
    fleet_begin(&fleet, 0);
    fleet_answer(&fleet, (struct word[]){{.score = -1000}});
    assert_string_equal(fleet_choice(&fleet), "n1");
    fleet_end(&fleet);
}

/* Answers about one row, and expects it to be that of a node. */
static void answer_about(struct fleet *fleet, const struct lat_plan_question *question,
                         const char *name, struct word word)
{
    assert_int_equal(fleet_count_meant(fleet, question), 1);
    assert_true(fleet_is_meant(question, lat_frame_row(fleet->frame, name)));
    lat_plan_answer(fleet->plan, fleet_decision(fleet, question, &word), "placement 3");
}

static void what_one_instance_changes_is_asked_about_again_and_nothing_else(void **state)
{
    static const char *const wanted[] = {"n2", "n2", "n1", "n3", "n1"};
    struct fleet fleet = fleet_of(500, 0);
    struct lat_plan_question question;
    size_t placed;

    (void)state;
    fleet_add(&fleet, "n1", "ready", 0, 0);
    fleet_add(&fleet, "n2", "ready", 1000, 0); /* two more */
    fleet_add(&fleet, "n3", "ready", 0, 0);
    fleet_add(&fleet, "n4", "ready", 0, 0);
    fleet_begin(&fleet, 0);
    assert_true(lat_plan_ask(fleet.plan, 5, &question));
    assert_int_equal(fleet_count_meant(&fleet, &question), 4);
    lat_plan_answer(
        fleet.plan,
        fleet_decision(
            &fleet, &question,
            (struct word[]){{.score = 2}, {.score = 9}, {.score = 1}, {.refusal = "no"}}),
        "placement 3");
    assert_true(lat_plan_ask(fleet.plan, 5, &question));
    assert_true(lat_columns_floats(question.columns, LAT_FIELD_node_free_cpu)[1] == 0.5);
    assert_int_equal(lat_columns_ints(question.columns, LAT_FIELD_node_workload_instances)[1], 1);
    answer_about(&fleet, &question, "n2", (struct word){.score = 3}); /* still the best */
    assert_true(lat_plan_ask(fleet.plan, 5, &question)); /* n2 is full, which no policy need say */
    answer_about(&fleet, &question, "n1", (struct word){.score = 0.5}); /* now n3 is better */
    assert_true(lat_plan_ask(fleet.plan, 5, &question));
    answer_about(&fleet, &question, "n3", (struct word){.refusal = "enough"});
    assert_false(lat_plan_ask(fleet.plan, 5, &question));
    assert_int_equal(lat_plan_place(fleet.plan, 5, &placed, NULL), 0);
    assert_int_equal(placed, LAT_COUNT(wanted));
    for (size_t i = 0; i < placed; i++) {
        assert_string_equal(lat_frame_node(fleet.frame, lat_plan_rows(fleet.plan)[i])->name,
                            wanted[i]);
    }
    fleet_end(&fleet);
}

static void what_is_wanted_no_more_is_given_back(void **state)
{
    struct fleet fleet = fleet_of(500, 0);
    struct lat_plan_question question;
    size_t placed;

    (void)state;
    fleet_add(&fleet, "n1", "ready", 0, 0);
    fleet_begin(&fleet, 0);
    assert_true(lat_plan_ask(fleet.plan, 3, &question));
    lat_plan_answer(fleet.plan, fleet_decision(&fleet, &question, &(struct word){.score = 1}), "p");
    for (int i = 0; i < 2; i++) {
        assert_true(lat_plan_ask(fleet.plan, 3, &question));
        answer_about(&fleet, &question, "n1", (struct word){.score = 1});
    }
    assert_false(lat_plan_ask(fleet.plan, 3, &question));
    assert_int_equal(lat_frame_free_of(fleet.frame, 0, LAT_RESOURCE_CPU), 500);
    assert_int_equal(lat_plan_place(fleet.plan, 1, &placed, NULL), 0);
    assert_int_equal(placed, 1);
    assert_int_equal(lat_frame_free_of(fleet.frame, 0, LAT_RESOURCE_CPU), 1500);
    fleet_end(&fleet);
}

static void a_plan_asks_for_so_many_instances_and_no_more(void **state)
{
    struct fleet fleet = fleet_of(0, 0);
    struct lat_plan_question question;
    size_t placed;
    size_t asked = 0;

    (void)state;
    fleet_add(&fleet, "n1", "ready", 0, 0);
    fleet_begin(&fleet, 0);
    for (; lat_plan_ask(fleet.plan, 1000, &question); asked++) {
        lat_plan_answer(fleet.plan, fleet_decision(&fleet, &question, &(struct word){.score = 1}),
                        "p");
    }
    assert_int_equal(asked, LAT_PLAN_ASKED_MAX);
    assert_int_equal(lat_plan_place(fleet.plan, 1000, &placed, NULL), 0);
    assert_int_equal(placed, LAT_PLAN_ASKED_MAX);
    fleet_end(&fleet);
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
        cmocka_unit_test(what_one_instance_changes_is_asked_about_again_and_nothing_else),
        cmocka_unit_test(what_is_wanted_no_more_is_given_back),
        cmocka_unit_test(a_plan_asks_for_so_many_instances_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
