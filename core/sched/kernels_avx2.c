/* The kernels for x86 with AVX2: see kernels_body.c; CMakeLists.txt has the flags. */
#define LAT__KERNELS lat__kernels_avx2
#define LAT__KERNELS_NAME "avx2"
#include "sched/kernels_body.c"
