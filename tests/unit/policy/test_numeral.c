/* Texts as numbers: what Lua 5.4's tonumber says of each. */
#include "policy/program.h"

#include "base/mem.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool is(enum lat_opcode code, const char *text)
{
    return lat_program_numeral(code, text).b;
}

static void integers_are_read_as_lua_reads_them(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } rows[] = {
        {"0", 0},
        {"12", 12},
        {"-3", -3},
        {"+5", 5},
        {" \t7\n", 7},
        {"-0", 0},
        {"0x10", 16},
        {"0X1F", 31},
        {"-0x1", -1},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
        {"0xffffffffffffffffff", -1}, /* wraps */
    };

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(rows); i++) {
        if (!is(LAT_OP_is_num_i, rows[i].text) || is(LAT_OP_is_num_f, rows[i].text)) {
            fail_msg("'%s' is no integer", rows[i].text);
        }
        assert_int_equal(lat_program_numeral(LAT_OP_num_i, rows[i].text).i, rows[i].value);
        assert_true(lat_program_numeral(LAT_OP_num_f, rows[i].text).f == (double)rows[i].value);
    }
}

static void floats_are_read_as_lua_reads_them(void **state)
{
    static const struct {
        const char *text;
        double value;
    } rows[] = {
        {"0.5", 0.5},        {".5", 0.5},
        {"5.", 5},           {"1e3", 1000},
        {" 1e5 ", 100000},   {"0x1p-2", 0.25},
        {"0x.8", 0.5},       {"9223372036854775808", 9223372036854775808.0},
        {"1e999", INFINITY}, {"-0.0", -0.0},
    };

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(rows); i++) {
        double value = lat_program_numeral(LAT_OP_num_f, rows[i].text).f;

        if (!is(LAT_OP_is_num_f, rows[i].text) || is(LAT_OP_is_num_i, rows[i].text)) {
            fail_msg("'%s' is no float", rows[i].text);
        }
        assert_memory_equal(&value, &rows[i].value, sizeof(value));
        assert_int_equal(lat_program_numeral(LAT_OP_num_i, rows[i].text).i, 0);
    }
}

static void other_texts_are_no_numbers(void **state)
{
    static const char *const texts[] = {"",    " ",   "a",   "12a", "1 2", "- 5",      "--1",
                                        "0x",  "1e",  "1_0", ".e1", "nan", "infinity", "-inf",
                                        "0xg", "1e+", ".",   "0b1", NULL};

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(texts); i++) {
        if (is(LAT_OP_is_num_i, texts[i]) || is(LAT_OP_is_num_f, texts[i])) {
            fail_msg("'%s' is a number", texts[i]);
        }
        assert_int_equal(lat_program_numeral(LAT_OP_num_i, texts[i]).i, 0);
        assert_true(lat_program_numeral(LAT_OP_num_f, texts[i]).f == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_read_as_lua_reads_them),
        cmocka_unit_test(floats_are_read_as_lua_reads_them),
        cmocka_unit_test(other_texts_are_no_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
