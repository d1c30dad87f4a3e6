/* vec_neon.h - a vector of 4 floats: the operations that kernel_simd.inc.h is written in. Needs
 * nothing that every 64-bit Arm processor does not have. */
#ifndef SNS_KERNEL_VEC_NEON_H
#define SNS_KERNEL_VEC_NEON_H
#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VF_LANES  4
#define VF_TILE   4 /* vectors side by side in a tile of 6 rows: 24 sums of 32 registers */
#define VF_SQUARE 4
typedef float32x4_t sns_vf;
typedef float64x2_t sns_vd;

static inline sns_vf vf_set1(float x) {
    return vdupq_n_f32(x);
}
static inline sns_vf vf_load(const float *p) {
    return vld1q_f32(p);
}
static inline void vf_store(float *p, sns_vf x) {
    vst1q_f32(p, x);
}
/* The first n < 4 lanes; the others are zero, or not written. */
static inline sns_vf vf_load_n(const float *p, size_t n) {
    const float32x2_t zero = vdup_n_f32(0.0f);
    float32x2_t low = zero, high = zero;
    if (n & 2) low = vld1_f32(p);
    if (n == 1) low = vld1_lane_f32(p, zero, 0);
    if (n == 3) high = vld1_lane_f32(p + 2, zero, 0);
    return vcombine_f32(low, high);
}
static inline void vf_store_n(float *p, sns_vf x, size_t n) {
    if (n & 2) vst1_f32(p, vget_low_f32(x));
    if (n == 1) vst1q_lane_f32(p, x, 0);
    if (n == 3) vst1q_lane_f32(p + 2, x, 2);
}
/* Lanes from n < 4 on become `other`. */
static inline sns_vf vf_keep_n(sns_vf x, size_t n, sns_vf other) {
    const uint32x4_t lane = {0, 1, 2, 3};
    return vbslq_f32(vcltq_u32(lane, vdupq_n_u32((uint32_t)n)), x, other);
}
static inline sns_vf vf_add(sns_vf a, sns_vf b) {
    return vaddq_f32(a, b);
}
static inline sns_vf vf_sub(sns_vf a, sns_vf b) {
    return vsubq_f32(a, b);
}
static inline sns_vf vf_mul(sns_vf a, sns_vf b) {
    return vmulq_f32(a, b);
}
static inline sns_vf vf_div(sns_vf a, sns_vf b) {
    return vdivq_f32(a, b);
}
static inline sns_vf vf_sqrt(sns_vf a) {
    return vsqrtq_f32(a);
}
/* a b + c and c - a b, rounded once. */
static inline sns_vf vf_fma(sns_vf a, sns_vf b, sns_vf c) {
    return vfmaq_f32(c, a, b);
}
static inline sns_vf vf_fnma(sns_vf a, sns_vf b, sns_vf c) {
    return vfmsq_f32(c, a, b);
}
/* The second operand when either is NaN: so on x86, while Arm's own maximum would be NaN. */
static inline sns_vf vf_max(sns_vf a, sns_vf b) {
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
static inline sns_vf vf_min(sns_vf a, sns_vf b) {
    return vbslq_f32(vcltq_f32(a, b), a, b);
}
static inline sns_vf vf_abs(sns_vf a) {
    return vabsq_f32(a);
}
static inline sns_vf vf_round(sns_vf a) {
    return vrndnq_f32(a);
}
/* a < b ? x : y */
static inline sns_vf vf_if_less(sns_vf a, sns_vf b, sns_vf x, sns_vf y) {
    return vbslq_f32(vcltq_f32(a, b), x, y);
}
/* a 2^n for whole n of -150 … 150: in two steps, since 2^n alone may be no normal float. */
static inline sns_vf vf_exp2i(sns_vf a, sns_vf n) {
    int32x4_t whole = vcvtq_s32_f32(n), half = vshrq_n_s32(whole, 1);
    int32x4_t rest = vsubq_s32(whole, half), bias = vdupq_n_s32(127);
    int32x4_t one = vshlq_n_s32(vaddq_s32(half, bias), 23);
    int32x4_t two = vshlq_n_s32(vaddq_s32(rest, bias), 23);
    return vf_mul(vf_mul(a, vreinterpretq_f32_s32(one)), vreinterpretq_f32_s32(two));
}
static inline float vf_sum(sns_vf a) {
    return vaddvq_f32(a);
}
static inline float vf_largest(sns_vf a) {
    return vmaxvq_f32(a);
}

static inline sns_vd vd_zero(void) {
    return vdupq_n_f64(0.0);
}
/* sum + the squares of x, in double, two to a lane */
static inline sns_vd vd_add_squares(sns_vd sum, sns_vf x) {
    sns_vd low = vcvt_f64_f32(vget_low_f32(x)), high = vcvt_high_f64_f32(x);
    return vfmaq_f64(vfmaq_f64(sum, low, low), high, high);
}
static inline double vd_sum(sns_vd a) {
    return vaddvq_f64(a);
}

/* Whole numbers: VI_LANES products of 16 and 8 bits at a time, in sums of 32. */
#define VI_LANES 8
typedef int32x4_t sns_vi;
static inline sns_vi vi_zero(void) {
    return vdupq_n_s32(0);
}
static inline sns_vi vi_add_products(sns_vi sum, const int16_t *a, const int8_t *b) {
    int16x8_t x = vld1q_s16(a), y = vmovl_s8(vld1_s8(b));
    sum = vmlal_s16(sum, vget_low_s16(x), vget_low_s16(y));
    return vmlal_s16(sum, vget_high_s16(x), vget_high_s16(y));
}
static inline int32_t vi_sum(sns_vi a) {
    return vaddvq_s32(a);
}

static inline sns_vf vf_load_u8(const uint8_t *p) {
    uint32_t four;
    memcpy(&four, p, sizeof four);
    uint16x8_t wide = vmovl_u8(vcreate_u8(four));
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide)));
}
/* Whole numbers of 0 … 255 to bytes. */
static inline void vf_store_u8(uint8_t *p, sns_vf x) {
    uint16x4_t words = vqmovun_s32(vcvtnq_s32_f32(x));
    uint32_t bytes = vget_lane_u32(vreinterpret_u32_u8(vqmovn_u16(vcombine_u16(words, words))), 0);
    memcpy(p, &bytes, sizeof bytes);
}
static inline sns_vf vf_load_f16(const uint16_t *p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
static inline void vf_store_f16(uint16_t *p, sns_vf x) {
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(x)));
}
static inline sns_vf vf_load_bf16(const uint16_t *p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}
static inline void vf_store_bf16(uint16_t *p, sns_vf x) {
    uint32x4_t bits = vreinterpretq_u32_f32(x), top = vshrq_n_u32(bits, 16);
    uint32x4_t odd = vandq_u32(top, vdupq_n_u32(1));
    uint32x4_t bias = vaddq_u32(odd, vdupq_n_u32(0x7fff));
    uint32x4_t near = vshrq_n_u32(vaddq_u32(bits, bias), 16);
    near = vbslq_u32(vceqq_f32(x, x), near, vorrq_u32(top, vdupq_n_u32(0x40)));
    vst1_u16(p, vmovn_u32(near));
}

/* dst[c][r] = rows[r][c] for 4 x 4 floats; dst rows are dst_stride apart. */
static inline void transpose_square(float *dst, size_t dst_stride, const float *const rows[4],
                                    size_t at) {
    float32x4x2_t even = vtrnq_f32(vld1q_f32(rows[0] + at), vld1q_f32(rows[1] + at));
    float32x4x2_t odd = vtrnq_f32(vld1q_f32(rows[2] + at), vld1q_f32(rows[3] + at));
    for (int i = 0; i < 2; i++) {
        float32x4_t a = even.val[i], b = odd.val[i];
        vst1q_f32(dst + i * dst_stride, vcombine_f32(vget_low_f32(a), vget_low_f32(b)));
        vst1q_f32(dst + (i + 2) * dst_stride, vcombine_f32(vget_high_f32(a), vget_high_f32(b)));
    }
}

/* 16 interleaved RGB pixels (48 bytes) to 16 bytes of each channel. */
static inline void deinterleave16(uint8_t out[3][16], const uint8_t *in) {
    uint8x16x3_t rgb = vld3q_u8(in);
    for (int c = 0; c < 3; c++) vst1q_u8(out[c], rgb.val[c]);
}
#endif
