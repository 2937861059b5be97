/* Closing the API while requests wait for the disk: each is answered, and only then is it over. */
#include "support.h"

#include <stdio.h>

enum { REQUESTS = 5 };

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

static void closing_waits_for_the_requests_that_wait_for_the_disk(void **state)
{
    struct desk *desk = *state;
    struct bed *bed = desk->console->bed;
    struct going *going[REQUESTS];
    char id[LAT_ID_SIZE], target[128];
    bool closed = false;

    deploy(desk, desk->alice, "app", id);
    snprintf(target, sizeof(target), "/api/v1/workloads/%s", id);
    int commits = bed->script->commits;

    bed->script->delay_ms = 300;
    for (int i = 0; i < REQUESTS; i++) {
        going[i] = go(desk, desk->alice, "PATCH", target, "{\"labels\":{\"a\":\"b\"}}");
        run_for(desk->console->loop, 1);
    }
    while (bed->script->commits == commits) { /* until the worker has the first of them */
        run_for(desk->console->loop, 1);
    }
    assert_true(desk->api->calls > 0);
    lat_api_close(desk->api, set_true, &closed);
    desk->api = NULL;
    run_for(desk->console->loop, 1);
    for (int i = 0; i < REQUESTS; i++) {
        going_await_over(going[i]);
        assert_int_equal(going[i]->status, 200);
        going_free(going[i]);
    }
    run_until(bed, &closed);
}

static void closing_is_over_at_once_when_nobody_waits(void **state)
{
    struct desk *desk = *state;
    bool closed = false;

    assert_int_equal(desk->api->calls, 0);
    lat_api_close(desk->api, set_true, &closed);
    desk->api = NULL;
    assert_false(closed); /* not from within the call */
    run_until(desk->console->bed, &closed);
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, desk_open, desk_close)
        CASE(closing_waits_for_the_requests_that_wait_for_the_disk),
        CASE(closing_is_over_at_once_when_nobody_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return desk_main(argc, argv, run);
}
