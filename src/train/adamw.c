/* adamw.c - AdamW (Loshchilov and Hutter 2019) with clipping by global norm (Pascanu et al. 2013).
 *
 *     g <- g * min(1, clip / |g|)
 *     m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2
 *     p <- p - lr * (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + decay * p)
 * The decay is decoupled from the gradient and applies where the layout says so: to matrices, not
 * to gains, biases or the temperature. */
#include "train/adamw.h"
#include <math.h>

enum { CHUNK = 1 << 16 };

size_t sns_norm_chunks(size_t n) {
    return (n + CHUNK - 1) / CHUNK;
}

static size_t chunk_size(size_t n, size_t chunk) {
    size_t left = n - chunk * CHUNK;
    return left < CHUNK ? left : CHUNK;
}

double sns_global_norm(const sns_kernels *k, const float *g, size_t n, double *scratch) {
    size_t chunks = sns_norm_chunks(n);
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < chunks; c++)
        scratch[c] = k->sum_squares(g + c * CHUNK, chunk_size(n, c));
    double sum = 0;
    for (size_t c = 0; c < chunks; c++) sum += scratch[c];
    return sqrt(sum);
}

void sns_adamw_update(const sns_adamw *a, const sns_kernels *k, const sns_layout *l, size_t step,
                      double lr, double grad_scale, float *params, const float *grads) {
    sns_adamw_step s = {.lr = (float)lr,
                        .beta1 = (float)a->beta1,
                        .beta2 = (float)a->beta2,
                        .eps = (float)a->eps,
                        .correction1 = (float)(1 - pow(a->beta1, (double)(step + 1))),
                        .correction2 = (float)(1 - pow(a->beta2, (double)(step + 1))),
                        .grad_scale = (float)grad_scale};
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < l->count; i++) {
        const sns_param_desc *d = &l->desc[i];
        if (d->buffer) continue;
        sns_adamw_step mine = s;
        if (a->rate && a->rate[i] == 0) continue;
        if (a->rate) mine.lr *= a->rate[i];
        mine.decay = d->decay ? (float)a->weight_decay : 0;
        size_t o = d->offset;
        k->adamw(params + o, a->m + o, a->v + o, grads + o, d->count, &mine);
    }
}

void sns_ema_update(const sns_kernels *k, float *ema, const float *params, size_t n, double decay,
                    size_t step) {
    double early = (1.0 + (double)step) / (10.0 + (double)step);
    float d = (float)(decay < early ? decay : early);
    size_t chunks = sns_norm_chunks(n);
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < chunks; c++) {
        size_t size = chunk_size(n, c);
        k->scale(ema + c * CHUNK, d, size);
        k->axpy(ema + c * CHUNK, 1 - d, params + c * CHUNK, size);
    }
}
