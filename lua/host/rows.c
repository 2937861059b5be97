/* Nodes as a policy sees them, read straight from the columns of the console.
 *
 * Each node is an empty table of its own with a metatable that all of a decision share. What a field is named is looked up once in a table
 * of names; what it is is read from the row at hand, texts through a table of those that were read before. A node that a policy kept
 * cannot be read in another one's turn: it is told, instead of being given what belongs to another. Labels are tables, made when they
 * are first read in a turn, so that they can be walked as any.
 *
 * What is in the input was written by the console. Single-threaded, one decision at a time. */
#include "lua/host/rows.h"

#include "luahost/rows.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct rows {
    const uint8_t *input;
    struct lat_rows_result *result;
    size_t row; /* the one at hand; the next one is looked for behind it */
    bool has_row;
    const void *current; /* address of its table */
    int texts;           /* references: code to text */
    int maps;            /* field to the table made of it for the row at hand */
    int metatable;
    int reasons; /* text to its place */
};

/* Upvalues of the functions of the metatable. */
enum { UP_ROWS = 1, UP_NAMES, UP_UNKNOWN, UP_TEXTS, UP_MAPS };

/* Maps the input through a descriptor that can only read: of a mapping that could be made writable, madvise(MADV_REMOVE)
 * takes the pages away, though it is read-only. */
static void *map_input(void)
{
    char path[sizeof("/proc/self/fd/") + 16];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", LAT_ROWS_FD);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return MAP_FAILED;
    }
    void *input = mmap(NULL, LAT_ROWS_INPUT_MAX, PROT_READ, MAP_SHARED, fd, 0);

    close(fd);
    return input;
}

int lat_lua_rows_map(const uint8_t **ret_input, uint8_t **ret_result, struct lat_err *err)
{
    void *input = map_input();
    void *result = mmap(NULL, LAT_ROWS_BYTES - LAT_ROWS_INPUT_MAX, PROT_READ | PROT_WRITE,
                        MAP_SHARED, LAT_ROWS_FD, LAT_ROWS_INPUT_MAX);

    if (input == MAP_FAILED || result == MAP_FAILED) {
        return lat_err_errno(err, errno, "mapping the console's rows");
    }
    *ret_input = input;
    *ret_result = result;
    return 0;
}

static const struct lat_rows_head *head_of(const struct rows *rows)
{
    return (const struct lat_rows_head *)rows->input;
}

/* ---- values ---- */

/* Pushes the text of a code; `texts` is where those stand that were read before. */
static void push_text(lua_State *L, const struct rows *rows, int texts, int32_t code)
{
    const uint32_t *places = (const uint32_t *)(rows->input + head_of(rows)->text_at);
    uint32_t len;

    if (code == 0) {
        lua_pushnil(L);
        return;
    }
    if (lua_rawgeti(L, texts, code) == LUA_TSTRING) {
        return;
    }
    lua_pop(L, 1);
    memcpy(&len, rows->input + places[code], sizeof(len));
    lua_pushlstring(L, (const char *)rows->input + places[code] + sizeof(len), len);
    lua_pushvalue(L, -1);
    lua_rawseti(L, texts, code);
}

static void push_map(lua_State *L, const struct rows *rows, int texts, struct lat_rows_map map)
{
    const int32_t *entries = (const int32_t *)(rows->input + map.at);

    lua_createtable(L, 0, (int)map.count);
    for (uint32_t i = 0; i < map.count; i++) {
        push_text(L, rows, texts, entries[2 * i]);
        push_text(L, rows, texts, entries[2 * i + 1]);
        lua_rawset(L, -3);
    }
}

/* Pushes a field of the row at hand. `texts` and `maps` are indexes of no value that moves. */
static void push_field(lua_State *L, const struct rows *rows, int texts, int maps, size_t field)
{
    const uint8_t *cells = rows->input + head_of(rows)->columns[field];
    size_t row = rows->row;

    switch (lat_policy_field_row((enum lat_policy_field)field)->type) {
    case LAT_POLICY_TYPE_BOOL:
        lua_pushboolean(L, (int)(((const uint64_t *)cells)[row / 64] >> (row % 64) & 1));
        break;
    case LAT_POLICY_TYPE_INT: lua_pushinteger(L, ((const int64_t *)cells)[row]); break;
    case LAT_POLICY_TYPE_FLOAT: lua_pushnumber(L, ((const double *)cells)[row]); break;
    case LAT_POLICY_TYPE_TEXT:
    case LAT_POLICY_TYPE_OPTION: push_text(L, rows, texts, ((const int32_t *)cells)[row]); break;
    case LAT_POLICY_TYPE_MAP:
        if (lua_rawgeti(L, maps, (lua_Integer)field + 1) != LUA_TTABLE) {
            lua_pop(L, 1);
            push_map(L, rows, texts, ((const struct lat_rows_map *)cells)[row]);
            lua_pushvalue(L, -1);
            lua_rawseti(L, maps, (lua_Integer)field + 1);
        }
        break;
    }
}

/* ---- a node ---- */

static struct rows *check_turn(lua_State *L)
{
    struct rows *rows = lua_touserdata(L, lua_upvalueindex(UP_ROWS));

    if (lua_topointer(L, 1) != rows->current) {
        luaL_error(
            L,
            "a node is read in another one's turn; a policy keeps nothing from one node to the next");
    }
    return rows;
}

static int index_node(lua_State *L)
{
    struct rows *rows = check_turn(L);

    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(UP_NAMES)) == LUA_TNUMBER) {
        push_field(L, rows, lua_upvalueindex(UP_TEXTS), lua_upvalueindex(UP_MAPS),
                   (size_t)lua_tointeger(L, 3));
        return 1;
    }
    lua_pushvalue(L, lua_upvalueindex(UP_UNKNOWN));
    lua_insert(L, 1);
    lua_settop(L, 3);
    lua_call(L, 2, 1);
    return 1;
}

/* pairs(node): all fields, from a table of their own. */
static int pairs_of_node(lua_State *L)
{
    struct rows *rows = check_turn(L);

    lua_getglobal(L, "next");
    lua_createtable(L, 0, LAT_NODE_FIELD_COUNT);
    for (size_t field = 0; field < LAT_NODE_FIELD_COUNT; field++) {
        push_field(L, rows, lua_upvalueindex(UP_TEXTS), lua_upvalueindex(UP_MAPS), field);
        lua_setfield(L, -2, lat_policy_field_row((enum lat_policy_field)field)->name);
    }
    return 2;
}

/* ---- the module ---- */

static struct rows *module_rows(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

static void set_reference(lua_State *L, int *reference)
{
    luaL_unref(L, LUA_REGISTRYINDEX, *reference);
    *reference = luaL_ref(L, LUA_REGISTRYINDEX);
}

static void push_upvalues(lua_State *L, struct rows *rows)
{
    lua_pushlightuserdata(L, rows);
    lua_createtable(L, 0, LAT_NODE_FIELD_COUNT);
    for (size_t field = 0; field < LAT_NODE_FIELD_COUNT; field++) {
        lua_pushinteger(L, (lua_Integer)field);
        lua_setfield(L, -2, lat_policy_field_row((enum lat_policy_field)field)->name);
    }
    lua_pushvalue(L, 1); /* unknown */
    lua_rawgeti(L, LUA_REGISTRYINDEX, rows->texts);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rows->maps);
}

static void push_workload(lua_State *L, const struct rows *rows, int texts)
{
    lua_createtable(L, 0, LAT_ROWS_RECORD);
    for (size_t i = 0; i < LAT_ROWS_RECORD; i++) {
        const struct lat_policy_field_row *field =
            lat_policy_field_row((enum lat_policy_field)(LAT_NODE_FIELD_COUNT + i));
        const union lat_rows_cell *cell = &head_of(rows)->record[i];

        switch (field->type) {
        case LAT_POLICY_TYPE_BOOL: lua_pushboolean(L, cell->integer != 0); break;
        case LAT_POLICY_TYPE_INT: lua_pushinteger(L, cell->integer); break;
        case LAT_POLICY_TYPE_FLOAT: lua_pushnumber(L, cell->real); break;
        case LAT_POLICY_TYPE_TEXT:
        case LAT_POLICY_TYPE_OPTION: push_text(L, rows, texts, cell->code); break;
        case LAT_POLICY_TYPE_MAP: push_map(L, rows, texts, cell->map); break;
        }
        lua_setfield(L, -2, field->name);
    }
}

static int begin(lua_State *L)
{
    struct rows *rows = module_rows(L);

    lua_settop(L, 2);
    rows->row = 0;
    rows->has_row = false;
    rows->current = NULL;
    rows->result->rows = 0;
    rows->result->reason_bytes = 0;
    lua_newtable(L);
    set_reference(L, &rows->texts);
    lua_newtable(L);
    set_reference(L, &rows->maps);
    lua_newtable(L);
    set_reference(L, &rows->reasons);
    lua_createtable(L, 0, 4);
    push_upvalues(L, rows);
    lua_pushcclosure(L, index_node, UP_MAPS);
    lua_setfield(L, -2, "__index");
    push_upvalues(L, rows);
    lua_pushcclosure(L, pairs_of_node, UP_MAPS);
    lua_setfield(L, -2, "__pairs");
    lua_pushvalue(L, 2); /* set */
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    set_reference(L, &rows->metatable);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rows->texts);
    push_workload(L, rows, lua_gettop(L));
    return 1;
}

/* Forgets the tables made of the maps of the row before. */
static void clear_maps(lua_State *L, const struct rows *rows)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, rows->maps);
    for (size_t field = 0; field < LAT_NODE_FIELD_COUNT; field++) {
        if (lat_policy_field_row((enum lat_policy_field)field)->type == LAT_POLICY_TYPE_MAP) {
            lua_pushnil(L);
            lua_rawseti(L, -2, (lua_Integer)field + 1);
        }
    }
    lua_pop(L, 1);
}

static int next_row(lua_State *L)
{
    struct rows *rows = module_rows(L);
    const uint64_t *among = (const uint64_t *)(rows->input + head_of(rows)->among);
    size_t row = rows->has_row ? rows->row + 1 : 0;

    while (row < head_of(rows)->rows && !(among[row / 64] >> (row % 64) & 1)) {
        row++;
    }
    rows->current = NULL;
    if (row >= head_of(rows)->rows) {
        return 0;
    }
    rows->row = row;
    rows->has_row = true;
    clear_maps(L, rows);
    lua_newtable(L);
    rows->current = lua_topointer(L, -1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rows->metatable);
    lua_setmetatable(L, -2);
    return 1;
}

static int score(lua_State *L)
{
    struct rows *rows = module_rows(L);

    rows->result->scores[rows->row] = luaL_checknumber(L, 1);
    rows->result->reasons[rows->row] = 0;
    rows->result->verdicts[rows->row] = LAT_VERDICT_POSSIBLE;
    rows->result->rows++;
    return 0;
}

/* Returns 1 + the place of a reason, written once however many rows have it; 0 when there is no more room. */
static uint32_t place_reason(lua_State *L, struct rows *rows)
{
    struct lat_rows_result *result = rows->result;
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);

    if (!lat_text_is_utf8(text, len)) {
        luaL_error(L, "the reason of a refusal is not UTF-8 text");
    }
    lua_settop(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rows->reasons);
    lua_pushvalue(L, 1);
    if (lua_rawget(L, 2) == LUA_TNUMBER) {
        return (uint32_t)lua_tointeger(L, 3);
    }
    if (len > LAT_ROWS_REASON_MAX || result->reason_bytes + len + 1 > LAT_ROWS_REASONS_MAX) {
        return 0;
    }
    uint32_t place = result->reason_bytes + 1;

    memcpy(result->reason_texts + result->reason_bytes, text, len);
    result->reason_texts[result->reason_bytes + len] = '\0';
    result->reason_bytes += (uint32_t)len + 1;
    lua_pushvalue(L, 1);
    lua_pushinteger(L, place);
    lua_rawset(L, 2);
    return place;
}

static int refuse(lua_State *L)
{
    struct rows *rows = module_rows(L);

    rows->result->reasons[rows->row] = place_reason(L, rows);
    rows->result->scores[rows->row] = 0;
    rows->result->verdicts[rows->row] = LAT_VERDICT_REFUSED;
    rows->result->rows++;
    return 0;
}

void lat_lua_push_rows(lua_State *L, const uint8_t *input, uint8_t *result)
{
    static const luaL_Reg functions[] = {
        {"begin", begin}, {"next", next_row}, {"score", score}, {"refuse", refuse}, {NULL, NULL}};

    luaL_newlibtable(L, functions);
    struct rows *rows = lua_newuserdatauv(L, sizeof(*rows), 0);

    *rows = (struct rows){.input = input,
                          .result = (struct lat_rows_result *)result,
                          .texts = LUA_NOREF,
                          .maps = LUA_NOREF,
                          .metatable = LUA_NOREF,
                          .reasons = LUA_NOREF};
    luaL_setfuncs(L, functions, 1);
}
