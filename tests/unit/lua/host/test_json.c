/* JSON to Lua and back, and the cap on a state's memory. */
#include "lua/host/json.h"
#include "lua/host/state.h"

#include <lauxlib.h>
#include <lua.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX = 4096, CAP = 8 << 20 };

static int open_state(void **state)
{
    lua_State *L = lat_lua_state_new(CAP);

    luaL_requiref(L, "json", lat_lua_open_json, 1);
    lua_settop(L, 0);
    *state = L;
    return 0;
}

static int close_state(void **state)
{
    lua_close(*state);
    return 0;
}

/* Writes the value of an expression. Returns the code; *ret_text is owned. */
static int write_value(lua_State *L, const char *expression, char **ret_text, struct lat_err *err)
{
    struct lat_buf out = {0};

    lua_settop(L, 0);
    lua_pushfstring(L, "return %s", expression);
    assert_int_equal(luaL_loadstring(L, lua_tostring(L, -1)), LUA_OK);
    lua_call(L, 0, 1);
    int rc = lat_lua_write_json(L, -1, MAX, &out, err);

    *ret_text = rc == 0 ? lat_buf_take_text(&out) : NULL;
    lat_buf_done(&out);
    return rc;
}

static void values_are_written_with_keys_in_order(void **state)
{
    static const struct {
        const char *expression;
        const char *json;
    } cases[] = {
        {"nil", "null"},
        {"true", "true"},
        {"1", "1"},
        {"1.0", "1"},
        {"-0.5", "-0.5"},
        {"0.1", "0.1"},
        {"'a\"\\n'", "\"a\\\"\\n\""},
        {"{}", "{}"},
        {"json.array{}", "[]"},
        {"{1, 'b', {}}", "[1,\"b\",{}]"},
        {"{b = 1, a = {x = 2}}", "{\"a\":{\"x\":2},\"b\":1}"},
        {"setmetatable({}, {__index = function() error('ran') end, __len = error, __pairs = error})",
         "{}"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text;

        assert_int_equal(write_value(*state, cases[i].expression, &text, NULL), 0);
        assert_string_equal(text, cases[i].json);
        free(text);
    }
}

static void what_json_cannot_say_is_refused_with_its_path(void **state)
{
    static const struct {
        const char *expression;
        int code;
        const char *field;
    } cases[] = {
        {"print", LAT_E_INVALID_FIELD, ""},
        {"{a = {b = {1, print}}}", LAT_E_INVALID_FIELD, "a.b[1]"},
        {"{a = 0/0}", LAT_E_INVALID_FIELD, "a"},
        {"{a = 1/0}", LAT_E_INVALID_FIELD, "a"},
        {"{a = '\\xff'}", LAT_E_INVALID_FIELD, "a"},
        {"{['\\xff'] = 1}", LAT_E_INVALID_FIELD, "\xff"},
        {"{[true] = 1}", LAT_E_INVALID_FIELD, ""},
        {"{['a\\0b'] = 1}", LAT_E_INVALID_FIELD, ""},
        {"{1, 2, x = 3}", LAT_E_INVALID_FIELD, ""},
        {"{[1] = 1, [3] = 3}", LAT_E_INVALID_FIELD, ""},
        {"(function() local t = {} t.t = t return t end)()", LAT_E_INVALID_FIELD, NULL},
        {"('x'):rep(5000)", LAT_E_TOO_LARGE, NULL},
        {"(function() local t = {} for i = 1, 3000 do t[i] = 1 end return t end)()",
         LAT_E_TOO_LARGE, NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lat_err err;
        char *text;

        assert_int_equal(write_value(*state, cases[i].expression, &text, &err), cases[i].code);
        if (cases[i].field != NULL) {
            assert_string_equal(err.field, cases[i].field);
        }
        assert_int_equal(lua_gettop(*state), 2); /* the expression and its value */
    }
}

static void decoded_text_is_encoded_the_same(void **state)
{
    static const char program[] =
        "local text = '{\"a\":[],\"b\":{},\"c\":[1,2.5,\"x\",true],\"d\":\"\\xc3\\xa9\"}'\n"
        "assert(json.encode(json.decode(text)) == text)\n"
        "assert(math.type(json.decode('2')) == 'integer')\n"
        "assert(math.type(json.decode('2.5')) == 'float')\n"
        "local value, message = json.decode('{\"a\":1,\"a\":2}')\n"
        "assert(value == nil and message)\n"
        "value, message = json.encode(print)\n"
        "assert(value == nil and message)\n";

    if (luaL_dostring(*state, program) != LUA_OK) {
        fail_msg("%s", lua_tostring(*state, -1));
    }
}

static void memory_ends_at_the_cap_and_comes_back(void **state)
{
    lua_State *L = *state;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            luaL_dostring(L, "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end"), 1);
        assert_string_equal(lua_tostring(L, -1), "not enough memory");
        lua_settop(L, 0);
        assert_true(lua_gc(L, LUA_GCCOUNT) <= CAP / 1024);
        lua_gc(L, LUA_GCCOLLECT); /* a buffer asks the allocator itself, which knows no collector */
        assert_int_equal(luaL_dostring(L, "return #('x'):rep(2^20)"), LUA_OK);
        lua_settop(L, 0);
    }
}

static void embedded_modules_are_found(void **state)
{
    lua_State *L = *state;

    lat_lua_state_embed(L, lat_lua_library_files());
    assert_int_equal(
        luaL_dostring(L, "assert(require('lib.nearest').word('helo', {'hello', 'x'}) == 'hello')\n"
                         "assert(not pcall(require, 'lib.absent'))"),
        LUA_OK);
}

/* As in the columns that compiled policies read. */
static void a_zero_keeps_its_sign_on_its_way_into_an_object(void **state)
{
    lua_State *L = *state;

    lat_lua_state_embed(L, lat_lua_library_files());
    if (luaL_dostring(
            L, "local decoded = json.decode('{\"x\":-0,\"y\":0,\"z\":3}')\n"
               "local function field(name) return {name = name, type = 'number'} end\n"
               "local fields = {field 'x', field 'y', field 'z'}\n"
               "local o = require('lib.strict').object {name = 'o', fields = fields}(decoded)\n"
               "assert(1 / o.x == -math.huge and 1 / o.y == math.huge)\n"
               "assert(math.type(o.z) == 'float')") != LUA_OK) {
        fail_msg("%s", lua_tostring(L, -1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_are_written_with_keys_in_order, open_state,
                                        close_state),
        cmocka_unit_test_setup_teardown(what_json_cannot_say_is_refused_with_its_path, open_state,
                                        close_state),
        cmocka_unit_test_setup_teardown(decoded_text_is_encoded_the_same, open_state, close_state),
        cmocka_unit_test_setup_teardown(memory_ends_at_the_cap_and_comes_back, open_state,
                                        close_state),
        cmocka_unit_test_setup_teardown(embedded_modules_are_found, open_state, close_state),
        cmocka_unit_test_setup_teardown(a_zero_keeps_its_sign_on_its_way_into_an_object, open_state,
                                        close_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
