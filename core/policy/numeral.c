/* The number that a text is, as Lua's tonumber reads it: an integer where it is written like one and fits (a
 * hexadecimal one wraps), else a float. Space around it is no matter; "inf" and "nan" are no numbers. */
#include "policy/program_internal.h"

#include <stdlib.h>
#include <string.h>

static const char spaces[] = " \f\n\r\t\v";

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* Reads digits of the base; false where there are none, or (of decimal ones) too many for an integer. */
static bool read_digits(const char **at, unsigned base, bool negative, uint64_t *ret_value)
{
    const char *begin = *at;
    uint64_t most = (uint64_t)INT64_MAX + negative;
    uint64_t value = 0;

    for (; digit_of(**at) < (int)base; (*at)++) {
        uint64_t digit = (uint64_t)digit_of(**at);

        if (base == 10 && value > (most - digit) / 10) {
            return false;
        }
        value = value * base + digit;
    }
    *ret_value = value;
    return *at > begin;
}

static bool read_integer(const char *text, int64_t *ret_value)
{
    const char *at = text + strspn(text, spaces);
    bool negative = *at == '-';
    uint64_t value;

    at += *at == '-' || *at == '+';
    bool is_hex = at[0] == '0' && (at[1] == 'x' || at[1] == 'X');

    at += is_hex ? 2 : 0;
    if (!read_digits(&at, is_hex ? 16 : 10, negative, &value)) {
        return false;
    }
    *ret_value = (int64_t)(negative ? 0 - value : value);
    return at[strspn(at, spaces)] == '\0';
}

static bool read_float(const char *text, double *ret_value)
{
    const char *sign = strpbrk(text, ".xXnN");
    char *end;

    if (sign != NULL && (*sign == 'n' || *sign == 'N')) {
        return false;
    }
    *ret_value = strtod(text, &end);
    return end != text && end[strspn(end, spaces)] == '\0';
}

union lat_program_value lat_program_numeral(enum lat_opcode code, const char *text)
{
    union lat_program_value value = {.i = 0};
    int64_t integer = 0;
    double real = 0;
    bool is_integer = text != NULL && read_integer(text, &integer);
    bool is_float = text != NULL && !is_integer && read_float(text, &real);

    switch (code) {
    case LAT_OP_is_num_i: value.b = is_integer; break;
    case LAT_OP_is_num_f: value.b = is_float; break;
    case LAT_OP_num_i: value.i = is_integer ? integer : 0; break;
    default: value.f = is_integer ? (double)integer : is_float ? real : 0; break; /* num_f */
    }
    return value;
}
