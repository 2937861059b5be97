/* The kernels for x86 with AVX-512 (F, DQ, BW, VL): see kernels_body.c; CMakeLists.txt has the flags. */
#define LAT__KERNELS lat__kernels_avx512
#define LAT__KERNELS_NAME "avx512"
#include "sched/kernels_body.c"
