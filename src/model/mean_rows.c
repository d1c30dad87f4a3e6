/* mean_rows.c - means over the rows of each sequence.
 *
 *   sns_mean_rows   y [n, C]: the mean of sequence i's rows, the bag of words of a text
 *   sns_mean_token  y [B (1 + P), C]: before each picture's P rows their mean, then to every row
 * its position's: what CLIP's attention pooling reads A row's gradient is dy / length of its
 * sequence, plus, for sns_mean_token, that of its copy. */
#include "model/layer_util.h"

typedef struct mean_rows {
    sns_tensor *x, *y;
    const size_t *starts; /* [n + 1] */
} mean_rows;

static void mean_rows_backward(sns_tape *t, void *context) {
    const mean_rows *m = context;
    const sns_kernels *k = sns_tape_kernels(t);
    size_t n = m->y->rows, C = m->y->cols;
    if (!m->x->grad) return;
#pragma omp parallel for schedule(static) if (m->x->rows * C > SNS_CHUNK_FLOATS)
    for (size_t i = 0; i < n; i++) {
        float share = 1 / (float)(m->starts[i + 1] - m->starts[i]);
        for (size_t r = m->starts[i]; r < m->starts[i + 1]; r++)
            k->axpy(m->x->grad + r * C, share, m->y->grad + i * C, C);
    }
}

/* y [C] = mean of rows x [n, C] */
static void mean_of(const sns_kernels *k, float *y, const float *x, size_t n, size_t C) {
    memset(y, 0, C * sizeof *y);
    for (size_t r = 0; r < n; r++) k->add(y, x + r * C, C);
    k->scale(y, 1 / (float)n, C);
}

/* A copy of starts in the arena; NULL when they are not the bounds of sequences of x. */
static const size_t *take_starts(sns_tape *t, const size_t *starts, size_t n, size_t rows) {
    size_t *copy = sns_tape_alloc(t, (n + 1) * sizeof *copy);
    if (!copy) return NULL;
    memcpy(copy, starts, (n + 1) * sizeof *copy);
    bool ordered = copy[0] == 0 && copy[n] == rows;
    for (size_t i = 0; ordered && i < n; i++) ordered = copy[i] < copy[i + 1];
    if (ordered) return copy;
    sns_tape_fail(t, SNS_ARG, "mean: a sequence is empty or the starts do not fit %zu rows", rows);
    return NULL;
}

sns_tensor *sns_mean_rows(sns_tape *t, sns_tensor *x, const size_t *starts, size_t n) {
    if (!sns_layer_ready(t, "mean", x)) return NULL;
    size_t C = x->cols;
    mean_rows m = {.x = x, .y = sns_tape_matrix(t, n, C)};
    if (!m.y || !(m.starts = take_starts(t, starts, n, x->rows))) return NULL;
    const sns_kernels *k = sns_tape_kernels(t);
#pragma omp parallel for schedule(static) if (x->rows * C > SNS_CHUNK_FLOATS)
    for (size_t i = 0; i < n; i++)
        mean_of(k, m.y->data + i * C, x->data + starts[i] * C, starts[i + 1] - starts[i], C);
    mean_rows *node = sns_tape_push(t, mean_rows_backward, sizeof *node);
    if (node) *node = m;
    return sns_tape_status(t, NULL) ? NULL : m.y;
}

typedef struct mean_token {
    sns_tensor *x, *y;
    sns_param positions;
    size_t B, P;
} mean_token;

static void mean_token_backward(sns_tape *t, void *context) {
    const mean_token *m = context;
    const sns_kernels *k = sns_tape_kernels(t);
    size_t B = m->B, P = m->P, C = m->y->cols;
    float *dpositions = m->positions.value.grad;
    if (dpositions) {
#pragma omp parallel for schedule(static) if (m->y->rows * C > SNS_CHUNK_FLOATS)
        for (size_t p = 0; p < 1 + P; p++)
            for (size_t b = 0; b < B; b++)
                k->add(dpositions + p * C, m->y->grad + (b * (1 + P) + p) * C, C);
    }
    if (!m->x->grad) return;
#pragma omp parallel for schedule(static) if (m->y->rows * C > SNS_CHUNK_FLOATS)
    for (size_t i = 0; i < B * P; i++) {
        const float *first = m->y->grad + i / P * (1 + P) * C;
        k->add(m->x->grad + i * C, first + (1 + i % P) * C, C);
        k->axpy(m->x->grad + i * C, 1 / (float)P, first, C);
    }
}

sns_tensor *sns_mean_token(sns_tape *t, sns_tensor *x, const sns_param *positions, size_t B) {
    const char *name = "attention pooling";
    if (!sns_layer_ready(t, name, x) || !sns_layer_ready(t, name, &positions->value)) return NULL;
    size_t C = x->cols, P = B ? x->rows / B : 0;
    if (!P || x->rows % B || positions->value.cols != C || positions->value.rows != 1 + P) {
        sns_tape_fail(t, SNS_SHAPE, "%s: %zu rows of %zu pictures do not fit %zu positions", name,
                      x->rows, B, positions->value.rows);
        return NULL;
    }
    mean_token m = {.x = x, .positions = *positions, .B = B, .P = P};
    if (!(m.y = sns_tape_matrix(t, B * (1 + P), C))) return NULL;
    const sns_kernels *k = sns_tape_kernels(t);
#pragma omp parallel for schedule(static) if (m.y->rows * C > SNS_CHUNK_FLOATS)
    for (size_t b = 0; b < B; b++) {
        float *y = m.y->data + b * (1 + P) * C;
        mean_of(k, y, x->data + b * P * C, P, C);
        memcpy(y + C, x->data + b * P * C, P * C * sizeof *y);
        k->add(y, positions->value.data, (1 + P) * C);
    }
    mean_token *node = sns_tape_push(t, mean_token_backward, sizeof *node);
    if (node) *node = m;
    return sns_tape_status(t, NULL) ? NULL : m.y;
}
