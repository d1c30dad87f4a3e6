/* test_probe.c - logistic regression by what makes a minimum one, the sweep of lambda, nearest
 * neighbours by plain loops, L-BFGS on a function that is hard to descend. */
#include "base/rng.h"
#include "score/lbfgs.h"
#include "score/rank.h"
#include "tensor/npy.h"
#include "tool.h"
#include <math.h>
#include <sensus/probe.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { N = 400, M = 200, E = 9, K = 4 };

static float x[N * E], held[M * E];
static uint32_t labels[N], held_labels[M];

/* Clusters that overlap. */
static void draw(float *to, uint32_t *of, size_t n, uint64_t seed) {
    sns_rng rng;
    sns_rng_seed(&rng, seed);
    for (size_t i = 0; i < n; i++) {
        of[i] = (uint32_t)sns_rng_below(&rng, K);
        for (size_t e = 0; e < E; e++)
            to[i * E + e] = (float)(sns_rng_normal(&rng) + (e == of[i] ? 1.2 : 0));
    }
}

static int set_up(void **state) {
    (void)state;
    draw(x, labels, N, 1);
    draw(held, held_labels, M, 2);
    return 0;
}

/* Loss and largest part of the gradient of sum -log p + lambda / 2 |W|^2, in double. */
static double gradient_at(const sns_probe *p, double lambda, double *loss) {
    static double dW[K * E], db[K];
    double most = 0;
    *loss = 0;
    memset(db, 0, sizeof db);
    for (size_t i = 0; i < K * E; i++) {
        dW[i] = lambda * p->weights[i];
        *loss += lambda / 2 * p->weights[i] * p->weights[i];
    }
    for (size_t i = 0; i < N; i++) {
        double z[K], sum = 0;
        for (size_t k = 0; k < K; k++) {
            z[k] = p->bias[k];
            for (size_t e = 0; e < E; e++) z[k] += (double)p->weights[k * E + e] * x[i * E + e];
            sum += exp(z[k]);
        }
        *loss -= z[labels[i]] - log(sum);
        for (size_t k = 0; k < K; k++) {
            double d = exp(z[k]) / sum - (k == labels[i]);
            db[k] += d;
            for (size_t e = 0; e < E; e++) dW[k * E + e] += d * x[i * E + e];
        }
    }
    for (size_t i = 0; i < K * E; i++) most = fmax(most, fabs(dW[i]));
    for (size_t k = 0; k < K; k++) most = fmax(most, fabs(db[k]));
    return most;
}

static void the_gradient_is_zero_at_the_minimum(void **state) {
    (void)state;
    for (double lambda = 1e-3; lambda < 2e3; lambda *= 100) {
        sns_probe *p, *again;
        sns_error err = {0};
        double loss;
        assert_int_equal(sns_probe_fit(x, labels, N, E, K, lambda, NULL, &p, &err), SNS_OK);
        double most = gradient_at(p, lambda, &loss);
        if (!(most < 2e-5 * (N + lambda)))
            fail_msg("gradient %g at lambda %g after %zu", most, lambda, p->iterations);
        assert_true(fabs(loss - p->loss) < 1e-4 * loss);
        assert_int_equal(sns_probe_fit(x, labels, N, E, K, lambda, p, &again, &err), SNS_OK);
        assert_true(again->iterations <= 3); /* it begins at the minimum */
        for (size_t i = 0; i < K * E; i++)
            assert_true(fabsf(p->weights[i] - again->weights[i]) < 1e-2f);
        sns_probe_free(p);
        sns_probe_free(again);
    }
}

static void wrong_arguments_are_refused(void **state) {
    (void)state;
    sns_probe *p;
    float bad[2] = {1, NAN}, scores[2];
    const uint32_t two[] = {0, 1}, out_of_range[] = {0, 2};
    assert_int_equal(sns_probe_fit(x, labels, 0, E, K, 1, NULL, &p, NULL), SNS_ARG);
    assert_int_equal(sns_probe_fit(x, labels, N, E, 1, 1, NULL, &p, NULL), SNS_ARG);
    assert_int_equal(sns_probe_fit(x, labels, N, E, K, 0, NULL, &p, NULL), SNS_ARG);
    assert_int_equal(sns_probe_fit(x, out_of_range, 2, 1, 2, 1, NULL, &p, NULL), SNS_ARG);
    assert_int_equal(sns_probe_fit(bad, two, 2, 1, 2, 1, NULL, &p, NULL), SNS_FORMAT);
    assert_int_equal(sns_knn_scores(x, labels, 0, x, 1, E, K, 1, 0, scores, NULL), SNS_ARG);
    assert_int_equal(sns_knn_scores(x, labels, N, x, 1, E, K, 0, 0, scores, NULL), SNS_ARG);
}

typedef struct tries {
    double lambda[97], accuracy[97];
    size_t count;
} tries;

static void note_try(void *user, double lambda, double accuracy) {
    tries *t = user;
    t->lambda[t->count] = lambda;
    t->accuracy[t->count++] = accuracy;
}

static void the_sweep_takes_the_best(void **state) {
    (void)state;
    tries t = {.count = 0};
    double lambda, best = 0, of_chosen = -1;
    sns_error err = {0};
    assert_int_equal(
        sns_probe_sweep(x, labels, N, held, held_labels, M, E, K, note_try, &t, &lambda, &err),
        SNS_OK);
    assert_true(t.count >= 7 + 4 && t.count <= 7 + 8);
    for (size_t i = 0; i < t.count; i++) {
        best = fmax(best, t.accuracy[i]);
        if (fabs(t.lambda[i] / lambda - 1) < 1e-9) of_chosen = t.accuracy[i];
        double step = log10(t.lambda[i]) * 8; /* eight a decade */
        assert_true(fabs(step - round(step)) < 1e-6);
    }
    assert_true(of_chosen == best);
    assert_true(best > 0.45); /* guessing: 0.25 */
}

static void neighbours_equal_loops(void **state) {
    (void)state;
    enum { NEAR = 5 };
    static float scores[M * K];
    sns_error err = {0};
    for (int weighted = 0; weighted < 2; weighted++) {
        double temperature = weighted ? 0.5 : 0;
        assert_int_equal(
            sns_knn_scores(x, labels, N, held, M, E, K, NEAR, temperature, scores, &err), SNS_OK);
        for (size_t q = 0; q < M; q++) {
            double similarity[N], votes[K] = {0}, top = 0;
            bool taken[N] = {false};
            for (size_t i = 0; i < N; i++) {
                similarity[i] = 0;
                for (size_t e = 0; e < E; e++)
                    similarity[i] += (double)x[i * E + e] * held[q * E + e];
            }
            for (int r = 0; r < NEAR; r++) {
                size_t best = N;
                for (size_t i = 0; i < N; i++)
                    if (!taken[i] && (best == N || similarity[i] > similarity[best])) best = i;
                if (!r) top = similarity[best];
                taken[best] = true;
                votes[labels[best]] += weighted ? exp((similarity[best] - top) / temperature) : 1;
            }
            for (size_t k = 0; k < K; k++) assert_true(fabs(votes[k] - scores[q * K + k]) < 1e-4);
        }
    }
}

/* Rosenbrock's valley in ten dimensions. */
static bool valley(void *user, const double *at, double *f, double *g, sns_error *err) {
    (void)err;
    size_t n = *(size_t *)user;
    *f = 0;
    memset(g, 0, n * sizeof *g);
    for (size_t i = 0; i + 1 < n; i++) {
        double a = at[i + 1] - at[i] * at[i], b = 1 - at[i];
        *f += 100 * a * a + b * b;
        g[i] += -400 * a * at[i] - 2 * b;
        g[i + 1] += 200 * a;
    }
    return true;
}

static void lbfgs_follows_a_valley(void **state) {
    (void)state;
    double at[10], f;
    size_t n = 10, iterations;
    const sns_lbfgs_options o = {1000, 1e-9};
    for (size_t i = 0; i < n; i++) at[i] = i % 2 ? 1 : -1.2;
    assert_int_equal(sns_lbfgs(n, at, valley, &n, &o, &f, &iterations, NULL), SNS_OK);
    assert_true(iterations > 10 && iterations < 300);
    /* the minimum, or the one other stationary point that is lower than all around it */
    assert_true(f < 1e-12 || fabs(f - 3.986579) < 1e-3);
}

/* [rows, cols + 1] -> vectors and labels; malloc'd. */
static size_t read_labelled(const char *name, float **vectors, uint32_t **of, size_t *cols) {
    sns_npy a;
    sns_error err = {0};
    if (sns_npy_read(tool_source(name), &a, &err)) fail_msg("%s", err.message);
    assert_int_equal(a.dims, 2);
    *cols = a.dim[1] - 1;
    *vectors = malloc(a.count * sizeof **vectors);
    *of = malloc(a.dim[0] * sizeof **of);
    for (size_t i = 0; i < a.dim[0]; i++) {
        memcpy(*vectors + i * *cols, a.data + i * a.dim[1], *cols * sizeof **vectors);
        (*of)[i] = (uint32_t)a.data[i * a.dim[1] + *cols];
    }
    size_t rows = a.dim[0];
    sns_npy_free(&a);
    return rows;
}

static sns_npy read_golden(const char *name) {
    sns_npy a;
    sns_error err = {0};
    if (sns_npy_read(tool_source(name), &a, &err)) fail_msg("%s", err.message);
    return a;
}

/* make_probe.py says what is in the files. An intercept has no penalty: scikit-learn's are known up
 * to a constant, here less their mean, as W's columns. */
static void scikit_learn_agrees(void **state) {
    (void)state;
    static const double lambdas[] = {0.1, 1, 100};
    float *a, *b;
    uint32_t *la, *lb;
    size_t dim, n = read_labelled("goldens/probe/train.npy", &a, &la, &dim);
    size_t m = read_labelled("goldens/probe/test.npy", &b, &lb, &dim);
    sns_npy want = read_golden("goldens/probe/regression.npy"),
            loss = read_golden("goldens/probe/loss.npy"),
            near = read_golden("goldens/probe/neighbours.npy"),
            confusion = read_golden("goldens/probe/confusion.npy"),
            accuracy = read_golden("goldens/probe/accuracy.npy");
    size_t classes = want.dim[1];
    float *scores = malloc(m * classes * sizeof *scores);
    uint32_t *ranks = malloc(m * sizeof *ranks), *answers = malloc(m * sizeof *answers);
    for (size_t l = 0; l < want.dim[0]; l++) {
        sns_probe *p;
        double mean = 0;
        sns_error err = {0};
        if (sns_probe_fit(a, la, n, dim, classes, lambdas[l], NULL, &p, &err))
            fail_msg("%s", err.message);
        assert_true(fabs(p->loss / loss.data[l] - 1) < 1e-4);
        for (size_t c = 0; c < classes; c++) mean += p->bias[c] / (double)classes;
        for (size_t c = 0; c < classes; c++) {
            const float *row = want.data + (l * classes + c) * (dim + 1);
            for (size_t e = 0; e < dim; e++)
                assert_true(fabsf(p->weights[c * dim + e] - row[e]) < 5e-3f);
            assert_true(fabs(p->bias[c] - mean - row[dim]) < 5e-3);
        }
        if (lambdas[l] == 1) {
            sns_class_result per_class[3] = {{0}};
            sns_zero_shot out = {.per_class = per_class};
            assert_int_equal(sns_probe_scores(p, b, m, scores, NULL), SNS_OK);
            for (size_t i = 0; i < m; i++)
                ranks[i] = sns_rank_of_best(scores + i * classes, classes, &lb[i], 1);
            assert_int_equal(sns_accuracy_measure(ranks, lb, m, classes, &out, NULL), SNS_OK);
            assert_float_equal(out.top_1.value, accuracy.data[0], 1e-6);
            assert_float_equal(out.mean_per_class.value, accuracy.data[1], 1e-6);
            for (size_t i = 0; i < m; i++) {
                answers[i] = 0;
                for (uint32_t c = 1; c < classes; c++)
                    if (scores[i * classes + c] > scores[i * classes + answers[i]]) answers[i] = c;
            }
            assert_int_equal(sns_confusion_measure(answers, lb, m, &out, NULL), SNS_OK);
            for (size_t i = 0; i < classes * classes; i++)
                assert_int_equal(out.confusion[i], (uint32_t)confusion.data[i]);
            free(out.confusion);
        }
        sns_probe_free(p);
    }
    assert_int_equal(sns_knn_scores(a, la, n, b, m, dim, classes, 5, 0, scores, NULL), SNS_OK);
    for (size_t i = 0; i < m; i++)
        for (size_t c = 0; c < classes; c++)
            assert_true(scores[i * classes + c] <= scores[i * classes + (size_t)near.data[i]]);
    sns_npy_free(&want);
    sns_npy_free(&loss);
    sns_npy_free(&near);
    sns_npy_free(&accuracy);
    sns_npy_free(&confusion);
    free(answers);
    free(scores);
    free(ranks);
    free(a);
    free(b);
    free(la);
    free(lb);
}

static void average_precision_is_scikit_learns(void **state) {
    (void)state;
    float *a, *b;
    uint32_t *la, *lb;
    size_t dim, n = read_labelled("goldens/probe/train.npy", &a, &la, &dim);
    size_t m = read_labelled("goldens/probe/test.npy", &b, &lb, &dim), pair_count = 0;
    sns_npy want = read_golden("goldens/probe/precision.npy");
    sns_pair *pairs = malloc(n * m * sizeof *pairs);
    uint32_t *ranks = malloc(m * sizeof *ranks);
    double *precision = malloc(m * sizeof *precision), mean = 0;
    sns_relation right;
    sns_measure measured;
    for (size_t q = 0; q < m; q++)
        for (size_t i = 0; i < n; i++)
            if (la[i] == lb[q]) pairs[pair_count++] = (sns_pair){(uint32_t)q, (uint32_t)i};
    assert_int_equal(sns_relation_new(pairs, pair_count, m, &right, NULL), SNS_OK);
    assert_int_equal(sns_rank_queries(b, m, a, n, dim, &right, ranks, precision, NULL, NULL),
                     SNS_OK);
    for (size_t q = 0; q < m; q++) {
        assert_true(fabs(precision[q] - want.data[q]) < 1e-5);
        mean += precision[q] / (double)m;
    }
    assert_int_equal(sns_mean_average_precision(precision, &right, n, &measured, NULL), SNS_OK);
    assert_float_equal(measured.value, mean, 1e-9);
    assert_true(measured.low < mean && mean < measured.high);
    assert_true(measured.chance > 0.3 && measured.chance < 0.42); /* a third is right */
    sns_relation_free(&right);
    sns_npy_free(&want);
    free(pairs);
    free(ranks);
    free(precision);
    free(a);
    free(b);
    free(la);
    free(lb);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_gradient_is_zero_at_the_minimum),
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(the_sweep_takes_the_best),
        cmocka_unit_test(neighbours_equal_loops),
        cmocka_unit_test(scikit_learn_agrees),
        cmocka_unit_test(average_precision_is_scikit_learns),
        cmocka_unit_test(lbfgs_follows_a_valley),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
