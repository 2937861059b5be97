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

static struct lat__strip_place place_of(const struct lat__strip *strip,
                                        const struct lat__strip_steps *steps,
                                        struct lat__strip_name name)
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
            steps->registers + name.index * steps->span * lat__strip_bytes(LAT_VALUE_F), 0};
    case LAT__AT_BITS:
        return (struct lat__strip_place){steps->bits + name.index * steps->span * sizeof(uint64_t),
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

            step->out = place_of(strip, lists[list], step->out_name);
            for (uint32_t k = 0; k < step->operand_count; k++) {
                step->in[k] = place_of(strip, lists[list], step->in_names[k]);
            }
        }
    }
    for (size_t i = 0; i < strip->wanted_count; i++) {
        strip->wanted[i] = place_of(strip, &strip->main, strip->wanted_names[i]);
    }
}

/* Makes room for the derived columns of so many blocks, all to be computed. */
static void make_room(struct lat__strip *strip, size_t blocks)
{
    strip->blocks = blocks;
    free(strip->seen);
    strip->seen = lat_alloc_array(blocks + 1, (LAT__WORDS + 1) * sizeof(*strip->seen));
    for (size_t i = 0; i < strip->derived_count; i++) {
        struct lat__strip_derived *derived = &strip->derived[i];

        free(derived->memory);
        derived->memory = lat_columns_memory(
            blocks * LAT__WORDS * lat__strip_bytes(lat__strip_op(strip, derived->op)->type));
        if (derived->is_keyed) {
            free(derived->seen);
            derived->seen = lat_alloc_array(blocks + 1, (LAT__WORDS + 1) * sizeof(*derived->seen));
        }
        if (derived->is_wanted && lat__strip_op(strip, derived->op)->type == LAT_VALUE_F) {
            free(derived->wild);
            derived->wild = lat_alloc_array(blocks + 1, LAT__WORDS * sizeof(*derived->wild));
            derived->wild_words = 0;
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

/* Which rows are computed: whole words, or those of a list. */
struct rows {
    size_t word; /* 0 for a list, which begins where registers do */
    size_t words;
    const uint32_t *list; /* NULL: none */
    size_t count;         /* rows; of the list's last word the others are nobody's */
};

static struct rows whole(size_t word, size_t words)
{
    return (struct rows){word, words, NULL, words * 64};
}

/* Looks rows up by a key. */
static void look_up(const struct lat__strip *strip, uint32_t op, const struct rows *rows,
                    int32_t key, void *out)
{
    int32_t *codes = out;
    size_t begin = rows->word * 64;
    size_t end = lat_columns_rows(strip->columns);

    for (size_t i = 0; i < rows->count; i++) {
        size_t row = rows->list != NULL ? rows->list[i] : begin + i;

        codes[i] = row < end ? lat_columns_lookup(strip->columns, lat__strip_op(strip, op)->field,
                                                  row, key)
                             : 0;
    }
}

/* Looks rows up, or the workload for each row, by keys of their own. `out` may be where the keys are. */
static void look_up_each(const struct lat__strip *strip, uint32_t op, const struct rows *rows,
                         const int32_t *keys, void *out)
{
    enum lat_policy_field field = lat__strip_op(strip, op)->field;
    int32_t *codes = out;
    size_t begin = rows->word * 64;
    size_t end = lat_columns_rows(strip->columns);

    for (size_t i = 0; i < rows->count; i++) {
        size_t row = rows->list != NULL ? rows->list[i] : begin + i;

        if (row >= end || keys[i] == 0) {
            codes[i] = 0;
        } else if (field < LAT_NODE_FIELD_COUNT) {
            codes[i] = lat_columns_lookup(strip->columns, field, row, keys[i]);
        } else {
            codes[i] = lat_record_lookup(strip->record, field, keys[i]);
        }
    }
}

/* Takes the entry in one place of the rows' maps. */
static void take_entry(const struct lat__strip *strip, uint32_t op, const struct rows *rows,
                       int64_t place, void *out)
{
    const struct lat_op *of = lat__strip_op(strip, op);
    int32_t *codes = out;
    size_t begin = rows->word * 64;
    size_t end = lat_columns_rows(strip->columns);

    for (size_t i = 0; i < rows->count; i++) {
        size_t row = rows->list != NULL ? rows->list[i] : begin + i;

        codes[i] = row < end ? lat_columns_entry(strip->columns, of->field, row, (size_t)place,
                                                 of->code == LAT_OP_value_at)
                             : 0;
    }
}

static void run_texts(const struct lat__strip *strip, const struct lat__strip_step *step,
                      const struct rows *rows, void *out)
{
    struct lat__text_operand operands[3];

    for (uint32_t k = 0; k < step->operand_count; k++) {
        operands[k] =
            (struct lat__text_operand){.values = step->in[k].base + rows->word * step->in[k].stride,
                                       .is_one = step->in_names[k].where == LAT__AT_ONE_VALUE};
    }
    lat__texts_run(strip->texts, step->op, operands, rows->count, out);
}

/* Puts a field of the rows of a list side by side. */
static void gather(const struct lat__strip *strip, uint32_t op, const void *column,
                   const struct rows *rows, void *out)
{
    const uint32_t *list = rows->list;

    switch (lat__strip_op(strip, op)->type) {
    case LAT_VALUE_B:
        memset(out, 0, rows->words * sizeof(uint64_t));
        for (size_t i = 0; i < rows->count; i++) {
            uint64_t word = ((const uint64_t *)column)[list[i] / 64];

            ((uint64_t *)out)[i / 64] |= (word >> (list[i] % 64) & 1) << (i % 64);
        }
        break;
    case LAT_VALUE_S:
        for (size_t i = 0; i < rows->count; i++) {
            ((int32_t *)out)[i] = ((const int32_t *)column)[list[i]];
        }
        break;
    default:
        for (size_t i = 0; i < rows->count; i++) {
            ((union lat_program_value *)out)[i] =
                ((const union lat_program_value *)column)[list[i]];
        }
        break;
    }
}

/* Does a step for which there is no kernel. */
static void run_rows(const struct lat__strip *strip, const struct lat__strip_step *step,
                     const struct rows *rows)
{
    enum lat_opcode code = lat__strip_op(strip, step->op)->code;
    const char *in = step->in[0].base + rows->word * step->in[0].stride;
    char *out = step->out.base + rows->word * step->out.stride;

    if (code == LAT_OP_field) {
        gather(strip, step->op, in, rows, out);
    } else if (code == LAT_OP_map && step->in_names[0].where == LAT__AT_ONE_VALUE) {
        look_up(strip, step->op, rows, ((const union lat_program_value *)(const void *)in)->s, out);
    } else if (code == LAT_OP_map) {
        look_up_each(strip, step->op, rows, (const int32_t *)(const void *)in, out);
    } else if (lat_program_reads_field(code)) {
        take_entry(strip, step->op, rows, ((const union lat_program_value *)(const void *)in)->i,
                   out);
    } else {
        run_texts(strip, step, rows, out);
    }
}

static void run_steps(const struct lat__strip *strip, const struct lat__strip_steps *steps,
                      const struct rows *rows)
{
    const struct lat__strip_step *end = steps->items + steps->count;
    size_t word = rows->word;

    for (const struct lat__strip_step *step = steps->items; step < end; step++) {
        if (step->kernel == NULL) {
            run_rows(strip, step, rows);
            continue;
        }
        step->kernel(step->out.base + word * step->out.stride,
                     step->in[0].base + word * step->in[0].stride,
                     step->in[1].base + word * step->in[1].stride,
                     step->in[2].base + word * step->in[2].stride, rows->words);
    }
}

static size_t not_empty(const uint64_t *bits, size_t words)
{
    size_t count = 0;

    for (size_t i = 0; i < words; i++) {
        count += bits[i] != 0;
    }
    return count;
}

/* Computes what is kept of rows in which something changed. */
static void compute_kept(struct lat__strip *strip, size_t word, size_t words)
{
    const struct rows rows = whole(word, words);

    run_steps(strip, &strip->kept, &rows);
    for (size_t i = 0; i < strip->derived_count; i++) {
        struct lat__strip_derived *derived = &strip->derived[i];

        if (derived->wild != NULL) {
            const char *scores = derived->memory + word * lat__strip_bytes(LAT_VALUE_F);

            derived->wild_words -= not_empty(derived->wild + word, words);
            strip->kernels->wild((const double *)(const void *)scores, derived->wild + word, words);
            derived->wild_words += not_empty(derived->wild + word, words);
        }
    }
}

/* Looks rows up by a key of the workload. */
static void compute_keyed(const struct lat__strip *strip, const struct lat__strip_derived *derived,
                          size_t word, size_t words)
{
    const struct rows rows = whole(word, words);

    look_up(strip, derived->op, &rows, derived->key,
            derived->memory + word * lat__strip_bytes(LAT_VALUE_S));
}

/* Finds, from *word on and before end, at most `most` words of rows whose stamp is not the one seen; takes it over.
 * Returns how many words they are; 0: none before end. */
static size_t next_changed(const struct lat__strip *strip, uint64_t *seen, size_t *word, size_t end,
                           size_t most)
{
    const uint64_t *seen_blocks = seen + strip->blocks * LAT__WORDS;
    size_t at = *word;
    size_t count = 0;

    while (at < end) {
        if (at % LAT__WORDS == 0 &&
            seen_blocks[at / LAT__WORDS] == strip->block_stamps[at / LAT__WORDS]) {
            at += LAT__WORDS;
        } else if (seen[at] == strip->stamps[at]) {
            at++;
        } else {
            break;
        }
    }
    while (at + count < end && count < most && seen[at + count] != strip->stamps[at + count]) {
        seen[at + count] = strip->stamps[at + count];
        count++;
    }
    *word = at;
    return count;
}

/* Takes over the stamps of whole blocks, in which nothing has changed any more. */
static void see_blocks(const struct lat__strip *strip, uint64_t *seen, size_t begin, size_t end)
{
    memcpy(seen + strip->blocks * LAT__WORDS + begin / LAT__WORDS,
           strip->block_stamps + begin / LAT__WORDS, (end - begin) / LAT__WORDS * sizeof(*seen));
}

/* Renews what is kept of some blocks. */
static void renew(struct lat__strip *strip, size_t begin, size_t end)
{
    size_t word = begin;
    size_t count;

    if (strip->kept.count > 0) {
        while ((count = next_changed(strip, strip->seen, &word, end, strip->kept.span)) > 0) {
            compute_kept(strip, word, count);
            word += count;
        }
        see_blocks(strip, strip->seen, begin, end);
    }
    for (size_t i = 0; strip->has_keyed && i < strip->derived_count; i++) {
        const struct lat__strip_derived *derived = &strip->derived[i];

        if (!derived->is_keyed) {
            continue;
        }
        word = begin;
        while ((count = next_changed(strip, derived->seen, &word, end, SIZE_MAX)) > 0) {
            compute_keyed(strip, derived, word, count);
            word += count;
        }
        see_blocks(strip, derived->seen, begin, end);
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
            memset(derived->seen, 0, strip->blocks * (LAT__WORDS + 1) * sizeof(*derived->seen));
        }
        strip->has_keyed = true;
    }
}

/* Computes what is one value for all rows of this decision. */
static void prepare(struct lat__strip *strip)
{
    size_t blocks = lat_columns_blocks(strip->columns);

    if (strip->layout != lat_columns_layout(strip->columns) || blocks > strip->blocks) {
        make_room(strip, blocks + blocks / 2);
        bind(strip);
        strip->layout = lat_columns_layout(strip->columns);
    }
    strip->stamps = lat_columns_fine_stamps(strip->columns);
    strip->block_stamps = lat_columns_stamps(strip->columns);
    if (strip->epoch != lat_columns_epoch(strip->columns)) { /* texts are good no more */
        memset(strip->seen, 0, strip->blocks * (LAT__WORDS + 1) * sizeof(*strip->seen));
        strip->epoch = lat_columns_epoch(strip->columns);
    }
    for (size_t i = 0; i < strip->uniform_count; i++) {
        lat_program_value(strip->program, strip->columns, strip->record, 0, strip->uniforms[i],
                          strip->values);
    }
    for (size_t i = 0; i < strip->spread_count; i++) {
        uint32_t op = strip->spreads[i].op;

        if (!strip->spreads[i].is_filled ||
            memcmp(&strip->spreads[i].value, &strip->values[op], sizeof(strip->values[op])) != 0) {
            fill(strip->spreads[i].memory, lat__strip_op(strip, op)->type, strip->values[op],
                 strip->spreads[i].words);
            strip->spreads[i].value = strip->values[op];
            strip->spreads[i].is_filled = true;
        }
    }
    take_keys(strip);
}

void lat__strip_begin(struct lat__strip *strip, const struct lat_record *record)
{
    strip->record = record;
    strip->is_begun = false;
}

static void run_main(struct lat__strip *strip, const struct rows *rows)
{
    LAT_ASSERT(rows->words <= strip->main.span);
    if (!strip->is_begun) {
        prepare(strip);
        strip->is_begun = true;
    }
    if (rows->list == NULL) {
        renew(strip, rows->word, rows->word + rows->words);
    }
    strip->at = rows->word;
    strip->words = rows->words;
    run_steps(strip, &strip->main, rows);
}

void lat__strip_run(struct lat__strip *strip, size_t word, size_t words)
{
    const struct rows rows = whole(word, words);

    LAT_ASSERT(strip->kind != LAT__STRIP_LISTED && (word | words) % LAT__WORDS == 0);
    run_main(strip, &rows);
}

void lat__strip_run_list(struct lat__strip *strip, const uint32_t *list, size_t count)
{
    const struct rows rows = {0, (count + 63) / 64, list, count};

    LAT_ASSERT(strip->kind == LAT__STRIP_LISTED);
    run_main(strip, &rows);
}

const void *lat__strip_value(const struct lat__strip *strip, size_t index)
{
    return strip->wanted[index].base + strip->at * strip->wanted[index].stride;
}

bool lat__strip_is_finite(const struct lat__strip *strip, size_t index, const uint64_t *rows)
{
    struct lat__strip_name name = strip->wanted_names[index];
    uint64_t found[LAT__SPAN_MAX];
    const uint64_t *wild = found;
    uint64_t sum = 0;

    if (name.where == LAT__AT_DERIVED) { /* it was found out when the value was kept */
        if (strip->derived[name.index].wild_words == 0) {
            return true;
        }
        wild = strip->derived[name.index].wild + strip->at;
    } else {
        strip->kernels->wild(lat__strip_value(strip, index), found, strip->words);
    }
    for (size_t i = 0; i < strip->words; i++) {
        sum |= wild[i] & rows[i];
    }
    return sum == 0;
}

bool lat__strip_has_pairs(const struct lat__strip *strip)
{
    return strip->has_pairs;
}

size_t lat__strip_span(const struct lat__strip *strip)
{
    return strip->main.span;
}
