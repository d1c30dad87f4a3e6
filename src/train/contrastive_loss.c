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
 * S exists by blocks of rows only, 16 MiB at most unless 64 rows need more: 16,384 pairs would
 * otherwise take 1 GiB. r, c and the diagonal are kept; c_j is built up with a running maximum
 * (Milakov & Gimelshein 2018, "Online normalizer calculation for softmax"). The backward pass
 * computes each block again, unless S is one block, and turns it into G in place. Blocks, rows and
 * blocks of columns of a fixed width are cut by size, so sums do not depend on the thread count. */
#include "train/contrastive_loss.h"
#include <math.h>

enum { COLUMN_BLOCK = 32, BLOCK_FLOATS = 1 << 22, MIN_ROWS = 64 };

typedef struct loss_context {
    sns_tensor *images, *texts, *loss;
    const sns_param *t;
    size_t rows;                         /* of a block */
    float *s;                            /* [rows, B]: the block at hand */
    float *row_lse, *col_lse, *diagonal; /* [B] */
    float *col_max;
    double *col_sum; /* [B]: c_j = col_max + log col_sum */
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

/* Take n rows of S into the running maximum and sum of columns [j0, j1). */
static void add_to_columns(const loss_context *c, size_t n, size_t j0, size_t j1, bool first) {
    size_t B = c->images->rows;
    float max[COLUMN_BLOCK];
    double sum[COLUMN_BLOCK];
    for (size_t j = j0; j < j1; j++) max[j - j0] = first ? c->s[j] : c->col_max[j];
    for (size_t i = 0; i < n; i++)
        for (size_t j = j0; j < j1; j++)
            if (c->s[i * B + j] > max[j - j0]) max[j - j0] = c->s[i * B + j];
    for (size_t j = j0; j < j1; j++)
        sum[j - j0] = first ? 0 : c->col_sum[j] * exp((double)c->col_max[j] - max[j - j0]);
    for (size_t i = 0; i < n; i++)
        for (size_t j = j0; j < j1; j++) sum[j - j0] += expf(c->s[i * B + j] - max[j - j0]);
    for (size_t j = j0; j < j1; j++) c->col_max[j] = max[j - j0], c->col_sum[j] = sum[j - j0];
}

/* S_i <- G_i; returns sum_j G_ij S_ij. */
static double row_gradient(const loss_context *c, float *row, size_t i, float upstream) {
    size_t B = c->images->rows;
    float half = upstream * 0.5f / (float)B;
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

static size_t rows_at(const loss_context *c, size_t i0) {
    size_t left = c->images->rows - i0;
    return left < c->rows ? left : c->rows;
}

/* c->s <- rows i0 ... i0 + n - 1 of S; false after a failure, which the tape then has. */
static bool fill_block(sns_tape *tape, const loss_context *c, size_t i0, size_t n) {
    size_t B = c->images->rows, E = c->images->cols;
    sns_error err;
    sns_status st = sns_gemm(false, true, n, B, E, c->images->data + i0 * E, E, c->texts->data, E,
                             0, c->s, B, &err);
    if (st) {
        sns_tape_fail(tape, st, "contrastive loss: %s", err.message);
        return false;
    }
    sns_tape_kernels(tape)->scale(c->s, expf(c->t->value.data[0]), n * B);
    return true;
}

/* dI_e and dT_e of n rows of exp(t) G in c->s. */
static bool feature_gradients(sns_tape *tape, const loss_context *c, size_t i0, size_t n) {
    size_t B = c->images->rows, E = c->images->cols;
    sns_error err;
    sns_status st = SNS_OK;
    if (c->images->grad)
        st = sns_gemm(false, false, n, E, B, c->s, B, c->texts->data, E, 1,
                      c->images->grad + i0 * E, E, &err);
    if (!st && c->texts->grad)
        st = sns_gemm(true, false, B, E, n, c->s, B, c->images->data + i0 * E, E, 1, c->texts->grad,
                      E, &err);
    if (st) sns_tape_fail(tape, st, "contrastive loss: %s", err.message);
    return !st;
}

static void loss_backward(sns_tape *tape, void *context) {
    const loss_context *c = context;
    size_t B = c->images->rows;
    float upstream = c->loss->grad[0], scale = expf(c->t->value.data[0]);
    double *partial = sns_tape_alloc(tape, B * sizeof *partial), dt = 0;
    if (!partial) return;
    for (size_t i0 = 0; i0 < B; i0 += c->rows) {
        size_t n = rows_at(c, i0);
        if (c->rows < B && !fill_block(tape, c, i0, n)) return;
#pragma omp parallel for schedule(static) if (B >= 64)
        for (size_t i = 0; i < n; i++)
            partial[i0 + i] = row_gradient(c, c->s + i * B, i0 + i, upstream);
        sns_tape_kernels(tape)->scale(c->s, scale, n * B);
        if (!feature_gradients(tape, c, i0, n)) return;
    }
    for (size_t i = 0; i < B; i++) dt += partial[i];
    if (c->t->value.grad) c->t->value.grad[0] += (float)dt;
}

/* Rows i0 ... i0 + n - 1: their r and diagonal, and what they add to c. */
static void measure_block(const loss_context *c, size_t i0, size_t n, unsigned char *hit) {
    size_t B = c->images->rows, blocks = (B + COLUMN_BLOCK - 1) / COLUMN_BLOCK;
#pragma omp parallel for schedule(static) if (B >= 64)
    for (size_t i = i0; i < i0 + n; i++) {
        const float *row = c->s + (i - i0) * B;
        bool ok;
        c->row_lse[i] = row_log_sum(row, B, i, &ok);
        c->diagonal[i] = row[i];
        hit[i] = ok;
    }
#pragma omp parallel for schedule(static) if (B >= 64)
    for (size_t b = 0; b < blocks; b++) {
        size_t j0 = b * COLUMN_BLOCK, j1 = j0 + COLUMN_BLOCK;
        add_to_columns(c, n, j0, j1 < B ? j1 : B, i0 == 0);
    }
}

/* Fill r, c and the diagonal; loss <- its value; counts the pictures that find their text. */
static bool loss_forward(sns_tape *tape, const loss_context *c, unsigned char *hit,
                         size_t *correct) {
    size_t B = c->images->rows, hits = 0;
    for (size_t i0 = 0; i0 < B; i0 += c->rows) {
        size_t n = rows_at(c, i0);
        if (!fill_block(tape, c, i0, n)) return false;
        measure_block(c, i0, n, hit);
    }
    double sum = 0;
    for (size_t i = 0; i < B; i++) {
        c->col_lse[i] = c->col_max[i] + (float)log(c->col_sum[i]);
        sum += (double)c->row_lse[i] + c->col_lse[i] - 2.0 * c->diagonal[i];
        hits += hit[i];
    }
    if (correct) *correct = hits;
    c->loss->data[0] = (float)(sum / (2.0 * (double)B));
    return true;
}

static bool allocate(sns_tape *tape, loss_context *c) {
    size_t B = c->images->rows, most = BLOCK_FLOATS / B;
    c->rows = most < MIN_ROWS ? MIN_ROWS : most;
    if (c->rows > B) c->rows = B;
    c->s = sns_tape_alloc(tape, c->rows * B * sizeof(float));
    c->row_lse = sns_tape_alloc(tape, B * sizeof(float));
    c->col_lse = sns_tape_alloc(tape, B * sizeof(float));
    c->diagonal = sns_tape_alloc(tape, B * sizeof(float));
    c->col_max = sns_tape_alloc(tape, B * sizeof(float));
    c->col_sum = sns_tape_alloc(tape, B * sizeof(double));
    c->loss = sns_tape_matrix(tape, 1, 1);
    return c->loss != NULL; /* failures stick: all are there when the last one is */
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
    loss_context c = {.images = images, .texts = texts, .t = logit_scale};
    unsigned char *hit = sns_tape_alloc(tape, B);
    if (!allocate(tape, &c) || !loss_forward(tape, &c, hit, correct)) return NULL;
    if (sns_tape_recording(tape)) {
        loss_context *node = sns_tape_push(tape, loss_backward, sizeof *node);
        if (!node) return NULL;
        *node = c;
    }
    return c.loss;
}
