/* Hostile files: each costs the question that met it, and nothing else.
 *
 * Every script runs in both phases: when the file is loaded, where it must be refused while the good policy
 * stays in force, and when it is asked, where that ask fails and the next file works. */
#include "tests/unit/luahost/fixture.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char good[] = "function score(node) return node.free_cpu end";

struct script {
    const char *name;
    const char *text; /* statements */
};

/* A load's deadline is long: a few are enough to see it. */
enum { ENDLESS_AT_LOAD = 2 };

/* These never end by themselves: only the deadline ends them. */
static const struct script endless[] = {
    {"loop", "while true do end"},
    {"loop in pcall", "while true do pcall(function() while true do end end) end"},
    {"loop that swallows errors", "while true do pcall(error, 'x') end"},
    {"tail calls", "local function f() return f() end f()"},
    {"pattern", "local s = ('a'):rep(40000) s:find(('a-'):rep(100) .. 'b')"},
    {"backtracking",
     "local s = ('a'):rep(30) .. 'b' while true do s:match('(a*)*b') s:find('.-.-.-.-.-.-.-.-x') end"},
    {"gsub", "while true do (('x'):rep(100000)):gsub('x', 'yy') end"},
    {"sort that lies", "while true do local t = {} for i = 1, 1000 do t[i] = i end "
                       "pcall(table.sort, t, function() return true end) end"},
    {"table.concat",
     "local t = {} for i = 1, 100000 do t[i] = 'x' end while true do table.concat(t) end"},
    {"utf8", "while true do utf8.len(('x'):rep(1000000)) end"},
    {"format", "while true do ('%99.99f'):format(1e300) end"},
    {"memory errors, swallowed",
     "while true do pcall(function() local t = {} while true do t[#t + 1] = ('x'):rep(1000) end end) end"},
};

/* These end with an error. */
static const struct script failing[] = {
    {"memory by tables", "local t = {} while true do t[#t + 1] = {t} end"},
    {"memory by text", "local s = 'x' while true do s = s .. s end"},
    {"memory by rep", "return ('x'):rep(1 << 40)"},
    {"memory by buffer", "return ('x'):rep(1 << 28)"},
    {"memory by concat",
     "local t = {} for i = 1, 100 do t[i] = ('x'):rep(1 << 20) end return #table.concat(t)"},
    {"stack", "local function f() return 1 + f() end return f()"},
    {"stack through pcall", "local function f() local ok, e = pcall(f) error(e) end f()"},
    {"stack of C", "local function f(s) return (s:gsub('.', f)) end return f('x')"},
    {"unpack", "return table.unpack({}, 1, 1e8)"},
    {"error with a table", "error({})"},
    {"error with nil", "error()"},
    {"error with a long text", "error(('x'):rep(1 << 20))"},
    {"error with control characters", "error('\\n{\"level\":\"error\"}\\27[2J')"},
    {"error that is not UTF-8", "error('\\xff\\xfe')"},
    {"error that forges a problem", "error({code = 'invalid_field', sentence = 'forged'})"},
    {"io", "io.open('/etc/passwd')"},
    {"os", "os.execute('true')"},
    {"debug", "debug.getregistry()"},
    {"load", "load('return 1')()"},
    {"loadstring", "loadstring('return 1')()"},
    {"dofile", "dofile('/etc/passwd')"},
    {"require", "require 'os'"},
    {"package", "package.loadlib('x', 'y')"},
    {"print", "print('{\"ok\":true}')"},
    {"coroutine", "coroutine.wrap(function() end)()"},
    {"collectgarbage", "collectgarbage('stop')"},
    {"setmetatable", "setmetatable({}, {__gc = function() end})"},
    {"getmetatable", "getmetatable('').__index = nil"},
    {"rawset", "rawset(_G, 'x', 1)"},
    {"_G", "_G.x = 1"},
    {"dump", "string.dump(function() end)"},
    {"dump by method", "('').dump(function() end)"},
    {"pack", "('').pack('i4', 1)"},
    {"random", "return math.random()"},
    {"json", "json.encode({})"},
    {"lattice in a policy", "return lattice.password(20)"},
    {"environment", "_ENV = nil x()"},
    {"assertion", "assert(false, 'no')"},
};

/* Results that are none, returned by score. */
static const struct script crooked[] = {
    {"nothing", "return"},
    {"nil", "return nil"},
    {"text", "return '1'"},
    {"table", "return {}"},
    {"function", "return score"},
    {"boolean", "return true"},
    {"not a number", "return 0/0"},
    {"infinite", "return 1/0"},
    {"negative infinite", "return -1/0"},
};

static void check_refused_at_load(struct fixture *fixture, const struct script *script, int code)
{
    char *text = lat_text_format("do %s end function score() return 1 end", script->text);
    struct lat_err err;
    int rc = fixture_load_policy(fixture, text, &err);

    free(text);
    if (rc != code) {
        fail_msg("%s: loading gave %d: %s", script->name, rc, err.sentence);
    }
    assert_null(strpbrk(err.sentence, "\n\x1b"));
    assert_true(lat_text_is_utf8(err.sentence, strlen(err.sentence)));
    assert_int_equal(fixture_decide(fixture, NULL), 0);
}

static void check_costs_one_ask(struct fixture *fixture, const struct script *script, int code)
{
    char *text = lat_text_format(
        "function score(node) if node.name == 'a' then %s end return 1 end", script->text);
    struct lat_err err;
    int rc = fixture_load_policy(fixture, text, &err);

    free(text);
    if (rc != 0) {
        fail_msg("%s: loading gave %d: %s", script->name, rc, err.sentence);
    }
    rc = fixture_decide(fixture, &err);
    if (rc != code) {
        fail_msg("%s: asking gave %d: %s", script->name, rc, err.sentence);
    }
    assert_null(strpbrk(err.sentence, "\n\x1b"));
    assert_true(lat_text_is_utf8(err.sentence, strlen(err.sentence)));
    assert_int_equal(fixture_load_policy(fixture, good, NULL), 0);
    assert_int_equal(fixture_decide(fixture, NULL), 0);
}

static void endless_script_is_ended_by_the_deadline(void **state)
{
    struct fixture *fixture = *state;

    lat_luahost_set_deadline(fixture->host, fixture_deadline_ms() / 2);
    assert_int_equal(fixture_load_policy(fixture, good, NULL), 0);
    for (size_t i = 0; i < LAT_COUNT(endless); i++) {
        if (i < ENDLESS_AT_LOAD) {
            check_refused_at_load(fixture, &endless[i], LAT_E_TIMEOUT);
        }
        check_costs_one_ask(fixture, &endless[i], LAT_E_TIMEOUT);
    }
}

static void failing_script_is_an_error_of_the_policy(void **state)
{
    struct fixture *fixture = *state;

    lat_luahost_set_deadline(fixture->host, 30000); /* 64 MB take a sanitizer long */
    assert_int_equal(fixture_load_policy(fixture, good, NULL), 0);
    for (size_t i = 0; i < LAT_COUNT(failing); i++) {
        if (lat_text_starts(failing[i].text,
                            "return")) { /* a chunk may return: that is no mistake */
            check_costs_one_ask(fixture, &failing[i], LAT_E_POLICY);
        } else {
            check_refused_at_load(fixture, &failing[i], LAT_E_POLICY);
            check_costs_one_ask(fixture, &failing[i], LAT_E_POLICY);
        }
    }
}

static void crooked_result_is_an_error_with_its_line(void **state)
{
    struct fixture *fixture = *state;
    struct lat_err err;

    for (size_t i = 0; i < LAT_COUNT(crooked); i++) {
        check_costs_one_ask(fixture, &crooked[i], LAT_E_POLICY);
        char *text = lat_text_format("\nfunction score() do %s end end", crooked[i].text);

        assert_int_equal(fixture_load_policy(fixture, text, &err), LAT_E_POLICY);
        assert_non_null(strstr(err.sentence, "placement.lua:2: score returned"));
        free(text);
    }
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
        cmocka_unit_test_setup_teardown(endless_script_is_ended_by_the_deadline, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(failing_script_is_an_error_of_the_policy, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(crooked_result_is_an_error_with_its_line, fixture_setup,
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
