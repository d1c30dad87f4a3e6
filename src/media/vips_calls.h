/* vips_calls.h - libvips, loaded when the first picture is read.
 *
 * It brings a hundred libraries, and loading these takes several times as long as a search by words
 * does. sns_vips_start (image_vips.h) loads them and fills the table; media calls libvips through
 * it only: sns_vips.resize(...) is vips_resize(...). */
#ifndef SNS_MEDIA_VIPS_CALLS_H
#define SNS_MEDIA_VIPS_CALLS_H
#include <vips/vips.h>

#define SNS_VIPS_CALLS(X)                                                                          \
    X(cache_set_max)                                                                               \
    X(cast_uchar)                                                                                  \
    X(colourspace)                                                                                 \
    X(concurrency_set)                                                                             \
    X(copy)                                                                                        \
    X(error)                                                                                       \
    X(error_buffer_copy)                                                                           \
    X(error_clear)                                                                                 \
    X(extract_band)                                                                                \
    X(gifload_buffer)                                                                              \
    X(heifload_buffer)                                                                             \
    X(icc_transform)                                                                               \
    X(image_get_bands)                                                                             \
    X(image_get_blob)                                                                              \
    X(image_get_height)                                                                            \
    X(image_get_orientation)                                                                       \
    X(image_get_typeof)                                                                            \
    X(image_get_width)                                                                             \
    X(image_guess_interpretation)                                                                  \
    X(image_new_from_memory)                                                                       \
    X(image_pio_input)                                                                             \
    X(image_write_to_memory)                                                                       \
    X(init)                                                                                        \
    X(jpegload_buffer)                                                                             \
    X(jpegsave_buffer)                                                                             \
    X(magickload_buffer)                                                                           \
    X(pngload_buffer)                                                                              \
    X(pngsave_buffer)                                                                              \
    X(ppmload_source)                                                                              \
    X(region_new)                                                                                  \
    X(region_prepare)                                                                              \
    X(resize)                                                                                      \
    X(source_new_from_memory)                                                                      \
    X(svgload_buffer)                                                                              \
    X(text)                                                                                        \
    X(tiffload_buffer)                                                                             \
    X(version)                                                                                     \
    X(webpload_buffer)

typedef struct sns_vips_table {
#define SNS_VIPS_MEMBER(name) __typeof__(vips_##name) *name;
    SNS_VIPS_CALLS(SNS_VIPS_MEMBER)
#undef SNS_VIPS_MEMBER
} sns_vips_table;

/* Written once, by sns_vips_start. */
extern sns_vips_table sns_vips;
#endif
