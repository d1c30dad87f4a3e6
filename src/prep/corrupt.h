/* corrupt.h - pictures spoiled on purpose, by numbers alone (JPEG is media's). */
#ifndef SNS_PREP_CORRUPT_H
#define SNS_PREP_CORRUPT_H
#include "base/rng.h"
#include <sensus/robustness.h>

/* rgb [h, w, 3] -> out [h, w, 3], another place. rng: what noise and fog draw from. Errors: SNS_ARG
 * (an empty picture, a strength outside 1 ... 5, SNS_SHIFT_JPEG), SNS_LIMIT (a side above
 * SNS_CORRUPT_PX_MAX), SNS_NOMEM. */
sns_status sns_corrupt_rgb(sns_shift shift, int strength, sns_rng *rng, const uint8_t *rgb,
                           size_t w, size_t h, uint8_t *out, sns_error *err);
/* The quality that SNS_SHIFT_JPEG means; strength 1 ... 5. */
int sns_corrupt_jpeg_quality(int strength);
#endif
