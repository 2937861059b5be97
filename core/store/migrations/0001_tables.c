/* Every table as it is described, the change log, the audit trail, and meta: what an empty database becomes. */
#include "migrations_internal.h"

#include "model/tables.h"

static int create(const struct lat__schema *schema, struct lat_buf *sql, struct lat_err *err)
{
    int rc = schema->execute(schema->database, lat_buf_text(sql), err);

    lat_buf_clear(sql);
    return rc;
}

int lat__migration_0001(const struct lat__schema *schema, struct lat_err *err)
{
    struct lat_buf sql = {0};
    int rc = 0;

    for (int table = 0; rc == 0 && table < LAT_TABLE_COUNT; table++) {
        lat__sql_create(&sql, lat_table(table), schema->dialect);
        rc = create(schema, &sql, err);
    }
    if (rc == 0) {
        lat__sql_create_changes(&sql, schema->dialect);
        rc = create(schema, &sql, err);
    }
    if (rc == 0) {
        lat__sql_create_audit(&sql, lat_audit_table(), schema->dialect);
        rc = create(schema, &sql, err);
    }
    lat_buf_done(&sql);
    return rc;
}
