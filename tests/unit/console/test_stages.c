/* The stages of a console in one thread, on a clock that the test moves: a simulated disk, no network, and no Lua (its children
 * cannot start, so that the built-in policy decides and there are no plugins). */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "console/stages.h"

#include "auth/auth.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/journal.h"
#include "tests/support/disk/disk.h"

#include <stdlib.h>

struct world {
    int64_t now_ns;
    struct lat_clock clock;
    struct lat_loop *loop;
    struct lat_random *random;
    struct lat_metrics *metrics;
    struct sim_disk *disk;
    struct lat_sealer *sealer;
    struct lat_authority *authority;
    struct lat_store *store;
    struct lat_stages *stages;
    bool ready, retired, closed;
    int lua_starts;
};

/* ---- the world ---- */

static int64_t wall_ms(void *arg)
{
    return 1700000000000 + ((struct world *)arg)->now_ns / 1000000;
}

static int64_t boot_ns(void *arg)
{
    return ((struct world *)arg)->now_ns;
}

/* Each half of a piece of work takes 3 ms. */
static int64_t work_ns(void *arg)
{
    (void)arg;
    return 3000000;
}

static void pass_ms(struct world *world, int64_t ms)
{
    int64_t until_ns = world->now_ns + ms * 1000000;

    for (;;) {
        while (lat_loop_turn(world->loop)) {
        }
        int64_t next_ms = lat_loop_next_ms(world->loop);

        if (next_ms < 0 || world->now_ns + next_ms * 1000000 > until_ns) {
            break;
        }
        world->now_ns += next_ms * 1000000;
    }
    world->now_ns = until_ns;
}

static int start_lua(void *arg, enum lat_luahost_kind kind, void *rows,
                     struct lat_stream **ret_stream, struct lat_err *err)
{
    (void)kind;
    (void)rows;
    (void)ret_stream;
    ((struct world *)arg)->lua_starts++;
    return lat_err_set(err, LAT_E_IO, "There is no Lua here.");
}

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

static void open_store(struct world *world)
{
    struct lat_journal *journal;
    struct lat_err err;

    if (lat_journal_open_sqlite("/console/state.db", "stages", &journal, &err) ||
        lat_store_open(world->loop, journal, world->random, world->metrics, &world->store, &err)) {
        fail_msg("%s", err.sentence);
    }
}

static void open_stages(struct world *world)
{
    struct lat_loop *loops[] = {world->loop};
    struct lat_err err;
    struct lat_stages_config config = {
        .loop = world->loop,
        .io_loops = loops,
        .io_loop_count = 1,
        .store = world->store,
        .sealer = world->sealer,
        .authority = world->authority,
        .random = world->random,
        .metrics = world->metrics,
        .lua = {.stderr_fd = -1, .start = start_lua, .start_arg = world},
        .access_token_ms = 60000,
        .node_certificate_ms = 3600000,
        .host = "console",
        .endpoint_host = "0.0.0.0",
        .port_min = 20000,
        .port_max = 20009,
        .version = "0.1",
    };

    world->ready = world->retired = world->closed = false;
    if (lat_stages_open(&config, set_true, &world->ready, &world->stages, &err)) {
        fail_msg("%s", err.sentence);
    }
}

static void close_stages(struct world *world)
{
    lat_stages_retire(world->stages, set_true, &world->retired);
    assert_false(world->retired);
    pass_ms(world, 60000);
    assert_true(world->retired);
    lat_stages_close(world->stages, set_true, &world->closed);
    pass_ms(world, 60000);
    assert_true(world->closed);
    world->stages = lat_stages_free(world->stages);
    world->store = lat_store_close(world->store);
}

static int setup(void **state)
{
    static const uint8_t master[LAT_MASTER_KEY_SIZE] = {7};
    struct world *world = LAT_NEW(struct world);
    char *certificate, *key;

    world->now_ns = 9000000000;
    world->clock = (struct lat_clock){.wall_ms = wall_ms, .boot_ns = boot_ns, .arg = world};
    world->loop = lat_loop_new(&world->clock);
    lat_loop_simulate(world->loop, &(struct lat_loop_sim){.work_ns = work_ns});
    world->random = lat_random_new_seeded(11);
    world->metrics = lat_metrics_new();
    world->disk = sim_disk_new(1);
    sim_disk_put_folder(world->disk, "/console");
    sim_disk_register_vfs(world->disk, "stages");
    world->sealer = lat_sealer_new(master, world->random);
    assert_int_equal(lat_authority_make("Test", &world->clock, &certificate, &key, NULL), 0);
    assert_int_equal(lat_authority_new(certificate, key, &world->clock, &world->authority, NULL),
                     0);
    free(certificate);
    lat_wipe_free(key);
    open_store(world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;

    lat_loop_free(world->loop);
    sim_disk_free(world->disk);
    lat_authority_free(world->authority);
    lat_sealer_free(world->sealer);
    lat_metrics_free(world->metrics);
    lat_random_free(world->random);
    free(world);
    return 0;
}

/* ---- the tests ---- */

static void took_effect(void *arg, const struct lat_err *err)
{
    *(int *)arg = err ? err->code : 0;
}

/* Stages a workload without a type that is known; *ret_code becomes what the disk said. */
static void put_workload(struct world *world, char ret_id[LAT_ID_SIZE], int *ret_code)
{
    struct lat_txn *txn = lat_txn_begin(world->store, "");
    struct lat_project *project = lat_project_new();
    struct lat_workload *workload = lat_workload_new();

    lat_row_set(project->name, "p");
    const struct lat_row *parent = lat_txn_put(txn, &project->row);

    lat_row_set(workload->project_id, parent->id);
    lat_row_set(workload->name, "db");
    lat_row_set(workload->type, "postgres");
    lat_row_set(workload->spec, "{\"count\":1}");
    workload->count = 1;
    lat_text_bound(ret_id, LAT_ID_SIZE, lat_txn_put(txn, &workload->row)->id);
    *ret_code = 1;
    assert_int_equal(lat_txn_commit(txn, took_effect, ret_code, NULL), 0);
}

static void stages_work_in_simulated_time(void **state)
{
    struct world *world = *state;
    char id[LAT_ID_SIZE];
    int code;

    open_stages(world);
    assert_false(world->ready);
    pass_ms(world, 60000);
    assert_true(world->ready);
    assert_true(world->lua_starts > 0);
    put_workload(world, id, &code);
    pass_ms(world, 5);
    assert_int_equal(code, 1);
    pass_ms(world, 1000);
    assert_int_equal(code, 0);
    assert_non_null(lat_store_workload(world->store, id));
    close_stages(world);
}

static void stages_close_while_they_open(void **state)
{
    struct world *world = *state;

    open_stages(world);
    close_stages(world);
    assert_false(world->ready);
    open_store(world);
    open_stages(world);
    pass_ms(world, 50);
    assert_false(world->ready);
    close_stages(world);
    assert_false(world->ready);
}

/* As a process that is killed: its disk is frozen, and then it is closed in the ordinary way. */
static void stages_close_although_the_disk_is_gone(void **state)
{
    struct world *world = *state;
    char id[LAT_ID_SIZE];
    int code;

    for (int at_ms = 0; at_ms <= 12; at_ms++) {
        open_stages(world);
        pass_ms(world, 60000);
        assert_true(world->ready);
        put_workload(world, id, &code);
        pass_ms(world, at_ms);
        sim_disk_kill(world->disk);
        bool acknowledged = code == 0;

        close_stages(world);
        assert_int_not_equal(code, 1);
        sim_disk_start(world->disk);
        open_store(world);
        assert_true(!acknowledged || lat_store_workload(world->store, id));
        void *cursor = NULL;
        const struct lat_workload *workload = lat_store_next_workload(world->store, &cursor);

        if (workload) { /* the name is taken in the next round */
            struct lat_txn *txn = lat_txn_begin(world->store, "");

            lat_txn_remove(txn, LAT_TABLE_PROJECT, workload->project_id);
            lat_txn_remove(txn, LAT_TABLE_WORKLOAD, workload->row.id);
            assert_int_equal(lat_txn_commit(txn, NULL, NULL, NULL), 0);
            pass_ms(world, 1000);
        }
    }
    world->store = lat_store_close(world->store);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(stages_work_in_simulated_time),
        T(stages_close_while_they_open),
        T(stages_close_although_the_disk_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
