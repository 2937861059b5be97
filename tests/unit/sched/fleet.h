/* A fleet of nodes and a workload, for tests of one plan as a value. */
#ifndef TESTS_UNIT_SCHED_FLEET_H
#define TESTS_UNIT_SCHED_FLEET_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "sched/plan.h"

enum { MB = 1 << 20 };

/* Nodes, and a workload that is to be placed on them. */
struct fleet {
    struct lat_frame *frame;
    struct lat_planner *planner;
    struct lat_workload *workload;
    struct lat_plan *plan; /* NULL until it is begun */
};

/* A score for a row that is possible, or a refusal where that is set. */
struct word {
    double score;
    const char *refusal;
};

/* Make a fleet without nodes and a workload that reserves so much; and free them. */
struct fleet fleet_of(int64_t cpu_milli, int64_t memory_bytes);
void fleet_end(struct fleet *fleet);

/* Adds a node with two processors and 1000 MB, of which so much is reserved by an instance of another workload. */
void fleet_add(struct fleet *fleet, const char *name, const char *status, int64_t used_cpu,
               int64_t used_memory);

/* Begins a plan, after the one before. */
void fleet_begin(struct fleet *fleet, uint64_t seed);

/* Tell whether a row is asked about, and how many are. */
bool fleet_is_meant(const struct lat_plan_question *question, size_t row);
size_t fleet_count_meant(const struct fleet *fleet, const struct lat_plan_question *question);

/* Returns what a policy says: a word for each row that is asked about, in their order. */
struct lat_decision *fleet_decision(const struct fleet *fleet,
                                    const struct lat_plan_question *question,
                                    const struct word *words);

/* Answers about all rows that are left, for one instance: nothing is asked again. */
void fleet_answer(struct fleet *fleet, const struct word *words);

/* Returns the name of the node that is taken, or NULL. */
const char *fleet_choice(struct fleet *fleet);

/* Return the receipt as it is shown, whole or a part; owned. */
cJSON *fleet_receipt(struct fleet *fleet);
cJSON *fleet_part(struct fleet *fleet, size_t from, size_t max);

void fleet_expect_fix(struct fleet *fleet, const char *wanted);
void fleet_expect_sentence(struct fleet *fleet, const char *wanted);

#endif
