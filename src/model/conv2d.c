/* conv2d.c - y [B, OH, OW, O] = x [B, H, W, C] convolved with W [O, C, K, K], no bias.
 *
 * LeCun et al. 1998. A kernel of 1 x 1 is a linear layer over pixels; larger ones go to
 * kernel/conv.h, which also gives dx (the transposed convolution) and dW. A tape that multiplies
 * in bfloat16 convolves in bfloat16. */
#include "kernel/conv.h"
#include "model/layer_util.h"

typedef struct conv2d {
    sns_tensor *x, *y;
    sns_param W;
    sns_conv shape;
} conv2d;

static void conv2d_backward(sns_tape *t, void *context) {
    const conv2d *c = context;
    sns_error err;
    sns_status s = SNS_OK;
    if (c->x->grad)
        s = sns_conv_backward_data(&c->shape, c->y->grad, c->W.value.data, c->x->grad, &err);
    if (!s && c->W.value.grad)
        s = sns_conv_backward_weights(&c->shape, c->x->data, c->y->grad, c->W.value.grad, &err);
    if (s) sns_tape_fail(t, s, "gradient of a convolution: %s", err.message);
}

/* 1 x 1: rows times W as [O, C]. */
static sns_tensor *pointwise(sns_tape *t, sns_tensor *x, const sns_param *W) {
    sns_param flat = *W;
    const size_t *d = x->dim, O = W->value.dim[0];
    sns_tensor_set_shape(&flat.value, 2, (size_t[]){O, W->value.dim[1]});
    sns_tensor *y = sns_linear(t, x, &flat, NULL, NULL);
    if (y) sns_tensor_set_shape(y, 4, (size_t[]){d[0], d[1], d[2], O});
    return y;
}

sns_tensor *sns_conv2d(sns_tape *t, sns_tensor *x, const sns_param *W, size_t stride) {
    if (!sns_layer_ready(t, "convolution", x)) return NULL;
    const size_t *k = W->value.dim;
    if (x->dims != 4 || W->value.dims != 4 || k[1] != x->dim[3] || k[2] != k[3] || !stride) {
        sns_tape_fail(t, SNS_SHAPE, "convolution: %zu channels do not fit the weight",
                      x->dims == 4 ? x->dim[3] : 0);
        return NULL;
    }
    if (k[2] == 1 && stride == 1) return pointwise(t, x, W);
    if (!sns_layer_ready(t, "convolution", &W->value)) return NULL;
    conv2d c = {.x = x, .W = *W};
    c.shape = (sns_conv){.B = x->dim[0],
                         .H = x->dim[1],
                         .W = x->dim[2],
                         .in = k[1],
                         .out = k[0],
                         .kernel = k[2],
                         .stride = stride,
                         .half = sns_tape_gemm(t) == sns_gemm_bf16};
    size_t dim[] = {x->dim[0], sns_conv_side(&c.shape, x->dim[1]),
                    sns_conv_side(&c.shape, x->dim[2]), k[0]};
    sns_error err;
    if (!(c.y = sns_tape_tensor(t, 4, dim))) return NULL;
    sns_status s = sns_conv_forward(&c.shape, x->data, W->value.data, c.y->data, &err);
    if (s) sns_tape_fail(t, s, "convolution: %s", err.message);
    conv2d *node = sns_tape_push(t, conv2d_backward, sizeof *node);
    if (node) *node = c;
    return sns_tape_status(t, NULL) ? NULL : c.y;
}
