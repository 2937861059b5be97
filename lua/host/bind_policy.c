/* policy: a policy's source, tried as a console would: in a jailed process, within its deadline, its program verified. */
#include "base/mem.h"
#include "lua/host/cli_internal.h"
#include "lua/host/json.h"
#include "luahost/luahost.h"
#include "policy/program.h"

#include <lauxlib.h>
#include <lua.h>

enum { LAT__CHECK_MAX_MS = 60000 }; /* the child is stopped long before */

struct check {
    struct lat__cli *cli;
    const char *name;
    cJSON *answer;      /* NULL: refused */
    struct lat_err err; /* why */
};

static void on_checked(void *arg, const cJSON *answer, const struct lat_err *err)
{
    struct check *check = arg;
    struct lat_program *program = NULL;

    if (err != NULL) {
        lat_err_copy(&check->err, err);
    } else if (lat_json_get(answer, "program") != NULL &&
               lat_luahost_read_program(check->name, lat_json_get(answer, "program"), &program,
                                        &check->err) != 0) {
        check->answer = NULL;
    } else {
        check->answer = cJSON_Duplicate(answer, true);
        LAT_ASSERT(check->answer != NULL);
    }
    lat_program_unref(program);
    check->cli->wake = true;
}

static void on_closed(void *arg)
{
    struct check *check = arg;

    check->cli->wake = true;
}

/* policy.check(name, source) -> what the load of it says, a table | nil, err */
static int policy_check(lua_State *L)
{
    struct check check = {.cli = lat__cli_of(L), .name = luaL_checkstring(L, 1)};
    struct lat_luahost_source source = {
        .kind = LAT_LUAHOST_POLICY, .name = check.name, .source = luaL_checkstring(L, 2)};
    struct lat_luahost_options options = {.stderr_fd = -1};
    struct lat_luahost *host = lat_luahost_new(check.cli->loop, NULL, NULL, NULL, &options);

    lat_err_set(&check.err, LAT_E_TIMEOUT, "The policy was not checked in time.");
    lat_luahost_check(host, &source, on_checked, &check);
    bool going = lat__cli_wait(check.cli, LAT__CHECK_MAX_MS);

    lat_luahost_close(host, on_closed, &check);
    going = going && lat__cli_wait(check.cli, LAT__CHECK_MAX_MS);
    if (!going) {
        cJSON_Delete(check.answer);
        return lat__cli_interrupted(L);
    }
    if (check.answer == NULL) {
        return lat__cli_fail(L, &check.err);
    }
    lat_lua_push_json(L, check.answer);
    cJSON_Delete(check.answer);
    return 1;
}

void lat__open_policy(lua_State *L, struct lat__cli *cli)
{
    static const luaL_Reg functions[] = {{"check", policy_check}, {NULL, NULL}};

    luaL_newlibtable(L, functions);
    lua_pushlightuserdata(L, cli);
    luaL_setfuncs(L, functions, 1);
}
