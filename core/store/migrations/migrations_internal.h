/* Migrations: how a database of an older program becomes one of this program, or an empty one the first.
 *
 * A step brings a database from the version before its number to its number. An empty database is made from
 * the descriptions at once (step 1) and has the newest version then; so a step that adds a column runs only
 * on databases that were made before the column was described.
 *
 * To add a step: a function and a line in steps.c; then, once it is what it shall be, the target schema_fixture, which freezes
 * the new schema with data in it (tests/unit/store/schemas) for the tests of the steps that come after. */
#ifndef LAT_STORE_MIGRATIONS_INTERNAL_H
#define LAT_STORE_MIGRATIONS_INTERNAL_H

#include "store/sql_internal.h"

#include "base/err.h"

#include <stdint.h>

/* A database as migrations see it. */
struct lat__schema {
    void *database;
    const struct lat__dialect *dialect;
    int (*execute)(void *database, const char *sql, struct lat_err *err);
    int (*read_version)(void *database, int64_t *ret_version,
                        struct lat_err *err); /* 0: none yet; meta is there */
    int (*write_version)(void *database, int64_t version, struct lat_err *err);
};

struct lat__migration {
    int number;
    const char *what;
    int (*run)(const struct lat__schema *schema, struct lat_err *err);
};

/* The steps of this program in order, from 1 without gaps. */
const struct lat__migration *lat__migrations(size_t *ret_count);

/* Brings a database to the last of the steps, all in one transaction, or changes nothing. VERSION when it is newer. */
int lat__migrate(const struct lat__schema *schema, const struct lat__migration *steps, size_t count,
                 struct lat_err *err) LAT_MUST_USE;

#endif
