#include "shipped.h"

#include "base/json.h"

#include <lauxlib.h>
#include <string.h>

/* Compiles the policy as the jail does, and leaves filter and score as globals. */
static const char compile[] =
    "local root = ...\n"
    "package.path = root .. '/lua/?.lua'\n"
    "local path = root .. '/policies/placement/placement.lua'\n"
    "local file <close> = assert(io.open(path))\n"
    "local source = file:read 'a'\n"
    "local function write(v)\n"
    "    if type(v) == 'string' then\n"
    "        return '\"' .. v:gsub('[%c\"\\\\]', function(c) return ('\\\\u%04x'):format(c:byte()) end) .. '\"'\n"
    "    elseif type(v) ~= 'table' then return tostring(v) end\n"
    "    local parts = {}\n"
    "    if #v > 0 or next(v) == nil then\n"
    "        for i, item in ipairs(v) do parts[i] = write(item) end\n"
    "        return '[' .. table.concat(parts, ',') .. ']'\n"
    "    end\n"
    "    for key, item in pairs(v) do parts[#parts + 1] = write(key) .. ':' .. write(item) end\n"
    "    return '{' .. table.concat(parts, ',') .. '}'\n"
    "end\n"
    "local compiled = require 'compiler.compiler'.compile(source)\n"
    "assert(load(source, path, 't'))()\n"
    "return write(assert(compiled.program, 'the policy is not compiled'))\n";

struct lat_program *shipped_program(lua_State *lua, const char *root)
{
    struct lat_err err = {.sentence = ""};
    struct lat_program *program = NULL;
    cJSON *json = NULL;

    if (luaL_loadstring(lua, compile) != LUA_OK) {
        return NULL;
    }
    lua_pushstring(lua, root);
    if (lua_pcall(lua, 1, 1, 0) != LUA_OK) {
        return NULL;
    }
    const char *text = lua_tostring(lua, -1);
    int rc = lat_json_parse(text, strlen(text), &json, &err);

    rc = rc != 0 ? rc : lat_program_read(json, &program, &err);
    cJSON_Delete(json);
    lua_pop(lua, 1);
    if (rc != 0) {
        lua_pushstring(lua, err.sentence);
        return NULL;
    }
    return program;
}
