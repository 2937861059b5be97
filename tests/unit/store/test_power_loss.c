/* Power losses and kills at random points, on a disk that loses what was not synced. A complaint names its seed; lat_power_loss
 * replays it (see tests/bench). */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "ordeal.h"

#include "store/store.h"

enum { POINTS = 50 };

static struct ordeal_result run_points(struct ordeal_options options)
{
    struct ordeal_result sum = {0};

    while (sum.power_losses < POINTS && (options.lies || sum.says[0] == '\0')) {
        ordeal_run(&options, &sum);
        options.seed++;
    }
    return sum;
}

static void expect_nothing_lost(struct ordeal_options options)
{
    static const char *const modes[] = {
        [ORDEAL_POWER] = "",
        [ORDEAL_MIXED] = " --kills",
        [ORDEAL_KILL_THEN_POWER] = " --kill-then-power",
    };
    struct ordeal_result sum = run_points(options);

    if (sum.says[0] != '\0') {
        fail_msg("%s (lat_power_loss --points 1 --lives %d --faults %d%s, and that seed)", sum.says,
                 options.lives, options.faults_in, modes[options.end]);
    }
    assert_int_equal(sum.lost + sum.taken_back + sum.wrong, 0);
    assert_true(sum.acked > POINTS);
    assert_true(options.end == ORDEAL_POWER || sum.kills > 0);
    assert_true(options.faults_in == 0 || sum.faults > sum.power_losses + sum.kills);
}

static void nothing_is_lost_or_taken_back_when_the_power_goes(void **state)
{
    (void)state;
    expect_nothing_lost((struct ordeal_options){.seed = 1, .end = ORDEAL_POWER, .lives = 4});
}

static void what_was_read_after_a_kill_outlives_the_power(void **state)
{
    (void)state;
    expect_nothing_lost(
        (struct ordeal_options){.seed = 1000, .end = ORDEAL_KILL_THEN_POWER, .lives = 6});
}

static void kills_and_power_losses_in_any_order_cost_nothing(void **state)
{
    (void)state;
    expect_nothing_lost((struct ordeal_options){.seed = 1500, .end = ORDEAL_MIXED, .lives = 6});
}

static void nothing_is_lost_when_the_disk_fails_before_the_power_does(void **state)
{
    (void)state;
    expect_nothing_lost(
        (struct ordeal_options){.seed = 2000, .end = ORDEAL_MIXED, .lives = 6, .faults_in = 300});
}

static void the_change_log_is_whole_when_the_power_goes_while_it_is_trimmed(void **state)
{
    struct sim_disk *aged = ordeal_make_disk(LAT_STORE_CHANGES_KEPT + 1000, 1);
    struct ordeal_options options = {.seed = 3000, .base = aged, .end = ORDEAL_MIXED, .lives = 4};
    struct ordeal_result sum = {0};

    (void)state;
    for (int i = 0; i < 3; i++, options.seed++) {
        ordeal_run(&options, &sum);
    }
    sim_disk_free(aged);
    if (sum.says[0] != '\0') {
        fail_msg("%s", sum.says);
    }
    assert_int_equal(sum.lost + sum.taken_back + sum.wrong, 0);
}

/* The account is worth something: with the same points and no syncing, it finds what is lost. */
static void losses_are_found_when_nothing_is_synced(void **state)
{
    struct ordeal_result sum = run_points(
        (struct ordeal_options){.seed = 1, .end = ORDEAL_POWER, .lives = 4, .lies = true});

    (void)state;
    assert_true(sum.lost > 0);
    assert_true(sum.taken_back > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_or_taken_back_when_the_power_goes),
        cmocka_unit_test(what_was_read_after_a_kill_outlives_the_power),
        cmocka_unit_test(kills_and_power_losses_in_any_order_cost_nothing),
        cmocka_unit_test(nothing_is_lost_when_the_disk_fails_before_the_power_does),
        cmocka_unit_test(the_change_log_is_whole_when_the_power_goes_while_it_is_trimmed),
        cmocka_unit_test(losses_are_found_when_nothing_is_synced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
