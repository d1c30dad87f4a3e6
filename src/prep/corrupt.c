/* corrupt.c - synthetic shifts of five strengths.
 *
 * Hendrycks and Dietterich 2019, "Benchmarking neural network robustness to common corruptions and
 * perturbations", section 3, with the constants that they use for pictures of 32 pixels. With x in
 * 0 ... 1, results rounded and clipped to it:
 *
 *   noise     x + s n,  n ~ N(0, 1)                        s = .04 .06 .08 .09 .10
 *   blur      Gaussian of deviation s * the shorter side   s = .4 .6 .7 .8 1 of 32
 *   contrast  m + s (x - m),  m the channel's mean         s = .75 .5 .4 .3 .15
 *   jpeg      quality                                          80 65 58 50 40
 *   fog       (x + t P) M / (M + t),  M the largest x      t = .2 .5 .75 1 1.5
 *                                                          d = 3 3 2.5 2 1.75
 *
 * P is a plasma fractal in 0 ... 1 by diamonds and squares (Fournier, Fussell and Carpenter 1982)
 * on a torus whose side is a power of two that holds the picture: each halving of the step takes
 * means of four neighbours and adds a U(-1, 1), a beginning with 1 and divided by d^2 each time. So
 * fog, like blur, is relative to the picture's size. */
#include "prep/corrupt.h"
#include "base/error.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAP_MAX = 1024 };

static const double noise_s[] = {.04, .06, .08, .09, .10};
static const double blur_s[] = {.4 / 32, .6 / 32, .7 / 32, .8 / 32, 1.0 / 32};
static const double contrast_s[] = {.75, .5, .4, .3, .15};
static const int jpeg_quality[] = {80, 65, 58, 50, 40};
static const double fog_t[] = {.2, .5, .75, 1, 1.5}, fog_d[] = {3, 3, 2.5, 2, 1.75};

static uint8_t to_byte(double x) { /* of 0 ... 255 */
    return (uint8_t)lrint(fmin(fmax(x, 0), 255));
}

int sns_corrupt_jpeg_quality(int strength) {
    return jpeg_quality[strength - 1];
}

static void noise(double s, sns_rng *rng, const uint8_t *in, size_t n, uint8_t *out) {
    for (size_t i = 0; i < n; i++) out[i] = to_byte(in[i] + 255 * s * sns_rng_normal(rng));
}

static void contrast(double s, const uint8_t *in, size_t pixels, uint8_t *out) {
    for (size_t c = 0; c < 3; c++) {
        uint64_t sum = 0;
        for (size_t i = 0; i < pixels; i++) sum += in[3 * i + c];
        double mean = (double)sum / (double)pixels;
        for (size_t i = 0; i < pixels; i++)
            out[3 * i + c] = to_byte(mean + s * (in[3 * i + c] - mean));
    }
}

/* ---- blur ---- */

/* One line of n values that are step apart; beyond its ends it is as at them.
 *   kernel [radius + 1]: its middle and one side */
static void blur_line(const float *in, size_t n, size_t step, const float *kernel, size_t radius,
                      float *out) {
    for (size_t i = 0; i < n; i++) {
        float sum = kernel[0] * in[i * step];
        for (size_t k = 1; k <= radius; k++) {
            size_t before = i > k ? i - k : 0, after = i + k < n ? i + k : n - 1;
            sum += kernel[k] * (in[before * step] + in[after * step]);
        }
        out[i * step] = sum;
    }
}

/* A Gaussian's middle and one side, of which all sums to 1, up to 4 deviations; malloc'd. */
static float *new_kernel(double deviation, size_t *radius) {
    *radius = (size_t)(4 * deviation + 0.5);
    float *kernel = malloc((*radius + 1) * sizeof *kernel);
    double sum = 0;
    for (size_t k = 0; kernel && k <= *radius; k++) {
        double x = (double)k / deviation;
        kernel[k] = (float)exp(-x * x / 2);
        sum += kernel[k] * (k ? 2.0 : 1.0);
    }
    for (size_t k = 0; kernel && k <= *radius; k++) kernel[k] = (float)(kernel[k] / sum);
    return kernel;
}

static sns_status blur(double s, const uint8_t *in, size_t w, size_t h, uint8_t *out,
                       sns_error *err) {
    size_t radius, n = w * h;
    float *kernel = new_kernel(s * (double)(w < h ? w : h), &radius);
    float *plane = malloc(n * 2 * sizeof *plane), *rows = plane ? plane + n : NULL;
    if (!kernel || !plane) {
        free(kernel);
        free(plane);
        return sns_fail(err, SNS_NOMEM, "no memory to blur %zu x %zu pixels", w, h);
    }
    for (size_t c = 0; c < 3; c++) {
        for (size_t i = 0; i < n; i++) plane[i] = in[3 * i + c];
        for (size_t y = 0; y < h; y++) blur_line(plane + y * w, w, 1, kernel, radius, rows + y * w);
        for (size_t x = 0; x < w; x++) blur_line(rows + x, h, w, kernel, radius, plane + x);
        for (size_t i = 0; i < n; i++) out[3 * i + c] = to_byte((double)plane[i]);
    }
    free(kernel);
    free(plane);
    return SNS_OK;
}

/* ---- fog ---- */

typedef struct plasma {
    float *at; /* [side, side] */
    size_t side;
} plasma;

static float height(const plasma *p, size_t y, size_t x) {
    return p->at[(y & (p->side - 1)) * p->side + (x & (p->side - 1))];
}

/* One halving of the step: middles of squares, then of their edges. */
static void refine(plasma *p, size_t step, double amount, sns_rng *rng) {
    size_t S = p->side, half = step / 2, up = S - half; /* up: one half back, around the torus */
    for (size_t y = 0; y < S; y += step)
        for (size_t x = 0; x < S; x += step) {
            float sum = height(p, y, x) + height(p, y + step, x) + height(p, y, x + step) +
                        height(p, y + step, x + step);
            p->at[(y + half) * S + x + half] = sum / 4 +
                                               (float)(amount * (2 * sns_rng_uniform(rng) - 1));
        }
    for (size_t y = 0; y < S; y += half)
        for (size_t x = y % step ? 0 : half; x < S; x += step) {
            float sum = height(p, y + up, x) + height(p, y + half, x) + height(p, y, x + up) +
                        height(p, y, x + half);
            p->at[y * S + x] = sum / 4 + (float)(amount * (2 * sns_rng_uniform(rng) - 1));
        }
}

static void spread(plasma *p) {
    float least = INFINITY, most = -INFINITY;
    size_t n = p->side * p->side;
    for (size_t i = 0; i < n; i++) {
        least = fminf(least, p->at[i]);
        most = fmaxf(most, p->at[i]);
    }
    for (size_t i = 0; i < n; i++)
        p->at[i] = most > least ? (p->at[i] - least) / (most - least) : 0.5f;
}

/* Between the four heights around a place. */
static double height_at(const plasma *p, double y, double x) {
    size_t y0 = (size_t)y, x0 = (size_t)x;
    double v = y - (double)y0, u = x - (double)x0;
    double above = (1 - u) * (double)height(p, y0, x0) + u * (double)height(p, y0, x0 + 1);
    double below = (1 - u) * (double)height(p, y0 + 1, x0) + u * (double)height(p, y0 + 1, x0 + 1);
    return (1 - v) * above + v * below;
}

static sns_status fog(double t, double d, sns_rng *rng, const uint8_t *in, size_t w, size_t h,
                      uint8_t *out, sns_error *err) {
    size_t longer = w > h ? w : h;
    plasma p = {.side = 1};
    while (p.side < longer && p.side < MAP_MAX) p.side *= 2;
    p.at = calloc(p.side * p.side, sizeof *p.at);
    if (!p.at) return sns_fail(err, SNS_NOMEM, "no memory for fog on %zu x %zu pixels", w, h);
    double amount = 1, scale = longer > p.side ? (double)p.side / (double)longer : 1;
    for (size_t step = p.side; step > 1; step /= 2, amount /= d * d) refine(&p, step, amount, rng);
    spread(&p);
    uint8_t brightest = 0;
    for (size_t i = 0; i < w * h * 3; i++) brightest = in[i] > brightest ? in[i] : brightest;
    double M = brightest, T = 255 * t;
    for (size_t i = 0; i < w * h; i++) {
        double P = height_at(&p, (double)(i / w) * scale, (double)(i % w) * scale);
        for (size_t c = 0; c < 3; c++)
            out[3 * i + c] = to_byte((in[3 * i + c] + T * P) * M / (M + T));
    }
    free(p.at);
    return SNS_OK;
}

sns_status sns_corrupt_rgb(sns_shift shift, int strength, sns_rng *rng, const uint8_t *rgb,
                           size_t w, size_t h, uint8_t *out, sns_error *err) {
    if (!w || !h || strength < 1 || strength > SNS_STRENGTHS)
        return sns_fail(err, SNS_ARG, "%zu x %zu pixels to spoil with strength %d", w, h, strength);
    if (w > SNS_CORRUPT_PX_MAX || h > SNS_CORRUPT_PX_MAX)
        return sns_fail(err, SNS_LIMIT, "%zu x %zu pixels to spoil; a side may have %d", w, h,
                        SNS_CORRUPT_PX_MAX);
    int i = strength - 1;
    switch (shift) {
    case SNS_SHIFT_NOISE:
        noise(noise_s[i], rng, rgb, w * h * 3, out);
        return SNS_OK;
    case SNS_SHIFT_BLUR:
        return blur(blur_s[i], rgb, w, h, out, err);
    case SNS_SHIFT_CONTRAST:
        contrast(contrast_s[i], rgb, w * h, out);
        return SNS_OK;
    case SNS_SHIFT_FOG:
        return fog(fog_t[i], fog_d[i], rng, rgb, w, h, out, err);
    case SNS_SHIFT_JPEG:
        break;
    }
    return sns_fail(err, SNS_ARG, "shift %d is not made of numbers alone", (int)shift);
}
