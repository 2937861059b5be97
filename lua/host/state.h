/* Lua states: a cap on their memory, and modules from inside the executable. */
#ifndef LAT_LUA_HOST_STATE_H
#define LAT_LUA_HOST_STATE_H

#include "base/embed.h"

#include <stddef.h>

struct lua_State;

/* Returns an owned state (lua_close) with Lua's own library open, whose memory stays below memory_max bytes (0: no
 * cap): one byte more is Lua's "not enough memory". Aborts when there is no memory for an empty state. */
struct lua_State *lat_lua_state_new(size_t memory_max);

/* Makes require find the files of an embedded set (see base/embed.h): require "lib.host" loads lib/host.lua. Such
 * files come before those on disk. `files` is borrowed for the state's life; call it again for further sets. */
void lat_lua_state_embed(struct lua_State *L, const struct lat_embedded_file *files);

/* Returns the set with lib/ and api/, which policies, plugins and the commands share. */
const struct lat_embedded_file *lat_lua_library_files(void);

#endif
