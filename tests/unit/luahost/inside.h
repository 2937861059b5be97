/* Children of a host that are no processes: scripted ones in this one, on a clock that the test moves. */
#ifndef LAT_TESTS_LUAHOST_INSIDE_H
#define LAT_TESTS_LUAHOST_INSIDE_H

#include "luahost/luahost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { INSIDE_DEADLINE_MS = 300 };

/* What a child does when it is asked; it accepts every load. One that ends early does so without having been asked. */
enum inside_manner {
    INSIDE_ANSWERS,
    INSIDE_HANGS,
    INSIDE_DIES,
    INSIDE_ENDS_EARLY,
    INSIDE_TALKS_RUBBISH,
    INSIDE_GOES_ON_TALKING, /* after its answer */
    INSIDE_CANNOT_START
};

struct inside {
    int64_t now_ns;
    struct lat_clock clock;
    struct lat_loop *loop;
    struct lat_random *random;
    struct lat_luahost *host;
    enum inside_manner manner;
    int notes; /* so many go before the answer to a load, also where that does not come */
    const char *slow_text; /* source whose loads hang, so many of them */
    int slow_loads;
    int started;
    int alive;
    int asked;
    int loaded;                            /* loads that were taken so far */
    uint8_t *rows;                         /* memory of the last child that has some */
    void (*on_rows)(struct inside *world); /* writes what is answered about rows */
};

/* Fill and empty a zeroed one, host included. */
void inside_init(struct inside *world);
void inside_done(struct inside *world);

/* A host after another, as a console that starts again has. */
void inside_close_host(struct inside *world);
void inside_renew_host(struct inside *world);

/* Lets time pass until it is done. */
void inside_pass_until(struct inside *world, const bool *done);

#endif
