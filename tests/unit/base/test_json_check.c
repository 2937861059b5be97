#include "base/json.h"

#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Checks a copy that ends where the text ends, so that a byte read past it is found. */
static int check_n(const char *text, size_t len, struct lat_err *err)
{
    char *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, text, len);
    int rc = lat_json_check(copy, len, err);
    cJSON *json = NULL;
    int parsed = lat_json_parse(copy, len, &json, NULL);
    assert_int_equal(parsed, rc); /* cJSON reads whatever passes */
    assert_int_equal(json != NULL, rc == 0);
    cJSON_Delete(json);
    free(copy);
    return rc;
}

static int check(const char *text)
{
    return check_n(text, strlen(text), NULL);
}

static void check_takes(const char *const *texts)
{
    for (; *texts != NULL; texts++) {
        struct lat_err err;
        if (check_n(*texts, strlen(*texts), &err) != 0) {
            fail_msg("%s was refused: %s", *texts, err.sentence);
        }
    }
}

static void check_refuses(const char *const *texts)
{
    for (; *texts != NULL; texts++) {
        if (check(*texts) != LAT_E_INVALID) {
            fail_msg("%s was taken", *texts);
        }
    }
}

static void valid_documents_are_taken(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "null",
        "true",
        "false",
        "0",
        "\"\"",
        "[]",
        "{}",
        " \t\r\n[ \t\r\n] \t\r\n",
        "{ }",
        "[1,2,3]",
        "[ 1 , 2 ]",
        "[[],[[]],{}]",
        "{\"a\":1}",
        "{ \"a\" : 1 , \"b\" : [ ] }",
        "{\"a\":{\"a\":{\"a\":1}}}",
        "{\"\":1,\" \":2}",
        "\"\x7f\"",
        "[null,true,false,\"x\"]",
        NULL,
    };
    check_takes(texts);
}

static void what_is_no_document_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "nul",
        "nulll",
        "Null",
        "TRUE",
        "tru",
        "undefined",
        "NaN",
        "Infinity",
        "-Infinity",
        "[",
        "]",
        "{",
        "}",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[,]",
        "[1 2]",
        "[1}",
        "{1}",
        "{]",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{\"a\" 1}",
        "{\"a\"::1}",
        "{a:1}",
        "{'a':1}",
        "'a'",
        "{\"a\":1 \"b\":2}",
        "{null:1}",
        "{1:1}",
        "1 2",
        "[] []",
        "{}x",
        "[]]",
        "// c\n1",
        "/* c */1",
        "[1]//",
        "\xef\xbb\xbf{}",
        "\f1",
        "\v1",
        "1\x01",
        "\xa0"
        "1",
        ",",
        ":",
        "\"",
        NULL,
    };
    check_refuses(texts);
    assert_int_equal(check_n("1\0", 2, NULL), LAT_E_INVALID);
    assert_int_equal(check_n("\0", 1, NULL), LAT_E_INVALID);
    assert_int_equal(check_n("[1\0]", 4, NULL), LAT_E_INVALID);
}

static void valid_numbers_are_taken(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "1",
        "-1",
        "10",
        "1.0",
        "0.5",
        "-0.5",
        "1e5",
        "1E5",
        "1e+5",
        "1e-5",
        "0e0",
        "1.5e300",
        "0.0000001",
        "1e-400",
        "1.7976931348623157e308",
        "9007199254740992",
        "-9007199254740992",
        "9007199254740993.0",
        "1e17",
        "5e-324",
        NULL,
    };
    check_takes(texts);
}

static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "-",     "+1",   "01",    "-01", "00", ".5",   "5.",    "1.e5", "1e",  "1e+", "1e-",
        "1e1.5", "0x10", "1_000", "--1", "1-", "1..5", "1.5.5", "1ee5", "- 1", "1a",  NULL,
    };
    check_refuses(texts);
}

static void a_number_that_no_double_holds_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "9007199254740993",
        "-9007199254740993",
        "9999999999999999",
        "10000000000000000",
        "18446744073709551616",
        "99999999999999999999999999",
        "[1e309]",
        "-1e309",
        "1e999999",
        "1.7976931348623159e308",
        NULL,
    };
    check_refuses(texts);
}

static void a_number_is_as_long_as_cjson_reads(void **state)
{
    (void)state;
    char text[LAT_JSON_NUMBER_MAX + 4];
    memset(text, '1', sizeof(text));
    text[0] = '[';
    text[2] = '.';
    text[LAT_JSON_NUMBER_MAX + 1] = ']';
    text[LAT_JSON_NUMBER_MAX + 2] = '\0';
    cJSON *json = NULL;
    assert_int_equal(lat_json_parse(text, strlen(text), &json, NULL), 0);
    assert_true(cJSON_GetArrayItem(json, 0)->valuedouble == 10.0 / 9);
    cJSON_Delete(json);
    text[LAT_JSON_NUMBER_MAX + 1] = '1';
    text[LAT_JSON_NUMBER_MAX + 2] = ']';
    text[LAT_JSON_NUMBER_MAX + 3] = '\0';
    assert_int_equal(check(text), LAT_E_INVALID);
}

static void rounding_takes_the_engines_counters(void **state)
{
    (void)state;
    static const char text[] = "[9007199254740993,18446744073709551615,-9223372036854775808]";
    cJSON *json = NULL;
    assert_int_equal(lat_json_parse(text, strlen(text), &json, NULL), LAT_E_INVALID);
    assert_null(json);
    assert_int_equal(lat_json_parse_rounding(text, strlen(text), &json, NULL), 0);
    assert_true(cJSON_GetArrayItem(json, 0)->valuedouble == 9007199254740992.0);
    assert_true(cJSON_GetArrayItem(json, 1)->valuedouble == 0x1p64);
    assert_true(cJSON_GetArrayItem(json, 2)->valuedouble == -0x1p63);
    cJSON_Delete(json);
    /* All else is as strict. */
    json = NULL;
    assert_int_equal(lat_json_parse_rounding("[1e309]", 7, &json, NULL), LAT_E_INVALID);
    assert_int_equal(lat_json_parse_rounding("{\"a\":1,\"a\":1}", 13, &json, NULL), LAT_E_INVALID);
    assert_null(json);
}

static void valid_strings_are_taken(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u0001\"",
        "\"\\u00e9\\u20AC\"",
        "\"\\ud83d\\ude00\"",
        "\"\\uD800\\uDC00\"",
        "\"\\uDBFF\\uDFFF\"",
        "\"\\ud7ff\\ue000\\uffff\"",
        "\"\xc3\xa9\xe2\x82\xac\"",
        "\"\xf0\x9f\x98\x80\"",
        "\"\xf4\x8f\xbf\xbf\"",
        "\"\xe2\x80\xa8\"",
        "\"'/\"",
        NULL,
    };
    check_takes(texts);
}

static void what_is_no_string_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\"a",         "\"\\",        "\"\\\"",      "\"\\a\"", "\"\\'\"",
        "\"\\0\"",     "\"\\x41\"",   "\"\\U0041\"", "\"\\u\"", "\"\\u004\"",
        "\"\\u00g0\"", "\"\\u 041\"", "\"\\u-001\"", "\"\\u00", "\"\n\"",
        "\"\t\"",      "\"\x01\"",    "\"\x1f\"",    NULL,
    };
    check_refuses(texts);
    assert_int_equal(check_n("\"\0\"", 3, NULL), LAT_E_INVALID);
    assert_int_equal(check_n("\"\\\0\"", 4, NULL), LAT_E_INVALID);
}

static void what_readers_disagree_about_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\"\\u0000\"",        "\"a\\u0000b\"",
        "{\"\\u0000\":1}", /* cJSON would cut */
        "\"\\ud800\"",        "\"\\ud800x\"",
        "\"\\ud800\\n\"",     "\"\\ud800\\u0041\"", /* half of a pair */
        "\"\\ud800\\ud800\"", "\"\\udc00\"",
        "\"\\udfff\"",        "\"\\ud800\\ue000\"",
        "\"\\ud800\\udbff\"", "\"\\udfff\\ud800\"",
        "\"\\udbff",          "\"\\udbff\\",
        "\"\\udbff\\u",       "\"\x80\"",
        "\"\xc0\x80\"",       "\"\xc3\"",
        "\"\xed\xa0\x80\"",   "\"\xf4\x90\x80\x80\"",
        "\"\xff\"",           NULL,
    };
    check_refuses(texts);
}

static void a_key_that_is_there_twice_is_refused(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"b\":2,\"a\":3}",
        "{\"\":1,\"\":2}",
        "{\"a\":1,\"\\u0061\":2}",
        "{\"\\u0061\":1,\"a\":2}",
        "{\"\\u0061\":1,\"\\u0061\":2}",
        "{\"\\u0061\xc3\xa9\":1,\"a\xc3\xa9\":2}",
        "{\"\\/\":1,\"/\":2}",
        "{\"\\n\":1,\"\\u000a\":2}",
        "{\"\\u00E9\":1,\"\xc3\xa9\":2}",
        "{\"\\u20ac\":1,\"\xe2\x82\xac\":2}",
        "{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}",
        "{\"a\":{\"b\":1},\"c\":[{\"a\":1}],\"a\":2}",
        "[{},{\"x\":{\"a\":1,\"a\":1}}]",
        NULL,
    };
    check_refuses(refused);
    static const char *const taken[] = {
        "{\"a\":1,\"A\":2}",
        "{\"a\":{\"a\":1},\"b\":{\"a\":1}}",
        "[{\"a\":1},{\"a\":1}]",
        "{\"a\":{\"b\":1},\"b\":2}",
        "{\"a\":\"a\",\"b\":\"a\"}",
        "{\"\\\\u0061\":1,\"a\":2}",
        NULL,
    };
    check_takes(taken);
}

static void a_key_is_found_twice_among_any_number(void **state)
{
    (void)state;
    /* Around the sizes at which the set of keys grows. */
    for (int count = 1; count < 300; count++) {
        struct lat_buf text = {0};
        lat_buf_add_byte(&text, '{');
        for (int i = 0; i < count; i++) {
            lat_buf_addf(&text, i % 3 == 0 ? "\"k\\u0025%d\":0," : "\"k%%%d\":0,", i);
        }
        size_t len = text.len;
        lat_buf_addf(&text, "\"k%%%d\":0}", count);
        assert_int_equal(lat_json_check((char *)text.bytes, text.len, NULL), 0);
        text.len = len;
        lat_buf_addf(&text, "\"k%%%d\":0}", count / 2);
        assert_int_equal(lat_json_check((char *)text.bytes, text.len, NULL), LAT_E_INVALID);
        lat_buf_done(&text);
    }
}

/* Checks `brackets` times `open`, a 0 in the middle, and as many of `close`. */
static int check_nested(const char *open, const char *close, int brackets)
{
    struct lat_buf text = {0};
    for (int i = 0; i < brackets; i++) {
        lat_buf_add_text(&text, open);
    }
    lat_buf_add_byte(&text, '0');
    for (int i = 0; i < brackets; i++) {
        lat_buf_add_text(&text, close);
    }
    int rc = check_n((char *)text.bytes, text.len, NULL);
    lat_buf_done(&text);
    return rc;
}

static void nesting_ends_at_its_limit(void **state)
{
    (void)state;
    assert_int_equal(check_nested("[", "]", LAT_JSON_DEPTH_MAX), 0);
    assert_int_equal(check_nested("[", "]", LAT_JSON_DEPTH_MAX + 1), LAT_E_INVALID);
    assert_int_equal(check_nested("{\"a\":", "}", LAT_JSON_DEPTH_MAX), 0);
    assert_int_equal(check_nested("{\"a\":", "}", LAT_JSON_DEPTH_MAX + 1), LAT_E_INVALID);
    assert_int_equal(check_nested("[", "]", 100000), LAT_E_INVALID);
    /* Siblings are not deep. */
    struct lat_buf text = {0};
    lat_buf_add_byte(&text, '[');
    for (int i = 0; i < 100; i++) {
        lat_buf_add_text(&text, "[[]],");
    }
    lat_buf_add_text(&text, "0]");
    assert_int_equal(check_n((char *)text.bytes, text.len, NULL), 0);
    lat_buf_done(&text);
}

static void values_end_at_their_limit(void **state)
{
    (void)state;
    for (int more = 0; more <= 1; more++) {
        struct lat_buf text = {0};
        lat_buf_add_byte(&text, '[');
        for (int i = 1; i < LAT_JSON_NODES_MAX + more; i++) {
            lat_buf_add_text(&text, i > 1 ? ",0" : "0");
        }
        lat_buf_add_byte(&text, ']');
        struct lat_err err;
        assert_int_equal(lat_json_check((char *)text.bytes, text.len, &err),
                         more ? LAT_E_TOO_LARGE : 0);
        lat_buf_done(&text);
    }
}

static void a_big_object_takes_no_quadratic_time(void **state)
{
    (void)state;
    struct lat_buf text = {0};
    lat_buf_add_byte(&text, '{');
    for (int i = 1; i < LAT_JSON_NODES_MAX; i++) {
        lat_buf_addf(&text, "%s\"%d\":0", i > 1 ? "," : "", i);
    }
    lat_buf_add_byte(&text, '}');
    clock_t start = clock();
    assert_int_equal(lat_json_check((char *)text.bytes, text.len, NULL), 0);
    /* 30 ms, sanitized; comparing each with each would take minutes. */
    assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
    lat_buf_done(&text);
}

static void a_refusal_says_where(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *where;
    } cases[] = {
        {"x", "JSON, line 1, column 1: "},
        {"", "JSON, line 1, column 1: it ends too early"},
        {"[1,\n 2,\n  x]", "JSON, line 3, column 3: "},
        {"[\"\xc3\xa9\xe2\x82\xac\", x]", "JSON, line 1, column 8: "}, /* characters, not bytes */
        {"{\"a\":1,\n \"a\":2}", "JSON, line 2, column 2: "},
        {"[\"ab\\u0000\"]", "JSON, line 1, column 5: "},
        {"[12345678901234567890]", "JSON, line 1, column 2: an integer beyond 2^53"},
        {"[\n\n", "JSON, line 3, column 1: it ends too early"},
        {"[01]", "JSON, line 1, column 2: a number has no leading zeros"},
        {"[\"\xff\"]", "JSON, line 1, column 3: this is not UTF-8"},
    };
    for (size_t i = 0; i < LAT_COUNT(cases); i++) {
        struct lat_err err;
        assert_int_equal(check_n(cases[i].text, strlen(cases[i].text), &err), LAT_E_INVALID);
        assert_int_equal(err.code, LAT_E_INVALID);
        if (!lat_text_starts(err.sentence, cases[i].where)) {
            fail_msg("%s: %s", cases[i].text, err.sentence);
        }
    }
}

static void a_document_that_ends_anywhere_is_refused(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\\u0062\":[1.5e-3,\"\\ud83d\\ude00\xe2\x82\xac\",true,{\"b\":null}],\"c\":-1}";
    size_t len = strlen(text);
    assert_int_equal(check(text), 0);
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(check_n(text, cut, NULL), LAT_E_INVALID);
    }
}

static void any_bytes_are_taken_or_refused_but_never_followed(void **state)
{
    (void)state;
    /* Whatever passes, cJSON reads too, and its print passes again (check_n asserts the first). */
    static const char *const pieces[] = {
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"b\\u0041\"",
        "\"",
        "\\",
        "1",
        "-",
        "0.5",
        "e3",
        "true",
        "null",
        " ",
        "\n",
        "\xc3\xa9",
        "\x80",
        "\"\\ud83d\\ude00\"",
        "9007199254740993",
        "{\"a\":1}",
        "[1,2]",
    };
    struct lat_random *random = lat_random_new_seeded(77);
    int taken = 0;
    for (int i = 0; i < 60000; i++) {
        struct lat_buf text = {0};
        size_t count = 1 + lat_random_below(random, 8);
        for (size_t k = 0; k < count; k++) {
            lat_buf_add_text(&text, pieces[lat_random_below(random, LAT_COUNT(pieces))]);
        }
        if (check_n((char *)text.bytes, text.len, NULL) == 0) {
            taken++;
            cJSON *json = NULL;
            assert_int_equal(lat_json_parse((char *)text.bytes, text.len, &json, NULL), 0);
            char *again = lat_json_print(json);
            assert_int_equal(check(again), 0);
            free(again);
            cJSON_Delete(json);
        }
        lat_buf_done(&text);
    }
    assert_true(taken > 1000);
    lat_random_free(random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_documents_are_taken),
        cmocka_unit_test(what_is_no_document_is_refused),
        cmocka_unit_test(valid_numbers_are_taken),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(a_number_that_no_double_holds_is_refused),
        cmocka_unit_test(a_number_is_as_long_as_cjson_reads),
        cmocka_unit_test(rounding_takes_the_engines_counters),
        cmocka_unit_test(valid_strings_are_taken),
        cmocka_unit_test(what_is_no_string_is_refused),
        cmocka_unit_test(what_readers_disagree_about_is_refused),
        cmocka_unit_test(a_key_that_is_there_twice_is_refused),
        cmocka_unit_test(a_key_is_found_twice_among_any_number),
        cmocka_unit_test(nesting_ends_at_its_limit),
        cmocka_unit_test(values_end_at_their_limit),
        cmocka_unit_test(a_big_object_takes_no_quadratic_time),
        cmocka_unit_test(a_refusal_says_where),
        cmocka_unit_test(a_document_that_ends_anywhere_is_refused),
        cmocka_unit_test(any_bytes_are_taken_or_refused_but_never_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
