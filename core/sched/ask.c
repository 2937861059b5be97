/* A plan whose policy is no program: it is asked elsewhere, and decides over the same columns.
 *
 *   all rows that the rules left ─► answer ─► candidates ─► the best row takes an instance ─► what is due? ─► those rows are asked about
 *                                                ▲                                                                      │
 *                                                └───────────────── their new scores, or they are refused ◄─────────────┘
 *
 * A policy sees one node at a time. So an instance that is placed changes its answer about that one row, and what it said of all others
 * holds; affinity and spread, which move with each instance, are this side's (place.c), and have rows asked about that were closed
 * to the workload until then. So each further instance costs a question, mostly about a single row, and each choice is the best of all nodes
 * at its time, as it is with a program. What is more than LAT_PLAN_ASKED_MAX instances is left to the next plan. The frame stands still
 * until the plan is freed. */
#include "sched/place_internal.h"

#include "sched/frame_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

static bool has_any(const uint64_t *bits, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        if (bits[i] != 0) {
            return true;
        }
    }
    return false;
}

static size_t words_of(const struct lat_plan *plan)
{
    return lat_columns_blocks(plan->planner->frame->columns) * LAT_COLUMNS_WORDS;
}

static void pose(struct lat_plan *plan, const uint64_t *among,
                 struct lat_plan_question *ret_question)
{
    struct lat_planner *planner = plan->planner;

    *ret_question = (struct lat_plan_question){
        .columns = planner->frame->columns,
        .record = lat__judge_record(planner->judge, &plan->request),
        .among = among,
    };
}

/* Marks a row that is due, if the rules of the machine leave it. */
static bool mark_due(struct lat_plan *plan, uint32_t row)
{
    struct lat_margin margin;

    if (lat_rules_find(plan->planner->frame, &plan->request, row, &margin) >= 0) {
        return false;
    }
    plan->planner->one[row / 64] |= UINT64_C(1) << row % 64;
    return true;
}

/* Marks the rows that the policy is to be asked about before the next choice. Returns whether there are any. */
static bool mark_all_due(struct lat_plan *plan)
{
    const struct lat__placing *placing = plan->placing;
    const struct lat__candidate *heap = plan->planner->heap;
    bool any = false;

    memset(plan->planner->one, 0, words_of(plan) * sizeof(*plan->planner->one));
    for (size_t i = 0; i < placing->group_count; i++) {
        const struct lat__group *group = &placing->groups[i];

        if (group->is_due && group->is_judged) {
            any |= mark_due(plan, heap[group->first].row);
        }
        for (size_t k = 0; group->is_due && !group->is_judged && k < group->rows; k++) {
            any |= mark_due(plan, placing->rows[group->first + k]);
        }
    }
    return any;
}

/* Goes on by what is said of the rows that are due; NULL: the rules have left none. */
static void take_due(struct lat_plan *plan, const struct lat_decision *answer)
{
    struct lat_err err;

    plan->placing->answer = answer;
    LAT_ASSERT(lat__placing_judge(plan->placing, &err) == 0); /* no program has a part in it */
    plan->placing->answer = NULL;
}

bool lat_plan_ask(struct lat_plan *plan, size_t count, struct lat_plan_question *ret_question)
{
    LAT_ASSERT(!plan->program && !plan->is_asking && count > 0);
    if (!plan->decision) {
        lat__plan_mark(plan, true);
        lat__plan_narrow(plan);
        pose(plan, plan->found.among, ret_question);
        return has_any(plan->found.among, words_of(plan));
    }
    if (!plan->placing) {
        plan->placing =
            lat__placing_new(plan, count < LAT_PLAN_ASKED_MAX ? count : LAT_PLAN_ASKED_MAX);
    }
    while (lat__placing_take(plan->placing)) {
        if (mark_all_due(plan)) {
            plan->is_asking = true;
            pose(plan, plan->planner->one, ret_question);
            return true;
        }
        take_due(plan, NULL);
    }
    return false;
}

/* Takes what is said of all rows. */
static void take_all(struct lat_plan *plan, struct lat_decision *decision)
{
    struct lat_planner *planner = plan->planner;

    plan->decision = decision;
    plan->found.scores = decision->scores;
    for (size_t row = 0; row < decision->count; row++) {
        if (lat__bit(planner->among, row) && decision->verdicts[row] == LAT_VERDICT_POSSIBLE) {
            planner->pass[row / 64] |= UINT64_C(1) << row % 64;
        }
    }
    lat__plan_gather(plan);
}

void lat_plan_answer(struct lat_plan *plan, struct lat_decision *decision, const char *policy)
{
    LAT_ASSERT(decision->count == lat_frame_rows(plan->planner->frame));
    if (!plan->decision) {
        lat_text_bound(plan->policy, sizeof(plan->policy), policy);
        take_all(plan, decision);
        return;
    }
    LAT_ASSERT(plan->is_asking);
    plan->is_asking = false;
    take_due(plan, decision);
    lat_decision_free(decision);
}
