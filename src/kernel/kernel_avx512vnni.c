/* kernel_avx512vnni.c - the kernels in vectors of 16 floats or 64 bytes; compiled with
 * -mavx512{f,bw,dq,vl,vnni}. */
#include "kernel/vec_avx512.h"
#define SNS_KERNELS_TABLE sns_kernels_avx512vnni
#define SNS_KERNELS_NAME  "avx512vnni"
#include "kernel/kernel_simd.inc.h"
