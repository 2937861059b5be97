/* SQLite's log: it has its room before a commit needs it, and is copied into the database when nobody waits for an answer. */
#include "support.h"

#include "base/text.h"
#include "store/sqlite/log_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum { AT_ONCE = 64, SPARE = 4 };

static int64_t size_of(const struct bed *bed, const char *suffix)
{
    char *path = lat_text_format("%s%s", bed->path, suffix);
    struct stat found;
    int rc = stat(path, &found);

    free(path);
    assert_int_equal(rc, 0);
    return found.st_size;
}

static struct lat_journal *open_journal(struct bed *bed)
{
    struct lat_journal *journal;
    struct lat_err err;

    bed_store_close(bed);
    assert_int_equal(lat_journal_open_sqlite(bed->path, NULL, &journal, &err), 0);
    assert_int_equal(journal->class->prepare(journal, &err), 0);
    return journal;
}

/* Tidies until there is nothing more to do; returns in how many steps. */
static int tidy(struct lat_journal *journal)
{
    struct lat_err err;
    int steps = 0;

    while (journal->is_untidy) {
        assert_true(++steps <= 2 + LAT__LOG_ROOM / LAT__LOG_STEP);
        assert_int_equal(journal->class->tidy(journal, &err), 0);
    }
    return steps;
}

/* Commits nodes that take a page each, behind those that are there. */
static void add_pages(struct lat_journal *journal, int64_t *index)
{
    static char labels[3800];
    struct lat_journal_change changes[AT_ONCE] = {{0}};
    struct lat_err err;

    memset(labels, 'x', sizeof(labels) - 1);
    for (int i = 0; i < AT_ONCE; i++) {
        struct lat_node *node = lat_node_new();

        snprintf(node->row.id, sizeof(node->row.id), "%036lld", (long long)++*index);
        lat_row_set(node->reason, labels);
        node->row.version = 1;
        changes[i] = (struct lat_journal_change){.index = *index,
                                                 .table = LAT_TABLE_NODE,
                                                 .row = &node->row,
                                                 .id = node->row.id,
                                                 .project_id = "",
                                                 .request_id = ""};
    }
    const struct lat_journal_batch batch = {.changes = changes, .change_count = AT_ONCE};

    assert_int_equal(journal->class->commit(journal, &batch, &err), 0);
    for (int i = 0; i < AT_ONCE; i++) {
        lat_row_unref(changes[i].row);
    }
}

static bool disk_can_spare(const struct bed *bed)
{
    struct statvfs disk;

    assert_int_equal(statvfs(bed->dir, &disk), 0);
    return (uint64_t)disk.f_bavail * disk.f_frsize > (uint64_t)LAT__LOG_ROOM * SPARE;
}

/* Writes as much as makes the log go into the database twice, and finds its file never longer than it was. */
static void expect_no_growth(const struct bed *bed, struct lat_journal *journal, int64_t *index)
{
    int64_t room = size_of(bed, "-wal");
    int64_t before = size_of(bed, "");
    int copies = 0;

    assert_true(room >= LAT__LOG_ROOM);
    for (int pages = 0; pages < 2 * LAT__LOG_PAGES; pages += AT_ONCE) {
        int64_t database = size_of(bed, "");

        add_pages(journal, index);
        assert_int_equal(size_of(bed, "-wal"), room);
        assert_int_equal(size_of(bed, ""), database); /* no commit copies */
        copies += tidy(journal);
    }
    assert_true(copies >= 2);
    assert_true(size_of(bed, "") - before > (int64_t)LAT__LOG_PAGES * 4096);
}

static void no_commit_makes_a_log_longer_that_was_tidied(void **state)
{
    struct bed *bed = *state;

    if (!disk_can_spare(bed)) {
        print_message("the disk has no room to spare\n");
        skip();
    }
    struct lat_journal *journal = open_journal(bed);
    struct lat_err err;
    int64_t index = 0;

    tidy(journal);
    expect_no_growth(bed, journal, &index);
    assert_int_equal(journal->class->reopen(journal, &err), 0);
    tidy(journal);
    expect_no_growth(bed, journal, &index);
    journal->class->close(journal);
}

static void a_new_log_has_room_for_what_a_start_writes(void **state)
{
    struct bed *bed = *state;
    struct lat_journal *journal = open_journal(bed);
    int64_t index = 0;

    assert_int_equal(size_of(bed, "-wal"), LAT__LOG_STEP);
    add_pages(journal, &index);
    assert_int_equal(size_of(bed, "-wal"), LAT__LOG_STEP);
    journal->class->close(journal);
}

static void a_store_tidies_while_nobody_waits_and_between_batches(void **state)
{
    struct bed *bed = *state;
    char id[LAT_ID_SIZE];

    bed->script->tidy_until = 3;
    make_node(bed, "a", id); /* leaves it untidy */
    while (bed->script->tidies < 3) {
        assert_true(lat_loop_run_until(bed->loop, &(bool){false}, 1) || true);
    }
    make_node(bed, "b", id);
    assert_int_equal(bed->script->tidies, 3);
}

static void a_store_starts_again_when_tidying_fails(void **state)
{
    struct bed *bed = *state;
    char id[LAT_ID_SIZE];

    bed->script->tidy_until = bed->script->fail_tidy = 1;
    make_node(bed, "a", id);
    while (bed->script->reopens == 0 || !lat_store_is_writable(bed->store, &(struct lat_err){0})) {
        assert_true(lat_loop_run_until(bed->loop, &(bool){false}, 1) || true);
    }
    make_node(bed, "b", id);
    assert_int_equal(lat_store_count(bed->store, LAT_TABLE_NODE), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bed_open, bed_close)
        CASE(no_commit_makes_a_log_longer_that_was_tidied),
        CASE(a_new_log_has_room_for_what_a_start_writes),
        CASE(a_store_tidies_while_nobody_waits_and_between_batches),
        CASE(a_store_starts_again_when_tidying_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
