/* Inside of strips: their shape, for the file that makes them and the file that runs them. */
#ifndef LAT_SCHED_STRIP_INTERNAL_H
#define LAT_SCHED_STRIP_INTERNAL_H

#include "sched/vector_internal.h"

enum lat__where {
    LAT__AT_NOWHERE,
    LAT__AT_ONE_VALUE, /* index: the op */
    LAT__AT_SPREAD, /* one value, but as often as there are rows: bits, or because it is wanted */
    LAT__AT_COLUMN, /* index: the field */
    LAT__AT_DERIVED,
    LAT__AT_REGISTER, /* of numbers or texts */
    LAT__AT_BITS,     /* register of truths */
};

struct lat__strip_name {
    enum lat__where where;
    uint32_t index;
};

/* The rows 64 * n begin at base + n * stride; a stride of 0 is a register, or one value. */
struct lat__strip_place {
    char *base;
    size_t stride;
};

struct lat__strip_step {
    lat__kernel *kernel; /* NULL: done row by row */
    uint32_t op;
    uint32_t operand_count;
    struct lat__strip_name out_name;
    struct lat__strip_name in_names[3];
    struct lat__strip_place out;
    struct lat__strip_place in[3];
};

/* A column that is kept. */
struct lat__strip_derived {
    uint32_t op;
    bool is_keyed; /* a look-up by a key of the workload */
    int32_t key;   /* what the column was made with */
    char *memory;  /* owned */
    uint64_t
        *seen; /* owned; stamps as it was made, when keyed: of words, and behind them of blocks */
    uint64_t *wild;    /* owned; rows that are not finite, of a wanted number; else NULL */
    size_t wild_words; /* in which there are such rows */
    bool is_wanted;
};

struct lat__strip_spread {
    uint32_t op;
    char *memory;                  /* owned */
    size_t words;                  /* of 64 rows: as many as a register of any list */
    union lat_program_value value; /* that it is filled with */
    bool is_filled;
};

struct lat__strip_steps {
    struct lat__strip_step *items; /* owned, as is all */
    size_t count;
    size_t room;
    size_t register_count;
    size_t bits_count;
    size_t span;     /* words of 64 rows that a register holds */
    char *registers; /* of numbers and texts */
    char *bits;
};

struct lat__strip {
    const struct lat_program *program; /* borrowed, as is all until the next comment */
    const struct lat_op *ops;
    size_t op_count;
    struct lat_columns *columns;
    const struct lat__kernels *kernels;
    struct lat__texts *texts;
    const struct lat_record *record;
    const uint64_t *stamps;
    const uint64_t *block_stamps;
    enum lat__strip_kind kind;
    bool is_begun; /* something was computed of this decision */

    enum lat_depends *depends;       /* owned, as is all that follows; by op */
    union lat_program_value *values; /* by op: what is one value for all rows */
    uint32_t *uniforms;              /* ops to be computed once a decision */
    size_t uniform_count;
    bool has_pairs;
    bool has_keyed;
    struct lat__strip_derived *derived;
    size_t derived_count;
    struct lat__strip_spread *spreads;
    size_t spread_count;
    struct lat__strip_steps main;
    struct lat__strip_steps kept; /* what computes the derived columns */
    struct lat__strip_name *wanted_names;
    struct lat__strip_place *wanted;
    size_t wanted_count;

    uint64_t
        *seen; /* stamps as the derived columns were made: of words, and behind them of blocks */
    uint64_t layout;
    uint64_t epoch; /* of the texts in the derived columns */
    size_t blocks;  /* for which there is room */
    size_t at;      /* the first word that was computed last, */
    size_t words;   /* and how many they were */
};

/* Returns an op of the program. */
const struct lat_op *lat__strip_op(const struct lat__strip *strip, uint32_t op);

/* Returns the bytes of 64 values of this type. */
size_t lat__strip_bytes(enum lat_program_type type);

#endif
