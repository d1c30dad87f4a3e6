/* image.c - bytes of a picture to upright sRGB rows.
 *
 *     bytes -> sniff -> open (libvips) -> check size -> shrink on load -> sRGB, 8 bits
 *           -> strips of rows -> on white, upright -> sns_image
 *
 * The kind of a picture is read from its first bytes and only the loader for that kind is called:
 * names are not believed, and none of libvips's other loaders ever sees a file. Pixels are pulled
 * in strips on the calling thread, so one decode uses one thread and holds the result, a strip and
 * whatever the format forces on its decoder. */
#include "media/image_kind.h"
#include "media/image_rows.h"
#include "media/image_vips.h"
#include "media/svg_view.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include <math.h>
#include <sensus/image.h>
#include <stdbool.h>

enum { MAX_FILE_BYTES = 1 << 30 };
static const size_t default_max_pixels = (size_t)512 << 20, held_pixels = (size_t)64 << 20;

static const char *const too_big = "%s: %s picture of %d x %d pixels, more than the limit of %zu";

/* ---- size and shrinking --------------------------------------------------------------------- */

static sns_status check_size(const sns_source *src, VipsImage *image, size_t max_pixels,
                             sns_error *err) {
    int w = sns_vips.image_get_width(image), h = sns_vips.image_get_height(image);
    if (w <= 0 || h <= 0) return sns_fail(err, SNS_FORMAT, "%s: an empty picture", src->name);
    if ((size_t)w > max_pixels / (size_t)h)
        return sns_fail(err, SNS_LIMIT, too_big, src->name, sns_kind_name(src->kind), w, h,
                        max_pixels);
    return SNS_OK;
}

/* libvips reads a bitmap (P4) that ends early as if it went on; its rows are whole bytes. */
static sns_status check_bitmap(const sns_source *src, VipsImage *image, sns_error *err) {
    enum { SHORTEST_HEADER = 7 }; /* "P4\n1 1\n" */
    if (src->kind != SNS_KIND_PPM || src->bytes[1] != '4') return SNS_OK;
    size_t row = ((size_t)sns_vips.image_get_width(image) + 7) / 8;
    if (src->size >= SHORTEST_HEADER &&
        (src->size - SHORTEST_HEADER) / row >= (size_t)sns_vips.image_get_height(image))
        return SNS_OK;
    return sns_fail(err, SNS_FORMAT, "%s: truncated bitmap", src->name);
}

/* The largest of 1, 2, 4, 8 that leaves the shorter side at least twice the target. */
static int shrink_for(VipsImage *image, size_t target_px) {
    int w = sns_vips.image_get_width(image), h = sns_vips.image_get_height(image);
    size_t shorter = (size_t)(w < h ? w : h);
    int shrink = 1;
    while (shrink < 8 && shorter / (size_t)(shrink * 2) / 2 >= target_px) shrink *= 2;
    return shrink;
}

/* A drawing has no pixels of its own: it is rendered with its shorter side at twice the target, but
 * not below its natural size when exact, and not above the limits of the renderer or the caller. */
static double svg_scale(VipsImage *image, const sns_image_options *o, size_t max_pixels) {
    const double max_side = 32000;
    double w = sns_vips.image_get_width(image), h = sns_vips.image_get_height(image);
    double shorter = w < h ? w : h, longer = w < h ? h : w;
    double scale = o->target_px ? 2 * (double)o->target_px / shorter : 1;
    if (o->exact && scale < 1) scale = 1;
    double most = max_side / longer, area = (double)max_pixels / (w * h);
    if (scale > most) scale = most;
    if (scale * scale > area) scale = sqrt(area) * 0.999;
    return scale;
}

/* By how much rows are averaged as they come, so that a very large picture whose decoder can't
 * shrink is never held whole. */
static size_t row_shrink(VipsImage *image, const sns_image_options *o) {
    size_t pixels = (size_t)sns_vips.image_get_width(image) *
                    (size_t)sns_vips.image_get_height(image);
    return !o->target_px || o->exact || pixels <= held_pixels
               ? 1
               : (size_t)shrink_for(image, o->target_px);
}

/* Open at full size, check, and open again smaller where the decoder can do that well. */
static sns_status open_fitting(const sns_source *src, const sns_image_options *o, VipsImage **out,
                               sns_error *err) {
    size_t max_pixels = o->max_pixels ? o->max_pixels : default_max_pixels;
    sns_status s = sns_kind_check_header(src, max_pixels, err);
    if (s) return s;
    VipsImage *image = NULL;
    s = sns_vips_open(src, 1, &image, err);
    if (s) return s;
    double scale = 1;
    if (src->kind == SNS_KIND_SVG) {
        scale = svg_scale(image, o, max_pixels);
    } else {
        s = check_size(src, image, max_pixels, err);
        if (!s) s = check_bitmap(src, image, err);
        bool shrinks = src->kind == SNS_KIND_JPEG || src->kind == SNS_KIND_WEBP;
        if (!s && shrinks && o->target_px && !o->exact)
            scale = 1.0 / shrink_for(image, o->target_px);
    }
    if (!s && scale != 1) {
        g_object_unref(image);
        image = NULL;
        s = sns_vips_open(src, scale, &image, err);
        if (!s) s = check_size(src, image, max_pixels, err);
    }
    if (!s) {
        *out = image;
        return SNS_OK;
    }
    if (image) g_object_unref(image);
    return s;
}

/* ---- pixels --------------------------------------------------------------------------------- */

/* Where pixel (x, y) of the upright picture lies in the stored one, for EXIF orientations 2 … 8:
 * stored index = base + x * dx + y * dy. */
static void orient(const uint8_t *in, size_t w, size_t h, int orientation, uint8_t *out) {
    ptrdiff_t W = (ptrdiff_t)w, H = (ptrdiff_t)h, last_x = W - 1, last_y = (H - 1) * W;
    const ptrdiff_t map[9][3] = {
        [2] = {last_x, -1, W}, [3] = {last_x + last_y, -1, -W}, [4] = {last_y, 1, -W},
        [5] = {0, W, 1},       [6] = {last_y, -W, 1},           [7] = {last_x + last_y, -W, -1},
        [8] = {last_x, W, -1}};
    const ptrdiff_t *m = map[orientation];
    ptrdiff_t out_w = orientation >= 5 ? H : W, out_h = orientation >= 5 ? W : H;
    for (ptrdiff_t y = 0; y < out_h; y++)
        for (ptrdiff_t x = 0; x < out_w; x++, out += 3)
            memcpy(out, in + (m[0] + x * m[1] + y * m[2]) * 3, 3);
}

static sns_status make_upright(const sns_source *src, sns_image *image, int orientation,
                               sns_error *err) {
    if (orientation < 2 || orientation > 8) return SNS_OK;
    uint8_t *rgb = malloc(image->width_px * image->height_px * 3);
    if (!rgb) return sns_fail(err, SNS_NOMEM, "%s: no memory to turn the picture", src->name);
    orient(image->rgb, image->width_px, image->height_px, orientation, rgb);
    free(image->rgb);
    image->rgb = rgb;
    if (orientation >= 5) {
        size_t w = image->width_px;
        image->width_px = image->height_px;
        image->height_px = w;
    }
    return SNS_OK;
}

static sns_status decode(const sns_source *src, const sns_image_options *o, sns_image *out,
                         sns_error *err) {
    VipsImage *image = NULL;
    sns_status s = open_fitting(src, o, &image, err);
    if (s) return s;
    int orientation = sns_vips.image_get_orientation(image);
    s = sns_vips_to_srgb(src, &image, err);
    if (!s) {
        sns_image result;
        s = sns_rows_pull(src, image, row_shrink(image, o), &result, err);
        if (!s) s = make_upright(src, &result, orientation, err);
        if (!s)
            *out = result;
        else
            sns_image_free(&result);
    }
    g_object_unref(image);
    return s;
}

/* ---- public --------------------------------------------------------------------------------- */

sns_status sns_image_decode(const void *bytes, size_t size, const char *name,
                            const sns_image_options *options, sns_image *out, sns_error *err) {
    *out = (sns_image){0};
    const sns_image_options defaults = {0};
    sns_source src = {bytes, size, name ? name : "picture", SNS_KIND_UNKNOWN};
    if (!bytes || !size) return sns_fail(err, SNS_FORMAT, "%s: an empty file", src.name);
    src.kind = sns_kind_of(src.bytes, size);
    if (src.kind == SNS_KIND_UNKNOWN)
        return sns_fail(err, SNS_FORMAT, "%s: not a picture of a known format", src.name);
    sns_status s = sns_vips_start(err);
    if (s) return s;
    uint8_t *viewed = NULL;
    if (src.kind == SNS_KIND_SVG) {
        s = sns_svg_add_view(src.bytes, size, src.name, &viewed, &src.size, err);
        if (s) return s;
        if (viewed) src.bytes = viewed;
    }
    sns_vips_quiet(true);
    s = decode(&src, options ? options : &defaults, out, err);
    sns_vips_quiet(false);
    free(viewed);
    return s;
}

sns_status sns_image_load(const char *path, const sns_image_options *options, sns_image *out,
                          sns_error *err) {
    *out = (sns_image){0};
    char *bytes = NULL;
    size_t size = 0;
    /* Read rather than mapped: a mapped file that someone shortens would kill the process. */
    sns_status s = sns_file_read(path, MAX_FILE_BYTES, &bytes, &size, err);
    if (!s) s = sns_image_decode(bytes, size, path, options, out, err);
    free(bytes);
    return s;
}

void sns_image_free(sns_image *image) {
    if (!image) return;
    free(image->rgb);
    *image = (sns_image){0};
}
