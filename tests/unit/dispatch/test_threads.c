/* Links on I/O loops of their own threads, the store on the main one: what ThreadSanitizer looks at. */
#include "support.h"
#include "tests/unit/waiting.h"

#include <stdatomic.h>
#include <stdio.h>

enum { LOOPS = 2, NODES_EACH = 4, ROUNDS = 30 };

/* An I/O loop with agents and the console's ends of their links, both in memory. */
struct io {
    struct console *console;
    struct lat_loop *loop;
    struct lat_thread *thread;
    uint8_t keys[NODES_EACH][LAT_TLS_DIGEST_SIZE];
    char nodes[NODES_EACH][LAT_ID_SIZE];
    char allocations[NODES_EACH][LAT_ID_SIZE];
    struct agent *agents[NODES_EACH];
    struct lat_timer timer;
    int round;
};

static void connect_all(struct io *io)
{
    for (int i = 0; i < NODES_EACH; i++) {
        struct lat_stream *a;
        struct lat_stream *b;
        lat_stream_pair(io->loop, &a, &b);
        io->agents[i] = agent_new(io->loop, a);
        agent_say(io->agents[i], "{\"type\":\"hello\",\"versions\":[1]}");
        lat_dispatch_take(io->console->dispatch, b, io->nodes[i], io->keys[i]);
    }
}

static void talk(void *arg)
{
    struct io *io = arg;
    static const char *const steps[] = {"pulling", "starting", "running"};
    io->round++;
    for (int i = 0; i < NODES_EACH; i++) {
        struct agent *agent = io->agents[i];
        if (!agent->link || agent->count == 0)
            continue;
        agent_say_node(agent, "20.10", "");
        agent_say_observed(agent, io->allocations[i], 1,
                           io->round >= ROUNDS ? "running" : steps[io->round % 3], "", "{}");
    }
    if (io->round == ROUNDS / 2 && io->agents[0]->link)
        lat_link_close(io->agents[0]->link, NULL);
}

static void stop_loop(void *arg)
{
    struct io *io = arg;
    lat_timer_done(&io->timer);
    lat_loop_release(io->loop);
    lat_loop_stop(io->loop);
}

static void run_io(void *arg)
{
    struct io *io = arg;
    lat_loop_hold(io->loop);
    connect_all(io);
    lat_timer_init(&io->timer, io->loop, talk, io);
    lat_timer_start(&io->timer, 2, 2);
    lat_loop_run(io->loop);
}

static void make_rows(struct console *console, struct io *io, int number)
{
    for (int i = 0; i < NODES_EACH; i++) {
        struct lat_txn *txn = lat_txn_begin(console->store, "");
        struct lat_node *node = lat_node_new();
        struct lat_buf hex = {0};
        char name[32];
        snprintf(name, sizeof(name), "t%d-%d", number, i);
        io->keys[i][0] = (uint8_t)(100 + number);
        io->keys[i][1] = (uint8_t)i;
        lat_text_hex(&hex, io->keys[i], LAT_TLS_DIGEST_SIZE);
        lat_row_set(node->name, name);
        lat_row_set(node->status, "joining");
        lat_row_set(node->key_digest, lat_buf_text(&hex));
        lat_text_bound(io->nodes[i], LAT_ID_SIZE, lat_txn_put(txn, &node->row)->id);
        commit_now(console->bed, txn);
        make_allocation(console, io->nodes[i], io->allocations[i]);
        lat_buf_done(&hex);
    }
}

/* ---- streams, opened from the state loop ---- */

static void hang_up(void *arg, const struct lat_err *err)
{
    (void)arg;
    (void)err;
}

static void ignore(void *arg, const uint8_t *bytes, size_t len)
{
    (void)arg;
    (void)bytes;
    (void)len;
}

static const struct lat_stream_events no_events = {.on_data = ignore, .on_close = hang_up};

static void opened(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    (void)err;
    if (stream) {
        lat_stream_set_events(stream, &no_events, NULL);
        lat_stream_close(stream);
        atomic_fetch_add((atomic_int *)arg, 1);
    }
}

static void links_on_other_threads_reach_one_store(void **state)
{
    struct console *console = *state;
    struct io ios[LOOPS];
    atomic_int streams = 0;
    memset(ios, 0, sizeof(ios));
    for (int i = 0; i < LOOPS; i++) {
        ios[i].console = console;
        ios[i].loop = lat_loop_new(lat_clock_system());
        make_rows(console, &ios[i], i);
    }
    for (int i = 0; i < LOOPS; i++)
        ios[i].thread = lat_thread_start("io", run_io, &ios[i]);
    for (int i = 0; i < LOOPS; i++) {
        for (int j = 1; j < NODES_EACH; j++) {
            await_allocation(console, ios[i].allocations[j], "running");
            assert_ptr_equal(lat_link_directory_loop_of(console->directory, ios[i].nodes[j]),
                             ios[i].loop);
            change_allocation(console, ios[i].allocations[j], "stopped", 2);
            struct lat_stream_header header = {.kind = LAT_STREAM_STATS,
                                               .allocation = ios[i].allocations[j]};
            lat_dispatch_open(console->dispatch, ios[i].nodes[j], &header, opened, &streams);
        }
    }
    for (int i = 0; i < WAITING_MS && atomic_load(&streams) < LOOPS * (NODES_EACH - 1); i++)
        run_for(console->loop, 1);
    assert_int_equal(atomic_load(&streams), LOOPS * (NODES_EACH - 1));
    for (int i = 0;
         i < WAITING_MS && lat_dispatch_link_count(console->dispatch) > LOOPS * (NODES_EACH - 1);
         i++)
        run_for(console->loop, 1);
    assert_int_equal(lat_dispatch_link_count(console->dispatch), LOOPS * (NODES_EACH - 1));
    console_close_dispatch(console);
    for (int i = 0; i < LOOPS; i++) {
        lat_loop_post_always(ios[i].loop, stop_loop, &ios[i]);
        lat_thread_join(ios[i].thread);
        for (int j = 0; j < NODES_EACH; j++)
            agent_free(ios[i].agents[j]);
        lat_loop_free(ios[i].loop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(links_on_other_threads_reach_one_store, console_open,
                                        console_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
