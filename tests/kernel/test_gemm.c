/* test_gemm.c - products against plain loops in double, every flag, odd sizes; threads don't change
 * a bit. */
#include "base/memory.h"
#include "base/rng.h"
#include "kernel/gemm.h"
#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static float *noise(sns_rng *rng, size_t n) {
    float *p = sns_aligned_alloc(n * sizeof *p);
    for (size_t i = 0; i < n; i++) p[i] = (float)sns_rng_normal(rng);
    return p;
}

static void check_close(const float *got, const double *want, size_t n, double scale) {
    for (size_t i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= 2e-6 * scale + 1e-5 * fabs(want[i])))
            fail_msg("element %zu of %zu: %.9g, expected %.9g", i, n, got[i], want[i]);
}

static void product_equals_loops(void **state) {
    (void)state;
    static const size_t sizes[][3] = {
        {1, 1, 1}, {3, 5, 7}, {17, 33, 65}, {130, 70, 31}, {65, 400, 100}};
    sns_rng rng;
    sns_rng_seed(&rng, 1);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        for (int flags = 0; flags < 8; flags++) {
            size_t M = sizes[s][0], N = sizes[s][1], K = sizes[s][2];
            bool ta = flags & 1, tb = flags & 2;
            float beta = flags & 4 ? 1 : 0;
            size_t lda = (ta ? M : K) + 3, ldb = (tb ? K : N) + 1, ldc = N + 2;
            float *A = noise(&rng, (ta ? K : M) * lda), *B = noise(&rng, (tb ? N : K) * ldb),
                  *C = noise(&rng, M * ldc);
            double *want = malloc(M * ldc * sizeof *want);
            for (size_t i = 0; i < M * ldc; i++) want[i] = C[i];
            for (size_t i = 0; i < M; i++)
                for (size_t j = 0; j < N; j++) {
                    double sum = beta ? C[i * ldc + j] : 0;
                    for (size_t k = 0; k < K; k++)
                        sum += (double)(ta ? A[k * lda + i] : A[i * lda + k]) *
                               (tb ? B[j * ldb + k] : B[k * ldb + j]);
                    want[i * ldc + j] = sum;
                }
            float *half = sns_aligned_alloc(M * ldc * sizeof *half);
            memcpy(half, C, M * ldc * sizeof *half);
            assert_int_equal(sns_gemm_bf16(ta, tb, M, N, K, A, lda, B, ldb, beta, half, ldc, NULL),
                             SNS_OK);
            for (size_t i = 0; i < M * ldc; i++)
                assert_true(fabs(half[i] - want[i]) <= 0.02 * (1 + sqrt((double)K)));
            sns_aligned_free(half);
            assert_int_equal(sns_gemm(ta, tb, M, N, K, A, lda, B, ldb, beta, C, ldc, NULL), SNS_OK);
            check_close(C, want, M * ldc, (double)K);
            free(want);
            sns_aligned_free(A);
            sns_aligned_free(B);
            sns_aligned_free(C);
        }
}

static void threads_do_not_change_a_bit(void **state) {
    (void)state;
    enum { M = 517, N = 800, K = 193 };
    sns_rng rng;
    sns_rng_seed(&rng, 3);
    float *x = noise(&rng, M * K), *W = noise(&rng, N * K), *y[3][2];
    for (int t = 0; t < 3; t++) {
        omp_set_num_threads(t + 1);
        y[t][0] = noise(&rng, M * N);
        y[t][1] = noise(&rng, M * N);
        assert_int_equal(sns_gemm(false, true, M, N, K, x, K, W, K, 0, y[t][0], N, NULL), SNS_OK);
        assert_int_equal(sns_gemm_bf16(false, true, M, N, K, x, K, W, K, 0, y[t][1], N, NULL),
                         SNS_OK);
        assert_memory_equal(y[0][0], y[t][0], sizeof(float) * M * N);
        assert_memory_equal(y[0][1], y[t][1], sizeof(float) * M * N);
    }
    for (int t = 0; t < 6; t++) sns_aligned_free(y[t / 2][t % 2]);
    sns_aligned_free(x);
    sns_aligned_free(W);
}

/* Few outputs, long sums: the shape for which splitting the sum among threads is tempting. */
static void threads_do_not_split_sums(void **state) {
    (void)state;
    const size_t shapes[][3] = {{7, 12, 8320}, {64, 64, 20000}, {1, 512, 512}, {3, 5, 60000}};
    sns_rng rng;
    sns_rng_seed(&rng, 4);
    for (size_t i = 0; i < 8; i++) {
        size_t M = shapes[i / 2][0], N = shapes[i / 2][1], K = shapes[i / 2][2];
        bool by_columns = i % 2; /* both operands stored with K first */
        float *a = noise(&rng, M * K), *b = noise(&rng, N * K), *c[4];
        for (int t = 0; t < 4; t++) {
            omp_set_num_threads(t + 1);
            c[t] = noise(&rng, M * N);
            assert_int_equal(sns_gemm(by_columns, !by_columns, M, N, K, a, by_columns ? M : K, b,
                                      by_columns ? N : K, 0, c[t], N, NULL),
                             SNS_OK);
            assert_memory_equal(c[0], c[t], sizeof(float) * M * N);
        }
        for (int t = 0; t < 4; t++) sns_aligned_free(c[t]);
        sns_aligned_free(a);
        sns_aligned_free(b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(product_equals_loops),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(threads_do_not_split_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
