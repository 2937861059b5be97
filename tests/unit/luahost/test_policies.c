/* Policy files and their rows: first start, saving, refusals, restarts. */
#include "tests/unit/luahost/fixture.h"

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
    assert_true(lat_loop_run_until(house->fixture->loop, &ready, 30000));
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
    assert_true(lat_loop_run_until(house->fixture->loop, &closed, 10000));
    house->store = lat_store_close(house->store);
}

static void renew_host(struct house *house)
{
    struct lat_luahost_options options = {.deadline_ms = fixture_deadline_ms(), .stderr_fd = 2};

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

static void save(struct house *house, const char *text)
{
    assert_int_equal(lat_file_replace(house->file, text, strlen(text), 0644, NULL), 0);
}

/* Waits until the row's revision and refusal are so. */
static void wait_for_row(struct house *house, int64_t revision, bool is_refused)
{
    bool never = false;

    for (int i = 0; i < 1500; i++) {
        if (row(house) != NULL && row(house)->revision == revision &&
            (row(house)->refused[0] != '\0') == is_refused) {
            return;
        }
        lat_loop_run_until(house->fixture->loop, &never, 10);
    }
    fail_msg("revision %lld, refused '%s'", (long long)row(house)->revision, row(house)->refused);
}

static void assert_scores(struct house *house, const char *score)
{
    struct result result =
        fixture_ask(house->fixture, LAT_LUAHOST_POLICY, "placement", "decide", fixture_question);
    char *wanted = lat_text_format("{\"nodes\":[{\"ok\":true,\"score\":%s}", score);

    assert_non_null(result.value);
    if (!lat_text_starts(result.value, wanted)) {
        fail_msg("%s instead of %s", result.value, wanted);
    }
    free(wanted);
    free(result.value);
}

static void first_start_writes_the_shipped_file_and_takes_it(void **state)
{
    struct house *house = *state;
    struct lat_buf text = {0};

    start(house);
    assert_int_equal(lat_file_read(house->file, 1 << 20, &text, NULL), 0);
    assert_int_equal(row(house)->revision, 1);
    assert_string_equal(row(house)->origin, "shipped");
    assert_string_equal(row(house)->source, lat_buf_text(&text));
    assert_string_equal(row(house)->refused, "");
    lat_buf_done(&text);
    assert_scores(house, "750"); /* 500 * 1.5/2 + 500 * 3000/4000 */
}

static void without_a_folder_the_shipped_text_is_in_force(void **state)
{
    struct house *house = *state;

    for (int starts = 0; starts < 2; starts++) {
        start_in(house, NULL);
        assert_scores(house, "750");
        assert_int_equal(row(house)->revision, 1);
        assert_string_equal(row(house)->origin, "shipped");
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
    assert_scores(house, "1");
    assert_string_equal(row(house)->origin, house->file);
    assert_true(row(house)->accepted_at > 0);
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
    assert_string_equal(row(house)->source, scores_1);
    assert_scores(house, "1");
    save(house, scores_1);
    wait_for_row(house, 2, false);
    save(house, scores_2);
    wait_for_row(house, 3, false);
    assert_scores(house, "2");
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
    assert_scores(house, "1");
    restart(house);
    assert_scores(house, "1");
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
    assert_scores(house, "1");
}

static void restart_with_a_broken_file_takes_the_accepted_text(void **state)
{
    struct house *house = *state;

    start(house);
    save(house, scores_1);
    wait_for_row(house, 2, false);
    stop(house);
    save(house, broken);
    house->fixture->host = lat_luahost_new(
        house->fixture->loop, NULL, NULL, house->fixture->random,
        &(struct lat_luahost_options){.deadline_ms = fixture_deadline_ms(), .stderr_fd = 2});
    start(house);
    assert_scores(house, "1");
    assert_non_null(strstr(row(house)->refused, "fre_cpu"));
    assert_int_equal(row(house)->revision, 2);
}

static void file_changed_while_stopped_takes_effect_at_start(void **state)
{
    struct house *house = *state;

    start(house);
    stop(house);
    save(house, scores_2);
    house->fixture->host = lat_luahost_new(
        house->fixture->loop, NULL, NULL, house->fixture->random,
        &(struct lat_luahost_options){.deadline_ms = fixture_deadline_ms(), .stderr_fd = 2});
    start(house);
    assert_scores(house, "2");
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
    assert_scores(house, "750");
    assert_int_equal(row(house)->revision, 1);
    assert_string_equal(row(house)->origin, "shipped");
    assert_non_null(strstr(row(house)->refused, "fre_cpu"));
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
    for (int i = 0; i < 500 && strstr(row(house)->source, "119") == NULL; i++) {
        lat_loop_run_until(house->fixture->loop, &never, 10);
    }
    assert_scores(house, "119");
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
        cmocka_unit_test_setup_teardown(many_saves_end_with_the_last, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return fixture_main(argc, argv, run);
}
