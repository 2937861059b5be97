/* What a workload asks of the place itself: each rule, preferences, and the sums over domains. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "sched/fit.h"
#include "sched/rules.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Nodes a1, a2 in zone a; b1 in zone b; c0 without a zone. */
struct world {
    struct lat_frame *frame;
    struct lat_workload *workload;
    struct lat_workload *other; /* "db", labelled tier=data */
    struct lat_fit *fit;
};

static void add(struct lat_frame *frame, const char *name, const char *labels)
{
    struct lat_node *node = lat_node_new();
    struct lat_err err;

    lat_text_bound(node->row.id, sizeof(node->row.id), name);
    lat_row_set(node->name, name);
    lat_row_set(node->status, "ready");
    lat_row_set(node->pool, name[0] == 'c' ? "attic" : "lab");
    lat_row_set(node->architecture, name[0] == 'b' ? "arm64" : "amd64");
    lat_row_set(node->labels, labels);
    lat_row_set(node->attributes, name[0] == 'b' ? "{\"runtime.runsc\":\"yes\",\"kernel\":\"6.1\"}"
                                                 : "{\"kernel\":\"5\"}");
    lat_row_set(node->gpus, name[0] == 'a' ? "[{\"id\":\"g0\",\"model\":\"T4\"}]" : "");
    node->disk_bytes = 100;
    node->disk_free_bytes = name[0] == 'c' ? 10 : 90;
    node->bandwidth_bps = name[0] == 'c' ? 0 : 1000000;
    assert_int_equal(lat_frame_put(frame, node, &err), 0);
    lat_row_unref(&node->row);
}

static struct lat_workload *workload_of(const char *id, const char *name, const char *labels)
{
    struct lat_workload *workload = lat_workload_new();

    lat_text_bound(workload->row.id, sizeof(workload->row.id), id);
    lat_row_set(workload->name, name);
    lat_row_set(workload->labels, labels);
    return workload;
}

static int open_world(void **state)
{
    struct world *world = LAT_NEW(struct world);

    world->frame = lat_frame_new();
    add(world->frame, "a1", "{\"zone\":\"a\",\"cores\":\"8\"}");
    add(world->frame, "a2", "{\"zone\":\"a\",\"ssd\":\"yes\"}");
    add(world->frame, "b1", "{\"zone\":\"b\"}");
    add(world->frame, "c0", "");
    world->workload = workload_of("w", "web", "");
    world->other = workload_of("d", "db", "{\"tier\":\"data\",\"team\":\"x\"}");
    *state = world;
    return 0;
}

static int close_world(void **state)
{
    struct world *world = *state;

    lat_fit_free(world->fit);
    lat_row_unref(&world->workload->row);
    lat_row_unref(&world->other->row);
    lat_frame_free(world->frame);
    free(world);
    return 0;
}

/* Makes the fit for a placement written with ' for ". */
static void ask(struct world *world, const char *placement)
{
    char *text = lat_text_copy(placement);
    struct lat_err err;

    for (char *c = text; *c; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    lat_row_set(world->workload->placement, text);
    free(text);
    lat_fit_free(world->fit);
    if (lat_fit_new(world->frame, world->workload, &world->fit, &err) != 0) {
        fail_msg("%s: %s", placement, err.sentence);
    }
}

static struct lat_request request_of(struct world *world)
{
    return (struct lat_request){.workload = world->workload,
                                .project = "",
                                .need = lat_need_of_workload(world->workload),
                                .fit = world->fit};
}

/* Expects the nodes that no rule refuses: "a1 b1"; by narrowing and by looking at each row. */
static void expect(struct world *world, const char *names)
{
    struct lat_request request = request_of(world);
    uint64_t among[4] = {0xf};
    struct lat_buf left = {0};
    struct lat_margin margin;

    if (world->fit) {
        lat_fit_ready(world->fit);
    }
    lat_rules_narrow(world->frame, &request, among);
    for (size_t row = 0; row < 4; row++) {
        bool passes = lat_rules_find(world->frame, &request, row, &margin) < 0;

        assert_int_equal(passes, among[0] >> row & 1); /* what is told is what was done */
        if (passes) {
            lat_buf_addf(&left, "%s%s", left.len ? " " : "",
                         lat_frame_node(world->frame, row)->name);
        }
    }
    if (strcmp(lat_buf_text(&left), names) != 0) {
        fail_msg("%s: left are '%s', not '%s'", world->workload->placement, lat_buf_text(&left),
                 names);
    }
    lat_buf_done(&left);
}

static void expect_reason(struct world *world, const char *node, const char *rule,
                          enum lat_tense tense, const char *reason)
{
    struct lat_request request = request_of(world);
    struct lat_margin margin;
    char text[LAT_RULE_REASON_MAX];
    int found = lat_rules_find(world->frame, &request, lat_frame_row(world->frame, node), &margin);

    assert_true(found >= 0);
    assert_string_equal(lat_rule_name(found), rule);
    assert_int_equal(margin.tense, tense);
    lat_rule_reason(found, &margin, text);
    assert_string_equal(text, reason);
}

static void who_asks_for_nothing_has_no_fit(void **state)
{
    struct world *world = *state;

    ask(world, "");
    assert_null(world->fit);
    assert_false(lat_fit_is_passing(NULL));
    assert_int_equal(lat_fit_points(NULL, 0), 0);
    expect(world, "a1 a2 b1 c0");
}

static void pool_architecture_and_runtime_are_the_nodes_own(void **state)
{
    struct world *world = *state;

    ask(world, "{'pool':'lab'}");
    expect(world, "a1 a2 b1");
    expect_reason(world, "c0", "pool", LAT_TENSE_NEVER, "its pool is attic, not lab");
    ask(world, "{'pool':'lab','architecture':'arm64'}");
    expect(world, "b1");
    ask(world, "{'runtime':'runsc'}");
    expect(world, "b1");
    expect_reason(world, "a1", "runtime", LAT_TENSE_NEVER, "its engine has no runtime runsc");
    assert_false(lat_fit_is_passing(world->fit));
}

static void conditions_look_at_labels_attributes_and_fields(void **state)
{
    struct world *world = *state;

    ask(world, "{'require':[{'key':'zone','operator':'in','values':['a','c']}]}");
    expect(world, "a1 a2");
    expect_reason(world, "b1", "require", LAT_TENSE_NEVER, "zone in a,c is required, and it has b");
    expect_reason(world, "c0", "require", LAT_TENSE_NEVER,
                  "zone in a,c is required, and it has no zone");
    ask(world, "{'require':[{'key':'zone','values':['a']},{'key':'ssd','operator':'not_exists'}]}");
    expect(world, "a1");
    ask(world, "{'require':[{'key':'attribute.kernel','operator':'>','values':['5.5']}]}");
    expect(world, "b1");
    ask(world, "{'require':[{'key':'node.name','operator':'!=','values':['a1']},"
               "{'key':'node.pool','values':['lab']}]}");
    expect(world, "a2 b1");
    ask(world, "{'require':[{'key':'nobody-has-it','operator':'exists'}]}");
    expect(world, "");
}

static void affinity_goes_where_the_other_stands(void **state)
{
    struct world *world = *state;

    ask(world, "{'affinity':[{'workload':'db','by':'zone'}]}");
    assert_true(lat_fit_looks_around(world->fit));
    assert_true(lat_fit_is_passing(world->fit));
    expect(world, "");
    expect_reason(world, "a1", "affinity", LAT_TENSE_NOT_NOW, "no instance of 'db' is on zone a");
    lat_fit_sees(world->fit, world->other, "a2");
    lat_fit_sees(world->fit, world->other, "c0"); /* in no zone: of no use to anybody */
    expect(world, "a1 a2");
    ask(world, "{'affinity':[{'labels':{'tier':'data','team':'x'}}]}");
    lat_fit_sees(world->fit, world->other, "a2");
    expect(world, "a2");
    ask(world, "{'affinity':[{'labels':{'tier':'data','team':'y'}}]}");
    lat_fit_sees(world->fit, world->other, "a2");
    expect(world, "");
}

static void an_affinity_to_itself_does_not_keep_the_first_one_out(void **state)
{
    struct world *world = *state;

    ask(world, "{'affinity':[{'workload':'web','by':'zone'}]}");
    expect(world, "a1 a2 b1 c0");
    lat_fit_sees(world->fit, world->workload, "b1");
    expect(world, "b1");
}

static void anti_affinity_keeps_apart(void **state)
{
    struct world *world = *state;

    ask(world, "{'anti_affinity':[{'workload':'db','by':'zone'},{'workload':'web'}]}");
    lat_fit_sees(world->fit, world->other, "a2");
    lat_fit_sees(world->fit, world->workload, "c0");
    expect(world, "b1");
    expect_reason(world, "a1", "anti_affinity", LAT_TENSE_NOT_NOW,
                  "an instance of 'db' is on zone a");
    expect_reason(world, "c0", "anti_affinity", LAT_TENSE_NOT_NOW, "an instance of 'web' is on it");
}

static void spread_keeps_the_fullest_near_the_emptiest(void **state)
{
    struct world *world = *state;

    ask(world, "{'spread':{'by':'zone','max_skew':1}}");
    expect(world, "a1 a2 b1");
    lat_fit_sees(world->fit, world->workload, "a1");
    expect(world, "b1");
    expect_reason(world, "a2", "spread", LAT_TENSE_NOT_NOW,
                  "1 of its instances are on zone a, and only 0 elsewhere");
    lat_fit_sees(world->fit, world->workload, "b1");
    lat_fit_sees(world->fit, world->other, "b1"); /* others do not count */
    expect(world, "a1 a2 b1");
    ask(world,
        "{'pool':'lab','require':[{'key':'zone','values':['a']}],'spread':{'by':'zone','max_skew':1}}");
    lat_fit_sees(world->fit, world->workload, "a1");
    expect(world, "a1 a2"); /* zone b could not take one anyhow */
}

static void points_of(struct world *world, const int64_t points[4])
{
    lat_fit_ready(world->fit);
    for (size_t row = 0; row < 4; row++) {
        assert_int_equal(lat_fit_points(world->fit, row), points[row]);
    }
}

static void preferences_are_points_and_refuse_nobody(void **state)
{
    struct world *world = *state;

    ask(world,
        "{'prefer':[{'key':'zone','values':['a'],'weight':20},{'key':'ssd','operator':'exists'}]}");
    points_of(world, (const int64_t[]){20, 70, 0, 0});
    expect(world, "a1 a2 b1 c0");
    ask(world, "{'affinity':[{'workload':'db','by':'zone','weight':30}],"
               "'anti_affinity':[{'workload':'db','weight':10}]}");
    lat_fit_sees(world->fit, world->other, "a2");
    points_of(world, (const int64_t[]){30, 20, 0, 0});
    expect(world, "a1 a2 b1 c0");
    ask(world, "{'spread':{'by':'zone'}}");
    lat_fit_sees(world->fit, world->workload, "a1");
    points_of(world, (const int64_t[]){-50, -50, 0, -100});
}

static void ports_and_devices_are_taken_by_those_that_have_them(void **state)
{
    struct world *world = *state;
    struct lat_allocation *allocation = lat_allocation_new();

    lat_row_set(world->workload->host_ports, "[9000,9001]");
    world->workload->gpu_share_milli = 500;
    ask(world, "");
    expect(world, "a1 a2");
    expect_reason(world, "b1", "gpus", LAT_TENSE_NEVER, "1 GPU is wanted, it has 0 such");
    lat_row_set(allocation->node_id, "a1");
    lat_row_set(allocation->host_ports, "[9001]");
    lat_frame_claim(world->frame, allocation, 1);
    expect(world, "a2");
    expect_reason(world, "a1", "host_port", LAT_TENSE_NOT_NOW, "its port 9001 is taken");
    lat_frame_claim(world->frame, allocation, -1);
    lat_row_set(allocation->host_ports, "");
    lat_row_set(allocation->gpus, "[{\"id\":\"g0\",\"share_milli\":600}]");
    lat_frame_claim(world->frame, allocation, 1);
    expect(world, "a2");
    expect_reason(world, "a1", "gpus", LAT_TENSE_NOT_NOW,
                  "0.500 of a GPU is wanted, none of its 1 has as much left");
    lat_frame_claim(world->frame, allocation, -1);
    expect(world, "a1 a2");
    lat_row_unref(&allocation->row);
}

static void disk_and_line_have_to_suffice(void **state)
{
    struct world *world = *state;

    ask(world, "");
    world->workload->disk_bytes = 50;
    expect(world, "a1 a2 b1");
    expect_reason(world, "c0", "disk_space", LAT_TENSE_NOT_NOW,
                  "its disk is too full for what is wanted of it");
    world->workload->disk_bytes = 101;
    expect(world, "");
    world->workload->disk_bytes = 0;
    world->workload->bandwidth_bps = 1000000;
    expect(world, "a1 a2 b1");
    expect_reason(world, "c0", "bandwidth", LAT_TENSE_NEVER,
                  "1 Mbit/s are wanted, 0 of 0 are free");
}

static void put_node(struct world *world, const char *name, int64_t until, const char *images)
{
    const struct lat_node *before = lat_frame_node(world->frame, lat_frame_row(world->frame, name));
    struct lat_node *node = lat_node_edit(before);
    struct lat_err err;

    node->available_until = until;
    lat_row_set(node->images, images);
    assert_int_equal(lat_frame_put(world->frame, node, &err), 0);
    lat_row_unref(&node->row);
}

static void nothing_begins_after_hours(void **state)
{
    struct world *world = *state;

    ask(world, "");
    put_node(world, "a2", 5000, "");
    lat_frame_tell_time(world->frame, 3000);
    expect(world, "a1 a2 b1 c0");
    lat_frame_tell_time(world->frame, 5000);
    expect(world, "a1 b1 c0");
    expect_reason(world, "a2", "hours", LAT_TENSE_NOT_NOW, "its owner's hours have ended");
    put_node(world, "a2", 0, "");
    expect(world, "a1 a2 b1 c0");
}

static void set_hours(struct world *world, const char *name, const char *hours, int64_t until)
{
    const struct lat_node *before = lat_frame_node(world->frame, lat_frame_row(world->frame, name));
    struct lat_node *node = lat_node_edit(before);
    struct lat_err err;

    lat_row_set(node->hours, hours);
    node->available_until = until;
    assert_int_equal(lat_frame_put(world->frame, node, &err), 0);
    lat_row_unref(&node->row);
}

static int64_t seconds_of(struct world *world, const char *name)
{
    return lat_columns_ints(lat_frame_columns(world->frame),
                            LAT_FIELD_node_available_seconds)[lat_frame_row(world->frame, name)];
}

/* The epoch was a Thursday. */
static void outside_of_weekly_hours_a_node_says_when_they_begin(void **state)
{
    const int64_t minute = 60 * 1000;
    const int64_t day = 24 * 60 * minute;
    struct world *world = *state;

    ask(world, "");
    set_hours(world, "a2", "thu 10:00-12:00", 0);
    set_hours(world, "b1", "thu-fri 11:00-24:00, sat-wed 00:00-24:00", 0);
    lat_frame_tell_time(world->frame, 9 * 60 * minute + 1);
    expect(world, "a1 c0");
    assert_int_equal(lat_frame_opens(world->frame), 10 * 60 * minute);
    expect_reason(world, "a2", "hours", LAT_TENSE_WHEN,
                  "its owner's hours begin at 1970-01-01 10:00 UTC");
    lat_frame_tell_time(world->frame, 10 * 60 * minute);
    expect(world, "a1 a2 c0");
    assert_int_equal(seconds_of(world, "a2"), 7200);
    assert_int_equal(seconds_of(world, "a1"), INT64_MAX);
    assert_int_equal(lat_frame_opens(world->frame), 11 * 60 * minute);
    lat_frame_tell_time(world->frame, 12 * 60 * minute - 1);
    expect(world, "a1 a2 b1 c0");
    assert_int_equal(seconds_of(world, "a2"), 1);
    lat_frame_tell_time(world->frame, 12 * 60 * minute);
    expect(world, "a1 b1 c0");
    assert_int_equal(lat_frame_opens(world->frame), 7 * day + 10 * 60 * minute);
    lat_frame_tell_time(world->frame, 10 * 60 * minute); /* the clock was put back */
    expect(world, "a1 a2 c0");
    set_hours(world, "a2", "thu 10:00-12:00", 7 * day); /* ends before they begin again */
    set_hours(world, "b1", "", 0);
    lat_frame_tell_time(world->frame, day);
    expect(world, "a1 b1 c0");
    expect_reason(world, "a2", "hours", LAT_TENSE_NOT_NOW, "its owner's hours have ended");
    assert_int_equal(lat_frame_opens(world->frame), 0);
    set_hours(world, "a2", "a hand was here", 0);
    lat_frame_tell_time(world->frame, 11 * 60 * minute);
    expect(world, "a1 b1 c0");
    set_hours(world, "a2", "daily 00:00-24:00", 0);
    lat_frame_tell_time(world->frame, 11 * 60 * minute);
    expect(world, "a1 a2 b1 c0");
    assert_int_equal(seconds_of(world, "a2"), INT64_MAX);
    set_hours(world, "a2", "", 0);
    expect(world, "a1 a2 b1 c0");
}

static void who_has_an_image_is_known(void **state)
{
    struct world *world = *state;
    size_t words;

    assert_null(lat_frame_image(world->frame, "nginx:1", &words));
    put_node(world, "a2", 0, "[\"nginx:1\",\"redis:7\"]");
    put_node(world, "c0", 0, "[\"nginx:1\"]");
    assert_int_equal(lat_frame_image(world->frame, "nginx:1", &words)[0], 0xa);
    put_node(world, "a2", 0, "[\"redis:7\"]");
    assert_int_equal(lat_frame_image(world->frame, "nginx:1", &words)[0], 0x8);
    assert_int_equal(lat_frame_image(world->frame, "redis:7", &words)[0], 0x2);
    lat_frame_remove(world->frame, "c0");
    assert_null(lat_frame_image(world->frame, "nginx:1", &words));
}

static void a_placement_that_cannot_be_read_is_placed_nowhere(void **state)
{
    struct world *world = *state;
    struct lat_err err;

    lat_row_set(world->workload->placement, "{\"pool\":");
    assert_int_not_equal(lat_fit_new(world->frame, world->workload, &world->fit, &err), 0);
    world->fit = lat_fit_broken(world->frame, world->workload);
    expect(world, "");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        CASE(who_asks_for_nothing_has_no_fit),
        CASE(pool_architecture_and_runtime_are_the_nodes_own),
        CASE(conditions_look_at_labels_attributes_and_fields),
        CASE(affinity_goes_where_the_other_stands),
        CASE(an_affinity_to_itself_does_not_keep_the_first_one_out),
        CASE(anti_affinity_keeps_apart),
        CASE(spread_keeps_the_fullest_near_the_emptiest),
        CASE(preferences_are_points_and_refuse_nobody),
        CASE(ports_and_devices_are_taken_by_those_that_have_them),
        CASE(disk_and_line_have_to_suffice),
        CASE(nothing_begins_after_hours),
        CASE(outside_of_weekly_hours_a_node_says_when_they_begin),
        CASE(who_has_an_image_is_known),
        CASE(a_placement_that_cannot_be_read_is_placed_nowhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
