/* sigmoid_loss.c - the pairwise sigmoid loss, its gradient computed in the same pass.
 *
 * Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training", algorithm 1:
 *     logits = dot(I_e, T_e.T) * exp(t) + b                    S [B, B]
 *     labels = 2 * eye(n) - ones(n)                            z_ij: 1 on the diagonal, else -1
 *     loss   = -sum(log_sigmoid(labels * logits)) / n
 * t starts at log 10 and b at -10, since nearly all pairs are negative. With G = dloss/dS:
 *     G_ij = -z_ij sigmoid(-z_ij S_ij) / B
 *     dI_e += exp(t) G T_e,   dT_e += exp(t) G^T I_e,   dt += sum G_ij (S_ij - b),   db += sum G_ij
 * No pair needs another, so S is computed and turned into G a block of pictures at a time: memory
 * grows with B, not with its square, and the backward pass only scales what is there. */
#include "train/sigmoid_loss.h"
#include <math.h>

enum { ROWS = 256 }; /* pictures in a block */

typedef struct sigmoid_loss {
    sns_tensor *images, *texts, *loss;
    sns_param t, b;
    float *dimages, *dtexts; /* [B, E] for an upstream gradient of 1 */
    double dt, db;
} sigmoid_loss;

typedef struct row_sums {
    double loss, dt, db;
    bool hit; /* no other text is as similar */
} row_sums;

/* Row i: dot products in, exp(t) G_ij out. */
static row_sums take_row(float *row, size_t B, size_t i, float scale, float bias) {
    row_sums r = {.hit = true};
    float own = row[i];
    for (size_t j = 0; j < B; j++) {
        if (j != i && row[j] >= own) r.hit = false;
        float s = scale * row[j] + bias, z = i == j ? 1 : -1, x = -z * s;
        float e = expf(-fabsf(x)); /* log(1 + exp(x)) and sigmoid(x) without overflow */
        r.loss += (x > 0 ? x : 0) + log1pf(e);
        float g = -z * (x > 0 ? 1 : e) / (1 + e) / (float)B;
        r.dt += (double)g * (s - bias);
        r.db += g;
        row[j] = scale * g;
    }
    return r;
}

/* Pictures i0 ... i0 + n - 1 against all texts; s [n, B] and sums [n] are scratch. */
static sns_status take_block(sigmoid_loss *l, size_t i0, size_t n, float *s, row_sums *sums,
                             sns_error *err) {
    size_t B = l->images->rows, E = l->images->cols;
    const float *I = l->images->data + i0 * E;
    float scale = expf(l->t.value.data[0]), bias = l->b.value.data[0];
    sns_status st = sns_gemm(false, true, n, B, E, I, E, l->texts->data, E, 0, s, B, err);
    if (st) return st;
#pragma omp parallel for schedule(static) if (n * B > 4096)
    for (size_t i = 0; i < n; i++) sums[i] = take_row(s + i * B, B, i0 + i, scale, bias);
    if (!l->dimages) return SNS_OK;
    st = sns_gemm(false, false, n, E, B, s, B, l->texts->data, E, 0, l->dimages + i0 * E, E, err);
    return st ? st : sns_gemm(true, false, B, E, n, s, B, I, E, i0 ? 1 : 0, l->dtexts, E, err);
}

static sns_status forward(sns_tape *tape, sigmoid_loss *l, size_t *correct, sns_error *err) {
    size_t B = l->images->rows, n = B < ROWS ? B : ROWS, hits = 0;
    double loss = 0;
    sns_arena_mark mark = sns_arena_get_mark(sns_tape_arena(tape));
    float *s = sns_tape_alloc(tape, n * B * sizeof *s);
    row_sums *sums = sns_tape_alloc(tape, n * sizeof *sums);
    if (!s || !sums) return sns_tape_status(tape, err);
    for (size_t i = 0; i < B; i += n) {
        size_t rows = B - i < n ? B - i : n;
        sns_status st = take_block(l, i, rows, s, sums, err);
        if (st) return st;
        for (size_t r = 0; r < rows; r++) {
            loss += sums[r].loss;
            l->dt += sums[r].dt;
            l->db += sums[r].db;
            hits += sums[r].hit;
        }
    }
    sns_arena_release(sns_tape_arena(tape), mark);
    l->loss->data[0] = (float)(loss / (double)B);
    if (correct) *correct = hits;
    return SNS_OK;
}

static void sigmoid_backward(sns_tape *tape, void *context) {
    const sigmoid_loss *l = context;
    const sns_kernels *k = sns_tape_kernels(tape);
    size_t B = l->images->rows, E = l->images->cols;
    float up = l->loss->grad[0];
#pragma omp parallel for schedule(static) if (B * E > 65536)
    for (size_t i = 0; i < B; i++) {
        if (l->images->grad) k->axpy(l->images->grad + i * E, up, l->dimages + i * E, E);
        if (l->texts->grad) k->axpy(l->texts->grad + i * E, up, l->dtexts + i * E, E);
    }
    if (l->t.value.grad) l->t.value.grad[0] += (float)(up * l->dt);
    if (l->b.value.grad) l->b.value.grad[0] += (float)(up * l->db);
}

sns_tensor *sns_sigmoid_loss(sns_tape *tape, sns_tensor *images, sns_tensor *texts,
                             const sns_param *logit_scale, const sns_param *logit_bias,
                             size_t *correct) {
    if (!images || !texts) return NULL;
    size_t B = images->rows, E = images->cols;
    if (texts->rows != B || texts->cols != E || !B) {
        sns_tape_fail(tape, SNS_SHAPE, "sigmoid loss: %zu x %zu pictures, %zu x %zu texts", B, E,
                      texts->rows, texts->cols);
        return NULL;
    }
    sigmoid_loss l = {.images = images, .texts = texts, .t = *logit_scale, .b = *logit_bias};
    if (!(l.loss = sns_tape_matrix(tape, 1, 1))) return NULL;
    if (sns_tape_recording(tape)) {
        l.dimages = sns_tape_alloc(tape, B * E * sizeof(float));
        l.dtexts = sns_tape_alloc(tape, B * E * sizeof(float));
        if (!l.dimages || !l.dtexts) return NULL;
    }
    sns_error err;
    sns_status s = forward(tape, &l, correct, &err);
    if (s) {
        sns_tape_fail(tape, s, "sigmoid loss: %s", err.message);
        return NULL;
    }
    sigmoid_loss *node = sns_tape_push(tape, sigmoid_backward, sizeof *node);
    if (node) *node = l;
    return sns_tape_status(tape, NULL) ? NULL : l.loss;
}
