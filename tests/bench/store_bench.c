/* What core/store alone can do: no network, no HTTP, no JSON.
 *
 *   store_bench --json --data-dir FOLDER      the folder is made; what is in it stays there
 *
 * 256 writers, each with one transaction outstanding: a workload with new labels, its note in the change log, one row of the
 * audit trail; for SECONDS on a store of 10,000 workloads and 1,000 nodes. Then the same rows into SQLite by
 * hand, as many of them in a transaction as the store had in a batch, with the same durability: what no store on
 * SQLite can be faster than without being cleverer than its tables. */
#include "store/audit.h"
#include "store/journal.h"
#include "store/sqlite/db_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { WRITERS = 256, WORKLOADS = 10000, NODES = 1000, SECONDS = 3, OPENINGS = 5, AT_ONCE = 500 };

struct bench {
    struct lat_loop *loop;
    struct lat_random *random;
    struct lat_store *store;
    char *path;
    char (*ids)[LAT_ID_SIZE]; /* of the workloads */
    size_t id_count;
    int64_t ends_ns;
    int64_t written;

    size_t waiting; /* writers with a transaction outstanding */
    bool is_idle;
};

struct writer {
    struct bench *bench;
    size_t next; /* workload */
    int64_t round;
};

static void check(int rc, const struct lat_err *err)
{
    if (rc != 0) {
        fprintf(stderr, "store_bench: %s\n", err->sentence);
        exit(1);
    }
}

static int64_t now_ns(void)
{
    return lat_clock_boot_ns(lat_clock_system());
}

static void open_store(struct bench *bench)
{
    struct lat_journal *journal;
    struct lat_err err;

    check(lat_journal_open_sqlite(bench->path, NULL, &journal, &err), &err);
    check(lat_store_open(bench->loop, journal, bench->random, NULL, &bench->store, &err), &err);
}

/* ---- rows ---- */

static void fill(char *text, size_t size, int seed)
{
    for (size_t i = 0; i + 1 < size; i++) {
        text[i] = "abcdefghijklmnopqrstuvwxyz012345"[(i * 7 + (size_t)seed) % 32];
    }
    text[size - 1] = '\0';
}

static struct lat_row *workload(int number)
{
    struct lat_workload *row = lat_workload_new();
    char text[1024];

    fill(text, 256, number);
    lat_row_set(row->spec, text);
    fill(text, 1024, number);
    lat_row_set(row->rendered, text);
    snprintf(text, sizeof(text), "workload-%d", number);
    lat_row_set(row->name, text);
    lat_row_set(row->project_id, "01a1fc3b-3c20-7214-8fab-132ef05731aa");
    lat_row_set(row->type, "postgres");
    lat_row_set(row->desired, "running");
    lat_row_set(row->status, "running");
    lat_row_set(row->reason, "all instances are running");
    lat_row_set(row->request_id, "01a1fc3b-3c20-7214-8fab-132ef05731ab");
    row->count = 1;
    row->created_at = 1795190000000 + number;
    return &row->row;
}

static struct lat_row *node(int number)
{
    struct lat_node *row = lat_node_new();
    char text[80];

    snprintf(text, sizeof(text), "node-%d", number);
    lat_row_set(row->name, text);
    snprintf(text, sizeof(text), "%064d", number);
    lat_row_set(row->key_digest, text);
    lat_row_set(row->labels, "{\"arch\":\"amd64\",\"zone\":\"a\"}");
    lat_row_set(row->status, "ready");
    return &row->row;
}

static void set_idle(void *arg, const struct lat_err *err)
{
    check(err == NULL ? 0 : err->code, err);
    ((struct bench *)arg)->is_idle = true;
}

static void make_rows(struct bench *bench, struct lat_row *(*make)(int number), int count)
{
    struct lat_err err;

    for (int i = 0; i < count;) {
        struct lat_txn *txn = lat_txn_begin(bench->store, "");

        for (int end = i + AT_ONCE; i < count && i < end; i++) {
            const struct lat_row *row = lat_txn_put(txn, make(i));

            if (row->table == LAT_TABLE_WORKLOAD) {
                lat_text_bound(bench->ids[bench->id_count++], LAT_ID_SIZE, row->id);
            }
        }
        bench->is_idle = false;
        check(lat_txn_commit(txn, set_idle, bench, &err), &err);
        while (!lat_loop_run_until(bench->loop, &bench->is_idle, 1000)) {
        }
    }
}

/* ---- the store ---- */

static void stage(struct writer *writer);

static void on_durable(void *arg, const struct lat_err *err)
{
    struct writer *writer = arg;
    struct bench *bench = writer->bench;

    check(err == NULL ? 0 : err->code, err);
    bench->written++;
    bench->waiting--;
    if (now_ns() < bench->ends_ns) {
        stage(writer);
    }
    bench->is_idle = bench->waiting == 0;
}

static void stage(struct writer *writer)
{
    struct bench *bench = writer->bench;
    struct lat_txn *txn = lat_txn_begin(bench->store, "01a1fc3b-3c20-7214-8fab-132ef05731ac");
    struct lat_workload *row = lat_workload_edit((const struct lat_workload *)lat_txn_get(
        txn, LAT_TABLE_WORKLOAD, bench->ids[writer->next % WORKLOADS]));
    char labels[64];
    struct lat_err err;
    const struct lat_audit entry = {
        .actor_kind = "user",
        .actor_id = "01a1fc3b-3c20-7214-8fab-132ef05731ad",
        .actor_name = "somebody",
        .action = "workload.update",
        .object_table = "workload",
        .object_id = row->row.id,
        .object_name = row->name,
        .project_id = row->project_id,
        .address = "192.0.2.17",
    };

    writer->next += WRITERS;
    snprintf(labels, sizeof(labels), "{\"release\":\"%lld\"}", (long long)++writer->round);
    lat_txn_audit(txn, &entry);
    lat_row_set(row->labels, labels);
    row->updated_at = 1795190000000 + writer->round;
    lat_txn_put(txn, &row->row);
    bench->waiting++;
    check(lat_txn_commit(txn, on_durable, writer, &err), &err);
}

static double store_writes(struct bench *bench)
{
    static struct writer writers[WRITERS];
    int64_t begun = now_ns();

    bench->ends_ns = begun + SECONDS * 1000000000LL;
    bench->is_idle = false;
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.bench = bench, .next = i};
        stage(&writers[i]);
    }
    while (!lat_loop_run_until(bench->loop, &bench->is_idle, 1000)) {
    }
    return (double)bench->written * 1e9 / (double)(now_ns() - begun);
}

/* ---- SQLite by hand ---- */

static void bind_texts(sqlite3_stmt *statement, int at, int count, const char *text)
{
    for (int i = 0; i < count; i++) {
        lat__db_bind_text(statement, at + i, text);
    }
}

static double sqlite_writes(struct bench *bench, int64_t batch)
{
    static const char *const tables =
        "CREATE TABLE workload (id TEXT PRIMARY KEY, a TEXT, b TEXT, c TEXT, value INTEGER) STRICT;"
        "CREATE TABLE change_log (number INTEGER PRIMARY KEY, a TEXT, b TEXT, c TEXT, d TEXT) STRICT;"
        "CREATE TABLE audit_log (number INTEGER PRIMARY KEY, a TEXT, b TEXT, c TEXT, d TEXT, hash BLOB) STRICT";
    static const char *const words[] = {
        "INSERT INTO workload VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET"
        " a = excluded.a, b = excluded.b, c = excluded.c, value = excluded.value",
        "INSERT INTO change_log VALUES ($1, $2, $3, $4, $5)",
        "INSERT INTO audit_log VALUES ($1, $2, $3, $4, $5, zeroblob(32))",
        "BEGIN IMMEDIATE",
        "COMMIT",
    };
    static char spec[256], rendered[1024];
    const char *id = "01a1fc3b-3c20-7214-8fab-132ef05731ac";
    sqlite3_stmt *statements[LAT_COUNT(words)];
    char *path = lat_text_format("%s-by-hand", bench->path);
    sqlite3 *db;
    struct lat_err err;
    int64_t written = 0;

    fill(spec, sizeof(spec), 0);
    fill(rendered, sizeof(rendered), 0);
    check(lat__db_open(path, NULL, LAT__DB_DURABLE, &db, &err), &err);
    check(lat__db_execute(db, tables, &err), &err);
    for (size_t i = 0; i < LAT_COUNT(words); i++) {
        check(lat__db_prepare(db, words[i], &statements[i], &err), &err);
    }
    int64_t begun = now_ns();
    int64_t ends = begun + SECONDS * 1000000000LL;
    /* The first rounds fill the table, as the store's is filled; they are not counted. */
    for (int64_t made = 0; made < WORKLOADS || now_ns() < ends;) {
        check(lat__db_run(statements[3], "begin", &err), &err);
        for (int64_t i = 0; i < batch; i++) {
            made++;
            lat__db_bind_text(statements[0], 1, bench->ids[made % WORKLOADS]);
            lat__db_bind_text(statements[0], 2, spec);
            lat__db_bind_text(statements[0], 3, rendered);
            bind_texts(statements[0], 4, 1, "{\"release\":\"1\"} postgres running all instances");
            lat__db_bind_int(statements[0], 5, made);
            check(lat__db_run(statements[0], "workload", &err), &err);
            lat__db_bind_int(statements[1], 1, made);
            bind_texts(statements[1], 2, 3, id);
            lat__db_bind_text(statements[1], 5, "workload");
            check(lat__db_run(statements[1], "change_log", &err), &err);
            lat__db_bind_int(statements[2], 1, made);
            bind_texts(statements[2], 2, 3, id);
            lat__db_bind_text(statements[2], 5,
                              "user somebody workload.update workload 192.0.2.17");
            check(lat__db_run(statements[2], "audit_log", &err), &err);
        }
        check(lat__db_run(statements[4], "commit", &err), &err);
        if (made <= WORKLOADS) {
            begun = now_ns();
            ends = begun + SECONDS * 1000000000LL;
        } else {
            written += batch;
        }
    }
    double per_second = (double)written * 1e9 / (double)(now_ns() - begun);

    for (size_t i = 0; i < LAT_COUNT(words); i++) {
        sqlite3_finalize(statements[i]);
    }
    sqlite3_close(db);
    free(path);
    return per_second;
}

/* ---- opening ---- */

static int compare(const void *a, const void *b)
{
    return *(const double *)a < *(const double *)b ? -1 : *(const double *)a > *(const double *)b;
}

static double open_ms(struct bench *bench)
{
    double times[OPENINGS];

    for (size_t i = 0; i < OPENINGS; i++) {
        bench->store = lat_store_close(bench->store);
        int64_t begun = now_ns();

        open_store(bench);
        times[i] = (double)(now_ns() - begun) / 1e6;
    }
    qsort(times, OPENINGS, sizeof(times[0]), compare);
    return times[OPENINGS / 2];
}

static size_t memory_of_store(struct bench *bench)
{
    bench->store = lat_store_close(bench->store);
    size_t before = mallinfo2().uordblks;

    open_store(bench);
    return mallinfo2().uordblks - before;
}

static int run(struct bench *bench, const char *folder)
{
    struct lat_metrics *metrics = lat_metrics_new();

    bench->loop = lat_loop_new(lat_clock_system());
    bench->random = lat_random_new_system();
    bench->path = lat_text_format("%s/store.db", folder);
    bench->ids = lat_alloc_array(WORKLOADS, sizeof(bench->ids[0]));
    open_store(bench);
    make_rows(bench, node, NODES);
    size_t without = memory_of_store(bench);

    make_rows(bench, workload, WORKLOADS);
    size_t with = memory_of_store(bench);
    double opening = open_ms(bench);

    bench->store = lat_store_close(bench->store);
    struct lat_journal *journal;
    struct lat_err err;

    check(lat_journal_open_sqlite(bench->path, NULL, &journal, &err), &err);
    check(lat_store_open(bench->loop, journal, bench->random, metrics, &bench->store, &err), &err);
    double store = store_writes(bench);
    int64_t batches =
        lat_metric_value(lat_metrics_counter(metrics, "lattice_store_batches_total", "", ""));
    int64_t batch = bench->written / batches;
    double sqlite = sqlite_writes(bench, batch);

    printf("{\"store_writes_per_s\":%.0f,\"sqlite_writes_per_s\":%.0f,\"bytes_per_workload\":%zu,"
           "\"open_ms_10k\":%.1f,\"batch\":%lld}\n",
           store, sqlite, (with - without) / WORKLOADS, opening, (long long)batch);
    lat_store_close(bench->store);
    lat_loop_free(bench->loop);
    lat_random_free(bench->random);
    lat_metrics_free(metrics);
    free(bench->path);
    free(bench->ids);
    return fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct bench bench = {0};

    if (argc != 4 || strcmp(argv[1], "--json") != 0 || strcmp(argv[2], "--data-dir") != 0) {
        fprintf(stderr, "usage: store_bench --json --data-dir FOLDER\n");
        return 2;
    }
    if (mkdir(argv[3], 0700) != 0) {
        fprintf(stderr, "store_bench: %s: %m\n", argv[3]);
        return 1;
    }
    return run(&bench, argv[3]);
}
