/* Lines of logs. The containers that one instance of a workload had one after the other share a `source`: their lines, in the order of
 * their coming, are the instance's log. A read looks at so many rows at most and is asked again from where it stopped, so that one
 * search does not keep the writer from its queues. The questions are made on the loop; all else is the writer's. */
#include "history_internal.h"

enum { SCAN_MAX = 20000, END_SCAN_MAX = 100000 };

int lat__history_write_lines(struct lat_history *history, const struct lat__entry *entry,
                             struct lat_err *err)
{
    int64_t latest_ns = (entry->at + LAT_HISTORY_AHEAD_S * INT64_C(1000)) * 1000000;
    const struct lat__subject *subject;
    int rc = lat__history_subject(history, &entry->subject, true, entry->at, &subject, err);

    for (size_t i = 0; rc == 0 && i < entry->count; i++) {
        sqlite3_stmt *add = lat__history_statement(history, LAT__HISTORY_LINE_ADD);
        const struct lat_log_line *line = &entry->lines[i];

        lat__history_bind(add, 1, subject->source);
        lat__history_bind(add, 2, subject->number);
        /* Lines are forgotten in the order of their coming: one from far ahead would keep all behind it. */
        lat__history_bind(add, 3, line->at_ns < latest_ns ? line->at_ns : latest_ns);
        LAT_ASSERT(sqlite3_bind_blob(add, 4, line->len > 0 ? line->text : "", (int)line->len,
                                     SQLITE_STATIC) == SQLITE_OK);
        rc = lat__history_run(history, add, err);
        history->line_bytes += (int64_t)line->len;
    }
    return rc;
}

/* ---- where a log ends ---- */

struct end_question {
    struct lat__read read;
    char id[LAT_ID_SIZE];
    int64_t at_ns, count;
    lat_history_end_fn *fn;
    void *arg;
};

/* Finds the container's number and its source; false when nothing was ever said about it. */
static bool find_subject(struct lat_history *history, const char *id, int64_t *ret_number,
                         int64_t *ret_source)
{
    sqlite3_stmt *find = lat__history_statement(history, LAT__HISTORY_SUBJECT_FIND);

    lat__db_bind_text(find, 1, id);
    bool found = sqlite3_step(find) == SQLITE_ROW;

    if (found) {
        *ret_number = sqlite3_column_int64(find, 0);
        *ret_source = sqlite3_column_int64(find, 1);
    }
    sqlite3_reset(find);
    return found;
}

static int end_run(struct lat_history *history, struct lat__read *read)
{
    struct end_question *question = LAT_CONTAINER(read, struct end_question, read);
    int64_t subject, source;
    int step;

    if (!find_subject(history, question->id, &subject, &source)) {
        return 0;
    }
    sqlite3_stmt *back = lat__history_statement(history, LAT__HISTORY_LINE_BACK);

    lat__history_bind(back, 1, source);
    lat__history_bind(back, 2, END_SCAN_MAX);
    while ((step = sqlite3_step(back)) == SQLITE_ROW) {
        int64_t at_ns = sqlite3_column_int64(back, 2);

        if (sqlite3_column_int64(back, 1) != subject) {
            continue;
        }
        if (question->count > 0 && at_ns != question->at_ns) {
            step = SQLITE_DONE;
            break;
        }
        question->at_ns = at_ns;
        question->count++;
    }
    int rc = step == SQLITE_DONE ? 0 : lat__db_error(history->db, "history", &read->err);

    sqlite3_reset(back);
    return rc;
}

static void end_tell(struct lat__read *read, const struct lat_err *err)
{
    struct end_question *question = LAT_CONTAINER(read, struct end_question, read);

    question->fn(question->arg, err == NULL ? question->at_ns : 0,
                 err == NULL ? question->count : 0, err);
}

static void end_free(struct lat__read *read)
{
    free(LAT_CONTAINER(read, struct end_question, read));
}

void lat_history_read_end(struct lat_history *history, const char *id, lat_history_end_fn *fn,
                          void *arg)
{
    struct end_question *question = LAT_NEW(struct end_question);

    question->read = (struct lat__read){.run = end_run, .tell = end_tell, .free = end_free};
    question->fn = fn;
    question->arg = arg;
    lat_text_bound(question->id, sizeof(question->id), id);
    lat__history_ask(history, &question->read);
}

/* ---- reading ---- */

struct question {
    struct lat__read read;
    struct lat_history_lines which;
    int64_t source;
    int64_t subject; /* 0: all of the source */
    struct lat_buf text;
    struct lat_history_page page;
    lat_history_page_fn *fn;
    void *arg;
};

/* Finds whose lines are meant; false: nobody's. */
static bool find_source(struct lat_history *history, struct question *question)
{
    const struct lat_history_lines *which = &question->which;

    if (which->id[0] != '\0') {
        return find_subject(history, which->id, &question->subject, &question->source);
    }
    sqlite3_stmt *nth = lat__history_statement(history, LAT__HISTORY_SUBJECT_NTH);

    lat__db_bind_text(nth, 1, which->owner_id);
    lat__history_bind(nth, 2, which->ordinal);
    lat__history_bind(nth, 3, which->previous);
    bool found = sqlite3_step(nth) == SQLITE_ROW;

    if (found) {
        question->subject = which->previous > 0 ? sqlite3_column_int64(nth, 0) : 0;
        question->source = sqlite3_column_int64(nth, 1);
    }
    sqlite3_reset(nth);
    return found;
}

/* Is the row (number, subject, at_ns, text) one of those that are meant? */
static bool is_meant(const struct question *question, sqlite3_stmt *row)
{
    const struct lat_history_lines *which = &question->which;
    int64_t at_ns = sqlite3_column_int64(row, 2);

    if ((question->subject != 0 && sqlite3_column_int64(row, 1) != question->subject) ||
        (which->since > 0 && at_ns / 1000000 < which->since) ||
        (which->until > 0 && at_ns / 1000000 >= which->until)) {
        return false;
    }
    const void *text = sqlite3_column_blob(row, 3);

    return which->grep[0] == '\0' ||
           (text != NULL && memmem(text, (size_t)sqlite3_column_bytes(row, 3), which->grep,
                                   strlen(which->grep)) != NULL);
}

/* Finds the number in front of the last `tail` lines that are meant. Looks at LAT_HISTORY_TAIL_MAX rows at most. */
static int find_tail(struct lat_history *history, struct question *question)
{
    sqlite3_stmt *back = lat__history_statement(history, LAT__HISTORY_LINE_BACK);
    int64_t left = question->which.tail, first = INT64_MAX;
    int step = SQLITE_ROW;

    lat__history_bind(back, 1, question->source);
    lat__history_bind(back, 2, LAT_HISTORY_TAIL_MAX);
    while (left > 0 && (step = sqlite3_step(back)) == SQLITE_ROW) {
        if (is_meant(question, back)) {
            first = sqlite3_column_int64(back, 0);
            left--;
        }
    }
    int rc = step == SQLITE_ROW || step == SQLITE_DONE
                 ? 0
                 : lat__db_error(history->db, "history", &question->read.err);

    sqlite3_reset(back);
    question->which.after = first == INT64_MAX ? INT64_MAX : first - 1;
    return rc;
}

static void add_line(struct question *question, sqlite3_stmt *row)
{
    int64_t at_ns = sqlite3_column_int64(row, 2);
    char time[LAT_TIME_SIZE];
    const void *text = sqlite3_column_blob(row, 3);

    if (question->which.timestamps) { /* as the engine writes them, with nanoseconds */
        lat_time_format(at_ns / 1000000, time);
        lat_buf_addf(&question->text, "%.19s.%09lldZ ", time, (long long)(at_ns % 1000000000));
    }
    if (text != NULL) {
        lat_buf_add(&question->text, text, (size_t)sqlite3_column_bytes(row, 3));
    }
    lat_buf_add_byte(&question->text, '\n');
}

static int run(struct lat_history *history, struct lat__read *read)
{
    struct question *question = LAT_CONTAINER(read, struct question, read);
    struct lat_history_lines *which = &question->which;
    int step = SQLITE_DONE, rows = 0;
    int rc = 0;

    if (!find_source(history, question)) {
        return 0;
    }
    if (which->after == 0 && which->tail >= 0) {
        rc = find_tail(history, question);
    }
    question->page.next = which->after;
    if (rc != 0 || which->after == INT64_MAX) {
        return rc;
    }
    sqlite3_stmt *lines = lat__history_statement(history, LAT__HISTORY_LINE_READ);

    lat__history_bind(lines, 1, question->source);
    lat__history_bind(lines, 2, which->after);
    lat__history_bind(lines, 3, SCAN_MAX);
    while (question->text.len < LAT_HISTORY_PAGE_BYTES &&
           (step = sqlite3_step(lines)) == SQLITE_ROW) {
        rows++;
        question->page.next = sqlite3_column_int64(lines, 0);
        if (is_meant(question, lines)) {
            add_line(question, lines);
        }
    }
    rc = step == SQLITE_ROW || step == SQLITE_DONE
             ? 0
             : lat__db_error(history->db, "history", &read->err);
    sqlite3_reset(lines);
    question->page.more = step == SQLITE_ROW || rows == SCAN_MAX;
    return rc;
}

static void tell(struct lat__read *read, const struct lat_err *err)
{
    struct question *question = LAT_CONTAINER(read, struct question, read);

    if (err == NULL) { /* else the writer may still be at it */
        question->page.text = lat_buf_text(&question->text);
        question->page.len = question->text.len;
    }
    question->fn(question->arg, err == NULL ? &question->page : NULL, err);
}

static void question_free(struct lat__read *read)
{
    struct question *question = LAT_CONTAINER(read, struct question, read);

    lat_buf_done(&question->text);
    free(question);
}

void lat_history_read_lines(struct lat_history *history, const struct lat_history_lines *which,
                            lat_history_page_fn *fn, void *arg)
{
    struct question *question = LAT_NEW(struct question);

    question->read = (struct lat__read){.run = run, .tell = tell, .free = question_free};
    question->which = *which;
    if (question->which.tail > LAT_HISTORY_TAIL_MAX) {
        question->which.tail = LAT_HISTORY_TAIL_MAX;
    }
    question->fn = fn;
    question->arg = arg;
    lat__history_ask(history, &question->read);
}
