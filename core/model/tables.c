/* The descriptions of the tables, made from the rows in tables.h. Read-only; any thread. */
#include "model/tables.h"

#include "base/mem.h"

#include <stddef.h>

#define FIELD(kind_, name_, doc_)                                                                  \
    {.kind = LAT_KIND_##kind_, .name = #name_, .offset = offsetof(this_row, name_), .doc = doc_},

/* One function a table, because a function can say what `this_row` is for the FIELD rows in it. */
#define X(NAME, name_, doc_)                                                                       \
    static const struct lat_table *describe_##name_(void)                                          \
    {                                                                                              \
        typedef struct lat_##name_ this_row;                                                       \
        static const struct lat_field fields[] = {LAT_##NAME##_FIELDS(FIELD)};                     \
        static const struct lat_table table = {                                                    \
            .name = #name_,                                                                        \
            .doc = doc_,                                                                           \
            .row_size = sizeof(this_row),                                                          \
            .fields = fields,                                                                      \
            .field_count = LAT_COUNT(fields),                                                      \
        };                                                                                         \
        return &table;                                                                             \
    }
LAT_TABLES(X)
#undef X

const struct lat_table *lat_audit_table(void)
{
    typedef struct lat_audit this_row;
    static const struct lat_field fields[] = {LAT_AUDIT_FIELDS(FIELD)};
    static const struct lat_table table = {
        .name = "audit_log",
        .doc = "who did what",
        .row_size = sizeof(this_row),
        .fields = fields,
        .field_count = LAT_COUNT(fields),
    };

    return &table;
}

static const struct lat_table *(*const describers[LAT_TABLE_COUNT])(void) = {
#define X(NAME, name_, doc_) [LAT_TABLE_##NAME] = describe_##name_,
    LAT_TABLES(X)
#undef X
};

#define X(NAME, name_, doc_)                                                                       \
    _Static_assert((0 LAT_##NAME##_FIELDS(COUNT)) <= LAT_FIELDS_MAX, "fields of " #name_);
#define COUNT(kind_, name_, doc_) +1
LAT_TABLES(X)
#undef X
#undef COUNT

const struct lat_table *lat_table(int table)
{
    LAT_ASSERT(table >= 0 && table < LAT_TABLE_COUNT);
    return describers[table]();
}
