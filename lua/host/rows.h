/* Nodes in shared memory (luahost/rows.h), as a module for lua/lib/placement.lua. */
#ifndef LAT_LUA_HOST_ROWS_H
#define LAT_LUA_HOST_ROWS_H

#include "base/err.h"

#include <stdint.h>

struct lua_State;

/* Maps the memory behind LAT_ROWS_FD: the input read-only. Before the jail, which closes the descriptor and lets no mapping change. */
int lat_lua_rows_map(const uint8_t **ret_input, uint8_t **ret_result,
                     struct lat_err *err) LAT_MUST_USE;

/* Pushes a module over that memory:
 *   rows.begin(unknown, set)  starts a decision and returns the workload as a table; unknown(node, name) and set(node, name, value) raise
 *                             what is wrong with reading a field that is not there, and with setting one
 *   rows.next()               returns the next node that is asked about, or nothing
 *   rows.score(number)        the node is possible
 *   rows.refuse(text)         the node is refused */
void lat_lua_push_rows(struct lua_State *L, const uint8_t *input, uint8_t *result);

#endif
