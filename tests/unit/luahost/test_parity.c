/* The shipped placement policy in Lua and the built-in one in C: the same questions, the same answers. */
#include "tests/unit/luahost/fixture.h"

#include "base/mem.h"
#include "io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES = 64, ROUNDS = 40 };

struct both {
    bool done;
    const struct lat_decision *builtin;
};

static void compare(void *arg, const struct lat_decision *decision)
{
    struct both *both = arg;

    both->done = true;
    assert_int_equal(decision->fallback.code, LAT_OK);
    assert_string_equal(decision->policy, "placement 7");
    assert_int_equal(decision->node_count, both->builtin->node_count);
    for (size_t i = 0; i < decision->node_count; i++) {
        const struct lat_decision_node *lua = &decision->nodes[i];
        const struct lat_decision_node *c = &both->builtin->nodes[i];

        assert_string_equal(lua->id, c->id);
        assert_int_equal(lua->verdict, c->verdict);
        assert_string_equal(lua->reason, c->reason);
        assert_memory_equal(&lua->score, &c->score, sizeof(double));
    }
}

/* A number that is often at an edge. */
static int64_t some(struct lat_random *random, int64_t max)
{
    switch (lat_random_below(random, 8)) {
    case 0: return 0;
    case 1: return max;
    default: return (int64_t)lat_random_below(random, (uint64_t)max + 1);
    }
}

static void lua_and_c_decide_the_same(void **state)
{
    struct fixture *fixture = *state;
    struct lat_buf text = {0};

    assert_int_equal(
        lat_file_read(LAT_TEST_ROOT "/policies/placement/placement.lua", 1 << 20, &text, NULL), 0);
    assert_int_equal(fixture_load_policy(fixture, lat_buf_text(&text), NULL), 0);
    lat_buf_done(&text);
    for (int round = 0; round < ROUNDS; round++) {
        struct lat_placement_node nodes[NODES] = {{0}};
        char ids[NODES][16];

        for (int i = 0; i < NODES; i++) {
            snprintf(ids[i], sizeof(ids[i]), "n%d", i);
            nodes[i] = (struct lat_placement_node){
                .id = ids[i],
                .name = ids[i],
                .healthy = some(fixture->random, 9) > 0,
                .labels = "{\"disk\":\"ssd\"}",
                .cpu_milli = some(fixture->random, 64000),
                .memory_bytes = some(fixture->random, 1LL << 38),
                .free_cpu_milli = some(fixture->random, 64000) - some(fixture->random, 100),
                .free_memory_bytes =
                    some(fixture->random, 1LL << 38) - some(fixture->random, 1 << 20),
                .workload_instances = some(fixture->random, 5),
            };
        }
        struct lat_placement placement = {
            .workload = {.id = "w",
                         .name = "w",
                         .count = 1,
                         .cpu_milli = some(fixture->random, 16000),
                         .memory_bytes = some(fixture->random, 1LL << 34)},
            .nodes = nodes,
            .node_count = NODES,
        };
        struct lat_decision builtin = {.node_count = 0};
        struct both both = {.builtin = &builtin};

        lat_placement_decide(&placement, &builtin);
        lat_luahost_place(fixture->host, &placement, compare, &both);
        assert_true(lat_loop_run_until(fixture->loop, &both.done, 30000));
        lat_decision_done(&builtin);
    }
}

/* What C writes of a node and a workload is what lua/api/api.lua describes, no more and no less. */
static void question_has_the_described_fields(void **state)
{
    static const char policy[] =
        "local node_fields = { 'id', 'name', 'pool', 'architecture', 'os', 'healthy', 'on_battery', 'labels',\n"
        "  'attributes', 'cpu', 'free_cpu', 'memory', 'free_memory', 'disk', 'free_disk', 'bandwidth',\n"
        "  'free_bandwidth', 'allocations', 'rank', 'gpus', 'free_gpus', 'gpu_model', 'gpu_memory',\n"
        "  'free_gpu_share', 'available_seconds', 'workload_instances', 'has_image', 'has_data' }\n"
        "local workload_fields = { 'id', 'name', 'project', 'type', 'kind', 'pool', 'labels', 'count', 'cpu',\n"
        "  'memory', 'disk', 'bandwidth', 'gpus', 'gpu_share', 'gpu_model', 'gpu_memory', 'priority' }\n"
        "local optional = { gpu_model = true, pool = true }\n"
        "local function check(object, names)\n"
        "  local known = {}\n"
        "  for _, name in ipairs(names) do\n"
        "    known[name] = true\n"
        "    assert(object[name] ~= nil or optional[name], name)\n"
        "  end\n"
        "  for name in pairs(object) do assert(known[name], name) end\n"
        "end\n"
        "function score(node, workload)\n"
        "  check(node, node_fields)\n"
        "  check(workload, workload_fields)\n"
        "  return 1\n"
        "end\n";
    struct fixture *fixture = *state;
    struct lat_placement_node node = {.id = "n"};
    struct lat_placement placement = {.workload = {.id = "w"}, .nodes = &node, .node_count = 1};
    struct lat_buf question = {0};
    struct lat_err err;

    /* Loading runs it on the description's examples, asking on what C writes. */
    if (fixture_load_policy(fixture, policy, &err) != 0) {
        fail_msg("%s", err.sentence);
    }
    lat_placement_write(&placement, &question);
    struct result result =
        fixture_ask(fixture, LAT_LUAHOST_POLICY, "placement", "decide", lat_buf_text(&question));

    if (result.value == NULL) {
        fail_msg("%s", result.err.sentence);
    }
    free(result.value);
    lat_buf_done(&question);
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lua_and_c_decide_the_same, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(question_has_the_described_fields, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return fixture_main(argc, argv, run);
}
