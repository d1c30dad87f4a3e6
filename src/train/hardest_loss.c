/* hardest_loss.c - the ranking loss with the hardest negatives of the batch.
 *
 * Faghri et al. 2018, "VSE++: Improving Visual-Semantic Embeddings with Hard Negatives", equation
 * 6, averaged over the batch; s_ij = I_i . T_j, the cosine:
 *     j' = argmax_{j != i} s_ij,   i' = argmax_{k != i} s_ki            the first where several are
 *     L  = 1/B sum_i max(0, margin - s_ii + s_ij') + max(0, margin - s_ii + s_i'i)
 * Where the first hinge of pair i is above 0:
 *     dI_i += (T_j' - T_i) / B,   dT_j' += I_i / B,   dT_i -= I_i / B
 * and where the second is:
 *     dT_i += (I_i' - I_i) / B,   dI_i' += T_i / B,   dI_i -= T_i / B
 * S exists a block of rows at a time, and G has 4 B entries at most, so there is no second product.
 * A text that fits two pictures of a batch is a negative here, and the hardest one: the sampler,
 * which never puts a concept into a batch twice, matters more than for the other losses. */
#include "train/hinge_loss.h"
#include "train/ranking.h"
#include <math.h>

enum { ROWS = 256, COLUMNS = 64 }; /* pictures in a block; texts in a thread's share */

typedef struct rival {
    float score; /* -INFINITY: none */
    uint32_t at;
} rival;

typedef struct rivals {
    rival *of_image, *of_text; /* [B] */
} rivals;

static void take_row(sns_ranking *r, const rivals *v, const float *row, size_t i) {
    size_t B = r->images->rows;
    rival best = {-INFINITY, 0};
    for (size_t j = 0; j < B; j++)
        if (j != i && row[j] > best.score) best = (rival){row[j], (uint32_t)j};
    v->of_image[i] = best;
    r->hit[i] = sns_ranking_hit(row, B, i);
}

static sns_status take_block(sns_ranking *r, const rivals *v, size_t i0, size_t n, float *s,
                             sns_error *err) {
    size_t B = r->images->rows, E = r->images->cols, ranges = (B + COLUMNS - 1) / COLUMNS;
    sns_status st = sns_gemm(false, true, n, B, E, r->images->data + i0 * E, E, r->texts->data, E,
                             0, s, B, err);
    if (st) return st;
#pragma omp parallel for schedule(static) if (n * B > 4096)
    for (size_t i = 0; i < n; i++) take_row(r, v, s + i * B, i0 + i);
#pragma omp parallel for schedule(static) if (n * B > 4096)
    for (size_t c = 0; c < ranges; c++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = c * COLUMNS; j < B && j < (c + 1) * COLUMNS; j++)
                if (j != i0 + i && s[i * B + j] > v->of_text[j].score)
                    v->of_text[j] = (rival){s[i * B + j], (uint32_t)(i0 + i)};
    return SNS_OK;
}

/* One hinge of pair i: its rows x and y, z the rival's row on y's side; dx, dy, dz. */
static void push(const sns_kernels *k, size_t E, float g, const float *x, const float *y,
                 const float *z, float *dx, float *dy, float *dz) {
    k->axpy(dx, g, z, E);
    k->axpy(dx, -g, y, E);
    k->axpy(dy, -g, x, E);
    k->axpy(dz, g, x, E);
}

/* In the order of the pairs: rivals are shared. */
static void take_pairs(const sns_kernels *k, sns_ranking *r, const rivals *v) {
    size_t B = r->images->rows, E = r->images->cols;
    const float *I = r->images->data, *T = r->texts->data;
    float *dI = r->dimages, *dT = r->dtexts, g = 1 / (float)B;
    for (size_t i = 0; i < B; i++) {
        float text = r->margin - r->own[i] + v->of_image[i].score;
        float image = r->margin - r->own[i] + v->of_text[i].score;
        size_t j = v->of_image[i].at * E, h = v->of_text[i].at * E, at = i * E;
        r->row_loss[i] = (double)(text > 0 ? text : 0) + (double)(image > 0 ? image : 0);
        if (!dI) continue;
        if (text > 0) push(k, E, g, I + at, T + at, T + j, dI + at, dT + at, dT + j);
        if (image > 0) push(k, E, g, T + at, I + at, I + h, dT + at, dI + at, dI + h);
    }
}

static sns_status take_all(sns_tape *tape, sns_ranking *r, sns_error *err) {
    const sns_kernels *k = sns_tape_kernels(tape);
    size_t B = r->images->rows, E = r->images->cols, n = B < ROWS ? B : ROWS;
    sns_arena_mark mark = sns_arena_get_mark(sns_tape_arena(tape));
    float *s = sns_tape_alloc(tape, n * B * sizeof *s);
    rivals v = {sns_tape_alloc(tape, B * sizeof(rival)), sns_tape_alloc(tape, B * sizeof(rival))};
    sns_status st = sns_tape_status(tape, err);
    for (size_t i = 0; i < B && !st; i++) {
        v.of_text[i] = (rival){-INFINITY, 0};
        r->own[i] = k->dot(r->images->data + i * E, r->texts->data + i * E, E);
    }
    for (size_t i = 0; i < B && !st; i += n)
        st = take_block(r, &v, i, B - i < n ? B - i : n, s, err);
    if (!st) take_pairs(k, r, &v);
    sns_arena_release(sns_tape_arena(tape), mark);
    return st;
}

sns_tensor *sns_hardest_loss(sns_tape *tape, sns_tensor *images, sns_tensor *texts, float margin,
                             size_t *correct) {
    static const char name[] = "hardest-negative loss";
    sns_ranking r;
    sns_error err;
    if (!sns_ranking_open(tape, name, images, texts, margin, &r)) return NULL;
    sns_status s = take_all(tape, &r, &err);
    return sns_ranking_close(tape, name, &r, s, &err, correct);
}
