/* SQL made from the tables' descriptions, as both databases take it: "quoted" names, $1 for parameters,
 * INSERT ... ON CONFLICT DO UPDATE. Where they differ (names of types), a dialect has the words. */
#ifndef LAT_STORE_SQL_INTERNAL_H
#define LAT_STORE_SQL_INTERNAL_H

#include "model/row.h"

#include "base/buf.h"

struct lat__dialect {
    const char *integer; /* 64 bits */
    const char *real;
    const char *blob;
    const char *table_suffix; /* behind CREATE TABLE (...) */
};

/* Add one statement to out. Rows: id first, then the fields in order, then version; for put as $1, $2, ... */
void lat__sql_create(struct lat_buf *out, const struct lat_table *table,
                     const struct lat__dialect *dialect);
void lat__sql_put(struct lat_buf *out, const struct lat_table *table);
void lat__sql_remove(struct lat_buf *out, const struct lat_table *table); /* $1: id */
void lat__sql_select(struct lat_buf *out, const struct lat_table *table); /* in order of id */

/* The change log, and `meta`: what the database says of itself (schema_version). */
void lat__sql_create_changes(struct lat_buf *out, const struct lat__dialect *dialect);
void lat__sql_create_meta(struct lat_buf *out, const struct lat__dialect *dialect);

/* The audit trail: sequence first, then the fields in order, then hash; select takes the first and the last sequence. */
void lat__sql_create_audit(struct lat_buf *out, const struct lat_table *table,
                           const struct lat__dialect *dialect);
void lat__sql_audit_add(struct lat_buf *out, const struct lat_table *table);
void lat__sql_audit_select(struct lat_buf *out, const struct lat_table *table);
#define LAT__SQL_AUDIT_HASH "SELECT \"hash\" FROM \"audit_log\" WHERE \"sequence\" = $1"
#define LAT__SQL_AUDIT_FORGET "DELETE FROM \"audit_log\" WHERE \"sequence\" <= $1"

#define LAT__SQL_CHANGE_ADD                                                                                                   \
    "INSERT INTO \"change_log\" (\"index\", \"table_name\", \"row_id\", \"removed\", \"project_id\", \"request_id\", \"at\")" \
    " VALUES ($1, $2, $3, $4, $5, $6, $7)"
#define LAT__SQL_CHANGES_NEWEST                                                                                \
    "SELECT \"index\", \"table_name\", \"row_id\", \"removed\", \"project_id\", \"request_id\", \"at\" FROM (" \
    "SELECT * FROM \"change_log\" ORDER BY \"index\" DESC LIMIT $1) AS \"newest\" ORDER BY \"index\""
#define LAT__SQL_CHANGES_FORGET "DELETE FROM \"change_log\" WHERE \"index\" <= $1"
#define LAT__SQL_META_GET "SELECT \"value\" FROM \"meta\" WHERE \"name\" = $1"
#define LAT__SQL_META_PUT                                                                          \
    "INSERT INTO \"meta\" (\"name\", \"value\") VALUES ($1, $2)"                                   \
    " ON CONFLICT (\"name\") DO UPDATE SET \"value\" = excluded.\"value\""

#endif
