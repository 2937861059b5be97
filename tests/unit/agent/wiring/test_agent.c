/* A whole agent in one thread, on a clock that the test moves: its console, its disk and its engine are in memory. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "agent/driver/mock.h"
#include "agent/wiring/agent.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define NODE "019aa1b2-0000-7000-8000-00000000a001"
#define ONE "019aa1b2-0000-7000-8000-00000000a110"

struct world {
    int64_t now_ns;
    struct lat_clock clock;
    struct lat_loop *loop;
    struct lat_random *random;
    struct lat_metrics *metrics;
    struct lat_mock *mock;
    struct lat_agent *agent;
    bool stopped;
    int finals;

    struct lat_disk disk; /* and what is on it */
    struct lat_map *files;
    bool disk_fails;
    int refused; /* writes */

    struct lat_agent_dialer dialer;
    bool is_dialling;
    lat_connect_fn *dialled;
    void *dialled_arg;
    struct lat_timer way; /* to the console: a second */
    int dials, cancelled;

    struct lat_stream *far; /* of a console that does not answer */
    bool mute;              /* such a one takes the next connection */
    struct lat_link *link;  /* at the console */
    char hello[LAT_NAME_MAX + 1];
    char observed[32]; /* the last state that was told */
};

/* ---- the clock ---- */

static int64_t wall_ms(void *arg)
{
    return 1700000000000 + ((struct world *)arg)->now_ns / 1000000;
}

static int64_t boot_ns(void *arg)
{
    return ((struct world *)arg)->now_ns;
}

/* Lets so much time pass, timer by timer. */
static void pass_ms(struct world *world, int64_t ms)
{
    int64_t until_ns = world->now_ns + ms * 1000000;

    for (;;) {
        while (lat_loop_turn(world->loop)) {
        }
        int64_t next_ms = lat_loop_next_ms(world->loop);

        if (next_ms < 0 || world->now_ns + next_ms * 1000000 > until_ns) {
            break;
        }
        world->now_ns += next_ms * 1000000;
    }
    world->now_ns = until_ns;
}

/* ---- the disk ---- */

static struct world *disk_of(struct lat_disk *disk, int *ret_code, struct lat_err *err)
{
    struct world *world = LAT_CONTAINER(disk, struct world, disk);

    *ret_code = world->disk_fails ? lat_err_set(err, LAT_E_IO, "The disk is gone.") : 0;
    return world;
}

static int disk_read(struct lat_disk *disk, const char *path, size_t max, struct lat_buf *out,
                     struct lat_err *err)
{
    int code;
    const char *text = lat_map_get(disk_of(disk, &code, err)->files, path);

    if (code == 0 && text == NULL) {
        code = lat_err_set(err, LAT_E_NOT_FOUND, "There is no %s.", path);
    }
    if (code == 0) {
        assert_true(strlen(text) <= max);
        lat_buf_add_text(out, text);
    }
    return code;
}

static int disk_replace(struct lat_disk *disk, const char *path, const void *bytes, size_t len,
                        struct lat_err *err)
{
    int code;
    struct world *world = disk_of(disk, &code, err);

    world->refused += code != 0;
    if (code == 0) {
        free(lat_map_remove(world->files, path));
        lat_map_put(world->files, path, lat_text_copy_n(bytes, len));
    }
    return code;
}

static int disk_remove(struct lat_disk *disk, const char *path, struct lat_err *err)
{
    int code;
    struct world *world = disk_of(disk, &code, err);

    if (code == 0) {
        free(lat_map_remove(world->files, path));
    }
    return code;
}

static int disk_rename(struct lat_disk *disk, const char *from, const char *to, struct lat_err *err)
{
    int code;
    struct world *world = disk_of(disk, &code, err);

    if (code == 0) {
        free(lat_map_remove(world->files, to));
        lat_map_put(world->files, to, lat_map_remove(world->files, from));
    }
    return code;
}

static int disk_list(struct lat_disk *disk, const char *path,
                     void (*fn)(void *arg, const char *name), void *arg, struct lat_err *err)
{
    int code;
    struct world *world = disk_of(disk, &code, err);
    char *names[8];
    size_t count = 0;
    void *cursor = NULL;
    const char *file;
    void *text;

    while (code == 0 && lat_map_next(world->files, &cursor, &file, &text)) {
        assert_true(count < LAT_COUNT(names) && lat_text_starts(file, path));
        names[count++] = lat_text_copy(file + strlen(path) + 1);
    }
    for (size_t i = 0; i < count; i++) { /* fn may rename */
        fn(arg, names[i]);
        free(names[i]);
    }
    return code;
}

static int disk_make_dir(struct lat_disk *disk, const char *path, struct lat_err *err)
{
    int code;

    (void)path;
    disk_of(disk, &code, err);
    return code;
}

static const struct lat_disk_class disk_class = {.read = disk_read,
                                                 .replace = disk_replace,
                                                 .remove = disk_remove,
                                                 .rename = disk_rename,
                                                 .list = disk_list,
                                                 .make_dir = disk_make_dir};

/* ---- the console ---- */

static void send(struct world *world, struct lat_buf *text)
{
    assert_int_equal(lat_link_send(world->link, (const char *)text->bytes, text->len, NULL), 0);
    lat_buf_done(text);
}

static void console_message(void *arg, const cJSON *message)
{
    struct world *world = arg;
    const char *type = lat_json_text(message, "type", "");
    struct lat_buf text = {0};

    if (lat_text_equal(type, "hello")) {
        lat_text_bound(world->hello, sizeof(world->hello), lat_json_text(message, "node_name", ""));
        lat_welcome_message_write(
            &(struct lat_welcome_message){
                .version = 1, .node_id = NODE, .node_name = "n1", .epoch = 1, .heartbeat_ms = 5000},
            &text);
        send(world, &text);
    } else if (lat_text_equal(type, "observed")) {
        lat_text_bound(world->observed, sizeof(world->observed),
                       lat_json_text(message, "status", ""));
    }
}

static void console_open(void *arg, struct lat_stream *stream, const cJSON *header)
{
    (void)arg;
    (void)stream;
    (void)header;
    fail_msg("an agent opens no stream");
}

static void console_closed(void *arg, const struct lat_err *err)
{
    (void)err;
    ((struct world *)arg)->link = NULL;
}

static const struct lat_link_events console_events = {
    .on_message = console_message, .on_open = console_open, .on_close = console_closed};

static void far_data(void *arg, const uint8_t *bytes, size_t len)
{
    (void)arg;
    (void)bytes;
    (void)len;
}

static void far_end(void *arg)
{
    (void)arg; /* and says nothing */
}

static void far_closed(void *arg, const struct lat_err *err)
{
    (void)err;
    ((struct world *)arg)->far = NULL;
}

static void arrive(void *arg)
{
    static const struct lat_stream_events mute = {
        .on_data = far_data, .on_end = far_end, .on_close = far_closed};
    struct world *world = arg;
    struct lat_stream *near;
    struct lat_stream *far;

    world->is_dialling = false;
    lat_stream_pair(world->loop, &near, &far);
    if (world->mute) {
        world->far = far;
        lat_stream_set_events(far, &mute, world);
    } else {
        world->link = lat_link_new(far, &(struct lat_link_options){.role = LAT_LINK_CONSOLE},
                                   &console_events, world);
    }
    world->dialled(world->dialled_arg, near, NULL);
}

static void *dial(struct lat_agent_dialer *dialer, const char *host, int port, lat_connect_fn *fn,
                  void *arg)
{
    struct world *world = LAT_CONTAINER(dialer, struct world, dialer);

    assert_string_equal(host, "console");
    assert_int_equal(port, 8443);
    assert_false(world->is_dialling);
    world->is_dialling = true;
    world->dialled = fn;
    world->dialled_arg = arg;
    world->dials++;
    lat_timer_start(&world->way, 1000, 0);
    return world;
}

static void cancel(struct lat_agent_dialer *dialer, void *attempt)
{
    struct world *world = LAT_CONTAINER(dialer, struct world, dialer);

    assert_ptr_equal(attempt, world);
    assert_true(world->is_dialling);
    world->is_dialling = false;
    world->cancelled++;
    lat_timer_stop(&world->way);
}

/* ---- the agent ---- */

static int make_driver(void *arg, const struct lat_driver_options *options,
                       struct lat_driver **ret_driver, struct lat_err *err)
{
    (void)err;
    assert_string_equal(options->node_id, NODE);
    lat_driver_new_mock(options, ((struct world *)arg)->mock, ret_driver);
    return 0;
}

static void on_final(void *arg, const struct lat_err *err)
{
    (void)err;
    ((struct world *)arg)->finals++;
}

static int start(struct world *world, struct lat_err *err)
{
    return lat_agent_new(&(struct lat_agent_config){.loop = world->loop,
                                                    .random = world->random,
                                                    .disk = &world->disk,
                                                    .dialer = &world->dialer,
                                                    .node_id = NODE,
                                                    .metrics = world->metrics,
                                                    .console = "console:8443",
                                                    .data_dir = "/agent",
                                                    .join_token = "",
                                                    .name = "n1",
                                                    .labels_json = "{}",
                                                    .version = "0.1",
                                                    .make_driver = make_driver,
                                                    .on_final = on_final,
                                                    .arg = world},
                         &world->agent, err);
}

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

static void stop(struct world *world)
{
    world->stopped = false;
    lat_agent_stop(world->agent, set_true, &world->stopped);
    assert_false(world->stopped);
    pass_ms(world, 60000);
    assert_true(world->stopped);
    world->agent = lat_agent_free(world->agent);
}

static void assign(struct world *world)
{
    struct lat_buf text = {0};

    lat_assign_message_write(&(struct lat_assign_message){.allocation = ONE,
                                                          .workload = ONE,
                                                          .workload_name = "web",
                                                          .project = ONE,
                                                          .project_name = "p",
                                                          .generation = 1,
                                                          .epoch = 1,
                                                          .desired = LAT_WANT_RUNNING,
                                                          .container_json = "{\"image\":\"web:1\"}",
                                                          .request_id = "r"},
                             &text);
    send(world, &text);
}

static int setup(void **state)
{
    struct world *world = LAT_NEW(struct world);

    world->now_ns = 9000000000;
    world->clock = (struct lat_clock){.wall_ms = wall_ms, .boot_ns = boot_ns, .arg = world};
    world->loop = lat_loop_new(&world->clock);
    world->random = lat_random_new_seeded(5);
    world->metrics = lat_metrics_new();
    world->mock = lat_mock_new(world->loop);
    world->disk.class = &disk_class;
    world->files = lat_map_new();
    world->dialer = (struct lat_agent_dialer){.dial = dial, .cancel = cancel};
    lat_timer_init(&world->way, world->loop, arrive, world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    void *cursor = NULL;
    const char *path;
    void *text;

    if (world->far) {
        lat_stream_close(world->far);
    }
    pass_ms(world, 1000);
    lat_mock_free(world->mock);
    lat_loop_free(world->loop);
    while (lat_map_next(world->files, &cursor, &path, &text)) {
        free(text);
    }
    lat_map_free(world->files);
    lat_metrics_free(world->metrics);
    lat_random_free(world->random);
    free(world);
    return 0;
}

static void an_agent_works_over_another_disk_dialer_and_engine(void **state)
{
    struct world *world = *state;

    assert_int_equal(start(world, NULL), 0);
    pass_ms(world, 500);
    assert_int_equal(world->dials, 1);
    assert_false(lat_agent_is_linked(world->agent));
    pass_ms(world, 1000);
    assert_true(lat_agent_is_linked(world->agent));
    assert_string_equal(world->hello, "n1");
    assign(world);
    pass_ms(world, 1000);
    assert_string_equal(world->observed, "running");
    assert_int_equal(lat_mock_running(world->mock), 1);
    assert_non_null(lat_map_get(world->files, "/agent/allocations/" ONE ".json"));
    stop(world);
    assert_int_equal(lat_mock_running(world->mock), 1);
    assert_int_equal(start(world, NULL), 0);
    pass_ms(world, 5000);
    assert_int_equal(lat_mock_running(world->mock), 1);
    assert_int_equal(lat_mock_count(world->mock, LAT_MOCK_START), 1);
    stop(world);
}

static void it_stops_while_it_dials(void **state)
{
    struct world *world = *state;

    assert_int_equal(start(world, NULL), 0);
    pass_ms(world, 500);
    stop(world);
    assert_int_equal(world->cancelled, 1);
    assert_int_equal(world->finals, 0);
}

static void it_stops_before_anything_has_begun(void **state)
{
    struct world *world = *state;

    assert_int_equal(start(world, NULL), 0);
    stop(world);
    assert_int_equal(world->dials, 0);
}

/* As a process that was killed: nothing that it does has an effect any more, and yet it comes to an end. */
static void it_stops_although_nothing_can_be_written_or_sent(void **state)
{
    struct world *world = *state;

    assert_int_equal(start(world, NULL), 0);
    pass_ms(world, 1500);
    assert_true(lat_agent_is_linked(world->agent));
    world->disk_fails = true;
    assign(world);
    while (lat_mock_count(world->mock, LAT_MOCK_START) == 0) {
        pass_ms(world, 1);
    }
    lat_link_close(world->link, NULL);
    stop(world);
    assert_true(world->refused > 0);
    assert_null(lat_map_get(world->files, "/agent/allocations/" ONE ".json"));
}

static void it_stops_although_its_console_takes_nothing(void **state)
{
    struct world *world = *state;

    world->mute = true;
    assert_int_equal(start(world, NULL), 0);
    pass_ms(world, 1500);
    assert_false(lat_agent_is_linked(world->agent));
    assert_non_null(world->far);
    stop(world);
}

static void a_disk_that_cannot_be_read_is_refused_at_the_start(void **state)
{
    struct world *world = *state;
    struct lat_err err;

    world->disk_fails = true;
    assert_int_equal(start(world, &err), LAT_E_IO);
    assert_null(world->agent);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(an_agent_works_over_another_disk_dialer_and_engine),
        T(it_stops_while_it_dials),
        T(it_stops_before_anything_has_begun),
        T(it_stops_although_nothing_can_be_written_or_sent),
        T(it_stops_although_its_console_takes_nothing),
        T(a_disk_that_cannot_be_read_is_refused_at_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
