/* Rows of any table, handled by their descriptions: a new table or column needs no line here.
 *
 * A row is one struct of the size its table says; the texts in it are owned by it. A new row's texts are empty and cost
 * nothing, a copy's lie behind the struct in the same piece of memory, and a text that is set is a piece of its own: so rows
 * are read and copied with one allocation. The byte in front of a text says what it is:
 *
 *     struct │ ┆·text\0┆·text\0 │          │§text\0│
 *       name ────────┘ label ───┘    status ───┘          · IN_ROW   § APART
 *
 * While references are
 * counted without atomics, rows belong to the state loop; other threads may read a row that the state loop
 * holds for them (the store does so while a batch is in its worker). */
#include "model/row.h"

#include "base/mem.h"
#include "base/text.h"
#include "model/tables.h"

#include <stdlib.h>
#include <string.h>

enum { LAT_ROW_MAGIC = 0x4c526f77 }; /* "LRow" */

enum { IN_ROW = 'i', APART = 'a' };

static const char no_text[] = {IN_ROW, '\0'};

static bool holds_text(enum lat_field_kind kind)
{
    return kind == LAT_KIND_TEXT || kind == LAT_KIND_JSON || kind == LAT_KIND_SECRET ||
           kind == LAT_KIND_PACKED;
}

static char **text_at(struct lat_row *row, const struct lat_field *field)
{
    return (char **)((char *)row + field->offset);
}

struct lat_row *lat_row_new(int table)
{
    const struct lat_table *description = lat_table(table);
    struct lat_row *row = lat_alloc(description->row_size);

    row->magic = LAT_ROW_MAGIC;
    row->table = (uint16_t)table;
    row->references = 1;
    for (size_t i = 0; i < description->field_count; i++) {
        const struct lat_field *field = &description->fields[i];

        if (holds_text(field->kind)) {
            *text_at(row, field) = (char *)no_text + 1;
        }
    }
    return row;
}

/* Copies a text to *at, which moves on, and returns where it is then. */
static char *place_text(char **at, const char *text, size_t len)
{
    char *placed = *at + 1;

    if (len == 0) {
        return (char *)no_text + 1;
    }
    (*at)[0] = IN_ROW;
    memcpy(placed, text, len);
    placed[len] = '\0';
    *at = placed + len + 1;
    return placed;
}

struct lat_row *lat_row_make(int table, const char *id, int64_t version,
                             const struct lat_value *values)
{
    const struct lat_table *description = lat_table(table);
    size_t size = description->row_size;

    for (size_t i = 0; i < description->field_count; i++) {
        size += holds_text(description->fields[i].kind) ? values[i].len + 2 : 0;
    }
    struct lat_row *row = lat_alloc(size);
    char *at = (char *)row + description->row_size;

    row->magic = LAT_ROW_MAGIC;
    row->table = (uint16_t)table;
    row->references = 1;
    row->version = version;
    lat_text_bound(row->id, sizeof(row->id), id);
    for (size_t i = 0; i < description->field_count; i++) {
        const struct lat_field *field = &description->fields[i];

        if (holds_text(field->kind)) {
            *text_at(row, field) = place_text(&at, values[i].text, values[i].len);
        } else if (field->kind == LAT_KIND_REAL) {
            lat_row_put_real(row, field, values[i].real);
        } else {
            lat_row_put_int(row, field, values[i].integer);
        }
    }
    return row;
}

struct lat_row *lat_row_copy(const struct lat_row *row)
{
    LAT_CHECK_MAGIC(row, LAT_ROW_MAGIC);
    const struct lat_table *description = lat_table(row->table);
    size_t lens[LAT_FIELDS_MAX] = {0};
    size_t size = description->row_size;

    for (size_t i = 0; i < description->field_count; i++) {
        if (holds_text(description->fields[i].kind)) {
            lens[i] = strlen(lat_row_text(row, &description->fields[i]));
            size += lens[i] + 2;
        }
    }
    struct lat_row *copy = lat_alloc(size);
    char *at = (char *)copy + description->row_size;

    memcpy(copy, row, description->row_size);
    copy->references = 1;
    for (size_t i = 0; i < description->field_count; i++) {
        const struct lat_field *field = &description->fields[i];

        if (holds_text(field->kind)) {
            *text_at(copy, field) = place_text(&at, lat_row_text(row, field), lens[i]);
        }
    }
    return copy;
}

size_t lat_row_size(const struct lat_row *row)
{
    LAT_CHECK_MAGIC(row, LAT_ROW_MAGIC);
    const struct lat_table *description = lat_table(row->table);
    size_t size = description->row_size;

    for (size_t i = 0; i < description->field_count; i++) {
        if (holds_text(description->fields[i].kind)) {
            size += strlen(lat_row_text(row, &description->fields[i])) + 1;
        }
    }
    return size;
}

struct lat_row *lat_row_ref(const struct lat_row *row)
{
    LAT_CHECK_MAGIC(row, LAT_ROW_MAGIC);
    struct lat_row *held = (struct lat_row *)row; /* the count is not part of what never changes */

    LAT_ASSERT(held->references < UINT32_MAX);
    held->references++;
    return held;
}

static void text_free(char *text, bool is_secret)
{
    if (is_secret && text[0] != '\0') {
        lat_wipe(text, strlen(text));
    }
    if (text[-1] == APART) {
        free(text - 1);
    } else {
        LAT_ASSERT(text[-1] == IN_ROW);
    }
}

static void row_free(struct lat_row *row)
{
    const struct lat_table *description = lat_table(row->table);

    for (size_t i = 0; i < description->field_count; i++) {
        const struct lat_field *field = &description->fields[i];

        if (holds_text(field->kind)) {
            text_free(*text_at(row, field), field->kind == LAT_KIND_SECRET);
        }
    }
    row->magic = 0;
    free(row);
}

struct lat_row *lat_row_unref(const struct lat_row *row)
{
    if (row == NULL) {
        return NULL;
    }
    LAT_CHECK_MAGIC(row, LAT_ROW_MAGIC);
    struct lat_row *held = (struct lat_row *)row;

    LAT_ASSERT(held->references > 0);
    if (--held->references == 0) {
        row_free(held);
    }
    return NULL;
}

bool lat_row_same(const struct lat_row *a, const struct lat_row *b)
{
    LAT_CHECK_MAGIC(a, LAT_ROW_MAGIC);
    LAT_CHECK_MAGIC(b, LAT_ROW_MAGIC);
    if (a->table != b->table || a->version != b->version || strcmp(a->id, b->id) != 0) {
        return false;
    }
    const struct lat_table *description = lat_table(a->table);

    for (size_t i = 0; i < description->field_count; i++) {
        const struct lat_field *field = &description->fields[i];
        bool same = true;

        switch (field->kind) {
        case LAT_KIND_TEXT:
        case LAT_KIND_JSON:
        case LAT_KIND_SECRET:
        case LAT_KIND_PACKED:
            same = strcmp(lat_row_text(a, field), lat_row_text(b, field)) == 0;
            break;
        case LAT_KIND_INT:
        case LAT_KIND_TIME:
        case LAT_KIND_BOOL: same = lat_row_int(a, field) == lat_row_int(b, field); break;
        case LAT_KIND_REAL:
            same = memcmp((const char *)a + field->offset, (const char *)b + field->offset,
                          sizeof(double)) == 0;
            break;
        }
        if (!same) {
            return false;
        }
    }
    return true;
}

const char *lat_row_text(const void *row, const struct lat_field *field)
{
    LAT_ASSERT(holds_text(field->kind));
    const char *text = *(const char *const *)((const char *)row + field->offset);

    return text == NULL ? "" : text;
}

int64_t lat_row_int(const void *row, const struct lat_field *field)
{
    const char *at = (const char *)row + field->offset;

    if (field->kind == LAT_KIND_BOOL) {
        return *(const bool *)at ? 1 : 0;
    }
    LAT_ASSERT(field->kind == LAT_KIND_INT || field->kind == LAT_KIND_TIME);
    return *(const int64_t *)at;
}

double lat_row_real(const void *row, const struct lat_field *field)
{
    LAT_ASSERT(field->kind == LAT_KIND_REAL);
    return *(const double *)((const char *)row + field->offset);
}

void lat_row__set(char *const *slot, const char *text)
{
    size_t size = text == NULL ? 1 : strlen(text) + 1;
    char *set = (char *)no_text + 1;

    if (size > 1) {
        char *piece = lat_alloc(1 + size);

        piece[0] = APART;
        set = memcpy(piece + 1, text, size); /* before the old one goes: it may be a part of that */
    }
    text_free(*slot, false);
    *(char **)slot = set;
}

void lat_row__take(char *const *slot, char *text)
{
    lat_row__set(slot, text);
    lat_wipe_free(text);
}

void lat_row_put_text(struct lat_row *row, const struct lat_field *field, const char *text)
{
    LAT_ASSERT(holds_text(field->kind));
    lat_row__set(text_at(row, field), text);
}

void lat_row_put_int(struct lat_row *row, const struct lat_field *field, int64_t value)
{
    char *at = (char *)row + field->offset;

    if (field->kind == LAT_KIND_BOOL) {
        *(bool *)at = value != 0;
        return;
    }
    LAT_ASSERT(field->kind == LAT_KIND_INT || field->kind == LAT_KIND_TIME);
    *(int64_t *)at = value;
}

void lat_row_put_real(struct lat_row *row, const struct lat_field *field, double value)
{
    LAT_ASSERT(field->kind == LAT_KIND_REAL);
    *(double *)((char *)row + field->offset) = value;
}

void lat_row_write_fields(const struct lat_table *table, const void *row,
                          struct lat_json_writer *writer)
{
    for (size_t i = 0; i < table->field_count; i++) {
        const struct lat_field *field = &table->fields[i];

        switch (field->kind) {
        case LAT_KIND_TEXT: lat_json_add_text(writer, field->name, lat_row_text(row, field)); break;
        case LAT_KIND_INT: lat_json_add_int(writer, field->name, lat_row_int(row, field)); break;
        case LAT_KIND_REAL: lat_json_add_real(writer, field->name, lat_row_real(row, field)); break;
        case LAT_KIND_BOOL:
            lat_json_add_bool(writer, field->name, lat_row_int(row, field) != 0);
            break;
        case LAT_KIND_TIME: lat_json_add_time(writer, field->name, lat_row_int(row, field)); break;
        case LAT_KIND_JSON: lat_json_add_raw(writer, field->name, lat_row_text(row, field)); break;
        case LAT_KIND_SECRET:
        case LAT_KIND_PACKED: break;
        }
    }
}

void lat_row_write(const struct lat_row *row, struct lat_json_writer *writer)
{
    LAT_CHECK_MAGIC(row, LAT_ROW_MAGIC);
    lat_json_add_text(writer, "id", row->id);
    lat_row_write_fields(lat_table(row->table), row, writer);
    lat_json_add_int(writer, "version", row->version);
}
