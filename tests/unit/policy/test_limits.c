/* Programs: how much of each there may be, and how much work. */
#include "policy/program.h"

#include "base/mem.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Returns a program of so many ops, and so many things of each list. */
static cJSON *program_of(int ops, int rules, int terms, int traps, int parts, size_t text)
{
    char *long_text = lat_alloc(text + 1);
    cJSON *json = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(json, "ops");
    const struct {
        const char *name;
        int count;
        const char *what;
    } lists[] = {{"rules", rules, "when"}, {"traps", traps, "when"}, {"terms", terms, "value"}};

    memset(long_text, 'x', text);
    cJSON_AddNumberToObject(json, "version", 1);
    for (int i = 0; i < ops; i++) {
        cJSON_AddItemToArray(
            list, cJSON_Parse(i % 2 == 0 ? "[\"const_b\",true]" : "[\"const_f\",\"0x1p+0\"]"));
    }
    for (size_t k = 0; k < LAT_COUNT(lists); k++) {
        list = cJSON_AddArrayToObject(json, lists[k].name);
        for (int i = 0; i < lists[k].count; i++) {
            cJSON *item = cJSON_CreateObject();

            cJSON_AddNumberToObject(item, lists[k].what, k == 2);
            cJSON_AddNumberToObject(item, "line", 1);
            cJSON_AddStringToObject(item, k == 1 ? "message" : "text", k == 1 ? "" : long_text);
            for (int part = 0; k == 0 && i == 0 && part < parts; part++) {
                cJSON *reason = part == 0 ? cJSON_AddArrayToObject(item, "reason")
                                          : lat_json_get(item, "reason");

                cJSON_AddItemToArray(reason, cJSON_CreateString(""));
            }
            cJSON_AddItemToArray(list, item);
        }
    }
    free(long_text);
    return json;
}

static void every_count_has_its_limit(void **state)
{
    const struct {
        int ops, rules, terms, traps, parts;
        size_t text;
    } limits[] = {
        {LAT_PROGRAM_OPS_MAX, 0, 0, 0, 0, 0},   {2, LAT_PROGRAM_RULES_MAX, 0, 0, 0, 0},
        {2, 0, LAT_PROGRAM_TERMS_MAX, 0, 0, 0}, {2, 0, 0, LAT_PROGRAM_TRAPS_MAX, 0, 0},
        {2, 1, 0, 0, LAT_PROGRAM_PARTS_MAX, 0}, {2, 1, 0, 0, 0, LAT_PROGRAM_TEXT_MAX - 1},
    };

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(limits); i++) {
        for (int past = 0; past < 2; past++) {
            int more[6] = {0};
            struct lat_program *program = NULL;

            more[i] = past;
            cJSON *json = program_of(limits[i].ops + more[0], limits[i].rules + more[1],
                                     limits[i].terms + more[2], limits[i].traps + more[3],
                                     limits[i].parts + more[4], limits[i].text + (size_t)more[5]);

            assert_int_equal(lat_program_read(json, &program, NULL), past ? LAT_E_POLICY : 0);
            lat_program_unref(program);
            cJSON_Delete(json);
        }
    }
}

/* Nothing stops a decision that has begun: 2,000 of the slowest operations would take 10,000 nodes half a minute. */
static void the_work_for_a_node_has_its_limit(void **state)
{
    static const struct {
        const char *op;
        int most;
    } limits[] = {{"fmod_f", 15}, {"mod_f", 15}, {"pow_f", 63}, {"div_f", 4000}};

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(limits); i++) {
        for (int past = 0; past < 2; past++) {
            bool refused = past == 1 && limits[i].most < 4000;
            struct lat_program *program = NULL;
            cJSON *json = program_of(2, 0, 0, 0, 0, 0);
            cJSON *ops = lat_json_get(json, "ops");

            cJSON_AddItemToArray(ops, cJSON_Parse("[\"field\",\"node.cpu\"]"));
            for (int k = 0; k < limits[i].most + past; k++) {
                char *op = lat_text_format("[\"%s\",2,2]", limits[i].op);

                cJSON_AddItemToArray(ops, cJSON_Parse(op));
                free(op);
            }
            assert_int_equal(lat_program_read(json, &program, NULL), refused ? LAT_E_POLICY : 0);
            lat_program_unref(program);
            cJSON_Delete(json);
        }
    }
}

/* What a pattern repeats is tried in many ways: sixteen at once on names of forty bytes take 40 us each. */
static void patterns_cost_by_what_they_repeat(void **state)
{
    static const struct {
        const char *pattern;
        int most;
    } limits[] = {{"abc", 127}, {"a-b*c", 42}, {".-.-.-.-.-.-.-.-.-.-.-.-.-.-.-.-x", 7}};

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(limits); i++) {
        for (int past = 0; past < 2; past++) {
            struct lat_program *program = NULL;
            cJSON *json = program_of(0, 0, 0, 0, 0, 0);
            cJSON *ops = lat_json_get(json, "ops");
            char *text = lat_text_format("[\"const_s\",\"%s\"]", limits[i].pattern);

            cJSON_AddItemToArray(ops, cJSON_Parse("[\"field\",\"node.name\"]"));
            cJSON_AddItemToArray(ops, cJSON_Parse(text));
            free(text);
            for (int k = 0; k < limits[i].most + past; k++) {
                cJSON_AddItemToArray(ops, cJSON_Parse("[\"match_at\",0,1]"));
            }
            assert_int_equal(lat_program_read(json, &program, NULL), past ? LAT_E_POLICY : 0);
            lat_program_unref(program);
            cJSON_Delete(json);
        }
    }
}

/* A text that is made is another one for each node, and stays until all of them have been decided about. */
static void texts_that_are_made_cost_by_their_length(void **state)
{
    static const struct {
        const char *of, *op;
        bool decides;
        int most; /* 0: any number */
    } limits[] = {{"node.name", "[\"upper_s\",0]", true, 40},
                  {"node.name", "[\"concat_s\",0,0]", true, 24},
                  {"node.name", "[\"upper_s\",0]", false, 0},
                  {"workload.name", "[\"upper_s\",0]", true, 0}};

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(limits); i++) {
        for (int past = 0; past < 2; past++) {
            struct lat_program *program = NULL;
            cJSON *json = program_of(0, 0, 0, 0, 0, 0);
            cJSON *ops = lat_json_get(json, "ops");
            char *field = lat_text_format("[\"field\",\"%s\"]", limits[i].of);
            int count = limits[i].most > 0 ? limits[i].most + past : 250;

            cJSON_AddItemToArray(ops, cJSON_Parse(field));
            free(field);
            for (int k = 0; k < count; k++) {
                cJSON_AddItemToArray(ops, cJSON_Parse(limits[i].op));
            }
            for (int k = 0; k < count && limits[i].decides; k++) { /* if one of them is nil */
                char *is_nil = lat_text_format("[\"is_nil\",%d]", 1 + k);
                char *rule =
                    lat_text_format("{\"when\":%d,\"line\":1,\"text\":\"\"}", 1 + count + k);

                cJSON_AddItemToArray(ops, cJSON_Parse(is_nil));
                cJSON_AddItemToArray(lat_json_get(json, "rules"), cJSON_Parse(rule));
                free(is_nil);
                free(rule);
            }
            assert_int_equal(lat_program_read(json, &program, NULL),
                             past == 1 && limits[i].most > 0 ? LAT_E_POLICY : 0);
            lat_program_unref(program);
            cJSON_Delete(json);
        }
    }
}

/* Adds a list of ops, and one again and again (`more` times), where @ is the value before it. */
static void add_ops(cJSON *ops, const char *list, const char *again, int more)
{
    cJSON *first = cJSON_Parse(list);
    const char *at = strchr(again, '@');

    while (cJSON_GetArraySize(first) > 0) {
        cJSON_AddItemToArray(ops, cJSON_DetachItemFromArray(first, 0));
    }
    cJSON_Delete(first);
    for (int i = 0; i < more; i++) {
        char *op = at == NULL ? lat_text_copy(again)
                              : lat_text_format("%.*s%d%s", (int)(at - again), again,
                                                cJSON_GetArraySize(ops) - 1, at + 1);

        cJSON_AddItemToArray(ops, cJSON_Parse(op));
        free(op);
    }
}

/* A text of 16,384 bytes of a name, six times doubled. */
#define LONG_TEXT(name)                                                                            \
    "[\"field\",\"" name "\"],[\"concat_s\",0,0],[\"concat_s\",1,1],[\"concat_s\",2,2],"           \
    "[\"concat_s\",3,3],[\"concat_s\",4,4],[\"concat_s\",5,5]"

/* Nine hundred texts of 16,384 bytes take a tenth of a second: for each node that a rule refuses, or for each decision. Looking
 * through as many takes some milliseconds for each node. */
static void long_texts_cost_wherever_they_are_made_or_looked_at(void **state)
{
    static const struct {
        const char *ops;
        const char *again;
        int most;
        bool tells; /* a rule's reason is what is made last */
    } limits[] = {
        {"[" LONG_TEXT("workload.name") "]", "[\"reverse_s\",@]", 13, false},
        {"[" LONG_TEXT("workload.name") ",[\"field\",\"node.rank\"]]", "[\"byte_s\",6,@]", 15,
         false},
        {"[[\"field\",\"node.name\"]]", "[\"reverse_s\",@]", 81, true},
        {"[[\"field\",\"node.name\"],[\"concat_s\",0,0],[\"concat_s\",1,1],[\"const_s\",\"a-b*c-d-e*f-g*\"]]",
         "[\"match_at\",2,3]", 0, true},
    };

    (void)state;
    for (size_t i = 0; i < LAT_COUNT(limits); i++) {
        for (int past = 0; past < 2; past++) {
            struct lat_program *program = NULL;
            struct lat_err err;
            cJSON *json = program_of(0, 0, 0, 0, 0, 0);
            cJSON *ops = lat_json_get(json, "ops");

            add_ops(ops, limits[i].ops, limits[i].again, limits[i].most + past);
            int made = cJSON_GetArraySize(ops) - 1;

            char *when = lat_text_format("[\"%s\",%d,%d]", i == 0 ? "eq_s" : "eq_i", made, made);

            cJSON_AddItemToArray(ops, cJSON_Parse(limits[i].tells ? "[\"const_b\",false]" : when));
            free(when);
            char *rule = lat_text_format(
                "{\"when\":%d,\"line\":1,\"text\":\"\",\"reason\":[{\"value\":%d}]}", made + 1,
                limits[i].tells ? made : made + 1);

            cJSON_AddItemToArray(lat_json_get(json, "rules"), cJSON_Parse(rule));
            int rc = lat_program_read(json, &program, &err);

            if (rc != (past ? LAT_E_POLICY : 0)) {
                fail_msg("limit %zu, %d past it: %d %s", i, past, rc, rc ? err.sentence : "");
            }
            free(rule);
            lat_program_unref(program);
            cJSON_Delete(json);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_count_has_its_limit),
        cmocka_unit_test(the_work_for_a_node_has_its_limit),
        cmocka_unit_test(patterns_cost_by_what_they_repeat),
        cmocka_unit_test(texts_that_are_made_cost_by_their_length),
        cmocka_unit_test(long_texts_cost_wherever_they_are_made_or_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
