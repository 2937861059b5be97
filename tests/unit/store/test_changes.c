/* Watchers, and the change log that event streams resume from. */
#include "support.h"
#include "tests/unit/waiting.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct watch {
    struct bed *bed;
    int calls;
    struct lat_watcher *other;
    char last_name[64];
    char request_id[64];
    int order_of_answer; /* calls seen when the commit's callback came */
    bool is_before_null;
};

static void on_node(void *arg, const struct lat_change *change)
{
    struct watch *watch = arg;
    const struct lat_node *after = (const struct lat_node *)change->after;

    watch->calls++;
    watch->is_before_null = change->before == NULL;
    lat_text_bound(watch->request_id, sizeof(watch->request_id), change->request_id);
    if (after != NULL) {
        lat_text_bound(watch->last_name, sizeof(watch->last_name), after->name);
        /* The whole batch is visible. */
        assert_non_null(lat_store_find(watch->bed->store, LAT_INDEX_NODE_NAME, "b"));
    }
    watch->other = lat_store_unwatch(watch->other);
}

static void on_answer(void *arg, const struct lat_err *err)
{
    struct watch *watch = arg;

    assert_null(err);
    watch->order_of_answer = watch->calls;
}

static void watchers_see_each_change_before_the_callback(void **state)
{
    struct bed *bed = *state;
    struct watch watch = {.bed = bed};
    struct lat_watcher *watcher =
        lat_store_watch(bed->store, 1U << LAT_TABLE_NODE, on_node, &watch);
    struct lat_txn *txn = lat_txn_begin(bed->store, "request-7");

    put_node(txn, "a");
    put_node(txn, "b");
    put_project(txn, "p");
    assert_int_equal(lat_txn_commit(txn, on_answer, &watch, NULL), 0);
    bool never = false;
    for (int i = 0; i < WAITING_MS && watch.order_of_answer == 0; i++) {
        assert_false(lat_loop_run_until(bed->loop, &never, 10));
    }
    assert_int_equal(watch.order_of_answer, 2);
    assert_true(watch.is_before_null);
    assert_string_equal(watch.last_name, "b");
    assert_string_equal(watch.request_id, "request-7");
    lat_store_unwatch(watcher);
}

static void a_watcher_may_end_another_and_itself(void **state)
{
    struct bed *bed = *state;
    struct watch first = {.bed = bed};
    struct watch second = {.bed = bed};
    char id[LAT_ID_SIZE];

    lat_store_watch(bed->store, 1U << LAT_TABLE_PROJECT, on_node,
                    &first); /* hears nothing of nodes */
    struct lat_watcher *watcher =
        lat_store_watch(bed->store, 1U << LAT_TABLE_NODE, on_node, &first);
    first.other = lat_store_watch(bed->store, 1U << LAT_TABLE_NODE, on_node, &second);
    make_node(bed, "b", id);
    assert_int_equal(first.calls, 1);
    assert_int_equal(second.calls, 0);
    first.other = watcher;
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    lat_txn_remove(txn, LAT_TABLE_NODE, id);
    commit_now(bed, txn);
    make_node(bed, "c", id);
    assert_int_equal(first.calls, 2);
}

struct staged {
    struct bed *bed;
    int calls;
    char last[LAT_ID_SIZE];
    bool was_visible;
};

static void on_staged(void *arg, const char *id)
{
    struct staged *staged = arg;

    staged->calls++;
    staged->was_visible |= lat_store_node(staged->bed->store, id) != NULL;
    lat_text_bound(staged->last, sizeof(staged->last), id);
}

static void who_asks_hears_of_rows_as_they_are_staged(void **state)
{
    struct bed *bed = *state;
    struct staged staged = {.bed = bed};
    struct answer answer = {0};
    struct lat_watcher *watcher =
        lat_store_watch_staged(bed->store, 1U << LAT_TABLE_NODE, on_staged, &staged);
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    char id[LAT_ID_SIZE];

    lat_text_bound(id, sizeof(id), put_node(txn, "a"));
    put_project(txn, "p");
    assert_int_equal(staged.calls, 0);
    commit(txn, &answer);
    assert_int_equal(staged.calls, 1); /* now, and not when it is durable */
    assert_string_equal(staged.last, id);
    assert_false(staged.was_visible);
    assert_int_equal(wait_for(bed, &answer), 0);
    assert_int_equal(staged.calls, 1);
    txn = lat_txn_begin(bed->store, "");
    put_node(txn, "a");
    assert_int_equal(lat_txn_commit(txn, NULL, NULL, NULL), LAT_E_NAME_TAKEN);
    assert_int_equal(staged.calls, 1); /* what is refused was never staged */
    lat_store_unwatch(watcher);
    make_node(bed, "b", id);
    assert_int_equal(staged.calls, 1);
}

static void who_asks_hears_again_of_rows_that_were_taken_back(void **state)
{
    struct bed *bed = *state;
    struct staged staged = {.bed = bed};
    struct answer answer = {0};
    struct lat_txn *txn = lat_txn_begin(bed->store, "");

    lat_store_watch_staged(bed->store, 1U << LAT_TABLE_NODE, on_staged, &staged);
    put_node(txn, "n1");
    bed->script->fail_commit = bed->script->commits + 1;
    bed->script->fail_code = LAT_E_NO_SPACE;
    commit(txn, &answer);
    assert_int_equal(staged.calls, 1);
    assert_int_equal(wait_for(bed, &answer), LAT_E_NO_SPACE);
    assert_int_equal(staged.calls, 2);
}

/* Stages a node along with whatever a batch holds, once. */
struct follower {
    struct bed *bed;
    struct answer answer;
    int calls;
};

static void follow(void *arg)
{
    struct follower *follower = arg;
    struct lat_txn *txn;

    if (follower->calls++ == 0) {
        txn = lat_txn_begin(follower->bed->store, "");
        put_node(txn, "behind");
        commit(txn, &follower->answer);
    }
}

static void what_is_staged_when_a_batch_is_about_to_go_goes_along(void **state)
{
    struct bed *bed = *state;
    struct follower follower = {.bed = bed};
    struct answer answer = {0};
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    struct lat_watcher *watcher = lat_store_watch_batches(bed->store, follow, &follower);
    int commits = bed->script->commits;

    put_node(txn, "first");
    commit(txn, &answer);
    assert_int_equal(follower.calls, 0);
    assert_int_equal(wait_for(bed, &answer), 0);
    assert_int_equal(wait_for(bed, &follower.answer), 0);
    assert_int_equal(bed->script->commits, commits + 1);
    assert_int_equal(follower.calls, 1);
    assert_null(lat_store_unwatch(watcher));
}

static void make_three(struct bed *bed)
{
    char id[LAT_ID_SIZE];

    make_node(bed, "a", id);
    struct lat_txn *txn = lat_txn_begin(bed->store, "second");
    lat_txn_remove(txn, LAT_TABLE_NODE, id);
    put_node(txn, "b");
    commit_now(bed, txn);
}

static void check_three(struct bed *bed)
{
    struct lat_change_note notes[8];
    size_t count;

    assert_int_equal(lat_store_changes_after(bed->store, 0, notes, 8, &count, NULL), 0);
    assert_int_equal(count, 3);
    assert_int_equal(notes[0].index, 1);
    assert_int_equal(notes[1].kind, LAT_CHANGE_REMOVE);
    assert_int_equal(notes[1].table, LAT_TABLE_NODE);
    assert_string_equal(notes[1].id, notes[0].id);
    assert_string_equal(notes[2].request_id, "second");
    assert_true(notes[2].at > 0);
    assert_int_equal(lat_store_changes_after(bed->store, 1, notes, 1, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_int_equal(notes[0].index, 2);
    assert_int_equal(lat_store_changes_after(bed->store, 3, notes, 8, &count, NULL), 0);
    assert_int_equal(count, 0);
    assert_int_equal(lat_store_changes_after(bed->store, 4, notes, 8, &count, NULL), LAT_E_GONE);
}

static void the_log_resumes_across_a_restart(void **state)
{
    struct bed *bed = *state;

    make_three(bed);
    check_three(bed);
    bed_restart(bed);
    check_three(bed);
}

static void changes_carry_the_project_even_of_what_is_gone(void **state)
{
    struct bed *bed = *state;
    struct lat_change_note notes[8];
    char project[LAT_ID_SIZE];
    char workload[LAT_ID_SIZE];
    char allocation[LAT_ID_SIZE];
    size_t count;
    struct lat_txn *txn = lat_txn_begin(bed->store, "");

    lat_text_bound(project, sizeof(project), put_project(txn, "p"));
    lat_text_bound(workload, sizeof(workload), put_workload(txn, project, "w"));
    lat_text_bound(allocation, sizeof(allocation), put_allocation(txn, workload, "n"));
    put_node(txn, "n");
    commit_now(bed, txn);
    bed_restart(bed);
    txn = lat_txn_begin(bed->store, "");
    lat_txn_remove(txn, LAT_TABLE_WORKLOAD, workload);
    commit_now(bed, txn);
    txn = lat_txn_begin(bed->store, "");
    lat_txn_remove(txn, LAT_TABLE_ALLOCATION, allocation);
    commit_now(bed, txn);

    assert_int_equal(lat_store_changes_after(bed->store, 0, notes, 8, &count, NULL), 0);
    assert_int_equal(count, 6);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(notes[i].project_id, i == 3 ? "" : project);
    }
}

static void old_changes_are_forgotten_in_steps(void **state)
{
    struct bed *bed = *state;
    const int per_batch = 8192;
    struct lat_change_note note;
    size_t count;
    struct lat_err err;
    char id[LAT_ID_SIZE];

    for (int made = 0; made < LAT_STORE_CHANGES_KEPT + 3000; made += per_batch) {
        struct lat_txn *txn = lat_txn_begin(bed->store, "");
        for (int i = 0; i < per_batch; i++) {
            if (made == 0) {
                lat_txn_put(txn, &lat_endpoint_new()->row);
            }
        }
        void *cursor = NULL;
        const struct lat_row *row;
        while (made > 0 &&
               (row = lat_store_next(bed->store, LAT_TABLE_ENDPOINT, &cursor)) != NULL) {
            lat_txn_put(txn, lat_row_copy(row));
        }
        commit_now(bed, txn);
    }
    int64_t newest = lat_store_index(bed->store);
    assert_int_equal(lat_store_changes_after(bed->store, newest - LAT_STORE_CHANGES_KEPT, &note, 1,
                                             &count, NULL),
                     0);
    assert_int_equal(note.index, newest - LAT_STORE_CHANGES_KEPT + 1);
    assert_int_equal(lat_store_changes_after(bed->store, newest - LAT_STORE_CHANGES_KEPT - 1, &note,
                                             1, &count, &err),
                     LAT_E_GONE);
    int64_t step_from = bed->script->forgotten;
    make_node(bed, "a", id);
    assert_int_equal(bed->script->forgotten, step_from + 1024 + 1);
    for (char name = 'b'; name < 'z'; name++) {
        make_node(bed, (char[]){name, '\0'}, id);
    }
    newest = lat_store_index(bed->store) - 1;
    assert_true(bed->script->forgets > 1);
    assert_true(bed->script->forgotten > newest - LAT_STORE_CHANGES_KEPT - 1024);
    assert_true(bed->script->forgotten <= newest + 1 - LAT_STORE_CHANGES_KEPT);
    bed_restart(bed);
    assert_int_equal(lat_store_index(bed->store), newest + 1);
    assert_int_equal(lat_store_changes_after(bed->store, newest + 1 - LAT_STORE_CHANGES_KEPT, &note,
                                             1, &count, NULL),
                     0);
    assert_int_equal(lat_store_changes_after(bed->store, 1, &note, 1, &count, NULL), LAT_E_GONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bed_open, bed_close)
        CASE(watchers_see_each_change_before_the_callback),
        CASE(a_watcher_may_end_another_and_itself),
        CASE(who_asks_hears_of_rows_as_they_are_staged),
        CASE(who_asks_hears_again_of_rows_that_were_taken_back),
        CASE(what_is_staged_when_a_batch_is_about_to_go_goes_along),
        CASE(the_log_resumes_across_a_restart),
        CASE(changes_carry_the_project_even_of_what_is_gone),
        CASE(old_changes_are_forgotten_in_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
