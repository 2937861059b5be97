/* The Docker Engine's API over its unix socket: calls, streams of objects, and the few that need more than that.
 *
 *     lat_docker_call ────► one reply as JSON           (create, start, inspect, list, remove, ...)
 *     lat_docker_follow ──► one object after the other  (events; under lat_docker_pull)
 *     lat_docker_logs ────► a stream of text
 *     lat_docker_exec ────► exit status and output
 *     lat_docker_stats ───► numbers
 *
 * The first call asks the engine for its versions; what is spoken is the newest version that both sides know. When a
 * connection breaks, that is forgotten: the engine that comes back may be another one. Connections are kept
 * alive and used again. Belongs to one loop; callbacks never come before the function that asked for them returns,
 * and come exactly once, unless the call is cancelled or the client freed.
 *
 * Errors. ENGINE_DOWN: nobody listens, or the connection broke, or no answer came in time. NO_SPACE: the engine's
 * disk is full, whatever call noticed it. NO_IMAGE, NOT_FOUND (container, network, volume), CONFLICT (name taken, in use),
 * ENGINE: the engine refused, in its own words. VERSION: engine and client have no version of the API in common.
 * PROTOCOL: an answer that cannot be understood, or that is larger than a limit below. BUSY: too many calls wait. */
#ifndef LAT_DOCKER_DOCKER_H
#define LAT_DOCKER_DOCKER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/metrics.h"
#include "http/message.h"
#include "io/stream.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    LAT_DOCKER_API_MAX =
        151, /* 1.51: the newest version whose answers we know (major * 100 + minor) */
    LAT_DOCKER_API_MIN = 141,        /* 1.41: Docker 20.10 */
    LAT_DOCKER_CONNECTIONS_MAX = 16, /* short calls at once; the rest wait in order */
    LAT_DOCKER_IDLE_MAX = 8,         /* connections kept for the next call */
    LAT_DOCKER_IDLE_MS = 2000,       /* that nobody needs one of several, before it is closed */
    LAT_DOCKER_WAITING_MAX = 4096,   /* calls that wait */
    LAT_DOCKER_REPLY_BYTES_MAX = 16 << 20, /* of one reply */
    LAT_DOCKER_LINE_BYTES_MAX = 1 << 20,   /* of one object in a stream of them */
    LAT_DOCKER_LAYERS_MAX = 1024,          /* of one image, in the progress of its pull */
    LAT_DOCKER_CONNECT_MS = 5 * 1000,
    LAT_DOCKER_REPLY_MS = 120 * 1000, /* a busy disk makes the engine slow */
    LAT_DOCKER_PULL_MS = 600 * 1000,  /* of a pull without any news */
};

struct lat_docker;

/* A call under way: valid until its last callback, or lat_docker_cancel(). */
struct lat_docker_call;

/* What the engine says of itself; api is the version spoken with it ("1.41"). */
struct lat_docker_version {
    char api[16];
    char engine[64];
};

/* Returns a client of the engine at host ("unix:///var/run/docker.sock"); connects when it is first asked for something.
 * metrics (borrowed, may be NULL) counts the calls. INVALID_FIELD for any other kind of host. */
int lat_docker_new(struct lat_loop *loop, const char *host, struct lat_metrics *metrics,
                   struct lat_docker **ret_docker, struct lat_err *err) LAT_MUST_USE;

/* Breaks off what is under way, without a callback. Takes NULL, returns NULL. */
struct lat_docker *lat_docker_free(struct lat_docker *docker);

/* Borrowed; NULL before the first answer and after a connection broke. */
const struct lat_docker_version *lat_docker_version(const struct lat_docker *docker);

/* Ends a call early; no callback of it comes after. What the engine has begun it may well finish. */
void lat_docker_cancel(struct lat_docker_call *call);

/* ---- the general ones ---- */

/* A request. Texts are copied. */
struct lat_docker_request {
    enum lat_http_method method;
    const char *path;   /* with its query, without the version: "/containers/json?all=1" */
    const char *body;   /* JSON; NULL: none */
    int64_t timeout_ms; /* until the head of the reply; 0: LAT_DOCKER_REPLY_MS */
    bool slow;          /* may take long by nature: does not count for LAT_DOCKER_CONNECTIONS_MAX */
};

/* The end of a call: the reply (borrowed; a null value when the engine sent none) or NULL and err. */
typedef void lat_docker_reply_fn(void *arg, const cJSON *reply, const struct lat_err *err);

struct lat_docker_call *lat_docker_call(struct lat_docker *docker,
                                        const struct lat_docker_request *request,
                                        lat_docker_reply_fn *fn, void *arg);

/* One object of a stream; borrowed for the call. */
typedef void lat_docker_object_fn(void *arg, const cJSON *object);

/* The end of something without a result; err is NULL when it went well. */
typedef void lat_docker_done_fn(void *arg, const struct lat_err *err);

/* Reads a stream of objects, one a line; waits for each as long as it takes. begun (may be NULL) comes when the engine
 * has begun to answer, with NULL; done at the end of the stream. */
struct lat_docker_call *lat_docker_follow(struct lat_docker *docker,
                                          const struct lat_docker_request *request,
                                          lat_docker_done_fn *begun, lat_docker_object_fn *each,
                                          lat_docker_done_fn *done, void *arg);

/* Adds a path of the API: `prefix`, the encoded name, `suffix` ("/containers/", "web", "/start?t=5"). */
void lat_docker_path(struct lat_buf *out, const char *prefix, const char *name, const char *suffix);

/* Adds "filters=" and the encoded filter {kind: [values...]} for each kind; fields end with a NULL name, and those of
 * one kind stand next to each other. For the query of a list or of events. */
void lat_docker_filters(struct lat_buf *out, const struct lat_http_field *fields);

/* ---- images ---- */

/* Bytes of all layers that are known so far. */
typedef void lat_docker_pull_fn(void *arg, int64_t done_bytes, int64_t total_bytes);

/* Pulls an image (without tag or digest: its "latest"). Whatever the registry or the way to it refuses is NO_IMAGE. */
struct lat_docker_call *lat_docker_pull(struct lat_docker *docker, const char *image,
                                        lat_docker_pull_fn *progress, lat_docker_done_fn *done,
                                        void *arg);

/* ---- containers ---- */

/* A log as a stream (read only, paused, owned by the callback; it ends with the log, and is closed with an error when the
 * engine breaks off), or NULL and err. The stream outlives the client. */
typedef void lat_docker_logs_fn(void *arg, struct lat_stream *stream, const struct lat_err *err);

/* What of a log is wanted. */
struct lat_docker_log {
    bool follow;
    int64_t tail; /* lines; -1: all */
    bool timestamps;
    const char
        *since; /* "SECONDS.NANOSECONDS" since 1970, included; NULL or "": from the beginning */
};

/* Reads the log of a container without terminal: stdout and stderr in the order they were written. */
void lat_docker_logs(struct lat_docker *docker, const char *container,
                     const struct lat_docker_log *log, lat_docker_logs_fn *fn, void *arg);

/* The end of a command; output (borrowed, terminated, UTF-8 or not) is the first output_max bytes it wrote. */
typedef void lat_docker_exec_fn(void *arg, int64_t exit_status, const char *output,
                                const struct lat_err *err);

/* Runs a command (ends with NULL) within a container. TIMEOUT after timeout_ms; the engine knows no way to end the command then. */
void lat_docker_exec(struct lat_docker *docker, const char *container, const char *const *command,
                     int64_t timeout_ms, size_t output_max, lat_docker_exec_fn *fn, void *arg);

/* What a container uses; all 0 for one that does not run. */
struct lat_docker_stats {
    double
        cpu_percent; /* over about a second; 100 is one processor; 0 when it was measured at once */
    int64_t memory_bytes;       /* without what the kernel would give back at once */
    int64_t memory_limit_bytes; /* the machine's memory when there is none */
    int64_t network_rx_bytes;
    int64_t network_tx_bytes;
    int64_t block_read_bytes;
    int64_t block_written_bytes;
    int64_t cpu_ns; /* processor time since its start */
    int64_t pids;
};

typedef void lat_docker_stats_fn(void *arg, const struct lat_docker_stats *stats,
                                 const struct lat_err *err);

/* Measures a container; takes the engine one to two seconds, unless it is to be done at once. */
void lat_docker_stats(struct lat_docker *docker, const char *container, bool at_once,
                      lat_docker_stats_fn *fn, void *arg);

#endif
