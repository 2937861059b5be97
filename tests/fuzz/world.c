/* See world.h. Every run is compared with the row-wise answers; the first difference is told. */
#include "fuzz/world.h"

#include "sched/vector_internal.h"

#include "base/mem.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS = 300, /* a block and a tail */
    BLOCKS = (ROWS + LAT_COLUMNS_BLOCK - 1) / LAT_COLUMNS_BLOCK,
    HOLE_EVERY = 23, /* rows that are dead */
    KERNELS_MAX = 4,
    TOLD_MAX = 1024,
};

const struct fuzz_op fuzz_ops[LAT_OP_COUNT] = {
#define O(name, type, operands) {#name, #type, operands},
    LAT_OPS(O)
#undef O
};

struct fuzz_world {
    struct lat_columns *columns;              /* owned */
    struct lat_record *records[FUZZ_RECORDS]; /* owned */
    struct lat_program *program;              /* owned or NULL */
    char file[64];                            /* that it is of: "placement.lua" */
    bool places;                              /* else it rules */
    struct lat_vector *vectors[KERNELS_MAX];  /* owned, of the program */
    const struct lat__kernels *kernels[KERNELS_MAX];
    size_t kernel_count;
    size_t rows[FUZZ_NODES][ROWS / FUZZ_NODES + 2]; /* of each node, ended by SIZE_MAX */
    int node_of[BLOCKS * LAT_COLUMNS_BLOCK];        /* -1: nobody */
    union lat_program_value *values;                /* of FUZZ_ANSWERS rows, one behind the other */
    size_t op_count;
    uint64_t pass[BLOCKS * LAT_COLUMNS_WORDS];
    uint64_t among[BLOCKS * LAT_COLUMNS_WORDS];
    _Alignas(64) double scores[BLOCKS * LAT_COLUMNS_BLOCK];
    _Alignas(64) double terms[LAT_PROGRAM_TERMS_MAX][BLOCKS * LAT_COLUMNS_BLOCK];
    uint16_t rules[BLOCKS * LAT_COLUMNS_BLOCK];
    char told[TOLD_MAX];
};

static const char *tell(struct fuzz_world *world, const char *format, ...) LAT_PRINTF(2, 3);

static const char *tell(struct fuzz_world *world, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(world->told, sizeof(world->told), format, arguments);
    va_end(arguments);
    return world->told;
}

struct fuzz_world *fuzz_world_new(void)
{
    struct fuzz_world *world = aligned_alloc(64, (sizeof(*world) + 63) / 64 * 64);
    size_t counts[FUZZ_NODES] = {0};

    LAT_ASSERT(world != NULL);
    memset(world, 0, sizeof(*world));
    world->columns = lat_columns_new();
    memset(world->node_of, -1, sizeof(world->node_of));
    for (size_t i = 0; i < ROWS; i++) {
        size_t row = 0;

        LAT_ASSERT(lat_columns_add(world->columns, &row, NULL) == 0 && row == i);
    }
    for (size_t row = 0; row < ROWS; row++) {
        size_t node = (row * 7 + row / FUZZ_NODES) % FUZZ_NODES;

        if (row % HOLE_EVERY == HOLE_EVERY - 1) {
            lat_columns_remove(world->columns, row);
            continue;
        }
        world->node_of[row] = (int)node;
        LAT_ASSERT(counts[node] < LAT_COUNT(world->rows[node]) - 1);
        world->rows[node][counts[node]++] = row;
        world->rows[node][counts[node]] = SIZE_MAX;
    }
    for (size_t i = 0; i < FUZZ_RECORDS; i++) {
        world->records[i] = lat_record_new(world->columns);
    }
    while (world->kernel_count < KERNELS_MAX && lat__kernels_at(world->kernel_count) != NULL) {
        world->kernels[world->kernel_count] = lat__kernels_at(world->kernel_count);
        world->kernel_count++;
    }
    return world;
}

static void drop_program(struct fuzz_world *world)
{
    for (size_t i = 0; i < world->kernel_count; i++) {
        world->vectors[i] = lat_vector_free(world->vectors[i]);
    }
    if (world->program != NULL) {
        world->program = lat_program_unref(world->program);
    }
}

struct fuzz_world *fuzz_world_free(struct fuzz_world *world)
{
    if (world == NULL) {
        return NULL;
    }
    drop_program(world);
    for (size_t i = 0; i < FUZZ_RECORDS; i++) {
        lat_record_free(world->records[i]);
    }
    lat_columns_free(world->columns);
    free(world->values);
    free(world);
    return NULL;
}

struct lat_columns *fuzz_world_columns(struct fuzz_world *world)
{
    return world->columns;
}

struct lat_record *fuzz_world_record(struct fuzz_world *world, size_t record)
{
    return world->records[record];
}

const size_t *fuzz_world_rows(const struct fuzz_world *world, size_t node)
{
    return world->rows[node];
}

int fuzz_world_program(struct fuzz_world *world, const char *policy, const cJSON *json,
                       struct lat_err *err)
{
    drop_program(world);
    world->places = strcmp(policy, "placement") == 0;
    snprintf(world->file, sizeof(world->file), "%s.lua", policy);
    int rc = lat_program_read_as(lat_policy_kind_find(policy), json, &world->program, err);

    if (rc != 0) {
        world->program = NULL;
        return rc;
    }
    (void)lat_program_ops(world->program, &world->op_count);
    free(world->values);
    world->values = lat_alloc_array(world->op_count * FUZZ_ANSWERS + 1, sizeof(*world->values));
    for (size_t i = 0; world->places && i < world->kernel_count; i++) {
        /* Rows with PAIR fields are computed side by side always, or never: every other program, and kernel. */
        size_t few = (world->op_count + i) % 2 * 64;

        world->vectors[i] =
            lat__vector_new_with(world->program, world->columns, world->kernels[i], few);
    }
    return 0;
}

/* ---- pairs ---- */

void fuzz_world_pairs(const struct fuzz_world *world, fuzz_pairs pairs)
{
    size_t count;
    const struct lat_op *ops = lat_program_ops(world->program, &count);

    for (size_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < ops[i].operand_count; k++) {
            pairs[ops[ops[i].operands[k]].code][ops[i].code] = 1;
        }
    }
}

bool fuzz_can_feed(size_t producer, size_t consumer)
{
    const char *operands = fuzz_ops[consumer].operands;
    char type = fuzz_ops[producer].type[0];
    bool is_const = producer <= LAT_OP_const_s;
    bool takes_any = strpbrk(operands, "BIFS") != NULL; /* and no constant alone */

    return (type == '_' && takes_any) || strchr(operands, type) != NULL ||
           (is_const && strchr(operands, type - 'A' + 'a') != NULL);
}

/* ---- the scalar reference ---- */

static bool same(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0 || (isnan(a) && isnan(b));
}

/* Steps over what may stand before a NaN: a sign, and the spaces that it takes the place of. */
static const char *skip_to_nan(const char *text)
{
    const char *at = text + strspn(text, " -");

    return strncmp(at, "nan", 3) == 0 ? at : text;
}

/* Compares two reasons; of a NaN it is enough that it is one. */
static bool same_text(const char *a, const char *b)
{
    size_t left = LAT_PROGRAM_REASON_MAX - 8; /* a sign more, and the end is cut elsewhere */

    for (a = skip_to_nan(a), b = skip_to_nan(b); *a != '\0' && *a == *b;
         a = skip_to_nan(a + 1), b = skip_to_nan(b + 1)) {
        left -= left > 0;
    }
    return *a == *b || left == 0;
}

static union lat_program_value *values_of(const struct fuzz_world *world, size_t node)
{
    return world->values + node * world->op_count;
}

static bool is_by_zero(const char *message)
{
    return strstr(message, "divide by zero") != NULL || strstr(message, "'n%0'") != NULL;
}

/* Of a division by zero, Lua 5.4.4 tells the line of something before it. */
static const char *compare_error(struct fuzz_world *world, size_t node, int line,
                                 const char *message, const struct fuzz_answer *answer)
{
    char sentence[FUZZ_SENTENCE_MAX];

    if (answer->kind != FUZZ_ERROR) {
        return tell(world, "an error that there is not: node %zu, line %d: %s", node + 1, line,
                    message);
    }
    snprintf(sentence, sizeof(sentence), "%s:%d: %s", world->file,
             is_by_zero(message) ? answer->line : line, message);
    if (strcmp(sentence, answer->text) != 0) {
        return tell(world, "another error: node %zu: '%s', and the program: '%s'", node + 1,
                    answer->text, sentence);
    }
    return NULL;
}

static const char *compare_refusal(struct fuzz_world *world, size_t node, int32_t rule,
                                   const struct fuzz_answer *answer)
{
    struct lat_buf reason = {.bytes = NULL};
    const char *told = NULL;
    size_t count;
    const struct lat_rule *rules = lat_program_rules(world->program, &count);

    if (answer->kind != (rules[rule].asks ? FUZZ_ASKS : FUZZ_REFUSED)) {
        return tell(world, "refused or asked that is not: node %zu by rule %d", node + 1, rule);
    }
    for (size_t i = (size_t)rule + 1; i < count; i++) {
        if (values_of(world, node)[rules[i].when].b) {
            return tell(world, "two rules hold: node %zu: %d and %zu", node + 1, rule, i);
        }
    }
    if (!lat_program_reason(world->program, world->columns, (uint32_t)rule, values_of(world, node),
                            &reason) &&
        world->places) {
        lat_buf_add_text(&reason, "refused by the filter of ");
        lat_buf_add_text(&reason, world->file);
    }
    if (!same_text(answer->text, lat_buf_text(&reason))) {
        told = tell(world, "another reason: node %zu: '%s', and the program: '%s'", node + 1,
                    answer->text, lat_buf_text(&reason));
    }
    lat_buf_done(&reason);
    return told;
}

static double score_of(const struct fuzz_world *world, size_t node)
{
    int32_t score = lat_program_score(world->program);

    return score >= 0 ? values_of(world, node)[score].f : 0;
}

static const char *compare_node(struct fuzz_world *world, size_t node, struct fuzz_answer *answer)
{
    size_t count;
    const struct lat_trap *traps = lat_program_traps(world->program, &count);
    int32_t trap = lat_program_trapped(world->program, values_of(world, node));
    int32_t rule = lat_program_refused(world->program, values_of(world, node));
    double score = score_of(world, node);

    if (trap >= 0 && traps[trap].is_left) {
        answer->kind = FUZZ_ERROR; /* whatever Lua says: it is asked */
        return NULL;
    }
    if (trap >= 0) {
        return compare_error(world, node, traps[trap].line, traps[trap].message, answer);
    }
    if (rule >= 0) {
        return compare_refusal(world, node, rule, answer);
    }
    if (!isfinite(score)) {
        return compare_error(
            world, node, lat_program_score_line(world->program),
            "score returned a number that is not finite; it returns a finite number", answer);
    }
    if (answer->kind != FUZZ_SCORE) {
        return tell(world, "a score where there is none: node %zu: %s", node + 1, answer->text);
    }
    if (!same(score, answer->score)) {
        return tell(world, "another score: node %zu: %.17g (%a), and the program: %.17g (%a)",
                    node + 1, answer->score, answer->score, score, score);
    }
    return NULL;
}

/* ---- the vector evaluator ---- */

static bool is_asked(const struct fuzz_world *world, const uint64_t *among, size_t row)
{
    return world->node_of[row] >= 0 && (among == NULL || (among[row / 64] >> (row % 64) & 1) != 0);
}

/* Returns the first row that is asked about and raises an error; ROWS when none does. */
static size_t first_error(const struct fuzz_world *world, const uint64_t *among,
                          const struct fuzz_answer *answers)
{
    size_t row = 0;

    while (row < ROWS &&
           !(is_asked(world, among, row) && answers[world->node_of[row]].kind == FUZZ_ERROR)) {
        row++;
    }
    return row;
}

/* Writes the sentence that the evaluator has for a row. */
static void expect_error(const struct fuzz_world *world, size_t row, char *ret_sentence)
{
    size_t count;
    const struct lat_trap *traps = lat_program_traps(world->program, &count);
    size_t node = (size_t)world->node_of[row];
    int32_t trap = lat_program_trapped(world->program, values_of(world, node));
    double score = score_of(world, node);

    if (trap >= 0) {
        snprintf(ret_sentence, FUZZ_SENTENCE_MAX, "line %d: %s (for node 'n%zu')", traps[trap].line,
                 traps[trap].message, node + 1);
    } else {
        snprintf(ret_sentence, FUZZ_SENTENCE_MAX,
                 "line %d: score returned %s for node 'n%zu'; it returns a finite number",
                 lat_program_score_line(world->program),
                 isnan(score) ? "nan"
                 : score > 0  ? "inf"
                              : "-inf",
                 node + 1);
    }
}

/* Compares an error of the evaluator with the one that there should be; NULL when both are none, or the same. */
static const char *check_error(struct fuzz_world *world, const char *name, int rc,
                               const struct lat_err *err, size_t row)
{
    char sentence[FUZZ_SENTENCE_MAX];

    if (row == ROWS) {
        return rc == 0 ? NULL : tell(world, "an error of a vector: %s: %s", name, err->sentence);
    }
    expect_error(world, row, sentence);
    if (rc == 0) {
        return tell(world, "no error of a vector: %s: '%s'", name, sentence);
    }
    if (strncmp(sentence, err->sentence, sizeof(err->sentence) - 1) != 0) {
        return tell(world, "another error of a vector: %s: '%s', not '%s'", name, err->sentence,
                    sentence);
    }
    return NULL;
}

static const char *check_rows(struct fuzz_world *world, const char *name, const uint64_t *among)
{
    for (size_t row = 0; row < LAT_COUNT(world->node_of); row++) {
        bool passes = (world->pass[row / 64] >> (row % 64) & 1) != 0;
        size_t node = is_asked(world, among, row) ? (size_t)world->node_of[row] : SIZE_MAX;

        if (node == SIZE_MAX) {
            if (passes) {
                return tell(world, "another verdict of a vector: %s: row %zu, nobody asked", name,
                            row);
            }
            continue;
        }
        int32_t rule = lat_program_refused(world->program, values_of(world, node));

        if (passes != (rule < 0)) {
            return tell(world, "another verdict of a vector: %s: row %zu, node %zu", name, row,
                        node + 1);
        }
        if (world->rules[row] != (rule < 0 ? LAT_VECTOR_PASSES : (uint16_t)rule)) {
            return tell(world, "another rule of a vector: %s: row %zu, node %zu: %d, not %d", name,
                        row, node + 1, world->rules[row], rule);
        }
        if (passes && !same(world->scores[row], score_of(world, node))) {
            return tell(world, "another score of a vector: %s: row %zu, node %zu: %a, not %a", name,
                        row, node + 1, world->scores[row], score_of(world, node));
        }
    }
    return NULL;
}

static const char *check_terms(struct fuzz_world *world, const char *name,
                               struct lat_vector *vector, const struct lat_record *record,
                               const uint64_t *among)
{
    double *columns[LAT_PROGRAM_TERMS_MAX];
    size_t count;
    const struct lat_term *terms = lat_program_terms(world->program, &count);

    for (size_t i = 0; i < count; i++) {
        columns[i] = world->terms[i];
    }
    lat_vector_terms(vector, record, among, columns);
    for (size_t i = 0; i < count; i++) {
        for (size_t row = 0; row < ROWS; row++) {
            if (!is_asked(world, among, row)) {
                continue;
            }
            double right = values_of(world, (size_t)world->node_of[row])[terms[i].value].f;

            if (!same(columns[i][row], right)) {
                return tell(world, "another term of a vector: %s: term %zu, row %zu: %a, not %a",
                            name, i, row, columns[i][row], right);
            }
        }
    }
    return NULL;
}

/* Holds the best row to the first of those with the highest score, from an offset and around. */
static const char *check_best(struct fuzz_world *world, const char *name, struct lat_vector *vector,
                              const struct lat_record *record, const uint64_t *among, size_t offset)
{
    struct lat_err err = {.sentence = ""};
    size_t row = 0, best = SIZE_MAX;
    double score = 0, highest = 0;
    int rc = lat_vector_best(vector, record, among, offset, &row, &score, &err);

    if (rc != 0) {
        return tell(world, "an error of a vector: %s: %s", name, err.sentence);
    }
    for (size_t i = 0; i < ROWS; i++) {
        size_t at = (offset + i) % ROWS;

        if ((world->pass[at / 64] >> (at % 64) & 1) != 0 &&
            (best == SIZE_MAX || world->scores[at] > highest)) {
            best = at;
            highest = world->scores[at];
        }
    }
    if (row != best || !same(score, highest)) {
        return tell(world, "another best of a vector: %s: row %zd with %a, not %zd with %a", name,
                    (ssize_t)row, score, (ssize_t)best, highest);
    }
    return NULL;
}

/* Holds rows that are given one by one, the last ones first, to what was found of all. */
static const char *check_listed(struct fuzz_world *world, const char *name,
                                struct lat_vector *vector, const struct lat_record *record,
                                const uint64_t *among)
{
    uint32_t rows[ROWS];
    uint64_t pass[(ROWS + 63) / 64] = {0};
    double scores[ROWS];
    size_t count = 0;

    for (size_t row = ROWS; row-- > 0;) {
        if (is_asked(world, among, row)) {
            pass[count / 64] |= UINT64_C(1) << (count % 64);
            rows[count++] = (uint32_t)row;
        }
    }
    if (!lat__vector_rows(vector, record, rows, count, pass, scores)) {
        return tell(world, "an error of a vector: %s: of rows one by one", name);
    }
    for (size_t i = 0; i < count; i++) {
        bool passes = (world->pass[rows[i] / 64] >> (rows[i] % 64) & 1) != 0;

        if ((pass[i / 64] >> (i % 64) & 1) != passes) {
            return tell(world, "another verdict of a vector: %s: row %u of a list", name, rows[i]);
        }
        if (passes && !same(scores[i], world->scores[rows[i]])) {
            return tell(world, "another score of a vector: %s: row %u of a list: %a, not %a", name,
                        rows[i], scores[i], world->scores[rows[i]]);
        }
    }
    return NULL;
}

/* Asks about some rows, among which nobody raises an error. */
static const char *compare_quiet(struct fuzz_world *world, size_t kernel,
                                 const struct lat_record *record, const uint64_t *among,
                                 size_t offset)
{
    struct lat_vector *vector = world->vectors[kernel];
    const char *name = world->kernels[kernel]->name;
    struct lat_err err = {.sentence = ""};
    int rc = lat_vector_run(vector, record, among, world->pass, world->scores, &err);
    const char *told = check_error(world, name, rc, &err, ROWS);

    if (told != NULL) {
        return told;
    }
    lat_vector_rules(vector, record, among, world->rules);
    told = check_rows(world, name, among);
    told = told != NULL ? told : check_terms(world, name, vector, record, among);
    told = told != NULL ? told : check_listed(world, name, vector, record, among);
    return told != NULL ? told : check_best(world, name, vector, record, among, offset);
}

static const char *compare_vector(struct fuzz_world *world, size_t kernel,
                                  const struct lat_record *record, struct fuzz_answer *answers,
                                  uint64_t chance)
{
    size_t row = first_error(world, NULL, answers);
    struct lat_err err = {.sentence = ""};

    if (row == ROWS) {
        return compare_quiet(world, kernel, record, NULL, chance % ROWS);
    }
    int rc = lat_vector_run(world->vectors[kernel], record, NULL, world->pass, world->scores, &err);
    const char *told = check_error(world, world->kernels[kernel]->name, rc, &err, row);

    if (told != NULL) {
        return told;
    }
    memset(world->among, 0, sizeof(world->among));
    for (row = 0; row < ROWS; row++) {
        if (world->node_of[row] >= 0 && answers[world->node_of[row]].kind != FUZZ_ERROR) {
            world->among[row / 64] |= UINT64_C(1) << (row % 64);
        }
    }
    return compare_quiet(world, kernel, record, world->among, chance % ROWS);
}

const char *fuzz_world_compare(struct fuzz_world *world, size_t workload,
                               struct fuzz_answer answers[FUZZ_NODES], uint64_t chance)
{
    const struct lat_record *record = world->records[workload];
    const char *told = NULL;

    for (size_t node = 0; told == NULL && node < FUZZ_NODES; node++) {
        lat_program_row(world->program, world->columns, record, world->rows[node][0],
                        values_of(world, node));
        told = compare_node(world, node, &answers[node]);
    }
    for (size_t i = 0; told == NULL && i < world->kernel_count; i++) {
        told = compare_vector(world, i, record, answers, chance);
    }
    return told;
}

const char *fuzz_world_rule(struct fuzz_world *world, struct fuzz_answer answers[FUZZ_QUESTIONS])
{
    const char *told = NULL;

    for (size_t i = 0; told == NULL && i < FUZZ_QUESTIONS; i++) {
        lat_columns_forget(world->columns); /* as core/luahost does between two */
        lat_program_row(world->program, world->columns, world->records[FUZZ_WORKLOADS + i], 0,
                        values_of(world, i));
        told = compare_node(world, i, &answers[i]);
    }
    return told;
}
