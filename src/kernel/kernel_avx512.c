/* kernel_avx512.c - the kernels in vectors of 16 floats; compiled with -mavx512{f,bw,dq,vl}. */
#include "kernel/vec_avx512.h"
#define SNS_KERNELS_TABLE sns_kernels_avx512
#define SNS_KERNELS_NAME  "avx512"
#include "kernel/kernel_simd.inc.h"
