/* Runs migrations. Called while the store opens, before anything else touches the database. */
#include "migrations_internal.h"

#include "base/mem.h"

#include <inttypes.h>

static int run(const struct lat__schema *schema, const struct lat__migration *steps, size_t count,
               struct lat_err *err)
{
    struct lat_buf sql = {0};
    int64_t version = 0;
    int64_t newest = (int64_t)count;

    lat__sql_create_meta(&sql, schema->dialect);
    int rc = schema->execute(schema->database, lat_buf_text(&sql), err);

    lat_buf_done(&sql);
    rc = rc != 0 ? rc : schema->read_version(schema->database, &version, err);
    if (rc == 0 && version > newest) {
        lat_err_set(err, LAT_E_VERSION,
                    "The database was written by a newer program: its schema is %" PRId64
                    ", this program knows %" PRId64 ".",
                    version, newest);
        lat_err_hint(err, "Start the newer program, or restore a backup from before it.");
        return LAT_E_VERSION;
    }
    if (rc != 0 || version == newest) {
        return rc;
    }
    if (version == 0) {
        rc = steps[0].run(schema, err);
    }
    for (int64_t i = version; rc == 0 && version > 0 && i < newest; i++) {
        LAT_ASSERT(steps[i].number == i + 1);
        rc = steps[i].run(schema, err);
    }
    return rc != 0 ? rc : schema->write_version(schema->database, newest, err);
}

int lat__migrate(const struct lat__schema *schema, const struct lat__migration *steps, size_t count,
                 struct lat_err *err)
{
    struct lat_err ignored;
    int rc = schema->execute(schema->database, "BEGIN", err);

    if (rc != 0) {
        return rc;
    }
    rc = run(schema, steps, count, err);
    rc = rc != 0 ? rc : schema->execute(schema->database, "COMMIT", err);
    if (rc != 0) {
        int rolled_back = schema->execute(schema->database, "ROLLBACK", &ignored);

        (void)rolled_back; /* the first error is the one that says something */
    }
    return rc;
}
