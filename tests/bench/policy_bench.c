/* The shipped placement policy, compiled, over columns of nodes: beside the same by hand, and beside stock Lua.
 *
 *   policy_bench placement ROOT NODES   one JSON object: time of a decision (a full scan for the exact best), compiled and by hand
 *   policy_bench policy ROOT            one JSON object: time of a pass over 10,000 nodes, compiled, by hand, and in Lua
 *
 * ROOT is the repository: the policy and its compiler are read there. Nodes are of mixed sizes, three quarters full, some of
 * them not healthy. A decision is about one of 64 workloads of mixed sizes, of which ten instances run already; the chosen
 * node gives what is reserved, and the node that was chosen 5,000 decisions ago gets it back, so that two nodes change
 * between decisions. Rivals read the same columns; what they keep they keep up to date by themselves, and everything is
 * inside of their time. All of them must choose the same nodes with the same scores. */
#include "policy_bench.h"
#include "shipped.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "policy/program.h"
#include "sched/vector.h"

#include <lauxlib.h>
#include <lualib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    WORKLOADS = 64,
    INSTANCES = 10,
    KEPT = 5000,       /* decisions until a reservation is given back */
    DECISIONS = 10000, /* of one timing, at 10,000 nodes */
    PASSES = 2000,
    TURNS = 9, /* of each way, in turns; the median counts */
    PASS_NODES = 10000,
};

struct workload {
    double cpu;
    int64_t memory;
    size_t instances[INSTANCES]; /* rows */
    struct lat_record *record;
};

struct bench {
    lua_State *lua;
    struct lat_columns *columns;
    struct lat_program *program;
    struct lat_vector *vector;
    struct hand hand;
    struct workload workloads[WORKLOADS];
    size_t nodes;
};

struct decision {
    size_t row;
    double score;
};

static _Noreturn void end(const char *what, const char *why)
{
    fprintf(stderr, "policy_bench: %s: %s\n", what, why);
    exit(1);
}

/* The processor's time of this process: what one core gives, whoever else it works for meanwhile. */
static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* ---- the policy ---- */

static void load_policy(struct bench *bench, const char *root)
{
    bench->lua = luaL_newstate();
    luaL_openlibs(bench->lua);
    bench->program = shipped_program(bench->lua, root);
    if (!bench->program) {
        end("program", lua_tostring(bench->lua, -1));
    }
}

/* ---- the nodes ---- */

static void fill_nodes(struct bench *bench, struct lat_random *random)
{
    for (size_t i = 0; i < bench->nodes; i++) {
        size_t row = 0;
        double cpu = (double)(4 << lat_random_below(random, 5));
        int64_t memory = (int64_t)cpu << 32;

        if (lat_columns_add(bench->columns, &row, NULL) != 0) {
            end("nodes", "too many");
        }
        lat_columns_set_bool(bench->columns, row, LAT_FIELD_node_healthy,
                             lat_random_below(random, 50) != 0);
        lat_columns_set_float(bench->columns, row, LAT_FIELD_node_cpu, cpu);
        lat_columns_set_int(bench->columns, row, LAT_FIELD_node_memory, memory);
        lat_columns_set_float(bench->columns, row, LAT_FIELD_node_free_cpu,
                              cpu / 4 + (double)lat_random_below(random, 1000) / 1000);
        lat_columns_set_int(bench->columns, row, LAT_FIELD_node_free_memory,
                            memory / 4 + (int64_t)lat_random_below(random, 1 << 30));
    }
    for (size_t i = 0; i < WORKLOADS; i++) {
        struct workload *workload = &bench->workloads[i];

        workload->cpu = (double)(1 + lat_random_below(random, 40)) / 10;
        workload->memory = (int64_t)(1 + lat_random_below(random, 64)) << 26;
        workload->record = lat_record_new(bench->columns);
        lat_record_set_float(workload->record, LAT_FIELD_workload_cpu, workload->cpu);
        lat_record_set_int(workload->record, LAT_FIELD_workload_memory, workload->memory);
        for (size_t k = 0; k < INSTANCES; k++) {
            workload->instances[k] = lat_random_below(random, bench->nodes);
        }
    }
}

static void bind_hand(struct bench *bench)
{
    size_t rows = lat_columns_blocks(bench->columns) * LAT_COLUMNS_BLOCK;
    double *share = aligned_alloc(64, rows * sizeof(*share));

    LAT_ASSERT(share != NULL);
    memset(share, 0, rows * sizeof(*share));
    bench->hand = (struct hand){
        .healthy = lat_columns_bits(bench->columns, LAT_FIELD_node_healthy),
        .alive = lat_columns_alive(bench->columns),
        .paired = lat_columns_paired(bench->columns),
        .cpu = lat_columns_floats(bench->columns, LAT_FIELD_node_cpu),
        .free_cpu = lat_columns_floats(bench->columns, LAT_FIELD_node_free_cpu),
        .memory = lat_columns_ints(bench->columns, LAT_FIELD_node_memory),
        .free_memory = lat_columns_ints(bench->columns, LAT_FIELD_node_free_memory),
        .instances = lat_columns_ints(bench->columns, LAT_FIELD_node_workload_instances),
        .share = share,
        .rows = bench->nodes,
        .words = rows / 64,
    };
    for (size_t row = 0; row < bench->nodes; row++) {
        hand_renew(&bench->hand, row);
    }
}

static void build(struct bench *bench, const char *root, size_t nodes)
{
    struct lat_random *random = lat_random_new_seeded(nodes);

    load_policy(bench, root);
    bench->nodes = nodes;
    bench->columns = lat_columns_new();
    fill_nodes(bench, random);
    bench->vector = lat_vector_new(bench->program, bench->columns);
    bind_hand(bench);
    lat_random_free(random);
}

static void clean(struct bench *bench)
{
    for (size_t i = 0; i < WORKLOADS; i++) {
        lat_record_free(bench->workloads[i].record);
    }
    free(bench->hand.share);
    lat_vector_free(bench->vector);
    lat_program_unref(bench->program);
    lat_columns_free(bench->columns);
    lua_close(bench->lua);
}

/* ---- decisions ---- */

/* Reserves on a node, or gives back (times -1). */
static void reserve(struct bench *bench, size_t row, const struct workload *workload, int times,
                    bool by_hand)
{
    lat_columns_set_float(bench->columns, row, LAT_FIELD_node_free_cpu,
                          bench->hand.free_cpu[row] - times * workload->cpu);
    lat_columns_set_int(bench->columns, row, LAT_FIELD_node_free_memory,
                        bench->hand.free_memory[row] - times * workload->memory);
    if (by_hand) {
        hand_renew(&bench->hand, row);
    }
}

static void decide(struct bench *bench, int way, const struct workload *workload,
                   struct decision *ret)
{
    *ret = (struct decision){.row = SIZE_MAX};
    for (size_t i = 0; i < INSTANCES; i++) {
        lat_columns_set_int(bench->columns, workload->instances[i],
                            LAT_FIELD_node_workload_instances, 1 + (int64_t)i / 4);
    }
    if (way < HAND_WAYS) {
        ret->row = hand_best(&bench->hand, (enum hand_keeps)way, workload->cpu, workload->memory,
                             &ret->score);
    } else {
        struct lat_err err = {.sentence = ""};

        if (lat_vector_best(bench->vector, workload->record, NULL, 0, &ret->row, &ret->score,
                            &err) != 0) {
            end("decision", err.sentence);
        }
    }
    lat_columns_clear_pairs(bench->columns);
}

/* Runs `count` decisions and takes everything back afterwards; returns microseconds of one, without the taking back. */
static double decide_many(struct bench *bench, int way, size_t count, struct decision *decisions)
{
    bool by_hand = way < HAND_WAYS;
    double begin = now_us();

    for (size_t i = 0; i < count; i++) {
        const struct workload *workload = &bench->workloads[i % WORKLOADS];

        decide(bench, way, workload, &decisions[i]);
        if (decisions[i].row != SIZE_MAX) {
            reserve(bench, decisions[i].row, workload, 1, by_hand);
        }
        if (i >= KEPT && decisions[i - KEPT].row != SIZE_MAX) {
            reserve(bench, decisions[i - KEPT].row, &bench->workloads[(i - KEPT) % WORKLOADS], -1,
                    by_hand);
        }
    }
    double took = now_us() - begin;

    return took / (double)count;
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return (left > right) - (left < right);
}

static double median(double *times)
{
    qsort(times, TURNS, sizeof(*times), by_size);
    return times[TURNS / 2];
}

/* What was free before anybody decided, so that each turn begins alike. */
struct before {
    double *cpu;
    int64_t *memory;
};

static struct before remember(const struct bench *bench)
{
    struct before before = {lat_alloc_array(bench->nodes, sizeof(double)),
                            lat_alloc_array(bench->nodes, sizeof(int64_t))};

    memcpy(before.cpu, bench->hand.free_cpu, bench->nodes * sizeof(double));
    memcpy(before.memory, bench->hand.free_memory, bench->nodes * sizeof(int64_t));
    return before;
}

static void restore(struct bench *bench, const struct before *before)
{
    for (size_t row = 0; row < bench->nodes; row++) {
        lat_columns_set_float(bench->columns, row, LAT_FIELD_node_free_cpu, before->cpu[row]);
        lat_columns_set_int(bench->columns, row, LAT_FIELD_node_free_memory, before->memory[row]);
        hand_renew(&bench->hand, row);
    }
}

static void bench_placement(struct bench *bench)
{
    size_t count = DECISIONS * 10000 / bench->nodes;
    struct decision *decisions[HAND_WAYS + 1];
    double times[HAND_WAYS + 1][TURNS];
    struct before before = remember(bench);

    count = count < 2000 ? 2000 : count > 50000 ? 50000 : count;
    for (int way = 0; way <= HAND_WAYS; way++) {
        decisions[way] = lat_alloc_array(count, sizeof(**decisions));
    }
    for (int turn = -1; turn < TURNS; turn++) { /* the first one warms up */
        for (int way = 0; way <= HAND_WAYS; way++) {
            double took = decide_many(bench, way, count, decisions[way]);

            times[way][turn < 0 ? 0 : turn] = took;
            restore(bench, &before);
        }
    }
    for (int way = 0; way < HAND_WAYS; way++) {
        if (memcmp(decisions[way], decisions[HAND_WAYS], count * sizeof(**decisions)) != 0) {
            end("placement", "the hand-written policy decides otherwise");
        }
    }
    printf("{\"nodes\": %zu, \"decisions\": %zu, \"us\": %.3f, \"hand_us\": [%.3f, %.3f, %.3f], "
           "\"hand\": \"%s\"}\n",
           bench->nodes, count, median(times[HAND_WAYS]), median(times[HAND_KEEPS_NOTHING]),
           median(times[HAND_KEEPS_SHARES]), median(times[HAND_KEEPS_PAIRS]), hand_instructions());
    for (int way = 0; way <= HAND_WAYS; way++) {
        free(decisions[way]);
    }
    free(before.cpu);
    free(before.memory);
}

/* ---- passes ---- */

static const char pass_in_lua[] = "local nodes, workload = ...\n"
                                  "local filter, score, passing, scores = filter, score, {}, {}\n"
                                  "for i = 1, #nodes do passing[i], scores[i] = false, 0.0 end\n"
                                  "return function()\n"
                                  "    for i = 1, #nodes do\n"
                                  "        local node = nodes[i]\n"
                                  "        local pass = filter(node, workload)\n"
                                  "        passing[i] = pass\n"
                                  "        if pass then scores[i] = score(node, workload) end\n"
                                  "    end\n"
                                  "    return passing, scores\n"
                                  "end\n";

static void set_number(lua_State *lua, const char *name, double value)
{
    lua_pushnumber(lua, value);
    lua_setfield(lua, -2, name);
}

static void set_integer(lua_State *lua, const char *name, int64_t value)
{
    lua_pushinteger(lua, value);
    lua_setfield(lua, -2, name);
}

/* Leaves a function on the stack that runs the policy over plain tables. */
static void push_lua_pass(struct bench *bench, const struct workload *workload)
{
    lua_State *lua = bench->lua;

    if (luaL_loadstring(lua, pass_in_lua) != LUA_OK) {
        end("lua", lua_tostring(lua, -1));
    }
    lua_createtable(lua, (int)bench->nodes, 0);
    for (size_t row = 0; row < bench->nodes; row++) {
        lua_createtable(lua, 0, 6);
        lua_pushboolean(lua, (int)(bench->hand.healthy[row / 64] >> (row % 64) & 1));
        lua_setfield(lua, -2, "healthy");
        set_number(lua, "cpu", bench->hand.cpu[row]);
        set_number(lua, "free_cpu", bench->hand.free_cpu[row]);
        set_integer(lua, "memory", bench->hand.memory[row]);
        set_integer(lua, "free_memory", bench->hand.free_memory[row]);
        set_integer(lua, "workload_instances", bench->hand.instances[row]);
        lua_rawseti(lua, -2, (lua_Integer)row + 1);
    }
    lua_createtable(lua, 0, 2);
    set_number(lua, "cpu", workload->cpu);
    set_integer(lua, "memory", workload->memory);
    if (lua_pcall(lua, 2, 1, 0) != LUA_OK) {
        end("lua", lua_tostring(lua, -1));
    }
}

/* Runs it once; leaves what it returned on the stack when `keep` says so. */
static double run_lua(struct bench *bench, bool keep)
{
    double begin = now_us();

    lua_pushvalue(bench->lua, 1);
    if (lua_pcall(bench->lua, 0, keep ? 2 : 0, 0) != LUA_OK) {
        end("lua", lua_tostring(bench->lua, -1));
    }
    return now_us() - begin;
}

struct result {
    uint64_t *pass;
    double *scores;
};

static void pass_once(struct bench *bench, int way, const struct workload *workload,
                      struct result *result)
{
    struct lat_err err = {.sentence = ""};

    if (way < HAND_WAYS) {
        hand_run(&bench->hand, (enum hand_keeps)way, workload->cpu, workload->memory, result->pass,
                 result->scores);
    } else if (lat_vector_run(bench->vector, workload->record, NULL, result->pass, result->scores,
                              &err) != 0) {
        end("pass", err.sentence);
    }
}

static double pass_many(struct bench *bench, int way, const struct workload *workload,
                        struct result *result)
{
    double begin = now_us();

    for (int i = 0; i < PASSES; i++) {
        pass_once(bench, way, workload, result);
    }
    return (now_us() - begin) / PASSES;
}

/* As pass_many, with every node changed before each pass, outside of the time. */
static double pass_cold(struct bench *bench, const struct workload *workload, struct result *result)
{
    double took = 0;
    int count = PASSES / 20;

    for (int i = 0; i < count; i++) {
        for (size_t row = 0; row < bench->nodes; row++) {
            lat_columns_set_int(bench->columns, row, LAT_FIELD_node_allocations, i + 1);
        }
        double begin = now_us();

        pass_once(bench, HAND_WAYS, workload, result);
        took += now_us() - begin;
    }
    return took / count;
}

static void compare(const struct bench *bench, const struct result *a, const struct result *b,
                    const char *who)
{
    for (size_t row = 0; row < bench->nodes; row++) {
        uint64_t bit = UINT64_C(1) << (row % 64);

        if ((a->pass[row / 64] & bit) != (b->pass[row / 64] & bit) ||
            ((a->pass[row / 64] & bit) != 0 &&
             memcmp(&a->scores[row], &b->scores[row], sizeof(double)) != 0)) {
            end("pass", who);
        }
    }
}

static void compare_lua(struct bench *bench, const struct result *result)
{
    (void)run_lua(bench, true);
    for (size_t row = 0; row < bench->nodes; row++) {
        bool pass = result->pass[row / 64] >> (row % 64) & 1;

        lua_rawgeti(bench->lua, 2, (lua_Integer)row + 1);
        lua_rawgeti(bench->lua, 3, (lua_Integer)row + 1);
        if (lua_toboolean(bench->lua, -2) != pass ||
            (pass && lua_tonumber(bench->lua, -1) != result->scores[row])) {
            end("pass", "Lua says otherwise");
        }
        lua_pop(bench->lua, 2);
    }
    lua_settop(bench->lua, 1);
}

static void bench_policy(struct bench *bench)
{
    enum { COLD = HAND_WAYS + 1, LUA, WAYS };
    struct workload *workload = &bench->workloads[0];
    struct result results[HAND_WAYS + 1];
    double times[WAYS][TURNS];
    size_t rows = lat_columns_blocks(bench->columns) * LAT_COLUMNS_BLOCK;

    for (size_t i = 0; i < INSTANCES; i++) {
        lat_columns_set_int(bench->columns, workload->instances[i],
                            LAT_FIELD_node_workload_instances, 1);
    }
    for (int way = 0; way <= HAND_WAYS; way++) {
        results[way].pass = lat_alloc_array(rows / 64, sizeof(uint64_t));
        results[way].scores = aligned_alloc(64, rows * sizeof(double));
        LAT_ASSERT(results[way].scores != NULL);
    }
    push_lua_pass(bench, workload);
    for (int turn = -1; turn < TURNS; turn++) {
        int slot = turn < 0 ? 0 : turn;

        for (int way = 0; way <= HAND_WAYS; way++) {
            times[way][slot] = pass_many(bench, way, workload, &results[way]);
        }
        times[COLD][slot] = pass_cold(bench, workload, &results[HAND_WAYS]);
        times[LUA][slot] = run_lua(bench, false);
    }
    for (int way = 0; way < HAND_WAYS; way++) {
        compare(bench, &results[way], &results[HAND_WAYS],
                "the hand-written policy says otherwise");
    }
    compare_lua(bench, &results[HAND_WAYS]);
    printf("{\"nodes\": %zu, \"us\": %.3f, \"cold_us\": %.3f, \"hand_us\": [%.3f, %.3f, %.3f], "
           "\"lua_us\": %.1f, \"hand\": \"%s\"}\n",
           bench->nodes, median(times[HAND_WAYS]), median(times[COLD]),
           median(times[HAND_KEEPS_NOTHING]), median(times[HAND_KEEPS_SHARES]),
           median(times[HAND_KEEPS_PAIRS]), median(times[LUA]), hand_instructions());
    for (int way = 0; way <= HAND_WAYS; way++) {
        free(results[way].pass);
        free(results[way].scores);
    }
}

int main(int argc, char **argv)
{
    struct bench bench = {.lua = NULL};
    int64_t nodes = PASS_NODES;

    if (argc == 4 && strcmp(argv[1], "placement") == 0 &&
        lat_text_to_int(argv[3], 1, LAT_COLUMNS_ROWS_MAX, &nodes) == 0) {
        build(&bench, argv[2], (size_t)nodes);
        bench_placement(&bench);
    } else if (argc == 3 && strcmp(argv[1], "policy") == 0) {
        build(&bench, argv[2], (size_t)nodes);
        bench_policy(&bench);
    } else {
        fprintf(stderr, "usage: policy_bench placement ROOT NODES | policy_bench policy ROOT\n");
        return 2;
    }
    clean(&bench);
    return 0;
}
