/* mlp.c - the second half of a Transformer block: y [N, C] = x + fc2(act(fc1(norm(x)))).
 *
 *   h = norm(x) [N, C]    z = h W1^T + b1 [N, M]    a = act(z)    y = x + a W2^T + b2
 *   da = dy W2    dz = da * act'(z)    dh = dz W1    dx = dy + the norm's gradient of dh
 *   dW2 = dy^T a    db2 = sum of dy    dW1 = dz^T h    db1 = sum of dz
 * Of the inside only z stays for the backward pass, which makes h and a again: a few passes over
 * memory against M + C floats a row. */
#include "model/layer_util.h"

typedef struct mlp {
    sns_tensor *x, *y;
    sns_norm norm;
    sns_param W1, b1, W2, b2;
    sns_act act;
    float *z;
} mlp;

static void activate(sns_tape *t, sns_act act, float *a, const float *z, size_t n) {
    const sns_kernels *k = sns_tape_kernels(t);
    size_t chunks = sns_chunk_count(n, SNS_CHUNK_FLOATS);
#pragma omp parallel for schedule(static) if (chunks > 1)
    for (size_t i = 0; i < chunks; i++) {
        size_t at = i * SNS_CHUNK_FLOATS;
        k->act_forward(act, a + at, z + at, sns_chunk_end(at, SNS_CHUNK_FLOATS, n) - at);
    }
}

static void mlp_backward(sns_tape *t, void *context) {
    const mlp *m = context;
    size_t N = m->x->rows, C = m->x->cols, M = m->W1.value.rows;
    sns_arena_mark mark = sns_arena_get_mark(sns_tape_arena(t));
    float *dz = sns_tape_alloc(t, N * M * sizeof *dz);
    sns_arena_mark inner = sns_arena_get_mark(sns_tape_arena(t));
    float *a = sns_tape_alloc(t, N * M * sizeof *a);
    if (!dz || !a) return;
    activate(t, m->act, a, m->z, N * M);
    sns_linear_rows_backward(t, &m->W2, &m->b2, N, a, SNS_ACT_NONE, NULL, m->y->grad, m->x->grad, 0,
                             dz);
    sns_arena_release(sns_tape_arena(t), inner);
    float *h = sns_tape_alloc(t, N * C * sizeof *h), *dh = sns_tape_alloc(t, N * C * sizeof *dh);
    if (!h || !dh) return;
    sns_norm_rows(t, &m->norm, N, C, m->x->data, h);
    sns_linear_rows_backward(t, &m->W1, &m->b1, N, h, m->act, m->z, dz, NULL, 0, dh);
    sns_norm_rows_backward(t, &m->norm, N, C, m->x->data, dh, m->x->grad);
    sns_arena_release(sns_tape_arena(t), mark);
}

static bool shapes_fit(sns_tape *t, const mlp *m) {
    size_t C = m->x->cols, M = m->W1.value.rows;
    if (!sns_linear_ready(t, m->x, &m->W1, &m->b1, NULL) || !sns_norm_ready(t, &m->norm, C))
        return false;
    if (m->W2.value.rows != C || m->W2.value.cols != M || m->b2.value.cols != C ||
        !m->b2.value.data || (!m->W2.value.data && !m->W2.packed)) {
        sns_tape_fail(t, SNS_SHAPE, "MLP: [%zu, %zu] does not fit %zu channels and %zu inside",
                      m->W2.value.rows, m->W2.value.cols, C, M);
        return false;
    }
    return true;
}

static bool mlp_forward(sns_tape *t, const mlp *m) {
    size_t N = m->x->rows, C = m->x->cols, M = m->W1.value.rows;
    sns_arena_mark mark = sns_arena_get_mark(sns_tape_arena(t));
    float *h = sns_tape_alloc(t, N * C * sizeof *h), *a = sns_tape_alloc(t, N * M * sizeof *a);
    if (!h || !a) return false;
    sns_norm_rows(t, &m->norm, N, C, m->x->data, h);
    sns_linear_rows(t, &m->W1, &m->b1, N, h, m->act, m->z, NULL, a);
    sns_linear_rows(t, &m->W2, &m->b2, N, a, SNS_ACT_NONE, NULL, m->x->data, m->y->data);
    sns_arena_release(sns_tape_arena(t), mark);
    return !sns_tape_status(t, NULL);
}

sns_tensor *sns_mlp(sns_tape *t, sns_tensor *x, const sns_mlp_params *p) {
    if (!sns_layer_ready(t, "MLP", x)) return NULL;
    mlp m = {.x = x,
             .y = x,
             .norm = {.gain = *p->gain, .bias = *p->bias, .eps = p->eps},
             .W1 = *p->fc1_weight,
             .b1 = *p->fc1_bias,
             .W2 = *p->fc2_weight,
             .b2 = *p->fc2_bias,
             .act = p->act};
    if (!shapes_fit(t, &m)) return NULL;
    if (sns_tape_recording(t)) {
        m.y = sns_tape_matrix(t, x->rows, x->cols);
        m.z = sns_tape_alloc(t, x->rows * m.W1.value.rows * sizeof *m.z);
        if (!m.y || !m.z || !sns_norm_keep(t, &m.norm, x->rows)) return NULL;
    }
    if (!mlp_forward(t, &m)) return NULL;
    mlp *node = sns_tape_push(t, mlp_backward, sizeof *node);
    if (node) *node = m;
    return sns_tape_status(t, NULL) ? NULL : m.y;
}
