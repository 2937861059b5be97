/* The kernels, once for all processors: kernels_*.c include this with LAT__KERNELS, the name of their table, set, and
 * are compiled each for their processor. Loops over 64 rows and more are written so that the compiler makes wide registers of
 * them; where it cannot (comparisons give bits, selects take them) there are a few lines by hand for each width.
 *
 * Everything gives the same bits on every processor: no operation is fused (-ffp-contract=off), none reordered. */
#include "sched/vector_internal.h"

#include "policy/arith.h"

#include <math.h>
#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

/* Registers and columns begin at whole cache lines; bitmaps do not. */
#define ROWS(type, pointer) ((const type *)__builtin_assume_aligned((pointer), LAT__ALIGNMENT))
#define OUT(type, pointer) ((type *)__builtin_assume_aligned((pointer), LAT__ALIGNMENT))
#define ONE(type, pointer) (*(const type *)(pointer))
#define EACH_ROW _Pragma("GCC ivdep") for (size_t i = 0; i < words * 64; i++)
#define UNUSED(x) (void)(x)

/* ---- numbers to numbers ---- */

#define UNARY(name, out_type, type, expression)                                                    \
    static void name##_vv(void *out, const void *pa, const void *pb, const void *pc, size_t words) \
    {                                                                                              \
        out_type *o = OUT(out_type, out);                                                          \
        const type *va = ROWS(type, pa);                                                           \
        UNUSED(pb);                                                                                \
        UNUSED(pc);                                                                                \
        EACH_ROW                                                                                   \
        {                                                                                          \
            const type a = va[i];                                                                  \
            o[i] = (expression);                                                                   \
        }                                                                                          \
    }

#define BINARY(name, out_type, type, expression)                                                   \
    static void name##_vv(void *out, const void *pa, const void *pb, const void *pc, size_t words) \
    {                                                                                              \
        out_type *o = OUT(out_type, out);                                                          \
        const type *va = ROWS(type, pa);                                                           \
        const type *vb = ROWS(type, pb);                                                           \
        UNUSED(pc);                                                                                \
        EACH_ROW                                                                                   \
        {                                                                                          \
            const type a = va[i];                                                                  \
            const type b = vb[i];                                                                  \
            o[i] = (expression);                                                                   \
        }                                                                                          \
    }                                                                                              \
    static void name##_uv(void *out, const void *pa, const void *pb, const void *pc, size_t words) \
    {                                                                                              \
        out_type *o = OUT(out_type, out);                                                          \
        const type a = ONE(type, pa);                                                              \
        const type *vb = ROWS(type, pb);                                                           \
        UNUSED(pc);                                                                                \
        EACH_ROW                                                                                   \
        {                                                                                          \
            const type b = vb[i];                                                                  \
            o[i] = (expression);                                                                   \
        }                                                                                          \
    }                                                                                              \
    static void name##_vu(void *out, const void *pa, const void *pb, const void *pc, size_t words) \
    {                                                                                              \
        out_type *o = OUT(out_type, out);                                                          \
        const type *va = ROWS(type, pa);                                                           \
        const type b = ONE(type, pb);                                                              \
        UNUSED(pc);                                                                                \
        EACH_ROW                                                                                   \
        {                                                                                          \
            const type a = va[i];                                                                  \
            o[i] = (expression);                                                                   \
        }                                                                                          \
    }

BINARY(add_i, int64_t, int64_t, lat_arith_add_i(a, b))
BINARY(sub_i, int64_t, int64_t, lat_arith_sub_i(a, b))
BINARY(mul_i, int64_t, int64_t, lat_arith_mul_i(a, b))
BINARY(idiv_i, int64_t, int64_t, lat_arith_idiv_i(a, b))
BINARY(mod_i, int64_t, int64_t, lat_arith_mod_i(a, b))
BINARY(fmod_i, int64_t, int64_t, lat_arith_fmod_i(a, b))
BINARY(band, int64_t, int64_t, a &b)
BINARY(bor, int64_t, int64_t, a | b)
BINARY(bxor, int64_t, int64_t, a ^ b)
BINARY(shl, int64_t, int64_t, lat_arith_shl(a, b))
BINARY(shr, int64_t, int64_t, lat_arith_shr(a, b))
UNARY(neg_i, int64_t, int64_t, lat_arith_neg_i(a))
UNARY(abs_i, int64_t, int64_t, lat_arith_abs_i(a))
UNARY(bnot, int64_t, int64_t, ~a)

BINARY(add_f, double, double, a + b)
BINARY(sub_f, double, double, a - b)
BINARY(mul_f, double, double, a *b)
BINARY(div_f, double, double, a / b)
BINARY(idiv_f, double, double, lat_arith_idiv_f(a, b))
BINARY(mod_f, double, double, lat_arith_mod_f(a, b))
BINARY(fmod_f, double, double, fmod(a, b))
BINARY(pow_f, double, double, lat_arith_pow_f(a, b))
UNARY(neg_f, double, double, -a)
UNARY(abs_f, double, double, fabs(a))
UNARY(floor_f, double, double, floor(a))
UNARY(ceil_f, double, double, ceil(a))
UNARY(sqrt_f, double, double, sqrt(a))
UNARY(exp, double, double, exp(a))
UNARY(log, double, double, log(a))
UNARY(log2, double, double, log2(a))
UNARY(log10, double, double, log10(a))
UNARY(sin, double, double, sin(a))
UNARY(cos, double, double, cos(a))
UNARY(tan, double, double, tan(a))

UNARY(i2f, double, int64_t, (double)a)
UNARY(f2i, int64_t, double, lat_arith_f2i(a))

/* ---- numbers and texts to bits ---- */

/* Comparisons of any types: a bit at a time, or what the compiler makes of it. */
#define TO_BITS(name, suffix, prepare, at_a, at_b, expression)                                     \
    static void name##suffix(void *out, const void *pa, const void *pb, const void *pc,            \
                             size_t words)                                                         \
    {                                                                                              \
        uint64_t *o = out;                                                                         \
        prepare;                                                                                   \
        UNUSED(pb);                                                                                \
        UNUSED(pc);                                                                                \
        for (size_t word = 0; word < words; word++) {                                              \
            uint64_t bits = 0;                                                                     \
            for (size_t i = word * 64; i < word * 64 + 64; i++) {                                  \
                at_a;                                                                              \
                at_b;                                                                              \
                bits |= (uint64_t)(expression) << (i % 64);                                        \
            }                                                                                      \
            o[word] = bits;                                                                        \
        }                                                                                          \
    }

#define ANY_COMPARE(name, type_a, type_b, expression)                                              \
    TO_BITS(name, _vv, const type_a *va = ROWS(type_a, pa); const type_b *vb = ROWS(type_b, pb),   \
                                                            const type_a a = va[i],                \
                                                            const type_b b = vb[i], expression)    \
    TO_BITS(name, _uv, const type_a a = ONE(type_a, pa);                                           \
            const type_b *vb = ROWS(type_b, pb), , const type_b b = vb[i], expression)             \
    TO_BITS(name, _vu, const type_a *va = ROWS(type_a, pa);                                        \
            const type_b b = ONE(type_b, pb), const type_a a = va[i], , expression)

#define ANY_TEST(name, type, expression)                                                           \
    TO_BITS(name, _vv, const type *va = ROWS(type, pa), const type a = va[i], , expression)

/* Comparisons of like types with wide registers: LANES rows give LANES bits. */
#define WIDE_COMPARE(name, suffix, lanes, prepare, at_a, at_b, bits_of)                            \
    static void name##suffix(void *out, const void *pa, const void *pb, const void *pc,            \
                             size_t words)                                                         \
    {                                                                                              \
        uint64_t *o = out;                                                                         \
        prepare;                                                                                   \
        UNUSED(pc);                                                                                \
        for (size_t word = 0; word < words; word++) {                                              \
            uint64_t bits = 0;                                                                     \
            _Pragma("GCC unroll 16") for (size_t part = 0; part < 64; part += (lanes))             \
            {                                                                                      \
                const size_t i = word * 64 + part;                                                 \
                bits |= (uint64_t)(bits_of(at_a, at_b)) << part;                                   \
            }                                                                                      \
            o[word] = bits;                                                                        \
        }                                                                                          \
    }

#define WIDE_COMPARES(name, lanes, type, wide, load, spread, bits_of)                              \
    WIDE_COMPARE(name, _vv, lanes, const type *va = ROWS(type, pa);                                \
                 const type *vb = ROWS(type, pb), load(va + i), load(vb + i), bits_of)             \
    WIDE_COMPARE(name, _uv, lanes, const wide a = spread(ONE(type, pa));                           \
                 const type *vb = ROWS(type, pb), a, load(vb + i), bits_of)                        \
    WIDE_COMPARE(name, _vu, lanes, const type *va = ROWS(type, pa);                                \
                 const wide b = spread(ONE(type, pb)), load(va + i), b, bits_of)

#if defined(__AVX512F__)

#define LT_PD(a, b) _mm512_cmp_pd_mask((a), (b), _CMP_LT_OQ)
#define LE_PD(a, b) _mm512_cmp_pd_mask((a), (b), _CMP_LE_OQ)
#define EQ_PD(a, b) _mm512_cmp_pd_mask((a), (b), _CMP_EQ_OQ)
#define LOAD_I(p) _mm512_load_si512((const void *)(p))
#define SPREAD_I(x) _mm512_set1_epi64((long long)(x))
WIDE_COMPARES(lt_f, 8, double, __m512d, _mm512_load_pd, _mm512_set1_pd, LT_PD)
WIDE_COMPARES(le_f, 8, double, __m512d, _mm512_load_pd, _mm512_set1_pd, LE_PD)
WIDE_COMPARES(eq_f, 8, double, __m512d, _mm512_load_pd, _mm512_set1_pd, EQ_PD)
WIDE_COMPARES(lt_i, 8, int64_t, __m512i, LOAD_I, SPREAD_I, _mm512_cmplt_epi64_mask)
WIDE_COMPARES(le_i, 8, int64_t, __m512i, LOAD_I, SPREAD_I, _mm512_cmple_epi64_mask)
WIDE_COMPARES(eq_i, 8, int64_t, __m512i, LOAD_I, SPREAD_I, _mm512_cmpeq_epi64_mask)
WIDE_COMPARES(ult_i, 8, int64_t, __m512i, LOAD_I, SPREAD_I, _mm512_cmplt_epu64_mask)
WIDE_COMPARES(eq_s, 16, int32_t, __m512i, LOAD_I, _mm512_set1_epi32, _mm512_cmpeq_epi32_mask)

#elif defined(__AVX2__)

#define BITS_OF_PD(wide) ((unsigned)_mm256_movemask_pd(wide))
#define BITS_OF_I(wide) BITS_OF_PD(_mm256_castsi256_pd(wide))
#define LT_PD(a, b) BITS_OF_PD(_mm256_cmp_pd((a), (b), _CMP_LT_OQ))
#define LE_PD(a, b) BITS_OF_PD(_mm256_cmp_pd((a), (b), _CMP_LE_OQ))
#define EQ_PD(a, b) BITS_OF_PD(_mm256_cmp_pd((a), (b), _CMP_EQ_OQ))
#define LT_I64(a, b) BITS_OF_I(_mm256_cmpgt_epi64((b), (a)))
#define LE_I64(a, b) (BITS_OF_I(_mm256_cmpgt_epi64((a), (b))) ^ 15U)
#define EQ_I64(a, b) BITS_OF_I(_mm256_cmpeq_epi64((a), (b)))
#define TOP_BIT _mm256_set1_epi64x(INT64_MIN)
#define LT_U64(a, b) LT_I64(_mm256_xor_si256((a), TOP_BIT), _mm256_xor_si256((b), TOP_BIT))
#define EQ_I32(a, b)                                                                               \
    ((unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32((a), (b)))))
#define LOAD_I(p) _mm256_load_si256((const __m256i *)(const void *)(p))
#define SPREAD_I(x) _mm256_set1_epi64x((long long)(x))
WIDE_COMPARES(lt_f, 4, double, __m256d, _mm256_load_pd, _mm256_set1_pd, LT_PD)
WIDE_COMPARES(le_f, 4, double, __m256d, _mm256_load_pd, _mm256_set1_pd, LE_PD)
WIDE_COMPARES(eq_f, 4, double, __m256d, _mm256_load_pd, _mm256_set1_pd, EQ_PD)
WIDE_COMPARES(lt_i, 4, int64_t, __m256i, LOAD_I, SPREAD_I, LT_I64)
WIDE_COMPARES(le_i, 4, int64_t, __m256i, LOAD_I, SPREAD_I, LE_I64)
WIDE_COMPARES(eq_i, 4, int64_t, __m256i, LOAD_I, SPREAD_I, EQ_I64)
WIDE_COMPARES(ult_i, 4, int64_t, __m256i, LOAD_I, SPREAD_I, LT_U64)
WIDE_COMPARES(eq_s, 8, int32_t, __m256i, LOAD_I, _mm256_set1_epi32, EQ_I32)

#else

ANY_COMPARE(lt_f, double, double, a < b)
ANY_COMPARE(le_f, double, double, a <= b)
ANY_COMPARE(eq_f, double, double, a == b)
ANY_COMPARE(lt_i, int64_t, int64_t, a < b)
ANY_COMPARE(le_i, int64_t, int64_t, a <= b)
ANY_COMPARE(eq_i, int64_t, int64_t, a == b)
ANY_COMPARE(ult_i, int64_t, int64_t, (uint64_t)a < (uint64_t)b)
ANY_COMPARE(eq_s, int32_t, int32_t, a == b)

#endif

ANY_COMPARE(lt_if, int64_t, double, lat_arith_lt_if(a, b))
ANY_COMPARE(le_if, int64_t, double, lat_arith_le_if(a, b))
ANY_COMPARE(lt_fi, double, int64_t, lat_arith_lt_fi(a, b))
ANY_COMPARE(le_fi, double, int64_t, lat_arith_le_fi(a, b))
ANY_COMPARE(eq_if, int64_t, double, lat_arith_eq_if(a, b))
ANY_TEST(is_int_f, double, lat_arith_is_int_f(a))
ANY_TEST(is_nil, int32_t, a == 0)

/* ---- bits to bits ---- */

#define OF_BITS(name, expression)                                                                  \
    static void name##_vv(void *out, const void *pa, const void *pb, const void *pc, size_t words) \
    {                                                                                              \
        uint64_t *o = out;                                                                         \
        const uint64_t *va = pa;                                                                   \
        const uint64_t *vb = pb;                                                                   \
        const uint64_t *vc = pc;                                                                   \
        UNUSED(vb);                                                                                \
        UNUSED(vc);                                                                                \
        _Pragma("GCC ivdep") for (size_t i = 0; i < words; i++)                                    \
        {                                                                                          \
            o[i] = (expression);                                                                   \
        }                                                                                          \
    }

OF_BITS(bits_and, va[i] & vb[i])
OF_BITS(bits_or, va[i] | vb[i])
OF_BITS(bits_xor, va[i] ^ vb[i])
OF_BITS(bits_not, ~va[i])
OF_BITS(select_b, (va[i] & vb[i]) | (~va[i] & vc[i]))

/* ---- bits choose between numbers or texts ---- */

#if defined(__AVX512F__)
#define SELECT_LANES(type) (64 / sizeof(type))
#define CHOOSE_f(bits, b, c) _mm512_mask_blend_pd((__mmask8)(bits), (c), (b))
#define CHOOSE_i(bits, b, c) _mm512_mask_blend_epi64((__mmask8)(bits), (c), (b))
#define CHOOSE_s(bits, b, c) _mm512_mask_blend_epi32((__mmask16)(bits), (c), (b))
#define LOAD_f(p) _mm512_load_pd(p)
#define LOAD_i(p) _mm512_load_si512((const void *)(p))
#define LOAD_s(p) _mm512_load_si512((const void *)(p))
#define SPREAD_f(x) _mm512_set1_pd(x)
#define SPREAD_i(x) _mm512_set1_epi64((long long)(x))
#define SPREAD_s(x) _mm512_set1_epi32(x)
#define STORE_f(p, x) _mm512_store_pd((p), (x))
#define STORE_i(p, x) _mm512_store_si512((void *)(p), (x))
#define STORE_s(p, x) _mm512_store_si512((void *)(p), (x))
#else
#define SELECT_LANES(type) ((size_t)1)
#define CHOOSE_f(bits, b, c) (((bits)&1) != 0 ? (b) : (c))
#define CHOOSE_i CHOOSE_f
#define CHOOSE_s CHOOSE_f
#define LOAD_f(p) (*(p))
#define LOAD_i LOAD_f
#define LOAD_s LOAD_f
#define SPREAD_f(x) (x)
#define SPREAD_i SPREAD_f
#define SPREAD_s SPREAD_f
#define STORE_f(p, x) (*(p) = (x))
#define STORE_i STORE_f
#define STORE_s STORE_f
#endif

#define SELECT(letter, suffix, type, at_b, at_c)                                                   \
    static void select_##letter##suffix(void *out, const void *pa, const void *pb, const void *pc, \
                                        size_t words)                                              \
    {                                                                                              \
        type *o = OUT(type, out);                                                                  \
        const uint64_t *va = pa;                                                                   \
        const type *vb = (const type *)pb;                                                         \
        const type *vc = (const type *)pc;                                                         \
        for (size_t word = 0; word < words; word++) {                                              \
            uint64_t bits = va[word];                                                              \
            _Pragma("GCC ivdep") _Pragma("GCC unroll 8") for (size_t part = 0; part < 64;          \
                                                              part += SELECT_LANES(type))          \
            {                                                                                      \
                const size_t i = word * 64 + part;                                                 \
                STORE_##letter(o + i, CHOOSE_##letter(bits >> part, at_b, at_c));                  \
            }                                                                                      \
        }                                                                                          \
    }

#define SELECTS(letter, type)                                                                      \
    SELECT(letter, _vv, type, LOAD_##letter(vb + i), LOAD_##letter(vc + i))                        \
    SELECT(letter, _uv, type, SPREAD_##letter(*vb), LOAD_##letter(vc + i))                         \
    SELECT(letter, _vu, type, LOAD_##letter(vb + i), SPREAD_##letter(*vc))                         \
    SELECT(letter, _uu, type, SPREAD_##letter(*vb), SPREAD_##letter(*vc))

SELECTS(f, double)
SELECTS(i, int64_t)
SELECTS(s, int32_t)

/* ---- the best ---- */

#if defined(__AVX512F__)
typedef __m512d wide;
#define LANES 8
#define SPREAD_PD(x) _mm512_set1_pd(x)
#define WHERE_LESS(a, b, then, otherwise) _mm512_mask_mov_pd((otherwise), LT_PD((a), (b)), (then))
#define MAX_PD(a, b) _mm512_max_pd((a), (b))

static wide greater_of(wide best, uint64_t rows, const double *scores)
{
    return _mm512_mask_max_pd(best, (__mmask8)rows, best, _mm512_load_pd(scores));
}

static double greatest_of(wide values)
{
    return _mm512_reduce_max_pd(values);
}

/* Returns the least of those in the lanes where values are this one. */
static double least_where(wide values, double wanted, wide those)
{
    return _mm512_mask_reduce_min_pd(_mm512_cmp_pd_mask(values, SPREAD_PD(wanted), _CMP_EQ_OQ),
                                     those);
}
#elif defined(__AVX2__)
typedef __m256d wide;
#define LANES 4
#define SPREAD_PD(x) _mm256_set1_pd(x)
#define WHERE_LESS(a, b, then, otherwise)                                                          \
    _mm256_blendv_pd((otherwise), (then), _mm256_cmp_pd((a), (b), _CMP_LT_OQ))
#define MAX_PD(a, b) _mm256_max_pd((a), (b))

static wide greater_of(wide best, uint64_t rows, const double *scores)
{
    const __m256i lanes = _mm256_setr_epi64x(1, 2, 4, 8);
    __m256i asked = _mm256_and_si256(SPREAD_I(rows), lanes);

    return _mm256_blendv_pd(best, _mm256_max_pd(best, _mm256_load_pd(scores)),
                            _mm256_castsi256_pd(_mm256_cmpeq_epi64(asked, lanes)));
}

static double greatest_of(wide values)
{
    __m128d pair = _mm_max_pd(_mm256_castpd256_pd128(values), _mm256_extractf128_pd(values, 1));

    return _mm_cvtsd_f64(_mm_max_sd(pair, _mm_unpackhi_pd(pair, pair)));
}

/* Returns the least of those in the lanes where values are this one. */
static double least_where(wide values, double wanted, wide those)
{
    wide is_wanted = _mm256_cmp_pd(values, SPREAD_PD(wanted), _CMP_EQ_OQ);
    wide none = SPREAD_PD(-INFINITY); /* signs are turned, so that the least is the greatest */

    return -greatest_of(_mm256_blendv_pd(none, _mm256_xor_pd(those, SPREAD_PD(-0.0)), is_wanted));
}
#endif

#ifdef LANES
/* Returns the first of the rows with this score; there is one in this block. */
static size_t first_of(const double *scores, const uint64_t *rows, double score)
{
    uint64_t same[LAT__WORDS];
    size_t word = 0;

    eq_f_vu(same, scores, &score, NULL, LAT__WORDS);
    while ((same[word] & rows[word]) == 0) {
        word++;
    }
    return word * 64 + (size_t)__builtin_ctzll(same[word] & rows[word]);
}

/* Keeps, for each lane, the greatest and in which block it stood first; so there is no branch on scores. */
static size_t best(const double *scores, const uint64_t *rows, size_t words)
{
    /* Four, so that no maximum waits for the one before; no arrays, which GCC's sanitizer puts where they are not aligned. */
    wide most = SPREAD_PD(-INFINITY);
    wide a = most;
    wide b = most;
    wide c = most;
    wide d = most;
    wide at = SPREAD_PD(0);

    for (size_t block = 0; block < words; block += LAT__WORDS) {
        for (size_t word = block; word < block + LAT__WORDS; word++) {
            const double *here = scores + word * 64;
            uint64_t bits = rows[word];

#pragma GCC unroll 4
            for (size_t part = 0; part < 64; part += 4 * LANES) {
                a = greater_of(a, bits >> part, here + part);
                b = greater_of(b, bits >> (part + LANES), here + part + LANES);
                c = greater_of(c, bits >> (part + 2 * LANES), here + part + 2 * LANES);
                d = greater_of(d, bits >> (part + 3 * LANES), here + part + 3 * LANES);
            }
        }
        wide now = MAX_PD(MAX_PD(a, b), MAX_PD(c, d));

        at = WHERE_LESS(most, now, SPREAD_PD((double)block), at);
        most = now;
    }
    double greatest = greatest_of(most);
    size_t first = (size_t)least_where(most, greatest, at);

    return first * 64 + first_of(scores + first * 64, rows + first, greatest);
}
#else
static size_t best(const double *scores, const uint64_t *rows, size_t words)
{
    size_t at = SIZE_MAX;
    double most = 0;

    for (size_t word = 0; word < words; word++) {
        for (uint64_t bits = rows[word]; bits != 0; bits &= bits - 1) {
            size_t row = word * 64 + (size_t)__builtin_ctzll(bits);

            if (at == SIZE_MAX || scores[row] > most) {
                at = row;
                most = scores[row];
            }
        }
    }
    return at;
}
#endif

#if defined(__AVX512F__)
static void wild(const double *scores, uint64_t *ret_rows, size_t words)
{
    enum { QUIET_NAN = 1, POSITIVE_INFINITY = 8, NEGATIVE_INFINITY = 16, SIGNALLING_NAN = 128 };

    for (size_t word = 0; word < words; word++) {
        uint64_t bits = 0;

#pragma GCC unroll 8
        for (size_t part = 0; part < 64; part += 8) {
            bits |= (uint64_t)_mm512_fpclass_pd_mask(_mm512_load_pd(scores + word * 64 + part),
                                                     QUIET_NAN | POSITIVE_INFINITY |
                                                         NEGATIVE_INFINITY | SIGNALLING_NAN)
                    << part;
        }
        ret_rows[word] = bits;
    }
}
#else
static void wild(const double *scores, uint64_t *ret_rows, size_t words)
{
    for (size_t word = 0; word < words; word++) {
        uint64_t bits = 0;

        for (size_t i = 0; i < 64; i++) {
            bits |= (uint64_t)(!isfinite(scores[word * 64 + i])) << i;
        }
        ret_rows[word] = bits;
    }
}
#endif

/* ---- the table ---- */

#define ONE_SHAPE(name) [LAT_OP_##name] = {name##_vv, NULL, NULL, NULL}
#define SHAPES(name) [LAT_OP_##name] = {name##_vv, name##_uv, name##_vu, NULL}
#define ALL_SHAPES(name) [LAT_OP_##name] = {name##_vv, name##_uv, name##_vu, name##_uu}

const struct lat__kernels *LAT__KERNELS(void)
{
    static const struct lat__kernels kernels = {
        .name = LAT__KERNELS_NAME,
        .ops =
            {
                [LAT_OP_and] = {bits_and_vv},
                [LAT_OP_or] = {bits_or_vv},
                [LAT_OP_xor] = {bits_xor_vv},
                [LAT_OP_not] = {bits_not_vv},
                ONE_SHAPE(select_b),
                ALL_SHAPES(select_i),
                ALL_SHAPES(select_f),
                ALL_SHAPES(select_s),
                ONE_SHAPE(is_nil),
                SHAPES(eq_s),
                SHAPES(add_i),
                SHAPES(sub_i),
                SHAPES(mul_i),
                ONE_SHAPE(neg_i),
                ONE_SHAPE(abs_i),
                SHAPES(idiv_i),
                SHAPES(mod_i),
                SHAPES(fmod_i),
                SHAPES(band),
                SHAPES(bor),
                SHAPES(bxor),
                ONE_SHAPE(bnot),
                SHAPES(shl),
                SHAPES(shr),
                SHAPES(lt_i),
                SHAPES(le_i),
                SHAPES(eq_i),
                SHAPES(ult_i),
                SHAPES(add_f),
                SHAPES(sub_f),
                SHAPES(mul_f),
                SHAPES(div_f),
                SHAPES(idiv_f),
                SHAPES(mod_f),
                SHAPES(fmod_f),
                SHAPES(pow_f),
                ONE_SHAPE(neg_f),
                ONE_SHAPE(abs_f),
                ONE_SHAPE(floor_f),
                ONE_SHAPE(ceil_f),
                ONE_SHAPE(sqrt_f),
                SHAPES(lt_f),
                SHAPES(le_f),
                SHAPES(eq_f),
                ONE_SHAPE(exp),
                ONE_SHAPE(log),
                ONE_SHAPE(log2),
                ONE_SHAPE(log10),
                ONE_SHAPE(sin),
                ONE_SHAPE(cos),
                ONE_SHAPE(tan),
                ONE_SHAPE(i2f),
                ONE_SHAPE(f2i),
                ONE_SHAPE(is_int_f),
                SHAPES(lt_if),
                SHAPES(le_if),
                SHAPES(lt_fi),
                SHAPES(le_fi),
                SHAPES(eq_if),
            },
        .best = best,
        .wild = wild,
    };

    return &kernels;
}
