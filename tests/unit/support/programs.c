#include "tests/unit/support/programs.h"

#include "base/mem.h"
#include "base/text.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const words[] = {"",    "12",   "amd64",    "zone",
                                    "ssd", "gold", " -0x1p-1", "no such word"};

static const struct {
    const char *name;
    const char *type;
    const char *operands;
} op_rows[] = {
#define O(name, type, operands) {#name, #type, operands},
    LAT_OPS(O)
#undef O
};

static size_t below(struct lat_random *random, size_t bound)
{
    return (size_t)lat_random_below(random, bound);
}

double test_float(struct lat_random *random)
{
    static const double special[] = {
        0.0,       -0.0,    1.0,       -1.0,           0.5,        -2.5,    NAN,           INFINITY,
        -INFINITY, DBL_MIN, 5e-324,    DBL_MAX,        0x1p53,     -0x1p53, 0x1p53 + 2,    0x1p63,
        -0x1p63,   0x1p64,  3.7,       1e300,          63.0,       64.0,    0x1p63 - 1024, 2.0,
        -3.0,      1e-9,    1048576.0, -0x1p63 - 2048, 0x1p53 - 1, 9.0};
    switch (below(random, 4)) {
    case 0: return special[below(random, LAT_COUNT(special))];
    case 1: return (double)below(random, 64);
    case 2: return (double)(int64_t)lat_random_u64(random) / 3;
    default: return (double)(below(random, 100000)) / 1000 - 20;
    }
}

int64_t test_int(struct lat_random *random)
{
    static const int64_t special[] = {0,
                                      1,
                                      -1,
                                      INT64_MAX,
                                      INT64_MIN,
                                      INT64_MIN + 1,
                                      INT64_MAX - 1,
                                      1LL << 53,
                                      (1LL << 53) + 1,
                                      -(1LL << 53),
                                      -(1LL << 53) - 1,
                                      63,
                                      64,
                                      -63,
                                      -64,
                                      65,
                                      2,
                                      -2,
                                      INT64_MAX - 1023,
                                      1LL << 62,
                                      1048576};

    switch (below(random, 4)) {
    case 0: return special[below(random, LAT_COUNT(special))];
    case 1: return (int64_t)below(random, 64);
    case 2: return (int64_t)lat_random_u64(random);
    default: return (int64_t)below(random, 100000) - 20000;
    }
}

static const char *word(struct lat_random *random)
{
    return words[below(random, LAT_COUNT(words))];
}

static cJSON *word_map(struct lat_random *random)
{
    cJSON *map = cJSON_CreateObject();
    size_t count = below(random, 4);

    for (size_t i = 0; i < count; i++) {
        const char *key = word(random);

        if (lat_json_get(map, key) == NULL) {
            cJSON_AddStringToObject(map, key, word(random));
        }
    }
    return map;
}

/* ---- columns and records ---- */

void test_columns_change(struct lat_random *random, struct lat_columns *columns, size_t row,
                         enum lat_policy_field field)
{
    switch (lat_policy_field_row(field)->type) {
    case LAT_POLICY_TYPE_BOOL:
        lat_columns_set_bool(columns, row, field, below(random, 2) == 0);
        break;
    case LAT_POLICY_TYPE_INT: lat_columns_set_int(columns, row, field, test_int(random)); break;
    case LAT_POLICY_TYPE_FLOAT:
        lat_columns_set_float(columns, row, field, test_float(random));
        break;
    case LAT_POLICY_TYPE_TEXT: lat_columns_set_text(columns, row, field, word(random)); break;
    case LAT_POLICY_TYPE_OPTION:
        lat_columns_set_text(columns, row, field, below(random, 3) == 0 ? NULL : word(random));
        break;
    case LAT_POLICY_TYPE_MAP: {
        cJSON *map = word_map(random);

        lat_columns_set_map(columns, row, field, map);
        cJSON_Delete(map);
        break;
    }
    }
}

struct lat_columns *test_columns(struct lat_random *random, size_t rows)
{
    struct lat_columns *columns = lat_columns_new();

    for (size_t i = 0; i < rows; i++) {
        size_t row = 0;

        assert_int_equal(lat_columns_add(columns, &row, NULL), 0);
        for (int field = 0; field < LAT_NODE_FIELD_COUNT; field++) {
            test_columns_change(random, columns, row, field);
        }
    }
    for (size_t row = 0; row < rows; row++) {
        if (below(random, 16) == 0) {
            lat_columns_remove(columns, row);
        }
    }
    return columns;
}

struct lat_record *test_record(struct lat_random *random, struct lat_columns *columns)
{
    struct lat_record *record = lat_record_new(columns);

    for (int field = LAT_NODE_FIELD_COUNT; field < LAT_FIELD_COUNT; field++) {
        switch (lat_policy_field_row(field)->type) {
        case LAT_POLICY_TYPE_BOOL: lat_record_set_bool(record, field, below(random, 2) == 0); break;
        case LAT_POLICY_TYPE_INT: lat_record_set_int(record, field, test_int(random)); break;
        case LAT_POLICY_TYPE_FLOAT: lat_record_set_float(record, field, test_float(random)); break;
        case LAT_POLICY_TYPE_TEXT: lat_record_set_text(record, field, word(random)); break;
        case LAT_POLICY_TYPE_OPTION:
            lat_record_set_text(record, field, below(random, 3) == 0 ? NULL : word(random));
            break;
        case LAT_POLICY_TYPE_MAP: {
            cJSON *map = word_map(random);

            lat_record_set_map(record, field, map);
            cJSON_Delete(map);
            break;
        }
        }
    }
    return record;
}

/* ---- programs ---- */

struct builder {
    struct lat_random *random;
    cJSON *ops;
    int count;
    char types[LAT_PROGRAM_OPS_MAX];
    bool per_row[LAT_PROGRAM_OPS_MAX]; /* it may be another value for another node */
};

/* Adds an op; its name is followed by `item` (taken, may be NULL) and the operands. */
static int add_op(struct builder *builder, const char *name, char type, cJSON *item,
                  const int *operands, int operand_count)
{
    cJSON *op = cJSON_CreateArray();

    cJSON_AddItemToArray(op, cJSON_CreateString(name));
    if (item != NULL) {
        cJSON_AddItemToArray(op, item);
    }
    builder->per_row[builder->count] = false;
    for (int i = 0; i < operand_count; i++) {
        cJSON_AddItemToArray(op, cJSON_CreateNumber(operands[i]));
        builder->per_row[builder->count] |= builder->per_row[operands[i]];
    }
    cJSON_AddItemToArray(builder->ops, op);
    builder->types[builder->count] = type;
    return builder->count++;
}

static cJSON *text_of_float(double value)
{
    char text[64] = "nan"; /* whatever its sign */

    if (!isnan(value)) {
        snprintf(text, sizeof(text), isinf(value) ? "%f" : "%a", value);
    }
    return cJSON_CreateString(text);
}

static void add_constants(struct builder *builder)
{
    char text[32];

    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof(text), "%lld", (long long)test_int(builder->random));
        add_op(builder, "const_i", 'I', cJSON_CreateString(text), NULL, 0);
        add_op(builder, "const_f", 'F', text_of_float(test_float(builder->random)), NULL, 0);
        add_op(builder, "const_s", 'S', cJSON_CreateString(word(builder->random)), NULL, 0);
    }
    add_op(builder, "const_b", 'B', cJSON_CreateBool(below(builder->random, 2) == 0), NULL, 0);
}

/* Returns a value of this type, mostly a young one; uniform ones alone if asked. */
static int pick(struct builder *builder, char type, bool uniform)
{
    for (;;) {
        size_t back = below(builder->random, 3) == 0 ? (size_t)builder->count : 12;
        int value = builder->count - 1 -
                    (int)below(builder->random,
                               back < (size_t)builder->count ? back : (size_t)builder->count);

        if (builder->types[value] == type && !(uniform && builder->per_row[value])) {
            return value;
        }
        if (below(builder->random, 40) == 0) { /* none is near: make one */
            builder->types[builder->count] = type;
            const char *names[] = {"const_i", "const_f", "const_s", "const_b"};
            cJSON *items[] = {cJSON_CreateString("7"), cJSON_CreateString("0x1p+0"),
                              cJSON_CreateString("gold"), cJSON_CreateBool(true)};
            size_t which = (size_t)(strchr("IFSB", type) - "IFSB");

            for (size_t i = 0; i < LAT_COUNT(items); i++) {
                if (i != which) {
                    cJSON_Delete(items[i]);
                }
            }
            return add_op(builder, names[which], type, items[which], NULL, 0);
        }
    }
}

static int add_field(struct builder *builder, enum lat_policy_field field, char type)
{
    cJSON *path = cJSON_CreateString(lat_policy_field_row(field)->path);
    int value = add_op(builder, "field", type, path, NULL, 0);

    builder->per_row[value] = field < LAT_NODE_FIELD_COUNT;
    return value;
}

static bool is_small(char letter)
{
    return letter >= 'a' && letter <= 'z';
}

/* Adds the constant that an op has as operand `at`: a pattern, what replaces it, the number of a capture. */
static int add_constant(struct builder *builder, size_t code, int at)
{
    static const char *const patterns[] = {"%d+", "^(%a*)", "[^%-]-o", "", "(.)$", "%f[%w]%w"};
    size_t which = below(builder->random, LAT_COUNT(patterns));

    if (code == LAT_OP_format_i || code == LAT_OP_format_f) {
        return add_op(builder, "const_s", 'S', cJSON_CreateString("%7.2f"), NULL, 0);
    }
    if (op_rows[code].operands[at] == 'i') {
        return add_op(builder, "const_i", 'I', cJSON_CreateString("0"), NULL, 0);
    }
    const char *pattern = code == LAT_OP_parts_s && *patterns[which] == '^' ? "." : patterns[which];
    const char *text = at == 1 ? pattern : "<%0>";

    return add_op(builder, "const_s", 'S', cJSON_CreateString(text), NULL, 0);
}

/* Adds the parts of a text. */
static int add_parts(struct builder *builder)
{
    int operands[2] = {add_field(builder, LAT_FIELD_node_pool, 'S'),
                       add_constant(builder, LAT_OP_parts_s, 1)};

    return add_op(builder, "parts_s", 'L', NULL, operands, 2);
}

static void add_random_op(struct builder *builder)
{
    size_t code = LAT_OP_field + below(builder->random, LAT_OP_COUNT - LAT_OP_field);
    int operands[3];
    int count = 0;

    if (code == LAT_OP_field || code == LAT_OP_map) {
        static const char types[] = {'B', 'I', 'F', 'S', 'S', 'S'};
        enum lat_policy_field field = below(builder->random, LAT_PLACEMENT_FIELD_COUNT);
        const struct lat_policy_field_row *row = lat_policy_field_row(field);
        bool is_map = row->type == LAT_POLICY_TYPE_MAP;
        cJSON *path = cJSON_CreateString(row->path);

        operands[0] = is_map ? pick(builder, 'S', below(builder->random, 2) == 0) : 0;
        int value =
            add_op(builder, is_map ? "map" : "field", types[row->type], path, operands, is_map);

        builder->per_row[value] = field < LAT_NODE_FIELD_COUNT;
        return;
    }
    if (code == LAT_OP_key_at || code == LAT_OP_value_at) {
        cJSON *path = cJSON_CreateString("node.labels");
        char place[] = {(char)('0' + below(builder->random, 4)), '\0'};

        operands[0] = add_op(builder, "const_i", 'I', cJSON_CreateString(place), NULL, 0);
        int value = add_op(builder, op_rows[code].name, 'S', path, operands, 1);

        builder->per_row[value] = true;
        return;
    }
    for (const char *type = op_rows[code].operands; *type != '\0'; type++) {
        if (*type == 'L') {
            operands[count] = add_parts(builder);
        } else if (is_small(*type)) {
            operands[count] = add_constant(builder, code, count);
        } else if (is_small(type[1]) ||
                   (code == LAT_OP_concat_s && count == 1)) { /* no text becomes too long */
            operands[count] = *type == 'S' ? add_field(builder, LAT_FIELD_node_pool, 'S')
                                           : pick(builder, *type, false); /* none gets too long */
        } else {
            operands[count] = pick(builder, *type, false);
        }
        count++;
    }
    add_op(builder, op_rows[code].name, op_rows[code].type[0], NULL, operands, count);
}

static cJSON *add_entry(cJSON *list, const char *key, int value, int line)
{
    cJSON *entry = cJSON_CreateObject();

    cJSON_AddNumberToObject(entry, key, value);
    cJSON_AddNumberToObject(entry, "line", line);
    cJSON_AddItemToArray(list, entry);
    return entry;
}

/* Returns what seldom holds: a trap of chance would end every decision. */
static int seldom(struct builder *builder)
{
    int count = add_op(builder, "field", 'I', cJSON_CreateString("node.allocations"), NULL, 0);
    int seven = add_op(builder, "const_i", 'I', cJSON_CreateString("1048577"), NULL, 0);

    builder->per_row[count] = true;
    int same = add_op(builder, "eq_i", 'B', NULL, (int[]){count, seven}, 2);

    return add_op(builder, "and", 'B', NULL, (int[]){pick(builder, 'B', false), same}, 2);
}

static void add_reason(struct builder *builder, cJSON *rule)
{
    static const char *const formats[] = {"%.2f", "%8.3g", "%-12s|", "%s", "%d", "%x", "%a"};
    cJSON *reason = cJSON_AddArrayToObject(rule, "reason");
    cJSON *part = cJSON_CreateObject();
    cJSON *value = cJSON_CreateObject();
    size_t format = below(builder->random, LAT_COUNT(formats));

    cJSON_AddItemToArray(reason, cJSON_CreateString("has "));
    cJSON_AddNumberToObject(part, "value", pick(builder, "BIFS"[below(builder->random, 4)], false));
    cJSON_AddItemToArray(reason, part);
    cJSON_AddStringToObject(value, "format", format == 2 ? "%-12s" : formats[format]);
    cJSON_AddNumberToObject(value, "value", pick(builder, "IF"[below(builder->random, 2)], false));
    cJSON_AddItemToArray(reason, value);
    cJSON_AddNumberToObject(rule, "have", pick(builder, 'F', false));
    cJSON_AddNumberToObject(rule, "need", pick(builder, 'F', false));
    cJSON_AddStringToObject(rule, "compare", "<");
}

cJSON *test_program(struct lat_random *random, int op_count)
{
    struct builder *builder = LAT_NEW(struct builder);
    cJSON *json = cJSON_CreateObject();
    cJSON *traps = cJSON_CreateArray();
    cJSON *rules = cJSON_CreateArray();
    cJSON *terms = cJSON_CreateArray();

    builder->random = random;
    builder->ops = cJSON_CreateArray();
    add_constants(builder);
    for (int i = 0; i < op_count; i++) {
        add_random_op(builder);
    }
    for (size_t i = below(random, 3); i > 0; i--) {
        cJSON_AddStringToObject(add_entry(traps, "when", seldom(builder), 3), "message", "attempt");
    }
    for (size_t i = below(random, 4); i > 0; i--) {
        int when = pick(builder, 'B', false);
        cJSON *rule = add_entry(rules, "when", when, 7);

        cJSON_AddStringToObject(rule, "text", "a < b");
        if (i % 2 == 0) {
            add_reason(builder, rule);
        } else {
            cJSON_AddNullToObject(rule, "reason");
        }
    }
    for (size_t i = below(random, 3); i > 0; i--) {
        cJSON_AddStringToObject(add_entry(terms, "value", pick(builder, 'F', false), 9), "text",
                                "t");
    }
    int score = pick(builder, 'F', false);

    cJSON_AddNumberToObject(json, "version", 1);
    cJSON_AddItemToObject(json, "ops", builder->ops);
    cJSON_AddItemToObject(json, "traps", traps);
    cJSON_AddItemToObject(json, "rules", rules);
    if (below(random, 8) == 0) {
        cJSON_AddNullToObject(json, "score");
    } else {
        cJSON_AddNumberToObject(json, "score", score);
        cJSON_AddNumberToObject(json, "score_line", 11);
    }
    cJSON_AddItemToObject(json, "terms", terms);
    free(builder);
    return json;
}

struct lat_program *test_program_read(const char *text)
{
    struct lat_program *program = NULL;
    struct lat_err err = {.sentence = ""};
    cJSON *json = NULL;

    if (lat_json_parse(text, strlen(text), &json, &err) != 0 ||
        lat_program_read(json, &program, &err) != 0) {
        fail_msg("%s", err.sentence);
    }
    cJSON_Delete(json);
    return program;
}
