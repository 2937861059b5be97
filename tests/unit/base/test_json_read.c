#include "base/json.h"

#include "base/mem.h"
#include "base/text.h"
#include "check.h"

#include <string.h>

static cJSON *parse(const char *text)
{
    cJSON *json = NULL;
    assert_int_equal(lat_json_parse(text, strlen(text), &json, NULL), 0);
    return json;
}

static void keys_are_found_by_their_exact_name(void **state)
{
    (void)state;
    cJSON *json = parse("{\"Name\":1,\"name\":2,\"list\":[3]}");
    assert_int_equal(lat_json_int(json, "name", 0), 2);
    assert_int_equal(lat_json_int(json, "Name", 0), 1);
    assert_null(lat_json_get(json, "NAME"));
    assert_null(lat_json_get(json, "nam"));
    assert_null(lat_json_get(NULL, "name"));
    assert_null(lat_json_get(lat_json_get(json, "list"), "name")); /* no object */
    assert_null(lat_json_get(lat_json_get(json, "name"), "name"));
    cJSON_Delete(json);
}

static void the_default_stands_for_absent_null_and_the_wrong_type(void **state)
{
    (void)state;
    cJSON *json =
        parse("{\"text\":\"t\",\"int\":-3,\"real\":1.5,\"yes\":true,\"no\":false,\"null\":null,"
              "\"list\":[]}");
    assert_string_equal(lat_json_text(json, "text", "d"), "t");
    assert_int_equal(lat_json_int(json, "int", 9), -3);
    assert_true(lat_json_real(json, "real", 9) == 1.5);
    assert_true(lat_json_real(json, "int", 9) == -3);
    assert_true(lat_json_bool(json, "yes", false));
    assert_false(lat_json_bool(json, "no", true));
    static const char *const others[] = {"absent", "null", "list"};
    for (size_t i = 0; i < LAT_COUNT(others); i++) {
        assert_string_equal(lat_json_text(json, others[i], "d"), "d");
        assert_null(lat_json_text(json, others[i], NULL));
        assert_int_equal(lat_json_int(json, others[i], 9), 9);
        assert_true(lat_json_real(json, others[i], 9) == 9);
        assert_true(lat_json_bool(json, others[i], true));
        assert_false(lat_json_bool(json, others[i], false));
    }
    assert_string_equal(lat_json_text(json, "int", "d"), "d");
    assert_int_equal(lat_json_int(json, "text", 9), 9);
    assert_int_equal(lat_json_int(json, "real", 9), 9); /* not whole */
    assert_int_equal(lat_json_int(json, "yes", 9), 9);
    assert_true(lat_json_bool(json, "int", true));
    cJSON_Delete(json);
}

static void whole_numbers_are_exact_to_2_to_the_53(void **state)
{
    (void)state;
    cJSON *json =
        parse("{\"max\":9007199254740992,\"min\":-9007199254740992,\"odd\":9007199254740991,"
              "\"int32\":2147483648,\"e\":1e3,\"huge\":1e300,\"edge\":9223372036854775808.0,"
              "\"low\":-9223372036854775808.0}");
    assert_true(lat_json_int(json, "max", 0) == LAT_JSON_INT_MAX);
    assert_true(lat_json_int(json, "min", 0) == -LAT_JSON_INT_MAX);
    assert_true(lat_json_int(json, "odd", 0) == LAT_JSON_INT_MAX - 1);
    assert_true(lat_json_int(json, "int32", 0) ==
                INT64_C(2147483648)); /* cJSON's int would saturate */
    assert_int_equal(lat_json_int(json, "e", 0), 1000);
    assert_int_equal(lat_json_int(json, "huge", 9), 9);
    assert_int_equal(lat_json_int(json, "edge", 9), 9); /* 2^63 is one too many */
    assert_true(lat_json_int(json, "low", 9) == INT64_MIN);
    cJSON_Delete(json);
}

static void strict_readers_leave_absent_and_null_alone(void **state)
{
    (void)state;
    cJSON *json = parse("{\"null\":null}");
    static const char *const names[] = {"absent", "null"};
    for (size_t i = 0; i < LAT_COUNT(names); i++) {
        const char *text = "before";
        int64_t number = 7;
        bool flag = true;
        assert_int_equal(lat_json_read_text(json, names[i], &text, NULL), 0);
        assert_int_equal(lat_json_read_int(json, names[i], 10, 20, &number, NULL), 0);
        assert_int_equal(lat_json_read_bool(json, names[i], &flag, NULL), 0);
        assert_string_equal(text, "before");
        assert_int_equal(number, 7);
        assert_true(flag);
    }
    cJSON_Delete(json);
}

static void strict_readers_read(void **state)
{
    (void)state;
    cJSON *json = parse("{\"text\":\"t\",\"low\":10,\"high\":20,\"no\":false}");
    const char *text = NULL;
    int64_t number = 0;
    bool flag = true;
    assert_int_equal(lat_json_read_text(json, "text", &text, NULL), 0);
    assert_string_equal(text, "t");
    assert_int_equal(lat_json_read_int(json, "low", 10, 20, &number, NULL), 0);
    assert_int_equal(number, 10);
    assert_int_equal(lat_json_read_int(json, "high", 10, 20, &number, NULL), 0);
    assert_int_equal(number, 20);
    assert_int_equal(lat_json_read_bool(json, "no", &flag, NULL), 0);
    assert_false(flag);
    cJSON_Delete(json);
}

static void strict_readers_name_the_field_at_fault(void **state)
{
    (void)state;
    cJSON *json =
        parse("{\"text\":\"1\",\"low\":9,\"high\":21,\"half\":15.5,\"yes\":true,\"list\":[]}");
    const char *text = "before";
    int64_t number = 7;
    bool flag = true;
    struct lat_err err;
    assert_int_equal(lat_json_read_text(json, "low", &text, &err), LAT_E_INVALID_FIELD);
    assert_string_equal(err.field, "low");
    assert_int_equal(lat_json_read_text(json, "list", &text, &err), LAT_E_INVALID_FIELD);
    assert_int_equal(lat_json_read_bool(json, "text", &flag, &err), LAT_E_INVALID_FIELD);
    assert_string_equal(err.field, "text");
    static const char *const wrong[] = {"text", "low", "high", "half", "yes", "list"};
    for (size_t i = 0; i < LAT_COUNT(wrong); i++) {
        assert_int_equal(lat_json_read_int(json, wrong[i], 10, 20, &number, &err),
                         LAT_E_INVALID_FIELD);
        assert_string_equal(err.field, wrong[i]);
    }
    assert_int_equal(lat_json_read_int(json, "low", 10, 20, &number, &err), LAT_E_INVALID_FIELD);
    assert_string_equal(err.sentence, "low must be from 10 to 20.");
    assert_int_equal(lat_json_read_int(json, "low", 10, 20, &number, NULL), LAT_E_INVALID_FIELD);
    assert_string_equal(text, "before");
    assert_int_equal(number, 7);
    assert_true(flag);
    cJSON_Delete(json);
}

static void only_known_members_are_allowed(void **state)
{
    (void)state;
    static const char *const known[] = {"name", "count", NULL};
    struct lat_err err;
    cJSON *json = parse("{\"name\":1,\"count\":2}");
    assert_int_equal(lat_json_only(json, known, &err), 0);
    cJSON_Delete(json);
    static const char *const nothing[] = {"{}", "[1,2]", "3"}; /* have no members */
    for (size_t i = 0; i < LAT_COUNT(nothing); i++) {
        json = parse(nothing[i]);
        assert_int_equal(lat_json_only(json, known, &err), 0);
        cJSON_Delete(json);
    }
    assert_int_equal(lat_json_only(NULL, known, &err), 0);

    json = parse("{\"name\":1,\"cuont\":2}");
    assert_int_equal(lat_json_only(json, known, &err), LAT_E_INVALID_FIELD);
    assert_string_equal(err.field, "cuont");
    assert_string_equal(err.sentence, "There is no field \"cuont\" here; did you mean \"count\"?");
    assert_int_equal(lat_json_only(json, known, NULL), LAT_E_INVALID_FIELD);
    cJSON_Delete(json);

    json = parse("{\"Name\":1}");
    assert_int_equal(lat_json_only(json, known, &err), LAT_E_INVALID_FIELD);
    cJSON_Delete(json);

    json = parse("{\"privileged\":true}");
    assert_int_equal(lat_json_only(json, known, &err), LAT_E_INVALID_FIELD);
    assert_string_equal(err.sentence, "There is no field \"privileged\" here.");
    cJSON_Delete(json);
}

static void a_long_unknown_member_is_named_in_part(void **state)
{
    (void)state;
    static const char *const known[] = {"name", NULL};
    struct lat_buf text = {0};
    lat_buf_add_text(&text, "{\"");
    for (int i = 0; i < 1000; i++) {
        lat_buf_add_text(&text, "\xe2\x82\xac");
    }
    lat_buf_add_text(&text, "\":1}");
    cJSON *json = parse(lat_buf_text(&text));
    struct lat_err err;
    assert_int_equal(lat_json_only(json, known, &err), LAT_E_INVALID_FIELD);
    assert_true(lat_text_is_utf8(err.field, strlen(err.field)));
    assert_true(lat_text_is_utf8(err.sentence, strlen(err.sentence)));
    cJSON_Delete(json);
    lat_buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_found_by_their_exact_name),
        cmocka_unit_test(the_default_stands_for_absent_null_and_the_wrong_type),
        cmocka_unit_test(whole_numbers_are_exact_to_2_to_the_53),
        cmocka_unit_test(strict_readers_leave_absent_and_null_alone),
        cmocka_unit_test(strict_readers_read),
        cmocka_unit_test(strict_readers_name_the_field_at_fault),
        cmocka_unit_test(only_known_members_are_allowed),
        cmocka_unit_test(a_long_unknown_member_is_named_in_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
