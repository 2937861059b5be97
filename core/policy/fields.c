/* The table of fields, as rows. Pure. */
#include "policy/fields.h"

#include "base/mem.h"

#include <string.h>

static const struct lat_policy_field_row rows[] = {
#define F(object, name, type, scope)                                                               \
    {#object, #name, #object "." #name, LAT_POLICY_TYPE_##type, LAT_POLICY_SCOPE_##scope},
    LAT_POLICY_NODE_FIELDS(F) LAT_POLICY_WORKLOAD_FIELDS(F) LAT_POLICY_REQUEST_FIELDS(F)
        LAT_POLICY_PROJECT_FIELDS(F)
#undef F
};

_Static_assert(LAT_COUNT(rows) == LAT_FIELD_COUNT, "one row a field");

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
