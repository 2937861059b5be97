/* Inside of core/sched: a policy's program over the frame, with the rules of the machine before it. */
#ifndef LAT_SCHED_JUDGE_INTERNAL_H
#define LAT_SCHED_JUDGE_INTERNAL_H

#include "policy/program.h"
#include "sched/rules.h"

#include <stdlib.h>

/* Frees memory, and returns new memory in its stead, zeroed and aligned as kernels want it; owned. */
static inline void *lat__anew(void *before, size_t bytes)
{
    free(before);
    return lat_columns_memory(bytes);
}

struct lat__judge;

struct lat__judge *lat__judge_new(struct lat_frame *frame);
struct lat__judge *lat__judge_free(struct lat__judge *judge);

/* What was found of all rows, for whole blocks; borrowed until the judge begins again. */
struct lat__judgement {
    const uint64_t *among; /* what the rules of the machine left */
    const uint64_t *pass;  /* what the program left of that */
    const double *scores;  /* of what passed */
};

/* Judges all rows for a request. The program is held, and bound to the columns when it is another one. LAT_E_POLICY when it raises an error
 * for a row, or a score is not finite. */
int lat__judge_run(struct lat__judge *judge, struct lat_program *program,
                   const struct lat_request *request, struct lat__judgement *ret_judgement,
                   struct lat_err *err) LAT_MUST_USE;

/* Returns the record of a request, as policies elsewhere see it; borrowed until the next one. */
const struct lat_record *lat__judge_record(struct lat__judge *judge,
                                           const struct lat_request *request);

/* Judges one row anew for the same request, as it is now: both the machine and the program. */
int lat__judge_row(struct lat__judge *judge, const struct lat_request *request, size_t row,
                   bool *ret_pass, double *ret_score, struct lat_err *err) LAT_MUST_USE;

/* Judges rows again that were found to pass, on each of which an instance was placed since: whether they still do, a bit each, and how
 * good they are. LAT_E_POLICY when the program raises an error for one of them, or its score is not finite: which one, and why, is said of a
 * single row. */
int lat__judge_again(struct lat__judge *judge, const struct lat_request *request,
                     const uint32_t *rows, size_t count, uint64_t *ret_pass, double *ret_scores,
                     struct lat_err *err) LAT_MUST_USE;

/* Computes the terms of the scores of rows that pass: an array for each term, by row; borrowed until the next call. */
const double *const *lat__judge_terms(struct lat__judge *judge, const uint64_t *pass);

/* Computes which rule refuses rows; by row, set for those alone; borrowed until the next call. */
const uint16_t *lat__judge_rules(struct lat__judge *judge, const uint64_t *refused);

/* Why a rule of the program refuses a row. */
struct lat__refusal {
    enum lat_tense tense;
    bool has_margin;
    double have, need;
};
void lat__judge_refusal(struct lat__judge *judge, uint32_t rule, size_t row,
                        struct lat__refusal *ret_refusal, struct lat_buf *reason);

#endif
