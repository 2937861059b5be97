/* Lua's side: the compiler, the functions of policies, and the makers of programs (tests/fuzz/, *.lua). */
#ifndef LAT_TESTS_FUZZ_LUA_H
#define LAT_TESTS_FUZZ_LUA_H

#include "fuzz/world.h"

#include <stdbool.h>

struct lua_State;

/* What became of a seed. */
struct fuzz_result {
    bool differs;
    const char *difference; /* how; else NULL */
    const char *text; /* the source that differs; else why it was not compiled, "" when it was */
};

/* What Lua's side counts in; outlives the state. */
struct fuzz_counts {
    fuzz_pairs all;      /* of every program */
    fuzz_pairs compiled; /* of those that were compiled from source */
    fuzz_pairs ruled;    /* of those that rule: they have no rows, and run one value at a time */
};

/* Returns an owned state (lua_close) over a world, borrowed. */
struct lua_State *fuzz_lua_new(struct fuzz_world *world, struct fuzz_counts *counts);

/* Does what a seed says. Texts are borrowed until the next call. */
void fuzz_lua_one(struct lua_State *L, int64_t seed, bool shrinks, struct fuzz_result *ret_result);

/* Returns the source or the program of a seed, borrowed until the next call. */
const char *fuzz_lua_show(struct lua_State *L, int64_t seed);

#endif
