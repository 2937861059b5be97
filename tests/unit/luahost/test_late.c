/* Policies whose loads come too late, as on a machine that has much to do: they are tried again by themselves. And what else a
 * machine does to them: pipes and folders where a file should be, a clock that stood wrong. Children are scripted and time is the test's, see inside.h; the store and the folder are real. */
#include "tests/unit/luahost/inside.h"

#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"
#include "luahost/policies.h"
#include "store/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct house {
    struct inside world;
    char dir[64];
    char *folder; /* NULL: it has none */
    char *file;
    struct lat_store *store;
    struct lat_policies *policies;
};

static const char draft[] = "function score() return 1 end\n";
static const char applied[] = "function score() return 2 end\n";

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static void start(struct house *house)
{
    struct lat_journal *journal = NULL;
    char *database = lat_text_format("%s/store.db", house->dir);
    bool ready = false;

    assert_int_equal(lat_journal_open_sqlite(database, NULL, &journal, NULL), 0);
    assert_int_equal(
        lat_store_open(house->world.loop, journal, house->world.random, NULL, &house->store, NULL),
        0);
    assert_int_equal(lat_policies_start(house->world.host, house->store, NULL, house->folder,
                                        set_flag, &ready, &house->policies, NULL),
                     0);
    inside_pass_until(&house->world, &ready);
    free(database);
}

static void stop(struct house *house)
{
    house->policies = lat_policies_stop(house->policies);
    inside_close_host(&house->world);
    house->store = lat_store_close(house->store);
}

static int setup(void **state)
{
    struct house *house = LAT_NEW(struct house);

    inside_init(&house->world);
    strcpy(house->dir, "/tmp/lattice-late-XXXXXX");
    assert_non_null(mkdtemp(house->dir));
    house->folder = lat_text_format("%s/policies", house->dir);
    house->file = lat_text_format("%s/placement.lua", house->folder);
    *state = house;
    return 0;
}

static int teardown(void **state)
{
    struct house *house = *state;
    char *command = lat_text_format("rm -r %s", house->dir);

    stop(house);
    inside_renew_host(&house->world);
    inside_done(&house->world);
    assert_int_equal(system(command), 0);
    free(command);
    free(house->folder);
    free(house->file);
    free(house);
    return 0;
}

static const struct lat_policy *row(struct house *house)
{
    return (const struct lat_policy *)lat_store_find(house->store, LAT_INDEX_POLICY_NAME,
                                                     "placement");
}

static const char *source(struct house *house)
{
    const struct lat_policy_version *version = NULL;
    const struct lat_policy *policy;

    return lat_policies_find(house->store, "placement", &policy, &version, NULL) == 0
               ? version->source
               : "";
}

static void save(struct house *house, const char *text)
{
    assert_int_equal(lat_dir_make(house->folder, 0755, NULL), 0);
    assert_int_equal(lat_file_replace(house->file, text, strlen(text), 0644, NULL), 0);
}

/* Runs what is ready, and then what is due after a time. */
static void pass(struct house *house, int64_t ms)
{
    int64_t end_ns = house->world.now_ns + ms * 1000000;

    for (;;) {
        while (lat_loop_turn(house->world.loop)) {
        }
        int64_t next_ms = lat_loop_next_ms(house->world.loop);

        if (next_ms < 0 || house->world.now_ns + next_ms * 1000000 > end_ns) {
            house->world.now_ns = end_ns;
            return;
        }
        house->world.now_ns += next_ms * 1000000;
    }
}

static void make_late(struct house *house, const char *text, int loads)
{
    house->world.slow_text = text;
    house->world.slow_loads = loads;
}

/* ---- files ---- */

static void a_file_that_was_late_is_tried_again_until_it_is_in_force(void **state)
{
    struct house *house = *state;

    save(house, draft);
    make_late(house, draft, 3);
    start(house);
    assert_non_null(strstr(row(house)->refused, "did not answer within"));
    assert_non_null(strstr(row(house)->refused, "tried again by itself"));
    assert_string_not_equal(source(house), draft); /* the shipped text stands in */
    pass(house, 30000);
    assert_int_equal(house->world.slow_loads, 0);
    assert_string_equal(source(house), draft);
    assert_string_equal(row(house)->refused, "");
}

static void a_file_that_is_always_late_is_given_up_after_some_tries(void **state)
{
    struct house *house = *state;

    save(house, draft);
    make_late(house, draft, 1000);
    start(house);
    pass(house, 3600000);
    int tries = 1000 - house->world.slow_loads;

    assert_true(tries > 3 && tries < 20);
    assert_non_null(strstr(row(house)->refused, "did not answer within"));
    assert_null(strstr(row(house)->refused, "tried again by itself"));
    pass(house, 3600000);
    assert_int_equal(tries, 1000 - house->world.slow_loads);
}

static void the_pauses_between_tries_double(void **state)
{
    struct house *house = *state;
    int tries[2];

    save(house, draft);
    make_late(house, draft, 1000);
    start(house);
    pass(house, 10000);
    tries[0] = 1000 - house->world.slow_loads;
    pass(house, 10000);
    tries[1] = 1000 - house->world.slow_loads - tries[0];
    assert_true(tries[0] > 2 * tries[1]);
}

static void another_text_that_is_saved_begins_anew(void **state)
{
    struct house *house = *state;

    start(house);
    make_late(house, draft, 1000);
    save(house, draft);
    pass(house, 3600000);
    assert_non_null(strstr(row(house)->refused, "did not answer"));
    make_late(house, applied, 2);
    save(house, applied);
    pass(house, 60000);
    assert_string_equal(source(house), applied);
    assert_string_equal(row(house)->refused, "");
}

/* ---- changes ---- */

static void on_accepted(void *arg, struct lat_txn *txn, const struct lat_policy *policy)
{
    (void)arg;
    (void)txn;
    (void)policy;
}

struct outcome {
    bool done;
    int code;
};

static void on_done(void *arg, const struct lat_err *err)
{
    *(struct outcome *)arg = (struct outcome){true, err != NULL ? err->code : LAT_OK};
}

static int apply(struct house *house, const char *text)
{
    struct outcome outcome = {0};

    lat_policies_change(house->policies, &(struct lat_policies_change){.name = "placement",
                                                                       .source = text,
                                                                       .author = "ada",
                                                                       .request_id = "request",
                                                                       .accepted = on_accepted,
                                                                       .done = on_done,
                                                                       .arg = &outcome});
    inside_pass_until(&house->world, &outcome.done);
    return outcome.code;
}

static void what_somebody_applies_meanwhile_is_not_undone_by_the_late_file(void **state)
{
    struct house *house = *state;
    char *beside = lat_text_format("%s.refused", house->file);

    save(house, draft);
    make_late(house, draft, 1);
    start(house);
    assert_int_equal(apply(house, applied), LAT_OK);
    pass(house, 3600000);
    assert_string_equal(source(house), applied);
    assert_string_equal(row(house)->refused, "");
    assert_true(lat_file_exists(beside));
    free(beside);
}

static void a_change_that_is_late_is_told_and_not_tried_again(void **state)
{
    struct house *house = *state;

    start(house);
    make_late(house, draft, 1);
    assert_int_equal(apply(house, draft), LAT_E_TIMEOUT);
    pass(house, 3600000);
    assert_string_not_equal(source(house), draft);
    assert_string_equal(row(house)->refused, "");
}

/* ---- what was in force ---- */

static void what_was_in_force_and_is_late_at_a_start_comes_back_by_itself(void **state)
{
    struct house *house = *state;

    start(house);
    assert_int_equal(apply(house, applied), LAT_OK);
    int64_t newest = row(house)->newest;
    pass(house, 100);
    stop(house);
    inside_renew_host(&house->world);
    make_late(house, applied, 5);
    start(house);
    assert_int_equal(house->world.slow_loads,
                     2); /* three tries at once: the start waits for them */
    pass(house, 60000);
    assert_int_equal(house->world.slow_loads, 0);
    assert_string_equal(source(house), applied);
    assert_string_equal(row(house)->refused, "");
    assert_int_equal(row(house)->newest, newest); /* it is no version more */
}

/* The console ended before it had written the file, and comes back to a machine that has much to do. */
static void a_file_that_was_left_behind_waits_for_what_is_in_force(void **state)
{
    struct house *house = *state;
    struct lat_buf text = {0};

    start(house);
    assert_int_equal(lat_file_read(house->file, 1 << 20, &text, NULL), 0);
    assert_int_equal(apply(house, applied), LAT_OK);
    stop(house);
    save(house, lat_buf_text(&text));
    lat_buf_done(&text);
    inside_renew_host(&house->world);
    make_late(house, applied, 5);
    start(house);
    pass(house, 60000);
    assert_string_equal(source(house), applied);
    assert_int_equal(lat_file_read(house->file, 1 << 20, &text, NULL), 0);
    assert_string_equal(lat_buf_text(&text), applied);
    lat_buf_done(&text);
}

static void without_a_folder_a_shipped_text_that_is_late_is_tried_again(void **state)
{
    struct house *house = *state;

    free(house->folder);
    house->folder = NULL;
    start(house);
    char *shipped = lat_text_copy(source(house));
    char *command = lat_text_format("rm %s/store.db*", house->dir);

    stop(house);
    inside_renew_host(&house->world);
    assert_int_equal(system(command), 0);
    make_late(house, shipped, 2);
    start(house);
    assert_string_equal(source(house), "");
    pass(house, 30000);
    assert_string_equal(source(house), shipped);
    assert_string_equal(row(house)->refused, "");
    free(command);
    free(shipped);
}

/* ---- what else stands in the way ---- */

static void what_is_no_file_is_refused_and_keeps_nobody_waiting(void **state)
{
    struct house *house = *state;

    assert_int_equal(lat_dir_make(house->folder, 0755, NULL), 0);
    assert_int_equal(mkfifo(house->file, 0600), 0);
    start(house);
    assert_non_null(strstr(row(house)->refused, "is no file"));
    assert_int_not_equal(strlen(source(house)), 0); /* the shipped one */
    assert_int_equal(unlink(house->file), 0);
    save(house, draft);
    pass(house, 1000);
    assert_string_equal(source(house), draft);
    assert_int_equal(unlink(house->file), 0);
    assert_int_equal(mkdir(house->file, 0755), 0);
    pass(house, 1000);
    assert_non_null(strstr(row(house)->refused, "is no file"));
    assert_string_equal(source(house), draft);
    assert_int_equal(apply(house, applied), LAT_OK); /* and leaves the folder alone */
    assert_string_equal(source(house), applied);
}

static void set_committed(void *arg, const struct lat_err *err)
{
    assert_null(err);
    *(bool *)arg = true;
}

static void commit(struct house *house, struct lat_txn *txn)
{
    struct lat_err err;
    bool committed = false;

    if (lat_txn_commit(txn, set_committed, &committed, &err) != 0) {
        fail_msg("%s", err.sentence);
    }
    inside_pass_until(&house->world, &committed);
}

/* Ids are of the clock: that of the oldest version may be the newest. */
static void versions_are_forgotten_by_revision(void **state)
{
    struct house *house = *state;
    const struct lat_policy_version *version;
    struct lat_policy_version *again = lat_policy_version_new();
    struct lat_err err;

    start(house);
    for (int i = 2; i <= LAT_POLICIES_VERSIONS_MAX; i++) {
        char *text = lat_text_format("function score() return %d end\n", i);

        assert_int_equal(apply(house, text), LAT_OK);
        free(text);
    }
    assert_int_equal(lat_policies_version(house->store, "placement", 1, &version, NULL), 0);
    lat_row_set(again->policy, version->policy);
    lat_row_set(again->source, version->source);
    lat_row_set(again->author, version->author);
    lat_row_set(again->origin, version->origin);
    again->revision = version->revision;
    struct lat_txn *txn = lat_txn_begin(house->store, "request");

    lat_txn_remove(txn, LAT_TABLE_POLICY_VERSION, version->row.id);
    commit(house, txn);
    txn = lat_txn_begin(house->store, "request");
    lat_txn_put(txn, &again->row);
    commit(house, txn);
    assert_int_equal(apply(house, applied), LAT_OK);
    assert_int_equal(lat_policies_version(house->store, "placement", 1, &version, &err),
                     LAT_E_NOT_FOUND);
    assert_int_equal(lat_policies_version(house->store, "placement", 2, &version, NULL), 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_file_that_was_late_is_tried_again_until_it_is_in_force),
        T(a_file_that_is_always_late_is_given_up_after_some_tries),
        T(the_pauses_between_tries_double),
        T(another_text_that_is_saved_begins_anew),
        T(what_somebody_applies_meanwhile_is_not_undone_by_the_late_file),
        T(a_change_that_is_late_is_told_and_not_tried_again),
        T(what_was_in_force_and_is_late_at_a_start_comes_back_by_itself),
        T(a_file_that_was_left_behind_waits_for_what_is_in_force),
        T(without_a_folder_a_shipped_text_that_is_late_is_tried_again),
        T(what_is_no_file_is_refused_and_keeps_nobody_waiting),
        T(versions_are_forgotten_by_revision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
