/* The shipped placement policy by hand: the rivals of the compiled one. With AVX-512 where the processor has it, one
 * loop with everything in registers; else in C, which the compiler makes wide as far as it can.
 *
 * The score is 500 * free_cpu / cpu + 500 * free_memory / memory - 1000 * instances, to the bit: `instances` stays far
 * below 2^43, so that the product is exact in a float, too. */
#include "policy_bench.h"

#include <math.h>

static double share_of(const struct hand *hand, size_t row)
{
    double of_cpu = hand->cpu[row] > 0 ? hand->free_cpu[row] / hand->cpu[row] : 0;
    double of_memory =
        hand->memory[row] > 0 ? (double)hand->free_memory[row] / (double)hand->memory[row] : 0;

    return 500 * of_cpu + 500 * of_memory;
}

void hand_renew(struct hand *hand, size_t row)
{
    hand->share[row] = share_of(hand, row);
}

#ifdef __AVX512F__
#include <immintrin.h>

const char *hand_instructions(void)
{
    return "AVX-512";
}

static inline __m512d wide_scores(const struct hand *hand, size_t row, enum hand_keeps keeps,
                                  bool paired)
{
    __m512d score;

    if (keeps == HAND_KEEPS_NOTHING) {
        __m512d zero = _mm512_setzero_pd();
        __m512d cpu = _mm512_load_pd(hand->cpu + row);
        __m512d memory = _mm512_cvtepi64_pd(_mm512_load_si512(hand->memory + row));
        __m512d free_memory = _mm512_cvtepi64_pd(_mm512_load_si512(hand->free_memory + row));
        __m512d half = _mm512_set1_pd(500);
        __m512d of_cpu = _mm512_maskz_div_pd(_mm512_cmp_pd_mask(zero, cpu, _CMP_LT_OQ),
                                             _mm512_load_pd(hand->free_cpu + row), cpu);
        __m512d of_memory =
            _mm512_maskz_div_pd(_mm512_cmp_pd_mask(zero, memory, _CMP_LT_OQ), free_memory, memory);

        score = _mm512_add_pd(_mm512_mul_pd(half, of_cpu), _mm512_mul_pd(half, of_memory));
    } else {
        score = _mm512_load_pd(hand->share + row);
    }
    if (keeps == HAND_KEEPS_PAIRS && !paired) {
        return score;
    }
    __m512d instances = _mm512_cvtepi64_pd(_mm512_load_si512(hand->instances + row));

    return _mm512_sub_pd(score, _mm512_mul_pd(_mm512_set1_pd(1000), instances));
}

static inline __mmask8 wide_passes(const struct hand *hand, size_t row, uint64_t bits, __m512d cpu,
                                   __m512i memory)
{
    __mmask8 few = _mm512_cmp_pd_mask(_mm512_load_pd(hand->free_cpu + row), cpu, _CMP_LT_OQ);
    __mmask8 small = _mm512_cmplt_epi64_mask(_mm512_load_si512(hand->free_memory + row), memory);

    return (__mmask8)((bits >> (row % 64)) & ~few & ~small);
}

static inline size_t wide_best(const struct hand *hand, enum hand_keeps keeps, double cpu,
                               int64_t memory, double *ret_score)
{
    __m512d wanted_cpu = _mm512_set1_pd(cpu);
    __m512i wanted_memory = _mm512_set1_epi64(memory);
    __m512d best = _mm512_set1_pd(-INFINITY);
    __m512i index = _mm512_set1_epi64(-1);
    __m512i here = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    uint64_t any = 0;

    for (size_t word = 0; word < hand->words; word++) {
        uint64_t bits = hand->alive[word] & hand->healthy[word];
        bool paired = hand->paired[word] != 0;

#pragma GCC unroll 8
        for (size_t row = word * 64; row < word * 64 + 64; row += 8) {
            __mmask8 pass = wide_passes(hand, row, bits, wanted_cpu, wanted_memory);
            __m512d score = wide_scores(hand, row, keeps, paired);
            __mmask8 better = _mm512_mask_cmp_pd_mask(pass, best, score, _CMP_LT_OQ);

            any |= pass;
            best = _mm512_mask_mov_pd(best, better, score);
            index = _mm512_mask_mov_epi64(index, better, here);
            here = _mm512_add_epi64(here, _mm512_set1_epi64(8));
        }
    }
    double scores[8];
    int64_t rows[8];
    size_t first = SIZE_MAX;

    _mm512_storeu_pd(scores, best);
    _mm512_storeu_si512(rows, index);
    for (int lane = 0; any != 0 && lane < 8; lane++) {
        if (rows[lane] >= 0 && (first == SIZE_MAX || scores[lane] > *ret_score ||
                                (scores[lane] == *ret_score && (size_t)rows[lane] < first))) {
            *ret_score = scores[lane];
            first = (size_t)rows[lane];
        }
    }
    return first;
}

static inline void wide_run(const struct hand *hand, enum hand_keeps keeps, double cpu,
                            int64_t memory, uint64_t *ret_pass, double *ret_scores)
{
    __m512d wanted_cpu = _mm512_set1_pd(cpu);
    __m512i wanted_memory = _mm512_set1_epi64(memory);

    for (size_t word = 0; word < hand->words; word++) {
        uint64_t bits = hand->alive[word] & hand->healthy[word];
        bool paired = hand->paired[word] != 0;
        uint64_t passing = 0;

#pragma GCC unroll 8
        for (size_t row = word * 64; row < word * 64 + 64; row += 8) {
            passing |= (uint64_t)wide_passes(hand, row, bits, wanted_cpu, wanted_memory)
                       << (row % 64);
            _mm512_store_pd(ret_scores + row, wide_scores(hand, row, keeps, paired));
        }
        ret_pass[word] = passing;
    }
}

#else

const char *hand_instructions(void)
{
    return "C";
}

static bool bit(const uint64_t *bits, size_t row)
{
    return bits[row / 64] >> (row % 64) & 1;
}

static bool passes(const struct hand *hand, size_t row, double cpu, int64_t memory)
{
    return bit(hand->alive, row) && bit(hand->healthy, row) && !(hand->free_cpu[row] < cpu) &&
           !(hand->free_memory[row] < memory);
}

static inline double score_of(const struct hand *hand, size_t row, enum hand_keeps keeps)
{
    double share = keeps == HAND_KEEPS_NOTHING ? share_of(hand, row) : hand->share[row];

    if (keeps == HAND_KEEPS_PAIRS && hand->paired[row / 64] == 0) {
        return share;
    }
    return share - 1000 * (double)hand->instances[row];
}

static inline size_t wide_best(const struct hand *hand, enum hand_keeps keeps, double cpu,
                               int64_t memory, double *ret_score)
{
    size_t best = SIZE_MAX;

    for (size_t row = 0; row < hand->rows; row++) {
        double score = score_of(hand, row, keeps);

        if (passes(hand, row, cpu, memory) && (best == SIZE_MAX || score > *ret_score)) {
            best = row;
            *ret_score = score;
        }
    }
    return best;
}

static inline void wide_run(const struct hand *hand, enum hand_keeps keeps, double cpu,
                            int64_t memory, uint64_t *ret_pass, double *ret_scores)
{
    for (size_t word = 0; word < hand->words; word++) {
        uint64_t passing = 0;

        for (size_t row = word * 64; row < word * 64 + 64; row++) {
            passing |= (uint64_t)passes(hand, row, cpu, memory) << (row % 64);
            ret_scores[row] = score_of(hand, row, keeps);
        }
        ret_pass[word] = passing;
    }
}

#endif

/* One loop for each way, so that nothing is asked inside of them. */
size_t hand_best(const struct hand *hand, enum hand_keeps keeps, double cpu, int64_t memory,
                 double *ret_score)
{
    switch (keeps) {
    case HAND_KEEPS_NOTHING: return wide_best(hand, HAND_KEEPS_NOTHING, cpu, memory, ret_score);
    case HAND_KEEPS_SHARES: return wide_best(hand, HAND_KEEPS_SHARES, cpu, memory, ret_score);
    default: return wide_best(hand, HAND_KEEPS_PAIRS, cpu, memory, ret_score);
    }
}

void hand_run(const struct hand *hand, enum hand_keeps keeps, double cpu, int64_t memory,
              uint64_t *ret_pass, double *ret_scores)
{
    switch (keeps) {
    case HAND_KEEPS_NOTHING:
        wide_run(hand, HAND_KEEPS_NOTHING, cpu, memory, ret_pass, ret_scores);
        break;
    case HAND_KEEPS_SHARES:
        wide_run(hand, HAND_KEEPS_SHARES, cpu, memory, ret_pass, ret_scores);
        break;
    default: wide_run(hand, HAND_KEEPS_PAIRS, cpu, memory, ret_pass, ret_scores); break;
    }
}
