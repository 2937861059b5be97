/* The values of a program for one row, op by op, in the simplest C there is: what the kernels over columns are held
 * to, and what reasons and terms of single rows are made with. Compiled so that no two operations are made one
 * (-ffp-contract=off). */
#include "policy/arith.h"
#include "policy/program_internal.h"

#include "base/mem.h"

/* Everything that a row is computed from. */
struct row {
    struct lat_columns *columns;
    const struct lat_record *record;
    size_t index;
};

static union lat_program_value node_field(const struct row *row, const struct lat_op *op)
{
    union lat_program_value value = {.i = 0};

    switch (op->type) {
    case LAT_VALUE_B:
        value.b =
            lat_columns_bits(row->columns, op->field)[row->index / 64] >> (row->index % 64) & 1;
        break;
    case LAT_VALUE_I: value.i = lat_columns_ints(row->columns, op->field)[row->index]; break;
    case LAT_VALUE_F: value.f = lat_columns_floats(row->columns, op->field)[row->index]; break;
    default: value.s = lat_columns_codes(row->columns, op->field)[row->index]; break;
    }
    return value;
}

static union lat_program_value uniform_field(const struct row *row, const struct lat_op *op)
{
    union lat_program_value value = {.i = 0};

    switch (op->type) {
    case LAT_VALUE_B: value.b = lat_record_bool(row->record, op->field); break;
    case LAT_VALUE_I: value.i = lat_record_int(row->record, op->field); break;
    case LAT_VALUE_F: value.f = lat_record_float(row->record, op->field); break;
    default: value.s = lat_record_code(row->record, op->field); break;
    }
    return value;
}

static union lat_program_value leaf(const struct row *row, const struct lat_op *op,
                                    union lat_program_value key)
{
    bool is_node = op->field < LAT_NODE_FIELD_COUNT;
    union lat_program_value value = op->constant;

    if (op->code == LAT_OP_const_s) {
        value.s = lat_columns_keep_text(row->columns, op->text);
    } else if (op->code == LAT_OP_field) {
        value = is_node ? node_field(row, op) : uniform_field(row, op);
    } else if (op->code == LAT_OP_map) {
        value.s = is_node ? lat_columns_lookup(row->columns, op->field, row->index, key.s)
                          : lat_record_lookup(row->record, op->field, key.s);
    } else if (op->code == LAT_OP_key_at || op->code == LAT_OP_value_at) {
        bool is_value = op->code == LAT_OP_value_at;

        value.s = is_node ? lat_columns_entry(row->columns, op->field, row->index, (size_t)key.i,
                                              is_value)
                          : lat_record_entry(row->record, op->field, (size_t)key.i, is_value);
    }
    return value;
}

bool lat_program_reads_field(enum lat_opcode code)
{
    return code >= LAT_OP_field && code <= LAT_OP_value_at;
}

/* What is about truth and text. */
static union lat_program_value choose(const struct lat_op *op, union lat_program_value a,
                                      union lat_program_value b, union lat_program_value c)
{
    union lat_program_value value = {.i = 0};

    switch (op->code) {
    case LAT_OP_and: value.b = a.b && b.b; break;
    case LAT_OP_or: value.b = a.b || b.b; break;
    case LAT_OP_xor: value.b = a.b != b.b; break;
    case LAT_OP_not: value.b = !a.b; break;
    case LAT_OP_is_nil: value.b = a.s == 0; break;
    case LAT_OP_eq_s: value.b = a.s == b.s; break;
    default: value = a.b ? b : c; break; /* the selects */
    }
    return value;
}

static union lat_program_value of_ints(const struct lat_op *op, int64_t a, int64_t b)
{
    union lat_program_value value = {.i = 0};

    switch (op->code) {
    case LAT_OP_add_i: value.i = lat_arith_add_i(a, b); break;
    case LAT_OP_sub_i: value.i = lat_arith_sub_i(a, b); break;
    case LAT_OP_mul_i: value.i = lat_arith_mul_i(a, b); break;
    case LAT_OP_neg_i: value.i = lat_arith_neg_i(a); break;
    case LAT_OP_abs_i: value.i = lat_arith_abs_i(a); break;
    case LAT_OP_idiv_i: value.i = lat_arith_idiv_i(a, b); break;
    case LAT_OP_mod_i: value.i = lat_arith_mod_i(a, b); break;
    case LAT_OP_fmod_i: value.i = lat_arith_fmod_i(a, b); break;
    case LAT_OP_band: value.i = a & b; break;
    case LAT_OP_bor: value.i = a | b; break;
    case LAT_OP_bxor: value.i = a ^ b; break;
    case LAT_OP_bnot: value.i = ~a; break;
    case LAT_OP_shl: value.i = lat_arith_shl(a, b); break;
    case LAT_OP_shr: value.i = lat_arith_shr(a, b); break;
    case LAT_OP_lt_i: value.b = a < b; break;
    case LAT_OP_le_i: value.b = a <= b; break;
    case LAT_OP_eq_i: value.b = a == b; break;
    case LAT_OP_ult_i: value.b = (uint64_t)a < (uint64_t)b; break;
    default: value.f = (double)a; break; /* i2f */
    }
    return value;
}

static union lat_program_value of_floats(const struct lat_op *op, double a, double b)
{
    union lat_program_value value = {.i = 0};

    switch (op->code) {
    case LAT_OP_add_f: value.f = a + b; break;
    case LAT_OP_sub_f: value.f = a - b; break;
    case LAT_OP_mul_f: value.f = a * b; break;
    case LAT_OP_div_f: value.f = a / b; break;
    case LAT_OP_idiv_f: value.f = lat_arith_idiv_f(a, b); break;
    case LAT_OP_mod_f: value.f = lat_arith_mod_f(a, b); break;
    case LAT_OP_fmod_f: value.f = fmod(a, b); break;
    case LAT_OP_pow_f: value.f = lat_arith_pow_f(a, b); break;
    case LAT_OP_neg_f: value.f = -a; break;
    case LAT_OP_abs_f: value.f = fabs(a); break;
    case LAT_OP_floor_f: value.f = floor(a); break;
    case LAT_OP_ceil_f: value.f = ceil(a); break;
    case LAT_OP_sqrt_f: value.f = sqrt(a); break;
    case LAT_OP_lt_f: value.b = a < b; break;
    case LAT_OP_le_f: value.b = a <= b; break;
    case LAT_OP_eq_f: value.b = a == b; break;
    case LAT_OP_exp: value.f = exp(a); break;
    case LAT_OP_log: value.f = log(a); break;
    case LAT_OP_log2: value.f = log2(a); break;
    case LAT_OP_log10: value.f = log10(a); break;
    case LAT_OP_sin: value.f = sin(a); break;
    case LAT_OP_cos: value.f = cos(a); break;
    case LAT_OP_tan: value.f = tan(a); break;
    case LAT_OP_is_int_f: value.b = lat_arith_is_int_f(a); break;
    default: value.i = lat_arith_f2i(a); break; /* f2i */
    }
    return value;
}

static union lat_program_value compare_mixed(const struct lat_op *op, union lat_program_value a,
                                             union lat_program_value b)
{
    union lat_program_value value = {.i = 0};

    switch (op->code) {
    case LAT_OP_lt_if: value.b = lat_arith_lt_if(a.i, b.f); break;
    case LAT_OP_le_if: value.b = lat_arith_le_if(a.i, b.f); break;
    case LAT_OP_lt_fi: value.b = lat_arith_lt_fi(a.f, b.i); break;
    case LAT_OP_le_fi: value.b = lat_arith_le_fi(a.f, b.i); break;
    default: value.b = lat_arith_eq_if(a.i, b.f); break; /* eq_if */
    }
    return value;
}

/* A function of its own, so that only texts pay for an array on the stack. */
__attribute__((noinline)) static union lat_program_value of_texts(struct lat_columns *columns,
                                                                  const struct lat_op *op,
                                                                  union lat_program_value a,
                                                                  union lat_program_value b,
                                                                  union lat_program_value c)
{
    const union lat_program_value in[] = {a, b, c};

    return lat_program_of_texts(columns, op, in);
}

/* Goes by the order of LAT_OPS, in which what computes alike stands together. */
void lat_program_value(const struct lat_program *program, struct lat_columns *columns,
                       const struct lat_record *record, size_t row, uint32_t op,
                       union lat_program_value *values)
{
    const struct row source = {columns, record, row};
    const struct lat_op *this = &program->ops[op];
    const union lat_program_value none = {.i = 0};
    union lat_program_value a = this->operand_count > 0 ? values[this->operands[0]] : none;
    union lat_program_value b = this->operand_count > 1 ? values[this->operands[1]] : none;
    union lat_program_value c = this->operand_count > 2 ? values[this->operands[2]] : none;

    if (this->code <= LAT_OP_value_at) {
        values[op] = leaf(&source, this, a);
    } else if (this->code <= LAT_OP_eq_s) {
        values[op] = choose(this, a, b, c);
    } else if (lat_program_reads_text(this->code)) {
        values[op] = of_texts(columns, this, a, b, c);
    } else if (this->code <= LAT_OP_ult_i || this->code == LAT_OP_i2f) {
        values[op] = of_ints(this, a.i, b.i);
    } else if (this->code <= LAT_OP_is_int_f) {
        values[op] = of_floats(this, a.f, b.f);
    } else {
        values[op] = compare_mixed(this, a, b);
    }
}

void lat_program_row(const struct lat_program *program, struct lat_columns *columns,
                     const struct lat_record *record, size_t row,
                     union lat_program_value *ret_values)
{
    for (uint32_t op = 0; op < program->op_count; op++) {
        lat_program_value(program, columns, record, row, op, ret_values);
    }
}
