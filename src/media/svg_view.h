/* svg_view.h - a viewBox for drawings whose size is in physical units. */
#ifndef SNS_MEDIA_SVG_VIEW_H
#define SNS_MEDIA_SVG_VIEW_H
#include <sensus/status.h>
#include <stddef.h>
#include <stdint.h>

/* Where the root element of an SVG has a width or height in pt, pc, mm, cm or in and no viewBox:
 *   out  a copy of the text that has one (malloc, the caller's); NULL where the text needs none
 * Malformed text needs none: the reader will say what is wrong with it. Errors: SNS_NOMEM. */
sns_status sns_svg_add_view(const uint8_t *text, size_t size, const char *name, uint8_t **out,
                            size_t *out_size, sns_error *err);
#endif
