/* SQL from descriptions. Pure; any thread. */
#include "sql_internal.h"

#include "base/mem.h"

static const char *type_of(const struct lat_field *field, const struct lat__dialect *dialect)
{
    switch (field->kind) {
    case LAT_KIND_INT:
    case LAT_KIND_BOOL:
    case LAT_KIND_TIME: return dialect->integer;
    case LAT_KIND_REAL: return dialect->real;
    case LAT_KIND_TEXT:
    case LAT_KIND_JSON:
    case LAT_KIND_SECRET:
    case LAT_KIND_PACKED: break;
    }
    return "TEXT";
}

static void add_typed_columns(struct lat_buf *out, const struct lat_table *table,
                              const struct lat__dialect *dialect)
{
    for (size_t i = 0; i < table->field_count; i++) {
        lat_buf_addf(out, ", \"%s\" %s NOT NULL", table->fields[i].name,
                     type_of(&table->fields[i], dialect));
    }
}

void lat__sql_create(struct lat_buf *out, const struct lat_table *table,
                     const struct lat__dialect *dialect)
{
    lat_buf_addf(out, "CREATE TABLE \"%s\" (\"id\" TEXT PRIMARY KEY", table->name);
    add_typed_columns(out, table, dialect);
    lat_buf_addf(out, ", \"version\" %s NOT NULL)%s", dialect->integer, dialect->table_suffix);
}

/* Names the columns between the one in front and the one behind. */
static void add_columns(struct lat_buf *out, const char *first, const struct lat_table *table,
                        const char *last)
{
    lat_buf_addf(out, "\"%s\"", first);
    for (size_t i = 0; i < table->field_count; i++) {
        lat_buf_addf(out, ", \"%s\"", table->fields[i].name);
    }
    lat_buf_addf(out, ", \"%s\"", last);
}

static void add_parameters(struct lat_buf *out, size_t count)
{
    lat_buf_add_text(out, ") VALUES ($1");
    for (size_t i = 1; i < count; i++) {
        lat_buf_addf(out, ", $%zu", i + 1);
    }
    lat_buf_add_text(out, ")");
}

void lat__sql_put(struct lat_buf *out, const struct lat_table *table)
{
    lat_buf_addf(out, "INSERT INTO \"%s\" (", table->name);
    add_columns(out, "id", table, "version");
    add_parameters(out, table->field_count + 2);
    lat_buf_add_text(out, " ON CONFLICT (\"id\") DO UPDATE SET ");
    for (size_t i = 0; i < table->field_count; i++) {
        lat_buf_addf(out, "\"%s\" = excluded.\"%s\", ", table->fields[i].name,
                     table->fields[i].name);
    }
    lat_buf_add_text(out, "\"version\" = excluded.\"version\"");
}

void lat__sql_remove(struct lat_buf *out, const struct lat_table *table)
{
    lat_buf_addf(out, "DELETE FROM \"%s\" WHERE \"id\" = $1", table->name);
}

void lat__sql_select(struct lat_buf *out, const struct lat_table *table)
{
    lat_buf_add_text(out, "SELECT ");
    add_columns(out, "id", table, "version");
    lat_buf_addf(out, " FROM \"%s\" ORDER BY \"id\"", table->name);
}

void lat__sql_create_changes(struct lat_buf *out, const struct lat__dialect *dialect)
{
    lat_buf_addf(
        out,
        "CREATE TABLE \"change_log\" (\"index\" %s PRIMARY KEY, \"table_name\" TEXT NOT NULL, "
        "\"row_id\" TEXT NOT NULL, \"removed\" %s NOT NULL, \"project_id\" TEXT NOT NULL, "
        "\"request_id\" TEXT NOT NULL, \"at\" %s NOT NULL)%s",
        dialect->integer, dialect->integer, dialect->integer, dialect->table_suffix);
}

void lat__sql_create_meta(struct lat_buf *out, const struct lat__dialect *dialect)
{
    lat_buf_addf(
        out,
        "CREATE TABLE IF NOT EXISTS \"meta\" (\"name\" TEXT PRIMARY KEY, \"value\" TEXT NOT NULL)%s",
        dialect->table_suffix);
}

void lat__sql_create_audit(struct lat_buf *out, const struct lat_table *table,
                           const struct lat__dialect *dialect)
{
    lat_buf_addf(out, "CREATE TABLE \"%s\" (\"sequence\" %s PRIMARY KEY", table->name,
                 dialect->integer);
    add_typed_columns(out, table, dialect);
    lat_buf_addf(out, ", \"hash\" %s NOT NULL)%s", dialect->blob, dialect->table_suffix);
}

void lat__sql_audit_add(struct lat_buf *out, const struct lat_table *table)
{
    lat_buf_addf(out, "INSERT INTO \"%s\" (", table->name);
    add_columns(out, "sequence", table, "hash");
    add_parameters(out, table->field_count + 2);
}

void lat__sql_audit_select(struct lat_buf *out, const struct lat_table *table)
{
    lat_buf_add_text(out, "SELECT ");
    add_columns(out, "sequence", table, "hash");
    lat_buf_addf(out,
                 " FROM \"%s\" WHERE \"sequence\" >= $1 AND \"sequence\" <= $2"
                 " ORDER BY \"sequence\"",
                 table->name);
}
