/* Labels of workloads: a column of their own. */
#include "migrations_internal.h"

int lat__migration_0003(const struct lat__schema *schema, struct lat_err *err)
{
    return schema->execute(
        schema->database, "ALTER TABLE \"workload\" ADD COLUMN \"labels\" TEXT NOT NULL DEFAULT ''",
        err);
}
