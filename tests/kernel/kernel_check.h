/* kernel_check.h - what the tests of kernels share: guarded buffers, random data, comparisons. */
#ifndef SNS_TESTS_KERNEL_CHECK_H
#define SNS_TESTS_KERNEL_CHECK_H
#include "base/rng.h"
#include "kernel/kernel.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define GUARD        128
#define FAST_MAX     5 /* variants beyond the reference */

/* Elements between guard bytes, off every alignment that vectors would like. */
typedef struct {
    unsigned char *block;
    size_t bytes, head;
    void *data;
} guarded;

static inline guarded guarded_new(size_t bytes, size_t misalign) {
    guarded g = {.bytes = bytes, .head = GUARD + misalign};
    assert_int_equal(posix_memalign((void **)&g.block, 64, g.head + bytes + GUARD), 0);
    memset(g.block, 0xa5, g.head + bytes + GUARD);
    g.data = g.block + g.head;
    return g;
}

static inline bool guarded_intact(const guarded *g) {
    for (size_t i = 0; i < g->head + g->bytes + GUARD; i++)
        if ((i < g->head || i >= g->head + g->bytes) && g->block[i] != 0xa5) return false;
    return true;
}

/* Checks the guards and frees. */
static inline void guarded_end(guarded *g) {
    assert_true(guarded_intact(g));
    free(g->block);
}

static inline guarded guarded_floats(size_t n) {
    return guarded_new(n * sizeof(float), 4);
}

static inline guarded random_floats(sns_rng *rng, size_t n, float spread) {
    guarded g = guarded_floats(n);
    float *x = g.data;
    for (size_t i = 0; i < n; i++) x[i] = spread * (float)sns_rng_normal(rng);
    return g;
}

static inline guarded copy_of(const guarded *from) {
    guarded g = guarded_new(from->bytes, 12);
    memcpy(g.data, from->data, from->bytes);
    return g;
}

/* |got - want| <= tolerance * (the largest |want|) + absolute; NaN where NaN. */
static inline void check_close(const char *what, const char *variant, const float *got,
                               const float *want, size_t n, double tolerance, double absolute) {
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(want[i]) && fabs(want[i]) > largest) largest = fabs(want[i]);
    for (size_t i = 0; i < n; i++) {
        if (isnan(want[i]) ? isnan(got[i]) : got[i] == want[i]) continue;
        if (fabs((double)got[i] - want[i]) <= tolerance * largest + absolute) continue;
        fail_msg("%s, %s: [%zu of %zu] is %.9g, not %.9g (largest %g)", what, variant, i, n,
                 (double)got[i], (double)want[i], largest);
    }
}

static inline void check_near(const char *what, double got, double want, double allowed) {
    if (fabs(got - want) <= allowed) return;
    fail_msg("%s: %.12g, not %.12g", what, got, want);
}

/* The fast variants that this processor has; returns their number, 0 after saying SKIP. */
static inline size_t fast_variants(const sns_kernels *out[FAST_MAX]) {
    static const char *const names[FAST_MAX] = {"avx2", "avx512", "avx512vnni", "avx512bf16",
                                                "neon"};
    size_t n = 0;
    for (size_t i = 0; i < FAST_MAX; i++)
        if ((out[n] = sns_kernels_named(names[i]))) n++;
    if (!n) print_message("SKIP: no fast kernels for this processor\n");
    return n;
}
#endif
