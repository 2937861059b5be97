#include "support.h"

#include "base/text.h"
#include "model/constraints.h"
#include "model/spec.h"

#include <stdio.h>
#include <stdlib.h>

static struct lat_constraints *parse(const char *text)
{
    struct lat_constraints *constraints = NULL;
    cJSON *json = json_of(text);
    char *exact = lat_json_print(json);
    struct lat_err err;

    if (lat_constraints_parse(exact, &constraints, &err) != 0) {
        fail_msg("%s: %s: %s", text, err.field, err.sentence);
    }
    free(exact);
    cJSON_Delete(json);
    return constraints;
}

static void nothing_is_asked_for_by_nothing(void **state)
{
    (void)state;
    struct lat_constraints *constraints = NULL;

    assert_int_equal(lat_constraints_parse("", &constraints, NULL), 0);
    assert_null(constraints->pool);
    assert_int_equal(constraints->require_count + constraints->prefer_count, 0);
    assert_int_equal(constraints->affinity_count + constraints->anti_affinity_count, 0);
    assert_false(constraints->spreads);
    lat_constraints_free(constraints);
}

static void a_placement_is_read(void **state)
{
    (void)state;
    struct lat_constraints *c =
        parse("{'pool':'lab','architecture':'arm64','runtime':'runsc',"
              "'require':[{'key':'zone','operator':'in','values':['a','b']},"
              "{'key':'attribute.kernel','operator':'exists'},{'key':'node.os','values':['x']}],"
              "'prefer':[{'key':'ssd','values':['yes'],'weight':20},{'key':'cores','operator':'>',"
              "'values':['3.5']}],"
              "'affinity':[{'workload':'db','by':'zone'}],"
              "'anti_affinity':[{'labels':{'tier':'batch'},'weight':80},{'workload':'me'}],"
              "'spread':{'by':'zone','max_skew':2}}");

    assert_string_equal(c->pool, "lab");
    assert_string_equal(c->architecture, "arm64");
    assert_string_equal(c->runtime, "runsc");
    assert_int_equal(c->require_count, 3);
    assert_int_equal(c->require[0].how, LAT_OPERATOR_IN);
    assert_int_equal(c->require[0].value_count, 2);
    assert_string_equal(c->require[0].values[1], "b");
    assert_int_equal(c->require[0].key.kind, LAT_KEY_LABEL);
    assert_int_equal(c->require[1].key.kind, LAT_KEY_ATTRIBUTE);
    assert_string_equal(c->require[1].key.name, "kernel");
    assert_int_equal(c->require[2].key.kind, LAT_KEY_OS);
    assert_int_equal(c->require[2].weight, 0);
    assert_int_equal(c->prefer[0].weight, 20);
    assert_int_equal(c->prefer[1].weight, LAT_WEIGHT_DEFAULT);
    assert_true(c->prefer[1].number == 3.5);
    assert_string_equal(c->affinity[0].workload, "db");
    assert_int_equal(c->affinity[0].by.kind, LAT_KEY_LABEL);
    assert_int_equal(c->affinity[0].weight, 0); /* required */
    assert_string_equal(lat_json_text(c->anti_affinity[0].labels, "tier", ""), "batch");
    assert_int_equal(c->anti_affinity[0].by.kind, LAT_KEY_NODE);
    assert_int_equal(c->anti_affinity[0].weight, 80);
    assert_int_equal(c->anti_affinity[1].weight, 0);
    assert_true(c->spreads);
    assert_int_equal(c->max_skew, 2);
    lat_constraints_free(c);
}

static void a_placement_that_is_wrong_says_where(void **state)
{
    (void)state;
    static const struct {
        const char *placement;
        const char *field;
    } bad[] = {
        {"[]", "placement"},
        {"{'pol':'x'}", "placement.pol"},
        {"{'pool':1}", "placement.pool"},
        {"{'pool':'a b'}", "placement.pool"},
        {"{'runtime':''}", "placement.runtime"},
        {"{'require':{}}", "placement.require"},
        {"{'require':['zone=a']}", "placement.require[0]"},
        {"{'require':[{'operator':'exists'}]}", "placement.require[0].key"},
        {"{'require':[{'key':'a b','operator':'exists'}]}", "placement.require[0].key"},
        {"{'require':[{'key':'node.cpu','operator':'exists'}]}", "placement.require[0].key"},
        {"{'require':[{'key':'attribute.','operator':'exists'}]}", "placement.require[0].key"},
        {"{'require':[{'key':'a','operator':'like','values':['b']}]}",
         "placement.require[0].operator"},
        {"{'require':[{'key':'a'}]}", "placement.require[0].values"},
        {"{'require':[{'key':'a','values':['b','c']}]}", "placement.require[0].values"},
        {"{'require':[{'key':'a','values':'b'}]}", "placement.require[0].values"},
        {"{'require':[{'key':'a','operator':'in','values':[]}]}", "placement.require[0].values"},
        {"{'require':[{'key':'a','operator':'exists','values':['b']}]}",
         "placement.require[0].values"},
        {"{'require':[{'key':'a','operator':'>','values':['many']}]}",
         "placement.require[0].values[0]"},
        {"{'require':[{'key':'a','values':['b'],'weight':1}]}", "placement.require[0].weight"},
        {"{'prefer':[{'key':'a','values':['b'],'weight':0}]}", "placement.prefer[0].weight"},
        {"{'prefer':[{'key':'a','values':['b'],'weight':101}]}", "placement.prefer[0].weight"},
        {"{'affinity':[{}]}", "placement.affinity[0].workload"},
        {"{'affinity':[{'workload':'a','labels':{'b':'c'}}]}", "placement.affinity[0].workload"},
        {"{'affinity':[{'workload':'A'}]}", "placement.affinity[0].workload"},
        {"{'affinity':[{'workload':'a','by':''}]}", "placement.affinity[0].by"},
        {"{'anti_affinity':[{'workload':'a','required':true,'weight':5}]}",
         "placement.anti_affinity[0].weight"},
        {"{'spread':{}}", "placement.spread.by"},
        {"{'spread':{'by':'zone','max_skew':0}}", "placement.spread.max_skew"},
        {"{'spread':'zone'}", "placement.spread"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[512];

        snprintf(text, sizeof(text), "{'type':'a','name':'a','placement':%s}", bad[i].placement);
        check_gives(lat_spec_check, text, LAT_E_INVALID_FIELD, bad[i].field);
    }
}

static void a_placement_is_bounded(void **state)
{
    (void)state;
    for (int count = LAT_CONDITIONS_MAX; count <= LAT_CONDITIONS_MAX + 1; count++) {
        struct lat_constraints *constraints = NULL;
        struct lat_buf text = {0};
        struct lat_err err;

        lat_buf_add_text(&text, "{\"require\":[");
        for (int i = 0; i < count; i++) {
            lat_buf_addf(&text, "%s{\"key\":\"k%d\",\"operator\":\"exists\"}", i > 0 ? "," : "", i);
        }
        lat_buf_add_text(&text, "]}");
        assert_int_equal(lat_constraints_parse(lat_buf_text(&text), &constraints, &err),
                         count > LAT_CONDITIONS_MAX ? LAT_E_INVALID_FIELD : 0);
        lat_constraints_free(constraints);
        lat_buf_done(&text);
    }
}

static void conditions_hold_or_not(void **state)
{
    (void)state;
    static const struct {
        const char *condition;
        const char *value;
        bool holds;
    } cases[] = {
        {"'operator':'=','values':['a']", "a", true},
        {"'operator':'=','values':['a']", "b", false},
        {"'operator':'=','values':['a']", NULL, false},
        {"'operator':'!=','values':['a']", "b", true},
        {"'operator':'!=','values':['a']", "a", false},
        {"'operator':'!=','values':['a']", NULL, true},
        {"'operator':'in','values':['a','b']", "b", true},
        {"'operator':'in','values':['a','b']", NULL, false},
        {"'operator':'not_in','values':['a','b']", "b", false},
        {"'operator':'not_in','values':['a','b']", NULL, true},
        {"'operator':'exists'", "", true},
        {"'operator':'exists'", NULL, false},
        {"'operator':'not_exists'", NULL, true},
        {"'operator':'not_exists'", "", false},
        {"'operator':'>','values':['3.5']", "4", true},
        {"'operator':'>','values':['3.5']", "3.5", false},
        {"'operator':'>','values':['3.5']", "many", false},
        {"'operator':'>','values':['3.5']", NULL, false},
        {"'operator':'>','values':['9']", "10", true},
        {"'operator':'<','values':['10']", "9", true},
        {"'operator':'<','values':['10']", "0x1", false},
        {"'operator':'<','values':['10']", "", false},
        {"'operator':'<','values':['1e3']", "999.5", true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        struct lat_constraints *constraints;

        snprintf(text, sizeof(text), "{'require':[{'key':'k',%s}]}", cases[i].condition);
        constraints = parse(text);
        if (lat_condition_holds(&constraints->require[0], cases[i].value) != cases[i].holds) {
            fail_msg("%s with %s", cases[i].condition, cases[i].value ? cases[i].value : "nothing");
        }
        lat_constraints_free(constraints);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_asked_for_by_nothing),
        cmocka_unit_test(a_placement_is_read),
        cmocka_unit_test(a_placement_that_is_wrong_says_where),
        cmocka_unit_test(a_placement_is_bounded),
        cmocka_unit_test(conditions_hold_or_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
