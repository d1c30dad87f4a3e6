/* layernorm.c - y [N, C] = (x - mean) / sqrt(var + eps) * gain + bias, each row by itself.
 *
 * Ba, Kiros and Hinton 2016, "Layer Normalization". With h = (x - mean) * rstd and g = dy * gain:
 *   dx = rstd * (g - mean(g) - h * mean(g * h))   dgain = sum of dy * h   dbias = sum of dy
 * The arithmetic is in the kernels; this file cuts rows into chunks. */
#include "model/layer_util.h"

typedef struct layernorm {
    sns_tensor *x, *y;
    sns_param gain, bias;
    float *mean, *rstd; /* [N] */
} layernorm;

static void layernorm_backward(sns_tape *t, void *context) {
    const layernorm *l = context;
    const sns_kernels *k = sns_tape_kernels(t);
    size_t N = l->x->rows, C = l->x->cols, step = sns_chunk_rows(C);
    size_t chunks = sns_chunk_count(N, step);
    sns_arena_mark mark = sns_arena_get_mark(sns_tape_arena(t));
    /* a chunk's dgain, dbias; the kernel always writes dx, so an input without one gets scratch */
    float *partial = sns_tape_alloc(t, chunks * 2 * C * sizeof(float));
    float *dx = l->x->grad ? l->x->grad : sns_tape_alloc(t, N * C * sizeof(float));
    if (!partial || !dx) return;
    if (!l->x->grad) memset(dx, 0, N * C * sizeof(float));
#pragma omp parallel for schedule(static) if (chunks > 1)
    for (size_t i = 0; i < chunks; i++) {
        size_t r = i * step, rows = sns_chunk_end(r, step, N) - r;
        float *dgain = partial + i * 2 * C;
        memset(dgain, 0, 2 * C * sizeof(float));
        k->layernorm_backward(dx + r * C, dgain, dgain + C, l->y->grad + r * C, l->x->data + r * C,
                              l->mean + r, l->rstd + r, l->gain.value.data, rows, C);
    }
    if (l->gain.value.grad) sns_sum_partials(k, l->gain.value.grad, partial, chunks, 2 * C, C);
    if (l->bias.value.grad) sns_sum_partials(k, l->bias.value.grad, partial + C, chunks, 2 * C, C);
    sns_arena_release(sns_tape_arena(t), mark);
}

sns_tensor *sns_layernorm(sns_tape *t, sns_tensor *x, const sns_param *gain, const sns_param *bias,
                          float eps) {
    if (!sns_layer_ready(t, "layer norm", x) || !sns_layer_ready(t, "layer norm", &gain->value) ||
        !sns_layer_ready(t, "layer norm", &bias->value))
        return NULL;
    size_t N = x->rows, C = x->cols, step = sns_chunk_rows(C), chunks = sns_chunk_count(N, step);
    if (gain->value.cols != C || bias->value.cols != C) {
        sns_tape_fail(t, SNS_SHAPE, "layer norm: %zu channels, gain has %zu", C, gain->value.cols);
        return NULL;
    }
    layernorm l = {.x = x, .gain = *gain, .bias = *bias, .y = sns_tape_matrix(t, N, C)};
    if (!l.y) return NULL;
    if (sns_tape_recording(t)) {
        l.mean = sns_tape_alloc(t, N * sizeof(float));
        l.rstd = sns_tape_alloc(t, N * sizeof(float));
        if (!l.mean || !l.rstd) return NULL;
    }
    const sns_kernels *k = sns_tape_kernels(t);
#pragma omp parallel for schedule(static) if (chunks > 1)
    for (size_t i = 0; i < chunks; i++) {
        size_t r = i * step, rows = sns_chunk_end(r, step, N) - r;
        k->layernorm_forward(l.y->data + r * C, l.mean ? l.mean + r : NULL,
                             l.rstd ? l.rstd + r : NULL, x->data + r * C, gain->value.data,
                             bias->value.data, rows, C, eps);
    }
    layernorm *node = sns_tape_push(t, layernorm_backward, sizeof *node);
    if (node) *node = l;
    return sns_tape_status(t, NULL) ? NULL : l.y;
}
