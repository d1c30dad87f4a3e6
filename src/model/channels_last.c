/* channels_last.c - y [B, H, W, C] from planes x [B, C, H, W], as convolutions read them.
 *
 * The gradient takes the same way back. */
#include "model/layer_util.h"

typedef struct channels_last {
    sns_tensor *x, *y;
} channels_last;

/* Picture b: rows += planes (back: planes += rows). */
static void move_picture(const channels_last *l, size_t b, bool back) {
    size_t C = l->y->cols, n = l->y->dim[1] * l->y->dim[2];
    for (size_t c = 0; c < C; c++) {
        size_t plane = (b * C + c) * n, row = b * n * C + c;
        if (back)
            for (size_t i = 0; i < n; i++) l->x->grad[plane + i] += l->y->grad[row + i * C];
        else
            for (size_t i = 0; i < n; i++) l->y->data[row + i * C] = l->x->data[plane + i];
    }
}

static void channels_last_backward(sns_tape *t, void *context) {
    const channels_last *l = context;
    (void)t;
    if (!l->x->grad) return;
#pragma omp parallel for schedule(static)
    for (size_t b = 0; b < l->x->dim[0]; b++) move_picture(l, b, true);
}

sns_tensor *sns_channels_last(sns_tape *t, sns_tensor *x) {
    if (!sns_layer_ready(t, "channels last", x)) return NULL;
    if (x->dims != 4) {
        sns_tape_fail(t, SNS_SHAPE, "channels last: %d dimensions, not 4", x->dims);
        return NULL;
    }
    size_t dim[] = {x->dim[0], x->dim[2], x->dim[3], x->dim[1]};
    channels_last l = {.x = x, .y = sns_tape_tensor(t, 4, dim)};
    if (!l.y) return NULL;
#pragma omp parallel for schedule(static)
    for (size_t b = 0; b < dim[0]; b++) move_picture(&l, b, false);
    channels_last *node = sns_tape_push(t, channels_last_backward, sizeof *node);
    if (node) *node = l;
    return sns_tape_status(t, NULL) ? NULL : l.y;
}
