#include "support.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LOG_MAX = 64 };

/* What happened, as letters. */
struct diary {
    struct lat_loop *loop;
    char text[LOG_MAX];
    size_t len;
    bool done;
};

struct entry {
    struct diary *diary;
    char letter;
    struct lat_timer timer;
};

static void note(struct diary *diary, char letter)
{
    assert_true(diary->len < LOG_MAX - 1);
    diary->text[diary->len++] = letter;
}

static void write_entry(void *arg)
{
    struct entry *entry = arg;
    note(entry->diary, entry->letter);
}

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

static void count_up(void *arg)
{
    ++*(int *)arg;
}

/* ---- deferred calls ---- */

static void defer_again(void *arg)
{
    struct entry *entry = arg;
    note(entry->diary, 'b');
    lat_loop_defer(entry->diary->loop, write_entry, entry);
    note(entry->diary, 'c');
}

static void deferred_calls_run_in_order_and_the_next_turn_takes_new_ones(void **state)
{
    struct diary diary = {.loop = *state};
    struct entry first = {.diary = &diary, .letter = 'a'};
    struct entry second = {.diary = &diary, .letter = 'd'};
    lat_loop_defer(*state, write_entry, &first);
    lat_loop_defer(*state, defer_again, &second);
    assert_string_equal(diary.text, "");
    lat_loop_run(*state); /* ends by itself: nothing is left */
    assert_string_equal(diary.text, "abcd");
}

static void deferred_calls_come_after_all_callbacks_of_the_turn(void **state)
{
    struct diary diary = {.loop = *state};
    struct entry deferred = {.diary = &diary, .letter = 'z'};
    struct entry entries[3];
    lat_loop_defer(*state, write_entry, &deferred);
    for (size_t i = 0; i < LAT_COUNT(entries); i++) {
        entries[i] = (struct entry){.diary = &diary, .letter = (char)('a' + i)};
        lat_timer_init(&entries[i].timer, *state, write_entry, &entries[i]);
        lat_timer_start(&entries[i].timer, 0, 0);
    }
    lat_loop_run(*state);
    assert_string_equal(diary.text, "abcz");
}

static void stop_from_a_deferred_call(void *arg)
{
    struct entry *entry = arg;
    note(entry->diary, 's');
    lat_loop_stop(entry->diary->loop);
}

static void stop_ends_a_loop_that_could_go_on(void **state)
{
    struct diary diary = {.loop = *state};
    struct entry entry = {.diary = &diary};
    int ticks = 0;
    struct lat_timer timer;
    lat_timer_init(&timer, *state, count_up, &ticks);
    lat_timer_start(&timer, 0, 1);
    lat_loop_defer(*state, stop_from_a_deferred_call, &entry);
    lat_loop_run(*state);
    assert_string_equal(diary.text, "s");
    lat_timer_done(&timer);
}

/* ---- timers ---- */

static void timers_fire_by_deadline_then_by_start(void **state)
{
    static const int delays[] = {20, 5, 40, 5, 0, 30, 10};
    struct diary diary = {.loop = *state};
    struct entry entries[LAT_COUNT(delays)];
    for (size_t i = 0; i < LAT_COUNT(delays); i++) {
        entries[i] = (struct entry){.diary = &diary, .letter = (char)('a' + i)};
        lat_timer_init(&entries[i].timer, *state, write_entry, &entries[i]);
        lat_timer_start(&entries[i].timer, delays[i], 0);
        assert_true(lat_timer_running(&entries[i].timer));
    }
    lat_timer_stop(&entries[5].timer);
    lat_timer_start(&entries[0].timer, 1, 0); /* moved to the front */
    assert_false(lat_timer_running(&entries[5].timer));
    lat_loop_run(*state);
    assert_string_equal(diary.text, "eabdgc");
}

static void timers_are_not_early(void **state)
{
    struct lat_timer timer;
    bool fired = false;
    lat_timer_init(&timer, *state, set_true, &fired);
    int64_t before = lat_clock_boot_ns(lat_clock_system());
    lat_timer_start(&timer, 25, 0);
    lat_loop_run(*state);
    int64_t took = lat_clock_boot_ns(lat_clock_system()) - before;
    assert_true(fired);
    assert_true(took >= 25 * 1000000 && took < 1000 * 1000000);
}

struct repeater {
    struct lat_timer timer;
    int left;
};

static void repeat(void *arg)
{
    struct repeater *repeater = arg;
    if (--repeater->left == 0)
        lat_timer_done(&repeater->timer);
}

static void repeating_timers_go_on_until_stopped(void **state)
{
    struct repeater repeater = {.left = 5};
    lat_timer_init(&repeater.timer, *state, repeat, &repeater);
    lat_timer_start(&repeater.timer, 1, 2);
    lat_loop_run(*state);
    assert_int_equal(repeater.left, 0);
    lat_timer_done(&(struct lat_timer){0});
}

static void restart_now(void *arg)
{
    struct repeater *repeater = arg;
    if (--repeater->left)
        lat_timer_start(&repeater->timer, 0, 0);
}

static void a_timer_that_restarts_itself_at_once_does_not_starve_the_loop(void **state)
{
    struct repeater repeater = {.left = 50};
    bool other = false;
    lat_timer_init(&repeater.timer, *state, restart_now, &repeater);
    lat_timer_start(&repeater.timer, 0, 0);
    lat_loop_defer(*state, set_true, &other);
    assert_true(lat_loop_turn(*state));
    assert_true(other);
    assert_true(repeater.left > 45);
    lat_loop_run(*state);
    assert_int_equal(repeater.left, 0);
}

static void ten_thousand_timers_keep_their_order(void **state)
{
    enum { COUNT = 10000 };
    struct lat_timer *timers = lat_alloc_array(COUNT, sizeof(*timers));
    int fired = 0;
    for (int i = 0; i < COUNT; i++) {
        lat_timer_init(&timers[i], *state, count_up, &fired);
        lat_timer_start(&timers[i], i * 7919 % 50, 0);
    }
    for (int i = 0; i < COUNT; i += 2)
        lat_timer_start(&timers[i], i % 30, 0);
    for (int i = 0; i < COUNT; i += 5)
        lat_timer_done(&timers[i]);
    lat_loop_run(*state);
    assert_int_equal(fired, COUNT - COUNT / 5);
    free(timers);
}

/* ---- simulated time ---- */

static int64_t fake_wall_ms(void *arg)
{
    return *(int64_t *)arg;
}

static int64_t fake_boot_ns(void *arg)
{
    return *(int64_t *)arg * 1000000;
}

static void timers_follow_a_simulated_clock(void **state)
{
    (void)state;
    int64_t now_ms = 1000;
    struct lat_clock clock = {.wall_ms = fake_wall_ms, .boot_ns = fake_boot_ns, .arg = &now_ms};
    struct lat_loop *loop = lat_loop_new(&clock);
    struct lat_timer hour;
    int fired = 0;
    assert_int_equal(lat_loop_next_ms(loop), -1);
    lat_timer_init(&hour, loop, count_up, &fired);
    lat_timer_start(&hour, 3600000, 3600000);
    assert_int_equal(lat_loop_next_ms(loop), 3600000);
    assert_false(lat_loop_turn(loop));
    assert_int_equal(fired, 0);
    now_ms += lat_loop_next_ms(loop) - 1;
    lat_loop_turn(loop);
    assert_int_equal(fired, 0);
    now_ms += 1;
    lat_loop_turn(loop);
    assert_int_equal(fired, 1);
    now_ms += 3600000 * 5 / 2; /* late by more than one period: once, and the beat is kept */
    lat_loop_turn(loop);
    assert_int_equal(fired, 2);
    assert_int_equal(lat_loop_next_ms(loop), 1800000);
    lat_timer_done(&hour);
    lat_loop_free(loop);
}

/* ---- the rest ---- */

static void run_until_gives_up_in_time(void **state)
{
    bool never = false;
    int64_t before = lat_clock_boot_ms(lat_clock_system());
    assert_false(lat_loop_run_until(*state, &never, 20));
    int64_t took = lat_clock_boot_ms(lat_clock_system()) - before;
    assert_true(took >= 19 && took < 2000);
}

static void run_until_gives_up_though_its_time_is_over_before_it_waits(void **state)
{
    struct lat_loop *loop = *state;
    bool never = false;

    lat_loop_hold(loop); /* there is something to wait for that never comes */
    for (int i = 0; i < 20; i++) {
        assert_false(lat_loop_run_until(loop, &never, 0));
    }
    lat_loop_release(loop);
}

static void a_signal_calls_back(void **state)
{
    struct lat_signal *signal;
    struct lat_err err;
    bool came = false;
    assert_int_equal(lat_signal_new(*state, SIGUSR1, set_true, &came, &signal, &err), LAT_OK);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    run_until(*state, &came);
    assert_null(lat_signal_free(signal));
    assert_null(lat_signal_free(NULL));
}

static void an_idle_loop_does_not_spin(void **state)
{
    struct rusage before;
    struct rusage after;
    lat_loop_defer(*state, count_up, &(int){0});
    getrusage(RUSAGE_SELF, &before);
    run_for(*state, 200);
    getrusage(RUSAGE_SELF, &after);
    int64_t used_us = (after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec -
                       before.ru_stime.tv_sec) *
                          1000000LL +
                      (after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec -
                       before.ru_stime.tv_usec);
    assert_true(used_us < 50000);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, test_loop_setup, test_loop_teardown)
    const struct CMUnitTest tests[] = {
        T(deferred_calls_run_in_order_and_the_next_turn_takes_new_ones),
        T(deferred_calls_come_after_all_callbacks_of_the_turn),
        T(stop_ends_a_loop_that_could_go_on),
        T(timers_fire_by_deadline_then_by_start),
        T(timers_are_not_early),
        T(repeating_timers_go_on_until_stopped),
        T(a_timer_that_restarts_itself_at_once_does_not_starve_the_loop),
        T(ten_thousand_timers_keep_their_order),
        cmocka_unit_test(timers_follow_a_simulated_clock),
        T(run_until_gives_up_in_time),
        T(run_until_gives_up_though_its_time_is_over_before_it_waits),
        T(a_signal_calls_back),
        T(an_idle_loop_does_not_spin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
