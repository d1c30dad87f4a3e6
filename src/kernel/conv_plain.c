/* conv_plain.c - the convolutions of conv.h without oneDNN, as matrix products.
 *
 * Chellapilla et al. 2006, "High Performance Convolutional Neural Networks for Document
 * Processing". With the pixels that each output pixel sees unrolled into a row,
 *   cols [OH OW, in K K]    y = cols W^T    dcols = dy W, added back into dx    dW += dy^T cols
 * One picture at a time: pictures are shared among threads, or the products inside them are. Every
 * sum has one order, whatever the number of threads. */
#include "base/error.h"
#include "base/memory.h"
#include "kernel/conv.h"
#include "kernel/gemm.h"

/* The sizes of one picture. */
typedef struct sizes {
    size_t OH, OW, pixels, depth, x_floats, y_floats;
    sns_gemm_fn *gemm;
} sizes;

static sizes sizes_of(const sns_conv *c) {
    sizes s = {.OH = sns_conv_side(c, c->H), .OW = sns_conv_side(c, c->W)};
    s.pixels = s.OH * s.OW;
    s.depth = c->in * c->kernel * c->kernel;
    s.x_floats = c->H * c->W * c->in;
    s.y_floats = s.pixels * c->out;
    s.gemm = c->half ? sns_gemm_bf16 : sns_gemm;
    return s;
}

/* Room for one picture's cols; NULL: no memory. */
static float *cols_new(const sizes *s) {
    size_t floats, bytes;
    if (!sns_mul_size(s->pixels, s->depth, &floats) || !sns_mul_size(floats, sizeof(float), &bytes))
        return NULL;
    return sns_aligned_alloc(bytes);
}

/* Where the tap (r, s) of output pixel `to` lies in x, in pixels; false: on the padding. */
static bool tap(const sns_conv *c, size_t OW, size_t to, size_t r, size_t s, size_t *from) {
    size_t pad = c->kernel / 2, i = to / OW * c->stride + r, j = to % OW * c->stride + s;
    if (i < pad || j < pad || i - pad >= c->H || j - pad >= c->W) return false;
    *from = (i - pad) * c->W + j - pad;
    return true;
}

/* cols from x of one picture, in the order of the weights: [pixels][in][K][K]. */
static void unroll(const sns_conv *c, const sizes *z, const float *x, float *cols) {
    size_t K = c->kernel, from;
#pragma omp parallel for schedule(static) private(from) if (z->pixels * z->depth > 1 << 18)
    for (size_t to = 0; to < z->pixels; to++)
        for (size_t r = 0; r < K; r++)
            for (size_t s = 0; s < K; s++) {
                float *row = cols + to * z->depth + r * K + s;
                bool inside = tap(c, z->OW, to, r, s, &from);
                for (size_t i = 0; i < c->in; i++)
                    row[i * K * K] = inside ? x[from * c->in + i] : 0;
            }
}

/* dx += what of dcols came from each input, of one picture. */
static void roll_back(const sns_conv *c, const sizes *z, const float *dcols, float *dx) {
    size_t K = c->kernel, from;
    for (size_t to = 0; to < z->pixels; to++)
        for (size_t r = 0; r < K; r++)
            for (size_t s = 0; s < K; s++) {
                const float *row = dcols + to * z->depth + r * K + s;
                if (!tap(c, z->OW, to, r, s, &from)) continue;
                for (size_t i = 0; i < c->in; i++) dx[from * c->in + i] += row[i * K * K];
            }
}

static sns_status finish(int failed, sns_error *err) {
    return failed ? sns_fail(err, SNS_NOMEM, "no memory for a convolution") : SNS_OK;
}

sns_status sns_conv_forward(const sns_conv *c, const float *x, const float *W, float *y,
                            sns_error *err) {
    sns_status status = sns_conv_check(c, err);
    if (status) return status;
    const sizes z = sizes_of(c);
    int failed = 0;
#pragma omp parallel for schedule(static) if (c->B > 1) reduction(| : failed)
    for (size_t b = 0; b < c->B; b++) {
        float *cols = cols_new(&z);
        if (cols) unroll(c, &z, x + b * z.x_floats, cols);
        failed |= !cols || z.gemm(false, true, z.pixels, c->out, z.depth, cols, z.depth, W, z.depth,
                                  0, y + b * z.y_floats, c->out, NULL);
        sns_aligned_free(cols);
    }
    return finish(failed, err);
}

sns_status sns_conv_backward_data(const sns_conv *c, const float *dy, const float *W, float *dx,
                                  sns_error *err) {
    sns_status status = sns_conv_check(c, err);
    if (status) return status;
    const sizes z = sizes_of(c);
    int failed = 0;
#pragma omp parallel for schedule(static) if (c->B > 1) reduction(| : failed)
    for (size_t b = 0; b < c->B; b++) {
        float *dcols = cols_new(&z);
        bool ok = dcols && !z.gemm(false, false, z.pixels, z.depth, c->out, dy + b * z.y_floats,
                                   c->out, W, z.depth, 0, dcols, z.depth, NULL);
        if (ok) roll_back(c, &z, dcols, dx + b * z.x_floats);
        failed |= !ok;
        sns_aligned_free(dcols);
    }
    return finish(failed, err);
}

sns_status sns_conv_backward_weights(const sns_conv *c, const float *x, const float *dy, float *dW,
                                     sns_error *err) {
    sns_status status = sns_conv_check(c, err);
    if (status) return status;
    const sizes z = sizes_of(c);
    float *cols = cols_new(&z);
    int failed = !cols;
    for (size_t b = 0; b < c->B && !failed; b++) {
        unroll(c, &z, x + b * z.x_floats, cols);
        failed |= z.gemm(true, false, c->out, z.depth, z.pixels, dy + b * z.y_floats, c->out, cols,
                         z.depth, 1, dW, z.depth, NULL) != SNS_OK;
    }
    sns_aligned_free(cols);
    return finish(failed, err);
}
