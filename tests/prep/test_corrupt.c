/* test_corrupt.c - spoiled pictures: against the formulas, by strength, of any size. */
#include "prep/corrupt.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const sns_shift made_of_numbers[] = {SNS_SHIFT_NOISE, SNS_SHIFT_BLUR, SNS_SHIFT_CONTRAST,
                                            SNS_SHIFT_FOG};
enum { KINDS = sizeof made_of_numbers / sizeof *made_of_numbers };

/* Stripes, a disc and some grain, in colour. */
static uint8_t *new_picture(size_t w, size_t h) {
    uint8_t *rgb = malloc(w * h * 3);
    sns_rng rng;
    sns_rng_seed(&rng, 4);
    for (size_t i = 0; i < w * h; i++) {
        double x = (double)(i % w) / (double)w, y = (double)(i / w) / (double)h;
        bool disc = (x - 0.5) * (x - 0.5) + (y - 0.4) * (y - 0.4) < 0.06;
        rgb[3 * i] = (uint8_t)(disc ? 220 : 60 + 90 * x);
        rgb[3 * i + 1] = (uint8_t)(disc ? 40 : 110 + 60 * sin(25 * y));
        rgb[3 * i + 2] = (uint8_t)(90 + 50 * y + (double)sns_rng_below(&rng, 30));
    }
    return rgb;
}

static sns_status spoil(sns_shift shift, int strength, uint64_t seed, const uint8_t *in, size_t w,
                        size_t h, uint8_t *out) {
    sns_rng rng;
    sns_error err;
    sns_rng_seed(&rng, seed);
    return sns_corrupt_rgb(shift, strength, &rng, in, w, h, out, &err);
}

static double psnr(const uint8_t *a, const uint8_t *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return 10 * log10(255.0 * 255.0 * (double)n / sum);
}

static void stronger_is_worse(void **state) {
    (void)state;
    const size_t sizes[][2] = {{32, 32}, {96, 64}};
    for (size_t z = 0; z < 2; z++) {
        size_t w = sizes[z][0], h = sizes[z][1], n = w * h * 3;
        uint8_t *in = new_picture(w, h), *out = malloc(n);
        for (size_t k = 0; k < KINDS; k++) {
            double before = 60;
            for (int strength = 1; strength <= SNS_STRENGTHS; strength++) {
                assert_int_equal(spoil(made_of_numbers[k], strength, 3, in, w, h, out), SNS_OK);
                double now = psnr(in, out, n);
                assert_true(now < before);
                before = now;
            }
            assert_true(before > 8);
        }
        free(out);
        free(in);
    }
}

static void follows_from_the_seed(void **state) {
    (void)state;
    enum { W = 33, H = 20, N = W * H * 3 };
    uint8_t *in = new_picture(W, H), a[N], b[N];
    for (size_t k = 0; k < KINDS; k++) {
        sns_shift shift = made_of_numbers[k];
        bool random = shift == SNS_SHIFT_NOISE || shift == SNS_SHIFT_FOG;
        spoil(shift, 3, 1, in, W, H, a);
        spoil(shift, 3, 1, in, W, H, b);
        assert_memory_equal(a, b, N);
        spoil(shift, 3, 2, in, W, H, b);
        assert_int_equal(memcmp(a, b, N) != 0, random);
    }
    free(in);
}

static void any_size_and_nothing_beside(void **state) {
    (void)state;
    const size_t sizes[][2] = {{1, 1}, {1, 7}, {5, 1}, {2, 2}, {3, 2}, {65, 3}, {1, 4096}};
    for (size_t z = 0; z < sizeof sizes / sizeof *sizes; z++) {
        size_t w = sizes[z][0], h = sizes[z][1], n = w * h * 3;
        uint8_t *in = new_picture(w, h), *out = malloc(n + 16);
        for (size_t k = 0; k < KINDS; k++)
            for (int strength = 1; strength <= SNS_STRENGTHS; strength++) {
                memset(out + n, 0xa5, 16);
                assert_int_equal(spoil(made_of_numbers[k], strength, 1, in, w, h, out), SNS_OK);
                for (size_t i = 0; i < 16; i++) assert_int_equal(out[n + i], 0xa5);
            }
        free(out);
        free(in);
    }
}

/* A grey picture shows the noise alone. */
static void noise_has_its_deviation(void **state) {
    (void)state;
    enum { SIDE = 128, N = SIDE * SIDE * 3 };
    uint8_t *in = malloc(N), *out = malloc(N);
    memset(in, 128, N);
    spoil(SNS_SHIFT_NOISE, 2, 9, in, SIDE, SIDE, out);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < N; i++) {
        double d = ((double)out[i] - 128) / 255;
        sum += d;
        squares += d * d;
    }
    assert_true(fabs(sum / N) < 0.001);
    assert_true(fabs(sqrt(squares / N) - 0.06) < 0.001);
    free(in);
    free(out);
}

static void contrast_is_the_formula(void **state) {
    (void)state;
    const uint8_t in[] = {0, 10, 255, 100, 10, 255, 200, 10, 0, 100, 10, 255};
    uint8_t out[sizeof in];
    spoil(SNS_SHIFT_CONTRAST, 2, 1, in, 2, 2, out); /* half, about 100, 10, 191.25 */
    const uint8_t half[] = {50, 10, 223, 100, 10, 223, 150, 10, 96, 100, 10, 223};
    assert_memory_equal(out, half, sizeof half);
}

/* A bright column spreads as a Gaussian of deviation 1 at 32 pixels, and at 64 of 2. */
static void blur_is_relative_to_the_size(void **state) {
    (void)state;
    for (size_t side = 32; side <= 64; side *= 2) {
        double deviation = (double)side / 32;
        uint8_t *in = calloc(side * side, 3), *out = malloc(side * side * 3);
        for (size_t y = 0; y < side; y++) memset(in + (y * side + side / 2) * 3, 250, 3);
        spoil(SNS_SHIFT_BLUR, 5, 1, in, side, side, out);
        for (size_t k = 0; k <= 3; k++) {
            double x = (double)k / deviation;
            double expected = 250 * exp(-x * x / 2) / (deviation * sqrt(2 * M_PI));
            const uint8_t *row = out + (5 * side + side / 2) * 3;
            assert_true(fabs(row[3 * k] - expected) < 1);
            assert_int_equal(row[3 * k], (row - 3 * k)[0]);
        }
        memset(in, 77, side * side * 3);
        spoil(SNS_SHIFT_BLUR, 5, 1, in, side, side, out);
        assert_memory_equal(in, out, side * side * 3); /* also at the edges */
        free(in);
        free(out);
    }
}

/* On one colour M: (M + t P) M / (M + t), P from 0 to 1 and both reached; smooth at the torus's
 * seams, so that neighbours differ little. Black has no light to scatter. */
static void fog_is_the_formula(void **state) {
    (void)state;
    enum { SIDE = 64, N = SIDE * SIDE * 3 };
    uint8_t *in = malloc(N), *out = malloc(N), least = 255, most = 0;
    int step = 0;
    memset(in, 200, N);
    spoil(SNS_SHIFT_FOG, 3, 5, in, SIDE, SIDE, out);
    for (size_t i = 0; i < N; i++) {
        least = out[i] < least ? out[i] : least;
        most = out[i] > most ? out[i] : most;
        assert_int_equal(out[i], out[i - i % 3]);
        if (i >= 3 && i / 3 % SIDE)
            step = abs(out[i] - out[i - 3]) > step ? abs(out[i] - out[i - 3]) : step;
    }
    double M = 200, t = 0.75 * 255;
    assert_int_equal(least, (int)lrint(M * M / (M + t)));
    assert_int_equal(most, 200);
    assert_true(step > 0 && step < 30);
    memset(in, 0, N);
    spoil(SNS_SHIFT_FOG, 5, 5, in, SIDE, SIDE, out);
    assert_memory_equal(in, out, N);
    free(in);
    free(out);
}

static void refuses(void **state) {
    (void)state;
    uint8_t in[3] = {1, 2, 3}, out[3];
    assert_int_equal(spoil(SNS_SHIFT_NOISE, 0, 1, in, 1, 1, out), SNS_ARG);
    assert_int_equal(spoil(SNS_SHIFT_NOISE, 6, 1, in, 1, 1, out), SNS_ARG);
    assert_int_equal(spoil(SNS_SHIFT_NOISE, 1, 1, in, 0, 1, out), SNS_ARG);
    assert_int_equal(spoil(SNS_SHIFT_JPEG, 1, 1, in, 1, 1, out), SNS_ARG);
    assert_int_equal(spoil((sns_shift)17, 1, 1, in, 1, 1, out), SNS_ARG);
    assert_int_equal(spoil(SNS_SHIFT_NOISE, 1, 1, in, SNS_CORRUPT_PX_MAX + 1, 1, out), SNS_LIMIT);
    assert_int_equal(spoil(SNS_SHIFT_BLUR, 1, 1, in, 1, SIZE_MAX, out), SNS_LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stronger_is_worse),
        cmocka_unit_test(follows_from_the_seed),
        cmocka_unit_test(any_size_and_nothing_beside),
        cmocka_unit_test(noise_has_its_deviation),
        cmocka_unit_test(contrast_is_the_formula),
        cmocka_unit_test(blur_is_relative_to_the_size),
        cmocka_unit_test(fog_is_the_formula),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
