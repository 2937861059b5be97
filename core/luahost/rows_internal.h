/* The console's side of rows in shared memory: writing the input, reading the result. */
#ifndef LAT_LUAHOST_ROWS_INTERNAL_H
#define LAT_LUAHOST_ROWS_INTERNAL_H

#include "luahost/luahost.h"
#include "luahost/rows.h"

/* One memory and what it holds. */
struct lat__rows;

/* Makes a memory to be shared with a process, or (`is_private`) one to write in advance. */
int lat__rows_new(bool is_private, struct lat__rows **ret_rows, struct lat_err *err) LAT_MUST_USE;
struct lat__rows *lat__rows_free(struct lat__rows *rows);

/* The descriptor, to be inherited; the memory, for a child that is no process. */
int lat__rows_fd(const struct lat__rows *rows);
void *lat__rows_memory(const struct lat__rows *rows);

/* Writes what is decided: only what has changed since the same columns were written here. LAT_E_LIMIT when it does not fit.
 * `token` counts up by one whenever columns are met for the first time. */
int lat__rows_write(struct lat__rows *rows, struct lat_columns *columns,
                    const struct lat_record *record, const uint64_t *among, uint64_t *token,
                    struct lat_err *err) LAT_MUST_USE;

/* Returns an owned copy of the input as it stands, and puts such a copy there. */
uint8_t *lat__rows_copy(const struct lat__rows *rows);
void lat__rows_put(struct lat__rows *rows, const uint8_t *image);

/* Forgets the last result. To be called before each ask. */
void lat__rows_clear(struct lat__rows *rows);

/* Copies and checks the result; LAT_E_PROTOCOL for one that no honest process would write. */
int lat__rows_read(const struct lat__rows *rows, struct lat_decision **ret_decision,
                   struct lat_err *err) LAT_MUST_USE;

#endif
