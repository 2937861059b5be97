/* Lua states: an allocator that counts, and a searcher for require that reads the executable. */
#include "lua/host/state.h"

#include "base/buf.h"
#include "base/mem.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern const struct lat_embedded_file lat_embedded_lualib[];

/* What a state's memory is counted in. Goes with the state's last block, which is the state itself. */
struct memory {
    size_t used;
    size_t max;
};

/* The allocator: one that counts. `from` says the kind of a new object when there is no old block. */
static void *allocate(void *arg, void *block, size_t from, size_t to)
{
    struct memory *memory = arg;
    size_t old = block == NULL ? 0 : from;

    if (to == 0) {
        free(block);
        memory->used -= old;
        if (block != NULL && memory->used == 0) {
            free(memory);
        }
        return NULL;
    }
    if (to > old && to - old > memory->max - memory->used) {
        return NULL;
    }
    void *moved = realloc(block, to);

    if (moved != NULL) {
        memory->used = memory->used - old + to;
    }
    return moved;
}

/* An error outside of every protected call: a mistake of ours. */
static int panic(lua_State *L)
{
    (void)L;
    lat_assert_failed("an error left every protected call", __FILE__, __LINE__, __func__);
}

static int search_embedded(lua_State *L)
{
    const struct lat_embedded_file *file = lua_touserdata(L, lua_upvalueindex(1));
    const char *module = luaL_checkstring(L, 1);
    const char *path = luaL_gsub(L, module, ".", "/");

    path = lua_pushfstring(L, "%s.lua", path);
    for (; file->path != NULL; file++) {
        if (strcmp(file->path, path) == 0) {
            const char *chunk = lua_pushfstring(L, "@lua/%s", path);

            if (luaL_loadbufferx(L, (const char *)file->bytes, file->len, chunk, "t") != LUA_OK) {
                return lua_error(L);
            }
            lua_pushstring(L, path);
            return 2;
        }
    }
    lua_pushfstring(L, "no file '%s' inside the executable", path);
    return 1;
}

void lat_lua_state_embed(lua_State *L, const struct lat_embedded_file *files)
{
    lua_getglobal(L, LUA_LOADLIBNAME);
    lua_getfield(L, -1, "searchers");
    lua_pushlightuserdata(L, (void *)files);
    lua_pushcclosure(L, search_embedded, 1);
    /* Behind package.preload, in front of what was embedded earlier and of the disk. */
    for (lua_Integer at = (lua_Integer)lua_rawlen(L, -2); at >= 2; at--) {
        lua_rawgeti(L, -2, at);
        lua_rawseti(L, -3, at + 1);
    }
    lua_rawseti(L, -2, 2);
    lua_pop(L, 2);
}

const struct lat_embedded_file *lat_lua_library_files(void)
{
    return lat_embedded_lualib;
}

static int open_libraries(lua_State *L)
{
    luaL_openlibs(L);
    return 0;
}

struct lua_State *lat_lua_state_new(size_t memory_max)
{
    struct memory *memory = LAT_NEW(struct memory);

    memory->max = memory_max == 0 ? SIZE_MAX : memory_max;

    lua_State *L = lua_newstate(allocate, memory);

    LAT_ASSERT(L != NULL);
    lua_atpanic(L, panic);
    lua_pushcfunction(L, open_libraries);
    LAT_ASSERT(lua_pcall(L, 0, 0, 0) == LUA_OK);
    return L;
}
