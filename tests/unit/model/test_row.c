#include "support.h"

#include "base/text.h"
#include "model/tables.h"

#include <stdlib.h>

static void a_new_row_has_empty_texts_and_zeros(void **state)
{
    (void)state;
    for (int table = 0; table < LAT_TABLE_COUNT; table++) {
        struct lat_row *row = lat_row_new(table);
        const struct lat_table *description = lat_table(table);
        assert_int_equal(row->table, table);
        assert_int_equal(row->version, 0);
        assert_string_equal(row->id, "");
        for (size_t i = 0; i < description->field_count; i++) {
            const struct lat_field *field = &description->fields[i];
            switch (field->kind) {
            case LAT_KIND_TEXT:
            case LAT_KIND_JSON:
            case LAT_KIND_SECRET:
            case LAT_KIND_PACKED: assert_string_equal(lat_row_text(row, field), ""); break;
            case LAT_KIND_REAL: assert_true(lat_row_real(row, field) == 0); break;
            default: assert_int_equal(lat_row_int(row, field), 0);
            }
        }
        assert_null(lat_row_unref(row));
    }
    assert_null(lat_row_unref(NULL));
}

static void a_copy_shares_nothing(void **state)
{
    (void)state;
    struct lat_node *node = lat_node_new();
    lat_row_set(node->name, "a");
    node->cpu_milli = 500;
    node->row.version = 7;
    struct lat_node *copy = lat_node_edit(node);
    assert_true(lat_row_same(&node->row, &copy->row));
    lat_row_set(copy->name, "b");
    assert_string_equal(node->name, "a");
    assert_int_equal(copy->row.version, 7);
    assert_int_equal(copy->cpu_milli, 500);
    assert_false(lat_row_same(&node->row, &copy->row));
    lat_row_unref(&node->row);
    assert_string_equal(copy->name, "b");
    lat_row_unref(&copy->row);
}

static void texts_are_set_wherever_they_lie(void **state)
{
    (void)state;
    struct lat_workload *first = lat_workload_new();
    lat_row_set(first->name, "name");
    lat_row_set(first->spec, "secret");
    struct lat_workload *copy = lat_workload_edit(first);
    lat_row_unref(&first->row);
    size_t size = lat_row_size(&copy->row);
    lat_row_set(copy->name, copy->name + 2); /* a part of itself, within the row */
    assert_string_equal(copy->name, "me");
    lat_row_set(copy->name, copy->name + 1); /* and apart from it */
    assert_string_equal(copy->name, "e");
    assert_int_equal(lat_row_size(&copy->row), size - 3);
    lat_row_take(copy->spec, lat_text_copy("other"));
    lat_row_set(copy->reason, NULL);
    lat_row_set(copy->name, "");
    struct lat_workload *again = lat_workload_edit(copy);
    assert_true(lat_row_same(&copy->row, &again->row));
    assert_string_equal(again->spec, "other");
    assert_string_equal(again->name, "");
    lat_row_unref(&copy->row);
    lat_row_set(again->name, "new");
    lat_row_unref(&again->row);
}

static void same_looks_at_every_field(void **state)
{
    (void)state;
    for (int table = 0; table < LAT_TABLE_COUNT; table++) {
        const struct lat_table *description = lat_table(table);
        for (size_t i = 0; i < description->field_count; i++) {
            const struct lat_field *field = &description->fields[i];
            struct lat_row *a = lat_row_new(table);
            struct lat_row *b = lat_row_copy(a);
            assert_true(lat_row_same(a, b));
            switch (field->kind) {
            case LAT_KIND_TEXT:
            case LAT_KIND_JSON:
            case LAT_KIND_SECRET:
            case LAT_KIND_PACKED: lat_row_put_text(b, field, "x"); break;
            case LAT_KIND_REAL: lat_row_put_real(b, field, 1); break;
            default: lat_row_put_int(b, field, 1);
            }
            assert_false(lat_row_same(a, b));
            lat_row_unref(a);
            lat_row_unref(b);
        }
    }
}

static void the_last_reference_frees(void **state)
{
    (void)state;
    struct lat_row *row = lat_row_new(LAT_TABLE_USER);
    assert_ptr_equal(lat_row_ref(row), row);
    lat_row_unref(row);
    assert_int_equal(row->references, 1);
    lat_row_unref(row); /* ASan tells when this is one too few or too many */
}

static void json_has_no_secrets(void **state)
{
    (void)state;
    struct lat_user *user = lat_user_new();
    struct lat_buf out = {0};
    struct lat_json_writer writer;

    lat_text_bound(user->row.id, sizeof(user->row.id), "u-1");
    lat_row_set(user->name, "ada");
    lat_row_set(user->password_hash, "hidden");
    user->row.version = 3;
    lat_json_writer_init(&writer, &out);
    lat_json_object(&writer, NULL);
    lat_row_write(&user->row, &writer);
    lat_json_end(&writer, '}');
    const char *text = lat_buf_text(&out);
    assert_true(lat_text_starts(text, "{\"id\":\"u-1\",\"name\":\"ada\","));
    assert_true(lat_text_ends(text, "\"created_at\":null,\"version\":3}"));
    assert_null(strstr(text, "hidden"));
    assert_null(strstr(text, "password"));
    lat_buf_done(&out);
    lat_row_unref(&user->row);
}

static void json_texts_come_as_they_are(void **state)
{
    (void)state;
    struct lat_node *node = lat_node_new();
    struct lat_buf out = {0};
    struct lat_json_writer writer;

    lat_row_set(node->labels, "{\"zone\":\"a\"}");
    node->joined_at = 1000;
    lat_json_writer_init(&writer, &out);
    lat_json_object(&writer, NULL);
    lat_row_write(&node->row, &writer);
    lat_json_end(&writer, '}');
    cJSON *json = NULL;
    assert_int_equal(lat_json_parse(lat_buf_text(&out), out.len, &json, NULL), 0);
    assert_string_equal(lat_json_text(lat_json_get(json, "labels"), "zone", ""), "a");
    assert_string_equal(lat_json_text(json, "joined_at", ""), "1970-01-01T00:00:01.000Z");
    assert_true(cJSON_IsNull(lat_json_get(json, "seen_at")));
    cJSON_Delete(json);
    lat_buf_done(&out);
    lat_row_unref(&node->row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_row_has_empty_texts_and_zeros),
        cmocka_unit_test(a_copy_shares_nothing),
        cmocka_unit_test(texts_are_set_wherever_they_lie),
        cmocka_unit_test(same_looks_at_every_field),
        cmocka_unit_test(the_last_reference_frees),
        cmocka_unit_test(json_has_no_secrets),
        cmocka_unit_test(json_texts_come_as_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
