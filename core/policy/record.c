/* What one decision is about, field by field. Its texts are held in the dictionary of the columns that it is
 * decided over, so that they compare as numbers with what stands there. */
#include "policy/columns_internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { FIELDS = LAT_FIELD_COUNT - LAT_NODE_FIELD_COUNT };

struct lat_record {
    struct lat_columns *columns; /* borrowed */
    union {
        bool truth;
        int64_t integer;
        double real;
        int32_t code;
        struct lat__codes map;
    } cells[FIELDS];
};

static size_t cell_of(enum lat_policy_field field, enum lat_policy_field_type type)
{
    enum lat_policy_field_type own = lat_policy_field_row(field)->type;

    LAT_ASSERT(field >= LAT_NODE_FIELD_COUNT);
    LAT_ASSERT(own == type || (own == LAT_POLICY_TYPE_OPTION && type == LAT_POLICY_TYPE_TEXT));
    return (size_t)field - LAT_NODE_FIELD_COUNT;
}

struct lat_record *lat_record_new(struct lat_columns *columns)
{
    struct lat_record *record = LAT_NEW(struct lat_record);

    record->columns = columns;
    for (size_t i = 0; i < FIELDS; i++) {
        if (lat_policy_field_row((enum lat_policy_field)(LAT_NODE_FIELD_COUNT + i))->type ==
            LAT_POLICY_TYPE_TEXT) {
            record->cells[i].code = lat_columns_hold(columns, "");
        }
    }
    return record;
}

struct lat_record *lat_record_free(struct lat_record *record)
{
    if (record == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < FIELDS; i++) {
        enum lat_policy_field_type type =
            lat_policy_field_row((enum lat_policy_field)(LAT_NODE_FIELD_COUNT + i))->type;

        if (type == LAT_POLICY_TYPE_TEXT || type == LAT_POLICY_TYPE_OPTION) {
            lat_columns_release(record->columns, record->cells[i].code);
        } else if (type == LAT_POLICY_TYPE_MAP) {
            lat__codes_clear(&record->cells[i].map, lat__columns_dictionary(record->columns));
        }
    }
    free(record);
    return NULL;
}

void lat_record_set_bool(struct lat_record *record, enum lat_policy_field field, bool value)
{
    record->cells[cell_of(field, LAT_POLICY_TYPE_BOOL)].truth = value;
}

void lat_record_set_int(struct lat_record *record, enum lat_policy_field field, int64_t value)
{
    record->cells[cell_of(field, LAT_POLICY_TYPE_INT)].integer = value;
}

void lat_record_set_float(struct lat_record *record, enum lat_policy_field field, double value)
{
    record->cells[cell_of(field, LAT_POLICY_TYPE_FLOAT)].real = value;
}

void lat_record_set_text(struct lat_record *record, enum lat_policy_field field, const char *value)
{
    size_t cell = cell_of(field, LAT_POLICY_TYPE_TEXT);
    bool nil = value == NULL && lat_policy_field_row(field)->type == LAT_POLICY_TYPE_OPTION;
    int32_t code = nil ? 0 : lat_columns_hold(record->columns, value != NULL ? value : "");

    lat_columns_release(record->columns, record->cells[cell].code);
    record->cells[cell].code = code;
}

void lat_record_set_map(struct lat_record *record, enum lat_policy_field field, const cJSON *value)
{
    (void)lat__codes_set(&record->cells[cell_of(field, LAT_POLICY_TYPE_MAP)].map,
                         lat__columns_dictionary(record->columns), value);
}

bool lat_record_bool(const struct lat_record *record, enum lat_policy_field field)
{
    return record->cells[cell_of(field, LAT_POLICY_TYPE_BOOL)].truth;
}

int64_t lat_record_int(const struct lat_record *record, enum lat_policy_field field)
{
    return record->cells[cell_of(field, LAT_POLICY_TYPE_INT)].integer;
}

double lat_record_float(const struct lat_record *record, enum lat_policy_field field)
{
    return record->cells[cell_of(field, LAT_POLICY_TYPE_FLOAT)].real;
}

int32_t lat_record_code(const struct lat_record *record, enum lat_policy_field field)
{
    return record->cells[cell_of(field, LAT_POLICY_TYPE_TEXT)].code;
}

int32_t lat_record_lookup(const struct lat_record *record, enum lat_policy_field field, int32_t key)
{
    return lat__codes_lookup(&record->cells[cell_of(field, LAT_POLICY_TYPE_MAP)].map, key);
}

size_t lat_record_entries(const struct lat_record *record, enum lat_policy_field field,
                          const int32_t **ret_entries)
{
    return lat__codes_entries(&record->cells[cell_of(field, LAT_POLICY_TYPE_MAP)].map, ret_entries);
}

int32_t lat_record_entry(const struct lat_record *record, enum lat_policy_field field, size_t place,
                         bool is_value)
{
    return lat__codes_entry(&record->cells[cell_of(field, LAT_POLICY_TYPE_MAP)].map, place,
                            is_value);
}

/* ---- as JSON ---- */

static void write_map(const struct lat_record *record, enum lat_policy_field field,
                      const char *name, struct lat_json_writer *writer)
{
    const int32_t *entries;
    size_t count = lat_record_entries(record, field, &entries);

    lat_json_object(writer, name);
    for (size_t i = 0; i < count; i++) {
        lat_json_add_text(writer, lat_columns_text(record->columns, entries[2 * i]),
                          lat_columns_text(record->columns, entries[2 * i + 1]));
    }
    lat_json_end(writer, '}');
}

static void write_field(const struct lat_record *record, enum lat_policy_field field,
                        struct lat_json_writer *writer)
{
    const struct lat_policy_field_row *row = lat_policy_field_row(field);
    const char *text;

    switch (row->type) {
    case LAT_POLICY_TYPE_BOOL:
        lat_json_add_bool(writer, row->name, lat_record_bool(record, field));
        break;
    case LAT_POLICY_TYPE_INT:
        lat_json_add_int(writer, row->name, lat_record_int(record, field));
        break;
    case LAT_POLICY_TYPE_FLOAT:
        lat_json_add_real(writer, row->name, lat_record_float(record, field));
        break;
    case LAT_POLICY_TYPE_TEXT:
    case LAT_POLICY_TYPE_OPTION:
        text = lat_columns_text(record->columns, lat_record_code(record, field));
        if (text != NULL) {
            lat_json_add_text(writer, row->name, text);
        }
        break;
    case LAT_POLICY_TYPE_MAP: write_map(record, field, row->name, writer); break;
    }
}

void lat_record_write(const struct lat_record *record, enum lat_policy_kind kind,
                      struct lat_json_writer *writer)
{
    const char *object = NULL;

    for (size_t i = LAT_NODE_FIELD_COUNT; i < LAT_FIELD_COUNT; i++) {
        enum lat_policy_field field = (enum lat_policy_field)i;
        const struct lat_policy_field_row *row = lat_policy_field_row(field);

        if (row->kind != kind) {
            continue;
        }
        if (object == NULL || strcmp(row->object, object) != 0) {
            if (object != NULL) {
                lat_json_end(writer, '}');
            }
            object = row->object;
            lat_json_object(writer, object);
        }
        write_field(record, field, writer);
    }
    lat_json_end(writer, '}');
}
