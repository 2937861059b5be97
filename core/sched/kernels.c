/* Which kernels this processor can run. */
#include "sched/vector_internal.h"

#include "base/mem.h"

const struct lat__kernels *lat__kernels_at(size_t index)
{
    const struct lat__kernels *can[3];
    size_t count = 0;

#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
        can[count++] = lat__kernels_avx512();
    }
    if (__builtin_cpu_supports("avx2")) {
        can[count++] = lat__kernels_avx2();
    }
#endif
    can[count++] = lat__kernels_baseline();
    return index < count ? can[index] : NULL;
}
