#include "ordeal.h"

#include "account.h"

#include "store/internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH "/data/state.db"

enum {
    WRITERS = 6,
    STEPS_MAX = 1500,       /* of a life: turns of the loop with time between them */
    READ_STEPS = 20,        /* of one that only reads */
    IDLE_STEPS_MAX = 20000, /* until a store that is to be closed has nothing in hand */
    CUT_BITS = 13,          /* a life ends within its first 2^CUT_BITS changes of the disk */
    FAULT_STEPS = 15,       /* of writing while a fault may come */
    HEAL_MS = 60000,        /* simulated, until a store has to take writes again */
    OPENINGS_MAX = 5,       /* until a store is open; before the last one the disk is mended */
    PAST_ROWS = 512,        /* of a transaction of the past */
};

struct ordeal;

struct writer {
    struct ordeal *ordeal;
    size_t txn;
    bool is_waiting;
};

struct ordeal {
    const struct ordeal_options *options;
    struct ordeal_result *result;
    struct lat_random *random;
    struct sim_disk *disk;
    char vfs[40];
    int64_t now_ns;
    struct lat_clock clock;
    struct account *account;
    struct lat_loop *loop; /* of the present life, like what follows */
    struct lat_store *store;
    struct lat_watcher *watcher; /* ends with the store */
    struct writer writers[WRITERS];
};

/* ---- time ---- */

static int64_t wall_ms(void *arg)
{
    return 1700000000000 + ((const struct ordeal *)arg)->now_ns / 1000000;
}

static int64_t boot_ns(void *arg)
{
    return ((const struct ordeal *)arg)->now_ns;
}

static int64_t work_ns(void *arg)
{
    return (int64_t)lat_random_below(((struct ordeal *)arg)->random, 3000000);
}

static void step(struct ordeal *ordeal)
{
    while (lat_loop_turn(ordeal->loop)) {
    }
    int64_t next_ms = lat_loop_next_ms(ordeal->loop);

    ordeal->now_ns += next_ms < 0 || next_ms > 5 ? 1000000 : next_ms * 1000000;
}

/* ---- the disk, looked at by SQLite alone ---- */

static const char *const opening =
    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA temp_store = MEMORY";

/* On a copy, so that what the store will find is not touched. */
static void check_integrity(struct ordeal *ordeal)
{
    struct sim_disk *copy = sim_disk_copy(ordeal->disk, 1);
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    char vfs[48];

    snprintf(vfs, sizeof(vfs), "copy-of-%s", ordeal->vfs);
    sim_disk_register_vfs(copy, vfs);
    bool is_sound =
        sqlite3_open_v2(PATH, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs) == SQLITE_OK &&
        sqlite3_exec(db, opening, NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW &&
        strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;

    if (!is_sound) {
        account_complain(ordeal->account, &ordeal->result->wrong, 1, "the database is damaged: %s",
                         statement == NULL ? sqlite3_errmsg(db)
                                           : (const char *)sqlite3_column_text(statement, 0));
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
    sim_disk_free(copy);
}

/* ---- writers ---- */

static void on_answer(void *arg, const struct lat_err *err)
{
    struct writer *writer = arg;

    writer->is_waiting = false;
    account_answer(writer->ordeal->account, writer->txn, err);
}

static void write_some(struct ordeal *ordeal)
{
    for (size_t i = 0; i < WRITERS; i++) {
        struct writer *writer = &ordeal->writers[i];
        char request[32];
        struct lat_err err;

        if (writer->is_waiting || lat_random_below(ordeal->random, 3) != 0) {
            continue;
        }
        account_next_request(ordeal->account, request, sizeof(request));
        struct lat_txn *txn = lat_txn_begin(ordeal->store, request);

        writer->txn = account_write(ordeal->account, txn, ordeal->random);
        writer->is_waiting = true;
        if (lat_txn_commit(txn, on_answer, writer, &err) != 0) {
            on_answer(writer, &err);
        }
    }
}

static void on_change(void *arg, const struct lat_change *change)
{
    const struct ordeal *ordeal = arg;

    account_see(ordeal->account, ordeal->store, change);
}

/* ---- lives ---- */

/* Opens the store as a console does; false when that failed. */
static bool begin_life(struct ordeal *ordeal, struct lat_err *err)
{
    const struct lat_loop_sim sim = {.work_ns = work_ns, .arg = ordeal};
    struct lat_journal *journal;

    memset(ordeal->writers, 0, sizeof(ordeal->writers));
    for (size_t i = 0; i < WRITERS; i++) {
        ordeal->writers[i].ordeal = ordeal;
    }
    ordeal->loop = lat_loop_new(&ordeal->clock);
    lat_loop_simulate(ordeal->loop, &sim);
    if (lat_journal_open_sqlite(PATH, ordeal->vfs, &journal, err) != 0 ||
        lat_store_open(ordeal->loop, journal, ordeal->random, NULL, &ordeal->store, err) != 0) {
        ordeal->store = NULL;
        return false;
    }
    account_check(ordeal->account, ordeal->store);
    ordeal->watcher = lat_store_watch(ordeal->store, UINT32_MAX, on_change, ordeal);
    return true;
}

/* Runs until the store has nothing in hand. */
static void idle(struct ordeal *ordeal)
{
    const struct lat_store *store = ordeal->store;

    for (int i = 0; store->is_working || store->gathering || store->is_armed; i++) {
        LAT_ASSERT(i < IDLE_STEPS_MAX); /* it hangs */
        step(ordeal);
    }
}

/* Closes the store, if there is one, in whatever state its disk is. */
static void end_life(struct ordeal *ordeal)
{
    if (ordeal->store != NULL) {
        idle(ordeal);
    }
    ordeal->store = lat_store_close(ordeal->store);
    ordeal->loop = lat_loop_free(ordeal->loop);
}

static uint64_t some_change(struct lat_random *random)
{
    return 1 + lat_random_below(random, 1U << (1 + lat_random_below(random, CUT_BITS)));
}

/* How a life shall end, and how long it may last. */
static void plan_end(struct ordeal *ordeal, int number, size_t *ret_steps, bool *ret_only_reads)
{
    struct lat_random *random = ordeal->random;
    enum ordeal_end end = ordeal->options->end;
    struct sim_disk_fault rule = {.call = SIM_DISK_CHANGE, .effect = SIM_DISK_POWER};

    *ret_steps = STEPS_MAX;
    *ret_only_reads = false;
    rule.at = some_change(random);
    if (end == ORDEAL_MIXED) {
        rule.effect = lat_random_below(random, 2) == 0 ? SIM_DISK_POWER : SIM_DISK_KILL;
        *ret_only_reads = lat_random_below(random, 4) == 0;
        *ret_steps =
            lat_random_below(random, 4) == 0 ? lat_random_below(random, STEPS_MAX) : STEPS_MAX;
    } else if (end == ORDEAL_KILL_THEN_POWER && number % 2 == 0) {
        rule = (struct sim_disk_fault){.call = SIM_DISK_SYNC,
                                       .effect = SIM_DISK_KILL,
                                       .suffix = "-wal",
                                       .at = 2 + lat_random_below(random, 20)};
    } else if (end == ORDEAL_KILL_THEN_POWER) {
        *ret_only_reads = true;
    }
    if (*ret_only_reads) {
        *ret_steps = READ_STEPS;
    }
    sim_disk_fail(ordeal->disk, &rule);
    if (ordeal->options->faults_in > 0) {
        enum sim_disk_effect effect = lat_random_below(random, SIM_DISK_SHORT + 1);

        sim_disk_fail(ordeal->disk,
                      &(struct sim_disk_fault){.call = SIM_DISK_CHANGE,
                                               .effect = effect,
                                               .one_in = (uint64_t)ordeal->options->faults_in});
    }
}

static void run_life(struct ordeal *ordeal, int number)
{
    uint64_t faults = sim_disk_faults(ordeal->disk);
    uint64_t cuts = sim_disk_cuts(ordeal->disk);
    size_t steps;
    bool only_reads;
    struct lat_err err;

    if (lat_random_below(ordeal->random, 3) == 0) {
        check_integrity(ordeal);
    }
    plan_end(ordeal, number, &steps, &only_reads);
    if (begin_life(ordeal, &err)) {
        for (size_t i = 0; i < steps && !sim_disk_is_down(ordeal->disk); i++) {
            if (!only_reads) {
                write_some(ordeal);
            }
            step(ordeal);
        }
    } else if (sim_disk_faults(ordeal->disk) == faults) {
        account_lose_all(ordeal->account, err.sentence);
    }
    sim_disk_heal(ordeal->disk);
    if (!sim_disk_is_down(ordeal->disk)) {
        sim_disk_cut(ordeal->disk);
    }
    end_life(ordeal);
    cuts = sim_disk_cuts(ordeal->disk) - cuts;
    ordeal->result->power_losses += cuts;
    ordeal->result->kills += cuts == 0;
    sim_disk_start(ordeal->disk);
}

/* ---- ordeals ---- */

static void begin(struct ordeal *ordeal, const struct ordeal_options *options,
                  struct ordeal_result *result)
{
    *ordeal = (struct ordeal){.options = options, .result = result};
    ordeal->clock = (struct lat_clock){.wall_ms = wall_ms, .boot_ns = boot_ns, .arg = ordeal};
    ordeal->random = lat_random_new_seeded(options->seed);
    ordeal->disk = options->base != NULL ? sim_disk_copy(options->base, options->seed)
                                         : sim_disk_new(options->seed);
    sim_disk_put_folder(ordeal->disk, "/data");
    sim_disk_set_lying(ordeal->disk, options->lies);
    snprintf(ordeal->vfs, sizeof(ordeal->vfs), "ordeal-%p", (void *)ordeal);
    sim_disk_register_vfs(ordeal->disk, ordeal->vfs);
    ordeal->account = account_new(result, options->seed);
}

static void end(struct ordeal *ordeal)
{
    ordeal->result->acked += account_acked(ordeal->account);
    ordeal->result->faults += sim_disk_faults(ordeal->disk);
    account_free(ordeal->account);
    sim_disk_free(ordeal->disk);
    lat_random_free(ordeal->random);
}

/* Nothing befalls the last life: everything has to be there. */
static void finish(struct ordeal *ordeal)
{
    struct lat_err err;

    check_integrity(ordeal);
    if (!begin_life(ordeal, &err)) {
        account_lose_all(ordeal->account, err.sentence);
    }
    end_life(ordeal);
    check_integrity(ordeal);
}

void ordeal_run(const struct ordeal_options *options, struct ordeal_result *sum)
{
    struct ordeal ordeal;
    uint64_t before = sum->lost + sum->taken_back + sum->wrong;
    int life = 0;

    begin(&ordeal, options, sum);
    while (life < options->lives && sum->lost + sum->taken_back + sum->wrong == before) {
        run_life(&ordeal, life++);
    }
    if (sum->lost + sum->taken_back + sum->wrong == before) { /* what follows a loss says nothing */
        finish(&ordeal);
    }
    end(&ordeal);
}

/* ---- one fault ---- */

/* Starts the console as often as it takes, as a service manager does. */
static bool begin_life_again(struct ordeal *ordeal)
{
    struct lat_err err;

    for (int i = 0; i < OPENINGS_MAX; i++) {
        if (begin_life(ordeal, &err)) {
            return true;
        }
        end_life(ordeal);
        if (i == OPENINGS_MAX - 2) {
            sim_disk_heal(ordeal->disk);
        }
    }
    account_complain(ordeal->account, &ordeal->result->wrong, 1, "it cannot be opened: %.200s",
                     err.sentence);
    return false;
}

/* Runs until the store takes writes, and one was acknowledged. */
static void wait_until_it_writes(struct ordeal *ordeal)
{
    int64_t end_ns = ordeal->now_ns + (int64_t)HEAL_MS * 1000000;
    uint64_t acked = account_acked(ordeal->account);

    while (account_acked(ordeal->account) == acked) {
        if (ordeal->now_ns > end_ns) {
            account_complain(ordeal->account, &ordeal->result->wrong, 1,
                             "it takes no writes although the disk is well again");
            return;
        }
        write_some(ordeal);
        step(ordeal);
    }
}

void ordeal_run_fault(const struct ordeal_options *options, const struct ordeal_fault *fault,
                      struct ordeal_result *sum)
{
    struct ordeal ordeal;

    begin(&ordeal, options, sum);
    if (fault->rule.at > 0) {
        sim_disk_fail(ordeal.disk, &fault->rule);
    }
    if (begin_life_again(&ordeal)) {
        if (fault->room > 0) {
            sim_disk_set_capacity(ordeal.disk, sim_disk_used(ordeal.disk) + fault->room);
        }
        for (int i = 0; i < FAULT_STEPS; i++) {
            write_some(&ordeal);
            step(&ordeal);
        }
        sum->changes = sim_disk_calls(ordeal.disk, SIM_DISK_CHANGE);
        sim_disk_heal(ordeal.disk);
        sim_disk_set_capacity(ordeal.disk, INT64_MAX);
        wait_until_it_writes(&ordeal);
    }
    sim_disk_cut(ordeal.disk);
    end_life(&ordeal);
    sim_disk_start(ordeal.disk);
    finish(&ordeal);
    end(&ordeal);
}

/* ---- disks with a past ---- */

/* Puts so many rows, new ones or again, with a text of so many bytes, in one transaction. */
static void put_rows(struct ordeal *ordeal, size_t count, size_t bytes)
{
    struct lat_txn *txn = lat_txn_begin(ordeal->store, "");
    char *text = lat_alloc(bytes + 1);
    struct lat_err err;

    memset(text, 'x', bytes);
    for (size_t i = 0; i < count; i++) {
        char id[LAT_ID_SIZE];

        snprintf(id, sizeof(id), "a%08zu", i);
        const struct lat_row *before = lat_txn_get(txn, LAT_TABLE_NODE, id);
        struct lat_row *row = before == NULL ? lat_row_new(LAT_TABLE_NODE) : lat_row_copy(before);

        memcpy(row->id, id, sizeof(id));
        lat_row_set(((struct lat_node *)row)->name, id);
        lat_row_set(((struct lat_node *)row)->reason, text);
        lat_txn_put(txn, row);
    }
    free(text);
    LAT_ASSERT(lat_txn_commit(txn, NULL, NULL, &err) == 0);
}

struct sim_disk *ordeal_make_disk(size_t changes, size_t bytes)
{
    const struct ordeal_options options = {.seed = 1};
    struct ordeal_result result = {0};
    struct ordeal ordeal;
    struct lat_err err;

    begin(&ordeal, &options, &result);
    LAT_ASSERT(begin_life(&ordeal, &err));
    lat_store_unwatch(ordeal.watcher);
    for (size_t left = changes; left > 0;) {
        size_t some = left < PAST_ROWS ? left : PAST_ROWS;

        put_rows(&ordeal, some, bytes);
        left -= some;
        idle(&ordeal); /* or all of them were one batch */
    }
    sim_disk_kill(ordeal.disk);
    end_life(&ordeal);
    struct sim_disk *disk = sim_disk_copy(ordeal.disk, 1);

    end(&ordeal);
    return disk;
}
