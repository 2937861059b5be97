/* The link of a node that has joined: up, lost, refused, closed. */
#include "support.h"

static const int64_t DAY_MS = 86400000;

static struct agent *linked(struct console *console)
{
    console_give_identity(console, -DAY_MS, 20 * DAY_MS);
    struct agent *agent = agent_start(console, "", 10, 80);
    await(console, &agent->up);
    return agent;
}

static void messages_go_both_ways_once_up(void **state)
{
    struct console *console = *state;
    struct agent *agent = linked(console);
    assert_int_equal(lat_agent_link_send(agent->link, "{\"type\":\"heartbeat\"}", 20, NULL), 0);
    static const char *const words[] = {"{\"type\":\"assigned\",\"allocations\":[]}",
                                        "{\"type\":\"tomorrow\"}", "{\"type\":\"welcome\"}",
                                        "{\"type\":\"heartbeat\"}"};
    for (size_t i = 0; i < LAT_COUNT(words); i++)
        assert_int_equal(lat_link_send(console->link, words[i], strlen(words[i]), NULL), 0);
    while (console->messages.len == 0 || !strstr(lat_buf_text(&agent->messages), "heartbeat"))
        run_for(console, 1);
    run_for(console, 50);
    assert_string_equal(lat_buf_text(&console->messages), "{\"type\":\"heartbeat\"}");
    assert_string_equal(lat_buf_text(&agent->messages), "assigned welcome heartbeat ");
    agent_close(agent);
}

static void lost_link_is_dialled_again(void **state)
{
    struct console *console = *state;
    struct agent *agent = linked(console);
    for (int i = 0; i < 3; i++) {
        lat_link_close(console->link, NULL);
        await(console, &agent->down);
        assert_int_equal(agent->err.code, LAT_E_CLOSED);
        assert_int_equal(lat_agent_link_send(agent->link, "{}", 2, NULL), LAT_E_CLOSED);
        await(console, &agent->up);
    }
    assert_int_equal(agent->ups, 4);
    assert_int_equal(agent->downs, 3);
    assert_int_equal(console->joins, 0);
    agent_close(agent);
}

static void waits_double_up_to_the_longest_and_jitter(void **state)
{
    struct console *console = *state;
    console_give_identity(console, -DAY_MS, 20 * DAY_MS);
    console_stop_listening(console);
    struct agent *agent = agent_start(console, "", 10, 80);
    while (agent->downs < 10)
        run_for(console, 10);
    assert_int_equal(agent->err.code, LAT_E_REFUSED);
    bool differ = false;
    int64_t middle = 10;
    for (int i = 0; i < 10; i++) {
        assert_in_range(agent->waits[i], middle / 2, middle + middle / 2);
        differ |= agent->waits[i] != middle;
        middle = middle * 2 < 80 ? middle * 2 : 80;
    }
    assert_true(differ);
    console_listen(console);
    await(console, &agent->up);
    agent_close(agent);
}

static void refusal_of_identity_or_version_is_final(void **state)
{
    struct console *console = *state;
    const int codes[] = {LAT_E_FORBIDDEN, LAT_E_NOT_FOUND, LAT_E_VERSION};
    console_give_identity(console, -DAY_MS, 20 * DAY_MS);
    console->manner = REFUSES;
    for (size_t i = 0; i < LAT_COUNT(codes); i++) {
        console->refuse_code = codes[i];
        struct agent *agent = agent_start(console, "", 10, 80);
        await(console, &agent->final);
        assert_int_equal(agent->err.code, codes[i]);
        assert_string_equal(agent->err.sentence, "Scripted refusal.");
        assert_int_equal(agent->downs + agent->ups, 0);
        agent_close(agent);
    }
}

static void refusal_that_passes_is_tried_again(void **state)
{
    struct console *console = *state;
    console_give_identity(console, -DAY_MS, 20 * DAY_MS);
    console->manner = REFUSES;
    console->refuse_code = LAT_E_UNAVAILABLE;
    struct agent *agent = agent_start(console, "", 10, 80);
    await(console, &agent->down);
    assert_int_equal(agent->err.code, LAT_E_UNAVAILABLE);
    console->manner = WELCOMES;
    await(console, &agent->up);
    agent_close(agent);
}

static void revoked_while_up_is_final(void **state)
{
    struct console *console = *state;
    struct agent *agent = linked(console);
    struct lat_err why;
    struct lat_buf text = {0};
    lat_err_set(&why, LAT_E_FORBIDDEN, "Revoked.");
    lat_refuse_message_write(&why, &text);
    assert_int_equal(lat_link_send(console->link, (const char *)text.bytes, text.len, NULL), 0);
    lat_buf_done(&text);
    lat_link_close(console->link, &why);
    await(console, &agent->final);
    assert_string_equal(agent->err.sentence, "Revoked.");
    agent_close(agent);
}

static void opened(void *arg, const struct lat_err *err)
{
    int *code = arg;
    *code = err ? err->code : 1;
}

static void ignore_data(void *arg, const uint8_t *bytes, size_t len)
{
    (void)arg;
    (void)bytes;
    (void)len;
}

static void ignore_close(void *arg, const struct lat_err *err)
{
    (void)arg;
    (void)err;
}

static const struct lat_stream_events no_events = {.on_data = ignore_data,
                                                   .on_close = ignore_close};

static void streams_are_handed_over_with_their_header(void **state)
{
    struct console *console = *state;
    struct agent *agent = linked(console);
    struct lat_stream_header header = {
        .kind = LAT_STREAM_TUNNEL, .allocation = NODE_ID, .generation = 2, .port = "pg"};
    struct lat_buf text = {0};
    struct lat_stream *stream = NULL;
    int good = 0;
    int bad = 0;
    lat_stream_header_write(&header, &text);
    assert_int_equal(lat_link_open(console->link, (const char *)text.bytes, text.len, opened, &good,
                                   &stream, NULL),
                     0);
    lat_stream_set_events(stream, &no_events, NULL);
    assert_int_equal(
        lat_link_open(console->link, "{\"kind\":\"dance\"}", 16, opened, &bad, &stream, NULL), 0);
    lat_stream_set_events(stream, &no_events, NULL);
    run_for(console, 50);
    assert_int_equal(good, 1);
    assert_int_equal(bad, LAT_E_INVALID_FIELD);
    assert_int_equal(agent->streams, 1);
    assert_string_equal(agent->port_name, "pg");
    lat_buf_done(&text);
    agent_close(agent);
}

static void closing_while_hello_is_unanswered_is_clean(void **state)
{
    struct console *console = *state;
    console_give_identity(console, -DAY_MS, 20 * DAY_MS);
    console->manner = SILENT;
    struct agent *agent = agent_start(console, "", 10, 80);
    while (console->hellos == 0)
        run_for(console, 1);
    assert_false(lat_agent_link_is_up(agent->link));
    agent_close(agent);
}

static void other_authority_is_not_believed(void **state)
{
    struct console *console = *state;
    char *cert = NULL;
    char *key = NULL;
    char *path = lat_text_format("%s/authority.crt", console->dir);
    console_give_identity(console, -DAY_MS, 20 * DAY_MS);
    assert_int_equal(lat_authority_make("Another", lat_clock_system(), &cert, &key, NULL), 0);
    assert_int_equal(lat_file_replace(path, cert, strlen(cert), 0600, NULL), 0);
    struct agent *agent = agent_start(console, "", 10, 80);
    await(console, &agent->down);
    assert_int_equal(agent->err.code, LAT_E_TLS);
    assert_int_equal(console->hellos, 0);
    agent_close(agent);
    free(cert);
    free(path);
    lat_wipe_free(key);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, console_open, console_close)
    const struct CMUnitTest tests[] = {
        TEST(messages_go_both_ways_once_up),
        TEST(lost_link_is_dialled_again),
        TEST(waits_double_up_to_the_longest_and_jitter),
        TEST(refusal_of_identity_or_version_is_final),
        TEST(refusal_that_passes_is_tried_again),
        TEST(revoked_while_up_is_final),
        TEST(streams_are_handed_over_with_their_header),
        TEST(closing_while_hello_is_unanswered_is_clean),
        TEST(other_authority_is_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
