/* kernel.h - the table of kernels: numbers only, one thread each, no allocation, no errors.
 *
 * Callers split their work by size (never by thread count) and call a kernel for each part, so
 * results do not depend on the number of threads. The reference (kernel_ref.c) is the
 * specification; AVX2, AVX-512 and NEON variants must equal it within the tolerance stated here
 * (relative to the largest magnitude in the row unless said). All matrices are row-major; f32
 * unless said; sums accumulate in f32 unless said. */
#ifndef SNS_KERNEL_KERNEL_H
#define SNS_KERNEL_KERNEL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum sns_act { SNS_ACT_NONE, SNS_ACT_GELU, SNS_ACT_QUICK_GELU, SNS_ACT_GELU_TANH } sns_act;

/* AdamW's constants for one step: p -= lr * (m^ / (sqrt(v^) + eps) + decay * p). Loshchilov &
 * Hutter 2019. */
typedef struct sns_adamw_step {
    float lr, beta1, beta2, eps, decay;
    float correction1, correction2; /* 1 - beta^t */
    float grad_scale;               /* every gradient is multiplied by this first (clipping) */
} sns_adamw_step;

/* The tile of a matrix product. */
enum { SNS_GEMM_ROWS = 6, SNS_GEMM_COLS = 16 };

/* The tile of a product with a packed weight of narrow numbers: how many rows and columns of y it
 * makes, and the bytes of a word along K: four whole numbers of 8 bits or two bfloat16, which one
 * lane of the processor's instruction multiplies and adds up at once. */
enum { SNS_TILE_ROWS = 14, SNS_TILE_COLS = 32, SNS_TILE_WORD = 4, SNS_TILE_LINE = 64 };

/* y = act(x W^T + bias) + residual for a tile of y.
 *   bf16   x and W in bfloat16
 *   int8   x = x_scale (q - x_zero) with q of 0 ... 255, W = w_scale p with p of -127 ... 127, both
 *          by rows: x W^T = (sum of q p - x_zero w_sum) (x_scale w_scale), w_sum = sum of p; the
 *          caller keeps every sum within 32 bits */
typedef struct sns_tile {
    size_t rows, cols;     /* 1 ... SNS_TILE_ROWS, 1 ... SNS_TILE_COLS */
    size_t words;          /* along K */
    const void *x;         /* [words / 16 rounded up][rows][16] words: lines of SNS_TILE_LINE */
    const void *w;         /* [words][SNS_TILE_COLS] words, at a multiple of 64 */
    const void *ahead;     /* what is read next, to be fetched meanwhile, */
    size_t ahead_step;     /* as many bytes for each word; any address is harmless */
    const float *x_scale;  /* int8: [rows] */
    const int32_t *x_zero; /* int8: [rows] */
    const float *w_scale;  /* int8: [SNS_TILE_COLS] */
    const int32_t *w_sum;  /* int8: [SNS_TILE_COLS] */
    const float *bias;     /* [cols] or NULL */
    sns_act act;
    const float *residual; /* as y, NULL: 0; may be y */
    float *y;              /* [rows, cols] */
    size_t stride;         /* of the rows of y and of the residual, in floats */
} sns_tile;

/* One pass of a Fourier transform of SNS_FFT_LANES signals at once (Stockham 1966: what comes out
 * of the last pass is in order). `count` complex numbers, each SNS_FFT_LANES real parts and then as
 * many imaginary ones, are cut by the passes before into transforms of `length`; one pass makes
 * `radix` of each. With r = radix, m = length / r, s = count / length, 0 <= p < m, q < s, j < r:
 *   y[q + s (r p + j)] = exp(-2 pi i p j / length) sum over k of x[q + s (p + m k)] roots[j k] */
enum { SNS_FFT_LANES = 16 };

typedef struct sns_fft_pass {
    size_t count, length, radix; /* radix: 2, 4 or odd; each divides the one before */
    const float *twiddles;       /* [m][radix] complex: exp(-2 pi i p j / length) */
    const float *roots;          /* [radix] complex: exp(-2 pi i j / radix) */
} sns_fft_pass;

/* One head of self-attention for one sequence of T tokens (padding is never passed in):
 *   S = scale * Q K^T, causal: S[i][j] for j <= i only; P = softmax rows; out = P V
 *   q, k, v: [T, D] with row stride `stride` floats; out: [T, D] with row stride `out_stride`
 *   lse [T]: log-sum-exp of each row of S, for the backward pass; NULL when none follows
 *   scratch: sns_attention_scratch_floats(T, D) floats, 64-byte aligned
 * Never holds more of S than a block of rows. 1e-5 */
typedef void sns_attention_fn(float *out, size_t out_stride, float *lse, const float *q,
                              const float *k, const float *v, size_t stride, size_t T, size_t D,
                              float scale, bool causal, float *scratch);

/* Its gradients: dq, dk, dv (row stride `stride`) += ...; P is recomputed from lse (Dao et al.
 * 2022, section 3.1). 1e-4 */
typedef void sns_attention_back_fn(float *dq, float *dk, float *dv, const float *dout,
                                   const float *out, size_t out_stride, const float *lse,
                                   const float *q, const float *k, const float *v, size_t stride,
                                   size_t T, size_t D, float scale, bool causal, float *scratch);

typedef struct sns_kernels {
    const char *name; /* "ref", "avx2", "avx512", "avx512vnni", "avx512bf16", "neon" */

    /* sum of a[i] * b[i]; 1e-5 */
    float (*dot)(const float *a, const float *b, size_t n);
    /* sum of x[i]^2 in double */
    double (*sum_squares)(const float *x, size_t n);
    /* y[i] += x[i]; exact */
    void (*add)(float *y, const float *x, size_t n);
    /* y[i] += a * x[i]; 1e-6 */
    void (*axpy)(float *y, float a, const float *x, size_t n);
    /* y[i] *= a; exact */
    void (*scale)(float *y, float a, size_t n);
    /* scores[r] = dot(query, rows + r * dim), r < n: the search scan; 1e-5 */
    void (*dot_rows)(float *scores, const float *query, const float *rows, size_t n, size_t dim);
    /* out[r] = sum of query[i] * rows[r * dim + i], r < n, for vectors in 8 bits; dim is a multiple
     * of 64, and the caller keeps every sum within 32 bits. exact */
    void (*dot_rows_s8)(int32_t *out, const int16_t *query, const int8_t *rows, size_t n,
                        size_t dim);

    /* y = act(x) elementwise, y may be x. GELU x * Phi(x) with erf, or with tanh as
     * x * sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3) (both 2e-6 absolute + 1e-6 relative);
     * QuickGELU x * sigmoid(1.702 x) (1e-6). */
    void (*act_forward)(sns_act act, float *y, const float *x, size_t n);
    /* dx = dy * act'(x); dx may be dy */
    void (*act_backward)(sns_act act, float *dx, const float *dy, const float *x, size_t n);

    /* Layer norm (Ba et al. 2016) of `rows` rows of C: y = (x - mean) * rstd * gain + bias, biased
     * variance, statistics in two passes. mean, rstd [rows] may be NULL when no backward follows. y
     * may be x. 1e-5 */
    void (*layernorm_forward)(float *y, float *mean, float *rstd, const float *x, const float *gain,
                              const float *bias, size_t rows, size_t C, float eps);
    /* dx += ...; dgain [C] += ...; dbias [C] += ... . 1e-4 */
    void (*layernorm_backward)(float *dx, float *dgain, float *dbias, const float *dy,
                               const float *x, const float *mean, const float *rstd,
                               const float *gain, size_t rows, size_t C);

    /* C [6, 16] += A^T B, A [K, 6] and B [K, 16] dense, C's rows `stride` floats apart: what
     * matrix products are made of where oneDNN is absent. 1e-5 */
    void (*gemm_tile)(float *C, size_t stride, const float *A, const float *B, size_t K);

    /* In-place softmax of one row, max subtracted; returns log(sum(exp(x))). 1e-6 */
    float (*softmax_row)(float *x, size_t n);

    sns_attention_fn *attention_forward;
    /* With Q, K, P and V rounded to bfloat16 where the processor multiplies those faster
     * (avx512bf16); elsewhere the same function. 1e-2 */
    sns_attention_fn *attention_forward_bf16;
    sns_attention_back_fn *attention_backward;
    /* The same after attention_forward_bf16, whose P it computes again; dO and dS are rounded too.
     * 2e-2 */
    sns_attention_back_fn *attention_backward_bf16;

    /* One AdamW step over n parameters with moments m and v. 1e-6 */
    void (*adamw)(float *p, float *m, float *v, const float *g, size_t n,
                  const sns_adamw_step *step);

    /* IEEE half and bfloat16, round to nearest even; NaN stays NaN. exact */
    void (*f32_from_f16)(float *y, const uint16_t *x, size_t n);
    void (*f32_from_bf16)(float *y, const uint16_t *x, size_t n);
    void (*f16_from_f32)(uint16_t *y, const float *x, size_t n);
    void (*bf16_from_f32)(uint16_t *y, const float *x, size_t n);

    /* One row of activations in 8 bits: clamp(round(x[i] / scale) + zero), 0 ... 255, where scale
     * and zero take the row's range, widened to hold 0, onto 0 ... 255; returns the scale. A row
     * without a range (all 0) has scale 0; one with NaN or infinity has scale NaN, so that what is
     * computed from it is NaN too. They go to lines of SNS_TILE_LINE bytes, `step` bytes apart; the
     * rest of the last line becomes what stands for 0. exact */
    float (*u8_from_f32)(uint8_t *lines, size_t step, int32_t *zero, const float *x, size_t n);
    /* Tiles of products; NULL where the processor has no instruction for them and products in f32
     * are faster, which is so for the reference's too. int8: exact before the activation; bf16:
     * 1e-5 */
    void (*tile_int8)(const sns_tile *t);
    void (*tile_bf16)(const sns_tile *t);

    /* y <- the pass of x, which is overwritten. 1e-6 of the largest sum */
    void (*fft_pass)(float *y, float *x, const sns_fft_pass *p);

    /* Interleaved 8-bit RGB [n, 3] to planar floats: out[c * plane + i] = in[3 i + c] * mul[c] +
     * add[c]. 1e-6 */
    void (*planar_from_rgb8)(float *out, size_t plane, const uint8_t *in, size_t n,
                             const float mul[3], const float add[3]);
} sns_kernels;

/* The best table this processor has; the environment's SENSUS_CPU=ref|neon|avx2|avx512|
 * avx512vnni|avx512bf16 lowers it (never raises it). Constant data, chosen once; never NULL. */
const sns_kernels *sns_kernels_get(void);
/* A table by name, NULL when this processor lacks it. For tests. */
const sns_kernels *sns_kernels_named(const char *name);
/* Floats of scratch for either attention kernel and any sequence of up to T tokens. */
size_t sns_attention_scratch_floats(size_t T, size_t D);
#endif
