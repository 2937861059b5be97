/* What policy_bench.c and the rivals in policy_hand.c share. */
#ifndef LAT_BENCH_POLICY_H
#define LAT_BENCH_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The nodes as the shipped placement policy sees them; arrays are aligned to 64 bytes and padded to 256 rows. What is
 * borrowed are the columns of the compiled policy themselves: both read the same memory. */
struct hand {
    const uint64_t *healthy;    /* borrowed */
    const uint64_t *alive;      /* borrowed */
    const uint64_t *paired;     /* borrowed; rows on which an instance of the workload may stand */
    const double *cpu;          /* borrowed */
    const double *free_cpu;     /* borrowed */
    const int64_t *memory;      /* borrowed */
    const int64_t *free_memory; /* borrowed */
    const int64_t *instances;   /* borrowed; of the workload */
    double
        *share; /* owned; 500 * free_cpu / cpu + 500 * free_memory / memory, kept by hand_renew */
    size_t rows;
    size_t words; /* of a bitmap, in whole blocks */
};

/* How much the hand-written version keeps between decisions. */
enum hand_keeps {
    HAND_KEEPS_NOTHING, /* divides for every node, every time */
    HAND_KEEPS_SHARES,  /* divides when a node changes */
    HAND_KEEPS_PAIRS,   /* and looks at instances only where there can be any */
    HAND_WAYS,
};

/* Computes what is kept of a node again. */
void hand_renew(struct hand *hand, size_t row);

/* Finds the node with the highest score, the first of equals; SIZE_MAX when none passes. */
size_t hand_best(const struct hand *hand, enum hand_keeps keeps, double cpu, int64_t memory,
                 double *ret_score);

/* Computes who passes, and the scores of all. */
void hand_run(const struct hand *hand, enum hand_keeps keeps, double cpu, int64_t memory,
              uint64_t *ret_pass, double *ret_scores);

/* Returns "AVX-512" or "C". */
const char *hand_instructions(void);

#endif
