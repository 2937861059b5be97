#include "support.h"

#include "base/text.h"
#include "model/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A text that may be changed, as those of main() may. */
#define WORD(text) ((char[]){text})

static const struct lat_setting table[] = {
    {LAT_SETTING_TEXT, false, "data_dir", "/var/x", "help"},
    {LAT_SETTING_INT, false, "io_threads", "2", "help"},
    {LAT_SETTING_SIZE, false, "cache", "64m", "help"},
    {LAT_SETTING_DURATION, true, "deadline", "500ms", "help"},
    {LAT_SETTING_BOOL, true, "verbose", "false", "help"},
    {LAT_SETTING_SECRET, false, "token", "", "help"},
    {LAT_SETTING_TEXT, false, NULL, NULL, NULL},
};

static void defaults_of_every_table_are_good(void **state)
{
    (void)state;
    const struct lat_setting *const tables[] = {lat_settings_of_console(), lat_settings_of_agent(),
                                                lat_settings_of_cli()};

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        struct lat_settings *settings = lat_settings_new(tables[i]);
        for (const struct lat_setting *row = tables[i]; row->name != NULL; row++) {
            assert_string_equal(lat_settings_origin(settings, row->name), "default");
            switch (row->kind) { /* aborts on a default that is not of its kind */
            case LAT_SETTING_BOOL: (void)lat_settings_bool(settings, row->name); break;
            case LAT_SETTING_TEXT:
            case LAT_SETTING_SECRET: assert_non_null(lat_settings_text(settings, row->name)); break;
            default: (void)lat_settings_int(settings, row->name);
            }
        }
        lat_settings_free(settings);
    }
    assert_null(lat_settings_free(NULL));
}

static void later_sources_win(void **state)
{
    (void)state;
    struct lat_settings *settings = lat_settings_new(table);
    char *environment[] = {
        WORD("LATTICE_IO_THREADS=4"), WORD("LATTICE_CACHE=1k"),  WORD("PATH=/bin"),
        WORD("LATTICE_UNKNOWN=1"),    WORD("LATTICE_DATA_DIR="), NULL};
    char *argv[] = {WORD("lattice"),
                    WORD("server"),
                    WORD("--io-threads=8"),
                    WORD("--deadline"),
                    WORD("2s"),
                    WORD("--verbose"),
                    WORD("x"),
                    WORD("--"),
                    WORD("--y"),
                    NULL};
    int argc = 9;

    assert_int_equal(lat_settings_read_file_text(
                         settings, "/etc/lattice.conf",
                         "# comment\n\nLATTICE_IO_THREADS=3\n LATTICE_DATA_DIR = \"/a b\" \r\n"
                         "OTHER=1\nLATTICE_CACHE='2k'",
                         NULL),
                     0);
    assert_int_equal(lat_settings_int(settings, "io_threads"), 3);
    assert_string_equal(lat_settings_text(settings, "data_dir"), "/a b");
    assert_string_equal(lat_settings_origin(settings, "data_dir"), "file /etc/lattice.conf");
    assert_int_equal(lat_settings_read_environment(settings, environment, NULL), 0);
    assert_int_equal(lat_settings_int(settings, "io_threads"), 4);
    assert_int_equal(lat_settings_int(settings, "cache"), 1024);
    assert_string_equal(lat_settings_text(settings, "data_dir"), "/a b");
    assert_string_equal(lat_settings_origin(settings, "cache"), "environment");
    assert_int_equal(lat_settings_read_flags(settings, &argc, argv, NULL), 0);
    assert_int_equal(lat_settings_int(settings, "io_threads"), 8);
    assert_int_equal(lat_settings_int(settings, "deadline"), 2000);
    assert_true(lat_settings_bool(settings, "verbose"));
    assert_string_equal(lat_settings_origin(settings, "verbose"), "flag");
    assert_int_equal(argc, 4);
    assert_string_equal(argv[1], "server");
    assert_string_equal(argv[2], "x");
    assert_string_equal(argv[3], "--y");
    assert_null(argv[4]);
    lat_settings_free(settings);
}

static void errors_name_setting_source_and_nearest(void **state)
{
    (void)state;
    struct lat_settings *settings = lat_settings_new(table);
    struct lat_err err;
    char *environment[] = {WORD("LATTICE_IO_THREADS=many"), NULL};
    char *unknown[] = {WORD("lattice"), WORD("--io-thread"), WORD("3"), NULL};
    char *no_value[] = {WORD("lattice"), WORD("--data-dir"), NULL};
    int argc = 3;

    assert_int_equal(lat_settings_read_file_text(settings, "f", "LATTICE_IO_THRAEDS=3", &err),
                     LAT_E_INVALID);
    assert_non_null(strstr(err.sentence, "file f"));
    assert_non_null(strstr(err.hint, "LATTICE_IO_THREADS"));
    assert_int_equal(lat_settings_read_file_text(settings, "f", "nonsense", &err), LAT_E_INVALID);
    assert_int_equal(lat_settings_read_file_text(settings, "f", "LATTICE_DEADLINE=soon", &err),
                     LAT_E_INVALID_FIELD);
    assert_int_equal(lat_settings_read_environment(settings, environment, &err),
                     LAT_E_INVALID_FIELD);
    assert_string_equal(err.field, "io_threads");
    assert_non_null(strstr(err.sentence, "environment"));
    assert_int_equal(lat_settings_read_flags(settings, &argc, unknown, &err), LAT_E_INVALID);
    assert_non_null(strstr(err.hint, "--io-threads"));
    argc = 2;
    assert_int_equal(lat_settings_read_flags(settings, &argc, no_value, &err), LAT_E_INVALID);
    assert_string_equal(err.field, "data_dir");
    assert_int_equal(lat_settings_int(settings, "io_threads"), 2);
    lat_settings_free(settings);
}

static void a_secret_comes_from_a_file_and_is_never_shown(void **state)
{
    (void)state;
    struct lat_settings *settings = lat_settings_new(table);
    char path[] = "/tmp/lattice-secret-XXXXXX";
    int fd = mkstemp(path);
    struct lat_buf out = {0};
    struct lat_json_writer writer;
    struct lat_err err;

    assert_int_equal(write(fd, "hush\n", 5), 5);
    close(fd);
    char *variable = lat_text_format("LATTICE_TOKEN_FILE=%s", path);
    char *environment[] = {variable, NULL};
    assert_int_equal(lat_settings_read_environment(settings, environment, NULL), 0);
    assert_string_equal(lat_settings_text(settings, "token"), "hush");
    unlink(path);
    assert_int_equal(lat_settings_read_environment(settings, environment, &err), LAT_E_IO);
    free(variable);

    lat_json_writer_init(&writer, &out);
    lat_settings_write(settings, &writer);
    assert_null(strstr(lat_buf_text(&out), "hush"));
    assert_non_null(strstr(lat_buf_text(&out), "(set)"));
    cJSON *json = NULL;
    assert_int_equal(lat_json_parse(lat_buf_text(&out), out.len, &json, NULL), 0);
    assert_int_equal(cJSON_GetArraySize(json), 6);
    cJSON_Delete(json);
    lat_buf_done(&out);
    lat_settings_free(settings);
}

static void addresses_are_split(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        int port;
    } good[] = {
        {"a.example:8443", "a.example", 8443},
        {":80", "otherwise", 80},
        {"a", "a", 7},
        {"", "otherwise", 7},
        {"[::1]:8443", "::1", 8443},
        {"[::1]", "::1", 7},
        {"0.0.0.0:0", "0.0.0.0", 0},
    };
    static const char *const bad[] = {"a:b",    "a:",      "::1",   "[::1", "[]:1",
                                      "[::1]x", "a:65536", "a b:1", "a/b",  "u@h:1"};
    char host[64];
    int port;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(
            lat_address_split(good[i].text, "otherwise", 7, host, sizeof(host), &port, NULL), 0);
        assert_string_equal(host, good[i].host);
        assert_int_equal(port, good[i].port);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (lat_address_split(bad[i], "otherwise", 7, host, sizeof(host), &port, NULL) !=
            LAT_E_INVALID) {
            fail_msg("'%s' was taken", bad[i]);
        }
    }
    assert_int_equal(lat_address_split("long.example:1", "", 7, host, 12, &port, NULL),
                     LAT_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_of_every_table_are_good),
        cmocka_unit_test(later_sources_win),
        cmocka_unit_test(errors_name_setting_source_and_nearest),
        cmocka_unit_test(a_secret_comes_from_a_file_and_is_never_shown),
        cmocka_unit_test(addresses_are_split),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
