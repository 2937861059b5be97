/* An acceptor and a link on I/O loops of their own threads, the store on the main one: what ThreadSanitizer looks at. */
#include "support.h"

enum { LOOPS = 2, CLIENTS = 24, ROUNDS = 4 };

/* An I/O loop; the second one has the link of a node, whose agent echoes. */
struct io {
    struct gate *gate;
    struct lat_loop *loop;
    struct lat_thread *thread;
    const char *node; /* NULL: no link here */
    struct lat_link *console, *agent;
    int closed;
};

struct echo {
    struct lat_stream *stream;
};

static void echo_data(void *arg, const uint8_t *bytes, size_t len)
{
    lat_stream_write(((struct echo *)arg)->stream, bytes, len);
}

static void echo_close(void *arg, const struct lat_err *err)
{
    (void)err;
    free(arg);
}

static const struct lat_stream_events echo_events = {.on_data = echo_data, .on_close = echo_close};

static void on_open(void *arg, struct lat_stream *stream, const cJSON *header)
{
    struct echo *echo = LAT_NEW(struct echo);

    (void)arg;
    (void)header;
    echo->stream = stream;
    lat_stream_set_events(stream, &echo_events, echo);
    lat_link_accept(stream);
    lat_stream_resume(stream);
}

static void on_message(void *arg, const cJSON *message)
{
    (void)arg;
    (void)message;
}

static void on_close(void *arg, const struct lat_err *err)
{
    struct io *io = arg;

    (void)err;
    if (++io->closed == 2) {
        lat_loop_release(io->loop);
    }
}

static const struct lat_link_events link_events = {
    .on_message = on_message, .on_open = on_open, .on_close = on_close};

static void run_io(void *arg)
{
    struct io *io = arg;
    struct lat_stream *a, *b;

    if (io->node) {
        lat_stream_pair(io->loop, &a, &b);
        io->console =
            lat_link_new(a, &(struct lat_link_options){.role = LAT_LINK_CONSOLE}, &link_events, io);
        io->agent =
            lat_link_new(b, &(struct lat_link_options){.role = LAT_LINK_AGENT}, &link_events, io);
        lat_link_directory_enter(io->gate->console->directory, io->node, io->console);
    }
    lat_loop_run(io->loop);
}

static void stop_io(void *arg)
{
    struct io *io = arg;

    if (io->node) {
        lat_link_directory_leave(io->gate->console->directory, io->node, io->console);
        lat_link_close(io->console, NULL);
        lat_link_close(io->agent, NULL);
    } else {
        lat_loop_release(io->loop);
    }
}

static void put_rows(struct gate *gate, char ret_node[LAT_ID_SIZE])
{
    struct lat_txn *txn = lat_txn_begin(gate->console->store, "");
    struct lat_allocation *allocation = lat_allocation_new();

    lat_text_bound(ret_node, LAT_ID_SIZE, put_node(txn, "far"));
    lat_row_set(allocation->workload_id, gate->console->workload);
    lat_row_set(allocation->node_id, ret_node);
    lat_row_set(allocation->desired, "running");
    lat_row_set(allocation->status, "running");
    allocation->generation = allocation->observed_generation = 1;
    lat_txn_put(txn, &allocation->row);
    commit_now(gate->console->bed, txn);
}

static void start_ingress(struct gate *gate, struct io *io)
{
    struct lat_loop *loops[LOOPS] = {io[0].loop, io[1].loop};

    gate->ingress =
        lat_ingress_new(&(struct lat_ingress_config){.loop = gate->console->loop,
                                                     .io_loops = loops,
                                                     .io_loop_count = LOOPS,
                                                     .store = gate->console->store,
                                                     .directory = gate->console->directory,
                                                     .tls = gate->tls,
                                                     .metrics = gate->console->bed->metrics,
                                                     .host = "127.0.0.1",
                                                     .port_min = gate->port_min,
                                                     .port_max = gate->port_min + PORTS - 1});
}

static void rounds_of_clients(struct gate *gate, int plain, int encrypted)
{
    struct client *clients[CLIENTS];

    for (int round = 0; round < ROUNDS; round++) {
        char other[LAT_ID_SIZE];

        for (int i = 0; i < CLIENTS; i++) {
            clients[i] = client_connect(gate, i % 2 ? encrypted : plain);
            if (i % 2) {
                client_encrypt(clients[i]);
            }
            client_write(clients[i], "hello", 5);
        }
        add_endpoint(gate, "other", "tcp", true, other); /* routes change meanwhile */
        lat_ingress_set_tls(gate->ingress, gate->tls);
        for (int i = 0; i < CLIENTS; i++) {
            client_await(clients[i], 5);
        }
        remove_row(gate, LAT_TABLE_ENDPOINT, other);
        for (int i = 0; i < CLIENTS; i++) {
            client_free(clients[i]);
        }
    }
}

static void three_threads_share_nothing_but_messages(void **state)
{
    struct gate *gate = *state;
    char node[LAT_ID_SIZE], plain[LAT_ID_SIZE], encrypted[LAT_ID_SIZE];
    struct io io[LOOPS] = {{0}};
    struct client *open[2];
    int ports[2];

    ingress_stop(gate);
    put_rows(gate, node);
    for (int i = 0; i < LOOPS; i++) {
        io[i].gate = gate;
        io[i].loop = lat_loop_new(lat_clock_system());
        io[i].node = i == 1 ? node : NULL;
        lat_loop_hold(io[i].loop);
        io[i].thread = lat_thread_start("io", run_io, &io[i]);
    }
    start_ingress(gate, io);
    add_endpoint(gate, "plain", "tcp", true, plain);
    add_endpoint(gate, "encrypted", "redis", false, encrypted);
    ports[0] = await_port(gate, plain);
    ports[1] = await_port(gate, encrypted);
    run_for(gate->console->loop, 20);
    rounds_of_clients(gate, ports[0], ports[1]);
    open[0] = client_connect(gate, ports[0]);
    open[1] = client_connect(gate, ports[1]);
    ingress_stop(gate); /* with connections, and a handshake, on another thread */
    for (int i = 0; i < 2; i++) {
        client_await_closed(open[i]);
        client_free(open[i]);
    }
    for (int i = 0; i < LOOPS; i++) {
        lat_loop_post_always(io[i].loop, stop_io, &io[i]);
        lat_thread_join(io[i].thread);
        lat_loop_free(io[i].loop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(three_threads_share_nothing_but_messages, gate_open,
                                        gate_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
