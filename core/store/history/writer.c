/* The writer: one thread that owns the database.
 *
 *     wait (a read, a full batch, a second after the first entry, or something to forget)
 *       └─► take all queues ─► transactions of a batch each ─► forget a step ─► answer the oldest read ─► wait
 *
 * A read is answered behind whatever was added before it, and what was added meanwhile is written before the next one: however many
 * read, and however long each of them takes, the queues are emptied in between.
 *
 * What is taken is as bounded as the queues are; so a disk that hangs costs two queues full of memory and what comes after. A batch that
 * the disk does not take is dropped and counted: history may have holes, decisions may not wait. */
#include "history_internal.h"

#include <time.h>

enum { WRITE_AFTER_MS = 1000, FORGET_AGAIN_MS = 20, LOOK_MS = 60000 };

static size_t waiting(const struct lat_history *history)
{
    size_t count = 0;

    for (int kind = 0; kind < LAT_HISTORY_KINDS; kind++) {
        count += history->queues[kind].count;
    }
    return count;
}

struct timespec lat__history_after_ms(int64_t ms)
{
    struct timespec when;

    clock_gettime(CLOCK_MONOTONIC, &when); /* lint-ok(time): what a condition waits by */
    when.tv_sec += ms / 1000;
    when.tv_nsec += (ms % 1000) * 1000000;
    if (when.tv_nsec >= 1000000000) {
        when.tv_sec++;
        when.tv_nsec -= 1000000000;
    }
    return when;
}

/* Waits for reason to go on, with the lock held. */
static void wait_for_reason(struct lat_history *history, bool forgetting)
{
    struct timespec look_at = lat__history_after_ms(forgetting ? FORGET_AGAIN_MS : LOOK_MS);

    while (!history->is_closing && !history->has_new_limits && history->reads == NULL &&
           waiting(history) == 0) {
        if (pthread_cond_timedwait(&history->wake, &history->lock, &look_at) != 0) {
            return;
        }
    }
    struct timespec write_at = lat__history_after_ms(forgetting ? FORGET_AGAIN_MS : WRITE_AFTER_MS);

    while (!history->is_closing && !history->has_new_limits && history->reads == NULL &&
           waiting(history) < LAT_HISTORY_BATCH_MAX) {
        if (pthread_cond_timedwait(&history->wake, &history->lock, &write_at) != 0) {
            return;
        }
    }
}

static int write_entry(struct lat_history *history, const struct lat__entry *entry,
                       struct lat_err *err)
{
    switch (entry->kind) {
    case LAT_HISTORY_EVENTS: return lat__history_write_event(history, entry, err);
    case LAT_HISTORY_SAMPLES: return lat__history_write_samples(history, entry, err);
    case LAT_HISTORY_LINES: return lat__history_write_lines(history, entry, err);
    case LAT_HISTORY_KINDS: break;
    }
    return 0;
}

/* Writes and frees a list of entries, one transaction for each LAT_HISTORY_BATCH_MAX. */
static void write_entries(struct lat_history *history, struct lat__entry *entries)
{
    while (entries != NULL) {
        int64_t line_bytes = history->line_bytes, subject_count = history->subject_count;
        int64_t lost[LAT_HISTORY_KINDS] = {0}, taken[LAT_HISTORY_KINDS] = {0};
        struct lat_err err; /* counted; whoever reads the counter ends the error */
        int rc = lat__db_execute(history->db, "BEGIN", &err);

        for (int i = 0; entries != NULL && i < LAT_HISTORY_BATCH_MAX; i++) {
            struct lat__entry *entry = entries;

            entries = entry->next;
            rc = rc != 0 ? rc : write_entry(history, entry, &err);
            if (rc == LAT_E_LIMIT || rc == LAT_E_FORBIDDEN) { /* this one alone */
                lost[entry->kind] += (int64_t)entry->count;
                rc = 0;
            } else {
                taken[entry->kind] += (int64_t)entry->count;
            }
            lat__entry_free(entry);
        }
        if (rc == 0 && history->line_bytes != line_bytes) {
            rc = lat__history_keep(history, "line_bytes", history->line_bytes, &err);
        }
        rc = rc != 0 ? rc : lat__db_execute(history->db, "COMMIT", &err);
        if (rc != 0) {
            if (sqlite3_get_autocommit(history->db) == 0) {
                sqlite3_exec(history->db, "ROLLBACK", NULL, NULL, NULL);
            }
            lat_metric_add(history->failures_metric, 1);
            history->line_bytes = line_bytes;
            history->subject_count = subject_count;
            lat__history_subjects_forget(history);
        }
        for (int kind = 0; kind < LAT_HISTORY_KINDS; kind++) {
            lost[kind] += rc != 0 ? taken[kind] : 0;
            if (lost[kind] > 0) {
                lat_history_count_dropped(history, (enum lat_history_kind)kind, lost[kind]);
            }
        }
    }
}

/* Writes how far the store has come. That is durable there before it is noted, so never less is there than this says. */
static void keep_store_index(struct lat_history *history)
{
    int64_t index = history->store_index;
    struct lat_err ignored;

    if (index != history->kept_index &&
        lat__history_keep(history, "store_index", index, &ignored) == 0) {
        history->kept_index = index;
    }
}

/* Takes all that waits, with the lock held: one list, a kind behind the other. */
static struct lat__entry *take_entries(struct lat_history *history)
{
    struct lat__entry *all = NULL, **last = &all;

    for (int kind = 0; kind < LAT_HISTORY_KINDS; kind++) {
        struct lat__queue *queue = &history->queues[kind];

        if (queue->first != NULL) {
            *last = queue->first;
            last = queue->last;
        }
        *queue = (struct lat__queue){.last = &queue->first};
    }
    lat_metric_set(history->waiting_metric, 0);
    return all;
}

/* Takes the oldest read, with the lock held; NULL when none waits. */
static struct lat__read *take_read(struct lat_history *history)
{
    struct lat__read *read = history->reads;

    if (read != NULL) {
        history->reads = read->next;
        if (history->reads == NULL) {
            history->reads_last = &history->reads;
        }
    }
    return read;
}

void lat__history_writer(void *arg)
{
    struct lat_history *history = arg;
    bool is_over = false, forgetting = false;

    while (!is_over) {
        pthread_mutex_lock(&history->lock);
        wait_for_reason(history, forgetting);
        struct lat__entry *entries = take_entries(history);
        struct lat__read *read = take_read(history);

        is_over = history->is_closing && history->reads == NULL;
        if (history->has_new_limits) {
            history->has_new_limits = false;
            lat__history_forget_anew(history);
        }
        pthread_mutex_unlock(&history->lock);

        write_entries(history, entries);
        keep_store_index(history);
        forgetting = !is_over && lat__history_forget_step(history);
        if (read != NULL) {
            lat__history_answer(history, read);
        }
    }
    pthread_mutex_lock(&history->lock);
    history->has_ended = true;
    pthread_cond_broadcast(&history->ending);
    pthread_mutex_unlock(&history->lock);
}
