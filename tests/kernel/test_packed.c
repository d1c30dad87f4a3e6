/* test_packed.c - products with packed weights in f32, bfloat16 and 8 bits against plain loops in
 * double over the same rounded numbers; threads don't change a bit. */
#include "base/memory.h"
#include "kernel_check.h"
#include "kernel/packed.h"
#include <omp.h>

static const sns_packed_type all_types[] = {SNS_PACKED_F32, SNS_PACKED_BF16, SNS_PACKED_INT8};

static float *noise(sns_rng *rng, size_t n) {
    float *p = sns_aligned_alloc(n * sizeof *p);
    for (size_t i = 0; i < n; i++) p[i] = (float)sns_rng_normal(rng);
    return p;
}

static double activate(sns_act act, double x) {
    if (act == SNS_ACT_GELU) return x * 0.5 * (1 + erf(x / sqrt(2.0)));
    if (act == SNS_ACT_QUICK_GELU) return x / (1 + exp(-1.702 * x));
    return x;
}

/* A weight of one type: what is packed, and the real numbers that it stands for. */
typedef struct weight {
    sns_packed_type arithmetic;
    size_t N, K;
    double reach; /* how large its numbers are */
    void *narrow;
    float *scale, *W;
    sns_packed *packed;
} weight;

static weight make_weight(sns_rng *rng, sns_packed_type type, size_t N, size_t K) {
    weight w = {.arithmetic = sns_packed_arithmetic(type, K), .N = N, .K = K};
    w.reach = type == SNS_PACKED_INT8 ? 200 : 1;
    w.W = noise(rng, N * K);
    w.scale = noise(rng, N);
    w.narrow = sns_aligned_alloc(N * K * sizeof(float));
    const sns_kernels *k = sns_kernels_get();
    if (type == SNS_PACKED_BF16) {
        k->bf16_from_f32(w.narrow, w.W, N * K);
        k->f32_from_bf16(w.W, w.narrow, N * K);
    }
    for (size_t i = 0; type == SNS_PACKED_INT8 && i < N * K; i++) {
        int8_t *q = w.narrow;
        q[i] = (int8_t)((int)sns_rng_below(rng, 255) - 127);
        w.W[i] = w.scale[i / K] * q[i];
    }
    sns_packed_source from = {
        .type = type, .weights = type == SNS_PACKED_F32 ? w.W : w.narrow, .scale = w.scale};
    assert_int_equal(sns_packed_new_from(&from, N, K, NULL, &w.packed, NULL), SNS_OK);
    assert_true(sns_packed_bytes(w.packed) >= N * K *
                                                  (w.arithmetic == SNS_PACKED_F32    ? 4
                                                   : w.arithmetic == SNS_PACKED_BF16 ? 2
                                                                                     : 1));
    return w;
}

static void free_weight(weight *w) {
    sns_packed_free(w->packed);
    sns_aligned_free(w->narrow);
    sns_aligned_free(w->W);
    sns_aligned_free(w->scale);
}

/* x as the products see it. */
static void round_row(const weight *w, float *x) {
    const sns_kernels *ref = sns_kernels_named("ref");
    uint16_t half;
    uint8_t q[1024]; /* whole lines */
    int32_t zero;
    for (size_t i = 0; w->arithmetic == SNS_PACKED_BF16 && i < w->K; i++) {
        ref->bf16_from_f32(&half, &x[i], 1);
        ref->f32_from_bf16(&x[i], &half, 1);
    }
    if (w->arithmetic != SNS_PACKED_INT8) return;
    assert_true(w->K <= sizeof q);
    float scale = ref->u8_from_f32(q, SNS_TILE_LINE, &zero, x, w->K);
    for (size_t i = 0; i < w->K; i++) x[i] = scale * (float)(q[i] - zero);
}

/* flags: act, bias, residual in place */
static void check_product(sns_rng *rng, const weight *w, size_t M, int flags) {
    size_t N = w->N, K = w->K, guard = 16;
    sns_act act = (sns_act)(flags % 3);
    float *x = noise(rng, M * K), *y = noise(rng, M * N + guard), *b = noise(rng, N);
    const float *bias = flags % 2 ? b : NULL, *residual = flags >= 6 ? y : NULL;
    float *other = noise(rng, M * N);
    if (flags >= 9) memcpy(other, y, M * N * sizeof *other), residual = other;
    double *want = malloc((M * N + guard) * sizeof *want);
    float *seen = malloc(M * K * sizeof *seen);
    memcpy(seen, x, M * K * sizeof *seen);
    for (size_t i = M * N; i < M * N + guard; i++) want[i] = y[i];
    for (size_t i = 0; i < M; i++) {
        round_row(w, seen + i * K);
        for (size_t j = 0; j < N; j++) {
            double sum = bias ? b[j] : 0;
            for (size_t k = 0; k < K; k++) sum += (double)seen[i * K + k] * w->W[j * K + k];
            want[i * N + j] = activate(act, sum) + (residual ? y[i * N + j] : 0);
        }
    }
    if (flags >= 9) memset(y, 0xff, M * N * sizeof *y);
    assert_int_equal(sns_packed_run(w->packed, M, x, bias, act, residual, y, NULL), SNS_OK);
    for (size_t i = 0; i < M * N + guard; i++)
        if (!(fabs(y[i] - want[i]) <= 2e-6 * w->reach * ((double)K + 4) + 1e-5 * fabs(want[i])))
            fail_msg("%zu x %zu x %zu, flags %d: element %zu: %.9g, expected %.9g", M, N, K, flags,
                     i, (double)y[i], want[i]);
    free(want);
    free(seen);
    sns_aligned_free(x);
    sns_aligned_free(y);
    sns_aligned_free(b);
    sns_aligned_free(other);
}

static void products_equal_loops(void **state) {
    (void)state;
    static const size_t rows[] = {1, 2, 10, 50, 192, 193, 400},
                        shapes[][2] = {{1, 1}, {5, 3}, {64, 48}, {400, 33}, {769, 64}};
    sns_rng rng;
    sns_rng_seed(&rng, 2);
    for (size_t t = 0; t < COUNT(all_types); t++)
        for (size_t s = 0; s < COUNT(shapes); s++) {
            weight w = make_weight(&rng, all_types[t], shapes[s][0], shapes[s][1]);
            for (size_t r = 0; r < COUNT(rows); r++)
                for (int flags = 0; flags < 12; flags++)
                    if (rows[r] * w.N < 100000 || flags % 5 == 1)
                        check_product(&rng, &w, rows[r], flags);
            free_weight(&w);
        }
    assert_int_equal(sns_packed_new(NULL, 0, 3, &(sns_packed *){NULL}, NULL), SNS_ARG);
    sns_packed_free(NULL);
}

/* The largest sums that there can be: pairs of products that 16 bits do not hold, and a total just
 * below 2^31; one column more and the product is made in f32. */
static void long_sums_of_bytes_do_not_overflow(void **state) {
    (void)state;
    enum { N = 3, K = 65536 };
    int8_t *q = malloc(N * (K + 1));
    float *x = malloc((K + 1) * sizeof *x), y[N];
    const float scale[N] = {1, 1, 1};
    for (size_t k = 0; k <= K; k++) x[k] = 255;
    memset(q, 127, N * (K + 1));
    for (size_t more = 0; more < 2; more++) {
        sns_packed *w;
        sns_packed_source from = {.type = SNS_PACKED_INT8, .weights = q, .scale = scale};
        assert_int_equal(sns_packed_new_from(&from, N, K + more, NULL, &w, NULL), SNS_OK);
        assert_int_equal(sns_packed_run(w, 1, x, NULL, SNS_ACT_NONE, NULL, y, NULL), SNS_OK);
        bool exact = sns_packed_arithmetic(SNS_PACKED_INT8, K + more) == SNS_PACKED_INT8;
        for (size_t n = 0; n < N; n++)
            assert_true(fabs(y[n] / (255. * 127 * (double)(K + more)) - 1) < (exact ? 1e-6 : 1e-2));
        sns_packed_free(w);
    }
    assert_int_equal(sns_packed_arithmetic(SNS_PACKED_INT8, K + 1), SNS_PACKED_F32);
    free(q);
    free(x);
}

static void not_a_number_stays_in_its_row(void **state) {
    (void)state;
    enum { M = 3, N = 20, K = 40 };
    sns_rng rng;
    sns_rng_seed(&rng, 5);
    for (size_t t = 0; t < COUNT(all_types); t++) {
        weight w = make_weight(&rng, all_types[t], N, K);
        float *x = noise(&rng, M * K), y[M * N];
        x[K + 7] = NAN;
        assert_int_equal(sns_packed_run(w.packed, M, x, NULL, SNS_ACT_NONE, NULL, y, NULL), SNS_OK);
        for (size_t i = 0; i < M * N; i++) assert_true(!!isnan(y[i]) == (i / N == 1));
        sns_aligned_free(x);
        free_weight(&w);
    }
}

/* Rows in three places, and panels that go over their ends; numbers in an arena. */
static void rows_may_lie_in_three_places(void **state) {
    (void)state;
    enum { N = 3 * 160, K = 40, M = 7 };
    static const size_t bytes[] = {
        [SNS_PACKED_F32] = 4, [SNS_PACKED_BF16] = 2, [SNS_PACKED_INT8] = 1};
    sns_rng rng;
    sns_rng_seed(&rng, 6);
    for (size_t t = 0; t < COUNT(all_types); t++) {
        sns_packed_type type = all_types[t];
        weight w = make_weight(&rng, type, N, K);
        size_t third = N / 3 * K * bytes[type];
        const char *whole = type == SNS_PACKED_F32 ? (const char *)w.W : w.narrow;
        char *part[3];
        for (size_t i = 0; i < 3; i++) {
            part[i] = malloc(third);
            memcpy(part[i], whole + i * third, third);
        }
        sns_packed_source from = {
            .type = type, .weights = part[0], .scale = w.scale, .more = {part[1], part[2]}};
        sns_packed_memory memory, filled;
        sns_packed *again, *kept;
        assert_true(sns_packed_memory_new(&memory, sns_packed_room(type, N, K)));
        assert_int_equal(sns_packed_new_from(&from, N, K, &memory, &again, NULL), SNS_OK);
        assert_false(memory.overflowed);
        filled = (sns_packed_memory){.data = memory.data, .size = memory.used, .filled = true};
        sns_packed_source nothing = {.type = type};
        assert_int_equal(sns_packed_new_from(&nothing, N, K, &filled, &kept, NULL), SNS_OK);
        assert_true(filled.layout == memory.layout && filled.used == memory.used);
        for (size_t i = 0; i < 3; i++) free(part[i]);
        float *x = noise(&rng, M * K), y[M * N], z[M * N];
        assert_int_equal(sns_packed_run(w.packed, M, x, NULL, SNS_ACT_NONE, NULL, y, NULL), SNS_OK);
        assert_int_equal(sns_packed_run(again, M, x, NULL, SNS_ACT_NONE, NULL, z, NULL), SNS_OK);
        assert_memory_equal(y, z, sizeof y);
        assert_int_equal(sns_packed_run(kept, M, x, NULL, SNS_ACT_NONE, NULL, z, NULL), SNS_OK);
        assert_memory_equal(y, z, sizeof y);
        sns_error err;
        sns_packed *none;
        assert_int_equal(sns_packed_new_from(&nothing, N, K, &filled, &none, &err), SNS_MISMATCH);
        assert_int_equal(sns_packed_new_from(&from, N + 1, K, NULL, &none, NULL), SNS_ARG);
        sns_aligned_free(x);
        sns_packed_free(again);
        sns_packed_free(kept);
        sns_packed_memory_free(&memory);
        free_weight(&w);
    }
}

static void threads_do_not_change_a_bit(void **state) {
    (void)state;
    static const size_t shapes[][3] = {{517, 800, 193}, {85, 64, 64}, {1, 48, 640}, {7, 12, 1000}};
    sns_rng rng;
    sns_rng_seed(&rng, 3);
    for (size_t i = 0; i < COUNT(all_types) * COUNT(shapes); i++) {
        const size_t *shape = shapes[i / COUNT(all_types)], M = shape[0], N = shape[1],
                     K = shape[2];
        weight w = make_weight(&rng, all_types[i % COUNT(all_types)], N, K);
        float *x = noise(&rng, M * K), *y[3];
        for (int t = 0; t < 3; t++) {
            omp_set_num_threads(t + 1);
            y[t] = noise(&rng, M * N);
            assert_int_equal(sns_packed_run(w.packed, M, x, NULL, SNS_ACT_GELU, NULL, y[t], NULL),
                             SNS_OK);
            assert_memory_equal(y[0], y[t], sizeof(float) * M * N);
        }
        for (int t = 0; t < 3; t++) sns_aligned_free(y[t]);
        sns_aligned_free(x);
        free_weight(&w);
    }
}

/* What the processor has is used; what SENSUS_CPU takes away is not. */
static void the_arithmetic_follows_the_processor(void **state) {
    (void)state;
    const char *name = sns_kernels_get()->name;
    bool bf16 = !strcmp(name, "avx512bf16"), int8 = bf16 || !strcmp(name, "avx512vnni");
    assert_int_equal(sns_packed_arithmetic(SNS_PACKED_F32, 8), SNS_PACKED_F32);
    assert_int_equal(sns_packed_arithmetic(SNS_PACKED_BF16, 8),
                     bf16 ? SNS_PACKED_BF16 : SNS_PACKED_F32);
    assert_int_equal(sns_packed_arithmetic(SNS_PACKED_INT8, 8),
                     int8 ? SNS_PACKED_INT8 : SNS_PACKED_F32);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_arithmetic_follows_the_processor),
        cmocka_unit_test(products_equal_loops),
        cmocka_unit_test(long_sums_of_bytes_do_not_overflow),
        cmocka_unit_test(not_a_number_stays_in_its_row),
        cmocka_unit_test(rows_may_lie_in_three_places),
        cmocka_unit_test(threads_do_not_change_a_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
