/* kernel_avx2.c - the kernels in vectors of 8 floats; compiled with -mavx2 -mfma -mf16c. */
#include "kernel/vec_avx2.h"
#define SNS_KERNELS_TABLE sns_kernels_avx2
#define SNS_KERNELS_NAME  "avx2"
#include "kernel/kernel_simd.inc.h"
