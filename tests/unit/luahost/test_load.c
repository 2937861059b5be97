/* Loading: beside what is in force, swapped whole or not at all. */
#include "tests/unit/luahost/fixture.h"
#include "tests/unit/waiting.h"

#include "base/mem.h"
#include "base/text.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char scores_1[] = "function score() return 1 end";
static const char scores_2[] = "function score() return 2 end";
static const char hangs[] = "while true do end";

enum { STARVED_DEADLINE_MS = 1500 }; /* it is killed after four of them */

static void new_source_takes_the_place_of_the_old(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(fixture_load_policy(fixture, scores_1, NULL), 0);
    assert_true(fixture_score(fixture) == 1);
    assert_int_equal(fixture_load_policy(fixture, scores_2, NULL), 0);
    assert_true(fixture_score(fixture) == 2);
}

static void bad_source_leaves_the_good_one(void **state)
{
    static const struct {
        const char *source;
        int code;
        const char *says;
    } bad[] = {
        {"function score( return 1 end", LAT_E_POLICY, "placement.lua:1: "},
        {"", LAT_E_POLICY, "defines neither filter"},
        {"score = 1", LAT_E_POLICY, "score is a number"},
        {"\n-- caf\xe9\n", LAT_E_POLICY, "placement.lua:2: this is not UTF-8 text"},
        {"\n\n-- cut \xc3", LAT_E_POLICY, "placement.lua:3: this is not UTF-8 text"},
        {"\nerror('while loading')", LAT_E_POLICY, "placement.lua:2: while loading"},
        {"function score(node)\n return node.fre_cpu end", LAT_E_POLICY,
         "placement.lua:2: node has no field 'fre_cpu'; did you mean 'free_cpu'?"},
        {"function score(node, workload) return workload.urgency end", LAT_E_POLICY,
         "workload has no field 'urgency'"},
        {"function score(node) node.extra = 1 return 1 end", LAT_E_POLICY, "node is read only"},
        {"function score(node) x = 1 return 1 end", LAT_E_POLICY, "keeps no state"},
        {"function filter() return 1 end", LAT_E_POLICY, "filter returned a number"},
        {"function filter() return false, 1 end", LAT_E_POLICY, "a reason is text"},
        {hangs, LAT_E_TIMEOUT, "cannot be loaded"},
    };
    struct fixture *fixture = *state;

    assert_int_equal(fixture_load_policy(fixture, scores_1, NULL), 0);
    for (size_t i = 0; i < LAT_COUNT(bad); i++) {
        struct lat_err err;
        bool never_ends = bad[i].code == LAT_E_TIMEOUT;

        lat_luahost_set_deadline(fixture->host, never_ends ? FIXTURE_HANG_MS : FIXTURE_DEADLINE_MS);
        assert_int_equal(fixture_load_policy(fixture, bad[i].source, &err), bad[i].code);
        if (strstr(err.sentence, bad[i].says) == NULL) {
            fail_msg("'%s' does not say '%s'", err.sentence, bad[i].says);
        }
        assert_true(err.code != LAT_E_TIMEOUT ||
                    strstr(err.hint, "a loop that does not end") != NULL);
        assert_true(fixture_score(fixture) == 1);
    }
}

static void policy_comes_with_its_program(void **state)
{
    struct fixture *fixture = *state;
    struct lat_program *program;
    const cJSON *function;
    int64_t revision;

    assert_null(lat_luahost_program(fixture->host, "placement", &revision));
    assert_null(lat_luahost_functions(fixture->host, "placement"));
    assert_int_equal(fixture_load_policy(fixture,
                                         "function filter(node) return node.healthy end\n"
                                         "function score(node) return node.free_cpu end",
                                         NULL),
                     0);
    program = lat_luahost_program(fixture->host, "placement", &revision);
    assert_non_null(program);
    assert_int_equal(revision, 7);
    assert_true(lat_program_score(program) >= 0);
    assert_int_equal(lat_program_score_line(program), 2);
    assert_int_equal(cJSON_GetArraySize(lat_luahost_functions(fixture->host, "placement")), 2);

    /* One that is not compiled takes the program away, and says why. */
    assert_int_equal(fixture_load_policy(fixture,
                                         "function filter(node)\n"
                                         "local n = 0 while n < node.rank do n = n + 1 end\n"
                                         "return n > 1 end",
                                         NULL),
                     0);
    assert_null(lat_luahost_program(fixture->host, "placement", &revision));
    function = cJSON_GetArrayItem(lat_luahost_functions(fixture->host, "placement"), 0);
    assert_string_equal(lat_json_text(function, "name", ""), "filter");
    assert_false(lat_json_bool(function, "compiled", true));
    assert_int_equal(lat_json_int(function, "line", 0), 2);
    assert_string_equal(lat_json_text(function, "why", ""),
                        "how often this loop runs is known to a row only");

    /* A refused one leaves what there is. */
    assert_int_equal(fixture_load_policy(fixture, scores_1, NULL), 0);
    assert_int_equal(fixture_load_policy(fixture, "bad(", NULL), LAT_E_POLICY);
    assert_non_null(lat_luahost_program(fixture->host, "placement", &revision));
}

static void tests_of_a_policy_decide_about_it(void **state)
{
    static const char good[] =
        "function score(node) return node.free_cpu end\n"
        "function test_score() assert(score(node { free_cpu = 2 }) == 2) end";
    static const char bad[] =
        "function score(node) return node.free_cpu end\n"
        "function test_a() end\n"
        "function test_b() assert(score(node { free_cpu = 2 }) == 3, 'no') end";
    struct fixture *fixture = *state;
    struct lat_err err;

    assert_int_equal(fixture_load_policy(fixture, good, NULL), 0);
    assert_int_equal(fixture_load_policy(fixture, bad, &err), LAT_E_POLICY);
    assert_string_equal(err.sentence, "placement.lua:3: test_b fails: no");
    assert_int_equal(err.line, 3);
}

static void source_that_is_too_long_is_refused(void **state)
{
    char *text = malloc(LAT_LUAHOST_SOURCE_MAX + 2);

    memset(text, ' ', LAT_LUAHOST_SOURCE_MAX + 1);
    memcpy(text, scores_1, strlen(scores_1));
    text[LAT_LUAHOST_SOURCE_MAX + 1] = '\0';
    assert_int_equal(fixture_load_policy(*state, text, NULL), LAT_E_POLICY);
    text[LAT_LUAHOST_SOURCE_MAX] = '\0';
    assert_int_equal(fixture_load_policy(*state, text, NULL), 0);
    free(text);
}

static void loads_of_one_turn_fail_each_for_itself(void **state)
{
    struct fixture *fixture = *state;
    const char *const sources[] = {scores_1, "bad(", hangs, scores_2};
    struct result results[LAT_COUNT(sources)] = {{0}};

    lat_luahost_set_deadline(fixture->host, FIXTURE_HANG_MS);
    for (size_t i = 0; i < LAT_COUNT(sources); i++) {
        struct lat_luahost_source source = {
            .kind = LAT_LUAHOST_POLICY, .name = "placement", .source = sources[i]};

        lat_luahost_load(fixture->host, &source, fixture_on_loaded, &results[i]);
    }
    for (size_t i = 0; i < LAT_COUNT(sources); i++) {
        if (!results[i].done) {
            fixture_wait(fixture, &results[i]);
        }
    }
    assert_int_equal(results[0].err.code, 0);
    assert_int_equal(results[1].err.code, LAT_E_POLICY);
    assert_int_equal(results[2].err.code, LAT_E_TIMEOUT);
    assert_int_equal(results[3].err.code, 0);
    assert_true(fixture_score(fixture) == 2);
}

static void asks_are_answered_while_a_load_hangs(void **state)
{
    struct fixture *fixture = *state;
    struct lat_luahost_source source = {
        .kind = LAT_LUAHOST_POLICY, .name = "placement", .source = hangs};
    static struct result loading; /* outlives this test: the fixture closes the host */

    assert_int_equal(fixture_load_policy(fixture, scores_1, NULL), 0);
    lat_luahost_set_deadline(fixture->host, FIXTURE_LONG_MS);
    lat_luahost_load(fixture->host, &source, fixture_on_loaded, &loading);
    for (int answered = 0; answered < 50; answered++) {
        assert_true(fixture_score(fixture) == 1);
    }
    assert_false(loading.done);
}

/* Kills every child of this process. */
/* Calls fn with each child's process id; returns how many there are. */
static int each_child(void (*fn)(int pid))
{
    char path[64];
    int pid;
    int count = 0;

    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *children = fopen(path, "r");

    assert_non_null(children);
    while (fscanf(children, "%d", &pid) == 1) {
        fn(pid);
        count++;
    }
    fclose(children);
    return count;
}

static void kill_child(int pid)
{
    kill(pid, SIGKILL);
}

static void killed_child_is_replaced_and_has_the_last_good_source(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(fixture_load_policy(fixture, scores_1, NULL), 0);
    assert_int_equal(fixture_load_policy(fixture, scores_2, NULL), 0);
    assert_int_equal(fixture_load_policy(fixture, "bad(", NULL), LAT_E_POLICY);
    each_child(kill_child);
    assert_true(fixture_score(fixture) ==
                2); /* the question that found it dead is put to the next one */
}

/* What the kernel says of a process that has entered it; tests/unit/lua/host tries the walls themselves. */
static void assert_is_jailed(int pid)
{
    static const char *const says[] = {"NoNewPrivs:\t1\n", "Seccomp:\t2\n",
                                       "CapPrm:\t0000000000000000\n"};
    char path[64];
    char text[4096];

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    FILE *status = fopen(path, "r");

    assert_non_null(status);
    text[fread(text, 1, sizeof(text) - 1, status)] = '\0';
    fclose(status);
    for (size_t i = 0; i < LAT_COUNT(says); i++) {
        if (strstr(text, says[i]) == NULL) {
            fail_msg("not '%s' of %s", says[i], text);
        }
    }
}

static void what_runs_a_source_is_in_the_jail(void **state)
{
    assert_int_equal(fixture_load_policy(*state, scores_1, NULL), 0);
    assert_true(each_child(assert_is_jailed) > 0);
}

static void plugins_answer_while_a_policy_hangs(void **state)
{
    static const char manifest[] =
        "{\"api\":1,\"name\":\"p\",\"title\":\"t\",\"version\":\"1\",\"description\":\"d\","
        "\"grants\":[],\"params\":{}}";
    struct fixture *fixture = *state;
    static struct rows_result hanging; /* outlives this test: the fixture closes the host */

    lat_luahost_set_deadline(fixture->host, FIXTURE_LONG_MS);
    assert_int_equal(
        fixture_load_policy(
            fixture, "function score(node) while node.name == 'a' do end return 1 end", NULL),
        0);
    assert_int_equal(fixture_load_plugin(fixture, "p",
                                         "function render() return {container = {image = 'a'}} end",
                                         manifest, NULL),
                     0);
    fixture_ask_rows(fixture, &hanging);
    struct result result =
        fixture_ask(fixture, LAT_LUAHOST_PLUGIN, "p", "render",
                    "{\"spec\":{\"name\":\"n\",\"type\":\"p\"},\"cpu_milli\":0,\"memory_bytes\":0,"
                    "\"entropy\":\"\"}");

    assert_string_equal(result.value, "{\"container\":{\"image\":\"a\"}}");
    assert_false(hanging.done);
    free(result.value);
}

static int starved_pid;

static void starve(int pid)
{
    starved_pid = pid;
    kill(pid, SIGSTOP);
}

/* On a machine that is never idle a process that yields has no turn; here it has none because it is stopped. */
static void one_that_had_no_turn_while_it_yielded_comes_forward(void **state)
{
    struct fixture *fixture = *state;
    static struct rows_result starving; /* outlives this test: the fixture closes the host */

    if (geteuid() != 0) {
        skip(); /* whoever yields may not come forward again */
    }
    assert_int_equal(fixture_load_policy(fixture, scores_1, NULL), 0);
    lat_luahost_set_deadline(fixture->host, STARVED_DEADLINE_MS);
    fixture_ask_rows(fixture, &starving);
    assert_int_equal(each_child(starve), 1);
    while (sched_getscheduler(starved_pid) != SCHED_IDLE) {
        assert_false(starving.done);
        waiting_run(fixture->loop, 1);
    }
    while (sched_getscheduler(starved_pid) == SCHED_IDLE) {
        assert_false(starving.done);
        waiting_run(fixture->loop, 1);
    }
    assert_int_equal(sched_getscheduler(starved_pid), SCHED_OTHER);
    assert_false(starving.done);
}

static size_t open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count;
}

static void many_loads_leave_no_descriptor_and_no_process(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(fixture_load_policy(fixture, scores_1, NULL), 0);
    waiting_run(fixture->loop, 50);
    size_t before = open_descriptors();

    for (int i = 0; i < 10; i++) {
        assert_int_equal(fixture_load_policy(fixture, i % 2 == 0 ? scores_2 : "bad(", NULL),
                         i % 2 == 0 ? 0 : LAT_E_POLICY);
    }
    for (int i = 0; i < WAITING_MS / 100 && open_descriptors() > before; i++) {
        waiting_run(fixture->loop, 100);
    }
    assert_true(open_descriptors() <= before);
}

static void ignore(void *arg)
{
    (void)arg;
}

static void program_that_is_none_fails_the_load(void **state)
{
    struct fixture *fixture = *state;
    struct lat_luahost_options options = {.program = "/bin/false", .stderr_fd = -1};
    struct lat_luahost *host = fixture->host;

    fixture->host = lat_luahost_new(fixture->loop, NULL, NULL, fixture->random, &options);
    assert_int_equal(fixture_load_policy(fixture, scores_1, NULL), LAT_E_CLOSED);
    assert_int_equal(fixture_decide(fixture, NULL), LAT_E_NOT_FOUND);
    struct lat_luahost *broken = fixture->host;

    fixture->host = host;
    lat_luahost_close(broken, ignore, NULL); /* the fixture's loop runs until it is gone */
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(new_source_takes_the_place_of_the_old, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(bad_source_leaves_the_good_one, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(policy_comes_with_its_program, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(tests_of_a_policy_decide_about_it, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(source_that_is_too_long_is_refused, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(loads_of_one_turn_fail_each_for_itself, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(asks_are_answered_while_a_load_hangs, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(killed_child_is_replaced_and_has_the_last_good_source,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_runs_a_source_is_in_the_jail, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(plugins_answer_while_a_policy_hangs, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(one_that_had_no_turn_while_it_yielded_comes_forward,
                                        fixture_setup_hasty, fixture_teardown),
        cmocka_unit_test_setup_teardown(many_loads_leave_no_descriptor_and_no_process,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(program_that_is_none_fails_the_load, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return fixture_main(argc, argv, run);
}
