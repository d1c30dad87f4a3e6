/* kernel_impl.h - what the files of this folder share; not for callers. */
#ifndef SNS_KERNEL_KERNEL_IMPL_H
#define SNS_KERNEL_KERNEL_IMPL_H
#include "kernel/kernel.h"
#include <math.h>

extern const sns_kernels sns_kernels_ref;
#if defined(__x86_64__)
extern const sns_kernels sns_kernels_avx2;       /* needs AVX2, FMA, F16C */
extern const sns_kernels sns_kernels_avx512;     /* needs those and AVX-512 F, BW, DQ, VL */
extern const sns_kernels sns_kernels_avx512vnni; /* needs those and AVX-512 VNNI */
extern const sns_kernels sns_kernels_avx512bf16; /* needs those and AVX-512 BF16 */
#elif defined(__aarch64__)
extern const sns_kernels sns_kernels_neon;
#endif

/* The scale and zero of u8_from_f32 for a row within low <= 0 <= high; bad is NaN where the row
 * has what is not a number. Returns what x is multiplied by. */
static inline float sns_u8_range(float low, float high, float bad, float *scale, int32_t *zero) {
    float range = high - low;
    *zero = 0;
    *scale = 0;
    if (bad != 0 || !(range < INFINITY)) *scale = NAN;
    if (*scale != 0 || range < 1e-30f) return 0; /* whose inverse would be no normal float */
    float inverse = 255 / range;
    *scale = range / 255;
    *zero = (int32_t)rintf(-low * inverse);
    return inverse;
}

/* The lanes of the widest vectors: scratch has one size, whichever variant runs. */
#define SNS_ATTENTION_MAX_LANES 16
/* The rows that a tile of the matrix product holds in registers. */
#define SNS_ATTENTION_TILE 6
/* The backward pass holds at most this many rows of P and dS: T = 50 and T = 65 are one block. */
#define SNS_ATTENTION_BLOCK 66

/* Where the vector kernels keep what in attention's scratch, in floats from its start. A "strip" is
 * one vector of columns of a matrix with `rows` rows: [rows][lanes], so that a product walks it
 * straight through. Strips are `*_strip` floats apart: one row more than they hold, because strips
 * of 4 KB would fall into the same lines of the first cache. */
typedef struct sns_attention_layout {
    size_t keys, width;           /* T and D rounded up to whole vectors */
    size_t block;                 /* rows of Q for one block of the backward pass */
    size_t key_strip;             /* K^T, V^T: [keys / lanes] strips of [D][lanes] */
    size_t row_strip;             /* K, V: [width / lanes] strips of [T][lanes] */
    size_t block_strip;           /* Q, dO: [width / lanes] strips of [block][lanes] */
    size_t kt, vt, rows;          /* strips; `rows` is V going forward, K going back */
    size_t q, dout;               /* a block's rows, [block][D], room for width; Q times scale */
    size_t q_strips, dout_strips; /* the same in strips */
    size_t p, ds;                 /* [block][keys] */
    size_t dk, dv;                /* sums, [T rounded up to tiles][width] */
    size_t out;                   /* a tile of out or dQ, [tile][width] */
    size_t tile;                  /* a tile of P and one of dS before they are rounded */
    size_t total;
} sns_attention_layout;

sns_attention_layout sns_attention_layout_for(size_t T, size_t D, size_t lanes);
#endif
