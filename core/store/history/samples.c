/* Samples, and their roll-ups. Each sample is added to the row of its minute, quarter and hour in the transaction that writes it: so a
 * crash loses a sample with all its traces or none, and nothing is counted twice after a restart. Sums, counts and extremes do not
 * depend on an order, and counters come as what they rose by; so a sample that comes late, or with an earlier time because the wall
 * clock went back, lands where it belongs and disturbs nothing. Only `last` looks at times.
 *
 * Two samples of one series with the very same time (the clock went back onto an old one) are two: the later one moves on by a
 * millisecond, a few times at most. What is older than a level keeps is not written there. The writer's. */
#include "history_internal.h"

enum { NUDGES_MAX = 8 };

int64_t lat__level_step_ms(enum lat__level level)
{
    static const int64_t steps_ms[LAT__LEVELS] = {
        [LAT__RAW] = 60000, [LAT__1M] = 60000, [LAT__15M] = 15 * 60000, [LAT__1H] = 60 * 60000};

    return steps_ms[level];
}

static bool is_kept(const struct lat_history *history, enum lat__level level, int64_t at)
{
    return at >= history->age_ms - history->level_s[level] * 1000;
}

static int write_raw(struct lat_history *history, int64_t subject, int64_t at, int measure,
                     double value, struct lat_err *err)
{
    for (int i = 0; i < NUDGES_MAX; i++, at++) {
        sqlite3_stmt *add = lat__history_statement(history, LAT__HISTORY_SAMPLE_ADD);

        lat__history_bind(add, 1, at / lat__level_step_ms(LAT__RAW));
        lat__history_bind(add, 2, subject);
        lat__history_bind(add, 3, at);
        lat__history_bind(add, 4, measure);
        LAT_ASSERT(sqlite3_bind_double(add, 5, value) == SQLITE_OK);
        int rc = lat__history_run(history, add, err);

        if (rc != 0 || sqlite3_changes(history->db) == 1) {
            return rc;
        }
    }
    return 0; /* somebody says the same moment again and again: it costs no more, and the roll-ups have it all the same */
}

static int roll_up(struct lat_history *history, enum lat__level level, int64_t subject, int64_t at,
                   int measure, double value, struct lat_err *err)
{
    sqlite3_stmt *add = lat__history_statement(history, LAT__HISTORY_ROLLUP_ADD);
    int64_t step_ms = lat__level_step_ms(level);

    lat__history_bind(add, 1, step_ms / 1000);
    lat__history_bind(add, 2, at - at % step_ms);
    lat__history_bind(add, 3, subject);
    lat__history_bind(add, 4, measure);
    LAT_ASSERT(sqlite3_bind_double(add, 5, value) == SQLITE_OK);
    lat__history_bind(add, 6, at);
    return lat__history_run(history, add, err);
}

static int write_sample(struct lat_history *history, int64_t subject, int64_t at,
                        const struct lat_sample *sample, struct lat_err *err)
{
    int measure = history->measures[sample->measure];
    int rc = is_kept(history, LAT__RAW, at)
                 ? write_raw(history, subject, at, measure, sample->value, err)
                 : 0;

    for (int level = LAT__1M; rc == 0 && level < LAT__LEVELS; level++) {
        if (is_kept(history, (enum lat__level)level, at)) {
            rc = roll_up(history, (enum lat__level)level, subject, at, measure, sample->value, err);
        }
    }
    return rc;
}

int lat__history_write_samples(struct lat_history *history, const struct lat__entry *entry,
                               struct lat_err *err)
{
    const struct lat__subject *subject;
    int rc = lat__history_subject(history, &entry->subject, false, entry->at, &subject, err);

    for (size_t i = 0; rc == 0 && i < entry->count; i++) {
        rc = write_sample(history, subject->number, entry->at, &entry->samples[i], err);
    }
    return rc;
}
