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
 * target_px. Errors: SNS_MISSING, SNS_IO, SNS_FORMAT (damaged, truncated, unknown), SNS_LIMIT,
 * SNS_NOMEM. Threads: any. */
SNS_API sns_status sns_image_load(const char *path, const sns_image_options *options,
                                  sns_image *out, sns_error *err);
/* The same from memory; name is only used in messages. */
SNS_API sns_status sns_image_decode(const void *bytes, size_t size, const char *name,
                                    const sns_image_options *options, sns_image *out,
                                    sns_error *err);
SNS_API void sns_image_free(sns_image *image);
#endif
