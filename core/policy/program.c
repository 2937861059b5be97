/* Programs as values: their life, and the verdict over the values of a row. Pure. */
#include "policy/pattern.h"
#include "policy/program_internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct lat_program *lat_program_ref(struct lat_program *program)
{
    program->references++;
    return program;
}

struct lat_program *lat_program_unref(struct lat_program *program)
{
    if (program == NULL || --program->references > 0) {
        return NULL;
    }
    for (uint32_t i = 0; i < program->op_count; i++) {
        lat__pattern_free(program->patterns[i]);
    }
    free(program->patterns);
    free(program->ops);
    free(program->traps);
    free(program->rules);
    free(program->terms);
    free(program->parts);
    free(program->texts);
    free(program);
    return NULL;
}

const struct lat_op *lat_program_ops(const struct lat_program *program, size_t *ret_count)
{
    *ret_count = program->op_count;
    return program->ops;
}

const struct lat_trap *lat_program_traps(const struct lat_program *program, size_t *ret_count)
{
    *ret_count = program->trap_count;
    return program->traps;
}

const struct lat_rule *lat_program_rules(const struct lat_program *program, size_t *ret_count)
{
    *ret_count = program->rule_count;
    return program->rules;
}

const struct lat_term *lat_program_terms(const struct lat_program *program, size_t *ret_count)
{
    *ret_count = program->term_count;
    return program->terms;
}

int32_t lat_program_score(const struct lat_program *program)
{
    return program->score;
}

int lat_program_score_line(const struct lat_program *program)
{
    return program->score_line;
}

void lat__program_reach(const struct lat_program *program, bool *ops)
{
    for (uint32_t i = program->op_count; i-- > 0;) {
        const struct lat_op *op = &program->ops[i];

        for (uint32_t k = 0; ops[i] && k < op->operand_count; k++) {
            ops[op->operands[k]] = true;
        }
    }
}

void lat_program_deciding(const struct lat_program *program, bool *ret_ops)
{
    memset(ret_ops, 0, program->op_count * sizeof(*ret_ops));
    for (uint32_t i = 0; i < program->trap_count; i++) {
        ret_ops[program->traps[i].when] = true;
    }
    for (uint32_t i = 0; i < program->rule_count; i++) {
        ret_ops[program->rules[i].when] = true;
    }
    if (program->score >= 0) {
        ret_ops[program->score] = true;
    }
    lat__program_reach(program, ret_ops);
}

void lat_program_telling(const struct lat_program *program, uint32_t rule, bool *ret_ops)
{
    const struct lat_rule *row = &program->rules[rule];

    memset(ret_ops, 0, program->op_count * sizeof(*ret_ops));
    for (uint32_t i = 0; i < row->part_count; i++) {
        const struct lat__part *part = &program->parts[row->parts_at + i];

        if (part->kind != LAT__PART_LITERAL) {
            ret_ops[part->value] = true;
        }
    }
    if (row->have >= 0) {
        ret_ops[row->have] = true;
    }
    if (row->need >= 0) {
        ret_ops[row->need] = true;
    }
    lat__program_reach(program, ret_ops);
}

int32_t lat_program_trapped(const struct lat_program *program,
                            const union lat_program_value *values)
{
    for (uint32_t i = 0; i < program->trap_count; i++) {
        if (values[program->traps[i].when].b) {
            return (int32_t)i;
        }
    }
    return -1;
}

int32_t lat_program_refused(const struct lat_program *program,
                            const union lat_program_value *values)
{
    for (uint32_t i = 0; i < program->rule_count; i++) {
        if (values[program->rules[i].when].b) {
            return (int32_t)i;
        }
    }
    return -1;
}
