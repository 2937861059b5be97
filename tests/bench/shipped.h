/* The shipped placement policy for the benches, compiled as it is in the jail. */
#ifndef LAT_BENCH_SHIPPED_H
#define LAT_BENCH_SHIPPED_H

#include "policy/program.h"

#include <lua.h>

/* Compiles policies/placement of the repository at `root` in a state with Lua's libraries, and leaves its functions there as globals. Returns the
 * owned program; NULL leaves why on the stack. */
struct lat_program *shipped_program(lua_State *lua, const char *root);

#endif
