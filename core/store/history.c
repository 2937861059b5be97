/* History: a queue, and a thread that writes it to an SQLite file of its own.
 *
 *     state loop                          writer
 *     add ─► queue ───(a second, or 256)─► BEGIN insert ... prune COMMIT
 *     read ─► asked ──────(at once)──────► write the queue, SELECT ─► posted to the loop
 *
 * The writer sleeps until there is reason to write. A read goes behind what was added before it, so that a
 * caller sees its own events. Retention runs with the writes, for the subjects they touched, and once an hour
 * for what is too old, a thousand rows at a time.
 *
 * `lock` guards the fields that say so; the database belongs to the writer alone. A batch that the disk does
 * not take is dropped and counted: history may have holes, decisions may not wait. */
#include "store/history.h"
#include "sqlite/db_internal.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WRITE_AFTER_MS = 1000, FORGET_EVERY_S = 3600, FORGET_STEP = 1000 };

struct event {
    char subject_id[64];
    char kind[64];
    char request_id[64];
    char *message; /* owned */
    int64_t at;
    struct event *next;
};

struct request {
    struct lat_loop *loop;
    char subject_id[64];
    size_t max;
    lat_history_fn *fn;
    void *arg;
    char *json; /* owned */
    int code;
    struct lat_err err;
    struct request *next;
};

struct lat_history {
    struct lat_loop *loop;
    struct lat_thread *thread;
    sqlite3 *db;
    sqlite3_stmt *add, *prune, *read, *forget;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct event *events, **events_last; /* under lock */
    size_t event_count;                  /* under lock */
    struct request *asked, **asked_last; /* under lock */
    int64_t dropped;                     /* under lock */
    bool is_closing;                     /* under lock */
};

/* ---- the database ---- */

static int prepare(struct lat_history *history, struct lat_err *err)
{
    static const char schema[] =
        "CREATE TABLE IF NOT EXISTS \"event\" (\"number\" INTEGER PRIMARY KEY, \"subject_id\" TEXT NOT NULL, "
        "\"kind\" TEXT NOT NULL, \"message\" TEXT NOT NULL, \"request_id\" TEXT NOT NULL, \"at\" INTEGER NOT NULL) STRICT;"
        "CREATE INDEX IF NOT EXISTS \"event_subject\" ON \"event\" (\"subject_id\", \"number\");"
        "CREATE INDEX IF NOT EXISTS \"event_at\" ON \"event\" (\"at\")";
    static const char add[] =
        "INSERT INTO \"event\" (\"subject_id\", \"kind\", \"message\", \"request_id\", \"at\")"
        " VALUES ($1, $2, $3, $4, $5)";
    static const char prune[] =
        "DELETE FROM \"event\" WHERE \"subject_id\" = $1 AND \"number\" <= (SELECT \"number\" FROM \"event\""
        " WHERE \"subject_id\" = $1 ORDER BY \"number\" DESC LIMIT 1 OFFSET $2)";
    static const char read[] =
        "SELECT \"at\", \"kind\", \"message\", \"request_id\" FROM (SELECT * FROM \"event\""
        " WHERE \"subject_id\" = $1 ORDER BY \"number\" DESC LIMIT $2) ORDER BY \"number\"";
    static const char forget[] =
        "DELETE FROM \"event\" WHERE \"number\" IN"
        " (SELECT \"number\" FROM \"event\" WHERE \"at\" < $1 ORDER BY \"at\" LIMIT $2)";
    int rc = lat__db_execute(history->db, schema, err);

    rc = rc != 0 ? rc : lat__db_prepare(history->db, add, &history->add, err);
    rc = rc != 0 ? rc : lat__db_prepare(history->db, prune, &history->prune, err);
    rc = rc != 0 ? rc : lat__db_prepare(history->db, read, &history->read, err);
    return rc != 0 ? rc : lat__db_prepare(history->db, forget, &history->forget, err);
}

static int write_event(struct lat_history *history, const struct event *event, struct lat_err *err)
{
    lat__db_bind_text(history->add, 1, event->subject_id);
    lat__db_bind_text(history->add, 2, event->kind);
    lat__db_bind_text(history->add, 3, event->message);
    lat__db_bind_text(history->add, 4, event->request_id);
    LAT_ASSERT(sqlite3_bind_int64(history->add, 5, event->at) == SQLITE_OK);
    int rc = lat__db_run(history->add, "event", err);

    if (rc != 0) {
        return rc;
    }
    lat__db_bind_text(history->prune, 1, event->subject_id);
    LAT_ASSERT(sqlite3_bind_int64(history->prune, 2, LAT_HISTORY_EVENTS_PER_SUBJECT) == SQLITE_OK);
    return lat__db_run(history->prune, "event", err);
}

/* Writes and frees a list of events, at most LAT_HISTORY_BATCH_MAX in one SQL transaction. Returns how many were lost. */
static int64_t write_events(struct lat_history *history, struct event *events)
{
    int64_t lost = 0;

    while (events != NULL) {
        struct lat_err ignored; /* counted; whoever reads the counter ends the error */
        int64_t count = 0;
        int rc = lat__db_execute(history->db, "BEGIN", &ignored);

        for (; events != NULL && count < LAT_HISTORY_BATCH_MAX; count++) {
            struct event *event = events;

            events = event->next;
            rc = rc != 0 ? rc : write_event(history, event, &ignored);
            free(event->message);
            free(event);
        }
        rc = rc != 0 ? rc : lat__db_execute(history->db, "COMMIT", &ignored);
        if (rc != 0) {
            lost += count;
            if (sqlite3_get_autocommit(history->db) == 0) {
                sqlite3_exec(history->db, "ROLLBACK", NULL, NULL, NULL);
            }
        }
    }
    return lost;
}

static int read_events(struct lat_history *history, struct request *request)
{
    struct lat_buf out = {0};
    struct lat_json_writer writer;
    int step;

    lat__db_bind_text(history->read, 1, request->subject_id);
    LAT_ASSERT(sqlite3_bind_int64(history->read, 2, (sqlite3_int64)request->max) == SQLITE_OK);
    lat_json_writer_init(&writer, &out);
    lat_json_array(&writer, NULL);
    while ((step = sqlite3_step(history->read)) == SQLITE_ROW) {
        lat_json_object(&writer, NULL);
        lat_json_add_time(&writer, "at", sqlite3_column_int64(history->read, 0));
        lat_json_add_text(&writer, "kind", (const char *)sqlite3_column_text(history->read, 1));
        lat_json_add_text(&writer, "message", (const char *)sqlite3_column_text(history->read, 2));
        lat_json_add_text(&writer, "request_id",
                          (const char *)sqlite3_column_text(history->read, 3));
        lat_json_end(&writer, '}');
    }
    lat_json_end(&writer, ']');
    int rc = step == SQLITE_DONE ? 0 : lat__db_error(history->db, "event", &request->err);

    sqlite3_reset(history->read);
    if (rc == 0) {
        request->json = lat_buf_take_text(&out);
    }
    lat_buf_done(&out);
    return rc;
}

/* Forgets one step of what is too old; returns whether there may be more. */
static bool forget_step(struct lat_history *history)
{
    struct lat_err ignored;
    int64_t oldest =
        lat_clock_wall_ms(lat_loop_clock(history->loop)) - (int64_t)LAT_HISTORY_DAYS * 86400000;

    LAT_ASSERT(sqlite3_bind_int64(history->forget, 1, oldest) == SQLITE_OK);
    LAT_ASSERT(sqlite3_bind_int64(history->forget, 2, FORGET_STEP) == SQLITE_OK);
    return lat__db_run(history->forget, "event", &ignored) == 0 &&
           sqlite3_changes(history->db) == FORGET_STEP;
}

/* ---- the writer ---- */

static void deliver(void *arg)
{
    struct request *request = arg;

    lat_loop_release(request->loop);
    request->fn(request->arg, request->json, request->code == 0 ? NULL : &request->err);
    free(request);
}

static void answer(struct lat_history *history, struct request *requests)
{
    for (struct request *request = requests, *next; request != NULL; request = next) {
        next = request->next;
        request->code = read_events(history, request);
        lat_loop_post_always(request->loop, deliver, request);
    }
}

static struct timespec after_ms(int64_t ms)
{
    struct timespec when;

    clock_gettime(CLOCK_MONOTONIC, &when);
    when.tv_sec += ms / 1000;
    when.tv_nsec += (ms % 1000) * 1000000;
    if (when.tv_nsec >= 1000000000) {
        when.tv_sec++;
        when.tv_nsec -= 1000000000;
    }
    return when;
}

/* Waits for reason to write, with the lock held: closing, a read, a full batch, or a second after the first event. */
static void wait_for_reason(struct lat_history *history)
{
    struct timespec forget_at = after_ms((int64_t)FORGET_EVERY_S * 1000);

    while (!history->is_closing && history->asked == NULL && history->event_count == 0) {
        if (pthread_cond_timedwait(&history->wake, &history->lock, &forget_at) != 0) {
            return;
        }
    }
    struct timespec write_at = after_ms(WRITE_AFTER_MS);

    while (!history->is_closing && history->asked == NULL &&
           history->event_count < LAT_HISTORY_BATCH_MAX) {
        if (pthread_cond_timedwait(&history->wake, &history->lock, &write_at) != 0) {
            return;
        }
    }
}

/* Forgets a step once an hour, and on each waking while there is more. */
static void forget_when_due(struct lat_history *history, time_t *forget_at)
{
    struct timespec now = after_ms(0);

    if (now.tv_sec >= *forget_at && !forget_step(history)) {
        *forget_at = now.tv_sec + FORGET_EVERY_S;
    }
}

static void writer_main(void *arg)
{
    struct lat_history *history = arg;
    time_t forget_at = 0;
    bool is_over = false;

    while (!is_over) {
        pthread_mutex_lock(&history->lock);
        wait_for_reason(history);
        struct event *events = history->events;
        struct request *asked = history->asked;

        history->events = NULL;
        history->events_last = &history->events;
        history->event_count = 0;
        history->asked = NULL;
        history->asked_last = &history->asked;
        is_over = history->is_closing;
        pthread_mutex_unlock(&history->lock);

        int64_t lost = write_events(history, events);

        if (lost > 0) {
            pthread_mutex_lock(&history->lock);
            history->dropped += lost;
            pthread_mutex_unlock(&history->lock);
        }
        if (!is_over) {
            forget_when_due(history, &forget_at);
        }
        answer(history, asked);
    }
}

/* ---- the state loop ---- */

int lat_history_open(struct lat_loop *loop, const char *path, struct lat_history **ret_history,
                     struct lat_err *err)
{
    struct lat_history *history = LAT_NEW(struct lat_history);
    pthread_condattr_t attributes;

    history->loop = loop;
    history->events_last = &history->events;
    history->asked_last = &history->asked;
    pthread_mutex_init(&history->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&history->wake, &attributes);
    pthread_condattr_destroy(&attributes);

    int rc = lat__db_open(path, NULL, LAT__DB_RELAXED, &history->db, err);

    rc = rc != 0 ? rc : prepare(history, err);
    if (rc != 0) {
        lat_history_close(history);
        return rc;
    }
    history->thread = lat_thread_start("history", writer_main, history);
    *ret_history = history;
    return 0;
}

struct lat_history *lat_history_close(struct lat_history *history)
{
    if (history == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&history->lock);
    history->is_closing = true;
    pthread_cond_signal(&history->wake);
    pthread_mutex_unlock(&history->lock);
    lat_thread_join(history->thread);
    sqlite3_finalize(history->add);
    sqlite3_finalize(history->prune);
    sqlite3_finalize(history->read);
    sqlite3_finalize(history->forget);
    LAT_ASSERT(sqlite3_close(history->db) == SQLITE_OK);
    pthread_cond_destroy(&history->wake);
    pthread_mutex_destroy(&history->lock);
    free(history);
    return NULL;
}

void lat_history_add(struct lat_history *history, const char *subject_id, const char *kind,
                     const char *message, const char *request_id, int64_t at)
{
    struct event *event = LAT_NEW(struct event);
    size_t len = strlen(message);

    if (len > LAT_HISTORY_MESSAGE_MAX) {
        len = LAT_HISTORY_MESSAGE_MAX;
    }
    event->message = lat_alloc(len + 1);
    lat_text_bound(event->message, len + 1, message);
    lat_text_bound(event->subject_id, sizeof(event->subject_id), subject_id);
    lat_text_bound(event->kind, sizeof(event->kind), kind);
    lat_text_bound(event->request_id, sizeof(event->request_id),
                   request_id == NULL ? "" : request_id);
    event->at = at;

    pthread_mutex_lock(&history->lock);
    bool is_full = history->event_count == LAT_HISTORY_QUEUE_MAX;

    if (is_full) {
        history->dropped++;
    } else {
        *history->events_last = event;
        history->events_last = &event->next;
        history->event_count++;
        if (history->event_count == 1 || history->event_count == LAT_HISTORY_BATCH_MAX) {
            pthread_cond_signal(&history->wake);
        }
    }
    pthread_mutex_unlock(&history->lock);
    if (is_full) {
        free(event->message);
        free(event);
    }
}

void lat_history_read(struct lat_history *history, const char *subject_id, size_t max,
                      lat_history_fn *fn, void *arg)
{
    struct request *request = LAT_NEW(struct request);

    request->loop = history->loop;
    request->max = max < LAT_HISTORY_READ_MAX ? max : LAT_HISTORY_READ_MAX;
    request->fn = fn;
    request->arg = arg;
    lat_text_bound(request->subject_id, sizeof(request->subject_id), subject_id);
    lat_loop_hold(history->loop);

    pthread_mutex_lock(&history->lock);
    *history->asked_last = request;
    history->asked_last = &request->next;
    pthread_cond_signal(&history->wake);
    pthread_mutex_unlock(&history->lock);
}

int64_t lat_history_dropped(struct lat_history *history)
{
    pthread_mutex_lock(&history->lock);
    int64_t dropped = history->dropped;

    pthread_mutex_unlock(&history->lock);
    return dropped;
}
