/* Inside core/sched: kernels over one block of rows, and streams of them. */
#ifndef LAT_SCHED_VECTOR_INTERNAL_H
#define LAT_SCHED_VECTOR_INTERNAL_H

#include "sched/vector.h"

enum {
    LAT__BLOCK = LAT_COLUMNS_BLOCK,
    LAT__WORDS = LAT_COLUMNS_WORDS,
    LAT__ALIGNMENT = 64,
    LAT__REGISTER_BYTES = LAT__BLOCK * sizeof(double), /* of a register of numbers or texts */
    LAT__BITS_BYTES = LAT__WORDS * sizeof(uint64_t),   /* of a register of truths */
    LAT__DERIVED_MAX = 64, /* columns that a stream keeps of what depends on the node alone */
};

/* Computes one block: `out` and the operands that differ by row are blocks, the others one value each. `out` may be
 * one of the operands. Truths are bitmaps, always. */
typedef void lat__kernel(void *out, const void *a, const void *b, const void *c);

/* Which operand is one value for all rows; of a select, its two alternatives count. */
enum { LAT__SHAPE_VV, LAT__SHAPE_UV, LAT__SHAPE_VU, LAT__SHAPE_UU, LAT__SHAPES };

/* What one kind of processor can do. */
struct lat__kernels {
    const char *name;
    lat__kernel *ops[LAT_OP_COUNT][LAT__SHAPES]; /* NULL: not to be computed by block */

    /* Returns the greatest of the scores of the rows in the bitmap (not empty), and tells whether one of them is not
     * finite; if so, what it returns means nothing. */
    double (*greatest)(const double *scores, const uint64_t *rows, bool *ret_wild);
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

/* ---- streams ---- */

/* Steps that compute some values of a program, block by block. What is wanted stands in groups, so that the second is
 * not computed where the first leaves nothing to ask. */
struct lat__strip;

struct lat__wanted {
    const uint32_t *ops;
    size_t count;
    size_t first_count; /* how many of them are in the first group */
};

/* Returns an owned stream. `values` has room for all of the program's ops, outlives the stream, and holds the
 * constants. */
struct lat__strip *lat__strip_new(const struct lat_program *program, struct lat_columns *columns,
                                  const struct lat__kernels *kernels,
                                  union lat_program_value *values,
                                  const struct lat__wanted *wanted);
struct lat__strip *lat__strip_free(struct lat__strip *stream);

/* Prepares a decision: computes what is one value for all rows, and renews what is kept of blocks that changed. */
void lat__strip_begin(struct lat__strip *stream, const struct lat_record *record);

/* Computes a group of a block; of group 1 after group 0. */
void lat__strip_block(const struct lat__strip *stream, size_t group, size_t block);

/* Returns where the wanted value of that index is for a block, once its group was computed: a whole block of values, or
 * of bits. */
const void *lat__strip_value(const struct lat__strip *stream, size_t index, size_t block);

#endif
