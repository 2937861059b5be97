#include "support.h"

#include "model/states.h"

static void names_and_parsers_are_inverse(void **state)
{
    (void)state;
    enum lat_workload_state workload;
    enum lat_trigger trigger;

    for (int i = 0; i < LAT_WORKLOAD_COUNT; i++) {
        assert_true(lat_workload_state_parse(lat_workload_state_name(i), &workload));
        assert_int_equal(workload, i);
    }
    for (int i = 0; i < LAT_TRIGGER_COUNT; i++) {
        assert_true(lat_trigger_parse(lat_trigger_name(i), &trigger));
        assert_int_equal(trigger, i);
    }
    assert_false(lat_workload_state_parse("Running", &workload));
    assert_false(lat_workload_state_parse("", &workload));
    assert_false(lat_workload_state_parse(NULL, &workload));
}

static void the_states_that_clients_know_are_there(void **state)
{
    (void)state;
    static const char *const names[] = {"pending",  "placing", "pulling", "starting", "running",
                                        "stopping", "stopped", "failed",  "removing"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        enum lat_workload_state value;
        assert_true(lat_workload_state_parse(names[i], &value));
        assert_string_equal(lat_workload_state_name(value), names[i]);
    }
}

static void every_pair_of_moves(void **state)
{
    (void)state;
    for (int from = 0; from < LAT_ALLOCATION_COUNT; from++) {
        for (int to = 0; to < LAT_ALLOCATION_COUNT; to++) {
            bool may = true;
            if (to == LAT_ALLOCATION_PLACING && from != LAT_ALLOCATION_PLACING) {
                may = false; /* an answer is never taken back */
            }
            if (from == LAT_ALLOCATION_REMOVED && to != LAT_ALLOCATION_REMOVED) {
                may = false; /* gone is gone */
            }
            if (lat_allocation_may_move(from, to) != may) {
                fail_msg("%s to %s", lat_allocation_state_name(from),
                         lat_allocation_state_name(to));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_parsers_are_inverse),
        cmocka_unit_test(the_states_that_clients_know_are_there),
        cmocka_unit_test(every_pair_of_moves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
