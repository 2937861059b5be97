/* Values and reasons as text: what Lua's tostring, .. and string.format write. Pure. */
#include "policy/arith.h"
#include "policy/program_internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Which flags a conversion takes, and whether it takes a precision, as in Lua. */
static const struct conversion {
    const char *letters;
    const char *flags;
    bool takes_text; /* any value; else a number */
} conversions[] = {
    {"di", "-+0 ", false},       {"u", "-0", false}, {"oxX", "-#0", false},
    {"aAeEfgG", "-+#0 ", false}, {"s", "-", true},
};

static const struct conversion *conversion_of(char letter)
{
    for (size_t i = 0; i < LAT_COUNT(conversions); i++) {
        if (letter != '\0' && strchr(conversions[i].letters, letter) != NULL) {
            return &conversions[i];
        }
    }
    return NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Steps over at most two digits. */
static const char *skip_digits(const char *at)
{
    at += is_digit(*at);
    return at + is_digit(*at);
}

bool lat__format_is_good(const char *format, enum lat_program_type type)
{
    size_t len = strlen(format);

    if (len < 2 || len >= LAT__FORMAT_MAX || format[0] != '%') {
        return false;
    }
    const struct conversion *conversion = conversion_of(format[len - 1]);

    if (conversion == NULL ||
        (!conversion->takes_text && type != LAT_VALUE_I && type != LAT_VALUE_F)) {
        return false;
    }
    const char *at = format + 1;

    at += strspn(at, conversion->flags);
    at = *at == '0' ? at : skip_digits(at);
    if (*at == '.') {
        at = skip_digits(at + 1);
    }
    return at == format + len - 1;
}

void lat__write_float(double value, struct lat_buf *out)
{
    char text[64];

    snprintf(text, sizeof(text), "%.14g", value);
    lat_buf_add_text(out, text);
    if (text[strspn(text, "-0123456789")] == '\0') {
        lat_buf_add_text(out, ".0"); /* it would look like an integer */
    }
}

void lat_program_write(const struct lat_program *program, const struct lat_columns *columns,
                       uint32_t op, const union lat_program_value *values, struct lat_buf *out)
{
    LAT_ASSERT(op < program->op_count);
    switch (program->ops[op].type) {
    case LAT_VALUE_B: lat_buf_add_text(out, values[op].b ? "true" : "false"); break;
    case LAT_VALUE_I: lat_buf_addf(out, "%lld", (long long)values[op].i); break;
    case LAT_VALUE_F: lat__write_float(values[op].f, out); break;
    case LAT_VALUE_S: {
        const char *text = lat_columns_text(columns, values[op].s);

        lat_buf_add_text(out, text != NULL ? text : "nil");
        break;
    }
    }
}

/* Formats come from the wire, and are what lat__format_is_good let through. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static void write_integer(const char *format, size_t len, long long value, struct lat_buf *out)
{
    char with_length[LAT__FORMAT_MAX + 2];
    char text[LAT__WRITTEN_MAX];

    snprintf(with_length, sizeof(with_length), "%.*sll%c", (int)len - 1, format, format[len - 1]);
    snprintf(text, sizeof(text), with_length, value);
    lat_buf_add_text(out, text);
}

static void write_number(const char *format, double value, struct lat_buf *out)
{
    char text[LAT__WRITTEN_MAX];

    snprintf(text, sizeof(text), format, value);
    lat_buf_add_text(out, text);
}

static void write_text(const char *format, const char *value, struct lat_buf *out)
{
    /* No wider than 99 but as long as the text: measured first. */
    char *text = lat_text_format(format, value);

    lat_buf_add_text(out, text);
    free(text);
}

#pragma GCC diagnostic pop

void lat__write_number(const char *format, bool is_float, union lat_program_value value,
                       struct lat_buf *out)
{
    size_t len = strlen(format);

    if (strchr("aAeEfgG", format[len - 1]) != NULL) {
        write_number(format, is_float ? value.f : (double)value.i, out);
    } else {
        /* A number that is not integral is an error in Lua, for which the program has a trap. */
        write_integer(format, len, is_float ? lat_arith_f2i(value.f) : value.i, out);
    }
}

static void write_format(const struct lat_program *program, const struct lat_columns *columns,
                         const struct lat__part *part, const union lat_program_value *values,
                         struct lat_buf *out)
{
    bool is_float = program->ops[part->value].type == LAT_VALUE_F;
    union lat_program_value value = values[part->value];
    size_t len = strlen(part->text);

    if (part->text[len - 1] == 's') {
        struct lat_buf text = {.bytes = NULL};

        lat_program_write(program, columns, part->value, values, &text);
        write_text(part->text, lat_buf_text(&text), out);
        lat_buf_done(&text);
    } else {
        lat__write_number(part->text, is_float, value, out);
    }
}

/* Adds text, with a ? for every byte that is no part of a UTF-8 character. */
static void add_mended(struct lat_buf *out, const char *text, size_t len)
{
    for (size_t at = 0, step; at < len; at += step) {
        step = 1;
        while (step <= 4 && at + step <= len && !lat_text_is_utf8(text + at, step)) {
            step++;
        }
        if (step > 4 || at + step > len) {
            lat_buf_add_byte(out, '?');
            step = 1;
        } else {
            lat_buf_add(out, text + at, step);
        }
    }
}

bool lat_program_reason(const struct lat_program *program, const struct lat_columns *columns,
                        uint32_t rule, const union lat_program_value *values, struct lat_buf *out)
{
    LAT_ASSERT(rule < program->rule_count);
    const struct lat_rule *row = &program->rules[rule];
    struct lat_buf text = {.bytes = NULL};

    if (!row->has_reason) {
        return false;
    }
    /* So much that no character that counts lacks a part. */
    for (uint32_t i = 0; i < row->part_count && text.len <= LAT_PROGRAM_REASON_MAX + 4; i++) {
        const struct lat__part *part = &program->parts[row->parts_at + i];

        switch (part->kind) {
        case LAT__PART_LITERAL: lat_buf_add_text(&text, part->text); break;
        case LAT__PART_VALUE:
            lat_program_write(program, columns, part->value, values, &text);
            break;
        case LAT__PART_FORMAT: write_format(program, columns, part, values, &text); break;
        }
    }
    struct lat_buf whole = {.bytes = NULL};

    add_mended(&whole, lat_buf_text(&text), text.len);
    lat_buf_add(out, lat_buf_text(&whole),
                lat_text_cut(lat_buf_text(&whole), whole.len, LAT_PROGRAM_REASON_MAX));
    lat_buf_done(&whole);
    lat_buf_done(&text);
    return true;
}

bool lat_program_reason_varies(const struct lat_program *program, uint32_t rule)
{
    LAT_ASSERT(rule < program->rule_count);
    const struct lat_rule *row = &program->rules[rule];

    for (uint32_t i = 0; i < row->part_count; i++) {
        if (program->parts[row->parts_at + i].kind != LAT__PART_LITERAL) {
            return true;
        }
    }
    return false;
}
