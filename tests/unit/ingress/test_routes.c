/* Which endpoint has which port, and who stands behind it. */
#include "support.h"
#include "tests/unit/waiting.h"

static void an_endpoint_gets_a_port_that_answers_and_keeps_it(void **state)
{
    struct gate *gate = *state;
    char id[LAT_ID_SIZE], other[LAT_ID_SIZE];
    int port;

    add_endpoint(gate, "a", "tcp", true, id);
    port = await_port(gate, id);
    assert_int_equal(port, gate->port_min);
    assert_true(is_listening(port));
    ingress_stop(gate);
    assert_false(is_listening(port));
    ingress_start(gate);
    add_endpoint(gate, "b", "tcp", true, other);
    assert_int_equal(await_port(gate, other), port + 1);
    assert_int_equal(lat_store_endpoint(gate->console->store, id)->port, port);
    assert_true(is_listening(port));
}

static void a_port_of_another_program_is_passed_over(void **state)
{
    struct gate *gate = *state;
    struct lat_listener *taken;
    char id[LAT_ID_SIZE];
    struct lat_err err;

    assert_int_equal(lat_tcp_listen(gate->console->loop, "127.0.0.1", gate->port_min, false, NULL,
                                    NULL, &taken, &err),
                     0);
    add_endpoint(gate, "a", "tcp", true, id);
    assert_int_equal(await_port(gate, id), gate->port_min + 1);
    lat_listener_free(taken);
}

static void an_address_that_was_given_waits_for_its_port(void **state)
{
    struct gate *gate = *state;
    struct lat_listener *taken;
    char id[LAT_ID_SIZE];
    struct lat_err err;
    int port;

    add_endpoint(gate, "a", "tcp", true, id);
    port = await_port(gate, id);
    ingress_stop(gate);
    assert_int_equal(
        lat_tcp_listen(gate->console->loop, "127.0.0.1", port, false, NULL, NULL, &taken, &err), 0);
    ingress_start(gate);
    run_for(gate->console->loop, 50);
    assert_int_equal(lat_store_endpoint(gate->console->store, id)->port, port);
    lat_listener_free(taken);
    for (int i = 0; i < WAITING_MS && !is_listening(port); i++) {
        run_for(gate->console->loop, 1);
    }
    assert_true(is_listening(port));
}

static void without_a_free_port_an_endpoint_waits_for_one(void **state)
{
    struct gate *gate = *state;
    char ids[PORTS + 1][LAT_ID_SIZE];

    for (int i = 0; i <= PORTS; i++) {
        char name[2] = {(char)('a' + i)};

        add_endpoint(gate, name, "tcp", true, ids[i]);
    }
    for (int i = 0; i < PORTS; i++) {
        await_port(gate, ids[i]);
    }
    run_for(gate->console->loop, 50);
    assert_int_equal(lat_store_endpoint(gate->console->store, ids[PORTS])->port, 0);
    remove_row(gate, LAT_TABLE_ENDPOINT, ids[2]);
    assert_int_equal(await_port(gate, ids[PORTS]), gate->port_min + 2);
}

static void a_removed_endpoint_closes_its_port(void **state)
{
    struct gate *gate = *state;
    char id[LAT_ID_SIZE];
    int port;

    add_endpoint(gate, "a", "tcp", true, id);
    port = await_port(gate, id);
    remove_row(gate, LAT_TABLE_ENDPOINT, id);
    run_for(gate->console->loop, 10);
    assert_false(is_listening(port));
}

static void an_endpoint_that_is_removed_before_it_is_open_leaves_nothing(void **state)
{
    struct gate *gate = *state;
    char id[LAT_ID_SIZE];

    add_endpoint(gate, "a", "tcp", true, id);
    remove_row(gate, LAT_TABLE_ENDPOINT, id);
    run_for(gate->console->loop, 20);
    assert_false(is_listening(gate->port_min));
}

static void a_port_that_could_not_be_written_is_written_later(void **state)
{
    struct gate *gate = *state;
    struct script *script = gate->console->bed->script;
    char id[LAT_ID_SIZE];

    script->fail_commit = script->commits + 2; /* the one after the endpoint's own */
    script->fail_code = LAT_E_NO_SPACE;
    script->fail_proofs = 1;
    add_endpoint(gate, "a", "tcp", true, id);
    assert_int_equal(await_port(gate, id), gate->port_min);
    assert_true(script->commits > script->fail_commit);
}

static void a_port_is_written_once(void **state)
{
    struct gate *gate = *state;
    char id[LAT_ID_SIZE], instance[LAT_ID_SIZE];
    int64_t version;

    add_endpoint(gate, "a", "tcp", true, id);
    await_port(gate, id);
    version = lat_store_endpoint(gate->console->store, id)->row.version;
    add_instance(gate, "running", instance);
    run_for(gate->console->loop, 50);
    assert_int_equal(lat_store_endpoint(gate->console->store, id)->row.version, version);
}

/* ---- backends ---- */

/* Connects, and returns the allocation that the agent was asked for; "" when the connection was closed instead. */
static const char *led_to(struct gate *gate, int port)
{
    static char allocation[LAT_ID_SIZE];
    struct client *client = client_connect(gate, port);
    cJSON *header;

    lat_buf_clear(&gate->agent->header);
    allocation[0] = '\0';
    for (int i = 0; i < WAITING_MS && gate->agent->header.len == 0 && !client->closed; i++) {
        run_for(gate->console->loop, 1);
    }
    if (gate->agent->header.len > 0) {
        header = cJSON_Parse(lat_buf_text(&gate->agent->header));
        lat_text_bound(allocation, sizeof(allocation), lat_json_text(header, "allocation", ""));
        assert_string_equal(lat_json_text(header, "kind", ""), "tunnel");
        assert_string_equal(lat_json_text(header, "port", ""), "main");
        assert_int_equal(lat_json_int(header, "generation", 0), 1);
        cJSON_Delete(header);
    }
    client_free(client);
    run_for(gate->console->loop, 5);
    return allocation;
}

static void connections_go_to_running_instances_in_turn(void **state)
{
    struct gate *gate = *state;
    char id[LAT_ID_SIZE], one[LAT_ID_SIZE], two[LAT_ID_SIZE], ill[LAT_ID_SIZE];
    size_t ones = 0, twos = 0;
    int port;

    add_endpoint(gate, "a", "tcp", true, id);
    port = await_port(gate, id);
    assert_string_equal(led_to(gate, port), ""); /* nobody is there */
    add_instance(gate, "unhealthy", ill);
    assert_string_equal(led_to(gate, port), ill); /* better than nobody */
    add_instance(gate, "running", one);
    add_instance(gate, "running", two);
    for (int i = 0; i < 6; i++) {
        const char *allocation = led_to(gate, port);

        ones += lat_text_equal(allocation, one);
        twos += lat_text_equal(allocation, two);
    }
    assert_int_equal(ones, 3);
    assert_int_equal(twos, 3);
    change_allocation(gate->console, one, "stopped", 2);
    run_for(gate->console->loop, 10);
    assert_string_equal(led_to(gate, port), two);
    assert_string_equal(led_to(gate, port), two);
}

static void without_a_link_a_connection_is_closed(void **state)
{
    struct gate *gate = *state;
    char id[LAT_ID_SIZE], one[LAT_ID_SIZE];
    int port;

    add_endpoint(gate, "a", "tcp", true, id);
    port = await_port(gate, id);
    add_instance(gate, "running", one);
    assert_string_equal(led_to(gate, port), one);
    lat_link_close(gate->agent->link, NULL);
    run_until(gate->console->bed, &gate->agent->closed);
    run_for(gate->console->loop, 20);
    assert_string_equal(led_to(gate, port), "");
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, gate_open, gate_close)
    const struct CMUnitTest tests[] = {
        TEST(an_endpoint_gets_a_port_that_answers_and_keeps_it),
        TEST(a_port_of_another_program_is_passed_over),
        TEST(an_address_that_was_given_waits_for_its_port),
        TEST(without_a_free_port_an_endpoint_waits_for_one),
        TEST(a_removed_endpoint_closes_its_port),
        TEST(an_endpoint_that_is_removed_before_it_is_open_leaves_nothing),
        TEST(a_port_that_could_not_be_written_is_written_later),
        TEST(a_port_is_written_once),
        TEST(connections_go_to_running_instances_in_turn),
        TEST(without_a_link_a_connection_is_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
