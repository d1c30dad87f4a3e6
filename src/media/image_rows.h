/* image_rows.h - the pixels of an opened picture. */
#ifndef SNS_MEDIA_IMAGE_ROWS_H
#define SNS_MEDIA_IMAGE_ROWS_H
#include "media/image_vips.h"
#include <sensus/image.h>

/* Pull all rows of an sRGB picture of 3 or 4 bands from top to bottom; transparency is composited
 * on white.
 *   shrink  1, 2, 4 or 8: each pixel of the result is the mean of a square of so many by so many
 *           (at the right and lower edges, of what is there); the full picture is never held
 * Errors: SNS_FORMAT (damaged), SNS_NOMEM. */
sns_status sns_rows_pull(const sns_source *src, VipsImage *image, size_t shrink, sns_image *out,
                         sns_error *err);
#endif
