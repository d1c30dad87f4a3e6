/* bench_kernel.c - the speed of every kernel of every variant that this processor has, one thread.
 *
 *   bench_kernel [VARIANT]...     default: ref avx2 avx512 avx512vnni avx512bf16 neon; best: what
 * sensus would use
 *
 * Arithmetic-bound kernels in GFLOP/s (attention by its products alone: 4 T^2 D forward, 10 T^2 D
 * backward, half when causal), the others in GB/s read and written. Each number is the best of
 * many rounds of about a millisecond, since the machine may be busy. */
#include "base/memory.h"
#include "base/rng.h"
#include "kernel/kernel.h"
#include <math.h>
#include <time.h>

enum { N = 1 << 16, T_MAX = 257, D_MAX = 104, STRIDE = 3 * 768, FLOATS = T_MAX * STRIDE };

/* What all cases work on: FLOATS floats each, small random numbers. */
typedef struct {
    const sns_kernels *k;
    float *a, *b, *c, *d, *e, *f, *scratch;
    size_t T, D;
    bool causal;
} bench;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double best_seconds(void (*run)(bench *), bench *b) {
    double best = 1e9, each = 0;
    for (int round = 0; round < 40; round++) {
        size_t times = each > 0 ? (size_t)(0.001 / each) + 1 : 1;
        double start = now_s();
        for (size_t i = 0; i < times; i++) run(b);
        each = (now_s() - start) / (double)times;
        if (each < best) best = each;
    }
    return best;
}

static void run_dot(bench *b) {
    b->c[0] = b->k->dot(b->a, b->b, 4096);
}
static void run_dot_rows(bench *b) {
    b->k->dot_rows(b->c, b->b, b->a, 1000, 512);
}
static void run_dot_rows_s8(bench *b) {
    b->k->dot_rows_s8((int32_t *)b->c, (const int16_t *)b->b, (const int8_t *)b->a, 4000, 512);
}
static void run_axpy(bench *b) {
    b->k->axpy(b->c, 1e-9f, b->a, N);
}
static void run_gelu(bench *b) {
    b->k->act_forward(SNS_ACT_GELU, b->c, b->a, N);
}
static void run_quick_gelu(bench *b) {
    b->k->act_forward(SNS_ACT_QUICK_GELU, b->c, b->a, N);
}
static void run_gelu_back(bench *b) {
    b->k->act_backward(SNS_ACT_GELU, b->c, b->b, b->a, N);
}
static void run_quick_gelu_back(bench *b) {
    b->k->act_backward(SNS_ACT_QUICK_GELU, b->c, b->b, b->a, N);
}
static void run_gemm_tile(bench *b) {
    b->k->gemm_tile(b->c, SNS_GEMM_COLS, b->a, b->b, 256);
}
static void run_softmax(bench *b) {
    b->k->softmax_row(b->c, 4096);
}
static void run_layernorm(bench *b) {
    b->k->layernorm_forward(b->c, b->d, b->e, b->a, b->b, b->b, 64, 768, 1e-5f);
}
static void run_layernorm_back(bench *b) {
    b->k->layernorm_backward(b->c, b->d, b->e, b->b, b->a, b->f, b->f, b->b, 64, 768);
}
static void run_adamw(bench *b) {
    const sns_adamw_step step = {1e-9f, 0.9f, 0.98f, 1e-6f, 0.1f, 0.5f, 0.5f, 1};
    b->k->adamw(b->c, b->d, b->f, b->a, N, &step);
}
static void run_from_f16(bench *b) {
    b->k->f32_from_f16(b->c, (const uint16_t *)b->e, N);
}
static void run_to_f16(bench *b) {
    b->k->f16_from_f32((uint16_t *)b->e, b->a, N);
}
static void run_from_bf16(bench *b) {
    b->k->f32_from_bf16(b->c, (const uint16_t *)b->e, N);
}
static void run_to_bf16(bench *b) {
    b->k->bf16_from_f32((uint16_t *)b->e, b->a, N);
}
static void run_to_u8(bench *b) {
    int32_t zero;
    b->k->u8_from_f32((uint8_t *)b->c, SNS_TILE_LINE, &zero, b->a, N);
}
/* 13 rows of 768 numbers by 32 columns, from whatever the bytes of floats are. */
static sns_tile tile_of(const bench *b, size_t words, sns_act act) {
    const int32_t *whole = (const int32_t *)(const void *)b->e;
    return (sns_tile){.rows = 13,
                      .cols = SNS_TILE_COLS,
                      .words = words,
                      .x = b->a,
                      .w = b->b,
                      .ahead = b->b,
                      .x_scale = b->e,
                      .x_zero = whole,
                      .w_scale = b->e,
                      .w_sum = whole,
                      .bias = b->e,
                      .act = act,
                      .y = b->c,
                      .stride = SNS_TILE_COLS};
}
static void run_tile_int8(bench *b) {
    const sns_tile t = tile_of(b, 768 / 4, SNS_ACT_NONE);
    b->k->tile_int8(&t);
}
static void run_tile_int8_gelu(bench *b) {
    const sns_tile t = tile_of(b, 768 / 4, SNS_ACT_GELU);
    b->k->tile_int8(&t);
}
static void run_tile_bf16(bench *b) {
    const sns_tile t = tile_of(b, 768 / 2, SNS_ACT_NONE);
    b->k->tile_bf16(&t);
}
static void run_planar(bench *b) {
    static const float one[3] = {1, 1, 1};
    b->k->planar_from_rgb8(b->c, N, (const uint8_t *)b->e, N, one, one);
}
static void run_attention(bench *b) {
    b->k->attention_forward(b->d, 768, b->e, b->a, b->a + 768, b->a + 1536, STRIDE, b->T, b->D,
                            1 / sqrtf((float)b->D), b->causal, b->scratch);
}
static void run_attention_bf16(bench *b) {
    b->k->attention_forward_bf16(b->d, 768, b->e, b->a, b->a + 768, b->a + 1536, STRIDE, b->T, b->D,
                                 1 / sqrtf((float)b->D), b->causal, b->scratch);
}
static void run_attention_back(bench *b) {
    b->k->attention_backward(b->c, b->c + 768, b->c + 1536, b->b, b->d, 768, b->e, b->a, b->a + 768,
                             b->a + 1536, STRIDE, b->T, b->D, 1 / sqrtf((float)b->D), b->causal,
                             b->scratch);
}
static void run_attention_back_bf16(bench *b) {
    b->k->attention_backward_bf16(b->c, b->c + 768, b->c + 1536, b->b, b->d, 768, b->e, b->a,
                                  b->a + 768, b->a + 1536, STRIDE, b->T, b->D,
                                  1 / sqrtf((float)b->D), b->causal, b->scratch);
}

static const struct {
    const char *name, *unit;
    void (*run)(bench *);
    double amount; /* floating-point operations or bytes of one run */
} cases[] = {
    {"dot 4096", "GFLOP/s", run_dot, 2 * 4096},
    {"dot_rows 1000 x 512", "GFLOP/s", run_dot_rows, 2. * 1000 * 512},
    {"dot_rows_s8 4000 x 512", "GB/s", run_dot_rows_s8, 4000. * 512},
    {"axpy", "GB/s", run_axpy, 12. * N},
    {"gelu", "GB/s", run_gelu, 8. * N},
    {"gelu backward", "GB/s", run_gelu_back, 12. * N},
    {"quick gelu", "GB/s", run_quick_gelu, 8. * N},
    {"quick gelu backward", "GB/s", run_quick_gelu_back, 12. * N},
    {"gemm tile, K = 256", "GFLOP/s", run_gemm_tile, 2. * SNS_GEMM_ROWS *SNS_GEMM_COLS * 256},
    {"softmax 4096", "GB/s", run_softmax, 8. * 4096},
    {"layernorm 64 x 768", "GB/s", run_layernorm, 8. * 64 * 768},
    {"layernorm backward", "GB/s", run_layernorm_back, 16. * 64 * 768},
    {"adamw", "GB/s", run_adamw, 28. * N},
    {"f32 from f16", "GB/s", run_from_f16, 6. * N},
    {"f16 from f32", "GB/s", run_to_f16, 6. * N},
    {"f32 from bf16", "GB/s", run_from_bf16, 6. * N},
    {"bf16 from f32", "GB/s", run_to_bf16, 6. * N},
    {"u8 from f32", "GB/s", run_to_u8, 5. * N},
    {"tile int8, K = 768", "GOP/s", run_tile_int8, 2. * 13 * SNS_TILE_COLS * 768},
    {"tile int8, GELU", "GOP/s", run_tile_int8_gelu, 2. * 13 * SNS_TILE_COLS * 768},
    {"tile bf16, K = 768", "GFLOP/s", run_tile_bf16, 2. * 13 * SNS_TILE_COLS * 768},
    {"planar from rgb8", "GB/s", run_planar, 15. * N},
};

static const struct {
    size_t T, D;
    bool causal;
} shapes[] = {{10, 64, true},   {20, 32, true},   {77, 64, true},   {50, 64, false},
              {65, 64, false},  {197, 64, false}, {257, 64, false}, {257, 80, false},
              {257, 88, false}, {257, 104, false}};

static void report(const char *variant, const char *name, double amount, const char *unit,
                   double seconds) {
    printf("%-10s %-28s %9.1f %-8s %10.2f us\n", variant, name, amount / seconds * 1e-9, unit,
           seconds * 1e6);
    fflush(stdout);
}

static void bench_variant(bench *b) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (strstr(cases[i].name, "tile int8") && !b->k->tile_int8) continue;
        if (strstr(cases[i].name, "tile bf16") && !b->k->tile_bf16) continue;
        report(b->k->name, cases[i].name, cases[i].amount, cases[i].unit,
               best_seconds(cases[i].run, b));
    }
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        b->T = shapes[i].T, b->D = shapes[i].D, b->causal = shapes[i].causal;
        char name[64];
        double flops = (double)b->T * (double)b->T * (double)b->D * (b->causal ? 2 : 4);
        snprintf(name, sizeof name, "attention %zu x %zu%s", b->T, b->D,
                 b->causal ? " causal" : "");
        report(b->k->name, name, flops, "GFLOP/s", best_seconds(run_attention, b));
        snprintf(name, sizeof name, "  in bf16 %zu x %zu%s", b->T, b->D,
                 b->causal ? " causal" : "");
        report(b->k->name, name, flops, "GFLOP/s", best_seconds(run_attention_bf16, b));
        snprintf(name, sizeof name, "  backward %zu x %zu%s", b->T, b->D,
                 b->causal ? " causal" : "");
        report(b->k->name, name, 2.5 * flops, "GFLOP/s", best_seconds(run_attention_back, b));
        snprintf(name, sizeof name, "  backward in bf16 %zu x %zu%s", b->T, b->D,
                 b->causal ? " causal" : "");
        report(b->k->name, name, 2.5 * flops, "GFLOP/s", best_seconds(run_attention_back_bf16, b));
    }
}

int main(int argc, char **argv) {
    static const char *const all[] = {"ref", "avx2", "avx512", "avx512vnni", "avx512bf16", "neon"};
    bench b = {0};
    float **buffers[] = {&b.a, &b.b, &b.c, &b.d, &b.e, &b.f};
    sns_rng rng;
    sns_rng_seed(&rng, 1);
    b.scratch = sns_aligned_alloc(sns_attention_scratch_floats(T_MAX, D_MAX) * sizeof(float));
    for (size_t i = 0; i < 6; i++) {
        if (!(*buffers[i] = sns_aligned_alloc(FLOATS * sizeof(float)))) return 1;
        for (size_t j = 0; j < FLOATS; j++) (*buffers[i])[j] = (float)sns_rng_uniform(&rng) - 0.3f;
    }
    for (int i = 0; b.scratch && i < (argc > 1 ? argc - 1 : 6); i++) {
        const char *name = argc > 1 ? argv[i + 1] : all[i];
        b.k = strcmp(name, "best") ? sns_kernels_named(name) : sns_kernels_get();
        if (b.k) bench_variant(&b);
    }
    for (size_t i = 0; i < 6; i++) sns_aligned_free(*buffers[i]);
    sns_aligned_free(b.scratch);
    return 0;
}
