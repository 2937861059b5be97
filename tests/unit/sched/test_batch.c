/* Plans by a program: many instances at once, each where it is best at its time; and what is kept from one plan to the next
 * changes nothing. The program is the shipped placement, without its words. */
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

enum { MB = 1 << 20, NODES = 600, LOOKS = 40, SEEDS = 800, DIFFERENT = 17000 };

/* Refuses nodes of the pool "closed" and those with too little memory; 500 for free processors, 500 for free memory, less 1000 for each
 * instance there. */
static const char spreading[] =
    "{\"version\":1,\"ops\":[[\"field\",\"node.free_memory\"],[\"field\",\"workload.memory\"],"
    "[\"lt_i\",0,1],[\"field\",\"node.free_cpu\"],[\"field\",\"node.cpu\"],[\"div_f\",3,4],"
    "[\"const_f\",\"0x1.f4p+8\"],[\"mul_f\",6,5],[\"i2f\",0],[\"field\",\"node.memory\"],[\"i2f\",9],"
    "[\"div_f\",8,10],[\"mul_f\",6,11],[\"field\",\"node.workload_instances\"],[\"i2f\",13],"
    "[\"const_f\",\"-0x1.f4p+9\"],[\"mul_f\",15,14],[\"add_f\",7,12],[\"add_f\",17,16],"
    "[\"field\",\"node.pool\"],[\"const_s\",\"closed\"],[\"eq_s\",19,20],[\"not\",2],[\"and\",21,22]],"
    "\"traps\":[],\"rules\":[{\"when\":2,\"line\":3,\"text\":\"node.free_memory < "
    "workload.memory\",\"reason\":[\"has \",{\"value\":0},\" bytes free\"],\"have\":0,\"need\":1,"
    "\"compare\":\"<\"},{\"when\":23,\"line\":4,\"text\":\"node.pool == 'closed'\",\"reason\":"
    "[\"is in a closed pool\"],\"have\":19}],\"score\":18,\"terms\":[{\"value\":7,\"line\":6,\"text\":\"500 * "
    "free_cpu\"},{\"value\":12,\"line\":7,\"text\":\"500 * free_memory\"},{\"value\":16,\"line\":8,"
    "\"text\":\"1000 * node.workload_instances\"}]}";

/* Scores 1, and raises an error for a node on which an instance of the workload stands. */
static const char failing[] =
    "{\"version\":1,\"ops\":[[\"field\",\"node.workload_instances\"],[\"const_i\",\"0\"],"
    "[\"lt_i\",1,0],[\"const_f\",\"0x1p+0\"]],\"traps\":[{\"when\":2,\"line\":7,\"message\":\"attempt to "
    "count\"}],\"rules\":[],\"score\":3,\"terms\":[]}";

/* The more instances of the workload a node has, the better; raises an error for one in the pool "closed" that has any. */
static const char gathering[] =
    "{\"version\":1,\"ops\":[[\"field\",\"node.workload_instances\"],[\"const_i\",\"0\"],"
    "[\"lt_i\",1,0],[\"field\",\"node.pool\"],[\"const_s\",\"closed\"],[\"eq_s\",3,4],[\"and\",2,5],"
    "[\"i2f\",0]],\"traps\":[{\"when\":6,\"line\":7,\"message\":\"attempt to count\"}],\"rules\":[],"
    "\"score\":7,\"terms\":[]}";

/* As many points as a node has bytes of memory free. */
static const char counting[] =
    "{\"version\":1,\"ops\":[[\"field\",\"node.free_memory\"],[\"i2f\",0]],\"traps\":[],\"rules\":[],"
    "\"score\":1,\"terms\":[]}";

/* 10 for a node that has the image, 5 for one that has the data. */
static const char keeping[] =
    "{\"version\":1,\"ops\":[[\"field\",\"node.has_image\"],[\"field\",\"node.has_data\"],"
    "[\"const_f\",\"0x1.4p+3\"],[\"const_f\",\"0x1.4p+2\"],[\"const_f\",\"0x0p+0\"],"
    "[\"select_f\",0,2,4],[\"select_f\",1,3,4],[\"add_f\",5,6]],\"traps\":[],\"rules\":[],"
    "\"score\":7,\"terms\":[]}";

struct fleet {
    struct lat_frame *frame;
    struct lat_planner *planner;
    struct lat_program *program;
    struct lat_workload *workload;
    struct lat_plan *plan;
};

static struct fleet fleet_of(const char *program, int64_t cpu_milli, int64_t memory_bytes)
{
    struct fleet fleet = {.frame = lat_frame_new(),
                          .workload = lat_workload_new(),
                          .program = test_program_read(program)};

    fleet.planner = lat_planner_new(fleet.frame);
    lat_text_bound(fleet.workload->row.id, LAT_ID_SIZE, "w");
    fleet.workload->cpu_milli = cpu_milli;
    fleet.workload->memory_bytes = memory_bytes;
    return fleet;
}

static void end(struct fleet *fleet)
{
    lat_plan_free(fleet->plan);
    lat_planner_free(fleet->planner);
    lat_frame_free(fleet->frame);
    lat_program_unref(fleet->program);
    lat_row_unref(&fleet->workload->row);
}

static void add(struct fleet *fleet, int number, int64_t cpu_milli, int64_t memory_bytes,
                const char *pool)
{
    struct lat_node *node = lat_node_new();

    snprintf(node->row.id, sizeof(node->row.id), "n%d", number);
    lat_row_set(node->name, node->row.id);
    lat_row_set(node->status, "ready");
    lat_row_set(node->pool, pool);
    node->number = number + 1;
    node->cpu_milli = cpu_milli;
    node->memory_bytes = memory_bytes;
    assert_int_equal(lat_frame_put(fleet->frame, node, NULL), 0);
    lat_row_unref(&node->row);
}

static void begin(struct fleet *fleet, struct lat_planner *planner, uint64_t seed)
{
    const struct lat_request request = {.workload = fleet->workload,
                                        .project = "main",
                                        .need = lat_need_of_workload(fleet->workload)};

    fleet->plan = lat_plan_new(planner, &request, seed);
}

static int place(struct fleet *fleet, size_t count, size_t *ret_placed, struct lat_err *err)
{
    int rc = lat_plan_judge(fleet->plan, fleet->program, "placement 1", err);

    return rc != 0 ? rc : lat_plan_place(fleet->plan, count, ret_placed, err);
}

static struct lat_receipt receipt_of(struct fleet *fleet)
{
    struct lat_buf packed = {0};
    struct lat_receipt receipt;

    lat_plan_receipt(fleet->plan, &packed);
    assert_int_equal(lat_receipt_read(lat_buf_text(&packed), &receipt, NULL), 0);
    lat_buf_done(&packed);
    return receipt;
}

/* ---- many at once ---- */

/* What the test knows of a node. */
struct truth {
    double cpu, memory, free_cpu, free_memory;
    int instances;
};

static double score_of(const struct truth *node)
{
    return 500 * (node->free_cpu / node->cpu) + 500 * (node->free_memory / node->memory) +
           -1000 * (double)node->instances;
}

static bool is_open_to(const struct truth *node, double cpu, double memory)
{
    return node->free_cpu >= cpu && node->free_memory >= memory;
}

/* Expects of a plan that each of its choices was the best of all at its time; and enters it into the truth. */
static void expect_best(struct fleet *fleet, struct truth *nodes, size_t count, uint64_t seed)
{
    size_t placed = 0;
    struct lat_err err;

    begin(fleet, fleet->planner, seed);
    assert_int_equal(place(fleet, count, &placed, &err), 0);
    assert_int_equal(placed, count);
    for (size_t i = 0; i < placed; i++) {
        struct truth *chosen = &nodes[lat_plan_rows(fleet->plan)[i]];

        assert_true(is_open_to(chosen, 0.3, 100 * MB));
        for (int other = 0; other < NODES; other++) {
            assert_false(is_open_to(&nodes[other], 0.3, 100 * MB) &&
                         score_of(&nodes[other]) > score_of(chosen));
        }
        chosen->free_cpu = (chosen->free_cpu * 1000 - 300) / 1000;
        chosen->free_memory -= 100 * MB;
        chosen->instances++;
    }
    fleet->plan = lat_plan_free(fleet->plan);
}

static void each_instance_goes_where_it_is_best_at_its_time(void **state)
{
    static const size_t counts[] = {12, 15, 19, 25, 40};
    struct fleet fleet = fleet_of(spreading, 300, (int64_t)100 * MB);
    struct lat_random *random = lat_random_new_seeded(3);
    struct truth *nodes = lat_alloc_array(2 * (size_t)NODES, sizeof(*nodes));
    char id[16];

    (void)state;
    for (int i = 0; i < NODES; i++) {
        int64_t cpu = 1000 + (int64_t)lat_random_below(random, 4) * 1000;
        int64_t memory = (int64_t)(200 + lat_random_below(random, 5) * 100) * MB;
        struct lat_need used = {
            .of = {[LAT_RESOURCE_CPU] = (int64_t)lat_random_below(random, 70) * 10}};

        add(&fleet, i, cpu, memory, i % 7 == 0 ? "closed" : "default");
        snprintf(id, sizeof(id), "n%d", i);
        lat_frame_reserve(fleet.frame, id, &used);
        nodes[NODES + i] =
            (struct truth){.cpu = (double)cpu / 1000,
                           .memory = (double)memory,
                           .free_cpu = (double)(cpu - used.of[LAT_RESOURCE_CPU]) / 1000,
                           .free_memory = i % 7 == 0 ? -1 : (double)memory};
    }
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        memcpy(nodes, nodes + NODES, NODES * sizeof(*nodes));
        expect_best(&fleet, nodes, seed ? counts[seed % LAT_COUNT(counts)] : LAT_PLAN_INSTANCES_MAX,
                    seed);
    }
    free(nodes);
    lat_random_free(random);
    end(&fleet);
}

static void as_many_as_fit_are_placed(void **state)
{
    struct fleet fleet = fleet_of(spreading, 300, 0);
    struct lat_receipt receipt;
    struct lat_buf sentence = {0};
    size_t placed = 0;
    struct lat_err err;

    (void)state;
    add(&fleet, 0, 1000, MB, "default");
    add(&fleet, 1, 700, MB, "default");
    begin(&fleet, fleet.planner, 0);
    assert_int_equal(place(&fleet, 100, &placed, &err), 0);
    assert_int_equal(placed, 5);
    assert_int_equal(lat_frame_free_of(fleet.frame, 0, LAT_RESOURCE_CPU), 100);
    lat_plan_sentence(fleet.plan, &sentence);
    assert_string_equal(lat_buf_text(&sentence), "placed 5 instances on n0, n1");
    lat_buf_done(&sentence);
    receipt = receipt_of(&fleet);
    assert_int_equal(receipt.nodes[0].instances, 3);
    assert_int_equal(receipt.nodes[1].instances, 2);
    lat_receipt_done(&receipt);
    fleet.plan = lat_plan_free(fleet.plan);
    assert_int_equal(lat_frame_free_of(fleet.frame, 0, LAT_RESOURCE_CPU), 1000);
    assert_int_equal(lat_frame_free_of(fleet.frame, 1, LAT_RESOURCE_CPU), 700);
    end(&fleet);
}

static void a_program_that_fails_on_the_way_places_nothing(void **state)
{
    struct fleet fleet = fleet_of(failing, 100, 0);
    size_t placed = 0;
    struct lat_err err;

    (void)state;
    add(&fleet, 0, 1000, MB, "default");
    begin(&fleet, fleet.planner, 0);
    assert_int_equal(place(&fleet, 3, &placed, &err), LAT_E_POLICY);
    assert_string_equal(err.sentence, "line 7: attempt to count (for node 'n0')");
    assert_int_equal(placed, 0);
    assert_int_equal(lat_frame_free_of(fleet.frame, 0, LAT_RESOURCE_CPU), 1000);
    fleet.plan = lat_plan_free(fleet.plan);
    begin(&fleet, fleet.planner, 0);
    lat_plan_stands(fleet.plan, "n0");
    assert_int_equal(lat_plan_judge(fleet.plan, fleet.program, "", &err), LAT_E_POLICY);
    end(&fleet);
}

static void an_error_is_that_of_the_first_row_that_would_have_been_judged(void **state)
{
    struct fleet fleet = fleet_of(gathering, 100, 0);
    size_t placed = 0;
    struct lat_err err;

    (void)state;
    add(&fleet, 0, 2000, MB, "default");
    for (int i = 1; i < 40; i++) {
        add(&fleet, i, 1000, MB, "closed");
    }
    begin(&fleet, fleet.planner, 0);
    assert_int_equal(place(&fleet, 20, &placed, &err), 0);
    assert_int_equal(placed, 20);
    for (size_t i = 0; i < placed; i++) {
        assert_int_equal(lat_plan_rows(fleet.plan)[i], 0);
    }
    fleet.plan = lat_plan_free(fleet.plan);
    begin(&fleet, fleet.planner, 0);
    assert_int_equal(place(&fleet, 30, &placed, &err), LAT_E_POLICY);
    assert_string_equal(err.sentence, "line 7: attempt to count (for node 'n1')");
    for (size_t row = 0; row < 40; row++) {
        assert_int_equal(lat_frame_free_of(fleet.frame, row, LAT_RESOURCE_CPU), row ? 1000 : 2000);
    }
    end(&fleet);
}

/* Memory of a node, in bytes: first all differ, then they are as earlier ones are, some in a row. */
static int64_t memory_of(int number)
{
    static const int in_a_row[] = {1, 1, 2, 1, 3, 129, 1, 300};
    int at = DIFFERENT;

    for (int i = 0; number >= DIFFERENT; i++) {
        at += in_a_row[i % LAT_COUNT(in_a_row)];
        if (number < at) {
            return DIFFERENT - i * 173 % DIFFERENT;
        }
    }
    return number + 1;
}

static void what_is_packed_of_a_large_fleet_is_read_again(void **state)
{
    struct fleet fleet = fleet_of(counting, 0, 0);
    struct lat_receipt receipt;
    size_t placed = 0;
    struct lat_err err;

    (void)state;
    for (int i = 0; i < DIFFERENT + 3000; i++) {
        add(&fleet, i, 1000, memory_of(i), "default");
    }
    begin(&fleet, fleet.planner, 0);
    assert_int_equal(place(&fleet, 7, &placed, &err), 0);
    receipt = receipt_of(&fleet);
    assert_int_equal(receipt.node_count, DIFFERENT + 3000);
    assert_int_equal(receipt.record_count, DIFFERENT);
    for (int i = 0; i < DIFFERENT + 3000; i++) {
        assert_true(receipt.records[receipt.nodes[i].record].score == (double)memory_of(i));
    }
    assert_int_equal(receipt.nodes[DIFFERENT - 1].instances, 7);
    lat_receipt_done(&receipt);
    end(&fleet);
}

/* ---- what is there already ---- */

/* Expects the node that one instance is placed on; "" for none. */
static void expect_place(struct fleet *fleet, const struct lat_request *request, const char *name)
{
    size_t placed = 0;
    struct lat_err err;

    fleet->plan = lat_plan_new(fleet->planner, request, 0);
    assert_int_equal(place(fleet, 1, &placed, &err), 0);
    assert_string_equal(
        placed ? lat_frame_node(fleet->frame, lat_plan_rows(fleet->plan)[0])->name : "", name);
    fleet->plan = lat_plan_free(fleet->plan);
}

static void tell(struct fleet *fleet, const char *name, const char *images, const char *volumes)
{
    struct lat_node *node =
        lat_node_edit(lat_frame_node(fleet->frame, lat_frame_row(fleet->frame, name)));

    lat_row_set(node->images, images);
    lat_row_set(node->volumes, volumes);
    assert_int_equal(lat_frame_put(fleet->frame, node, NULL), 0);
    lat_row_unref(&node->row);
}

static void a_policy_prefers_where_the_image_is(void **state)
{
    struct fleet fleet = fleet_of(keeping, 100, 0);
    struct lat_request request = {.workload = fleet.workload,
                                  .project = "main",
                                  .need = lat_need_of_workload(fleet.workload)};

    (void)state;
    for (int i = 0; i < NODES; i++) {
        add(&fleet, i, 1000, MB, "default");
    }
    lat_row_set(fleet.workload->image, "redis:7");
    expect_place(&fleet, &request, "n0");
    tell(&fleet, "n7", "[\"debian:12\",\"redis:7\"]", "");
    tell(&fleet, "n300", "[\"debian:12\"]", "");
    expect_place(&fleet, &request, "n7");
    lat_row_set(fleet.workload->image, "debian:12");
    expect_place(&fleet, &request, "n7");
    tell(&fleet, "n7", "[\"redis:7\"]", "");
    expect_place(&fleet, &request, "n300");
    lat_row_set(fleet.workload->image, "debian");
    expect_place(&fleet, &request, "n0");
    lat_row_set(fleet.workload->image, "redis:7");
    lat_frame_remove(fleet.frame, "n7");
    expect_place(&fleet, &request, "n0");
    end(&fleet);
}

static void data_that_lives_on_a_node_is_gone_to_or_waited_for(void **state)
{
    struct fleet fleet = fleet_of(keeping, 600, 0);
    struct lat_request request = {.workload = fleet.workload,
                                  .project = "main",
                                  .need = lat_need_of_workload(fleet.workload)};
    struct lat_buf sentence = {0};
    struct lat_receipt receipt;
    size_t placed = 9;
    struct lat_err err;

    (void)state;
    for (int i = 0; i < NODES; i++) {
        add(&fleet, i, 1000, MB, "default");
    }
    tell(&fleet, "n400", "", "[\"w/1\",\"w/2\"]");
    tell(&fleet, "n3", "", "[\"w/2\",\"x/0\"]");
    assert_null(lat_frame_data(fleet.frame, "w", 0, &request.data_words));
    expect_place(&fleet, &request, "n0");
    request.data = lat_frame_data(fleet.frame, "w", 1, &request.data_words);
    expect_place(&fleet, &request, "n400");
    request.data = lat_frame_data(fleet.frame, "w", 2, &request.data_words);
    expect_place(&fleet, &request, "n3"); /* of two that have it */
    request.data = NULL;
    expect_place(&fleet, &request, "n0"); /* what was found for an equal request says nothing */
    lat_frame_reserve(fleet.frame, "n400", &request.need);
    request.data = lat_frame_data(fleet.frame, "w", 1, &request.data_words);
    fleet.plan = lat_plan_new(fleet.planner, &request, 0);
    assert_int_equal(place(&fleet, 1, &placed, &err), 0);
    assert_int_equal(placed, 0);
    lat_plan_sentence(fleet.plan, &sentence);
    assert_string_equal(lat_buf_text(&sentence),
                        "no node can take it: 599 nodes: the data of this instance is on another "
                        "node; n400: 0.600 processors are wanted, 0.400 of 1.000 are free");
    lat_buf_done(&sentence);
    receipt = receipt_of(&fleet);
    assert_string_equal(receipt.fix, "n400 lacks 0.2 processors: ask for 0.4 processors or less, "
                                     "or free 0.2 processors there.");
    assert_string_equal(receipt.records[receipt.nodes[0].record].rule, "data");
    assert_int_equal(receipt.records[receipt.nodes[0].record].tense, LAT_TENSE_NEVER);
    lat_receipt_done(&receipt);
    end(&fleet);
}

/* ---- what is kept ---- */

static void expect_same_plan(struct fleet *fleet, size_t count, uint64_t seed,
                             const char *const *stands)
{
    struct lat_planner *fresh = lat_planner_new(fleet->frame);
    uint32_t rows[2][20];
    size_t placed[2] = {0, 0};
    struct lat_buf receipts[2] = {{0}, {0}};
    struct lat_err err;

    for (int i = 0; i < 2; i++) {
        begin(fleet, i == 0 ? fleet->planner : fresh, seed);
        for (size_t at = 0; stands[at]; at++) {
            lat_plan_stands(fleet->plan, stands[at]);
        }
        assert_int_equal(place(fleet, count, &placed[i], &err), 0);
        memcpy(rows[i], lat_plan_rows(fleet->plan), placed[i] * sizeof(rows[i][0]));
        lat_plan_receipt(fleet->plan, &receipts[i]);
        fleet->plan = lat_plan_free(fleet->plan);
    }
    assert_int_equal(placed[0], placed[1]);
    assert_memory_equal(rows[0], rows[1], placed[0] * sizeof(rows[0][0]));
    assert_string_equal(lat_buf_text(&receipts[0]), lat_buf_text(&receipts[1]));
    lat_buf_done(&receipts[0]);
    lat_buf_done(&receipts[1]);
    lat_planner_free(fresh);
}

static void what_was_judged_before_is_not_believed_of_what_has_changed(void **state)
{
    struct fleet fleet = fleet_of(spreading, 300, (int64_t)100 * MB);
    struct lat_random *random = lat_random_new_seeded(5);
    int next = 0;

    (void)state;
    while (next < NODES) {
        add(&fleet, next++, 4000, (int64_t)1000 * MB, "default");
    }
    for (int look = 0; look < LOOKS; look++) {
        char id[2][16];
        const char *stands[] = {id[0], id[1], NULL};
        struct lat_need need = {.of = {100 * (int64_t)lat_random_below(random, 30), MB}};

        for (int i = 0; i < 2; i++) {
            snprintf(id[i], sizeof(id[i]), "n%d", (int)lat_random_below(random, (uint64_t)next));
        }
        lat_frame_reserve(fleet.frame, id[0], &need);
        if (look % 3 == 0) {
            lat_frame_remove(fleet.frame, id[1]);
            add(&fleet, next++, 8000, (int64_t)2000 * MB, look % 2 ? "closed" : "default");
        }
        fleet.workload->cpu_milli = look % 5 == 0 ? 200 : 300; /* two classes */
        snprintf(fleet.workload->row.id, LAT_ID_SIZE, "w%d", look);
        expect_same_plan(&fleet, look % 2 ? 1 : 20, (uint64_t)look,
                         look % 4 == 0 ? stands : stands + 2);
    }
    lat_random_free(random);
    end(&fleet);
}

/* ---- what is told ---- */

static void a_score_is_told_by_its_terms_and_a_refusal_by_its_margin(void **state)
{
    struct fleet fleet = fleet_of(spreading, 0, (int64_t)100 * MB);
    const struct lat_receipt_record *record;
    struct lat_need used = {.of = {0, (int64_t)950 * MB}};
    struct lat_receipt receipt;
    size_t placed = 0;
    struct lat_err err;

    (void)state;
    add(&fleet, 0, 1000, (int64_t)1000 * MB, "default");
    add(&fleet, 1, 1000, (int64_t)400 * MB, "closed");
    add(&fleet, 2, 1000, (int64_t)50 * MB, "default");
    add(&fleet, 3, 1000, (int64_t)1000 * MB, "default");
    lat_frame_reserve(fleet.frame, "n3", &used);
    begin(&fleet, fleet.planner, 0);
    lat_plan_stands(fleet.plan, "n0");
    assert_int_equal(place(&fleet, 1, &placed, &err), 0);
    receipt = receipt_of(&fleet);
    assert_int_equal(receipt.term_count, 3);
    assert_string_equal(receipt.terms[1].text, "500 * free_memory");
    assert_int_equal(receipt.terms[1].line, 7);
    record = &receipt.records[receipt.nodes[0].record];
    assert_int_equal(record->kind, LAT_RECEIPT_POSSIBLE);
    assert_true(record->score == 0 && record->terms[0] == 500 && record->terms[1] == 500 &&
                record->terms[2] == -1000);
    record = &receipt.records[receipt.nodes[1].record];
    assert_int_equal(record->kind, LAT_RECEIPT_POLICY);
    assert_string_equal(record->reason, "is in a closed pool");
    assert_string_equal(record->rule, "node.pool == 'closed'");
    assert_int_equal(record->line, 4);
    assert_int_equal(record->tense, LAT_TENSE_NEVER);
    record = &receipt.records[receipt.nodes[2].record]; /* the machine's rules come first */
    assert_int_equal(record->kind, LAT_RECEIPT_RULE);
    assert_string_equal(record->rule, "memory");
    assert_int_equal(record->tense, LAT_TENSE_NEVER);
    record = &receipt.records[receipt.nodes[3].record];
    assert_int_equal(record->tense, LAT_TENSE_NOT_NOW);
    assert_true(record->have == (double)50 * MB && record->of == (double)1000 * MB);
    lat_receipt_done(&receipt);
    end(&fleet);
}

/* The program looks at free memory itself: what is promised is asked of it as if there were enough. */
static void the_fix_is_tried_against_the_program(void **state)
{
    struct fleet fleet = fleet_of(spreading, 1000, (int64_t)500 * MB);
    struct lat_receipt receipt;
    struct lat_err err;
    size_t placed = 0;

    (void)state;
    add(&fleet, 0, 4000, (int64_t)450 * MB, "closed"); /* nearest, but closed */
    add(&fleet, 1, 4000, (int64_t)400 * MB, "open");
    for (int round = 0; round < 2; round++) { /* nothing is left of the question */
        begin(&fleet, fleet.planner, 0);
        assert_int_equal(place(&fleet, 1, &placed, &err), 0);
        assert_int_equal(placed, 0);
        receipt = receipt_of(&fleet);
        assert_string_equal(receipt.fix,
                            "no node can ever take it as it is; n1 lacks 100 MB of memory: ask for "
                            "400 MB of memory or less, or join a machine with 500 MB of memory.");
        lat_receipt_done(&receipt);
        fleet.plan = lat_plan_free(fleet.plan);
        assert_int_equal(lat_frame_free_of(fleet.frame, 1, LAT_RESOURCE_MEMORY), (int64_t)400 * MB);
        assert_int_equal(
            lat_columns_ints(lat_frame_columns(fleet.frame), LAT_FIELD_node_allocations)[1], 0);
    }
    end(&fleet);
}

static void a_receipt_of_a_thousand_nodes_is_small(void **state)
{
    struct fleet fleet = fleet_of(spreading, 100, (int64_t)10 * MB);
    struct lat_random *random = lat_random_new_seeded(9);
    struct lat_receipt receipt;
    struct lat_buf packed = {0};
    size_t placed = 0;
    struct lat_err err;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct lat_need need = {.of = {(int64_t)lat_random_below(random, 3000),
                                       (int64_t)lat_random_below(random, (uint64_t)8000 * MB)}};
        char id[16];

        add(&fleet, i, 4000, (int64_t)8000 * MB, "default");
        snprintf(id, sizeof(id), "n%d", i);
        if (i % 2) {
            lat_frame_reserve(fleet.frame, id, &need);
        }
    }
    begin(&fleet, fleet.planner, 0);
    assert_int_equal(place(&fleet, 1, &placed, &err), 0);
    lat_plan_receipt(fleet.plan, &packed);
    assert_int_equal(lat_receipt_read(lat_buf_text(&packed), &receipt, NULL), 0);
    assert_int_equal(receipt.node_count, 1000);
    assert_in_range(receipt.record_count, 490, 501);
    assert_in_range(packed.len, 1, 8192);
    lat_receipt_done(&receipt);
    lat_buf_done(&packed);
    lat_random_free(random);
    end(&fleet);
}

/* Every way to cut a receipt short or to change one of its bytes is refused or read, and does no harm. */
static void rubbish_is_no_receipt(void **state)
{
    struct fleet fleet = fleet_of(spreading, 0, (int64_t)100 * MB);
    struct lat_random *random = lat_random_new_seeded(4);
    struct lat_buf packed = {0};
    struct lat_receipt receipt;
    size_t placed = 0;
    size_t refused = 0;
    struct lat_err err;

    (void)state;
    for (int i = 0; i < 20; i++) {
        add(&fleet, i, 1000, (int64_t)(50 + i * 10) * MB, i % 5 ? "default" : "closed");
    }
    begin(&fleet, fleet.planner, 0);
    assert_int_equal(place(&fleet, 10, &placed, &err), 0);
    lat_plan_receipt(fleet.plan, &packed);
    for (int i = 0; i < 20000; i++) {
        char *text = lat_text_copy(lat_buf_text(&packed));
        size_t len = strlen(text);

        if (i % 3 == 0) {
            text[lat_random_below(random, len)] = '\0';
        }
        for (uint64_t changes = lat_random_below(random, 4); *text && changes > 0; changes--) {
            text[lat_random_below(random, strlen(text))] = "AZaz09-_"[lat_random_below(random, 8)];
        }
        if (lat_receipt_read(text, &receipt, &err) == 0) {
            lat_receipt_done(&receipt);
        } else {
            refused++;
        }
        free(text);
    }
    assert_in_range(refused, 1000, 19999);
    assert_int_equal(lat_receipt_read("", &receipt, &err), LAT_E_INVALID);
    assert_int_equal(lat_receipt_read("{\"nodes\":[]}", &receipt, &err), LAT_E_INVALID);
    lat_buf_done(&packed);
    lat_random_free(random);
    end(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_instance_goes_where_it_is_best_at_its_time),
        cmocka_unit_test(as_many_as_fit_are_placed),
        cmocka_unit_test(a_program_that_fails_on_the_way_places_nothing),
        cmocka_unit_test(what_is_packed_of_a_large_fleet_is_read_again),
        cmocka_unit_test(an_error_is_that_of_the_first_row_that_would_have_been_judged),
        cmocka_unit_test(a_policy_prefers_where_the_image_is),
        cmocka_unit_test(data_that_lives_on_a_node_is_gone_to_or_waited_for),
        cmocka_unit_test(what_was_judged_before_is_not_believed_of_what_has_changed),
        cmocka_unit_test(a_score_is_told_by_its_terms_and_a_refusal_by_its_margin),
        cmocka_unit_test(the_fix_is_tried_against_the_program),
        cmocka_unit_test(a_receipt_of_a_thousand_nodes_is_small),
        cmocka_unit_test(rubbish_is_no_receipt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
