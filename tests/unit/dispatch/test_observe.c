/* What agents tell, and what of it is written. */
#include "support.h"

#include "tests/unit/waiting.h"

#include "model/spec.h"

#include <stdio.h>

static void observation_is_written(void **state)
{
    struct console *console = *state;
    char id[LAT_ID_SIZE];
    make_allocation(console, console->node, id);
    struct agent *agent = agent_welcomed(console);
    agent_say_observed(agent, id, 1, "running", "healthy",
                       "{\"container\":\"c1\",\"ports\":{\"http\":32768}}");
    await_allocation(console, id, "running");
    const struct lat_allocation *row = allocation_of(console, id);
    assert_string_equal(row->reason, "healthy");
    assert_string_equal(row->observed, "{\"container\":\"c1\",\"ports\":{\"http\":32768}}");
    assert_int_equal(row->observed_generation, 1);
    assert_string_equal(row->desired, "running");
    assert_true(row->updated_at > 0);
    agent_free(agent);
}

static void what_did_not_change_is_not_written(void **state)
{
    struct console *console = *state;
    char id[LAT_ID_SIZE];
    make_allocation(console, console->node, id);
    struct agent *agent = agent_welcomed(console);
    agent_say_node(agent, "20.10", "");
    agent_say_observed(agent, id, 1, "running", "", "{\"starts\":1}");
    await_allocation(console, id, "running");
    await_node(console, "ready");
    int commits = console->bed->script->commits;
    agent_say_observed(agent, id, 1, "running", "", "{\"starts\":1}");
    agent_say_node(agent, "20.10", "");
    agent_say(agent,
              "{\"type\":\"heartbeat\",\"disk_free_bytes\":501}"); /* less than a hundredth */
    run_for(console->loop, 50);
    assert_int_equal(console->bed->script->commits, commits);
    agent_say(agent, "{\"type\":\"heartbeat\",\"disk_free_bytes\":400}");
    for (int i = 0; i < WAITING_MS && node_of(console)->disk_free_bytes != 400; i++)
        run_for(console->loop, 1);
    assert_int_equal(node_of(console)->disk_free_bytes, 400);
    agent_free(agent);
}

static void generations_only_go_forward(void **state)
{
    struct console *console = *state;
    char id[LAT_ID_SIZE];
    make_allocation(console, console->node, id);
    change_allocation(console, id, "running", 5);
    struct agent *agent = agent_welcomed(console);
    agent_say_observed(agent, id, 6, "failed", "from the future", "{}");
    agent_say_observed(agent, id, 4, "running", "older than asked, and the newest seen", "{}");
    await_allocation(console, id, "running");
    assert_int_equal(allocation_of(console, id)->observed_generation, 4);
    agent_say_observed(agent, id, 3, "failed", "stale", "{}");
    agent_say_observed(agent, id, 5, "starting", "", "{}");
    await_allocation(console, id, "starting");
    agent_say_observed(agent, id, 4, "failed", "stale", "{}");
    run_for(console->loop, 50);
    assert_string_equal(allocation_of(console, id)->status, "starting");
    assert_int_equal(allocation_of(console, id)->observed_generation, 5);
    agent_free(agent);
}

static void a_node_that_is_ahead_of_a_backup_is_overtaken(void **state)
{
    struct console *console = *state;
    char id[LAT_ID_SIZE], text[256];
    make_allocation(console, console->node, id);
    change_allocation(console, id, "running", 2);
    struct agent *agent = agent_welcomed(console);
    for (int i = 0; i < 2; i++) { /* once is enough */
        snprintf(text, sizeof(text),
                 "{\"type\":\"inventory\",\"allocations\":[{\"allocation\":\"%s\","
                 "\"generation\":7,\"status\":\"running\"}]}",
                 id);
        agent_say(agent, text);
    }
    cJSON *assign = agent_next(agent);
    assert_string_equal(lat_json_text(assign, "type", ""), "assign");
    assert_int_equal(lat_json_int(assign, "generation", 0), 8);
    assert_string_equal(lat_json_text(assign, "desired", ""), "running");
    cJSON_Delete(assign);
    agent_expect_quiet(agent);
    assert_int_equal(allocation_of(console, id)->generation, 8);
    assert_string_equal(allocation_of(console, id)->status, "running");
    agent_say_observed(agent, id, 8, "starting", "", "{}");
    await_allocation(console, id, "starting");
    agent_say_observed(agent, id, 99, "running", "a message is no inventory", "{}");
    snprintf(text, sizeof(text),
             "{\"type\":\"inventory\",\"allocations\":[{\"allocation\":\"%s\","
             "\"generation\":%lld,\"status\":\"running\"}]}",
             id, (1LL << 53) - 1); /* of which nothing could be ahead */
    agent_say(agent, text);
    agent_expect_quiet(agent);
    assert_int_equal(allocation_of(console, id)->generation, 8);
    agent_free(agent);
}

static void a_status_that_nobody_knows_is_written_over(void **state)
{
    struct console *console = *state;
    char id[LAT_ID_SIZE];
    make_allocation(console, console->node, id);
    struct lat_txn *txn = lat_txn_begin(console->store, "");
    struct lat_allocation *edited = lat_allocation_edit(allocation_of(console, id));
    lat_row_set(edited->status, "levitating");
    lat_txn_put(txn, &edited->row);
    commit_now(console->bed, txn);
    struct agent *agent = agent_welcomed(console);
    agent_say_observed(agent, id, 1, "running", "", "{}");
    await_allocation(console, id, "running");
    agent_free(agent);
}

static void volumes_that_go_with_their_instance_are_looked_for_no_more(void **state)
{
    struct console *console = *state;
    char id[LAT_ID_SIZE], volumes[2 * LAT_ID_SIZE + 32], left[LAT_ID_SIZE + 16];
    make_allocation(console, console->node, id);
    snprintf(volumes, sizeof(volumes), "[\"%s/0\",\"%s/1\"]", console->workload, console->workload);
    snprintf(left, sizeof(left), "[\"%s/1\"]", console->workload);
    struct lat_txn *txn = lat_txn_begin(console->store, "");
    struct lat_node *node = lat_node_edit(node_of(console));
    lat_row_set(node->volumes, volumes);
    lat_txn_put(txn, &node->row);
    commit_now(console->bed, txn);
    change_allocation(console, id, "removed", 2);
    struct agent *agent = agent_welcomed(console);
    agent_say_observed(agent, id, 2, "stopping", "", "{}");
    await_allocation(console, id, "stopping");
    assert_string_equal(node_of(console)->volumes, volumes);
    agent_say_observed(agent, id, 2, "removed", "", "{}");
    await_allocation(console, id, "removed");
    assert_string_equal(node_of(console)->volumes, left);
    agent_free(agent);
}

static void make_workload_a_task(struct console *console)
{
    struct lat_txn *txn = lat_txn_begin(console->store, "");
    struct lat_workload *row = lat_workload_edit(
        (const struct lat_workload *)lat_txn_get(txn, LAT_TABLE_WORKLOAD, console->workload));
    lat_row_set(row->kind, "task");
    lat_txn_put(txn, &row->row);
    commit_now(console->bed, txn);
}

static void only_a_task_finishes(void **state)
{
    struct console *console = *state;
    char id[LAT_ID_SIZE];
    make_allocation(console, console->node, id);
    struct agent *agent = agent_welcomed(console);
    agent_say_observed(agent, id, 1, "failed", "", "{\"exit_status\":3,\"finished\":true}");
    await_allocation(console, id, "failed");
    assert_false(
        allocation_of(console, id)->finished); /* a service reserves as long as it is there */
    make_workload_a_task(console);
    agent_say_observed(agent, id, 1, "running", "", "{\"finished\":true}");
    await_allocation(console, id, "running");
    assert_false(allocation_of(console, id)->finished);
    agent_say_observed(agent, id, 1, "completed", "", "{\"exit_status\":0,\"finished\":true}");
    await_allocation(console, id, "completed");
    assert_true(allocation_of(console, id)->finished);
    agent_free(agent);
}

/* Changes whether an allocation has ended, with its next generation, as core/orch does; returns what the agent is told then, owned. */
static cJSON *assigned_anew(struct console *console, struct agent *agent, const char *id,
                            bool finished)
{
    struct lat_txn *txn = lat_txn_begin(console->store, "");
    struct lat_allocation *row = lat_allocation_edit(
        (const struct lat_allocation *)lat_txn_get(txn, LAT_TABLE_ALLOCATION, id));
    cJSON *message;
    row->generation++;
    row->finished = finished;
    lat_txn_put(txn, &row->row);
    commit_now(console->bed, txn);
    do {
        message = agent_next(agent);
        if (lat_text_equal(lat_json_text(message, "type", ""), "assign") &&
            lat_json_int(message, "generation", 0) == allocation_of(console, id)->generation)
            return message;
        cJSON_Delete(message);
    } while (true);
}

static void the_order_to_run_again_says_of_which_end_is_known(void **state)
{
    struct console *console = *state;
    char id[LAT_ID_SIZE];
    make_allocation(console, console->node, id);
    make_workload_a_task(console);
    struct agent *agent = agent_welcomed(console);
    cJSON *message = assigned_anew(console, agent, id, false);
    assert_null(lat_json_get(message, "ended"));
    cJSON_Delete(message);
    agent_say_observed(agent, id, 2, "completed", "", "{\"exit_status\":0,\"finished\":true}");
    await_allocation(console, id, "completed");
    message = assigned_anew(console, agent, id, true);
    assert_null(lat_json_get(message, "ended"));
    assert_true(lat_json_bool(message, "finished", false));
    cJSON_Delete(message);
    message = assigned_anew(console, agent, id, false);
    assert_int_equal(lat_json_int(message, "ended", 0), 2);
    assert_false(lat_json_bool(message, "finished", true));
    cJSON_Delete(message);
    agent_say_observed(agent, id, 4, "starting", "", "{\"ended\":2}");
    await_allocation(console, id, "starting");
    message = assigned_anew(console, agent, id, false); /* it has not ended since */
    assert_int_equal(lat_json_int(message, "ended", 0), 2);
    cJSON_Delete(message);
    agent_free(agent);
}

static void what_had_ended_has_while_it_is_cleared_away(void **state)
{
    struct console *console = *state;
    char id[LAT_ID_SIZE];
    make_allocation(console, console->node, id);
    make_workload_a_task(console);
    struct agent *agent = agent_welcomed(console);
    agent_say_observed(agent, id, 1, "completed", "", "{\"exit_status\":0,\"finished\":true}");
    await_allocation(console, id, "completed");
    change_allocation(console, id, "removed", 2);
    agent_say_observed(agent, id, 2, "stopping", "being removed", "{}");
    await_allocation(console, id, "stopping");
    assert_true(allocation_of(console, id)->finished);
    agent_say_observed(agent, id, 2, "removed", "", "{}");
    await_allocation(console, id, "removed");
    assert_true(allocation_of(console, id)->finished);
    agent_free(agent);
}

static void removed_is_final(void **state)
{
    struct console *console = *state;
    char id[LAT_ID_SIZE];
    make_allocation(console, console->node, id);
    change_allocation(console, id, "removed", 2);
    struct agent *agent = agent_welcomed(console);
    agent_say_observed(agent, id, 2, "removed", "", "{}");
    await_allocation(console, id, "removed");
    agent_say_observed(agent, id, 2, "running", "", "{}");
    run_for(console->loop, 50);
    assert_string_equal(allocation_of(console, id)->status, "removed");
    agent_free(agent);
}

static void progress_is_written_twice_a_second(void **state)
{
    struct console *console = *state;
    char id[LAT_ID_SIZE];
    make_allocation(console, console->node, id);
    struct agent *agent = agent_welcomed(console);
    agent_say_observed(agent, id, 1, "pulling", "", "{\"progress\":\"0 of 9 MB\"}");
    await_allocation(console, id, "pulling");
    int commits = console->bed->script->commits;
    int64_t began_ms = lat_clock_boot_ms(lat_loop_clock(console->loop));
    for (int i = 1; i <= 20; i++) {
        char observed[64];
        snprintf(observed, sizeof(observed), "{\"progress\":\"%d of 9 MB\"}", i);
        agent_say_observed(agent, id, 1, "pulling", "", observed);
        run_for(console->loop, 40);
    }
    int64_t took_ms = lat_clock_boot_ms(lat_loop_clock(console->loop)) - began_ms;
    assert_in_range(console->bed->script->commits - commits, 1, 2 + took_ms / 500);
    agent_say_observed(agent, id, 1, "pulling", "",
                       "{\"container\":\"c1\",\"progress\":\"done\"}"); /* more than progress */
    agent_say_observed(agent, id, 1, "starting", "", "{}");
    await_allocation(console, id, "starting");
    agent_free(agent);
}

static void node_tells_of_itself_and_its_engine(void **state)
{
    struct console *console = *state;
    struct agent *agent = agent_welcomed(console);
    assert_string_equal(node_of(console)->status, "joining");
    agent_say_node(agent, "", "Nobody answers at /var/run/docker.sock.");
    await_node(console, "engine_down");
    assert_string_equal(node_of(console)->reason, "Nobody answers at /var/run/docker.sock.");
    agent_say_node(agent, "20.10", "");
    await_node(console, "ready");
    const struct lat_node *node = node_of(console);
    assert_string_equal(node->reason, "");
    assert_string_equal(node->engine_version, "20.10");
    assert_string_equal(node->architecture, "amd64");
    assert_string_equal(node->agent_version, "0.1");
    assert_string_equal(node->labels, "{\"zone\":\"a\"}");
    assert_int_equal(node->cpu_milli, 2000);
    assert_int_equal(node->disk_free_bytes, 500);
    agent_free(agent);
}

static void labels_of_operators_stay(void **state)
{
    struct console *console = *state;
    struct lat_txn *txn = lat_txn_begin(console->store, "");
    struct lat_node *row = lat_node_edit(node_of(console));
    lat_row_set(row->labels, "{\"rack\":\"7\",\"zone\":\"old\"}");
    lat_txn_put(txn, &row->row);
    commit_now(console->bed, txn);
    struct agent *agent = agent_welcomed(console);
    agent_say_node(agent, "20.10", "");
    await_node(console, "ready");
    assert_string_equal(node_of(console)->labels, "{\"rack\":\"7\",\"zone\":\"a\"}");
    agent_free(agent);
}

static void say_labels(struct agent *agent, const char *prefix, int count)
{
    struct lat_buf text = {0};
    lat_buf_add_text(&text,
                     "{\"type\":\"node\",\"cpu_milli\":1,\"memory_bytes\":1,\"disk_bytes\":1,"
                     "\"disk_free_bytes\":1,\"engine_version\":\"20.10\",\"labels\":{");
    for (int i = 0; i < count; i++)
        lat_buf_addf(&text, "%s\"%s%d\":\"v\"", i ? "," : "", prefix, i);
    lat_buf_add_text(&text, "}}");
    agent_say(agent, lat_buf_text(&text));
    lat_buf_done(&text);
}

static int labels_of(struct console *console)
{
    cJSON *labels = cJSON_Parse(node_of(console)->labels);
    int count = cJSON_GetArraySize(labels);
    cJSON_Delete(labels);
    return count;
}

static void labels_of_a_node_are_bounded(void **state)
{
    struct console *console = *state;
    struct agent *agent = agent_welcomed(console);
    say_labels(agent, "a", LAT_LABELS_MAX + 1);
    run_for(console->loop, 20);
    assert_int_equal(metric(console, "lattice_agent_messages_invalid_total"), 1);
    say_labels(agent, "a", LAT_LABELS_MAX - 1);
    await_node(console, "ready");
    for (int i = 0; i < 3; i++) {
        say_labels(agent, (const char *[]){"b", "c", "a"}[i], LAT_LABELS_MAX - 1);
        run_for(console->loop, 20);
    }
    for (int i = 0; i < WAITING_MS && labels_of(console) < LAT_LABELS_MAX; i++)
        run_for(console->loop, 1);
    run_for(console->loop, 20);
    assert_int_equal(labels_of(console), LAT_LABELS_MAX);
    agent_free(agent);
}

static void unknown_allocations_are_counted_and_kept(void **state)
{
    struct console *console = *state;
    char known[LAT_ID_SIZE], elsewhere[LAT_ID_SIZE], other_node[LAT_ID_SIZE];
    make_node(console->bed, "n2", other_node);
    make_allocation(console, console->node, known);
    make_allocation(console, other_node, elsewhere);
    struct agent *agent = agent_welcomed(console);
    char *inventory = lat_text_format(
        "{\"type\":\"inventory\",\"allocations\":["
        "{\"allocation\":\"%s\",\"generation\":1,\"status\":\"running\"},"
        "{\"allocation\":\"0193b1f0-0000-7000-8000-00000000beef\",\"generation\":1,\"status\":\"running\"},"
        "{\"allocation\":\"0193b1f0-0000-7000-8000-00000000cafe\",\"generation\":1,\"status\":\"removed\"},"
        "{\"allocation\":\"%s\",\"generation\":1,\"status\":\"running\"}]}",
        known, elsewhere);
    agent_say(agent, inventory);
    agent_say(agent, inventory);
    await_allocation(console, known, "running");
    run_for(console->loop, 20);
    assert_int_equal(metric(console, "lattice_allocations_unknown_total"), 2);
    assert_string_equal(allocation_of(console, elsewhere)->status, "placing");
    agent_expect_quiet(agent); /* nothing is removed for it */
    free(inventory);
    agent_free(agent);
}

static void unreadable_message_is_ignored_and_counted(void **state)
{
    struct console *console = *state;
    char id[LAT_ID_SIZE];
    make_allocation(console, console->node, id);
    struct agent *agent = agent_welcomed(console);
    agent_say(agent, "{\"type\":\"dance\"}");
    agent_say(agent, "{\"type\":\"observed\"}");
    agent_say(agent, "{\"type\":\"welcome\"}");
    agent_say_observed(agent, id, 1, "running", "", "{}");
    await_allocation(console, id, "running");
    assert_int_equal(metric(console, "lattice_agent_messages_invalid_total"), 3);
    assert_false(agent->closed);
    agent_free(agent);
}

static void flood_is_coalesced_and_loses_nothing(void **state)
{
    struct console *console = *state;
    enum { ROWS = 100, ROUNDS = 60 };
    char ids[ROWS][LAT_ID_SIZE];
    struct lat_txn *txn = lat_txn_begin(console->store, "");
    for (int i = 0; i < ROWS; i++) {
        struct lat_allocation *row = lat_allocation_new();
        lat_row_set(row->workload_id, console->workload);
        lat_row_set(row->node_id, console->node);
        lat_row_set(row->desired, "running");
        lat_row_set(row->status, "placing");
        row->generation = 1;
        lat_text_bound(ids[i], LAT_ID_SIZE, lat_txn_put(txn, &row->row)->id);
    }
    commit_now(console->bed, txn);
    struct agent *agent = agent_welcomed(console);
    int commits = console->bed->script->commits;
    console->bed->script->delay_ms = 5;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < ROWS; i++)
            agent_say_observed(agent, ids[i], 1,
                               round == ROUNDS - 1 ? "running"
                               : round % 2         ? "starting"
                                                   : "pulling",
                               "", "{}");
        run_for(console->loop, 0);
    }
    for (int i = 0; i < ROWS; i++)
        await_allocation(console, ids[i], "running");
    assert_true(console->bed->script->commits - commits < ROWS * ROUNDS / 20);
    agent_free(agent);
}

static void failed_commit_is_tried_again(void **state)
{
    struct console *console = *state;
    char id[LAT_ID_SIZE];
    make_allocation(console, console->node, id);
    struct agent *agent = agent_welcomed(console);
    console->bed->script->fail_commit = console->bed->script->commits + 1;
    console->bed->script->fail_code = LAT_E_NO_SPACE;
    agent_say_observed(agent, id, 1, "running", "", "{}");
    for (int i = 0; i < 15 && strcmp(allocation_of(console, id)->status, "running") != 0; i++)
        run_for(console->loop, 1000);
    assert_string_equal(allocation_of(console, id)->status, "running");
    agent_free(agent);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, console_open, console_close)
    const struct CMUnitTest tests[] = {
        TEST(observation_is_written),
        TEST(what_did_not_change_is_not_written),
        TEST(generations_only_go_forward),
        TEST(a_node_that_is_ahead_of_a_backup_is_overtaken),
        TEST(a_status_that_nobody_knows_is_written_over),
        TEST(only_a_task_finishes),
        TEST(the_order_to_run_again_says_of_which_end_is_known),
        TEST(what_had_ended_has_while_it_is_cleared_away),
        TEST(volumes_that_go_with_their_instance_are_looked_for_no_more),
        TEST(removed_is_final),
        TEST(progress_is_written_twice_a_second),
        TEST(node_tells_of_itself_and_its_engine),
        TEST(labels_of_operators_stay),
        TEST(labels_of_a_node_are_bounded),
        TEST(unknown_allocations_are_counted_and_kept),
        TEST(unreadable_message_is_ignored_and_counted),
        TEST(flood_is_coalesced_and_loses_nothing),
        TEST(failed_commit_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
