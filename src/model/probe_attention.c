/* probe_attention.c - one learned query that looks at every sequence; attention pooling's core.
 *
 * Lee et al. 2019, "Set Transformer" (pooling by multi-head attention), as SigLIP's image tower
 * uses it. The probe is one more row under the rows of all sequences, so that one linear layer
 * gives its query and everyone's keys and values: qkv [N + 1, 3C] (q | k | v), q of the last row;
 * for each sequence and head, D = C / H: s_t = q . k_t / sqrt(D),  p = softmax(s),  out = sum_t p_t
 * v_t                       out [n, C] dv_t += p_t dout,  ds_t = p_t (dout . v_t - dout . out),
 * dk_t += ds_t q / sqrt(D), dq += sum_t ds_t k_t / sqrt(D) A sequence is one thread's; their parts
 * of dq are added in order. */
#include "model/layer_util.h"
#include <math.h>

typedef struct probe {
    sns_tensor *qkv, *y;
    const size_t *starts; /* [n + 1] */
    size_t heads, n;
    float *p; /* [H, N] */
} probe;

static void forward_sequence(const sns_kernels *k, const probe *a, size_t b) {
    size_t N = a->qkv->rows - 1, C = a->y->cols, D = C / a->heads, first = a->starts[b];
    size_t T = a->starts[b + 1] - first;
    const float *query = a->qkv->data + N * 3 * C, *rows = a->qkv->data + first * 3 * C;
    float *out = a->y->data + b * C;
    memset(out, 0, C * sizeof *out);
    for (size_t h = 0; h < a->heads; h++) {
        float *p = a->p + h * N + first;
        for (size_t i = 0; i < T; i++)
            p[i] = k->dot(query + h * D, rows + i * 3 * C + C + h * D, D) / sqrtf((float)D);
        k->softmax_row(p, T);
        for (size_t i = 0; i < T; i++)
            k->axpy(out + h * D, p[i], rows + i * 3 * C + 2 * C + h * D, D);
    }
}

/* dq [C] of this sequence, cleared. */
static void backward_sequence(const sns_kernels *k, const probe *a, size_t b, float *dq) {
    size_t N = a->qkv->rows - 1, C = a->y->cols, D = C / a->heads, first = a->starts[b];
    size_t T = a->starts[b + 1] - first;
    const float *query = a->qkv->data + N * 3 * C, *rows = a->qkv->data + first * 3 * C;
    const float *out = a->y->data + b * C, *dout = a->y->grad + b * C;
    float *drows = a->qkv->grad + first * 3 * C, scale = 1 / sqrtf((float)D);
    for (size_t h = 0; h < a->heads; h++) {
        const float *p = a->p + h * N + first, *q = query + h * D, *d = dout + h * D;
        float along = k->dot(d, out + h * D, D);
        for (size_t i = 0; i < T; i++) {
            size_t at = i * 3 * C + h * D;
            float ds = p[i] * (k->dot(d, rows + at + 2 * C, D) - along) * scale;
            k->axpy(drows + at + 2 * C, p[i], d, D);
            k->axpy(drows + at + C, ds, q, D);
            k->axpy(dq + h * D, ds, rows + at + C, D);
        }
    }
}

static void probe_backward(sns_tape *t, void *context) {
    const probe *a = context;
    if (!a->qkv->grad) return;
    const sns_kernels *k = sns_tape_kernels(t);
    size_t N = a->qkv->rows - 1, C = a->y->cols;
    sns_arena_mark mark = sns_arena_get_mark(sns_tape_arena(t));
    float *dq = sns_tape_alloc(t, a->n * C * sizeof *dq);
    if (!dq) return;
    memset(dq, 0, a->n * C * sizeof *dq);
#pragma omp parallel for schedule(static) if (N * C > SNS_CHUNK_FLOATS)
    for (size_t b = 0; b < a->n; b++) backward_sequence(k, a, b, dq + b * C);
    sns_sum_partials(k, a->qkv->grad + N * 3 * C, dq, a->n, C, C);
    sns_arena_release(sns_tape_arena(t), mark);
}

static bool sequences_fit(const size_t *starts, size_t n, size_t rows) {
    if (starts[0] != 0 || starts[n] != rows) return false;
    for (size_t i = 0; i < n; i++)
        if (starts[i] >= starts[i + 1]) return false;
    return true;
}

sns_tensor *sns_probe_attention(sns_tape *t, sns_tensor *qkv, size_t heads, const size_t *starts,
                                size_t n) {
    if (!sns_layer_ready(t, "probe attention", qkv)) return NULL;
    size_t N = qkv->rows - 1, C = qkv->cols / 3;
    if (!heads || !n || qkv->cols % 3 || C % heads || !sequences_fit(starts, n, N)) {
        sns_tape_fail(t, SNS_SHAPE, "probe attention: %zu columns for %zu heads, %zu rows",
                      qkv->cols, heads, N);
        return NULL;
    }
    probe a = {.qkv = qkv, .heads = heads, .n = n, .y = sns_tape_matrix(t, n, C)};
    size_t *copy = sns_tape_alloc(t, (n + 1) * sizeof *copy);
    a.p = sns_tape_alloc(t, heads * N * sizeof(float));
    if (!a.y || !copy || !a.p) return NULL;
    memcpy(copy, starts, (n + 1) * sizeof *copy);
    a.starts = copy;
    const sns_kernels *k = sns_tape_kernels(t);
#pragma omp parallel for schedule(static) if (N * C > SNS_CHUNK_FLOATS)
    for (size_t b = 0; b < n; b++) forward_sequence(k, &a, b);
    probe *node = sns_tape_push(t, probe_backward, sizeof *node);
    if (node) *node = a;
    return sns_tape_status(t, NULL) ? NULL : a.y;
}

typedef struct append {
    sns_tensor *x, *y;
    sns_param row;
} append;

static void append_backward(sns_tape *t, void *context) {
    const append *a = context;
    const sns_kernels *k = sns_tape_kernels(t);
    size_t n = a->x->rows * a->x->cols;
    if (a->x->grad) k->add(a->x->grad, a->y->grad, n);
    if (a->row.value.grad) k->add(a->row.value.grad, a->y->grad + n, a->x->cols);
}

sns_tensor *sns_append_row(sns_tape *t, sns_tensor *x, const sns_param *row) {
    if (!sns_layer_ready(t, "append", x) || !sns_layer_ready(t, "append", &row->value)) return NULL;
    if (row->value.rows * row->value.cols != x->cols) {
        sns_tape_fail(t, SNS_SHAPE, "append: a row of %zu under rows of %zu",
                      row->value.rows * row->value.cols, x->cols);
        return NULL;
    }
    append a = {x, sns_tape_matrix(t, x->rows + 1, x->cols), *row};
    if (!a.y) return NULL;
    size_t n = x->rows * x->cols;
    memcpy(a.y->data, x->data, n * sizeof(float));
    memcpy(a.y->data + n, row->value.data, x->cols * sizeof(float));
    append *node = sns_tape_push(t, append_backward, sizeof *node);
    if (node) *node = a;
    return sns_tape_status(t, NULL) ? NULL : a.y;
}
