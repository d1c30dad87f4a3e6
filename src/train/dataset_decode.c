/* dataset_decode.c - pictures of a data set in memory: decoded once, made square, reduced; sounds
 * as 16-bit samples.
 *
 * At inference CLIP scales the shorter side to S and takes the centre S x S, so the model never
 * sees more than the centre square; training keeps just that. A model whose preprocessing scales
 * both sides to S (squash) sees the whole picture, and so does its training. Decoding a JPEG again
 * in every epoch would cost more than a small model's own step. */
#include "base/error.h"
#include "prep/preprocess.h"
#include "train/dataset_internal.h"
#include <math.h>
#include <sensus/sound.h>

enum { SOUND_SECONDS = 30 }; /* of a sound that are kept */

void sns_dataset_set_squash(sns_dataset *d, bool squash) {
    d->squash = squash;
}

void sns_dataset_set_isolation(sns_dataset *d, const sns_isolation *isolation) {
    d->isolation = isolation;
}

static sns_status cut_square(const sns_image *image, const char *name, size_t side_px, bool squash,
                             uint8_t **square, uint32_t *side, sns_error *err) {
    size_t w = image->width_px, h = image->height_px, shorter = w < h ? w : h;
    size_t cut_w = squash ? w : shorter, cut_h = squash ? h : shorter;
    size_t out = shorter < side_px ? shorter : side_px;
    double x0 = (double)(w - cut_w) / 2, y0 = (double)(h - cut_h) / 2;
    uint8_t *rgb = out ? malloc(out * out * 3) : NULL;
    if (!rgb) return sns_fail(err, SNS_NOMEM, "%s: no memory for %zu x %zu pixels", name, out, out);
    sns_status st = sns_resize_bicubic(image->rgb, w, h, x0, y0, x0 + (double)cut_w,
                                       y0 + (double)cut_h, rgb, out, out, err);
    if (st) {
        free(rgb);
        return st;
    }
    *square = rgb;
    *side = (uint32_t)out;
    return SNS_OK;
}

sns_status sns_decode_square(const void *bytes, size_t size, const char *name, size_t side_px,
                             bool squash, uint8_t **square, uint32_t *side, sns_error *err) {
    sns_image_options options = {.target_px = side_px};
    sns_image image = {0};
    *square = NULL;
    sns_status st = bytes ? sns_image_decode(bytes, size, name, &options, &image, err)
                          : sns_image_load(name, &options, &image, err);
    if (st) return st;
    st = cut_square(&image, name, side_px, squash, square, side, err);
    sns_image_free(&image);
    return st;
}

sns_status sns_dataset_decode(const sns_dataset *d, size_t i, size_t side_px, uint8_t **square,
                              uint32_t *side, sns_error *err) {
    const sns_sample *s = &d->samples[i];
    return sns_decode_square(s->bytes, s->size, sns_dataset_text(d, s->name), side_px, d->squash,
                             square, side, err);
}

sns_status sns_decode_sound(const void *bytes, size_t size, const char *name, size_t rate_hz,
                            const sns_isolation *isolation, int16_t **sound, uint32_t *count,
                            sns_error *err) {
    const sns_sound_options o = {
        .rate_hz = rate_hz, .max_seconds = SOUND_SECONDS, .cut = 1, .isolation = isolation};
    sns_sound heard;
    *sound = NULL;
    sns_status st = bytes ? sns_sound_decode(bytes, size, name, &o, &heard, err)
                          : sns_sound_load(name, &o, &heard, err);
    if (st) return st;
    *sound = malloc(heard.count * sizeof **sound);
    if (!*sound) st = sns_fail(err, SNS_NOMEM, "%s: no memory for its sound", name);
    for (size_t i = 0; !st && i < heard.count; i++)
        (*sound)[i] = (int16_t)lrintf(heard.samples[i] * 32767);
    *count = (uint32_t)heard.count;
    sns_sound_free(&heard);
    return st;
}

sns_status sns_dataset_decode_sound(const sns_dataset *d, size_t i, int16_t **sound,
                                    uint32_t *count, sns_error *err) {
    const sns_sample *s = &d->samples[i];
    return sns_decode_sound(s->bytes, s->size, sns_dataset_text(d, s->name), d->sound_rate_hz,
                            d->isolation, sound, count, err);
}

/* The picture or sound of sample i, into the sample. */
static sns_status decode_sample(sns_dataset *d, size_t i, size_t side_px, sns_error *err) {
    sns_sample *s = &d->samples[i];
    return d->sound_rate_hz ? sns_dataset_decode_sound(d, i, &s->sound, &s->sound_count, err)
                            : sns_dataset_decode(d, i, side_px, &s->square, &s->side, err);
}

static size_t decoded_bytes(const sns_sample *s) {
    return s->square  ? (size_t)s->side * s->side * 3
           : s->sound ? s->sound_count * sizeof *s->sound
                      : 0;
}

static void drop_decoded(sns_sample *s) {
    free(s->square);
    free(s->sound);
    s->square = NULL;
    s->sound = NULL;
}

/* Remove the samples marked bad, keeping the order. */
static void drop_bad(sns_dataset *d, const unsigned char *bad) {
    size_t kept = 0;
    for (size_t i = 0; i < d->count; i++) {
        if (bad[i])
            drop_decoded(&d->samples[i]);
        else
            d->samples[kept++] = d->samples[i];
    }
    d->count = kept;
}

/* Decode samples [from, to); bad ones are marked, their reason is told. */
static sns_status decode_range(sns_dataset *d, size_t from, size_t to, size_t side_px,
                               unsigned char *bad, sns_error *err) {
    sns_status failed = SNS_OK;
#pragma omp parallel for schedule(dynamic)
    for (size_t i = from; i < to; i++) {
        sns_error why;
        sns_status st = decode_sample(d, i, side_px, &why);
        if (!st) continue;
        bad[i] = 1;
#pragma omp critical(sns_dataset_decode_range)
        {
            if (st == SNS_NOMEM) failed = sns_fail(err, st, "%s", why.message);
            sns_dataset_skip(d, "%s", why.message);
        }
    }
    return failed;
}

sns_status sns_dataset_decode_all(sns_dataset *d, size_t side_px, size_t budget_bytes,
                                  int (*tick)(void *user, size_t done, size_t total), void *user,
                                  sns_error *err) {
    enum { PORTION = 512 };
    size_t held = 0;
    unsigned char *bad = calloc(d->count, 1);
    if (!bad) return sns_fail(err, SNS_NOMEM, "no memory for %zu samples", d->count);
    sns_status s = SNS_OK;
    for (size_t i = 0; i < d->count && !s; i += PORTION) {
        size_t end = i + PORTION < d->count ? i + PORTION : d->count;
        s = decode_range(d, i, end, side_px, bad, err);
        for (size_t j = i; j < end; j++) {
            size_t bytes = decoded_bytes(&d->samples[j]);
            if (held + bytes > budget_bytes)
                drop_decoded(&d->samples[j]);
            else
                held += bytes;
        }
        if (!s && tick && tick(user, end, d->count))
            s = sns_fail(err, SNS_CANCELLED, "stopped while reading pictures or sounds");
    }
    drop_bad(d, bad);
    free(bad);
    if (!s && !d->count)
        s = sns_fail(err, SNS_FORMAT, "none of the %s can be read",
                     d->sound_rate_hz ? "sounds" : "pictures");
    return s;
}
