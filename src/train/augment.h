/* augment.h - a picture as training sees it: randomly cropped, mirrored, coloured, normalised. */
#ifndef SNS_TRAIN_AUGMENT_H
#define SNS_TRAIN_AUGMENT_H
#include "base/rng.h"
#include "prep/preprocess.h"
#include <sensus/status.h>

typedef struct sns_augment {
    size_t image_px;       /* side S of the output */
    double crop_scale;     /* least area of the crop, relative to the square; 1: no cropping */
    double crop_aspect;    /* most that the crop's width to height may be off 1, as a factor */
    double grayscale;      /* share of the pictures that lose their colour */
    double jitter;         /* brightness, contrast, saturation in 1 +- jitter */
    float mean[3], std[3]; /* of normalisation, for values in 0 ... 1 */
} sns_augment;

/* square [side, side, 3] -> out [3, S, S] planar. scratch: S * S * 3 bytes. rng NULL: the whole
 * square, unchanged, as at inference. */
sns_status sns_augment_run(const sns_augment *a, sns_rng *rng, bool may_flip, const uint8_t *square,
                           size_t side, uint8_t *scratch, float *out, sns_error *err);
#endif
