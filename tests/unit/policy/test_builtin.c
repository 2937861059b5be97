/* The placement that is built in: what it says of nodes, and of those that tell odd things. */
#include "base/mem.h"
#include "policy/decision.h"
#include "policy/program.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MB = 1 << 20 };

struct node {
    bool healthy;
    double cpu, free_cpu;
    int64_t memory, free_memory, instances;
};

/* Says of one node what the built-in placement says: its score, or (owned) why not. */
static char *judge(const struct node *node, double cpu, int64_t memory, double *ret_score)
{
    struct lat_columns *columns = lat_columns_new();
    struct lat_record *record = lat_record_new(columns);
    struct lat_program *program = lat_program_builtin();
    struct lat_buf reason = {0};
    size_t count, row;

    lat_program_ops(program, &count);
    union lat_program_value *values = lat_alloc_array(count, sizeof(*values));

    lat_record_set_float(record, LAT_FIELD_workload_cpu, cpu);
    lat_record_set_int(record, LAT_FIELD_workload_memory, memory);
    assert_int_equal(lat_columns_add(columns, &row, NULL), 0);
    lat_columns_set_bool(columns, row, LAT_FIELD_node_healthy, node->healthy);
    lat_columns_set_float(columns, row, LAT_FIELD_node_cpu, node->cpu);
    lat_columns_set_float(columns, row, LAT_FIELD_node_free_cpu, node->free_cpu);
    lat_columns_set_int(columns, row, LAT_FIELD_node_memory, node->memory);
    lat_columns_set_int(columns, row, LAT_FIELD_node_free_memory, node->free_memory);
    lat_columns_set_int(columns, row, LAT_FIELD_node_workload_instances, node->instances);
    lat_program_row(program, columns, record, row, values);
    assert_int_equal(lat_program_trapped(program, values), -1);
    *ret_score = values[lat_program_score(program)].f;

    int32_t rule = lat_program_refused(program, values);

    if (rule >= 0) {
        assert_true(lat_program_reason(program, columns, (uint32_t)rule, values, &reason));
    }
    free(values);
    lat_program_unref(program);
    lat_record_free(record);
    lat_columns_free(columns);
    return lat_buf_take_text(&reason);
}

static void expect(const struct node *node, const char *reason, double score)
{
    double got;
    char *why = judge(node, 0.5, (int64_t)2 * MB, &got);

    assert_string_equal(why, reason);
    if (*reason == '\0') {
        assert_true(got == score);
    }
    free(why);
}

static void it_spreads_and_says_why_not(void **state)
{
    const struct node empty = {true, 4, 4, (int64_t)4 * MB, (int64_t)4 * MB, 0};
    struct node node = empty;

    (void)state;
    expect(&empty, "", 1000);
    node.free_cpu = 2;
    expect(&node, "", 750);
    node = empty;
    node.instances = 1;
    expect(&node, "", 0);
    node = empty;
    node.healthy = false;
    expect(&node, "is not healthy", 0);
    node = empty;
    node.free_cpu = 0.1;
    expect(&node, "has 0.10 processors free, needs 0.50", 0);
    node = empty;
    node.free_memory = MB;
    expect(&node, "has 1 MiB of memory free, needs 2 MiB", 0);
}

/* So that a decision by it cannot fail. */
static void whatever_a_node_tells_it_raises_nothing_and_its_score_is_finite(void **state)
{
    static const double reals[] = {0, 1, -1, 0.001, 64.25, 9.2e15, -9.2e15};
    static const int64_t integers[] = {0, 1, -1, (int64_t)1 << 53, INT64_MAX, INT64_MIN};

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(reals) * LAT_COUNT(reals); i++) {
        for (size_t j = 0; j < LAT_COUNT(integers) * LAT_COUNT(integers); j++) {
            struct node node = {true,
                                reals[i % LAT_COUNT(reals)],
                                reals[i / LAT_COUNT(reals)],
                                integers[j % LAT_COUNT(integers)],
                                integers[j / LAT_COUNT(integers)],
                                (int64_t)(j % 3)};
            double score;

            free(judge(&node, 0, 0, &score));
            assert_true(isfinite(score));
        }
    }
}

static void a_decision_has_reasons_where_they_are_told(void **state)
{
    struct lat_decision *decision = LAT_NEW(struct lat_decision);

    (void)state;
    decision->count = 2;
    decision->reasons = lat_alloc_array(2, sizeof(*decision->reasons));
    decision->texts = lat_alloc(4);
    decision->texts[1] = 'n';
    decision->texts[2] = 'o';
    decision->reasons[1] = 2;
    assert_string_equal(lat_decision_reason(decision, 0), "");
    assert_string_equal(lat_decision_reason(decision, 1), "no");
    assert_null(lat_decision_free(decision));
    assert_null(lat_decision_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_spreads_and_says_why_not),
        cmocka_unit_test(whatever_a_node_tells_it_raises_nothing_and_its_score_is_finite),
        cmocka_unit_test(a_decision_has_reasons_where_they_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
