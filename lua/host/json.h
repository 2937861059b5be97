/* JSON to Lua and back.
 *
 *   object ◄─► table with text keys     array ◄─► table with 1..n      null ─► nil
 *   a number without a fraction, within 2^53 ─► integer, any other ─► float
 *
 * An empty table becomes {}, unless it was read from [] or marked by json.array; json.null becomes null. */
#ifndef LAT_LUA_HOST_JSON_H
#define LAT_LUA_HOST_JSON_H

#include "base/json.h"

struct lua_State;

enum { LAT_LUA_JSON_DEPTH_MAX = 24 };

/* Pushes the value. May raise Lua's memory error. */
void lat_lua_push_json(struct lua_State *L, const cJSON *json);

/* Adds the value at the index, as JSON with keys in order, to out; at most max bytes. Sees tables raw: no metamethod runs.
 * LAT_E_INVALID_FIELD, naming the path, for what JSON cannot say: functions, cycles, numbers that are not finite, keys that are
 * not text, text that is not UTF-8. out is then half written. Does not raise, except Lua's memory error. */
int lat_lua_write_json(struct lua_State *L, int index, size_t max, struct lat_buf *out,
                       struct lat_err *err) LAT_MUST_USE;

/* Opens the module `json` for trusted states: decode(text) -> value or nil, message; encode(value) -> text or nil,
 * message; array(table) -> the table, marked as an array; null, for what a table cannot hold. Leaves it on the stack; a lua_CFunction. */
int lat_lua_open_json(struct lua_State *L);

#endif
