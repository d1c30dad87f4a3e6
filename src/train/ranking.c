/* ranking.c - hinges by blocks of rows; opening and closing a ranking loss. */
#include "train/ranking.h"

enum { COLUMNS = 64 }; /* a thread's share of the columns: sums don't depend on the thread count */

static void *zeros(sns_tape *tape, size_t n, size_t size) {
    void *block = sns_tape_alloc(tape, n * size);
    return block ? memset(block, 0, n * size) : NULL;
}

bool sns_ranking_open(sns_tape *tape, const char *name, sns_tensor *images, sns_tensor *texts,
                      float margin, sns_ranking *r) {
    if (!images || !texts) return false;
    size_t B = images->rows, E = images->cols;
    *r = (sns_ranking){.images = images, .texts = texts, .margin = margin};
    if (texts->rows != B || texts->cols != E || !B) {
        sns_tape_fail(tape, SNS_SHAPE, "%s: %zu x %zu pictures, %zu x %zu texts", name, B, E,
                      texts->rows, texts->cols);
        return false;
    }
    r->loss = sns_tape_matrix(tape, 1, 1);
    if (sns_tape_recording(tape)) {
        r->dimages = zeros(tape, B * E, sizeof(float));
        r->dtexts = zeros(tape, B * E, sizeof(float));
    }
    r->own = zeros(tape, B, sizeof(float));
    r->active = zeros(tape, B, sizeof(float));
    r->row_loss = zeros(tape, B, sizeof(double));
    r->hit = zeros(tape, B, 1);
    return !sns_tape_status(tape, NULL);
}

bool sns_ranking_hit(const float *row, size_t B, size_t i) {
    for (size_t j = 0; j < B; j++)
        if (j != i && row[j] >= row[i]) return false;
    return true;
}

/* Texts j0 ... j1 - 1: the pictures of the block that come too near. */
static void count_columns(sns_ranking *r, const float *s, size_t i0, size_t n, size_t j0,
                          size_t j1) {
    size_t B = r->images->rows;
    for (size_t i = 0; i < n; i++)
        for (size_t j = j0; j < j1; j++)
            if (j != i0 + i && r->margin - r->own[j] + s[i * B + j] > 0) r->active[j] += 1;
}

static void take_row(sns_ranking *r, float *row, size_t i) {
    size_t B = r->images->rows, active = 0;
    double loss = 0;
    r->hit[i] = sns_ranking_hit(row, B, i);
    for (size_t j = 0; j < B; j++) {
        float text = r->margin - r->own[i] + row[j], picture = r->margin - r->own[j] + row[j];
        if (j == i) text = picture = 0;
        loss += (double)(text > 0 ? text : 0) + (double)(picture > 0 ? picture : 0);
        active += text > 0;
        row[j] = (float)((text > 0) + (picture > 0));
    }
    r->active[i] += (float)active;
    r->row_loss[i] += loss;
}

void sns_ranking_hinges(sns_ranking *r, float *s, size_t i0, size_t n) {
    size_t B = r->images->rows, ranges = (B + COLUMNS - 1) / COLUMNS;
#pragma omp parallel for schedule(static) if (n * B > 4096)
    for (size_t c = 0; c < ranges; c++) {
        size_t j0 = c * COLUMNS, j1 = j0 + COLUMNS < B ? j0 + COLUMNS : B;
        count_columns(r, s, i0, n, j0, j1);
    }
#pragma omp parallel for schedule(static) if (n * B > 4096)
    for (size_t i = 0; i < n; i++) take_row(r, s + i * B, i0 + i);
}

static void ranking_backward(sns_tape *tape, void *context) {
    const sns_ranking *r = context;
    const sns_kernels *k = sns_tape_kernels(tape);
    size_t n = r->images->rows * r->images->cols;
    float up = r->loss->grad[0];
    if (r->images->grad) k->axpy(r->images->grad, up, r->dimages, n);
    if (r->texts->grad) k->axpy(r->texts->grad, up, r->dtexts, n);
}

sns_tensor *sns_ranking_close(sns_tape *tape, const char *name, const sns_ranking *r, sns_status s,
                              const sns_error *err, size_t *correct) {
    size_t B = r->images->rows, hits = 0;
    double loss = 0;
    if (s) {
        sns_tape_fail(tape, s, "%s: %s", name, err->message);
        return NULL;
    }
    for (size_t i = 0; i < B; i++) {
        loss += r->row_loss[i];
        hits += r->hit[i];
    }
    r->loss->data[0] = (float)(loss / (double)B);
    if (correct) *correct = hits;
    if (sns_tape_recording(tape)) {
        sns_ranking *node = sns_tape_push(tape, ranking_backward, sizeof *node);
        if (node) *node = *r;
    }
    return sns_tape_status(tape, NULL) ? NULL : r->loss;
}
