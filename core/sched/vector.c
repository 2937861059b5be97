/* Decisions over columns: runs the strips of a program over spans of blocks in which somebody is asked about, and takes
 * the best. What decides comes twice: where no PAIR field is set, which is most of a large fleet, a plain strip does
 * less. Which rule refused and the terms of the score are strips of their own, made when they are first wanted. */
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
    union lat_program_value *constants;  /* owned, by op */
    union lat_program_value *row_values; /* owned, by op: of lat_vector_row */
    struct lat__strip *decide;           /* owned: rules, traps; then the score */
    struct lat__strip *plain;            /* owned or NULL: the same, where no PAIR field is set */
    struct lat__strip *rules;            /* owned or NULL */
    struct lat__strip *terms;            /* owned or NULL */
    size_t rule_count;
    size_t trap_count;
    bool has_score;
};

/* Some blocks of a decision, which are computed at once. */
struct span {
    size_t block;
    size_t count;
    struct lat__strip *strip;
    uint64_t asked[LAT__SPAN_MAX * LAT__WORDS];
    uint64_t pass[LAT__SPAN_MAX * LAT__WORDS];
    const double *scores; /* NULL: every score is 0 */
};

static struct lat__strip *strip_of(struct lat_vector *vector, const uint32_t *ops, size_t count,
                                   size_t first_count, bool is_plain)
{
    const struct lat__wanted wanted = {ops, count, first_count, is_plain};

    return lat__strip_new(vector->program, vector->columns, vector->kernels, vector->constants,
                          &wanted);
}

static void make_deciding(struct lat_vector *vector)
{
    const struct lat_rule *rules = lat_program_rules(vector->program, &vector->rule_count);
    const struct lat_trap *traps = lat_program_traps(vector->program, &vector->trap_count);
    size_t first_count = vector->rule_count + vector->trap_count;
    uint32_t *ops = lat_alloc_array(first_count + 1, sizeof(*ops));

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
    size_t count = first_count + vector->has_score;

    vector->decide = strip_of(vector, ops, count, first_count, false);
    if (lat__strip_has_pairs(vector->decide)) {
        vector->plain = strip_of(vector, ops, count, first_count, true);
    }
    free(ops);
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
    vector->constants = lat_alloc_array(count + 1, sizeof(*vector->constants));
    vector->row_values = lat_alloc_array(count + 1, sizeof(*vector->row_values));
    for (uint32_t i = 0; i < count; i++) {
        if (ops[i].code == LAT_OP_const_s) {
            vector->constants[i].s = lat_columns_hold(columns, ops[i].text);
        } else if (ops[i].depends == LAT_DEPENDS_CONSTANT) {
            lat_program_value(program, columns, NULL, 0, i, vector->constants);
        }
    }
    make_deciding(vector);
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
            lat_columns_release(vector->columns, vector->constants[i].s);
        }
    }
    lat__strip_free(vector->decide);
    lat__strip_free(vector->plain);
    lat__strip_free(vector->rules);
    lat__strip_free(vector->terms);
    lat_program_unref(vector->program);
    free(vector->constants);
    free(vector->row_values);
    free(vector);
    return NULL;
}

struct lat_program *lat_vector_program(const struct lat_vector *vector)
{
    return vector->program;
}

/* ---- spans ---- */

static bool any(const uint64_t *bits, size_t words)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < words; i++) {
        sum |= bits[i];
    }
    return sum != 0;
}

/* Prepares a decision. */
static void begin(struct lat_vector *vector, const struct lat_record *record)
{
    lat__strip_begin(vector->decide, record);
    if (vector->plain != NULL) {
        lat__strip_begin(vector->plain, record);
    }
}

static bool is_plain(const struct lat_vector *vector, size_t block)
{
    return vector->plain != NULL &&
           !any(lat_columns_paired(vector->columns) + block * LAT__WORDS, LAT__WORDS);
}

/* Takes the blocks from `block` on, before `end`, that are computed at once. */
static void take_span(const struct lat_vector *vector, size_t block, size_t end,
                      struct span *ret_span)
{
    bool plain = is_plain(vector, block);

    ret_span->block = block;
    ret_span->count = 1;
    ret_span->strip = plain ? vector->plain : vector->decide;
    end = end - block < lat__strip_span(ret_span->strip) ? end
                                                         : block + lat__strip_span(ret_span->strip);
    while (block + ret_span->count < end && is_plain(vector, block + ret_span->count) == plain) {
        ret_span->count++;
    }
}

/* Finds out who is asked about in a span; false: nobody. */
static bool ask(const struct lat_vector *vector, const uint64_t *among, struct span *span)
{
    size_t words = span->count * LAT__WORDS;
    size_t first = span->block * LAT__WORDS;
    const uint64_t *alive = lat_columns_alive(vector->columns) + first;

    for (size_t i = 0; i < words; i++) {
        span->asked[i] = among != NULL ? alive[i] & among[first + i] : alive[i];
    }
    return any(span->asked, words);
}

/* Finds out who passes in a span, and the scores if anybody does; returns false when a row raises an error. */
static bool decide(const struct lat_vector *vector, struct span *span)
{
    size_t words = span->count * LAT__WORDS;
    size_t rules_and_traps = vector->rule_count + vector->trap_count;

    lat__strip_run(span->strip, 0, span->block, span->count);
    memcpy(span->pass, span->asked, words * sizeof(*span->pass));
    for (size_t rule = 0; rule < vector->rule_count; rule++) {
        const uint64_t *when = lat__strip_value(span->strip, rule);

        for (size_t i = 0; i < words; i++) {
            span->pass[i] &= ~when[i];
        }
    }
    span->scores = NULL;
    if (vector->has_score && any(span->pass, words)) {
        lat__strip_run(span->strip, 1, span->block, span->count);
        span->scores = lat__strip_value(span->strip, rules_and_traps);
    }
    for (size_t trap = vector->rule_count; trap < rules_and_traps; trap++) {
        const uint64_t *when = lat__strip_value(span->strip, trap);
        uint64_t trapped = 0;

        for (size_t i = 0; i < words; i++) {
            trapped |= when[i] & span->asked[i];
        }
        if (trapped != 0) {
            return false;
        }
    }
    if (span->scores != NULL) {
        const uint64_t *wild = lat__strip_wild(span->strip, rules_and_traps);
        uint64_t found[LAT__SPAN_MAX * LAT__WORDS];
        uint64_t wild_and_passing = 0;

        if (wild == NULL) {
            vector->kernels->wild(span->scores, found, words);
            wild = found;
        }
        for (size_t i = 0; i < words; i++) {
            wild_and_passing |= wild[i] & span->pass[i];
        }
        return wild_and_passing == 0;
    }
    return true;
}

/* ---- errors ---- */

static bool bit(const uint64_t *bits, size_t row)
{
    return bits[row / 64] >> (row % 64) & 1;
}

/* Tells of the first row of a span, in order, that raises an error; 0 when none does. */
static int blame_span(const struct lat_vector *vector, const struct span *span, struct lat_err *err)
{
    size_t count;
    const struct lat_trap *traps = lat_program_traps(vector->program, &count);
    const int32_t *names = lat_columns_codes(vector->columns, LAT_FIELD_node_name);

    for (size_t i = 0; i < span->count * LAT__BLOCK; i++) {
        const char *name = lat_columns_text(vector->columns, names[span->block * LAT__BLOCK + i]);

        for (size_t trap = 0; bit(span->asked, i) && trap < count; trap++) {
            if (bit(lat__strip_value(span->strip, vector->rule_count + trap), i)) {
                return lat_err_set(err, LAT_E_POLICY, "line %d: %s (for node '%s')",
                                   traps[trap].line, traps[trap].message, name);
            }
        }
        if (bit(span->pass, i) && span->scores != NULL && !isfinite(span->scores[i])) {
            return lat_err_set(
                err, LAT_E_POLICY,
                "line %d: score returned %s for node '%s'; it returns a finite number",
                lat_program_score_line(vector->program),
                isnan(span->scores[i]) ? "nan"
                : span->scores[i] > 0  ? "inf"
                                       : "-inf",
                name);
        }
    }
    return 0;
}

/* Tells of the first row of all that raises an error; one does. */
static int blame(const struct lat_vector *vector, const uint64_t *among, struct lat_err *err)
{
    size_t blocks = lat_columns_blocks(vector->columns);
    struct span span = {.count = 0};
    int rc = 0;

    for (size_t block = 0; rc == 0 && block < blocks; block += span.count) {
        take_span(vector, block, blocks, &span);
        if (ask(vector, among, &span) && !decide(vector, &span)) {
            rc = blame_span(vector, &span, err);
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
    struct span span = {.count = 0};

    begin(vector, record);
    for (size_t block = 0; block < blocks; block += span.count) {
        take_span(vector, block, blocks, &span);
        size_t bytes = span.count * LAT__REGISTER_BYTES;
        uint64_t *pass = ret_pass + block * LAT__WORDS;

        if (!ask(vector, among, &span)) {
            memset(pass, 0, span.count * LAT__BITS_BYTES);
            continue;
        }
        if (!decide(vector, &span)) {
            return blame(vector, among, err);
        }
        memcpy(pass, span.pass, span.count * LAT__BITS_BYTES);
        if (ret_scores != NULL && span.scores != NULL) {
            memcpy(ret_scores + block * LAT__BLOCK, span.scores, bytes);
        } else if (ret_scores != NULL) {
            memset(ret_scores + block * LAT__BLOCK, 0, bytes);
        }
    }
    return 0;
}

/* A part of a walk through all rows from an offset and around: whole blocks, but for the first and the last, which are
 * the two sides of the offset's block. */
struct leg {
    size_t begin; /* blocks */
    size_t end;
    size_t from; /* rows of its only block that are asked about, when there is one alone */
    size_t to;
};

/* Leaves the rows that the leg is about. */
static void narrow(const struct leg *leg, struct span *span)
{
    for (size_t row = 0; row < LAT__BLOCK; row++) {
        if (row < leg->from || row >= leg->to) {
            span->asked[row / 64] &= ~(UINT64_C(1) << (row % 64));
        }
    }
}

/* Takes a span of a leg; false when nobody is asked about there. */
static bool take_of_leg(const struct lat_vector *vector, const uint64_t *among,
                        const struct leg *leg, size_t block, struct span *ret_span)
{
    take_span(vector, block, leg->end, ret_span);
    bool asked = ask(vector, among, ret_span);

    if (leg->from > 0 || leg->to < LAT__BLOCK) {
        narrow(leg, ret_span);
        asked = any(ret_span->asked, LAT__WORDS);
    }
    return asked;
}

/* Returns the first row of a decided span with this score. */
static size_t first_with(const struct lat_vector *vector, const struct span *span, double score)
{
    size_t words = span->count * LAT__WORDS;
    uint64_t same[LAT__SPAN_MAX * LAT__WORDS];
    size_t word = 0;

    memset(same, 0xff, sizeof(same));
    if (span->scores != NULL) {
        vector->kernels->ops[LAT_OP_eq_f][LAT__SHAPE_VU](same, span->scores, &score, NULL, words);
    }
    while (word < words && (same[word] & span->pass[word]) == 0) {
        word++;
    }
    LAT_ASSERT(word < words);
    return word * 64 + (size_t)__builtin_ctzll(same[word] & span->pass[word]);
}

/* What a walk found so far. */
struct best {
    size_t row; /* SIZE_MAX: nothing */
    double score;
};

/* Walks a leg; returns false when a row raises an error. */
static bool walk(const struct lat_vector *vector, const uint64_t *among, const struct leg *leg,
                 struct best *best)
{
    struct span span = {.count = 0};

    for (size_t block = leg->begin; block < leg->end; block += span.count) {
        if (!take_of_leg(vector, among, leg, block, &span)) {
            continue;
        }
        if (!decide(vector, &span)) {
            return false;
        }
        if (!any(span.pass, span.count * LAT__WORDS)) {
            continue;
        }
        double greatest = span.scores != NULL ? vector->kernels->greatest(span.scores, span.pass,
                                                                          span.count * LAT__WORDS)
                                              : 0;

        if (best->row == SIZE_MAX || greatest > best->score) {
            size_t row = first_with(vector, &span, greatest);

            best->row = block * LAT__BLOCK + row;
            best->score = span.scores != NULL ? span.scores[row] : 0;
        }
    }
    return true;
}

int lat_vector_best(struct lat_vector *vector, const struct lat_record *record,
                    const uint64_t *among, size_t offset, size_t *ret_row, double *ret_score,
                    struct lat_err *err)
{
    size_t blocks = lat_columns_blocks(vector->columns);
    size_t first = offset < lat_columns_rows(vector->columns) ? offset : 0;
    size_t middle = first / LAT__BLOCK;
    size_t inside = first % LAT__BLOCK;
    const struct leg legs[] = {
        {middle, middle + 1, inside, LAT__BLOCK},
        {middle + (inside > 0), blocks, 0, LAT__BLOCK},
        {0, middle, 0, LAT__BLOCK},
        {middle, middle + 1, 0, inside},
    };
    struct best best = {SIZE_MAX, 0};

    begin(vector, record);
    for (size_t i = 0; blocks > 0 && i < LAT_COUNT(legs); i++) {
        bool is_side = i == 0 || i == LAT_COUNT(legs) - 1;

        if (is_side && inside == 0) {
            continue; /* the offset's block is a whole one of the second leg */
        }
        if (!walk(vector, among, &legs[i], &best)) {
            return blame(vector, among, err);
        }
    }
    *ret_row = best.row;
    *ret_score = best.score;
    return 0;
}

/* ---- why ---- */

/* Takes the blocks from `block` on that a strip computes at once. */
static void take_explained(const struct lat_vector *vector, struct lat__strip *strip, size_t block,
                           struct span *ret_span)
{
    size_t left = lat_columns_blocks(vector->columns) - block;

    ret_span->block = block;
    ret_span->count = left < lat__strip_span(strip) ? left : lat__strip_span(strip);
    ret_span->strip = strip;
}

void lat_vector_rules(struct lat_vector *vector, const struct lat_record *record,
                      const uint64_t *among, uint16_t *ret_rules)
{
    size_t count;
    const struct lat_rule *rules = lat_program_rules(vector->program, &count);
    size_t blocks = lat_columns_blocks(vector->columns);
    struct span span = {.count = 0};

    if (vector->rules == NULL) {
        uint32_t *ops = lat_alloc_array(count + 1, sizeof(*ops));

        for (size_t i = 0; i < count; i++) {
            ops[i] = rules[i].when;
        }
        vector->rules = strip_of(vector, ops, count, count, false);
        free(ops);
    }
    lat__strip_begin(vector->rules, record);
    for (size_t block = 0; block < blocks; block += span.count) {
        uint16_t *here = ret_rules + block * LAT__BLOCK;

        take_explained(vector, vector->rules, block, &span);
        if (!ask(vector, among, &span)) {
            continue;
        }
        lat__strip_run(vector->rules, 0, block, span.count);
        for (size_t i = 0; i < span.count * LAT__BLOCK; i++) {
            here[i] = bit(span.asked, i) ? LAT_VECTOR_PASSES : here[i];
        }
        for (size_t rule = 0; rule < count; rule++) {
            const uint64_t *when = lat__strip_value(vector->rules, rule);

            for (size_t word = 0; word < span.count * LAT__WORDS; word++) {
                for (uint64_t bits = when[word] & span.asked[word]; bits != 0; bits &= bits - 1) {
                    here[word * 64 + (size_t)__builtin_ctzll(bits)] = (uint16_t)rule;
                }
                span.asked[word] &= ~when[word]; /* the first that holds */
            }
        }
    }
}

void lat_vector_terms(struct lat_vector *vector, const struct lat_record *record,
                      const uint64_t *among, double *const *ret_terms)
{
    size_t count;
    const struct lat_term *terms = lat_program_terms(vector->program, &count);
    size_t blocks = lat_columns_blocks(vector->columns);
    struct span span = {.count = 0};

    if (vector->terms == NULL) {
        uint32_t *ops = lat_alloc_array(count + 1, sizeof(*ops));

        for (size_t i = 0; i < count; i++) {
            ops[i] = terms[i].value;
        }
        vector->terms = strip_of(vector, ops, count, count, false);
        free(ops);
    }
    lat__strip_begin(vector->terms, record);
    for (size_t block = 0; block < blocks; block += span.count) {
        take_explained(vector, vector->terms, block, &span);
        if (!ask(vector, among, &span)) {
            continue;
        }
        lat__strip_run(vector->terms, 0, block, span.count);
        for (size_t term = 0; term < count; term++) {
            memcpy(ret_terms[term] + block * LAT__BLOCK, lat__strip_value(vector->terms, term),
                   span.count * LAT__REGISTER_BYTES);
        }
    }
}

const union lat_program_value *lat_vector_row(struct lat_vector *vector,
                                              const struct lat_record *record, size_t row)
{
    lat_program_row(vector->program, vector->columns, record, row, vector->row_values);
    return vector->row_values;
}
