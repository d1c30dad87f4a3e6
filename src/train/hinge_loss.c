/* hinge_loss.c - the ranking loss of visual-semantic embeddings.
 *
 * Kiros et al. 2014, "Unifying Visual-Semantic Embeddings with Multimodal Neural Language Models",
 * equation 1, with the batch's other pairs as the contrastive v_k and x_k:
 *     min sum_x sum_k max(0, margin - s(x, v) + s(x, v_k)) + sum_v sum_k max(0, margin - s(v, x) +
 *         s(v, x_k))
 * s_ij = I_i . T_j, the cosine; no temperature. Divided by B, so that it does not grow with the
 * batch except through the number of negatives. With G = dL/dS:
 *     G_ij = ([margin - s_ii + s_ij > 0] + [margin - s_jj + s_ij > 0]) / B    j != i
 *     G_ii = -(hinges above 0 in row i and in column i) / B
 *     dI += G T,   dT += G^T I
 * A hinge needs s_ij and the diagonal only. The diagonal comes first, so S is computed and turned
 * into G a block of pictures at a time: memory grows with B, not with its square. */
#include "train/hinge_loss.h"
#include "train/ranking.h"

enum { ROWS = 256 }; /* pictures in a block */

/* Pictures i0 ... i0 + n - 1 against all texts; s [n, B] is scratch. */
static sns_status take_block(const sns_kernels *k, sns_ranking *r, size_t i0, size_t n, float *s,
                             sns_error *err) {
    size_t B = r->images->rows, E = r->images->cols;
    const float *I = r->images->data + i0 * E, *T = r->texts->data;
    sns_status st = sns_gemm(false, true, n, B, E, I, E, T, E, 0, s, B, err);
    if (st) return st;
    sns_ranking_hinges(r, s, i0, n);
    if (!r->dimages) return SNS_OK;
    k->scale(s, 1 / (float)B, n * B);
    st = sns_gemm(false, false, n, E, B, s, B, T, E, 0, r->dimages + i0 * E, E, err);
    return st ? st : sns_gemm(true, false, B, E, n, s, B, I, E, 1, r->dtexts, E, err);
}

/* What the diagonal of G gives. */
static void true_pairs(const sns_kernels *k, const sns_ranking *r) {
    size_t B = r->images->rows, E = r->images->cols;
    for (size_t i = 0; i < B && r->dimages; i++) {
        float g = -r->active[i] / (float)B;
        k->axpy(r->dimages + i * E, g, r->texts->data + i * E, E);
        k->axpy(r->dtexts + i * E, g, r->images->data + i * E, E);
    }
}

static sns_status take_all(sns_tape *tape, sns_ranking *r, sns_error *err) {
    const sns_kernels *k = sns_tape_kernels(tape);
    size_t B = r->images->rows, E = r->images->cols, n = B < ROWS ? B : ROWS;
    sns_arena_mark mark = sns_arena_get_mark(sns_tape_arena(tape));
    float *s = sns_tape_alloc(tape, n * B * sizeof *s);
    sns_status st = sns_tape_status(tape, err);
    for (size_t i = 0; i < B; i++)
        r->own[i] = k->dot(r->images->data + i * E, r->texts->data + i * E, E);
    for (size_t i = 0; i < B && !st; i += n)
        st = take_block(k, r, i, B - i < n ? B - i : n, s, err);
    sns_arena_release(sns_tape_arena(tape), mark);
    true_pairs(k, r);
    return st;
}

sns_tensor *sns_hinge_loss(sns_tape *tape, sns_tensor *images, sns_tensor *texts, float margin,
                           size_t *correct) {
    static const char name[] = "hinge loss";
    sns_ranking r;
    sns_error err;
    if (!sns_ranking_open(tape, name, images, texts, margin, &r)) return NULL;
    sns_status s = take_all(tape, &r, &err);
    return sns_ranking_close(tape, name, &r, s, &err, correct);
}
