/* Strips: the values that somebody wants of a program, as steps over 64 rows and more.
 *
 *   one value for all rows   computed once a decision, op by op (lat_program_value), and handed to kernels as one value
 *   of the node alone        the largest such subgraphs become columns of their own (derived), which are computed
 *                            again only for rows whose stamp changed, when they are next asked about; so no
 *                            division is done twice
 *   a look-up by a key of    kept as well, together with the key: another key computes it anew
 *   the workload
 *   all else                 steps, in the program's order, between registers, which stay in the processor's first
 *                            cache: a register is given again after its last use, and of few registers each
 *                            holds more rows, so that a step's own cost counts less
 *
 * Where no instance, image or data of the workload is, every PAIR field is zero; a plain strip takes that for granted,
 * and finds that much more depends on the node alone. A listed strip is for the few rows among them where one is: it
 * keeps nothing, but gathers what it needs of these rows, and computes them side by side.
 *
 * Operands are named while the steps are made, and bound to addresses (base + n * stride) before they run, and again
 * when columns moved. */
#include "sched/strip_internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

const struct lat_op *lat__strip_op(const struct lat__strip *strip, uint32_t op)
{
    return &strip->ops[op];
}

size_t lat__strip_bytes(enum lat_program_type type)
{
    switch (type) {
    case LAT_VALUE_B: return sizeof(uint64_t);
    case LAT_VALUE_S: return 64 * sizeof(int32_t);
    default: return 64 * sizeof(double);
    }
}

/* While steps are made. */
struct maker {
    struct lat__strip *strip;
    bool *needed;                  /* by op */
    struct lat__strip_name *names; /* by op */
    uint32_t *last_use; /* by op: the step after which its register is free; UINT32_MAX: never */
    uint32_t *free_registers;
    size_t free_register_count;
    uint32_t *free_bits;
    size_t free_bits_count;
};

/* ---- what is computed where ---- */

static bool is_one_value(const struct lat__strip *strip, uint32_t op)
{
    return strip->depends[op] <= LAT_DEPENDS_UNIFORM;
}

static bool is_pair(const struct lat_op *op)
{
    return op->code == LAT_OP_field &&
           lat_policy_field_row(op->field)->scope == LAT_POLICY_SCOPE_PAIR;
}

/* Whether an op looks a node's map up by a key of the workload, or of nobody: what it finds is kept with the key. */
static bool is_keyed(const struct lat__strip *strip, uint32_t index)
{
    const struct lat_op *op = &strip->ops[index];

    return op->code == LAT_OP_map && op->field < LAT_NODE_FIELD_COUNT &&
           is_one_value(strip, op->operands[0]);
}

/* Holds a text that is one for good, as long as there is the strip. */
static void hold(const struct lat__strip *strip, uint32_t op)
{
    if (strip->ops[op].type == LAT_VALUE_S) {
        int32_t code = strip->values[op].s;

        LAT_ASSERT(code ==
                   lat_columns_hold(strip->columns, lat_columns_text(strip->columns, code)));
    }
}

static void release(const struct lat__strip *strip, uint32_t op)
{
    const struct lat_op *of = &strip->ops[op];

    if (of->type == LAT_VALUE_S && of->operand_count > 0 && of->depends != LAT_DEPENDS_CONSTANT &&
        strip->depends[op] == LAT_DEPENDS_CONSTANT) {
        lat_columns_release(strip->columns, strip->values[op].s);
    }
}

/* Finds out what each op depends on, and the values of those that depend on nothing; in a plain strip these are more
 * than in the program. */
static void find_dependencies(struct lat__strip *strip, const union lat_program_value *constants)
{
    for (uint32_t i = 0; i < strip->op_count; i++) {
        const struct lat_op *op = lat__strip_op(strip, i);
        enum lat_depends depends = LAT_DEPENDS_CONSTANT;

        if (lat_program_reads_field(op->code)) {
            depends = lat_program_field_depends(op->field);
        } else if (op->operand_count == 0) {
            depends = op->depends;
        }

        for (uint32_t k = 0; k < op->operand_count; k++) {
            depends = (enum lat_depends)(depends | strip->depends[op->operands[k]]);
        }
        if (strip->kind == LAT__STRIP_PLAIN && is_pair(op)) {
            depends = LAT_DEPENDS_CONSTANT;
        } else if (op->depends == LAT_DEPENDS_CONSTANT) {
            strip->values[i] = constants[i];
        } else if (depends == LAT_DEPENDS_CONSTANT) {
            lat_program_value(strip->program, strip->columns, NULL, 0, i, strip->values);
            hold(strip, i);
        }
        strip->depends[i] = depends;
    }
}

/* Names an op that is computed by no step of the main list; false for one that is. */
static bool name_without_step(struct maker *maker, uint32_t index)
{
    struct lat__strip *strip = maker->strip;
    const struct lat_op *op = lat__strip_op(strip, index);
    bool keyed = strip->depends[index] == LAT_DEPENDS_MIXED && is_keyed(strip, index);

    if (is_one_value(strip, index)) {
        maker->names[index] = (struct lat__strip_name){LAT__AT_ONE_VALUE, index};
        return true;
    }
    strip->has_pairs |= is_pair(op);
    if (strip->kind == LAT__STRIP_LISTED) {
        return false;
    }
    if (op->code == LAT_OP_field) {
        maker->names[index] = (struct lat__strip_name){LAT__AT_COLUMN, (uint32_t)op->field};
        return true;
    }
    if ((strip->depends[index] == LAT_DEPENDS_ROW || keyed) &&
        strip->derived_count < LAT__DERIVED_MAX) {
        maker->names[index] =
            (struct lat__strip_name){LAT__AT_DERIVED, (uint32_t)strip->derived_count};
        strip->derived[strip->derived_count++] =
            (struct lat__strip_derived){.op = index, .is_keyed = keyed};
        return true;
    }
    return false;
}

/* Finds out, from what is wanted down, which ops are needed, and where each one is. Users come after
 * what they use, so one walk from the end is enough; of what depends on the node alone it meets the largest part
 * first. */
static void find_needed(struct maker *maker, const struct lat__wanted *wanted)
{
    struct lat__strip *strip = maker->strip;

    for (size_t i = 0; i < wanted->count; i++) {
        maker->needed[wanted->ops[i]] = true;
    }
    for (uint32_t i = (uint32_t)strip->op_count; i-- > 0;) {
        if (!maker->needed[i]) {
            continue;
        }
        const struct lat_op *op = lat__strip_op(strip, i);
        bool alone = name_without_step(maker, i);
        for (uint32_t k = 0; k < op->operand_count; k++) {
            /* Under a derived column there is nothing for the main list to do, but for the key of a look-up. */
            if (!alone || is_one_value(strip, i) || is_keyed(strip, i)) {
                maker->needed[op->operands[k]] = true;
            }
        }
    }
}

static void find_uniforms(struct maker *maker)
{
    struct lat__strip *strip = maker->strip;

    strip->uniforms = lat_alloc_array(strip->op_count + 1, sizeof(*strip->uniforms));
    for (uint32_t i = 0; i < strip->op_count; i++) {
        if (maker->needed[i] && strip->depends[i] == LAT_DEPENDS_UNIFORM) {
            strip->uniforms[strip->uniform_count++] = i;
        }
    }
}

/* ---- steps ---- */

/* Returns the name of one value as a whole block. */
static struct lat__strip_name spread(struct lat__strip *strip, uint32_t op)
{
    size_t i = 0;

    while (i < strip->spread_count && strip->spreads[i].op != op) {
        i++;
    }
    if (i == strip->spread_count) {
        strip->spreads = lat_grow(strip->spreads, i + 1, sizeof(*strip->spreads));
        strip->spreads[i] = (struct lat__strip_spread){.op = op};
        strip->spread_count++;
    }
    return (struct lat__strip_name){LAT__AT_SPREAD, (uint32_t)i};
}

static struct lat__strip_step *add_step(struct lat__strip_steps *steps)
{
    if (steps->count == steps->room) {
        steps->room = steps->room == 0 ? 16 : steps->room * 2;
        steps->items = lat_grow(steps->items, steps->room, sizeof(*steps->items));
    }
    steps->items[steps->count] = (struct lat__strip_step){.kernel = NULL};
    return &steps->items[steps->count++];
}

/* Names the operands of a step and takes the kernel for them. */
static void fill_step(struct maker *maker, struct lat__strip_step *step, uint32_t index)
{
    struct lat__strip *strip = maker->strip;
    const struct lat_op *op = lat__strip_op(strip, index);
    bool has_kernel = !lat_program_reads_field(op->code) && !lat_program_reads_text(op->code);
    bool is_select = op->operand_count == 3;
    unsigned shape = 0;

    step->op = index;
    step->operand_count = op->operand_count;
    if (op->code == LAT_OP_field) {
        step->in_names[0] = (struct lat__strip_name){LAT__AT_COLUMN, (uint32_t)op->field};
        step->operand_count = 1;
        return;
    }
    for (uint32_t k = 0; k < op->operand_count; k++) {
        uint32_t operand = op->operands[k];

        step->in_names[k] = maker->names[operand];
        if (maker->names[operand].where != LAT__AT_ONE_VALUE || !has_kernel) {
            continue;
        }
        if (lat__strip_op(strip, operand)->type == LAT_VALUE_B) {
            step->in_names[k] = spread(strip, operand);
        } else {
            shape |= 1U << (is_select ? k - 1 : k);
        }
    }
    if (has_kernel) {
        step->kernel = strip->kernels->ops[op->code][shape];
        LAT_ASSERT(step->kernel != NULL);
    }
}

/* Gives registers back whose last use is this step. */
static void release_operands(struct maker *maker, const struct lat__strip_step *step,
                             uint32_t number)
{
    const struct lat_op *op = lat__strip_op(maker->strip, step->op);

    for (uint32_t k = 0; k < op->operand_count; k++) {
        uint32_t operand = op->operands[k];
        struct lat__strip_name name = maker->names[operand];

        if (maker->last_use[operand] != number) {
            continue;
        }
        maker->last_use[operand] = UINT32_MAX; /* once, though it may be both operands */
        if (name.where == LAT__AT_REGISTER) {
            maker->free_registers[maker->free_register_count++] = name.index;
        } else if (name.where == LAT__AT_BITS) {
            maker->free_bits[maker->free_bits_count++] = name.index;
        }
    }
}

static struct lat__strip_name take_register(struct maker *maker, struct lat__strip_steps *steps,
                                            enum lat_program_type type)
{
    if (type == LAT_VALUE_B) {
        return (struct lat__strip_name){
            LAT__AT_BITS, maker->free_bits_count > 0 ? maker->free_bits[--maker->free_bits_count]
                                                     : (uint32_t)steps->bits_count++};
    }
    return (struct lat__strip_name){LAT__AT_REGISTER,
                                    maker->free_register_count > 0
                                        ? maker->free_registers[--maker->free_register_count]
                                        : (uint32_t)steps->register_count++};
}

/* Makes the steps of the ops in `order`; those that are named already write there. What is in `lasting` keeps its
 * register. */
static void make_steps(struct maker *maker, struct lat__strip_steps *steps, const uint32_t *order,
                       size_t count, const bool *lasting)
{
    struct lat__strip *strip = maker->strip;

    for (uint32_t number = 0; number < count; number++) {
        const struct lat_op *op = lat__strip_op(strip, order[number]);

        for (uint32_t k = 0; k < op->operand_count; k++) {
            maker->last_use[op->operands[k]] = lasting[op->operands[k]] ? UINT32_MAX : number;
        }
    }
    maker->free_register_count = 0; /* of another list */
    maker->free_bits_count = 0;
    for (uint32_t number = 0; number < count; number++) {
        struct lat__strip_step *step = add_step(steps);
        struct lat__strip_name *own = &maker->names[order[number]];

        fill_step(maker, step, order[number]);
        release_operands(maker, step, number);
        if (own->where == LAT__AT_NOWHERE) {
            *own = take_register(maker, steps, lat__strip_op(strip, order[number])->type);
        }
        step->out_name = *own;
    }
}

/* Names what is wanted of one op. */
static struct lat__strip_name name_of(struct maker *maker, uint32_t op)
{
    struct lat__strip_name name = maker->names[op];

    if (name.where == LAT__AT_DERIVED) {
        maker->strip->derived[name.index].is_wanted = true;
    }
    return name.where == LAT__AT_ONE_VALUE ? spread(maker->strip, op) : name;
}

/* Adds the steps that tell whether one of a group holds. */
static struct lat__strip_name join(struct maker *maker, const uint32_t *ops, size_t count)
{
    struct lat__strip *strip = maker->strip;
    struct lat__strip_name joined = name_of(maker, ops[0]);
    struct lat__strip_name own = joined;

    for (size_t i = 1; i < count; i++) {
        struct lat__strip_name other = name_of(maker, ops[i]);
        struct lat__strip_step *step = add_step(&strip->main);

        own = i == 1 ? take_register(maker, &strip->main, LAT_VALUE_B) : own;
        *step = (struct lat__strip_step){
            .kernel = strip->kernels->ops[LAT_OP_or][LAT__SHAPE_VV],
            .op = ops[i],
            .operand_count = 2,
            .out_name = own,
            .in_names = {joined, other},
        };
        joined = own;
    }
    return joined;
}

static void name_wanted(struct maker *maker, const struct lat__wanted *wanted)
{
    struct lat__strip *strip = maker->strip;
    bool is_grouped = wanted->groups[0] + wanted->groups[1] > 0;
    size_t count = is_grouped ? LAT__GROUPS : wanted->count;
    const uint32_t *ops = wanted->ops;

    strip->wanted_count = count;
    strip->wanted_names = lat_alloc_array(count + 1, sizeof(*strip->wanted_names));
    strip->wanted = lat_alloc_array(count + 1, sizeof(*strip->wanted));
    for (size_t i = 0; i < count; i++) {
        size_t members = is_grouped ? wanted->groups[i] : 1;

        if (members > 0) {
            strip->wanted_names[i] = join(maker, ops, members);
            ops += members;
        }
    }
}

static void make_main(struct maker *maker, const struct lat__wanted *wanted)
{
    struct lat__strip *strip = maker->strip;
    uint32_t *order = lat_alloc_array(strip->op_count + 1, sizeof(*order));
    bool *lasting = lat_alloc_array(strip->op_count + 1, sizeof(*lasting));
    size_t count = 0;

    for (size_t i = 0; i < wanted->count; i++) {
        lasting[wanted->ops[i]] = true;
    }
    for (uint32_t i = 0; i < strip->op_count; i++) {
        if (maker->needed[i] && maker->names[i].where == LAT__AT_NOWHERE) {
            order[count++] = i;
        }
    }
    make_steps(maker, &strip->main, order, count, lasting);
    name_wanted(maker, wanted);
    free(order);
    free(lasting);
}

/* Makes the steps that compute the derived columns: everything below them, down to fields and constants. */
static void make_kept(struct maker *maker)
{
    struct lat__strip *strip = maker->strip;
    uint32_t *order = lat_alloc_array(strip->op_count + 1, sizeof(*order));
    bool *needed = lat_alloc_array(strip->op_count + 1, sizeof(*needed));
    bool *lasting = lat_alloc_array(strip->op_count + 1, sizeof(*lasting));
    size_t count = 0;

    for (size_t i = 0; i < strip->derived_count; i++) {
        needed[strip->derived[i].op] = !strip->derived[i].is_keyed;
    }
    for (uint32_t i = (uint32_t)strip->op_count; i-- > 0;) {
        const struct lat_op *op = lat__strip_op(strip, i);

        for (uint32_t k = 0; needed[i] && k < op->operand_count; k++) {
            needed[op->operands[k]] = true;
        }
    }
    for (uint32_t i = 0; i < strip->op_count; i++) {
        const struct lat_op *op = lat__strip_op(strip, i);

        if (!needed[i]) {
            continue;
        }
        if (is_one_value(strip, i)) {
            maker->names[i] = (struct lat__strip_name){LAT__AT_ONE_VALUE, i};
        } else if (op->code == LAT_OP_field) {
            maker->names[i] = (struct lat__strip_name){LAT__AT_COLUMN, (uint32_t)op->field};
        } else {
            if (maker->names[i].where != LAT__AT_DERIVED) {
                maker->names[i] = (struct lat__strip_name){
                    LAT__AT_NOWHERE, 0}; /* what the main list has is its own */
            }
            order[count++] = i;
        }
    }
    make_steps(maker, &strip->kept, order, count, lasting);
    free(order);
    free(needed);
    free(lasting);
}

/* Takes the memory of a list's registers, which hold as many rows, up to so many words, as the processor's first cache
 * has room for in numbers: `others` counts those that stand elsewhere. */
static void make_registers(struct lat__strip_steps *steps, size_t most, size_t others)
{
    const size_t bytes = lat__strip_bytes(LAT_VALUE_F);

    steps->span = most;
    while (steps->span > LAT__WORDS &&
           steps->span * (steps->register_count + others) * bytes > LAT__SPAN_BYTES) {
        steps->span /= 2;
    }
    steps->registers = lat_columns_memory(steps->register_count * steps->span * bytes);
    steps->bits = lat_columns_memory(steps->bits_count * steps->span * sizeof(uint64_t));
}

static void make_memory(struct lat__strip *strip)
{
    size_t numbers = 0;
    size_t span;

    for (size_t i = 0; i < strip->spread_count; i++) {
        numbers += lat__strip_op(strip, strip->spreads[i].op)->type != LAT_VALUE_B;
    }
    make_registers(&strip->kept, LAT__SPAN_MAX, 0);
    make_registers(&strip->main, strip->kind == LAT__STRIP_LISTED ? LAT__LIST_WORDS : LAT__SPAN_MAX,
                   numbers);
    span = strip->main.span > strip->kept.span ? strip->main.span : strip->kept.span;
    for (size_t i = 0; i < strip->spread_count; i++) {
        enum lat_program_type type = lat__strip_op(strip, strip->spreads[i].op)->type;

        strip->spreads[i].words = span;
        strip->spreads[i].memory = lat_columns_memory(span * lat__strip_bytes(type));
    }
}

struct lat__strip *lat__strip_new(const struct lat_program *program, struct lat_columns *columns,
                                  const struct lat__kernels *kernels, struct lat__texts *texts,
                                  const union lat_program_value *constants,
                                  const struct lat__wanted *wanted)
{
    struct lat__strip *strip = LAT_NEW(struct lat__strip);
    struct maker maker = {.strip = strip};
    size_t room;

    strip->program = program;
    strip->ops = lat_program_ops(program, &strip->op_count);
    strip->columns = columns;
    strip->kernels = kernels;
    strip->texts = texts;
    strip->kind = wanted->kind;
    strip->derived = lat_alloc_array(LAT__DERIVED_MAX, sizeof(*strip->derived));
    room = strip->op_count + 1;
    strip->depends = lat_alloc_array(room, sizeof(*strip->depends));
    strip->values = lat_alloc_array(room, sizeof(*strip->values));
    find_dependencies(strip, constants);
    maker.needed = lat_alloc_array(room, sizeof(*maker.needed));
    maker.names = lat_alloc_array(room, sizeof(*maker.names));
    maker.last_use = lat_alloc_array(room, sizeof(*maker.last_use));
    maker.free_registers = lat_alloc_array(room, sizeof(*maker.free_registers));
    maker.free_bits = lat_alloc_array(room, sizeof(*maker.free_bits));
    find_needed(&maker, wanted);
    find_uniforms(&maker);
    make_main(&maker, wanted);
    make_kept(&maker);
    make_memory(strip);
    strip->layout = UINT64_MAX;
    free(maker.needed);
    free(maker.names);
    free(maker.last_use);
    free(maker.free_registers);
    free(maker.free_bits);
    return strip;
}

static void free_steps(struct lat__strip_steps *steps)
{
    free(steps->items);
    free(steps->registers);
    free(steps->bits);
}

struct lat__strip *lat__strip_free(struct lat__strip *strip)
{
    if (strip == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < strip->op_count; i++) {
        release(strip, i);
    }
    for (size_t i = 0; i < strip->derived_count; i++) {
        free(strip->derived[i].memory);
        free(strip->derived[i].seen);
        free(strip->derived[i].wild);
    }
    for (size_t i = 0; i < strip->spread_count; i++) {
        free(strip->spreads[i].memory);
    }
    free(strip->depends);
    free(strip->values);
    free(strip->uniforms);
    free(strip->derived);
    free(strip->spreads);
    free_steps(&strip->main);
    free_steps(&strip->kept);
    free(strip->wanted_names);
    free(strip->wanted);
    free(strip->seen);
    free(strip);
    return NULL;
}
