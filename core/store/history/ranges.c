/* Reading samples as points of equal steps.
 *
 *     step ─► level: the coarsest whose own step divides it, and that still has `from` ─► a seek for each (step of the level, subject)
 *          ─► points: adjacent steps of the level added up
 *
 * The range is checked on the loop, with what is fixed; it is read by the writer. */
#include "history_internal.h"

enum {
    STEP_MIN_MS = 5000,
    POINTS_WANTED = 360, /* where nobody asked for a step */
    SEEKS_MAX =
        200000, /* in one read: fewer subjects where each needs many; one may not need more */
};

static const int64_t step_max_ms = INT64_C(366) * 86400000;

struct point {
    int64_t count;
    double sum, min, max, last;
    int64_t last_at;
};

struct question {
    struct lat__read read;
    struct lat_history_range range;
    int64_t now;
    lat_history_fn *fn;
    void *arg;
    char *json; /* owned */
};

/* ---- which level ---- */

/* The level for a step, without a look at how far back it goes. */
static enum lat__level level_of_step(int64_t step_ms)
{
    for (int level = LAT__1H; level > LAT__RAW; level--) {
        if (step_ms % lat__level_step_ms((enum lat__level)level) == 0) {
            return (enum lat__level)level;
        }
    }
    return LAT__RAW;
}

/* Makes a step one that there are samples for as far back as `from`: perhaps a longer one. */
static int64_t fit_step(const struct lat_history *history, int64_t step_ms, int64_t from,
                        int64_t now)
{
    int64_t unit_ms = step_ms < lat__level_step_ms(LAT__1M) ? 1000 : lat__level_step_ms(LAT__1M);

    step_ms = (step_ms + unit_ms - 1) / unit_ms * unit_ms;
    for (int level = (int)level_of_step(step_ms);
         level < LAT__1H && from < now - history->level_s[level] * 1000; level++) {
        int64_t next_ms = lat__level_step_ms((enum lat__level)(level + 1));

        step_ms = (step_ms + next_ms - 1) / next_ms * next_ms;
    }
    return step_ms;
}

static int64_t choose_step(const struct lat_history *history, const struct lat_history_range *range,
                           int64_t now)
{
    static const int64_t steps_s[] = {30,   60,       2 * 60,   5 * 60,    15 * 60, 30 * 60,
                                      3600, 2 * 3600, 6 * 3600, 12 * 3600, 86400,   7 * 86400};
    int64_t step_ms = 0;

    for (size_t i = 0; i < LAT_COUNT(steps_s); i++) {
        step_ms = fit_step(history, steps_s[i] * 1000, range->from, now);
        if ((range->to - range->from) / step_ms <= POINTS_WANTED) {
            break;
        }
    }
    return step_ms;
}

/* How often the writer looks for rows of one subject. */
static int64_t seeks_of(int64_t step_ms, int64_t span_ms)
{
    return span_ms / lat__level_step_ms(level_of_step(step_ms)) + 2;
}

int lat_history_range_check(struct lat_history *history, struct lat_history_range *range,
                            struct lat_err *err)
{
    int64_t now = lat_clock_wall_ms(lat_loop_clock(history->loop));

    if (range->from < 0 || range->to <= range->from) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "from", "from has to be before to.");
    }
    if (range->step_ms != 0 && (range->step_ms < STEP_MIN_MS || range->step_ms > step_max_ms)) {
        return lat_err_field(err, LAT_E_INVALID_FIELD, "step", "step is from %d s to 366 d.",
                             STEP_MIN_MS / 1000);
    }
    int64_t step_ms = range->step_ms == 0 ? choose_step(history, range, now)
                                          : fit_step(history, range->step_ms, range->from, now);
    int64_t from = range->from - range->from % step_ms;
    int64_t count = (range->to - from + step_ms - 1) / step_ms;

    if (count > LAT_HISTORY_POINTS_MAX) {
        lat_err_field(err, LAT_E_INVALID_FIELD, "step",
                      "That would be %lld points; there may be %d.", (long long)count,
                      LAT_HISTORY_POINTS_MAX);
        return lat_err_hint(err, "Ask for a longer step, or for less time.");
    }
    if (seeks_of(step_ms, count * step_ms) > SEEKS_MAX) { /* it would keep the writer for long */
        lat_err_field(err, LAT_E_INVALID_FIELD, "from",
                      "That is too much time to look through in steps like this one.");
        return lat_err_hint(err, "Ask for less time, or for a step of whole hours.");
    }
    range->step_ms = step_ms;
    range->from = from;
    range->to = from + count * step_ms;
    return 0;
}

/* ---- reading ---- */

static void add(struct point *point, const struct point *more)
{
    if (point->count == 0) {
        *point = *more;
        return;
    }
    point->count += more->count;
    point->sum += more->sum;
    point->min = more->min < point->min ? more->min : point->min;
    point->max = more->max > point->max ? more->max : point->max;
    if (more->last_at >= point->last_at) {
        point->last = more->last;
        point->last_at = more->last_at;
    }
}

static int measure_of(const struct lat_history *history, int number)
{
    for (int i = 0; i < LAT_MEASURE_COUNT; i++) {
        if (history->measures[i] == number) {
            return i;
        }
    }
    return -1; /* of a newer program */
}

/* Where the point of a measure at that time is among the points of a subject; NULL outside of the range. */
static struct point *point_at(const struct lat_history *history,
                              const struct lat_history_range *range, struct point *points,
                              int number, int64_t at)
{
    int measure = measure_of(history, number);
    size_t count = (size_t)((range->to - range->from) / range->step_ms);

    if (measure < 0 || at < range->from || at >= range->to) {
        return NULL;
    }
    return &points[(size_t)measure * count + (size_t)((at - range->from) / range->step_ms)];
}

static int read_rollup(struct lat_history *history, const struct lat_history_range *range,
                       enum lat__level level, int64_t subject, int64_t at, struct point *points,
                       struct lat_err *err)
{
    sqlite3_stmt *read = lat__history_statement(history, LAT__HISTORY_ROLLUP_READ);
    int step;

    lat__history_bind(read, 1, lat__level_step_ms(level) / 1000);
    lat__history_bind(read, 2, at);
    lat__history_bind(read, 3, subject);
    while ((step = sqlite3_step(read)) == SQLITE_ROW) {
        struct point more = {
            .count = sqlite3_column_int64(read, 1),
            .sum = sqlite3_column_double(read, 2),
            .min = sqlite3_column_double(read, 3),
            .max = sqlite3_column_double(read, 4),
            .last = sqlite3_column_double(read, 5),
            .last_at = at, /* the steps of a level do not overlap */
        };
        struct point *point = point_at(history, range, points, sqlite3_column_int(read, 0), at);

        if (point != NULL) {
            add(point, &more);
        }
    }
    int rc = step == SQLITE_DONE ? 0 : lat__db_error(history->db, "history", err);

    sqlite3_reset(read);
    return rc;
}

static int read_raw(struct lat_history *history, const struct lat_history_range *range,
                    int64_t subject, int64_t minute, struct point *points, struct lat_err *err)
{
    sqlite3_stmt *read = lat__history_statement(history, LAT__HISTORY_SAMPLE_READ);
    int step;

    lat__history_bind(read, 1, minute);
    lat__history_bind(read, 2, subject);
    while ((step = sqlite3_step(read)) == SQLITE_ROW) {
        double value = sqlite3_column_double(read, 2);
        int64_t at = sqlite3_column_int64(read, 1);
        struct point more = {
            .count = 1, .sum = value, .min = value, .max = value, .last = value, .last_at = at};
        struct point *point = point_at(history, range, points, sqlite3_column_int(read, 0), at);

        if (point != NULL) {
            add(point, &more);
        }
    }
    int rc = step == SQLITE_DONE ? 0 : lat__db_error(history->db, "history", err);

    sqlite3_reset(read);
    return rc;
}

static int read_points(struct lat_history *history, const struct lat_history_range *range,
                       int64_t subject, struct point *points, struct lat_err *err)
{
    enum lat__level level = level_of_step(range->step_ms);
    int64_t step_ms = lat__level_step_ms(level);
    int rc = 0;

    for (int64_t at = range->from - range->from % step_ms; rc == 0 && at < range->to;
         at += step_ms) {
        rc = level == LAT__RAW ? read_raw(history, range, subject, at / step_ms, points, err)
                               : read_rollup(history, range, level, subject, at, points, err);
    }
    return rc;
}

/* ---- writing the answer ---- */

enum column { AVG, MIN, MAX, LAST, PER_SECOND, SUM };

static double column_value(const struct question *question, const struct point *point,
                           enum column column, int64_t at)
{
    const struct lat_history_range *range = &question->range;
    int64_t passed_ms = question->now - at < range->step_ms ? question->now - at : range->step_ms;

    switch (column) {
    case AVG: return point->sum / (double)point->count;
    case MIN: return point->min;
    case MAX: return point->max;
    case LAST: return point->last;
    case SUM: return point->sum;
    case PER_SECOND: break;
    }
    return point->sum * 1000 / (double)(passed_ms < 1000 ? 1000 : passed_ms);
}

static void write_column(const struct question *question, const struct point *points, size_t count,
                         const char *name, enum column column, struct lat_json_writer *writer)
{
    lat_json_array(writer, name);
    for (size_t i = 0; i < count; i++) {
        int64_t at = question->range.from + (int64_t)i * question->range.step_ms;

        if (points[i].count == 0) {
            lat_json_add_null(writer, NULL);
        } else {
            lat_json_add_real(writer, NULL, column_value(question, &points[i], column, at));
        }
    }
    lat_json_end(writer, ']');
}

static void write_measure(const struct question *question, enum lat_measure measure,
                          const struct point *points, size_t count, struct lat_json_writer *writer)
{
    bool is_counter = lat_measure_is_counter(measure);
    bool is_there = false;

    for (size_t i = 0; i < count && !is_there; i++) {
        is_there = points[i].count > 0;
    }
    if (!is_there) {
        return;
    }
    lat_json_object(writer, lat_measure_name(measure));
    lat_json_add_text(writer, "kind", is_counter ? "counter" : "gauge");
    if (is_counter) {
        write_column(question, points, count, "per_second", PER_SECOND, writer);
        write_column(question, points, count, "sum", SUM, writer);
    } else {
        write_column(question, points, count, "avg", AVG, writer);
        write_column(question, points, count, "min", MIN, writer);
        write_column(question, points, count, "max", MAX, writer);
        write_column(question, points, count, "last", LAST, writer);
    }
    lat_json_end(writer, '}');
}

/* One subject of the list that `row` walks through. */
static int write_subject(struct lat_history *history, struct question *question, sqlite3_stmt *row,
                         struct point *points, struct lat_json_writer *writer)
{
    size_t count = (size_t)((question->range.to - question->range.from) / question->range.step_ms);
    int rc;

    memset(points, 0, count * LAT_MEASURE_COUNT * sizeof(*points));
    rc = read_points(history, &question->range, sqlite3_column_int64(row, 0), points,
                     &question->read.err);
    lat_json_object(writer, NULL);
    lat_json_add_text(writer, "id", (const char *)sqlite3_column_text(row, 1));
    lat_json_add_int(writer, "ordinal", sqlite3_column_int64(row, 2));
    lat_json_add_text(writer, "node", (const char *)sqlite3_column_text(row, 3));
    lat_json_object(writer, "measures");
    for (size_t i = 0; i < LAT_MEASURE_COUNT; i++) {
        write_measure(question, (enum lat_measure)i, &points[i * count], count, writer);
    }
    lat_json_end(writer, '}');
    lat_json_end(writer, '}');
    return rc;
}

static int run(struct lat_history *history, struct lat__read *read)
{
    struct question *question = LAT_CONTAINER(read, struct question, read);
    const struct lat_history_range *range = &question->range;
    size_t count = (size_t)((range->to - range->from) / range->step_ms);
    int64_t subjects = SEEKS_MAX / seeks_of(range->step_ms, range->to - range->from);
    struct point *points = lat_alloc_array(count * LAT_MEASURE_COUNT, sizeof(*points));
    sqlite3_stmt *list = lat__history_statement(history, LAT__HISTORY_SUBJECT_LIST);
    struct lat_json_writer writer;
    struct lat_buf out = {0};
    int rc = 0, step;

    subjects = subjects < 1 ? 1 : subjects;
    lat__db_bind_text(list, 1, range->owner_id);
    lat__db_bind_text(list, 2, range->id);
    lat__history_bind(list, 3, range->from - 3600000); /* `seen_at` follows in steps */
    lat__history_bind(list, 4, range->to);
    lat__history_bind(list, 5,
                      subjects < LAT_HISTORY_SUBJECTS_MAX ? subjects : LAT_HISTORY_SUBJECTS_MAX);
    lat_json_writer_init(&writer, &out);
    lat_json_object(&writer, NULL);
    lat_json_add_time(&writer, "from", range->from);
    lat_json_add_time(&writer, "to", range->to);
    lat_json_add_int(&writer, "step_ms", range->step_ms);
    lat_json_array(&writer, "items");
    while (rc == 0 && (step = sqlite3_step(list)) != SQLITE_DONE) {
        rc = step == SQLITE_ROW ? write_subject(history, question, list, points, &writer)
                                : lat__db_error(history->db, "history", &read->err);
    }
    sqlite3_reset(list);
    lat_json_end(&writer, ']');
    lat_json_end(&writer, '}');
    if (rc == 0) {
        question->json = lat_buf_take_text(&out);
    }
    lat_buf_done(&out);
    free(points);
    return rc;
}

static void tell(struct lat__read *read, const struct lat_err *err)
{
    struct question *question = LAT_CONTAINER(read, struct question, read);
    char *json = NULL;

    if (err == NULL) { /* else the writer may still be at it */
        json = question->json;
        question->json = NULL;
    }
    question->fn(question->arg, json, err);
}

static void question_free(struct lat__read *read)
{
    struct question *question = LAT_CONTAINER(read, struct question, read);

    free(question->json);
    free(question);
}

void lat_history_read_samples(struct lat_history *history, const struct lat_history_range *range,
                              lat_history_fn *fn, void *arg)
{
    struct question *question = LAT_NEW(struct question);

    LAT_ASSERT(range->step_ms > 0 && (range->to - range->from) % range->step_ms == 0);
    question->read = (struct lat__read){.run = run, .tell = tell, .free = question_free};
    question->range = *range;
    question->now = lat_clock_wall_ms(lat_loop_clock(history->loop));
    question->fn = fn;
    question->arg = arg;
    lat__history_ask(history, &question->read);
}
