/* Files in the folder of policies that decide nothing, and which of them somebody is told of. */
#include "luahost/policies_internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct folder {
    char path[64];
    FILE *lines; /* of the log */
    struct lat_log *log;
    struct lat__strays *strays;
};

static int setup(void **state)
{
    struct folder *folder = LAT_NEW(struct folder);

    strcpy(folder->path, "/tmp/lattice-strays-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    folder->lines = tmpfile();
    assert_non_null(folder->lines);
    folder->log = lat_log_new(fileno(folder->lines), LAT_LOG_INFO, "test", lat_clock_system());
    folder->strays = lat__strays_new(folder->path, folder->log);
    *state = folder;
    return 0;
}

static int teardown(void **state)
{
    struct folder *folder = *state;
    char *command = lat_text_format("rm -r %s", folder->path);

    lat__strays_free(folder->strays);
    lat_log_free(folder->log);
    fclose(folder->lines);
    assert_int_equal(system(command), 0);
    free(command);
    free(folder);
    return 0;
}

static void save(struct folder *folder, const char *name, const char *text)
{
    char *path = lat_text_format("%s/%s", folder->path, name);

    assert_int_equal(lat_file_replace(path, text, strlen(text), 0644, NULL), 0);
    free(path);
}

/* Looks, and returns what was logged of it; owned. */
static char *look(struct folder *folder)
{
    char line[1024];
    struct lat_buf said = {0};

    assert_int_equal(ftruncate(fileno(folder->lines), 0), 0);
    lseek(fileno(folder->lines), 0, SEEK_SET);
    lat__strays_look(folder->strays);
    rewind(folder->lines);
    while (fgets(line, sizeof(line), folder->lines) != NULL) {
        lat_buf_add_text(&said, line);
    }
    return lat_buf_take_text(&said);
}

static void assert_silent(struct folder *folder)
{
    char *said = look(folder);

    assert_string_equal(said, "");
    free(said);
}

static void assert_says(struct folder *folder, const char *what)
{
    char *said = look(folder);

    if (strstr(said, what) == NULL) {
        fail_msg("'%s' does not say '%s'", said, what);
    }
    free(said);
}

static void a_misspelled_name_is_told_with_the_nearest_once_for_each_save(void **state)
{
    struct folder *folder = *state;

    save(folder, "placement.lua", "-- fine");
    assert_silent(folder);
    save(folder, "placment.lua", "-- one");
    assert_says(folder, "\"file\":\"placment.lua\",\"nearest\":\"placement.lua\","
                        "\"names\":\"placement.lua, admission.lua, approval.lua\"");
    save(folder, "placement.lua", "-- saved again");
    assert_silent(folder);
    save(folder, "placment.lua", "-- another");
    assert_says(folder, "placment.lua");
    assert_silent(folder);

    /* Away and back again is a change, too. */
    char *path = lat_text_format("%s/placment.lua", folder->path);

    assert_int_equal(unlink(path), 0);
    free(path);
    assert_silent(folder);
    save(folder, "placment.lua", "-- another");
    assert_says(folder, "placment.lua");
}

static void other_names_that_were_meant_are_told(void **state)
{
    static const char *const names[] = {"Placement.lua", "admision.lua", "placement.lau",
                                        "ranking.lua", "ALERTS.LUA"};

    for (size_t i = 0; i < LAT_COUNT(names); i++) {
        save(*state, names[i], "-- text");
        assert_says(*state, names[i]);
    }
}

static void what_editors_and_we_leave_is_nothing_to_tell(void **state)
{
    static const char *const names[] = {
        "placement.lua",
        "placement.lua~",
        ".placement.lua.swp",
        "#placement.lua#",
        ".#placement.lua",
        "placement.lua.refused",
        "placement.lua.bak",
        "placement.lua.a1b2c3",
        "4913",
        "README.md",
        "sedXq2vT1",
        "notes~",
        ".placment.lua.swp",
        "placement.lua.save",
        "a",
    };

    for (size_t i = 0; i < LAT_COUNT(names); i++) {
        save(*state, names[i], "-- text");
        assert_silent(*state);
    }
}

static void a_folder_full_of_other_things_is_told_of_up_to_a_limit(void **state)
{
    struct folder *folder = *state;
    char name[32];
    size_t lines = 0;

    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "thing-%02d.lua", i);
        save(folder, name, "-- text");
    }
    char *said = look(folder);

    for (const char *at = said; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    free(said);
    assert_int_equal(lines, 16);
    assert_silent(folder);
}

static void a_folder_that_is_gone_is_no_mistake(void **state)
{
    struct folder *folder = *state;

    save(folder, "placment.lua", "-- one");
    assert_says(folder, "placment.lua");
    char *aside = lat_text_format("%s.aside", folder->path);

    assert_int_equal(rename(folder->path, aside), 0);
    assert_silent(folder);
    assert_int_equal(rename(aside, folder->path), 0);
    free(aside);
    assert_silent(folder);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_misspelled_name_is_told_with_the_nearest_once_for_each_save),
        T(other_names_that_were_meant_are_told),
        T(what_editors_and_we_leave_is_nothing_to_tell),
        T(a_folder_full_of_other_things_is_told_of_up_to_a_limit),
        T(a_folder_that_is_gone_is_no_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
