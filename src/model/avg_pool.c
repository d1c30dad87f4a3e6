/* avg_pool.c - y [B, H/2, W/2, C]: the mean of each 2 x 2 square of x [B, H, W, C].
 *
 * What CLIP's ResNet puts before a convolution in place of a stride of its own, so that no
 * frequency folds over (Zhang 2019, "Making Convolutional Networks Shift-Invariant Again"). Odd
 * last rows and columns are left out. dx of each of the four is dy / 4. */
#include "model/layer_util.h"

typedef struct avg_pool {
    sns_tensor *x, *y;
} avg_pool;

/* The four rows of x under row i of y. */
static void square_of(const avg_pool *p, size_t i, size_t at[4]) {
    size_t W = p->x->dim[2], OH = p->y->dim[1], OW = p->y->dim[2];
    size_t b = i / (OH * OW), r = i / OW % OH, c = i % OW;
    at[0] = (b * p->x->dim[1] + 2 * r) * W + 2 * c;
    at[1] = at[0] + 1;
    at[2] = at[0] + W;
    at[3] = at[2] + 1;
}

static void avg_pool_backward(sns_tape *t, void *context) {
    const avg_pool *p = context;
    const sns_kernels *k = sns_tape_kernels(t);
    size_t N = p->y->rows, C = p->y->cols;
    if (!p->x->grad) return;
#pragma omp parallel for schedule(static) if (N * C > SNS_CHUNK_FLOATS)
    for (size_t i = 0; i < N; i++) {
        size_t at[4];
        square_of(p, i, at);
        for (int j = 0; j < 4; j++) k->axpy(p->x->grad + at[j] * C, 0.25f, p->y->grad + i * C, C);
    }
}

sns_tensor *sns_avg_pool(sns_tape *t, sns_tensor *x) {
    if (!sns_layer_ready(t, "average pooling", x)) return NULL;
    if (x->dims != 4 || x->dim[1] < 2 || x->dim[2] < 2) {
        sns_tape_fail(t, SNS_SHAPE, "average pooling: the picture is less than 2 x 2");
        return NULL;
    }
    size_t dim[] = {x->dim[0], x->dim[1] / 2, x->dim[2] / 2, x->dim[3]};
    avg_pool p = {.x = x, .y = sns_tape_tensor(t, 4, dim)};
    if (!p.y) return NULL;
    size_t N = p.y->rows, C = p.y->cols;
#pragma omp parallel for schedule(static) if (N * C > SNS_CHUNK_FLOATS)
    for (size_t i = 0; i < N; i++) {
        size_t at[4];
        square_of(&p, i, at);
        const float *a = x->data + at[0] * C, *b = x->data + at[1] * C;
        const float *c = x->data + at[2] * C, *d = x->data + at[3] * C;
        float *y = p.y->data + i * C;
        for (size_t j = 0; j < C; j++) y[j] = 0.25f * ((a[j] + b[j]) + (c[j] + d[j]));
    }
    avg_pool *node = sns_tape_push(t, avg_pool_backward, sizeof *node);
    if (node) *node = p;
    return sns_tape_status(t, NULL) ? NULL : p.y;
}
