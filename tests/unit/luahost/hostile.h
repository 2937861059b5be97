/* The scripts of tests/lua/hostile, read from its files; README.md there says what they look like. */
#ifndef LAT_TESTS_LUAHOST_HOSTILE_H
#define LAT_TESTS_LUAHOST_HOSTILE_H

#include <stdbool.h>
#include <stddef.h>

enum hostile_end { HOSTILE_ENDLESS, HOSTILE_FAILS, HOSTILE_HARMLESS, HOSTILE_CONTAINED };

struct hostile {
    char *name;
    char *text; /* statements, or a whole file */
    enum hostile_end end;
    bool is_file;
    bool in_filter;
};

/* Reads one file of the folder ("endless"); returns owned scripts and how many there are. Fails the test that calls on a file that
 * is not there or not in that form. */
struct hostile *hostile_read(const char *kind, size_t *ret_count);
void hostile_free(struct hostile *scripts, size_t count);

/* Return an owned file that runs the script when it is loaded, or when it is asked about a node called `victim`; asked about another
 * one it scores that node HOSTILE_HONEST_SCORE. */
char *hostile_at_load(const struct hostile *script);
char *hostile_at_ask(const struct hostile *script);

/* An honest policy that uses a bit of everything that a script may have spoilt; by pcall, it is Lua's to run, and soon loaded. */
extern const char hostile_honest[];
#define HOSTILE_HONEST_SCORE 38.5

#endif
