/* Operations on texts, and patterns: what Lua 5.4 gives in the C locale (every row was asked of it), and what the wire may not
 * say of them. */
#include "policy/pattern.h"
#include "tests/unit/support/programs.h"

#include "base/mem.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Computes one op of constants; `operands` is how they stand on the wire. Returns the value, written (owned). */
static char *value_of(const char *constants, const char *op)
{
    struct lat_columns *columns = lat_columns_new();
    char *wire = lat_text_format("{\"version\":1,\"ops\":[%s,%s]}", constants, op);
    struct lat_program *program = test_program_read(wire);
    union lat_program_value values[8];
    struct lat_buf out = {.bytes = NULL};
    size_t count;

    (void)lat_program_ops(program, &count);
    lat_program_row(program, columns, NULL, 0, values);
    lat_program_write(program, columns, (uint32_t)count - 1, values, &out);
    lat_program_unref(program);
    lat_columns_free(columns);
    free(wire);
    return lat_buf_take_text(&out);
}

static void operations_on_texts_give_what_lua_gives(void **state)
{
    static const struct {
        const char *constants;
        const char *op;
        const char *result;
    } rows[] = {
        /* clang-format off */
        {"[\"const_s\",\"\"]", "[\"len_s\",0]", "0"},
        {"[\"const_s\",\"\xc3\xbc\x62\"]", "[\"len_s\",0]", "3"},
        {"[\"const_s\",\"\xc3\xbc\x42z\"]", "[\"lower_s\",0]", "\xc3\xbc\x62z"},
        {"[\"const_s\",\"\xc3\xbc\x42z@[`{\"]", "[\"upper_s\",0]", "\xc3\xbc\x42Z@[`{"},
        {"[\"const_s\",\"abc\"]", "[\"reverse_s\",0]", "cba"},
        {"[\"const_s\",\"ab\"],[\"const_s\",\"c\"]", "[\"concat_s\",0,1]", "abc"},
        {"[\"const_i\",\"-9223372036854775808\"]", "[\"text_i\",0]", "-9223372036854775808"},
        {"[\"const_f\",\"0x1p+0\"]", "[\"text_f\",0]", "1.0"},
        {"[\"const_f\",\"-inf\"]", "[\"text_f\",0]", "-inf"},
        {"[\"const_f\",\"nan\"]", "[\"text_f\",0]", "nan"},
        {"[\"const_f\",\"0x1.8p+1\"],[\"const_s\",\"%6.2f\"]", "[\"format_f\",0,1]", "  3.00"},
        {"[\"const_i\",\"-1\"],[\"const_s\",\"%x\"]", "[\"format_i\",0,1]", "ffffffffffffffff"},
        {"[\"const_i\",\"3\"],[\"const_s\",\"%.1f\"]", "[\"format_i\",0,1]", "3.0"},
        {"[\"const_s\",\"ab\xc3\xbc\"],[\"const_i\",\"-1\"]", "[\"byte_s\",0,1]", "188"},
        {"[\"const_s\",\"ab\"],[\"const_i\",\"0\"]", "[\"byte_s\",0,1]", "0"},
        {"[\"const_s\",\"ab\"],[\"const_i\",\"-3\"]", "[\"byte_s\",0,1]", "0"},
        {"[\"const_s\",\"ab\"],[\"const_i\",\"3\"]", "[\"byte_s\",0,1]", "0"},
        {"[\"const_s\",\"ab\"],[\"const_i\",\"1\"]", "[\"byte_s\",0,1]", "97"},
        {"[\"const_s\",\"Z\"],[\"const_s\",\"a\"]", "[\"lt_s\",0,1]", "true"},
        {"[\"const_s\",\"z\"],[\"const_s\",\"\xc3\xbc\"]", "[\"lt_s\",0,1]", "true"},
        {"[\"const_s\",\"a\"],[\"const_s\",\"a\"]", "[\"lt_s\",0,1]", "false"},
        {"[\"const_s\",\"a\"],[\"const_s\",\"a\"]", "[\"le_s\",0,1]", "true"},
        {"[\"const_s\",\"ab\"],[\"const_s\",\"a\"]", "[\"le_s\",0,1]", "false"},
        {"[\"const_s\",\"a=1,b=22\"],[\"const_s\",\"(%w)=(%d+)\"],[\"parts_s\",0,1]", "[\"parts_n\",2]", "4"},
        {"[\"const_s\",\"a=1,b=22\"],[\"const_s\",\"(%w)=(%d+)\"],[\"parts_s\",0,1],[\"const_i\",\"3\"]", "[\"part_s\",2,3]", "22"},
        {"[\"const_s\",\"a=1,b=22\"],[\"const_s\",\"(%w)=(%d+)\"],[\"parts_s\",0,1],[\"const_i\",\"4\"]", "[\"part_s\",2,3]", "nil"},
        {"[\"const_s\",\"a,,b\"],[\"const_s\",\"[^,]*\"],[\"parts_s\",0,1]", "[\"parts_n\",2]", "3"},
        {"[\"const_s\",\"a,,b\"],[\"const_s\",\"[^,]*\"],[\"parts_s\",0,1],[\"const_i\",\"1\"],[\"const_s\",\"\"]", "[\"part_is\",2,3,4]", "true"},
        {"[\"const_s\",\"a,b\"],[\"const_s\",\"[^,]\"],[\"parts_s\",0,1],[\"const_i\",\"1\"]", "[\"part_is\",2,3,0]", "false"},
        {"[\"const_s\",\"\"],[\"const_s\",\"a\"],[\"parts_s\",0,1]", "[\"parts_n\",2]", "0"},
        {"[\"const_s\",\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"],[\"const_s\",\"a\"],[\"parts_s\",0,1]", "[\"parts_n\",2]", "32"},
        {"[\"const_s\",\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"],[\"const_s\",\"a\"],[\"parts_s\",0,1]", "[\"parts_n\",2]", "33"},
        {"[\"const_s\",\"aXbX\"],[\"const_s\",\"X\"]", "[\"find_s\",0,1]", "2"},
        {"[\"const_s\",\"abc\"],[\"const_s\",\"\"]", "[\"find_s\",0,1]", "1"},
        {"[\"const_s\",\"abc\"],[\"const_s\",\"d\"]", "[\"find_s\",0,1]", "0"},
        {"[\"const_s\",\"abc\"],[\"const_s\",\"b*$\"]", "[\"match_at\",0,1]", "4"},
        {"[\"const_s\",\"abc\"],[\"const_s\",\"b*$\"]", "[\"match_end\",0,1]", "3"},
        {"[\"const_s\",\"abc\"],[\"const_s\",\"\"]", "[\"gsub_n\",0,1]", "4"},
        {"[\"const_s\",\"abab\"],[\"const_s\",\"^ab\"]", "[\"gsub_n\",0,1]", "1"},
        {"[\"const_s\",\"k=v\"],[\"const_s\",\"(%w)=(%w)\"],[\"const_i\",\"2\"]", "[\"capture_s\",0,1,2]", "v"},
        {"[\"const_s\",\"k=v\"],[\"const_s\",\"(%w)=(%w)\"],[\"const_i\",\"0\"]", "[\"capture_s\",0,1,2]", "k=v"},
        {"[\"const_s\",\"kv\"],[\"const_s\",\"(%w)=(%w)\"],[\"const_i\",\"1\"]", "[\"capture_s\",0,1,2]", "nil"},
        {"[\"const_s\",\"abc\"],[\"const_s\",\"(.)(.)\"],[\"const_s\",\"%2%1%%%0\"]", "[\"gsub_s\",0,1,2]", "ba%abc"},
        {"[\"const_s\",\"abc\"],[\"const_s\",\"\"],[\"const_s\",\"-\"]", "[\"gsub_s\",0,1,2]", "-a-b-c-"},
        {"[\"const_s\",\"abc\"],[\"const_s\",\"b*\"],[\"const_s\",\"-\"]", "[\"gsub_s\",0,1,2]", "-a-c-"},
        {"[\"const_s\",\"abc\"],[\"const_s\",\".\"],[\"const_s\",\"%1%1\"]", "[\"gsub_s\",0,1,2]", "aabbcc"},
        /* clang-format on */
    };
    (void)state;
    for (size_t i = 0; i < LAT_COUNT(rows); i++) {
        char *got = value_of(rows[i].constants, rows[i].op);

        if (strcmp(got, rows[i].result) != 0) {
            fail_msg("%s of %s gives '%s', but '%s' in Lua", rows[i].op, rows[i].constants, got,
                     rows[i].result);
        }
        free(got);
    }
}

static void parts_of_texts_are_those_that_lua_takes(void **state)
{
    static const struct {
        const char *first;
        const char *last;
        const char *result;
    } rows[] = {
        {"1", "2", "ab"},
        {"0", "1", "a"},
        {"-2", "-1", "cd"},
        {"-9", "2", "ab"},
        {"2", "99", "bcd"},
        {"3", "2", ""},
        {"5", "9", ""},
        {"1", "-5", ""},
        {"1", "0", ""},
        {"4", "4", "d"},
        {"2", "-2", "bc"},
        {"-4", "-4", "a"},
        {"-5", "-4", "a"},
        {"0", "0", ""},
        {"-9223372036854775808", "9223372036854775807", "abcd"},
        {"9223372036854775807", "-9223372036854775808", ""},
    };
    (void)state;
    for (size_t i = 0; i < LAT_COUNT(rows); i++) {
        char *constants =
            lat_text_format("[\"const_s\",\"abcd\"],[\"const_i\",\"%s\"],[\"const_i\",\"%s\"]",
                            rows[i].first, rows[i].last);
        char *got = value_of(constants, "[\"sub_s\",0,1,2]");

        if (strcmp(got, rows[i].result) != 0) {
            fail_msg("from %s to %s: '%s', but '%s' in Lua", rows[i].first, rows[i].last, got,
                     rows[i].result);
        }
        free(got);
        free(constants);
    }
}

/* ---- patterns ---- */

static void patterns_match_as_in_lua(void **state)
{
    static const struct {
        const char *text;
        const char *pattern;
        const char *found; /* "begin,end,capture..." as string.find has them; "" for none */
    } rows[] = {
        {"gpu-01", "^gpu%-", "1,4"},
        {"x-gpu-01", "^gpu%-", ""},
        {"dc1-r07-n12", "^(%w+)%-r(%d+)%-n(%d+)$", "1,11,dc1,07,12"},
        {"aXb", "%u", "2,2"},
        {"key = value", "^(%w+)%s*=%s*(%w+)$", "1,11,key,value"},
        {"THE (quick) fox", "%((%a+)%)", "5,11,quick"},
        {"f(a(b)c)d", "%b()", "2,8"},
        {"f(a(b", "%b()", ""},
        {"THE (quick) fox", "%f[%a]%a+", "1,3"},
        {"x2y", "%f[%d]%d%f[%D]", "2,2"},
        {"end", "%f[%z]", "4,3"},
        {"aaa", "a-", "1,0"},
        {"aaa", "a-$", "1,3"},
        {"aaa", "^a?a?a?a?$", "1,3"},
        {"abc", "[a-]+", "1,1"},
        {"a-c", "[a-]+", "1,2"},
        {"]", "[]]", "1,1"},
        {"a]", "[^]]", "1,1"},
        {"%", "[%%]", "1,1"},
        {"+", "[+-%%]", ""},
        {"]", "[+-%%]", "1,1"},
        {"$a", "$a", "1,2"},
        {"a$", "a$$", "1,2"},
        {"a^b", "a^b", "1,3"},
        {"a*", "(a)*", "1,2,a"},
        {"*b", "*b", "1,2"},
        {"", "", "1,0"},
        {"", "^$", "1,0"},
        {"\xc3\xbc", "^..$", "1,2"},
        {"\xc3\xbc", "%a", ""},
        {"\xc3\xbc", "[\x80-\xff]+", "1,2"},
        {"ab12", "^(%a*)(%d*)$", "1,4,ab,12"},
        {"banana", "(an)(an?)", "2,5,an,an"},
        {"abcabd", "(ab)(.)$", "4,6,ab,d"},
        {"\t x \n", "^%s*(.-)%s*$", "1,5,x"},
        {"a.b", "%.", "2,2"},
        {"aB", "%L", "2,2"},
        {"0xFf", "^0x(%x+)$", "1,4,Ff"},
        {"!a", "%p%w", "1,2"},
        {"a b", "%g%s%g", "1,3"},
        {"\x01", "%c", "1,1"},
    };
    (void)state;
    for (size_t i = 0; i < LAT_COUNT(rows); i++) {
        struct lat__pattern *pattern = lat__pattern_read(rows[i].pattern);
        struct lat__match match;
        struct lat_buf got = {.bytes = NULL};

        assert_non_null(pattern);
        if (lat__pattern_find(pattern, rows[i].text, strlen(rows[i].text), &match)) {
            lat_buf_addf(&got, "%zu,%zu", match.spans[0].begin + 1, match.spans[0].end);
            for (size_t k = 1; k <= lat__pattern_captures(pattern); k++) {
                lat_buf_addf(&got, ",%.*s", (int)(match.spans[k].end - match.spans[k].begin),
                             rows[i].text + match.spans[k].begin);
            }
        }
        if (strcmp(lat_buf_text(&got), rows[i].found) != 0) {
            fail_msg("'%s' in '%s': %s, but %s in Lua", rows[i].pattern, rows[i].text,
                     lat_buf_text(&got), rows[i].found);
        }
        lat_buf_done(&got);
        lat__pattern_free(pattern);
    }
}

/* In Lua this takes the sixteenth power of the text's length. */
static void a_pattern_of_many_repeats_ends_soon(void **state)
{
    char text[1024];
    struct lat__match match;
    struct lat__pattern *pattern = lat__pattern_read("a*a*a*a*a*a*a*a*a*a*a*a*a*a*a-a-b");

    (void)state;
    assert_non_null(pattern);
    memset(text, 'a', sizeof(text));
    assert_false(lat__pattern_find(pattern, text, sizeof(text), &match));
    text[sizeof(text) - 1] = 'b';
    assert_true(lat__pattern_find(pattern, text, sizeof(text), &match));
    assert_int_equal(match.spans[0].end, sizeof(text));
    lat__pattern_free(pattern);
}

/* Looked for place by place, this would be half of all pairs of places. */
static void what_is_balanced_in_a_long_text_is_found_soon(void **state)
{
    enum { DEEP = 1 << 18 };
    static const char tail[] = "((a)b)x((";
    char *text = lat_alloc(DEEP + sizeof(tail));
    struct lat__match match;
    struct lat__pattern *pattern = lat__pattern_read("%b()x");
    struct lat__pattern *quoted = lat__pattern_read("%b''x");

    (void)state;
    assert_non_null(pattern);
    memset(text, '(', DEEP);
    memcpy(text + DEEP, tail, sizeof(tail));
    assert_true(lat__pattern_find(pattern, text, strlen(text), &match));
    assert_int_equal(match.spans[0].begin, DEEP);
    assert_int_equal(match.spans[0].end, DEEP + 7);
    memset(text, '\'', DEEP); /* each one ends where the next one begins */
    assert_false(lat__pattern_find(quoted, text, strlen(text), &match));
    memcpy(text + DEEP, "a'x", 4);
    assert_true(lat__pattern_find(quoted, text, strlen(text), &match));
    assert_int_equal(match.spans[0].begin, DEEP - 1);
    assert_int_equal(match.spans[0].end, DEEP + 3);
    lat__pattern_free(pattern);
    lat__pattern_free(quoted);
    free(text);
}

static void what_may_go_wrong_is_no_pattern(void **state)
{
    static const char *const texts[] = {"%",    "a%", "[",  "[a", "[]",  "[^]",  "[a%]",
                                        "(",    "(a", "a)", "%b", "%bx", "%f",   "%fa",
                                        "%f[a", "%1", "%0", "()", "a()", "(a)%1"};
    char *many[] = {lat_text_format("%0129d", 0),
                    lat_text_copy("a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*"),
                    lat_text_copy("(a)(a)(a)(a)(a)(a)(a)(a)(a)")};

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(texts); i++) {
        if (lat__pattern_read(texts[i]) != NULL) {
            fail_msg("'%s' is a pattern", texts[i]);
        }
    }
    for (size_t i = 0; i < LAT_COUNT(many); i++) {
        assert_null(lat__pattern_read(many[i]));
        free(many[i]);
    }
}

/* ---- the wire ---- */

static void the_wire_is_not_believed_about_texts(void **state)
{
    static const struct {
        const char *ops;
        const char *sentence;
    } rows[] = {
        {"[\"field\",\"node.name\"],[\"match_at\",0,0]",
         "op 1 takes value 0, which is no constant"},
        {"[\"const_s\",\"(\"],[\"match_at\",0,0]", "op 1 matches what is no pattern"},
        {"[\"const_s\",\"a\"],[\"const_i\",\"1\"],[\"capture_s\",0,0,1]",
         "op 2 takes a capture that there is not"},
        {"[\"const_s\",\"a\"],[\"const_i\",\"-1\"],[\"capture_s\",0,0,1]",
         "op 2 takes a capture that there is not"},
        {"[\"const_s\",\"a\"],[\"len_s\",0],[\"capture_s\",0,0,1]",
         "op 2 takes value 1, which is no constant"},
        {"[\"const_s\",\"a\"],[\"const_s\",\"%2\"],[\"gsub_s\",0,0,1]",
         "op 2 replaces by what cannot be written"},
        {"[\"const_s\",\"a\"],[\"const_s\",\"x%\"],[\"gsub_s\",0,0,1]",
         "op 2 replaces by what cannot be written"},
        {"[\"field\",\"node.name\"],[\"concat_s\",0,0],[\"concat_s\",1,1],[\"concat_s\",2,2],"
         "[\"const_s\",\"a\"],[\"gsub_n\",3,4]",
         "op 5 looks for a pattern in too long a text"},
        {"[\"field\",\"node.name\"],[\"concat_s\",0,0],[\"concat_s\",1,1],[\"concat_s\",2,2],"
         "[\"concat_s\",3,3],[\"concat_s\",4,4],[\"concat_s\",5,5],[\"concat_s\",6,6]",
         "op 7 makes too long a text"},
        {"[\"field\",\"node.cpu\"],[\"const_s\",\"%s\"],[\"format_f\",0,1]",
         "op 2 has a format that does not go with its value"},
        {"[\"field\",\"node.memory\"],[\"const_s\",\"%d%n\"],[\"format_i\",0,1]",
         "op 2 has a format that does not go with its value"},
        {"[\"field\",\"node.memory\"],[\"field\",\"node.pool\"],[\"format_i\",0,1]",
         "op 2 takes value 1, which is no constant"},
        {"[\"field\",\"node.cpu\"],[\"len_s\",0]", "op 1 takes a S, but value 0 is a F"},
        {"[\"const_s\",\"a\"],[\"parts_s\",0,0],[\"len_s\",1]",
         "op 2 takes a value of its own, but value 1 is not"},
        {"[\"const_s\",\"a\"],[\"parts_n\",0]",
         "op 1 takes the parts of a text, but value 0 is not"},
        {"[\"const_s\",\"^a\"],[\"parts_s\",0,0]", "op 1 looks for a beginning again and again"},
        {"[\"const_s\",\"a\"],[\"parts_s\",0,0],[\"const_i\",\"256\"],[\"part_s\",1,2]",
         "op 3 names a place that no text has"},
        {"[\"const_s\",\"a\"],[\"parts_s\",0,0],[\"const_i\",\"-1\"],[\"part_is\",1,2,0]",
         "op 3 names a place that no text has"},
    };
    (void)state;
    for (size_t i = 0; i < LAT_COUNT(rows); i++) {
        struct lat_program *program = NULL;
        struct lat_err err = {.sentence = ""};
        char *text = lat_text_format("{\"version\":1,\"ops\":[%s]}", rows[i].ops);
        cJSON *json = cJSON_Parse(text);

        assert_int_equal(lat_program_read(json, &program, &err), LAT_E_POLICY);
        if (strstr(err.sentence, rows[i].sentence) == NULL) {
            fail_msg("%s: %s", rows[i].ops, err.sentence);
        }
        cJSON_Delete(json);
        free(text);
    }
}

/* ---- texts that are kept ---- */

static void a_text_that_was_made_is_kept_until_it_is_forgotten(void **state)
{
    struct lat_columns *columns = lat_columns_new();
    uint64_t epoch = lat_columns_epoch(columns);
    int32_t code = lat_columns_keep_text(columns, "made");

    (void)state;
    assert_int_equal(lat_columns_keep_text(columns, "made"), code);
    lat_columns_keep(columns, code);
    assert_int_equal(lat_columns_keep_text(columns, NULL), 0);
    int32_t held = lat_columns_hold(columns, "made");

    assert_int_equal(held, code);
    lat_columns_forget(columns);
    assert_int_not_equal(lat_columns_epoch(columns), epoch);
    assert_string_equal(lat_columns_text(columns, code), "made");
    lat_columns_release(columns, held);
    assert_int_equal(lat_columns_code(columns, "made"), 0);
    assert_int_equal(lat_columns_keep_text(columns, "another"), code);
    lat_columns_free(columns);
}

static void texts_that_were_made_are_forgotten_when_they_take_too_much(void **state)
{
    struct lat_columns *columns = lat_columns_new();
    uint64_t epoch = lat_columns_epoch(columns);
    size_t most = 0;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        char *text = lat_text_format("text %d, of %100d bytes", i, i);

        (void)lat_columns_keep_text(columns, text);
        free(text);
        most = most < lat_columns_texts(columns) ? lat_columns_texts(columns) : most;
        lat_columns_tidy(columns);
    }
    assert_true(most > 1000 && most < 50000);
    assert_true(lat_columns_epoch(columns) > epoch);
    assert_true((size_t)lat_columns_codes_end(columns) <= most + 1);
    lat_columns_free(columns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_on_texts_give_what_lua_gives),
        cmocka_unit_test(parts_of_texts_are_those_that_lua_takes),
        cmocka_unit_test(patterns_match_as_in_lua),
        cmocka_unit_test(what_is_balanced_in_a_long_text_is_found_soon),
        cmocka_unit_test(a_pattern_of_many_repeats_ends_soon),
        cmocka_unit_test(what_may_go_wrong_is_no_pattern),
        cmocka_unit_test(the_wire_is_not_believed_about_texts),
        cmocka_unit_test(a_text_that_was_made_is_kept_until_it_is_forgotten),
        cmocka_unit_test(texts_that_were_made_are_forgotten_when_they_take_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
