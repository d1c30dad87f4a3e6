/* test_conv.c - convolutions and their gradients against plain loops in double; threads don't
 * change a bit; bfloat16 operands. */
#include "base/memory.h"
#include "base/rng.h"
#include "kernel/conv.h"
#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

typedef struct numbers {
    size_t x, y, W; /* counts */
    float *x_data, *y_data, *W_data, *dy, *dx, *dW;
    double *want_y, *want_dx, *want_dW;
} numbers;

static float *noise(sns_rng *rng, size_t n) {
    float *p = sns_aligned_alloc(n * sizeof *p);
    for (size_t i = 0; i < n; i++) p[i] = (float)sns_rng_normal(rng);
    return p;
}

static double *copy(const float *from, size_t n) {
    double *p = malloc(n * sizeof *p);
    for (size_t i = 0; i < n; i++) p[i] = from ? (double)from[i] : 0;
    return p;
}

static numbers make(const sns_conv *c) {
    sns_rng rng;
    sns_rng_seed(&rng, c->B + c->H);
    numbers n = {.x = c->B * c->H * c->W * c->in,
                 .y = c->B * sns_conv_side(c, c->H) * sns_conv_side(c, c->W) * c->out,
                 .W = c->out * c->in * c->kernel * c->kernel};
    n.x_data = noise(&rng, n.x), n.W_data = noise(&rng, n.W), n.dy = noise(&rng, n.y);
    n.dx = noise(&rng, n.x), n.dW = noise(&rng, n.W); /* gradients are added to what is there */
    n.y_data = sns_aligned_alloc(n.y * sizeof(float));
    n.want_y = copy(NULL, n.y), n.want_dx = copy(n.dx, n.x), n.want_dW = copy(n.dW, n.W);
    return n;
}

static void drop(numbers *n) {
    float *f[] = {n->x_data, n->y_data, n->W_data, n->dy, n->dx, n->dW};
    double *d[] = {n->want_y, n->want_dx, n->want_dW};
    for (int i = 0; i < 6; i++) sns_aligned_free(f[i]);
    for (int i = 0; i < 3; i++) free(d[i]);
}

/* One tap: output row `to` sees input row `from` through weight (r, s). */
static void tap(const sns_conv *c, numbers *n, size_t to, size_t from, size_t r, size_t s) {
    for (size_t o = 0; o < c->out; o++)
        for (size_t i = 0; i < c->in; i++) {
            size_t w = ((o * c->in + i) * c->kernel + r) * c->kernel + s;
            double x = n->x_data[from * c->in + i], dy = n->dy[to * c->out + o];
            n->want_y[to * c->out + o] += x * n->W_data[w];
            n->want_dx[from * c->in + i] += dy * n->W_data[w];
            n->want_dW[w] += dy * x;
        }
}

static void plain_loops(const sns_conv *c, numbers *n) {
    size_t OH = sns_conv_side(c, c->H), OW = sns_conv_side(c, c->W), pad = c->kernel / 2;
    for (size_t to = 0; to < c->B * OH * OW; to++)
        for (size_t r = 0; r < c->kernel; r++)
            for (size_t s = 0; s < c->kernel; s++) {
                size_t b = to / (OH * OW), i = to / OW % OH * c->stride + r;
                size_t j = to % OW * c->stride + s;
                if (i < pad || j < pad || i - pad >= c->H || j - pad >= c->W) continue;
                tap(c, n, to, (b * c->H + i - pad) * c->W + j - pad, r, s);
            }
}

static void check(const char *what, const float *got, const double *want, size_t n,
                  double tolerance) {
    double largest = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs(want[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= tolerance * largest))
            fail_msg("%s, element %zu of %zu: %.9g, expected %.9g", what, i, n, got[i], want[i]);
}

static void run(const sns_conv *c, numbers *n) {
    sns_error err = {0};
    if (sns_conv_forward(c, n->x_data, n->W_data, n->y_data, &err) ||
        sns_conv_backward_data(c, n->dy, n->W_data, n->dx, &err) ||
        sns_conv_backward_weights(c, n->x_data, n->dy, n->dW, &err))
        fail_msg("%s", err.message);
}

static const sns_conv SHAPES[] = {{1, 1, 1, 1, 1, 1, 1, false},     {2, 5, 7, 3, 4, 3, 1, false},
                                  {3, 6, 6, 5, 16, 3, 2, false},    {9, 9, 8, 16, 32, 3, 1, false},
                                  {19, 12, 12, 3, 16, 3, 2, false}, {2, 4, 4, 7, 5, 1, 1, false},
                                  {17, 7, 7, 32, 48, 3, 1, false}};

static void convolution_equals_loops(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof SHAPES / sizeof *SHAPES; i++)
        for (int half = 0; half < 2; half++) {
            sns_conv c = SHAPES[i];
            c.half = half;
            numbers n = make(&c);
            plain_loops(&c, &n);
            run(&c, &n);
            double tolerance = half ? 2e-2 : 1e-5;
            check("y", n.y_data, n.want_y, n.y, tolerance);
            check("dx", n.dx, n.want_dx, n.x, tolerance);
            check("dW", n.dW, n.want_dW, n.W, tolerance);
            drop(&n);
        }
}

static void threads_do_not_matter(void **state) {
    (void)state;
    int before = omp_get_max_threads();
    for (int half = 0; half < 2; half++) {
        sns_conv c = {19, 14, 14, 32, 48, 3, 1, half};
        numbers first = make(&c);
        omp_set_num_threads(1);
        run(&c, &first);
        for (int threads = 2; threads <= 4; threads++) {
            numbers n = make(&c);
            omp_set_num_threads(threads);
            run(&c, &n);
            assert_memory_equal(n.y_data, first.y_data, n.y * sizeof(float));
            assert_memory_equal(n.dx, first.dx, n.x * sizeof(float));
            assert_memory_equal(n.dW, first.dW, n.W * sizeof(float));
            drop(&n);
        }
        drop(&first);
    }
    omp_set_num_threads(before);
}

static void absurd_sizes_are_refused(void **state) {
    (void)state;
    float x = 0;
    sns_error err = {0};
    sns_conv c = {1, (size_t)1 << 40, 1, 1, 1, 3, 1, false};
    assert_int_equal(sns_conv_forward(&c, &x, &x, &x, &err), SNS_LIMIT);
    c = (sns_conv){1, 1, 1, 1, 1, 3, 0, false};
    assert_int_equal(sns_conv_backward_data(&c, &x, &x, &x, &err), SNS_LIMIT);
    c = (sns_conv){0, 1, 1, 1, 1, 3, 1, false}; /* no pictures: nothing to do */
    assert_int_equal(sns_conv_backward_weights(&c, &x, &x, &x, &err), SNS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(convolution_equals_loops),
                                       cmocka_unit_test(threads_do_not_matter),
                                       cmocka_unit_test(absurd_sizes_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
