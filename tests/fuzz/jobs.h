/* Jobs: processes that take seeds from one counter, and what they count, in memory that all of them share. */
#ifndef LAT_TESTS_FUZZ_JOBS_H
#define LAT_TESTS_FUZZ_JOBS_H

#include "fuzz/lua.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    FUZZ_JOBS_MAX = 64,
    FUZZ_REASONS_MAX = 200,
    FUZZ_REASON_MAX = 120,
};

struct fuzz_options {
    const char *self; /* how this program was called, borrowed */
    int64_t seed, programs;
    long jobs;
    bool show, until_failure, quiet, pairs;
};

struct fuzz_reason {
    char text[FUZZ_REASON_MAX];
    uint64_t count;
};

/* What a job leaves behind. */
struct fuzz_sums {
    uint64_t programs, compiled, differences;
    int64_t seed; /* that it is at */
    struct fuzz_reason reasons[FUZZ_REASONS_MAX];
    struct fuzz_counts counts;
};

/* How a run ended. */
enum fuzz_end { FUZZ_DONE, FUZZ_BROKE, FUZZ_STOPPED };

/* Does all seeds of the options, tells what differs on stdout, how far it is on stderr, and writes the sums of all jobs. It is
 * over early when a signal says so, or when a job died, which is told with the seed that it was at. */
enum fuzz_end fuzz_jobs_run(const struct fuzz_options *options, struct fuzz_sums *ret_sums);

/* Returns how many pairs of operations there can be, and writes how many of them there were. */
size_t fuzz_count_pairs(const fuzz_pairs pairs, size_t *ret_covered);

#endif
