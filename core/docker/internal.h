/* What the sources of core/docker share: the life of a call below its meaning, errors, versions, frames. */
#ifndef LAT_DOCKER_INTERNAL_H
#define LAT_DOCKER_INTERNAL_H

#include "docker/docker.h"

/* ---- client.c: a call as bytes ---- */

/* Who makes something of a call. Exactly one of on_end and on_drop comes, as the last; the call is gone then. */
struct lat__sink {
    /* The engine began to answer, and did not refuse. May be NULL. */
    void (*on_begin)(void *arg);
    /* A piece of the body; borrowed. */
    void (*on_bytes)(void *arg, const uint8_t *bytes, size_t len);
    /* It is over: err is NULL, or why it failed. */
    void (*on_end)(void *arg, const struct lat_err *err);
    /* It was cancelled, or the client is being freed: give back what is yours and call nobody. */
    void (*on_drop)(void *arg);
};

/* Starts a call, or lets it wait for its turn. sink is static, arg its owner's; idle_ms is the time between two pieces
 * of the body, LAT_HTTP_NO_LIMIT for as long as it takes. Within a sink's callbacks the call may be cancelled. */
struct lat_docker_call *lat__call_start(struct lat_docker *docker,
                                        const struct lat_docker_request *request, int64_t idle_ms,
                                        const struct lat__sink *sink, void *arg);

/* Hold on_bytes back, and let it come again. */
void lat__call_pause(struct lat_docker_call *call);
void lat__call_resume(struct lat_docker_call *call);

struct lat_loop *lat__docker_loop(const struct lat_docker *docker);

/* ---- reply.c: the calls of the face, with an owner who wants to know when they are dropped ---- */

struct lat_docker_call *lat__reply(struct lat_docker *docker,
                                   const struct lat_docker_request *request,
                                   lat_docker_reply_fn *fn, lat_call_fn *drop, void *arg);

/* Who reads a stream of objects; begun and drop may be NULL. Copied. */
struct lat__reader {
    lat_docker_done_fn *begun;
    lat_docker_object_fn *each;
    lat_docker_done_fn *done;
    lat_call_fn *drop;
    int64_t idle_ms; /* between two pieces, LAT_HTTP_NO_LIMIT: as long as it takes */
};

struct lat_docker_call *lat__follow(struct lat_docker *docker,
                                    const struct lat_docker_request *request,
                                    const struct lat__reader *reader, void *arg);

/* ---- refusal.c: what the engine's and the connection's failures are for us ---- */

/* Fills err with what the engine refused: the status of its answer, and {"message": ...}. Returns the code. */
int lat__refused(struct lat_err *err, int status, const char *body, size_t len);

/* Fills err from the engine's own words and the status that goes with them. Returns the code. */
int lat__refused_saying(struct lat_err *err, int status, const char *message);

/* Fills err from a failure of the connection or of the protocol on it. Returns the code. */
int lat__broken(struct lat_err *err, const struct lat_err *cause);

/* ---- version.c ---- */

/* Chooses what to speak from the answer to GET /version. VERSION when there is nothing in common. */
int lat__version_choose(const cJSON *answer, struct lat_docker_version *ret_version,
                        struct lat_err *err) LAT_MUST_USE;

/* ---- frames.c: stdout and stderr on one connection ---- */

/* Takes frames apart: {kind, 0, 0, 0, length as four bytes, highest first} and as many bytes. {0} is ready. */
struct lat__frames {
    uint8_t head[8];
    size_t head_len;
    uint32_t left; /* bytes of the frame that are still to come */
};

/* Adds the contents of the frames to out. PROTOCOL when these are no frames. */
int lat__frames_read(struct lat__frames *frames, const uint8_t *bytes, size_t len,
                     struct lat_buf *out, struct lat_err *err) LAT_MUST_USE;

#endif
