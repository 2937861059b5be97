/* A compiled policy over columns: which nodes pass, how good each is, and the best, for all rows at once.
 *
 *   struct lat_program ─┐
 *   struct lat_columns ─┴─► struct lat_vector ──(record, among)──► lat_vector_run:  pass bitmap, scores
 *                                                                  lat_vector_best: the best row alone
 *                                                                  lat_vector_rules, _terms, _row: why
 *
 * Results are those of lat_program_row to the bit, whatever the processor. What depends on the node alone is kept until
 * the node changes. `among` is a bitmap of the rows that are asked about, of whole blocks (LAT_COLUMNS_WORDS words each);
 * NULL: all. Dead rows are never asked about. A vector is used by one thread, and not while its columns are set. */
#ifndef LAT_SCHED_VECTOR_H
#define LAT_SCHED_VECTOR_H

#include "policy/program.h"

struct lat_vector;

enum { LAT_VECTOR_PASSES = 0xffff }; /* no rule of the policy: the row is not refused */

/* Returns an owned vector; the program is held, the columns are borrowed. */
struct lat_vector *lat_vector_new(struct lat_program *program, struct lat_columns *columns);
struct lat_vector *lat_vector_free(struct lat_vector *vector);

/* Return what it was made of, borrowed. */
struct lat_program *lat_vector_program(const struct lat_vector *vector);

/* Computes which of the rows pass, and their scores. Both arrays are of whole blocks; ret_scores may be NULL, and is set
 * only where a row passes. LAT_E_POLICY when a row raises an error or has a score that is not finite: the first such
 * row in order, with its line. */
int lat_vector_run(struct lat_vector *vector, const struct lat_record *record,
                   const uint64_t *among, uint64_t *ret_pass, double *ret_scores,
                   struct lat_err *err) LAT_MUST_USE;

/* Finds the row with the highest score among those that pass: the first of equals, counting from row `offset` and
 * around. *ret_row is SIZE_MAX when none passes. Errors as lat_vector_run. */
int lat_vector_best(struct lat_vector *vector, const struct lat_record *record,
                    const uint64_t *among, size_t offset, size_t *ret_row, double *ret_score,
                    struct lat_err *err) LAT_MUST_USE;

/* Tells for each of the rows which rule refuses it, or LAT_VECTOR_PASSES; the array is of whole blocks, and is set only for
 * the rows that are asked about. */
void lat_vector_rules(struct lat_vector *vector, const struct lat_record *record,
                      const uint64_t *among, uint16_t *ret_rules);

/* Computes every term of the score for all blocks in which a row is asked about: one array of whole blocks a term. */
void lat_vector_terms(struct lat_vector *vector, const struct lat_record *record,
                      const uint64_t *among, double *const *ret_terms);

/* Computes values of one row, as lat_program_row does: those that decide about it and the terms, or (`rule` is none below 0) those that tell
 * why that rule refuses it. Borrowed until the next call. The record is the one of the decision that was begun last, as it was then. */
const union lat_program_value *lat_vector_row(struct lat_vector *vector,
                                              const struct lat_record *record, size_t row,
                                              int32_t rule);

#endif
