/* test_optimizer.c - AdamW, gradient norm, averaged weights, schedule. */
#include "train/adamw.h"
#include "train/schedule.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void schedule_warms_up_and_falls(void **state) {
    (void)state;
    sns_schedule s = {1e-3, 1e-5, 10, 110};
    assert_true(fabs(sns_schedule_lr(&s, 0) - 1e-4) < 1e-12);
    assert_true(fabs(sns_schedule_lr(&s, 9) - 1e-3) < 1e-12);
    assert_true(fabs(sns_schedule_lr(&s, 10) - 1e-3) < 1e-12);
    assert_true(fabs(sns_schedule_lr(&s, 60) - (1e-3 + 1e-5) / 2) < 1e-12);
    assert_true(sns_schedule_lr(&s, 109) < 1.1e-5);
    assert_true(sns_schedule_lr(&s, 500) == 1e-5);
    for (size_t i = 10; i < 109; i++)
        assert_true(sns_schedule_lr(&s, i) > sns_schedule_lr(&s, i + 1));
    sns_schedule none = {1e-3, 0, 0, 4};
    assert_true(sns_schedule_lr(&none, 0) == 1e-3);
}

/* Two tensors, the first with decay, against the equations in double. */
static void adamw_follows_its_equations(void **state) {
    (void)state;
    enum { N = 37 };
    sns_param_desc desc[2] = {{.count = 20, .offset = 0, .decay = true},
                              {.count = N - 20, .offset = 20, .decay = false}};
    sns_layout l = {desc, 2, N};
    float p[N], m[N] = {0}, v[N] = {0}, g[N];
    double P[N], M[N] = {0}, V[N] = {0};
    sns_adamw a = {0.9, 0.98, 1e-6, 0.1, m, v, NULL};
    for (int i = 0; i < N; i++) P[i] = p[i] = (float)sin(i + 1.0);
    for (size_t step = 0; step < 20; step++) {
        double lr = 1e-2 / (double)(step + 1), scale = 0.5;
        for (int i = 0; i < N; i++) g[i] = (float)cos(i * 1.7 + (double)step);
        sns_adamw_update(&a, sns_kernels_get(), &l, step, lr, scale, p, g);
        for (int i = 0; i < N; i++) {
            double G = scale * g[i], t = (double)step + 1, decay = i < 20 ? 0.1 : 0;
            M[i] = 0.9 * M[i] + 0.1 * G;
            V[i] = 0.98 * V[i] + 0.02 * G * G;
            double mh = M[i] / (1 - pow(0.9, t)), vh = V[i] / (1 - pow(0.98, t));
            P[i] -= lr * (mh / (sqrt(vh) + 1e-6) + decay * P[i]);
        }
    }
    for (int i = 0; i < N; i++) assert_true(fabs(p[i] - P[i]) < 1e-5);
}

static void norm_and_average(void **state) {
    (void)state;
    size_t n = 200001;
    float *g = sns_aligned_alloc(n * sizeof *g);
    double want = 0, *scratch = malloc(sns_norm_chunks(n) * sizeof *scratch);
    for (size_t i = 0; i < n; i++) {
        g[i] = (float)sin((double)i);
        want += (double)g[i] * g[i];
    }
    double got = sns_global_norm(sns_kernels_get(), g, n, scratch);
    assert_true(fabs(got - sqrt(want)) < 1e-6 * sqrt(want));
    g[n - 1] = NAN;
    assert_true(isnan(sns_global_norm(sns_kernels_get(), g, n, scratch)));
    float ema[3] = {1, 2, 3}, now[3] = {2, 2, 0};
    sns_ema_update(sns_kernels_get(), ema, now, 3, 0.999, 0); /* decay 0.1 so early */
    assert_true(fabsf(ema[0] - 1.9f) < 1e-6f && ema[1] == 2 && fabsf(ema[2] - 0.3f) < 1e-6f);
    sns_ema_update(sns_kernels_get(), ema, now, 3, 0.5, 1000);
    assert_true(fabsf(ema[0] - 1.95f) < 1e-6f);
    sns_aligned_free(g);
    free(scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(schedule_warms_up_and_falls),
                                       cmocka_unit_test(adamw_follows_its_equations),
                                       cmocka_unit_test(norm_and_average)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
