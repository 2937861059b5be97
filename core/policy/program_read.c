/* Reads programs from the wire: their values here, their rules in program_rules.c. They come out of the jail, where the
 * policy's author might have taken over: nothing in them is believed. Everything is bounded before it is allocated, every
 * operand stands before its user and has the type that the op wants, and what a value depends on is found out here instead
 * of told. */
#include "policy/pattern.h"
#include "policy/program_internal.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct op_row {
    const char *name;
    char type; /* '_': the op itself says */
    const char *operands;
};

static const struct op_row op_rows[] = {
#define O(name, type, operands) {#name, #type[0], operands},
    LAT_OPS(O)
#undef O
};

/* Says that the thing at index of a list is wrong, and how. */
#define WRONG(err, what, index, ...)                                                               \
    lat__program_wrong(err, what, index, lat_text_format(__VA_ARGS__))

int lat__program_wrong(struct lat_err *err, const char *what, size_t index, char *how)
{
    lat_err_set(err, LAT_E_POLICY, "The compiled policy is not valid: %s %zu %s.", what, index,
                how);
    free(how);
    return LAT_E_POLICY;
}

bool lat__program_read_index(const cJSON *json, uint32_t bound, uint32_t *ret)
{
    if (!cJSON_IsNumber(json) || !(json->valuedouble >= 0 && json->valuedouble < bound) ||
        json->valuedouble != floor(json->valuedouble)) {
        return false;
    }
    *ret = (uint32_t)json->valuedouble;
    return true;
}

int lat__program_read_value(const struct lat_program *program, const cJSON *json, char type,
                            uint32_t *ret, const char *what, size_t index, struct lat_err *err)
{
    if (!lat__program_read_index(json, program->op_count, ret)) {
        return WRONG(err, what, index, "names no value that stands before it");
    }
    const struct lat_op *op = &program->ops[*ret];

    if ((op->code == LAT_OP_parts_s) != (type == 'L')) {
        return WRONG(err, what, index, "takes %s, but value %u is not",
                     type == 'L' ? "the parts of a text" : "a value of its own", *ret);
    }
    if (type != '_' && type != 'L' && op->type != (enum lat_program_type)type) {
        return WRONG(err, what, index, "takes a %c, but value %u is a %c", type, *ret,
                     (char)program->ops[*ret].type);
    }
    return 0;
}

const char *lat__program_keep_text(struct lat_program *program, const cJSON *json)
{
    const char *text = cJSON_IsString(json) ? json->valuestring : NULL;
    size_t size = text != NULL ? strlen(text) + 1 : 0;

    if (text == NULL || size > LAT_PROGRAM_TEXT_MAX - program->text_len) {
        return NULL;
    }
    char *kept = program->texts + program->text_len;

    memcpy(kept, text, size);
    program->text_len += (uint32_t)size;
    return kept;
}

void *lat__program_make_room(const cJSON *json, const char *name, uint32_t max, size_t size,
                             struct lat_err *err)
{
    const cJSON *list = lat_json_get(json, name);
    int count = list != NULL ? cJSON_GetArraySize(list) : 0;

    if (list != NULL && !cJSON_IsArray(list)) {
        lat_err_set(err, LAT_E_POLICY, "The compiled policy is not valid: %s is no list.", name);
        return NULL;
    }
    if (count < 0 || (uint32_t)count > max) {
        lat_err_set(err, LAT_E_POLICY,
                    "The compiled policy is too large: it has %d %s, %u are allowed.", count, name,
                    max);
        return NULL;
    }
    return lat_alloc_array((size_t)count + 1, size); /* never of 0 bytes */
}

int lat__program_read_each(struct lat_program *program, const cJSON *list,
                           lat__program_read_one *read, uint32_t *count, struct lat_err *err)
{
    const cJSON *item;

    cJSON_ArrayForEach (item, list) {
        int rc = read(program, item, err);

        if (rc != 0) {
            return rc;
        }
        (*count)++;
    }
    return 0;
}

/* ---- ops ---- */

static int read_const_f(struct lat_op *op, const char *text)
{
    static const struct {
        const char *text;
        double value;
    } special[] = {{"nan", NAN}, {"inf", INFINITY}, {"-inf", -INFINITY}};

    for (size_t i = 0; i < LAT_COUNT(special); i++) {
        if (strcmp(text, special[i].text) == 0) {
            op->constant.f = special[i].value;
            return 0;
        }
    }
    char again[64];
    double value = strtod(text, NULL);

    /* What printf would not write so is no number of ours: rubbish, decimals, overflow, other spellings of nan. */
    snprintf(again, sizeof(again), "%a", value);
    if (!isfinite(value) || strcmp(again, text) != 0) {
        return -1;
    }
    op->constant.f = value;
    return 0;
}

static int read_const(struct lat_program *program, struct lat_op *op, const cJSON *item,
                      struct lat_err *err)
{
    const char *text = cJSON_IsString(item) ? item->valuestring : NULL;
    bool good = false;

    switch (op->code) {
    case LAT_OP_const_b:
        good = cJSON_IsBool(item);
        op->constant.b = cJSON_IsTrue(item);
        break;
    case LAT_OP_const_i:
        good = text != NULL && lat_text_to_int(text, INT64_MIN, INT64_MAX, &op->constant.i) == 0;
        break;
    case LAT_OP_const_f: good = text != NULL && read_const_f(op, text) == 0; break;
    default:
        op->text = lat__program_keep_text(program, item);
        good = op->text != NULL;
        break;
    }
    return good ? 0
                : WRONG(err, "op", program->op_count, "has a constant that is no %s",
                        op_rows[op->code].name + strlen("const_"));
}

enum lat_depends lat_program_field_depends(enum lat_policy_field field)
{
    static const enum lat_depends by_scope[] = {
        [LAT_POLICY_SCOPE_ROW] = LAT_DEPENDS_ROW,
        [LAT_POLICY_SCOPE_PAIR] = LAT_DEPENDS_MIXED,
        [LAT_POLICY_SCOPE_UNIFORM] = LAT_DEPENDS_UNIFORM,
    };

    return by_scope[lat_policy_field_row(field)->scope];
}

static int read_field(struct lat_program *program, struct lat_op *op, const cJSON *item,
                      struct lat_err *err)
{
    static const char types[] = {
        [LAT_POLICY_TYPE_BOOL] = 'B', [LAT_POLICY_TYPE_INT] = 'I',    [LAT_POLICY_TYPE_FLOAT] = 'F',
        [LAT_POLICY_TYPE_TEXT] = 'S', [LAT_POLICY_TYPE_OPTION] = 'S', [LAT_POLICY_TYPE_MAP] = 'S',
    };

    op->field = cJSON_IsString(item) ? lat_policy_field_find(item->valuestring) : LAT_FIELD_COUNT;
    if (op->field == LAT_FIELD_COUNT) {
        return WRONG(err, "op", program->op_count, "names a field that there is not");
    }
    const struct lat_policy_field_row *row = lat_policy_field_row(op->field);

    if (row->kind != program->kind) {
        return WRONG(err, "op", program->op_count, "names a field of another kind of policy");
    }
    if ((row->type == LAT_POLICY_TYPE_MAP) != (op->code != LAT_OP_field)) {
        return WRONG(err, "op", program->op_count, "reads %s in the wrong way", row->path);
    }
    op->type = (enum lat_program_type)types[row->type];
    op->depends = lat_program_field_depends(op->field);
    return 0;
}

/* Checks the place of an entry in a map, and of a part of a text. */
static int check_place(const struct lat_program *program, const struct lat_op *op,
                       struct lat_err *err)
{
    bool is_entry = op->code == LAT_OP_key_at || op->code == LAT_OP_value_at;
    int64_t end = is_entry ? LAT_COLUMNS_MAP_MAX : LAT__PARTS_MAX;
    int64_t place = program->ops[op->operands[is_entry ? 0 : 1]].constant.i;

    return place >= 0 && place < end
               ? 0
               : WRONG(err, "op", program->op_count, "names a place that no %s has",
                       is_entry ? "map" : "text");
}

static int read_operands(struct lat_program *program, struct lat_op *op, const cJSON *item,
                         struct lat_err *err)
{
    const char *operands = op_rows[op->code].operands;

    for (; operands[op->operand_count] != '\0'; item = item->next) {
        uint32_t *operand = &op->operands[op->operand_count];
        char type = operands[op->operand_count];
        bool is_const = type == 's' || type == 'i';
        int rc = lat__program_read_value(program, item, is_const ? (char)(type - 'a' + 'A') : type,
                                         operand, "op", program->op_count, err);

        if (rc != 0) {
            return rc;
        }
        if (is_const && program->ops[*operand].code != LAT_OP_const_s &&
            program->ops[*operand].code != LAT_OP_const_i) {
            return WRONG(err, "op", program->op_count, "takes value %u, which is no constant",
                         *operand);
        }
        op->operand_count++;
        /* The values of the enumeration are made for this: UNIFORM | ROW is MIXED. */
        op->depends = (enum lat_depends)(op->depends | program->ops[*operand].depends);
    }
    return 0;
}

/* ---- texts that are made, and patterns ---- */

/* Returns how long what gsub_s makes of a text can be. What a replacement names are parts of matches, which do not overlap. */
static uint32_t replaced_max(const struct lat_op *op, uint32_t len)
{
    uint32_t names = 0, others = 0;

    for (const char *at = op->text; *at != '\0'; at++) {
        bool is_name = at[0] == '%' && at[1] != '%';

        at += *at == '%';
        names += is_name;
        others += !is_name;
    }
    return len + (len + 1) * others + names * len;
}

/* Returns how long a part can be of a text of so many bytes: its places may be constants that lie close together. */
static uint32_t part_max(const struct lat_op *first, const struct lat_op *last, uint32_t len)
{
    int64_t from = first->constant.i;
    int64_t to = last->constant.i;

    if (first->code != LAT_OP_const_i || last->code != LAT_OP_const_i || from == 0 ||
        (from < 0) != (to < 0)) {
        return len;
    }
    return to < from ? 0 : to - from < len ? (uint32_t)(to - from + 1) : len;
}

/* Finds out how long a text can be. Ops are read in order: nothing is longer than LAT_PROGRAM_MADE_MAX so far. */
static uint32_t text_max(const struct lat_program *program, const struct lat_op *op)
{
    uint32_t in[3] = {0};

    for (uint32_t k = 0; k < op->operand_count; k++) {
        in[k] = program->ops[op->operands[k]].text_max;
    }
    switch (op->code) {
    case LAT_OP_const_s: return (uint32_t)strlen(op->text);
    case LAT_OP_field:
    case LAT_OP_map:
    case LAT_OP_value_at: return LAT_PROGRAM_READ_MAX;
    case LAT_OP_key_at: return LAT__KEY_MAX;
    case LAT_OP_select_s: return in[1] > in[2] ? in[1] : in[2];
    case LAT_OP_concat_s: return in[0] + in[1];
    case LAT_OP_gsub_s: return replaced_max(op, in[0]);
    case LAT_OP_text_i:
    case LAT_OP_text_f: return LAT__NUMBER_MAX;
    case LAT_OP_format_i:
    case LAT_OP_format_f: return LAT__WRITTEN_MAX;
    case LAT_OP_sub_s:
        return part_max(&program->ops[op->operands[1]], &program->ops[op->operands[2]], in[0]);
    case LAT_OP_parts_s: return lat__parts_max(op->pattern, in[0]);
    case LAT_OP_part_s: return program->ops[program->ops[op->operands[0]].operands[0]].text_max;
    default: return in[0]; /* a part of it, or as long */
    }
}

/* Reads the pattern that an op matches, and what it does with a match. */
static int read_pattern(struct lat_program *program, struct lat_op *op, struct lat_err *err)
{
    uint32_t index = op->operands[1];
    const struct lat_op *third = op->operand_count > 2 ? &program->ops[op->operands[2]] : NULL;

    if (program->patterns[index] == NULL) {
        program->patterns[index] = lat__pattern_read(program->ops[index].text);
    }
    op->pattern = program->patterns[index];
    if (op->pattern == NULL) {
        return WRONG(err, "op", program->op_count, "matches what is no pattern");
    }
    if (program->ops[op->operands[0]].text_max > LAT_PROGRAM_MATCHED_MAX) {
        return WRONG(err, "op", program->op_count, "looks for a pattern in too long a text");
    }
    if (op->code == LAT_OP_capture_s &&
        (third->constant.i < 0 ||
         third->constant.i > (int64_t)lat__pattern_captures(op->pattern))) {
        return WRONG(err, "op", program->op_count, "takes a capture that there is not");
    }
    if (op->code == LAT_OP_parts_s && lat__pattern_is_anchored(op->pattern)) {
        return WRONG(err, "op", program->op_count, "looks for a beginning again and again");
    }
    if (op->code == LAT_OP_gsub_s) {
        if (!lat__pattern_replaces(op->pattern, third->text)) {
            return WRONG(err, "op", program->op_count, "replaces by what cannot be written");
        }
        op->text = third->text;
    }
    return 0;
}

/* Reads the directive by which an op writes a number. */
static int read_format(struct lat_program *program, struct lat_op *op, struct lat_err *err)
{
    op->text = program->ops[op->operands[1]].text;
    if (!lat__format_is_good(op->text, program->ops[op->operands[0]].type) ||
        op->text[strlen(op->text) - 1] == 's') {
        return WRONG(err, "op", program->op_count, "has a format that does not go with its value");
    }
    return 0;
}

/* Checks what only operations on texts have. */
static int read_texts(struct lat_program *program, struct lat_op *op, struct lat_err *err)
{
    int rc = 0;

    if (op->code == LAT_OP_format_i || op->code == LAT_OP_format_f) {
        rc = read_format(program, op, err);
    } else if (op->operand_count > 1 && op_rows[op->code].operands[1] == 's') {
        rc = read_pattern(program, op, err);
    }
    if (rc == 0 && op->type == LAT_VALUE_S) {
        op->text_max = text_max(program, op);
    }
    if (rc == 0 && op->operand_count > 0 && op->text_max > LAT_PROGRAM_MADE_MAX) {
        rc = WRONG(err, "op", program->op_count, "makes too long a text");
    }
    return rc;
}

static int read_op(struct lat_program *program, const cJSON *json, struct lat_err *err)
{
    struct lat_op *op = &program->ops[program->op_count];
    const cJSON *item = cJSON_IsArray(json) ? json->child : NULL;
    size_t code = 0;
    int rc = 0;

    if (!cJSON_IsString(item)) {
        return WRONG(err, "op", program->op_count, "has no name");
    }
    while (code < LAT_OP_COUNT && strcmp(op_rows[code].name, item->valuestring) != 0) {
        code++;
    }
    if (code == LAT_OP_COUNT) {
        return WRONG(err, "op", program->op_count, "is '%.40s', which there is not",
                     item->valuestring);
    }
    const struct op_row *row = &op_rows[code];
    bool is_const = strncmp(row->name, "const_", strlen("const_")) == 0;
    bool is_field = lat_program_reads_field((enum lat_opcode)code);

    if ((size_t)cJSON_GetArraySize(json) != 1 + (is_const || is_field) + strlen(row->operands)) {
        return WRONG(err, "op", program->op_count, "does not have what %s takes", row->name);
    }
    op->code = (enum lat_opcode)code;
    op->type = code == LAT_OP_parts_s ? LAT_VALUE_S : (enum lat_program_type)row->type;
    item = item->next;
    if (is_const) {
        rc = read_const(program, op, item, err);
    } else if (is_field) {
        rc = read_field(program, op, item, err);
        item = item->next;
    }
    if (rc == 0 && !is_const) {
        rc = read_operands(program, op, item, err);
    }
    if (rc == 0 && (code == LAT_OP_key_at || code == LAT_OP_value_at || code == LAT_OP_part_s ||
                    code == LAT_OP_part_is)) {
        rc = check_place(program, op, err);
    }
    return rc != 0 ? rc : read_texts(program, op, err);
}

static int read_ops(struct lat_program *program, const cJSON *json, struct lat_err *err)
{
    program->ops =
        lat__program_make_room(json, "ops", LAT_PROGRAM_OPS_MAX, sizeof(*program->ops), err);
    if (program->ops == NULL) {
        return LAT_E_POLICY;
    }
    program->patterns =
        lat__program_make_room(json, "ops", LAT_PROGRAM_OPS_MAX, sizeof(*program->patterns), err);
    return lat__program_read_each(program, lat_json_get(json, "ops"), read_op, &program->op_count,
                                  err);
}

/* What an op costs for one node, at worst, in quarters of an addition: nothing stops a decision that has begun. What is found in a
 * text is remembered, so its share is small. */
static uint32_t cost_of_code(enum lat_opcode code)
{
    if (lat_program_reads_text(code)) {
        return op_rows[code].operands[0] == 'S' && op_rows[code].operands[1] == 's' ? 128 : 16;
    }
    switch (code) {
    case LAT_OP_and:
    case LAT_OP_or:
    case LAT_OP_xor:
    case LAT_OP_not:
    case LAT_OP_select_b: return 1; /* 64 nodes are a word */
    case LAT_OP_mod_f:
    case LAT_OP_fmod_f: return 1024; /* a step for each bit that the exponents are apart */
    case LAT_OP_pow_f:
    case LAT_OP_exp:
    case LAT_OP_log:
    case LAT_OP_log2:
    case LAT_OP_log10:
    case LAT_OP_sin:
    case LAT_OP_cos:
    case LAT_OP_tan: return 256;
    default: return 4;
    }
}

/* What an op does, whatever its texts are like. */
static uint32_t work_of(const struct lat_op *op)
{
    uint32_t ways = op->pattern != NULL ? 1 + (uint32_t)lat__pattern_repeats(op->pattern) : 1;
    bool is_anchored = op->pattern != NULL && lat__pattern_is_anchored(op->pattern);

    return cost_of_code(op->code) / (is_anchored ? 4 : 1) * ways; /* tried in one place */
}

/* What it costs by the length of its texts. Those that are made for scores and verdicts are there at once, of all nodes: so that no policy
 * has the console make more of them than there is memory for. What is longer than a field takes time to look at. */
static uint32_t length_of(const struct lat_program *program, const struct lat_op *op)
{
    bool is_made = op->type == LAT_VALUE_S;
    uint32_t read = 0;

    if (!lat_program_reads_text(op->code)) {
        return 0;
    }
    for (uint32_t k = 0; k < op->operand_count; k++) {
        read += program->ops[op->operands[k]].text_max;
    }
    if (read <= 2 * LAT_PROGRAM_READ_MAX || (is_made && op->pattern == NULL)) {
        read = 0;
    } else {
        read = op->pattern != NULL ? work_of(op) * (read / LAT__TRIED_BYTES)
                                   : read / LAT__LOOKED_BYTES;
    }
    if (!is_made) {
        return read;
    }
    /* All parts of a text together are no longer than it is, for each capture. */
    return read + LAT__MADE_COST +
           op->text_max / (op->code == LAT_OP_part_s ? LAT_PROGRAM_MATCHES_MAX : 1);
}

/* What depends on no node is found out once for all of them, but it is done while somebody waits. */
static bool once_is_cheap(const struct lat_program *program)
{
    uint32_t cost = 0;

    for (uint32_t i = 0; i < program->op_count; i++) {
        const struct lat_op *op = &program->ops[i];

        cost += op->depends < LAT_DEPENDS_ROW ? work_of(op) + length_of(program, op) : 0;
    }
    return cost <= LAT_PROGRAM_ONCE_MAX;
}

/* What reasons alone are made of is made for nodes that are refused, one by one, and for the rule that does it. */
static bool reasons_are_cheap(const struct lat_program *program, const bool *for_all)
{
    bool told[LAT_PROGRAM_OPS_MAX];

    for (uint32_t rule = 0; rule < program->rule_count; rule++) {
        uint32_t cost = 0;

        lat_program_telling(program, rule, told);
        for (uint32_t i = 0; i < program->op_count; i++) {
            const struct lat_op *op = &program->ops[i];
            bool counts = told[i] && !for_all[i] && op->depends >= LAT_DEPENDS_ROW;

            cost += counts ? work_of(op) + length_of(program, op) : 0;
        }
        if (cost > LAT_PROGRAM_TELLING_MAX) {
            return false;
        }
    }
    return true;
}

static int check_cost(const struct lat_program *program, struct lat_err *err)
{
    bool for_all[LAT_PROGRAM_OPS_MAX];
    uint32_t cost = 0;

    lat_program_deciding(program, for_all);
    for (uint32_t i = 0; i < program->term_count; i++) {
        for_all[program->terms[i].value] = true;
    }
    lat__program_reach(program, for_all);
    for (uint32_t i = 0; i < program->op_count; i++) {
        const struct lat_op *op = &program->ops[i];

        cost += work_of(op);
        cost += for_all[i] && op->depends >= LAT_DEPENDS_ROW ? length_of(program, op) : 0;
    }
    if (cost > LAT_PROGRAM_COST_MAX || !reasons_are_cheap(program, for_all)) {
        return lat_err_set(err, LAT_E_POLICY,
                           "The compiled policy takes more work for each node than it may.");
    }
    return once_is_cheap(program)
               ? 0
               : lat_err_set(err, LAT_E_POLICY,
                             "The compiled policy takes more work for each decision than it may.");
}

/* ---- the whole ---- */

static int read_score(struct lat_program *program, const cJSON *json, struct lat_err *err)
{
    const cJSON *score = lat_json_get(json, "score");
    const cJSON *line = lat_json_get(json, "score_line");
    uint32_t value = 0;
    uint32_t line_value = 0;

    program->score = -1;
    if (score != NULL && !cJSON_IsNull(score)) {
        if (program->kind != LAT_POLICY_PLACEMENT) {
            return lat_err_set(
                err, LAT_E_POLICY,
                "The compiled policy is not valid: it places nothing, and has a score.");
        }
        int rc = lat__program_read_value(program, score, 'F', &value, "score", 0, err);

        if (rc != 0) {
            return rc;
        }
        program->score = (int32_t)value;
    }
    if (line != NULL && !lat__program_read_index(line, LAT_PROGRAM_LINE_MAX, &line_value)) {
        return lat_err_set(err, LAT_E_POLICY,
                           "The compiled policy is not valid: score_line is no line.");
    }
    program->score_line = (int)line_value;
    return 0;
}

int lat_program_read_as(enum lat_policy_kind kind, const cJSON *json,
                        struct lat_program **ret_program, struct lat_err *err)
{
    static const char *const known[] = {"version", "ops",        "traps", "rules",
                                        "score",   "score_line", "terms", NULL};
    uint32_t version = 0;

    if (!cJSON_IsObject(json) || lat_json_only(json, known, NULL) != 0) {
        return lat_err_set(
            err, LAT_E_POLICY,
            "The compiled policy is not valid: it has other members than it should.");
    }
    if (!lat__program_read_index(lat_json_get(json, "version"), 2, &version) || version != 1) {
        return lat_err_set(err, LAT_E_POLICY,
                           "The compiled policy is of a version that this console does not know.");
    }
    struct lat_program *program = LAT_NEW(struct lat_program);

    program->references = 1;
    program->kind = kind;
    program->texts = lat_alloc(LAT_PROGRAM_TEXT_MAX);
    program->parts = lat_alloc_array(LAT_PROGRAM_PARTS_MAX, sizeof(*program->parts));
    int rc = read_ops(program, json, err);

    if (rc == 0) {
        rc = lat__program_read_lists(program, json, err);
    }
    if (rc == 0) {
        rc = read_score(program, json, err);
    }
    rc = rc != 0 ? rc : check_cost(program, err);
    if (rc != 0) {
        lat_program_unref(program);
        return rc;
    }
    *ret_program = program;
    return 0;
}

int lat_program_read(const cJSON *json, struct lat_program **ret_program, struct lat_err *err)
{
    return lat_program_read_as(LAT_POLICY_PLACEMENT, json, ret_program, err);
}
