/* Judging all rows by the machine's rules and by a program.
 *
 * Requests that neither can tell apart are of one class, and what was found for one of them is kept: the next one looks again
 * only at blocks in which a row has changed since. What belongs to a class is its key: all that the rules look at, and every value
 * of the workload that the program reads. PAIR fields are in no key: blocks with rows that have some are judged each time. */
#include "sched/judge_internal.h"

#include "sched/frame_internal.h"
#include "sched/receipt.h"
#include "sched/vector_internal.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLASSES = 16,
    SIDE_BY_SIDE = 8, /* fewer rows are computed sooner one by one */
};

#define NEVER_LOOKED_AT UINT64_MAX

struct class
{
    struct lat_buf key;
    uint64_t used;    /* when last */
    size_t room;      /* rows, in whole blocks */
    uint64_t *stamps; /* by block: of the columns when it was judged */
    uint64_t *among, *pass;
    double *scores;
};

struct lat__judge {
    struct lat_frame *frame;
    struct lat_record *record;
    char *labels;                /* those in the record */
    struct lat_program *program; /* held by the vector */
    struct lat_vector *vector;
    struct class classes[CLASSES];
    uint64_t clock;
    size_t room;
    uint64_t *todo, *pass; /* scratch */
    uint16_t *rules;
    double *terms[LAT_RECEIPT_TERMS_MAX];
    size_t terms_room;
    union lat_program_value *values; /* by op, of the row that was judged last */
    bool has_values;                 /* for this request, */
    uint64_t epoch;                  /* as long as the columns have this one */
    uint32_t *varying;               /* ops that depend on the row and decide */
    size_t varying_count;
};

/* ---- life ---- */

struct lat__judge *lat__judge_new(struct lat_frame *frame)
{
    struct lat__judge *judge = LAT_NEW(struct lat__judge);

    judge->frame = frame;
    judge->record = lat_record_new(frame->columns);
    return judge;
}

static void forget_classes(struct lat__judge *judge)
{
    for (size_t i = 0; i < CLASSES; i++) {
        struct class *class = &judge->classes[i];

        lat_buf_done(&class->key);
        free(class->stamps);
        free(class->among);
        free(class->pass);
        free(class->scores);
        *class = (struct class){0};
    }
}

struct lat__judge *lat__judge_free(struct lat__judge *judge)
{
    if (judge) {
        forget_classes(judge);
        lat_vector_free(judge->vector);
        lat_record_free(judge->record);
        for (size_t i = 0; i < LAT_RECEIPT_TERMS_MAX; i++) {
            free(judge->terms[i]);
        }
        free(judge->labels);
        free(judge->todo);
        free(judge->pass);
        free(judge->rules);
        free(judge->values);
        free(judge->varying);
        free(judge);
    }
    return NULL;
}

static void make_room(struct lat__judge *judge, size_t rows)
{
    if (rows > judge->room) {
        judge->room = rows;
        judge->todo = lat__anew(judge->todo, rows / 8);
        judge->pass = lat__anew(judge->pass, rows / 8);
        judge->rules = lat__anew(judge->rules, rows * sizeof(*judge->rules));
    }
}

/* ---- what it is about ---- */

static void set_labels(struct lat__judge *judge, const char *labels)
{
    cJSON *json = NULL;

    if (lat_text_equal(judge->labels, labels)) {
        return;
    }
    if (*labels && lat_json_parse(labels, strlen(labels), &json, NULL) != 0) {
        json = NULL; /* a hand that edited: a workload without labels */
    }
    lat_record_set_map(judge->record, LAT_FIELD_workload_labels, json);
    lat_text_replace(&judge->labels, labels);
    cJSON_Delete(json);
}

static void set_record(struct lat__judge *judge, const struct lat_request *request)
{
    const struct lat_workload *workload = request->workload;
    struct lat_record *record = judge->record;

    lat_record_set_text(record, LAT_FIELD_workload_id, workload->row.id);
    lat_record_set_text(record, LAT_FIELD_workload_name, workload->name);
    lat_record_set_text(record, LAT_FIELD_workload_project, request->project);
    lat_record_set_text(record, LAT_FIELD_workload_type, workload->type);
    lat_record_set_text(record, LAT_FIELD_workload_kind, workload->kind);
    lat_record_set_int(record, LAT_FIELD_workload_count, workload->count);
    lat_record_set_float(record, LAT_FIELD_workload_cpu, (double)workload->cpu_milli / 1000);
    lat_record_set_int(record, LAT_FIELD_workload_memory, workload->memory_bytes);
    lat_record_set_int(record, LAT_FIELD_workload_disk, workload->disk_bytes);
    lat_record_set_int(record, LAT_FIELD_workload_bandwidth, workload->bandwidth_bps);
    lat_record_set_int(record, LAT_FIELD_workload_gpus, workload->gpu_count);
    lat_record_set_float(record, LAT_FIELD_workload_gpu_share,
                         (double)workload->gpu_share_milli / 1000);
    lat_record_set_text(record, LAT_FIELD_workload_gpu_model,
                        *workload->gpu_model ? workload->gpu_model : NULL);
    lat_record_set_int(record, LAT_FIELD_workload_gpu_memory, workload->gpu_memory_bytes);
    lat_record_set_int(record, LAT_FIELD_workload_priority, workload->priority);
    set_labels(judge, workload->labels);
}

const struct lat_record *lat__judge_record(struct lat__judge *judge,
                                           const struct lat_request *request)
{
    set_record(judge, request);
    return judge->record;
}

/* ---- classes ---- */

static void add_text(struct lat_buf *key, const char *text)
{
    size_t len = text ? strlen(text) + 1 : 0;

    lat_buf_add(key, &len, sizeof(len));
    lat_buf_add(key, text ? text : "", len);
}

/* Adds what a program reads of the workload by an op. Codes are other texts' one day: the texts are what counts. */
static void add_value(const struct lat__judge *judge, const struct lat_op *ops,
                      const struct lat_op *op, struct lat_buf *key)
{
    const struct lat_record *record = judge->record;
    struct lat_columns *columns = judge->frame->columns;
    const struct lat_op *map_key;

    switch (lat_policy_field_row(op->field)->type) {
    case LAT_POLICY_TYPE_BOOL: lat_buf_add_byte(key, lat_record_bool(record, op->field)); break;
    case LAT_POLICY_TYPE_INT: {
        int64_t value = lat_record_int(record, op->field);

        lat_buf_add(key, &value, sizeof(value));
        break;
    }
    case LAT_POLICY_TYPE_FLOAT: {
        double value = lat_record_float(record, op->field);

        lat_buf_add(key, &value, sizeof(value));
        break;
    }
    case LAT_POLICY_TYPE_TEXT:
    case LAT_POLICY_TYPE_OPTION:
        add_text(key, lat_columns_text(columns, lat_record_code(record, op->field)));
        break;
    case LAT_POLICY_TYPE_MAP:
        map_key = &ops[op->operands[0]];
        if (op->code == LAT_OP_map && map_key->code == LAT_OP_const_s) {
            int32_t code = lat_columns_code(columns, map_key->text);

            add_text(key, lat_columns_text(columns, lat_record_lookup(record, op->field, code)));
        } else {
            add_text(key, judge->labels); /* whichever it is */
        }
        break;
    }
}

static void make_key(const struct lat__judge *judge, const struct lat_request *request,
                     struct lat_buf *key)
{
    size_t count;
    const struct lat_op *ops = lat_program_ops(judge->program, &count);

    lat_buf_add(key, &request->need, sizeof(request->need));
    add_text(key, request->fit ? request->workload->placement : NULL);
    for (size_t i = 0; i < count; i++) {
        if (lat_program_reads_field(ops[i].code) && ops[i].field >= LAT_NODE_FIELD_COUNT) {
            add_value(judge, ops, &ops[i], key);
        }
    }
}

/* Returns the class with that key (taken); the one that was not used for longest makes room for a new one. */
static struct class *class_of(struct lat__judge *judge, struct lat_buf *key)
{
    struct class *oldest = &judge->classes[0];

    for (size_t i = 0; i < CLASSES; i++) {
        struct class *class = &judge->classes[i];

        if (class->used != 0 && class->key.len == key->len &&
            memcmp(class->key.bytes, key->bytes, key->len) == 0) {
            lat_buf_done(key);
            class->used = ++judge->clock;
            return class;
        }
        oldest = class->used < oldest->used ? class : oldest;
    }
    lat_buf_done(&oldest->key);
    oldest->key = *key;
    oldest->used = ++judge->clock;
    for (size_t block = 0; block < oldest->room / LAT_COLUMNS_BLOCK; block++) {
        oldest->stamps[block] = NEVER_LOOKED_AT;
    }
    return oldest;
}

/* What grows is judged anew: a fleet grows seldom. */
static void make_class_room(struct class *class, size_t rows)
{
    size_t blocks = rows / LAT_COLUMNS_BLOCK;

    if (rows <= class->room) {
        return;
    }
    class->room = rows;
    class->stamps = lat_grow(class->stamps, blocks, sizeof(*class->stamps));
    class->among = lat__anew(class->among, rows / 8);
    class->pass = lat__anew(class->pass, rows / 8);
    class->scores = lat__anew(class->scores, rows * sizeof(double));
    for (size_t block = 0; block < blocks; block++) {
        class->stamps[block] = NEVER_LOOKED_AT;
    }
}

/* Tells whether a row of a block has PAIR fields that may be set. */
static bool has_pairs(const struct lat_frame *frame, size_t block)
{
    const uint64_t *paired = lat_columns_paired(frame->columns) + block * LAT_COLUMNS_WORDS;
    uint64_t any = 0;

    for (size_t i = 0; i < LAT_COLUMNS_WORDS; i++) {
        any |= paired[i];
    }
    return any != 0;
}

/* Tells whether what is found for a request says nothing of another one with the same key. */
static bool is_passing_request(const struct lat_request *request)
{
    return request->data || lat_fit_is_passing(request->fit);
}

/* ---- judging ---- */

static void bind(struct lat__judge *judge, struct lat_program *program)
{
    bool reached[LAT_PROGRAM_OPS_MAX] = {false};
    size_t count;
    const struct lat_op *ops = lat_program_ops(program, &count);

    if (judge->program == program) {
        return;
    }
    forget_classes(judge);
    lat_vector_free(judge->vector);
    judge->vector = lat_vector_new(program, judge->frame->columns);
    judge->program = program;
    judge->values = lat_grow(judge->values, count + 1, sizeof(*judge->values));
    judge->varying = lat_grow(judge->varying, count + 1, sizeof(*judge->varying));
    judge->varying_count = 0;
    lat_program_deciding(program, reached);
    for (uint32_t i = 0; i < count; i++) {
        if (reached[i] && ops[i].depends >= LAT_DEPENDS_ROW) {
            judge->varying[judge->varying_count++] = i;
        }
    }
}

/* Computes the values that decide about a row; what depends on the workload alone is there from the row before. */
static void compute_row(struct lat__judge *judge, size_t row)
{
    struct lat_columns *columns = judge->frame->columns;

    /* Texts that were made for the row before may have been forgotten since. */
    if (!judge->has_values || judge->epoch != lat_columns_epoch(columns)) {
        lat_program_row(judge->program, columns, judge->record, row, judge->values);
        judge->has_values = true;
        judge->epoch = lat_columns_epoch(columns);
        return;
    }
    for (size_t i = 0; i < judge->varying_count; i++) {
        lat_program_value(judge->program, columns, judge->record, row, judge->varying[i],
                          judge->values);
    }
}

int lat__judge_run(struct lat__judge *judge, struct lat_program *program,
                   const struct lat_request *request, struct lat__judgement *ret_judgement,
                   struct lat_err *err)
{
    struct lat_columns *columns = judge->frame->columns;
    size_t blocks = lat_columns_blocks(columns);
    const size_t block_bytes = LAT_COLUMNS_BLOCK / 8;
    struct lat_buf key = {0};
    struct class *class;
    int rc;

    bind(judge, program);
    judge->has_values = false;
    set_record(judge, request);
    make_key(judge, request, &key);
    class = class_of(judge, &key);
    make_class_room(class, blocks * LAT_COLUMNS_BLOCK);
    make_room(judge, blocks * LAT_COLUMNS_BLOCK);
    for (size_t block = 0; block < blocks; block++) {
        uint64_t *words = judge->todo + block * LAT_COLUMNS_WORDS;
        bool has = has_pairs(judge->frame, block) || is_passing_request(request);

        memset(words, 0, block_bytes);
        if (has || class->stamps[block] != lat_columns_stamps(columns)[block]) {
            memcpy(words, lat_columns_alive(columns) + block * LAT_COLUMNS_WORDS, block_bytes);
            class->stamps[block] = NEVER_LOOKED_AT;
        }
    }
    lat_rules_narrow(judge->frame, request, judge->todo);
    rc = lat_vector_run(judge->vector, judge->record, judge->todo, judge->pass, class->scores, err);
    if (rc != 0) {
        return rc;
    }
    for (size_t block = 0; block < blocks; block++) {
        size_t at = block * LAT_COLUMNS_WORDS;

        if (class->stamps[block] == NEVER_LOOKED_AT) {
            memcpy(class->among + at, judge->todo + at, block_bytes);
            memcpy(class->pass + at, judge->pass + at, block_bytes);
            if (!has_pairs(judge->frame, block) && !is_passing_request(request)) {
                class->stamps[block] = lat_columns_stamps(columns)[block];
            }
        }
    }
    *ret_judgement = (struct lat__judgement){
        .among = class->among, .pass = class->pass, .scores = class->scores};
    return 0;
}

/* Judges a row by the program alone. */
static int judge_by_program(struct lat__judge *judge, size_t row, bool *ret_pass, double *ret_score,
                            struct lat_err *err)
{
    const union lat_program_value *values = judge->values;
    int32_t score = lat_program_score(judge->program);
    int32_t trap;

    compute_row(judge, row);
    trap = lat_program_trapped(judge->program, values);
    if (trap >= 0) {
        size_t count;
        const struct lat_trap *raised = &lat_program_traps(judge->program, &count)[trap];

        return lat_err_set(err, LAT_E_POLICY, "line %d: %s (for node '%s')", raised->line,
                           raised->message, judge->frame->nodes[row]->name);
    }
    *ret_pass = lat_program_refused(judge->program, values) < 0;
    *ret_score = score < 0 ? 0 : values[score].f;
    if (*ret_pass && !isfinite(*ret_score)) {
        return lat_err_set(err, LAT_E_POLICY,
                           "line %d: score returned no finite number for node '%s'",
                           lat_program_score_line(judge->program), judge->frame->nodes[row]->name);
    }
    return 0;
}

int lat__judge_row(struct lat__judge *judge, const struct lat_request *request, size_t row,
                   bool *ret_pass, double *ret_score, struct lat_err *err)
{
    struct lat_margin margin;

    if (lat_rules_find(judge->frame, request, row, &margin) >= 0) {
        *ret_pass = false;
        return 0;
    }
    return judge_by_program(judge, row, ret_pass, ret_score, err);
}

int lat__judge_again(struct lat__judge *judge, const struct lat_request *request,
                     const uint32_t *rows, size_t count, uint64_t *ret_pass, double *ret_scores,
                     struct lat_err *err)
{
    memset(ret_pass, 0, (count + 63) / 64 * sizeof(*ret_pass));
    for (size_t i = 0; i < count; i++) {
        ret_pass[i / 64] |= (uint64_t)lat_rules_still(judge->frame, request, rows[i]) << i % 64;
    }
    if (count >= SIDE_BY_SIDE) {
        return lat__vector_rows(judge->vector, judge->record, rows, count, ret_pass, ret_scores)
                   ? 0
                   : lat_err_set(err, LAT_E_POLICY, "a node of several raises an error");
    }
    for (size_t i = 0; i < count; i++) {
        bool passes = false;
        int rc;

        if (!(ret_pass[0] >> i & 1)) {
            continue;
        }
        rc = judge_by_program(judge, rows[i], &passes, &ret_scores[i], err);
        if (rc != 0) {
            return rc;
        }
        ret_pass[0] &= ~((uint64_t)!passes << i);
    }
    return 0;
}

/* ---- telling ---- */

const double *const *lat__judge_terms(struct lat__judge *judge, const uint64_t *pass)
{
    size_t count;

    lat_program_terms(judge->program, &count);
    if (judge->terms_room < judge->room) {
        judge->terms_room = judge->room;
        for (size_t i = 0; i < LAT_RECEIPT_TERMS_MAX; i++) {
            free(judge->terms[i]);
            judge->terms[i] = NULL;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!judge->terms[i]) {
            judge->terms[i] = lat_columns_memory(judge->terms_room * sizeof(double));
        }
    }
    lat_vector_terms(judge->vector, judge->record, pass, judge->terms);
    return (const double *const *)judge->terms;
}

const uint16_t *lat__judge_rules(struct lat__judge *judge, const uint64_t *refused)
{
    lat_vector_rules(judge->vector, judge->record, refused, judge->rules);
    return judge->rules;
}

/* Tells whether a field of a node may be another one tomorrow, though the node is the same machine. */
static bool is_passing(enum lat_policy_field field)
{
    switch (field) {
    case LAT_FIELD_node_id:
    case LAT_FIELD_node_name:
    case LAT_FIELD_node_pool:
    case LAT_FIELD_node_architecture:
    case LAT_FIELD_node_os:
    case LAT_FIELD_node_labels:
    case LAT_FIELD_node_attributes:
    case LAT_FIELD_node_cpu:
    case LAT_FIELD_node_memory:
    case LAT_FIELD_node_disk:
    case LAT_FIELD_node_bandwidth:
    case LAT_FIELD_node_gpus:
    case LAT_FIELD_node_gpu_model:
    case LAT_FIELD_node_gpu_memory: return false;
    default: return field < LAT_NODE_FIELD_COUNT;
    }
}

/* Tells whether a value depends on something passing. Operands come before what they make, so one walk backwards sees them all. */
static bool depends_on_passing(const struct lat_program *program, uint32_t value)
{
    size_t count;
    const struct lat_op *ops = lat_program_ops(program, &count);
    bool reached[LAT_PROGRAM_OPS_MAX] = {false};

    reached[value] = true;
    for (uint32_t i = value + 1; i-- > 0;) {
        if (!reached[i]) {
            continue;
        }
        if (lat_program_reads_field(ops[i].code) && is_passing(ops[i].field)) {
            return true;
        }
        for (uint32_t operand = 0; operand < ops[i].operand_count; operand++) {
            reached[ops[i].operands[operand]] = true;
        }
    }
    return false;
}

/* Writes a number that a value is, if it is one. */
static bool number_of(const struct lat_op *ops, int32_t value,
                      const union lat_program_value *values, double *ret_number)
{
    if (value < 0 || (ops[value].type != LAT_VALUE_I && ops[value].type != LAT_VALUE_F)) {
        return false;
    }
    *ret_number = ops[value].type == LAT_VALUE_I ? (double)values[value].i : values[value].f;
    return true;
}

void lat__judge_refusal(struct lat__judge *judge, uint32_t rule, size_t row,
                        struct lat__refusal *ret_refusal, struct lat_buf *reason)
{
    size_t count;
    const struct lat_op *ops = lat_program_ops(judge->program, &count);
    const struct lat_rule *what = &lat_program_rules(judge->program, &count)[rule];
    const union lat_program_value *values =
        lat_vector_row(judge->vector, judge->record, row, (int32_t)rule);
    struct lat__refusal refusal = {.tense = LAT_TENSE_NEVER};

    /* What a node has says more than the whole condition, which holds only where those before it did not. */
    if (depends_on_passing(judge->program, what->have >= 0 ? (uint32_t)what->have : what->when)) {
        refusal.tense = LAT_TENSE_NOT_NOW;
    }
    refusal.has_margin = number_of(ops, what->have, values, &refusal.have) &&
                         number_of(ops, what->need, values, &refusal.need);
    if (!lat_program_reason(judge->program, judge->frame->columns, rule, values, reason)) {
        lat_buf_add_text(reason, "the policy refused it");
    }
    *ret_refusal = refusal;
}
