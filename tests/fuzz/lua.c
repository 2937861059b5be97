/* What the Lua files find as fuzz.native: columns and programs of the world. A mistake in here or there ends the process. */
#include "fuzz/lua.h"

#include "lua/host/json.h"
#include "lua/host/state.h"

#include "base/embed.h"
#include "base/mem.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct lat_embedded_file lat_embedded_fuzz[];

enum { PROGRAM_MAX = 4 * 1024 * 1024 };

static struct fuzz_world *world_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

static cJSON *map_at(lua_State *L, int index)
{
    cJSON *map = cJSON_CreateObject();

    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        cJSON_AddStringToObject(map, lua_tostring(L, -2), lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    return map;
}

static const struct lat_policy_field_row *field_at(lua_State *L, int index,
                                                   enum lat_policy_field *ret_field)
{
    *ret_field = lat_policy_field_find(luaL_checkstring(L, index));
    if (*ret_field == LAT_FIELD_COUNT) {
        luaL_argerror(L, index, "there is no such field");
    }
    return lat_policy_field_row(*ret_field);
}

/* node(number, path, value): sets a field of every row of a node. */
static int set_node(lua_State *L)
{
    struct lat_columns *columns = fuzz_world_columns(world_of(L));
    const size_t *rows = fuzz_world_rows(world_of(L), (size_t)luaL_checkinteger(L, 1) - 1);
    enum lat_policy_field field;
    enum lat_policy_field_type type = field_at(L, 2, &field)->type;
    cJSON *map = type == LAT_POLICY_TYPE_MAP ? map_at(L, 3) : NULL;

    for (; *rows != SIZE_MAX; rows++) {
        switch (type) {
        case LAT_POLICY_TYPE_BOOL:
            lat_columns_set_bool(columns, *rows, field, lua_toboolean(L, 3));
            break;
        case LAT_POLICY_TYPE_INT:
            lat_columns_set_int(columns, *rows, field, luaL_checkinteger(L, 3));
            break;
        case LAT_POLICY_TYPE_FLOAT:
            lat_columns_set_float(columns, *rows, field, luaL_checknumber(L, 3));
            break;
        case LAT_POLICY_TYPE_MAP: lat_columns_set_map(columns, *rows, field, map); break;
        default: lat_columns_set_text(columns, *rows, field, luaL_optstring(L, 3, NULL)); break;
        }
    }
    cJSON_Delete(map);
    return 0;
}

/* clear_pairs(): what depends on the workload, too, is zero for every node. */
static int clear_pairs(lua_State *L)
{
    lat_columns_clear_pairs(fuzz_world_columns(world_of(L)));
    return 0;
}

/* record(number, path, value): workloads come first, then questions. */
static int set_record(lua_State *L)
{
    struct lat_record *record = fuzz_world_record(world_of(L), (size_t)luaL_checkinteger(L, 1) - 1);
    enum lat_policy_field field;

    switch (field_at(L, 2, &field)->type) {
    case LAT_POLICY_TYPE_BOOL: lat_record_set_bool(record, field, lua_toboolean(L, 3)); break;
    case LAT_POLICY_TYPE_INT: lat_record_set_int(record, field, luaL_checkinteger(L, 3)); break;
    case LAT_POLICY_TYPE_FLOAT: lat_record_set_float(record, field, luaL_checknumber(L, 3)); break;
    case LAT_POLICY_TYPE_MAP: {
        cJSON *map = map_at(L, 3);

        lat_record_set_map(record, field, map);
        cJSON_Delete(map);
        break;
    }
    default: lat_record_set_text(record, field, luaL_optstring(L, 3, NULL)); break;
    }
    return 0;
}

/* program(policy, table, is compiled): nothing, or why it is refused. It goes over the wire. */
static int take_program(lua_State *L)
{
    struct fuzz_counts *counts = lua_touserdata(L, lua_upvalueindex(2));
    const char *policy = luaL_checkstring(L, 1);
    struct lat_buf text = {.bytes = NULL};
    struct lat_err err = {.sentence = ""};
    int rc = lat_lua_write_json(L, 2, PROGRAM_MAX, &text, &err);
    cJSON *json = rc == 0 ? cJSON_Parse(lat_buf_text(&text)) : NULL;

    rc = rc != 0 ? rc : fuzz_world_program(world_of(L), policy, json, &err);
    cJSON_Delete(json);
    lat_buf_done(&text);
    if (rc != 0) {
        lua_pushstring(L, err.sentence);
        return 1;
    }
    fuzz_world_pairs(world_of(L), counts->all);
    if (lua_toboolean(L, 3)) {
        fuzz_world_pairs(world_of(L), counts->compiled);
    }
    if (strcmp(policy, "placement") != 0) {
        fuzz_world_pairs(world_of(L), counts->ruled);
    }
    return 0;
}

/* Reads the answers at an index: each a score, a reason, {asks = reason}, or {line, sentence}. Texts are borrowed from the stack. */
static void read_answers(lua_State *L, int index, int count, struct fuzz_answer *ret_answers)
{
    luaL_checkstack(L, 4 * count, NULL);
    for (int i = 0; i < count; i++) {
        struct fuzz_answer *answer = &ret_answers[i];
        int type = lua_rawgeti(L, index, i + 1);

        *answer = (struct fuzz_answer){.kind = FUZZ_SCORE, .score = lua_tonumber(L, -1)};
        if (type == LUA_TSTRING) {
            answer->kind = FUZZ_REFUSED;
            answer->text = lua_tostring(L, -1);
        } else if (type == LUA_TTABLE) {
            bool asks = lua_getfield(L, -1, "asks") == LUA_TSTRING;

            answer->kind = asks ? FUZZ_ASKS : FUZZ_ERROR;
            if (!asks) {
                lua_getfield(L, -2, "sentence");
            }
            answer->text = lua_tostring(L, -1);
            lua_getfield(L, asks ? -2 : -3, "line");
            answer->line = (int)lua_tointeger(L, -1);
        }
    }
}

/* compare(workload, answers, chance): nothing, or how they differ. */
static int compare(lua_State *L)
{
    struct fuzz_answer answers[FUZZ_NODES];

    lua_settop(L, 3);
    read_answers(L, 2, FUZZ_NODES, answers);
    lua_pushstring(L, fuzz_world_compare(world_of(L), (size_t)luaL_checkinteger(L, 1) - 1, answers,
                                         (uint64_t)luaL_checkinteger(L, 3)));
    return 1;
}

/* rule(answers): the same for what rules. */
static int rule(lua_State *L)
{
    struct fuzz_answer answers[FUZZ_QUESTIONS];

    lua_settop(L, 1);
    read_answers(L, 1, FUZZ_QUESTIONS, answers);
    lua_pushstring(L, fuzz_world_rule(world_of(L), answers));
    return 1;
}

/* Leaves OPS, {name = {type, operands}}, and PAIRS, {{producer, consumer}...}, in the table on top. */
static void push_operations(lua_State *L)
{
    lua_Integer count = 0;

    lua_newtable(L);
    for (size_t i = 0; i < LAT_OP_COUNT; i++) {
        lua_newtable(L);
        lua_pushstring(L, fuzz_ops[i].type);
        lua_setfield(L, -2, "type");
        lua_pushstring(L, fuzz_ops[i].operands);
        lua_setfield(L, -2, "operands");
        lua_setfield(L, -2, fuzz_ops[i].name);
    }
    lua_setfield(L, -2, "OPS");
    lua_newtable(L);
    for (size_t i = 0; i < LAT_OP_COUNT; i++) {
        for (size_t j = 0; j < LAT_OP_COUNT; j++) {
            if (fuzz_can_feed(i, j)) {
                lua_newtable(L);
                lua_pushstring(L, fuzz_ops[i].name);
                lua_rawseti(L, -2, 1);
                lua_pushstring(L, fuzz_ops[j].name);
                lua_rawseti(L, -2, 2);
                lua_rawseti(L, -2, ++count);
            }
        }
    }
    lua_setfield(L, -2, "PAIRS");
}

static int open_native(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"node", set_node},   {"record", set_record}, {"program", take_program},
        {"compare", compare}, {"rule", rule},         {"clear_pairs", clear_pairs},
        {NULL, NULL},
    };

    lua_newtable(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, lua_upvalueindex(2));
    luaL_setfuncs(L, functions, 2);
    lua_pushinteger(L, FUZZ_NODES);
    lua_setfield(L, -2, "ROWS");
    lua_pushinteger(L, FUZZ_WORKLOADS);
    lua_setfield(L, -2, "WORKLOADS");
    lua_pushinteger(L, FUZZ_QUESTIONS);
    lua_setfield(L, -2, "QUESTIONS");
    push_operations(L);
    return 1;
}

/* Calls what is on the stack under its arguments. */
static void must(lua_State *L, int arguments, int results)
{
    if (lua_pcall(L, arguments, results, 1) != LUA_OK) {
        fprintf(stderr, "lattice-fuzz: %s\n", lua_tostring(L, -1));
        exit(3);
    }
}

static int with_trace(lua_State *L)
{
    luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

lua_State *fuzz_lua_new(struct fuzz_world *world, struct fuzz_counts *counts)
{
    lua_State *L = lat_lua_state_new(0);

    lat_lua_state_embed(L, lat_lua_library_files());
    lat_lua_state_embed(L, lat_embedded_fuzz);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushlightuserdata(L, world);
    lua_pushlightuserdata(L, counts);
    lua_pushcclosure(L, open_native, 2);
    lua_setfield(L, -2, "fuzz.native");
    lua_settop(L, 0);
    lua_pushcfunction(L, with_trace);
    lua_getglobal(L, "require");
    lua_pushstring(L, "fuzz.fuzz");
    must(L, 1, 1); /* the handler and the module stay */
    return L;
}

void fuzz_lua_one(lua_State *L, int64_t seed, bool shrinks, struct fuzz_result *ret_result)
{
    lua_settop(L, 2);
    lua_getfield(L, 2, "one");
    lua_pushinteger(L, seed);
    lua_pushboolean(L, shrinks);
    must(L, 2, 2);
    ret_result->difference = lua_tostring(L, -2);
    ret_result->differs = ret_result->difference != NULL;
    ret_result->text = lua_tostring(L, -1);
}

const char *fuzz_lua_show(lua_State *L, int64_t seed)
{
    lua_settop(L, 2);
    lua_getfield(L, 2, "show");
    lua_pushinteger(L, seed);
    must(L, 1, 1);
    return lua_tostring(L, -1);
}
