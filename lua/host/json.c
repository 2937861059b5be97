/* JSON to Lua and back: the tree comes from base/json, the text is written here without one. */
#include "lua/host/json.h"

#include "base/mem.h"
#include "base/text.h"

#include <lauxlib.h>
#include <lua.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char array_mark[] =
    "json.array"; /* its address is the key of the metatable in the registry */

static void push_array_metatable(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, array_mark) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 2);
        lua_pushstring(L, array_mark);
        lua_setfield(L, -2, "__name");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, array_mark);
    }
}

static void push_number(lua_State *L, double value)
{
    static const double exact = 9007199254740992.0; /* 2^53 */

    if (value == floor(value) && fabs(value) <= exact && !(value == 0 && signbit(value))) {
        lua_pushinteger(L, (lua_Integer)value);
    } else {
        lua_pushnumber(L, value);
    }
}

void lat_lua_push_json(lua_State *L, const cJSON *json)
{
    lua_Integer index = 0;
    const cJSON *item;

    luaL_checkstack(L, 4, "json");
    if (cJSON_IsObject(json)) {
        lua_newtable(L);
        cJSON_ArrayForEach (item, json) {
            lua_pushstring(L, item->string);
            lat_lua_push_json(L, item);
            lua_rawset(L, -3);
        }
    } else if (cJSON_IsArray(json)) {
        lua_newtable(L);
        push_array_metatable(L);
        lua_setmetatable(L, -2);
        cJSON_ArrayForEach (item, json) {
            lat_lua_push_json(L, item);
            lua_rawseti(L, -2, ++index);
        }
    } else if (cJSON_IsString(json)) {
        lua_pushstring(L, json->valuestring);
    } else if (cJSON_IsNumber(json)) {
        push_number(L, json->valuedouble);
    } else if (cJSON_IsBool(json)) {
        lua_pushboolean(L, cJSON_IsTrue(json));
    } else {
        lua_pushnil(L);
    }
}

/* ---- writing ---- */

struct writing {
    struct lat_buf *out;
    size_t max; /* length that out may reach */
    char path[LAT_ERR_FIELD_MAX];
    struct lat_err *err;
};

static int write_value(struct writing *writing, lua_State *L, int depth);

static int refuse(struct writing *writing, const char *what)
{
    return lat_err_field(writing->err, LAT_E_INVALID_FIELD, writing->path, "%s%s%s.",
                         writing->path[0] == '\0' ? "The value" : writing->path, " is ", what);
}

static int check_size(struct writing *writing)
{
    return writing->out->len <= writing->max
               ? 0
               : lat_err_set(writing->err, LAT_E_TOO_LARGE,
                             "The value is larger than %zu bytes as JSON.", writing->max);
}

/* Puts one step behind the path; returns its old length, to be cut back to. */
static size_t step(struct writing *writing, const char *key, lua_Integer index)
{
    size_t len = strlen(writing->path);
    char *end = writing->path + len;
    size_t room = sizeof(writing->path) - len;

    if (key != NULL) {
        snprintf(end, room, "%s%.40s", len == 0 ? "" : ".", key);
    } else {
        snprintf(end, room, "[%lld]", (long long)index);
    }
    return len;
}

static int write_text(struct writing *writing, lua_State *L)
{
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);

    if (len > writing->max) {
        return lat_err_set(writing->err, LAT_E_TOO_LARGE, "A text has %zu bytes.", len);
    }
    if (!lat_text_is_utf8(text, len)) {
        return refuse(writing, "not UTF-8 text");
    }
    lat_json_quote(writing->out, text, len);
    return check_size(writing);
}

static int write_number(struct writing *writing, lua_State *L)
{
    struct lat_json_writer number;

    lat_json_writer_init(&number, writing->out);
    if (lua_isinteger(L, -1)) {
        lat_json_add_int(&number, NULL, lua_tointeger(L, -1));
    } else if (isfinite(lua_tonumber(L, -1))) {
        lat_json_add_real(&number, NULL, lua_tonumber(L, -1));
    } else {
        return refuse(writing, "not a finite number");
    }
    return check_size(writing);
}

/* The value on top is a table with items 1 to count and nothing else. */
static int write_array(struct writing *writing, lua_State *L, lua_Integer count, int depth)
{
    lat_buf_add_byte(writing->out, '[');
    for (lua_Integer i = 1; i <= count; i++) {
        if (i > 1) {
            lat_buf_add_byte(writing->out, ',');
        }
        size_t cut = step(writing, NULL, i - 1);

        lua_rawgeti(L, -1, i);
        int rc = write_value(writing, L, depth + 1);

        lua_pop(L, 1);
        if (rc != 0) {
            return rc;
        }
        writing->path[cut] = '\0';
    }
    lat_buf_add_byte(writing->out, ']');
    return check_size(writing);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Collects the keys of the table on top, in order; they are borrowed from it. A key that is not text is refused. */
static int collect_keys(struct writing *writing, lua_State *L, const char ***ret_keys,
                        size_t *ret_count)
{
    const char **keys = NULL;
    size_t count = 0;
    size_t room = 0;

    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        size_t len = 0;

        if (lua_type(L, -2) != LUA_TSTRING ||
            (lua_tolstring(L, -2, &len), strlen(lua_tostring(L, -2)) != len)) {
            lua_pop(L, 2);
            free(keys);
            return refuse(writing, "a table with a key that is not text");
        }
        if (count == room) {
            room = room == 0 ? 16 : room * 2;
            keys = lat_grow(keys, room, sizeof(*keys));
        }
        keys[count++] = lua_tostring(L, -2);
    }
    if (count > 0) {
        qsort(keys, count, sizeof(*keys), compare_keys);
    }
    *ret_keys = keys;
    *ret_count = count;
    return 0;
}

static int write_object(struct writing *writing, lua_State *L, int depth)
{
    const char **keys = NULL;
    size_t count = 0;
    int rc = collect_keys(writing, L, &keys, &count);

    if (rc != 0) {
        return rc;
    }
    lat_buf_add_byte(writing->out, '{');
    for (size_t i = 0; rc == 0 && i < count; i++) {
        size_t cut = step(writing, keys[i], 0);

        if (i > 0) {
            lat_buf_add_byte(writing->out, ',');
        }
        if (lat_text_is_utf8(keys[i], strlen(keys[i]))) {
            lat_json_quote(writing->out, keys[i], strlen(keys[i]));
            lat_buf_add_byte(writing->out, ':');
            lua_pushstring(L, keys[i]);
            lua_rawget(L, -2);
            rc = write_value(writing, L, depth + 1);
            lua_pop(L, 1);
        } else {
            rc = refuse(writing, "a key that is not UTF-8 text");
        }
        if (rc == 0) {
            writing->path[cut] = '\0';
        }
    }
    free(keys);
    if (rc == 0) {
        lat_buf_add_byte(writing->out, '}');
        rc = check_size(writing);
    }
    return rc;
}

static bool is_marked_array(lua_State *L)
{
    if (!lua_getmetatable(L, -1)) {
        return false;
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, array_mark);
    bool marked = lua_rawequal(L, -1, -2);

    lua_pop(L, 2);
    return marked;
}

/* Counts the members of the table on top, up to one more than `enough`. */
static size_t count_members(lua_State *L, size_t enough)
{
    size_t count = 0;

    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        if (++count > enough) {
            lua_pop(L, 2);
            break;
        }
    }
    return count;
}

static int write_table(struct writing *writing, lua_State *L, int depth)
{
    if (depth >= LAT_LUA_JSON_DEPTH_MAX) {
        return refuse(writing, "nested too deep, or in a circle");
    }
    if (!lua_checkstack(L, 6)) {
        return lat_err_set(writing->err, LAT_E_TOO_LARGE, "The value is nested too deep.");
    }
    size_t length = lua_rawlen(L, -1);

    if (length == 0 && !is_marked_array(L)) {
        return write_object(writing, L, depth);
    }
    if (length > writing->max) {
        return lat_err_set(writing->err, LAT_E_TOO_LARGE, "An array has %zu items.", length);
    }
    if (count_members(L, length) != length) {
        return refuse(writing, "an array with holes, or with further members");
    }
    return write_array(writing, L, (lua_Integer)length, depth);
}

static int write_value(struct writing *writing, lua_State *L, int depth)
{
    switch (lua_type(L, -1)) {
    case LUA_TNIL: lat_buf_add_text(writing->out, "null"); return 0;
    case LUA_TBOOLEAN:
        lat_buf_add_text(writing->out, lua_toboolean(L, -1) ? "true" : "false");
        return 0;
    case LUA_TNUMBER: return write_number(writing, L);
    case LUA_TSTRING: return write_text(writing, L);
    case LUA_TTABLE: return write_table(writing, L, depth);
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, -1) == NULL) { /* json.null */
            lat_buf_add_text(writing->out, "null");
            return 0;
        }
        return refuse(writing, "userdata");
    default: return refuse(writing, lua_typename(L, lua_type(L, -1)));
    }
}

int lat_lua_write_json(lua_State *L, int index, size_t max, struct lat_buf *out,
                       struct lat_err *err)
{
    struct writing writing = {.out = out, .max = out->len + max, .err = err};

    if (!lua_checkstack(L, 6)) {
        return lat_err_set(err, LAT_E_TOO_LARGE, "The value is nested too deep.");
    }
    lua_pushvalue(L, index);

    int rc = write_value(&writing, L, 0);

    lua_pop(L, 1);
    return rc;
}

/* ---- the module for trusted states ---- */

enum { MODULE_TEXT_MAX = 64 * 1024 * 1024 };

static int decode(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    cJSON *json = NULL;
    struct lat_err err;

    if (lat_json_parse(text, len, &json, &err) != 0) {
        luaL_pushfail(L);
        lua_pushstring(L, err.sentence);
        return 2;
    }
    lat_lua_push_json(L, json);
    cJSON_Delete(json);
    return 1;
}

static int encode(lua_State *L)
{
    struct lat_buf out = {0};
    struct lat_err err;

    luaL_checkany(L, 1);
    if (lat_lua_write_json(L, 1, MODULE_TEXT_MAX, &out, &err) != 0) {
        luaL_pushfail(L);
        lua_pushstring(L, err.sentence);
        lat_buf_done(&out);
        return 2;
    }
    lua_pushlstring(L, (const char *)out.bytes, out.len);
    lat_buf_done(&out);
    return 1;
}

static int mark_array(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    push_array_metatable(L);
    lua_setmetatable(L, 1);
    return 1;
}

int lat_lua_open_json(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"decode", decode}, {"encode", encode}, {"array", mark_array}, {NULL, NULL}};

    luaL_newlib(L, functions);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}
