/* What the tests of core/io share: a loop per test, and a listener's end that records what happened to a stream. */
#ifndef TESTS_UNIT_IO_SUPPORT_H
#define TESTS_UNIT_IO_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "io/loop.h"
#include "io/net.h"
#include "io/stream.h"

/* A stream with everything that was called back. */
struct probe {
    struct lat_stream *stream; /* NULL after on_close */
    struct lat_buf got;
    bool ended;
    bool closed;
    int drains;
    int closes;
    struct lat_err err;
    int pause_every; /* after so many on_data: pause, resume a little later; 0: never */
    int calls;       /* of on_data */
    bool close_on_data;
    bool end_on_end;
    struct lat_timer nap;
    void (*on_data)(struct probe *probe); /* may be NULL */
};

/* Sets up: *state is a loop (struct lat_loop *). Tear-down frees it, which fails when a handle is left. */
int test_loop_setup(void **state);
int test_loop_teardown(void **state);

void probe_take(struct probe *probe, struct lat_stream *stream); /* sets events and resumes */
void probe_done(struct probe *probe);

/* Runs until *done or fails the test. */
void run_until(struct lat_loop *loop, const bool *done);

/* Runs the loop for some milliseconds. */
void run_for(struct lat_loop *loop, int64_t ms);

/* Closes what is open and waits for the end. */
void probe_finish(struct lat_loop *loop, struct probe *probe);

/* Makes two connected streams of a kind. */
enum wire { WIRE_PAIR, WIRE_TCP, WIRE_UNIX };
void wire_connect(struct lat_loop *loop, enum wire wire, struct lat_stream **ret_a,
                  struct lat_stream **ret_b);

/* Returns owned bytes that repeat for a seed. */
uint8_t *noise(size_t len, uint64_t seed);

/* A folder of the test's own, removed with all in it. */
char *scratch_make(void);
void scratch_remove(char *folder);

#endif
