/* conv.h - two-dimensional convolution, forward and both gradients.
 *
 * Pictures lie with their channels last, x [B, H, W, in] and y [B, OH, OW, out], so that a pixel is
 * a row and a convolution of 1 x 1 is a matrix product; weights as PyTorch stores them, [out, in,
 * K, K]. Zero padding of K / 2 on every side, OH = (H + 2 (K / 2) - K) / stride + 1.
 *   y[b, i, j, o] = sum over r, s, c of x[b, i stride + r - K/2, j stride + s - K/2, c] W[o, c, r,
 * s]
 *
 * By oneDNN in conv.c; by matrix products in conv_plain.c, for builds without it.
 *
 * Work is cut into groups of pictures by their number alone, each on one thread, and sums over
 * groups have one order: the same bits for any number of threads. 1e-5 relative to the largest. */
#ifndef SNS_KERNEL_CONV_H
#define SNS_KERNEL_CONV_H
#include "kernel/kernel.h"
#include <sensus/status.h>

typedef struct sns_conv {
    size_t B, H, W, in, out, kernel, stride;
    bool half; /* operands rounded to bfloat16, sums in f32 (1e-2 relative) */
} sns_conv;

/* OH or OW for a side of H or W. */
size_t sns_conv_side(const sns_conv *c, size_t side);
/* SNS_LIMIT when the sizes are absurd. */
sns_status sns_conv_check(const sns_conv *c, sns_error *err);
/* y = conv(x, W). Errors of all three: SNS_INTERNAL (oneDNN refused), SNS_NOMEM, SNS_LIMIT. */
sns_status sns_conv_forward(const sns_conv *c, const float *x, const float *W, float *y,
                            sns_error *err);
/* dx += the gradient of x; scratch of its own for one group of pictures on each thread */
sns_status sns_conv_backward_data(const sns_conv *c, const float *dy, const float *W, float *dx,
                                  sns_error *err);
/* dW += the gradient of W; scratch of its own for up to eight times the weights */
sns_status sns_conv_backward_weights(const sns_conv *c, const float *x, const float *dy, float *dW,
                                     sns_error *err);
#endif
