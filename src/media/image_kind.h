/* image_kind.h - which format a picture has, by its first bytes. */
#ifndef SNS_MEDIA_IMAGE_KIND_H
#define SNS_MEDIA_IMAGE_KIND_H
#include <sensus/status.h>
#include <stddef.h>
#include <stdint.h>

typedef enum sns_kind {
    SNS_KIND_UNKNOWN,
    SNS_KIND_JPEG,
    SNS_KIND_PNG,
    SNS_KIND_WEBP,
    SNS_KIND_GIF,
    SNS_KIND_TIFF,
    SNS_KIND_HEIF, /* and AVIF */
    SNS_KIND_SVG,  /* plain or gzip */
    SNS_KIND_BMP,
    SNS_KIND_PPM /* PBM, PGM, PPM */
} sns_kind;

/* The bytes of one picture; borrowed. */
typedef struct sns_source {
    const uint8_t *bytes;
    size_t size;
    const char *name; /* for messages */
    sns_kind kind;
} sns_source;

sns_kind sns_kind_of(const uint8_t *bytes, size_t size);
/* "JPEG", … */
const char *sns_kind_name(sns_kind kind);
/* SNS_LIMIT when the header of a PNG or BMP announces more than max_pixels, before any decoder sees
 * it; the other formats are checked after their decoder has read the header. */
sns_status sns_kind_check_header(const sns_source *src, size_t max_pixels, sns_error *err);
#endif
