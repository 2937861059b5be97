/* Programs: what the wire can say wrongly, what operations give, and what reasons look like. */
#include "tests/unit/support/programs.h"

#include "base/mem.h"
#include "base/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- what operations give ---- */

/* What stock Lua 5.4 gives for these operands; those of an integer are decimal, those of a float as %a. */
static const struct {
    const char *op;
    const char *a;
    const char *b;
    const char *result;
} lua[] = {
    /* clang-format off */
    {"idiv_i", "7", "2", "3"}, {"idiv_i", "-7", "2", "-4"}, {"idiv_i", "7", "-2", "-4"},
    {"idiv_i", "-7", "-2", "3"}, {"idiv_i", "-9223372036854775808", "-1", "-9223372036854775808"},
    {"idiv_i", "-9223372036854775808", "1", "-9223372036854775808"}, {"idiv_i", "6", "-3", "-2"},
    {"idiv_i", "0", "-5", "0"}, {"mod_i", "7", "3", "1"}, {"mod_i", "-7", "3", "2"},
    {"mod_i", "7", "-3", "-2"}, {"mod_i", "-7", "-3", "-1"}, {"mod_i", "-9223372036854775808", "-1", "0"},
    {"mod_i", "6", "-3", "0"},
    {"mod_i", "-9223372036854775808", "9223372036854775807", "9223372036854775806"},
    {"fmod_i", "7", "3", "1"}, {"fmod_i", "-7", "3", "-1"}, {"fmod_i", "7", "-3", "1"},
    {"fmod_i", "-7", "-3", "-1"}, {"fmod_i", "-9223372036854775808", "-1", "0"},
    {"shl", "1", "63", "-9223372036854775808"}, {"shl", "1", "64", "0"},
    {"shl", "-1", "-1", "9223372036854775807"}, {"shl", "1", "-9223372036854775808", "0"},
    {"shl", "5", "2", "20"}, {"shl", "-8", "-63", "1"}, {"shr", "-1", "1", "9223372036854775807"},
    {"shr", "-1", "63", "1"}, {"shr", "-1", "64", "0"}, {"shr", "1", "-3", "8"},
    {"shr", "1", "-9223372036854775808", "0"}, {"shr", "9223372036854775807", "-1", "-2"},
    {"mul_i", "9223372036854775807", "9223372036854775807", "1"},
    {"mul_i", "-9223372036854775808", "-1", "-9223372036854775808"},
    {"mul_i", "-9223372036854775808", "-9223372036854775808", "0"},
    {"add_i", "9223372036854775807", "1", "-9223372036854775808"},
    {"add_i", "-9223372036854775808", "-1", "9223372036854775807"},
    {"sub_i", "-9223372036854775808", "1", "9223372036854775807"},
    {"sub_i", "0", "-9223372036854775808", "-9223372036854775808"},
    {"bxor", "9223372036854775807", "-9223372036854775808", "-1"}, {"bxor", "5", "3", "6"},
    {"lt_i", "-9223372036854775808", "9223372036854775807", "true"}, {"lt_i", "1", "1", "false"},
    {"le_i", "1", "1", "true"}, {"le_i", "2", "1", "false"}, {"ult_i", "-1", "1", "false"},
    {"ult_i", "1", "-1", "true"}, {"div_f", "0x1p+0", "0x0p+0", "inf"},
    {"div_f", "-0x1p+0", "0x0p+0", "-inf"}, {"div_f", "0x0p+0", "0x0p+0", "nan"},
    {"div_f", "0x1p+0", "-0x0p+0", "-inf"}, {"div_f", "0x1p+0", "0x1.8p+1", "0x1.5555555555555p-2"},
    {"idiv_f", "0x1.ep+2", "0x1p+1", "0x1.8p+1"}, {"idiv_f", "-0x1.ep+2", "0x1p+1", "-0x1p+2"},
    {"idiv_f", "0x1p+0", "0x0p+0", "inf"}, {"idiv_f", "-0x0p+0", "0x1p+1", "-0x0p+0"},
    {"idiv_f", "0x1.4p+2", "-inf", "-0x0p+0"}, {"idiv_f", "0x0p+0", "0x0p+0", "nan"},
    {"mod_f", "0x1.6p+2", "-0x1p+1", "-0x1p-1"}, {"mod_f", "-0x1.6p+2", "0x1p+1", "0x1p-1"},
    {"mod_f", "0x1.4p+2", "inf", "0x1.4p+2"}, {"mod_f", "-0x1.4p+2", "inf", "inf"},
    {"mod_f", "0x1.4p+2", "-inf", "-inf"}, {"mod_f", "-0x1.8p+2", "0x1.8p+1", "-0x0p+0"},
    {"mod_f", "0x1.8p+2", "-0x1.8p+1", "0x0p+0"}, {"mod_f", "0x1.4p+2", "0x0p+0", "nan"},
    {"mod_f", "-0x0p+0", "0x1p+0", "-0x0p+0"}, {"mod_f", "-0x1.4p+2", "-0x1.8p+1", "-0x1p+1"},
    {"mod_f", "inf", "0x1p+1", "nan"}, {"fmod_f", "0x1.6p+2", "-0x1p+1", "0x1.8p+0"},
    {"fmod_f", "-0x1.6p+2", "0x1p+1", "-0x1.8p+0"}, {"fmod_f", "-0x1.8p+2", "0x1.8p+1", "-0x0p+0"},
    {"fmod_f", "0x1p+0", "0x0p+0", "nan"}, {"pow_f", "0x1p+1", "0x1p-1", "0x1.6a09e667f3bcdp+0"},
    {"pow_f", "0x1.8p+1", "0x1p+1", "0x1.2p+3"},
    {"pow_f", "0x1.199999999999ap+0", "0x1p+1", "0x1.35c28f5c28f5dp+0"},
    {"pow_f", "-0x1p+3", "0x1.5555555555555p-2", "nan"}, {"pow_f", "0x0p+0", "0x0p+0", "0x1p+0"},
    {"pow_f", "0x1p+1", "-0x1.0c8p+10", "0x0.0000000000001p-1022"}, {"lt_f", "nan", "0x1p+0", "false"},
    {"lt_f", "-0x0p+0", "0x0p+0", "false"}, {"lt_f", "0x1p+0", "0x1p+1", "true"},
    {"le_f", "-0x0p+0", "0x0p+0", "true"}, {"le_f", "nan", "nan", "false"},
    {"eq_f", "-0x0p+0", "0x0p+0", "true"}, {"eq_f", "nan", "nan", "false"},
    {"lt_if", "9223372036854775807", "0x1p+63", "true"},
    {"lt_if", "9223372036854775807", "0x1.fffffffffffffp+62", "false"},
    {"lt_if", "-9223372036854775808", "-0x1p+63", "false"},
    {"lt_if", "-9223372036854775808", "-0x1.0000000000001p+63", "false"},
    {"lt_if", "9007199254740993", "0x1p+53", "false"},
    {"lt_if", "9007199254740993", "0x1.0000000000001p+53", "true"}, {"lt_if", "3", "0x1.cp+1", "true"},
    {"lt_if", "-3", "-0x1.cp+1", "false"}, {"lt_if", "3", "0x1.8p+1", "false"},
    {"lt_if", "0", "-0x0p+0", "false"}, {"lt_if", "0", "nan", "false"}, {"lt_if", "5", "inf", "true"},
    {"lt_if", "5", "-inf", "false"}, {"lt_if", "9223372036854775807", "inf", "true"},
    {"le_if", "9223372036854775807", "0x1p+63", "true"},
    {"le_if", "9223372036854775807", "0x1.fffffffffffffp+62", "false"},
    {"le_if", "-9223372036854775808", "-0x1p+63", "true"},
    {"le_if", "-9223372036854775808", "-0x1.0000000000001p+63", "false"},
    {"le_if", "9007199254740993", "0x1p+53", "false"},
    {"le_if", "9007199254740993", "0x1.0000000000001p+53", "true"}, {"le_if", "3", "0x1.cp+1", "true"},
    {"le_if", "-3", "-0x1.cp+1", "false"}, {"le_if", "3", "0x1.8p+1", "true"},
    {"le_if", "0", "-0x0p+0", "true"}, {"le_if", "0", "nan", "false"}, {"le_if", "5", "inf", "true"},
    {"le_if", "5", "-inf", "false"}, {"le_if", "9223372036854775807", "inf", "true"},
    {"eq_if", "9223372036854775807", "0x1p+63", "false"},
    {"eq_if", "9223372036854775807", "0x1.fffffffffffffp+62", "false"},
    {"eq_if", "-9223372036854775808", "-0x1p+63", "true"},
    {"eq_if", "-9223372036854775808", "-0x1.0000000000001p+63", "false"},
    {"eq_if", "9007199254740993", "0x1p+53", "false"},
    {"eq_if", "9007199254740993", "0x1.0000000000001p+53", "false"}, {"eq_if", "3", "0x1.cp+1", "false"},
    {"eq_if", "-3", "-0x1.cp+1", "false"}, {"eq_if", "3", "0x1.8p+1", "true"},
    {"eq_if", "0", "-0x0p+0", "true"}, {"eq_if", "0", "nan", "false"}, {"eq_if", "5", "inf", "false"},
    {"eq_if", "5", "-inf", "false"}, {"eq_if", "9223372036854775807", "inf", "false"},
    {"lt_fi", "0x1p+63", "9223372036854775807", "false"},
    {"lt_fi", "0x1.fffffffffffffp+62", "9223372036854775807", "true"},
    {"lt_fi", "-0x1p+63", "-9223372036854775808", "false"},
    {"lt_fi", "-0x1.0000000000001p+63", "-9223372036854775808", "true"},
    {"lt_fi", "0x1p+53", "9007199254740993", "true"},
    {"lt_fi", "0x1.0000000000001p+53", "9007199254740993", "false"}, {"lt_fi", "0x1.cp+1", "3", "false"},
    {"lt_fi", "-0x1.cp+1", "-3", "true"}, {"lt_fi", "0x1.8p+1", "3", "false"},
    {"lt_fi", "-0x0p+0", "0", "false"}, {"lt_fi", "nan", "0", "false"}, {"lt_fi", "inf", "5", "false"},
    {"lt_fi", "-inf", "5", "true"}, {"lt_fi", "inf", "9223372036854775807", "false"},
    {"le_fi", "0x1p+63", "9223372036854775807", "false"},
    {"le_fi", "0x1.fffffffffffffp+62", "9223372036854775807", "true"},
    {"le_fi", "-0x1p+63", "-9223372036854775808", "true"},
    {"le_fi", "-0x1.0000000000001p+63", "-9223372036854775808", "true"},
    {"le_fi", "0x1p+53", "9007199254740993", "true"},
    {"le_fi", "0x1.0000000000001p+53", "9007199254740993", "false"}, {"le_fi", "0x1.cp+1", "3", "false"},
    {"le_fi", "-0x1.cp+1", "-3", "true"}, {"le_fi", "0x1.8p+1", "3", "true"},
    {"le_fi", "-0x0p+0", "0", "true"}, {"le_fi", "nan", "0", "false"}, {"le_fi", "inf", "5", "false"},
    {"le_fi", "-inf", "5", "true"}, {"le_fi", "inf", "9223372036854775807", "false"},
    /* clang-format on */
};

static bool is_float(const char *text)
{
    return strpbrk(text, "xn") != NULL; /* 0x..., nan, inf */
}

static void write_value(const struct lat_op *op, union lat_program_value value, char *text,
                        size_t size)
{
    if (op->type == LAT_VALUE_B) {
        snprintf(text, size, value.b ? "true" : "false");
    } else if (op->type == LAT_VALUE_I) {
        snprintf(text, size, "%lld", (long long)value.i);
    } else {
        snprintf(text, size, isfinite(value.f) ? "%a" : "%f", isnan(value.f) ? NAN : value.f);
    }
}

static void operations_give_what_lua_gives(void **state)
{
    struct lat_columns *columns = lat_columns_new();
    struct lat_record *record = lat_record_new(columns);

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(lua); i++) {
        union lat_program_value values[3];
        char text[256];
        char got[64];
        size_t count;

        snprintf(
            text, sizeof(text),
            "{\"version\":1,\"ops\":[[\"const_%c\",\"%s\"],[\"const_%c\",\"%s\"],[\"%s\",0,1]]}",
            is_float(lua[i].a) ? 'f' : 'i', lua[i].a, is_float(lua[i].b) ? 'f' : 'i', lua[i].b,
            lua[i].op);
        struct lat_program *program = test_program_read(text);

        lat_program_row(program, columns, record, 0, values);
        write_value(&lat_program_ops(program, &count)[2], values[2], got, sizeof(got));
        if (strcmp(got, lua[i].result) != 0) {
            fail_msg("%s %s %s gives %s, but %s in Lua", lua[i].op, lua[i].a, lua[i].b, got,
                     lua[i].result);
        }
        lat_program_unref(program);
    }
    lat_record_free(record);
    lat_columns_free(columns);
}

static void integers_divided_by_zero_and_floats_that_are_no_integers_give_zero(void **state)
{
    struct lat_columns *columns = lat_columns_new();
    struct lat_record *record = lat_record_new(columns);
    struct lat_program *program = test_program_read(
        "{\"version\":1,\"ops\":[[\"const_i\",\"7\"],[\"const_i\",\"0\"],[\"idiv_i\",0,1],[\"mod_i\",0,1],"
        "[\"fmod_i\",0,1],[\"const_f\",\"0x1.8p+1\"],[\"f2i\",5],[\"is_int_f\",5],[\"const_f\",\"nan\"],"
        "[\"f2i\",8],[\"const_f\",\"0x1p+63\"],[\"f2i\",10],[\"is_int_f\",10],[\"const_f\",\"-0x1p+63\"],"
        "[\"f2i\",13],[\"is_int_f\",13],[\"i2f\",0],[\"abs_i\",14],[\"neg_i\",14]]}");
    union lat_program_value values[19];

    (void)state;
    lat_program_row(program, columns, record, 0, values);
    for (size_t i = 2; i <= 4; i++) {
        assert_int_equal(values[i].i, 0);
    }
    assert_int_equal(values[6].i, 3);
    assert_true(values[7].b);
    assert_int_equal(values[9].i, 0);
    assert_int_equal(values[11].i, 0);
    assert_false(values[12].b);
    assert_true(values[14].i == INT64_MIN && values[15].b);
    assert_true(values[16].f == 7.0);
    assert_true(values[17].i == INT64_MIN && values[18].i == INT64_MIN);
    lat_program_unref(program);
    lat_record_free(record);
    lat_columns_free(columns);
}

static void texts_are_compared_whether_or_not_anybody_holds_them(void **state)
{
    struct lat_columns *columns = lat_columns_new();
    struct lat_record *record = lat_record_new(columns);
    cJSON *labels = cJSON_Parse("{\"zone\":\"a\"}");
    size_t row = 0;
    struct lat_program *program = test_program_read(
        "{\"version\":1,\"ops\":[[\"const_s\",\"zone\"],[\"map\",\"node.labels\",0],[\"const_s\",\"b\"],"
        "[\"eq_s\",1,2],[\"const_s\",\"b\"],[\"eq_s\",2,4],[\"const_s\",\"a\"],[\"eq_s\",1,6],"
        "[\"field\",\"node.gpu_model\"],[\"is_nil\",8],[\"const_s\",\"c\"],[\"map\",\"node.labels\",10],"
        "[\"is_nil\",11],[\"eq_s\",2,10]]}");
    union lat_program_value values[14];

    (void)state;
    assert_int_equal(lat_columns_add(columns, &row, NULL), 0);
    lat_columns_set_map(columns, row, LAT_FIELD_node_labels, labels);
    lat_program_row(program, columns, record, row, values);
    assert_string_equal(lat_columns_text(columns, values[1].s), "a");
    assert_string_equal(lat_columns_text(columns, values[2].s), "b");
    assert_false(values[3].b);
    assert_true(values[5].b);
    assert_true(values[7].b);
    assert_true(values[9].b);
    assert_true(values[12].b);
    assert_false(values[13].b);
    lat_program_unref(program);
    lat_record_free(record);
    cJSON_Delete(labels);
    lat_columns_free(columns);
}

/* ---- what is wrong on the wire ---- */

#define OPS                                                                                        \
    "[[\"const_f\",\"0x1p+0\"],[\"field\",\"node.healthy\"],[\"not\",1],[\"const_i\",\"1\"],[\"field\",\"node.pool\"]]"

static const struct {
    const char *ops; /* NULL: OPS */
    const char *rest;
    const char *sentence;
} wrong_wires[] = {
    {"{}", "", "ops is no list"},
    {"[7]", "", "op 0 has no name"},
    {"[[]]", "", "op 0 has no name"},
    {"[[\"jump\",0]]", "", "op 0 is 'jump', which there is not"},
    {"[[\"_\"]]", "", "which there is not"},
    {"[[\"const_i\",12]]", "", "op 0 has a constant that is no i"},
    {"[[\"const_i\",\"1.0\"]]", "", "op 0 has a constant that is no i"},
    {"[[\"const_i\",\"9223372036854775808\"]]", "", "op 0 has a constant that is no i"},
    {"[[\"const_f\",\"NaN\"]]", "", "op 0 has a constant that is no f"},
    {"[[\"const_f\",\"nan(0x7)\"]]", "", "op 0 has a constant that is no f"},
    {"[[\"const_f\",\"infinity\"]]", "", "op 0 has a constant that is no f"},
    {"[[\"const_f\",\"1.5\"]]", "", "op 0 has a constant that is no f"},
    {"[[\"const_f\",\"0x1p+9999\"]]", "", "op 0 has a constant that is no f"},
    {"[[\"const_f\",\" 0x1p+0\"]]", "", "op 0 has a constant that is no f"},
    {"[[\"const_f\",\"\"]]", "", "op 0 has a constant that is no f"},
    {"[[\"const_f\",1]]", "", "op 0 has a constant that is no f"},
    {"[[\"const_b\",\"true\"]]", "", "op 0 has a constant that is no b"},
    {"[[\"const_s\",null]]", "", "op 0 has a constant that is no s"},
    {"[[\"const_s\"]]", "", "op 0 does not have what const_s takes"},
    {"[[\"field\",\"node.nothing\"]]", "", "op 0 names a field that there is not"},
    {"[[\"field\",\"node.labels\"]]", "", "op 0 reads node.labels in the wrong way"},
    {"[[\"const_s\",\"k\"],[\"map\",\"node.pool\",0]]", "",
     "op 1 reads node.pool in the wrong way"},
    {"[[\"const_i\",\"64\"],[\"key_at\",\"node.labels\",0]]", "",
     "op 1 names a place that no map has"},
    {"[[\"const_i\",\"-1\"],[\"value_at\",\"node.labels\",0]]", "",
     "op 1 names a place that no map has"},
    {"[[\"field\",\"node.rank\"],[\"key_at\",\"node.labels\",0]]", "",
     "op 1 takes value 0, which is no constant"},
    {"[[\"const_i\",\"0\"],[\"key_at\",\"node.pool\",0]]", "",
     "op 1 reads node.pool in the wrong way"},
    {"[[\"field\",\"node.cpu\"],[\"map\",\"node.labels\",0]]", "",
     "op 1 takes a S, but value 0 is a F"},
    {"[[\"neg_f\",0]]", "", "op 0 names no value that stands before it"},
    {"[[\"neg_f\",1],[\"neg_f\",0]]", "", "op 0 names no value that stands before it"},
    {"[[\"const_f\",\"0x1p+0\"],[\"neg_f\",-1]]", "", "op 1 names no value"},
    {"[[\"const_f\",\"0x1p+0\"],[\"neg_f\",0.5]]", "", "op 1 names no value"},
    {"[[\"const_f\",\"0x1p+0\"],[\"neg_f\",1e300]]", "", "op 1 names no value"},
    {"[[\"const_f\",\"0x1p+0\"],[\"neg_f\",\"0\"]]", "", "op 1 names no value"},
    {"[[\"const_f\",\"0x1p+0\"],[\"neg_f\",0,0]]", "", "op 1 does not have what neg_f takes"},
    {"[[\"const_f\",\"0x1p+0\"],[\"neg_i\",0]]", "", "op 1 takes a I, but value 0 is a F"},
    {NULL, ",\"more\":1", "other members"},
    {NULL, ",\"traps\":{}", "traps is no list"},
    {NULL, ",\"traps\":[{\"when\":0,\"line\":1,\"message\":\"m\"}]", "trap 0 takes a B"},
    {NULL, ",\"traps\":[{\"when\":5,\"line\":1,\"message\":\"m\"}]", "trap 0 names no value"},
    {NULL, ",\"traps\":[{\"when\":1,\"message\":\"m\"}]", "trap 0 has no line"},
    {NULL, ",\"traps\":[{\"when\":1,\"line\":1}]", "trap 0 has no message"},
    {NULL, ",\"traps\":[{\"when\":1,\"line\":1,\"message\":\"m\",\"x\":1}]",
     "trap 0 has other members"},
    {NULL, ",\"rules\":[7]", "rule 0 has other members"},
    {NULL, ",\"rules\":[{\"when\":3,\"line\":1,\"text\":\"\"}]", "rule 0 takes a B"},
    {NULL, ",\"rules\":[{\"when\":1,\"line\":-1,\"text\":\"\"}]", "rule 0 has no line"},
    {NULL, ",\"rules\":[{\"when\":1,\"line\":1,\"text\":\"\",\"reason\":\"r\"}]", "no list"},
    {NULL, ",\"rules\":[{\"when\":1,\"line\":1,\"text\":\"\",\"reason\":[7]}]",
     "a part of a reason"},
    {NULL, ",\"rules\":[{\"when\":1,\"line\":1,\"text\":\"\",\"reason\":[{\"value\":9}]}]",
     "names no value"},
    {NULL,
     ",\"rules\":[{\"when\":1,\"line\":1,\"text\":\"\",\"reason\":[{\"format\":\"%n\",\"value\":3}]}]",
     "does not go with"},
    {NULL,
     ",\"rules\":[{\"when\":1,\"line\":1,\"text\":\"\",\"reason\":[{\"format\":\"%d\",\"value\":4}]}]",
     "does not go with"},
    {NULL,
     ",\"rules\":[{\"when\":1,\"line\":1,\"text\":\"\",\"reason\":[{\"format\":\"%d%s\",\"value\":3}]}]",
     "does not go with"},
    {NULL,
     ",\"rules\":[{\"when\":1,\"line\":1,\"text\":\"\",\"reason\":[{\"format\":\"%*d\",\"value\":3}]}]",
     "does not go with"},
    {NULL,
     ",\"rules\":[{\"when\":1,\"line\":1,\"text\":\"\",\"reason\":[{\"format\":\"%lld\",\"value\":3}]}]",
     "does not go with"},
    {NULL,
     ",\"rules\":[{\"when\":1,\"line\":1,\"text\":\"\",\"reason\":[{\"format\":\"%100d\",\"value\":3}]}]",
     "does not go with"},
    {NULL,
     ",\"rules\":[{\"when\":1,\"line\":1,\"text\":\"\",\"reason\":[{\"format\":\"%.100f\",\"value\":0}]}]",
     "does not go with"},
    {NULL, ",\"rules\":[{\"when\":1,\"line\":1,\"text\":\"\",\"have\":5}]",
     "rule 0 names no value"},
    {NULL, ",\"rules\":[{\"when\":1,\"line\":1,\"text\":\"\",\"compare\":\"=\"}]",
     "compares in a way"},
    {NULL, ",\"score\":3", "score 0 takes a F, but value 3 is a I"},
    {NULL, ",\"score\":\"0\"", "score 0 names no value"},
    {NULL, ",\"score\":0,\"score_line\":1.5", "score_line is no line"},
    {NULL, ",\"terms\":[{\"value\":1,\"line\":1,\"text\":\"\"}]", "term 0 takes a F"},
    {NULL, ",\"terms\":[{\"value\":0,\"line\":1,\"text\":7}]", "term 0 has no text"},
};

static void the_wire_is_not_believed(void **state)
{
    (void)state;
    for (size_t i = 0; i < LAT_COUNT(wrong_wires); i++) {
        struct lat_program *program = NULL;
        struct lat_err err = {.sentence = ""};
        char *text = lat_text_format("{\"version\":1,\"ops\":%s%s}",
                                     wrong_wires[i].ops != NULL ? wrong_wires[i].ops : OPS,
                                     wrong_wires[i].rest);
        cJSON *json = cJSON_Parse(text);

        assert_non_null(json);
        if (lat_program_read(json, &program, &err) != LAT_E_POLICY || program != NULL ||
            strstr(err.sentence, wrong_wires[i].sentence) == NULL) {
            fail_msg("%s: %s", text, err.sentence);
        }
        cJSON_Delete(json);
        free(text);
    }
    lat_program_unref(test_program_read("{\"version\":1,\"ops\":" OPS ",\"score\":0}"));
}

/* Reads a program of one op as one of that kind; returns whether it is accepted. */
static bool is_read(enum lat_policy_kind kind, const char *op, const char *rest)
{
    char *text = lat_text_format("{\"version\":1,\"ops\":[%s]%s}", op, rest);
    cJSON *json = cJSON_Parse(text);
    struct lat_program *program = NULL;
    int rc = lat_program_read_as(kind, json, &program, NULL);

    assert_true(rc == 0 || rc == LAT_E_POLICY);
    lat_program_unref(program);
    cJSON_Delete(json);
    free(text);
    return rc == 0;
}

static void a_program_knows_the_objects_of_its_policy_alone(void **state)
{
    static const char *const fields[LAT_POLICY_KIND_COUNT][2] = {
        [LAT_POLICY_PLACEMENT] = {"[\"field\",\"node.healthy\"]", "[\"field\",\"workload.count\"]"},
        [LAT_POLICY_ADMISSION] = {"[\"field\",\"request.admin\"]", "[\"field\",\"project.cpu\"]"},
        [LAT_POLICY_APPROVAL] = {"[\"field\",\"applicant.name\"]",
                                 "[\"field\",\"token.uses_left\"]"},
    };

    (void)state;
    for (int own = 0; own < LAT_POLICY_KIND_COUNT; own++) {
        for (int kind = 0; kind < LAT_POLICY_KIND_COUNT; kind++) {
            assert_int_equal(is_read(kind, fields[own][0], ""), kind == own);
            assert_int_equal(is_read(kind, fields[own][1], ""), kind == own);
        }
        assert_int_equal(is_read(own, "[\"const_f\",\"0x1p+0\"]", ",\"score\":0"),
                         own == LAT_POLICY_PLACEMENT);
        assert_int_equal(lat_policy_kind_find(lat_policy_kind_name(own)), own);
    }
    assert_int_equal(lat_policy_kind_find("astrology"), LAT_POLICY_KIND_COUNT);
}

static void a_rule_of_an_approval_alone_may_leave_it_to_a_person(void **state)
{
    static const char op[] = "[\"const_b\",true]";
    static const char *const wrong[] = {"false", "null", "1", "\"true\"", "[]"};

    (void)state;
    for (int kind = 0; kind < LAT_POLICY_KIND_COUNT; kind++) {
        assert_int_equal(
            is_read(kind, op, ",\"rules\":[{\"when\":0,\"line\":1,\"text\":\"\",\"asks\":true}]"),
            kind == LAT_POLICY_APPROVAL);
    }
    for (size_t i = 0; i < LAT_COUNT(wrong); i++) {
        char *rest = lat_text_format(
            ",\"rules\":[{\"when\":0,\"line\":1,\"text\":\"\",\"asks\":%s}]", wrong[i]);

        assert_false(is_read(LAT_POLICY_APPROVAL, op, rest));
        free(rest);
    }
}

static void other_versions_and_things_are_refused(void **state)
{
    static const char *const wrong[] = {"7", "[]", "{}", "{\"version\":2,\"ops\":[]}",
                                        "{\"version\":\"1\",\"ops\":[]}"};
    struct lat_program *program = NULL;

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(wrong); i++) {
        cJSON *json = cJSON_Parse(wrong[i]);

        assert_int_equal(lat_program_read(json, &program, NULL), LAT_E_POLICY);
        cJSON_Delete(json);
    }
    assert_int_equal(lat_program_read(NULL, &program, NULL), LAT_E_POLICY);
}

static void what_a_value_depends_on_is_found_out(void **state)
{
    struct lat_program *program = test_program_read(
        "{\"version\":1,\"ops\":[[\"const_f\",\"0x1p+0\"],[\"field\",\"node.cpu\"],[\"field\",\"workload.cpu\"],"
        "[\"field\",\"node.workload_instances\"],[\"add_f\",0,1],[\"add_f\",0,2],[\"add_f\",1,2],[\"i2f\",3],"
        "[\"const_s\",\"k\"],[\"field\",\"workload.name\"],[\"map\",\"node.labels\",8],[\"map\",\"node.labels\",9],"
        "[\"map\",\"workload.labels\",8]]}");
    static const enum lat_depends depends[] = {
        LAT_DEPENDS_CONSTANT, LAT_DEPENDS_ROW,     LAT_DEPENDS_UNIFORM, LAT_DEPENDS_MIXED,
        LAT_DEPENDS_ROW,      LAT_DEPENDS_UNIFORM, LAT_DEPENDS_MIXED,   LAT_DEPENDS_MIXED,
        LAT_DEPENDS_CONSTANT, LAT_DEPENDS_UNIFORM, LAT_DEPENDS_ROW,     LAT_DEPENDS_MIXED,
        LAT_DEPENDS_UNIFORM};
    size_t count;
    const struct lat_op *ops = lat_program_ops(program, &count);

    (void)state;
    assert_int_equal(count, LAT_COUNT(depends));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(ops[i].depends, depends[i]);
    }
    assert_ptr_equal(lat_program_ref(program), program);
    assert_null(lat_program_unref(program));
    assert_int_equal(lat_program_score(program), -1);
    lat_program_unref(program);
}

/* ---- reasons ---- */

static void reasons_are_written_as_lua_writes_them(void **state)
{
    static const struct {
        const char *type;
        const char *value;
        const char *part; /* around the value's index */
        const char *text;
    } parts[] = {
        {"f", "\"0x1.4p+0\"", "{\"format\":\"%.2f\",\"value\":0}", "1.25"},
        {"f", "\"0x1p+30\"", "{\"format\":\"%d\",\"value\":0}", "1073741824"},
        {"f", "\"0x1p+2\"", "{\"value\":0}", "4.0"},
        {"f", "\"-0x0p+0\"", "{\"value\":0}", "-0.0"},
        {"f", "\"0x1.999999999999ap-4\"", "{\"value\":0}", "0.1"},
        {"f", "\"0x1.52d02c7e14af6p+76\"", "{\"value\":0}", "1e+23"},
        {"f", "\"inf\"", "{\"value\":0}", "inf"},
        {"f", "\"-inf\"", "{\"value\":0}", "-inf"},
        {"f", "\"0x1p+1\"", "{\"format\":\"%5.1s|\",\"value\":0}", NULL},
        {"f", "\"0x1p+1\"", "{\"format\":\"%5.1s\",\"value\":0}", "    2"},
        {"i", "\"-12\"", "{\"value\":0}", "-12"},
        {"i", "\"-12\"", "{\"format\":\"%06d\",\"value\":0}", "-00012"},
        {"i", "\"255\"", "{\"format\":\"%#x\",\"value\":0}", "0xff"},
        {"i", "\"7\"", "{\"format\":\"%.3f\",\"value\":0}", "7.000"},
        {"i", "\"7\"", "{\"format\":\"%u\",\"value\":0}", "7"},
        {"b", "true", "{\"value\":0}", "true"},
        {"b", "false", "{\"format\":\"%-6s\",\"value\":0}", "false "},
        {"b", "false", "{\"format\":\"%d\",\"value\":0}", NULL},
        {"s", "\"gold\"", "{\"value\":0}", "gold"},
        {"s", "\"gold\"", "{\"format\":\"%s\",\"value\":0}", "gold"},
        {"s", "\"gold\"", "{\"format\":\"%05s\",\"value\":0}", NULL},
        {"s", "\"100%\"", "\"literal %d\"", "literal %d"},
    };
    struct lat_columns *columns = lat_columns_new();
    struct lat_record *record = lat_record_new(columns);

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(parts); i++) {
        struct lat_buf out = {.bytes = NULL};
        union lat_program_value values[2];
        struct lat_program *program = NULL;
        char *text =
            lat_text_format("{\"version\":1,\"ops\":[[\"const_%s\",%s],[\"const_b\",true]],"
                            "\"rules\":[{\"when\":1,\"line\":1,\"text\":\"\",\"reason\":[%s]}]}",
                            parts[i].type, parts[i].value, parts[i].part);
        cJSON *json = cJSON_Parse(text);
        int rc = lat_program_read(json, &program, NULL);

        assert_int_equal(rc, parts[i].text != NULL ? 0 : LAT_E_POLICY);
        if (rc == 0) {
            lat_program_row(program, columns, record, 0, values);
            assert_int_equal(lat_program_refused(program, values), 0);
            assert_true(lat_program_reason(program, columns, 0, values, &out));
            assert_string_equal(lat_buf_text(&out), parts[i].text);
        }
        lat_buf_done(&out);
        lat_program_unref(program);
        cJSON_Delete(json);
        free(text);
    }
    lat_record_free(record);
    lat_columns_free(columns);
}

static void a_reason_is_cut_between_characters(void **state)
{
    struct lat_columns *columns = lat_columns_new();
    struct lat_record *record = lat_record_new(columns);
    struct lat_buf text = {.bytes = NULL};
    struct lat_buf out = {.bytes = NULL};
    union lat_program_value values[1];

    (void)state;
    lat_buf_add_text(
        &text, "{\"version\":1,\"ops\":[[\"const_b\",true]],\"rules\":[{\"when\":0,\"line\":1,"
               "\"text\":\"\",\"reason\":[\"x\"");
    for (int i = 0; i < 100; i++) {
        lat_buf_add_text(&text, ",\"\xc3\xa4\"");
    }
    lat_buf_add_text(&text, "]},{\"when\":0,\"line\":2,\"text\":\"\",\"reason\":null}]}");
    struct lat_program *program = test_program_read(lat_buf_text(&text));

    lat_program_row(program, columns, record, 0, values);
    assert_true(lat_program_reason(program, columns, 0, values, &out));
    assert_int_equal(out.len, LAT_PROGRAM_REASON_MAX - 1);
    assert_true(lat_text_is_utf8(out.bytes, out.len));
    assert_false(lat_program_reason(program, columns, 1, values, &out));
    assert_int_equal(lat_program_trapped(program, values), -1);
    lat_buf_done(&text);
    lat_buf_done(&out);
    lat_program_unref(program);
    lat_record_free(record);
    lat_columns_free(columns);
}

/* ---- rubbish ---- */

/* Returns a value of the tree, each about as likely. */
static cJSON *some_value(struct lat_random *random, cJSON *json)
{
    while (json->child != NULL && lat_random_below(random, 8) != 0) {
        json = cJSON_GetArrayItem(json, (int)lat_random_below(random, cJSON_GetArraySize(json)));
    }
    return json;
}

static void spoil(struct lat_random *random, cJSON *json)
{
    static const char *const rubbish[] = {"-1",
                                          "0",
                                          "3",
                                          "1e9",
                                          "0.5",
                                          "null",
                                          "\"nan\"",
                                          "\"%s%n\"",
                                          "[]",
                                          "{}",
                                          "true",
                                          "\"map\"",
                                          "\"node.labels\"",
                                          "\"neg_i\""};
    cJSON *value = some_value(random, json);

    if (value->child != NULL && lat_random_below(random, 2) == 0) {
        int at = (int)lat_random_below(random, cJSON_GetArraySize(value));

        if (lat_random_below(random, 2) == 0) {
            cJSON_Delete(cJSON_DetachItemViaPointer(value, cJSON_GetArrayItem(value, at)));
        } else if (cJSON_IsArray(value)) {
            cJSON_AddItemToArray(value, cJSON_Duplicate(cJSON_GetArrayItem(value, at), true));
        }
    } else if (cJSON_IsNumber(value)) {
        cJSON_SetNumberHelper(value, (double)lat_random_below(random, 64) - 2);
    } else if (cJSON_IsArray(value)) {
        cJSON_AddItemToArray(value,
                             cJSON_Parse(rubbish[lat_random_below(random, LAT_COUNT(rubbish))]));
    } else if (cJSON_IsString(value)) {
        cJSON_SetValuestring(value, "x");
    }
}

static void rubbish_is_refused_or_runs(void **state)
{
    struct lat_random *random = lat_random_new_seeded(4711);
    struct lat_columns *columns = test_columns(random, 40);
    struct lat_record *record = test_record(random, columns);
    union lat_program_value *values = lat_alloc_array(LAT_PROGRAM_OPS_MAX, sizeof(*values));
    int good = 0;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        cJSON *json = test_program(random, (int)lat_random_below(random, 40));
        struct lat_program *program = NULL;
        struct lat_err err = {.code = 0};
        size_t count = 0;

        for (size_t spoils = lat_random_below(random, 4); spoils > 0; spoils--) {
            spoil(random, json);
        }
        if (lat_program_read(json, &program, &err) == 0) {
            const struct lat_rule *rules = lat_program_rules(program, &count);

            good++;
            for (size_t row = 0; row < 40; row += 13) {
                lat_program_row(program, columns, record, row, values);
                for (uint32_t rule = 0; rule < count; rule++) {
                    struct lat_buf out = {.bytes = NULL};

                    assert_int_equal(lat_program_reason(program, columns, rule, values, &out),
                                     rules[rule].has_reason);
                    assert_true(out.len <= LAT_PROGRAM_REASON_MAX);
                    lat_buf_done(&out);
                }
            }
        } else {
            assert_int_equal(err.code, LAT_E_POLICY);
            assert_null(program);
        }
        lat_program_unref(program);
        cJSON_Delete(json);
    }
    assert_in_range(good, 300, 2900);
    free(values);
    lat_record_free(record);
    lat_columns_free(columns);
    lat_random_free(random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_give_what_lua_gives),
        cmocka_unit_test(integers_divided_by_zero_and_floats_that_are_no_integers_give_zero),
        cmocka_unit_test(texts_are_compared_whether_or_not_anybody_holds_them),
        cmocka_unit_test(the_wire_is_not_believed),
        cmocka_unit_test(a_program_knows_the_objects_of_its_policy_alone),
        cmocka_unit_test(a_rule_of_an_approval_alone_may_leave_it_to_a_person),
        cmocka_unit_test(other_versions_and_things_are_refused),
        cmocka_unit_test(what_a_value_depends_on_is_found_out),
        cmocka_unit_test(reasons_are_written_as_lua_writes_them),
        cmocka_unit_test(a_reason_is_cut_between_characters),
        cmocka_unit_test(rubbish_is_refused_or_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
