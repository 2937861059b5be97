/* Operations on texts, row by row. Rows have few texts among them, and keep them while their numbers change: what an operation
 * makes of a text is remembered by the text's code, for all strips of a vector. That is good as long as the columns keep
 * both texts, so until their epoch is another one; and while whatever else goes into the operation is the same value. */
#include "sched/texts.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
    MEMOS_MAX =
        64 << 20, /* bytes of all that a vector remembers; what is beyond is computed each time */
};

/* What one operation made of texts. */
struct memo {
    union lat_program_value others[3]; /* operands that were one value */
    uint8_t *known;                    /* owned; by code */
    union lat_program_value *values;   /* owned; by code */
    size_t room;
};

struct lat__texts {
    const struct lat_op *ops; /* borrowed, as the columns */
    size_t op_count;
    struct lat_columns *columns;
    struct memo *memos; /* owned; by op */
    size_t memo_bytes;  /* of all of them */
    uint64_t epoch;
};

struct lat__texts *lat__texts_new(const struct lat_program *program, struct lat_columns *columns)
{
    struct lat__texts *texts = LAT_NEW(struct lat__texts);

    texts->ops = lat_program_ops(program, &texts->op_count);
    texts->columns = columns;
    texts->memos = lat_alloc_array(texts->op_count + 1, sizeof(*texts->memos));
    texts->epoch = lat_columns_epoch(columns);
    return texts;
}

struct lat__texts *lat__texts_free(struct lat__texts *texts)
{
    if (texts == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < texts->op_count; i++) {
        free(texts->memos[i].known);
        free(texts->memos[i].values);
    }
    free(texts->memos);
    free(texts);
    return NULL;
}

static void forget(struct memo *memo)
{
    if (memo->room > 0) {
        memset(memo->known, 0, memo->room);
    }
}

/* Forgets what was made of texts that the columns may have forgotten. */
static void renew(struct lat__texts *texts)
{
    if (texts->epoch == lat_columns_epoch(texts->columns)) {
        return;
    }
    texts->epoch = lat_columns_epoch(texts->columns);
    for (size_t i = 0; i < texts->op_count; i++) {
        forget(&texts->memos[i]);
    }
}

/* Reads an operand of row i. */
static union lat_program_value operand(const struct lat_op *ops, const struct lat_op *op,
                                       uint32_t k, const struct lat__text_operand *from, size_t i)
{
    union lat_program_value value = {.i = 0};

    if (from->is_one) {
        return *(const union lat_program_value *)from->values;
    }
    if (ops[op->operands[k]].type == LAT_VALUE_S) {
        value.s = ((const int32_t *)from->values)[i];
    } else {
        value = ((const union lat_program_value *)from->values)[i];
    }
    return value;
}

static void write(const struct lat_op *op, void *out, size_t i, union lat_program_value value)
{
    if (op->type == LAT_VALUE_B) {
        ((uint64_t *)out)[i / 64] |= (uint64_t)value.b << (i % 64);
    } else if (op->type == LAT_VALUE_S) {
        ((int32_t *)out)[i] = value.s;
    } else {
        ((union lat_program_value *)out)[i] = value;
    }
}

/* Makes room for a code; false when there is none to be had. */
static bool grow(struct lat__texts *texts, struct memo *memo, int32_t code)
{
    const size_t entry = sizeof(*memo->known) + sizeof(*memo->values);
    size_t room = (size_t)lat_columns_codes_end(texts->columns);

    if ((size_t)code < memo->room) {
        return true;
    }
    room += room / 2;
    if ((room - memo->room) * entry > MEMOS_MAX - texts->memo_bytes) {
        return false;
    }
    texts->memo_bytes += (room - memo->room) * entry;
    memo->known = lat_grow(memo->known, room, sizeof(*memo->known));
    memo->values = lat_grow(memo->values, room, sizeof(*memo->values));
    memset(memo->known + memo->room, 0, room - memo->room);
    memo->room = room;
    return true;
}

/* Takes the operands that are one value; what was made with others is forgotten. Returns the operand that is not one, if it
 * is the only one and a text; else 3. */
static uint32_t take_others(const struct lat__texts *texts, const struct lat_op *op,
                            const struct lat__text_operand *from, struct memo *memo)
{
    uint32_t varying = 3;

    for (uint32_t k = 0; k < op->operand_count; k++) {
        union lat_program_value value = {.i = 0};

        if (from[k].is_one) {
            value = *(const union lat_program_value *)from[k].values;
        } else if (varying != 3 || texts->ops[op->operands[k]].type != LAT_VALUE_S) {
            return 3;
        } else {
            varying = k;
        }
        if (memcmp(&memo->others[k], &value, sizeof(value)) != 0) {
            forget(memo);
            memo->others[k] = value;
        }
        if (from[k].is_one && texts->ops[op->operands[k]].type == LAT_VALUE_S) {
            lat_columns_keep(texts->columns, value.s); /* no other text gets this code */
        }
    }
    return varying;
}

static union lat_program_value compute(const struct lat__texts *texts, const struct lat_op *op,
                                       const struct lat__text_operand *from, size_t i)
{
    union lat_program_value in[3] = {{.i = 0}, {.i = 0}, {.i = 0}};

    for (uint32_t k = 0; k < op->operand_count; k++) {
        in[k] = operand(texts->ops, op, k, &from[k], i);
    }
    return lat_program_of_texts(texts->columns, op, in);
}

/* Returns what is made of a row's text, which has this code. */
static union lat_program_value remember(struct lat__texts *texts, const struct lat_op *op,
                                        const struct lat__text_operand *from, struct memo *memo,
                                        int32_t code, size_t i)
{
    if (!grow(texts, memo, code)) {
        return compute(texts, op, from, i);
    }
    if (memo->known[code] == 0) {
        memo->values[code] = compute(texts, op, from, i);
        memo->known[code] = 1;
        lat_columns_keep(texts->columns, code);
    }
    return memo->values[code];
}

void lat__texts_run(struct lat__texts *texts, uint32_t index, const struct lat__text_operand *from,
                    size_t rows, void *out)
{
    const struct lat_op *op = &texts->ops[index];
    struct memo *memo = &texts->memos[index];

    renew(texts);
    uint32_t varying = take_others(texts, op, from, memo);

    if (op->type == LAT_VALUE_B) {
        memset(out, 0, (rows + 63) / 64 * sizeof(uint64_t));
    }
    for (size_t row = 0; row < rows; row++) {
        /* `out` may be the register of an operand: what is written wider than a code is written from the end on. */
        size_t i = op->type == LAT_VALUE_I || op->type == LAT_VALUE_F ? rows - 1 - row : row;

        write(op, out, i,
              varying == 3
                  ? compute(texts, op, from, i)
                  : remember(texts, op, from, memo, ((const int32_t *)from[varying].values)[i], i));
    }
}
