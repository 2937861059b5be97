/* Rows in shared memory: every field is read as it is, the answers are those of the compiled program, and a hostile policy costs its own
 * question. What a process writes there is not believed: see test_inside.c. */
#include "tests/unit/luahost/everything.h"
#include "tests/unit/luahost/fixture.h"
#include "tests/unit/luahost/hostile.h"

#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"
#include "luahost/rows.h"
#include "policy/program.h"

#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NODES = 300 };

/* ---- nodes ---- */

static const char *const words[] = {"",    "default",       "gpu",    "amd64", "arm64",
                                    "ssd", "zone-a",        "zone-b", "x",     "true",
                                    "17",  "\u00e9t\u00e9", "edge",   "A100",  "node-1"};

static const char *some_word(struct fixture *fixture)
{
    return words[lat_random_below(fixture->random, LAT_COUNT(words))];
}

static int64_t some_number(struct fixture *fixture)
{
    switch (lat_random_below(fixture->random, 6)) {
    case 0: return 0;
    case 1: return 1;
    case 2: return -(int64_t)lat_random_below(fixture->random, 5);
    case 3: return (int64_t)1 << 50;
    default: return (int64_t)lat_random_below(fixture->random, UINT64_C(1) << 34);
    }
}

static cJSON *some_map(struct fixture *fixture)
{
    static const char *const keys[] = {"zone", "disk", "tier", "rack", "power"};
    cJSON *map = cJSON_CreateObject();

    for (size_t i = 0; i < LAT_COUNT(keys); i++) {
        if (lat_random_below(fixture->random, 2) == 0) {
            cJSON_AddStringToObject(map, keys[i], some_word(fixture));
        }
    }
    return map;
}

static void set_field(struct fixture *fixture, size_t row, enum lat_policy_field field)
{
    struct lat_columns *columns = fixture->columns;
    bool is_node = field < LAT_NODE_FIELD_COUNT;
    int64_t number = some_number(fixture);
    double real = (double)lat_random_below(fixture->random, 64) / 7;
    const char *word = some_word(fixture);
    cJSON *map;

    switch (lat_policy_field_row(field)->type) {
    case LAT_POLICY_TYPE_BOOL: lat_columns_set_bool(columns, row, field, number % 3 != 0); break;
    case LAT_POLICY_TYPE_INT:
        is_node ? lat_columns_set_int(columns, row, field, number)
                : lat_record_set_int(fixture->record, field, number);
        break;
    case LAT_POLICY_TYPE_FLOAT:
        is_node ? lat_columns_set_float(columns, row, field, real)
                : lat_record_set_float(fixture->record, field, real);
        break;
    case LAT_POLICY_TYPE_OPTION: word = number % 2 == 0 ? NULL : word; /* fall through */
    case LAT_POLICY_TYPE_TEXT:
        is_node ? lat_columns_set_text(columns, row, field, word)
                : lat_record_set_text(fixture->record, field, word);
        break;
    case LAT_POLICY_TYPE_MAP:
        map = some_map(fixture);
        is_node ? lat_columns_set_map(columns, row, field, map)
                : lat_record_set_map(fixture->record, field, map);
        cJSON_Delete(map);
        break;
    }
}

static void set_node(struct fixture *fixture, size_t row)
{
    char name[32];

    for (size_t field = 0; field < LAT_NODE_FIELD_COUNT; field++) {
        set_field(fixture, row, (enum lat_policy_field)field);
    }
    snprintf(name, sizeof(name), "node-%" PRIu64, lat_random_below(fixture->random, 100000));
    lat_columns_set_text(fixture->columns, row, LAT_FIELD_node_name, name);
}

static void set_workload(struct fixture *fixture)
{
    for (size_t field = LAT_NODE_FIELD_COUNT; field < LAT_PLACEMENT_FIELD_COUNT; field++) {
        set_field(fixture, 0, (enum lat_policy_field)field);
    }
}

static void add_nodes(struct fixture *fixture, size_t count)
{
    size_t row;

    for (size_t i = 0; i < count; i++) {
        assert_int_equal(lat_columns_add(fixture->columns, &row, NULL), 0);
        set_node(fixture, row);
    }
}

static bool is_alive(const struct fixture *fixture, size_t row)
{
    return lat_columns_alive(fixture->columns)[row / 64] >> (row % 64) & 1;
}

/* ---- asking about rows ---- */

static struct rows_result ask_rows(struct fixture *fixture, const uint64_t *among)
{
    struct rows_result result = {0};

    lat_luahost_rows(fixture->host, fixture->columns, fixture->record, among, fixture_on_rows,
                     &result);
    assert_false(result.done);
    fixture_wait_rows(fixture, &result);
    return result;
}

/* ---- comparing ---- */

static void check_row(const struct lat_decision *decision, size_t row, bool ok, double score,
                      const char *reason, const char *what)
{
    double got = decision->scores[row];

    if (decision->verdicts[row] != (ok ? LAT_VERDICT_POSSIBLE : LAT_VERDICT_REFUSED) ||
        (ok && memcmp(&got, &score, sizeof(got)) != 0) ||
        (!ok && strcmp(lat_decision_reason(decision, row), reason) != 0)) {
        fail_msg("%s, row %zu: verdict %d score %.17g (%.17g) reason '%s' ('%s')", what, row,
                 decision->verdicts[row], got, score, lat_decision_reason(decision, row), reason);
    }
}

/* Holds the rows to the program of the policy in force. Returns false where it has none. */
static bool compare(struct fixture *fixture, const char *what)
{
    struct rows_result rows = ask_rows(fixture, NULL);
    int64_t revision;
    const struct lat_program *program = lat_luahost_program(fixture->host, "placement", &revision);
    union lat_program_value *values;
    bool traps = false;
    size_t ops;

    if (program == NULL) {
        lat_decision_free(rows.decision);
        return false;
    }
    lat_program_ops(program, &ops);
    values = lat_alloc_array(ops + 1, sizeof(*values));
    for (size_t row = 0; row < lat_columns_rows(fixture->columns); row++) {
        struct lat_buf reason = {0};

        if (!is_alive(fixture, row)) {
            assert_true(rows.decision == NULL ||
                        rows.decision->verdicts[row] == LAT_VERDICT_UNASKED);
            continue;
        }
        lat_program_row(program, fixture->columns, fixture->record, row, values);
        traps = traps || lat_program_trapped(program, values) >= 0;

        int32_t rule = lat_program_refused(program, values);
        int32_t score = lat_program_score(program);

        if (rule >= 0 &&
            !lat_program_reason(program, fixture->columns, (uint32_t)rule, values, &reason)) {
            lat_buf_add_text(&reason, "refused by the filter of placement.lua");
        }
        if (rows.decision != NULL) {
            check_row(rows.decision, row, rule < 0, rule < 0 && score >= 0 ? values[score].f : 0,
                      lat_buf_text(&reason), what);
        }
        lat_buf_done(&reason);
    }
    free(values);
    if (traps != (rows.decision == NULL)) {
        fail_msg("%s: %s", what, rows.err.sentence);
    }
    lat_decision_free(rows.decision);
    return true;
}

static void load_file(struct fixture *fixture, const char *name)
{
    char *path = lat_text_format("%s/tests/policies/%s", LAT_TEST_ROOT, name);
    struct lat_buf text = {0};
    struct lat_err err;

    assert_int_equal(lat_file_read(path, LAT_LUAHOST_SOURCE_MAX, &text, NULL), 0);
    if (fixture_load_policy(fixture, lat_buf_text(&text), &err) != 0) {
        fail_msg("%s: %s", name, err.sentence);
    }
    lat_buf_done(&text);
    free(path);
}

static void thirty_policies_say_of_rows_what_they_say_compiled(void **state)
{
    struct fixture *fixture = *state;
    char *path = lat_text_format("%s/tests/policies", LAT_TEST_ROOT);
    DIR *folder = opendir(path);
    size_t files = 0;
    size_t compiled = 0;

    assert_non_null(folder);
    add_nodes(fixture, NODES);
    lat_columns_remove(fixture->columns, 7);
    lat_columns_remove(fixture->columns, 255);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (!lat_text_ends(entry->d_name, ".lua")) {
            continue;
        }
        files++;
        load_file(fixture, entry->d_name);
        for (int round = 0; round < 3; round++) {
            set_workload(fixture);
            set_node(fixture, lat_random_below(fixture->random, 7));
            compiled += compare(fixture, entry->d_name);
        }
    }
    assert_true(files >= 30 && compiled >= 3 * 29);
    closedir(folder);
    free(path);
}

/* ---- what is shared ---- */

static void load_text(struct fixture *fixture, const char *text)
{
    struct lat_err err;

    if (fixture_load_policy(fixture, text, &err) != 0) {
        fail_msg("%s", err.sentence);
    }
}

static void every_field_is_read_as_it_is_after_any_change(void **state)
{
    struct fixture *fixture = *state;
    struct lat_random *random = fixture->random;

    load_text(fixture, everything_policy);
    add_nodes(fixture, NODES);
    for (int round = 0; round < 40; round++) {
        size_t changes = lat_random_below(random, 6);

        for (size_t i = 0; i < changes; i++) {
            size_t row = lat_random_below(random, lat_columns_rows(fixture->columns));

            switch (lat_random_below(random, 4)) {
            case 0: add_nodes(fixture, lat_random_below(random, 40)); break;
            case 1:
                if (is_alive(fixture, row)) {
                    lat_columns_remove(fixture->columns, row);
                }
                break;
            default:
                if (is_alive(fixture, row)) {
                    set_node(fixture, row);
                }
                break;
            }
        }
        lat_columns_clear_pairs(fixture->columns);
        set_workload(fixture);
        struct rows_result rows = ask_rows(fixture, NULL);

        assert_non_null(rows.decision);
        for (size_t row = 0; row < rows.decision->count; row++) {
            if (is_alive(fixture, row)) {
                check_row(rows.decision, row, true,
                          everything_of(fixture->columns, fixture->record, row), "", "everything");
            }
        }
        lat_decision_free(rows.decision);
    }
}

static void only_rows_that_are_meant_are_asked_about(void **state)
{
    struct fixture *fixture = *state;
    uint64_t among[8] = {0};

    add_nodes(fixture, NODES);
    lat_columns_remove(fixture->columns, 3);
    among[0] = 0xd; /* 0, 2, 3; and 3 is dead */
    among[4] = 1;   /* 256 */
    load_text(fixture, "function score(node) return 1 end");
    struct rows_result rows = ask_rows(fixture, among);

    assert_int_equal(rows.err.code, 0);
    assert_int_equal(rows.decision->count, NODES);
    for (size_t row = 0; row < NODES; row++) {
        bool asked = row == 0 || row == 2 || row == 256;

        assert_int_equal(rows.decision->verdicts[row],
                         asked ? LAT_VERDICT_POSSIBLE : LAT_VERDICT_UNASKED);
    }
    lat_decision_free(rows.decision);
}

static void no_rows_is_an_answer(void **state)
{
    struct fixture *fixture = *state;

    load_text(fixture, "function score(node) return 1 end");
    struct rows_result rows = ask_rows(fixture, NULL);

    assert_int_equal(rows.err.code, 0);
    assert_int_equal(rows.decision->count, 0);
    lat_decision_free(rows.decision);
}

static void what_waits_is_answered_as_it_was_when_it_was_asked(void **state)
{
    struct fixture *fixture = *state;
    struct rows_result results[6] = {0};

    add_nodes(fixture, 10);
    load_text(fixture, "function score(node) return node.rank end");
    for (int i = 0; i < 6; i++) {
        lat_columns_set_int(fixture->columns, 4, LAT_FIELD_node_rank, 100 + i);
        lat_luahost_rows(fixture->host, fixture->columns, fixture->record, NULL, fixture_on_rows,
                         &results[i]);
    }
    lat_columns_set_int(fixture->columns, 4, LAT_FIELD_node_rank, 999);
    for (int i = 0; i < 6; i++) {
        fixture_wait_rows(fixture, &results[i]);
        assert_int_equal(results[i].err.code, 0);
        assert_true(results[i].decision->scores[4] == 100 + i);
        lat_decision_free(results[i].decision);
    }
}

/* Kills every process of ours. */
static void kill_children(void)
{
    char path[64];
    char pids[256] = "";

    snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    assert_non_null(fgets(pids, sizeof(pids), file));
    fclose(file);
    char *at = pids;

    for (long pid; (pid = strtol(at, &at, 10)) > 0;) {
        kill((pid_t)pid, SIGKILL);
    }
}

static void rows_of_a_process_that_was_killed_are_put_to_the_next(void **state)
{
    struct fixture *fixture = *state;
    struct rows_result rows = {0};

    add_nodes(fixture, 100);
    load_text(fixture,
              "function score(node) for i = 1, 100000 do local x = i end return node.rank end");
    lat_luahost_rows(fixture->host, fixture->columns, fixture->record, NULL, fixture_on_rows,
                     &rows);
    kill_children();
    lat_columns_set_int(fixture->columns, 4, LAT_FIELD_node_rank, 999);
    fixture_wait_rows(fixture, &rows);
    assert_int_equal(rows.err.code, 0);
    assert_int_equal(rows.decision->verdicts[4], LAT_VERDICT_POSSIBLE);
    assert_true(rows.decision->scores[4] != 999);
    lat_decision_free(rows.decision);
    rows = ask_rows(fixture, NULL);
    assert_non_null(rows.decision);
    assert_true(rows.decision->scores[4] == 999);
    lat_decision_free(rows.decision);
}

static void a_node_cannot_be_read_in_anothers_turn(void **state)
{
    struct fixture *fixture = *state;

    add_nodes(fixture, 2);
    load_text(fixture, "local kept function score(node) kept = kept or node return kept.rank end");
    struct rows_result rows = ask_rows(fixture, NULL);

    assert_int_equal(rows.err.code, LAT_E_POLICY);
    assert_non_null(
        strstr(rows.err.sentence, "placement.lua:1: a node is read in another one's turn"));
}

static void what_is_wrong_with_a_field_is_told_with_its_line(void **state)
{
    static const struct {
        const char *source, *sentence;
    } mistakes[] = {
        {"function score(node) local n = node return n[node.labels.by or node.name == 'a' and 'memroy' or 'memory'] end",
         "placement.lua:1: node has no field 'memroy'; did you mean 'memory'?"},
        {"function score(node)\n if node.name == 'b' then node.mine = 1 end return 1 end",
         "placement.lua:2: node is read only: 'mine' cannot be set"},
        {"function score(node, workload)\n"
         " return node.name == 'a' and 1 or workload[node.labels.by or node.name == 'b' and 'cpus' or 'cpu'] end",
         "placement.lua:2: workload has no field 'cpus'; did you mean 'cpu'?"},
    };
    struct fixture *fixture = *state;

    add_nodes(fixture, 2);
    lat_columns_set_text(fixture->columns, 0, LAT_FIELD_node_name, "a");
    lat_columns_set_text(fixture->columns, 1, LAT_FIELD_node_name, "b");
    for (size_t i = 0; i < LAT_COUNT(mistakes); i++) {
        load_text(fixture, mistakes[i].source);
        struct rows_result rows = ask_rows(fixture, NULL);

        assert_int_equal(rows.err.code, LAT_E_POLICY);
        if (strcmp(rows.err.sentence, mistakes[i].sentence) != 0) {
            fail_msg("%s", rows.err.sentence);
        }
    }
}

/* ---- hostile ones ---- */

static void hostile_scripts_cost_their_own_question_about_rows(void **state)
{
    static const char *const kinds[] = {"memory", "depth", "state", "results", "errors", "endless"};
    enum { ENDLESS = 6 }; /* of that kind: each takes its deadline */
    struct fixture *fixture = *state;

    add_nodes(fixture, 3);
    for (size_t row = 0; row < 3; row++) {
        lat_columns_set_float(fixture->columns, row, LAT_FIELD_node_free_cpu, 1.5);
    }
    for (size_t kind = 0; kind < LAT_COUNT(kinds); kind++) {
        size_t count;
        struct hostile *scripts = hostile_read(kinds[kind], &count);

        for (size_t i = 0; i < (kind == 5 ? ENDLESS : count); i++) {
            char *text = hostile_at_ask(&scripts[i]);

            lat_columns_set_text(fixture->columns, 1, LAT_FIELD_node_name, "victim");
            load_text(fixture, text);
            free(text);
            lat_luahost_set_deadline(fixture->host, kind == 5 ? 40 : FIXTURE_LONG_MS);
            struct rows_result rows = ask_rows(fixture, NULL);
            int code = rows.err.code;

            lat_luahost_set_deadline(fixture->host, FIXTURE_LONG_MS);
            if (code != LAT_OK && code != (kind == 5 ? LAT_E_TIMEOUT : LAT_E_POLICY)) {
                fail_msg("%s: %d %s", scripts[i].name, code, rows.err.sentence);
            }
            if (scripts[i].end == HOSTILE_FAILS && code == LAT_OK) {
                fail_msg("%s: it did not fail", scripts[i].name);
            }
            lat_decision_free(rows.decision);
            lat_columns_set_text(fixture->columns, 1, LAT_FIELD_node_name, "honest");
            rows = ask_rows(fixture, NULL);
            if (rows.err.code != LAT_OK || rows.decision->scores[1] != HOSTILE_HONEST_SCORE) {
                fail_msg("%s: afterwards %s", scripts[i].name, rows.err.sentence);
            }
            lat_decision_free(rows.decision);
        }
        hostile_free(scripts, count);
    }
}

static int run(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, fixture_setup_empty, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(thirty_policies_say_of_rows_what_they_say_compiled),
        T(every_field_is_read_as_it_is_after_any_change),
        T(only_rows_that_are_meant_are_asked_about),
        T(no_rows_is_an_answer),
        T(what_waits_is_answered_as_it_was_when_it_was_asked),
        T(rows_of_a_process_that_was_killed_are_put_to_the_next),
        T(a_node_cannot_be_read_in_anothers_turn),
        T(what_is_wrong_with_a_field_is_told_with_its_line),
        T(hostile_scripts_cost_their_own_question_about_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return fixture_main(argc, argv, run);
}
