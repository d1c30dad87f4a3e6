/* kernel_impl.h - what the files of this folder share; not for callers. */
#ifndef SNS_KERNEL_KERNEL_IMPL_H
#define SNS_KERNEL_KERNEL_IMPL_H
#include "kernel/kernel.h"

extern const sns_kernels sns_kernels_ref;
#if defined(SNS_KERNEL_X86)
extern const sns_kernels sns_kernels_avx2;   /* needs AVX2, FMA, F16C */
extern const sns_kernels sns_kernels_avx512; /* needs those and AVX-512 F, BW, DQ, VL */
#endif

/* Attention packs its operands for the widest vectors, whichever variant runs, so that scratch has
 * one size: widths are rounded up to SNS_ATTENTION_PAD floats, and the backward pass holds
 * SNS_ATTENTION_ROWS rows of P and dS at a time (a multiple of the SNS_ATTENTION_TILE rows that
 * registers hold; 66 takes T = 50 and T = 65 in one block). */
#define SNS_ATTENTION_PAD  16
#define SNS_ATTENTION_TILE 6
#define SNS_ATTENTION_ROWS 66
#endif
