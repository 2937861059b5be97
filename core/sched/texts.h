/* Inside core/sched: what a program makes of texts, for all strips of a vector. */
#ifndef LAT_SCHED_TEXTS_H
#define LAT_SCHED_TEXTS_H

#include "policy/program.h"

struct lat__texts;

/* Where the values of an operand are: one for all rows (a union lat_program_value), or one a row. */
struct lat__text_operand {
    const void *values;
    bool is_one;
};

/* Returns an owned object; program and columns are borrowed. */
struct lat__texts *lat__texts_new(const struct lat_program *program, struct lat_columns *columns);
struct lat__texts *lat__texts_free(struct lat__texts *texts);

/* Computes an op that lat_program_reads_text tells of, for so many rows. `out` may be an operand. */
void lat__texts_run(struct lat__texts *texts, uint32_t index, const struct lat__text_operand *from,
                    size_t rows, void *out);

#endif
