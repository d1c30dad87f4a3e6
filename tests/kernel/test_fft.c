/* test_fft.c - passes of a Fourier transform: every variant against the reference, with guard
 * bytes, for all kinds of radices; and all passes of the reference against the sum itself. */
#include "kernel_check.h"

enum { NUMBER = 2 * SNS_FFT_LANES };

/* n roots exp(-2 pi i step j / N), by rows of `radix` for a pass's twiddles. */
static float *roots_of(size_t rows, size_t radix, size_t N, bool twiddles) {
    float *x = malloc(2 * rows * radix * sizeof *x);
    assert_non_null(x);
    for (size_t p = 0; p < rows; p++)
        for (size_t j = 0; j < radix; j++) {
            double angle = 2 * M_PI * (double)(twiddles ? p * j : j) / (double)N;
            x[2 * (p * radix + j)] = (float)cos(angle);
            x[2 * (p * radix + j) + 1] = (float)-sin(angle);
        }
    return x;
}

static sns_fft_pass pass_of(size_t count, size_t length, size_t radix) {
    return (sns_fft_pass){.count = count,
                          .length = length,
                          .radix = radix,
                          .twiddles = roots_of(length / radix, radix, length, true),
                          .roots = roots_of(1, radix, radix, false)};
}

static void pass_end(const sns_fft_pass *p) {
    free((void *)(uintptr_t)p->twiddles);
    free((void *)(uintptr_t)p->roots);
}

static void passes_equal_the_reference(void **state) {
    (void)state;
    static const size_t radices[] = {2, 3, 4, 5, 7, 11, 37};
    const sns_kernels *fast[FAST_MAX], *ref = sns_kernels_named("ref");
    size_t variants = fast_variants(fast);
    if (!variants) skip();
    sns_rng rng;
    sns_rng_seed(&rng, 5);
    for (size_t i = 0; i < COUNT(radices) * 9; i++) {
        size_t r = radices[i / 9], m = i % 3 * 2 + 1, s = i / 3 % 3 + 1, n = r * m * s * NUMBER;
        sns_fft_pass p = pass_of(r * m * s, r * m, r);
        for (size_t v = 0; v < variants; v++) {
            guarded x = random_floats(&rng, n, 1), kept = copy_of(&x);
            guarded got = guarded_floats(n), want = guarded_floats(n);
            fast[v]->fft_pass(got.data, x.data, &p);
            ref->fft_pass(want.data, kept.data, &p);
            check_close("fft_pass", fast[v]->name, got.data, want.data, n, 1e-6, 0);
            guarded_end(&x), guarded_end(&kept), guarded_end(&got), guarded_end(&want);
        }
        pass_end(&p);
    }
}

/* Number k of the transform of signal l, added up in double precision. */
static void check_sum(const float *x, const float *X, size_t N, size_t k, size_t l) {
    double re = 0, im = 0;
    for (size_t n = 0; n < N; n++) {
        double a = x[n * NUMBER + l], b = x[n * NUMBER + SNS_FFT_LANES + l];
        double c = cos(2 * M_PI * (double)(n * k % N) / (double)N);
        double s = sin(2 * M_PI * (double)(n * k % N) / (double)N);
        re += a * c + b * s;
        im += b * c - a * s;
    }
    check_near("the real part", X[k * NUMBER + l], re, 1e-4);
    check_near("the imaginary part", X[k * NUMBER + SNS_FFT_LANES + l], im, 1e-4);
}

static void passes_make_a_transform(void **state) {
    (void)state;
    static const size_t radices[] = {4, 2, 3, 5, 7};
    const size_t N = 4 * 2 * 3 * 5 * 7;
    const sns_kernels *kernels[] = {sns_kernels_named("ref"), sns_kernels_get()};
    sns_rng rng;
    sns_rng_seed(&rng, 6);
    for (size_t v = 0; v < COUNT(kernels); v++) {
        guarded x = random_floats(&rng, N * NUMBER, 1), from = copy_of(&x), to = copy_of(&x);
        for (size_t i = 0, length = N; i < COUNT(radices); length /= radices[i++]) {
            sns_fft_pass p = pass_of(N, length, radices[i]);
            kernels[v]->fft_pass(to.data, from.data, &p);
            guarded swap = from;
            from = to, to = swap;
            pass_end(&p);
        }
        for (size_t k = 0; k < N; k += 13) check_sum(x.data, from.data, N, k, k % SNS_FFT_LANES);
        guarded_end(&x), guarded_end(&from), guarded_end(&to);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_equal_the_reference),
        cmocka_unit_test(passes_make_a_transform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
