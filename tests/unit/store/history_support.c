#include "history_support.h"

#include "base/mem.h"
#include "base/text.h"
#include "tests/unit/waiting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int64_t wall(void *arg)
{
    return ((struct past *)arg)->wall_ms;
}

static int64_t boot(void *arg)
{
    (void)arg;
    return lat_clock_boot_ns(lat_clock_system());
}

static void open_history(struct past *past)
{
    struct lat_history_options options = {
        .loop = past->loop, .path = past->path, .metrics = past->metrics, .limits = past->limits};
    struct lat_err err;

    if (lat_history_open(&options, &past->history, &err) != 0) {
        fail_msg("%s", err.sentence);
    }
}

int past_open(void **state)
{
    struct past *past = LAT_NEW(struct past);

    snprintf(past->dir, sizeof(past->dir), "/tmp/lat-history-XXXXXX");
    assert_non_null(mkdtemp(past->dir));
    snprintf(past->path, sizeof(past->path), "%s/history.db", past->dir);
    past->wall_ms = PAST_NOON;
    past->clock = (struct lat_clock){.wall_ms = wall, .boot_ns = boot, .arg = past};
    past->loop = lat_loop_new(&past->clock);
    past->metrics = lat_metrics_new();
    open_history(past);
    *state = past;
    return 0;
}

int past_close(void **state)
{
    struct past *past = *state;
    static const char *const suffixes[] = {"", "-wal", "-shm"};

    lat_history_close(past->history);
    lat_loop_free(past->loop);
    lat_metrics_free(past->metrics);
    for (size_t i = 0; i < LAT_COUNT(suffixes); i++) {
        char *path = lat_text_format("%s%s", past->path, suffixes[i]);

        unlink(path);
        free(path);
    }
    rmdir(past->dir);
    free(past);
    return 0;
}

void past_restart(struct past *past)
{
    lat_history_close(past->history);
    open_history(past);
}

void past_id(const char *kind, int number, char ret_id[LAT_ID_SIZE])
{
    snprintf(ret_id, LAT_ID_SIZE, "01900000-0000-7000-8%03x-%012x", (unsigned)kind[0],
             (unsigned)number);
}

struct lat_history_subject past_subject(int allocation, int workload, int ordinal)
{
    struct lat_history_subject subject = {.ordinal = ordinal, .node = "n1"};

    past_id("a", allocation, subject.id);
    past_id("w", workload, subject.owner_id);
    return subject;
}

void past_add(struct past *past, const struct lat_history_subject *subject,
              enum lat_measure measure, int64_t at, double value)
{
    struct lat_sample sample = {.measure = measure, .value = value};

    lat_history_add_samples(past->history, subject, at, &sample, 1);
}

struct got {
    bool is_there;
    cJSON *json;
};

static void take(void *arg, char *json, const struct lat_err *err)
{
    struct got *got = arg;

    if (err != NULL) {
        fail_msg("%s", err->sentence);
    }
    got->is_there = true;
    assert_int_equal(lat_json_parse(json, strlen(json), &got->json, NULL), 0);
    free(json);
}

cJSON *past_samples(struct past *past, const char *id, int64_t from, int64_t to, int64_t step_ms)
{
    struct lat_history_range range = {.from = from, .to = to, .step_ms = step_ms};
    struct got got = {0};
    struct lat_err err;

    lat_text_bound(range.id, sizeof(range.id), id);
    lat_text_bound(range.owner_id, sizeof(range.owner_id), id);
    if (lat_history_range_check(past->history, &range, &err) != 0) {
        fail_msg("%s", err.sentence);
    }
    lat_history_read_samples(past->history, &range, take, &got);
    assert_true(lat_loop_run_until(past->loop, &got.is_there, WAITING_MS));
    return got.json;
}

struct pages {
    bool is_there;
    struct lat_buf text;
    int64_t next;
    bool more;
};

static void take_page(void *arg, const struct lat_history_page *page, const struct lat_err *err)
{
    struct pages *pages = arg;

    if (err != NULL) {
        fail_msg("%s", err->sentence);
    }
    pages->is_there = true;
    lat_buf_add(&pages->text, page->text, page->len);
    pages->next = page->next;
    pages->more = page->more;
}

char *past_lines(struct past *past, const struct lat_history_lines *which)
{
    struct lat_history_lines rest = *which;
    struct pages pages = {0};

    do {
        pages.is_there = false;
        lat_history_read_lines(past->history, &rest, take_page, &pages);
        assert_true(lat_loop_run_until(past->loop, &pages.is_there, WAITING_MS));
        rest.after = pages.next;
    } while (pages.more);
    return lat_buf_take_text(&pages.text);
}

double past_point(const cJSON *samples, int item, const char *measure, const char *column, int at)
{
    const cJSON *measures =
        lat_json_get(cJSON_GetArrayItem(lat_json_get(samples, "items"), item), "measures");
    const cJSON *points = lat_json_get(lat_json_get(measures, measure), column);
    const cJSON *point = cJSON_GetArrayItem(points, at);

    return cJSON_IsNumber(point) ? point->valuedouble : -1;
}
