#include "support.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, MESSAGES = 100000 };

/* Four threads post numbers; the loop checks that each thread's come in order. */
struct counter {
    struct lat_loop *loop;
    int next[THREADS];
    int total;
    bool all;
};

struct message {
    struct counter *counter;
    int thread;
    int number;
};

struct poster {
    struct counter *counter;
    int thread;
    int64_t refused;
};

static void take(void *arg)
{
    struct message *message = arg;
    struct counter *counter = message->counter;
    assert_true(lat_loop_is_current(counter->loop));
    assert_int_equal(message->number, counter->next[message->thread]);
    counter->next[message->thread]++;
    counter->all = ++counter->total == THREADS * MESSAGES;
    free(message);
}

static void post_all(void *arg)
{
    struct poster *poster = arg;
    for (int i = 0; i < MESSAGES; i++) {
        struct message *message = LAT_NEW(struct message);
        *message =
            (struct message){.counter = poster->counter, .thread = poster->thread, .number = i};
        while (lat_loop_post(poster->counter->loop, take, message) == LAT_E_BUSY) {
            poster->refused++;
            sched_yield();
        }
    }
}

static void posts_from_four_threads_keep_their_order(void **state)
{
    struct counter counter = {.loop = *state};
    struct poster posters[THREADS];
    struct lat_thread *threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){.counter = &counter, .thread = i};
        threads[i] = lat_thread_start("poster", post_all, &posters[i]);
    }
    run_until(*state, &counter.all);
    for (int i = 0; i < THREADS; i++)
        assert_null(lat_thread_join(threads[i]));
    assert_int_equal(counter.total, THREADS * MESSAGES);
}

static void count_up(void *arg)
{
    ++*(int *)arg;
}

static void the_queue_is_bounded_and_some_may_pass(void **state)
{
    int count = 0;
    for (int i = 0; i < LAT_LOOP_QUEUE_MAX; i++)
        assert_int_equal(lat_loop_post(*state, count_up, &count), LAT_OK);
    assert_int_equal(lat_loop_post(*state, count_up, &count), LAT_E_BUSY);
    lat_loop_post_always(*state, count_up, &count);
    assert_int_equal(count, 0);
    run_for(*state, 1);
    assert_int_equal(count, LAT_LOOP_QUEUE_MAX + 1);
    assert_int_equal(lat_loop_post(*state, count_up, &count), LAT_OK);
    run_for(*state, 1);
    assert_int_equal(count, LAT_LOOP_QUEUE_MAX + 2);
}

static void what_was_posted_runs_before_a_loop_is_freed(void **state)
{
    (void)state;
    int count = 0;
    struct lat_loop *loop = lat_loop_new(lat_clock_system());
    assert_int_equal(lat_loop_post(loop, count_up, &count), LAT_OK);
    lat_loop_free(loop);
    assert_int_equal(count, 1);
}

/* A loop on a thread of its own, held until it is told to stop. */
struct server {
    struct lat_loop *loop;
    int64_t served;
    pthread_t thread;
};

static void serve(void *arg)
{
    struct server *server = arg;
    server->thread = pthread_self();
    lat_loop_run(server->loop);
}

static void serve_one(void *arg)
{
    struct server *server = arg;
    assert_true(pthread_equal(server->thread, pthread_self()));
    server->served++;
}

static void stop_serving(void *arg)
{
    struct server *server = arg;
    lat_loop_release(server->loop);
}

/* Two threads post to a loop, which goes as soon as both posts have run: they may still be about to return from them. */
struct parting {
    struct lat_loop *loop;
    int count;
    bool both;
};

static void part(void *arg)
{
    struct parting *parting = arg;
    parting->both = ++parting->count == 2;
}

static void *post_and_part(void *arg)
{
    struct parting *parting = arg;
    lat_loop_post_always(parting->loop, part, parting);
    return NULL;
}

static void a_loop_is_freed_under_nobody_who_has_posted(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        struct parting parting = {.loop = lat_loop_new(lat_clock_system())};
        pthread_t threads[2];
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, post_and_part, &parting), 0);
        run_until(parting.loop, &parting.both);
        lat_loop_free(parting.loop);
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

static void a_held_loop_waits_for_posts(void **state)
{
    (void)state;
    struct server server = {.loop = lat_loop_new(lat_clock_system())};
    lat_loop_hold(server.loop);
    struct lat_thread *thread = lat_thread_start("server", serve, &server);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(lat_loop_post(server.loop, serve_one, &server), LAT_OK);
    lat_loop_post_always(server.loop, stop_serving, &server);
    lat_thread_join(thread);
    assert_int_equal(server.served, 1000);
    lat_loop_free(server.loop);
}

static void note_name(void *arg)
{
    assert_int_equal(pthread_getname_np(pthread_self(), arg, 16), 0);
}

static void a_thread_has_its_name_however_soon_it_ends(void **state)
{
    (void)state;
    for (int round = 0; round < 500; round++) {
        char name[16] = "";
        lat_thread_join(lat_thread_start("fifteen letters", note_name, name));
        assert_string_equal(name, "fifteen letters");
    }
}

/* ---- workers ---- */

struct job {
    struct jobs *jobs;
    int value;
};

struct jobs {
    struct lat_loop *loop;
    pthread_mutex_t lock;
    int running;
    int most;
    int done;
    bool all;
    struct job items[32];
};

static void work(void *arg)
{
    struct job *job = arg;
    struct jobs *jobs = job->jobs;
    pthread_mutex_lock(&jobs->lock);
    if (++jobs->running > jobs->most)
        jobs->most = jobs->running;
    pthread_mutex_unlock(&jobs->lock);
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    job->value *= 2;
    pthread_mutex_lock(&jobs->lock);
    jobs->running--;
    pthread_mutex_unlock(&jobs->lock);
}

static void work_done(void *arg)
{
    struct job *job = arg;
    struct jobs *jobs = job->jobs;
    assert_true(lat_loop_is_current(jobs->loop));
    assert_int_equal(job->value, 2 * (int)(job - jobs->items));
    jobs->all = ++jobs->done == (int)LAT_COUNT(jobs->items);
}

static void work_runs_elsewhere_and_ends_on_the_loop(void **state)
{
    struct jobs jobs = {.loop = *state, .lock = PTHREAD_MUTEX_INITIALIZER};
    for (int i = 0; i < (int)LAT_COUNT(jobs.items); i++) {
        jobs.items[i] = (struct job){.jobs = &jobs, .value = i};
        lat_work(*state, work, work_done, &jobs.items[i]);
    }
    run_until(*state, &jobs.all);
    assert_true(jobs.most >= 2 && jobs.most <= LAT_WORKERS);
}

static void slow_work_leaves_workers_free(void **state)
{
    struct jobs jobs = {.loop = *state, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct jobs quick = {.loop = *state, .lock = PTHREAD_MUTEX_INITIALIZER};
    for (int i = 0; i < (int)LAT_COUNT(jobs.items); i++) {
        jobs.items[i] = (struct job){.jobs = &jobs, .value = i};
        quick.items[i] = (struct job){.jobs = &quick, .value = i};
        lat_work_slow(*state, work, work_done, &jobs.items[i]);
    }
    for (int i = 0; i < (int)LAT_COUNT(quick.items); i++)
        lat_work(*state, work, work_done, &quick.items[i]);
    run_until(*state, &quick.all);
    assert_false(jobs.all);
    run_until(*state, &jobs.all);
    assert_int_equal(jobs.most, LAT_WORKERS_SLOW);
}

static void a_loop_waits_for_its_work_before_it_is_freed(void **state)
{
    (void)state;
    struct jobs jobs = {.loop = lat_loop_new(lat_clock_system()),
                        .lock = PTHREAD_MUTEX_INITIALIZER};
    for (int i = 0; i < (int)LAT_COUNT(jobs.items); i++) {
        jobs.items[i] = (struct job){.jobs = &jobs, .value = i};
        lat_work_slow(jobs.loop, work, work_done, &jobs.items[i]);
    }
    lat_loop_free(jobs.loop);
    assert_true(jobs.all);
}

/* ---- two loops ---- */

struct handed {
    struct server server;
    struct lat_incoming incoming;
    struct probe probe;
};

static void adopt_and_echo(void *arg)
{
    struct handed *handed = arg;
    struct lat_stream *stream;
    assert_int_equal(lat_tcp_adopt(handed->server.loop, handed->incoming, &stream, NULL), LAT_OK);
    handed->probe.end_on_end = true;
    probe_take(&handed->probe, stream);
    lat_stream_write(stream, "welcome", 7);
}

static void pass_on(void *arg, struct lat_incoming incoming)
{
    struct handed *handed = arg;
    handed->incoming = incoming;
    assert_int_equal(lat_loop_post(handed->server.loop, adopt_and_echo, handed), LAT_OK);
    lat_loop_post_always(handed->server.loop, stop_serving, &handed->server);
}

static void on_connect(void *arg, struct lat_stream *stream, const struct lat_err *err)
{
    assert_null(err);
    probe_take(arg, stream);
}

static void a_connection_can_be_handed_to_another_loop(void **state)
{
    struct handed handed = {.server = {.loop = lat_loop_new(lat_clock_system())}};
    struct probe client = {0};
    struct lat_listener *listener;
    lat_loop_hold(handed.server.loop);
    struct lat_thread *thread = lat_thread_start("server", serve, &handed.server);
    assert_int_equal(
        lat_tcp_listen_incoming(*state, "127.0.0.1", 0, pass_on, &handed, &listener, NULL), LAT_OK);
    lat_tcp_connect(*state, "127.0.0.1", lat_listener_port(listener), 5000, on_connect, &client);
    while (client.got.len < 7)
        run_for(*state, 1);
    lat_stream_end(client.stream);
    run_until(*state, &client.closed);
    lat_thread_join(thread);
    assert_int_equal(handed.probe.closes, 1);
    assert_memory_equal(client.got.bytes, "welcome", 7);
    lat_listener_free(listener);
    lat_loop_free(handed.server.loop);
    probe_done(&client);
    probe_done(&handed.probe);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, test_loop_setup, test_loop_teardown)
    const struct CMUnitTest tests[] = {
        T(posts_from_four_threads_keep_their_order),
        T(the_queue_is_bounded_and_some_may_pass),
        cmocka_unit_test(what_was_posted_runs_before_a_loop_is_freed),
        cmocka_unit_test(a_loop_is_freed_under_nobody_who_has_posted),
        cmocka_unit_test(a_held_loop_waits_for_posts),
        cmocka_unit_test(a_thread_has_its_name_however_soon_it_ends),
        T(work_runs_elsewhere_and_ends_on_the_loop),
        T(slow_work_leaves_workers_free),
        cmocka_unit_test(a_loop_waits_for_its_work_before_it_is_freed),
        T(a_connection_can_be_handed_to_another_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
