/* The kernels over columns give what the scalar reference gives, to the bit, on every kind of processor that this
 * machine can play. */
#include "sched/vector_internal.h"
#include "tests/unit/support/programs.h"

#include "base/mem.h"
#include "base/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 700, ROOM = 1024 };

/* What the reference says of every row. */
struct verdicts {
    size_t trapped; /* the first row that raises an error; SIZE_MAX: none */
    bool pass[ROOM];
    uint16_t rule[ROOM];
    double score[ROOM];
};

static bool bit(const uint64_t *bits, size_t row)
{
    return bits[row / 64] >> (row % 64) & 1;
}

static bool same(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0 || (isnan(a) && isnan(b));
}

static void judge(const struct lat_program *program, struct lat_columns *columns,
                  const struct lat_record *record, const uint64_t *among, struct verdicts *ret)
{
    union lat_program_value *values = lat_alloc_array(LAT_PROGRAM_OPS_MAX, sizeof(*values));
    int32_t score = lat_program_score(program);

    *ret = (struct verdicts){.trapped = SIZE_MAX};
    for (size_t row = 0; row < lat_columns_rows(columns); row++) {
        if (!bit(lat_columns_alive(columns), row) || (among != NULL && !bit(among, row))) {
            continue;
        }
        lat_program_row(program, columns, record, row, values);
        int32_t rule = lat_program_refused(program, values);

        ret->pass[row] = rule < 0;
        ret->rule[row] = rule < 0 ? LAT_VECTOR_PASSES : (uint16_t)rule;
        ret->score[row] = score < 0 ? 0 : values[score].f;
        if (ret->trapped == SIZE_MAX && (lat_program_trapped(program, values) >= 0 ||
                                         (rule < 0 && !isfinite(ret->score[row])))) {
            ret->trapped = row;
        }
    }
    free(values);
}

static void run_gives(struct lat_vector *vector, const struct lat_columns *columns,
                      const struct lat_record *record, const uint64_t *among,
                      const struct verdicts *want)
{
    static uint64_t pass[ROOM / 64];
    static double scores[ROOM];
    struct lat_err err = {.sentence = ""};
    int rc = lat_vector_run(vector, record, among, pass, scores, &err);

    if (want->trapped != SIZE_MAX) {
        char *name = lat_text_format(
            "'%s'", lat_columns_text(
                        columns, lat_columns_codes(columns, LAT_FIELD_node_name)[want->trapped]));

        assert_int_equal(rc, LAT_E_POLICY);
        assert_non_null(strstr(err.sentence, name));
        assert_int_equal(lat_vector_run(vector, record, among, pass, NULL, NULL), LAT_E_POLICY);
        free(name);
        return;
    }
    assert_int_equal(rc, 0);
    for (size_t row = 0; row < lat_columns_blocks(columns) * LAT_COLUMNS_BLOCK; row++) {
        assert_int_equal(bit(pass, row), want->pass[row]);
        assert_true(!want->pass[row] || same(scores[row], want->score[row]));
    }
}

static void best_gives(struct lat_vector *vector, const struct lat_columns *columns,
                       const struct lat_record *record, const uint64_t *among, size_t offset,
                       const struct verdicts *want)
{
    size_t rows = lat_columns_rows(columns);
    size_t best = SIZE_MAX;
    size_t row = 0;
    double score = -1;
    int rc = lat_vector_best(vector, record, among, offset, &row, &score, NULL);

    if (want->trapped != SIZE_MAX) {
        assert_int_equal(rc, LAT_E_POLICY);
        return;
    }
    for (size_t i = 0; i < rows; i++) {
        size_t at = ((offset < rows ? offset : 0) + i) % rows;

        if (want->pass[at] && (best == SIZE_MAX || want->score[at] > want->score[best])) {
            best = at;
        }
    }
    assert_int_equal(rc, 0);
    assert_int_equal(row, best);
    assert_true(same(score, best == SIZE_MAX ? 0 : want->score[best]));
}

/* Rows that are given one by one: the last ones first, asked about or not. */
static void rows_give(struct lat_vector *vector, const struct lat_columns *columns,
                      const struct lat_record *record, const uint64_t *among,
                      const struct verdicts *want)
{
    static uint32_t rows[ROOM];
    static uint64_t pass[ROOM / 64];
    static double scores[ROOM];
    size_t count = 0;

    memset(pass, 0, sizeof(pass));
    for (size_t row = lat_columns_rows(columns); row-- > 0;) {
        if (bit(lat_columns_alive(columns), row)) {
            pass[count / 64] |= (uint64_t)(among == NULL || bit(among, row)) << count % 64;
            rows[count++] = (uint32_t)row;
        }
    }
    assert_int_equal(lat__vector_rows(vector, record, rows, count, pass, scores),
                     want->trapped == SIZE_MAX);
    for (size_t i = 0; want->trapped == SIZE_MAX && i < count; i++) {
        assert_int_equal(bit(pass, i), want->pass[rows[i]]);
        assert_true(!want->pass[rows[i]] || same(scores[i], want->score[rows[i]]));
    }
}

static void explanations_are_given(struct lat_vector *vector, const struct lat_program *program,
                                   const struct lat_columns *columns,
                                   const struct lat_record *record, const uint64_t *among,
                                   const struct verdicts *want)
{
    static uint16_t rules[ROOM];
    static double memory[LAT_PROGRAM_TERMS_MAX][ROOM];
    double *terms[LAT_PROGRAM_TERMS_MAX];
    size_t count;
    const struct lat_term *rows = lat_program_terms(program, &count);

    for (size_t i = 0; i < LAT_PROGRAM_TERMS_MAX; i++) {
        terms[i] = memory[i];
    }
    lat_vector_rules(vector, record, among, rules);
    lat_vector_terms(vector, record, among, terms);
    for (size_t row = 0; row < lat_columns_rows(columns); row += 7) {
        if (!bit(lat_columns_alive(columns), row) || (among != NULL && !bit(among, row))) {
            continue;
        }
        const union lat_program_value *values = lat_vector_row(vector, record, row, -1);

        assert_int_equal(rules[row], want->rule[row]);
        for (size_t term = 0; term < count; term++) {
            assert_true(same(terms[term][row], values[rows[term].value].f));
        }
    }
}

/* Sets what depends on node and workload anew: of every row, or of few. */
static void pair(struct lat_random *random, struct lat_columns *columns, bool every)
{
    static const enum lat_policy_field fields[] = {
        LAT_FIELD_node_workload_instances, LAT_FIELD_node_has_image, LAT_FIELD_node_has_data};
    size_t rows = lat_columns_rows(columns);

    lat_columns_clear_pairs(columns);
    for (size_t i = 0; i < (every ? rows : 12); i++) {
        size_t row = every ? i : lat_random_below(random, rows);

        if (bit(lat_columns_alive(columns), row)) {
            test_columns_change(random, columns, row,
                                fields[lat_random_below(random, LAT_COUNT(fields))]);
        }
    }
}

/* Holds vectors on all processors to the reference, through some changes of nodes and workloads. */
static void hold_equal(struct lat_random *random, const cJSON *json, struct lat_columns *columns,
                       size_t *ret_decided)
{
    struct lat_program *program = NULL;
    struct lat_vector *vectors[8] = {NULL};
    static struct verdicts want;
    struct lat_err err = {.sentence = ""};
    size_t count = 0;

    if (lat_program_read(json, &program, &err) != 0) {
        fail_msg("%s", err.sentence);
    }
    for (; lat__kernels_at(count / 2) != NULL;
         count++) { /* rows with PAIR fields: never listed, always */
        vectors[count] =
            lat__vector_new_with(program, columns, lat__kernels_at(count / 2), count % 2 * 64);
    }
    for (int change = 0; change < 5; change++) {
        struct lat_record *record = test_record(random, columns);
        uint64_t among[ROOM / 64];
        const uint64_t *asked = change == 1 || change == 3 ? among : NULL;

        if (change >= 2) {
            pair(random, columns, change == 4);
        }
        for (size_t i = 0; i < LAT_COUNT(among); i++) {
            among[i] = lat_random_u64(random) & lat_random_u64(random);
        }
        judge(program, columns, record, asked, &want);
        *ret_decided += want.trapped == SIZE_MAX;
        for (size_t i = 0; i < count; i++) {
            run_gives(vectors[i], columns, record, asked, &want);
            best_gives(vectors[i], columns, record, asked, lat_random_below(random, ROWS + 9),
                       &want);
            rows_give(vectors[i], columns, record, asked, &want);
            explanations_are_given(vectors[i], program, columns, record, asked, &want);
        }
        lat_record_free(record);
        for (int i = 0; i < 3; i++) {
            size_t row = lat_random_below(random, lat_columns_rows(columns));

            if (bit(lat_columns_alive(columns), row)) {
                test_columns_change(random, columns, row,
                                    lat_random_below(random, LAT_NODE_FIELD_COUNT));
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        lat_vector_free(vectors[i]);
    }
    lat_program_unref(program);
}

/* The same for one program, by chance from a seed. */
static void hold_equal_often(uint64_t seed, const char *text)
{
    struct lat_random *random = lat_random_new_seeded(seed);
    struct lat_columns *columns = test_columns(random, ROWS);
    cJSON *json = cJSON_Parse(text);
    size_t decided = 0;

    for (int i = 0; i < 5; i++) {
        hold_equal(random, json, columns, &decided);
    }
    assert_int_equal(decided, 25);
    cJSON_Delete(json);
    lat_columns_free(columns);
    lat_random_free(random);
}

static void every_processor_gives_what_the_reference_gives(void **state)
{
    struct lat_random *random = lat_random_new_seeded(20261121);
    size_t decided = 0;

    (void)state;
    for (int round = 0; round < 60; round++) {
        struct lat_columns *columns = test_columns(random, 1 + lat_random_below(random, ROWS));

        for (int i = 0; i < 3; i++) {
            cJSON *json = test_program(random, 1 + (int)lat_random_below(random, 60));

            hold_equal(random, json, columns, &decided);
            cJSON_Delete(json);
        }
        lat_columns_free(columns);
    }
    assert_true(decided > 100);
    lat_random_free(random);
}

/* Returns how many ops stand before those that are operands: of the parts of a text, what they are made of. */
static size_t ops_before(const char *operands)
{
    return operands[0] == 'L' ? 2 : 0;
}

/* Returns a program whose rules and score are one operation over operands that are constants, of the workload, of the
 * node alone, or of both, as `from` says. */
static char *program_of_op(const char *name, const char *operands, const unsigned from[3])
{
    static const struct {
        char type;
        const char *leaves[4];
    } types[] = {
        {'B',
         {"[\"const_b\",true]", "[\"field\",\"node.healthy\"]", "[\"field\",\"node.has_image\"]",
          "[\"field\",\"node.on_battery\"]"}},
        {'I',
         {"[\"const_i\",\"-3\"]", "[\"field\",\"workload.memory\"]", "[\"field\",\"node.memory\"]",
          "[\"field\",\"node.workload_instances\"]"}},
        {'F',
         {"[\"const_f\",\"-0x1.4p+1\"]", "[\"field\",\"workload.cpu\"]", "[\"field\",\"node.cpu\"]",
          "[\"field\",\"node.free_cpu\"]"}},
        {'S',
         {"[\"const_s\",\"gold\"]", "[\"field\",\"workload.pool\"]", "[\"field\",\"node.pool\"]",
          "[\"field\",\"node.gpu_model\"]"}},
        /* Of a constant there is one kind: a pattern, which may replace, too. */
        {'s',
         {"[\"const_s\",\"o(l)\"]", "[\"const_s\",\".d\"]", "[\"const_s\",\"\"]",
          "[\"const_s\",\"[a-z]*\"]"}},
        {'i',
         {"[\"const_i\",\"0\"]", "[\"const_i\",\"0\"]", "[\"const_i\",\"0\"]",
          "[\"const_i\",\"0\"]"}},
    };
    struct lat_buf out = {.bytes = NULL};
    size_t count = strlen(operands);

    lat_buf_add_text(&out, "{\"version\":1,\"ops\":[");
    if (operands[0] == 'L') {
        lat_buf_addf(&out, "%s,[\"const_s\",\"[ol]\"],", types[3].leaves[from[0]]);
        lat_buf_add_text(&out, "[\"parts_s\",0,1],");
    }
    for (size_t k = 0; k < count; k++) {
        for (size_t i = 0; i < LAT_COUNT(types); i++) {
            if (types[i].type == operands[k]) {
                bool is_format = operands[k] == 's' && strncmp(name, "format", 6) == 0;

                lat_buf_addf(&out, "%s,",
                             is_format ? "[\"const_s\",\"%+g\"]" : types[i].leaves[from[k]]);
            }
        }
    }
    lat_buf_addf(&out, "[\"%s\"", name);
    for (size_t k = 0; k < count; k++) {
        lat_buf_addf(&out, ",%zu", k + ops_before(operands));
    }
    lat_buf_add_text(&out, "]");
    return lat_buf_take_text(&out);
}

static void every_operation_is_right_in_every_shape(void **state)
{
    static const struct {
        const char *name;
        const char *type;
        const char *operands;
    } rows[] = {
#define O(name, type, operands) {#name, #type, operands},
        LAT_OPS(O)
#undef O
    };
    struct lat_random *random = lat_random_new_seeded(7);
    struct lat_columns *columns = test_columns(random, ROWS);
    size_t decided = 0;

    (void)state;
    for (size_t code = LAT_OP_value_at + 1; code < LAT_OP_COUNT; code++) {
        for (unsigned shape = 0; shape < 64; shape++) {
            const unsigned from[3] = {shape % 4, shape / 4 % 4, shape / 16};
            size_t count = strlen(rows[code].operands);
            size_t value = count + ops_before(rows[code].operands);
            struct lat_buf text = {.bytes = NULL};
            char *head;

            if (shape >> (2 * count) != 0) {
                continue;
            }
            head = program_of_op(rows[code].name, rows[code].operands, from);
            lat_buf_add_text(&text, head);
            /* As bits, or as terms (both halves of an integer, which a float could not hold): a value that is not
             * finite is no error there. */
            switch (rows[code].type[0]) {
            case 'I':
                lat_buf_addf(
                    &text,
                    ",[\"const_i\",\"32\"],[\"shr\",%zu,%zu],[\"i2f\",%zu],[\"shl\",%zu,%zu],[\"i2f\",%zu]],"
                    "\"terms\":[{\"value\":%zu,\"line\":1,\"text\":\"\"},{\"value\":%zu,\"line\":1,\"text\":\"\"}]}",
                    value, value + 1, value + 2, value, value + 1, value + 4, value + 3, value + 5);
                break;
            case 'S':
                lat_buf_addf(
                    &text,
                    ",[\"is_nil\",%zu],[\"const_s\",\"gold\"],[\"eq_s\",%zu,%zu]],\"rules\":[{\"when\":%zu,\"line\":1,"
                    "\"text\":\"\"},{\"when\":%zu,\"line\":1,\"text\":\"\"}]}",
                    value, value, value + 2, value + 1, value + 3);
                break;
            case 'L':
                lat_buf_addf(&text,
                             ",[\"parts_n\",%zu],[\"i2f\",%zu]],\"terms\":[{\"value\":%zu,"
                             "\"line\":1,\"text\":\"\"}]}",
                             value, value + 1, value + 2);
                break;
            case 'B':
                lat_buf_addf(&text, "],\"rules\":[{\"when\":%zu,\"line\":1,\"text\":\"\"}]}",
                             value);
                break;
            default:
                lat_buf_addf(&text, "],\"terms\":[{\"value\":%zu,\"line\":1,\"text\":\"\"}]}",
                             value);
                break;
            }
            cJSON *json = cJSON_Parse(lat_buf_text(&text));

            hold_equal(random, json, columns, &decided);
            cJSON_Delete(json);
            lat_buf_done(&text);
            free(head);
        }
    }
    assert_true(decided > 1000);
    lat_columns_free(columns);
    lat_random_free(random);
}

static void what_is_wanted_outlives_its_use_by_others(void **state)
{
    (void)state;
    hold_equal_often(
        11,
        "{\"version\":1,\"ops\":[[\"field\",\"node.free_cpu\"],[\"field\",\"workload.cpu\"],[\"lt_f\",0,1],[\"not\",2],"
        "[\"field\",\"node.free_memory\"],[\"field\",\"workload.memory\"],[\"lt_i\",4,5],[\"and\",3,6]],"
        "\"rules\":[{\"when\":2,\"line\":1,\"text\":\"\"},{\"when\":7,\"line\":1,\"text\":\"\"}]}");
}

/* The text is in a register that is free after its last use, for the number, which is wider. */
static void a_number_is_read_of_a_text_that_was_chosen(void **state)
{
    (void)state;
    hold_equal_often(
        12,
        "{\"version\":1,\"ops\":[[\"field\",\"node.has_image\"],[\"field\",\"node.pool\"],[\"field\",\"node.gpu_model\"],"
        "[\"select_s\",0,1,2],[\"num_f\",3],[\"select_s\",0,2,1],[\"num_i\",5],[\"i2f\",6]],"
        "\"terms\":[{\"value\":4,\"line\":1,\"text\":\"\"},{\"value\":7,\"line\":1,\"text\":\"\"}]}");
}

/* What `if` after `if` refuses, each mask holding only where those before it do not. */
static void masks_that_exclude_each_other_refuse_together(void **state)
{
    (void)state;
    hold_equal_often(
        13,
        "{\"version\":1,\"ops\":[[\"field\",\"node.healthy\"],[\"not\",0],[\"field\",\"node.on_battery\"],[\"and\",0,2],"
        "[\"not\",2],[\"and\",0,4],[\"field\",\"node.free_cpu\"],[\"field\",\"workload.cpu\"],[\"lt_f\",6,7],"
        "[\"and\",5,8],[\"not\",8],[\"and\",5,10],[\"field\",\"node.has_image\"],[\"and\",11,12],[\"field\",\"node.has_data\"],"
        "[\"and\",13,14]],"
        "\"rules\":[{\"when\":1,\"line\":1,\"text\":\"\"},{\"when\":3,\"line\":1,\"text\":\"\"},{\"when\":9,\"line\":1,\"text\":\"\"},{\"when\":15,\"line\":1,\"text\":\"\"}]}");
}

/* What was made of texts is remembered by their codes, of which those that nobody holds are given to other texts. */
static void what_is_made_of_texts_is_right_whatever_codes_they_get(void **state)
{
    struct lat_columns *columns = lat_columns_new();
    struct lat_record *record = lat_record_new(columns);
    struct lat_program *program = test_program_read(
        "{\"version\":1,\"ops\":[[\"field\",\"node.pool\"],[\"upper_s\",0],[\"field\",\"workload.name\"],"
        "[\"find_s\",1,2],[\"i2f\",3],[\"const_s\",\"X-\"],[\"concat_s\",5,1],[\"field\",\"workload.pool\"],"
        "[\"eq_s\",6,7],[\"const_f\",\"0x1p+9\"],[\"select_f\",8,9,4]],\"score\":10,\"score_line\":1}");
    struct lat_vector *vector = lat_vector_new(program, columns);
    struct lat_vector *second = lat_vector_new(program, columns);
    size_t row;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(lat_columns_add(columns, &row, NULL), 0);
    }
    for (int i = 0; i < 200; i++) {
        struct verdicts want;
        char text[32];

        /* Texts come and go, and their codes with them. */
        snprintf(text, sizeof(text), "pool%d", i % 7);
        lat_columns_set_text(columns, (size_t)i % 3, LAT_FIELD_node_pool, text);
        snprintf(text, sizeof(text), "%s%d", i % 2 == 0 ? "OOL" : "L", i % 5);
        lat_record_set_text(record, LAT_FIELD_workload_name, text);
        snprintf(text, sizeof(text), "X-POOL%d", i % 4);
        lat_record_set_text(record, LAT_FIELD_workload_pool, text);
        if (i % 11 == 0) {
            lat_columns_forget(columns);
        }
        for (size_t other = 0; other < 3; other++) {
            judge(program, columns, record, NULL, &want);
            run_gives(other == 1 ? second : vector, columns, record, NULL, &want);
            if (i % 17 == 0) {
                lat_columns_forget(columns);
            }
        }
    }
    lat_vector_free(vector);
    lat_vector_free(second);
    lat_columns_forget(columns);
    lat_program_unref(program);
    lat_record_free(record);
    lat_columns_free(columns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_processor_gives_what_the_reference_gives),
        cmocka_unit_test(every_operation_is_right_in_every_shape),
        cmocka_unit_test(what_is_wanted_outlives_its_use_by_others),
        cmocka_unit_test(a_number_is_read_of_a_text_that_was_chosen),
        cmocka_unit_test(masks_that_exclude_each_other_refuse_together),
        cmocka_unit_test(what_is_made_of_texts_is_right_whatever_codes_they_get),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
