/* History on a disk that hangs or fails: decisions go on, memory stays flat, what is lost is counted, and it goes on afterwards.
 *
 * Beneath SQLite stands a VFS that is the system's but for one thing: writes to files called history.db* wait, or fail, while a
 * switch says so, or while they hold a certain text. The store's own file is on the
 * system's disk. */
#include "support.h"

#include "store/history.h"

#include "base/mem.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum fault { FINE, HANGS, FAILS };

static _Atomic int fault;
static _Atomic int held;                             /* writes that wait now */
static const char *_Atomic marked = "nothing-waits"; /* text that is not written either */

struct file {
    sqlite3_file base;
    bool is_history;
    int64_t rest[]; /* the system's file; SQLite aligns to eight */
};

static sqlite3_vfs *system_vfs;

/* SQLite hands the same pointer to all methods; those that are not ours get the system's file behind our head. */
static sqlite3_file *rest_of(sqlite3_file *file)
{
    return (sqlite3_file *)((struct file *)file)->rest;
}

static int file_close(sqlite3_file *file)
{
    return rest_of(file)->pMethods->xClose(rest_of(file));
}
static int file_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at)
{
    return rest_of(file)->pMethods->xRead(rest_of(file), bytes, len, at);
}
static int file_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
    struct timespec pause = {.tv_nsec = 1000000};

    if (((struct file *)file)->is_history) {
        held++;
        while (fault == HANGS || memmem(bytes, (size_t)len, marked, strlen(marked)) != NULL) {
            nanosleep(&pause, NULL);
        }
        held--;
        if (fault == FAILS) {
            return SQLITE_IOERR_WRITE;
        }
    }
    return rest_of(file)->pMethods->xWrite(rest_of(file), bytes, len, at);
}
static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return rest_of(file)->pMethods->xTruncate(rest_of(file), size);
}
static int file_sync(sqlite3_file *file, int flags)
{
    return rest_of(file)->pMethods->xSync(rest_of(file), flags);
}
static int file_size(sqlite3_file *file, sqlite3_int64 *ret_size)
{
    return rest_of(file)->pMethods->xFileSize(rest_of(file), ret_size);
}
static int file_lock(sqlite3_file *file, int level)
{
    return rest_of(file)->pMethods->xLock(rest_of(file), level);
}
static int file_unlock(sqlite3_file *file, int level)
{
    return rest_of(file)->pMethods->xUnlock(rest_of(file), level);
}
static int file_check(sqlite3_file *file, int *ret)
{
    return rest_of(file)->pMethods->xCheckReservedLock(rest_of(file), ret);
}
static int file_control(sqlite3_file *file, int op, void *arg)
{
    return rest_of(file)->pMethods->xFileControl(rest_of(file), op, arg);
}
static int file_sector(sqlite3_file *file)
{
    return rest_of(file)->pMethods->xSectorSize(rest_of(file));
}
static int file_traits(sqlite3_file *file)
{
    return rest_of(file)->pMethods->xDeviceCharacteristics(rest_of(file));
}

/* Version 1: without shared memory, which a file that is locked for one program alone does not need. */
static const struct sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                    int *ret_flags)
{
    struct file *own = (struct file *)file;
    int rc = system_vfs->xOpen(system_vfs, name, rest_of(file), flags, ret_flags);

    (void)vfs;
    own->is_history = name != NULL && strstr(name, "history.db") != NULL;
    file->pMethods = rest_of(file)->pMethods != NULL ? &methods : NULL;
    return rc;
}

static void make_vfs(void)
{
    static sqlite3_vfs vfs;

    system_vfs = sqlite3_vfs_find(NULL);
    vfs = *system_vfs;
    vfs.zName = "scripted";
    vfs.szOsFile = system_vfs->szOsFile + (int)sizeof(struct file);
    vfs.xOpen = vfs_open;
    vfs.pNext = NULL;
    assert_int_equal(sqlite3_vfs_register(&vfs, 0), SQLITE_OK);
}

/* ---- the tests ---- */

static struct lat_history *history_open(struct bed *bed)
{
    struct lat_history *history;
    char path[128];

    fault = FINE;
    snprintf(path, sizeof(path), "%s/history.db", bed->dir);
    struct lat_history_options options = {
        .loop = bed->loop, .path = path, .vfs = "scripted", .metrics = bed->metrics};

    assert_int_equal(lat_history_open(&options, &history, NULL), 0);
    return history;
}

static void wait_until_held(void)
{
    struct timespec pause = {.tv_nsec = 1000000};

    while (held == 0) {
        nanosleep(&pause, NULL);
    }
}

struct got {
    bool is_there;
    int code;
    size_t count;
};

static void take(void *arg, char *json, const struct lat_err *err)
{
    struct got *got = arg;

    got->is_there = true;
    got->code = err == NULL ? 0 : err->code;
    got->count = 0;
    for (const char *at = json; at != NULL && (at = strstr(at, "\"kind\"")) != NULL; at++) {
        got->count++;
    }
    free(json);
}

static struct lat_history_subject subject(void)
{
    struct lat_history_subject about = {.id = "01900000-0000-7000-8000-000000000001", .node = "n"};

    return about;
}

/* Fills every queue from all sides until each has refused something. */
static void flood(struct lat_history *history, struct bed *bed)
{
    static const char text[1000] = "x";
    struct lat_sample sample = {.measure = LAT_MEASURE_LOAD, .value = 1};
    struct lat_log_line line = {.at_ns = 1, .text = text, .len = sizeof(text)};
    struct lat_history_subject about = subject();
    int64_t at = lat_clock_wall_ms(lat_loop_clock(bed->loop));

    for (int i = 0; i < 2 * LAT_HISTORY_QUEUE_MAX; i++) {
        lat_history_add(history, "w1", "k", "m", "", at);
        lat_history_add_samples(history, &about, at, &sample, 1);
    }
    while (lat_history_add_lines(history, &about, &line, 1)) {
    }
}

static void decisions_go_on_while_the_disk_of_the_history_hangs(void **state)
{
    struct bed *bed = *state;
    struct lat_history *history = history_open(bed);
    struct got got = {0};
    char id[LAT_ID_SIZE], name[32];

    fault = HANGS;
    lat_history_add(history, "w1", "k", "first", "", lat_clock_wall_ms(lat_clock_system()));
    wait_until_held();
    flood(history, bed);
    int64_t dropped = lat_history_dropped(history);
    assert_true(dropped >= 2 * LAT_HISTORY_QUEUE_MAX);
    for (int i = 0; i < 200; i++) { /* each durable before the next */
        snprintf(name, sizeof(name), "n%d", i);
        make_node(bed, name, id);
        lat_history_add(history, id, "k", "m", "", lat_clock_wall_ms(lat_clock_system()));
    }
    assert_int_equal(held, 1);
    assert_int_equal(lat_history_dropped(history),
                     dropped + 200); /* memory is as full as it gets */

    fault = FINE;
    do { /* what waits is written first, which may take longer than a read may */
        got.is_there = false;
        lat_history_read(history, "w1", 1, take, &got);
        run_until(bed, &got.is_there);
    } while (got.code == LAT_E_TIMEOUT);
    assert_int_equal(got.code, 0);
    assert_int_equal(got.count, 1);
    lat_history_add(history, "w9", "k", "afterwards", "", lat_clock_wall_ms(lat_clock_system()));
    got.is_there = false;
    lat_history_read(history, "w9", 10, take, &got);
    run_until(bed, &got.is_there);
    assert_int_equal(got.count, 1);
    assert_int_equal(lat_history_dropped(history), dropped + 200);
    lat_history_close(history);
}

static void reads_are_refused_when_too_many_wait(void **state)
{
    struct bed *bed = *state;
    struct lat_history *history = history_open(bed);
    struct got waiting[LAT_HISTORY_READS_MAX] = {0}, one_more = {0};

    fault = HANGS;
    lat_history_add(history, "w1", "k", "m", "", lat_clock_wall_ms(lat_clock_system()));
    for (int i = 0; i < LAT_HISTORY_READS_MAX; i++) {
        lat_history_read(history, "w1", 10, take, &waiting[i]);
    }
    lat_history_read(history, "w1", 10, take, &one_more);
    run_until(bed, &one_more.is_there);
    assert_int_equal(one_more.code, LAT_E_BUSY);
    fault = FINE;
    run_until(bed, &waiting[LAT_HISTORY_READS_MAX - 1].is_there);
    assert_int_equal(waiting[0].code, 0);
    lat_history_close(history);
}

static void what_was_added_is_written_between_two_reads(void **state)
{
    struct bed *bed = *state;
    struct lat_history *history = history_open(bed);
    struct got first = {0}, second = {0};
    int64_t at = lat_clock_wall_ms(lat_clock_system());
    bool never = false;

    marked = "wait-here";
    lat_history_add(history, "w1", "k", "wait-here", "", at);
    lat_history_read(history, "w1", 10, take, &first);
    lat_history_read(history, "w1", 10, take, &second);
    wait_until_held();
    lat_history_add(history, "w1", "k", "then-here", "", at);
    marked = "then-here";
    run_until(bed, &first.is_there);
    wait_until_held();
    assert_false(lat_loop_run_until(bed->loop, &never, 20)); /* whatever was answered arrives */
    assert_int_equal(first.count, 1);
    assert_false(second.is_there);
    marked = "nothing-waits";
    run_until(bed, &second.is_there);
    assert_int_equal(second.count, 2);
    lat_history_close(history);
}

static void stopping_waits_for_a_disk_that_hangs_no_longer_than_told(void **state)
{
    struct bed *bed = *state;
    struct lat_history *history = history_open(bed);

    fault = HANGS;
    lat_history_add(history, "w1", "k", "m", "", lat_clock_wall_ms(lat_clock_system()));
    wait_until_held();
    assert_false(lat_history_stop(history, 20));
    assert_int_equal(held, 1);
    fault = FINE;
    assert_true(lat_history_stop(history, 20000));
    assert_true(lat_history_stop(history, 0)); /* it has ended */
    lat_history_close(history);
}

static void a_read_of_a_disk_that_hangs_ends_in_time(void **state)
{
    struct bed *bed = *state;
    struct lat_history *history = history_open(bed);
    struct got got = {0};

    fault = HANGS;
    lat_history_add(history, "w1", "k", "m", "", lat_clock_wall_ms(lat_clock_system()));
    lat_history_read(history, "w1", 10, take, &got);
    run_until(bed, &got.is_there);
    assert_int_equal(got.code, LAT_E_TIMEOUT);
    fault = FINE;
    lat_history_close(history); /* what was read too late is thrown away */
}

static void what_a_failing_disk_does_not_take_is_counted(void **state)
{
    struct bed *bed = *state;
    struct lat_history *history = history_open(bed);
    struct got got = {0};

    lat_history_add(history, "w1", "k", "before", "", lat_clock_wall_ms(lat_clock_system()));
    lat_history_read(history, "w1", 10, take, &got);
    run_until(bed, &got.is_there);
    fault = FAILS;
    lat_history_add(history, "w1", "k", "lost", "", lat_clock_wall_ms(lat_clock_system()));
    got.is_there = false;
    lat_history_read(history, "w1", 10, take, &got);
    run_until(bed, &got.is_there);
    assert_int_equal(lat_history_dropped(history), 1);
    fault = FINE;
    lat_history_add(history, "w1", "k", "after", "", lat_clock_wall_ms(lat_clock_system()));
    got.is_there = false;
    lat_history_read(history, "w1", 10, take, &got);
    run_until(bed, &got.is_there);
    assert_int_equal(got.code, 0);
    assert_int_equal(got.count, 2);
    assert_int_equal(lat_history_dropped(history), 1);
    lat_history_close(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bed_open, bed_close)
        CASE(decisions_go_on_while_the_disk_of_the_history_hangs),
        CASE(reads_are_refused_when_too_many_wait),
        CASE(what_was_added_is_written_between_two_reads),
        CASE(stopping_waits_for_a_disk_that_hangs_no_longer_than_told),
        CASE(a_read_of_a_disk_that_hangs_ends_in_time),
        CASE(what_a_failing_disk_does_not_take_is_counted),
    };

    make_vfs();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
