/* order_loss.c - the ranking loss of order embeddings.
 *
 * Vendrov et al. 2016, "Order-Embeddings of Images and Language", sections 3 and 4.2. In the
 * reversed product order on vectors without negative numbers, x is below y when no coordinate of y
 * is larger than x's: a picture is below every text that is true of it, and has at least as much of
 * everything. How far that is violated, and the score of a pair, are
 *     E(x, y) = |max(0, y - x)|^2,   s_ij = -E(I_i, T_j)
 * which is not symmetric: E(x, y) + E(y, x) = |x - y|^2, so for unit vectors the cosine is the mean
 * of both ways. The loss is Kiros et al.'s sum of hinges over these scores (hinge_loss.c), the
 * paper's margin 0.05. With G = dL/dS as there and d_ij = max(0, T_j - I_i):
 *     dI_i += 2 sum_j G_ij d_ij,   dT_j -= 2 sum_i G_ij d_ij
 * There is no product of matrices in it: a step costs B^2 E operations on vectors. The model takes
 * the absolute values of its features before they get length 1 (sns_clip_config.absolute). */
#include "train/order_loss.h"
#include "train/ranking.h"

enum { ROWS = 256, LANES = 16 }; /* pictures in a block; sums side by side, in a fixed order */

/* E(x, y) */
static float violation(const float *x, const float *y, size_t E) {
    float lane[LANES] = {0}, sum = 0;
    size_t e = 0;
    for (; e + LANES <= E; e += LANES)
        for (size_t l = 0; l < LANES; l++) {
            float d = y[e + l] - x[e + l];
            d = d > 0 ? d : 0;
            lane[l] += d * d;
        }
    for (size_t l = 0; l < LANES; l++) sum += lane[l];
    for (; e < E; e++) {
        float d = y[e] - x[e];
        sum += d > 0 ? d * d : 0;
    }
    return sum;
}

/* out += g max(0, y - x) */
static void add_excess(float *out, float g, const float *x, const float *y, size_t E) {
    for (size_t e = 0; e < E; e++) {
        float d = y[e] - x[e];
        out[e] += g * (d > 0 ? d : 0);
    }
}

/* Pictures i0 ... i0 + n - 1 against all texts; s [n, B] is scratch. */
static void take_block(sns_ranking *r, size_t i0, size_t n, float *s) {
    size_t B = r->images->rows, E = r->images->cols;
    const float *I = r->images->data + i0 * E, *T = r->texts->data;
    float *dI = r->dimages ? r->dimages + i0 * E : NULL, *dT = r->dtexts, twice = 2 / (float)B;
#pragma omp parallel for schedule(static) if (n * B * E > 65536)
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < B; j++) s[i * B + j] = -violation(I + i * E, T + j * E, E);
    sns_ranking_hinges(r, s, i0, n);
    if (!dI) return;
#pragma omp parallel for schedule(static) if (n * B * E > 65536)
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < B; j++)
            if (s[i * B + j] > 0)
                add_excess(dI + i * E, twice * s[i * B + j], I + i * E, T + j * E, E);
#pragma omp parallel for schedule(static) if (n * B * E > 65536)
    for (size_t j = 0; j < B; j++)
        for (size_t i = 0; i < n; i++)
            if (s[i * B + j] > 0)
                add_excess(dT + j * E, -twice * s[i * B + j], I + i * E, T + j * E, E);
}

/* What the diagonal of G gives. */
static void true_pairs(const sns_ranking *r) {
    size_t B = r->images->rows, E = r->images->cols;
    for (size_t i = 0; i < B && r->dimages; i++) {
        const float *x = r->images->data + i * E, *y = r->texts->data + i * E;
        float g = 2 * r->active[i] / (float)B;
        add_excess(r->dimages + i * E, -g, x, y, E);
        add_excess(r->dtexts + i * E, g, x, y, E);
    }
}

sns_tensor *sns_order_loss(sns_tape *tape, sns_tensor *images, sns_tensor *texts, float margin,
                           size_t *correct) {
    static const char name[] = "order loss";
    sns_ranking r;
    sns_error err;
    if (!sns_ranking_open(tape, name, images, texts, margin, &r)) return NULL;
    size_t B = images->rows, E = images->cols, n = B < ROWS ? B : ROWS;
    sns_arena_mark mark = sns_arena_get_mark(sns_tape_arena(tape));
    float *s = sns_tape_alloc(tape, n * B * sizeof *s);
    for (size_t i = 0; i < B; i++)
        r.own[i] = -violation(images->data + i * E, texts->data + i * E, E);
    for (size_t i = 0; i < B && s; i += n) take_block(&r, i, B - i < n ? B - i : n, s);
    true_pairs(&r);
    sns_arena_release(sns_tape_arena(tape), mark);
    return sns_ranking_close(tape, name, &r, sns_tape_status(tape, &err), &err, correct);
}
