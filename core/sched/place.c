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
 * group. So the choices are those that as many plans of one instance each would make, at the price of one and a row an instance. */
#include "sched/plan_internal.h"

#include "sched/frame_internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { DRAWN = 32 }; /* candidates, to see where to split all */

/* Rows that affinity and spread cannot tell apart. */
struct group {
    size_t first, rows;    /* its rows: a part of placing.rows, and of the heap */
    size_t candidates;     /* the first of them in the heap */
    const size_t *domains; /* of all its rows, by key */
    int64_t points;        /* of affinity and spread, beside those of each row */
    bool is_open;
    bool is_judged; /* its rows were */
    bool is_taken;  /* an instance was placed on its first candidate, which was not judged since */
};

struct placing {
    struct lat_plan *plan;
    size_t most; /* instances */
    bool moves;
    size_t row_count;
    size_t offset; /* of the row that comes first among equals */
    size_t key_count;
    uint32_t *rows;  /* all, group by group */
    size_t *domains; /* by row and key */
    struct group *groups;
    size_t group_count;
};

/* ---- heaps ---- */

/* Without a branch: nobody could foretell which way it goes. */
static bool is_better(const struct lat__candidate *a, const struct lat__candidate *b)
{
    return (a->points > b->points) |
           ((a->points == b->points) &
            ((a->score > b->score) | ((a->score == b->score) & (a->order < b->order))));
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

static size_t draw(uint64_t *seed, size_t count)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407; /* nobody aims at it */
    return (*seed >> 33) % count;
}

/* Returns where to split: at a candidate that about `most` are better than, and mostly some more, as a few that are drawn say. */
static size_t draw_split(const struct lat__candidate *all, size_t count, size_t most,
                         uint64_t *seed)
{
    size_t drawn[DRAWN];

    if (count < (size_t)DRAWN * DRAWN / 4) {
        return draw(seed, count);
    }
    for (size_t i = 0; i < DRAWN; i++) {
        size_t one = draw(seed, count);
        size_t at = i;

        for (; at > 0 && is_better(&all[one], &all[drawn[at - 1]]); at--) {
            drawn[at] = drawn[at - 1];
        }
        drawn[at] = one;
    }
    size_t rank = most * DRAWN / count + 1;

    return drawn[rank < DRAWN ? rank : DRAWN - 1];
}

/* Brings the best `most` of the candidates to the front, in no order. A node that was not taken yet is taken only after all that
 * were better than it at first: so no other one can be among as many choices. */
static void keep_best(struct lat__candidate *all, size_t count, size_t most, uint64_t seed)
{
    size_t first = 0;

    while (count - first > 1 && first < most && most < count) {
        size_t split = first;

        swap(&all[first + draw_split(all + first, count - first, most - first, &seed)],
             &all[count - 1]);
        for (size_t i = first; i + 1 < count; i++) {
            bool goes_ahead = is_better(&all[i], &all[count - 1]);

            swap(&all[i], &all[split]);
            split += goes_ahead;
        }
        swap(&all[split], &all[count - 1]);
        if (split < most) {
            first = split + 1;
        } else {
            count = split;
        }
    }
}

static void make_heap(struct lat__candidate *heap, size_t count)
{
    for (size_t at = count / 2; at-- > 0;) {
        lat__plan_sink(heap, count, at);
    }
}

static struct lat__candidate candidate_of(const struct placing *placing, uint32_t row, double score)
{
    const struct lat_fit *fit = placing->plan->request.fit;
    int64_t points = fit ? lat_fit_points(fit, row) : 0;

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
    const struct placing *placing = arg;
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
static size_t sort_rows(struct placing *placing)
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

static void find_groups(struct placing *placing)
{
    size_t count = sort_rows(placing);
    size_t bytes = placing->key_count * sizeof(size_t);

    placing->groups = lat_alloc_array(count + 1, sizeof(*placing->groups));
    for (size_t i = 0; i < count; i++) {
        const size_t *domains = placing->domains + placing->rows[i] * placing->key_count;
        struct group *last = placing->groups + placing->group_count;

        if (i > 0 && memcmp(last[-1].domains, domains, bytes) == 0) {
            last[-1].rows++;
        } else {
            *last = (struct group){.first = i, .rows = 1, .domains = domains};
            placing->group_count++;
        }
    }
}

/* Makes the heap of a group, of those of its rows that pass. */
static void gather_passed(struct placing *placing, struct group *group)
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

/* The same, of a group that was closed when all rows were judged. */
static int gather_closed(struct placing *placing, struct group *group, struct lat_err *err)
{
    struct lat_plan *plan = placing->plan;
    struct lat__candidate *heap = plan->planner->heap + group->first;
    int rc = 0;

    lat_fit_set_aside(plan->request.fit, true);
    for (size_t i = 0; rc == 0 && i < group->rows; i++) {
        uint32_t row = placing->rows[group->first + i];
        bool passes = false;
        double score = 0;

        rc = lat__judge_row(plan->planner->judge, &plan->request, row, &passes, &score, err);
        if (rc == 0 && passes) {
            heap[group->candidates++] = candidate_of(placing, row, score);
        }
    }
    lat_fit_set_aside(plan->request.fit, false);
    return rc;
}

/* Leaves of a group's candidates those that may be chosen. */
static void arrange(struct placing *placing, struct group *group)
{
    struct lat__candidate *heap = placing->plan->planner->heap + group->first;

    group->is_judged = true;
    if (placing->most == 1) { /* found without a heap */
        for (size_t i = 1; i < group->candidates; i++) {
            heap[0] = is_better(&heap[i], &heap[0]) ? heap[i] : heap[0];
        }
        group->candidates = group->candidates > 0;
        return;
    }
    keep_best(heap, group->candidates, placing->most, placing->plan->seed);
    group->candidates = group->candidates < placing->most ? group->candidates : placing->most;
    make_heap(heap, group->candidates);
}

/* Judges the first candidate of a group again, on which an instance was placed, and finds its new place. */
static int judge_first(struct placing *placing, struct group *group, struct lat_err *err)
{
    struct lat_plan *plan = placing->plan;
    struct lat__candidate *heap = plan->planner->heap + group->first;
    bool passes = false;
    int rc;

    lat_fit_set_aside(plan->request.fit, placing->moves);
    rc =
        lat__judge_row(plan->planner->judge, &plan->request, heap->row, &passes, &heap->score, err);
    lat_fit_set_aside(plan->request.fit, false);
    if (rc != 0) {
        return rc;
    }
    group->is_taken = false;
    if (!passes) {
        heap[0] = heap[--group->candidates];
    }
    lat__plan_sink(heap, group->candidates, 0);
    return 0;
}

/* Asks about a group anew: where instances stand has changed, or nothing is known yet. Only of one that is open rows are judged: the rules come
 * before the policy. */
static int renew(struct placing *placing, struct group *group, bool is_first, struct lat_err *err)
{
    const struct lat_fit *fit = placing->plan->request.fit;
    uint32_t row = placing->rows[group->first];
    int rc = 0;

    group->is_open = lat_fit_is_open(fit, row);
    group->points = lat_fit_moving_points(fit, row);
    if (!group->is_open) {
        return 0;
    }
    if (group->is_judged) {
        return group->is_taken ? judge_first(placing, group, err) : 0;
    }
    if (is_first) {
        gather_passed(placing, group);
    } else {
        rc = gather_closed(placing, group, err);
    }
    arrange(placing, group);
    return rc;
}

size_t lat__plan_candidates(struct lat_plan *plan)
{
    size_t rows = lat_frame_rows(plan->planner->frame);
    const struct placing placing = {
        .plan = plan, .row_count = rows, .offset = rows ? (size_t)(plan->seed % rows) : 0};
    size_t count = 0;

    for (size_t word = 0; word * 64 < rows; word++) {
        for (uint64_t bits = plan->found.pass[word]; bits != 0; bits &= bits - 1) {
            uint32_t row = (uint32_t)(word * 64 + (size_t)__builtin_ctzll(bits));

            plan->planner->heap[count++] = candidate_of(&placing, row, plan->found.scores[row]);
        }
    }
    return count;
}

/* One group of all rows: nothing that is placed means anything to other rows. */
static void find_one_group(struct placing *placing)
{
    struct group *group = placing->groups = LAT_NEW(struct group);

    placing->group_count = 1;
    group->is_open = true;
    group->candidates = lat__plan_candidates(placing->plan);
    arrange(placing, group);
}

/* ---- placing ---- */

/* Returns the group whose first candidate is the best of all; NULL: nobody is left. */
static struct group *best_group(const struct placing *placing)
{
    const struct lat__candidate *heap = placing->plan->planner->heap;
    struct lat__candidate best = {0};
    struct group *found = NULL;

    for (size_t i = 0; i < placing->group_count; i++) {
        struct group *group = &placing->groups[i];

        if (group->is_open && group->candidates > 0) {
            struct lat__candidate candidate = heap[group->first];

            candidate.points += group->points;
            if (!found || is_better(&candidate, &best)) {
                found = group;
                best = candidate;
            }
        }
    }
    return found;
}

static bool share_a_domain(const struct placing *placing, const struct group *a,
                           const struct group *b)
{
    for (size_t key = 0; key < placing->key_count; key++) {
        if (a->domains[key] == b->domains[key]) {
            return true;
        }
    }
    return false;
}

/* Looks again at what an instance on the first candidate of a group has changed. */
static int look_again(struct placing *placing, struct group *group, struct lat_err *err)
{
    const struct lat_plan *plan = placing->plan;
    bool everywhere;
    int rc = 0;

    group->is_taken = true;
    if (!placing->moves) {
        return judge_first(placing, group, err);
    }
    everywhere = lat_fit_count(plan->request.fit, plan->planner->heap[group->first].row, 1);
    for (size_t i = 0; rc == 0 && i < placing->group_count; i++) {
        if (everywhere || share_a_domain(placing, &placing->groups[i], group)) {
            rc = renew(placing, &placing->groups[i], false, err);
        }
    }
    return rc;
}

static int place_each(struct placing *placing, struct lat_err *err)
{
    struct lat_plan *plan = placing->plan;
    struct group *group;
    int rc = 0;

    while (rc == 0 && plan->placed_count < placing->most && (group = best_group(placing))) {
        const struct lat__candidate *best = plan->planner->heap + group->first;

        if (!lat__bit(plan->found.pass, best->row)) {
            lat__plan_regard(plan, best->row, best->score);
        }
        lat__plan_take(plan, best->row);
        if (plan->placed_count < placing->most) {
            rc = look_again(placing, group, err);
        }
    }
    return rc;
}

/* Takes back what was counted of where instances stand: all but the last were. */
static void forget_places(struct placing *placing)
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
    lat__plan_take_back(plan, count);
    return plan->placed_count;
}

int lat_plan_place(struct lat_plan *plan, size_t count, size_t *ret_placed, struct lat_err *err)
{
    size_t rows = lat_frame_rows(plan->planner->frame);
    struct placing placing = {.plan = plan,
                              .most = count,
                              .row_count = rows,
                              .offset = rows ? (size_t)(plan->seed % rows) : 0};
    int rc = 0;

    if (!plan->program) {
        *ret_placed = place_asked(plan, count);
        return 0;
    }
    LAT_ASSERT(plan->placed_count == 0);
    lat__plan_gather(plan);
    if (count > LAT_PLAN_INSTANCES_MAX) {
        placing.most = LAT_PLAN_INSTANCES_MAX;
    }
    placing.moves = placing.most > 1 && lat_fit_moves(plan->request.fit);
    if (placing.moves) {
        placing.rows = lat_alloc_array(rows + 1, sizeof(*placing.rows));
        find_groups(&placing);
    } else {
        find_one_group(&placing);
    }
    for (size_t i = 0; rc == 0 && placing.moves && i < placing.group_count; i++) {
        rc = renew(&placing, &placing.groups[i], true, err);
    }
    rc = rc == 0 ? place_each(&placing, err) : rc;
    forget_places(&placing);
    free(placing.rows);
    free(placing.domains);
    free(placing.groups);
    if (rc != 0) {
        lat__plan_take_back(plan, 0);
        plan->program = NULL;
        plan->found = (struct lat__judgement){.among = NULL};
        return rc;
    }
    *ret_placed = plan->placed_count;
    return 0;
}
