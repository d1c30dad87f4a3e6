/* frame_encode.h - decoded frames to packets of a new film. */
#ifndef SNS_MEDIA_FRAME_ENCODE_H
#define SNS_MEDIA_FRAME_ENCODE_H
#include "media/av_output.h"
#include <libavcodec/avcodec.h>

struct SwsContext;

typedef struct sns_frame_encoder {
    AVCodecContext *codec;
    struct SwsContext *sws;
    AVFrame *frame; /* in the encoder's pixel format */
    AVPacket *packet;
    int64_t last; /* pts of the frame before */
} sns_frame_encoder;

/* The first encoder that is there and whose codec the output holds, for frames like `like`.
 *   stream  whose shape of pixels, colours and rate the new film has
 * Errors: SNS_UNSUPPORTED (none), SNS_NOMEM. Free with sns_frame_encoder_free. */
sns_status sns_frame_encoder_open(const sns_av_output *o, const AVStream *stream,
                                  const AVFrame *like, int threads, sns_frame_encoder *out,
                                  sns_error *err);
void sns_frame_encoder_free(sns_frame_encoder *e);
/* Encode a frame that is shown at a time of the new film, NULL: there are no more, and write what
 * comes of it. Frames of another size or format are converted. */
sns_status sns_frame_encoder_put(sns_frame_encoder *e, const AVFrame *frame, double seconds,
                                 sns_av_output *o, size_t stream, sns_error *err);
#endif
