/* kernel_ref.c - every kernel as plain loops: the specification that the fast ones are tested
 * against, and what runs on processors without a faster one.
 *
 * Shapes are those of kernel.h. Sums are float, left to right, unless said. */
#include "kernel/kernel_impl.h"

static float dot(const float *a, const float *b, size_t n) {
    float sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static double sum_squares(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
    return sum;
}

static void add(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

static void axpy(float *y, float a, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] += a * x[i];
}

static void scale(float *y, float a, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] *= a;
}

/* scores [n] = rows [n, dim] query [dim] */
static void dot_rows(float *scores, const float *query, const float *rows, size_t n, size_t dim) {
    for (size_t r = 0; r < n; r++) scores[r] = dot(query, rows + r * dim, dim);
}

/* out [n] = rows [n, dim] query [dim] */
static void dot_rows_s8(int32_t *out, const int16_t *query, const int8_t *rows, size_t n,
                        size_t dim) {
    for (size_t r = 0; r < n; r++) {
        out[r] = 0;
        for (size_t i = 0; i < dim; i++) out[r] += query[i] * rows[r * dim + i];
    }
}

/* Phi(x), the normal distribution's integral. */
static float normal_cdf(float x) {
    return 0.5f * (1.0f + erff(x * 0.70710678f));
}

static float sigmoid(float x) {
    return 1.0f / (1.0f + expf(-x));
}

/* 2 u of GELU's approximation 0.5 x (1 + tanh u) = x sigmoid(2 u), and its slope. */
static float twice_u(float x) {
    return 1.5957691f * (x + 0.044715f * x * x * x);
}

static float twice_u_slope(float x) {
    return 1.5957691f * (1 + 3 * 0.044715f * x * x);
}

/* GELU: Hendrycks & Gimpel 2016, y = x Phi(x); QuickGELU, CLIP's: y = x sigmoid(1.702 x). */
static void act_forward(sns_act act, float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (act == SNS_ACT_GELU)
            y[i] = x[i] * normal_cdf(x[i]);
        else if (act == SNS_ACT_QUICK_GELU)
            y[i] = x[i] * sigmoid(1.702f * x[i]);
        else if (act == SNS_ACT_GELU_TANH)
            y[i] = x[i] * sigmoid(twice_u(x[i]));
        else
            y[i] = x[i];
    }
}

/* GELU' = Phi(x) + x phi(x), phi the density; (x s(ax))' = s + a x s (1 - s). */
static void act_backward(sns_act act, float *dx, const float *dy, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float slope = 1;
        if (act == SNS_ACT_GELU) {
            slope = normal_cdf(x[i]) + x[i] * 0.39894228f * expf(-0.5f * x[i] * x[i]);
        } else if (act == SNS_ACT_QUICK_GELU) {
            float s = sigmoid(1.702f * x[i]);
            slope = s + 1.702f * x[i] * s * (1 - s);
        } else if (act == SNS_ACT_GELU_TANH) {
            float s = sigmoid(twice_u(x[i]));
            slope = s + x[i] * s * (1 - s) * twice_u_slope(x[i]);
        }
        dx[i] = dy[i] * slope;
    }
}

/* y, x: [rows, C]; mean, rstd: [rows]; gain, bias: [C] */
static void layernorm_forward(float *y, float *mean, float *rstd, const float *x, const float *gain,
                              const float *bias, size_t rows, size_t C, float eps) {
    for (size_t r = 0; r < rows; r++, x += C, y += C) {
        float sum = 0, squares = 0;
        for (size_t c = 0; c < C; c++) sum += x[c];
        float m = sum / C;
        for (size_t c = 0; c < C; c++) squares += (x[c] - m) * (x[c] - m);
        float s = 1.0f / sqrtf(squares / C + eps);
        for (size_t c = 0; c < C; c++) y[c] = (x[c] - m) * s * gain[c] + bias[c];
        if (mean) mean[r] = m;
        if (rstd) rstd[r] = s;
    }
}

/* With h = (x - mean) rstd and g = dy gain:
 *   dx += rstd (g - mean(g) - h mean(g h)), dgain += sum_rows dy h, dbias += sum_rows dy */
static void layernorm_backward(float *dx, float *dgain, float *dbias, const float *dy,
                               const float *x, const float *mean, const float *rstd,
                               const float *gain, size_t rows, size_t C) {
    for (size_t r = 0; r < rows; r++, x += C, dx += C, dy += C) {
        float m = mean[r], s = rstd[r], sum_g = 0, sum_gh = 0;
        for (size_t c = 0; c < C; c++) {
            float h = (x[c] - m) * s, g = dy[c] * gain[c];
            sum_g += g;
            sum_gh += g * h;
            dgain[c] += dy[c] * h;
            dbias[c] += dy[c];
        }
        for (size_t c = 0; c < C; c++) {
            float h = (x[c] - m) * s, g = dy[c] * gain[c];
            dx[c] += s * (g - sum_g / C - h * (sum_gh / C));
        }
    }
}

static void gemm_tile(float *C, size_t stride, const float *A, const float *B, size_t K) {
    float sum[SNS_GEMM_ROWS][SNS_GEMM_COLS] = {{0}};
    for (size_t k = 0; k < K; k++, A += SNS_GEMM_ROWS, B += SNS_GEMM_COLS)
        for (size_t r = 0; r < SNS_GEMM_ROWS; r++)
            for (size_t c = 0; c < SNS_GEMM_COLS; c++) sum[r][c] += A[r] * B[c];
    for (size_t r = 0; r < SNS_GEMM_ROWS; r++) add(C + r * stride, sum[r], SNS_GEMM_COLS);
}

static float softmax_row(float *x, size_t n) {
    float max = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) max = fmaxf(max, x[i]);
    for (size_t i = 0; i < n; i++) sum += x[i] = expf(x[i] - max);
    for (size_t i = 0; i < n; i++) x[i] /= sum;
    return max + logf(sum);
}

/* q, k, v: [T, D] by stride; out: [T, D] by out_stride; lse: [T]; scratch: one row of S, [T] */
static void attention_forward(float *out, size_t out_stride, float *lse, const float *q,
                              const float *k, const float *v, size_t stride, size_t T, size_t D,
                              float factor, bool causal, float *scratch) {
    for (size_t i = 0; i < T; i++) {
        size_t keys = causal ? i + 1 : T;
        float *p = scratch, *o = out + i * out_stride;
        for (size_t j = 0; j < keys; j++) p[j] = factor * dot(q + i * stride, k + j * stride, D);
        float l = softmax_row(p, keys);
        if (lse) lse[i] = l;
        for (size_t d = 0; d < D; d++) o[d] = 0;
        for (size_t j = 0; j < keys; j++) axpy(o, p[j], v + j * stride, D);
    }
}

/* For each i, with P_ij = exp(scale q_i k_j - lse_i) and delta_i = dout_i . out_i = sum_j P_ij
 * dP_ij: dv_j += P_ij dout_i        dP_ij = dout_i . v_j      dS_ij = scale P_ij (dP_ij - delta_i)
 *   dq_i += dS_ij k_j          dk_j += dS_ij q_i */
static void attention_backward(float *dq, float *dk, float *dv, const float *dout, const float *out,
                               size_t out_stride, const float *lse, const float *q, const float *k,
                               const float *v, size_t stride, size_t T, size_t D, float factor,
                               bool causal, float *scratch) {
    (void)scratch;
    for (size_t i = 0; i < T; i++) {
        size_t keys = causal ? i + 1 : T;
        const float *qi = q + i * stride, *doi = dout + i * out_stride;
        float delta = dot(doi, out + i * out_stride, D);
        for (size_t j = 0; j < keys; j++) {
            float p = expf(factor * dot(qi, k + j * stride, D) - lse[i]);
            float ds = factor * p * (dot(doi, v + j * stride, D) - delta);
            axpy(dv + j * stride, p, doi, D);
            axpy(dq + i * stride, ds, k + j * stride, D);
            axpy(dk + j * stride, ds, qi, D);
        }
    }
}

static void adamw(float *p, float *m, float *v, const float *g, size_t n,
                  const sns_adamw_step *step) {
    for (size_t i = 0; i < n; i++) {
        float grad = g[i] * step->grad_scale;
        m[i] = step->beta1 * m[i] + (1 - step->beta1) * grad;
        v[i] = step->beta2 * v[i] + (1 - step->beta2) * grad * grad;
        float rms = sqrtf(v[i] / step->correction2) + step->eps;
        p[i] -= step->lr * (m[i] / step->correction1 / rms + step->decay * p[i]);
    }
}

static float float_of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t bits_of_float(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* IEEE 754 half: sign 1, exponent 5 (bias 15), fraction 10. A signalling NaN becomes quiet, as the
 * hardware's instructions do. */
static float f32_of_f16(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, fraction = h & 1023;
    if (exponent == 31)
        return float_of_bits(sign | 0x7f800000 | fraction << 13 | (fraction ? 0x400000 : 0));
    if (exponent == 0) {
        float x = (float)fraction * 0x1p-24f;
        return sign ? -x : x;
    }
    return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

static uint16_t f16_of_f32(float x) {
    uint32_t bits = bits_of_float(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000)
        return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff)); /* NaN, quiet */
    if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00);    /* rounds to infinity */
    if (magnitude < 0x38800000) {
        /* Below the smallest normal half: adding 0.5 leaves the fraction in units of 2^-24, rounded
         * to nearest even by the addition itself. */
        float shifted = float_of_bits(magnitude) + 0.5f;
        return (uint16_t)(sign | (bits_of_float(shifted) - 0x3f000000));
    }
    uint32_t odd = magnitude >> 13 & 1;
    return (uint16_t)(sign | (magnitude - (112u << 23) + 0xfff + odd) >> 13);
}

static uint16_t bf16_of_f32(float x) {
    uint32_t bits = bits_of_float(x);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40); /* NaN, quiet */
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static void f32_from_f16(float *y, const uint16_t *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = f32_of_f16(x[i]);
}

static void f32_from_bf16(float *y, const uint16_t *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = float_of_bits((uint32_t)x[i] << 16);
}

static void f16_from_f32(uint16_t *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = f16_of_f32(x[i]);
}

static void bf16_from_f32(uint16_t *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = bf16_of_f32(x[i]);
}

/* Asymmetric: activations after GELU lie almost all on one side of 0. */
static float u8_from_f32(uint8_t *lines, size_t step, int32_t *zero, const float *x, size_t n) {
    float low = 0, high = 0, bad = 0;
    for (size_t i = 0; i < n; i++) {
        if (x[i] < low) low = x[i];
        if (x[i] > high) high = x[i];
        bad += x[i] * 0; /* NaN from NaN and infinity */
    }
    float scale, inverse = sns_u8_range(low, high, bad, &scale, zero), shift = (float)*zero;
    for (size_t i = 0; i < n; i += SNS_TILE_LINE, lines += step)
        for (size_t j = 0; j < SNS_TILE_LINE; j++) {
            float rounded = rintf((i + j < n ? x[i + j] : 0) * inverse) + shift;
            lines[j] = (uint8_t)(rounded > 0 ? rounded < 255 ? rounded : 255 : 0);
        }
    return scale;
}

/* y[r][c] = act(z + bias[c]) + residual[r][c], for one number z of the product. */
static void finish(const sns_tile *t, size_t r, size_t c, float z) {
    float y;
    z += t->bias ? t->bias[c] : 0;
    act_forward(t->act, &y, &z, 1);
    if (t->residual) y += t->residual[r * t->stride + c];
    t->y[r * t->stride + c] = y;
}

/* Where the word k of row r of x, and of column c of W, begins. */
static const void *x_word(const sns_tile *t, size_t r, size_t k) {
    size_t line = SNS_TILE_LINE / SNS_TILE_WORD, row = k / line * t->rows + r;
    return (const char *)t->x + (row * line + k % line) * SNS_TILE_WORD;
}

static const void *w_word(const sns_tile *t, size_t c, size_t k) {
    return (const char *)t->w + (k * SNS_TILE_COLS + c) * SNS_TILE_WORD;
}

static void tile_int8(const sns_tile *t) {
    for (size_t r = 0; r < t->rows; r++)
        for (size_t c = 0; c < t->cols; c++) {
            int32_t sum = 0;
            for (size_t k = 0; k < t->words; k++) {
                const uint8_t *x = x_word(t, r, k);
                const int8_t *w = w_word(t, c, k);
                for (size_t i = 0; i < SNS_TILE_WORD; i++) sum += x[i] * w[i];
            }
            sum -= t->x_zero[r] * t->w_sum[c];
            finish(t, r, c, (float)sum * (t->x_scale[r] * t->w_scale[c]));
        }
}

static void tile_bf16(const sns_tile *t) {
    for (size_t r = 0; r < t->rows; r++)
        for (size_t c = 0; c < t->cols; c++) {
            float sum = 0, x[2], w[2];
            for (size_t k = 0; k < t->words; k++) {
                f32_from_bf16(x, x_word(t, r, k), 2);
                f32_from_bf16(w, w_word(t, c, k), 2);
                sum += x[0] * w[0] + x[1] * w[1];
            }
            finish(t, r, c, sum);
        }
}

/* One number y[to] of a pass: of block p, at q, the j-th. */
static void fft_number(float *y, const float *x, const sns_fft_pass *of, size_t p, size_t q,
                       size_t j) {
    size_t r = of->radix, m = of->length / r, s = of->count / of->length;
    const float *turn = of->twiddles + 2 * (r * p + j);
    float *to = y + 2 * SNS_FFT_LANES * (q + s * (r * p + j));
    for (size_t l = 0; l < SNS_FFT_LANES; l++) {
        float re = 0, im = 0;
        for (size_t k = 0; k < r; k++) {
            const float *from = x + 2 * SNS_FFT_LANES * (q + s * (p + m * k)) + l;
            const float *root = of->roots + 2 * (j * k % r);
            re += from[0] * root[0] - from[SNS_FFT_LANES] * root[1];
            im += from[0] * root[1] + from[SNS_FFT_LANES] * root[0];
        }
        to[l] = re * turn[0] - im * turn[1];
        to[SNS_FFT_LANES + l] = re * turn[1] + im * turn[0];
    }
}

static void fft_pass(float *y, float *x, const sns_fft_pass *of) {
    size_t r = of->radix, m = of->length / r, s = of->count / of->length;
    for (size_t p = 0; p < m; p++)
        for (size_t q = 0; q < s; q++)
            for (size_t j = 0; j < r; j++) fft_number(y, x, of, p, q, j);
}

/* out: 3 planes of n floats, `plane` apart; in: [n, 3] */
static void planar_from_rgb8(float *out, size_t plane, const uint8_t *in, size_t n,
                             const float mul[3], const float plus[3]) {
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++) out[c * plane + i] = in[3 * i + c] * mul[c] + plus[c];
}

const sns_kernels sns_kernels_ref = {
    .name = "ref",
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
    .attention_forward_bf16 = attention_forward,
    .attention_backward = attention_backward,
    .attention_backward_bf16 = attention_backward,
    .adamw = adamw,
    .f32_from_f16 = f32_from_f16,
    .f32_from_bf16 = f32_from_bf16,
    .f16_from_f32 = f16_from_f32,
    .bf16_from_f32 = bf16_from_f32,
    .u8_from_f32 = u8_from_f32,
    .tile_int8 = tile_int8,
    .tile_bf16 = tile_bf16,
    .fft_pass = fft_pass,
    .planar_from_rgb8 = planar_from_rgb8,
};
