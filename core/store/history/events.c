/* Events: what happened to a workload or a node, in words. The newest of each subject are kept. The reading half's question is made on
 * the loop; all else is the writer's. */
#include "history_internal.h"

enum {
    PRUNE_EVERY = 16
}; /* events: looking for those past the newest 500 costs a walk over these */

int lat__history_write_event(struct lat_history *history, const struct lat__entry *entry,
                             struct lat_err *err)
{
    sqlite3_stmt *add = lat__history_statement(history, LAT__HISTORY_EVENT_ADD);
    sqlite3_stmt *prune = lat__history_statement(history, LAT__HISTORY_EVENT_PRUNE);

    lat__db_bind_text(add, 1, entry->subject.id);
    lat__db_bind_text(add, 2, entry->event_kind);
    lat__db_bind_text(add, 3, entry->message);
    lat__db_bind_text(add, 4, entry->request_id);
    lat__history_bind(add, 5, entry->at);
    int rc = lat__history_run(history, add, err);

    if (rc != 0 || sqlite3_last_insert_rowid(history->db) % PRUNE_EVERY != 0) {
        return rc;
    }
    lat__db_bind_text(prune, 1, entry->subject.id);
    lat__history_bind(prune, 2, LAT_HISTORY_EVENTS_PER_SUBJECT);
    return lat__history_run(history, prune, err);
}

struct question {
    struct lat__read read;
    char subject_id[LAT_ID_SIZE];
    size_t max;
    lat_history_fn *fn;
    void *arg;
    char *json; /* owned */
};

static int run(struct lat_history *history, struct lat__read *read)
{
    struct question *question = LAT_CONTAINER(read, struct question, read);
    sqlite3_stmt *statement = lat__history_statement(history, LAT__HISTORY_EVENT_READ);
    struct lat_json_writer writer;
    struct lat_buf out = {0};
    int step;

    lat__db_bind_text(statement, 1, question->subject_id);
    lat__history_bind(statement, 2, (int64_t)question->max);
    lat_json_writer_init(&writer, &out);
    lat_json_array(&writer, NULL);
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        lat_json_object(&writer, NULL);
        lat_json_add_time(&writer, "at", sqlite3_column_int64(statement, 0));
        lat_json_add_text(&writer, "kind", (const char *)sqlite3_column_text(statement, 1));
        lat_json_add_text(&writer, "message", (const char *)sqlite3_column_text(statement, 2));
        lat_json_add_text(&writer, "request_id", (const char *)sqlite3_column_text(statement, 3));
        lat_json_end(&writer, '}');
    }
    lat_json_end(&writer, ']');
    int rc = step == SQLITE_DONE ? 0 : lat__db_error(history->db, "history", &read->err);

    sqlite3_reset(statement);
    if (rc == 0) {
        question->json = lat_buf_take_text(&out);
    }
    lat_buf_done(&out);
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

void lat_history_read(struct lat_history *history, const char *subject_id, size_t max,
                      lat_history_fn *fn, void *arg)
{
    struct question *question = LAT_NEW(struct question);

    question->read = (struct lat__read){.run = run, .tell = tell, .free = question_free};
    question->max = max < LAT_HISTORY_EVENTS_PER_SUBJECT ? max : LAT_HISTORY_EVENTS_PER_SUBJECT;
    question->fn = fn;
    question->arg = arg;
    lat_text_bound(question->subject_id, sizeof(question->subject_id), subject_id);
    lat__history_ask(history, &question->read);
}
