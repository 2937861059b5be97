/* What the console is told of the machine, and when. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "agent/driver/mock.h"
#include "agent/node/node.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct fixture {
    int64_t now_ns;
    struct lat_clock clock;
    struct lat_loop *loop;
    struct lat_mock *mock;
    struct lat_driver *driver;
    struct lat_machine *machine;
    size_t nodes, heartbeats;
    cJSON *last;       /* of the kind node; owned */
    int64_t disk_free; /* of the last heartbeat */
    int64_t grow;      /* free disk in the facts, beyond the mock's */
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

static void on_send(void *arg, const char *json, size_t len)
{
    struct fixture *f = arg;
    struct lat_heartbeat_message heartbeat;
    struct lat_node_message node;
    enum lat_message_kind kind;
    struct lat_err err;
    cJSON *message;

    assert_int_equal(lat_json_parse(json, len, &message, &err), 0);
    assert_int_equal(lat_message_kind_of(message, &kind, &err), 0);
    if (kind == LAT_MESSAGE_HEARTBEAT) {
        assert_int_equal(lat_heartbeat_message_read(message, &heartbeat, &err), 0);
        f->heartbeats++;
        f->disk_free = heartbeat.disk_free_bytes;
        cJSON_Delete(message);
    } else {
        assert_int_equal(kind, LAT_MESSAGE_NODE);
        assert_int_equal(lat_node_message_read(message, &node, &err), 0);
        f->nodes++;
        cJSON_Delete(f->last);
        f->last = message;
    }
}

static void on_container(void *arg, const char *allocation)
{
    (void)arg;
    (void)allocation;
}

static void on_engine(void *arg, bool up, const struct lat_err *err)
{
    struct fixture *f = arg;

    lat_machine_engine(f->machine, f->driver, up, err);
}

static const struct lat_driver_events driver_events = {.on_container = on_container,
                                                       .on_engine = on_engine};

/* The mock's facts, with another free disk. */
static struct {
    struct fixture *fixture;
    lat_driver_facts_fn *done;
    void *arg;
    void (*real)(struct lat_driver *driver, lat_driver_facts_fn *done, void *arg);
} asked;

static void facts_came(void *arg, const struct lat_driver_facts *facts, const struct lat_err *err)
{
    struct lat_driver_facts changed;

    (void)arg;
    if (err) {
        asked.done(asked.arg, NULL, err);
        return;
    }
    changed = *facts;
    changed.disk_free_bytes += asked.fixture->grow;
    asked.done(asked.arg, &changed, NULL);
}

static void ask_facts(struct lat_driver *driver, lat_driver_facts_fn *done, void *arg)
{
    asked.done = done;
    asked.arg = arg;
    asked.real(driver, facts_came, NULL);
}

static struct lat_driver_class class;

static int set_up(void **state)
{
    struct fixture *f = LAT_NEW(struct fixture);
    struct lat_driver_options options = {.node_id = "n", .events = &driver_events, .arg = f};

    f->now_ns = INT64_C(3600000000000);
    f->clock = (struct lat_clock){.wall_ms = wall_ms, .boot_ns = boot_ns, .arg = f};
    f->loop = lat_loop_new(&f->clock);
    f->mock = lat_mock_new(f->loop);
    f->machine = lat_machine_new(&(struct lat_machine_options){.loop = f->loop,
                                                               .labels_json = "{\"zone\":\"a\"}",
                                                               .agent_version = "1.2",
                                                               .send = on_send,
                                                               .arg = f});
    options.loop = f->loop;
    lat_driver_new_mock(&options, f->mock, &f->driver);
    asked.fixture = f;
    asked.real = f->driver->class->facts;
    class = *f->driver->class;
    class.facts = ask_facts;
    f->driver->class = &class;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    lat_driver_free(f->driver);
    lat_machine_free(f->machine);
    lat_mock_free(f->mock);
    lat_loop_free(f->loop);
    cJSON_Delete(f->last);
    free(f);
    return 0;
}

static const char *said(const struct fixture *f, const char *member)
{
    return lat_json_text(f->last, member, "");
}

static void nothing_is_said_without_a_link(void **state)
{
    struct fixture *f = *state;

    advance(f, 120000);
    assert_int_equal(f->nodes + f->heartbeats, 0);
}

static void the_machine_is_told_when_the_link_comes_up(void **state)
{
    struct fixture *f = *state;

    advance(f, 0);
    lat_machine_link_up(f->machine, 5000);
    assert_int_equal(f->nodes, 1);
    assert_string_equal(said(f, "engine_version"), "mock");
    assert_string_equal(said(f, "engine_error"), "");
    assert_string_equal(said(f, "agent_version"), "1.2");
    assert_string_equal(lat_json_text(lat_json_get(f->last, "labels"), "zone", ""), "a");
    assert_int_equal(lat_json_int(f->last, "cpu_milli", 0), 4000);
}

static void facts_that_are_on_their_way_tell_themselves(void **state)
{
    struct fixture *f = *state;

    lat_mock_delay(f->mock, LAT_MOCK_FACTS, 100);
    advance(f, 50);
    lat_machine_link_up(f->machine, 5000);
    assert_int_equal(f->nodes, 0);
    advance(f, 100);
    assert_int_equal(f->nodes, 1);
    assert_string_equal(said(f, "engine_version"), "mock");
}

static void an_engine_that_goes_and_comes_is_told_each_time(void **state)
{
    struct fixture *f = *state;

    advance(f, 0);
    lat_machine_link_up(f->machine, 5000);
    lat_mock_engine(f->mock, false);
    advance(f, 0);
    assert_int_equal(f->nodes, 2);
    assert_string_equal(said(f, "engine_version"), "");
    assert_true(*said(f, "engine_error"));
    assert_int_equal(lat_json_int(f->last, "cpu_milli", 0), 4000); /* as it was last seen */
    lat_mock_engine(f->mock, true);
    advance(f, 0);
    assert_int_equal(f->nodes, 3);
    assert_string_equal(said(f, "engine_version"), "mock");
}

static void an_engine_that_is_down_from_the_beginning_is_told(void **state)
{
    struct fixture *f = *state;

    lat_mock_engine(f->mock, false);
    advance(f, 0);
    lat_machine_link_up(f->machine, 5000);
    assert_int_equal(f->nodes, 1);
    assert_true(*said(f, "engine_error"));
}

static void facts_of_an_engine_that_went_down_meanwhile_are_not_believed(void **state)
{
    struct fixture *f = *state;

    lat_machine_link_up(f->machine, 5000);
    lat_mock_delay(f->mock, LAT_MOCK_FACTS, 100);
    advance(f, 50);
    lat_mock_engine(f->mock, false);
    advance(f, 100);
    assert_string_equal(said(f, "engine_version"), "");
    assert_true(*said(f, "engine_error"));
}

static void facts_that_could_not_be_had_are_asked_for_again_soon(void **state)
{
    struct fixture *f = *state;

    lat_mock_fail(f->mock, LAT_MOCK_FACTS, LAT_E_ENGINE, "The engine could not.", 1);
    lat_machine_link_up(f->machine, 5000);
    advance(f, 2000);
    assert_string_equal(said(f, "engine_version"), "mock");
}

static void heartbeats_come_while_linked_and_say_nothing_that_did_not_move(void **state)
{
    struct fixture *f = *state;

    advance(f, 0);
    lat_machine_link_up(f->machine, 5000);
    advance(f, 20000);
    assert_int_equal(f->heartbeats, 4);
    assert_int_equal(f->disk_free, -1);
    lat_machine_link_down(f->machine);
    advance(f, 60000);
    assert_int_equal(f->heartbeats, 4);
}

static void free_disk_is_told_once_it_moved_by_a_step(void **state)
{
    struct fixture *f = *state;
    int64_t before = (int64_t)50 << 30;

    advance(f, 0);
    lat_machine_link_up(f->machine, 5000);
    f->grow = -(LAT_MACHINE_DISK_STEP - 1);
    advance(f, LAT_MACHINE_FACTS_MS + 5000);
    assert_int_equal(f->disk_free, -1);
    f->grow = -LAT_MACHINE_DISK_STEP;
    advance(f, LAT_MACHINE_FACTS_MS - 5000);
    advance(f, 5000);
    assert_int_equal(f->disk_free, before - LAT_MACHINE_DISK_STEP);
    advance(f, 5000);
    assert_int_equal(f->disk_free, -1); /* told once */
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_said_without_a_link),
        TEST(the_machine_is_told_when_the_link_comes_up),
        TEST(facts_that_are_on_their_way_tell_themselves),
        TEST(an_engine_that_goes_and_comes_is_told_each_time),
        TEST(an_engine_that_is_down_from_the_beginning_is_told),
        TEST(facts_of_an_engine_that_went_down_meanwhile_are_not_believed),
        TEST(facts_that_could_not_be_had_are_asked_for_again_soon),
        TEST(heartbeats_come_while_linked_and_say_nothing_that_did_not_move),
        TEST(free_disk_is_told_once_it_moved_by_a_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
