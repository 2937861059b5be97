/* Why a row was refused or how its score came about: which rule holds, the terms of the score. Strips of their own, made
 * when they are first wanted, which is seldom. */
#include "sched/walk_internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static bool bit(const uint64_t *bits, size_t row)
{
    return bits[row / 64] >> (row % 64) & 1;
}

/* Some words, and who is asked about there. */
struct span {
    size_t words;
    uint64_t asked[LAT__SPAN_MAX];
};

/* Takes as many words from `word` on as a strip computes at once; false: nobody is asked about there. */
static bool take_span(const struct lat_vector *vector, const struct lat__strip *strip,
                      const uint64_t *among, size_t word, struct span *ret_span)
{
    const uint64_t *alive = lat_columns_alive(vector->columns) + word;
    size_t left = lat__walk_words(vector) - word;
    size_t most = lat__strip_span(strip);
    uint64_t any = 0;

    ret_span->words = left < most ? left : most;
    for (size_t i = 0; i < ret_span->words; i++) {
        ret_span->asked[i] = among != NULL ? alive[i] & among[word + i] : alive[i];
        any |= ret_span->asked[i];
    }
    return any != 0;
}

void lat_vector_rules(struct lat_vector *vector, const struct lat_record *record,
                      const uint64_t *among, uint16_t *ret_rules)
{
    size_t count;
    const struct lat_rule *rules = lat_program_rules(vector->program, &count);
    size_t end = lat__walk_words(vector);
    struct span span;

    if (vector->rules == NULL) {
        uint32_t *ops = lat_alloc_array(count + 1, sizeof(*ops));

        for (size_t i = 0; i < count; i++) {
            ops[i] = rules[i].when;
        }
        vector->rules =
            lat__vector_strip(vector, &(struct lat__wanted){.ops = ops, .count = count});
        free(ops);
    }
    lat__strip_begin(vector->rules, record);
    for (size_t word = 0; word < end; word += span.words) {
        uint16_t *here = ret_rules + word * 64;

        if (!take_span(vector, vector->rules, among, word, &span)) {
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
    size_t end = lat__walk_words(vector);
    struct span span;

    if (vector->terms == NULL) {
        uint32_t *ops = lat_alloc_array(count + 1, sizeof(*ops));

        for (size_t i = 0; i < count; i++) {
            ops[i] = terms[i].value;
        }
        vector->terms =
            lat__vector_strip(vector, &(struct lat__wanted){.ops = ops, .count = count});
        free(ops);
    }
    lat__strip_begin(vector->terms, record);
    for (size_t word = 0; word < end; word += span.words) {
        if (!take_span(vector, vector->terms, among, word, &span)) {
            continue;
        }
        lat__strip_run(vector->terms, word, span.words);
        for (size_t term = 0; term < count; term++) {
            memcpy(ret_terms[term] + word * 64, lat__strip_value(vector->terms, term),
                   span.words * 64 * sizeof(**ret_terms));
        }
    }
}
