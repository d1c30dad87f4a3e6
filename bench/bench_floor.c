/* bench_floor.c - what encoding can't be faster than, and what its products take alone.
 *
 *   bench_floor b32|tiny image|text TOKENS B f32|bf16|int8
 *
 * Prints three times in milliseconds for a batch. The limit: all multiply-adds of products and
 * attention at the rate of a loop in registers (bench_peak.h), or reading the packed weights once
 * from memory, whichever is longer. The packed products of all layers with nothing between them.
 * The attention of all layers. TOKENS: of each text. Work is cut as sns_encode_pixels cuts it:
 * parts of 400 rows, each on one thread. */
#include "base/memory.h"
#include "base/rng.h"
#include "bench_geometry.h"
#include "bench_peak.h"
#include <math.h>
#include <omp.h>

enum { ROUNDS = 7, PART_ROWS = 400, PRODUCTS = 4 };

typedef struct tower {
    size_t T, W, mlp, layers, heads, B, part; /* part: sequences of one */
    bool causal;
    sns_packed_type type;
    sns_packed **weights; /* [layers][PRODUCTS] */
    float *x, *y, *scratch;
    size_t row_floats, scratch_floats; /* of one thread */
} tower;

static void shape_of(const tower *t, int product, size_t *N, size_t *K) {
    const size_t shapes[PRODUCTS][2] = {
        {3 * t->W, t->W}, {t->W, t->W}, {t->mlp, t->W}, {t->W, t->mlp}};
    *N = shapes[product][0];
    *K = shapes[product][1];
}

/* Random numbers of each type: bfloat16 and int8 whatever the bytes of floats give. */
static sns_status pack(tower *t, const float *numbers, sns_error *err) {
    sns_status s = SNS_OK;
    for (size_t i = 0; i < t->layers * PRODUCTS && !s; i++) {
        sns_packed_source from = {.type = t->type, .weights = numbers, .scale = numbers};
        size_t N, K;
        shape_of(t, (int)(i % PRODUCTS), &N, &K);
        s = sns_packed_new_from(&from, N, K, NULL, &t->weights[i], err);
    }
    return s;
}

/* All products of all layers for `n` sequences, on this thread's memory. */
static sns_status run_products(const tower *t, size_t n, sns_error *err) {
    float *x = t->x + (size_t)omp_get_thread_num() * t->row_floats;
    float *y = t->y + (size_t)omp_get_thread_num() * t->row_floats;
    sns_status s = SNS_OK;
    for (size_t i = 0; i < t->layers * PRODUCTS && !s; i++)
        s = sns_packed_run(t->weights[i], n * t->T, x, NULL, SNS_ACT_NONE, NULL, y, err);
    return s;
}

static sns_status run_attention(const tower *t, size_t n, sns_error *err) {
    const sns_kernels *k = sns_kernels_get();
    float *x = t->x + (size_t)omp_get_thread_num() * t->row_floats;
    float *y = t->y + (size_t)omp_get_thread_num() * t->row_floats;
    float *scratch = t->scratch + (size_t)omp_get_thread_num() * t->scratch_floats;
    sns_attention_fn *head = t->type == SNS_PACKED_F32 ? k->attention_forward
                                                       : k->attention_forward_bf16;
    size_t D = t->W / t->heads, stride = 3 * t->W;
    (void)err;
    for (size_t i = 0; i < t->layers * n * t->heads; i++) {
        size_t h = i % t->heads, row = i / t->heads % n * t->T;
        const float *q = x + row * stride + h * D;
        head(y + row * t->W + h * D, t->W, NULL, q, q + t->W, q + 2 * t->W, stride, t->T, D,
             1 / sqrtf((float)D), t->causal, scratch);
    }
    return SNS_OK;
}

/* The best time of a batch; less than 0: failed. */
static double best_ms(const tower *t, sns_status (*run)(const tower *, size_t, sns_error *),
                      sns_error *err) {
    double best = 1e9;
    ptrdiff_t parts = (ptrdiff_t)((t->B + t->part - 1) / t->part);
    for (int round = 0; round < ROUNDS; round++) {
        double start = bench_now_ms();
        int failed = 0;
#pragma omp parallel for schedule(dynamic) if (parts > 1) reduction(| : failed)
        for (ptrdiff_t i = 0; i < parts; i++) {
            size_t left = t->B - (size_t)i * t->part;
            sns_error mine = {0};
            failed |= (int)run(t, left < t->part ? left : t->part, parts > 1 ? &mine : err);
        }
        if (failed) return -1;
        best = fmin(best, bench_now_ms() - start);
    }
    return best;
}

static double multiply_adds(const tower *t, bool attention) {
    double rows = (double)(t->B * t->T), each = (double)t->W * (double)(4 * t->W + 2 * t->mlp);
    if (attention) each = (double)t->T * (double)t->W * (t->causal ? 1 : 2);
    return rows * each * (double)t->layers;
}

/* Milliseconds to read as many bytes once, on all threads; they are too many for the caches. */
static double reading_ms(const tower *t) {
    size_t bytes = 0;
    for (size_t i = 0; i < t->layers * PRODUCTS; i++) bytes += sns_packed_bytes(t->weights[i]);
    size_t lines = bytes / 64;
    uint64_t *memory = sns_aligned_calloc(lines * 64), best_sum = 0;
    double best = 1e9;
    if (!memory) return -1;
    memset(memory, 1, lines * 64);
    for (int round = 0; round < 3; round++) {
        uint64_t sum = 0;
        double start = bench_now_ms();
#pragma omp parallel for schedule(static) reduction(+ : sum)
        for (size_t i = 0; i < lines * 8; i++) sum += memory[i];
        best = fmin(best, bench_now_ms() - start);
        best_sum = sum;
    }
    sns_aligned_free(memory);
    return best_sum ? best : -1;
}

static bool parse(tower *t, char **argv) {
    sns_clip_config c = bench_geometry(argv[1]);
    bool image = !strcmp(argv[2], "image");
    const sns_tower_config *of = image ? &c.vision : &c.text;
    t->W = of->width, t->mlp = of->mlp, t->layers = of->layers, t->heads = of->heads;
    t->T = image ? 1 + sns_clip_patches(&c) : strtoul(argv[3], NULL, 10);
    t->B = strtoul(argv[4], NULL, 10);
    t->causal = !image;
    t->type = !strcmp(argv[5], "int8")   ? SNS_PACKED_INT8
              : !strcmp(argv[5], "bf16") ? SNS_PACKED_BF16
                                         : SNS_PACKED_F32;
    t->part = t->T && t->T < PART_ROWS ? PART_ROWS / t->T : 1;
    return t->T && t->T <= 4096 && t->B && t->B <= 4096;
}

int main(int argc, char **argv) {
    tower t = {0};
    if (argc != 6 || !parse(&t, argv)) return 2;
    size_t threads = (size_t)omp_get_max_threads(), widest = 3 * t.W > t.mlp ? 3 * t.W : t.mlp;
    size_t n = widest * t.mlp > 1 << 20 ? widest * t.mlp : 1 << 20;
    t.row_floats = t.part * t.T * widest;
    t.scratch_floats = (sns_attention_scratch_floats(t.T, t.W / t.heads) + 15) / 16 * 16;
    float *numbers = sns_aligned_alloc(n * sizeof(float));
    t.x = sns_aligned_alloc(threads * t.row_floats * sizeof(float));
    t.y = sns_aligned_alloc(threads * t.row_floats * sizeof(float));
    t.scratch = sns_aligned_alloc(threads * t.scratch_floats * sizeof(float));
    t.weights = calloc(t.layers * PRODUCTS, sizeof *t.weights);
    if (!numbers || !t.x || !t.y || !t.scratch || !t.weights) return 1;
    sns_rng rng;
    sns_rng_seed(&rng, 1);
    for (size_t i = 0; i < n; i++) numbers[i] = (float)sns_rng_uniform(&rng) - 0.5f;
    for (size_t i = 0; i < threads * t.row_floats; i++)
        t.x[i] = (float)sns_rng_uniform(&rng) - 0.5f;
    sns_error err = {0};
    double peak = bench_peak_gops(t.type),
           attention_peak = bench_peak_gops(t.type == SNS_PACKED_INT8 ? SNS_PACKED_BF16 : t.type);
    double products = -1, attention = -1, reading = -1;
    if (!pack(&t, numbers, &err)) products = best_ms(&t, run_products, &err);
    if (products > 0) attention = best_ms(&t, run_attention, &err), reading = reading_ms(&t);
    if (products < 0 || reading < 0) fprintf(stderr, "bench_floor: %s\n", err.message);
    peak = fmax(peak, bench_peak_gops(t.type));
    double arithmetic = multiply_adds(&t, false) / peak + multiply_adds(&t, true) / attention_peak;
    printf("%.3f %.3f %.3f\n", fmax(2e-6 * arithmetic, reading), products, attention);
    for (size_t i = 0; i < t.layers * PRODUCTS; i++) sns_packed_free(t.weights[i]);
    sns_aligned_free(numbers), sns_aligned_free(t.x), sns_aligned_free(t.y);
    sns_aligned_free(t.scratch);
    free(t.weights);
    return products < 0 || reading < 0;
}
