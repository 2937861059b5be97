#include "support.h"

#include "model/spec.h"

#include <stdio.h>
#include <stdlib.h>

static void names_are_dns_labels(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "my-db", "x1", "a-1-b"};
    static const char *const bad[] = {"",    "-a",  "a-",  "1a",       "A",
                                      "a_b", "a.b", "a b", "\xc3\xa4", "a/b"};
    char longest[LAT_NAME_MAX + 2];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(lat_name_check(good[i], "name", NULL), 0);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct lat_err err;
        assert_int_equal(lat_name_check(bad[i], "name", &err), LAT_E_INVALID_FIELD);
        assert_string_equal(err.field, "name");
    }
    assert_int_equal(lat_name_check(NULL, "name", NULL), LAT_E_INVALID_FIELD);
    memset(longest, 'a', sizeof(longest));
    longest[LAT_NAME_MAX] = '\0';
    assert_int_equal(lat_name_check(longest, "name", NULL), 0);
    longest[LAT_NAME_MAX] = 'a';
    longest[LAT_NAME_MAX + 1] = '\0';
    assert_int_equal(lat_name_check(longest, "name", NULL), LAT_E_INVALID_FIELD);
}

static void images_are_what_docker_pulls(void **state)
{
    (void)state;
    static const char *const good[] = {
        "nginx",
        "nginx:1.27",
        "library/nginx",
        "registry.example.com/a/b_c/d__e/f-g--h:Tag_1.2-x",
        "localhost:5000/x",
        "localhost/x",
        "Registry.Example:5000/x:1",
        "x@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "x:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    };
    static const char *const bad[] = {
        "",        "Nginx", "a//b",   "/a",     "a/",   "a:",   "a:b:c",        "a b",
        "a___b",   "a..b",  "-a",     "a-",     "a:.x", "a@x",  "a@sha256:123", "host:99999/a",
        ":5000/a", "a\n",   "a/../b", "--help", "a/B",  "-v/a",
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct lat_err err;
        if (lat_image_check(good[i], "image", &err) != 0) {
            fail_msg("%s: %s", good[i], err.sentence);
        }
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (lat_image_check(bad[i], "image", NULL) != LAT_E_INVALID_FIELD) {
            fail_msg("'%s' was taken", bad[i]);
        }
    }
}

static void images_are_named_as_engines_list_them(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"nginx", "nginx:latest"},
        {"nginx:1.27", "nginx:1.27"},
        {"docker.io/library/nginx:1", "nginx:1"},
        {"docker.io/me/app", "me/app:latest"},
        {"library/redis:7", "redis:7"},
        {"localhost:5000/x", "localhost:5000/x:latest"},
        {"x:1@sha256:0123", ""},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *listed = lat_image_listed(names[i][0]);
        assert_string_equal(listed, names[i][1]);
        free(listed);
    }
}

static void good_specs_pass(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{'type':'postgres','name':'my-db'}",
        "{'type':'postgres','name':'my-db','params':{},'count':1000,'plain':true}",
        "{'type':'custom','name':'web','params':{'image':'nginx','ports':['80/http'],'env':{'A':'b'},'n':1.5,'x':true},"
        "'plain':['http'],'cpu':0.5,'memory':'128m','labels':{'team/a':'x'}}",
        "{'type':'redis','name':'r','cpu':'2','memory':'1.5g'}",
        "{'type':'redis','name':'r','params':{'pid':1,'device':'d','network':'n'}}", /* a plugin's own words */
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        check_gives(lat_spec_check, good[i], 0, "");
    }
}

static void bad_specs_name_the_field(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        const char *field;
    } bad[] = {
        {"{'name':'a'}", "type"},
        {"{'type':'a'}", "name"},
        {"{'type':'a','name':'A'}", "name"},
        {"{'type':'a/b','name':'a'}", "type"},
        {"{'type':1,'name':'a'}", "type"},
        {"{'type':'a','name':'a','nmae':1}", "nmae"},
        {"{'type':'a','name':'a','count':0}", "count"},
        {"{'type':'a','name':'a','count':1001}", "count"},
        {"{'type':'a','name':'a','count':1.5}", "count"},
        {"{'type':'a','name':'a','cpu':0}", "cpu"},
        {"{'type':'a','name':'a','cpu':0.0001}", "cpu"},
        {"{'type':'a','name':'a','cpu':1025}", "cpu"},
        {"{'type':'a','name':'a','cpu':'fast'}", "cpu"},
        {"{'type':'a','name':'a','memory':128}", "memory"},
        {"{'type':'a','name':'a','memory':'1m'}", "memory"},
        {"{'type':'a','name':'a','memory':'9t'}", "memory"},
        {"{'type':'a','name':'a','plain':'pg'}", "plain"},
        {"{'type':'a','name':'a','plain':['pg',1]}", "plain[1]"},
        {"{'type':'a','name':'a','params':[]}", "params"},
        {"{'type':'a','name':'a','params':{'x':null}}", "params.x"},
        {"{'type':'a','name':'a','params':{'x':['a',2]}}", "params.x[1]"},
        {"{'type':'a','name':'a','params':{'x':{'y':[]}}}", "params.x.y"},
        {"{'type':'a','name':'a','labels':{'lattice.node':'x'}}", "labels"},
        {"{'type':'a','name':'a','labels':{'a b':'x'}}", "labels"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        check_gives(lat_spec_check, bad[i].spec, LAT_E_INVALID_FIELD, bad[i].field);
    }
    check_gives(lat_spec_check, "[]", LAT_E_INVALID, "");
}

static void an_attack_is_refused_wherever_it_stands_in_a_spec(void **state)
{
    (void)state;
    check_gives(lat_spec_check, "{'type':'a','name':'a','privileged':true}", LAT_E_NOT_ALLOWED,
                "privileged");
    check_gives(lat_spec_check, "{'type':'a','name':'a','params':{'privileged':true}}",
                LAT_E_NOT_ALLOWED, "params.privileged");
    check_gives(lat_spec_check, "{'type':'a','name':'a','params':{'CapAdd':['SYS_ADMIN']}}",
                LAT_E_NOT_ALLOWED, "params.CapAdd");
    check_gives(lat_spec_check, "{'type':'a','name':'a','params':{'network-mode':'host'}}",
                LAT_E_NOT_ALLOWED, "params.network-mode");
}

static void a_spec_is_bounded(void **state)
{
    (void)state;
    struct lat_err err;
    cJSON *spec = json_of("{'type':'a','name':'a','params':{}}");
    cJSON *params = lat_json_get(spec, "params");
    char *text = malloc(LAT_ENV_VALUE_MAX + 2);
    char name[16];

    memset(text, 'x', LAT_ENV_VALUE_MAX + 1);
    text[LAT_ENV_VALUE_MAX + 1] = '\0';
    for (int i = 0; i < 9; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        cJSON_AddStringToObject(params, name, text);
    }
    assert_int_equal(lat_spec_check(spec, &err), LAT_E_TOO_LARGE);
    cJSON_Delete(spec);

    spec = json_of("{'type':'a','name':'a','params':{'x':[]}}");
    cJSON *array = lat_json_get(lat_json_get(spec, "params"), "x");
    cJSON_AddItemToArray(array, cJSON_CreateString(text));
    assert_int_equal(lat_spec_check(spec, &err), LAT_E_INVALID_FIELD);
    text[LAT_ENV_VALUE_MAX] = '\0';
    cJSON_ReplaceItemInArray(array, 0, cJSON_CreateString(text));
    assert_int_equal(lat_spec_check(spec, &err), 0);
    cJSON_Delete(spec);
    free(text);
}

static void resources_are_read(void **state)
{
    (void)state;
    cJSON *spec = json_of("{'cpu':0.25,'memory':'128m'}");
    assert_int_equal(lat_spec_cpu_milli(spec), 250);
    assert_int_equal(lat_spec_memory_bytes(spec), 128 << 20);
    cJSON_Delete(spec);
    spec = json_of("{'cpu':'1.5'}");
    assert_int_equal(lat_spec_cpu_milli(spec), 1500);
    assert_int_equal(lat_spec_memory_bytes(spec), 0);
    cJSON_Delete(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_dns_labels),
        cmocka_unit_test(images_are_what_docker_pulls),
        cmocka_unit_test(images_are_named_as_engines_list_them),
        cmocka_unit_test(good_specs_pass),
        cmocka_unit_test(bad_specs_name_the_field),
        cmocka_unit_test(an_attack_is_refused_wherever_it_stands_in_a_spec),
        cmocka_unit_test(a_spec_is_bounded),
        cmocka_unit_test(resources_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
