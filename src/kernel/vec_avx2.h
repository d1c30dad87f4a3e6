/* vec_avx2.h - a vector of 8 floats: the operations that kernel_simd.inc.h is written in. */
#ifndef SNS_KERNEL_VEC_AVX2_H
#define SNS_KERNEL_VEC_AVX2_H
#include "kernel/vec_x86.h"

#define VF_LANES 8
#define VF_TILE  2 /* vectors side by side in a tile of 6 rows: 12 sums of 16 registers */
typedef __m256 sns_vf;
typedef __m256d sns_vd;

static inline __m256i vf_mask(size_t n) {
    __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
}
static inline sns_vf vf_set1(float x) {
    return _mm256_set1_ps(x);
}
static inline sns_vf vf_load(const float *p) {
    return _mm256_loadu_ps(p);
}
static inline void vf_store(float *p, sns_vf x) {
    _mm256_storeu_ps(p, x);
}
/* The first n < 8 lanes; the others are zero, or not written. */
static inline sns_vf vf_load_n(const float *p, size_t n) {
    return _mm256_maskload_ps(p, vf_mask(n));
}
static inline void vf_store_n(float *p, sns_vf x, size_t n) {
    _mm256_maskstore_ps(p, vf_mask(n), x);
}
/* Lanes from n < 8 on become `other`. */
static inline sns_vf vf_keep_n(sns_vf x, size_t n, sns_vf other) {
    return _mm256_blendv_ps(other, x, _mm256_castsi256_ps(vf_mask(n)));
}
static inline sns_vf vf_add(sns_vf a, sns_vf b) {
    return _mm256_add_ps(a, b);
}
static inline sns_vf vf_sub(sns_vf a, sns_vf b) {
    return _mm256_sub_ps(a, b);
}
static inline sns_vf vf_mul(sns_vf a, sns_vf b) {
    return _mm256_mul_ps(a, b);
}
static inline sns_vf vf_div(sns_vf a, sns_vf b) {
    return _mm256_div_ps(a, b);
}
static inline sns_vf vf_sqrt(sns_vf a) {
    return _mm256_sqrt_ps(a);
}
/* a b + c and c - a b, rounded once. */
static inline sns_vf vf_fma(sns_vf a, sns_vf b, sns_vf c) {
    return _mm256_fmadd_ps(a, b, c);
}
static inline sns_vf vf_fnma(sns_vf a, sns_vf b, sns_vf c) {
    return _mm256_fnmadd_ps(a, b, c);
}
/* The second operand when either is NaN. */
static inline sns_vf vf_max(sns_vf a, sns_vf b) {
    return _mm256_max_ps(a, b);
}
static inline sns_vf vf_min(sns_vf a, sns_vf b) {
    return _mm256_min_ps(a, b);
}
static inline sns_vf vf_abs(sns_vf a) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
static inline sns_vf vf_round(sns_vf a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* a < b ? x : y */
static inline sns_vf vf_if_less(sns_vf a, sns_vf b, sns_vf x, sns_vf y) {
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
/* a 2^n for whole n of -150 … 150: in two steps, since 2^n alone may be no normal float. */
static inline sns_vf vf_exp2i(sns_vf a, sns_vf n) {
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    __m256i rest = _mm256_sub_epi32(whole, half), bias = _mm256_set1_epi32(127);
    __m256i one = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    __m256i two = _mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23);
    return vf_mul(vf_mul(a, _mm256_castsi256_ps(one)), _mm256_castsi256_ps(two));
}
static inline float vf_sum(sns_vf a) {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
static inline float vf_largest(sns_vf a) {
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}

static inline sns_vd vd_zero(void) {
    return _mm256_setzero_pd();
}
/* sum + the squares of x, in double, two to a lane */
static inline sns_vd vd_add_squares(sns_vd sum, sns_vf x) {
    sns_vd low = _mm256_cvtps_pd(_mm256_castps256_ps128(x));
    sns_vd high = _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1));
    return _mm256_fmadd_pd(high, high, _mm256_fmadd_pd(low, low, sum));
}
static inline double vd_sum(sns_vd a) {
    __m128d x = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)));
}

/* Whole numbers: VI_LANES products of 16 and 8 bits at a time, in sums of 32. */
#define VI_LANES 16
typedef __m256i sns_vi;
static inline sns_vi vi_zero(void) {
    return _mm256_setzero_si256();
}
static inline sns_vi vi_add_products(sns_vi sum, const int16_t *a, const int8_t *b) {
    __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)b));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_loadu_si256((const __m256i *)a), wide));
}
static inline int32_t vi_sum(sns_vi a) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    s = _mm_add_epi32(s, _mm_unpackhi_epi64(s, s));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 1)));
}

static inline sns_vf vf_load_u8(const uint8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
/* Whole numbers of 0 … 255 to bytes. */
static inline void vf_store_u8(uint8_t *p, sns_vf x) {
    __m256i whole = _mm256_cvtps_epi32(x);
    __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(whole),
                                     _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(words, words));
}
static inline sns_vf vf_load_f16(const uint16_t *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
static inline void vf_store_f16(uint16_t *p, sns_vf x) {
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
static inline sns_vf vf_load_bf16(const uint16_t *p) {
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
static inline void vf_store_bf16(uint16_t *p, sns_vf x) {
    __m256i bits = _mm256_castps_si256(x), top = _mm256_srli_epi32(bits, 16);
    __m256i odd = _mm256_and_si256(top, _mm256_set1_epi32(1));
    __m256i bias = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
    __m256i near = _mm256_srli_epi32(_mm256_add_epi32(bits, bias), 16);
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    near = _mm256_blendv_epi8(near, _mm256_or_si256(top, _mm256_set1_epi32(0x40)), nan);
    __m128i low = _mm256_castsi256_si128(near), high = _mm256_extracti128_si256(near, 1);
    _mm_storeu_si128((__m128i *)p, _mm_packus_epi32(low, high));
}
#endif
