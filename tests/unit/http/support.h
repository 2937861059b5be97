/* What the tests of core/http share: a loop in simulated time, a server on it, and raw ends of connections. */
#ifndef TESTS_UNIT_HTTP_SUPPORT_H
#define TESTS_UNIT_HTTP_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/client.h"
#include "http/router.h"
#include "http/server.h"
#include "io/loop.h"
#include "io/stream.h"

enum { HELD_MAX = 16 };

/* A loop whose clock is moved by hand, and a server on it whose handler echoes, except for paths beginning with
 * "/hold": those requests are kept for the test to answer. */
struct world {
    int64_t now_ms;
    struct lat_clock clock;
    struct lat_loop *loop;
    struct lat_random *random;
    struct lat_http_server *server; /* NULL after world_close_server */
    struct lat_http_request *held[HELD_MAX];
    int held_count;
    int handled;
    int answered;
    int last_status;
    bool server_closed;
};

/* The other end of a connection: bytes in, bytes out. */
struct wire {
    struct lat_stream *stream; /* NULL after on_close */
    struct lat_buf got;
    bool ended;
    bool closed;
    int close_code;
};

int world_setup(void **state);
int world_setup_with(
    void **state,
    const struct lat_http_server_options *options); /* its callbacks are the world's */
int world_teardown(void **state);                   /* fails when anything is left open */

void settle(struct world *world);           /* until nothing more happens by itself */
void pass(struct world *world, int64_t ms); /* lets time go by */
void world_close_server(struct world *world, int64_t grace_ms);

/* Drops the reference to a held request. */
void let_go(struct world *world, int index);

void wire_open(struct world *world, struct wire *wire);       /* to the server */
void wire_take(struct wire *wire, struct lat_stream *stream); /* any stream */
void wire_send(struct world *world, struct wire *wire, const char *text);
void wire_send_bytes(struct world *world, struct wire *wire, const void *bytes, size_t len);
void wire_close(struct world *world, struct wire *wire);
const char *wire_text(struct wire *wire); /* all that came */

/* Sends the text on a new connection, ends it and returns all that came back (owned). */
char *ask(struct world *world, const char *text);

/* Status of the answer that the text begins with, 0 when it is none. */
int status_of(const char *text);

/* The text with its Date, X-Request-Id and the two fixed headers left out (owned): what the tests compare. */
char *bare(const char *text);

/* How often needle is in text. */
int count_of(const char *text, const char *needle);

#endif
