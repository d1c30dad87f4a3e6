/* image.h - decoding pictures. */
#ifndef SENSUS_IMAGE_H
#define SENSUS_IMAGE_H
#include <sensus/status.h>
#include <stddef.h>
#include <stdint.h>

/* sRGB, 8 bits a channel, interleaved RGB rows without padding; upright (EXIF orientation applied),
 * transparency composited on white. Owned: free with sns_image_free. */
typedef struct sns_image {
    size_t width_px, height_px;
    uint8_t *rgb; /* height * width * 3 */
} sns_image;

typedef struct sns_image_options {
    size_t target_px;  /* the side the picture will be scaled to; 0: decode at full size */
    int exact;         /* nonzero: never shrink while decoding */
    size_t max_pixels; /* refuse larger pictures; 0: the default, 512 million */
} sns_image_options;

/* Decode a file: JPEG, PNG, WebP, GIF (first frame), TIFF, HEIF, SVG, BMP, PPM. With target_px and
 * not exact, a decoder may shrink by 2, 4, 8 as long as the shorter side stays at least 2 *
 * target_px; pictures of more than 64 Mpixel, in any format, are averaged so. Errors: SNS_MISSING,
 * SNS_IO, SNS_FORMAT (damaged, truncated, unknown), SNS_LIMIT, SNS_NOMEM. Threads: any. */
SNS_API sns_status sns_image_load(const char *path, const sns_image_options *options,
                                  sns_image *out, sns_error *err);
/* The same from memory; name is only used in messages. */
SNS_API sns_status sns_image_decode(const void *bytes, size_t size, const char *name,
                                    const sns_image_options *options, sns_image *out,
                                    sns_error *err);
SNS_API void sns_image_free(sns_image *image);

/* A small copy of a picture file for a page or contact sheet: JPEG, the longer side at most max_px
 * (1 to 4096; never enlarged). *bytes is malloc'd. Errors: those of sns_image_load, SNS_ARG. */
SNS_API sns_status sns_thumbnail_jpeg(const char *path, size_t max_px, uint8_t **bytes,
                                      size_t *size, sns_error *err);
/* A picture as JPEG, quality 1 to 100; name is only used in messages. *bytes is malloc'd. Errors:
 * SNS_ARG (empty, a side above 65535, quality), SNS_NOMEM. */
SNS_API sns_status sns_image_encode_jpeg(const sns_image *image, int quality, const char *name,
                                         uint8_t **bytes, size_t *size, sns_error *err);
/* Antialiased bicubic to width_px x height_px; out is a new image. Errors: SNS_ARG, SNS_LIMIT,
 * SNS_NOMEM. */
SNS_API sns_status sns_image_resize(const sns_image *image, size_t width_px, size_t height_px,
                                    sns_image *out, sns_error *err);
/* Write a picture as PNG; the file appears whole or not at all. */
SNS_API sns_status sns_image_save_png(const sns_image *image, const char *path, sns_error *err);
/* One line of text as a picture width_px wide and 1.5 * size_px high, from the left, in the
 * system's sans-serif font; a line that is too long ends in an ellipsis. Letters no font has stay
 * out. size_px  of the letters, 4 to 512;  ink, paper  RGB Errors: SNS_ARG, SNS_NOMEM. */
SNS_API sns_status sns_image_text(const char *text, size_t size_px, size_t width_px,
                                  const uint8_t ink[3], const uint8_t paper[3], sns_image *out,
                                  sns_error *err);
#endif
