/* vec_avx512.h - a vector of 16 floats: the operations that kernel_simd.inc.h is written in. */
#ifndef SNS_KERNEL_VEC_AVX512_H
#define SNS_KERNEL_VEC_AVX512_H
#include "kernel/vec_x86.h"

#define VF_LANES 16
#define VF_TILE  4 /* vectors side by side in a tile of 6 rows: 24 sums of 32 registers */
typedef __m512 sns_vf;
typedef __m512d sns_vd;

static inline __mmask16 vf_mask(size_t n) {
    return (__mmask16)((1u << n) - 1);
}
static inline sns_vf vf_set1(float x) {
    return _mm512_set1_ps(x);
}
static inline sns_vf vf_load(const float *p) {
    return _mm512_loadu_ps(p);
}
static inline void vf_store(float *p, sns_vf x) {
    _mm512_storeu_ps(p, x);
}
/* The first n < 16 lanes; the others are zero, or not written. */
static inline sns_vf vf_load_n(const float *p, size_t n) {
    return _mm512_maskz_loadu_ps(vf_mask(n), p);
}
static inline void vf_store_n(float *p, sns_vf x, size_t n) {
    _mm512_mask_storeu_ps(p, vf_mask(n), x);
}
/* Lanes from n < 16 on become `other`. */
static inline sns_vf vf_keep_n(sns_vf x, size_t n, sns_vf other) {
    return _mm512_mask_blend_ps(vf_mask(n), other, x);
}
static inline sns_vf vf_add(sns_vf a, sns_vf b) {
    return _mm512_add_ps(a, b);
}
static inline sns_vf vf_sub(sns_vf a, sns_vf b) {
    return _mm512_sub_ps(a, b);
}
static inline sns_vf vf_mul(sns_vf a, sns_vf b) {
    return _mm512_mul_ps(a, b);
}
static inline sns_vf vf_div(sns_vf a, sns_vf b) {
    return _mm512_div_ps(a, b);
}
static inline sns_vf vf_sqrt(sns_vf a) {
    return _mm512_sqrt_ps(a);
}
/* a b + c and c - a b, rounded once. */
static inline sns_vf vf_fma(sns_vf a, sns_vf b, sns_vf c) {
    return _mm512_fmadd_ps(a, b, c);
}
static inline sns_vf vf_fnma(sns_vf a, sns_vf b, sns_vf c) {
    return _mm512_fnmadd_ps(a, b, c);
}
/* The second operand when either is NaN. */
static inline sns_vf vf_max(sns_vf a, sns_vf b) {
    return _mm512_max_ps(a, b);
}
static inline sns_vf vf_min(sns_vf a, sns_vf b) {
    return _mm512_min_ps(a, b);
}
static inline sns_vf vf_abs(sns_vf a) {
    return _mm512_abs_ps(a);
}
static inline sns_vf vf_round(sns_vf a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* a < b ? x : y */
static inline sns_vf vf_if_less(sns_vf a, sns_vf b, sns_vf x, sns_vf y) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}
/* a 2^n for whole n of -150 … 150 */
static inline sns_vf vf_exp2i(sns_vf a, sns_vf n) {
    return _mm512_scalef_ps(a, n);
}
static inline float vf_sum(sns_vf a) {
    return _mm512_reduce_add_ps(a);
}
static inline float vf_largest(sns_vf a) {
    return _mm512_reduce_max_ps(a);
}

static inline sns_vd vd_zero(void) {
    return _mm512_setzero_pd();
}
/* sum + the squares of x, in double, two to a lane */
static inline sns_vd vd_add_squares(sns_vd sum, sns_vf x) {
    sns_vd low = _mm512_cvtps_pd(_mm512_castps512_ps256(x));
    sns_vd high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1));
    return _mm512_fmadd_pd(high, high, _mm512_fmadd_pd(low, low, sum));
}
static inline double vd_sum(sns_vd a) {
    return _mm512_reduce_add_pd(a);
}

/* Whole numbers: VI_LANES products of 16 and 8 bits at a time, in sums of 32. */
#define VI_LANES 32
typedef __m512i sns_vi;
static inline sns_vi vi_zero(void) {
    return _mm512_setzero_si512();
}
static inline sns_vi vi_add_products(sns_vi sum, const int16_t *a, const int8_t *b) {
    __m512i wide = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)b));
    return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_loadu_si512(a), wide));
}
static inline int32_t vi_sum(sns_vi a) {
    return _mm512_reduce_add_epi32(a);
}

static inline sns_vf vf_load_u8(const uint8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
/* Whole numbers of 0 … 255 to bytes. */
static inline void vf_store_u8(uint8_t *p, sns_vf x) {
    _mm_storeu_si128((__m128i *)p, _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(x)));
}
#ifdef __AVX512VNNI__
/* A vector may hold 16 words of four bytes in place of 16 floats. */
#define VF_BYTES
/* sum + the products of four unsigned bytes of a and four signed ones of b, a whole number each */
static inline sns_vf vf_add_bytes(sns_vf sum, sns_vf a, sns_vf b) {
    return _mm512_castsi512_ps(_mm512_dpbusd_epi32(_mm512_castps_si512(sum), _mm512_castps_si512(a),
                                                   _mm512_castps_si512(b)));
}
/* The whole numbers a - b c as floats. */
static inline sns_vf vf_whole_minus(sns_vf a, sns_vf b, int32_t c) {
    __m512i product = _mm512_mullo_epi32(_mm512_castps_si512(b), _mm512_set1_epi32(c));
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_castps_si512(a), product));
}
#endif
static inline sns_vf vf_load_f16(const uint16_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
static inline void vf_store_f16(uint16_t *p, sns_vf x) {
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
static inline sns_vf vf_load_bf16(const uint16_t *p) {
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
static inline void vf_store_bf16(uint16_t *p, sns_vf x) {
    __m512i bits = _mm512_castps_si512(x), top = _mm512_srli_epi32(bits, 16);
    __m512i odd = _mm512_and_si512(top, _mm512_set1_epi32(1));
    __m512i bias = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
    __m512i near = _mm512_srli_epi32(_mm512_add_epi32(bits, bias), 16);
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    near = _mm512_mask_or_epi32(near, nan, top, _mm512_set1_epi32(0x40));
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(near));
}
#endif
