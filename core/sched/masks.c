/* The masks of rules, made simpler. What a policy's `if` refuses depends on all that stood before it: the compiler gives the third
 * rule as "healthy, and not too few processors, and too little memory". Where it is asked but whether any rule holds, that is
 * "not healthy, or too few processors, or too little memory": of a mask that is joined to others, what says "and none of
 * those holds" changes nothing. */
#include "sched/walk_internal.h"

#include "base/mem.h"

#include <stdlib.h>

/* What is known where none of the members so far holds, by op. */
struct known {
    bool *is_false;
    bool *is_true;
};

/* Notes, from operands to users, what else is known up to an op: an `and` of what holds. */
static void conclude(const struct lat_op *ops, uint32_t end, const struct known *known)
{
    for (uint32_t i = 0; i < end; i++) {
        const uint32_t *operands = ops[i].operands;

        if (ops[i].code == LAT_OP_and) {
            known->is_true[i] |= known->is_true[operands[0]] && known->is_true[operands[1]];
        } else if (ops[i].code == LAT_OP_not) {
            known->is_true[i] |= known->is_false[operands[0]];
        }
    }
}

void lat__masks_simplify(const struct lat_op *ops, size_t op_count, uint32_t *members, size_t count)
{
    const struct known known = {lat_alloc_array(op_count + 1, sizeof(bool)),
                                lat_alloc_array(op_count + 1, sizeof(bool))};

    for (size_t i = 0; i < count; i++) {
        const struct lat_op *op = &ops[members[i]];

        conclude(ops, members[i], &known);
        while (op->code == LAT_OP_and &&
               (known.is_true[op->operands[0]] || known.is_true[op->operands[1]])) {
            members[i] = op->operands[known.is_true[op->operands[0]] ? 1 : 0];
            op = &ops[members[i]];
        }
        known.is_false[members[i]] = true;
        if (op->code == LAT_OP_not) {
            known.is_true[op->operands[0]] = true;
        }
    }
    free(known.is_false);
    free(known.is_true);
}
