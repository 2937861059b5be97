/* Decisions over columns: runs the strips of a program over spans of rows in which somebody is asked about, and takes
 * the best. What depends on a PAIR field comes twice: where none is set, which is most of a large fleet, a plain strip does
 * less. Which rule refused and the terms of the score are strips of their own, made when they are first wanted. */
#include "sched/vector_internal.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The same values twice. */
struct pair {
    struct lat__strip *plain;  /* owned or NULL; where no PAIR field is set, or everywhere */
    struct lat__strip *paired; /* owned or NULL; where one is, if it makes a difference */
};

enum { GAP = 4 }; /* words without a row that are computed along: what a part of its own costs */

struct lat_vector {
    struct lat_program *program; /* held */
    struct lat_columns *columns; /* borrowed */
    const struct lat__kernels *kernels;
    union lat_program_value *constants;  /* owned, by op */
    union lat_program_value *row_values; /* owned, by op: of lat_vector_row */
    struct pair filter;                  /* rules, then traps */
    struct pair score;
    size_t span;              /* words that all of these compute at once */
    struct lat__strip *rules; /* owned or NULL */
    struct lat__strip *terms; /* owned or NULL */
    size_t rule_count;
    size_t trap_count;
};

/* Some rows of a decision, which are computed at once. */
struct span {
    size_t word; /* the first of its words of 64 rows */
    size_t words;
    uint64_t asked[LAT__SPAN_MAX];
    uint64_t pass[LAT__SPAN_MAX];
};

/* A part of a span, all of whose rows are computed by one strip. */
struct part {
    size_t word;
    size_t words;
    struct lat__strip *strip;
    uint64_t bits[LAT__SPAN_MAX]; /* the rows that count */
    const double *scores;         /* NULL: every score is 0 */
};

static struct lat__strip *strip_of(struct lat_vector *vector, const uint32_t *ops, size_t count,
                                   bool is_plain)
{
    const struct lat__wanted wanted = {ops, count, is_plain};

    return lat__strip_new(vector->program, vector->columns, vector->kernels, vector->constants,
                          &wanted);
}

static struct pair pair_of(struct lat_vector *vector, const uint32_t *ops, size_t count)
{
    struct pair pair = {.plain = strip_of(vector, ops, count, false)};

    if (lat__strip_has_pairs(pair.plain)) {
        pair.paired = pair.plain;
        pair.plain = strip_of(vector, ops, count, true);
    }
    return pair;
}

static void make_deciding(struct lat_vector *vector)
{
    const struct lat_rule *rules = lat_program_rules(vector->program, &vector->rule_count);
    const struct lat_trap *traps = lat_program_traps(vector->program, &vector->trap_count);
    int32_t score = lat_program_score(vector->program);
    uint32_t *ops = lat_alloc_array(vector->rule_count + vector->trap_count + 1, sizeof(*ops));

    for (size_t i = 0; i < vector->rule_count; i++) {
        ops[i] = rules[i].when;
    }
    for (size_t i = 0; i < vector->trap_count; i++) {
        ops[vector->rule_count + i] = traps[i].when;
    }
    vector->filter = pair_of(vector, ops, vector->rule_count + vector->trap_count);
    if (score >= 0) {
        vector->score = pair_of(vector, &(uint32_t){(uint32_t)score}, 1);
    }
    free(ops);

    struct lat__strip *const strips[] = {vector->filter.plain, vector->score.plain};

    vector->span = LAT__SPAN_MAX;
    for (size_t i = 0; i < LAT_COUNT(strips); i++) {
        if (strips[i] != NULL && lat__strip_span(strips[i]) < vector->span) {
            vector->span = lat__strip_span(strips[i]);
        }
    }
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
    lat__strip_free(vector->filter.plain);
    lat__strip_free(vector->filter.paired);
    lat__strip_free(vector->score.plain);
    lat__strip_free(vector->score.paired);
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

/* Takes at most `most` words from `word` on, before `end`, and finds out who is asked about there; false: nobody. */
static bool take_span(const struct lat_vector *vector, size_t most, const uint64_t *among,
                      size_t word, size_t end, struct span *ret_span)
{
    const uint64_t *alive = lat_columns_alive(vector->columns) + word;
    size_t words = most < end - word ? most : end - word;

    ret_span->word = word;
    ret_span->words = words;
    for (size_t i = 0; i < words; i++) {
        ret_span->asked[i] = among != NULL ? alive[i] & among[word + i] : alive[i];
    }
    return any(ret_span->asked, words);
}

/* Takes the next rows that the plain strip is for, from word *at of a span on: up to a gap in which no row is in `bits`,
 * so that nothing is computed for nobody. False when there are none left. */
static bool take_plain(const struct lat_vector *vector, const struct pair *pair,
                       const struct span *span, const uint64_t *bits, size_t *at,
                       struct part *ret_part)
{
    const uint64_t *paired = lat_columns_paired(vector->columns) + span->word;
    bool all = pair->paired == NULL;
    size_t begin = *at;

    while (begin < span->words && (bits[begin] == 0 || (!all && paired[begin] != 0))) {
        begin++;
    }
    size_t end = begin;

    for (size_t i = begin; i < span->words && i <= end + GAP; i++) {
        uint64_t own = all || paired[i] == 0 ? bits[i] : 0;

        ret_part->bits[i - begin] = own;
        end = own != 0 ? i + 1 : end;
    }
    ret_part->word = span->word + begin;
    ret_part->words = end - begin;
    ret_part->strip = pair->plain;
    *at = end;
    return end > begin;
}

/* Takes, from word *at of a span on, the next words in which PAIR fields are set and there are rows in `bits`; false
 * when there are none left. */
static bool take_paired(const struct lat_vector *vector, const struct pair *pair,
                        const struct span *span, const uint64_t *bits, size_t *at,
                        struct part *ret_part)
{
    const uint64_t *paired = lat_columns_paired(vector->columns) + span->word;
    size_t most = lat__strip_span(pair->paired);
    size_t words = 0;

    while (*at < span->words && (paired[*at] == 0 || bits[*at] == 0)) {
        (*at)++;
    }
    for (; *at + words < span->words && words < most && paired[*at + words] != 0; words++) {
        ret_part->bits[words] = bits[*at + words];
    }
    ret_part->word = span->word + *at;
    ret_part->words = words;
    ret_part->strip = pair->paired;
    *at += words;
    return words > 0;
}

/* Where a walk through the parts of a span is. */
struct parts {
    size_t plain;
    size_t paired;
};

/* Goes through the parts of a span in which there are rows in `bits`: the plain ones, then the others. Begin with {0};
 * false at the end. */
static bool next_part(const struct lat_vector *vector, const struct pair *pair,
                      const struct span *span, const uint64_t *bits, struct parts *at,
                      struct part *ret_part)
{
    return take_plain(vector, pair, span, bits, &at->plain, ret_part) ||
           (pair->paired != NULL && take_paired(vector, pair, span, bits, &at->paired, ret_part));
}

/* ---- filter and score ---- */

/* Prepares a decision. */
static void begin(struct lat_vector *vector, const struct lat_record *record)
{
    struct lat__strip *const strips[] = {vector->filter.plain, vector->filter.paired,
                                         vector->score.plain, vector->score.paired};

    for (size_t i = 0; i < LAT_COUNT(strips); i++) {
        if (strips[i] != NULL) {
            lat__strip_begin(strips[i], record);
        }
    }
}

/* Finds out who passes in a span; returns false when a row raises an error. */
static bool filter(const struct lat_vector *vector, struct span *span)
{
    uint64_t trapped = 0;
    struct part part;

    memset(span->pass, 0, span->words * sizeof(*span->pass));
    for (struct parts at = {0, 0};
         next_part(vector, &vector->filter, span, span->asked, &at, &part);) {
        uint64_t *pass = span->pass + (part.word - span->word);

        lat__strip_run(part.strip, part.word, part.words);
        for (size_t i = 0; i < vector->trap_count; i++) {
            const uint64_t *when = lat__strip_value(part.strip, vector->rule_count + i);

            for (size_t word = 0; word < part.words; word++) {
                trapped |= when[word] & part.bits[word];
            }
        }
        for (size_t i = 0; i < vector->rule_count; i++) {
            const uint64_t *when = lat__strip_value(part.strip, i);

            for (size_t word = 0; word < part.words; word++) {
                part.bits[word] &= ~when[word];
            }
        }
        for (size_t word = 0; word < part.words; word++) {
            pass[word] |= part.bits[word];
        }
    }
    return trapped == 0;
}

/* Computes the scores of a part; returns false when one that counts is not finite. */
static bool score(const struct lat_vector *vector, struct part *part)
{
    uint64_t found[LAT__SPAN_MAX];
    uint64_t sum = 0;

    part->scores = NULL;
    if (part->strip == NULL) {
        return true;
    }
    lat__strip_run(part->strip, part->word, part->words);
    part->scores = lat__strip_value(part->strip, 0);
    const uint64_t *wild = lat__strip_wild(part->strip, 0);

    if (wild == NULL) {
        vector->kernels->wild(part->scores, found, part->words);
        wild = found;
    }
    for (size_t i = 0; i < part->words; i++) {
        sum |= wild[i] & part->bits[i];
    }
    return sum == 0;
}

/* ---- errors ---- */

/* Tells of the first row, in order, that raises an error; one does. Row by row: it is the end of the decision. */
static int blame(struct lat_vector *vector, const struct lat_record *record, const uint64_t *among,
                 struct lat_err *err)
{
    size_t count;
    const struct lat_trap *traps = lat_program_traps(vector->program, &count);
    const int32_t *names = lat_columns_codes(vector->columns, LAT_FIELD_node_name);
    const uint64_t *alive = lat_columns_alive(vector->columns);
    int32_t score_op = lat_program_score(vector->program);

    for (size_t row = 0; row < lat_columns_rows(vector->columns); row++) {
        if (!bit(alive, row) || (among != NULL && !bit(among, row))) {
            continue;
        }
        const char *name = lat_columns_text(vector->columns, names[row]);
        const union lat_program_value *values = lat_vector_row(vector, record, row);
        int32_t trap = lat_program_trapped(vector->program, values);

        if (trap >= 0) {
            return lat_err_set(err, LAT_E_POLICY, "line %d: %s (for node '%s')", traps[trap].line,
                               traps[trap].message, name);
        }
        if (score_op >= 0 && lat_program_refused(vector->program, values) < 0 &&
            !isfinite(values[score_op].f)) {
            double value = values[score_op].f;

            return lat_err_set(
                err, LAT_E_POLICY,
                "line %d: score returned %s for node '%s'; it returns a finite number",
                lat_program_score_line(vector->program),
                isnan(value) ? "nan"
                : value > 0  ? "inf"
                             : "-inf",
                name);
        }
    }
    return lat_err_set(err, LAT_E_INTERNAL,
                       "A node raises an error in the policy's kernels alone.");
}

/* ---- decisions ---- */

int lat_vector_run(struct lat_vector *vector, const struct lat_record *record,
                   const uint64_t *among, uint64_t *ret_pass, double *ret_scores,
                   struct lat_err *err)
{
    size_t end = all_words(vector);
    struct span span = {.words = 0};
    struct part part;

    begin(vector, record);
    if (end > 0) { /* there may be no node, and then no bitmap */
        memset(ret_pass, 0, end * sizeof(*ret_pass));
    }
    for (size_t word = 0; word < end; word += span.words) {
        if (!take_span(vector, vector->span, among, word, end, &span)) {
            continue;
        }
        if (!filter(vector, &span)) {
            return blame(vector, record, among, err);
        }
        memcpy(ret_pass + word, span.pass, span.words * sizeof(*ret_pass));
        for (struct parts at = {0, 0};
             next_part(vector, &vector->score, &span, span.pass, &at, &part);) {
            size_t bytes = part.words * 64 * sizeof(*ret_scores);

            if (!score(vector, &part)) {
                return blame(vector, record, among, err);
            }
            if (ret_scores != NULL && part.scores != NULL) {
                memcpy(ret_scores + part.word * 64, part.scores, bytes);
            } else if (ret_scores != NULL) {
                memset(ret_scores + part.word * 64, 0, bytes);
            }
        }
    }
    return 0;
}

/* Returns the first row of all with this score that counts in a part. */
static size_t first_with(const struct lat_vector *vector, const struct part *part, double value)
{
    uint64_t same[LAT__SPAN_MAX];
    size_t word = 0;

    if (part->scores != NULL) {
        vector->kernels->ops[LAT_OP_eq_f][LAT__SHAPE_VU](same, part->scores, &value, NULL,
                                                         part->words);
    } else {
        memset(same, 0xff, sizeof(same));
    }
    while (word < part->words && (same[word] & part->bits[word]) == 0) {
        word++;
    }
    LAT_ASSERT(word < part->words);
    return (part->word + word) * 64 + (size_t)__builtin_ctzll(same[word] & part->bits[word]);
}

/* What a walk found so far. */
struct best {
    size_t row; /* SIZE_MAX: nothing */
    double score;
};

/* Takes the best of a part if it is better, or as good and before what was found in the same span. */
static void take_best(const struct lat_vector *vector, const struct part *part, bool same_span,
                      struct best *best)
{
    double greatest =
        part->scores != NULL ? vector->kernels->greatest(part->scores, part->bits, part->words) : 0;

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
static bool walk(const struct lat_vector *vector, const uint64_t *among, const struct leg *leg,
                 struct best *best)
{
    struct span span = {.words = 0};
    struct part part;

    for (size_t word = leg->begin; word < leg->end; word += span.words) {
        size_t before = best->row;

        if (!take_span(vector, vector->span, among, word, leg->end, &span)) {
            continue;
        }
        for (size_t i = 0; i < span.words; i++) {
            span.asked[i] &= leg->mask;
        }
        if (!filter(vector, &span)) {
            return false;
        }
        for (struct parts at = {0, 0};
             next_part(vector, &vector->score, &span, span.pass, &at, &part);) {
            if (!score(vector, &part)) {
                return false;
            }
            take_best(vector, &part, best->row != before, best);
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
    struct best best = {SIZE_MAX, 0};

    begin(vector, record);
    for (size_t i = 0; i < LAT_COUNT(legs); i++) {
        if (!walk(vector, among, &legs[i], &best)) {
            return blame(vector, record, among, err);
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
        vector->rules = strip_of(vector, ops, count, false);
        free(ops);
    }
    lat__strip_begin(vector->rules, record);
    for (size_t word = 0; word < end; word += span.words) {
        uint16_t *here = ret_rules + word * 64;

        if (!take_span(vector, lat__strip_span(vector->rules), among, word, end, &span)) {
            continue;
        }
        lat__strip_run(vector->rules, word, span.words);
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
        vector->terms = strip_of(vector, ops, count, false);
        free(ops);
    }
    lat__strip_begin(vector->terms, record);
    for (size_t word = 0; word < end; word += span.words) {
        if (!take_span(vector, lat__strip_span(vector->terms), among, word, end, &span)) {
            continue;
        }
        lat__strip_run(vector->terms, word, span.words);
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
