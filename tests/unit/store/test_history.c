/* History: events apart from state. */
#include "support.h"

#include "store/history.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct got {
    bool is_there;
    cJSON *events;
    int code;
};

static void take(void *arg, char *json, const struct lat_err *err)
{
    struct got *got = arg;

    got->is_there = true;
    got->code = err == NULL ? 0 : err->code;
    if (json != NULL) {
        assert_int_equal(lat_json_parse(json, strlen(json), &got->events, NULL), 0);
        free(json);
    }
}

static cJSON *read_all(struct bed *bed, struct lat_history *history, const char *subject,
                       size_t max)
{
    struct got got = {0};

    lat_history_read(history, subject, max, take, &got);
    run_until(bed, &got.is_there);
    assert_int_equal(got.code, 0);
    return got.events;
}

static struct lat_history *history_open(struct bed *bed)
{
    struct lat_history *history;
    struct lat_err err;
    char path[128];

    snprintf(path, sizeof(path), "%s/history.db", bed->dir);
    if (lat_history_open(&(struct lat_history_options){.loop = bed->loop, .path = path}, &history,
                         &err) != 0) {
        fail_msg("%s", err.sentence);
    }
    return history;
}

enum { DAYS = 90 }; /* kept, as nothing else is set */

/* A time that is not too old to be kept. */
static int64_t now(void)
{
    return lat_clock_wall_ms(lat_clock_system());
}

static void it_remembers_how_far_the_store_has_come(void **state)
{
    struct bed *bed = *state;
    struct lat_history *history = history_open(bed);

    assert_int_equal(lat_history_store_index(history), 0);
    lat_history_note_store(history, 7);
    lat_history_note_store(history, 41);
    lat_history_close(history);
    history = history_open(bed);
    assert_int_equal(lat_history_store_index(history), 41);
    lat_history_close(history);
}

static void what_was_added_is_read_in_order(void **state)
{
    struct bed *bed = *state;
    struct lat_history *history = history_open(bed);
    int64_t at = now();
    char time[LAT_TIME_SIZE];

    lat_history_add(history, "w1", "placed", "Placed on \"n1\".", "r1", at);
    lat_history_add(history, "w2", "placed", "Another.", NULL, at);
    lat_history_add(history, "w1", "running", "It runs.", "r1", at + 1);
    cJSON *events = read_all(bed, history, "w1", 100);
    assert_int_equal(cJSON_GetArraySize(events), 2);
    cJSON *first = cJSON_GetArrayItem(events, 0);
    assert_string_equal(lat_json_text(first, "message", ""), "Placed on \"n1\".");
    assert_string_equal(lat_json_text(first, "kind", ""), "placed");
    assert_string_equal(lat_json_text(first, "request_id", ""), "r1");
    lat_time_format(at, time);
    assert_string_equal(lat_json_text(first, "at", ""), time);
    cJSON_Delete(events);
    events = read_all(bed, history, "w1", 1);
    assert_int_equal(cJSON_GetArraySize(events), 1);
    assert_string_equal(lat_json_text(cJSON_GetArrayItem(events, 0), "kind", ""), "running");
    cJSON_Delete(events);
    events = read_all(bed, history, "nobody", 10);
    assert_int_equal(cJSON_GetArraySize(events), 0);
    cJSON_Delete(events);
    lat_history_close(history);
}

static void closing_writes_what_waits(void **state)
{
    struct bed *bed = *state;
    struct lat_history *history = history_open(bed);

    lat_history_add(history, "w1", "placed", "Placed.", "", now());
    lat_history_close(history);
    history = history_open(bed);
    cJSON *events = read_all(bed, history, "w1", 10);
    assert_int_equal(cJSON_GetArraySize(events), 1);
    cJSON_Delete(events);
    lat_history_close(history);
}

static void only_the_newest_events_of_a_subject_are_kept(void **state)
{
    struct bed *bed = *state;
    struct lat_history *history = history_open(bed);
    char message[32];

    for (int i = 0; i < LAT_HISTORY_EVENTS_PER_SUBJECT + 50; i++) {
        snprintf(message, sizeof(message), "%d", i);
        lat_history_add(history, "w1", "k", message, "", now());
    }
    cJSON *events = read_all(bed, history, "w1", 2 * LAT_HISTORY_EVENTS_PER_SUBJECT);
    assert_int_equal(cJSON_GetArraySize(events), LAT_HISTORY_EVENTS_PER_SUBJECT);
    assert_string_equal(lat_json_text(cJSON_GetArrayItem(events, 0), "message", ""), "50");
    cJSON_Delete(events);
    assert_int_equal(lat_history_dropped(history), 0);
    lat_history_close(history);
}

static void what_is_too_old_is_forgotten(void **state)
{
    struct bed *bed = *state;
    struct lat_history *history = history_open(bed);
    const int64_t day = 86400000;

    lat_history_add(history, "w1", "k", "old", "", now() - (DAYS + 1) * day);
    lat_history_add(history, "w1", "k", "young", "", now() - (DAYS - 1) * day);
    cJSON *events = read_all(bed, history, "w1", 10);
    assert_int_equal(cJSON_GetArraySize(events), 1);
    assert_string_equal(lat_json_text(cJSON_GetArrayItem(events, 0), "message", ""), "young");
    cJSON_Delete(events);
    lat_history_close(history);
}

static void a_long_message_is_cut_between_characters(void **state)
{
    struct bed *bed = *state;
    struct lat_history *history = history_open(bed);
    char message[LAT_HISTORY_MESSAGE_MAX + 64];

    memset(message, 'x', sizeof(message) - 1);
    message[sizeof(message) - 1] = '\0';
    memcpy(message + LAT_HISTORY_MESSAGE_MAX - 1, "\xc3\xa4", 2);
    lat_history_add(history, "w1", "k", message, "", now());
    cJSON *events = read_all(bed, history, "w1", 1);
    assert_int_equal(strlen(lat_json_text(cJSON_GetArrayItem(events, 0), "message", "")),
                     LAT_HISTORY_MESSAGE_MAX - 1);
    cJSON_Delete(events);
    lat_history_close(history);
}

static void a_full_queue_drops_and_counts(void **state)
{
    struct bed *bed = *state;
    struct lat_history *history = history_open(bed);
    int added = 0;

    while (lat_history_dropped(history) == 0 && added < 2000000) {
        lat_history_add(history, "w1", "k", "m", "", now());
        added++;
    }
    assert_true(lat_history_dropped(history) > 0);
    assert_true(added > LAT_HISTORY_QUEUE_MAX);
    lat_history_close(history);
}

static void a_read_is_answered_even_when_closing(void **state)
{
    struct bed *bed = *state;
    struct lat_history *history = history_open(bed);
    struct got got = {0};

    lat_history_add(history, "w1", "k", "m", "", now());
    lat_history_read(history, "w1", 10, take, &got);
    lat_history_close(history);
    run_until(bed, &got.is_there);
    assert_int_equal(cJSON_GetArraySize(got.events), 1);
    cJSON_Delete(got.events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, bed_open, bed_close)
        CASE(it_remembers_how_far_the_store_has_come),
        CASE(what_was_added_is_read_in_order),
        CASE(closing_writes_what_waits),
        CASE(only_the_newest_events_of_a_subject_are_kept),
        CASE(what_is_too_old_is_forgotten),
        CASE(a_long_message_is_cut_between_characters),
        CASE(a_full_queue_drops_and_counts),
        CASE(a_read_is_answered_even_when_closing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
