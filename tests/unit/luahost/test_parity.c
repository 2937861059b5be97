/* What is written twice, for authors in Lua and for the console in C, is the same: the shipped placement and the built-in one, the fields
 * that are described and those that a policy sees. */
#include "tests/unit/luahost/fixture.h"

#include "base/mem.h"
#include "io/file.h"

#include <stdlib.h>
#include <string.h>

static const char *text_or_none(const char *text)
{
    return text == NULL ? "(none)" : text;
}

static void compare_ops(const struct lat_program *lua, const struct lat_program *c)
{
    size_t lua_count, c_count;
    const struct lat_op *lua_ops = lat_program_ops(lua, &lua_count);
    const struct lat_op *c_ops = lat_program_ops(c, &c_count);

    assert_int_equal(lua_count, c_count);
    for (size_t i = 0; i < lua_count; i++) {
        const struct lat_op *a = &lua_ops[i];
        const struct lat_op *b = &c_ops[i];

        if (a->code != b->code || a->field != b->field || a->operand_count != b->operand_count ||
            memcmp(a->operands, b->operands, a->operand_count * sizeof(*a->operands)) != 0 ||
            memcmp(&a->constant, &b->constant, sizeof(a->constant)) != 0 ||
            strcmp(text_or_none(a->text), text_or_none(b->text)) != 0) {
            fail_msg("operation %zu is another one", i);
        }
    }
}

static void compare_rules(const struct lat_program *lua, const struct lat_program *c)
{
    size_t lua_count, c_count;
    const struct lat_rule *lua_rules = lat_program_rules(lua, &lua_count);
    const struct lat_rule *c_rules = lat_program_rules(c, &c_count);

    assert_int_equal(lua_count, c_count);
    for (size_t i = 0; i < lua_count; i++) {
        const struct lat_rule *a = &lua_rules[i];
        const struct lat_rule *b = &c_rules[i];

        assert_int_equal(a->when, b->when);
        assert_int_equal(a->have, b->have);
        assert_int_equal(a->need, b->need);
        assert_int_equal(a->has_reason, b->has_reason);
        assert_int_equal(a->part_count, b->part_count);
        assert_string_equal(text_or_none(a->text), text_or_none(b->text));
        assert_string_equal(text_or_none(a->compare), text_or_none(b->compare));
    }
}

static void compare_scores(const struct lat_program *lua, const struct lat_program *c)
{
    size_t lua_count, c_count;
    const struct lat_term *lua_terms = lat_program_terms(lua, &lua_count);
    const struct lat_term *c_terms = lat_program_terms(c, &c_count);

    assert_int_equal(lat_program_score(lua), lat_program_score(c));
    assert_int_equal(lua_count, c_count);
    for (size_t i = 0; i < lua_count; i++) {
        assert_int_equal(lua_terms[i].value, c_terms[i].value);
        assert_string_equal(lua_terms[i].text, c_terms[i].text);
    }
}

/* Holds the reasons of both against each other, and against what Lua says itself, on nodes that are refused. */
static void compare_reasons(struct fixture *fixture, const struct lat_program *lua,
                            const struct lat_program *c)
{
    struct rows_result result;
    size_t count;
    union lat_program_value *values;

    lat_columns_set_float(fixture->columns, 0, LAT_FIELD_node_free_cpu, 0.25);
    lat_columns_set_bool(fixture->columns, 1, LAT_FIELD_node_healthy, true);
    lat_columns_set_int(fixture->columns, 1, LAT_FIELD_node_free_memory, 3 << 20);
    lat_record_set_int(fixture->record, LAT_FIELD_workload_memory, (int64_t)5 << 30);
    fixture_ask_rows(fixture, &result);
    fixture_wait_rows(fixture, &result);
    assert_non_null(result.decision);
    lat_program_ops(c, &count);
    values = lat_alloc_array(count, sizeof(*values));
    for (size_t row = 0; row < 2; row++) {
        struct lat_buf said[2] = {{0}};

        for (int i = 0; i < 2; i++) {
            const struct lat_program *program = i == 0 ? lua : c;

            lat_program_row(program, fixture->columns, fixture->record, row, values);
            assert_true(lat_program_reason(program, fixture->columns,
                                           (uint32_t)lat_program_refused(program, values), values,
                                           &said[i]));
            assert_string_equal(lat_buf_text(&said[i]), lat_decision_reason(result.decision, row));
        }
        lat_buf_done(&said[0]);
        lat_buf_done(&said[1]);
    }
    free(values);
    lat_decision_free(result.decision);
}

static void the_built_in_placement_is_the_shipped_one_compiled(void **state)
{
    struct fixture *fixture = *state;
    struct lat_program *builtin = lat_program_builtin();
    const struct lat_program *shipped;
    struct lat_buf text = {0};
    int64_t revision;
    size_t count;

    assert_int_equal(
        lat_file_read(LAT_TEST_ROOT "/policies/placement/placement.lua", 1 << 20, &text, NULL), 0);
    assert_int_equal(fixture_load_policy(fixture, lat_buf_text(&text), NULL), 0);
    lat_buf_done(&text);
    shipped = lat_luahost_program(fixture->host, "placement", &revision);
    assert_non_null(shipped);
    compare_ops(shipped, builtin);
    compare_rules(shipped, builtin);
    compare_scores(shipped, builtin);
    lat_program_traps(shipped, &count);
    assert_int_equal(count, 0);
    compare_reasons(fixture, shipped, builtin);
    lat_program_unref(builtin);
}

/* Adds the names of a range of fields as the entries of a Lua table. */
static void add_names(struct lat_buf *out, int from, int to)
{
    for (int i = from; i < to; i++) {
        lat_buf_addf(out, "'%s',", lat_policy_field_row((enum lat_policy_field)i)->name);
    }
}

/* What C shows of a node and a workload is what lua/api/api.lua describes, no more and no less. */
static void rows_have_the_described_fields(void **state)
{
    struct fixture *fixture = *state;
    struct lat_buf policy = {0};
    struct lat_err err;

    lat_buf_add_text(&policy, "local node_fields = {");
    add_names(&policy, 0, LAT_NODE_FIELD_COUNT);
    lat_buf_add_text(&policy, "}\nlocal workload_fields = {");
    add_names(&policy, LAT_NODE_FIELD_COUNT, LAT_PLACEMENT_FIELD_COUNT);
    lat_buf_add_text(&policy, "}\n"
                              "local optional = { gpu_model = true, pool = true }\n"
                              "local function check(object, names)\n"
                              "  local known = {}\n"
                              "  for _, name in ipairs(names) do\n"
                              "    known[name] = true\n"
                              "    assert(object[name] ~= nil or optional[name], name)\n"
                              "  end\n"
                              "  for name in pairs(object) do assert(known[name], name) end\n"
                              "end\n"
                              "function score(node, workload)\n"
                              "  check(node, node_fields)\n"
                              "  check(workload, workload_fields)\n"
                              "  return 1\n"
                              "end\n");
    /* Loading runs it on the description's examples, asking on what C shows. */
    if (fixture_load_policy(fixture, lat_buf_text(&policy), &err) != 0) {
        fail_msg("%s", err.sentence);
    }
    if (fixture_decide(fixture, &err) != 0) {
        fail_msg("%s", err.sentence);
    }
    lat_buf_done(&policy);
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_built_in_placement_is_the_shipped_one_compiled,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(rows_have_the_described_fields, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return fixture_main(argc, argv, run);
}
