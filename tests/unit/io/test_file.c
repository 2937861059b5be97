#include "io/file.h"

#include "support.h"

#include "base/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A folder of the test's own and a path in it. */
struct place {
    char *folder;
    char *path;
};

static int place_make(void **state)
{
    struct place *place = LAT_NEW(struct place);
    place->folder = scratch_make();
    place->path = lat_text_format("%s/file", place->folder);
    *state = place;
    return 0;
}

static int place_remove(void **state)
{
    struct place *place = *state;
    scratch_remove(place->folder);
    free(place->path);
    free(place);
    return 0;
}

static void put(const char *path, const char *text)
{
    struct lat_err err;
    if (lat_file_replace(path, text, strlen(text), 0640, &err) != LAT_OK)
        fail_msg("%s", err.sentence);
}

static void expect(const char *path, const char *text)
{
    struct lat_buf buf = {0};
    assert_int_equal(lat_file_read(path, 1000, &buf, NULL), LAT_OK);
    assert_string_equal(lat_buf_text(&buf), text);
    lat_buf_done(&buf);
}

static void what_was_replaced_is_read_back(void **state)
{
    struct place *place = *state;
    struct stat there;
    assert_false(lat_file_exists(place->path));
    put(place->path, "one");
    expect(place->path, "one");
    assert_int_equal(stat(place->path, &there), 0);
    assert_int_equal(there.st_mode & 0777, 0640);
    assert_int_equal(chmod(place->path, 0600), 0);
    put(place->path, "");
    expect(place->path, "");
    assert_int_equal(stat(place->path, &there), 0);
    assert_int_equal(there.st_mode & 0777, 0600); /* a file that was there keeps its mode */
    assert_true(lat_file_exists(place->path));
}

static void add_name(void *arg, const char *name)
{
    lat_buf_addf(arg, "%s ", name);
}

static void expect_names(const char *folder, const char *expected)
{
    struct lat_buf names = {0};
    assert_int_equal(lat_dir_list(folder, add_name, &names, NULL), LAT_OK);
    assert_string_equal(lat_buf_text(&names), expected);
    lat_buf_done(&names);
}

static void a_replacement_that_fails_leaves_the_old_file_and_nothing_else(void **state)
{
    struct place *place = *state;
    struct lat_err err;
    char *inside = lat_text_format("%s/no/such/file", place->folder);
    assert_int_equal(lat_file_replace(inside, "x", 1, 0600, &err), LAT_E_NOT_FOUND);
    assert_non_null(strstr(err.sentence, inside));
    free(inside);
    assert_int_equal(mkdir(place->path, 0700), 0); /* a folder cannot be replaced by a file */
    assert_true(lat_file_replace(place->path, "x", 1, 0600, &err) < 0);
    expect_names(place->folder, "file ");
}

static void what_killed_replacements_left_is_swept_and_nothing_else(void **state)
{
    static const char *const kept[] = {".new-abcdef", "x.new-abc", "x.new-abcde_", "x.new-abcdefg",
                                       "x.old-abcdef"};
    struct place *place = *state;
    pid_t child = fork();
    if (child == 0) { /* killed by the limit, in the middle of its write */
        struct rlimit limit = {.rlim_cur = 100, .rlim_max = 100};
        static const char text[1000] = "x";
        setrlimit(RLIMIT_FSIZE, &limit);
        _exit(lat_file_replace(place->path, text, sizeof(text), 0600, NULL) == LAT_OK);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    lat_dir_sweep("/no/such/folder");
    assert_false(lat_file_exists(place->path)); /* it wrote to another name, which is there */
    put(place->path, "text");
    lat_dir_sweep(place->folder);
    expect_names(place->folder, "file ");
    for (size_t i = 0; i < LAT_COUNT(kept); i++) {
        char *path = lat_text_format("%s/%s", place->folder, kept[i]);
        put(path, "text");
        free(path);
    }
    char *folder = lat_text_format("%s/folder.new-abcdef", place->folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    lat_dir_sweep(place->folder);
    expect_names(place->folder, ".new-abcdef file folder.new-abcdef x.new-abc x.new-abcde_ "
                                "x.new-abcdefg x.old-abcdef ");
    free(folder);
}

/* A reader that opens the file all the time must always see one of the two whole texts. */
static void readers_never_see_half_a_file(void **state)
{
    enum { SIZE = 300000, ROUNDS = 30 };
    struct place *place = *state;
    char *texts[2];
    for (int i = 0; i < 2; i++) {
        texts[i] = lat_alloc(SIZE + 1);
        memset(texts[i], 'a' + i, SIZE);
    }
    put(place->path, texts[0]);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < ROUNDS; i++) {
            if (lat_file_replace(place->path, texts[i % 2], SIZE, 0600, NULL) != LAT_OK)
                _exit(1);
        }
        _exit(0);
    }
    int status;
    pid_t ended;
    do {
        struct lat_buf buf = {0};
        ended = waitpid(child, &status, WNOHANG);
        assert_int_equal(lat_file_read(place->path, SIZE, &buf, NULL), LAT_OK);
        assert_int_equal(buf.len, SIZE);
        assert_true(memcmp(buf.bytes, texts[0], SIZE) == 0 ||
                    memcmp(buf.bytes, texts[1], SIZE) == 0);
        lat_buf_done(&buf);
    } while (ended == 0);
    assert_int_equal(status, 0);
    free(texts[0]);
    free(texts[1]);
}

static void reading_has_a_limit(void **state)
{
    struct place *place = *state;
    struct lat_buf buf = {0};
    struct lat_err err;
    assert_int_equal(lat_file_read(place->path, 10, &buf, &err), LAT_E_NOT_FOUND);
    assert_non_null(strstr(err.sentence, place->path));
    put(place->path, "0123456789");
    lat_buf_add_text(&buf, "before ");
    assert_int_equal(lat_file_read(place->path, 9, &buf, &err), LAT_E_TOO_LARGE);
    assert_string_equal(lat_buf_text(&buf), "before ");
    assert_int_equal(lat_file_read(place->path, 10, &buf, &err), LAT_OK);
    assert_string_equal(lat_buf_text(&buf), "before 0123456789");
    assert_int_equal(lat_file_read(place->folder, 10, &buf, &err), LAT_E_IO);
    lat_buf_done(&buf);
}

static void removing_twice_is_no_error(void **state)
{
    struct place *place = *state;
    put(place->path, "x");
    assert_int_equal(lat_file_remove(place->path, NULL), LAT_OK);
    assert_int_equal(lat_file_remove(place->path, NULL), LAT_OK);
    assert_false(lat_file_exists(place->path));
    assert_true(lat_file_remove(place->folder, NULL) < 0);
}

static void folders_are_made_with_those_above(void **state)
{
    struct place *place = *state;
    struct lat_err err;
    struct lat_buf names = {0};
    char *deep = lat_text_format("%s/b/c//d/", place->folder);
    assert_int_equal(lat_dir_make(deep, 0700, &err), LAT_OK);
    assert_int_equal(lat_dir_make(deep, 0700, &err), LAT_OK);
    free(deep);
    put(place->path, "x");
    assert_true(lat_dir_make(place->path, 0700, &err) < 0);
    char *under = lat_text_format("%s/e", place->path);
    assert_true(lat_dir_make(under, 0700, &err) < 0);
    free(under);
    char *early = lat_text_format("%s/Zoo", place->folder);
    put(early, "x");
    free(early);
    assert_int_equal(lat_dir_list(place->folder, add_name, &names, &err), LAT_OK);
    assert_string_equal(lat_buf_text(&names), "Zoo b file ");
    assert_true(lat_dir_list("/no/such/folder", add_name, &names, &err) == LAT_E_NOT_FOUND);
    lat_buf_done(&names);
}

static void a_lock_keeps_other_processes_out(void **state)
{
    struct place *place = *state;
    struct lat_err err;
    int fd;
    int status;
    assert_int_equal(lat_file_lock(place->path, &fd, &err), LAT_OK);
    pid_t child = fork();
    if (child == 0) {
        int other;
        _exit(lat_file_lock(place->path, &other, NULL) == LAT_E_CONFLICT ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(fd);
    assert_int_equal(lat_file_lock(place->path, &fd, &err), LAT_OK);
    close(fd);
}

/* ---- watching ---- */

struct watcher {
    int calls;
    bool called;
};

static void on_change(void *arg)
{
    struct watcher *watcher = arg;
    watcher->calls++;
    watcher->called = true;
}

static void changes_close_together_are_told_once(void **state)
{
    struct place *place = *state;
    struct lat_loop *loop = lat_loop_new(lat_clock_system());
    struct watcher watcher = {0};
    struct lat_watch *watch;
    struct lat_err err;
    assert_int_equal(lat_watch_start(loop, place->folder, NULL, on_change, &watcher, &watch, &err),
                     LAT_OK);
    run_for(loop, 30);
    assert_int_equal(watcher.calls, 0);
    put(place->path, "one");
    put(place->path, "two");
    run_until(loop, &watcher.called);
    run_for(loop, 60);
    int calls = watcher.calls;
    assert_true(calls >= 1 && calls <= 2);
    watcher.called = false;
    assert_int_equal(lat_file_remove(place->path, NULL), LAT_OK);
    run_until(loop, &watcher.called);
    assert_null(lat_watch_free(watch));
    put(place->path, "three");
    calls = watcher.calls;
    run_for(loop, 40);
    assert_int_equal(watcher.calls, calls);
    assert_int_equal(
        lat_watch_start(loop, "/no/such/folder", NULL, on_change, &watcher, &watch, &err),
        LAT_E_IO);
    assert_non_null(strstr(err.sentence, "/no/such/folder"));
    assert_null(lat_watch_free(NULL));
    lat_loop_free(loop);
}

static void what_links_point_to_is_watched(void **state)
{
    static const char *const files[] = {"file", NULL};
    struct place *place = *state;
    struct lat_loop *loop = lat_loop_new(lat_clock_system());
    char *link = lat_text_format("%s.link", place->folder);
    char *other = lat_text_format("%s.other", place->folder);
    char *file = lat_text_format("%s/file", other);
    struct watcher watcher = {0};
    struct lat_watch *watch;

    put(place->path, "behind the file's link");
    assert_int_equal(mkdir(other, 0755), 0);
    assert_int_equal(symlink(place->path, file), 0);
    assert_int_equal(symlink(place->folder, link), 0);
    assert_int_equal(lat_watch_start(loop, link, files, on_change, &watcher, &watch, NULL), LAT_OK);
    /* Put in place of the old link as one step, which no folder that is watched sees. */
    char *new_link = lat_text_format("%s.new", place->folder);
    assert_int_equal(symlink(other, new_link), 0);
    assert_int_equal(rename(new_link, link), 0);
    run_until(loop, &watcher.called);
    run_for(loop, 60);
    watcher.called = false;
    put(place->path, "longer than before");
    run_until(loop, &watcher.called);
    run_for(loop, 60);
    watcher.called = false;
    assert_int_equal(unlink(file), 0);
    run_until(loop, &watcher.called);
    assert_null(lat_watch_free(watch));
    lat_loop_free(loop);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(rmdir(other), 0);
    free(new_link);
    free(file);
    free(other);
    free(link);
}

static void a_folder_that_takes_the_place_of_another_is_watched(void **state)
{
    struct place *place = *state;
    struct lat_loop *loop = lat_loop_new(lat_clock_system());
    char *old = lat_text_format("%s.old", place->folder);
    struct watcher watcher = {0};
    struct lat_watch *watch;

    assert_int_equal(lat_watch_start(loop, place->folder, NULL, on_change, &watcher, &watch, NULL),
                     LAT_OK);
    assert_int_equal(rename(place->folder, old), 0);
    assert_int_equal(mkdir(place->folder, 0755), 0);
    run_until(loop, &watcher.called);
    run_for(loop, 60);
    watcher.called = false;
    put(place->path, "one");
    run_until(loop, &watcher.called);
    /* Gone for a while, and there again. */
    assert_int_equal(unlink(place->path), 0);
    assert_int_equal(rmdir(place->folder), 0);
    run_for(loop, 60);
    assert_int_equal(rename(old, place->folder), 0);
    watcher.called = false;
    run_until(loop, &watcher.called);
    watcher.called = false;
    put(place->path, "two");
    run_until(loop, &watcher.called);
    assert_null(lat_watch_free(watch));
    lat_loop_free(loop);
    free(old);
}

static void a_pipe_is_no_plain_file(void **state)
{
    struct place *place = *state;

    assert_true(lat_file_is_plain(place->path)); /* there is none */
    assert_int_equal(mkfifo(place->path, 0600), 0);
    assert_false(lat_file_is_plain(place->path));
    assert_false(lat_file_is_plain(place->folder));
    assert_int_equal(unlink(place->path), 0);
    put(place->path, "x");
    assert_true(lat_file_is_plain(place->path));
}

static void descriptors_are_raised_to_what_the_system_allows(void **state)
{
    struct rlimit limit, raised;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    lat_descriptors_raise();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &raised), 0);
    assert_int_equal(raised.rlim_cur, limit.rlim_max);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, place_make, place_remove)
    const struct CMUnitTest tests[] = {
        T(what_was_replaced_is_read_back),
        T(a_replacement_that_fails_leaves_the_old_file_and_nothing_else),
        T(what_killed_replacements_left_is_swept_and_nothing_else),
        T(readers_never_see_half_a_file),
        T(reading_has_a_limit),
        T(removing_twice_is_no_error),
        T(folders_are_made_with_those_above),
        T(a_lock_keeps_other_processes_out),
        T(changes_close_together_are_told_once),
        T(a_folder_that_takes_the_place_of_another_is_watched),
        T(what_links_point_to_is_watched),
        T(a_pipe_is_no_plain_file),
        T(descriptors_are_raised_to_what_the_system_allows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
