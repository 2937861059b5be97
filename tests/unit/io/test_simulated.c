/* A loop in simulated time: workers without threads, and a network of its own. */
#include "support.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct world {
    int64_t now_ns;
    struct lat_clock clock;
    struct lat_loop *loop;
    int64_t delays_ns[8]; /* what the simulation answers, in turn */
    size_t asked;
    char story[64]; /* a capital for work, a small letter for its end */
};

static int64_t wall_ms(void *arg)
{
    return ((struct world *)arg)->now_ns / 1000000;
}

static int64_t boot_ns(void *arg)
{
    return ((struct world *)arg)->now_ns;
}

static int64_t next_delay(void *arg)
{
    struct world *world = arg;
    assert_true(world->asked < LAT_COUNT(world->delays_ns));
    return world->delays_ns[world->asked++];
}

static int setup(void **state)
{
    struct world *world = LAT_NEW(struct world);
    world->now_ns = 5000000000;
    world->clock = (struct lat_clock){.wall_ms = wall_ms, .boot_ns = boot_ns, .arg = world};
    world->loop = lat_loop_new(&world->clock);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    lat_loop_free(world->loop);
    free(world);
    return 0;
}

/* Moves the clock and runs all that is due then. */
static void pass_ms(struct world *world, int64_t ms)
{
    world->now_ns += ms * 1000000;
    while (lat_loop_turn(world->loop))
        continue;
}

/* ---- workers ---- */

struct job {
    struct world *world;
    pthread_t thread;
    char letter;
};

static void tell(struct world *world, char letter)
{
    size_t len = strlen(world->story);
    assert_true(len + 1 < sizeof(world->story));
    world->story[len] = letter;
}

static void work(void *arg)
{
    struct job *job = arg;
    assert_true(pthread_equal(job->thread, pthread_self()));
    tell(job->world, (char)(job->letter - 'a' + 'A'));
}

static void work_done(void *arg)
{
    struct job *job = arg;
    tell(job->world, job->letter);
}

static struct job job_of(struct world *world, char letter)
{
    return (struct job){.world = world, .thread = pthread_self(), .letter = letter};
}

static void simulate(struct world *world, const int64_t *delays_ms, size_t count)
{
    for (size_t i = 0; i < count; i++)
        world->delays_ns[i] = delays_ms[i] * 1000000;
    lat_loop_simulate(world->loop, &(struct lat_loop_sim){.work_ns = next_delay, .arg = world});
}

static void work_runs_in_a_later_turn_on_this_thread_and_in_order(void **state)
{
    struct world *world = *state;
    struct job a = job_of(world, 'a');
    struct job b = job_of(world, 'b');
    lat_work(world->loop, work, work_done, &a);
    lat_work_slow(world->loop, work, work_done, &b);
    assert_string_equal(world->story, "");
    assert_int_equal(lat_loop_next_ms(world->loop), 0);
    pass_ms(world, 0);
    assert_string_equal(world->story, "ABab");
    assert_int_equal(lat_loop_next_ms(world->loop), -1);
}

static void work_and_its_end_come_when_the_simulation_says(void **state)
{
    struct world *world = *state;
    struct job a = job_of(world, 'a');
    struct job b = job_of(world, 'b');
    /* a begins after 10 ms; b after 4; b ends 20 ms after it began, a 5 ms after it began. */
    simulate(world, (const int64_t[]){10, 4, 20, 5}, 4);
    lat_work(world->loop, work, work_done, &a);
    lat_work(world->loop, work, work_done, &b);
    assert_int_equal(lat_loop_next_ms(world->loop), 4);
    pass_ms(world, 3);
    assert_string_equal(world->story, "");
    pass_ms(world, 1);
    assert_string_equal(world->story, "B");
    pass_ms(world, 6);
    assert_string_equal(world->story, "BA");
    pass_ms(world, 5);
    assert_string_equal(world->story, "BAa");
    pass_ms(world, 9);
    assert_string_equal(world->story, "BAab");
}

static void delays_shorter_than_a_millisecond_keep_their_order(void **state)
{
    struct world *world = *state;
    struct job a = job_of(world, 'a');
    struct job b = job_of(world, 'b');
    simulate(world, NULL, 0);
    world->delays_ns[0] = 300;
    world->delays_ns[1] = 200;
    lat_work(world->loop, work, work_done, &a);
    lat_work(world->loop, work, work_done, &b);
    assert_int_equal(lat_loop_next_ms(world->loop), 1);
    pass_ms(world, 1);
    assert_string_equal(world->story, "BAba");
}

/* As a process that is killed between its work and the moment when it hears of it: what frees it must not wait for a
 * clock that nobody moves any more. */
static void a_loop_that_is_freed_waits_for_no_clock(void **state)
{
    struct world *world = *state;
    struct job a = job_of(world, 'a');
    struct job b = job_of(world, 'b');
    simulate(world, (const int64_t[]){1, 3600000, 3600000, 3600000}, 4);
    lat_work(world->loop, work, work_done, &a);
    lat_work(world->loop, work, work_done, &b);
    pass_ms(world, 1);
    assert_string_equal(world->story, "A");
    lat_loop_free(world->loop);
    assert_string_equal(world->story, "AaBb");
    world->loop = lat_loop_new(&world->clock);
}

static void stop_when_done(void *arg)
{
    struct job *job = arg;
    work_done(job);
    lat_loop_stop(job->world->loop);
}

struct awaited {
    struct job job;
    bool done;
};

static void awaited_work(void *arg)
{
    work(&((struct awaited *)arg)->job);
}

static void awaited_done(void *arg)
{
    ((struct awaited *)arg)->done = true;
}

static void what_waits_for_work_needs_no_clock(void **state)
{
    struct world *world = *state;
    struct awaited awaited = {.job = job_of(world, 'a')};
    struct lat_timer other;
    int64_t before_ns = world->now_ns;
    simulate(world, (const int64_t[]){3600000, 3600000}, 2);
    lat_timer_init(&other, world->loop, awaited_done, &awaited);
    lat_timer_start(&other, 1, 0);
    lat_work(world->loop, awaited_work, awaited_done, &awaited);
    run_until(world->loop, &awaited.done);
    assert_string_equal(world->story, "A");
    assert_true(lat_timer_running(&other));
    assert_int_equal(world->now_ns, before_ns);
    lat_timer_done(&other);
}

static void a_loop_that_runs_waits_for_its_work(void **state)
{
    struct world *world = *state;
    struct job a = job_of(world, 'a');
    lat_work(world->loop, work, stop_when_done, &a);
    lat_loop_run(world->loop);
    assert_string_equal(world->story, "Aa");
}

/* ---- a network ---- */

/* One that connects whoever dials a port to who listens there, a second later. */
struct air {
    struct lat_network network;
    struct lat_loop *loop;
    int port;
    lat_accept_fn *accept;
    void *accept_arg;
    lat_connect_fn *connected; /* of the attempt under way */
    void *connected_arg;
    struct lat_timer delay;
    int cancelled;
};

static void air_due(void *arg)
{
    struct air *air = arg;
    struct lat_stream *near;
    struct lat_stream *far;
    struct lat_err err;
    if (!air->accept) {
        lat_err_set(&err, LAT_E_REFUSED, "Nobody listens.");
        air->connected(air->connected_arg, NULL, &err);
        return;
    }
    lat_stream_pair(air->loop, &near, &far);
    air->connected(air->connected_arg, near, NULL);
    air->accept(air->accept_arg, far);
}

static void *air_connect_to(struct lat_network *network, const char *host, int port,
                            int64_t timeout_ms, lat_connect_fn *fn, void *arg)
{
    struct air *air = LAT_CONTAINER(network, struct air, network);
    assert_string_equal(host, "console");
    assert_int_equal(port, 8443);
    assert_int_equal(timeout_ms, 5000);
    air->connected = fn;
    air->connected_arg = arg;
    lat_timer_start(&air->delay, 1000, 0);
    return air;
}

static void air_cancel(struct lat_network *network, void *attempt)
{
    struct air *air = LAT_CONTAINER(network, struct air, network);
    assert_ptr_equal(attempt, air);
    lat_timer_stop(&air->delay);
    air->cancelled++;
}

static int air_listen(struct lat_network *network, const char *host, int port, lat_accept_fn *fn,
                      void *arg, void **ret_place, int *ret_port, struct lat_err *err)
{
    struct air *air = LAT_CONTAINER(network, struct air, network);
    (void)host;
    if (air->accept)
        return lat_err_set(err, LAT_E_IO, "Port %d is taken.", port);
    air->accept = fn;
    air->accept_arg = arg;
    *ret_place = air;
    *ret_port = port ? port : 49152;
    return LAT_OK;
}

static void air_unlisten(struct lat_network *network, void *place)
{
    struct air *air = LAT_CONTAINER(network, struct air, network);
    assert_ptr_equal(place, air);
    air->accept = NULL;
}

static const struct lat_network_class air_class = {.connect = air_connect_to,
                                                   .cancel = air_cancel,
                                                   .listen = air_listen,
                                                   .unlisten = air_unlisten};

static void air_open(struct air *air, struct world *world)
{
    *air = (struct air){.network.class = &air_class, .loop = world->loop};
    lat_timer_init(&air->delay, world->loop, air_due, air);
    lat_loop_set_network(world->loop, &air->network);
}

struct dialled {
    bool over;
    struct probe probe;
    struct lat_err err;
};

static void on_dialled(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    struct dialled *dialled = arg;
    assert_false(dialled->over);
    dialled->over = true;
    if (stream)
        probe_take(&dialled->probe, stream);
    else
        dialled->err = *err;
}

static void on_accepted(void *arg, struct lat_stream *stream)
{
    probe_take(arg, stream);
}

static void on_incoming(void *arg, struct lat_incoming incoming)
{
    *(struct lat_incoming *)arg = incoming;
}

static void close_both(struct world *world, struct probe *a, struct probe *b)
{
    lat_stream_close(a->stream);
    pass_ms(world, 0);
    assert_true(a->closed && b->ended);
    lat_stream_close(b->stream);
    pass_ms(world, 0);
    probe_done(a);
    probe_done(b);
}

static void a_network_of_its_own_connects_a_loop(void **state)
{
    struct world *world = *state;
    struct air air;
    struct lat_listener *listener;
    struct lat_listener *second;
    struct dialled dialled = {0};
    struct probe served = {0};
    struct lat_err err;
    air_open(&air, world);
    assert_int_equal(
        lat_tcp_listen(world->loop, "::", 0, true, on_accepted, &served, &listener, NULL), LAT_OK);
    assert_int_equal(lat_listener_port(listener), 49152);
    assert_int_equal(
        lat_tcp_listen(world->loop, "::", 7, true, on_accepted, &served, &second, &err), LAT_E_IO);
    assert_non_null(lat_tcp_connect(world->loop, "console", 8443, 5000, on_dialled, &dialled));
    pass_ms(world, 999);
    assert_false(dialled.over);
    pass_ms(world, 1);
    assert_true(dialled.over);
    lat_stream_write(dialled.probe.stream, "hello", 5);
    pass_ms(world, 0);
    assert_memory_equal(served.got.bytes, "hello", 5);
    close_both(world, &dialled.probe, &served);
    assert_null(lat_listener_free(listener));
    assert_null(air.accept);
}

static void what_comes_on_such_a_network_is_adopted_or_refused(void **state)
{
    struct world *world = *state;
    struct air air;
    struct lat_listener *listener;
    struct lat_incoming incoming = {0};
    struct lat_stream *stream;
    air_open(&air, world);
    assert_int_equal(
        lat_tcp_listen_incoming(world->loop, "::", 0, on_incoming, &incoming, &listener, NULL),
        LAT_OK);
    for (int refuses = 0; refuses < 2; refuses++) {
        struct dialled dialled = {0};
        struct probe served = {0};
        lat_tcp_connect(world->loop, "console", 8443, 5000, on_dialled, &dialled);
        pass_ms(world, 1000);
        if (refuses) {
            lat_tcp_refuse(incoming);
            pass_ms(world, 0);
            assert_true(dialled.probe.ended);
            probe_finish(world->loop, &dialled.probe);
        } else {
            assert_int_equal(lat_tcp_adopt(world->loop, incoming, &stream, NULL), LAT_OK);
            probe_take(&served, stream);
            close_both(world, &dialled.probe, &served);
        }
    }
    lat_listener_free(listener);
}

static void an_attempt_on_such_a_network_fails_or_is_cancelled(void **state)
{
    struct world *world = *state;
    struct air air;
    struct dialled dialled = {0};
    air_open(&air, world);
    lat_tcp_connect(world->loop, "console", 8443, 5000, on_dialled, &dialled);
    pass_ms(world, 1000);
    assert_true(dialled.over);
    assert_int_equal(dialled.err.code, LAT_E_REFUSED);
    dialled = (struct dialled){0};
    lat_connect_cancel(lat_tcp_connect(world->loop, "console", 8443, 5000, on_dialled, &dialled));
    pass_ms(world, 5000);
    assert_false(dialled.over);
    assert_int_equal(air.cancelled, 1);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(work_runs_in_a_later_turn_on_this_thread_and_in_order),
        T(work_and_its_end_come_when_the_simulation_says),
        T(delays_shorter_than_a_millisecond_keep_their_order),
        T(a_loop_that_is_freed_waits_for_no_clock),
        T(what_waits_for_work_needs_no_clock),
        T(a_loop_that_runs_waits_for_its_work),
        T(a_network_of_its_own_connects_a_loop),
        T(what_comes_on_such_a_network_is_adopted_or_refused),
        T(an_attempt_on_such_a_network_fails_or_is_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
