/* A disk that fails at every place where it can, and then works again: nothing is lost, and the store goes on by itself. After
 * each fault comes a loss of power, which shows what was not as safe as the store took it for. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "ordeal.h"

#include <inttypes.h>

static void run(const struct sim_disk *base, uint64_t seed, struct ordeal_fault fault,
                struct ordeal_result *sum)
{
    const struct ordeal_options options = {.seed = seed, .base = base};
    const struct sim_disk_fault *rule = &fault.rule;

    ordeal_run_fault(&options, &fault, sum);
    if (sum->says[0] != '\0') {
        fail_msg("{.call = %d, .effect = %d, .at = %" PRIu64 ", .count = %" PRIu64
                 "}, room %" PRId64 ": %s",
                 (int)rule->call, (int)rule->effect, rule->at, rule->count, fault.room, sum->says);
    }
    assert_int_equal(sum->lost + sum->taken_back + sum->wrong, 0);
}

/* ---- a short run, from the first start on: every change in turn ---- */

static void each_change_fails(enum sim_disk_effect effect, uint64_t count, uint64_t stride)
{
    struct ordeal_result sum = {0};

    run(NULL, 1, (struct ordeal_fault){0}, &sum); /* how many there are */
    uint64_t changes = sum.changes;

    assert_int_equal(sum.faults, 0);
    assert_true(changes > 100);
    for (uint64_t at = 1; at <= changes; at += stride) {
        run(NULL, 1,
            (struct ordeal_fault){
                .rule = {.call = SIM_DISK_CHANGE, .effect = effect, .at = at, .count = count}},
            &sum);
    }
    assert_true(sum.faults >= changes / stride);
}

static void each_change_that_fails_once_costs_nothing(void **state)
{
    (void)state;
    each_change_fails(SIM_DISK_EIO, 1, 1);
}

static void each_change_whose_answer_is_lost_costs_nothing(void **state)
{
    (void)state;
    each_change_fails(SIM_DISK_EIO_AFTER, 1, 3);
}

static void each_change_that_finds_no_space_costs_nothing(void **state)
{
    (void)state;
    each_change_fails(SIM_DISK_SHORT, 1, 3);
}

static void each_three_changes_that_fail_in_turn_cost_nothing(void **state)
{
    (void)state;
    each_change_fails(SIM_DISK_ENOSPC, 3, 4);
}

/* ---- a store whose log is about to be copied into the database ---- */

static void faults_while_the_log_is_copied_cost_nothing(void **state)
{
    struct sim_disk *base = ordeal_make_disk(1500, 1400);
    static const char *const files[] = {".db", "-wal"};
    struct ordeal_result sum = {0};

    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        run(base, seed,
            (struct ordeal_fault){
                .rule = {.call = SIM_DISK_CHANGE,
                         .effect = (enum sim_disk_effect)(seed % (SIM_DISK_SHORT + 1)),
                         .at = 1 + seed * 4,
                         .count = 1 + seed % 3,
                         .suffix = files[seed % 2]}},
            &sum);
    }
    sim_disk_free(base);
    assert_true(sum.faults > 30);
}

/* ---- faults that last ---- */

static void a_disk_that_fails_until_it_is_mended_costs_nothing(void **state)
{
    static const enum sim_disk_call calls[] = {SIM_DISK_WRITE, SIM_DISK_SYNC, SIM_DISK_TRUNCATE,
                                               SIM_DISK_CHANGE, SIM_DISK_READ};
    struct ordeal_result sum = {0};

    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        run(NULL, seed,
            (struct ordeal_fault){.rule = {.call = calls[seed % 5],
                                           .effect = seed % 2 == 0 ? SIM_DISK_EIO : SIM_DISK_ENOSPC,
                                           .at = 20 + seed * 4,
                                           .count = seed % 7 * 10}},
            &sum);
    }
    assert_true(sum.faults > 0);
}

static void a_full_disk_costs_nothing_and_is_written_again_when_there_is_room(void **state)
{
    struct ordeal_result sum = {0};

    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        run(NULL, seed, (struct ordeal_fault){.room = 1 + (int64_t)(seed * seed * 97)}, &sum);
    }
    assert_true(sum.acked > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_change_that_fails_once_costs_nothing),
        cmocka_unit_test(each_change_whose_answer_is_lost_costs_nothing),
        cmocka_unit_test(each_change_that_finds_no_space_costs_nothing),
        cmocka_unit_test(each_three_changes_that_fail_in_turn_cost_nothing),
        cmocka_unit_test(faults_while_the_log_is_copied_cost_nothing),
        cmocka_unit_test(a_disk_that_fails_until_it_is_mended_costs_nothing),
        cmocka_unit_test(a_full_disk_costs_nothing_and_is_written_again_when_there_is_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
