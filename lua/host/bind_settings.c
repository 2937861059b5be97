/* settings: the table of the CLI's settings (model/settings.h) with values from the login, the environment and flags. */
#include "base/json.h"
#include "lua/host/cli_internal.h"
#include "lua/host/json.h"
#include "model/settings.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <unistd.h>

enum { LAT__FLAGS_MAX = 32 };

/* Pushes {NAME = {value, origin}}. */
static void push_values(lua_State *L, const struct lat_settings *settings)
{
    lua_newtable(L);
    for (const struct lat_setting *setting = lat_settings_of_cli(); setting->name != NULL;
         setting++) {
        lua_createtable(L, 0, 2);
        lua_pushstring(L, lat_settings_text(settings, setting->name));
        lua_setfield(L, -2, "value");
        lua_pushstring(L, lat_settings_origin(settings, setting->name));
        lua_setfield(L, -2, "origin");
        lua_setfield(L, -2, setting->name);
    }
}

/* Pushes all that can be shown, as an array. */
static int push_shown(lua_State *L, const struct lat_settings *settings, struct lat_err *err)
{
    struct lat_json_writer writer;
    struct lat_buf text = {0};
    cJSON *json;
    int code;

    lat_json_writer_init(&writer, &text);
    lat_settings_write(settings, &writer);
    code = lat_json_parse(lat_buf_text(&text), text.len, &json, err);
    lat_buf_done(&text);
    if (code == 0) {
        lat_lua_push_json(L, json);
        cJSON_Delete(json);
    }
    return code;
}

static int read_sources(const char *path, const char *text, int argc, char **argv,
                        struct lat_settings *settings, struct lat_err *err)
{
    int code;

    if (text != NULL && (code = lat_settings_read_file_text(settings, path, text, err)) != 0) {
        return code;
    }
    if ((code = lat_settings_read_environment(settings, environ, err)) != 0) {
        return code;
    }
    return lat_settings_read_flags(settings, &argc, argv, err);
}

/* settings.read({"--NAME=VALUE", ...}, path, text) -> {NAME = {value, origin}}, shown | nil, err
 * text: lines NAME=value from the file at path, or nil. */
static int settings_read(lua_State *L)
{
    const char *path = luaL_optstring(L, 2, "");
    const char *text = luaL_optstring(L, 3, NULL);
    char *argv[LAT__FLAGS_MAX + 2] = {(char *)"lattice"};
    int argc = 1;
    struct lat_settings *settings;
    struct lat_err err;
    int pushed;

    luaL_checktype(L, 1, LUA_TTABLE);
    for (lua_Integer i = 1; lua_rawgeti(L, 1, i) != LUA_TNIL; i++) {
        luaL_argcheck(L, i <= LAT__FLAGS_MAX, 1, "too many flags");
        argv[argc++] = (char *)luaL_checkstring(L, -1); /* read only; the table keeps it */
        lua_pop(L, 1);
    }
    settings = lat_settings_new(lat_settings_of_cli());
    if (read_sources(path, text, argc, argv, settings, &err) != 0) {
        pushed = lat__cli_fail(L, &err);
    } else {
        push_values(L, settings);
        pushed = push_shown(L, settings, &err) == 0 ? 2 : lat__cli_fail(L, &err);
    }
    lat_settings_free(settings);
    return pushed;
}

void lat__open_settings(lua_State *L, struct lat__cli *cli)
{
    static const luaL_Reg functions[] = {{"read", settings_read}, {NULL, NULL}};

    luaL_newlibtable(L, functions);
    lua_pushlightuserdata(L, cli);
    luaL_setfuncs(L, functions, 1);
}
