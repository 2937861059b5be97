/* Links from hello to their end: admission, assignments, who replaces whom, what is lost. */
#include "support.h"

enum { SHORT_HEARTBEAT_MS = 1000 };

static void agent_is_welcomed_and_told_everything(void **state)
{
    struct console *console = *state;
    char first[LAT_ID_SIZE], second[LAT_ID_SIZE];
    make_allocation(console, console->node, first);
    make_allocation(console, console->node, second);
    change_allocation(console, second, "removed", 2);
    struct agent *agent = agent_connect(console, console->node, agent_key);
    cJSON *welcome = agent_next(agent);
    assert_string_equal(lat_json_text(welcome, "type", ""), "welcome");
    assert_string_equal(lat_json_text(welcome, "node_id", ""), console->node);
    assert_string_equal(lat_json_text(welcome, "node_name", ""), "n1");
    assert_int_equal(lat_json_int(welcome, "version", 0), 1);
    assert_int_equal(lat_json_int(welcome, "heartbeat_ms", 0), 5000);
    cJSON_Delete(welcome);
    cJSON *assign = agent_next(agent);
    struct lat_assign_message read;
    assert_int_equal(lat_assign_message_read(assign, &read, NULL), 0);
    assert_string_equal(read.allocation, first);
    assert_string_equal(read.workload, console->workload);
    assert_string_equal(read.workload_name, "web");
    assert_string_equal(read.project_name, "main");
    assert_string_equal(read.request_id, "r-1");
    assert_int_equal(read.desired, LAT_WANT_RUNNING);
    assert_string_equal(lat_json_text(read.container, "image", ""), "web");
    cJSON_Delete(assign);
    assign = agent_next(agent);
    assert_int_equal(lat_assign_message_read(assign, &read, NULL), 0);
    assert_int_equal(read.desired, LAT_WANT_REMOVED);
    assert_int_equal(read.generation, 2);
    assert_null(read.container);
    cJSON_Delete(assign);
    cJSON *assigned = agent_next(agent);
    assert_string_equal(lat_json_text(assigned, "type", ""), "assigned");
    assert_int_equal(cJSON_GetArraySize(lat_json_get(assigned, "allocations")), 2);
    cJSON_Delete(assigned);
    assert_int_equal(lat_dispatch_link_count(console->dispatch), 1);
    assert_int_equal(metric(console, "lattice_links"), 1);
    agent_free(agent);
}

static void stranger_is_refused(void **state)
{
    struct console *console = *state;
    struct agent *agent = agent_connect(console, "0193b1f0-0000-7000-8000-00000000dead", agent_key);
    agent_expect_refused(agent, LAT_E_NOT_FOUND);
    agent_free(agent);
    agent = agent_connect(console, "not an id", agent_key);
    agent_expect_refused(agent, LAT_E_FORBIDDEN);
    agent_free(agent);
    assert_int_equal(lat_dispatch_link_count(console->dispatch), 0);
    assert_int_equal(metric(console, "lattice_links_refused_total"), 2);
}

static void another_key_is_refused(void **state)
{
    struct console *console = *state;
    uint8_t key[LAT_TLS_DIGEST_SIZE] = {9};
    struct agent *agent = agent_connect(console, console->node, key);
    agent_expect_refused(agent, LAT_E_FORBIDDEN);
    agent_free(agent);
}

static void revoked_node_is_refused_and_cut(void **state)
{
    struct console *console = *state;
    struct agent *agent = agent_welcomed(console);
    set_node_status(console, "revoked");
    agent_expect_refused(agent, LAT_E_FORBIDDEN);
    agent_free(agent);
    agent = agent_connect(console, console->node, agent_key);
    agent_expect_refused(agent, LAT_E_FORBIDDEN);
    agent_free(agent);
    assert_string_equal(node_of(console)->status, "revoked");
}

static void removed_node_is_cut(void **state)
{
    struct console *console = *state;
    struct agent *agent = agent_welcomed(console);
    struct lat_txn *txn = lat_txn_begin(console->store, "");
    lat_txn_remove(txn, LAT_TABLE_NODE, console->node);
    commit_now(console->bed, txn);
    agent_expect_refused(agent, LAT_E_NOT_FOUND);
    agent_free(agent);
}

static struct agent *connect_raw(struct console *console, const char *first_words)
{
    struct lat_stream *a;
    struct lat_stream *b;
    lat_stream_pair(console->loop, &a, &b);
    struct agent *agent = agent_new(console->loop, a);
    agent_say(agent, first_words);
    lat_dispatch_take(console->dispatch, b, console->node, agent_key);
    return agent;
}

static void hello_has_to_be_first_and_of_our_version(void **state)
{
    struct console *console = *state;
    struct agent *agent = connect_raw(console, "{\"type\":\"heartbeat\"}");
    agent_expect_refused(agent, LAT_E_PROTOCOL);
    agent_free(agent);
    agent = connect_raw(console, "{\"type\":\"hello\",\"versions\":[2,3]}");
    agent_expect_refused(agent, LAT_E_VERSION);
    agent_free(agent);
    agent = connect_raw(console, "{\"type\":\"hello\"}");
    agent_expect_refused(agent, LAT_E_INVALID_FIELD);
    agent_free(agent);
    agent = connect_raw(console, "{\"type\":\"hello\",\"versions\":[7,1]}");
    agent_expect(agent, "welcome");
    agent_free(agent);
}

static void newer_link_takes_the_place_of_the_older(void **state)
{
    struct console *console = *state;
    struct agent *older = agent_welcomed(console);
    agent_say_node(older, "20.10", "");
    await_node(console, "ready");
    struct agent *newer = agent_welcomed(console);
    agent_expect_refused(older, LAT_E_CONFLICT);
    agent_free(older);
    run_for(console->loop, 20);
    assert_string_equal(node_of(console)->status, "ready");
    assert_int_equal(lat_dispatch_link_count(console->dispatch), 1);
    assert_ptr_equal(lat_link_directory_loop_of(console->directory, console->node), console->loop);
    agent_free(newer);
}

static void assignment_is_sent_when_it_changes_and_only_then(void **state)
{
    struct console *console = *state;
    char id[LAT_ID_SIZE], elsewhere[LAT_ID_SIZE], other_node[LAT_ID_SIZE];
    struct agent *agent = agent_welcomed(console);
    make_node(console->bed, "n2", other_node);
    make_allocation(console, console->node, id);
    agent_expect(agent, "assign");
    make_allocation(console, other_node, elsewhere);
    agent_say_observed(agent, id, 1, "running", "", "{}");
    await_allocation(console, id, "running");
    agent_expect_quiet(agent);
    change_allocation(console, id, "stopped", 2);
    cJSON *assign = agent_next(agent);
    assert_string_equal(lat_json_text(assign, "desired", ""), "stopped");
    assert_int_equal(lat_json_int(assign, "generation", 0), 2);
    cJSON_Delete(assign);
    agent_expect_quiet(agent);
    agent_free(agent);
}

static void what_cannot_be_rendered_stops_nothing_else(void **state)
{
    struct console *console = *state;
    char broken[LAT_ID_SIZE], id[LAT_ID_SIZE];
    make_allocation(console, console->node, broken);
    console->render_fails_for = console->workload;
    struct agent *agent = agent_connect(console, console->node, agent_key);
    agent_expect(agent, "welcome");
    agent_expect(agent, "assigned");
    console->render_fails_for = NULL;
    make_allocation(console, console->node, id);
    agent_expect(agent, "assign");
    agent_free(agent);
}

static void lost_link_makes_the_node_unreachable_and_touches_no_allocation(void **state)
{
    struct console *console = *state;
    char id[LAT_ID_SIZE];
    make_allocation(console, console->node, id);
    struct agent *agent = agent_welcomed(console);
    agent_say_node(agent, "20.10", "");
    agent_say_observed(agent, id, 1, "running", "", "{}");
    await_node(console, "ready");
    await_allocation(console, id, "running");
    int64_t version = allocation_of(console, id)->row.version;
    agent_free(agent);
    await_node(console, "unreachable");
    assert_string_not_equal(node_of(console)->reason, "");
    assert_int_equal(allocation_of(console, id)->row.version, version);
    assert_null(lat_link_directory_loop_of(console->directory, console->node));
    agent = agent_welcomed(console);
    agent_say_node(agent, "20.10", "");
    await_node(console, "ready");
    assert_string_equal(node_of(console)->reason, "");
    agent_free(agent);
}

static void silence_of_two_heartbeats_ends_the_link(void **state)
{
    struct console *console = *state;
    console_close_dispatch(console);
    console_make_dispatch(console, SHORT_HEARTBEAT_MS);
    struct agent *agent = agent_welcomed(console);
    agent_say_node(agent, "20.10", "");
    await_node(console, "ready");
    const struct lat_clock *clock = lat_loop_clock(console->loop);
    int64_t end_ms = lat_clock_boot_ms(clock) + 3 * SHORT_HEARTBEAT_MS;
    while (lat_clock_boot_ms(clock) < end_ms) {
        run_for(console->loop, 30);
        agent_say(agent, "{\"type\":\"heartbeat\"}");
    }
    assert_false(agent->closed);
    agent_expect_refused(agent, LAT_E_TIMEOUT);
    await_node(console, "unreachable");
    agent_free(agent);
}

static void stopping_console_marks_no_node(void **state)
{
    struct console *console = *state;
    struct agent *agent = agent_welcomed(console);
    agent_say_node(agent, "20.10", "");
    await_node(console, "ready");
    struct agent *silent = connect_raw(console, "{\"type\":\"hello\",\"versions\":[1]}");
    console_close_dispatch(console);
    assert_string_equal(node_of(console)->status, "ready");
    agent_free(agent);
    agent_free(silent);
}

static void node_that_does_not_come_back_after_a_start_is_unreachable(void **state)
{
    struct console *console = *state;
    struct agent *agent = agent_welcomed(console);
    agent_say_node(agent, "20.10", "");
    await_node(console, "ready");
    console_close_dispatch(console);
    agent_free(agent);
    console->return_ms = 2000;
    console_make_dispatch(console, 5000);
    run_for(console->loop, 30);
    assert_string_equal(node_of(console)->status, "ready");
    await_node(console, "unreachable");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, console_open, console_close)
    const struct CMUnitTest tests[] = {
        TEST(agent_is_welcomed_and_told_everything),
        TEST(stranger_is_refused),
        TEST(another_key_is_refused),
        TEST(revoked_node_is_refused_and_cut),
        TEST(removed_node_is_cut),
        TEST(hello_has_to_be_first_and_of_our_version),
        TEST(newer_link_takes_the_place_of_the_older),
        TEST(assignment_is_sent_when_it_changes_and_only_then),
        TEST(what_cannot_be_rendered_stops_nothing_else),
        TEST(lost_link_makes_the_node_unreachable_and_touches_no_allocation),
        TEST(silence_of_two_heartbeats_ends_the_link),
        TEST(stopping_console_marks_no_node),
        TEST(node_that_does_not_come_back_after_a_start_is_unreachable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
