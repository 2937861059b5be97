/* Columns, their dictionary and records. */
#include "policy/columns.h"

#include "base/mem.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static size_t add(struct lat_columns *columns)
{
    size_t row = SIZE_MAX;

    assert_int_equal(lat_columns_add(columns, &row, NULL), 0);
    return row;
}

static bool is_alive(const struct lat_columns *columns, size_t row)
{
    return lat_columns_alive(columns)[row / 64] >> (row % 64) & 1;
}

static void fields_are_found_by_their_path(void **state)
{
    (void)state;
    for (int field = 0; field < LAT_FIELD_COUNT; field++) {
        const struct lat_policy_field_row *row = lat_policy_field_row(field);
        char path[64];

        snprintf(path, sizeof(path), "%s.%s", row->object, row->name);
        assert_string_equal(row->path, path);
        assert_int_equal(lat_policy_field_find(path), field);
        assert_true((strcmp(row->object, "node") == 0) == (field < LAT_NODE_FIELD_COUNT));
        assert_true((strcmp(row->object, "node") == 0 || strcmp(row->object, "workload") == 0) ==
                    (field < LAT_PLACEMENT_FIELD_COUNT));
        assert_true((row->kind == LAT_POLICY_PLACEMENT) == (field < LAT_PLACEMENT_FIELD_COUNT));
        assert_true((strcmp(row->object, "request") == 0 || strcmp(row->object, "project") == 0) ==
                    (row->kind == LAT_POLICY_ADMISSION));
        assert_int_equal(row->scope == LAT_POLICY_SCOPE_UNIFORM, field >= LAT_NODE_FIELD_COUNT);
    }
    assert_int_equal(lat_policy_field_find("node.free"), LAT_FIELD_COUNT);
    assert_int_equal(lat_policy_field_find("node.free_cpu"), LAT_FIELD_node_free_cpu);
}

static void values_stand_in_their_columns(void **state)
{
    struct lat_columns *columns = lat_columns_new();
    cJSON *labels = cJSON_Parse("{\"zone\":\"a\",\"disk\":\"ssd\",\"rack\":7}");

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        size_t row = add(columns);

        assert_int_equal(row, i);
        lat_columns_set_float(columns, row, LAT_FIELD_node_free_cpu, (double)i / 2);
        lat_columns_set_int(columns, row, LAT_FIELD_node_free_memory, (int64_t)i << 20);
        lat_columns_set_bool(columns, row, LAT_FIELD_node_healthy, i % 3 == 0);
        lat_columns_set_text(columns, row, LAT_FIELD_node_pool, i % 2 == 0 ? "even" : "odd");
        if (i % 5 == 0) {
            lat_columns_set_map(columns, row, LAT_FIELD_node_labels, labels);
        }
    }
    assert_int_equal(lat_columns_rows(columns), 1000);
    assert_int_equal(lat_columns_blocks(columns), 4);
    int32_t zone = lat_columns_code(columns, "zone");

    assert_int_equal(lat_columns_code(columns, "rack"), 0); /* no text: left out */
    for (size_t i = 0; i < 1000; i++) {
        assert_true(lat_columns_floats(columns, LAT_FIELD_node_free_cpu)[i] == (double)i / 2);
        assert_int_equal(lat_columns_ints(columns, LAT_FIELD_node_free_memory)[i], i << 20);
        assert_int_equal(lat_columns_bits(columns, LAT_FIELD_node_healthy)[i / 64] >> (i % 64) & 1,
                         i % 3 == 0);
        assert_string_equal(
            lat_columns_text(columns, lat_columns_codes(columns, LAT_FIELD_node_pool)[i]),
            i % 2 == 0 ? "even" : "odd");
        assert_string_equal(
            lat_columns_text(columns, lat_columns_codes(columns, LAT_FIELD_node_os)[i]), "");
        assert_null(
            lat_columns_text(columns, lat_columns_codes(columns, LAT_FIELD_node_gpu_model)[i]));
        int32_t value = lat_columns_lookup(columns, LAT_FIELD_node_labels, i, zone);

        assert_int_equal(value != 0, i % 5 == 0);
        assert_int_equal(lat_columns_lookup(columns, LAT_FIELD_node_labels, i, 0), 0);
        assert_int_equal(lat_columns_lookup(columns, LAT_FIELD_node_attributes, i, zone), 0);
    }
    for (size_t i = 1000; i < 1024; i++) { /* a kernel runs over whole blocks */
        assert_false(is_alive(columns, i));
        assert_int_equal(lat_columns_codes(columns, LAT_FIELD_node_pool)[i], 0);
        assert_true(lat_columns_floats(columns, LAT_FIELD_node_free_cpu)[i] == 0);
    }
    assert_int_equal((uintptr_t)lat_columns_floats(columns, LAT_FIELD_node_cpu) % 64, 0);
    assert_int_equal((uintptr_t)lat_columns_codes(columns, LAT_FIELD_node_pool) % 64, 0);
    cJSON_Delete(labels);
    lat_columns_free(columns);
}

static void a_removed_row_is_dead_and_is_used_again(void **state)
{
    struct lat_columns *columns = lat_columns_new();

    (void)state;
    for (int i = 0; i < 10; i++) {
        lat_columns_set_text(columns, add(columns), LAT_FIELD_node_name, "n");
    }
    lat_columns_set_float(columns, 3, LAT_FIELD_node_cpu, 8);
    lat_columns_set_text(columns, 3, LAT_FIELD_node_gpu_model, "A100");
    lat_columns_set_int(columns, 3, LAT_FIELD_node_workload_instances, 2);
    lat_columns_remove(columns, 3);
    assert_false(is_alive(columns, 3));
    assert_true(lat_columns_floats(columns, LAT_FIELD_node_cpu)[3] == 0);
    assert_int_equal(lat_columns_ints(columns, LAT_FIELD_node_workload_instances)[3], 0);
    assert_int_equal(lat_columns_codes(columns, LAT_FIELD_node_name)[3], 0);
    assert_int_equal(lat_columns_code(columns, "A100"), 0);
    assert_int_equal(lat_columns_rows(columns), 10);
    assert_int_equal(add(columns), 3);
    assert_true(is_alive(columns, 3));
    assert_int_equal(add(columns), 10);
    lat_columns_free(columns);
}

static void a_change_stamps_its_rows_and_no_others(void **state)
{
    struct lat_columns *columns = lat_columns_new();
    uint64_t before[10];
    uint64_t blocks[3];

    (void)state;
    for (int i = 0; i < 600; i++) {
        (void)add(columns);
    }
    const uint64_t *fine = lat_columns_fine_stamps(columns);
    const uint64_t *stamps = lat_columns_stamps(columns);

    memcpy(before, fine, sizeof(before));
    memcpy(blocks, stamps, sizeof(blocks));
    lat_columns_set_float(columns, 256, LAT_FIELD_node_cpu, 0.0); /* what it is already */
    lat_columns_set_bool(columns, 256, LAT_FIELD_node_healthy, false);
    lat_columns_set_text(columns, 256, LAT_FIELD_node_pool, "");
    lat_columns_set_map(columns, 256, LAT_FIELD_node_labels, NULL);
    lat_columns_set_int(columns, 256, LAT_FIELD_node_workload_instances, 5); /* of a pair */
    assert_memory_equal(fine, before, sizeof(before));
    assert_memory_equal(stamps, blocks, sizeof(blocks));
    lat_columns_set_float(columns, 256, LAT_FIELD_node_cpu, -0.0); /* another value */
    for (size_t i = 0; i < LAT_COUNT(before); i++) {
        assert_true(i == 4 ? fine[i] > before[9] : fine[i] == before[i]);
    }
    for (size_t i = 0; i < LAT_COUNT(blocks); i++) {
        assert_true(i == 1 ? stamps[i] > blocks[2] : stamps[i] == blocks[i]);
    }
    lat_columns_remove(columns, 599);
    assert_true(fine[9] > fine[4] && stamps[2] > stamps[1]);
    lat_columns_free(columns);
}

static void pairs_are_forgotten_between_decisions(void **state)
{
    struct lat_columns *columns = lat_columns_new();

    (void)state;
    for (int i = 0; i < 300; i++) {
        (void)add(columns);
    }
    for (int round = 0; round < 3; round++) {
        lat_columns_set_int(columns, 7, LAT_FIELD_node_workload_instances, 5);
        lat_columns_set_bool(columns, 7, LAT_FIELD_node_has_image, true);
        lat_columns_set_bool(columns, 290, LAT_FIELD_node_has_data, true);
        lat_columns_set_bool(columns, 290, LAT_FIELD_node_healthy, true);
        lat_columns_clear_pairs(columns);
        assert_int_equal(lat_columns_ints(columns, LAT_FIELD_node_workload_instances)[7], 0);
        assert_int_equal(lat_columns_bits(columns, LAT_FIELD_node_has_image)[0], 0);
        assert_int_equal(lat_columns_bits(columns, LAT_FIELD_node_has_data)[290 / 64], 0);
        assert_int_not_equal(lat_columns_bits(columns, LAT_FIELD_node_healthy)[290 / 64], 0);
    }
    lat_columns_free(columns);
}

static void equal_texts_have_one_code_while_somebody_holds_it(void **state)
{
    struct lat_columns *columns = lat_columns_new();
    size_t row = add(columns);
    struct lat_record *record = lat_record_new(columns);

    (void)state;
    lat_columns_set_text(columns, row, LAT_FIELD_node_pool, "gold");
    lat_record_set_text(record, LAT_FIELD_workload_pool, "gold");
    int32_t gold = lat_record_code(record, LAT_FIELD_workload_pool);

    assert_int_equal(gold, lat_columns_codes(columns, LAT_FIELD_node_pool)[row]);
    lat_record_set_text(record, LAT_FIELD_workload_pool, "gold");
    lat_columns_set_text(columns, row, LAT_FIELD_node_pool, "silver");
    assert_int_equal(lat_columns_code(columns, "gold"), gold);
    lat_record_set_text(record, LAT_FIELD_workload_pool, NULL);
    assert_int_equal(lat_record_code(record, LAT_FIELD_workload_pool), 0);
    assert_int_equal(lat_columns_code(columns, "gold"), 0);
    assert_int_equal(lat_columns_hold(columns, "bronze"), gold); /* used again */
    lat_columns_release(columns, gold);

    size_t texts = lat_columns_texts(columns);

    for (int i = 0; i < 1000; i++) { /* workloads come and go */
        struct lat_record *other = lat_record_new(columns);
        char name[32];

        snprintf(name, sizeof(name), "workload-%d", i);
        lat_record_set_text(other, LAT_FIELD_workload_name, name);
        lat_record_free(other);
    }
    assert_int_equal(lat_columns_texts(columns), texts);
    assert_int_equal(lat_columns_hold(columns, NULL), 0);
    lat_columns_release(columns, 0);
    lat_record_free(record);
    lat_columns_free(columns);
}

static void a_record_holds_what_the_decision_is_about(void **state)
{
    struct lat_columns *columns = lat_columns_new();
    struct lat_record *record = lat_record_new(columns);
    cJSON *labels = cJSON_Parse("{\"tier\":\"front\"}");

    (void)state;
    lat_record_set_float(record, LAT_FIELD_workload_cpu, 0.5);
    lat_record_set_int(record, LAT_FIELD_workload_memory, INT64_MAX);
    lat_record_set_text(record, LAT_FIELD_workload_name, "db");
    lat_record_set_map(record, LAT_FIELD_workload_labels, labels);
    assert_true(lat_record_float(record, LAT_FIELD_workload_cpu) == 0.5);
    assert_true(lat_record_int(record, LAT_FIELD_workload_memory) == INT64_MAX);
    assert_string_equal(lat_columns_text(columns, lat_record_code(record, LAT_FIELD_workload_name)),
                        "db");
    assert_string_equal(
        lat_columns_text(columns, lat_record_code(record, LAT_FIELD_workload_project)), "");
    int32_t tier = lat_columns_code(columns, "tier");

    assert_string_equal(
        lat_columns_text(columns, lat_record_lookup(record, LAT_FIELD_workload_labels, tier)),
        "front");
    lat_record_set_map(record, LAT_FIELD_workload_labels, NULL);
    assert_int_equal(lat_record_lookup(record, LAT_FIELD_workload_labels, tier), 0);
    cJSON_Delete(labels);
    lat_record_free(record);
    lat_columns_free(columns);
}

/* Keys that the dictionary met in another order than theirs. */
static void a_map_is_gone_through_in_the_order_of_its_keys(void **state)
{
    static const char *const keys[] = {"zone", "B", "a", "rack/2", "\xc3\xa9", "rack", ""};
    static const char *const order[] = {"", "B", "a", "rack", "rack/2", "zone", "\xc3\xa9"};
    struct lat_columns *columns = lat_columns_new();
    struct lat_record *record = lat_record_new(columns);
    size_t row = add(columns);
    cJSON *labels = cJSON_CreateObject();

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(keys); i++) {
        char value[16];

        snprintf(value, sizeof(value), "v%s", keys[i]);
        cJSON_AddStringToObject(labels, keys[i], value);
    }
    lat_columns_set_map(columns, row, LAT_FIELD_node_labels, labels);
    lat_record_set_map(record, LAT_FIELD_workload_labels, labels);
    for (size_t i = 0; i <= LAT_COUNT(order); i++) {
        int32_t key = lat_columns_entry(columns, LAT_FIELD_node_labels, row, i, false);
        int32_t value = lat_columns_entry(columns, LAT_FIELD_node_labels, row, i, true);

        assert_int_equal(lat_record_entry(record, LAT_FIELD_workload_labels, i, false), key);
        assert_int_equal(lat_record_entry(record, LAT_FIELD_workload_labels, i, true), value);
        if (i == LAT_COUNT(order)) {
            assert_int_equal(key, 0);
            assert_int_equal(value, 0);
        } else {
            assert_string_equal(lat_columns_text(columns, key), order[i]);
            assert_string_equal(lat_columns_text(columns, value) + 1, order[i]);
        }
    }
    cJSON_Delete(labels);
    lat_record_free(record);
    lat_columns_free(columns);
}

static void a_map_of_many_keys_is_bounded(void **state)
{
    struct lat_columns *columns = lat_columns_new();
    size_t row = add(columns);
    cJSON *labels = cJSON_CreateObject();
    size_t texts = lat_columns_texts(columns);

    (void)state;
    for (int i = 0; i <= LAT_COLUMNS_MAP_MAX; i++) {
        char key[32];

        snprintf(key, sizeof(key), "key-%d", i);
        cJSON_AddStringToObject(labels, key, "v");
    }
    lat_columns_set_map(columns, row, LAT_FIELD_node_labels, labels);
    assert_int_equal(lat_columns_texts(columns), texts + LAT_COLUMNS_MAP_MAX + 1);
    for (int i = 0; i < LAT_COLUMNS_MAP_MAX; i++) {
        char key[32];

        snprintf(key, sizeof(key), "key-%d", i);
        assert_int_equal(
            lat_columns_lookup(columns, LAT_FIELD_node_labels, row, lat_columns_code(columns, key)),
            lat_columns_code(columns, "v"));
    }
    lat_columns_remove(columns, row);
    assert_int_equal(lat_columns_texts(columns), 0);
    cJSON_Delete(labels);
    lat_columns_free(columns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_found_by_their_path),
        cmocka_unit_test(values_stand_in_their_columns),
        cmocka_unit_test(a_removed_row_is_dead_and_is_used_again),
        cmocka_unit_test(a_change_stamps_its_rows_and_no_others),
        cmocka_unit_test(pairs_are_forgotten_between_decisions),
        cmocka_unit_test(equal_texts_have_one_code_while_somebody_holds_it),
        cmocka_unit_test(a_record_holds_what_the_decision_is_about),
        cmocka_unit_test(a_map_is_gone_through_in_the_order_of_its_keys),
        cmocka_unit_test(a_map_of_many_keys_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
