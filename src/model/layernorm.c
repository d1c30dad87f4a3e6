/* layernorm.c - y [N, C] = (x - mean) / sqrt(var + eps) * gain + bias, each row by itself.
 *
 * Ba, Kiros and Hinton 2016, "Layer Normalization". With h = (x - mean) * rstd and g = dy * gain:
 *   dx = rstd * (g - mean(g) - h * mean(g * h))   dgain = sum of dy * h   dbias = sum of dy
 * The arithmetic is in the kernels; this file cuts rows into chunks. */
#include "model/layer_util.h"

typedef struct layernorm {
    sns_tensor *x, *y;
    sns_norm norm;
} layernorm;

bool sns_norm_ready(sns_tape *t, const sns_norm *norm, size_t C) {
    if (!sns_layer_ready(t, "layer norm", &norm->gain.value) ||
        !sns_layer_ready(t, "layer norm", &norm->bias.value))
        return false;
    if (norm->gain.value.cols == C && norm->bias.value.cols == C) return true;
    sns_tape_fail(t, SNS_SHAPE, "layer norm: %zu channels, gain has %zu", C, norm->gain.value.cols);
    return false;
}

bool sns_norm_keep(sns_tape *t, sns_norm *norm, size_t N) {
    norm->mean = sns_tape_alloc(t, N * sizeof(float));
    norm->rstd = sns_tape_alloc(t, N * sizeof(float));
    return norm->mean && norm->rstd;
}

void sns_norm_rows(sns_tape *t, const sns_norm *n, size_t N, size_t C, const float *x, float *y) {
    const sns_kernels *k = sns_tape_kernels(t);
    size_t step = sns_chunk_rows(C), chunks = sns_chunk_count(N, step);
#pragma omp parallel for schedule(static) if (chunks > 1)
    for (size_t i = 0; i < chunks; i++) {
        size_t r = i * step, rows = sns_chunk_end(r, step, N) - r;
        k->layernorm_forward(y + r * C, n->mean ? n->mean + r : NULL, n->rstd ? n->rstd + r : NULL,
                             x + r * C, n->gain.value.data, n->bias.value.data, rows, C, n->eps);
    }
}

void sns_norm_rows_backward(sns_tape *t, const sns_norm *n, size_t N, size_t C, const float *x,
                            const float *dy, float *dx) {
    const sns_kernels *k = sns_tape_kernels(t);
    size_t step = sns_chunk_rows(C), chunks = sns_chunk_count(N, step);
    sns_arena_mark mark = sns_arena_get_mark(sns_tape_arena(t));
    /* a chunk's dgain, dbias; the kernel always writes dx, so an input without one gets scratch */
    float *partial = sns_tape_alloc(t, chunks * 2 * C * sizeof(float)), *to = dx;
    if (!dx && (to = sns_tape_alloc(t, N * C * sizeof(float)))) memset(to, 0, N * C * sizeof *to);
    if (!partial || !to) return;
#pragma omp parallel for schedule(static) if (chunks > 1)
    for (size_t i = 0; i < chunks; i++) {
        size_t r = i * step, rows = sns_chunk_end(r, step, N) - r;
        float *dgain = partial + i * 2 * C;
        memset(dgain, 0, 2 * C * sizeof(float));
        k->layernorm_backward(to + r * C, dgain, dgain + C, dy + r * C, x + r * C, n->mean + r,
                              n->rstd + r, n->gain.value.data, rows, C);
    }
    if (n->gain.value.grad) sns_sum_partials(k, n->gain.value.grad, partial, chunks, 2 * C, C);
    if (n->bias.value.grad) sns_sum_partials(k, n->bias.value.grad, partial + C, chunks, 2 * C, C);
    sns_arena_release(sns_tape_arena(t), mark);
}

static void layernorm_backward(sns_tape *t, void *context) {
    const layernorm *l = context;
    sns_norm_rows_backward(t, &l->norm, l->x->rows, l->x->cols, l->x->data, l->y->grad, l->x->grad);
}

sns_tensor *sns_layernorm(sns_tape *t, sns_tensor *x, const sns_param *gain, const sns_param *bias,
                          float eps) {
    layernorm l = {.x = x, .norm = {.gain = *gain, .bias = *bias, .eps = eps}};
    if (!sns_layer_ready(t, "layer norm", x) || !sns_norm_ready(t, &l.norm, x->cols)) return NULL;
    if (!(l.y = sns_tape_matrix(t, x->rows, x->cols))) return NULL;
    if (sns_tape_recording(t) && !sns_norm_keep(t, &l.norm, x->rows)) return NULL;
    sns_norm_rows(t, &l.norm, x->rows, x->cols, x->data, l.y->data);
    layernorm *node = sns_tape_push(t, layernorm_backward, sizeof *node);
    if (node) *node = l;
    return sns_tape_status(t, NULL) ? NULL : l.y;
}
