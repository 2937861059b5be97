#include "io/steady_file.h"

#include "support.h"

#include "base/text.h"
#include "io/file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define YEAR_MS (365 * INT64_C(86400000))

/* A machine whose wall clock is off by jump_ms; its boot time is the real one, so that loops can sleep on it. */
struct machine {
    char *folder, *path;
    int64_t jump_ms;
    struct lat_clock clock;
};

static int64_t wall_ms(void *arg)
{
    return lat_clock_wall_ms(lat_clock_system()) + ((const struct machine *)arg)->jump_ms;
}

static int64_t boot_ns(void *arg)
{
    (void)arg;
    return lat_clock_boot_ns(lat_clock_system());
}

static int machine_make(void **state)
{
    struct machine *machine = LAT_NEW(struct machine);
    machine->folder = scratch_make();
    machine->path = lat_text_format("%s/clock", machine->folder);
    machine->clock =
        (struct lat_clock){.wall_ms = wall_ms, .boot_ns = boot_ns, .is_live = true, .arg = machine};
    *state = machine;
    return 0;
}

static int machine_remove(void **state)
{
    struct machine *machine = *state;
    scratch_remove(machine->folder);
    free(machine->path);
    free(machine);
    return 0;
}

/* How far the clock of this file is from the real time, to the minute. */
static int64_t minutes_off(const struct lat_steady_file *file)
{
    return (lat_clock_wall_ms(lat_steady_file_clock(file)) -
            lat_clock_wall_ms(lat_clock_system())) /
           60000;
}

static void put(const struct machine *machine, const char *text)
{
    assert_int_equal(lat_file_replace(machine->path, text, strlen(text), 0600, NULL), 0);
}

static void the_next_process_goes_on_whatever_the_wall_clock_says(void **state)
{
    struct machine *machine = *state;
    struct lat_steady_file *file = lat_steady_file_open(&machine->clock, machine->path);
    assert_int_equal(minutes_off(file), 0);
    lat_steady_file_free(file);
    machine->jump_ms = YEAR_MS;
    file = lat_steady_file_open(&machine->clock, machine->path);
    assert_int_equal(minutes_off(file), 0);
    lat_steady_file_free(file);
}

static void without_a_file_it_is_the_systems_time(void **state)
{
    struct machine *machine = *state;
    machine->jump_ms = YEAR_MS;
    struct lat_steady_file *file = lat_steady_file_open(&machine->clock, machine->path);
    assert_int_equal(minutes_off(file), YEAR_MS / 60000);
    lat_steady_file_free(file);
}

static void a_damaged_file_is_told_and_made_anew(void **state)
{
    static const char *const texts[] = {"", "no clock", "{\"wall_ms\":0}"};
    struct machine *machine = *state;
    for (size_t i = 0; i < LAT_COUNT(texts); i++) {
        put(machine, texts[i]);
        struct lat_steady_file *file = lat_steady_file_open(&machine->clock, machine->path);
        struct lat_loop *loop = lat_loop_new(lat_steady_file_clock(file));
        int pipes[2];
        char said[4096];
        assert_int_equal(pipe(pipes), 0);
        struct lat_log *log = lat_log_new(pipes[1], LAT_LOG_WARN, "test", &machine->clock);
        lat_steady_file_watch(file, loop, log, NULL, NULL);
        run_for(loop, 1);
        lat_steady_file_unwatch(file);
        lat_loop_free(loop);
        lat_log_free(log);
        lat_steady_file_free(file);
        ssize_t len = read(pipes[0], said, sizeof(said) - 1);
        assert_true(len > 0);
        said[len] = '\0';
        assert_non_null(strstr(said, "does not hold a clock"));
        close(pipes[0]);
        close(pipes[1]);
        struct lat_buf now = {0};
        assert_int_equal(lat_file_read(machine->path, 1000, &now, NULL), 0);
        assert_non_null(strstr(lat_buf_text(&now), "\"boot_id\""));
        lat_buf_done(&now);
    }
}

static void a_folder_that_is_gone_keeps_nothing_from_running(void **state)
{
    struct machine *machine = *state;
    char *path = lat_text_format("%s/none/clock", machine->folder);
    struct lat_steady_file *file = lat_steady_file_open(&machine->clock, path);
    struct lat_loop *loop = lat_loop_new(lat_steady_file_clock(file));
    lat_steady_file_watch(file, loop, NULL, NULL, NULL);
    run_for(loop, 5);
    lat_steady_file_unwatch(file);
    lat_loop_free(loop);
    lat_steady_file_free(file);
    free(path);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, machine_make, machine_remove)
    const struct CMUnitTest tests[] = {
        T(the_next_process_goes_on_whatever_the_wall_clock_says),
        T(without_a_file_it_is_the_systems_time),
        T(a_damaged_file_is_told_and_made_anew),
        T(a_folder_that_is_gone_keeps_nothing_from_running),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
