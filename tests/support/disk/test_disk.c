/* The simulated disk: it loses what it should, keeps what it must, and does the same again for the same seed. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "disk_internal.h"

#include "base/mem.h"
#include "io/file.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS = 200 };

/* ---- small steps ---- */

static struct sim__handle make(struct sim_disk *disk, const char *path)
{
    struct sim__handle handle;

    assert_int_equal(sim__disk_open(disk, path, true, false, &handle), 0);
    return handle;
}

static void write_text(struct sim__handle *handle, size_t offset, const char *text)
{
    assert_int_equal(sim__disk_write(handle, offset, text, strlen(text)), 0);
}

static bool reads(struct sim_disk *disk, const char *path, const char *text)
{
    struct lat_buf out = {0};
    bool same = sim_disk_peek(disk, path, &out) && strcmp(lat_buf_text(&out), text) == 0;

    lat_buf_done(&out);
    return same;
}

/* ---- power ---- */

static void what_was_synced_survives(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk *disk = sim_disk_new(seed);
        struct sim__handle handle = make(disk, "/a");

        write_text(&handle, 0, "safe");
        assert_int_equal(sim__disk_sync(&handle), 0);
        assert_int_equal(sim__disk_sync_folder(disk, "/"), 0);
        sim_disk_cut(disk);
        assert_int_equal(sim__disk_write(&handle, 0, "dead", 4), EIO);
        sim__disk_close(&handle);
        sim_disk_start(disk);
        assert_true(reads(disk, "/a", "safe"));
        sim_disk_free(disk);
    }
}

static void what_was_not_synced_is_kept_lost_or_torn(void **state)
{
    (void)state;
    size_t kept = 0, lost = 0, torn = 0, reordered = 0, nameless = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk *disk = sim_disk_new(seed);
        struct sim__handle handle = make(disk, "/a");
        struct lat_buf out = {0};

        write_text(&handle, 0, "aaaaaaaa");
        assert_int_equal(sim__disk_sync(&handle), 0);
        write_text(&handle, 0, "bbbbbbbb");
        write_text(&handle, SIM__SECTOR, "cccccccc");
        sim__disk_close(&handle);
        sim_disk_cut(disk);
        sim_disk_start(disk);
        if (!sim_disk_peek(disk, "/a", &out)) {
            nameless++;
            sim_disk_free(disk);
            continue;
        }
        bool second = out.len > SIM__SECTOR;
        const char *text = lat_buf_text(&out);

        kept += memcmp(text, "bbbbbbbb", 8) == 0;
        lost += memcmp(text, "aaaaaaaa", 8) == 0;
        torn += text[0] == 'b' && text[7] == 'a';
        reordered += second && text[0] == 'a';
        lat_buf_done(&out);
        sim_disk_free(disk);
    }
    assert_true(kept > 0 && lost > 0 && torn > 0 && reordered > 0 && nameless > 0);
}

static void a_rename_leaves_the_old_file_or_the_new_one(void **state)
{
    (void)state;
    size_t olds = 0, news = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk *disk = sim_disk_new(seed);

        sim_disk_put_folder(disk, "/d");
        struct sim__handle old = make(disk, "/d/file");
        write_text(&old, 0, "old");
        assert_int_equal(sim__disk_sync(&old), 0);
        sim__disk_close(&old);
        assert_int_equal(sim__disk_sync_folder(disk, "/d"), 0);
        struct sim__handle fresh = make(disk, "/d/file.new");
        write_text(&fresh, 0, "new");
        assert_int_equal(sim__disk_sync(&fresh), 0);
        sim__disk_close(&fresh);
        assert_int_equal(sim__disk_rename(disk, "/d/file.new", "/d/file"), 0);
        assert_true(reads(disk, "/d/file", "new"));
        assert_false(sim_disk_exists(disk, "/d/file.new"));
        sim_disk_cut(disk);
        sim_disk_start(disk);
        olds += reads(disk, "/d/file", "old");
        news += reads(disk, "/d/file", "new");
        sim_disk_free(disk);
    }
    assert_true(olds > 0 && news > 0);
    assert_int_equal(olds + news, SEEDS);
}

static void a_lost_folder_takes_its_files_with_it(void **state)
{
    (void)state;
    size_t gone = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk *disk = sim_disk_new(seed);

        assert_int_equal(sim__disk_make_folder(disk, "/d"), 0);
        struct sim__handle file = make(disk, "/d/file");
        assert_int_equal(sim__disk_sync(&file), 0);
        assert_int_equal(sim__disk_sync_folder(disk, "/d"), 0);
        sim__disk_close(&file);
        sim_disk_cut(disk);
        sim_disk_start(disk);
        assert_int_equal(sim_disk_exists(disk, "/d"), sim_disk_exists(disk, "/d/file"));
        gone += !sim_disk_exists(disk, "/d");
        sim_disk_free(disk);
    }
    assert_true(gone > 0 && gone < SEEDS);
}

static void the_same_seed_leaves_the_same_bytes(void **state)
{
    (void)state;
    struct lat_buf left[2] = {{0}, {0}};

    for (int run = 0; run < 2; run++) {
        struct sim_disk *disk = sim_disk_new(7);
        struct sim__handle handle = make(disk, "/a");
        char block[3000];

        assert_int_equal(sim__disk_sync_folder(disk, "/"), 0);
        for (size_t i = 0; i < 50; i++) {
            memset(block, (int)i, sizeof(block));
            assert_int_equal(sim__disk_write(&handle, i * 777, block, sizeof(block)), 0);
        }
        sim__disk_close(&handle);
        sim_disk_cut(disk);
        assert_true(sim_disk_peek(disk, "/a", &left[run]));
        sim_disk_free(disk);
    }
    assert_int_equal(left[0].len, left[1].len);
    assert_memory_equal(left[0].bytes, left[1].bytes, left[0].len);
    lat_buf_done(&left[0]);
    lat_buf_done(&left[1]);
}

static void a_lying_disk_loses_what_was_synced(void **state)
{
    (void)state;
    size_t lost = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk *disk = sim_disk_new(seed);
        struct sim__handle handle = make(disk, "/a");

        sim_disk_set_lying(disk, true);
        write_text(&handle, 0, "safe");
        assert_int_equal(sim__disk_sync(&handle), 0);
        assert_int_equal(sim__disk_sync_folder(disk, "/"), 0);
        sim__disk_close(&handle);
        sim_disk_cut(disk);
        lost += !reads(disk, "/a", "safe");
        sim_disk_free(disk);
    }
    assert_true(lost > SEEDS / 2);
}

static void a_killed_program_changes_nothing_more_and_loses_nothing(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct sim__handle handle = make(disk, "/a");
    struct sim__handle other;

    write_text(&handle, 0, "not synced");
    sim_disk_kill(disk);
    assert_true(sim_disk_is_down(disk));
    assert_int_equal(sim__disk_write(&handle, 0, "dead", 4), EIO);
    assert_int_equal(sim__disk_delete(disk, "/a"), EIO);
    sim_disk_start(disk);
    assert_int_equal(sim__disk_write(&handle, 0, "dead", 4), EIO);
    other = make(disk, "/a");
    assert_true(reads(disk, "/a", "not synced"));
    write_text(&other, 0, "new");
    assert_true(reads(disk, "/a", "new synced"));
    sim__disk_close(&handle);
    sim__disk_close(&other);
    sim_disk_free(disk);
}

/* ---- faults ---- */

static void the_nth_call_fails_once_or_for_ever(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct sim__handle handle = make(disk, "/a");

    sim_disk_fail(disk, &(struct sim_disk_fault){.call = SIM_DISK_WRITE, .at = 2, .count = 1});
    write_text(&handle, 0, "1");
    assert_int_equal(sim__disk_write(&handle, 0, "2", 1), EIO);
    write_text(&handle, 0, "3");
    sim_disk_heal(disk);
    sim_disk_fail(disk, &(struct sim_disk_fault){
                            .call = SIM_DISK_CHANGE, .effect = SIM_DISK_ENOSPC, .at = 2});
    write_text(&handle, 0, "4");
    assert_int_equal(sim__disk_truncate(&handle, 0), ENOSPC);
    assert_int_equal(sim__disk_sync(&handle), ENOSPC);
    assert_int_equal(sim__disk_rename(disk, "/a", "/b"), ENOSPC);
    sim_disk_heal(disk);
    assert_int_equal(sim__disk_rename(disk, "/a", "/b"), 0);
    assert_true(reads(disk, "/b", "4"));
    assert_int_equal(sim_disk_faults(disk), 4);
    assert_int_equal(sim_disk_calls(disk, SIM_DISK_WRITE), 4);
    sim__disk_close(&handle);
    sim_disk_free(disk);
}

static void the_end_of_one_rule_leaves_the_others(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct sim__handle handle = make(disk, "/a");
    uint64_t writes =
        sim_disk_fail(disk, &(struct sim_disk_fault){.call = SIM_DISK_WRITE, .at = 1});
    uint64_t syncs = sim_disk_fail(disk, &(struct sim_disk_fault){.call = SIM_DISK_SYNC, .at = 1});

    sim_disk_mend(disk, writes);
    write_text(&handle, 0, "1");
    assert_int_equal(sim__disk_sync(&handle), EIO);
    sim_disk_mend(disk, syncs);
    assert_int_equal(sim__disk_sync(&handle), 0);
    sim__disk_close(&handle);
    sim_disk_free(disk);
}

static void a_disk_that_became_read_only_takes_nothing_until_it_is_mended(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct sim__handle handle = make(disk, "/a");
    uint64_t rule = sim_disk_fail(
        disk, &(struct sim_disk_fault){
                  .call = SIM_DISK_SYNC, .effect = SIM_DISK_READ_ONLY, .at = 1, .count = 1});

    write_text(&handle, 0, "1");
    assert_int_equal(sim__disk_sync(&handle), EIO);
    assert_int_equal(sim__disk_write(&handle, 0, "2", 1), EROFS);
    assert_int_equal(sim__disk_rename(disk, "/a", "/b"), EROFS);
    assert_true(reads(disk, "/a", "1"));
    sim_disk_mend(disk, rule);
    write_text(&handle, 0, "3");
    assert_int_equal(sim__disk_sync(&handle), 0);
    sim__disk_close(&handle);
    sim_disk_free(disk);
}

static void a_short_write_leaves_a_part(void **state)
{
    (void)state;
    size_t parts = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk *disk = sim_disk_new(seed);
        struct sim__handle handle = make(disk, "/a");

        sim_disk_fail(disk, &(struct sim_disk_fault){
                                .call = SIM_DISK_WRITE, .effect = SIM_DISK_SHORT, .at = 1});
        assert_int_equal(sim__disk_write(&handle, 0, "12345678", 8), ENOSPC);
        parts += handle.inode->now.len > 0 && handle.inode->now.len < 8;
        sim__disk_close(&handle);
        sim_disk_free(disk);
    }
    assert_true(parts > SEEDS / 2);
}

static void a_failed_sync_is_told_once_and_drops_what_it_could_not_write(void **state)
{
    (void)state;
    size_t lost = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct sim_disk *disk = sim_disk_new(seed);
        struct sim__handle handle = make(disk, "/a");

        assert_int_equal(sim__disk_sync_folder(disk, "/"), 0);
        sim_disk_fail(disk, &(struct sim_disk_fault){.call = SIM_DISK_SYNC, .at = 1, .count = 1});
        write_text(&handle, 0, "one");
        assert_int_equal(sim__disk_sync(&handle), EIO);
        assert_int_equal(sim__disk_sync(&handle), 0);
        assert_true(reads(disk, "/a", "one"));
        sim__disk_close(&handle);
        sim_disk_cut(disk);
        lost += !reads(disk, "/a", "one");
        sim_disk_free(disk);
    }
    assert_true(lost > 0 && lost < SEEDS);
}

static void a_full_disk_takes_what_fits_and_has_room_again(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(1);
    struct sim__handle handle = make(disk, "/a");

    sim_disk_set_capacity(disk, 6);
    assert_int_equal(sim__disk_write(&handle, 0, "12345678", 8), ENOSPC);
    assert_true(reads(disk, "/a", "123456"));
    write_text(&handle, 0, "abc"); /* what is there already may be written over */
    sim_disk_set_capacity(disk, INT64_MAX);
    write_text(&handle, 0, "12345678");
    assert_int_equal(sim_disk_used(disk), 8);
    sim__disk_close(&handle);
    sim_disk_free(disk);
}

/* ---- the VFS ---- */

/* On a disk that fails it may be a connection on which everything fails. */
static sqlite3 *open_database(const char *vfs)
{
    sqlite3 *db = NULL;
    int ignored =
        sqlite3_open_v2("/data/x.db", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs);

    (void)ignored;
    assert_non_null(db);
    return db;
}

static int execute(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* Rows of the table; -1 when it is damaged or not there. */
static int count_rows(sqlite3 *db)
{
    static const char sql[] =
        "SELECT count(*) FROM t WHERE (SELECT * FROM pragma_integrity_check) = 'ok'";
    sqlite3_stmt *statement = NULL;
    int count = -1;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        count = sqlite3_column_int(statement, 0);
    }
    sqlite3_finalize(statement);
    return count;
}

/* Commits rows until the power goes at the nth change; returns how many were acknowledged, and sets what is there
 * afterwards (-1: the database is damaged, or has no table). */
static int commit_until_cut(uint64_t seed, uint64_t nth, const char *mode, bool lies,
                            int *ret_there)
{
    struct sim_disk *disk = sim_disk_new(seed);
    int acknowledged = -1; /* the table itself */

    sim_disk_put_folder(disk, "/data");
    sim_disk_set_lying(disk, lies);
    sim_disk_register_vfs(disk, "test-disk");
    sim_disk_fail(disk, &(struct sim_disk_fault){
                            .call = SIM_DISK_CHANGE, .effect = SIM_DISK_POWER, .at = nth});
    sqlite3 *db = open_database("test-disk");

    if (execute(db, mode) == SQLITE_OK &&
        execute(db, "CREATE TABLE IF NOT EXISTS t (x)") == SQLITE_OK) {
        do {
            acknowledged++;
        } while (execute(db, "INSERT INTO t VALUES (randomblob(3000))") == SQLITE_OK);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_true(sim_disk_is_down(disk));
    sim_disk_heal(disk);
    sim_disk_start(disk);
    db = open_database("test-disk");
    *ret_there = execute(db, mode) == SQLITE_OK ? count_rows(db) : -1;
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    sim_disk_free(disk);
    return acknowledged;
}

static void sqlite_loses_nothing_on_an_honest_disk(void **state)
{
    static const char *const modes[] = {
        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "PRAGMA wal_autocheckpoint=8",
        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA",
    };

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(modes); i++) {
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            int there;
            int acknowledged = commit_until_cut(seed, seed, modes[i], false, &there);

            if (there != acknowledged && there != acknowledged + 1) {
                fail_msg("seed %d: %d acknowledged, %d there", (int)seed, acknowledged, there);
            }
        }
    }
}

static void sqlite_loses_rows_on_a_lying_disk(void **state)
{
    int lost = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        int there;
        int acknowledged = commit_until_cut(
            seed, seed,
            "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", true,
            &there);

        lost += there < acknowledged;
    }
    assert_true(lost > SEEDS / 2);
}

/* ---- small files ---- */

static void a_small_file_is_the_old_one_or_the_new_one_wherever_the_power_goes(void **state)
{
    (void)state;
    for (uint64_t at = 1; at < 20; at++) {
        for (uint64_t seed = 0; seed < 20; seed++) {
            struct sim_disk *disk = sim_disk_new(seed);
            struct lat_disk *files = sim_disk_small_files(disk);
            bool is_new = false;

            assert_int_equal(lat_disk_make_dir(files, "/d/e", 0700, NULL), 0);
            assert_int_equal(lat_disk_replace(files, "/d/e/f", "old", 3, 0600, NULL), 0);
            sim_disk_fail(disk, &(struct sim_disk_fault){
                                    .call = SIM_DISK_CHANGE, .effect = SIM_DISK_POWER, .at = at});
            is_new = lat_disk_replace(files, "/d/e/f", "new", 3, 0600, NULL) == 0;
            sim_disk_cut(disk);
            sim_disk_heal(disk);
            sim_disk_start(disk);
            assert_true(reads(disk, "/d/e/f", "new") || (!is_new && reads(disk, "/d/e/f", "old")));
            sim_disk_free(disk);
        }
    }
}

static void add_name(void *arg, const char *name)
{
    lat_buf_add_text(arg, name);
    lat_buf_add_text(arg, " ");
}

static void small_files_are_read_listed_renamed_and_removed(void **state)
{
    struct sim_disk *disk = sim_disk_new(1);
    struct lat_disk *files = sim_disk_small_files(disk);
    struct lat_buf out = {0};

    (void)state;
    assert_int_equal(lat_disk_make_dir(files, "/d/e", 0700, NULL), 0);
    assert_int_equal(lat_disk_make_dir(files, "/d/e", 0700, NULL), 0);
    assert_int_equal(lat_disk_replace(files, "/d/b", "bb", 2, 0600, NULL), 0);
    assert_int_equal(lat_disk_replace(files, "/d/a", "aa", 2, 0600, NULL), 0);
    assert_int_equal(lat_disk_replace(files, "/d/e/c", "cc", 2, 0600, NULL), 0);
    assert_int_equal(lat_disk_list(files, "/d", add_name, &out, NULL), 0);
    assert_string_equal(lat_buf_text(&out), "a b e ");
    lat_buf_clear(&out);
    assert_int_equal(lat_disk_rename(files, "/d/a", "/d/b", NULL), 0);
    assert_int_equal(lat_disk_read(files, "/d/b", 2, &out, NULL), 0);
    assert_string_equal(lat_buf_text(&out), "aa");
    assert_int_equal(lat_disk_read(files, "/d/b", 1, &out, NULL), LAT_E_TOO_LARGE);
    assert_int_equal(lat_disk_remove(files, "/d/b", NULL), 0);
    assert_int_equal(lat_disk_remove(files, "/d/b", NULL), 0);
    assert_int_equal(lat_disk_read(files, "/d/b", 2, &out, NULL), LAT_E_NOT_FOUND);
    assert_int_equal(lat_disk_list(files, "/none", add_name, &out, NULL), LAT_E_NOT_FOUND);
    lat_buf_done(&out);
    sim_disk_free(disk);
}

static void a_locked_database_is_refused_until_its_program_is_dead(void **state)
{
    struct sim_disk *disk = sim_disk_new(1);

    (void)state;
    sim_disk_put_folder(disk, "/data");
    sim_disk_register_vfs(disk, "test-disk");
    sqlite3 *db = open_database("test-disk");
    sqlite3 *second = open_database("test-disk");
    assert_int_equal(execute(db, "PRAGMA locking_mode=EXCLUSIVE; CREATE TABLE t (x)"), SQLITE_OK);
    assert_int_equal(execute(second, "SELECT * FROM t"), SQLITE_BUSY);
    sqlite3_close(second);
    sim_disk_kill(disk);
    sim_disk_start(disk);
    second = open_database("test-disk");
    assert_int_equal(execute(second, "SELECT * FROM t"), SQLITE_OK);
    sqlite3_close(db);
    sqlite3_close(second);
    sim_disk_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_synced_survives),
        cmocka_unit_test(what_was_not_synced_is_kept_lost_or_torn),
        cmocka_unit_test(a_rename_leaves_the_old_file_or_the_new_one),
        cmocka_unit_test(a_lost_folder_takes_its_files_with_it),
        cmocka_unit_test(the_same_seed_leaves_the_same_bytes),
        cmocka_unit_test(a_lying_disk_loses_what_was_synced),
        cmocka_unit_test(a_killed_program_changes_nothing_more_and_loses_nothing),
        cmocka_unit_test(the_nth_call_fails_once_or_for_ever),
        cmocka_unit_test(the_end_of_one_rule_leaves_the_others),
        cmocka_unit_test(a_disk_that_became_read_only_takes_nothing_until_it_is_mended),
        cmocka_unit_test(a_short_write_leaves_a_part),
        cmocka_unit_test(a_failed_sync_is_told_once_and_drops_what_it_could_not_write),
        cmocka_unit_test(a_full_disk_takes_what_fits_and_has_room_again),
        cmocka_unit_test(sqlite_loses_nothing_on_an_honest_disk),
        cmocka_unit_test(sqlite_loses_rows_on_a_lying_disk),
        cmocka_unit_test(a_small_file_is_the_old_one_or_the_new_one_wherever_the_power_goes),
        cmocka_unit_test(small_files_are_read_listed_renamed_and_removed),
        cmocka_unit_test(a_locked_database_is_refused_until_its_program_is_dead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
