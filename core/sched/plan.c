/* One plan: narrow, judge, choose.
 *
 * All instances that a workload lacks are placed at once. The nodes that passed stand in a heap; the best is taken, what an instance needs
 * is reserved of it, and that row alone is looked at again, by the rules and by the program, and finds its new place in the heap: a
 * placement changes nothing that another row's score could depend on. So each choice is the best of all nodes at its time, at the
 * price of one row. */
#include "sched/plan_internal.h"

#include "sched/frame_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

struct lat_planner *lat_planner_new(struct lat_frame *frame)
{
    struct lat_planner *planner = LAT_NEW(struct lat_planner);

    planner->frame = frame;
    planner->judge = lat__judge_new(frame);
    planner->placed = lat_alloc_array(LAT_PLAN_INSTANCES_MAX, sizeof(*planner->placed));
    return planner;
}

struct lat_planner *lat_planner_free(struct lat_planner *planner)
{
    if (!planner) {
        return NULL;
    }
    LAT_ASSERT(!planner->is_planning);
    lat__judge_free(planner->judge);
    lat__ledger_done(&planner->ledger);
    free(planner->among);
    free(planner->pass);
    free(planner->one);
    free(planner->heap);
    free(planner->placed);
    free(planner);
    return NULL;
}

/* Bitmaps are handed to vectors in whole blocks of the columns, aligned as these are. */
static void *aligned(void *before, size_t bytes)
{
    void *memory = NULL;

    free(before);
    LAT_ASSERT(posix_memalign(&memory, 64, bytes) == 0);
    memset(memory, 0, bytes);
    return memory;
}

static void make_room(struct lat_planner *planner)
{
    size_t rows = lat_columns_blocks(planner->frame->columns) * LAT_COLUMNS_BLOCK;

    if (rows <= planner->room) {
        return;
    }
    planner->room = rows * 3 / 2 / LAT_COLUMNS_BLOCK * LAT_COLUMNS_BLOCK + LAT_COLUMNS_BLOCK;
    planner->among = aligned(planner->among, planner->room / 8);
    planner->pass = aligned(planner->pass, planner->room / 8);
    planner->one = aligned(planner->one, planner->room / 8);
    planner->heap = lat_grow(planner->heap, planner->room, sizeof(*planner->heap));
}

struct lat_plan *lat_plan_new(struct lat_planner *planner, const struct lat_request *request,
                              uint64_t seed)
{
    struct lat_plan *plan = &planner->plan;

    LAT_ASSERT(!planner->is_planning);
    planner->is_planning = true;
    make_room(planner);
    *plan = (struct lat_plan){
        .planner = planner, .request = *request, .seed = seed, .placed = planner->placed};
    return plan;
}

void lat__plan_narrow(struct lat_plan *plan)
{
    struct lat_planner *planner = plan->planner;
    size_t bytes = lat_columns_blocks(planner->frame->columns) * LAT_COLUMNS_BLOCK / 8;

    if (plan->found.among) {
        return;
    }
    if (bytes > 0) {
        memcpy(planner->among, lat_columns_alive(planner->frame->columns), bytes);
        memset(planner->pass, 0, bytes);
    }
    lat_rules_narrow(planner->frame, &plan->request, planner->among);
    plan->found = (struct lat__judgement){.among = planner->among, .pass = planner->pass};
}

/* Counts an instance more or less on a row, with what a policy sees of that. */
static void count_instance(struct lat_plan *plan, size_t row, int64_t times)
{
    struct lat_columns *columns = plan->planner->frame->columns;
    int64_t instances = lat_columns_ints(columns, LAT_FIELD_node_workload_instances)[row];

    lat_columns_set_int(columns, row, LAT_FIELD_node_workload_instances, instances + times);
}

void lat__plan_take_back(struct lat_plan *plan, size_t count)
{
    while (plan->placed_count > count) {
        uint32_t row = plan->placed[--plan->placed_count];

        lat__frame_give(plan->planner->frame, row, &plan->request.need);
        count_instance(plan, row, -1);
    }
}

struct lat_plan *lat_plan_free(struct lat_plan *plan)
{
    struct lat_planner *planner;

    if (!plan) {
        return NULL;
    }
    planner = plan->planner;
    if (!plan->is_kept) {
        lat__plan_take_back(plan, 0);
    }
    lat_columns_clear_pairs(planner->frame->columns);
    lat_decision_free(plan->decision);
    planner->is_planning = false;
    return NULL;
}

void lat_plan_stands(struct lat_plan *plan, const char *node_id)
{
    size_t row = lat_frame_row(plan->planner->frame, node_id);

    if (row != SIZE_MAX) {
        count_instance(plan, row, 1);
    }
}

void lat_plan_fall_back(struct lat_plan *plan, const struct lat_err *why)
{
    plan->fallback = *why;
}

void lat_plan_keep(struct lat_plan *plan)
{
    plan->is_kept = true;
}

const uint32_t *lat_plan_rows(const struct lat_plan *plan)
{
    return plan->placed;
}

const char *lat_plan_policy(const struct lat_plan *plan)
{
    return plan->policy;
}

/* ---- judging ---- */

static void mark(struct lat_plan *plan, enum lat_policy_field field, const uint64_t *rows,
                 size_t words)
{
    for (size_t word = 0; rows && word < words; word++) {
        for (uint64_t bits = rows[word]; bits != 0; bits &= bits - 1) {
            lat_columns_set_bool(plan->planner->frame->columns,
                                 word * 64 + (size_t)__builtin_ctzll(bits), field, true);
        }
    }
}

void lat__plan_mark(struct lat_plan *plan, bool images)
{
    size_t words = 0;
    const uint64_t *rows =
        images ? lat_frame_image(plan->planner->frame, plan->request.workload->image, &words)
               : NULL;

    mark(plan, LAT_FIELD_node_has_image, rows, words);
    mark(plan, LAT_FIELD_node_has_data, plan->request.data, plan->request.data_words);
}

/* Tells whether a program reads a field. */
static bool reads(const struct lat_program *program, enum lat_policy_field field)
{
    size_t count;
    const struct lat_op *ops = lat_program_ops(program, &count);

    for (size_t i = 0; i < count; i++) {
        if (ops[i].code == LAT_OP_field && ops[i].field == field) {
            return true;
        }
    }
    return false;
}

int lat_plan_judge(struct lat_plan *plan, struct lat_program *program, const char *policy,
                   struct lat_err *err)
{
    /* Rows that are marked are judged each time. */
    lat__plan_mark(plan, reads(program, LAT_FIELD_node_has_image));
    int rc = lat__judge_run(plan->planner->judge, program, &plan->request, &plan->found, err);

    if (rc == 0) {
        plan->program = program;
        lat_text_bound(plan->policy, sizeof(plan->policy), policy);
    }
    return rc;
}

/* ---- choosing ---- */

static bool is_better(const struct lat__candidate *a, const struct lat__candidate *b)
{
    return a->points > b->points ||
           (a->points == b->points &&
            (a->score > b->score || (a->score == b->score && a->order < b->order)));
}

void lat__plan_sink(struct lat__candidate *heap, size_t count, size_t at)
{
    struct lat__candidate moved;
    size_t top = at;

    if (at >= count) {
        return;
    }
    moved = heap[at];

    /* What was just taken is mostly worse than all others then: it goes to the bottom, and from there up again. */
    for (size_t child = at * 2 + 1; child < count; child = at * 2 + 1) {
        child += child + 1 < count && is_better(&heap[child + 1], &heap[child]);
        heap[at] = heap[child];
        at = child;
    }
    while (at > top && is_better(&moved, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = moved;
}

static void swap(struct lat__candidate *a, struct lat__candidate *b)
{
    struct lat__candidate kept = *a;

    *a = *b;
    *b = kept;
}

/* Brings the best `most` of the candidates to the front, in no order. A node that was not taken yet is taken only after all that
 * were better than it at first: so no other one can be among as many choices. */
static void keep_best(struct lat__candidate *all, size_t count, size_t most, uint64_t seed)
{
    size_t first = 0;

    while (count - first > 1 && first < most && most < count) {
        size_t split = first;

        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407; /* nobody aims at it */
        swap(&all[first + (seed >> 33) % (count - first)], &all[count - 1]);
        for (size_t i = first; i + 1 < count; i++) {
            if (is_better(&all[i], &all[count - 1])) {
                swap(&all[i], &all[split++]);
            }
        }
        swap(&all[split], &all[count - 1]);
        if (split < most) {
            first = split + 1;
        } else {
            count = split;
        }
    }
}

size_t lat__plan_candidates(struct lat_plan *plan)
{
    struct lat_planner *planner = plan->planner;
    size_t rows = lat_frame_rows(planner->frame);
    size_t offset = rows ? (size_t)(plan->seed % rows) : 0;
    size_t count = 0;

    for (size_t word = 0; word * 64 < rows; word++) {
        for (uint64_t bits = plan->found.pass[word]; bits != 0; bits &= bits - 1) {
            size_t row = word * 64 + (size_t)__builtin_ctzll(bits);

            planner->heap[count++] = (struct lat__candidate){
                .points = plan->request.fit ? lat_fit_points(plan->request.fit, row) : 0,
                .score = plan->found.scores[row],
                .order = (uint32_t)(row >= offset ? row - offset : row + rows - offset),
                .row = (uint32_t)row,
            };
        }
    }
    return count;
}

void lat__plan_take(struct lat_plan *plan, uint32_t row)
{
    lat__frame_take(plan->planner->frame, row, &plan->request.need);
    count_instance(plan, row, 1);
    plan->placed[plan->placed_count++] = row;
}

/* One instance: the best is found without a heap. */
static void place_one(struct lat_plan *plan, size_t candidates)
{
    const struct lat__candidate *heap = plan->planner->heap;
    size_t best = 0;

    for (size_t i = 1; i < candidates; i++) {
        best = is_better(&heap[i], &heap[best]) ? i : best;
    }
    lat__plan_take(plan, heap[best].row);
}

static int place_many(struct lat_plan *plan, size_t count, size_t candidates, struct lat_err *err)
{
    struct lat__candidate *heap = plan->planner->heap;

    keep_best(heap, candidates, count, plan->seed);
    candidates = candidates < count ? candidates : count;
    for (size_t at = candidates / 2; at-- > 0;) {
        lat__plan_sink(heap, candidates, at);
    }
    while (plan->placed_count < count && candidates > 0) {
        bool passes = false;
        int rc;

        lat__plan_take(plan, heap[0].row);
        if (plan->placed_count == count) {
            break;
        }
        rc = lat__judge_row(plan->planner->judge, &plan->request, heap[0].row, &passes,
                            &heap[0].score, err);
        if (rc != 0) {
            return rc;
        }
        if (!passes) {
            heap[0] = heap[--candidates];
        }
        lat__plan_sink(heap, candidates, 0);
    }
    return 0;
}

/* Where no program judges: a policy elsewhere has decided, or there was no row to ask about. */
static size_t place_asked(struct lat_plan *plan, size_t count)
{
    if (!plan->decision) {
        lat__plan_narrow(plan);
        lat__plan_gather(plan);
    }
    lat__plan_take_back(plan, count);
    return plan->placed_count;
}

int lat_plan_place(struct lat_plan *plan, size_t count, size_t *ret_placed, struct lat_err *err)
{
    size_t candidates;
    int rc = 0;

    if (!plan->program) {
        *ret_placed = place_asked(plan, count);
        return 0;
    }
    LAT_ASSERT(plan->placed_count == 0);
    lat__plan_gather(plan);
    candidates = lat__plan_candidates(plan);
    if (count > 1 && lat_fit_is_single(plan->request.fit)) {
        count = 1; /* what depends on where the others stand is not judged again here */
    }
    if (count > LAT_PLAN_INSTANCES_MAX) {
        count = LAT_PLAN_INSTANCES_MAX;
    }
    if (count == 1 && candidates > 0) {
        place_one(plan, candidates);
    } else if (candidates > 0) {
        rc = place_many(plan, count, candidates, err);
    }
    if (rc != 0) {
        lat__plan_take_back(plan, 0);
        plan->program = NULL;
        plan->found = (struct lat__judgement){.among = NULL};
        return rc;
    }
    *ret_placed = plan->placed_count;
    return 0;
}
