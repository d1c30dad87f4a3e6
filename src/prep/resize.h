/* resize.h - a window of a resized picture. */
#ifndef SNS_PREP_RESIZE_H
#define SNS_PREP_RESIZE_H
#include <sensus/status.h>
#include <stddef.h>
#include <stdint.h>

/* Resize the box x0 … x1, y0 … y1 of a picture to out_w x out_h and compute only the given window
 * of that result: the same bytes as resizing all and cropping, for less work. */
typedef struct sns_resize_job {
    const uint8_t *in; /* [h, w, 3] */
    size_t w, h;
    double x0, y0, x1, y1;
    size_t out_w, out_h;
    size_t window_x, window_y, window_w, window_h;
} sns_resize_job;

/* out [window_h, window_w, 3]. Errors: SNS_ARG, SNS_LIMIT, SNS_NOMEM. */
sns_status sns_resize_window(const sns_resize_job *job, uint8_t *out, sns_error *err);
#endif
