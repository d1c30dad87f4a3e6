/* contrastive_loss.c - CLIP's symmetric cross-entropy, forward and backward.
 *
 * Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision",
 * figure 3:
 *     logits = np.dot(I_e, T_e.T) * np.exp(t)              S [B, B]
 *     loss_i = cross_entropy_loss(logits, arange(n), axis=0)   over pictures for each text
 *     loss_t = cross_entropy_loss(logits, arange(n), axis=1)   over texts for each picture
 *     loss   = (loss_i + loss_t) / 2
 * With r_i = log sum_j exp S_ij and c_j = log sum_i exp S_ij:
 *     loss  = 1/(2B) * sum_i (r_i + c_i - 2 S_ii)
 *     G     = dloss/dS,  G_ij = (exp(S_ij - r_i) + exp(S_ij - c_j) - 2 [i = j]) / (2B)
 *     dI_e += exp(t) G T_e,   dT_e += exp(t) G^T I_e,   dt += sum_ij G_ij S_ij
 * Only S, r and c are kept; the backward pass turns S into G in place. Rows, or blocks of columns
 * of a fixed width, are the units of parallel work, so sums do not depend on the thread count. */
#include "train/contrastive_loss.h"
#include <math.h>

enum { COLUMN_BLOCK = 32 };

typedef struct loss_context {
    sns_tensor *images, *texts, *loss;
    const sns_param *t;
    float *s, *row_lse, *col_lse; /* [B, B], [B], [B] */
} loss_context;

/* r_i, and whether the diagonal is the largest of row i. */
static float row_log_sum(const float *row, size_t B, size_t i, bool *correct) {
    float max = row[0];
    *correct = true;
    for (size_t j = 0; j < B; j++) {
        max = row[j] > max ? row[j] : max;
        if (j != i && row[j] >= row[i]) *correct = false;
    }
    double sum = 0;
    for (size_t j = 0; j < B; j++) sum += expf(row[j] - max);
    return max + (float)log(sum);
}

/* c_j for j in [j0, j1). */
static void column_log_sums(const float *s, size_t B, size_t j0, size_t j1, float *out) {
    float max[COLUMN_BLOCK];
    double sum[COLUMN_BLOCK] = {0};
    for (size_t j = j0; j < j1; j++) max[j - j0] = s[j];
    for (size_t i = 1; i < B; i++)
        for (size_t j = j0; j < j1; j++)
            if (s[i * B + j] > max[j - j0]) max[j - j0] = s[i * B + j];
    for (size_t i = 0; i < B; i++)
        for (size_t j = j0; j < j1; j++) sum[j - j0] += expf(s[i * B + j] - max[j - j0]);
    for (size_t j = j0; j < j1; j++) out[j] = max[j - j0] + (float)log(sum[j - j0]);
}

/* S_i <- G_i; returns sum_j G_ij S_ij. */
static double row_gradient(loss_context *c, size_t B, size_t i, float upstream) {
    float *row = c->s + i * B, half = upstream * 0.5f / (float)B;
    double dt = 0;
    for (size_t j = 0; j < B; j++) {
        float s = row[j], g = expf(s - c->row_lse[i]) + expf(s - c->col_lse[j]);
        if (i == j) g -= 2;
        g *= half;
        dt += (double)g * s;
        row[j] = g;
    }
    return dt;
}

static void loss_backward(sns_tape *tape, void *context) {
    loss_context *c = context;
    size_t B = c->images->rows, E = c->images->cols;
    float upstream = c->loss->grad[0], scale = expf(c->t->value.data[0]);
    double *partial = sns_tape_alloc(tape, B * sizeof *partial), dt = 0;
    if (!partial) return;
#pragma omp parallel for schedule(static) if (B >= 64)
    for (size_t i = 0; i < B; i++) partial[i] = row_gradient(c, B, i, upstream);
    for (size_t i = 0; i < B; i++) dt += partial[i];
    if (c->t->value.grad) c->t->value.grad[0] += (float)dt;
    const sns_kernels *k = sns_tape_kernels(tape);
    k->scale(c->s, scale, B * B);
    sns_error err;
    sns_status st = SNS_OK;
    if (c->images->grad)
        st = sns_gemm(false, false, B, E, B, c->s, B, c->texts->data, E, 1, c->images->grad, E,
                      &err);
    if (!st && c->texts->grad)
        st = sns_gemm(true, false, B, E, B, c->s, B, c->images->data, E, 1, c->texts->grad, E,
                      &err);
    if (st) sns_tape_fail(tape, st, "contrastive loss: %s", err.message);
}

/* Fill S, r, c; returns the loss and counts the pictures that find their text. */
static float loss_forward(const loss_context *c, size_t B, unsigned char *hit, size_t *correct) {
#pragma omp parallel for schedule(static) if (B >= 64)
    for (size_t i = 0; i < B; i++) {
        bool ok;
        c->row_lse[i] = row_log_sum(c->s + i * B, B, i, &ok);
        hit[i] = ok;
    }
    size_t blocks = (B + COLUMN_BLOCK - 1) / COLUMN_BLOCK;
#pragma omp parallel for schedule(static) if (B >= 64)
    for (size_t b = 0; b < blocks; b++) {
        size_t j0 = b * COLUMN_BLOCK, j1 = j0 + COLUMN_BLOCK;
        column_log_sums(c->s, B, j0, j1 < B ? j1 : B, c->col_lse);
    }
    double sum = 0;
    size_t hits = 0;
    for (size_t i = 0; i < B; i++) {
        sum += (double)c->row_lse[i] + c->col_lse[i] - 2.0 * c->s[i * B + i];
        hits += hit[i];
    }
    if (correct) *correct = hits;
    return (float)(sum / (2.0 * (double)B));
}

sns_tensor *sns_contrastive_loss(sns_tape *tape, sns_tensor *images, sns_tensor *texts,
                                 const sns_param *logit_scale, size_t *correct) {
    if (!images || !texts) return NULL;
    size_t B = images->rows, E = images->cols;
    if (texts->rows != B || texts->cols != E || !B) {
        sns_tape_fail(tape, SNS_SHAPE, "contrastive loss: %zu x %zu pictures, %zu x %zu texts", B,
                      E, texts->rows, texts->cols);
        return NULL;
    }
    sns_tensor *loss = sns_tape_matrix(tape, 1, 1);
    loss_context c = {images, texts, loss, logit_scale, NULL, NULL, NULL};
    c.s = sns_tape_alloc(tape, B * B * sizeof(float));
    c.row_lse = sns_tape_alloc(tape, B * sizeof(float));
    c.col_lse = sns_tape_alloc(tape, B * sizeof(float));
    unsigned char *hit = sns_tape_alloc(tape, B);
    if (!loss || !c.s || !c.row_lse || !c.col_lse || !hit) return NULL;
    sns_error err;
    sns_status st = sns_gemm(false, true, B, B, E, images->data, E, texts->data, E, 0, c.s, B,
                             &err);
    if (st) {
        sns_tape_fail(tape, st, "contrastive loss: %s", err.message);
        return NULL;
    }
    sns_tape_kernels(tape)->scale(c.s, expf(logit_scale->value.data[0]), B * B);
    loss->data[0] = loss_forward(&c, B, hit, correct);
    if (sns_tape_recording(tape)) {
        loss_context *node = sns_tape_push(tape, loss_backward, sizeof *node);
        if (!node) return NULL;
        *node = c;
    }
    return loss;
}
