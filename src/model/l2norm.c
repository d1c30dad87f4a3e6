/* l2norm.c - y [N, C]: each row of x divided by its Euclidean length.
 *
 * With r = 1 / |x|: dx = r * (dy - y * (y . dy)). Lengths below 1e-12 count as 1e-12, so a row of
 * zeros stays zero. */
#include "model/layer_util.h"
#include <math.h>

typedef struct l2norm {
    sns_tensor *x, *y;
    float *inverse; /* [N], 1 / |x| */
} l2norm;

static void l2norm_backward(sns_tape *t, void *context) {
    const l2norm *l = context;
    if (!l->x->grad) return;
    const sns_kernels *k = sns_tape_kernels(t);
    size_t N = l->x->rows, C = l->x->cols;
#pragma omp parallel for schedule(static) if (N * C > SNS_CHUNK_FLOATS)
    for (size_t r = 0; r < N; r++) {
        const float *y = l->y->data + r * C, *dy = l->y->grad + r * C;
        float along = k->dot(y, dy, C);
        k->axpy(l->x->grad + r * C, l->inverse[r], dy, C);
        k->axpy(l->x->grad + r * C, -l->inverse[r] * along, y, C);
    }
}

sns_tensor *sns_l2_normalize(sns_tape *t, sns_tensor *x) {
    if (!sns_layer_ready(t, "L2 norm", x)) return NULL;
    size_t N = x->rows, C = x->cols;
    sns_tensor *y = sns_tape_tensor(t, x->dims, x->dim);
    float *inverse = sns_tape_alloc(t, N * sizeof *inverse);
    if (!y || !inverse) return NULL;
    const sns_kernels *k = sns_tape_kernels(t);
#pragma omp parallel for schedule(static) if (N * C > SNS_CHUNK_FLOATS)
    for (size_t r = 0; r < N; r++) {
        double length = sqrt(k->sum_squares(x->data + r * C, C));
        inverse[r] = (float)(1 / (length > 1e-12 ? length : 1e-12));
        memcpy(y->data + r * C, x->data + r * C, C * sizeof(float));
        k->scale(y->data + r * C, inverse[r], C);
    }
    l2norm *node = sns_tape_push(t, l2norm_backward, sizeof *node);
    if (node) *node = (l2norm){.x = x, .y = y, .inverse = inverse};
    return sns_tape_status(t, NULL) ? NULL : y;
}
