/* The process of a command: a state without the jail, the bindings as modules, and the call of cli/main.lua.
 *
 * Everything is on one thread. Whatever waits (for the console, for the clock, for the person at the keyboard) does
 * so on one loop, which also hears Ctrl-C. */
#include "lua/host/cli.h"

#include "base/clock.h"
#include "base/mem.h"
#include "lua/host/cli_internal.h"
#include "lua/host/json.h"
#include "lua/host/state.h"

#include <lauxlib.h>
#include <lua.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { LAT__INTERRUPTED_STATUS = 128 + SIGINT };

extern const struct lat_embedded_file lat_embedded_cli[];

bool lat__cli_wait(struct lat__cli *cli, int64_t max_ms)
{
    cli->wake = cli->interrupted;
    lat_loop_run_until(cli->loop, &cli->wake, max_ms);
    return !cli->interrupted;
}

struct lat__cli *lat__cli_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

int lat__cli_fail(lua_State *L, const struct lat_err *err)
{
    lua_pushnil(L);
    lua_createtable(L, 0, 4);
    lua_pushstring(L, lat_error_row(err->code)->name);
    lua_setfield(L, -2, "code");
    lua_pushstring(L, err->sentence);
    lua_setfield(L, -2, "detail");
    if (err->field[0] != '\0') {
        lua_pushstring(L, err->field);
        lua_setfield(L, -2, "field");
    }
    lua_pushstring(L, err->hint);
    lua_setfield(L, -2, "hint");
    return 2;
}

int lat__cli_interrupted(lua_State *L)
{
    struct lat_err err;

    lat_err_set(&err, LAT_E_CANCELLED, "Interrupted.");
    return lat__cli_fail(L, &err);
}

static void interrupt(void *arg)
{
    struct lat__cli *cli = arg;

    cli->interrupted = true;
    cli->wake = true;
}

/* Makes `require name` return the table on top of the stack, which it takes. */
static void preload(lua_State *L, const char *name)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_insert(L, -2);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

/* (cli) opens the modules; called protected. */
static int open_modules(lua_State *L)
{
    struct lat__cli *cli = lua_touserdata(L, 1);

    lat_lua_state_embed(L, lat_lua_library_files());
    lat_lua_state_embed(L, lat_embedded_cli);
    lat_lua_open_json(L);
    preload(L, "json");
    lat__open_http(L, cli);
    preload(L, "http");
    lat__open_policy(L, cli);
    preload(L, "policy");
    lat__open_settings(L, cli);
    preload(L, "settings");
    lat__open_system(L, cli);
    preload(L, "system");
    lat__open_terminal(L, cli);
    preload(L, "terminal");
    return 0;
}

/* (argc, argv) -> exit status */
static int run_main(lua_State *L)
{
    int argc = (int)lua_tointeger(L, 1);
    char **argv = lua_touserdata(L, 2);

    lua_getglobal(L, "require");
    lua_pushliteral(L, "cli.main");
    lua_call(L, 1, 1);
    lua_createtable(L, argc, 0);
    for (int i = 1; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i);
    }
    lua_call(L, 1, 1);
    return 1;
}

static int add_traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

static int run(lua_State *L, struct lat__cli *cli, int argc, char **argv)
{
    int status = lat_error_row(LAT_E_INTERNAL)->exit_status;

    lua_pushcfunction(L, open_modules);
    lua_pushlightuserdata(L, cli);
    LAT_ASSERT(lua_pcall(L, 1, 0, 0) == LUA_OK);
    lua_pushcfunction(L, add_traceback);
    lua_pushcfunction(L, run_main);
    lua_pushinteger(L, argc);
    lua_pushlightuserdata(L, argv);
    if (lua_pcall(L, 2, 1, -4) == LUA_OK) {
        status = (int)lua_tointeger(L, -1);
    } else {
        fprintf(stderr, "lattice: this is a mistake in the program; please report it:\n%s\n",
                lua_tostring(L, -1));
    }
    return status;
}

int lat_cli_main(int argc, char **argv)
{
    struct lat__cli cli = {.loop = lat_loop_new(lat_clock_system())};
    lua_State *L = lat_lua_state_new(0);
    struct lat_err err;
    int status;

    if (lat_signal_new(cli.loop, SIGINT, interrupt, &cli, &cli.interrupt, &err) != 0) {
        fprintf(stderr, "lattice: %s\n", err.sentence);
        status = lat_error_row(err.code)->exit_status;
    } else {
        status = run(L, &cli, argc, argv);
    }
    if (cli.interrupted) {
        /* What was under way is left as it stands: the system takes it back faster than it could be ended. */
        fflush(NULL);
        _exit(LAT__INTERRUPTED_STATUS);
    }
    lua_close(L);
    lat_signal_free(cli.interrupt);
    lat_loop_run(cli.loop); /* ends what is being closed */
    lat_loop_free(cli.loop);
    return status;
}
