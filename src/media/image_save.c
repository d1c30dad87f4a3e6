/* image_save.c - pictures for people: thumbnails as JPEG, results as PNG. */
#include "media/image_vips.h"
#include "base/error.h"
#include "base/file.h"
#include <sensus/image.h>
#include <stdbool.h>

enum { MAX_THUMBNAIL_PX = 4096, JPEG_QUALITY = 85 };

/* libvips's view of our rows; they must outlive it. */
static VipsImage *view_of(const sns_image *image) {
    return sns_vips.image_new_from_memory(image->rgb, image->width_px * image->height_px * 3,
                                          (int)image->width_px, (int)image->height_px, 3,
                                          VIPS_FORMAT_UCHAR);
}

static sns_status give_bytes(const char *name, void *from, size_t n, uint8_t **bytes, size_t *size,
                             sns_error *err) {
    *bytes = malloc(n);
    if (!*bytes) return sns_fail(err, SNS_NOMEM, "%s: no memory", name);
    memcpy(*bytes, from, n);
    *size = n;
    return SNS_OK;
}

static sns_status encode_thumbnail(const char *path, const sns_image *image, size_t max_px,
                                   uint8_t **bytes, size_t *size, sns_error *err) {
    size_t longer = image->width_px > image->height_px ? image->width_px : image->height_px;
    double scale = longer > max_px ? (double)max_px / (double)longer : 1;
    VipsImage *view = view_of(image), *small = NULL, *rgb = NULL;
    void *encoded = NULL;
    size_t n = 0;
    bool ok = view && !sns_vips.resize(view, &small, scale, NULL) &&
              !sns_vips.copy(small, &rgb, "interpretation", VIPS_INTERPRETATION_sRGB, NULL) &&
              !sns_vips.jpegsave_buffer(rgb, &encoded, &n, "Q", JPEG_QUALITY, "strip", TRUE, NULL);
    sns_status s = SNS_OK;
    if (ok) {
        s = give_bytes(path, encoded, n, bytes, size, err);
    } else {
        sns_vips.error_clear();
        s = sns_fail(err, SNS_INTERNAL, "%s: the thumbnail cannot be made", path);
    }
    g_free(encoded);
    if (rgb) g_object_unref(rgb);
    if (small) g_object_unref(small);
    if (view) g_object_unref(view);
    return s;
}

sns_status sns_thumbnail_jpeg(const char *path, size_t max_px, uint8_t **bytes, size_t *size,
                              sns_error *err) {
    *bytes = NULL;
    *size = 0;
    if (!max_px || max_px > MAX_THUMBNAIL_PX)
        return sns_fail(err, SNS_ARG, "a thumbnail of %zu pixels", max_px);
    sns_image image;
    const sns_image_options options = {.target_px = max_px};
    sns_status s = sns_image_load(path, &options, &image, err);
    if (s) return s;
    s = encode_thumbnail(path, &image, max_px, bytes, size, err);
    sns_image_free(&image);
    return s;
}

sns_status sns_image_encode_jpeg(const sns_image *image, int quality, const char *name,
                                 uint8_t **bytes, size_t *size, sns_error *err) {
    *bytes = NULL;
    *size = 0;
    if (!image->rgb || !image->width_px || !image->height_px || image->width_px > 65535 ||
        image->height_px > 65535 || quality < 1 || quality > 100)
        return sns_fail(err, SNS_ARG, "%s: %zu x %zu pixels, quality %d", name, image->width_px,
                        image->height_px, quality);
    sns_status s = sns_vips_start(err);
    if (s) return s;
    VipsImage *view = view_of(image), *rgb = NULL;
    void *encoded = NULL;
    size_t n = 0;
    if (view && !sns_vips.copy(view, &rgb, "interpretation", VIPS_INTERPRETATION_sRGB, NULL) &&
        !sns_vips.jpegsave_buffer(rgb, &encoded, &n, "Q", quality, "strip", TRUE, NULL)) {
        s = give_bytes(name, encoded, n, bytes, size, err);
    } else {
        sns_vips.error_clear();
        s = sns_fail(err, SNS_INTERNAL, "%s: the picture cannot be encoded", name);
    }
    g_free(encoded);
    if (rgb) g_object_unref(rgb);
    if (view) g_object_unref(view);
    return s;
}

sns_status sns_image_save_png(const sns_image *image, const char *path, sns_error *err) {
    if (!image || !image->rgb || !image->width_px || !image->height_px ||
        image->width_px > VIPS_MAX_COORD || image->height_px > VIPS_MAX_COORD)
        return sns_fail(err, SNS_ARG, "%s: an empty or too large picture", path);
    sns_status s = sns_vips_start(err);
    if (s) return s;
    VipsImage *view = view_of(image), *rgb = NULL;
    void *encoded = NULL;
    size_t n = 0;
    if (view && !sns_vips.copy(view, &rgb, "interpretation", VIPS_INTERPRETATION_sRGB, NULL) &&
        !sns_vips.pngsave_buffer(rgb, &encoded, &n, NULL)) {
        s = sns_file_write(path, encoded, n, err);
    } else {
        sns_vips.error_clear();
        s = sns_fail(err, SNS_INTERNAL, "%s: the picture cannot be encoded", path);
    }
    g_free(encoded);
    if (rgb) g_object_unref(rgb);
    if (view) g_object_unref(view);
    return s;
}
