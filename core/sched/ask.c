/* A plan whose policy is no program: it is asked elsewhere, and decides over the same columns.
 *
 *   all rows that the rules left ─► answer ─► heap ─► the best row takes an instance ─► may it take another? that row is asked about
 *                                               ▲                                                             │
 *                                               └──────────────── its new score, or it is refused ◄───────────┘
 *
 * A policy sees one node at a time. So an instance that is placed changes its answer about that one row, and what it said of all others
 * holds: each further instance costs a question about a single row, and each choice is the best of all nodes at its
 * time, as it is with a program. What depends on where others stand is left to another plan, and so is what is more than
 * LAT_PLAN_ASKED_MAX instances. The frame stands still until the plan is freed. */
#include "sched/plan_internal.h"

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

static void pose_one(struct lat_plan *plan, uint32_t row, struct lat_plan_question *ret_question)
{
    uint64_t *one = plan->planner->one;

    memset(one, 0, words_of(plan) * sizeof(*one));
    one[row / 64] |= UINT64_C(1) << row % 64;
    plan->is_asking = true;
    pose(plan, one, ret_question);
}

static void drop_top(struct lat_plan *plan)
{
    struct lat__candidate *heap = plan->planner->heap;

    heap[0] = heap[--plan->candidates];
    lat__plan_sink(heap, plan->candidates, 0);
}

bool lat_plan_ask(struct lat_plan *plan, size_t count, struct lat_plan_question *ret_question)
{
    const struct lat__candidate *heap = plan->planner->heap;
    struct lat_margin margin;

    LAT_ASSERT(!plan->program && !plan->is_asking);
    if (!plan->decision) {
        lat__plan_mark(plan, true);
        lat__plan_narrow(plan);
        pose(plan, plan->found.among, ret_question);
        return has_any(plan->found.among, words_of(plan));
    }
    if (count > LAT_PLAN_ASKED_MAX) {
        count = LAT_PLAN_ASKED_MAX;
    }
    if (count > 1 && lat_fit_is_passing(plan->request.fit)) {
        count = 1;
    }
    while (plan->placed_count < count && plan->candidates > 0) {
        uint32_t row = heap[0].row;

        lat__plan_take(plan, row);
        if (plan->placed_count == count) {
            break;
        }
        if (lat_rules_find(plan->planner->frame, &plan->request, row, &margin) < 0) {
            pose_one(plan, row, ret_question);
            return true;
        }
        drop_top(plan);
    }
    return false;
}

/* Takes what is said of all rows: what passes stands in the heap then. */
static void take_all(struct lat_plan *plan, struct lat_decision *decision)
{
    struct lat_planner *planner = plan->planner;

    plan->decision = decision;
    plan->found.scores = decision->scores;
    for (size_t row = 0; row < decision->count; row++) {
        if (decision->verdicts[row] == LAT_VERDICT_POSSIBLE) {
            planner->pass[row / 64] |= UINT64_C(1) << row % 64;
        }
    }
    lat__plan_gather(plan);
    plan->candidates = lat__plan_candidates(plan);
    for (size_t at = plan->candidates / 2; at-- > 0;) {
        lat__plan_sink(planner->heap, plan->candidates, at);
    }
}

void lat_plan_answer(struct lat_plan *plan, struct lat_decision *decision, const char *policy)
{
    struct lat__candidate *heap = plan->planner->heap;

    LAT_ASSERT(decision->count == lat_frame_rows(plan->planner->frame));
    if (!plan->decision) {
        lat_text_bound(plan->policy, sizeof(plan->policy), policy);
        take_all(plan, decision);
        return;
    }
    LAT_ASSERT(plan->is_asking);
    plan->is_asking = false;
    if (decision->verdicts[heap[0].row] == LAT_VERDICT_POSSIBLE) {
        heap[0].score = decision->scores[heap[0].row];
        lat__plan_sink(heap, plan->candidates, 0);
    } else {
        drop_top(plan);
    }
    lat_decision_free(decision);
}
