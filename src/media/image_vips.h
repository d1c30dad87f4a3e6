/* image_vips.h - what is asked of libvips: open a source, make it sRGB, encode. */
#ifndef SNS_MEDIA_IMAGE_VIPS_H
#define SNS_MEDIA_IMAGE_VIPS_H
#include "media/image_kind.h"
#include "media/vips_calls.h"
#include <stdbool.h>

/* Load and start libvips once for the process (any thread): one worker for each decode, no cache of
 * operations, no warnings on stderr. Errors: SNS_MISSING (it is not installed), SNS_INTERNAL. */
sns_status sns_vips_start(sns_error *err);
/* Around a decode: GLib's warnings of this thread are dropped while on. */
void sns_vips_quiet(bool on);

/* SNS_FORMAT with the file's name and libvips's reason. libvips keeps one list of reasons for the
 * process: with decodes that fail at the same moment the reason, never the name, may be the
 * other's.
 */
sns_status sns_vips_fail(const sns_source *src, sns_error *err);

/* The source as a lazy image whose rows are read from top to bottom, at scale times its size (JPEG:
 * 1, 1/2, 1/4, 1/8; WebP and SVG: any; others: 1). Damage and truncation are errors. */
sns_status sns_vips_open(const sns_source *src, double scale, VipsImage **out, sns_error *err);

/* Replace *image by sRGB of 8 bits, 3 bands or 4 with alpha (not premultiplied). An embedded
 * profile is followed; CMYK without one is read as libvips's generic press. On failure *image is
 * unchanged.
 */
sns_status sns_vips_to_srgb(const sns_source *src, VipsImage **image, sns_error *err);
#endif
