/* layers.h - the layers; each has its own file with forward and backward side by side.
 *
 * Every function appends to the tape and returns its output (NULL after a failure, see tape.h).
 * Sequences of different lengths are packed without padding: rows of all sequences one after
 * another, and `starts` [n + 1] says where each begins (starts[n] = number of rows). Letters: N
 * rows, C channels, H heads. */
#ifndef SNS_MODEL_LAYERS_H
#define SNS_MODEL_LAYERS_H
#include "kernel/gemm.h"
#include "kernel/packed.h"
#include "tensor/safetensors.h"
#include "tensor/tape.h"

/* A learned tensor: its value, its gradient (NULL when frozen or at inference), and for the weight
 * of a linear layer its packed form (NULL while training). A table of embeddings may be left as the
 * file holds it, in narrow numbers (inference only): rows are widened as they are read. */
typedef struct sns_param {
    sns_tensor value;
    const sns_packed *packed;
    const sns_stored *table;       /* [V, C]; in place of value.data */
    const sns_stored *table_scale; /* [V], of an I8 table; else NULL */
} sns_param;

/* y [N, out] = x [N, in] W^T + b + residual; W [out, in]; b [out] or NULL; residual [N, out] or
 * NULL */
sns_tensor *sns_linear(sns_tape *t, sns_tensor *x, const sns_param *W, const sns_param *b,
                       sns_tensor *residual);
/* y [N, C]; gain, bias [C] */
sns_tensor *sns_layernorm(sns_tape *t, sns_tensor *x, const sns_param *gain, const sns_param *bias,
                          float eps);
/* y [N, out] = layernorm(x) W^T + b */
sns_tensor *sns_norm_linear(sns_tape *t, sns_tensor *x, const sns_param *gain,
                            const sns_param *bias, float eps, const sns_param *W,
                            const sns_param *b);
/* y [N, C] = x + fc2(act(fc1(layernorm(x)))); fc1 [M, C], fc2 [C, M]. When the tape does not
 * record, x itself is overwritten and returned. */
typedef struct sns_mlp_params {
    const sns_param *gain, *bias, *fc1_weight, *fc1_bias, *fc2_weight, *fc2_bias;
    float eps;
    sns_act act;
} sns_mlp_params;
sns_tensor *sns_mlp(sns_tape *t, sns_tensor *x, const sns_mlp_params *p);
/* qkv [N, 3C] (q | k | v, heads side by side) -> [N, C]; sequences by starts [n + 1]; scale
 * 1/sqrt(C/H). bf16, or a tape that multiplies so: the forward products are of bfloat16. */
sns_tensor *sns_attention(sns_tape *t, sns_tensor *qkv, size_t heads, const size_t *starts,
                          size_t n, bool causal, bool bf16);
sns_tensor *sns_add(sns_tape *t, sns_tensor *a, sns_tensor *b);
/* |x|, elementwise */
sns_tensor *sns_absolute(sns_tape *t, sns_tensor *x);
/* ids [N], token table [V, C], position table [P, C] (NULL: none); the position restarts at every
 * start. Ids must be < V and lengths <= P: else SNS_ARG. */
sns_tensor *sns_token_embedding(sns_tape *t, const sns_param *tokens, const sns_param *positions,
                                const uint32_t *ids, const size_t *starts, size_t n);
/* pixels [B, D, H, W] planar (no gradient to them unless pixels->grad) -> rows of B sequences:
 * class token (NULL: none), then patches row by row, + position table [1 + (H/P)(W/P), C]; patch
 * weight [C, D, P, P] (convolution of stride P), optional bias [C] */
sns_tensor *sns_patch_embedding(sns_tape *t, sns_tensor *pixels, const sns_param *W,
                                const sns_param *bias, const sns_param *class_token,
                                const sns_param *positions, size_t patch_px);
/* x [N, C] with one more row under it, a parameter of C values -> [N + 1, C] */
sns_tensor *sns_append_row(sns_tape *t, sns_tensor *x, const sns_param *row);
/* qkv [N + 1, 3C]: the last row's query looks at each sequence of the N rows before it, by starts
 * [n + 1], none empty -> [n, C] */
sns_tensor *sns_probe_attention(sns_tape *t, sns_tensor *qkv, size_t heads, const size_t *starts,
                                size_t n);
/* rows x[index[i]] -> [n, C] */
sns_tensor *sns_gather_rows(sns_tape *t, sns_tensor *x, const size_t *index, size_t n);
/* each row divided by its L2 norm */
sns_tensor *sns_l2_normalize(sns_tape *t, sns_tensor *x);
/* means of the rows of n sequences by starts [n + 1] (none empty) -> [n, C] */
sns_tensor *sns_mean_rows(sns_tape *t, sns_tensor *x, const size_t *starts, size_t n);

/* Pictures with their channels last, [B, H, W, C]: a pixel is a row. */
/* [B, C, H, W] -> [B, H, W, C] */
sns_tensor *sns_channels_last(sns_tape *t, sns_tensor *x);
/* W [O, C, K, K], zero padding K / 2, no bias -> [B, OH, OW, O]; a 1 x 1 weight may be packed [O,
 * C] */
sns_tensor *sns_conv2d(sns_tape *t, sns_tensor *x, const sns_param *W, size_t stride);
/* means of 2 x 2 squares -> [B, H / 2, W / 2, C] */
sns_tensor *sns_avg_pool(sns_tape *t, sns_tensor *x);
/* mean, var: running averages, without gradients */
typedef struct sns_batch_norm {
    sns_param gain, bias, mean, var; /* [C] */
} sns_batch_norm;
/* y = norm(x) + residual (or NULL), then ReLU if wanted. Learning (the tape records and the gain
 * has a gradient), statistics are the batch's; else the running ones, and without recording y is x.
 */
sns_tensor *sns_batchnorm(sns_tape *t, sns_tensor *x, const sns_batch_norm *norm, bool relu,
                          sns_tensor *residual);
/* B pictures of P rows -> B sequences of 1 + P: the rows' mean before them, plus positions [1 + P,
 * C]
 */
sns_tensor *sns_mean_token(sns_tape *t, sns_tensor *x, const sns_param *positions, size_t B);
#endif
