/* Inside core/sched: the shape of a vector, and walks over its rows. */
#ifndef LAT_SCHED_WALK_INTERNAL_H
#define LAT_SCHED_WALK_INTERNAL_H

#include "sched/vector_internal.h"

/* The same values, three ways: by where PAIR fields are set. */
struct lat__ways {
    struct lat__strip
        *plain; /* owned or NULL; where none is; or everywhere, if it makes no difference */
    struct lat__strip *paired; /* owned or NULL; where many are */
    struct lat__strip *
        listed; /* owned or NULL; for the rows that have one, where few have; and for those that are given one by one */
};

struct lat_vector {
    struct lat_program *program; /* held */
    struct lat_columns *columns; /* borrowed */
    const struct lat__kernels *kernels;
    struct lat__texts *texts; /* owned */
    size_t few; /* rows with PAIR fields are listed up to so many for each word that there is */
    union lat_program_value *constants;  /* owned, by op */
    union lat_program_value *row_values; /* owned, by op: of lat_vector_row, as is what follows */
    bool *row_ops;                       /* owned, by op: are computed of each row */
    int32_t row_rule;                    /* that they tell of; -1: they decide */
    bool has_row_ops;
    uint64_t row_epoch;      /* of the texts in them */
    bool has_once;           /* what depends on the record alone is there */
    struct lat__ways filter; /* rules, then traps */
    struct lat__ways score;
    struct lat__strip *rules; /* owned or NULL */
    struct lat__strip *terms; /* owned or NULL */
    size_t rule_count;
    size_t trap_count;

    uint64_t *pass; /* owned, as is all that follows: scratch for bitmaps of all rows */
    uint64_t *left;
    uint32_t *list;
    size_t words; /* for which there is room */
};

/* Goes once through the rows of a bitmap, so that those are computed together that one strip is for. */
struct lat__walk {
    const struct lat_vector *vector;
    const struct lat__ways *ways;
    uint64_t *rows; /* without those that are listed */
    size_t word;    /* the next word */
    size_t end;
    size_t listed; /* rows of the list that are behind */
    size_t list_count;
    bool has_paired; /* blocks with PAIR fields are computed as they are */
};

/* Some of these rows: words, of whole blocks, or rows of the list. */
struct lat__part {
    struct lat__strip *strip; /* NULL: there is nothing to compute */
    const uint32_t *list;     /* NULL: words */
    size_t list_count;
    size_t word;
    size_t words;
    uint64_t *bits; /* the rows that count, as they stand in words or list */
    uint64_t list_bits[LAT__LIST_WORDS];
};

/* Returns how many words there are. */
size_t lat__walk_words(const struct lat_vector *vector);

/* Begins a walk through all rows of a bitmap; the rows that are listed are taken out of it. A vector has one walk at a
 * time. */
void lat__walk_begin(struct lat__walk *walk, struct lat_vector *vector,
                     const struct lat__ways *ways, uint64_t *rows);

/* Takes the next of the words from walk->word on, before walk->end, or of the list; false when there are none left. */
bool lat__walk_in_place(struct lat__walk *walk, struct lat__part *ret_part);
bool lat__walk_list(struct lat__walk *walk, struct lat__part *ret_part);

/* Computes a part. */
void lat__part_run(const struct lat__part *part);

/* Returns an owned strip of the vector's program. */
struct lat__strip *lat__vector_strip(const struct lat_vector *vector,
                                     const struct lat__wanted *wanted);

/* Replaces truths by simpler ones, so that still one of them holds where one of them held. */
void lat__masks_simplify(const struct lat_op *ops, size_t op_count, uint32_t *members,
                         size_t count);

#endif
