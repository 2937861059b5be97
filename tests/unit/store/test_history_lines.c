/* History: lines of logs. */
#include "history_support.h"

#include "base/mem.h"
#include "base/text.h"
#include "tests/unit/waiting.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void add_line(struct past *past, const struct lat_history_subject *subject, int64_t at_ns,
                     const char *text)
{
    struct lat_log_line line = {.at_ns = at_ns, .text = text, .len = strlen(text)};

    while (!lat_history_add_lines(past->history, subject, &line, 1)) {
        cJSON_Delete(past_samples(past, "nobody", PAST_NOON - 1, PAST_NOON, 3600000));
    }
}

static int64_t at(int second)
{
    return (PAST_NOON + second * 1000) * 1000000;
}

static struct lat_history_lines of_instance(int workload, int ordinal)
{
    struct lat_history_lines which = {.ordinal = ordinal, .tail = -1};

    past_id("w", workload, which.owner_id);
    return which;
}

static void expect(struct past *past, const struct lat_history_lines *which, const char *text)
{
    char *lines = past_lines(past, which);

    assert_string_equal(lines, text);
    free(lines);
}

static void lines_of_an_instance_are_one_log_over_its_allocations(void **state)
{
    struct past *past = *state;
    struct lat_history_subject first = past_subject(1, 1, 0), second = past_subject(2, 1, 0);
    struct lat_history_subject sibling = past_subject(3, 1, 1), stranger = past_subject(4, 2, 0);
    struct lat_history_lines which = of_instance(1, 0);

    add_line(past, &first, at(1), "one");
    add_line(past, &sibling, at(2), "sibling");
    add_line(past, &stranger, at(2), "stranger");
    add_line(past, &first, at(3), "two");
    add_line(past, &second, at(4), "three");
    expect(past, &which, "one\ntwo\nthree\n");
    which.previous = 1;
    expect(past, &which, "one\ntwo\n");
    which.previous = 2;
    expect(past, &which, "");
    which = (struct lat_history_lines){.tail = -1};
    lat_text_bound(which.id, sizeof(which.id), sibling.id);
    expect(past, &which, "sibling\n");
}

static void nobody_writes_into_the_log_of_another_workload(void **state)
{
    struct past *past = *state;
    struct lat_history_subject owner = past_subject(1, 1, 0), thief = past_subject(2, 2, 0);
    struct lat_history_lines owned = of_instance(1, 0), stolen = of_instance(2, 0);

    lat_text_bound(thief.id, sizeof(thief.id), owner.id);
    add_line(past, &owner, at(1), "mine");
    add_line(past, &thief, at(2), "forged");
    add_line(past, &owner, at(3), "mine too");
    expect(past, &owned, "mine\nmine too\n");
    expect(past, &stolen, "");
    assert_int_equal(lat_history_dropped(past->history), 1);
    past_restart(past);
    add_line(past, &thief, at(4), "forged");
    expect(past, &owned, "mine\nmine too\n");
}

static void lines_are_found_by_time_text_and_from_the_end(void **state)
{
    struct past *past = *state;
    struct lat_history_subject subject = past_subject(1, 1, 0);
    struct lat_history_lines which = of_instance(1, 0);

    for (int i = 0; i < 10; i++) {
        char text[32];

        snprintf(text, sizeof(text), "%s %d", i % 2 == 0 ? "GET" : "PUT", i);
        add_line(past, &subject, at(i), text);
    }
    which.since = PAST_NOON + 8000;
    expect(past, &which, "GET 8\nPUT 9\n");
    which.since = PAST_NOON + 2000;
    which.until = PAST_NOON + 4000;
    expect(past, &which, "GET 2\nPUT 3\n");
    which = of_instance(1, 0);
    lat_text_bound(which.grep, sizeof(which.grep), "PUT");
    which.tail = 2;
    expect(past, &which, "PUT 7\nPUT 9\n");
    which.tail = 0;
    expect(past, &which, "");
    which = of_instance(1, 0);
    which.tail = 1;
    which.timestamps = true;
    expect(past, &which, "2026-11-21T12:00:09.000000000Z PUT 9\n");
}

static void any_bytes_come_back_as_they_were(void **state)
{
    struct past *past = *state;
    struct lat_history_subject subject = past_subject(1, 1, 0);
    struct lat_history_lines which = of_instance(1, 0);
    struct lat_log_line lines[] = {{.at_ns = at(0), .text = "\xff\x80'; --", .len = 7},
                                   {.at_ns = at(1), .text = "", .len = 0}};

    assert_true(lat_history_add_lines(past->history, &subject, lines, 2));
    expect(past, &which, "\xff\x80'; --\n\n");
}

static void a_long_line_is_cut_and_a_long_log_comes_in_pages(void **state)
{
    struct past *past = *state;
    struct lat_history_subject subject = past_subject(1, 1, 0);
    struct lat_history_lines which = of_instance(1, 0);
    char *text = lat_alloc(LAT_HISTORY_LINE_MAX + 2);
    size_t total = 0;

    memset(text, 'x', LAT_HISTORY_LINE_MAX + 1);
    for (int i = 0; i < 200; i++) {
        add_line(past, &subject, at(i), text);
        total += LAT_HISTORY_LINE_MAX + 1;
    }
    char *lines = past_lines(past, &which);
    assert_true(total > 3 * LAT_HISTORY_PAGE_BYTES);
    assert_int_equal(strlen(lines), total);
    free(lines);
    free(text);
}

struct end {
    bool is_there;
    int64_t at_ns, count;
};

static void take_end(void *arg, int64_t at_ns, int64_t count, const struct lat_err *err)
{
    struct end *end = arg;

    assert_null(err);
    *end = (struct end){.is_there = true, .at_ns = at_ns, .count = count};
}

static struct end end_of(struct past *past, const char *id)
{
    struct end end = {0};

    lat_history_read_end(past->history, id, take_end, &end);
    assert_true(lat_loop_run_until(past->loop, &end.is_there, WAITING_MS));
    return end;
}

static void the_end_of_a_log_says_how_many_lines_have_its_time(void **state)
{
    struct past *past = *state;
    struct lat_history_subject subject = past_subject(1, 1, 0), next = past_subject(2, 1, 0);

    assert_int_equal(end_of(past, subject.id).count, 0);
    add_line(past, &subject, at(1), "a");
    add_line(past, &subject, at(2), "b");
    add_line(past, &subject, at(2), "c");
    add_line(past, &next, at(3), "d");
    past_restart(past);
    assert_true(end_of(past, subject.id).at_ns == at(2));
    assert_int_equal(end_of(past, subject.id).count, 2);
    assert_int_equal(end_of(past, next.id).count, 1);
}

static void the_oldest_lines_go_when_there_are_too_many_bytes(void **state)
{
    struct past *past = *state;
    struct lat_history_subject subject = past_subject(1, 1, 0);
    struct lat_history_lines which = of_instance(1, 0);
    char text[101];

    past->limits.logs_bytes = 50000;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (int i = 0; i < 3000; i++) {
        add_line(past, &subject, at(i), text);
        if (i % 1000 == 999) {
            past_restart(past);
        }
    }
    for (int i = 0; i < 20; i++) {
        free(past_lines(past, &which)); /* each wakes the writer, which forgets a step */
    }
    char *lines = past_lines(past, &which);
    assert_int_equal(strlen(lines), 500 * 101);
    free(lines);
    past_restart(past); /* what is counted is in the file */
    lines = past_lines(past, &which);
    assert_int_equal(strlen(lines), 500 * 101);
    free(lines);
}

static void old_lines_are_forgotten(void **state)
{
    struct past *past = *state;
    struct lat_history_subject subject = past_subject(1, 1, 0);
    struct lat_history_lines which = of_instance(1, 0);

    past->limits.days = 1;
    add_line(past, &subject, at(-90000), "old");
    add_line(past, &subject, at(-80000), "young");
    past_restart(past);
    for (int i = 0; i < 20; i++) {
        free(past_lines(past, &which));
    }
    expect(past, &which, "young\n");
}

/* Lines go in the order of their coming: one that is never old would keep all behind it. */
static void a_line_from_far_ahead_is_taken_for_one_of_tomorrow(void **state)
{
    struct past *past = *state;
    struct lat_history_subject subject = past_subject(1, 1, 0);

    add_line(past, &subject, at(3600), "an hour ahead");
    assert_true(end_of(past, subject.id).at_ns == at(3600));
    add_line(past, &subject, at(1000000), "days ahead");
    assert_true(end_of(past, subject.id).at_ns == at(LAT_HISTORY_AHEAD_S));
}

static void other_limits_hold_at_once(void **state)
{
    struct past *past = *state;
    struct lat_history_subject subject = past_subject(1, 1, 0);
    struct lat_history_lines which = of_instance(1, 0);

    add_line(past, &subject, at(-90000), "old");
    add_line(past, &subject, at(-80000), "young");
    expect(past, &which, "old\nyoung\n");
    lat_history_set_limits(past->history, &(struct lat_history_limits){.days = 1});
    for (int i = 0; i < 20; i++) {
        free(past_lines(past, &which)); /* each wakes the writer, which forgets a step */
    }
    expect(past, &which, "young\n");
}

/* As many rows as a node may have, written by hand. */
static void fill_with_subjects(struct past *past, const char *node)
{
    sqlite3 *db;
    char *sql = lat_text_format(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
        " INSERT INTO subject (id, owner_id, ordinal, node, began_at, seen_at, writes, source)"
        " SELECT 'id-' || i, '', 0, '%s', %lld, %lld, 0, i FROM n",
        LAT_HISTORY_SUBJECTS_OF_NODE_MAX, node, (long long)past->wall_ms, (long long)past->wall_ms);

    past->history = lat_history_close(past->history);
    assert_int_equal(sqlite3_open(past->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    free(sql);
    past_restart(past);
}

static void no_node_takes_the_place_of_others(void **state)
{
    struct past *past = *state;
    struct lat_history_subject greedy = past_subject(1, 1, 0), other = past_subject(2, 2, 0);
    struct lat_history_lines of_greedy = of_instance(1, 0), of_other = of_instance(2, 0);

    lat_text_bound(greedy.node, sizeof(greedy.node), "greedy");
    fill_with_subjects(past, "greedy");
    add_line(past, &greedy, at(1), "one too many");
    add_line(past, &other, at(1), "of another node");
    expect(past, &of_greedy, "");
    expect(past, &of_other, "of another node\n");
    assert_int_equal(lat_history_dropped(past->history), 1);
}

/* ---- schemas ---- */

static void write_file(struct past *past, const char *sql)
{
    sqlite3 *db;

    past->history = lat_history_close(past->history);
    assert_int_equal(remove(past->path), 0);
    assert_int_equal(sqlite3_open(past->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void events_read(void *arg, char *json, const struct lat_err *err)
{
    bool *is_there = arg;

    assert_null(err);
    assert_non_null(strstr(json, "\"kept over the update\""));
    free(json);
    *is_there = true;
}

/* As the program before this one left it: events alone, and no number. */
static void a_file_of_the_first_schema_keeps_its_events(void **state)
{
    struct past *past = *state;
    struct lat_history_subject subject = past_subject(1, 1, 0);
    struct lat_history_lines which = of_instance(1, 0);
    struct lat_history_options options = {.loop = past->loop, .path = past->path};
    bool is_there = false;

    write_file(
        past,
        "CREATE TABLE \"event\" (\"number\" INTEGER PRIMARY KEY, \"subject_id\" TEXT NOT NULL, "
        "\"kind\" TEXT NOT NULL, \"message\" TEXT NOT NULL, \"request_id\" TEXT NOT NULL, \"at\" INTEGER NOT NULL) STRICT;"
        "CREATE INDEX \"event_subject\" ON \"event\" (\"subject_id\", \"number\");"
        "CREATE INDEX \"event_at\" ON \"event\" (\"at\");"
        "INSERT INTO event (subject_id, kind, message, request_id, at) VALUES ('w1', 'k', 'kept over the update', '', 1795262400000)");
    assert_int_equal(lat_history_open(&options, &past->history, NULL), 0);
    lat_history_read(past->history, "w1", 10, events_read, &is_there);
    assert_true(lat_loop_run_until(past->loop, &is_there, WAITING_MS));
    add_line(past, &subject, at(0), "and goes on");
    past_restart(past);
    expect(past, &which, "and goes on\n");
}

static void a_file_of_a_newer_program_is_refused(void **state)
{
    struct past *past = *state;
    struct lat_history_options options = {.loop = past->loop, .path = past->path};
    struct lat_err err;

    write_file(past, "PRAGMA user_version = 99");
    assert_int_equal(lat_history_open(&options, &past->history, &err), LAT_E_VERSION);
    assert_non_null(strstr(err.sentence, "99"));
    past->history = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, past_open, past_close)
        CASE(lines_of_an_instance_are_one_log_over_its_allocations),
        CASE(nobody_writes_into_the_log_of_another_workload),
        CASE(lines_are_found_by_time_text_and_from_the_end),
        CASE(any_bytes_come_back_as_they_were),
        CASE(a_long_line_is_cut_and_a_long_log_comes_in_pages),
        CASE(the_end_of_a_log_says_how_many_lines_have_its_time),
        CASE(the_oldest_lines_go_when_there_are_too_many_bytes),
        CASE(old_lines_are_forgotten),
        CASE(a_line_from_far_ahead_is_taken_for_one_of_tomorrow),
        CASE(other_limits_hold_at_once),
        CASE(no_node_takes_the_place_of_others),
        CASE(a_file_of_the_first_schema_keeps_its_events),
        CASE(a_file_of_a_newer_program_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
