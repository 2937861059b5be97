/* Whom samples and lines are about. A row each, found by the id once and then remembered; its `seen_at` follows in steps of a quarter of
 * an hour, because it is needed for forgetting alone. The writer's. */
#include "history_internal.h"

enum { SEEN_STEP_MS = 15 * 60 * 1000, REMEMBERED_MAX = 50000 };

/* Frees a map and its values, which may be none. */
static struct lat_map *map_free(struct lat_map *map)
{
    const char *name;
    void *cursor = NULL;
    void *value;

    while (map != NULL && lat_map_next(map, &cursor, &name, &value)) {
        free(value);
    }
    return lat_map_free(map);
}

void lat__history_subjects_forget(struct lat_history *history)
{
    map_free(history->subjects);
    history->subjects = lat_map_new();
    history->node_subjects = map_free(history->node_subjects);
}

/* ---- how many a node has ---- */

/* Counts them in the file, if that was not done since rows went. */
static int count_nodes(struct lat_history *history, struct lat_err *err)
{
    sqlite3_stmt *statement = lat__history_statement(history, LAT__HISTORY_SUBJECT_NODES);
    int step = SQLITE_DONE;

    if (history->node_subjects != NULL) {
        return 0;
    }
    history->node_subjects = lat_map_new();
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t *count = LAT_NEW(int64_t);

        *count = sqlite3_column_int64(statement, 1);
        free(lat_map_put(history->node_subjects, (const char *)sqlite3_column_text(statement, 0),
                         count));
    }
    int rc = step == SQLITE_DONE ? 0 : lat__db_error(history->db, "history", err);

    sqlite3_reset(statement);
    if (rc != 0) {
        history->node_subjects = map_free(history->node_subjects);
    }
    return rc;
}

/* The count of a node; it may be counted up. Behind count_nodes. */
static int64_t *count_of(struct lat_history *history, const char *node)
{
    int64_t *count = lat_map_get(history->node_subjects, node);

    if (count == NULL) {
        count = LAT_NEW(int64_t);
        lat_map_put(history->node_subjects, node, count);
    }
    return count;
}

/* ---- subjects ---- */

static bool find(struct lat_history *history, const char *id, struct lat__subject *ret_subject)
{
    sqlite3_stmt *statement = lat__history_statement(history, LAT__HISTORY_SUBJECT_FIND);

    lat__db_bind_text(statement, 1, id);
    bool found = sqlite3_step(statement) == SQLITE_ROW;

    if (found) {
        ret_subject->number = sqlite3_column_int64(statement, 0);
        ret_subject->source = sqlite3_column_int64(statement, 1);
        ret_subject->seen_at = sqlite3_column_int64(statement, 2);
        lat_text_bound(ret_subject->owner_id, sizeof(ret_subject->owner_id),
                       (const char *)sqlite3_column_text(statement, 3));
    }
    sqlite3_reset(statement);
    return found;
}

static int add(struct lat_history *history, const struct lat_history_subject *about, bool writes,
               int64_t at, struct lat_err *err)
{
    int rc = count_nodes(history, err);

    if (rc != 0) {
        return rc;
    }
    int64_t *of_node = count_of(history, about->node);

    if (*of_node >= LAT_HISTORY_SUBJECTS_OF_NODE_MAX) {
        return lat_err_set(err, LAT_E_LIMIT, "The history knows %d allocations of '%s' already.",
                           LAT_HISTORY_SUBJECTS_OF_NODE_MAX, about->node);
    }
    sqlite3_stmt *statement = lat__history_statement(history, LAT__HISTORY_SUBJECT_ADD);

    if (history->subject_count >= LAT_HISTORY_SUBJECTS_KEPT_MAX) {
        return lat_err_set(err, LAT_E_LIMIT, "The history knows %d nodes and allocations already.",
                           LAT_HISTORY_SUBJECTS_KEPT_MAX);
    }
    lat__db_bind_text(statement, 1, about->id);
    lat__db_bind_text(statement, 2, about->owner_id);
    lat__history_bind(statement, 3, about->ordinal);
    lat__db_bind_text(statement, 4, about->node);
    lat__history_bind(statement, 5, at);
    lat__history_bind(statement, 6, writes);
    rc = lat__history_run(history, statement, err);
    history->subject_count += rc == 0;
    *of_node += rc == 0;
    return rc;
}

int lat__history_subject(struct lat_history *history, const struct lat_history_subject *about,
                         bool writes, int64_t at, const struct lat__subject **ret_subject,
                         struct lat_err *err)
{
    struct lat__subject *subject = lat_map_get(history->subjects, about->id);
    int rc = 0;

    if (subject == NULL) {
        struct lat__subject found = {0};

        if (!find(history, about->id, &found)) {
            rc = add(history, about, writes, at, err);
            if (rc == 0 && !find(history, about->id, &found)) {
                rc = lat__db_error(history->db, "history", err);
            }
        }
        if (rc != 0) {
            return rc;
        }
        if (lat_map_count(history->subjects) >= REMEMBERED_MAX) {
            lat__history_subjects_forget(history);
        }
        subject = LAT_NEW(struct lat__subject);
        *subject = found;
        lat_map_put(history->subjects, about->id, subject);
    }
    if (!lat_text_equal(subject->owner_id, about->owner_id)) {
        return lat_err_set(err, LAT_E_FORBIDDEN, "'%s' belongs to another workload.", about->id);
    }
    if (at - subject->seen_at >= SEEN_STEP_MS) {
        sqlite3_stmt *seen = lat__history_statement(history, LAT__HISTORY_SUBJECT_SEEN);

        lat__history_bind(seen, 1, subject->number);
        lat__history_bind(seen, 2, at);
        rc = lat__history_run(history, seen, err);
        subject->seen_at = at;
    }
    *ret_subject = subject;
    return rc;
}
