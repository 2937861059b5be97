/* The steady clock under a scripted one: whatever the system's wall clock does, boot time goes on. */
#include "base/steady.h"

#include "base/mem.h"
#include "base/text.h"
#include "check.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define YEAR (365 * DAY)

static const int64_t birth_ms = INT64_C(1795219462123); /* 2026-11-21 */

/* A machine: `jump_ms` is how far its wall clock is from the truth. */
struct machine {
    int64_t boot_ms, truth_ms, jump_ms;
    struct lat_clock clock;
    struct lat_steady *steady;
};

static int64_t wall_ms(void *arg)
{
    const struct machine *machine = arg;
    return machine->truth_ms + machine->jump_ms;
}

static int64_t boot_ns(void *arg)
{
    return ((const struct machine *)arg)->boot_ms * 1000000;
}

static void start(struct machine *machine, const char *boot_id, const char *saved)
{
    bool damaged;
    machine->clock = (struct lat_clock){.wall_ms = wall_ms, .boot_ns = boot_ns, .arg = machine};
    machine->steady = lat_steady_new(&machine->clock, boot_id, saved, &damaged);
    assert_false(damaged);
}

static struct machine *machine_new(void)
{
    struct machine *machine = LAT_NEW(struct machine);
    machine->truth_ms = birth_ms;
    machine->boot_ms = 5 * MINUTE;
    start(machine, "boot-1", NULL);
    return machine;
}

static void machine_free(struct machine *machine)
{
    lat_steady_free(machine->steady);
    free(machine);
}

static int64_t now(const struct machine *machine)
{
    return lat_clock_wall_ms(lat_steady_clock(machine->steady));
}

static bool is_over(const struct machine *machine, int64_t begun, int64_t ends)
{
    return lat_clock_is_over(lat_steady_clock(machine->steady), begun, ends);
}

/* Time passes; the clock is read each minute, and never goes back. */
static void pass(struct machine *machine, int64_t ms)
{
    int64_t last = now(machine);
    while (ms > 0) {
        int64_t step = ms < MINUTE ? ms : MINUTE;
        machine->boot_ms += step;
        machine->truth_ms += step;
        ms -= step;
        assert_true(now(machine) >= last);
        last = now(machine);
    }
}

/* The process ends and another begins, after `off_ms` without power, in which boot time begins anew where the boot is another. */
static void restart(struct machine *machine, const char *boot_id, int64_t off_ms)
{
    char *saved = lat_steady_save(machine->steady);
    lat_steady_free(machine->steady);
    machine->truth_ms += off_ms;
    machine->boot_ms = lat_text_equal(boot_id, "boot-1") ? machine->boot_ms + off_ms : SECOND;
    start(machine, boot_id, saved);
    free(saved);
}

/* ---- tests ---- */

static void without_jumps_it_is_the_systems_clock(void **state)
{
    struct machine *machine = machine_new();
    (void)state;
    assert_int_equal(now(machine), birth_ms);
    pass(machine, 3 * DAY);
    assert_int_equal(now(machine), machine->truth_ms);
    assert_int_equal(lat_clock_boot_ms(lat_steady_clock(machine->steady)), machine->boot_ms);
    machine_free(machine);
}

static void a_jump_of_a_year_expires_nothing_and_revives_nothing(void **state)
{
    static const int64_t jumps[] = {YEAR, -YEAR, 2 * HOUR, -2 * HOUR, 61 * SECOND, -61 * SECOND};
    (void)state;
    for (size_t i = 0; i < LAT_COUNT(jumps); i++) {
        struct machine *machine = machine_new();
        int64_t dead_until = now(machine);
        pass(machine, HOUR);
        int64_t lives_until = machine->truth_ms + HOUR;
        machine->jump_ms = jumps[i];
        assert_int_equal(now(machine), machine->truth_ms);
        pass(machine, LAT_STEADY_CONFIRM_MS - MINUTE);
        assert_int_equal(now(machine), machine->truth_ms);
        assert_false(is_over(machine, birth_ms, lives_until));
        assert_true(is_over(machine, birth_ms - HOUR, dead_until));
        machine->jump_ms = 0; /* put right again: no trace */
        pass(machine, 30 * MINUTE);
        assert_int_equal(now(machine), machine->truth_ms);
        assert_false(is_over(machine, birth_ms, lives_until));
        pass(machine, 2 * MINUTE);
        assert_true(is_over(machine, birth_ms, lives_until)); /* in its own time */
        machine_free(machine);
    }
}

static void a_jump_that_stands_is_followed(void **state)
{
    static const int64_t jumps[] = {YEAR, -HOUR};
    (void)state;
    for (size_t i = 0; i < LAT_COUNT(jumps); i++) {
        struct machine *machine = machine_new();
        struct lat_steady_view view;
        pass(machine, DAY);
        machine->jump_ms = jumps[i];
        lat_steady_look(machine->steady, &view);
        assert_int_equal(view.gap_ms, jumps[i]);
        assert_int_equal(view.follow_in_ms, LAT_STEADY_CONFIRM_MS);
        pass(machine, LAT_STEADY_CONFIRM_MS - SECOND);
        assert_int_equal(now(machine), machine->truth_ms);
        machine->boot_ms += SECOND;
        machine->truth_ms += SECOND;
        lat_steady_look(machine->steady, &view);
        assert_int_equal(view.gap_ms, 0);
        assert_int_equal(view.steps, 1);
        assert_int_equal(view.stepped_ms, jumps[i]);
        assert_int_equal(now(machine), machine->truth_ms + jumps[i]);
        machine_free(machine);
    }
}

static void jumps_that_do_not_agree_are_never_followed(void **state)
{
    struct machine *machine = machine_new();
    (void)state;
    for (int i = 0; i < 200; i++) {
        machine->jump_ms = (i % 2 ? -1 : 1) * (i + 1) * HOUR;
        pass(machine, 20 * MINUTE);
        assert_int_equal(now(machine), machine->truth_ms);
    }
    machine_free(machine);
}

static void what_was_over_stays_over_when_the_clock_is_put_back(void **state)
{
    struct machine *machine = machine_new();
    int64_t ends = birth_ms + DAY;
    int64_t outlives = birth_ms + 2 * YEAR;
    (void)state;
    machine->jump_ms = YEAR;
    now(machine);
    pass(machine, HOUR);
    assert_true(is_over(machine, birth_ms, ends)); /* the wrong time stood for long enough */
    int64_t begun_in_the_future = now(machine);
    machine->jump_ms = 0;
    now(machine);
    machine->boot_ms += HOUR; /* not read meanwhile; then it is: the step back */
    machine->truth_ms += HOUR;
    assert_int_equal(now(machine), machine->truth_ms);
    assert_true(is_over(machine, birth_ms, ends));
    assert_true(is_over(machine, begun_in_the_future, begun_in_the_future + HOUR));
    assert_false(is_over(machine, birth_ms, outlives));
    assert_false(is_over(machine, now(machine), now(machine) + HOUR)); /* and life goes on */
    restart(machine, "boot-2", MINUTE);
    assert_true(is_over(machine, birth_ms, ends)); /* remembered */
    assert_false(is_over(machine, birth_ms, outlives));
    machine_free(machine);
}

static void a_clock_that_drifts_is_followed_and_never_goes_back(void **state)
{
    static const int64_t drifts_ms[] = {30, -30, 5000, -5000}; /* in a minute */
    (void)state;
    for (size_t i = 0; i < LAT_COUNT(drifts_ms); i++) {
        struct machine *machine = machine_new();
        for (int minute = 0; minute < 1000; minute++) {
            machine->jump_ms += drifts_ms[i];
            pass(machine, MINUTE);
        }
        int64_t off = now(machine) - wall_ms(machine);
        assert_true(off >= 0 && off < 2 * SECOND);
        machine_free(machine);
    }
}

static void a_small_step_back_goes_at_half_speed(void **state)
{
    struct machine *machine = machine_new();
    (void)state;
    machine->jump_ms = -60 * SECOND;
    assert_int_equal(now(machine), birth_ms);
    for (int i = 0; i < 120; i++) { /* read so often that each read sees a millisecond or two */
        for (int ms = 0; ms < 1000; ms++) {
            machine->boot_ms++;
            machine->truth_ms++;
            now(machine);
        }
        assert_in_range(now(machine), birth_ms + (i + 1) * 500 - 1, birth_ms + (i + 1) * 500 + 1);
    }
    assert_int_equal(now(machine), machine->truth_ms - 60 * SECOND);
    machine_free(machine);
}

static void sleep_is_time_like_any_other(void **state)
{
    struct machine *machine = machine_new();
    struct lat_steady_view view;
    (void)state;
    machine->boot_ms += 9 * HOUR; /* the lid was closed: boot time and wall time went on */
    machine->truth_ms += 9 * HOUR;
    lat_steady_look(machine->steady, &view);
    assert_int_equal(view.gap_ms, 0);
    assert_int_equal(now(machine), machine->truth_ms);
    machine_free(machine);
}

static void a_restart_under_a_wrong_clock_changes_nothing(void **state)
{
    struct machine *machine = machine_new();
    (void)state;
    pass(machine, HOUR);
    machine->jump_ms = YEAR;
    restart(machine, "boot-1", 10 * SECOND);
    assert_int_equal(now(machine), machine->truth_ms);
    machine->jump_ms = -YEAR;
    restart(machine, "boot-1", 10 * SECOND);
    assert_int_equal(now(machine), machine->truth_ms);
    machine_free(machine);
}

static void after_another_boot_the_last_time_seen_is_the_least(void **state)
{
    struct machine *machine = machine_new();
    (void)state;
    restart(machine, "boot-2", 12 * HOUR); /* a night without power */
    assert_int_equal(now(machine), machine->truth_ms);
    int64_t seen = now(machine);
    machine->jump_ms = -seen; /* 1970: no battery */
    restart(machine, "boot-3", 12 * HOUR);
    assert_int_equal(now(machine), seen);
    machine->jump_ms = 0; /* the network has told the time */
    pass(machine, 31 * MINUTE);
    pass(machine, MINUTE);
    assert_int_equal(now(machine), machine->truth_ms);
    seen = now(machine);
    machine->jump_ms = YEAR; /* further ahead than a machine is off: not believed at once */
    restart(machine, "boot-4", HOUR);
    assert_int_equal(now(machine), seen);
    machine_free(machine);
}

static void a_boot_without_a_name_is_another_boot(void **state)
{
    struct machine *machine = machine_new();
    (void)state;
    restart(machine, "", 0);
    pass(machine, HOUR);
    machine->jump_ms = 3 * HOUR;
    restart(machine, "", 0);
    assert_int_equal(now(machine), machine->truth_ms + 3 * HOUR);
    machine_free(machine);
}

static void a_first_start_in_1970_begins_at_the_floor(void **state)
{
    struct machine machine = {.truth_ms = 0};
    (void)state;
    start(&machine, "boot-1", NULL);
    assert_int_equal(now(&machine), LAT_STEADY_FLOOR_MS);
    lat_steady_free(machine.steady);
}

static void damaged_texts_count_as_none_and_are_told(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{}",
        "null",
        "{\"wall_ms\":\"x\"}",
        "{\"wall_ms\":1}",
        "{\"wall_ms\":1795219462123,\"boot_ms\":-1}",
        "{\"wall_ms\":9007199254740991}",
        "{\"wall_ms\":1795219462123,\"boot_id\":7}",
        "{\"wall_ms\":1795219462123,\"wall_ms\":1795219462124}",
    };
    struct machine *machine = machine_new();
    char *long_text = lat_alloc(LAT_STEADY_TEXT_MAX + 2);
    (void)state;
    memset(long_text, ' ', LAT_STEADY_TEXT_MAX + 1);
    long_text[LAT_STEADY_TEXT_MAX + 1] = '\0';
    for (size_t i = 0; i <= LAT_COUNT(texts); i++) {
        bool damaged = false;
        struct lat_steady *steady = lat_steady_new(
            &machine->clock, "boot-1", i < LAT_COUNT(texts) ? texts[i] : long_text, &damaged);
        assert_true(damaged);
        assert_int_equal(lat_clock_wall_ms(lat_steady_clock(steady)), birth_ms);
        lat_steady_free(steady);
    }
    free(long_text);
    machine_free(machine);
}

static void *read_often(void *arg)
{
    const struct lat_clock *clock = lat_steady_clock(arg);
    int64_t begun = lat_clock_wall_ms(clock);
    int64_t last = begun;
    for (int i = 0; i < 5000; i++) {
        struct lat_steady_view view;
        int64_t wall = lat_clock_wall_ms(clock);
        if (wall < last || lat_clock_is_over(clock, begun, begun + HOUR))
            return NULL;
        last = wall;
        lat_steady_look(arg, &view);
    }
    return arg;
}

static void any_thread_may_read(void **state)
{
    bool damaged;
    pthread_t threads[4];
    struct lat_steady *steady = lat_steady_new(lat_clock_system(), "", NULL, &damaged);
    (void)state;
    for (size_t i = 0; i < LAT_COUNT(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_often, steady), 0);
    }
    for (size_t i = 0; i < LAT_COUNT(threads); i++) {
        void *went_well = NULL;
        assert_int_equal(pthread_join(threads[i], &went_well), 0);
        assert_non_null(went_well);
    }
    lat_steady_free(steady);
}

static void a_plain_clock_ends_things_by_its_wall_time(void **state)
{
    struct machine *machine = machine_new();
    (void)state;
    assert_false(lat_clock_is_over(&machine->clock, birth_ms, birth_ms + 1));
    assert_true(lat_clock_is_over(&machine->clock, birth_ms, birth_ms));
    machine_free(machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_jumps_it_is_the_systems_clock),
        cmocka_unit_test(a_jump_of_a_year_expires_nothing_and_revives_nothing),
        cmocka_unit_test(a_jump_that_stands_is_followed),
        cmocka_unit_test(jumps_that_do_not_agree_are_never_followed),
        cmocka_unit_test(what_was_over_stays_over_when_the_clock_is_put_back),
        cmocka_unit_test(a_clock_that_drifts_is_followed_and_never_goes_back),
        cmocka_unit_test(a_small_step_back_goes_at_half_speed),
        cmocka_unit_test(sleep_is_time_like_any_other),
        cmocka_unit_test(a_restart_under_a_wrong_clock_changes_nothing),
        cmocka_unit_test(after_another_boot_the_last_time_seen_is_the_least),
        cmocka_unit_test(a_boot_without_a_name_is_another_boot),
        cmocka_unit_test(a_first_start_in_1970_begins_at_the_floor),
        cmocka_unit_test(damaged_texts_count_as_none_and_are_told),
        cmocka_unit_test(any_thread_may_read),
        cmocka_unit_test(a_plain_clock_ends_things_by_its_wall_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
