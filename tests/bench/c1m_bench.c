/* A million instances: 1,000 workloads of 1,000 instances on 10,000 nodes, by the shipped policy, each workload an evaluation with its
 * receipt.
 *
 *   c1m_bench kernel ROOT            planned by core/sched alone
 *   c1m_bench durable ROOT FOLDER    and every ALLOCATION and EVALUATION committed to a store on SQLite, in a new folder
 *   c1m_bench receipt ROOT           bytes of a receipt of 1,000 nodes, half of which differ from all others
 *
 * Prints one JSON object. Workloads have ten shapes; nodes are of three sizes, one of fifty is not ready. Each plan is checked, outside of
 * its time, by books of the bench's own: counts, nobody over its capacity; and of every hundredth evaluation, that each choice was the
 * best of all nodes at its time, by a full scan in arithmetic of the bench's own. */
#include "shipped.h"

#include "base/mem.h"
#include "base/random.h"
#include "base/text.h"
#include "sched/plan.h"
#include "store/journal.h"
#include "store/store.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
    NODES = 10000,
    WORKLOADS = 1000,
    INSTANCES = 1000, /* of each */
    SHAPES = 10,
    SAMPLE = 100,        /* of so many evaluations one is checked by full scans */
    OUTSTANDING = 16,    /* transactions that wait for the disk at most */
    NODES_AT_ONCE = 500, /* in one transaction */
};

#define GIB (INT64_C(1) << 30)
#define MIB (INT64_C(1) << 20)

/* What the bench itself knows of a node. */
struct book {
    int64_t cpu, memory, free_cpu, free_memory;
    int64_t instances; /* of the workload that is being checked */
    bool is_ready;
};

struct bench {
    lua_State *lua;
    struct lat_program *program;
    struct lat_frame *frame;
    struct lat_planner *planner;
    struct lat_random *random;
    struct book *books; /* by row */
    size_t nodes;
    double seconds; /* of planning */
    size_t receipt_bytes;
    size_t placed;
    /* durable */
    struct lat_loop *loop;
    struct lat_store *store;
    size_t outstanding;
    bool may_go_on;
};

static _Noreturn void end(const char *what, const char *why)
{
    fprintf(stderr, "c1m_bench: %s: %s\n", what, why);
    exit(1);
}

static void check(int rc, const struct lat_err *err)
{
    if (rc != 0) {
        end("error", err->sentence);
    }
}

static double now_s(void)
{
    return (double)lat_clock_boot_ns(lat_clock_system()) / 1e9;
}

/* The processor's time of this process: what one core gives, whoever else it works for meanwhile. */
static double worked_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- the fleet ---- */

static struct lat_node *make_node(struct bench *bench, size_t number)
{
    static const int64_t sizes[][2] = {{32, 64}, {48, 96}, {64, 128}};
    struct lat_node *node = lat_node_new();
    const int64_t *size = sizes[lat_random_below(bench->random, LAT_COUNT(sizes))];
    char text[80];

    snprintf(text, sizeof(text), "node-%05zu", number);
    lat_row_set(node->name, text);
    snprintf(text, sizeof(text), "%064zu", number);
    lat_row_set(node->key_digest, text);
    lat_row_set(node->pool, "default");
    lat_row_set(node->labels, "{\"zone\":\"a\"}");
    lat_row_set(node->status, number % 50 == 7 ? "unreachable" : "ready");
    lat_row_set(node->reason, number % 50 == 7 ? "no link" : "");
    node->number = (int64_t)number + 1;
    node->cpu_milli = size[0] * 1000;
    node->memory_bytes = size[1] * GIB;
    return node;
}

static void add_to_frame(struct bench *bench, const struct lat_node *node)
{
    struct lat_err err;
    size_t row;

    check(lat_frame_put(bench->frame, node, &err), &err);
    row = lat_frame_row(bench->frame, node->row.id);
    bench->books[row] = (struct book){.cpu = node->cpu_milli,
                                      .memory = node->memory_bytes,
                                      .free_cpu = node->cpu_milli,
                                      .free_memory = node->memory_bytes,
                                      .is_ready = lat_text_equal(node->status, "ready")};
}

static struct lat_workload *make_workload(int number)
{
    struct lat_workload *workload = lat_workload_new();
    char text[40];

    snprintf(text, sizeof(text), "workload-%04d", number);
    lat_row_set(workload->name, text);
    lat_row_set(workload->type, "custom");
    lat_row_set(workload->kind, "service");
    lat_row_set(workload->desired, "running");
    lat_row_set(workload->status, "pending");
    workload->count = INSTANCES;
    workload->generation = 1;
    workload->cpu_milli = 100 + 50 * (number % SHAPES);
    workload->memory_bytes = (64 + 64 * (int64_t)(number % SHAPES)) * MIB;
    return workload;
}

static struct bench *open_bench(const char *root, size_t nodes)
{
    struct bench *bench = LAT_NEW(struct bench);

    bench->nodes = nodes;
    bench->lua = luaL_newstate();
    luaL_openlibs(bench->lua);
    bench->program = shipped_program(bench->lua, root);
    if (!bench->program) {
        end("policy", lua_tostring(bench->lua, -1));
    }
    bench->random = lat_random_new_seeded(1);
    bench->frame = lat_frame_new();
    bench->planner = lat_planner_new(bench->frame);
    bench->books = lat_alloc_array(nodes, sizeof(*bench->books));
    return bench;
}

static void close_bench(struct bench *bench)
{
    lat_planner_free(bench->planner);
    lat_frame_free(bench->frame);
    lat_program_unref(bench->program);
    lat_random_free(bench->random);
    lua_close(bench->lua);
    free(bench->books);
    free(bench);
}

/* ---- checking ---- */

static bool is_open_to(const struct book *book, const struct lat_workload *workload)
{
    return book->is_ready && book->free_cpu >= workload->cpu_milli &&
           book->free_memory >= workload->memory_bytes;
}

/* The shipped policy's score, in the order of its operations. */
static double score_of(const struct book *book)
{
    double free_cpu = ((double)book->free_cpu / 1000) / ((double)book->cpu / 1000);
    double free_memory = (double)book->free_memory / (double)book->memory;

    return 500 * free_cpu + 500 * free_memory - 1000 * (double)book->instances;
}

static void expect_best(const struct bench *bench, const struct lat_workload *workload, size_t row)
{
    double score = score_of(&bench->books[row]);

    for (size_t other = 0; other < bench->nodes; other++) {
        if (is_open_to(&bench->books[other], workload) && score_of(&bench->books[other]) > score) {
            end("a plan", "another node would have been better");
        }
    }
}

/* Enters a plan into the books. */
static void audit(struct bench *bench, const struct lat_workload *workload, const uint32_t *rows,
                  size_t placed, bool by_full_scan)
{
    if (placed != INSTANCES) {
        end("a plan", "not every instance was placed");
    }
    for (size_t i = 0; i < placed; i++) {
        struct book *book = &bench->books[rows[i]];

        if (!is_open_to(book, workload)) {
            end("a plan", "a node that is full or not ready was taken");
        }
        if (by_full_scan) {
            expect_best(bench, workload, rows[i]);
        }
        book->free_cpu -= workload->cpu_milli;
        book->free_memory -= workload->memory_bytes;
        book->instances++;
    }
    for (size_t row = 0; row < bench->nodes; row++) {
        bench->books[row].instances = 0;
    }
    bench->placed += placed;
}

static void audit_end(const struct bench *bench)
{
    if (bench->placed != (size_t)WORKLOADS * INSTANCES) {
        end("the plans", "the sum is not a million");
    }
    for (size_t row = 0; row < bench->nodes; row++) {
        const struct book *book = &bench->books[row];

        if (book->free_cpu < 0 || book->free_memory < 0 ||
            lat_frame_free_of(bench->frame, row, LAT_RESOURCE_CPU) != book->free_cpu ||
            lat_frame_free_of(bench->frame, row, LAT_RESOURCE_MEMORY) != book->free_memory) {
            end("the plans", "a node's books do not balance");
        }
    }
}

/* ---- planning ---- */

/* Plans a workload's instances and packs the receipt; the plan is to be freed. */
static struct lat_plan *plan(struct bench *bench, const struct lat_workload *workload, int number,
                             size_t *ret_placed, struct lat_buf *receipt)
{
    const struct lat_request request = {
        .workload = workload, .project = "main", .need = lat_need_of_workload(workload)};
    double begun = worked_s();
    struct lat_plan *made =
        lat_plan_new(bench->planner, &request, (uint64_t)number * UINT64_C(0x9e3779b97f4a7c15));
    struct lat_err err;

    check(lat_plan_judge(made, bench->program, "placement 1", &err), &err);
    check(lat_plan_place(made, INSTANCES, ret_placed, &err), &err);
    lat_plan_receipt(made, receipt);
    lat_plan_keep(made);
    bench->seconds += worked_s() - begun;
    bench->receipt_bytes += receipt->len;
    audit(bench, workload, lat_plan_rows(made), *ret_placed, number % SAMPLE == 0);
    return made;
}

static void run_kernel(const char *root)
{
    struct bench *bench = open_bench(root, NODES);

    for (size_t i = 0; i < NODES; i++) {
        struct lat_node *node = make_node(bench, i);

        snprintf(node->row.id, sizeof(node->row.id), "node-%zu", i);
        add_to_frame(bench, node);
        lat_row_unref(&node->row);
    }
    for (int i = 0; i < WORKLOADS; i++) {
        struct lat_workload *workload = make_workload(i);
        struct lat_buf receipt = {0};
        size_t placed = 0;
        struct lat_plan *made = plan(bench, workload, i, &placed, &receipt);
        double begun = worked_s();

        lat_plan_free(made);
        bench->seconds += worked_s() - begun;
        lat_buf_done(&receipt);
        lat_row_unref(&workload->row);
    }
    audit_end(bench);
    printf("{\"seconds\":%.4f,\"receipt_bytes_10000\":%zu,\"placed\":%zu}\n", bench->seconds,
           bench->receipt_bytes / WORKLOADS, bench->placed);
    close_bench(bench);
}

/* ---- durable ---- */

static void on_durable(void *arg, const struct lat_err *err)
{
    struct bench *bench = arg;

    check(err ? err->code : 0, err);
    bench->outstanding--;
    bench->may_go_on = true;
}

static void commit(struct bench *bench, struct lat_txn *txn)
{
    struct lat_err err;

    bench->outstanding++;
    check(lat_txn_commit(txn, on_durable, bench, &err), &err);
}

/* Runs the loop until at most so many transactions wait for the disk. */
static void wait_for_disk(struct bench *bench, size_t most)
{
    while (bench->outstanding > most) {
        bench->may_go_on = false;
        lat_loop_run_until(bench->loop, &bench->may_go_on, 1000);
    }
}

static void make_rows(struct bench *bench, const struct lat_workload **ret_workloads)
{
    struct lat_txn *txn = NULL;

    for (size_t i = 0; i < NODES; i++) {
        txn = txn ? txn : lat_txn_begin(bench->store, "");
        add_to_frame(bench, (const struct lat_node *)lat_txn_put(txn, &make_node(bench, i)->row));
        if (i % NODES_AT_ONCE == NODES_AT_ONCE - 1) {
            commit(bench, txn);
            txn = NULL;
        }
    }
    wait_for_disk(bench, 0);
    txn = lat_txn_begin(bench->store, "");
    for (int i = 0; i < WORKLOADS; i++) {
        ret_workloads[i] =
            (const struct lat_workload *)lat_row_ref(lat_txn_put(txn, &make_workload(i)->row));
    }
    commit(bench, txn);
    wait_for_disk(bench, 0);
}

static void put_allocation(const struct lat_workload *workload, const struct lat_node *node,
                           size_t ordinal, struct lat_txn *txn, int64_t now)
{
    struct lat_allocation *allocation = lat_allocation_new();

    lat_row_set(allocation->workload_id, workload->row.id);
    lat_row_set(allocation->node_id, node->row.id);
    allocation->ordinal = (int64_t)ordinal;
    allocation->generation = 1;
    allocation->spec_generation = 1;
    allocation->cpu_milli = workload->cpu_milli;
    allocation->memory_bytes = workload->memory_bytes;
    lat_row_set(allocation->desired, "running");
    lat_row_set(allocation->status, "placing");
    allocation->created_at = now;
    allocation->updated_at = now;
    lat_txn_put(txn, &allocation->row);
}

static void evaluate(struct bench *bench, const struct lat_workload *workload, int number)
{
    struct lat_txn *txn = lat_txn_begin(bench->store, "c1m");
    struct lat_evaluation *evaluation = lat_evaluation_new();
    int64_t now = lat_clock_wall_ms(lat_clock_system());
    struct lat_buf text = {0};
    size_t placed = 0;
    struct lat_plan *made = plan(bench, workload, number, &placed, &text);
    const uint32_t *rows = lat_plan_rows(made);

    lat_txn_expect(txn, &workload->row);
    for (size_t i = 0; i < placed; i++) {
        const struct lat_node *node = lat_frame_node(bench->frame, rows[i]);

        lat_txn_expect(txn, &node->row);
        put_allocation(workload, node, i, txn, now);
    }
    lat_row_set(evaluation->workload_id, workload->row.id);
    lat_row_set(evaluation->trigger, "workload_created");
    lat_row_set(evaluation->status, "done");
    lat_row_set(evaluation->receipt, lat_buf_text(&text));
    lat_buf_clear(&text);
    lat_plan_sentence(made, &text);
    lat_row_set(evaluation->reason, lat_buf_text(&text));
    lat_row_set(evaluation->policy, lat_plan_policy(made));
    evaluation->created_at = now;
    lat_txn_put(txn, &evaluation->row);
    lat_plan_free(made);
    lat_buf_done(&text);
    commit(bench, txn);
}

static void run_durable(const char *root, const char *folder)
{
    struct bench *bench = open_bench(root, NODES);
    const struct lat_workload **workloads = lat_alloc_array(WORKLOADS, sizeof(*workloads));
    char *path = lat_text_format("%s/lattice.db", folder);
    struct lat_journal *journal;
    struct lat_err err;
    double begun, durable;

    if (mkdir(folder, 0700) != 0) {
        end(folder, "cannot be made");
    }
    bench->loop = lat_loop_new(lat_clock_system());
    check(lat_journal_open_sqlite(path, NULL, &journal, &err), &err);
    check(lat_store_open(bench->loop, journal, bench->random, NULL, &bench->store, &err), &err);
    make_rows(bench, workloads);
    begun = now_s();
    for (int i = 0; i < WORKLOADS; i++) {
        evaluate(bench, workloads[i], i);
        wait_for_disk(bench, OUTSTANDING);
    }
    wait_for_disk(bench, 0);
    durable = now_s() - begun;
    audit_end(bench);
    if (lat_store_count(bench->store, LAT_TABLE_ALLOCATION) != (size_t)WORKLOADS * INSTANCES) {
        end("the store", "has not a million allocations");
    }
    printf("{\"durable_seconds\":%.3f,\"of_which_planning\":%.3f}\n", durable, bench->seconds);
    for (int i = 0; i < WORKLOADS; i++) {
        lat_row_unref(&workloads[i]->row);
    }
    lat_store_close(bench->store);
    lat_loop_free(bench->loop);
    close_bench(bench);
    free(workloads);
    free(path);
}

/* ---- receipts ---- */

static void run_receipt(const char *root)
{
    enum { FLEET = 1000 };
    struct bench *bench = open_bench(root, FLEET);
    struct lat_workload *workload = make_workload(0);
    const struct lat_request request = {
        .workload = workload, .project = "main", .need = lat_need_of_workload(workload)};
    struct lat_buf packed = {0};
    struct lat_plan *made;
    size_t placed = 0;
    struct lat_err err;

    for (size_t i = 0; i < FLEET; i++) {
        struct lat_node *node = make_node(bench, i);
        struct lat_need need = {
            .of = {[LAT_RESOURCE_CPU] = (int64_t)lat_random_below(bench->random, 30000),
                   [LAT_RESOURCE_MEMORY] =
                       (int64_t)lat_random_below(bench->random, (uint64_t)(60 * GIB))}};

        snprintf(node->row.id, sizeof(node->row.id), "node-%zu", i);
        node->cpu_milli = 32000;
        node->memory_bytes = 64 * GIB;
        add_to_frame(bench, node);
        if (i % 2 == 0) {
            lat_frame_reserve(bench->frame, node->row.id, &need);
        }
        lat_row_unref(&node->row);
    }
    made = lat_plan_new(bench->planner, &request, 0);
    check(lat_plan_judge(made, bench->program, "placement 1", &err), &err);
    check(lat_plan_place(made, 1, &placed, &err), &err);
    lat_plan_receipt(made, &packed);
    printf("{\"receipt_bytes_1000\":%zu}\n", packed.len);
    lat_plan_free(made);
    lat_buf_done(&packed);
    lat_row_unref(&workload->row);
    close_bench(bench);
}

int main(int argc, char **argv)
{
    if (argc == 3 && lat_text_equal(argv[1], "kernel")) {
        run_kernel(argv[2]);
    } else if (argc == 4 && lat_text_equal(argv[1], "durable")) {
        run_durable(argv[2], argv[3]);
    } else if (argc == 3 && lat_text_equal(argv[1], "receipt")) {
        run_receipt(argv[2]);
    } else {
        end("usage", "c1m_bench kernel ROOT | durable ROOT FOLDER | receipt ROOT");
    }
    return 0;
}
