/* tone_map.h - HDR light (PQ, HLG; BT.2020 primaries) to sRGB. */
#ifndef SNS_MEDIA_TONE_MAP_H
#define SNS_MEDIA_TONE_MAP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sns_hdr sns_hdr; /* tables for one transfer and one peak */

/* hlg  else PQ;  peak  of the film in cd/m^2. NULL: no memory. Free with free(). */
sns_hdr *sns_hdr_new(bool hlg, double peak);
bool sns_hdr_is(const sns_hdr *h, bool hlg, double peak);
/* One row: n pixels of 16-bit RGB (non-linear, full range, BT.2020) to 8-bit sRGB. */
void sns_hdr_row(const sns_hdr *h, const uint16_t *rgb, size_t n, uint8_t *out);
#endif
