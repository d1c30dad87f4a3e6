/* adamw.h - AdamW over a model's flat blocks, gradient clipping, averaged weights. */
#ifndef SNS_TRAIN_ADAMW_H
#define SNS_TRAIN_ADAMW_H
#include "model/clip.h"

typedef struct sns_adamw {
    double beta1, beta2, eps, weight_decay;
    float *m, *v;      /* [layout total]; borrowed */
    const float *rate; /* [layout count], of lr; 0: the tensor stays as it is. NULL: all 1 */
} sns_adamw;

/* L2 norm of n gradients, summed in chunks of a fixed size. NaN when a gradient is NaN. scratch:
 * sns_norm_chunks(n) doubles. */
size_t sns_norm_chunks(size_t n);
double sns_global_norm(const sns_kernels *k, const float *g, size_t n, double *scratch);

/* One step for every tensor of the layout; `step` counts from 0. Gradients are multiplied by
 * grad_scale first. */
void sns_adamw_update(const sns_adamw *a, const sns_kernels *k, const sns_layout *l, size_t step,
                      double lr, double grad_scale, float *params, const float *grads);

/* ema = d * ema + (1 - d) * params with d = min(decay, (1 + step) / (10 + step)), so that early
 * steps do not keep the random start. */
void sns_ema_update(const sns_kernels *k, float *ema, const float *params, size_t n, double decay,
                    size_t step);
#endif
