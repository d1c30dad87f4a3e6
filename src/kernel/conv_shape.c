/* conv_shape.c - what a convolution's sizes give, and which are refused; see conv.h. */
#include "base/error.h"
#include "kernel/conv.h"

enum { SIDE_MAX = 1 << 20, KERNEL_MAX = 64 };

size_t sns_conv_side(const sns_conv *c, size_t side) {
    size_t padded = side + 2 * (c->kernel / 2);
    return padded < c->kernel ? 0 : (padded - c->kernel) / c->stride + 1;
}

sns_status sns_conv_check(const sns_conv *c, sns_error *err) {
    if (c->B > SIDE_MAX || c->H > SIDE_MAX || c->W > SIDE_MAX || c->in > SIDE_MAX ||
        c->out > SIDE_MAX || c->kernel > KERNEL_MAX || !c->kernel || !c->stride ||
        !sns_conv_side(c, c->H) || !sns_conv_side(c, c->W) || !c->in || !c->out)
        return sns_fail(err, SNS_LIMIT, "convolution of %zu x %zu x %zu by %zu x %zu x %zu", c->in,
                        c->H, c->W, c->out, c->kernel, c->kernel);
    return SNS_OK;
}
