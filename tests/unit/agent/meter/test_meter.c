/* What the console is told of use, and when. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "agent/driver/mock.h"
#include "agent/meter/meter.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ONE "01900000-0000-7000-8000-000000000001"

enum { INTERVAL_MS = 15000, MANY = 3000 };

struct fixture {
    int64_t now_ns;
    struct lat_clock clock;
    struct lat_loop *loop;
    struct lat_mock *mock;
    struct lat_driver *driver;
    struct lat_meter *meter;
    char proc[64];
    int running;                            /* so many allocations, ONE and those after it */
    int messages;                           /* that came */
    int items;                              /* of allocations, in all of them */
    struct lat_samples_item machine, first; /* the last ones */
    int64_t disk;
};

static int64_t wall_ms(void *arg)
{
    return ((struct fixture *)arg)->now_ns / 1000000;
}

static int64_t boot_ns(void *arg)
{
    return ((struct fixture *)arg)->now_ns;
}

static void advance(struct fixture *f, int64_t ms)
{
    int64_t until_ns = f->now_ns + ms * 1000000;

    for (;;) {
        int64_t next_ms;

        while (lat_loop_turn(f->loop)) {
        }
        next_ms = lat_loop_next_ms(f->loop);
        if (next_ms < 0 || f->now_ns + next_ms * 1000000 > until_ns) {
            break;
        }
        f->now_ns += next_ms * 1000000;
    }
    f->now_ns = until_ns;
}

static int take_item(void *arg, const struct lat_samples_item *item, struct lat_err *err)
{
    struct fixture *f = arg;

    (void)err;
    if (*item->allocation == '\0') {
        f->machine = *item;
    } else {
        f->first = f->items++ == 0 || lat_text_equal(item->allocation, ONE) ? *item : f->first;
    }
    return 0;
}

static void on_send(void *arg, const char *json, size_t len)
{
    struct fixture *f = arg;
    enum lat_message_kind kind;
    cJSON *message;

    assert_int_equal(lat_json_parse(json, len, &message, NULL), 0);
    assert_int_equal(lat_message_kind_of(message, &kind, NULL), 0);
    assert_int_equal(kind, LAT_MESSAGE_SAMPLES);
    f->messages++;
    assert_int_equal(lat_samples_message_read(message, take_item, f, NULL), 0);
    cJSON_Delete(message);
}

static void each_running(void *arg, void (*fn)(void *fn_arg, const char *allocation), void *fn_arg)
{
    struct fixture *f = arg;

    for (int i = 1; i <= f->running; i++) {
        char id[LAT_ID_SIZE];

        snprintf(id, sizeof(id), "01900000-0000-7000-8000-%012d", i);
        fn(fn_arg, id);
    }
}

static int64_t disk_used(void *arg)
{
    return ((struct fixture *)arg)->disk;
}

static void on_container(void *arg, const char *allocation)
{
    (void)arg;
    (void)allocation;
}

static void on_engine(void *arg, bool up, const struct lat_err *err)
{
    struct fixture *f = arg;

    (void)err;
    lat_meter_engine(f->meter, up ? f->driver : NULL);
}

static const struct lat_driver_events events = {.on_container = on_container,
                                                .on_engine = on_engine};

static void write_proc(struct fixture *f, const char *name, const char *text)
{
    char *path = lat_text_format("%s/%s", f->proc, name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    free(path);
}

static int set_up(void **state)
{
    struct fixture *f = LAT_NEW(struct fixture);
    struct lat_driver_options options = {.events = &events, .arg = f};

    f->now_ns = INT64_C(1000000000000);
    f->clock = (struct lat_clock){.wall_ms = wall_ms, .boot_ns = boot_ns, .arg = f};
    f->loop = lat_loop_new(&f->clock);
    f->mock = lat_mock_new(f->loop);
    f->disk = -1;
    snprintf(f->proc, sizeof(f->proc), "/tmp/lat-meter-XXXXXX");
    assert_non_null(mkdtemp(f->proc));
    f->meter = lat_meter_new(&(struct lat_meter_options){.loop = f->loop,
                                                         .interval_ms = INTERVAL_MS,
                                                         .proc = f->proc,
                                                         .arg = f,
                                                         .each_running = each_running,
                                                         .disk_used = disk_used,
                                                         .send = on_send});
    options.loop = f->loop;
    lat_driver_new_mock(&options, f->mock, &f->driver);
    advance(f, 1);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"stat", "meminfo", "loadavg"};
    struct fixture *f = *state;

    lat_driver_free(f->driver);
    lat_meter_free(f->meter);
    lat_mock_free(f->mock);
    lat_loop_free(f->loop);
    for (size_t i = 0; i < LAT_COUNT(names); i++) {
        char *path = lat_text_format("%s/%s", f->proc, names[i]);

        unlink(path);
        free(path);
    }
    rmdir(f->proc);
    free(f);
    return 0;
}

static double value(const struct lat_samples_item *item, enum lat_measure measure)
{
    return item->measured & 1U << measure ? item->values[measure] : -1;
}

static void on_started(void *arg, const struct lat_driver_status *status, const struct lat_err *err)
{
    (void)arg;
    (void)status;
    assert_null(err);
}

static void on_progress(void *arg, const char *phase, const char *text)
{
    (void)arg;
    (void)phase;
    (void)text;
}

/* Has so many containers run, ONE and those after it. */
static void run_allocations(struct fixture *f, int count)
{
    cJSON *container = cJSON_Parse("{\"image\":\"web\"}");

    f->running = count;
    for (int i = 1; i <= count; i++) {
        char id[LAT_ID_SIZE];
        struct lat_driver_task task = {.allocation = id,
                                       .workload = ONE,
                                       .workload_name = "web",
                                       .project = ONE,
                                       .project_name = "p",
                                       .request_id = "",
                                       .spec_digest = 1,
                                       .container = container};

        snprintf(id, sizeof(id), "01900000-0000-7000-8000-%012d", i);
        f->driver->class->start(f->driver, &task, on_progress, on_started, f);
    }
    advance(f, 1);
    cJSON_Delete(container);
}

static void use(struct fixture *f, int64_t cpu_ms, int64_t received)
{
    struct lat_driver_stats stats = {.cpu_ns = cpu_ms * 1000000,
                                     .memory_bytes = 4096,
                                     .network_rx_bytes = received,
                                     .block_written_bytes = 2 * received,
                                     .pids = 3};

    lat_mock_use(f->mock, &stats);
}

static void counters_are_told_as_what_they_rose_by(void **state)
{
    struct fixture *f = *state;

    run_allocations(f, 1);
    use(f, 1000, 500);
    lat_meter_link(f->meter, true);
    advance(f, 10);
    assert_true(value(&f->first, LAT_MEASURE_MEMORY_BYTES) == 4096);
    assert_true(value(&f->first, LAT_MEASURE_PIDS) == 3);
    assert_true(value(&f->first, LAT_MEASURE_NETWORK_RX_BYTES) ==
                -1); /* of how long, nobody knows */
    assert_true(value(&f->first, LAT_MEASURE_CPU_PERCENT) == -1);
    use(f, 1000 + INTERVAL_MS / 2, 800);
    advance(f, INTERVAL_MS);
    assert_true(value(&f->first, LAT_MEASURE_NETWORK_RX_BYTES) == 300);
    assert_true(value(&f->first, LAT_MEASURE_BLOCK_WRITTEN_BYTES) == 600);
    assert_true(value(&f->first, LAT_MEASURE_CPU_PERCENT) == 50);
    advance(f, INTERVAL_MS);
    assert_true(value(&f->first, LAT_MEASURE_NETWORK_RX_BYTES) == 0);
}

static void a_counter_that_began_anew_rose_by_what_it_has(void **state)
{
    struct fixture *f = *state;

    run_allocations(f, 1);
    use(f, 9000, 1000000);
    lat_meter_link(f->meter, true);
    advance(f, 10);
    use(f, 150, 70);
    advance(f, INTERVAL_MS);
    assert_true(value(&f->first, LAT_MEASURE_NETWORK_RX_BYTES) == 70);
    assert_true(value(&f->first, LAT_MEASURE_CPU_PERCENT) == 1);
}

static void after_a_long_pause_no_rise_is_told(void **state)
{
    struct fixture *f = *state;

    run_allocations(f, 1);
    use(f, 0, 100);
    lat_meter_link(f->meter, true);
    advance(f, INTERVAL_MS);
    lat_meter_link(f->meter, false);
    f->messages = 0;
    advance(f, LAT_METER_GAP_MS + INTERVAL_MS);
    assert_int_equal(f->messages, 0);
    use(f, 0, 100000);
    lat_meter_link(f->meter, true);
    advance(f, 10);
    assert_true(value(&f->first, LAT_MEASURE_NETWORK_RX_BYTES) == -1);
    use(f, 0, 100001);
    advance(f, INTERVAL_MS);
    assert_true(value(&f->first, LAT_MEASURE_NETWORK_RX_BYTES) == 1);
}

static void the_machine_is_measured_too(void **state)
{
    struct fixture *f = *state;

    write_proc(f, "stat", "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 2 3\ncpu1 1 2 3\nintr 5\n");
    write_proc(f, "meminfo", "MemTotal:       1000 kB\nMemFree:  1 kB\nMemAvailable:    400 kB\n");
    write_proc(f, "loadavg", "1.25 0.5 0.1 1/2 3\n");
    f->disk = 12345;
    lat_meter_link(f->meter, true);
    advance(f, 10);
    assert_true(value(&f->machine, LAT_MEASURE_CPU_PERCENT) == -1);
    assert_true(value(&f->machine, LAT_MEASURE_MEMORY_BYTES) == 600 * 1024);
    assert_true(value(&f->machine, LAT_MEASURE_LOAD) == 1.25);
    assert_true(value(&f->machine, LAT_MEASURE_DISK_USED_BYTES) == 12345);
    write_proc(f, "stat", "cpu  150 0 150 900 0 0 0 0 0 0\ncpu0 1 2 3\ncpu1 1 2 3\nintr 5\n");
    advance(f, INTERVAL_MS);
    assert_true(value(&f->machine, LAT_MEASURE_CPU_PERCENT) == 100); /* half of two */
}

static void files_of_the_kernel_that_read_otherwise_are_left_out(void **state)
{
    struct fixture *f = *state;

    write_proc(f, "stat", "cpu  rubbish\n");
    write_proc(f, "meminfo", "MemTotal: 5 kB\nMemAvailable: 6 kB\n");
    write_proc(f, "loadavg", "");
    lat_meter_link(f->meter, true);
    advance(f, 2 * INTERVAL_MS);
    assert_int_equal(f->messages, 0);
}

static void many_allocations_go_into_several_messages(void **state)
{
    struct fixture *f = *state;

    run_allocations(f, MANY);
    lat_mock_delay(f->mock, LAT_MOCK_STATS, 1);
    lat_meter_link(f->meter, true);
    advance(f, INTERVAL_MS - 1);
    assert_int_equal(f->items, MANY);
    assert_int_equal(f->messages, 2);
}

static void an_engine_that_is_slow_gets_one_round_at_a_time(void **state)
{
    struct fixture *f = *state;

    run_allocations(f, 8);
    lat_mock_delay(f->mock, LAT_MOCK_STATS, 2 * INTERVAL_MS);
    lat_meter_link(f->meter, true);
    advance(f, 4 * INTERVAL_MS - 1);
    assert_int_equal(lat_mock_count(f->mock, LAT_MOCK_STATS), 8);
    assert_int_equal(f->messages, 0);
    advance(f, 2);
    assert_int_equal(f->items, 8);
}

static void what_cannot_be_measured_is_left_out_and_tried_again(void **state)
{
    struct fixture *f = *state;

    run_allocations(f, 2);
    lat_mock_fail(f->mock, LAT_MOCK_STATS, LAT_E_NOT_FOUND, "No such container.", 1);
    lat_meter_link(f->meter, true);
    advance(f, 10);
    assert_int_equal(f->items, 1);
    advance(f, INTERVAL_MS);
    assert_int_equal(f->items, 3);
    f->running = 0;
    advance(f, INTERVAL_MS);
    assert_int_equal(f->items, 3);
}

static void an_engine_that_is_down_is_not_asked(void **state)
{
    struct fixture *f = *state;

    run_allocations(f, 1);
    lat_mock_engine(f->mock, false);
    advance(f, 1);
    lat_meter_link(f->meter, true);
    advance(f, 3 * INTERVAL_MS);
    assert_int_equal(lat_mock_count(f->mock, LAT_MOCK_STATS), 0);
    lat_mock_engine(f->mock, true);
    advance(f, INTERVAL_MS);
    assert_int_equal(f->items, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        CASE(counters_are_told_as_what_they_rose_by),
        CASE(a_counter_that_began_anew_rose_by_what_it_has),
        CASE(after_a_long_pause_no_rise_is_told),
        CASE(the_machine_is_measured_too),
        CASE(files_of_the_kernel_that_read_otherwise_are_left_out),
        CASE(many_allocations_go_into_several_messages),
        CASE(an_engine_that_is_slow_gets_one_round_at_a_time),
        CASE(what_cannot_be_measured_is_left_out_and_tried_again),
        CASE(an_engine_that_is_down_is_not_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
