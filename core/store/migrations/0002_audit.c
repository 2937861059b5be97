/* The audit trail, as it was when it came. */
#include "migrations_internal.h"

int lat__migration_0002(const struct lat__schema *schema, struct lat_err *err)
{
    const struct lat__dialect *dialect = schema->dialect;
    struct lat_buf sql = {0};

    lat_buf_addf(
        &sql,
        "CREATE TABLE \"audit_log\" (\"sequence\" %s PRIMARY KEY, \"at\" %s NOT NULL, "
        "\"actor_kind\" TEXT NOT NULL, \"actor_id\" TEXT NOT NULL, \"actor_name\" TEXT NOT NULL, "
        "\"action\" TEXT NOT NULL, \"object_table\" TEXT NOT NULL, \"object_id\" TEXT NOT NULL, "
        "\"object_name\" TEXT NOT NULL, \"project_id\" TEXT NOT NULL, \"request_id\" TEXT NOT NULL, "
        "\"address\" TEXT NOT NULL, \"hash\" %s NOT NULL)%s",
        dialect->integer, dialect->integer, dialect->blob, dialect->table_suffix);
    int rc = schema->execute(schema->database, lat_buf_text(&sql), err);

    lat_buf_done(&sql);
    return rc;
}
