/* Lua 5.4's arithmetic where it is not C's: one definition for the scalar reference and for the kernels over columns.
 * Nothing here is undefined for any operand; what is an error in Lua (a division of integers by zero, a float that
 * is no integer) gives 0, and the program has a trap for it. */
#ifndef LAT_POLICY_ARITH_H
#define LAT_POLICY_ARITH_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define LAT_ARITH_TWO63 9223372036854775808.0 /* the first float above every integer */

static inline int64_t lat_arith_add_i(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static inline int64_t lat_arith_sub_i(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static inline int64_t lat_arith_mul_i(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

static inline int64_t lat_arith_neg_i(int64_t a)
{
    return lat_arith_sub_i(0, a);
}

static inline int64_t lat_arith_abs_i(int64_t a)
{
    return a < 0 ? lat_arith_neg_i(a) : a;
}

/* Rounds to minus infinity; INT64_MIN // -1 wraps. */
static inline int64_t lat_arith_idiv_i(int64_t a, int64_t b)
{
    if (b == 0 || b == -1) {
        return b == 0 ? 0 : lat_arith_neg_i(a);
    }
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* Has the sign of b. */
static inline int64_t lat_arith_mod_i(int64_t a, int64_t b)
{
    if (b == 0 || b == -1) {
        return 0;
    }
    int64_t rest = a % b;

    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

/* Has the sign of a (math.fmod). */
static inline int64_t lat_arith_fmod_i(int64_t a, int64_t b)
{
    return b == 0 || b == -1 ? 0 : a % b;
}

static inline int64_t lat_arith_shl(int64_t a, int64_t count)
{
    uint64_t bits = (uint64_t)a;

    if (count <= -64 || count >= 64) {
        return 0;
    }
    return (int64_t)(count >= 0 ? bits << count : bits >> -count);
}

static inline int64_t lat_arith_shr(int64_t a, int64_t count)
{
    return lat_arith_shl(a, lat_arith_neg_i(count));
}

static inline double lat_arith_idiv_f(double a, double b)
{
    return floor(a / b);
}

/* Has the sign of b. */
static inline double lat_arith_mod_f(double a, double b)
{
    double rest = fmod(a, b);

    return (rest > 0 && b < 0) || (rest < 0 && b > 0) ? rest + b : rest;
}

static inline double lat_arith_pow_f(double a, double b)
{
    return b == 2 ? a * a : pow(a, b);
}

static inline bool lat_arith_is_int_f(double a)
{
    return a >= -LAT_ARITH_TWO63 && a < LAT_ARITH_TWO63 && floor(a) == a;
}

static inline int64_t lat_arith_f2i(double a)
{
    return lat_arith_is_int_f(a) ? (int64_t)a : 0;
}

/* An integer and a float are compared as the numbers they are; nothing is rounded. A NaN is neither less, equal nor
 * greater. */
static inline bool lat_arith_lt_if(int64_t a, double b)
{
    if (b > -LAT_ARITH_TWO63 && b < LAT_ARITH_TWO63) {
        return a < (int64_t)ceil(b);
    }
    return b > 0;
}

static inline bool lat_arith_le_if(int64_t a, double b)
{
    if (b >= -LAT_ARITH_TWO63 && b < LAT_ARITH_TWO63) {
        return a <= (int64_t)floor(b);
    }
    return b > 0;
}

static inline bool lat_arith_lt_fi(double a, int64_t b)
{
    if (a >= -LAT_ARITH_TWO63 && a < LAT_ARITH_TWO63) {
        return (int64_t)floor(a) < b;
    }
    return a < 0;
}

static inline bool lat_arith_le_fi(double a, int64_t b)
{
    if (a > -LAT_ARITH_TWO63 && a < LAT_ARITH_TWO63) {
        return (int64_t)ceil(a) <= b;
    }
    return a < 0;
}

static inline bool lat_arith_eq_if(int64_t a, double b)
{
    return lat_arith_is_int_f(b) && (int64_t)b == a;
}

#endif
