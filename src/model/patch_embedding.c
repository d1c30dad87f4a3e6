/* patch_embedding.c - a picture as a sequence: one class token, then its patches row by row.
 *
 * Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words". Pixels [B, D, H, W], patches of P x P,
 * n = (H / P) (W / P) of them, K = D P P:
 *   cols [B n, K]  (channel, row, column of each patch: the order of the weight [C, D, P, P])
 *   rows [B n, C] = cols W^T + b
 *   y [B (1 + n), C] = (class | rows of the picture) + positions [1 + n, C]
 * Without a class token (SigLIP) the 1 is a 0. */
#include "model/layer_util.h"

typedef struct patches {
    sns_tensor *pixels, *y;
    sns_param W, bias, class_token, positions;
    size_t B, D, rows, cols_px, P, n, C, K; /* n: patches of a picture */
    size_t lead; /* rows before the patches: 1 with a class token, else 0 */
    float *cols; /* [B n, K] */
} patches;

/* Copy patch `i` of a picture [D, H, W] out to (or, when `back`, add it in from) K floats. */
static void copy_patch(const patches *p, float *picture, size_t i, float *col, bool back) {
    size_t across = p->cols_px / p->P, top = i / across * p->P, left = i % across * p->P;
    for (size_t c = 0; c < p->D; c++) {
        for (size_t r = 0; r < p->P; r++, col += p->P) {
            float *at = picture + (c * p->rows + top + r) * p->cols_px + left;
            if (!back) memcpy(col, at, p->P * sizeof(float));
            for (size_t j = 0; back && j < p->P; j++) at[j] += col[j];
        }
    }
}

static void copy_patches(const patches *p, float *pixels, float *cols, bool back) {
    size_t n = p->n, picture = p->D * p->rows * p->cols_px;
#pragma omp parallel for schedule(static) if (p->B * n * p->K > SNS_CHUNK_FLOATS)
    for (size_t i = 0; i < p->B * n; i++)
        copy_patch(p, pixels + i / n * picture, i % n, cols + i * p->K, back);
}

/* Sums over pictures, in their order, of dy's row `place`. */
static void sum_places(const sns_kernels *k, const patches *p, size_t place, float *sum) {
    size_t n = p->lead + p->n;
    for (size_t b = 0; b < p->B; b++) k->add(sum, p->y->grad + (b * n + place) * p->C, p->C);
}

static sns_status patch_gradients(sns_tape *t, const patches *p, const float *drows,
                                  sns_error *err) {
    size_t N = p->B * p->n;
    if (p->W.value.grad) {
        sns_status s = sns_tape_gemm(t)(true, false, p->C, p->K, N, drows, p->C, p->cols, p->K, 1,
                                        p->W.value.grad, p->K, err);
        if (s) return s;
    }
    if (p->bias.value.grad)
        for (size_t i = 0; i < N; i++)
            sns_tape_kernels(t)->add(p->bias.value.grad, drows + i * p->C, p->C);
    if (!p->pixels->grad) return SNS_OK;
    float *dcols = sns_tape_alloc(t, N * p->K * sizeof *dcols);
    if (!dcols) return sns_tape_status(t, err);
    sns_status s = sns_tape_gemm(t)(false, false, N, p->K, p->C, drows, p->C, p->W.value.data, p->K,
                                    0, dcols, p->K, err);
    if (!s) copy_patches(p, p->pixels->grad, dcols, true);
    return s;
}

static void patches_backward(sns_tape *t, void *context) {
    const patches *p = context;
    const sns_kernels *k = sns_tape_kernels(t);
    size_t n = p->n, C = p->C;
    if (p->class_token.value.grad) sum_places(k, p, 0, p->class_token.value.grad);
    if (p->positions.value.grad) {
#pragma omp parallel for schedule(static) if (p->B * n * C > SNS_CHUNK_FLOATS)
        for (size_t i = 0; i < p->lead + n; i++)
            sum_places(k, p, i, p->positions.value.grad + i * C);
    }
    if (!p->W.value.grad && !p->bias.value.grad && !p->pixels->grad) return;
    sns_arena_mark mark = sns_arena_get_mark(sns_tape_arena(t));
    float *drows = sns_tape_alloc(t, p->B * n * C * sizeof *drows);
    if (!drows) return;
    for (size_t b = 0; b < p->B; b++)
        memcpy(drows + b * n * C, p->y->grad + (b * (p->lead + n) + p->lead) * C,
               n * C * sizeof *drows);
    sns_error err;
    sns_status s = patch_gradients(t, p, drows, &err);
    if (s) sns_tape_fail(t, s, "gradient of the patch embedding: %s", err.message);
    sns_arena_release(sns_tape_arena(t), mark);
}

/* y from the patches' rows. */
static void place_rows(const sns_kernels *k, const patches *p, const float *rows) {
    size_t lead = p->lead, n = lead + p->n, C = p->C;
#pragma omp parallel for schedule(static) if (p->B * n * C > SNS_CHUNK_FLOATS)
    for (size_t i = 0; i < p->B * n; i++) {
        size_t b = i / n, place = i % n;
        const float *from = place >= lead ? rows + (b * (n - lead) + place - lead) * C
                                          : p->class_token.value.data;
        memcpy(p->y->data + i * C, from, C * sizeof(float));
        k->add(p->y->data + i * C, p->positions.value.data + place * C, C);
    }
}

static sns_status forward(sns_tape *t, const patches *p, sns_error *err) {
    size_t N = p->B * p->n;
    const float *bias = p->bias.value.data;
    sns_arena_mark mark = sns_arena_get_mark(sns_tape_arena(t));
    float *rows = sns_tape_alloc(t, N * p->C * sizeof *rows);
    if (!rows) return sns_tape_status(t, err);
    copy_patches(p, p->pixels->data, p->cols, false);
    sns_status s;
    if (p->W.packed) {
        s = sns_packed_run(p->W.packed, N, p->cols, bias, SNS_ACT_NONE, NULL, rows, err);
    } else {
        s = sns_tape_gemm(t)(false, true, N, p->C, p->K, p->cols, p->K, p->W.value.data, p->K, 0,
                             rows, p->C, err);
        for (size_t i = 0; !s && bias && i < N; i++)
            sns_tape_kernels(t)->add(rows + i * p->C, bias, p->C);
    }
    if (!s) place_rows(sns_tape_kernels(t), p, rows);
    sns_arena_release(sns_tape_arena(t), mark);
    return s;
}

static bool shapes_fit(const sns_tensor *x, const sns_param *W, const sns_param *bias,
                       const sns_param *class_token, const sns_param *positions, size_t P) {
    if (x->dims != 4 || !P || x->dim[2] % P || x->dim[3] % P) return false;
    size_t n = (x->dim[2] / P) * (x->dim[3] / P), C = W->value.dim[0];
    return W->value.dims && W->value.rows * W->value.cols == C * x->dim[1] * P * P &&
           (!class_token || class_token->value.cols == C) && positions->value.cols == C &&
           positions->value.rows == (class_token ? 1 : 0) + n && (!bias || bias->value.cols == C);
}

sns_tensor *sns_patch_embedding(sns_tape *t, sns_tensor *pixels, const sns_param *W,
                                const sns_param *bias, const sns_param *class_token,
                                const sns_param *positions, size_t patch_px) {
    const char *name = "patch embedding";
    if (!sns_layer_ready(t, name, pixels) ||
        (class_token && !sns_layer_ready(t, name, &class_token->value)) ||
        !sns_layer_ready(t, name, &positions->value) ||
        (!W->packed && !sns_layer_ready(t, name, &W->value)))
        return NULL;
    if (!shapes_fit(pixels, W, bias, class_token, positions, patch_px)) {
        sns_tape_fail(t, SNS_SHAPE, "%s: pixels, weight and positions do not fit", name);
        return NULL;
    }
    const size_t *d = pixels->dim;
    size_t n = (d[2] / patch_px) * (d[3] / patch_px), C = W->value.dim[0];
    patches p = {.pixels = pixels,
                 .W = *W,
                 .lead = class_token ? 1 : 0,
                 .positions = *positions,
                 .B = d[0],
                 .D = d[1],
                 .rows = d[2],
                 .cols_px = d[3],
                 .P = patch_px,
                 .n = n,
                 .C = C,
                 .K = d[1] * patch_px * patch_px};
    if (bias) p.bias = *bias;
    if (class_token) p.class_token = *class_token;
    if (!(p.y = sns_tape_matrix(t, p.B * (p.lead + n), C))) return NULL;
    sns_arena_mark mark = sns_tape_mark(t);
    if (!(p.cols = sns_tape_alloc(t, p.B * n * p.K * sizeof(float)))) return NULL;
    sns_error err;
    sns_status s = forward(t, &p, &err);
    if (s) sns_tape_fail(t, s, "%s: %s", name, err.message);
    sns_tape_release(t, mark);
    patches *node = sns_tape_push(t, patches_backward, sizeof *node);
    if (node) *node = p;
    return sns_tape_status(t, NULL) ? NULL : p.y;
}
