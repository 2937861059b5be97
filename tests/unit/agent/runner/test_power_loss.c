/* An agent whose machine loses its power, or whose disk fails, at any change of its journal: what was written is there when it starts
 * again, every file is whole, and the end of the old agent does not hang. */
#include "support.h"

#include "tests/support/disk/disk.h"

#include <stdio.h>

enum { SEEDS = 8, STEPS = 6, CHANGES_MAX = 80 };

static const char *const allocations[] = {ONE, TWO};

struct ordeal {
    struct bed *bed;
    struct sim_disk *disk;
    int64_t safe[2]; /* generation of each while there was power; after a fault, what is kept */
};

static void path_of(const struct ordeal *ordeal, int which, char ret_path[160])
{
    snprintf(ret_path, 160, "%s/allocations/%s.json", ordeal->bed->dir, allocations[which]);
}

/* Generation in the journal, or of what is kept of that; 0: none. */
static int64_t written(const struct ordeal *ordeal, int which, bool kept)
{
    struct lat_buf text = {0};
    char path[160];
    int64_t generation = 0;

    path_of(ordeal, which, path);
    if (kept ? sim_disk_peek_kept(ordeal->disk, path, &text)
             : sim_disk_peek(ordeal->disk, path, &text)) {
        cJSON *json = cJSON_Parse(lat_buf_text(&text));

        assert_non_null(json); /* it is whole */
        generation = lat_json_int(json, "generation", 0);
        cJSON_Delete(json);
    }
    lat_buf_done(&text);
    return generation;
}

static void work_until_it_is_over(struct ordeal *ordeal)
{
    for (int step = 0; step < STEPS * 2 && !sim_disk_is_down(ordeal->disk); step++) {
        assign(ordeal->bed, allocations[step % 2], 1 + step / 2, "running",
               step % 4 < 2 ? WEB : WEB2);
        advance(ordeal->bed, 100);
        for (int which = 0; which < 2 && !sim_disk_is_down(ordeal->disk); which++) {
            ordeal->safe[which] = written(ordeal, which, sim_disk_faults(ordeal->disk) > 0);
        }
    }
}

static void expect_whole(const struct ordeal *ordeal, uint64_t at, uint64_t seed)
{
    size_t there = 0;

    for (int which = 0; which < 2; which++) {
        char path[160];
        int64_t generation = written(ordeal, which, false);

        there += generation > 0;
        if (generation < ordeal->safe[which]) {
            fail_msg("change %d, seed %d: generation %d was written, and now there is %d", (int)at,
                     (int)seed, (int)ordeal->safe[which], (int)generation);
        }
        path_of(ordeal, which, path);
        strcat(path, ".broken");
        assert_false(sim_disk_exists(ordeal->disk, path));
    }
    assert_int_equal(lat_runner_count(ordeal->bed->runner), there);
}

/* One agent on a new disk, until the rule has hit and the power is gone, and the next one. */
static bool live_through(struct bed *bed, enum sim_disk_effect effect, uint64_t at, uint64_t seed)
{
    struct ordeal ordeal = {.bed = bed, .disk = sim_disk_new(seed)};

    agent_stop(bed);
    sim_disk_put_folder(ordeal.disk, bed->dir);
    bed->disk = sim_disk_small_files(ordeal.disk);
    agent_start(bed);
    agent_give_driver(bed);
    advance(bed, 0);
    bed->count = 0;
    sim_disk_fail(
        ordeal.disk,
        &(struct sim_disk_fault){.call = SIM_DISK_CHANGE, .effect = effect, .at = at, .count = 1});
    work_until_it_is_over(&ordeal);
    bool was_hit = sim_disk_faults(ordeal.disk) > 0;

    sim_disk_cut(ordeal.disk);
    agent_stop(bed);
    sim_disk_heal(ordeal.disk);
    sim_disk_start(ordeal.disk);
    agent_start(bed);
    expect_whole(&ordeal, at, seed);
    agent_give_driver(bed);
    advance(bed, 0);
    agent_stop(bed);
    bed->disk = NULL;
    agent_start(bed);
    agent_give_driver(bed);
    sim_disk_free(ordeal.disk);
    return was_hit;
}

static void what_is_in_the_journal_outlives_the_power(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t at = 1;

        while (live_through(*state, SIM_DISK_POWER, at, seed)) {
            assert_true(at++ < CHANGES_MAX);
        }
        assert_true(at > STEPS);
    }
}

static void what_is_in_the_journal_outlives_a_disk_that_fails_once(void **state)
{
    for (uint64_t at = 1; at < CHANGES_MAX; at++) {
        for (enum sim_disk_effect effect = SIM_DISK_EIO; effect <= SIM_DISK_SHORT; effect++) {
            live_through(*state, effect, at, at);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_in_the_journal_outlives_the_power, bed_open,
                                        bed_close),
        cmocka_unit_test_setup_teardown(what_is_in_the_journal_outlives_a_disk_that_fails_once,
                                        bed_open, bed_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
