/* Decisions over columns: runs the strips of a program over spans of rows in which somebody is asked about, and takes
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

/* Some rows of a decision, which are computed at once. */
struct span {
    size_t word; /* the first of its words of 64 rows */
    size_t words;
    struct lat__strip *strip;
    uint64_t asked[LAT__SPAN_MAX];
    uint64_t pass[LAT__SPAN_MAX];
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

static bool bit(const uint64_t *bits, size_t row)
{
    return bits[row / 64] >> (row % 64) & 1;
}

static size_t all_words(const struct lat_vector *vector)
{
    return lat_columns_blocks(vector->columns) * LAT__WORDS;
}

/* Takes the rows from `word` on, before `end`, that a strip computes at once, and finds out who is asked about there;
 * false: nobody. */
static bool take_span(const struct lat_vector *vector, struct lat__strip *strip,
                      const uint64_t *among, size_t word, size_t end, struct span *ret_span)
{
    const uint64_t *alive = lat_columns_alive(vector->columns) + word;
    size_t words = lat__strip_span(strip);

    words = words < end - word ? words : end - word;
    ret_span->word = word;
    ret_span->words = words;
    ret_span->strip = strip;
    for (size_t i = 0; i < words; i++) {
        ret_span->asked[i] = among != NULL ? alive[i] & among[word + i] : alive[i];
    }
    return any(ret_span->asked, words);
}

/* Takes out of the span, from word *at of it on, the next words in which PAIR fields are set and somebody is asked
 * about, for the strip that knows of these; false when there are none left. */
static bool take_paired(const struct lat_vector *vector, const struct span *span, size_t *at,
                        struct span *ret_part)
{
    const uint64_t *paired = lat_columns_paired(vector->columns) + span->word;
    size_t most = lat__strip_span(vector->decide);
    size_t words = 0;

    while (*at < span->words && (paired[*at] == 0 || span->asked[*at] == 0)) {
        (*at)++;
    }
    while (*at + words < span->words && words < most && paired[*at + words] != 0) {
        ret_part->asked[words] = span->asked[*at + words];
        words++;
    }
    ret_part->word = span->word + *at;
    ret_part->words = words;
    ret_part->strip = vector->decide;
    *at += words;
    return words > 0;
}

/* Takes the part of a span in which no PAIR field is set; false when nobody is asked about there. */
static bool take_plain(const struct lat_vector *vector, const struct span *span,
                       struct span *ret_part)
{
    const uint64_t *paired = lat_columns_paired(vector->columns) + span->word;

    ret_part->word = span->word;
    ret_part->words = span->words;
    ret_part->strip = span->strip;
    for (size_t i = 0; i < span->words; i++) {
        ret_part->asked[i] = span->strip == vector->decide || paired[i] == 0 ? span->asked[i] : 0;
    }
    return any(ret_part->asked, span->words);
}

/* Goes through the parts of a span: the plain one, then the others. Begin with *at == SIZE_MAX; false at the end. */
static bool next_part(const struct lat_vector *vector, const struct span *span, size_t *at,
                      struct span *ret_part)
{
    if (*at == SIZE_MAX) {
        *at = span->strip == vector->decide ? span->words : 0;
        if (take_plain(vector, span, ret_part)) {
            return true;
        }
    }
    return take_paired(vector, span, at, ret_part);
}

/* Tells whether one of the rows that pass has a score that is not finite. */
static bool is_wild(const struct lat_vector *vector, const struct span *span, size_t index)
{
    const uint64_t *wild = lat__strip_wild(span->strip, index);
    uint64_t found[LAT__SPAN_MAX];
    uint64_t sum = 0;

    if (wild == NULL) {
        vector->kernels->wild(span->scores, found, span->words);
        wild = found;
    }
    for (size_t i = 0; i < span->words; i++) {
        sum |= wild[i] & span->pass[i];
    }
    return sum != 0;
}

/* Finds out who passes in a span, and the scores if anybody does; returns false when a row raises an error. */
static bool decide(const struct lat_vector *vector, struct span *span)
{
    size_t words = span->words;
    size_t rules_and_traps = vector->rule_count + vector->trap_count;
    uint64_t trapped = 0;

    lat__strip_run(span->strip, 0, span->word, words);
    memcpy(span->pass, span->asked, words * sizeof(*span->pass));
    for (size_t rule = 0; rule < vector->rule_count; rule++) {
        const uint64_t *when = lat__strip_value(span->strip, rule);

        for (size_t i = 0; i < words; i++) {
            span->pass[i] &= ~when[i];
        }
    }
    span->scores = NULL;
    if (vector->has_score && any(span->pass, words)) {
        lat__strip_run(span->strip, 1, span->word, words);
        span->scores = lat__strip_value(span->strip, rules_and_traps);
    }
    for (size_t trap = vector->rule_count; trap < rules_and_traps; trap++) {
        const uint64_t *when = lat__strip_value(span->strip, trap);

        for (size_t i = 0; i < words; i++) {
            trapped |= when[i] & span->asked[i];
        }
    }
    return trapped == 0 && (span->scores == NULL || !is_wild(vector, span, rules_and_traps));
}

/* Prepares a decision; returns what most of it is decided by. */
static struct lat__strip *begin(struct lat_vector *vector, const struct lat_record *record)
{
    lat__strip_begin(vector->decide, record);
    if (vector->plain == NULL) {
        return vector->decide;
    }
    lat__strip_begin(vector->plain, record);
    return vector->plain;
}

/* ---- errors ---- */

/* Tells of the first row of a span, in order, that raises an error; 0 when none does. */
static int blame_span(const struct lat_vector *vector, const struct span *span, struct lat_err *err)
{
    size_t count;
    const struct lat_trap *traps = lat_program_traps(vector->program, &count);
    const int32_t *names = lat_columns_codes(vector->columns, LAT_FIELD_node_name);

    for (size_t i = 0; i < span->words * 64; i++) {
        const char *name = lat_columns_text(vector->columns, names[span->word * 64 + i]);

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
    size_t end = all_words(vector);
    struct span span = {.words = 0};
    int rc = 0;

    for (size_t word = 0; rc == 0 && word < end; word += span.words) {
        if (take_span(vector, vector->decide, among, word, end, &span) && !decide(vector, &span)) {
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
    struct lat__strip *strip = begin(vector, record);
    size_t end = all_words(vector);
    struct span span = {.words = 0};
    struct span part;

    memset(ret_pass, 0, end * sizeof(*ret_pass));
    for (size_t word = 0; word < end; word += span.words) {
        if (!take_span(vector, strip, among, word, end, &span)) {
            continue;
        }
        for (size_t at = SIZE_MAX; next_part(vector, &span, &at, &part);) {
            if (!decide(vector, &part)) {
                return blame(vector, among, err);
            }
            for (size_t i = 0; i < part.words; i++) {
                ret_pass[part.word + i] |= part.pass[i];
            }
            if (ret_scores != NULL && part.scores != NULL) {
                memcpy(ret_scores + part.word * 64, part.scores,
                       part.words * 64 * sizeof(*ret_scores));
            } else if (ret_scores != NULL) {
                memset(ret_scores + part.word * 64, 0, part.words * 64 * sizeof(*ret_scores));
            }
        }
    }
    return 0;
}

/* Returns the first row of all with this score that passes in a decided span. */
static size_t first_with(const struct lat_vector *vector, const struct span *span, double score)
{
    uint64_t same[LAT__SPAN_MAX];
    size_t word = 0;

    if (span->scores != NULL) {
        vector->kernels->ops[LAT_OP_eq_f][LAT__SHAPE_VU](same, span->scores, &score, NULL,
                                                         span->words);
    } else {
        memset(same, 0xff, sizeof(same));
    }
    while (word < span->words && (same[word] & span->pass[word]) == 0) {
        word++;
    }
    LAT_ASSERT(word < span->words);
    return (span->word + word) * 64 + (size_t)__builtin_ctzll(same[word] & span->pass[word]);
}

/* What a walk found so far. */
struct best {
    size_t row; /* SIZE_MAX: nothing */
    double score;
};

/* Takes the best of a decided part of a span if it is better, or as good and before what was found in the same span. */
static void take_best(const struct lat_vector *vector, const struct span *part, bool same_span,
                      struct best *best)
{
    double greatest =
        part->scores != NULL ? vector->kernels->greatest(part->scores, part->pass, part->words) : 0;

    if (best->row != SIZE_MAX && !(greatest > best->score) &&
        !(same_span && greatest == best->score)) {
        return;
    }
    size_t row = first_with(vector, part, greatest);

    if (best->row == SIZE_MAX || greatest > best->score || row < best->row) {
        best->row = row;
        best->score = part->scores != NULL ? part->scores[row - part->word * 64] : 0;
    }
}

/* A part of a walk through all rows from an offset and around. */
struct leg {
    size_t begin; /* words */
    size_t end;
    uint64_t mask; /* who is asked about in each word */
};

/* Walks a leg; returns false when a row raises an error. */
static bool walk(const struct lat_vector *vector, struct lat__strip *strip, const uint64_t *among,
                 const struct leg *leg, struct best *best)
{
    struct span span = {.words = 0};
    struct span part;

    for (size_t word = leg->begin; word < leg->end; word += span.words) {
        size_t before = best->row;

        if (!take_span(vector, strip, among, word, leg->end, &span)) {
            continue;
        }
        for (size_t i = 0; i < span.words; i++) {
            span.asked[i] &= leg->mask;
        }
        for (size_t at = SIZE_MAX; next_part(vector, &span, &at, &part);) {
            if (!decide(vector, &part)) {
                return false;
            }
            if (any(part.pass, part.words)) {
                take_best(vector, &part, best->row != before, best);
            }
        }
    }
    return true;
}

int lat_vector_best(struct lat_vector *vector, const struct lat_record *record,
                    const uint64_t *among, size_t offset, size_t *ret_row, double *ret_score,
                    struct lat_err *err)
{
    size_t first = offset < lat_columns_rows(vector->columns) ? offset : 0;
    size_t middle = first / 64;
    uint64_t below = (UINT64_C(1) << (first % 64)) - 1;
    /* The offset's word is at both ends, unless it is a whole one of the second leg. */
    const struct leg legs[] = {
        {middle, middle + (below != 0), ~below},
        {middle + (below != 0), all_words(vector), UINT64_MAX},
        {0, middle, UINT64_MAX},
        {middle, middle + (below != 0), below},
    };
    struct lat__strip *strip = begin(vector, record);
    struct best best = {SIZE_MAX, 0};

    for (size_t i = 0; i < LAT_COUNT(legs); i++) {
        if (!walk(vector, strip, among, &legs[i], &best)) {
            return blame(vector, among, err);
        }
    }
    *ret_row = best.row;
    *ret_score = best.score;
    return 0;
}

/* ---- why ---- */

void lat_vector_rules(struct lat_vector *vector, const struct lat_record *record,
                      const uint64_t *among, uint16_t *ret_rules)
{
    size_t count;
    const struct lat_rule *rules = lat_program_rules(vector->program, &count);
    size_t end = all_words(vector);
    struct span span = {.words = 0};

    if (vector->rules == NULL) {
        uint32_t *ops = lat_alloc_array(count + 1, sizeof(*ops));

        for (size_t i = 0; i < count; i++) {
            ops[i] = rules[i].when;
        }
        vector->rules = strip_of(vector, ops, count, count, false);
        free(ops);
    }
    lat__strip_begin(vector->rules, record);
    for (size_t word = 0; word < end; word += span.words) {
        uint16_t *here = ret_rules + word * 64;

        if (!take_span(vector, vector->rules, among, word, end, &span)) {
            continue;
        }
        lat__strip_run(vector->rules, 0, word, span.words);
        for (size_t i = 0; i < span.words * 64; i++) {
            here[i] = bit(span.asked, i) ? LAT_VECTOR_PASSES : here[i];
        }
        for (size_t rule = 0; rule < count; rule++) {
            const uint64_t *when = lat__strip_value(vector->rules, rule);

            for (size_t i = 0; i < span.words; i++) {
                for (uint64_t bits = when[i] & span.asked[i]; bits != 0; bits &= bits - 1) {
                    here[i * 64 + (size_t)__builtin_ctzll(bits)] = (uint16_t)rule;
                }
                span.asked[i] &= ~when[i]; /* the first that holds */
            }
        }
    }
}

void lat_vector_terms(struct lat_vector *vector, const struct lat_record *record,
                      const uint64_t *among, double *const *ret_terms)
{
    size_t count;
    const struct lat_term *terms = lat_program_terms(vector->program, &count);
    size_t end = all_words(vector);
    struct span span = {.words = 0};

    if (vector->terms == NULL) {
        uint32_t *ops = lat_alloc_array(count + 1, sizeof(*ops));

        for (size_t i = 0; i < count; i++) {
            ops[i] = terms[i].value;
        }
        vector->terms = strip_of(vector, ops, count, count, false);
        free(ops);
    }
    lat__strip_begin(vector->terms, record);
    for (size_t word = 0; word < end; word += span.words) {
        if (!take_span(vector, vector->terms, among, word, end, &span)) {
            continue;
        }
        lat__strip_run(vector->terms, 0, word, span.words);
        for (size_t term = 0; term < count; term++) {
            memcpy(ret_terms[term] + word * 64, lat__strip_value(vector->terms, term),
                   span.words * 64 * sizeof(**ret_terms));
        }
    }
}

const union lat_program_value *lat_vector_row(struct lat_vector *vector,
                                              const struct lat_record *record, size_t row)
{
    lat_program_row(vector->program, vector->columns, record, row, vector->row_values);
    return vector->row_values;
}
