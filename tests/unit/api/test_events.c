/* The event stream: what is told to whom, where it resumes, and how it ends. */
#include "support.h"
#include "tests/unit/waiting.h"

#include <stdio.h>

static size_t times(const struct going *going, const char *text)
{
    const char *at = lat_buf_text((struct lat_buf *)&going->body);
    size_t count = 0;

    while ((at = strstr(at, text))) {
        at += strlen(text);
        count++;
    }
    return count;
}

/* Index of the last event in what came. */
static long long last_index(const struct going *going)
{
    const char *at = lat_buf_text((struct lat_buf *)&going->body);
    long long index = 0;

    while ((at = strstr(at, "id: "))) {
        at += 4;
        index = atoll(at);
    }
    return index;
}

static void changes_are_told_in_order_to_those_who_may_see_them(void **state)
{
    struct desk *desk = *state;
    struct going *alice = go(desk, desk->alice, "GET", "/api/v1/events", NULL);
    struct going *bob = go(desk, desk->bob, "GET", "/api/v1/events", NULL);
    struct going *admin = go(desk, desk->admin, "GET", "/api/v1/events", NULL);
    char id[LAT_ID_SIZE];

    going_await(alice, "event: hello");
    going_await(bob, "event: hello");
    going_await(admin, "event: hello");
    deploy(desk, desk->alice, "web", id);
    going_await(alice, "event: endpoint.changed");
    going_await(admin, "event: endpoint.changed");
    assert_int_equal(times(alice, "event: workload.changed"), 1);
    assert_non_null(strstr(lat_buf_text(&alice->body), id));
    set_node_status(desk->console, "engine_down"); /* a node is everybody's news */
    going_await(bob, "event: node.changed");
    going_await(alice, "event: node.changed");
    assert_int_equal(times(bob, "event: workload.changed"), 0);
    assert_null(strstr(lat_buf_text(&bob->body), id));
    assert_null(strstr(lat_buf_text(&alice->body), "\"spec\""));
    going_free(alice);
    going_free(bob);
    going_free(admin);
}

static void people_and_tokens_are_nobodys_news(void **state)
{
    struct desk *desk = *state;
    struct going *admin = go(desk, desk->admin, "GET", "/api/v1/events", NULL);

    going_await(admin, "event: hello");
    expect(desk, desk->admin, "POST", "/api/v1/tokens", "{\"name\":\"ci\"}", 201);
    expect(desk, desk->admin, "POST", "/api/v1/join-tokens", "{}", 201);
    expect(desk, desk->admin, "POST", "/api/v1/users",
           "{\"name\":\"carol\",\"password\":\"correct horse\"}", 201);
    set_node_status(desk->console, "engine_down");
    going_await(admin, "event: node.changed");
    assert_int_equal(times(admin, "event: "), 2);
    going_free(admin);
}

static void a_stream_resumes_behind_the_index_without_gap_or_repeat(void **state)
{
    struct desk *desk = *state;
    struct going *first = go(desk, desk->alice, "GET", "/api/v1/events", NULL);
    struct going *second;
    char id[LAT_ID_SIZE];
    char target[64];

    deploy(desk, desk->alice, "web", id);
    going_await(first, "event: endpoint.changed");
    snprintf(target, sizeof(target), "/api/v1/events?after=%lld", last_index(first));
    going_free(first); /* the connection breaks */
    expect(desk, desk->alice, "POST", "/api/v1/workloads/web/stop", NULL, 202);
    expect(desk, desk->alice, "POST", "/api/v1/workloads/web/start", NULL, 202);
    second = go(desk, desk->alice, "GET", target, NULL);
    going_await(second, "\"desired\":\"running\"");
    run_for(desk->console->loop, 20);
    assert_int_equal(times(second, "event: workload.changed"), 2);
    assert_int_equal(times(second, "event: endpoint.changed"), 0);
    going_free(second);
}

static void a_position_that_cannot_be_is_refused(void **state)
{
    struct desk *desk = *state;

    expect_code(desk, desk->alice, "GET", "/api/v1/events?after=x", NULL, LAT_E_INVALID_FIELD);
    expect_code(desk, desk->alice, "GET", "/api/v1/events?after=-1", NULL, LAT_E_INVALID_FIELD);
    expect_code(desk, desk->alice, "GET", "/api/v1/events?after=999999", NULL, LAT_E_INVALID_FIELD);
}

static void everything_can_be_had_from_the_beginning(void **state)
{
    struct desk *desk = *state;
    struct going *admin;
    char id[LAT_ID_SIZE];

    deploy(desk, desk->alice, "web", id);
    for (int i = 0; i < 100; i++) { /* more than is sent at once */
        set_node_status(desk->console, i % 2 ? "ready" : "engine_down");
    }
    admin = go(desk, desk->admin, "GET", "/api/v1/events?after=0", NULL);
    going_await(admin, "event: endpoint.changed");
    for (int i = 0; i < WAITING_MS && times(admin, "event: node.changed") < 101; i++) {
        run_for(desk->console->loop, 1);
    }
    assert_int_equal(times(admin, "event: node.changed"), 101);
    going_free(admin);
}

static void a_removed_row_is_told_to_those_who_could_see_it(void **state)
{
    struct desk *desk = *state;
    struct going *alice, *bob;
    char id[LAT_ID_SIZE];
    struct lat_txn *txn;

    deploy(desk, desk->alice, "web", id);
    alice = go(desk, desk->alice, "GET", "/api/v1/events", NULL);
    bob = go(desk, desk->bob, "GET", "/api/v1/events", NULL);
    going_await(alice, "event: hello");
    going_await(bob, "event: hello");
    txn = lat_txn_begin(desk->console->store, "");
    lat_txn_remove(txn, LAT_TABLE_WORKLOAD, id);
    commit_now(desk->console->bed, txn);
    going_await(alice, "event: workload.removed");
    run_for(desk->console->loop, 20);
    assert_int_equal(times(bob, "event: workload"), 0);
    going_free(alice);
    going_free(bob);
}

static void a_client_that_goes_is_forgotten(void **state)
{
    struct desk *desk = *state;

    for (int i = 0; i < 10; i++) {
        struct going *going = go(desk, desk->alice, "GET", "/api/v1/events", NULL);

        going_await(going, "event: hello");
        going_free(going);
    }
    run_for(desk->console->loop, 20);
    assert_int_equal(desk->api->followers, 0);
}

static void one_past_the_limit_is_refused(void **state)
{
    struct desk *desk = *state;

    desk->api->followers = LAT_API_FOLLOWERS_MAX;
    expect_code(desk, desk->alice, "GET", "/api/v1/events", NULL, LAT_E_LIMIT);
    desk->api->followers = 0;
}

static void the_end_of_the_console_ends_streams(void **state)
{
    struct desk *desk = *state;
    struct going *going = go(desk, desk->alice, "GET", "/api/v1/events", NULL);
    char id[LAT_ID_SIZE];

    going_await(going, "event: hello");
    deploy(desk, desk->alice, "web", id);
    lat_api_end_streams(desk->api); /* perhaps with news on their way */
    going_await_over(going);
    assert_int_equal(desk->api->followers, 0);
    going_free(going);
}

static int run(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, desk_open, desk_close)
    const struct CMUnitTest tests[] = {
        TEST(changes_are_told_in_order_to_those_who_may_see_them),
        TEST(people_and_tokens_are_nobodys_news),
        TEST(a_stream_resumes_behind_the_index_without_gap_or_repeat),
        TEST(a_position_that_cannot_be_is_refused),
        TEST(everything_can_be_had_from_the_beginning),
        TEST(a_removed_row_is_told_to_those_who_could_see_it),
        TEST(a_client_that_goes_is_forgotten),
        TEST(one_past_the_limit_is_refused),
        TEST(the_end_of_the_console_ends_streams),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return desk_main(argc, argv, run);
}
