/* Methods, statuses, fields, URLs and events. */
#include "support.h"

static void methods_are_known_by_their_exact_name(void **state)
{
    (void)state;
    assert_int_equal(lat_http_method_parse("GET", 3), LAT_HTTP_GET);
    assert_int_equal(lat_http_method_parse("DELETEX", 6), LAT_HTTP_DELETE);
    assert_int_equal(lat_http_method_parse("get", 3), LAT_HTTP_OTHER);
    assert_int_equal(lat_http_method_parse("", 0), LAT_HTTP_OTHER);
    assert_int_equal(lat_http_method_parse("TRACE", 5), LAT_HTTP_OTHER);
    assert_string_equal(lat_http_method_text(LAT_HTTP_PATCH), "PATCH");
    assert_string_equal(lat_http_method_text(LAT_HTTP_OTHER), "");
}

static void every_error_has_a_phrase_for_its_status(void **state)
{
    (void)state;
    size_t count = 0;
    const struct lat_error_row *rows = lat_error_table(&count);
    assert_true(count > 30);
    for (size_t i = 0; i < count; i++) {
        assert_string_not_equal(lat_http_status_text(rows[i].http_status), "Status");
    }
    assert_string_equal(lat_http_status_text(299), "Status");
}

static void fields_are_found_without_regard_to_case(void **state)
{
    (void)state;
    const struct lat_http_field fields[] = {{"Content-Type", "a"}, {"content-type", "b"}, {0}};
    assert_string_equal(lat_http_field_get(fields, "CONTENT-TYPE"), "a");
    assert_null(lat_http_field_get(fields, "Content-Typ"));
    assert_null(lat_http_field_get(NULL, "Content-Type"));
}

static void media_types_are_compared_without_their_parameters(void **state)
{
    (void)state;
    assert_true(lat_http_media_is("application/json", "application/json"));
    assert_true(lat_http_media_is("Application/JSON ; charset=utf-8", "application/json"));
    assert_false(lat_http_media_is("application/json-patch+json", "application/json"));
    assert_false(lat_http_media_is("application", "application/json"));
    assert_false(lat_http_media_is(NULL, "application/json"));
}

static void assert_decodes(const char *text, bool plus, const char *expected)
{
    struct lat_buf out = {0};
    lat_buf_add_text(&out, "before");
    int code = lat_http_url_decode(&out, text, strlen(text), plus);
    if (expected == NULL) {
        assert_int_equal(code, LAT_E_INVALID);
        assert_string_equal(lat_buf_text(&out), "before");
    } else {
        assert_int_equal(code, 0);
        assert_string_equal(lat_buf_text(&out) + 6, expected);
    }
    lat_buf_done(&out);
}

static void escapes_are_decoded_strictly(void **state)
{
    (void)state;
    assert_decodes("a%20b%2Fc", false, "a b/c");
    assert_decodes("a+b", false, "a+b");
    assert_decodes("a+b%2B", true, "a b+");
    assert_decodes("%c3%A4", false, "ä");
    assert_decodes("", false, "");
    static const char *const bad[] = {"%",   "%2",  "a%2", "%g0",       "%0g",
                                      "%00", "%ff", "%c3", "%ed%a0%80", "%-1"};
    for (size_t i = 0; i < LAT_COUNT(bad); i++) {
        assert_decodes(bad[i], false, NULL);
    }
}

static void what_is_encoded_decodes_to_itself(void **state)
{
    (void)state;
    struct lat_buf out = {0};
    lat_http_url_encode(&out, "a/b c?d=e&f#g%h+ä~._-");
    assert_string_equal(lat_buf_text(&out), "a%2Fb%20c%3Fd%3De%26f%23g%25h%2B%C3%A4~._-");
    assert_decodes(lat_buf_text(&out), true, "a/b c?d=e&f#g%h+ä~._-");
    lat_buf_done(&out);
}

static void urls_of_servers_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool tls;
        const char *host;
        int port;
        const char *path;
        const char *authority;
    } rows[] = {
        {"https://console.example.org", true, "console.example.org", 443, "",
         "console.example.org"},
        {"https://console.example.org/", true, "console.example.org", 443, "",
         "console.example.org"},
        {"http://localhost:8443", false, "localhost", 8443, "", "localhost:8443"},
        {"https://10.0.0.7:443/lattice/", true, "10.0.0.7", 443, "/lattice", "10.0.0.7"},
        {"https://[::1]:8443/a/b", true, "::1", 8443, "/a/b", "[::1]:8443"},
        {"http://[::1]", false, "::1", 80, "", "[::1]"},
    };
    for (size_t i = 0; i < LAT_COUNT(rows); i++) {
        struct lat_http_url url;
        char authority[300];
        assert_int_equal(lat_http_url_parse(rows[i].url, &url, NULL), 0);
        assert_int_equal(url.tls, rows[i].tls);
        assert_string_equal(url.host, rows[i].host);
        assert_int_equal(url.port, rows[i].port);
        assert_string_equal(url.path, rows[i].path);
        lat_http_url_authority(&url, authority, sizeof authority);
        assert_string_equal(authority, rows[i].authority);
    }
}

static void what_is_no_url_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "console.example.org",
        "ftp://x",
        "https://",
        "https:///path",
        "https://:8443",
        "https://x:",
        "https://x:0",
        "https://x:65536",
        "https://x:8443x",
        "https://user@x",
        "https://x y",
        "https://x/a b",
        "https://x/?q",
        "https://x/#f",
        "https://[::1",
        "https://[::1]x",
        "https://[x]",
        "https://::1",
        "HTTPS://x",
        "https://x\r\nHost: y",
    };
    for (size_t i = 0; i < LAT_COUNT(bad); i++) {
        struct lat_http_url url;
        struct lat_err err = {0};
        if (lat_http_url_parse(bad[i], &url, &err) != LAT_E_INVALID) {
            fail_msg("taken for a URL: %s", bad[i]);
        }
        assert_int_equal(err.code, LAT_E_INVALID);
    }
    char longest[2000];
    memset(longest, 'a', sizeof longest);
    memcpy(longest, "https://", 8);
    longest[1999] = '\0';
    struct lat_http_url url;
    assert_int_equal(lat_http_url_parse(longest, &url, NULL), LAT_E_INVALID);
}

static void events_keep_their_lines_apart(void **state)
{
    (void)state;
    struct lat_buf out = {0};
    lat_http_event(&out, "7", "workload", "{}");
    lat_http_event(&out, NULL, NULL, "one\ntwo\r\nthree\rfour");
    lat_http_event(&out, "8\nevent: forged", NULL, "");
    lat_http_event_comment(&out, "alive");
    assert_string_equal(lat_buf_text(&out), "id: 7\nevent: workload\ndata: {}\n\n"
                                            "data: one\ndata: two\ndata: three\ndata: four\n\n"
                                            "id: 8\ndata: \n\n"
                                            ": alive\n\n");
    lat_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_are_known_by_their_exact_name),
        cmocka_unit_test(every_error_has_a_phrase_for_its_status),
        cmocka_unit_test(fields_are_found_without_regard_to_case),
        cmocka_unit_test(media_types_are_compared_without_their_parameters),
        cmocka_unit_test(escapes_are_decoded_strictly),
        cmocka_unit_test(what_is_encoded_decodes_to_itself),
        cmocka_unit_test(urls_of_servers_are_read),
        cmocka_unit_test(what_is_no_url_is_refused),
        cmocka_unit_test(events_keep_their_lines_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
