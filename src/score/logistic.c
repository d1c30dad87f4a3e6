/* logistic.c - multinomial logistic regression, the "linear probe".
 *
 *   z = x W^T + b [n, K]     p = softmax(z)
 *   f = (1 / n) (sum over examples of -log p(label) + lambda / 2 |W|^2)
 *   dz = (p - onehot(label)) / n     dW = dz^T x + (lambda / n) W     db = sum of dz
 * The 1 / n only sets the scale of the tolerance; the minimum is that of probe.h. Parameters are in
 * double, products in f32 by blocks of examples. */
#include "base/error.h"
#include "base/memory.h"
#include "kernel/gemm.h"
#include "score/lbfgs.h"
#include <math.h>
#include <sensus/probe.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 2048, MOST_ITERATIONS = 1000, MOST_CLASSES = 1 << 16 };
static const double TOLERANCE = 1e-5;

typedef struct problem {
    const float *x;
    const uint32_t *labels;
    size_t n, E, K;
    double lambda;
    float *W, *b, *z, *dW; /* [K, E], [K], [BLOCK, K], [K, E] */
} problem;

/* z becomes dz; returns the block's loss. */
static double softmax_block(const problem *p, size_t first, size_t rows, double *db) {
    const sns_kernels *k = sns_kernels_get();
    double loss = 0;
    for (size_t i = 0; i < rows; i++) {
        float *z = p->z + i * p->K;
        k->add(z, p->b, p->K);
        uint32_t label = p->labels[first + i];
        float right = z[label];
        loss += k->softmax_row(z, p->K) - right;
        z[label] -= 1;
        for (size_t c = 0; c < p->K; c++) db[c] += z[c];
    }
    return loss;
}

static bool objective(void *user, const double *at, double *f, double *gradient, sns_error *err) {
    problem *p = user;
    size_t E = p->E, K = p->K, params = K * E;
    double loss = 0, squares = 0, *db = gradient + params;
    for (size_t i = 0; i < params; i++) p->W[i] = (float)at[i];
    for (size_t c = 0; c < K; c++) p->b[c] = (float)at[params + c];
    memset(p->dW, 0, params * sizeof *p->dW);
    memset(db, 0, K * sizeof *db);
    for (size_t i = 0; i < p->n; i += BLOCK) {
        size_t rows = p->n - i < BLOCK ? p->n - i : BLOCK;
        const float *x = p->x + i * E;
        if (sns_gemm(false, true, rows, K, E, x, E, p->W, E, 0, p->z, K, err)) return false;
        loss += softmax_block(p, i, rows, db);
        if (sns_gemm(true, false, K, E, rows, p->z, K, x, E, 1, p->dW, E, err)) return false;
    }
    for (size_t i = 0; i < params; i++) {
        squares += at[i] * at[i];
        gradient[i] = (p->dW[i] + p->lambda * at[i]) / (double)p->n;
    }
    for (size_t c = 0; c < K; c++) db[c] /= (double)p->n;
    *f = (loss + p->lambda / 2 * squares) / (double)p->n;
    return true;
}

void sns_probe_free(sns_probe *p) {
    if (!p) return;
    sns_aligned_free(p->weights);
    sns_aligned_free(p->bias);
    free(p);
}

static sns_probe *probe_new(size_t classes, size_t dim) {
    sns_probe *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    *p = (sns_probe){.classes = classes, .dim = dim};
    p->weights = sns_aligned_calloc(classes * dim * sizeof *p->weights);
    p->bias = sns_aligned_calloc(classes * sizeof *p->bias);
    if (p->weights && p->bias) return p;
    sns_probe_free(p);
    return NULL;
}

static sns_status check(const float *x, const uint32_t *labels, size_t n, size_t dim,
                        size_t classes, double lambda, const sns_probe *start, sns_error *err) {
    if (!n || !dim || classes < 2)
        return sns_fail(err, SNS_ARG, "a probe needs examples of two classes at least");
    if (classes > MOST_CLASSES || n > SIZE_MAX / sizeof(float) / dim)
        return sns_fail(err, SNS_LIMIT, "a probe of %zu classes is too large", classes);
    if (!(lambda > 0) || isinf(lambda))
        return sns_fail(err, SNS_ARG, "lambda %g: must be above 0", lambda);
    if (start && (start->classes != classes || start->dim != dim))
        return sns_fail(err, SNS_ARG, "the probe to begin with has another shape");
    for (size_t i = 0; i < n; i++)
        if (labels[i] >= classes)
            return sns_fail(err, SNS_ARG, "example %zu: label %u of %zu classes", i, labels[i],
                            classes);
    for (size_t i = 0; i < n * dim; i++)
        if (!isfinite(x[i]))
            return sns_fail(err, SNS_FORMAT, "example %zu has a number that is none", i / dim);
    return SNS_OK;
}

static sns_status minimise(problem *p, double *at, sns_probe *out, sns_error *err) {
    const sns_lbfgs_options o = {MOST_ITERATIONS, TOLERANCE};
    double f;
    sns_status s = sns_lbfgs(p->K * (p->E + 1), at, objective, p, &o, &f, &out->iterations, err);
    if (s) return s;
    for (size_t i = 0; i < p->K * p->E; i++) out->weights[i] = (float)at[i];
    for (size_t c = 0; c < p->K; c++) out->bias[c] = (float)at[p->K * p->E + c];
    out->loss = f * (double)p->n;
    return SNS_OK;
}

sns_status sns_probe_fit(const float *x, const uint32_t *labels, size_t n, size_t dim,
                         size_t classes, double lambda, const sns_probe *start, sns_probe **out,
                         sns_error *err) {
    *out = NULL;
    sns_status s = check(x, labels, n, dim, classes, lambda, start, err);
    if (s) return s;
    size_t params = classes * dim;
    problem p = {.x = x, .labels = labels, .n = n, .E = dim, .K = classes, .lambda = lambda};
    p.W = sns_aligned_alloc(params * sizeof *p.W);
    p.dW = sns_aligned_alloc(params * sizeof *p.dW);
    p.b = sns_aligned_alloc(classes * sizeof *p.b);
    p.z = sns_aligned_alloc(BLOCK * classes * sizeof *p.z);
    double *at = calloc(params + classes, sizeof *at);
    sns_probe *probe = probe_new(classes, dim);
    bool ok = p.W && p.dW && p.b && p.z && at && probe;
    s = ok ? SNS_OK : sns_fail(err, SNS_NOMEM, "no memory for a probe of %zu classes", classes);
    for (size_t i = 0; i < params && ok && start; i++) at[i] = start->weights[i];
    for (size_t c = 0; c < classes && ok && start; c++) at[params + c] = start->bias[c];
    if (!s) s = minimise(&p, at, probe, err);
    sns_aligned_free(p.W);
    sns_aligned_free(p.dW);
    sns_aligned_free(p.b);
    sns_aligned_free(p.z);
    free(at);
    if (s)
        sns_probe_free(probe);
    else
        *out = probe;
    return s;
}

sns_status sns_probe_scores(const sns_probe *p, const float *x, size_t n, float *scores,
                            sns_error *err) {
    sns_status s = sns_gemm(false, true, n, p->classes, p->dim, x, p->dim, p->weights, p->dim, 0,
                            scores, p->classes, err);
    for (size_t i = 0; i < n && !s; i++)
        sns_kernels_get()->add(scores + i * p->classes, p->bias, p->classes);
    return s;
}

/* ---- which lambda ---- */

enum { STEPS = 8, LOWEST = -6 * STEPS, HIGHEST = 6 * STEPS, COUNT = HIGHEST - LOWEST + 1 };

typedef struct sweep {
    const float *x, *validation;
    const uint32_t *labels, *validation_labels;
    size_t n, m, dim, classes;
    void (*tried)(void *user, double lambda, double accuracy);
    void *user;
    float *scores;          /* [m, classes] */
    double accuracy[COUNT]; /* below 0: not known yet */
    sns_probe *last;        /* a near one to begin with */
} sweep;

static double accuracy_of(const sweep *w) {
    size_t right = 0;
    for (size_t i = 0; i < w->m; i++) {
        const float *row = w->scores + i * w->classes;
        bool first = true;
        for (size_t c = 0; c < w->classes; c++)
            if (c != w->validation_labels[i] && !(row[w->validation_labels[i]] > row[c]))
                first = false;
        right += first;
    }
    return (double)right / (double)w->m;
}

static sns_status try_step(sweep *w, int step, sns_error *err) {
    double *accuracy = &w->accuracy[step - LOWEST], lambda = pow(10, (double)step / STEPS);
    sns_probe *probe;
    if (*accuracy >= 0) return SNS_OK;
    sns_status s = sns_probe_fit(w->x, w->labels, w->n, w->dim, w->classes, lambda, w->last, &probe,
                                 err);
    if (s) return s;
    sns_probe_free(w->last);
    w->last = probe;
    s = sns_probe_scores(probe, w->validation, w->m, w->scores, err);
    if (s) return s;
    *accuracy = accuracy_of(w);
    if (w->tried) w->tried(w->user, lambda, *accuracy);
    return SNS_OK;
}

static int best_step(const sweep *w) {
    int best = LOWEST;
    for (int step = LOWEST; step <= HIGHEST; step++)
        if (w->accuracy[step - LOWEST] >= w->accuracy[best - LOWEST] &&
            w->accuracy[step - LOWEST] >= 0)
            best = step;
    return best;
}

sns_status sns_probe_sweep(const float *x, const uint32_t *labels, size_t n,
                           const float *validation, const uint32_t *validation_labels, size_t m,
                           size_t dim, size_t classes,
                           void (*tried)(void *user, double lambda, double accuracy), void *user,
                           double *lambda, sns_error *err) {
    sweep w = {.x = x,
               .validation = validation,
               .labels = labels,
               .validation_labels = validation_labels,
               .n = n,
               .m = m,
               .dim = dim,
               .classes = classes,
               .tried = tried,
               .user = user};
    if (!m) return sns_fail(err, SNS_ARG, "no example to choose lambda by");
    if (!(w.scores = malloc(m * classes * sizeof *w.scores)))
        return sns_fail(err, SNS_NOMEM, "no memory for %zu examples", m);
    sns_status s = SNS_OK;
    for (int i = 0; i < COUNT; i++) w.accuracy[i] = -1;
    for (int step = HIGHEST; step >= LOWEST && !s; step -= 2 * STEPS) s = try_step(&w, step, err);
    for (int half = STEPS; half >= 1 && !s; half /= 2) {
        int best = best_step(&w);
        if (best + half <= HIGHEST) s = try_step(&w, best + half, err);
        if (!s && best - half >= LOWEST) s = try_step(&w, best - half, err);
    }
    *lambda = pow(10, (double)best_step(&w) / STEPS);
    sns_probe_free(w.last);
    free(w.scores);
    return s;
}
