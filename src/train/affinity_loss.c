/* affinity_loss.c - what a student learns from a teacher that sees the same batch.
 *
 * Affinity mimicking (Wu et al. 2023, "TinyCLIP"; Yang et al. 2024, "CLIP-KD"). With S = exp(t) I
 * T^T of the student and U of the teacher, P and Q the softmax of rows (p, q) and of columns (p',
 * q'): L = 1/(2B) * sum_ij [ p_ij (log p_ij - log q_ij) + p'_ij (log p'_ij - log q'_ij) ] G =
 * dL/dS,  G_ij = (q_ij - p_ij + q'_ij - p'_ij) / (2B) dI += exp(t) G T,   dT += exp(t) G^T I,   dt
 * += sum_ij G_ij S_ij Two passes over blocks of rows: the log-sum-exps of rows and columns, then L
 * and the gradient. Memory grows with B, not with its square.
 *
 * Feature regression (CLIP-KD): mean of |x_i - y_i|^2 with the teacher's vectors y. */
#include "train/affinity_loss.h"
#include <math.h>

enum { ROWS = 128, COLUMNS = 64 };

typedef struct affinity {
    sns_tensor *images, *texts, *loss;
    sns_param t;
    sns_teacher_view teacher;
    float *dimages, *dtexts; /* [B, E] for an upstream gradient of 1 */
    double dt;
    /* Scratch of the forward pass; [0] student, [1] teacher. */
    float *s[2];               /* [ROWS, B] */
    float *row[2], *column[2]; /* [B] log-sum-exps; of columns first the largest value so far */
    double *column_sum[2];     /* [B] */
    double *row_loss, *row_dt; /* [ROWS] */
} affinity;

/* S and U of the pictures i0 ... i0 + n - 1. */
static sns_status block_logits(sns_tape *tape, affinity *a, size_t i0, size_t n, sns_error *err) {
    const sns_kernels *k = sns_tape_kernels(tape);
    const sns_teacher_view *v = &a->teacher;
    size_t B = a->images->rows, E = a->images->cols, W = v->width;
    sns_status s = sns_gemm(false, true, n, B, E, a->images->data + i0 * E, E, a->texts->data, E, 0,
                            a->s[0], B, err);
    if (!s)
        s = sns_gemm(false, true, n, B, W, v->images + i0 * W, W, v->texts, W, 0, a->s[1], B, err);
    k->scale(a->s[0], expf(a->t.value.data[0]), n * B);
    k->scale(a->s[1], v->scale, n * B);
    return s;
}

static float log_sum(const float *x, size_t n) {
    float max = x[0];
    double sum = 0;
    for (size_t j = 1; j < n; j++) max = x[j] > max ? x[j] : max;
    for (size_t j = 0; j < n; j++) sum += expf(x[j] - max);
    return max + (float)log(sum);
}

/* Columns j0 ... j1 - 1 of a block into their running largest value and sum. */
static void add_columns(const float *s, size_t n, size_t B, size_t j0, size_t j1, float *max,
                        double *sum) {
    for (size_t j = j0; j < j1; j++) {
        float m = max[j];
        for (size_t i = 0; i < n; i++) m = s[i * B + j] > m ? s[i * B + j] : m;
        sum[j] *= exp((double)max[j] - m);
        max[j] = m;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = j0; j < j1; j++) sum[j] += expf(s[i * B + j] - max[j]);
}

static sns_status log_sums(sns_tape *tape, affinity *a, sns_error *err) {
    size_t B = a->images->rows, ranges = (B + COLUMNS - 1) / COLUMNS;
    for (int m = 0; m < 2; m++)
        for (size_t j = 0; j < B; j++) a->column[m][j] = -INFINITY, a->column_sum[m][j] = 0;
    for (size_t i0 = 0; i0 < B; i0 += ROWS) {
        size_t n = B - i0 < ROWS ? B - i0 : ROWS;
        sns_status s = block_logits(tape, a, i0, n, err);
        if (s) return s;
#pragma omp parallel for schedule(static) if (B >= 64)
        for (size_t i = 0; i < 2 * n; i++)
            a->row[i % 2][i0 + i / 2] = log_sum(a->s[i % 2] + i / 2 * B, B);
#pragma omp parallel for schedule(static) if (B >= 64)
        for (size_t r = 0; r < 2 * ranges; r++) {
            size_t j0 = r / 2 * COLUMNS, j1 = j0 + COLUMNS < B ? j0 + COLUMNS : B;
            add_columns(a->s[r % 2], n, B, j0, j1, a->column[r % 2], a->column_sum[r % 2]);
        }
    }
    for (int m = 0; m < 2; m++)
        for (size_t j = 0; j < B; j++) a->column[m][j] += (float)log(a->column_sum[m][j]);
    return SNS_OK;
}

/* Row r of a block, picture i: its part of L and dt; S_ij <- exp(t) G_ij. */
static void take_row(affinity *a, size_t r, size_t i, float scale) {
    size_t B = a->images->rows;
    float *s = a->s[0] + r * B, half = 0.5f / (float)B;
    const float *u = a->s[1] + r * B;
    double loss = 0, dt = 0;
    for (size_t j = 0; j < B; j++) {
        float row_q = s[j] - a->row[0][i], row_p = u[j] - a->row[1][i];
        float col_q = s[j] - a->column[0][j], col_p = u[j] - a->column[1][j];
        float p = expf(row_p), p2 = expf(col_p);
        float g = (expf(row_q) - p + expf(col_q) - p2) * half;
        loss += p * (row_p - row_q) + p2 * (col_p - col_q);
        dt += (double)g * s[j];
        s[j] = scale * g;
    }
    a->row_loss[r] = loss * half;
    a->row_dt[r] = dt;
}

static sns_status gradients(sns_tape *tape, affinity *a, double *loss, sns_error *err) {
    size_t B = a->images->rows, E = a->images->cols;
    float scale = expf(a->t.value.data[0]);
    for (size_t i0 = 0; i0 < B; i0 += ROWS) {
        size_t n = B - i0 < ROWS ? B - i0 : ROWS;
        sns_status s = block_logits(tape, a, i0, n, err);
        if (s) return s;
#pragma omp parallel for schedule(static) if (B >= 64)
        for (size_t r = 0; r < n; r++) take_row(a, r, i0 + r, scale);
        for (size_t r = 0; r < n; r++) *loss += a->row_loss[r], a->dt += a->row_dt[r];
        if (!a->dimages) continue;
        s = sns_gemm(false, false, n, E, B, a->s[0], B, a->texts->data, E, 0, a->dimages + i0 * E,
                     E, err);
        if (!s)
            s = sns_gemm(true, false, B, E, n, a->s[0], B, a->images->data + i0 * E, E, i0 ? 1 : 0,
                         a->dtexts, E, err);
        if (s) return s;
    }
    return SNS_OK;
}

static void affinity_backward(sns_tape *tape, void *context) {
    const affinity *a = context;
    const sns_kernels *k = sns_tape_kernels(tape);
    size_t n = a->images->rows * a->images->cols;
    float up = a->loss->grad[0];
    if (a->images->grad) k->axpy(a->images->grad, up, a->dimages, n);
    if (a->texts->grad) k->axpy(a->texts->grad, up, a->dtexts, n);
    if (a->t.value.grad) a->t.value.grad[0] += (float)(up * a->dt);
}

static bool allocate(sns_tape *tape, affinity *a) {
    size_t B = a->images->rows, n = B < ROWS ? B : ROWS;
    for (int m = 0; m < 2; m++) {
        a->s[m] = sns_tape_alloc(tape, n * B * sizeof(float));
        a->row[m] = sns_tape_alloc(tape, B * sizeof(float));
        a->column[m] = sns_tape_alloc(tape, B * sizeof(float));
        a->column_sum[m] = sns_tape_alloc(tape, B * sizeof(double));
    }
    a->row_loss = sns_tape_alloc(tape, n * sizeof(double));
    a->row_dt = sns_tape_alloc(tape, n * sizeof(double));
    return !sns_tape_status(tape, NULL);
}

sns_tensor *sns_affinity_loss(sns_tape *tape, sns_tensor *images, sns_tensor *texts,
                              const sns_param *logit_scale, const sns_teacher_view *teacher) {
    if (!images || !texts) return NULL;
    size_t B = images->rows, E = images->cols;
    if (texts->rows != B || texts->cols != E || !B || !teacher->width) {
        sns_tape_fail(tape, SNS_SHAPE, "affinity loss: %zu x %zu pictures, %zu x %zu texts", B, E,
                      texts->rows, texts->cols);
        return NULL;
    }
    affinity a = {.images = images, .texts = texts, .t = *logit_scale, .teacher = *teacher};
    if (!(a.loss = sns_tape_matrix(tape, 1, 1))) return NULL;
    if (sns_tape_recording(tape)) {
        a.dimages = sns_tape_alloc(tape, B * E * sizeof(float));
        a.dtexts = sns_tape_alloc(tape, B * E * sizeof(float));
    }
    sns_arena_mark mark = sns_arena_get_mark(sns_tape_arena(tape));
    sns_error err;
    double loss = 0;
    if (!allocate(tape, &a)) return NULL;
    sns_status s = log_sums(tape, &a, &err);
    if (!s) s = gradients(tape, &a, &loss, &err);
    sns_arena_release(sns_tape_arena(tape), mark);
    if (s) sns_tape_fail(tape, s, "affinity loss: %s", err.message);
    a.loss->data[0] = (float)loss;
    affinity *node = sns_tape_push(tape, affinity_backward, sizeof *node);
    if (node) *node = a;
    return sns_tape_status(tape, NULL) ? NULL : a.loss;
}

typedef struct regression {
    sns_tensor *x, *loss;
    const float *target;
} regression;

static void feature_backward(sns_tape *tape, void *context) {
    const regression *f = context;
    if (!f->x->grad) return;
    size_t n = f->x->rows * f->x->cols;
    float twice = 2 * f->loss->grad[0] / (float)f->x->rows;
    sns_tape_kernels(tape)->axpy(f->x->grad, twice, f->x->data, n);
    sns_tape_kernels(tape)->axpy(f->x->grad, -twice, f->target, n);
}

sns_tensor *sns_feature_loss(sns_tape *tape, sns_tensor *x, const float *target, size_t C) {
    if (!x) return NULL;
    if (x->cols != C || !x->rows) {
        sns_tape_fail(tape, SNS_SHAPE, "feature loss: %zu columns, the teacher has %zu", x->cols,
                      C);
        return NULL;
    }
    regression f = {x, sns_tape_matrix(tape, 1, 1), target};
    if (!f.loss) return NULL;
    double sum = 0;
    for (size_t i = 0; i < x->rows * C; i++) {
        double d = (double)x->data[i] - target[i];
        sum += d * d;
    }
    f.loss->data[0] = (float)(sum / (double)x->rows);
    regression *node = sns_tape_push(tape, feature_backward, sizeof *node);
    if (node) *node = f;
    return sns_tape_status(tape, NULL) ? NULL : f.loss;
}
