/* What operations make of texts: what Lua 5.4 does in the C locale, byte by byte. A text that is made becomes one of the
 * dictionary (lat_columns_keep_text), so that it is compared like any other. Where an operand is nil there is no result: nil,
 * 0 or false; the program has seen to it that nobody asks. */
#include "policy/pattern.h"
#include "policy/program_internal.h"

#include "base/buf.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

bool lat_program_reads_text(enum lat_opcode code)
{
    return code >= LAT_OP_is_num_i && code <= LAT_OP_format_f;
}

/* Returns the place that a number means in a text of so many bytes, from 1: those below 0 count from the end. */
static int64_t first_place(int64_t place, int64_t len)
{
    return place > 0 ? place : place == 0 || place < -len ? 1 : len + place + 1;
}

static int64_t last_place(int64_t place, int64_t len)
{
    return place > len ? len : place >= 0 ? place : place < -len ? 0 : len + place + 1;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Writes the text that an operation makes of texts; returns false for nil. */
static bool make(const struct lat_op *op, const char *a, const char *b,
                 const union lat_program_value *in, struct lat_buf *out)
{
    size_t len = strlen(a);
    struct lat__match match;
    int64_t first, last;

    switch (op->code) {
    case LAT_OP_lower_s:
    case LAT_OP_upper_s:
        for (size_t i = 0; i < len; i++) {
            lat_buf_add_byte(out,
                             (uint8_t)(op->code == LAT_OP_lower_s ? lower(a[i]) : upper(a[i])));
        }
        break;
    case LAT_OP_reverse_s:
        for (size_t i = len; i-- > 0;) {
            lat_buf_add_byte(out, (uint8_t)a[i]);
        }
        break;
    case LAT_OP_sub_s:
        first = first_place(in[1].i, (int64_t)len);
        last = last_place(in[2].i, (int64_t)len);
        if (first <= last) {
            lat_buf_add(out, a + first - 1, (size_t)(last - first + 1));
        }
        break;
    case LAT_OP_concat_s:
        lat_buf_add_text(out, a);
        lat_buf_add_text(out, b);
        break;
    case LAT_OP_capture_s:
        if (!lat__pattern_find(op->pattern, a, len, &match)) {
            return false;
        }
        lat_buf_add(out, a + match.spans[in[2].i].begin,
                    match.spans[in[2].i].end - match.spans[in[2].i].begin);
        break;
    case LAT_OP_parts_s: lat__parts_write(op->pattern, a, len, out); break;
    case LAT_OP_part_s:
        if (!lat__parts_take(a, in[1].i, &a, &len)) {
            return false;
        }
        lat_buf_add(out, a, len);
        break;
    default: lat__pattern_replace(op->pattern, a, len, op->text, out); break; /* gsub_s */
    }
    return true;
}

static int32_t made(struct lat_columns *columns, const struct lat_op *op, const char *a,
                    const char *b, const union lat_program_value *in)
{
    struct lat_buf out = {.bytes = NULL};
    int32_t code = 0;

    if (a != NULL && (b != NULL || op->code != LAT_OP_concat_s) && make(op, a, b, in, &out)) {
        code = lat_columns_keep_text(columns, lat_buf_text(&out));
    }
    lat_buf_done(&out);
    return code;
}

static int64_t count_matches(const struct lat_op *op, const char *text)
{
    struct lat_buf out = {.bytes = NULL};
    int64_t count = lat__pattern_replace(op->pattern, text, strlen(text), "", &out);

    lat_buf_done(&out);
    return count;
}

/* Where a text or a pattern is in a text: the first place, or the last; 0: nowhere. */
static int64_t found(const struct lat_op *op, const char *a, const char *b)
{
    struct lat__match match;

    if (op->code == LAT_OP_find_s) {
        const char *at = strstr(a, b);

        return at != NULL ? at - a + 1 : 0;
    }
    if (!lat__pattern_find(op->pattern, a, strlen(a), &match)) {
        return 0;
    }
    return (int64_t)(op->code == LAT_OP_match_at ? match.spans[0].begin + 1 : match.spans[0].end);
}

static int64_t byte_at(const char *text, int64_t place)
{
    int64_t len = text != NULL ? (int64_t)strlen(text) : 0;

    place = place < 0 ? len + place + 1 : place;
    return place > 0 && place <= len ? (uint8_t)text[place - 1] : 0;
}

/* Whether a part is there, and is that text. */
static bool is_part(const char *parts, int64_t place, const char *text)
{
    const char *part;
    size_t len;

    return parts != NULL && text != NULL && lat__parts_take(parts, place, &part, &len) &&
           strlen(text) == len && memcmp(part, text, len) == 0;
}

/* Writes a number as tostring does, or by a directive. */
static int32_t written(struct lat_columns *columns, const struct lat_op *op,
                       union lat_program_value number)
{
    bool is_float = op->code == LAT_OP_text_f || op->code == LAT_OP_format_f;
    struct lat_buf out = {.bytes = NULL};

    if (is_float && isnan(number.f)) {
        number.f = NAN; /* whatever its sign */
    }
    if (op->code == LAT_OP_text_i) {
        lat_buf_addf(&out, "%lld", (long long)number.i);
    } else if (op->code == LAT_OP_text_f) {
        lat__write_float(number.f, &out);
    } else {
        lat__write_number(op->text, is_float, number, &out);
    }
    int32_t code = lat_columns_keep_text(columns, lat_buf_text(&out));

    lat_buf_done(&out);
    return code;
}

union lat_program_value lat_program_of_texts(struct lat_columns *columns, const struct lat_op *op,
                                             const union lat_program_value *in)
{
    union lat_program_value value = {.i = 0};
    bool of_number = op->code >= LAT_OP_text_i;
    const char *a = of_number ? NULL : lat_columns_text(columns, in[0].s);
    bool has_place = op->code == LAT_OP_sub_s || op->code == LAT_OP_byte_s ||
                     op->code == LAT_OP_part_s || op->code == LAT_OP_part_is;
    const char *b = op->operand_count > 1 && !has_place ? lat_columns_text(columns, in[1].s) : NULL;

    switch (op->code) {
    case LAT_OP_is_num_i:
    case LAT_OP_is_num_f:
    case LAT_OP_num_i:
    case LAT_OP_num_f: return lat_program_numeral(op->code, a);
    case LAT_OP_len_s: value.i = a != NULL ? (int64_t)strlen(a) : 0; break;
    case LAT_OP_lt_s: value.b = a != NULL && b != NULL && strcmp(a, b) < 0; break;
    case LAT_OP_le_s: value.b = a != NULL && b != NULL && strcmp(a, b) <= 0; break;
    case LAT_OP_find_s:
    case LAT_OP_match_at:
    case LAT_OP_match_end: value.i = a != NULL && b != NULL ? found(op, a, b) : 0; break;
    case LAT_OP_gsub_n: value.i = a != NULL ? count_matches(op, a) : 0; break;
    case LAT_OP_byte_s: value.i = byte_at(a, in[1].i); break;
    case LAT_OP_parts_n: value.i = a != NULL ? lat__parts_count(a) : 0; break;
    case LAT_OP_part_is: value.b = is_part(a, in[1].i, lat_columns_text(columns, in[2].s)); break;
    case LAT_OP_text_i:
    case LAT_OP_text_f:
    case LAT_OP_format_i:
    case LAT_OP_format_f: value.s = written(columns, op, in[0]); break;
    default: value.s = made(columns, op, a, b, in); break;
    }
    return value;
}
