/* attention.c - multi-head self-attention over packed sequences.
 *
 * Vaswani et al. 2017: for each sequence and head, out = softmax(q k^T / sqrt(D)) v, D = C / H.
 *   qkv [N, 3C]: q | k | v, in each the heads side by side; out [N, C]
 * Each (sequence, head) writes rows and columns of its own in out and in dqkv: one task, one
 * thread, nothing shared. The backward pass recomputes the probabilities from the rows'
 * log-sum-exp (Dao et al. 2022), so that nothing quadratic is kept. */
#include "model/layer_util.h"
#include <math.h>
#include <omp.h>

typedef struct attention {
    sns_tensor *qkv, *y;
    size_t heads, n, longest;
    const size_t *starts;
    float *lse; /* [H, N] */
    bool causal, bf16;
} attention;

/* Worth waking threads for. */
static bool is_large(const attention *a) {
    return a->y->rows * a->longest * a->y->cols > SNS_CHUNK_FLOATS;
}

/* Every thread's scratch: its content never outlives a task, so it does not influence results. */
static float *new_scratch(sns_tape *t, const attention *a, size_t *each) {
    size_t floats = sns_attention_scratch_floats(a->longest, a->y->cols / a->heads);
    *each = (floats + 15) / 16 * 16;
    return sns_tape_alloc(t, *each * (size_t)omp_get_max_threads() * sizeof(float));
}

static void attention_forward(sns_tape *t, const attention *a, float *scratch, size_t each) {
    const sns_kernels *k = sns_tape_kernels(t);
    size_t N = a->y->rows, C = a->y->cols, D = C / a->heads, tasks = a->n * a->heads;
    float scale = 1 / sqrtf((float)D);
    sns_attention_fn *head = a->bf16 ? k->attention_forward_bf16 : k->attention_forward;
#pragma omp parallel for schedule(dynamic) if (is_large(a))
    for (size_t i = 0; i < tasks; i++) {
        size_t h = i % a->heads, row = a->starts[i / a->heads];
        size_t T = a->starts[i / a->heads + 1] - row;
        const float *q = a->qkv->data + row * 3 * C + h * D;
        head(a->y->data + row * C + h * D, C, a->lse ? a->lse + h * N + row : NULL, q, q + C,
             q + 2 * C, 3 * C, T, D, scale, a->causal,
             scratch + (size_t)omp_get_thread_num() * each);
    }
}

static void attention_backward(sns_tape *t, void *context) {
    const attention *a = context;
    if (!a->qkv->grad) return;
    const sns_kernels *k = sns_tape_kernels(t);
    size_t N = a->y->rows, C = a->y->cols, D = C / a->heads, tasks = a->n * a->heads, each;
    float scale = 1 / sqrtf((float)D);
    sns_arena_mark mark = sns_arena_get_mark(sns_tape_arena(t));
    float *scratch = new_scratch(t, a, &each);
    if (!scratch) return;
    sns_attention_back_fn *head = a->bf16 ? k->attention_backward_bf16 : k->attention_backward;
#pragma omp parallel for schedule(dynamic) if (is_large(a))
    for (size_t i = 0; i < tasks; i++) {
        size_t h = i % a->heads, row = a->starts[i / a->heads];
        size_t T = a->starts[i / a->heads + 1] - row;
        const float *q = a->qkv->data + row * 3 * C + h * D;
        float *dq = a->qkv->grad + row * 3 * C + h * D;
        size_t at = row * C + h * D;
        head(dq, dq + C, dq + 2 * C, a->y->grad + at, a->y->data + at, C, a->lse + h * N + row, q,
             q + C, q + 2 * C, 3 * C, T, D, scale, a->causal,
             scratch + (size_t)omp_get_thread_num() * each);
    }
    sns_arena_release(sns_tape_arena(t), mark);
}

/* Copies starts, since the caller's may be gone when the tape runs backwards. */
static bool take_starts(sns_tape *t, attention *a, const size_t *starts, size_t n, size_t rows) {
    size_t *copy = sns_tape_alloc(t, (n + 1) * sizeof *copy);
    if (!copy) return false;
    memcpy(copy, starts, (n + 1) * sizeof *copy);
    bool ordered = copy[0] == 0 && copy[n] == rows;
    for (size_t i = 0; i < n; i++) {
        if (copy[i] > copy[i + 1] || copy[i + 1] > rows) ordered = false;
        size_t T = copy[i + 1] - copy[i];
        if (ordered && T > a->longest) a->longest = T;
    }
    if (!ordered) sns_tape_fail(t, SNS_ARG, "attention: the sequences do not cover %zu rows", rows);
    a->starts = copy;
    a->n = n;
    return ordered;
}

sns_tensor *sns_attention(sns_tape *t, sns_tensor *qkv, size_t heads, const size_t *starts,
                          size_t n, bool causal, bool bf16) {
    if (!sns_layer_ready(t, "attention", qkv)) return NULL;
    size_t N = qkv->rows, C = qkv->cols / 3;
    if (!heads || qkv->cols % 3 || C % heads) {
        sns_tape_fail(t, SNS_SHAPE, "attention: %zu columns for %zu heads", qkv->cols, heads);
        return NULL;
    }
    attention a = {.qkv = qkv, .heads = heads, .causal = causal};
    if (!take_starts(t, &a, starts, n, N)) return NULL;
    if (!(a.y = sns_tape_matrix(t, N, C))) return NULL;
    if (sns_tape_recording(t) && !(a.lse = sns_tape_alloc(t, heads * N * sizeof(float))))
        return NULL;
    sns_arena_mark mark = sns_arena_get_mark(sns_tape_arena(t));
    size_t each;
    float *scratch = new_scratch(t, &a, &each);
    if (!scratch) return NULL;
    a.bf16 = bf16 || sns_tape_gemm(t) == sns_gemm_bf16;
    attention_forward(t, &a, scratch, each);
    sns_arena_release(sns_tape_arena(t), mark);
    attention *node = sns_tape_push(t, attention_backward, sizeof *node);
    if (node) *node = a;
    return sns_tape_status(t, NULL) ? NULL : a.y;
}
