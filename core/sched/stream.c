/* Streams: the values that somebody wants of a program, as steps over blocks of 256 rows.
 *
 *   one value for all rows   computed once a decision, op by op (lat_program_value), and handed to kernels as one value
 *   of the node alone        the largest such subgraphs become columns of their own (derived), which are computed
 *                            again only for blocks whose stamp changed; so no division is done twice
 *   a look-up by a key of    kept as well, together with the key: another key computes it anew
 *   the workload
 *   all else                 steps, in the program's order, between registers of one block, which stay in the
 *                            processor's first cache: a register is given again after its last use
 *
 * Operands are named while the steps are made, and bound to addresses (base + block * stride) before they run, and again
 * when columns moved. */
#include "sched/vector_internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { GROUPS = 2, NOT_NEEDED = GROUPS };

enum where {
    NOWHERE,
    ONE_VALUE, /* index: the op */
    SPREAD,    /* one value, but as a whole block: bits, or because it is wanted */
    COLUMN,    /* index: the field */
    DERIVED,
    REGISTER, /* of numbers or texts */
    BITS,     /* register of truths */
};

struct name {
    enum where where;
    uint32_t index;
};

/* Block n begins at base + n * stride; a stride of 0 is a register, or one value. */
struct place {
    char *base;
    size_t stride;
};

struct step {
    lat__kernel *kernel; /* NULL: a look-up in each row's map */
    uint32_t op;
    uint32_t operand_count;
    struct name out_name;
    struct name in_names[3];
    struct place out;
    struct place in[3];
};

/* A column that is kept. */
struct derived {
    uint32_t op;
    bool is_keyed;  /* a look-up by a key of the workload */
    int32_t key;    /* what the column was made with */
    char *memory;   /* owned */
    uint64_t *seen; /* owned; stamps of the blocks as it was made, when keyed */
};

struct spread {
    uint32_t op;
    char *memory; /* owned, one block */
};

struct steps {
    struct step *items;
    size_t count;
    size_t room;
};

struct lat__strip {
    const struct lat_program *program; /* borrowed, as is all until the next comment */
    const struct lat_op *ops;
    size_t op_count;
    struct lat_columns *columns;
    const struct lat__kernels *kernels;
    union lat_program_value *values;

    uint32_t *uniforms; /* owned, as is all that follows: ops to be computed once a decision */
    size_t uniform_count;
    struct derived *derived;
    size_t derived_count;
    struct spread *spreads;
    size_t spread_count;
    struct steps main; /* group 0, then group 1 */
    size_t first_end;  /* where group 0 ends */
    struct steps kept; /* what computes the derived columns */
    struct name *wanted_names;
    struct place *wanted;
    size_t wanted_count;

    char *registers;
    char *bits;
    size_t register_count;
    size_t bits_count;

    uint64_t *seen; /* stamps of the blocks as the derived columns were made */
    uint64_t stamp; /* of all columns */
    uint64_t layout;
    size_t blocks; /* for which there is room */
};

/* While steps are made. */
struct maker {
    struct lat__strip *stream;
    uint8_t *group;     /* by op: the first that needs it, or NOT_NEEDED */
    struct name *names; /* by op */
    uint32_t *last_use; /* by op: the step after which its register is free; UINT32_MAX: never */
    uint32_t *free_registers;
    size_t free_register_count;
    uint32_t *free_bits;
    size_t free_bits_count;
};

static const struct lat_op *op_at(const struct lat__strip *stream, uint32_t op)
{
    return &stream->ops[op];
}

static size_t block_bytes(enum lat_program_type type)
{
    switch (type) {
    case LAT_VALUE_B: return LAT__BITS_BYTES;
    case LAT_VALUE_S: return LAT__BLOCK * sizeof(int32_t);
    default: return LAT__REGISTER_BYTES;
    }
}

static void *aligned(size_t bytes)
{
    size_t whole = (bytes + LAT__ALIGNMENT - 1) / LAT__ALIGNMENT * LAT__ALIGNMENT;
    void *memory = aligned_alloc(LAT__ALIGNMENT, whole > 0 ? whole : LAT__ALIGNMENT);

    LAT_ASSERT(memory != NULL);
    memset(memory, 0, whole);
    return memory;
}

/* ---- what is computed where ---- */

static bool is_one_value(const struct lat_op *op)
{
    return op->depends <= LAT_DEPENDS_UNIFORM;
}

/* Names an op that is computed by no step of the main list; false for one that is. */
static bool name_without_step(struct maker *maker, uint32_t index)
{
    struct lat__strip *stream = maker->stream;
    const struct lat_op *op = op_at(stream, index);
    bool keyed = op->code == LAT_OP_map && op->depends == LAT_DEPENDS_MIXED;

    if (is_one_value(op)) {
        maker->names[index] = (struct name){ONE_VALUE, index};
        return true;
    }
    if (op->code == LAT_OP_field) {
        maker->names[index] = (struct name){COLUMN, (uint32_t)op->field};
        return true;
    }
    if ((op->depends == LAT_DEPENDS_ROW || keyed) && stream->derived_count < LAT__DERIVED_MAX) {
        maker->names[index] = (struct name){DERIVED, (uint32_t)stream->derived_count};
        stream->derived[stream->derived_count++] = (struct derived){.op = index, .is_keyed = keyed};
        return true;
    }
    return false;
}

/* Finds out, from what is wanted down, which ops are needed, by which group, and where each one is. Users come after
 * what they use, so one walk from the end is enough; of what depends on the node alone it meets the largest part
 * first. */
static void find_needed(struct maker *maker, const struct lat__wanted *wanted)
{
    struct lat__strip *stream = maker->stream;

    memset(maker->group, NOT_NEEDED, stream->op_count);
    for (size_t i = 0; i < wanted->count; i++) {
        uint8_t group = i < wanted->first_count ? 0 : 1;
        uint8_t *own = &maker->group[wanted->ops[i]];

        *own = *own < group ? *own : group;
    }
    for (uint32_t i = (uint32_t)stream->op_count; i-- > 0;) {
        if (maker->group[i] == NOT_NEEDED) {
            continue;
        }
        const struct lat_op *op = op_at(stream, i);
        bool alone = name_without_step(maker, i);
        bool is_keyed = alone && op->code == LAT_OP_map;

        for (uint32_t k = 0; k < op->operand_count; k++) {
            /* Under a derived column there is nothing for the main list to do, but for the key of a look-up. */
            if (!alone || is_one_value(op) || is_keyed) {
                uint8_t *group = &maker->group[op->operands[k]];

                *group = *group < maker->group[i] ? *group : maker->group[i];
            }
        }
    }
}

static void find_uniforms(struct maker *maker)
{
    struct lat__strip *stream = maker->stream;

    stream->uniforms = lat_alloc_array(stream->op_count + 1, sizeof(*stream->uniforms));
    for (uint32_t i = 0; i < stream->op_count; i++) {
        if (maker->group[i] != NOT_NEEDED && op_at(stream, i)->depends == LAT_DEPENDS_UNIFORM) {
            stream->uniforms[stream->uniform_count++] = i;
        }
    }
}

/* ---- steps ---- */

/* Returns the name of one value as a whole block. */
static struct name spread(struct lat__strip *stream, uint32_t op)
{
    size_t i = 0;

    while (i < stream->spread_count && stream->spreads[i].op != op) {
        i++;
    }
    if (i == stream->spread_count) {
        stream->spreads = lat_grow(stream->spreads, i + 1, sizeof(*stream->spreads));
        stream->spreads[i] = (struct spread){op, aligned(block_bytes(op_at(stream, op)->type))};
        stream->spread_count++;
    }
    return (struct name){SPREAD, (uint32_t)i};
}

static struct step *add_step(struct steps *steps)
{
    if (steps->count == steps->room) {
        steps->room = steps->room == 0 ? 16 : steps->room * 2;
        steps->items = lat_grow(steps->items, steps->room, sizeof(*steps->items));
    }
    steps->items[steps->count] = (struct step){.kernel = NULL};
    return &steps->items[steps->count++];
}

/* Names the operands of a step and takes the kernel for them. */
static void fill_step(struct maker *maker, struct step *step, uint32_t index)
{
    struct lat__strip *stream = maker->stream;
    const struct lat_op *op = op_at(stream, index);
    bool is_select = op->operand_count == 3;
    unsigned shape = 0;

    step->op = index;
    step->operand_count = op->operand_count;
    for (uint32_t k = 0; k < op->operand_count; k++) {
        uint32_t operand = op->operands[k];

        step->in_names[k] = maker->names[operand];
        if (maker->names[operand].where != ONE_VALUE || op->code == LAT_OP_map) {
            continue;
        }
        if (op_at(stream, operand)->type == LAT_VALUE_B) {
            step->in_names[k] = spread(stream, operand);
        } else {
            shape |= 1U << (is_select ? k - 1 : k);
        }
    }
    if (op->code != LAT_OP_map) {
        step->kernel = stream->kernels->ops[op->code][shape];
        LAT_ASSERT(step->kernel != NULL);
    }
}

/* Gives registers back whose last use is this step. */
static void release_operands(struct maker *maker, const struct step *step, uint32_t number)
{
    const struct lat_op *op = op_at(maker->stream, step->op);

    for (uint32_t k = 0; k < op->operand_count; k++) {
        uint32_t operand = op->operands[k];
        struct name name = maker->names[operand];

        if (maker->last_use[operand] != number) {
            continue;
        }
        maker->last_use[operand] = UINT32_MAX; /* once, though it may be both operands */
        if (name.where == REGISTER) {
            maker->free_registers[maker->free_register_count++] = name.index;
        } else if (name.where == BITS) {
            maker->free_bits[maker->free_bits_count++] = name.index;
        }
    }
}

static struct name take_register(struct maker *maker, enum lat_program_type type)
{
    struct lat__strip *stream = maker->stream;

    if (type == LAT_VALUE_B) {
        return (struct name){BITS, maker->free_bits_count > 0
                                       ? maker->free_bits[--maker->free_bits_count]
                                       : (uint32_t)stream->bits_count++};
    }
    return (struct name){REGISTER, maker->free_register_count > 0
                                       ? maker->free_registers[--maker->free_register_count]
                                       : (uint32_t)stream->register_count++};
}

/* Gives every register that there is back: the lists do not run into each other. */
static void all_free(struct maker *maker)
{
    for (uint32_t i = 0; i < maker->stream->register_count; i++) {
        maker->free_registers[i] = i;
    }
    for (uint32_t i = 0; i < maker->stream->bits_count; i++) {
        maker->free_bits[i] = i;
    }
    maker->free_register_count = maker->stream->register_count;
    maker->free_bits_count = maker->stream->bits_count;
}

/* Makes the steps of the ops in `order`; those that are named already write there. What is in `lasting` keeps its
 * register. */
static void make_steps(struct maker *maker, struct steps *steps, const uint32_t *order,
                       size_t count, const bool *lasting)
{
    struct lat__strip *stream = maker->stream;

    for (uint32_t number = 0; number < count; number++) {
        const struct lat_op *op = op_at(stream, order[number]);

        for (uint32_t k = 0; k < op->operand_count; k++) {
            maker->last_use[op->operands[k]] = lasting[op->operands[k]] ? UINT32_MAX : number;
        }
    }
    all_free(maker);
    for (uint32_t number = 0; number < count; number++) {
        struct step *step = add_step(steps);
        struct name *own = &maker->names[order[number]];

        fill_step(maker, step, order[number]);
        release_operands(maker, step, number);
        if (own->where == NOWHERE) {
            *own = take_register(maker, op_at(stream, order[number])->type);
        }
        step->out_name = *own;
    }
}

static void make_main(struct maker *maker, const struct lat__wanted *wanted)
{
    struct lat__strip *stream = maker->stream;
    uint32_t *order = lat_alloc_array(stream->op_count + 1, sizeof(*order));
    bool *lasting = lat_alloc_array(stream->op_count + 1, sizeof(*lasting));
    size_t count = 0;

    for (size_t i = 0; i < wanted->count; i++) {
        lasting[wanted->ops[i]] = true;
    }
    for (uint8_t group = 0; group < GROUPS; group++) {
        for (uint32_t i = 0; i < stream->op_count; i++) {
            if (maker->group[i] == group && maker->names[i].where == NOWHERE) {
                order[count++] = i;
            }
        }
        stream->first_end = group == 0 ? count : stream->first_end;
    }
    make_steps(maker, &stream->main, order, count, lasting);
    stream->wanted_count = wanted->count;
    stream->wanted_names = lat_alloc_array(wanted->count + 1, sizeof(*stream->wanted_names));
    stream->wanted = lat_alloc_array(wanted->count + 1, sizeof(*stream->wanted));
    for (size_t i = 0; i < wanted->count; i++) {
        struct name name = maker->names[wanted->ops[i]];

        stream->wanted_names[i] = name.where == ONE_VALUE ? spread(stream, wanted->ops[i]) : name;
    }
    free(order);
    free(lasting);
}

/* Makes the steps that compute the derived columns: everything below them, down to fields and constants. */
static void make_kept(struct maker *maker)
{
    struct lat__strip *stream = maker->stream;
    uint32_t *order = lat_alloc_array(stream->op_count + 1, sizeof(*order));
    bool *needed = lat_alloc_array(stream->op_count + 1, sizeof(*needed));
    bool *lasting = lat_alloc_array(stream->op_count + 1, sizeof(*lasting));
    size_t count = 0;

    for (size_t i = 0; i < stream->derived_count; i++) {
        needed[stream->derived[i].op] = !stream->derived[i].is_keyed;
    }
    for (uint32_t i = (uint32_t)stream->op_count; i-- > 0;) {
        const struct lat_op *op = op_at(stream, i);

        for (uint32_t k = 0; needed[i] && k < op->operand_count; k++) {
            needed[op->operands[k]] = true;
        }
    }
    for (uint32_t i = 0; i < stream->op_count; i++) {
        const struct lat_op *op = op_at(stream, i);

        if (!needed[i]) {
            continue;
        }
        if (is_one_value(op)) {
            maker->names[i] = (struct name){ONE_VALUE, i};
        } else if (op->code == LAT_OP_field) {
            maker->names[i] = (struct name){COLUMN, (uint32_t)op->field};
        } else {
            if (maker->names[i].where != DERIVED) {
                maker->names[i] = (struct name){NOWHERE, 0}; /* what the main list has is its own */
            }
            order[count++] = i;
        }
    }
    make_steps(maker, &stream->kept, order, count, lasting);
    free(order);
    free(needed);
    free(lasting);
}

struct lat__strip *lat__strip_new(const struct lat_program *program, struct lat_columns *columns,
                                  const struct lat__kernels *kernels,
                                  union lat_program_value *values, const struct lat__wanted *wanted)
{
    struct lat__strip *stream = LAT_NEW(struct lat__strip);
    struct maker maker = {.stream = stream};
    size_t room;

    stream->program = program;
    stream->ops = lat_program_ops(program, &stream->op_count);
    stream->columns = columns;
    stream->kernels = kernels;
    stream->values = values;
    stream->derived = lat_alloc_array(LAT__DERIVED_MAX, sizeof(*stream->derived));
    room = stream->op_count + 1;
    maker.group = lat_alloc_array(room, sizeof(*maker.group));
    maker.names = lat_alloc_array(room, sizeof(*maker.names));
    maker.last_use = lat_alloc_array(room, sizeof(*maker.last_use));
    maker.free_registers = lat_alloc_array(room, sizeof(*maker.free_registers));
    maker.free_bits = lat_alloc_array(room, sizeof(*maker.free_bits));
    find_needed(&maker, wanted);
    find_uniforms(&maker);
    make_main(&maker, wanted);
    make_kept(&maker);
    stream->registers = aligned(stream->register_count * LAT__REGISTER_BYTES);
    stream->bits = aligned(stream->bits_count * LAT__BITS_BYTES);
    stream->layout = UINT64_MAX;
    free(maker.group);
    free(maker.names);
    free(maker.last_use);
    free(maker.free_registers);
    free(maker.free_bits);
    return stream;
}

struct lat__strip *lat__strip_free(struct lat__strip *stream)
{
    if (stream == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < stream->derived_count; i++) {
        free(stream->derived[i].memory);
        free(stream->derived[i].seen);
    }
    for (size_t i = 0; i < stream->spread_count; i++) {
        free(stream->spreads[i].memory);
    }
    free(stream->uniforms);
    free(stream->derived);
    free(stream->spreads);
    free(stream->main.items);
    free(stream->kept.items);
    free(stream->wanted_names);
    free(stream->wanted);
    free(stream->registers);
    free(stream->bits);
    free(stream->seen);
    free(stream);
    return NULL;
}

/* ---- addresses ---- */

static struct place column_place(const struct lat__strip *stream, enum lat_policy_field field)
{
    const void *base = NULL;
    size_t stride = LAT__REGISTER_BYTES;

    switch (lat_policy_field_row(field)->type) {
    case LAT_POLICY_TYPE_BOOL:
        base = lat_columns_bits(stream->columns, field);
        stride = LAT__BITS_BYTES;
        break;
    case LAT_POLICY_TYPE_INT: base = lat_columns_ints(stream->columns, field); break;
    case LAT_POLICY_TYPE_FLOAT: base = lat_columns_floats(stream->columns, field); break;
    default:
        base = lat_columns_codes(stream->columns, field);
        stride = block_bytes(LAT_VALUE_S);
        break;
    }
    return (struct place){(char *)base, stride};
}

static struct place place_of(const struct lat__strip *stream, struct name name)
{
    switch (name.where) {
    case ONE_VALUE: return (struct place){(char *)&stream->values[name.index], 0};
    case SPREAD: return (struct place){stream->spreads[name.index].memory, 0};
    case COLUMN: return column_place(stream, (enum lat_policy_field)name.index);
    case DERIVED: {
        const struct derived *derived = &stream->derived[name.index];

        return (struct place){derived->memory, block_bytes(op_at(stream, derived->op)->type)};
    }
    case REGISTER:
        return (struct place){stream->registers + name.index * (size_t)LAT__REGISTER_BYTES, 0};
    case BITS: return (struct place){stream->bits + name.index * (size_t)LAT__BITS_BYTES, 0};
    default: break;
    }
    return (struct place){NULL, 0};
}

static void bind(struct lat__strip *stream)
{
    struct steps *const lists[] = {&stream->main, &stream->kept};

    for (size_t list = 0; list < LAT_COUNT(lists); list++) {
        for (size_t i = 0; i < lists[list]->count; i++) {
            struct step *step = &lists[list]->items[i];

            step->out = place_of(stream, step->out_name);
            for (uint32_t k = 0; k < step->operand_count; k++) {
                step->in[k] = place_of(stream, step->in_names[k]);
            }
        }
    }
    for (size_t i = 0; i < stream->wanted_count; i++) {
        stream->wanted[i] = place_of(stream, stream->wanted_names[i]);
    }
}

/* Makes room for the derived columns of so many blocks, all to be computed. */
static void make_room(struct lat__strip *stream, size_t blocks)
{
    stream->blocks = blocks;
    free(stream->seen);
    stream->seen = lat_alloc_array(blocks + 1, sizeof(*stream->seen));
    for (size_t i = 0; i < stream->derived_count; i++) {
        struct derived *derived = &stream->derived[i];

        free(derived->memory);
        derived->memory = aligned(blocks * block_bytes(op_at(stream, derived->op)->type));
        if (derived->is_keyed) {
            free(derived->seen);
            derived->seen = lat_alloc_array(blocks + 1, sizeof(*derived->seen));
        }
    }
    stream->stamp = 0;
}

/* ---- running ---- */

static void fill(char *memory, enum lat_program_type type, union lat_program_value value)
{
    if (type == LAT_VALUE_B) {
        memset(memory, value.b ? 0xff : 0, LAT__BITS_BYTES);
        return;
    }
    for (size_t i = 0; i < LAT__BLOCK; i++) {
        if (type == LAT_VALUE_S) {
            ((int32_t *)memory)[i] = value.s;
        } else {
            ((union lat_program_value *)memory)[i] = value;
        }
    }
}

static void look_up(const struct lat__strip *stream, uint32_t op, size_t block, int32_t key,
                    void *out)
{
    int32_t *codes = out;
    size_t begin = block * LAT__BLOCK;
    size_t rows = lat_columns_rows(stream->columns) - begin;

    for (size_t i = 0; i < LAT__BLOCK; i++) {
        codes[i] =
            i < rows ? lat_columns_lookup(stream->columns, op_at(stream, op)->field, begin + i, key)
                     : 0;
    }
}

static void run_steps(const struct lat__strip *stream, const struct step *step,
                      const struct step *end, size_t block)
{
    for (; step < end; step++) {
        if (step->kernel == NULL) {
            const union lat_program_value *key = (const void *)step->in[0].base;

            look_up(stream, step->op, block, key->s, step->out.base + block * step->out.stride);
            continue;
        }
        step->kernel(step->out.base + block * step->out.stride,
                     step->in[0].base + block * step->in[0].stride,
                     step->in[1].base + block * step->in[1].stride,
                     step->in[2].base + block * step->in[2].stride);
    }
}

/* Renews a look-up by a key of the workload, everywhere if the key is another one. */
static void renew_keyed(struct lat__strip *stream, struct derived *derived, size_t blocks)
{
    const uint64_t *stamps = lat_columns_stamps(stream->columns);
    int32_t key = stream->values[op_at(stream, derived->op)->operands[0]].s;

    /* The key need not be held. While a row has something under it, the row's map holds it; and a map that got
     * something under the same code after it was another text's changed the stamp of its block. */
    if (key != derived->key) {
        derived->key = key;
        memset(derived->seen, 0, (stream->blocks + 1) * sizeof(*derived->seen));
    }
    for (size_t block = 0; block < blocks; block++) {
        if (derived->seen[block] != stamps[block]) {
            look_up(stream, derived->op, block, key,
                    derived->memory + block * block_bytes(LAT_VALUE_S));
            derived->seen[block] = stamps[block];
        }
    }
}

static void renew(struct lat__strip *stream, size_t blocks)
{
    const uint64_t *stamps = lat_columns_stamps(stream->columns);

    for (size_t i = 0; i < stream->derived_count; i++) {
        if (stream->derived[i].is_keyed) {
            renew_keyed(stream, &stream->derived[i], blocks);
        }
    }
    if (stream->stamp == lat_columns_stamp(stream->columns)) {
        return;
    }
    for (size_t block = 0; block < blocks; block++) {
        if (stream->seen[block] != stamps[block]) {
            run_steps(stream, stream->kept.items, stream->kept.items + stream->kept.count, block);
            stream->seen[block] = stamps[block];
        }
    }
    stream->stamp = lat_columns_stamp(stream->columns);
}

void lat__strip_begin(struct lat__strip *stream, const struct lat_record *record)
{
    size_t blocks = lat_columns_blocks(stream->columns);

    if (stream->layout != lat_columns_layout(stream->columns) || blocks > stream->blocks) {
        make_room(stream, blocks + blocks / 2);
        bind(stream);
        stream->layout = lat_columns_layout(stream->columns);
    }
    for (size_t i = 0; i < stream->uniform_count; i++) {
        lat_program_value(stream->program, stream->columns, record, 0, stream->uniforms[i],
                          stream->values);
    }
    for (size_t i = 0; i < stream->spread_count; i++) {
        uint32_t op = stream->spreads[i].op;

        fill(stream->spreads[i].memory, op_at(stream, op)->type, stream->values[op]);
    }
    renew(stream, blocks);
}

void lat__strip_block(const struct lat__strip *stream, size_t group, size_t block)
{
    size_t begin = group == 0 ? 0 : stream->first_end;
    size_t end = group == 0 ? stream->first_end : stream->main.count;

    run_steps(stream, stream->main.items + begin, stream->main.items + end, block);
}

const void *lat__strip_value(const struct lat__strip *stream, size_t index, size_t block)
{
    return stream->wanted[index].base + block * stream->wanted[index].stride;
}
