/* Running strips: their operands bound to addresses, what is kept renewed, steps run. See strip.c. */
#include "sched/strip_internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- addresses ---- */

static struct lat__strip_place column_place(const struct lat__strip *strip,
                                            enum lat_policy_field field)
{
    const void *base = NULL;
    size_t stride = 64 * sizeof(double);

    switch (lat_policy_field_row(field)->type) {
    case LAT_POLICY_TYPE_BOOL:
        base = lat_columns_bits(strip->columns, field);
        stride = sizeof(uint64_t);
        break;
    case LAT_POLICY_TYPE_INT: base = lat_columns_ints(strip->columns, field); break;
    case LAT_POLICY_TYPE_FLOAT: base = lat_columns_floats(strip->columns, field); break;
    default:
        base = lat_columns_codes(strip->columns, field);
        stride = lat__strip_bytes(LAT_VALUE_S);
        break;
    }
    return (struct lat__strip_place){(char *)base, stride};
}

static struct lat__strip_place place_of(const struct lat__strip *strip, struct lat__strip_name name)
{
    switch (name.where) {
    case LAT__AT_ONE_VALUE: return (struct lat__strip_place){(char *)&strip->values[name.index], 0};
    case LAT__AT_SPREAD: return (struct lat__strip_place){strip->spreads[name.index].memory, 0};
    case LAT__AT_COLUMN: return column_place(strip, (enum lat_policy_field)name.index);
    case LAT__AT_DERIVED: {
        const struct lat__strip_derived *derived = &strip->derived[name.index];

        return (struct lat__strip_place){derived->memory,
                                         lat__strip_bytes(lat__strip_op(strip, derived->op)->type)};
    }
    case LAT__AT_REGISTER:
        return (struct lat__strip_place){
            strip->registers + name.index * strip->span * lat__strip_bytes(LAT_VALUE_F), 0};
    case LAT__AT_BITS:
        return (struct lat__strip_place){strip->bits + name.index * strip->span * sizeof(uint64_t),
                                         0};
    default: break;
    }
    return (struct lat__strip_place){NULL, 0};
}

static void bind(struct lat__strip *strip)
{
    struct lat__strip_steps *const lists[] = {&strip->main, &strip->kept};

    for (size_t list = 0; list < LAT_COUNT(lists); list++) {
        for (size_t i = 0; i < lists[list]->count; i++) {
            struct lat__strip_step *step = &lists[list]->items[i];

            step->out = place_of(strip, step->out_name);
            for (uint32_t k = 0; k < step->operand_count; k++) {
                step->in[k] = place_of(strip, step->in_names[k]);
            }
        }
    }
    for (size_t i = 0; i < strip->wanted_count; i++) {
        strip->wanted[i] = place_of(strip, strip->wanted_names[i]);
    }
}

/* Makes room for the derived columns of so many blocks, all to be computed. */
static void make_room(struct lat__strip *strip, size_t blocks)
{
    strip->blocks = blocks;
    free(strip->seen);
    strip->seen = lat_alloc_array(blocks + 1, LAT__WORDS * sizeof(*strip->seen));
    for (size_t i = 0; i < strip->derived_count; i++) {
        struct lat__strip_derived *derived = &strip->derived[i];

        free(derived->memory);
        derived->memory = lat__strip_memory(
            blocks * LAT__WORDS * lat__strip_bytes(lat__strip_op(strip, derived->op)->type));
        if (derived->is_keyed) {
            free(derived->seen);
            derived->seen = lat_alloc_array(blocks + 1, LAT__WORDS * sizeof(*derived->seen));
        }
        if (derived->is_wanted && lat__strip_op(strip, derived->op)->type == LAT_VALUE_F) {
            free(derived->wild);
            derived->wild = lat_alloc_array(blocks + 1, LAT__WORDS * sizeof(*derived->wild));
        }
    }
}

/* ---- running ---- */

static void fill(char *memory, enum lat_program_type type, union lat_program_value value,
                 size_t words)
{
    if (type == LAT_VALUE_B) {
        memset(memory, value.b ? 0xff : 0, words * sizeof(uint64_t));
        return;
    }
    for (size_t i = 0; i < words * 64; i++) {
        if (type == LAT_VALUE_S) {
            ((int32_t *)memory)[i] = value.s;
        } else {
            ((union lat_program_value *)memory)[i] = value;
        }
    }
}

static void look_up(const struct lat__strip *strip, uint32_t op, size_t word, size_t words,
                    int32_t key, void *out)
{
    int32_t *codes = out;
    size_t begin = word * 64;
    size_t end = lat_columns_rows(strip->columns);

    for (size_t i = 0; i < words * 64; i++) {
        codes[i] = begin + i < end
                       ? lat_columns_lookup(strip->columns, lat__strip_op(strip, op)->field,
                                            begin + i, key)
                       : 0;
    }
}

/* Reads numbers out of texts, row by row. From the last on: `out` may be the register of the codes, which are half as
 * wide. */
static void read_texts(const struct lat__strip *strip, uint32_t index, const void *in, size_t words,
                       void *out)
{
    const struct lat_op *op = lat__strip_op(strip, index);
    const int32_t *codes = in;
    uint64_t *bits = out;

    if (op->type == LAT_VALUE_B) {
        memset(bits, 0, words * sizeof(*bits));
    }
    for (size_t i = words * 64; i-- > 0;) {
        union lat_program_value text = {.s = codes[i]};
        union lat_program_value value =
            lat_program_numeral(op->code, lat_program_text(strip->program, strip->columns, text));

        if (op->type == LAT_VALUE_B) {
            bits[i / 64] |= (uint64_t)value.b << (i % 64);
        } else {
            ((union lat_program_value *)out)[i] = value;
        }
    }
}

static void run_steps(const struct lat__strip *strip, const struct lat__strip_step *step,
                      const struct lat__strip_step *end, size_t word, size_t words)
{
    for (; step < end; step++) {
        if (step->kernel == NULL && lat_program_reads_text(lat__strip_op(strip, step->op)->code)) {
            read_texts(strip, step->op, step->in[0].base + word * step->in[0].stride, words,
                       step->out.base + word * step->out.stride);
            continue;
        }
        if (step->kernel == NULL) {
            const union lat_program_value *key = (const void *)step->in[0].base;

            look_up(strip, step->op, word, words, key->s, step->out.base + word * step->out.stride);
            continue;
        }
        step->kernel(step->out.base + word * step->out.stride,
                     step->in[0].base + word * step->in[0].stride,
                     step->in[1].base + word * step->in[1].stride,
                     step->in[2].base + word * step->in[2].stride, words);
    }
}

/* Computes what is kept of rows in which something changed. */
static void compute_kept(struct lat__strip *strip, size_t word, size_t words)
{
    run_steps(strip, strip->kept.items, strip->kept.items + strip->kept.count, word, words);
    for (size_t i = 0; i < strip->derived_count; i++) {
        const struct lat__strip_derived *derived = &strip->derived[i];

        if (derived->wild != NULL) {
            const char *scores = derived->memory + word * lat__strip_bytes(LAT_VALUE_F);

            strip->kernels->wild((const double *)(const void *)scores, derived->wild + word, words);
        }
    }
}

/* Looks rows up by a key of the workload. */
static void compute_keyed(const struct lat__strip *strip, const struct lat__strip_derived *derived,
                          size_t word, size_t words)
{
    look_up(strip, derived->op, word, words, derived->key,
            derived->memory + word * lat__strip_bytes(LAT_VALUE_S));
}

/* Finds, from *word on and before end, rows whose stamp is not the one seen; takes it over. Returns how many words of
 * them there are; 0: none before end. */
static size_t next_changed(const struct lat__strip *strip, uint64_t *seen, size_t *word, size_t end)
{
    size_t count = 0;

    while (*word < end && seen[*word] == strip->stamps[*word]) {
        (*word)++;
    }
    while (*word + count < end && seen[*word + count] != strip->stamps[*word + count]) {
        seen[*word + count] = strip->stamps[*word + count];
        count++;
    }
    return count;
}

/* Renews what is kept of a span. */
static void renew(struct lat__strip *strip, size_t begin, size_t end)
{
    size_t word = begin;
    size_t count;

    for (; (count = next_changed(strip, strip->seen, &word, end)) > 0; word += count) {
        compute_kept(strip, word, count);
    }
    for (size_t i = 0; strip->has_keyed && i < strip->derived_count; i++) {
        const struct lat__strip_derived *derived = &strip->derived[i];

        word = begin;
        for (; derived->is_keyed && (count = next_changed(strip, derived->seen, &word, end)) > 0;
             word += count) {
            compute_keyed(strip, derived, word, count);
        }
    }
}

/* Takes the keys of this decision's workload. */
static void take_keys(struct lat__strip *strip)
{
    strip->has_keyed = false;
    for (size_t i = 0; i < strip->derived_count; i++) {
        struct lat__strip_derived *derived = &strip->derived[i];

        if (!derived->is_keyed) {
            continue;
        }
        int32_t key = strip->values[lat__strip_op(strip, derived->op)->operands[0]].s;

        /* The key need not be held. While a row has something under it, the row's map holds it; and a map that got
         * something under the same code after it was another text's changed the stamp of its block. */
        if (key != derived->key) {
            derived->key = key;
            memset(derived->seen, 0, strip->blocks * LAT__WORDS * sizeof(*derived->seen));
        }
        strip->has_keyed = true;
    }
}

void lat__strip_begin(struct lat__strip *strip, const struct lat_record *record)
{
    size_t blocks = lat_columns_blocks(strip->columns);

    if (strip->layout != lat_columns_layout(strip->columns) || blocks > strip->blocks) {
        make_room(strip, blocks + blocks / 2);
        bind(strip);
        strip->layout = lat_columns_layout(strip->columns);
    }
    strip->stamps = lat_columns_fine_stamps(strip->columns);
    for (size_t i = 0; i < strip->uniform_count; i++) {
        lat_program_value(strip->program, strip->columns, record, 0, strip->uniforms[i],
                          strip->values);
    }
    for (size_t i = 0; i < strip->spread_count; i++) {
        uint32_t op = strip->spreads[i].op;

        if (!strip->spreads[i].is_filled ||
            memcmp(&strip->spreads[i].value, &strip->values[op], sizeof(strip->values[op])) != 0) {
            fill(strip->spreads[i].memory, lat__strip_op(strip, op)->type, strip->values[op],
                 strip->span);
            strip->spreads[i].value = strip->values[op];
            strip->spreads[i].is_filled = true;
        }
    }
    take_keys(strip);
}

void lat__strip_run(struct lat__strip *strip, size_t word, size_t words)
{
    LAT_ASSERT(words <= strip->span);
    renew(strip, word, word + words);
    strip->at = word;
    run_steps(strip, strip->main.items, strip->main.items + strip->main.count, word, words);
}

const void *lat__strip_value(const struct lat__strip *strip, size_t index)
{
    return strip->wanted[index].base + strip->at * strip->wanted[index].stride;
}

const uint64_t *lat__strip_wild(const struct lat__strip *strip, size_t index)
{
    struct lat__strip_name name = strip->wanted_names[index];

    return name.where == LAT__AT_DERIVED && strip->derived[name.index].wild != NULL
               ? strip->derived[name.index].wild + strip->at
               : NULL;
}

bool lat__strip_has_pairs(const struct lat__strip *strip)
{
    return strip->has_pairs;
}

size_t lat__strip_span(const struct lat__strip *strip)
{
    return strip->span;
}
