/* frame_convert.h - a decoded frame to upright sRGB with square pixels. */
#ifndef SNS_MEDIA_FRAME_CONVERT_H
#define SNS_MEDIA_FRAME_CONVERT_H
#include <libavutil/frame.h>
#include <libavutil/rational.h>
#include <sensus/image.h>
#include <stdbool.h>

struct SwsContext;
struct sns_hdr;

/* How a picture is laid out in memory against how it is shown; transposed first, then mirrored. */
typedef struct sns_turn {
    bool transpose, mirror_x, mirror_y;
} sns_turn;

/* The turn of a display matrix (libavutil/display.h), NULL: none. */
sns_turn sns_turn_of(const int32_t *matrix);
/* Degrees clockwise; a mirrored picture's are those of its unmirrored one. */
int sns_turn_degrees(sns_turn t);
/* Are the samples of this transfer characteristic HDR: PQ or HLG? */
bool sns_is_hdr(enum AVColorTransferCharacteristic transfer);

/* What converting keeps from one frame to the next. Zero-initialise; free with sns_convert_free. */
typedef struct sns_convert {
    struct SwsContext *sws;
    struct sns_hdr *hdr;
    uint8_t *staged; /* as scaled, before turning */
    size_t staged_size;
} sns_convert;

void sns_convert_free(sns_convert *c);

/* The size at which a frame is shown, after turning.
 *   aspect     width : height of a pixel; 0: square
 *   target_px  video.h's */
void sns_shown_size(size_t width, size_t height, AVRational aspect, sns_turn turn, size_t target_px,
                    size_t *out_width, size_t *out_height);

/* Convert to width x height (as shown), all colours handled.
 *   out  its rgb is malloc'd or realloc'd: {0} before the first call
 * Errors: SNS_UNSUPPORTED (pixel format), SNS_NOMEM. */
sns_status sns_convert_frame(sns_convert *c, const AVFrame *frame, sns_turn turn, size_t width,
                             size_t height, const char *name, sns_image *out, sns_error *err);
#endif
