/* absolute.c - y = |x|, elementwise; dx = sign(x) dy, 0 at 0. */
#include "model/layer_util.h"
#include <math.h>

typedef struct absolute {
    sns_tensor *x, *y;
} absolute;

static void absolute_backward(sns_tape *t, void *context) {
    const absolute *a = context;
    size_t n = a->x->rows * a->x->cols;
    (void)t;
    if (!a->x->grad) return;
    for (size_t i = 0; i < n; i++) {
        float x = a->x->data[i], dy = a->y->grad[i];
        a->x->grad[i] += x > 0 ? dy : x < 0 ? -dy : 0;
    }
}

sns_tensor *sns_absolute(sns_tape *t, sns_tensor *x) {
    if (!sns_layer_ready(t, "absolute value", x)) return NULL;
    sns_tensor *y = sns_tape_tensor(t, x->dims, x->dim);
    if (!y) return NULL;
    size_t n = x->rows * x->cols;
    for (size_t i = 0; i < n; i++) y->data[i] = fabsf(x->data[i]);
    absolute *node = sns_tape_push(t, absolute_backward, sizeof *node);
    if (node) *node = (absolute){x, y};
    return sns_tape_status(t, NULL) ? NULL : y;
}
