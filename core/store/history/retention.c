/* Forgetting: what is too old, and the oldest of what is too much; a step of a thousand rows at a time, between batches, so that nothing
 * waits for a long delete. A round goes through all kinds and is made once a minute; while a kind has more, its steps follow each other.
 *
 * Ages are counted from a clock of their own, which follows the wall clock at most a day for each hour that passes: a wall clock
 * that jumps a year ahead and is put right within the hour costs the oldest day, not everything. The writer's. */
#include "history_internal.h"

enum { STEP = 1000, LINES_STEP = 500, ROUND_MS = 60000, DAY_MS = 86400000 };

int64_t lat__history_age(int64_t age_ms, int64_t passed_ms, int64_t wall_ms)
{
    int64_t reach = age_ms + passed_ms * 24;

    return wall_ms < reach ? wall_ms : reach;
}

/* Runs a delete whose last parameter is the step; returns whether there may be more. */
static bool forget(struct lat_history *history, sqlite3_stmt *statement, int step_at)
{
    struct lat_err ignored; /* a disk that fails is noticed by the writes */

    lat__history_bind(statement, step_at, STEP);
    return lat__history_run(history, statement, &ignored) == 0 &&
           sqlite3_changes(history->db) == STEP;
}

static bool forget_level(struct lat_history *history, enum lat__level level, int64_t before)
{
    sqlite3_stmt *statement = lat__history_statement(
        history, level == LAT__RAW ? LAT__HISTORY_SAMPLE_FORGET : LAT__HISTORY_ROLLUP_FORGET);
    int64_t step_ms = lat__level_step_ms(level);

    if (level == LAT__RAW) {
        lat__history_bind(statement, 1, before / step_ms);
        return forget(history, statement, 2);
    }
    lat__history_bind(statement, 1, step_ms / 1000);
    lat__history_bind(statement, 2, before - before % step_ms);
    return forget(history, statement, 3);
}

/* Forgets the oldest lines, as long as they are older than `before` (wall ms), or all lines are more than `most` bytes. */
static bool forget_lines(struct lat_history *history, int64_t before, int64_t most)
{
    sqlite3_stmt *oldest = lat__history_statement(history, LAT__HISTORY_LINE_OLDEST);
    int64_t last = 0, freed = 0;
    struct lat_err ignored;
    int count = 0;

    lat__history_bind(oldest, 1, LINES_STEP);
    while (sqlite3_step(oldest) == SQLITE_ROW) {
        if (sqlite3_column_int64(oldest, 1) / 1000000 >= before &&
            history->line_bytes - freed <= most) {
            break;
        }
        last = sqlite3_column_int64(oldest, 0);
        freed += sqlite3_column_int64(oldest, 2);
        count++;
    }
    sqlite3_reset(oldest);
    if (count == 0) {
        return false;
    }
    sqlite3_stmt *statement = lat__history_statement(history, LAT__HISTORY_LINE_FORGET);
    int rc = lat__db_execute(history->db, "BEGIN", &ignored);

    lat__history_bind(statement, 1, last);
    rc = rc != 0 ? rc : lat__history_run(history, statement, &ignored);
    rc = rc != 0 ? rc
                 : lat__history_keep(history, "line_bytes", history->line_bytes - freed, &ignored);
    rc = rc != 0 ? rc : lat__db_execute(history->db, "COMMIT", &ignored);
    if (rc != 0) {
        sqlite3_exec(history->db, "ROLLBACK", NULL, NULL, NULL);
        return false;
    }
    history->line_bytes -= freed;
    return count == LINES_STEP;
}

static bool forget_events(struct lat_history *history, bool by_age)
{
    sqlite3_stmt *statement = lat__history_statement(history, by_age ? LAT__HISTORY_EVENT_FORGET
                                                                     : LAT__HISTORY_EVENT_CAP);

    lat__history_bind(statement, 1,
                      by_age ? history->age_ms - history->days_ms : LAT_HISTORY_EVENTS_MAX);
    return forget(history, statement, 2);
}

static bool forget_subjects(struct lat_history *history)
{
    sqlite3_stmt *statement = lat__history_statement(history, LAT__HISTORY_SUBJECT_FORGET);
    int64_t longest = history->level_s[LAT__1H] * 1000;
    int changes = sqlite3_total_changes(history->db);

    longest = longest < history->days_ms ? history->days_ms : longest;
    lat__history_bind(statement, 1, history->age_ms - longest - DAY_MS);
    bool more = forget(history, statement, 2);

    changes = sqlite3_total_changes(history->db) - changes;
    if (changes > 0) {
        history->subject_count -= changes;
        lat__history_subjects_forget(history);
    }
    return more;
}

/* Where the file is larger than it may be: the oldest of what there is most of. */
static bool forget_bytes(struct lat_history *history)
{
    sqlite3_stmt *pages = lat__history_statement(history, LAT__HISTORY_PAGES);
    int64_t used = 0;

    if (sqlite3_step(pages) == SQLITE_ROW) {
        used = sqlite3_column_int64(pages, 0) * sqlite3_column_int64(pages, 1);
    }
    sqlite3_reset(pages);
    if (used <= history->bytes) {
        return false;
    }
    if (history->line_bytes > history->bytes / 2) {
        return forget_lines(history, 0, history->bytes / 4);
    }
    for (int level = LAT__RAW; level < LAT__LEVELS; level++) {
        int changes = sqlite3_total_changes(history->db);

        if (forget_level(history, (enum lat__level)level, INT64_MAX) ||
            sqlite3_total_changes(history->db) != changes) {
            return true;
        }
    }
    return forget_lines(history, 0, 0);
}

enum kind {
    EVENTS_OLD,
    EVENTS_MANY,
    RAW,
    LEVEL_1M,
    LEVEL_15M,
    LEVEL_1H,
    LINES,
    SUBJECTS,
    BYTES,
    OVER
};

static bool forget_kind(struct lat_history *history, enum kind kind)
{
    enum lat__level level = LAT__RAW;

    switch (kind) {
    case EVENTS_OLD: return forget_events(history, true);
    case EVENTS_MANY: return forget_events(history, false);
    case RAW: break;
    case LEVEL_1M: level = LAT__1M; break;
    case LEVEL_15M: level = LAT__15M; break;
    case LEVEL_1H: level = LAT__1H; break;
    case LINES:
        return forget_lines(history, history->age_ms - history->days_ms, history->logs_bytes);
    case SUBJECTS: return forget_subjects(history);
    case BYTES: return forget_bytes(history);
    case OVER: return false;
    }
    return forget_level(history, level, history->age_ms - history->level_s[level] * 1000);
}

void lat__history_forget_anew(struct lat_history *history)
{
    history->round_kind = EVENTS_OLD;
    history->round_boot_ms = 0;
}

bool lat__history_forget_step(struct lat_history *history)
{
    const struct lat_clock *clock = lat_loop_clock(history->loop);
    int64_t now = lat_clock_boot_ms(clock);
    struct lat_err ignored;

    if (history->round_kind == EVENTS_OLD) { /* a round begins */
        if (history->round_boot_ms != 0 && now - history->round_boot_ms < ROUND_MS) {
            return false;
        }
        history->age_ms =
            lat__history_age(history->age_ms, now - history->age_boot_ms, lat_clock_wall_ms(clock));
        history->age_boot_ms = now;
        if (lat__history_keep(history, "age_ms", history->age_ms, &ignored) != 0) {
            return false;
        }
    }
    if (!forget_kind(history, (enum kind)history->round_kind)) {
        history->round_kind++;
    }
    if (history->round_kind == OVER) {
        history->round_kind = EVENTS_OLD;
        history->round_boot_ms = now;
        return false;
    }
    return true;
}
