/* Which devices an instance gets, and what is left. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "sched/devices.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define GB INT64_C(1073741824)

static const char offer[] = "[{\"id\":\"big\",\"model\":\"A100\",\"memory_bytes\":85899345920},"
                            "{\"id\":\"a\",\"model\":\"T4\",\"memory_bytes\":17179869184},"
                            "{\"id\":\"b\",\"model\":\"T4\",\"memory_bytes\":17179869184}]";

/* Chooses, reserves, and returns what was chosen as text: "a,b"; "" when nothing could be. Owned. */
static char *take(struct lat_devices *devices, struct lat_device_need need, char **ret_gpus)
{
    size_t chosen[LAT_GPUS_MAX];
    size_t count;
    struct lat_buf names = {0};
    struct lat_buf gpus = {0};

    need.model = need.model ? need.model : "";
    if (!lat_devices_choose(devices->slots, devices->count, &need, chosen, &count)) {
        return lat_text_copy("");
    }
    for (size_t i = 0; i < count; i++) {
        lat_buf_addf(&names, "%s%s", i ? "," : "", devices->slots[chosen[i]].id);
    }
    lat_devices_write(devices, &need, chosen, count, &gpus);
    lat_devices_count(devices, lat_buf_text(&gpus), 1);
    if (ret_gpus) {
        *ret_gpus = lat_buf_take_text(&gpus);
    }
    lat_buf_done(&gpus);
    return lat_buf_take_text(&names);
}

static void expect(struct lat_devices *devices, struct lat_device_need need, const char *names)
{
    char *chosen = take(devices, need, NULL);

    assert_string_equal(chosen, names);
    free(chosen);
}

static void shares_fill_one_device_before_the_next(void **state)
{
    (void)state;
    struct lat_devices devices = {0};

    lat_devices_offer(&devices, offer);
    expect(&devices, (struct lat_device_need){.share_milli = 500}, "a");
    expect(&devices, (struct lat_device_need){.share_milli = 300}, "a");
    expect(&devices, (struct lat_device_need){.share_milli = 300}, "b");
    expect(&devices, (struct lat_device_need){.share_milli = 200}, "a"); /* exactly what is left */
    expect(&devices, (struct lat_device_need){.count = 1}, "big");
    expect(&devices, (struct lat_device_need){.share_milli = 701}, "");
    lat_devices_done(&devices);
}

static void whole_devices_are_the_smallest_that_suffice(void **state)
{
    (void)state;
    struct lat_devices devices = {0};

    lat_devices_offer(&devices, offer);
    expect(&devices, (struct lat_device_need){.count = 2}, "a,b");
    expect(&devices, (struct lat_device_need){.count = 2}, "");
    expect(&devices, (struct lat_device_need){.count = 1, .memory_bytes = 40 * GB}, "big");
    lat_devices_done(&devices);
}

static void model_and_memory_are_asked_for_exactly_and_at_least(void **state)
{
    (void)state;
    struct lat_devices devices = {0};

    lat_devices_offer(&devices, offer);
    expect(&devices, (struct lat_device_need){.count = 1, .model = "A100"}, "big");
    expect(&devices, (struct lat_device_need){.count = 1, .model = "H100"}, "");
    expect(&devices, (struct lat_device_need){.count = 1, .model = "T4", .memory_bytes = 17 * GB},
           "");
    expect(&devices,
           (struct lat_device_need){.share_milli = 1, .model = "T4", .memory_bytes = 16 * GB}, "a");
    lat_devices_done(&devices);
}

static void what_is_given_back_can_be_had_again(void **state)
{
    (void)state;
    struct lat_devices devices = {0};
    char *gpus = NULL;

    lat_devices_offer(&devices, "[{\"id\":\"a\"}]");
    char *chosen = take(&devices, (struct lat_device_need){.count = 1}, &gpus);
    assert_string_equal(chosen, "a");
    assert_string_equal(gpus, "[{\"id\":\"a\",\"share_milli\":1000}]");
    expect(&devices, (struct lat_device_need){.share_milli = 1}, "");
    lat_devices_count(&devices, gpus, -1);
    expect(&devices, (struct lat_device_need){.count = 1}, "a");
    free(chosen);
    free(gpus);
    lat_devices_done(&devices);
}

static void a_device_that_is_gone_is_not_chosen_and_stays_reserved(void **state)
{
    (void)state;
    struct lat_devices devices = {0};
    char *gpus = NULL;

    lat_devices_offer(&devices, "[{\"id\":\"a\"}]");
    char *chosen = take(&devices, (struct lat_device_need){.share_milli = 400}, &gpus);
    lat_devices_offer(&devices, "");
    expect(&devices, (struct lat_device_need){.share_milli = 100}, "");
    lat_devices_offer(&devices, "[{\"id\":\"a\"}]");
    expect(&devices, (struct lat_device_need){.share_milli = 700}, "");
    expect(&devices, (struct lat_device_need){.share_milli = 600}, "a");
    lat_devices_offer(&devices, "not JSON");
    lat_devices_count(&devices, "[{\"id\":\"a\",\"share_milli\":600}]", -1);
    lat_devices_count(&devices, gpus, -1);
    assert_int_equal(devices.count, 0);
    free(chosen);
    free(gpus);
    lat_devices_done(&devices);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_fill_one_device_before_the_next),
        cmocka_unit_test(whole_devices_are_the_smallest_that_suffice),
        cmocka_unit_test(model_and_memory_are_asked_for_exactly_and_at_least),
        cmocka_unit_test(what_is_given_back_can_be_had_again),
        cmocka_unit_test(a_device_that_is_gone_is_not_chosen_and_stays_reserved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
