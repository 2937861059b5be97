/* The kernels for any processor: see kernels_body.c; CMakeLists.txt has the flags. */
#define LAT__KERNELS lat__kernels_baseline
#define LAT__KERNELS_NAME "baseline"
#include "sched/kernels_body.c"
