/* How a machine becomes a node, and keeps its certificate fresh. */
#include "support.h"
#include "tests/unit/waiting.h"

#include <sys/stat.h>

static const int64_t DAY_MS = 86400000;

static void first_start_joins_and_links(void **state)
{
    struct console *console = *state;
    struct agent *agent = agent_start(console, console->token, 10, 100);
    assert_string_equal(lat_agent_link_node_id(agent->link), "");
    await(console, &agent->up);
    assert_int_equal(console->joins, 1);
    assert_string_equal(console->node_id, NODE_ID);
    assert_string_equal(lat_agent_link_node_id(agent->link), NODE_ID);
    cJSON *body = cJSON_Parse(console->join_body);
    assert_string_equal(lat_json_text(body, "token", ""), console->token);
    assert_string_equal(lat_json_text(body, "name", ""), "n1");
    assert_string_equal(lat_json_text(lat_json_get(body, "labels"), "zone", ""), "home");
    assert_non_null(strstr(lat_json_text(body, "request", ""), "CERTIFICATE REQUEST"));
    assert_null(strstr(console->join_body, "PRIVATE KEY"));
    cJSON_Delete(body);
    agent_close(agent);
    struct stat key;
    char *path = lat_text_format("%s/node.key", console->dir);
    assert_int_equal(stat(path, &key), 0);
    assert_int_equal(key.st_mode & 0777, 0600);
    free(path);
}

static void second_start_needs_no_token(void **state)
{
    struct console *console = *state;
    struct agent *agent = agent_start(console, console->token, 10, 100);
    await(console, &agent->up);
    agent_close(agent);
    agent = agent_start(console, "", 10, 100);
    assert_string_equal(lat_agent_link_node_id(agent->link), NODE_ID);
    await(console, &agent->up);
    assert_int_equal(console->joins, 1);
    agent_close(agent);
}

static void refusal_that_a_person_must_mend_is_final(void **state)
{
    struct console *console = *state;
    static const struct {
        int status;
        const char *wire;
        int code;
    } cases[] = {{403, "forbidden", LAT_E_FORBIDDEN},
                 {409, "name_taken", LAT_E_NAME_TAKEN},
                 {422, "invalid_field", LAT_E_INVALID_FIELD}};
    for (size_t i = 0; i < LAT_COUNT(cases); i++) {
        console->fail_status = cases[i].status;
        console->fail_code = cases[i].wire;
        struct agent *agent = agent_start(console, console->token, 10, 100);
        await(console, &agent->final);
        assert_int_equal(agent->err.code, cases[i].code);
        assert_string_equal(agent->err.sentence, "Scripted refusal.");
        assert_string_equal(agent->err.hint, "Do better.");
        int joins = console->joins;
        run_for(console, 50);
        assert_int_equal(console->joins, joins);
        assert_int_equal(agent->downs, 0);
        agent_close(agent);
    }
}

static void console_that_is_busy_is_asked_again_with_the_same_key(void **state)
{
    struct console *console = *state;
    console->fail_status = 503;
    console->fail_code = "unavailable";
    struct agent *agent = agent_start(console, console->token, 10, 20);
    await(console, &agent->down);
    assert_int_equal(agent->err.code, LAT_E_UNAVAILABLE);
    char *key = console_file(console, "node.key");
    console->fail_status = 0;
    await(console, &agent->up);
    assert_true(console->joins >= 2);
    char *now = console_file(console, "node.key");
    assert_string_equal(now, key);
    free(key);
    free(now);
    agent_close(agent);
}

static void token_of_another_console_is_never_shown_to_this_one(void **state)
{
    struct console *console = *state;
    uint8_t digest[32] = {7};
    char *token = lat_join_token_make(digest, console->random);
    struct agent *agent = agent_start(console, token, 10, 20);
    await(console, &agent->down);
    assert_int_equal(agent->err.code, LAT_E_TLS);
    assert_int_equal(console->joins, 0);
    agent_close(agent);
    free(token);
}

static void start_without_identity_and_token_is_refused(void **state)
{
    struct console *console = *state;
    static const struct lat_agent_link_events none = {.on_up = NULL};
    struct lat_agent_link *link = NULL;
    struct lat_agent_link_config config = {.console = "127.0.0.1:1",
                                           .data_dir = console->dir,
                                           .join_token = "",
                                           .node_name = "n1",
                                           .agent_version = "0.1"};
    struct lat_err err;
    assert_int_equal(lat_agent_link_new(console->loop, &config, &none, NULL, &link, &err),
                     LAT_E_UNAUTHENTICATED);
    config.join_token = "latj1.rubbish";
    assert_true(lat_agent_link_new(console->loop, &config, &none, NULL, &link, &err) < 0);
    config.console = "host:port:8443";
    assert_true(lat_agent_link_new(console->loop, &config, &none, NULL, &link, &err) < 0);
    assert_null(link);
}

static void join_that_was_cut_short_is_asked_again(void **state)
{
    struct console *console = *state;
    console_give_identity(console, -DAY_MS, DAY_MS);
    char *path = lat_text_format("%s/node.id", console->dir);
    assert_int_equal(lat_file_remove(path, NULL), 0);
    free(path);
    char *key = console_file(console, "node.key");
    struct agent *agent = agent_start(console, console->token, 10, 100);
    await(console, &agent->up);
    assert_int_equal(console->joins, 1);
    char *now = console_file(console, "node.key");
    assert_string_equal(now, key);
    free(key);
    free(now);
    agent_close(agent);
}

static void expired_certificate_is_renewed_before_the_dial(void **state)
{
    struct console *console = *state;
    console_give_identity(console, -30 * DAY_MS, -DAY_MS);
    char *before = console_file(console, "node.crt");
    struct agent *agent = agent_start(console, "", 10, 100);
    await(console, &agent->up);
    assert_int_equal(console->renewals, 1);
    assert_int_equal(console->joins, 0);
    char *after = console_file(console, "node.crt");
    assert_string_not_equal(before, after);
    free(before);
    free(after);
    agent_close(agent);
}

static void certificate_past_two_thirds_is_renewed_beside_the_link(void **state)
{
    struct console *console = *state;
    console_give_identity(console, -21 * DAY_MS, 9 * DAY_MS);
    char *before = console_file(console, "node.crt");
    struct agent *agent = agent_start(console, "", 10, 100);
    await(console, &agent->up);
    for (int i = 0; i < WAITING_MS && console->renewals == 0; i++)
        run_for(console, 1);
    char *after = console_file(console, "node.crt");
    for (int i = 0; i < WAITING_MS && strcmp(before, after) == 0; i++) {
        run_for(console, 1);
        free(after);
        after = console_file(console, "node.crt");
    }
    assert_string_not_equal(before, after);
    run_for(console, 50);
    assert_int_equal(console->renewals, 1);
    assert_int_equal(agent->downs, 0);
    free(before);
    free(after);
    agent_close(agent);
}

static void young_certificate_is_left_alone(void **state)
{
    struct console *console = *state;
    console_give_identity(console, -10 * DAY_MS, 20 * DAY_MS);
    struct agent *agent = agent_start(console, "", 10, 100);
    await(console, &agent->up);
    run_for(console, 50);
    assert_int_equal(console->renewals, 0);
    agent_close(agent);
}

static void very_short_life_makes_no_loop(void **state)
{
    struct console *console = *state;
    console->life_ms = 60000;
    struct agent *agent = agent_start(console, console->token, 10, 100);
    await(console, &agent->up);
    run_for(console, 100);
    assert_int_equal(console->renewals, 0);
    agent_close(agent);
}

static void closing_in_the_middle_of_a_join_is_clean(void **state)
{
    struct console *console = *state;
    for (int turn = 0; turn < 12; turn++) {
        struct agent *agent = agent_start(console, console->token, 10, 100);
        for (int i = 0; i < turn; i++)
            run_for(console, 1);
        agent_close(agent);
    }
    run_for(console, 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, console_open, console_close)
    const struct CMUnitTest tests[] = {
        TEST(first_start_joins_and_links),
        TEST(second_start_needs_no_token),
        TEST(refusal_that_a_person_must_mend_is_final),
        TEST(console_that_is_busy_is_asked_again_with_the_same_key),
        TEST(token_of_another_console_is_never_shown_to_this_one),
        TEST(start_without_identity_and_token_is_refused),
        TEST(join_that_was_cut_short_is_asked_again),
        TEST(expired_certificate_is_renewed_before_the_dial),
        TEST(certificate_past_two_thirds_is_renewed_beside_the_link),
        TEST(young_certificate_is_left_alone),
        TEST(very_short_life_makes_no_loop),
        TEST(closing_in_the_middle_of_a_join_is_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
