/* linear.c - y [N, out] = x [N, in] W^T + b + residual; W [out, in].
 *
 *   dx = dy W      dW = dy^T x      db = sum over rows of dy      dresidual = dy
 * The arithmetic on rows also takes an activation, for the layers that are made of it (mlp.c). */
#include "model/layer_util.h"

typedef struct linear {
    sns_tensor *x, *residual, *y;
    sns_param W, b;
} linear;

/* ---- forward ---- */

bool sns_linear_ready(sns_tape *t, const sns_tensor *x, const sns_param *W, const sns_param *b,
                      const sns_tensor *residual) {
    if (!sns_layer_ready(t, "linear", x)) return false;
    size_t out = W->value.rows;
    if (x->cols != W->value.cols || (b && b->value.rows * b->value.cols != out) ||
        (residual && (residual->rows != x->rows || residual->cols != out))) {
        sns_tape_fail(t, SNS_SHAPE, "linear: [%zu, %zu] does not fit a weight of [%zu, %zu]",
                      x->rows, x->cols, out, W->value.cols);
        return false;
    }
    bool has_weight = W->value.data || (W->packed && !sns_tape_recording(t));
    if (!has_weight || (b && !b->value.data)) {
        sns_tape_fail(t, SNS_ARG, "linear: a parameter has no data");
        return false;
    }
    return true;
}

/* y = act(z + bias) + residual, z + bias kept; z may be y. */
static void finish_rows(const sns_kernels *k, float *y, float *z, size_t N, size_t C,
                        const float *bias, sns_act act, const float *residual) {
    size_t step = sns_chunk_rows(C), chunks = sns_chunk_count(N, step);
#pragma omp parallel for schedule(static) if (chunks > 1)
    for (size_t i = 0; i < chunks; i++) {
        size_t begin = i * step, end = sns_chunk_end(begin, step, N), n = (end - begin) * C;
        if (bias)
            for (size_t r = begin; r < end; r++) k->add(z + r * C, bias, C);
        if (act != SNS_ACT_NONE || y != z) k->act_forward(act, y + begin * C, z + begin * C, n);
        if (residual) k->add(y + begin * C, residual + begin * C, n);
    }
}

void sns_linear_rows(sns_tape *t, const sns_param *W, const sns_param *b, size_t N, const float *x,
                     sns_act act, float *z, const float *residual, float *y) {
    size_t out = W->value.rows, in = W->value.cols;
    const float *bias = b ? b->value.data : NULL;
    sns_error err;
    sns_status s;
    if (W->packed && !sns_tape_recording(t)) {
        s = sns_packed_run(W->packed, N, x, bias, act, residual, y, &err);
    } else {
        bool onto = residual == y && residual; /* the product is added to what is there */
        if (!z) z = y;
        s = sns_tape_gemm(t)(false, true, N, out, in, x, in, W->value.data, in, onto, z, out, &err);
        if (onto) residual = NULL;
        if (!s && (bias || residual || act != SNS_ACT_NONE || y != z))
            finish_rows(sns_tape_kernels(t), y, z, N, out, bias, act, residual);
    }
    if (s) sns_tape_fail(t, s, "linear: %s", err.message);
}

/* ---- backward ---- */

/* Add up columns of dz's chunk [rows, C]. */
static void sum_rows(const sns_kernels *k, float *sum, const float *dz, size_t rows, size_t C) {
    memset(sum, 0, C * sizeof *sum);
    for (size_t r = 0; r < rows; r++) k->add(sum, dz + r * C, C);
}

/* dresidual += dy; dy becomes dz; db += its column sums. One pass over dy. */
static bool backward_rows(sns_tape *t, float *db, size_t N, size_t C, sns_act act, const float *z,
                          float *dy, float *dresidual) {
    const sns_kernels *k = sns_tape_kernels(t);
    size_t step = sns_chunk_rows(C), chunks = sns_chunk_count(N, step);
    sns_arena_mark mark = sns_arena_get_mark(sns_tape_arena(t));
    float *partial = db ? sns_tape_alloc(t, chunks * C * sizeof(float)) : NULL;
    if (db && !partial) return false;
#pragma omp parallel for schedule(static) if (chunks > 1)
    for (size_t i = 0; i < chunks; i++) {
        size_t r = i * step, rows = sns_chunk_end(r, step, N) - r;
        if (dresidual) k->add(dresidual + r * C, dy + r * C, rows * C);
        if (z) k->act_backward(act, dy + r * C, dy + r * C, z + r * C, rows * C);
        if (partial) sum_rows(k, partial + i * C, dy + r * C, rows, C);
    }
    if (partial) sns_sum_partials(k, db, partial, chunks, C, C);
    sns_arena_release(sns_tape_arena(t), mark);
    return true;
}

void sns_linear_rows_backward(sns_tape *t, const sns_param *W, const sns_param *b, size_t N,
                              const float *x, sns_act act, const float *z, float *dy,
                              float *dresidual, float beta, float *dx) {
    size_t out = W->value.rows, in = W->value.cols;
    if (!backward_rows(t, b ? b->value.grad : NULL, N, out, act, z, dy, dresidual)) return;
    sns_gemm_fn *gemm = sns_tape_gemm(t);
    sns_error err;
    sns_status s = SNS_OK;
    if (dx) s = gemm(false, false, N, in, out, dy, out, W->value.data, in, beta, dx, in, &err);
    if (!s && W->value.grad)
        s = gemm(true, false, out, in, N, dy, out, x, in, 1, W->value.grad, in, &err);
    if (s) sns_tape_fail(t, s, "gradient of linear: %s", err.message);
}

/* ---- the layer ---- */

static void linear_backward(sns_tape *t, void *context) {
    const linear *l = context;
    sns_linear_rows_backward(t, &l->W, &l->b, l->x->rows, l->x->data, SNS_ACT_NONE, NULL,
                             l->y->grad, l->residual ? l->residual->grad : NULL, 1, l->x->grad);
}

sns_tensor *sns_linear(sns_tape *t, sns_tensor *x, const sns_param *W, const sns_param *b,
                       sns_tensor *residual) {
    if (!sns_linear_ready(t, x, W, b, residual)) return NULL;
    linear l = {.x = x, .W = *W, .residual = residual};
    if (b) l.b = *b;
    if (!(l.y = sns_tape_matrix(t, x->rows, W->value.rows))) return NULL;
    sns_linear_rows(t, W, b, x->rows, x->data, SNS_ACT_NONE, NULL, residual ? residual->data : NULL,
                    l.y->data);
    linear *node = sns_tape_push(t, linear_backward, sizeof *node);
    if (node) *node = l;
    return sns_tape_status(t, NULL) ? NULL : l.y;
}

void sns_linear_accumulate(sns_tape *t, sns_tensor *x, const sns_param *W, const sns_param *b,
                           sns_tensor *y) {
    if (sns_linear_ready(t, x, W, b, y))
        sns_linear_rows(t, W, b, x->rows, x->data, SNS_ACT_NONE, NULL, y->data, y->data);
}
