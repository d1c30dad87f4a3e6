/* gather.c - y [n, C] = x[index[i]]; its gradient adds each row back where it came from. */
#include "model/layer_util.h"

typedef struct gather {
    sns_tensor *x, *y;
    const size_t *index; /* [n] */
} gather;

static void gather_backward(sns_tape *t, void *context) {
    const gather *g = context;
    if (!g->x->grad) return;
    sns_scatter_add_rows(sns_tape_kernels(t), g->x->grad, g->index, g->y->grad, g->y->rows,
                         g->y->cols);
}

sns_tensor *sns_gather_rows(sns_tape *t, sns_tensor *x, const size_t *index, size_t n) {
    if (!sns_layer_ready(t, "gather", x)) return NULL;
    size_t C = x->cols;
    for (size_t i = 0; i < n; i++) {
        if (index[i] < x->rows) continue;
        sns_tape_fail(t, SNS_ARG, "gather: row %zu of %zu", index[i], x->rows);
        return NULL;
    }
    sns_tensor *y = sns_tape_matrix(t, n, C);
    size_t *copy = sns_tape_alloc(t, n * sizeof *copy);
    if (!y || !copy) return NULL;
    for (size_t i = 0; i < n; i++) {
        copy[i] = index[i];
        memcpy(y->data + i * C, x->data + index[i] * C, C * sizeof(float));
    }
    gather *node = sns_tape_push(t, gather_backward, sizeof *node);
    if (node) *node = (gather){.x = x, .y = y, .index = copy};
    return sns_tape_status(t, NULL) ? NULL : y;
}
