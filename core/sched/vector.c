/* Decisions over columns: runs the streams of a program over the blocks in which somebody is asked about, and takes the
 * best. Three streams, made when they are first wanted: what decides, which rule refused, and the terms of the score. */
#include "sched/vector_internal.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lat_vector {
    struct lat_program *program; /* held */
    struct lat_columns *columns; /* borrowed */
    const struct lat__kernels *kernels;
    union lat_program_value
        *values; /* owned, by op: the constants, and what is one value in a decision */
    union lat_program_value *row_values; /* owned, by op: of lat_vector_row */
    struct lat__strip *decide;           /* owned: rules, traps; then the score */
    struct lat__strip *rules;            /* owned or NULL */
    struct lat__strip *terms;            /* owned or NULL */
    size_t rule_count;
    size_t trap_count;
    bool has_score;
};

/* One block of a decision. */
struct part {
    size_t block;
    uint64_t asked[LAT__WORDS];
    uint64_t pass[LAT__WORDS];
    const double *scores; /* NULL: every score is 0 */
};

static struct lat__strip *stream_of(struct lat_vector *vector, const uint32_t *ops, size_t count,
                                    size_t first_count)
{
    const struct lat__wanted wanted = {ops, count, first_count};

    return lat__strip_new(vector->program, vector->columns, vector->kernels, vector->values,
                          &wanted);
}

static struct lat__strip *deciding(struct lat_vector *vector)
{
    const struct lat_rule *rules = lat_program_rules(vector->program, &vector->rule_count);
    const struct lat_trap *traps = lat_program_traps(vector->program, &vector->trap_count);
    size_t first_count = vector->rule_count + vector->trap_count;
    uint32_t *ops = lat_alloc_array(first_count + 1, sizeof(*ops));
    struct lat__strip *stream;

    for (size_t i = 0; i < vector->rule_count; i++) {
        ops[i] = rules[i].when;
    }
    for (size_t i = 0; i < vector->trap_count; i++) {
        ops[vector->rule_count + i] = traps[i].when;
    }
    vector->has_score = lat_program_score(vector->program) >= 0;
    if (vector->has_score) {
        ops[first_count] = (uint32_t)lat_program_score(vector->program);
    }
    stream = stream_of(vector, ops, first_count + vector->has_score, first_count);
    free(ops);
    return stream;
}

struct lat_vector *lat__vector_new_with(struct lat_program *program, struct lat_columns *columns,
                                        const struct lat__kernels *kernels)
{
    struct lat_vector *vector = LAT_NEW(struct lat_vector);
    size_t count;
    const struct lat_op *ops = lat_program_ops(program, &count);

    vector->program = lat_program_ref(program);
    vector->columns = columns;
    vector->kernels = kernels;
    vector->values = lat_alloc_array(count + 1, sizeof(*vector->values));
    vector->row_values = lat_alloc_array(count + 1, sizeof(*vector->row_values));
    for (uint32_t i = 0; i < count; i++) {
        if (ops[i].code == LAT_OP_const_s) {
            vector->values[i].s = lat_columns_hold(columns, ops[i].text);
        } else if (ops[i].depends == LAT_DEPENDS_CONSTANT) {
            lat_program_value(program, columns, NULL, 0, i, vector->values);
        }
    }
    vector->decide = deciding(vector);
    return vector;
}

struct lat_vector *lat_vector_new(struct lat_program *program, struct lat_columns *columns)
{
    return lat__vector_new_with(program, columns, lat__kernels_at(0));
}

struct lat_vector *lat_vector_free(struct lat_vector *vector)
{
    if (vector == NULL) {
        return NULL;
    }
    size_t count;
    const struct lat_op *ops = lat_program_ops(vector->program, &count);

    for (size_t i = 0; i < count; i++) {
        if (ops[i].code == LAT_OP_const_s) {
            lat_columns_release(vector->columns, vector->values[i].s);
        }
    }
    lat__strip_free(vector->decide);
    lat__strip_free(vector->rules);
    lat__strip_free(vector->terms);
    lat_program_unref(vector->program);
    free(vector->values);
    free(vector->row_values);
    free(vector);
    return NULL;
}

struct lat_program *lat_vector_program(const struct lat_vector *vector)
{
    return vector->program;
}

/* ---- blocks ---- */

static bool any(const uint64_t *bits)
{
    return (bits[0] | bits[1] | bits[2] | bits[3]) != 0;
}

_Static_assert(LAT__WORDS == 4, "any() looks at four words");

/* Finds out who is asked about in a block; false: nobody. */
static bool ask(const struct lat_vector *vector, const uint64_t *among, size_t block,
                struct part *ret_part)
{
    const uint64_t *alive = lat_columns_alive(vector->columns) + block * LAT__WORDS;

    ret_part->block = block;
    for (size_t i = 0; i < LAT__WORDS; i++) {
        ret_part->asked[i] = among != NULL ? alive[i] & among[block * LAT__WORDS + i] : alive[i];
    }
    return any(ret_part->asked);
}

/* Finds out who passes in a block, and the scores if anybody does; returns false when a row raises an error. */
static bool decide(const struct lat_vector *vector, struct part *part)
{
    uint64_t refused[LAT__WORDS] = {0};
    uint64_t trapped[LAT__WORDS] = {0};

    lat__strip_block(vector->decide, 0, part->block);
    for (size_t i = 0; i < vector->rule_count + vector->trap_count; i++) {
        const uint64_t *when = lat__strip_value(vector->decide, i, part->block);
        uint64_t *sum = i < vector->rule_count ? refused : trapped;

        for (size_t word = 0; word < LAT__WORDS; word++) {
            sum[word] |= when[word] & part->asked[word];
        }
    }
    for (size_t word = 0; word < LAT__WORDS; word++) {
        part->pass[word] = part->asked[word] & ~refused[word];
    }
    part->scores = NULL;
    if (vector->has_score && any(part->pass)) {
        lat__strip_block(vector->decide, 1, part->block);
        part->scores =
            lat__strip_value(vector->decide, vector->rule_count + vector->trap_count, part->block);
    }
    return !any(trapped);
}

/* Returns the greatest score of a part where somebody passes, and whether all are finite. */
static double greatest(const struct lat_vector *vector, const struct part *part, bool *ret_wild)
{
    if (part->scores == NULL) {
        *ret_wild = false;
        return 0;
    }
    return vector->kernels->greatest(part->scores, part->pass, ret_wild);
}

/* ---- errors ---- */

/* Tells of the first row of a block, in order, that raises an error; 0 when none does. */
static int blame_block(const struct lat_vector *vector, const struct part *part,
                       struct lat_err *err)
{
    size_t count;
    const struct lat_trap *traps = lat_program_traps(vector->program, &count);
    const int32_t *names = lat_columns_codes(vector->columns, LAT_FIELD_node_name);

    for (size_t i = 0; i < LAT__BLOCK; i++) {
        size_t word = i / 64;
        uint64_t bit = UINT64_C(1) << (i % 64);
        const char *name = lat_columns_text(vector->columns, names[part->block * LAT__BLOCK + i]);

        if ((part->asked[word] & bit) == 0) {
            continue;
        }
        for (size_t trap = 0; trap < count; trap++) {
            const uint64_t *when =
                lat__strip_value(vector->decide, vector->rule_count + trap, part->block);

            if ((when[word] & bit) != 0) {
                return lat_err_set(err, LAT_E_POLICY, "line %d: %s (for node '%s')",
                                   traps[trap].line, traps[trap].message, name);
            }
        }
        if ((part->pass[word] & bit) != 0 && part->scores != NULL && !isfinite(part->scores[i])) {
            return lat_err_set(
                err, LAT_E_POLICY,
                "line %d: score returned %s for node '%s'; it returns a finite number",
                lat_program_score_line(vector->program),
                isnan(part->scores[i]) ? "nan"
                : part->scores[i] > 0  ? "inf"
                                       : "-inf",
                name);
        }
    }
    return 0;
}

/* Tells of the first row of all that raises an error; one does. */
static int blame(const struct lat_vector *vector, const uint64_t *among, struct lat_err *err)
{
    struct part part;
    int rc = 0;

    for (size_t block = 0; rc == 0 && block < lat_columns_blocks(vector->columns); block++) {
        if (ask(vector, among, block, &part)) {
            (void)decide(vector, &part);
            rc = blame_block(vector, &part, err);
        }
    }
    LAT_ASSERT(rc != 0);
    return rc;
}

/* ---- decisions ---- */

int lat_vector_run(struct lat_vector *vector, const struct lat_record *record,
                   const uint64_t *among, uint64_t *ret_pass, double *ret_scores,
                   struct lat_err *err)
{
    size_t blocks = lat_columns_blocks(vector->columns);
    struct part part;

    lat__strip_begin(vector->decide, record);
    for (size_t block = 0; block < blocks; block++) {
        bool wild = false;
        uint64_t *pass = ret_pass + block * LAT__WORDS;

        if (!ask(vector, among, block, &part)) {
            memset(pass, 0, LAT__BITS_BYTES);
            continue;
        }
        if (!decide(vector, &part)) {
            return blame(vector, among, err);
        }
        memcpy(pass, part.pass, LAT__BITS_BYTES);
        if (!any(part.pass)) {
            continue;
        }
        (void)greatest(vector, &part, &wild);
        if (wild) {
            return blame(vector, among, err);
        }
        if (ret_scores != NULL && part.scores != NULL) {
            memcpy(ret_scores + block * LAT__BLOCK, part.scores, LAT__REGISTER_BYTES);
        } else if (ret_scores != NULL) {
            memset(ret_scores + block * LAT__BLOCK, 0, LAT__REGISTER_BYTES);
        }
    }
    return 0;
}

/* Leaves those rows of a part that are before a row of its block, or those that are not. */
static void narrow(struct part *part, size_t row, bool before)
{
    for (size_t word = 0; word < LAT__WORDS; word++) {
        size_t first = word * 64;
        uint64_t below = row <= first        ? 0
                         : row >= first + 64 ? UINT64_MAX
                                             : (UINT64_C(1) << (row - first)) - 1;

        part->asked[word] &= before ? below : ~below;
    }
}

/* Returns the first row of a decided part with this score. */
static size_t first_with(const struct part *part, double score)
{
    for (size_t i = 0; i < LAT__BLOCK; i++) {
        if ((part->pass[i / 64] >> (i % 64) & 1) != 0 &&
            (part->scores == NULL || part->scores[i] == score)) {
            return i;
        }
    }
    LAT_ASSERT(false);
    return 0;
}

/* Asks about visit number `visit` of a walk through all blocks that begins and ends in the offset's block. */
static bool visit_part(const struct lat_vector *vector, const uint64_t *among, size_t offset,
                       size_t visit, struct part *ret_part)
{
    size_t blocks = lat_columns_blocks(vector->columns);
    bool asked = ask(vector, among, (offset / LAT__BLOCK + visit) % blocks, ret_part);

    if (visit == 0 || visit == blocks) {
        narrow(ret_part, offset % LAT__BLOCK, visit == blocks);
        asked = any(ret_part->asked);
    }
    return asked;
}

int lat_vector_best(struct lat_vector *vector, const struct lat_record *record,
                    const uint64_t *among, size_t offset, size_t *ret_row, double *ret_score,
                    struct lat_err *err)
{
    size_t blocks = lat_columns_blocks(vector->columns);
    size_t best_visit = SIZE_MAX;
    double best = 0;
    struct part part;

    offset = offset < lat_columns_rows(vector->columns) ? offset : 0;
    lat__strip_begin(vector->decide, record);
    for (size_t visit = 0; blocks > 0 && visit <= blocks; visit++) {
        bool wild = false;

        if (!visit_part(vector, among, offset, visit, &part)) {
            continue;
        }
        if (!decide(vector, &part)) {
            return blame(vector, among, err);
        }
        if (!any(part.pass)) {
            continue;
        }
        double here = greatest(vector, &part, &wild);

        if (wild) {
            return blame(vector, among, err);
        }
        if (best_visit == SIZE_MAX || here > best) {
            best = here;
            best_visit = visit;
        }
    }
    *ret_row = SIZE_MAX;
    *ret_score = 0;
    if (best_visit != SIZE_MAX) {
        (void)visit_part(vector, among, offset, best_visit, &part);
        (void)decide(vector, &part);
        size_t row = first_with(&part, best);

        *ret_row = part.block * LAT__BLOCK + row;
        *ret_score = part.scores != NULL ? part.scores[row] : 0;
    }
    return 0;
}

/* ---- why ---- */

void lat_vector_rules(struct lat_vector *vector, const struct lat_record *record,
                      const uint64_t *among, uint16_t *ret_rules)
{
    size_t count;
    const struct lat_rule *rules = lat_program_rules(vector->program, &count);
    struct part part;

    if (vector->rules == NULL) {
        uint32_t *ops = lat_alloc_array(count + 1, sizeof(*ops));

        for (size_t i = 0; i < count; i++) {
            ops[i] = rules[i].when;
        }
        vector->rules = stream_of(vector, ops, count, count);
        free(ops);
    }
    lat__strip_begin(vector->rules, record);
    for (size_t block = 0; block < lat_columns_blocks(vector->columns); block++) {
        uint16_t *here = ret_rules + block * LAT__BLOCK;

        if (!ask(vector, among, block, &part)) {
            continue;
        }
        lat__strip_block(vector->rules, 0, block);
        for (size_t i = 0; i < LAT__BLOCK; i++) {
            here[i] = (part.asked[i / 64] >> (i % 64) & 1) != 0 ? LAT_VECTOR_PASSES : here[i];
        }
        for (size_t rule = 0; rule < count; rule++) {
            const uint64_t *when = lat__strip_value(vector->rules, rule, block);

            for (size_t word = 0; word < LAT__WORDS; word++) {
                for (uint64_t bits = when[word] & part.asked[word]; bits != 0; bits &= bits - 1) {
                    here[word * 64 + (size_t)__builtin_ctzll(bits)] = (uint16_t)rule;
                }
                part.asked[word] &= ~when[word]; /* the first that holds */
            }
        }
    }
}

void lat_vector_terms(struct lat_vector *vector, const struct lat_record *record,
                      const uint64_t *among, double *const *ret_terms)
{
    size_t count;
    const struct lat_term *terms = lat_program_terms(vector->program, &count);
    struct part part;

    if (vector->terms == NULL) {
        uint32_t *ops = lat_alloc_array(count + 1, sizeof(*ops));

        for (size_t i = 0; i < count; i++) {
            ops[i] = terms[i].value;
        }
        vector->terms = stream_of(vector, ops, count, count);
        free(ops);
    }
    lat__strip_begin(vector->terms, record);
    for (size_t block = 0; block < lat_columns_blocks(vector->columns); block++) {
        if (!ask(vector, among, block, &part)) {
            continue;
        }
        lat__strip_block(vector->terms, 0, block);
        for (size_t term = 0; term < count; term++) {
            memcpy(ret_terms[term] + block * LAT__BLOCK,
                   lat__strip_value(vector->terms, term, block), LAT__REGISTER_BYTES);
        }
    }
}

const union lat_program_value *lat_vector_row(struct lat_vector *vector,
                                              const struct lat_record *record, size_t row)
{
    lat_program_row(vector->program, vector->columns, record, row, vector->row_values);
    return vector->row_values;
}
