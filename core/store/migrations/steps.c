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

/* A column that a step adds. Type and default are words of SQL; an integer column has the dialect's type. */
struct column {
    const char *table;
    const char *name;
    const char *text_default; /* NULL: an integer, whose default is */
    int integer_default;
};

static int add_columns(const struct lat__schema *schema, const struct column *columns, size_t count,
                       struct lat_err *err)
{
    struct lat_buf sql = {0};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < count; i++) {
        const struct column *column = &columns[i];

        lat_buf_addf(&sql, "ALTER TABLE \"%s\" ADD COLUMN \"%s\" ", column->table, column->name);
        if (column->text_default != NULL) {
            lat_buf_addf(&sql, "TEXT NOT NULL DEFAULT '%s'", column->text_default);
        } else {
            lat_buf_addf(&sql, "%s NOT NULL DEFAULT %d", schema->dialect->integer,
                         column->integer_default);
        }
        rc = execute(schema, &sql, err);
    }
    lat_buf_done(&sql);
    return rc;
}

static int add_demands(const struct lat__schema *schema, struct lat_err *err)
{
    static const struct column columns[] = {
        {"workload", "kind", "service", 0},
        {"workload", "image", "", 0},
        {"workload", "retries", NULL, 0},
        {"workload", "priority", NULL, 50},
        {"workload", "disk_bytes", NULL, 0},
        {"workload", "bandwidth_bps", NULL, 0},
        {"workload", "gpu_count", NULL, 0},
        {"workload", "gpu_share_milli", NULL, 0},
        {"workload", "gpu_model", "", 0},
        {"workload", "gpu_memory_bytes", NULL, 0},
        {"workload", "host_ports", "", 0},
        {"workload", "placement", "", 0},
        {"allocation", "disk_bytes", NULL, 0},
        {"allocation", "bandwidth_bps", NULL, 0},
        {"allocation", "gpus", "", 0},
        {"allocation", "host_ports", "", 0},
        {"allocation", "finished", NULL, 0},
        {"node", "bandwidth_bps", NULL, 0},
        {"node", "gpus", "", 0},
        {"node", "attributes", "", 0},
        {"node", "images", "", 0},
        {"node", "volumes", "", 0},
        {"node", "on_battery", NULL, 0},
        {"node", "rank", NULL, 500},
        {"node", "available_until", NULL, 0},
    };

    return add_columns(schema, columns, LAT_COUNT(columns), err);
}

/* The text in force moves into the first row of its policy's versions, which takes its id: of another table, it is free there. */
static int add_policy_versions(const struct lat__schema *schema, struct lat_err *err)
{
    static const struct column columns[] = {{"policy", "previous", NULL, 0},
                                            {"policy", "newest", NULL, 0},
                                            {"policy", "file_digest", "", 0}};
    static const char *const statements[] = {
        "INSERT INTO \"policy_version\" SELECT \"id\", \"name\", \"revision\", \"source\", "
        "CASE \"origin\" WHEN 'shipped' THEN 'console' ELSE 'file' END, \"origin\", \"accepted_at\", 1 "
        "FROM \"policy\" WHERE \"revision\" > 0",
        "ALTER TABLE \"policy\" DROP COLUMN \"source\"",
        "ALTER TABLE \"policy\" DROP COLUMN \"origin\"",
        "ALTER TABLE \"policy\" RENAME COLUMN \"accepted_at\" TO \"changed_at\"",
        "UPDATE \"policy\" SET \"newest\" = \"revision\"",
    };
    const struct lat__dialect *dialect = schema->dialect;
    struct lat_buf sql = {0};

    lat_buf_addf(
        &sql,
        "CREATE TABLE \"policy_version\" (\"id\" TEXT PRIMARY KEY, \"policy\" TEXT NOT NULL, "
        "\"revision\" %s NOT NULL, \"source\" TEXT NOT NULL, \"author\" TEXT NOT NULL, "
        "\"origin\" TEXT NOT NULL, \"accepted_at\" %s NOT NULL, \"version\" %s NOT NULL)%s",
        dialect->integer, dialect->integer, dialect->integer, dialect->table_suffix);
    int rc = execute(schema, &sql, err);

    rc = rc != 0 ? rc : add_columns(schema, columns, LAT_COUNT(columns), err);
    for (size_t i = 0; rc == 0 && i < LAT_COUNT(statements); i++) {
        rc = schema->execute(schema->database, statements[i], err);
    }
    lat_buf_done(&sql);
    return rc;
}

static int add_node_numbers(const struct lat__schema *schema, struct lat_err *err)
{
    static const struct column columns[] = {{"node", "number", NULL, 0}};
    int rc = add_columns(schema, columns, LAT_COUNT(columns), err);

    return rc != 0 ? rc
                   : schema->execute(schema->database,
                                     "UPDATE \"node\" SET \"number\" = (SELECT count(*) FROM "
                                     "\"node\" AS \"other\" WHERE \"other\".\"id\" <= "
                                     "\"node\".\"id\")",
                                     err);
}

static int add_node_hours(const struct lat__schema *schema, struct lat_err *err)
{
    static const struct column columns[] = {{"node", "hours", "", 0}};

    return add_columns(schema, columns, LAT_COUNT(columns), err);
}

const struct lat__migration *lat__migrations(size_t *ret_count)
{
    static const struct lat__migration steps[] = {
        {1, "tables as described", make_tables},          {2, "the audit trail", add_audit_log},
        {3, "labels of workloads", add_workload_labels},  {4, "what is placed by", add_demands},
        {5, "versions of policies", add_policy_versions}, {6, "numbers of nodes", add_node_numbers},
        {7, "weekly hours of nodes", add_node_hours},
    };

    *ret_count = LAT_COUNT(steps);
    return steps;
}
