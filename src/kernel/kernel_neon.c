/* kernel_neon.c - the kernels in vectors of 4 floats, for 64-bit Arm; no flags needed. */
#include "kernel/vec_neon.h"
#define SNS_KERNELS_TABLE sns_kernels_neon
#define SNS_KERNELS_NAME  "neon"
#include "kernel/kernel_simd.inc.h"
