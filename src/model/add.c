/* add.c - y = a + b, elementwise; both receive dy. */
#include "model/layer_util.h"

typedef struct sum {
    sns_tensor *a, *b, *y;
} sum;

/* y += x over all elements */
static void add_all(const sns_kernels *k, float *y, const float *x, size_t n) {
    size_t chunks = sns_chunk_count(n, SNS_CHUNK_FLOATS);
#pragma omp parallel for schedule(static) if (chunks > 1)
    for (size_t i = 0; i < chunks; i++) {
        size_t at = i * SNS_CHUNK_FLOATS;
        k->add(y + at, x + at, sns_chunk_end(at, SNS_CHUNK_FLOATS, n) - at);
    }
}

static void add_backward(sns_tape *t, void *context) {
    const sum *s = context;
    const sns_kernels *k = sns_tape_kernels(t);
    size_t n = s->y->rows * s->y->cols;
    if (s->a->grad) add_all(k, s->a->grad, s->y->grad, n);
    if (s->b->grad) add_all(k, s->b->grad, s->y->grad, n);
}

sns_tensor *sns_add(sns_tape *t, sns_tensor *a, sns_tensor *b) {
    if (!sns_layer_ready(t, "add", a) || !sns_layer_ready(t, "add", b)) return NULL;
    if (a->rows != b->rows || a->cols != b->cols) {
        sns_tape_fail(t, SNS_SHAPE, "add: [%zu, %zu] and [%zu, %zu]", a->rows, a->cols, b->rows,
                      b->cols);
        return NULL;
    }
    sns_tensor *y = sns_tape_tensor(t, a->dims, a->dim);
    if (!y) return NULL;
    size_t n = y->rows * y->cols;
    memcpy(y->data, a->data, n * sizeof(float));
    add_all(sns_tape_kernels(t), y->data, b->data, n);
    sum *node = sns_tape_push(t, add_backward, sizeof *node);
    if (node) *node = (sum){.a = a, .b = b, .y = y};
    return sns_tape_status(t, NULL) ? NULL : y;
}
