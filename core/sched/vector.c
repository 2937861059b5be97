/* Decisions over columns: all rows are filtered, those that pass are scored, and the scores handed out or the best of them
 * taken. walk.c says in which parts. Which row raises an error the scalar reference tells, row by row. */
#include "sched/walk_internal.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEW = 2 }; /* of more rows for each word, it is faster to compute blocks as they are */

/* What is wanted of a filter, by group. */
enum { REFUSED, TRAPPED };

struct lat__strip *lat__vector_strip(const struct lat_vector *vector,
                                     const struct lat__wanted *wanted)
{
    return lat__strip_new(vector->program, vector->columns, vector->kernels, vector->texts,
                          vector->constants, wanted);
}

static struct lat__ways ways_of(const struct lat_vector *vector, struct lat__wanted wanted)
{
    struct lat__ways ways = {.plain = lat__vector_strip(vector, &wanted)};

    if (lat__strip_has_pairs(ways.plain)) {
        ways.paired = ways.plain;
        wanted.kind = LAT__STRIP_PLAIN;
        ways.plain = lat__vector_strip(vector, &wanted);
    }
    wanted.kind = LAT__STRIP_LISTED;
    ways.listed = lat__vector_strip(vector, &wanted);
    return ways;
}

static void make_deciding(struct lat_vector *vector)
{
    const struct lat_rule *rules = lat_program_rules(vector->program, &vector->rule_count);
    const struct lat_trap *traps = lat_program_traps(vector->program, &vector->trap_count);
    int32_t score = lat_program_score(vector->program);
    size_t count = vector->rule_count + vector->trap_count;
    uint32_t *ops = lat_alloc_array(count + 1, sizeof(*ops));
    size_t op_count;
    const struct lat_op *program = lat_program_ops(vector->program, &op_count);

    for (size_t i = 0; i < vector->rule_count; i++) {
        ops[i] = rules[i].when;
    }
    for (size_t i = 0; i < vector->trap_count; i++) {
        ops[vector->rule_count + i] = traps[i].when;
    }
    lat__masks_simplify(program, op_count, ops, vector->rule_count);
    vector->filter = ways_of(
        vector, (struct lat__wanted){
                    .ops = ops,
                    .count = count,
                    .groups = {[REFUSED] = vector->rule_count, [TRAPPED] = vector->trap_count}});
    if (score >= 0) {
        ops[0] = (uint32_t)score;
        vector->score = ways_of(vector, (struct lat__wanted){.ops = ops, .count = 1});
    }
    free(ops);
}

/* Holds a text that was made of constants. */
static void hold(const struct lat_vector *vector, uint32_t op)
{
    size_t count;
    int32_t code = vector->constants[op].s;

    if (lat_program_ops(vector->program, &count)[op].type == LAT_VALUE_S) {
        LAT_ASSERT(code ==
                   lat_columns_hold(vector->columns, lat_columns_text(vector->columns, code)));
    }
}

struct lat_vector *lat__vector_new_with(struct lat_program *program, struct lat_columns *columns,
                                        const struct lat__kernels *kernels, size_t few)
{
    struct lat_vector *vector = LAT_NEW(struct lat_vector);
    size_t count;
    const struct lat_op *ops = lat_program_ops(program, &count);

    vector->program = lat_program_ref(program);
    vector->columns = columns;
    vector->kernels = kernels;
    vector->texts = lat__texts_new(program, columns);
    vector->few = few;
    vector->constants = lat_alloc_array(count + 1, sizeof(*vector->constants));
    vector->row_values = lat_alloc_array(count + 1, sizeof(*vector->row_values));
    vector->row_ops = lat_alloc_array(count + 1, sizeof(*vector->row_ops));
    for (uint32_t i = 0; i < count; i++) {
        if (ops[i].code == LAT_OP_const_s) {
            vector->constants[i].s = lat_columns_hold(columns, ops[i].text);
        } else if (ops[i].depends == LAT_DEPENDS_CONSTANT) {
            lat_program_value(program, columns, NULL, 0, i, vector->constants);
            hold(vector, i);
        }
    }
    make_deciding(vector);
    return vector;
}

struct lat_vector *lat_vector_new(struct lat_program *program, struct lat_columns *columns)
{
    return lat__vector_new_with(program, columns, lat__kernels_at(0), FEW);
}

static void free_ways(struct lat__ways *ways)
{
    lat__strip_free(ways->plain);
    lat__strip_free(ways->paired);
    lat__strip_free(ways->listed);
}

struct lat_vector *lat_vector_free(struct lat_vector *vector)
{
    if (vector == NULL) {
        return NULL;
    }
    size_t count;
    const struct lat_op *ops = lat_program_ops(vector->program, &count);

    for (size_t i = 0; i < count; i++) {
        if (ops[i].depends == LAT_DEPENDS_CONSTANT && ops[i].type == LAT_VALUE_S) {
            lat_columns_release(vector->columns, vector->constants[i].s);
        }
    }
    free_ways(&vector->filter);
    free_ways(&vector->score);
    lat__strip_free(vector->rules);
    lat__strip_free(vector->terms);
    lat__texts_free(vector->texts);
    lat_program_unref(vector->program);
    free(vector->constants);
    free(vector->row_values);
    free(vector->row_ops);
    free(vector->pass);
    free(vector->left);
    free(vector->list);
    free(vector);
    return NULL;
}

struct lat_program *lat_vector_program(const struct lat_vector *vector)
{
    return vector->program;
}

static bool bit(const uint64_t *bits, size_t row)
{
    return bits[row / 64] >> (row % 64) & 1;
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
        const union lat_program_value *values = lat_vector_row(vector, record, row, -1);
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

static void make_room(struct lat_vector *vector)
{
    size_t words = lat__walk_words(vector);

    if (words > vector->words) {
        vector->words = words;
        free(vector->pass);
        free(vector->left);
        free(vector->list);
        vector->pass = lat_alloc_array(words, sizeof(*vector->pass));
        vector->left = lat_alloc_array(words, sizeof(*vector->left));
        vector->list = lat_alloc_array(words * vector->few, sizeof(*vector->list));
    }
}

static void begin_ways(const struct lat__ways *ways, const struct lat_record *record)
{
    struct lat__strip *const strips[] = {ways->plain, ways->paired, ways->listed};

    for (size_t i = 0; i < LAT_COUNT(strips); i++) {
        if (strips[i] != NULL) {
            lat__strip_begin(strips[i], record);
        }
    }
}

static void begin(struct lat_vector *vector, const struct lat_record *record)
{
    make_room(vector);
    lat_columns_tidy(vector->columns);
    vector->has_once = false;
    begin_ways(&vector->filter, record);
    begin_ways(&vector->score, record);
}

/* Leaves those rows of a part that pass; returns false when one raises an error. */
static bool filter_part(const struct lat_vector *vector, const struct lat__part *part)
{
    const size_t words = part->words;
    uint64_t *bits = part->bits;
    uint64_t trapped = 0;

    lat__part_run(part);
    if (vector->trap_count > 0) {
        const uint64_t *when = lat__strip_value(part->strip, TRAPPED);

        for (size_t word = 0; word < words; word++) {
            trapped |= when[word] & bits[word];
        }
    }
    if (vector->rule_count > 0) {
        const uint64_t *when = lat__strip_value(part->strip, REFUSED);

        for (size_t word = 0; word < words; word++) {
            bits[word] &= ~when[word];
        }
    }
    return trapped == 0;
}

/* Finds out who passes; returns false when a row raises an error. */
static bool filter(struct lat_vector *vector, const uint64_t *among, uint64_t *ret_pass)
{
    const uint64_t *alive = lat_columns_alive(vector->columns);
    const size_t words = lat__walk_words(vector);
    struct lat__walk walk;
    struct lat__part part;

    for (size_t word = 0; word < words; word++) {
        ret_pass[word] = among != NULL ? alive[word] & among[word] : alive[word];
    }
    lat__walk_begin(&walk, vector, &vector->filter, ret_pass);
    while (lat__walk_in_place(&walk, &part)) {
        if (!filter_part(vector, &part)) {
            return false;
        }
    }
    while (lat__walk_list(&walk, &part)) {
        if (!filter_part(vector, &part)) {
            return false;
        }
        for (size_t i = 0; i < part.list_count; i++) {
            ret_pass[part.list[i] / 64] |= (uint64_t)bit(part.bits, i) << (part.list[i] % 64);
        }
    }
    return true;
}

/* Computes the scores of a part, NULL if every score is 0; returns false when one that counts is not finite. */
static bool score_part(const struct lat__part *part, const double **ret_scores)
{
    *ret_scores = NULL;
    if (part->strip == NULL) {
        return true;
    }
    lat__part_run(part);
    *ret_scores = lat__strip_value(part->strip, 0);
    return lat__strip_is_finite(part->strip, 0, part->bits);
}

/* Begins a walk through those that pass, to score them. */
static void begin_scores(struct lat_vector *vector, const uint64_t *pass,
                         struct lat__walk *ret_walk)
{
    memcpy(vector->left, pass, lat__walk_words(vector) * sizeof(*pass));
    lat__walk_begin(ret_walk, vector, &vector->score, vector->left);
}

/* Hands out the scores of a part. */
static void put_scores(const struct lat__part *part, const double *scores, double *ret_scores)
{
    size_t bytes = part->words * 64 * sizeof(*ret_scores);

    if (part->list != NULL) {
        for (size_t i = 0; i < part->list_count; i++) {
            ret_scores[part->list[i]] = scores[i];
        }
    } else if (scores != NULL) {
        memcpy(ret_scores + part->word * 64, scores, bytes);
    } else {
        memset(ret_scores + part->word * 64, 0, bytes);
    }
}

int lat_vector_run(struct lat_vector *vector, const struct lat_record *record,
                   const uint64_t *among, uint64_t *ret_pass, double *ret_scores,
                   struct lat_err *err)
{
    struct lat__walk walk;
    struct lat__part part;
    const double *scores;

    begin(vector, record);
    if (lat__walk_words(vector) == 0) { /* no node, and so no bitmap */
        return 0;
    }
    if (!filter(vector, among, ret_pass)) {
        return blame(vector, record, among, err);
    }
    begin_scores(vector, ret_pass, &walk);
    while (lat__walk_in_place(&walk, &part) || lat__walk_list(&walk, &part)) {
        if (!score_part(&part, &scores)) {
            return blame(vector, record, among, err);
        }
        if (ret_scores != NULL) {
            put_scores(&part, scores, ret_scores);
        }
    }
    return 0;
}

/* ---- some rows ---- */

/* Returns how many rows are computed at once. */
static size_t rows_at_once(const struct lat_vector *vector)
{
    size_t words = lat__strip_span(vector->filter.listed);

    if (vector->score.listed != NULL && lat__strip_span(vector->score.listed) < words) {
        words = lat__strip_span(vector->score.listed);
    }
    return words * 64;
}

bool lat__vector_rows(struct lat_vector *vector, const struct lat_record *record,
                      const uint32_t *rows, size_t count, uint64_t *pass, double *ret_scores)
{
    const size_t most = rows_at_once(vector);

    begin(vector, record);
    for (size_t at = 0; at < count; at += most) {
        size_t left = count - at < most ? count - at : most;
        struct lat__part part = {.list = rows + at,
                                 .list_count = left,
                                 .words = (left + 63) / 64,
                                 .bits = pass + at / 64};
        const double *scores;

        part.strip = vector->filter.listed;
        if (!filter_part(vector, &part)) {
            return false;
        }
        part.strip = vector->score.listed;
        if (!score_part(&part, &scores)) {
            return false;
        }
        for (size_t i = 0; i < left; i++) {
            ret_scores[at + i] = scores != NULL ? scores[i] : 0;
        }
    }
    return true;
}

/* ---- the best ---- */

/* What was found in a search from an offset on and around. */
struct best {
    size_t offset;
    size_t rows; /* how many there are */
    size_t row;  /* SIZE_MAX: none yet */
    double score;
};

/* Returns how many rows come before this one. */
static size_t place_of(const struct best *best, size_t row)
{
    return row >= best->offset ? row - best->offset : row + best->rows - best->offset;
}

static void offer(struct best *best, size_t row, double score)
{
    if (best->row == SIZE_MAX || score > best->score ||
        (score == best->score && place_of(best, row) < place_of(best, best->row))) {
        best->row = row;
        best->score = score;
    }
}

/* Returns which of the words of a part that count is the best, by its scores, if there are any. */
static size_t best_of(const struct lat_vector *vector, const struct lat__part *part,
                      const double *scores)
{
    size_t word = 0;

    if (scores != NULL) {
        return vector->kernels->best(scores, part->bits, part->words);
    }
    while (part->bits[word] == 0) { /* a part has rows */
        word++;
    }
    return word * 64 + (size_t)__builtin_ctzll(part->bits[word]);
}

/* Searches the words of a walk; returns false when a row raises an error. */
static bool search_in_place(struct lat__walk *walk, struct best *best)
{
    struct lat__part part;
    const double *scores;

    while (lat__walk_in_place(walk, &part)) {
        if (!score_part(&part, &scores)) {
            return false;
        }
        size_t index = best_of(walk->vector, &part, scores);

        offer(best, part.word * 64 + index, scores != NULL ? scores[index] : 0);
    }
    return true;
}

static bool search_list(struct lat__walk *walk, struct best *best)
{
    struct lat__part part;
    const double *scores;

    while (lat__walk_list(walk, &part)) {
        if (!score_part(&part, &scores)) {
            return false;
        }
        for (size_t i = 0; i < part.list_count; i++) {
            offer(best, part.list[i], scores[i]);
        }
    }
    return true;
}

/* Searches all, in the order of the walk: from the block of the offset to the end, and from the beginning to that
 * block. Of it, the rows before the offset belong to the second half. */
static bool search(struct lat_vector *vector, struct best *best)
{
    size_t block = best->offset / LAT_COLUMNS_BLOCK * LAT__WORDS;
    uint64_t *left = vector->left + block;
    uint64_t before[LAT__WORDS] = {0};
    struct lat__walk walk;

    begin_scores(vector, vector->pass, &walk);
    for (size_t i = 0; i < LAT__WORDS; i++) {
        size_t first = (block + i) * 64;
        size_t count = best->offset > first ? best->offset - first : 0;

        before[i] = left[i] & (count >= 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1);
        left[i] &= ~before[i];
    }
    walk.word = block;
    if (!search_in_place(&walk, best)) {
        return false;
    }
    memcpy(left, before, sizeof(before));
    walk.word = 0;
    walk.end = block + LAT__WORDS;
    return search_in_place(&walk, best) && search_list(&walk, best);
}

int lat_vector_best(struct lat_vector *vector, const struct lat_record *record,
                    const uint64_t *among, size_t offset, size_t *ret_row, double *ret_score,
                    struct lat_err *err)
{
    size_t rows = lat_columns_rows(vector->columns);
    struct best best = {.offset = offset < rows ? offset : 0, .rows = rows, .row = SIZE_MAX};

    begin(vector, record);
    if (rows > 0 && (!filter(vector, among, vector->pass) || !search(vector, &best))) {
        return blame(vector, record, among, err);
    }
    *ret_row = best.row;
    *ret_score = best.score;
    return 0;
}

/* ---- one row ---- */

/* Marks what is computed of rows: what decides and the terms, or what tells of a rule. */
static void mark_row_ops(struct lat_vector *vector, int32_t rule)
{
    size_t count;
    const struct lat_op *ops = lat_program_ops(vector->program, &count);

    if (vector->has_row_ops && vector->row_rule == rule) {
        return;
    }
    vector->has_row_ops = true;
    vector->row_rule = rule;
    if (rule >= 0) {
        lat_program_telling(vector->program, (uint32_t)rule, vector->row_ops);
        return;
    }
    lat_program_deciding(vector->program, vector->row_ops);
    size_t term_count;
    const struct lat_term *terms = lat_program_terms(vector->program, &term_count);

    for (size_t i = 0; i < term_count; i++) {
        vector->row_ops[terms[i].value] = true;
    }
    for (size_t i = count; i-- > 0;) {
        for (uint32_t k = 0; vector->row_ops[i] && k < ops[i].operand_count; k++) {
            vector->row_ops[ops[i].operands[k]] = true;
        }
    }
}

const union lat_program_value *lat_vector_row(struct lat_vector *vector,
                                              const struct lat_record *record, size_t row,
                                              int32_t rule)
{
    size_t count;
    const struct lat_op *ops = lat_program_ops(vector->program, &count);

    lat_columns_tidy(
        vector->columns); /* reasons make texts, too: of every node that is asked about */
    mark_row_ops(vector, rule);
    bool is_known = vector->has_once && vector->row_epoch == lat_columns_epoch(vector->columns);

    for (uint32_t i = 0; i < count; i++) {
        if (ops[i].depends < LAT_DEPENDS_ROW ? !is_known : vector->row_ops[i]) {
            lat_program_value(vector->program, vector->columns, record, row, i, vector->row_values);
        }
    }
    vector->has_once = true;
    vector->row_epoch = lat_columns_epoch(vector->columns);
    return vector->row_values;
}
