/* A Lua process that is none: scripted C at the other end of the stream, speaking core/luahost/protocol.h.
 *
 * It answers placements as a plain policy would (the emptiest healthy node), and renders `custom` as the shipped plugin does for
 * the few params that the simulated users give. As the weather wants it hangs, dies, or answers rubbish. */
#ifndef SIM_LUA_H
#define SIM_LUA_H

#include "world.h"

#include "luahost/luahost.h"

struct sim_lua;

enum sim_lua_mood {
    SIM_LUA_WELL,
    SIM_LUA_HANGS,   /* never answers */
    SIM_LUA_DIES,    /* ends instead of answering */
    SIM_LUA_RUBBISH, /* what it answers is no JSON, or another value than was asked for */
    SIM_LUA_SLOW,    /* takes nearly the whole time that it has */
    SIM_LUA_MOODS,
};

/* What stands in for processes of a console. */
struct sim_lua *sim_lua_new(struct sim_process *process);

/* After the console's Lua host was closed. Takes NULL, returns NULL. */
struct sim_lua *sim_lua_free(struct sim_lua *lua);

/* A luahost `start` hook: gives the stream to a new child. */
int sim_lua_start(void *arg, enum lat_luahost_kind kind, void *rows, struct lat_stream **ret_stream,
                  struct lat_err *err);

/* The next `times` requests are taken in that mood. */
void sim_lua_set_mood(struct sim_lua *lua, enum sim_lua_mood mood, int times);

#endif
