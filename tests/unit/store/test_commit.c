/* Group commit, and what happens when the journal fails. */
#include "support.h"
#include "tests/unit/waiting.h"

#include "store/internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void one_turn_is_one_journal_commit(void **state)
{
    struct bed *bed = *state;
    struct answer answers[100] = {0};
    char name[16];

    for (int i = 0; i < 100; i++) {
        struct lat_txn *txn = lat_txn_begin(bed->store, "");
        snprintf(name, sizeof(name), "n%d", i);
        put_node(txn, name);
        commit(txn, &answers[i]);
    }
    assert_int_equal(wait_for(bed, &answers[99]), 0);
    assert_int_equal(bed->script->commits, 1);
    for (int i = 1; i < 100; i++) {
        assert_true(answers[i].is_there && answers[i].order == answers[i - 1].order + 1);
    }
    assert_int_equal(lat_store_index(bed->store), 100);
}

struct feeder {
    struct bed *bed;
    struct answer first;
    int left;
    bool is_done;
};

static void feed(void *arg, const struct lat_err *err)
{
    struct feeder *feeder = arg;
    char name[16];

    assert_null(err);
    if (feeder->left == 0) {
        feeder->is_done = true;
        return;
    }
    struct lat_txn *txn = lat_txn_begin(feeder->bed->store, "");
    snprintf(name, sizeof(name), "n%d", feeder->left--);
    put_node(txn, name);
    assert_int_equal(lat_txn_commit(txn, feed, feeder, NULL), 0);
}

static void what_comes_while_the_disk_works_is_the_next_batch(void **state)
{
    struct bed *bed = *state;
    struct feeder feeder = {.bed = bed, .left = 20};

    feed(&feeder, NULL);
    run_until(bed, &feeder.is_done);
    assert_int_equal(bed->script->commits, 20); /* one after another: nothing to group */
    assert_int_equal(lat_store_count(bed->store, LAT_TABLE_NODE), 20);
}

struct watchful {
    struct bed *bed;
    bool is_done;
};

static void await_second_commit(void *arg, const struct lat_err *err)
{
    struct watchful *watchful = arg;

    assert_null(err);
    for (int i = 0; i < WAITING_MS && watchful->bed->script->commits < 2; i++) {
        usleep(1000);
    }
    assert_int_equal(watchful->bed->script->commits, 2);
    watchful->is_done = true;
}

static void the_disk_does_not_wait_for_callbacks(void **state)
{
    struct bed *bed = *state;
    struct watchful watchful = {.bed = bed};
    struct answer second = {0};
    bool never = false;

    bed->script->delay_ms = 50;
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    put_node(txn, "a");
    assert_int_equal(lat_txn_commit(txn, await_second_commit, &watchful, NULL), 0);
    assert_false(lat_loop_run_until(bed->loop, &never, 10)); /* the batch is in the worker now */
    txn = lat_txn_begin(bed->store, "");
    put_node(txn, "b");
    commit(txn, &second);
    run_until(bed, &watchful.is_done);
    assert_int_equal(wait_for(bed, &second), 0);
    assert_int_equal(lat_store_index(bed->store), 2);
}

static void a_transaction_of_expectations_alone_needs_no_disk(void **state)
{
    struct bed *bed = *state;
    char id[LAT_ID_SIZE];

    make_node(bed, "a", id);
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    lat_txn_expect(txn, &lat_store_node(bed->store, id)->row);
    commit_now(bed, txn);
    assert_int_equal(bed->script->commits, 1);
}

static void the_queue_is_bounded(void **state)
{
    struct bed *bed = *state;
    struct answer last = {0};
    struct lat_err err;

    for (int i = 0; i < LAT_STORE_STAGED_MAX; i++) {
        struct lat_txn *txn = lat_txn_begin(bed->store, "");
        lat_txn_put(txn, &lat_endpoint_new()->row);
        commit(txn, i == LAT_STORE_STAGED_MAX - 1 ? &last : NULL);
    }
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    lat_txn_put(txn, &lat_endpoint_new()->row);
    assert_int_equal(lat_txn_commit(txn, NULL, NULL, &err), LAT_E_BUSY);
    assert_int_equal(wait_for(bed, &last), 0);
    assert_true(lat_store_is_writable(bed->store, NULL));
    assert_int_equal(lat_store_count(bed->store, LAT_TABLE_ENDPOINT), LAT_STORE_STAGED_MAX);
}

/* Commits a version of a policy, with a source of that many bytes. */
static int put_source(struct bed *bed, size_t size, struct answer *answer)
{
    struct lat_policy_version *version = lat_policy_version_new();
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    char *source = memset(lat_alloc(size + 1), 'x', size);

    lat_row_take(version->source, source);
    lat_txn_put(txn, &version->row);
    return lat_txn_commit(txn, answer == NULL ? NULL : answer_take, answer, NULL);
}

static void the_queue_is_bounded_by_bytes(void **state)
{
    struct bed *bed = *state;
    struct answer last = {0};
    const size_t large = 1 << 20;

    assert_int_equal(put_source(bed, 1000, NULL), 0);
    size_t overhead = bed->store->staged_bytes - 1000; /* of any such transaction */
    bed->script->delay_ms = 10;
    while (bed->store->staged_bytes + large + overhead < LAT_STORE_STAGED_BYTES_MAX) {
        assert_int_equal(put_source(bed, large, NULL), 0);
    }
    size_t room = LAT_STORE_STAGED_BYTES_MAX - bed->store->staged_bytes - overhead;
    assert_int_equal(put_source(bed, room + 1, NULL), LAT_E_BUSY);
    assert_true(lat_store_is_writable(bed->store, NULL));
    assert_int_equal(put_source(bed, room, &last), 0);
    assert_int_equal(bed->store->staged_bytes, LAT_STORE_STAGED_BYTES_MAX);
    assert_false(lat_store_is_writable(bed->store, NULL));
    assert_int_equal(put_source(bed, 0, NULL), LAT_E_BUSY);
    assert_int_equal(wait_for(bed, &last), 0);
    assert_int_equal(bed->store->staged_bytes, 0);
    assert_int_equal(put_source(bed, 1000, NULL), 0);
}

static void one_that_is_too_large_goes_alone(void **state)
{
    struct bed *bed = *state;
    struct answer answers[2] = {0};

    assert_int_equal(put_source(bed, 10, &answers[0]), 0);
    assert_int_equal(put_source(bed, LAT_STORE_STAGED_BYTES_MAX, NULL), LAT_E_BUSY);
    assert_int_equal(wait_for(bed, &answers[0]), 0);
    assert_int_equal(put_source(bed, LAT_STORE_STAGED_BYTES_MAX, &answers[1]), 0);
    assert_int_equal(put_source(bed, 10, NULL), LAT_E_BUSY);
    assert_int_equal(wait_for(bed, &answers[1]), 0);
}

static void count_done(void *arg, const struct lat_err *err)
{
    assert_null(err);
    ++*(int *)arg;
}

static void a_slow_disk_costs_no_memory(void **state)
{
    struct bed *bed = *state;
    const size_t large = 1 << 20;
    struct answer answer = {0};
    int done = 0;
    int staged = 0;
    int busy = 0;
    bool never = false;

    assert_int_equal(put_source(bed, large, &answer), 0);
    assert_int_equal(wait_for(bed, &answer), 0);
    void *cursor = NULL;
    char id[LAT_ID_SIZE];
    lat_text_bound(id, sizeof(id),
                   lat_store_next(bed->store, LAT_TABLE_POLICY_VERSION, &cursor)->id);
    bed->script->delay_ms = 20;
    while (done < 100) { /* many come in each turn, and come again whatever they are told */
        for (int i = 0; i < 40; i++) {
            struct lat_txn *txn = lat_txn_begin(bed->store, "");
            lat_txn_put(txn, lat_row_copy(lat_txn_get(txn, LAT_TABLE_POLICY_VERSION, id)));
            int rc = lat_txn_commit(txn, count_done, &done, NULL);
            assert_true(rc == 0 || rc == LAT_E_BUSY);
            *(rc == 0 ? &staged : &busy) += 1;
            assert_true(bed->store->staged_bytes <= LAT_STORE_STAGED_BYTES_MAX);
        }
        assert_false(lat_loop_run_until(bed->loop, &never, 5));
    }
    assert_true(busy > 0);
    bed->script->delay_ms = 0;
    for (int i = 0; i < WAITING_MS && done < staged; i++) {
        assert_false(lat_loop_run_until(bed->loop, &never, 10));
    }
    assert_int_equal(done, staged);
    assert_int_equal(bed->store->staged_bytes, 0);
    assert_int_equal(lat_store_get(bed->store, LAT_TABLE_POLICY_VERSION, id)->version, 1 + staged);
}

static size_t staged_entries(const struct lat_store *store)
{
    size_t count = store->staged.few_count;

    for (int table = 0; table < LAT_TABLE_COUNT; table++) {
        count +=
            store->staged.entries[table] == NULL ? 0 : lat_map_count(store->staged.entries[table]);
    }
    return count;
}

static void nothing_stays_staged_once_it_is_answered(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    char id[LAT_ID_SIZE];

    make_node(bed, "a", id);
    assert_int_equal(staged_entries(bed->store), 0);
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    lat_txn_remove(txn, LAT_TABLE_NODE, id);
    commit(txn, NULL);
    txn = lat_txn_begin(bed->store, "");
    put_node(txn, "a");
    commit(txn, &answer);
    assert_int_equal(staged_entries(bed->store), 2);
    assert_int_equal(wait_for(bed, &answer), 0);
    assert_int_equal(staged_entries(bed->store), 0);

    bed->script->fail_commit = 3;
    bed->script->fail_code = LAT_E_IO;
    answer = (struct answer){0};
    txn = lat_txn_begin(bed->store, "");
    put_node(txn, "b");
    commit(txn, &answer);
    assert_int_equal(wait_for(bed, &answer), LAT_E_IO);
    assert_int_equal(staged_entries(bed->store), 0);
}

static void closing_waits_for_what_is_staged(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    struct lat_txn *txn = lat_txn_begin(bed->store, "");

    put_node(txn, "a");
    commit(txn, &answer);
    bed_restart(bed);
    assert_true(answer.is_there && answer.code == 0);
    assert_non_null(lat_store_find(bed->store, LAT_INDEX_NODE_NAME, "a"));
}

/* ---- failures ---- */

/* Runs the loop until writes are taken again. */
static void wait_until_open(struct bed *bed)
{
    bool never = false;

    for (int i = 0; i < WAITING_MS && !lat_store_is_writable(bed->store, NULL); i++) {
        assert_false(lat_loop_run_until(bed->loop, &never, 20));
    }
    assert_true(lat_store_is_writable(bed->store, NULL));
}

static void a_failed_batch_fails_what_was_staged_behind_it(void **state)
{
    struct bed *bed = *state;
    struct answer answers[3] = {0};
    char id[LAT_ID_SIZE];
    struct lat_err err;

    make_node(bed, "a", id);
    bed->script->fail_commit = 2;
    bed->script->fail_code = LAT_E_NO_SPACE;
    bed->script->fail_proofs = 1;
    bed->script->delay_ms = 50;
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    put_node(txn, "b");
    commit(txn, &answers[0]);
    bool never = false;
    assert_false(lat_loop_run_until(bed->loop, &never, 10)); /* the batch is in the worker now */
    txn = lat_txn_begin(bed->store, "");
    assert_non_null(lat_txn_find(txn, LAT_INDEX_NODE_NAME, "b"));
    put_node(txn, "c");
    commit(txn, &answers[1]);

    assert_int_equal(wait_for(bed, &answers[0]), LAT_E_NO_SPACE);
    assert_int_equal(wait_for(bed, &answers[1]), LAT_E_NO_SPACE);
    assert_false(lat_store_is_writable(bed->store, &err));
    assert_int_equal(err.code, LAT_E_UNAVAILABLE);
    assert_non_null(lat_store_node(bed->store, id)); /* readers go on */
    txn = lat_txn_begin(bed->store, "");
    assert_null(lat_txn_find(txn, LAT_INDEX_NODE_NAME, "b"));
    put_node(txn, "b");
    assert_int_equal(lat_txn_commit(txn, NULL, NULL, &err), LAT_E_UNAVAILABLE);

    wait_until_open(bed);
    assert_int_equal(bed->script->proofs, 2);
    assert_int_equal(lat_store_count(bed->store, LAT_TABLE_NODE), 1);
    make_node(bed, "b", id);
    assert_int_equal(lat_store_index(bed->store), 2); /* no gap */
    bed_restart(bed);
    assert_int_equal(lat_store_count(bed->store, LAT_TABLE_NODE), 2);
}

static void a_commit_whose_answer_was_lost_has_happened(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};

    bed->script->lose_answer = 1;
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    put_node(txn, "a");
    commit(txn, &answer);
    assert_int_equal(wait_for(bed, &answer), 0);
    assert_int_equal(bed->script->reopens, 1);
    assert_true(lat_store_is_writable(bed->store, NULL));
    assert_non_null(lat_store_find(bed->store, LAT_INDEX_NODE_NAME, "a"));
}

struct seen {
    int puts;
    int removes;
    int64_t index;
    char names[256];
};

static void see(void *arg, const struct lat_change *change)
{
    struct seen *seen = arg;
    const struct lat_row *row = change->after != NULL ? change->after : change->before;

    *(change->kind == LAT_CHANGE_PUT ? &seen->puts : &seen->removes) += 1;
    assert_true(seen->index == 0 || change->index == seen->index + 1);
    seen->index = change->index;
    strcat(seen->names, ((const struct lat_node *)row)->name);
}

static void memory_follows_a_journal_that_went_on_without_an_answer(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    struct seen seen = {0};
    char old[LAT_ID_SIZE];

    make_node(bed, "o", old);
    struct lat_watcher *watcher = lat_store_watch(bed->store, 1U << LAT_TABLE_NODE, see, &seen);
    bed->script->lose_answer = 2;
    bed->script->fail_reopens = 2;
    struct lat_txn *txn = lat_txn_begin(bed->store, "r");
    put_node(txn, "a");
    put_node(txn, "b");
    lat_txn_remove(txn, LAT_TABLE_NODE, old);
    commit(txn, &answer);
    assert_int_equal(wait_for(bed, &answer), LAT_E_TIMEOUT);
    assert_int_equal(lat_store_count(bed->store, LAT_TABLE_NODE), 1);
    assert_int_equal(seen.puts, 0);

    wait_until_open(bed);
    assert_int_equal(bed->script->reopens, 3);
    assert_int_equal(lat_store_count(bed->store, LAT_TABLE_NODE), 2);
    assert_non_null(lat_store_find(bed->store, LAT_INDEX_NODE_NAME, "b"));
    assert_int_equal(seen.puts, 2);
    assert_int_equal(seen.removes, 1);
    assert_string_equal(seen.names, "abo");
    assert_int_equal(lat_store_index(bed->store), 4);
    lat_store_unwatch(watcher);
    make_node(bed, "c", old);
    bed_restart(bed);
    assert_int_equal(lat_store_index(bed->store), 5);
}

static void a_journal_that_lost_changes_takes_no_writes(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    char id[LAT_ID_SIZE];
    struct lat_err err;

    make_node(bed, "a", id);
    const struct lat_journal_batch loss = {.audit_count = 0, .forget_changes = 1};
    assert_int_equal(bed->script->real->class->commit(bed->script->real, &loss, NULL), 0);
    bed->script->fail_commit = 2;
    bed->script->fail_code = LAT_E_IO;
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    put_node(txn, "b");
    commit(txn, &answer);
    assert_int_equal(wait_for(bed, &answer), LAT_E_TIMEOUT);
    assert_false(lat_store_is_writable(bed->store, &err));
    assert_non_null(strstr(err.sentence, "lost"));
    assert_non_null(lat_store_node(bed->store, id));
}

static void a_store_whose_journal_fails_for_ever_still_closes(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0}, late = {0};
    struct lat_err err;
    char id[LAT_ID_SIZE];

    make_node(bed, "a", id);
    bed->script->fail_commit = 2;
    bed->script->fail_code = LAT_E_IO;
    bed->script->fail_reopens = bed->script->fail_proofs = INT_MAX;
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    put_node(txn, "b");
    commit(txn, &answer);
    txn = lat_txn_begin(bed->store, "");
    put_node(txn, "c");
    commit(txn, &late); /* of the same turn; closing has to answer both */
    bed_store_close(bed);
    assert_true(answer.is_there && late.is_there);
    assert_int_equal(answer.code, LAT_E_TIMEOUT);
    assert_int_equal(late.code, LAT_E_TIMEOUT);
    bed_store_open(bed);
    txn = lat_txn_begin(bed->store, "");
    put_node(txn, "d");
    commit_now(bed, txn);
    assert_true(lat_store_is_writable(bed->store, &err)); /* the next start is a sound one */
    bed->script->fail_commit = bed->script->commits + 1;
    bed->script->fail_code = LAT_E_IO;
    bed->script->fail_reopens = INT_MAX;
    answer = (struct answer){0};
    txn = lat_txn_begin(bed->store, "");
    put_node(txn, "e");
    commit(txn, &answer);
    assert_int_equal(wait_for(bed, &answer), LAT_E_TIMEOUT);
    assert_false(lat_store_is_writable(bed->store, &err));
    bed_store_close(bed); /* between two tries */
    bed_store_open(bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bed_open, bed_close)
        CASE(one_turn_is_one_journal_commit),
        CASE(what_comes_while_the_disk_works_is_the_next_batch),
        CASE(the_disk_does_not_wait_for_callbacks),
        CASE(a_transaction_of_expectations_alone_needs_no_disk),
        CASE(the_queue_is_bounded),
        CASE(the_queue_is_bounded_by_bytes),
        CASE(one_that_is_too_large_goes_alone),
        CASE(a_slow_disk_costs_no_memory),
        CASE(nothing_stays_staged_once_it_is_answered),
        CASE(closing_waits_for_what_is_staged),
        CASE(a_failed_batch_fails_what_was_staged_behind_it),
        CASE(a_commit_whose_answer_was_lost_has_happened),
        CASE(memory_follows_a_journal_that_went_on_without_an_answer),
        CASE(a_journal_that_lost_changes_takes_no_writes),
        CASE(a_store_whose_journal_fails_for_ever_still_closes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
