/* The steps from schema to schema. What has a number is frozen: only the first step follows the descriptions, because
 * it alone makes empty databases; every other one says in words of its own what it does, since the descriptions have gone
 * on since. Words that both databases take: "quoted" names, types by the dialect. */
#include "migrations_internal.h"

#include "base/mem.h"
#include "model/tables.h"

/* Executes what is in `sql`, and empties it. */
static int execute(const struct lat__schema *schema, struct lat_buf *sql, struct lat_err *err)
{
    int rc = schema->execute(schema->database, lat_buf_text(sql), err);

    lat_buf_clear(sql);
    return rc;
}

static int make_tables(const struct lat__schema *schema, struct lat_err *err)
{
    struct lat_buf sql = {0};
    int rc = 0;

    for (int table = 0; rc == 0 && table < LAT_TABLE_COUNT; table++) {
        lat__sql_create(&sql, lat_table(table), schema->dialect);
        rc = execute(schema, &sql, err);
    }
    if (rc == 0) {
        lat__sql_create_changes(&sql, schema->dialect);
        rc = execute(schema, &sql, err);
    }
    if (rc == 0) {
        lat__sql_create_audit(&sql, lat_audit_table(), schema->dialect);
        rc = execute(schema, &sql, err);
    }
    lat_buf_done(&sql);
    return rc;
}

static int add_audit_log(const struct lat__schema *schema, struct lat_err *err)
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
    int rc = execute(schema, &sql, err);

    lat_buf_done(&sql);
    return rc;
}

static int add_workload_labels(const struct lat__schema *schema, struct lat_err *err)
{
    return schema->execute(
        schema->database, "ALTER TABLE \"workload\" ADD COLUMN \"labels\" TEXT NOT NULL DEFAULT ''",
        err);
}

const struct lat__migration *lat__migrations(size_t *ret_count)
{
    static const struct lat__migration steps[] = {
        {1, "tables as described", make_tables},
        {2, "the audit trail", add_audit_log},
        {3, "labels of workloads", add_workload_labels},
    };

    *ret_count = LAT_COUNT(steps);
    return steps;
}
