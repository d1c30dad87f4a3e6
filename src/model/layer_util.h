/* layer_util.h - what the layers share: how rows are cut into chunks, small row operations.
 *
 * A chunk's size follows from the row's width alone and every chunk is computed by one thread, so
 * sums have the same order for any number of threads. */
#ifndef SNS_MODEL_LAYER_UTIL_H
#define SNS_MODEL_LAYER_UTIL_H
#include "model/layers.h"

enum { SNS_CHUNK_FLOATS = 1 << 16 }; /* fits the second-level cache together with one more */

/* Rows of `cols` floats in one chunk. */
static inline size_t sns_chunk_rows(size_t cols) {
    size_t rows = SNS_CHUNK_FLOATS / (cols ? cols : 1);
    return rows ? rows : 1;
}

static inline size_t sns_chunk_count(size_t rows, size_t chunk) {
    return (rows + chunk - 1) / chunk;
}

/* End of the chunk that begins at row `begin`. */
static inline size_t sns_chunk_end(size_t begin, size_t chunk, size_t rows) {
    return rows - begin < chunk ? rows : begin + chunk;
}

/* True when every tensor is there; sets the tape's status otherwise (a NULL is an earlier failure
 * or the caller's mistake). */
bool sns_layer_ready(sns_tape *t, const char *layer, const sns_tensor *x);

/* dst[index[i]] += src[i] for n rows of C, in the order of i; parallel over ranges of columns. */
void sns_scatter_add_rows(const sns_kernels *k, float *dst, const size_t *index, const float *src,
                          size_t n, size_t C);

/* dst[c] += sum over i < n, in order, of partial[i * stride + c] for c < C. */
void sns_sum_partials(const sns_kernels *k, float *dst, const float *partial, size_t n,
                      size_t stride, size_t C);

/* What layers are made of: the arithmetic on rows, without a node on the tape. Failures go to the
 * tape's status.
 *
 * y [N, out] = act(z) + residual, z = x [N, in] W^T + b. z: where to keep it, NULL: nowhere. b and
 * residual may be NULL; residual may be y. */
void sns_linear_rows(sns_tape *t, const sns_param *W, const sns_param *b, size_t N, const float *x,
                     sns_act act, float *z, const float *residual, float *y);
/* dy becomes dz = dy * act'(z); dW += dz^T x, db += its column sums, dresidual += dy, and
 * dx = beta dx + dz W. dresidual and dx may be NULL, z where there is no act. */
void sns_linear_rows_backward(sns_tape *t, const sns_param *W, const sns_param *b, size_t N,
                              const float *x, sns_act act, const float *z, float *dy,
                              float *dresidual, float beta, float *dx);

/* Layer norm's parameters, and the statistics of its rows [N] (NULL: not kept). */
typedef struct sns_norm {
    sns_param gain, bias;
    float eps, *mean, *rstd;
} sns_norm;
/* False, with the tape's status set, where a parameter is missing or does not have C values. */
bool sns_norm_ready(sns_tape *t, const sns_norm *norm, size_t C);
/* Room for the statistics of N rows. */
bool sns_norm_keep(sns_tape *t, sns_norm *norm, size_t N);
/* y [N, C]; y may be x */
void sns_norm_rows(sns_tape *t, const sns_norm *norm, size_t N, size_t C, const float *x, float *y);
/* dx += ..., NULL: not wanted; dgain += ..., dbias += ... */
void sns_norm_rows_backward(sns_tape *t, const sns_norm *norm, size_t N, size_t C, const float *x,
                            const float *dy, float *dx);

/* Inference only: y [N, out] += x W^T + b in place (a block's residual stream). */
void sns_linear_accumulate(sns_tape *t, sns_tensor *x, const sns_param *W, const sns_param *b,
                           sns_tensor *y);
/* False, with the tape's status set, where x does not fit W, or b or residual what W gives. */
bool sns_linear_ready(sns_tape *t, const sns_tensor *x, const sns_param *W, const sns_param *b,
                      const sns_tensor *residual);
#endif
