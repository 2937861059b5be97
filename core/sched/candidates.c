/* Candidates, best first: heaps, sorting, and the best few of many.
 *
 * Which of them is better is decided (points, score, order) without ties, so whatever way they are found in, the first one is the same. Chance
 * has a part in how fast the best are found alone, and it is drawn from the plan's seed. */
#include "sched/candidates_internal.h"

#include <math.h>
#include <string.h>

enum { DRAWN = 32, SCORES_DRAWN = 64 }; /* candidates, and scores, to see where to split all */

/* ---- heaps ---- */

static void rise(struct lat__candidate *heap, size_t top, size_t at,
                 const struct lat__candidate *moved)
{
    while (at > top && lat__is_better(moved, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = *moved;
}

void lat__heap_sink(struct lat__candidate *heap, size_t count, size_t at)
{
    struct lat__candidate moved;
    size_t top = at;

    if (at >= count) {
        return;
    }
    moved = heap[at];

    /* What was just taken is mostly worse than all others then: it goes to the bottom, and from there up again. */
    for (size_t child = at * 2 + 1; child < count; child = at * 2 + 1) {
        child += child + 1 < count && lat__is_better(&heap[child + 1], &heap[child]);
        heap[at] = heap[child];
        at = child;
    }
    rise(heap, top, at, &moved);
}

void lat__heap_add(struct lat__candidate *heap, size_t count, const struct lat__candidate *added)
{
    const struct lat__candidate moved = *added;

    rise(heap, 0, count, &moved);
}

void lat__heap_make(struct lat__candidate *heap, size_t count)
{
    for (size_t at = count / 2; at-- > 0;) {
        lat__heap_sink(heap, count, at);
    }
}

/* ---- sorting ---- */

/* Merges two runs that lie one behind the other. */
static void merge(const struct lat__candidate *from, size_t middle, size_t end,
                  struct lat__candidate *to)
{
    const struct lat__candidate *a = from;
    const struct lat__candidate *b = from + middle;

    while (a < from + middle && b < from + end) {
        size_t is_second = lat__is_better(b, a);

        *to++ = *(is_second ? b : a);
        b += is_second;
        a += 1 - is_second;
    }
    memcpy(to, a, (size_t)(from + middle - a) * sizeof(*to));
    to += from + middle - a;
    memcpy(to, b, (size_t)(from + end - b) * sizeof(*to));
}

void lat__candidates_sort(struct lat__candidate *all, size_t count, struct lat__candidate *spare)
{
    struct lat__candidate *from = all;
    struct lat__candidate *to = spare;

    for (size_t run = 1; run < count; run *= 2) {
        struct lat__candidate *kept = from;

        for (size_t at = 0; at < count; at += 2 * run) {
            size_t left = count - at;

            merge(from + at, left < run ? left : run, left < 2 * run ? left : 2 * run, to + at);
        }
        from = to;
        to = kept;
    }
    if (from != all) {
        memcpy(all, from, count * sizeof(*all));
    }
}

/* ---- the best of many ---- */

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

        for (; at > 0 && lat__is_better(&all[one], &all[drawn[at - 1]]); at--) {
            drawn[at] = drawn[at - 1];
        }
        drawn[at] = one;
    }
    size_t rank = most * DRAWN / count + 1;

    return drawn[rank < DRAWN ? rank : DRAWN - 1];
}

void lat__candidates_keep(struct lat__candidate *all, size_t count, size_t most, uint64_t seed)
{
    size_t first = 0;

    while (count - first > 1 && first < most && most < count) {
        size_t split = first;

        swap(&all[first + draw_split(all + first, count - first, most - first, &seed)],
             &all[count - 1]);
        for (size_t i = first; i + 1 < count; i++) {
            bool goes_ahead = lat__is_better(&all[i], &all[count - 1]);

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

static size_t count_rows(const uint64_t *rows, size_t row_count)
{
    size_t count = 0;

    for (size_t word = 0; word * 64 < row_count; word++) {
        count += (size_t)__builtin_popcountll(rows[word]);
    }
    return count;
}

double lat__candidates_floor(const double *scores, const uint64_t *rows, size_t row_count,
                             size_t most, uint64_t seed)
{
    const size_t count = count_rows(rows, row_count);
    double drawn[SCORES_DRAWN];
    size_t found = 0;

    if (count < 2 * most + SCORES_DRAWN) {
        return -INFINITY;
    }
    for (size_t tries = 0; found < SCORES_DRAWN && tries < 4 * (size_t)SCORES_DRAWN; tries++) {
        size_t row = draw(&seed, row_count);

        if (rows[row / 64] >> row % 64 & 1) {
            size_t at = found++;

            for (; at > 0 && scores[row] > drawn[at - 1]; at--) {
                drawn[at] = drawn[at - 1];
            }
            drawn[at] = scores[row];
        }
    }
    /* As many as there should be of those that were drawn, and what chance may take of them: seldom too few are left then. */
    double rank = (double)most * (double)found / (double)count;

    rank += 2 * sqrt(rank) + 1;
    return rank < (double)found ? drawn[(size_t)rank] : -INFINITY;
}
