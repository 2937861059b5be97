#include "schema_doc.h"

#include "model/states.h"
#include "model/tables.h"
#include "store/audit.h"

#include <stdio.h>
#include <string.h>

struct kind {
    const char *name, *sql, *json;
};

static const struct kind kinds[] = {
    [LAT_KIND_TEXT] = {"text", "TEXT", "string"},
    [LAT_KIND_INT] = {"int", "INTEGER", "number"},
    [LAT_KIND_REAL] = {"real", "REAL", "number"},
    [LAT_KIND_BOOL] = {"bool", "INTEGER", "true or false"},
    [LAT_KIND_TIME] = {"time", "INTEGER", "RFC 3339, or null"},
    [LAT_KIND_JSON] = {"json", "TEXT", "as it is"},
    [LAT_KIND_SECRET] = {"secret", "TEXT", "never"},
    [LAT_KIND_PACKED] = {"packed", "TEXT", "never; unpacked by whoever shows it"},
};

static void add_cell(struct lat_buf *out, const char *text)
{
    lat_buf_add_text(out, " ");
    for (; *text != '\0'; text++) {
        if (*text == '|') {
            lat_buf_add_byte(out, '\\');
        }
        lat_buf_add_byte(out, (uint8_t)*text);
    }
    lat_buf_add_text(out, " |");
}

static void add_indexes(struct lat_buf *out, int table)
{
    static const struct {
        int table;
        bool is_unique;
        const char *columns;
    } indexes[] = {
#define X(NAME, table_, unique_, columns_) {LAT_TABLE_##table_, unique_, columns_},
        LAT_INDEXES(X)
#undef X
    };
    const char *between = "\nIn memory also by ";

    for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++) {
        if (indexes[i].table == table) {
            lat_buf_addf(out, "%s`%s`%s", between, indexes[i].columns,
                         indexes[i].is_unique ? " (unique)" : "");
            between = ", ";
        }
    }
    if (strcmp(between, ", ") == 0) {
        lat_buf_add_text(out, ".\n");
    }
}

static void add_head(struct lat_buf *out, const struct lat_table *description)
{
    lat_buf_addf(out, "\n## %s\n\nHolds %s.\n\n", description->name, description->doc);
    lat_buf_add_text(out, "| column | kind | what it is |\n|---|---|---|\n");
}

static void add_fields(struct lat_buf *out, const struct lat_table *description)
{
    for (size_t i = 0; i < description->field_count; i++) {
        const struct lat_field *field = &description->fields[i];

        lat_buf_addf(out, "| `%s` | %s |", field->name, kinds[field->kind].name);
        add_cell(out, field->doc);
        lat_buf_add_byte(out, '\n');
    }
}

static void add_table(struct lat_buf *out, int table)
{
    const struct lat_table *description = lat_table(table);

    add_head(out, description);
    lat_buf_add_text(out, "| `id` | text | UUIDv7, the key |\n");
    add_fields(out, description);
    lat_buf_add_text(out, "| `version` | int | counts the changes of the row, from 1 |\n");
    add_indexes(out, table);
}

static void add_audit(struct lat_buf *out)
{
    const struct lat_table *description = lat_audit_table();

    add_head(out, description);
    lat_buf_add_text(out, "| `sequence` | int | the key: counts from 1 without gaps |\n");
    add_fields(out, description);
    lat_buf_addf(
        out,
        "| `hash` | 32 bytes | over the hash before it and this row |\n\n"
        "Not in memory: a row is added in the transaction of the change that it is about, and never altered. The\n"
        "newest %d are kept. `hash` is the SHA-256 of: the hash of the row before (32 zero bytes for the first),\n"
        "`sequence` as 8 bytes with the highest first, and for each column between the two that is not empty or\n"
        "0, in this order: its name, a zero byte, its text or its number in decimal, a zero byte. Times count as\n"
        "milliseconds. `meta` holds, as `SEQUENCE HASH`, `audit_head` (the newest row) and `audit_cut` (the last row\n"
        "that was forgotten).\n",
        LAT_AUDIT_KEPT);
}

#define STATE_ROW(NAME, name, doc) lat_buf_add_text(out, "| `" #name "` | " doc " |\n");
#define STATES(title, TABLE)                                                                       \
    lat_buf_add_text(out, "\n### " title "\n\n| value | meaning |\n|---|---|\n");                  \
    TABLE(STATE_ROW)

static void add_states(struct lat_buf *out)
{
    lat_buf_add_text(out, "\n## States and kinds\n");
    STATES("workload.status", LAT_WORKLOAD_STATES)
    STATES("allocation.status", LAT_ALLOCATION_STATES)
    STATES("node.status", LAT_NODE_STATES)
    STATES("desired", LAT_DESIRED)
    STATES("user.role", LAT_ROLES)
    STATES("endpoint.protocol", LAT_PROTOCOLS)
    STATES("evaluation.trigger", LAT_TRIGGERS)
}

void schema_doc_write(struct lat_buf *out)
{
    lat_buf_add_text(
        out,
        "# The database\n\n"
        "Made from `core/model/tables.h`, `core/model/states.h` and `core/store/store.h` by\n"
        "`cmake --build BUILD --target schema_doc`; a test fails when it is stale.\n\n"
        "The console keeps all current state in memory and writes every change to these tables before it\n"
        "acknowledges it. Beside them stand `audit_log` (who did what, below), `change_log` (one line for each\n"
        "change: index, table, row, project, request, time; the newest 65536 are kept) and `meta`\n"
        "(`schema_version`). What happened, apart from what is, goes to a file of its own, `history.db`.\n\n"
        "| kind | SQL | JSON |\n|---|---|---|\n");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        lat_buf_addf(out, "| %s | %s | %s |\n", kinds[i].name, kinds[i].sql, kinds[i].json);
    }
    lat_buf_add_text(
        out,
        "\nNo column is NULL: an empty text, 0 or false says that there is none. Secrets are sealed under the\n"
        "master key, or are digests.\n");
    for (int table = 0; table < LAT_TABLE_COUNT; table++) {
        add_table(out, table);
    }
    add_audit(out);
    add_states(out);
}
