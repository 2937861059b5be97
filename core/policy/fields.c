/* The table of fields, as rows. Pure. */
#include "policy/fields.h"

#include "base/mem.h"

#include <string.h>

static const struct lat_policy_field_row rows[] = {
#define ROW(kind, object, name, type, scope)                                                       \
    {#object, #name, #object "." #name, kind, LAT_POLICY_TYPE_##type, LAT_POLICY_SCOPE_##scope},
#define F(...) ROW(LAT_POLICY_PLACEMENT, __VA_ARGS__)
    LAT_POLICY_NODE_FIELDS(F) LAT_POLICY_WORKLOAD_FIELDS(F)
#undef F
#define F(...) ROW(LAT_POLICY_ADMISSION, __VA_ARGS__)
        LAT_POLICY_REQUEST_FIELDS(F) LAT_POLICY_PROJECT_FIELDS(F)
#undef F
#define F(...) ROW(LAT_POLICY_APPROVAL, __VA_ARGS__)
            LAT_POLICY_APPLICANT_FIELDS(F) LAT_POLICY_TOKEN_FIELDS(F)
#undef F
#undef ROW
};

_Static_assert(LAT_COUNT(rows) == LAT_FIELD_COUNT, "one row a field");

static const char *const kinds[] = {
    [LAT_POLICY_PLACEMENT] = "placement",
    [LAT_POLICY_ADMISSION] = "admission",
    [LAT_POLICY_APPROVAL] = "approval",
};

_Static_assert(LAT_COUNT(kinds) == LAT_POLICY_KIND_COUNT, "one name a kind");

const struct lat_policy_field_row *lat_policy_field_row(enum lat_policy_field field)
{
    LAT_ASSERT((unsigned)field < LAT_FIELD_COUNT);
    return &rows[field];
}

enum lat_policy_field lat_policy_field_find(const char *path)
{
    size_t field = 0;

    while (field < LAT_FIELD_COUNT && strcmp(rows[field].path, path) != 0) {
        field++;
    }
    return (enum lat_policy_field)field;
}

const char *lat_policy_kind_name(enum lat_policy_kind kind)
{
    LAT_ASSERT((unsigned)kind < LAT_POLICY_KIND_COUNT);
    return kinds[kind];
}

enum lat_policy_kind lat_policy_kind_find(const char *name)
{
    size_t kind = 0;

    while (kind < LAT_POLICY_KIND_COUNT && strcmp(kinds[kind], name) != 0) {
        kind++;
    }
    return (enum lat_policy_kind)kind;
}
