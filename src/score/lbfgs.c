/* lbfgs.c - limited-memory BFGS (Liu and Nocedal 1989; Nocedal and Wright 2006,
 * algorithms 7.4, 7.5).
 *
 * With s_i = x_{i+1} - x_i, y_i = g_{i+1} - g_i, rho_i = 1 / (s_i . y_i) of the last MEMORY steps,
 * the direction d = -H g, H close to the inverse Hessian, comes from two loops over them:
 *   q = g;  newest to oldest: a_i = rho_i s_i . q,  q -= a_i y_i
 *   r = (s . y / y . y of the newest) q;  oldest to newest: r += (a_i - rho_i y_i . r) s_i;  d = -r
 * A step t along d satisfies the weak Wolfe conditions, found by doubling and halving (Lewis and
 * Overton 2013):  f(x + t d) <= f + C1 t g . d   and   g(x + t d) . d >= C2 g . d */
#include "score/lbfgs.h"
#include "base/error.h"
#include "base/memory.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY = 10, TRIES = 40 };
static const double C1 = 1e-4, C2 = 0.9;

typedef struct state {
    size_t n, pairs, newest; /* how many are known, where the last is */
    double *x, *g, *d, *next_x, *next_g;
    double *s, *y; /* [MEMORY, n] */
    double rho[MEMORY];
} state;

static double dot(const double *a, const double *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void add(double *y, double a, const double *x, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] += a * x[i];
}

static double largest(const double *x, size_t n) {
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs(x[i]));
    return most;
}

/* The i-th newest pair. */
static size_t slot(const state *b, size_t i) {
    return (b->newest + MEMORY - i) % MEMORY;
}

static void direction(state *b) {
    size_t n = b->n;
    double a[MEMORY];
    memcpy(b->d, b->g, n * sizeof *b->d);
    for (size_t i = 0; i < b->pairs; i++) {
        size_t k = slot(b, i);
        a[k] = b->rho[k] * dot(b->s + k * n, b->d, n);
        add(b->d, -a[k], b->y + k * n, n);
    }
    if (b->pairs) {
        const double *y = b->y + b->newest * n;
        double scale = 1 / (b->rho[b->newest] * dot(y, y, n));
        for (size_t i = 0; i < n; i++) b->d[i] *= scale;
    }
    for (size_t i = b->pairs; i-- > 0;) {
        size_t k = slot(b, i);
        add(b->d, a[k] - b->rho[k] * dot(b->y + k * n, b->d, n), b->s + k * n, n);
    }
    for (size_t i = 0; i < n; i++) b->d[i] = -b->d[i];
}

/* next_x, next_g, *f at a step that satisfies both conditions; 0 where there is none. */
static sns_status search(state *b, sns_objective_fn *objective, void *user, double *f, double *step,
                         sns_error *err) {
    double slope = dot(b->g, b->d, b->n), low = 0, high = INFINITY, t = *step;
    *step = 0;
    for (int i = 0; i < TRIES && slope < 0; i++) {
        double value;
        memcpy(b->next_x, b->x, b->n * sizeof *b->x);
        add(b->next_x, t, b->d, b->n);
        if (!objective(user, b->next_x, &value, b->next_g, err))
            return err ? err->code : SNS_INTERNAL;
        if (!(value <= *f + C1 * t * slope))
            high = t;
        else if (dot(b->next_g, b->d, b->n) < C2 * slope)
            low = t;
        else {
            *f = value;
            *step = t;
            return SNS_OK;
        }
        t = isinf(high) ? 2 * t : (low + high) / 2;
    }
    return SNS_OK;
}

static void remember(state *b) {
    size_t k = b->pairs ? (b->newest + 1) % MEMORY : 0, n = b->n;
    for (size_t i = 0; i < n; i++) {
        b->s[k * n + i] = b->next_x[i] - b->x[i];
        b->y[k * n + i] = b->next_g[i] - b->g[i];
    }
    double sy = dot(b->s + k * n, b->y + k * n, n);
    memcpy(b->x, b->next_x, n * sizeof *b->x);
    memcpy(b->g, b->next_g, n * sizeof *b->g);
    if (!(sy > 0)) return; /* only by rounding: the conditions promise more */
    b->rho[k] = 1 / sy;
    b->newest = k;
    if (b->pairs < MEMORY) b->pairs++;
}

static sns_status iterate(state *b, sns_objective_fn *objective, void *user,
                          const sns_lbfgs_options *o, double *f, size_t *iterations,
                          sns_error *err) {
    if (!objective(user, b->x, f, b->g, err)) return err ? err->code : SNS_INTERNAL;
    for (*iterations = 0; *iterations < o->most_iterations; ++*iterations) {
        if (!(largest(b->g, b->n) > o->tolerance)) break;
        direction(b);
        double step = b->pairs ? 1 : 1 / fmax(1, sqrt(dot(b->g, b->g, b->n)));
        sns_status s = search(b, objective, user, f, &step, err);
        if (s) return s;
        if (!step && !b->pairs) break;
        if (!step)
            b->pairs = 0; /* once more, straight down */
        else
            remember(b);
    }
    return SNS_OK;
}

sns_status sns_lbfgs(size_t n, double *x, sns_objective_fn *objective, void *user,
                     const sns_lbfgs_options *options, double *f, size_t *iterations,
                     sns_error *err) {
    size_t all;
    sns_error own; /* so that the objective always has a place to say why */
    if (!err) err = &own;
    if (!sns_mul_size(n, (4 + 2 * MEMORY) * sizeof(double), &all))
        return sns_fail(err, SNS_LIMIT, "%zu parameters are too many", n);
    double *room = malloc(all ? all : 1);
    if (!room) return sns_fail(err, SNS_NOMEM, "no memory to fit %zu parameters", n);
    state b = {
        .n = n, .x = x, .g = room, .d = room + n, .next_x = room + 2 * n, .next_g = room + 3 * n};
    b.s = room + 4 * n;
    b.y = b.s + MEMORY * n;
    sns_status s = iterate(&b, objective, user, options, f, iterations, err);
    free(room);
    return s;
}
