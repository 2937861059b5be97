/* Requests that arrive on an I/O loop of another thread, and logs that end there: what ThreadSanitizer looks at. */
#include "support.h"
#include "tests/unit/waiting.h"

enum { ROUNDS = 20, TARGETS = 7 };

/* The I/O loop with an HTTP server, its clients, and the link of a node. */
struct io {
    struct desk *desk;
    struct lat_loop *loop;
    struct lat_random *random;
    struct lat_thread *thread;
    struct lat_http_server *server;
    struct agent *agent;
    uint8_t key[LAT_TLS_DIGEST_SIZE];
    char node[LAT_ID_SIZE];
    char *bearer;
    int left;
    bool over; /* on the state loop */
};

struct request {
    struct io *io;
    struct lat_http_client *client;
};

static const char *const targets[TARGETS] = {
    "/api/v1/workloads",
    "/api/v1/workloads/web",
    "/api/v1/workloads/web/logs",
    "/api/v1/workloads/web/stats",
    "/api/v1/nodes",
    "/api/v1/workloads/web/history",
    "/metrics",
};

static void tell_over(void *arg)
{
    ((struct io *)arg)->over = true;
}

static void start(struct io *io, const char *target);

static void replied(void *arg, const struct lat_http_reply *reply, const struct lat_err *err)
{
    struct request *request = arg;
    struct io *io = request->io;

    assert_null(err);
    assert_int_equal(reply->status, 200);
    lat_http_client_free(request->client);
    free(request);
    if (--io->left == 0) {
        lat_loop_post_always(io->desk->console->loop, tell_over, io);
    } else if (io->left >= TARGETS) {
        start(io, targets[io->left % TARGETS]);
    }
}

static void start(struct io *io, const char *target)
{
    struct request *request = LAT_NEW(struct request);
    struct lat_http_field fields[] = {{"Authorization", io->bearer}, {NULL, NULL}};
    struct lat_http_call call = {.method = LAT_HTTP_GET, .target = target, .fields = fields};
    struct lat_stream *ours, *theirs;

    request->io = io;
    lat_stream_pair(io->loop, &ours, &theirs);
    lat_http_server_serve(io->server, theirs);
    request->client = lat_http_client_new(ours, "console.test");
    lat_http_client_fetch(request->client, &call, 1 << 20, replied, request);
}

static void begin(void *arg)
{
    struct io *io = arg;

    io->left = ROUNDS * TARGETS;
    for (int i = 0; i < TARGETS; i++) {
        start(io, targets[i]);
    }
}

/* ---- the agent of the node: answers what it is asked for, and ends ---- */

static void stream_data(void *arg, const uint8_t *bytes, size_t len)
{
    (void)arg;
    (void)bytes;
    (void)len;
}

static void stream_closed(void *arg, const struct lat_err *err)
{
    (void)arg;
    (void)err;
}

static const struct lat_stream_events stream_events = {.on_data = stream_data,
                                                       .on_close = stream_closed};

static void take_stream(void *arg, struct lat_stream *stream, const cJSON *header)
{
    (void)arg;
    (void)header;
    lat_stream_set_events(stream, &stream_events, NULL);
    lat_link_accept(stream);
    lat_stream_write(stream, "{}", 2);
    lat_stream_end(stream);
    lat_stream_resume(stream);
}

static void on_message(void *arg, const cJSON *message)
{
    (void)arg;
    (void)message;
}

static void on_close(void *arg, const struct lat_err *err)
{
    struct agent *agent = arg;

    (void)err;
    agent->closed = true;
    agent->link = NULL;
}

static const struct lat_link_events agent_events = {
    .on_message = on_message, .on_open = take_stream, .on_close = on_close};

static void run_io(void *arg)
{
    struct io *io = arg;
    struct lat_stream *a, *b;

    lat_stream_pair(io->loop, &a, &b);
    io->agent = LAT_NEW(struct agent);
    io->agent->loop = io->loop;
    io->agent->link = lat_link_new(a, &(struct lat_link_options){.role = LAT_LINK_AGENT},
                                   &agent_events, io->agent);
    agent_say(io->agent, "{\"type\":\"hello\",\"versions\":[1]}");
    lat_dispatch_take(io->desk->console->dispatch, b, io->node, io->key);
    lat_loop_run(io->loop);
}

static void server_closed(void *arg)
{
    struct io *io = arg;

    lat_loop_post_always(io->desk->console->loop, tell_over, io);
}

static void close_server(void *arg)
{
    struct io *io = arg;

    lat_http_server_close(io->server, 100, server_closed, io);
}

static void release(void *arg)
{
    lat_loop_release(arg);
}

static void put_far_node(struct desk *desk, struct io *io, const char *workload)
{
    struct lat_txn *txn = lat_txn_begin(desk->console->store, "");
    struct lat_allocation *allocation = lat_allocation_new();
    struct lat_node *node = lat_node_new();
    struct lat_buf hex = {0};

    io->key[0] = 77;
    lat_text_hex(&hex, io->key, sizeof(io->key));
    lat_row_set(node->name, "far");
    lat_row_set(node->status, "joining");
    lat_row_set(node->key_digest, lat_buf_text(&hex));
    lat_buf_done(&hex);
    lat_text_bound(io->node, LAT_ID_SIZE, lat_txn_put(txn, &node->row)->id);
    lat_row_set(allocation->workload_id, workload);
    lat_row_set(allocation->node_id, io->node);
    lat_row_set(allocation->desired, "running");
    lat_row_set(allocation->status, "running");
    allocation->generation = 1;
    lat_txn_put(txn, &allocation->row);
    commit_now(desk->console->bed, txn);
}

static void requests_of_another_thread_are_answered_there(void **state)
{
    struct desk *desk = *state;
    struct io io = {
        .desk = desk, .loop = lat_loop_new(lat_clock_system()), .random = lat_random_new_seeded(5)};
    char id[LAT_ID_SIZE];
    void *directory = desk->console->directory;

    deploy(desk, desk->alice, "web", id);
    put_far_node(desk, &io, id);
    io.bearer = lat_text_format("Bearer %s", desk->alice);
    io.server = lat_http_server_new(
        io.loop, &(struct lat_http_server_options){
                     .handler = lat_api_handle, .arg = desk->api, .random = io.random});
    lat_loop_hold(io.loop);
    io.thread = lat_thread_start("io", run_io, &io);
    for (int i = 0; i < WAITING_MS && !lat_link_directory_loop_of(directory, io.node); i++) {
        run_for(desk->console->loop, 1);
    }
    lat_loop_post_always(io.loop, begin, &io);
    run_until(desk->console->bed, &io.over);
    io.over = false;
    lat_loop_post_always(io.loop, close_server, &io);
    run_until(desk->console->bed, &io.over);
    assert_int_equal(desk->api->followers, 0);
    console_close_dispatch(desk->console); /* its link, on its thread */
    lat_loop_post_always(io.loop, release, io.loop);
    lat_thread_join(io.thread);
    lat_loop_free(io.loop);
    assert_true(io.agent->closed);
    free(io.agent);
    lat_random_free(io.random);
    free(io.bearer);
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(requests_of_another_thread_are_answered_there, desk_open,
                                        desk_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return desk_main(argc, argv, run);
}
