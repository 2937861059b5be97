/* The I/O loops and the one public port.
 *
 *   each I/O loop: listener (the port is shared) ─► TLS ─┬─ ALPN lattice-link/1 ─► dispatch
 *                                                        └─ else ─────────────────► HTTP server ─► api
 *
 * Every loop has a listener, an HTTP server and a reference to the certificate of its own; the state loop changes them by
 * message alone. */
#include "console/console_internal.h"

#include <stdio.h>
#include <sys/queue.h>

enum {
    LAT__ANSWER_GRACE_MS = 2000,
    LAT__HANDSHAKES_MAX =
        2048, /* under way on one loop; one more takes the place of the oldest, which is most likely no client */
};

struct lane {
    struct lat__front *front;
    struct lat_loop *loop;
    struct lat_thread *thread;
    struct lat_random *random; /* of this loop's thread */
    struct lat_tls *tls;
    struct lat_listener *listener;
    struct lat_http_server *server;
    TAILQ_HEAD(, handshake) handshakes; /* under way, the oldest first */
    uint32_t handshake_count;
};

/* A connection that is not yet encrypted. */
struct handshake {
    TAILQ_ENTRY(handshake) link;
    struct lane *lane;
    struct lat_stream *stream;
};

struct lat__front {
    struct lat__console *console;
    struct lane lanes[LAT__IO_THREADS_MAX];
    struct lat_loop *loops[LAT__IO_THREADS_MAX];
    size_t count;
    size_t open; /* lanes that are not yet closed; state loop */
    lat_call_fn *done;
    void *done_arg;
    struct lat_metric *requests[6]; /* by class of status */
    struct lat_metric *seconds, *handshakes_failed;
};

/* ---- connections, on an I/O loop ---- */

static void answered(void *arg, const struct lat_http_request *req, int status)
{
    struct lane *lane = arg;
    int64_t now = lat_clock_boot_ns(lat_loop_clock(lane->loop));

    lat_metric_add(lane->front->requests[status >= 100 && status < 600 ? status / 100 : 0], 1);
    lat_metric_observe_ns(lane->front->seconds, now - lat_http_arrived_ns(req));
    lat_log(lane->front->console->log, LAT_LOG_DEBUG, "request",
            LAT_STR("request_id", lat_http_request_id(req)),
            LAT_STR("method", lat_http_method_text(lat_http_method(req))),
            LAT_STR("path", lat_http_path(req)), LAT_INT("status", status),
            LAT_INT("us", (now - lat_http_arrived_ns(req)) / 1000));
}

static void handle(void *arg, struct lat_http_request *req)
{
    struct lane *lane = arg;

    lat_api_handle(lat_stages_api(lane->front->console->stages), req);
}

static void take_link(struct lane *lane, struct lat_stream *stream)
{
    uint8_t key_digest[LAT_TLS_DIGEST_SIZE];
    char node_id[128];

    if (lat_tls_peer_identity(stream, node_id, sizeof(node_id), key_digest)) {
        lat_dispatch_take(lat_stages_dispatch(lane->front->console->stages), stream, node_id,
                          key_digest);
    } else {
        lat_stream_close(stream);
    }
}

static void forget_handshake(struct handshake *handshake)
{
    TAILQ_REMOVE(&handshake->lane->handshakes, handshake, link);
    handshake->lane->handshake_count--;
    free(handshake);
}

/* Nothing more comes of it. */
static void give_up_handshake(struct handshake *handshake)
{
    lat_stream_close(handshake->stream);
    forget_handshake(handshake);
}

static void encrypted(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct handshake *handshake = arg;
    struct lane *lane = handshake->lane;

    forget_handshake(handshake);
    if (err) {
        lat_metric_add(lane->front->handshakes_failed, 1);
    } else if (lat_text_equal(lat_tls_alpn(stream), LAT_LINK_ALPN)) {
        take_link(lane, stream);
    } else {
        lat_http_server_serve(lane->server, stream);
    }
}

static void accepted(void *arg, struct lat_stream *stream)
{
    struct handshake *handshake = LAT_NEW(struct handshake);
    struct lane *lane = arg;

    if (lane->handshake_count >= LAT__HANDSHAKES_MAX) {
        lat_metric_add(lane->front->handshakes_failed, 1);
        give_up_handshake(TAILQ_FIRST(&lane->handshakes));
    }
    handshake->lane = lane;
    TAILQ_INSERT_TAIL(&lane->handshakes, handshake, link);
    lane->handshake_count++;
    handshake->stream = lat_tls_accept(lane->tls, stream, NULL, 0, encrypted, handshake);
}

/* ---- opening ---- */

static void run_loop(void *arg)
{
    lat_loop_run(arg);
}

static void count_metrics(struct lat__front *front)
{
    static const char *const classes[6] = {"status=\"none\"", "status=\"1xx\"", "status=\"2xx\"",
                                           "status=\"3xx\"",  "status=\"4xx\"", "status=\"5xx\""};
    struct lat_metrics *metrics = front->console->metrics;

    for (size_t i = 0; i < LAT_COUNT(classes); i++) {
        front->requests[i] = lat_metrics_counter(metrics, "lattice_http_requests_total", classes[i],
                                                 "API requests by class of status.");
    }
    front->seconds = lat_metrics_histogram(metrics, "lattice_http_request_seconds", "",
                                           "From a request's head to its answer.");
    front->handshakes_failed =
        lat_metrics_counter(metrics, "lattice_tls_handshakes_failed_total", "",
                            "TLS handshakes on the public port that failed.");
}

/* The limit is of the console; the system spreads connections evenly over those that share a port. */
static uint32_t connections_of_lane(const struct lat__console *console)
{
    return (uint32_t)((console->config.connections_max + console->config.io_threads - 1) /
                      console->config.io_threads);
}

int lat__front_new(struct lat__console *console, struct lat__front **ret_front, struct lat_err *err)
{
    struct lat__front *front = LAT_NEW(struct lat__front);
    struct lat_tls *tls;
    char name[16];

    if (lat__identity_tls(console, true, &tls, err)) {
        free(front);
        return err->code;
    }
    front->console = console;
    front->count = (size_t)console->config.io_threads;
    count_metrics(front);
    for (size_t i = 0; i < front->count; i++) {
        struct lane *lane = &front->lanes[i];

        lane->front = front;
        TAILQ_INIT(&lane->handshakes);
        lane->loop = front->loops[i] = lat_loop_new(console->clock);
        lane->random = lat_random_new_system();
        lane->tls = lat_tls_ref(tls);
        lane->server =
            lat_http_server_new(lane->loop, &(struct lat_http_server_options){
                                                .handler = handle,
                                                .answered = answered,
                                                .arg = lane,
                                                .random = lane->random,
                                                .connections_max = connections_of_lane(console),
                                            });
        lat_loop_hold(lane->loop);
        snprintf(name, sizeof(name), "lattice-io-%d", (int)i % LAT__IO_THREADS_MAX);
        lane->thread = lat_thread_start(name, run_loop, lane->loop);
    }
    lat_tls_unref(tls);
    *ret_front = front;
    return 0;
}

struct lat_loop *const *lat__front_loops(const struct lat__front *front, size_t *ret_count)
{
    *ret_count = front->count;
    return front->loops;
}

/* A certificate on its way to a lane. */
struct new_tls {
    struct lane *lane;
    struct lat_tls *tls; /* a reference */
};

static void take_tls(void *arg)
{
    struct new_tls *new_tls = arg;

    lat_tls_unref(new_tls->lane->tls);
    new_tls->lane->tls = new_tls->tls;
    free(new_tls);
}

void lat__front_set_tls(struct lat__front *front, struct lat_tls *tls)
{
    for (size_t i = 0; i < front->count; i++) {
        struct new_tls *new_tls = LAT_NEW(struct new_tls);

        new_tls->lane = &front->lanes[i];
        new_tls->tls = lat_tls_ref(tls);
        lat_loop_post_always(front->lanes[i].loop, take_tls, new_tls);
    }
}

/* One loop's listening, done on that loop and waited for. */
struct listening {
    struct lane *lane;
    bool done; /* on the state loop */
    int code;
    struct lat_err err;
};

static void listening_done(void *arg)
{
    ((struct listening *)arg)->done = true;
}

static void listen_here(void *arg)
{
    struct listening *listening = arg;
    struct lane *lane = listening->lane;
    const struct lat__config *config = &lane->front->console->config;

    listening->code = lat_tcp_listen(lane->loop, config->listen_host, config->listen_port, true,
                                     accepted, lane, &lane->listener, &listening->err);
    lat_loop_post_always(lane->front->console->loop, listening_done, listening);
}

/* The lanes share the port, which would let a second console share it too, and take half of the connections. */
static int check_port_is_free(struct lat__front *front, struct lat_err *err)
{
    const struct lat__config *config = &front->console->config;
    struct lat_listener *alone;
    int code = lat_tcp_listen(front->console->loop, config->listen_host, config->listen_port, false,
                              accepted, &front->lanes[0], &alone, err);

    if (code == 0) {
        lat_listener_free(alone);
    }
    return code;
}

int lat__front_listen(struct lat__front *front, struct lat_err *err)
{
    int code = check_port_is_free(front, err);

    if (code) {
        return code;
    }
    for (size_t i = 0; i < front->count; i++) {
        struct listening listening = {.lane = &front->lanes[i]};

        lat_loop_post_always(front->lanes[i].loop, listen_here, &listening);
        while (!lat_loop_run_until(front->console->loop, &listening.done, 1000)) {
        }
        if (listening.code) {
            return lat_err_copy(err, &listening.err);
        }
    }
    return 0;
}

/* ---- closing ---- */

static void lane_closed_here(void *arg)
{
    struct lat__front *front = arg;

    if (--front->open == 0) {
        front->done(front->done_arg);
    }
}

static void lane_closed(void *arg)
{
    struct lane *lane = arg;

    lane->server = NULL;
    lat_loop_post_always(lane->front->console->loop, lane_closed_here, lane->front);
}

static void close_lane(void *arg)
{
    struct lane *lane = arg;
    struct handshake *handshake;

    lane->listener = lat_listener_free(lane->listener);
    while ((handshake = TAILQ_FIRST(&lane->handshakes))) {
        give_up_handshake(handshake);
    }
    lat_http_server_close(lane->server, LAT__ANSWER_GRACE_MS, lane_closed, lane);
}

void lat__front_close(struct lat__front *front, lat_call_fn *done, void *arg)
{
    front->done = done;
    front->done_arg = arg;
    front->open = front->count;
    for (size_t i = 0; i < front->count; i++) {
        lat_loop_post_always(front->lanes[i].loop, close_lane, &front->lanes[i]);
    }
}

/* The loop ends once nothing is left: an alert of TLS may still be on its way out. */
static void let_go(void *arg)
{
    lat_loop_release(arg);
}

struct lat__front *lat__front_free(struct lat__front *front)
{
    if (front) {
        for (size_t i = 0; i < front->count; i++) {
            struct lane *lane = &front->lanes[i];

            lat_loop_post_always(lane->loop, let_go, lane->loop);
            lane->thread = lat_thread_join(lane->thread);
            lat_tls_unref(lane->tls);
            lat_random_free(lane->random);
            lane->loop = lat_loop_free(lane->loop);
        }
        free(front);
    }
    return NULL;
}
