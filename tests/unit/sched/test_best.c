/* Of all rows, the best one: in what order equals are taken, what is renewed, what is looked up for whom. */
#include "sched/vector_internal.h"
#include "tests/unit/support/programs.h"

#include "base/mem.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct lat_columns *plain_columns(size_t rows)
{
    struct lat_columns *columns = lat_columns_new();
    char name[32];

    for (size_t i = 0; i < rows; i++) {
        size_t row = 0;

        assert_int_equal(lat_columns_add(columns, &row, NULL), 0);
        snprintf(name, sizeof(name), "n%zu", i);
        lat_columns_set_text(columns, row, LAT_FIELD_node_name, name);
        lat_columns_set_bool(columns, row, LAT_FIELD_node_healthy, true);
        lat_columns_set_float(columns, row, LAT_FIELD_node_cpu, 4);
        lat_columns_set_float(columns, row, LAT_FIELD_node_free_cpu, 2);
    }
    return columns;
}

/* Refuses what is not healthy; the score is free_cpu / cpu; a free_cpu of -1 raises an error. */
static const char shares[] =
    "{\"version\":1,\"ops\":[[\"field\",\"node.healthy\"],[\"not\",0],[\"field\",\"node.free_cpu\"],"
    "[\"field\",\"node.cpu\"],[\"div_f\",2,3],[\"const_f\",\"-0x1p+0\"],[\"eq_f\",2,5]],"
    "\"traps\":[{\"when\":6,\"line\":3,\"message\":\"attempt to be negative\"}],"
    "\"rules\":[{\"when\":1,\"line\":2,\"text\":\"not node.healthy\"}],\"score\":4,\"score_line\":5}";

/* A program over some rows. */
struct subject {
    struct lat_columns *columns;
    struct lat_record *record;
    struct lat_program *program;
    struct lat_vector *vector;
};

static struct subject subject_of(const char *program, size_t rows)
{
    struct subject of = {.columns = plain_columns(rows), .program = test_program_read(program)};

    of.record = lat_record_new(of.columns);
    of.vector = lat_vector_new(of.program, of.columns);
    return of;
}

static void end(struct subject *of)
{
    lat_vector_free(of->vector);
    lat_program_unref(of->program);
    lat_record_free(of->record);
    lat_columns_free(of->columns);
}

static size_t best_of(const struct subject *of, const uint64_t *among, size_t offset,
                      double *ret_score)
{
    size_t row = 0;
    struct lat_err err = {.sentence = ""};

    if (lat_vector_best(of->vector, of->record, among, offset, &row, ret_score, &err) != 0) {
        fail_msg("%s", err.sentence);
    }
    return row;
}

static void equals_are_taken_in_order_from_the_offset(void **state)
{
    struct subject of = subject_of(shares, 600);
    uint64_t among[12] = {0};
    double score;

    (void)state;
    for (size_t offset = 0; offset < 600; offset++) {
        assert_int_equal(best_of(&of, NULL, offset, &score), offset);
    }
    assert_true(score == 0.5);
    assert_int_equal(best_of(&of, NULL, 600, &score), 0);
    lat_columns_set_bool(of.columns, 599, LAT_FIELD_node_healthy, false);
    assert_int_equal(best_of(&of, NULL, 599, &score), 0);
    lat_columns_set_float(of.columns, 255, LAT_FIELD_node_free_cpu, 3);
    assert_int_equal(best_of(&of, NULL, 256, &score), 255);
    assert_int_equal(best_of(&of, NULL, 255, &score), 255);
    assert_true(score == 0.75);
    lat_columns_remove(of.columns, 255);
    assert_int_equal(best_of(&of, NULL, 256, &score), 256);
    among[8] = UINT64_C(1) << 20;
    assert_int_equal(best_of(&of, among, 550, &score), 532);
    among[8] = 0;
    assert_int_equal(best_of(&of, among, 0, &score), SIZE_MAX);
    end(&of);
}

/* Rows that are listed, because an instance is there, are computed after all others; that makes them no later. */
static void equals_are_in_order_wherever_an_instance_is(void **state)
{
    static const size_t paired[] = {599, 3, 300, 70};
    struct subject of = subject_of(
        "{\"version\":1,\"ops\":[[\"field\",\"node.workload_instances\"],[\"const_i\",\"2\"],[\"lt_i\",1,0],"
        "[\"const_i\",\"1\"],[\"eq_i\",0,3],[\"field\",\"node.free_cpu\"],[\"neg_f\",5],[\"select_f\",4,5,6]],"
        "\"rules\":[{\"when\":2,\"line\":2,\"text\":\"\"}],\"score\":7}",
        600);
    double score;

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(paired); i++) {
        lat_columns_set_int(of.columns, paired[i], LAT_FIELD_node_workload_instances, 1);
    }
    assert_int_equal(best_of(&of, NULL, 0, &score), 3);
    assert_true(score == 2);
    assert_int_equal(best_of(&of, NULL, 71, &score), 300);
    assert_int_equal(best_of(&of, NULL, 301, &score), 599);
    for (size_t i = 0; i < LAT_COUNT(paired); i++) {
        lat_columns_set_float(of.columns, paired[i], LAT_FIELD_node_free_cpu, -2);
    }
    for (size_t offset = 0; offset < 600; offset++) { /* now all are equal */
        assert_int_equal(best_of(&of, NULL, offset, &score), offset);
    }
    lat_columns_set_int(of.columns, 300, LAT_FIELD_node_workload_instances, 3);
    assert_int_equal(best_of(&of, NULL, 300, &score), 301);
    end(&of);
}

static void a_change_renews_what_is_kept_of_its_block(void **state)
{
    struct subject of = subject_of(shares, 512);
    double score;

    (void)state;
    assert_int_equal(best_of(&of, NULL, 0, &score), 0);
    lat_columns_set_float(of.columns, 300, LAT_FIELD_node_cpu, 2.5);
    assert_int_equal(best_of(&of, NULL, 0, &score), 300);
    assert_true(score == 0.8);
    for (size_t i = 0; i < 2000; i++) { /* and when the columns move */
        size_t row;

        assert_int_equal(lat_columns_add(of.columns, &row, NULL), 0);
        lat_columns_set_bool(of.columns, row, LAT_FIELD_node_healthy, i == 1999);
        lat_columns_set_float(of.columns, row, LAT_FIELD_node_cpu, 1);
        lat_columns_set_float(of.columns, row, LAT_FIELD_node_free_cpu, 1);
        if (i % 100 == 0) {
            assert_int_equal(best_of(&of, NULL, 0, &score), 300);
        }
    }
    assert_int_equal(best_of(&of, NULL, 0, &score), 2511);
    lat_columns_remove(of.columns, 2511);
    assert_int_equal(best_of(&of, NULL, 0, &score), 300);
    end(&of);
}

static void the_first_row_that_raises_an_error_is_told(void **state)
{
    struct subject of = subject_of(shares, 600);
    struct lat_err err = {.sentence = ""};
    uint64_t pass[12];
    double score;
    size_t row;

    (void)state;
    lat_columns_set_float(of.columns, 500, LAT_FIELD_node_free_cpu, -1);
    lat_columns_set_float(of.columns, 570, LAT_FIELD_node_free_cpu, INFINITY);
    assert_int_equal(lat_vector_run(of.vector, of.record, NULL, pass, NULL, &err), LAT_E_POLICY);
    assert_string_equal(err.sentence, "line 3: attempt to be negative (for node 'n500')");
    assert_int_equal(lat_vector_best(of.vector, of.record, NULL, 560, &row, &score, &err),
                     LAT_E_POLICY);
    assert_string_equal(err.sentence, "line 3: attempt to be negative (for node 'n500')");
    lat_columns_set_float(of.columns, 490, LAT_FIELD_node_cpu, 0);
    assert_int_equal(lat_vector_best(of.vector, of.record, NULL, 560, &row, &score, &err),
                     LAT_E_POLICY);
    assert_string_equal(err.sentence,
                        "line 5: score returned inf for node 'n490'; it returns a finite number");
    lat_columns_set_bool(of.columns, 490, LAT_FIELD_node_healthy, false); /* it is not scored */
    lat_columns_remove(of.columns, 500);                                  /* nor asked about */
    lat_columns_set_float(of.columns, 570, LAT_FIELD_node_free_cpu, 1);
    assert_int_equal(lat_vector_run(of.vector, of.record, NULL, pass, NULL, &err), 0);
    end(&of);
}

static void a_key_of_the_workload_is_looked_up_in_every_node(void **state)
{
    struct subject of = subject_of(
        "{\"version\":1,\"ops\":[[\"field\",\"workload.type\"],[\"map\",\"node.labels\",0],[\"is_nil\",1]],"
        "\"rules\":[{\"when\":2,\"line\":1,\"text\":\"\"}]}",
        300);
    double score;

    (void)state;
    for (int round = 0; round < 5; round++) { /* one key after the other, the first ones again */
        char key[16];
        cJSON *labels = cJSON_CreateObject();

        snprintf(key, sizeof(key), "key%d", round % 3);
        cJSON_AddStringToObject(labels, key, "yes");
        lat_record_set_text(of.record, LAT_FIELD_workload_type, key);
        assert_int_equal(best_of(&of, NULL, 0, &score),
                         round < 3 ? SIZE_MAX : 270 + (size_t)round % 3);
        lat_columns_set_map(of.columns, 270 + (size_t)round % 3, LAT_FIELD_node_labels, labels);
        assert_int_equal(best_of(&of, NULL, 0, &score), 270 + round % 3);
        cJSON_Delete(labels);
        lat_record_free(of.record);
        of.record = lat_record_new(of.columns);
    }
    end(&of);
}

/* Where no instance of the workload is, the key is one for all nodes, and the workload's map no more than one value. */
static void a_key_that_goes_by_instances_is_looked_up_in_the_workload(void **state)
{
    struct subject of = subject_of(
        "{\"version\":1,\"ops\":[[\"field\",\"node.workload_instances\"],[\"const_i\",\"1\"],[\"eq_i\",0,1],"
        "[\"const_s\",\"again\"],[\"const_s\",\"first\"],[\"select_s\",2,3,4],[\"map\",\"workload.labels\",5],"
        "[\"is_nil\",6]],\"rules\":[{\"when\":7,\"line\":1,\"text\":\"\"}]}",
        300);
    cJSON *labels = cJSON_CreateObject();
    double score;

    (void)state;
    cJSON_AddStringToObject(labels, "again", "yes");
    lat_record_set_map(of.record, LAT_FIELD_workload_labels, labels);
    assert_int_equal(best_of(&of, NULL, 0, &score), SIZE_MAX);
    lat_columns_set_int(of.columns, 200, LAT_FIELD_node_workload_instances, 1);
    assert_int_equal(best_of(&of, NULL, 0, &score), 200);
    cJSON_AddStringToObject(labels, "first", "yes");
    lat_record_set_map(of.record, LAT_FIELD_workload_labels, labels);
    assert_int_equal(best_of(&of, NULL, 0, &score), 0);
    cJSON_Delete(labels);
    end(&of);
}

static void without_rules_and_score_the_first_living_row_is_taken(void **state)
{
    struct subject of = subject_of("{\"version\":1,\"ops\":[]}", 0);
    double score = 1;
    size_t row;

    (void)state;
    assert_int_equal(best_of(&of, NULL, 0, &score), SIZE_MAX);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(lat_columns_add(of.columns, &row, NULL), 0);
    }
    lat_columns_remove(of.columns, 0);
    assert_int_equal(best_of(&of, NULL, 0, &score), 1);
    assert_true(score == 0);
    assert_int_equal(best_of(&of, NULL, 2, &score), 2);
    end(&of);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_are_taken_in_order_from_the_offset),
        cmocka_unit_test(equals_are_in_order_wherever_an_instance_is),
        cmocka_unit_test(a_change_renews_what_is_kept_of_its_block),
        cmocka_unit_test(the_first_row_that_raises_an_error_is_told),
        cmocka_unit_test(a_key_of_the_workload_is_looked_up_in_every_node),
        cmocka_unit_test(a_key_that_goes_by_instances_is_looked_up_in_the_workload),
        cmocka_unit_test(without_rules_and_score_the_first_living_row_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
