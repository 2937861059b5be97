/* What the tests of the history share: a history on a file of its own, on a loop whose wall clock can be set, and reads that wait. */
#ifndef TEST_STORE_HISTORY_SUPPORT_H
#define TEST_STORE_HISTORY_SUPPORT_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "store/history.h"

struct past {
    char dir[64];
    char path[96];
    _Atomic int64_t wall_ms; /* what the wall clock says; it stands still; read by the writer too */
    struct lat_clock clock;
    struct lat_loop *loop;
    struct lat_metrics *metrics;
    struct lat_history_limits limits; /* of the next opening */
    struct lat_history *history;
};

/* Noon of a day: the moment at which every test begins. */
#define PAST_NOON INT64_C(1795262400000)

/* CMocka's set-up and tear-down: *state is a struct past with an open, empty history. */
int past_open(void **state);
int past_close(void **state);

void past_restart(struct past *past);

/* Ids that look like ids: "w", 3 gives one and always the same. */
void past_id(const char *kind, int number, char ret_id[LAT_ID_SIZE]);

/* An allocation of a workload, as whom samples and lines are about. */
struct lat_history_subject past_subject(int allocation, int workload, int ordinal);

void past_add(struct past *past, const struct lat_history_subject *subject,
              enum lat_measure measure, int64_t at, double value);

/* Read and wait; owned by the caller. */
cJSON *past_samples(struct past *past, const char *id, int64_t from, int64_t to, int64_t step_ms);
char *past_lines(struct past *past, const struct lat_history_lines *which);

/* The point of a column; -1 for null or where there is none. */
double past_point(const cJSON *samples, int item, const char *measure, const char *column, int at);

#endif
