/* bench_gemm.c - matrix products of ViT-B/32's shapes, as a share of what the processor can do.
 *
 * The peak (bench_peak.h) is measured before and after each product, with as many threads. Lines:
 *   peak f32 <tab> GFLOP/s <tab> 1          nothing else with the argument `peak`
 *   product <tab> GFLOP/s <tab> share of the f32 peak */
#include "base/memory.h"
#include "base/rng.h"
#include "bench_peak.h"
#include "kernel/gemm.h"
#include <math.h>
#include <omp.h>

enum { ROUNDS = 12 };

typedef struct product {
    const char *name;
    size_t M, N, K;
    enum { PACKED, PACKED_BF16, PACKED_INT8, PLAIN, WEIGHT_GRAD, BF16 } kind;
} product;

static const product products[] = {
    {"image fc1, packed, QuickGELU", 1600, 3072, 768, PACKED},
    {"image fc2, packed", 1600, 768, 3072, PACKED},
    {"image qkv, packed", 1600, 2304, 768, PACKED},
    {"text fc1, packed, QuickGELU", 320, 2048, 512, PACKED},
    {"one image's fc1, packed", 50, 3072, 768, PACKED},
    {"image fc1, packed, bf16", 1600, 3072, 768, PACKED_BF16},
    {"one image's fc1, packed, bf16", 50, 3072, 768, PACKED_BF16},
    {"image fc1, packed, int8", 1600, 3072, 768, PACKED_INT8},
    {"one image's fc1, packed, int8", 50, 3072, 768, PACKED_INT8},
    {"image fc1, plain", 1600, 3072, 768, PLAIN},
    {"image fc1, weight gradient", 3072, 768, 1600, WEIGHT_GRAD},
    {"image fc1, bfloat16", 1600, 3072, 768, BF16},
};

typedef struct operands {
    float *a, *b, *c;
    sns_packed *packed;
} operands;

static sns_status run(const product *p, const operands *o, sns_error *err) {
    switch (p->kind) {
    case PACKED:
    case PACKED_BF16:
    case PACKED_INT8:
        return sns_packed_run(o->packed, p->M, o->a, o->b,
                              strstr(p->name, "QuickGELU") ? SNS_ACT_QUICK_GELU : SNS_ACT_NONE,
                              NULL, o->c, err);
    case BF16:
        return sns_gemm_bf16(false, true, p->M, p->N, p->K, o->a, p->K, o->b, p->K, 0, o->c, p->N,
                             err);
    case WEIGHT_GRAD:
        return sns_gemm(true, false, p->M, p->N, p->K, o->a, p->M, o->b, p->N, 1, o->c, p->N, err);
    default:
        return sns_gemm(false, true, p->M, p->N, p->K, o->a, p->K, o->b, p->K, 0, o->c, p->N, err);
    }
}

/* b as a weight; for int8 its bytes, whatever they are. c is overwritten later. */
static sns_status pack(const product *p, operands *o, sns_error *err) {
    sns_packed_source from = {.type = SNS_PACKED_F32, .weights = o->b, .scale = o->a};
    if (p->kind > PACKED_INT8) return SNS_OK;
    if (p->kind == PACKED_INT8) from.type = SNS_PACKED_INT8;
    if (p->kind == PACKED_BF16) {
        sns_kernels_get()->bf16_from_f32((uint16_t *)(void *)o->c, o->b, p->N * p->K);
        from = (sns_packed_source){.type = SNS_PACKED_BF16, .weights = o->c};
    }
    return sns_packed_new_from(&from, p->N, p->K, NULL, &o->packed, err);
}

static sns_status measure(const product *p, operands *o, sns_error *err) {
    double best = 1e9, peak = bench_peak_gops(SNS_PACKED_F32);
    sns_status s = pack(p, o, err);
    for (int i = 0; i < ROUNDS && !s; i++) {
        double start = bench_now_ms();
        s = run(p, o, err);
        if (i) best = fmin(best, bench_now_ms() - start);
    }
    sns_packed_free(o->packed);
    o->packed = NULL;
    if (s) return s;
    peak = fmax(peak, bench_peak_gops(SNS_PACKED_F32));
    double rate = 2. * (double)p->M * (double)p->N * (double)p->K / best * 1e-6;
    printf("%s\t%.1f\t%.3f\n", p->name, rate, peak > 0 ? rate / peak : 0);
    fflush(stdout);
    return SNS_OK;
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "peak")) {
        printf("peak f32\t%.1f\t1\n", bench_peak_gops(SNS_PACKED_F32));
        return 0;
    }
    size_t n = (size_t)3072 * 3072;
    operands o = {.a = sns_aligned_alloc(n * sizeof(float)),
                  .b = sns_aligned_alloc(n * sizeof(float)),
                  .c = sns_aligned_calloc(n * sizeof(float))};
    sns_error err = {0};
    sns_rng rng;
    sns_rng_seed(&rng, 1);
    sns_status s = o.a && o.b && o.c ? SNS_OK : SNS_NOMEM;
    for (size_t i = 0; i < n && !s; i++) {
        o.a[i] = (float)sns_rng_uniform(&rng) - 0.5f;
        o.b[i] = (float)sns_rng_uniform(&rng) - 0.5f;
    }
    if (!s) printf("peak f32\t%.1f\t1\n", bench_peak_gops(SNS_PACKED_F32));
    for (size_t i = 0; i < sizeof products / sizeof *products && !s; i++)
        s = measure(&products[i], &o, &err);
    if (s) fprintf(stderr, "bench_gemm: %s\n", err.message);
    sns_aligned_free(o.a);
    sns_aligned_free(o.b);
    sns_aligned_free(o.c);
    return s ? 1 : 0;
}
