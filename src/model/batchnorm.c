/* batchnorm.c - y [N, C] = act((x - mean) * rstd * gain + bias + residual), column by column.
 *
 * Ioffe and Szegedy 2015, "Batch Normalization". On a tape that trains, where the gain learns (has
 * a gradient), mean and variance (biased) are the batch's own, taken in two passes; otherwise they
 * are the running averages, which each such pass moves (a replayed one does not move them again):
 *   running = 0.9 running + 0.1 batch        (the variance unbiased, as PyTorch's)
 * With n = (x - mean) * rstd, dz = dy where act passes it, and sums over the N rows:
 *   dbias = sum dz      dgain = sum dz n      dresidual = dz
 *   dx = gain * rstd * (dz - dbias / N - n dgain / N)         dx = gain * rstd * dz when frozen
 * dz overwrites dy, which nobody reads again. Without recording x is updated in place. */
#include "model/layer_util.h"
#include <math.h>

static const float EPS = 1e-5f;
static const double MOMENTUM = 0.1;
enum { BLOCK_ROWS = 16 }; /* summed in f32 */

typedef struct batchnorm {
    sns_tensor *x, *y, *residual;
    sns_batch_norm norm;
    bool relu, learning;
    float *mean, *rstd, *var; /* [C]; var: of the batch, unbiased */
} batchnorm;

/* Sums over a chunk of rows: a [C] and, for the backward pass, b [C]. */
typedef void (*chunk_fn)(const batchnorm *n, size_t first, size_t rows, float *a, float *b);

static void chunk_sum(const batchnorm *n, size_t first, size_t rows, float *a, float *b) {
    size_t C = n->x->cols;
    (void)b;
    for (size_t r = first; r < first + rows; r++)
        for (size_t c = 0; c < C; c++) a[c] += n->x->data[r * C + c];
}

static void chunk_squares(const batchnorm *n, size_t first, size_t rows, float *a, float *b) {
    size_t C = n->x->cols;
    const float *mean = n->mean;
    (void)b;
    for (size_t r = first; r < first + rows; r++) {
        const float *x = n->x->data + r * C;
        for (size_t c = 0; c < C; c++) a[c] += (x[c] - mean[c]) * (x[c] - mean[c]);
    }
}

/* dz in place of dy, dresidual; a: sum dz, b: sum dz n. */
static void chunk_gradients(const batchnorm *n, size_t first, size_t rows, float *a, float *b) {
    size_t C = n->x->cols;
    for (size_t r = first; r < first + rows; r++) {
        const float *x = n->x->data + r * C, *y = n->y->data + r * C;
        float *restrict dz = n->y->grad + r * C;
        if (n->relu)
            for (size_t c = 0; c < C; c++) dz[c] = y[c] > 0 ? dz[c] : 0;
        if (n->residual && n->residual->grad)
            for (size_t c = 0; c < C; c++) n->residual->grad[r * C + c] += dz[c];
        for (size_t c = 0; c < C; c++) a[c] += dz[c];
        for (size_t c = 0; c < C; c++) b[c] += dz[c] * ((x[c] - n->mean[c]) * n->rstd[c]);
    }
}

/* sums [2 C] <- those of a chunk: a few rows in f32, these in double. block [2 C]: scratch. */
static void sum_chunk(const batchnorm *n, chunk_fn sum, size_t first, size_t rows, double *sums,
                      float *block) {
    size_t C = n->x->cols;
    memset(sums, 0, 2 * C * sizeof *sums);
    for (size_t r = first; r < first + rows; r += BLOCK_ROWS) {
        size_t left = first + rows - r;
        memset(block, 0, 2 * C * sizeof *block);
        sum(n, r, left < BLOCK_ROWS ? left : BLOCK_ROWS, block, block + C);
        for (size_t c = 0; c < 2 * C; c++) sums[c] += (double)block[c];
    }
}

/* total [2 C] <- the chunks' sums, added up in their order; false: no memory. */
static bool sum_chunks(sns_tape *t, const batchnorm *n, chunk_fn sum, double *total) {
    size_t N = n->x->rows, C = n->x->cols, step = sns_chunk_rows(C);
    size_t chunks = sns_chunk_count(N, step);
    sns_arena_mark mark = sns_arena_get_mark(sns_tape_arena(t));
    double *partial = sns_tape_alloc(t, chunks * 2 * C * sizeof *partial);
    float *block = sns_tape_alloc(t, chunks * 2 * C * sizeof *block);
    if (!partial || !block) return false;
#pragma omp parallel for schedule(static) if (chunks > 1)
    for (size_t i = 0; i < chunks; i++)
        sum_chunk(n, sum, i * step, sns_chunk_end(i * step, step, N) - i * step,
                  partial + i * 2 * C, block + i * 2 * C);
    memset(total, 0, 2 * C * sizeof *total);
    for (size_t i = 0; i < chunks; i++)
        for (size_t c = 0; c < 2 * C; c++) total[c] += partial[i * 2 * C + c];
    sns_arena_release(sns_tape_arena(t), mark);
    return true;
}

/* mean, rstd and var of the batch. */
static bool batch_statistics(sns_tape *t, const batchnorm *n, double *total) {
    size_t N = n->x->rows, C = n->x->cols;
    if (!sum_chunks(t, n, chunk_sum, total)) return false;
    for (size_t c = 0; c < C; c++) n->mean[c] = (float)(total[c] / (double)N);
    if (!sum_chunks(t, n, chunk_squares, total)) return false;
    for (size_t c = 0; c < C; c++) {
        n->rstd[c] = (float)(1 / sqrt(total[c] / (double)N + (double)EPS));
        n->var[c] = (float)(total[c] / (double)(N - 1));
    }
    return true;
}

static void running_statistics(const batchnorm *n) {
    for (size_t c = 0; c < n->x->cols; c++) {
        n->mean[c] = n->norm.mean.value.data[c];
        n->rstd[c] = (float)(1 / sqrt((double)n->norm.var.value.data[c] + (double)EPS));
    }
}

static void move_running(const batchnorm *n) {
    float *mean = n->norm.mean.value.data, *var = n->norm.var.value.data;
    for (size_t c = 0; c < n->x->cols; c++) {
        mean[c] = (float)((1 - MOMENTUM) * (double)mean[c] + MOMENTUM * (double)n->mean[c]);
        var[c] = (float)((1 - MOMENTUM) * (double)var[c] + MOMENTUM * (double)n->var[c]);
    }
}

/* dx += scale * (dz - a - n b), one chunk; a, b NULL when frozen. */
static void input_gradient(const batchnorm *n, size_t first, size_t rows, const float *a,
                           const float *b) {
    size_t C = n->x->cols;
    const float *gain = n->norm.gain.value.data, *rstd = n->rstd, *mean = n->mean;
    for (size_t r = first; r < first + rows; r++) {
        const float *x = n->x->data + r * C, *dz = n->y->grad + r * C;
        float *restrict dx = n->x->grad + r * C;
        if (a)
            for (size_t c = 0; c < C; c++)
                dx[c] += gain[c] * rstd[c] * (dz[c] - a[c] - (x[c] - mean[c]) * rstd[c] * b[c]);
        else
            for (size_t c = 0; c < C; c++) dx[c] += gain[c] * rstd[c] * dz[c];
    }
}

static void batchnorm_backward(sns_tape *t, void *context) {
    const batchnorm *n = context;
    size_t N = n->x->rows, C = n->x->cols, step = sns_chunk_rows(C);
    size_t chunks = sns_chunk_count(N, step);
    sns_arena_mark mark = sns_arena_get_mark(sns_tape_arena(t));
    double *total = sns_tape_alloc(t, 2 * C * sizeof *total);
    float *average = sns_tape_alloc(t, 2 * C * sizeof *average);
    if (!total || !average || !sum_chunks(t, n, chunk_gradients, total)) return;
    float *dgain = n->norm.gain.value.grad, *dbias = n->norm.bias.value.grad;
    for (size_t c = 0; c < C; c++) {
        if (dbias) dbias[c] += (float)total[c];
        if (dgain) dgain[c] += (float)total[C + c];
        average[c] = (float)(total[c] / (double)N);
        average[C + c] = (float)(total[C + c] / (double)N);
    }
    const float *a = n->learning ? average : NULL, *b = average + C;
#pragma omp parallel for schedule(static) if (chunks > 1)
    for (size_t i = 0; i < chunks; i++)
        if (n->x->grad)
            input_gradient(n, i * step, sns_chunk_end(i * step, step, N) - i * step, a, b);
    sns_arena_release(sns_tape_arena(t), mark);
}

static void normalize(const batchnorm *n) {
    size_t N = n->x->rows, C = n->x->cols, step = sns_chunk_rows(C);
    size_t chunks = sns_chunk_count(N, step);
    const float *gain = n->norm.gain.value.data, *bias = n->norm.bias.value.data;
#pragma omp parallel for schedule(static) if (chunks > 1)
    for (size_t i = 0; i < chunks; i++)
        for (size_t r = i * step; r < sns_chunk_end(i * step, step, N); r++) {
            const float *x = n->x->data + r * C;
            float *y = n->y->data + r * C;
            for (size_t c = 0; c < C; c++)
                y[c] = (x[c] - n->mean[c]) * (gain[c] * n->rstd[c]) + bias[c];
            if (n->residual)
                for (size_t c = 0; c < C; c++) y[c] += n->residual->data[r * C + c];
            if (n->relu)
                for (size_t c = 0; c < C; c++) y[c] = y[c] > 0 ? y[c] : 0;
        }
}

static bool fits(sns_tape *t, const sns_tensor *x, const sns_batch_norm *norm,
                 const sns_tensor *residual) {
    const sns_param *p[] = {&norm->gain, &norm->bias, &norm->mean, &norm->var};
    for (int i = 0; i < 4; i++) {
        if (!sns_layer_ready(t, "batch norm", &p[i]->value)) return false;
        if (p[i]->value.cols == x->cols) continue;
        sns_tape_fail(t, SNS_SHAPE, "batch norm: %zu channels, a parameter of %zu", x->cols,
                      p[i]->value.cols);
        return false;
    }
    if (residual && (residual->rows != x->rows || residual->cols != x->cols)) {
        sns_tape_fail(t, SNS_SHAPE, "batch norm: a residual of [%zu, %zu] for [%zu, %zu]",
                      residual->rows, residual->cols, x->rows, x->cols);
        return false;
    }
    return true;
}

sns_tensor *sns_batchnorm(sns_tape *t, sns_tensor *x, const sns_batch_norm *norm, bool relu,
                          sns_tensor *residual) {
    if (!sns_layer_ready(t, "batch norm", x) || !fits(t, x, norm, residual)) return NULL;
    size_t C = x->cols;
    batchnorm n = {.x = x, .y = x, .residual = residual, .norm = *norm, .relu = relu};
    n.learning = sns_tape_training(t) && norm->gain.value.grad;
    if (n.learning && x->rows < 2) {
        sns_tape_fail(t, SNS_ARG, "batch norm: one row has no variance; use a larger batch");
        return NULL;
    }
    if (sns_tape_recording(t) && !(n.y = sns_tape_tensor(t, x->dims, x->dim))) return NULL;
    sns_arena_mark mark = sns_tape_mark(t);
    float *statistics = sns_tape_alloc(t, 3 * C * sizeof *statistics);
    double *total = sns_tape_alloc(t, 2 * C * sizeof *total);
    if (!statistics || !total) return NULL;
    n.mean = statistics, n.rstd = statistics + C, n.var = statistics + 2 * C;
    if (!n.learning)
        running_statistics(&n);
    else if (!batch_statistics(t, &n, total))
        return NULL;
    if (n.learning && !sns_tape_replay(t)) move_running(&n);
    normalize(&n);
    sns_tape_release(t, mark);
    batchnorm *node = sns_tape_push(t, batchnorm_backward, sizeof *node);
    if (node) *node = n;
    return sns_tape_status(t, NULL) ? NULL : n.y;
}
