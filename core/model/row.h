/* Rows: what all tables share. A committed row never changes and may be held by any number of readers;
 * to change one, copy it, change the copy and put that into a transaction. */
#ifndef LAT_MODEL_ROW_H
#define LAT_MODEL_ROW_H

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

struct lat_row {
    uint32_t magic;
    uint16_t table;      /* enum lat_table_id */
    uint32_t references; /* rows belong to the state loop: counted without atomics */
    int64_t version;     /* 0 until first committed, then counted up by the store */
    char id[LAT_ID_SIZE];
};

enum lat_field_kind {
    LAT_KIND_TEXT,
    LAT_KIND_INT,
    LAT_KIND_REAL,
    LAT_KIND_BOOL,
    LAT_KIND_TIME,
    LAT_KIND_JSON,
    LAT_KIND_SECRET,
    LAT_KIND_PACKED,
};

struct lat_field {
    enum lat_field_kind kind;
    const char *name;
    size_t offset; /* in the row's struct */
    const char *doc;
};

enum { LAT_FIELDS_MAX = 32 };

struct lat_table {
    const char *name;
    const char *doc;
    size_t row_size;
    const struct lat_field *fields;
    size_t field_count; /* at most LAT_FIELDS_MAX */
};

/* Returns the description of a table. */
const struct lat_table *lat_table(int table);

/* Value of a field, in the member that its kind asks for: text for TEXT, JSON, SECRET and PACKED, integer for INT, TIME and BOOL. */
struct lat_value {
    const char *text;
    size_t len;
    int64_t integer;
    double real;
};

/* Makes a row in one piece of memory from a value for each field of its table, in their order; texts are copied. */
struct lat_row *lat_row_make(int table, const char *id, int64_t version,
                             const struct lat_value *values);

struct lat_row *lat_row_new(int table);
struct lat_row *lat_row_copy(
    const struct lat_row
        *row); /* deep, in one piece of memory; one reference; same id and version */
size_t lat_row_size(const struct lat_row *row); /* bytes of its struct and texts */
struct lat_row *lat_row_ref(const struct lat_row *row);
struct lat_row *lat_row_unref(const struct lat_row *row); /* takes NULL, returns NULL */

/* Write the row's fields (no secrets) as members of the object that the writer is in, `id` first, `version` last. */
void lat_row_write(const struct lat_row *row, struct lat_json_writer *writer);

/* Write the fields of any struct that has a description; no id, no version, no secrets. */
void lat_row_write_fields(const struct lat_table *table, const void *row,
                          struct lat_json_writer *writer);

/* Tells whether two rows have the same table, id, version and fields. */
bool lat_row_same(const struct lat_row *a, const struct lat_row *b);

/* Fields by their descriptions, for those who handle every table alike (the journals). text: TEXT, JSON, SECRET and PACKED,
 * borrowed; int: INT, TIME and BOOL. The get functions take any struct that the field's table describes: a row, or a
 * struct lat_audit. The put functions are for a row that is being made or edited. */
const char *lat_row_text(const void *row, const struct lat_field *field);
int64_t lat_row_int(const void *row, const struct lat_field *field);
double lat_row_real(const void *row, const struct lat_field *field);
void lat_row_put_text(struct lat_row *row, const struct lat_field *field, const char *text);
void lat_row_put_int(struct lat_row *row, const struct lat_field *field, int64_t value);
void lat_row_put_real(struct lat_row *row, const struct lat_field *field, double value);

/* Sets a text member of a row that is being edited: a copy of `text`, NULL is "". take: the text is given up, and may be NULL.
 * Members cannot be assigned to, because not every text is a piece of memory of its own. */
#define lat_row_set(member, text) lat_row__set(&(member), (text))
#define lat_row_take(member, text) lat_row__take(&(member), (text))
void lat_row__set(char *const *slot, const char *text);
void lat_row__take(char *const *slot, char *text);

#endif
