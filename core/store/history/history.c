/* The face of the history: opening, closing, and adding to the queues. Adding copies, links and perhaps wakes the writer; it waits for
 * nothing but a lock that nobody holds for long. `lock` guards the fields that say so; the database belongs to the writer alone. */
#include "history_internal.h"

#include <math.h>

enum { DAY_S = 86400 };

#define DEFAULT_DAYS 90
#define DEFAULT_METRICS_DAYS 400
#define DEFAULT_LOGS_BYTES (INT64_C(1) << 30)
#define DEFAULT_BYTES (INT64_C(4) << 30)

struct lat__entry *lat__entry_free(struct lat__entry *entry)
{
    if (entry != NULL) {
        free(entry->message);
        free(entry->samples);
        free(entry->lines);
        free(entry->text);
        free(entry);
    }
    return NULL;
}

/* ---- opening and closing ---- */

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value > 0 ? value : otherwise;
}

static void set_limits(struct lat_history *history, const struct lat_history_limits *limits)
{
    history->days_ms = or_default(limits->days, DEFAULT_DAYS) * DAY_S * 1000;
    history->level_s[LAT__RAW] = LAT_HISTORY_RAW_S;
    history->level_s[LAT__1M] = LAT_HISTORY_1M_S;
    history->level_s[LAT__15M] = LAT_HISTORY_15M_S;
    history->level_s[LAT__1H] = or_default(limits->metrics_days, DEFAULT_METRICS_DAYS) * DAY_S;
    history->logs_bytes = or_default(limits->logs_bytes, DEFAULT_LOGS_BYTES);
    history->bytes = or_default(limits->bytes, DEFAULT_BYTES);
}

static void register_metrics(struct lat_history *history, struct lat_metrics *metrics)
{
    static const char *const labels[LAT_HISTORY_KINDS] = {
        [LAT_HISTORY_EVENTS] = "kind=\"event\"",
        [LAT_HISTORY_SAMPLES] = "kind=\"sample\"",
        [LAT_HISTORY_LINES] = "kind=\"line\"",
    };

    if (metrics == NULL) {
        return; /* a NULL metric counts nothing */
    }
    for (int kind = 0; kind < LAT_HISTORY_KINDS; kind++) {
        history->dropped_metric[kind] = lat_metrics_counter(
            metrics, "lattice_history_dropped_total", labels[kind],
            "Entries of the history that were lost to a full queue or a failing disk.");
    }
    history->failures_metric =
        lat_metrics_counter(metrics, "lattice_history_write_failures_total", "",
                            "Batches that the disk of the history did not take.");
    history->waiting_metric = lat_metrics_gauge(metrics, "lattice_history_waiting_bytes", "",
                                                "Bytes that wait to be written to the history.");
}

int lat_history_open(const struct lat_history_options *options, struct lat_history **ret_history,
                     struct lat_err *err)
{
    struct lat_history *history = LAT_NEW(struct lat_history);
    pthread_condattr_t attributes;

    history->loop = options->loop;
    history->age_boot_ms = lat_clock_boot_ms(lat_loop_clock(options->loop));
    history->reads_last = &history->reads;
    for (int kind = 0; kind < LAT_HISTORY_KINDS; kind++) {
        history->queues[kind].last = &history->queues[kind].first;
    }
    history->subjects = lat_map_new();
    set_limits(history, &options->limits);
    register_metrics(history, options->metrics);
    pthread_mutex_init(&history->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&history->wake, &attributes);
    pthread_cond_init(&history->ending, &attributes);
    pthread_condattr_destroy(&attributes);

    int rc = lat__db_open(options->path, options->vfs, LAT__DB_RELAXED, &history->db, err);

    rc = rc != 0 ? rc : lat__history_schema(history, err);
    if (rc != 0) {
        lat_history_close(history);
        return rc;
    }
    history->thread = lat_thread_start("history", lat__history_writer, history);
    *ret_history = history;
    return 0;
}

void lat_history_set_limits(struct lat_history *history, const struct lat_history_limits *limits)
{
    set_limits(history, limits);
    pthread_mutex_lock(&history->lock);
    history->has_new_limits = true;
    pthread_cond_signal(&history->wake);
    pthread_mutex_unlock(&history->lock);
}

void lat_history_note_store(struct lat_history *history, int64_t index)
{
    history->store_index = index;
}

int64_t lat_history_store_index(const struct lat_history *history)
{
    return history->store_index;
}

/* Tells the writer to end. With the lock held. */
static void ask_to_end(struct lat_history *history)
{
    history->is_closing = true;
    pthread_cond_signal(&history->wake);
}

bool lat_history_stop(struct lat_history *history, int64_t max_ms)
{
    struct timespec until = lat__history_after_ms(max_ms);

    pthread_mutex_lock(&history->lock);
    ask_to_end(history);
    while (!history->has_ended &&
           pthread_cond_timedwait(&history->ending, &history->lock, &until) == 0) {
    }
    bool has_ended = history->has_ended;

    pthread_mutex_unlock(&history->lock);
    return has_ended;
}

struct lat_history *lat_history_close(struct lat_history *history)
{
    if (history == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&history->lock);
    ask_to_end(history);
    pthread_mutex_unlock(&history->lock);
    lat_thread_join(history->thread);
    for (int i = 0; i < LAT__HISTORY_STATEMENT_COUNT; i++) {
        sqlite3_finalize(history->statements[i]);
    }
    LAT_ASSERT(sqlite3_close(history->db) == SQLITE_OK);
    lat__history_subjects_forget(history);
    lat_map_free(history->subjects);
    pthread_cond_destroy(&history->wake);
    pthread_cond_destroy(&history->ending);
    pthread_mutex_destroy(&history->lock);
    free(history);
    return NULL;
}

/* ---- adding ---- */

/* Puts an entry into its queue and takes it; false, and it is still the caller's, when the queue is full. */
static bool add(struct lat_history *history, struct lat__entry *entry)
{
    struct lat__queue *queue = &history->queues[entry->kind];

    pthread_mutex_lock(&history->lock);
    bool fits = queue->count < LAT_HISTORY_QUEUE_MAX &&
                queue->bytes + entry->bytes <= LAT_HISTORY_QUEUE_BYTES_MAX;

    if (fits) {
        *queue->last = entry;
        queue->last = &entry->next;
        queue->count++;
        queue->bytes += entry->bytes;
        lat_metric_add(history->waiting_metric, (int64_t)entry->bytes);
        if (queue->count == 1 || queue->count == LAT_HISTORY_BATCH_MAX) {
            pthread_cond_signal(&history->wake);
        }
    }
    pthread_mutex_unlock(&history->lock);
    return fits;
}

static void add_or_drop(struct lat_history *history, struct lat__entry *entry)
{
    if (!add(history, entry)) {
        lat_history_count_dropped(history, entry->kind, (int64_t)entry->count);
        lat__entry_free(entry);
    }
}

void lat_history_add(struct lat_history *history, const char *subject_id, const char *kind,
                     const char *message, const char *request_id, int64_t at)
{
    struct lat__entry *entry = LAT_NEW(struct lat__entry);
    size_t len = strlen(message);

    len = len < LAT_HISTORY_MESSAGE_MAX ? len : LAT_HISTORY_MESSAGE_MAX;
    entry->kind = LAT_HISTORY_EVENTS;
    entry->count = 1;
    entry->bytes = sizeof(*entry) + len;
    entry->message = lat_alloc(len + 1);
    lat_text_bound(entry->message, len + 1, message);
    lat_text_bound(entry->subject.id, sizeof(entry->subject.id), subject_id);
    lat_text_bound(entry->event_kind, sizeof(entry->event_kind), kind);
    lat_text_bound(entry->request_id, sizeof(entry->request_id),
                   request_id == NULL ? "" : request_id);
    entry->at = at;
    add_or_drop(history, entry);
}

void lat_history_add_samples(struct lat_history *history, const struct lat_history_subject *subject,
                             int64_t at, const struct lat_sample *samples, size_t count)
{
    struct lat__entry *entry = LAT_NEW(struct lat__entry);

    entry->kind = LAT_HISTORY_SAMPLES;
    entry->subject = *subject;
    entry->at = at;
    entry->samples = lat_alloc_array(count + 1, sizeof(*samples));
    for (size_t i = 0; i < count; i++) {
        if (isfinite(samples[i].value)) {
            entry->samples[entry->count++] = samples[i];
        }
    }
    entry->bytes = sizeof(*entry) + entry->count * sizeof(*samples);
    add_or_drop(history, entry);
}

bool lat_history_add_lines(struct lat_history *history, const struct lat_history_subject *subject,
                           const struct lat_log_line *lines, size_t count)
{
    struct lat__entry *entry = LAT_NEW(struct lat__entry);
    size_t bytes = 0;

    entry->kind = LAT_HISTORY_LINES;
    entry->subject = *subject;
    entry->count = count;
    entry->lines = lat_alloc_array(count + 1, sizeof(*lines));
    for (size_t i = 0; i < count; i++) {
        entry->lines[i] = lines[i];
        if (lines[i].len > LAT_HISTORY_LINE_MAX) {
            entry->lines[i].len = LAT_HISTORY_LINE_MAX;
        }
        bytes += entry->lines[i].len;
    }
    entry->text = lat_alloc(bytes + 1);
    char *text = entry->text;

    for (size_t i = 0; i < count; i++) {
        memcpy(text, lines[i].text, entry->lines[i].len);
        entry->lines[i].text = text;
        text += entry->lines[i].len;
    }
    entry->at = lat_clock_wall_ms(lat_loop_clock(history->loop));
    entry->bytes = sizeof(*entry) + bytes + count * sizeof(*lines);
    if (!add(history, entry)) {
        lat__entry_free(entry);
        return false;
    }
    return true;
}

void lat_history_count_dropped(struct lat_history *history, enum lat_history_kind kind,
                               int64_t count)
{
    pthread_mutex_lock(&history->lock);
    history->dropped += count;
    pthread_mutex_unlock(&history->lock);
    lat_metric_add(history->dropped_metric[kind], count);
}

int64_t lat_history_dropped(struct lat_history *history)
{
    pthread_mutex_lock(&history->lock);
    int64_t dropped = history->dropped;

    pthread_mutex_unlock(&history->lock);
    return dropped;
}
