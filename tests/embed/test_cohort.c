/* test_cohort.c - relevance against plain loops, and what it must do with scores of a known kind.
 */
#include "../catalog/catalog_world.h"
#include "base/rng.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static catalog_world world;

static int set_up(void **state) {
    (void)state;
    world_open(&world);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    world_close(&world);
    return 0;
}

static sns_classifier *cohort(const char *const *templates, size_t n) {
    sns_classifier *c;
    sns_error err = {0};
    if (sns_cohort_new(world.model, templates, n, &c, &err)) fail_msg("%s", err.message);
    return c;
}

static void unit_rows(float *x, size_t n, size_t E, uint64_t seed) {
    sns_rng rng;
    sns_rng_seed(&rng, seed);
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t e = 0; e < E; e++) x[i * E + e] = (float)sns_rng_normal(&rng);
        for (size_t e = 0; e < E; e++) sum += (double)x[i * E + e] * x[i * E + e];
        for (size_t e = 0; e < E; e++) x[i * E + e] /= (float)sqrt(sum);
    }
}

static void moments_equal_loops(void **state) {
    (void)state;
    enum { N = 7 };
    sns_classifier *c = cohort(NULL, 0);
    size_t B = sns_classifier_count(c), E = sns_classifier_dim(c);
    const float *C = sns_classifier_weights(c);
    float *x = malloc(N * E * sizeof *x);
    sns_moments m[N];
    assert_true(B > 200);
    unit_rows(x, N, E, 3);
    sns_cohort_moments(c, x, N, m);
    for (size_t i = 0; i < N; i++) {
        double sum = 0, squares = 0;
        for (int pass = 0; pass < 2; pass++)
            for (size_t j = 0; j < B; j++) {
                double dot = 0;
                for (size_t e = 0; e < E; e++) dot += (double)x[i * E + e] * C[j * E + e];
                if (!pass) sum += dot / (double)B;
                if (pass) squares += (dot - sum) * (dot - sum) / (double)B;
            }
        assert_float_equal(m[i].mean, sum, 1e-5);
        assert_float_equal(m[i].std, sqrt(squares), 1e-5);
    }
    free(x);
    sns_classifier_free(c);
}

static void templates_change_the_cohort(void **state) {
    (void)state;
    const char *const photo = "a photo of a {}", *const hole = "no hole";
    sns_classifier *bare = cohort(NULL, 0), *photos = cohort(&photo, 1), *none;
    assert_int_equal(sns_classifier_count(bare), sns_classifier_count(photos));
    assert_memory_not_equal(sns_classifier_weights(bare), sns_classifier_weights(photos),
                            sns_classifier_dim(bare) * sizeof(float));
    assert_int_equal(sns_cohort_new(world.model, &hole, 1, &none, NULL), SNS_ARG);
    sns_classifier_free(bare);
    sns_classifier_free(photos);
}

enum { MANY = 4000 };

/* Normal scores of mean and deviation, the first ten raised by `lift` deviations. */
static void draw_scores(float *cosines, sns_moments *m, double mean, double std, double lift) {
    sns_rng rng;
    sns_rng_seed(&rng, 9);
    for (size_t i = 0; i < MANY; i++) {
        m[i] = (sns_moments){(float)mean, (float)std};
        cosines[i] = (float)(mean + std * (sns_rng_normal(&rng) + (i < 10 ? lift : 0)));
    }
}

/* Whatever a model's scores are like, the same ten pictures fit; none fits where none stands out.
 */
static void one_threshold_serves_all_models(void **state) {
    (void)state;
    float *cosines = malloc(MANY * sizeof *cosines), *s = malloc(MANY * sizeof *s);
    sns_moments *m = malloc(MANY * sizeof *m);
    const double models[][2] = {{0.2, 0.02}, {-0.3, 0.2}, {0, 0.1}};
    for (size_t k = 0; k < 3; k++)
        for (int lifted = 0; lifted < 2; lifted++) {
            size_t found = 0, wrong = 0;
            draw_scores(cosines, m, models[k][0], models[k][1], lifted ? 7 : 0);
            sns_relevance(cosines, m, MANY, s);
            for (size_t i = 0; i < MANY; i++) {
                found += lifted && i < 10 && s[i] >= SNS_RELEVANT;
                wrong += !(lifted && i < 10) && s[i] >= SNS_RELEVANT;
            }
            assert_int_equal(found, lifted ? 10 : 0);
            assert_true(wrong < MANY / 300); /* 1.3 in 1000 of a normal distribution */
        }
    free(cosines);
    free(s);
    free(m);
}

/* The definition, with the prior's pictures; NULL moments leave z alone; few and equal scores are
 * no trouble. */
static void relevance_equals_definition(void **state) {
    (void)state;
    const float cosines[] = {0.5f, 0.1f, 0.3f};
    const sns_moments m[] = {{0.1f, 0.1f}, {0.2f, 0.2f}, {0, 0.1f}};
    double own = 0, own2 = 0, all = 0, all2 = 0, w = 3.0 / (3 + 32);
    float s[3], one = 0.4f;
    for (int i = 0; i < 3; i++) {
        own += cosines[i] / 3.0, own2 += cosines[i] * cosines[i] / 3.0;
        all += m[i].mean / 3.0;
        all2 += (m[i].mean * m[i].mean + m[i].std * m[i].std) / 3.0;
    }
    double mean = w * own + (1 - w) * all, std = sqrt(w * own2 + (1 - w) * all2 - mean * mean);
    sns_relevance(cosines, m, 3, s);
    for (int i = 0; i < 3; i++) {
        double z = (cosines[i] - mean) / std, t = (cosines[i] - m[i].mean) / m[i].std;
        assert_float_equal(s[i], (z + t) / 2, 1e-4);
    }
    sns_relevance(cosines, NULL, 3, s);
    for (int i = 0; i < 3; i++)
        assert_float_equal(s[i], (cosines[i] - own) / sqrt(own2 - own * own), 1e-4);
    sns_relevance(&one, NULL, 1, &one);
    assert_float_equal(one, 0, 1e-6);
    sns_relevance(cosines, m, 0, s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_equal_loops),
        cmocka_unit_test(templates_change_the_cohort),
        cmocka_unit_test(one_threshold_serves_all_models),
        cmocka_unit_test(relevance_equals_definition),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
