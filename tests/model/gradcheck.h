/* gradcheck.h - central differences against a tape's gradients.
 *
 * A scene holds the leaves (inputs and parameters) of a small graph; build appends the graph to a
 * tape and returns its output. The loss is the sum of output * seed, summed in double. */
#ifndef SNS_TESTS_GRADCHECK_H
#define SNS_TESTS_GRADCHECK_H
#include "base/rng.h"
#include "model/layers.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { MAX_LEAVES = 8 };

typedef struct leaf {
    float *data, *grad;
    size_t n;
    int dims;
    size_t dim[SNS_MAX_DIMS];
    bool frozen; /* no gradient asked for */
} leaf;

typedef struct scene {
    leaf leaf[MAX_LEAVES];
    int count;
    const size_t *starts;
    const size_t *index;
    const uint32_t *ids;
    size_t n, heads, patch;
    sns_act act;
    bool causal, bias, residual;
    bool learning; /* differences are taken from a recording tape too: batch norm's statistics */
} scene;

typedef sns_tensor *(*build_fn)(sns_tape *t, const scene *s);

static inline void add_leaf(scene *s, sns_rng *rng, float std, float mean, int dims,
                            const size_t *dim) {
    leaf *l = &s->leaf[s->count++];
    *l = (leaf){.dims = dims, .n = 1};
    for (int i = 0; i < dims; i++) l->n *= l->dim[i] = dim[i];
    l->data = sns_aligned_alloc(l->n * sizeof(float));
    l->grad = sns_aligned_calloc(l->n * sizeof(float));
    for (size_t i = 0; i < l->n; i++) l->data[i] = mean + std * (float)sns_rng_normal(rng);
}

static inline void free_scene(scene *s) {
    for (int i = 0; i < s->count; i++) {
        sns_aligned_free(s->leaf[i].data);
        sns_aligned_free(s->leaf[i].grad);
    }
    s->count = 0;
}

static inline sns_tensor *leaf_tensor(sns_tape *t, const scene *s, int i) {
    const leaf *l = &s->leaf[i];
    float *grad = sns_tape_recording(t) && !l->frozen ? l->grad : NULL;
    return sns_tape_wrap(t, l->data, grad, l->dims, l->dim);
}

static inline sns_param leaf_param(sns_tape *t, const scene *s, int i) {
    return (sns_param){.value = *leaf_tensor(t, s, i)};
}

static inline double scene_loss(sns_tape *t, const scene *s, build_fn build, const float *seed) {
    sns_tape_reset(t);
    sns_tensor *y = build(t, s);
    assert_non_null(y);
    double loss = 0;
    for (size_t i = 0; i < y->rows * y->cols; i++) loss += (double)y->data[i] * seed[i];
    return loss;
}

/* Every gradient of every leaf (at most `samples` of each, spread evenly). */
static inline void check_gradients(const sns_kernels *k, scene *s, build_fn build, size_t samples) {
    sns_tape *t = sns_tape_new(k, true), *plain = sns_tape_new(k, s->learning);
    sns_tensor *y = build(t, s);
    sns_error err = {0};
    if (sns_tape_status(t, &err)) fail_msg("%s", err.message);
    size_t n = y->rows * y->cols;
    float *seed = malloc(n * sizeof *seed);
    sns_rng rng;
    sns_rng_seed(&rng, 99);
    for (size_t i = 0; i < n; i++) seed[i] = (float)sns_rng_normal(&rng);
    for (int l = 0; l < s->count; l++) memset(s->leaf[l].grad, 0, s->leaf[l].n * sizeof(float));
    assert_int_equal(sns_tape_backward(t, y, seed, &err), SNS_OK);
    for (int l = 0; l < s->count; l++) {
        leaf *f = &s->leaf[l];
        double largest = 0;
        for (size_t i = 0; i < f->n; i++) largest = fmax(largest, fabs((double)f->grad[i]));
        if (f->frozen) assert_true(largest == 0);
        size_t step = f->n > samples ? f->n / samples : 1;
        for (size_t i = 0; !f->frozen && i < f->n; i += step) {
            const float h = 4e-3f, was = f->data[i];
            f->data[i] = was + h;
            double up = scene_loss(plain, s, build, seed), width = f->data[i];
            f->data[i] = was - h;
            double down = scene_loss(plain, s, build, seed);
            width -= f->data[i];
            f->data[i] = was;
            double numeric = (up - down) / width, got = f->grad[i];
            if (!(fabs(numeric - got) <= 2e-3 * (1 + largest)))
                fail_msg("%s: leaf %d, element %zu: %g by differences, %g by the tape", k->name, l,
                         i, numeric, got);
        }
    }
    free(seed);
    sns_tape_free(t);
    sns_tape_free(plain);
}
#endif
