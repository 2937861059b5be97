/* Nodes in columns. Memory grows by doubling whole blocks, so that a kernel may always run over a block to its end;
 * what is behind the last row, and a dead row, is zero everywhere, which is a value that every operation stands. */
#include "policy/columns_internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_FIRST = 2 * LAT_COLUMNS_BLOCK };

struct lat_columns {
    struct lat__dictionary dictionary;
    void *cells[LAT_NODE_FIELD_COUNT]; /* owned arrays of `room` rows */
    uint64_t *alive;                   /* owned */
    uint64_t *paired;                  /* owned; rows of which a PAIR field may be set */
    uint64_t *stamps;                  /* owned, one a block */
    uint64_t *fine_stamps;             /* owned, one for each 64 rows */
    uint64_t stamp;                    /* the greatest given out */
    uint64_t layout;
    uint64_t token; /* whoever keeps a copy set it */
    size_t rows;
    size_t room;
    size_t *dead; /* owned; rows to be used again, the last first */
    size_t dead_count;
    size_t dead_room;
    size_t *pairs; /* owned; the rows of `paired` */
    size_t pair_count;
    size_t pair_room;
    enum lat_policy_field pair_fields[LAT_NODE_FIELD_COUNT]; /* those that are PAIR */
    size_t pair_field_count;
};

struct lat__dictionary *lat__columns_dictionary(struct lat_columns *columns)
{
    return &columns->dictionary;
}

static size_t bytes_of(enum lat_policy_field_type type, size_t rows)
{
    switch (type) {
    case LAT_POLICY_TYPE_BOOL: return rows / 8;
    case LAT_POLICY_TYPE_INT: return rows * sizeof(int64_t);
    case LAT_POLICY_TYPE_FLOAT: return rows * sizeof(double);
    case LAT_POLICY_TYPE_TEXT:
    case LAT_POLICY_TYPE_OPTION: return rows * sizeof(int32_t);
    case LAT_POLICY_TYPE_MAP: return rows * sizeof(struct lat__codes);
    }
    return 0;
}

void *lat_columns_memory(size_t bytes)
{
    size_t whole = (bytes / LAT_COLUMNS_ALIGNMENT + 1) * LAT_COLUMNS_ALIGNMENT;
    void *memory = aligned_alloc(LAT_COLUMNS_ALIGNMENT, whole);

    LAT_ASSERT(memory != NULL);
    memset(memory, 0, whole);
    return memory;
}

/* Returns zeroed memory that begins with what `old` held, and frees that. */
static void *regrow(void *old, size_t old_bytes, size_t bytes)
{
    void *memory = lat_columns_memory(bytes);

    if (old_bytes > 0) {
        memcpy(memory, old, old_bytes);
    }
    free(old);
    return memory;
}

static void grow(struct lat_columns *columns)
{
    size_t old = columns->room;
    size_t room = old == 0 ? ROWS_FIRST : old * 2;

    for (size_t field = 0; field < LAT_NODE_FIELD_COUNT; field++) {
        enum lat_policy_field_type type = lat_policy_field_row((enum lat_policy_field)field)->type;

        columns->cells[field] =
            regrow(columns->cells[field], bytes_of(type, old), bytes_of(type, room));
    }
    columns->alive = regrow(columns->alive, old / 8, room / 8);
    columns->paired = regrow(columns->paired, old / 8, room / 8);
    columns->stamps = regrow(columns->stamps, old / LAT_COLUMNS_BLOCK * sizeof(uint64_t),
                             room / LAT_COLUMNS_BLOCK * sizeof(uint64_t));
    columns->fine_stamps = regrow(columns->fine_stamps, old / 8, room / 8);
    columns->room = room;
    columns->layout++;
}

struct lat_columns *lat_columns_new(void)
{
    struct lat_columns *columns = LAT_NEW(struct lat_columns);

    lat__dictionary_init(&columns->dictionary);
    for (size_t field = 0; field < LAT_NODE_FIELD_COUNT; field++) {
        if (lat_policy_field_row((enum lat_policy_field)field)->scope == LAT_POLICY_SCOPE_PAIR) {
            columns->pair_fields[columns->pair_field_count++] = (enum lat_policy_field)field;
        }
    }
    grow(columns);
    return columns;
}

struct lat_columns *lat_columns_free(struct lat_columns *columns)
{
    if (columns == NULL) {
        return NULL;
    }
    for (size_t field = 0; field < LAT_NODE_FIELD_COUNT; field++) {
        if (lat_policy_field_row((enum lat_policy_field)field)->type == LAT_POLICY_TYPE_MAP) {
            struct lat__codes *maps = columns->cells[field];

            for (size_t row = 0; row < columns->rows; row++) {
                free(maps[row].pairs); /* their texts go with the dictionary */
            }
        }
        free(columns->cells[field]);
    }
    lat__dictionary_done(&columns->dictionary);
    free(columns->alive);
    free(columns->paired);
    free(columns->stamps);
    free(columns->fine_stamps);
    free(columns->dead);
    free(columns->pairs);
    free(columns);
    return NULL;
}

static void touch(struct lat_columns *columns, size_t row)
{
    columns->stamps[row / LAT_COLUMNS_BLOCK] = ++columns->stamp;
    columns->fine_stamps[row / 64] = columns->stamp;
}

static void push(size_t **list, size_t *count, size_t *room, size_t row)
{
    if (*count == *room) {
        *room = *room == 0 ? 64 : *room * 2;
        *list = lat_grow(*list, *room, sizeof(**list));
    }
    (*list)[(*count)++] = row;
}

static bool bit(const uint64_t *bits, size_t row)
{
    return bits[row / 64] >> (row % 64) & 1;
}

static void put_bit(uint64_t *bits, size_t row, bool value)
{
    uint64_t mask = UINT64_C(1) << (row % 64);

    bits[row / 64] = value ? bits[row / 64] | mask : bits[row / 64] & ~mask;
}

int lat_columns_add(struct lat_columns *columns, size_t *ret_row, struct lat_err *err)
{
    size_t row = columns->rows;

    if (columns->dead_count > 0) {
        row = columns->dead[--columns->dead_count];
    } else if (row == LAT_COLUMNS_ROWS_MAX) {
        return lat_err_set(err, LAT_E_LIMIT,
                           "There are %d nodes, which is as many as are placed on.",
                           LAT_COLUMNS_ROWS_MAX);
    } else {
        if (row == columns->room) {
            grow(columns);
        }
        columns->rows++;
    }
    put_bit(columns->alive, row, true);
    touch(columns, row);
    for (size_t field = 0; field < LAT_NODE_FIELD_COUNT; field++) {
        if (lat_policy_field_row((enum lat_policy_field)field)->type == LAT_POLICY_TYPE_TEXT) {
            ((int32_t *)columns->cells[field])[row] = lat_columns_hold(columns, "");
        }
    }
    *ret_row = row;
    return 0;
}

void lat_columns_remove(struct lat_columns *columns, size_t row)
{
    LAT_ASSERT(row < columns->rows && bit(columns->alive, row));
    for (size_t field = 0; field < LAT_NODE_FIELD_COUNT; field++) {
        void *cells = columns->cells[field];

        switch (lat_policy_field_row((enum lat_policy_field)field)->type) {
        case LAT_POLICY_TYPE_BOOL: put_bit(cells, row, false); break;
        case LAT_POLICY_TYPE_INT: ((int64_t *)cells)[row] = 0; break;
        case LAT_POLICY_TYPE_FLOAT: ((double *)cells)[row] = 0; break;
        case LAT_POLICY_TYPE_TEXT:
        case LAT_POLICY_TYPE_OPTION:
            lat_columns_release(columns, ((int32_t *)cells)[row]);
            ((int32_t *)cells)[row] = 0;
            break;
        case LAT_POLICY_TYPE_MAP:
            lat__codes_clear(&((struct lat__codes *)cells)[row], &columns->dictionary);
            break;
        }
    }
    put_bit(columns->alive, row, false);
    touch(columns, row);
    push(&columns->dead, &columns->dead_count, &columns->dead_room, row);
}

/* ---- setters ---- */

/* Returns the array of a field, after checking that the row lives and that the field is of this type. */
static void *cells_of(const struct lat_columns *columns, enum lat_policy_field field,
                      enum lat_policy_field_type type)
{
    enum lat_policy_field_type own = lat_policy_field_row(field)->type;

    LAT_ASSERT(field < LAT_NODE_FIELD_COUNT);
    LAT_ASSERT(own == type || (own == LAT_POLICY_TYPE_OPTION && type == LAT_POLICY_TYPE_TEXT));
    return columns->cells[field];
}

static void *living(struct lat_columns *columns, size_t row, enum lat_policy_field field,
                    enum lat_policy_field_type type)
{
    LAT_ASSERT(row < columns->rows && bit(columns->alive, row));
    return cells_of(columns, field, type);
}

/* Notes that a field of the row changed. */
static void changed(struct lat_columns *columns, size_t row, enum lat_policy_field field)
{
    if (lat_policy_field_row(field)->scope == LAT_POLICY_SCOPE_ROW) {
        touch(columns, row);
    } else if (!bit(columns->paired, row)) {
        put_bit(columns->paired, row, true);
        push(&columns->pairs, &columns->pair_count, &columns->pair_room, row);
    }
}

void lat_columns_set_bool(struct lat_columns *columns, size_t row, enum lat_policy_field field,
                          bool value)
{
    uint64_t *bits = living(columns, row, field, LAT_POLICY_TYPE_BOOL);

    if (bit(bits, row) != value) {
        put_bit(bits, row, value);
        changed(columns, row, field);
    }
}

void lat_columns_set_int(struct lat_columns *columns, size_t row, enum lat_policy_field field,
                         int64_t value)
{
    int64_t *cell = (int64_t *)living(columns, row, field, LAT_POLICY_TYPE_INT) + row;

    if (*cell != value) {
        *cell = value;
        changed(columns, row, field);
    }
}

void lat_columns_set_float(struct lat_columns *columns, size_t row, enum lat_policy_field field,
                           double value)
{
    double *cell = (double *)living(columns, row, field, LAT_POLICY_TYPE_FLOAT) + row;

    if (memcmp(cell, &value, sizeof(value)) != 0) { /* 0.0 is another value than -0.0 */
        *cell = value;
        changed(columns, row, field);
    }
}

void lat_columns_set_text(struct lat_columns *columns, size_t row, enum lat_policy_field field,
                          const char *value)
{
    int32_t *cell = (int32_t *)living(columns, row, field, LAT_POLICY_TYPE_TEXT) + row;
    bool nil = value == NULL && lat_policy_field_row(field)->type == LAT_POLICY_TYPE_OPTION;
    int32_t code = nil ? 0 : lat_columns_hold(columns, value != NULL ? value : "");

    lat_columns_release(columns, *cell); /* after the new one is held: it may be the same */
    if (*cell != code) {
        *cell = code;
        changed(columns, row, field);
    }
}

void lat_columns_set_map(struct lat_columns *columns, size_t row, enum lat_policy_field field,
                         const cJSON *value)
{
    struct lat__codes *map =
        (struct lat__codes *)living(columns, row, field, LAT_POLICY_TYPE_MAP) + row;

    if (lat__codes_set(map, &columns->dictionary, value)) {
        changed(columns, row, field);
    }
}

void lat_columns_clear_pairs(struct lat_columns *columns)
{
    for (size_t k = 0; k < columns->pair_field_count; k++) {
        enum lat_policy_field field = columns->pair_fields[k];
        bool is_int =
            lat_policy_field_row((enum lat_policy_field)field)->type == LAT_POLICY_TYPE_INT;

        for (size_t i = 0; i < columns->pair_count; i++) {
            if (is_int) {
                ((int64_t *)columns->cells[field])[columns->pairs[i]] = 0;
            } else {
                put_bit(columns->cells[field], columns->pairs[i], false);
            }
        }
    }
    for (size_t i = 0; i < columns->pair_count; i++) {
        put_bit(columns->paired, columns->pairs[i], false);
    }
    columns->pair_count = 0;
}

/* ---- readers ---- */

size_t lat_columns_rows(const struct lat_columns *columns)
{
    return columns->rows;
}

size_t lat_columns_blocks(const struct lat_columns *columns)
{
    return (columns->rows + LAT_COLUMNS_BLOCK - 1) / LAT_COLUMNS_BLOCK;
}

const double *lat_columns_floats(const struct lat_columns *columns, enum lat_policy_field field)
{
    return cells_of(columns, field, LAT_POLICY_TYPE_FLOAT);
}

const int64_t *lat_columns_ints(const struct lat_columns *columns, enum lat_policy_field field)
{
    return cells_of(columns, field, LAT_POLICY_TYPE_INT);
}

const int32_t *lat_columns_codes(const struct lat_columns *columns, enum lat_policy_field field)
{
    return cells_of(columns, field, LAT_POLICY_TYPE_TEXT);
}

const uint64_t *lat_columns_bits(const struct lat_columns *columns, enum lat_policy_field field)
{
    return cells_of(columns, field, LAT_POLICY_TYPE_BOOL);
}

const uint64_t *lat_columns_alive(const struct lat_columns *columns)
{
    return columns->alive;
}

const uint64_t *lat_columns_paired(const struct lat_columns *columns)
{
    return columns->paired;
}

const size_t *lat_columns_pairs(const struct lat_columns *columns, size_t *ret_count)
{
    *ret_count = columns->pair_count;
    return columns->pairs;
}

int32_t lat_columns_lookup(const struct lat_columns *columns, enum lat_policy_field field,
                           size_t row, int32_t key)
{
    const struct lat__codes *maps = cells_of(columns, field, LAT_POLICY_TYPE_MAP);

    LAT_ASSERT(row < columns->room);
    return lat__codes_lookup(&maps[row], key);
}

size_t lat_columns_entries(const struct lat_columns *columns, enum lat_policy_field field,
                           size_t row, const int32_t **ret_entries)
{
    const struct lat__codes *maps = cells_of(columns, field, LAT_POLICY_TYPE_MAP);

    LAT_ASSERT(row < columns->room);
    return lat__codes_entries(&maps[row], ret_entries);
}

int32_t lat_columns_entry(const struct lat_columns *columns, enum lat_policy_field field,
                          size_t row, size_t place, bool is_value)
{
    const struct lat__codes *maps = cells_of(columns, field, LAT_POLICY_TYPE_MAP);

    LAT_ASSERT(row < columns->room);
    return lat__codes_entry(&maps[row], place, is_value);
}

void lat_columns_set_token(struct lat_columns *columns, uint64_t token)
{
    columns->token = token;
}

uint64_t lat_columns_token(const struct lat_columns *columns)
{
    return columns->token;
}

const uint64_t *lat_columns_stamps(const struct lat_columns *columns)
{
    return columns->stamps;
}

const uint64_t *lat_columns_fine_stamps(const struct lat_columns *columns)
{
    return columns->fine_stamps;
}

uint64_t lat_columns_layout(const struct lat_columns *columns)
{
    return columns->layout;
}
