/* Inside of core/sched: nodes that may be chosen, best first. */
#ifndef LAT_SCHED_CANDIDATES_INTERNAL_H
#define LAT_SCHED_CANDIDATES_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A node that may be chosen. */
struct lat__candidate {
    int64_t points; /* of what the workload prefers: more come first, whatever the score */
    double score;
    uint32_t order; /* among equal scores the lowest: the row, counted from where the seed says */
    uint32_t row;
};

/* Without a branch: nobody could foretell which way it goes. No two candidates have the same order, so one of two is always better. */
static inline bool lat__is_better(const struct lat__candidate *a, const struct lat__candidate *b)
{
    return (a->points > b->points) |
           ((a->points == b->points) &
            ((a->score > b->score) | ((a->score == b->score) & (a->order < b->order))));
}

/* Makes a heap, the best at index 0, of candidates in any order. */
void lat__heap_make(struct lat__candidate *heap, size_t count);

/* Finds the new place of the candidate at an index, whose score has changed. */
void lat__heap_sink(struct lat__candidate *heap, size_t count, size_t at);

/* Adds a candidate to a heap of `count`, behind which there is room. */
void lat__heap_add(struct lat__candidate *heap, size_t count, const struct lat__candidate *added);

/* Puts candidates in order, the best first. `spare` has room for as many. */
void lat__candidates_sort(struct lat__candidate *all, size_t count, struct lat__candidate *spare);

/* Brings the best `most` of the candidates to the front, in no order. The seed decides how fast, not what. */
void lat__candidates_keep(struct lat__candidate *all, size_t count, size_t most, uint64_t seed);

/* Returns a score that of the rows of a bitmap mostly some more than `most` reach, as a few that are drawn say; -INFINITY where there are too
 * few to draw from. */
double lat__candidates_floor(const double *scores, const uint64_t *rows, size_t row_count,
                             size_t most, uint64_t seed);

#endif
