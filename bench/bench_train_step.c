/* bench_train_step.c - how long a training step of CLIP takes: both towers forward and backward,
 * the contrastive loss and AdamW, on random pictures and texts of T tokens.
 *
 *   bench_train_step [b32 | tiny | small] [B] [steps] [T] [bf16] [drop]   one line: seconds of the
 *                                                             best step, pictures/s, the share of
 *                                                             its time that is matrix products
 *   bench_train_step b32 | tiny B serve T [bf16] [drop]       in turn with a peer (bench_turns.h)
 * drop: two blocks in three drop their inside (--checkpoint-activations 0.67).
 */
#include "base/rng.h"
#include "bench_geometry.h"
#include "bench_turns.h"
#include <math.h>
#include <time.h>

static double product_s; /* in matrix products so far */

static double now_s(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct bench {
    sns_clip_config c;
    sns_layout layout;
    sns_clip *m;
    float *data, *grad, *m1, *m2, *pixels;
    uint32_t *ids;
    size_t *starts, B, T;
    sns_tape *image, *text;
    int steps;    /* done */
    bool bf16;    /* products of bfloat16 operands */
    double drops; /* share of the blocks that checkpoint */
} bench;

/* The products with their time kept. Layers call them from one thread. */
static sns_status timed_product(bool transpose_a, bool transpose_b, size_t M, size_t N, size_t K,
                                const float *A, size_t lda, const float *B, size_t ldb, float beta,
                                float *C, size_t ldc, sns_error *err) {
    double start = now_s(CLOCK_MONOTONIC);
    sns_status s = sns_gemm(transpose_a, transpose_b, M, N, K, A, lda, B, ldb, beta, C, ldc, err);
    product_s += now_s(CLOCK_MONOTONIC) - start;
    return s;
}

static sns_status timed_bf16_product(bool transpose_a, bool transpose_b, size_t M, size_t N,
                                     size_t K, const float *A, size_t lda, const float *B,
                                     size_t ldb, float beta, float *C, size_t ldc, sns_error *err) {
    double start = now_s(CLOCK_MONOTONIC);
    sns_status s = sns_gemm_bf16(transpose_a, transpose_b, M, N, K, A, lda, B, ldb, beta, C, ldc,
                                 err);
    product_s += now_s(CLOCK_MONOTONIC) - start;
    return s;
}

static bool bench_open(bench *b) {
    sns_error err;
    if (sns_clip_layout(&b->c, &b->layout, &err) || sns_clip_new(&b->c, &b->m, &err)) return false;
    size_t bytes = b->layout.total * sizeof(float), S = b->c.image_px, pixels = b->B * 3 * S * S;
    b->data = sns_aligned_calloc(bytes);
    b->grad = sns_aligned_calloc(bytes);
    b->m1 = sns_aligned_calloc(bytes);
    b->m2 = sns_aligned_calloc(bytes);
    b->pixels = sns_aligned_alloc(pixels * sizeof(float));
    b->ids = malloc(b->B * b->T * sizeof *b->ids);
    b->starts = malloc((b->B + 1) * sizeof *b->starts);
    b->image = sns_tape_new(sns_kernels_get(), true);
    b->text = sns_tape_new(sns_kernels_get(), true);
    if (!b->data || !b->grad || !b->m1 || !b->m2 || !b->pixels || !b->ids || !b->starts)
        return false;
    sns_clip_init(&b->layout, &b->c, b->data, 1);
    sns_rng rng;
    sns_rng_seed(&rng, 2);
    for (size_t i = 0; i < pixels; i++) b->pixels[i] = (float)sns_rng_uniform(&rng) - 0.5f;
    for (size_t i = 0; i < b->B * b->T; i++) b->ids[i] = (uint32_t)sns_rng_below(&rng, b->c.vocab);
    for (size_t i = 0; i <= b->B; i++) b->starts[i] = i * b->T;
    if (!b->image || !b->text) return false;
    sns_tape_set_checkpointing(b->image, b->drops);
    sns_tape_set_checkpointing(b->text, b->drops);
    sns_gemm_fn *product = b->bf16 ? timed_bf16_product : timed_product;
    sns_tape_set_gemm(b->image, product);
    sns_tape_set_gemm(b->text, product);
    return !sns_clip_bind(b->m, &b->layout, b->data, b->grad, &err);
}

static void bench_close(bench *b) {
    sns_layout_free(&b->layout);
    sns_clip_free(b->m);
    sns_aligned_free(b->data);
    sns_aligned_free(b->grad);
    sns_aligned_free(b->m1);
    sns_aligned_free(b->m2);
    sns_aligned_free(b->pixels);
    free(b->ids);
    free(b->starts);
    sns_tape_free(b->image);
    sns_tape_free(b->text);
}

/* Gradient of the mean of both cross-entropies of logits 14.3 * x y^T, by plain loops. */
static void contrast(size_t B, size_t E, const float *x, const float *y, float *logits, float *dx,
                     float *dy) {
    const sns_kernels *k = sns_kernels_get();
    float *column = logits + B * B;
    memset(dx, 0, B * E * sizeof *dx);
    memset(dy, 0, B * E * sizeof *dy);
    for (int side = 0; side < 2; side++) {
        const float *from = side ? y : x, *to = side ? x : y;
        float *dfrom = side ? dy : dx, *dto = side ? dx : dy;
        for (size_t i = 0; i < B; i++) {
            k->dot_rows(column, from + i * E, to, B, E);
            k->scale(column, 14.3f, B);
            k->softmax_row(column, B);
            column[i] -= 1;
            k->scale(column, 14.3f / (2 * (float)B), B);
            for (size_t j = 0; j < B; j++) {
                k->axpy(dfrom + i * E, column[j], to + j * E, E);
                k->axpy(dto + j * E, column[j], from + i * E, E);
            }
        }
    }
}

static void update(bench *b, int step) {
    const sns_kernels *k = sns_kernels_get();
    sns_adamw_step s = {
        .lr = 1e-4f, .beta1 = 0.9f, .beta2 = 0.98f, .eps = 1e-6f, .decay = 0.1f, .grad_scale = 1};
    s.correction1 = 1 - powf(s.beta1, (float)step);
    s.correction2 = 1 - powf(s.beta2, (float)step);
    size_t chunk = 1 << 16, chunks = (b->layout.total + chunk - 1) / chunk;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < chunks; i++) {
        size_t at = i * chunk, n = b->layout.total - at < chunk ? b->layout.total - at : chunk;
        k->adamw(b->data + at, b->m1 + at, b->m2 + at, b->grad + at, n, &s);
        memset(b->grad + at, 0, n * sizeof(float));
    }
}

static sns_status train_step(bench *b, int step, double *forward_s, sns_error *err) {
    size_t B = b->B, E = b->c.embed, S = b->c.image_px;
    double start = now_s(CLOCK_MONOTONIC);
    sns_tape_reset(b->image);
    sns_tape_reset(b->text);
    sns_tensor *pixels = sns_tape_wrap(b->image, b->pixels, NULL, 4, (size_t[]){B, 3, S, S});
    sns_tensor *x = sns_l2_normalize(b->image, sns_clip_image_features(b->image, b->m, pixels));
    sns_tensor *y = sns_l2_normalize(b->text,
                                     sns_clip_text_features(b->text, b->m, b->ids, b->starts, B));
    *forward_s = now_s(CLOCK_MONOTONIC) - start;
    float *work = sns_tape_alloc(b->image, (B * B + B + 2 * B * E) * sizeof *work);
    if (!x || !y || !work) return sns_tape_status(x ? b->text : b->image, err);
    float *dx = work + B * B + B, *dy = dx + B * E;
    contrast(B, E, x->data, y->data, work, dx, dy);
    sns_status s = sns_tape_backward(b->image, x, dx, err);
    if (!s) s = sns_tape_backward(b->text, y, dy, err);
    update(b, step);
    return s;
}

static bool next_step(void *user) {
    bench *b = user;
    double forward_s;
    sns_error err = {0};
    bool ok = !train_step(b, ++b->steps, &forward_s, &err);
    if (!ok) fprintf(stderr, "train_step: %s\n", err.message);
    return ok;
}

/* The best of some steps, for reading. */
static bool report(bench *b, const char *name, int steps) {
    double best = 1e9, best_cpu = 1e9, best_forward = 1e9, forward = 0, all = 0;
    product_s = 0;
    sns_error err = {0};
    for (int i = 1; i <= steps; i++) {
        double start = now_s(CLOCK_MONOTONIC), cpu = now_s(CLOCK_PROCESS_CPUTIME_ID);
        if (train_step(b, i, &forward, &err)) {
            fprintf(stderr, "train_step: %s\n", err.message);
            return false;
        }
        double took = now_s(CLOCK_MONOTONIC) - start;
        all += took;
        best = fmin(best, took);
        best_cpu = fmin(best_cpu, now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu);
        best_forward = fmin(best_forward, forward);
    }
    printf("train_step %s B=%zu T=%zu kernels=%s %s: %.4f s (forward %.4f, processor %.4f), %.1f "
           "pictures/s, %.0f MB, products %.0f %%\n",
           name, b->B, b->T, sns_kernels_get()->name, b->bf16 ? "bf16" : "f32", best, best_forward,
           best_cpu, (double)b->B / best,
           (double)(sns_arena_peak_bytes(sns_tape_arena(b->image)) +
                    sns_arena_peak_bytes(sns_tape_arena(b->text))) /
               1e6,
           100 * product_s / all);
    return true;
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "b32", *steps = argc > 3 ? argv[3] : "5";
    bench b = {.c = bench_geometry(name),
               .B = argc > 2 ? strtoul(argv[2], NULL, 10) : 32,
               .T = argc > 4 ? strtoul(argv[4], NULL, 10) : 10};
    for (int i = 5; i < argc; i++) {
        b.bf16 |= !strcmp(argv[i], "bf16");
        if (!strcmp(argv[i], "drop")) b.drops = 0.67;
    }
    int code = 1;
    if (!b.B || b.T < 2 || b.T > b.c.context)
        fprintf(stderr, "train_step: B or T out of range\n");
    else if (!bench_open(&b))
        fprintf(stderr, "train_step: no memory\n");
    else if (!strcmp(steps, "serve"))
        code = bench_turns_serve(&(bench_turns){next_step, &b, NULL, 0}, 1);
    else
        code = !report(&b, name, (int)strtol(steps, NULL, 10));
    bench_close(&b);
    return code;
}
