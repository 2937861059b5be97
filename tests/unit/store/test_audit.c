/* The audit trail: written with the change or not at all, read in pages, verified, forgotten without a break. */
#include "support.h"
#include "tests/unit/waiting.h"

#include "store/internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct lat_txn *txn, const char *action, const char *actor, const char *project)
{
    const struct lat_audit entry = {
        .actor_kind = "user",
        .actor_id = actor,
        .action = action,
        .project_id = project,
        .address = "192.0.2.7",
    };

    lat_txn_audit(txn, &entry);
}

/* One transaction for each of `count` rows, by actors a, b, a, b, ...; waits for all. */
static void add_many(struct bed *bed, int count)
{
    struct answer answer = {0};
    char action[32];

    for (int i = 0; i < count; i++) {
        struct lat_txn *txn = lat_txn_begin(bed->store, "req");
        snprintf(action, sizeof(action), "step.%d", i);
        add(txn, action, i % 2 == 0 ? "a" : "b", i % 3 == 0 ? "p" : "q");
        commit(txn, i == count - 1 ? &answer : NULL);
    }
    assert_int_equal(wait_for(bed, &answer), 0);
}

/* ---- answers ---- */

struct page {
    bool is_there;
    int code;
    size_t count;
    int64_t sequences[LAT_AUDIT_READ_MAX];
    char *first; /* JSON of the newest, owned */
};

static void take_page(void *arg, const struct lat_audit *const *rows, size_t count,
                      const struct lat_err *err)
{
    struct page *page = arg;
    struct lat_buf json = {0};

    assert_false(page->is_there);
    page->is_there = true;
    page->code = err == NULL ? 0 : err->code;
    page->count = count;
    for (size_t i = 0; i < count; i++) {
        page->sequences[i] = rows[i]->sequence;
    }
    if (count > 0) {
        struct lat_json_writer writer;
        lat_json_writer_init(&writer, &json);
        lat_json_object(&writer, NULL);
        lat_audit_write(rows[0], &writer);
        lat_json_end(&writer, '}');
        page->first = lat_buf_take_text(&json);
    }
}

static struct page read_page(struct bed *bed, const struct lat_audit_filter *filter)
{
    struct page page = {0};

    assert_int_equal(lat_store_audit_read(bed->store, filter, take_page, &page, NULL), 0);
    run_until(bed, &page.is_there);
    assert_int_equal(page.code, 0);
    return page;
}

struct verdict {
    bool is_there;
    int code;
    struct lat_audit_verdict said;
};

static void take_verdict(void *arg, const struct lat_audit_verdict *verdict,
                         const struct lat_err *err)
{
    struct verdict *kept = arg;

    kept->code = err == NULL ? 0 : err->code;
    kept->said = *verdict;
    kept->is_there = true;
}

static struct lat_audit_verdict verify(struct bed *bed)
{
    struct verdict verdict = {0};

    assert_int_equal(lat_store_audit_verify(bed->store, take_verdict, &verdict, NULL), 0);
    run_until(bed, &verdict.is_there);
    assert_int_equal(verdict.code, 0);
    return verdict.said;
}

static void check_whole(struct bed *bed, int64_t first, int64_t last)
{
    struct lat_audit_verdict verdict = verify(bed);

    assert_int_equal(verdict.broken_at, 0);
    assert_string_equal(verdict.what, "");
    assert_int_equal(verdict.first, first);
    assert_int_equal(verdict.last, last);
}

/* ---- writing ---- */

static void a_row_is_written_with_its_change_or_not_at_all(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};
    const struct lat_audit_filter all = {.max = 10};

    struct lat_txn *txn = lat_txn_begin(bed->store, "req-1");
    put_node(txn, "a");
    add(txn, "node.create", "u", "");
    commit_now(bed, txn);
    bed->script->fail_commit = 2;
    bed->script->fail_code = LAT_E_NO_SPACE;
    txn = lat_txn_begin(bed->store, "req-2");
    put_node(txn, "b");
    add(txn, "node.create", "u", "");
    commit(txn, &answer);
    assert_int_equal(wait_for(bed, &answer), LAT_E_NO_SPACE);
    txn = lat_txn_begin(bed->store, "req-3");
    put_node(txn, "a"); /* taken: staged never */
    add(txn, "node.create", "u", "");
    assert_int_equal(lat_txn_commit(txn, NULL, NULL, NULL), LAT_E_NAME_TAKEN);

    struct page page = read_page(bed, &all);
    assert_int_equal(page.count, 1);
    assert_non_null(strstr(page.first, "\"sequence\":1,"));
    assert_non_null(strstr(page.first, "\"action\":\"node.create\""));
    assert_non_null(strstr(page.first, "\"actor_name\":\"\"")); /* NULL was given */
    assert_non_null(strstr(page.first, "\"request_id\":\"req-1\""));
    assert_non_null(strstr(page.first, "\"address\":\"192.0.2.7\""));
    assert_null(strstr(page.first, "\"at\":null"));
    free(page.first);
    check_whole(bed, 1, 1);
}

static void a_row_needs_no_change(void **state)
{
    struct bed *bed = *state;
    struct lat_txn *txn = lat_txn_begin(bed->store, "");

    add(txn, "session.refused", "", "");
    commit_now(bed, txn);
    assert_int_equal(bed->script->commits, 1);
    assert_int_equal(bed->script->proofs, 0);
    assert_int_equal(lat_store_audit_sequence(bed->store), 1);
    assert_int_equal(lat_store_index(bed->store), 0);
    bed_restart(bed);
    assert_int_equal(lat_store_audit_sequence(bed->store), 1);
    add_many(bed, 3);
    check_whole(bed, 1, 4);
}

static void a_row_alone_whose_answer_was_lost_is_settled(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};

    for (int i = 0; i < 2; i++) { /* once it had happened, once it had not */
        bed->script->lose_answer = i == 0 ? 1 : 0;
        bed->script->fail_commit = i == 0 ? 0 : 2;
        bed->script->fail_code = LAT_E_IO;
        struct lat_txn *txn = lat_txn_begin(bed->store, "");
        add(txn, "session.refused", "", "");
        answer = (struct answer){0};
        commit(txn, &answer);
        assert_int_equal(wait_for(bed, &answer), i == 0 ? 0 : LAT_E_IO);
        assert_int_equal(lat_store_audit_sequence(bed->store), 1);
    }
    bool never = false;
    while (!lat_store_is_writable(bed->store, NULL)) {
        assert_false(lat_loop_run_until(bed->loop, &never, 20));
    }
    add_many(bed, 2);
    check_whole(bed, 1, 3);
}

static void rows_that_went_on_without_an_answer_are_found_again(void **state)
{
    struct bed *bed = *state;
    struct answer answer = {0};

    bed->script->lose_answer = 1;
    bed->script->fail_reopens = 1;
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    put_node(txn, "a");
    add(txn, "node.create", "", "");
    commit(txn, &answer);
    assert_int_equal(wait_for(bed, &answer), LAT_E_TIMEOUT);
    assert_int_equal(lat_store_audit_sequence(bed->store), 0);
    bool never = false;
    for (int i = 0; i < WAITING_MS && !lat_store_is_writable(bed->store, NULL); i++) {
        assert_false(lat_loop_run_until(bed->loop, &never, 20));
    }
    assert_int_equal(lat_store_audit_sequence(bed->store), 1);
    add_many(bed, 1);
    check_whole(bed, 1, 2);
}

/* Writes more rows than wait for the end of a turn when it hears of a change, once. */
struct writer {
    struct bed *bed;
    struct answer answer;
    bool has_written;
};

static void write_many(void *arg, const struct lat_change *change)
{
    struct writer *writer = arg;

    (void)change;
    for (int i = 0; i < LAT_STORE_BATCH_EARLY && !writer->has_written; i++) {
        struct lat_txn *txn = lat_txn_begin(writer->bed->store, "");
        add(txn, "node.seen", "", "");
        commit(txn, i == LAT_STORE_BATCH_EARLY - 1 ? &writer->answer : NULL);
    }
    writer->has_written = true;
}

static void rows_written_upon_what_was_found_again_come_behind_it(void **state)
{
    struct writer writer = {.bed = *state};
    struct bed *bed = *state;
    struct answer answer = {0};
    struct lat_watcher *watcher =
        lat_store_watch(bed->store, 1U << LAT_TABLE_NODE, write_many, &writer);

    bed->script->lose_answer = 1;
    bed->script->fail_reopens = 1;
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    put_node(txn, "a");
    add(txn, "node.create", "", "");
    commit(txn, &answer);
    assert_int_equal(wait_for(bed, &answer), LAT_E_TIMEOUT);
    assert_int_equal(wait_for(bed, &writer.answer), 0);
    lat_store_unwatch(watcher);
    check_whole(bed, 1, 1 + LAT_STORE_BATCH_EARLY);
}

static void long_texts_are_cut_between_characters(void **state)
{
    struct bed *bed = *state;
    char text[LAT_AUDIT_TEXT_MAX + 8];
    size_t size;

    memset(text, 'x', sizeof(text));
    memcpy(text + LAT_AUDIT_TEXT_MAX - 1, "\xc3\xa4", 3);
    const struct lat_audit entry = {.object_name = text, .action = text + 1};
    struct lat_audit *copy = lat__audit_copy(&entry, &size);
    assert_int_equal(strlen(copy->object_name), LAT_AUDIT_TEXT_MAX - 1);
    assert_int_equal(strlen(copy->action), LAT_AUDIT_TEXT_MAX);
    assert_string_equal(copy->project_id, "");
    assert_true(size >= sizeof(*copy) + 2 * (size_t)LAT_AUDIT_TEXT_MAX);
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    lat_txn_audit(txn, copy);
    free(copy);
    commit_now(bed, txn);
    check_whole(bed, 1, 1);
}

/* ---- reading ---- */

static void rows_are_read_in_pages_the_newest_first(void **state)
{
    struct bed *bed = *state;
    struct lat_audit_filter filter = {.max = 1000};

    add_many(bed, 2500);
    for (int64_t newest = 2500, page_size; newest > 0; newest -= page_size) {
        struct page page = read_page(bed, &filter);
        page_size = newest < 1000 ? newest : 1000;
        assert_int_equal(page.count, page_size);
        for (size_t i = 0; i < page.count; i++) {
            assert_int_equal(page.sequences[i], newest - (int64_t)i);
        }
        filter.before = page.sequences[page.count - 1];
        free(page.first);
    }
    filter.before = 1; /* nothing is before the first */
    assert_int_equal(read_page(bed, &filter).count, 0);
}

static void a_filter_names_project_actor_object_action_and_time(void **state)
{
    struct bed *bed = *state;
    struct lat_audit_filter filter = {.max = 1000, .actor_id = "a", .project_id = "p"};

    add_many(bed, 3000);
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    const struct lat_audit entry = {.object_id = "o", .at = 5000};
    lat_txn_audit(txn, &entry);
    commit_now(bed, txn);
    struct page page = read_page(bed, &filter);
    assert_int_equal(page.count, 500); /* 0, 6, 12, ... of 3000 */
    assert_int_equal(page.sequences[0], 2995);
    assert_int_equal(page.sequences[499], 1);
    free(page.first);

    filter = (struct lat_audit_filter){.max = 2, .action = "step.17"};
    page = read_page(bed, &filter);
    assert_int_equal(page.count, 1);
    assert_int_equal(page.sequences[0], 18);
    free(page.first);

    filter = (struct lat_audit_filter){.max = 2, .object_id = "o", .from_at = 5000, .to_at = 5001};
    page = read_page(bed, &filter);
    assert_int_equal(page.count, 1);
    free(page.first);
    filter.to_at = 5000;
    assert_int_equal(read_page(bed, &filter).count, 0);
    filter.from_at = 5001;
    filter.to_at = 0;
    assert_int_equal(read_page(bed, &filter).count, 0);
}

struct feeder {
    struct bed *bed;
    const struct page *page; /* until this one is there */
    bool is_done;
};

static void feed(void *arg, const struct lat_err *err)
{
    struct feeder *feeder = arg;

    assert_null(err);
    if (feeder->page->is_there) {
        feeder->is_done = true;
        return;
    }
    struct lat_txn *txn = lat_txn_begin(feeder->bed->store, "");
    add(txn, "more", "", "");
    assert_int_equal(lat_txn_commit(txn, feed, feeder, NULL), 0);
}

static void readers_and_commits_take_turns(void **state)
{
    struct bed *bed = *state;
    const struct lat_audit_filter filter = {.max = 1, .action = "no such"};
    struct page page = {0};
    struct feeder feeder = {.bed = bed, .page = &page};

    add_many(bed, 5000);
    int commits = bed->script->commits;
    assert_int_equal(lat_store_audit_read(bed->store, &filter, take_page, &page, NULL), 0);
    feed(&feeder, NULL); /* from now on there is always a batch to come */
    run_until(bed, &feeder.is_done);
    assert_int_equal(page.count, 0);
    assert_int_equal(bed->script->reads, 5);
    assert_true(bed->script->commits - commits >= 4);
    assert_true(bed->script->commits - commits <= 6);
}

static void readers_are_bounded(void **state)
{
    struct bed *bed = *state;
    const struct lat_audit_filter filter = {.max = 1};
    struct page pages[LAT_AUDIT_READERS_MAX] = {0};
    struct lat_err err;

    for (int i = 0; i < LAT_AUDIT_READERS_MAX; i++) {
        assert_int_equal(lat_store_audit_read(bed->store, &filter, take_page, &pages[i], NULL), 0);
    }
    assert_int_equal(lat_store_audit_verify(bed->store, take_verdict, NULL, &err), LAT_E_BUSY);
    run_until(bed, &pages[LAT_AUDIT_READERS_MAX - 1].is_there);
    check_whole(bed, 1, 0);
}

static void readers_hear_when_the_store_closes_or_fails(void **state)
{
    struct bed *bed = *state;
    const struct lat_audit_filter filter = {.max = 1};
    struct page pages[4] = {0};
    struct answer answer = {0};

    add_many(bed, 1);
    bed->script->fail_commit = 2;
    bed->script->fail_code = LAT_E_IO;
    bed->script->fail_reopens = 1;
    bed->script->delay_ms = 20;
    struct lat_txn *txn = lat_txn_begin(bed->store, "");
    add(txn, "lost", "", "");
    commit(txn, &answer);
    bool never = false;
    assert_false(lat_loop_run_until(bed->loop, &never, 5));
    assert_int_equal(lat_store_audit_read(bed->store, &filter, take_page, &pages[0], NULL), 0);
    assert_int_equal(wait_for(bed, &answer), LAT_E_TIMEOUT);
    assert_true(pages[0].is_there);
    assert_int_equal(pages[0].code, LAT_E_IO);
    assert_int_equal(lat_store_audit_read(bed->store, &filter, take_page, &pages[1], NULL),
                     LAT_E_UNAVAILABLE);
    for (int i = 0; i < WAITING_MS && !lat_store_is_writable(bed->store, NULL); i++) {
        assert_false(lat_loop_run_until(bed->loop, &never, 20));
    }
    for (int i = 2; i < 4; i++) {
        assert_int_equal(lat_store_audit_read(bed->store, &filter, take_page, &pages[i], NULL), 0);
    }
    bed_restart(bed);
    assert_true(pages[2].is_there && pages[3].is_there);
    assert_int_equal(pages[3].code, LAT_E_UNAVAILABLE);
    for (int i = 0; i < 4; i++) {
        free(pages[i].first);
    }
}

/* ---- verifying ---- */

/* Runs SQL on the file while no store has it. */
static void tamper(struct bed *bed, const char *sql)
{
    bed_store_close(bed);
    bed_execute(bed, sql);
    bed_store_open(bed);
}

static void check_broken(struct bed *bed, int64_t at, const char *what)
{
    struct lat_audit_verdict verdict = verify(bed);

    assert_int_equal(verdict.broken_at, at);
    assert_string_equal(verdict.what, what);
}

static void what_was_altered_is_found(void **state)
{
    struct bed *bed = *state;

    add_many(bed, 3000);
    check_whole(bed, 1, 3000);
    bed_restart(bed);
    check_whole(bed, 1, 3000);
    tamper(bed, "UPDATE audit_log SET actor_id = 'c' WHERE sequence = 2345");
    check_broken(bed, 2345, "does not match its hash");
    tamper(bed, "UPDATE audit_log SET \"at\" = \"at\" + 1 WHERE sequence = 1024");
    check_broken(bed, 1024, "does not match its hash");
    tamper(bed, "UPDATE audit_log SET hash = x'00' WHERE sequence = 1");
    check_broken(bed, 1, "does not match its hash");
}

static void what_was_taken_out_is_found(void **state)
{
    struct bed *bed = *state;

    add_many(bed, 3000);
    tamper(bed, "DELETE FROM audit_log WHERE sequence = 3000");
    check_broken(bed, 3000, "is missing");
    add_many(bed, 1);
    check_broken(bed, 3000, "is missing");
    tamper(bed, "DELETE FROM audit_log WHERE sequence BETWEEN 1025 AND 2048");
    check_broken(bed, 1025, "is missing");
    tamper(bed, "DELETE FROM audit_log WHERE sequence = 1");
    check_broken(bed, 1, "is missing");
}

static void a_value_moved_to_another_column_is_found(void **state)
{
    struct bed *bed = *state;

    add_many(bed, 5);
    tamper(bed, "UPDATE audit_log SET actor_name = actor_id, actor_id = '' WHERE sequence = 4");
    check_broken(bed, 4, "does not match its hash");
}

static void what_is_forgotten_leaves_a_chain_that_holds(void **state)
{
    struct bed *bed = *state;
    struct lat_audit_filter filter = {.max = 1000};

    bed->store->audit.kept = 100;
    add_many(bed, 1123); /* a step is due with 1124 */
    add_many(bed, 1);
    check_whole(bed, 1, 1124);
    add_many(bed, 1);
    check_whole(bed, 1025, 1125);
    add_many(bed,
             6000); /* one batch: each of the next ones forgets a step and as much as it adds */
    for (int i = 0; i < 10; i++) {
        add_many(bed, 1);
    }
    struct lat_audit_verdict verdict = verify(bed);
    assert_int_equal(verdict.broken_at, 0);
    assert_int_equal(verdict.last, 7135);
    assert_true(verdict.first > 7135 - 100 - LAT_AUDIT_STEP && verdict.first <= 7135 - 100);
    bed_restart(bed);
    check_whole(bed, verdict.first, 7135);
    filter.before = verdict.first + 2;
    struct page page = read_page(bed, &filter);
    assert_int_equal(page.count, 2);
    assert_int_equal(page.sequences[1], verdict.first);
    free(page.first);
    char sql[96];
    snprintf(sql, sizeof(sql), "DELETE FROM audit_log WHERE sequence <= %d", (int)verdict.first);
    tamper(bed, sql);
    check_broken(bed, verdict.first, "is missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bed_open, bed_close)
        CASE(a_row_is_written_with_its_change_or_not_at_all),
        CASE(a_row_needs_no_change),
        CASE(a_row_alone_whose_answer_was_lost_is_settled),
        CASE(rows_that_went_on_without_an_answer_are_found_again),
        CASE(rows_written_upon_what_was_found_again_come_behind_it),
        CASE(long_texts_are_cut_between_characters),
        CASE(rows_are_read_in_pages_the_newest_first),
        CASE(a_filter_names_project_actor_object_action_and_time),
        CASE(readers_and_commits_take_turns),
        CASE(readers_are_bounded),
        CASE(readers_hear_when_the_store_closes_or_fails),
        CASE(what_was_altered_is_found),
        CASE(what_was_taken_out_is_found),
        CASE(a_value_moved_to_another_column_is_found),
        CASE(what_is_forgotten_leaves_a_chain_that_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
