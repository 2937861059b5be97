#include "support.h"

#include "tests/unit/waiting.h"

#include "store/sqlite/db_internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- the scripted journal ---- */

static struct script *script_of(struct lat_journal *journal)
{
    return LAT_CONTAINER(journal, struct script, journal);
}

static int script_prepare(struct lat_journal *journal, struct lat_err *err)
{
    struct lat_journal *real = script_of(journal)->real;

    return real->class->prepare(real, err);
}

static int script_load(struct lat_journal *journal, int table,
                       void (*fn)(void *arg, struct lat_row *row), void *arg, struct lat_err *err)
{
    struct lat_journal *real = script_of(journal)->real;

    return real->class->load(real, table, fn, arg, err);
}

static int script_load_changes(struct lat_journal *journal, size_t max,
                               void (*fn)(void *arg, const struct lat_journal_change *change,
                                          bool removed),
                               void *arg, struct lat_err *err)
{
    struct lat_journal *real = script_of(journal)->real;

    return real->class->load_changes(real, max, fn, arg, err);
}

static int script_commit(struct lat_journal *journal, const struct lat_journal_batch *batch,
                         struct lat_err *err)
{
    struct script *script = script_of(journal);
    struct timespec delay = {.tv_nsec = script->delay_ms * 1000000L};

    nanosleep(&delay, NULL);
    if (batch->change_count + batch->audit_count == 0) {
        script->proofs++;
        if (script->fail_proofs > 0) {
            script->fail_proofs--;
            return lat_err_set(err, LAT_E_NO_SPACE, "Scripted: still no space.");
        }
        return script->real->class->commit(script->real, batch, err);
    }
    script->commits++;
    journal->is_untidy = script->tidies < script->tidy_until;
    if (batch->forget_changes != 0) {
        script->forgets++;
        script->forgotten = batch->forget_changes;
    }
    if (script->commits == script->fail_commit) {
        return lat_err_set(err, script->fail_code, "Scripted: the commit failed.");
    }
    int rc = script->real->class->commit(script->real, batch, err);

    if (rc == 0 && script->commits == script->lose_answer) {
        return lat_err_set(err, LAT_E_IO, "Scripted: the answer is lost.");
    }
    return rc;
}

static int script_reopen(struct lat_journal *journal, struct lat_err *err)
{
    struct script *script = script_of(journal);

    script->reopens++;
    if (script->fail_reopens > 0) {
        script->fail_reopens--;
        return lat_err_set(err, LAT_E_IO, "Scripted: the disk does not answer.");
    }
    return script->real->class->reopen(script->real, err);
}

static int script_tidy(struct lat_journal *journal, struct lat_err *err)
{
    struct script *script = script_of(journal);

    script->tidies++;
    journal->is_untidy = script->tidies < script->tidy_until;
    return script->tidies == script->fail_tidy
               ? lat_err_set(err, LAT_E_IO, "Scripted: the disk fails.")
               : 0;
}

static int script_audit_ends(struct lat_journal *journal, struct lat_audit_end *ret_cut,
                             struct lat_audit_end *ret_head, struct lat_err *err)
{
    struct lat_journal *real = script_of(journal)->real;

    return real->class->audit_ends(real, ret_cut, ret_head, err);
}

static int script_audit_read(struct lat_journal *journal, int64_t from, int64_t to,
                             void (*fn)(void *arg, const struct lat_audit *row), void *arg,
                             struct lat_err *err)
{
    struct script *script = script_of(journal);

    script->reads++;
    return script->real->class->audit_read(script->real, from, to, fn, arg, err);
}

static void script_close(struct lat_journal *journal)
{
    struct script *script = script_of(journal);

    script->real->class->close(script->real);
    free(script);
}

static const struct lat_journal_class script_class = {
    .name = "script",
    .prepare = script_prepare,
    .load = script_load,
    .load_changes = script_load_changes,
    .commit = script_commit,
    .reopen = script_reopen,
    .tidy = script_tidy,
    .audit_ends = script_audit_ends,
    .audit_read = script_audit_read,
    .close = script_close,
};

/* ---- the bed ---- */

void bed_store_open(struct bed *bed)
{
    struct lat_err err;

    bed->script = LAT_NEW(struct script);
    bed->script->journal.class = &script_class;
    if (lat_journal_open_sqlite(bed->path, NULL, &bed->script->real, &err) != 0 ||
        lat_store_open(bed->loop, &bed->script->journal, bed->random, bed->metrics, &bed->store,
                       &err) != 0) {
        fail_msg("%s", err.sentence);
    }
}

void bed_store_close(struct bed *bed)
{
    bed->store = lat_store_close(bed->store);
    bed->script = NULL;
}

int bed_try_open(struct bed *bed, struct lat_err *err)
{
    struct lat_journal *journal;
    int rc = lat_journal_open_sqlite(bed->path, NULL, &journal, err);

    rc = rc != 0 ? rc : lat_store_open(bed->loop, journal, bed->random, NULL, &bed->store, err);
    return rc;
}

void bed_execute(struct bed *bed, const char *sql)
{
    sqlite3 *db;
    struct lat_err err;

    if (lat__db_open(bed->path, NULL, LAT__DB_DURABLE, &db, &err) != 0 ||
        lat__db_execute(db, sql, &err) != 0) {
        fail_msg("%s", err.sentence);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

void bed_restart(struct bed *bed)
{
    bed_store_close(bed);
    bed_store_open(bed);
}

static int64_t wall_ms(void *arg)
{
    return lat_clock_wall_ms(lat_clock_system()) + ((struct bed *)arg)->ahead_ms;
}

static int64_t boot_ns(void *arg)
{
    (void)arg;
    return lat_clock_boot_ns(lat_clock_system());
}

int bed_open(void **state)
{
    struct bed *bed = LAT_NEW(struct bed);

    snprintf(bed->dir, sizeof(bed->dir), "/tmp/lattice-store-XXXXXX");
    assert_non_null(mkdtemp(bed->dir));
    snprintf(bed->path, sizeof(bed->path), "%s/store.db", bed->dir);
    bed->clock =
        (struct lat_clock){.wall_ms = wall_ms, .boot_ns = boot_ns, .is_live = true, .arg = bed};
    bed->loop = lat_loop_new(&bed->clock);
    bed->random = lat_random_new_system();
    bed->metrics = lat_metrics_new();
    bed_store_open(bed);
    *state = bed;
    return 0;
}

static void remove_file(void *arg, const char *name)
{
    struct bed *bed = arg;
    char *path = lat_text_format("%s/%s", bed->dir, name);

    assert_int_equal(unlink(path), 0);
    free(path);
}

int bed_close(void **state)
{
    struct bed *bed = *state;

    lat_store_close(bed->store);
    lat_loop_free(bed->loop);
    lat_random_free(bed->random);
    lat_metrics_free(bed->metrics);
    assert_int_equal(lat_dir_list(bed->dir, remove_file, bed, NULL), 0);
    assert_int_equal(rmdir(bed->dir), 0);
    free(bed);
    return 0;
}

/* ---- commits ---- */

void answer_take(void *arg, const struct lat_err *err)
{
    static int count;
    struct answer *answer = arg;

    assert_false(answer->is_there);
    answer->is_there = true;
    answer->code = err == NULL ? 0 : err->code;
    answer->order = ++count;
}

void commit(struct lat_txn *txn, struct answer *answer)
{
    struct lat_err err;

    if (lat_txn_commit(txn, answer == NULL ? NULL : answer_take, answer, &err) != 0) {
        fail_msg("%s", err.sentence);
    }
}

void run_until(struct bed *bed, const bool *done)
{
    assert_true(lat_loop_run_until(bed->loop, done, WAITING_MS));
}

int wait_for(struct bed *bed, const struct answer *answer)
{
    run_until(bed, &answer->is_there);
    return answer->code;
}

void commit_now(struct bed *bed, struct lat_txn *txn)
{
    struct answer answer = {0};

    commit(txn, &answer);
    assert_int_equal(wait_for(bed, &answer), 0);
}

/* ---- rows ---- */

const char *put_project(struct lat_txn *txn, const char *name)
{
    struct lat_project *project = lat_project_new();

    lat_row_set(project->name, name);
    return lat_txn_put(txn, &project->row)->id;
}

const char *put_node(struct lat_txn *txn, const char *name)
{
    struct lat_node *node = lat_node_new();

    lat_row_set(node->name, name);
    return lat_txn_put(txn, &node->row)->id;
}

const char *put_workload(struct lat_txn *txn, const char *project_id, const char *name)
{
    struct lat_workload *workload = lat_workload_new();

    lat_row_set(workload->project_id, project_id);
    lat_row_set(workload->name, name);
    return lat_txn_put(txn, &workload->row)->id;
}

const char *put_allocation(struct lat_txn *txn, const char *workload_id, const char *node_id)
{
    struct lat_allocation *allocation = lat_allocation_new();

    lat_row_set(allocation->workload_id, workload_id);
    lat_row_set(allocation->node_id, node_id);
    return lat_txn_put(txn, &allocation->row)->id;
}

void make_node(struct bed *bed, const char *name, char ret_id[LAT_ID_SIZE])
{
    struct lat_txn *txn = lat_txn_begin(bed->store, "");

    lat_text_bound(ret_id, LAT_ID_SIZE, put_node(txn, name));
    commit_now(bed, txn);
}

struct lat_row *full_row(int table, int seed)
{
    const struct lat_table *description = lat_table(table);
    struct lat_row *row = lat_row_new(table);

    for (size_t i = 0; i < description->field_count; i++) {
        const struct lat_field *field = &description->fields[i];
        char text[128];

        snprintf(text, sizeof(text), "%s %d \xc3\xa4 '\"%%", field->name, seed);
        switch (field->kind) {
        case LAT_KIND_TEXT:
        case LAT_KIND_SECRET:
        case LAT_KIND_PACKED: lat_row_put_text(row, field, text); break;
        case LAT_KIND_JSON:
            snprintf(text, sizeof(text), "{\"%s\":[%d,null]}", field->name, seed);
            lat_row_put_text(row, field, seed == 2 ? "" : text);
            break;
        case LAT_KIND_INT:
        case LAT_KIND_TIME:
            lat_row_put_int(row, field, seed == 1 ? INT64_MAX - (int64_t)i : -seed);
            break;
        case LAT_KIND_BOOL: lat_row_put_int(row, field, (seed + (int)i) % 2); break;
        case LAT_KIND_REAL: lat_row_put_real(row, field, seed / 3.0); break;
        }
    }
    return row;
}
