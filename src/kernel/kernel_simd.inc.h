/* kernel_simd.inc.h - every kernel in vectors; included once for each instruction set, after the
 * header that gives sns_vf. Not a header for anyone else.
 *
 * A loop goes over VF_LANES elements at a time; get() and put() take what is left at the end, so
 * there is no second loop for it. */
#include "kernel/kernel_impl.h"

/* The next `left` elements, at most a vector; lanes beyond are zero. */
static inline sns_vf get(const float *p, size_t left) {
    return left >= VF_LANES ? vf_load(p) : vf_load_n(p, left);
}

static inline void put(float *p, sns_vf x, size_t left) {
    if (left >= VF_LANES)
        vf_store(p, x);
    else
        vf_store_n(p, x, left);
}

/* Lanes beyond `left` become `other`. */
static inline sns_vf keep(sns_vf x, size_t left, float other) {
    return left >= VF_LANES ? x : vf_keep_n(x, left, vf_set1(other));
}

/* e^x, all floats, to about 1 unit in the last place: x = n ln 2 + r, e^x = 2^n e^r; ln 2 in two
 * parts and the polynomial for |r| <= ln 2 / 2 are those of Moshier's Cephes, expf. */
static inline sns_vf vf_exp(sns_vf x) {
    x = vf_min(vf_set1(104.0f), vf_max(vf_set1(-104.0f), x)); /* 0 and infinity lie within */
    sns_vf n = vf_round(vf_mul(x, vf_set1(1.44269504f)));
    sns_vf r = vf_fnma(n, vf_set1(0.693359375f), x);
    r = vf_fnma(n, vf_set1(-2.12194440e-4f), r);
    sns_vf p = vf_fma(vf_set1(1.9875691500e-4f), r, vf_set1(1.3981999507e-3f));
    p = vf_fma(p, r, vf_set1(8.3334519073e-3f));
    p = vf_fma(p, r, vf_set1(4.1665795894e-2f));
    p = vf_fma(p, r, vf_set1(1.6666665459e-1f));
    p = vf_fma(p, r, vf_set1(5.0000001201e-1f));
    p = vf_fma(p, vf_mul(r, r), vf_add(r, vf_set1(1.0f)));
    return vf_exp2i(p, n);
}

static inline sns_vf vf_sigmoid(sns_vf x) {
    sns_vf one = vf_set1(1.0f);
    return vf_div(one, vf_add(one, vf_exp(vf_sub(vf_set1(0.0f), x))));
}

/* Phi(x), given bell = exp(-x^2 / 2). Abramowitz & Stegun 7.1.26: erfc(z) = t P(t) exp(-z^2), t = 1
 * / (1 + 0.3275911 z), z = |x| / sqrt 2, error below 1.5e-7. */
static inline sns_vf vf_normal_cdf(sns_vf x, sns_vf bell) {
    sns_vf one = vf_set1(1.0f), z = vf_mul(vf_abs(x), vf_set1(0.70710678f));
    sns_vf t = vf_div(one, vf_fma(z, vf_set1(0.3275911f), one));
    sns_vf p = vf_fma(vf_set1(1.061405429f), t, vf_set1(-1.453152027f));
    p = vf_fma(p, t, vf_set1(1.421413741f));
    p = vf_fma(p, t, vf_set1(-0.284496736f));
    p = vf_fma(p, t, vf_set1(0.254829592f));
    sns_vf tail = vf_mul(vf_mul(vf_mul(p, t), bell), vf_set1(0.5f));
    return vf_if_less(x, vf_set1(0.0f), tail, vf_sub(one, tail));
}

static inline sns_vf vf_bell(sns_vf x) {
    return vf_exp(vf_mul(vf_mul(x, x), vf_set1(-0.5f)));
}

static float dot(const float *a, const float *b, size_t n) {
    sns_vf s[4];
    size_t i = 0;
    for (int u = 0; u < 4; u++) s[u] = vf_set1(0.0f);
    for (; i + 4 * VF_LANES <= n; i += 4 * VF_LANES)
        for (int u = 0; u < 4; u++)
            s[u] = vf_fma(vf_load(a + i + u * VF_LANES), vf_load(b + i + u * VF_LANES), s[u]);
    for (; i < n; i += VF_LANES) s[0] = vf_fma(get(a + i, n - i), get(b + i, n - i), s[0]);
    return vf_sum(vf_add(vf_add(s[0], s[1]), vf_add(s[2], s[3])));
}

static double sum_squares(const float *x, size_t n) {
    sns_vd s = vd_zero(), t = vd_zero();
    size_t i = 0;
    for (; i + 2 * VF_LANES <= n; i += 2 * VF_LANES) {
        s = vd_add_squares(s, vf_load(x + i));
        t = vd_add_squares(t, vf_load(x + i + VF_LANES));
    }
    for (; i < n; i += VF_LANES) s = vd_add_squares(s, get(x + i, n - i));
    return vd_sum(s) + vd_sum(t);
}

static void add(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i += VF_LANES)
        put(y + i, vf_add(get(y + i, n - i), get(x + i, n - i)), n - i);
}

static void axpy(float *y, float a, const float *x, size_t n) {
    sns_vf va = vf_set1(a);
    for (size_t i = 0; i < n; i += VF_LANES)
        put(y + i, vf_fma(va, get(x + i, n - i), get(y + i, n - i)), n - i);
}

static void scale(float *y, float a, size_t n) {
    sns_vf va = vf_set1(a);
    for (size_t i = 0; i < n; i += VF_LANES) put(y + i, vf_mul(va, get(y + i, n - i)), n - i);
}

/* `count` rows at once share the loads of the query. Every row is summed in the same order whatever
 * the count is, so that its score does not depend on where a scan was cut. */
static inline __attribute__((always_inline)) void
dot_some_rows(float *scores, const float *query, const float *rows, size_t dim, const int count) {
    sns_vf s[4][2];
    size_t i = 0;
    for (int r = 0; r < count; r++) s[r][0] = s[r][1] = vf_set1(0.0f);
    for (; i + 2 * VF_LANES <= dim; i += 2 * VF_LANES) {
        sns_vf q0 = vf_load(query + i), q1 = vf_load(query + i + VF_LANES);
        for (int r = 0; r < count; r++) {
            const float *row = rows + r * dim + i;
            __builtin_prefetch(row + count * dim);
            s[r][0] = vf_fma(q0, vf_load(row), s[r][0]);
            s[r][1] = vf_fma(q1, vf_load(row + VF_LANES), s[r][1]);
        }
    }
    for (; i < dim; i += VF_LANES)
        for (int r = 0; r < count; r++)
            s[r][0] = vf_fma(get(query + i, dim - i), get(rows + r * dim + i, dim - i), s[r][0]);
    for (int r = 0; r < count; r++) scores[r] = vf_sum(vf_add(s[r][0], s[r][1]));
}

static void dot_rows(float *scores, const float *query, const float *rows, size_t n, size_t dim) {
    size_t r = 0;
    for (; r + 4 <= n; r += 4) dot_some_rows(scores + r, query, rows + r * dim, dim, 4);
    for (; r < n; r++) dot_some_rows(scores + r, query, rows + r * dim, dim, 1);
}

/* One row after the other, as they lie in memory; prefetching over the ends of pages, where
 * hardware stops, reads as fast as memory gives. */
static void dot_rows_s8(int32_t *out, const int16_t *query, const int8_t *rows, size_t n,
                        size_t dim) {
    enum { AHEAD = 8192 };
    for (size_t r = 0; r < n; r++) {
        const int8_t *row = rows + r * dim;
        sns_vi sum = vi_zero();
        for (size_t i = 0; i < dim; i += 64) {
            __builtin_prefetch(row + i + AHEAD);
            for (size_t k = i; k < i + 64; k += VI_LANES)
                sum = vi_add_products(sum, query + k, row + k);
        }
        out[r] = vi_sum(sum);
    }
}

/* 2 u of 0.5 x (1 + tanh u) = x sigmoid(2 u), from x and x^2. */
static inline sns_vf vf_twice_u(sns_vf v, sns_vf square) {
    sns_vf inner = vf_fma(vf_mul(square, v), vf_set1(0.044715f), v);
    return vf_mul(inner, vf_set1(1.5957691f));
}

static inline __attribute__((always_inline)) sns_vf vf_act(const sns_act act, sns_vf v) {
    switch (act) {
    case SNS_ACT_GELU:
        return vf_mul(v, vf_normal_cdf(v, vf_bell(v)));
    case SNS_ACT_QUICK_GELU:
        return vf_mul(v, vf_sigmoid(vf_mul(v, vf_set1(1.702f))));
    case SNS_ACT_GELU_TANH:
        return vf_mul(v, vf_sigmoid(vf_twice_u(v, vf_mul(v, v))));
    default:
        return v;
    }
}

static inline __attribute__((always_inline)) void act_each(const sns_act act, float *y,
                                                           const float *x, size_t n) {
    for (size_t i = 0; i < n; i += VF_LANES) put(y + i, vf_act(act, get(x + i, n - i)), n - i);
}

static void act_forward(sns_act act, float *y, const float *x, size_t n) {
    if (act == SNS_ACT_GELU)
        act_each(SNS_ACT_GELU, y, x, n);
    else if (act == SNS_ACT_QUICK_GELU)
        act_each(SNS_ACT_QUICK_GELU, y, x, n);
    else if (act == SNS_ACT_GELU_TANH)
        act_each(SNS_ACT_GELU_TANH, y, x, n);
    else if (y != x)
        memmove(y, x, n * sizeof *y);
}

static void act_backward(sns_act act, float *dx, const float *dy, const float *x, size_t n) {
    if (act == SNS_ACT_GELU) {
        for (size_t i = 0; i < n; i += VF_LANES) {
            sns_vf v = get(x + i, n - i), bell = vf_bell(v);
            sns_vf density = vf_mul(bell, vf_set1(0.39894228f));
            sns_vf slope = vf_fma(v, density, vf_normal_cdf(v, bell));
            put(dx + i, vf_mul(get(dy + i, n - i), slope), n - i);
        }
    } else if (act == SNS_ACT_QUICK_GELU) {
        for (size_t i = 0; i < n; i += VF_LANES) {
            sns_vf av = vf_mul(get(x + i, n - i), vf_set1(1.702f)), s = vf_sigmoid(av);
            sns_vf slope = vf_fma(vf_mul(av, s), vf_sub(vf_set1(1.0f), s), s);
            put(dx + i, vf_mul(get(dy + i, n - i), slope), n - i);
        }
    } else if (act == SNS_ACT_GELU_TANH) {
        for (size_t i = 0; i < n; i += VF_LANES) {
            sns_vf v = get(x + i, n - i), square = vf_mul(v, v);
            sns_vf s = vf_sigmoid(vf_twice_u(v, square));
            sns_vf rise = vf_fma(square, vf_set1(3 * 0.044715f * 1.5957691f), vf_set1(1.5957691f));
            sns_vf vs = vf_mul(vf_mul(v, s), vf_sub(vf_set1(1.0f), s));
            put(dx + i, vf_mul(get(dy + i, n - i), vf_fma(vs, rise, s)), n - i);
        }
    } else if (dx != dy) {
        memmove(dx, dy, n * sizeof *dx);
    }
}

static float sum_row(const float *x, size_t n) {
    sns_vf s = vf_set1(0.0f), t = s;
    size_t i = 0;
    for (; i + 2 * VF_LANES <= n; i += 2 * VF_LANES) {
        s = vf_add(s, vf_load(x + i));
        t = vf_add(t, vf_load(x + i + VF_LANES));
    }
    for (; i < n; i += VF_LANES) s = vf_add(s, get(x + i, n - i));
    return vf_sum(vf_add(s, t));
}

static float sum_squares_about(const float *x, float mean, size_t n) {
    sns_vf s = vf_set1(0.0f), t = s, m = vf_set1(mean);
    size_t i = 0;
    for (; i + 2 * VF_LANES <= n; i += 2 * VF_LANES) {
        sns_vf a = vf_sub(vf_load(x + i), m), b = vf_sub(vf_load(x + i + VF_LANES), m);
        s = vf_fma(a, a, s);
        t = vf_fma(b, b, t);
    }
    for (; i < n; i += VF_LANES) {
        sns_vf a = keep(vf_sub(get(x + i, n - i), m), n - i, 0.0f);
        s = vf_fma(a, a, s);
    }
    return vf_sum(vf_add(s, t));
}

static void layernorm_forward(float *y, float *mean, float *rstd, const float *x, const float *gain,
                              const float *bias, size_t rows, size_t C, float eps) {
    for (size_t r = 0; r < rows; r++, x += C, y += C) {
        float m = sum_row(x, C) / C;
        float s = 1.0f / sqrtf(sum_squares_about(x, m, C) / C + eps);
        sns_vf vm = vf_set1(m), vs = vf_set1(s);
        for (size_t c = 0; c < C; c += VF_LANES) {
            sns_vf h = vf_mul(vf_sub(get(x + c, C - c), vm), vs);
            put(y + c, vf_fma(h, get(gain + c, C - c), get(bias + c, C - c)), C - c);
        }
        if (mean) mean[r] = m;
        if (rstd) rstd[r] = s;
    }
}

static void layernorm_backward(float *dx, float *dgain, float *dbias, const float *dy,
                               const float *x, const float *mean, const float *rstd,
                               const float *gain, size_t rows, size_t C) {
    for (size_t r = 0; r < rows; r++, x += C, dx += C, dy += C) {
        sns_vf m = vf_set1(mean[r]), s = vf_set1(rstd[r]), sum_g = vf_set1(0.0f), sum_gh = sum_g;
        for (size_t c = 0; c < C; c += VF_LANES) {
            size_t left = C - c;
            sns_vf h = vf_mul(vf_sub(get(x + c, left), m), s), d = get(dy + c, left);
            sns_vf g = vf_mul(d, get(gain + c, left));
            sum_g = vf_add(sum_g, g);
            sum_gh = vf_fma(g, h, sum_gh); /* lanes beyond C: g is zero there */
            put(dgain + c, vf_fma(d, h, get(dgain + c, left)), left);
            put(dbias + c, vf_add(d, get(dbias + c, left)), left);
        }
        sns_vf mean_g = vf_set1(vf_sum(sum_g) / C), mean_gh = vf_set1(vf_sum(sum_gh) / C);
        for (size_t c = 0; c < C; c += VF_LANES) {
            size_t left = C - c;
            sns_vf h = vf_mul(vf_sub(get(x + c, left), m), s);
            sns_vf g = vf_fma(get(dy + c, left), get(gain + c, left), vf_sub(vf_set1(0), mean_g));
            put(dx + c, vf_fma(s, vf_fnma(h, mean_gh, g), get(dx + c, left)), left);
        }
    }
}

/* x = exp(x - max), their sum and the max. */
static inline float exp_row(float *x, size_t n, float *max) {
    sns_vf top = vf_set1(-INFINITY), sum = vf_set1(0.0f);
    for (size_t i = 0; i < n; i += VF_LANES)
        top = vf_max(top, keep(get(x + i, n - i), n - i, -INFINITY));
    *max = vf_largest(top);
    for (size_t i = 0; i < n; i += VF_LANES) {
        sns_vf e = vf_exp(vf_sub(get(x + i, n - i), vf_set1(*max)));
        put(x + i, e, n - i);
        sum = vf_add(sum, keep(e, n - i, 0.0f));
    }
    return vf_sum(sum);
}

static float softmax_row(float *x, size_t n) {
    float max, sum = exp_row(x, n, &max);
    scale(x, 1.0f / sum, n);
    return max + logf(sum);
}

static void adamw(float *p, float *m, float *v, const float *g, size_t n,
                  const sns_adamw_step *step) {
    sns_vf b1 = vf_set1(step->beta1), b2 = vf_set1(step->beta2), eps = vf_set1(step->eps);
    sns_vf a1 = vf_set1(1 - step->beta1), a2 = vf_set1(1 - step->beta2);
    sns_vf inverse1 = vf_set1(1 / step->correction1), inverse2 = vf_set1(1 / step->correction2);
    sns_vf lr = vf_set1(step->lr), decay = vf_set1(step->decay);
    sns_vf grad_scale = vf_set1(step->grad_scale);
    for (size_t i = 0; i < n; i += VF_LANES) {
        size_t left = n - i;
        sns_vf grad = vf_mul(get(g + i, left), grad_scale), old = get(p + i, left);
        sns_vf m1 = vf_fma(b1, get(m + i, left), vf_mul(a1, grad));
        sns_vf v1 = vf_fma(b2, get(v + i, left), vf_mul(vf_mul(a2, grad), grad));
        sns_vf rms = vf_add(vf_sqrt(vf_mul(v1, inverse2)), eps);
        sns_vf step_by = vf_fma(decay, old, vf_div(vf_mul(m1, inverse1), rms));
        put(m + i, m1, left);
        put(v + i, v1, left);
        put(p + i, vf_fnma(lr, step_by, old), left);
    }
}

/* Conversions run over whole vectors; the last few elements go through one on the stack. */
#define CONVERT(load, store, type_y, type_x)                                                       \
    size_t i = 0;                                                                                  \
    for (; i + VF_LANES <= n; i += VF_LANES) store(y + i, load(x + i));                            \
    if (i < n) {                                                                                   \
        type_x in[VF_LANES] = {0};                                                                 \
        type_y out[VF_LANES];                                                                      \
        memcpy(in, x + i, (n - i) * sizeof *x);                                                    \
        store(out, load(in));                                                                      \
        memcpy(y + i, out, (n - i) * sizeof *y);                                                   \
    }

static void f32_from_f16(float *y, const uint16_t *x, size_t n) {
    CONVERT(vf_load_f16, vf_store, float, uint16_t)
}

static void f32_from_bf16(float *y, const uint16_t *x, size_t n) {
    CONVERT(vf_load_bf16, vf_store, float, uint16_t)
}

static void f16_from_f32(uint16_t *y, const float *x, size_t n) {
    CONVERT(vf_load, vf_store_f16, uint16_t, float)
}

static void bf16_from_f32(uint16_t *y, const float *x, size_t n) {
    CONVERT(vf_load, vf_store_bf16, uint16_t, float)
}

/* The least and the largest of x and 0, and NaN in bad if there is one, or infinity. */
static inline void range_of(const float *x, size_t n, float *low, float *high, float *bad) {
    enum { CHAINS = 4 };
    sns_vf none = vf_set1(0), lows[CHAINS], highs[CHAINS], bads[CHAINS];
#pragma GCC unroll 4
    for (int c = 0; c < CHAINS; c++) lows[c] = highs[c] = bads[c] = none;
    for (size_t i = 0; i < n; i += CHAINS * VF_LANES)
#pragma GCC unroll 4
        for (size_t c = 0; c < CHAINS; c++) {
            size_t at = i + c * VF_LANES;
            sns_vf v = at < n ? get(x + at, n - at) : none;
            lows[c] = vf_min(v, lows[c]); /* the second where v is NaN */
            highs[c] = vf_max(v, highs[c]);
            bads[c] = vf_fma(v, none, bads[c]); /* NaN from NaN and infinity */
        }
#pragma GCC unroll 4
    for (int c = 1; c < CHAINS; c++) {
        lows[0] = vf_min(lows[c], lows[0]);
        highs[0] = vf_max(highs[c], highs[0]);
        bads[0] = vf_add(bads[c], bads[0]);
    }
    *low = -vf_largest(vf_sub(none, lows[0]));
    *high = vf_largest(highs[0]);
    *bad = vf_sum(bads[0]);
}

static float u8_from_f32(uint8_t *lines, size_t step, int32_t *zero, const float *x, size_t n) {
    float scale, low, high, bad;
    range_of(x, n, &low, &high, &bad);
    float inverse = sns_u8_range(low, high, bad, &scale, zero);
    sns_vf factor = vf_set1(inverse), shift = vf_set1((float)*zero), most = vf_set1(255);
    for (size_t i = 0; i < n; i += SNS_TILE_LINE, lines += step)
#pragma GCC unroll 4
        for (size_t j = 0; j < SNS_TILE_LINE; j += VF_LANES) {
            sns_vf v = i + j < n ? get(x + i + j, n - i - j) : vf_set1(0);
            v = vf_add(vf_round(vf_mul(v, factor)), shift);
            vf_store_u8(lines + j, vf_min(vf_max(v, vf_set1(0)), most));
        }
    return scale;
}

static void planar_from_rgb8(float *out, size_t plane, const uint8_t *in, size_t n,
                             const float mul[3], const float plus[3]) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        uint8_t channel[3][16];
        deinterleave16(channel, in + 3 * i);
        for (size_t c = 0; c < 3; c++) {
            sns_vf m = vf_set1(mul[c]), a = vf_set1(plus[c]);
            for (size_t j = 0; j < 16; j += VF_LANES)
                vf_store(out + c * plane + i + j, vf_fma(vf_load_u8(channel[c] + j), m, a));
        }
    }
    for (; i < n; i++)
        for (size_t c = 0; c < 3; c++) out[c * plane + i] = in[3 * i + c] * mul[c] + plus[c];
}

#include "kernel/attention_simd.inc.h"
#include "kernel/fft_simd.inc.h"
#include "kernel/tile_simd.inc.h"

const sns_kernels SNS_KERNELS_TABLE = {
    .name = SNS_KERNELS_NAME,
    .dot = dot,
    .sum_squares = sum_squares,
    .add = add,
    .axpy = axpy,
    .scale = scale,
    .dot_rows = dot_rows,
    .dot_rows_s8 = dot_rows_s8,
    .act_forward = act_forward,
    .act_backward = act_backward,
    .layernorm_forward = layernorm_forward,
    .layernorm_backward = layernorm_backward,
    .gemm_tile = gemm_tile,
    .softmax_row = softmax_row,
    .attention_forward = attention_forward,
    .attention_forward_bf16 = attention_of_pairs,
    .attention_backward = attention_backward,
    .attention_backward_bf16 = attention_backward_of_pairs,
    .adamw = adamw,
    .f32_from_f16 = f32_from_f16,
    .f32_from_bf16 = f32_from_bf16,
    .f16_from_f32 = f16_from_f32,
    .bf16_from_f32 = bf16_from_f32,
    .u8_from_f32 = u8_from_f32,
    .tile_int8 = TILE_INT8,
    .tile_bf16 = TILE_BF16,
    .fft_pass = fft_pass,
    .planar_from_rgb8 = planar_from_rgb8,
};
