/* Policy files and their rows: first start, saving, refusals, restarts. */
#include "tests/unit/luahost/fixture.h"
#include "tests/unit/waiting.h"

#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"
#include "luahost/policies.h"
#include "store/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A console's share of it: a store, a folder, a host, the policies. */
struct house {
    struct fixture *fixture;
    char dir[64];
    char *file;
    struct lat_store *store;
    struct lat_policies *policies;
};

static const char scores_1[] = "function score() return 1 end\n";
static const char scores_2[] = "function score() return 2 end\n";
static const char broken[] = "function score(node)\n  return node.fre_cpu\nend\n";

static void set_flag(void *arg)
{
    *(bool *)arg = true;
}

static void start_in(struct house *house, const char *folder)
{
    struct lat_journal *journal = NULL;
    char *database = lat_text_format("%s/store.db", house->dir);
    bool ready = false;

    assert_int_equal(lat_journal_open_sqlite(database, NULL, &journal, NULL), 0);
    assert_int_equal(lat_store_open(house->fixture->loop, journal, house->fixture->random,
                                    house->fixture->metrics, &house->store, NULL),
                     0);
    assert_int_equal(lat_policies_start(house->fixture->host, house->store, NULL, folder, set_flag,
                                        &ready, &house->policies, NULL),
                     0);
    assert_true(lat_loop_run_until(house->fixture->loop, &ready, WAITING_MS));
    free(database);
}

static void start(struct house *house)
{
    char *folder = lat_text_format("%s/policies", house->dir);

    start_in(house, folder);
    free(folder);
}

static void stop(struct house *house)
{
    bool closed = false;

    house->policies = lat_policies_stop(house->policies);
    lat_luahost_close(house->fixture->host, set_flag, &closed);
    assert_true(lat_loop_run_until(house->fixture->loop, &closed, WAITING_MS));
    house->store = lat_store_close(house->store);
}

static void renew_host(struct house *house)
{
    struct lat_luahost_options options = {
        .deadline_ms = FIXTURE_DEADLINE_MS, .patience_ms = WAITING_MS, .stderr_fd = 2};

    house->fixture->host = lat_luahost_new(house->fixture->loop, NULL, house->fixture->metrics,
                                           house->fixture->random, &options);
}

static void restart(struct house *house)
{
    stop(house);
    renew_host(house);
    start(house);
}

static int setup(void **state)
{
    struct house *house = LAT_NEW(struct house);

    fixture_setup((void **)&house->fixture);
    strcpy(house->dir, "/tmp/lattice-policies-XXXXXX");
    assert_non_null(mkdtemp(house->dir));
    house->file = lat_text_format("%s/policies/placement.lua", house->dir);
    *state = house;
    return 0;
}

static int teardown(void **state)
{
    struct house *house = *state;
    char *command = lat_text_format("rm -r %s", house->dir);

    stop(house);
    house->fixture->host = lat_luahost_new(house->fixture->loop, NULL, NULL, house->fixture->random,
                                           &(struct lat_luahost_options){.stderr_fd = -1});
    fixture_teardown((void **)&house->fixture);
    assert_int_equal(system(command), 0);
    free(command);
    free(house->file);
    free(house);
    return 0;
}

static const struct lat_policy *row(struct house *house)
{
    return (const struct lat_policy *)lat_store_find(house->store, LAT_INDEX_POLICY_NAME,
                                                     "placement");
}

static const struct lat_policy_version *in_force(struct house *house)
{
    const struct lat_policy *policy;
    const struct lat_policy_version *version;
    struct lat_err err;

    if (lat_policies_find(house->store, "placement", &policy, &version, &err) != 0) {
        fail_msg("%s", err.sentence);
    }
    return version;
}

static void save(struct house *house, const char *text)
{
    assert_int_equal(lat_file_replace(house->file, text, strlen(text), 0644, NULL), 0);
}

static char *file_text(const char *path)
{
    struct lat_buf text = {0};

    if (lat_file_read(path, 1 << 20, &text, NULL) != 0) {
        return NULL;
    }
    return lat_buf_take_text(&text);
}

/* Waits until the row's revision and refusal are so. */
static void wait_for_row(struct house *house, int64_t revision, bool is_refused)
{
    bool never = false;

    for (int i = 0; i < WAITING_MS; i++) {
        if (row(house) != NULL && row(house)->revision == revision &&
            (row(house)->refused[0] != '\0') == is_refused) {
            return;
        }
        lat_loop_run_until(house->fixture->loop, &never, 10);
    }
    fail_msg("revision %lld, refused '%s'", (long long)row(house)->revision, row(house)->refused);
}

static void assert_scores(struct house *house, double score)
{
    double got = fixture_score(house->fixture);

    if (got != score) {
        fail_msg("%g instead of %g", got, score);
    }
}

static void first_start_writes_the_shipped_file_and_takes_it(void **state)
{
    struct house *house = *state;
    struct lat_buf text = {0};

    start(house);
    assert_int_equal(lat_file_read(house->file, 1 << 20, &text, NULL), 0);
    assert_int_equal(row(house)->revision, 1);
    assert_string_equal(in_force(house)->origin, "shipped");
    assert_string_equal(in_force(house)->source, lat_buf_text(&text));
    assert_string_equal(row(house)->refused, "");
    lat_buf_done(&text);
    assert_scores(house, 750); /* 500 * 1.5/2 + 500 * 3000/4000 */
}

static void without_a_folder_the_shipped_text_is_in_force(void **state)
{
    struct house *house = *state;

    for (int starts = 0; starts < 2; starts++) {
        start_in(house, NULL);
        assert_scores(house, 750);
        assert_int_equal(row(house)->revision, 1);
        assert_string_equal(in_force(house)->origin, "shipped");
        assert_false(lat_file_exists(house->file));
        if (starts == 0) {
            stop(house);
            renew_host(house);
        }
    }
}

static void saved_file_takes_effect(void **state)
{
    struct house *house = *state;

    start(house);
    save(house, scores_1);
    wait_for_row(house, 2, false);
    assert_scores(house, 1);
    assert_string_equal(in_force(house)->origin, house->file);
    assert_true(in_force(house)->accepted_at > 0);
}

static void broken_file_is_refused_and_the_way_back_is_no_change(void **state)
{
    struct house *house = *state;

    start(house);
    save(house, scores_1);
    wait_for_row(house, 2, false);
    save(house, broken);
    wait_for_row(house, 2, true);
    assert_non_null(strstr(row(house)->refused, "placement.lua:2: node has no field 'fre_cpu'"));
    assert_string_equal(in_force(house)->source, scores_1);
    assert_scores(house, 1);
    save(house, scores_1);
    wait_for_row(house, 2, false);
    save(house, scores_2);
    wait_for_row(house, 3, false);
    assert_scores(house, 2);
}

static void removed_file_leaves_the_last_text_in_force(void **state)
{
    struct house *house = *state;

    start(house);
    save(house, scores_1);
    wait_for_row(house, 2, false);
    assert_int_equal(unlink(house->file), 0);
    wait_for_row(house, 2, true);
    assert_non_null(strstr(row(house)->refused, "is gone"));
    assert_scores(house, 1);
    restart(house);
    assert_scores(house, 1);
    assert_int_equal(row(house)->revision, 2);
    assert_false(lat_file_exists(house->file));
}

static void restart_keeps_revision_and_text(void **state)
{
    struct house *house = *state;

    start(house);
    save(house, scores_1);
    wait_for_row(house, 2, false);
    restart(house);
    assert_int_equal(row(house)->revision, 2);
    assert_scores(house, 1);
}

static void restart_with_a_broken_file_takes_the_accepted_text(void **state)
{
    struct house *house = *state;

    start(house);
    save(house, scores_1);
    wait_for_row(house, 2, false);
    stop(house);
    save(house, broken);
    renew_host(house);
    start(house);
    assert_scores(house, 1);
    assert_non_null(strstr(row(house)->refused, "fre_cpu"));
    assert_int_equal(row(house)->revision, 2);
}

static void file_changed_while_stopped_takes_effect_at_start(void **state)
{
    struct house *house = *state;

    start(house);
    stop(house);
    save(house, scores_2);
    renew_host(house);
    start(house);
    assert_scores(house, 2);
    assert_int_equal(row(house)->revision, 2);
}

static void first_file_that_is_broken_gives_way_to_the_shipped_text(void **state)
{
    struct house *house = *state;
    char *folder = lat_text_format("%s/policies", house->dir);

    assert_int_equal(lat_dir_make(folder, 0755, NULL), 0);
    free(folder);
    save(house, broken);
    start(house);
    assert_scores(house, 750);
    assert_int_equal(row(house)->revision, 1);
    assert_string_equal(in_force(house)->origin, "shipped");
    assert_non_null(strstr(row(house)->refused, "fre_cpu"));
}

static void first_file_that_is_broken_is_left_to_its_author(void **state)
{
    struct house *house = *state;
    char *folder = lat_text_format("%s/policies", house->dir);

    assert_int_equal(lat_dir_make(folder, 0755, NULL), 0);
    free(folder);
    save(house, broken);
    start(house);
    restart(house);
    assert_non_null(strstr(row(house)->refused, "fre_cpu"));
    char *text = file_text(house->file);

    assert_string_equal(text, broken);
    free(text);
    save(house, scores_2);
    wait_for_row(house, 2, false);
}

static void many_saves_end_with_the_last(void **state)
{
    struct house *house = *state;
    bool never = false;

    start(house);
    for (int i = 0; i < 20; i++) {
        char *text = lat_text_format("function score() return %d end\n", 100 + i);

        save(house, text);
        free(text);
        lat_loop_run_until(house->fixture->loop, &never, 7);
    }
    for (int i = 0; i < WAITING_MS && strstr(in_force(house)->source, "119") == NULL; i++) {
        lat_loop_run_until(house->fixture->loop, &never, 10);
    }
    assert_scores(house, 119);
}

/* ---- changes that are asked for ---- */

/* What became of one. */
struct outcome {
    bool accepted, done;
    struct lat_err err; /* code LAT_OK where it is in force */
};

static void on_accepted(void *arg, struct lat_txn *txn, const struct lat_policy *policy)
{
    struct outcome *outcome = arg;

    assert_non_null(lat_txn_get(txn, LAT_TABLE_POLICY, policy->row.id));
    assert_false(outcome->accepted);
    outcome->accepted = true;
}

static void on_done(void *arg, const struct lat_err *err)
{
    struct outcome *outcome = arg;

    assert_false(outcome->done);
    outcome->done = true;
    outcome->err = err != NULL ? *err : (struct lat_err){0};
    assert_true(err != NULL || outcome->accepted);
}

static void ask_for(struct house *house, struct lat_policies_change change, struct outcome *outcome)
{
    *outcome = (struct outcome){0};
    change.name = change.name != NULL ? change.name : "placement";
    change.author = "ada";
    change.request_id = "request";
    change.accepted = on_accepted;
    change.done = on_done;
    change.arg = outcome;
    lat_policies_change(house->policies, &change);
    assert_false(outcome->done);
}

static int change_now(struct house *house, struct lat_policies_change change,
                      struct lat_err *ret_err)
{
    struct outcome outcome;

    ask_for(house, change, &outcome);
    assert_true(lat_loop_run_until(house->fixture->loop, &outcome.done, WAITING_MS));
    if (ret_err != NULL) {
        *ret_err = outcome.err;
    }
    return outcome.err.code;
}

static int apply(struct house *house, const char *text)
{
    return change_now(house, (struct lat_policies_change){.source = text}, NULL);
}

/* Waits until the file says so and the row knows it. */
static void wait_for_file(struct house *house, const char *text)
{
    bool never = false;

    for (int i = 0; i < WAITING_MS; i++) {
        char *now = file_text(house->file);
        bool same = now != NULL && strcmp(now, text) == 0;

        free(now);
        if (same && row(house)->file_digest[0] == '\0') {
            return;
        }
        lat_loop_run_until(house->fixture->loop, &never, 10);
    }
    fail_msg("the file does not say: %s", text);
}

static void applied_text_is_in_force_and_in_the_file(void **state)
{
    struct house *house = *state;

    start(house);
    assert_int_equal(apply(house, scores_1), 0);
    assert_int_equal(row(house)->revision, 2);
    assert_string_equal(in_force(house)->author, "ada");
    assert_string_equal(in_force(house)->origin, "api");
    assert_scores(house, 1);
    wait_for_file(house, scores_1);
    restart(house);
    assert_int_equal(row(house)->revision, 2);
    assert_scores(house, 1);
}

static void bad_text_is_refused_with_its_line_and_changes_nothing(void **state)
{
    struct house *house = *state;
    struct lat_err err;

    start(house);
    assert_int_equal(change_now(house, (struct lat_policies_change){.source = broken}, &err),
                     LAT_E_POLICY);
    assert_int_equal(err.line, 2);
    assert_non_null(strstr(err.sentence, "placement.lua:2: node has no field 'fre_cpu'"));
    assert_int_equal(row(house)->revision, 1);
    assert_int_equal(row(house)->newest, 1);
    assert_string_equal(row(house)->refused, "");
    assert_scores(house, 750);
}

static void rollback_goes_back_and_the_next_version_counts_on(void **state)
{
    struct house *house = *state;

    start(house);
    assert_int_equal(apply(house, scores_1), 0);
    assert_int_equal(apply(house, scores_2), 0);
    assert_int_equal(change_now(house, (struct lat_policies_change){.revision = 2}, NULL), 0);
    assert_int_equal(row(house)->revision, 2);
    assert_int_equal(row(house)->newest, 3);
    assert_scores(house, 1);
    wait_for_file(house, scores_1);
    assert_int_equal(apply(house, "function score() return 4 end\n"), 0);
    assert_int_equal(row(house)->revision, 4);
    assert_scores(house, 4);
    assert_int_equal(change_now(house, (struct lat_policies_change){.revision = 9}, NULL),
                     LAT_E_NOT_FOUND);
}

static void rollback_to_an_older_shipped_text_outlives_a_restart(void **state)
{
    struct house *house = *state;

    start(house);
    assert_int_equal(apply(house, scores_1), 0);
    assert_int_equal(change_now(house, (struct lat_policies_change){.revision = 1}, NULL), 0);
    assert_scores(house, 750);
    restart(house);
    assert_int_equal(row(house)->revision, 1);
    assert_int_equal(row(house)->newest, 2);
    assert_scores(house, 750);
}

static void a_change_of_what_has_changed_is_a_conflict(void **state)
{
    struct house *house = *state;

    start(house);
    assert_int_equal(apply(house, scores_1), 0);
    assert_int_equal(
        change_now(house, (struct lat_policies_change){.source = scores_2, .if_revision = 1}, NULL),
        LAT_E_CONFLICT);
    assert_scores(house, 1);
    assert_int_equal(
        change_now(house, (struct lat_policies_change){.source = scores_2, .if_revision = 2}, NULL),
        0);
    assert_scores(house, 2);
}

static void what_is_in_force_already_makes_no_version(void **state)
{
    struct house *house = *state;

    start(house);
    assert_int_equal(apply(house, scores_1), 0);
    assert_int_equal(apply(house, scores_1), 0);
    assert_int_equal(row(house)->newest, 2);
}

static void a_name_that_is_none_is_answered_with_the_nearest(void **state)
{
    struct house *house = *state;
    struct lat_err err;

    start(house);
    assert_int_equal(
        change_now(house, (struct lat_policies_change){.name = "placment", .source = scores_1},
                   &err),
        LAT_E_NOT_FOUND);
    assert_non_null(strstr(err.hint, "placement"));
}

static void only_the_newest_versions_are_kept(void **state)
{
    struct house *house = *state;
    const struct lat_policy_version *version;
    struct lat_err err;

    start(house);
    for (int i = 0; i < LAT_POLICIES_VERSIONS_MAX; i++) {
        char *text = lat_text_format("function score() return %d end\n", 1000 + i);

        assert_int_equal(apply(house, text), 0);
        free(text);
    }
    assert_int_equal(row(house)->revision, LAT_POLICIES_VERSIONS_MAX + 1);
    assert_int_equal(lat_store_count(house->store, LAT_TABLE_POLICY_VERSION),
                     LAT_POLICIES_VERSIONS_MAX + 2); /* those of the other policies */
    assert_int_equal(lat_policies_version(house->store, "placement", 1, &version, &err),
                     LAT_E_NOT_FOUND);
    assert_int_equal(lat_policies_version(house->store, "placement", 2, &version, &err), 0);
    assert_non_null(strstr(version->source, "1000"));
}

static void too_many_changes_at_once_are_turned_away(void **state)
{
    struct house *house = *state;
    struct outcome outcomes[LAT_POLICIES_WAITING_MAX + 1];

    start(house);
    for (int i = 0; i <= LAT_POLICIES_WAITING_MAX; i++) {
        ask_for(house, (struct lat_policies_change){.source = i % 2 == 0 ? scores_1 : scores_2},
                &outcomes[i]);
    }
    for (int i = 0; i <= LAT_POLICIES_WAITING_MAX; i++) {
        assert_true(lat_loop_run_until(house->fixture->loop, &outcomes[i].done, WAITING_MS));
        assert_int_equal(outcomes[i].err.code, i == LAT_POLICIES_WAITING_MAX ? LAT_E_BUSY : LAT_OK);
    }
    assert_scores(house, 2);
}

static void changes_that_wait_when_it_stops_are_cancelled(void **state)
{
    struct house *house = *state;
    struct outcome first, second;

    start(house);
    ask_for(house, (struct lat_policies_change){.source = scores_1}, &first);
    ask_for(house, (struct lat_policies_change){.source = scores_2}, &second);
    restart(house);
    assert_true(first.done && second.done);
    assert_int_equal(second.err.code, LAT_E_CANCELLED);
    assert_int_equal(row(house)->revision, first.err.code == LAT_OK ? 2 : 1);
}

static void a_refused_draft_is_kept_beside_the_text_that_replaces_it(void **state)
{
    struct house *house = *state;
    char *beside = lat_text_format("%s.refused", house->file);

    start(house);
    save(house, broken);
    wait_for_row(house, 1, true);
    assert_int_equal(apply(house, scores_1), 0);
    wait_for_file(house, scores_1);
    assert_string_equal(row(house)->refused, "");
    char *kept = file_text(beside);
    assert_string_equal(kept, broken);
    free(kept);
    free(beside);
}

static void an_edit_while_another_text_is_applied_is_tried_as_newer(void **state)
{
    struct house *house = *state;
    struct outcome outcome;

    start(house);
    ask_for(house, (struct lat_policies_change){.source = scores_1}, &outcome);
    save(house, scores_2); /* before the console has looked at the folder again */
    assert_true(lat_loop_run_until(house->fixture->loop, &outcome.done, WAITING_MS));
    assert_int_equal(outcome.err.code, 0);
    wait_for_row(house, 3, false);
    assert_scores(house, 2);
    assert_string_equal(in_force(house)->author, "file");
    wait_for_file(house, scores_2);
}

/* The console ends between the commit and the file. */
static void a_file_that_was_left_behind_is_written_at_the_start(void **state)
{
    struct house *house = *state;
    struct outcome outcome;
    char *shipped;

    start(house);
    shipped = file_text(house->file);
    ask_for(house, (struct lat_policies_change){.source = scores_1}, &outcome);
    assert_true(lat_loop_run_until(house->fixture->loop, &outcome.done, WAITING_MS));
    stop(house);
    save(house, shipped);
    free(shipped);
    renew_host(house);
    start(house);
    assert_int_equal(row(house)->revision, 2);
    assert_scores(house, 1);
    wait_for_file(house, scores_1);
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(first_start_writes_the_shipped_file_and_takes_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(without_a_folder_the_shipped_text_is_in_force, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(saved_file_takes_effect, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_file_is_refused_and_the_way_back_is_no_change, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(removed_file_leaves_the_last_text_in_force, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(restart_keeps_revision_and_text, setup, teardown),
        cmocka_unit_test_setup_teardown(restart_with_a_broken_file_takes_the_accepted_text, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(file_changed_while_stopped_takes_effect_at_start, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(first_file_that_is_broken_gives_way_to_the_shipped_text,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(first_file_that_is_broken_is_left_to_its_author, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(many_saves_end_with_the_last, setup, teardown),
        cmocka_unit_test_setup_teardown(applied_text_is_in_force_and_in_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_text_is_refused_with_its_line_and_changes_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(rollback_goes_back_and_the_next_version_counts_on, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(rollback_to_an_older_shipped_text_outlives_a_restart, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_change_of_what_has_changed_is_a_conflict, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_in_force_already_makes_no_version, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_that_is_none_is_answered_with_the_nearest, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(only_the_newest_versions_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_changes_at_once_are_turned_away, setup, teardown),
        cmocka_unit_test_setup_teardown(changes_that_wait_when_it_stops_are_cancelled, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_refused_draft_is_kept_beside_the_text_that_replaces_it,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(an_edit_while_another_text_is_applied_is_tried_as_newer,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_was_left_behind_is_written_at_the_start, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return fixture_main(argc, argv, run);
}
