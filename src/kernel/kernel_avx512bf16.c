/* kernel_avx512bf16.c - the kernels in vectors of 16 floats or 32 bfloat16; compiled with
 * -mavx512{f,bw,dq,vl,vnni,bf16}. */
#include "kernel/vec_avx512.h"

/* A vector may hold 16 pairs of bfloat16 in place of 16 floats. */
#define VF_PAIRS
/* sum + the products of a pair of a and one of b, both added to one float */
static inline sns_vf vf_add_pairs(sns_vf sum, sns_vf a, sns_vf b) {
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}
/* 8 floats' worth of pairs: neighbours of x, rounded to nearest even, below 2^-126 to 0. */
static inline void vf_store_near(float *p, sns_vf x) {
    _mm256_storeu_si256((__m256i *)(void *)p, (__m256i)_mm512_cvtneps_pbh(x));
}
/* Each lane the pair of one of a and one of b. */
static inline sns_vf vf_pairs(sns_vf a, sns_vf b) {
    __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(a));
    __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(b));
    return _mm512_castsi512_ps(_mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
}

#define SNS_KERNELS_TABLE sns_kernels_avx512bf16
#define SNS_KERNELS_NAME  "avx512bf16"
#include "kernel/kernel_simd.inc.h"
