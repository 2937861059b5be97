/* A host whose children are this test program itself: its main hands "lua-host" on to the child's. */
#ifndef LAT_TESTS_LUAHOST_FIXTURE_H
#define LAT_TESTS_LUAHOST_FIXTURE_H

#include "luahost/luahost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fixture {
    struct lat_loop *loop;
    struct lat_random *random;
    struct lat_metrics *metrics;
    struct lat_luahost *host;
    /* What the placement policy is asked about: node a, healthy, with 1.5 processors free and the label disk=ssd, and node b, which is not. */
    struct lat_columns *columns;
    struct lat_record *record;
};

/* What an ask or a load gave. */
struct result {
    bool done;
    struct lat_err err; /* code LAT_OK when it succeeded */
    char *value;        /* JSON text of the value; free() */
};

/* What an ask about rows gave. */
struct rows_result {
    bool done;
    struct lat_err err;
    struct lat_decision *decision; /* lat_decision_free; NULL: err */
};

enum {
    FIXTURE_LONG_MS = 60000,
    FIXTURE_DEADLINE_MS = 10000, /* what is honest meets it on any machine */
    FIXTURE_HANG_MS = 300,       /* for what never ends, with something honest behind it */
};

/* CMocka's setup and teardown: *state is a struct fixture. The deadline is FIXTURE_DEADLINE_MS, and the host has all patience: no script
 * waits until nothing else on the machine wants to run. */
int fixture_setup(void **state);
/* With the patience of a console. */
int fixture_setup_hasty(void **state);
/* The same with a deadline of FIXTURE_LONG_MS, and without nodes. */
int fixture_setup_empty(void **state);
int fixture_teardown(void **state);

/* Load a file and return the code; *ret_err (may be NULL) is how it went. */
int fixture_load_policy(struct fixture *fixture, const char *source, struct lat_err *ret_err);
int fixture_load_plugin(struct fixture *fixture, const char *name, const char *source,
                        const char *manifest, struct lat_err *ret_err);

/* The parts of it: callbacks that fill a struct result, and waiting for one. */
void fixture_on_answer(void *arg, const cJSON *value, const struct lat_err *err);
void fixture_on_loaded(void *arg, const struct lat_err *err);
void fixture_wait(struct fixture *fixture, struct result *result);

/* Asks and waits. */
struct result fixture_ask(struct fixture *fixture, enum lat_luahost_kind kind, const char *name,
                          const char *decision, const char *input);

/* Asks the placement policy about the fixture's nodes, with *ret_result to be filled; waits for that. */
void fixture_ask_rows(struct fixture *fixture, struct rows_result *ret_result);
void fixture_on_rows(void *arg, struct lat_decision *decision, const struct lat_err *err);
void fixture_wait_rows(struct fixture *fixture, struct rows_result *result);

/* Both at once; returns the code. */
int fixture_decide(struct fixture *fixture, struct lat_err *ret_err);

/* The same; returns the score of node a, or -1 where the policy failed. */
double fixture_score(struct fixture *fixture);

/* main: the child's where argv says so, otherwise the tests. */
int fixture_main(int argc, char **argv, int (*run)(void));

#endif
