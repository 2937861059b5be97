/* An engine of a test's own on a unix socket: it answers with what the test recorded, and keeps what it was asked.
 *
 *     engine_answer(engine, "GET /version", 200, text);      every such request, until another answer is given
 *     engine_next(engine, "POST /v1.41/containers/create", 404, text);   the next one only, in order
 *
 * A request is known by its method and the beginning of its target; the longest match answers. */
#ifndef TESTS_UNIT_DOCKER_FAKE_ENGINE_H
#define TESTS_UNIT_DOCKER_FAKE_ENGINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "io/loop.h"

struct engine;

/* Returns an engine that listens, and knows GET /version as Docker 20.10 answers it. */
struct engine *engine_new(struct lat_loop *loop);
struct engine *engine_free(struct engine *engine);

/* "unix://..." */
const char *engine_host(const struct engine *engine);

/* Text of a file in tests/unit/docker/recorded; owned by the engine. */
const char *engine_recorded(struct engine *engine, const char *name);

/* Answers with Content-Length and this body. */
void engine_answer(struct engine *engine, const char *request, int status, const char *body);
void engine_next(struct engine *engine, const char *request, int status, const char *body);

/* How an answer's body comes, for the answer given last. */
enum engine_manner {
    ENGINE_CHUNKED,   /* in chunks of a few bytes, each on its own */
    ENGINE_UNTIL_EOF, /* without length; its end is the connection's */
    ENGINE_CUT,       /* chunked, and the connection breaks before the last chunk */
    ENGINE_OPEN,      /* chunked, and it goes on: see engine_more() */
    ENGINE_SILENT,    /* not even a head */
    ENGINE_HANG_UP,   /* the connection is closed instead of an answer */
};
void engine_manner(struct engine *engine, enum engine_manner manner);

/* Replaces the body of the answer given last. */
void engine_bytes(struct engine *engine, const void *bytes, size_t len);

/* Sends another piece to every request that is answered in the manner OPEN. */
void engine_more(struct engine *engine, const char *text);
void engine_more_bytes(struct engine *engine, const void *bytes, size_t len);

/* Closes every connection; with listening false nobody gets a new one until it listens again. */
void engine_break(struct engine *engine, bool listening);

/* What was asked: "METHOD target", and the body. `count` counts those that begin with `request`. */
size_t engine_count(const struct engine *engine, const char *request);
const char *engine_body(const struct engine *engine,
                        const char *request); /* of the last such; NULL: none */
const char *engine_target(const struct engine *engine, const char *request);

/* Connections that were accepted, and those that are open. */
size_t engine_accepted(const struct engine *engine);
size_t engine_open(const struct engine *engine);

/* Runs the loop until *done or fails; runs it for some milliseconds. */
void run_until(struct lat_loop *loop, const bool *done);
void run_for(struct lat_loop *loop, int64_t ms);

#endif
