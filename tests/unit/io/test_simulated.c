/* A loop in simulated time: workers without threads. */
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
