#include "support.h"

#include "model/demand.h"
#include "model/spec.h"

#include <stdio.h>

static struct lat_demand demand_of(const char *text)
{
    cJSON *spec = json_of(text);
    struct lat_demand demand;
    struct lat_err err;

    if (lat_demand_read(spec, &demand, &err) != 0) {
        fail_msg("%s: %s", text, err.sentence);
    }
    demand.gpu_model = strcmp(demand.gpu_model, "") == 0 ? "" : "some";
    cJSON_Delete(spec);
    return demand;
}

static void a_spec_that_says_nothing_asks_for_nothing(void **state)
{
    (void)state;
    struct lat_demand demand = demand_of("{}");

    assert_int_equal(demand.kind, LAT_RUN_SERVICE);
    assert_int_equal(demand.priority, LAT_PRIORITY_DEFAULT);
    assert_int_equal(demand.retries, 0);
    assert_int_equal(demand.disk_bytes, 0);
    assert_int_equal(demand.bandwidth_bps, 0);
    assert_int_equal(demand.gpu_count, 0);
    assert_int_equal(demand.gpu_share_milli, 0);
    assert_string_equal(demand.gpu_model, "");
}

static void what_is_asked_for_is_read(void **state)
{
    (void)state;
    struct lat_demand demand =
        demand_of("{'kind':'task','retries':3,'priority':80,'disk':'1.5g','bandwidth':'2.5g',"
                  "'gpus':{'count':2,'model':'T4','memory':'16g'}}");

    assert_int_equal(demand.kind, LAT_RUN_TASK);
    assert_int_equal(demand.retries, 3);
    assert_int_equal(demand.priority, 80);
    assert_int_equal(demand.disk_bytes, 1610612736);
    assert_int_equal(demand.bandwidth_bps, 2500000000); /* links count in thousands */
    assert_int_equal(demand.gpu_count, 2);
    assert_string_equal(demand.gpu_model, "some");
    assert_int_equal(demand.gpu_memory_bytes, INT64_C(16) << 30);
    demand = demand_of("{'gpus':{'share':0.1}}");
    assert_int_equal(demand.gpu_share_milli, 100);
    assert_int_equal(demand.gpu_count, 0);
    demand = demand_of("{'gpus':{'share':1}}");
    assert_int_equal(demand.gpu_share_milli, 0); /* the whole of one */
    assert_int_equal(demand.gpu_count, 1);
}

static int read_only(const cJSON *spec, struct lat_err *err)
{
    struct lat_demand demand;

    return lat_demand_read(spec, &demand, err);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *members;
        const char *field;
    } bad[] = {
        {"'kind':'job'", "kind"},
        {"'kind':1", "kind"},
        {"'retries':1", "retries"},
        {"'kind':'task','retries':101", "retries"},
        {"'priority':101", "priority"},
        {"'priority':-1", "priority"},
        {"'disk':10", "disk"},
        {"'disk':'0'", "disk"},
        {"'disk':'2000t'", "disk"},
        {"'bandwidth':'fast'", "bandwidth"},
        {"'bandwidth':'-1m'", "bandwidth"},
        {"'bandwidth':'101t'", "bandwidth"},
        {"'gpus':1", "gpus"},
        {"'gpus':{}", "gpus"},
        {"'gpus':{'count':1,'share':0.5}", "gpus"},
        {"'gpus':{'count':0}", "gpus.count"},
        {"'gpus':{'count':65}", "gpus.count"},
        {"'gpus':{'share':0}", "gpus.share"},
        {"'gpus':{'share':1.001}", "gpus.share"},
        {"'gpus':{'share':0.0005}", "gpus.share"},
        {"'gpus':{'share':'half'}", "gpus.share"},
        {"'gpus':{'count':1,'modle':'T4'}", "gpus.modle"},
        {"'gpus':{'count':1,'memory':16}", "gpus.memory"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[256];

        snprintf(text, sizeof(text), "{%s}", bad[i].members);
        check_gives(read_only, text, LAT_E_INVALID_FIELD, bad[i].field);
        snprintf(text, sizeof(text), "{'type':'a','name':'a',%s}", bad[i].members);
        check_gives(lat_spec_check, text, LAT_E_INVALID_FIELD, bad[i].field);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_spec_that_says_nothing_asks_for_nothing),
        cmocka_unit_test(what_is_asked_for_is_read),
        cmocka_unit_test(what_is_wrong_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
