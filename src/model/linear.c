/* linear.c - y [N, out] = act(x [N, in] W^T + b) + residual; W [out, in].
 *
 * With z = x W^T + b and dz = dy * act'(z):
 *   dx = dz W      dW = dz^T x      db = sum over rows of dz      dresidual = dy
 * The tape keeps z when there is an activation; dz overwrites dy, which nobody reads again. */
#include "model/layer_util.h"

typedef struct linear {
    sns_tensor *x, *residual, *y;
    sns_param W, b;
    float *z; /* NULL: no activation */
    sns_act act;
} linear;

/* Add up columns of dz's chunk [rows, C]. */
static void sum_rows(const sns_kernels *k, float *sum, const float *dz, size_t rows, size_t C) {
    memset(sum, 0, C * sizeof *sum);
    for (size_t r = 0; r < rows; r++) k->add(sum, dz + r * C, C);
}

/* dresidual += dy; dy becomes dz; db += its column sums. One pass over dy. */
static void backward_rows(sns_tape *t, const linear *l, float *partial) {
    const sns_kernels *k = sns_tape_kernels(t);
    size_t N = l->y->rows, C = l->y->cols, step = sns_chunk_rows(C);
    size_t chunks = sns_chunk_count(N, step);
    float *dy = l->y->grad, *dresidual = l->residual ? l->residual->grad : NULL;
#pragma omp parallel for schedule(static) if (chunks > 1)
    for (size_t i = 0; i < chunks; i++) {
        size_t r = i * step, rows = sns_chunk_end(r, step, N) - r;
        if (dresidual) k->add(dresidual + r * C, dy + r * C, rows * C);
        if (l->z) k->act_backward(l->act, dy + r * C, dy + r * C, l->z + r * C, rows * C);
        if (partial) sum_rows(k, partial + i * C, dy + r * C, rows, C);
    }
    if (partial) sns_sum_partials(k, l->b.value.grad, partial, chunks, C, C);
}

static void linear_backward(sns_tape *t, void *context) {
    const linear *l = context;
    size_t N = l->y->rows, out = l->y->cols, in = l->x->cols;
    sns_arena_mark mark = sns_arena_get_mark(sns_tape_arena(t));
    float *partial = NULL;
    if (l->b.value.grad) {
        size_t chunks = sns_chunk_count(N, sns_chunk_rows(out));
        if (!(partial = sns_tape_alloc(t, chunks * out * sizeof(float)))) return;
    }
    backward_rows(t, l, partial);
    sns_arena_release(sns_tape_arena(t), mark);
    sns_error err;
    sns_status s = SNS_OK;
    if (l->x->grad)
        s = sns_tape_gemm(t)(false, false, N, in, out, l->y->grad, out, l->W.value.data, in, 1,
                             l->x->grad, in, &err);
    if (!s && l->W.value.grad)
        s = sns_tape_gemm(t)(true, false, out, in, N, l->y->grad, out, l->x->data, in, 1,
                             l->W.value.grad, in, &err);
    if (s) sns_tape_fail(t, s, "gradient of linear: %s", err.message);
}

static bool shapes_fit(sns_tape *t, const sns_tensor *x, const sns_param *W, const sns_param *b,
                       const sns_tensor *residual) {
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

/* y = act(z + b) + residual, z + b kept; z may be y. */
static void finish_rows(const sns_kernels *k, float *y, float *z, size_t N, size_t C,
                        const float *bias, sns_act act, const float *residual) {
    size_t step = sns_chunk_rows(C), chunks = sns_chunk_count(N, step);
#pragma omp parallel for schedule(static) if (chunks > 1)
    for (size_t i = 0; i < chunks; i++) {
        size_t begin = i * step, end = sns_chunk_end(begin, step, N), n = (end - begin) * C;
        if (bias)
            for (size_t r = begin; r < end; r++) k->add(z + r * C, bias, C);
        if (act != SNS_ACT_NONE) k->act_forward(act, y + begin * C, z + begin * C, n);
        if (residual) k->add(y + begin * C, residual + begin * C, n);
    }
}

static void forward(sns_tape *t, const linear *l, sns_act act, float beta) {
    const sns_kernels *k = sns_tape_kernels(t);
    size_t N = l->y->rows, out = l->y->cols, in = l->x->cols;
    const float *bias = l->b.value.data, *residual = l->residual ? l->residual->data : NULL;
    float *z = l->z ? l->z : l->y->data;
    sns_error err;
    sns_status s;
    if (l->W.packed && !sns_tape_recording(t)) {
        s = sns_packed_run(l->W.packed, N, l->x->data, bias, act, beta ? l->y->data : residual,
                           l->y->data, &err);
    } else {
        s = sns_tape_gemm(t)(false, true, N, out, in, l->x->data, in, l->W.value.data, in, beta, z,
                             out, &err);
        if (!s && (bias || residual || act != SNS_ACT_NONE))
            finish_rows(k, l->y->data, z, N, out, bias, act, residual);
    }
    if (s) sns_tape_fail(t, s, "linear: %s", err.message);
}

sns_tensor *sns_linear(sns_tape *t, sns_tensor *x, const sns_param *W, const sns_param *b,
                       sns_act act, sns_tensor *residual) {
    if (!sns_layer_ready(t, "linear", x) || !shapes_fit(t, x, W, b, residual)) return NULL;
    linear l = {.x = x, .W = *W, .residual = residual, .act = act};
    if (b) l.b = *b;
    if (!(l.y = sns_tape_matrix(t, x->rows, W->value.rows))) return NULL;
    if (sns_tape_recording(t) && act != SNS_ACT_NONE) {
        l.z = sns_tape_alloc(t, l.y->rows * l.y->cols * sizeof(float));
        if (!l.z) return NULL;
    }
    forward(t, &l, act, 0);
    linear *node = sns_tape_push(t, linear_backward, sizeof *node);
    if (node) *node = l;
    return sns_tape_status(t, NULL) ? NULL : l.y;
}

void sns_linear_accumulate(sns_tape *t, sns_tensor *x, const sns_param *W, const sns_param *b,
                           sns_tensor *y) {
    if (!sns_layer_ready(t, "linear", x) || !shapes_fit(t, x, W, b, y)) return;
    linear l = {.x = x, .W = *W, .y = y};
    if (b) l.b = *b;
    forward(t, &l, SNS_ACT_NONE, 1);
}
