/* The client: which calls wait, which connection takes them, and how each ends.
 *
 *   lat__call_start ─► waiting ──(versions known, connection free)──► running ─► on_begin ─► on_bytes ... ─► on_end
 *                         │                                              │
 *                         └── the versions cannot be had ─► doomed ──────┴─► on_end(err)
 *
 * Connections. A call takes an idle one or makes its own; a connection that is still good after its call is kept. Of
 * those that nobody needed for LAT_DOCKER_IDLE_MS one stays, so that a storm leaves nothing behind.
 * Short calls are limited in number, so that a thousand starts do not hit the engine at once; slow ones (pulls,
 * followed logs, events, stops) have connections of their own beside them.
 *
 * Versions. While none is chosen, calls wait for one question to the engine (`asking`); its failure is theirs.
 * A broken connection makes the client forget the version.
 *
 * Invariants: a call is in exactly one of the lists waiting, running, doomed, or is `asking`; `short_running` counts
 * the running ones that are not slow; a call is taken out of its list and its connection given back before its sink
 * hears of its end, so that the sink may start others, cancel others, or free the client.
 *
 * Runs on the loop's thread. */
#include "docker/internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/client.h"
#include "io/net.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum {
    CALL_MAGIC = 0x446b4361,
    REFUSAL_BYTES_MAX = 64 * 1024, /* kept of the body of a refusal */
    VERSION_BYTES_MAX = 64 * 1024,
};

TAILQ_HEAD(call_list, lat_docker_call);

struct lat_docker_call {
    uint32_t magic;
    struct lat_docker *docker;
    struct call_list *list;
    TAILQ_ENTRY(lat_docker_call) link;
    enum lat_http_method method;
    char *path;
    char *body;
    int64_t head_ms;
    int64_t idle_ms;
    int64_t born_ns;
    bool slow;
    const struct lat__sink *sink;
    void *arg;
    struct lat_connect *connect;    /* while it is being connected */
    struct lat_http_client *client; /* while it runs */
    int status;                     /* of the answer, 0: none yet */
    struct lat_buf refusal;         /* body of an answer that refuses */
    struct lat_err *doom;           /* owned; of a doomed one: why */
};

struct lat_docker {
    struct lat_loop *loop;
    char *socket; /* path */
    struct call_list waiting;
    struct call_list running;
    struct call_list doomed; /* failed, and not told yet */
    size_t waiting_count;
    size_t short_running;
    struct lat_docker_call *asking;
    struct lat_buf answer; /* to the question for the versions */
    struct lat_http_client *idle[LAT_DOCKER_IDLE_MAX];
    size_t idle_count;
    size_t idle_spare; /* the fewest there were since idle_timer began */
    struct lat_timer idle_timer;
    struct lat_docker_version version;
    bool version_known;
    struct lat_timer doom_timer; /* tells the doomed */
    struct lat_metric *seconds;
    struct lat_metric *failures;
};

static void pump(struct lat_docker *docker);

/* ---- idle connections ---- */

static void watch_idle(struct lat_docker *docker)
{
    if (docker->idle_count > 1 && !lat_timer_running(&docker->idle_timer)) {
        docker->idle_spare = docker->idle_count;
        lat_timer_start(&docker->idle_timer, LAT_DOCKER_IDLE_MS, 0);
    }
}

/* Closes those that were spare all the time: the first ones, since the last one put back is taken first. */
static void close_spare(void *arg)
{
    struct lat_docker *docker = arg;
    size_t close = docker->idle_spare;

    if (close > 0 && close == docker->idle_count) {
        close--; /* one stays for the next call */
    }

    for (size_t i = 0; i < close; i++) {
        lat_http_client_free(docker->idle[i]);
    }
    docker->idle_count -= close;
    memmove(docker->idle, docker->idle + close, docker->idle_count * sizeof(docker->idle[0]));
    watch_idle(docker);
}

static void idle_put(struct lat_docker *docker, struct lat_http_client *client)
{
    if (docker->idle_count < LAT_DOCKER_IDLE_MAX && lat_http_client_usable(client)) {
        docker->idle[docker->idle_count++] = client;
        watch_idle(docker);
    } else {
        lat_http_client_free(client);
    }
}

/* Returns a connection that is still good, or NULL. */
static struct lat_http_client *idle_take(struct lat_docker *docker)
{
    while (docker->idle_count > 0) {
        struct lat_http_client *client = docker->idle[--docker->idle_count];

        if (docker->idle_spare > docker->idle_count) {
            docker->idle_spare = docker->idle_count;
        }
        if (lat_http_client_usable(client)) {
            return client;
        }
        lat_http_client_free(client);
    }
    return NULL;
}

static void idle_clear(struct lat_docker *docker)
{
    docker->idle_spare = 0;
    while (docker->idle_count > 0) {
        lat_http_client_free(docker->idle[--docker->idle_count]);
    }
}

/* ---- the end of a call ---- */

static void move_to(struct lat_docker_call *call, struct call_list *list)
{
    struct lat_docker *docker = call->docker;

    if (call->list != NULL) {
        TAILQ_REMOVE(call->list, call, link);
    }
    if (call->list == &docker->waiting) {
        docker->waiting_count--;
    } else if (call->list == &docker->running && !call->slow) {
        docker->short_running--;
    }
    call->list = list;
    if (list != NULL) {
        TAILQ_INSERT_TAIL(list, call, link);
    }
    if (list == &docker->waiting) {
        docker->waiting_count++;
    } else if (list == &docker->running && !call->slow) {
        docker->short_running++;
    }
}

/* Takes the call out of the client and frees it; its connection goes back when it is still good. */
static void call_free(struct lat_docker_call *call)
{
    struct lat_docker *docker = call->docker;

    move_to(call, NULL);
    if (docker->asking == call) {
        docker->asking = NULL;
    }
    if (call->connect != NULL) {
        lat_connect_cancel(call->connect);
    }
    if (call->client != NULL) {
        idle_put(docker, call->client);
    }
    lat_buf_done(&call->refusal);
    free(call->path);
    free(call->body);
    free(call->doom);
    call->magic = 0;
    free(call);
}

/* Ends a call: err is NULL, or why it failed. Does what follows for the client, then tells the sink. */
static void call_end(struct lat_docker_call *call, const struct lat_err *err)
{
    struct lat_docker *docker = call->docker;
    const struct lat__sink *sink = call->sink;
    void *arg = call->arg;
    bool asked = call == docker->asking;

    if (err != NULL) {
        lat_metric_add(docker->failures, 1);
        if (err->code == LAT_E_ENGINE_DOWN) {
            docker->version_known = false;
            idle_clear(docker);
        }
    }
    if (!call->slow) {
        lat_metric_observe_ns(docker->seconds,
                              lat_clock_boot_ns(lat_loop_clock(docker->loop)) - call->born_ns);
    }
    call_free(call);
    if (!asked) {
        pump(docker);
    }
    sink->on_end(arg, err);
}

static void tell_doomed(void *arg)
{
    struct lat_docker *docker = arg;
    struct lat_docker_call *call = TAILQ_FIRST(&docker->doomed);

    if (call == NULL) {
        return;
    }
    /* One at a time: the sink may free the client. */
    if (TAILQ_NEXT(call, link) != NULL) {
        lat_timer_start(&docker->doom_timer, 0, 0);
    }
    struct lat_err err = *call->doom;

    call_end(call, &err);
}

static void doom(struct lat_docker_call *call, const struct lat_err *err)
{
    struct lat_docker *docker = call->docker;

    call->doom = LAT_NEW(struct lat_err);
    *call->doom = *err;
    move_to(call, &docker->doomed);
    lat_timer_start(&docker->doom_timer, 0, 0);
}

/* ---- a call on its connection ---- */

static struct lat_docker_call *call_of(void *arg)
{
    struct lat_docker_call *call = arg;

    LAT_CHECK_MAGIC(call, CALL_MAGIC);
    return call;
}

static bool is_refusal(int status)
{
    return status >= 400;
}

static void on_head(void *arg, int status, const struct lat_http_field *fields)
{
    struct lat_docker_call *call = call_of(arg);

    (void)fields;
    call->status = status;
    if (!is_refusal(status) && call->sink->on_begin != NULL) {
        call->sink->on_begin(call->arg);
    }
}

static void on_body(void *arg, const uint8_t *bytes, size_t len)
{
    struct lat_docker_call *call = call_of(arg);

    if (!is_refusal(call->status)) {
        call->sink->on_bytes(call->arg, bytes, len);
    } else if (len <= REFUSAL_BYTES_MAX - call->refusal.len) {
        lat_buf_add(&call->refusal, bytes, len);
    }
}

static void on_done(void *arg)
{
    struct lat_docker_call *call = call_of(arg);
    struct lat_err err;

    if (!is_refusal(call->status)) {
        call_end(call, NULL);
        return;
    }
    lat__refused(&err, call->status, lat_buf_text(&call->refusal), call->refusal.len);
    call_end(call, &err);
}

static void on_error(void *arg, const struct lat_err *cause)
{
    struct lat_docker_call *call = call_of(arg);
    struct lat_err err;

    lat__broken(&err, cause);
    call_end(call, &err);
}

static const struct lat_http_call_events call_events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_done = on_done,
    .on_error = on_error,
};

static void call_send(struct lat_docker_call *call)
{
    struct lat_docker *docker = call->docker;
    char *target = call == docker->asking
                       ? lat_text_copy(call->path)
                       : lat_text_format("/v%s%s", docker->version.api, call->path);
    struct lat_http_call http = {
        .method = call->method,
        .target = target,
        .head_ms = call->head_ms,
        .idle_ms = call->idle_ms,
    };

    if (call->body != NULL) {
        http.content_type = "application/json";
        http.body = call->body;
        http.len = strlen(call->body);
    }
    lat_http_client_start(call->client, &http, &call_events, call);
    free(target);
}

static void on_connected(void *arg, struct lat_stream *stream, const struct lat_err *cause)
{
    struct lat_docker_call *call = call_of(arg);
    struct lat_err err;

    call->connect = NULL;
    if (stream == NULL) {
        lat__broken(&err, cause);
        call_end(call, &err);
        return;
    }
    call->client = lat_http_client_new(stream, "docker");
    call_send(call);
}

static void run(struct lat_docker_call *call)
{
    struct lat_docker *docker = call->docker;

    call->client = idle_take(docker);
    if (call->client != NULL) {
        call_send(call);
    } else {
        call->connect = lat_unix_connect(docker->loop, docker->socket, LAT_DOCKER_CONNECT_MS,
                                         on_connected, call);
    }
}

/* ---- which versions there are ---- */

static struct lat_docker_call *call_new(struct lat_docker *docker,
                                        const struct lat_docker_request *request, int64_t idle_ms,
                                        const struct lat__sink *sink, void *arg)
{
    struct lat_docker_call *call = LAT_NEW(struct lat_docker_call);

    call->magic = CALL_MAGIC;
    call->docker = docker;
    call->method = request->method;
    call->path = lat_text_copy(request->path);
    call->body = lat_text_copy(request->body);
    call->head_ms = request->timeout_ms != 0 ? request->timeout_ms : LAT_DOCKER_REPLY_MS;
    call->idle_ms = idle_ms;
    call->born_ns = lat_clock_boot_ns(lat_loop_clock(docker->loop));
    call->slow = request->slow;
    call->sink = sink;
    call->arg = arg;
    return call;
}

static void on_version_bytes(void *arg, const uint8_t *bytes, size_t len)
{
    struct lat_docker *docker = arg;

    if (len <= VERSION_BYTES_MAX - docker->answer.len) {
        lat_buf_add(&docker->answer, bytes, len);
    }
}

static int read_versions(struct lat_docker *docker, struct lat_err *err)
{
    struct lat_err wrong;
    cJSON *answer = NULL;
    int rc =
        lat_json_parse_rounding(lat_buf_text(&docker->answer), docker->answer.len, &answer, &wrong);

    if (rc != 0) {
        lat_err_set(&wrong, LAT_E_PROTOCOL, "%s", wrong.sentence);
        return lat__broken(err, &wrong);
    }
    rc = lat__version_choose(answer, &docker->version, err);
    cJSON_Delete(answer);
    return rc;
}

static void on_version_end(void *arg, const struct lat_err *cause)
{
    struct lat_docker *docker = arg;
    struct lat_docker_call *call;
    struct lat_err err;

    if (cause != NULL) {
        err = *cause;
    } else if (read_versions(docker, &err) == 0) {
        docker->version_known = true;
        pump(docker);
        return;
    }
    while ((call = TAILQ_FIRST(&docker->waiting)) != NULL) {
        doom(call, &err);
    }
}

static void on_version_drop(void *arg)
{
    (void)arg;
}

static const struct lat__sink version_sink = {
    .on_bytes = on_version_bytes,
    .on_end = on_version_end,
    .on_drop = on_version_drop,
};

static void ask_versions(struct lat_docker *docker)
{
    static const struct lat_docker_request request = {.method = LAT_HTTP_GET, .path = "/version"};

    lat_buf_clear(&docker->answer);
    docker->asking = call_new(docker, &request, LAT_DOCKER_REPLY_MS, &version_sink, docker);
    run(docker->asking);
}

/* Lets those run whose turn it is. */
static void pump(struct lat_docker *docker)
{
    struct lat_docker_call *call;
    struct lat_docker_call *next;

    if (docker->asking != NULL || TAILQ_EMPTY(&docker->waiting)) {
        return;
    }
    if (!docker->version_known) {
        ask_versions(docker);
        return;
    }
    for (call = TAILQ_FIRST(&docker->waiting); call != NULL; call = next) {
        next = TAILQ_NEXT(call, link);
        if (call->slow || docker->short_running < LAT_DOCKER_CONNECTIONS_MAX) {
            move_to(call, &docker->running);
            run(call);
        }
    }
}

/* ---- the face ---- */

struct lat_docker_call *lat__call_start(struct lat_docker *docker,
                                        const struct lat_docker_request *request, int64_t idle_ms,
                                        const struct lat__sink *sink, void *arg)
{
    struct lat_docker_call *call = call_new(docker, request, idle_ms, sink, arg);

    if (docker->waiting_count >= LAT_DOCKER_WAITING_MAX) {
        struct lat_err err;

        lat_err_set(&err, LAT_E_BUSY, "%d calls wait for the Docker Engine already.",
                    LAT_DOCKER_WAITING_MAX);
        doom(call, &err);
        return call;
    }
    move_to(call, &docker->waiting);
    pump(docker);
    return call;
}

void lat__call_pause(struct lat_docker_call *call)
{
    LAT_CHECK_MAGIC(call, CALL_MAGIC);
    if (call->client != NULL) {
        lat_http_client_pause(call->client);
    }
}

void lat__call_resume(struct lat_docker_call *call)
{
    LAT_CHECK_MAGIC(call, CALL_MAGIC);
    if (call->client != NULL) {
        lat_http_client_resume(call->client);
    }
}

static void drop(struct lat_docker_call *call)
{
    const struct lat__sink *sink = call->sink;
    void *arg = call->arg;

    call_free(call);
    sink->on_drop(arg);
}

static void drop_all(struct call_list *list)
{
    struct lat_docker_call *call;
    struct lat_docker_call *next;

    for (call = TAILQ_FIRST(list); call != NULL; call = next) {
        next = TAILQ_NEXT(call, link);
        drop(call);
    }
}

void lat_docker_cancel(struct lat_docker_call *call)
{
    LAT_CHECK_MAGIC(call, CALL_MAGIC);
    struct lat_docker *docker = call->docker;

    drop(call);
    pump(docker);
}

int lat_docker_new(struct lat_loop *loop, const char *host, struct lat_metrics *metrics,
                   struct lat_docker **ret_docker, struct lat_err *err)
{
    static const char scheme[] = "unix://";

    if (!lat_text_starts(host, scheme) || host[sizeof(scheme) - 1] != '/') {
        lat_err_field(err, LAT_E_INVALID_FIELD, "docker_host",
                      "'%.200s' is not the address of a Docker Engine's socket.", host);
        return lat_err_hint(err, "Give it as unix:///var/run/docker.sock.");
    }
    struct lat_docker *docker = LAT_NEW(struct lat_docker);

    docker->loop = loop;
    docker->socket = lat_text_copy(host + sizeof(scheme) - 1);
    TAILQ_INIT(&docker->waiting);
    TAILQ_INIT(&docker->running);
    TAILQ_INIT(&docker->doomed);
    lat_timer_init(&docker->doom_timer, loop, tell_doomed, docker);
    lat_timer_init(&docker->idle_timer, loop, close_spare, docker);
    if (metrics != NULL) {
        docker->seconds =
            lat_metrics_histogram(metrics, "lattice_engine_call_seconds", "",
                                  "Short calls to the Docker Engine, from asking to the answer.");
        docker->failures =
            lat_metrics_counter(metrics, "lattice_engine_failures_total", "",
                                "Calls to the Docker Engine that failed or were refused.");
    }
    *ret_docker = docker;
    return 0;
}

struct lat_docker *lat_docker_free(struct lat_docker *docker)
{
    if (docker == NULL) {
        return NULL;
    }
    if (docker->asking != NULL) {
        drop(docker->asking);
    }
    drop_all(&docker->waiting);
    drop_all(&docker->running);
    drop_all(&docker->doomed);
    idle_clear(docker);
    lat_timer_done(&docker->doom_timer);
    lat_timer_done(&docker->idle_timer);
    lat_buf_done(&docker->answer);
    free(docker->socket);
    free(docker);
    return NULL;
}

const struct lat_docker_version *lat_docker_version(const struct lat_docker *docker)
{
    return docker->version_known ? &docker->version : NULL;
}

struct lat_loop *lat__docker_loop(const struct lat_docker *docker)
{
    return docker->loop;
}
