/* Choosing: each instance goes where it is best at its time.
 *
 *   all rows ─► groups (the same domains) ─► of each the candidates, in a heap ─► best of the open groups ─► that row again ─┐
 *                  ▲                                                                                                      │
 *                  └── groups that share a domain with it are asked again: open? how many points? ◄───────────────────────┘
 *
 * The best is taken, and what an instance needs is reserved of it: room, ports, devices. That row alone is looked at again, by the
 * rules and by the program, and finds its new place in its heap: but for affinity and spread a placement changes nothing that another
 * row's verdict or score could depend on. Those go by domains: rows in the same ones are a group, and what they say of it
 * they say of all its rows. A group that is closed at first, and opens, has its rows judged then. A workload of which nothing moves is one
 * group. So the choices are those that as many plans of one instance each would make, at the price of one and a row an instance.
 *
 * Where nothing moves and a program judges, many are placed at once (batch.c). Else they are placed one by one, and rows are judged by the
 * program, or by a policy elsewhere, which is asked about those of all groups that are due (ask.c). */
#include "sched/place_internal.h"

#include "sched/frame_internal.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LAT__HOME_POINTS (INT64_C(1) << 40) /* more than all that a workload may prefer */

/* ---- candidates ---- */

static struct lat__candidate candidate_of(const struct lat__placing *placing, uint32_t row,
                                          double score)
{
    const struct lat_fit *fit = placing->plan->request.fit;
    int64_t points = fit ? lat_fit_points(fit, row) : 0;

    points += row == placing->home ? LAT__HOME_POINTS : 0;
    return (struct lat__candidate){
        .points = placing->moves ? points - lat_fit_moving_points(fit, row) : points,
        .score = score,
        .order =
            (uint32_t)(row - placing->offset + (row >= placing->offset ? 0 : placing->row_count)),
        .row = row,
    };
}

/* ---- groups ---- */

static int compare_rows(const void *left, const void *right, void *arg)
{
    const struct lat__placing *placing = arg;
    const uint32_t *a = left;
    const uint32_t *b = right;

    for (size_t key = 0; key < placing->key_count; key++) {
        size_t one = placing->domains[*a * placing->key_count + key];
        size_t other = placing->domains[*b * placing->key_count + key];

        if (one != other) {
            return one < other ? -1 : 1;
        }
    }
    return (*a > *b) - (*a < *b);
}

/* Writes the domains of all rows, and sorts these by them. Returns how many rows have a node. */
static size_t sort_rows(struct lat__placing *placing)
{
    const struct lat_frame *frame = placing->plan->planner->frame;
    const struct lat_fit *fit = placing->plan->request.fit;
    const struct lat_key *keys[LAT_FIT_KEYS_MAX];
    size_t rows = lat_frame_rows(frame);
    size_t count = 0;

    placing->key_count = lat_fit_keys(fit, keys);
    placing->domains = lat_alloc_array(rows * placing->key_count + 1, sizeof(size_t));
    for (uint32_t row = 0; row < rows; row++) {
        if (!frame->nodes[row]) {
            continue;
        }
        placing->rows[count++] = row;
        for (size_t key = 0; key < placing->key_count; key++) {
            placing->domains[row * placing->key_count + key] = lat_fit_domain(fit, keys[key], row);
        }
    }
    qsort_r(placing->rows, count, sizeof(*placing->rows), compare_rows, placing);
    return count;
}

static void find_groups(struct lat__placing *placing)
{
    size_t count = sort_rows(placing);
    size_t bytes = placing->key_count * sizeof(size_t);

    placing->groups = lat_alloc_array(count + 1, sizeof(*placing->groups));
    for (size_t i = 0; i < count; i++) {
        const size_t *domains = placing->domains + placing->rows[i] * placing->key_count;
        struct lat__group *last = placing->groups + placing->group_count;

        if (i > 0 && memcmp(last[-1].domains, domains, bytes) == 0) {
            last[-1].rows++;
        } else {
            *last = (struct lat__group){.first = i, .rows = 1, .domains = domains};
            placing->group_count++;
        }
    }
}

/* Makes the heap of a group, of those of its rows that pass. */
static void gather_passed(struct lat__placing *placing, struct lat__group *group)
{
    const struct lat_plan *plan = placing->plan;
    struct lat__candidate *heap = plan->planner->heap + group->first;

    for (size_t i = 0; i < group->rows; i++) {
        uint32_t row = placing->rows[group->first + i];

        if (lat__bit(plan->found.pass, row)) {
            heap[group->candidates++] = candidate_of(placing, row, plan->found.scores[row]);
        }
    }
}

/* Judges a row as it is now, by the rules and by the policy; of one elsewhere by its answer, which is about rows that the rules left. */
static int judge_row(const struct lat__placing *placing, uint32_t row, bool *ret_pass,
                     double *ret_score, struct lat_err *err)
{
    const struct lat_plan *plan = placing->plan;

    if (plan->program) {
        return lat__judge_row(plan->planner->judge, &plan->request, row, ret_pass, ret_score, err);
    }
    *ret_pass =
        lat__bit(plan->planner->one, row) && placing->answer->verdicts[row] == LAT_VERDICT_POSSIBLE;
    *ret_score = *ret_pass ? placing->answer->scores[row] : 0;
    return 0;
}

/* The same, of a group that was closed when all rows were judged. */
static int gather_closed(struct lat__placing *placing, struct lat__group *group,
                         struct lat_err *err)
{
    struct lat_plan *plan = placing->plan;
    struct lat__candidate *heap = plan->planner->heap + group->first;
    int rc = 0;

    lat_fit_set_aside(plan->request.fit, true);
    for (size_t i = 0; rc == 0 && i < group->rows; i++) {
        uint32_t row = placing->rows[group->first + i];
        bool passes = false;
        double score = 0;

        rc = judge_row(placing, row, &passes, &score, err);
        if (rc == 0 && passes) {
            heap[group->candidates++] = candidate_of(placing, row, score);
        }
    }
    lat_fit_set_aside(plan->request.fit, false);
    return rc;
}

/* Leaves of a group's candidates those that may be chosen. */
static void arrange(struct lat__placing *placing, struct lat__group *group)
{
    struct lat__candidate *heap = placing->plan->planner->heap + group->first;

    group->is_judged = true;
    if (placing->most == 1) { /* found without a heap */
        for (size_t i = 1; i < group->candidates; i++) {
            heap[0] = lat__is_better(&heap[i], &heap[0]) ? heap[i] : heap[0];
        }
        group->candidates = group->candidates > 0;
        return;
    }
    /* A node that was not taken yet is taken only after all that were better than it at first: so no other one can be among as many choices. */
    lat__candidates_keep(heap, group->candidates, placing->most, placing->plan->seed);
    group->candidates = group->candidates < placing->most ? group->candidates : placing->most;
    if (placing->is_ranked) {
        lat__candidates_sort(heap, group->candidates, placing->plan->planner->spare);
    } else {
        lat__heap_make(heap, group->candidates);
    }
}

/* Judges the first candidate of a group again, on which an instance was placed, and finds its new place. */
static int judge_first(struct lat__placing *placing, struct lat__group *group, struct lat_err *err)
{
    struct lat_plan *plan = placing->plan;
    struct lat__candidate *heap = plan->planner->heap + group->first;
    bool passes = false;
    int rc;

    lat_fit_set_aside(plan->request.fit, placing->moves);
    rc = judge_row(placing, heap->row, &passes, &heap->score, err);
    lat_fit_set_aside(plan->request.fit, false);
    if (rc != 0) {
        return rc;
    }
    group->is_taken = false;
    if (!passes) {
        heap[0] = heap[--group->candidates];
    }
    lat__heap_sink(heap, group->candidates, 0);
    return 0;
}

/* Looks at a group anew: where instances stand has changed, or nothing is known yet. Only of one that is open rows are judged: the rules come
 * before the policy. */
static void renew(const struct lat__placing *placing, struct lat__group *group)
{
    const struct lat_fit *fit = placing->plan->request.fit;
    uint32_t row = placing->rows[group->first];

    group->is_open = lat_fit_is_open(fit, row);
    group->points = lat_fit_moving_points(fit, row);
    group->is_due = group->is_open && (!group->is_judged || group->is_taken);
}

/* Puts what passed, and scores no less than that, into the heap's array, in no order. */
static size_t gather_from(const struct lat__placing *placing, double floor)
{
    const struct lat_plan *plan = placing->plan;
    const double *scores = plan->found.scores;
    size_t count = 0;

    for (size_t word = 0; word * 64 < placing->row_count; word++) {
        size_t rows = placing->row_count - word * 64; /* scores of a policy elsewhere end there */
        uint64_t bits = 0;

        for (size_t i = 0; plan->found.pass[word] != 0 && i < (rows < 64 ? rows : 64); i++) {
            bits |= (uint64_t)(scores[word * 64 + i] >= floor) << i;
        }
        for (bits &= plan->found.pass[word]; bits != 0; bits &= bits - 1) {
            uint32_t row = (uint32_t)(word * 64 + (size_t)__builtin_ctzll(bits));

            plan->planner->heap[count++] = candidate_of(placing, row, scores[row]);
        }
    }
    return count;
}

/* Puts those that passed and may be among the choices into the heap's array, in no order: where the score alone decides, none that is
 * worse than as many others as there are choices. */
static size_t gather_all(const struct lat__placing *placing)
{
    const struct lat_plan *plan = placing->plan;
    double floor = -INFINITY;
    size_t count;

    if (!plan->request.fit && placing->home == SIZE_MAX) {
        floor = lat__candidates_floor(plan->found.scores, plan->found.pass, placing->row_count,
                                      placing->most, plan->seed);
    }
    count = gather_from(placing, floor);
    return count >= placing->most || floor == -INFINITY ? count : gather_from(placing, -INFINITY);
}

/* One group of all rows: nothing that is placed means anything to other rows. */
static void find_one_group(struct lat__placing *placing)
{
    struct lat__group *group = placing->groups = LAT_NEW(struct lat__group);

    placing->group_count = 1;
    group->is_open = true;
    group->candidates = gather_all(placing);
    arrange(placing, group);
}

struct lat__placing *lat__placing_new(struct lat_plan *plan, size_t most)
{
    struct lat__placing *placing = LAT_NEW(struct lat__placing);
    size_t rows = lat_frame_rows(plan->planner->frame);
    const bool moves = most > 1 && lat_fit_moves(plan->request.fit);

    *placing = (struct lat__placing){
        .plan = plan,
        .most = most,
        .moves = moves,
        .is_ranked = plan->program && !moves,
        .row_count = rows,
        .offset = rows ? (size_t)(plan->seed % rows) : 0,
        .home = plan->request.home ? lat_frame_row(plan->planner->frame, plan->request.home)
                                   : SIZE_MAX};
    if (!placing->moves) {
        find_one_group(placing);
        return placing;
    }
    placing->rows = lat_alloc_array(rows + 1, sizeof(*placing->rows));
    find_groups(placing);
    for (size_t i = 0; i < placing->group_count; i++) {
        struct lat__group *group = &placing->groups[i];

        renew(placing, group);
        if (group->is_due) {
            gather_passed(placing, group);
            arrange(placing, group);
            group->is_due = false;
        }
    }
    return placing;
}

struct lat__placing *lat__placing_free(struct lat__placing *placing)
{
    if (placing) {
        free(placing->rows);
        free(placing->domains);
        free(placing->groups);
        free(placing);
    }
    return NULL;
}

/* ---- placing ---- */

/* Returns the group whose first candidate is the best of all; NULL: nobody is left. */
static struct lat__group *best_group(const struct lat__placing *placing)
{
    const struct lat__candidate *heap = placing->plan->planner->heap;
    struct lat__candidate best = {0};
    struct lat__group *found = NULL;

    for (size_t i = 0; i < placing->group_count; i++) {
        struct lat__group *group = &placing->groups[i];

        if (group->is_open && group->candidates > 0) {
            struct lat__candidate candidate = heap[group->first];

            candidate.points += group->points;
            if (!found || lat__is_better(&candidate, &best)) {
                found = group;
                best = candidate;
            }
        }
    }
    return found;
}

static bool share_a_domain(const struct lat__placing *placing, const struct lat__group *a,
                           const struct lat__group *b)
{
    for (size_t key = 0; key < placing->key_count; key++) {
        if (a->domains[key] == b->domains[key]) {
            return true;
        }
    }
    return false;
}

/* Notes what an instance on the first candidate of a group has changed: which groups are due. */
static void note_change(struct lat__placing *placing, struct lat__group *group)
{
    const struct lat_plan *plan = placing->plan;
    bool everywhere;

    group->is_taken = true;
    if (!placing->moves) {
        group->is_due = true;
        return;
    }
    everywhere = lat_fit_count(plan->request.fit, plan->planner->heap[group->first].row, 1);
    for (size_t i = 0; i < placing->group_count; i++) {
        if (everywhere || share_a_domain(placing, &placing->groups[i], group)) {
            renew(placing, &placing->groups[i]);
        }
    }
}

bool lat__placing_take(struct lat__placing *placing)
{
    struct lat_plan *plan = placing->plan;
    struct lat__group *group = best_group(placing);
    const struct lat__candidate *best;

    if (!group) {
        return false;
    }
    best = plan->planner->heap + group->first;
    if (!lat__bit(plan->found.pass, best->row)) {
        lat__plan_regard(plan, best->row, best->score);
    }
    lat__plan_take(plan, best->row);
    if (plan->placed_count == placing->most) {
        return false;
    }
    note_change(placing, group);
    return true;
}

int lat__placing_judge(struct lat__placing *placing, struct lat_err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < placing->group_count; i++) {
        struct lat__group *group = &placing->groups[i];

        if (!group->is_due) {
            continue;
        }
        group->is_due = false;
        if (group->is_judged) {
            rc = judge_first(placing, group, err);
        } else {
            rc = gather_closed(placing, group, err);
            arrange(placing, group);
        }
    }
    return rc;
}

/* Takes back what was counted of where instances stand: all but the last were. */
static void forget_places(const struct lat__placing *placing)
{
    struct lat_plan *plan = placing->plan;

    for (size_t i = 0; placing->moves && i < plan->placed_count && i + 1 < placing->most; i++) {
        (void)lat_fit_count(plan->request.fit, plan->placed[i], -1);
    }
}

/* Where no program judges: a policy elsewhere has decided, or there was no row to ask about. */
static size_t place_asked(struct lat_plan *plan, size_t count)
{
    if (!plan->decision) {
        lat__plan_narrow(plan);
        lat__plan_gather(plan);
    }
    if (plan->placing) {
        forget_places(plan->placing);
        plan->placing = lat__placing_free(plan->placing);
    }
    lat__plan_take_back(plan, count);
    return plan->placed_count;
}

int lat_plan_place(struct lat_plan *plan, size_t count, size_t *ret_placed, struct lat_err *err)
{
    struct lat__placing *placing;
    int rc = 0;

    if (!plan->program) {
        *ret_placed = place_asked(plan, count);
        return 0;
    }
    LAT_ASSERT(plan->placed_count == 0);
    lat__plan_gather(plan);
    placing =
        lat__placing_new(plan, count < LAT_PLAN_INSTANCES_MAX ? count : LAT_PLAN_INSTANCES_MAX);
    if (placing->is_ranked && placing->most > 1) {
        rc = lat__place_in_batches(placing, err);
    } else {
        while (rc == 0 && lat__placing_take(placing)) {
            rc = lat__placing_judge(placing, err);
        }
    }
    forget_places(placing);
    lat__placing_free(placing);
    if (rc != 0) {
        lat__plan_take_back(plan, 0);
        plan->program = NULL;
        plan->found = (struct lat__judgement){.among = NULL};
        return rc;
    }
    *ret_placed = plan->placed_count;
    return 0;
}
