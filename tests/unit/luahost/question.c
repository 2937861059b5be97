#include "tests/unit/luahost/question.h"

static void write_map(struct lat_json_writer *writer, const char *name,
                      const struct lat_columns *columns, const int32_t *entries, size_t count)
{
    lat_json_object(writer, name);
    for (size_t i = 0; i < count; i++) {
        lat_json_add_text(writer, lat_columns_text(columns, entries[2 * i]),
                          lat_columns_text(columns, entries[2 * i + 1]));
    }
    lat_json_end(writer, '}');
}

static void write_code(struct lat_json_writer *writer, const char *name,
                       const struct lat_columns *columns, int32_t code)
{
    if (code != 0) {
        lat_json_add_text(writer, name, lat_columns_text(columns, code));
    }
}

void question_write_node(struct lat_json_writer *writer, const struct lat_columns *columns,
                         size_t row)
{
    lat_json_object(writer, NULL);
    for (size_t i = 0; i < LAT_NODE_FIELD_COUNT; i++) {
        enum lat_policy_field field = (enum lat_policy_field)i;
        const char *name = lat_policy_field_row(field)->name;
        const int32_t *entries;
        size_t count;

        switch (lat_policy_field_row(field)->type) {
        case LAT_POLICY_TYPE_BOOL:
            lat_json_add_bool(writer, name,
                              lat_columns_bits(columns, field)[row / 64] >> (row % 64) & 1);
            break;
        case LAT_POLICY_TYPE_INT:
            lat_json_add_int(writer, name, lat_columns_ints(columns, field)[row]);
            break;
        case LAT_POLICY_TYPE_FLOAT:
            lat_json_add_real(writer, name, lat_columns_floats(columns, field)[row]);
            break;
        case LAT_POLICY_TYPE_TEXT:
        case LAT_POLICY_TYPE_OPTION:
            write_code(writer, name, columns, lat_columns_codes(columns, field)[row]);
            break;
        case LAT_POLICY_TYPE_MAP:
            count = lat_columns_entries(columns, field, row, &entries);
            write_map(writer, name, columns, entries, count);
            break;
        }
    }
    lat_json_end(writer, '}');
}

void question_write_workload(struct lat_json_writer *writer, const struct lat_columns *columns,
                             const struct lat_record *record)
{
    lat_json_object(writer, "workload");
    for (size_t i = LAT_NODE_FIELD_COUNT; i < LAT_PLACEMENT_FIELD_COUNT; i++) {
        enum lat_policy_field field = (enum lat_policy_field)i;
        const char *name = lat_policy_field_row(field)->name;
        const int32_t *entries;
        size_t count;

        switch (lat_policy_field_row(field)->type) {
        case LAT_POLICY_TYPE_BOOL:
            lat_json_add_bool(writer, name, lat_record_bool(record, field));
            break;
        case LAT_POLICY_TYPE_INT:
            lat_json_add_int(writer, name, lat_record_int(record, field));
            break;
        case LAT_POLICY_TYPE_FLOAT:
            lat_json_add_real(writer, name, lat_record_float(record, field));
            break;
        case LAT_POLICY_TYPE_TEXT:
        case LAT_POLICY_TYPE_OPTION:
            write_code(writer, name, columns, lat_record_code(record, field));
            break;
        case LAT_POLICY_TYPE_MAP:
            count = lat_record_entries(record, field, &entries);
            write_map(writer, name, columns, entries, count);
            break;
        }
    }
    lat_json_end(writer, '}');
}
