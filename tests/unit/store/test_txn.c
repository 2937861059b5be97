/* Transactions: what is seen when, versions, unique keys. */
#include "support.h"

#include "store/layer_internal.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static void nothing_is_visible_before_it_is_durable(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    char id[LAT_ID_SIZE];
    struct lat_txn *txn = lat_txn_begin(bed->store, "request");

    lat_text_bound(id, sizeof(id), put_node(txn, "a"));
    assert_true(lat_id_is(id));
    commit(txn, &answer);
    assert_null(lat_store_node(bed->store, id));
    assert_int_equal(lat_store_count(bed->store, LAT_TABLE_NODE), 0);
    assert_int_equal(wait_for(bed, &answer), 0);
    assert_non_null(lat_store_node(bed->store, id));
    assert_int_equal(lat_store_node(bed->store, id)->row.version, 1);
    assert_string_equal(lat_store_node(bed->store, id)->name, "a");
    assert_int_equal(lat_store_index(bed->store), 1);
}

static void a_cancelled_transaction_leaves_nothing(void **state)
{
    struct bed *bed = *state;
    struct lat_txn *txn = lat_txn_begin(bed->store, "");

    put_node(txn, "a");
    lat_txn_cancel(txn);
    txn = lat_txn_begin(bed->store, "");
    assert_null(lat_txn_find(txn, LAT_INDEX_NODE_NAME, "a"));
    lat_txn_cancel(txn);
}

static void a_transaction_sees_itself_and_what_is_staged(void **state)
{
    struct bed *bed = *state;
    struct answer first = {0};
    char id[LAT_ID_SIZE];
    struct lat_txn *txn = lat_txn_begin(bed->store, "");

    lat_text_bound(id, sizeof(id), put_node(txn, "a"));
    assert_non_null(lat_txn_get(txn, LAT_TABLE_NODE, id));
    assert_non_null(lat_txn_find(txn, LAT_INDEX_NODE_NAME, "a"));
    commit(txn, &first);

    txn = lat_txn_begin(bed->store, "");
    const struct lat_row *staged = lat_txn_get(txn, LAT_TABLE_NODE, id);
    assert_non_null(staged);
    struct lat_node *node = lat_node_edit((const struct lat_node *)staged);
    lat_row_set(node->name, "b");
    lat_txn_put(txn, &node->row);
    assert_null(lat_txn_find(txn, LAT_INDEX_NODE_NAME, "a"));
    assert_string_equal(lat_txn_find(txn, LAT_INDEX_NODE_NAME, "b")->id, id);
    struct answer second = {0};
    commit(txn, &second);

    assert_int_equal(wait_for(bed, &second), 0);
    assert_true(first.is_there && first.order < second.order);
    assert_string_equal(lat_store_node(bed->store, id)->name, "b");
    assert_int_equal(lat_store_node(bed->store, id)->row.version, 2);
    assert_null(lat_store_find(bed->store, LAT_INDEX_NODE_NAME, "a"));
}

static void a_stale_version_is_a_conflict(void **state)
{
    struct bed *bed = *state;
    char id[LAT_ID_SIZE];
    struct lat_err err;

    make_node(bed, "a", id);
    struct lat_node *mine = lat_node_edit(lat_store_node(bed->store, id));
    struct lat_node *theirs = lat_node_edit(lat_store_node(bed->store, id));
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    lat_txn_put(txn, &theirs->row);
    struct answer answer = {0};
    commit(txn, &answer);

    txn = lat_txn_begin(bed->store, "");
    lat_txn_put(txn, &mine->row);
    assert_int_equal(lat_txn_commit(txn, answer_take, NULL, &err), LAT_E_CONFLICT);
    assert_int_equal(wait_for(bed, &answer), 0);
    assert_int_equal(lat_store_node(bed->store, id)->row.version, 2);
}

static void of_two_open_transactions_the_second_is_a_conflict(void **state)
{
    struct bed *bed = *state;
    char id[LAT_ID_SIZE];
    struct answer answer = {0};

    make_node(bed, "a", id);
    struct lat_txn *first = lat_txn_begin(bed->store, "");
    struct lat_txn *second = lat_txn_begin(bed->store, "");
    lat_txn_put(first, &lat_node_edit(lat_store_node(bed->store, id))->row);
    lat_txn_put(second, &lat_node_edit(lat_store_node(bed->store, id))->row);
    commit(first, &answer);
    assert_int_equal(lat_txn_commit(second, NULL, NULL, NULL), LAT_E_CONFLICT);
    assert_int_equal(wait_for(bed, &answer), 0);
}

static void a_new_row_whose_id_is_there_is_a_conflict(void **state)
{
    struct bed *bed = *state;
    char id[LAT_ID_SIZE];

    make_node(bed, "a", id);
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    struct lat_node *node = lat_node_new();
    lat_text_bound(node->row.id, sizeof(node->row.id), id);
    lat_row_set(node->name, "b");
    lat_txn_put(txn, &node->row);
    assert_int_equal(lat_txn_commit(txn, NULL, NULL, NULL), LAT_E_CONFLICT);
}

static void an_expected_row_that_changed_is_a_conflict(void **state)
{
    struct bed *bed = *state;
    char id[LAT_ID_SIZE];

    make_node(bed, "a", id);
    const struct lat_row *seen = lat_row_ref(&lat_store_node(bed->store, id)->row);
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    lat_txn_expect(txn, seen);
    put_node(txn, "b");
    commit_now(bed, txn);

    txn = lat_txn_begin(bed->store, "");
    lat_txn_remove(txn, LAT_TABLE_NODE, id);
    struct answer answer = {0};
    commit(txn, &answer);
    txn = lat_txn_begin(bed->store, "");
    lat_txn_expect(txn, seen);
    put_node(txn, "c");
    assert_int_equal(lat_txn_commit(txn, NULL, NULL, NULL), LAT_E_CONFLICT);
    assert_int_equal(wait_for(bed, &answer), 0);
    lat_row_unref(seen);
}

static void names_are_unique_among_committed_and_staged(void **state)
{
    struct bed *bed = *state;
    char id[LAT_ID_SIZE];
    struct lat_err err;

    make_node(bed, "a", id);
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    put_node(txn, "a");
    assert_int_equal(lat_txn_commit(txn, NULL, NULL, &err), LAT_E_NAME_TAKEN);
    assert_string_equal(err.field, "name");
    assert_string_equal(err.sentence, "There is a node with the name 'a' already.");

    txn = lat_txn_begin(bed->store, "");
    put_node(txn, "b");
    struct answer answer = {0};
    commit(txn, &answer);
    txn = lat_txn_begin(bed->store, "");
    put_node(txn, "b");
    assert_int_equal(lat_txn_commit(txn, NULL, NULL, NULL), LAT_E_NAME_TAKEN);

    txn = lat_txn_begin(bed->store, "");
    put_node(txn, "c");
    put_node(txn, "c");
    assert_int_equal(lat_txn_commit(txn, NULL, NULL, NULL), LAT_E_NAME_TAKEN);
    assert_int_equal(wait_for(bed, &answer), 0);
    assert_int_equal(lat_store_count(bed->store, LAT_TABLE_NODE), 2);
}

static void a_name_is_free_once_its_removal_is_staged(void **state)
{
    struct bed *bed = *state;
    char id[LAT_ID_SIZE];

    make_node(bed, "a", id);
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    lat_txn_remove(txn, LAT_TABLE_NODE, id);
    put_node(txn, "a");
    commit(txn, NULL);
    txn = lat_txn_begin(bed->store, "");
    const struct lat_row *heir = lat_txn_find(txn, LAT_INDEX_NODE_NAME, "a");
    assert_string_not_equal(heir->id, id);
    assert_null(lat_txn_get(txn, LAT_TABLE_NODE, id));
    commit_now(bed, txn);
    assert_int_equal(lat_store_count(bed->store, LAT_TABLE_NODE), 1);
    assert_null(lat_store_node(bed->store, id));
}

static void a_workloads_name_is_unique_in_its_project(void **state)
{
    struct bed *bed = *state;
    char project[LAT_ID_SIZE];
    struct lat_txn *txn = lat_txn_begin(bed->store, "");

    lat_text_bound(project, sizeof(project), put_project(txn, "p"));
    put_workload(txn, project, "db");
    put_workload(txn, put_project(txn, "q"), "db");
    commit_now(bed, txn);
    txn = lat_txn_begin(bed->store, "");
    put_workload(txn, project, "db");
    assert_int_equal(lat_txn_commit(txn, NULL, NULL, NULL), LAT_E_NAME_TAKEN);

    char key[LAT_ID_SIZE + 8];
    snprintf(key, sizeof(key), "%s/db", project);
    assert_non_null(lat_store_find(bed->store, LAT_INDEX_WORKLOAD_NAME, key));
    void *cursor = NULL;
    assert_non_null(lat_store_each(bed->store, LAT_INDEX_WORKLOAD_PROJECT, project, &cursor));
    assert_null(lat_store_each(bed->store, LAT_INDEX_WORKLOAD_PROJECT, project, &cursor));
}

static void empty_and_zero_keys_are_in_no_index(void **state)
{
    struct bed *bed = *state;
    struct lat_txn *txn = lat_txn_begin(bed->store, "");

    for (int i = 0; i < 3; i++) { /* neither key_digest nor port clash */
        lat_txn_put(txn, &lat_endpoint_new()->row);
    }
    put_node(txn, "a");
    put_node(txn, "b");
    commit_now(bed, txn);
    assert_null(lat_store_find(bed->store, LAT_INDEX_ENDPOINT_PORT, "0"));
    assert_null(lat_store_find(bed->store, LAT_INDEX_NODE_KEY, ""));

    struct lat_endpoint *endpoint = lat_endpoint_new();
    endpoint->port = 20000;
    txn = lat_txn_begin(bed->store, "");
    lat_txn_put(txn, &endpoint->row);
    commit_now(bed, txn);
    assert_non_null(lat_store_find(bed->store, LAT_INDEX_ENDPOINT_PORT, "20000"));
}

static void each_walks_all_layers_in_order_of_id(void **state)
{
    struct bed *bed = *state;
    char ids[6][LAT_ID_SIZE];
    struct lat_txn *txn = lat_txn_begin(bed->store, "");

    for (int i = 0; i < 6; i++) {
        lat_store_make_id(bed->store, ids[i]);
    }
    for (int layer = 0; layer < 3;
         layer++) { /* committed: 0 3; staged: 1 4; in the transaction: 2 5 */
        for (int i = layer; i < 6; i += 3) {
            struct lat_allocation *allocation = lat_allocation_new();
            lat_text_bound(allocation->row.id, sizeof(allocation->row.id), ids[i]);
            lat_row_set(allocation->workload_id, "w");
            lat_txn_put(txn, &allocation->row);
        }
        if (layer == 0) {
            commit_now(bed, txn);
        } else if (layer == 1) {
            commit(txn, NULL);
        }
        if (layer < 2) {
            txn = lat_txn_begin(bed->store, "");
        }
    }
    void *cursor = NULL;
    const struct lat_row *row;
    int at = 0;
    while ((row = lat_txn_each(txn, LAT_INDEX_ALLOCATION_WORKLOAD, "w", &cursor)) != NULL) {
        assert_string_equal(row->id, ids[at]);
        /* Edits on the way do not lead the walk astray. */
        struct lat_allocation *edit = lat_allocation_edit((const struct lat_allocation *)row);
        edit->ordinal = at;
        lat_txn_put(txn, &edit->row);
        at++;
    }
    assert_int_equal(at, 6);
    lat_txn_remove(txn, LAT_TABLE_ALLOCATION, ids[0]);
    lat_txn_remove(txn, LAT_TABLE_ALLOCATION, ids[4]);
    cursor = NULL;
    for (at = 0; lat_txn_each(txn, LAT_INDEX_ALLOCATION_WORKLOAD, "w", &cursor) != NULL; at++) {
    }
    assert_int_equal(at, 4);
    commit_now(bed, txn);
    cursor = NULL;
    for (at = 0; lat_store_each(bed->store, LAT_INDEX_ALLOCATION_WORKLOAD, "w", &cursor) != NULL;
         at++) {
    }
    assert_int_equal(at, 4);
}

static void a_row_put_twice_is_one_change(void **state)
{
    struct bed *bed = *state;
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    char id[LAT_ID_SIZE];

    lat_text_bound(id, sizeof(id), put_node(txn, "a"));
    struct lat_node *again =
        lat_node_edit((const struct lat_node *)lat_txn_get(txn, LAT_TABLE_NODE, id));
    lat_row_set(again->pool, "p");
    lat_txn_put(txn, &again->row);
    commit_now(bed, txn);
    assert_int_equal(lat_store_index(bed->store), 1);
    assert_int_equal(lat_store_node(bed->store, id)->row.version, 1);
    assert_string_equal(lat_store_node(bed->store, id)->pool, "p");
}

static void what_comes_and_goes_within_one_is_no_change(void **state)
{
    struct bed *bed = *state;
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    char id[LAT_ID_SIZE];

    lat_text_bound(id, sizeof(id), put_node(txn, "a"));
    lat_txn_remove(txn, LAT_TABLE_NODE, id);
    lat_txn_remove(txn, LAT_TABLE_NODE, "no such node");
    commit_now(bed, txn);
    assert_int_equal(lat_store_index(bed->store), 0);
}

static void next_walks_a_table_in_order_of_birth_and_before_back(void **state)
{
    struct bed *bed = *state;
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    char name[16];

    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "n%03d", i);
        put_node(txn, name);
    }
    commit_now(bed, txn);
    bed_restart(bed);
    void *cursor = NULL;
    const struct lat_node *node;
    int at = 0;
    while ((node = lat_store_next_node(bed->store, &cursor)) != NULL) {
        snprintf(name, sizeof(name), "n%03d", at++);
        assert_string_equal(node->name, name);
    }
    assert_int_equal(at, 500);
    const char *id = "";
    while ((node = (const struct lat_node *)lat_store_after(bed->store, LAT_TABLE_NODE, id))) {
        at--;
        snprintf(name, sizeof(name), "n%03d", 499 - at);
        assert_string_equal(node->name, name);
        id = node->row.id;
    }
    assert_int_equal(at, 0);
    at = 500;
    id = "";
    while ((node = (const struct lat_node *)lat_store_before(bed->store, LAT_TABLE_NODE, id))) {
        snprintf(name, sizeof(name), "n%03d", --at);
        assert_string_equal(node->name, name);
        id = node->row.id;
    }
    assert_int_equal(at, 0);
}

static void a_set_is_in_order_whatever_is_put_and_taken_out(void **state)
{
    (void)state;
    enum { COUNT = 64, ROUNDS = 5000 };
    struct lat__entry entries[COUNT] = {0};
    bool is_in[COUNT] = {false};
    struct lat__set *set = lat__set_new();
    uint32_t chance = 1;

    for (int i = 0; i < COUNT; i++) { /* ids ascend, keys only in groups of eight */
        snprintf(entries[i].id, sizeof(entries[i].id), "%02d", i);
    }
    for (int round = 0; round < ROUNDS; round++) {
        chance = chance * 1664525 + 1013904223;
        int i = (int)(chance >> 26);
        char key[2] = {(char)('a' + i / 8), '\0'};
        is_in[i] ? lat__set_remove(set, key, entries[i].id) : lat__set_put(set, key, &entries[i]);
        is_in[i] = !is_in[i];
        if (round % 500 == 499) { /* empty it now and then, from the end */
            for (i = COUNT - 1; i >= 0; i--) {
                key[0] = (char)('a' + i / 8);
                lat__set_remove(set, key, entries[i].id);
                is_in[i] = false;
            }
        }
        struct lat__set_node *node = lat__set_first(set);
        struct lat__set_node *before = NULL;
        for (i = 0; i < COUNT; i++) {
            key[0] = (char)('a' + i / 8);
            assert_ptr_equal(lat__set_before(set, key, entries[i].id), before);
            if (is_in[i]) {
                assert_string_equal(lat__set_key(node), key);
                assert_ptr_equal(lat__set_seek(set, key, entries[i].id), node);
                before = node;
                node = lat__set_after(node);
            }
        }
        assert_null(node);
        assert_ptr_equal(lat__set_before(set, "", ""), before);
    }
    lat__set_free(set);
}

static size_t count_of(struct lat_txn *txn, const char *workload_id)
{
    const struct lat_row *row;
    const char *before = "";
    void *cursor = NULL;
    size_t count = 0;

    while ((row = lat_txn_each(txn, LAT_INDEX_ALLOCATION_WORKLOAD, workload_id, &cursor))) {
        assert_true(strcmp(row->id, before) > 0);
        before = row->id;
        count++;
    }
    return count;
}

static struct lat_row *allocation_of(const char *workload_id)
{
    struct lat_allocation *row = lat_allocation_new();

    lat_row_set(row->workload_id, workload_id);
    return &row->row;
}

/* A transaction keeps its first few rows in another way than many. */
static void however_many_rows_a_transaction_has_it_sees_them_all(void **state)
{
    struct bed *bed = *state;

    for (size_t rows = 1; rows <= 9; rows++) {
        struct lat_txn *txn = lat_txn_begin(bed->store, "");
        struct lat_node *node = lat_node_new();
        struct answer answer = {0};
        char workload[16], name[16];
        const struct lat_row *last = NULL;

        snprintf(workload, sizeof(workload), "w%zu", rows);
        snprintf(name, sizeof(name), "n%zu", rows);
        lat_row_set(node->name, name);
        lat_txn_put(txn, &node->row);
        for (size_t i = 1; i <= rows; i++) {
            last = lat_txn_put(txn, allocation_of(workload));
            assert_int_equal(count_of(txn, workload), i);
        }
        lat_txn_remove(txn, LAT_TABLE_ALLOCATION, last->id);
        assert_int_equal(count_of(txn, workload), rows - 1);
        assert_non_null(lat_txn_find(txn, LAT_INDEX_NODE_NAME, name));
        commit(txn, &answer); /* staged, and seen as that by the next one */

        txn = lat_txn_begin(bed->store, "");
        assert_int_equal(count_of(txn, workload), rows - 1);
        last = lat_txn_put(txn, allocation_of(workload));
        assert_int_equal(count_of(txn, workload), rows);
        struct lat_allocation *moved = lat_allocation_edit((const struct lat_allocation *)last);
        lat_row_set(moved->workload_id, "elsewhere");
        lat_txn_put(txn, &moved->row);
        assert_int_equal(count_of(txn, workload), rows - 1);
        assert_int_equal(count_of(txn, "elsewhere"), rows);
        node = lat_node_new();
        lat_row_set(node->name, name);
        lat_txn_put(txn, &node->row);
        struct lat_err err;
        assert_int_equal(lat_txn_commit(txn, NULL, NULL, &err), LAT_E_NAME_TAKEN);

        txn = lat_txn_begin(bed->store, "");
        lat_txn_put(txn, allocation_of("elsewhere"));
        commit_now(bed, txn);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bed_open, bed_close)
        CASE(nothing_is_visible_before_it_is_durable),
        CASE(a_cancelled_transaction_leaves_nothing),
        CASE(a_transaction_sees_itself_and_what_is_staged),
        CASE(a_stale_version_is_a_conflict),
        CASE(of_two_open_transactions_the_second_is_a_conflict),
        CASE(a_new_row_whose_id_is_there_is_a_conflict),
        CASE(an_expected_row_that_changed_is_a_conflict),
        CASE(names_are_unique_among_committed_and_staged),
        CASE(a_name_is_free_once_its_removal_is_staged),
        CASE(a_workloads_name_is_unique_in_its_project),
        CASE(empty_and_zero_keys_are_in_no_index),
        CASE(each_walks_all_layers_in_order_of_id),
        CASE(a_row_put_twice_is_one_change),
        CASE(what_comes_and_goes_within_one_is_no_change),
        CASE(however_many_rows_a_transaction_has_it_sees_them_all),
        CASE(next_walks_a_table_in_order_of_birth_and_before_back),
        cmocka_unit_test(a_set_is_in_order_whatever_is_put_and_taken_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
