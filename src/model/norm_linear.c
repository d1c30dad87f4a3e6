/* norm_linear.c - y [N, out] = norm(x) W^T + b: a layer norm and the linear layer that reads it.
 *
 * As one layer, norm(x) [N, C] never stays: the backward pass makes it again from x, which costs a
 * thousandth of the product (see layernorm.c and linear.c for both gradients). */
#include "model/layer_util.h"

typedef struct norm_linear {
    sns_tensor *x, *y;
    sns_norm norm;
    sns_param W, b;
} norm_linear;

static void norm_linear_backward(sns_tape *t, void *context) {
    const norm_linear *l = context;
    size_t N = l->x->rows, C = l->x->cols;
    sns_arena_mark mark = sns_arena_get_mark(sns_tape_arena(t));
    float *h = sns_tape_alloc(t, N * C * sizeof *h), *dh = sns_tape_alloc(t, N * C * sizeof *dh);
    if (!h || !dh) return;
    sns_norm_rows(t, &l->norm, N, C, l->x->data, h);
    sns_linear_rows_backward(t, &l->W, &l->b, N, h, SNS_ACT_NONE, NULL, l->y->grad, NULL, 0, dh);
    sns_norm_rows_backward(t, &l->norm, N, C, l->x->data, dh, l->x->grad);
    sns_arena_release(sns_tape_arena(t), mark);
}

sns_tensor *sns_norm_linear(sns_tape *t, sns_tensor *x, const sns_param *gain,
                            const sns_param *bias, float eps, const sns_param *W,
                            const sns_param *b) {
    norm_linear l = {.x = x, .norm = {.gain = *gain, .bias = *bias, .eps = eps}, .W = *W, .b = *b};
    if (!sns_linear_ready(t, x, W, b, NULL) || !sns_norm_ready(t, &l.norm, x->cols)) return NULL;
    if (!(l.y = sns_tape_matrix(t, x->rows, W->value.rows))) return NULL;
    if (sns_tape_recording(t) && !sns_norm_keep(t, &l.norm, x->rows)) return NULL;
    sns_arena_mark mark = sns_arena_get_mark(sns_tape_arena(t));
    float *h = sns_tape_alloc(t, x->rows * x->cols * sizeof *h);
    if (!h) return NULL;
    sns_norm_rows(t, &l.norm, x->rows, x->cols, x->data, h);
    sns_linear_rows(t, W, b, x->rows, h, SNS_ACT_NONE, NULL, NULL, l.y->data);
    sns_arena_release(sns_tape_arena(t), mark);
    norm_linear *node = sns_tape_push(t, norm_linear_backward, sizeof *node);
    if (node) *node = l;
    return sns_tape_status(t, NULL) ? NULL : l.y;
}
