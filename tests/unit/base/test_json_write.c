#include "base/json.h"

#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void nesting_and_commas_are_right(void **state)
{
    (void)state;
    struct lat_buf out = {0};
    struct lat_json_writer w;
    lat_json_writer_init(&w, &out);
    lat_json_object(&w, NULL);
    lat_json_add_text(&w, "text", "a\"b");
    lat_json_add_text(&w, "none", NULL);
    lat_json_array(&w, "list");
    lat_json_add_int(&w, NULL, 1);
    lat_json_object(&w, NULL);
    lat_json_end(&w, '}');
    lat_json_array(&w, NULL);
    lat_json_end(&w, ']');
    lat_json_add_bool(&w, NULL, true);
    lat_json_end(&w, ']');
    lat_json_add_null(&w, "null");
    lat_json_add_bool(&w, "no", false);
    lat_json_add_real(&w, "real", 0.1);
    lat_json_add_time(&w, "time", 1);
    lat_json_add_time(&w, "never", 0);
    lat_json_add_raw(&w, "raw", "[1,2]");
    lat_json_add_raw(&w, "no_raw", NULL);
    lat_json_add_raw(&w, "empty_raw", "");
    lat_json_end(&w, '}');
    assert_string_equal(
        lat_buf_text(&out),
        "{\"text\":\"a\\\"b\",\"none\":null,\"list\":[1,{},[],true],\"null\":null,\"no\":false,"
        "\"real\":0.1,\"time\":\"1970-01-01T00:00:00.001Z\",\"never\":null,\"raw\":[1,2],"
        "\"no_raw\":null,\"empty_raw\":null}");
    assert_int_equal(lat_json_check((char *)out.bytes, out.len, NULL), 0);
    lat_buf_done(&out);
}

static void the_second_sibling_begins_anew(void **state)
{
    (void)state;
    struct lat_buf out = {0};
    struct lat_json_writer w;
    lat_json_writer_init(&w, &out);
    lat_json_array(&w, NULL);
    for (int i = 0; i < 2; i++) {
        lat_json_object(&w, NULL);
        lat_json_add_int(&w, "a", i);
        lat_json_end(&w, '}');
        lat_json_array(&w, NULL);
        lat_json_add_int(&w, NULL, i);
        lat_json_end(&w, ']');
    }
    lat_json_end(&w, ']');
    assert_string_equal(lat_buf_text(&out), "[{\"a\":0},[0],{\"a\":1},[1]]");
    lat_buf_done(&out);
}

static void check_quoted(const char *text, size_t len, const char *expected)
{
    struct lat_buf out = {0};
    lat_json_quote(&out, text, len);
    assert_string_equal(lat_buf_text(&out), expected);
    lat_buf_done(&out);
}

static void text_is_escaped(void **state)
{
    (void)state;
    check_quoted("", 0, "\"\"");
    check_quoted("plain", 5, "\"plain\"");
    check_quoted("\"\\/\b\f\n\r\t", 8, "\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
    check_quoted("\x01\x1f\x7f", 3, "\"\\u0001\\u001f\x7f\"");
    check_quoted("a\0b", 3, "\"a\\u0000b\"");
    check_quoted("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9,
                 "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

static void what_is_not_utf8_is_replaced(void **state)
{
    (void)state;
#define REPLACED "\xef\xbf\xbd"
    check_quoted("a\xff"
                 "b",
                 3, "\"a" REPLACED "b\"");
    check_quoted("\xc3", 1, "\"" REPLACED "\"");
    check_quoted("\xe2\x82", 2, "\"" REPLACED REPLACED "\"");
    check_quoted("\xed\xa0\x80", 3, "\"" REPLACED REPLACED REPLACED "\"");
    check_quoted("\xe2\x82\xac", 2, "\"" REPLACED REPLACED "\""); /* cut by len */
    check_quoted("\xc3\n", 2, "\"" REPLACED "\\n\"");
}

static char *print_real(double value)
{
    struct lat_buf out = {0};
    struct lat_json_writer w;
    lat_json_writer_init(&w, &out);
    lat_json_add_real(&w, NULL, value);
    return lat_buf_take_text(&out);
}

static void check_real(double value, const char *expected)
{
    char *text = print_real(value);
    assert_string_equal(text, expected);
    free(text);
}

static void numbers_are_short_and_exact(void **state)
{
    (void)state;
    check_real(0, "0");
    check_real(-0.0, "-0");
    check_real(1, "1");
    check_real(-3, "-3");
    check_real(0.1, "0.1");
    check_real(0.1 + 0.2, "0.30000000000000004");
    check_real(1e15, "1000000000000000");
    check_real(9007199254740991, "9007199254740991");
    check_real(9007199254740992, "9007199254740992");
    check_real(9007199254740994, "9007199254740994.0"); /* as an integer it would be refused */
    check_real(1e17, "1e+17");
    check_real(DBL_MAX, "1.7976931348623157e+308");
    check_real(DBL_MIN, "2.2250738585072014e-308");
    check_real(5e-324, "4.94065645841247e-324");
    check_real(NAN, "null");
    check_real(INFINITY, "null");
    check_real(-INFINITY, "null");
}

static void every_number_reads_back_the_same(void **state)
{
    (void)state;
    struct lat_random *random = lat_random_new_seeded(53);
    for (int i = 0; i < 50000; i++) {
        uint64_t bits = lat_random_u64(random);
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (i % 3 == 1) {
            value = (double)(int64_t)(bits >> lat_random_below(random, 64));
        } else if (i % 3 == 2) {
            value = (double)lat_random_below(random, 1000000) / 1000;
        }
        if (!isfinite(value)) {
            continue;
        }
        char *text = print_real(value);
        cJSON *json = NULL;
        assert_int_equal(lat_json_parse(text, strlen(text), &json, NULL), 0);
        assert_memory_equal(&json->valuedouble, &value, sizeof(value)); /* -0 too */
        cJSON_Delete(json);
        free(text);
    }
    lat_random_free(random);
}

static void integers_stay_integers_as_far_as_they_are_exact(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-1, "-1"},
        {LAT_JSON_INT_MAX, "9007199254740992"},
        {-LAT_JSON_INT_MAX, "-9007199254740992"},
        {LAT_JSON_INT_MAX + 2, "9007199254740994.0"},
        {INT64_MAX, "9.223372036854776e+18"},
        {INT64_MIN, "-9.223372036854776e+18"},
    };
    for (size_t i = 0; i < LAT_COUNT(cases); i++) {
        struct lat_buf out = {0};
        struct lat_json_writer w;
        lat_json_writer_init(&w, &out);
        lat_json_add_int(&w, NULL, cases[i].value);
        assert_string_equal(lat_buf_text(&out), cases[i].text);
        assert_int_equal(lat_json_check((char *)out.bytes, out.len, NULL), 0);
        lat_buf_done(&out);
    }
}

/* Adds a random value, of at most `depth` levels. */
static void add_random(struct lat_random *random, struct lat_json_writer *w, const char *key,
                       int depth)
{
    char text[24];
    switch (lat_random_below(random, depth > 0 ? 8 : 6)) {
    case 0: lat_json_add_null(w, key); break;
    case 1: lat_json_add_bool(w, key, lat_random_below(random, 2) == 1); break;
    case 2:
        lat_json_add_int(w, key, (int64_t)(lat_random_u64(random) >> lat_random_below(random, 64)));
        break;
    case 3:
        lat_json_add_real(
            w, key,
            ldexp((double)lat_random_u64(random), (int)lat_random_below(random, 200) - 150));
        break;
    case 4: { /* any bytes but NUL */
        size_t len = lat_random_below(random, sizeof(text));
        lat_random_bytes(random, text, len);
        for (size_t i = 0; i < len; i++) {
            text[i] = text[i] != 0 ? text[i] : 1;
        }
        text[len] = '\0';
        lat_json_add_text(w, key, text);
        break;
    }
    case 5: lat_json_add_time(w, key, (int64_t)lat_random_u64(random)); break;
    case 6:
        lat_json_array(w, key);
        for (uint64_t i = lat_random_below(random, 5); i > 0; i--) {
            add_random(random, w, NULL, depth - 1);
        }
        lat_json_end(w, ']');
        break;
    default:
        lat_json_object(w, key);
        for (uint64_t i = lat_random_below(random, 5); i > 0; i--) {
            lat_random_word(random, text, 12);
            text[0] = (char)(1 + lat_random_below(random, 127)); /* some need escapes */
            add_random(random, w, text, depth - 1);
        }
        lat_json_end(w, '}');
        break;
    }
}

static void what_is_written_parses_and_prints_the_same(void **state)
{
    (void)state;
    struct lat_random *random = lat_random_new_seeded(8259);
    for (int i = 0; i < 5000; i++) {
        struct lat_buf out = {0};
        struct lat_json_writer w;
        lat_json_writer_init(&w, &out);
        add_random(random, &w, NULL, 6);
        struct lat_err err;
        cJSON *json = NULL;
        if (lat_json_parse((char *)out.bytes, out.len, &json, &err) != 0) {
            fail_msg("%s: %s", lat_buf_text(&out), err.sentence);
        }
        char *again = lat_json_print(json);
        assert_string_equal(again, lat_buf_text(&out));
        cJSON *second = NULL;
        assert_int_equal(lat_json_parse(again, strlen(again), &second, NULL), 0);
        assert_true(cJSON_Compare(json, second, true));
        cJSON_Delete(json);
        cJSON_Delete(second);
        free(again);
        lat_buf_done(&out);
    }
    lat_random_free(random);
}

static void a_tree_is_printed_without_blanks(void **state)
{
    (void)state;
    static const char text[] =
        " { \"a\" : [ 1 , 0.5 , \"\\u00e9\" , null , true , false , { } ] } ";
    cJSON *json = NULL;
    assert_int_equal(lat_json_parse(text, strlen(text), &json, NULL), 0);
    char *printed = lat_json_print(json);
    assert_string_equal(printed, "{\"a\":[1,0.5,\"\xc3\xa9\",null,true,false,{}]}");
    free(printed);
    cJSON_Delete(json);
    printed = lat_json_print(NULL);
    assert_string_equal(printed, "null");
    free(printed);
}

static void raw_parts_of_a_tree_are_printed_as_they_are(void **state)
{
    (void)state;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddRawToObject(json, "raw", "[1,2]");
    char *printed = lat_json_print(json);
    assert_string_equal(printed, "{\"raw\":[1,2]}");
    free(printed);
    cJSON_Delete(json);
}

static void the_deepest_nesting_is_written(void **state)
{
    (void)state;
    struct lat_buf out = {0};
    struct lat_json_writer w;
    lat_json_writer_init(&w, &out);
    for (int i = 0; i < LAT_JSON_WRITER_DEPTH_MAX; i++) {
        lat_json_array(&w, NULL);
    }
    lat_json_add_int(&w, NULL, 1);
    for (int i = 0; i < LAT_JSON_WRITER_DEPTH_MAX; i++) {
        lat_json_end(&w, ']');
    }
    assert_int_equal(out.len, 2 * LAT_JSON_WRITER_DEPTH_MAX + 1);
    lat_buf_done(&out);
}

enum mistake {
    KEY_IN_ARRAY,
    NO_KEY_IN_OBJECT,
    KEY_AT_TOP,
    TWO_AT_TOP,
    WRONG_BRACKET,
    END_TOO_MUCH,
    TOO_DEEP
};

static void make_mistake(void *arg)
{
    struct lat_buf out = {0};
    struct lat_json_writer w;
    lat_json_writer_init(&w, &out);
    switch (*(enum mistake *)arg) {
    case KEY_IN_ARRAY:
        lat_json_array(&w, NULL);
        lat_json_add_int(&w, "key", 1);
        break;
    case NO_KEY_IN_OBJECT:
        lat_json_object(&w, NULL);
        lat_json_add_int(&w, NULL, 1);
        break;
    case KEY_AT_TOP: lat_json_add_int(&w, "key", 1); break;
    case TWO_AT_TOP:
        lat_json_add_int(&w, NULL, 1);
        lat_json_add_int(&w, NULL, 1);
        break;
    case WRONG_BRACKET:
        lat_json_object(&w, NULL);
        lat_json_end(&w, ']');
        break;
    case END_TOO_MUCH: lat_json_end(&w, '}'); break;
    case TOO_DEEP:
        for (int i = 0; i <= LAT_JSON_WRITER_DEPTH_MAX; i++) {
            lat_json_array(&w, NULL);
        }
        break;
    }
}

static void a_wrong_nesting_aborts(void **state)
{
    (void)state;
    for (enum mistake mistake = KEY_IN_ARRAY; mistake <= TOO_DEEP; mistake++) {
        assert_true(aborts(make_mistake, &mistake));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nesting_and_commas_are_right),
        cmocka_unit_test(the_second_sibling_begins_anew),
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(what_is_not_utf8_is_replaced),
        cmocka_unit_test(numbers_are_short_and_exact),
        cmocka_unit_test(every_number_reads_back_the_same),
        cmocka_unit_test(integers_stay_integers_as_far_as_they_are_exact),
        cmocka_unit_test(what_is_written_parses_and_prints_the_same),
        cmocka_unit_test(a_tree_is_printed_without_blanks),
        cmocka_unit_test(raw_parts_of_a_tree_are_printed_as_they_are),
        cmocka_unit_test(the_deepest_nesting_is_written),
        cmocka_unit_test(a_wrong_nesting_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
