/* layer_util.c - see layer_util.h. */
#include "model/layer_util.h"

enum { SCATTER_COLUMNS = 128 };

bool sns_layer_ready(sns_tape *t, const char *layer, const sns_tensor *x) {
    if (sns_tape_status(t, NULL)) return false;
    if (!x || !x->data) {
        sns_tape_fail(t, SNS_ARG, "%s: an input is missing", layer);
        return false;
    }
    return true;
}

void sns_scatter_add_rows(const sns_kernels *k, float *dst, const size_t *index, const float *src,
                          size_t n, size_t C) {
    size_t ranges = sns_chunk_count(C, SCATTER_COLUMNS);
#pragma omp parallel for schedule(static) if (n * C > SNS_CHUNK_FLOATS)
    for (size_t r = 0; r < ranges; r++) {
        size_t c = r * SCATTER_COLUMNS, width = sns_chunk_end(c, SCATTER_COLUMNS, C) - c;
        for (size_t i = 0; i < n; i++) k->add(dst + index[i] * C + c, src + i * C + c, width);
    }
}

void sns_sum_partials(const sns_kernels *k, float *dst, const float *partial, size_t n,
                      size_t stride, size_t C) {
    for (size_t i = 0; i < n; i++) k->add(dst, partial + i * stride, C);
}
