/* The parts of core/docker that need no engine: versions, refusals, frames, paths. */
#include "fake_engine.h"

#include "docker/internal.h"

#include <string.h>

/* ---- versions ---- */

static int choose(const char *answer, struct lat_docker_version *ret_version, struct lat_err *err)
{
    cJSON *json = NULL;

    assert_int_equal(0, lat_json_parse(answer, strlen(answer), &json, NULL));
    int rc = lat__version_choose(json, ret_version, err);

    cJSON_Delete(json);
    return rc;
}

static void newest_version_that_both_know_is_spoken(void **state)
{
    static const struct {
        const char *answer;
        const char *spoken;
    } cases[] = {
        {"{\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}", "1.41"},
        {"{\"Version\":\"25.0.0\",\"ApiVersion\":\"1.44\",\"MinAPIVersion\":\"1.24\"}", "1.44"},
        {"{\"Version\":\"28.3.0\",\"ApiVersion\":\"1.51\",\"MinAPIVersion\":\"1.24\"}", "1.51"},
        {"{\"Version\":\"29.0.0\",\"ApiVersion\":\"1.52\",\"MinAPIVersion\":\"1.44\"}", "1.51"},
        {"{\"Version\":\"40.0.0\",\"ApiVersion\":\"1.60\",\"MinAPIVersion\":\"1.51\"}", "1.51"},
        {"{\"Version\":\"old\",\"ApiVersion\":\"1.41\"}", "1.41"},
    };
    struct lat_docker_version version;

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(cases); i++) {
        assert_int_equal(0, choose(cases[i].answer, &version, NULL));
        assert_string_equal(cases[i].spoken, version.api);
    }
    assert_string_equal("old", version.engine);
}

static void engines_without_a_common_version_are_refused_with_both_numbers(void **state)
{
    struct lat_docker_version version;
    struct lat_err err;

    (void)state;
    assert_int_equal(
        LAT_E_VERSION,
        choose("{\"Version\":\"41.0\",\"ApiVersion\":\"1.60\",\"MinAPIVersion\":\"1.52\"}",
               &version, &err));
    assert_non_null(strstr(err.sentence, "1.52"));
    assert_non_null(strstr(err.sentence, "1.51"));
    assert_int_equal(
        LAT_E_VERSION,
        choose("{\"Version\":\"19.03.15\",\"ApiVersion\":\"1.40\",\"MinAPIVersion\":\"1.12\"}",
               &version, &err));
    assert_non_null(strstr(err.sentence, "1.40"));
    assert_non_null(strstr(err.hint, "20.10"));
}

static void what_is_no_engine_is_told_as_such(void **state)
{
    static const char *const answers[] = {"{}",
                                          "[]",
                                          "{\"ApiVersion\":\"x\"}",
                                          "{\"ApiVersion\":\"1.\"}",
                                          "{\"ApiVersion\":\".41\"}",
                                          "{\"ApiVersion\":\"123456789.1\"}",
                                          "{\"ApiVersion\":1.41}"};
    struct lat_docker_version version;

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(answers); i++) {
        assert_int_equal(LAT_E_PROTOCOL, choose(answers[i], &version, NULL));
    }
}

/* ---- refusals ---- */

static void refusals_are_told_apart_by_status_and_words(void **state)
{
    static const struct {
        int status;
        const char *body;
        int code;
        const char *sentence;
    } cases[] = {
        {404, "{\"message\":\"No such image: web:1\"}", LAT_E_NO_IMAGE, "No such image: web:1"},
        {404, "{\"message\":\"No such container: x\"}", LAT_E_NOT_FOUND, "No such container: x"},
        {404, "{\"message\":\"network lattice-1 not found\"}", LAT_E_NOT_FOUND, NULL},
        {409, "{\"message\":\"Conflict. The container name \\\"/x\\\" is already in use\"}",
         LAT_E_CONFLICT, NULL},
        {500, "{\"message\":\"mkdir /a: no space left on device\"}", LAT_E_NO_SPACE, NULL},
        {400, "{\"message\":\"write /b: No space left on device\"}", LAT_E_NO_SPACE, NULL},
        {500, "{\"message\":\"disk quota exceeded\"}", LAT_E_NO_SPACE, NULL},
        {500, "{\"message\":\"driver failed\"}", LAT_E_ENGINE, "driver failed"},
        {400,
         "{\"message\":\"client version 1.41 is too old. Minimum supported API version is 1.44, "
         "please upgrade your client to a newer version\"}",
         LAT_E_VERSION, NULL},
        {500, "  two\nlines \n", LAT_E_ENGINE, "two lines"},
        {502, "", LAT_E_ENGINE, "The Docker Engine answered with status 502."},
        {500, "{}", LAT_E_ENGINE, "The Docker Engine answered with status 500."},
    };

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(cases); i++) {
        struct lat_err err;

        assert_int_equal(cases[i].code,
                         lat__refused(&err, cases[i].status, cases[i].body, strlen(cases[i].body)));
        assert_int_equal(cases[i].code, err.code);
        if (cases[i].sentence != NULL) {
            assert_string_equal(cases[i].sentence, err.sentence);
        }
    }
}

static void broken_connections_mean_that_the_engine_is_down(void **state)
{
    static const int down[] = {LAT_E_REFUSED, LAT_E_CLOSED, LAT_E_IO, LAT_E_TIMEOUT};
    struct lat_err err;

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(down); i++) {
        struct lat_err cause;

        lat_err_set(&cause, down[i], "because");
        assert_int_equal(LAT_E_ENGINE_DOWN, lat__broken(&err, &cause));
    }
    struct lat_err cause;

    lat_err_set(&cause, LAT_E_PROTOCOL, "because");
    assert_int_equal(LAT_E_PROTOCOL, lat__broken(&err, &cause));
}

/* ---- frames ---- */

static const uint8_t two_frames[] = {1,   0, 0, 0, 0, 0, 0, 3, 'o', 'u',
                                     't', 2, 0, 0, 0, 0, 0, 0, 0, /* an empty one */
                                     2,   0, 0, 0, 0, 0, 0, 2, 'e', 'r'};

static void frames_are_read_in_pieces_of_any_size(void **state)
{
    (void)state;
    for (size_t size = 1; size <= sizeof(two_frames); size++) {
        struct lat__frames frames = {0};
        struct lat_buf out = {0};

        for (size_t at = 0; at < sizeof(two_frames); at += size) {
            size_t left = sizeof(two_frames) - at;

            assert_int_equal(0, lat__frames_read(&frames, two_frames + at,
                                                 left < size ? left : size, &out, NULL));
        }
        assert_string_equal("outer", lat_buf_text(&out));
        lat_buf_done(&out);
    }
}

static void what_is_not_in_frames_is_refused(void **state)
{
    static const char *const texts[] = {"hello, world", "\1\0\0\1", "\4\0\0\0\0\0\0\1x"};
    static const size_t lens[] = {12, 8, 9};

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(texts); i++) {
        struct lat__frames frames = {0};
        struct lat_buf out = {0};
        uint8_t bytes[16] = {0};

        memcpy(bytes, texts[i], i == 1 ? 4 : lens[i]);
        assert_int_equal(LAT_E_PROTOCOL, lat__frames_read(&frames, bytes, lens[i], &out, NULL));
        assert_int_equal(0, out.len);
        lat_buf_done(&out);
    }
}

/* ---- paths ---- */

static void names_cannot_leave_their_place_in_a_path(void **state)
{
    struct lat_buf path = {0};

    (void)state;
    lat_docker_path(&path, "/containers/", "../a b?c", "/start");
    assert_string_equal("/containers/..%2Fa%20b%3Fc/start", lat_buf_text(&path));
    lat_buf_done(&path);
}

static void filters_of_one_kind_stand_together(void **state)
{
    struct lat_http_field fields[] = {
        {"type", "container"}, {"label", "a=1"}, {"label", "b=2"}, {NULL, NULL}};
    struct lat_buf query = {0};
    struct lat_buf json = {0};

    (void)state;
    lat_docker_filters(&query, fields);
    assert_memory_equal("filters=", lat_buf_text(&query), 8);
    assert_int_equal(0, lat_http_url_decode(&json, lat_buf_text(&query) + 8, query.len - 8, false));
    assert_string_equal("{\"type\":[\"container\"],\"label\":[\"a=1\",\"b=2\"]}",
                        lat_buf_text(&json));
    lat_buf_done(&query);
    lat_buf_done(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newest_version_that_both_know_is_spoken),
        cmocka_unit_test(engines_without_a_common_version_are_refused_with_both_numbers),
        cmocka_unit_test(what_is_no_engine_is_told_as_such),
        cmocka_unit_test(refusals_are_told_apart_by_status_and_words),
        cmocka_unit_test(broken_connections_mean_that_the_engine_is_down),
        cmocka_unit_test(frames_are_read_in_pieces_of_any_size),
        cmocka_unit_test(what_is_not_in_frames_is_refused),
        cmocka_unit_test(names_cannot_leave_their_place_in_a_path),
        cmocka_unit_test(filters_of_one_kind_stand_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
