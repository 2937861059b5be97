/* What the bindings of the commands share: one loop, on which all waiting is done, so that Ctrl-C ends any wait. */
#ifndef LAT_LUA_HOST_CLI_INTERNAL_H
#define LAT_LUA_HOST_CLI_INTERNAL_H

#include "base/err.h"
#include "io/loop.h"

#include <stdbool.h>

struct lua_State;

struct lat__cli {
    struct lat_loop *loop;
    struct lat_signal *interrupt;
    bool interrupted; /* Ctrl-C came: every wait ends, for good */
    bool wake;        /* what lat__cli_wait() waits for */
};

/* Runs the loop until a callback sets cli->wake, Ctrl-C or the end of the time (ms). Returns false after Ctrl-C. */
bool lat__cli_wait(struct lat__cli *cli, int64_t max_ms);

/* Returns what open_<module>() was given: the first upvalue of each of its functions. */
struct lat__cli *lat__cli_of(struct lua_State *L);

/* Push nil and {code, detail, field, hint}: how a binding returns a failure. They return 2. */
int lat__cli_fail(struct lua_State *L, const struct lat_err *err);
int lat__cli_interrupted(struct lua_State *L);

/* Push the table of a module; cli is borrowed for the state's life. */
void lat__open_http(struct lua_State *L, struct lat__cli *cli);
void lat__open_policy(struct lua_State *L, struct lat__cli *cli);
void lat__open_settings(struct lua_State *L, struct lat__cli *cli);
void lat__open_system(struct lua_State *L, struct lat__cli *cli);
void lat__open_terminal(struct lua_State *L, struct lat__cli *cli);

#endif
