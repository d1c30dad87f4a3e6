/* video_internal.h - an open film, for the files that read it. */
#ifndef SNS_MEDIA_VIDEO_INTERNAL_H
#define SNS_MEDIA_VIDEO_INTERNAL_H
#include "media/av_input.h"
#include "media/frame_convert.h"
#include <sensus/video.h>

struct sns_video {
    sns_av_input *in;
    sns_convert convert;
    sns_image image; /* what sns_video_next hands out */
    sns_turn turn;
    size_t target_px, max_pixels;
    double max_seconds;
    double last;    /* time of the frame before; below zero: none */
    double skip_to; /* frames before are not wanted */
    size_t passed;  /* frames passed over as damaged or out of order */
};

/* The next frame as decoded, *frame borrowed until the next call, NULL at the end. */
sns_status sns_video_pull(sns_video *v, AVFrame **frame, double *seconds, sns_error *err);
/* How long a frame is shown, as the stream announces it; 0: it doesn't. */
double sns_video_frame_duration(const sns_video *v, const AVFrame *frame);
/* A frame as it is shown; out as for sns_convert_frame. */
sns_status sns_video_show(sns_video *v, const AVFrame *frame, sns_image *out, sns_error *err);
#endif
