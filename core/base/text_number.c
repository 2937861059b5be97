/* Numbers that people write: whole ones, sizes, durations, processors.
 *
 * All arithmetic is in integers: 0.1 + 0.2 of a processor must be 300 thousandths, and a size must
 * not depend on how a double rounds. Every multiplication is checked. */
#include "base/text.h"

#include "base/mem.h"

#include <strings.h>

enum { DECIMALS_MAX = 6 };

/* A unit by its suffix and how many of the smallest unit it holds. */
struct unit {
    const char *suffix;
    int64_t factor;
};

static const struct unit size_units[] = {
    {"", 1},
    {"b", 1},
    {"k", INT64_C(1) << 10},
    {"kb", INT64_C(1) << 10},
    {"ki", INT64_C(1) << 10},
    {"kib", INT64_C(1) << 10},
    {"m", INT64_C(1) << 20},
    {"mb", INT64_C(1) << 20},
    {"mi", INT64_C(1) << 20},
    {"mib", INT64_C(1) << 20},
    {"g", INT64_C(1) << 30},
    {"gb", INT64_C(1) << 30},
    {"gi", INT64_C(1) << 30},
    {"gib", INT64_C(1) << 30},
    {"t", INT64_C(1) << 40},
    {"tb", INT64_C(1) << 40},
    {"ti", INT64_C(1) << 40},
    {"tib", INT64_C(1) << 40},
    {NULL, 0},
};

static const struct unit rate_units[] = {
    {"", 1},
    {"bit", 1},
    {"k", INT64_C(1000)},
    {"kbit", INT64_C(1000)},
    {"m", INT64_C(1000000)},
    {"mbit", INT64_C(1000000)},
    {"g", INT64_C(1000000000)},
    {"gbit", INT64_C(1000000000)},
    {"t", INT64_C(1000000000000)},
    {"tbit", INT64_C(1000000000000)},
    {NULL, 0},
};

static const struct unit duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};

static const struct unit cpu_units[] = {{"", 1000}, {NULL, 0}};

/* A decimal number in its two halves: whole + part / scale. */
struct decimal {
    int64_t whole;
    int64_t part;
    int64_t scale; /* 10 to the number of decimals; 1 when there is no point */
};

static bool is_digit(char letter)
{
    return letter >= '0' && letter <= '9';
}

/* Adds a digit to a non-negative number; false when it does not fit. */
static bool push_digit(int64_t *number, char digit)
{
    return !__builtin_mul_overflow(*number, 10, number) &&
           !__builtin_add_overflow(*number, digit - '0', number);
}

/* Reads digits, perhaps with a point and at most `decimals` digits after it; *at moves behind
 * them. */
static int read_decimal(const char **at, int decimals, struct decimal *ret)
{
    const char *text = *at;
    struct decimal number = {.scale = 1};
    if (!is_digit(*text)) {
        return LAT_E_INVALID;
    }
    for (; is_digit(*text); text++) {
        if (!push_digit(&number.whole, *text)) {
            return LAT_E_INVALID;
        }
    }
    if (*text == '.') {
        text++;
        if (!is_digit(*text)) {
            return LAT_E_INVALID;
        }
        for (int count = 0; is_digit(*text); text++, count++) {
            if (count == decimals) {
                return LAT_E_INVALID;
            }
            number.part = number.part * 10 + (*text - '0');
            number.scale *= 10;
        }
    }
    *at = text;
    *ret = number;
    return 0;
}

/* Reads a decimal number followed by one of the units, and counts it in the smallest one, rounded
 * down. */
static int read_with_unit(const char *text, const struct unit *units, int decimals, int64_t *ret)
{
    LAT_ASSERT(decimals <= DECIMALS_MAX); /* so that part * factor fits: 10^6 * 2^40 < 2^63 */
    struct decimal number;
    int rc = read_decimal(&text, decimals, &number);
    if (rc < 0) {
        return rc;
    }
    for (; units->suffix != NULL; units++) {
        if (strcasecmp(units->suffix, text) == 0) {
            break;
        }
    }
    if (units->suffix == NULL || (number.scale > 1 && units->factor == 1)) {
        return LAT_E_INVALID;
    }
    int64_t value;
    if (__builtin_mul_overflow(number.whole, units->factor, &value) ||
        __builtin_add_overflow(value, number.part * units->factor / number.scale, &value)) {
        return LAT_E_INVALID;
    }
    *ret = value;
    return 0;
}

int lat_text_to_size(const char *text, int64_t *ret_bytes)
{
    return read_with_unit(text, size_units, DECIMALS_MAX, ret_bytes);
}

int lat_text_to_rate(const char *text, int64_t *ret_bps)
{
    return read_with_unit(text, rate_units, DECIMALS_MAX, ret_bps);
}

int lat_text_to_duration(const char *text, int64_t *ret_ms)
{
    return read_with_unit(text, duration_units, DECIMALS_MAX, ret_ms);
}

int lat_text_to_cpu(const char *text, int64_t *ret_milli)
{
    return read_with_unit(text, cpu_units, 3, ret_milli);
}

int lat_text_to_int(const char *text, int64_t min, int64_t max, int64_t *ret_value)
{
    bool negative = *text == '-';
    if (negative) {
        text++;
    }
    if (!is_digit(*text)) {
        return LAT_E_INVALID;
    }
    /* Counts below zero, where there is room for INT64_MIN. */
    int64_t value = 0;
    for (; is_digit(*text); text++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, *text - '0', &value)) {
            return LAT_E_INVALID;
        }
    }
    if (*text != '\0' || (!negative && __builtin_sub_overflow(INT64_C(0), value, &value)) ||
        value < min || value > max) {
        return LAT_E_INVALID;
    }
    *ret_value = value;
    return 0;
}
