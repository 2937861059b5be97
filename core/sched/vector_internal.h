/* Inside core/sched: kernels over one block of rows, and strips of them. */
#ifndef LAT_SCHED_VECTOR_INTERNAL_H
#define LAT_SCHED_VECTOR_INTERNAL_H

#include "sched/vector.h"

enum {
    LAT__WORDS = LAT_COLUMNS_WORDS,
    LAT__ALIGNMENT = 64,
    LAT__DERIVED_MAX = 64, /* columns that a strip keeps of what depends on the node alone */
    LAT__SPAN_MAX = 32,    /* words of 64 rows that are computed at once, */
    LAT__SPAN_BYTES =
        16 * 1024, /* if the registers of numbers are no larger than this, all together */
};

/* Computes `words` times 64 rows: `out` and the operands that differ by row have as many values, the others one.
 * `out` may be one of the operands. Truths are bitmaps, always. */
typedef void lat__kernel(void *out, const void *a, const void *b, const void *c, size_t words);

/* Which operand is one value for all rows; of a select, its two alternatives count. */
enum { LAT__SHAPE_VV, LAT__SHAPE_UV, LAT__SHAPE_VU, LAT__SHAPE_UU, LAT__SHAPES };

/* What one kind of processor can do. */
struct lat__kernels {
    const char *name;
    lat__kernel *ops[LAT_OP_COUNT][LAT__SHAPES]; /* NULL: not to be computed by block */

    /* Returns the greatest of the scores, all finite, of the rows in the bitmap (not empty). */
    double (*greatest)(const double *scores, const uint64_t *rows, size_t words);

    /* Tells which scores are not finite. */
    void (*wild)(const double *scores, uint64_t *ret_rows, size_t words);
};

const struct lat__kernels *lat__kernels_baseline(void);
#ifdef __x86_64__
const struct lat__kernels *lat__kernels_avx2(void);
const struct lat__kernels *lat__kernels_avx512(void);
#endif

/* Returns the kernels number `index`, the best first, that this processor can run; NULL when there are no more. */
const struct lat__kernels *lat__kernels_at(size_t index);

/* As lat_vector_new, with these kernels: for tests. */
struct lat_vector *lat__vector_new_with(struct lat_program *program, struct lat_columns *columns,
                                        const struct lat__kernels *kernels);

/* ---- strips ---- */

/* Steps that compute some values of a program for some words of 64 rows at a time (a span). What is wanted stands in groups, so that
 * the second is not computed where the first leaves nothing to ask. */
struct lat__strip;

struct lat__wanted {
    const uint32_t *ops;
    size_t count;
    bool is_plain; /* for rows alone of which every PAIR field is zero: more is kept then */
};

/* Returns an owned strip. `constants` holds the values of the program's constants, by op; borrowed for this call. */
struct lat__strip *lat__strip_new(const struct lat_program *program, struct lat_columns *columns,
                                  const struct lat__kernels *kernels,
                                  const union lat_program_value *constants,
                                  const struct lat__wanted *wanted);
struct lat__strip *lat__strip_free(struct lat__strip *strip);

/* Tells whether anything in it depends on a PAIR field. */
bool lat__strip_has_pairs(const struct lat__strip *strip);

/* Returns how many words of 64 rows it computes at once, at most. */
size_t lat__strip_span(const struct lat__strip *strip);

/* Prepares a decision: computes what is one value for all rows. */
void lat__strip_begin(struct lat__strip *strip, const struct lat_record *record);

/* Computes a span, after renewing what is kept of rows that changed. */
void lat__strip_run(struct lat__strip *strip, size_t word, size_t words);

/* Returns the wanted value of that index for the span that was computed last: as many values, or bits. */
const void *lat__strip_value(const struct lat__strip *strip, size_t index);

/* Returns the bitmap of that value's rows that are not finite, as it was found when the value was kept; NULL when it is
 * not kept, and so has to be looked at. */
const uint64_t *lat__strip_wild(const struct lat__strip *strip, size_t index);

#endif
