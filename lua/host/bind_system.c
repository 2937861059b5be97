/* system: time, files, ids and texts, as the rest of the house has them. */
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/message.h"
#include "io/file.h"
#include "lat_version.h"
#include "lua/host/cli_internal.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LAT__FILE_MAX = 1024 * 1024, LAT__PRIVATE_FOLDER = 0700 };

/* system.sleep(ms) -> true | nil, err (Ctrl-C) */
static int system_sleep(lua_State *L)
{
    if (!lat__cli_wait(lat__cli_of(L), luaL_checkinteger(L, 1))) {
        return lat__cli_interrupted(L);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* system.now() -> milliseconds since 1970 UTC, milliseconds of a clock that never jumps */
static int system_now(lua_State *L)
{
    lua_pushinteger(L, lat_clock_wall_ms(lat_clock_system()));
    lua_pushinteger(L, lat_clock_boot_ms(lat_clock_system()));
    return 2;
}

/* system.time(RFC 3339) -> milliseconds since 1970 | nil */
static int system_time(lua_State *L)
{
    int64_t wall_ms;

    if (lat_time_parse(luaL_checkstring(L, 1), &wall_ms) == 0) {
        lua_pushinteger(L, wall_ms);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

/* system.duration("5m") -> milliseconds | nil */
static int system_duration(lua_State *L)
{
    int64_t ms;

    if (lat_text_to_duration(luaL_checkstring(L, 1), &ms) == 0) {
        lua_pushinteger(L, ms);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

/* system.id() -> a new UUIDv7 */
static int system_id(lua_State *L)
{
    struct lat_random *random = lat_random_new_system();
    struct lat_id_maker maker = {.clock = lat_clock_system(), .random = random};
    char id[LAT_ID_SIZE];

    lat_id_make(&maker, id);
    lat_random_free(random);
    lua_pushstring(L, id);
    return 1;
}

/* system.escape(text) -> text as a segment of a path or a value of a query */
static int system_escape(lua_State *L)
{
    struct lat_buf escaped = {0};

    lat_http_url_encode(&escaped, luaL_checkstring(L, 1));
    lua_pushlstring(L, lat_buf_text(&escaped), escaped.len);
    lat_buf_done(&escaped);
    return 1;
}

/* system.exit_status(code) -> the exit status that the table of errors gives it */
static int system_exit_status(lua_State *L)
{
    lua_pushinteger(L, lat_error_row(lat_error_from_name(luaL_checkstring(L, 1)))->exit_status);
    return 1;
}

/* system.interrupted() -> whether Ctrl-C came */
static int system_interrupted(lua_State *L)
{
    lua_pushboolean(L, lat__cli_of(L)->interrupted);
    return 1;
}

/* system.items(JSON, member) -> {text, ...}: the members of an array, each as JSON to the letter (nulls and all) | nil, err */
static int system_items(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    const char *member = luaL_checkstring(L, 2);
    struct lat_err err;
    cJSON *json;
    const cJSON *item;
    lua_Integer count = 0;

    if (lat_json_parse(text, len, &json, &err) != 0) {
        return lat__cli_fail(L, &err);
    }
    lua_newtable(L);
    cJSON_ArrayForEach (item, lat_json_get(json, member)) {
        char *printed = lat_json_print(item);

        lua_pushstring(L, printed);
        lua_rawseti(L, -2, ++count);
        lat_wipe_free(printed);
    }
    cJSON_Delete(json);
    return 1;
}

/* system.read_file(path) -> bytes | nil, err */
static int system_read_file(lua_State *L)
{
    struct lat_buf bytes = {0};
    struct lat_err err;

    if (lat_file_read(luaL_checkstring(L, 1), LAT__FILE_MAX, &bytes, &err) != 0) {
        lat_buf_done(&bytes);
        return lat__cli_fail(L, &err);
    }
    lua_pushlstring(L, (const char *)bytes.bytes, bytes.len);
    if (bytes.bytes != NULL) {
        lat_wipe(bytes.bytes, bytes.cap);
    }
    lat_buf_done(&bytes);
    return 1;
}

static int write_private(const char *path, const char *bytes, size_t len, struct lat_err *err)
{
    const char *slash = strrchr(path, '/');
    int code;

    if (slash != NULL && slash != path) {
        char *folder = lat_text_copy_n(path, (size_t)(slash - path));

        code = lat_dir_make(folder, LAT__PRIVATE_FOLDER, err);
        free(folder);
        if (code != 0) {
            return code;
        }
    }
    return lat_file_replace(path, bytes, len, 0600, err);
}

/* system.write_file(path, bytes) -> true | nil, err; only this user may read it, nor its folder if that is new */
static int system_write_file(lua_State *L)
{
    size_t len;
    const char *path = luaL_checkstring(L, 1);
    const char *bytes = luaL_checklstring(L, 2, &len);
    struct lat_err err;

    if (write_private(path, bytes, len, &err) != 0) {
        return lat__cli_fail(L, &err);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* system.remove_file(path) -> true | nil, err; one that is not there is no error */
static int system_remove_file(lua_State *L)
{
    struct lat_err err;

    if (lat_file_remove(luaL_checkstring(L, 1), &err) != 0) {
        return lat__cli_fail(L, &err);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* system.host_name() -> text, "" when it cannot be told */
static int system_host_name(lua_State *L)
{
    char name[256] = "";

    if (gethostname(name, sizeof(name) - 1) != 0) {
        name[0] = '\0';
    }
    lua_pushstring(L, name);
    return 1;
}

void lat__open_system(lua_State *L, struct lat__cli *cli)
{
    static const luaL_Reg functions[] = {{"sleep", system_sleep},
                                         {"now", system_now},
                                         {"time", system_time},
                                         {"duration", system_duration},
                                         {"id", system_id},
                                         {"escape", system_escape},
                                         {"exit_status", system_exit_status},
                                         {"interrupted", system_interrupted},
                                         {"items", system_items},
                                         {"read_file", system_read_file},
                                         {"write_file", system_write_file},
                                         {"remove_file", system_remove_file},
                                         {"host_name", system_host_name},
                                         {NULL, NULL}};

    luaL_newlibtable(L, functions);
    lua_pushlightuserdata(L, cli);
    luaL_setfuncs(L, functions, 1);
    lua_pushliteral(L, LAT_VERSION);
    lua_setfield(L, -2, "version");
    lua_pushliteral(L, LAT_BUILD_ID);
    lua_setfield(L, -2, "build");
}
