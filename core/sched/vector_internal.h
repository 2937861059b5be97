/* Inside core/sched: kernels over one block of rows, and strips of them. */
#ifndef LAT_SCHED_VECTOR_INTERNAL_H
#define LAT_SCHED_VECTOR_INTERNAL_H

#include "sched/texts.h"
#include "sched/vector.h"

enum {
    LAT__WORDS = LAT_COLUMNS_WORDS,
    LAT__ALIGNMENT = LAT_COLUMNS_ALIGNMENT,
    LAT__DERIVED_MAX = 64, /* columns that a strip keeps of what depends on the node alone */
    LAT__SPAN_MAX = 256,   /* words of 64 rows that are computed at once, */
    LAT__SPAN_BYTES =
        16 * 1024,       /* if the registers of numbers are no larger than this, all together */
    LAT__LIST_WORDS = 4, /* the same of single rows, which stand in a list */
    LAT__LIST_MAX = LAT__LIST_WORDS * 64,
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

    /* Returns which of the rows in the bitmap, of which there are some, has the highest score: the first of equals.
     * Their scores are finite; words of whole blocks. */
    size_t (*best)(const double *scores, const uint64_t *rows, size_t words);

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

/* As lat_vector_new, with these kernels, and with rows that have PAIR fields listed as long as they are at most so many
 * for each word of the columns; 64: always. For tests. */
struct lat_vector *lat__vector_new_with(struct lat_program *program, struct lat_columns *columns,
                                        const struct lat__kernels *kernels, size_t few);

/* Computes some rows side by side: leaves of `pass`, a bit for each of them, those that pass, and sets their scores. Returns false when one of
 * those in it raises an error, or has a score that is not finite. */
bool lat__vector_rows(struct lat_vector *vector, const struct lat_record *record,
                      const uint32_t *rows, size_t count, uint64_t *pass, double *ret_scores);

/* ---- strips ---- */

/* Steps that compute some values of a program for some words of 64 rows at a time, or for some rows of a list. */
struct lat__strip;

/* Which rows a strip is for. */
enum lat__strip_kind {
    LAT__STRIP_ANY,    /* whole words of them */
    LAT__STRIP_PLAIN,  /* the same, of which every PAIR field is zero: more is kept then */
    LAT__STRIP_LISTED, /* rows here and there: nothing is kept, columns are gathered */
};

enum { LAT__GROUPS = 2 };

struct lat__wanted {
    const uint32_t *ops;
    size_t count;
    enum lat__strip_kind kind;
    size_t groups
        [LAT__GROUPS]; /* if not 0: so many of the ops belong to each group, and all that is wanted, as a
                                   truth, is whether one of a group holds */
};

/* Returns an owned strip. `constants` holds the values of the program's constants, by op; borrowed for this call. `texts` are
 * the program's and outlive the strip. */
struct lat__strip *lat__strip_new(const struct lat_program *program, struct lat_columns *columns,
                                  const struct lat__kernels *kernels, struct lat__texts *texts,
                                  const union lat_program_value *constants,
                                  const struct lat__wanted *wanted);
struct lat__strip *lat__strip_free(struct lat__strip *strip);

/* Tells whether anything in it depends on a PAIR field. */
bool lat__strip_has_pairs(const struct lat__strip *strip);

/* Returns how many words of 64 rows it computes at once, at most. */
size_t lat__strip_span(const struct lat__strip *strip);

/* Begins a decision; the record is borrowed until the next. Costs nothing before something is computed. */
void lat__strip_begin(struct lat__strip *strip, const struct lat_record *record);

/* Computes some words, of whole blocks, after renewing what is kept of rows that changed. */
void lat__strip_run(struct lat__strip *strip, size_t word, size_t words);

/* Computes the rows of a list, at most as many as its words have: the value number i is that of row list[i]. LISTED alone. */
void lat__strip_run_list(struct lat__strip *strip, const uint32_t *list, size_t count);

/* Returns the wanted value of that index, or group, for what was computed last: as many values, or bits. */
const void *lat__strip_value(const struct lat__strip *strip, size_t index);

/* Tells whether that value is finite in those rows, a bitmap, of what was computed last. */
bool lat__strip_is_finite(const struct lat__strip *strip, size_t index, const uint64_t *rows);

#endif
