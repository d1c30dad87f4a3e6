/* augment.c - random resized crop (Szegedy et al. 2015), mirror, mild colour jitter,
 * now and then no colour (Chen et al. 2020).
 *
 * The crop is taken from the centre square that inference would show, with at least crop_scale of
 * its area and an aspect of at most crop_aspect, so that the things which a caption names stay in
 * the picture. Hue is left alone: captions name colours. Every number is drawn whether or not it is
 * used, so one option does not shift another's draws. */
#include "train/augment.h"
#include <math.h>

typedef struct draws {
    double x0, y0, x1, y1; /* the crop, in pixels of the square */
    bool mirror;
    float brightness, contrast, saturation;
} draws;

static double between(sns_rng *rng, double low, double high) {
    return low + (high - low) * sns_rng_uniform(rng);
}

static draws draw(const sns_augment *a, sns_rng *rng, bool may_flip, double side) {
    double area = side * side * between(rng, a->crop_scale, 1);
    double aspect = exp(between(rng, -log(a->crop_aspect), log(a->crop_aspect)));
    double w = fmin(sqrt(area * aspect), side), h = fmin(sqrt(area / aspect), side);
    double u = sns_rng_uniform(rng), v = sns_rng_uniform(rng), flip = sns_rng_uniform(rng);
    double j = a->jitter;
    draws d = {.mirror = may_flip && flip < 0.5,
               .brightness = (float)between(rng, 1 - j, 1 + j),
               .contrast = (float)between(rng, 1 - j, 1 + j),
               .saturation = (float)between(rng, 1 - j, 1 + j)};
    if (sns_rng_uniform(rng) < a->grayscale) d.saturation = 0;
    if (a->crop_scale >= 1) w = h = side;
    d.x0 = u * (side - w);
    d.y0 = v * (side - h);
    d.x1 = d.x0 + w;
    d.y1 = d.y0 + h;
    return d;
}

/* Mean luminance (Rec. 601) of n pixels. */
static float mean_grey(const uint8_t *rgb, size_t n) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += 299u * rgb[3 * i] + 587u * rgb[3 * i + 1] + 114u * rgb[3 * i + 2];
    return (float)((double)sum / 1000 / (double)n);
}

/* Colour-jitter, normalise and lay out by planes; out [3, S, S]. */
static void finish(const sns_augment *a, const draws *d, const uint8_t *rgb, float *out) {
    size_t S = a->image_px, plane = S * S;
    float pivot = mean_grey(rgb, plane), mul[3], add[3];
    for (int c = 0; c < 3; c++) {
        mul[c] = 1 / (255 * a->std[c]);
        add[c] = -a->mean[c] / a->std[c];
    }
    for (size_t y = 0; y < S; y++)
        for (size_t x = 0; x < S; x++) {
            const uint8_t *p = rgb + (y * S + (d->mirror ? S - 1 - x : x)) * 3;
            float grey = 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2];
            for (int c = 0; c < 3; c++) {
                float v = grey + d->saturation * (p[c] - grey);
                v = d->brightness * (pivot + d->contrast * (v - pivot));
                v = v < 0 ? 0 : v > 255 ? 255 : v;
                out[(size_t)c * plane + y * S + x] = v * mul[c] + add[c];
            }
        }
}

sns_status sns_augment_run(const sns_augment *a, sns_rng *rng, bool may_flip, const uint8_t *square,
                           size_t side, uint8_t *scratch, float *out, sns_error *err) {
    double whole = (double)side;
    draws d = {0, 0, whole, whole, false, 1, 1, 1};
    if (rng) d = draw(a, rng, may_flip, whole);
    sns_status s = sns_resize_bicubic(square, side, side, d.x0, d.y0, d.x1, d.y1, scratch,
                                      a->image_px, a->image_px, err);
    if (!s) finish(a, &d, scratch, out);
    return s;
}
