/* Hostile files: each costs the question that met it, and nothing else.
 *
 * The scripts of tests/lua/hostile run in both phases: when the file is loaded, where the good policy stays in
 * force, and when it is asked, where that ask fails. After each, honest questions get the right answer, and from the
 * same process where it lives on. Nothing is measured here: what ends a script is known by its error's code. */
#include "tests/unit/luahost/fixture.h"
#include "tests/unit/luahost/hostile.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What never ends is given short time, everything else more than the slowest sanitizer takes for 64 MB. */
enum { SHORT_MS = 40, LONG_MS = 60000 };

/* Asks about one node; the score is set when it got one. */
static int ask_about(struct fixture *fixture, const char *name, double *ret_score,
                     struct lat_err *ret_err)
{
    struct rows_result result;

    lat_columns_set_text(fixture->columns, 0, LAT_FIELD_node_name, name);
    fixture_ask_rows(fixture, &result);
    fixture_wait_rows(fixture, &result);
    *ret_score = result.decision == NULL ? 0 : result.decision->scores[0];
    *ret_err = result.err;
    lat_decision_free(result.decision);
    return result.err.code;
}

/* ---- what must hold ---- */

/* Counts what went wrong, so that one run names every script. */
static void check(bool holds, int *faults, const struct hostile *script, const char *phase,
                  const struct lat_err *err)
{
    if (!holds) {
        print_error("%s, %s: %d %s\n", script->name, phase, err->code, err->sentence);
        ++*faults;
    }
}

static bool is_clean(const struct lat_err *err)
{
    char cleaned[LAT_ERR_SENTENCE_MAX];

    lat_text_bound(cleaned, sizeof(cleaned), err->sentence);
    lat_text_clean(cleaned);
    return strcmp(cleaned, err->sentence) == 0 && lat_text_is_utf8(cleaned, strlen(cleaned));
}

static bool is_end(enum hostile_end end, int code)
{
    switch (end) {
    case HOSTILE_ENDLESS: return code == LAT_E_TIMEOUT;
    case HOSTILE_FAILS: return code == LAT_E_POLICY;
    case HOSTILE_HARMLESS: return code == LAT_OK;
    case HOSTILE_CONTAINED: return code == LAT_OK || code == LAT_E_POLICY;
    }
    return false;
}

static void check_honest(struct fixture *fixture, const struct hostile *script, int *faults,
                         const char *phase)
{
    struct lat_err err;
    double score;

    lat_luahost_set_deadline(fixture->host, LONG_MS);
    ask_about(fixture, "honest", &score, &err);
    check(err.code == LAT_OK && score == HOSTILE_HONEST_SCORE, faults, script, phase, &err);
}

static void set_deadline_for(struct fixture *fixture, const struct hostile *script)
{
    lat_luahost_set_deadline(fixture->host, script->end == HOSTILE_ENDLESS ? SHORT_MS : LONG_MS);
}

/* Loads the file, which may be refused only as the script's end says; what was in force, and is honest with honest nodes, answers
 * afterwards as before. */
static void load_hostile(struct fixture *fixture, const struct hostile *script, char *text,
                         int *faults)
{
    struct lat_err err;
    double score;

    set_deadline_for(fixture, script);
    int rc = fixture_load_policy(fixture, text, &err);

    free(text);
    /* What harms only the run it is part of has harmed the file's own. */
    bool may_fail = script->end == HOSTILE_HARMLESS && !script->is_file;

    check(is_end(script->end, rc) || (may_fail && rc == LAT_E_POLICY), faults, script,
          "when loaded", &err);
    check(is_clean(&err), faults, script, "when loaded, its sentence", &err);
    if (rc == LAT_OK) {
        lat_luahost_set_deadline(fixture->host, LONG_MS);
        rc = ask_about(fixture, "honest", &score, &err);
        check(rc == LAT_OK || rc == LAT_E_POLICY, faults, script, "asked after it was loaded",
              &err);
    } else {
        check_honest(fixture, script, faults, "honest question after it was loaded");
    }
    if (rc == LAT_OK && script->is_file) { /* else something else is loaded now anyway */
        assert_int_equal(fixture_load_policy(fixture, hostile_honest, NULL), 0);
        check_honest(fixture, script, faults, "honest question after it was replaced");
    }
}

static void ask_hostile(struct fixture *fixture, const struct hostile *script, int *faults)
{
    char *text = hostile_at_ask(script);
    struct lat_err err;
    double score;

    lat_luahost_set_deadline(fixture->host, LONG_MS);
    int rc = fixture_load_policy(fixture, text, &err);

    free(text);
    check(rc == LAT_OK, faults, script, "loading what is to be asked", &err);
    if (rc != LAT_OK) {
        return;
    }
    set_deadline_for(fixture, script);
    rc = ask_about(fixture, "victim", &score, &err);
    check(is_end(script->end, rc) &&
              (script->end != HOSTILE_HARMLESS || score == HOSTILE_HONEST_SCORE),
          faults, script, "when asked", &err);
    check(is_clean(&err), faults, script, "when asked, its sentence", &err);
    check_honest(fixture, script, faults, "honest question after it was asked");
}

static void check_kind(struct fixture *fixture, const char *kind)
{
    size_t count;
    struct hostile *scripts = hostile_read(kind, &count);
    int faults = 0;

    lat_columns_remove(fixture->columns, 1); /* what a script spoils is spoilt for the whole run */
    assert_int_equal(fixture_load_policy(fixture, hostile_honest, NULL), 0);
    for (size_t i = 0; i < count; i++) {
        const struct hostile *script = &scripts[i];

        load_hostile(fixture, script,
                     script->is_file ? lat_text_copy(script->text) : hostile_at_load(script),
                     &faults);
        if (!script->is_file) {
            ask_hostile(fixture, script, &faults);
        }
    }
    hostile_free(scripts, count);
    assert_int_equal(faults, 0);
}

static void what_never_ends_is_ended_by_the_deadline(void **state)
{
    check_kind(*state, "endless");
}

static void what_takes_all_memory_gets_no_more_than_its_share(void **state)
{
    check_kind(*state, "memory");
}

static void what_goes_deep_is_an_error(void **state)
{
    check_kind(*state, "depth");
}

static void what_is_not_on_the_list_is_not_there(void **state)
{
    check_kind(*state, "names");
}

static void what_is_changed_is_changed_for_one_run(void **state)
{
    check_kind(*state, "state");
}

static void a_crooked_result_is_an_error(void **state)
{
    check_kind(*state, "results");
}

static void an_error_is_one_clean_sentence(void **state)
{
    check_kind(*state, "errors");
}

static void a_file_that_is_hard_to_read_is_read_or_refused(void **state)
{
    check_kind(*state, "source");
}

static void a_crooked_result_is_told_with_its_line(void **state)
{
    struct lat_err err;

    assert_int_equal(fixture_load_policy(*state, "\nfunction score() return 'best' end", &err),
                     LAT_E_POLICY);
    assert_non_null(strstr(err.sentence, "placement.lua:2: score returned"));
}

static void bytecode_is_refused(void **state)
{
    struct lat_err err;

    assert_int_equal(fixture_load_policy(*state, "\x1bLuaT", &err), LAT_E_POLICY);
    assert_non_null(strstr(err.sentence, "binary chunk"));
}

static void text_that_is_not_utf8_is_refused(void **state)
{
    assert_int_equal(fixture_load_policy(*state, "return '\xff'", NULL), LAT_E_POLICY);
}

static const char manifest[] =
    "{\"api\":1,\"name\":\"evil\",\"title\":\"t\",\"version\":\"1\",\"description\":\"d\","
    "\"grants\":[],\"params\":{\"x\":{\"type\":\"text\",\"required\":true,\"help\":\"h\"}}}";

/* What a plugin returns becomes JSON: what cannot, and what is too much, is an error. */
static void results_that_are_no_json_are_errors_of_the_plugin(void **state)
{
    static const char *const results[] = {
        "local t = {} t.t = t return {container = t}",
        "local t = {} for i = 1, 50 do t = {t} end return {container = {env = t}}",
        "return {container = {image = ('x'):rep(1 << 21)}}",
        "local t = {} for i = 1, 600000 do t[i] = i end return {container = {command = t}}",
        "return {container = {image = '\\xff'}}",
        "return {container = {image = print or function() end}}",
        "return {container = {memory_bytes = 0/0}}",
        "return {container = {[{}] = 1}}",
        "return 'text'",
        "return {}",
        "lattice.password(1)",
        "for i = 1, 100 do lattice.password(64) end",
        "lattice.error 'text'",
        "lattice.error { message = 'x', because = 'y' }",
        "return spec.params.y",
        "spec.name = nil return spec.name.x",
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < LAT_COUNT(results); i++) {
        char *text = lat_text_format("function render(spec) %s end", results[i]);
        struct lat_err err;

        assert_int_equal(fixture_load_plugin(fixture, "evil", text, manifest, &err), 0);
        struct result result =
            fixture_ask(fixture, LAT_LUAHOST_PLUGIN, "evil", "render",
                        "{\"spec\":{\"name\":\"n\",\"type\":\"evil\",\"params\":{\"x\":\"1\"}},"
                        "\"cpu_milli\":0,\"memory_bytes\":0,\"entropy\":\"0011223344556677\"}");

        if (result.err.code != LAT_E_PLUGIN) {
            fail_msg("%s: gave %d %s", results[i], result.err.code,
                     result.value != NULL ? result.value : "");
        }
        free(text);
    }
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_never_ends_is_ended_by_the_deadline, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(what_takes_all_memory_gets_no_more_than_its_share,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_goes_deep_is_an_error, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(what_is_not_on_the_list_is_not_there, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(what_is_changed_is_changed_for_one_run, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_crooked_result_is_an_error, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(an_error_is_one_clean_sentence, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_hard_to_read_is_read_or_refused,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_crooked_result_is_told_with_its_line, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(bytecode_is_refused, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(text_that_is_not_utf8_is_refused, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(results_that_are_no_json_are_errors_of_the_plugin,
                                        fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return fixture_main(argc, argv, run);
}
